/* SPDX-License-Identifier: GPL-3.0-or-later */
/* probe: tries a camera and says in one sentence how it went (CAME-8). */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/private.h"
#include "media/frame.h"

#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define GIVE_UP_MS 4000

struct camera_probe {
	struct camera *camera;
	struct camera_watcher watcher;
	struct timer deadline;
	struct timer over; /* tells outside of the camera's own calls */
	unsigned wanted;
	int64_t asked_us, first_us, last_us;
	struct camera_test_result result;
	void (*done)(void *arg, const struct camera_test_result *r);
	void *arg;
	struct camera_probe *prev, *next; /* camera.probes */
};

static void probe_free(struct camera_probe *p)
{
	timer_stop(&p->deadline);
	timer_stop(&p->over);
	DL_DELETE(p->camera->probes, p);
	camera_unwatch(&p->watcher);
	free(p);
}

static void say_result(struct camera_probe *p)
{
	struct camera_test_result *r = &p->result;
	const struct camera_status *s = &p->camera->status;
	char size[32];

	r->per_second = r->n_frames > 1 && p->last_us > p->first_us
	                        ? (r->n_frames - 1) * 1e6 / (double)(p->last_us - p->first_us)
	                        : 0;
	r->shot_ms = r->n_frames > 1 ? (p->last_us - p->first_us) / 1000 / (r->n_frames - 1)
	                             : r->first_ms;
	r->is_ok = r->n_frames >= p->wanted;
	text_size(size, sizeof(size), r->size);
	if (r->n_frames == 0)
		(void)snprintf(r->text, sizeof(r->text), "no picture: %s",
		               s->text[0] ? s->text : "the camera did not answer in time");
	else if (!r->is_ok)
		(void)snprintf(r->text, sizeof(r->text),
		               "%u of %u pictures of %u×%u, then none: %s", r->n_frames, p->wanted,
		               r->width, r->height, s->text[0] ? s->text : "the time was up");
	else if (r->n_frames == 1)
		(void)snprintf(r->text, sizeof(r->text), "%u×%u, %s, after %.1f s, %lld ms old",
		               r->width, r->height, size, (double)r->first_ms / 1000,
		               (long long)r->age_ms);
	else
		(void)snprintf(r->text, sizeof(r->text),
		               "%u×%u, %s a picture, the first after %.1f s, then one in %lld ms "
		               "(%.1f a second), %lld ms old on arrival",
		               r->width, r->height, size, (double)r->first_ms / 1000,
		               (long long)r->shot_ms, r->per_second, (long long)r->age_ms);
}

static void on_over(void *arg)
{
	struct camera_probe *p = arg;
	struct camera_test_result result;
	void (*done)(void *arg, const struct camera_test_result *r) = p->done;
	void *done_arg = p->arg;

	say_result(p);
	result = p->result;
	probe_free(p);
	done(done_arg, &result);
}

/* Nobody waits half a minute to read that the cable is out; but two more attempts are fair. */
static void watch_failure(struct camera_probe *p, bool has_frame)
{
	if (has_frame)
		timer_stop(&p->over);
	else if (p->camera->status.state == CAMERA_NO_SIGNAL && !timer_is_running(&p->over))
		timer_start(&p->over, GIVE_UP_MS);
}

static void on_woken(void *arg)
{
	struct camera_probe *p = arg;
	struct frame *f = camera_watch_take(&p->watcher);

	if (p->result.n_frames < p->wanted)
		watch_failure(p, f != NULL);
	/* What was captured before the question answers nothing. */
	if (f && f->captured_us >= p->asked_us && p->result.n_frames < p->wanted) {
		p->last_us = f->arrived_us;
		p->result.age_ms = MAX(0, (f->arrived_us - f->captured_us) / 1000);
		if (p->result.n_frames++ == 0) {
			p->first_us = f->arrived_us;
			p->result.first_ms = (f->arrived_us - p->asked_us) / 1000;
		}
		p->result.width = f->width;
		p->result.height = f->height;
		p->result.size = f->size;
		if (p->result.n_frames == p->wanted)
			timer_start(&p->over, 0);
	}
	frame_unref(f);
}

void camera_test(struct camera *c, unsigned n, int64_t timeout_ms,
                 void (*done)(void *arg, const struct camera_test_result *r), void *arg)
{
	struct camera_probe *p = MEM_NEW(struct camera_probe);
	struct loop *l = c->all->env.loop;

	p->camera = c;
	p->wanted = MAX(n, 1U);
	p->asked_us = loop_now_us(l);
	p->done = done;
	p->arg = arg;
	timer_init(&p->deadline, l, on_over, p);
	timer_init(&p->over, l, on_over, p);
	timer_start(&p->deadline, timeout_ms);
	DL_APPEND(c->probes, p);
	camera_watch(c, &p->watcher, on_woken, p);
}

void probes_end(struct camera *c, const struct err *err)
{
	struct camera_probe *p, *next;

	DL_FOREACH_SAFE(c->probes, p, next)
	{
		struct camera_test_result result = p->result;
		void (*done)(void *arg, const struct camera_test_result *r) = p->done;
		void *arg = p->arg;

		probe_free(p);
		if (!err)
			continue;
		result.is_ok = false;
		TEXT_SET(result.text, err->text);
		done(arg, &result);
	}
}
