/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/snippet.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "gcode/index.h"
#include "gcode/make.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOP_Z 12.4

static struct snippet_order order(const char *model, enum snippet_slicer slicer,
                                  enum snippet_mode mode)
{
	struct snippet_order o = { .slicer = slicer, .mode = mode };

	snippet_order_init(&o);
	TEXT_SET(o.model, model);
	return o;
}

static const struct snippet *get(const struct snippets *s, const char *id)
{
	for (unsigned i = 0; i < s->n; i++)
		if (strcmp(s->list[i].id, id) == 0)
			return &s->list[i];
	return NULL;
}

/* A text as the slicer would write it for layer `number`: conditions as for an ordinary print,
 * placeholders filled in. Nested conditions of these texts are independent of each other. */
static void expand(const char *text, int number, double top, struct buf *out)
{
	int off = 0, depth = 0;

	for (const char *p = text; *p;) {
		if (*p != '{') {
			if (!off)
				buf_add_char(out, *p);
			p++;
			continue;
		}

		const char *end = strchr(p, '}');
		char what[160];
		double add = 0;

		CHECK(end && text_copy_n(what, sizeof(what), p + 1, (size_t)(end - p - 1)));
		p = end + 1;
		if (text_starts(what, "if ")) {
			bool holds = strstr(what, "spiral") || strstr(what, "in_head_wrap") ||
			             (strcmp(what, "if layer_num == 2") == 0 && number == 3) ||
			             (strcmp(what, "if layer_num > 2") == 0 && number > 3) ||
			             strcmp(what, "if use_relative_e_distances") == 0;

			depth++;
			if (!holds && !off)
				off = depth;
		} else if (strcmp(what, "else") == 0) {
			if (off == depth)
				off = 0;
			else if (!off)
				off = depth;
		} else if (strcmp(what, "endif") == 0) {
			if (off == depth)
				off = 0;
			depth--;
		} else if (off) {
			continue;
		} else if (text_starts(what, "position[")) {
			buf_printf(out, "%g", what[9] == '2' ? top : 100.0 + what[9]);
		} else if (text_starts(what, "max_layer_z + ") || text_starts(what, "layer_z + ")) {
			CHECK(text_to_double(strchr(what, '+') + 2, &add));
			buf_printf(out, "%g", top + add);
		} else {
			CHECK_STR(what, "layer_num + 1");
			buf_printf(out, "%d", number);
		}
	}
	CHECK_INT(depth, 0);
}

/* What the moves of a text do. */
struct walk {
	double min[3], max[3], at[3];
	bool is_relative, is_e_relative;
	double e;
	unsigned n_presses;
};

static bool word(const char *line, char letter, double *ret)
{
	const char *p = strchr(line, letter);
	char number[32];

	if (!p || p == line)
		return false;
	text_copy_n(number, sizeof(number), p + 1, strcspn(p + 1, " ;"));
	return text_to_double(number, ret);
}

static void walk_line(struct walk *w, const char *line, double press, int axis)
{
	double v = 0;
	static const char axes[] = "XYZ";

	/* The extruder as well, in Marlin. */
	if (text_starts(line, "G91"))
		w->is_relative = w->is_e_relative = true;
	if (text_starts(line, "G90"))
		w->is_relative = w->is_e_relative = false;
	if (text_starts(line, "M83"))
		w->is_e_relative = true;
	if (text_starts(line, "M82"))
		w->is_e_relative = false;
	/* Heaters, fans, motors and the bed's levelling are none of its business. */
	for (const char *const *bad =
	             (const char *const[]){ "M104", "M109", "M140", "M190", "M106", "M107", "M18",
	                                    "M84", "M17", "G28", "G29", "M141", "M191", NULL };
	     *bad; bad++)
		CHECK(!text_starts(line, *bad));
	if (!text_starts(line, "G0 ") && !text_starts(line, "G1 "))
		return;
	CHECK(!w->is_relative);
	for (int i = 0; i < 3; i++) {
		if (!word(line, axes[i], &v))
			continue;
		if (i == axis && v == press && w->at[i] != press)
			w->n_presses++;
		w->at[i] = v;
		w->min[i] = fmin(w->min[i], v);
		w->max[i] = fmax(w->max[i], v);
	}
	if (word(line, 'E', &v)) {
		CHECK(w->is_e_relative);
		w->e += v;
	}
}

