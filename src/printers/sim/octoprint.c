/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/octoprint.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "gcode/index.h"
#include "wire/http_server.h"

#include <errno.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define TICK_MS 250
#define PUSH_US 500000 /* times the client's throttle */
#define DOWN_US 2000000
#define LATE_US 3000000
#define GRANT_US 2000000
#define MAX_BODY 65536
#define MAX_LINES 500 /* of scripts, that wait */
#define MAX_PATTERN 200
#define USER "simulated"
#define TOKEN "SIMULATEDAPPTOKEN"
#define NOT_FOUND                                                                                \
	"The requested URL was not found on the server. If you entered the URL manually please " \
	"check your spelling and try again."
#define FORBIDDEN                                                                       \
	"You don't have the permission to access the requested resource. It is either " \
	"read-protected or not readable by the server."

struct client {
	struct octo_sim *sim;
	struct http_channel *channel; /* NULL once it is gone */
	bool is_let_in, has_history;
	json_t *events; /* names; NULL: all, an empty list: none */
	bool has_state; /* wanted */
	bool has_logs, has_filter;
	regex_t filter; /* of the log; has_filter */
	int throttle;
	int64_t next_us; /* of `current` */
	json_t *logs;    /* since the last one */
	struct client *prev, *next;
};

struct octo_sim {
	struct loop *loop;
	struct sim_web_config config;
	struct work_pool *pool;
	struct http_server *server;
	struct client *clients;
	struct sim_print print;
	struct timer tick, motion;
	const char *state;
	bool is_selected, is_done; /* the job: chosen; the last one came to its end */
	size_t layer;              /* said by ZChange */
	double z_mm;               /* said; 0 none */
	double tool_c, bed_c;      /* targets */
	double head[3];
	json_t *lines; /* of scripts, that wait for motion */
	int64_t moves_until_us, down_until_us, late_until_us, asked_us;
	unsigned session;
};

static int64_t now_us(const struct octo_sim *m)
{
	return loop_now_us(m->loop);
}

static bool is(const struct octo_sim *m, const char *state)
{
	return text_equal(m->state, state);
}

static bool has_job(const struct octo_sim *m)
{
	return !is(m, "Operational") && !is(m, "Offline");
}

/* ---- what it is like ---- */

static json_t *file_json(const struct octo_sim *m)
{
	const char *name = m->print.job->file;

	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:i}", "name", name, "display", name, "path",
	                 name, "origin", "local", "size", (json_int_t)m->print.job->index->n_bytes,
	                 "date", 1700000000);
}

static json_t *job_json(const struct octo_sim *m)
{
	json_t *file = m->is_selected ? file_json(m)
	                              : json_pack("{s:n, s:n, s:n, s:n, s:n, s:n}", "name",
	                                          "display", "path", "origin", "size", "date");
	json_t *j = json_pack("{s:o, s:n, s:n, s:n, s:n, s:n}", "file", file, "averagePrintTime",
	                      "lastPrintTime", "estimatedPrintTime", "filament", "user");

	const struct gcode_tool *tool = &m->print.job->index->tools[0];

	if (!m->is_selected)
		return j;
	json_object_set_new(j, "estimatedPrintTime", json_real(sim_print_end_s(&m->print)));
	json_object_set_new(
		j, "filament",
		json_pack("{s:{s:f, s:f}}", "tool0", "length", tool->mm_moves, "volume", 0.0));
	json_object_set_new(j, "user", json_string(USER));
	if (m->is_done) {
		json_object_set_new(j, "averagePrintTime", json_real(m->print.done_s));
		json_object_set_new(j, "lastPrintTime", json_real(m->print.done_s));
	}
	return j;
}

static json_t *progress_json(const struct octo_sim *m)
{
	double size = (double)m->print.job->index->n_bytes;
	double at = m->is_done ? size : (double)sim_print_byte(&m->print);
	double end_s = sim_print_end_s(&m->print);

	if (!m->is_selected || !(has_job(m) || m->is_done))
		return json_pack("{s:n, s:n, s:n, s:n, s:n}", "completion", "filepos", "printTime",
		                 "printTimeLeft", "printTimeLeftOrigin");
	return json_pack("{s:f, s:I, s:i, s:i, s:s?}", "completion", at / size * 100, "filepos",
	                 (json_int_t)at, "printTime", (int)m->print.done_s, "printTimeLeft",
	                 m->is_done ? 0 : (int)(end_s - MIN(m->print.done_s, end_s)),
	                 "printTimeLeftOrigin", m->is_done ? NULL : "analysis");
}

