/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/private.h"
#include "cameras/v4l2_camera.h"
#include "cameras/v4l2_controls.h"
#include "cameras/v4l2_device.h"
#include "cameras/v4l2_jpeg.h"
#include "cameras/v4l2_sim.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/work.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "media/jpeg_scan.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct sim_format webcam[] = {
	{ V4L2_PIX_FMT_YUYV, 640, 480, 30 },    { V4L2_PIX_FMT_YUYV, 1920, 1080, 5 },
	{ V4L2_PIX_FMT_MJPEG, 640, 480, 30 },   { V4L2_PIX_FMT_MJPEG, 1280, 720, 30 },
	{ V4L2_PIX_FMT_MJPEG, 1280, 720, 10 },  { V4L2_PIX_FMT_MJPEG, 1920, 1080, 30 },
	{ V4L2_PIX_FMT_MJPEG, 3840, 2160, 15 },
};

static struct frame *make_jpeg(unsigned width, unsigned height)
{
	struct draw_canvas *c = draw_canvas_new(width, height);
	struct frame *f = NULL;

	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)c->pixels, width, height, 80, &f, NULL), 0);
	draw_canvas_free(c);
	return f;
}

/* ---- formats ---- */

static struct v4l2_format_choice best_of(struct v4l2_sim *s, struct v4l2_wish wish)
{
	struct v4l2_format_choice list[V4L2_MAX_FORMATS];
	size_t n = v4l2_formats(&s->sys, s->fd, list, ARRAY_LEN(list));
	const struct v4l2_format_choice *c = v4l2_choose(list, n, &wish);

	return c ? *c : (struct v4l2_format_choice){ 0 };
}

static void check_best(struct v4l2_wish wish, uint32_t pixel, unsigned width, double fps)
{
	struct v4l2_sim s;
	struct v4l2_format_choice c;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	c = best_of(&s, wish);
	CHECK_INT(c.pixel, pixel);
	CHECK_INT(c.width, width);
	CHECK(c.fps > fps - 0.1 && c.fps < fps + 0.1);
	sim_fini(&s);
}

TEST(v4l2_chooses_what_is_wanted)
{
	const uint32_t mjpeg = V4L2_PIX_FMT_MJPEG, yuyv = V4L2_PIX_FMT_YUYV;

	check_best((struct v4l2_wish){ 0 }, mjpeg, 1920, 30);
	check_best((struct v4l2_wish){ .width = 1280, .height = 720 }, mjpeg, 1280, 30);
	check_best((struct v4l2_wish){ .width = 1280, .height = 720, .fps = 5 }, mjpeg, 1280, 10);
	check_best((struct v4l2_wish){ .width = 1000, .height = 600 }, mjpeg, 1280, 30);
	check_best((struct v4l2_wish){ .width = 8000, .height = 6000 }, mjpeg, 3840, 15);
	check_best((struct v4l2_wish){ .pixel = yuyv }, yuyv, 1920, 5);
	check_best((struct v4l2_wish){ .pixel = yuyv, .width = 640, .height = 480 }, yuyv, 640, 30);
	check_best((struct v4l2_wish){ .pixel = V4L2_PIX_FMT_NV12 }, 0, 0, 0);
}

TEST(v4l2_knows_sizes_in_steps_and_cameras_that_tell_no_rate)
{
	static const struct sim_format raw[] = { { V4L2_PIX_FMT_NV12, 0, 0, 0 } };
	static const struct v4l2_frmsize_stepwise steps = { 32, 2592, 8, 32, 1944, 2 };
	struct v4l2_sim s;
	struct v4l2_format_choice c;

	sim_init(&s, raw, 1);
	s.steps = &steps;
	c = best_of(&s, (struct v4l2_wish){ 0 });
	CHECK_INT(c.width, 1920);
	CHECK_INT(c.height, 1080);
	CHECK(c.fps == 0);
	sim_fini(&s);
}

TEST(v4l2_names_formats)
{
	char name[8];
	uint32_t pixel = 1;

	CHECK_STR(v4l2_pixel_name(V4L2_PIX_FMT_MJPEG, name), "MJPG");
	CHECK_STR(v4l2_pixel_name(0x01020304, name), "????");
	CHECK(v4l2_pixel_from_name("auto", &pixel) && pixel == 0);
	CHECK(v4l2_pixel_from_name("nv12", &pixel) && pixel == V4L2_PIX_FMT_NV12);
	CHECK(!v4l2_pixel_from_name("mp4", &pixel));
}

