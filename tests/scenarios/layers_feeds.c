/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layers_feeds: real sliced files against fleet/layers, as printers tell of them that count nothing.
 *
 * usage: layers_feeds [FILE...]
 *
 * and every file of data/gcode in the developers' folder (as of base/test.h), if that is there; it
 * says so if not.
 *
 * Each file, and files of our own making, is "printed" move by move on made-up time, as it is and
 * with all its comments taken out, and told of as OctoPrint does (place in the file and Z a second
 * ahead of the nozzle, every half second and at each change of Z), as Moonraker does (place, four times
 * a second) and as PrusaLink does (height and percent every two seconds; or every second, the height
 * rounded to tenths); and as OctoPrint does without its file, Z alone. Once more each with a table
 * that comes late, a minute of silence, and a pause in which we move the head ("rough"). Each layer must
 * be said exactly once, in order, the last one before the end of the print. Of binary files the moves are made up from their table, with hops, and told of as
 * PrusaLink does. Misses are printed by name, and how late layers are said. Exit status 1 if there is one
 * where a table is; without one 3 % are borne.
 */

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "fleet/layers.h"
#include "gcode/file.h"
#include "gcode/make.h"

#define MAX_BYTES (64U << 20)
#define LAYERS_MAX 20000
#define END_MOVES_S 20

/* One line that moves: where it ends in the text, when it is done, at which height. */
struct move {
	double done_s;
	uint64_t end;
	double z;
};

struct story {
	const char *name;
	char *text;
	size_t size;
	struct gcode_index *ix;
	struct move *moves;
	size_t n_moves, room;
	double begins[LAYERS_MAX + 2];
};

enum feed {
	FEED_OCTOPRINT,
	FEED_MOONRAKER,
	FEED_PRUSALINK,
	FEED_TENTHS, /* PrusaLink in the firmware: every second, Z rounded */
	FEED_Z_ALONE,
};

struct receiver {
	const struct story *story;
	enum feed feed;
	int said[LAYERS_MAX + 2];
	double said_s[LAYERS_MAX + 2];
	double now_s;
	double paused_s; /* so far */
	bool is_rough, is_own_move;
	int last, n_filled, n_bad;
	bool is_over;
	int at_end; /* said by the end alone */
};

/* ---- the printer ---- */

struct head {
	double at[3], feed_mm_s, now_s;
	bool is_relative;
};

static bool word(const char *line, size_t n, char letter, double *ret)
{
	for (size_t i = 1; i < n && line[i] != ';'; i++) {
		if (line[i] == letter && line[i - 1] == ' ') {
			char digits[32];

			text_copy_n(digits, sizeof(digits), line + i + 1,
			            MIN(n - i - 1, sizeof(digits) - 1));
			*ret = strtod(digits, NULL);
			return isfinite(*ret);
		}
	}
	return false;
}

static bool is_code(const char *line, size_t n, const char *code)
{
	size_t k = strlen(code);

	return n >= k && memcmp(line, code, k) == 0 && (n == k || line[k] < '0' || line[k] > '9');
}

static bool is_move(const char *line, size_t n)
{
	return is_code(line, n, "G0") || is_code(line, n, "G1") || is_code(line, n, "G2") ||
	       is_code(line, n, "G3") || is_code(line, n, "G00") || is_code(line, n, "G01");
}

static void execute(struct head *h, const char *line, size_t n)
{
	static const char axes[] = "XYZ";
	double way = 0, v;

	if (is_code(line, n, "G90"))
		h->is_relative = false;
	if (is_code(line, n, "G91"))
		h->is_relative = true;
	if (is_code(line, n, "G28"))
		h->now_s += 30;
	if (!is_move(line, n))
		return;
	if (word(line, n, 'F', &v) && v > 0)
		h->feed_mm_s = v / 60;
	for (int i = 0; i < 3; i++) {
		double to = h->at[i];

		if (word(line, n, axes[i], &v))
			to = h->is_relative ? to + v : v;
		way += (to - h->at[i]) * (to - h->at[i]);
		h->at[i] = to;
	}
	h->now_s += 0.002 + sqrt(way) / h->feed_mm_s;
}

