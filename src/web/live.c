/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/live.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/crypto.h"
#include "media/frame.h"
#include "model/json.h"
#include "web/auth.h"
#include "web/card.h"
#include "web/handlers.h"
#include "web/picture.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 1000
#define QUIET_US 1000000 /* then a viewer of a stalled camera gets a picture that says so */
#define OLD_US 5000000   /* older, and a new viewer does not begin with it */
#define STUCK_TICKS 60   /* a viewer who takes nothing for so long is let go */
/* A viewer whose socket is full for the moment is tried again so soon; one that has been full for
 * long waits for the next picture. */
#define RETRY_MS 4
#define RETRY_FOR_US 250000

static const char first_boundary[] = "\r\n--" PICTURE_BOUNDARY "\r\n";

struct viewer {
	struct live *live;
	struct picture_reader reader;
	struct http_channel *channel;
	struct who who;
	struct live_options options;
	char id[17];
	int64_t sent_us, every_us; /* every_us 0: all that come */
	size_t part_size;          /* of the part sent last: the next is like it */
	bool is_waiting;           /* for room in the socket, with a newer picture at hand */
	size_t unsent;             /* at the last tick */
	unsigned stuck_ticks;
	unsigned n_sent, per_second, n_dropped;
	uint64_t seq;
	struct picture *repeat; /* dual_final_frames: may have to be sent again */
	struct viewer *prev, *next;
};

struct live {
	struct web *web;
	struct viewer *viewers;
	struct timer tick, retry;
	struct http_bytes *first; /* the boundary before the first part */
};

/* ---- parts ---- */

/* What ustreamer says of a picture, by its names. */
static void write_extra(struct buf *b, const struct viewer *v, const struct frame *f,
                        bool is_online)
{
	int64_t now_ms = loop_wall_ms(v->live->web->env.loop);
	int64_t latency_ms = now_ms - f->captured_wall_ms;
	char at[40];

	buf_printf(b,
	           "X-UStreamer-Online: %s\r\nX-UStreamer-Dropped: %u\r\n"
	           "X-UStreamer-Width: %u\r\nX-UStreamer-Height: %u\r\n"
	           "X-UStreamer-Client-FPS: %u\r\nX-UStreamer-Grab-Time: %s\r\n"
	           "X-UStreamer-Send-Time: %lld.%03lld000\r\n"
	           "X-UStreamer-Latency: %lld.%03lld000\r\n",
	           is_online ? "true" : "false", v->n_dropped, f->width, f->height, v->per_second,
	           picture_timestamp(at, f), (long long)(now_ms / 1000), (long long)(now_ms % 1000),
	           (long long)(MAX(latency_ms, 0) / 1000), (long long)(MAX(latency_ms, 0) % 1000));
}

static struct http_bytes *advance_head(void)
{
	static const char text[] = "\r\n--" PICTURE_BOUNDARY "\r\nContent-Type: image/jpeg\r\n\r\n";

	return http_bytes_wrap(text, sizeof(text) - 1, NULL, NULL);
}

/* A part for one viewer only, who wants it in another way than most. */
static void send_own_part(struct viewer *v, struct picture *p, bool is_online)
{
	const struct live_options *o = &v->options;
	struct http_bytes *jpeg = picture_jpeg(p), *parts[3];
	size_t n = 0;
	struct buf b;
	char at[40];

	buf_init(&b, 0);
	if (!o->advance_headers) {
		buf_printf(&b,
		           "Content-Type: image/jpeg\r\nContent-Length: %zu\r\nX-Timestamp: %s\r\n",
		           o->zero_data ? 0 : p->frame->size, picture_timestamp(at, p->frame));
		if (o->extra_headers)
			write_extra(&b, v, p->frame, is_online);
		buf_add_str(&b, "\r\n");
		parts[n++] = http_bytes_take(&b);
	}
	if (!o->zero_data)
		parts[n++] = http_bytes_ref(jpeg);
	parts[n++] = o->advance_headers ? advance_head() : http_bytes_ref(v->live->first);
	http_channel_send(v->channel, parts, n);
	while (n > 0)
		http_bytes_unref(parts[--n]);
	buf_fini(&b);
}

static bool is_plain(const struct live_options *o)
{
	return !o->extra_headers && !o->advance_headers && !o->zero_data;
}

static void send_picture(struct viewer *v, struct picture *p, bool is_online)
{
	v->sent_us = loop_now_us(v->live->web->env.loop);
	v->is_waiting = false;
	v->part_size = p->frame->size + 200;
	v->n_sent++;
	if (is_plain(&v->options)) {
		struct http_bytes *part = picture_part(p);

		http_channel_send(v->channel, &part, 1);
	} else {
		send_own_part(v, p, is_online);
	}
}