/* ---- streams ---- */

static struct v4l2_stream *start(struct v4l2_sim *s, uint32_t pixel, unsigned width,
                                 unsigned height)
{
	struct v4l2_format_choice c = { pixel, width, height, 30 };
	struct v4l2_stream *stream = NULL;
	struct err err = { 0 };

	CHECK_INT(v4l2_stream_start(&s->sys, s->fd, &c, &stream, &err), 0);
	return stream;
}

static struct frame *next(struct v4l2_stream *stream)
{
	struct frame *f = NULL;
	struct err err = { 0 };

	CHECK_INT(v4l2_stream_next(stream, &f, &err), 0);
	return f;
}

TEST(v4l2_hands_a_jpeg_on_without_copying_it)
{
	struct v4l2_sim s;
	struct frame *jpeg = make_jpeg(640, 480), *f;
	struct v4l2_stream *stream;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	stream = start(&s, V4L2_PIX_FMT_MJPEG, 640, 480);
	CHECK(!next(stream));
	CHECK(sim_give(&s, jpeg->data, jpeg->size, 0));
	f = next(stream);
	CHECK(f && f->size == jpeg->size && memcmp(f->data, jpeg->data, f->size) == 0);
	CHECK(f->data == s.memory[0]);
	CHECK(f->is_stamped && f->captured_us > 0);
	CHECK_INT(v4l2_stream_counts(stream)->n_copied, 0);
	CHECK_INT(sim_n_queued(&s), 5);
	frame_unref(f);
	CHECK(!next(stream)); /* gives the buffer back */
	CHECK_INT(sim_n_queued(&s), 6);
	v4l2_stream_stop(stream);
	frame_unref(jpeg);
	sim_fini(&s);
}

TEST(v4l2_copies_when_readers_hold_on_and_never_starves_the_device)
{
	struct v4l2_sim s;
	struct frame *jpeg = make_jpeg(640, 480), *held[40];
	struct v4l2_stream *stream;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	stream = start(&s, V4L2_PIX_FMT_MJPEG, 640, 480);
	for (unsigned i = 0; i < ARRAY_LEN(held); i++) {
		CHECK(sim_give(&s, jpeg->data, jpeg->size, 0));
		held[i] = next(stream);
		CHECK(held[i]);
		CHECK(sim_n_queued(&s) >= 3);
	}
	CHECK_INT(v4l2_stream_counts(stream)->n_copied, ARRAY_LEN(held) - 3);
	for (unsigned i = 0; i < ARRAY_LEN(held); i++) {
		CHECK(memcmp(held[i]->data, jpeg->data, jpeg->size) == 0);
		frame_unref(held[i]);
	}
	v4l2_stream_stop(stream);
	frame_unref(jpeg);
	sim_fini(&s);
}

TEST(v4l2_frames_outlive_the_camera)
{
	struct v4l2_sim s;
	struct frame *jpeg = make_jpeg(640, 480), *f;
	struct v4l2_stream *stream;
	struct err err = { 0 };
	struct frame *none = NULL;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	stream = start(&s, V4L2_PIX_FMT_MJPEG, 640, 480);
	CHECK(sim_give(&s, jpeg->data, jpeg->size, 0));
	f = next(stream);
	sim_unplug(&s);
	CHECK_INT(v4l2_stream_next(stream, &none, &err), -ENODEV);
	CHECK_STR(err.text, "the camera was unplugged");
	v4l2_stream_stop(stream);
	CHECK(memcmp(f->data, jpeg->data, jpeg->size) == 0);
	CHECK_INT(s.n_mapped, 6);
	frame_unref(f);
	frame_unref(jpeg);
	sim_fini(&s); /* checks that nothing is mapped */
}

/* A JPEG as some USB cameras send it: without its tables, the buffer filled up. */
static size_t spoil(const struct frame *jpeg, uint8_t *dst)
{
	size_t n = 0, at = 2;

	memcpy(dst, jpeg->data, 2);
	n = 2;
	while (jpeg->data[at + 1] != 0xda) {
		size_t size = 2 + (size_t)(jpeg->data[at + 2] << 8 | jpeg->data[at + 3]);

		if (jpeg->data[at + 1] != 0xc4) {
			memcpy(dst + n, jpeg->data + at, size);
			n += size;
		}
		at += size;
	}
	memcpy(dst + n, jpeg->data + at, jpeg->size - at);
	n += jpeg->size - at;
	memset(dst + n, 0, 1000);
	return n + 1000;
}

