/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/strokes.h"

#include "base/mem.h"
#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONG_AGO_S 1e9

void sim_strokes_begin(struct sim_stroke_scan *s)
{
	*s = (struct sim_stroke_scan){ .feed_mm_min = 3000, .since_s = LONG_AGO_S };
}

/* The number behind `letter` among the words of a line. */
static bool word(const char *line, char letter, double *ret)
{
	for (const char *p = line; *p && *p != ';'; p++) {
		char text[24];
		size_t n;

		if (*p != letter || (p > line && p[-1] != ' ' && p[-1] != '\t'))
			continue;
		n = strspn(p + 1, "+-.0123456789");
		return n < sizeof(text) && text_copy_n(text, sizeof(text), p + 1, n) &&
		       text_to_double(text, ret);
	}
	return false;
}

static void stroke(struct sim_stroke_scan *s, bool is_pressed, uint64_t byte)
{
	struct sim_strokes *k = &s->strokes;

	s->is_pressed = is_pressed;
	if (k->n == SIM_MAX_STROKES)
		return;
	if (k->n == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 64;
		k->list = mem_grow(k->list, k->cap, sizeof(*k->list));
	}
	k->list[k->n++] = (struct sim_stroke){ byte, s->since_s, is_pressed };
	s->since_s = 0;
}

/* Whether the switch turns over on the way, and after which part of it. */
static void move(struct sim_stroke_scan *s, double to_mm, uint64_t byte)
{
	double way_mm = to_mm - s->x_mm, takes_s = fabs(way_mm) / (s->feed_mm_min / 60);
	bool is_pressed = to_mm <= SIM_SWITCH_X_MM;

	if (is_pressed != s->is_pressed) {
		double part = way_mm != 0 ? (SIM_SWITCH_X_MM - s->x_mm) / way_mm : 0;

		part = fmax(0, fmin(1, part));
		s->since_s += takes_s * part;
		stroke(s, is_pressed, byte);
		s->since_s += takes_s * (1 - part);
	} else {
		s->since_s += takes_s;
	}
	s->x_mm = to_mm;
}

static void wait(struct sim_stroke_scan *s, const char *line)
{
	double v;

	if (word(line, 'S', &v) && v > 0 && v < 3600)
		s->since_s += v;
	if (word(line, 'P', &v) && v > 0 && v < 3600000)
		s->since_s += v / 1000;
}

static void take_line(struct sim_stroke_scan *s, uint64_t byte)
{
	const char *p = s->line;
	double x, f;

	s->line[s->n_line] = '\0';
	s->n_line = 0;
	while (*p == ' ' || *p == '\t')
		p++;
	if (text_starts(p, "G90"))
		s->is_relative = false;
	else if (text_starts(p, "G91"))
		s->is_relative = true;
	else if (text_starts(p, "G4 ") || text_starts(p, "M400 "))
		wait(s, p);
	if (p[0] != 'G' || (p[1] != '0' && p[1] != '1') || (p[2] != ' ' && p[2] != '\t'))
		return;
	if (word(p, 'F', &f) && f >= 1 && f < 1e6)
		s->feed_mm_min = f;
	if (word(p, 'X', &x) && fabs(x) < 1e4)
		move(s, fmax(-1e4, fmin(1e4, s->is_relative ? s->x_mm + x : x)), byte);
}

void sim_strokes_add(struct sim_stroke_scan *s, const void *bytes, size_t size)
{
	const char *p = bytes;

	for (size_t i = 0; i < size; i++, s->byte++) {
		if (p[i] == '\n')
			take_line(s, s->byte);
		else if (s->n_line + 1 < sizeof(s->line)) /* the words of a move fit */
			s->line[s->n_line++] = p[i];
	}
}

struct sim_strokes sim_strokes_end(struct sim_stroke_scan *s)
{
	struct sim_strokes k;

	take_line(s, s->byte);
	k = s->strokes;
	s->strokes = (struct sim_strokes){ 0 };
	return k;
}
