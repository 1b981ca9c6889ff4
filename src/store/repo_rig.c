/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_rig.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS                                                           \
	"id, name, key_hash, made_by, version, paired_ms, last_seen_ms, " \
	"status_delay_ms, climate_delay_ms, image_delay_ms, n_news"

static int say_taken(int rc, const char *name, struct err *err)
{
	if (rc == -EEXIST)
		return err_set(err, rc, "there is a rig called '%s' already", name);
	return rc;
}

int repo_rig_add(struct db *db, const struct rig_record *r, struct err *err)
{
	int rc = db_run(db,
	                "INSERT INTO rigs (" COLUMNS ")"
	                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0)",
	                DB_ARGS(db_text(r->id), db_text(r->name), db_text(r->key_hash),
	                        db_text(r->made_by), db_text(r->version), db_int(r->paired_wall_ms),
	                        db_int(r->last_seen_wall_ms), db_int(r->delays.status_ms),
	                        db_int(r->delays.climate_ms), db_int(r->delays.image_ms)),
	                err);

	return say_taken(rc, r->name, err);
}

int repo_rig_remove(struct db *db, const char *id, struct err *err)
{
	int rc = db_run(db, "DELETE FROM rigs WHERE id = $1", DB_ARGS(db_text(id)), err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no such rig any more");
	return rc;
}

int repo_rig_change(struct db *db, const char *id, const char *name, const struct rig_delays *d,
                    struct err *err)
{
	int rc = db_run(db,
	                "UPDATE rigs SET name = CASE WHEN $2 = '' THEN name ELSE $2 END, "
	                "status_delay_ms = CASE WHEN $3 < 0 THEN status_delay_ms ELSE $3 END, "
	                "climate_delay_ms = CASE WHEN $4 < 0 THEN climate_delay_ms ELSE $4 END, "
	                "image_delay_ms = CASE WHEN $5 < 0 THEN image_delay_ms ELSE $5 END "
	                "WHERE id = $1",
	                DB_ARGS(db_text(id), db_text(name), db_int(d->status_ms),
	                        db_int(d->climate_ms), db_int(d->image_ms)),
	                err);

	return say_taken(rc, name, err);
}

int repo_rig_seen(struct db *db, const char *id, const char *version, int64_t wall_ms,
                  struct err *err)
{
	return db_run(db, "UPDATE rigs SET version = $2, last_seen_ms = $3 WHERE id = $1",
	              DB_ARGS(db_text(id), db_text(version), db_int(wall_ms)), err);
}

static void read_rig(struct db_rows *r, struct rig_record *ret)
{
	*ret = (struct rig_record){ .paired_wall_ms = db_get_int(r, 5),
		                    .last_seen_wall_ms = db_get_int(r, 6),
		                    .delays = { .status_ms = db_get_int(r, 7),
		                                .climate_ms = db_get_int(r, 8),
		                                .image_ms = db_get_int(r, 9) },
		                    .n_news = db_get_int(r, 10) };
	DB_GET_TEXT(r, 0, ret->id);
	DB_GET_TEXT(r, 1, ret->name);
	DB_GET_TEXT(r, 2, ret->key_hash);
	DB_GET_TEXT(r, 3, ret->made_by);
	DB_GET_TEXT(r, 4, ret->version);
}

int repo_rig_list(struct db *db, struct rig_record **ret, size_t *ret_n, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct rig_record *list = mem_new_array(REPO_MAX_RIGS, sizeof(*list));
	size_t n = 0;
	int rc = db_query(db, "SELECT " COLUMNS " FROM rigs ORDER BY name LIMIT $1",
	                  DB_ARGS(db_int(REPO_MAX_RIGS)), &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0 && n < REPO_MAX_RIGS)
		read_rig(&r, &list[n++]);
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- news ---- */

static int get_number(struct db *db, const char *sql, const struct db_arg *args, int64_t *ret,
                      struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, sql, args, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc > 0)
		*ret = db_get_int(&r, 0);
	return rc;
}

int repo_rig_have(struct db *db, const char *rig, const char *stream, int64_t *ret, struct err *err)
{
	int rc;

	*ret = 0;
	rc = get_number(db, "SELECT have FROM rig_streams WHERE rig = $1 AND stream = $2",
	                DB_ARGS(db_text(rig), db_text(stream)), ret, err);
	return rc < 0 ? rc : 0;
}

static int commit_one(struct db *db, const struct repo_rig_batch *b, const struct news *n,
                      int64_t place, struct err *err)
{
	return db_run(db,
	              "INSERT INTO rig_news (rig, kind, ref, place, at_ms, heard_ms, body)"
	              " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (rig, kind, ref) DO UPDATE"
	              " SET place = excluded.place, at_ms = excluded.at_ms, heard_ms ="
	              " excluded.heard_ms, body = excluded.body",
	              DB_ARGS(db_text(b->rig), db_text(n->kind), db_text(n->ref), db_int(place),
	                      db_int(n->at_wall_ms), db_int(b->heard_wall_ms), db_text(n->body)),
	              err);
}

int repo_rig_commit(struct db *db, const struct repo_rig_batch *b, struct err *err)
{
	int64_t have = 0, place = 0;
	int rc = get_number(db, "SELECT n_news FROM rigs WHERE id = $1", DB_ARGS(db_text(b->rig)),
	                    &place, err);

	if (rc == 0)
		return err_set(err, -ESTALE, "the rig is no longer one of ours");
	if (rc > 0)
		rc = repo_rig_have(db, b->rig, b->stream, &have, err);
	if (rc >= 0 && have < b->after)
		rc = err_set(err, -EAGAIN, "those before them are not kept");
	for (size_t i = 0; rc >= 0 && i < b->n; i++) {
		b->is_fresh[i] = b->news[i].number > have;
		if (!b->is_fresh[i])
			continue;
		have = b->news[i].number;
		rc = commit_one(db, b, &b->news[i], ++place, err);
	}
	if (rc >= 0)
		rc = db_run(db,
		            "INSERT INTO rig_streams (rig, stream, have) VALUES ($1, $2, $3)"
		            " ON CONFLICT (rig, stream) DO UPDATE SET have = excluded.have",
		            DB_ARGS(db_text(b->rig), db_text(b->stream), db_int(have)), err);
	if (rc >= 0)
		rc = db_run(db, "UPDATE rigs SET n_news = $2, last_seen_ms = $3 WHERE id = $1",
		            DB_ARGS(db_text(b->rig), db_int(place), db_int(b->heard_wall_ms)), err);
	return rc;
}

void rig_news_free(struct rig_news *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++)
		free(list[i].news.body);
	free(list);
}

