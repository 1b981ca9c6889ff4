/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/test.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "media/jpeg_scan.h"
#include "media/ring.h"
#include "media/slot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct frame *frame_at(int64_t captured_us, size_t size)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, size, &bytes);

	memset(bytes, 0, size);
	f->captured_us = captured_us;
	return f;
}

TEST(frame_lives_until_its_last_reader_is_gone)
{
	struct frame *f = frame_adopt(FRAME_JPEG, malloc(100), 100);

	CHECK(frame_ref(f) == f);
	frame_unref(f);
	CHECK_INT(f->size, 100);
	frame_unref(f);
	frame_unref(NULL);
}

TEST(slot_refuses_a_picture_from_before_the_trigger)
{
	struct slot s;

	slot_init(&s);
	CHECK(!slot_take(&s));
	CHECK(slot_put(&s, frame_at(100, 10)));
	CHECK(!slot_get(&s, 101));

	struct frame *f = slot_get(&s, 100);

	CHECK(f);
	frame_unref(f);
	slot_fini(&s);
}

TEST(slot_keeps_the_newest_only)
{
	struct slot s;

	slot_init(&s);
	CHECK(slot_put(&s, frame_at(1, 10)));
	CHECK(!slot_put(&s, frame_at(2, 10)));

	struct frame *f = slot_take(&s);

	CHECK_INT(f->captured_us, 2);
	CHECK_INT(slot_lost(&s), 1);
	CHECK(!slot_take(&s));
	frame_unref(f);
	slot_fini(&s);
}

TEST(ring_forgets_by_age_number_and_bytes)
{
	struct ring r;

	ring_init(&r, 1000, 4, 1000);
	for (int i = 0; i < 10; i++)
		ring_put(&r, frame_at(i * 100, 100));
	CHECK_INT(r.n, 4);
	ring_put(&r, frame_at(5000, 100));
	CHECK_INT(r.n, 1);
	ring_put(&r, frame_at(5001, 950));
	CHECK_INT(r.n, 1);
	CHECK_INT(r.bytes, 950);
	ring_put(&r, frame_at(5002, 1001));
	CHECK_INT(r.n, 1);
	ring_fini(&r);
	CHECK_INT(r.bytes, 0);
}

TEST(ring_finds_what_was_captured_between_two_times)
{
	struct ring r;
	struct frame *found[8];

	ring_init(&r, 1000000, 8, 100000);
	for (int i = 1; i <= 5; i++)
		ring_put(&r, frame_at(i * 100, 10));
	CHECK_INT(ring_get(&r, 200, 400, found, 8), 3);
	for (int i = 0; i < 3; i++) {
		CHECK_INT(found[i]->captured_us, 200 + i * 100);
		frame_unref(found[i]);
	}

	struct frame *f = ring_first_since(&r, 301);

	CHECK_INT(f->captured_us, 400);
	frame_unref(f);
	CHECK(!ring_first_since(&r, 501));
	ring_fini(&r);
}

static struct frame *make_jpeg(unsigned width, unsigned height)
{
	struct draw_canvas *c = draw_canvas_new(width, height);
	struct frame *f = NULL;
	struct err err = { 0 };

	draw_gradient(c, 0x204060ff, 0xe0c080ff);
	draw_disc(c, (float)width / 2, (float)height / 2, (float)height / 4, 0xff4020ff);
	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)c->pixels, width, height, 85, &f, &err), 0);
	draw_canvas_free(c);
	return f;
}

TEST(jpeg_scan_tells_the_size_of_a_whole_picture)
{
	struct frame *f = make_jpeg(321, 201);
	struct jpeg_info info;

	CHECK_INT(jpeg_scan(f->data, f->size, &info, NULL), 0);
	CHECK_INT(info.width, 321);
	CHECK_INT(info.height, 201);
	CHECK_INT(info.kind, JPEG_BASELINE);
	CHECK_INT(info.components, 3);
	CHECK(info.has_huffman);
	frame_unref(f);
}

TEST(jpeg_scan_refuses_every_shorter_and_longer_picture)
{
	struct frame *f = make_jpeg(64, 48);
	uint8_t *longer = calloc(1, f->size + 1);
	struct jpeg_info info;

	for (size_t n = 0; n < f->size; n++) {
		/* Its own memory, so that the address sanitizer sees a read past the end. */
		uint8_t *cut = malloc(n + 1);

		memcpy(cut, f->data, n);
		CHECK_INT(jpeg_scan(cut, n, &info, NULL), -EBADMSG);
		free(cut);
	}
	memcpy(longer, f->data, f->size);
	CHECK_INT(jpeg_scan(longer, f->size + 1, &info, NULL), -EBADMSG);
	free(longer);
	frame_unref(f);
}

