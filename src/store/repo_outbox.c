/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_outbox.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "model/json.h"
#include "store/db.h"
#include "store/repo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORDERS_KEPT_MS INT64_C(86400000)
#define BACKFILL 200 /* of each kind */

void news_free(struct news *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i].body);
	free(list);
}

/* ---- the stream ---- */

int repo_outbox_state(struct db *db, struct outbox_state *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db,
	                  "SELECT stream, next, acked, n_dropped, (SELECT count(*) FROM (SELECT 1 "
	                  "FROM outbox LIMIT 10000) AS some) "
	                  "FROM outbox_state",
	                  NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(err, -ENOENT, "this machine is no rig");
	*ret = (struct outbox_state){ .next = db_get_int(&r, 1),
		                      .acked = db_get_int(&r, 2),
		                      .n_dropped = db_get_int(&r, 3),
		                      .n_waits = db_get_int(&r, 4) };
	DB_GET_TEXT(&r, 0, ret->stream);
	return 0;
}

/* What there was before the machine became a rig; oldest first, as it happened. */
static int put_jobs_and_sessions(struct db *db, struct err *err)
{
	const struct repo_page page = { .limit = BACKFILL };
	struct session *sessions = NULL;
	struct job *jobs = NULL;
	size_t n_jobs = 0, n_sessions = 0;
	int rc = repo_job_list(db, &page, &jobs, &n_jobs, err);

	for (size_t i = n_jobs; rc == 0 && i-- > 0;)
		rc = repo_outbox_put(db, "job", jobs[i].id, jobs[i].started_wall_ms,
		                     json_job(&jobs[i]), err);
	free(jobs);
	if (rc == 0)
		rc = repo_session_list(db, &page, &sessions, &n_sessions, err);
	for (size_t i = n_sessions; rc == 0 && i-- > 0;)
		rc = repo_outbox_put(db, "session", sessions[i].id, sessions[i].started_wall_ms,
		                     json_session(&sessions[i]), err);
	free(sessions);
	return rc;
}

static int put_films_and_notices(struct db *db, struct err *err)
{
	const struct repo_page page = { .limit = BACKFILL };
	struct event_notice *notices = NULL;
	struct film *films = NULL;
	size_t n_films = 0, n_notices = 0;
	int rc = repo_film_list(db, &page, &films, &n_films, err);

	for (size_t i = n_films; rc == 0 && i-- > 0;)
		rc = repo_outbox_put(db, "film", films[i].id, films[i].made_wall_ms,
		                     json_film(&films[i]), err);
	free(films);
	if (rc == 0)
		rc = repo_notice_list(db, &page, &notices, &n_notices, err);
	for (size_t i = n_notices; rc == 0 && i-- > 0;)
		rc = repo_outbox_put(db, "notice", notices[i].id, notices[i].wall_ms,
		                     json_notice(&notices[i]), err);
	free(notices);
	return rc;
}

int repo_outbox_begin(struct db *db, int64_t wall_ms, struct err *err)
{
	struct outbox_state s;
	char stream[ID_SIZE];
	int rc = repo_outbox_state(db, &s, NULL);

	if (rc != -ENOENT)
		return rc;
	rc = db_run(db, "INSERT INTO outbox_state VALUES ($1, 1, 0, 0)",
	            DB_ARGS(db_text(id_new(stream, wall_ms))), err);
	if (rc == 0)
		rc = put_jobs_and_sessions(db, err);
	return rc == 0 ? put_films_and_notices(db, err) : rc;
}

int repo_outbox_end(struct db *db, struct err *err)
{
	return db_script(db,
	                 "DELETE FROM outbox; DELETE FROM outbox_state; DELETE FROM outbox_marks; "
	                 "DELETE FROM orders_taken;",
	                 err);
}

int repo_outbox_new_stream(struct db *db, int64_t wall_ms, struct err *err)
{
	char stream[ID_SIZE];

	return db_run(db, "UPDATE outbox_state SET stream = $1",
	              DB_ARGS(db_text(id_new(stream, wall_ms))), err);
}

/* ---- news ---- */

/* What comes in hundreds, and of which the last word alone says nothing of those before it. */
static bool is_small(const char *kind)
{
	return text_equal(kind, "layer") || text_equal(kind, "frame") ||
	       text_equal(kind, "climate") || text_equal(kind, "button");
}

