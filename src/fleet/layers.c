/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/layers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "fleet/layers_z.h"
#include "gcode/index.h"

#define RESTART_REPORTS 3 /* rising ones from below before the printer is believed to count anew */
#define RESTART_US 15000000
#define INFER_MAX 3     /* layers that a percentage alone may bring at once */
#define PERCENT_SLACK 4 /* between table and printer */
#define Z_JUMP_MAX 3    /* layers that a height alone may bring at once */
#define Z_SLACK_MM 0.04
#define Z_FALL_MM 0.3      /* another object */
#define Z_ABOVE_FIRST_MM 1 /* higher the head waits, and does not print yet */
/* A number above is no layer: each one in between would become an event. */
#define MAX_LAYERS 50000

struct table {
	size_t n;
	float *z;
	uint64_t *byte;
	uint64_t n_bytes;
	double *time_s;
	int32_t *reported;
	uint32_t percent[101];
	double total_s;
};

struct layers {
	char job[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	enum layers_start start;
	layers_fn *fn;
	void *arg;

	struct table *table; /* NULL: none */
	bool is_table_sound; /* counts as the printer does, as far as we know */
	int64_t file_size;   /* of the file that is printed, 0 unknown */
	struct layers_z height;
	double first_mm, other_mm;

	int said;   /* the last number; 0 before the first */
	int joined; /* the first number; 0 before it */
	int total;  /* -1 unknown */
	int offset; /* our number minus the printer's */
	int64_t said_us;
	bool is_paused, is_over, was_paused;

	int held;         /* a first number that may be of the job before; -1 none */
	int below;        /* the last of rising numbers below ours; -1 none */
	int n_below;      /* how many of them */
	int64_t below_us; /* since when */
	int percent;      /* highest so far; -1 unknown */
	int last_percent; /* of the last report */
};

struct layers *layers_new(const char *job, const char *printer, enum layers_start start,
                          layers_fn *fn, void *arg)
{
	struct layers *l = MEM_NEW(struct layers);

	(void)TEXT_SET(l->job, job);
	(void)TEXT_SET(l->printer, printer);
	l->start = start;
	l->fn = fn;
	l->arg = arg;
	l->total = l->held = l->below = l->percent = l->last_percent = -1;
	layers_z_init(&l->height);
	return l;
}

static void table_free(struct table *t)
{
	if (!t)
		return;
	free(t->z);
	free(t->byte);
	free(t->time_s);
	free(t->reported);
	free(t);
}

void layers_free(struct layers *l)
{
	if (!l)
		return;
	table_free(l->table);
	free(l);
}

void layers_said_before(struct layers *l, int number)
{
	if (number <= l->said)
		return;
	l->said = number;
	if (l->joined == 0)
		l->joined = number;
}

/* The table is of the very file that is printed. */
static bool is_of_file(const struct layers *l)
{
	return l->table && l->file_size > 0 && (uint64_t)l->file_size == l->table->n_bytes;
}

/* A table of another plate or another slicing would put layers in the wrong place. */
static void table_check(struct layers *l)
{
	l->is_table_sound = l->table && l->table->n > 0 && l->table->n <= MAX_LAYERS &&
	                    (l->total <= 0 || (size_t)l->total == l->table->n || is_of_file(l));
}

void layers_set_table(struct layers *l, const struct gcode_index *ix)
{
	struct table *t = MEM_NEW(struct table);

	t->n = ix->n_layers;
	t->z = mem_new_array(t->n + 1, sizeof(*t->z));
	t->byte = mem_new_array(t->n + 1, sizeof(*t->byte));
	t->n_bytes = ix->n_bytes;
	t->time_s = mem_new_array(t->n + 1, sizeof(*t->time_s));
	t->reported = mem_new_array(t->n + 1, sizeof(*t->reported));
	for (size_t i = 0; i < t->n; i++) {
		t->z[i] = ix->layers[i].z_mm;
		t->byte[i] = ix->layers[i].byte;
		t->time_s[i] = ix->layers[i].time_s;
		t->reported[i] = ix->layers[i].reported;
	}
	memcpy(t->percent, ix->percent_layer, sizeof(t->percent));
	t->total_s = ix->time_s;
	table_free(l->table);
	l->table = t;
	table_check(l);
}

void layers_set_heights(struct layers *l, double first_mm, double other_mm)
{
	l->first_mm = first_mm;
	l->other_mm = other_mm;
}

int layers_number(const struct layers *l)
{
	return l->said;
}

int layers_total(const struct layers *l)
{
	if (l->total > 0 && !(l->is_table_sound && is_of_file(l)))
		return l->total;
	return l->is_table_sound ? (int)l->table->n : -1;
}

int layers_joined(const struct layers *l)
{
	return l->joined;
}

bool layers_has_table(const struct layers *l)
{
	return l->is_table_sound;
}

static bool has_row(const struct layers *l, int number)
{
	return l->is_table_sound && number >= 1 && (size_t)number <= l->table->n;
}

static double z_of(const struct layers *l, int number)
{
	if (has_row(l, number))
		return (double)l->table->z[number - 1];
	if (l->other_mm > 0)
		return (l->first_mm > 0 ? l->first_mm : l->other_mm) + (number - 1) * l->other_mm;
	return NAN;
}

/* Where in between two layers that we know another one began: by the table's times, else evenly. */
static double part_of(const struct layers *l, int from, int number, int to)
{
	if (has_row(l, from) && has_row(l, to)) {
		double t0 = l->table->time_s[from - 1];
		double t1 = l->table->time_s[to - 1];
		double t = l->table->time_s[number - 1];

		if (t1 > t0 && t >= t0 && t <= t1)
			return (t - t0) / (t1 - t0);
	}
	return (double)(number - from) / (to - from);
}

struct saying {
	int64_t mono_us, wall_ms;
	int to; /* the number that the evidence is about */
	double confidence;
	const char *reason;
	double filled_confidence;
};

static void say(struct layers *l, int number, const struct saying *s, int from)
{
	struct layer e = { .number = number, .layers = layers_total(l), .z_mm = z_of(l, number) };
	bool is_filled = number < s->to;
	/* Before the first layer there is nothing to measure from. */
	double part = !is_filled                   ? 1
	              : from > 0 && l->said_us > 0 ? part_of(l, from, number, s->to)
	                                           : 1;

	(void)TEXT_SET(e.job, l->job);
	(void)TEXT_SET(e.printer, l->printer);
	e.at_us = s->mono_us - (int64_t)((1 - part) * (double)(s->mono_us - l->said_us));
	/* By the monotonic clock too: the wall clock may have been set in between. */
	e.at_wall_ms = s->wall_ms - (s->mono_us - e.at_us) / 1000;
	e.confidence = is_filled ? s->filled_confidence : s->confidence;
	e.is_catching_up = is_filled;
	if (is_filled)
		(void)snprintf(e.reason, sizeof(e.reason),
		               "filled in: no report came between layers %d and %d", from, s->to);
	else
		(void)TEXT_SET(e.reason, s->reason);
	if (l->joined == 0)
		l->joined = number;
	l->said = number;
	l->fn(l->arg, &e);
}

/* Says all layers up to s->to that were not said yet. */
static void say_up_to(struct layers *l, const struct saying *s)
{
	int from = l->said;

	for (int n = from + 1; n <= s->to; n++)
		say(l, n, s, from);
	if (l->said > from)
		l->said_us = s->mono_us;
}

/* Does the progress fit to that layer, by the table? True where nothing can be said. */
static bool is_consistent(const struct layers *l, int number, const struct layers_report *r)
{
	if (r->percent < 0)
		return true;
	if (!has_row(l, number) || !(l->table->total_s > 0))
		return l->last_percent < 0 || r->percent >= l->last_percent;

	double begins = l->table->time_s[number - 1] / l->table->total_s * 100;
	double ends =
		has_row(l, number + 1) ? l->table->time_s[number] / l->table->total_s * 100 : 100;

	if (r->percent < begins - PERCENT_SLACK || r->percent > ends + PERCENT_SLACK)
		return false;

	double left = l->table->total_s / 60 * (1 - begins / 100);

	return r->remaining_min < 0 || r->remaining_min < left * 1.25 + 3;
}

/* Heating, homing, changing filament: what the printer then says of layers may be old. */
static bool is_at_work(const struct layers_report *r)
{
	return r->is_printing && (r->stage <= 0 || r->stage == 255);
}

/* Before the first layer is said: could this number be left over from the job before? */
static bool is_leftover(const struct layers *l, const struct layers_report *r)
{
	if (l->start == LAYERS_FROM_START && r->layer > 2)
		return true;
	if (r->percent >= 99 && (r->layers <= 0 || r->layer >= r->layers))
		return true;
	return r->percent >= 0 && r->percent <= 1 && r->layer > 3 &&
	       (r->layers <= 0 || r->layer > r->layers / 10);
}

/* The first number that counts. False while it has to be waited for. */
static bool begin(struct layers *l, const struct layers_report *r)
{
	if (r->layer <= 0) {
		l->held = 0;
		return false;
	}
	/* Once the number was zero, or moved on from where it stood, it is of this job. */
	if (l->held < 0 && is_leftover(l, r)) {
		l->held = r->layer;
		return false;
	}
	if (l->held > 0 && r->layer == l->held)
		return false;
	if (l->held > 0 && r->layer < l->held && is_leftover(l, r) &&
	    l->start == LAYERS_FROM_START) {
		l->held = r->layer;
		return false;
	}
	return true;
}

static void first_layer(struct layers *l, const struct layers_report *r, struct saying *s)
{
	char reason[96];

	s->to = r->layer;
	if (l->start == LAYERS_FROM_START || r->layer == 1) {
		say_up_to(l, s);
		return;
	}
	(void)snprintf(reason, sizeof(reason),
	               "joined at layer %d: it had begun before the first report", r->layer);
	s->reason = reason;
	s->confidence = 0.5;
	l->said = r->layer - 1;
	say_up_to(l, s);
}

/* A number below ours: old, or does the printer count anew? It does if it begins at the bottom and
 * keeps rising for a while; old reports come in a burst, and with less progress. */
static bool counts_anew(struct layers *l, const struct layers_report *r, int64_t mono_us)
{
	if (r->layer == l->below)
		return false;

	bool is_rising = l->n_below > 0 && r->layer > l->below && r->layer <= l->below + 2;

	if ((r->percent >= 0 && r->percent < l->percent) || (!is_rising && r->layer > 2)) {
		l->n_below = 0;
		l->below = -1;
		return false;
	}
	if (!is_rising) {
		l->n_below = 0;
		l->below_us = mono_us;
	}
	l->below = r->layer;
	return ++l->n_below >= RESTART_REPORTS && mono_us - l->below_us >= RESTART_US;
}

/* The number in our count that the printer's number means. */
static int number_of(const struct layers *l, int reported)
{
	int n = reported + l->offset;

	/* The text itself says which number it makes the printer report. */
	if (l->is_table_sound && l->offset == 0 && has_row(l, n) &&
	    l->table->reported[n - 1] >= 0 && l->table->reported[n - 1] != reported) {
		for (int i = l->said; i <= l->said + 2; i++)
			if (has_row(l, i) && l->table->reported[i - 1] == reported)
				return i;
	}
	return n;
}

/* The layer that the percentage proves to have begun; 0 if it proves nothing. */
static int layer_of_percent(const struct layers *l, const struct layers_report *r)
{
	if (!l->is_table_sound || r->percent <= 0 || r->percent >= 100 || l->said == 0 ||
	    r->percent < l->percent)
		return 0;

	uint32_t n = l->table->percent[r->percent];

	return n != UINT32_MAX && n <= l->table->n ? (int)n : 0;
}

static void next_layers(struct layers *l, const struct layers_report *r, struct saying *s)
{
	int number = r->layer > 0 ? number_of(l, r->layer) : 0;
	int total = layers_total(l);

	if (number > 0 && number < l->said) {
		if (!counts_anew(l, r, s->mono_us))
			return;
		l->offset = l->said;
		number = l->said + r->layer;
		s->reason = "the printer began to count anew";
		s->confidence = 0.6;
	}
	l->n_below = 0;
	l->below = -1;
	if (total > 0 && number == total + 1 && number == l->said + 1 && !l->is_table_sound) {
		/* The total was that of the job before, or of one object. */
		l->total = total = -1;
		s->confidence = MIN(s->confidence, 0.8);
	}
	if (number > l->said && (total <= 0 || number <= total || l->offset > 0)) {
		s->to = number;
		say_up_to(l, s);
	}

	int proven = layer_of_percent(l, r);

	if (proven > l->said && proven <= l->said + INFER_MAX) {
		s->to = proven;
		s->confidence = 0.7;
		s->reason = "inferred from the progress: its report is late";
		say_up_to(l, s);
	}
}

static void total_learn(struct layers *l, const struct layers_report *r)
{
	/* Some firmware zeroes it before the end; the job before may have had more. */
	if (r->layers <= 0 || r->layers == l->total || r->layers < l->said ||
	    r->layers > MAX_LAYERS)
		return;
	l->total = r->layers;
	table_check(l);
}

/* ---- printers that count no layers: place in the file, height ---- */

/* The layer that the file's text has begun at that byte: 0 before the first; -1 where the bytes are
 * not those of the table. */
static int layer_of_byte(const struct layers *l, const struct layers_report *r)
{
	size_t low = 0, high = l->is_table_sound ? l->table->n : 0;

	if (!r->has_file_pos || high == 0 || r->file_pos < 0 ||
	    (l->file_size > 0 && !is_of_file(l)))
		return -1;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		/* At the byte itself the line is still to come. */
		if (l->table->byte[middle] < (uint64_t)r->file_pos)
			low = middle + 1;
		else
			high = middle;
	}
	return (int)low;
}