static json_t *state_json(const struct octo_sim *m)
{
	bool is_off = is(m, "Offline"), is_idle = is(m, "Operational");
	json_t *flags = json_pack(
		"{s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b, s:b}", "operational", !is_off,
		"printing", is(m, "Printing"), "cancelling", is(m, "Cancelling"), "pausing",
		is(m, "Pausing"), "resuming", is(m, "Resuming"), "finishing", 0, "closedOrError",
		is_off, "error", 0, "paused", is(m, "Paused"), "ready", is_idle, "sdReady", 0);

	return json_pack("{s:s, s:s, s:o}", "text", m->state, "error", "", "flags", flags);
}

static json_t *heat_json(double target)
{
	return json_pack("{s:f, s:f, s:i}", "actual", target > 0 ? target : 21.3, "target", target,
	                 "offset", 0);
}

static json_t *heats_json(const struct octo_sim *m)
{
	return json_pack("{s:o, s:o}", "tool0", heat_json(m->tool_c), "bed", heat_json(m->bed_c));
}

/* ---- the push socket ---- */

static void say(struct client *c, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT | JSON_REAL_PRECISION(12));
	struct http_bytes *b = http_bytes_new(text ? text : "{}", text ? strlen(text) : 2);

	if (c->channel)
		http_channel_send_text(c->channel, "", 0, b);
	http_bytes_unref(b);
	free(text);
	json_decref(j);
}

static bool wants(const struct client *c, const char *event)
{
	const json_t *v;
	size_t i;

	json_array_foreach(c->events, i, v)
	{
		if (text_equal(json_string_value(v), event))
			return true;
	}
	return !c->events;
}

/* Steals `payload`. */
static void tell(struct octo_sim *m, const char *type, json_t *payload)
{
	struct client *c;

	DL_FOREACH(m->clients, c)
	{
		if (c->is_let_in && wants(c, type))
			say(c,
			    json_pack("{s:{s:s, s:O}}", "event", "type", type, "payload", payload));
	}
	json_decref(payload);
}

static void log_line(struct octo_sim *m, const char *way, const char *line)
{
	char text[300];
	struct client *c;

	(void)snprintf(text, sizeof(text), "%s: %.250s", way, line);
	DL_FOREACH(m->clients, c)
	{
		if (c->is_let_in && c->has_logs && json_array_size(c->logs) < MAX_LINES &&
		    (!c->has_filter || regexec(&c->filter, text, 0, NULL, 0) == 0))
			json_array_append_new(c->logs, json_string(text));
	}
}

static json_t *current(struct client *c)
{
	const struct octo_sim *m = c->sim;
	json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:[], s:[], s:{}, s:[]}", "state",
	                      state_json(m), "job", job_json(m), "progress", progress_json(m),
	                      "logs", c->logs, "temps", "messages", "offsets", "busyFiles");
	json_t *heat = heats_json(m), *v;
	const char *key;

	c->logs = json_array();
	json_object_foreach(heat, key, v) json_object_del(v, "offset");
	json_object_set_new(heat, "time", json_integer(1700000000));
	if (!is(m, "Offline"))
		json_array_append(json_object_get(j, "temps"), heat);
	json_decref(heat);
	json_object_set_new(j, "serverTime", json_real(1700000000));
	json_object_set_new(j, "currentZ", m->z_mm > 0 ? json_real(m->z_mm) : json_null());
	return j;
}

static void push(struct octo_sim *m, struct client *c)
{
	if (!c->is_let_in || !c->has_state || now_us(m) < m->late_until_us ||
	    now_us(m) < c->next_us)
		return;
	if (!c->has_history) {
		json_t *history = current(c);

		json_object_del(history, "busyFiles");
		say(c, json_pack("{s:o}", "history", history));
	}
	c->has_history = true;
	c->next_us = now_us(m) + (int64_t)c->throttle * PUSH_US;
	say(c, json_pack("{s:o}", "current", current(c)));
}

/* Repeats in repeats and references back cost the C library all memory and time: without them. */
static bool is_cheap(const char *pattern)
{
	return strlen(pattern) <= MAX_PATTERN && !strpbrk(pattern, "{+\\");
}

static void take_filter(struct client *c, const json_t *logs)
{
	const char *pattern = json_string_value(logs);

	if (c->has_filter)
		regfree(&c->filter);
	c->has_filter = pattern && is_cheap(pattern) &&
	                regcomp(&c->filter, pattern, REG_EXTENDED | REG_NOSUB) == 0;
	c->has_logs = c->has_filter || json_is_true(logs);
}

