/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/printer.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/event.h"
#include "printers/diff.h"
#include "printers/driver.h"
#include "printers/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 1000
#define NUDGE_AFTER_US 30000000
#define RECONNECT_AFTER_US 60000000
#define DEFAULT_OFFLINE_AFTER_MS 60000
#define FIRST_RETRY_MS 1000
#define LAST_RETRY_MS 60000
#define COMMAND_TIMEOUT_MS 10000
#define MAX_PENDING 32

struct pending {
	struct printer *printer;
	uint32_t ticket;
	struct timer timer; /* first the time-out; once answered, the delivery */
	int64_t wait_ms;
	bool is_answered;
	enum printer_answer answer;
	char reason[240];
	void (*done)(void *arg, enum printer_answer a, const char *reason);
	void *arg;
	struct pending *prev, *next; /* printer.pending */
};

struct printer {
	struct printers *owner;
	const struct printer_driver *driver;
	void *priv;
	struct printer_config config;
	struct log log;
	struct printer_state *state, *published; /* published NULL before the first event */
	struct timer publish, retry;
	bool is_open, is_nudged;
	bool has_failed; /* since the last report: back-off goes on, the text stands */
	bool is_refused; /* a person must act: the notice was given */
	unsigned n_failures;
	int64_t opened_us, alive_us; /* connection begun; last sign of life, for offline_after */
	struct pending *pending;
	unsigned n_pending;
	uint32_t next_ticket;
	bool has_leaf;
	uint8_t leaf[32];
	char leaf_subject[128];
	struct printer *prev, *next; /* printers.list */
};

struct printers {
	struct printers_env env;
	char *data_dir, *ca_file;
	struct printers_connector connector;
	struct printer *list;
	struct timer tick;
};

static struct loop *loop_of(const struct printer *p)
{
	return p->owner->env.loop;
}

/* ---- events ---- */

static void publish(void *arg)
{
	struct printer *p = arg;
	unsigned changed = p->published ? printer_state_diff(p->published, p->state) : ~0u;

	if (!changed)
		return;
	if (!p->published || p->published->activity != p->state->activity)
		p->state->since_wall_ms = loop_wall_ms(loop_of(p));

	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, p->config.id);
	e->changed = changed;
	e->before = p->published; /* handed over; a new copy takes its place */
	e->after = mem_dup(p->state, sizeof(*p->state));
	p->published = mem_dup(p->state, sizeof(*p->state));
	bus_publish(p->owner->env.bus, &e->head);
}

void printer_driver_changed(struct printer *p)
{
	if (!timer_is_running(&p->publish))
		timer_start(&p->publish, 0);
}

static void set_link(struct printer *p, enum printer_link link, const char *text)
{
	p->state->link = link;
	memset(p->state->link_text, 0, sizeof(p->state->link_text));
	TEXT_SET(p->state->link_text, text);
	text_clean(p->state->link_text);
	printer_driver_changed(p);
}

static void notice(struct printer *p, enum notice_level level, const char *text)
{
	event_notice(p->owner->env.bus, loop_wall_ms(loop_of(p)), level, "printer", p->config.id,
	             "%s: %s", p->config.name, text);
}

void printer_driver_notice(struct printer *p, const char *text)
{
	notice(p, NOTICE_WARNING, text);
}

/* ---- life ---- */

static void open_now(void *arg)
{
	struct printer *p = arg;

	assert(!p->is_open);
	p->is_open = true;
	p->is_nudged = false;
	p->opened_us = loop_now_us(loop_of(p));
	if (!p->has_failed)
		set_link(p, PRINTER_LINK_CONNECTING, "");
	p->driver->open(p->priv);
}

/* 1, 2, 4 … 60 s, a fifth more or less so that printers do not come back in step. */
static int64_t retry_delay_ms(const struct printer *p)
{
	int64_t ms = FIRST_RETRY_MS;
	uint16_t chance;

	for (unsigned i = 1; i < p->n_failures && ms < LAST_RETRY_MS; i++)
		ms *= 2;
	if (p->is_refused)
		ms = LAST_RETRY_MS;
	ms = MIN(ms, LAST_RETRY_MS);
	crypto_random(&chance, sizeof(chance));
	return MIN(ms - ms / 5 + ms * 2 / 5 * chance / UINT16_MAX, LAST_RETRY_MS);
}

