/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/session: the photographing of one job. Plain data. */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"
#include "model/film.h"

#define SESSION_MAX_CAMERAS 4

enum session_state {
	SESSION_IDLE,
	SESSION_ARMED,
	SESSION_RECORDING,
	SESSION_PAUSED,
	SESSION_FINALISING,
	SESSION_DONE, /* of a stored session: film made, or ended without */
};

/* How sessions of a printer are to be made: settings. */
struct session_plan {
	bool starts_itself, ends_itself; /* with the print */
	unsigned every_n_layers;         /* 1 = each; 0 = none by layer */
	int64_t every_ms;                /* a picture by time; 0 = none */
	int64_t settle_ms;               /* after a layer's beginning, before its picture */
	int64_t shot_timeout_ms;         /* then the layer counts as missed */
	unsigned shot_retries;
	bool makes_film;
	unsigned min_frames; /* fewer: no film */
	unsigned n_cameras;
	char cameras[SESSION_MAX_CAMERAS][MODEL_ID_SIZE];
	struct film_plan film;
};

struct session {
	char id[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	char job[ID_SIZE];
	char job_name[192], job_file[256], task_id[40];
	enum session_state state;
	char state_text[240]; /* why: "paused: filament ran out" */
	int64_t started_wall_ms, ended_wall_ms;
	uint32_t n_frames, n_missed;
	int layer, layers; /* newest photographed, total; -1 unknown */
	uint64_t bytes;
	uint64_t forecast_bytes; /* of the whole print with its films, 0 unknown */
	uint32_t n_expected;     /* pictures of one camera when it is over, 0 unknown; not kept */
	bool is_thinned;         /* pictures are left out to keep the disk budget */
	unsigned keep_one_in;    /* 1: all */
	char outcome[16];        /* job_outcome_name(), "" while running */

	/* What was decided at its start: for the film, also after a restart. */
	bool wants_film; /* false: no film, or discarded */
	unsigned min_frames;
	unsigned n_cameras;
	char cameras[SESSION_MAX_CAMERAS][MODEL_ID_SIZE]; /* the first one's film is the main one */
	struct film_plan film;

	int64_t frames_deleted_wall_ms; /* by policy, after the film was verified; 0: they are there */
};

const char *session_state_name(enum session_state s); /* "idle" … */
bool session_state_from_name(const char *name, enum session_state *ret);
void session_plan_init(struct session_plan *p); /* the defaults */