static void subscribe(struct client *c, const json_t *j)
{
	const json_t *state = json_object_get(j, "state");
	json_t *events = json_object_get(j, "events");

	c->has_state = json_is_object(state) || json_is_true(state);
	take_filter(c, json_is_object(state) ? json_object_get(state, "logs") : state);
	json_decref(c->events);
	c->events = json_is_true(events)    ? NULL
	            : json_is_array(events) ? json_incref(events)
	                                    : json_array();
}

static void session_of(const struct octo_sim *m, char dst[60])
{
	(void)snprintf(dst, 60, "SIMULATEDSESSION%u", m->session);
}

static void on_message(void *arg, const char *text, size_t size)
{
	struct client *c = arg;
	json_t *j = json_loadb(text, size, 0, NULL);
	const char *auth = json_string_value(json_object_get(j, "auth"));
	const json_t *wanted = json_object_get(j, "subscribe");
	const json_t *throttle = json_object_get(j, "throttle");
	char session[60], login[80];

	session_of(c->sim, session);
	(void)snprintf(login, sizeof(login), USER ":%s", session);
	if (auth && text_equal(auth, login))
		c->is_let_in = true;
	else if (auth)
		say(c, json_pack("{s:{s:s}}", "reauthRequired", "reason", "stale"));
	if (wanted)
		subscribe(c, wanted);
	if (json_is_integer(throttle) && json_integer_value(throttle) > 0)
		c->throttle = (int)MIN(json_integer_value(throttle), 1000);
	json_decref(j);
	push(c->sim, c);
}

static void forget(struct client *c)
{
	DL_DELETE(c->sim->clients, c);
	json_decref(c->events);
	json_decref(c->logs);
	if (c->has_filter)
		regfree(&c->filter);
	free(c);
}

static void on_closed(void *arg)
{
	forget(arg);
}

static void open_socket(struct octo_sim *m, struct http_request *r)
{
	struct client *c = MEM_NEW(struct client);
	const struct http_channel_events ev = { .message = on_message,
		                                .closed = on_closed,
		                                .arg = c };

	c->sim = m;
	c->is_let_in = !m->config.key;
	c->has_state = c->has_logs = true; /* who subscribes to nothing gets all */
	c->throttle = 1;
	c->logs = json_array();
	DL_APPEND(m->clients, c);
	c->channel = http_reply_websocket(r, &ev);
	if (!c->channel) {
		forget(c);
		return;
	}
	say(c, json_pack("{s:{s:s, s:s, s:s, s:s, s:s, s:n}}", "connected", "version", "1.11.0",
	                 "display_version", "1.11.0 (simulated)", "branch", "sim", "plugin_hash",
	                 "0", "config_hash", "0", "safe_mode"));
}

/* ---- the print ---- */

static void set_state(struct octo_sim *m, const char *state)
{
	m->state = state;
	tell(m, "PrinterStateChanged",
	     json_pack("{s:s, s:s}", "state_id", state, "state_string", state));
}

static json_t *event_json(const struct octo_sim *m)
{
	const char *name = m->print.job->file;

	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "name", name, "path", name, "origin",
	                 "local", "size", (json_int_t)m->print.job->index->n_bytes, "owner", USER,
	                 "user", USER);
}

static json_t *end_json(const struct octo_sim *m, const char *reason)
{
	json_t *j = event_json(m);

	json_object_set_new(j, "time", json_real(m->print.done_s));
	if (reason)
		json_object_set_new(j, "reason", json_string(reason));
	else
		json_object_del(j, "user");
	return j;
}

static void begin(struct octo_sim *m)
{
	m->is_selected = true;
	m->is_done = false;
	m->layer = 0;
	m->tool_c = 210;
	m->bed_c = 60;
	sim_print_begin(&m->print, now_us(m));
	set_state(m, "Printing");
	tell(m, "PrintStarted", event_json(m));
}

static void said_position(struct octo_sim *m, const char *reason)
{
	json_t *j = json_pack("{s:f, s:f, s:f, s:f, s:i, s:f, s:n}", "x", m->head[0], "y",
	                      m->head[1], "z", m->head[2], "e", 0.0, "t", 0, "f", 3000.0, "reason");

	if (reason)
		json_object_set_new(j, "reason", json_string(reason));
	tell(m, "PositionUpdate", j);
}

static void say_z(struct octo_sim *m, double z)
{
	tell(m, "ZChange",
	     json_pack("{s:f, s:o}", "new", z, "old",
	               m->z_mm > 0 ? json_real(m->z_mm) : json_null()));
	m->z_mm = z;
}

static double layer_z(const struct octo_sim *m)
{
	return (double)m->print.job->layers[m->layer - 1].z_mm;
}

static void go_up(struct octo_sim *m)
{
	m->layer++;
	say_z(m, layer_z(m));
	m->head[0] = m->head[1] = 100;
}

