/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first step: unpack, check, mark. */

#include "store/restore.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "store/backup.h"
#include "store/backup_private.h"
#include "store/db.h"
#include "store/migrate.h"
#include "store/repo_outbox.h"
#include "store/restore_private.h"
#include "store/store.h"
#include "store/tar.h"

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

#define MAX_FILES 4000000
#define SPARE_BYTES (UINT64_C(64) << 20) /* left free while unpacking */
#define SPACE_EVERY (UINT64_C(16) << 20)
#define CHUNK (1U << 18)

struct restore {
	char *data_dir;
	char staging[1024];
	struct tar_reader reader;
	struct tar_events events;
	json_t *seen; /* name: [size, crc32c] */
	struct buf list;
	bool is_list, has_list, is_failed, is_marked;
	int fd;
	char path[BACKUP_PATH_SIZE], name[TAR_NAME_SIZE];
	uint64_t size;
	uint32_t crc32c;
	uint64_t unasked; /* bytes since the disk was asked for room */
	uint64_t n_files, bytes;
	struct restore_check check;
};

static bool is_ours(const char *name)
{
	static const char *const starts[] = { "printers.d/", "cameras.d/", "films/", "sessions/" };

	if (strcmp(name, STORE_FILE) == 0 || strcmp(name, "bedside.yaml") == 0 ||
	    strcmp(name, BACKUP_HUB) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++)
		if (text_starts(name, starts[i]))
			return true;
	return backup_is_capture(name);
}

static int check_db(const char *staging, struct err *err)
{
	auto_free char *path = mem_printf("%s/" STORE_FILE, staging);
	struct db *db = NULL;
	int version = 0, rc = db_open(path, DB_READ_ONLY, &db, err);

	if (rc < 0)
		return rc;
	rc = db_check(db, err);
	if (rc == 0)
		rc = db_version(db, &version, err);
	db_close(db);
	if (rc == 0 && version <= 0)
		rc = err_set(err, -EBADMSG, "it holds no database of Bedside. Nothing was changed");
	if (rc == 0 && version > migrate_newest())
		rc = err_set(err, -ENOTSUP,
		             "the backup is of a newer Bedside (schema %d, this one knows %d)",
		             version, migrate_newest());
	return rc;
}

/* A hub may have numbers of news that this rig would give again: they belong to another stream. */
static int begin_stream(const char *staging, struct err *err)
{
	auto_free char *path = mem_printf("%s/" STORE_FILE, staging);
	struct outbox_state s;
	struct db *db = NULL;
	int rc = db_open(path, DB_READ_WRITE, &db, err);

	/* No rig, or older than rigs are. */
	if (rc == 0 && repo_outbox_state(db, &s, NULL) == 0)
		rc = repo_outbox_new_stream(db, (int64_t)time(NULL) * 1000, err);
	db_close(db);
	return rc;
}

/* ---- unpacking ---- */

static int check_room(struct restore *r, size_t size, struct err *err)
{
	uint64_t room, total;
	int rc;

	r->unasked += size;
	if (r->unasked < SPACE_EVERY)
		return 0;
	r->unasked = 0;
	rc = fs_space(r->data_dir, &room, &total, err);
	if (rc == 0 && room < SPARE_BYTES)
		rc = err_set(err, -ENOSPC, "the disk is full: the backup needs more room");
	return rc;
}

static int begin_file(void *arg, const char *name, uint64_t size, struct err *err)
{
	struct restore *r = arg;
	int rc;

	if (text_starts(name, "./"))
		name += 2;
	r->is_list = strcmp(name, BACKUP_LIST) == 0;
	if (r->is_list)
		return size <= BACKUP_MAX_LIST ? 0 : err_set(err, -EFBIG, "its list is too long");
	if (!is_ours(name) || !fs_join_confined(r->path, sizeof(r->path), r->staging, name) ||
	    !TEXT_SET(r->name, name))
		return err_set(err, -EBADMSG, "it holds '%.80s', which is no part of a backup",
		               name);
	if (++r->n_files > MAX_FILES)
		return err_set(err, -EFBIG, "it holds too many files");
	rc = restore_make_parent(r->path, err);
	if (rc < 0)
		return rc;
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	r->crc32c = 0;
	r->size = size;
	return r->fd < 0 ? err_sys(err, "making %s", r->path) : 0;
}