/* Layer `n`'s height may read as `z_mm`. */
static bool reads_as(const struct layers *l, int n, double z_mm, double error_mm)
{
	return has_row(l, n) && fabs(z_of(l, n) - z_mm) <= error_mm + 1e-3;
}

/* The highest layer that begins at or below that height, upwards from `from` in one object. Of a
 * rounded height that may be two layers' it is the lower. */
static int climb(const struct layers *l, int from, double z_mm, double error_mm)
{
	int n = from;

	while (has_row(l, n + 1) && z_of(l, n + 1) <= z_mm - error_mm + Z_SLACK_MM &&
	       (n < 1 || z_of(l, n + 1) >= z_of(l, n) - Z_FALL_MM))
		n++;
	if (error_mm > 0 && !reads_as(l, n, z_mm, error_mm) && reads_as(l, n + 1, z_mm, error_mm))
		n++;
	return n;
}

/* The layer of the table that the height means, never below the present one. */
static int layer_of_z_by_table(const struct layers *l, const struct layers_report *r,
                               const struct layers_height *h)
{
	int n = l->said;

	if (n == 0 && l->start == LAYERS_FROM_START && h->low > z_of(l, 1) + Z_ABOVE_FIRST_MM &&
	    r->percent <= 1)
		return 0;
	if (n > 0 && h->high < z_of(l, n) - Z_FALL_MM) {
		/* Near its end an object is followed by the next one, from below. */
		for (int i = n + 1; i <= n + Z_JUMP_MAX && has_row(l, i); i++)
			if (z_of(l, i) < z_of(l, i - 1) - Z_FALL_MM && h->low < z_of(l, i - 1))
				return climb(l, i, h->low, r->z_error_mm);
		return n;
	}
	n = climb(l, n, h->low, r->z_error_mm);
	/* The line that cleans the nozzle lies at a height of its own. */
	if (l->said <= 1 && n <= 2 && n > l->said &&
	    h->low > z_of(l, n) + MAX(Z_SLACK_MM, r->z_error_mm + 1e-3))
		return l->said;
	if (n <= l->said + Z_JUMP_MAX || !(l->table->total_s > 0))
		return n;
	/* Parked, unless the progress says so too, or nobody knows where it was before. */
	if (l->said == 0 && l->start == LAYERS_JOINED && r->percent < 0)
		return n;
	return r->percent + 1 >= l->table->time_s[n - 1] / l->table->total_s * 100 ? n : l->said;
}