static bool ends_sentence(const char *text)
{
	size_t n = strlen(text);

	return n > 0 && strchr(".?!", text[n - 1]);
}

static void describe(const struct printer *p, enum printer_failure why, const char *what, char *dst,
                     size_t size)
{
	char hex[65];

	switch (why) {
	case PRINTER_FAILURE_UNREACHABLE:
		(void)snprintf(
			dst, size,
			"Cannot reach it (%.160s). Is it switched on and in this network, and is "
			"the address %.40s still right? Bedside keeps trying.",
			what, p->config.address);
		return;
	case PRINTER_FAILURE_LOST:
		(void)snprintf(
			dst, size,
			"The connection was lost (%.200s). Bedside connects again; if this goes "
			"on, compare the address with the one on its screen and restart it.",
			what);
		return;
	case PRINTER_FAILURE_CODE:
		(void)snprintf(dst, size, "It refuses the %s. %s", p->driver->key_word,
		               p->driver->key_advice);
		return;
	case PRINTER_FAILURE_CERTIFICATE:
		text_hex(hex, p->leaf, 32);
		(void)snprintf(
			dst, size,
			"Its certificate is refused: %.260s. If this is your printer, you can "
			"confirm the fingerprint sha256:%.16s… on this page.",
			what, hex);
		return;
	case PRINTER_FAILURE_REFUSED:
		(void)snprintf(dst, size, "It refuses us: %.220s%s%s%s", what,
		               ends_sentence(what) ? "" : ".",
		               p->driver->refused_advice[0] ? " " : "", p->driver->refused_advice);
		return;
	}
}

static bool needs_person(enum printer_failure why)
{
	return why == PRINTER_FAILURE_CODE || why == PRINTER_FAILURE_CERTIFICATE ||
	       why == PRINTER_FAILURE_REFUSED;
}

static void answer_all(struct printer *p, enum printer_answer a, const char *reason)
{
	struct pending *q;

	DL_FOREACH(p->pending, q)
	printer_driver_answer(p, q->ticket, a, reason);
}

void printer_driver_failed(struct printer *p, enum printer_failure why, const struct err *err)
{
	char text[sizeof(p->state->link_text)];

	if (!p->is_open)
		return;
	p->is_open = false;
	p->driver->close(p->priv);
	p->has_failed = true;
	p->n_failures++;
	answer_all(p, PRINTER_TIMED_OUT, "the connection was lost before the printer answered");
	if (why == PRINTER_FAILURE_CERTIFICATE && err)
		log_debug(&p->log, "%s", err->text);
	describe(p, why, err && err->code ? err->text : "no reason given", text, sizeof(text));
	if (needs_person(why)) {
		set_link(p, PRINTER_LINK_REFUSED, text);
		if (!p->is_refused) {
			log_error(&p->log, "%s", text);
			notice(p, NOTICE_ALARM, text);
		}
		p->is_refused = true;
	} else {
		p->is_refused = false;
		if (p->n_failures == 1)
			log_warn(&p->log, "%s", text);
		set_link(p, p->state->is_stale ? PRINTER_LINK_OFFLINE : PRINTER_LINK_CONNECTING,
		         text);
	}
	timer_start(&p->retry, retry_delay_ms(p));
}

void printer_driver_heard(struct printer *p)
{
	struct printer_state *s = p->state;

	s->heard_us = p->alive_us = loop_now_us(loop_of(p));
	s->heard_wall_ms = loop_wall_ms(loop_of(p));
	p->is_nudged = false;
	if (s->link != PRINTER_LINK_ONLINE) {
		log_info(&p->log, "online");
		if (s->is_stale && p->published)
			notice(p, NOTICE_INFO, "It is back.");
		set_link(p, PRINTER_LINK_ONLINE, "");
	}
	s->is_stale = false;
	p->has_failed = p->is_refused = p->has_leaf = false;
	p->n_failures = 0;
	printer_driver_changed(p);
}

