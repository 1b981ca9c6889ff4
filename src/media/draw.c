/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/draw.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "media/draw_font.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Rows of samples in a row of pixels; sideways coverage is exact. */
#define SUBROWS 4

static const float pi = 3.14159265F;

static float clamp(float v, float low, float high)
{
	return v < low ? low : v > high ? high : v;
}

static uint32_t premultiply(uint32_t color)
{
	uint32_t a = color & 0xff;
	uint32_t r = (color >> 24) * a / 255;
	uint32_t g = (color >> 16 & 0xff) * a / 255;
	uint32_t b = (color >> 8 & 0xff) * a / 255;

	return r | g << 8 | b << 16 | a << 24;
}

/* Two bytes of a pixel at a time, by 256ths. */
static uint32_t scale_pixel(uint32_t px, uint32_t by256)
{
	uint32_t even = (px & 0x00ff00ff) * by256 >> 8 & 0x00ff00ff;
	uint32_t odd = (px >> 8 & 0x00ff00ff) * by256 & 0xff00ff00;

	return even | odd;
}

static void blend(uint32_t *px, uint32_t source)
{
	uint32_t a = source >> 24;

	/* 255 · (256 - a) / 256 is 255 - a: opaque stays opaque. */
	*px = a == 255 ? source : source + scale_pixel(*px, 256 - a);
}

static void blend_covered(uint32_t *px, uint32_t source, float coverage)
{
	if (coverage >= 0.998F)
		blend(px, source);
	else if (coverage > 0.003F)
		blend(px, scale_pixel(source, (uint32_t)(coverage * 256.0F)));
}

struct draw_canvas *draw_canvas_new(unsigned width, unsigned height)
{
	struct draw_canvas *c = MEM_NEW(struct draw_canvas);

	assert(width > 0 && height > 0 && width <= DRAW_MAX_SIDE && height <= DRAW_MAX_SIDE);
	c->width = width;
	c->height = height;
	c->pixels = mem_new_array((size_t)width * height, sizeof(uint32_t));
	return c;
}

void draw_canvas_free(struct draw_canvas *c)
{
	if (!c)
		return;
	free(c->pixels);
	free(c);
}

static uint32_t mix(uint32_t a, uint32_t b, uint32_t by256)
{
	return scale_pixel(a, 256 - by256) + scale_pixel(b, by256);
}

void draw_gradient(struct draw_canvas *c, uint32_t top, uint32_t bottom)
{
	uint32_t from = premultiply(top | 0xff), to = premultiply(bottom | 0xff);

	for (unsigned y = 0; y < c->height; y++) {
		uint32_t *row = c->pixels + (size_t)y * c->width;
		uint32_t px = mix(from, to, y * 256 / c->height) | 0xff000000;

		for (unsigned x = 0; x < c->width; x++)
			row[x] = px;
	}
}

void draw_clear(struct draw_canvas *c)
{
	memset(c->pixels, 0, (size_t)c->width * c->height * sizeof(uint32_t));
}

void draw_copy(struct draw_canvas *dst, const struct draw_canvas *src)
{
	assert(dst->width == src->width && dst->height == src->height);
	memcpy(dst->pixels, src->pixels, (size_t)src->width * src->height * sizeof(uint32_t));
}

void draw_sprite(struct draw_canvas *c, const struct draw_canvas *sprite, int x, int y)
{
	int x0 = MAX(x, 0), x1 = MIN(x + (int)sprite->width, (int)c->width);
	int y0 = MAX(y, 0), y1 = MIN(y + (int)sprite->height, (int)c->height);

	for (int row = y0; row < y1; row++) {
		const uint32_t *from = sprite->pixels + (size_t)(row - y) * sprite->width - x;
		uint32_t *to = c->pixels + (size_t)row * c->width;

		for (int col = x0; col < x1; col++)
			if (from[col] >> 24)
				blend(to + col, from[col]);
	}
}

