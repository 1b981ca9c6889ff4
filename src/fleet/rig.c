/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/rig.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "fleet/rig_private.h"
#include "model/event.h"
#include "model/json.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 60000
#define REFUSED_MS 300000
#define UNTRUSTED_MS 30000 /* the clock of a Pi is right a little after its start */
#define GREET_MS 60000
#define WAKE_MS 100
#define AWAY_MS 10000
#define POLL_MS 2000       /* the records are written a little after their events */
#define PICTURE_QUEUE 4096 /* bytes that may wait when a picture is sent */

const char *rig_link_name(enum rig_link l)
{
	static const char *const names[] = {
		[RIG_LINK_OFF] = "off",         [RIG_LINK_CONNECTING] = "connecting",
		[RIG_LINK_ONLINE] = "online",   [RIG_LINK_WAITING] = "waiting",
		[RIG_LINK_REFUSED] = "refused",
	};

	return names[l];
}

void rig_config_copy(struct rig_config *dst, const struct rig_config *src)
{
	const struct secret key = src->key;

	*dst = *src;
	dst->key = (struct secret){ 0 };
	secret_set(&dst->key, secret_peek(&key));
}

void rig_config_fini(struct rig_config *c)
{
	secret_fini(&c->key);
	*c = (struct rig_config){ 0 };
}

/* ---- sending ---- */

void rig_send(struct rig *r, const struct rig_message *m)
{
	auto_buf struct buf out;

	buf_init(&out, 0);
	rig_message_write(m, &out);
	if (r->ws)
		(void)ws_client_send(r->ws, buf_peek(&out), out.size);
}

static void send_state(struct rig *r)
{
	struct rig_message m = { .word = RIG_STATE };
	char *text;
	json_t *state;

	if (!r->ws || !r->is_greeted)
		return;
	state = r->env.house.state(r->env.house.arg);
	text = json_dumps(state, JSON_COMPACT | JSON_SHORT_REALS);
	if (text && !text_equal(text, r->told_state)) {
		m.body = state;
		rig_send(r, &m);
		free(r->told_state);
		r->told_state = STEAL_PTR(text);
	}
	free(text);
	json_decref(state);
}

bool rig_picture(struct rig *r, const char *camera, const uint8_t *jpeg, size_t size,
                 int64_t at_wall_ms, bool is_live)
{
	struct rig_picture p = { .at_wall_ms = at_wall_ms, .is_live = is_live };
	auto_buf struct buf out;

	/* Never between the news and the hub: what is old when it comes is not sent at all. */
	if (!r->ws || !r->is_greeted || ws_client_queued(r->ws) > PICTURE_QUEUE)
		return false;
	TEXT_SET(p.camera, camera);
	buf_init(&out, RIG_MAX_PICTURE);
	rig_picture_write_head(&p, &out);
	buf_add(&out, jpeg, size);
	return !out.overflown && ws_client_send_binary(r->ws, out.data, out.size);
}

/* ---- the end of a connection ---- */

static void set_link(struct rig *r, enum rig_link link)
{
	if (r->link != link)
		r->since_wall_ms = loop_wall_ms(r->env.loop);
	r->link = link;
}

static void drop(struct rig *r)
{
	ws_client_free(STEAL_PTR(r->ws));
	r->generation++;
	r->is_greeted = false;
	rig_forget_batches(r);
	timer_stop(&r->greeting);
	timer_stop(&r->state);
	timer_stop(&r->image);
	free(STEAL_PTR(r->told_state));
	r->env.house.watch(r->env.house.arg, "", false);
}

void rig_lose(struct rig *r, bool is_final, const char *fmt, ...)
{
	int64_t wait_ms = RETRY_MIN_MS << MIN(r->n_failures, 6u);
	uint16_t chance;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(r->text, sizeof(r->text), fmt, ap);
	va_end(ap);
	text_clean(r->text);
	drop(r);
	r->n_failures++;
	crypto_random(&chance, sizeof(chance));
	/* Not all rigs at once when their hub is back. */
	wait_ms = MIN(wait_ms, RETRY_MAX_MS) * (768 + chance % 512) / 1024;
	set_link(r, is_final ? RIG_LINK_REFUSED : RIG_LINK_WAITING);
	if ((is_final || r->n_failures == 1) && r->logged != fmt) {
		log_warn(&r->log, "%s", r->text);
		r->logged = fmt;
	}
	timer_start(&r->retry, is_final ? REFUSED_MS : wait_ms);
}

static void lose_untrusted(struct rig *r, const struct tls_leaf *leaf)
{
	char hex[65];

	text_hex(hex, leaf->sha256, sizeof(leaf->sha256));
	rig_lose(r, true, "%s. To pin it, pair again with --trust sha256:%s", leaf->reason, hex);
	timer_start(&r->retry, UNTRUSTED_MS);
}

