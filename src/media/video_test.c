/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "media/av_message.h"
#include "media/fmp4.h"
#include "media/h264.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Parameter sets as x264 and x265 write them for 1920x1080 (which is 1088 lines, cropped), and as
 * x264 does for 160x90 interlaced 4:2:2 of 10 bits. */
static const char avc_1080[] =
	"0000000167640028acd940780227e5c044000003000400000300083c60c6580000000168ebe3cb22c0";
static const char avc_422[] =
	"00000001677a0015b6cd9429bf26022000000300200000030143e28532c00000000168fba0612c8b";
static const char hevc_1080[] =
	"0000000140010c01ffff016000000300900000030000030078959809000000014201010160000003009000"
	"00030000030078a003c08010e596566924caf01680800000030080000003008400000001"
	"4401c172b46240";

struct bytes {
	uint8_t data[256];
	size_t size;
};

static struct bytes unhex(const char *hex)
{
	struct bytes b = { .size = strlen(hex) / 2 };

	CHECK(text_unhex(b.data, b.size, hex));
	return b;
}

static struct video_params params_of(const char *hex, bool is_h265)
{
	struct bytes b = unhex(hex);
	struct video_params p = { .is_h265 = is_h265 };

	CHECK(video_params_take(&p, b.data, b.size));
	CHECK(p.is_complete);
	return p;
}

TEST(nal_units_are_found_behind_three_and_four_byte_start_codes)
{
	static const uint8_t raw[] = { 0xff, 0, 0, 0, 1, 9, 0xf0, 0, 0,    1, 0x67, 1,
		                       2,    0, 0, 1, 0, 0, 0,    1, 0x65, 0, 3 };
	const uint8_t *at = raw;
	size_t left = sizeof(raw);
	struct nal n;

	CHECK(nal_next(&at, &left, false, &n));
	CHECK_INT(n.type, 9);
	CHECK_INT(n.size, 2);
	CHECK(!nal_is_sample(&n, false));
	CHECK(nal_next(&at, &left, false, &n));
	CHECK_INT(n.type, 7);
	CHECK_INT(n.size, 3);
	CHECK(nal_is_sample(&n, false));
	/* The empty one is passed over. */
	CHECK(nal_next(&at, &left, false, &n));
	CHECK_INT(n.type, 5);
	CHECK_INT(n.size, 3);
	CHECK(nal_is_sample(&n, false));
	CHECK(!nal_next(&at, &left, false, &n));
	CHECK(video_is_key(raw, sizeof(raw), false));
}

TEST(size_and_codec_of_video_are_read_from_its_parameter_sets)
{
	struct video_params p = params_of(avc_1080, false);
	char codec[VIDEO_CODEC_SIZE];

	CHECK_INT(p.width, 1920);
	CHECK_INT(p.height, 1080);
	CHECK_STR(video_params_codec(&p, codec), "avc1.640028");
	p = params_of(avc_422, false);
	CHECK_INT(p.width, 160);
	CHECK_INT(p.height, 90);
	p = params_of(hevc_1080, true);
	CHECK_INT(p.width, 1920);
	CHECK_INT(p.height, 1080);
	CHECK_STR(video_params_codec(&p, codec), "hvc1.1.6.L120.90");
}

TEST(the_same_parameter_sets_again_are_no_change_and_others_are)
{
	struct bytes b = unhex(avc_1080), other = unhex(avc_422);
	struct video_params p = { 0 };

	CHECK(video_params_take(&p, b.data, b.size));
	CHECK(!video_params_take(&p, b.data, b.size));
	CHECK(video_params_take(&p, other.data, other.size));
	CHECK_INT(p.width, 160);
	CHECK_INT(p.n_pps, 1);
}

/* Fails under UBSan only. */
TEST(scaling_lists_with_the_largest_steps_are_read)
{
	struct bytes b = unhex("67640028ad80000000fffffffeffff");
	unsigned width = 0, height = 0;

	CHECK(!h264_sps_size(b.data, b.size, &width, &height));
}