/* What was told is done once the printer has moved what it had. */
static void settle(struct octo_sim *m)
{
	if (now_us(m) < m->moves_until_us)
		return;
	if (is(m, "Pausing")) {
		said_position(m, "pause");
		set_state(m, "Paused");
		tell(m, "PrintPaused", event_json(m));
	} else if (is(m, "Resuming")) {
		set_state(m, "Printing");
		tell(m, "PrintResumed", event_json(m));
	} else if (is(m, "Cancelling")) {
		tell(m, "PrintCancelled", end_json(m, NULL));
		tell(m, "PrintFailed", end_json(m, "cancelled"));
		set_state(m, "Operational");
	}
}

static void go_on(struct octo_sim *m)
{
	bool is_printing = is(m, "Printing"), is_over;

	m->print.runs = is_printing;
	is_over = sim_print_go_on(&m->print, now_us(m));
	for (size_t n = sim_print_layer(&m->print); is_printing && m->layer < n;)
		go_up(m);
	if (is_printing && m->layer > 0)
		m->head[2] = layer_z(m);
	if (is_over) {
		m->is_done = true;
		tell(m, "PrintDone", end_json(m, NULL));
		set_state(m, "Operational");
	}
	settle(m);
}

/* ---- scripts ---- */

static void run_line(struct octo_sim *m, const char *line)
{
	double z = m->head[2], seconds = sim_move(m->head, line);
	char text[200];

	log_line(m, "Send", line);
	if (text_starts(line, "G28")) {
		m->head[0] = m->head[1] = m->head[2] = 0;
		tell(m, "Home", json_null());
	}
	if (m->head[2] > z || m->head[2] < z)
		say_z(m, m->head[2]);
	m->moves_until_us = MAX(m->moves_until_us, now_us(m));
	m->moves_until_us += seconds > 0 ? (int64_t)(seconds * 1e6) : 0;
	if (text_starts(line, "M114")) {
		(void)snprintf(text, sizeof(text),
		               "ok X:%.2f Y:%.2f Z:%.2f E:0.00 Count X:0 Y:0 Z:0", m->head[0],
		               m->head[1], m->head[2]);
		log_line(m, "Recv", text);
		said_position(m, NULL);
	} else {
		log_line(m, "Recv", "ok");
	}
}

/* M400 and what stands behind it wait until the head has come to rest. */
static void run_lines(void *arg)
{
	struct octo_sim *m = arg;

	while (json_array_size(m->lines) > 0) {
		const char *line = json_string_value(json_array_get(m->lines, 0));
		int64_t rest_us = m->moves_until_us - now_us(m);

		if (line && text_starts(line, "M400") && rest_us > 0) {
			timer_start(&m->motion, rest_us / 1000 + 1);
			return;
		}
		if (line)
			run_line(m, line);
		json_array_remove(m->lines, 0);
	}
}

/* ---- answers ---- */

static void reply_nothing(struct http_request *r)
{
	http_reply_bytes(r, &(struct http_reply){ .status = 204 }, NULL);
}

static void refuse(struct http_request *r, int status, const char *why)
{
	sim_reply(r, status, json_pack("{s:s}", "error", why));
}

static json_t *whole_file_json(const struct octo_sim *m, const struct http_head *h)
{
	const char *host = sim_header(h, "Host");
	json_t *j = file_json(m);
	char download[400], resource[400];

	(void)snprintf(download, sizeof(download), "http://%.150s/downloads/files/local/%.200s",
	               host ? host : "", m->print.job->file);
	(void)snprintf(resource, sizeof(resource), "http://%.150s/api/files/local/%.200s",
	               host ? host : "", m->print.job->file);
	json_object_set_new(j, "type", json_string("machinecode"));
	json_object_set_new(j, "typePath", json_pack("[s, s]", "machinecode", "gcode"));
	json_object_set_new(j, "refs",
	                    json_pack("{s:s, s:s}", "download", download, "resource", resource));
	json_object_set_new(j, "gcodeAnalysis",
	                    json_pack("{s:f}", "estimatedPrintTime", sim_print_end_s(&m->print)));
	return j;
}

static json_t *profile_json(void)
{
	return json_pack("{s:{s:{s:s, s:s, s:s, s:b, s:b, s:b, s:{s:f, s:f, s:f, s:s, s:s, s:b}, "
	                 "s:{s:i, s:f}}}}",
	                 "profiles", "_default", "id", "_default", "name", "Default", "model",
	                 "Generic RepRap Printer", "current", 1, "default", 1, "heatedBed", 1,
	                 "volume", "width", 200.0, "depth", 200.0, "height", 200.0, "origin",
	                 "lowerleft", "formFactor", "rectangular", "custom_box", 0, "extruder",
	                 "count", 1, "nozzleDiameter", 0.4);
}

