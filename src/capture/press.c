/* SPDX-License-Identifier: GPL-3.0-or-later */
/* press: a picture taken before it is known whether it is wanted (sessions.h). */

#include "capture/private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "media/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct press_shot {
	char camera[MODEL_ID_SIZE];
	struct camera_shot shot;
	bool is_over;
	struct frame *frame; /* NULL: on its way, or there is none */
};

struct press {
	struct sessions *owner;
	char printer[MODEL_ID_SIZE];
	int64_t at_us;
	int layer; /* that was being printed then */
	double z_mm;
	unsigned n;
	struct press_shot shots[SESSION_MAX_CAMERAS];
};

static void shot_done(void *arg, struct frame *f, const struct err *err UNUSED)
{
	struct press_shot *s = arg;

	s->is_over = true;
	s->frame = f;
}

struct press *sessions_press(struct sessions *ss, const char *printer, int64_t at_us,
                             struct err *err)
{
	const struct station *st = station_of(ss, printer);
	const struct recording *r = st ? st->current : NULL;
	const struct session_plan *plan = r ? &r->plan : st && st->has_plan ? &st->plan : NULL;
	struct press *p;

	assert(loop_is_mine(ss->env.loop));
	if (!plan) {
		err_set(err, -ENOENT, "there is no printer '%s'", printer);
		return NULL;
	}
	p = MEM_NEW(struct press);
	p->owner = ss;
	p->at_us = at_us;
	p->layer = st->layer_now;
	p->z_mm = st->z_now_mm;
	TEXT_SET(p->printer, printer);
	for (unsigned i = 0; i < plan->n_cameras; i++) {
		struct camera *c = cameras_find(ss->env.cameras, plan->cameras[i]);
		struct press_shot *s = &p->shots[p->n];

		if (!c)
			continue;
		TEXT_SET(s->camera, plan->cameras[i]);
		p->n++;
		camera_shoot(c, &s->shot, at_us, plan->shot_timeout_ms, shot_done, s);
	}
	if (p->n == 0) {
		free(p);
		err_set(err, -ENODEV, "no camera is assigned to this printer");
		return NULL;
	}
	return p;
}

void sessions_press_drop(struct press *p)
{
	if (!p)
		return;
	for (unsigned i = 0; i < p->n; i++) {
		if (!p->shots[i].is_over)
			camera_shot_cancel(&p->shots[i].shot);
		if (p->shots[i].frame)
			frame_unref(p->shots[i].frame);
	}
	free(p);
}

static struct press_shot *shot_of(struct press *p, const char *camera)
{
	for (unsigned i = 0; i < p->n; i++)
		if (strcmp(p->shots[i].camera, camera) == 0)
			return &p->shots[i];
	return NULL;
}

/* What has come is kept; what has not is asked for again in the session's way, with its tries: the
 * ring has it by then, or it is still to come. */
static void keep_one(struct shooter *sh, struct press *p)
{
	struct press_shot *s = shot_of(p, sh->camera);
	const struct due d = { TRIGGER_BUTTON, p->layer, p->z_mm, p->at_us };

	if (s && s->frame) {
		shots_put(sh, s->frame, &d);
		s->frame = NULL;
		return;
	}
	if (s && !s->is_over) {
		camera_shot_cancel(&s->shot);
		s->is_over = true;
	}
	shots_add_to(sh, &d);
}

int sessions_press_keep(struct press *p, struct err *err)
{
	struct station *st = station_of(p->owner, p->printer);
	struct recording *r = st ? st->current : NULL;
	int rc = 0;

	if (!r || !recording_takes_pictures(r)) {
		rc = err_set(err, -EPERM, "the picture is not kept: %s",
		             r && r->machine == SESSION_PAUSED
		                     ? "the session is paused"
		                     : session_refusal(r ? r->machine : SESSION_IDLE,
		                                       SESSION_ORDERED_SHOT));
	} else if (p->owner->is_disk_stopped) {
		rc = err_set(err, -ENOSPC, "the picture is not kept: the disk is full");
		recording_missed(r, p->layer, "the disk is full");
	} else {
		for (unsigned i = 0; i < r->n_shooters; i++)
			keep_one(&r->shooters[i], p);
	}
	sessions_press_drop(p);
	return rc;
}
