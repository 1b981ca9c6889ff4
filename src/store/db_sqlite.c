/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_KEPT 64
#define BUSY_MS 5000

struct db {
	sqlite3 *sqlite;
	char path[1024];
	sqlite3_stmt *kept[MAX_KEPT]; /* prepared, not in use */
	unsigned next_to_drop;
};

/* What a result code means for a person. */
static const struct {
	int sqlite, code;
	const char *text;
} meanings[] = {
	{ SQLITE_FULL, -ENOSPC, "the disk is full; free some space, nothing was changed" },
	{ SQLITE_READONLY, -EROFS, "it cannot be written; check its owner and how it is mounted" },
	{ SQLITE_PERM, -EACCES, "it may not be read; check its owner and mode" },
	{ SQLITE_CANTOPEN, -EACCES, "it cannot be opened; check the folder's owner and mode" },
	{ SQLITE_BUSY, -EBUSY, "another program keeps it locked" },
	{ SQLITE_LOCKED, -EBUSY, "it is locked" },
	{ SQLITE_CORRUPT, -EBADMSG, "it is damaged" },
	{ SQLITE_NOTADB, -EBADMSG, "it is no database, or damaged" },
	{ SQLITE_IOERR, -EIO, "the disk reported an error; look at the system's log" },
	{ SQLITE_NOMEM, -ENOMEM, "out of memory" },
	{ SQLITE_TOOBIG, -EFBIG, "a value is too large" },
};

static int fail(struct db *db, int rc, struct err *err)
{
	const char *detail = sqlite3_errmsg(db->sqlite);
	int extended = sqlite3_extended_errcode(db->sqlite);

	if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY)
		return err_set(err, -EEXIST, "there is one already (%s)", detail);
	if (extended == SQLITE_CONSTRAINT_FOREIGNKEY)
		return err_set(err, -ENOENT, "it belongs to something that is not there (%s)",
		               detail);
	for (size_t i = 0; i < ARRAY_LEN(meanings); i++)
		if (meanings[i].sqlite == (rc & 0xff))
			return err_set(err, meanings[i].code, "the database %s: %s (%s)", db->path,
			               meanings[i].text, detail);
	return err_set(err, -EINVAL, "the database %s: %s", db->path, detail);
}

static int configure(struct db *db, enum db_mode mode, struct err *err)
{
	int rc;

	sqlite3_busy_timeout(db->sqlite, BUSY_MS);
	sqlite3_extended_result_codes(db->sqlite, 1);
	sqlite3_limit(db->sqlite, SQLITE_LIMIT_ATTACHED, 0);
	rc = db_script(db,
	               "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;"
	               "PRAGMA cell_size_check = ON; PRAGMA cache_size = -1024;",
	               err);
	/* FULL: an answered write lasts a power cut, also in WAL mode. */
	if (rc == 0 && mode == DB_READ_WRITE)
		rc = db_script(db,
		               "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
		               "PRAGMA journal_size_limit = 4194304;",
		               err);
	return rc;
}

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *err)
{
	struct db *db = MEM_NEW(struct db);
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

	flags |= mode == DB_READ_ONLY ? SQLITE_OPEN_READONLY
	                              : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	TEXT_SET(db->path, path);

	int rc = sqlite3_open_v2(path, &db->sqlite, flags, NULL);

	/* It holds the hashes of passwords; its WAL takes the same mode. A read-only one is left. */
	if (rc == SQLITE_OK && mode == DB_READ_WRITE)
		(void)chmod(path, 0600);
	rc = rc == SQLITE_OK ? configure(db, mode, err) : fail(db, rc, err);
	if (rc < 0) {
		db_close(db);
		return rc;
	}
	*ret = db;
	return 0;
}

void db_close(struct db *db)
{
	if (!db)
		return;
	for (size_t i = 0; i < MAX_KEPT; i++)
		sqlite3_finalize(db->kept[i]);
	sqlite3_close(db->sqlite);
	free(db);
}

int db_script(struct db *db, const char *sql, struct err *err)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(db, rc, err);
}

static sqlite3_stmt *take_kept(struct db *db, const char *sql)
{
	for (size_t i = 0; i < MAX_KEPT; i++) {
		sqlite3_stmt *s = db->kept[i];

		if (s && strcmp(sqlite3_sql(s), sql) == 0) {
			db->kept[i] = NULL;
			return s;
		}
	}
	return NULL;
}

static void keep(struct db *db, sqlite3_stmt *s)
{
	sqlite3_reset(s);
	sqlite3_clear_bindings(s);
	for (size_t i = 0; i < MAX_KEPT; i++)
		if (!db->kept[i]) {
			db->kept[i] = s;
			return;
		}
	db->next_to_drop = (db->next_to_drop + 1) % MAX_KEPT;
	sqlite3_finalize(db->kept[db->next_to_drop]);
	db->kept[db->next_to_drop] = s;
}

static int bind_one(sqlite3_stmt *s, int at, const struct db_arg *a)
{
	switch (a->kind) {
	case DB_INT:
		return sqlite3_bind_int64(s, at, a->i);
	case DB_REAL:
		return sqlite3_bind_double(s, at, a->d);
	case DB_TEXT:
		return sqlite3_bind_text(s, at, a->p, -1, SQLITE_TRANSIENT);
	case DB_BYTES:
		return sqlite3_bind_blob64(s, at, a->p, a->size, SQLITE_TRANSIENT);
	case DB_NULL:
	case DB_END:
		break;
	}
	return sqlite3_bind_null(s, at);
}

