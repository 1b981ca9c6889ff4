/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * climate_limits: when the climate of a place is no longer what it should be. Pure.
 *
 * A limit is crossed by the first reading beyond it, told once, and over only when a reading is back inside
 * by the hysteresis, so that a value that trembles at the limit is not told again and again.
 *
 * Degrees Celsius and per cent; NAN: no limit, nothing measured. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "model/environment.h"

#include <math.h>

#define CLIMATE_HYSTERESIS_C 1.0
#define CLIMATE_HYSTERESIS_PCT 3.0

struct climate_limits {
	char location[CLIMATE_LOCATION_SIZE];
	double below_c, above_c, below_percent, above_percent;
	double hysteresis_c, hysteresis_percent;
};

enum climate_side {
	CLIMATE_INSIDE,
	CLIMATE_BELOW,
	CLIMATE_ABOVE,
};

const char *climate_side_name(enum climate_side s); /* "inside", "below", "above" */

/* Of one quantity after one more reading. */
enum climate_side climate_side_after(enum climate_side before, double v, double below, double above,
                                     double hysteresis);

/* No limits, the usual hystereses. */
void climate_limits_init(struct climate_limits *l);
/* -EINVAL with the sentence: none is set, or the two of a quantity leave no room for the hysteresis. */
int climate_limits_check(const struct climate_limits *l, struct err *err) MUST_CHECK;
