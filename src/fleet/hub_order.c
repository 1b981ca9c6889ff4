/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hub_order: what the hub asks of its rigs: orders, and pictures. */

#include "fleet/hub_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "media/jpeg_scan.h"
#include "model/json.h"
#include "wire/http_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- orders ---- */

static void send_order(struct hub *h, struct hub_link *l, const struct hub_order *o)
{
	struct rig_message m = { .word = RIG_ORDER, .hub_ms = hub_now_us(h) / 1000 };

	/* What is left of its time: for the rig it is too late after that. */
	m.limit_ms = MAX((o->until_us - hub_now_us(h)) / 1000, INT64_C(1));
	TEXT_SET(m.id, o->id);
	TEXT_SET(m.what, o->what);
	TEXT_SET(m.subject, o->subject);
	m.body = o->body;
	hub_link_send(l, &m);
}

/* Takes it out of the list and answers. */
static void answer(struct hub *h, struct hub_order **at, int rc, const char *text)
{
	struct hub_order *o = *at;

	*at = o->next;
	h->n_orders--;
	o->done(o->arg, rc, text);
	json_decref(o->body);
	free(o);
}

static struct hub_order *order_new(struct hub *h, hub_answered *done, void *arg)
{
	struct hub_order *o = MEM_NEW(struct hub_order);

	*o = (struct hub_order){ .next = h->orders, .done = done, .arg = arg };
	h->orders = o;
	h->n_orders++;
	(void)id_new(o->id, loop_wall_ms(h->env.loop));
	timer_start(&h->order_timer, 0);
	return o;
}

void hub_order(struct hub *h, const char *id, const struct hub_ask *ask, hub_answered *done,
               void *arg)
{
	struct hub_rig *r = hub_rig_find(h, id);
	struct hub_order *o = order_new(h, done, arg);

	TEXT_SET(o->rig, id);
	TEXT_SET(o->what, ask->what);
	TEXT_SET(o->subject, ask->subject);
	o->body = json_incref((json_t *)(uintptr_t)ask->body);
	/* An order that waits for a rig would be carried out when nobody thinks of it any more. */
	if (!r || !r->link || h->n_orders > HUB_MAX_ORDERS)
		return;
	o->until_us = hub_now_us(h) + HUB_ORDER_MS * INT64_C(1000);
	send_order(h, r->link, o);
}

/* On the next turn, then while orders wait. */
void hub_orders_look(void *arg)
{
	struct hub *h = arg;

	for (struct hub_order **at = &h->orders; *at;) {
		const struct hub_order *o = *at;

		if (o->until_us == 0)
			answer(h, at, -ENOTCONN,
			       "The rig is away: it takes orders only while it is connected.");
		else if (o->until_us <= hub_now_us(h))
			answer(h, at, -ETIMEDOUT,
			       "The rig has not answered in time. If it still does, what it did "
			       "is among its news.");
		else
			at = &(*at)->next;
	}
	if (h->orders)
		timer_start(&h->order_timer, 1000);
}

/* The link was cut: the rig knows whether it had them already. */
void hub_orders_again(struct hub *h, const struct hub_rig *r)
{
	for (const struct hub_order *o = h->orders; o; o = o->next) {
		if (o->until_us > 0 && text_equal(o->rig, r->record.id))
			send_order(h, r->link, o);
	}
}

void hub_order_told(struct hub *h, const char *id, const char *body)
{
	struct hub_order **at = &h->orders;
	json_t *b;
	const char *text;

	while (*at && !text_equal((*at)->id, id))
		at = &(*at)->next;
	if (!*at)
		return;
	b = json_loads(body, 0, NULL);
	text = json_string_value(json_object_get(b, "text"));
	answer(h, at, json_is_true(json_object_get(b, "is_ok")) ? 0 : -EPERM, text ? text : "");
	json_decref(b);
}

void hub_orders_end(struct hub *h, const char *rig, int rc, const char *text)
{
	for (struct hub_order **at = &h->orders; *at;) {
		if (!rig || text_equal((*at)->rig, rig))
			answer(h, at, rc, text);
		else
			at = &(*at)->next;
	}
}

/* ---- pictures ---- */

static bool is_watched(const struct hub *h, const char *rig, const char *camera)
{
	for (const struct hub_watcher *w = h->watchers; w; w = w->next) {
		if (text_equal(w->rig, rig) && text_equal(w->camera, camera))
			return true;
	}
	return false;
}

static void say(struct hub *h, const char *rig, enum rig_word word, const char *camera, bool is_on)
{
	struct hub_rig *r = hub_rig_find(h, rig);
	struct rig_message m = { .word = word, .is_on = is_on };

	TEXT_SET(m.subject, camera);
	if (r && r->link)
		hub_link_send(r->link, &m);
}

void hub_watch(struct hub *h, struct hub_watcher *w)
{
	bool is_first = !is_watched(h, w->rig, w->camera);

	w->hub = h;
	w->prev = NULL;
	w->next = h->watchers;
	if (w->next)
		w->next->prev = w;
	h->watchers = w;
	if (is_first)
		say(h, w->rig, RIG_WATCH, w->camera, true);
}

void hub_unwatch(struct hub_watcher *w)
{
	struct hub *h = w->hub;

	if (!h)
		return;
	if (w->prev)
		w->prev->next = w->next;
	else
		h->watchers = w->next;
	if (w->next)
		w->next->prev = w->prev;
	w->hub = NULL;
	if (!is_watched(h, w->rig, w->camera))
		say(h, w->rig, RIG_WATCH, w->camera, false);
}

void hub_watches_again(struct hub *h, const struct hub_rig *r)
{
	for (const struct hub_watcher *w = h->watchers; w; w = w->next) {
		if (text_equal(w->rig, r->record.id))
			say(h, w->rig, RIG_WATCH, w->camera, true);
	}
}

static struct hub_shown *shown_of(struct hub_rig *r, const char *camera)
{
	for (unsigned i = 0; i < r->n_shown; i++) {
		if (text_equal(r->shown[i].camera, camera))
			return &r->shown[i];
	}
	if (r->n_shown == HUB_MAX_CAMERAS)
		return NULL;
	TEXT_SET(r->shown[r->n_shown].camera, camera);
	return &r->shown[r->n_shown++];
}

void hub_picture_came(struct hub *h, struct hub_rig *r, const struct rig_picture *p)
{
	struct jpeg_info info;
	struct hub_shown *s;

	/* Browsers get it: nothing but a picture is passed on as one. */
	if (jpeg_scan(p->jpeg, p->size, &info, NULL) < 0)
		return;
	s = shown_of(r, p->camera);
	if (!s)
		return;
	http_bytes_unref(s->jpeg);
	s->jpeg = http_bytes_new(p->jpeg, p->size);
	s->at_wall_ms = p->at_wall_ms;
	if (!p->is_live)
		return;
	/* The next one may come. */
	say(h, r->record.id, RIG_SEEN, p->camera, true);
	for (struct hub_watcher *w = h->watchers, *next; w; w = next) {
		next = w->next;
		if (text_equal(w->rig, r->record.id) && text_equal(w->camera, p->camera))
			w->picture(w->arg, p->jpeg, p->size, p->at_wall_ms);
	}
}
