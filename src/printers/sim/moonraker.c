/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/moonraker.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "gcode/index.h"
#include "wire/http_server.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 250
#define DOWN_MS 2000
#define LATE_MS 3000
#define MAX_BODY 4096
#define TOKEN "simulated.web.token" /* of a login; base32 of a one-shot one is ONESHOT */
#define ONESHOT "SIMULATEDONESHOTTOKEN"

/* What it lets clients register, one bit each. */
static const char *const remote_methods[] = { "timelapse_newframe",   "timelapse_render",
	                                      "timelapse_saveFrames", "bedside_frame",
	                                      "bedside_cycle",        "bedside_render" };

struct client {
	struct moon_sim *sim;
	struct http_channel *channel; /* NULL once it is gone */
	bool is_let_in;
	unsigned methods; /* bit i: remote_methods[i] is its */
	json_t *wanted;   /* objects and their fields, of the subscription */
	struct client *prev, *next;
};

/* A script whose motion is not finished. */
struct script {
	struct moon_sim *sim;
	struct client *client;
	json_int_t id;
	struct timer timer;
	struct script *prev, *next;
};

struct moon_sim {
	struct loop *loop;
	struct sim_web_config config;
	struct work_pool *pool;
	struct http_server *server;
	struct client *clients;
	struct script *scripts;
	struct sim_print print;
	struct timer tick;
	const char *state; /* print_stats.state */
	const char *klippy;
	int64_t down_until_us, late_until_us;
	double head[3];
	bool is_enabled, is_taking, is_rendering; /* variables of its macros */
	bool is_parked, has_rendered;
	size_t framed; /* layers that a frame was asked for */
};

static int64_t now_us(const struct moon_sim *m)
{
	return loop_now_us(m->loop);
}

static bool is_ready(const struct moon_sim *m)
{
	return text_equal(m->klippy, "ready");
}

/* ---- the print ---- */

static void call_remote(struct moon_sim *m, const char *method, json_t *params);
static void notify(struct moon_sim *m, const char *method, json_t *params);

static bool is_job(const char *state)
{
	return text_equal(state, "printing") || text_equal(state, "paused");
}

static void set_state(struct moon_sim *m, const char *state)
{
	bool was_job = is_job(m->state);
	const char *how = text_equal(state, "printing")    ? "in_progress"
	                  : text_equal(state, "complete")  ? "completed"
	                  : text_equal(state, "cancelled") ? "cancelled"
	                                                   : "klippy_shutdown";

	m->state = state;
	if (was_job == is_job(state))
		return;
	notify(m, "notify_history_changed",
	       json_pack("[{s:s, s:{s:s, s:s, s:f}}]", "action", was_job ? "finished" : "added",
	                 "job", "filename", m->print.job->file, "status", how, "print_duration",
	                 m->print.done_s));
}

/* As the macros of a file for moonraker-timelapse: the print is paused until a variable is set. */
static void run_macros(struct moon_sim *m)
{
	size_t n = sim_print_layer(&m->print);
	bool is_printing = text_equal(m->state, "printing");

	if (!m->config.has_macros || !m->is_enabled)
		return;
	if (m->is_taking || m->is_rendering)
		return;
	if (text_equal(m->state, "paused") && m->is_parked) {
		m->is_parked = false;
		set_state(m, "printing");
	} else if (is_printing && n > m->framed) {
		m->framed = n;
		m->is_taking = m->is_parked = true;
		set_state(m, "paused");
		call_remote(m, "timelapse_newframe",
		            json_pack("{s:{s:b, s:s}, s:s}", "macropark", "enable", 1, "pos",
		                      "back_left", "hyperlapse", "False"));
	} else if (is_printing && !m->has_rendered && n == m->print.job->n_layers &&
	           m->print.done_s + 2 * m->config.speed > sim_print_end_s(&m->print)) {
		m->has_rendered = m->is_rendering = m->is_parked = true;
		set_state(m, "paused");
		call_remote(m, "timelapse_render", json_pack("{s:s}", "byrendermacro", "True"));
	}
}

static void set_variable(struct moon_sim *m, const char *line)
{
	if (strstr(line, "VARIABLE=enable VALUE=True"))
		m->is_enabled = true;
	else if (strstr(line, "VARIABLE=takingframe VALUE=False"))
		m->is_taking = false;
	else if (strstr(line, "VARIABLE=render VALUE=False"))
		m->is_rendering = false;
}

