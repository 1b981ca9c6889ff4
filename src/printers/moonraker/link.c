/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/moonraker/link.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/loop.h"
#include "printers/download.h"
#include "printers/moonraker/command.h"
#include "printers/moonraker/macros.h"
#include "printers/moonraker/report.h"
#include "printers/reply.h"
#include "wire/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 5000
#define CALL_MS 15000                /* for what Moonraker answers by itself */
#define EFFECT_MS 60000              /* for commands: what is queued runs out before a pause */
#define REFRESH_US (30 * 60000000LL) /* a login's token is good for an hour */
#define SCRIPT_MS 600000             /* while Klipper heats it runs nothing else */
#define REGISTER_US (60 * 1000000LL) /* until the methods are tried again */
#define MAX_CALLS 32
#define UNAUTHORIZED (-32602) /* also for wrong parameters: then with another text */

static const unsigned capabilities =
	PRINTER_CAN_PAUSE | PRINTER_CAN_HEAT | PRINTER_CAN_FANS | PRINTER_CAN_SPEED |
	PRINTER_CAN_HOME | PRINTER_CAN_GCODE | PRINTER_CAN_SCRIPT | PRINTER_CAN_START |
	PRINTER_CAN_FETCH_JOB | PRINTER_CAN_POSITION | PRINTER_CAN_CLEAR_ERROR;

struct moon;
struct call;

/* `result` NULL: `error` says why. */
typedef void call_fn(struct moon *o, struct call *c, const json_t *result, const json_t *error);

/* What was asked over the WebSocket and has no answer yet. */
struct call {
	bool is_used, is_answered; /* is_answered: its effect is waited for */
	int id;
	call_fn *done;
	uint32_t ticket; /* of a command; 0 our own question */
	unsigned method; /* that is registered */
	enum printer_command_kind kind;
	int64_t until_us;
};

struct moon {
	struct printer *printer;
	struct rest *rest; /* NULL while closed */
	struct ws_client *ws;
	struct download *download;
	struct moon_memory memory;
	struct webcam webcam;
	char auth[PRINTER_LOGIN_HEADER_MAX]; /* header; "" none */
	char refresh_token[SECRET_MAX + 1024];
	char described[256]; /* the file whose metadata was asked for */
	bool is_in;          /* online at least once since it was opened */
	bool is_subscribed;
	bool is_agent; /* Moonraker lets macros call us */
	char macros[2]
		   [64]; /* by is_film: the macros that may wait, as Klipper calls them; "" none */
	unsigned registered; /* bit i: moon_methods[i] is ours */
	unsigned held;       /* bit is_film: a macro waits, and we know */
	unsigned owed;       /* bit is_film: Klipper is to be told that it is over */
	struct timer poll;
	int64_t refreshed_us, registered_us;
	int next_id;
	struct call calls[MAX_CALLS];
};

static int64_t now_us(const struct moon *o)
{
	return loop_now_us(printer_driver_env(o->printer)->loop);
}

static struct printer_state *state(struct moon *o)
{
	return printer_driver_state(o->printer);
}

static bool fail_by(struct moon *o, const struct rest_answer *a)
{
	return printer_driver_fail_by(o->printer, o->rest, a, "Moonraker", o->is_in);
}

static void fail(struct moon *o, enum printer_failure why, int code, const char *text)
{
	struct err err = { 0 };

	(void)err_set(&err, code, "%s", text);
	printer_driver_failed(o->printer, why, &err);
}

static void judge_calls(struct moon *o);
static void ask_metadata(struct moon *o);

static void heard(struct moon *o)
{
	o->is_in = true;
	state(o)->capabilities = capabilities;
	printer_driver_heard(o->printer);
	judge_calls(o);
	ask_metadata(o);
}

/* ---- calls ---- */

static struct call *ask(struct moon *o, const char *method, json_t *params, call_fn *done)
{
	struct call *c = NULL;
	json_t *j;

