/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rigs: what people see of them and do with them, and the door that rigs come by. */

#include "web/handlers.h"
#include "web/rigs.h"
#include "web/socketio.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "fleet/hub.h"
#include "fleet/rig.h"
#include "fleet/rig_message.h"
#include "model/json.h"
#include "store/repo_rig.h"
#include "store/store.h"
#include "web/auth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NEWS_LIMIT 100
#define MAX_QUEUED ((size_t)1 << 20) /* bytes for a rig that it has not taken */

void rig_door_fini(struct rig_door *d)
{
	limit_fini(&d->codes);
	limit_fini(&d->keys);
	limit_cap_fini(&d->all);
}

static struct hub *hub_of(struct call *c)
{
	struct hub *h = c->web->env.hub;

	if (!h)
		call_refuse(c, 503, "Rigs cannot report here.");
	return h;
}

/* The hub, if the route's {id} is one of its rigs; else it is refused already. */
static struct hub *hub_with_rig(struct call *c)
{
	struct hub *h = hub_of(c);

	if (h && !hub_find(h, c->params[0])) {
		call_refuse(c, 404, "There is no rig of this id.");
		return NULL;
	}
	return h;
}

/* ---- looking ---- */

void api_rigs(struct call *c)
{
	json_t *list = json_array();
	const struct rig_record *r;
	struct hub *h = c->web->env.hub;

	for (size_t i = 0; h && (r = hub_at(h, i)); i++)
		json_array_append_new(list, hub_rig_json(h, r->id, true));
	socketio_list(c->web->socketio, list);
	call_json(c, 200,
	          json_pack("{s:o, s:o}", "rigs", list, "hub",
	                    c->web->env.rig ? rig_json(c->web->env.rig) : json_null()));
}

void api_rig(struct call *c)
{
	json_t *other = socketio_rig(c->web->socketio, c->params[0]);
	struct hub *h = other ? NULL : hub_with_rig(c);

	if (other)
		call_json(c, 200, other);
	if (h)
		call_json(c, 200, hub_rig_json(h, c->params[0], true));
}

void api_rig_picture(struct call *c)
{
	struct http_reply reply = { .status = 200, .type = "image/jpeg", .n_headers = 1 };
	int64_t at_wall_ms = 0;
	struct http_bytes *jpeg = socketio_picture(c->web->socketio, c->params[0], &at_wall_ms);
	struct hub *h = jpeg ? NULL : hub_with_rig(c);
	char at[WHEN_TEXT_SIZE];

	if (!jpeg && !h)
		return;
	if (h)
		jpeg = hub_preview(h, c->params[0], c->params[1], &at_wall_ms);
	if (!jpeg) {
		call_refuse(c, 404, "No picture of this camera came yet.");
		return;
	}
	reply.headers[0] = (struct http_header){ "X-Captured-At", when_iso(at, at_wall_ms) };
	call_bytes(c, &reply, jpeg);
}

struct reading {
	struct call *call;
	char rig[64], kind[REPO_NEWS_KIND_SIZE];
	int64_t before;
	unsigned limit;
	struct rig_news *list;
	size_t n;
};

static int read_news(struct db *db, void *arg, struct err *err)
{
	struct reading *r = arg;

	return repo_rig_news(db, &(struct rig_news_page){ r->rig, r->kind, r->before, r->limit },
	                     &r->list, &r->n, err);
}

static void have_news(void *arg, int rc, const struct err *err)
{
	struct reading *r = arg;
	json_t *list = json_array();

	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		const struct news *n = &r->list[i].news;
		json_t *body = json_loads(n->body, 0, NULL);

		json_array_append_new(list, json_pack("{s:I, s:o, s:o, s:o, s:o, s:o}", "place",
		                                      (json_int_t)n->number, "kind",
		                                      json_text(n->kind), "ref", json_text(n->ref),
		                                      "at", json_time(n->at_wall_ms), "heard_at",
		                                      json_time(r->list[i].heard_wall_ms), "body",
		                                      body ? body : json_null()));
	}
	if (rc == 0) {
		call_json(r->call, 200, json_pack("{s:o}", "news", list));
	} else {
		json_decref(list);
		call_refuse_err(r->call, rc, err);
	}
	rig_news_free(r->list, r->n);
	free(r);
}

