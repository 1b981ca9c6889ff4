/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/prusalink.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "gcode/index.h"
#include "wire/http_server.h"
#include "wire/rtsp_codec.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS 250
#define SHORT_US 3000000
#define DROP_US 2000000
#define STALL_US 12000000
#define NONCE_S 5
#define REALM "Printer API"
#define HUGE_PARTS 100
#define HUGE_PART ((size_t)1 << 20)
#define MAX_HELD 32
#define HOP_MM 0.4
#define HOP_EACH 5 /* of so many answers one is heard in a hop */

enum answer {
	ANSWER_USUAL,
	ANSWER_DROP,
	ANSWER_HOLD,
	ANSWER_REFUSE,
	ANSWER_HTML,
	ANSWER_HUGE,
};

struct prusa_sim {
	struct loop *loop;
	struct sim_web_config config;
	struct work_pool *pool;
	struct http_server *server;
	struct sim_print print;
	struct timer tick;
	const char *state;
	int job;                   /* number; 0 none */
	char shown[200], name[16]; /* of the file: for people, and as its stick has it */
	enum answer answer;
	int64_t answer_until_us, attention_until_us;
	struct http_request *held[MAX_HELD];
	unsigned n_held, n_asked;
};

static int64_t now_us(const struct prusa_sim *m)
{
	return loop_now_us(m->loop);
}

static bool is(const struct prusa_sim *m, const char *state)
{
	return text_equal(m->state, state);
}

/* ---- the print ---- */

static void begin(struct prusa_sim *m)
{
	m->state = "PRINTING";
	m->job++;
	sim_print_begin(&m->print, now_us(m));
}

static double height(const struct prusa_sim *m)
{
	size_t n = sim_print_layer(&m->print);
	double z = n > 0 ? (double)m->print.job->layers[n - 1].z_mm : 0;

	if (is(m, "PRINTING") && m->n_asked % HOP_EACH == 0)
		z += HOP_MM;
	return round(z * 10) / 10;
}

static bool has_job(const struct prusa_sim *m)
{
	return !is(m, "IDLE");
}

static double done(const struct prusa_sim *m)
{
	double end_s = sim_print_end_s(&m->print);

	return end_s > 0 ? MIN(m->print.done_s / end_s, 1.0) : 1;
}

/* ---- answers ---- */

static json_t *job_json(const struct prusa_sim *m)
{
	double end_s = sim_print_end_s(&m->print), at_s = MIN(m->print.done_s, end_s);

	return json_pack("{s:i, s:f, s:i, s:i}", "id", m->job, "progress", floor(done(m) * 100),
	                 "time_remaining", (int)(end_s - at_s), "time_printing", (int)at_s);
}

static json_t *status_json(const struct prusa_sim *m)
{
	bool is_hot = is(m, "PRINTING") || is(m, "PAUSED") || is(m, "ATTENTION");
	json_t *p =
		json_pack("{s:s, s:f, s:f, s:f, s:f, s:f, s:i, s:i, s:i, s:i}", "state", m->state,
	                  "temp_bed", is_hot ? 60.1 : 23.0, "target_bed", is_hot ? 60.0 : 0.0,
	                  "temp_nozzle", is_hot ? 214.8 : 24.0, "target_nozzle",
	                  is_hot ? 215.0 : 0.0, "axis_z", height(m), "flow", 100, "speed", 100,
	                  "fan_hotend", is_hot ? 3100 : 0, "fan_print", is_hot ? 5200 : 0);
	json_t *j = json_pack("{s:{s:s, s:s, s:b}, s:o}", "storage", "path", "/usb/", "name", "usb",
	                      "read_only", 0, "printer", p);

	if (!is(m, "PRINTING")) {
		json_object_set_new(p, "axis_x", json_real(11.5));
		json_object_set_new(p, "axis_y", json_real(-2.5));
	}
	if (has_job(m))
		json_object_set_new(j, "job", job_json(m));
	return j;
}