	for (size_t i = 0; i < MAX_CALLS && !c; i++) {
		if (!o->calls[i].is_used)
			c = &o->calls[i];
	}
	if (!c || !o->ws) {
		json_decref(params);
		return NULL;
	}
	*c = (struct call){ .is_used = true,
		            .id = ++o->next_id,
		            .done = done,
		            .until_us = now_us(o) + CALL_MS * 1000LL };
	j = json_pack("{s:s, s:s, s:i}", "jsonrpc", "2.0", "method", method, "id", c->id);
	if (params)
		json_object_set_new(j, "params", params);

	auto_free char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	if (!text || !ws_client_send(o->ws, text, strlen(text))) {
		*c = (struct call){ 0 };
		c = NULL;
	}
	if (text)
		secret_wipe(text, strlen(text));
	return c;
}

static bool is_unauthorized(const json_t *error)
{
	json_int_t code = json_integer_value(json_object_get(error, "code"));

	return code == 401 ||
	       (code == UNAUTHORIZED && text_starts(reply_text(error, "message"), "Unauthorized"));
}

static void take_answer(struct moon *o, const json_t *j)
{
	json_int_t id = json_integer_value(json_object_get(j, "id"));
	const json_t *error = json_object_get(j, "error");
	const json_t *result = json_object_get(j, "result");

	if (is_unauthorized(error)) {
		fail(o, PRINTER_FAILURE_CODE, -EACCES, "it refuses the key or the login");
		return;
	}
	for (size_t i = 0; i < MAX_CALLS; i++) {
		struct call *c = &o->calls[i], was = *c;

		if (!c->is_used || c->is_answered || c->id != id)
			continue;
		if (!was.ticket)
			*c = (struct call){ 0 };
		if (was.done)
			was.done(o, was.ticket ? c : &was, error ? NULL : result, error);
		return;
	}
}

/* ---- what is asked at the beginning, and when Klipper is back ---- */

static void ask_klipper(struct moon *o);

static void on_subscribed(struct moon *o, struct call *c UNUSED, const json_t *result,
                          const json_t *error UNUSED)
{
	const json_t *status = json_object_get(result, "status");

	if (!status)
		return; /* Klipper has just gone: the poll asks again */
	o->is_subscribed = true;
	moon_report_status(&o->memory, status, state(o), now_us(o));
	heard(o);
}

/* ---- macros ---- */

static void on_scripted(struct moon *o UNUSED, struct call *c UNUSED, const json_t *result UNUSED,
                        const json_t *error UNUSED)
{
}

/* What no command waits for. */
static struct call *run_script(struct moon *o, const char *gcode, call_fn *done)
{
	struct call *c = ask(o, "printer.gcode.script", json_pack("{s:s}", "script", gcode), done);

	if (c)
		c->until_us = now_us(o) + SCRIPT_MS * 1000LL;
	return c;
}

static void on_paid(struct moon *o, struct call *c, const json_t *result UNUSED,
                    const json_t *error UNUSED)
{
	o->owed &= ~(1U << c->method);
}

/* A macro of moonraker-timelapse waits without end, with its head parked: what a lost connection has
 * swallowed is said again. */
static void pay(struct moon *o)
{
	const char *const scripts[] = { moon_macro_frame_over, moon_macro_film_over };
	unsigned due = text_equal(o->memory.klippy, "ready") ? o->owed : 0;

	for (size_t i = 0; i < MAX_CALLS; i++) {
		if (o->calls[i].is_used && o->calls[i].done == on_paid)
			due &= ~(1U << o->calls[i].method);
	}
	for (unsigned i = 0; i < ARRAY_LEN(scripts); i++) {
		struct call *c = NULL;

		if ((due & 1U << i) && o->macros[i][0])
			c = run_script(o, scripts[i], on_paid);

		if (c)
			c->method = i;
	}
}

/* A macro that waits and has not called us waits for the Bedside that was here before, or called while
 * nobody was connected. */
