/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_jpeg_scan: what passes as a picture keeps its promises; nothing reads past the end. */

#include "base/err.h"
#include "media/jpeg_scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jpeg_info info;
	struct err err = { 0 };
	int rc = jpeg_scan(data, size, &info, &err);

	assert((rc == 0) == (err.code == 0));
	if (rc == 0) {
		assert(info.width > 0 && info.width <= JPEG_MAX_SIDE);
		assert(info.height > 0 && info.height <= JPEG_MAX_SIDE);
		assert(info.n_scans > 0 && size > 4);
		assert(data[size - 2] == 0xff && data[size - 1] == 0xd9);
	}
	return 0;
}
