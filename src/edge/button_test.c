/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "edge/button.h"

#include <string.h>

#define MS 1000

struct log {
	struct button b;
	struct button_step steps[64];
	unsigned n;
	int64_t now_us;
};

static void begin(struct log *l, const struct button_rules *r)
{
	struct button_rules usual;

	memset(l, 0, sizeof(*l));
	button_rules_init(&usual);
	button_init(&l->b, r ? r : &usual, false);
	l->now_us = 5000000;
}

static void keep(struct log *l, const struct button_step *s, unsigned n)
{
	CHECK(n <= BUTTON_MAX_STEPS && l->n + n <= ARRAY_LEN(l->steps));
	memcpy(l->steps + l->n, s, n * sizeof(*s));
	l->n += n;
}

static void edge(struct log *l, bool is_down, int64_t after_us)
{
	struct button_step s[BUTTON_MAX_STEPS];

	l->now_us += after_us;
	keep(l, s, button_edge(&l->b, is_down, l->now_us, s));
}

/* As the loop does it: wakes when something is due. */
static void wait(struct log *l, int64_t us)
{
	struct button_step s[BUTTON_MAX_STEPS];
	int64_t end_us = l->now_us + us;

	while (button_due_us(&l->b) <= end_us) {
		l->now_us = button_due_us(&l->b);
		keep(l, s, button_tick(&l->b, l->now_us, s));
	}
	l->now_us = end_us;
}

/* The A1's stroke: 10 mm to the switch at 50 mm/s, back at 300. */
static void strokes(struct log *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		edge(l, true, 200 * MS);
		edge(l, false, 33 * MS);
	}
}

static const struct button_step *last(const struct log *l)
{
	return &l->steps[l->n - 1];
}

static void ends_as(unsigned clicks, enum button_order order)
{
	struct log l;

	begin(&l, NULL);
	strokes(&l, clicks);
	wait(&l, 1000 * MS);
	CHECK_INT(l.n, 2);
	CHECK_INT(l.steps[0].news, BUTTON_SHOOT);
	CHECK(l.steps[0].at_us == 5200000);
	CHECK_INT(last(&l)->news, BUTTON_ORDERS);
	CHECK_INT(last(&l)->clicks, clicks);
	CHECK_INT(last(&l)->order, order);
	CHECK(last(&l)->at_us == 5200000);
}

TEST(each_count_has_its_order)
{
	ends_as(1, BUTTON_FRAME);
	ends_as(2, BUTTON_NONE);
	ends_as(3, BUTTON_START_STOP);
	ends_as(4, BUTTON_PAUSE_RESUME);
	ends_as(5, BUTTON_DISCARD);
	ends_as(6, BUTTON_NONE);
	ends_as(9, BUTTON_NONE);
	ends_as(12, BUTTON_NONE);
}

TEST(the_first_edge_shoots_before_anything_has_settled)
{
	struct log l;

	begin(&l, NULL);
	edge(&l, true, 0);
	CHECK_INT(l.n, 1);
	CHECK_INT(l.steps[0].news, BUTTON_SHOOT);
	CHECK(button_due_us(&l.b) == 5300000);
}

TEST(bounces_of_press_and_release_count_once)
{
	struct log l;

	begin(&l, NULL);
	edge(&l, true, 0);
	for (int i = 0; i < 8; i++)
		edge(&l, i % 2, 700); /* 5.6 ms of bouncing, ends down */
	edge(&l, false, 80 * MS);
	for (int i = 0; i < 6; i++)
		edge(&l, i % 2 == 0, 900); /* ends up */
	wait(&l, 500 * MS);
	CHECK_INT(last(&l)->clicks, 1);
	CHECK_INT(last(&l)->order, BUTTON_FRAME);
}

TEST(a_click_shorter_than_the_bouncing_counts_and_so_does_the_next)
{
	struct log l;

	begin(&l, NULL);
	edge(&l, true, 0);
	edge(&l, false, 4 * MS);
	edge(&l, true, 60 * MS);
	edge(&l, false, 4 * MS);
	edge(&l, true, 60 * MS);
	edge(&l, false, 4 * MS);
	wait(&l, 500 * MS);
	CHECK_INT(last(&l)->clicks, 3);
}