static void on_waits(struct moon *o, struct call *c UNUSED, const json_t *result,
                     const json_t *error UNUSED)
{
	const json_t *status = json_object_get(result, "status");

	for (unsigned i = 0; i < ARRAY_LEN(o->macros); i++) {
		if (moon_macro_waits(json_object_get(status, o->macros[i]), i) &&
		    !(o->held & 1U << i)) {
			log_info(NULL, "printer %s: its macro waits for an earlier Bedside: let go",
			         printer_config(o->printer)->id);
			o->owed |= 1U << i;
		}
	}
	pay(o);
}

static void ask_waits(struct moon *o)
{
	json_t *objects = json_object();

	for (unsigned i = 0; i < ARRAY_LEN(o->macros); i++) {
		if (o->macros[i][0])
			json_object_set_new(objects, o->macros[i],
			                    json_pack("[s]", moon_macro_variables[i]));
	}
	(void)ask(o, "printer.objects.query", json_pack("{s:o}", "objects", objects), on_waits);
}

/* The macros of moonraker-timelapse take no frame before they are told to. */
static void enable_macros(struct moon *o)
{
	pay(o);
	if (!o->macros[false][0] || !(o->registered & 1U << MOON_METHOD_NEWFRAME) ||
	    !text_equal(o->memory.klippy, "ready"))
		return;
	(void)run_script(o, moon_macro_enable, on_scripted);
	ask_waits(o);
}

static void on_registered(struct moon *o, struct call *c, const json_t *result, const json_t *error)
{
	if (result) {
		o->registered |= 1U << c->method;
		if (c->method == MOON_METHOD_NEWFRAME)
			enable_macros(o);
	} else if (c->method == MOON_METHOD_NEWFRAME && error) {
		log_debug(NULL, "printer %s: macros: %s", printer_config(o->printer)->id,
		          reply_text(error, "message"));
	}
}

/* Those that are not ours yet: another program, or an earlier connection of ours, may have them. */
static void register_methods(struct moon *o)
{
	o->registered_us = now_us(o);
	for (unsigned i = 0; o->is_agent && i < MOON_N_METHODS; i++) {
		struct call *c = NULL;

		if (!(o->registered & 1U << i))
			c = ask(o, "connection.register_remote_method",
			        json_pack("{s:s}", "method_name", moon_methods[i]), on_registered);
		if (c)
			c->method = i;
	}
}

static void moon_macro_over(void *priv, bool is_film)
{
	struct moon *o = priv;

	o->held &= ~(1U << is_film);
	o->owed |= 1U << is_film;
	pay(o);
}

/* True: it was a macro's call. */
static bool take_macro(struct moon *o, const char *method, const json_t *params)
{
	struct event_macro *e = event_new_macro();

	if (!moon_macro_read(method, params, e)) {
		bus_event_unref(&e->head);
		return false;
	}
	TEXT_SET(e->printer, printer_config(o->printer)->id);
	if (e->waits)
		o->held |= 1U << (e->kind == MACRO_RENDER);
	bus_publish(printer_driver_env(o->printer)->bus, &e->head);
	return true;
}

static void on_listed(struct moon *o, struct call *c UNUSED, const json_t *result,
                      const json_t *error UNUSED)
{
	const json_t *list = json_object_get(result, "objects");

	if (!list)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(o->macros); i++) {
		const char *name = moon_macro_listed(list, i);

		text_copy(o->macros[i], sizeof(o->macros[i]), name ? name : "");
	}
	enable_macros(o);
	(void)ask(o, "printer.objects.subscribe",
	          json_pack("{s:o}", "objects", moon_report_want(&o->memory, list)), on_subscribed);
}

static void tell_klippy(struct moon *o, const char *condition, const char *message)
{
	struct printer_state *s = state(o);
	bool is_news = moon_report_klippy(&o->memory, condition, message, s);

	if (!text_equal(condition, "ready"))
		o->is_subscribed = false;
	if (is_news && s->print_error)
		printer_driver_notice(o->printer, s->print_error_text);
}

