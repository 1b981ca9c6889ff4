/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * feeder: reads an index on a second core while the first one inflates.
 *
 * Inflating and reading take about the same time, so that together they are done in the time of
 * one. Pieces are not copied: what is handed over must stay as it is until GCODE_INFLATE_LAG
 * further pieces were handed over, and whoever is ahead waits for the other. Large jobs only: for
 * small ones the thread is not worth starting.
 *
 * Thread: any; between start and stop the scan belongs to the feeder, except after a drain.
 * Lock: feeder.lock, a leaf.
 */

#pragma once

#include "base/base.h"

struct gcode_scan;
struct gcode_feeder;

/* `size_expected` decides whether there will be a thread. */
struct gcode_feeder *gcode_feeder_start(struct gcode_scan *s, uint64_t size_expected);

/* A gcode_sink_fn; `arg` is the feeder. Returns when at most GCODE_INFLATE_LAG pieces, this one
 * among them, are still to be read. */
int gcode_feeder_sink(void *arg, const void *bytes, size_t size);

/* Waits until all that was handed over is read; the scan may be touched until the next piece. */
void gcode_feeder_drain(struct gcode_feeder *f);

/* Drains, ends the thread, frees. The scan is the caller's again. NULL is fine. */
void gcode_feeder_stop(struct gcode_feeder *f);
