/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/scene: a printer's bed with the part growing on it, as a picture.
 *
 * What a camera at the right front corner would see: the plate with its 10 mm grid, the part as a
 * stack of its real outlines, the head on its beam, and a line of text. A view in parallel
 * projection, so that a bed that moves (a bed-slinger's in Y, the others' in Z) is the same bitmap
 * in another place: finished layers are drawn once and kept, a frame adds what is new. The fake
 * camera and the simulated printer both draw with it.
 *
 * Ownership: a scene owns its bitmaps; the outline is the caller's and must live as long as it is
 * drawn, until scene_forget(). Thread: any; one scene belongs to one thread at a time. It takes
 * milliseconds: draw on a worker.
 */

#pragma once

#include "base/base.h"

struct err;
struct frame;
struct gcode_outline;
struct scene;

enum scene_kind {
	SCENE_BED_SLINGER, /* A1: the bed moves in Y, the beam climbs */
	SCENE_BED_DROP,    /* P1, X1: the bed sinks */
};

/* What is so at the moment of the picture. */
struct scene_view {
	enum scene_kind kind;
	double bed_x_mm, bed_y_mm;           /* 0: 256 */
	const struct gcode_outline *outline; /* NULL: nothing is on the bed */
	uint32_t color;                      /* of the filament, 0xRRGGBBff; 0: unknown */
	int layer;         /* being printed, from 1: those below are finished; 0: none yet */
	int layers;        /* -1 unknown */
	double z_mm;       /* of the layer; NAN: from the outline, or unknown */
	double fraction;   /* of this layer that is done, 0 to 1; where the head is */
	bool is_done;      /* the last layer is finished too */
	bool is_parked;    /* the head stands aside */
	bool is_dark;      /* its light is off */
	int percent;       /* -1 unknown */
	int64_t elapsed_s; /* of the job, -1 unknown */
	int64_t wall_ms;   /* time of day, 0: not shown */
	int quality;       /* of the JPEG, 1 to 100; 0: 85 */
	char title[64];    /* "A1 in the workshop" */
	char file[128];
	char state[96]; /* "printing", "paused: filament ran out" */
};

/* Idle, all unknown. */
void scene_view_init(struct scene_view *v);

struct scene *scene_new(void);
void scene_free(struct scene *s);

/* The outline last drawn is about to go away or to change. */
void scene_forget(struct scene *s);

/* A JPEG of `width` × `height` pixels (160×90 to 4096×4096), without times; the caller's. */
int scene_draw(struct scene *s, const struct scene_view *v, unsigned width, unsigned height,
               struct frame **ret, struct err *err) MUST_CHECK;