static int take_bytes(void *arg, const void *bytes, size_t size, struct err *err)
{
	struct restore *r = arg;
	const char *p = bytes;
	int rc;

	if (r->is_list) {
		buf_add(&r->list, p, size); /* its size was looked at */
		return 0;
	}
	rc = check_room(r, size, err);
	if (rc < 0)
		return rc;
	r->crc32c = crypto_crc32c(r->crc32c, p, size);
	r->bytes += size;
	while (size > 0) {
		ssize_t n = write(r->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "writing %s", r->path);
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

static int end_file(void *arg, struct err *err)
{
	struct restore *r = arg;

	if (r->is_list) {
		r->has_list = true;
		return 0;
	}
	(void)close(r->fd);
	r->fd = -1;
	if (json_object_set_new(r->seen, r->name,
	                        json_pack("[I, I]", (json_int_t)r->size, (json_int_t)r->crc32c)) <
	    0)
		return err_set(err, -EBADMSG, "it holds a name that is no text");
	return 0;
}

/* In the end files are moved, which works on one disk only; half-way is too late to find out. Tried,
 * because two mounts of one disk are as bad as two disks. */
static int try_moving(const char *data_dir, const char *staging, const char *folder,
                      struct err *err)
{
	auto_free char *from = mem_printf("%s/probe", staging);
	auto_free char *dir = mem_printf("%s/%s", data_dir, folder);
	auto_free char *to = mem_printf("%s/.restoring", dir);
	int rc;

	if (access(dir, F_OK) < 0)
		return 0;
	rc = fs_write_atomic(from, "", 0, 0600, err);
	if (rc == 0 && rename(from, to) < 0)
		rc = errno != EXDEV
		             ? err_sys(err, "moving a file into %s", dir)
		             : err_set(err, -EXDEV,
		                       "%s is on another disk or mounted by itself, so nothing can "
		                       "be moved into it: make it a plain folder of %s, restore, "
		                       "then move it away again. Nothing was changed",
		                       dir, data_dir);
	(void)unlink(rc == 0 ? to : from);
	return rc;
}

static int check_one_disk(const char *data_dir, const char *staging, struct err *err)
{
	static const char *const folders[] = { "printers.d", "cameras.d", "films", "sessions" };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_LEN(folders) && rc == 0; i++)
		rc = try_moving(data_dir, staging, folders[i], err);
	return rc;
}

/* Captures have folders of any name: those that came. */
static int check_capture_folders(const struct restore *r, struct err *err)
{
	struct dirent **entries = NULL;
	int rc = 0, n = scandir(r->staging, &entries, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (rc == 0 && backup_is_capture_folder(entries[i]->d_name))
			rc = try_moving(r->data_dir, r->staging, entries[i]->d_name, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int restore_begin(const char *data_dir, struct restore **ret, struct err *err)
{
	struct restore *r;
	char staging[1024];
	int rc;

	if (!restore_staging(staging, data_dir))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", data_dir);
	if (restore_is_marked(data_dir))
		return err_set(err, -EBUSY, "a backup waits for the next start: restart Bedside");
	rc = fs_remove(staging, err);
	if (rc == 0)
		rc = fs_make_dirs(staging, err);
	if (rc == 0)
		rc = check_one_disk(data_dir, staging, err);
	if (rc < 0) {
		restore_drop(staging);
		return rc;
	}
	r = MEM_NEW(struct restore);
	r->data_dir = mem_str(data_dir);
	TEXT_SET(r->staging, staging);
	r->fd = -1;
	r->seen = json_object();
	buf_init(&r->list, BACKUP_MAX_LIST);
	r->events = (struct tar_events){ begin_file, take_bytes, end_file, r };
	tar_reader_init(&r->reader, &r->events);
	*ret = r;
	return 0;
}

void restore_set_check(struct restore *r, const struct restore_check *check)
{
	r->check = *check;
}

int restore_feed(struct restore *r, const void *bytes, size_t size, struct err *err)
{
	int rc = r->is_failed ? err_set(err, -EBADMSG, "it failed before: begin again")
	                      : tar_feed(&r->reader, bytes, size, err);

	if (rc < 0)
		r->is_failed = true;
	return rc;
}

/* ---- checking ---- */

static int check_one(struct restore *r, const json_t *o, struct err *err)
{
	const char *name = json_string_value(json_object_get(o, "path"));
	const char *crc_text = json_string_value(json_object_get(o, "crc32c"));
	json_int_t size = json_integer_value(json_object_get(o, "size"));
	uint64_t crc = 0;

	if (!name || !crc_text || !text_to_u64(crc_text, 16, &crc))
		return err_set(err, -EBADMSG, "its list is damaged, or no list of ours");

	const json_t *seen = json_object_get(r->seen, name);

	if (!seen || json_integer_value(json_array_get(seen, 0)) != size ||
	    (uint64_t)json_integer_value(json_array_get(seen, 1)) != crc)
		return err_set(err, -EBADMSG,
		               "%s is not what the backup's list says: the backup is damaged. "
		               "Nothing was changed",
		               name);
	/* What is left in the end was damaged when it was packed: not part of it. */
	json_object_del(r->seen, name);
	return 0;
}

static int check_list(struct restore *r, struct err *err)
{
	json_t *o = json_loadb(buf_peek(&r->list), r->list.size, JSON_REJECT_DUPLICATES, NULL);
	json_t *files = json_object_get(o, "files"), *file;
	const char *name;
	size_t i;
	int rc = 0;

	if (!json_is_array(files) || json_array_size(files) == 0)
		rc = err_set(err, -EBADMSG, "its list is damaged, or no list of ours");
	json_array_foreach(files, i, file)
	{
		if (rc == 0)
			rc = check_one(r, file, err);
	}
	json_decref(o);
	json_object_foreach(r->seen, name, file)
	{
		char path[BACKUP_PATH_SIZE];

		if (rc == 0 && fs_join_confined(path, sizeof(path), r->staging, name)) {
			restore_drop(path);
			r->n_files--;
		}
	}
	return rc;
}

int restore_finish(struct restore *r, struct backup_result *ret, struct err *err)
{
	int rc = 0;

	if (r->is_failed)
		rc = err_set(err, -EBADMSG, "it failed before: begin again");
	else if (!tar_is_whole(&r->reader) || !r->has_list)
		rc = err_set(err, -EBADMSG, "it is cut off: the download or upload was broken off");
	if (rc == 0)
		rc = check_list(r, err);
	if (rc == 0)
		rc = check_db(r->staging, err);
	if (rc == 0)
		rc = check_capture_folders(r, err);
	if (rc == 0 && r->check.run)
		rc = r->check.run(r->check.arg, r->staging, err);
	if (rc == 0)
		rc = begin_stream(r->staging, err);
	if (rc == 0)
		rc = restore_mark(r->data_dir, err);
	if (rc < 0) {
		r->is_failed = true;
		return rc;
	}
	r->is_marked = true;
	*ret = (struct backup_result){ .n_files = r->n_files, .bytes = r->bytes };
	return 0;
}

void restore_free(struct restore *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		(void)close(r->fd);
	if (!r->is_marked)
		restore_drop(r->staging);
	json_decref(r->seen);
	buf_fini(&r->list);
	free(r->data_dir);
	free(r);
}

/* ---- from files and folders: `bedside restore` ---- */

/* One file as if it stood in an archive. */
static int feed_file(struct restore *r, const char *from, const char *name, struct err *err)
{
	auto_fd int in = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	auto_free char *chunk = mem_new(CHUNK);
	struct stat st;
	ssize_t n;
	int rc;

	if (in < 0 || fstat(in, &st) < 0)
		return err_sys(err, "opening %s", from);
	rc = begin_file(r, name, (uint64_t)st.st_size, err);
	r->size = 0;
	while (rc == 0 && (n = read(in, chunk, CHUNK)) != 0) {
		if (n < 0 && errno != EINTR)
			rc = err_sys(err, "reading %s", from);
		else if (n > 0)
			rc = take_bytes(r, chunk, (size_t)n, err);
		r->size += n > 0 ? (uint64_t)n : 0;
	}
	return rc < 0 ? rc : end_file(r, err);
}

static int feed_folder(struct restore *r, const char *dir, struct err *err)
{
	auto_free char *path = mem_printf("%s/" BACKUP_LIST, dir);
	char from[BACKUP_PATH_SIZE];
	json_t *o, *file;
	size_t i;
	int rc;

	buf_fini(&r->list);
	rc = fs_read(path, BACKUP_MAX_LIST, &r->list, err);
	if (rc < 0)
		return err_wrap(err, rc, "%s is no backup of Bedside", dir);
	o = json_loadb(buf_peek(&r->list), r->list.size, JSON_REJECT_DUPLICATES, NULL);
	json_array_foreach(json_object_get(o, "files"), i, file)
	{
		const char *name = json_string_value(json_object_get(file, "path"));

		if (rc == 0 && (!name || !fs_join_confined(from, sizeof(from), dir, name)))
			rc = err_set(err, -EBADMSG, "%s is damaged, or no list of ours", path);
		else if (rc == 0)
			rc = feed_file(r, from, name, err);
	}
	json_decref(o);
	r->has_list = r->reader.is_ended = true;
	return rc;
}

static int feed_archive(struct restore *r, const char *path, struct err *err)
{
	auto_fd int in = open(path, O_RDONLY | O_CLOEXEC);
	auto_free char *chunk = mem_new(CHUNK);
	ssize_t n;
	int rc = 0;

	if (in < 0)
		return err_sys(err, "opening %s", path);
	while (rc == 0 && (n = read(in, chunk, CHUNK)) != 0) {
		if (n < 0 && errno != EINTR)
			rc = err_sys(err, "reading %s", path);
		else if (n > 0)
			rc = restore_feed(r, chunk, (size_t)n, err);
	}
	return rc;
}

static bool is_database(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[16];

	return fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
	       memcmp(head, "SQLite format 3", sizeof(head)) == 0;
}

static int stage(struct restore *r, const char *from, struct backup_result *ret, struct err *err)
{
	struct stat st;
	int rc;

	if (stat(from, &st) < 0)
		return err_sys(err, "opening %s", from);
	if (S_ISREG(st.st_mode) && is_database(from)) {
		rc = feed_file(r, from, STORE_FILE, err);
		if (rc == 0)
			rc = check_db(r->staging, err);
		if (rc == 0)
			rc = begin_stream(r->staging, err);
		if (rc == 0)
			rc = restore_mark(r->data_dir, err);
		r->is_marked = rc == 0;
		*ret = (struct backup_result){ .n_files = 1, .bytes = r->bytes };
		return rc;
	}
	rc = S_ISREG(st.st_mode) ? feed_archive(r, from, err) : feed_folder(r, from, err);
	return rc < 0 ? rc : restore_finish(r, ret, err);
}

int backup_restore(const char *from, const char *data_dir, const struct restore_check *check,
                   struct backup_result *ret, struct err *err)
{
	auto_free char *lock = mem_printf("%s/lock", data_dir);
	auto_fd int lock_fd = -1;
	struct restore *r = NULL;
	int rc = fs_make_dirs(data_dir, err);

	*ret = (struct backup_result){ 0 };
	if (rc == 0)
		rc = fs_lock(lock, &lock_fd, err);
	if (rc == -EBUSY)
		return err_wrap(err, rc, "stop Bedside first, it works on %s", data_dir);
	/* One that waited, or was cut short, comes first: never two at once. */
	if (rc == 0 && restore_is_marked(data_dir))
		rc = restore_put(data_dir, ret, err);
	if (rc == 0)
		rc = restore_begin(data_dir, &r, err);
	if (r && check)
		restore_set_check(r, check);
	if (r)
		rc = stage(r, from, ret, err);
	if (rc < 0 && r)
		rc = err_wrap(err, rc, "%s cannot be put back", from);
	if (r)
		restore_free(r);
	return rc < 0 ? rc : restore_put(data_dir, ret, err);
}
