/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/snippet.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRAVEL 18000 /* the A1's own way to its park point */
#define PRESS 3000   /* and from there on */
#define MIN_STROKE 3.0
#define QUICK_STROKE 8.0 /* both ways within 0.19 s at these speeds: clicks of one series */
#define SERIES_GAP_MS 800
#define MAX_WAIT_MS 20000

/*
 * What each machine reaches. `bed`: printable_area of the maker's profile, as it stands in every sliced
 * job. `reach`: the outermost points to which the maker's own start, end, filament and time-lapse texts
 * of 2024 and 2025 send the head while it prints; so they are safe, others may be.
 *
 * A1       X -48.2 time-lapse, wipe, end; X 267 the cutter; Y 265 start
 * A1 mini  X -13.0 time-lapse, end (wipes go to -13.5); X 187, Y 178 clog detection
 * P1, X1   Y 265 park, wipe and end; Y -3 the cutter, X 20 to 240 there. bed_exclude_area 18 x 28
 */
struct machine {
	const char *name;
	double bed[2];
	double min[2], max[2];
	double park[2];
	int press_axis; /* 0 X, 1 Y; -1: nothing there to press */
	double press;
	double corner[2]; /* front left, closed; 0 none */
	bool has_clog_check, parks_itself;
	double check[2]; /* where the clog check of the third layer is made */
	const char *check_command;
};

/* They differ in what is around the head. */
#define CORE_XY(model)                                                                          \
	{                                                                                       \
		.name = (model), .bed = { 256, 256 }, .max = { 256, 265 }, .park = { 65, 245 }, \
		.press_axis = 1, .press = 265, .corner = {                                      \
			18,                                                                     \
			28                                                                      \
		}                                                                               \
	}

static const struct machine machines[] = {
	{ "A1",
	  { 256, 256 },
	  { -48.2, 0 },
	  { 256, 256 },
	  { -38.2, 128 },
	  0,
	  -48.2,
	  { 0, 0 },
	  true,
	  true,
	  { 261, 250 },
	  "M400 P200\nG39 S1" },
	{ "A1 mini",
	  { 180, 180 },
	  { -13, 0 },
	  { 180, 180 },
	  { -5, 90 },
	  0,
	  -13,
	  { 0, 0 },
	  true,
	  true,
	  { 187, 178 },
	  "G39 S1 X187 Y178" },
	CORE_XY("P1P"),
	CORE_XY("P1S"),
	CORE_XY("X1"),
	CORE_XY("X1 Carbon"),
	CORE_XY("X1E"),
	{ "other",
	  { 0, 0 },
	  { 0, 0 },
	  { 0, 0 },
	  { NAN, NAN },
	  -1,
	  NAN,
	  { 0, 0 },
	  false,
	  false,
	  { 0, 0 },
	  NULL },
};

static const char *const slicers[] = { "bambu", "orca", "prusa", "cura" };
static const char *const modes[] = { "click", "park", "mark" };
static const char *const places[] = { "before", "behind", "instead", "settings" };

const char *snippet_model_at(size_t i)
{
	return i < ARRAY_LEN(machines) ? machines[i].name : NULL;
}

const char *snippet_slicer_name(enum snippet_slicer s)
{
	return slicers[s];
}

const char *snippet_mode_name(enum snippet_mode m)
{
	return modes[m];
}

const char *snippet_place_name(enum snippet_place p)
{
	return places[p];
}

