/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/scene.h"

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "gcode/outline.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "media/jpeg_scan.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A twisted vase of five corners with a hole. */
static struct gcode_outline *make_vase(int layers)
{
	struct gcode_outliner *b = gcode_outliner_new(200);

	for (int i = 0; i < layers; i++) {
		for (int hole = 0; hole < 2; hole++) {
			double last[2] = { 0 };

			for (int k = 0; k <= 60; k++) {
				double a = 2 * M_PI * k / 60;
				double r = (22 + 4 * cos(5 * a + i * 0.05)) * (hole ? 0.6 : 1);
				double to[2] = { 128 + r * cos(a), 128 + r * sin(a) };

				if (k > 0)
					gcode_outliner_add(b, last, to, true);
				memcpy(last, to, sizeof(last));
			}
		}
		gcode_outliner_layer(b, (float)(0.2 * (i + 1)));
	}
	return gcode_outliner_end(b);
}

static struct jpeg_pixels draw_view(struct scene *s, const struct scene_view *v)
{
	struct frame *f = NULL;
	struct jpeg_pixels p = { 0 };
	struct jpeg_info info;

	CHECK_INT(scene_draw(s, v, 640, 360, &f, NULL), 0);
	CHECK_INT(jpeg_scan(f->data, f->size, &info, NULL), 0);
	CHECK_INT(info.width, 640);
	CHECK_INT(info.height, 360);
	CHECK_INT(jpeg_decode(f->data, f->size, 0, &p, NULL), 0);
	frame_unref(f);
	return p;
}

/* Pixels that differ by more than noise. */
static unsigned count_changed(const struct jpeg_pixels *a, const struct jpeg_pixels *b)
{
	unsigned n = 0;

	for (size_t i = 0; i < (size_t)a->width * a->height; i++)
		n += abs(a->rgbx[4 * i] - b->rgbx[4 * i]) > 24;
	return n;
}

TEST(scene_shows_an_empty_bed)
{
	struct scene *s = scene_new();
	struct scene_view v;

	scene_view_init(&v);
	TEXT_SET(v.title, "A1");
	TEXT_SET(v.state, "idle");

	struct jpeg_pixels p = draw_view(s, &v);

	jpeg_pixels_fini(&p);
	scene_free(s);
}

TEST(scene_part_grows_and_is_the_same_drawn_from_scratch)
{
	struct gcode_outline *o = make_vase(80);
	struct scene *s = scene_new(), *fresh = scene_new();
	struct scene_view v;

	scene_view_init(&v);
	v.outline = o;
	v.layers = 80;
	v.layer = 10;

	struct jpeg_pixels low = draw_view(s, &v);

	for (v.layer = 11; v.layer < 80; v.layer++) {
		struct jpeg_pixels p = draw_view(s, &v);

		jpeg_pixels_fini(&p);
	}
	v.is_done = true;

	struct jpeg_pixels high = draw_view(s, &v), again = draw_view(fresh, &v);

	CHECK(count_changed(&low, &high) > 1500);
	CHECK_INT(memcmp(high.rgbx, again.rgbx, 4UL * high.width * high.height), 0);

	/* A print that starts anew goes back to the lower layers. */
	v.is_done = false;
	v.layer = 10;
	jpeg_pixels_fini(&again);
	again = draw_view(s, &v);
	CHECK_INT(memcmp(low.rgbx, again.rgbx, 4UL * low.width * low.height), 0);
	jpeg_pixels_fini(&low);
	jpeg_pixels_fini(&high);
	jpeg_pixels_fini(&again);
	scene_free(s);
	scene_free(fresh);
	gcode_outline_free(o);
}

TEST(scene_head_moves_with_the_layer_and_steps_aside)
{
	struct gcode_outline *o = make_vase(20);
	struct scene *s = scene_new();
	struct scene_view v;

	for (int kind = SCENE_BED_SLINGER; kind <= SCENE_BED_DROP; kind++) {
		scene_view_init(&v);
		v.kind = (enum scene_kind)kind;
		v.outline = o;
		v.layer = 12;
		v.is_parked = false;
		v.fraction = 0.2;

		struct jpeg_pixels a = draw_view(s, &v);

		v.fraction = 0.7;

		struct jpeg_pixels b = draw_view(s, &v);

		v.is_parked = true;

		struct jpeg_pixels c = draw_view(s, &v);

		CHECK(count_changed(&a, &b) > 500);
		CHECK(count_changed(&b, &c) > 500);
		jpeg_pixels_fini(&a);
		jpeg_pixels_fini(&b);
		jpeg_pixels_fini(&c);
	}
	scene_free(s);
	gcode_outline_free(o);
}

TEST(scene_bears_values_that_make_no_sense)
{
	struct gcode_outline *o = make_vase(3);
	struct scene *s = scene_new();
	struct scene_view v;
	struct frame *f = NULL;

	scene_view_init(&v);
	v.outline = o;
	v.layer = 4000;
	v.layers = 2;
	v.z_mm = 1e30;
	v.fraction = 7;
	v.is_parked = false;
	v.percent = 400;
	v.bed_x_mm = -3;
	memset(v.file, 0xff, sizeof(v.file) - 1);
	CHECK_INT(scene_draw(s, &v, 160, 90, &f, NULL), 0);
	frame_unref(f);
	v.layer = -7;
	CHECK_INT(scene_draw(s, &v, 160, 90, &f, NULL), 0);
	frame_unref(f);
	CHECK_INT(scene_draw(s, &v, 10, 10, &f, NULL), -EINVAL);
	scene_free(s);
	gcode_outline_free(o);
}
