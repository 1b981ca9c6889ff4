/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/picture.h"

#include "av/recolour.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/fs.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <errno.h>
#include <libavutil/frame.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* RGB of 0 to 255 to the colours of a JPEG (JFIF: BT.601, full range). */
static void to_jpeg(const double rgb[3], uint8_t ycc[3])
{
	double y = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];

	ycc[0] = (uint8_t)round(y);
	ycc[1] = (uint8_t)fmin(round(128 + (rgb[2] - y) / 1.772), 255);
	ycc[2] = (uint8_t)fmin(round(128 + (rgb[0] - y) / 1.402), 255);
}

/* And to those of a film (BT.709, limited range), unrounded. */
static void to_film(const double rgb[3], double ycc[3])
{
	double y = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];

	ycc[0] = 16 + y * 219 / 255;
	ycc[1] = 128 + (rgb[2] - y) / 1.8556 * 224 / 255;
	ycc[2] = 128 + (rgb[0] - y) / 1.5748 * 224 / 255;
}

TEST(recolour_keeps_every_colour)
{
	double worst = 0;

	for (int i = 0; i < 9 * 9 * 9; i++) {
		const double rgb[3] = { i % 9 * 255 / 8.0, i / 9 % 9 * 255 / 8.0,
			                i / 81 * 255 / 8.0 };
		uint8_t from[3], y[4], cb, cr, to_y[4], to_cb, to_cr;
		double wanted[3];

		to_jpeg(rgb, from);
		to_film(rgb, wanted);
		memset(y, from[0], sizeof(y));
		cb = from[1];
		cr = from[2];

		const struct recolour_planes p = { .from = { y, &cb, &cr },
			                           .from_stride = { 2, 1, 1 },
			                           .to = { to_y, &to_cb, &to_cr },
			                           .to_stride = { 2, 1, 1 },
			                           .width = 2,
			                           .height = 2 };

		recolour_420(&p);
		CHECK(to_y[0] == to_y[3]);
		worst = fmax(worst, fabs(to_y[0] - wanted[0]));
		worst = fmax(worst, fabs(to_cb - wanted[1]));
		worst = fmax(worst, fabs(to_cr - wanted[2]));
	}
	/* Rounding before and after is worth one level; the fixed point a little more. */
	CHECK(worst < 1.8);
}

static struct frame *make_jpeg(unsigned width, unsigned height, const uint8_t rgb[3])
{
	uint8_t *pixels = mem_new((size_t)width * height * 4);
	struct frame *f = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < (size_t)width * height; i++)
		memcpy(pixels + 4 * i, rgb, 3);
	if (jpeg_encode_rgbx(pixels, width, height, 90, &f, &err) < 0)
		fail_msg("%s", err.text);
	free(pixels);
	return f;
}

static const uint8_t orange[3] = { 230, 120, 20 };

TEST(picture_has_the_films_size_and_colours)
{
	struct picture *p;
	struct frame *jpeg = make_jpeg(65, 33, orange);
	AVFrame *f = NULL;
	double wanted[3];
	const double rgb[3] = { 230, 120, 20 };

	to_film(rgb, wanted);
	CHECK_INT(picture_new(&p, NULL), 0);
	CHECK_INT(picture_decode(p, jpeg->data, jpeg->size, &f, NULL), 0);
	CHECK_INT(f->width, 64); /* cut to be even */
	CHECK_INT(f->height, 32);
	CHECK(f->format == AV_PIX_FMT_YUV420P);
	CHECK(fabs(f->data[0][5] - wanted[0]) < 4);
	CHECK(fabs(f->data[1][5] - wanted[1]) < 4);
	CHECK(fabs(f->data[2][5] - wanted[2]) < 4);
	av_frame_free(&f);
	frame_unref(jpeg);
	picture_free(p);
}

TEST(picture_of_another_shape_is_fitted_in)
{
	struct picture *p;
	struct frame *jpeg = make_jpeg(40, 80, orange);
	AVFrame *f = NULL;

	CHECK_INT(picture_new(&p, NULL), 0);
	picture_set_size(p, 160, 80);
	CHECK_INT(picture_decode(p, jpeg->data, jpeg->size, &f, NULL), 0);
	CHECK_INT(f->width, 160);

	const uint8_t *row = f->data[0] + 40 * f->linesize[0];

	CHECK(row[10] < 20); /* black */
	CHECK(row[80] > 100);
	CHECK(row[150] < 20);
	av_frame_free(&f);
	frame_unref(jpeg);
	picture_free(p);
}

TEST(picture_refuses_what_is_broken)
{
	struct picture *p;
	struct frame *jpeg = make_jpeg(64, 64, orange);
	AVFrame *f = NULL;
	struct err err = { 0 };
	uint8_t *bad = mem_dup(jpeg->data, jpeg->size);

	CHECK_INT(picture_new(&p, NULL), 0);
	for (size_t size = 0; size < jpeg->size; size += 7)
		CHECK(picture_decode(p, jpeg->data, size, &f, &err) < 0);
	CHECK(!f);
	memset(bad + 2, 0xff, jpeg->size / 2);
	CHECK(picture_decode(p, bad, jpeg->size, &f, &err) < 0);
	CHECK(err.text[0]);
	/* and goes on */
	CHECK_INT(picture_decode(p, jpeg->data, jpeg->size, &f, NULL), 0);
	av_frame_free(&f);
	free(bad);
	frame_unref(jpeg);
	picture_free(p);
}

TEST(picture_poster_is_a_smaller_jpeg)
{
	struct frame *jpeg = make_jpeg(200, 100, orange);
	char *path = mem_printf("%s/p.jpg", test_tmp_dir());
	struct err err = { 0 };
	struct picture *p;
	AVFrame *f = NULL;
	struct buf b;

	if (picture_poster(jpeg->data, jpeg->size, 80, path, &err) < 0)
		fail_msg("%s", err.text);
	CHECK_INT(fs_read(path, 1 << 20, &b, NULL), 0);
	CHECK_INT(picture_new(&p, NULL), 0);
	CHECK_INT(picture_decode(p, (const uint8_t *)b.data, b.size, &f, NULL), 0);
	CHECK_INT(f->width, 80);
	CHECK_INT(f->height, 40);
	av_frame_free(&f);
	picture_free(p);
	buf_fini(&b);
	frame_unref(jpeg);
	free(path);
}
