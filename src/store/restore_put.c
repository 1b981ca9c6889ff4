/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The second step: what is staged and marked goes to its place. */

#include "store/restore_private.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "core/log.h"
#include "store/backup.h"
#include "store/backup_private.h"
#include "store/restore.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MARK "ready" /* holds the name of the folder for what is replaced */

struct restoring {
	const char *data_dir;
	char staging[1024], aside[1024];
	struct backup_result *ret;
};

bool restore_staging(char dst[1024], const char *data_dir)
{
	return snprintf(dst, 1024, "%s/restoring", data_dir) < 1024;
}

bool restore_is_marked(const char *data_dir)
{
	auto_free char *mark = mem_printf("%s/restoring/" MARK, data_dir);

	return access(mark, F_OK) == 0;
}

void restore_drop(const char *path)
{
	struct err err;

	if (fs_remove(path, &err) < 0)
		log_warn(NULL, "%s", err.text);
}

static int sync_all(const char *dir, struct err *err)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return err_sys(err, "syncing %s", dir);
	return 0;
}

int restore_make_parent(const char *path, struct err *err)
{
	char dir[BACKUP_PATH_SIZE];
	const char *slash = strrchr(path, '/');

	text_copy_n(dir, sizeof(dir), path, (size_t)(slash - path));
	return fs_make_dirs(dir, err);
}

int restore_mark(const char *data_dir, struct err *err)
{
	char at[WHEN_TEXT_SIZE], name[80];
	auto_free char *mark = mem_printf("%s/restoring/" MARK, data_dir);
	int rc = sync_all(data_dir, err);

	if (rc < 0)
		return rc;
	snprintf(name, sizeof(name), "replaced-%s", when_file_name(at, (int64_t)time(NULL) * 1000));
	return fs_write_atomic(mark, name, strlen(name), 0600, err);
}

/* Moves what is in the way aside; what is not there is fine. */
static int put_aside(struct restoring *r, const char *name, struct err *err)
{
	auto_free char *old = mem_printf("%s/%s", r->data_dir, name);
	auto_free char *to = mem_printf("%s/%s", r->aside, name);
	struct stat st;
	int rc;

	if (lstat(old, &st) < 0)
		return 0;
	rc = restore_make_parent(to, err);
	if (rc == 0 && rename(old, to) < 0)
		rc = err_sys(err, "moving %s to %s", old, to);
	if (rc == 0)
		TEXT_SET(r->ret->aside, r->aside);
	return rc;
}

static int put(struct restoring *r, const char *name, const char *as, struct err *err)
{
	auto_free char *from = mem_printf("%s/%s", r->staging, name);
	auto_free char *to = mem_printf("%s/%s", r->data_dir, as);
	struct stat st;
	int rc;

	if (lstat(from, &st) < 0)
		return 0;
	rc = put_aside(r, as, err);
	if (rc == 0)
		rc = restore_make_parent(to, err);
	if (rc == 0 && rename(from, to) < 0)
		rc = err_sys(err, "moving %s to %s", from, to);
	return rc;
}

