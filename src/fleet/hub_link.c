/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hub_link: one rig's connection: its greeting, its news, its clock. */

#include "fleet/hub_private.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "model/environment.h"
#include "model/event.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/repo_climate.h"
#include "store/repo_rig.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_US INT64_C(40000000) /* then the rig is away */
#define HELLO_US INT64_C(15000000)  /* for the greeting */
#define RIVAL_US INT64_C(4000000)   /* for the older of two to show that it lives */
#define MAX_HELLOS 2                /* a rig that has to begin another stream greets again */

/* ---- life ---- */

static void unlink_link(struct hub_link *l)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);

	if (l->prev)
		l->prev->next = l->next;
	else
		l->hub->links = l->next;
	if (l->next)
		l->next->prev = l->prev;
	if (r && r->rival == l)
		r->rival = NULL;
	if (r && r->link == l) {
		r->link = NULL;
		r->since_wall_ms = loop_wall_ms(l->hub->env.loop);
		log_info(&l->hub->log, "rig '%s' is away", r->record.name);
	}
	free(l);
}

struct hub_link *hub_link_open(struct hub *h, const struct rig_record *rig, const char *address,
                               const struct hub_wire *wire)
{
	struct hub_link *l = MEM_NEW(struct hub_link);

	*l = (struct hub_link){ .hub = h, .wire = *wire, .next = h->links };
	if (h->links)
		h->links->prev = l;
	h->links = l;
	TEXT_SET(l->rig, rig->id);
	TEXT_SET(l->address, address);
	l->serial = ++h->n_links;
	l->heard_us = hub_now_us(h);
	return l;
}

void hub_link_closed(struct hub_link *l)
{
	if (l)
		unlink_link(l);
}

void hub_link_send(struct hub_link *l, const struct rig_message *m)
{
	auto_buf struct buf out;

	buf_init(&out, 0);
	rig_message_write(m, &out);
	l->wire.text(l->wire.arg, buf_peek(&out), out.size);
}

void hub_link_bye(struct hub_link *l, bool is_for_good, const char *text)
{
	struct rig_message m = { .word = RIG_BYE, .is_on = is_for_good };
	const struct hub_wire wire = l->wire;

	TEXT_SET(m.text, text);
	hub_link_send(l, &m);
	unlink_link(l);
	wire.end(wire.arg);
}

/* The link that asked the store something; NULL: gone meanwhile. */
static struct hub_link *find_serial(const struct hub *h, unsigned serial)
{
	struct hub_link *l = h->links;

	while (l && l->serial != serial)
		l = l->next;
	return l;
}

/* ---- clocks ---- */

struct hub_clock hub_clock_best(const struct hub_rig *r)
{
	struct hub_clock best = { 0 };

	for (unsigned i = 0; i < MIN(r->n_clocks, HUB_N_CLOCKS); i++) {
		if (i == 0 || r->clocks[i].rtt_ms < best.rtt_ms)
			best = r->clocks[i];
	}
	return best;
}

/* The rig's clock stood at now_ms half-way between our question and its answer, more or less. */
static void hear_pong(struct hub_link *l, const struct rig_message *m)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);
	int64_t rtt_ms = hub_now_us(l->hub) / 1000 - m->hub_ms;

	if (!r || rtt_ms < 0)
		return;
	r->clocks[r->n_clocks % HUB_N_CLOCKS] = (struct hub_clock){
		.rtt_ms = rtt_ms,
		.offset_ms = m->now_ms - (loop_wall_ms(l->hub->env.loop) - rtt_ms / 2),
	};
	/* Only which are there matters, and where the next goes. */
	r->n_clocks = r->n_clocks + 1 < 2 * HUB_N_CLOCKS ? r->n_clocks + 1 : HUB_N_CLOCKS;
}

static void ping(struct hub_link *l)
{
	const struct rig_message m = { .word = RIG_PING, .hub_ms = hub_now_us(l->hub) / 1000 };

	hub_link_send(l, &m);
}

/* ---- greeting ---- */

struct rig_job {
	struct hub *hub;
	unsigned serial;
	char rig[ID_SIZE], stream[ID_SIZE], name[RIG_NAME_SIZE];
	char version[24];
	int64_t wall_ms, have;
	int64_t after; /* the news before these */
	struct news *news;
	size_t n, bytes;
	bool *is_fresh;
};

static struct rig_job *rig_job_new(struct hub_link *l)
{
	struct rig_job *j = MEM_NEW(struct rig_job);
	const struct hub_rig *r = hub_rig_find(l->hub, l->rig);

