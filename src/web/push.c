/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/push.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/sessions.h"
#include "core/loop.h"
#include "model/event.h"
#include "model/json.h"
#include "printers/printer.h"
#include "store/repo.h"
#include "store/store.h"
#include "web/auth.h"
#include "web/handlers.h"
#include "web/storage.h"
#include "web/web.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_MS 100
#define STORAGE_EVERY 3 /* heartbeats */

struct client {
	struct push *push;
	struct http_channel *channel;
	struct who who;
	uint64_t seq;
	bool is_behind;             /* gets a snapshot when it has read all */
	struct client *prev, *next; /* push.clients */
};

struct push {
	struct web *web;
	struct bus_listener listener;
	struct client *clients;
	struct timer heartbeat, flush;
	unsigned n_beats;
	json_t *printers, *cameras; /* by id: what the clients were last told */
	json_t *films, *notices;    /* arrays, newest first, PUSH_NEWEST at most */
	json_t *storage;            /* NULL until it was read */
	unsigned n_reading;
	bool is_ending;
};

/* ---- telling ---- */

/* {"type":…} without its opening brace, to be shared behind each client's own {"seq":n, */
static struct http_bytes *tail_of(json_t *message)
{
	char *text = json_dumps(message, JSON_COMPACT | JSON_SHORT_REALS);

	assert(text);
	json_decref(message);
	return http_bytes_wrap(text + 1, strlen(text) - 1, free, text);
}

static void send_to(struct client *c, struct http_bytes *tail)
{
	char prefix[40];
	int n = snprintf(prefix, sizeof(prefix), "{\"seq\":%llu,", (unsigned long long)++c->seq);

	http_channel_send_text(c->channel, prefix, (size_t)n, tail);
}

static void tell_all(struct push *p, json_t *message)
{
	struct http_bytes *tail = tail_of(message);

	for (struct client *c = p->clients; c; c = c->next) {
		if (c->is_behind)
			continue;
		if (http_channel_queued(c->channel) > PUSH_MAX_QUEUED)
			c->is_behind = true;
		else
			send_to(c, tail);
	}
	http_bytes_unref(tail);
}

static json_t *message_of(const char *type, const char *member, json_t *value)
{
	return json_pack("{s:s, s:o}", "type", type, member, value);
}

/* ---- the state as a whole ---- */

static json_t *now_text(const struct push *p)
{
	return json_time(loop_wall_ms(p->web->env.loop));
}

static json_t *values_of(const json_t *by_id)
{
	json_t *a = json_array();
	const char *id;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)by_id, id, v) json_array_append(a, v);
	return a;
}

static json_t *current_sessions(const struct push *p)
{
	const struct web_env *env = &p->web->env;
	json_t *a = json_array();
	struct printer *pr;

	for (size_t i = 0; env->sessions && env->printers && (pr = printers_at(env->printers, i));
	     i++) {
		const struct session *s = sessions_of(env->sessions, printer_config(pr)->id);

		if (s && s->state != SESSION_IDLE)
			json_array_append_new(a, json_session(s));
	}
	return a;
}

static void send_snapshot(struct client *c)
{
	struct push *p = c->push;
	json_t *m = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:O, s:O, s:o}", "type", "snapshot",
	                      "now", now_text(p), "version", BEDSIDE_VERSION, "printers",
	                      values_of(p->printers), "cameras", values_of(p->cameras), "sessions",
	                      current_sessions(p), "films", p->films, "notices", p->notices,
	                      "storage", p->storage ? json_incref(p->storage) : json_null());
	struct http_bytes *tail = tail_of(m);

	c->is_behind = false;
	send_to(c, tail);
	http_bytes_unref(tail);
}

/* ---- printers and cameras: what is different ---- */

static json_t *changes_between(const json_t *old, json_t *fresh)
{
	json_t *diff = json_object();
	const char *key;
	json_t *v;

	json_object_foreach(fresh, key, v)
	{
		if (!json_equal(json_object_get(old, key), v))
			json_object_set(diff, key, v);
	}
	return diff;
}

