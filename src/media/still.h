/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * still: does a picture still move: a measure of how two pictures of one camera differ.
 *
 * Both are decoded at an eighth of their size and compared in cells of a 16 by 12 raster. What
 * counts is the share of cells that changed: a head that moves changes many, noise none, a clock
 * in the picture one or two.
 *
 * Pure. Thread: any; about a millisecond of CPU: on a worker.
 */

#pragma once

#include "base/base.h"

struct err;
struct frame;

/* Not more than so many cells of the 192: the picture stands. */
#define STILL_SHARE 0.016

/* The share of cells that changed, 0 to 1; 1 when the sizes differ. JPEG only. */
int still_measure(const struct frame *a, const struct frame *b, double *ret_share,
                  struct err *err) MUST_CHECK;
