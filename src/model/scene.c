/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/scene.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gcode/outline.h"
#include "media/draw.h"
#include "media/jpeg.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The camera: 28° to the right, 32° above the bed. */
#define TURN_COS 0.8829F
#define TURN_SIN (-0.4695F)
#define RISE_COS 0.8480F
#define RISE_SIN 0.5299F

#define DEFAULT_BED_MM 256
#define DEFAULT_QUALITY 85
#define DEFAULT_COLOR 0xf0803cffU
#define CLOSED_GAP 12   /* 0.1 mm: seams leave a gap */
#define MAX_LAYERS 2000 /* drawn one by one from scratch; more are thinned out */
#define MAX_SWAY_MM 24.0F

struct space {
	float x, y, z; /* mm */
};

/* What is looked at: the part, or the whole bed. */
struct bounds {
	float x0, x1, y0, y1, z1;
	bool is_part;
};

/* A place in space to a place in the sprite. */
struct lens {
	float scale; /* px per mm */
	float x, y;  /* where the origin lies */
};

struct scene {
	struct draw_canvas *frame, *backdrop;
	struct draw_canvas *bed; /* plate and finished layers, larger than the frame by margins */
	struct lens lens;        /* of `bed` */
	int margin_x, margin_y;
	struct bounds bounds;
	float bed_x, bed_y;
	uint32_t color;
	enum scene_kind kind;

	const struct gcode_outline *outline;
	size_t n_layers, n_points; /* of it, in case that another takes its place in memory */
	int drawn;                 /* layers in `bed` */
	struct draw_path path;
};

void scene_view_init(struct scene_view *v)
{
	*v = (struct scene_view){
		.layers = -1, .z_mm = NAN, .percent = -1, .elapsed_s = -1, .is_parked = true
	};
}

struct scene *scene_new(void)
{
	return MEM_NEW(struct scene);
}

void scene_free(struct scene *s)
{
	if (!s)
		return;
	draw_canvas_free(s->frame);
	draw_canvas_free(s->backdrop);
	draw_canvas_free(s->bed);
	draw_path_fini(&s->path);
	free(s);
}

void scene_forget(struct scene *s)
{
	s->outline = NULL;
	s->drawn = -1;
	draw_canvas_free(s->bed);
	s->bed = NULL;
}

static struct draw_point project(const struct lens *lens, struct space at)
{
	float across = at.x * TURN_COS - at.y * TURN_SIN;
	float deep = at.x * TURN_SIN + at.y * TURN_COS;

	return (struct draw_point){ lens->x + across * lens->scale,
		                    lens->y - (deep * RISE_SIN + at.z * RISE_COS) * lens->scale };
}

static bool is_closed(const struct gcode_outline *o, const struct gcode_polyline *line)
{
	const struct gcode_point *a = o->points + line->first, *b = a + line->n - 1;

	return line->n >= 4 && abs(a->x - b->x) <= CLOSED_GAP && abs(a->y - b->y) <= CLOSED_GAP;
}

static void widen(struct bounds *b, const struct gcode_outline *o,
                  const struct gcode_polyline *line)
{
	for (uint32_t i = 0; i < line->n; i++) {
		float x = (float)o->points[line->first + i].x / 10;
		float y = (float)o->points[line->first + i].y / 10;

		b->x0 = fminf(b->x0, x);
		b->x1 = fmaxf(b->x1, x);
		b->y0 = fminf(b->y0, y);
		b->y1 = fmaxf(b->y1, y);
	}
}

/* Around closed lines only: a purge line at the bed's edge is not what one wants to see. */
static struct bounds find_bounds(const struct gcode_outline *o, float bed_x, float bed_y)
{
	struct bounds b = { .x0 = 1e6F, .x1 = -1e6F, .y0 = 1e6F, .y1 = -1e6F };

