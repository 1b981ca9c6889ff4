/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/octoprint/link.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/log.h"
#include "printers/download.h"
#include "printers/octoprint/command.h"
#include "printers/octoprint/probe.h"
#include "printers/reply.h"
#include "wire/fetch.h"
#include "wire/ws_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MS 5000
#define SILENCE_US 15000000LL /* then it is asked */
#define CHECK_US 60000000LL   /* a key that was revoked shows in no push */
#define MAX_MISSED 2

static const struct printer_capability_of {
	const char *permission;
	unsigned bits;
} capabilities[] = {
	{ "PRINT", PRINTER_CAN_PAUSE },
	{ "CONTROL", PRINTER_CAN_HEAT | PRINTER_CAN_FANS | PRINTER_CAN_HOME | PRINTER_CAN_GCODE |
	                     PRINTER_CAN_SCRIPT },
	{ "FILES_SELECT", PRINTER_CAN_START },
	{ "FILES_DOWNLOAD", PRINTER_CAN_FETCH_JOB },
	{ "CONNECTION", PRINTER_CAN_CLEAR_ERROR },
};

static int64_t now_us(const struct octo *o)
{
	return loop_now_us(printer_driver_env(o->printer)->loop);
}

/* ---- the end of a connection ---- */

void octo_fail(struct octo *o, enum printer_failure why, const struct err *err)
{
	printer_driver_failed(o->printer, why, err);
}

bool octo_fail_by(struct octo *o, const struct rest_answer *a)
{
	return printer_driver_fail_by(o->printer, o->rest, a, "OctoPrint", o->has_polled);
}

/* ---- what is heard ---- */

static void tell_trouble(struct octo *o)
{
	struct printer_state *s = printer_driver_state(o->printer);
	const char *why = o->memory.trouble;

	s->print_error = o->memory.is_connected ? 0 : 1;
	memset(s->print_error_code, 0, sizeof(s->print_error_code));
	memset(s->print_error_text, 0, sizeof(s->print_error_text));
	if (o->memory.is_connected) {
		o->is_trouble_told = false;
		return;
	}
	TEXT_SET(s->print_error_code, "offline");
	(void)snprintf(s->print_error_text, sizeof(s->print_error_text),
	               "OctoPrint has no connection to its printer (%.120s). Is the printer "
	               "switched on? Then press Connect in OctoPrint.",
	               *why ? why : "offline");
	if (!o->is_trouble_told)
		printer_driver_notice(o->printer, s->print_error_text);
	o->is_trouble_told = true;
}

static void heard(struct octo *o)
{
	o->heard_us = now_us(o);
	o->n_missed = 0;
	if (o->memory.has_state)
		tell_trouble(o);
	printer_driver_heard(o->printer);
	octo_judge(o);
}

/* ---- the push socket ---- */

static void say(struct octo *o, json_t *j)
{
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	if (text)
		(void)ws_client_send(o->ws, text, strlen(text));
	if (text)
		secret_wipe(text, strlen(text));
}

static void authenticate(struct octo *o)
{
	char login[sizeof(o->user) + sizeof(o->session) + 2];

	if (o->is_old || !o->session[0])
		return;
	(void)snprintf(login, sizeof(login), "%s:%s", o->user, o->session);
	say(o, json_pack("{s:s}", "auth", login));
	secret_wipe(login, sizeof(login));
}

static void on_ws_opened(void *arg)
{
	struct octo *o = arg;

	/* Before the login, so that nothing else is sent once it is accepted. Of the log only the
	 * lines that answer a script. */
	say(o,
	    json_pack("{s:{s:{s:s, s:b}, s:[], s:[s, s, s, s, s, s, s, s]}}", "subscribe", "state",
	              "logs", "^Send: .*M(400|114)|^Recv: (ok )?X:", "messages", 0, "plugins",
	              "events", "ZChange", "PositionUpdate", "PrintStarted", "PrintDone",
	              "PrintCancelled", "PrintFailed", "PrintPaused", "FilamentChange"));
	authenticate(o);
	say(o, json_pack("{s:i}", "throttle", 1));
}

static void ask_login(struct octo *o);

static void on_ws_message(void *arg, const char *text, size_t size)
{
	struct octo *o = arg;
	json_t *j = json_loadb(text, size, 0, NULL);
	json_t *current = json_object_get(j, "current");
	enum octo_kind kind =
		octo_report_push(&o->memory, j, printer_driver_state(o->printer), now_us(o));

	if (current) {
		json_decref(o->last);
		o->last = json_incref(current);
	}
	json_decref(j);
	switch (kind) {
	case OCTO_REAUTH:
		o->session[0] = '\0';
		ask_login(o);
		return;
	case OCTO_CONNECTED:
	case OCTO_CURRENT:
	case OCTO_EVENT:
	case OCTO_OTHER:
		heard(o);
		return;
	}
}

