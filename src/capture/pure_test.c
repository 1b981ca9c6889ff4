/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "capture/budget.h"
#include "capture/session.h"
#include "capture/trigger.h"
#include "model/layer.h"

#include <math.h>
#include <string.h>

static bool is_order(enum session_input in)
{
	return in >= SESSION_START_IDLE && in <= SESSION_ORDERED_SHOT;
}

/* What the action says and where it leads must agree, for every pair. */
TEST(every_state_and_input_has_a_step_that_agrees_with_itself)
{
	for (enum session_state s = SESSION_IDLE; s <= SESSION_DONE; s++)
		for (enum session_input in = 0; in < SESSION_N_INPUTS; in++) {
			struct session_step step = session_next(s, in);
			enum session_state from = s == SESSION_DONE ? SESSION_IDLE : s;

			switch (step.action) {
			case SESSION_DO_NOTHING:
				CHECK(step.next == from && !is_order(in));
				break;
			case SESSION_DO_REFUSE:
				CHECK(step.next == from && is_order(in));
				CHECK(strlen(session_refusal(s, in)) > 10);
				break;
			case SESSION_DO_SHOOT:
				CHECK(step.next == from && in == SESSION_ORDERED_SHOT);
				break;
			case SESSION_DO_ARM:
				CHECK(from == SESSION_IDLE && step.next == SESSION_ARMED);
				break;
			case SESSION_DO_BEGIN:
				CHECK(from <= SESSION_ARMED && step.next == SESSION_RECORDING);
				break;
			case SESSION_DO_ANOTHER:
				CHECK(from == SESSION_FINALISING && step.next == SESSION_IDLE);
				break;
			case SESSION_DO_SUSPEND:
				CHECK(from == SESSION_RECORDING && step.next == SESSION_PAUSED);
				break;
			case SESSION_DO_CONTINUE:
				CHECK(from == SESSION_PAUSED && step.next == SESSION_RECORDING);
				break;
			case SESSION_DO_FINISH:
			case SESSION_DO_DISCARD:
				CHECK(step.next == SESSION_FINALISING);
				CHECK(from == SESSION_RECORDING || from == SESSION_PAUSED);
				break;
			case SESSION_DO_DISARM:
				CHECK(from == SESSION_ARMED && step.next == SESSION_IDLE);
				break;
			case SESSION_DO_CLOSE:
				CHECK(from == SESSION_FINALISING && in == SESSION_FILM_DONE);
				break;
			}
		}
}

TEST(only_the_end_of_the_print_and_orders_end_a_session)
{
	for (enum session_state s = SESSION_RECORDING; s <= SESSION_PAUSED; s++)
		for (enum session_input in = 0; in < SESSION_N_INPUTS; in++) {
			bool ends = session_next(s, in).next == SESSION_FINALISING;

			CHECK(ends == (in == SESSION_PRINT_ENDS || in == SESSION_ORDERED_STOP ||
			               in == SESSION_ORDERED_DISCARD));
		}
	CHECK_INT(session_next(SESSION_RECORDING, SESSION_PRINT_PAUSES).next, SESSION_PAUSED);
	CHECK_INT(session_next(SESSION_PAUSED, SESSION_PRINT_PAUSES).next, SESSION_PAUSED);
}

TEST(a_start_before_the_print_arms_and_the_print_begins_it)
{
	CHECK_INT(session_next(SESSION_IDLE, SESSION_START_IDLE).next, SESSION_ARMED);
	CHECK_INT(session_next(SESSION_ARMED, SESSION_PRINT_ENDS).next, SESSION_ARMED);
	CHECK_INT(session_next(SESSION_ARMED, SESSION_PRINT_BEGINS_ALONE).next, SESSION_RECORDING);
	CHECK_INT(session_next(SESSION_IDLE, SESSION_PRINT_BEGINS_ALONE).next, SESSION_IDLE);
}

static enum trigger_verdict judge(struct trigger *t, int number, bool is_catching_up)
{
	struct layer l = { .number = number, .is_catching_up = is_catching_up };

	return trigger_layer(t, &l);
}

TEST(each_layer_is_due_once)
{
	struct trigger t = { .every_n_layers = 1, .keep_one_in = 1 };

	CHECK_INT(judge(&t, 1, false), TRIGGER_DUE);
	CHECK_INT(judge(&t, 1, false), TRIGGER_NOT_DUE);
	CHECK_INT(judge(&t, 2, false), TRIGGER_DUE);
	CHECK_INT(judge(&t, 3, true), TRIGGER_TOO_LATE);
	CHECK_INT(judge(&t, 4, false), TRIGGER_DUE);
	CHECK_INT(judge(&t, 2, false), TRIGGER_NOT_DUE);
}

TEST(every_third_layer_from_the_first_even_over_gaps)
{
	struct trigger t = { .every_n_layers = 3, .keep_one_in = 1 };
	int n = 0;

	for (int i = 1; i <= 30; i++)
		n += judge(&t, i, false) == TRIGGER_DUE;
	CHECK_INT(n, 10);
	CHECK_INT(judge(&t, 31, true), TRIGGER_TOO_LATE);
	CHECK_INT(judge(&t, 32, false), TRIGGER_DUE);
	CHECK_INT(judge(&t, 34, false), TRIGGER_NOT_DUE);
	CHECK_INT(judge(&t, 39, false), TRIGGER_DUE);
}

