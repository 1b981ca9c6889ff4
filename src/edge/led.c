/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/led.h"

#define RED (1U << LIGHT_RED)
#define GREEN (1U << LIGHT_GREEN)
#define YELLOW (1U << LIGHT_YELLOW)

void led_init(struct led *l)
{
	*l = (struct led){ .base = RIG_IDLE, .trouble = RIG_IDLE, .blink_us = INT64_MIN };
}

void led_show(struct led *l, enum rig_show base, enum rig_show trouble, int64_t now_us)
{
	if (trouble != l->trouble)
		l->trouble_us = now_us;
	l->base = base;
	l->trouble = trouble;
}

void led_blink(struct led *l, int64_t now_us)
{
	l->blink_us = now_us;
}

enum rig_show led_shown(const struct led *l)
{
	return l->trouble != RIG_IDLE ? l->trouble : l->base;
}

static unsigned base_lit(enum rig_show base)
{
	switch (base) {
	case RIG_RECORDING:
		return GREEN;
	case RIG_PAUSED:
		return YELLOW;
	case RIG_FINALISING:
		return 0;
	case RIG_IDLE:
	case RIG_NO_PRINTER:
	case RIG_NO_CAMERA:
	case RIG_DISK_LOW:
		break;
	}
	return RED;
}

static int64_t period_of(enum rig_show trouble)
{
	switch (trouble) {
	case RIG_NO_PRINTER:
		return LED_SLOW_US;
	case RIG_NO_CAMERA:
		return LED_FAST_US;
	case RIG_DISK_LOW:
		return LED_TURN_US;
	case RIG_IDLE:
	case RIG_RECORDING:
	case RIG_PAUSED:
	case RIG_FINALISING:
		break;
	}
	return 0;
}

static bool is_blinking(const struct led *l, int64_t now_us)
{
	return l->blink_us != INT64_MIN && now_us - l->blink_us < LED_BLINK_US;
}

unsigned led_lit(const struct led *l, int64_t now_us)
{
	unsigned lit = base_lit(l->base);
	int64_t period = period_of(l->trouble);
	bool is_first_half = period == 0 || (now_us - l->trouble_us) / period % 2 == 0;

	if (l->trouble == RIG_NO_PRINTER)
		return (lit & ~YELLOW) | (is_first_half ? YELLOW : 0);
	if (l->trouble == RIG_NO_CAMERA)
		return (lit & ~RED) | (is_first_half ? RED : 0);
	if (l->trouble == RIG_DISK_LOW)
		return (lit & GREEN) | (is_first_half ? RED : YELLOW);
	return is_blinking(l, now_us) ? lit ^ RED : lit;
}

int64_t led_due_us(const struct led *l, int64_t now_us)
{
	int64_t period = period_of(l->trouble);

	if (period > 0)
		return l->trouble_us + ((now_us - l->trouble_us) / period + 1) * period;
	return is_blinking(l, now_us) ? l->blink_us + LED_BLINK_US : INT64_MAX;
}
