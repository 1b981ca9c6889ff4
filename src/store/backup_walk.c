/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup_private.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "store/journal_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_DEPTH 4 /* sessions/<id>/<camera>/picture */

/* Whole lines only. */
static uint64_t manifest_size(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char tail[2 * JOURNAL_MAX_LINE];
	struct stat st;
	off_t from;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return 0;
	from = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;
	n = pread(fd, tail, (size_t)(st.st_size - from), from);
	while (n > 0 && tail[n - 1] != '\n')
		n--;
	return n > 0 ? (uint64_t)(from + n) : 0;
}

static bool is_wanted(const struct backup_walk *w, const char *name, unsigned depth, bool is_dir)
{
	const char *last = strrchr(name, '/') + 1;

	if (last[0] == '.' || text_ends(last, ".new") || text_ends(last, ".part"))
		return false;
	if (strncmp(name, "sessions/", 9) != 0)
		return !is_dir;
	if (is_dir)
		return depth == 1 ? id_is_valid(last) : w->has_frames && strcmp(last, "film") != 0;
	return depth == 3 || strcmp(last, JOURNAL_MANIFEST) == 0 ||
	       strcmp(last, "session.json") == 0;
}

static int walk_folder(const struct backup_walk *w, const char *name, unsigned depth,
                       struct err *err);

static int walk_entry(const struct backup_walk *w, const char *name, unsigned depth,
                      struct err *err)
{
	char path[BACKUP_PATH_SIZE];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", w->data_dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", name);
	if (lstat(path, &st) < 0 || !is_wanted(w, name, depth, S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return depth < MAX_DEPTH ? walk_folder(w, name, depth + 1, err) : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	return w->found(w->arg, path, name,
	                text_ends(name, "/" JOURNAL_MANIFEST) ? manifest_size(path) : UINT64_MAX,
	                err);
}

static int manifest_first(const struct dirent **a, const struct dirent **b)
{
	bool a_is = strcmp((*a)->d_name, JOURNAL_MANIFEST) == 0;
	bool b_is = strcmp((*b)->d_name, JOURNAL_MANIFEST) == 0;

	return a_is != b_is ? (a_is ? -1 : 1) : strcmp((*a)->d_name, (*b)->d_name);
}

/* A manifest comes before the pictures it speaks of: they are all there then. */
static int walk_folder(const struct backup_walk *w, const char *name, unsigned depth,
                       struct err *err)
{
	char path[BACKUP_PATH_SIZE], child[BACKUP_PATH_SIZE];
	struct dirent **entries = NULL;
	int rc = 0, n;

	if (snprintf(path, sizeof(path), "%s/%s", w->data_dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", name);
	n = scandir(path, &entries, NULL, manifest_first);
	for (int i = 0; i < n; i++) {
		const char *d = entries[i]->d_name;

		if (rc == 0 && d[0] != '.' &&
		    snprintf(child, sizeof(child), "%s/%s", name, d) < (int)sizeof(child))
			rc = walk_entry(w, child, depth, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

bool backup_is_capture_folder(const char *name)
{
	static const char *const others[] = { "restoring", "sessions", "films", "jobs" };

	for (size_t i = 0; i < ARRAY_LEN(others); i++) {
		if (strcmp(name, others[i]) == 0)
			return false;
	}
	/* As capture/plan.c has them. */
	return name[0] && !text_starts(name, "replaced-") &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
	               strlen(name);
}

bool backup_is_day(const char *name)
{
	static const char form[] = "dddd-dd-dd";
	size_t i = 0;

	for (; form[i]; i++) {
		if (form[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
			return false;
	}
	return name[i] == '\0';
}

bool backup_is_capture(const char *path)
{
	const char *day = strchr(path, '/'), *file = day ? strchr(day + 1, '/') : NULL;
	char name[128];

	return file && file[1] && !strchr(file + 1, '/') &&
	       text_copy_n(name, sizeof(name), path, (size_t)(day - path)) &&
	       backup_is_capture_folder(name) &&
	       text_copy_n(name, sizeof(name), day + 1, (size_t)(file - day - 1)) &&
	       backup_is_day(name);
}

static int walk_days(const struct backup_walk *w, const char *folder, struct err *err)
{
	auto_free char *path = mem_printf("%s/%s", w->data_dir, folder);
	struct dirent **days = NULL;
	int rc = 0, n = scandir(path, &days, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		auto_free char *day = mem_printf("%s/%s", folder, days[i]->d_name);

		if (rc == 0 && backup_is_day(days[i]->d_name))
			rc = walk_folder(w, day, 1, err);
		free(days[i]);
	}
	free(days);
	return rc;
}

static int walk_captures(const struct backup_walk *w, struct err *err)
{
	struct dirent **entries = NULL;
	int rc = 0, n = scandir(w->data_dir, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (rc == 0 && backup_is_capture_folder(entries[i]->d_name))
			rc = walk_days(w, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int walk_hub(const struct backup_walk *w, struct err *err)
{
	auto_free char *path = mem_printf("%s/" BACKUP_HUB, w->data_dir);
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	return w->found(w->arg, path, BACKUP_HUB, UINT64_MAX, err);
}

int backup_walk(const struct backup_walk *w, struct err *err)
{
	int rc = walk_hub(w, err);

	if (rc == 0)
		rc = walk_folder(w, "printers.d", 1, err);
	if (rc == 0)
		rc = walk_folder(w, "cameras.d", 1, err);
	if (rc == 0 && w->has_films)
		rc = walk_folder(w, "films", 1, err);
	if (rc == 0 && w->has_frames)
		rc = walk_captures(w, err);
	return rc < 0 ? rc : walk_folder(w, "sessions", 1, err);
}
