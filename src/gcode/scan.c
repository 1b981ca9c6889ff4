/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "gcode/number.h"
#include "gcode/outline.h"
#include "gcode/words.h"

#define Z_LIE_MM 1           /* a mark so far from all that is printed under it is wrong */
#define Z_RISE_MM 0.005      /* a layer begins when extruding so much higher */
#define Z_FALL_MM 0.5        /* the next of several objects begins */
#define SPIRAL_HEIGHT_MM 0.2 /* of a turn, where nothing names it */
#define COORD_MAX 1e5        /* mm; what is beyond is not a place but a mistake */
#define ARC_STEP 0.2         /* radians between the points of an outline's arc */

static const struct scan_box box_empty = { { HUGE_VAL, HUGE_VAL }, { -HUGE_VAL, -HUGE_VAL } };

static struct gcode_box box_rounded(const struct scan_box *b)
{
	return (struct gcode_box){ (float)b->min[0], (float)b->min[1], (float)b->max[0],
		                   (float)b->max[1] };
}

struct gcode_scan *gcode_scan_new(const struct gcode_options *options)
{
	struct gcode_scan *s = MEM_NEW(struct gcode_scan);

	s->ix = MEM_NEW(struct gcode_index);
	s->ix->time_named_s = NAN;
	s->ix->z_min = s->ix->z_max = s->ix->z_max_named = NAN;
	s->ix->filament_g = NAN;
	s->ix->box = box_rounded(&box_empty);
	for (size_t i = 0; i < GCODE_TOOLS_MAX; i++) {
		s->ix->tools[i].mm_named = s->ix->tools[i].g_named = NAN;
		s->ix->tools[i].diameter_mm = 1.75;
	}
	memset(s->ix->percent_layer, 0xff, sizeof(s->ix->percent_layer));
	gcode_flavour_init(&s->flavour);
	s->unit = 1;
	s->feed_s = 60.0 / 1500;
	s->last_z = s->layer_z = s->top_z = NAN;
	s->box = box_empty;
	s->last_minutes = -1;
	buf_init(&s->carry, SCAN_LINE_MAX);
	buf_init(&s->thumbnail, SCAN_THUMBNAIL_MAX);
	if (options && options->outline_points > 0)
		s->outliner = gcode_outliner_new(options->outline_points);
	if (options && options->mark && options->mark[0]) {
		s->mark = options->mark;
		s->mark_size = strlen(options->mark);
	}
	return s;
}

void gcode_scan_free(struct gcode_scan *s)
{
	if (!s)
		return;
	gcode_index_free(s->ix);
	gcode_outliner_free(s->outliner);
	buf_fini(&s->carry);
	buf_fini(&s->thumbnail);
	free(s->thumb.bytes);
	free(s->anchors);
	free(s);
}

static ALWAYS_INLINE void box_add(struct scan_box *b, const double at[2])
{
	for (unsigned i = 0; i < 2; i++) {
		b->min[i] = b->min[i] < at[i] ? b->min[i] : at[i];
		b->max[i] = b->max[i] > at[i] ? b->max[i] : at[i];
	}
}

/* Books what the tool fed since the layer or the tool began. */
static void use_flush(struct gcode_scan *s)
{
	double mm = s->e_max - s->e_mark;

	s->e_mark = s->e_max;
	if (!(mm > 0))
		return;
	s->ix->tools[s->tool].mm_moves += mm;
	if (s->tool >= s->ix->n_tools)
		s->ix->n_tools = s->tool + 1;
	if (!s->layer)
		return;
	s->layer->filament_mm += (float)mm;
	if (s->ix->n_uses >= SCAN_USES_MAX || s->layer->n_uses == UINT16_MAX)
		return;
	if (s->ix->n_uses == s->cap_uses) {
		s->cap_uses = s->cap_uses * 2 + 64;
		s->ix->uses = mem_grow(s->ix->uses, s->cap_uses, sizeof(*s->ix->uses));
	}
	s->ix->uses[s->ix->n_uses++] =
		(struct gcode_use){ .mm = (float)mm, .tool = (uint8_t)s->tool };
	s->layer->n_uses++;
}

