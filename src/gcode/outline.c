/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/outline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define RAW_POINTS_MAX 65536 /* of one layer, before it is simplified */
#define RAW_LINES_MAX 16384
#define POINTS_MAX ((size_t)4 << 20)
#define WINDOW 256 /* points simplified together: bounds the time, quadratic at worst */
#define UNITS_PER_MM 10

struct raw_line {
	uint32_t first, n;
};

struct gcode_outliner {
	struct gcode_outline *o;
	unsigned per_layer;
	size_t cap_layers, cap_lines, cap_points;

	/* the layer being read */
	struct gcode_point *raw; /* RAW_POINTS_MAX */
	bool *keep;              /* RAW_POINTS_MAX */
	uint32_t n_raw;
	struct raw_line *lines; /* RAW_LINES_MAX */
	uint32_t n_lines;
	bool has_outer;
};

struct gcode_outliner *gcode_outliner_new(unsigned points_per_layer)
{
	struct gcode_outliner *b = MEM_NEW(struct gcode_outliner);

	b->per_layer = MAX(points_per_layer, 8U);
	b->raw = mem_new_array(RAW_POINTS_MAX, sizeof(*b->raw));
	b->keep = mem_new_array(RAW_POINTS_MAX, sizeof(*b->keep));
	b->lines = mem_new_array(RAW_LINES_MAX, sizeof(*b->lines));
	b->o = MEM_NEW(struct gcode_outline);
	gcode_outliner_reset(b);
	return b;
}

void gcode_outliner_free(struct gcode_outliner *b)
{
	if (!b)
		return;
	gcode_outline_free(b->o);
	free(b->raw);
	free(b->keep);
	free(b->lines);
	free(b);
}

void gcode_outliner_reset(struct gcode_outliner *b)
{
	b->n_raw = b->n_lines = 0;
	b->has_outer = false;
	b->o->n_layers = b->o->n_lines = b->o->n_points = 0;
	b->o->min = (struct gcode_point){ INT16_MAX, INT16_MAX };
	b->o->max = (struct gcode_point){ INT16_MIN, INT16_MIN };
	b->o->is_cut = false;
}

static int16_t to_units(double mm)
{
	double v = fmin(fmax(mm * UNITS_PER_MM, INT16_MIN), INT16_MAX);

	return (int16_t)lrint(v);
}

static bool is_same(struct gcode_point a, struct gcode_point b)
{
	return a.x == b.x && a.y == b.y;
}

/* Widens the box min…max to hold `p`. */
static void box_widen(struct gcode_point *min, struct gcode_point *max, struct gcode_point p)
{
	if (p.x < min->x)
		min->x = p.x;
	if (p.y < min->y)
		min->y = p.y;
	if (p.x > max->x)
		max->x = p.x;
	if (p.y > max->y)
		max->y = p.y;
}

void gcode_outliner_add(struct gcode_outliner *b, const double from[2], const double to[2],
                        bool is_outer_wall)
{
	struct gcode_point p = { to_units(from[0]), to_units(from[1]) };
	struct gcode_point q = { to_units(to[0]), to_units(to[1]) };

	/* Walls are all that will be shown: the filling need not be kept. */
	if ((b->has_outer && !is_outer_wall) || b->n_raw + 2 > RAW_POINTS_MAX)
		return;
	if (is_outer_wall && !b->has_outer) {
		b->has_outer = true;
		b->n_raw = b->n_lines = 0;
	}

	if (b->n_lines == 0 || !is_same(b->raw[b->n_raw - 1], p)) {
		if (b->n_lines == RAW_LINES_MAX)
			return;
		b->lines[b->n_lines++] = (struct raw_line){ .first = b->n_raw, .n = 1 };
		b->raw[b->n_raw++] = p;
	}
	if (is_same(b->raw[b->n_raw - 1], q))
		return;
	b->raw[b->n_raw++] = q;
	b->lines[b->n_lines - 1].n++;
}

/* Square of the distance of `p` from the stretch a–b, in square units. */
static double distance2(struct gcode_point p, struct gcode_point a, struct gcode_point b)
{
	double dx = b.x - a.x;
	double dy = b.y - a.y;
	double px = p.x - a.x;
	double py = p.y - a.y;
	double length2 = dx * dx + dy * dy;
	double t = length2 > 0 ? (px * dx + py * dy) / length2 : 0;

	t = t < 0 ? 0 : t > 1 ? 1 : t;
	px -= t * dx;
	py -= t * dy;
	return px * px + py * py;
}

/* Douglas and Peucker's method on the points first…last, with a stack of our own. */
static void keep_far_points(struct gcode_outliner *b, uint32_t first, uint32_t last, double limit2)
{
	struct {
		uint32_t from, to;
	} stack[WINDOW + 1];
	size_t depth = 0;

	stack[depth].from = first;
	stack[depth++].to = last;
	while (depth > 0) {
		uint32_t from = stack[--depth].from;
		uint32_t to = stack[depth].to;
		uint32_t best = from;
		double best2 = limit2;

		for (uint32_t i = from + 1; i < to; i++) {
			double d2 = distance2(b->raw[i], b->raw[from], b->raw[to]);

			if (d2 > best2) {
				best = i;
				best2 = d2;
			}
		}
		if (best == from)
			continue;
		b->keep[best] = true;
		stack[depth].from = from;
		stack[depth++].to = best;
		stack[depth].from = best;
		stack[depth++].to = to;
	}
}

