/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: a head is never longer than what was given, and control frames are short. */

#include "wire/http_parse.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		struct ws_frame f;
		int n = ws_parse_head(data + at, size - at, &f);

		if (n <= 0)
			break;
		assert((size_t)n <= size - at && n <= WS_HEAD_MAX);
		assert(f.opcode < WS_CLOSE || (f.is_final && f.size <= 125));
		if (f.size > size - at - (size_t)n)
			break;
		at += (size_t)n + (size_t)f.size;
	}
	return 0;
}
