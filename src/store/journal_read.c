/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "store/journal.h"
#include "store/journal_files.h"
#include "store/journal_line.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 16384
#define MAX_PICTURE (64U << 20)

struct journal_reader {
	int fd;
	off_t at; /* of the next line */
	bool is_deleted;
	char chunk[CHUNK]; /* what stands at `chunk_at`; whole lines only are believed */
	off_t chunk_at;
	size_t chunk_size;
};

static int open_manifest(const char *session_dir, struct err *err)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/" JOURNAL_MANIFEST, session_dir) >= (int)sizeof(path))
		return err_set(err, -ENAMETOOLONG, "the path %.60s… is too long", session_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "opening %s", path) : fd;
}

/* Deleting is the last thing that happens to a journal: its line is near the end. */
static bool ends_deleted(int fd)
{
	char tail[2 * JOURNAL_MAX_LINE];
	struct journal_scan scan;
	struct stat st;
	off_t from;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return false;
	from = st.st_size > (off_t)sizeof(tail) ? st.st_size - (off_t)sizeof(tail) : 0;
	n = pread(fd, tail, sizeof(tail), from);
	if (n <= 0)
		return false;
	journal_scan_manifest(tail, (size_t)n, &scan, NULL, NULL);
	return scan.is_deleted;
}

int journal_reader_open(const char *session_dir, struct journal_reader **ret, struct err *err)
{
	int fd = open_manifest(session_dir, err);

	if (fd < 0)
		return fd;

	struct journal_reader *r = MEM_NEW(struct journal_reader);

	r->fd = fd;
	r->is_deleted = ends_deleted(fd);
	*ret = r;
	return 0;
}

void journal_reader_close(struct journal_reader *r)
{
	if (!r)
		return;
	cleanup_fd(&r->fd);
	free(r);
}

/* Reads on from r->at. What has no newline yet is read again the next time: the writer may cut it. */
static int refill(struct journal_reader *r, struct err *err)
{
	struct stat st;
	ssize_t n;

	if (fstat(r->fd, &st) < 0)
		return err_sys(err, "looking at the manifest");
	/* Lines that the disk refused were cut off again. */
	if (st.st_size < r->at)
		r->at = st.st_size;
	do
		n = pread(r->fd, r->chunk, sizeof(r->chunk), r->at);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "reading the manifest");
	r->chunk_at = r->at;
	r->chunk_size = (size_t)n;
	return 0;
}

static size_t left(const struct journal_reader *r)
{
	return r->chunk_size - (size_t)(r->at - r->chunk_at);
}

int journal_reader_next(struct journal_reader *r, struct journal_entry *ret, struct err *err)
{
	size_t line_size = 0, taken;
	int kind;

	taken = journal_next_line(r->chunk + (r->at - r->chunk_at), left(r), &line_size);
	if (taken == 0) {
		int rc = refill(r, err);

		if (rc < 0)
			return rc;
		taken = journal_next_line(r->chunk, r->chunk_size, &line_size);
	}
	if (taken == 0 && r->chunk_size < sizeof(r->chunk))
		return 0;
	if (taken == 0) { /* no line is that long: skip what cannot be one */
		r->at += (off_t)r->chunk_size;
		return err_set(err, -EBADMSG, "the manifest is damaged at byte %lld",
		               (long long)r->at);
	}
	kind = journal_parse_line(r->chunk + (r->at - r->chunk_at), line_size, ret, err);
	r->at += (off_t)taken;
	if (kind == 1 && r->is_deleted)
		ret->file[0] = '\0';
	return kind;
}

static int read_whole(const char *path, const struct journal_entry *e, uint8_t *bytes,
                      struct err *err)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	size_t done = 0;

	if (fd < 0)
		return err_sys(err, "opening %s", path);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size != e->size)
		return err_set(err, -EBADMSG, "%s has another size than the manifest says", path);
	while (done < e->size) {
		ssize_t n = read(fd, bytes + done, e->size - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_set(err, n < 0 ? -errno : -EBADMSG, "%s cannot be read whole",
			               path);
		done += (size_t)n;
	}
	if (crypto_crc32c(0, bytes, e->size) != e->crc32c)
		return err_set(err, -EBADMSG, "%s is not what the manifest says", path);
	return 0;
}

int journal_read_picture(const char *session_dir, const struct journal_entry *e, uint8_t **ret,
                         struct err *err)
{
	char path[PATH_MAX];
	auto_free uint8_t *bytes = NULL;
	int rc;

