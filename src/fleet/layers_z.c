/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/layers_z.h"

#include <math.h>
#include <string.h>

#define BUCKET_US 100000 /* reports closer than that are one */
#define GAP_US 15000000  /* what was heard before it is forgotten */
#define EQUAL_MM 0.0005
#define LEAST_MM 0.03   /* no layer is thinner */
#define THICKEST_MM 1.2 /* nor thicker; and the first is not higher */
#define FALL_MM 0.5     /* another object */
#define JUMP_US 30000000

void layers_z_init(struct layers_z *w)
{
	*w = (struct layers_z){ .base = (double)NAN };
}

void layers_z_reset(struct layers_z *w)
{
	w->n = 0;
}

void layers_z_hear(struct layers_z *w, int64_t at_us, double z_mm)
{
	if (w->n > 0) {
		int64_t since_us = at_us - w->kept[w->n - 1].at_us;

		if (since_us < 0)
			return;
		if (since_us > GAP_US) {
			w->n = 0;
			w->was_silent = true;
		}
	}
	if (w->n > 0 && at_us - w->kept[w->n - 1].at_us < BUCKET_US) {
		w->kept[w->n - 1].low = MIN(w->kept[w->n - 1].low, z_mm);
		w->kept[w->n - 1].high = MAX(w->kept[w->n - 1].high, z_mm);
		return;
	}
	if (w->n == LAYERS_Z_KEPT) {
		memmove(&w->kept[0], &w->kept[1], (LAYERS_Z_KEPT - 1) * sizeof(w->kept[0]));
		w->n--;
	}
	w->kept[w->n].at_us = at_us;
	w->kept[w->n].low = w->kept[w->n].high = z_mm;
	w->n++;
}

bool layers_z_settled(const struct layers_z *w, struct layers_height *ret)
{
	unsigned equal = 0, i = w->n;
	bool is_enough = false;

	*ret = (struct layers_height){ .low = (double)INFINITY, .high = -(double)INFINITY };
	while (i > 0 && !is_enough) {
		i--;
		ret->low = MIN(ret->low, w->kept[i].low);
		ret->high = MAX(ret->high, w->kept[i].high);
		is_enough = w->n - i >= LAYERS_Z_REPORTS &&
		            w->kept[w->n - 1].at_us - w->kept[i].at_us >= LAYERS_Z_US;
	}
	if (!is_enough)
		return false;
	for (; i < w->n; i++)
		equal += w->kept[i].low - ret->low < EQUAL_MM;
	ret->is_level = equal >= 2;
	return true;
}

/* How many layers the rise makes; 0 none. */
static int layers_of_rise(const struct layers_z *w, const struct layers_height *h, double rise)
{
	bool is_known = w->step > 0;

	if (rise > THICKEST_MM && !(is_known && w->was_silent))
		if (rise > 4 * w->step)
			return 0;
	if (!h->is_level)
		return is_known && rise >= 0.9 * w->step ? (int)floor(rise / w->step + 0.1) : 0;
	/* A spiral told in coarse numbers stands still now and then. */
	if (is_known && rise < 0.5 * w->step && h->high - h->low >= EQUAL_MM)
		return 0;
	return is_known && rise > 1.8 * w->step ? (int)lround(rise / w->step) : 1;
}

static int count_rise(struct layers_z *w, const struct layers_height *h, int said)
{
	double rise = h->low - w->base;
	int64_t now_us = w->kept[w->n - 1].at_us;
	int k = layers_of_rise(w, h, rise);

	if (k < 2)
		w->jump_us = 0;
	else if (w->jump_us == 0)
		w->jump_us = now_us;
	if (k == 0 || (k > 1 && !w->was_silent && now_us - w->jump_us < JUMP_US))
		return said;
	w->jump_us = 0;
	w->was_silent = false;
	if (h->is_level) {
		w->base = h->low;
		w->step = rise / k;
	} else {
		w->base += k * w->step;
	}
	return said + k;
}

int layers_z_count(struct layers_z *w, const struct layers_height *h, int said)
{
	bool is_bottom = h->is_level && h->low >= LEAST_MM && h->low <= THICKEST_MM;

	if (isnan(w->base)) {
		if (said > 0) {
			w->base = h->low;
			return said;
		}
		if (!is_bottom)
			return said;
		w->base = h->low;
		return 1;
	}
	/* It was the purge line, or the levelling. */
	if (said <= 1 && is_bottom && h->high < w->base - LEAST_MM) {
		w->base = h->low;
		return said;
	}
	if (is_bottom && h->high < w->base - FALL_MM) {
		w->base = h->low;
		return said + 1;
	}
	if (h->low > w->base + LEAST_MM)
		return count_rise(w, h, said);
	w->jump_us = 0;
	return said;
}
