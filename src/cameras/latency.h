/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * latency: how long a picture needs from the glass to memory, found by a light that is switched.
 *
 * The light goes on or off somewhere between `sent_us` and `acked_us`; the first picture that has
 * gone half the way from dark to bright came at b, the one before it at a. So the figure lies
 * between a - acked and b - sent: one switching tells it to half a picture's interval and half the
 * acknowledgement, and several at different moments of the interval tell more. Their median is
 * the result; what is not trustworthy is refused in words.
 *
 * Pure. Times are microseconds of one monotonic clock, brightness is 0 to 255. Thread: any.
 */

#pragma once

#include "base/base.h"

#define LATENCY_MAX_TOGGLES 64

struct latency_toggle {
	int64_t sent_us, acked_us;
	bool is_on; /* what it was switched to */
};

struct latency_sample {
	int64_t at_us; /* when the picture was in memory */
	double luma;
};

enum latency_verdict {
	LATENCY_FOUND,
	LATENCY_FEW,       /* not enough pictures around it */
	LATENCY_WEAK,      /* the picture hardly changes */
	LATENCY_NOISY,     /* it changes by itself, too */
	LATENCY_BACKWARDS, /* it becomes dark when the light goes on */
	LATENCY_GAP,       /* pictures were lost just then */
	LATENCY_N_VERDICTS
};

struct latency_crossing {
	enum latency_verdict verdict;
	double before, after, noise;
	int64_t least_us, most_us; /* FOUND: between which the figure lies */
};

struct latency_result {
	bool is_ok;
	unsigned n, n_toggles;  /* found, of so many */
	int64_t latency_us;     /* median, not negative */
	int64_t uncertainty_us; /* plus or minus, of the median switching */
	int64_t spread_us;      /* the middle half of the single figures lies within this */
	int64_t interval_us;    /* between two pictures, median; 0 unknown */
	char text[320];         /* the result, or why there is none and what to do */
};

/* Both in the order of time; `each` has room for `n_toggles` (at most LATENCY_MAX_TOGGLES). */
void latency_find(const struct latency_toggle *toggles, size_t n_toggles,
                  const struct latency_sample *samples, size_t n_samples,
                  struct latency_crossing *each, struct latency_result *ret);

/* Of one switching: "found", "the picture hardly changes" … */
const char *latency_verdict_text(enum latency_verdict v);