static void add_move(struct story *s, const struct head *h, uint64_t end)
{
	if (s->n_moves == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		s->moves = realloc(s->moves, s->room * sizeof(*s->moves));
		if (!s->moves)
			abort();
	}
	s->moves[s->n_moves++] = (struct move){ h->now_s, end, h->at[2] };
}

/* When which byte is done. */
static void print(struct story *s)
{
	struct head h = { .feed_mm_s = 50 };
	size_t layer = 0;

	for (size_t i = 0; i < s->size;) {
		const char *line = s->text + i;
		const char *end = memchr(line, '\n', s->size - i);
		size_t n = end ? (size_t)(end - line) : s->size - i;

		while (layer < s->ix->n_layers && layer < LAYERS_MAX &&
		       s->ix->layers[layer].byte <= i)
			s->begins[++layer] = h.now_s;
		execute(&h, line, n);
		i += n + 1;
		add_move(s, &h, MIN(i, s->size));
	}
	while (layer < s->ix->n_layers && layer < LAYERS_MAX)
		s->begins[++layer] = h.now_s;
	h.now_s += END_MOVES_S;
	add_move(s, &h, s->size);
}

/* The move under way at that time. */
static const struct move *at(const struct story *s, double now_s)
{
	size_t low = 0, high = s->n_moves - 1;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->moves[middle].done_s <= now_s)
			low = middle + 1;
		else
			high = middle;
	}
	return &s->moves[low];
}

/* ---- who hears ---- */

static void hear(void *arg, const struct layer *l)
{
	struct receiver *r = arg;

	if (l->number != r->last + 1 || l->number > LAYERS_MAX) {
		r->n_bad++;
		return;
	}
	r->last = l->number;
	r->said[l->number]++;
	r->said_s[l->number] = r->now_s;
	r->n_filled += l->is_catching_up;
	r->at_end += r->is_over;
}

static int percent_at(const struct story *s, double now_s)
{
	return (int)(100 * now_s / s->moves[s->n_moves - 1].done_s);
}

/* As the firmware does: what M73 said last, else by the bytes. */
static int percent_of_text(const struct story *s, const struct move *m, double now_s)
{
	int p = -1;

	for (int i = 0; i <= 100; i++) {
		uint32_t layer = s->ix->percent_layer[i];

		if (layer == UINT32_MAX)
			continue;
		if (layer == 0 ||
		    (layer <= s->ix->n_layers &&
		     s->ix->layers[layer - 1].byte + s->ix->layers[layer - 1].size <= m->end))
			p = i;
	}
	return p >= 0 ? p : percent_at(s, now_s);
}

static void tell(struct receiver *r, struct layers *l, double now_s)
{
	const struct story *s = r->story;
	bool is_octoprint = r->feed == FEED_OCTOPRINT || r->feed == FEED_Z_ALONE;
	const struct move *m = at(s, now_s + (is_octoprint ? 1 : 0));
	struct layers_report report = { .is_printing = true,
		                        .layer = -1,
		                        .layers = -1,
		                        .percent = -1,
		                        .remaining_min = -1,
		                        .stage = -1,
		                        .has_z = true,
		                        .z_mm = m->z,
		                        .is_ahead = is_octoprint,
		                        .is_own_move = r->is_own_move };

	if (r->feed == FEED_TENTHS) {
		report.z_mm = round(report.z_mm * 10) / 10;
		report.z_error_mm = 0.05;
	}
	if (r->feed == FEED_PRUSALINK || r->feed == FEED_TENTHS) {
		report.percent = percent_of_text(s, m, now_s);
	} else {
		report.has_file_pos = true;
		report.file_pos = (int64_t)m->end;
		report.file_size = (int64_t)s->size;
		report.percent = (int)(100 * m->end / s->size);
	}
	if (r->is_own_move)
		report.z_mm += 10;
	r->now_s = now_s;
	layers_report(l, (int64_t)((now_s + r->paused_s) * 1e6), (int64_t)(now_s * 1e3), &report);
}

