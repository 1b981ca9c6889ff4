/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/jpeg_cut.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Markers, T.81 table B.1. */
enum {
	MARKER_TEM = 0x01,
	MARKER_RST0 = 0xd0,
	MARKER_RST7 = 0xd7,
	MARKER_SOI = 0xd8,
	MARKER_EOI = 0xd9,
	MARKER_SOS = 0xda,
};

#define FIRST_CAP ((size_t)64 << 10)

/* To the marker that ends the scan. False: not here yet. */
static bool leave_scan(struct jpeg_cut *cut, const uint8_t *bytes, size_t size)
{
	while (cut->at + 1 < size) {
		const uint8_t *ff = memchr(bytes + cut->at, 0xff, size - cut->at);

		if (!ff) {
			cut->at = size;
			return false;
		}
		cut->at = (size_t)(ff - bytes);
		if (cut->at + 1 >= size)
			return false;
		if (ff[1] == 0xff) {
			cut->at++;
		} else if (ff[1] == 0 || (ff[1] >= MARKER_RST0 && ff[1] <= MARKER_RST7)) {
			cut->at += 2;
		} else {
			cut->is_in_scan = false;
			return true;
		}
	}
	return false;
}

/* One marker and its segment at cut->at. */
static enum jpeg_cut_result pass_marker(struct jpeg_cut *cut, const uint8_t *bytes, size_t size)
{
	size_t at = cut->at;

	if (bytes[at] != 0xff)
		return JPEG_CUT_BAD;
	while (at + 1 < size && bytes[at + 1] == 0xff)
		at++;
	cut->at = at;
	if (at + 1 >= size)
		return JPEG_CUT_MORE;

	uint8_t marker = bytes[at + 1];

	if (marker == MARKER_EOI) {
		cut->at = at + 2;
		return JPEG_CUT_WHOLE;
	}
	if (marker == 0 || marker == MARKER_TEM || (marker >= MARKER_RST0 && marker <= MARKER_SOI))
		return JPEG_CUT_BAD;
	if (at + 3 >= size)
		return JPEG_CUT_MORE;

	size_t n = (size_t)bytes[at + 2] << 8 | bytes[at + 3];

	if (n < 2)
		return JPEG_CUT_BAD;
	if (n > size - at - 2)
		return JPEG_CUT_MORE;
	cut->at = at + 2 + n;
	cut->is_in_scan = marker == MARKER_SOS;
	return JPEG_CUT_MORE;
}

enum jpeg_cut_result jpeg_cut(struct jpeg_cut *cut, const uint8_t *bytes, size_t size)
{
	if (cut->at == 0) {
		if ((size > 0 && bytes[0] != 0xff) || (size > 1 && bytes[1] != MARKER_SOI))
			return JPEG_CUT_BAD;
		if (size < 2)
			return JPEG_CUT_MORE;
		cut->at = 2;
	}
	while (cut->at < size) {
		size_t before = cut->at;
		enum jpeg_cut_result r;

		if (cut->is_in_scan && !leave_scan(cut, bytes, size))
			return JPEG_CUT_MORE;
		r = pass_marker(cut, bytes, size);
		if (r != JPEG_CUT_MORE)
			return r;
		if (cut->at == before)
			break;
	}
	return JPEG_CUT_MORE;
}

/* ---- a stream of them ---- */

/* To the first byte of the next picture, which is one of 0xff 0xd8. */
static void find_start(struct jpeg_stream *s, const uint8_t **bytes, size_t *size)
{
	const uint8_t *ff = memchr(*bytes, 0xff, *size);
	size_t skip = ff ? (size_t)(ff - *bytes) : *size;

	*bytes += skip;
	*size -= skip;
	s->is_in_picture = ff != NULL;
	s->size = 0;
	s->cut = (struct jpeg_cut){ 0 };
}

static void add(struct jpeg_stream *s, const uint8_t *bytes, size_t size)
{
	if (s->size + size > s->cap) {
		size_t needed = MAX(s->size + size, FIRST_CAP);

		s->cap = MAX(2 * s->cap, needed);
		s->bytes = mem_grow(s->bytes, s->cap, 1);
	}
	memcpy(s->bytes + s->size, bytes, size);
	s->size += size;
}

/*
 * What stands where the picture broke may be the next one: what came with this call is looked at
 * again, `had` bytes came before. Of those only a 0xff at their end can matter.
 */
static int give_up(struct jpeg_stream *s, size_t had, const uint8_t **bytes, size_t *size)
{
	/* A first byte that began no picture is passed over, or it would be found again. */
	size_t at = MAX(s->cut.at, (size_t)1);
	size_t back = s->size - MAX(at, had);
	bool was_picture = s->cut.at > 2;
	bool has_start = at + 1 == had && s->bytes[at] == 0xff;

	*bytes -= back;
	*size += back;
	s->size = has_start ? 1 : 0;
	s->is_in_picture = has_start;
	s->bytes[0] = 0xff;
	s->cut = (struct jpeg_cut){ 0 };
	return was_picture ? -EBADMSG : 0;
}

int jpeg_stream_feed(struct jpeg_stream *s, const uint8_t **bytes, size_t *size,
                     uint8_t **ret_picture, size_t *ret_size)
{
	assert(s->max_size > 0);
	while (*size > 0) {
		if (!s->is_in_picture)
			find_start(s, bytes, size);
		if (*size == 0)
			break;

		size_t had = s->size, took = MIN(*size, s->max_size + 1 - had);
		enum jpeg_cut_result r;

		add(s, *bytes, took);
		*bytes += took;
		*size -= took;
		r = jpeg_cut(&s->cut, s->bytes, s->size);
		if (r == JPEG_CUT_WHOLE && s->cut.at <= s->max_size) {
			size_t rest = s->size - s->cut.at;

			*bytes -= rest;
			*size += rest;
			*ret_size = s->cut.at;
			*ret_picture = mem_grow(s->bytes, s->cut.at, 1);
			s->bytes = NULL;
			s->size = s->cap = 0;
			s->is_in_picture = false;
			return 1;
		}
		if (r == JPEG_CUT_BAD && give_up(s, had, bytes, size) < 0)
			return -EBADMSG;
		if (s->is_in_picture && s->size > s->max_size)
			return -EFBIG;
	}
	return 0;
}

void jpeg_stream_fini(struct jpeg_stream *s)
{
	free(s->bytes);
	*s = (struct jpeg_stream){ .max_size = s->max_size };
}