static void on_closed(void *arg, enum ws_end end, const struct err *why)
{
	struct rig *r = arg;
	int status = ws_client_status(r->ws);
	struct tls_leaf leaf;

	if (end == WS_END_UNREACHABLE && !r->env.connect &&
	    tls_stream_peer_leaf(ws_client_stream(r->ws), &leaf) && !leaf.is_trusted)
		lose_untrusted(r, &leaf);
	else if (end == WS_END_REFUSED && (status == 401 || status == 403))
		rig_lose(r, true,
		         "the hub does not know this rig's key (any more): make a new pairing code "
		         "there, and pair again with 'bedside rig pair'");
	else if (end == WS_END_REFUSED && ws_client_redirect(r->ws)[0])
		rig_lose(r, true, "the hub's address leads to %.200s: pair with that one",
		         ws_client_redirect(r->ws));
	else if (end == WS_END_REFUSED)
		rig_lose(r, false,
		         "the hub's door does not open: %.200s. Is it a Bedside, and does a proxy "
		         "in "
		         "front of it pass WebSockets on?",
		         why->text);
	else
		rig_lose(r, false, "%s", why->text);
}

/* ---- what the hub says ---- */

static void hear_clock(struct rig *r, int64_t hub_ms)
{
	int64_t diff_ms = loop_now_us(r->env.loop) / 1000 - hub_ms;

	r->floor_ms = MIN(r->floor_ms, diff_ms);
}

static void apply_delays(struct rig *r, const struct rig_delays *d)
{
	const struct rig_delays *own = &r->config.delays;

	r->delays = (struct rig_delays){
		.status_ms = d->status_ms ? MAX(d->status_ms, RIG_MIN_DELAY_MS) : own->status_ms,
		.climate_ms =
			d->climate_ms ? MAX(d->climate_ms, RIG_MIN_DELAY_MS) : own->climate_ms,
		.image_ms = d->image_ms ? MAX(d->image_ms, RIG_MIN_DELAY_MS) : own->image_ms,
	};
	rig_set_climate_delay(r, r->delays.climate_ms);
	if (!r->is_greeted)
		return;
	timer_start_every(&r->state, r->delays.status_ms);
	timer_start_every(&r->image, r->delays.image_ms);
}

static void hear_welcome(struct rig *r, const struct rig_message *m)
{
	if (m->protocol != RIG_PROTOCOL) {
		rig_lose(r, true,
		         "the hub speaks version %lld of the rigs' language, this rig version %d: "
		         "bring both to the same Bedside",
		         (long long)m->protocol, RIG_PROTOCOL);
		return;
	}
	TEXT_SET(r->hub, m->text);
	r->is_greeted = true;
	rig_welcomed(r, m->number);
	if (!r->is_greeted)
		return;
	timer_stop(&r->greeting);
	r->n_failures = 0;
	r->text[0] = '\0';
	r->logged = NULL;
	set_link(r, RIG_LINK_ONLINE);
	log_info(&r->log, "reports to the hub '%s'", r->hub);
	apply_delays(r, &m->delays);
	send_state(r);
	r->env.house.glance(r->env.house.arg);
}

static void hear_order(struct rig *r, const struct rig_message *m)
{
	/* How much later than the fastest message this one came: no clock needs to be right. */
	int64_t late_ms = loop_now_us(r->env.loop) / 1000 - m->hub_ms - r->floor_ms;

	if (m->limit_ms > 0 && late_ms > m->limit_ms)
		rig_ordered(r, m->id, false, "the order came too late and was left alone");
	else
		rig_take_order(r, m);
}

static void hear_ping(struct rig *r, const struct rig_message *m)
{
	const struct rig_message pong = { .word = RIG_PONG,
		                          .hub_ms = m->hub_ms,
		                          .now_ms = loop_wall_ms(r->env.loop) };

	rig_send(r, &pong);
}

static void hear(struct rig *r, const struct rig_message *m)
{
	switch (m->word) {
	case RIG_WELCOME:
		hear_clock(r, m->hub_ms);
		hear_welcome(r, m);
		break;
	case RIG_ACK:
		rig_acked(r, m->number);
		break;
	case RIG_PING:
		hear_clock(r, m->hub_ms);
		hear_ping(r, m);
		break;
	case RIG_ORDER:
		hear_clock(r, m->hub_ms);
		hear_order(r, m);
		break;
	case RIG_DELAYS:
		apply_delays(r, &m->delays);
		send_state(r);
		r->env.house.glance(r->env.house.arg);
		break;
	case RIG_WATCH:
		r->env.house.watch(r->env.house.arg, m->subject, m->is_on);
		break;
	case RIG_BYE:
		rig_lose(r, m->is_on, "the hub says: %s", m->text);
		break;
	case RIG_SEEN:
		r->env.house.seen(r->env.house.arg, m->subject);
		break;
	case RIG_HELLO:
	case RIG_STATE:
	case RIG_NEWS:
	case RIG_PONG:
		break;
	}
}

