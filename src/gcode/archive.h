/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * archive: ZIP files in memory, by libzip, with limits. The only file that includes libzip.
 *
 * Thread: any; one archive belongs to one thread. The caller keeps the bytes alive.
 */

#pragma once

#include "base/base.h"
#include "gcode/inflate.h"

struct buf;
struct err;
struct gcode_zip;

/* -EINVAL: no archive, damaged, or too many entries. */
int gcode_zip_open(const void *bytes, size_t size, struct gcode_zip **ret,
                   struct err *err) MUST_CHECK;
void gcode_zip_close(struct gcode_zip *z);

unsigned gcode_zip_count(const struct gcode_zip *z);
/* Borrowed; "" where there is no name. */
const char *gcode_zip_name(const struct gcode_zip *z, unsigned i);
/* -1 if there is no entry of that name. */
int gcode_zip_find(const struct gcode_zip *z, const char *name);
/* Unpacked, as the directory says; 0 if it does not. */
uint64_t gcode_zip_size(const struct gcode_zip *z, unsigned i);

/* A whole entry of at most `max` bytes into `ret` (initialised here). */
int gcode_zip_read(struct gcode_zip *z, unsigned i, size_t max, struct buf *ret,
                   struct err *err) MUST_CHECK;

/* An entry in pieces, at most `max` bytes, its CRC checked at the end. */
int gcode_zip_stream(struct gcode_zip *z, unsigned i, uint64_t max, gcode_sink_fn *sink, void *arg,
                     struct err *err) MUST_CHECK;

/* Makes an archive: a file of that name and content each, in order, deflated where it helps. */
struct gcode_zip_file {
	const char *name;
	const void *bytes;
	size_t size;
	bool is_stored;
};

int gcode_zip_make(const struct gcode_zip_file *files, size_t n, struct buf *ret,
                   struct err *err) MUST_CHECK;
