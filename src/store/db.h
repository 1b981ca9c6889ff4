/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db: one connection to the database, as the repos see it. No library's type passes this header.
 *
 * SQL is written with $1, $2, … for its arguments, which SQLite and PostgreSQL both read. Errors
 * are sentences: -ENOSPC full disk, -EROFS not writable, -EBUSY locked too long, -EEXIST a
 * duplicate, -EBADMSG damaged, -EIO what the disk said.
 *
 * Thread: one at a time; in the daemon the store's.
 */

#pragma once

#include "base/base.h"

struct db;
struct err;

enum db_mode {
	DB_READ_WRITE, /* made if it is not there */
	DB_READ_ONLY,
};

int db_open(const char *path, enum db_mode mode, struct db **ret, struct err *err) MUST_CHECK;
void db_close(struct db *db);

/* 0 if whole; -EBADMSG and what was found. Reads the whole file. */
int db_check(struct db *db, struct err *err) MUST_CHECK;

/* The number of the newest migration that ran; 0 for an empty database. */
int db_version(struct db *db, int *ret, struct err *err) MUST_CHECK;
int db_set_version(struct db *db, int version, struct err *err) MUST_CHECK;

/* A consistent copy into a file that must not exist, synced; others may write meanwhile. */
int db_copy(struct db *db, const char *dest_path, struct err *err) MUST_CHECK;

int db_begin(struct db *db, struct err *err) MUST_CHECK;
int db_commit(struct db *db, struct err *err) MUST_CHECK;
void db_rollback(struct db *db);

/* ---- arguments ---- */

enum db_kind {
	DB_END,
	DB_NULL,
	DB_INT,
	DB_REAL,
	DB_TEXT,
	DB_BYTES,
};

struct db_arg {
	enum db_kind kind;
	int64_t i;
	double d;
	const void *p; /* borrowed until the call is over */
	size_t size;
};

static inline struct db_arg db_int(int64_t v)
{
	return (struct db_arg){ .kind = DB_INT, .i = v };
}

/* NAN becomes NULL, and NULL is read back as NAN. */
static inline struct db_arg db_real(double v)
{
	return (struct db_arg){ .kind = v == v ? DB_REAL : DB_NULL, .d = v };
}

/* NULL becomes NULL, and NULL is read back as "". */
static inline struct db_arg db_text(const char *s)
{
	return (struct db_arg){ .kind = s ? DB_TEXT : DB_NULL, .p = s };
}

static inline struct db_arg db_bytes(const void *p, size_t size)
{
	return (struct db_arg){ .kind = DB_BYTES, .p = p, .size = size };
}

#define DB_ARGS(...) ((const struct db_arg[]){ __VA_ARGS__, { .kind = DB_END } })

/* ---- statements ---- */

/* Several statements without arguments or results, as in a migration. */
int db_script(struct db *db, const char *sql, struct err *err) MUST_CHECK;

/* One statement without results; `args` is DB_ARGS(…) or NULL. */
int db_run(struct db *db, const char *sql, const struct db_arg *args, struct err *err) MUST_CHECK;
/* Rows that the last db_run() changed. */
int64_t db_changed(struct db *db);
/* The key that the database gave to the row added last. */
int64_t db_last_key(struct db *db);

/*
 *	auto_rows struct db_rows r = { 0 };
 *	int rc = db_query(db, "SELECT name FROM users WHERE id = $1", DB_ARGS(db_text(id)), &r, err);
 *
 *	while (rc >= 0 && (rc = db_next(&r, err)) > 0)
 *		db_get_text(&r, 0, name, sizeof(name));
 */
struct db_rows {
	struct db *db;
	void *statement;
	bool is_kept; /* the statement goes back to the connection's cache */
};

int db_query(struct db *db, const char *sql, const struct db_arg *args, struct db_rows *ret,
             struct err *err) MUST_CHECK;
/* 1: there is a row, 0: no more, negative: failed. */
int db_next(struct db_rows *r, struct err *err) MUST_CHECK;
void db_rows_fini(struct db_rows *r);

/* Columns count from 0. */
int64_t db_get_int(struct db_rows *r, int column);
double db_get_real(struct db_rows *r, int column);
void db_get_text(struct db_rows *r, int column, char *dst, size_t size);
/* Borrowed until the next db_next(). */
const char *db_peek_text(struct db_rows *r, int column);
const void *db_peek_bytes(struct db_rows *r, int column, size_t *ret_size);

#define DB_GET_TEXT(r, column, array) db_get_text((r), (column), (array), sizeof(array))

#define auto_rows __attribute__((cleanup(db_rows_fini)))