TEST(v4l2_gives_a_jpeg_without_tables_the_standard_ones)
{
	struct v4l2_sim s;
	struct frame *jpeg = make_jpeg(640, 480), *f;
	uint8_t *spoilt = mem_new(jpeg->size + 1000);
	size_t size = spoil(jpeg, spoilt);
	struct v4l2_stream *stream;
	struct jpeg_info info;
	struct jpeg_pixels pixels = { 0 };

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	stream = start(&s, V4L2_PIX_FMT_MJPEG, 640, 480);
	CHECK(sim_give(&s, spoilt, size, 0));
	f = next(stream);
	CHECK_INT(jpeg_scan(f->data, f->size, &info, NULL), 0);
	CHECK(info.has_huffman && info.width == 640 && info.height == 480);
	CHECK_INT(jpeg_decode(f->data, f->size, 0, &pixels, NULL), 0);
	jpeg_pixels_fini(&pixels);
	frame_unref(f);
	v4l2_stream_stop(stream);
	free(spoilt);
	frame_unref(jpeg);
	sim_fini(&s);
}

TEST(v4l2_drops_what_the_device_says_is_damaged)
{
	struct v4l2_sim s;
	struct frame *jpeg = make_jpeg(640, 480), *f;
	struct v4l2_stream *stream;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	stream = start(&s, V4L2_PIX_FMT_MJPEG, 640, 480);
	CHECK(sim_give(&s, jpeg->data, jpeg->size, V4L2_BUF_FLAG_ERROR));
	CHECK(!next(stream));
	CHECK(sim_give(&s, jpeg->data, 0, 0));
	CHECK(!next(stream));
	CHECK_INT(v4l2_stream_counts(stream)->n_damaged, 2);
	CHECK_INT(sim_n_queued(&s), 6);
	s.sequence += 7; /* the device lost some by itself */
	CHECK(sim_give(&s, "garbage", 7, 0));
	f = next(stream);
	CHECK_INT(f->size, 7); /* refused by the framework, which says why */
	CHECK_INT(v4l2_stream_counts(stream)->n_lost, 7);
	frame_unref(f);
	v4l2_stream_stop(stream);
	frame_unref(jpeg);
	sim_fini(&s);
}

TEST(v4l2_closes_the_gaps_of_raw_rows)
{
	static const struct sim_format raw[] = { { V4L2_PIX_FMT_NV12, 8, 4, 30 } };
	struct v4l2_sim s;
	struct v4l2_stream *stream;
	struct frame *f;
	uint8_t rows[6 * 24];

	for (size_t i = 0; i < sizeof(rows); i++)
		rows[i] = i % 24 < 8 ? (uint8_t)(i / 24) : 255;
	sim_init(&s, raw, 1);
	s.stride_extra = 16;
	stream = start(&s, V4L2_PIX_FMT_NV12, 8, 4);
	CHECK(sim_give(&s, rows, sizeof(rows), 0));
	f = next(stream);
	CHECK(f->format == FRAME_NV12 && f->size == 48 && f->width == 8 && f->height == 4);
	for (unsigned i = 0; i < 48; i++)
		CHECK_INT(f->data[i], i / 8);
	frame_unref(f);
	CHECK(sim_give(&s, rows, sizeof(rows) - 1, 0)); /* short: nothing of it is shown */
	CHECK(!next(stream));
	v4l2_stream_stop(stream);
	sim_fini(&s);
}

TEST(v4l2_refuses_rows_of_impossible_length)
{
	static const struct sim_format raw[] = { { V4L2_PIX_FMT_NV12, 8, 16000, 30 } };
	static const unsigned extras[] = { 30000, 0x20000000, UINT_MAX - 8 };
	struct v4l2_format_choice c = { V4L2_PIX_FMT_NV12, 8, 16000, 30 };

	for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
		struct v4l2_stream *stream = NULL;
		struct err err = { 0 };
		struct v4l2_sim s;

		sim_init(&s, raw, 1);
		s.stride_extra = extras[i];
		CHECK(v4l2_stream_start(&s.sys, s.fd, &c, &stream, &err) < 0);
		CHECK(err.code != 0 && err.text[0]);
		sim_fini(&s);
	}
}

