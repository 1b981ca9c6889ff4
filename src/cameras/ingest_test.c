/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/private.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <stdlib.h>
#include <string.h>

/* A driver that brings what the test says. */
struct script {
	struct camera_source *source;
	unsigned n_shots; /* how often it was told of one */
};

static void script_open(void *priv, struct camera_source *src)
{
	((struct script *)priv)->source = src;
}

static void script_close(void *priv)
{
	((struct script *)priv)->source = NULL;
}

static void script_shot(void *priv)
{
	((struct script *)priv)->n_shots++;
}

static const struct camera_driver script_driver = {
	.name = "script",
	.title = "Script of a test",
	.priv_size = sizeof(struct script),
	.open = script_open,
	.close = script_close,
	.shot = script_shot,
};

struct rig {
	struct loop *loop;
	struct work_pool *pool;
	struct cameras *cameras;
	struct camera *camera;
	struct script *script;
	struct camera_shot shot;
	struct frame *shot_got;
	unsigned n_shots_done;
};

static void setup(struct rig *s, const struct camera_config *extra)
{
	struct camera_config config = *extra;
	struct cameras_env env = { 0 };

	*s = (struct rig){ .loop = loop_new_simulated(1795257605000) };
	env.loop = s->loop;
	env.pool = s->pool = work_pool_new(s->loop, "test", 1);
	s->cameras = cameras_new(&env);
	TEXT_SET(config.id, "front");
	config.is_always_open = true;
	CHECK_INT(cameras_add_driven(s->cameras, &config, &script_driver, &s->camera, NULL), 0);
	s->script = s->camera->priv;
}

static void teardown(struct rig *s)
{
	camera_shot_cancel(&s->shot);
	cameras_free(s->cameras);
	frame_unref(s->shot_got);
	work_pool_free(s->pool);
	loop_free(s->loop);
}

static struct frame *raw(unsigned width, unsigned height)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_I420, (size_t)width * height * 3 / 2, &bytes);

	memset(bytes, 0x60, f->size);
	f->width = width;
	f->height = height;
	return f;
}

/* A JPEG whose top left quarter is white, the rest black. */
static struct frame *marked(unsigned width, unsigned height)
{
	uint8_t *rgbx = mem_new((size_t)width * height * 4);
	struct frame *f = NULL;

	for (unsigned y = 0; y < height / 2; y++)
		memset(rgbx + (size_t)y * width * 4, 0xff, (size_t)width * 2);
	CHECK_INT(jpeg_encode_rgbx(rgbx, width, height, 90, &f, NULL), 0);
	free(rgbx);
	return f;
}

static bool is_white(const struct frame *f, double x, double y)
{
	struct jpeg_pixels p;

	CHECK_INT(jpeg_decode(f->data, f->size, 0, &p, NULL), 0);

	size_t at = ((size_t)(y * p.height) * p.width + (size_t)(x * p.width)) * 4;
	bool is = p.rgbx[at] > 128;

	jpeg_pixels_fini(&p);
	return is;
}

TEST(a_jpeg_that_stays_as_it_is_is_published_at_once_and_never_copied)
{
	struct rig s;
	struct frame *f = marked(64, 48), *got;

	setup(&s, &(struct camera_config){ 0 });
	camera_source_frame(s.script->source, frame_ref(f));
	got = camera_newest(s.camera);
	CHECK(got == f);
	CHECK(work_pending(s.pool) == 0);
	frame_unref(got);
	frame_unref(f);
	teardown(&s);
}

/* The same picture with EXIF that says how it lies. */
static struct frame *tagged(const struct frame *f, uint8_t orientation, bool is_big)
{
	static const uint8_t little[] = { 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
		                          42,   0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
		                          1,    0,    0, 0,  1,   0,   0,   0,   0,    0, 0,   0 };
	static const uint8_t big[] = { 0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0,    'M', 'M',
		                       0,    42,   0, 0,  0,   8,   0,   1,   0x01, 0x12, 0,   3,
		                       0,    0,    0, 1,  0,   1,   0,   0,   0,    0,    0,   0 };
	uint8_t *bytes;
	struct frame *ret = frame_new(FRAME_JPEG, f->size + sizeof(big), &bytes);