static int find(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

bool snippet_slicer_from_name(const char *name, enum snippet_slicer *ret)
{
	int i = find(slicers, ARRAY_LEN(slicers), name);

	if (i >= 0)
		*ret = (enum snippet_slicer)i;
	return i >= 0;
}

bool snippet_mode_from_name(const char *name, enum snippet_mode *ret)
{
	int i = find(modes, ARRAY_LEN(modes), name);

	if (i >= 0)
		*ret = (enum snippet_mode)i;
	return i >= 0;
}

void snippet_order_init(struct snippet_order *o)
{
	*o = (struct snippet_order){ .slicer = o->slicer,
		                     .mode = o->mode,
		                     .park_mm = { NAN, NAN },
		                     .press_mm = NAN,
		                     .lift_mm = 0.4,
		                     .dwell_ms = 700,
		                     .hold_ms = 500,
		                     .marker = ";TIMELAPSE" };
}

/* ---- judging ---- */

struct plan {
	const struct snippet_order *o;
	struct machine m; /* with what was chosen in it */
	struct snippets *s;
};

static const struct machine *find_machine(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(machines); i++)
		if (text_equal_nocase(machines[i].name, name))
			return &machines[i];
	return NULL;
}

static int say_models(const char *name, struct err *err)
{
	char known[120] = "";

	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		size_t n = strlen(known);

		(void)snprintf(known + n, sizeof(known) - n, "%s%s", i ? ", " : "",
		               machines[i].name);
	}
	return err_set(
		err, -EINVAL,
		"it is not known how far the head of '%.40s' goes; there are %s (with the size "
		"of its bed)",
		name, known);
}

static int check_point(const struct machine *m, const char *what, const double at[2],
                       struct err *err)
{
	if (!isfinite(at[0]) || !isfinite(at[1]))
		return err_set(err, -EINVAL, "%s: say where it is", what);
	for (int i = 0; i < 2; i++)
		if (at[i] < m->min[i] || at[i] > m->max[i])
			return err_set(
				err, -EINVAL,
				"%s: %c%g is out of reach of the %s, which goes from %g to %g",
				what, "XY"[i], at[i], m -> name, m -> min[i], m -> max[i]);
	/* From elsewhere a straight line to a point beside the corner may lead over it. */
	if (m->corner[0] > 0 && (at[0] < m->corner[0] || at[1] < m->corner[1]))
		return err_set(err, -EINVAL,
		               "%s: the cutter is in the corner of the %s below X%g Y%g, and the "
		               "way there may lead over it: choose X%g and Y%g or more",
		               what, m->name, m->corner[0], m->corner[1], m->corner[0],
		               m->corner[1]);
	return 0;
}