static void watch_silence(struct printer *p, int64_t now_us)
{
	int64_t silence_us = now_us - MAX(p->state->heard_us, p->opened_us);

	if (!p->is_open || silence_us < NUDGE_AFTER_US)
		return;
	if (silence_us >= RECONNECT_AFTER_US) {
		struct err err = { 0 };

		err_set(&err, -ETIMEDOUT, "it has said nothing for a minute");
		printer_driver_failed(p, PRINTER_FAILURE_LOST, &err);
		return;
	}
	if (p->is_nudged)
		return;
	p->is_nudged = true;
	if (p->state->link == PRINTER_LINK_ONLINE)
		set_link(p, PRINTER_LINK_SILENT,
		         "Connected, but it has said nothing for half a minute. Bedside asked it "
		         "to speak.");
	if (p->driver->nudge)
		p->driver->nudge(p->priv);
}

static void watch_offline(struct printer *p, int64_t now_us)
{
	struct printer_state *s = p->state;
	char text[sizeof(s->link_text)];

	if (s->is_stale || now_us - p->alive_us < p->config.offline_after_ms * 1000)
		return;
	s->is_stale = true;
	if (s->link == PRINTER_LINK_REFUSED) {
		printer_driver_changed(p); /* the reason stands */
		return;
	}
	(void)snprintf(text, sizeof(text), "%s", s->link_text);
	if (!*text)
		(void)snprintf(text, sizeof(text),
		               "Nothing was heard from it for %d s. Is it switched on and in this "
		               "network? Bedside keeps trying.",
		               (int)((now_us - p->alive_us) / 1000000));
	set_link(p, PRINTER_LINK_OFFLINE, text);
	log_warn(&p->log, "offline: %s", text);
	notice(p, NOTICE_WARNING, text);
}

static void on_tick(void *arg)
{
	struct printers *ps = arg;
	int64_t now_us = loop_now_us(ps->env.loop);
	struct printer *p;

	DL_FOREACH(ps->list, p)
	{
		watch_silence(p, now_us);
		watch_offline(p, now_us);
	}
}

/* ---- commands ---- */

static void on_pending_timer(void *arg)
{
	struct pending *q = arg;
	struct printer *p = q->printer;

	DL_DELETE(p->pending, q);
	p->n_pending--;
	if (!q->is_answered) {
		q->answer = PRINTER_TIMED_OUT;
		(void)snprintf(q->reason, sizeof(q->reason),
		               "the printer did not answer within %d seconds",
		               (int)(q->wait_ms / 1000));
	}
	q->done(q->arg, q->answer, q->reason);
	free(q);
}

void printer_driver_answer(struct printer *p, uint32_t ticket, enum printer_answer a,
                           const char *reason)
{
	struct pending *q;

	DL_FOREACH(p->pending, q)
	{
		if (q->ticket == ticket && !q->is_answered) {
			q->is_answered = true;
			q->answer = a;
			TEXT_SET(q->reason, reason);
			timer_start(&q->timer, 0);
			return;
		}
	}
}

void printer_driver_wait(struct printer *p, uint32_t ticket, int64_t ms)
{
	struct pending *q;

	DL_FOREACH(p->pending, q)
	{
		if (q->ticket == ticket && !q->is_answered) {
			q->wait_ms = ms;
			timer_start(&q->timer, ms);
			return;
		}
	}
}

