/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/tar.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct heard {
	char text[2000];
	uint64_t size;
};

static int file(void *arg, const char *name, uint64_t size, struct err *err)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	(void)err;
	h->size = size;
	snprintf(h->text + n, sizeof(h->text) - n, "%s=", name);
	return 0;
}

static int bytes(void *arg, const void *p, size_t size, struct err *err)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	(void)err;
	snprintf(h->text + n, sizeof(h->text) - n, "%.*s", (int)size, (const char *)p);
	return 0;
}

static int file_end(void *arg, struct err *err)
{
	struct heard *h = arg;
	size_t n = strlen(h->text);

	(void)err;
	snprintf(h->text + n, sizeof(h->text) - n, ";");
	return 0;
}

static void add(struct buf *b, const char *name, const char *text)
{
	static const char zeros[TAR_BLOCK];
	uint8_t block[TAR_BLOCK];

	CHECK(tar_header(block, name, strlen(text), 1700000000));
	buf_add(b, block, sizeof(block));
	buf_add(b, text, strlen(text));
	buf_add(b, zeros, tar_padding(strlen(text)));
}

static int feed(const struct buf *b, size_t piece, struct heard *h, bool *ret_is_whole)
{
	const struct tar_events ev = { file, bytes, file_end, h };
	struct tar_reader r;
	struct err err = { 0 };
	int rc = 0;

	tar_reader_init(&r, &ev);
	for (size_t at = 0; at < b->size && rc == 0; at += piece)
		rc = tar_feed(&r, buf_peek(b) + at, MIN(piece, b->size - at), &err);
	*ret_is_whole = tar_is_whole(&r);
	return rc;
}

TEST(tar_reads_what_it_writes_in_pieces_of_any_size)
{
	static const char zeros[TAR_END_SIZE];
	static const size_t pieces[] = { 1, 7, 512, 513, 100000 };
	auto_buf struct buf b = { 0 };
	char name[200];
	bool is_whole;

	memset(name, 'n', sizeof(name));
	name[90] = '/';
	name[180] = '\0';
	buf_init(&b, 0);
	add(&b, "films/a.mp4", "film");
	add(&b, "empty", "");
	add(&b, name, "long");
	buf_add(&b, zeros, sizeof(zeros));
	for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
		struct heard h = { 0 };

		CHECK_INT(feed(&b, pieces[i], &h, &is_whole), 0);
		CHECK(is_whole);
		CHECK(text_starts(h.text, "films/a.mp4=film;empty=;nnn"));
		CHECK(strstr(h.text, "/") && text_ends(h.text, "n=long;"));
	}
	b.size -= TAR_END_SIZE;

	struct heard h = { 0 };

	CHECK_INT(feed(&b, 1000, &h, &is_whole), 0);
	CHECK(!is_whole);
}

TEST(tar_writes_large_sizes_and_refuses_long_names)
{
	uint8_t block[TAR_BLOCK];
	char name[400];
	struct heard h = { 0 };
	const struct tar_events ev = { file, bytes, file_end, &h };
	struct tar_reader r;
	struct err err = { 0 };

	memset(name, 'x', sizeof(name));
	name[101] = '\0';
	CHECK(!tar_header(block, name, 1, 0));
	CHECK(!tar_header(block, "", 1, 0));
	tar_reader_init(&r, &ev);
	CHECK(tar_header(block, "big", UINT64_C(123456789012345), -5));
	CHECK_INT(tar_feed(&r, block, sizeof(block), &err), 0);
	CHECK(h.size == UINT64_C(123456789012345));
	CHECK_INT(tar_padding(0), 0);
	CHECK_INT(tar_padding(1), 511);
	CHECK_INT(tar_padding(512), 0);
}

TEST(tar_refuses_what_is_no_archive_and_what_is_no_file)
{
	uint8_t block[TAR_BLOCK];
	struct heard h = { 0 };
	const struct tar_events ev = { file, bytes, file_end, &h };
	struct tar_reader r;
	struct err err = { 0 };

	memset(block, 'x', sizeof(block));
	tar_reader_init(&r, &ev);
	CHECK_INT(tar_feed(&r, block, sizeof(block), &err), -EBADMSG);
	CHECK(tar_header(block, "a", 1, 0));
	block[0] ^= 1;
	tar_reader_init(&r, &ev);
	CHECK_INT(tar_feed(&r, block, sizeof(block), &err), -EBADMSG);
	/* A link with a right checksum. */
	CHECK(tar_header(block, "a", 0, 0));
	block[156] = '2';

	unsigned sum = 0;

	for (size_t i = 0; i < sizeof(block); i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	tar_reader_init(&r, &ev);
	CHECK_INT(tar_feed(&r, block, sizeof(block), &err), -EBADMSG);
	CHECK(strstr(err.text, "links"));
	CHECK_STR(h.text, "");
}
