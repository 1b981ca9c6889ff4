/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup_stream: the same backup as store/backup.h as one archive (ustar), piece by piece, without a copy of
 * anything but the database: bedside.db first, backup.json last, as it holds what was read.
 *
 * A file that shrinks while it is read is filled up with zeros and left out of the list. What is
 * found is fixed when it is opened; later pictures belong to the next backup.
 *
 * Thread: any, one at a time; may wait for the disk.
 */

#pragma once

#include "base/base.h"

#include <sys/types.h>

struct backup_options;
struct backup_stream;
struct err;

/* `progress` of the options is not called. */
int backup_stream_open(const char *data_dir, const struct backup_options *o,
                       struct backup_stream **ret, struct err *err) MUST_CHECK;
/* Fills `dst` up; less at the end, then 0. Negative: it failed, and an archive without its list is none. */
ssize_t backup_stream_read(struct backup_stream *s, void *dst, size_t size, struct err *err);
void backup_stream_close(struct backup_stream *s);
/* So far. */
uint64_t backup_stream_bytes(const struct backup_stream *s);
