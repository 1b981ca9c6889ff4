/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_h264: foreign video is cut, described and wrapped within its own bytes. The first byte says
 * whether it is H.265. */

#include "base/buf.h"
#include "media/fmp4.h"
#include "media/h264.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct video_params p = { 0 };
	struct fmp4_sample s = { .dts_us = 1000, .pts_us = 2000, .duration_us = 40000 };
	char codec[VIDEO_CODEC_SIZE];

	if (size == 0)
		return 0;
	p.is_h265 = data[0] & 1;
	s.bytes = data + 1;
	s.size = size - 1;
	s.is_key = video_is_key(s.bytes, s.size, p.is_h265);
	(void)video_params_take(&p, s.bytes, s.size);

	auto_buf struct buf out = { 0 };

	fmp4_fragment(&out, 1, p.is_h265, &s, 1);
	/* One length of four bytes for three of a start code, at most. */
	assert(out.size <= 200 + s.size + s.size / 3 + 4);
	if (!p.is_complete)
		return 0;
	assert(p.width > 0 && p.width <= H264_MAX_SIDE);
	assert(p.height > 0 && p.height <= H264_MAX_SIDE);
	assert(strlen(video_params_codec(&p, codec)) >= 9);
	fmp4_init(&out, &p, NULL);
	return 0;
}