static void on_klipper(struct moon *o, struct call *c UNUSED, const json_t *result,
                       const json_t *error)
{
	const char *condition = reply_text(result, "state");
	struct printer_state *s = state(o);
	char why[200];

	if (error) {
		moon_read_error(reply_text(error, "message"), why, sizeof(why));
		tell_klippy(o, "disconnected", why);
		heard(o);
		return;
	}
	memset(s->firmware, 0, sizeof(s->firmware));
	TEXT_SET(s->firmware, reply_text(result, "software_version"));
	text_clean(s->firmware);
	if (!s->model[0])
		TEXT_SET(s->model, "Klipper");
	tell_klippy(o, condition, reply_text(result, "state_message"));
	if (text_equal(condition, "ready"))
		(void)ask(o, "printer.objects.list", NULL, on_listed);
	else
		heard(o);
}

static void on_info(struct moon *o, struct call *c UNUSED, const json_t *result,
                    const json_t *error UNUSED)
{
	if (!result)
		return;
	if (!json_is_true(json_object_get(result, "klippy_connected"))) {
		tell_klippy(o, "disconnected", "");
		heard(o);
		return;
	}
	if (!o->is_subscribed)
		ask_klipper(o);
	else
		heard(o);
}

static void ask_klipper(struct moon *o)
{
	(void)ask(o, "printer.info", NULL, on_klipper);
}

static void ask_info(struct moon *o)
{
	(void)ask(o, "server.info", NULL, on_info);
}

static void on_webcams(struct moon *o, struct call *c UNUSED, const json_t *result,
                       const json_t *error UNUSED)
{
	moon_read_webcam(json_object_get(result, "webcams"), &o->webcam);
	state(o)->camera_is_on = o->webcam.is_on;
	if (o->is_in)
		printer_driver_changed(o->printer);
}

static void on_metadata(struct moon *o, struct call *c UNUSED, const json_t *result,
                        const json_t *error UNUSED)
{
	if (result && text_equal(reply_text(result, "filename"), state(o)->job.file))
		moon_report_metadata(&o->memory, result, state(o));
}

static void ask_metadata(struct moon *o)
{
	const char *file = printer_state(o->printer)->job.file;

	if (!o->ws || !o->is_subscribed || !file[0] || text_equal(file, o->described))
		return;
	TEXT_SET(o->described, file);
	(void)ask(o, "server.files.metadata", json_pack("{s:s}", "filename", file), on_metadata);
}

/* ---- commands ---- */

static void finish_call(struct moon *o, struct call *c, enum printer_answer a, const char *reason)
{
	uint32_t ticket = c->ticket;

	*c = (struct call){ 0 };
	printer_driver_answer(o->printer, ticket, a, reason);
}

static void judge_calls(struct moon *o)
{
	for (size_t i = 0; i < MAX_CALLS; i++) {
		struct call *c = &o->calls[i];

		if (c->is_used && c->is_answered && reply_effect(state(o), c->kind) != 0)
			finish_call(o, c, PRINTER_ACKNOWLEDGED, "");
	}
}

/* Of the script: where the head has come to rest. */
static void on_position(struct moon *o, struct call *c, const json_t *result,
                        const json_t *error UNUSED)
{
	uint32_t ticket = c->ticket;

	if (json_object_get(result, "status")) {
		moon_report_status(&o->memory, json_object_get(result, "status"), state(o),
		                   now_us(o));
		printer_driver_heard(o->printer);
	}
	*c = (struct call){ 0 };
	printer_driver_answer(o->printer, ticket, PRINTER_ACKNOWLEDGED, "");
}

