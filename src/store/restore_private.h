/* SPDX-License-Identifier: GPL-3.0-or-later */
/* restore: what its files share. restore.c stages and checks, restore_put.c puts in place. Thread: any. */

#pragma once

#include "store/backup_private.h"

struct backup_result;
struct err;

/* False: the path is too long. */
bool restore_staging(char dst[1024], const char *data_dir);
bool restore_is_marked(const char *data_dir);
int restore_make_parent(const char *path, struct err *err) MUST_CHECK;
void restore_drop(const char *path);
/* From here on it counts. */
int restore_mark(const char *data_dir, struct err *err) MUST_CHECK;
/* The lock of the data folder is held by the caller. */
int restore_put(const char *data_dir, struct backup_result *ret, struct err *err) MUST_CHECK;