TEST(v4l2_turns_uyvy_into_yuyv)
{
	static const struct sim_format raw[] = { { V4L2_PIX_FMT_UYVY, 4, 1, 30 } };
	struct v4l2_sim s;
	struct v4l2_stream *stream;
	struct frame *f;

	sim_init(&s, raw, 1);
	stream = start(&s, V4L2_PIX_FMT_UYVY, 4, 1);
	CHECK(sim_give(&s, "uYvyUYVy", 8, 0));
	f = next(stream);
	CHECK(f->format == FRAME_YUYV && memcmp(f->data, "YuyvYUyV", 8) == 0);
	frame_unref(f);
	v4l2_stream_stop(stream);
	sim_fini(&s);
}

TEST(v4l2_hands_video_on_and_knows_where_it_can_begin)
{
	static const struct sim_format video[] = { { V4L2_PIX_FMT_H264, 640, 480, 30 } };
	static const uint8_t key[] = { 0, 0, 0, 1, 0x65, 0x88, 0x84 };
	static const uint8_t other[] = { 0, 0, 0, 1, 0x41, 0x9a, 0x24 };
	struct v4l2_sim s;
	struct v4l2_stream *stream;
	struct frame *f;

	sim_init(&s, video, 1);
	CHECK_INT(best_of(&s, (struct v4l2_wish){ 0 }).pixel, 0); /* only if it is asked for */
	CHECK_INT(best_of(&s, (struct v4l2_wish){ .pixel = V4L2_PIX_FMT_H264 }).width, 640);
	stream = start(&s, V4L2_PIX_FMT_H264, 640, 480);
	CHECK(sim_give(&s, key, sizeof(key), 0));
	f = next(stream);
	CHECK(f->format == FRAME_H264 && f->is_key && f->size == sizeof(key));
	frame_unref(f);
	CHECK(sim_give(&s, other, sizeof(other), 0));
	f = next(stream);
	CHECK(!f->is_key);
	frame_unref(f);
	v4l2_stream_stop(stream);
	sim_fini(&s);
}

