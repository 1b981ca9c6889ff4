/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_tar: an archive in pieces of any size; what it says of sizes is what comes. */

#include "base/err.h"
#include "store/tar.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t left;
	unsigned n_files, n_ends;
};

static int file(void *arg, const char *name, uint64_t size, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	assert(strlen(name) < TAR_NAME_SIZE);
	assert(s->n_files == s->n_ends);
	s->n_files++;
	s->left = size;
	return 0;
}

static int bytes(void *arg, const void *p, size_t size, struct err *err)
{
	struct seen *s = arg;

	(void)p;
	(void)err;
	assert(size > 0 && size <= s->left);
	s->left -= size;
	return 0;
}

static int file_end(void *arg, struct err *err)
{
	struct seen *s = arg;

	(void)err;
	assert(s->left == 0);
	s->n_ends++;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen s = { 0 };
	const struct tar_events ev = { file, bytes, file_end, &s };
	struct tar_reader r;
	struct err err = { 0 };
	size_t piece = size > 0 ? data[0] + 1U : 1;

	tar_reader_init(&r, &ev);
	for (size_t at = 1; at < size; at += piece) {
		if (tar_feed(&r, data + at, MIN(piece, size - at), &err) < 0)
			break;
	}
	assert(s.n_ends <= s.n_files);
	return 0;
}
