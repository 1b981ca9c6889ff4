/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * button: what a person, or a tool head, says with one push-button. Pure.
 *
 * Edges with their times go in, one step comes out of each call: the first press of a series is
 * worth a picture at once; when no press has followed for `window_us` the series is over, and its
 * count says what is wanted, and so whether the picture is kept. An edge counts at once and locks out
 * what bounces behind it for `debounce_us`; a click shorter than that counts too.
 *
 * A slicer's own macros wipe the nozzle at the switch while filament is changed: then, and shortly after,
 * only the pause and its end are heard, as the pause may be ordered from within the change.
 *
 * Times are monotonic microseconds. Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"
#include "model/environment.h"

#define BUTTON_MAX_CLICKS 9
#define BUTTON_MAX_STEPS 5
/* The macro's last strokes may come when the printer says already that it prints. */
#define BUTTON_WIPE_TAIL_US 2000000

struct button_rules {
	int64_t debounce_us, window_us;
	bool is_single;                                  /* each press is a frame, at once */
	enum button_order orders[BUTTON_MAX_CLICKS + 1]; /* by number of clicks; [0] is not used */
};

struct button {
	struct button_rules rules;
	bool is_down;      /* as debounced */
	bool is_raw_down;  /* as the newest edge said */
	int64_t locked_us; /* edges before this bounce */
	unsigned clicks;   /* of the series under way; 0 none */
	int64_t first_us, last_us;
	bool is_changing;   /* filament */
	int64_t changed_us; /* end of the last change; INT64_MIN never */
	bool was_changing;  /* at some press of the series */
};

enum button_news {
	BUTTON_QUIET,
	BUTTON_SHOOT,  /* first press: take a picture of that moment */
	BUTTON_ORDERS, /* the series is over */
};

struct button_step {
	enum button_news news;
	unsigned clicks;
	enum button_order order; /* BUTTON_NONE: drop the picture; BUTTON_FRAME: keep it */
	bool is_wipe;            /* an order was not heard because filament is changed */
	int64_t at_us;           /* of the first press */
};

/* 10 ms, 0.3 s; 1 frame, 3 start/stop, 4 pause/resume, 5 discard. */
void button_rules_init(struct button_rules *r);
/* `is_down`: it is held down already, which is no press. */
void button_init(struct button *b, const struct button_rules *r, bool is_down);

/* Filament is (not) being changed from `at_us` on. */
void button_set_changing(struct button *b, bool is_changing, int64_t at_us);

/* Steps of one call: a series that is over before the edge, and what the edge begins. In single
 * mode a press gives SHOOT and ORDERS. Returns how many. Edges must not go back in time. A level that
 * was told already is no news, so that after lost edges the true one may be told. */
unsigned button_edge(struct button *b, bool is_down, int64_t at_us,
                     struct button_step ret[BUTTON_MAX_STEPS]);
/* Time has passed. */
unsigned button_tick(struct button *b, int64_t now_us, struct button_step ret[BUTTON_MAX_STEPS]);
/* When button_tick() has something to do; INT64_MAX never. */
int64_t button_due_us(const struct button *b);