TEST(a_press_that_begins_within_the_lock_is_found_at_its_end)
{
	struct log l;

	begin(&l, NULL);
	edge(&l, true, 0);
	edge(&l, false, 50 * MS);
	edge(&l, true, 5 * MS); /* real, but it looks like bouncing at first */
	wait(&l, 100 * MS);
	edge(&l, false, 0);
	wait(&l, 500 * MS);
	CHECK_INT(last(&l)->clicks, 2);
}

TEST(the_window_is_between_one_press_and_the_next)
{
	struct log l;

	begin(&l, NULL);
	for (int i = 0; i < 3; i++) {
		edge(&l, true, 249 * MS);
		edge(&l, false, 50 * MS); /* 299 ms apart */
	}
	wait(&l, 500 * MS);
	CHECK_INT(l.n, 2);
	CHECK_INT(last(&l)->clicks, 3);

	begin(&l, NULL);
	edge(&l, true, 0);
	edge(&l, false, 50 * MS);
	edge(&l, true, 250 * MS); /* 300 ms: another series */
	edge(&l, false, 50 * MS);
	wait(&l, 500 * MS);
	CHECK_INT(l.n, 4);
	CHECK_INT(l.steps[1].order, BUTTON_FRAME);
	CHECK_INT(l.steps[2].news, BUTTON_SHOOT);
	CHECK_INT(l.steps[3].order, BUTTON_FRAME);
}

TEST(edges_told_late_count_by_their_stamps)
{
	struct log l;

	/* The loop stood still: all edges come at once, no timer between them. */
	begin(&l, NULL);
	strokes(&l, 1);
	edge(&l, true, 900 * MS);
	edge(&l, false, 50 * MS);
	CHECK_INT(l.n, 3);
	CHECK_INT(l.steps[1].news, BUTTON_ORDERS);
	CHECK_INT(l.steps[1].clicks, 1);
	CHECK_INT(l.steps[2].news, BUTTON_SHOOT);
}

TEST(the_true_level_told_after_a_burst_mends_what_was_lost)
{
	struct log l;

	/* The release was lost among its bounces: without its level the next press would be none. */
	begin(&l, NULL);
	edge(&l, true, 0);
	for (int i = 0; i < 15; i++)
		edge(&l, i % 2, 200);
	edge(&l, true, 200);
	edge(&l, false, 50 * MS);
	CHECK(!l.b.is_down && !l.b.is_raw_down);
	edge(&l, true, 100 * MS);
	edge(&l, false, 50 * MS);
	wait(&l, 500 * MS);
	CHECK_INT(last(&l)->clicks, 2);

	/* Nothing was lost: nothing happens. */
	begin(&l, NULL);
	edge(&l, true, 0);
	edge(&l, true, 50 * MS);
	edge(&l, false, 50 * MS);
	edge(&l, false, 50 * MS);
	wait(&l, 500 * MS);
	CHECK_INT(l.n, 2);
	CHECK_INT(last(&l)->clicks, 1);
	CHECK(last(&l)->at_us == 5000000);
}

TEST(held_down_it_is_one_click)
{
	struct log l;

	begin(&l, NULL);
	edge(&l, true, 0);
	wait(&l, 5000 * MS);
	CHECK_INT(l.n, 2);
	edge(&l, false, 0);
	wait(&l, 1000 * MS);
	CHECK_INT(l.n, 2);
	CHECK(button_due_us(&l.b) == INT64_MAX);
}

TEST(held_down_at_the_start_is_no_press)
{
	struct button_rules r;
	struct log l;

	begin(&l, NULL);
	button_rules_init(&r);
	button_init(&l.b, &r, true);
	wait(&l, 1000 * MS);
	edge(&l, false, 0);
	wait(&l, 1000 * MS);
	CHECK_INT(l.n, 0);
	strokes(&l, 3);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_START_STOP);
}

TEST(in_single_mode_every_press_is_a_frame)
{
	struct button_rules r;
	struct log l;

	button_rules_init(&r);
	r.is_single = true;
	begin(&l, &r);
	strokes(&l, 3);
	wait(&l, 1000 * MS);
	CHECK_INT(l.n, 6);
	for (unsigned i = 0; i < 6; i += 2) {
		CHECK_INT(l.steps[i].news, BUTTON_SHOOT);
		CHECK_INT(l.steps[i + 1].news, BUTTON_ORDERS);
		CHECK_INT(l.steps[i + 1].order, BUTTON_FRAME);
		CHECK(l.steps[i].at_us == l.steps[i + 1].at_us);
	}
}