static void walk_text(struct walk *w, const char *text, double press, int axis)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		char line[200];

		CHECK(text_copy_n(line, sizeof(line), p, n));
		walk_line(w, line, press, axis);
		p += n + (p[n] == '\n');
	}
}

/* Each of the texts, expanded, stays where it may, and leaves all as it was. */
static void check_all(const struct snippet_order *o, const struct snippets *s, int axis,
                      unsigned presses_per_layer)
{
	for (int number = 1; number <= 5; number++) {
		for (unsigned i = 0; i < s->n; i++) {
			struct walk w = { .min = { 999, 999, 999 },
				          .max = { -999, -999, -999 },
				          .is_e_relative = true };
			struct buf b;

			buf_init(&b, 0);
			expand(s->list[i].text, number, TOP_Z, &b);
			walk_text(&w, buf_peek(&b), s->press_mm, axis);
			CHECK(!w.is_relative && w.is_e_relative);
			CHECK(fabs(w.e) < 1e-9);
			CHECK(w.min[0] >= s->min_mm[0] && w.min[1] >= s->min_mm[1]);
			/* The clog check's own point is the maker's. */
			CHECK(w.max[0] <= s->max_mm[0] || number == 3);
			CHECK(w.max[1] <= s->max_mm[1]);
			if (strcmp(s->list[i].id, "layer") == 0) {
				CHECK_INT(w.n_presses, presses_per_layer);
				CHECK(number == 3 || w.min[2] >= TOP_Z);
				/* Nothing but plain moves brings it back: not each has G61. */
				CHECK(o->slicer != SNIPPET_PRUSA || w.max[2] < 0 ||
				      (w.at[0] == 100.0 + '0' && w.at[1] == 100.0 + '1' &&
				       w.at[2] == TOP_Z && !strstr(buf_peek(&b), "G61")));
			}
			buf_fini(&b);
		}
	}
}

TEST(snippets_of_every_model_stay_within_its_reach)
{
	static const enum snippet_mode modes[] = { SNIPPET_CLICK, SNIPPET_PARK, SNIPPET_MARK };
	const char *name;

	for (size_t i = 0; (name = snippet_model_at(i)); i++) {
		for (size_t k = 0; k < ARRAY_LEN(modes) && strcmp(name, "other") != 0; k++) {
			struct snippet_order o = order(name, SNIPPET_BAMBU, modes[k]);
			struct snippets s;
			struct err err = { 0 };

			for (int rule = 0; rule < 2; rule++) {
				o.clicks_rule = rule;
				if (snippets_make(&o, &s, &err) < 0)
					print_error("%s: %s\n", name, err.text);
				CHECK_INT(err.code, 0);
				CHECK_INT(s.n, 5);
				check_all(&o, &s, name[0] == 'A' ? 0 : 1,
				          modes[k] == SNIPPET_CLICK);
				snippets_fini(&s);
			}
		}
	}
}

TEST(snippets_keep_the_clog_check_and_the_own_camera_of_an_a1)
{
	static const char *const kept[] = { "M1002 judge_flag timelapse_record_flag\n",
		                            "M971 S11 C11 O0\n",
		                            "M1004 S5 P1\n",
		                            "M1002 judge_flag g39_3rd_layer_detect_flag\n",
		                            "G0 X261 Y250 F20000\nM400 P200\nG39 S1\n",
		                            "M1002 judge_flag g39_detection_flag\n",
		                            "G39.3 S1\n",
		                            "; SKIPTYPE: head_wrap_detect\n" };
	struct snippet_order o = order("A1", SNIPPET_ORCA, SNIPPET_CLICK);
	struct snippets s;
	unsigned begun = 0, ended = 0;

	CHECK_INT(snippets_make(&o, &s, NULL), 0);

	const struct snippet *layer = get(&s, "layer");

	CHECK(layer && layer->place == SNIPPET_INSTEAD);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		CHECK(strstr(layer->text, kept[i]));
	/* M622.1 sets a default, M622 begins a block. */
	for (const char *p = layer->text; (p = strstr(p, "M622 J")); p++)
		begun++;
	for (const char *p = layer->text; (p = strstr(p, "M623")); p++)
		ended++;
	CHECK_INT(begun, 4);
	CHECK_INT(ended, 4);
	snippets_fini(&s);

	/* Others do not park by themselves: theirs stays, ours goes before it. */
	o = order("X1 Carbon", SNIPPET_BAMBU, SNIPPET_PARK);
	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	CHECK(get(&s, "layer")->place == SNIPPET_BEFORE);
	CHECK(!strstr(get(&s, "layer")->text, "M971"));
	snippets_fini(&s);
}

