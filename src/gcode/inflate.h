/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inflate: raw deflate (RFC 1951) from memory, in pieces to a sink.
 *
 * An index is read while its archive inflates, and zlib alone takes longer than the index does.
 * This one looks eight bytes ahead, decodes several symbols per refill and copies in words: twice
 * zlib's speed on G-code, in 300 kB of memory whatever the size. Tests and a fuzzer hold it
 * against zlib.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

/* Takes a piece; a negative errno stops the work and is handed on. */
typedef int gcode_sink_fn(void *arg, const void *bytes, size_t size);

/* Inflates `src`, at most `max` bytes, into the sink. Returns the bytes that came out, -EBADMSG if
 * the stream is damaged or ends early, -EFBIG if more than `max` would come out. */
int64_t gcode_inflate(const void *src, size_t size, uint64_t max, gcode_sink_fn *sink, void *arg);