static json_t *user_json(void)
{
	return json_pack("{s:s, s:[s], s:[s, s, s, s, s, s, s, s, s]}", "name", USER, "groups",
	                 "admins", "permissions", "ADMIN", "STATUS", "CONNECTION", "CONTROL",
	                 "PRINT", "FILES_LIST", "FILES_SELECT", "FILES_DOWNLOAD", "SETTINGS_READ");
}

static json_t *connection_json(const struct octo_sim *m)
{
	bool is_off = is(m, "Offline");

	return json_pack("{s:{s:s, s:s?, s:o, s:s}, s:{s:[s], s:[i], s:[{s:s, s:s}]}}", "current",
	                 "state", is_off ? "Closed" : m->state, "port", is_off ? NULL : "VIRTUAL",
	                 "baudrate", is_off ? json_null() : json_integer(115200), "printerProfile",
	                 "_default", "options", "ports", "VIRTUAL", "baudrates", 115200,
	                 "printerProfiles", "id", "_default", "name", "Default");
}

static json_t *login_json(const struct octo_sim *m)
{
	char session[60];
	json_t *j = user_json();

	session_of(m, session);
	json_object_set_new(j, "permissions", json_array());
	json_object_set_new(j, "session", json_string(session));
	json_object_set_new(j, "active", json_true());
	json_object_set_new(j, "admin", json_true());
	return j;
}

/* GET of /api/printer and what is below it. */
static void tell_printer(const struct octo_sim *m, struct http_request *r, const char *what)
{
	char left_out[100] = "";
	json_t *j;

	if (is(m, "Offline")) {
		refuse(r, 409, "Printer is not operational");
	} else if (text_equal(what, "/tool")) {
		sim_reply(r, 200, json_pack("{s:o}", "tool0", heat_json(m->tool_c)));
	} else if (text_equal(what, "/bed")) {
		sim_reply(r, 200, json_pack("{s:o}", "bed", heat_json(m->bed_c)));
	} else if (!text_equal(what, "")) {
		refuse(r, 404, NOT_FOUND);
	} else {
		(void)http_query_get(http_request_head(r)->query, "exclude", left_out,
		                     sizeof(left_out));
		j = json_pack("{s:o}", "state", state_json(m));
		if (!strstr(left_out, "temperature"))
			json_object_set_new(j, "temperature", heats_json(m));
		if (!strstr(left_out, "sd"))
			json_object_set_new(j, "sd", json_pack("{s:b}", "ready", 0));
		sim_reply(r, 200, j);
	}
}

static void tell_files(const struct octo_sim *m, struct http_request *r, const char *what)
{
	const struct http_head *h = http_request_head(r);

	if (text_equal(what, "") || text_equal(what, "/local"))
		sim_reply(r, 200,
		          json_pack("{s:[o], s:I, s:I}", "files", whole_file_json(m, h), "free",
		                    (json_int_t)1 << 33, "total", (json_int_t)1 << 34));
	else if (text_starts(what, "/local/") && text_equal(what + 7, m->print.job->file))
		sim_reply(r, 200, whole_file_json(m, h));
	else
		refuse(r, 404, NOT_FOUND);
}

static void asked_get(struct octo_sim *m, struct http_request *r, const char *what)
{
	if (text_equal(what, "version"))
		sim_reply(r, 200,
		          json_pack("{s:s, s:s, s:s}", "api", "0.1", "server", "1.11.0", "text",
		                    "OctoPrint 1.11.0"));
	else if (text_equal(what, "server"))
		sim_reply(r, 200, json_pack("{s:s, s:n}", "version", "1.11.0", "safemode"));
	else if (text_equal(what, "currentuser"))
		sim_reply(r, 200, user_json());
	else if (text_equal(what, "settings"))
		sim_reply(r, 200,
		          json_pack("{s:{s:b, s:s, s:s, s:b, s:b, s:b, s:s}}", "webcam",
		                    "webcamEnabled", 0, "streamUrl", "", "snapshotUrl", "", "flipH",
		                    0, "flipV", 0, "rotate90", 0, "streamRatio", "16:9"));
	else if (text_equal(what, "printerprofiles"))
		sim_reply(r, 200, profile_json());
	else if (text_equal(what, "connection"))
		sim_reply(r, 200, connection_json(m));
	else if (text_equal(what, "job"))
		sim_reply(r, 200,
		          json_pack("{s:o, s:o, s:s}", "job", job_json(m), "progress",
		                    progress_json(m), "state", m->state));
	else if (text_starts(what, "files"))
		tell_files(m, r, what + strlen("files"));
	else if (text_starts(what, "printer"))
		tell_printer(m, r, what + strlen("printer"));
	else
		refuse(r, 404, NOT_FOUND);
}

