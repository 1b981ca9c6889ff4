/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * migrate: the schema, as the steps that led to it.
 *
 * A step, once released, is never changed. data/schema/vN.sql keeps what version N looked like,
 * with rows in it, so that tests upgrade from each.
 *
 * Thread: the connection's.
 */

#pragma once

#include "base/base.h"

struct db;
struct err;

/* The version this program works with. */
int migrate_newest(void);

/* Brings an older or empty database up, each step in a transaction; before the first step that
 * changes rows the file is copied into `backups_dir`. A newer database is refused: -ENOTSUP. */
int migrate_run(struct db *db, const char *backups_dir, struct err *err) MUST_CHECK;
