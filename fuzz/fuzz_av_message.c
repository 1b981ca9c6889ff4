/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_av_message: what bedside-av says is never longer than allowed, however it is cut. */

#include "base/err.h"
#include "media/av_message.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct av_parser p = { 0 };
	struct av_message m;
	struct err err = { 0 };
	size_t step = size > 0 ? data[0] % 61 + 1 : 1;
	int rc = 0;

	for (size_t at = 0; at < size && rc >= 0; at += step) {
		const uint8_t *bytes = data + at;
		size_t n = MIN(step, size - at);

		while ((rc = av_parse(&p, &bytes, &n, &m, &err)) == 1) {
			assert(m.size <= AV_MAX_PICTURE && m.payload[m.size] == 0);
			assert(m.arrived_us >= 0 && m.pts_us >= 0 && m.dts_us >= 0);
			free(m.payload);
		}
		assert(rc < 0 || n == 0);
	}
	assert(rc >= 0 || err.code == rc);
	av_parser_fini(&p);
	return 0;
}