	l->hub->refs++;
	j->hub = l->hub;
	j->serial = l->serial;
	j->wall_ms = loop_wall_ms(l->hub->env.loop);
	TEXT_SET(j->rig, l->rig);
	TEXT_SET(j->stream, l->stream);
	TEXT_SET(j->version, l->version);
	if (r)
		TEXT_SET(j->name, r->record.name);
	return j;
}

static void rig_job_free(struct rig_job *j)
{
	news_free(j->news, j->n);
	free(j->is_fresh);
	hub_unref(j->hub);
	free(j);
}

static int run_have(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;
	int rc = repo_rig_seen(db, j->rig, j->version, j->wall_ms, err);

	return rc == 0 ? repo_rig_have(db, j->rig, j->stream, &j->have, err) : rc;
}

static void replace_link(struct hub_rig *r, struct hub_link *l)
{
	struct hub_link *old = r->link;

	r->link = NULL;
	if (old)
		hub_link_bye(old, false, "this rig has connected anew");
	r->link = l;
	r->rival = r->rival == l ? NULL : r->rival;
	r->n_clocks = 0;
	r->text[0] = '\0';
	TEXT_SET(r->address, l->address);
}

static void have_number(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct hub *h = j->hub;
	struct hub_link *l = h->is_dead ? NULL : find_serial(h, j->serial);
	struct hub_rig *r = l ? hub_rig_find(h, l->rig) : NULL;
	struct rig_message m = { .word = RIG_WELCOME, .protocol = RIG_PROTOCOL };

	if (l && rc < 0) {
		hub_link_bye(l, false, err->text);
	} else if (r && r->link && r->link != l && !text_equal(r->link->run, l->run)) {
		hub_link_bye(l, false, "another one with this rig's key was faster");
	} else if (r) {
		bool is_back = r->link == NULL;

		if (r->link != l)
			replace_link(r, l);
		l->is_greeted = true;
		l->queued = j->have;
		m.number = j->have;
		m.hub_ms = hub_now_us(h) / 1000;
		m.delays = r->record.delays;
		TEXT_SET(m.text, h->name);
		hub_link_send(l, &m);
		ping(l);
		if (is_back) {
			r->since_wall_ms = loop_wall_ms(h->env.loop);
			log_info(&h->log, "rig '%s' reports from %s", r->record.name, l->address);
		}
		hub_orders_again(h, r);
		hub_watches_again(h, r);
	}
	rig_job_free(j);
}

static void greet(struct hub_link *l)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);

	if (!r)
		return;
	TEXT_SET(r->record.version, l->version);
	r->record.last_seen_wall_ms = loop_wall_ms(l->hub->env.loop);
	store_submit(l->hub->env.store, run_have, have_number, rig_job_new(l));
}

static void hear_hello(struct hub_link *l, const struct rig_message *m)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);
	char text[RIG_TEXT_SIZE];

	if (m->protocol != RIG_PROTOCOL) {
		(void)snprintf(text, sizeof(text),
		               "it speaks version %lld of the rigs' language, this hub version %d: "
		               "bring both to the same Bedside",
		               (long long)m->protocol, RIG_PROTOCOL);
		hub_link_bye(l, true, text);
		return;
	}
	/* Each asks the store, and all orders and watches are told again. */
	if (++l->n_hellos > MAX_HELLOS) {
		hub_link_bye(l, false, "it greets again and again");
		return;
	}
	TEXT_SET(l->stream, m->stream);
	TEXT_SET(l->run, m->run);
	TEXT_SET(l->version, m->version);
	if (!r || l->is_greeted || !r->link || r->link == l) {
		greet(l);
		return;
	}
	if (text_equal(r->link->run, l->run)) {
		/* The same program: what was there before is a dead connection. */
		hub_link_bye(r->link, false, "this rig has connected anew");
		greet(l);
		return;
	}
	if (r->rival) {
		hub_link_bye(l, false, "another one with this rig's key is waiting");
		return;
	}
	/* It was started anew, or there are two of them. */
	r->rival = l;
	l->rival_us = hub_now_us(l->hub);
	ping(r->link);
	timer_start_every(&l->hub->beat, 1000);
}

static void judge_rival(struct hub *h, struct hub_rig *r)
{
	struct hub_link *l = r->rival;

	if (!l)
		return;
	if (r->link && r->link->heard_us > l->rival_us) {
		r->rival = NULL;
		(void)snprintf(r->text, sizeof(r->text),
		               "Another machine, at %.45s, uses this rig's key, too, and was sent "
		               "away: pair that one anew, under a name of its own.",
		               l->address);
		event_notice(h->env.bus, loop_wall_ms(h->env.loop), NOTICE_WARNING, "rig",
		             r->record.name, "%s: %s", r->record.name, r->text);
		hub_link_bye(
			l, true,
			"another rig uses this key and is connected; if this machine is a copy "
			"of that one, pair it anew under a name of its own");
	} else if (!r->link || hub_now_us(h) - l->rival_us > RIVAL_US) {
		if (r->link)
			hub_link_bye(r->link, false, "this rig has connected anew");
		r->rival = NULL;
		greet(l);
	}
}

