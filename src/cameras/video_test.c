/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/private.h"
#include "cameras/video.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <stdlib.h>
#include <string.h>

/* A driver that brings what the test says. */
struct script {
	struct camera_source *source;
	double fps;
	unsigned n_shots, n_opened;
};

static void script_open(void *priv, struct camera_source *src)
{
	struct script *s = priv;

	s->source = src;
	s->n_opened++;
}

static void script_close(void *priv)
{
	((struct script *)priv)->source = NULL;
}

static void script_demand(void *priv, double fps)
{
	((struct script *)priv)->fps = fps;
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
	.demand = script_demand,
	.shot = script_shot,
	.gives_video = true,
};

struct rig {
	struct loop *loop;
	struct cameras *cameras;
	struct camera *camera;
	struct script *script;
	struct camera_video_watcher watcher;
	unsigned n_packets, n_broken;
	int64_t dts_us;
	bool leaves; /* the watcher, at its next packet */
};

static void on_packet(void *arg, struct frame *f)
{
	struct rig *r = arg;

	CHECK(f->dts_us > r->dts_us);
	r->dts_us = f->dts_us;
	r->n_packets++;
	if (r->leaves)
		camera_video_unwatch(&r->watcher);
}

static void on_broken(void *arg)
{
	((struct rig *)arg)->n_broken++;
}

static void setup(struct rig *r)
{
	struct camera_config config = { .id = "front" };
	struct cameras_env env = { 0 };

	*r = (struct rig){ .loop = loop_new_simulated(1795257605000) };
	r->watcher.packet = on_packet;
	r->watcher.broken = on_broken;
	r->watcher.arg = r;
	env.loop = r->loop;
	r->cameras = cameras_new(&env);
	CHECK_INT(cameras_add_driven(r->cameras, &config, &script_driver, &r->camera, NULL), 0);
	r->script = r->camera->priv;
}

static void teardown(struct rig *r)
{
	camera_video_unwatch(&r->watcher);
	cameras_free(r->cameras);
	loop_free(r->loop);
}

/* 64x48, as x264 writes it: parameter sets, then a slice of `size` bytes. */
static struct frame *packet(bool is_key, size_t size)
{
	static const char sets[] = "000000016764000aacd9447b0110000003001000"
				   "00030320f12259600000000168ebe3cb22c0";
	size_t n_sets = is_key ? strlen(sets) / 2 : 0;
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_H264, n_sets + 4 + size, &bytes);

	if (is_key)
		CHECK(text_unhex(bytes, n_sets, sets));
	memset(bytes + n_sets, 0x55, 4 + size);
	memcpy(bytes + n_sets, is_key ? "\0\0\1\x65" : "\0\0\1\x41", 4);
	f->is_key = is_key;
	return f;
}

static void bring(struct rig *r, bool is_key, size_t size)
{
	camera_source_packet(r->script->source, packet(is_key, size));
	loop_advance(r->loop, 40);
}

static size_t kept(struct rig *r)
{
	struct frame *f[64];
	size_t n = camera_video_get(r->camera, f, 64);

	CHECK(n == 0 || f[0]->is_key);
	for (size_t i = 0; i < n; i++)
		frame_unref(f[i]);
	return n;
}

TEST(video_opens_the_camera_and_is_passed_on)
{
	struct rig r;

	setup(&r);
	CHECK(!r.script->source);
	CHECK(camera_gives_video(r.camera));
	CHECK(!camera_video_params(r.camera));
	camera_video_watch(r.camera, &r.watcher);
	CHECK(r.script->source != NULL);
	bring(&r, true, 100);
	bring(&r, false, 50);
	CHECK_INT(r.n_packets, 2);
	CHECK_INT(camera_status(r.camera)->state, CAMERA_LIVE);
	CHECK(camera_video_params(r.camera) != NULL);
	CHECK(camera_status(r.camera)->width > 0);
	/* Whoever watches video wants no JPEG decoded. */
	CHECK(r.script->fps == 0);
	camera_video_unwatch(&r.watcher);
	loop_advance(r.loop, 6000);
	CHECK(!r.script->source);
	teardown(&r);
}