void draw_path_fini(struct draw_path *p)
{
	free(p->points);
	free(p->starts);
	*p = (struct draw_path){ 0 };
}

void draw_path_clear(struct draw_path *p)
{
	p->n = 0;
}

static void path_add(struct draw_path *p, float x, float y, bool starts)
{
	if (p->n == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->points = mem_grow(p->points, p->cap, sizeof(*p->points));
		p->starts = mem_grow(p->starts, p->cap, sizeof(*p->starts));
	}
	p->points[p->n] = (struct draw_point){ x, y };
	p->starts[p->n++] = starts;
}

void draw_path_move(struct draw_path *p, float x, float y)
{
	path_add(p, x, y, true);
}

void draw_path_line(struct draw_path *p, float x, float y)
{
	path_add(p, x, y, p->n == 0);
}

struct edge {
	float top, bottom; /* y */
	float x;           /* at y = 0 */
	float slope;       /* x per y */
};

static int by_top(const void *a, const void *b)
{
	float ta = ((const struct edge *)a)->top, tb = ((const struct edge *)b)->top;

	return ta < tb ? -1 : ta > tb;
}

static size_t add_edge(struct edge *edges, size_t n, struct draw_point a, struct draw_point b)
{
	if (a.y == b.y || !isfinite(a.x + a.y + b.x + b.y))
		return n;
	if (a.y > b.y) {
		struct draw_point swap = a;

		a = b;
		b = swap;
	}

	float slope = (b.x - a.x) / (b.y - a.y);

	edges[n] = (struct edge){ a.y, b.y, a.x - slope * a.y, slope };
	return n + 1;
}

static size_t find_edges(const struct draw_path *p, struct edge *edges)
{
	size_t n = 0, first = 0;

	for (size_t i = 0; i < p->n; i++) {
		if (p->starts[i])
			first = i;

		bool is_last = i + 1 == p->n || p->starts[i + 1];

		n = add_edge(edges, n, p->points[i], p->points[is_last ? first : i + 1]);
	}
	qsort(edges, n, sizeof(*edges), by_top);
	return n;
}

/* Adds `weight` to the coverage of everything right of `x`, as differences. */
static void cover_from(float *cover, unsigned width, float x, float weight)
{
	if (x >= (float)width)
		return;
	if (x <= 0) {
		cover[0] += weight;
		return;
	}

	unsigned i = (unsigned)x;
	float inside = x - (float)i;

	cover[i] += weight * (1 - inside);
	cover[i + 1] += weight * inside;
}

struct fill {
	struct draw_canvas *canvas;
	struct edge *edges;
	size_t n_edges, next; /* next to become active */
	uint32_t *active;
	size_t n_active;
	float *crossings;
	float *cover; /* width + 2 differences */
	uint32_t color;
	const struct draw_hatch *hatch; /* NULL: plain */
};

static void insert_sorted(float *all, size_t n, float x)
{
	while (n > 0 && all[n - 1] > x) {
		all[n] = all[n - 1];
		n--;
	}
	all[n] = x;
}

/* One row of samples. Returns whether anything was covered. */
static bool fill_subrow(struct fill *f, float y)
{
	size_t n = 0, kept = 0;

	while (f->next < f->n_edges && f->edges[f->next].top <= y)
		f->active[f->n_active++] = (uint32_t)f->next++;
	for (size_t i = 0; i < f->n_active; i++) {
		const struct edge *e = f->edges + f->active[i];

		if (e->bottom <= y)
			continue;
		f->active[kept++] = f->active[i];
		insert_sorted(f->crossings, n++, e->x + e->slope * y);
	}
	f->n_active = kept;
	for (size_t i = 0; i + 1 < n; i += 2) {
		cover_from(f->cover, f->canvas->width, f->crossings[i], 1.0F / SUBROWS);
		cover_from(f->cover, f->canvas->width, f->crossings[i + 1], -1.0F / SUBROWS);
	}
	return n > 0;
}