void hub_link_beat(struct hub *h)
{
	bool has_rival = false;

	for (size_t i = 0; i < h->n_rigs; i++) {
		judge_rival(h, &h->rigs[i]);
		has_rival |= h->rigs[i].rival != NULL;
	}
	timer_start_every(&h->beat, has_rival ? 1000 : HUB_PING_MS / 2);
	for (struct hub_link *l = h->links, *next; l; l = next) {
		int64_t silent_us = hub_now_us(h) - l->heard_us;
		const struct hub_rig *r = hub_rig_find(h, l->rig);

		next = l->next;
		if (r && r->rival == l)
			continue;
		if (silent_us > (l->is_greeted ? SILENT_US : HELLO_US))
			hub_link_bye(l, false, "nothing was heard for too long");
		else if (l->is_greeted)
			ping(l);
	}
}

/* ---- news ---- */

/* What a person is to read is kept with our own notices, in the same transaction. */
static bool read_notice(const struct rig_job *j, const struct news *n, struct event_notice *ret)
{
	static const char *const levels[] = { "info", "warning", "alarm" };
	json_t *b = json_loads(n->body, 0, NULL);
	const char *text = json_string_value(json_object_get(b, "text"));
	const char *level = json_string_value(json_object_get(b, "level"));
	const char *topic = json_string_value(json_object_get(b, "topic"));
	bool is_good = text && id_is_valid(n->ref);

	*ret = (struct event_notice){ .wall_ms = n->at_wall_ms };
	for (size_t i = 0; i < ARRAY_LEN(levels); i++) {
		if (text_equal(level, levels[i]))
			ret->level = (enum notice_level)i;
	}
	TEXT_SET(ret->id, n->ref);
	TEXT_SET(ret->topic, topic ? topic : "rig");
	TEXT_SET(ret->subject, j->name);
	(void)snprintf(ret->text, sizeof(ret->text), "%s: %.400s", j->name, text ? text : "");
	text_clean(ret->text);
	json_decref(b);
	return is_good;
}

/* A place of a rig is one of ours, under the rig's name. */
static bool read_climate(const struct rig_job *j, const struct news *n, struct climate_reading *ret)
{
	json_t *b = json_loads(n->body, 0, NULL);
	const char *location = json_string_value(json_object_get(b, "location"));
	const json_t *temp = json_object_get(b, "temperature_c");
	const json_t *humidity = json_object_get(b, "humidity_pct");
	bool is_good = location && *location;

	*ret = (struct climate_reading){
		.at_wall_ms = n->at_wall_ms,
		.temp_c = json_is_number(temp) ? json_number_value(temp) : (double)NAN,
		.humidity_percent =
			json_is_number(humidity) ? json_number_value(humidity) : (double)NAN,
	};
	(void)snprintf(ret->location, sizeof(ret->location), "%.24s: %.36s", j->name,
	               location ? location : "");
	text_clean(ret->location);
	(void)snprintf(ret->source, sizeof(ret->source), "rig %.48s", j->name);
	json_decref(b);
	return is_good && climate_check(ret, NULL) == 0;
}

static int keep_one(struct db *db, const struct rig_job *j, const struct news *n, struct err *err)
{
	struct climate_reading reading;
	struct event_notice notice;

	if (text_equal(n->kind, "notice") && read_notice(j, n, &notice))
		return repo_notice_save(db, &notice, err);
	if (text_equal(n->kind, "climate") && read_climate(j, n, &reading))
		return repo_climate_add(db, &reading, err);
	return 0;
}

static int run_commit(struct db *db, void *arg, struct err *err)
{
	struct rig_job *j = arg;
	const struct repo_rig_batch b = { .rig = j->rig,
		                          .stream = j->stream,
		                          .after = j->after,
		                          .news = j->news,
		                          .n = j->n,
		                          .heard_wall_ms = j->wall_ms,
		                          .is_fresh = j->is_fresh };
	int rc = repo_rig_commit(db, &b, err);

	for (size_t i = 0; rc >= 0 && i < j->n; i++) {
		if (j->is_fresh[i])
			rc = keep_one(db, j, &j->news[i], err);
	}
	return rc < 0 ? rc : 0;
}

