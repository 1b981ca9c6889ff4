/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * still: pictures out of passing video, decoded only while somebody wants one.
 *
 * Keeps the packets since the newest key frame (bounded), so that a picture can be had at once,
 * wherever in the group of pictures the wish falls.
 *
 * Thread: any one.
 */

#pragma once

#include "base/base.h"

struct err;
struct frame;
struct still;

struct still_packet {
	const uint8_t *bytes;
	size_t size;
	int64_t arrived_us;
	bool is_key;
};

/* What is wanted now. */
struct still_wish {
	double per_second;     /* a steady run of pictures; 0: none */
	int64_t not_before_us; /* one that arrived then or later; 0: none. Cleared when it is given */
};

/* `given` gets each picture, a JPEG with arrived_us and size set; takes the reference. */
struct still *still_new(bool is_h265, int quality, void (*given)(void *arg, struct frame *jpeg),
                        void *arg);
void still_free(struct still *s);

/* One packet more; decodes it, and those before it, if `wish` asks for that. A broken one costs its
 * own picture only. */
int still_put(struct still *s, const struct still_packet *p, struct still_wish *wish,
              struct err *err) MUST_CHECK;