#define PAUSE_S 30
#define SILENCE_S 60

/* We take the head away; first and last the printer still says that it prints. */
static void pause(struct receiver *r, struct layers *l, double now_s)
{
	r->is_own_move = true;
	for (int i = 0; i < 2 * PAUSE_S; i++) {
		r->paused_s += 0.5;
		if (i == 10)
			layers_pause(l);
		if (i == 2 * PAUSE_S - 10)
			layers_resume(l);
		tell(r, l, now_s);
	}
	r->is_own_move = false;
}

/* False: nothing is heard now. */
static bool is_heard(struct receiver *r, struct layers *l, double now_s, double end_s)
{
	if (!r->is_rough)
		return true;
	if (!layers_has_table(l) && now_s > 0.07 * end_s)
		layers_set_table(l, r->story->ix);
	if (r->paused_s == 0 && now_s > 0.6 * end_s)
		pause(r, l, now_s);
	return now_s < 0.4 * end_s || now_s > 0.4 * end_s + SILENCE_S;
}

static void play(struct receiver *r, struct layers *l)
{
	static const double every_s[] = { 0.5, 0.25, 2, 1, 0.5 };
	const struct story *s = r->story;
	double end = s->moves[s->n_moves - 1].done_s;
	double z = NAN;

	for (double now = 0.05; now < end; now += every_s[r->feed]) {
		if (!is_heard(r, l, now, end))
			continue;
		tell(r, l, now);
		/* Of changes in between OctoPrint tells each, of Z only. */
		for (double t = now; (r->feed == FEED_OCTOPRINT || r->feed == FEED_Z_ALONE) &&
		                     t < now + every_s[r->feed] && t < end;
		     t += 0.05) {
			double now_z = at(s, t + 1)->z;

			if (now_z != z && !isnan(z))
				tell(r, l, t);
			z = now_z;
		}
	}
	r->is_over = true;
	layers_end(l, (int64_t)((end + r->paused_s) * 1e6), (int64_t)(end * 1e3), LAYERS_FINISHED);
}

/* ---- verdict ---- */

static int run(const struct story *s, enum feed feed, bool is_rough, int *ret_layers)
{
	static const char *const names[][2] = { { "octoprint", "octoprint, rough" },
		                                { "moonraker", "moonraker, rough" },
		                                { "prusalink", "prusalink, rough" },
		                                { "prusalink, tenths", "prusalink, tenths, rough" },
		                                { "Z alone", "" } };
	/* Rounded heights hide where a layer thinner than a tenth ends, or one that rises. */
	static const double soon_s[] = { -1.5, -0.1, -8, -20 }, late_s[] = { 1, 1, 12, 15 };
	const char *how = names[feed][is_rough];
	struct receiver *r = MEM_NEW(struct receiver);
	struct layers *l = layers_new("job", "printer", LAYERS_FROM_START, hear, r);
	int n = (int)MIN(s->ix->n_layers, (size_t)LAYERS_MAX), misses = 0;
	double latest = 0, soonest = 0;

	r->story = s;
	r->feed = feed;
	r->is_rough = is_rough;
	if (feed != FEED_Z_ALONE && !is_rough)
		layers_set_table(l, s->ix);
	play(r, l);
	for (int i = 1; i <= LAYERS_MAX; i++) {
		if (r->said[i] != (i <= n)) {
			misses++;
			if (misses <= 5)
				printf("%s, %s: layer %d of %d %s\n", s->name, how, i, n,
				       i <= n ? "was missed" : "was said and is none");
		} else if (i <= n) {
			latest = MAX(latest, r->said_s[i] - s->begins[i]);
			soonest = MIN(soonest, r->said_s[i] - s->begins[i]);
		}
	}
	/* A right number at another layer's time is a wrong one. */
	if (feed != FEED_Z_ALONE && !is_rough &&
	    (soonest < soon_s[feed] || latest > late_s[feed])) {
		misses++;
		printf("%s, %s: a layer was said %+.1f s or %+.1f s from its beginning\n", s->name,
		       how, soonest, latest);
	}
	misses += r->n_bad + (feed != FEED_Z_ALONE ? r->at_end : 0);
	printf("%-52s %-16s %4d layers, %d misses, %2d filled, %d by the end; %+.1f to %+.1f s\n",
	       s->name, how, n, misses, r->n_filled, r->at_end, soonest, latest);
	*ret_layers += n;
	layers_free(l);
	free(r);
	return misses;
}

