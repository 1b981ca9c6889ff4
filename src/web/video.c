/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/video.h"

#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/loop.h"
#include "web/handlers.h"
#include "web/video_feed.h"
#include "web/web.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 1000

struct video {
	struct web *web;
	struct feed *feeds;
	struct timer tick;
};

static void drop(struct video *v, struct feed *f)
{
	DL_DELETE(v->feeds, f);
	feed_free(f);
}

static void on_tick(void *arg)
{
	struct video *v = arg;
	int64_t now_us = loop_now_us(v->web->env.loop);
	struct feed *f, *next;

	DL_FOREACH_SAFE(v->feeds, f, next)
	{
		feed_check(f);
		hls_check(f, now_us);
		if (!feed_is_used(f, now_us))
			drop(v, f);
	}
	if (!v->feeds)
		timer_stop(&v->tick);
}

static struct feed *feed_of(struct video *v, struct camera *c)
{
	struct feed *f;

	DL_FOREACH(v->feeds, f)
	{
		if (f->watcher.camera == c)
			return f;
	}
	f = feed_new(v->web, c);
	DL_APPEND(v->feeds, f);
	if (!timer_is_running(&v->tick))
		timer_start_every(&v->tick, TICK_MS);
	return f;
}

static struct camera *find(struct call *c)
{
	struct camera *cam =
		c->web->env.cameras ? cameras_find(c->web->env.cameras, c->params[0]) : NULL;

	if (!cam) {
		call_refuse(c, 404, "There is no camera of this id.");
	} else if (!camera_gives_video(cam)) {
		call_refuse(c, 409,
		            "This camera gives pictures, not video: they are under …/stream.");
		return NULL;
	}
	return cam;
}

static void viewer_gone(void *arg)
{
	feed_remove_viewer(arg);
}

void api_camera_video(struct call *c)
{
	struct video *video = c->web->video;
	struct camera *cam = find(c);
	struct http_reply reply = { .status = 200,
		                    .type = "video/mp4",
		                    .cache = "no-store, no-transform" };
	char turn[8] = "";

	if (!cam)
		return;
	(void)call_query(c, "turn", turn, sizeof(turn));

	struct mp4_viewer *v = MEM_NEW(struct mp4_viewer);
	struct http_channel_events ev = { .closed = viewer_gone, .arg = v };

	v->who = c->who;
	v->is_turned = strcmp(turn, "0") != 0 && strcmp(turn, "false") != 0;
	v->channel = http_reply_stream(call_steal_request(c), &reply, &ev);
	if (v->channel)
		feed_add_viewer(feed_of(video, cam), v);
	else
		free(v);
}

void api_camera_hls(struct call *c)
{
	struct camera *cam = find(c);

	if (!cam)
		return;

	int64_t now_us = loop_now_us(c->web->env.loop);
	struct feed *f = feed_of(c->web->video, cam);

	if (strcmp(c->params[1], "index.m3u8") == 0) {
		hls_answer_index(f, c, now_us);
		return;
	}
	if (f->hls.asked_us > 0)
		f->hls.asked_us = now_us;
	hls_answer_file(f, c, c->params[1]);
}

struct video *video_new(struct web *w)
{
	struct video *v = MEM_NEW(struct video);

	v->web = w;
	timer_init(&v->tick, w->env.loop, on_tick, v);
	return v;
}

void video_free(struct video *v)
{
	struct feed *f, *next;

	if (!v)
		return;
	DL_FOREACH_SAFE(v->feeds, f, next)
	drop(v, f);
	timer_stop(&v->tick);
	free(v);
}