void printer_send(struct printer *p, const struct printer_command *c,
                  void (*done)(void *arg, enum printer_answer a, const char *reason), void *arg)
{
	struct pending *q = MEM_NEW(struct pending);

	q->printer = p;
	q->ticket = ++p->next_ticket;
	q->done = done;
	q->arg = arg;
	timer_init(&q->timer, loop_of(p), on_pending_timer, q);
	q->wait_ms = COMMAND_TIMEOUT_MS;
	timer_start(&q->timer, q->wait_ms);
	DL_APPEND(p->pending, q);
	p->n_pending++;
	if (c->kind == PRINTER_SCRIPT && c->timeout_ms > 0)
		printer_driver_wait(p, q->ticket, c->timeout_ms);
	if (p->n_pending > MAX_PENDING)
		printer_driver_answer(p, q->ticket, PRINTER_NOT_SENT,
		                      "too many commands are waiting for their answer");
	else if (p->state->link != PRINTER_LINK_ONLINE && p->state->link != PRINTER_LINK_SILENT)
		printer_driver_answer(p, q->ticket, PRINTER_NOT_SENT,
		                      "the printer is not connected");
	else if (c->kind == PRINTER_SCRIPT && !(p->state->capabilities & PRINTER_CAN_SCRIPT))
		printer_driver_answer(p, q->ticket, PRINTER_NOT_SENT,
		                      "this printer does not say when a move is finished");
	else
		p->driver->send(p->priv, c, q->ticket);
}

/* ---- owning ---- */

struct printers *printers_new(const struct printers_env *env)
{
	struct printers *ps = MEM_NEW(struct printers);

	ps->env = *env;
	ps->data_dir = mem_str(env->data_dir);
	ps->ca_file = mem_str(env->ca_file);
	ps->env.data_dir = ps->data_dir;
	ps->env.ca_file = ps->ca_file;
	timer_init(&ps->tick, env->loop, on_tick, ps);
	return ps;
}

static void printer_free(struct printer *p)
{
	struct pending *q, *next;

	timer_stop(&p->publish);
	timer_stop(&p->retry);
	if (p->driver->fetch_cancel)
		p->driver->fetch_cancel(p->priv);
	p->driver->close(p->priv);
	p->driver->fini(p->priv);
	DL_FOREACH_SAFE(p->pending, q, next)
	{
		timer_stop(&q->timer);
		if (!q->is_answered) {
			q->answer = PRINTER_TIMED_OUT;
			TEXT_SET(q->reason, "the printer was removed before it answered");
		}
		q->done(q->arg, q->answer, q->reason);
		free(q);
	}
	printer_config_fini(&p->config);
	free(p->published);
	free(p->state);
	free(p->priv);
	free(p);
}

/* NOLINTNEXTLINE(readability-function-size): the list macros' branches count */
void printers_free(struct printers *ps)
{
	struct printer *p, *next;

	if (!ps)
		return;
	timer_stop(&ps->tick);
	DL_FOREACH_SAFE(ps->list, p, next)
	{
		DL_DELETE(ps->list, p);
		printer_free(p);
	}
	free(ps->data_dir);
	free(ps->ca_file);
	free(ps);
}

int printers_add(struct printers *ps, const struct printer_config *config, struct printer **ret,
                 struct err *err)
{
	const struct printer_driver *d = printer_driver_find(config->driver);

	if (!d)
		return err_set(err, -ENOENT, "printer '%s': there is no driver '%s'", config->name,
		               config->driver);
	if (printers_find(ps, config->id))
		return err_set(err, -EEXIST, "there is a printer '%s' already", config->id);
	assert(d->init && d->fini && d->open && d->close && d->send);

	struct printer *p = MEM_NEW(struct printer);

	p->owner = ps;
	p->driver = d;
	printer_config_copy(&p->config, config);
	if (p->config.offline_after_ms <= 0)
		p->config.offline_after_ms = DEFAULT_OFFLINE_AFTER_MS;
	log_init(&p->log, "printer %s", p->config.id);
	log_hide(secret_peek(&p->config.access_code));
	p->state = MEM_NEW(struct printer_state);
	printer_state_init(p->state);
	timer_init(&p->publish, ps->env.loop, publish, p);
	timer_init(&p->retry, ps->env.loop, open_now, p);
	p->alive_us = loop_now_us(ps->env.loop);
	p->priv = mem_new(d->priv_size);
	d->init(p->priv, p);
	DL_APPEND(ps->list, p);
	set_link(p, PRINTER_LINK_CONNECTING, "");
	timer_start(&p->retry, 0);
	if (!timer_is_running(&ps->tick))
		timer_start_every(&ps->tick, TICK_MS);
	if (ret)
		*ret = p;
	return 0;
}

