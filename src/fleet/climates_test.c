/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/climates.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "core/work.h"
#include "model/event.h"
#include "store/repo_climate.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000
#define DAY_MS 86400000

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct work_pool *pool;
	struct store *store;
	struct climates *climates;
	struct climates_config config;
	unsigned n_events, n_notices;
	char notice[480];
};

static void hear(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	b->n_events += e->type == EVENT_CLIMATE;
	if (e->type != EVENT_NOTICE)
		return;
	b->n_notices++;
	TEXT_SET(b->notice, event_as_notice(e)->text);
}

static void start(struct bench *b)
{
	const struct climates_env env = { b->loop, b->bus, b->store, b->pool };

	b->climates = climates_new(&env, &b->config);
}

static void open_bench(struct bench *b)
{
	auto_free char *dir = mem_str(test_tmp_dir());

	*b = (struct bench){ .loop = loop_new_simulated(WALL_MS),
		             .config = { .keep_ms = 7 * DAY_MS, .stale_ms = 600000 } };
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	b->pool = work_pool_new(b->loop, "t", 1);
	CHECK_INT(store_open(b->loop, dir, &b->store, NULL), 0);
	start(b);
}

static void close_bench(struct bench *b)
{
	climates_free(b->climates);
	loop_advance(b->loop, 0);
	bus_unlisten(&b->listener);
	bus_free(b->bus);
	store_close(b->store);
	work_pool_free(b->pool);
	loop_free(b->loop);
}

static int add(struct bench *b, const char *location, double temp_c, int64_t at_ms)
{
	struct climate_reading r = {
		.source = "key x", .temp_c = temp_c, .humidity_percent = 50, .at_wall_ms = at_ms
	};
	int rc;

	TEXT_SET(r.location, location);
	rc = climates_add(b->climates, &r, NULL);
	loop_advance(b->loop, 0);
	return rc;
}

struct count {
	const char *location;
	size_t n;
};

static int run_count(struct db *db, void *arg, struct err *err)
{
	struct count *c = arg;
	struct climate_reading *list;
	const struct repo_climate_span span = { c->location, 0, INT64_MAX, 1 };
	int rc = repo_climate_list(db, &span, &list, &c->n, err);

	if (rc == 0)
		free(list);
	return rc;
}

static size_t n_stored(struct bench *b, const char *location)
{
	struct count c = { location, 0 };

	CHECK_INT(store_call(b->store, run_count, &c, NULL), 0);
	return c.n;
}

TEST(places_are_kept_by_name_with_their_newest_reading)
{
	struct bench b;

	open_bench(&b);
	CHECK_INT(add(&b, "Shelf", 21, 0), 0);
	CHECK_INT(add(&b, "Balcony", -3, 0), 0);
	CHECK_INT(add(&b, "Shelf", 22, 0), 0);
	CHECK_INT(b.n_events, 3);
	CHECK_STR(climates_at(b.climates, 0)->newest.location, "Balcony");
	CHECK_STR(climates_at(b.climates, 1)->newest.location, "Shelf");
	CHECK(climates_at(b.climates, 1)->newest.temp_c == 22);
	CHECK(climates_at(b.climates, 1)->newest.at_wall_ms == WALL_MS);
	CHECK(!climates_at(b.climates, 2));
	close_bench(&b);
}

TEST(a_place_that_sends_often_is_kept_once_in_ten_seconds)
{
	struct bench b;

	open_bench(&b);
	for (int i = 0; i < 60; i++) {
		CHECK_INT(add(&b, "Shelf", 20 + i * 0.1, 0), 0);
		loop_advance(b.loop, 1000);
	}
	CHECK_INT(b.n_events, 60);
	CHECK_INT(n_stored(&b, "Shelf"), 6);
	close_bench(&b);
}