static int bind_all(sqlite3_stmt *s, const struct db_arg *args)
{
	int rc = SQLITE_OK;

	for (int i = 0; args && args[i].kind != DB_END && rc == SQLITE_OK; i++) {
		char name[16];

		/* SQLite numbers $names by their first appearance. */
		snprintf(name, sizeof(name), "$%d", i + 1);

		int at = sqlite3_bind_parameter_index(s, name);

		if (at > 0)
			rc = bind_one(s, at, &args[i]);
	}
	return rc;
}

int db_query(struct db *db, const char *sql, const struct db_arg *args, struct db_rows *ret,
             struct err *err)
{
	sqlite3_stmt *s = take_kept(db, sql);
	int rc = SQLITE_OK;

	if (!s)
		rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
	if (rc == SQLITE_OK)
		rc = bind_all(s, args);
	if (rc != SQLITE_OK) {
		rc = fail(db, rc, err);
		sqlite3_finalize(s);
		return rc;
	}
	*ret = (struct db_rows){ .db = db, .statement = s, .is_kept = true };
	return 0;
}

int db_next(struct db_rows *r, struct err *err)
{
	int rc = sqlite3_step(r->statement);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	rc = fail(r->db, rc, err);
	r->is_kept = false;
	return rc;
}

void db_rows_fini(struct db_rows *r)
{
	if (!r->statement)
		return;
	if (r->is_kept)
		keep(r->db, r->statement);
	else
		sqlite3_finalize(r->statement);
	r->statement = NULL;
}

int db_run(struct db *db, const char *sql, const struct db_arg *args, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, sql, args, &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
	}
	return rc;
}

int64_t db_changed(struct db *db)
{
	return sqlite3_changes64(db->sqlite);
}

int64_t db_last_key(struct db *db)
{
	return sqlite3_last_insert_rowid(db->sqlite);
}

int64_t db_get_int(struct db_rows *r, int column)
{
	return sqlite3_column_int64(r->statement, column);
}

double db_get_real(struct db_rows *r, int column)
{
	if (sqlite3_column_type(r->statement, column) == SQLITE_NULL)
		return (double)NAN;
	return sqlite3_column_double(r->statement, column);
}

const char *db_peek_text(struct db_rows *r, int column)
{
	const void *text = sqlite3_column_text(r->statement, column);

	return text ? text : "";
}

void db_get_text(struct db_rows *r, int column, char *dst, size_t size)
{
	text_copy(dst, size, db_peek_text(r, column));
}

const void *db_peek_bytes(struct db_rows *r, int column, size_t *ret_size)
{
	const void *bytes = sqlite3_column_blob(r->statement, column);

	*ret_size = (size_t)sqlite3_column_bytes(r->statement, column);
	return bytes;
}

int db_begin(struct db *db, struct err *err)
{
	return db_script(db, "BEGIN IMMEDIATE", err);
}

int db_commit(struct db *db, struct err *err)
{
	return db_script(db, "COMMIT", err);
}

void db_rollback(struct db *db)
{
	/* SQLite may have rolled back already; then this fails and that is fine. */
	(void)sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
}

int db_check(struct db *db, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "PRAGMA quick_check(1)", NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;

	const char *found = rc > 0 ? db_peek_text(&r, 0) : "no answer";

	if (strcmp(found, "ok") != 0)
		return err_set(err, -EBADMSG, "%s", found);
	return 0;
}

int db_version(struct db *db, int *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "PRAGMA user_version", NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	*ret = rc > 0 ? (int)db_get_int(&r, 0) : 0;
	return 0;
}

int db_set_version(struct db *db, int version, struct err *err)
{
	char sql[48];

	snprintf(sql, sizeof(sql), "PRAGMA user_version = %d", version);
	return db_script(db, sql, err);
}

static int sync_file(const char *path, struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, "syncing %s", path);
	return 0;
}

static int copy_pages(struct db *db, struct db *copy, struct err *err)
{
	sqlite3_backup *b = sqlite3_backup_init(copy->sqlite, "main", db->sqlite, "main");

	if (!b)
		return fail(copy, sqlite3_errcode(copy->sqlite), err);
	/* In one step: it then sees one state, whoever writes meanwhile. */
	(void)sqlite3_backup_step(b, -1);

	int rc = sqlite3_backup_finish(b);

	return rc == SQLITE_OK ? 0 : fail(copy, rc, err);
}

int db_copy(struct db *db, const char *dest_path, struct err *err)
{
	auto_fd int fd = open(dest_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct db *copy = MEM_NEW(struct db);
	int rc;

	TEXT_SET(copy->path, dest_path);
	if (fd < 0) {
		free(copy);
		return err_sys(err, "making %s", dest_path);
	}
	rc = sqlite3_open_v2(dest_path, &copy->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
	                     NULL);
	rc = rc == SQLITE_OK ? copy_pages(db, copy, err) : fail(copy, rc, err);
	/* The copy stands alone: no WAL beside it. */
	if (rc == 0)
		rc = db_script(copy, "PRAGMA journal_mode = DELETE", err);
	db_close(copy);
	if (rc == 0)
		rc = sync_file(dest_path, err);
	if (rc < 0)
		(void)unlink(dest_path);
	return rc;
}
