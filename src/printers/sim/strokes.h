/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/strokes: where a job's G-code drives the head against a switch at the end of its X travel, as macros do that press a
 * button. Pure.
 *
 * Strokes within two seconds of each other are one group, whose moves are played at their own pace: from lengths and
 * feed rates, G4 and M400 P and S. Where a group stands in the job is told by its place in the text.
 *
 * The bytes are foreign: what is no move is passed over, and nothing grows beyond its limit.
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#define SIM_SWITCH_X_MM (-48.0) /* pressed at or left of this: the A1's stock macro goes to -48.2 */
#define SIM_MAX_STROKES 40000

struct sim_stroke {
	uint64_t byte;  /* of the line, in the G-code text */
	double after_s; /* since the stroke before; large at the beginning of a group */
	bool is_pressed;
};

struct sim_strokes {
	size_t n, cap;
	struct sim_stroke *list;
};

#define SIM_STROKE_GAP_S 2.0

struct sim_stroke_scan {
	struct sim_strokes strokes;
	uint64_t byte;
	double x_mm, feed_mm_min, since_s;
	bool is_relative, is_pressed;
	size_t n_line; /* a line torn between two pieces */
	char line[128];
};

void sim_strokes_begin(struct sim_stroke_scan *s);
void sim_strokes_add(struct sim_stroke_scan *s, const void *bytes, size_t size);
/* The list is the caller's to free(). */
struct sim_strokes sim_strokes_end(struct sim_stroke_scan *s);
