/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget: will the disk hold the pictures of this print, and what is left out if not. Pure.
 *
 * First fewer pictures are taken (one in 2, 4, 8 …), and only when the floor is reached none.
 * Nothing that was captured is deleted.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#define BUDGET_MAX_THINNING 64
/* Once stopped, this much must be free above the floor to go on. */
#define BUDGET_SPARE_BYTES (20U << 20)

struct budget_facts {
	uint64_t free_bytes;   /* of the disk */
	uint64_t floor_bytes;  /* never less than this */
	uint64_t used_bytes;   /* frames and films so far */
	uint64_t budget_bytes; /* frames and films may take; 0: what the disk has */
	uint64_t n_taken, taken_bytes;
	uint64_t n_to_come; /* pictures, were none left out; 0 unknown */
};

struct budget_verdict {
	uint64_t left_bytes;     /* may still be written */
	uint64_t forecast_bytes; /* of the whole print as it stands, 0 unknown */
	unsigned keep_one_in;    /* 1: all */
	bool must_stop;          /* nothing more may be written */
};

/* `keep_one_in` as it is now: it goes down again only when there is space to spare. */
struct budget_verdict budget_judge(const struct budget_facts *f, unsigned keep_one_in,
                                   bool is_stopped);
