/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_climate.h"

#include "base/err.h"
#include "model/environment.h"
#include "store/repo.h"
#include "store/repo_outbox.h"

#include <errno.h>
#include <stdio.h>

#define SOON_MS 500 /* a little early is not too early */

/* A rig tells its hub as often as that wants, not each reading. */
static int tell_hub(struct db *db, const struct climate_reading *r, struct err *err)
{
	char key[CLIMATE_LOCATION_SIZE + 12], ref[REPO_NEWS_REF_SIZE];
	int64_t delay_ms = 0, last_ms = 0;
	int rc = repo_outbox_mark(db, REPO_CLIMATE_DELAY, &delay_ms, err);

	(void)snprintf(key, sizeof(key), "climate %s", r->location);
	if (rc == 0)
		rc = repo_outbox_mark(db, key, &last_ms, err);
	if (rc < 0 || delay_ms == 0 ||
	    (r->at_wall_ms >= last_ms && r->at_wall_ms - last_ms < delay_ms - SOON_MS))
		return rc;
	(void)snprintf(ref, sizeof(ref), "%s/%lld", r->location, (long long)r->at_wall_ms);
	rc = repo_outbox_put(db, "climate", ref, r->at_wall_ms, json_climate(r), err);
	return rc < 0 ? rc : repo_outbox_set_mark(db, key, r->at_wall_ms, err);
}

int repo_climate_add(struct db *db, const struct climate_reading *r, struct err *err)
{
	int rc = db_run(db,
	                "INSERT INTO climate (location, at_ms, source, temp_c, humidity)"
	                " VALUES ($1, $2, $3, $4, $5)"
	                " ON CONFLICT (location, at_ms) DO UPDATE SET source = excluded.source,"
	                " temp_c = excluded.temp_c, humidity = excluded.humidity",
	                DB_ARGS(db_text(r->location), db_int(r->at_wall_ms), db_text(r->source),
	                        db_real(r->temp_c), db_real(r->humidity_percent)),
	                err);

	return rc < 0 ? rc : tell_hub(db, r, err);
}

static void read_reading(struct db_rows *r, void *element)
{
	struct climate_reading *c = element;

	*c = (struct climate_reading){ 0 };
	DB_GET_TEXT(r, 0, c->location);
	c->at_wall_ms = db_get_int(r, 1);
	DB_GET_TEXT(r, 2, c->source);
	c->temp_c = db_get_real(r, 3);
	c->humidity_percent = db_get_real(r, 4);
}

int repo_climate_newest(struct db *db, struct climate_reading **ret, size_t *ret_n, struct err *err)
{
	const struct repo_query q = {
		.sql = "SELECT c.location, c.at_ms, c.source, c.temp_c, c.humidity FROM climate c"
		       " JOIN (SELECT location, MAX(at_ms) AS at_ms FROM climate GROUP BY location)"
		       " n ON n.location = c.location AND n.at_ms = c.at_ms"
		       " ORDER BY c.location LIMIT $1",
		.args = DB_ARGS(db_int(REPO_MAX_PLACES)),
		.read = read_reading,
		.size = sizeof(struct climate_reading),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_climate_list(struct db *db, const struct repo_climate_span *span,
                      struct climate_reading **ret, size_t *ret_n, struct err *err)
{
	const struct repo_query q = {
		.sql = "SELECT $1, (at_ms / $4) * $4, '', AVG(temp_c), AVG(humidity) FROM climate"
		       " WHERE location = $1 AND at_ms >= $2 AND at_ms < $3"
		       " GROUP BY at_ms / $4 ORDER BY at_ms / $4 LIMIT $5",
		.args = DB_ARGS(db_text(span->location), db_int(span->from_ms), db_int(span->to_ms),
		                db_int(MAX(span->step_ms, (int64_t)1)), db_int(REPO_MAX_READINGS)),
		.read = read_reading,
		.size = sizeof(struct climate_reading),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_climate_prune(struct db *db, int64_t before_ms, struct err *err)
{
	return db_run(db, "DELETE FROM climate WHERE at_ms < $1", DB_ARGS(db_int(before_ms)), err);
}

int repo_climate_remove(struct db *db, const char *location, struct err *err)
{
	int rc = db_run(db, "DELETE FROM climate WHERE location = $1", DB_ARGS(db_text(location)),
	                err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no place '%s'", location);
	return rc;
}