void api_rig_news(struct call *c)
{
	struct reading *r;

	if (!hub_with_rig(c))
		return;
	r = MEM_NEW(struct reading);
	r->call = c;
	TEXT_SET(r->rig, c->params[0]);
	(void)call_query(c, "kind", r->kind, sizeof(r->kind));
	r->before = call_query_int(c, "before", 0);
	r->limit = (unsigned)call_query_int(c, "limit", NEWS_LIMIT);
	store_submit(c->web->env.store, read_news, have_news, r);
}

/* ---- changing ---- */

void api_rig_code(struct call *c)
{
	struct hub *h = hub_of(c);
	char code[HUB_CODE_SIZE];
	struct err err = { 0 };

	if (!h)
		return;
	if (hub_code_make(h, c->who.user.name, code, &err) < 0) {
		call_refuse(c, 409, "%s.", err.text);
		return;
	}
	web_audit(c, "rig", "", "made a pairing code");
	call_json(c, 201,
	          json_pack("{s:s, s:o}", "code", code, "expires_at",
	                    json_time(loop_wall_ms(c->web->env.loop) + HUB_CODE_MS)));
}

static void is_changed(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                       const char *key)
{
	struct call *c = arg;

	(void)key;
	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "rig", rig->name, "changed");
	call_json(c, 200, hub_rig_json(c->web->env.hub, rig->id, true));
}

/* Seconds of the body; null or 0: as the rig is configured. */
static int64_t delay_of(const struct call *c, const char *name)
{
	if (!json_object_get(c->body, name))
		return HUB_STAYS;
	return (int64_t)(call_number(c, name, 0) * 1000 + 0.5);
}

/* It is a rig of the original program. */
static bool is_socketio(const struct call *c)
{
	json_t *j = socketio_rig(c->web->socketio, c->params[0]);

	json_decref(j);
	return j != NULL;
}

void api_rig_change(struct call *c)
{
	if (is_socketio(c)) {
		socketio_set_delays(c->web->socketio, c->body);
		web_audit(c, "rig", c->params[0], "changed");
		call_json(c, 200, socketio_rig(c->web->socketio, c->params[0]));
		return;
	}

	struct hub *h = hub_with_rig(c);
	struct rig_delays d;

	if (!h)
		return;
	d.status_ms = delay_of(c, "status_delay_s");
	d.climate_ms = delay_of(c, "climate_delay_s");
	d.image_ms = delay_of(c, "image_delay_s");
	hub_change(h, c->params[0], call_text(c, "name", NULL), &d, is_changed, c);
}

static void is_revoked(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                       const char *key)
{
	struct call *c = arg;

	(void)key;
	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "rig", rig->name, "revoked its key");
	call_done(c);
}

void api_rig_revoke(struct call *c)
{
	struct hub *h = hub_with_rig(c);

	if (h)
		hub_revoke(h, c->params[0], is_revoked, c);
}

static void is_ordered(void *arg, int rc, const char *text)
{
	struct call *c = arg;
	const struct rig_record *rig =
		c->web->env.hub ? hub_find(c->web->env.hub, c->params[0]) : NULL;

	web_audit(c, "rig order", rig ? rig->name : "", "%s %s%s: %s%s%s", call_text(c, "what", ""),
	          call_text(c, "order", ""), call_text(c, "command", ""),
	          rc == 0 ? "done" : "not done", *text ? ", " : "", text);
	call_json(c, 200,
	          json_pack("{s:s, s:o}", "answer",
	                    rc == 0            ? "done"
	                    : rc == -ETIMEDOUT ? "timed_out"
	                    : rc == -ENOTCONN  ? "away"
	                                       : "refused",
	                    "reason", json_text(text)));
}

void api_rig_order(struct call *c)
{
	bool is_other = is_socketio(c);
	struct hub *h = is_other ? NULL : hub_with_rig(c);
	const char *what, *needed;

	if (!h && !is_other)
		return;
	what = call_text(c, "what", "");
	needed = strcmp(what, "printer") == 0 ? "command" : "order";
	if (!call_text(c, needed, "")[0]) {
		call_refuse_field(c, needed, "%s is missing: what: %s needs it.", needed, what);
		return;
	}
	if (is_other)
		socketio_order(c->web->socketio, c->params[0], c->body, is_ordered, c);
	else
		hub_order(h, c->params[0],
		          &(struct hub_ask){ what, call_text(c, "printer", ""), c->body },
		          is_ordered, c);
}

/* ---- the door ---- */