static void begin(struct moon_sim *m)
{
	m->framed = 0;
	m->has_rendered = m->is_taking = m->is_rendering = m->is_parked = false;
	sim_print_begin(&m->print, now_us(m));
	set_state(m, "printing");
}

static void go_on(struct moon_sim *m)
{
	bool is_printing = text_equal(m->state, "printing");

	m->print.runs = is_printing;
	if (sim_print_go_on(&m->print, now_us(m)))
		set_state(m, "complete");
	if (!is_printing)
		return; /* the head stays where a script has sent it */

	size_t n = sim_print_layer(&m->print);

	/* Else it is where it was sent. */
	if (n > 0 && m->print.runs)
		m->head[2] = (double)m->print.job->layers[n - 1].z_mm;
}

static const char *state_message(const struct moon_sim *m)
{
	return is_ready(m) ? "Printer is ready" : "MCU 'mcu' shutdown: Timer too close";
}

static json_t *status(const struct moon_sim *m)
{
	size_t n = sim_print_layer(&m->print);
	bool has_file = !text_equal(m->state, "standby");
	bool runs = is_job(m->state);
	double size = (double)m->print.job->index->n_bytes, at = (double)sim_print_byte(&m->print);
	json_t *info = m->config.is_special && has_file
	                       ? json_pack("{s:i, s:i}", "total_layer", (int)m->print.job->n_layers,
	                                   "current_layer", (int)n)
	                       : json_pack("{s:n, s:n}", "total_layer", "current_layer");
	json_t *j = json_pack(
		"{s:{s:s, s:s, s:s, s:f, s:o}, s:{s:f, s:I, s:I, s:b}}", "print_stats", "state",
		m->state, "filename", has_file ? m->print.job->file : "", "message", "",
		"print_duration", m->print.done_s, "info", info, "virtual_sdcard", "progress",
		runs ? at / size : 0.0, "file_position", runs ? (json_int_t)at : (json_int_t)0,
		"file_size", runs ? (json_int_t)size : (json_int_t)0, "is_active",
		text_equal(m->state, "printing"));
	double target = runs ? 210 : 0;

	json_object_set_new(
		j, "extruder",
		json_pack("{s:f, s:f}", "temperature", runs ? 209.8 : 24.0, "target", target));
	json_object_set_new(j, "heater_bed",
	                    json_pack("{s:f, s:f}", "temperature", runs ? 60.1 : 23.0, "target",
	                              runs ? 60.0 : 0.0));
	json_object_set_new(j, "fan", json_pack("{s:f}", "speed", runs ? 1.0 : 0.0));
	json_object_set_new(j, "motion_report",
	                    json_pack("{s:[f, f, f, f]}", "live_position", m->head[0], m->head[1],
	                              m->head[2], 0.0));
	json_object_set_new(j, "gcode_move",
	                    json_pack("{s:[f, f, f, f], s:f}", "gcode_position", m->head[0],
	                              m->head[1], m->head[2], 0.0, "speed_factor", 1.0));
	json_object_set_new(j, "toolhead",
	                    json_pack("{s:s, s:s, s:[f, f, f, f], s:[f, f, f, f]}", "homed_axes",
	                              "xyz", "extruder", "extruder", "axis_minimum", 0.0, 0.0, -2.0,
	                              0.0, "axis_maximum", 250.0, 250.0, 240.0, 0.0));
	json_object_set_new(j, "display_status", json_pack("{s:n}", "message"));
	json_object_set_new(
		j, "webhooks",
		json_pack("{s:s, s:s}", "state", m->klippy, "state_message", state_message(m)));
	json_object_set_new(
		j, "gcode_macro TIMELAPSE_TAKE_FRAME",
		json_pack("{s:b, s:b}", "enable", m->is_enabled, "takingframe", m->is_taking));
	json_object_set_new(j, "gcode_macro TIMELAPSE_RENDER",
	                    json_pack("{s:b}", "render", m->is_rendering));
	return j;
}

