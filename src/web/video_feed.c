/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/video_feed.h"

#include "base/mem.h"
#include "cameras/camera.h"
#include "media/fmp4.h"
#include "media/frame.h"
#include "web/auth.h"
#include "web/call.h"

#include <stdlib.h>
#include <utlist.h>

/* More than this waiting, and a viewer is cut off until the next key frame. */
#define MAX_WAITING ((size_t)1 << 20)
#define DEFAULT_STEP_US 40000
#define LONGEST_STEP_US 2000000

static void forget(struct feed *f)
{
	for (size_t i = 0; i < f->n_kept; i++)
		http_bytes_unref(f->kept[i].bytes);
	f->n_kept = 0;
}

struct http_bytes *feed_init(const struct feed *f, bool is_turned)
{
	const struct camera_config *c;
	const struct video_params *p;
	struct buf out = { 0 };

	if (!f->watcher.camera || !(p = camera_video_params(f->watcher.camera)))
		return NULL;
	c = camera_config(f->watcher.camera);

	const struct fmp4_turn turn = { .degrees = c->rotation,
		                        .is_flipped_h = c->is_flipped_h,
		                        .is_flipped_v = c->is_flipped_v };

	fmp4_init(&out, p, is_turned ? &turn : NULL);
	return http_bytes_take(&out);
}

/* ---- viewers ---- */

static void begin(struct mp4_viewer *v)
{
	struct http_bytes *init = feed_init(v->feed, v->is_turned);

	if (!init)
		return;
	http_channel_send(v->channel, &init, 1);
	http_bytes_unref(init);
	v->has_begun = true;
	v->is_cut = false;
}

static void send_fragment(struct mp4_viewer *v, const struct fragment *g)
{
	size_t queued = http_channel_queued(v->channel);

	if (!v->has_begun && g->is_key)
		begin(v);
	else if (v->is_cut && g->is_key && queued == 0)
		v->is_cut = false;
	else if (queued > MAX_WAITING)
		v->is_cut = true;
	if (v->has_begun && !v->is_cut)
		http_channel_send(v->channel, &g->bytes, 1);
}

/* Who reads HLS comes and goes with each piece: together they are one. */
static void count_viewers(struct feed *f)
{
	camera_video_count(&f->watcher, f->n_viewers + (f->hls.asked_us > 0 || f->n_viewers == 0));
}

void feed_add_viewer(struct feed *f, struct mp4_viewer *v)
{
	v->feed = f;
	DL_APPEND(f->viewers, v);
	f->n_viewers++;
	count_viewers(f);
	if (f->n_kept == 0)
		return;
	begin(v);
	for (size_t i = 0; v->has_begun && i < f->n_kept; i++)
		http_channel_send(v->channel, &f->kept[i].bytes, 1);
}

static void drop_viewer(struct feed *f, struct mp4_viewer *v)
{
	DL_DELETE(f->viewers, v);
	f->n_viewers--;
	count_viewers(f);
	free(v);
}

void feed_remove_viewer(struct mp4_viewer *v)
{
	drop_viewer(v->feed, v);
}

static void end_viewers(struct feed *f)
{
	while (f->viewers) {
		http_channel_end(f->viewers->channel);
		drop_viewer(f, f->viewers);
	}
}

void feed_check(struct feed *f)
{
	struct mp4_viewer *v, *next;

	DL_FOREACH_SAFE(f->viewers, v, next)
	{
		if (f->watcher.camera && camera_gives_video(f->watcher.camera) &&
		    web_is_still(f->web, &v->who))
			continue;
		http_channel_end(v->channel);
		feed_remove_viewer(v);
	}
}

/* ---- what the camera brings ---- */

/* Another size or codec: whoever watches has to begin anew. */
static void take_generation(struct feed *f)
{
	unsigned generation = camera_video_generation(f->watcher.camera);

	if (generation == f->generation)
		return;
	if (f->generation != 0) {
		end_viewers(f);
		hls_break(&f->hls);
	}
	f->generation = generation;
}

static struct fragment make_fragment(struct feed *f, const struct frame *p)
{
	struct fragment g = { .is_key = p->is_key };
	struct buf out = { 0 };

	if (f->base_us == 0)
		f->base_us = p->dts_us;
	if (f->dts_us > 0 && p->dts_us - f->dts_us < LONGEST_STEP_US)
		f->step_us = p->dts_us - f->dts_us;
	f->dts_us = p->dts_us;
	g.from_us = p->dts_us - f->base_us;
	/* How long it lasts the next one will tell; as long as the last one, most likely. */
	g.to_us = g.from_us + f->step_us;

	const struct fmp4_sample s = { .bytes = p->data,
		                       .size = p->size,
		                       .dts_us = g.from_us,
		                       .pts_us = p->pts_us - f->base_us,
		                       .duration_us = f->step_us,
		                       .is_key = p->is_key };

	fmp4_fragment(&out, ++f->number, p->format == FRAME_H265, &s, 1);
	g.bytes = http_bytes_take(&out);
	return g;
}

static void keep(struct feed *f, const struct fragment *g)
{
	if (g->is_key)
		forget(f);
	else if (f->n_kept == 0)
		return;
	if (f->n_kept == CAMERA_VIDEO_MAX_PACKETS) {
		forget(f);
		return;
	}
	(void)http_bytes_ref(g->bytes);
	f->kept[f->n_kept++] = *g;
}

static void take_packet(struct feed *f, const struct frame *p)
{
	struct mp4_viewer *v, *next;

	if (p->is_key)
		take_generation(f);
	if (f->generation == 0)
		return;

	struct fragment g = make_fragment(f, p);

	keep(f, &g);
	DL_FOREACH_SAFE(f->viewers, v, next)
	send_fragment(v, &g);
	hls_put(f, &g);
	http_bytes_unref(g.bytes);
}

static void on_packet(void *arg, struct frame *p)
{
	take_packet(arg, p);
}

static void on_broken(void *arg)
{
	struct feed *f = arg;
	struct mp4_viewer *v;

	forget(f);
	hls_break(&f->hls);
	DL_FOREACH(f->viewers, v)
	v->is_cut = v->has_begun;
}

/* ---- life ---- */

static void take_kept(struct feed *f, struct camera *c)
{
	struct frame **kept = mem_new_array(CAMERA_VIDEO_MAX_PACKETS, sizeof(struct frame *));
	size_t n = camera_video_get(c, kept, CAMERA_VIDEO_MAX_PACKETS);

	for (size_t i = 0; i < n; i++) {
		take_packet(f, kept[i]);
		frame_unref(kept[i]);
	}
	free(kept);
}

struct feed *feed_new(struct web *w, struct camera *c)
{
	struct feed *f = MEM_NEW(struct feed);

	f->web = w;
	f->step_us = DEFAULT_STEP_US;
	f->watcher.packet = on_packet;
	f->watcher.broken = on_broken;
	f->watcher.arg = f;
	hls_init(&f->hls);
	camera_video_watch(c, &f->watcher);
	take_kept(f, c);
	return f;
}

void feed_free(struct feed *f)
{
	camera_video_unwatch(&f->watcher);
	end_viewers(f);
	hls_fini(&f->hls, "The camera is gone, or Bedside is ending.");
	forget(f);
	free(f);
}

bool feed_is_used(const struct feed *f, int64_t now_us)
{
	if (!f->watcher.camera)
		return false;
	return f->viewers || f->hls.waiting ||
	       (f->hls.asked_us > 0 && now_us - f->hls.asked_us < HLS_IDLE_US);
}
