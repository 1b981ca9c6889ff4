/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * snippet: pieces of G-code for a slicer's custom macros, so that the head is out of the picture, or
 * presses the button that takes it.
 *
 * Modes: `click`, the head touches a micro switch once for each layer; `park`, it waits at a point;
 * `mark`, nothing moves, the layers are marked with a line that a capture plan can look for. What the
 * slicer's own text does stays: pieces go before or behind it, and the one that takes the place of the
 * A1's time-lapse text does what that does for the printer's own camera and its clog detection.
 *
 * All points are judged against what the machine reaches (snippet.c has the table, each number with
 * where it is from). Heaters and fans are not touched, G90 and M83 hold at the end (M82 where PrusaSlicer's
 * file has it), and E is where it was. Pure. Thread: any. Millimetres, milliseconds, mm/min.
 */

#pragma once

#include "base/base.h"

struct buf;
struct err;

enum snippet_slicer {
	SNIPPET_BAMBU,
	SNIPPET_ORCA,
	SNIPPET_PRUSA,
	SNIPPET_CURA,
};

enum snippet_mode {
	SNIPPET_CLICK,
	SNIPPET_PARK,
	SNIPPET_MARK,
};

struct snippet_order {
	char model[32]; /* "A1"; "other" needs bed_mm; "": A1, or other where the slicer is */
	enum snippet_slicer slicer;
	enum snippet_mode mode;
	double park_mm[2]; /* NAN: the model's */
	double press_mm; /* click: where the switch is pressed, on the model's axis; NAN: the model's */
	double bed_mm[2];  /* other: size of the bed from 0, 0 */
	double lift_mm;    /* above everything printed */
	unsigned dwell_ms; /* at the park point, before the picture */
	unsigned hold_ms;  /* after it; for the exposure */
	bool clicks_rule; /* click: three start and end the session, four pause it; else the printer's
	                     * own reports do that */
	char marker[32]; /* begins a comment or command line in each layer; "" none */
};

/* What stands where nothing is chosen: mode and slicer stay as they are. */
void snippet_order_init(struct snippet_order *o);

enum snippet_place {
	SNIPPET_BEFORE,  /* what stands there */
	SNIPPET_BEHIND,  /* what stands there */
	SNIPPET_INSTEAD, /* of it */
	SNIPPET_SETTINGS /* no G-code: values for the fields of a script */
};

struct snippet {
	const char *id;    /* "start", "end", "filament_before", "filament_behind", "layer" */
	const char *title; /* "Time-lapse" */
	const char *field; /* "Printer settings, Machine G-code, Time lapse G-code" */
	enum snippet_place place;
	char *text;
};

#define SNIPPET_MAX 6

struct snippets {
	struct snippet list[SNIPPET_MAX];
	unsigned n;
	char notes[4][240]; /* what else is to be done */
	unsigned n_notes;
	double park_mm[2], press_mm; /* as used */
	double min_mm[2], max_mm[2]; /* what the machine reaches */
};

/* -EINVAL with a sentence for what the machine cannot do. snippets_fini() it when 0. */
int snippets_make(const struct snippet_order *o, struct snippets *ret, struct err *err) MUST_CHECK;
void snippets_fini(struct snippets *s);

/* The models there are, NULL after the last; the bed's size goes with "other". */
const char *snippet_model_at(size_t i);

const char *snippet_slicer_name(enum snippet_slicer s); /* "bambu" … */
const char *snippet_mode_name(enum snippet_mode m);     /* "click" … */
const char *snippet_place_name(enum snippet_place p);   /* "before" … */
bool snippet_slicer_from_name(const char *name, enum snippet_slicer *ret);
bool snippet_mode_from_name(const char *name, enum snippet_mode *ret);
