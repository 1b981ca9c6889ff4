/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ingest: what a driver brings becomes the JPEG that everybody sees: raw frames are encoded,
 * pictures mirrored and turned, as they say themselves (EXIF) and as configured, once, on a worker. A JPEG that is to stay as it is does not leave
 * the loop.
 *
 * A camera that is faster than its worker loses frames here, but never one that a shot waits for.
 */

#include "base/err.h"
#include "base/mem.h"
#include "cameras/private.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <assert.h>
#include <stdlib.h>

#define DEFAULT_QUALITY 95

struct ingest_job {
	struct camera *owner; /* NULL: nobody waits for it. Loop only */
	struct frame *in, *out;
	struct jpeg_turn turn;
	int quality;
	struct err err;
};

/* As the picture itself says, then as configured. */
static struct jpeg_turn turn_of(const struct camera *c, const struct frame *f)
{
	const struct camera_config *config = &c->config;
	struct jpeg_turn t = { .is_flipped_h = config->is_flipped_h,
		               .is_flipped_v = config->is_flipped_v,
		               .degrees = config->rotation };

	if (c->driver->turns_half && config->rotation % 180 == 0)
		t = (struct jpeg_turn){ 0 };
	return f->format == FRAME_JPEG ? jpeg_turn_upright(f->orientation, &t) : t;
}

static void run(void *arg)
{
	struct ingest_job *j = arg;
	struct frame *jpeg = NULL;

	if (j->in->format == FRAME_JPEG)
		jpeg = frame_ref(j->in);
	else if (jpeg_encode_frame(j->in, j->quality, &jpeg, &j->err) < 0)
		return;
	if (jpeg_turn_is_none(&j->turn)) {
		j->out = jpeg;
		return;
	}
	if (jpeg_turn(jpeg, &j->turn, &j->out, &j->err) < 0)
		j->out = NULL;
	frame_unref(jpeg);
}

static void done(void *arg);

static void start(struct camera *c, struct frame *f)
{
	struct ingest_job *j = MEM_NEW(struct ingest_job);
	const struct camera_config *config = &c->config;

	assert(!c->ingest.job && c->all->env.pool);
	j->owner = c;
	j->in = f;
	j->quality = config->quality ? (int)config->quality : DEFAULT_QUALITY;
	j->turn = turn_of(c, f);
	c->ingest.job = j;
	work_submit(c->all->env.pool, run, done, j);
}

static struct frame *take_first(struct ingest *in)
{
	struct frame *f = in->waiting[0];

	in->n_waiting--;
	for (unsigned i = 0; i < in->n_waiting; i++)
		in->waiting[i] = in->waiting[i + 1];
	return f;
}

static void done(void *arg)
{
	struct ingest_job *j = arg;
	struct camera *c = j->owner;

	frame_unref(j->in);
	if (!c) {
		frame_unref(j->out);
		free(j);
		return;
	}
	c->ingest.job = NULL;
	/* The next one first: whoever is told of this picture may close the camera. */
	if (c->ingest.n_waiting > 0)
		start(c, take_first(&c->ingest));
	if (j->out)
		camera_take(c, j->out);
	else
		camera_refuse(c, NULL, j->err.text);
	free(j);
}

/* Is waiting[i] what a shot gets: the first one late enough? */
static bool is_due(const struct camera *c, unsigned i)
{
	const struct ingest *in = &c->ingest;

	if (c->wants_stills)
		return in->waiting[i]->is_still;

	int64_t before_us = i > 0 ? in->waiting[i - 1]->captured_us : in->job->in->captured_us;

	for (const struct camera_shot *s = c->shots; s; s = s->next)
		if (!s->private_found && s->not_before_us > before_us &&
		    s->not_before_us <= in->waiting[i]->captured_us)
			return true;
	return false;
}

void ingest_put(struct camera *c, struct frame *f)
{
	struct ingest *in = &c->ingest;
	struct jpeg_turn turn = turn_of(c, f);

	if (!in->job && (f->format != FRAME_JPEG || !jpeg_turn_is_none(&turn))) {
		start(c, f);
		return;
	}
	if (!in->job) {
		camera_take(c, f);
		return;
	}
	/* The newest one that waits makes room, unless a shot wants it. */
	if (in->n_waiting > 0 &&
	    (in->n_waiting == INGEST_MAX_WAITING || !is_due(c, in->n_waiting - 1)))
		frame_unref(in->waiting[--in->n_waiting]);
	in->waiting[in->n_waiting++] = f;
}

void ingest_reset(struct camera *c)
{
	struct ingest *in = &c->ingest;

	if (in->job)
		in->job->owner = NULL;
	in->job = NULL;
	while (in->n_waiting > 0)
		frame_unref(in->waiting[--in->n_waiting]);
}