TEST(snippets_click_series_only_where_clicks_rule)
{
	struct snippet_order o = order("A1", SNIPPET_BAMBU, SNIPPET_CLICK);
	struct walk w = { .is_e_relative = true };
	struct snippets s;

	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	walk_text(&w, get(&s, "start")->text, s.press_mm, 0);
	CHECK_INT(w.n_presses, 0);
	CHECK(strstr(get(&s, "filament_before")->text, "gcode_claim_action : 4"));
	CHECK(strstr(get(&s, "filament_behind")->text, "gcode_claim_action : 0"));
	snippets_fini(&s);

	o.clicks_rule = true;
	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	walk_text(&w, get(&s, "start")->text, s.press_mm, 0);
	CHECK_INT(w.n_presses, 3);
	w.n_presses = 0;
	walk_text(&w, get(&s, "filament_before")->text, s.press_mm, 0);
	CHECK_INT(w.n_presses, 4);
	w.n_presses = 0;
	walk_text(&w, get(&s, "end")->text, s.press_mm, 0);
	CHECK_INT(w.n_presses, 4); /* the last picture, then three */
	CHECK_INT(s.n_notes, 1);
	snippets_fini(&s);
}

static void refused(struct snippet_order o, const char *why)
{
	struct snippets s;
	struct err err = { 0 };

	CHECK_INT(snippets_make(&o, &s, &err), -EINVAL);
	if (!strstr(err.text, why))
		print_error("'%s' is not in '%s'\n", why, err.text);
	CHECK(strstr(err.text, why));
}

TEST(snippets_refuse_what_the_machine_cannot_do)
{
	struct snippet_order o = order("A1", SNIPPET_BAMBU, SNIPPET_CLICK);

	o.park_mm[0] = -60;
	refused(o, "out of reach");
	o = order("A1", SNIPPET_BAMBU, SNIPPET_CLICK);
	o.press_mm = -49;
	refused(o, "out of reach");
	o.press_mm = -40;
	refused(o, "is not let go");
	o = order("A1", SNIPPET_BAMBU, SNIPPET_CLICK);
	o.lift_mm = NAN;
	refused(o, "lift");
	o = order("A1", SNIPPET_BAMBU, SNIPPET_CLICK);
	o.dwell_ms = 60000;
	refused(o, "20 s");
	o = order("P1S", SNIPPET_BAMBU, SNIPPET_PARK);
	o.park_mm[0] = 5;
	o.park_mm[1] = 5;
	refused(o, "corner");
	o.park_mm[1] = 40; /* from X100 Y0 the way leads over it */
	refused(o, "corner");
	refused(order("H2D", SNIPPET_BAMBU, SNIPPET_PARK), "is not known how far");
	refused(order("A1", SNIPPET_PRUSA, SNIPPET_MARK), "say other");
	refused(order("other", SNIPPET_BAMBU, SNIPPET_PARK), "bed");
	refused(order("other", SNIPPET_PRUSA, SNIPPET_PARK), "bed");
	o = order("other", SNIPPET_PRUSA, SNIPPET_PARK);
	o.bed_mm[0] = 250;
	o.bed_mm[1] = 210;
	refused(o, "park: say where");
	o.park_mm[0] = 251;
	o.park_mm[1] = 200;
	refused(o, "X251 is out of reach");
	o = order("A1", SNIPPET_BAMBU, SNIPPET_PARK);
	TEXT_SET(o.marker, "M104 S0");
	refused(o, "marker");
	TEXT_SET(o.marker, "M240");
	refused(o, "marker");
	TEXT_SET(o.marker, ";x\nM84");
	refused(o, "marker");
	TEXT_SET(o.marker, ";{x}");
	refused(o, "marker");
}