TEST(what_cannot_be_is_refused_and_the_last_good_one_stays)
{
	struct bench b;

	open_bench(&b);
	CHECK_INT(add(&b, "Shelf", 21, 0), 0);
	CHECK_INT(add(&b, "Shelf", 300, 0), -ERANGE);
	CHECK_INT(add(&b, "", 20, 0), -EINVAL);
	CHECK_INT(add(&b, "Shelf", 20, WALL_MS + DAY_MS), -ERANGE);
	CHECK_INT(climates_fail(b.climates, "Shelf", "no answer", NULL), 0);
	CHECK(climates_find(b.climates, "Shelf")->newest.temp_c == 21);
	CHECK_STR(climates_find(b.climates, "Shelf")->trouble, "no answer");
	CHECK_INT(add(&b, "Shelf", 22, 0), 0);
	CHECK_STR(climates_find(b.climates, "Shelf")->trouble, "");
	close_bench(&b);
}

TEST(a_reading_that_comes_late_is_history_and_not_now)
{
	struct bench b;

	open_bench(&b);
	CHECK_INT(add(&b, "Shelf", 21, 0), 0);
	CHECK_INT(climates_fail(b.climates, "Shelf", "no answer", NULL), 0);
	CHECK_INT(add(&b, "Shelf", 15, WALL_MS - 60000), 0);
	CHECK(climates_find(b.climates, "Shelf")->newest.temp_c == 21);
	CHECK_STR(climates_find(b.climates, "Shelf")->trouble, "no answer");
	CHECK_INT(b.n_events, 1);
	CHECK_INT(n_stored(&b, "Shelf"), 2);
	/* Of a clock that ran ahead: the right time is older, and now. */
	CHECK_INT(add(&b, "Shelf", 22, WALL_MS + 50000), 0);
	CHECK_INT(add(&b, "Shelf", 23, WALL_MS), 0);
	CHECK(climates_find(b.climates, "Shelf")->newest.temp_c == 23);
	CHECK_INT(b.n_events, 3);
	close_bench(&b);
}

TEST(a_place_is_stale_after_ten_minutes)
{
	struct bench b;

	open_bench(&b);
	CHECK_INT(add(&b, "Shelf", 21, 0), 0);
	loop_advance(b.loop, 600000);
	CHECK(!climates_is_stale(b.climates, climates_at(b.climates, 0)));
	loop_advance(b.loop, 1);
	CHECK(climates_is_stale(b.climates, climates_at(b.climates, 0)));
	close_bench(&b);
}

TEST(there_are_not_more_places_than_fit)
{
	struct bench b;
	char name[32];

	open_bench(&b);
	for (int i = 0; i < CLIMATES_MAX_PLACES; i++) {
		snprintf(name, sizeof(name), "place %d", i);
		CHECK_INT(add(&b, name, 20, 0), 0);
	}
	CHECK_INT(add(&b, "one more", 20, 0), -ENOSPC);
	climates_forget(b.climates, "place 7");
	CHECK_INT(add(&b, "one more", 20, 0), 0);
	CHECK(!climates_find(b.climates, "place 7"));
	CHECK_INT(n_stored(&b, "place 7"), 0);
	close_bench(&b);
}

TEST(after_a_restart_the_last_readings_are_there_and_old_ones_are_not)
{
	struct bench b;

	open_bench(&b);
	CHECK_INT(add(&b, "Old", 20, WALL_MS - 8 * (int64_t)DAY_MS), 0);
	CHECK_INT(add(&b, "Shelf", 21, 0), 0);
	climates_free(b.climates);
	start(&b);
	CHECK(climates_find(b.climates, "Shelf")->newest.temp_c == 21);
	loop_advance(b.loop, 0);
	CHECK_INT(n_stored(&b, "Old"), 0);
	CHECK_INT(n_stored(&b, "Shelf"), 1);
	loop_advance(b.loop, 7 * (int64_t)DAY_MS + 3600000);
	CHECK_INT(n_stored(&b, "Shelf"), 0);
	close_bench(&b);
}