/* A tower that lags behind the print is no lie: one move at the named height is enough. */
static void judge_mark(struct gcode_scan *s)
{
	if (!s->has_mark_z || s->n_extruding == s->layer_extruding || s->is_mark_true ||
	    fabs(s->last_z - s->layer_z) <= Z_LIE_MM)
		return;
	s->ix->n_odd_heights++;
	s->layer_z = s->last_z;
}

void scan_layer_end(struct gcode_scan *s)
{
	struct gcode_layer *l = s->layer;

	use_flush(s);
	if (!l)
		return;
	judge_mark(s);
	l->z_mm = (float)(isnan(s->layer_z) ? s->pos[AXIS_Z] : s->layer_z);
	l->box = box_rounded(&s->box);
	if (s->n_extruding > s->layer_extruding)
		s->top_z = fmax(s->top_z, s->last_z);
	l->top_mm = (float)s->top_z;
	l->is_relative = s->is_relative;
	l->is_e_relative = s->is_e_relative || s->is_relative;
	if (s->outliner)
		gcode_outliner_layer(s->outliner, l->z_mm);
	s->layer = NULL;
}

void scan_layer_begin(struct gcode_scan *s, const char *at, double z, double height)
{
	struct gcode_index *ix = s->ix;

	scan_layer_end(s);
	if (s->outliner && ix->n_layers == 0)
		gcode_outliner_reset(s->outliner);
	if (ix->n_layers == 0)
		s->top_z = NAN;
	if (ix->n_layers == GCODE_LAYERS_MAX) {
		ix->is_cut = true;
		return;
	}
	if (ix->n_layers == s->cap_layers) {
		s->cap_layers = s->cap_layers * 2 + 64;
		ix->layers = mem_grow(ix->layers, s->cap_layers, sizeof(*ix->layers));
	}
	s->layer = &ix->layers[ix->n_layers++];
	*s->layer = (struct gcode_layer){
		.byte = s->offset + (uint64_t)(at - s->piece),
		.time_s = s->moves_s, /* becomes the job's time at the end */
		.number = (uint32_t)ix->n_layers,
		.reported = -1,
		.height_mm = (float)height,
		.first_use = (uint32_t)ix->n_uses,
	};
	s->layer_z = z;
	s->has_mark_z = !isnan(z);
	s->is_mark_true = false;
	s->box = box_empty;
	s->layer_extruding = s->n_extruding;
}

void scan_layers_restart(struct gcode_scan *s)
{
	scan_layer_end(s);
	s->ix->n_layers = 0;
	s->ix->n_uses = 0;
	s->ix->is_spiral = false;
	for (size_t i = 0; i < ARRAY_LEN(s->ix->percent_layer); i++)
		if (s->ix->percent_layer[i] != UINT32_MAX)
			s->ix->percent_layer[i] = 0;
	if (s->outliner)
		gcode_outliner_reset(s->outliner);
}

/* No marks so far: does this extruding move from height z0 begin a layer? */
static void layer_by_z(struct gcode_scan *s, double z0, const char *at)
{
	double z = s->pos[AXIS_Z];
	double rise = z - s->last_z;

	if (rise > Z_RISE_MM && z - z0 > 0 && z - z0 < SPIRAL_HEIGHT_MM / 2) {
		/* Climbs while it extrudes: a spiral, one layer per turn's height. */
		if (z - s->layer_z < SPIRAL_HEIGHT_MM)
			return;
		s->ix->is_spiral = true;
		scan_layer_begin(s, at, NAN, SPIRAL_HEIGHT_MM);
	} else if (isnan(s->last_z) || rise > Z_RISE_MM || rise < -Z_FALL_MM ||
	           (z - z0 > 0 && z - s->layer_z >= SPIRAL_HEIGHT_MM)) {
		scan_layer_begin(s, at, NAN, 0);
	} else if (rise >= -Z_RISE_MM) {
		return;
	}
	s->layer_z = z;
}