static void on_ws_closed(void *arg, enum ws_end end, const struct err *why)
{
	struct octo *o = arg;

	printer_driver_fail_ws(o->printer, o->ws, end, why);
}

static void open_push(struct octo *o)
{
	const struct ws_client_events events = { on_ws_opened, on_ws_message, on_ws_closed, o };

	o->ws = printer_driver_ws(o->printer, "/sockjs/websocket", NULL, 0, &events);
}

/* ---- asking ---- */

static bool ask(struct octo *o, const char *target, const char *body, rest_fn *done)
{
	const struct rest_question q = { .target = target, .body = body };

	return rest_ask(o->rest, &q, done, o);
}

static void on_printer(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;

	/* 409: OctoPrint is there, its printer is not. */
	if (a->status != 409 && octo_fail_by(o, a))
		return;
	octo_report_polled(&o->memory, o->job, a->status == 409 ? NULL : a->json,
	                   printer_driver_state(o->printer));
	json_decref(o->job);
	o->job = NULL;
	o->has_polled = true;
	heard(o);
	if (!o->ws)
		open_push(o);
}

static void on_job(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;

	if (a->err.code == -ETIMEDOUT && o->has_polled && ++o->n_missed < MAX_MISSED)
		return;
	if (octo_fail_by(o, a))
		return;
	json_decref(o->job);
	o->job = json_incref(a->json);
	(void)ask(o, "/api/printer?exclude=sd,storage", NULL, on_printer);
}

static void ask_state(struct octo *o)
{
	o->checked_us = now_us(o);
	(void)ask(o, "/api/job", NULL, on_job);
}

static void on_poll(void *arg)
{
	struct octo *o = arg;

	octo_judge(o);
	if (!o->has_polled || rest_waiting(o->rest) > 0)
		return;
	if (now_us(o) - MAX(o->heard_us, o->checked_us) >= SILENCE_US ||
	    now_us(o) - o->checked_us >= CHECK_US)
		ask_state(o);
}

/* What this key may not see is left out. */
static void on_profiles(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;

	if (a->status == 200 && a->json)
		octo_report_profile(&o->memory, a->json, printer_driver_state(o->printer));
	ask_state(o);
}

static void on_settings(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;
	struct printer_state *s = printer_driver_state(o->printer);

	if (a->status == 200 && a->json)
		octo_read_webcam(a->json, &o->webcam);
	s->camera_is_on = o->webcam.is_on && (o->webcam.stream[0] || o->webcam.snapshot[0]);
	(void)ask(o, "/api/printerprofiles", NULL, on_profiles);
}

static bool has_permission(const json_t *list, const char *name)
{
	size_t i;
	const json_t *v;

	json_array_foreach(list, i, v)
	{
		if (text_equal(json_string_value(v), name) ||
		    text_equal(json_string_value(v), "ADMIN"))
			return true;
	}
	return false;
}

static void on_user(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;
	struct printer_state *s = printer_driver_state(o->printer);
	const json_t *list = json_object_get(a->json, "permissions");
	struct err err = { 0 };

	if (json_is_array(list) && !has_permission(list, "STATUS")) {
		(void)err_set(&err, -EACCES,
		              "the user of this API key may not see the state of the printer: give "
		              "it a group that may, in OctoPrint's settings");
		octo_fail(o, PRINTER_FAILURE_REFUSED, &err);
		return;
	}
	s->capabilities = PRINTER_CAN_POSITION;
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++) {
		if (!json_is_array(list) || has_permission(list, capabilities[i].permission))
			s->capabilities |= capabilities[i].bits;
	}
	(void)ask(o, "/api/settings", NULL, on_settings);
}

static void take_login(struct octo *o, const json_t *j)
{
	const char *user = json_string_value(json_object_get(j, "name"));
	const char *session = json_string_value(json_object_get(j, "session"));

	TEXT_SET(o->user, user ? user : "");
	TEXT_SET(o->session, session ? session : "");
	log_hide(o->session);
}

static void on_login(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;
	struct rest_answer said = *a;

	/* 400: a key that is none falls back to cookies, which want more than a key. */
	if (a->status == 400)
		said.status = 403;
	o->is_old = a->status == 404;
	if (!o->is_old && octo_fail_by(o, &said))
		return;
	take_login(o, a->json);
	if (o->ws) /* again, because the socket asked for it */
		authenticate(o);
	else
		(void)ask(o, "/api/currentuser", NULL, on_user);
}

static void ask_login(struct octo *o)
{
	(void)ask(o, "/api/login", "{\"passive\":true}", on_login);
}

/* PrusaLink and Moonraker answer here as well, as if they were OctoPrint. */
static bool is_octoprint(struct octo *o, const char *text)
{
	struct err err = { 0 };

	if (reply_is(text, "OctoPrint", &err))
		return true;
	octo_fail(o, PRINTER_FAILURE_REFUSED, &err);
	return false;
}