/* Takes `fresh`. */
static void update_printer(struct push *p, const char *id, json_t *fresh)
{
	json_t *old = json_object_get(p->printers, id);

	if (!old) {
		json_t *m = message_of("printer", "printer", json_incref(fresh));

		json_object_set_new(m, "is_new", json_true());
		tell_all(p, m);
	} else {
		json_t *diff = changes_between(old, fresh);

		if (json_object_size(diff) > 0) {
			json_object_set_new(diff, "id", json_text(id));
			tell_all(p, message_of("printer", "printer", diff));
		} else {
			json_decref(diff);
		}
	}
	json_object_set_new(p->printers, id, fresh);
}

/* Takes `fresh`. */
static void update_camera(struct push *p, const char *id, json_t *fresh)
{
	if (!json_equal(json_object_get(p->cameras, id), fresh))
		tell_all(p, message_of("camera", "camera", json_incref(fresh)));
	json_object_set_new(p->cameras, id, fresh);
}

static void forget_gone(struct push *p)
{
	const char *id;
	json_t *v;
	void *next;

	json_object_foreach_safe(p->printers, next, id, v)
	{
		if (p->web->env.printers && printers_find(p->web->env.printers, id))
			continue;
		tell_all(p, json_pack("{s:s, s:s}", "type", "printer_gone", "id", id));
		json_object_del(p->printers, id);
	}
	json_object_foreach_safe(p->cameras, next, id, v)
	{
		if (p->web->env.cameras && cameras_find(p->web->env.cameras, id))
			continue;
		tell_all(p, json_pack("{s:s, s:s}", "type", "camera_gone", "id", id));
		json_object_del(p->cameras, id);
	}
}

static void look_at_all(struct push *p)
{
	const struct web_env *env = &p->web->env;
	struct printer *pr;
	struct camera *cam;

	for (size_t i = 0; env->printers && (pr = printers_at(env->printers, i)); i++)
		update_printer(p, printer_config(pr)->id,
		               json_printer(printer_config(pr), printer_state(pr)));
	for (size_t i = 0; env->cameras && (cam = cameras_at(env->cameras, i)); i++)
		update_camera(p, camera_config(cam)->id,
		              json_camera(camera_config(cam), camera_status(cam)));
	forget_gone(p);
}

static void flush(void *arg)
{
	look_at_all(arg);
}

static void want_flush(struct push *p)
{
	if (p->clients && !timer_is_running(&p->flush))
		timer_start(&p->flush, FLUSH_MS);
}

/* ---- events ---- */

/* Puts `value` in front; one of the same id is taken out. Takes the reference. */
static void put_newest(json_t *list, json_t *value)
{
	const char *id = json_string_value(json_object_get(value, "id"));
	size_t i;
	json_t *v;

	json_array_foreach(list, i, v)
	{
		if (text_equal(json_string_value(json_object_get(v, "id")), id)) {
			/* At its place: a film that grows is not newer for that. */
			json_array_set_new(list, i, value);
			return;
		}
	}
	json_array_insert_new(list, 0, value);
	if (json_array_size(list) > PUSH_NEWEST)
		json_array_remove(list, PUSH_NEWEST);
}

static json_t *command_message(const struct event_command *e)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o}", "type", "command", "printer", e->printer,
	                 "command", printer_command_name(e->kind), "answer",
	                 printer_answer_name(e->answer), "reason", json_text(e->reason), "user",
	                 json_text(e->user));
}

static json_t *frame_message(const struct event_frame *e)
{
	json_t *f = json_pack("{s:s, s:s, s:s, s:I, s:o}", "session", e->session, "printer",
	                      e->printer, "camera", e->camera, "number", (json_int_t)e->number,
	                      "layer", json_int_or_null(e->layer));

	return message_of("frame", "frame", f);
}

