/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/still_shot.h"

#include "base/err.h"
#include "base/mem.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/still.h"

#include <stdlib.h>
#include <string.h>

/* Two pictures being compared; outlives a shot that is cancelled. */
struct still_judging {
	struct still_shot *owner; /* NULL: nobody waits any more */
	struct frame *a, *b;
	double share;
	int rc;
};

static void have(void *arg, struct frame *f, const struct err *err);

static void finish(struct still_shot *s, struct frame *f, bool is_still, const struct err *err)
{
	frame_unref(s->last);
	s->last = NULL;
	s->camera = NULL;
	s->done(s->arg, f, is_still, err);
}

static void judge(void *arg)
{
	struct still_judging *j = arg;

	j->rc = still_measure(j->a, j->b, &j->share, NULL);
}

static void judged(void *arg)
{
	struct still_judging *j = arg;
	struct still_shot *s = j->owner;
	struct frame *newest = j->b;
	bool is_still = j->rc == 0 && j->share <= STILL_SHARE;
	bool is_unknown = j->rc < 0;

	frame_unref(j->a);
	free(j);
	if (!s) {
		frame_unref(newest);
		return;
	}
	s->judging = NULL;
	s->last = NULL;
	if (is_still || is_unknown || loop_now_us(s->loop) - s->began_us >= s->settle_us) {
		finish(s, newest, is_still, NULL);
		return;
	}
	s->last = newest;
	memset(&s->shot, 0, sizeof(s->shot));
	camera_shoot(s->camera, &s->shot, newest->captured_us + 1, s->timeout_ms, have, s);
}

static int64_t left_ms(const struct still_shot *s)
{
	int64_t left = (s->settle_us - (loop_now_us(s->loop) - s->began_us)) / 1000;

	left = MIN(left, s->timeout_ms);
	return MAX(left, (int64_t)1);
}

static void have(void *arg, struct frame *f, const struct err *err)
{
	struct still_shot *s = arg;
	struct frame *first = s->last;

	if (!f && first) {
		/* A slow camera: one picture after the motion there is. */
		s->last = NULL;
		finish(s, first, false, NULL);
	} else if (!f || s->settle_us <= 0) {
		finish(s, f, false, err);
	} else if (!first) {
		s->last = f;
		memset(&s->shot, 0, sizeof(s->shot));
		camera_shoot(s->camera, &s->shot, f->captured_us + 1, left_ms(s), have, s);
	} else {
		struct still_judging *j = MEM_NEW(struct still_judging);

		*j = (struct still_judging){ .owner = s, .a = first, .b = f };
		s->last = NULL;
		s->judging = j;
		work_submit(s->pool, judge, judged, j);
	}
}

void still_shot_start(struct still_shot *s, int64_t not_before_us)
{
	s->began_us = loop_now_us(s->loop);
	memset(&s->shot, 0, sizeof(s->shot));
	camera_shoot(s->camera, &s->shot, not_before_us, s->timeout_ms, have, s);
}

void still_shot_cancel(struct still_shot *s)
{
	if (!s->camera)
		return;
	camera_shot_cancel(&s->shot);
	if (s->judging)
		s->judging->owner = NULL;
	s->judging = NULL;
	frame_unref(s->last);
	s->last = NULL;
	s->camera = NULL;
}