static void refuse(struct http_request *r, int status, const char *why)
{
	sim_reply(r, status, json_pack("{s:s, s:s}", "title", why, "message", why));
}

static json_t *file_json(const struct prusa_sim *m)
{
	char download[40];

	(void)snprintf(download, sizeof(download), "/usb/%s", m->name);
	return json_pack("{s:{s:s}, s:s, s:s, s:I}", "refs", "download", download, "name", m->name,
	                 "display_name", m->shown, "size",
	                 (json_int_t)m->print.job->index->n_bytes);
}

static json_t *whole_job_json(const struct prusa_sim *m)
{
	json_t *j = job_json(m), *file = file_json(m);

	json_object_set_new(file, "path", json_string("/usb"));
	json_object_set_new(j, "state", json_string(m->state));
	json_object_set_new(j, "file", file);
	return j;
}

/* Of "usb" or of the file in it. */
static void tell_files(const struct prusa_sim *m, struct http_request *r, const char *what)
{
	bool is_folder = text_equal(what, "") || text_equal(what, "/");
	json_t *j;

	if (!is_folder && (*what != '/' || !text_equal(what + 1, m->name))) {
		refuse(r, 404, "File not found");
		return;
	}
	j = file_json(m);
	json_object_set_new(j, "type", json_string("PRINT_FILE"));
	json_object_set_new(j, "read_only", json_false());
	if (is_folder)
		j = json_pack("{s:s, s:s, s:b, s:[o]}", "type", "FOLDER", "name", "usb",
		              "read_only", 0, "children", j);
	sim_reply(r, 200, j);
}

static json_t *old_printer_json(const struct prusa_sim *m)
{
	bool is_printing = is(m, "PRINTING"), is_paused = is(m, "PAUSED");
	json_t *j = json_pack("{s:{s:f, s:f, s:i}, s:{s:{s:f, s:f}, s:{s:f, s:f}}}", "telemetry",
	                      "temp-bed", 60.1, "z-height", height(m), "print-speed", 100,
	                      "temperature", "tool0", "actual", 214.8, "target", 215.0, "bed",
	                      "actual", 60.1, "target", 60.0);
	json_t *flags = json_pack("{s:b, s:b, s:b, s:b}", "operational", !is_printing, "printing",
	                          is_printing || is_paused, "paused", is_paused, "error", 0);

	if (is_printing || is_paused || is(m, "ATTENTION"))
		json_object_set_new(flags, "link_state", json_string(m->state));
	json_object_set_new(j, "state",
	                    json_pack("{s:s, s:o}", "text",
	                              is_printing ? "Printing" : "Operational", "flags", flags));
	return j;
}

static json_t *old_job_json(const struct prusa_sim *m)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/usb/%s", m->name);
	if (!is(m, "PRINTING") && !is(m, "PAUSED") && !is(m, "ATTENTION"))
		return json_pack("{s:s, s:n, s:n}", "state", "Operational", "job", "progress");
	return json_pack("{s:s, s:{s:{s:s, s:s, s:s}}, s:{s:f, s:i, s:i}}", "state", "Printing",
	                 "job", "file", "name", m->shown, "path", path, "display", m->shown,
	                 "progress", "completion", floor(done(m) * 100) / 100, "printTime",
	                 (int)m->print.done_s, "printTimeLeft",
	                 (int)(sim_print_end_s(&m->print) - m->print.done_s));
}

static void reply_nothing(struct http_request *r)
{
	http_reply_bytes(r, &(struct http_reply){ .status = 204 }, NULL);
}

/* ---- commands ---- */

static void start_file(struct prusa_sim *m, struct http_request *r, const char *file)
{
	if (!text_equal(file, m->name) && !text_equal(file, m->shown)) {
		refuse(r, 404, "File not found");
	} else if (is(m, "PRINTING") || is(m, "PAUSED") || is(m, "ATTENTION")) {
		refuse(r, 409, "Printer is in a wrong state");
	} else {
		begin(m);
		reply_nothing(r);
	}
}

