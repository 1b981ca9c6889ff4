/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/migrate.h"

#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "store/db.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

struct migration {
	const char *title;
	bool changes_rows; /* the file is copied first */
	const char *sql;
};

/* clang-format off */
static const char first_sql[] =
	"CREATE TABLE jobs ("
	" id TEXT PRIMARY KEY, printer TEXT NOT NULL, name TEXT NOT NULL, file TEXT NOT NULL,"
	" task_id TEXT NOT NULL, plate TEXT NOT NULL, started_ms BIGINT NOT NULL,"
	" ended_ms BIGINT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL,"
	" layer INTEGER NOT NULL, layers INTEGER NOT NULL, estimate_s DOUBLE PRECISION,"
	" filament_g DOUBLE PRECISION, gcode_path TEXT NOT NULL);"
	"CREATE INDEX jobs_by_printer ON jobs (printer, id);"
	"CREATE INDEX jobs_running ON jobs (outcome) WHERE outcome = 'running';"

	"CREATE TABLE layers ("
	" job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, number INTEGER NOT NULL,"
	" printer TEXT NOT NULL, layers INTEGER NOT NULL, z_mm DOUBLE PRECISION,"
	" at_us BIGINT NOT NULL, at_ms BIGINT NOT NULL, confidence DOUBLE PRECISION NOT NULL,"
	" reason TEXT NOT NULL, is_catching_up INTEGER NOT NULL, PRIMARY KEY (job, number));"

	"CREATE TABLE sessions ("
	" id TEXT PRIMARY KEY, printer TEXT NOT NULL, job TEXT NOT NULL, job_name TEXT NOT NULL,"
	" job_file TEXT NOT NULL, task_id TEXT NOT NULL, state TEXT NOT NULL,"
	" state_text TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL,"
	" n_frames INTEGER NOT NULL, n_missed INTEGER NOT NULL, layer INTEGER NOT NULL,"
	" layers INTEGER NOT NULL, bytes BIGINT NOT NULL, forecast_bytes BIGINT NOT NULL,"
	" is_thinned INTEGER NOT NULL, keep_one_in INTEGER NOT NULL, outcome TEXT NOT NULL,"
	" wants_film INTEGER NOT NULL, min_frames INTEGER NOT NULL, cameras TEXT NOT NULL,"
	" plan_fps DOUBLE PRECISION NOT NULL, plan_duration_s DOUBLE PRECISION NOT NULL,"
	" plan_hold_s DOUBLE PRECISION NOT NULL, plan_crf INTEGER NOT NULL,"
	" plan_width INTEGER NOT NULL, plan_height INTEGER NOT NULL, plan_preset TEXT NOT NULL,"
	" frames_deleted_ms BIGINT NOT NULL);"
	"CREATE INDEX sessions_by_printer ON sessions (printer, id);"
	"CREATE INDEX sessions_unfinished ON sessions (state) WHERE state <> 'done';"

	"CREATE TABLE films ("
	" id TEXT PRIMARY KEY, session TEXT NOT NULL, printer TEXT NOT NULL,"
	" camera TEXT NOT NULL, job_name TEXT NOT NULL, file TEXT NOT NULL,"
	" poster TEXT NOT NULL, state TEXT NOT NULL, text TEXT NOT NULL,"
	" made_ms BIGINT NOT NULL, duration_s DOUBLE PRECISION NOT NULL,"
	" fps DOUBLE PRECISION NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,"
	" n_frames INTEGER NOT NULL, n_skipped INTEGER NOT NULL, bytes BIGINT NOT NULL,"
	" progress_percent INTEGER NOT NULL, plan_fps DOUBLE PRECISION NOT NULL,"
	" plan_duration_s DOUBLE PRECISION NOT NULL, plan_hold_s DOUBLE PRECISION NOT NULL,"
	" plan_crf INTEGER NOT NULL, plan_width INTEGER NOT NULL, plan_height INTEGER NOT NULL,"
	" plan_preset TEXT NOT NULL);"
	"CREATE INDEX films_by_session ON films (session);"
	"CREATE INDEX films_by_printer ON films (printer, id);"

	"CREATE TABLE notices ("
	" id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL, level INTEGER NOT NULL,"
	" topic TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL);"

	"CREATE TABLE users ("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
	" password_hash TEXT NOT NULL, role TEXT NOT NULL, is_root INTEGER NOT NULL,"
	" created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL,"
	" last_seen_ms BIGINT NOT NULL);"

	"CREATE TABLE logins ("
	" token_hash TEXT PRIMARY KEY,"
	" user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, csrf TEXT NOT NULL,"
	" created_ms BIGINT NOT NULL, expires_ms BIGINT NOT NULL, address TEXT NOT NULL,"
	" agent TEXT NOT NULL, is_remembered INTEGER NOT NULL);"
	"CREATE INDEX logins_by_user ON logins (user_id);"

	"CREATE TABLE api_keys ("
	" id TEXT PRIMARY KEY,"
	" user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, name TEXT NOT NULL,"
	" secret_hash TEXT NOT NULL, scopes TEXT NOT NULL, created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL, last_used_ms BIGINT NOT NULL,"
	" revoked_ms BIGINT NOT NULL);"

	/* `user` is a reserved word in PostgreSQL, hence user_name. */
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY, at_ms BIGINT NOT NULL, user_name TEXT NOT NULL,"
	" address TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL,"
	" text TEXT NOT NULL);"

	"CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL);";