/* What is printed is at a new height: the mark out of turn was a layer's. */
static void layer_by_odd_mark(struct gcode_scan *s, const char *at)
{
	s->has_odd_mark = false;
	scan_layer_begin(s, at, s->odd_z, s->odd_height);
	if (s->layer)
		s->layer->byte = s->odd_byte;
}

/* The first extruding move, or one at another height than the last. */
static void layer_height_changed(struct gcode_scan *s, double z0, const char *at)
{
	double z = s->pos[AXIS_Z];

	s->has_gcode = true;
	if (s->has_odd_mark)
		layer_by_odd_mark(s, at);
	if (s->has_mark_z)
		s->is_mark_true |= fabs(z - s->layer_z) <= Z_LIE_MM;
	if (s->ix->marker == GCODE_MARKER_NONE) {
		layer_by_z(s, z0, at);
	} else if (s->layer && !s->has_mark_z && isnan(s->layer_z)) {
		s->layer_z = z;
	}
	s->last_z = z;
	s->top_z = fmax(s->top_z, z);
}

/* The filament fed, in mm; books it. */
static ALWAYS_INLINE double move_e(struct gcode_scan *s, double value)
{
	double e = value * s->unit;
	double fed = s->is_e_relative || s->is_relative ? e : e - s->pos[AXIS_E];

	/* Absolute positions jump only by G92; a leap of metres is a torn file. */
	if (!(fabs(fed) < COORD_MAX))
		return 0;
	s->pos[AXIS_E] = s->is_e_relative || s->is_relative ? s->pos[AXIS_E] : e;
	s->e_sum += fed;
	s->e_max = s->e_sum > s->e_max ? s->e_sum : s->e_max;
	return fed;
}

/* Takes the target of X, Y and Z from the words into `to`. False if it is nowhere. */
static inline bool move_target(const struct gcode_scan *s, const struct words *w, double to[3])
{
	for (unsigned i = 0; i < 3; i++) {
		to[i] = s->pos[i];
		if (w->seen & 1U << i)
			to[i] = w->v[i] * s->unit + (s->is_relative ? to[i] : 0);
		if (!(fabs(to[i]) < COORD_MAX))
			return false;
	}
	return true;
}

static inline void move_feed(struct gcode_scan *s, const struct words *w)
{
	if ((w->seen & 1U << WORD_F) && w->v[WORD_F] > 0)
		s->feed_s = 60.0 / (w->v[WORD_F] * s->unit);
}

/* Extrudes from `from` to where the head is now. */
static ALWAYS_INLINE void move_extruded(struct gcode_scan *s, const double from[3], const char *at,
                                        const char *end)
{
	if (s->pos[AXIS_Z] != s->last_z)
		layer_height_changed(s, from[2], at);
	s->n_extruding++;
	box_add(&s->box, from);
	box_add(&s->box, s->pos);
	s->layer_end = s->offset + (uint64_t)(end - s->piece);
	if (s->outliner)
		gcode_outliner_add(s->outliner, from, s->pos,
		                   s->feature == GCODE_FEATURE_OUTER_WALL);
}

/* G0 and G1. `at` is where the line begins, `end` where its words end. */
static ALWAYS_INLINE void run_line(struct gcode_scan *s, const struct words *w, const char *at,
                                   const char *end)
{
	double to[3];

	move_feed(s, w);
	if (!move_target(s, w, to))
		return;

	const double from[3] = { s->pos[0], s->pos[1], s->pos[2] };
	const double d[3] = { to[0] - from[0], to[1] - from[1], to[2] - from[2] };
	double mm = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
	double fed = w->seen & 1U << AXIS_E ? move_e(s, w->v[AXIS_E]) : 0;

	memcpy(s->pos, to, sizeof(to));
	s->n_moves++;
	s->moves_s += (mm > 0 ? mm : fabs(fed)) * s->feed_s;
	if (fed > 0 && (d[0] != 0 || d[1] != 0))
		move_extruded(s, from, at, end);
}

#define SEEN_XYE (1U << WORD_X | 1U << WORD_Y | 1U << WORD_E)