	for (size_t i = 0; o && i < o->n_lines; i++)
		if (is_closed(o, o->lines + i))
			widen(&b, o, o->lines + i);
	if (b.x0 > b.x1)
		return (struct bounds){ 0, bed_x, 0, bed_y, 40, false };
	for (size_t i = 0; i < o->n_layers; i++)
		if (isfinite(o->layers[i].z_mm))
			b.z1 = fmaxf(b.z1, o->layers[i].z_mm);
	b.is_part = true;
	return b;
}

static float sway_mm(const struct scene *s)
{
	if (s->kind == SCENE_BED_DROP || !s->bounds.is_part)
		return 0;
	return fminf((s->bounds.y1 - s->bounds.y0) / 2 + 2, MAX_SWAY_MM);
}

/* Chooses the scale so that the part fills about half of the picture. */
static void aim(struct scene *s, float width, float height)
{
	const struct bounds *b = &s->bounds;
	float dx = b->x1 - b->x0, dy = b->y1 - b->y0;
	float across = dx * TURN_COS - dy * TURN_SIN;
	float up = (dy * TURN_COS - dx * TURN_SIN) * RISE_SIN + b->z1 * RISE_COS;
	float share = b->is_part ? 0.52F : 0.84F;
	struct lens *lens = &s->lens;

	lens->scale = fminf(share * width / across, share * height / up);
	lens->scale = fminf(lens->scale, width / 120);

	float sway = sway_mm(s) * lens->scale;

	s->margin_x = (int)(sway * -TURN_SIN) + 1;
	s->margin_y = (int)(sway * TURN_COS * RISE_SIN) + 1;
	if (s->kind == SCENE_BED_DROP && b->is_part)
		s->margin_y = (int)(b->z1 / 2 * RISE_COS * lens->scale) + 1;
	lens->x = lens->y = 0;

	struct space middle = { (b->x0 + b->x1) / 2, (b->y0 + b->y1) / 2,
		                b->is_part ? b->z1 / 2 : 0 };
	struct draw_point at = project(lens, middle);

	lens->x = width / 2 - at.x + (float)s->margin_x;
	lens->y = height * (b->is_part ? 0.56F : 0.52F) - at.y + (float)s->margin_y;
}

/* A face of the bed or the head. */
static void draw_face(struct draw_canvas *c, const struct lens *lens, const struct space at[4],
                      uint32_t color)
{
	struct draw_point p[4];

	for (int i = 0; i < 4; i++)
		p[i] = project(lens, at[i]);
	draw_polygon(c, p, 4, color);
}

/* The three sides one sees of a box. */
static void draw_box(struct draw_canvas *c, const struct lens *lens, struct space a, struct space b,
                     uint32_t color)
{
	const struct space front[] = {
		{ a.x, a.y, a.z }, { b.x, a.y, a.z }, { b.x, a.y, b.z }, { a.x, a.y, b.z }
	};
	const struct space right[] = {
		{ b.x, a.y, a.z }, { b.x, b.y, a.z }, { b.x, b.y, b.z }, { b.x, a.y, b.z }
	};
	const struct space top[] = {
		{ a.x, a.y, b.z }, { b.x, a.y, b.z }, { b.x, b.y, b.z }, { a.x, b.y, b.z }
	};

	draw_face(c, lens, front, draw_shade(color, 0.80F));
	draw_face(c, lens, right, draw_shade(color, 0.58F));
	draw_face(c, lens, top, draw_shade(color, 1.12F));
}

static void draw_grid(struct scene *s)
{
	for (int mm = 10; mm < (int)s->bed_x; mm += 10) {
		uint32_t color = mm % 50 == 0 ? 0xffffff40 : 0xffffff16;
		struct space from = { (float)mm, 0, 0 }, to = { (float)mm, s->bed_y, 0 };

		draw_line(s->bed, project(&s->lens, from), project(&s->lens, to), 1.2F, color);
	}
	for (int mm = 10; mm < (int)s->bed_y; mm += 10) {
		uint32_t color = mm % 50 == 0 ? 0xffffff40 : 0xffffff16;
		struct space from = { 0, (float)mm, 0 }, to = { s->bed_x, (float)mm, 0 };

		draw_line(s->bed, project(&s->lens, from), project(&s->lens, to), 1.2F, color);
	}
}

