/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/capture.h"

#include "model/names.h"

static const char *const modes[] = { "snap", "parked", "grid" };
static const char *const triggers[] = { "layer", "z", "time", "order", "marker", "first", "last" };
static const char *const states[] = { "running", "completed", "failed", "missed" };

const char *capture_mode_name(int mode)
{
	return name_of(modes, ARRAY_LEN(modes), (unsigned)mode);
}

const char *capture_trigger_name(enum capture_trigger t)
{
	return name_of(triggers, ARRAY_LEN(triggers), t);
}

bool capture_trigger_from_name(const char *name, enum capture_trigger *ret)
{
	int i = name_find(triggers, ARRAY_LEN(triggers), name);

	if (i >= 0)
		*ret = (enum capture_trigger)i;
	return i >= 0;
}

const char *capture_state_name(enum capture_state s)
{
	return name_of(states, ARRAY_LEN(states), s);
}

bool capture_state_from_name(const char *name, enum capture_state *ret)
{
	int i = name_find(states, ARRAY_LEN(states), name);

	if (i >= 0)
		*ret = (enum capture_state)i;
	return i >= 0;
}