static int check_marker(const char *marker, struct err *err)
{
	bool is_comment = marker[0] == ';';
	size_t n = strlen(marker);

	if (n == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (marker[i] < ' ' || marker[i] > '~' || strchr("{}[]\"\\", marker[i]))
			return err_set(err, -EINVAL, "marker: plain letters, please");
	/* M240 is the shutter; any other command would do something. */
	if (!is_comment && strcmp(marker, "M240") != 0)
		return err_set(
			err, -EINVAL,
			"marker: '%s' must begin with ';' (or be M240, which fires a shutter)",
			marker);
	return 0;
}

static int check_numbers(const struct snippet_order *o, struct err *err)
{
	if (!(o->lift_mm >= 0.2 && o->lift_mm <= 3))
		return err_set(err, -EINVAL, "lift: must be from 0.2 to 3 mm");
	if (o->dwell_ms > MAX_WAIT_MS || o->hold_ms > MAX_WAIT_MS)
		return err_set(err, -EINVAL, "dwell and hold: must be 20 s at most");
	return check_marker(o->marker, err);
}

static int check_press(struct plan *p, struct err *err)
{
	const struct machine *m = &p->m;
	double press[2] = { m->park[0], m->park[1] };
	int rc;

	if (m->press_axis < 0)
		return err_set(
			err, -EINVAL,
			"click: it is not known where the head of this machine could press a "
			"switch; use park or mark");
	press[m->press_axis] = m->press;
	rc = check_point(m, "press", press, err);
	if (rc == 0 && fabs(m->press - m->park[m->press_axis]) < MIN_STROKE)
		rc = err_set(
			err, -EINVAL,
			"press: the park point must be %g mm or more beside it, or the switch is "
			"not let go",
			MIN_STROKE);
	return rc;
}

static int judge(struct plan *p, struct err *err)
{
	const struct snippet_order *o = p->o;
	bool is_bambu = o->slicer == SNIPPET_BAMBU || o->slicer == SNIPPET_ORCA;
	const char *usual = is_bambu ? "A1" : "other";
	const struct machine *m = find_machine(o->model[0] ? o->model : usual);
	int rc;

	if (!m)
		return say_models(o->model, err);
	p->m = *m;
	if (m->bed[0] == 0 && o->mode != SNIPPET_MARK) {
		if (!(o->bed_mm[0] >= 50 && o->bed_mm[0] <= 2000 && o->bed_mm[1] >= 50 &&
		      o->bed_mm[1] <= 2000))
			return err_set(err, -EINVAL, "bed: must be its size, as in 250x210");
		memcpy(p->m.max, o->bed_mm, sizeof(p->m.max));
	}
	for (int i = 0; i < 2; i++)
		if (!isnan(o->park_mm[i]))
			p->m.park[i] = o->park_mm[i];
	if (!isnan(o->press_mm))
		p->m.press = o->press_mm;
	rc = check_numbers(o, err);
	if (rc == 0 && is_bambu && m->bed[0] == 0)
		rc = err_set(err, -EINVAL,
		             "these texts are for Bambu Lab's printers; for another machine say "
		             "slicer prusa or cura");
	if (rc == 0 && !is_bambu && m->bed[0] != 0)
		rc = err_set(
			err, -EINVAL,
			"the %s is sliced for with bambu or orca; for another machine say other",
			m->name);
	if (rc == 0 && is_bambu && o->marker[0] && o->marker[0] != ';')
		rc = err_set(err, -EINVAL,
		             "marker: Bambu Lab's printers have no %s; begin it with ';'",
		             o->marker);
	if (rc == 0 && !is_bambu && o->mode == SNIPPET_CLICK)
		rc = err_set(err, -EINVAL, "click is made for Bambu Studio and OrcaSlicer only");
	if (rc == 0 && o->mode != SNIPPET_MARK)
		rc = check_point(&p->m, "park", p->m.park, err);
	if (rc == 0 && o->mode == SNIPPET_CLICK)
		rc = check_press(p, err);
	return rc;
}

/* ---- writing ---- */

static void add(struct plan *p, const char *id, const char *title, const char *field,
                enum snippet_place place, struct buf *b)
{
	p->s->list[p->s->n++] = (struct snippet){
		.id = id, .title = title, .field = field, .place = place, .text = buf_steal(b)
	};
}

static void note(struct plan *p, const char *text)
{
	TEXT_SET(p->s->notes[p->s->n_notes], text);
	p->s->n_notes++;
}

static void head(struct plan *p, struct buf *b, const char *what)
{
	buf_init(b, 0);
	buf_printf(b, "; Bedside: %s (%s, %s)\n", what, p->m.name, modes[p->o->mode]);
}

static void mark(const struct plan *p, struct buf *b, const char *layer)
{
	const char *m = p->o->marker;

	if (m[0] == ';')
		buf_printf(b, "%s layer %s\n", m, layer);
	else if (m[0])
		buf_printf(b, "%s\n", m);
}

static void go_to_park(const struct plan *p, struct buf *b)
{
	buf_printf(b, "G1 X%g Y%g F%d\n", p->m.park[0], p->m.park[1], TRAVEL);
}

/* One press, held until the picture is taken. */
static void press_once(const struct plan *p, struct buf *b)
{
	char axis = "XY"[p->m.press_axis];

	buf_printf(b, "G1 %c%g F%d ; the switch\n", axis, p->m.press, PRESS);
	buf_printf(b, "M400 P%u\n", p->o->hold_ms);
	buf_printf(b, "G1 %c%g F%d\n", axis, p->m.park[p->m.press_axis], TRAVEL);
}

/* A series within Bedside's click window, with silence before and after it. */
static void press_series(const struct plan *p, struct buf *b, unsigned n)
{
	char axis = "XY"[p->m.press_axis];
	double away = p->m.park[p->m.press_axis] - p->m.press;
	double up = p->m.press + copysign(MIN(fabs(away), QUICK_STROKE), away);

	buf_printf(b, "M400 P%d\nG1 %c%g F%d\n", SERIES_GAP_MS, axis, up, TRAVEL);
	for (unsigned i = 0; i < n; i++)
		buf_printf(b, "G1 %c%g F%d\nG1 %c%g F%d\n", axis, p->m.press, PRESS, axis, up,
		           TRAVEL);
	buf_printf(b, "M400 P%d\n", SERIES_GAP_MS);
}

/* Back over the bed, where the slicer's next way begins. */
static void come_back(const struct plan *p, struct buf *b)
{
	if (p->m.park[0] < 0)
		buf_printf(b, "G1 X0 F%d\n", TRAVEL);
	else if (p->m.park[1] > p->m.bed[1] ||
	         (p->o->mode == SNIPPET_CLICK && p->m.press_axis == 1))
		buf_printf(b, "G1 Y%g F%d\n", MIN(p->m.bed[1], p->m.park[1]), TRAVEL);
}

static void own_camera(struct buf *b)
{
	buf_add_str(b, "; the printer's own camera, if it records\n"
	               "M622.1 S1\n"
	               "M1002 judge_flag timelapse_record_flag\n"
	               "M622 J1\n"
	               "M1004 S5 P1\n"
	               "M971 S11 C11 O0\n"
	               "M623\n");
}

/* The maker's watch for filament that wraps around the nozzle: once at the third layer, then where
 * the weight of the head asks for it. */
static void clog_check(const struct plan *p, struct buf *b)
{
	char lift[32];

	(void)snprintf(lift, sizeof(lift), "{max_layer_z + %g}", p->o->lift_mm);
	buf_add_str(b, "; SKIPTYPE: head_wrap_detect\n"
	               "M622.1 S1\n"
	               "M1002 judge_flag g39_3rd_layer_detect_flag\n"
	               "M622 J1\n"
	               "{if layer_num == 2}\n"
	               "M400\nG90\nM83\nM204 S5000\n"
	               "G0 Z2 F4000\n");
	buf_printf(b, "G0 X%g Y%g F20000\n%s\n", p->m.check[0], p->m.check[1], p->m.check_command);
	buf_add_str(b, "G0 Z2 F4000\n"
	               "{endif}\n"
	               "M622.1 S1\n"
	               "M1002 judge_flag g39_detection_flag\n"
	               "M622 J1\n"
	               "{if !in_head_wrap_detect_zone}\n"
	               "M622.1 S0\n"
	               "M1002 judge_flag g39_mass_exceed_flag\n"
	               "M622 J1\n"
	               "{if layer_num > 2}\n"
	               "G392 S0\nM400\nG90\nM83\nM204 S5000\n");
	buf_printf(b, "G0 Z%s F4000\nG39.3 S1\nG0 Z%s F4000\nG392 S0\n", lift, lift);
	buf_add_str(b, "{endif}\nM623\n{endif}\nM623\nM623\n");
}

static void layer_of_bambu(struct plan *p)
{
	bool is_mark = p->o->mode == SNIPPET_MARK;
	bool is_instead = p->m.parks_itself && !is_mark;
	struct buf b;

	head(p, &b, "each layer");
	if (!is_mark)
		buf_add_str(&b, "{if !spiral_mode && print_sequence != \"by object\"}\n"
		                "; SKIPPABLE_START\n; SKIPTYPE: timelapse\n");
	mark(p, &b, "{layer_num + 1}");
	if (!is_mark) {
		buf_add_str(&b, "G90\nM83\nG92 E0\n");
		if (!p->m.parks_itself)
			buf_add_str(&b, "G1 E-0.8 F1800\n");
		buf_printf(&b, "G1 Z{max_layer_z + %g} F1200\n", p->o->lift_mm);
		go_to_park(p, &b);
		buf_printf(&b, "M400 P%u\n", p->o->dwell_ms);
		if (p->o->mode == SNIPPET_CLICK)
			press_once(p, &b);
		if (is_instead)
			own_camera(&b);
		if (p->o->mode == SNIPPET_PARK)
			buf_printf(&b, "M400 P%u\n", p->o->hold_ms);
		come_back(p, &b);
		if (!p->m.parks_itself)
			buf_add_str(&b, "G1 E0.8 F1800\n");
		buf_add_str(&b, "G92 E0\n");
		if (is_instead && p->m.has_clog_check)
			clog_check(p, &b);
		buf_add_str(&b, "; SKIPPABLE_END\n{endif}\n");
	}
	add(p, "layer", "Time-lapse", "Printer settings, Machine G-code, Time lapse G-code",
	    is_instead ? SNIPPET_INSTEAD : SNIPPET_BEFORE, &b);
}

static void start_of_bambu(struct plan *p)
{
	struct buf b;

	head(p, &b, "start");
	if (p->o->mode == SNIPPET_CLICK && p->o->clicks_rule) {
		buf_add_str(&b, "G90\nM83\nG1 Z5 F1200\n");
		go_to_park(p, &b);
		press_series(p, &b, 3);
		come_back(p, &b);
	} else {
		buf_add_str(&b, "; the session starts with the print, by the printer's reports\n");
	}
	add(p, "start", "Start", "Printer settings, Machine G-code, Machine start G-code",
	    SNIPPET_BEHIND, &b);
}

static void end_of_bambu(struct plan *p)
{
	struct buf b;

	head(p, &b, "end, the finished part");
	if (p->o->mode != SNIPPET_MARK) {
		buf_printf(&b, "M400\nG90\nM83\nG1 Z{max_layer_z + %g} F1200\n", p->o->lift_mm);
		go_to_park(p, &b);
		buf_printf(&b, "M400 P%u\n", p->o->dwell_ms);
		if (p->o->mode == SNIPPET_CLICK)
			press_once(p, &b);
		else
			buf_printf(&b, "M400 P%u\n", p->o->hold_ms);
		if (p->o->mode == SNIPPET_CLICK && p->o->clicks_rule)
			press_series(p, &b, 3);
		come_back(p, &b);
	}
	add(p, "end", "End", "Printer settings, Machine G-code, Machine end G-code", SNIPPET_BEFORE,
	    &b);
}

static void filament_of_bambu(struct plan *p)
{
	static const char field[] = "Printer settings, Machine G-code, Change filament G-code";
	bool clicks = p->o->mode == SNIPPET_CLICK && p->o->clicks_rule;
	struct buf b;

	head(p, &b, "before a change of filament");
	buf_add_str(&b, "M1002 gcode_claim_action : 4\n");
	if (clicks) {
		buf_printf(&b, "G90\nM83\nG1 Z{max_layer_z + 3.0} F1200\n");
		go_to_park(p, &b);
		press_series(p, &b, 4);
		come_back(p, &b);
	}
	add(p, "filament_before", "Filament change, first part", field, SNIPPET_BEFORE, &b);
	head(p, &b, "after a change of filament");
	if (clicks) {
		buf_printf(&b, "G90\nM83\nG1 Z{max_layer_z + 3.0} F1200\n");
		go_to_park(p, &b);
		press_series(p, &b, 4);
		come_back(p, &b);
	}
	buf_add_str(&b, "M1002 gcode_claim_action : 0\n");
	add(p, "filament_behind", "Filament change, last part", field, SNIPPET_BEHIND, &b);
	if (p->o->mode == SNIPPET_CLICK && p->m.press_axis == 0)
		note(p, clicks ? "The wipes in the maker's filament change touch the switch too: "
		                 "three clicks between the two fours are not heard. Other wipes "
		                 "count: put the switch where only the press point above reaches "
		                 "it."
		               : "The wipes in the maker's filament change touch the switch too: "
		                 "Bedside knows "
		                 "of the change from the printer and does not hear them.");
}

/* Marlin's G90 makes the extruder absolute too, so M83 comes behind it.
 *
 * The way back is what PrusaSlicer says, which each firmware can go: Marlin before 2.1.3 does not move
 * for "G61 X Y" (MarlinFirmware/Marlin issue 26222), and Prusa's and Klipper have no G61. */
static void layer_of_prusa(struct plan *p)
{
	struct buf b;

	head(p, &b, "each layer");
	if (p->o->mode == SNIPPET_MARK) {
		mark(p, &b, "{layer_num + 1}");
	} else {
		buf_add_str(&b, "{if layer_num > 0 && !spiral_vase && !complete_objects}\n"
		                "G90\nM83\nG1 E-0.8 F2100\n");
		buf_printf(&b, "G1 Z{layer_z + %g} F720\n", p->o->lift_mm);
		buf_printf(&b, "G1 X%g Y%g F9000\nM400\n", p->m.park[0], p->m.park[1]);
		mark(p, &b, "{layer_num + 1}");
		buf_printf(&b, "G4 P%u\n", p->o->dwell_ms + p->o->hold_ms);
		buf_add_str(&b, "G1 X{position[0]} Y{position[1]} F9000\n"
		                "G1 Z{position[2]} F720\nG1 E0.8 F2100\n"
		                "{if use_relative_e_distances}M83{else}M82{endif}\n"
		                "{endif}\n");
		note(p, "PrusaSlicer 2.6 or newer: older ones do not know where the head was, and "
		        "refuse this text when they slice.");
	}
	add(p, "layer", "After layer change",
	    "Printer settings, Custom G-code, After layer change G-code", SNIPPET_BEHIND, &b);
	note(p, "In Bedside's layer capture write the same marker, and mode parked (or snap).");
}

static void layer_of_cura(struct plan *p)
{
	struct buf b;

	buf_init(&b, 0);
	if (p->o->mode == SNIPPET_MARK) {
		mark(p, &b, "");
		while (b.size > 0 && (b.data[b.size - 1] == '\n' || b.data[b.size - 1] == ' '))
			b.data[--b.size] = '\0';
		buf_add_char(&b, '\n');
		add(p, "layer", "Each layer",
		    "Extensions, Post Processing, Modify G-code, Insert at layer change, "
		    "when to insert: before, G-code to insert",
		    SNIPPET_SETTINGS, &b);
	} else {
		buf_printf(&b,
		           "Trigger camera command: %s\nPause length: %u\n"
		           "Park Print Head: on\nHead Park X: %g\nHead Park Y: %g\n"
		           "Park Feed Rate: 9000\n",
		           p->o->marker[0] ? p->o->marker : ";TIMELAPSE",
		           p->o->dwell_ms + p->o->hold_ms, p->m.park[0], p->m.park[1]);
		add(p, "layer", "Each layer",
		    "Extensions, Post Processing, Modify G-code, Time Lapse Camera",
		    SNIPPET_SETTINGS, &b);
	}
	note(p, "In Bedside's layer capture write the same marker, and mode parked (or snap).");
}

int snippets_make(const struct snippet_order *o, struct snippets *ret, struct err *err)
{
	struct plan p = { .o = o, .s = ret };
	int rc;

	*ret = (struct snippets){ 0 };
	rc = judge(&p, err);
	if (rc < 0)
		return rc;
	memcpy(ret->park_mm, p.m.park, sizeof(ret->park_mm));
	memcpy(ret->min_mm, p.m.min, sizeof(ret->min_mm));
	memcpy(ret->max_mm, p.m.max, sizeof(ret->max_mm));
	ret->press_mm = p.m.press;
	switch (o->slicer) {
	case SNIPPET_BAMBU:
	case SNIPPET_ORCA:
		start_of_bambu(&p);
		layer_of_bambu(&p);
		filament_of_bambu(&p);
		end_of_bambu(&p);
		break;
	case SNIPPET_PRUSA:
		layer_of_prusa(&p);
		break;
	case SNIPPET_CURA:
		layer_of_cura(&p);
		break;
	}
	return 0;
}

void snippets_fini(struct snippets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->list[i].text);
	*s = (struct snippets){ 0 };
}
