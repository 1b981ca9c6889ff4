/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/still.h"
#include "av/timeline.h"
#include "av/unit.h"
#include "base/err.h"
#include "base/test.h"
#include "media/frame.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <string.h>

/* ---- timeline ---- */

static int64_t dts_of(struct timeline *t, int64_t camera_us, int64_t arrived_us)
{
	int64_t pts_us, dts_us;

	timeline_stamp(t, camera_us, arrived_us, &pts_us, &dts_us);
	CHECK(pts_us >= 0 && dts_us >= 0);
	return dts_us;
}

TEST(timeline_takes_distances_from_the_camera_not_from_the_network)
{
	struct timeline t = { 0 };

	CHECK_INT(dts_of(&t, 500, 9000000), 9000000);
	CHECK_INT(dts_of(&t, 40500, 9090000), 9040000);
	CHECK_INT(dts_of(&t, 80500, 9091000), 9080000);
}

TEST(timeline_rises_when_the_cameras_clock_stands_still)
{
	struct timeline t = { 0 };

	CHECK_INT(dts_of(&t, 0, 1000000), 1000000);
	CHECK_INT(dts_of(&t, 0, 1033000), 1033000);
	CHECK_INT(dts_of(&t, 0, 1033000), 1034000);
	CHECK_INT(dts_of(&t, TIMELINE_NONE, 1100000), 1100000);
	CHECK_INT(dts_of(&t, TIMELINE_NONE, 1100000), 1101000);
}

TEST(timeline_is_anchored_anew_when_the_camera_jumps_or_drifts)
{
	struct timeline t = { 0 };

	CHECK_INT(dts_of(&t, 0, 1000000), 1000000);
	CHECK_INT(dts_of(&t, 86400000000, 1040000), 1040000);
	CHECK_INT(dts_of(&t, 86400040000, 1080000), 1080000);
	CHECK_INT(dts_of(&t, 5, 1120000), 1120000);
	CHECK_INT(dts_of(&t, INT64_MAX - 5, 1160000), 1160000);
	CHECK_INT(dts_of(&t, -(INT64_MAX - 5), 1200000), 1200000);
	/* A clock twice as fast as ours. */
	int64_t last = 0;

	t = (struct timeline){ 0 };
	for (int64_t i = 0; i < 1000; i++) {
		int64_t arrived_us = 1000000 + i * 40000, dts = dts_of(&t, i * 80000, arrived_us);

		CHECK(dts > last);
		CHECK(dts < arrived_us + 2100000);
		last = dts;
	}
}

TEST(timeline_keeps_pictures_in_the_order_of_decoding)
{
	struct timeline t = { 0 };
	int64_t pts_us, dts_us;

	CHECK_INT(dts_of(&t, 0, 1000000), 1000000);
	CHECK_INT(dts_of(&t, 120000, 1040000), 1120000);
	timeline_stamp(&t, 40000, 1080000, &pts_us, &dts_us);
	CHECK_INT(pts_us, 1040000);
	CHECK_INT(dts_us, 1121000);
}

/* ---- units ---- */

#define PIECE(...) ((const uint8_t[]){ __VA_ARGS__ }), sizeof((const uint8_t[]){ __VA_ARGS__ })

TEST(unit_ends_where_the_time_changes)
{
	struct unit u;

	unit_init(&u, false);
	CHECK(!unit_ends_before(&u, PIECE(0, 0, 1, 0x65, 0x80), 10));
	unit_add(&u, PIECE(0, 0, 1, 0x65, 0x80), 10, 500);
	CHECK(!unit_ends_before(&u, PIECE(0, 0, 1, 0x65, 0x40), 10));
	unit_add(&u, PIECE(0, 0, 1, 0x65, 0x40), 10, 600);
	CHECK(!unit_ends_before(&u, PIECE(7, 7, 7, 7, 7), 10));
	unit_add(&u, PIECE(7, 7, 7, 7, 7), 10, 700);
	CHECK_INT(u.bytes.size, 15);
	CHECK_INT(u.arrived_us, 700);
	CHECK(unit_ends_before(&u, PIECE(0, 0, 1, 0x41, 0x40), 20));
	unit_fini(&u);
}

TEST(unit_ends_before_the_next_picture_when_the_clock_stands_still)
{
	struct unit u;

	unit_init(&u, false);
	unit_add(&u, PIECE(0, 0, 1, 0x65, 0x80), 10, 500);
	/* Parameter sets behind a picture belong to whatever slice follows: here, the same one's. */
	CHECK(!unit_ends_before(&u, PIECE(0, 0, 1, 0x67, 1), 10));
	unit_add(&u, PIECE(0, 0, 1, 0x67, 1), 10, 510);
	CHECK(!unit_ends_before(&u, PIECE(0, 0, 1, 0x65, 0x40), 10));
	unit_add(&u, PIECE(0, 0, 1, 0x65, 0x40), 10, 520);
	CHECK_INT(u.bytes.size, 15);
	/* And here the next one's. */
	unit_add(&u, PIECE(0, 0, 1, 0x67, 1), 10, 530);
	CHECK(unit_ends_before(&u, PIECE(0, 0, 1, 0x65, 0x80), 10));
	CHECK_INT(u.bytes.size, 15);
	unit_clear(&u);
	CHECK_INT(u.bytes.size, 5);
	unit_add(&u, PIECE(0, 0, 1, 0x65, 0x80), 10, 540);
	CHECK_INT(u.bytes.size, 10);
	unit_fini(&u);
}