struct totals {
	int layers[2], misses[2]; /* with a table, without */
};

static void run_all(const char *name, const char *text, size_t size, struct totals *t)
{
	struct story *s = MEM_NEW(struct story);

	s->name = name;
	s->text = mem_new_array(size + 1, 1);
	memcpy(s->text, text, size);
	s->size = size;
	if (gcode_index_text(s->text, s->size, NULL, &s->ix, NULL) < 0 || s->ix->n_layers == 0) {
		printf("%s: holds no layers\n", name);
	} else {
		print(s);
		for (enum feed f = FEED_OCTOPRINT; f <= FEED_Z_ALONE; f++)
			t->misses[f == FEED_Z_ALONE] +=
				run(s, f, false, &t->layers[f == FEED_Z_ALONE]);
		for (enum feed f = FEED_OCTOPRINT; f < FEED_Z_ALONE; f++)
			t->misses[0] += run(s, f, true, &t->layers[0]);
	}
	gcode_index_free(s->ix);
	free(s->moves);
	free(s->text);
	free(s);
}

/* Without comments no slicer is recognised, and layers are where Z rises. */
static void run_bare(const char *name, const char *text, size_t size, struct totals *t)
{
	char *bare = mem_new_array(size + 1, 1);
	char *title = mem_printf("%s, no marks", name);
	size_t n = 0;
	bool is_comment = false;

	for (size_t i = 0; i < size; i++) {
		if (text[i] == '\n')
			is_comment = false;
		else if (text[i] == ';')
			is_comment = true;
		if (!is_comment)
			bare[n++] = text[i];
	}
	run_all(title, bare, n, t);
	free(title);
	free(bare);
}

#define HOP_EVERY_S 3
#define HOP_S 0.4

/* Each layer at its height for as long as the table says, hops in between. */
static void print_table(struct story *s)
{
	struct head h = { 0 };

	for (size_t i = 0; i < s->ix->n_layers && i < LAYERS_MAX; i++) {
		const struct gcode_layer *l = &s->ix->layers[i];
		double until = i + 1 < s->ix->n_layers ? s->ix->layers[i + 1].time_s
		                                       : MAX(s->ix->time_s, l->time_s + 10);

		if (i == 0) {
			h.at[2] = 15;
			h.now_s = l->time_s;
			add_move(s, &h, l->byte);
		}
		s->begins[i + 1] = h.now_s;
		while (h.now_s < until) {
			h.at[2] = (double)l->z_mm;
			h.now_s = MIN(until, h.now_s + HOP_EVERY_S - HOP_S);
			add_move(s, &h, l->byte + l->size);
			h.at[2] += 0.4;
			h.now_s = MIN(until, h.now_s + HOP_S);
			add_move(s, &h, l->byte + l->size);
		}
	}
	h.now_s += END_MOVES_S;
	add_move(s, &h, s->ix->n_bytes);
}

static void run_binary(const char *name, const char *bytes, size_t size, struct totals *t)
{
	struct story *s = MEM_NEW(struct story);

	s->name = name;
	s->size = size;
	if (gcode_bytes_index(bytes, size, 0, NULL, &s->ix, NULL) < 0 || s->ix->n_layers == 0) {
		printf("%s: holds no layers\n", name);
	} else {
		print_table(s);
		t->misses[0] += run(s, FEED_PRUSALINK, false, &t->layers[0]);
	}
	gcode_index_free(s->ix);
	free(s->moves);
	free(s);
}

