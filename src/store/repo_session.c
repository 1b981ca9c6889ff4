/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "model/json.h"
#include "store/repo_outbox.h"

#include <errno.h>
#include <string.h>

#define COLUMNS                                                                   \
	"id, printer, job, job_name, job_file, task_id, state, state_text, "      \
	"started_ms, ended_ms, n_frames, n_missed, layer, layers, bytes, "        \
	"forecast_bytes, is_thinned, keep_one_in, outcome, wants_film, "          \
	"min_frames, cameras, plan_fps, plan_duration_s, plan_hold_s, plan_crf, " \
	"plan_width, plan_height, plan_preset, frames_deleted_ms"

int repo_session_save(struct db *db, const struct session *s, struct err *err)
{
	const struct film_plan *p = &s->film;
	auto_buf struct buf cameras = { 0 };
	int rc;

	/* Ids of cameras are slugs: a blank parts them. */
	for (unsigned i = 0; i < MIN(s->n_cameras, (unsigned)SESSION_MAX_CAMERAS); i++)
		buf_printf(&cameras, "%s%s", i ? " " : "", s->cameras[i]);
	rc = db_run(db,
	            "INSERT INTO sessions (id, printer, job, job_name, job_file, task_id, state, "
	            "state_text, started_ms, ended_ms, n_frames, n_missed, layer, layers, bytes, "
	            "forecast_bytes, is_thinned, keep_one_in, outcome, wants_film, min_frames, "
	            "cameras, plan_fps, plan_duration_s, plan_hold_s, plan_crf, plan_width, "
	            "plan_height, plan_preset, frames_deleted_ms) VALUES ($1, $2, $3, $4, $5, $6, "
	            "$7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, "
	            "$23, $24, $25, $26, $27, $28, $29, $30) ON CONFLICT (id) DO UPDATE SET "
	            "printer = excluded.printer, job = excluded.job, job_name = "
	            "excluded.job_name, job_file = excluded.job_file, task_id = excluded.task_id, "
	            "state = excluded.state, state_text = excluded.state_text, started_ms = "
	            "excluded.started_ms, ended_ms = excluded.ended_ms, n_frames = "
	            "excluded.n_frames, n_missed = excluded.n_missed, layer = excluded.layer, "
	            "layers = excluded.layers, bytes = excluded.bytes, forecast_bytes = "
	            "excluded.forecast_bytes, is_thinned = excluded.is_thinned, keep_one_in = "
	            "excluded.keep_one_in, outcome = excluded.outcome, wants_film = "
	            "excluded.wants_film, min_frames = excluded.min_frames, cameras = "
	            "excluded.cameras, plan_fps = excluded.plan_fps, plan_duration_s = "
	            "excluded.plan_duration_s, plan_hold_s = excluded.plan_hold_s, plan_crf = "
	            "excluded.plan_crf, plan_width = excluded.plan_width, plan_height = "
	            "excluded.plan_height, plan_preset = excluded.plan_preset, frames_deleted_ms "
	            "= excluded.frames_deleted_ms",
	            DB_ARGS(db_text(s->id), db_text(s->printer), db_text(s->job),
	                    db_text(s->job_name), db_text(s->job_file), db_text(s->task_id),
	                    db_text(session_state_name(s->state)), db_text(s->state_text),
	                    db_int(s->started_wall_ms), db_int(s->ended_wall_ms),
	                    db_int(s->n_frames), db_int(s->n_missed), db_int(s->layer),
	                    db_int(s->layers), db_int((int64_t)s->bytes),
	                    db_int((int64_t)s->forecast_bytes), db_int(s->is_thinned),
	                    db_int(s->keep_one_in), db_text(s->outcome), db_int(s->wants_film),
	                    db_int(s->min_frames), db_text(buf_peek(&cameras)), db_real(p->fps),
	                    db_real(p->duration_s), db_real(p->hold_s), db_int(p->crf),
	                    db_int(p->width), db_int(p->height), db_text(p->preset),
	                    db_int(s->frames_deleted_wall_ms)),
	            err);
	if (rc < 0)
		return rc;
	return repo_outbox_put(db, "session", s->id,
	                       s->ended_wall_ms ? s->ended_wall_ms : s->started_wall_ms,
	                       json_session(s), err);
}