static void heard(void *arg, const struct bus_event *e)
{
	struct push *p = arg;
	json_t *v;

	switch ((enum event_type)e->type) {
	case EVENT_PRINTER:
	case EVENT_CAMERA:
		want_flush(p);
		break;
	case EVENT_LAYER:
		if (p->clients)
			tell_all(p, message_of("layer", "layer",
			                       json_layer(&event_as_layer(e)->layer)));
		break;
	case EVENT_SESSION:
		if (p->clients)
			tell_all(p, message_of("session", "session",
			                       json_session(&event_as_session(e)->session)));
		break;
	case EVENT_FRAME:
		if (p->clients)
			tell_all(p, frame_message(event_as_frame(e)));
		break;
	case EVENT_FILM:
		v = json_film(&event_as_film(e)->film);
		put_newest(p->films, json_incref(v));
		tell_all(p, message_of("film", "film", v));
		break;
	case EVENT_NOTICE:
		v = json_notice(event_as_notice(e));
		put_newest(p->notices, json_incref(v));
		tell_all(p, message_of("notice", "notice", v));
		break;
	case EVENT_CAPTURE:
		if (p->clients)
			tell_all(p, message_of("capture", "capture",
			                       json_capture(&event_as_capture(e)->capture)));
		break;
	case EVENT_COMMAND:
		if (p->clients)
			tell_all(p, command_message(event_as_command(e)));
		break;
	case EVENT_CLIMATE:
		if (p->clients)
			tell_all(p, message_of("climate", "reading",
			                       json_climate(&event_as_climate(e)->reading)));
		break;
	case EVENT_RIG:
		if (p->clients)
			tell_all(p,
			         message_of("panel", "panel", json_rig(&event_as_rig(e)->status)));
		break;
	case EVENT_JOB:
	case EVENT_BUTTON:
	case EVENT_MACRO:
		break;
	}
}

void push_film_gone(struct push *p, const char *id)
{
	size_t i;
	json_t *v;

	if (!p)
		return;
	json_array_foreach(p->films, i, v)
	{
		if (text_equal(json_string_value(json_object_get(v, "id")), id)) {
			json_array_remove(p->films, i);
			break;
		}
	}
	tell_all(p, json_pack("{s:s, s:s}", "type", "film_gone", "id", id));
}

void push_look(struct push *p)
{
	if (p)
		want_flush(p);
}

void push_printer_gone(struct push *p, const char *id)
{
	if (!p || !json_object_get(p->printers, id))
		return;
	json_object_del(p->printers, id);
	tell_all(p, json_pack("{s:s, s:s}", "type", "printer_gone", "id", id));
}

/* ---- room on the disk ---- */

struct reading {
	struct push *push;
	json_t *storage;
};

static int read_storage(struct db *db, void *arg, struct err *err)
{
	struct reading *r = arg;

	return storage_read(db, r->push->web, &r->storage, err);
}

static void free_push(struct push *p)
{
	json_decref(p->printers);
	json_decref(p->cameras);
	json_decref(p->films);
	json_decref(p->notices);
	json_decref(p->storage);
	free(p);
}

static void have_storage(void *arg, int rc, const struct err *err)
{
	struct reading *r = arg;
	struct push *p = r->push;
	struct web *w = p->web;

	(void)err;
	p->n_reading--;
	if (p->is_ending) {
		json_decref(r->storage);
		if (p->n_reading == 0)
			free_push(p);
	} else if (rc == 0 && !json_equal(p->storage, r->storage)) {
		json_decref(p->storage);
		p->storage = r->storage;
		tell_all(p, message_of("storage", "storage", json_incref(p->storage)));
	} else {
		json_decref(r->storage);
	}
	free(r);
	w->n_calls--;
	web_let_go(w);
}

static void want_storage(struct push *p)
{
	struct reading *r = MEM_NEW(struct reading);

	r->push = p;
	p->n_reading++;
	p->web->n_calls++;
	store_submit(p->web->env.store, read_storage, have_storage, r);
}

/* ---- clients ---- */

static void free_client(struct client *c)
{
	struct push *p = c->push;

	if (c->prev)
		c->prev->next = c->next;
	else
		p->clients = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
	if (!p->clients) {
		timer_stop(&p->heartbeat);
		timer_stop(&p->flush);
		json_object_clear(p->printers);
		json_object_clear(p->cameras);
	}
}