/* ---- viewers ---- */

static void free_viewer(struct viewer *v)
{
	struct live *l = v->live;

	picture_leave(&v->reader);
	picture_unref(v->repeat);
	DL_DELETE(l->viewers, v);
	free(v);
	if (l->viewers)
		return;
	timer_stop(&l->tick);
	timer_stop(&l->retry);
}

static void count_dropped(struct viewer *v, const struct frame *f)
{
	if (v->seq > 0 && f->seq > v->seq + 1)
		v->n_dropped += (unsigned)(f->seq - v->seq - 1);
	v->seq = f->seq;
}

static bool is_too_soon(const struct viewer *v, int64_t now_us)
{
	return v->every_us > 0 && now_us < v->sent_us + v->every_us - v->every_us / 8;
}

static void try_to_send(void *arg)
{
	struct viewer *v = arg;
	struct live *l = v->live;
	int64_t now_us;

	if (!v->channel)
		return;
	now_us = loop_now_us(l->web->env.loop);
	if (is_too_soon(v, now_us))
		return;
	if (!http_channel_takes(v->channel, v->part_size)) {
		v->is_waiting = true;
		if (now_us - v->sent_us < RETRY_FOR_US && !timer_is_running(&l->retry))
			timer_start(&l->retry, RETRY_MS);
		return;
	}

	struct picture *p = picture_take(&v->reader);

	v->is_waiting = false;
	if (!p)
		return;
	count_dropped(v, p->frame);
	/* The first decides how large the socket's buffer is. */
	if (p->frame->size + 200 > v->part_size)
		(void)http_channel_takes(v->channel, p->frame->size + 200);
	send_picture(v, p, true);
	if (v->options.dual_final_frames) {
		picture_unref(v->repeat);
		v->repeat = picture_ref(p);
	}
	picture_unref(p);
}

/* Sockets say that they have room, but not that they are nearly empty. */
static void retry(void *arg)
{
	struct live *l = arg;
	struct viewer *v, *next;

	DL_FOREACH_SAFE(l->viewers, v, next)
	if (v->is_waiting)
		try_to_send(v);
}

static void viewer_gone(void *arg)
{
	free_viewer(arg);
}

static void send_card(struct viewer *v, struct camera *cam)
{
	struct picture *p = card_get(v->live->web->cards, cam);

	if (p)
		send_picture(v, p, false);
	picture_unref(p);
}

/* Some browsers show a picture only when the next one begins (ustreamer's cure). */
static void send_again(struct viewer *v)
{
	struct picture *p = v->repeat;

	v->repeat = NULL;
	send_picture(v, p, true);
	picture_unref(p);
}

static bool is_stuck(struct viewer *v)
{
	size_t unsent = http_channel_unsent(v->channel);

	v->stuck_ticks = unsent > 0 && unsent == v->unsent ? v->stuck_ticks + 1 : 0;
	v->unsent = unsent;
	return v->stuck_ticks >= STUCK_TICKS;
}

static void tick_viewer(struct viewer *v, int64_t now_us)
{
	struct live *l = v->live;
	struct camera *cam = picture_reader_camera(&v->reader);

	v->per_second = v->n_sent;
	v->n_sent = 0;
	/* The camera was taken away, the viewer may not look any more, or does not. */
	if (!cam || !web_is_still(l->web, &v->who) || is_stuck(v)) {
		http_channel_end(v->channel);
		free_viewer(v);
		return;
	}
	try_to_send(v);
	if (now_us - v->sent_us < QUIET_US || !http_channel_takes(v->channel, v->part_size))
		return;
	if (camera_status(cam)->state != CAMERA_LIVE)
		send_card(v, cam);
	else if (v->repeat)
		send_again(v);
}

static void tick(void *arg)
{
	struct live *l = arg;
	int64_t now_us = loop_now_us(l->web->env.loop);
	struct viewer *v, *next;

	DL_FOREACH_SAFE(l->viewers, v, next)
	tick_viewer(v, now_us);
}