/* Who joins without a table can only guess how many layers are below. */
static int layer_joined_by_z(struct layers *l, const struct layers_height *h)
{
	double other = l->other_mm > 0 ? l->other_mm : 0.2;
	double first = l->first_mm > 0 ? l->first_mm : other;

	l->height.base = h->low;
	return MAX(1, 1 + (int)lround((h->low - first) / other));
}

static int layer_of_z(struct layers *l, const struct layers_report *r, const struct saying *s)
{
	struct layers_height h;

	if (r->is_own_move || !r->has_z) {
		layers_z_reset(&l->height);
		return -1;
	}
	layers_z_hear(&l->height, s->mono_us, r->z_mm);
	if (!layers_z_settled(&l->height, &h))
		return -1;
	if (!l->is_table_sound && l->said == 0 && l->start == LAYERS_JOINED)
		return h.low > 0 && !r->is_table_coming ? layer_joined_by_z(l, &h) : -1;

	/* Counted in any case, so that the base is known when the table turns out to be another's. */
	int counted = layers_z_count(&l->height, &h, l->said);

	return l->is_table_sound ? layer_of_z_by_table(l, r, &h) : counted;
}

static void say_joined(struct layers *l, struct saying *s)
{
	char reason[96];

	if (l->said == 0 && l->start == LAYERS_JOINED && s->to > 1) {
		(void)snprintf(reason, sizeof(reason),
		               "joined at layer %d: it had begun before the first report", s->to);
		s->reason = reason;
		s->confidence = MIN(s->confidence, 0.5);
		l->said = s->to - 1;
	}
	say_up_to(l, s);
}

