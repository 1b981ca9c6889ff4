/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/live.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "cameras/camera.h"
#include "core/work.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "model/json.h"
#include "web/auth.h"
#include "web/handlers.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 1000
#define QUIET_US 1000000 /* then a viewer of a stalled camera gets the sentence as a picture */
#define OLD_US 5000000   /* older, and a still picture is taken anew */
#define SHOT_TIMEOUT_MS 5000
#define N_CARDS 8
#define CARD_WIDTH 640
#define CARD_HEIGHT 360

static const char boundary[] = "\r\n--bedside\r\n";

struct viewer {
	struct live *live;
	struct camera_watcher watcher;
	struct http_channel *channel;
	struct who who;
	int64_t sent_us, every_us;  /* every_us 0: all that come */
	struct viewer *prev, *next; /* live.viewers */
};

/* A picture that says why there is none. */
struct card {
	char text[240];
	struct http_bytes *jpeg; /* NULL while a worker draws it */
};

struct still {
	struct live *live;
	struct call *call;
	struct camera_shot shot;
	struct still *prev, *next; /* live.stills */
};

struct live {
	struct web *web;
	struct viewer *viewers;
	struct still *stills;
	struct timer tick;
	struct http_bytes *between; /* the boundary */
	/* The newest part's head, which all viewers of one camera share. */
	const struct frame *head_of;
	uint64_t head_seq;
	struct http_bytes *head;
	struct card cards[N_CARDS];
	unsigned next_card;
	unsigned n_drawing;
	bool is_ending;
};

static void release_frame(void *owner)
{
	frame_unref(owner);
}

/* ---- parts ---- */

static struct http_bytes *part_head(size_t size, int64_t at_us)
{
	char text[160];
	int n = snprintf(text, sizeof(text),
	                 "Content-Type: image/jpeg\r\nContent-Length: %zu\r\n"
	                 "X-Timestamp: %lld.%06lld\r\n\r\n",
	                 size, (long long)(at_us / 1000000), (long long)(at_us % 1000000));

	return http_bytes_new(text, (size_t)n);
}

static void send_part(struct viewer *v, struct http_bytes *head, struct http_bytes *jpeg)
{
	struct http_bytes *parts[] = { head, jpeg, v->live->between };

	v->sent_us = loop_now_us(v->live->web->env.loop);
	/* With the next boundary, so that a browser shows it at once. */
	http_channel_send(v->channel, parts, ARRAY_LEN(parts));
}

static void send_frame(struct viewer *v, struct frame *f)
{
	struct live *l = v->live;

	if (l->head_of != f || l->head_seq != f->seq) {
		http_bytes_unref(l->head);
		l->head = part_head(f->size, f->captured_wall_ms * 1000);
		l->head_of = f;
		l->head_seq = f->seq;
	}

	struct http_bytes *jpeg = http_bytes_wrap(f->data, f->size, release_frame, f);

	send_part(v, l->head, jpeg);
	http_bytes_unref(jpeg);
}

/* ---- what to show when there is nothing ---- */

struct drawing {
	struct live *live;
	unsigned slot;
	char text[240];
	struct frame *jpeg;
};

/* As many words as fit into a line. Returns the rest. */
static const char *take_line(char *dst, size_t size, const char *text, float height)
{
	size_t taken = 0;

	for (size_t n = 0; text[n] && n + 1 < size; n++) {
		if (text[n] != ' ' && text[n + 1] != '\0')
			continue;
		text_copy_n(dst, size, text, n + 1);
		if (taken && draw_text_width(dst, height) > CARD_WIDTH - 60)
			break;
		taken = n + 1;
	}
	text_copy_n(dst, size, text, taken);
	return text + taken + strspn(text + taken, " ");
}

static void draw_card(void *arg)
{
	struct drawing *d = arg;
	struct draw_canvas *c = draw_canvas_new(CARD_WIDTH, CARD_HEIGHT);
	struct draw_text title = { .x = 30, .y = 120, .height = 26, .color = 0xe8eaedff };
	struct draw_text small = { .x = 30, .y = 170, .height = 13, .color = 0xa8adb4ff };
	const char *rest = d->text;
	char line[120];

	draw_gradient(c, 0x2a2d31ff, 0x17191bff);
	(void)draw_text(c, &title, "No signal");
	for (int i = 0; *rest && i < 5; i++) {
		rest = take_line(line, sizeof(line), rest, small.height);
		(void)draw_text(c, &small, line);
		small.y += 28;
	}
	if (jpeg_encode_rgbx((const uint8_t *)c->pixels, c->width, c->height, 80, &d->jpeg, NULL) <
	    0)
		d->jpeg = NULL;
	draw_canvas_free(c);
}