static void is_paired(void *arg, int rc, const struct err *err, const struct rig_record *rig,
                      const char *key)
{
	struct call *c = arg;
	struct web *w = c->web;
	char place[64];

	limit_address_key(place, c->address);
	if (rc == -EACCES) {
		limit_cap_count(&w->rig_door.all, "", loop_now_us(w->env.loop));
		web_audit(c, "rig", "", "a wrong pairing code");
		call_refuse(c, 403, "%s", err->text);
		return;
	}
	limit_forgive(&w->rig_door.codes, place, *(const int64_t *)c->data);
	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "rig", rig->name, "paired, by a code that %s made", rig->made_by);
	call_json(c, 201,
	          json_pack("{s:s, s:o, s:s}", "id", rig->id, "name", json_text(rig->name), "key",
	                    key));
}

void api_rig_pair(struct call *c)
{
	struct hub *h = hub_of(c);
	struct rig_door *d;
	int64_t now_us, wait_s;
	char place[64];

	if (!h)
		return;
	d = &c->web->rig_door;
	now_us = loop_now_us(c->web->env.loop);
	limit_address_key(place, c->address);
	wait_s = MAX(limit_wait_s(&d->codes, place, now_us), limit_cap_wait_s(&d->all, "", now_us));
	if (wait_s > 0) {
		call_too_many(c, wait_s, "Too many wrong pairing codes; wait a little.");
		return;
	}
	/* Before it is judged: many that come at once are many tries. */
	limit_count(&d->codes, place, now_us);
	c->data = mem_dup(&now_us, sizeof(now_us));
	hub_pair(h, call_text(c, "code", ""), call_text(c, "name", ""), is_paired, c);
}

/* One rig's connection. */
struct wire {
	struct http_channel *channel;
	struct hub_link *link; /* NULL: over, for the hub */
};

static void wire_text(void *arg, const char *text, size_t size)
{
	const struct wire *w = arg;
	struct http_bytes *b;

	/* A rig that speaks and does not listen gets no more: it comes anew, and is told what counts. */
	if (!w->channel || http_channel_queued(w->channel) > MAX_QUEUED)
		return;
	b = http_bytes_new(text, size);
	http_channel_send_text(w->channel, "", 0, b);
	http_bytes_unref(b);
}

static void wire_end(void *arg)
{
	struct wire *w = arg;

	http_channel_end(w->channel);
	free(w);
}

static void rig_says(void *arg, const char *text, size_t size)
{
	hub_link_text(((struct wire *)arg)->link, text, size);
}

static void rig_shows(void *arg, const uint8_t *bytes, size_t size)
{
	hub_link_picture(((struct wire *)arg)->link, bytes, size);
}

static void rig_is_gone(void *arg)
{
	struct wire *w = arg;

	hub_link_closed(w->link);
	free(w);
}

static void connect_rig(struct call *c, struct hub *h, const struct rig_record *rig)
{
	struct wire *w = MEM_NEW(struct wire);
	const struct hub_wire wire = { .text = wire_text, .end = wire_end, .arg = w };
	const struct http_channel_events ev = { .message = rig_says,
		                                .binary = rig_shows,
		                                .max_message = RIG_MAX_PICTURE,
		                                .closed = rig_is_gone,
		                                .arg = w };
	char address[46];

	TEXT_SET(address, c->address);
	w->channel = http_reply_websocket(call_steal_request(c), &ev);
	if (w->channel)
		w->link = hub_link_open(h, rig, address, &wire);
	else
		free(w);
}

/* The rig whose key is shown; NULL: refused. */
static const struct rig_record *pass_key(struct call *c, const struct hub *h)
{
	const char *shown = http_header(c->head, "Authorization");
	struct rig_door *d = &c->web->rig_door;
	int64_t now_us = loop_now_us(c->web->env.loop), wait_s;
	const struct rig_record *rig;
	char place[64];

	limit_address_key(place, c->address);
	rig = shown && strncasecmp(shown, "Bearer ", 7) == 0 ? hub_find_key(h, shown + 7) : NULL;
	if (rig)
		return rig;
	wait_s = limit_wait_s(&d->keys, place, now_us);
	if (wait_s > 0) {
		call_too_many(c, wait_s, "Too many wrong keys; wait a little.");
		return NULL;
	}
	limit_count(&d->keys, place, now_us);
	call_refuse(c, 401, "This is no rig's key (any more): pair the rig again.");
	return NULL;
}

void api_rig_link(struct call *c)
{
	struct hub *h = hub_of(c);
	const struct rig_record *rig = h ? pass_key(c, h) : NULL;

	if (!rig)
		return;
	if (c->head->wants_websocket)
		connect_rig(c, h, rig);
	else
		call_refuse(c, 400, "This address speaks WebSocket only.");
}