static void beat(void *arg)
{
	struct push *p = arg;

	for (struct client *c = p->clients, *next; c; c = next) {
		next = c->next;
		if (!auth_is_still(p->web->auth, &c->who)) {
			http_channel_end(c->channel);
			free_client(c);
		}
	}
	if (!p->clients)
		return;
	look_at_all(p);
	tell_all(p, message_of("heartbeat", "now", now_text(p)));
	if (++p->n_beats % STORAGE_EVERY == 0)
		want_storage(p);
}

static void client_writable(void *arg)
{
	struct client *c = arg;

	if (c->is_behind)
		send_snapshot(c);
}

static void client_says(void *arg, const char *text, size_t size)
{
	struct client *c = arg;
	json_t *m = json_loadb(text, size, 0, NULL);
	const char *type = json_string_value(json_object_get(m, "type"));

	/* A page that asks again while its queue is full gets one when it has read. */
	if (text_equal(type, "resync")) {
		if (http_channel_queued(c->channel) > 0)
			c->is_behind = true;
		else
			send_snapshot(c);
	} else if (text_equal(type, "ping") && !c->is_behind &&
	           http_channel_queued(c->channel) == 0) {
		struct http_bytes *tail =
			tail_of(message_of("heartbeat", "now", now_text(c->push)));

		send_to(c, tail);
		http_bytes_unref(tail);
	}
	json_decref(m);
}

static void client_gone(void *arg)
{
	free_client(arg);
}

void api_live(struct call *c)
{
	struct push *p = c->web->push;

	if (!web_is_same_origin(c)) {
		call_refuse(c, 403, "This connection comes from another site's page.");
		return;
	}
	if (!c->head->wants_websocket) {
		call_refuse(c, 400, "This address speaks WebSocket only.");
		return;
	}

	struct client *cl = MEM_NEW(struct client);
	struct http_channel_events ev = { .writable = client_writable,
		                          .message = client_says,
		                          .closed = client_gone,
		                          .arg = cl };

	cl->push = p;
	cl->who = c->who;
	cl->channel = http_reply_websocket(call_steal_request(c), &ev);
	if (!cl->channel) {
		free(cl);
		return;
	}
	if (!p->clients) {
		timer_start_every(&p->heartbeat, PUSH_HEARTBEAT_MS);
		want_storage(p);
	}
	/* The others hear what has changed until now; the new one gets it all. */
	look_at_all(p);
	cl->next = p->clients;
	if (cl->next)
		cl->next->prev = cl;
	p->clients = cl;
	send_snapshot(cl);
}

/* ---- life ---- */

static int read_newest(struct db *db, void *arg, struct err *err)
{
	struct push *p = arg;
	struct repo_page page = { .limit = PUSH_NEWEST };
	struct film *films = NULL;
	struct event_notice *notices = NULL;
	size_t n_films = 0, n_notices = 0;
	int rc = repo_film_list(db, &page, &films, &n_films, err);

	if (rc >= 0)
		rc = repo_notice_list(db, &page, &notices, &n_notices, err);
	for (size_t i = 0; rc >= 0 && i < n_films; i++)
		json_array_append_new(p->films, json_film(&films[i]));
	for (size_t i = 0; rc >= 0 && i < n_notices; i++)
		json_array_append_new(p->notices, json_notice(&notices[i]));
	free(films);
	free(notices);
	return rc;
}

struct push *push_new(struct web *w)
{
	struct push *p = MEM_NEW(struct push);
	struct err err = { 0 };

	p->web = w;
	p->printers = json_object();
	p->cameras = json_object();
	p->films = json_array();
	p->notices = json_array();
	timer_init(&p->heartbeat, w->env.loop, beat, p);
	timer_init(&p->flush, w->env.loop, flush, p);
	/* Without them the page still works; it asks for the rest by itself. */
	if (store_call(w->env.store, read_newest, p, &err) < 0)
		log_warn(&w->log, "%s", err.text);
	bus_listen(w->env.bus, &p->listener, heard, p);
	return p;
}

void push_free(struct push *p)
{
	if (!p)
		return;
	bus_unlisten(&p->listener);
	for (struct client *c = p->clients, *next; c; c = next) {
		next = c->next;
		free_client(c);
	}
	timer_stop(&p->heartbeat);
	timer_stop(&p->flush);
	p->is_ending = true;
	if (p->n_reading == 0)
		free_push(p);
}