static void card_is_drawn(void *arg)
{
	struct drawing *d = arg;
	struct live *l = d->live;
	struct card *card = &l->cards[d->slot];

	l->n_drawing--;
	if (d->jpeg && !l->is_ending && !card->jpeg && strcmp(card->text, d->text) == 0)
		card->jpeg = http_bytes_wrap(d->jpeg->data, d->jpeg->size, release_frame, d->jpeg);
	else
		frame_unref(d->jpeg);
	free(d);
	if (l->is_ending && l->n_drawing == 0)
		free(l);
}

/* NULL: it is being drawn. */
static struct http_bytes *card_for(struct live *l, const char *text)
{
	for (size_t i = 0; i < N_CARDS; i++) {
		if (strcmp(l->cards[i].text, text) == 0)
			return l->cards[i].jpeg;
	}

	struct drawing *d = MEM_NEW(struct drawing);
	struct card *card = &l->cards[l->next_card];

	d->live = l;
	d->slot = l->next_card;
	TEXT_SET(d->text, text);
	http_bytes_unref(card->jpeg);
	card->jpeg = NULL;
	TEXT_SET(card->text, text);
	l->next_card = (l->next_card + 1) % N_CARDS;
	l->n_drawing++;
	work_submit(l->web->env.pool, draw_card, card_is_drawn, d);
	return NULL;
}

static const char *no_signal_text(const struct camera_status *s)
{
	if (s->text[0])
		return s->text;
	return s->state == CAMERA_CONNECTING ? "Connecting to the camera."
	                                     : "The camera sends no picture.";
}

/* ---- viewers ---- */

static void free_viewer(struct viewer *v)
{
	struct live *l = v->live;

	camera_unwatch(&v->watcher);
	if (v->prev)
		v->prev->next = v->next;
	else
		l->viewers = v->next;
	if (v->next)
		v->next->prev = v->prev;
	free(v);
	if (l->viewers)
		return;
	timer_stop(&l->tick);
	http_bytes_unref(l->head);
	l->head = NULL;
	l->head_of = NULL;
}

static void try_to_send(void *arg)
{
	struct viewer *v = arg;

	if (!v->channel || http_channel_queued(v->channel) > 0)
		return;
	if (v->every_us &&
	    loop_now_us(v->live->web->env.loop) < v->sent_us + v->every_us - v->every_us / 8)
		return;

	struct frame *f = camera_watch_take(&v->watcher);

	if (f)
		send_frame(v, f);
}

static void viewer_gone(void *arg)
{
	free_viewer(arg);
}

static void send_card(struct viewer *v, const struct camera_status *s)
{
	struct live *l = v->live;
	struct http_bytes *jpeg = card_for(l, no_signal_text(s));

	if (!jpeg)
		return;

	struct http_bytes *head = part_head(jpeg->size, loop_wall_ms(l->web->env.loop) * 1000);

	send_part(v, head, jpeg);
	http_bytes_unref(head);
}

static void tick(void *arg)
{
	struct live *l = arg;
	int64_t now_us = loop_now_us(l->web->env.loop);

	for (struct viewer *v = l->viewers, *next; v; v = next) {
		next = v->next;
		/* The camera was taken away, or the viewer may not look any more. */
		if (!v->watcher.camera || !auth_is_still(l->web->auth, &v->who)) {
			http_channel_end(v->channel);
			free_viewer(v);
			continue;
		}
		try_to_send(v);

		const struct camera_status *s = camera_status(v->watcher.camera);

		if (s->state != CAMERA_LIVE && now_us - v->sent_us >= QUIET_US &&
		    http_channel_queued(v->channel) == 0)
			send_card(v, s);
	}
}

static struct camera *find(struct call *c)
{
	struct camera *cam =
		c->web->env.cameras ? cameras_find(c->web->env.cameras, c->params[0]) : NULL;

	if (!cam)
		call_refuse(c, 404, "There is no camera of this id.");
	return cam;
}

void api_camera_stream(struct call *c)
{
	struct live *l = c->web->live;
	struct camera *cam = find(c);
	struct http_reply reply = { .status = 200,
		                    .type = "multipart/x-mixed-replace; boundary=bedside",
		                    .cache = "no-store, no-transform" };

	if (!cam)
		return;

	int64_t fps = call_query_int(c, "fps", 0);
	struct viewer *v = MEM_NEW(struct viewer);
	struct http_channel_events ev = { .writable = try_to_send,
		                          .closed = viewer_gone,
		                          .arg = v };

	v->live = l;
	v->who = c->who;
	v->every_us = fps > 0 ? 1000000 / fps : 0;
	v->channel = http_reply_stream(call_steal_request(c), &reply, &ev);
	if (!v->channel) {
		free(v);
		return;
	}
	v->next = l->viewers;
	if (v->next)
		v->next->prev = v;
	else
		timer_start_every(&l->tick, TICK_MS);
	l->viewers = v;
	http_channel_send(v->channel, &l->between, 1);
	v->sent_us = loop_now_us(l->web->env.loop);
	camera_watch(cam, &v->watcher, try_to_send, v);

	/* The newest picture at once, if it is not an old one: a slow camera's next is seconds off. */
	struct frame *f = camera_newest(cam);

	if (f && v->sent_us - f->captured_us < OLD_US && http_channel_queued(v->channel) == 0)
		send_frame(v, f);
	else
		frame_unref(f);
}