static void draw_plate(struct scene *s)
{
	const struct space rim[] = { { 4, 4, 0 },
		                     { s->bed_x - 4, 4, 0 },
		                     { s->bed_x - 4, s->bed_y - 4, 0 },
		                     { 4, s->bed_y - 4, 0 } };

	draw_clear(s->bed);
	draw_box(s->bed, &s->lens, (struct space){ -5, -5, -11 },
	         (struct space){ s->bed_x + 5, s->bed_y + 5, -3 }, 0x596068ff);
	draw_box(s->bed, &s->lens, (struct space){ 0, 0, -2.4F },
	         (struct space){ s->bed_x, s->bed_y, 0 }, 0x40454cff);
	draw_face(s->bed, &s->lens, rim, 0x3b4047ff);
	draw_grid(s);
}

static void add_line(struct scene *s, const struct gcode_polyline *line, float z, float dx,
                     float dy)
{
	const struct gcode_point *p = s->outline->points + line->first;

	for (uint32_t i = 0; i < line->n; i++) {
		struct space at = { (float)p[i].x / 10 + dx, (float)p[i].y / 10 + dy, z };
		struct draw_point on = project(&s->lens, at);

		if (i == 0)
			draw_path_move(&s->path, on.x, on.y);
		else
			draw_path_line(&s->path, on.x, on.y);
	}
}

/* The closed lines of a layer as s->path. */
static void find_top(struct scene *s, const struct gcode_outline_layer *layer, float z, float dx,
                     float dy)
{
	draw_path_clear(&s->path);
	for (uint32_t i = 0; i < layer->n_lines; i++) {
		const struct gcode_polyline *line = s->outline->lines + layer->first_line + i;

		if (is_closed(s->outline, line))
			add_line(s, line, z, dx, dy);
	}
}

/* A soft shadow, as of a lamp at the upper left. */
static void draw_shadow(struct scene *s, const struct gcode_outline_layer *layer)
{
	float reach = fminf(s->bounds.z1 * 0.35F + 1, 14);

	for (int i = 12; i >= 1; i--) {
		float away = reach * (float)i / 12;

		find_top(s, layer, 0, away, away * 0.25F);
		draw_fill(s->bed, &s->path, 0x0000000e);
	}
}

/* How much light falls on an upright wall along (dx, dy): its side that we see is turned to us. */
static float wall_light(float dx, float dy)
{
	float length = sqrtf(dx * dx + dy * dy);
	float nx = length > 0 ? dy / length : 0, ny = length > 0 ? -dx / length : -1;

	if (nx * TURN_SIN + ny * TURN_COS > 0) {
		nx = -nx;
		ny = -ny;
	}
	return 0.50F + 0.42F * fmaxf(0, nx * -0.55F + ny * -0.83F) + 0.10F * fmaxf(0, nx);
}

static void draw_walls(struct scene *s, const struct gcode_polyline *line, float z, float height,
                       float light)
{
	const struct gcode_point *p = s->outline->points + line->first;
	float width = fmaxf(1.3F, height * RISE_COS * s->lens.scale + 0.8F);

	for (uint32_t i = 0; i + 1 < line->n; i++) {
		struct space a = { (float)p[i].x / 10, (float)p[i].y / 10, z - height / 2 };
		struct space b = { (float)p[i + 1].x / 10, (float)p[i + 1].y / 10, a.z };
		float factor = light * wall_light(b.x - a.x, b.y - a.y);

		draw_line(s->bed, project(&s->lens, a), project(&s->lens, b), width,
		          draw_shade(s->color, factor));
	}
}