static uint32_t hatch_at(const struct draw_hatch *h, unsigned x, unsigned y)
{
	float phase = (float)x * h->dx + (float)y * h->dy;
	float wave = fabsf(phase - floorf(phase) - 0.5F) * 2;

	return mix(h->a, h->b, (uint32_t)(wave * 256.0F));
}

static void fill_row(struct fill *f, unsigned y)
{
	uint32_t *row = f->canvas->pixels + (size_t)y * f->canvas->width;
	float sum = 0;

	for (unsigned x = 0; x < f->canvas->width; x++) {
		sum += f->cover[x];
		if (sum <= 0.003F)
			continue;
		blend_covered(row + x, f->hatch ? hatch_at(f->hatch, x, y) : f->color, sum);
	}
}

static void fill_rows(struct fill *f)
{
	float bottom = 0;

	for (size_t i = 0; i < f->n_edges; i++)
		bottom = MAX(bottom, f->edges[i].bottom);

	unsigned first = f->edges[0].top > 0 ? (unsigned)f->edges[0].top : 0;
	unsigned end = (unsigned)MIN(bottom + 1.0F, (float)f->canvas->height);

	for (unsigned y = first; y < end; y++) {
		bool any = false;

		memset(f->cover, 0, ((size_t)f->canvas->width + 2) * sizeof(float));
		for (int s = 0; s < SUBROWS; s++)
			any |= fill_subrow(f, (float)y + ((float)s + 0.5F) / SUBROWS);
		if (any)
			fill_row(f, y);
	}
}

static void fill_path(struct draw_canvas *c, const struct draw_path *p, uint32_t color,
                      const struct draw_hatch *hatch)
{
	if (p->n < 3)
		return;

	auto_free struct edge *edges = mem_new_array(p->n, sizeof(*edges));
	auto_free uint32_t *active = mem_new_array(p->n, sizeof(*active));
	auto_free float *crossings = mem_new_array(p->n, sizeof(*crossings));
	auto_free float *cover = mem_new_array((size_t)c->width + 2, sizeof(*cover));
	struct fill f = { .canvas = c,
		          .edges = edges,
		          .active = active,
		          .crossings = crossings,
		          .cover = cover,
		          .color = premultiply(color),
		          .hatch = hatch };

	f.n_edges = find_edges(p, edges);
	if (f.n_edges > 0 && edges[0].top < (float)c->height)
		fill_rows(&f);
}

void draw_fill(struct draw_canvas *c, const struct draw_path *p, uint32_t color)
{
	fill_path(c, p, color, NULL);
}

void draw_fill_hatched(struct draw_canvas *c, const struct draw_path *p,
                       const struct draw_hatch *hatch)
{
	struct draw_hatch h = { premultiply(hatch->a | 0xff), premultiply(hatch->b | 0xff),
		                hatch->dx, hatch->dy };

	fill_path(c, p, 0, &h);
}

void draw_polygon(struct draw_canvas *c, const struct draw_point *points, size_t n, uint32_t color)
{
	struct draw_path p = { 0 };

	for (size_t i = 0; i < n; i++)
		draw_path_line(&p, points[i].x, points[i].y);
	draw_fill(c, &p, color);
	draw_path_fini(&p);
}

void draw_rect(struct draw_canvas *c, const struct draw_rect *r, uint32_t color)
{
	struct draw_path p = { 0 };
	float radius = clamp(r->radius, 0, MIN(r->width, r->height) / 2);
	const float cx[] = { r->x + r->width - radius, r->x + radius, r->x + radius,
		             r->x + r->width - radius };
	const float cy[] = { r->y + r->height - radius, r->y + r->height - radius, r->y + radius,
		             r->y + radius };

	for (int corner = 0; corner < 4; corner++) {
		for (int i = 0; i <= 6; i++) {
			float angle = pi / 2 * ((float)corner + (float)i / 6);

			draw_path_line(&p, cx[corner] + radius * cosf(angle),
			               cy[corner] + radius * sinf(angle));
		}
	}
	draw_fill(c, &p, color);
	draw_path_fini(&p);
}

