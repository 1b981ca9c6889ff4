/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/video.h"

#include "base/err.h"
#include "base/mem.h"
#include "cameras/private.h"
#include "media/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

#define SHORTEST_US 1000
/* Pictures a second that are decoded for people who watch by JPEG. */
#define DEFAULT_FPS 10.0
#define MAX_FPS 30.0

struct video {
	struct video_params params;
	unsigned generation;
	int64_t dts_us; /* of the newest packet */

	struct frame *kept[CAMERA_VIDEO_MAX_PACKETS]; /* since the newest key frame */
	size_t n_kept, n_bytes;

	struct camera_video_watcher *watchers;
	struct camera_video_watcher *next_to_call; /* kept valid when one leaves meanwhile */
	double told_fps;                           /* what the driver knows of demand */
};

static struct video *video_of(struct camera *c)
{
	if (!c->video)
		c->video = MEM_NEW(struct video);
	return c->video;
}

static void forget(struct video *v)
{
	for (size_t i = 0; i < v->n_kept; i++)
		frame_unref(v->kept[i]);
	v->n_kept = v->n_bytes = 0;
}

static void keep(struct video *v, struct frame *f)
{
	if (f->is_key)
		forget(v);
	/* Nothing begins in the middle, nor behind a gap. */
	else if (v->n_kept == 0)
		return;
	if (v->n_kept == CAMERA_VIDEO_MAX_PACKETS ||
	    v->n_bytes + f->size > CAMERA_VIDEO_MAX_BYTES) {
		forget(v);
		return;
	}
	v->kept[v->n_kept++] = frame_ref(f);
	v->n_bytes += f->size;
}

/* ---- watchers ---- */

void camera_video_watch(struct camera *c, struct camera_video_watcher *w)
{
	assert(!w->camera);
	w->camera = c;
	DL_APPEND(video_of(c)->watchers, w);
	w->n_viewers = 0;
	camera_video_count(w, 1);
	camera_update_demand(c);
}

void camera_video_count(struct camera_video_watcher *w, unsigned n)
{
	if (!w->camera)
		return;
	w->camera->status.n_watchers += n - w->n_viewers;
	w->n_viewers = n;
}

static void detach(struct camera *c, struct camera_video_watcher *w)
{
	if (c->video->next_to_call == w)
		c->video->next_to_call = w->next;
	DL_DELETE(c->video->watchers, w);
	camera_video_count(w, 0);
	w->camera = NULL;
}

void camera_video_unwatch(struct camera_video_watcher *w)
{
	struct camera *c = w->camera;

	if (!c)
		return;
	detach(c, w);
	camera_update_demand(c);
}

static void call_all(struct camera *c, struct frame *f)
{
	struct video *v = c->video;

	assert(!v->next_to_call);
	c->busy++;
	for (struct camera_video_watcher *w = v->watchers; w; w = v->next_to_call) {
		v->next_to_call = w->next;
		if (f)
			w->packet(w->arg, f);
		else
			w->broken(w->arg);
	}
	c->busy--;
}

size_t camera_video_get(struct camera *c, struct frame **ret, size_t max)
{
	const struct video *v = c->video;

	if (!v || v->n_kept > max)
		return 0;
	for (size_t i = 0; i < v->n_kept; i++)
		ret[i] = frame_ref(v->kept[i]);
	return v->n_kept;
}

const struct video_params *camera_video_params(const struct camera *c)
{
	return c->video && c->video->params.is_complete ? &c->video->params : NULL;
}

unsigned camera_video_generation(const struct camera *c)
{
	return c->video ? c->video->generation : 0;
}

bool camera_gives_video(const struct camera *c)
{
	return c->status.has_video;
}

/* ---- what the driver brings ---- */

static bool take_params(struct video *v, const struct frame *f)
{
	bool is_h265 = f->format == FRAME_H265;

	if (v->params.is_h265 != is_h265)
		v->params = (struct video_params){ .is_h265 = is_h265 };
	return video_params_take(&v->params, f->data, f->size);
}

static void stamp(struct camera *c, struct video *v, struct frame *f, int64_t now_us)
{
	if (f->arrived_us == 0)
		f->arrived_us = now_us;
	if (f->captured_us == 0)
		f->captured_us = f->arrived_us - c->config.latency_us;
	f->captured_wall_ms = loop_wall_ms(c->all->env.loop) - (now_us - f->captured_us) / 1000;
	if (f->dts_us == 0)
		f->dts_us = f->pts_us = f->captured_us;
	f->dts_us = MAX(f->dts_us, v->dts_us + SHORTEST_US);
	v->dts_us = f->dts_us;
}

static void describe(struct camera *c, struct video *v)
{
	bool is_lying = c->config.rotation % 180 != 0;

	v->generation++;
	if (!v->params.is_complete)
		return;
	(void)video_params_codec(&v->params, c->status.codec);
	c->status.has_video = true;
	c->status.width = is_lying ? v->params.height : v->params.width;
	c->status.height = is_lying ? v->params.width : v->params.height;
}

void camera_source_packet(struct camera_source *src, struct frame *f)
{
	struct camera *c = src->camera;
	int64_t now_us = loop_now_us(c->all->env.loop);
	struct video *v;

	if (!c->is_open || c->is_removed) {
		frame_unref(f);
		return;
	}
	if ((f->format != FRAME_H264 && f->format != FRAME_H265) || f->size == 0 ||
	    f->size > CAMERA_VIDEO_MAX_BYTES) {
		camera_refuse(c, f, "it is no video of H.264 or H.265");
		return;
	}
	v = video_of(c);
	stamp(c, v, f, now_us);
	if (f->is_key && take_params(v, f))
		describe(c, v);
	keep(v, f);
	c->status.newest_us = f->captured_us;
	c->status.newest_wall_ms = f->captured_wall_ms;
	camera_is_live(c, now_us);
	c->busy++;
	call_all(c, f);
	c->busy--;
	frame_unref(f);
}

/* ---- demand ---- */

bool video_is_watched(const struct camera *c)
{
	return c->video && c->video->watchers;
}

void video_update_demand(struct camera *c)
{
	double fps = 0;

	if (!c->is_open || !c->driver->demand)
		return;
	if (c->watchers || c->probes)
		fps = c->config.fps > 0 ? MIN(c->config.fps, MAX_FPS) : DEFAULT_FPS;
	if (video_of(c)->told_fps > fps || video_of(c)->told_fps < fps)
		c->driver->demand(c->priv, fps);
	c->video->told_fps = fps;
}

void video_closed(struct camera *c)
{
	if (!c->video)
		return;
	forget(c->video);
	c->video->told_fps = 0;
	call_all(c, NULL);
}

void video_end(struct camera *c)
{
	struct video *v = c->video;

	if (!v)
		return;
	while (v->watchers) {
		struct camera_video_watcher *w = v->watchers;

		detach(c, w);
		w->broken(w->arg);
	}
	forget(v);
}