static void on_commanded(struct moon *o, struct call *c, const json_t *result UNUSED,
                         const json_t *error)
{
	char why[200], reason[230];

	if (error) {
		moon_read_error(reply_text(error, "message"), why, sizeof(why));
		(void)snprintf(reason, sizeof(reason), "Klipper says: %s", *why ? why : "no");
		finish_call(o, c, PRINTER_REFUSED, reason);
		return;
	}
	if (c->kind != PRINTER_SCRIPT) {
		c->is_answered = true;
		judge_calls(o);
		return;
	}

	uint32_t ticket = c->ticket;
	struct call *next;

	*c = (struct call){ 0 };
	next = ask(o, "printer.objects.query",
	           json_pack("{s:{s:[s], s:[s], s:[s]}}", "objects", "motion_report",
	                     "live_position", "gcode_move", "gcode_position", "toolhead",
	                     "homed_axes"),
	           on_position);
	if (next)
		next->ticket = ticket;
	else
		printer_driver_answer(o->printer, ticket, PRINTER_ACKNOWLEDGED, "");
}

static void moon_send(void *priv, const struct printer_command *c, uint32_t ticket)
{
	struct moon *o = priv;
	const char *method;
	json_t *params;
	struct err err = { 0 };
	struct call *call;
	int64_t limit_ms = EFFECT_MS;

	if (c->kind == PRINTER_REFRESH) {
		o->is_subscribed = false;
		ask_info(o);
		printer_driver_answer(o->printer, ticket, PRINTER_ACKNOWLEDGED, "");
		return;
	}
	if (moon_command_write(c, state(o), &o->memory, &method, &params, &err) < 0) {
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT, err.text);
		return;
	}
	call = ask(o, method, params, on_commanded);
	if (!call) {
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT,
		                      "too many commands are waiting for their answer");
		return;
	}
	if (c->kind == PRINTER_SCRIPT)
		limit_ms = c->timeout_ms > 0 ? c->timeout_ms : 10000;
	else
		printer_driver_wait(o->printer, ticket, EFFECT_MS);
	call->ticket = ticket;
	call->kind = c->kind;
	call->until_us = now_us(o) + limit_ms * 1000;
}

/* ---- the socket ---- */

static void take_notice(struct moon *o, const char *method, const json_t *params)
{
	const json_t *first = json_array_get(params, 0);

	if (text_equal(method, "notify_status_update")) {
		const json_t *hooks = json_object_get(first, "webhooks");

		if (!o->is_subscribed)
			return;
		moon_report_status(&o->memory, first, state(o), now_us(o));
		if (json_object_get(hooks, "state") &&
		    !text_equal(reply_text(hooks, "state"), "ready"))
			tell_klippy(o, reply_text(hooks, "state"),
			            reply_text(hooks, "state_message"));
	} else if (text_equal(method, "notify_klippy_ready") ||
	           text_equal(method, "notify_klippy_shutdown")) {
		o->is_subscribed = false;
		ask_klipper(o); /* it knows the reason */
	} else if (text_equal(method, "notify_klippy_disconnected")) {
		tell_klippy(o, "disconnected", "");
	} else if (text_equal(method, "notify_history_changed")) {
		moon_report_history(&o->memory, first);
	} else if (take_macro(o, method, params)) {
		return;
	} else if (text_equal(method, "notify_webcams_changed")) {
		(void)ask(o, "server.webcams.list", NULL, on_webcams);
	}
	if (o->is_in)
		heard(o);
}

static void on_ws_message(void *arg, const char *text, size_t size)
{
	struct moon *o = arg;
	json_t *j = json_loadb(text, size, 0, NULL);
	const char *method = json_string_value(json_object_get(j, "method"));

	if (method)
		take_notice(o, method, json_object_get(j, "params"));
	else if (j)
		take_answer(o, j);
	json_decref(j);
}

static void identify(struct moon *o, const char *type);

/* An older one knows no identify, and has judged the handshake; or it knows no agents. */
static void on_identified(struct moon *o, struct call *c UNUSED, const json_t *result,
                          const json_t *error)
{
	if (error && o->is_agent && !text_starts(reply_text(error, "message"), "Method not")) {
		o->is_agent = false;
		identify(o, "other");
		return;
	}
	o->is_agent &= result != NULL;
	register_methods(o);
	ask_info(o);
	(void)ask(o, "server.webcams.list", NULL, on_webcams);
}

