/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/job: one print of one printer, from its start to its end. Plain data. */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"

enum job_outcome {
	JOB_RUNNING,
	JOB_FINISHED,
	JOB_FAILED,
	JOB_CANCELLED,
	JOB_LOST
};

struct job {
	char id[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	char name[192];
	char file[256];
	char task_id[40];
	char plate[64];
	int64_t started_wall_ms, ended_wall_ms; /* 0: not ended */
	enum job_outcome outcome;
	char reason[256];     /* why it failed */
	int layer, layers;    /* -1 unknown */
	double estimate_s;    /* the slicer's, else the printer's host's; NAN unknown */
	double filament_g;    /* the slicer's, NAN unknown */
	char gcode_path[320]; /* our copy of its 3MF or G-code below the data folder, "" none */
};

const char *job_outcome_name(enum job_outcome o); /* "running" … */
bool job_outcome_from_name(const char *name, enum job_outcome *ret);