static void on_message(void *arg, const char *text, size_t size)
{
	struct rig *r = arg;
	struct rig_message m;
	struct err err = { 0 };

	if (!r->ws)
		return;
	if (rig_message_read(text, size, &m, &err) < 0)
		rig_lose(r, false, "the hub: %s", err.text);
	else if (r->is_greeted || m.word == RIG_WELCOME || m.word == RIG_BYE)
		hear(r, &m);
	rig_message_fini(&m);
}

static void on_opened(void *arg)
{
	struct rig *r = arg;

	timer_start(&r->greeting, GREET_MS);
	rig_greet(r);
}

static void is_not_greeted(void *arg)
{
	rig_lose(arg, false,
	         "something opens a WebSocket at the hub's address, but does not greet as a hub "
	         "does: "
	         "is it a Bedside, and this its address?");
}

/* ---- connecting ---- */

static struct stream *connect_stream(struct rig *r, const struct url *u)
{
	bool is_https = strcmp(u->scheme, "https") == 0;
	uint16_t port = u->port ? u->port : is_https ? 443 : 80;
	const struct trust *t = &r->config.trust;
	struct tls_client tls = { .expected_host = u->host, .sni = u->host };
	uint8_t numeric;

	if (r->env.connect)
		return r->env.connect(r->env.connect_arg);
	if (!is_https)
		return tcp_stream_connect(r->env.loop, u->host, port, 0);
	tls.trust = t->mode == TRUST_CA    ? TLS_TRUST_WEB
	            : t->mode == TRUST_PIN ? TLS_TRUST_PIN
	                                   : TLS_TRUST_INSECURE;
	tls.ca_file = t->ca_file[0] ? t->ca_file : NULL;
	memcpy(tls.pin, t->pin, sizeof(tls.pin));
	/* A number is no name to ask for (RFC 6066 §3). */
	numeric = strspn(u->host, "0123456789.") == strlen(u->host) || strchr(u->host, ':');
	if (numeric)
		tls.sni = NULL;
	return tls_stream_connect(r->env.loop, u->host, port, &tls);
}

static void connect_now(void *arg)
{
	struct rig *r = arg;
	const struct ws_client_events events = {
		.opened = on_opened, .message = on_message, .closed = on_closed, .arg = r
	};
	char host[300], target[600], header[SECRET_MAX + 32];
	const char *const headers[] = { header };
	struct ws_client_config config = { .host = host,
		                           .target = target,
		                           .headers = headers,
		                           .n_headers = 1,
		                           .max_message = RIG_MAX_TEXT };
	struct url u = { 0 };
	struct err err = { 0 };
	bool is_v6;

	if (url_parse(r->config.url, &u, &err) < 0) {
		url_fini(&u);
		rig_lose(r, true, "the hub's address: %s", err.text);
		return;
	}
	is_v6 = strchr(u.host, ':') != NULL;
	(void)snprintf(host, sizeof(host), "%s%s%s", is_v6 ? "[" : "", u.host, is_v6 ? "]" : "");
	if (u.port)
		(void)snprintf(host + strlen(host), sizeof(host) - strlen(host), ":%u", u.port);
	(void)snprintf(target, sizeof(target), "%s/" RIG_PATH,
	               strcmp(u.path, "/") == 0 ? "" : u.path);
	(void)snprintf(header, sizeof(header), "Authorization: Bearer %s",
	               secret_peek(&r->config.key));
	set_link(r, RIG_LINK_CONNECTING);
	r->generation++;
	r->floor_ms = INT64_MAX;
	r->ws = ws_client_new(r->env.loop, connect_stream(r, &u), &config, &events);
	secret_wipe(header, sizeof(header));
	url_fini(&u);
}

/* ---- events ---- */

static void wake(void *arg)
{
	struct rig *r = arg;

	r->is_woken = false;
	if (r->is_greeted)
		rig_pump(r);
	else
		rig_count(r);
	if (r->link != RIG_LINK_OFF)
		timer_start(&r->wake, r->is_greeted ? POLL_MS : AWAY_MS);
}

/* Many events in a row wake it once. */
static void wake_soon(struct rig *r)
{
	if (!r->is_woken)
		timer_start(&r->wake, WAKE_MS);
	r->is_woken = true;
}

