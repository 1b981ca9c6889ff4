/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * draw: plain shapes, lines and text on a canvas of pixels, with smooth edges.
 *
 * Our own rasteriser and stroke font instead of cairo: cairo brings pixman, freetype, fontconfig
 * and X libraries (17 of them, several MB of a daemon that may take 25) and wants font files that
 * a bare machine does not have; what the pictures here need is filled shapes, lines and Latin
 * letters, and this does a 1280×720 scene in a few milliseconds.
 *
 * Pixels are R, G, B, A bytes, premultiplied: a canvas may be opaque (a picture) or start clear (a
 * sprite to be laid over others). Colours are 0xRRGGBBAA, not premultiplied. Lengths are pixels; x
 * to the right, y down; the middle of the first pixel is (0.5, 0.5). What lies outside is cut off.
 *
 * Thread: any; one canvas belongs to one thread.
 */

#pragma once

#include "base/base.h"

#define DRAW_MAX_SIDE 8192U

struct draw_canvas {
	uint32_t *pixels;
	unsigned width, height;
};

struct draw_point {
	float x, y;
};

/* Sides above DRAW_MAX_SIDE or of 0 are a mistake of the caller's. Starts clear. */
struct draw_canvas *draw_canvas_new(unsigned width, unsigned height);
void draw_canvas_free(struct draw_canvas *c);

/* Opaque rows from `top` to `bottom`. */
void draw_gradient(struct draw_canvas *c, uint32_t top, uint32_t bottom);
/* Every pixel transparent. */
void draw_clear(struct draw_canvas *c);
/* Same size only. */
void draw_copy(struct draw_canvas *dst, const struct draw_canvas *src);
/* Lays `sprite` over, its left upper corner at (x, y). */
void draw_sprite(struct draw_canvas *c, const struct draw_canvas *sprite, int x, int y);

/* A shape of one or more closed outlines; what is inside an odd number of them is filled. */
struct draw_path {
	struct draw_point *points;
	bool *starts; /* points[i] begins a new outline */
	size_t n, cap;
};
void draw_path_fini(struct draw_path *p);
void draw_path_clear(struct draw_path *p);
void draw_path_move(struct draw_path *p, float x, float y);
void draw_path_line(struct draw_path *p, float x, float y);

void draw_fill(struct draw_canvas *c, const struct draw_path *p, uint32_t color);
/* Lines of two opaque colours running into each other: across them the pattern repeats once for
 * each whole of x · `dx` + y · `dy`. */
struct draw_hatch {
	uint32_t a, b;
	float dx, dy;
};
void draw_fill_hatched(struct draw_canvas *c, const struct draw_path *p,
                       const struct draw_hatch *hatch);
/* A shape of `n` corners. */
void draw_polygon(struct draw_canvas *c, const struct draw_point *points, size_t n, uint32_t color);
struct draw_rect {
	float x, y, width, height, radius;
};
void draw_rect(struct draw_canvas *c, const struct draw_rect *r, uint32_t color);
/* Light that fades from the middle out, on an opaque canvas; dithered, as such a slope of few
 * shades would show its steps. */
void draw_glow(struct draw_canvas *c, float x, float y, float radius, uint32_t color);
void draw_disc(struct draw_canvas *c, float x, float y, float radius, uint32_t color);

/* Round ends. `width` is at least what one can see. */
void draw_line(struct draw_canvas *c, struct draw_point a, struct draw_point b, float width,
               uint32_t color);
void draw_polyline(struct draw_canvas *c, const struct draw_point *points, size_t n, float width,
                   uint32_t color);

struct draw_text {
	float x, y;   /* left end of the base line */
	float height; /* of a capital letter */
	float weight; /* of the stroke; 0: a seventh of the height */
	uint32_t color;
};
/* UTF-8; letters with accents lose them, what the font lacks becomes '?'. Returns the width. */
float draw_text(struct draw_canvas *c, const struct draw_text *t, const char *utf8);
float draw_text_width(const char *utf8, float height);

/* `color` with its light made `factor` times as strong; alpha stays. */
uint32_t draw_shade(uint32_t color, float factor);
