/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crc32: the checksum of ZIP and of binary G-code (polynomial 0x04c11db7, reflected), as zlib's
 * crc32(), but on an amd64 that multiplies without carry (PCLMULQDQ) ten times as fast.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

/* Goes on from `crc`, which is 0 at the beginning. */
uint32_t gcode_crc32(uint32_t crc, const void *bytes, size_t size);
