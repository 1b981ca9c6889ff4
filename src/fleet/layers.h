/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layers: which layer is being printed, each said exactly once.
 *
 * One `struct layers` per job takes the evidence (what the printer reports, the layer table of
 * the job's G-code, pauses, the end) and calls back once for each layer, numbers strictly rising,
 * whatever comes late, twice, out of order or not at all:
 *
 *  - A number that the printer reports is a layer; those it skipped are filled in before it.
 *  - A lower number is an old report and says nothing; only if the printer keeps counting from
 *    below (three rising reports, while the progress does not fall) has it begun anew, as some
 *    do for each object of a print by objects: its numbers then go on from ours.
 *  - With the table, a percentage is evidence too: the text itself holds the M73 that makes the
 *    printer report it, so that the layer of that line has begun.
 *  - A printer that counts nothing says how far it is in the file: with the table the layer whose
 *    bytes hold that place has begun. Else its height: the table's layer at or above the present one,
 *    or, without a table, each rise of what stays by a plausible layer height (fleet/layers_z.h).
 *    Hops, parking and our own moves are no layers.
 *  - What a printer still reports of the job before is recognised and waited out.
 *  - Who joins a print under way begins at the layer it finds, not at 1.
 *  - FINISH completes the count; a failed print ends where it was.
 *
 * Pure: no clock, no I/O; the caller brings the times. Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/layer.h"

struct gcode_index;
struct layers;

/* The printer's merged state as it stands now; -1 where unknown. */
struct layers_report {
	bool is_printing;  /* gcode_state RUNNING */
	int layer;         /* layer_num */
	int layers;        /* total_layer_num */
	int percent;       /* mc_percent */
	int remaining_min; /* mc_remaining_time */
	int stage;         /* stg_cur: 0, -1 and 255 are none, all else is not printing */

	/* Of printers that tell them; zeroed: unknown. A percentage beside a place in the file is one
	 * of its bytes, and no evidence of its own. */
	bool has_file_pos;
	int64_t file_pos;  /* bytes of the G-code read or executed */
	int64_t file_size; /* 0 unknown: only a file of the table's size is measured by its bytes */
	bool has_z;
	double z_mm;
	double z_error_mm;    /* it is rounded, and may be off by so much */
	bool is_ahead;        /* place and height were queued, not executed yet */
	bool is_table_coming; /* who joins waits for it instead of guessing */
	bool is_own_move;     /* the head goes where we sent it: its height means nothing */
};

enum layers_outcome {
	LAYERS_FINISHED,
	LAYERS_FAILED /* or cancelled, or lost */
};

enum layers_start {
	LAYERS_FROM_START, /* we saw the job begin */
	LAYERS_JOINED      /* it was under way, or may have been */
};

/* `l` is good during the call only. */
typedef void layers_fn(void *arg, const struct layer *l);

/* `job` and `printer` are copied into each layer. */
struct layers *layers_new(const char *job, const char *printer, enum layers_start start,
                          layers_fn *fn, void *arg);
void layers_free(struct layers *l);

/* Goes on after a restart: layers up to `number` were said before. */
void layers_said_before(struct layers *l, int number);

/* The job's table, at any time; what is needed is copied. A table whose number of layers is not
 * the printer's is not of this job and is left aside. */
void layers_set_table(struct layers *l, const struct gcode_index *ix);

/* For heights without a table: the slicer's settings, 0 if unknown. */
void layers_set_heights(struct layers *l, double first_mm, double other_mm);

void layers_report(struct layers *l, int64_t mono_us, int64_t wall_ms,
                   const struct layers_report *r);

/* Between these nothing is said; a layer reported meanwhile is said with the next report. */
void layers_pause(struct layers *l);
void layers_resume(struct layers *l);

/* Says what is due at the end; nothing is said after it. */
void layers_end(struct layers *l, int64_t mono_us, int64_t wall_ms, enum layers_outcome outcome);

int layers_number(const struct layers *l); /* the last one said, 0 before the first */
int layers_total(const struct layers *l);  /* of the job, -1 unknown */
int layers_joined(const struct layers *l); /* the first one said, 0 before it */
bool layers_has_table(const struct layers *l);
