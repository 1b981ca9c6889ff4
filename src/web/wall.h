/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wall: many cameras over one WebSocket, as fast and as large as the connection carries.
 *
 * A browser opens six connections to one server; a wall of cameras needs one. The page says which
 * cameras it shows, how large and how often; docs/camera-clients.md describes the messages. Pictures
 * that the page has not acknowledged are bounded (WALL_MAX_WINDOW): of each camera the newest is
 * sent when there is room, in turn. When pictures have to wait too often they become smaller, then
 * fewer; when there was room for long, larger again.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct wall;
struct web;

#define WALL_MAX_CAMERAS 64
#define WALL_MAX_WINDOW ((size_t)1 << 20)

struct wall *wall_new(struct web *w);
/* After the HTTP server was freed. */
void wall_free(struct wall *wl);

/* ---- what the connection carries: pure, for tests ---- */

/* Sizes in which copies are made; a wanted width takes the next larger one. */
#define WALL_N_WIDTHS 8
unsigned wall_width(unsigned wanted); /* 0: as it comes */

struct wall_pace {
	double bytes_per_s; /* measured, 0 unknown */
	int64_t round_us;   /* shortest from sending to acknowledging, lately */
	size_t window;      /* bytes that may be under way */
	unsigned level;     /* 0: all that is wanted; each step is smaller or slower */
	/* of the current period */
	int64_t since_us;
	unsigned n_sent, n_late;
	unsigned n_good_periods;
};

#define WALL_MAX_LEVEL 6

void wall_pace_init(struct wall_pace *p, int64_t now_us);
/* A message of `size` bytes, sent at `sent_us` when `ahead` bytes were under way, has arrived. */
void wall_pace_arrived(struct wall_pace *p, size_t size, size_t ahead, int64_t sent_us,
                       int64_t now_us);
/* A picture was due and sent, or due and had to wait. True: the level is another now. */
bool wall_pace_count(struct wall_pace *p, bool is_late, int64_t now_us);
/* What becomes of a wish at the level. */
void wall_pace_apply(const struct wall_pace *p, unsigned *width, int64_t *every_us);