static void command_job(struct prusa_sim *m, struct http_request *r, enum http_method method,
                        const char *text)
{
	char id[16];
	size_t n = (size_t)snprintf(id, sizeof(id), "%d", m->job);

	if (strncmp(text, id, n) != 0 || !has_job(m)) {
		refuse(r, 404, "No such job");
		return;
	}
	text += n;
	if (method == HTTP_PUT && text_equal(text, "/pause") && is(m, "PRINTING")) {
		m->state = "PAUSED";
	} else if (method == HTTP_PUT && text_equal(text, "/resume") && is(m, "PAUSED")) {
		m->state = "PRINTING";
	} else if (method == HTTP_DELETE && (is(m, "PRINTING") || is(m, "PAUSED"))) {
		m->state = "STOPPED";
	} else {
		refuse(r, 409, "Conflict");
		return;
	}
	reply_nothing(r);
}

/* ---- what is asked ---- */

static void asked_v1(struct prusa_sim *m, struct http_request *r, const char *path,
                     enum http_method method)
{
	if (text_equal(path, "info"))
		sim_reply(r, 200,
		          json_pack("{s:f, s:b, s:s, s:s, s:i}", "nozzle_diameter", 0.4, "mmu", 0,
		                    "serial", "10589-0000000000000000", "hostname", "prusa-mk4",
		                    "min_extrusion_temp", 170));
	else if (text_equal(path, "status"))
		sim_reply(r, 200, status_json(m));
	else if (text_equal(path, "storage"))
		sim_reply(r, 200,
		          json_pack("{s:[{s:s, s:s, s:s, s:b, s:b}]}", "storage_list", "path",
		                    "/usb/", "name", "usb", "type", "USB", "read_only", 0,
		                    "available", 1));
	else if (text_equal(path, "job") && has_job(m))
		sim_reply(r, 200, whole_job_json(m));
	else if (text_equal(path, "job") || text_equal(path, "transfer"))
		reply_nothing(r);
	else if (text_starts(path, "job/"))
		command_job(m, r, method, path + strlen("job/"));
	else if (text_starts(path, "files/usb/") && method == HTTP_POST)
		start_file(m, r, path + strlen("files/usb/"));
	else if (text_starts(path, "files/usb") && method == HTTP_GET)
		tell_files(m, r, path + strlen("files/usb"));
	else
		refuse(r, 404, "Not Found");
}

static void asked_usual(struct prusa_sim *m, struct http_request *r)
{
	const struct http_head *h = http_request_head(r);
	const struct http_reply file = { .status = 200, .type = "text/x.gcode" };
	bool is_old = m->config.is_special;

	if (text_equal(h->path, "/api/version"))
		sim_reply(r, 200,
		          json_pack("{s:s, s:s, s:f, s:s, s:s, s:{s:b}}", "api", "2.0.0", "server",
		                    "2.1.2", "nozzle_diameter", 0.4, "text", "PrusaLink",
		                    "hostname", "prusa-mk4", "capabilities", "upload-by-put", 1));
	else if (text_starts(h->path, "/api/v1/") && !is_old)
		asked_v1(m, r, h->path + strlen("/api/v1/"), h->method);
	else if (text_equal(h->path, "/api/printer"))
		sim_reply(r, 200, old_printer_json(m));
	else if (text_equal(h->path, "/api/job"))
		sim_reply(r, 200, old_job_json(m));
	else if (text_starts(h->path, "/usb/") && text_equal(h->path + 5, m->name))
		http_reply_file(r, &file, m->config.file, "{}");
	else
		refuse(r, 404, "Not Found");
}

/* ---- login ---- */

/* The firmware's: when it was made, after its own secret. */
static void make_nonce(const struct prusa_sim *m, char dst[17])
{
	(void)snprintf(dst, 17, "5eedc0de%08x", (unsigned)(now_us(m) / 1000000));
}