TEST(v4l2_says_why_a_stream_does_not_start)
{
	static const struct {
		unsigned long request;
		int rc;
		const char *text;
	} cases[] = {
		{ VIDIOC_S_FMT, -EINVAL, "the camera refuses 640×480" },
		{ VIDIOC_S_FMT, -EBUSY, "the camera refuses 640×480" },
		{ VIDIOC_REQBUFS, -ENOMEM, "the camera gives no memory for its pictures" },
		{ VIDIOC_QUERYBUF, -EINVAL, "the camera gives no memory for its pictures" },
		{ VIDIOC_QBUF, -EIO, "the camera does not start" },
		{ VIDIOC_STREAMON, -EIO, "the camera does not start" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct v4l2_format_choice c = { V4L2_PIX_FMT_MJPEG, 640, 480, 30 };
		struct v4l2_stream *stream = NULL;
		struct err err = { 0 };
		struct v4l2_sim s;

		sim_init(&s, webcam, ARRAY_LEN(webcam));
		s.fails = cases[i].request;
		s.fails_with = cases[i].rc;
		s.fails_times = 1;
		CHECK_INT(v4l2_stream_start(&s.sys, s.fd, &c, &stream, &err), cases[i].rc);
		CHECK_STR(err.text, cases[i].text);
		sim_fini(&s);
	}
}

TEST(v4l2_takes_the_size_that_the_device_made_of_it)
{
	struct v4l2_sim s;
	struct v4l2_stream *stream;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	s.gives_other_width = 800;
	stream = start(&s, V4L2_PIX_FMT_YUYV, 640, 480);
	CHECK_INT(v4l2_stream_format(stream)->width, 800);
	v4l2_stream_stop(stream);
	sim_fini(&s);
}

/* ---- controls ---- */

static void read_controls(struct v4l2_sim *s, struct v4l2_controls *ret)
{
	CHECK_INT(v4l2_controls_read(&s->sys, s->fd, ret), 0);
}

TEST(v4l2_lists_controls_by_lasting_names)
{
	struct v4l2_sim s;
	static struct v4l2_controls cs; /* large */
	const struct camera_control *c;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	sim_add_controls(&s);
	read_controls(&s, &cs);
	CHECK_INT(cs.n, 10);
	CHECK(v4l2_controls_find(&cs, "nonsense") < 0);
	CHECK_INT(v4l2_controls_find(&cs, "exposure_auto"),
	          v4l2_controls_find(&cs, "auto_exposure"));
	c = &cs.list[v4l2_controls_find(&cs, "exposure_time_absolute")];
	CHECK(c->min == 3 && c->max == 2047 && c->fallback == 250 && c->value == 157);
	CHECK(c->is_inactive && !c->is_read_only && c->kind == CAMERA_CONTROL_NUMBER);
	c = &cs.list[v4l2_controls_find(&cs, "auto_exposure")];
	CHECK(c->kind == CAMERA_CONTROL_MENU && c->n_choices == 2 && c->choices[0].value == 1);
	c = &cs.list[v4l2_controls_find(&cs, "zoom_absolute")];
	CHECK(c->is_read_only);
	sim_fini(&s);
}

static int write_control(struct v4l2_sim *s, const char *name, const char *text, struct err *err)
{
	static struct v4l2_controls cs; /* large */
	int64_t value = 0;
	int i, rc;

	read_controls(s, &cs);
	i = v4l2_controls_find(&cs, name);
	rc = v4l2_control_parse(&cs.list[i], text, &value, err);
	return rc < 0 ? rc : v4l2_control_write(&s->sys, s->fd, &cs, i, value, err);
}

TEST(v4l2_refuses_control_values_with_what_would_be_right)
{
	struct v4l2_sim s;
	struct err err = { 0 };

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	sim_add_controls(&s);
	CHECK_INT(write_control(&s, "brightness", "65", &err), -ERANGE);
	CHECK_STR(err.text, "brightness must be from -64 to 64");
	CHECK_INT(write_control(&s, "auto_exposure", "2", &err), -ERANGE);
	CHECK_STR(err.text, "auto_exposure must be one of 1 (Choice 1), 3 (Choice 3)");
	CHECK_INT(write_control(&s, "zoom_absolute", "100", &err), -EPERM);
	CHECK_INT(write_control(&s, "focus_automatic_continuous", "perhaps", &err), -EINVAL);
	CHECK_STR(err.text, "focus_automatic_continuous: 'perhaps' must be on or off");
	CHECK_INT(write_control(&s, "exposure_time_absolute", "100", &err), -EACCES);
	CHECK_STR(
		err.text,
		"exposure_time_absolute is in the hands of an automatic, which must be off first");
	CHECK_INT(write_control(&s, "auto_exposure", "choice 1", &err), 0);
	CHECK_INT(write_control(&s, "exposure_time_absolute", "100", &err), 0);
	CHECK_INT(sim_control(&s, V4L2_CID_EXPOSURE_ABSOLUTE)->value, 100);
	sim_fini(&s);
}

TEST(v4l2_locks_each_automatic_at_the_value_it_had_and_puts_it_back)
{
	struct v4l2_sim s;
	static struct v4l2_controls cs; /* large */
	struct v4l2_lock lock = { 0 }, again = { 0 };
	struct buf b;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	sim_add_controls(&s);
	read_controls(&s, &cs);
	v4l2_lock_plan(&cs, &lock);
	CHECK_INT(lock.n, 7);
	CHECK_INT(v4l2_lock_apply(&s.sys, s.fd, &lock), 0);
	CHECK_INT(sim_control(&s, V4L2_CID_EXPOSURE_AUTO)->value, V4L2_EXPOSURE_MANUAL);
	CHECK_INT(sim_control(&s, V4L2_CID_EXPOSURE_ABSOLUTE)->value, 157);
	CHECK_INT(sim_control(&s, V4L2_CID_FOCUS_AUTO)->value, 0);
	CHECK_INT(sim_control(&s, V4L2_CID_FOCUS_ABSOLUTE)->value, 35);
	CHECK_INT(sim_control(&s, V4L2_CID_AUTO_WHITE_BALANCE)->value, 0);

	buf_init(&b, 0);
	v4l2_lock_write(&lock, &b);
	CHECK(v4l2_lock_read(b.data, b.size, &again));
	CHECK_INT(memcmp(&lock, &again, sizeof(lock)), 0);
	CHECK(!v4l2_lock_read(b.data, b.size - 1, &again));
	buf_fini(&b);

	CHECK_INT(v4l2_lock_restore(&s.sys, s.fd, &again), 0);
	CHECK_INT(sim_control(&s, V4L2_CID_EXPOSURE_AUTO)->value, 3);
	CHECK_INT(sim_control(&s, V4L2_CID_FOCUS_AUTO)->value, 1);
	CHECK_INT(sim_control(&s, V4L2_CID_AUTO_WHITE_BALANCE)->value, 1);
	sim_fini(&s);
}

TEST(v4l2_locks_nothing_that_is_manual_already)
{
	struct v4l2_sim s;
	static struct v4l2_controls cs; /* large */
	struct v4l2_lock lock;

	sim_init(&s, webcam, ARRAY_LEN(webcam));
	sim_add_controls(&s);
	sim_control(&s, V4L2_CID_EXPOSURE_AUTO)->value = V4L2_EXPOSURE_MANUAL;
	sim_control(&s, V4L2_CID_FOCUS_AUTO)->value = 0;
	sim_control(&s, V4L2_CID_AUTO_WHITE_BALANCE)->value = 0;
	read_controls(&s, &cs);
	v4l2_lock_plan(&cs, &lock);
	CHECK_INT(lock.n, 0);
	sim_fini(&s);
}

/* ---- the driver, with its thread ---- */

#define PATIENCE_MS 60000

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;
	struct cameras *cameras;
	struct camera *camera;
	struct v4l2_sim sim;
	struct camera_watcher watcher;
	struct frame *jpeg;
	struct timer feed, limit;
	unsigned n_frames; /* that the watcher got */
	int64_t first_us, last_us;
	unsigned n_given;
	bool (*is_enough)(struct rig *r);
	char node[256];
	char *dir;
};

