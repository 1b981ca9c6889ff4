/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/push.h"
#include "web/web.h"

#include "base/err.h"
#include "base/text.h"
#include "capture/sessions.h"
#include "model/command.h"
#include "model/event.h"
#include "model/json.h"
#include "printers/printer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static json_t *whole(const struct printer *p)
{
	return json_printer(printer_config(p), printer_state(p));
}

/* The printer of the path; NULL: answered. */
static struct printer *find(struct call *c)
{
	struct printer *p =
		c->web->env.printers ? printers_find(c->web->env.printers, c->params[0]) : NULL;

	if (!p)
		call_refuse(c, 404, "There is no printer of this id.");
	return p;
}

void api_printers(struct call *c)
{
	json_t *list = json_array();
	struct printer *p;

	for (size_t i = 0; c->web->env.printers && (p = printers_at(c->web->env.printers, i)); i++)
		json_array_append_new(list, whole(p));
	call_json(c, 200, json_pack("{s:o}", "printers", list));
}

void api_printer(struct call *c)
{
	const struct printer *p = find(c);

	if (p)
		call_json(c, 200, whole(p));
}

void api_printer_raw(struct call *c)
{
	const struct printer *p = find(c);

	if (p)
		call_json(c, 200, printer_raw(p));
}

static void printer_added(void *arg, const char *id, const struct field_says *says UNUSED,
                          const struct err *err)
{
	struct call *c = arg;
	struct printer *p = err ? NULL : printers_find(c->web->env.printers, id);

	if (err) {
		call_refuse_err(c, err->code, err);
	} else if (!p) {
		call_refuse(c, 503, "The printer is stored and will be there after a restart.");
	} else {
		web_audit(c, "settings", id, "added the printer");
		call_json(c, 201, whole(p));
	}
}

void api_printer_add(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;
	struct printer_config config = { .has_camera = true, .offline_after_ms = 60000 };

	if (!h->add_printer) {
		call_refuse(c, 503, "Printers cannot be added here: write them into bedside.yaml.");
		return;
	}
	TEXT_SET(config.name, call_text(c, "name", ""));
	TEXT_SET(config.driver, call_text(c, "driver", "bambu"));
	TEXT_SET(config.address, call_text(c, "address", ""));
	TEXT_SET(config.serial, call_text(c, "serial", ""));
	TEXT_SET(config.url, call_text(c, "url", ""));
	TEXT_SET(config.user, call_text(c, "user", ""));
	TEXT_SET(config.model, "auto");
	if (!trust_from_text(&config.trust, call_text(c, "trust", "ca"))) {
		call_refuse_field(c, "trust", "trust must be " TRUST_FORM ".");
		return;
	}
	secret_set(
		&config.access_code,
		call_text(c, "api_key", call_text(c, "password", call_text(c, "access_code", ""))));

	if (call_text(c, "pairing", "")[0] &&
	    !(h->take_key && h->take_key(h->arg, call_text(c, "pairing", ""), &config))) {
		call_refuse_field(c, "pairing",
		                  "This request was not allowed in OctoPrint, is of another "
		                  "address, or is too old: ask for a key again.");
		printer_config_fini(&config);
		return;
	}

	h->add_printer(h->arg, &config, (struct web_keeper){ printer_added, c });
	printer_config_fini(&config);
}

static void printer_removed(void *arg, const char *id, const struct field_says *says UNUSED,
                            const struct err *err)
{
	struct call *c = arg;

	if (err) {
		call_refuse_err(c, err->code, err);
		return;
	}
	web_audit(c, "settings", id, "removed the printer");
	push_printer_gone(c->web->push, id);
	call_done(c);
}

void api_printer_remove(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (!find(c))
		return;
	if (!h->remove_printer) {
		call_refuse(c, 503, "Printers cannot be removed here: edit bedside.yaml.");
		return;
	}
	h->remove_printer(h->arg, c->params[0], (struct web_keeper){ printer_removed, c });
}

/* ---- commands ---- */

static void command_answered(void *arg, enum printer_answer a, const char *reason)
{
	struct call *c = arg;

	web_audit(c, "command", c->params[0], "%s: %s%s%s", call_text(c, "command", ""),
	          printer_answer_name(a), reason && *reason ? ", " : "", reason ? reason : "");
	call_json(c, 200,
	          json_pack("{s:s, s:o}", "answer", printer_answer_name(a), "reason",
	                    json_text(reason ? reason : "")));
}

/* Who moves the head of a paused print must know that a person has other plans. */
static void tell_command(const struct call *c, const struct printer_command *cmd)
{
	struct event_command *e;

	if (cmd->kind != PRINTER_PAUSE_PRINT && cmd->kind != PRINTER_STOP_PRINT)
		return;
	e = event_new_command();
	TEXT_SET(e->printer, c->params[0]);
	e->kind = cmd->kind;
	e->answer = PRINTER_ACKNOWLEDGED;
	TEXT_SET(e->user, c->who.user.name);
	bus_publish(c->web->env.bus, &e->head);
}

void api_printer_command(struct call *c)
{
	struct printer_command cmd = { 0 };
	struct printer *p = find(c);

	if (!p)
		return;

	const char *field;
	struct err err = { 0 };

	if (printer_command_from_json(c->body, &cmd, &field, &err) < 0) {
		call_refuse_field(c, field, "%s", err.text);
		return;
	}
	tell_command(c, &cmd);
	printer_send(p, &cmd, command_answered, c);
}

