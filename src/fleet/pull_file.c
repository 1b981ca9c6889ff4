/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "wire/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_IDLE 5 /* tries in a row that brought nothing */
#define RETRY_MS 100
#define MAX_OF_A_NAME 99

bool pull_is_fatal(int rc)
{
	return rc == -EHOSTUNREACH || rc == -EACCES || rc == -EPERM || rc == -ECANCELED ||
	       rc == -ETIMEDOUT;
}

/* ---- looking ---- */

static int nothing_expected(void *arg, const void *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
	return -EAGAIN;
}

int pull_file_look(struct pull *p, struct pull_file *f, struct err *err)
{
	const struct remote_sink none = { nothing_expected, NULL };
	struct remote_got got;
	int rc = -EIO;

	for (unsigned idle = 0; idle < MAX_IDLE; idle++) {
		rc = remote_read(p->remote, f->where, f->size, &none, &got, err);
		if (rc != -EIO || !pull_wait(p, RETRY_MS << idle))
			break;
	}
	if (rc == -EAGAIN || rc == -ERANGE)
		return err_set(err, -EAGAIN, "its size changes: it is still being written");
	if (rc < 0)
		return rc;
	if (f->modified_s >= 0 && got.modified_s != f->modified_s)
		return err_set(err, -EAGAIN, "its time changes: it is still being written");
	f->modified_s = got.modified_s;
	return 0;
}

bool pull_file_is_known(const struct pull *p, const struct pull_file *f)
{
	const struct pull_entry *e = pull_index_find(p->index, f->path);

	if (!e || e->size != f->size)
		return false;
	if (f->sha256[0])
		return strcmp(e->sha256, f->sha256) == 0;
	return f->modified_s >= 0 ? e->modified_s == f->modified_s
	                          : e->date[0] && strcmp(e->date, f->date) == 0;
}

/* ---- bytes ---- */

/* A file read from `at` to its end, over any number of connections. */
struct stream_in {
	struct pull *p;
	const struct pull_file *file;
	uint64_t at;
	struct pull_part *part;       /* they go there, or … */
	struct crypto_digest *digest; /* there */
};

static int take_bytes(void *arg, const void *bytes, size_t size)
{
	struct stream_in *s = arg;
	const struct pull_ears *e = &s->p->how->ears;
	int rc = 0;

	if (s->part)
		rc = pull_part_add(s->part, bytes, size);
	else if (s->at + size > s->file->size)
		rc = -EFBIG;
	else
		crypto_digest_add(s->digest, bytes, size);
	if (rc < 0)
		return rc;
	s->at += size;
	if (e->progress && s->part)
		e->progress(e->arg, s->file->path, s->at, s->file->size);
	return 0;
}

static bool is_worth_another(int rc)
{
	return rc == -EIO || rc == -ETIMEDOUT || rc == -EHOSTUNREACH || rc == -EBUSY;
}

static int read_on(struct stream_in *s, struct err *err)
{
	struct remote_got got;
	const struct remote_sink here = { take_bytes, s };
	int rc = remote_read(s->p->remote, s->file->where, s->at, &here, &got, err);

	if (s->part && s->part->err.code) {
		if (err)
			*err = s->part->err;
		return s->part->err.code;
	}
	if (rc == 0 && s->at < s->file->size)
		rc = err_set(err, -EIO, "%s ended in the middle", s->file->path);
	if (rc == -ERANGE || rc == -EFBIG)
		rc = err_set(err, -EAGAIN, "its size changes: it is still being written");
	return rc;
}

static int read_all(struct stream_in *s, struct err *err)
{
	unsigned idle = 0;

	while (s->at < s->file->size) {
		uint64_t before = s->at;
		int rc = read_on(s, err);

		if (rc == 0)
			break;
		if (s->part && rc != -ENOSPC && pull_part_sync(s->part, NULL) < 0)
			return rc;
		idle = s->at > before ? 0 : idle + 1;
		if (!is_worth_another(rc) || idle >= MAX_IDLE)
			return rc;
		pull_say(s->p, PULL_RETRIES, s->file->path, s->at, err ? err->text : "");
		if (!pull_wait(s->p, (int64_t)RETRY_MS << idle))
			return err_set(err, -ECANCELED, "ended");
	}
	return 0;
}

