/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bgcode: binary G-code, the container of PrusaSlicer (*.bgcode).
 *
 * "GCDE", then blocks: metadata as "key=value" lines, thumbnails, and the text, packed by deflate
 * or heatshrink and MeatPack. The layout is the one of the public specification (prusa3d/libbgcode,
 * doc/specifications.md), version 1. Each block is checked against its CRC32 where it has one.
 *
 * Bytes and layers in the index count in the unpacked text, MeatPack's without the blanks that it
 * drops. Limits: 64 MiB per block, 4 GiB in all.
 *
 * Thread: any. Unpacking takes time: not on the loop.
 */

#pragma once

#include "base/base.h"
#include "gcode/index.h"

bool gcode_is_binary(const void *bytes, size_t size);

/* -EINVAL: no binary G-code or a version we do not know; -EBADMSG: damaged. */
int gcode_bgcode_index(const void *bytes, size_t size, const struct gcode_options *options,
                       struct gcode_index **ret, struct err *err) MUST_CHECK;

/* heatshrink (LZSS of 2^window bytes, runs of up to 2^lookahead) from `src` into `dst`. Returns
 * the bytes written, at most `max`; -1 if the input points before its beginning's window. */
long gcode_heatshrink_decode(uint8_t *dst, size_t max, const uint8_t *src, size_t size,
                             unsigned window, unsigned lookahead);

/* MeatPack from `src` into `dst` of at least 2 * size bytes. Returns the bytes written. */
size_t gcode_meatpack_decode(char *dst, const uint8_t *src, size_t size);
