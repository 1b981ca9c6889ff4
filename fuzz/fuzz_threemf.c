/* SPDX-License-Identifier: GPL-3.0-or-later */
/* 3MF archives: the directory, the XML, the JSON, the inflating. */

#include <stdint.h>
#include <stdlib.h>

#include "base/buf.h"
#include "gcode/threemf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gcode_threemf *t;
	struct gcode_index *ix;
	struct buf png;

	if (gcode_threemf_open(data, size, &t, NULL) < 0)
		return 0;
	for (size_t i = 0; i < t->n_plates && i < 3; i++) {
		unsigned n = t->plates[i].number;

		if (gcode_threemf_index(t, n, NULL, &ix, NULL) == 0)
			gcode_index_free(ix);
		if (gcode_threemf_thumbnail(t, n, &png, NULL) == 0)
			buf_fini(&png);
		if (gcode_threemf_check_md5(t, n, NULL) < 0)
			continue;
	}
	gcode_threemf_close(t);
	return 0;
}
