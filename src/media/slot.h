/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * slot: a mailbox that keeps the newest frame and forgets the rest.
 *
 * A slow reader loses frames, never delays the writer, and a slot never holds more than one:
 * memory and latency are bounded whatever the reader does. For crossing from a camera's thread to
 * the loop.
 *
 * Thread: any. Lock: slot.lock, a leaf; no foreign code runs while it is held.
 */

#pragma once

#include "base/base.h"

#include <pthread.h>

struct frame;

struct slot {
	pthread_mutex_t lock;
	struct frame *newest; /* protected by lock */
	bool is_taken;        /* protected by lock: somebody took `newest` already */
	uint64_t n_lost;      /* protected by lock */
};

void slot_init(struct slot *s);
void slot_fini(struct slot *s);

/* Takes the caller's reference. Returns true if the mailbox was empty: wake the reader. */
bool slot_put(struct slot *s, struct frame *f);

/* The frame nobody took yet, the caller's reference; NULL if none. */
struct frame *slot_take(struct slot *s);

/* A new reference to the newest frame captured at or after `since_us`, or NULL. */
struct frame *slot_get(struct slot *s, int64_t since_us);

/* Frames replaced before anybody took them. */
uint64_t slot_lost(struct slot *s);