static const char captures_sql[] =
	"CREATE TABLE captures ("
	" id TEXT PRIMARY KEY, printer TEXT NOT NULL, job TEXT NOT NULL, job_name TEXT NOT NULL,"
	" job_file TEXT NOT NULL, job_started_ms BIGINT NOT NULL, layer INTEGER NOT NULL,"
	" z_mm DOUBLE PRECISION, trigger_kind TEXT NOT NULL, mode INTEGER NOT NULL,"
	" state TEXT NOT NULL, started_ms BIGINT NOT NULL, ended_ms BIGINT NOT NULL,"
	" n_points INTEGER NOT NULL, n_done INTEGER NOT NULL, n_pictures INTEGER NOT NULL,"
	" paused_s DOUBLE PRECISION NOT NULL, printer_wait_s DOUBLE PRECISION NOT NULL,"
	" is_dry_run INTEGER NOT NULL, folder TEXT NOT NULL, metadata TEXT NOT NULL,"
	" reason TEXT NOT NULL);"
	"CREATE INDEX captures_by_job ON captures (job, layer);"
	"CREATE INDEX captures_by_printer ON captures (printer, id);"

	"CREATE TABLE capture_pictures ("
	" capture TEXT NOT NULL REFERENCES captures (id) ON DELETE CASCADE,"
	" place INTEGER NOT NULL, camera TEXT NOT NULL, file TEXT NOT NULL,"
	" thumbnail TEXT NOT NULL, x_mm DOUBLE PRECISION, y_mm DOUBLE PRECISION,"
	" z_mm DOUBLE PRECISION, grid_x INTEGER NOT NULL, grid_y INTEGER NOT NULL,"
	" grid_z INTEGER NOT NULL, bytes BIGINT NOT NULL, sha256 TEXT NOT NULL,"
	" width INTEGER NOT NULL, height INTEGER NOT NULL, at_ms BIGINT NOT NULL,"
	" is_still INTEGER NOT NULL, PRIMARY KEY (capture, place, camera));";
/* clang-format on */

/* clang-format off */
static const char tokens_sql[] =
	"CREATE TABLE camera_tokens ("
	" id TEXT PRIMARY KEY, camera TEXT NOT NULL, name TEXT NOT NULL,"
	" secret_hash TEXT NOT NULL, made_by TEXT NOT NULL, created_ms BIGINT NOT NULL,"
	" expires_ms BIGINT NOT NULL, last_used_ms BIGINT NOT NULL);";
/* clang-format on */

