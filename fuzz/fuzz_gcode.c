/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The index of G-code text, whole and torn: both must agree. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gcode/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gcode_options options = { .outline_points = 50 };
	struct gcode_scan *whole = gcode_scan_new(&options);
	struct gcode_scan *torn = gcode_scan_new(NULL);
	struct gcode_index *a = NULL;
	struct gcode_index *b = NULL;
	size_t piece = size > 0 ? data[0] % 61 + 1 : 1;

	gcode_scan_feed(whole, data, size);
	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		char *copy = malloc(n);

		if (!copy)
			abort();
		memcpy(copy, data + at, n);
		gcode_scan_feed(torn, copy, n);
		free(copy);
	}

	int rc_a = gcode_scan_end(whole, &a, NULL);
	int rc_b = gcode_scan_end(torn, &b, NULL);

	if (rc_a != rc_b)
		abort();
	if (a && b && (a->n_layers != b->n_layers || a->n_moves != b->n_moves))
		abort();
	if (a) {
		(void)gcode_index_layer_at_byte(a, size / 2);
		(void)gcode_index_layer_at_time(a, a->time_s / 2);
		(void)gcode_index_layer_at_z(a, a->z_max, 0.1);
	}
	gcode_index_free(a);
	gcode_index_free(b);
	return 0;
}
