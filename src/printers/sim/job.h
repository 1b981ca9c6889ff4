/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/job: what the simulated printer prints: layers with their times, tools and outlines.
 *
 * Thread: any; loading reads and inflates files: on a worker.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/strokes.h"

struct err;
struct gcode_index;

struct sim_layer {
	double at_s; /* begins so long after the first layer does */
	float z_mm;
	int tool; /* filament of the project, from 0 */
};

struct sim_job {
	unsigned refs;
	char name[128]; /* without folder and suffix */
	char file[200]; /* with suffix, as on the storage */
	unsigned plate;
	size_t n_layers;
	struct sim_layer *layers; /* n_layers + 1: the last one is the end */
	uint32_t color;           /* of the first filament, 0xRRGGBBff */
	struct sim_strokes strokes;
	struct gcode_index *index; /* with outlines; NULL for the built-in job */
};

/* 50 layers of 0.2 mm and 24 s, one filament: when there is no file. */
struct sim_job *sim_job_built_in(const char *name);

/* From a .gcode.3mf (`plate` 0: its first) or plain G-code. */
int sim_job_load(const char *path, unsigned plate, struct sim_job **ret,
                 struct err *err) MUST_CHECK;

/* The layer whose text holds `byte`, from 1: 0 before the first, n_layers + 1 behind the last. Looks from layer
 * `from` on. Of a job with an index. */
size_t sim_job_layer_at(const struct sim_job *j, uint64_t byte, size_t from);

struct sim_job *sim_job_ref(struct sim_job *j);
void sim_job_unref(struct sim_job *j);