void draw_disc(struct draw_canvas *c, float x, float y, float radius, uint32_t color)
{
	draw_line(c, (struct draw_point){ x, y }, (struct draw_point){ x, y }, 2 * radius, color);
}

/* Bayer's 4×4 matrix: thresholds of ordered dithering. */
static const uint8_t bayer[4][4] = {
	{ 0, 8, 2, 10 }, { 12, 4, 14, 6 }, { 3, 11, 1, 9 }, { 15, 7, 13, 5 }
};

static void lighten(uint32_t *px, uint32_t color, float share, float dither)
{
	uint32_t made = *px & 0xff000000;

	for (unsigned i = 0; i < 3; i++) {
		float from = (float)(*px >> (8 * i) & 0xff);
		float to = (float)(color >> (24 - 8 * i) & 0xff);

		made |= (uint32_t)clamp(from + (to - from) * share + dither, 0, 255) << (8 * i);
	}
	*px = made;
}

void draw_glow(struct draw_canvas *c, float x, float y, float radius, uint32_t color)
{
	float alpha = (float)(color & 0xff) / 255;
	unsigned x0 = (unsigned)clamp(x - radius, 0, (float)c->width);
	unsigned x1 = (unsigned)clamp(x + radius + 1, 0, (float)c->width);
	unsigned y0 = (unsigned)clamp(y - radius, 0, (float)c->height);
	unsigned y1 = (unsigned)clamp(y + radius + 1, 0, (float)c->height);

	for (unsigned row = y0; row < y1; row++) {
		float dy = ((float)row + 0.5F - y) / radius;

		for (unsigned col = x0; col < x1; col++) {
			float dx = ((float)col + 0.5F - x) / radius;
			float in = 1 - dx * dx - dy * dy;

			if (in > 0)
				lighten(c->pixels + (size_t)row * c->width + col, color,
				        alpha * in * in,
				        ((float)bayer[row % 4][col % 4] + 0.5F) / 16);
		}
	}
}

/* The part of one row that a line of half-width `reach` can touch. */
static void find_span(struct draw_point a, struct draw_point b, float y, float reach, float *ret_x0,
                      float *ret_x1)
{
	float x0 = MIN(a.x, b.x), x1 = MAX(a.x, b.x);
	float dy = b.y - a.y;

	if (fabsf(dy) > 0.01F) {
		float slope = (b.x - a.x) / dy;
		float at0 = a.x + slope * (y - reach - a.y), at1 = a.x + slope * (y + reach - a.y);

		x0 = fmaxf(x0, fminf(at0, at1));
		x1 = fminf(x1, fmaxf(at0, at1));
	}
	*ret_x0 = x0 - reach;
	*ret_x1 = x1 + reach;
}

void draw_line(struct draw_canvas *c, struct draw_point a, struct draw_point b, float width,
               uint32_t color)
{
	float radius = MAX(width, 0.6F) / 2, reach = radius + 1;
	float dx = b.x - a.x, dy = b.y - a.y, length2 = dx * dx + dy * dy;
	float top = MIN(a.y, b.y) - reach, bottom = MAX(a.y, b.y) + reach;
	uint32_t source = premultiply(color);

	if (!isfinite(length2) || bottom <= 0 || top >= (float)c->height)
		return;

	unsigned y0 = (unsigned)MAX(top, 0.0F), y1 = (unsigned)MIN(bottom, (float)c->height);

	for (unsigned y = y0; y < y1; y++) {
		float py = (float)y + 0.5F, from, to;

		find_span(a, b, py, reach, &from, &to);
		if (to <= 0 || from >= (float)c->width)
			continue;

		uint32_t *row = c->pixels + (size_t)y * c->width;
		unsigned x0 = (unsigned)MAX(from, 0.0F);
		unsigned x1 = (unsigned)MIN(to + 1.0F, (float)c->width);

		for (unsigned x = x0; x < x1; x++) {
			float rx = (float)x + 0.5F - a.x, ry = py - a.y;
			float t = length2 > 0 ? (rx * dx + ry * dy) / length2 : 0;

			t = clamp(t, 0, 1);

			float ex = rx - t * dx, ey = ry - t * dy;
			float cover = radius + 0.5F - sqrtf(ex * ex + ey * ey);

			if (cover > 0)
				blend_covered(row + x, source, MIN(cover, 2 * radius));
		}
	}
}

