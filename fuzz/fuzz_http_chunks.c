/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: however a body in chunks is cut, the same bytes come of it, none of them invented,
 * and its end is found at the same place. */

#include "wire/http_parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	int rc;
	size_t used, n_got;
	char *got;
};

static struct outcome read_in_steps(const char *bytes, size_t size, size_t step)
{
	struct outcome o = { .got = malloc(size + 1) };
	struct http_chunks c = { 0 };

	while (o.got && o.rc == 0 && o.used < size) {
		size_t n_piece = size - o.used < step ? size - o.used : step;
		const char *piece;
		size_t n = 0, used = 0;

		o.rc = http_chunks_read(&c, bytes + o.used, n_piece, &used, &piece, &n);
		if (o.rc > 1)
			break;
		assert(used > 0 && used <= n_piece && n <= used);
		assert(o.n_got + n <= size);
		memcpy(o.got + o.n_got, piece, n);
		o.n_got += n;
		o.used += used;
	}
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;

	const char *bytes = (const char *)data + 1;
	struct outcome a = read_in_steps(bytes, size - 1, size);
	struct outcome b = read_in_steps(bytes, size - 1, 1 + data[0] % 32u);

	if (a.got && b.got) {
		assert(a.rc == b.rc);
		if (a.rc <= 1)
			assert(a.used == b.used && a.n_got == b.n_got &&
			       memcmp(a.got, b.got, a.n_got) == 0);
	}
	free(a.got);
	free(b.got);
	return 0;
}
