/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/private.h"

#include "base/err.h"
#include "base/text.h"
#include "core/log.h"
#include "media/frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The end of a print does not wait longer for its last picture. */
#define LAST_TIMEOUT_MS 3000
#define LAST_TIMEOUT_DEAD_MS 300 /* nor so long for a camera that has not sent the one before */

static void shoot(struct shooter *sh);

void shots_start(struct recording *r)
{
	for (unsigned i = 0; i < r->n_shooters; i++) {
		struct shooter *sh = &r->shooters[i];

		sh->held = cameras_find(r->owner->env.cameras, sh->camera);
		if (!sh->held)
			continue;
		camera_hold(sh->held);
		camera_lock(sh->held);
	}
}

void shots_stop(struct recording *r)
{
	for (unsigned i = 0; i < r->n_shooters; i++) {
		struct shooter *sh = &r->shooters[i];

		if (sh->is_shooting)
			camera_shot_cancel(&sh->shot);
		sh->is_shooting = false;
		sh->n_dues = 0;
		/* It may have been taken out of the configuration meanwhile. */
		if (sh->held && cameras_find(r->owner->env.cameras, sh->camera) == sh->held) {
			camera_unlock(sh->held);
			camera_release(sh->held);
		}
		sh->held = NULL;
	}
}

bool shots_are_pending(const struct recording *r)
{
	for (unsigned i = 0; i < r->n_shooters; i++)
		if (r->shooters[i].n_dues > 0)
			return true;
	return false;
}

void shots_macro_over(struct recording *r)
{
	struct event_macro *e;

	if (!r->is_macro_waiting || shots_are_pending(r))
		return;
	r->is_macro_waiting = false;
	e = event_new_macro();
	TEXT_SET(e->printer, r->s.printer);
	e->kind = MACRO_FRAME;
	e->is_over = true;
	bus_publish(r->owner->env.bus, &e->head);
}

static void drop_first(struct shooter *sh, unsigned n)
{
	sh->n_dues -= n;
	memmove(sh->dues, sh->dues + n, sh->n_dues * sizeof(*sh->dues));
	sh->n_tries = 0;
}

static void miss(struct shooter *sh, const struct due *d, const char *why)
{
	char text[200];

	snprintf(text, sizeof(text), "camera %s: %.140s", sh->camera, why);
	sh->is_failing = true;
	recording_missed(sh->recording, d->trigger == TRIGGER_LAYER ? d->layer : -1, text);
}

static void stored(void *arg, const struct journal_entry *e, const struct err *err)
{
	struct recording *r = arg;
	struct sessions *ss = r->owner;
	struct event_frame *ev;

	if (err) {
		if (!r->is_disk_refusing)
			event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_ALARM, "disk",
			             r->s.printer, "%s: %s.", r->s.job_name, err->text);
		r->is_disk_refusing = true;
		recording_missed(r, e->layer, err->text);
		return;
	}
	if (r->is_disk_refusing)
		event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_INFO, "disk",
		             r->s.printer, "%s: the disk takes pictures again.", r->s.job_name);
	r->is_disk_refusing = false;
	/* tests/lab cuts the power and then looks for each of these. */
	log_debug(NULL, "session %s: picture %u is on the disk: %s, crc32c %08x", r->s.id,
	          e->number, e->file, e->crc32c);
	r->s.n_frames = journal_n_frames(r->journal);
	r->s.bytes = journal_bytes(r->journal);
	r->s.layer = MAX(r->s.layer, e->layer);
	for (unsigned i = 0; i < r->n_shooters; i++)
		r->shooters[i].n_stored += strcmp(r->shooters[i].camera, e->camera) == 0;
	ev = event_new_frame();
	TEXT_SET(ev->session, r->s.id);
	TEXT_SET(ev->printer, r->s.printer);
	TEXT_SET(ev->camera, e->camera);
	ev->number = e->number;
	ev->layer = e->layer;
	bus_publish(ss->env.bus, &ev->head);
	if (r->s.n_frames <= r->n_shooters)
		disk_check(ss);
	recording_touch(r);
}