/* The same for X, Y and E alone, absolute and in millimetres, as most lines are. */
static ALWAYS_INLINE void run_plain(struct gcode_scan *s, const struct words *w, const char *at,
                                    const char *end)
{
	const double x = w->v[WORD_X] + 0.0; /* without the sign of "-0" */
	const double y = w->v[WORD_Y] + 0.0;
	const double from[3] = { s->pos[AXIS_X], s->pos[AXIS_Y], s->pos[AXIS_Z] };
	const double dx = x - from[0];
	const double dy = y - from[1];

	if (!(fabs(x) < COORD_MAX) || !(fabs(y) < COORD_MAX))
		return;

	double mm = sqrt(dx * dx + dy * dy);
	double fed = move_e(s, w->v[WORD_E]);

	s->pos[AXIS_X] = x;
	s->pos[AXIS_Y] = y;
	s->n_moves++;
	s->moves_s += (mm > 0 ? mm : fabs(fed)) * s->feed_s;
	if (fed > 0 && (dx != 0 || dy != 0))
		move_extruded(s, from, at, end);
}

static double length(double x, double y)
{
	return sqrt(x * x + y * y);
}

struct arc {
	double cx, cy, radius;
	double sweep; /* radians, negative clockwise */
};

/* The centre from I and J, or from R as the shorter (R > 0) or the longer way round. */
static bool arc_centre(const struct words *w, double unit, const double from[3], const double to[3],
                       struct arc *a)
{
	if (w->seen & (1U << WORD_I | 1U << WORD_J)) {
		a->cx = from[0] + (w->seen & 1U << WORD_I ? w->v[WORD_I] * unit : 0);
		a->cy = from[1] + (w->seen & 1U << WORD_J ? w->v[WORD_J] * unit : 0);
		a->radius = length(from[0] - a->cx, from[1] - a->cy);
		return a->radius > 0 && a->radius < COORD_MAX;
	}

	double dx = to[0] - from[0];
	double dy = to[1] - from[1];
	double chord = length(dx, dy);
	double r = w->seen & 1U << WORD_R ? w->v[WORD_R] * unit : 0;

	if (!(chord > 0) || !(fabs(r) * 2 >= chord) || fabs(r) >= COORD_MAX)
		return false;

	double h = sqrt(MAX(r * r - chord * chord / 4, 0)) / chord * (r < 0 ? -1 : 1);

	a->radius = fabs(r);
	/* `sweep` holds the direction when we are called. */
	a->cx = (from[0] + to[0]) / 2 - dy * h * a->sweep;
	a->cy = (from[1] + to[1]) / 2 + dx * h * a->sweep;
	return true;
}

/* Walks along an arc whose ends are known, in straight steps for the outline. */
static void arc_draw(struct gcode_scan *s, const struct arc *a, const double from[3],
                     const double to[3])
{
	unsigned n = (unsigned)MIN(fabs(a->sweep) / ARC_STEP, 200) + 1;
	double start = atan2(from[1] - a->cy, from[0] - a->cx);
	double last[2] = { from[0], from[1] };

	for (unsigned i = 1; i <= n; i++) {
		double angle = start + a->sweep * i / n;
		double next[2] = { a->cx + a->radius * cos(angle), a->cy + a->radius * sin(angle) };

		if (i == n)
			memcpy(next, to, sizeof(next));
		gcode_outliner_add(s->outliner, last, next, s->feature == GCODE_FEATURE_OUTER_WALL);
		memcpy(last, next, sizeof(last));
	}
}

/* Adds those of the circle's four extreme points that the arc passes; most lie within the box
 * anyway, and are not looked at closer. */
static void arc_box(struct scan_box *b, const struct arc *a, const double from[3])
{
	static const double ways[4][2] = { { 1, 0 }, { 0, 1 }, { -1, 0 }, { 0, -1 } };
	double fx = from[0] - a->cx;
	double fy = from[1] - a->cy;
	double turn = a->sweep < 0 ? -1 : 1;

	for (unsigned i = 0; i < 4; i++) {
		const double at[2] = { a->cx + ways[i][0] * a->radius,
			               a->cy + ways[i][1] * a->radius };
		unsigned k = i & 1;

		if (i < 2 ? at[k] <= b->max[k] : at[k] >= b->min[k])
			continue;

		double cross = (fx * ways[i][1] - fy * ways[i][0]) * turn;
		double dot = fx * ways[i][0] + fy * ways[i][1];
		double angle = atan2(cross, dot);

		if (angle < 0)
			angle += 2 * M_PI;
		if (angle <= fabs(a->sweep))
			box_add(b, at);
	}
}