TEST(unit_that_is_too_long_is_known_and_the_next_one_is_not)
{
	static uint8_t much[1 << 20];
	struct unit u;

	unit_init(&u, true);
	unit_add(&u, PIECE(0, 0, 1, 0x26, 1, 0x80), 10, 500);
	for (int i = 0; i < 17; i++) {
		much[0] = 7;
		unit_add(&u, much, sizeof(much), 10, 500);
	}
	CHECK(u.is_too_long);
	unit_clear(&u);
	CHECK(!u.is_too_long);
	unit_add(&u, PIECE(0, 0, 1, 0x26, 1, 0x80), 20, 500);
	CHECK(u.has_picture && !u.is_too_long);
	unit_fini(&u);
}

/* ---- stills ---- */

struct made {
	struct still *still;
	struct still_wish wish;
	int64_t given_us[64];
	unsigned n_given;
	unsigned width, height;
};

static void on_given(void *arg, struct frame *jpeg)
{
	struct made *m = arg;

	if (m->n_given < 64)
		m->given_us[m->n_given++] = jpeg->arrived_us;
	m->width = jpeg->width;
	m->height = jpeg->height;
	frame_unref(jpeg);
}

static AVCodecContext *make_encoder(void)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVCodecContext *c = avcodec_alloc_context3(codec);

	av_log_set_level(AV_LOG_QUIET);
	c->width = 64;
	c->height = 48;
	c->pix_fmt = AV_PIX_FMT_YUV420P;
	c->time_base = (AVRational){ 1, 25 };
	c->gop_size = 10;
	c->max_b_frames = 0;
	c->thread_count = 1;
	CHECK(av_opt_set(c->priv_data, "tune", "zerolatency", 0) == 0);
	CHECK(avcodec_open2(c, codec, NULL) == 0);
	return c;
}

static void put(struct made *m, AVCodecContext *c, int64_t number)
{
	AVFrame *f = av_frame_alloc();
	AVPacket *p = av_packet_alloc();
	struct err err;

	f->format = AV_PIX_FMT_YUV420P;
	f->width = 64;
	f->height = 48;
	f->pts = number;
	CHECK(av_frame_get_buffer(f, 0) == 0);
	memset(f->data[0], (int)(number * 7 % 200), (size_t)f->linesize[0] * 48);
	memset(f->data[1], 128, (size_t)f->linesize[1] * 24);
	memset(f->data[2], 128, (size_t)f->linesize[2] * 24);
	CHECK(avcodec_send_frame(c, f) == 0);
	CHECK(avcodec_receive_packet(c, p) == 0);

	struct still_packet s = { p->data, (size_t)p->size, 1000000 + number * 40000,
		                  (p->flags & AV_PKT_FLAG_KEY) != 0 };

	CHECK(still_put(m->still, &s, &m->wish, &err) == 0);
	av_frame_free(&f);
	av_packet_free(&p);
}

/* 25 pictures a second, a key frame each 10, into stills; `at_15` is called before picture 15. */
static void play(struct made *m, unsigned n, void (*at_15)(struct made *m))
{
	AVCodecContext *c = make_encoder();

	m->still = still_new(false, 80, on_given, m);
	for (unsigned i = 0; i < n; i++) {
		if (i == 15 && at_15)
			at_15(m);
		put(m, c, i);
	}
	avcodec_free_context(&c);
	still_free(m->still);
}

static void wish_past(struct made *m)
{
	m->wish.not_before_us = 1000000 + 12 * 40000;
}

static void wish_run(struct made *m)
{
	m->wish.per_second = 5;
}

TEST(still_is_taken_out_of_the_running_group_of_pictures)
{
	struct made m = { 0 };

	play(&m, 30, wish_past);
	CHECK_INT(m.n_given, 1);
	CHECK_INT(m.given_us[0], 1000000 + 12 * 40000);
	CHECK_INT(m.width, 64);
	CHECK_INT(m.height, 48);
	CHECK_INT(m.wish.not_before_us, 0);
}

TEST(nothing_is_decoded_while_nobody_asks)
{
	struct made m = { 0 };

	play(&m, 30, NULL);
	CHECK_INT(m.n_given, 0);
}

TEST(a_run_of_stills_keeps_its_rate)
{
	struct made m = { 0 };

	play(&m, 65, wish_run);
	/* Two seconds. */
	CHECK(m.n_given >= 9 && m.n_given <= 11);
	CHECK(m.given_us[0] >= 1000000 + 13 * 40000);
}
