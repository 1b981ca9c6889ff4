/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_capture.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "model/json.h"
#include "store/repo_outbox.h"

#include <stdlib.h>

#define COLUMNS                                                                             \
	"id, printer, job, job_name, job_file, job_started_ms, layer, z_mm, trigger_kind, " \
	"mode, state, started_ms, ended_ms, n_points, n_done, n_pictures, paused_s, "       \
	"printer_wait_s, is_dry_run, folder, metadata, reason, session"

int repo_capture_save(struct db *db, const struct capture *c, struct err *err)
{
	int rc = db_run(
		db,
		"INSERT INTO captures (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
		"$10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) ON CONFLICT "
		"(id) DO UPDATE SET state = excluded.state, ended_ms = excluded.ended_ms, "
		"n_points = excluded.n_points, n_done = excluded.n_done, "
		"n_pictures = excluded.n_pictures, paused_s = excluded.paused_s, "
		"printer_wait_s = excluded.printer_wait_s, folder = excluded.folder, "
		"metadata = excluded.metadata, reason = excluded.reason, "
		"is_dry_run = excluded.is_dry_run",
		DB_ARGS(db_text(c->id), db_text(c->printer), db_text(c->job), db_text(c->job_name),
	                db_text(c->job_file), db_int(c->job_started_wall_ms), db_int(c->layer),
	                db_real(c->z_mm), db_text(capture_trigger_name(c->trigger)),
	                db_int(c->mode), db_text(capture_state_name(c->state)),
	                db_int(c->started_wall_ms), db_int(c->ended_wall_ms), db_int(c->n_points),
	                db_int(c->n_done), db_int(c->n_pictures), db_real(c->paused_s),
	                db_real(c->printer_wait_s), db_int(c->is_dry_run), db_text(c->folder),
	                db_text(c->metadata), db_text(c->text), db_text(c->session)),
		err);

	if (rc < 0)
		return rc;
	return repo_outbox_put(db, "capture", c->id,
	                       c->ended_wall_ms ? c->ended_wall_ms : c->started_wall_ms,
	                       json_capture(c), err);
}

static void read_capture(struct db_rows *r, void *element)
{
	struct capture *c = element;

	*c = (struct capture){ .state = CAPTURE_FAILED };
	DB_GET_TEXT(r, 0, c->id);
	DB_GET_TEXT(r, 1, c->printer);
	DB_GET_TEXT(r, 2, c->job);
	DB_GET_TEXT(r, 3, c->job_name);
	DB_GET_TEXT(r, 4, c->job_file);
	c->job_started_wall_ms = db_get_int(r, 5);
	c->layer = (int)db_get_int(r, 6);
	c->z_mm = db_get_real(r, 7);
	(void)capture_trigger_from_name(db_peek_text(r, 8), &c->trigger);
	c->mode = (int)db_get_int(r, 9);
	(void)capture_state_from_name(db_peek_text(r, 10), &c->state);
	c->started_wall_ms = db_get_int(r, 11);
	c->ended_wall_ms = db_get_int(r, 12);
	c->n_points = (unsigned)db_get_int(r, 13);
	c->n_done = (unsigned)db_get_int(r, 14);
	c->n_pictures = (unsigned)db_get_int(r, 15);
	c->paused_s = db_get_real(r, 16);
	c->printer_wait_s = db_get_real(r, 17);
	c->is_dry_run = db_get_int(r, 18) != 0;
	DB_GET_TEXT(r, 19, c->folder);
	DB_GET_TEXT(r, 20, c->metadata);
	DB_GET_TEXT(r, 21, c->text);
	DB_GET_TEXT(r, 22, c->session);
}

int repo_capture_end_running(struct db *db, const char *printer, const char *reason,
                             struct err *err)
{
	const struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM captures WHERE printer = $1 AND state = 'running'",
		.args = DB_ARGS(db_text(printer)),
		.read = read_capture,
		.size = sizeof(struct capture),
	};
	struct capture *list = NULL;
	size_t n = 0;
	int rc = repo_read_all(db, &q, (void **)&list, &n, err);

	/* One by one: a hub is told, too. */
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		list[i].state = CAPTURE_FAILED;
		TEXT_SET(list[i].text, reason);
		rc = repo_capture_save(db, &list[i], err);
	}
	free(list);
	return rc;
}

