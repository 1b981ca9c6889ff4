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

uint32_t film_pick_most(const struct film_plan *plan)
{
	if (plan->duration_s <= 0)
		return UINT32_MAX;

	double n = floor(moving_s(plan) * PICK_MAX_FPS);

	return n < 1 ? 1 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

void film_pick_plan(struct film_pick *ret, const struct film_plan *plan, uint32_t n_expected)
{
	*ret = (struct film_pick){ .take = 1, .of = 1, .fps = plan->fps };
	if (plan->duration_s <= 0 || n_expected == 0)
		return;
	if (n_expected > film_pick_most(plan)) {
		ret->take = film_pick_most(plan);
		ret->of = n_expected;
	}
	ret->fps = film_pick_fps(plan, MIN(n_expected, film_pick_most(plan)));
}

void film_pick_plan_rest(struct film_pick *p, const struct film_plan *plan, uint32_t n_expected,
                         uint32_t n_seen, uint32_t n_taken)
{
	uint32_t most = film_pick_most(plan);

	if (plan->duration_s <= 0 || n_expected <= n_seen)
		return;

	uint32_t of = n_expected - n_seen;
	uint64_t phase = ((uint64_t)(n_seen - p->from) * p->take + p->phase) % p->of;

	/* Guesses come often: were each to begin counting anew, none would ever be taken. */
	p->phase = (uint32_t)(phase * of / p->of);
	p->from = n_seen;
	p->of = of;
	p->take = MIN(most > n_taken ? most - n_taken : 0, of);
}

bool film_pick_takes(const struct film_pick *p, uint32_t index)
{
	uint64_t i = index - p->from;

	return ((i + 1) * p->take + p->phase) / p->of > (i * p->take + p->phase) / p->of;
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

	double ideal = MIN(n_seen, film_pick_most(plan));

	return fabs(n_frames - ideal) > 0.1 * ideal;
}
