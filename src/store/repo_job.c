/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "model/json.h"
#include "store/repo_outbox.h"

#define COLUMNS                                                                    \
	"id, printer, name, file, task_id, plate, started_ms, ended_ms, outcome, " \
	"reason, layer, layers, estimate_s, filament_g, gcode_path"

int repo_job_save(struct db *db, const struct job *j, struct err *err)
{
	int rc = db_run(
		db,
		"INSERT INTO jobs (id, printer, name, file, task_id, plate, started_ms, "
		"ended_ms, outcome, reason, layer, layers, estimate_s, filament_g, "
		"gcode_path) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
		"$14, $15) ON CONFLICT (id) DO UPDATE SET printer = excluded.printer, name = "
		"excluded.name, file = excluded.file, task_id = excluded.task_id, plate = "
		"excluded.plate, started_ms = excluded.started_ms, ended_ms = "
		"excluded.ended_ms, outcome = excluded.outcome, reason = excluded.reason, "
		"layer = excluded.layer, layers = excluded.layers, estimate_s = "
		"excluded.estimate_s, filament_g = excluded.filament_g, gcode_path = "
		"excluded.gcode_path",
		DB_ARGS(db_text(j->id), db_text(j->printer), db_text(j->name), db_text(j->file),
	                db_text(j->task_id), db_text(j->plate), db_int(j->started_wall_ms),
	                db_int(j->ended_wall_ms), db_text(job_outcome_name(j->outcome)),
	                db_text(j->reason), db_int(j->layer), db_int(j->layers),
	                db_real(j->estimate_s), db_real(j->filament_g), db_text(j->gcode_path)),
		err);

	if (rc < 0)
		return rc;
	return repo_outbox_put(db, "job", j->id,
	                       j->ended_wall_ms ? j->ended_wall_ms : j->started_wall_ms,
	                       json_job(j), err);
}

static void read_job(struct db_rows *r, void *element)
{
	struct job *j = element;

	*j = (struct job){ .outcome = JOB_LOST };
	DB_GET_TEXT(r, 0, j->id);
	DB_GET_TEXT(r, 1, j->printer);
	DB_GET_TEXT(r, 2, j->name);
	DB_GET_TEXT(r, 3, j->file);
	DB_GET_TEXT(r, 4, j->task_id);
	DB_GET_TEXT(r, 5, j->plate);
	j->started_wall_ms = db_get_int(r, 6);
	j->ended_wall_ms = db_get_int(r, 7);
	(void)job_outcome_from_name(db_peek_text(r, 8), &j->outcome);
	DB_GET_TEXT(r, 9, j->reason);
	j->layer = (int)db_get_int(r, 10);
	j->layers = (int)db_get_int(r, 11);
	j->estimate_s = db_get_real(r, 12);
	j->filament_g = db_get_real(r, 13);
	DB_GET_TEXT(r, 14, j->gcode_path);
}

int repo_job_get(struct db *db, const char *id, struct job *ret, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM jobs WHERE id = $1",
		.args = DB_ARGS(db_text(id)),
		.read = read_job,
	};

	return repo_read_one(db, &q, ret, "job", err);
}

int repo_job_list(struct db *db, const struct repo_page *page, struct job **ret, size_t *ret_n,
                  struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM jobs WHERE ($1 IS NULL OR printer = $1) "
		       "AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
		.args = DB_ARGS(db_text(repo_printer(page)), db_text(repo_before(page)),
		                db_int(repo_limit(page))),
		.read = read_job,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_job_running(struct db *db, struct job **ret, size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM jobs WHERE outcome = 'running' ORDER BY id DESC",
		.read = read_job,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}