static void on_feed(void *arg)
{
	struct rig *r = arg;

	r->n_given += sim_give(&r->sim, r->jpeg->data, r->jpeg->size, 0);
	if (r->is_enough(r))
		loop_stop(r->loop);
}

static void on_limit(void *arg UNUSED)
{
	fail_msg("nothing happens any more");
}

static void on_woken(void *arg)
{
	struct rig *r = arg;
	struct frame *f = camera_watch_take(&r->watcher);

	if (f) {
		r->n_frames++;
		r->first_us = r->first_us ? r->first_us : f->captured_us;
		r->last_us = f->captured_us;
	}
	frame_unref(f);
}

static void run_until(struct rig *r, bool (*is_enough)(struct rig *r))
{
	r->is_enough = is_enough;
	timer_start(&r->limit, PATIENCE_MS);
	timer_start_every(&r->feed, 10);
	loop_run(r->loop);
	timer_stop(&r->feed);
	timer_stop(&r->limit);
}

static void add_camera(struct rig *r, const struct camera_config *extra)
{
	struct camera_config config = extra ? *extra : (struct camera_config){ 0 };
	struct cameras_env env = { .loop = r->loop,
		                   .bus = r->bus,
		                   .pool = r->pool,
		                   .data_dir = r->dir,
		                   .retry_ms = 20,
		                   .v4l2 = &r->sim.sys };

	TEXT_SET(config.id, "front");
	TEXT_SET(config.driver, "v4l2");
	TEXT_SET(config.source, r->node);
	r->cameras = cameras_new(&env);
	CHECK_INT(cameras_add(r->cameras, &config, &r->camera, NULL), 0);
}

static void setup(struct rig *r, const struct camera_config *extra)
{
	*r = (struct rig){ .loop = loop_new(), .dir = mem_str(test_tmp_dir()) };
	r->bus = bus_new(r->loop);
	r->pool = work_pool_new(r->loop, "pictures", 1);
	r->jpeg = make_jpeg(640, 480);
	sim_init(&r->sim, webcam, ARRAY_LEN(webcam));
	sim_add_controls(&r->sim);
	/* Any file that exists will do for a node. */
	snprintf(r->node, sizeof(r->node), "%s/video0", r->dir);
	CHECK_INT(fs_write_atomic(r->node, "", 0, 0600, NULL), 0);
	timer_init(&r->feed, r->loop, on_feed, r);
	timer_init(&r->limit, r->loop, on_limit, r);
	log_set_level(LOG_LEVEL_ERROR);
	add_camera(r, extra);
}

static void teardown(struct rig *r)
{
	cameras_free(r->cameras);
	work_pool_free(r->pool);
	bus_free(r->bus);
	loop_free(r->loop);
	frame_unref(r->jpeg);
	sim_fini(&r->sim);
	free(r->dir);
}

static bool has_ten(struct rig *r)
{
	return r->n_frames >= 10;
}