/* Of it what is wanted: {"fan": null, "toolhead": ["homed_axes"]}. */
static json_t *pick(const struct moon_sim *m, json_t *wanted)
{
	json_t *all = status(m), *picked = json_object(), *fields, *field;
	const char *name;
	size_t i;

	json_object_foreach(wanted, name, fields)
	{
		json_t *o = json_object_get(all, name), *part;

		if (!o)
			continue;
		part = json_is_array(fields) ? json_object() : json_incref(o);
		json_array_foreach(fields, i, field)
		{
			const char *key = json_string_value(field);

			if (key && json_object_get(o, key))
				json_object_set(part, key, json_object_get(o, key));
		}
		json_object_set_new(picked, name, part);
	}
	json_decref(all);
	return picked;
}

/* ---- talking ---- */

static void say_text(struct client *c, const char *text)
{
	struct http_bytes *b = http_bytes_new(text, strlen(text));

	if (c->channel)
		http_channel_send_text(c->channel, "", 0, b);
	http_bytes_unref(b);
}

static void say(struct client *c, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);

	say_text(c, text ? text : "{}");
	free(text);
	json_decref(j);
}

static void notify(struct moon_sim *m, const char *method, json_t *params)
{
	json_t *j =
		json_pack("{s:s, s:s, s:o*}", "jsonrpc", "2.0", "method", method, "params", params);
	char *text = json_dumps(j, JSON_COMPACT);
	struct client *c;

	json_decref(j);
	DL_FOREACH(m->clients, c)
	{
		if (text && c->is_let_in)
			say_text(c, text);
	}
	free(text);
}

/* What a macro calls goes to whoever registered it. */
static void call_remote(struct moon_sim *m, const char *method, json_t *params)
{
	struct client *c;

	DL_FOREACH(m->clients, c)
	{
		for (size_t i = 0; i < ARRAY_LEN(remote_methods); i++) {
			if ((c->methods & 1U << i) && text_equal(remote_methods[i], method))
				say(c, json_pack("{s:s, s:s, s:O}", "jsonrpc", "2.0", "method",
				                 method, "params", params));
		}
	}
	json_decref(params);
}

static void answer(struct client *c, json_int_t id, json_t *result)
{
	say(c, json_pack("{s:s, s:I, s:o}", "jsonrpc", "2.0", "id", id, "result", result));
}

static void refuse(struct client *c, json_int_t id, int code, const char *message)
{
	say(c, json_pack("{s:s, s:I, s:{s:i, s:s}}", "jsonrpc", "2.0", "id", id, "error", "code",
	                 code, "message", message));
}

static json_t *server_info(const struct moon_sim *m)
{
	return json_pack("{s:b, s:s, s:s, s:[], s:[i, i, i]}", "klippy_connected", 1,
	                 "klippy_state", m->klippy, "moonraker_version", "v0.9.3-sim", "warnings",
	                 "api_version", 1, 5, 0);
}

static json_t *printer_info(const struct moon_sim *m)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "state", m->klippy, "state_message",
	                 state_message(m), "hostname", "simulated", "software_version",
	                 "v0.12.0-sim");
}

static json_t *webcams(void)
{
	return json_pack("{s:[]}", "webcams");
}

/* ---- scripts ---- */

static void script_done(void *arg)
{
	struct script *s = arg;

	DL_DELETE(s->sim->scripts, s);
	if (s->client)
		answer(s->client, s->id, json_string("ok"));
	free(s);
}

/* Lines that are macros: those of `bedside klipper-macros`, and what sets their variables. */
static void run_lines(struct moon_sim *m, const char *text)
{
	double every;

	if (text_starts(text, "SET_GCODE_VARIABLE"))
		set_variable(m, text);
	else if (text_starts(text, "TIMELAPSE_TAKE_FRAME"))
		call_remote(m, "bedside_frame", json_pack("{s:s}", "waits", "False"));
	else if (text_starts(text, "HYPERLAPSE ACTION=START CYCLE=") &&
	         text_to_double(text + strlen("HYPERLAPSE ACTION=START CYCLE="), &every))
		call_remote(m, "bedside_cycle", json_pack("{s:f}", "every", every));
	else if (text_starts(text, "HYPERLAPSE ACTION=STOP"))
		call_remote(m, "bedside_cycle", json_pack("{s:i}", "every", 0));
}

static void register_method(struct client *c, json_int_t id, const json_t *params)
{
	const char *name = json_string_value(json_object_get(params, "method_name"));

	for (size_t i = 0; i < ARRAY_LEN(remote_methods); i++) {
		if (!text_equal(name, remote_methods[i]))
			continue;
		c->methods |= 1U << i;
		answer(c, id, json_string("ok"));
		return;
	}
	refuse(c, id, 400, "No such method is known here");
}