/* clang-format off */
static const char rigs_sql[] =
	/* On a rig: what its hub does not have yet. One row of outbox_state, or none: no rig. */
	"CREATE TABLE outbox_state ("
	" stream TEXT PRIMARY KEY, next BIGINT NOT NULL, acked BIGINT NOT NULL,"
	" n_dropped BIGINT NOT NULL);"
	"CREATE TABLE outbox ("
	" number BIGINT PRIMARY KEY, at_ms BIGINT NOT NULL, kind TEXT NOT NULL,"
	" ref TEXT NOT NULL, body TEXT NOT NULL);"
	"CREATE INDEX outbox_by_ref ON outbox (kind, ref);"
	"CREATE TABLE outbox_marks (key TEXT PRIMARY KEY, value BIGINT NOT NULL);"
	"CREATE TABLE orders_taken (id TEXT PRIMARY KEY, at_ms BIGINT NOT NULL);"

	/* On a hub. */
	"CREATE TABLE rigs ("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE,"
	" key_hash TEXT NOT NULL, made_by TEXT NOT NULL, version TEXT NOT NULL,"
	" paired_ms BIGINT NOT NULL, last_seen_ms BIGINT NOT NULL,"
	" status_delay_ms BIGINT NOT NULL, climate_delay_ms BIGINT NOT NULL,"
	" image_delay_ms BIGINT NOT NULL, n_news BIGINT NOT NULL);"
	"CREATE TABLE rig_streams ("
	" rig TEXT NOT NULL REFERENCES rigs (id) ON DELETE CASCADE, stream TEXT NOT NULL,"
	" have BIGINT NOT NULL, PRIMARY KEY (rig, stream));"
	"CREATE TABLE rig_news ("
	" rig TEXT NOT NULL REFERENCES rigs (id) ON DELETE CASCADE, kind TEXT NOT NULL,"
	" ref TEXT NOT NULL, place BIGINT NOT NULL, at_ms BIGINT NOT NULL,"
	" heard_ms BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (rig, kind, ref));"
	"CREATE INDEX rig_news_by_place ON rig_news (rig, kind, place);";
/* clang-format on */

/* clang-format off */
static const char film_digest_sql[] =
	"ALTER TABLE films ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';";
/* clang-format on */

/* clang-format off */
static const char climate_sql[] =
	"CREATE TABLE climate ("
	" location TEXT NOT NULL, at_ms BIGINT NOT NULL, source TEXT NOT NULL,"
	" temp_c DOUBLE PRECISION, humidity DOUBLE PRECISION,"
	" PRIMARY KEY (location, at_ms));"
	"CREATE INDEX climate_by_time ON climate (at_ms);";
/* clang-format on */

static const char telemetry_sql[] =
	"ALTER TABLE capture_pictures ADD COLUMN telemetry TEXT NOT NULL DEFAULT '{}';";

static const char capture_session_sql[] =
	"ALTER TABLE captures ADD COLUMN session TEXT NOT NULL DEFAULT '';";

/* Version N is the N-th line, counted from 1. */
static const struct migration migrations[] = {
	{ "the first schema", false, first_sql },
	{ "camera tokens", false, tokens_sql },
	{ "layer captures", false, captures_sql },
	{ "rigs and hubs", false, rigs_sql },
	{ "digests of films", false, film_digest_sql },
	{ "the climate of places", false, climate_sql },
	{ "telemetry of pictures", false, telemetry_sql },
	{ "sessions of captures", false, capture_session_sql },
};

int migrate_newest(void)
{
	return (int)ARRAY_LEN(migrations);
}

static int keep_copy(struct db *db, const char *backups_dir, int version, struct err *err)
{
	char path[4096], at[WHEN_TEXT_SIZE];
	int64_t now_ms = (int64_t)time(NULL) * 1000;
	int rc = fs_make_dirs(backups_dir, err);

	if (rc < 0)
		return rc;
	if (snprintf(path, sizeof(path), "%s/bedside-v%d-%s.db", backups_dir, version,
	             when_file_name(at, now_ms)) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", backups_dir);
	return db_copy(db, path, err);
}

static int run_one(struct db *db, int version, struct err *err)
{
	const struct migration *m = &migrations[version - 1];
	int rc = db_begin(db, err);

	if (rc < 0)
		return rc;
	rc = db_script(db, m->sql, err);
	if (rc == 0)
		rc = db_set_version(db, version, err);
	if (rc == 0)
		rc = db_commit(db, err);
	if (rc < 0) {
		db_rollback(db);
		return err_wrap(err, rc, "upgrading the database to version %d (%s)", version,
		                m->title);
	}
	return 0;
}

int migrate_run(struct db *db, const char *backups_dir, struct err *err)
{
	bool is_copied = false;
	int version;
	int rc = db_version(db, &version, err);

	if (rc < 0)
		return rc;
	if (version > migrate_newest())
		return err_set(err, -ENOTSUP,
		               "the database is of a newer Bedside (schema %d, this one knows %d): "
		               "install that version again, or restore a backup made by this one",
		               version, migrate_newest());
	while (version < migrate_newest()) {
		if (version > 0 && migrations[version].changes_rows && !is_copied) {
			rc = keep_copy(db, backups_dir, version, err);
			if (rc < 0)
				return err_wrap(err, rc, "copying the database before its upgrade");
			is_copied = true;
		}
		rc = run_one(db, ++version, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}
