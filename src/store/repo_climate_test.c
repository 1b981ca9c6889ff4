/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_climate.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "store/db.h"
#include "store/migrate.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define WALL_MS 1795257600000 /* a whole minute */

static struct db *fresh(void)
{
	auto_free char *path = mem_printf("%s/x.db", test_tmp_dir());
	struct db *db;

	CHECK_INT(db_open(path, DB_READ_WRITE, &db, NULL), 0);
	CHECK_INT(migrate_run(db, test_tmp_dir(), NULL), 0);
	return db;
}

static void add(struct db *db, const char *location, int64_t at_ms, double temp_c, double humidity)
{
	struct climate_reading r = { .source = "dht11",
		                     .at_wall_ms = at_ms,
		                     .temp_c = temp_c,
		                     .humidity_percent = humidity };

	TEXT_SET(r.location, location);
	CHECK_INT(repo_climate_add(db, &r, NULL), 0);
}

static size_t list(struct db *db, int64_t from_ms, int64_t to_ms, int64_t step_ms,
                   struct climate_reading **ret)
{
	const struct repo_climate_span span = { "Enclosure", from_ms, to_ms, step_ms };
	size_t n;

	CHECK_INT(repo_climate_list(db, &span, ret, &n, NULL), 0);
	return n;
}

TEST(readings_of_a_place_come_back_in_order)
{
	struct db *db = fresh();
	struct climate_reading *r;

	add(db, "Enclosure", WALL_MS + 30000, 24, 51);
	add(db, "Enclosure", WALL_MS, 23, 50);
	add(db, "Enclosure", WALL_MS, 22, 49); /* the same moment again */
	add(db, "Balcony", WALL_MS + 1, -3.5, (double)NAN);
	CHECK_INT(list(db, WALL_MS, WALL_MS + 60000, 0, &r), 2);
	CHECK(r[0].temp_c == 22 && r[0].at_wall_ms == WALL_MS);
	CHECK(r[1].temp_c == 24 && r[1].humidity_percent == 51);
	free(r);
	CHECK_INT(list(db, WALL_MS, WALL_MS + 30000, 0, &r), 1); /* the end is not part of it */
	free(r);
	db_close(db);
}

TEST(spans_give_their_means)
{
	struct db *db = fresh();
	struct climate_reading *r;

	for (int i = 0; i < 120; i++)
		add(db, "Enclosure", WALL_MS + i * 1000, i < 60 ? 20 : 30, i % 2 ? 40 : 50);
	CHECK_INT(list(db, WALL_MS, WALL_MS + 600000, 60000, &r), 2);
	CHECK(r[0].at_wall_ms == WALL_MS && r[0].temp_c == 20 && r[0].humidity_percent == 45);
	CHECK(r[1].at_wall_ms == WALL_MS + 60000 && r[1].temp_c == 30);
	free(r);
	db_close(db);
}

TEST(the_newest_of_each_place)
{
	struct db *db = fresh();
	struct climate_reading *r;
	size_t n;

	CHECK_INT(repo_climate_newest(db, &r, &n, NULL), 0);
	CHECK_INT(n, 0);
	free(r);
	add(db, "Enclosure", WALL_MS, 23, 50);
	add(db, "Enclosure", WALL_MS + 5, 24, 50);
	add(db, "Balcony", WALL_MS + 1, -3.5, (double)NAN);
	CHECK_INT(repo_climate_newest(db, &r, &n, NULL), 0);
	CHECK_INT(n, 2);
	CHECK_STR(r[0].location, "Balcony");
	CHECK(isnan(r[0].humidity_percent));
	CHECK(r[1].temp_c == 24);
	CHECK_STR(r[1].source, "dht11");
	free(r);
	db_close(db);
}

TEST(old_readings_and_places_are_forgotten)
{
	struct db *db = fresh();
	struct climate_reading *r;
	size_t n;

	add(db, "Enclosure", WALL_MS, 23, 50);
	add(db, "Enclosure", WALL_MS + 5, 24, 50);
	add(db, "Balcony", WALL_MS + 1, 3, 50);
	CHECK_INT(repo_climate_prune(db, WALL_MS + 5, NULL), 0);
	CHECK_INT(repo_climate_newest(db, &r, &n, NULL), 0);
	CHECK_INT(n, 1);
	free(r);
	CHECK_INT(repo_climate_remove(db, "Enclosure", NULL), 0);
	CHECK_INT(repo_climate_remove(db, "Enclosure", NULL), -ENOENT);
	db_close(db);
}