/* ---- commands ---- */

static void command_pause(struct octo_sim *m, const char *action)
{
	bool toggles = !action || text_equal(action, "toggle");

	if (is(m, "Printing") && (toggles || text_equal(action, "pause")))
		set_state(m, "Pausing");
	else if (is(m, "Paused") && (toggles || text_equal(action, "resume")))
		set_state(m, "Resuming");
}

static const char *job_trouble(const struct octo_sim *m, const char *command)
{
	if (is(m, "Offline"))
		return "Printer is not operational";
	if (text_equal(command, "start"))
		return has_job(m)       ? "Printer already has an active print job, did you mean "
		                          "'restart'?"
		       : m->is_selected ? NULL
		                        : "No file selected";
	if (text_equal(command, "restart"))
		return is(m, "Paused")
		               ? NULL
		               : "Printer does not have an active print job or is not paused";
	if (has_job(m))
		return NULL;
	return text_equal(command, "cancel") ? "Printer is neither printing nor paused, 'cancel' "
	                                       "command cannot be performed"
	                                     : "Printer is neither printing nor paused, 'pause' "
	                                       "command cannot be performed";
}

static void command_job(struct octo_sim *m, struct http_request *r, const json_t *j)
{
	static const char *const known[] = { "start", "restart", "pause", "cancel" };
	const char *command = json_string_value(json_object_get(j, "command"));
	bool is_known = false;

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		is_known |= text_equal(command, known[i]);
	if (!is_known) {
		refuse(r, 400, "command is invalid");
		return;
	}
	if (job_trouble(m, command)) {
		refuse(r, 409, job_trouble(m, command));
		return;
	}
	if (text_equal(command, "start") || text_equal(command, "restart")) {
		begin(m);
	} else if (text_equal(command, "pause")) {
		command_pause(m, json_string_value(json_object_get(j, "action")));
	} else {
		tell(m, "PrintCancelling", event_json(m));
		set_state(m, "Cancelling");
	}
	reply_nothing(r);
}

static void command_file(struct octo_sim *m, struct http_request *r, const char *file,
                         const json_t *j)
{
	if (!text_equal(file, m->print.job->file)) {
		refuse(r, 404, NOT_FOUND);
	} else if (!text_equal(json_string_value(json_object_get(j, "command")), "select")) {
		refuse(r, 400, "command is invalid");
	} else if (has_job(m)) {
		refuse(r, 409, "Printer is already printing, cannot select a new file");
	} else if (is(m, "Offline")) {
		refuse(r, 409, "Printer is not operational");
	} else {
		json_t *payload = event_json(m);

		m->is_selected = true;
		m->is_done = false;
		json_object_set_new(payload, "size", json_null());
		tell(m, "FileSelected", payload);
		if (json_is_true(json_object_get(j, "print")))
			begin(m);
		reply_nothing(r);
	}
}

static void command_lines(struct octo_sim *m, struct http_request *r, const json_t *j)
{
	json_t *list = json_object_get(j, "commands"), *one = json_object_get(j, "command"), *v;
	size_t i;

	if (!json_is_array(list) && !json_is_string(one)) {
		refuse(r, 400, "Need one of 'command', 'commands' or 'script'");
		return;
	}
	if (json_array_size(m->lines) + json_array_size(list) >= MAX_LINES) {
		refuse(r, 400, "Too many lines");
		return;
	}
	if (json_is_string(one))
		json_array_append(m->lines, one);
	json_array_foreach(list, i, v) json_array_append(m->lines, v);
	reply_nothing(r);
	run_lines(m);
}

static void command_head(struct octo_sim *m, struct http_request *r, const json_t *j)
{
	const char *command = json_string_value(json_object_get(j, "command"));
	static const char *const axes[] = { "x", "y", "z" };

	if (is(m, "Printing")) {
		refuse(r, 409, "Printer is not operational or currently printing");
	} else if (text_equal(command, "home")) {
		json_array_append_new(m->lines, json_string("G28"));
		reply_nothing(r);
		run_lines(m);
	} else if (text_equal(command, "jog")) {
		for (size_t i = 0; i < ARRAY_LEN(axes); i++)
			m->head[i] += json_number_value(json_object_get(j, axes[i]));
		reply_nothing(r);
	} else {
		refuse(r, 400, "command is invalid");
	}
}

static void command_heat(struct http_request *r, double *heat, const json_t *target)
{
	if (!json_is_number(target)) {
		refuse(r, 400, "target is invalid");
		return;
	}
	*heat = json_number_value(target);
	reply_nothing(r);
}