static void identify(struct moon *o, const char *type)
{
	const struct printer_config *c = printer_config(o->printer);
	char id[ID_SIZE], name[ID_SIZE + 10];
	json_t *params;

	/* There is one agent of a name, and the connection before may still be known. */
	id_new(id, loop_wall_ms(printer_driver_env(o->printer)->loop));
	(void)snprintf(name, sizeof(name), "Bedside %s", id + strlen(id) - 6);
	params = json_pack("{s:s, s:s, s:s, s:s}", "client_name", name, "version", BEDSIDE_VERSION,
	                   "type", type, "url", "http://bedside.local");
	if (c->user[0] && o->auth[0])
		json_object_set_new(params, "access_token",
		                    json_string(o->auth + strlen("Authorization: Bearer ")));
	else if (secret_is_set(&c->access_code))
		json_object_set_new(params, "api_key", json_string(secret_peek(&c->access_code)));
	(void)ask(o, "server.connection.identify", params, on_identified);
}

static void on_ws_opened(void *arg)
{
	struct moon *o = arg;

	o->is_agent = true;
	o->registered = 0;
	identify(o, "agent");
}

static void on_ws_closed(void *arg, enum ws_end end, const struct err *why)
{
	struct moon *o = arg;

	if (end == WS_END_REFUSED &&
	    (ws_client_status(o->ws) == 401 || ws_client_status(o->ws) == 403))
		printer_driver_failed(o->printer, PRINTER_FAILURE_CODE, why);
	else
		printer_driver_fail_ws(o->printer, o->ws, end, why);
}

static void open_socket(struct moon *o, const char *token)
{
	const struct ws_client_events events = { on_ws_opened, on_ws_message, on_ws_closed, o };
	const char *const headers[] = { o->auth };
	char path[400];

	(void)snprintf(path, sizeof(path), "/websocket%s%.300s", *token ? "?token=" : "", token);
	/* A one-shot token stands for the login. */
	o->ws = printer_driver_ws(o->printer, path, headers, o->auth[0] && !*token ? 1 : 0,
	                          &events);
	secret_wipe(path, sizeof(path));
}

/* ---- the first questions, by HTTP ---- */

static bool ask_http(struct moon *o, const char *target, const char *body, rest_fn *done)
{
	const struct rest_question q = { .target = target, .body = body };

	return rest_ask(o->rest, &q, done, o);
}

bool moon_is_moonraker(const struct rest *r, const struct rest_answer *a, struct err *err)
{
	const json_t *result = json_object_get(a->json, "result");

	if (a->status == 404 || (a->status == 200 && !json_object_get(result, "klippy_state"))) {
		(void)err_set(err, -EPROTO,
		              "%s is no Moonraker%s%.60s%s. Is it the address of Moonraker (port "
		              "7125) or of Mainsail or Fluidd, or is it an OctoPrint or a "
		              "PrusaLink (then choose that driver)?",
		              rest_peer(r), a->server[0] ? " but '" : "", a->server,
		              a->server[0] ? "'" : "");
		return false;
	}
	return rest_is_fine(r, a, "Moonraker", err);
}

static void on_token(void *arg, const struct rest_answer *a)
{
	struct moon *o = arg;
	const char *token = json_string_value(json_object_get(a->json, "result"));

	if (fail_by(o, a))
		return;
	/* It is base32: anything else would not be one. */
	if (!token || strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "abcdefghijklmnopqrstuvwxyz0123456789-_=") != strlen(token))
		token = "";
	open_socket(o, token);
}

static void on_server(void *arg, const struct rest_answer *a)
{
	struct moon *o = arg;
	struct err err = { 0 };

	if (moon_is_moonraker(o->rest, a, &err)) {
		if (printer_config(o->printer)->user[0])
			(void)ask_http(o, "/access/oneshot_token", NULL, on_token);
		else
			open_socket(o, "");
	} else if (err.code == -EPROTO) {
		printer_driver_failed(o->printer, PRINTER_FAILURE_REFUSED, &err);
	} else {
		(void)fail_by(o, a);
	}
}

