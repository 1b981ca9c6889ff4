/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * led: what the three lights tell, as patterns in time. Pure.
 *
 * Red: idle, the preview runs; green: recording; yellow: paused; none: the film is being made. Each
 * picture that is kept turns the red one over for 0.2 s. Trouble is told by blinking, over what is lit
 * otherwise: yellow slowly: no printer; red fast: no camera; red and yellow in turn: the disk is nearly full.
 *
 * Times are monotonic microseconds. Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"
#include "model/environment.h"

#define LED_BLINK_US 200000
#define LED_SLOW_US 1000000
#define LED_FAST_US 250000
#define LED_TURN_US 500000

struct led {
	enum rig_show base;    /* RIG_IDLE … RIG_FINALISING */
	enum rig_show trouble; /* RIG_NO_PRINTER …; RIG_IDLE none */
	int64_t trouble_us;    /* since when */
	int64_t blink_us;      /* of the newest picture; INT64_MIN none */
};

void led_init(struct led *l);
void led_show(struct led *l, enum rig_show base, enum rig_show trouble, int64_t now_us);
void led_blink(struct led *l, int64_t now_us); /* a picture is kept */

/* What the status says: the trouble, if there is any. */
enum rig_show led_shown(const struct led *l);
/* Lit ones as bits: 1 << LIGHT_RED … */
unsigned led_lit(const struct led *l, int64_t now_us);
/* When that changes by itself; INT64_MAX never. */
int64_t led_due_us(const struct led *l, int64_t now_us);