static void command_printer(struct octo_sim *m, struct http_request *r, const char *what,
                            const json_t *j)
{
	if (is(m, "Offline"))
		refuse(r, 409, "Printer is not operational");
	else if (text_equal(what, "/command"))
		command_lines(m, r, j);
	else if (text_equal(what, "/printhead"))
		command_head(m, r, j);
	else if (text_equal(what, "/tool"))
		command_heat(r, &m->tool_c,
		             json_object_get(json_object_get(j, "targets"), "tool0"));
	else if (text_equal(what, "/bed"))
		command_heat(r, &m->bed_c, json_object_get(j, "target"));
	else
		refuse(r, 404, NOT_FOUND);
}

static void go_offline(struct octo_sim *m)
{
	if (has_job(m))
		tell(m, "PrintFailed", end_json(m, "error"));
	m->is_selected = m->is_done = false;
	m->z_mm = 0;
	json_array_clear(m->lines);
	set_state(m, "Offline");
	tell(m, "Disconnected", json_null());
}

static void command_connection(struct octo_sim *m, struct http_request *r, const json_t *j)
{
	const char *command = json_string_value(json_object_get(j, "command"));

	if (text_equal(command, "connect")) {
		if (is(m, "Offline")) {
			set_state(m, "Operational");
			tell(m, "Connected",
			     json_pack("{s:s, s:i}", "port", "VIRTUAL", "baudrate", 115200));
		}
		reply_nothing(r);
	} else if (text_equal(command, "disconnect")) {
		go_offline(m);
		reply_nothing(r);
	} else {
		refuse(r, 400, "command is invalid");
	}
}

static void asked_post(struct octo_sim *m, struct http_request *r, const char *what)
{
	size_t size;
	const char *body = http_request_body(r, &size);
	json_t *j = json_loadb(body, size, 0, NULL);

	if (!json_is_object(j))
		refuse(r, 400, "Malformed JSON body in request");
	else if (text_equal(what, "login"))
		sim_reply(r, 200, login_json(m));
	else if (text_equal(what, "job"))
		command_job(m, r, j);
	else if (text_equal(what, "connection"))
		command_connection(m, r, j);
	else if (text_starts(what, "files/local/"))
		command_file(m, r, what + strlen("files/local/"), j);
	else if (text_starts(what, "printer"))
		command_printer(m, r, what + strlen("printer"), j);
	else
		refuse(r, 404, NOT_FOUND);
	json_decref(j);
}

/* ---- keys ---- */

static void asked_appkeys(struct octo_sim *m, struct http_request *r, const char *what)
{
	const struct http_head *h = http_request_head(r);
	const char *host = sim_header(h, "Host");
	char dialog[300];

	if (text_equal(what, "probe")) {
		reply_nothing(r);
	} else if (text_equal(what, "request") && h->method == HTTP_POST) {
		m->asked_us = now_us(m);
		(void)snprintf(dialog, sizeof(dialog), "http://%.200s/plugin/appkeys/auth/" TOKEN,
		               host ? host : "");
		sim_reply(r, 201,
		          json_pack("{s:s, s:s}", "app_token", TOKEN, "auth_dialog", dialog));
	} else if (!text_equal(what, "request/" TOKEN) || !m->asked_us) {
		refuse(r, 404, NOT_FOUND);
	} else if (now_us(m) - m->asked_us < GRANT_US) {
		sim_reply(r, 202, json_pack("{s:s}", "message", "Awaiting decision"));
	} else {
		m->asked_us = 0;
		if (m->config.is_special)
			refuse(r, 404, NOT_FOUND);
		else
			sim_reply(r, 200,
			          json_pack("{s:s}", "api_key",
			                    m->config.key ? m->config.key : "ANYKEY"));
	}
}

static bool is_let_in(const struct octo_sim *m, const struct http_head *h)
{
	const char *key = sim_header(h, "X-Api-Key"), *bearer = sim_header(h, "Authorization");
	char asked[100];

	if (!m->config.key || (key && text_equal(key, m->config.key)))
		return true;
	if (bearer && text_starts(bearer, "Bearer "))
		return text_equal(bearer + strlen("Bearer "), m->config.key);
	return http_query_get(h->query, "apikey", asked, sizeof(asked)) == 1 &&
	       text_equal(asked, m->config.key);
}

static void asked_file(const struct octo_sim *m, struct http_request *r, const char *name)
{
	const struct http_reply file = { .status = 200, .type = "text/plain" };
	bool is_allowed = is_let_in(m, http_request_head(r));

	if (is_allowed && text_equal(name, m->print.job->file))
		http_reply_file(r, &file, m->config.file, "{}");
	else
		http_reply_bytes(r, &(struct http_reply){ .status = is_allowed ? 404 : 403 }, NULL);
}