static void make_rest(struct moon *o)
{
	const char *const headers[] = { o->auth };

	rest_free(o->rest);
	o->rest = printer_driver_rest(o->printer, headers, o->auth[0] ? 1 : 0);
}

static bool is_token(const char *token)
{
	return *token && !strpbrk(token, "\r\n ") && strlen(token) <= 1000;
}

static void write_bearer(const char *token, char *dst, size_t size)
{
	log_hide(token);
	(void)snprintf(dst, size, "Authorization: Bearer %s", token);
}

static void take_bearer(struct moon *o, const char *token)
{
	write_bearer(token, o->auth, sizeof(o->auth));
	o->refreshed_us = now_us(o);
}

static bool moon_login_header(const json_t *answer, char *dst, size_t size)
{
	const char *token = reply_text(json_object_get(answer, "result"), "token");

	if (!is_token(token))
		return false;
	write_bearer(token, dst, size);
	return true;
}

static char *moon_login_body(const struct printer_config *c)
{
	json_t *j = json_pack("{s:s, s:s}", "username", c->user, "password",
	                      secret_peek(&c->access_code));
	char *body = j ? json_dumps(j, JSON_COMPACT) : NULL;

	json_decref(j);
	return body ? body : mem_str("{}");
}

static void on_login(void *arg, const struct rest_answer *a)
{
	struct moon *o = arg;
	const json_t *result = json_object_get(a->json, "result");
	struct rest_answer said = *a;

	/* It says 400 to a user or a password that is wrong. */
	if (a->status == 400)
		said.status = 401;
	if (fail_by(o, &said))
		return;
	if (!moon_login_header(a->json, o->auth, sizeof(o->auth))) {
		fail(o, PRINTER_FAILURE_REFUSED, -EPROTO,
		     "it is no Moonraker: it takes the login and gives no token");
		return;
	}
	TEXT_SET(o->refresh_token, reply_text(result, "refresh_token"));
	log_hide(o->refresh_token);
	o->refreshed_us = now_us(o);
	make_rest(o); /* `a` is gone */
	(void)ask_http(o, "/server/info", NULL, on_server);
}

static void ask_login(struct moon *o)
{
	char *body = moon_login_body(printer_config(o->printer));

	(void)ask_http(o, printer_driver_moonraker.login_target, body, on_login);
	secret_wipe(body, strlen(body));
	free(body);
}

static void on_refreshed(struct moon *o, struct call *c UNUSED, const json_t *result,
                         const json_t *error UNUSED)
{
	const char *token = reply_text(result, "token");

	if (is_token(token))
		take_bearer(o, token);
}

/* ---- life ---- */

static void on_poll(void *arg)
{
	struct moon *o = arg;

	for (size_t i = 0; i < MAX_CALLS; i++) {
		struct call *c = &o->calls[i];

		if (!c->is_used || now_us(o) < c->until_us)
			continue;
		if (!c->ticket && c->done != on_metadata && c->done != on_webcams &&
		    c->done != on_refreshed && c->done != on_scripted && c->done != on_paid &&
		    c->done != on_waits) {
			fail(o, PRINTER_FAILURE_LOST, -ETIMEDOUT,
			     "Moonraker does not answer a question");
			return;
		}
		*c = (struct call){ 0 }; /* nobody waits any more */
	}
	if (!o->ws || !ws_client_is_open(o->ws))
		return;
	if (o->refresh_token[0] && now_us(o) - o->refreshed_us >= REFRESH_US) {
		o->refreshed_us = now_us(o);
		(void)ask(o, "access.refresh_jwt",
		          json_pack("{s:s}", "refresh_token", o->refresh_token), on_refreshed);
	}
	if (o->is_in && !o->is_subscribed)
		ask_info(o);
	pay(o);
	if (o->is_agent && o->registered != (1U << MOON_N_METHODS) - 1 &&
	    now_us(o) - o->registered_us >= REGISTER_US)
		register_methods(o);
}

