/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * recolour: from the colours of a JPEG (BT.601, full range, JFIF) to those of a film (BT.709,
 * limited range), planar 4:2:0, 8 bits. Pure.
 *
 * Only luma is computed with neighbours' chroma (each sample for its four pixels), which is what
 * 4:2:0 means. Fixed point of 7 bits for luma, 8 for chroma: at most one level off.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct recolour_planes {
	const uint8_t *from[3];
	size_t from_stride[3];
	uint8_t *to[3];
	size_t to_stride[3];
	unsigned width, height; /* of luma; even */
};

void recolour_420(const struct recolour_planes *p);
