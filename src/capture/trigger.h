/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * trigger: which layers and moments are worth a picture. Pure.
 *
 * Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"

struct layer;

struct trigger {
	unsigned every_n_layers; /* 0: none by layer */
	unsigned keep_one_in;    /* of those due: the disk budget's; 1: all */
	int last_layer;          /* newest photographed or given up; 0 none */
};

enum trigger_verdict {
	TRIGGER_NOT_DUE,
	TRIGGER_DUE,
	TRIGGER_TOO_LATE, /* due, but the layer was noticed after the next had begun */
};

/* Judges a layer and remembers it. Numbers may jump; one that is not newer is never due. */
enum trigger_verdict trigger_layer(struct trigger *t, const struct layer *l);

/* How far apart pictures by time are with the budget's thinning; 0 none. */
int64_t trigger_period_ms(const struct trigger *t, int64_t every_ms);