void draw_polyline(struct draw_canvas *c, const struct draw_point *points, size_t n, float width,
                   uint32_t color)
{
	for (size_t i = 0; i + 1 < n; i++)
		draw_line(c, points[i], points[i + 1], width, color);
}

/* The next character of well-formed UTF-8; bytes that are none count as '?'. */
static unsigned next_char(const char **utf8)
{
	const uint8_t *s = (const uint8_t *)*utf8;
	unsigned n = s[0] < 0x80 ? 0 : s[0] >= 0xf0 ? 3 : s[0] >= 0xe0 ? 2 : s[0] >= 0xc0 ? 1 : 0;
	unsigned c = n == 0 ? s[0] : s[0] & (0x3fU >> n);

	for (unsigned i = 1; i <= n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*utf8 += i;
			return '?';
		}
		c = c << 6 | (s[i] & 0x3f);
	}
	*utf8 += n + 1;
	return c;
}

static const char *find_glyph(unsigned c)
{
	if (c >= 0xc0 && c <= 0xff)
		c = (uint8_t)draw_font_latin[c - 0xc0];
	if (c == 0xb0) /* degree */
		return "21727282818 2817";
	if (c == 0xb7) /* middle dot */
		return "00505";
	if (c == 0x2013 || c == 0x2014)
		c = '-';
	if (c < DRAW_FONT_FIRST || c - DRAW_FONT_FIRST >= ARRAY_LEN(draw_font))
		c = '?';
	return draw_font[c - DRAW_FONT_FIRST];
}

static void draw_glyph(struct draw_canvas *c, const struct draw_text *t, const char *strokes,
                       float x)
{
	float unit = t->height / DRAW_FONT_CAPITAL;
	float weight = t->weight > 0 ? t->weight : t->height / 7;
	struct draw_point last = { 0 };
	bool has_last = false;

	while (*strokes) {
		if (*strokes == ' ') {
			has_last = false;
			strokes++;
			continue;
		}

		struct draw_point here = { x + (float)(strokes[0] - '0') * unit,
			                   t->y - (float)(strokes[1] - '0' - DRAW_FONT_BASE) *
			                                   unit };

		if (has_last)
			draw_line(c, last, here, weight, t->color);
		last = here;
		has_last = true;
		strokes += 2;
	}
}

/* Units from one letter to the next. */
static float glyph_advance(const char *glyph)
{
	return (float)(glyph[0] - '0') + 2.2F;
}

float draw_text(struct draw_canvas *c, const struct draw_text *t, const char *utf8)
{
	float x = t->x, unit = t->height / DRAW_FONT_CAPITAL;

	while (*utf8) {
		const char *glyph = find_glyph(next_char(&utf8));

		draw_glyph(c, t, glyph + 1, x);
		x += glyph_advance(glyph) * unit;
	}
	return x - t->x;
}

float draw_text_width(const char *utf8, float height)
{
	float units = 0;

	while (*utf8)
		units += glyph_advance(find_glyph(next_char(&utf8)));
	return units * height / DRAW_FONT_CAPITAL;
}

uint32_t draw_shade(uint32_t color, float factor)
{
	uint32_t shaded = color & 0xff;

	for (unsigned shift = 8; shift <= 24; shift += 8) {
		float v = (float)(color >> shift & 0xff) * factor;

		shaded |= (uint32_t)clamp(v, 0, 255) << shift;
	}
	return shaded;
}
