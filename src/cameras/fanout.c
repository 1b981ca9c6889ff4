/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fanout: one frame, many readers. Shots first, none skipped; then whoever watches. */

#include "base/err.h"
#include "base/mem.h"
#include "cameras/private.h"
#include "media/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define HISTORY_US 2000000

/* ---- watchers ---- */

static void give(struct camera_watcher *w, struct frame *f)
{
	frame_unref(w->newest);
	w->newest = frame_ref(f);
}

void fanout_wake(struct camera *c)
{
	assert(!c->next_to_wake);
	c->busy++;
	for (struct camera_watcher *w = c->watchers; w; w = c->next_to_wake) {
		c->next_to_wake = w->next;
		w->woken(w->arg);
	}
	c->busy--;
}

/* Of video the newest picture is of when somebody last wanted one. */
static bool is_history(const struct camera *c)
{
	return camera_video_params(c) &&
	       loop_now_us(c->all->env.loop) - c->newest->captured_us > HISTORY_US;
}

void camera_watch(struct camera *c, struct camera_watcher *w, void (*woken)(void *arg), void *arg)
{
	assert(!w->camera);
	w->camera = c;
	w->woken = woken;
	w->arg = arg;
	w->newest = NULL;
	if (c->status.state == CAMERA_LIVE && c->newest && !is_history(c))
		give(w, c->newest);
	if (w->is_capture)
		DL_PREPEND(c->watchers, w);
	else
		DL_APPEND(c->watchers, w);
	c->status.n_watchers++;
	camera_update_demand(c);
}

static void detach(struct camera *c, struct camera_watcher *w)
{
	if (c->next_to_wake == w)
		c->next_to_wake = w->next;
	DL_DELETE(c->watchers, w);
	w->camera = NULL;
	frame_unref(w->newest);
	w->newest = NULL;
	c->status.n_watchers--;
}

void camera_unwatch(struct camera_watcher *w)
{
	struct camera *c = w->camera;

	if (!c)
		return;
	detach(c, w);
	camera_update_demand(c);
}

struct frame *camera_watch_take(struct camera_watcher *w)
{
	struct frame *f = w->newest;

	w->newest = NULL;
	return f;
}

struct frame *camera_newest(struct camera *c)
{
	return c->newest ? frame_ref(c->newest) : NULL;
}

size_t camera_ring_get(struct camera *c, int64_t from_us, int64_t to_us, struct frame **ret,
                       size_t max)
{
	return ring_get(&c->ring, from_us, to_us, ret, max);
}

/* ---- shots ---- */

static void end_shot(struct camera_shot *s)
{
	struct camera *c = s->camera;

	assert(c);
	if (c->next_to_serve == s)
		c->next_to_serve = s->next;
	DL_DELETE(c->shots, s);
	timer_stop(s->private_timer);
	free(s->private_timer);
	s->private_timer = NULL;
	s->camera = NULL;
}

static void finish_shot(struct camera_shot *s, struct frame *f, const struct err *err)
{
	struct camera *c = s->camera;

	end_shot(s);
	c->busy++;
	s->done(s->arg, f, err);
	c->busy--;
	camera_update_demand(c);
}

/* Either the time is up, or a frame was there from the beginning. */
static void on_shot_timer(void *arg)
{
	struct camera_shot *s = arg;
	struct frame *f = s->private_found;
	const struct camera_status *status = &s->camera->status;
	struct err err;

	s->private_found = NULL;
	if (f) {
		finish_shot(s, f, NULL);
		return;
	}
	if (status->state != CAMERA_LIVE && status->text[0])
		(void)err_set(&err, -ETIMEDOUT, "no picture in time: %s", status->text);
	else
		(void)err_set(&err, -ETIMEDOUT,
		              "no picture in time: the camera gives %.1f pictures a second",
		              status->per_second);
	finish_shot(s, NULL, &err);
}

void camera_shoot(struct camera *c, struct camera_shot *s, int64_t not_before_us,
                  int64_t timeout_ms,
                  void (*done)(void *arg, struct frame *f, const struct err *err), void *arg)
{
	assert(!s->camera && !c->is_removed);
	s->camera = c;
	s->not_before_us = not_before_us;
	s->done = done;
	s->arg = arg;
	s->private_found = c->wants_stills ? NULL : ring_first_since(&c->ring, not_before_us);
	if (!s->private_found && !c->wants_stills && c->newest &&
	    c->newest->captured_us >= not_before_us)
		s->private_found = frame_ref(c->newest);
	s->private_timer = MEM_NEW(struct timer);
	timer_init(s->private_timer, c->all->env.loop, on_shot_timer, s);
	timer_start(s->private_timer, s->private_found ? 0 : timeout_ms);
	DL_APPEND(c->shots, s);
	camera_update_demand(c);
	if (!s->private_found && c->is_open && c->driver->shot)
		timer_start(&c->nudge, 0);
}

void camera_shot_cancel(struct camera_shot *s)
{
	struct camera *c = s->camera;

	if (!c)
		return;
	frame_unref(s->private_found);
	s->private_found = NULL;
	end_shot(s);
	camera_update_demand(c);
}

static void serve_shots(struct camera *c, struct frame *f)
{
	assert(!c->next_to_serve);
	if (c->wants_stills && !f->is_still)
		return;
	for (struct camera_shot *s = c->shots; s; s = c->next_to_serve) {
		c->next_to_serve = s->next;
		if (!s->private_found && f->captured_us >= s->not_before_us)
			finish_shot(s, frame_ref(f), NULL);
	}
}

void fanout_frame(struct camera *c, struct frame *f)
{
	struct camera_watcher *w;

	frame_unref(c->newest);
	c->newest = f;
	/* First into the ring: a shot asked for inside `done` finds it there, later. */
	ring_put(&c->ring, frame_ref(f));
	c->busy++;
	/* Ours while others are called: a removed camera gives up c->newest. */
	f = frame_ref(f);
	serve_shots(c, f);
	if (!c->is_removed) {
		DL_FOREACH(c->watchers, w)
		give(w, f);
		fanout_wake(c);
	}
	frame_unref(f);
	c->busy--;
}

void fanout_end(struct camera *c, const struct err *err)
{
	while (c->shots) {
		struct camera_shot *s = c->shots;

		frame_unref(s->private_found);
		s->private_found = NULL;
		end_shot(s);
		if (err)
			s->done(s->arg, NULL, err);
	}
	while (c->watchers) {
		struct camera_watcher *w = c->watchers;

		detach(c, w);
		if (err)
			w->woken(w->arg);
	}
}