static void draw_top(struct scene *s, int number)
{
	float period = fmaxf(0.9F * s->lens.scale, 3);
	/* Lines of ±45° on the bed, as the camera sees them. */
	struct draw_hatch hatch = { .a = draw_shade(s->color, 0.86F),
		                    .b = draw_shade(s->color, 1.02F),
		                    .dx = (number % 2 ? 0.30F : 0.95F) / period,
		                    .dy = (number % 2 ? 1.35F : -1.10F) / period };

	draw_fill_hatched(s->bed, &s->path, &hatch);
}

static float layer_z(const struct scene *s, int number)
{
	const struct gcode_outline_layer *l = gcode_outline_layer(s->outline, (uint32_t)number);

	return l && isfinite(l->z_mm) ? l->z_mm : 0;
}

static void draw_layer(struct scene *s, int number)
{
	const struct gcode_outline_layer *layer = gcode_outline_layer(s->outline, (uint32_t)number);

	if (!layer || layer->n_lines == 0)
		return;

	float z = layer_z(s, number), below = number > 1 ? layer_z(s, number - 1) : 0;
	float height = z > below && z - below < 3 ? z - below : 0.2F;
	float light = number % 2 ? 1.0F : 0.955F;

	if (number == 1)
		draw_shadow(s, layer);
	for (uint32_t i = 0; i < layer->n_lines; i++)
		draw_walls(s, s->outline->lines + layer->first_line + i, z, height, light);
	find_top(s, layer, z, 0, 0);
	draw_top(s, number);
}

static void draw_backdrop(struct draw_canvas *c)
{
	float w = (float)c->width, h = (float)c->height;

	draw_gradient(c, 0x4b5763ff, 0x1b2026ff);
	/* The light of the lamp on the wall behind. */
	draw_glow(c, 0.42F * w, 0.12F * h, 0.62F * w, 0xaab6c230);
}

static uint32_t visible_color(uint32_t color)
{
	if (color == 0)
		return DEFAULT_COLOR;

	unsigned brightest = MAX(color >> 24, color >> 16 & 0xff);

	brightest = MAX(brightest, color >> 8 & 0xff);
	/* Black filament on a black plate: as a lamp would show it. White must keep its shades. */
	if (brightest < 70)
		return 0x4c5056ff;
	return draw_shade(color | 0xff, brightest > 235 ? 0.92F : 1);
}

static void make_frame(struct scene *s, unsigned width, unsigned height)
{
	if (s->frame && s->frame->width == width && s->frame->height == height)
		return;
	draw_canvas_free(s->frame);
	draw_canvas_free(s->backdrop);
	s->frame = draw_canvas_new(width, height);
	s->backdrop = draw_canvas_new(width, height);
	draw_backdrop(s->backdrop);
	scene_forget(s);
}

static bool is_same_bed(const struct scene *s, const struct scene_view *v, float bed_x, float bed_y)
{
	if (!s->bed || s->outline != v->outline || s->kind != v->kind || s->bed_x != bed_x ||
	    s->bed_y != bed_y || s->color != visible_color(v->color))
		return false;
	return !v->outline ||
	       (s->n_layers == v->outline->n_layers && s->n_points == v->outline->n_points);
}

static void start_bed(struct scene *s, const struct scene_view *v, float bed_x, float bed_y)
{
	s->outline = v->outline;
	s->n_layers = v->outline ? v->outline->n_layers : 0;
	s->n_points = v->outline ? v->outline->n_points : 0;
	s->kind = v->kind;
	s->bed_x = bed_x;
	s->bed_y = bed_y;
	s->color = visible_color(v->color);
	s->bounds = find_bounds(v->outline, bed_x, bed_y);
	aim(s, (float)s->frame->width, (float)s->frame->height);

	unsigned width = MIN(s->frame->width + 2 * (unsigned)s->margin_x, DRAW_MAX_SIDE);
	unsigned height = MIN(s->frame->height + 2 * (unsigned)s->margin_y, DRAW_MAX_SIDE);

	draw_canvas_free(s->bed);
	s->bed = draw_canvas_new(width, height);
	draw_plate(s);
	s->drawn = 0;
}

