/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_v4l2_jpeg: whatever a USB camera sends, mending it neither reads nor writes outside. */

#include "base/err.h"
#include "cameras/v4l2_jpeg.h"
#include "media/jpeg_scan.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct v4l2_jpeg look, again;
	struct jpeg_info before, after;

	if (!v4l2_jpeg_look(data, size, &look))
		return 0;
	assert(look.size <= size && look.tables_at < look.size);
	if (look.tables_at == 0)
		return 0;

	uint8_t *whole = malloc(look.size + V4L2_JPEG_TABLES_SIZE);

	assert(whole);
	v4l2_jpeg_complete(data, &look, whole);
	assert(v4l2_jpeg_look(whole, look.size + V4L2_JPEG_TABLES_SIZE, &again));
	assert(again.tables_at == 0);
	/* A picture stays one. */
	if (jpeg_scan(data, look.size, &before, NULL) == 0) {
		assert(jpeg_scan(whole, look.size + V4L2_JPEG_TABLES_SIZE, &after, NULL) == 0);
		assert(after.has_huffman && after.width == before.width);
	}
	free(whole);
	return 0;
}