int repo_rig_news(struct db *db, const struct rig_news_page *page, struct rig_news **ret,
                  size_t *ret_n, struct err *err)
{
	const unsigned limit = page->limit;
	const char *kind = page->kind;
	auto_rows struct db_rows r = { 0 };
	struct rig_news *list = mem_new_array(limit ? limit : 1, sizeof(*list));
	size_t n = 0;
	int rc = db_query(db,
	                  "SELECT place, at_ms, kind, ref, body, heard_ms FROM rig_news"
	                  " WHERE rig = $1 AND ($2 IS NULL OR kind = $2) AND ($3 = 0 OR place < $3)"
	                  " ORDER BY place DESC LIMIT $4",
	                  DB_ARGS(db_text(page->rig), db_text(kind && *kind ? kind : NULL),
	                          db_int(page->before), db_int(limit)),
	                  &r, err);

	while (rc >= 0 && n < limit && (rc = db_next(&r, err)) > 0) {
		struct rig_news *e = &list[n++];

		e->news.number = db_get_int(&r, 0);
		e->news.at_wall_ms = db_get_int(&r, 1);
		DB_GET_TEXT(&r, 2, e->news.kind);
		DB_GET_TEXT(&r, 3, e->news.ref);
		e->news.body = mem_str(db_peek_text(&r, 4));
		e->heard_wall_ms = db_get_int(&r, 5);
	}
	if (rc < 0) {
		rig_news_free(list, n);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int repo_rig_prune(struct db *db, unsigned keep, struct err *err)
{
	return db_run(db,
	              "DELETE FROM rig_news WHERE kind IN ('layer', 'frame', 'climate', 'button')"
	              " AND place <= (SELECT n_news FROM rigs WHERE id = rig_news.rig) - $1",
	              DB_ARGS(db_int(keep)), err);
}