	memcpy(bytes, f->data, 2);
	memcpy(bytes + 2, is_big ? big : little, sizeof(big));
	bytes[2 + (is_big ? 29 : 28)] = orientation;
	memcpy(bytes + 2 + sizeof(big), f->data + 2, f->size - 2);
	return ret;
}

/* Where the first corner of the stored picture is to be seen, clockwise from the top left. */
TEST(a_picture_that_says_how_it_lies_is_set_upright_before_it_is_turned_as_configured)
{
	static const unsigned corner_of[] = { 0, 0, 1, 2, 3, 0, 1, 2, 3 };
	static const double at[][2] = { { 0.2, 0.2 }, { 0.8, 0.2 }, { 0.8, 0.8 }, { 0.2, 0.8 } };

	for (unsigned i = 0; i < 4 * ARRAY_LEN(corner_of); i++) {
		struct camera_config config = { .rotation = i >= 18 ? 90 : 0,
			                        .is_flipped_v = i >= 27 };
		unsigned o = i % 9, corner = corner_of[o];
		bool is_swapped = (o >= 5) != (config.rotation == 90);
		struct frame *f = marked(64, 48), *t = tagged(f, (uint8_t)o, i >= 9), *got;
		struct rig s;

		if (config.is_flipped_v)
			corner = 3 - corner;
		corner = (corner + config.rotation / 90) % 4;
		setup(&s, &config);
		camera_source_frame(s.script->source, t);
		for (unsigned k = 0; work_pending(s.pool) > 0 && k < 1000; k++)
			loop_advance(s.loop, 10);
		got = camera_newest(s.camera);
		CHECK(got && got->width == (is_swapped ? 48U : 64U));
		for (unsigned k = 0; got && k < 4; k++)
			CHECK(is_white(got, at[k][0], at[k][1]) == (k == corner));
		frame_unref(got);
		frame_unref(f);
		teardown(&s);
	}
}

TEST(a_raw_frame_becomes_a_jpeg_and_keeps_its_times)
{
	struct rig s;
	struct frame *f = raw(64, 48), *got;

	setup(&s, &(struct camera_config){ .quality = 80 });
	f->captured_us = loop_now_us(s.loop) - 40000;
	f->is_stamped = true;
	camera_source_frame(s.script->source, f);
	CHECK(!s.camera->newest);
	loop_advance(s.loop, 1);
	got = camera_newest(s.camera);
	CHECK(got && got->format == FRAME_JPEG && got->width == 64 && got->height == 48);
	CHECK(got->captured_us == 1000000 - 40000 && got->is_stamped && got->seq == 1);
	frame_unref(got);
	teardown(&s);
}

TEST(a_raw_frame_that_is_too_short_is_refused_and_counted)
{
	struct rig s;
	struct frame *f = raw(64, 48);

	setup(&s, &(struct camera_config){ 0 });
	f->width = 640;
	camera_source_frame(s.script->source, f);
	loop_advance(s.loop, 1);
	CHECK_INT((int)camera_status(s.camera)->n_refused, 1);
	CHECK(strstr(camera_status(s.camera)->text, "too short"));
	CHECK(!s.camera->newest);
	teardown(&s);
}

