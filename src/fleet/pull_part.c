/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNC_EVERY ((uint64_t)16 << 20)
#define PIECE ((size_t)256 << 10)
#define MAX_STATE 8192

static json_t *identity(const struct pull_file *f)
{
	return json_pack("{s:s, s:I, s:I, s:s}", "path", f->path, "size", (json_int_t)f->size,
	                 "modified_s", (json_int_t)f->modified_s, "sha256", f->sha256);
}

/* How many bytes, and their CRC, the state speaks of; false: of another file, or of none. */
static bool read_state(const struct pull_part *part, uint64_t *ret_synced, uint32_t *ret_crc)
{
	auto_buf struct buf b = { 0 };
	json_t *state, *of, *wanted;
	bool is_ours;

	if (fs_read(part->state, MAX_STATE, &b, NULL) < 0)
		return false;
	state = json_loadb(buf_peek(&b), b.size, 0, NULL);
	of = json_object_get(state, "file");
	wanted = identity(part->file);
	is_ours = of && json_equal(of, wanted);
	*ret_synced = (uint64_t)json_integer_value(json_object_get(state, "synced"));
	*ret_crc = (uint32_t)json_integer_value(json_object_get(state, "crc32c"));
	json_decref(wanted);
	json_decref(state);
	return is_ours && *ret_synced <= part->file->size;
}

/* The CRC of the first `n` bytes; false: they are not there. */
static bool sum_up(int fd, uint64_t n, uint32_t *ret)
{
	uint8_t *piece = mem_new(PIECE);
	uint32_t crc = 0;
	bool ok = lseek(fd, 0, SEEK_SET) == 0;

	while (ok && n > 0) {
		ssize_t got = read(fd, piece, (size_t)MIN((uint64_t)PIECE, n));

		if (got < 0 && errno == EINTR)
			continue;
		ok = got > 0;
		if (ok) {
			crc = crypto_crc32c(crc, piece, (size_t)got);
			n -= (uint64_t)got;
		}
	}
	free(piece);
	*ret = crc;
	return ok;
}

int pull_part_open(const struct pull *p, const struct pull_file *f, struct pull_part *ret,
                   struct err *err)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];
	char name[33];
	uint64_t synced = 0;
	uint32_t wanted = 0, crc = 0;

	*ret = (struct pull_part){ .file = f, .fd = -1 };
	crypto_sha256(digest, f->path, strlen(f->path));
	text_hex(name, digest, 16);
	(void)snprintf(ret->path, sizeof(ret->path), "%s/%s.part", p->state, name);
	(void)snprintf(ret->state, sizeof(ret->state), "%s/%s.state", p->state, name);
	ret->fd = open(ret->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ret->fd < 0)
		return err_sys(err, "opening %s", ret->path);
	if (!read_state(ret, &synced, &wanted) || !sum_up(ret->fd, synced, &crc) || crc != wanted)
		synced = crc = 0;
	if (ftruncate(ret->fd, (off_t)synced) < 0 || lseek(ret->fd, 0, SEEK_END) < 0) {
		int rc = err_sys(err, "opening %s", ret->path);

		pull_part_close(ret);
		return rc;
	}
	ret->written = ret->synced = synced;
	ret->crc = crc;
	return 0;
}

int pull_part_add(struct pull_part *part, const void *bytes, size_t size)
{
	const char *p = bytes;
	size_t left = size;

	if (part->written + size > part->file->size)
		return err_set(&part->err, -EFBIG,
		               "%s is longer than it was: it is still being written",
		               part->file->path);
	while (left > 0) {
		ssize_t n = write(part->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(&part->err, "writing %s", part->path);
		p += n;
		left -= (size_t)n;
	}
	part->crc = crypto_crc32c(part->crc, bytes, size);
	part->written += size;
	if (part->written - part->synced < SYNC_EVERY)
		return 0;
	return pull_part_sync(part, &part->err);
}

int pull_part_sync(struct pull_part *part, struct err *err)
{
	json_t *state;
	char *text;
	int rc;

	if (fdatasync(part->fd) < 0)
		return err_sys(err, "writing %s", part->path);
	state = json_pack("{s:o, s:I, s:I}", "file", identity(part->file), "synced",
	                  (json_int_t)part->written, "crc32c", (json_int_t)part->crc);
	text = json_dumps(state, JSON_INDENT(1));
	json_decref(state);
	rc = fs_write_atomic(part->state, text ? text : "", text ? strlen(text) : 0, 0600, err);
	free(text);
	if (rc == 0)
		part->synced = part->written;
	return rc;
}

int pull_part_digest(struct pull_part *part, char dst[CRYPTO_HEX_SIZE], struct err *err)
{
	uint64_t size = 0;
	int rc;

	if (fsync(part->fd) < 0)
		return err_sys(err, "writing %s", part->path);
	/* What the disk has, not what we remember of it. */
	(void)posix_fadvise(part->fd, 0, 0, POSIX_FADV_DONTNEED);
	rc = crypto_sha256_file(part->path, dst, &size, err);
	if (rc == 0 && size != part->file->size)
		rc = err_set(err, -EIO, "%s gives back %llu bytes of %llu", part->path,
		             (unsigned long long)size, (unsigned long long)part->file->size);
	return rc;
}

void pull_part_close(struct pull_part *part)
{
	if (part->fd >= 0)
		(void)close(part->fd);
	part->fd = -1;
}

void pull_part_drop(struct pull_part *part)
{
	pull_part_close(part);
	(void)unlink(part->state);
	(void)unlink(part->path);
}
