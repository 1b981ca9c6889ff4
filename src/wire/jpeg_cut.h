/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jpeg_cut: where does the JPEG picture that begins here end? Asked again as more of it comes.
 *
 * Walks the markers of ITU-T T.81 (annex B) as media/jpeg_scan does, so that neither a thumbnail
 * inside nor a boundary in the data ends it too early, and a picture is known to be whole without
 * waiting for what follows it. What lies in the segments is not judged.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct jpeg_cut {
	size_t at; /* how far it has been walked */
	bool is_in_scan;
};

enum jpeg_cut_result {
	JPEG_CUT_MORE,  /* not over yet */
	JPEG_CUT_WHOLE, /* cut->at bytes are one picture */
	JPEG_CUT_BAD, /* no JPEG, or broken at cut->at: what stands there belongs to something else */
};

/* `bytes` begin where they began the last time; *cut is zero at first. */
enum jpeg_cut_result jpeg_cut(struct jpeg_cut *cut, const uint8_t *bytes, size_t size);

/*
 * A stream of pictures one after the other, as programs write them to their output; bytes between
 * them are skipped.
 */
struct jpeg_stream {
	struct jpeg_cut cut;
	uint8_t *bytes; /* of the picture that is coming */
	size_t size, cap;
	size_t max_size; /* set before first use */
	bool is_in_picture;
};

/*
 * Eats from *bytes. 1: a picture is whole in *ret_picture (the caller's to free()), the rest is
 * still in *bytes; 0: more is needed; -EBADMSG: a picture was broken and is dropped, go on;
 * -EFBIG: one is larger than max_size, nothing more can be made of the stream.
 */
int jpeg_stream_feed(struct jpeg_stream *s, const uint8_t **bytes, size_t *size,
                     uint8_t **ret_picture, size_t *ret_size);
void jpeg_stream_fini(struct jpeg_stream *s);
