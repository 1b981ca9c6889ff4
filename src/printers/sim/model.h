/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/model: what the simulator needs to know of each Bambu model (bambu.md 1.1).
 *
 * Thread: any; const tables.
 */

#pragma once

#include "base/base.h"

enum sim_reports {
	SIM_REPORTS_DELTA, /* P1, A1: the full object on pushall only, deltas every 2 s */
	SIM_REPORTS_FULL,  /* X1: the full object every second */
	SIM_REPORTS_BOTH,  /* P2S, X2D, H2: the full object on pushall, deltas every second */
};

enum sim_ams {
	SIM_AMS_NONE,
	SIM_AMS_LITE,
	SIM_AMS_4,
	SIM_AMS_2_PRO,
};

/* One step of what a printer does before the first layer: stage (bambu.md 2.7) and seconds. */
struct sim_stage {
	int stage;
	double takes_s;
};

struct sim_model {
	const char *code;    /* "N2S" */
	const char *name;    /* "A1" */
	const char *product; /* "Bambu Lab A1" */
	const char *prefix;  /* of serial numbers */
	enum sim_reports reports;
	enum sim_ams ams;
	double bed_x_mm, bed_y_mm;
	unsigned n_nozzles;
	bool moves_bed_in_y;  /* a bed-slinger */
	bool has_jpeg_camera; /* port 6000 */
	bool is_fine;         /* temperatures in 1/32 °C, else whole degrees */
	bool has_chamber;     /* a sensor */
	bool is_new;          /* sends cfg, fun, aux, stat, device */
	int no_stage;         /* stg_cur for "none" */
	const char *firmware;
	const struct sim_stage *stages; /* ends with stage 0 */
};

/* By code ("N2S"), name ("A1", any letter case, blanks ignored) or serial; NULL if unknown. */
const struct sim_model *sim_model_find(const char *name);
/* NULL after the last. */
const struct sim_model *sim_model_at(size_t i);