/* How far the arc turns on its way. A short one, as nearly all are, by the series of the arcsine:
 * good to a thousandth of its length, at a tenth of atan2()'s time. */
static void arc_sweep(struct arc *a, const double from[3], const double to[3], int direction)
{
	double fx = from[0] - a->cx;
	double fy = from[1] - a->cy;
	double tx = to[0] - a->cx;
	double ty = to[1] - a->cy;
	double cross = fx * ty - fy * tx;
	double half = length(to[0] - from[0], to[1] - from[1]) / (2 * a->radius);
	double square = half * half;

	if (cross * direction > 0 && half < 0.5) {
		a->sweep = 2 * half * (1 + square * (1.0 / 6 + square * (3.0 / 40))) * direction;
		return;
	}
	a->sweep = atan2(cross, fx * tx + fy * ty);
	if (direction > 0 && a->sweep <= 1e-9)
		a->sweep += 2 * M_PI;
	if (direction < 0 && a->sweep >= -1e-9)
		a->sweep -= 2 * M_PI;
}

/* G2 (direction -1) and G3 (+1). */
static void run_arc(struct gcode_scan *s, const struct words *w, const char *at, const char *end,
                    int direction)
{
	double to[3];
	struct arc a = { .sweep = direction };

	move_feed(s, w);
	if (!move_target(s, w, to))
		return;

	const double from[3] = { s->pos[0], s->pos[1], s->pos[2] };
	double fed = w->seen & 1U << AXIS_E ? move_e(s, w->v[AXIS_E]) : 0;
	double mm = length(to[0] - from[0], to[1] - from[1]);
	bool is_arc = arc_centre(w, s->unit, from, to, &a);

	if (is_arc) {
		arc_sweep(&a, from, to, direction);
		mm = fabs(a.sweep) * a.radius;
	}
	memcpy(s->pos, to, sizeof(to));
	s->n_moves++;
	s->moves_s += length(mm, to[2] - from[2]) * s->feed_s;
	if (!(fed > 0) || !(mm > 0))
		return;
	if (to[2] != s->last_z)
		layer_height_changed(s, from[2], at);
	s->n_extruding++;
	box_add(&s->box, from);
	box_add(&s->box, to);
	s->layer_end = s->offset + (uint64_t)(end - s->piece);
	if (is_arc)
		arc_box(&s->box, &a, from);
	if (is_arc && s->outliner)
		arc_draw(s, &a, from, to);
}

/* G92: the head does not move, its place gets another name. */
static const char *run_set_position(struct gcode_scan *s, const char *p)
{
	struct words w WORDS_UNSET;

	p = words_read(p, &w);
	for (unsigned i = 0; i < 4; i++)
		if ((w.seen & 1U << i) && fabs(w.v[i] * s->unit) < COORD_MAX)
			s->pos[i] = w.v[i] * s->unit;
	return p;
}

/* G28: the named axes, or all, are at their stops. */
static const char *run_home(struct gcode_scan *s, const char *p)
{
	struct words w WORDS_UNSET;

	p = words_read(p, &w);
	for (unsigned i = 0; i < 3; i++)
		if ((w.seen & 1U << i) || !(w.seen & 7))
			s->pos[i] = 0;
	return p;
}

/* "G1" and the like: the number with its part after the point, times ten; -1 if there is none.
 * M73.2 is 732. */
