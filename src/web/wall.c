/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/wall.h"

#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/json.h"
#include "web/auth.h"
#include "web/handlers.h"
#include "web/picture.h"
#include "web/web.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 1000
#define MAX_UNDER_WAY 64        /* messages */
#define MAX_SILENCE_US 60000000 /* with pictures unacknowledged: nobody is there */
#define HEAD_SIZE 28
#define MAX_FPS 60

struct message {
	uint32_t number;
	size_t size, ahead;
	int64_t sent_us;
};

/* One camera of one wall. */
struct tile {
	struct client *client;
	struct picture_reader reader;
	char id[MODEL_ID_SIZE];
	unsigned width; /* wanted */
	int64_t every_us;
	int64_t sent_us;
	bool is_ready;  /* a newer picture is at hand */
	bool was_late;  /* counted for it */
	int told_state; /* -1: never told */
};

struct client {
	struct wall *wall;
	struct http_channel *channel;
	struct who who;
	struct tile *tiles; /* n_tiles */
	size_t n_tiles, next_tile;
	struct wall_pace pace;
	struct message under_way[MAX_UNDER_WAY]; /* oldest first */
	size_t n_under_way, bytes_under_way;
	uint32_t number;
	uint8_t generation; /* as the page called what it wants: an index belongs to one */
	int64_t heard_us;
	bool is_pace_new;
	int told_level; /* -1: never told */
	struct client *prev, *next;
};

struct wall {
	struct web *web;
	struct client *clients;
	struct timer tick;
};

static int64_t now_of(const struct client *c)
{
	return loop_now_us(c->wall->web->env.loop);
}

static void send_json(struct client *c, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);
	struct http_bytes *bytes = http_bytes_wrap(text, strlen(text), free, text);

	json_decref(j);
	http_channel_send_text(c->channel, "", 0, bytes);
	http_bytes_unref(bytes);
}

/* ---- one picture ---- */

static void put_be(uint8_t *dst, uint64_t v, unsigned n)
{
	while (n > 0) {
		dst[--n] = (uint8_t)v;
		v >>= 8;
	}
}

/* See docs/camera-clients.md. */
static void write_head(uint8_t dst[HEAD_SIZE], const struct client *c, const struct tile *t,
                       const struct frame *f)
{
	int64_t age_ms = (now_of(c) - f->captured_us) / 1000;

	memset(dst, 0, HEAD_SIZE);
	dst[0] = 1; /* of this layout */
	dst[1] = c->generation;
	put_be(dst + 2, (uint64_t)(t - c->tiles), 2);
	put_be(dst + 4, c->number, 4);
	put_be(dst + 8, (uint64_t)f->captured_wall_ms, 8);
	put_be(dst + 16, (uint64_t)MAX(0, age_ms), 4);
	put_be(dst + 20, f->size, 4);
	put_be(dst + 24, f->width, 2);
	put_be(dst + 26, f->height, 2);
}

static void send_picture(struct client *c, struct tile *t, struct picture *p)
{
	uint8_t head[HEAD_SIZE];
	size_t size = p->frame->size + HEAD_SIZE;

	c->number++;
	write_head(head, c, t, p->frame);
	c->under_way[c->n_under_way++] = (struct message){
		.number = c->number, .size = size, .ahead = c->bytes_under_way, .sent_us = now_of(c)
	};
	c->bytes_under_way += size;
	t->sent_us = now_of(c);
	http_channel_send_binary(c->channel, head, HEAD_SIZE, picture_jpeg(p));
}

static bool is_due(const struct tile *t, int64_t now_us)
{
	int64_t every_us = t->reader.every_us;

	return t->is_ready && now_us >= t->sent_us + every_us - every_us / 8;
}

/* One picture may always be under way, however large; in our own queue waits none. */
static bool has_room(const struct client *c)
{
	return c->n_under_way < MAX_UNDER_WAY && http_channel_queued(c->channel) == 0 &&
	       (c->n_under_way == 0 || c->bytes_under_way < c->pace.window);
}

/* Whether it was late counts once for each picture. */
static void count(struct client *c, struct tile *t, bool is_late)
{
	if (is_late && t->was_late)
		return;
	t->was_late = is_late;
	c->is_pace_new |= wall_pace_count(&c->pace, is_late, now_of(c));
}