static void run_script(struct client *c, json_int_t id, const json_t *params)
{
	const char *text = json_string_value(json_object_get(params, "script"));
	struct script *s;
	double seconds;

	if (!text || !is_ready(c->sim)) {
		refuse(c, id, 400, text ? "Klippy Host not ready" : "Missing Argument [script]");
		return;
	}
	run_lines(c->sim, text);
	seconds = sim_move(c->sim->head, text);
	if (seconds < 0) {
		refuse(c, id, 400, "Move out of range");
		return;
	}
	s = MEM_NEW(struct script);
	s->sim = c->sim;
	s->client = c;
	s->id = id;
	timer_init(&s->timer, c->sim->loop, script_done, s);
	DL_APPEND(c->sim->scripts, s);
	timer_start(&s->timer, (int64_t)(seconds * 1000));
}

/* ---- calls ---- */

static void command_print(struct client *c, json_int_t id, const char *what, const json_t *params)
{
	struct moon_sim *m = c->sim;
	const char *file = json_string_value(json_object_get(params, "filename"));
	bool is_printing = text_equal(m->state, "printing");

	if (text_equal(what, "start") &&
	    (is_job(m->state) || !text_equal(file, m->print.job->file))) {
		refuse(c, id, 400, is_job(m->state) ? "SD busy" : "Unable to open file");
		return;
	}
	/* What it is already, or can not be, is said in the console only. */
	if (text_equal(what, "start"))
		begin(m);
	else if (text_equal(what, "pause") && is_printing)
		set_state(m, "paused");
	else if (text_equal(what, "resume") && text_equal(m->state, "paused"))
		set_state(m, "printing");
	else if (text_equal(what, "cancel") && is_job(m->state))
		set_state(m, "cancelled");
	answer(c, id, json_string("ok"));
}

static void restart(struct moon_sim *m)
{
	notify(m, "notify_klippy_disconnected", NULL);
	m->klippy = "ready";
	set_state(m, "standby");
	notify(m, "notify_klippy_ready", NULL);
}

static void call_klipper(struct client *c, json_int_t id, const char *method, const json_t *params)
{
	struct moon_sim *m = c->sim;

	if (text_equal(method, "printer.firmware_restart")) {
		answer(c, id, json_string("ok"));
		restart(m);
	} else if (text_equal(method, "printer.info")) {
		answer(c, id, printer_info(m));
	} else if (text_equal(method, "printer.objects.list")) {
		json_t *all = status(m), *names = json_array(), *v;
		const char *name;

		json_object_foreach(all, name, v) json_array_append_new(names, json_string(name));
		json_decref(all);
		answer(c, id, json_pack("{s:o}", "objects", names));
	} else if (text_starts(method, "printer.objects.")) {
		json_t *wanted = json_object_get(params, "objects");

		if (text_equal(method, "printer.objects.subscribe")) {
			json_decref(c->wanted);
			c->wanted = json_incref(wanted);
		}
		answer(c, id, json_pack("{s:f, s:o}", "eventtime", 1.0, "status", pick(m, wanted)));
	} else if (text_equal(method, "printer.gcode.script")) {
		run_script(c, id, params);
	} else if (text_starts(method, "printer.print.") && !is_ready(m)) {
		refuse(c, id, 400, "Klippy Host not ready");
	} else if (text_starts(method, "printer.print.")) {
		command_print(c, id, method + strlen("printer.print."), params);
	} else {
		refuse(c, id, -32601, "Method not found");
	}
}

static void identify(struct client *c, json_int_t id, const json_t *params)
{
	const struct sim_web_config *config = &c->sim->config;
	const char *key = json_string_value(json_object_get(params, "api_key"));
	const char *token = json_string_value(json_object_get(params, "access_token"));

	c->is_let_in |= (!config->key && !config->user) || (key && text_equal(key, config->key)) ||
	                (token && config->user && text_equal(token, TOKEN));
	if (c->is_let_in)
		answer(c, id, json_pack("{s:i}", "connection_id", 1));
	else
		refuse(c, id, -32602, key ? "Invalid API Key" : "Unauthorized");
}