/* True if the bytes have told all there is to tell. */
static bool report_bytes(struct layers *l, const struct layers_report *r, struct saying *s)
{
	struct layers_report told = *r;

	told.layer = layer_of_byte(l, r);
	told.layers = told.percent = told.remaining_min = -1;
	if (told.layer < 0)
		return false;
	if (l->said == 0 && !begin(l, &told))
		return true;
	s->to = told.layer;
	s->confidence = r->is_ahead ? 0.9 : 0.95;
	s->filled_confidence = 0.6;
	s->reason = r->is_ahead ? "by how far the file is read; some of it waits in the printer"
	                        : "by the printer's place in the file";
	if (s->to > l->said)
		say_joined(l, s);
	return true;
}

static void report_height(struct layers *l, const struct layers_report *r, struct saying *s)
{
	int n = layer_of_z(l, r, s);
	int proven = r->has_file_pos ? 0 : layer_of_percent(l, r);
	int total = layers_total(l);

	s->confidence = (l->is_table_sound ? 0.8 : 0.5) - (r->is_ahead ? 0.1 : 0);
	s->filled_confidence = 0.4;
	s->reason = l->is_table_sound ? "by the height of the nozzle and the file's layers"
	                              : "by the height of the nozzle alone";
	if (n > l->said && n <= MAX_LAYERS && (total <= 0 || n <= total)) {
		s->to = n;
		say_joined(l, s);
	}
	if (proven > l->said && proven <= l->said + INFER_MAX) {
		s->to = proven;
		s->confidence = 0.7;
		s->reason = "inferred from the progress: its height is not known yet";
		say_up_to(l, s);
	}
}

