/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * timeline: times of a camera's packets that a player can believe.
 *
 * The camera's own clock gives the distances, this computer's the place: media time is anchored at
 * CLOCK_MONOTONIC, so that it goes on rising over reconnections. A clock that stands still, jumps
 * or drifts away from ours is anchored anew.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct timeline {
	bool is_anchored;
	int64_t offset_us; /* media time minus the camera's */
	int64_t camera_us; /* the camera's of the newest packet */
	int64_t pts_us;    /* the latest given */
	int64_t dts_us;    /* of the newest packet */
};

#define TIMELINE_NONE INT64_MIN

/* Times of a packet that arrived at `arrived_us` with the camera's time `camera_us` (or
 * TIMELINE_NONE); dts rises with every packet, neither is negative. */
void timeline_stamp(struct timeline *t, int64_t camera_us, int64_t arrived_us, int64_t *ret_pts_us,
                    int64_t *ret_dts_us);
