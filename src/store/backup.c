/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "store/db.h"
#include "store/journal_line.h"
#include "store/migrate.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIST "backup.json"
#define PATH_SIZE 1536
#define MAX_LIST (256U << 20)
#define MAX_DEPTH 4 /* sessions/<id>/<camera>/picture */

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

static int write_all(int fd, const char *p, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

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
		rc = write_all(out, chunk, (size_t)n);
		if (rc < 0)
			return err_set(err, rc, "writing %s: %s", to,
			               rc == -ENOSPC ? "the disk is full" : "the disk refused it");
	}
	return 0;
}

static int make_parent(const char *path, struct err *err)
{
	char dir[PATH_SIZE];
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

static int note_file(struct writing *w, const char *name, const struct copied *c)
{
	char crc[9];
	json_t *o = json_object();

	snprintf(crc, sizeof(crc), "%08x", c->crc32c);
	json_object_set_new(o, "path", json_string(name));
	json_object_set_new(o, "size", json_integer((json_int_t)c->size));
	json_object_set_new(o, "crc32c", json_string(crc));
	w->n_files++;
	w->bytes += c->size;
	if (w->o->progress)
		w->o->progress(w->o->arg, w->n_files, w->bytes);
	return json_array_append_new(w->list, o) == 0 ? 0 : -EINVAL;
}

static int add_file(struct writing *w, const char *from, const char *name, uint64_t max,
                    struct err *err)
{
	char to[PATH_SIZE];
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
	if (rc < 0)
		return rc;
	if (note_file(w, name, &c) < 0)
		return err_set(err, -EINVAL, "%s has a name that is no text", name);
	return 0;
}

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

static bool is_wanted(const struct writing *w, const char *name, unsigned depth, bool is_dir)
{
	const char *last = strrchr(name, '/') + 1;

	if (last[0] == '.' || text_ends(last, ".new") || text_ends(last, ".part"))
		return false;
	if (strncmp(name, "sessions/", 9) != 0)
		return !is_dir;
	if (is_dir)
		return depth == 1 ? id_is_valid(last)
		                  : w->o->has_frames && strcmp(last, "film") != 0;
	return depth == 3 || strcmp(last, JOURNAL_MANIFEST) == 0 ||
	       strcmp(last, "session.json") == 0;
}

static int add_folder(struct writing *w, const char *name, unsigned depth, struct err *err);

static int add_entry(struct writing *w, const char *name, unsigned depth, struct err *err)
{
	char path[PATH_SIZE];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", w->data_dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", name);
	if (lstat(path, &st) < 0 || !is_wanted(w, name, depth, S_ISDIR(st.st_mode)))
		return 0;
	if (S_ISDIR(st.st_mode))
		return depth < MAX_DEPTH ? add_folder(w, name, depth + 1, err) : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	return add_file(w, path, name,
	                text_ends(name, "/" JOURNAL_MANIFEST) ? manifest_size(path)
	                                                      : (uint64_t)st.st_size,
	                err);
}

static int manifest_first(const struct dirent **a, const struct dirent **b)
{
	bool a_is = strcmp((*a)->d_name, JOURNAL_MANIFEST) == 0;
	bool b_is = strcmp((*b)->d_name, JOURNAL_MANIFEST) == 0;

	return a_is != b_is ? (a_is ? -1 : 1) : strcmp((*a)->d_name, (*b)->d_name);
}