static void read_cameras(struct session *s, const char *words)
{
	while (*words != '\0' && s->n_cameras < SESSION_MAX_CAMERAS) {
		size_t n = strcspn(words, " ");

		text_copy_n(s->cameras[s->n_cameras++], MODEL_ID_SIZE, words, n);
		words += n + strspn(words + n, " ");
	}
}

static void read_session(struct db_rows *r, void *element)
{
	struct session *s = element;

	*s = (struct session){ .state = SESSION_DONE };
	DB_GET_TEXT(r, 0, s->id);
	DB_GET_TEXT(r, 1, s->printer);
	DB_GET_TEXT(r, 2, s->job);
	DB_GET_TEXT(r, 3, s->job_name);
	DB_GET_TEXT(r, 4, s->job_file);
	DB_GET_TEXT(r, 5, s->task_id);
	(void)session_state_from_name(db_peek_text(r, 6), &s->state);
	DB_GET_TEXT(r, 7, s->state_text);
	s->started_wall_ms = db_get_int(r, 8);
	s->ended_wall_ms = db_get_int(r, 9);
	s->n_frames = (uint32_t)db_get_int(r, 10);
	s->n_missed = (uint32_t)db_get_int(r, 11);
	s->layer = (int)db_get_int(r, 12);
	s->layers = (int)db_get_int(r, 13);
	s->bytes = (uint64_t)db_get_int(r, 14);
	s->forecast_bytes = (uint64_t)db_get_int(r, 15);
	s->is_thinned = db_get_int(r, 16) != 0;
	s->keep_one_in = (unsigned)db_get_int(r, 17);
	DB_GET_TEXT(r, 18, s->outcome);
	s->wants_film = db_get_int(r, 19) != 0;
	s->min_frames = (unsigned)db_get_int(r, 20);
	read_cameras(s, db_peek_text(r, 21));
	s->film.fps = db_get_real(r, 22);
	s->film.duration_s = db_get_real(r, 23);
	s->film.hold_s = db_get_real(r, 24);
	s->film.crf = (int)db_get_int(r, 25);
	s->film.width = (unsigned)db_get_int(r, 26);
	s->film.height = (unsigned)db_get_int(r, 27);
	DB_GET_TEXT(r, 28, s->film.preset);
	s->frames_deleted_wall_ms = db_get_int(r, 29);
}

int repo_session_get(struct db *db, const char *id, struct session *ret, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM sessions WHERE id = $1",
		.args = DB_ARGS(db_text(id)),
		.read = read_session,
	};

	return repo_read_one(db, &q, ret, "session", err);
}

int repo_session_list(struct db *db, const struct repo_page *page, struct session **ret,
                      size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM sessions WHERE ($1 IS NULL OR printer = $1) "
		       "AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
		.args = DB_ARGS(db_text(repo_printer(page)), db_text(repo_before(page)),
		                db_int(repo_limit(page))),
		.read = read_session,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_session_unfinished(struct db *db, struct session **ret, size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM sessions WHERE state <> 'done' ORDER BY id DESC",
		.read = read_session,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_session_with_frames(struct db *db, unsigned limit, struct session **ret, size_t *ret_n,
                             struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM sessions WHERE state = 'done' "
		       "AND frames_deleted_ms = 0 AND n_frames > 0 AND id IN (SELECT session "
		       "FROM films WHERE state = 'verified') ORDER BY id LIMIT $1",
		.args = DB_ARGS(db_int(limit)),
		.read = read_session,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_session_delete(struct db *db, const char *id, struct err *err)
{
	int rc = db_run(db, "DELETE FROM sessions WHERE id = $1", DB_ARGS(db_text(id)), err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no session of this id");
	return rc;
}

int repo_sum_bytes(struct db *db, uint64_t *ret_frames, uint64_t *ret_films, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db,
	                  "SELECT (SELECT coalesce(sum(bytes), 0) FROM sessions "
	                  "WHERE frames_deleted_ms = 0), "
	                  "(SELECT coalesce(sum(bytes), 0) FROM films)",
	                  NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	*ret_frames = (uint64_t)db_get_int(&r, 0);
	*ret_films = (uint64_t)db_get_int(&r, 1);
	return 0;
}