static bool line_is_tiny(const struct gcode_outliner *b, const struct raw_line *l, double limit)
{
	struct gcode_point min = b->raw[l->first];
	struct gcode_point max = min;

	for (uint32_t i = l->first; i < l->first + l->n; i++)
		box_widen(&min, &max, b->raw[i]);
	return max.x - min.x < limit && max.y - min.y < limit;
}

/* Marks the points to keep at a tolerance in units; lines smaller than twice that go. Returns how
 * many stay. */
static size_t layer_simplify(struct gcode_outliner *b, double limit)
{
	size_t n = 0;

	memset(b->keep, 0, b->n_raw * sizeof(*b->keep));
	for (uint32_t k = 0; k < b->n_lines; k++) {
		const struct raw_line *l = &b->lines[k];

		if (l->n < 2 || line_is_tiny(b, l, limit * 2))
			continue;
		b->keep[l->first] = true;
		for (uint32_t from = 0; from < l->n - 1; from += WINDOW - 1) {
			uint32_t to = MIN(from + WINDOW - 1, l->n - 1);

			b->keep[l->first + to] = true;
			keep_far_points(b, l->first + from, l->first + to, limit * limit);
		}
		for (uint32_t i = l->first; i < l->first + l->n; i++)
			n += b->keep[i];
	}
	return n;
}

static void point_put(struct gcode_outliner *b, struct gcode_point p)
{
	struct gcode_outline *o = b->o;

	if (o->n_points == b->cap_points) {
		b->cap_points = b->cap_points * 2 + 1024;
		o->points = mem_grow(o->points, b->cap_points, sizeof(*o->points));
	}
	o->points[o->n_points++] = p;
	box_widen(&o->min, &o->max, p);
}

static void line_put(struct gcode_outliner *b, const struct raw_line *l)
{
	struct gcode_outline *o = b->o;
	size_t first = o->n_points;

	for (uint32_t i = l->first; i < l->first + l->n; i++)
		if (b->keep[i])
			point_put(b, b->raw[i]);
	if (o->n_points == first)
		return;
	if (o->n_lines == b->cap_lines) {
		b->cap_lines = b->cap_lines * 2 + 256;
		o->lines = mem_grow(o->lines, b->cap_lines, sizeof(*o->lines));
	}
	o->lines[o->n_lines++] = (struct gcode_polyline){ .first = (uint32_t)first,
		                                          .n = (uint32_t)(o->n_points - first) };
}

void gcode_outliner_layer(struct gcode_outliner *b, float z_mm)
{
	struct gcode_outline *o = b->o;
	double limit = 0.5;

	if (o->n_layers == b->cap_layers) {
		b->cap_layers = b->cap_layers * 2 + 64;
		o->layers = mem_grow(o->layers, b->cap_layers, sizeof(*o->layers));
	}

	struct gcode_outline_layer *layer = &o->layers[o->n_layers++];

	*layer = (struct gcode_outline_layer){ .z_mm = z_mm, .first_line = (uint32_t)o->n_lines };
	o->is_cut |= o->n_points + b->per_layer > POINTS_MAX;
	if (b->n_raw > 0 && !o->is_cut) {
		while (layer_simplify(b, limit) > b->per_layer)
			limit *= 1.5;
		for (uint32_t k = 0; k < b->n_lines; k++)
			line_put(b, &b->lines[k]);
	}
	layer->n_lines = (uint32_t)(o->n_lines - layer->first_line);
	b->n_raw = b->n_lines = 0;
	b->has_outer = false;
}

struct gcode_outline *gcode_outliner_end(struct gcode_outliner *b)
{
	struct gcode_outline *o = b->o;

	if (o->n_layers > 0)
		o->layers = mem_grow(o->layers, o->n_layers, sizeof(*o->layers));
	if (o->n_lines > 0)
		o->lines = mem_grow(o->lines, o->n_lines, sizeof(*o->lines));
	if (o->n_points > 0)
		o->points = mem_grow(o->points, o->n_points, sizeof(*o->points));
	b->o = NULL;
	gcode_outliner_free(b);
	return o;
}

void gcode_outline_free(struct gcode_outline *o)
{
	if (!o)
		return;
	free(o->layers);
	free(o->lines);
	free(o->points);
	free(o);
}

const struct gcode_outline_layer *gcode_outline_layer(const struct gcode_outline *o,
                                                      uint32_t number)
{
	return number >= 1 && number <= o->n_layers ? &o->layers[number - 1] : NULL;
}

size_t gcode_outline_size(const struct gcode_outline *o)
{
	return sizeof(*o) + o->n_layers * sizeof(*o->layers) + o->n_lines * sizeof(*o->lines) +
	       o->n_points * sizeof(*o->points);
}