static void asked(void *arg, struct http_request *r)
{
	static const char files[] = "/downloads/files/local/";
	struct octo_sim *m = arg;
	const struct http_head *h = http_request_head(r);

	if (now_us(m) < m->down_until_us)
		refuse(r, 502, "Bad Gateway");
	else if (text_equal(h->path, "/sockjs/websocket") && h->wants_websocket)
		open_socket(m, r);
	else if (text_starts(h->path, "/plugin/appkeys/"))
		asked_appkeys(m, r, h->path + strlen("/plugin/appkeys/"));
	else if (text_starts(h->path, files))
		asked_file(m, r, h->path + strlen(files));
	else if (!is_let_in(m, h)) /* what changes something asks for the page's token first */
		refuse(r, h->method == HTTP_POST ? 400 : 403,
		       h->method == HTTP_POST ? "CSRF validation failed" : FORBIDDEN);
	else if (text_starts(h->path, "/api/") && h->method == HTTP_GET)
		asked_get(m, r, h->path + strlen("/api/"));
	else if (text_starts(h->path, "/api/") && h->method == HTTP_POST)
		asked_post(m, r, h->path + strlen("/api/"));
	else
		refuse(r, 404, NOT_FOUND);
}

/* ---- faults and time ---- */

static void drop(struct octo_sim *m)
{
	struct client *c, *next;

	m->down_until_us = now_us(m) + DOWN_US;
	DL_FOREACH_SAFE(m->clients, c, next)
	{
		http_channel_end(c->channel);
		forget(c);
	}
	m->clients = NULL; /* each took itself out: for the analyser */
}

static void ask_logins(struct octo_sim *m)
{
	struct client *c;

	m->session++;
	DL_FOREACH(m->clients, c)
	{
		c->is_let_in = !m->config.key;
		say(c, json_pack("{s:{s:s}}", "reauthRequired", "reason", "stale"));
	}
}

static void fail(struct octo_sim *m, enum octo_sim_fault f)
{
	switch (f) {
	case OCTO_SIM_DROP:
		drop(m);
		return;
	case OCTO_SIM_LATE:
		m->late_until_us = now_us(m) + LATE_US;
		return;
	case OCTO_SIM_OFFLINE:
		go_offline(m);
		return;
	case OCTO_SIM_REAUTH:
		ask_logins(m);
		return;
	case OCTO_SIM_FAULT_N:
		return;
	}
}

static void on_tick(void *arg)
{
	struct octo_sim *m = arg;
	struct client *c;
	int fault;

	go_on(m);
	while ((fault = sim_print_fault(&m->print, m->config.fault_s, now_us(m))) >= 0)
		fail(m, (enum octo_sim_fault)fault);
	DL_FOREACH(m->clients, c)
	{
		push(m, c);
	}
}

static size_t body_limit(void *arg UNUSED, const struct http_request *r UNUSED)
{
	return MAX_BODY;
}

/* ---- life ---- */

int octo_sim_start(struct loop *l, const struct sim_web_config *c, struct octo_sim **ret,
                   struct err *err)
{
	struct octo_sim *m = MEM_NEW(struct octo_sim);
	struct http_server_config server = { .address = c->address ? c->address : "127.0.0.1",
		                             .port = c->port,
		                             .body_limit = body_limit,
		                             .asked = asked,
		                             .arg = m };
	int rc = sim_job_load(c->file, 0, &m->print.job, err);

	m->loop = l;
	m->config = *c;
	m->state = "Operational";
	m->lines = json_array();
	m->print.speed = c->speed;
	m->print.at_us = now_us(m);
	timer_init(&m->tick, l, on_tick, m);
	timer_init(&m->motion, l, run_lines, m);
	m->pool = server.pool = work_pool_new(l, "files", 1);
	if (rc == 0)
		rc = http_server_new(l, &server, &m->server, err);
	if (rc < 0) {
		octo_sim_stop(m);
		return rc;
	}
	if (c->begins)
		begin(m);
	timer_start_every(&m->tick, TICK_MS);
	*ret = m;
	return 0;
}

void octo_sim_stop(struct octo_sim *m)
{
	if (!m)
		return;
	timer_stop(&m->tick);
	timer_stop(&m->motion);
	if (m->server)
		http_server_free(m->server);
	work_pool_free(m->pool);
	json_decref(m->lines);
	if (m->print.job)
		sim_job_unref(m->print.job);
	free(m);
}

uint16_t octo_sim_port(const struct octo_sim *m)
{
	return http_server_port(m->server);
}