/* Brings the bitmap of the bed to `layers` finished layers. */
static void update_bed(struct scene *s, const struct scene_view *v, int layers)
{
	float bed_x = v->bed_x_mm > 10 ? (float)v->bed_x_mm : DEFAULT_BED_MM;
	float bed_y = v->bed_y_mm > 10 ? (float)v->bed_y_mm : DEFAULT_BED_MM;

	if (!is_same_bed(s, v, bed_x, bed_y)) {
		start_bed(s, v, bed_x, bed_y);
	} else if (layers < s->drawn) {
		draw_plate(s);
		s->drawn = 0;
	}
	if (!s->outline)
		return;

	int step = (layers - s->drawn) / MAX_LAYERS + 1;

	for (int i = s->drawn + 1; i <= layers; i++)
		if (i == 1 || i == layers || i % step == 0)
			draw_layer(s, i);
	s->drawn = MAX(s->drawn, layers);
}

/* A walk along the lines of a layer. */
struct walk {
	double left;     /* mm to go; 0: only measure */
	double length;   /* walked so far */
	struct space at; /* where it ended */
};

static struct space point_at(const struct gcode_point *p, float z)
{
	return (struct space){ (float)p->x / 10, (float)p->y / 10, z };
}

/* Walks one line; what is passed is added to s->path in pairs of points. False: arrived. */
static bool walk_line(struct scene *s, const struct gcode_polyline *line, struct walk *w)
{
	const struct gcode_point *p = s->outline->points + line->first;

	for (uint32_t i = 0; i + 1 < line->n; i++) {
		struct space from = point_at(p + i, w->at.z), to = point_at(p + i + 1, w->at.z);
		float length = hypotf(to.x - from.x, to.y - from.y);
		double rest = w->left - w->length;

		w->length += (double)length;
		if (w->left <= 0)
			continue;
		if ((double)length > rest) {
			to.x = from.x + (to.x - from.x) * (float)rest / length;
			to.y = from.y + (to.y - from.y) * (float)rest / length;
		}
		w->at = to;

		struct draw_point a = project(&s->lens, from), b = project(&s->lens, to);

		draw_path_move(&s->path, a.x, a.y);
		draw_path_line(&s->path, b.x, b.y);
		if ((double)length >= rest)
			return false;
	}
	return true;
}

static void walk_layer(struct scene *s, const struct gcode_outline_layer *layer, struct walk *w)
{
	for (uint32_t i = 0; i < layer->n_lines; i++)
		if (!walk_line(s, s->outline->lines + layer->first_line + i, w))
			return;
}

/* Where the head is after `fraction` of the way along the lines of a layer; the way so far is in
 * s->path, in the coordinates of the sprite. */
static struct space follow(struct scene *s, int number, float z, double fraction)
{
	const struct gcode_outline_layer *layer =
		s->outline && number > 0 ? gcode_outline_layer(s->outline, (uint32_t)number) : NULL;
	struct walk measured = { .at.z = z };
	struct walk walked = { .at = { (s->bounds.x0 + s->bounds.x1) / 2,
		                       (s->bounds.y0 + s->bounds.y1) / 2, z } };

	draw_path_clear(&s->path);
	if (!layer)
		return walked.at;
	walk_layer(s, layer, &measured);
	walked.left = measured.length * fmin(fmax(fraction, 0.001), 1);
	walk_layer(s, layer, &walked);
	return walked.at;
}

struct shift {
	int x, y; /* of the bed's sprite against its place at rest */
};

static struct shift move_bed(const struct scene *s, float head_y, float z, bool is_parked)
{
	struct shift by = { 0 };