/* 1: it may be put, 0: no. The number of the news in *ret. */
static int take_number(struct db *db, const char *kind, int64_t *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	bool is_full;
	int rc = db_query(db, "SELECT next, (SELECT min(number) FROM outbox) FROM outbox_state",
	                  NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc <= 0)
		return rc;
	*ret = db_get_int(&r, 0);
	is_full = db_get_int(&r, 1) > 0 && *ret - db_get_int(&r, 1) > REPO_OUTBOX_MAX;
	db_rows_fini(&r);
	if (is_full && is_small(kind)) {
		rc = db_run(db, "UPDATE outbox_state SET n_dropped = n_dropped + 1", NULL, err);
		return rc < 0 ? rc : 0;
	}
	rc = db_run(db, "UPDATE outbox_state SET next = next + 1", NULL, err);
	return rc < 0 ? rc : 1;
}

static int put_text(struct db *db, const struct news *n, struct err *err)
{
	int64_t number;
	int rc = take_number(db, n->kind, &number, err);

	if (rc <= 0)
		return rc;
	rc = db_run(db, "DELETE FROM outbox WHERE kind = $1 AND ref = $2",
	            DB_ARGS(db_text(n->kind), db_text(n->ref)), err);
	if (rc < 0)
		return rc;
	return db_run(db, "INSERT INTO outbox VALUES ($1, $2, $3, $4, $5)",
	              DB_ARGS(db_int(number), db_int(n->at_wall_ms), db_text(n->kind),
	                      db_text(n->ref), db_text(n->body)),
	              err);
}

int repo_outbox_put(struct db *db, const char *kind, const char *ref, int64_t wall_ms, json_t *body,
                    struct err *err)
{
	struct news n = { .at_wall_ms = wall_ms };
	int rc;

	TEXT_SET(n.kind, kind);
	TEXT_SET(n.ref, ref);
	n.body = body ? json_dumps(body, JSON_COMPACT | JSON_SHORT_REALS) : NULL;
	json_decref(body);
	if (!n.body || strlen(n.body) > REPO_NEWS_MAX_BODY)
		rc = err_set(err, -EMSGSIZE, "news of %s %s are too long for the hub", kind, ref);
	else
		rc = put_text(db, &n, err);
	free(n.body);
	return rc;
}

int repo_outbox_list(struct db *db, int64_t from, unsigned limit, size_t max_bytes,
                     struct news_list *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct news *list = mem_new_array(limit ? limit : 1, sizeof(*list));
	size_t n = 0, bytes = 0;
	int rc = db_query(db,
	                  "SELECT number, at_ms, kind, ref, body FROM outbox WHERE number >= $1 "
	                  "ORDER BY number LIMIT $2",
	                  DB_ARGS(db_int(from), db_int(limit)), &r, err);

	while (rc >= 0 && bytes < max_bytes && n < limit && (rc = db_next(&r, err)) > 0) {
		struct news *e = &list[n++];

		e->number = db_get_int(&r, 0);
		e->at_wall_ms = db_get_int(&r, 1);
		DB_GET_TEXT(&r, 2, e->kind);
		DB_GET_TEXT(&r, 3, e->ref);
		e->body = mem_str(db_peek_text(&r, 4));
		bytes += strlen(e->body) + 120;
	}
	if (rc < 0) {
		news_free(list, n);
		return rc;
	}
	*ret = (struct news_list){ list, n };
	return 0;
}

int repo_outbox_ack(struct db *db, int64_t number, struct err *err)
{
	int rc = db_run(db, "DELETE FROM outbox WHERE number <= $1", DB_ARGS(db_int(number)), err);

	if (rc < 0)
		return rc;
	return db_run(db,
	              "UPDATE outbox_state SET n_dropped = 0, acked = CASE WHEN acked > $1 THEN "
	              "acked ELSE $1 END",
	              DB_ARGS(db_int(number)), err);
}

/* ---- marks and orders ---- */

int repo_outbox_mark(struct db *db, const char *key, int64_t *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "SELECT value FROM outbox_marks WHERE key = $1",
	                  DB_ARGS(db_text(key)), &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	*ret = rc > 0 ? db_get_int(&r, 0) : 0;
	return 0;
}

int repo_outbox_set_mark(struct db *db, const char *key, int64_t value, struct err *err)
{
	return db_run(db,
	              "INSERT INTO outbox_marks VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET "
	              "value = excluded.value",
	              DB_ARGS(db_text(key), db_int(value)), err);
}

int repo_order_take(struct db *db, const char *id, int64_t wall_ms, struct err *err)
{
	int rc = db_run(db, "DELETE FROM orders_taken WHERE at_ms < $1",
	                DB_ARGS(db_int(wall_ms - ORDERS_KEPT_MS)), err);

	if (rc == 0)
		rc = db_run(db,
		            "INSERT INTO orders_taken VALUES ($1, $2) ON CONFLICT (id) DO NOTHING",
		            DB_ARGS(db_text(id), db_int(wall_ms)), err);
	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -EEXIST, "this order was carried out before");
	return rc;
}
