/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench_camera: what one frame costs on its way to many watchers, and what a drawn one costs. */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/private.h"
#include "core/bus.h"
#include "gcode/outline.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "model/scene.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

struct still {
	struct camera_source *source;
};

static void still_open(void *priv, struct camera_source *src)
{
	((struct still *)priv)->source = src;
}

static void still_close(void *priv)
{
	(void)priv;
}

static const struct camera_driver still_driver = {
	.name = "still",
	.title = "One picture again and again",
	.priv_size = sizeof(struct still),
	.open = still_open,
	.close = still_close,
};

struct viewer {
	struct camera_watcher watcher;
	uint64_t n;
};

static void on_woken(void *arg)
{
	struct viewer *v = arg;
	struct frame *f = camera_watch_take(&v->watcher);

	v->n += f != NULL;
	frame_unref(f);
}

/* About 400 kB: noise does not compress. */
static struct frame *make_picture(void)
{
	struct draw_canvas *c = draw_canvas_new(1280, 720);
	struct frame *f;
	uint32_t seed = 1;

	for (size_t i = 0; i < 1280UL * 720; i++) {
		seed = seed * 1664525 + 1013904223;
		c->pixels[i] = 0x808080 + (seed >> 27) * 0x030303;
	}
	if (jpeg_encode_rgbx((const uint8_t *)c->pixels, 1280, 720, 80, &f, NULL) < 0)
		abort();
	draw_canvas_free(c);
	return f;
}

/* Nanoseconds a frame takes to get to `n_viewers`, the check of the JPEG included. */
static int64_t run_fanout(struct frame *picture, unsigned n_viewers)
{
	struct loop *l = loop_new_simulated(1795257605000);
	struct bus *bus = bus_new(l);
	struct cameras_env env = { .loop = l, .bus = bus };
	struct cameras *cs = cameras_new(&env);
	struct camera_config config = { .id = "still", .is_always_open = true };
	struct camera *c;
	struct viewer *viewers = mem_new_array(n_viewers, sizeof(*viewers));
	const int n = 5000;

	if (cameras_add_driven(cs, &config, &still_driver, &c, NULL) < 0)
		abort();
	for (unsigned i = 0; i < n_viewers; i++)
		camera_watch(c, &viewers[i].watcher, on_woken, &viewers[i]);

	int64_t started = now_ns();

	for (int i = 0; i < n; i++)
		camera_source_frame(((struct still *)c->priv)->source, frame_ref(picture));

	int64_t each = (now_ns() - started) / n;

	for (unsigned i = 0; i < n_viewers; i++) {
		if (viewers[i].n != (uint64_t)n)
			abort();
		camera_unwatch(&viewers[i].watcher);
	}
	cameras_free(cs);
	bus_free(bus);
	loop_free(l);
	free(viewers);
	return each;
}

static void bench_fanout(struct frame *picture)
{
	static const unsigned counts[] = { 16, 100 };
	int64_t none = run_fanout(picture, 0);

	printf("one frame of %zu kB: %.1f us, its check as a whole JPEG included\n",
	       picture->size / 1000, (double)none / 1e3);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		int64_t each = run_fanout(picture, counts[i]);

		printf("  to %3u watchers: %.1f us, %.1f ns a watcher\n", counts[i],
		       (double)each / 1e3, (double)(each - none) / counts[i]);
	}
}

static struct gcode_outline *make_vase(int layers)
{
	struct gcode_outliner *b = gcode_outliner_new(300);

	for (int i = 0; i < layers; i++) {
		double last[2] = { 0 };

		for (int k = 0; k <= 200; k++) {
			double a = 2 * M_PI * k / 200, r = 30 + 6 * cos(5 * a + i * 0.02);
			double to[2] = { 128 + r * cos(a), 128 + r * sin(a) };

			if (k > 0)
				gcode_outliner_add(b, last, to, true);
			memcpy(last, to, sizeof(last));
		}
		gcode_outliner_layer(b, (float)(0.2 * (i + 1)));
	}
	return gcode_outliner_end(b);
}

static void bench_scene(void)
{
	const int layers = 300;
	struct gcode_outline *o = make_vase(layers);
	struct scene *s = scene_new();
	struct scene_view v;
	size_t bytes = 0;

	scene_view_init(&v);
	v.outline = o;
	v.layers = layers;
	v.is_parked = false;
	v.fraction = 0.5;
	v.wall_ms = 1795257605000;
	TEXT_SET(v.title, "bench");
	TEXT_SET(v.file, "vase.gcode.3mf");

	int64_t started = now_ns();

	for (v.layer = 1; v.layer <= layers; v.layer++) {
		struct frame *f;

		if (scene_draw(s, &v, 1280, 720, &f, NULL) < 0)
			abort();
		bytes += f->size;
		frame_unref(f);
	}

	double each_ms = (double)(now_ns() - started) / 1e6 / layers;

	printf("scene 1280x720, a new layer each frame: %.1f ms a frame with its JPEG of %zu kB, "
	       "%.0f a second per core\n",
	       each_ms, bytes / (size_t)layers / 1000, 1000 / each_ms);
	scene_forget(s);
	v.layer = layers;

	struct frame *f;

	started = now_ns();
	if (scene_draw(s, &v, 1280, 720, &f, NULL) < 0)
		abort();
	printf("scene 1280x720, %d layers from scratch: %.0f ms\n", layers,
	       (double)(now_ns() - started) / 1e6);
	frame_unref(f);
	scene_free(s);
	gcode_outline_free(o);
}

int main(void)
{
	struct frame *picture = make_picture();

	bench_fanout(picture);
	frame_unref(picture);
	bench_scene();
	return 0;
}
