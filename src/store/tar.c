/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/tar.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>

/* Places in the header. */
enum {
	AT_NAME = 0,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148,
	AT_TYPE = 156,
	AT_MAGIC = 257,
	AT_PREFIX = 345,
};

#define NAME_MAX_SIZE 100
#define PREFIX_MAX_SIZE 155
#define MAX_OCTAL (UINT64_C(1) << 33)

/* `n` digits and a NUL. */
static void put_octal(uint8_t *dst, size_t n, uint64_t v)
{
	dst[n] = '\0';
	while (n > 0) {
		dst[--n] = (uint8_t)('0' + (v & 7));
		v >>= 3;
	}
}

static void put_size(uint8_t *dst, uint64_t v)
{
	if (v < MAX_OCTAL) {
		put_octal(dst, 11, v);
		return;
	}
	for (size_t i = 12; i > 0; i--) {
		dst[i - 1] = (uint8_t)v;
		v >>= 8;
	}
	dst[0] = 0x80;
}

static uint32_t checksum(const uint8_t block[TAR_BLOCK])
{
	uint32_t sum = 0;

	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= AT_SUM && i < AT_SUM + 8 ? (uint8_t)' ' : block[i];
	return sum;
}

/* The name as it is, or split at a '/'. */
static bool put_name(uint8_t *block, const char *name)
{
	size_t n = strlen(name);

	if (n == 0)
		return false;
	if (n <= NAME_MAX_SIZE) {
		/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): a full field ends by its size */
		memcpy(block + AT_NAME, name, n);
		return true;
	}
	for (size_t i = n - NAME_MAX_SIZE - 1; i <= PREFIX_MAX_SIZE && i < n - 1; i++) {
		if (name[i] != '/' || i == 0)
			continue;
		memcpy(block + AT_PREFIX, name, i);
		memcpy(block + AT_NAME, name + i + 1, n - i - 1);
		return true;
	}
	return false;
}

bool tar_header(uint8_t dst[TAR_BLOCK], const char *name, uint64_t size, int64_t mtime_s)
{
	static const char magic[8] = { 'u', 's', 't', 'a', 'r', '\0', '0', '0' };

	memset(dst, 0, TAR_BLOCK);
	if (!put_name(dst, name))
		return false;
	put_octal(dst + AT_MODE, 7, 0600);
	put_octal(dst + AT_UID, 7, 0);
	put_octal(dst + AT_GID, 7, 0);
	put_size(dst + AT_SIZE, size);
	put_octal(dst + AT_MTIME, 11, mtime_s > 0 ? (uint64_t)mtime_s & (MAX_OCTAL - 1) : 0);
	dst[AT_TYPE] = '0';
	memcpy(dst + AT_MAGIC, magic, sizeof(magic));
	put_octal(dst + AT_SUM, 6, checksum(dst));
	dst[AT_SUM + 7] = ' ';
	return true;
}

size_t tar_padding(uint64_t size)
{
	return (size_t)(-size & (TAR_BLOCK - 1));
}

/* ---- reading ---- */

/* Leading blanks, digits, then a blank or NUL. */
static bool get_octal(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++) {
		if (v >> 60)
			return false;
		v = v << 3 | (uint64_t)(p[i] - '0');
	}
	if (i < n && p[i] != ' ' && p[i] != '\0')
		return false;
	*ret = v;
	return true;
}

static bool get_size(const uint8_t *p, uint64_t *ret)
{
	if (!(p[0] & 0x80))
		return get_octal(p, 12, ret);
	if (p[0] != 0x80 || p[1] || p[2] || p[3] || p[4] & 0x80)
		return false;
	*ret = 0;
	for (size_t i = 4; i < 12; i++)
		*ret = *ret << 8 | p[i];
	return true;
}

static void get_name(const uint8_t *block, char dst[TAR_NAME_SIZE])
{
	const char *name = (const char *)block + AT_NAME;
	const char *prefix = (const char *)block + AT_PREFIX;
	size_t n = strnlen(prefix, PREFIX_MAX_SIZE), m = strnlen(name, NAME_MAX_SIZE);

	memcpy(dst, prefix, n);
	if (n > 0)
		dst[n++] = '/';
	memcpy(dst + n, name, m);
	dst[n + m] = '\0';
}

static bool is_zero(const uint8_t block[TAR_BLOCK])
{
	for (size_t i = 0; i < TAR_BLOCK; i++) {
		if (block[i])
			return false;
	}
	return true;
}

void tar_reader_init(struct tar_reader *r, const struct tar_events *ev)
{
	*r = (struct tar_reader){ .events = ev };
}

bool tar_is_whole(const struct tar_reader *r)
{
	return r->is_ended;
}

static int end_file(struct tar_reader *r, struct err *err)
{
	return r->is_skipping ? 0 : r->events->file_end(r->events->arg, err);
}

static int read_header(struct tar_reader *r, struct err *err)
{
	char name[TAR_NAME_SIZE];
	uint64_t sum, size;
	int rc;

	if (is_zero(r->block)) {
		r->is_ended = true;
		return 0;
	}
	if (memcmp(r->block + AT_MAGIC, "ustar", 5) != 0 ||
	    !get_octal(r->block + AT_SUM, 8, &sum) || sum != checksum(r->block) ||
	    !get_size(r->block + AT_SIZE, &size))
		return err_set(err, -EBADMSG, "this is no archive, or a damaged one");

	char type = (char)r->block[AT_TYPE];

	if (type != '0' && type != '\0' && type != '5' && type != 'x' && type != 'g')
		return err_set(err, -EBADMSG, "the archive holds links or other things of no use");
	get_name(r->block, name);
	r->is_skipping = type != '0' && type != '\0';
	r->left = size;
	r->padding = tar_padding(size);
	if (r->is_skipping)
		return 0;
	rc = r->events->file(r->events->arg, name, size, err);
	return rc == 0 && size == 0 ? end_file(r, err) : rc;
}

/* Of a file's bytes: how many were taken. */
static size_t read_bytes(struct tar_reader *r, const uint8_t *p, size_t size, int *rc,
                         struct err *err)
{
	size_t n = (size_t)MIN(r->left, (uint64_t)size);

	r->left -= n;
	if (!r->is_skipping)
		*rc = r->events->bytes(r->events->arg, p, n, err);
	if (*rc == 0 && r->left == 0)
		*rc = end_file(r, err);
	return n;
}

int tar_feed(struct tar_reader *r, const void *bytes, size_t size, struct err *err)
{
	const uint8_t *p = bytes;
	int rc = 0;

	/* What follows the end mark fills the last record and means nothing. */
	while (size > 0 && rc == 0 && !r->is_ended) {
		size_t n;

		if (r->left > 0) {
			n = read_bytes(r, p, size, &rc, err);
		} else if (r->padding > 0) {
			n = MIN(r->padding, size);
			r->padding -= n;
		} else {
			n = MIN(TAR_BLOCK - r->n_block, size);
			memcpy(r->block + r->n_block, p, n);
			r->n_block += n;
			if (r->n_block == TAR_BLOCK) {
				r->n_block = 0;
				rc = read_header(r, err);
			}
		}
		p += n;
		size -= n;
	}
	return rc;
}