static void run_file(const char *path, struct totals *t)
{
	const char *name = strrchr(path, '/');
	FILE *f = fopen(path, "rb");
	char *text = mem_new_array(MAX_BYTES, 1);
	size_t n = f ? fread(text, 1, MAX_BYTES, f) : 0;

	name = name ? name + 1 : path;
	if (f)
		(void)fclose(f);
	if (n > 0 && gcode_kind_of(text, n) == GCODE_KIND_BINARY) {
		run_binary(name, text, n, t);
	} else if (n > 0) {
		run_all(name, text, n, t);
		run_bare(name, text, n, t);
	}
	free(text);
}

static int is_gcode(const struct dirent *d)
{
	return text_ends(d->d_name, ".gcode") || text_ends(d->d_name, ".bgcode");
}

static void run_folder(const char *folder, struct totals *t)
{
	struct dirent **names = NULL;
	int n = scandir(folder, &names, is_gcode, alphasort);

	if (n <= 0)
		printf("skipped: real sliced files: there are none in %s (BEDSIDE_SHARED)\n",
		       folder);
	for (int i = 0; i < n; i++) {
		char *path = mem_printf("%s/%s", folder, names[i]->d_name);

		run_file(path, t);
		free(path);
		free(names[i]);
	}
	free(names);
}

static void run_made(struct totals *t)
{
	static const struct gcode_make makes[] = {
		{ .shape = GCODE_SHAPE_CUBE, .machine = GCODE_MACHINE_A1, .n_layers = 60 },
		{ .shape = GCODE_SHAPE_VASE, .machine = GCODE_MACHINE_X1C, .n_layers = 120 },
		{ .shape = GCODE_SHAPE_BOAT,
		  .machine = GCODE_MACHINE_P1S,
		  .n_layers = 40,
		  .layer_height_mm = 0.08,
		  .is_smooth = true },
	};

	for (size_t i = 0; i < ARRAY_LEN(makes); i++) {
		char name[24];
		struct buf text;

		(void)snprintf(name, sizeof(name), "made %zu", i + 1);
		gcode_make_text(&makes[i], &text);
		run_all(name, (const char *)text.data, text.size, t);
		run_bare(name, (const char *)text.data, text.size, t);
		buf_fini(&text);
	}
}

/* Bottom layers, then one line around and up without an end; every travel a hop before. */
static void run_spiral(struct totals *t)
{
	struct buf b = { 0 };

	buf_printf(&b, "; generated by PrusaSlicer 2.8.1\nG90\nM83\nG28\nG1 Z5 F600\n");
	for (int i = 1; i <= 40; i++) {
		double z = 0.2 * i;

		buf_printf(&b, ";LAYER_CHANGE\n;Z:%.2f\n;HEIGHT:0.2\n", z);
		if (i <= 4)
			buf_printf(&b, "G1 Z%.2f F600\nG1 X80 Y80 F6000\nG1 Z%.2f F600\n", z + 0.4,
			           z);
		for (int k = 0; k < 72; k++)
			buf_printf(&b, "G1 X%.2f Y%.2f Z%.3f E0.1 F1200\n",
			           100 + 20 * cos(k * M_PI / 36), 100 + 20 * sin(k * M_PI / 36),
			           i <= 4 ? z : z + 0.2 * (k + 1) / 72);
	}
	run_all("spiral", (const char *)b.data, b.size, t);
	buf_fini(&b);
}

static void run_shared(struct totals *t)
{
	const char *set = getenv("BEDSIDE_SHARED");
	char *folder =
		mem_printf("%s/data/gcode", set && *set ? set : BEDSIDE_SOURCE_ROOT "/../shared");

	run_folder(folder, t);
	free(folder);
}

int main(int argc, char **argv)
{
	struct totals t = { 0 };

	for (int i = 1; i < argc; i++)
		run_file(argv[i], &t);
	run_made(&t);
	run_spiral(&t);
	run_shared(&t);
	printf("with the file: %d layers, %d misses; by Z alone: %d layers, %d misses\n",
	       t.layers[0], t.misses[0], t.layers[1], t.misses[1]);
	return t.layers[0] == 0 || t.misses[0] > 0 || t.misses[1] * 100 > t.layers[1] * 3;
}
