/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * outline: the shape of each layer as a few lines, small enough to keep for a whole job.
 *
 * For pictures of the part growing: the outer walls where the slicer names its features, else all
 * extruding moves. Each layer is simplified to a number of points given at the start, so that a
 * job of 500 layers of 200 points takes 400 kB. Points are tenths of a millimetre in the printer's
 * coordinates; beds of up to ±3.2 m fit.
 *
 * Built by gcode/index as it scans (gcode_options.outline_points) and owned by the index.
 * Thread: any; a finished outline is read-only.
 */

#pragma once

#include "base/base.h"

struct gcode_point {
	int16_t x, y; /* 0.1 mm */
};

/* `n` points from `first`, in the order of the moves; a closed line ends where it began. */
struct gcode_polyline {
	uint32_t first; /* into gcode_outline.points */
	uint32_t n;
};

struct gcode_outline_layer {
	float z_mm;
	uint32_t first_line; /* into gcode_outline.lines */
	uint32_t n_lines;
};

struct gcode_outline {
	struct gcode_outline_layer *layers; /* layers[i] is layer number i + 1 */
	size_t n_layers;
	struct gcode_polyline *lines;
	size_t n_lines;
	struct gcode_point *points;
	size_t n_points;
	struct gcode_point min, max; /* around all points; min > max while there are none */
	bool is_cut;                 /* the job was too large: later layers have no lines */
};

/* The layer of that number (1-based), or NULL. */
const struct gcode_outline_layer *gcode_outline_layer(const struct gcode_outline *o,
                                                      uint32_t number);

/* Bytes it takes in memory. */
size_t gcode_outline_size(const struct gcode_outline *o);

void gcode_outline_free(struct gcode_outline *o);

/* Builds one. A line is a run of gcode_outliner_add() whose moves join end to end. */
struct gcode_outliner;

struct gcode_outliner *gcode_outliner_new(unsigned points_per_layer);
void gcode_outliner_free(struct gcode_outliner *b);
/* An extruding move; of a layer with outer walls only those are kept. */
void gcode_outliner_add(struct gcode_outliner *b, const double from[2], const double to[2],
                        bool is_outer_wall);
/* The layer is complete. */
void gcode_outliner_layer(struct gcode_outliner *b, float z_mm);
/* Forgets everything so far. */
void gcode_outliner_reset(struct gcode_outliner *b);
/* Frees the builder and returns what it built. */
struct gcode_outline *gcode_outliner_end(struct gcode_outliner *b);