int repo_capture_get(struct db *db, const char *id, struct capture *ret, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM captures WHERE id = $1",
		.args = DB_ARGS(db_text(id)),
		.read = read_capture,
	};

	return repo_read_one(db, &q, ret, "capture", err);
}

static const char *or_null(const char *s)
{
	return s && *s ? s : NULL;
}

int repo_capture_list(struct db *db, const struct repo_capture_filter *f, struct capture **ret,
                      size_t *ret_n, struct err *err)
{
	unsigned limit = f->limit > 0 && f->limit < REPO_MAX_PAGE ? f->limit : REPO_MAX_PAGE;
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM captures WHERE ($1 IS NULL OR printer = $1) "
		       "AND ($2 IS NULL OR job = $2) AND ($3 < 0 OR layer = $3) "
		       "AND ($4 IS NULL OR id < $4) ORDER BY id DESC LIMIT $5",
		.args = DB_ARGS(db_text(or_null(f->printer)), db_text(or_null(f->job)),
		                db_int(f->layer), db_text(or_null(f->before)), db_int(limit)),
		.read = read_capture,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

#define PICTURE_COLUMNS                                                                       \
	"capture, place, camera, file, thumbnail, x_mm, y_mm, z_mm, grid_x, grid_y, grid_z, " \
	"bytes, sha256, width, height, at_ms, is_still, telemetry"

int repo_capture_picture_save(struct db *db, const struct capture_picture *p, struct err *err)
{
	json_t *j = json_capture_telemetry(&p->telemetry);
	auto_free char *telemetry = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);

	json_decref(j);
	return db_run(
		db,
		"INSERT INTO capture_pictures (" PICTURE_COLUMNS ") VALUES ($1, $2, $3, $4, "
		"$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) ON CONFLICT "
		"(capture, place, camera) DO UPDATE SET file = excluded.file, thumbnail = "
		"excluded.thumbnail, bytes = excluded.bytes, sha256 = excluded.sha256",
		DB_ARGS(db_text(p->capture), db_int(p->index), db_text(p->camera), db_text(p->file),
	                db_text(p->thumbnail), db_real(p->x_mm), db_real(p->y_mm), db_real(p->z_mm),
	                db_int(p->grid[0]), db_int(p->grid[1]), db_int(p->grid[2]),
	                db_int((int64_t)p->bytes), db_text(p->sha256), db_int(p->width),
	                db_int(p->height), db_int(p->at_wall_ms), db_int(p->is_still),
	                db_text(telemetry ? telemetry : "{}")),
		err);
}

static void read_picture(struct db_rows *r, void *element)
{
	struct capture_picture *p = element;

	*p = (struct capture_picture){ 0 };
	DB_GET_TEXT(r, 0, p->capture);
	p->index = (unsigned)db_get_int(r, 1);
	DB_GET_TEXT(r, 2, p->camera);
	DB_GET_TEXT(r, 3, p->file);
	DB_GET_TEXT(r, 4, p->thumbnail);
	p->x_mm = db_get_real(r, 5);
	p->y_mm = db_get_real(r, 6);
	p->z_mm = db_get_real(r, 7);
	for (int i = 0; i < 3; i++)
		p->grid[i] = (int)db_get_int(r, 8 + i);
	p->bytes = (uint64_t)db_get_int(r, 11);
	DB_GET_TEXT(r, 12, p->sha256);
	p->width = (unsigned)db_get_int(r, 13);
	p->height = (unsigned)db_get_int(r, 14);
	p->at_wall_ms = db_get_int(r, 15);
	p->is_still = db_get_int(r, 16) != 0;

	json_t *j = json_loads(db_peek_text(r, 17), 0, NULL);

	json_to_capture_telemetry(&p->telemetry, j);
	json_decref(j);
}

int repo_capture_pictures(struct db *db, const char *capture, struct capture_picture **ret,
                          size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " PICTURE_COLUMNS " FROM capture_pictures WHERE capture = $1 "
		       "ORDER BY place, camera",
		.args = DB_ARGS(db_text(capture)),
		.read = read_picture,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_capture_delete(struct db *db, const char *id, struct err *err)
{
	return db_run(db, "DELETE FROM captures WHERE id = $1", DB_ARGS(db_text(id)), err);
}