/* Which of the dues a frame shows: the newest layer that had begun, else the newest due. */
static unsigned shown_by(const struct shooter *sh, int64_t captured_us)
{
	unsigned found = 0;
	bool is_layer = false;

	for (unsigned i = 0; i < sh->n_dues; i++) {
		const struct due *d = &sh->dues[i];

		if (d->not_before_us > captured_us)
			continue;
		if (d->trigger == TRIGGER_LAYER || !is_layer) {
			found = i;
			is_layer = d->trigger == TRIGGER_LAYER;
		}
	}
	return found;
}

void shots_put(struct shooter *sh, struct frame *f, const struct due *d)
{
	struct recording *r = sh->recording;
	struct journal_entry e = { .layer = d->layer,
		                   .z_mm = d->z_mm,
		                   .trigger = d->trigger,
		                   .at_wall_ms = f->captured_wall_ms,
		                   .at_us = f->captured_us };

	TEXT_SET(e.camera, sh->camera);
	TEXT_SET(e.job, r->s.job);
	sh->is_failing = false;
	journal_add(r->journal, f, &e, stored, r);
	frame_unref(f);
}

static void take(struct shooter *sh, struct frame *f)
{
	unsigned at = shown_by(sh, f->captured_us), n = 0;
	struct due d = sh->dues[at];

	for (unsigned i = 0; i < sh->n_dues; i++) {
		bool is_over = i == at || sh->dues[i].not_before_us <= f->captured_us;

		if (i != at && is_over && sh->dues[i].trigger == TRIGGER_LAYER)
			miss(sh, &sh->dues[i], "the next layer began before a picture came");
		if (!is_over)
			sh->dues[n++] = sh->dues[i];
	}
	sh->n_dues = n;
	sh->n_tries = 0;
	shots_put(sh, f, &d);
}

/* The camera as it is now: it may have been taken away, or made anew, since it was held. */
static bool has_camera(struct shooter *sh)
{
	struct camera *c = cameras_find(sh->recording->owner->env.cameras, sh->camera);

	if (c && c != sh->held) {
		camera_hold(c);
		camera_lock(c);
	}
	sh->held = c;
	return c != NULL;
}

static void shot_done(void *arg, struct frame *f, const struct err *err)
{
	struct shooter *sh = arg;
	struct recording *r = sh->recording;

	sh->is_shooting = false;
	if (f) {
		take(sh, f);
	} else if (!has_camera(sh)) {
		/* It was taken away, or is just being made anew: the next layer looks again. */
		while (sh->n_dues > 0) {
			miss(sh, &sh->dues[0], err ? err->text : "the camera is gone");
			drop_first(sh, 1);
		}
	} else if (++sh->n_tries > r->plan.shot_retries || sh->n_dues > 1 || r->is_ending) {
		miss(sh, &sh->dues[0], err ? err->text : "no picture came");
		drop_first(sh, 1);
	}
	if (sh->n_dues > 0) {
		shoot(sh);
		return;
	}
	shots_macro_over(r);
	if (r->is_ending && !shots_are_pending(r))
		recording_pictures_over(r);
}

static void shoot(struct shooter *sh)
{
	struct recording *r = sh->recording;
	int64_t timeout_ms = r->plan.shot_timeout_ms;

	if (r->is_ending)
		timeout_ms = MIN(timeout_ms, (int64_t)(sh->is_failing ? LAST_TIMEOUT_DEAD_MS
		                                                      : LAST_TIMEOUT_MS));
	sh->is_shooting = true;
	memset(&sh->shot, 0, sizeof(sh->shot));
	camera_shoot(sh->held, &sh->shot, sh->dues[0].not_before_us, timeout_ms, shot_done, sh);
}

void shots_add_to(struct shooter *sh, const struct due *d)
{
	if (!has_camera(sh)) {
		miss(sh, d, "there is no such camera");
		return;
	}
	if (sh->n_dues == MAX_DUES) {
		/* dues[0] stays: the shot on its way is for it. */
		miss(sh, &sh->dues[1], "the camera is too slow for the layers");
		memmove(sh->dues + 1, sh->dues + 2, (MAX_DUES - 2) * sizeof(*sh->dues));
		sh->n_dues--;
	}
	sh->dues[sh->n_dues++] = *d;
	if (!sh->is_shooting)
		shoot(sh);
}

void shots_add(struct recording *r, const struct due *d)
{
	for (unsigned i = 0; i < r->n_shooters; i++)
		shots_add_to(&r->shooters[i], d);
}