static bool is_fresh(const struct prusa_sim *m, const char *nonce)
{
	uint64_t made = 0;

	return strlen(nonce) == 16 && text_starts(nonce, "5eedc0de") &&
	       text_to_u64(nonce + 8, 16, &made) && now_us(m) / 1000000 - (int64_t)made < NONCE_S;
}

static void ask_login(const struct prusa_sim *m, struct http_request *r, bool is_stale)
{
	char nonce[17], text[120];
	struct http_reply head = { .status = 401, .type = "text/plain", .n_headers = 1 };

	make_nonce(m, nonce);
	(void)snprintf(text, sizeof(text), "Digest realm=\"%s\", nonce=\"%s\", stale=\"%s\"", REALM,
	               nonce, is_stale ? "true" : "false");
	head.headers[0] = (struct http_header){ "WWW-Authenticate", text };
	http_reply_bytes(r, &head, NULL);
}

/* False: it has been answered. */
static bool is_let_in(const struct prusa_sim *m, struct http_request *r)
{
	const struct http_head *h = http_request_head(r);
	const char *key = sim_header(h, "X-Api-Key"), *digest = sim_header(h, "Authorization");
	struct rtsp_request q = { 0 };
	char nonce[40] = "";
	const struct rtsp_login login = { m->config.user, m->config.password, REALM, nonce };
	bool is_right = false;

	if (!m->config.key && !m->config.user)
		return true;
	if (key && m->config.key && text_equal(key, m->config.key))
		return true;
	if (digest && m->config.user && rtsp_param(digest, "nonce", nonce, sizeof(nonce))) {
		TEXT_SET(q.authorization, digest);
		TEXT_SET(q.method, http_method_name(h->method));
		is_right = rtsp_digest_is_right(&q, &login);
	}
	if (is_right && is_fresh(m, nonce))
		return true;
	ask_login(m, r, is_right);
	return false;
}

/* ---- faults ---- */

static void reply_huge(struct http_request *r)
{
	const struct http_reply head = { .status = 200, .type = "application/json" };
	const struct http_channel_events events = { 0 };
	struct http_channel *ch = http_reply_stream(r, &head, &events);
	char *part = mem_new_array(HUGE_PART, 1);

	memset(part, ' ', HUGE_PART);

	struct http_bytes *b = http_bytes_new(part, HUGE_PART);

	for (int i = 0; ch && i < HUGE_PARTS; i++)
		http_channel_send(ch, &b, 1);
	http_channel_end(ch);
	http_bytes_unref(b);
	free(part);
}

static void cut(struct http_request *r)
{
	const struct http_channel_events events = { 0 };
	struct http_channel *ch =
		http_reply_stream(r, &(struct http_reply){ .status = 200 }, &events);

	http_channel_abort(ch);
}

static void asked(void *arg, struct http_request *r)
{
	static const char page[] = "<!DOCTYPE html><html><body>Welcome</body></html>";
	struct prusa_sim *m = arg;
	enum answer answer = now_us(m) < m->answer_until_us ? m->answer : ANSWER_USUAL;

	m->n_asked++;
	if (answer == ANSWER_HOLD && m->n_held == MAX_HELD)
		answer = ANSWER_DROP;
	switch (answer) {
	case ANSWER_DROP:
		cut(r);
		return;
	case ANSWER_HOLD:
		m->held[m->n_held++] = r;
		return;
	case ANSWER_REFUSE:
		ask_login(m, r, false);
		return;
	case ANSWER_HTML:
		http_reply_bytes(r, &(struct http_reply){ .status = 200, .type = "text/html" },
		                 http_bytes_new(page, strlen(page)));
		return;
	case ANSWER_HUGE:
		m->answer_until_us = 0;
		reply_huge(r);
		return;
	case ANSWER_USUAL:
		if (is_let_in(m, r))
			asked_usual(m, r);
		return;
	}
}

static void let_go(struct prusa_sim *m)
{
	while (m->n_held > 0)
		cut(m->held[--m->n_held]);
}