static inline const char *code_read(const char *p, int *ret)
{
	unsigned n = 0;

	*ret = -1;
	if ((unsigned char)(*p - '0') > 9)
		return p;
	for (; (unsigned char)(*p - '0') <= 9; p++)
		n = n < 100000 ? n * 10 + (unsigned)(*p - '0') : n;
	n *= 10;
	if (*p == '.') {
		p++;
		if ((unsigned char)(*p - '0') <= 9)
			n += (unsigned)(*p++ - '0');
	}
	*ret = (int)n;
	return p;
}

static const char *run_g(struct gcode_scan *s, const char *p, const char *at, int code)
{
	struct words w WORDS_UNSET;

	switch (code) {
	case 0:
	case 10:
		p = words_read(p, &w);
		run_line(s, &w, at, p);
		break;
	case 20:
	case 30:
		p = words_read(p, &w);
		run_arc(s, &w, at, p, code == 20 ? -1 : +1);
		break;
	case 200:
		s->unit = 25.4;
		break;
	case 210:
		s->unit = 1;
		break;
	case 280:
		return run_home(s, p);
	case 900:
		s->is_relative = false;
		break;
	case 910:
		s->is_relative = true;
		break;
	case 920:
		return run_set_position(s, p);
	default:
		break;
	}
	return p;
}

static void run_tool(struct gcode_scan *s, const char *p)
{
	int code;

	(void)code_read(p, &code);
	/* T255 unloads, T1000 and above are places of the vendor's own. */
	if (code < 0 || code / 10 >= GCODE_TOOLS_MAX)
		return;
	use_flush(s);
	s->tool = (unsigned)code / 10;
}

static void run_m(struct gcode_scan *s, const char *p, const char *end, int code)
{
	s->has_gcode |= code >= 0;
	switch (code) {
	case 820:
		s->is_e_relative = false;
		break;
	case 830:
		s->is_e_relative = true;
		break;
	case 730:
		scan_progress(s, p, end);
		break;
	case 4860:
		scan_m486(s, p, end);
		break;
	default:
		break;
	}
}

/* A line that is neither a move nor a comment: from its first letter to its end. */
static void run_rare(struct gcode_scan *s, const char *p, const char *end)
{
	int code;

	switch (*p) {
	case 'M':
	case 'm':
		p = code_read(p + 1, &code);
		run_m(s, p, end, code);
		break;
	case 'T':
	case 't':
		run_tool(s, p + 1);
		break;
	case 'E':
		scan_exclude_object(s, p, end);
		break;
	default:
		break;
	}
}

/* One line, which a newline ends. Returns that newline. */
static const char *run_text_line(struct gcode_scan *s, const char *p)
{
	const char *at = p;
	int code;

	while (*p == ' ' || *p == '\t')
		p++;
	if ((*p == 'N' || *p == 'n') && (unsigned char)(p[1] - '0') <= 9) {
		p = code_read(p + 1, &code);
		while (*p == ' ')
			p++;
	}
	if (*p == 'G' || *p == 'g') {
		p = code_read(p + 1, &code);
		p = run_g(s, p, at, code);
		return *p == '\n' ? p : rawmemchr(p, '\n');
	}

	const char *end = rawmemchr(p, '\n');

	if (*p == ';')
		scan_comment(s, p + 1, end, at);
	else
		run_rare(s, p, end);
	return end;
}

/* The same for a move as nearly all are written, with WORDS_AHEAD bytes readable; else NULL. */
static ALWAYS_INLINE const char *run_quick_line(struct gcode_scan *s, const char *p)
{
	struct words w WORDS_UNSET;
	unsigned code = (uint8_t)(p[1] - '0');

	if (p[0] != 'G' || code > 3)
		return NULL;

	const char *end = words_quick(p, &w);

	if (!end)
		return NULL;
	if (code <= 1 && w.seen == SEEN_XYE && !s->is_relative && s->unit == 1)
		run_plain(s, &w, p, end);
	else if (code <= 1)
		run_line(s, &w, p, end);
	else
		run_arc(s, &w, p, end, code == 2 ? -1 : +1);
	return *end == '\n' ? end : rawmemchr(end, '\n');
}

