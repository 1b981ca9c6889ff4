/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/pick.h"

#include "model/film.h"

#include <math.h>

/* Seconds of the wanted duration in which pictures change: what the hold leaves, but half at
 * least. */
static double moving_s(const struct film_plan *plan)
{
	return fmax(plan->duration_s - plan->hold_s, plan->duration_s / 2);
}

static uint32_t most_frames(const struct film_plan *plan)
{
	double n = floor(moving_s(plan) * PICK_MAX_FPS);

	return n < 1 ? 1 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void film_pick_plan(struct film_pick *ret, const struct film_plan *plan, uint32_t n_expected)
{
	*ret = (struct film_pick){ .take = 1, .of = 1, .fps = plan->fps };
	if (plan->duration_s <= 0 || n_expected == 0)
		return;
	if (n_expected > most_frames(plan)) {
		ret->take = most_frames(plan);
		ret->of = n_expected;
	}
	ret->fps = film_pick_fps(plan, MIN(n_expected, most_frames(plan)));
}

bool film_pick_takes(const struct film_pick *p, uint32_t index)
{
	uint64_t i = index;

	return (i + 1) * p->take / p->of > i * p->take / p->of;
}

double film_pick_fps(const struct film_plan *plan, uint32_t n_frames)
{
	if (plan->duration_s <= 0)
		return plan->fps;
	return fmin(fmax(n_frames / moving_s(plan), PICK_MIN_FPS), PICK_MAX_FPS);
}

double film_pick_duration(const struct film_plan *plan, uint32_t n_frames)
{
	return n_frames ? n_frames / film_pick_fps(plan, n_frames) + plan->hold_s : 0;
}

bool film_pick_is_off(const struct film_plan *plan, uint32_t n_seen, uint32_t n_frames)
{
	if (plan->duration_s <= 0 || n_seen == 0)
		return false;

	double ideal = MIN(n_seen, most_frames(plan));

	return fabs(n_frames - ideal) > 0.1 * ideal;
}
