/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/doctor_web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/driver.h"
#include "printers/reply.h"
#include "wire/rest.h"
#include "wire/stream.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct doctor_web {
	struct loop *loop;
	const struct printer_config *config;
	const struct printer_driver *driver;
	struct doctor_web_events events;
	struct stream *stream;
	struct rest *rest;
	struct timer turn;
	void (*next)(struct doctor_web *d);
	size_t probe;
};

static void on_turn(void *arg)
{
	struct doctor_web *d = arg;

	d->next(d);
}

static void go(struct doctor_web *d, void (*next)(struct doctor_web *d))
{
	stream_free(d->stream);
	d->stream = NULL;
	d->next = next;
	timer_start(&d->turn, 0);
}

static void tell(struct doctor_web *d, const char *name, bool is_ok, const char *text,
                 const char *advice)
{
	d->events.step(d->events.arg, name, is_ok, text, advice);
}

static void finish(struct doctor_web *d)
{
	d->events.done(d->events.arg);
}

/* ---- what the driver asks ---- */

static void ask_next(struct doctor_web *d);

static void on_answer(void *arg, const struct rest_answer *a)
{
	struct doctor_web *d = arg;
	const struct printer_probe *p = &d->driver->probes[d->probe];
	char text[240] = "", advice[320] = "";
	enum printer_probe_end end = p->judge(d->rest, a, text, advice);

	text_clean(text);
	text_clean(advice);
	if (end != PRINTER_PROBE_SILENT)
		tell(d, p->step, end == PRINTER_PROBE_FINE, text, advice);
	d->probe++;
	go(d, end == PRINTER_PROBE_STOP ? finish : ask_next);
}

static void ask_next(struct doctor_web *d)
{
	const struct printer_driver *driver = d->driver;

	if (d->probe == driver->n_probes) {
		go(d, finish);
		return;
	}

	const struct printer_probe *p = &driver->probes[d->probe];
	const struct rest_question q = { .target = p->target, .body = p->body };

	(void)rest_ask(d->rest, &q, on_answer, d);
}

/* `header` goes with all that is asked; "" none. */
static void ask_with(struct doctor_web *d, const char *header, bool has_login)
{
	const char *const headers[] = { header };
	struct rest_config config;

	printer_rest_config(d->config, &config);
	if (*header) {
		config.headers = headers;
		config.n_headers = 1;
	}
	if (!has_login)
		config.user = config.password = "";
	rest_free(d->rest);
	d->rest = rest_new(d->loop, &config);
}

/* Some log in by a question of its own; what it gives goes with the probes. */
static void on_login(void *arg, const struct rest_answer *a)
{
	struct doctor_web *d = arg;
	char header[PRINTER_LOGIN_HEADER_MAX], advice[320] = "";
	struct err err = { 0 };

	if (rest_is_fine(d->rest, a, d->driver->title, &err) &&
	    d->driver->login_header(a->json, header, sizeof(header))) {
		ask_with(d, header, false); /* `a` is gone */
		secret_wipe(header, sizeof(header));
		go(d, ask_next);
		return;
	}
	if (a->status == 400 || a->status == 401 || a->status == 403) {
		(void)err_set(&err, -EACCES, "%s refuses the user or the password (%d)",
		              rest_peer(d->rest), a->status);
		TEXT_SET(advice, d->driver->key_advice);
	} else {
		if (!err.code)
			(void)err_set(&err, -EPROTO, "%s takes the login and gives no token",
			              rest_peer(d->rest));
		reply_advise(err.code, "Is it the right address, and the right driver?", advice);
	}
	tell(d, "login", false, err.text, advice);
	go(d, finish);
}