static void fail(struct prusa_sim *m, enum prusa_sim_fault f)
{
	static const struct {
		enum answer answer;
		int64_t us;
	} answers[] = { [PRUSA_SIM_DROP] = { ANSWER_DROP, DROP_US },
		        [PRUSA_SIM_STALL] = { ANSWER_HOLD, STALL_US },
		        [PRUSA_SIM_REFUSE] = { ANSWER_REFUSE, SHORT_US },
		        [PRUSA_SIM_HTML] = { ANSWER_HTML, SHORT_US },
		        [PRUSA_SIM_HUGE] = { ANSWER_HUGE, 60000000 } };

	if (f == PRUSA_SIM_STOP) {
		m->state = has_job(m) ? "STOPPED" : m->state;
	} else if (f == PRUSA_SIM_ATTENTION) {
		m->state = is(m, "PRINTING") ? "ATTENTION" : m->state;
		m->attention_until_us = now_us(m) + SHORT_US;
	} else if ((size_t)f < ARRAY_LEN(answers)) {
		m->answer = answers[f].answer;
		m->answer_until_us = now_us(m) + answers[f].us;
	}
}

static void on_tick(void *arg)
{
	struct prusa_sim *m = arg;
	int fault;

	m->print.runs = is(m, "PRINTING");
	if (sim_print_go_on(&m->print, now_us(m)))
		m->state = "FINISHED";
	if (is(m, "ATTENTION") && now_us(m) >= m->attention_until_us)
		m->state = "PRINTING";
	while ((fault = sim_print_fault(&m->print, m->config.fault_s, now_us(m))) >= 0)
		fail(m, (enum prusa_sim_fault)fault);
	if (now_us(m) >= m->answer_until_us)
		let_go(m);
}

/* ---- life ---- */

/* "ring of a long name.gcode": "RINGOF~1.GCO", as FAT has it. */
static void name_file(struct prusa_sim *m)
{
	size_t n = 0;

	(void)text_copy(m->shown, sizeof(m->shown), m->print.job->file);
	for (const char *c = m->shown; *c && *c != '.' && n < 6; c++)
		if (isalnum((unsigned char)*c))
			m->name[n++] = *c;
	for (size_t i = 0; i < n; i++)
		m->name[i] = (char)toupper((unsigned char)m->name[i]);
	(void)snprintf(m->name + n, sizeof(m->name) - n, "~1.GCO");
}

static size_t body_limit(void *arg UNUSED, const struct http_request *r UNUSED)
{
	return 4096;
}

int prusa_sim_start(struct loop *l, const struct sim_web_config *c, struct prusa_sim **ret,
                    struct err *err)
{
	struct prusa_sim *m = MEM_NEW(struct prusa_sim);
	struct http_server_config server = { .address = c->address ? c->address : "127.0.0.1",
		                             .port = c->port,
		                             .body_limit = body_limit,
		                             .asked = asked,
		                             .arg = m };
	int rc = sim_job_load(c->file, 0, &m->print.job, err);

	m->loop = l;
	m->config = *c;
	m->state = "IDLE";
	m->job = 100;
	m->print.speed = c->speed;
	timer_init(&m->tick, l, on_tick, m);
	m->pool = server.pool = work_pool_new(l, "files", 1);
	if (rc == 0)
		rc = http_server_new(l, &server, &m->server, err);
	if (rc < 0) {
		prusa_sim_stop(m);
		return rc;
	}
	name_file(m);
	if (c->begins)
		begin(m);
	timer_start_every(&m->tick, TICK_MS);
	*ret = m;
	return 0;
}

void prusa_sim_stop(struct prusa_sim *m)
{
	if (!m)
		return;
	timer_stop(&m->tick);
	let_go(m);
	if (m->server)
		http_server_free(m->server);
	work_pool_free(m->pool);
	if (m->print.job)
		sim_job_unref(m->print.job);
	free(m);
}

uint16_t prusa_sim_port(const struct prusa_sim *m)
{
	return http_server_port(m->server);
}