void api_printer_session(struct call *c)
{
	static const char *const orders[] = {
		[SESSION_ORDER_START] = "start",     [SESSION_ORDER_PAUSE] = "pause",
		[SESSION_ORDER_RESUME] = "resume",   [SESSION_ORDER_STOP] = "stop",
		[SESSION_ORDER_DISCARD] = "discard", [SESSION_ORDER_SHOOT] = "shoot",
	};
	struct err err = { 0 };
	size_t order = 0;

	if (!find(c))
		return;

	const char *name = call_text(c, "order", "");

	if (!c->web->env.sessions) {
		call_refuse(c, 503, "Sessions are not running.");
		return;
	}
	while (order < ARRAY_LEN(orders) && strcmp(orders[order], name) != 0)
		order++;

	int rc = order < ARRAY_LEN(orders) ? sessions_order(c->web->env.sessions, c->params[0],
	                                                    (enum session_order)order, &err)
	                                   : -EINVAL;

	if (rc < 0) {
		call_refuse(c, 409, "%s", err.text[0] ? err.text : "This order does not fit now.");
		return;
	}
	web_audit(c, "session", c->params[0], "%s", name);
	call_json(c, 200, json_session(sessions_of(c->web->env.sessions, c->params[0])));
}

/* ---- trust ---- */

void api_printer_certificate(struct call *c)
{
	const struct printer *p = find(c);
	uint8_t sha256[32];
	char subject[128], hex[65];

	if (!p)
		return;
	if (!printer_refused_certificate(p, sha256, subject)) {
		call_refuse(c, 404, "No certificate of this printer was refused.");
		return;
	}
	text_hex(hex, sha256, sizeof(sha256));
	call_json(c, 200,
	          json_pack("{s:s, s:o, s:b}", "sha256", hex, "subject", json_text(subject),
	                    "is_trusted", 0));
}

static void printer_pinned(void *arg, const char *id, const struct field_says *says UNUSED,
                           const struct err *err)
{
	struct call *c = arg;

	if (err) {
		call_refuse_err(c, err->code, err);
		return;
	}
	web_audit(c, "settings", id, "trusts the certificate %s", call_text(c, "sha256", ""));
	call_done(c);
}

void api_printer_pin(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;
	const struct printer *p = find(c);
	uint8_t wanted[32], refused[32];
	char subject[128];

	if (!p)
		return;
	if (!text_unhex(wanted, sizeof(wanted), call_text(c, "sha256", ""))) {
		call_refuse_field(c, "sha256", "sha256 must be 64 hex digits.");
		return;
	}
	/* Only what the person has seen: the printer may have answered with another one since. */
	if (!printer_refused_certificate(p, refused, subject) ||
	    memcmp(wanted, refused, sizeof(wanted)) != 0) {
		call_refuse(
			c, 409,
			"The printer shows another certificate now: look at it again before you "
			"trust it.");
		return;
	}
	if (!h->pin_printer) {
		call_refuse(c, 503,
		            "Certificates cannot be stored here: write tls: sha256:… into "
		            "bedside.yaml.");
		return;
	}
	h->pin_printer(h->arg, c->params[0], wanted, (struct web_keeper){ printer_pinned, c });
}

/* ---- looking around ---- */

static void doctor_is_done(void *arg, json_t *steps, const struct err *err)
{
	struct call *c = arg;

	if (steps)
		call_json(c, 200, json_pack("{s:o}", "steps", steps));
	else
		call_refuse_err(c, err->code, err);
}

void api_printer_doctor(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (!find(c))
		return;
	if (h->doctor)
		h->doctor(h->arg, c->params[0], doctor_is_done, c);
	else
		call_refuse(c, 503, "The doctor is not here: run 'bedside doctor'.");
}

static void discover_is_done(void *arg, json_t *printers, const struct err *err)
{
	struct call *c = arg;

	if (printers)
		call_json(c, 200, json_pack("{s:o}", "printers", printers));
	else
		call_refuse_err(c, err->code, err);
}

void api_discover(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (h->discover)
		h->discover(h->arg, discover_is_done, c);
	else
		call_refuse(c, 503,
		            "Looking for printers is not possible here: run 'bedside "
		            "discover'.");
}

/* ---- keys that OctoPrints give ---- */

static void paired(void *arg, json_t *pairing, const struct err *err)
{
	struct call *c = arg;

	if (pairing)
		call_json(c, 201, pairing);
	else
		call_refuse_err(c, err->code, err);
}

void api_pair(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;
	struct printer_config config = { 0 };

	if (!h->pair) {
		call_refuse(c, 503, "Keys cannot be asked for here: run 'bedside pair'.");
		return;
	}
	TEXT_SET(config.url, call_text(c, "url", ""));
	if (!trust_from_text(&config.trust, call_text(c, "trust", "ca"))) {
		call_refuse_field(c, "trust", "trust must be " TRUST_FORM ".");
		return;
	}
	h->pair(h->arg, &config, call_text(c, "user", NULL), paired, c);
}

void api_pairing(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;
	json_t *pairing = h->pairing ? h->pairing(h->arg, c->params[0]) : NULL;

	if (pairing)
		call_json(c, 200, pairing);
	else
		call_refuse(c, 404, "There is no such request; ask for a key again.");
}

void api_unpair(struct call *c)
{
	const struct web_hooks *h = &c->web->env.hooks;

	if (h->unpair)
		h->unpair(h->arg, c->params[0]);
	call_done(c);
}