/* ---- stills ---- */

static void send_still(struct call *c, struct frame *f)
{
	char at[WHEN_TEXT_SIZE], age[24];
	struct http_reply reply = { .status = 200, .type = "image/jpeg", .n_headers = 2 };
	int64_t age_us = loop_now_us(c->web->env.loop) - f->captured_us;

	snprintf(age, sizeof(age), "%lld", (long long)(age_us > 0 ? age_us / 1000 : 0));
	reply.headers[0] =
		(struct http_header){ "X-Captured-At", when_iso(at, f->captured_wall_ms) };
	reply.headers[1] = (struct http_header){ "X-Age-Ms", age };
	call_bytes(c, &reply, http_bytes_wrap(f->data, f->size, release_frame, f));
}

static struct call *end_still(struct still *s)
{
	struct call *c = s->call;

	if (s->prev)
		s->prev->next = s->next;
	else
		s->live->stills = s->next;
	if (s->next)
		s->next->prev = s->prev;
	free(s);
	return c;
}

static void still_is_taken(void *arg, struct frame *f, const struct err *err)
{
	struct call *c = end_still(arg);

	if (f)
		send_still(c, f);
	else
		call_refuse(c, 503, "%s", err && err->text[0] ? err->text : "No signal.");
}

void api_camera_snapshot(struct call *c)
{
	struct live *l = c->web->live;
	struct camera *cam = find(c);
	char fresh[8] = "";

	if (!cam)
		return;
	(void)call_query(c, "fresh", fresh, sizeof(fresh));

	int64_t now_us = loop_now_us(c->web->env.loop);
	bool must_be_new = strcmp(fresh, "1") == 0 || strcmp(fresh, "true") == 0;
	struct frame *f = camera_newest(cam);

	if (f && !must_be_new && now_us - f->captured_us < OLD_US) {
		send_still(c, f);
		return;
	}
	frame_unref(f);

	struct still *s = MEM_NEW(struct still);

	s->live = l;
	s->call = c;
	s->next = l->stills;
	if (s->next)
		s->next->prev = s;
	l->stills = s;
	camera_shoot(cam, &s->shot, must_be_new ? now_us : now_us - OLD_US,
	             call_query_int(c, "timeout", SHOT_TIMEOUT_MS), still_is_taken, s);
}

/* ---- the others ---- */

void api_cameras(struct call *c)
{
	json_t *list = json_array();
	struct camera *cam;

	for (size_t i = 0; c->web->env.cameras && (cam = cameras_at(c->web->env.cameras, i)); i++)
		json_array_append_new(list, json_camera(camera_config(cam), camera_status(cam)));
	call_json(c, 200, json_pack("{s:o}", "cameras", list));
}

static void test_is_done(void *arg, const struct camera_test_result *r)
{
	json_t *j = json_pack("{s:b, s:i, s:i, s:i, s:I, s:I, s:f, s:o}", "is_ok", (int)r->is_ok,
	                      "width", (int)r->width, "height", (int)r->height, "n_frames",
	                      (int)r->n_frames, "size", (json_int_t)r->size, "first_ms",
	                      (json_int_t)r->first_ms, "per_second", r->per_second, "text",
	                      json_text(r->text));

	call_json(arg, 200, j);
}

void api_camera_test(struct call *c)
{
	struct camera *cam = find(c);

	if (cam)
		camera_test(cam, 5, 15000, test_is_done, c);
}

/* ---- life ---- */

struct live *live_new(struct web *w)
{
	struct live *l = MEM_NEW(struct live);

	l->web = w;
	l->between = http_bytes_wrap(boundary, sizeof(boundary) - 1, NULL, NULL);
	timer_init(&l->tick, w->env.loop, tick, l);
	return l;
}

void live_free(struct live *l)
{
	if (!l)
		return;
	for (struct viewer *v = l->viewers, *next; v; v = next) {
		next = v->next;
		free_viewer(v);
	}
	for (struct still *s = l->stills, *next; s; s = next) {
		next = s->next;
		camera_shot_cancel(&s->shot);
		call_refuse(end_still(s), 503, "Bedside is ending.");
	}
	timer_stop(&l->tick);
	http_bytes_unref(l->between);
	http_bytes_unref(l->head);
	l->head = NULL;
	for (size_t i = 0; i < N_CARDS; i++)
		http_bytes_unref(l->cards[i].jpeg);
	l->is_ending = true;
	if (l->n_drawing == 0)
		free(l);
}