TEST(cut_and_absurd_parameter_sets_are_passed_over)
{
	struct bytes b = unhex(avc_1080);

	for (size_t n = 0; n < 28; n++) {
		struct video_params p = { 0 };

		(void)video_params_take(&p, b.data, n);
		CHECK(!p.is_complete);
	}
	for (size_t i = 5; i < b.size; i++) {
		struct video_params p = { 0 };
		struct bytes bad = b;

		bad.data[i] = 0xff;
		(void)video_params_take(&p, bad.data, bad.size);
		CHECK(p.width <= H264_MAX_SIDE && p.height <= H264_MAX_SIDE);
	}
}

/* The content of the first box `type` at or behind `*at`. */
static const uint8_t *find_box(const struct buf *b, const char *type)
{
	return memmem(b->data, b->size, type, 4);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

TEST(init_segment_tells_size_and_turn)
{
	struct video_params p = params_of(avc_1080, false);
	struct fmp4_turn turn = { .degrees = 90 };

	auto_buf struct buf out = { 0 };

	fmp4_init(&out, &p, &turn);
	CHECK(be32((const uint8_t *)out.data) == 28);

	const uint8_t *tkhd = find_box(&out, "tkhd");

	CHECK(tkhd != NULL);

	const uint8_t *matrix = tkhd + 4 + 40;

	/* Clockwise: right becomes down, down becomes left. */
	CHECK_INT(be32(matrix), 0);
	CHECK_INT(be32(matrix + 4), 0x10000);
	CHECK_INT((int32_t)be32(matrix + 12), -0x10000);
	CHECK_INT(be32(matrix + 24), 1080U << 16);
	CHECK_INT(be32(matrix + 36), 1920U << 16);
	CHECK(find_box(&out, "avcC") != NULL);
}

TEST(fragment_has_lengths_instead_of_start_codes)
{
	static const uint8_t key[] = { 0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 1, 0x65, 7, 8, 9 };
	static const uint8_t delta[] = { 0, 0, 1, 0x41, 5 };
	struct fmp4_sample s[] = {
		{ key, sizeof(key), 1000000, 1040000, 40000, true },
		{ delta, sizeof(delta), 1040000, 1040000, 40000, false },
	};

	auto_buf struct buf out = { 0 };

	fmp4_fragment(&out, 7, false, s, 2);

	const uint8_t *all = (const uint8_t *)out.data, *mdat = find_box(&out, "mdat");
	const uint8_t *trun = find_box(&out, "trun"), *tfdt = find_box(&out, "tfdt");

	CHECK_INT(be32(mdat - 4), 8 + 4 + 4 + 4 + 4 + 4 + 2);
	CHECK_INT(be32(mdat + 4), 4);
	CHECK_INT(mdat[8], 0x67);
	CHECK_INT(be32(mdat + 12), 4);
	CHECK_INT(mdat[16], 0x65);
	CHECK_INT(be32(mdat + 20), 2);
	CHECK_INT(be32(tfdt + 12), 90000);
	CHECK_INT(be32(trun + 12), (uint32_t)(mdat + 4 - all));
	CHECK_INT(be32(trun + 16), 3600);
	CHECK_INT(be32(trun + 20), 16);
	CHECK_INT(be32(trun + 28), 3600);
	CHECK_INT(be32(trun + 36), 6);
}

TEST(worker_messages_survive_any_cut_and_long_ones_are_refused)
{
	uint8_t raw[AV_HEAD_SIZE + 5];
	struct av_message m = { .type = AV_PACKET,
		                .flags = AV_FLAG_KEY,
		                .arrived_us = 5,
		                .pts_us = 7,
		                .dts_us = 6,
		                .size = 5 },
			  got = { 0 };
	struct av_parser p = { 0 };
	struct err err;

	av_message_head(raw, &m);
	memcpy(raw + AV_HEAD_SIZE, "hello", 5);
	for (size_t i = 0; i < sizeof(raw); i++) {
		const uint8_t *at = raw + i;
		size_t one = 1;

		CHECK_INT(av_parse(&p, &at, &one, &got, &err), i + 1 == sizeof(raw));
	}
	CHECK_STR((const char *)got.payload, "hello");
	CHECK_INT(got.pts_us, 7);
	free(got.payload);

	const uint8_t *at = raw;
	size_t size = AV_HEAD_SIZE;

	m.size = AV_MAX_PACKET + 1;
	av_message_head(raw, &m);
	CHECK_INT(av_parse(&p, &at, &size, &got, &err), -EMSGSIZE);
	av_parser_fini(&p);
}