static void state_is_due(void *arg)
{
	send_state(arg);
}

static void image_is_due(void *arg)
{
	struct rig *r = arg;

	r->env.house.glance(r->env.house.arg);
}

/* What a person looks for is told at once, the rest when it is due. */
static bool is_urgent(const struct bus_event *e)
{
	const unsigned telling = PRINTER_CHANGED_LINK | PRINTER_CHANGED_ACTIVITY |
	                         PRINTER_CHANGED_JOB | PRINTER_CHANGED_TROUBLE;

	if (e->type == EVENT_PRINTER)
		return event_as_printer(e)->changed & telling;
	return e->type == EVENT_SESSION || e->type == EVENT_JOB || e->type == EVENT_LAYER;
}

/* A picture that was taken is shown at once (LIVE-6), a session's, a press's in its pause, a capture's. */
static bool is_picture(const struct bus_event *e)
{
	if (e->type == EVENT_BUTTON)
		return event_as_button(e)->order == BUTTON_FRAME;
	if (e->type == EVENT_CAPTURE)
		return !event_as_capture(e)->is_news;
	return e->type == EVENT_FRAME;
}

static void heard(void *arg, const struct bus_event *e)
{
	struct rig *r = arg;

	if (r->link == RIG_LINK_OFF)
		return;
	if (e->type == EVENT_FRAME)
		rig_frame(r, event_as_frame(e));
	if (is_picture(e) && r->is_greeted)
		r->env.house.glance(r->env.house.arg);
	if (is_urgent(e))
		send_state(r);
	if (e->type != EVENT_PRINTER && e->type != EVENT_CAMERA)
		wake_soon(r);
}

/* ---- life ---- */

struct rig *rig_new(const struct rig_env *env)
{
	struct rig *r = MEM_NEW(struct rig);

	r->env = *env;
	r->refs = 1;
	log_init(&r->log, "rig");
	(void)id_new(r->run, loop_wall_ms(env->loop));
	timer_init(&r->retry, env->loop, connect_now, r);
	timer_init(&r->greeting, env->loop, is_not_greeted, r);
	timer_init(&r->state, env->loop, state_is_due, r);
	timer_init(&r->image, env->loop, image_is_due, r);
	timer_init(&r->wake, env->loop, wake, r);
	bus_listen(env->bus, &r->listener, heard, r);
	return r;
}

void rig_unref(struct rig *r)
{
	if (--r->refs > 0)
		return;
	rig_config_fini(&r->config);
	free(r);
}

void rig_free(struct rig *r)
{
	if (!r)
		return;
	bus_unlisten(&r->listener);
	drop(r);
	timer_stop(&r->retry);
	timer_stop(&r->wake);
	r->is_dead = true;
	rig_unref(r);
}

void rig_set_hub(struct rig *r, const struct rig_config *c)
{
	const bool has_hub = c && c->url[0];

	drop(r);
	timer_stop(&r->retry);
	timer_stop(&r->wake);
	r->is_woken = false;
	rig_config_fini(&r->config);
	r->n_failures = 0;
	r->text[0] = '\0';
	r->logged = NULL;
	r->hub[0] = '\0';
	rig_enlist(r, has_hub);
	if (!has_hub) {
		set_link(r, RIG_LINK_OFF);
		return;
	}
	rig_config_copy(&r->config, c);
	apply_delays(r, &(const struct rig_delays){ 0 });
	log_hide(secret_peek(&r->config.key));
	wake_soon(r);
	connect_now(r);
}

void rig_report(const struct rig *r, struct rig_report *ret)
{
	*ret = (struct rig_report){ .link = r->link,
		                    .since_wall_ms = r->since_wall_ms,
		                    .n_waiting = r->outbox.n_waits,
		                    .n_dropped = r->outbox.n_dropped,
		                    .delays = r->delays };
	TEXT_SET(ret->text, r->text);
	TEXT_SET(ret->hub, r->hub);
}

json_t *rig_json(const struct rig *r)
{
	struct rig_report s;

	rig_report(r, &s);
	return json_pack("{s:o, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:I}", "url",
	                 json_text(r->config.url), "hub", json_text(s.hub), "state",
	                 rig_link_name(s.link), "text", json_text(s.text), "since_at",
	                 json_time(s.since_wall_ms), "waiting", (json_int_t)s.n_waiting, "dropped",
	                 (json_int_t)s.n_dropped, "status_delay_ms", (json_int_t)s.delays.status_ms,
	                 "climate_delay_ms", (json_int_t)s.delays.climate_ms, "image_delay_ms",
	                 (json_int_t)s.delays.image_ms);
}