static ALWAYS_INLINE void run_lines_here(struct gcode_scan *s, const char *p, const char *stop)
{
	uint64_t n = 0;

	for (; p < stop; n++) {
		const char *end = NULL;

		if (stop - p >= WORDS_AHEAD - GCODE_NUMBER_SLACK)
			end = run_quick_line(s, p);
		p = (end ? end : run_text_line(s, p)) + 1;
	}
	s->ix->n_lines += n;
}

#if defined(__x86_64__)
/* The same with shifts that leave the flags alone and operations of three operands. */
static __attribute__((target("avx2,bmi,bmi2"))) void run_lines_avx2(struct gcode_scan *s,
                                                                    const char *p, const char *stop)
{
	run_lines_here(s, p, stop);
}
#endif

/* Notes the lines from `p` to `stop` that begin with the mark; `s->offset` is where `p` is. */
static void find_marks(struct gcode_scan *s, const char *p, const char *stop)
{
	struct gcode_index *ix = s->ix;
	const char *at = p;

	while ((at = memmem(at, (size_t)(stop - at), s->mark, s->mark_size))) {
		const char *next = at + s->mark_size;

		if ((at == p || at[-1] == '\n') && ix->n_marks < GCODE_MARKS_MAX) {
			if (ix->n_marks == s->cap_marks) {
				s->cap_marks = s->cap_marks * 2 + 64;
				ix->marks = mem_grow(ix->marks, s->cap_marks, sizeof(*ix->marks));
			}
			ix->marks[ix->n_marks++] = s->offset + (uint64_t)(at - p);
		}
		at = next;
	}
}

/* Whole lines from `p` to `stop`; GCODE_NUMBER_SLACK bytes behind them are readable. */
static void run_lines(struct gcode_scan *s, const char *p, const char *stop)
{
	if (s->mark)
		find_marks(s, p, stop);
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2")) {
		run_lines_avx2(s, p, stop);
		return;
	}
#endif
	run_lines_here(s, p, stop);
}

/* The line put together in the carry. */
static void run_carry(struct gcode_scan *s)
{
	static const char slack[GCODE_NUMBER_SLACK];
	size_t n = s->carry.size;

	buf_add(&s->carry, slack, sizeof(slack));
	if (!s->carry.overflown) {
		s->piece = s->carry.data;
		run_lines(s, s->carry.data, s->carry.data + n);
	}
	s->offset += n;
	buf_clear(&s->carry);
	s->carry.overflown = false;
}

/* Completes the torn line with the beginning of `text`. Returns how much of it was taken. */
static size_t carry_fill(struct gcode_scan *s, const char *text, size_t size)
{
	const char *end = memchr(text, '\n', size);
	size_t n = end ? (size_t)(end - text) + 1 : size;

	if (!s->is_skipping && s->carry.size + n + GCODE_NUMBER_SLACK > SCAN_LINE_MAX) {
		s->is_skipping = true;
		s->offset += s->carry.size;
		buf_clear(&s->carry);
	}
	if (s->is_skipping) {
		s->offset += n;
		s->is_skipping = !end;
		return n;
	}
	buf_add(&s->carry, text, n);
	if (end)
		run_carry(s);
	return n;
}

void gcode_scan_feed(struct gcode_scan *s, const void *text, size_t size)
{
	const char *p = text;
	const char *end = p + size;

	if (size == 0)
		return;
	s->ix->n_bytes += size;
	if (s->carry.size > 0 || s->is_skipping)
		p += carry_fill(s, p, size);
	if (end - p > GCODE_NUMBER_SLACK) {
		const char *last = memrchr(p, '\n', (size_t)(end - p) - GCODE_NUMBER_SLACK);

		if (last) {
			s->piece = p;
			run_lines(s, p, last + 1);
			s->offset += (uint64_t)(last + 1 - p);
			p = last + 1;
		}
	}
	while (p < end)
		p += carry_fill(s, p, (size_t)(end - p));
}

void scan_text_end(struct gcode_scan *s)
{
	if (s->carry.size > 0)
		(void)carry_fill(s, "\n", 1);
	scan_layer_end(s);
	s->ix->n_moves = s->n_moves;
	s->ix->n_extruding = s->n_extruding;
}