TEST(the_numbers_are_as_configured)
{
	struct button_rules r;
	struct log l;

	button_rules_init(&r);
	memset(r.orders, 0, sizeof(r.orders));
	r.orders[2] = BUTTON_START_STOP;
	r.orders[9] = BUTTON_DISCARD;
	r.window_us = 500 * MS;
	begin(&l, &r);
	edge(&l, true, 0);
	edge(&l, false, 50 * MS);
	edge(&l, true, 400 * MS);
	edge(&l, false, 50 * MS);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_START_STOP);
	strokes(&l, 9);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_DISCARD);
	strokes(&l, 1);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_NONE);
}

static enum button_order while_changing(unsigned clicks, bool *ret_is_wipe)
{
	struct log l;

	begin(&l, NULL);
	button_set_changing(&l.b, true, l.now_us);
	wait(&l, 20000 * MS);
	strokes(&l, clicks);
	wait(&l, 1000 * MS);
	*ret_is_wipe = last(&l)->is_wipe;
	return last(&l)->order;
}

TEST(wipes_of_a_filament_change_end_no_session)
{
	bool is_wipe;

	CHECK_INT(while_changing(3, &is_wipe), BUTTON_NONE);
	CHECK(is_wipe);
	CHECK_INT(while_changing(5, &is_wipe), BUTTON_NONE);
	CHECK(is_wipe);
	CHECK_INT(while_changing(1, &is_wipe), BUTTON_NONE);
	CHECK(is_wipe);
	CHECK_INT(while_changing(4, &is_wipe), BUTTON_PAUSE_RESUME);
	CHECK(!is_wipe);
}

TEST(the_last_wipe_may_come_after_the_change)
{
	struct log l;

	begin(&l, NULL);
	button_set_changing(&l.b, true, l.now_us);
	wait(&l, 20000 * MS);
	button_set_changing(&l.b, false, l.now_us);
	wait(&l, 500 * MS);
	strokes(&l, 3);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_NONE);
	wait(&l, 3000 * MS);
	strokes(&l, 3);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->order, BUTTON_START_STOP);
}

TEST(a_change_that_begins_within_the_series_makes_it_a_wipe)
{
	struct log l;

	begin(&l, NULL);
	strokes(&l, 2);
	button_set_changing(&l.b, true, l.now_us);
	strokes(&l, 1);
	button_set_changing(&l.b, false, l.now_us);
	wait(&l, 1000 * MS);
	CHECK_INT(last(&l)->clicks, 3);
	CHECK_INT(last(&l)->order, BUTTON_NONE);
}

static uint32_t next(uint32_t *r)
{
	*r ^= *r << 13;
	*r ^= *r >> 17;
	*r ^= *r << 5;
	return *r;
}

/* A bouncing switch: flutters for less than the debounce time, and comes to rest. */
static void flutter(struct log *l, uint32_t *r, bool is_down)
{
	unsigned n = next(r) % 7;
	int64_t left_us = 9 * MS;

	edge(l, is_down, 0);
	for (unsigned i = 0; i < 2 * n; i++) {
		int64_t us = 1 + (int64_t)(next(r) % 600);

		if (us > left_us)
			us = 0;
		left_us -= us;
		edge(l, i % 2 ? is_down : !is_down, us);
	}
	l->now_us += left_us;
}

TEST(a_thousand_random_series_are_counted_right)
{
	uint32_t r = 2463534242U;

	for (int i = 0; i < 1000; i++) {
		unsigned clicks = 1 + next(&r) % 8;
		struct log l;

		begin(&l, NULL);
		for (unsigned k = 0; k < clicks; k++) {
			flutter(&l, &r, true);
			wait(&l, (int64_t)(11 + next(&r) % 100) * MS);
			flutter(&l, &r, false);
			wait(&l, (int64_t)(11 + next(&r) % 120) * MS);
		}
		wait(&l, 400 * MS);
		CHECK_INT(l.n, 2);
		CHECK_INT(l.steps[0].news, BUTTON_SHOOT);
		CHECK_INT(l.steps[1].clicks, clicks);
	}
}