static void step_ask(struct doctor_web *d)
{
	const struct printer_config *c = d->config;
	const struct printer_driver *driver = d->driver;
	char header[SECRET_MAX + 40] = "";

	if (driver->login_target && c->user[0]) {
		char *body = driver->login_body(c);
		const struct rest_question q = { .target = driver->login_target, .body = body };

		ask_with(d, "", false);
		(void)rest_ask(d->rest, &q, on_login, d);
		secret_wipe(body, strlen(body));
		free(body);
		return;
	}
	if (driver->key_header && !c->user[0] && secret_is_set(&c->access_code))
		(void)snprintf(header, sizeof(header), "%s: %s", driver->key_header,
		               secret_peek(&c->access_code));
	ask_with(d, header, true);
	secret_wipe(header, sizeof(header));
	ask_next(d);
}

/* ---- name, TCP, TLS ---- */

static void heard_nothing(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

static void on_opened(void *arg)
{
	struct doctor_web *d = arg;
	struct tls_leaf leaf;
	char text[200], hex[65] = "";

	tell(d, "name", true, "The address is found.", "");
	(void)snprintf(text, sizeof(text), "%s answers.", stream_peer(d->stream));
	tell(d, "tcp", true, text, "");
	if (tls_stream_peer_leaf(d->stream, &leaf)) {
		(void)snprintf(text, sizeof(text), "The connection is encrypted by %s.",
		               tls_stream_version(d->stream));
		tell(d, "tls", true, text, "");
		text_hex(hex, leaf.sha256, 32);
		(void)snprintf(text, sizeof(text), "%s sha256:%s",
		               d->config->trust.mode == TRUST_INSECURE
		                       ? "Not checked, as configured:"
		                       : "It is trusted:",
		               hex);
		tell(d, "certificate", true, text, "");
		d->events.leaf(d->events.arg, &leaf);
	}
	go(d, step_ask);
}

static void tell_certificate(struct doctor_web *d, const struct tls_leaf *leaf)
{
	char advice[320], hex[65];

	text_hex(hex, leaf->sha256, 32);
	(void)snprintf(
		advice, sizeof(advice),
		"Nothing was sent to it. If you are sure that it is the right server, write  "
		"tls: sha256:%s  into its entry in the configuration, or confirm it on the "
		"page.",
		hex);
	tell(d, "certificate", false, leaf->reason, advice);
	d->events.leaf(d->events.arg, leaf);
}

static void on_closed(void *arg, const struct err *err)
{
	struct doctor_web *d = arg;
	struct tls_leaf leaf;

	if (tls_stream_peer_leaf(d->stream, &leaf) && !leaf.is_trusted) {
		tell(d, "name", true, "The address is found.", "");
		tell(d, "tcp", true, "It answers, encrypted.", "");
		tell_certificate(d, &leaf);
	} else if (strstr(err->text, "there is no host")) { /* wire/tcp_stream's words */
		tell(d, "name", false, err->text,
		     "Enter its IP address instead, or mend the name in your router. Names that "
		     "end "
		     "in .local need avahi-daemon on this machine.");
	} else {
		tell(d, "name", true, "The address is found.", "");
		tell(d, "tcp", false, err->text,
		     err->code == -ECONNREFUSED
		             ? "The machine is there, but nothing answers on this port. Is the "
		               "program running, and the port of the address right?"
		             : "Is the machine on, in the same network, and is it https or http "
		               "that it speaks? Open the address in a browser.");
	}
	go(d, finish);
}

static void step_connect(struct doctor_web *d)
{
	const struct stream_events e = { on_opened, heard_nothing, NULL, on_closed, d };

	d->stream = printer_connect_url(d->loop, d->config);
	stream_listen(d->stream, &e);
}

struct doctor_web *doctor_web_start(struct loop *l, const struct printer_config *c,
                                    const struct doctor_web_events *events)
{
	struct doctor_web *d = MEM_NEW(struct doctor_web);

	d->loop = l;
	d->config = c;
	d->driver = printer_driver_find(c->driver);
	d->events = *events;
	timer_init(&d->turn, l, on_turn, d);
	go(d, step_connect);
	return d;
}

void doctor_web_free(struct doctor_web *d)
{
	if (!d)
		return;
	timer_stop(&d->turn);
	stream_free(d->stream);
	rest_free(d->rest);
	free(d);
}