/* A manifest is copied before the pictures it speaks of: they are all there then. */
static int add_folder(struct writing *w, const char *name, unsigned depth, struct err *err)
{
	char path[PATH_SIZE], child[PATH_SIZE];
	struct dirent **entries = NULL;
	int rc = 0, n;

	if (snprintf(path, sizeof(path), "%s/%s", w->data_dir, name) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", name);
	n = scandir(path, &entries, NULL, manifest_first);
	for (int i = 0; i < n; i++) {
		const char *d = entries[i]->d_name;

		if (rc == 0 && d[0] != '.' &&
		    snprintf(child, sizeof(child), "%s/%s", name, d) < (int)sizeof(child))
			rc = add_entry(w, child, depth, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

static int write_list(struct writing *w, struct err *err)
{
	auto_free char *path = mem_printf("%s/" LIST, w->dir);
	char at[WHEN_TEXT_SIZE];
	json_t *o = json_object();
	auto_free char *text = NULL;

	json_object_set_new(o, "bedside", json_string(BEDSIDE_VERSION));
	json_object_set_new(o, "schema", json_integer(migrate_newest()));
	json_object_set_new(o, "made_at", json_string(when_iso(at, (int64_t)time(NULL) * 1000)));
	json_object_set_new(o, "has_frames", json_boolean(w->o->has_frames));
	json_object_set(o, "files", w->list);
	text = json_dumps(o, JSON_INDENT(1));
	json_decref(o);
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}

static int fill(struct writing *w, struct err *err)
{
	static const char *const folders[] = { "printers.d", "films", "sessions" };
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
		rc = note_file(w, STORE_FILE, &c);
	if (rc == 0 && w->o->config_path && w->o->config_path[0] != '\0')
		rc = add_file(w, w->o->config_path, "bedside.yaml", UINT64_MAX, err);
	for (size_t i = 0; i < ARRAY_LEN(folders) && rc == 0; i++)
		rc = add_folder(w, folders[i], 1, err);
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

/* ---- restoring ---- */

struct restoring {
	const char *from, *data_dir;
	char staging[1024], aside[1024];
	struct backup_result *ret;
};

static bool is_ours(const char *name)
{
	static const char *const starts[] = { "printers.d/", "films/", "sessions/" };

	if (strcmp(name, STORE_FILE) == 0 || strcmp(name, "bedside.yaml") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (text_starts(name, starts[i]))
			return true;
	return false;
}

static int stage_file(struct restoring *r, const json_t *o, struct err *err)
{
	const char *name = json_string_value(json_object_get(o, "path"));
	const char *crc_text = json_string_value(json_object_get(o, "crc32c"));
	json_int_t size = json_integer_value(json_object_get(o, "size"));
	char from[PATH_SIZE], to[PATH_SIZE];
	struct copied c = { 0 };
	uint64_t crc = 0;
	int rc;

	if (!name || !crc_text || !text_to_u64(crc_text, 16, &crc) || !is_ours(name) ||
	    !fs_join_confined(from, sizeof(from), r->from, name) ||
	    !fs_join_confined(to, sizeof(to), r->staging, name))
		return err_set(err, -EBADMSG, "%s/" LIST " is damaged, or no list of ours",
		               r->from);
	rc = make_parent(to, err);
	if (rc == 0)
		rc = copy_file(from, to, UINT64_MAX, &c, err);
	if (rc < 0)
		return rc;
	if (c.size != (uint64_t)size || c.crc32c != crc)
		return err_set(err, -EBADMSG,
		               "%s is not what the backup's list says: the backup is damaged. "
		               "Nothing was changed",
		               from);
	r->ret->n_files++;
	r->ret->bytes += c.size;
	return 0;
}

static int check_db(const struct restoring *r, struct err *err)
{
	auto_free char *path = mem_printf("%s/" STORE_FILE, r->staging);
	struct db *db = NULL;
	int version = 0, rc = db_open(path, DB_READ_ONLY, &db, err);

	if (rc < 0)
		return rc;
	rc = db_check(db, err);
	if (rc == 0)
		rc = db_version(db, &version, err);
	db_close(db);
	if (rc == 0 && version <= 0)
		rc = err_set(err, -EBADMSG, "%s holds no database of Bedside. Nothing was changed",
		             r->from);
	if (rc == 0 && version > migrate_newest())
		rc = err_set(err, -ENOTSUP,
		             "the backup is of a newer Bedside (schema %d, this one knows %d)",
		             version, migrate_newest());
	return rc;
}

/* What the page gives out: the database alone. */
static int stage_db(struct restoring *r, struct err *err)
{
	auto_free char *to = mem_printf("%s/" STORE_FILE, r->staging);
	struct copied c;
	int rc = copy_file(r->from, to, UINT64_MAX, &c, err);

	if (rc < 0)
		return rc;
	r->ret->n_files = 1;
	r->ret->bytes = c.size;
	return check_db(r, err);
}

static int stage(struct restoring *r, struct err *err)
{
	struct stat st;
	auto_free char *path = mem_printf("%s/" LIST, r->from);
	auto_buf struct buf text = { 0 };
	json_t *o, *files, *file;
	size_t i;
	int rc;

	if (stat(r->from, &st) == 0 && S_ISREG(st.st_mode))
		return stage_db(r, err);
	rc = fs_read(path, MAX_LIST, &text, err);
	if (rc < 0)
		return err_wrap(err, rc, "%s is no backup of Bedside", r->from);
	o = json_loadb(buf_peek(&text), text.size, JSON_REJECT_DUPLICATES, NULL);
	files = json_object_get(o, "files");
	if (!json_is_array(files) || json_array_size(files) == 0)
		rc = err_set(err, -EBADMSG, "%s is damaged, or no list of ours", path);
	json_array_foreach(files, i, file)
	{
		if (rc == 0)
			rc = stage_file(r, file, err);
	}
	json_decref(o);
	return rc < 0 ? rc : check_db(r, err);
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
	rc = make_parent(to, err);
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
		rc = make_parent(to, err);
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

static int replace(struct restoring *r, struct err *err)
{
	auto_free char *config = mem_printf("%s/bedside.yaml", r->staging);
	int rc = put_aside(r, STORE_FILE "-wal", err);

	if (rc == 0)
		rc = put_aside(r, STORE_FILE "-shm", err);
	if (rc == 0)
		rc = put(r, STORE_FILE, STORE_FILE, err);
	if (rc == 0)
		rc = put(r, "printers.d", "printers.d", err);
	if (rc == 0)
		rc = put_each(r, "films", false, err);
	if (rc == 0)
		rc = put_each(r, "sessions", true, err);
	if (rc == 0 && access(config, F_OK) == 0) {
		rc = put(r, "bedside.yaml", "restored-bedside.yaml", err);
		snprintf(r->ret->config, sizeof(r->ret->config), "%.900s/restored-bedside.yaml",
		         r->data_dir);
	}
	return rc < 0 ? rc : sync_all(r->data_dir, err);
}

int backup_restore(const char *from, const char *data_dir, struct backup_result *ret,
                   struct err *err)
{
	struct restoring r = { .from = from, .data_dir = data_dir, .ret = ret };
	auto_free char *lock = mem_printf("%s/lock", data_dir);
	auto_fd int lock_fd = -1;
	char at[WHEN_TEXT_SIZE];
	int rc = fs_make_dirs(data_dir, err);

	*ret = (struct backup_result){ 0 };
	if (rc == 0)
		rc = fs_lock(lock, &lock_fd, err);
	if (rc == -EBUSY)
		return err_wrap(err, rc, "stop Bedside first, it works on %s", data_dir);
	if (rc < 0)
		return rc;
	if (snprintf(r.staging, sizeof(r.staging), "%s/restoring", data_dir) >=
	            (int)sizeof(r.staging) ||
	    snprintf(r.aside, sizeof(r.aside), "%s/replaced-%s", data_dir,
	             when_file_name(at, (int64_t)time(NULL) * 1000)) >= (int)sizeof(r.aside))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", data_dir);
	rc = fs_remove(r.staging, err);
	if (rc == 0)
		rc = fs_make_dirs(r.staging, err);
	if (rc == 0)
		rc = stage(&r, err);
	if (rc == 0) {
		rc = replace(&r, err);
		if (rc < 0)
			return err_wrap(err, rc,
			                "half-way; the old files are in %.200s, the rest of the "
			                "new ones in %.200s",
			                r.aside, r.staging);
	}
	drop(r.staging);
	return rc;
}
