/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "store/backup_private.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What was begun and is of no use. */
static void drop(const char *path)
{
	struct err err;

	if (fs_remove(path, &err) < 0)
		log_warn(NULL, "%s", err.text);
}

/* ---- one file ---- */

struct copied {
	uint64_t size;
	uint32_t crc32c;
};

/* At most `max` bytes: a file that grows is copied as it was when it was looked at. */
static int copy_file(const char *from, const char *to, uint64_t max, struct copied *ret,
                     struct err *err)
{
	auto_fd int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_fd int out = -1;
	auto_free char *chunk = mem_new(1 << 18);

	*ret = (struct copied){ 0 };
	if (in < 0)
		return err_sys(err, "opening %s", from);
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return err_sys(err, "making %s", to);
	while (ret->size < max) {
		ssize_t n = read(in, chunk, (size_t)MIN(max - ret->size, (uint64_t)1 << 18));
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "reading %s", from);
		if (n == 0)
			break;
		ret->crc32c = crypto_crc32c(ret->crc32c, chunk, (size_t)n);
		ret->size += (uint64_t)n;
		rc = fs_write_all(out, chunk, (size_t)n);
		if (rc < 0)
			return err_set(err, rc, "writing %s: %s", to,
			               rc == -ENOSPC ? "the disk is full" : "the disk refused it");
	}
	return 0;
}

static int make_parent(const char *path, struct err *err)
{
	char dir[BACKUP_PATH_SIZE];
	const char *slash = strrchr(path, '/');

	text_copy_n(dir, sizeof(dir), path, (size_t)(slash - path));
	return fs_make_dirs(dir, err);
}

/* ---- writing ---- */

struct writing {
	const char *data_dir, *dir;
	const struct backup_options *o;
	json_t *list;
	uint64_t n_files, bytes;
};

static int note_file(struct writing *w, const char *name, const struct copied *c, struct err *err)
{
	w->n_files++;
	w->bytes += c->size;
	if (w->o->progress)
		w->o->progress(w->o->arg, w->n_files, w->bytes);
	if (!backup_list_add(w->list, name, c->size, c->crc32c))
		return err_set(err, -EINVAL, "%s has a name that is no text", name);
	return 0;
}

static int add_file(void *arg, const char *from, const char *name, uint64_t max, struct err *err)
{
	struct writing *w = arg;
	char to[BACKUP_PATH_SIZE];
	struct copied c = { 0 };
	int rc;

	if (snprintf(to, sizeof(to), "%s/%s", w->dir, name) >= (int)sizeof(to))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", name);
	rc = make_parent(to, err);
	if (rc == 0)
		rc = copy_file(from, to, max, &c, err);
	/* Deleted by retention or by the user meanwhile: then it is not part of the backup. */
	if (rc == -ENOENT)
		return 0;
	return rc < 0 ? rc : note_file(w, name, &c, err);
}

static int write_list(struct writing *w, struct err *err)
{
	auto_free char *path = mem_printf("%s/" BACKUP_LIST, w->dir);
	auto_free char *text = backup_list_text(w->list, w->o->has_frames, w->o->has_films);

	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int fill(struct writing *w, struct err *err)
{
	const struct backup_walk walk = { w->data_dir, w->o->has_frames, w->o->has_films, add_file,
		                          w };
	auto_free char *db = mem_printf("%s/" STORE_FILE, w->dir);
	auto_free char *old = mem_printf("%s/" STORE_FILE, w->data_dir);
	struct copied c = { 0 };
	int rc = access(old, R_OK) < 0 ? err_sys(err, "there is no database in %s", w->data_dir)
	                               : store_copy(w->data_dir, db, err);

	/* Read back, so that the list says what is on the disk. */
	if (rc == 0) {
		auto_free char *again = mem_printf("%s/check.part", w->dir);

		rc = copy_file(db, again, UINT64_MAX, &c, err);
		(void)unlink(again);
	}
	if (rc == 0)
		rc = note_file(w, STORE_FILE, &c, err);
	if (rc == 0 && w->o->config_path && w->o->config_path[0] != '\0')
		rc = add_file(w, w->o->config_path, "bedside.yaml", UINT64_MAX, err);
	if (rc == 0)
		rc = backup_walk(&walk, err);
	return rc < 0 ? rc : write_list(w, err);
}

static int sync_all(const char *dir, struct err *err)
{
	auto_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) < 0)
		return err_sys(err, "syncing %s", dir);
	return 0;
}

int backup_write(const char *data_dir, const char *dest, const struct backup_options *o,
                 struct err *err)
{
	auto_free char *part = mem_printf("%s.part", dest);
	struct writing w = { .data_dir = data_dir, .dir = part, .o = o };
	struct stat st;
	int rc;

	if (lstat(dest, &st) == 0)
		return err_set(err, -EEXIST, "%s is there already: a backup goes into a new folder",
		               dest);
	if (mkdir(part, 0700) < 0)
		return err_sys(err, "making the folder %s", part);
	w.list = json_array();
	rc = fill(&w, err);
	json_decref(w.list);
	if (rc == 0)
		rc = sync_all(part, err);
	if (rc == 0 && rename(part, dest) < 0)
		rc = err_sys(err, "renaming %s", part);
	if (rc < 0)
		drop(part);
	return rc;
}
