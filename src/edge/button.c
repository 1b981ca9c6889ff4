/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/button.h"

#include <string.h>

void button_rules_init(struct button_rules *r)
{
	*r = (struct button_rules){ .debounce_us = 10000, .window_us = 300000 };
	r->orders[1] = BUTTON_FRAME;
	r->orders[3] = BUTTON_START_STOP;
	r->orders[4] = BUTTON_PAUSE_RESUME;
	r->orders[5] = BUTTON_DISCARD;
}

void button_init(struct button *b, const struct button_rules *r, bool is_down)
{
	memset(b, 0, sizeof(*b));
	b->rules = *r;
	b->is_down = b->is_raw_down = is_down;
	b->locked_us = INT64_MIN;
	b->changed_us = INT64_MIN;
}

void button_set_changing(struct button *b, bool is_changing, int64_t at_us)
{
	if (b->is_changing && !is_changing)
		b->changed_us = at_us;
	b->is_changing = is_changing;
}

static bool is_wipe_time(const struct button *b, int64_t at_us)
{
	return b->is_changing ||
	       (b->changed_us != INT64_MIN && at_us - b->changed_us < BUTTON_WIPE_TAIL_US);
}

/* The series is over. */
static struct button_step judge(struct button *b)
{
	struct button_step s = { .news = BUTTON_ORDERS, .clicks = b->clicks, .at_us = b->first_us };

	if (b->rules.is_single)
		s.order = BUTTON_FRAME;
	else if (b->clicks <= BUTTON_MAX_CLICKS)
		s.order = b->rules.orders[b->clicks];
	if (b->was_changing && s.order != BUTTON_NONE && s.order != BUTTON_PAUSE_RESUME) {
		s.order = BUTTON_NONE;
		s.is_wipe = true;
	}
	b->clicks = 0;
	b->was_changing = false;
	return s;
}

static unsigned press(struct button *b, int64_t at_us, struct button_step *ret)
{
	unsigned n = 0;

	b->was_changing |= is_wipe_time(b, at_us);
	b->last_us = at_us;
	if (b->clicks++ > 0)
		return 0;
	b->first_us = at_us;
	ret[n++] = (struct button_step){ .news = BUTTON_SHOOT, .clicks = 1, .at_us = at_us };
	if (b->rules.is_single)
		ret[n++] = judge(b);
	return n;
}

/* A change of the debounced level. */
static unsigned change(struct button *b, bool is_down, int64_t at_us, struct button_step *ret)
{
	b->is_down = is_down;
	b->locked_us = at_us + b->rules.debounce_us;
	return is_down ? press(b, at_us, ret) : 0;
}

unsigned button_tick(struct button *b, int64_t now_us, struct button_step ret[BUTTON_MAX_STEPS])
{
	unsigned n = 0;

	/* What bounced has come to rest on the other level: a click shorter than the bouncing. */
	if (b->is_raw_down != b->is_down && now_us >= b->locked_us) {
		int64_t at_us = b->locked_us;

		if (b->clicks > 0 && b->is_raw_down && at_us - b->last_us >= b->rules.window_us)
			ret[n++] = judge(b);
		n += change(b, b->is_raw_down, at_us, ret + n);
	}
	if (b->clicks > 0 && now_us - b->last_us >= b->rules.window_us)
		ret[n++] = judge(b);
	return n;
}

unsigned button_edge(struct button *b, bool is_down, int64_t at_us,
                     struct button_step ret[BUTTON_MAX_STEPS])
{
	unsigned n = 0;

	/* Stamps of two interrupts may come in the wrong order by a hair; time does not go back. */
	at_us = MAX(at_us, b->clicks > 0 ? b->last_us : at_us);
	n = button_tick(b, at_us, ret);
	b->is_raw_down = is_down;
	if (at_us < b->locked_us)
		return n;
	if (is_down != b->is_down)
		n += change(b, is_down, at_us, ret + n);
	return n;
}

int64_t button_due_us(const struct button *b)
{
	int64_t due = INT64_MAX;

	if (b->clicks > 0)
		due = b->last_us + b->rules.window_us;
	if (b->is_raw_down != b->is_down)
		due = MIN(due, b->locked_us);
	return due;
}