static void moon_open(void *priv)
{
	struct moon *o = priv;
	const struct printer_config *c = printer_config(o->printer);

	memset(o->auth, 0, sizeof(o->auth));
	if (!c->user[0] && secret_is_set(&c->access_code))
		(void)snprintf(o->auth, sizeof(o->auth), "X-Api-Key: %s",
		               secret_peek(&c->access_code));
	moon_memory_fini(&o->memory);
	o->memory = (struct moon_memory){ 0 };
	memset(o->described, 0, sizeof(o->described));
	o->is_in = o->is_subscribed = o->is_agent = false;
	memset(o->macros, 0, sizeof(o->macros));
	timer_start_every(&o->poll, POLL_MS);
	make_rest(o);
	if (c->user[0])
		ask_login(o);
	else
		(void)ask_http(o, "/server/info", NULL, on_server);
}

static void moon_close(void *priv)
{
	struct moon *o = priv;

	timer_stop(&o->poll);
	rest_free(o->rest);
	o->rest = NULL;
	ws_client_free(o->ws);
	o->ws = NULL;
	memset(o->calls, 0, sizeof(o->calls));
	secret_wipe(o->refresh_token, sizeof(o->refresh_token));
}

static void moon_nudge(void *priv)
{
	struct moon *o = priv;

	if (o->ws)
		ask_info(o);
}

static void moon_init(void *priv, struct printer *p)
{
	struct moon *o = priv;

	o->printer = p;
	o->download = download_new(p);
	timer_init(&o->poll, printer_driver_env(p)->loop, on_poll, o);
}

static void moon_fini(void *priv)
{
	struct moon *o = priv;

	download_free(o->download);
	moon_memory_fini(&o->memory);
	secret_wipe(o->auth, sizeof(o->auth));
}

static json_t *moon_raw(const void *priv)
{
	const struct moon *o = priv;

	return o->memory.status ? json_deep_copy(o->memory.status) : json_object();
}

static int moon_fetch_job(void *priv, const char *dest_path, const struct printer_fetch *f,
                          struct err *err)
{
	struct moon *o = priv;
	const struct printer_job *job = &printer_state(o->printer)->job;

	if (!job->file[0])
		return err_set(err, -ENOENT, "Klipper does not say which file is printed");

	auto_free char *path = fetch_escape_path(job->file);
	auto_free char *target = mem_printf("/server/files/gcodes/%s", path);

	return download_start(o->download, target, o->auth[0] ? o->auth : NULL, dest_path, f, err);
}

static void moon_fetch_cancel(void *priv)
{
	download_cancel(((struct moon *)priv)->download);
}

static bool moon_own_camera(const void *priv, struct camera_config *ret, const char **ret_why)
{
	const struct moon *o = priv;
	char page[600];

	moon_page_url(printer_config(o->printer)->url, page, sizeof(page));
	return reply_camera(o->printer, &o->webcam, page, ret, ret_why);
}

const struct printer_driver printer_driver_moonraker = {
	.name = "moonraker",
	.title = "Klipper (Moonraker)",
	.priv_size = sizeof(struct moon),
	.login = PRINTER_LOGIN_OPEN,
	.key_word = "key or login",
	.key_advice =
		"Enter Moonraker's API key (Mainsail and Fluidd show it in their settings), or "
		"a user and password of it, or list this computer under trusted_clients in "
		"moonraker.conf.",
	.refused_advice = "",
	.key_header = "X-Api-Key",
	.login_target = "/access/login",
	.login_body = moon_login_body,
	.login_header = moon_login_header,
	.probes = moon_probes,
	.n_probes = ARRAY_LEN(moon_probes),
	.init = moon_init,
	.fini = moon_fini,
	.open = moon_open,
	.close = moon_close,
	.nudge = moon_nudge,
	.send = moon_send,
	.raw = moon_raw,
	.fetch_job = moon_fetch_job,
	.fetch_cancel = moon_fetch_cancel,
	.own_camera = moon_own_camera,
	.macro_over = moon_macro_over,
};
