/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * restore: a backup put back in two steps, so that it is done wholly or not at all.
 *
 * First everything is unpacked into <data_dir>/restoring and checked: each file against the list,
 * the database, its version. Then a mark is written there, and only from then on it counts. What
 * is marked is put in its place while no daemon works on the data: at the next start, or at once by
 * `bedside restore`. A crash in the midst of that goes on at the start after it.
 *
 * Thread: any, one at a time; waits for the disk.
 */

#pragma once

#include "base/base.h"

struct backup_result;
struct err;
struct restore;

/* What an earlier one left unfinished is dropped. -EBUSY while a finished one waits for a start. */
int restore_begin(const char *data_dir, struct restore **ret, struct err *err) MUST_CHECK;
/* The next bytes of the archive (store/backup_stream.h). Any failure is final. */
int restore_feed(struct restore *r, const void *bytes, size_t size, struct err *err) MUST_CHECK;
/*
 * Whether the next start can read what `folder` holds of printers.d and cameras.d: -EBADMSG with
 * the sentence if not. That is the configuration's to know, which is above us. Asked before the mark,
 * on the thread of restore_finish(); NULL: nobody asks.
 */
struct restore_check {
	int (*run)(void *arg, const char *folder, struct err *err);
	void *arg;
};
/* `check` is copied. */
void restore_set_check(struct restore *r, const struct restore_check *check);
/* The archive is whole: checks all of it and marks it. `ret` says how many files. */
int restore_finish(struct restore *r, struct backup_result *ret, struct err *err) MUST_CHECK;
/* Drops what is not marked. NULL is allowed. */
void restore_free(struct restore *r);

/* At start, before the store is opened: puts a marked one in its place, and drops one that is not.
 * 1: `ret` says what was done; 0: there was none. */
int restore_pending(const char *data_dir, struct backup_result *ret, struct err *err) MUST_CHECK;