void printers_remove(struct printers *ps, const char *id)
{
	struct printer *p = printers_find(ps, id);

	if (!p)
		return;
	DL_DELETE(ps->list, p);
	printer_free(p);
}

struct printer *printers_find(struct printers *ps, const char *id)
{
	struct printer *p;

	DL_FOREACH(ps->list, p)
	{
		if (text_equal(p->config.id, id))
			return p;
	}
	return NULL;
}

struct printer *printers_at(struct printers *ps, size_t i)
{
	struct printer *p;

	DL_FOREACH(ps->list, p)
	{
		if (i-- == 0)
			return p;
	}
	return NULL;
}

const struct printer_config *printer_config(const struct printer *p)
{
	return &p->config;
}

const struct printer_state *printer_state(const struct printer *p)
{
	return p->state;
}

struct printer_state *printer_driver_state(struct printer *p)
{
	return p->state;
}

const struct printers_env *printer_driver_env(const struct printer *p)
{
	return &p->owner->env;
}

json_t *printer_raw(const struct printer *p)
{
	return p->driver->raw ? p->driver->raw(p->priv) : json_object();
}

int printer_fetch_job(struct printer *p, const char *dest_path, const struct printer_fetch *f,
                      struct err *err)
{
	if (!p->driver->fetch_job)
		return err_set(err, -ENOTSUP, "%s cannot give its files", p->config.name);
	return p->driver->fetch_job(p->priv, dest_path, f, err);
}

void printer_fetch_cancel(struct printer *p)
{
	if (p->driver->fetch_cancel)
		p->driver->fetch_cancel(p->priv);
}

void printer_macro_over(struct printer *p, bool is_film)
{
	if (p->driver->macro_over)
		p->driver->macro_over(p->priv, is_film);
}

void printer_driver_refused_leaf(struct printer *p, const uint8_t sha256[32], const char *subject)
{
	p->has_leaf = true;
	memcpy(p->leaf, sha256, 32);
	TEXT_SET(p->leaf_subject, subject);
}

bool printer_refused_certificate(const struct printer *p, uint8_t ret_sha256[32],
                                 char ret_subject[128])
{
	if (!p->has_leaf)
		return false;
	memcpy(ret_sha256, p->leaf, 32);
	text_copy(ret_subject, 128, p->leaf_subject);
	return true;
}

void printer_set_trust(struct printer *p, const struct trust *t)
{
	p->config.trust = *t;
	p->has_leaf = p->is_refused = p->has_failed = false;
	p->n_failures = 0;
	p->is_open = false;
	p->driver->close(p->priv);
	answer_all(p, PRINTER_TIMED_OUT, "the connection was made anew");
	timer_start(&p->retry, 0);
}

bool printer_own_camera(const struct printer *p, struct camera_config *ret, const char **ret_why)
{
	if (p->driver->own_camera)
		return p->driver->own_camera(p->priv, ret, ret_why);
	*ret_why = "This printer has no camera that Bedside can read.";
	return false;
}

void printers_set_connector(struct printers *ps, const struct printers_connector *c)
{
	ps->connector = *c;
}

const struct printers_connector *printer_driver_connector(const struct printer *p)
{
	return &p->owner->connector;
}

struct stream *printer_driver_connect(struct printer *p, uint16_t port)
{
	const struct printer_config *c = &p->config;
	struct printers *ps = p->owner;

	if (ps->connector.connect)
		return ps->connector.connect(ps->connector.arg, c, port);

	struct tls_client tls;

	printer_tls_client(c, ps->env.ca_file, &tls);
	return tls_stream_connect(ps->env.loop, c->address, port, &tls);
}
