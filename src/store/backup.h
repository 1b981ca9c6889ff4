/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * backup: everything worth keeping, copied into one new folder while the daemon runs, and back.
 *
 *	backup.json           what is in it, of which version; sizes and CRC32C of all files
 *	bedside.db            a consistent copy
 *	bedside.yaml          the configuration, if there is one
 *	hub.yaml              of a rig: its hub and its key, mode 0600
 *	printers.d/           what was added on the page; holds access codes, so mode 0600
 *	cameras.d/            likewise
 *	films/                films and posters
 *	sessions/<id>/        session.json and manifest; the pictures only if asked for
 *
 * A folder, because films and pictures do not pack any further, rsync keeps it up to date, and
 * any tool can look inside. It gets its name when it is whole.
 *
 * Thread: any; may take long.
 */

#pragma once

#include "base/base.h"

struct err;
struct restore_check;

struct backup_options {
	const char *config_path; /* NULL or "": none */
	bool has_frames, has_films;
	void (*progress)(void *arg, uint64_t n_files, uint64_t bytes); /* may be NULL */
	void *arg;
};

/* `dest` must not exist. */
int backup_write(const char *data_dir, const char *dest, const struct backup_options *o,
                 struct err *err) MUST_CHECK;

/*
 * `from`: a folder of backup_write(), an archive of store/backup_stream.h, or a database alone.
 * Checks every file, then puts them into `data_dir`: the database, printers.d and cameras.d replace what is
 * there (it is moved to <data_dir>/replaced-<time>, whose path comes in ret_aside); films are
 * added, sessions that are there stay. -EBUSY while a daemon runs. Before the last check has
 * passed nothing is changed; see store/restore.h.
 */
struct backup_result {
	uint64_t n_files, bytes;
	char aside[1024];  /* where the old files are; "" if there were none */
	char config[1024]; /* where the configuration was put; "" none */
};
/* `check` (store/restore.h) may be NULL. */
int backup_restore(const char *from, const char *data_dir, const struct restore_check *check,
                   struct backup_result *ret, struct err *err) MUST_CHECK;