TEST(jpeg_scan_says_what_came_instead)
{
	const char page[] = "<!DOCTYPE html><html><body>404 not found</body></html>";
	const uint8_t zeros[64] = { 0 };
	struct jpeg_info info;
	struct err err;

	CHECK_INT(jpeg_scan((const uint8_t *)page, sizeof(page), &info, &err), -EBADMSG);
	CHECK(strstr(err.text, "web page"));
	CHECK_INT(jpeg_scan(zeros, 0, &info, &err), -EBADMSG);
	CHECK(strstr(err.text, "empty"));
	CHECK_INT(jpeg_scan(zeros, sizeof(zeros), &info, &err), -EBADMSG);
}

TEST(jpeg_decodes_what_it_encodes)
{
	struct frame *f = make_jpeg(640, 360);
	struct jpeg_pixels p;

	CHECK_INT(jpeg_decode(f->data, f->size, 0, &p, NULL), 0);
	CHECK_INT(p.width, 640);
	CHECK_INT(p.height, 360);

	const uint8_t *middle = p.rgbx + 4 * ((size_t)180 * 640 + 320);

	CHECK(middle[0] > 230 && middle[1] < 90 && middle[2] < 60);
	jpeg_pixels_fini(&p);
	CHECK_INT(jpeg_decode(f->data, f->size, 160, &p, NULL), 0);
	CHECK_INT(p.width, 160);
	jpeg_pixels_fini(&p);
	frame_unref(f);
}

TEST(jpeg_shrinks_and_keeps_proportions_and_times)
{
	struct frame *f = make_jpeg(1280, 720), *small = NULL, *same = NULL;
	struct jpeg_info info;

	f->captured_us = 77;
	CHECK_INT(jpeg_shrink(f, 200, 80, &small, NULL), 0);
	CHECK_INT(jpeg_scan(small->data, small->size, &info, NULL), 0);
	CHECK_INT(info.width, 200);
	CHECK_INT(info.height, 113);
	CHECK_INT(small->captured_us, 77);
	CHECK_INT(jpeg_shrink(f, 1280, 80, &same, NULL), 0);
	CHECK(same == f);
	frame_unref(same);
	frame_unref(small);
	frame_unref(f);
}

TEST(jpeg_refuses_a_picture_with_a_hole)
{
	struct frame *f = make_jpeg(320, 240);
	uint8_t *broken = malloc(f->size);
	struct jpeg_pixels p;
	struct err err;

	memcpy(broken, f->data, f->size);
	memset(broken + f->size / 2, 0x55, f->size / 3);
	CHECK(jpeg_decode(broken, f->size, 0, &p, &err) < 0);
	free(broken);
	frame_unref(f);
}

TEST(jpeg_encodes_raw_frames)
{
	const struct {
		enum frame_format format;
		size_t size;
	} kinds[] = { { FRAME_I420, 64 * 48 * 3 / 2 },
		      { FRAME_NV12, 64 * 48 * 3 / 2 },
		      { FRAME_YUYV, 64 * 48 * 2 } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		uint8_t *bytes;
		struct frame *raw = frame_new(kinds[i].format, kinds[i].size, &bytes);
		struct frame *made = NULL;
		struct jpeg_pixels p;

		memset(bytes, 128, kinds[i].size);
		raw->width = 64;
		raw->height = 48;
		raw->seq = 9;
		CHECK_INT(jpeg_encode_frame(raw, 90, &made, NULL), 0);
		CHECK_INT(made->seq, 9);
		CHECK_INT(jpeg_decode(made->data, made->size, 0, &p, NULL), 0);
		CHECK(abs(p.rgbx[0] - 128) < 4 && abs(p.rgbx[1] - 128) < 4);
		jpeg_pixels_fini(&p);
		frame_unref(made);
		raw->size--;
		CHECK_INT(jpeg_encode_frame(raw, 90, &made, NULL), -EINVAL);
		frame_unref(raw);
	}
}

static uint32_t pixel(const struct draw_canvas *c, unsigned x, unsigned y)
{
	return c->pixels[(size_t)y * c->width + x];
}

TEST(draw_fills_an_even_odd_shape_and_leaves_its_hole)
{
	struct draw_canvas *c = draw_canvas_new(40, 40);
	struct draw_path p = { 0 };

	draw_path_move(&p, 5, 5);
	draw_path_line(&p, 35, 5);
	draw_path_line(&p, 35, 35);
	draw_path_line(&p, 5, 35);
	/* the same direction: a winding rule would fill it */
	draw_path_move(&p, 15, 15);
	draw_path_line(&p, 25, 15);
	draw_path_line(&p, 25, 25);
	draw_path_line(&p, 15, 25);
	draw_fill(c, &p, 0xffffffff);
	CHECK_INT(pixel(c, 10, 10), 0xffffffff);
	CHECK_INT(pixel(c, 20, 20), 0);
	CHECK_INT(pixel(c, 2, 20), 0);
	CHECK_INT(pixel(c, 30, 34), 0xffffffff);
	CHECK_INT(pixel(c, 30, 35), 0);
	draw_path_fini(&p);
	draw_canvas_free(c);
}