static void on_version(void *arg, const struct rest_answer *a)
{
	struct octo *o = arg;
	const char *text = json_string_value(json_object_get(a->json, "text"));
	const char *version = json_string_value(json_object_get(a->json, "server"));
	struct printer_state *s = printer_driver_state(o->printer);

	if (octo_fail_by(o, a) || !is_octoprint(o, text ? text : ""))
		return;
	memset(s->firmware, 0, sizeof(s->firmware));
	TEXT_SET(s->firmware, version ? version : "");
	text_clean(s->firmware);
	ask_login(o);
}

/* ---- life ---- */

static void octo_open(void *priv)
{
	struct octo *o = priv;
	/* Without it 2.0 answers as 1.x did, and says "sdcard"; 1.x does not look at it. */
	const char *const headers[] = { o->key_header, "X-OctoPrint-Api-Version: 2.0.0" };

	o->rest = printer_driver_rest(o->printer, headers, ARRAY_LEN(headers));
	o->memory = (struct octo_memory){ .n_positions = o->memory.n_positions };
	o->has_polled = false;
	o->n_missed = 0;
	o->heard_us = o->checked_us = now_us(o);
	timer_start_every(&o->poll, POLL_MS);
	(void)ask(o, "/api/version", NULL, on_version);
}

static void octo_close(void *priv)
{
	struct octo *o = priv;

	timer_stop(&o->poll);
	rest_free(o->rest);
	o->rest = NULL;
	ws_client_free(o->ws);
	o->ws = NULL;
	json_decref(o->job);
	o->job = NULL;
	secret_wipe(o->session, sizeof(o->session));
	memset(o->asked, 0, sizeof(o->asked));
}

static void octo_nudge(void *priv)
{
	struct octo *o = priv;

	if (o->has_polled && rest_waiting(o->rest) == 0)
		ask_state(o);
}

static void octo_send_command(void *priv, const struct printer_command *c, uint32_t ticket)
{
	struct octo *o = priv;

	if (c->kind == PRINTER_REFRESH) {
		ask_state(o);
		printer_driver_answer(o->printer, ticket, PRINTER_ACKNOWLEDGED, "");
		return;
	}
	octo_send(o, c, ticket);
}

static void octo_init(void *priv, struct printer *p)
{
	struct octo *o = priv;

	o->printer = p;
	(void)snprintf(o->key_header, sizeof(o->key_header), "X-Api-Key: %s",
	               secret_peek(&printer_config(p)->access_code));
	o->download = download_new(p);
	timer_init(&o->poll, printer_driver_env(p)->loop, on_poll, o);
}

static void octo_fini(void *priv)
{
	struct octo *o = priv;

	download_free(o->download);
	json_decref(o->last);
	secret_wipe(o->key_header, sizeof(o->key_header));
}

static json_t *octo_raw(const void *priv)
{
	const struct octo *o = priv;

	return o->last ? json_deep_copy(o->last) : json_object();
}

static int octo_fetch_job(void *priv, const char *dest_path, const struct printer_fetch *f,
                          struct err *err)
{
	struct octo *o = priv;
	const struct printer_job *job = &printer_state(o->printer)->job;

	if (!job->file[0])
		return err_set(err, -ENOENT, "OctoPrint does not say which file is printed");
	if (!job->is_streamed)
		return err_set(err, -ENOENT,
		               "'%.100s' lies on the printer's own card: OctoPrint cannot give it",
		               job->file);

	auto_free char *path = fetch_escape_path(job->file);
	auto_free char *target = mem_printf("/downloads/files/local/%s", path);

	return download_start(o->download, target, o->key_header, dest_path, f, err);
}

static void octo_fetch_cancel(void *priv)
{
	download_cancel(((struct octo *)priv)->download);
}

static bool octo_own_camera(const void *priv, struct camera_config *ret, const char **ret_why)
{
	const struct octo *o = priv;

	return reply_camera(o->printer, &o->webcam, printer_config(o->printer)->url, ret, ret_why);
}

const struct printer_driver printer_driver_octoprint = {
	.name = "octoprint",
	.title = "OctoPrint",
	.priv_size = sizeof(struct octo),
	.login = PRINTER_LOGIN_KEY,
	.key_word = "API key",
	.key_advice = "Run 'bedside pair' with its address, or make a key in OctoPrint's settings "
		      "under Application Keys and enter it here; one that was revoked stays so.",
	.refused_advice = "",
	.key_header = "X-Api-Key",
	.probes = octo_probes,
	.n_probes = ARRAY_LEN(octo_probes),
	.init = octo_init,
	.fini = octo_fini,
	.open = octo_open,
	.close = octo_close,
	.nudge = octo_nudge,
	.send = octo_send_command,
	.raw = octo_raw,
	.fetch_job = octo_fetch_job,
	.fetch_cancel = octo_fetch_cancel,
	.own_camera = octo_own_camera,
};
