/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_v4l2_lock: a note of what to put back is read whole or not at all. */

#include "base/buf.h"
#include "cameras/v4l2_controls.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct v4l2_lock lock = { 0 }, again = { 0 };
	struct buf b;

	if (!v4l2_lock_read((const char *)data, size, &lock))
		return 0;
	assert(lock.n <= V4L2_LOCK_MAX);
	buf_init(&b, 0);
	v4l2_lock_write(&lock, &b);
	assert(v4l2_lock_read(b.data, b.size, &again) && memcmp(&lock, &again, sizeof(lock)) == 0);
	buf_fini(&b);
	return 0;
}
