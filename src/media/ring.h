/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ring: the last seconds of a camera, so that a picture from just before an event can still be had.
 *
 * Bounded three ways: by age, by number and by bytes; what comes first makes the oldest go. It
 * holds references, never copies.
 *
 * Thread: any; one ring belongs to one thread.
 */

#pragma once

#include "base/base.h"

struct frame;

#define RING_MAX_FRAMES 256

struct ring {
	struct frame *frames[RING_MAX_FRAMES]; /* a circle, oldest at `first` */
	unsigned first, n;
	size_t bytes;
	int64_t max_age_us;
	unsigned max_frames;
	size_t max_bytes;
};

/* `max_frames` at most RING_MAX_FRAMES; a limit of 0 keeps nothing. */
void ring_init(struct ring *r, int64_t max_age_us, unsigned max_frames, size_t max_bytes);
void ring_fini(struct ring *r);

/* Takes the caller's reference. Frames must come in the order of their capture. */
void ring_put(struct ring *r, struct frame *f);

/* The first frame captured at or after `not_before_us`, a new reference; NULL if none. */
struct frame *ring_first_since(const struct ring *r, int64_t not_before_us);

/* New references to what was captured within [from_us, to_us], oldest first, at most `max`. */
size_t ring_get(const struct ring *r, int64_t from_us, int64_t to_us, struct frame **ret,
                size_t max);

/* Forgets what was captured before `us`. */
void ring_expire(struct ring *r, int64_t us);
