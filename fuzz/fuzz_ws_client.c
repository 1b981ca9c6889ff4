/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever a server sends, in whatever pieces, no message is above the limit and
 * nothing is read beyond what came. The first byte says how large the pieces are. */

#include "wire/ws_read.h"

#include "base/err.h"

#include <assert.h>

#define LIMIT ((size_t)1000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
	unsigned n;
	size_t bytes;
};

static bool took(void *arg, enum ws_opcode opcode, const char *bytes, size_t size)
{
	struct heard *h = arg;

	assert(size <= (opcode >= WS_CLOSE ? 125 : LIMIT) && bytes[size] == '\0');
	h->n++;
	h->bytes += size;
	return opcode != WS_CLOSE;
}

static struct heard feed(const uint8_t *data, size_t size, size_t piece)
{
	struct ws_reader r;
	struct heard h = { 0 };
	struct err err = { 0 };

	ws_reader_init(&r, "dGhlIHNhbXBsZSBub25jZQ==", LIMIT);
	for (size_t at = 0; at < size;) {
		size_t n = MIN(piece, size - at);

		if (ws_reader_feed(&r, data + at, n, took, &h, &err) < 0)
			break;
		at += n;
	}
	ws_reader_fini(&r);
	return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	(void)feed(data + 1, size - 1, (size_t)data[0] + 1);
	(void)feed(data + 1, size - 1, size);
	return 0;
}
