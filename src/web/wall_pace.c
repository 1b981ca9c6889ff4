/* SPDX-License-Identifier: GPL-3.0-or-later */
/* wall_pace: how much to send to somebody whose connection is known by its acknowledgements only. */

#include "web/wall.h"

#define MIN_WINDOW 65536
#define FIRST_WINDOW 131072
#define PERIOD_US 2000000
/* What is under way may take so long beside the way itself. */
#define QUEUE_US 200000
#define GOOD_PERIODS 3 /* then a step up is tried */

static const unsigned widths[WALL_N_WIDTHS] = { 160, 240, 320, 480, 640, 960, 1280, 1920 };

unsigned wall_width(unsigned wanted)
{
	for (unsigned i = 0; wanted > 0 && i < WALL_N_WIDTHS; i++) {
		if (widths[i] >= wanted)
			return widths[i];
	}
	return 0;
}

void wall_pace_init(struct wall_pace *p, int64_t now_us)
{
	*p = (struct wall_pace){ .window = FIRST_WINDOW, .since_us = now_us };
}

void wall_pace_arrived(struct wall_pace *p, size_t size, size_t ahead, int64_t sent_us,
                       int64_t now_us)
{
	int64_t took_us = MAX(now_us - sent_us, 1);
	double rate = (double)(size + ahead) * 1e6 / (double)took_us, wanted;

	/* The shortest way creeps up, so that a connection that became longer is believed in time. */
	p->round_us = p->round_us ? MIN(took_us, p->round_us + p->round_us / 64 + 1) : took_us;
	if (p->bytes_per_s <= 0)
		p->bytes_per_s = rate;
	/* Small messages tell of the way, not of the width: only more of it is believed of them. */
	else if (rate > p->bytes_per_s || size + ahead >= p->window / 2)
		p->bytes_per_s += (rate - p->bytes_per_s) / 8;
	wanted = p->bytes_per_s * (double)(p->round_us + QUEUE_US) / 1e6;
	p->window = wanted < MIN_WINDOW                ? MIN_WINDOW
	            : wanted > (double)WALL_MAX_WINDOW ? WALL_MAX_WINDOW
	                                               : (size_t)wanted;
}

bool wall_pace_count(struct wall_pace *p, bool is_late, int64_t now_us)
{
	unsigned before = p->level, n;

	if (is_late)
		p->n_late++;
	else
		p->n_sent++;
	if (now_us - p->since_us < PERIOD_US)
		return false;
	n = p->n_sent + p->n_late;
	if (p->n_late * 4 > n && p->level < WALL_MAX_LEVEL) {
		p->level++;
		p->n_good_periods = 0;
	} else if (p->n_late * 20 > n) {
		p->n_good_periods = 0;
	} else if (++p->n_good_periods >= GOOD_PERIODS && p->level > 0) {
		p->level--;
		p->n_good_periods = 0;
	}
	p->since_us = now_us;
	p->n_sent = p->n_late = 0;
	return p->level != before;
}

/* Each level has about half the bytes of the one before: a size less, and at every second one also
 * fewer pictures. */
void wall_pace_apply(const struct wall_pace *p, unsigned *width, int64_t *every_us)
{
	unsigned i = WALL_N_WIDTHS - 1, w = wall_width(*width);

	if (p->level == 0) {
		*width = w;
		return;
	}
	while (w > 0 && i > 0 && widths[i] != w)
		i--;
	*width = widths[i > p->level ? i - p->level : 0];
	if (p->level > 2)
		*every_us = MAX(*every_us, 100000) * (1 << ((p->level - 1) / 2));
}
