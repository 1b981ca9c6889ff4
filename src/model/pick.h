/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/pick: which frames a film takes, and how fast it shows them. Pure.
 *
 * A film of a fixed rate takes every frame. A film of a wanted duration takes all while that means
 * 60 a second or less, else evenly as many as 60 a second fill. While a print runs the number of
 * frames to come is a guess (the layers of the job, how many of them are photographed); when it
 * changes, the rest of the choice follows it. The rate is set at the end from what came, so that a
 * film is made again only when the guess was wrong at the end.
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
	uint32_t from;     /* counted from this one on */
	uint32_t phase;    /* below `of`: how far the next one that is taken has come by then */
	double fps;        /* as guessed */
};

/* `n_expected`: frames of the whole session, 0 unknown. */
void film_pick_plan(struct film_pick *ret, const struct film_plan *plan, uint32_t n_expected);

/* The choice of what is to come: `n_taken` of the first `n_seen` frames are in the film already.
 * A guess that was reached already changes nothing. */
void film_pick_plan_rest(struct film_pick *p, const struct film_plan *plan, uint32_t n_expected,
                         uint32_t n_seen, uint32_t n_taken);

/* Whether the film takes the frame `index`, from 0; none before p->from is asked for. */
bool film_pick_takes(const struct film_pick *p, uint32_t index);

/* Frames a second of a film that has `n_frames`. */
double film_pick_fps(const struct film_plan *plan, uint32_t n_frames);

/* The most frames that it can have. */
uint32_t film_pick_most(const struct film_plan *plan);

/* Seconds that it lasts, with the hold. */
double film_pick_duration(const struct film_plan *plan, uint32_t n_frames);

/* The film has `n_frames` of the session's `n_seen`, and is off by more than a tenth from what it
 * would have, had the number been known. */
bool film_pick_is_off(const struct film_plan *plan, uint32_t n_seen, uint32_t n_frames);
