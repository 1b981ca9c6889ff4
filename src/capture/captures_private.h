/* SPDX-License-Identifier: GPL-3.0-or-later */
/* captures_private: what captures.c and captures_plan.c share. Thread: loop. */

#pragma once

#include "capture/captures.h"
#include "capture/ground.h"
#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/job.h"
#include "model/layer.h"
#include "model/session.h"

#define CAPTURES_MAX_MISSED 20000

struct loading;
struct looking;
struct saving;

/* A printer. */
struct spot {
	struct captures *owner;
	char printer[MODEL_ID_SIZE];
	char cameras[256];
	struct log log;
	struct capture_plan plan;
	double heights[CAPTURE_MAX_HEIGHTS];
	unsigned n_heights;
	bool has_job, is_printing;
	struct job job;
	struct session session; /* the last that took pictures, or still does */
	struct ground *ground;  /* NULL: the sliced file is not at hand */
	struct loading *loading;
	struct looking *looking;  /* for what an earlier run left */
	struct saving *restoring; /* the kept plan, on its way from the store */
	bool is_plan_new;         /* set since it was asked for in the store */
	struct layer layer;       /* newest; number 0 none */
	double top_seen_mm;
	struct run *run;
	struct grid_pace pace;
	struct captures_counts counts;
	int *missed;
	unsigned n_missed;
	struct timer every, recover;
	struct spot *prev, *next; /* captures.spots */
};

struct captures {
	struct captures_env env;
	struct bus_listener listener;
	struct spot *spots;
	bool is_closing;
};

struct spot *spot_of(const struct captures *cs, const char *printer);
/* What is known of the sliced file at a layer. */
struct run_file spot_file(const struct spot *sp, int layer);
void spot_plan_changed(struct spot *sp);
/* The sliced file of the job, read anew. */
void spot_load(struct spot *sp);

/* captures_plan.c */
/* The kept plan comes when the store has it, unless another is set by then. */
void plan_restore(struct spot *sp);
void plan_restore_drop(struct spot *sp);
void plan_store(struct spot *sp);
/* What a program that was killed left behind: nothing runs any more, and its pictures are the run's. */
void record_end_running(struct captures *cs, const char *printer);
void record_remember(struct captures *cs, struct run *r);
void record_store(struct captures *cs, const struct capture *c, const struct capture_picture *pics,
                  unsigned n);