static bool has_no_signal(struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_NO_SIGNAL;
}

TEST(v4l2_camera_shows_pictures_and_closes_when_nobody_looks)
{
	struct rig r;

	setup(&r, NULL);
	CHECK_INT(r.sim.n_open, 0);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	CHECK_INT(camera_status(r.camera)->width, 640);
	CHECK_INT(camera_status(r.camera)->n_refused, 0);
	CHECK_INT(r.sim.now.width, 1920);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

static bool is_live(struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_LIVE && r->n_frames >= 10;
}

TEST(v4l2_camera_comes_back_after_unplugging_while_frames_are_held)
{
	struct rig r;
	struct frame *held;

	setup(&r, NULL);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	held = camera_newest(r.camera);
	sim_unplug(&r.sim);
	(void)unlink(r.node);
	run_until(&r, has_no_signal);
	CHECK_STR(camera_status(r.camera)->text, "the camera was unplugged");
	CHECK(memcmp(held->data, r.jpeg->data, held->size) == 0);
	sim_plug(&r.sim);
	CHECK_INT(fs_write_atomic(r.node, "", 0, 0600, NULL), 0);
	r.n_frames = 0;
	run_until(&r, is_live);
	frame_unref(held);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_that_is_busy_says_so)
{
	struct rig r;

	setup(&r, NULL);
	r.sim.fails = VIDIOC_STREAMON;
	r.sim.fails_with = -EBUSY;
	r.sim.fails_times = 1;
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_no_signal);
	CHECK(text_starts(camera_status(r.camera)->text, "busy: another program holds "));
	run_until(&r, is_live);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_sets_the_wanted_controls_at_each_opening)
{
	struct camera_config config = { .n_controls = 3 };
	struct rig r;

	TEXT_SET(config.controls[0].name, "exposure_auto");
	TEXT_SET(config.controls[0].value, "1");
	TEXT_SET(config.controls[1].name, "exposure_time_absolute");
	TEXT_SET(config.controls[1].value, "300");
	TEXT_SET(config.controls[2].name, "no_such_control");
	TEXT_SET(config.controls[2].value, "1");
	setup(&r, &config);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	CHECK_INT(sim_control(&r.sim, V4L2_CID_EXPOSURE_ABSOLUTE)->value, 300);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

static int value_of(struct rig *r, uint32_t id)
{
	int value;

	pthread_mutex_lock(&r->sim.lock);
	value = sim_control(&r->sim, id)->value;
	pthread_mutex_unlock(&r->sim.lock);
	return value;
}

static bool is_locked(struct rig *r)
{
	return value_of(r, V4L2_CID_EXPOSURE_AUTO) == V4L2_EXPOSURE_MANUAL &&
	       value_of(r, V4L2_CID_FOCUS_AUTO) == 0 &&
	       value_of(r, V4L2_CID_AUTO_WHITE_BALANCE) == 0;
}

static bool is_automatic(struct rig *r)
{
	return value_of(r, V4L2_CID_EXPOSURE_AUTO) == 3 && value_of(r, V4L2_CID_FOCUS_AUTO) == 1 &&
	       value_of(r, V4L2_CID_AUTO_WHITE_BALANCE) == 1;
}

static bool has_lock_file(const struct rig *r)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/cameras/front.lock", r->dir);
	return access(path, F_OK) == 0;
}

static bool has_no_lock_file(struct rig *r)
{
	return !has_lock_file(r);
}

TEST(v4l2_camera_is_locked_for_a_recording_and_restored_after_it)
{
	struct rig r;

	setup(&r, NULL);
	camera_hold(r.camera);
	camera_lock(r.camera);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_locked);
	CHECK(has_lock_file(&r));
	CHECK_INT(value_of(&r, V4L2_CID_EXPOSURE_ABSOLUTE), 157);
	camera_unlock(r.camera);
	run_until(&r, is_automatic);
	camera_release(r.camera);
	camera_unwatch(&r.watcher);
	teardown(&r);
	CHECK(!has_lock_file(&(struct rig){ .dir = (char *)(uintptr_t)test_tmp_dir() }));
}

static void tear_cameras(struct rig *r)
{
	camera_unwatch(&r->watcher);
	cameras_free(r->cameras);
}

