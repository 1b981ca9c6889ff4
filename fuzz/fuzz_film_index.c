/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of a growing film: whatever it says, its numbers fit together. */

#include "av/track.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct track_table t = { 0 };
	size_t good = track_parse(&t, (const char *)data, size);
	uint64_t end = t.data_at;
	uint32_t n = 0;

	assert(good <= size);
	for (uint32_t i = 0; i < t.n_pieces; i++) {
		assert(t.pieces[i].offset == end);
		end += t.pieces[i].size;
		n += t.pieces[i].n_samples;
	}
	assert(n == t.n_samples);
	track_table_fini(&t);
	return 0;
}