static bool send_tile(struct client *c, struct tile *t)
{
	struct picture *p = picture_take(&t->reader);

	t->is_ready = false;
	if (!p)
		return false;
	send_picture(c, t, p);
	picture_unref(p);
	return true;
}

/* In turn, so that none starves. */
static void send_due(struct client *c)
{
	int64_t now_us = now_of(c);

	if (!c->channel)
		return;
	for (size_t i = 0; i < c->n_tiles; i++) {
		size_t at = (c->next_tile + i) % c->n_tiles;
		struct tile *t = &c->tiles[at];

		if (!is_due(t, now_us))
			continue;
		if (!has_room(c)) {
			count(c, t, true);
			c->next_tile = at;
			return;
		}
		if (send_tile(c, t))
			count(c, t, false);
	}
	c->next_tile = c->n_tiles ? (c->next_tile + 1) % c->n_tiles : 0;
}

/* ---- state ---- */

static void tell_state(struct tile *t)
{
	struct camera *cam = picture_reader_camera(&t->reader);
	const struct camera_status *s = cam ? camera_status(cam) : NULL;
	size_t i = (size_t)(t - t->client->tiles);

	if (!s) {
		if (t->told_state != -2)
			send_json(t->client,
			          json_pack("{s:s, s:I, s:i, s:s, s:s, s:s}", "type", "state",
			                    "index", (json_int_t)i, "generation",
			                    (int)t->client->generation, "camera", t->id, "state",
			                    "gone", "text", "There is no camera of this id."));
		t->told_state = -2;
		return;
	}
	if (t->told_state == (int)s->state)
		return;
	t->told_state = (int)s->state;
	send_json(t->client,
	          json_pack("{s:s, s:I, s:i, s:s, s:s, s:o, s:o}", "type", "state", "index",
	                    (json_int_t)i, "generation", (int)t->client->generation, "camera",
	                    t->id, "state", camera_state_name(s->state), "text", json_text(s->text),
	                    "newest_at", json_time(s->newest_wall_ms)));
}

static void tile_woken(void *arg)
{
	struct tile *t = arg;

	t->is_ready = true;
	tell_state(t);
	send_due(t->client);
}

/* ---- what the page wants ---- */

static void read_tile(struct tile *t)
{
	struct web *w = t->client->wall->web;
	struct camera *cam = w->env.cameras ? cameras_find(w->env.cameras, t->id) : NULL;
	unsigned width = t->width;
	int64_t every_us = t->every_us;

	picture_leave(&t->reader);
	t->reader = (struct picture_reader){ .woken = tile_woken, .arg = t };
	if (!cam)
		return;
	wall_pace_apply(&t->client->pace, &width, &every_us);
	t->reader.every_us = every_us;
	picture_read(w->pictures, cam, width, &t->reader);
	t->is_ready = true;
}

static void drop_tiles(struct client *c)
{
	for (size_t i = 0; i < c->n_tiles; i++)
		picture_leave(&c->tiles[i].reader);
	free(c->tiles);
	c->tiles = NULL;
	c->n_tiles = c->next_tile = 0;
}

static void set_tile(struct client *c, struct tile *t, const json_t *wish)
{
	json_int_t width = json_integer_value(json_object_get(wish, "width"));
	double fps = json_number_value(json_object_get(wish, "fps"));

	t->client = c;
	TEXT_SET(t->id, json_string_value(json_object_get(wish, "camera")));
	t->width = width > 0 && width <= PICTURE_MAX_WIDTH ? (unsigned)width : 0;
	t->every_us = fps > 0.01 && fps <= MAX_FPS ? (int64_t)(1e6 / fps) : 0;
	t->told_state = -1;
}

static void want(struct client *c, const json_t *list)
{
	size_t n = MIN(json_array_size(list), (size_t)WALL_MAX_CAMERAS);

	drop_tiles(c);
	c->tiles = mem_new_array(n + 1, sizeof(*c->tiles));
	c->n_tiles = n;
	for (size_t i = 0; i < n; i++) {
		set_tile(c, &c->tiles[i], json_array_get(list, i));
		read_tile(&c->tiles[i]);
	}
	for (size_t i = 0; i < n; i++)
		tell_state(&c->tiles[i]);
	send_due(c);
}