	if (s->kind == SCENE_BED_DROP) {
		if (s->bounds.is_part)
			by.y = (int)lroundf((z - s->bounds.z1 / 2) * RISE_COS * s->lens.scale);
	} else if (!is_parked && s->bounds.is_part) {
		float away = head_y - (s->bounds.y0 + s->bounds.y1) / 2;
		float reach = sway_mm(s);

		away = fmaxf(-reach, fminf(reach, away));
		by.x = (int)lroundf(away * TURN_SIN * s->lens.scale);
		by.y = (int)lroundf(away * TURN_COS * RISE_SIN * s->lens.scale);
	}
	if (abs(by.y) > s->margin_y)
		by.y = by.y > 0 ? s->margin_y : -s->margin_y;
	return by;
}

static void draw_new_lines(struct scene *s, struct shift by)
{
	float dx = (float)(by.x - s->margin_x), dy = (float)(by.y - s->margin_y);
	float width = fmaxf(1.6F, 0.45F * s->lens.scale);
	uint32_t color = draw_shade(s->color, 1.22F);

	for (size_t i = 0; i + 1 < s->path.n; i += 2) {
		struct draw_point a = s->path.points[i], b = s->path.points[i + 1];

		draw_line(s->frame, (struct draw_point){ a.x + dx, a.y + dy },
		          (struct draw_point){ b.x + dx, b.y + dy }, width, color);
	}
}

static void draw_nozzle(struct draw_canvas *c, const struct lens *lens, struct space tip)
{
	struct draw_point p = project(lens, tip);
	float mm = lens->scale;
	const struct draw_point cone[] = { { p.x - 0.5F * mm, p.y },
		                           { p.x + 0.5F * mm, p.y },
		                           { p.x + 1.7F * mm, p.y - 2.6F * mm },
		                           { p.x - 1.7F * mm, p.y - 2.6F * mm } };
	const struct draw_rect block = { p.x - 2.6F * mm, p.y - 8 * mm, 5.2F * mm, 5.6F * mm,
		                         0.8F * mm };

	draw_rect(c, &block, 0x8d9299ff);
	draw_polygon(c, cone, 4, 0xd3a04cff);
}

static void draw_head(struct draw_canvas *c, const struct lens *lens, struct space tip,
                      bool is_printing)
{
	struct space a = { tip.x - 8, tip.y - 7, tip.z + 8 };
	struct space b = { tip.x + 8, tip.y + 6, tip.z + 28 };
	struct space duct0 = { tip.x - 6, tip.y - 8.5F, tip.z + 10 };
	struct space duct1 = { tip.x + 6, tip.y - 4, tip.z + 14 };
	struct space fan = { tip.x, tip.y - 7, tip.z + 21 };
	struct space lamp = { tip.x + 5.8F, tip.y - 7, tip.z + 26 };

	if (is_printing) {
		struct draw_point p = project(lens, tip);

		draw_glow(c, p.x, p.y, 5.5F * lens->scale, 0xffdca0d0);
	}
	draw_nozzle(c, lens, tip);
	draw_box(c, lens, a, b, 0xc9ced4ff);
	draw_box(c, lens, duct0, duct1, 0x565c64ff);

	struct draw_point f = project(lens, fan), l = project(lens, lamp);

	draw_disc(c, f.x, f.y, 5.4F * lens->scale, 0x4a5058ff);
	draw_disc(c, f.x, f.y, 4.7F * lens->scale, 0x2c3036ff);
	draw_disc(c, f.x, f.y, 1.6F * lens->scale, 0x5d646cff);
	draw_disc(c, l.x, l.y, 0.8F * lens->scale, is_printing ? 0x5fe08cff : 0x8a9098ff);
}

