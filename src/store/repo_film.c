/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "base/err.h"
#include "model/json.h"
#include "store/repo_outbox.h"

#include <errno.h>

#define COLUMNS                                                                 \
	"id, session, printer, camera, job_name, file, poster, state, text, "   \
	"made_ms, duration_s, fps, width, height, n_frames, n_skipped, bytes, " \
	"progress_percent, plan_fps, plan_duration_s, plan_hold_s, plan_crf, "  \
	"plan_width, plan_height, plan_preset, sha256"

int repo_film_save(struct db *db, const struct film *f, struct err *err)
{
	const struct film_plan *p = &f->plan;
	int rc = db_run(
		db,
		"INSERT INTO films (id, session, printer, camera, job_name, file, poster, "
		"state, text, made_ms, duration_s, fps, width, height, n_frames, n_skipped, "
		"bytes, progress_percent, plan_fps, plan_duration_s, plan_hold_s, plan_crf, "
		"plan_width, plan_height, plan_preset, sha256) VALUES ($1, $2, $3, $4, $5, $6, $7, "
		"$8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, "
		"$23, $24, $25, $26) ON CONFLICT (id) DO UPDATE SET session = excluded.session, "
		"printer = excluded.printer, camera = excluded.camera, job_name = "
		"excluded.job_name, file = excluded.file, poster = excluded.poster, state = "
		"excluded.state, text = excluded.text, made_ms = excluded.made_ms, duration_s "
		"= excluded.duration_s, fps = excluded.fps, width = excluded.width, height = "
		"excluded.height, n_frames = excluded.n_frames, n_skipped = "
		"excluded.n_skipped, bytes = excluded.bytes, progress_percent = "
		"excluded.progress_percent, plan_fps = excluded.plan_fps, plan_duration_s = "
		"excluded.plan_duration_s, plan_hold_s = excluded.plan_hold_s, plan_crf = "
		"excluded.plan_crf, plan_width = excluded.plan_width, plan_height = "
		"excluded.plan_height, plan_preset = excluded.plan_preset, "
		"sha256 = excluded.sha256",
		DB_ARGS(db_text(f->id), db_text(f->session), db_text(f->printer),
	                db_text(f->camera), db_text(f->job_name), db_text(f->file),
	                db_text(f->poster), db_text(film_state_name(f->state)), db_text(f->text),
	                db_int(f->made_wall_ms), db_real(f->duration_s), db_real(f->fps),
	                db_int(f->width), db_int(f->height), db_int(f->n_frames),
	                db_int(f->n_skipped), db_int((int64_t)f->bytes),
	                db_int(f->progress_percent), db_real(p->fps), db_real(p->duration_s),
	                db_real(p->hold_s), db_int(p->crf), db_int(p->width), db_int(p->height),
	                db_text(p->preset), db_text(f->sha256)),
		err);

	if (rc < 0)
		return rc;
	return repo_outbox_put(db, "film", f->id, f->made_wall_ms, json_film(f), err);
}

static void read_film(struct db_rows *r, void *element)
{
	struct film *f = element;

	*f = (struct film){ .state = FILM_FAILED };
	DB_GET_TEXT(r, 0, f->id);
	DB_GET_TEXT(r, 1, f->session);
	DB_GET_TEXT(r, 2, f->printer);
	DB_GET_TEXT(r, 3, f->camera);
	DB_GET_TEXT(r, 4, f->job_name);
	DB_GET_TEXT(r, 5, f->file);
	DB_GET_TEXT(r, 6, f->poster);
	(void)film_state_from_name(db_peek_text(r, 7), &f->state);
	DB_GET_TEXT(r, 8, f->text);
	f->made_wall_ms = db_get_int(r, 9);
	f->duration_s = db_get_real(r, 10);
	f->fps = db_get_real(r, 11);
	f->width = (unsigned)db_get_int(r, 12);
	f->height = (unsigned)db_get_int(r, 13);
	f->n_frames = (uint32_t)db_get_int(r, 14);
	f->n_skipped = (uint32_t)db_get_int(r, 15);
	f->bytes = (uint64_t)db_get_int(r, 16);
	f->progress_percent = (int)db_get_int(r, 17);
	f->plan.fps = db_get_real(r, 18);
	f->plan.duration_s = db_get_real(r, 19);
	f->plan.hold_s = db_get_real(r, 20);
	f->plan.crf = (int)db_get_int(r, 21);
	f->plan.width = (unsigned)db_get_int(r, 22);
	f->plan.height = (unsigned)db_get_int(r, 23);
	DB_GET_TEXT(r, 24, f->plan.preset);
	DB_GET_TEXT(r, 25, f->sha256);
}

int repo_film_get(struct db *db, const char *id, struct film *ret, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM films WHERE id = $1",
		.args = DB_ARGS(db_text(id)),
		.read = read_film,
	};

	return repo_read_one(db, &q, ret, "film", err);
}

int repo_film_list(struct db *db, const struct repo_page *page, struct film **ret, size_t *ret_n,
                   struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM films WHERE ($1 IS NULL OR printer = $1) "
		       "AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
		.args = DB_ARGS(db_text(repo_printer(page)), db_text(repo_before(page)),
		                db_int(repo_limit(page))),
		.read = read_film,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_film_of_session(struct db *db, const char *session, struct film **ret, size_t *ret_n,
                         struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM films WHERE session = $1 ORDER BY id DESC",
		.args = DB_ARGS(db_text(session)),
		.read = read_film,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_film_unfinished(struct db *db, struct film **ret, size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS
		       " FROM films WHERE state IN ('growing', 'finishing', 'ready') "
		       "ORDER BY id DESC",
		.read = read_film,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_film_delete(struct db *db, const char *id, struct err *err)
{
	int rc = db_run(db, "DELETE FROM films WHERE id = $1", DB_ARGS(db_text(id)), err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no film of this id");
	return rc;
}
