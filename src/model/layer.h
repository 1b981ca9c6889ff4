/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/layer: one layer of one job has begun: said exactly once. Plain data. */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"

struct layer {
	char job[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	int number;    /* from 1 */
	int layers;    /* of the job, -1 unknown */
	double z_mm;   /* NAN unknown */
	int64_t at_us; /* monotonic, best estimate of its beginning */
	int64_t at_wall_ms;
	double confidence; /* 0 to 1 */
	char reason
		[96]; /* "reported by the printer", "inferred: the report of layer 6 never came" */
	bool is_catching_up; /* filled in late: a picture now would not show it alone */
};
