/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/pick: which frames a film takes, and how fast it shows them. Pure.
 *
 * A film of a fixed rate takes every frame. A film of a wanted duration takes all while that means
 * 60 a second or less, else evenly as many as 60 a second fill. While a print runs the number of
 * frames to come is a guess (the layers of the job); the rate is set at the end from what came, so
 * that a film is made again only when the guess led to the wrong choice of frames.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct film_plan;

#define PICK_MIN_FPS 1.0
#define PICK_MAX_FPS 60.0

struct film_pick {
	uint32_t take, of; /* `take` of each `of` frames; equal: all */
	double fps;        /* as guessed */
};

/* `n_expected`: frames of the whole session, 0 unknown. */
void film_pick_plan(struct film_pick *ret, const struct film_plan *plan, uint32_t n_expected);

/* Whether the film takes the frame `index`, from 0. */
bool film_pick_takes(const struct film_pick *p, uint32_t index);

/* Frames a second of a film that has `n_frames`. */
double film_pick_fps(const struct film_plan *plan, uint32_t n_frames);

/* Seconds that it lasts, with the hold. */
double film_pick_duration(const struct film_plan *plan, uint32_t n_frames);

/* The film has `n_frames` of the session's `n_seen`, and is off by more than a tenth from what it
 * would have, had the number been known. */
bool film_pick_is_off(const struct film_plan *plan, uint32_t n_seen, uint32_t n_frames);
