/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * unit: access units out of the pieces that libavformat's RTP reader gives.
 *
 * libavformat's own parser would do, but tells of a picture's arrival only when the next one
 * comes; here each unit knows when its last piece arrived. A unit ends where the time changes, or,
 * for cameras whose clock stands still, where the next picture's first slice begins. Parameter sets
 * between the slices of one picture, as some servers send them, do not end it.
 *
 * Pure. Limits: AV_MAX_PACKET bytes; a longer unit is dropped.
 * Thread: any.
 */

#pragma once

#include "base/buf.h"

struct unit {
	struct buf bytes; /* Annex B */
	struct buf tail;  /* came behind the picture: this one's or the next one's? */
	int64_t time;     /* the camera's, in its units; UNIT_NO_TIME none */
	int64_t arrived_us;
	bool has_picture;
	bool is_too_long;
	bool is_h265;
};

#define UNIT_NO_TIME INT64_MIN

void unit_init(struct unit *u, bool is_h265);
void unit_fini(struct unit *u);

/* The piece belongs to the next unit: take this one and unit_clear() before unit_add(). */
bool unit_ends_before(struct unit *u, const uint8_t *piece, size_t size, int64_t time);
void unit_add(struct unit *u, const uint8_t *piece, size_t size, int64_t time, int64_t arrived_us);
void unit_clear(struct unit *u);
