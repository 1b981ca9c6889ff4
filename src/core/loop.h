/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * loop: the one thread that owns printers, sessions, viewers and sockets, and its time.
 *
 * libuv waits for sockets; timers stand in a heap of our own, so that a simulated loop can run a
 * six-hour print in milliseconds: it never waits, and its clock moves only by loop_advance().
 *
 * Thread: loop, but loop_post() and loop_stop(), which any thread may call.
 */

#pragma once

#include "base/base.h"

struct loop;

/* Embedded in its owner; stop it before the owner goes. */
struct timer {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	int64_t due_us;
	int64_t every_us; /* 0: once */
	size_t slot;      /* place in the heap, counted from 1; 0 while stopped */
	uint64_t order;
};

/* A real one. SIGPIPE is ignored from here on. */
struct loop *loop_new(void);

/* A loop for tests: monotonic time starts at 1 s, wall time at `wall_ms`. No sockets. */
struct loop *loop_new_simulated(int64_t wall_ms);

/* All timers must be stopped and all handles closed. Posts still queued are run. */
void loop_free(struct loop *l);

/* Runs until loop_stop(). Real loops only. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Simulated loops only: runs what is due within the next `ms`, in order, then returns. */
void loop_advance(struct loop *l, int64_t ms);

bool loop_is_simulated(const struct loop *l);

/* The calling thread is this loop's; for assertions at loop entry points. */
bool loop_is_mine(const struct loop *l);

/* CLOCK_MONOTONIC in microseconds, read anew at each call; simulated time on a simulated loop. */
int64_t loop_now_us(const struct loop *l);
/* Wall time in milliseconds since 1970 UTC. */
int64_t loop_wall_ms(const struct loop *l);

/* Runs fn(arg) on the loop, after the current callback, in the order of posting. Any thread. */
void loop_post(struct loop *l, void (*fn)(void *arg), void *arg);

/* What a room keeps once for each loop, told apart by `key`, an address of its own: made when it is
 * first asked for, dropped by loop_free() after everything else. */
void *loop_keep(struct loop *l, const void *key, void *(*make)(void), void (*drop)(void *thing));

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg);
/* Once after `delay_ms`; a running timer is set anew. */
void timer_start(struct timer *t, int64_t delay_ms);
/* Every `period_ms` (at least 1), first after one period. A late loop skips periods. */
void timer_start_every(struct timer *t, int64_t period_ms);
void timer_stop(struct timer *t);
bool timer_is_running(const struct timer *t);

/* The uv_loop_t behind, for core/proc and the wire room. NULL on a simulated loop. */
void *loop_uv(struct loop *l);