TEST(video_begins_for_a_newcomer_with_the_newest_key_frame)
{
	struct rig r;

	setup(&r);
	camera_video_watch(r.camera, &r.watcher);
	bring(&r, false, 10);
	CHECK_INT(kept(&r), 0);
	bring(&r, true, 10);
	bring(&r, false, 10);
	CHECK_INT(kept(&r), 2);
	bring(&r, true, 10);
	CHECK_INT(kept(&r), 1);
	/* What does not fit is no beginning any more. */
	bring(&r, false, CAMERA_VIDEO_MAX_BYTES - 20);
	CHECK_INT(kept(&r), 0);
	bring(&r, false, 10);
	CHECK_INT(kept(&r), 0);
	bring(&r, true, 10);
	CHECK_INT(kept(&r), 1);
	CHECK_INT(camera_video_generation(r.camera), 1);
	teardown(&r);
}

static void woken(void *arg)
{
	(void)arg;
}

TEST(video_is_decoded_while_somebody_watches_pictures)
{
	struct rig r;
	struct camera_watcher w = { 0 };

	setup(&r);
	camera_watch(r.camera, &w, woken, NULL);
	loop_advance(r.loop, 10);
	CHECK(r.script->fps > 0);
	camera_unwatch(&w);
	loop_advance(r.loop, 10);
	CHECK(r.script->source != NULL);
	CHECK(r.script->fps == 0);
	/* Opened anew the driver is told anew. */
	camera_watch(r.camera, &w, woken, NULL);
	loop_advance(r.loop, 10);
	camera_source_failed(r.script->source, &(struct err){ .text = "gone" });
	r.script->fps = 0;
	loop_advance(r.loop, 2000);
	CHECK_INT(r.script->n_opened, 2);
	CHECK(r.script->fps > 0);
	camera_unwatch(&w);
	teardown(&r);
}

TEST(video_that_stops_is_told_and_the_camera_reconnects)
{
	struct rig r;

	setup(&r);
	camera_video_watch(r.camera, &r.watcher);
	bring(&r, true, 10);
	loop_advance(r.loop, 9000);
	CHECK_INT(r.n_broken, 0);
	loop_advance(r.loop, 3000);
	CHECK_INT(r.n_broken, 1);
	CHECK_INT(kept(&r), 0);
	CHECK_INT(r.script->n_opened, 2);
	CHECK(r.watcher.camera == r.camera);
	cameras_remove(r.cameras, "front");
	CHECK(r.watcher.camera == NULL);
	CHECK(r.n_broken >= 2);
	teardown(&r);
}

TEST(video_watcher_may_leave_while_it_is_called)
{
	struct rig r;

	setup(&r);
	camera_video_watch(r.camera, &r.watcher);
	r.leaves = true;
	bring(&r, true, 10);
	bring(&r, false, 10);
	CHECK_INT(r.n_packets, 1);
	teardown(&r);
}

TEST(packets_that_are_no_video_are_refused)
{
	struct rig r;
	uint8_t *bytes;

	setup(&r);
	camera_video_watch(r.camera, &r.watcher);
	camera_source_packet(r.script->source, frame_new(FRAME_JPEG, 10, &bytes));
	camera_source_packet(r.script->source,
	                     frame_new(FRAME_H264, CAMERA_VIDEO_MAX_BYTES + 1, &bytes));
	CHECK_INT(r.n_packets, 0);
	CHECK_INT(camera_status(r.camera)->n_refused, 2);
	teardown(&r);
}

TEST(camera_that_turns_out_to_send_pictures_gives_no_video)
{
	static const uint8_t grey[16 * 16 * 4];
	struct rig r;
	struct frame *f = NULL;

	setup(&r);
	camera_video_watch(r.camera, &r.watcher);
	CHECK(camera_gives_video(r.camera));
	CHECK_INT(jpeg_encode_rgbx(grey, 16, 16, 80, &f, NULL), 0);
	camera_source_frame(r.script->source, f);
	CHECK(!camera_gives_video(r.camera));
	CHECK_INT(camera_status(r.camera)->state, CAMERA_LIVE);
	bring(&r, true, 10);
	CHECK(camera_gives_video(r.camera));
	teardown(&r);
}