static void draw_gantry(struct scene *s, struct space tip, bool is_printing)
{
	struct lens lens = s->lens;
	float far = 1.4F * (float)s->frame->width / lens.scale;
	struct space beam0 = { tip.x - far, tip.y + 6, tip.z + 13 };
	struct space beam1 = { tip.x + far, tip.y + 12, tip.z + 22 };

	lens.x -= (float)s->margin_x;
	lens.y -= (float)s->margin_y;
	draw_box(s->frame, &lens, beam0, beam1, 0x7b838cff);
	beam0.y -= 0.1F;
	beam0.z += 3.6F;
	beam1.y = beam0.y;
	beam1.z = beam0.z + 1.6F;
	draw_box(s->frame, &lens, beam0, beam1, 0xb4bac1ff);
	draw_head(s->frame, &lens, tip, is_printing);
}

static void draw_motion(struct scene *s, const struct scene_view *v, float z)
{
	bool is_printing = !v->is_parked && !v->is_done && v->layer > 0;
	struct space tip = follow(s, v->layer, z, is_printing ? v->fraction : 0);
	struct shift by = move_bed(s, tip.y, z, !is_printing);

	draw_sprite(s->frame, s->bed, by.x - s->margin_x, by.y - s->margin_y);
	if (is_printing)
		draw_new_lines(s, by);
	if (s->kind == SCENE_BED_SLINGER || s->bounds.is_part)
		tip.y = (s->bounds.y0 + s->bounds.y1) / 2;
	if (s->kind == SCENE_BED_DROP) {
		/* The beam stays where it is; the head moves on it in Y too. */
		if (is_printing && s->outline)
			tip.y = follow(s, v->layer, z, v->fraction).y;
		tip.z = s->bounds.is_part ? s->bounds.z1 / 2 : 0;
	}
	if (!is_printing) {
		float reach = 0.40F * (float)s->frame->width / s->lens.scale / TURN_COS;

		tip.x = (s->bounds.x0 + s->bounds.x1) / 2 - reach;
		tip.z += 8;
	}
	draw_gantry(s, tip, is_printing);
}

struct pen {
	struct draw_canvas *canvas;
	float unit; /* px that 1 px is at 720 lines */
};

/* Returns where the next one may end. */
static float draw_field(const struct pen *pen, float right, const char *label, const char *value)
{
	float u = pen->unit, bottom = (float)pen->canvas->height - 26 * u;
	float wide = draw_text_width(value, 19 * u), small = draw_text_width(label, 10 * u);

	draw_text(pen->canvas,
	          &(struct draw_text){ right - wide, bottom, 19 * u, 2.4F * u, 0xf4f7faff }, value);
	draw_text(
		pen->canvas,
		&(struct draw_text){ right - small, bottom - 30 * u, 10 * u, 1.4F * u, 0xaab4beff },
		label);
	return right - fmaxf(fmaxf(wide, small), 90 * u) - 34 * u;
}

static void say_span(char *dst, size_t size, int64_t s)
{
	(void)snprintf(dst, size, "%02d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60),
	               (int)(s % 60));
}

static void draw_figures(const struct pen *pen, const struct scene_view *v, float z)
{
	char text[48];
	float right = (float)pen->canvas->width - 28 * pen->unit;

	if (v->elapsed_s >= 0) {
		say_span(text, sizeof(text), v->elapsed_s);
		right = draw_field(pen, right, "TIME", text);
	}
	if (v->layer > 0 && isfinite(z)) {
		(void)snprintf(text, sizeof(text), "%.2f mm", (double)z);
		right = draw_field(pen, right, "Z", text);
	}
	if (v->layer > 0) {
		if (v->layers > 0)
			(void)snprintf(text, sizeof(text), "%d / %d", v->layer, v->layers);
		else
			(void)snprintf(text, sizeof(text), "%d", v->layer);
		draw_field(pen, right, "LAYER", text);
	}
}

/* Text on a plate of its own: the head may stand behind it. */
static void draw_plate_text(const struct pen *pen, float x, float height, const char *text)
{
	float u = pen->unit, wide = draw_text_width(text, height * u);

	if (text[0] == '\0')
		return;
	draw_rect(pen->canvas,
	          &(struct draw_rect){ x - 12 * u, 20 * u, wide + 22 * u, 34 * u, 8 * u },
	          0x0c0f1290);
	draw_text(pen->canvas,
	          &(struct draw_text){ x, (37 + height / 2) * u, height * u, height * u / 7.5F,
	                               0xf4f7faff },
	          text);
}

