/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan: the state of one pass, shared by the files that make it. Only for this room.
 *
 * scan.c cuts the text into lines and runs the moves, which is where the time goes; notes.c takes
 * in what comments and progress commands say; index.c makes the finished index out of both.
 */

#pragma once

#include "base/buf.h"
#include "gcode/flavour.h"
#include "gcode/index.h"

#define SCAN_LINE_MAX ((size_t)1 << 20) /* longer ones are dropped */
#define SCAN_ANCHORS_MAX 65536
#define SCAN_USES_MAX ((size_t)4 << 20)
#define SCAN_THUMBNAIL_MAX ((size_t)8 << 20) /* of base64 text */

/* At `moves_s` by the moves alone, the job is `job_s` old; or, while is_left, ends in job_s. */
struct scan_anchor {
	double moves_s;
	double job_s;
	bool is_left;
};

/* In twos, which the compiler makes one step of. */
struct scan_box {
	double min[2], max[2];
};

enum {
	AXIS_X,
	AXIS_Y,
	AXIS_Z,
	AXIS_E
};

struct gcode_scan {
	struct gcode_index *ix; /* being filled */

	/* the machine */
	double pos[4]; /* mm */
	double unit;   /* 25.4 after G20 */
	double s_per_mm;
	double feed_s; /* of the current feed rate: 60 / F */
	bool is_relative, is_e_relative;
	unsigned tool;

	/* sums */
	double moves_s;
	double e_sum, e_max; /* of the tool: pulled back filament does not count twice */
	double e_mark;       /* e_max when the layer or the tool began */
	double last_z;       /* of extruding moves; NAN before the first */
	double top_z;        /* of those since the first layer began; NAN before */
	uint64_t n_moves, n_extruding;

	/* the layer being read; of the list's last entry */
	struct gcode_layer *layer; /* NULL before the first */
	struct scan_box box;
	double layer_z;    /* NAN until known */
	bool has_mark_z;   /* layer_z is the mark's, moves do not change it */
	bool is_mark_true; /* something of the layer was printed at that height, about */
	/* of marks with numbers */
	bool has_number;
	int first_number, number; /* the first without a raft; the newest */
	bool has_odd_mark; /* one out of turn: a layer only if what is printed next is at another Z */
	uint64_t odd_byte;
	double odd_z, odd_height;
	uint64_t layer_end;
	uint64_t layer_extruding; /* n_extruding when it began */
	size_t cap_layers, cap_uses;

	/* comments */
	struct gcode_flavour flavour;
	enum gcode_feature feature;
	struct scan_anchor *anchors;
	size_t n_anchors, cap_anchors;
	int last_minutes; /* M73 R; -1 before the first */
	struct buf thumbnail;
	struct gcode_thumbnail thumb; /* being read */
	bool in_thumbnail;
	bool has_gcode; /* something that only G-code has */

	struct gcode_outliner *outliner; /* NULL without outlines */

	/* the text */
	uint64_t offset; /* of the piece being read */
	const char *piece;
	struct buf carry; /* a torn line */
	bool is_skipping; /* in a line that is too long */
	const char *mark; /* NULL: none are looked for */
	size_t mark_size, cap_marks;
};

/* notes.c */

/* A comment: from after the ';' to the line's end. `at` is where its line begins. */
void scan_comment(struct gcode_scan *s, const char *p, const char *end, const char *at);
/* M73: what follows the code. */
void scan_progress(struct gcode_scan *s, const char *p, const char *end);
/* Marlin's and Klipper's objects. */
void scan_m486(struct gcode_scan *s, const char *p, const char *end);
void scan_exclude_object(struct gcode_scan *s, const char *p, const char *end);
/* Turns what was gathered into the index's times. */
void scan_times(struct gcode_scan *s);

/* What the bytes of a picture are. */
enum gcode_picture gcode_picture_sniff(const uint8_t *b, size_t size);
/* Format, and the size where the picture says it in its head (PNG, QOI). */
void gcode_thumbnail_measure(struct gcode_thumbnail *t);
/* A label, unless it is there already. */
void gcode_index_object_add(struct gcode_index *ix, const char *label);
/* Takes `t` over: it replaces `best` if it is better, else it is freed. `t` is empty after. */
void gcode_thumbnail_offer(struct gcode_thumbnail *best, struct gcode_thumbnail *t);

/* scan.c */

/* A layer begins at the line at `at`. */
void scan_layer_begin(struct gcode_scan *s, const char *at, double z, double height);
/* Writes what is known of the open layer into the list. */
void scan_layer_end(struct gcode_scan *s);
/* A mark was found where rising Z had been counted: that count is void. */
void scan_layers_restart(struct gcode_scan *s);
/* The text is over: the torn line, the last layer. */
void scan_text_end(struct gcode_scan *s);
