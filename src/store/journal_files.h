/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * journal_files: which pictures a manifest speaks of, and which lie there without a line.
 *
 * Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"

struct journal_files {
	char (*files)[96]; /* "a1/000001.jpg" */
	size_t n, cap;
};

void journal_files_add(struct journal_files *k, const char *file);
void journal_files_fini(struct journal_files *k);

/* Calls `found` with the path of each picture in the folders of `session_dir` that is not in `k`
 * (sorted on the way). Files with other names are nobody's business. */
void journal_files_strangers(struct journal_files *k, const char *session_dir,
                             void (*found)(void *arg, const char *path), void *arg);