/* Each entry of a staged folder; sessions that are there stay as they are. */
static int put_each(struct restoring *r, const char *folder, bool keeps_old, struct err *err)
{
	auto_free char *dir = mem_printf("%s/%s", r->staging, folder);
	struct dirent **entries = NULL;
	int rc = 0, n = scandir(dir, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		auto_free char *name = mem_printf("%s/%s", folder, entries[i]->d_name);
		auto_free char *there = mem_printf("%s/%s", r->data_dir, name);

		if (rc == 0 && entries[i]->d_name[0] != '.' &&
		    !(keeps_old && access(there, F_OK) == 0))
			rc = put(r, name, name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* Day by day, each file of its own; what is there stays, as with sessions. */
static int put_captures(struct restoring *r, struct err *err)
{
	struct dirent **folders = NULL, **days = NULL;
	int rc = 0, n = scandir(r->staging, &folders, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		auto_free char *dir = mem_printf("%s/%s", r->staging, folders[i]->d_name);
		int n_days = rc == 0 && backup_is_capture_folder(folders[i]->d_name)
		                     ? scandir(dir, &days, NULL, alphasort)
		                     : 0;

		for (int k = 0; k < n_days; k++) {
			auto_free char *day =
				mem_printf("%s/%s", folders[i]->d_name, days[k]->d_name);

			if (rc == 0 && backup_is_day(days[k]->d_name))
				rc = put_each(r, day, true, err);
			free(days[k]);
		}
		free(days);
		days = NULL;
		free(folders[i]);
	}
	free(folders);
	return rc;
}

static int replace(struct restoring *r, struct err *err)
{
	auto_free char *config = mem_printf("%s/bedside.yaml", r->staging);
	int rc = put_aside(r, STORE_FILE "-wal", err);

	if (rc == 0)
		rc = put_aside(r, STORE_FILE "-shm", err);
	if (rc == 0)
		rc = put(r, STORE_FILE, STORE_FILE, err);
	if (rc == 0)
		rc = put(r, BACKUP_HUB, BACKUP_HUB, err);
	if (rc == 0)
		rc = put(r, "printers.d", "printers.d", err);
	if (rc == 0)
		rc = put(r, "cameras.d", "cameras.d", err);
	if (rc == 0)
		rc = put_each(r, "films", false, err);
	if (rc == 0)
		rc = put_each(r, "sessions", true, err);
	if (rc == 0)
		rc = put_captures(r, err);
	if (rc == 0 && access(config, F_OK) == 0) {
		rc = put(r, "bedside.yaml", "restored-bedside.yaml", err);
		snprintf(r->ret->config, sizeof(r->ret->config), "%.900s/restored-bedside.yaml",
		         r->data_dir);
	}
	return rc < 0 ? rc : sync_all(r->data_dir, err);
}

static int read_mark(struct restoring *r, struct err *err)
{
	auto_free char *mark = mem_printf("%s/" MARK, r->staging);
	auto_buf struct buf b = { 0 };
	int rc = fs_read(mark, 79, &b, err);

	if (rc < 0)
		return rc;
	if (!text_starts(buf_peek(&b), "replaced-") ||
	    !fs_join_confined(r->aside, sizeof(r->aside), r->data_dir, buf_peek(&b)))
		return err_set(err, -EBADMSG, "%s is damaged: remove the folder %s", mark,
		               r->staging);
	return 0;
}

int restore_put(const char *data_dir, struct backup_result *ret, struct err *err)
{
	struct restoring r = { .data_dir = data_dir, .ret = ret };
	int rc;

	if (!restore_staging(r.staging, data_dir))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", data_dir);
	rc = read_mark(&r, err);
	if (rc < 0)
		return rc;
	rc = replace(&r, err);
	if (rc < 0)
		return err_wrap(err, rc,
		                "half-way; the next start goes on. The old files are in %.200s, "
		                "the rest of the new ones in %.200s",
		                r.aside, r.staging);

	auto_free char *mark = mem_printf("%s/" MARK, r.staging);

	(void)unlink(mark);
	restore_drop(r.staging);
	return 0;
}

int restore_pending(const char *data_dir, struct backup_result *ret, struct err *err)
{
	char staging[1024];
	auto_free char *lock = mem_printf("%s/lock", data_dir);
	auto_fd int lock_fd = -1;
	int rc;

	*ret = (struct backup_result){ 0 };
	if (!restore_staging(staging, data_dir) || access(staging, F_OK) < 0)
		return 0;
	rc = fs_lock(lock, &lock_fd, err);
	if (rc < 0)
		return rc;
	if (restore_is_marked(data_dir)) {
		rc = restore_put(data_dir, ret, err);
		return rc < 0 ? rc : 1;
	}
	restore_drop(staging);
	return 0;
}