static void draw_title(const struct pen *pen, const struct scene_view *v)
{
	float u = pen->unit;
	char text[128];
	time_t t = (time_t)(v->wall_ms / 1000);
	struct tm tm;

	draw_plate_text(pen, 34 * u, 15, v->title);
	if (v->wall_ms == 0 || !localtime_r(&t, &tm))
		return;
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	draw_plate_text(pen, (float)pen->canvas->width - 34 * u - draw_text_width(text, 13 * u), 13,
	                text);
}

static void draw_progress(const struct pen *pen, const struct scene_view *v, uint32_t color)
{
	float w = (float)pen->canvas->width, h = (float)pen->canvas->height, thick = 5 * pen->unit;
	double done = v->percent >= 0                 ? v->percent / 100.0
	              : v->layers > 0 && v->layer > 0 ? (double)(v->layer - 1) / v->layers
	                                              : 0;

	if (v->is_done)
		done = 1;
	draw_rect(pen->canvas, &(struct draw_rect){ 0, h - thick, w, thick, 0 }, 0xffffff28);
	draw_rect(pen->canvas, &(struct draw_rect){ 0, h - thick, w * (float)done, thick, 0 },
	          color);
}

static void draw_overlay(struct scene *s, const struct scene_view *v, float z)
{
	struct pen pen = { s->frame, (float)s->frame->height / 720 };
	float u = pen.unit, h = (float)s->frame->height;

	draw_rect(s->frame, &(struct draw_rect){ 0, h - 88 * u, (float)s->frame->width, 88 * u, 0 },
	          0x0c0f12a8);
	draw_text(s->frame, &(struct draw_text){ 28 * u, h - 47 * u, 17 * u, 2.2F * u, 0xf4f7faff },
	          v->file[0] ? v->file : v->state);
	if (v->file[0])
		draw_text(s->frame,
		          &(struct draw_text){ 28 * u, h - 22 * u, 11 * u, 1.5F * u, 0xaab4beff },
		          v->state);
	draw_figures(&pen, v, z);
	draw_progress(&pen, v, s->color);
	draw_title(&pen, v);
}

static float current_z(const struct scene_view *v)
{
	if (isfinite(v->z_mm))
		return (float)v->z_mm;

	const struct gcode_outline_layer *l =
		v->outline && v->layer > 0 ? gcode_outline_layer(v->outline, (uint32_t)v->layer)
					   : NULL;

	return l ? l->z_mm : NAN;
}

/* A quarter of the light: what a room gives when the printer gives none. */
static void draw_dark(struct draw_canvas *c)
{
	uint8_t *bytes = (uint8_t *)c->pixels;

	for (size_t i = 0; i < (size_t)c->width * c->height * 4; i += 4)
		for (size_t k = i; k < i + 3; k++)
			bytes[k] /= 4;
}

int scene_draw(struct scene *s, const struct scene_view *v, unsigned width, unsigned height,
               struct frame **ret, struct err *err)
{
	if (width < 160 || height < 90 || width > 4096 || height > 4096)
		return err_set(err, -EINVAL, "cannot draw a picture of %u×%u", width, height);

	float z = current_z(v);

	make_frame(s, width, height);
	update_bed(s, v, v->is_done ? v->layer : MAX(v->layer - 1, 0));
	draw_copy(s->frame, s->backdrop);
	draw_motion(s, v, isfinite(z) ? z : 0);
	if (v->is_dark)
		draw_dark(s->frame);
	draw_overlay(s, v, z);
	return jpeg_encode_rgbx((const uint8_t *)s->frame->pixels, width, height,
	                        v->quality > 0 ? v->quality : DEFAULT_QUALITY, ret, err);
}