	if (e->file[0] == '\0')
		return err_set(err, -ENOENT, "picture %u was deleted to free space", e->number);
	if (e->size > MAX_PICTURE)
		return err_set(err, -EFBIG, "picture %u is too large", e->number);
	if (!fs_join_confined(path, sizeof(path), session_dir, e->file))
		return err_set(err, -EINVAL, "'%s' is no picture's name", e->file);
	bytes = mem_new(MAX(e->size, (uint64_t)1));
	rc = read_whole(path, e, bytes, err);
	if (rc < 0)
		return rc;
	*ret = STEAL_PTR(bytes);
	return 0;
}

/* ---- check ---- */

static void count_stranger(void *arg, const char *path UNUSED)
{
	struct journal_check *ret = arg;

	ret->n_strangers++;
}

static void check_entry(const char *session_dir, const struct journal_entry *e,
                        struct journal_check *ret)
{
	uint8_t *bytes = NULL;
	int rc;

	if (e->file[0] == '\0') {
		ret->n_deleted++;
		return;
	}
	rc = journal_read_picture(session_dir, e, &bytes, NULL);
	if (rc == 0) {
		ret->n_whole++;
		free(bytes);
	} else if (rc == -ENOENT) {
		ret->n_missing++;
	} else {
		ret->n_wrong++;
	}
}

int journal_check(const char *session_dir, struct journal_check *ret, struct err *err)
{
	struct journal_check c = { 0 };
	struct journal_files known = { 0 };
	struct journal_reader *r = NULL;
	struct journal_entry e = { 0 };
	struct stat st;
	int kind, rc = journal_reader_open(session_dir, &r, err);

	if (rc < 0)
		return rc;
	while ((kind = journal_reader_next(r, &e, err)) != 0) {
		if (kind == 1) {
			journal_files_add(&known, e.file);
			check_entry(session_dir, &e, &c);
		} else if (kind == 2) {
			c.has_ended |= strcmp(e.file, JOURNAL_END) == 0;
		} else if (kind == -EBADMSG) {
			c.n_wrong++;
		} else {
			break;
		}
	}
	if (kind == 0 && fstat(r->fd, &st) == 0)
		c.has_torn_tail = st.st_size > r->at;
	journal_reader_close(r);
	journal_files_strangers(&known, session_dir, count_stranger, &c);
	journal_files_fini(&known);
	if (kind < 0)
		return kind;
	*ret = c;
	return 0;
}

/* ---- deleting by policy ---- */

struct removal {
	uint64_t bytes;
	int rc;
	struct err *err;
};

static void remove_stranger(void *arg, const char *path)
{
	struct removal *r = arg;
	struct stat st;

	if (stat(path, &st) == 0 && unlink(path) == 0)
		r->bytes += (uint64_t)st.st_size;
	else if (errno != ENOENT && r->rc == 0)
		r->rc = err_sys(r->err, "deleting %s", path);
}

static int append_deleted(const char *session_dir, const char *why, int64_t wall_ms,
                          struct err *err)
{
	char path[PATH_MAX];
	auto_buf struct buf line = { 0 };

	snprintf(path, sizeof(path), "%s/" JOURNAL_MANIFEST, session_dir);

	auto_fd int fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	struct stat st;
	char last = '\n';

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "opening %s", path);
	if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
		return err_sys(err, "reading %s", path);
	if (last != '\n') /* a torn line */
		buf_add_char(&line, '\n');
	journal_format_event(&line, JOURNAL_DELETED, why, wall_ms);

	ssize_t n = write(fd, line.data, line.size);

	if (n != (ssize_t)line.size || fdatasync(fd) < 0) {
		if (n >= 0 && n < (ssize_t)line.size)
			errno = ENOSPC;
		return err_sys(err, "writing %s", path);
	}
	return 0;
}

int journal_delete_pictures(const char *session_dir, const char *why, int64_t wall_ms,
                            uint64_t *ret_bytes, struct err *err)
{
	struct journal_files none = { 0 };
	struct removal r = { .err = err };
	int fd = open_manifest(session_dir, err), rc = 0;

	if (fd < 0)
		return fd;
	/* The line first: what it speaks of may then vanish at any byte. */
	if (!ends_deleted(fd))
		rc = append_deleted(session_dir, why, wall_ms, err);
	cleanup_fd(&fd);
	if (rc < 0)
		return rc;
	journal_files_strangers(&none, session_dir, remove_stranger, &r);
	*ret_bytes = r.bytes;
	return r.rc;
}
