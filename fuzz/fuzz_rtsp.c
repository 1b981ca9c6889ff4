/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_rtsp: requests of RTSP are cut within their own bytes, and no login is right by chance. */

#include "wire/rtsp_codec.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct rtsp_login login = { "bblp", "another", "Bambu", "0123456789abcdef" };
	struct rtsp_request q;
	char value[64];
	int n;

	while (size > 0 && (n = rtsp_parse(data, size, &q)) > 0) {
		assert((size_t)n <= size);
		assert(!rtsp_digest_is_right(&q, &login));
		(void)rtsp_param(q.transport, "interleaved", value, sizeof(value));
		data += n;
		size -= (size_t)n;
	}
	return 0;
}