TEST(a_place_with_a_sensor_of_this_machine_is_its_own)
{
	struct bench b;

	open_bench(&b);
	climates_free(b.climates);
	b.config.n_sensors = 1;
	TEXT_SET(b.config.sensors[0].location, "Enclosure");
	b.config.sensors[0].every_ms = 30000;
	b.config.sensors[0].is_simulated = true;
	start(&b);
	CHECK(climates_is_stale(b.climates, climates_at(b.climates, 0)));
	CHECK_INT(add(&b, "Enclosure", 20, 0), -EEXIST);
	loop_advance(b.loop, 90000);
	CHECK(!climates_is_stale(b.climates, climates_at(b.climates, 0)));
	CHECK(climates_at(b.climates, 0)->is_here);
	CHECK_INT(b.n_events, 4);
	CHECK_INT(n_stored(&b, "Enclosure"), 4);
	close_bench(&b);
}

static void limit(struct bench *b, const char *location)
{
	struct climate_limits *l = &b->config.limits[b->config.n_limits++];

	climate_limits_init(l);
	TEXT_SET(l->location, location);
	l->below_c = 5;
	l->above_c = 40;
	l->above_percent = 60;
	climates_free(b->climates);
	start(b);
}

static const char *crossed(const struct bench *b, const char *location, char *dst, size_t size)
{
	climates_crossed(b->climates, climates_find(b->climates, location), dst, size);
	return dst;
}

TEST(a_limit_is_told_once_and_its_end_with_the_hysteresis)
{
	static const struct {
		double temp_c;
		const char *notice; /* NULL: nothing new */
	} steps[] = {
		{ 40.0, NULL },
		{ 40.1, "Box: 40.1 °C, above the limit of 40 °C." },
		{ 39.9, NULL },
		{ 40.5, NULL },
		{ 39.1, NULL },
		{ 39.0, "Box: 39.0 °C, no longer above 40 °C." },
		{ 39.9, NULL },
		{ 4.0, "Box: 4.0 °C, below the limit of 5 °C." },
		{ 5.9, NULL },
		{ 41.0, "Box: 41.0 °C, above the limit of 40 °C." },
		{ 20.0, "Box: 20.0 °C, no longer above 40 °C." },
	};
	struct bench b;
	unsigned n = 0;
	char text[80];

	open_bench(&b);
	limit(&b, "Box");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		loop_advance(b.loop, 1000);
		CHECK_INT(add(&b, "Box", steps[i].temp_c, 0), 0);
		CHECK_INT(add(&b, "Elsewhere", 90, 0), 0); /* has no limits */
		n += steps[i].notice != NULL;
		CHECK_INT(b.n_notices, n);
		if (steps[i].notice)
			CHECK_STR(b.notice, steps[i].notice);
	}
	CHECK_STR(crossed(&b, "Box", text, sizeof(text)), "");
	CHECK_STR(crossed(&b, "Elsewhere", text, sizeof(text)), "");
	close_bench(&b);
}

TEST(both_limits_of_a_place_are_its_own_and_late_readings_cross_none)
{
	struct bench b;
	struct climate_reading r = { .location = "Box", .temp_c = 45, .humidity_percent = 70 };
	char text[80];

	open_bench(&b);
	limit(&b, "Box");
	CHECK_INT(climates_add(b.climates, &r, NULL), 0);
	loop_advance(b.loop, 0);
	CHECK_INT(b.n_notices, 2);
	CHECK_STR(crossed(&b, "Box", text, sizeof(text)), "above 40 °C, above 60 %");
	r.humidity_percent = (double)NAN; /* not measured: as it was */
	r.temp_c = 30;
	CHECK_INT(climates_add(b.climates, &r, NULL), 0);
	loop_advance(b.loop, 0);
	CHECK_INT(b.n_notices, 3);
	CHECK_STR(crossed(&b, "Box", text, sizeof(text)), "above 60 %");
	CHECK_INT(add(&b, "Box", 50, WALL_MS - 5000), 0);
	CHECK_INT(b.n_notices, 3);
	close_bench(&b);
}