static void acknowledge(struct client *c, uint32_t number)
{
	size_t n = 0;
	int64_t now_us = now_of(c);

	/* Numbers run round; older than the oldest means nothing. */
	while (n < c->n_under_way && (int32_t)(number - c->under_way[n].number) >= 0) {
		const struct message *m = &c->under_way[n++];

		if (m->number == number)
			wall_pace_arrived(&c->pace, m->size, m->ahead, m->sent_us, now_us);
		c->bytes_under_way -= m->size;
	}
	c->n_under_way -= n;
	memmove(c->under_way, c->under_way + n, c->n_under_way * sizeof(c->under_way[0]));
	send_due(c);
}

static void on_message(void *arg, const char *text, size_t size)
{
	struct client *c = arg;
	json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	json_t *list = json_object_get(j, "want"), *ack = json_object_get(j, "ack");

	c->heard_us = now_of(c);
	/* Who asks and does not read would fill our memory with answers. */
	if (json_is_array(list) && http_channel_queued(c->channel) < WALL_MAX_WINDOW) {
		c->generation = (uint8_t)json_integer_value(json_object_get(j, "generation"));
		want(c, list);
	}
	if (json_is_integer(ack))
		acknowledge(c, (uint32_t)json_integer_value(ack));
	json_decref(j);
}

/* ---- clients ---- */

static void free_client(struct client *c)
{
	struct wall *wl = c->wall;

	drop_tiles(c);
	DL_DELETE(wl->clients, c);
	free(c);
	if (wl->clients)
		return;
	timer_stop(&wl->tick);
}

static void client_gone(void *arg)
{
	free_client(arg);
}

static void on_writable(void *arg)
{
	send_due(arg);
}

static void tell_pace(struct client *c)
{
	c->told_level = (int)c->pace.level;
	send_json(c, json_pack("{s:s, s:i, s:I, s:I}", "type", "pace", "level", (int)c->pace.level,
	                       "bytes_per_s", (json_int_t)c->pace.bytes_per_s, "round_ms",
	                       (json_int_t)(c->pace.round_us / 1000)));
}

static void tick_client(struct client *c)
{
	struct wall *wl = c->wall;

	if (!web_is_still(wl->web, &c->who) ||
	    (c->n_under_way > 0 && now_of(c) - c->heard_us > MAX_SILENCE_US)) {
		http_channel_end(c->channel);
		free_client(c);
		return;
	}
	for (size_t i = 0; i < c->n_tiles; i++) {
		struct tile *t = &c->tiles[i];

		/* One that was removed may be there again. */
		if (c->is_pace_new || !picture_reader_camera(&t->reader))
			read_tile(t);
		tell_state(t);
	}
	c->is_pace_new = false;
	if (c->told_level != (int)c->pace.level)
		tell_pace(c);
	send_due(c);
}

static void tick(void *arg)
{
	struct wall *wl = arg;
	struct client *c, *next;

	DL_FOREACH_SAFE(wl->clients, c, next)
	tick_client(c);
}

void api_wall(struct call *call)
{
	struct wall *wl = call->web->wall;
	struct client *c;

	if (!call->head->wants_websocket) {
		call_refuse(call, 400, "This is a WebSocket: ask for an upgrade.");
		return;
	}
	if (!web_is_same_origin(call)) {
		call_refuse(call, 403, "Another site's page may not look at your cameras.");
		return;
	}
	c = MEM_NEW(struct client);

	struct http_channel_events ev = {
		.writable = on_writable, .message = on_message, .closed = client_gone, .arg = c
	};

	c->wall = wl;
	c->who = call->who;
	wall_pace_init(&c->pace, now_of(c));
	c->heard_us = now_of(c);
	c->told_level = -1;
	c->channel = http_reply_websocket(call_steal_request(call), &ev);
	if (!c->channel) {
		free(c);
		return;
	}
	if (!wl->clients)
		timer_start_every(&wl->tick, TICK_MS);
	DL_APPEND(wl->clients, c);
}

struct wall *wall_new(struct web *w)
{
	struct wall *wl = MEM_NEW(struct wall);

	wl->web = w;
	timer_init(&wl->tick, w->env.loop, tick, wl);
	return wl;
}

void wall_free(struct wall *wl)
{
	struct client *c, *next;

	if (!wl)
		return;
	DL_FOREACH_SAFE(wl->clients, c, next)
	free_client(c);
	free(wl);
}
