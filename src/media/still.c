/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/still.h"

#include "base/err.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <errno.h>
#include <stdlib.h>

#define ACROSS 16U
#define DOWN 12U
/* Mean difference of a cell's green, of 255, that is more than a camera's noise at an eighth. */
#define CELL_CHANGED 6.0

static bool cell_changed(const struct jpeg_pixels *a, const struct jpeg_pixels *b, unsigned cx,
                         unsigned cy)
{
	unsigned x0 = cx * a->width / ACROSS, x1 = (cx + 1) * a->width / ACROSS;
	unsigned y0 = cy * a->height / DOWN, y1 = (cy + 1) * a->height / DOWN;
	uint64_t sum = 0, n = (uint64_t)(x1 - x0) * (y1 - y0);

	for (unsigned y = y0; y < y1; y++) {
		size_t row = (size_t)y * a->width;

		for (unsigned x = x0; x < x1; x++)
			sum += (unsigned)abs(a->rgbx[4 * (row + x) + 1] -
			                     b->rgbx[4 * (row + x) + 1]);
	}
	return n > 0 && (double)sum / (double)n > CELL_CHANGED;
}

static double share_of(const struct jpeg_pixels *a, const struct jpeg_pixels *b)
{
	unsigned n = 0;

	if (a->width != b->width || a->height != b->height)
		return 1;
	for (unsigned i = 0; i < ACROSS * DOWN; i++)
		n += cell_changed(a, b, i % ACROSS, i / ACROSS);
	return (double)n / (ACROSS * DOWN);
}

int still_measure(const struct frame *a, const struct frame *b, double *ret_share, struct err *err)
{
	struct jpeg_pixels pa = { 0 }, pb = { 0 };
	int rc;

	if (a->format != FRAME_JPEG || b->format != FRAME_JPEG)
		return err_set(err, -EINVAL, "only JPEG pictures can be compared");
	rc = jpeg_decode(a->data, a->size, MAX(a->width / 8, 1U), &pa, err);
	if (rc == 0)
		rc = jpeg_decode(b->data, b->size, MAX(b->width / 8, 1U), &pb, err);
	if (rc == 0)
		*ret_share = share_of(&pa, &pb);
	jpeg_pixels_fini(&pa);
	jpeg_pixels_fini(&pb);
	return rc;
}
