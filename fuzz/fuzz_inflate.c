/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our inflater against zlib: the same bytes, or both refuse. */

#define ZLIB_CONST

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "gcode/inflate.h"

#define OUT_MAX ((size_t)4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int into_buf(void *arg, const void *bytes, size_t size)
{
	buf_add(arg, bytes, size);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *theirs = malloc(OUT_MAX);
	z_stream z = { .next_in = data, .avail_in = (uInt)size };
	struct buf ours;

	if (!theirs || inflateInit2(&z, -15) != Z_OK)
		abort();
	buf_init(&ours, 0);
	z.next_out = theirs;
	z.avail_out = OUT_MAX;

	int rc = inflate(&z, Z_FINISH);
	int64_t n = gcode_inflate(data, size, OUT_MAX, into_buf, &ours);

	if ((rc == Z_STREAM_END) != (n >= 0))
		abort();
	if (n >= 0 && ((uLong)n != z.total_out || ours.size != (size_t)n ||
	               memcmp(theirs, buf_peek(&ours), ours.size) != 0))
		abort();
	(void)inflateEnd(&z);
	buf_fini(&ours);
	free(theirs);
	return 0;
}
