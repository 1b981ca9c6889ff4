/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * make: a sliced job of our own, for the demo and for tests.
 *
 * It is to a printer and to every reader of this room what the vendor's slicer writes: header,
 * settings, start code, layers with marks, M73 and time-lapse hooks, in a .gcode.3mf with
 * slice_info, pictures and the upper-case MD5. The shapes are drawn by formula, so that nothing
 * of anybody else's is in it, and the same call gives the same bytes.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;
struct err;

enum gcode_shape {
	GCODE_SHAPE_VASE, /* twisted, eight lobes */
	GCODE_SHAPE_GEAR,
	GCODE_SHAPE_BOAT,
	GCODE_SHAPE_CUBE,
};

enum gcode_machine {
	GCODE_MACHINE_A1, /* 256 mm bed, parks for each time-lapse picture */
	GCODE_MACHINE_A1_MINI,
	GCODE_MACHINE_P1S,
	GCODE_MACHINE_X1C,
};

struct gcode_make {
	enum gcode_shape shape;
	enum gcode_machine machine;
	unsigned n_layers;      /* 1 to 10 000 */
	double layer_height_mm; /* 0: 0.2 */
	double size_mm;         /* across; 0: 60 */
	unsigned n_filaments;   /* 1 to 4, changed in bands; 0: 1 */
	const char *name;       /* of the part; NULL: the shape's */
	bool is_smooth;         /* time-lapse of type 1 */
};

/* The G-code of plate 1 into `ret` (initialised here; buf_fini it). */
void gcode_make_text(const struct gcode_make *m, struct buf *ret);

/* The .gcode.3mf around it into `ret` (initialised here; buf_fini it). */
int gcode_make_threemf(const struct gcode_make *m, struct buf *ret, struct err *err) MUST_CHECK;
