/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/still.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/when.h"
#include "cameras/camera.h"
#include "media/frame.h"
#include "web/handlers.h"
#include "web/picture.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define OLD_US 5000000 /* older, and a picture is taken anew */
#define TIMEOUT_MS 5000

struct still {
	struct stills *all;
	struct call *call;
	struct camera_shot shot;
	char camera[MODEL_ID_SIZE];
	struct still *prev, *next;
};

struct stills {
	struct web *web;
	struct still *waiting;
};

static void release_frame(void *owner)
{
	frame_unref(owner);
}

/* A still of a camera that is polled counts from the question, if nobody measured better. */
static const char *time_source(const struct frame *f, const struct camera *cam)
{
	const struct camera_config *c = cam ? camera_config(cam) : NULL;

	if (f->is_stamped)
		return "device";
	if (c && c->latency_us > 0)
		return "latency";
	return c && strcmp(c->driver, "http-still") == 0 ? "request" : "arrival";
}

/* Takes the reference. */
static void answer(struct call *c, const struct camera *cam, struct frame *f)
{
	char at[WHEN_TEXT_SIZE], age[24], stamp[40], date[40];
	int64_t age_us = loop_now_us(c->web->env.loop) - f->captured_us;
	struct http_reply reply = { .status = 200, .type = "image/jpeg", .n_headers = 5 };

	snprintf(age, sizeof(age), "%lld", (long long)(age_us > 0 ? age_us / 1000 : 0));
	http_date_text(date, f->captured_wall_ms);
	reply.headers[0] =
		(struct http_header){ "X-Captured-At", when_iso(at, f->captured_wall_ms) };
	reply.headers[1] = (struct http_header){ "X-Age-Ms", age };
	reply.headers[2] = (struct http_header){ "X-Timestamp", picture_timestamp(stamp, f) };
	reply.headers[3] = (struct http_header){ "X-Time-Source", time_source(f, cam) };
	reply.headers[4] = (struct http_header){ "Last-Modified", date };
	call_bytes(c, &reply, http_bytes_wrap(f->data, f->size, release_frame, f));
}

static struct call *end_still(struct still *s)
{
	struct call *c = s->call;

	DL_DELETE(s->all->waiting, s);
	free(s);
	return c;
}

static void is_taken(void *arg, struct frame *f, const struct err *err)
{
	struct still *s = arg;
	struct cameras *cs = s->all->web->env.cameras;
	struct camera *cam = cs ? cameras_find(cs, s->camera) : NULL;
	bool is_late = cam && camera_status(cam)->state == CAMERA_LIVE;
	struct call *c = end_still(s);

	if (f)
		answer(c, cam, f);
	else
		call_refuse(c, is_late ? 504 : 503, "%s",
		            err && err->text[0] ? err->text : "No signal.");
}

void still_send(struct call *c, struct camera *cam, int64_t max_age_us, int64_t timeout_ms)
{
	int64_t since_us = loop_now_us(c->web->env.loop) - max_age_us;
	struct frame *f = max_age_us > 0 ? camera_newest(cam) : NULL;
	struct stills *ss = c->web->stills;

	if (f && f->captured_us >= since_us) {
		answer(c, cam, f);
		return;
	}
	frame_unref(f);

	struct still *s = MEM_NEW(struct still);

	s->all = ss;
	s->call = c;
	memcpy(s->camera, camera_config(cam)->id, sizeof(s->camera));
	DL_APPEND(ss->waiting, s);
	camera_shoot(cam, &s->shot, since_us, timeout_ms, is_taken, s);
}

void api_camera_snapshot(struct call *c)
{
	struct camera *cam = call_camera(c);
	char fresh[8] = "";

	if (!cam)
		return;
	(void)call_query(c, "fresh", fresh, sizeof(fresh));

	bool must_be_new = strcmp(fresh, "1") == 0 || strcmp(fresh, "true") == 0;

	still_send(c, cam, must_be_new ? 0 : OLD_US, call_query_int(c, "timeout", TIMEOUT_MS));
}

struct stills *stills_new(struct web *w)
{
	struct stills *ss = MEM_NEW(struct stills);

	ss->web = w;
	return ss;
}

void stills_free(struct stills *ss)
{
	struct still *s, *next;

	if (!ss)
		return;
	DL_FOREACH_SAFE(ss->waiting, s, next)
	{
		camera_shot_cancel(&s->shot);
		call_refuse(end_still(s), 503, "Bedside is ending.");
	}
	free(ss);
}