static void file_learn(struct layers *l, const struct layers_report *r)
{
	if (r->file_size <= 0 || r->file_size == l->file_size)
		return;
	l->file_size = r->file_size;
	table_check(l);
}

void layers_report(struct layers *l, int64_t mono_us, int64_t wall_ms,
                   const struct layers_report *r)
{
	struct saying s = { .mono_us = mono_us,
		            .wall_ms = wall_ms,
		            .confidence = 1,
		            .filled_confidence = 0.5,
		            .reason = "reported by the printer" };

	if (l->is_over || r->layer > MAX_LAYERS)
		return;
	if (l->is_paused || !r->is_printing) {
		l->was_paused |= l->said > 0;
		layers_z_reset(&l->height);
		return;
	}
	total_learn(l, r);
	file_learn(l, r);
	if (report_bytes(l, r, &s))
		return;
	if (r->layer < 0 && (r->has_z || r->has_file_pos)) {
		report_height(l, r, &s);
		if (r->percent > l->percent)
			l->percent = r->percent;
		return;
	}
	if (l->said == 0 && (!is_at_work(r) || !begin(l, r)))
		return;

	int number = l->said == 0 ? r->layer : number_of(l, r->layer);

	if (!is_consistent(l, number, r)) {
		s.confidence = 0.7;
		s.filled_confidence = 0.3;
		s.reason = "reported by the printer, but its progress says otherwise";
	} else if (l->was_paused) {
		s.reason = "reported by the printer after a pause";
	}
	if (number > l->said)
		l->was_paused = false;
	if (l->said == 0)
		first_layer(l, r, &s);
	else
		next_layers(l, r, &s);
	l->last_percent = r->percent;
	if (r->percent > l->percent)
		l->percent = r->percent;
}

void layers_pause(struct layers *l)
{
	l->is_paused = true;
	l->was_paused = true;
	layers_z_reset(&l->height);
}

void layers_resume(struct layers *l)
{
	l->is_paused = false;
}

void layers_end(struct layers *l, int64_t mono_us, int64_t wall_ms, enum layers_outcome outcome)
{
	int total = layers_total(l);
	struct saying s = { .mono_us = mono_us,
		            .wall_ms = wall_ms,
		            .to = total,
		            .confidence = 0.6,
		            .filled_confidence = 0.3,
		            .reason = "the print is finished: the last layer's report never came" };

	/* What was held back as maybe another job's was this one's after all. */
	if (l->said == 0 && l->start == LAYERS_JOINED && l->held > 0 && l->held <= total)
		l->said = l->held - 1;
	if (!l->is_over && outcome == LAYERS_FINISHED && total > 0 &&
	    (l->said > 0 || l->held > 0 || l->start == LAYERS_FROM_START))
		say_up_to(l, &s);
	l->is_over = true;
}
