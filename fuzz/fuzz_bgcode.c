/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Binary G-code; and heatshrink and MeatPack on their own, as their input stands behind a CRC. */

#include <stdint.h>
#include <stdlib.h>

#include "gcode/bgcode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gcode_index *ix;
	size_t max = size * 16 + 1;
	uint8_t *out = malloc(max);

	if (!out)
		abort();
	if (gcode_bgcode_index(data, size, NULL, &ix, NULL) == 0)
		gcode_index_free(ix);
	(void)gcode_heatshrink_decode(out, max, data, size, 11, 4);
	(void)gcode_heatshrink_decode(out, max, data, size, 12, 4);
	if (gcode_meatpack_decode((char *)out, data, size) > 2 * size)
		abort();
	free(out);
	return 0;
}
