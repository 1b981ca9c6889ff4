/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fs: files that are whole or not there, and paths that stay in their folder.
 *
 * Thread: any. Everything here may wait for the disk: on the loop only at start and end.
 */

#pragma once

#include "base/base.h"

struct buf;
struct err;

/* Writes `path` so that after a crash either the old or the new content is there: temporary name,
 * fdatasync, rename, fsync of the folder. `mode` as in open(). */
int fs_write_atomic(const char *path, const void *bytes, size_t size, unsigned mode,
                    struct err *err) MUST_CHECK;

/* Reads a whole file of at most `max` bytes into `ret` (initialised here; buf_fini it). */
int fs_read(const char *path, size_t max, struct buf *ret, struct err *err) MUST_CHECK;

/* All of it, however often the kernel takes a part only; 0 or -errno. */
int fs_write_all(int fd, const void *bytes, size_t size) MUST_CHECK;

/* As fs_read(), relative to an open folder. */
int fs_read_at(int dir_fd, const char *name, size_t max, struct buf *ret,
               struct err *err) MUST_CHECK;

/* Makes a folder and the missing ones above it (mode 0700). Existing ones are fine. */
int fs_make_dirs(const char *path, struct err *err) MUST_CHECK;

/* Makes what was renamed, made or removed in `dir` last a power cut. */
int fs_sync_dir(const char *dir, struct err *err) MUST_CHECK;

/* Removes a file or a folder with all it holds; never follows a link. Absent is fine. */
int fs_remove(const char *path, struct err *err) MUST_CHECK;

/* Joins; false if cut off, or if `name` is absolute or has a part "..". For names from outside. */
bool fs_join_confined(char *dst, size_t size, const char *root, const char *name);

/* Bytes free for us on the file system of `path`, and its size. */
int fs_space(const char *path, uint64_t *ret_free, uint64_t *ret_total, struct err *err) MUST_CHECK;

/* Takes the lock file `path` for this process's life: -EBUSY and who holds it when taken. The
 * descriptor is the lock: closing it gives it back. Waits up to 3 s when its holder is dead. */
int fs_lock(const char *path, int *ret_fd, struct err *err) MUST_CHECK;
