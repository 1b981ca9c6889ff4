/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * file: any sliced job on disk, whatever its kind.
 *
 * The only part of this room that touches a file: it maps it and looks at its first bytes.
 * Thread: any; reads the disk: not on the loop. A file that shrinks while it is mapped kills the
 * process (SIGBUS): give it files of our own or finished uploads.
 */

#pragma once

#include "base/base.h"
#include "gcode/index.h"

struct buf;

enum gcode_kind {
	GCODE_KIND_TEXT,
	GCODE_KIND_3MF,
	GCODE_KIND_BINARY,
};

/* What begins with these bytes. */
enum gcode_kind gcode_kind_of(const void *bytes, size_t size);
const char *gcode_kind_name(enum gcode_kind kind);

/* Of a plate as printers name it, "Metadata/plate_2.gcode"; 0: it names none. */
unsigned gcode_plate_number(const char *plate);

/* Indexes the file. `plate` counts for a 3MF: 0 is the first with G-code. The picture of a 3MF's
 * plate becomes the index's thumbnail if the text has none. */
int gcode_file_index(const char *path, unsigned plate, const struct gcode_options *options,
                     struct gcode_index **ret, struct err *err) MUST_CHECK;

/* The same from memory, of any kind. */
int gcode_bytes_index(const void *bytes, size_t size, unsigned plate,
                      const struct gcode_options *options, struct gcode_index **ret,
                      struct err *err) MUST_CHECK;

/* What a 3MF says of a plate, without its objects; the file is mapped, so only its directory and the
 * small members are read, whatever its size. -ENOENT: no such sliced plate. */
struct gcode_plate;
int gcode_file_plate(const char *path, unsigned plate, struct gcode_plate *ret,
                     struct err *err) MUST_CHECK;