static void tell_metadata(struct client *c, json_int_t id, const char *file)
{
	const struct sim_job *job = c->sim->print.job;

	if (text_equal(file, job->file))
		answer(c, id,
		       json_pack("{s:s, s:f, s:f, s:I}", "filename", job->file, "estimated_time",
		                 job->layers[job->n_layers].at_s, "nozzle_diameter", 0.4, "size",
		                 (json_int_t)job->index->n_bytes));
	else
		refuse(c, id, -32601, "Metadata not available for it");
}

static void call(struct client *c, json_int_t id, const char *method, const json_t *params)
{
	struct moon_sim *m = c->sim;

	if (text_equal(method, "server.connection.identify"))
		identify(c, id, params);
	else if (!c->is_let_in)
		refuse(c, id, -32602, "Unauthorized");
	else if (text_equal(method, "connection.register_remote_method"))
		register_method(c, id, params);
	else if (text_equal(method, "server.info"))
		answer(c, id, server_info(m));
	else if (text_equal(method, "server.webcams.list"))
		answer(c, id, webcams());
	else if (text_equal(method, "access.oneshot_token"))
		answer(c, id, json_string(ONESHOT));
	else if (text_equal(method, "access.refresh_jwt"))
		answer(c, id, json_pack("{s:s, s:s}", "username", m->config.user, "token", TOKEN));
	else if (text_equal(method, "server.files.metadata"))
		tell_metadata(c, id, json_string_value(json_object_get(params, "filename")));
	else
		call_klipper(c, id, method, params);
}

static void on_message(void *arg, const char *text, size_t size)
{
	struct client *c = arg;
	json_t *j = json_loadb(text, size, 0, NULL);
	const char *method = json_string_value(json_object_get(j, "method"));

	if (method)
		call(c, json_integer_value(json_object_get(j, "id")), method,
		     json_object_get(j, "params"));
	json_decref(j);
}

static void forget(struct client *c)
{
	struct script *s;

	DL_FOREACH(c->sim->scripts, s)
	{
		if (s->client == c)
			s->client = NULL;
	}
	DL_DELETE(c->sim->clients, c);
	json_decref(c->wanted);
	free(c);
}

static void on_closed(void *arg)
{
	forget(arg);
}

/* ---- HTTP ---- */

static void reply_error(struct http_request *r, int code, const char *message)
{
	sim_reply(r, code, json_pack("{s:{s:i, s:s}}", "error", "code", code, "message", message));
}

static bool has_key(const struct moon_sim *m, const struct http_head *h)
{
	bool is_one_shot = text_equal(h->path, "/websocket") && m->config.user &&
	                   strstr(h->query, "token=" ONESHOT);

	const char *key = sim_header(h, "X-Api-Key"), *login = sim_header(h, "Authorization");

	if (is_one_shot || !key)
		return is_one_shot || (m->config.user && text_equal(login, "Bearer " TOKEN));
	return text_equal(key, m->config.key);
}

static void log_in(const struct moon_sim *m, struct http_request *r)
{
	size_t size;
	const char *body = http_request_body(r, &size);
	json_t *j = json_loadb(body, size, 0, NULL);
	const char *user = json_string_value(json_object_get(j, "username"));
	const char *password = json_string_value(json_object_get(j, "password"));

	if (m->config.user && text_equal(user, m->config.user) &&
	    text_equal(password, m->config.password))
		sim_reply(r, 200,
		          json_pack("{s:{s:s, s:s, s:s}}", "result", "username", user, "token",
		                    TOKEN, "refresh_token", TOKEN));
	else
		reply_error(r, 400, "Invalid Password");
	json_decref(j);
}

static void open_socket(struct moon_sim *m, struct http_request *r, bool is_let_in)
{
	struct client *c = MEM_NEW(struct client);
	const struct http_channel_events ev = { .message = on_message,
		                                .closed = on_closed,
		                                .arg = c };

	c->sim = m;
	c->is_let_in = is_let_in;
	DL_APPEND(m->clients, c);
	c->channel = http_reply_websocket(r, &ev);
	if (!c->channel)
		forget(c);
}

