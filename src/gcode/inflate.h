/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * inflate: raw deflate (RFC 1951) from memory, in pieces to a sink or into memory.
 *
 * An index is read while its archive inflates, and zlib alone takes longer than the index does.
 * This one looks eight bytes ahead, takes up to three short literals with one look into its table
 * and copies in words: two to three times zlib's speed on G-code, in 600 kB of memory whatever the
 * size. Tests and a fuzzer hold it against zlib.
 *
 * Thread: any; one inflater belongs to one thread.
 */

#pragma once

#include "base/base.h"

/* Takes a piece; a negative errno stops the work and is handed on. The last call, which comes after
 * a failure too, brings no bytes: when it returns, none of the earlier ones may be in use. */
typedef int gcode_sink_fn(void *arg, const void *bytes, size_t size);

/* The bytes given to a sink stay as they are until that many further calls of it return: a reader
 * on another thread may lag so far behind. */
#define GCODE_INFLATE_LAG 2

/* Inflates `src`, at most `max` bytes, into the sink. Returns the bytes that came out, -EBADMSG if
 * the stream is damaged or ends early, -EFBIG if more than `max` would come out. */
int64_t gcode_inflate(const void *src, size_t size, uint64_t max, gcode_sink_fn *sink, void *arg);

/* For many small streams: its tables are made once. */
struct gcode_inflater;

struct gcode_inflater *gcode_inflater_new(void);
void gcode_inflater_free(struct gcode_inflater *f);

#define GCODE_INFLATE_SLACK 320 /* a whole match and a word more */

/* Inflates `src`, which must hold exactly `dst_size` bytes, into `dst`, which must have room for
 * GCODE_INFLATE_SLACK more. 0, -EBADMSG, or -EFBIG if more would come out. */
int gcode_inflater_fill(struct gcode_inflater *f, const void *src, size_t size, void *dst,
                        size_t dst_size);
