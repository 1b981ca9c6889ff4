/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/film: how a film is to be made, and one that was. Plain data. */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/camera.h"

struct film_plan {
	double fps;             /* fixed rate, 1 to 60; default 25 */
	double duration_s;      /* wanted length; 0: as long as fps makes it */
	double hold_s;          /* of the last frame; default 2 */
	int crf;                /* 0 to 51, default 23 */
	unsigned width, height; /* 0: as the first frame, made even */
	char preset[16];        /* x264's, default "veryfast" */
};

enum film_state {
	FILM_GROWING, /* pieces are made while the print runs */
	FILM_FINISHING,
	FILM_READY,    /* plays */
	FILM_VERIFIED, /* plays, and was decoded to its last frame and counted */
	FILM_FAILED,
};

struct film {
	char id[ID_SIZE];
	char session[ID_SIZE];
	char printer[MODEL_ID_SIZE];
	char camera[MODEL_ID_SIZE];
	char job_name[192];
	char file[256];   /* relative to the data folder: films/2026-11-21_10-40-05_name.mp4 */
	char poster[256]; /* relative, JPEG; "" none */
	enum film_state state;
	char text[240]; /* why it failed, what to do; or what it waits for */
	int64_t made_wall_ms;
	double duration_s, fps;
	unsigned width, height;
	uint32_t n_frames, n_skipped; /* in the film; broken ones left out */
	uint64_t bytes;
	char sha256[65];      /* of the file, hex, since it was verified; "" unknown */
	int progress_percent; /* -1 unknown */
	struct film_plan plan;
};

/* Whole, checked, and nothing of ours will change its file any more. */
bool film_is_finished(const struct film *f);
const char *film_state_name(enum film_state s); /* "growing" … */
bool film_state_from_name(const char *name, enum film_state *ret);
void film_plan_init(struct film_plan *p); /* the defaults */
/* Checks the limits named above. */
struct err;
int film_plan_check(const struct film_plan *p, struct err *err) MUST_CHECK;
