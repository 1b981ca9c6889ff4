/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * grid: the points of a capture, judged before anything moves, in the order of the shortest way.
 *
 * A point is safe when it is on the bed, the margin away from its edges, within the printer's
 * limits, not above the highest Z, and the clearance above everything printed so far. Moves
 * between points lift first, then go across, then down, so that whatever lies between two safe
 * points is below the nozzle too.
 *
 * Pure. Thread: any. Millimetres, seconds.
 */

#pragma once

#include "base/base.h"
#include "model/capture.h"

#include <jansson.h>

struct buf;
struct err;

enum grid_fault {
	GRID_SAFE,
	GRID_LEFT, /* of the allowed X */
	GRID_RIGHT,
	GRID_FRONT,
	GRID_BACK,
	GRID_HIGH,
	GRID_LOW, /* less than the clearance above what is printed */
};

/* Where a head may be. */
struct grid_box {
	double min[3], max[3];
};

/* What the grid is made for. */
struct grid_site {
	double layer_z_mm;
	double top_mm;          /* of everything printed so far; NAN unknown: nothing is safe */
	struct grid_box limits; /* the printer's word; NAN unknown */
	double head_mm[3];      /* where the way begins and ends; NAN unknown */
};

struct grid_point {
	double mm[3];
	uint8_t place[3]; /* in the grid, from 0 */
	uint8_t fault;    /* enum grid_fault */
};

/* How long things take, measured where something was measured. */
struct grid_pace {
	double pause_s, resume_s;
	double per_move_s; /* beside the way itself: the printer's acknowledgement */
	double per_shot_s; /* a still picture of every camera */
};

struct grid {
	unsigned n, n_safe;
	struct grid_point *points; /* the safe ones first, in the order of the visits */
	struct grid_box box; /* where points may be: bed, margin, limits, clearance, highest Z */
	double raised_mm;    /* the whole grid, to keep the clearance */
	double way_s;        /* moving, from the head and back to it */
	double n_moves;
	double total_s; /* from the trigger to the confirmed resume */
};

void grid_pace_init(struct grid_pace *p);

/*
 * 0; -EINVAL and the sentence when no point is safe or the bed is unknown. The grid is filled in that
 * case too, so that it can be shown. grid_fini() it in any case.
 */
int grid_make(const struct capture_plan *p, const struct grid_site *site,
              const struct grid_pace *pace, struct grid *ret, struct err *err) MUST_CHECK;
void grid_fini(struct grid *g);

/* Is this place within the machine's limits: for the way back, which no margin refuses. */
bool grid_is_reachable(const struct grid_box *limits, const double mm[3]);

/* "x 3.0 is left of 10.0, the edge of the bed and its margin". */
void grid_fault_text(const struct grid *g, const struct grid_point *pt, char *dst, size_t size);

/* Seconds of the way through `points` as they stand, from `head` and back to it (NAN: neither). */
double grid_way_s(const struct capture_plan *p, const double head[3],
                  const struct grid_point *points, unsigned n);

/* What a person should know about a plan before it runs: sentences, one per line. */
void grid_warnings(const struct capture_plan *p, const struct grid_site *site,
                   const struct grid_pace *pace, struct buf *out);

/* {points:[{x,y,z,place,is_safe,text}], safe, raised_mm, box, way_s, total_s} */
json_t *grid_json(const struct grid *g);