TEST(snippets_mark_layers_for_other_slicers)
{
	struct snippet_order o = order("other", SNIPPET_PRUSA, SNIPPET_PARK);
	struct snippets s;

	o.bed_mm[0] = 250;
	o.bed_mm[1] = 210;
	o.park_mm[0] = 10;
	o.park_mm[1] = 205;
	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	check_all(&o, &s, -1, 0);
	CHECK(strstr(s.list[0].text, "\n;TIMELAPSE layer {layer_num + 1}\n"));
	snippets_fini(&s);
	o = order("other", SNIPPET_CURA, SNIPPET_MARK);
	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	CHECK_STR(s.list[0].text, ";TIMELAPSE layer\n");
	CHECK(s.list[0].place == SNIPPET_SETTINGS);
	snippets_fini(&s);
	TEXT_SET(o.marker, "M240");
	CHECK_INT(snippets_make(&o, &s, NULL), 0);
	CHECK_STR(s.list[0].text, "M240\n");
	snippets_fini(&s);
}

/* A job of ours with the text in each layer, behind the outer walls where the slicer puts it. */
static void put_into_job(const char *job, const struct snippets *s, struct buf *out)
{
	const char *text = get(s, "layer")->text;
	int number = 0;

	for (const char *p = job; *p;) {
		size_t n = strcspn(p, "\n");

		buf_add(out, p, n + (p[n] == '\n'));
		if (text_starts(p, "M73 L")) {
			number++;
			expand(text, number, 0.2 * number, out);
		}
		p += n + (p[n] == '\n');
	}
	CHECK_INT(number, 20);
}

static void read_job(const struct buf *b, struct gcode_index **ret)
{
	const struct gcode_options options = { .mark = ";TIMELAPSE" };
	struct err err = { 0 };

	CHECK_INT(gcode_index_text(b->data, b->size, &options, ret, &err), 0);
}

TEST(snippets_change_nothing_of_a_job_but_its_marks)
{
	static const enum snippet_mode modes[] = { SNIPPET_CLICK, SNIPPET_PARK, SNIPPET_MARK };
	const struct gcode_make m = { .shape = GCODE_SHAPE_GEAR,
		                      .machine = GCODE_MACHINE_A1,
		                      .n_layers = 20 };
	auto_buf struct buf job = { 0 };
	struct gcode_index *plain, *with;

	gcode_make_text(&m, &job);
	read_job(&job, &plain);
	CHECK_INT(plain->n_layers, 20);
	CHECK_INT(plain->n_marks, 0);
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		struct snippet_order o = order("A1", SNIPPET_BAMBU, modes[i]);
		auto_buf struct buf changed = { 0 };
		struct snippets s;

		CHECK_INT(snippets_make(&o, &s, NULL), 0);
		buf_init(&changed, 0);
		put_into_job(buf_peek(&job), &s, &changed);
		read_job(&changed, &with);
		CHECK_INT(with->n_layers, plain->n_layers);
		CHECK_INT(with->n_marks, 20);
		CHECK(memcmp(&with->box, &plain->box, sizeof(plain->box)) == 0);
		CHECK_INT(with->n_extruding, plain->n_extruding);
		for (size_t l = 0; l < plain->n_layers; l++) {
			CHECK(with->layers[l].z_mm == plain->layers[l].z_mm);
			CHECK(fabsf(with->layers[l].filament_mm - plain->layers[l].filament_mm) <
			      1e-3F);
			CHECK(!with->layers[l].is_relative && with->layers[l].is_e_relative);
		}
		gcode_index_free(with);
		snippets_fini(&s);
	}
	gcode_index_free(plain);
}