TEST(draw_covers_half_a_pixel_by_half)
{
	struct draw_canvas *c = draw_canvas_new(10, 10);
	const struct draw_point box[] = { { 2.5F, 2 }, { 8, 2 }, { 8, 8 }, { 2.5F, 8 } };

	draw_polygon(c, box, 4, 0xffffffff);
	CHECK(abs((int)(pixel(c, 2, 5) >> 24) - 127) <= 2);
	CHECK_INT(pixel(c, 3, 5) >> 24, 255);
	draw_canvas_free(c);
}

TEST(draw_cuts_off_what_lies_outside)
{
	struct draw_canvas *c = draw_canvas_new(16, 16);
	const struct draw_point far[] = { { -1e6F, -1e6F }, { 1e6F, 3 }, { 4, 1e6F } };

	draw_polygon(c, far, 3, 0xff0000ff);
	draw_line(c, far[0], far[1], 3, 0x00ff00ff);
	draw_line(c, (struct draw_point){ NAN, 1 }, far[1], 3, 0x00ff00ff);
	draw_disc(c, -50, -50, 10, 0xffffffff);
	draw_sprite(c, c, 8, 40);
	draw_text(c, &(struct draw_text){ .x = -20, .y = 8, .height = 40, .color = ~0U },
	          "M\xff"
	          "\xe2");
	draw_canvas_free(c);
}

TEST(draw_knows_every_letter)
{
	struct draw_canvas *c = draw_canvas_new(16, 24);
	const char *text = "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
			   "abcdefghijklmnopqrstuvwxyz{|}~";

	for (const char *s = text; *s; s++) {
		const char one[] = { *s, 0 };
		unsigned n = 0;

		draw_clear(c);
		draw_text(c, &(struct draw_text){ 2, 18, 14, 0, 0xffffffff }, one);
		for (size_t i = 0; i < 16UL * 24; i++)
			n += c->pixels[i] >> 24 > 128;
		CHECK(n >= 2);
	}
	CHECK(draw_text_width("W\xc3\xa4rme", 12) == draw_text_width("Warme", 12));
	draw_canvas_free(c);
}

TEST(draw_sprite_lies_over_with_its_alpha)
{
	struct draw_canvas *c = draw_canvas_new(8, 8), *sprite = draw_canvas_new(4, 4);
	const struct draw_point box[] = { { 0, 0 }, { 2, 0 }, { 2, 4 }, { 0, 4 } };

	draw_gradient(c, 0x000000ff, 0x000000ff);
	draw_polygon(sprite, box, 4, 0xffffff80);
	draw_sprite(c, sprite, 2, 2);
	CHECK(abs((int)(pixel(c, 2, 3) & 0xff) - 128) <= 2);
	CHECK_INT(pixel(c, 5, 3) & 0xff, 0);
	CHECK_INT(pixel(c, 2, 3) >> 24, 255);
	draw_canvas_free(sprite);
	draw_canvas_free(c);
}

TEST(draw_glow_is_brightest_in_the_middle_and_ends)
{
	struct draw_canvas *c = draw_canvas_new(64, 64);

	draw_gradient(c, 0x000000ff, 0x000000ff);
	draw_glow(c, 32, 32, 20, 0xffffffff);
	CHECK((pixel(c, 32, 32) & 0xff) > 240);
	CHECK((pixel(c, 32, 44) & 0xff) < 150 && (pixel(c, 32, 44) & 0xff) > 60);
	CHECK((pixel(c, 32, 60) & 0xff) <= 1);
	CHECK_INT(pixel(c, 32, 32) >> 24, 255);
	draw_glow(c, -1000, 5, 20, 0xffffffff);
	draw_canvas_free(c);
}

TEST(brightness_is_the_mean_of_the_grey_values)
{
	enum {
		WIDTH = 203,
		HEIGHT = 101
	};
	auto_free uint8_t *rgbx = malloc((size_t)WIDTH * HEIGHT * 4);
	struct frame *f;
	struct err err;
	double luma = -1;

	for (int grey = 10; grey <= 250; grey += 80) {
		memset(rgbx, grey, (size_t)WIDTH * HEIGHT * 4);
		CHECK_INT(jpeg_encode_rgbx(rgbx, WIDTH, HEIGHT, 90, &f, &err), 0);
		CHECK_INT(jpeg_brightness(f->data, f->size, &luma, &err), 0);
		CHECK(fabs(luma - grey) < 2);
		CHECK(jpeg_brightness(f->data, f->size / 2, &luma, &err) < 0);
		frame_unref(f);
	}
	/* half black, half white */
	memset(rgbx, 0, (size_t)WIDTH * HEIGHT * 4);
	memset(rgbx, 255, (size_t)WIDTH * (HEIGHT / 2) * 4);
	CHECK_INT(jpeg_encode_rgbx(rgbx, WIDTH, HEIGHT, 90, &f, &err), 0);
	CHECK_INT(jpeg_brightness(f->data, f->size, &luma, &err), 0);
	CHECK(fabs(luma - 127) < 10);
	frame_unref(f);
	CHECK(jpeg_brightness((const uint8_t *)"no", 2, &luma, &err) < 0);
}