/* The original once more: is it what we have? */
static int compare_again(struct pull *p, const struct pull_file *f, const char *wanted,
                         struct err *err)
{
	struct stream_in s = { .p = p, .file = f, .digest = crypto_digest_new() };
	char digest[CRYPTO_HEX_SIZE];
	int rc = read_all(&s, err);

	crypto_digest_hex(s.digest, digest);
	crypto_digest_free(s.digest);
	if (rc == 0 && strcmp(digest, wanted) != 0)
		return err_set(err, -EBADMSG,
		               "read a second time it was another file: nothing is deleted, and it "
		               "is fetched anew");
	return rc;
}

/* ---- the place ---- */

/* Is it this content that stands there? */
static bool is_same(const char *path, uint64_t size, const char *sha256)
{
	char digest[CRYPTO_HEX_SIZE];
	struct stat st;

	return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size &&
	       crypto_sha256_file(path, digest, NULL, NULL) == 0 && strcmp(digest, sha256) == 0;
}

/* Folders down to the one of `path`, each safe in the one above. */
static int make_place(const struct pull *p, const char *path, struct err *err)
{
	char dir[2 * PULL_PATH_SIZE];
	int rc;

	(void)snprintf(dir, sizeof(dir), "%s/%s", p->root, path);
	*strrchr(dir, '/') = '\0';
	rc = fs_make_dirs(dir, err);
	while (rc == 0) {
		rc = fs_sync_dir(dir, err);
		if (strlen(dir) <= strlen(p->root))
			break;
		*strrchr(dir, '/') = '\0';
	}
	return rc;
}

/* -EEXIST: somebody is there. */
static int move_in(const char *from, const char *to, struct err *err)
{
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return -EEXIST;
	/* File systems that cannot promise it: nobody else writes into this folder. */
	if ((errno == EINVAL || errno == ENOSYS) && access(to, F_OK) < 0 && rename(from, to) == 0)
		return 0;
	return err_sys(err, "putting %s in its place", to);
}

/* The name under which it stands then, in `local`. */
static int put_in_place(struct pull *p, struct pull_part *part, const char *digest,
                        char local[PULL_PATH_SIZE], struct err *err)
{
	const struct pull_file *f = part->file;
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = f->modified_s } };
	char path[2 * PULL_PATH_SIZE];
	int rc = make_place(p, f->path, err);

	if (f->modified_s >= 0)
		(void)futimens(part->fd, times);
	for (unsigned n = 1; rc == 0 && n <= MAX_OF_A_NAME; n++) {
		if (n == 1)
			text_copy(local, PULL_PATH_SIZE, f->path);
		else if (!pull_path_number(local, PULL_PATH_SIZE, f->path, n))
			break;
		(void)snprintf(path, sizeof(path), "%s/%s", p->root, local);
		if (is_same(path, f->size, digest)) {
			pull_part_drop(part);
			return 0;
		}
		rc = move_in(part->path, path, err);
		if (rc == -EEXIST) {
			rc = 0;
			continue;
		}
		if (rc < 0)
			break;
		*strrchr(path, '/') = '\0';
		rc = fs_sync_dir(path, err);
		(void)unlink(part->state);
		pull_part_close(part);
		if (n > 1) {
			p->result->n_kept_both++;
			pull_say(p, PULL_KEPT_BOTH, f->path, f->size, local);
		}
		return rc;
	}
	return rc < 0 ? rc : err_set(err, -EEXIST, "there are too many files called %s", f->path);
}

static int note(struct pull *p, const struct pull_file *f, const char *digest, char *local,
                bool is_compared, struct err *err)
{
	struct pull_entry e = { .path = f->path,
		                .size = f->size,
		                .modified_s = f->modified_s,
		                .local = local,
		                .is_compared = is_compared };

	TEXT_SET(e.date, f->date);
	TEXT_SET(e.sha256, digest);
	return pull_index_put(p->index, &e, err);
}

/* ---- a file ---- */

static int check_room(const struct pull *p, const struct pull_part *part, struct err *err)
{
	uint64_t room = 0, total = 0, needs = part->file->size - part->written;
	char a[32], b[32], c[32];
	int rc = fs_space(p->root, &room, &total, err);

	if (rc < 0 || room >= needs + p->how->floor_bytes)
		return rc;
	return err_set(err, -ENOSPC,
	               "%s does not fit: it needs %s, and %s are free, of which %s are to stay so. "
	               "It stays where it is; make room, or lower storage.floor",
	               part->file->path, text_size(a, sizeof(a), needs),
	               text_size(b, sizeof(b), room), text_size(c, sizeof(c), p->how->floor_bytes));
}

