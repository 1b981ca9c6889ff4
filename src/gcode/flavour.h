/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * flavour: what the comments of the slicers mean.
 *
 * Each slicer marks layers, heights, features, times and filament in comments of its own. Here one
 * comment (what stands after the ';') becomes one note; gcode/index gathers the notes. The forms
 * were read off files written by BambuStudio 1.9–2.5, OrcaSlicer 2.3, PrusaSlicer 2.3–2.9,
 * SuperSlicer, Slic3r 1.3, Cura 4, Simplify3D 4–5, ideaMaker 4, KISSlicer 1.6–2, IceSL and
 * Kiri:Moto 3.
 *
 * Thread: any. The text of a note is borrowed from the comment.
 */

#pragma once

#include "gcode/index.h"

enum gcode_feature {
	GCODE_FEATURE_UNKNOWN,
	GCODE_FEATURE_OUTER_WALL,
	GCODE_FEATURE_OTHER, /* named, and not an outer wall */
};

enum gcode_note_kind {
	GCODE_NOTE_NONE,
	GCODE_NOTE_SLICER,        /* slicer, name = text, version = more */
	GCODE_NOTE_VERSION,       /* text */
	GCODE_NOTE_ARCWELDER,     /* post-processed into arcs */
	GCODE_NOTE_LAYER,         /* marker; value = Z or NAN, height or 0, number or -1 */
	GCODE_NOTE_Z,             /* value */
	GCODE_NOTE_HEIGHT,        /* value */
	GCODE_NOTE_FEATURE,       /* feature */
	GCODE_NOTE_ELAPSED,       /* value: seconds of the job gone by at this place */
	GCODE_NOTE_LEFT,          /* value: seconds of the job left at this place */
	GCODE_NOTE_TIME,          /* value: seconds of the job */
	GCODE_NOTE_LAYER_COUNT,   /* value */
	GCODE_NOTE_FILAMENT_MM,   /* text: a list per tool; value: factor into mm */
	GCODE_NOTE_FILAMENT_G,    /* the same in grams */
	GCODE_NOTE_FILAMENT_USED, /* text: which tools, 1-based, the lists above are about */
	GCODE_NOTE_EXTRUDER_MM,   /* number: tool; value */
	GCODE_NOTE_MAX_Z,         /* value */
	GCODE_NOTE_OBJECT,        /* text: a label */
	GCODE_NOTE_THUMBNAIL,     /* begins: text is what follows "thumbnail begin" or the like */
	GCODE_NOTE_THUMBNAIL_END,
	GCODE_NOTE_SETTING, /* text = key, more = value */
};

struct gcode_text {
	const char *at;
	size_t size;
};

struct gcode_note {
	enum gcode_note_kind kind;
	enum gcode_slicer slicer;
	enum gcode_marker marker;
	enum gcode_feature feature;
	int number;
	double value;
	double height;
	struct gcode_text text, more;
};

/* Which forms begin with which character: made once per scan, then read-only. */
struct gcode_flavour {
	uint8_t first[128];
	uint8_t next[128];
};

void gcode_flavour_init(struct gcode_flavour *f);

/* Reads one comment, from after its first ';' to before the line's end, into `ret`, which is
 * all there is to know about it (GCODE_NOTE_NONE for most). `slicer` is what is known so far. */
void gcode_flavour_read(const struct gcode_flavour *f, struct gcode_text comment,
                        enum gcode_slicer slicer, struct gcode_note *ret);

/* The first number in `t`, and what follows it in `ret_rest` (may be NULL). False without one. */
bool gcode_text_number(struct gcode_text t, double *ret, struct gcode_text *ret_rest);

/* "1d 2h 3m 4s", "0 hours 3 minutes", "7.94 minutes", "806": seconds. */
bool gcode_text_duration(struct gcode_text t, double *ret_s);

bool gcode_text_is(struct gcode_text t, const char *s);
bool gcode_text_starts(struct gcode_text t, const char *s);
struct gcode_text gcode_text_trim(struct gcode_text t);
