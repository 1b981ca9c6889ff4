/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/diff.h"

#include <string.h>

struct range {
	unsigned change;
	size_t from, to;
};

/* From the first member up to, not including, the second. */
#define RANGE(change, first, after)                            \
	{                                                      \
		change, offsetof(struct printer_state, first), \
			offsetof(struct printer_state, after)  \
	}

/* In the order of the struct; what is between them is compared nowhere (heard_us …). */
static const struct range ranges[] = {
	RANGE(PRINTER_CHANGED_LINK, link, heard_us),
	RANGE(PRINTER_CHANGED_LINK, is_stale, since_wall_ms),
	RANGE(PRINTER_CHANGED_MACHINE, model, activity),
	RANGE(PRINTER_CHANGED_ACTIVITY, activity, job),
	RANGE(PRINTER_CHANGED_JOB, job.name, job.layer),
	RANGE(PRINTER_CHANGED_PROGRESS, job.layer, job.started_wall_ms),
	RANGE(PRINTER_CHANGED_JOB, job.started_wall_ms, n_nozzles),
	RANGE(PRINTER_CHANGED_HEAT, n_nozzles, fan_part),
	RANGE(PRINTER_CHANGED_FANS, fan_part, speed_level),
	RANGE(PRINTER_CHANGED_MACHINE, speed_level, n_ams),
	RANGE(PRINTER_CHANGED_AMS, n_ams, print_error),
	RANGE(PRINTER_CHANGED_TROUBLE, print_error, camera_is_on),
	RANGE(PRINTER_CHANGED_MACHINE, camera_is_on, records_timelapse),
	RANGE(PRINTER_CHANGED_POSITION, position, position.at_us),
};

unsigned printer_state_diff(const struct printer_state *a, const struct printer_state *b)
{
	unsigned changed = 0;

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		const struct range *r = &ranges[i];

		if (memcmp((const char *)a + r->from, (const char *)b + r->from, r->to - r->from) !=
		    0)
			changed |= r->change;
	}
	if (a->records_timelapse != b->records_timelapse)
		changed |= PRINTER_CHANGED_MACHINE;
	return changed;
}
