/* SPDX-License-Identifier: GPL-3.0-or-later */
/* base64: RFC 4648 §4 without the detours, for the pictures in comments. Thread: any. */

#pragma once

#include "base/base.h"

/* Decodes into `dst` of at least size / 4 * 3 + 3 bytes; blanks are skipped, '=' or any other
 * foreign character ends it. Returns how many bytes came out. */
size_t gcode_base64_decode(uint8_t *dst, const char *text, size_t size);
