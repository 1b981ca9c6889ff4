/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pictures of a run: of every camera at each point, and their way to the disk. */

#include "capture/run_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/keep.h"
#include "capture/plan.h"
#include "core/work.h"
#include "media/frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEAD_AFTER 2

struct run_keeping {
	struct run *run;
	const char *data_dir;
	struct capture c;
	struct capture_plan plan;
	struct frame *frame;
	bool is_first;
	struct capture_picture picture;
	struct capture_picture *pictures; /* for the metadata */
	unsigned n;
	int rc;
	struct err err;
};

void run_shots_hold(struct run *r)
{
	const char *at = r->plan.cameras;
	char name[MODEL_ID_SIZE];

	while (r->n_shooters < CAPTURE_MAX_CAMERAS && capture_list_next(&at, name, sizeof(name))) {
		struct run_shooter *s = &r->shooters[r->n_shooters++];

		s->run = r;
		TEXT_SET(s->camera, name);
		s->held = cameras_find(r->env.cameras, name);
		if (s->held)
			camera_hold(s->held);
	}
}

void run_shots_stop(struct run *r)
{
	for (unsigned i = 0; i < r->n_shooters; i++) {
		struct run_shooter *s = &r->shooters[i];

		still_shot_cancel(&s->shot);
		s->is_shooting = false;
		if (s->held && cameras_find(r->env.cameras, s->camera) == s->held)
			camera_release(s->held);
		s->held = NULL;
	}
	r->n_shooting = 0;
}

/* ---- to the disk ---- */

static void keep_it(void *arg)
{
	struct run_keeping *k = arg;

	const struct keep_shot shot = { .frame = k->frame, .is_first_camera = k->is_first };

	k->rc = keep_picture(k->data_dir, &k->c, &k->plan, &shot, &k->picture, &k->err);
}

static void kept(void *arg)
{
	struct run_keeping *k = arg;
	struct run *r = k->run;

	if (k->rc < 0) {
		r->n_lost++;
		if (!r->c.text[0])
			(void)snprintf(r->c.text, sizeof(r->c.text), "%.200s", k->err.text);
	} else {
		r->pictures = mem_grow(r->pictures, r->n_pictures + 1, sizeof(*r->pictures));
		r->pictures[r->n_pictures++] = k->picture;
		r->c.n_pictures = r->n_pictures;
		if (r->env.kept && !r->is_freed)
			r->env.kept(r->env.arg, r, &k->picture);
	}
	frame_unref(k->frame);
	free(k);
	run_disk_done(r);
}

static void keep(struct run_shooter *s, struct frame *f, bool is_still)
{
	struct run *r = s->run;
	struct run_keeping *k = MEM_NEW(struct run_keeping);
	struct capture_picture *pic = &k->picture;
	struct run_machine m;

	*k = (struct run_keeping){ .run = r,
		                   .data_dir = r->env.data_dir,
		                   .c = r->c,
		                   .plan = r->plan,
		                   .frame = f,
		                   .is_first = s == r->shooters };
	*pic = (struct capture_picture){ .index = r->next,
		                         .x_mm = r->at_mm[0],
		                         .y_mm = r->at_mm[1],
		                         .z_mm = r->at_mm[2],
		                         .grid = { -1, -1, -1 },
		                         .at_wall_ms = f->captured_wall_ms,
		                         .is_still = is_still };
	r->env.port.look(r->env.port.arg, &m);
	pic->telemetry = m.telemetry;
	TEXT_SET(pic->capture, r->c.id);
	TEXT_SET(pic->camera, s->camera);
	for (unsigned i = 0; i < 3 && r->plan.mode == CAPTURE_GRID; i++)
		pic->grid[i] = r->grid.points[r->next].place[i];
	r->n_disk_jobs++;
	work_submit(r->env.disk, keep_it, kept, k);
}

/* ---- from the cameras ---- */

static void missing(struct run_shooter *s, const char *why)
{
	struct run *r = s->run;

	r->n_lost++;
	if (!r->c.text[0])
		(void)snprintf(r->c.text, sizeof(r->c.text), "camera %.48s: %.150s", s->camera,
		               why);
}

static void shot_done(void *arg, struct frame *f, bool is_still, const struct err *err)
{
	struct run_shooter *s = arg;
	struct run *r = s->run;

	s->is_shooting = false;
	r->n_shooting--;
	s->n_failed = f ? 0 : s->n_failed + 1;
	if (f)
		keep(s, f, is_still);
	else
		missing(s, err && err->code ? err->text : "no picture came");
	if (r->n_shooting == 0)
		run_point_done(r);
}

/* The camera as it is now: it may have been taken away, or made anew, since it was held. */
static bool has_camera(struct run_shooter *s)
{
	struct camera *c = cameras_find(s->run->env.cameras, s->camera);

	if (c && c != s->held)
		camera_hold(c);
	s->held = c;
	return c != NULL;
}

void run_shots_point(struct run *r, int64_t not_before_us)
{
	double settle_s = r->plan.mode == CAPTURE_SNAP ? 0 : r->plan.settle_s;

	r->n_wanted_pictures += MAX(r->n_shooters, 1U);
	for (unsigned i = 0; i < r->n_shooters; i++) {
		struct run_shooter *s = &r->shooters[i];

		if (!has_camera(s)) {
			missing(s, "there is no such camera");
			continue;
		}
		/* The print does not wait at every point for a camera that is dead. */
		if (s->n_failed >= DEAD_AFTER) {
			r->n_lost++;
			continue;
		}
		s->is_shooting = true;
		r->n_shooting++;
		s->shot =
			(struct still_shot){ .loop = r->env.loop,
			                     .pool = r->env.pool,
			                     .camera = s->held,
			                     .settle_us = (int64_t)(settle_s * 1e6),
			                     .timeout_ms = (int64_t)(r->plan.shot_timeout_s * 1e3),
			                     .done = shot_done,
			                     .arg = s };
		still_shot_start(&s->shot, not_before_us);
	}
}

/* ---- the metadata, last ---- */

static void write_metadata(void *arg)
{
	struct run_keeping *k = arg;

	k->rc = keep_metadata(k->data_dir, &k->c, &k->plan, k->pictures, k->n, &k->err);
}

static void metadata_written(void *arg)
{
	struct run_keeping *k = arg;
	struct run *r = k->run;

	if (k->rc == 0)
		TEXT_SET(r->c.metadata, k->c.metadata);
	else if (!r->c.text[0])
		(void)snprintf(r->c.text, sizeof(r->c.text), "metadata: %.180s", k->err.text);
	free(k->pictures);
	free(k);
	run_disk_done(r);
}

void run_metadata(struct run *r)
{
	struct run_keeping *k = MEM_NEW(struct run_keeping);

	*k = (struct run_keeping){ .run = r,
		                   .data_dir = r->env.data_dir,
		                   .c = r->c,
		                   .plan = r->plan,
		                   .n = r->n_pictures };
	k->pictures = mem_dup(r->pictures, r->n_pictures * sizeof(*r->pictures));
	r->n_disk_jobs++;
	work_submit(r->env.disk, write_metadata, metadata_written, k);
}