static void tell_notice(const struct rig_job *j, const struct news *n)
{
	struct event_notice *e = event_new_notice(n->at_wall_ms);
	const struct bus_event head = e->head;
	bool is_good = read_notice(j, n, e);

	e->head = head;
	if (is_good)
		bus_publish(j->hub->env.bus, &e->head);
	else
		bus_event_unref(&e->head);
}

static void tell_one(const struct rig_job *j, const struct news *n)
{
	struct hub *h = j->hub;
	struct climate_reading reading;

	if (text_equal(n->kind, "order"))
		hub_order_told(h, n->ref, n->body);
	else if (text_equal(n->kind, "notice"))
		tell_notice(j, n);
	else if (text_equal(n->kind, "climate") && h->env.climate && read_climate(j, n, &reading))
		h->env.climate(h->env.arg, &reading);
}

static void tell_news(struct rig_job *j)
{
	struct hub_rig *r = hub_rig_find(j->hub, j->rig);

	for (size_t i = 0; i < j->n; i++) {
		if (!j->is_fresh[i])
			continue;
		if (r)
			r->record.n_news++;
		tell_one(j, &j->news[i]);
	}
	if (r)
		r->record.last_seen_wall_ms = j->wall_ms;
}

static void committed(void *arg, int rc, const struct err *err)
{
	struct rig_job *j = arg;
	struct hub *h = j->hub;
	struct hub_link *l = h->is_dead ? NULL : find_serial(h, j->serial);

	if (l)
		l->pending -= j->bytes;
	if (rc == 0 && !h->is_dead)
		tell_news(j);
	if (l && rc == 0 && j->n > 0) {
		const struct rig_message m = { .word = RIG_ACK,
			                       .number = j->news[j->n - 1].number };

		hub_link_send(l, &m);
	} else if (l && rc == -ESTALE) {
		hub_link_bye(l, true, "this rig's key was revoked: pair again if that is wrong");
	} else if (rc < 0 && !h->is_dead) {
		log_warn(&h->log, "news of rig '%s' are not kept: %s", j->name, err->text);
		if (l)
			hub_link_bye(l, false, "it cannot keep the news now");
	}
	rig_job_free(j);
}

static void hear_news(struct hub_link *l, struct rig_message *m, size_t size)
{
	struct rig_job *j;

	if (m->n_news == 0)
		return;
	if (!text_equal(m->stream, l->stream) || l->pending + size > HUB_MAX_PENDING) {
		hub_link_bye(l, false, "its news do not fit what it greeted with");
		return;
	}
	j = rig_job_new(l);
	j->news = STEAL_PTR(m->news);
	j->n = m->n_news;
	m->n_news = 0;
	j->is_fresh = mem_new_array(j->n, sizeof(*j->is_fresh));
	j->bytes = size;
	j->after = l->queued;
	l->queued = j->news[j->n - 1].number;
	l->pending += size;
	store_submit(l->hub->env.store, run_commit, committed, j);
}

/* ---- what it says ---- */

static void hear_state(struct hub_link *l, const struct rig_message *m)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);

	if (!r)
		return;
	json_decref(r->state);
	r->state = json_incref((json_t *)(uintptr_t)m->body);
	r->record.last_seen_wall_ms = loop_wall_ms(l->hub->env.loop);
}

void hub_link_text(struct hub_link *l, const char *text, size_t size)
{
	struct rig_message m;
	struct err err = { 0 };

	l->heard_us = hub_now_us(l->hub);
	if (rig_message_read(text, size, &m, &err) < 0 || m.word > RIG_PONG ||
	    (m.word != RIG_HELLO && !l->is_greeted)) {
		rig_message_fini(&m);
		hub_link_bye(l, false, err.text[0] ? err.text : "it says what no rig says now");
		return;
	}
	switch (m.word) {
	case RIG_HELLO:
		hear_hello(l, &m);
		break;
	case RIG_STATE:
		hear_state(l, &m);
		break;
	case RIG_NEWS:
		hear_news(l, &m, size);
		break;
	case RIG_PONG:
		hear_pong(l, &m);
		break;
	default:
		break;
	}
	rig_message_fini(&m);
}

void hub_link_picture(struct hub_link *l, const uint8_t *bytes, size_t size)
{
	struct hub_rig *r = hub_rig_find(l->hub, l->rig);
	struct rig_picture p;
	struct err err = { 0 };

	l->heard_us = hub_now_us(l->hub);
	if (!l->is_greeted || rig_picture_read(bytes, size, &p, &err) < 0)
		hub_link_bye(l, false, "its picture is none");
	else if (r && r->link == l)
		hub_picture_came(l->hub, r, &p);
}