TEST(v4l2_camera_is_restored_by_the_next_run_when_this_one_was_killed)
{
	struct rig r;

	setup(&r, NULL);
	camera_hold(r.camera);
	camera_lock(r.camera);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_locked);
	tear_cameras(&r); /* without unlocking, as with kill -9 */
	CHECK(has_lock_file(&r));
	CHECK(is_locked(&r));

	add_camera(&r, NULL);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	r.n_frames = 0;
	run_until(&r, has_ten);
	CHECK(is_locked(&r)); /* the session may go on */
	camera_lock(r.camera);
	camera_unlock(r.camera);
	run_until(&r, is_automatic);
	CHECK(!has_lock_file(&r));
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_plugged_in_anew_is_locked_anew_and_restored_when_it_can_be)
{
	struct rig r;

	setup(&r, NULL);
	camera_hold(r.camera);
	camera_lock(r.camera);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_locked);
	sim_unplug(&r.sim);
	run_until(&r, has_no_signal);
	sim_plug(&r.sim); /* with automatics on again, as after power-on */
	CHECK(is_automatic(&r));
	run_until(&r, is_locked);
	sim_unplug(&r.sim);
	run_until(&r, has_no_signal);
	camera_unlock(r.camera);
	r.sim.keeps_focus_off = true;
	sim_plug(&r.sim);
	r.n_frames = 0;
	run_until(&r, is_live);
	run_until(&r, is_automatic);
	CHECK(!has_lock_file(&r));
	camera_release(r.camera);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

static bool has_waited(struct rig *r)
{
	return ++r->n_frames >= 10;
}

TEST(v4l2_camera_that_is_pulled_out_while_it_is_restored_is_restored_when_it_comes_again)
{
	struct rig r;

	setup(&r, NULL);
	camera_hold(r.camera);
	camera_lock(r.camera);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_locked);
	/* The driver has not noticed yet. */
	pthread_mutex_lock(&r.sim.lock);
	r.sim.is_plugged = false;
	pthread_mutex_unlock(&r.sim.lock);
	camera_unlock(r.camera);
	r.n_frames = 0;
	run_until(&r, has_waited);
	CHECK(has_lock_file(&r));
	sim_unplug(&r.sim);
	run_until(&r, has_no_signal);
	r.sim.keeps_focus_off = true;
	sim_plug(&r.sim);
	run_until(&r, is_automatic);
	run_until(&r, has_no_lock_file);
	camera_release(r.camera);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_tells_and_takes_controls)
{
	struct rig r;
	static struct camera_control list[V4L2_MAX_CONTROLS]; /* large */
	struct err err = { 0 };

	setup(&r, NULL);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	CHECK_INT(camera_controls(r.camera, list, ARRAY_LEN(list), &err), 10);
	CHECK_INT(camera_controls(r.camera, list, 2, &err), 10);
	CHECK_INT(camera_control_set(r.camera, "brightness", 1000, &err), -ERANGE);
	CHECK_INT(camera_control_set(r.camera, "volume", 1, &err), -ENOENT);
	CHECK_INT(camera_control_set(r.camera, "brightness", 12, &err), 0);
	r.n_frames = 0;
	run_until(&r, has_ten);
	CHECK_INT(value_of(&r, V4L2_CID_BRIGHTNESS), 12);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_whose_controls_are_asked_for_all_the_time_is_not_read_each_time)
{
	struct rig r;
	static struct camera_control list[V4L2_MAX_CONTROLS]; /* large */
	unsigned before;

	setup(&r, NULL);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	/* The device hangs. */
	pthread_mutex_lock(&r.sim.lock);
	before = r.sim.n_walks;
	for (int i = 0; i < 1000; i++)
		CHECK_INT(camera_controls(r.camera, list, ARRAY_LEN(list), NULL), 10);
	pthread_mutex_unlock(&r.sim.lock);
	r.n_frames = 0;
	run_until(&r, has_ten);
	pthread_mutex_lock(&r.sim.lock);
	CHECK(r.sim.n_walks > before && r.sim.n_walks <= before + 2);
	pthread_mutex_unlock(&r.sim.lock);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(v4l2_camera_gives_no_more_pictures_than_are_wanted)
{
	struct camera_config config = { .fps = 10, .width = 640, .height = 480 };
	struct rig r;

	setup(&r, &config);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_ten);
	/* Given about a hundred a second; the device says 30. The first step may be half of one,
	 * and a tenth of one early is in time. */
	CHECK(r.last_us - r.first_us >= 840000);
	camera_unwatch(&r.watcher);
	teardown(&r);
}
