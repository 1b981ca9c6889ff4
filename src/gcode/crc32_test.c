/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/crc32.h"

#include <stdlib.h>
#include <zlib.h>

#include "base/test.h"

TEST(crc32_equals_zlibs_at_every_length_and_place)
{
	static uint8_t bytes[1500];
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(x >> 24);
	}
	for (size_t size = 0; size < 700; size++) {
		size_t at = size % 17;

		CHECK(gcode_crc32(0, bytes + at, size) == crc32_z(0, bytes + at, size));
		CHECK(gcode_crc32(x, bytes + at, size) == crc32_z(x, bytes + at, size));
	}
	CHECK(gcode_crc32(gcode_crc32(0, bytes, 333), bytes + 333, 1167) ==
	      crc32_z(0, bytes, sizeof(bytes)));
	CHECK(gcode_crc32(0, "123456789", 9) == 0xcbf43926);
}