static void begin(struct viewer *v, struct camera *cam)
{
	struct live *l = v->live;
	struct http_bytes *first =
		v->options.advance_headers ? advance_head() : http_bytes_ref(l->first);
	struct picture *p;

	http_channel_send(v->channel, &first, 1);
	http_bytes_unref(first);
	v->sent_us = loop_now_us(l->web->env.loop);
	picture_read(l->web->pictures, cam, v->options.width, &v->reader);

	/* The newest picture at once, if it is not an old one: a slow camera's next is seconds off. */
	p = picture_newest(&v->reader);
	if (p && v->sent_us - p->frame->captured_us < OLD_US &&
	    http_channel_takes(v->channel, p->frame->size + 200)) {
		send_picture(v, p, true);
		v->seq = p->frame->seq;
		picture_unref(picture_take(&v->reader));
	}
	picture_unref(p);
}

void live_open(struct call *c, struct camera *cam, const struct live_options *o)
{
	struct live *l = c->web->live;
	struct http_reply reply = {
		.status = 200,
		.type = "multipart/x-mixed-replace; boundary=" PICTURE_BOUNDARY,
		.cache = "no-store, no-cache, must-revalidate, private, max-age=0, no-transform",
		.n_headers = 1,
		.headers = { { "Pragma", "no-cache" } },
		.other_headers = c->other_headers,
	};
	struct viewer *v = MEM_NEW(struct viewer);
	struct http_channel_events ev = { .writable = try_to_send,
		                          .closed = viewer_gone,
		                          .arg = v };

	v->live = l;
	v->who = c->who;
	v->options = *o;
	v->every_us = o->fps > 0 ? 1000000 / o->fps : 0;
	v->part_size = 1;
	v->reader.woken = try_to_send;
	v->reader.arg = v;
	v->reader.every_us = v->every_us;
	crypto_random_text(v->id, sizeof(v->id) - 1);
	v->channel = http_reply_stream(call_steal_request(c), &reply, &ev);
	if (!v->channel) {
		free(v);
		return;
	}
	if (!l->viewers)
		timer_start_every(&l->tick, TICK_MS);
	DL_APPEND(l->viewers, v);
	begin(v, cam);
}

bool live_viewer_at(const struct live *l, const struct camera *cam, size_t i,
                    struct live_viewer_info *ret)
{
	struct viewer *v;

	DL_FOREACH(l->viewers, v)
	{
		if (picture_reader_camera(&v->reader) != cam || i-- > 0)
			continue;
		*ret = (struct live_viewer_info){ .options = &v->options,
			                          .per_second = v->per_second };
		TEXT_SET(ret->id, v->id);
		return true;
	}
	return false;
}

/* ---- the routes ---- */

void api_camera_stream(struct call *c)
{
	struct camera *cam = call_camera(c);
	struct live_options o = { 0 };

	if (!cam)
		return;
	o.fps = call_query_int(c, "fps", 0);
	o.width = (unsigned)call_query_int(c, "width", 0);
	live_open(c, cam, &o);
}

void api_cameras(struct call *c)
{
	json_t *list = json_array();
	struct camera *cam;

	for (size_t i = 0; c->web->env.cameras && (cam = cameras_at(c->web->env.cameras, i)); i++)
		json_array_append_new(list, json_camera(camera_config(cam), camera_status(cam)));
	call_json(c, 200, json_pack("{s:o}", "cameras", list));
}

json_t *json_camera_test(const struct camera_test_result *r)
{
	return json_pack("{s:b, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:f, s:o}", "is_ok",
	                 (int)r->is_ok, "width", (int)r->width, "height", (int)r->height,
	                 "n_frames", (int)r->n_frames, "size", (json_int_t)r->size, "first_ms",
	                 (json_int_t)r->first_ms, "shot_ms", (json_int_t)r->shot_ms, "age_ms",
	                 (json_int_t)r->age_ms, "per_second", r->per_second, "text",
	                 json_text(r->text));
}

static void test_is_done(void *arg, const struct camera_test_result *r)
{
	call_json(arg, 200, json_camera_test(r));
}

void api_camera_test(struct call *c)
{
	struct camera *cam = call_camera(c);

	if (cam)
		camera_test(cam, 5, 15000, test_is_done, c);
}

/* ---- life ---- */

struct live *live_new(struct web *w)
{
	struct live *l = MEM_NEW(struct live);

	l->web = w;
	l->first = http_bytes_wrap(first_boundary, sizeof(first_boundary) - 1, NULL, NULL);
	timer_init(&l->tick, w->env.loop, tick, l);
	timer_init(&l->retry, w->env.loop, retry, l);
	return l;
}

void live_free(struct live *l)
{
	struct viewer *v, *next;

	if (!l)
		return;
	DL_FOREACH_SAFE(l->viewers, v, next)
	free_viewer(v);
	http_bytes_unref(l->first);
	free(l);
}
