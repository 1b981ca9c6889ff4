/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * budget: will the disk hold the pictures of this print, and what is left out if not. Pure.
 *
 * First fewer pictures are taken (one in 2, 4, 8 …), and only when the floor is reached none.
 * Nothing that was captured is deleted. What the films take counts like the pictures.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#define BUDGET_MAX_THINNING 64
/* Once stopped, this much must be free above the floor to go on. */
#define BUDGET_SPARE_BYTES (20U << 20)

/* How a print will go on, as far as that is known. */
struct budget_course {
	int layers, layer; /* of the print, the newest; -1 unknown */
	int percent;       /* of the print, -1 unknown */
	double left_s;     /* by the printer or the slicer, NAN unknown */
	int n_layers_seen; /* begun while we looked, which was for */
	double seen_s;
	unsigned every_n_layers; /* as in the session's plan */
	int64_t every_ms;
};

/* Pictures of one camera still to come, were none left out; 0 unknown. The number of layers left is
 * the slicer's, else that of the time left at the pace so far, else that of the percentage. */
uint64_t budget_to_come(const struct budget_course *c);

struct budget_facts {
	uint64_t free_bytes;   /* of the disk */
	uint64_t floor_bytes;  /* never less than this */
	uint64_t used_bytes;   /* frames and films so far */
	uint64_t budget_bytes; /* frames and films may take; 0: what the disk has */
	uint64_t n_taken, taken_bytes;
	uint64_t n_to_come; /* pictures, were none left out; 0 unknown */

	/* The films that grow beside them. */
	uint64_t film_written_bytes;
	uint64_t film_bytes_each; /* more for each picture to come */
	uint64_t film_bytes; /* more, whatever is left out: pictures that wait for their film, a
	                           * film that may have to be made a second time */
};

struct budget_verdict {
	uint64_t left_bytes; /* may still be written */
	uint64_t
		forecast_bytes; /* of the whole print as it stands, its films included; 0 unknown */
	unsigned keep_one_in;   /* 1: all */
	bool must_stop;         /* nothing more may be written */
};

/* `keep_one_in` as it is now: it goes down again only when there is space to spare. */
struct budget_verdict budget_judge(const struct budget_facts *f, unsigned keep_one_in,
                                   bool is_stopped);
