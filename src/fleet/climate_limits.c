/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/climate_limits.h"

#include "base/err.h"

#include <errno.h>

const char *climate_side_name(enum climate_side s)
{
	static const char *const names[] = { "inside", "below", "above" };

	return names[s];
}

/* Comparisons with NAN are false: no limit is ever crossed. */
enum climate_side climate_side_after(enum climate_side before, double v, double below, double above,
                                     double hysteresis)
{
	if (isnan(v))
		return before;
	if (v < below || (before == CLIMATE_BELOW && v < below + hysteresis))
		return CLIMATE_BELOW;
	if (v > above || (before == CLIMATE_ABOVE && v > above - hysteresis))
		return CLIMATE_ABOVE;
	return CLIMATE_INSIDE;
}

void climate_limits_init(struct climate_limits *l)
{
	*l = (struct climate_limits){ .below_c = (double)NAN,
		                      .above_c = (double)NAN,
		                      .below_percent = (double)NAN,
		                      .above_percent = (double)NAN,
		                      .hysteresis_c = CLIMATE_HYSTERESIS_C,
		                      .hysteresis_percent = CLIMATE_HYSTERESIS_PCT };
}

int climate_limits_check(const struct climate_limits *l, struct err *err)
{
	if (isnan(l->below_c) && isnan(l->above_c) && isnan(l->below_percent) &&
	    isnan(l->above_percent))
		return err_set(err, -EINVAL,
		               "no limit is set: write below_c, above_c, below_pct or above_pct");
	if (l->below_c + 2 * l->hysteresis_c > l->above_c)
		return err_set(err, -EINVAL,
		               "above_c must be at least twice hysteresis_c above below_c");
	if (l->below_percent + 2 * l->hysteresis_percent > l->above_percent)
		return err_set(err, -EINVAL,
		               "above_pct must be at least twice hysteresis_pct above below_pct");
	return 0;
}