/* All of it in the part, and it is what it should be. */
static int fill(struct pull *p, struct pull_file *f, struct pull_part *part,
                char digest[CRYPTO_HEX_SIZE], struct err *err)
{
	struct stream_in s = { .p = p, .file = f, .at = part->written, .part = part };
	bool reads_twice = !f->sha256[0] && (p->source->deletes || p->source->verifies);
	int rc = check_room(p, part, err);

	if (rc == 0)
		rc = read_all(&s, err);
	if (rc == 0)
		rc = pull_part_sync(part, err);
	if (rc == 0)
		rc = pull_part_digest(part, digest, err);
	if (rc == 0 && f->sha256[0] && strcmp(f->sha256, digest) != 0)
		rc = err_set(err, -EBADMSG, "its SHA-256 is not what %s says: it is fetched anew",
		             remote_peer(p->remote));
	if (rc == 0 && p->source->is_sftp)
		rc = pull_file_look(p, f, err);
	if (rc == 0 && reads_twice)
		rc = compare_again(p, f, digest, err);
	return rc;
}

/* What lies here under its name already, by an earlier run that was killed or by hand. */
static bool adopt(struct pull *p, const struct pull_file *f)
{
	char path[2 * PULL_PATH_SIZE], local[PULL_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", p->root, f->path);
	TEXT_SET(local, f->path);
	return f->sha256[0] && is_same(path, f->size, f->sha256) &&
	       note(p, f, f->sha256, local, true, NULL) == 0;
}

static bool is_here(const struct pull *p, const struct pull_file *f)
{
	const struct pull_entry *e = pull_index_find(p->index, f->path);
	char path[2 * PULL_PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", p->root, e ? e->local : "");
	return e && access(path, F_OK) == 0;
}

int pull_file_fetch(struct pull *p, struct pull_file *f, struct err *err)
{
	char digest[CRYPTO_HEX_SIZE] = "", local[PULL_PATH_SIZE];
	struct pull_part part;
	int rc;

	if ((pull_file_is_known(p, f) && (is_here(p, f) || !p->how->again)) || adopt(p, f)) {
		p->result->n_known++;
		return 0;
	}
	if (p->how->is_dry_run) {
		pull_say(p, PULL_WOULD_FETCH, f->path, f->size, "");
		return 0;
	}
	rc = pull_part_open(p, f, &part, err);
	if (rc < 0)
		return rc;
	rc = fill(p, f, &part, digest, err);
	if (rc == 0)
		rc = put_in_place(p, &part, digest, local, err);
	/* What another file's bytes, or the disk's last room, would be is not kept. */
	if (rc == -EAGAIN || rc == -EBADMSG || rc == -ENOSPC || rc == -ENOENT)
		pull_part_drop(&part);
	pull_part_close(&part);
	if (rc == 0)
		rc = note(p, f, digest, local,
		          f->sha256[0] || p->source->deletes || p->source->verifies, err);
	if (rc < 0)
		return rc;
	p->result->n_fetched++;
	p->result->bytes += f->size;
	pull_say(p, PULL_FETCHED, f->path, f->size, local);
	return 0;
}

int pull_file_is_safe(struct pull *p, const struct pull_file *f, struct err *err)
{
	const struct pull_entry *e = pull_index_find(p->index, f->path);
	char path[2 * PULL_PATH_SIZE];
	int rc;

	if (!e || !pull_file_is_known(p, f))
		return err_set(err, -EAGAIN, "it is another file now");
	(void)snprintf(path, sizeof(path), "%s/%s", p->root, e->local);
	if (!is_same(path, e->size, e->sha256))
		return err_set(
			err, -ESTALE,
			"it is not deleted over there: what was fetched is not here any more, or "
			"was changed (--again fetches it anew)");
	if (e->is_compared)
		return 0;
	rc = compare_again(p, f, e->sha256, err);
	if (rc == 0) {
		struct pull_entry again = *e;

		again.is_compared = true;
		rc = pull_index_put(p->index, &again, err);
	}
	return rc;
}
