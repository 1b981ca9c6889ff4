/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ground: what a capture needs of the sliced file: how high the print is by each layer, how far it
 * reaches, what its outer walls look like, where the marks stand, which modes are in force. Some 400
 * bytes a layer.
 *
 * Thread: ground_load() and ground_feed() wait for the disk: on a worker. A finished one is read-only.
 */

#pragma once

#include "gcode/index.h"

struct err;
struct gcode_outline;

struct ground_layer {
	float z_mm, top_mm;
	uint64_t byte;        /* of the G-code, where it begins */
	struct gcode_box box; /* of everything up to here */
	bool is_relative, is_e_relative, is_marked;
};

struct ground {
	size_t n;
	struct ground_layer *layers; /* number 1 first */
	struct gcode_outline *outline;
	char *path;
	bool is_text; /* plain G-code, in which bytes can be looked up */
};

/* `mark` may be NULL. */
int ground_load(const char *path, unsigned plate, const char *mark, struct ground **ret,
                struct err *err) MUST_CHECK;
void ground_free(struct ground *g);

/* NULL for a number that does not exist; of `ground` NULL too. */
const struct ground_layer *ground_layer(const struct ground *g, int number);
/* The layer that is printed at that byte of plain G-code; 0 before the first, or not known. */
int ground_layer_at(const struct ground *g, int64_t byte);
/* The highest of everything up to the end of that layer; NAN unknown. */
double ground_top(const struct ground *g, int number);

/* The feed rate that G0 to G3 have set before `size` bytes of text end; NAN none. Pure. */
double ground_feed_in(const char *text, size_t size);
/* The same of a file, before byte `pos`. */
double ground_feed(const char *path, int64_t pos);