TEST(pictures_are_mirrored_then_turned_clockwise)
{
	static const struct {
		unsigned degrees;
		bool h, v;
		double x, y; /* where the white quarter is then */
	} cases[] = {
		{ 90, false, false, .75, .25 },  { 180, false, false, .75, .75 },
		{ 270, false, false, .25, .75 }, { 0, true, false, .75, .25 },
		{ 0, false, true, .25, .75 },    { 0, true, true, .75, .75 },
		{ 90, true, false, .75, .75 },   { 90, false, true, .25, .25 },
		{ 270, true, false, .25, .25 },  { 180, true, true, .25, .25 },
		{ 180, false, true, .75, .25 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct camera_config config = { .rotation = cases[i].degrees,
			                        .is_flipped_h = cases[i].h,
			                        .is_flipped_v = cases[i].v };
		bool is_lying = cases[i].degrees % 180 == 0;
		unsigned n_white = 0;
		struct rig s;
		struct frame *got;

		setup(&s, &config);
		camera_source_frame(s.script->source, marked(96, 64));
		loop_advance(s.loop, 1);
		got = camera_newest(s.camera);
		CHECK(got && got->width == (is_lying ? 96 : 64) &&
		      got->height == (is_lying ? 64 : 96));
		CHECK(is_white(got, cases[i].x, cases[i].y));
		for (int q = 0; q < 4; q++)
			n_white += is_white(got, q % 2 ? .75 : .25, q / 2 ? .75 : .25);
		CHECK_INT((int)n_white, 1);
		frame_unref(got);
		teardown(&s);
	}
}

TEST(a_picture_that_is_not_whole_blocks_loses_the_edge_that_moves)
{
	struct rig s;
	struct frame *got;

	setup(&s, &(struct camera_config){ .rotation = 180 });
	camera_source_frame(s.script->source, marked(96, 72));
	loop_advance(s.loop, 1);
	got = camera_newest(s.camera);
	CHECK(got && got->width == 96 && got->height == 64);
	frame_unref(got);
	teardown(&s);
}

static void on_shot(void *arg, struct frame *f, const struct err *err)
{
	struct rig *s = arg;

	(void)err;
	s->n_shots_done++;
	frame_unref(s->shot_got);
	s->shot_got = f;
}

static void send_at(struct rig *s, int64_t captured_us)
{
	struct frame *f = raw(64, 48);

	f->captured_us = captured_us;
	f->is_stamped = true;
	camera_source_frame(s->script->source, f);
}

TEST(of_what_waits_for_the_worker_only_the_newest_is_kept)
{
	struct rig s;

	setup(&s, &(struct camera_config){ 0 });
	for (int i = 0; i < 5; i++)
		send_at(&s, 2000000 + i);
	CHECK_INT((int)s.camera->ingest.n_waiting, 1);
	loop_advance(s.loop, 1);
	loop_advance(s.loop, 1);
	CHECK_INT((int)camera_status(s.camera)->n_frames, 2);
	CHECK(s.camera->newest->captured_us == 2000004);
	teardown(&s);
}

TEST(what_a_shot_waits_for_is_kept_though_newer_ones_come)
{
	struct rig s;

	setup(&s, &(struct camera_config){ 0 });
	send_at(&s, 2000000);
	camera_shoot(s.camera, &s.shot, 2000002, 5000, on_shot, &s);
	for (int i = 1; i < 9; i++)
		send_at(&s, 2000000 + i);
	CHECK_INT((int)s.camera->ingest.n_waiting, 2);
	for (int i = 0; i < 3; i++)
		loop_advance(s.loop, 1);
	CHECK(s.n_shots_done == 1 && s.shot_got && s.shot_got->captured_us == 2000002);
	CHECK(s.camera->newest->captured_us == 2000008);
	teardown(&s);
}

TEST(a_camera_that_is_removed_with_a_frame_in_work_leaves_nothing_behind)
{
	struct rig s;

	setup(&s, &(struct camera_config){ .rotation = 90 });
	send_at(&s, 2000000);
	send_at(&s, 2000001);
	cameras_remove(s.cameras, "front");
	loop_advance(s.loop, 10);
	CHECK(work_pending(s.pool) == 0);
	teardown(&s);
}

TEST(a_driver_is_told_that_a_shot_waits)
{
	struct rig s;

	setup(&s, &(struct camera_config){ 0 });
	CHECK(camera_source_wanted_us(s.script->source) == INT64_MAX);
	camera_shoot(s.camera, &s.shot, 1500000, 5000, on_shot, &s);
	CHECK(s.script->n_shots == 0);
	loop_advance(s.loop, 1);
	CHECK(s.script->n_shots == 1);
	CHECK(camera_source_wanted_us(s.script->source) == 1500000);
	teardown(&s);
}
