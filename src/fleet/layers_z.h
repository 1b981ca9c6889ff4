/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * layers_z: the height at which the nozzle stays, out of heights heard now and then.
 *
 * A hop lifts the nozzle and takes it back: what counts is the lowest height of the last reports, at
 * least LAYERS_Z_REPORTS of them over at least LAYERS_Z_US. Without a table layers are counted by
 * it: a rise of what stays, by a plausible layer height.
 *
 * Pure. Thread: loop. Millimetres, monotonic microseconds.
 */

#pragma once

#include "base/base.h"

#define LAYERS_Z_REPORTS 3
#define LAYERS_Z_US 1000000
#define LAYERS_Z_KEPT 16

struct layers_z {
	struct {
		int64_t at_us;
		double low, high;
	} kept[LAYERS_Z_KEPT]; /* oldest first */
	unsigned n;

	double base; /* of the layer last counted, NAN none */
	double step; /* height of a layer, 0 not known yet */
	/* Several layers at once are a head that was parked, or lifted at the end: they are believed
	 * after a silence, or when they last. */
	int64_t jump_us; /* since when, 0 none */
	bool was_silent;
};

struct layers_height {
	double low, high; /* of the last reports */
	bool is_level;    /* the lowest was heard more than once: no spiral */
};

void layers_z_init(struct layers_z *w);

/* What was heard so far says nothing of what comes: after a pause, a move of our own. */
void layers_z_reset(struct layers_z *w);

void layers_z_hear(struct layers_z *w, int64_t at_us, double z_mm);

/* False while too little was heard. */
bool layers_z_settled(const struct layers_z *w, struct layers_height *ret);

/* Without a table: the number after `said` that the height means; `said` if it means none. */
int layers_z_count(struct layers_z *w, const struct layers_height *h, int said);
