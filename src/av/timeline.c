/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/timeline.h"

/* Pictures in another order than they are shown (B frames) step back by less than this. */
#define MAX_BACK_US 1000000
#define MAX_DRIFT_US 2000000
#define SHORTEST_US 1000

static void anchor(struct timeline *t, int64_t camera_us, int64_t at_us)
{
	t->is_anchored = camera_us != TIMELINE_NONE;
	t->offset_us = t->is_anchored ? at_us - camera_us : 0;
}

/* Media time by the camera's clock; false if that clock is not to be believed. */
static bool by_camera(const struct timeline *t, int64_t camera_us, int64_t arrived_us, int64_t *ret)
{
	int64_t drift;

	if (!t->is_anchored || camera_us == TIMELINE_NONE || camera_us == t->camera_us)
		return false;
	/* Absurd distances are kept out of the sum. */
	if (camera_us > t->camera_us + 100LL * MAX_DRIFT_US ||
	    camera_us < t->camera_us - MAX_BACK_US)
		return false;
	*ret = camera_us + t->offset_us;
	drift = *ret - arrived_us;
	return drift < MAX_DRIFT_US && drift > -MAX_DRIFT_US;
}

void timeline_stamp(struct timeline *t, int64_t camera_us, int64_t arrived_us, int64_t *ret_pts_us,
                    int64_t *ret_dts_us)
{
	int64_t pts_us;

	/* Sums stay within their type. */
	if (camera_us < -(INT64_MAX / 4) || camera_us > INT64_MAX / 4)
		camera_us = TIMELINE_NONE;
	if (!by_camera(t, camera_us, arrived_us, &pts_us)) {
		pts_us = MAX(arrived_us, t->pts_us + SHORTEST_US);
		anchor(t, camera_us, pts_us);
	}
	pts_us = MAX(pts_us, (int64_t)0);
	t->dts_us = MAX(pts_us, t->dts_us + SHORTEST_US);
	t->pts_us = MAX(t->pts_us, pts_us);
	t->camera_us = camera_us;
	*ret_pts_us = pts_us;
	*ret_dts_us = t->dts_us;
}