TEST(thinning_and_no_layers_at_all)
{
	struct trigger t = { .every_n_layers = 2, .keep_one_in = 4 }, none = { 0 };
	int n = 0;

	for (int i = 1; i <= 80; i++) {
		n += judge(&t, i, false) == TRIGGER_DUE;
		CHECK_INT(judge(&none, i, false), TRIGGER_NOT_DUE);
	}
	CHECK_INT(n, 10);
	CHECK_INT(trigger_period_ms(&t, 5000), 20000);
}

TEST(budget_with_plenty_of_space_keeps_all_and_forecasts)
{
	struct budget_facts f = { .free_bytes = 10000000000,
		                  .floor_bytes = 500000000,
		                  .n_taken = 2,
		                  .taken_bytes = 200000,
		                  .n_to_come = 98 };
	struct budget_verdict v = budget_judge(&f, 1, false);

	CHECK(v.keep_one_in == 1 && !v.must_stop && v.forecast_bytes == 10000000);
}

TEST(budget_thins_before_it_stops)
{
	struct budget_facts f = { .free_bytes = 530000000,
		                  .floor_bytes = 500000000,
		                  .n_taken = 1,
		                  .taken_bytes = 100000,
		                  .n_to_come = 1000 };
	struct budget_verdict v = budget_judge(&f, 1, false);

	CHECK(v.keep_one_in == 4 && !v.must_stop);
	f.free_bytes = 500000001;
	v = budget_judge(&f, 4, false);
	CHECK(v.keep_one_in == BUDGET_MAX_THINNING && !v.must_stop);
	f.free_bytes = 500000000;
	CHECK(budget_judge(&f, 64, false).must_stop);
	f.free_bytes = 501000000;
	CHECK(budget_judge(&f, 64, true).must_stop);
	f.free_bytes = 600000000;
	CHECK(!budget_judge(&f, 64, true).must_stop);
}

TEST(budget_of_our_own_counts_what_frames_and_films_take)
{
	struct budget_facts f = { .free_bytes = 10000000000,
		                  .budget_bytes = 1000000,
		                  .used_bytes = 900000,
		                  .n_taken = 1,
		                  .taken_bytes = 100000,
		                  .n_to_come = 2 };

	CHECK_INT(budget_judge(&f, 1, false).keep_one_in, 2);
	f.used_bytes = 2000000;
	CHECK(budget_judge(&f, 1, false).must_stop);
}

TEST(budget_goes_back_only_with_space_to_spare)
{
	struct budget_facts f = { .n_taken = 1, .taken_bytes = 100000, .n_to_come = 100 };

	f.free_bytes = 5100000;
	CHECK_INT(budget_judge(&f, 4, false).keep_one_in, 4);
	f.free_bytes = 50000000;
	CHECK_INT(budget_judge(&f, 4, false).keep_one_in, 1);
}

static struct budget_course course(int layers, int layer, double left_s)
{
	return (struct budget_course){ .layers = layers,
		                       .layer = layer,
		                       .percent = -1,
		                       .left_s = left_s,
		                       .every_n_layers = 1 };
}

TEST(budget_knows_how_many_pictures_are_to_come)
{
	struct budget_course c = course(300, 100, (double)NAN);

	CHECK_INT(budget_to_come(&c), 200);
	c.every_n_layers = 4;
	CHECK_INT(budget_to_come(&c), 50);
	c.layer = 400;
	CHECK_INT(budget_to_come(&c), 0);
	c = course(300, 100, 600);
	c.every_ms = 1000;
	CHECK_INT(budget_to_come(&c), 800);
	c.every_n_layers = 0;
	CHECK_INT(budget_to_come(&c), 600);
}

TEST(budget_estimates_layers_that_nobody_has_counted)
{
	struct budget_course c = course(-1, 30, 3600);

	c.n_layers_seen = 20;
	c.seen_s = 400;
	CHECK_INT(budget_to_come(&c), 180);
	c.n_layers_seen = 0;
	CHECK_INT(budget_to_come(&c), 90); /* at the usual pace */
	c.percent = 10;
	CHECK_INT(budget_to_come(&c), 270);
	c.left_s = (double)NAN;
	CHECK_INT(budget_to_come(&c), 270);
	c.percent = 100;
	CHECK_INT(budget_to_come(&c), 0);
	c.percent = c.layer = -1;
	CHECK_INT(budget_to_come(&c), 0);
	c.left_s = 1e300;
	CHECK_INT(budget_to_come(&c), 0);
}

TEST(budget_counts_the_films)
{
	struct budget_facts f = {
		.free_bytes = 15000000, .n_taken = 1, .taken_bytes = 100000, .n_to_come = 100
	};

	CHECK_INT(budget_judge(&f, 1, false).keep_one_in, 1);
	f.film_bytes_each = 60000;
	CHECK_INT(budget_judge(&f, 1, false).keep_one_in, 2);
	f.film_bytes = 8000000;
	CHECK_INT(budget_judge(&f, 1, false).keep_one_in, 4);
	f.film_written_bytes = 1000;
	CHECK_INT(budget_judge(&f, 1, false).forecast_bytes, 100000 + 1000 + 8000000 + 4000000);
	f.film_bytes = 20000000;
	CHECK_INT(budget_judge(&f, 1, false).keep_one_in, BUDGET_MAX_THINNING);
}
