/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store: where records rest. One small interface; SQLite behind it now, PostgreSQL later.
 *
 * All SQL text lives in store/repo_*.c and store/migrate.c. Requests run on the store's one thread,
 * in order; the answer is posted to the loop. A write is committed before its answer comes.
 *
 * Thread: loop, but the repo functions, which run inside a request on the store's thread.
 */

#pragma once

#include "base/base.h"

struct db; /* a connection; only the store's thread touches it */
struct err;
struct loop;
struct store;

#define STORE_FILE "bedside.db"

/* Opens <data_dir>/bedside.db: integrity check, migrations (each in a transaction; the file is
 * copied first when one changes data), WAL. May wait for the disk. -EBUSY and who: another daemon
 * has it; a newer schema than ours is refused with a sentence. */
int store_open(struct loop *l, const char *data_dir, struct store **ret,
               struct err *err) MUST_CHECK;
/* The same for command-line tools, which may work beside a running daemon of the same version:
 * without a daemon it is store_open(). */
int store_open_tool(struct loop *l, const char *data_dir, struct store **ret,
                    struct err *err) MUST_CHECK;
/* Waits for what is queued. */
void store_close(struct store *s);

/*
 * Runs `run(db, arg)` inside one transaction on the store's thread (rolled back when it returns
 * negative), then `done(arg, rc, err)` on the loop. `done` may be NULL. `arg` is the request's alone
 * meanwhile. More than STORE_MAX_QUEUED requests: answered -EAGAIN on the next turn.
 */
#define STORE_MAX_QUEUED 4096
void store_submit(struct store *s, int (*run)(struct db *db, void *arg, struct err *err),
                  void (*done)(void *arg, int rc, const struct err *err), void *arg);

/* The same, waiting: for start-up and command-line tools, before the loop runs. */
int store_call(struct store *s, int (*run)(struct db *db, void *arg, struct err *err), void *arg,
               struct err *err) MUST_CHECK;

/* A consistent copy while running (SQLite's backup), into a new file. */
void store_backup(struct store *s, const char *dest_path,
                  void (*done)(void *arg, int rc, const struct err *err), void *arg);

/* For tools, from any thread: a checked, consistent copy of a folder's database, whether a daemon
 * runs or not. */
int store_copy(const char *data_dir, const char *dest_path, struct err *err) MUST_CHECK;

/* Renames a damaged database, so that the next start makes a new one; its new name in ret_path. Only
 * by a person's word, never while a daemon runs. */
int store_set_aside(const char *data_dir, char *ret_path, size_t size, struct err *err) MUST_CHECK;
