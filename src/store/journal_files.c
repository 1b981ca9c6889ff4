/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal_files.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/journal_line.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void journal_files_add(struct journal_files *k, const char *file)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? 2 * k->cap : 256;
		k->files = mem_grow(k->files, k->cap, sizeof(*k->files));
	}
	text_copy(k->files[k->n++], sizeof(*k->files), file);
}

void journal_files_fini(struct journal_files *k)
{
	free(k->files);
	*k = (struct journal_files){ 0 };
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static bool is_known(const struct journal_files *k, const char *camera, const char *name)
{
	char file[96];

	return k->n > 0 &&
	       snprintf(file, sizeof(file), "%s/%s", camera, name) < (int)sizeof(file) &&
	       bsearch(file, k->files, k->n, sizeof(*k->files), by_name);
}

static void search(struct journal_files *k, const char *session_dir, const char *camera,
                   void (*found)(void *arg, const char *path), void *arg)
{
	char dir[PATH_MAX], path[PATH_MAX];

	if (snprintf(dir, sizeof(dir), "%s/%s", session_dir, camera) >= (int)sizeof(dir))
		return;

	DIR *d = opendir(dir);

	if (!d)
		return;
	/* Each DIR is one thread's: NOLINTNEXTLINE(concurrency-mt-unsafe) */
	for (struct dirent *e; (e = readdir(d));)
		if (journal_is_picture_name(e->d_name) && !is_known(k, camera, e->d_name) &&
		    snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path))
			found(arg, path);
	closedir(d);
}

void journal_files_strangers(struct journal_files *k, const char *session_dir,
                             void (*found)(void *arg, const char *path), void *arg)
{
	DIR *d = opendir(session_dir);

	if (!d)
		return;
	if (k->n > 0)
		qsort(k->files, k->n, sizeof(*k->files), by_name);
	/* Each DIR is one thread's: NOLINTNEXTLINE(concurrency-mt-unsafe) */
	for (struct dirent *e; (e = readdir(d));)
		if (e->d_name[0] != '.' && e->d_type != DT_REG && e->d_type != DT_LNK)
			search(k, session_dir, e->d_name, found, arg);
	closedir(d);
}
