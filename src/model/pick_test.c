/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "model/film.h"
#include "model/pick.h"

#include <math.h>

static uint32_t count(const struct film_pick *p, uint32_t n)
{
	uint32_t taken = 0;

	for (uint32_t i = 0; i < n; i++)
		taken += film_pick_takes(p, i);
	return taken;
}

static struct film_plan wanting(double duration_s, double hold_s)
{
	struct film_plan plan;

	film_plan_init(&plan);
	plan.duration_s = duration_s;
	plan.hold_s = hold_s;
	return plan;
}

TEST(pick_of_a_fixed_rate_takes_all)
{
	struct film_plan plan = wanting(0, 2);
	struct film_pick p;

	film_pick_plan(&p, &plan, 5000);
	CHECK_INT(count(&p, 5000), 5000);
	CHECK(p.fps == plan.fps);
	CHECK(fabs(film_pick_duration(&plan, 5000) - 202) < 1e-9);
	CHECK(!film_pick_is_off(&plan, 5000, 3));
}

TEST(pick_of_a_duration_takes_all_while_the_rate_allows)
{
	struct film_plan plan = wanting(12, 2);
	struct film_pick p;

	film_pick_plan(&p, &plan, 300);
	CHECK_INT(count(&p, 300), 300);
	CHECK(fabs(p.fps - 30) < 1e-9);
	CHECK(fabs(film_pick_duration(&plan, 300) - 12) < 1e-9);
}

TEST(pick_of_a_duration_thins_out_evenly)
{
	struct film_plan plan = wanting(12, 2);
	struct film_pick p;

	film_pick_plan(&p, &plan, 5000);
	CHECK_INT(count(&p, 5000), 600);
	CHECK(p.fps == 60);
	CHECK(film_pick_takes(&p, 4999));

	uint32_t gap = 0, longest = 0, shortest = 5000, taken = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		gap++;
		if (!film_pick_takes(&p, i))
			continue;
		if (taken++ > 0) {
			longest = MAX(longest, gap);
			shortest = MIN(shortest, gap);
		}
		gap = 0;
	}
	CHECK(longest - shortest <= 1);
}

TEST(pick_of_few_frames_shows_one_a_second)
{
	struct film_plan plan = wanting(30, 0);

	CHECK(film_pick_fps(&plan, 10) == 1);
	CHECK(fabs(film_pick_duration(&plan, 10) - 10) < 1e-9);
	CHECK(film_pick_duration(&plan, 0) == 0);
}

TEST(pick_notices_a_guess_that_was_off)
{
	struct film_plan plan = wanting(10, 0);

	CHECK(!film_pick_is_off(&plan, 1200, 600)); /* right */
	CHECK(!film_pick_is_off(&plan, 150, 150));  /* fewer, but all: the rate mends it */
	CHECK(film_pick_is_off(&plan, 600, 300));   /* every second left out for nothing */
	CHECK(film_pick_is_off(&plan, 1000, 1000)); /* more than 60 a second */
	CHECK(!film_pick_is_off(&plan, 640, 640));  /* within a tenth */
}

TEST(pick_leaves_half_of_a_short_film_to_what_moves)
{
	struct film_plan plan = wanting(2, 10);

	CHECK(film_pick_fps(&plan, 30) == 30);
}

/* Frames 0 to n - 1, the guess `expected[i]` from frame `at[i]` on. */
static uint32_t take_with_guesses(const struct film_plan *plan, const uint32_t (*guesses)[2],
                                  uint32_t n)
{
	struct film_pick p;
	uint32_t taken = 0, next = 1;

	film_pick_plan(&p, plan, guesses[0][1]);
	for (uint32_t i = 0; i < n; i++) {
		if (guesses[next][1] && i == guesses[next][0])
			film_pick_plan_rest(&p, plan, guesses[next++][1], i, taken);
		taken += film_pick_takes(&p, i);
	}
	return taken;
}

TEST(pick_follows_a_guess_that_changes_in_mid_print)
{
	struct film_plan plan = wanting(20, 0); /* 1200 frames at most */
	static const uint32_t thinned[][2] = { { 0, 3000 }, { 1500, 2250 }, { 0, 0 } };
	static const uint32_t known_late[][2] = { { 0, 0 }, { 200, 5000 }, { 0, 0 } };
	static const uint32_t fewer[][2] = { { 0, 5000 }, { 1000, 1300 }, { 0, 0 } };
	static const uint32_t short_of[][2] = { { 0, 2000 }, { 1990, 1000 }, { 0, 0 } };

	CHECK_INT(take_with_guesses(&plan, thinned, 2250), 1200);
	CHECK_INT(take_with_guesses(&plan, known_late, 5000), 1200);
	/* Those left out are gone; all others are in it. */
	CHECK_INT(take_with_guesses(&plan, fewer, 1300), 240 + 300);
	CHECK_INT(take_with_guesses(&plan, short_of, 2000), 1200);
}

TEST(pick_stays_even_though_the_guess_changes_all_the_time)
{
	struct film_plan plan = wanting(20, 0);
	struct film_pick p;
	uint32_t taken = 0, gap = 0, longest = 0;

	film_pick_plan(&p, &plan, 5000);
	for (uint32_t i = 0; i < 5000; i++) {
		film_pick_plan_rest(&p, &plan, 4990 + i * 7919 % 20, i, taken);
		gap++;
		if (!film_pick_takes(&p, i))
			continue;
		taken++;
		longest = MAX(longest, gap);
		gap = 0;
	}
	CHECK(taken >= 1190 && taken <= 1210);
	CHECK(longest <= 6);
}

TEST(pick_of_a_fixed_rate_heeds_no_guess)
{
	struct film_plan plan = wanting(0, 2);
	static const uint32_t guesses[][2] = { { 0, 3000 }, { 10, 20 }, { 0, 0 } };

	CHECK_INT(take_with_guesses(&plan, guesses, 500), 500);
}