static void asked(void *arg, struct http_request *r)
{
	struct moon_sim *m = arg;
	const struct http_head *h = http_request_head(r);
	bool is_let_in = (!m->config.key && !m->config.user) || has_key(m, h);
	const struct http_reply file = { .status = 200, .type = "text/plain" };

	if (now_us(m) < m->down_until_us)
		reply_error(r, 502, "Bad Gateway");
	else if (text_equal(h->path, "/websocket") && h->wants_websocket)
		open_socket(m, r, is_let_in);
	else if (text_equal(h->path, "/access/login"))
		log_in(m, r);
	else if (!is_let_in)
		reply_error(r, 401, "Unauthorized");
	else if (text_equal(h->path, "/access/oneshot_token"))
		sim_reply(r, 200, json_pack("{s:s}", "result", ONESHOT));
	else if (text_equal(h->path, "/server/info"))
		sim_reply(r, 200, json_pack("{s:o}", "result", server_info(m)));
	else if (text_equal(h->path, "/printer/info"))
		sim_reply(r, 200, json_pack("{s:o}", "result", printer_info(m)));
	else if (text_equal(h->path, "/server/webcams/list"))
		sim_reply(r, 200, json_pack("{s:o}", "result", webcams()));
	else if (text_starts(h->path, "/server/files/gcodes/") &&
	         text_equal(h->path + strlen("/server/files/gcodes/"), m->print.job->file))
		http_reply_file(r, &file, m->config.file, "{}");
	else
		reply_error(r, 404, "Not Found");
}

static size_t body_limit(void *arg UNUSED, const struct http_request *r UNUSED)
{
	return MAX_BODY;
}

/* ---- faults and time ---- */

static void drop(struct moon_sim *m)
{
	struct client *c, *next;

	m->down_until_us = now_us(m) + DOWN_MS * 1000LL;
	DL_FOREACH_SAFE(m->clients, c, next)
	{
		http_channel_end(c->channel);
		forget(c);
	}
	m->clients = NULL; /* each took itself out: for the analyser */
}

static void fail(struct moon_sim *m, enum moon_sim_fault f)
{
	switch (f) {
	case MOON_SIM_DROP:
		drop(m);
		return;
	case MOON_SIM_SHUTDOWN:
		m->klippy = "shutdown";
		set_state(m, "error");
		notify(m, "notify_klippy_shutdown", NULL);
		return;
	case MOON_SIM_LATE:
		m->late_until_us = now_us(m) + LATE_MS * 1000LL;
		return;
	case MOON_SIM_FAULT_N:
		return;
	}
}

static void on_tick(void *arg)
{
	struct moon_sim *m = arg;
	struct client *c;
	int fault;

	go_on(m);
	run_macros(m);
	while ((fault = sim_print_fault(&m->print, m->config.fault_s, now_us(m))) >= 0)
		fail(m, (enum moon_sim_fault)fault);
	if (now_us(m) < m->late_until_us)
		return;
	DL_FOREACH(m->clients, c)
	{
		if (c->wanted)
			say(c,
			    json_pack("{s:s, s:s, s:[o, f]}", "jsonrpc", "2.0", "method",
			              "notify_status_update", "params", pick(m, c->wanted), 1.0));
	}
}

int moon_sim_start(struct loop *l, const struct sim_web_config *c, struct moon_sim **ret,
                   struct err *err)
{
	struct moon_sim *m = MEM_NEW(struct moon_sim);
	struct http_server_config server = { .address = c->address ? c->address : "127.0.0.1",
		                             .port = c->port,
		                             .body_limit = body_limit,
		                             .asked = asked,
		                             .arg = m };
	int rc = sim_job_load(c->file, 0, &m->print.job, err);

	m->loop = l;
	m->config = *c;
	m->state = "standby";
	m->klippy = "ready";
	m->print.speed = c->speed;
	m->print.at_us = now_us(m);
	timer_init(&m->tick, l, on_tick, m);
	m->pool = server.pool = work_pool_new(l, "files", 1);
	if (rc == 0)
		rc = http_server_new(l, &server, &m->server, err);
	if (rc < 0) {
		moon_sim_stop(m);
		return rc;
	}
	if (c->begins)
		begin(m);
	timer_start_every(&m->tick, TICK_MS);
	*ret = m;
	return 0;
}

void moon_sim_stop(struct moon_sim *m)
{
	struct script *s, *next;

	if (!m)
		return;
	timer_stop(&m->tick);
	if (m->server)
		http_server_free(m->server);
	DL_FOREACH_SAFE(m->scripts, s, next)
	{
		timer_stop(&s->timer);
		free(s);
	}
	work_pool_free(m->pool);
	if (m->print.job)
		sim_job_unref(m->print.job);
	free(m);
}

uint16_t moon_sim_port(const struct moon_sim *m)
{
	return http_server_port(m->server);
}
