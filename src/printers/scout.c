/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/scout.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/bambu/tables.h"
#include "printers/tls.h"
#include "wire/stream.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_LISTEN_MS 6000
#define PROBE_MS 4000
#define SEARCH_EVERY_MS 2000

struct probe {
	struct scout *scout;
	struct stream *stream; /* NULL once it is over */
	struct scout_printer *printer;
};

struct scout {
	struct loop *loop;
	struct discover *discover;
	struct timer end, search;
	char *ca_file;
	uint16_t mqtt_port;
	bool has_ended; /* listening; probes may still run */
	struct err err;
	struct scout_printer found[SCOUT_MAX_PRINTERS];
	struct probe probes[SCOUT_MAX_PRINTERS];
	size_t n, n_probing;
	void (*done)(void *arg, const struct scout_printer *found, size_t n, const struct err *err);
	void *arg;
	bool is_dead, is_busy;
};

static void release(struct scout *s)
{
	free(s->ca_file);
	free(s);
}

static void finish_if_done(struct scout *s)
{
	if (!s->has_ended || s->n_probing > 0)
		return;
	s->is_busy = true;
	s->done(s->arg, s->found, s->n, s->err.code ? &s->err : NULL);
	s->is_busy = false;
	if (s->is_dead)
		release(s);
}

/* Seen or not: look at what the handshake left, then forget the connection. */
static void probe_over(struct probe *p)
{
	struct scout *s = p->scout;
	struct tls_leaf leaf;

	if (tls_stream_peer_leaf(p->stream, &leaf)) {
		p->printer->has_leaf = true;
		p->printer->chains = leaf.is_trusted;
		memcpy(p->printer->sha256, leaf.sha256, 32);
	}
	stream_free(p->stream);
	p->stream = NULL;
	s->n_probing--;
	finish_if_done(s);
}

static void probe_opened(void *arg)
{
	probe_over(arg);
}

static void probe_received(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

static void probe_closed(void *arg, const struct err *err)
{
	(void)err;
	probe_over(arg);
}

static void probe_start(struct scout *s, size_t i)
{
	struct probe *p = &s->probes[i];
	const struct discover_found *f = &s->found[i].found;
	struct printer_config c = { .trust.mode = TRUST_CA };
	struct stream_events e = { probe_opened, probe_received, NULL, probe_closed, p };
	struct tls_client tls;

	TEXT_SET(c.serial, f->serial);
	printer_tls_client(&c, s->ca_file, &tls);
	tls.timeout_ms = PROBE_MS;
	p->scout = s;
	p->printer = &s->found[i];
	p->stream = tls_stream_connect(s->loop, f->address, s->mqtt_port, &tls);
	s->n_probing++;
	stream_listen(p->stream, &e);
}

static void on_found(void *arg, const struct discover_found *f)
{
	struct scout *s = arg;
	const struct bambu_model *m = bambu_model_by_code(f->model);

	for (size_t i = 0; i < s->n; i++) {
		if (!text_equal(s->found[i].found.serial, f->serial))
			continue;
		if (!s->found[i].found.name[0]) /* given by its address only, so far */
			s->found[i].found = *f;
		return;
	}
	if (s->n == SCOUT_MAX_PRINTERS || s->has_ended)
		return;
	if (!m)
		m = bambu_model_by_serial(f->serial);
	s->found[s->n].found = *f;
	s->found[s->n].model = m ? m->name : "";
	probe_start(s, s->n++);
}

static void on_end(void *arg)
{
	struct scout *s = arg;

	s->has_ended = true;
	timer_stop(&s->search);
	discover_stop(s->discover);
	s->discover = NULL;
	finish_if_done(s);
}

static void on_search(void *arg)
{
	discover_search(((struct scout *)arg)->discover);
}

static void add_known(struct scout *s, const struct scout_options *o)
{
	struct discover_found f = { 0 };

	TEXT_SET(f.address, o->address);
	TEXT_SET(f.serial, o->serial);
	on_found(s, &f);
}

struct scout *scout_start(struct loop *l, const struct scout_options *o,
                          void (*done)(void *arg, const struct scout_printer *found, size_t n,
                                       const struct err *err),
                          void *arg)
{
	struct scout *s = MEM_NEW(struct scout);
	struct discover_events e = { on_found, s };
	int64_t listen_ms = o->listen_ms > 0 ? o->listen_ms : DEFAULT_LISTEN_MS;

	s->loop = l;
	s->done = done;
	s->arg = arg;
	s->ca_file = mem_str(o->ca_file);
	s->mqtt_port = o->mqtt_port ? o->mqtt_port : 8883;
	timer_init(&s->end, l, on_end, s);
	timer_init(&s->search, l, on_search, s);
	if (discover_start(l, o->ports, &e, &s->discover, &s->err) == 0) {
		s->err.code = 0;
		discover_search(s->discover);
		timer_start_every(&s->search, SEARCH_EVERY_MS);
	} else {
		listen_ms = 0;
	}
	if (o->address && o->serial) {
		add_known(s, o);
		s->err.code = 0;
	}
	timer_start(&s->end, listen_ms);
	return s;
}

void scout_free(struct scout *s)
{
	if (!s || s->is_dead)
		return;
	timer_stop(&s->end);
	timer_stop(&s->search);
	discover_stop(s->discover);
	for (size_t i = 0; i < s->n; i++)
		stream_free(s->probes[i].stream);
	s->is_dead = true;
	if (!s->is_busy)
		release(s);
}
