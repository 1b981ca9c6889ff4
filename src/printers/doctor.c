/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/doctor.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "printers/bambu/link.h"
#include "printers/bambu/report.h"
#include "printers/bambu/tables.h"
#include "printers/doctor_files.h"
#include "printers/doctor_web.h"
#include "printers/tls.h"
#include "wire/bambu_camera_codec.h"
#include "wire/mqtt_client.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_WAIT_MS 20000
#define CAMERA_WAIT_MS 20000
#define FAR_CLOCK_MS 300000
#define LOW_DISK ((uint64_t)2 << 30)
#define FIRST_SANE_WALL_MS 1767225600000LL /* 2026-01-01: before Bedside was written */

struct doctor {
	struct doctor_env env;
	char *data_dir, *ca_file;
	struct printer_config config;
	struct doctor_events events;
	struct doctor_report *report;
	struct bambu_report *state; /* of the messages heard */
	void (*next)(struct doctor *d);
	struct timer turn;  /* runs `next` */
	struct timer limit; /* of the step */
	int64_t begun_us;
	struct stream *stream;
	struct mqtt_client *mqtt;
	struct doctor_files *files;
	struct doctor_web *web;   /* of a printer with a URL */
	struct doctor_room *room; /* being looked for */
	struct bambu_camera_parser camera;
	unsigned n_asked;
	int64_t printer_wall_ms; /* what its messages say, 0 nothing */
	unsigned busy;
	bool is_dead;
};

static void step_tls(struct doctor *d);
static void step_mqtt(struct doctor *d);
static void step_files(struct doctor *d);
static void step_camera(struct doctor *d);
static void step_rtsp(struct doctor *d);
static void step_clock(struct doctor *d);
static void step_disk(struct doctor *d);
static void finish(struct doctor *d);

static void release(struct doctor *d)
{
	bambu_report_free(d->state);
	bambu_camera_parser_fini(&d->camera);
	printer_config_fini(&d->config);
	free(d->report);
	free(d->data_dir);
	free(d->ca_file);
	free(d);
}

static void drop_connections(struct doctor *d)
{
	timer_stop(&d->limit);
	stream_free(d->stream);
	d->stream = NULL;
	mqtt_client_free(d->mqtt);
	d->mqtt = NULL;
	doctor_files_free(d->files);
	d->files = NULL;
	doctor_web_free(d->web);
	d->web = NULL;
}

static void go(struct doctor *d, void (*next)(struct doctor *d))
{
	drop_connections(d);
	d->next = next;
	timer_start(&d->turn, 0);
}

static void on_turn(void *arg)
{
	struct doctor *d = arg;

	d->begun_us = loop_now_us(d->env.loop);
	d->next(d);
}

static void tell(struct doctor *d, const char *name, bool is_ok, const char *text,
                 const char *advice)
{
	struct doctor_step *s = &d->report->steps[d->report->n];

	if (d->report->n == DOCTOR_MAX_STEPS)
		return;
	d->report->n++;
	s->name = name;
	s->is_ok = is_ok;
	s->took_ms = (loop_now_us(d->env.loop) - d->begun_us) / 1000;
	TEXT_SET(s->text, text);
	TEXT_SET(s->advice, is_ok ? "" : advice);
	d->report->is_ok &= is_ok;
	d->begun_us = loop_now_us(d->env.loop);
	if (!d->events.step)
		return;
	d->busy++;
	d->events.step(d->events.arg, s);
	d->busy--;
}

static struct stream *connect_with(struct doctor *d, uint16_t port, bool has_tls, void *session)
{
	const struct printer_config *c = &d->config;
	struct tls_client tls;

	if (d->env.connect)
		return d->env.connect(d->env.connect_arg, port, has_tls);
	if (!has_tls)
		return tcp_stream_connect(d->env.loop, c->address, port, 0);
	printer_tls_client(c, d->ca_file, &tls);
	if (port == bambu_ports(c).ftps || session)
		tls.max_version = 12; /* bambu.md 5.1: with 1.3 the ticket comes too late */
	tls.session = session;
	return tls_stream_connect(d->env.loop, c->address, port, &tls);
}

static struct stream *connect_to(struct doctor *d, uint16_t port, bool has_tls)
{
	return connect_with(d, port, has_tls, NULL);
}

static void heard_nothing(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

/* ---- name and TCP ---- */

static void tcp_opened(void *arg)
{
	struct doctor *d = arg;
	char text[200];

	tell(d, "name", true, "The address is found.", "");
	(void)snprintf(text, sizeof(text), "%s answers.", stream_peer(d->stream));
	tell(d, "tcp", true, text, "");
	go(d, step_tls);
}

static void tcp_closed(void *arg, const struct err *err)
{
	struct doctor *d = arg;
	bool is_name = strstr(err->text, "there is no host") != NULL; /* wire/tcp_stream's words */

	if (is_name) {
		tell(d, "name", false, err->text,
		     "Enter the printer's IP address as its screen shows it under the network "
		     "settings, or mend the name in your router.");
	} else {
		tell(d, "name", true, "The address is found.", "");
		tell(d, "tcp", false, err->text,
		     err->code == -ECONNREFUSED
		             ? "Something answers there, but it is no Bambu printer, or the "
		               "printer is just starting. Compare the address with the one on its "
		               "screen."
		             : "Is the printer on, and in the same network as this machine? Guest "
		               "networks and \"client isolation\" of an access point keep machines "
		               "apart. Compare the address with the one on its screen.");
	}
	go(d, step_clock);
}

static void step_tcp(struct doctor *d)
{
	struct stream_events e = { tcp_opened, heard_nothing, NULL, tcp_closed, d };

	d->stream = connect_to(d, bambu_ports(&d->config).mqtt, false);
	stream_listen(d->stream, &e);
}

/* ---- TLS and certificate ---- */

static bool take_leaf(struct doctor *d, const struct stream *s, struct tls_leaf *leaf)
{
	if (!tls_stream_peer_leaf(s, leaf))
		return false;
	d->report->has_leaf = true;
	d->report->is_leaf_trusted = leaf->is_trusted;
	memcpy(d->report->leaf, leaf->sha256, 32);
	TEXT_SET(d->report->leaf_subject, leaf->subject_cn);
	return true;
}

static void tls_opened(void *arg)
{
	struct doctor *d = arg;
	struct tls_leaf leaf;
	char text[200], hex[65] = "";

	(void)snprintf(text, sizeof(text), "The connection is encrypted%s%s.",
	               d->env.connect ? "" : " by ",
	               d->env.connect ? "" : tls_stream_version(d->stream));
	tell(d, "tls", true, text, "");
	if (take_leaf(d, d->stream, &leaf))
		text_hex(hex, leaf.sha256, 32);
	(void)snprintf(text, sizeof(text), "%s sha256:%s",
	               d->config.trust.mode == TRUST_INSECURE ? "Not checked, as configured:"
	                                                      : "It is the printer's own:",
	               hex);
	tell(d, "certificate", true, text, "");
	go(d, step_mqtt);
}

static void tls_closed(void *arg, const struct err *err)
{
	struct doctor *d = arg;
	struct tls_leaf leaf;
	char advice[320], hex[65];

	if (!take_leaf(d, d->stream, &leaf) || leaf.is_trusted) {
		tell(d, "tls", false, err->text,
		     "What answers does not speak TLS as a printer does. Compare the address with "
		     "the "
		     "one on the printer's screen; restart the printer.");
		go(d, step_clock);
		return;
	}
	tell(d, "tls", true, "The connection is encrypted.", "");
	text_hex(hex, leaf.sha256, 32);
	(void)snprintf(
		advice, sizeof(advice),
		"Nothing was sent to it. If you are sure that this is your printer, pin this "
		"certificate on its page, or write  tls: sha256:%s  into its entry in the "
		"configuration. Otherwise check address and serial.",
		hex);
	tell(d, "certificate", false, leaf.reason, advice);
	go(d, step_clock);
}

static void step_tls(struct doctor *d)
{
	struct stream_events e = { tls_opened, heard_nothing, NULL, tls_closed, d };

	d->stream = connect_to(d, bambu_ports(&d->config).mqtt, true);
	stream_listen(d->stream, &e);
}

/* ---- login and first report ---- */

static void report_late(void *arg)
{
	struct doctor *d = arg;

	tell(d, "report", false, "Logged in, but the printer says nothing.",
	     "Is the serial number right to the letter? A wrong one is accepted and then nothing "
	     "comes. If it is, restart the printer.");
	go(d, step_files);
}

static void mqtt_ready(void *arg)
{
	struct doctor *d = arg;
	char topic[64];
	static const char ask[] = "{\"info\":{\"sequence_id\":\"1\",\"command\":\"get_version\"}}";

	tell(d, "login", true, "The access code is right.", "");
	(void)snprintf(topic, sizeof(topic), "device/%s/request", d->config.serial);
	(void)mqtt_client_publish(d->mqtt, topic, ask, strlen(ask), 1);
	timer_start(&d->limit, REPORT_WAIT_MS);
}

static void mqtt_message(void *arg, struct mqtt_bytes topic, struct mqtt_bytes payload)
{
	struct doctor *d = arg;
	struct bambu_message m;
	const struct bambu_model *model;
	char text[200];

	(void)topic;
	bambu_report_read(d->state, payload.data, payload.size, &m);
	if (m.kind == BAMBU_MESSAGE_BROKEN)
		return;
	d->printer_wall_ms = bambu_report_int(d->state, "t_utc", 0);
	model = bambu_report_model(d->state);
	(void)snprintf(text, sizeof(text), "The printer speaks%s%s.",
	               *model->name ? "; it is an " : "", model->name);
	tell(d, "report", true, text, "");
	go(d, step_files);
}

static void mqtt_closed(void *arg, enum mqtt_end end, const struct err *err)
{
	struct doctor *d = arg;

	if (timer_is_running(&d->limit))
		tell(d, "report", false, err->text,
		     "The printer ended the connection after the login. Too many programs may be "
		     "connected to it: close other ones, or restart the printer.");
	else if (end == MQTT_END_BAD_LOGIN)
		tell(d, "login", false, "The printer refuses the access code.",
		     "Enter the code that the printer's screen shows under its network settings. "
		     "It "
		     "changes when LAN mode or Developer mode is switched and when it is renewed "
		     "there.");
	else
		tell(d, "login", false, err->text,
		     "The printer does not take the login. Some A1 firmware serves the network "
		     "only "
		     "in LAN-only mode: switch that on, or restart the printer.");
	go(d, step_files);
}

static void step_mqtt(struct doctor *d)
{
	char id[24] = "bedside-", filter[64];
	struct mqtt_client_config c = {
		.client_id = id,
		.user = "bblp",
		.password = secret_peek(&d->config.access_code),
		.filter = filter,
	};
	struct mqtt_client_events e = { mqtt_ready, mqtt_message, mqtt_closed, d };

	crypto_random_text(id + 8, 12);
	(void)snprintf(filter, sizeof(filter), "device/%s/report", d->config.serial);
	timer_init(&d->limit, d->env.loop, report_late, d);
	d->mqtt = mqtt_client_new(d->env.loop, connect_to(d, bambu_ports(&d->config).mqtt, true),
	                          &c, &e);
}

/* ---- files ---- */

static struct stream *files_connect(void *arg, uint16_t port, bool has_tls, void *session)
{
	return connect_with(arg, port, has_tls, session);
}

static void files_done(void *arg, const char *text, const char *advice)
{
	struct doctor *d = arg;

	tell(d, "files", !*advice, text, advice);
	go(d, step_camera);
}

/* The code that is wrong for one port is wrong for all: three tries may lock us out. */
static bool is_code_wrong(const struct doctor *d)
{
	const struct doctor_step *last = &d->report->steps[d->report->n - 1];

	return !last->is_ok && strcmp(last->name, "login") == 0;
}

static void step_files(struct doctor *d)
{
	if (is_code_wrong(d)) {
		go(d, step_clock);
		return;
	}
	d->files = doctor_files_start(&(struct doctor_files_config){
		.loop = d->env.loop,
		.port = bambu_ports(&d->config).ftps,
		.code = &d->config.access_code,
		.connect = files_connect,
		.done = files_done,
		.arg = d,
	});
}

/* ---- camera ---- */

static void camera_late(void *arg)
{
	struct doctor *d = arg;

	tell(d, "camera", false, "The camera is connected, but no picture comes.",
	     "Is the camera switched on in the printer's settings? The printer serves one viewer "
	     "at "
	     "a time: close others. While it prepares a print it may be silent for a minute.");
	go(d, step_clock);
}

static void camera_opened(void *arg)
{
	struct doctor *d = arg;
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE];

	if (bambu_camera_login_write(login, "bblp", secret_peek(&d->config.access_code)))
		stream_write(d->stream, login, sizeof(login));
	secret_wipe(login, sizeof(login));
}

static void camera_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct doctor *d = arg;
	uint8_t *picture = NULL;
	size_t picture_size = 0;
	struct err err = { 0 };
	char text[200];

	int rc = bambu_camera_parse(&d->camera, &bytes, &size, &picture, &picture_size, &err);

	free(picture);
	if (rc == 0)
		return;
	if (rc < 0) {
		tell(d, "camera", false, err.text,
		     "What answers on the camera's port sends no pictures. Restart the printer.");
	} else {
		(void)snprintf(text, sizeof(text), "The first picture came, %u kB.",
		               (unsigned)(picture_size / 1000));
		tell(d, "camera", true, text, "");
	}
	go(d, step_clock);
}

static void camera_closed(void *arg, const struct err *err)
{
	struct doctor *d = arg;

	tell(d, "camera", false,
	     err->code == 0 ? "The printer closed the camera's connection without a picture."
	                    : err->text,
	     "Another program may be watching (the printer serves one), or the access code is "
	     "wrong. Is the camera switched on in the printer's settings?");
	go(d, step_clock);
}

static void step_camera(struct doctor *d)
{
	struct stream_events e = { camera_opened, camera_received, NULL, camera_closed, d };

	if (!d->config.has_camera || d->env.is_camera_in_use) {
		tell(d, "camera", true,
		     d->env.is_camera_in_use ? "Bedside is watching it; see its card."
		                             : "Not used, as configured.",
		     "");
		go(d, step_clock);
		return;
	}
	if (!bambu_report_model(d->state)->has_jpeg_camera) {
		go(d, step_rtsp);
		return;
	}
	timer_init(&d->limit, d->env.loop, camera_late, d);
	timer_start(&d->limit, CAMERA_WAIT_MS);
	d->stream = connect_to(d, bambu_ports(&d->config).camera, true);
	stream_listen(d->stream, &e);
}

/* X1, P2S, X2D, H2: RTSPS. OPTIONS needs no login (RFC 2326, 10.1). */

static const char live_view_off[] = "Switch on \"LAN-only liveview\" in the printer's settings, "
				    "and restart the printer if it is "
				    "on.";

static void rtsp_opened(void *arg)
{
	static const char ask[] = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
	struct doctor *d = arg;

	stream_write(d->stream, ask, sizeof(ask) - 1);
}

static void rtsp_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct doctor *d = arg;
	bool is_rtsp = size >= 5 && memcmp(bytes, "RTSP/", 5) == 0;

	if (is_rtsp)
		tell(d, "camera", true, "The live view answers, with the right certificate.", "");
	else
		tell(d, "camera", false, "What answers on the live view's port is no camera.",
		     "Compare the address with the one on the printer's screen; restart the "
		     "printer.");
	go(d, step_clock);
}

static void rtsp_late(void *arg)
{
	struct doctor *d = arg;

	tell(d, "camera", false, "The live view's port is open, but nothing answers.",
	     live_view_off);
	go(d, step_clock);
}

static void rtsp_closed(void *arg, const struct err *err)
{
	struct doctor *d = arg;
	struct tls_leaf leaf;
	bool is_foreign = tls_stream_peer_leaf(d->stream, &leaf) && !leaf.is_trusted;

	tell(d, "camera", false,
	     err->code == -ECONNREFUSED ? "The printer does not show its camera."
	     : err->code                ? err->text
	                                : "The live view's port closes the connection at once.",
	     is_foreign ? "Nothing was sent to it. The certificate of this port is another than "
	                  "the printer's: does something stand between? Restart the printer."
	                : live_view_off);
	go(d, step_clock);
}

static void step_rtsp(struct doctor *d)
{
	struct stream_events e = { rtsp_opened, rtsp_received, NULL, rtsp_closed, d };

	timer_init(&d->limit, d->env.loop, rtsp_late, d);
	timer_start(&d->limit, CAMERA_WAIT_MS);
	d->stream = connect_to(d, bambu_ports(&d->config).rtsp, true);
	stream_listen(d->stream, &e);
}

/* ---- this machine ---- */

static void step_clock(struct doctor *d)
{
	int64_t now_ms = loop_wall_ms(d->env.loop);
	char text[200];

	if (now_ms < FIRST_SANE_WALL_MS) {
		tell(d, "clock", false, "This machine's clock is years behind.",
		     "Set it, or let it follow the network time (timedatectl set-ntp true): "
		     "certificates and films need the right date.");
	} else if (d->printer_wall_ms && llabs(now_ms - d->printer_wall_ms) > FAR_CLOCK_MS) {
		(void)snprintf(text, sizeof(text),
		               "This machine and the printer are %d minutes apart.",
		               (int)(llabs(now_ms - d->printer_wall_ms) / 60000));
		tell(d, "clock", false, text,
		     "Let this machine follow the network time (timedatectl set-ntp true). The "
		     "printer sets its clock by the internet.");
	} else {
		tell(d, "clock", true, "The date is plausible.", "");
	}
	go(d, step_disk);
}

/* How much room there is. The pool's alone until it is back. */
struct doctor_room {
	struct doctor *doctor; /* NULL: gone */
	char *dir;
	uint64_t free_bytes, total_bytes;
	int rc;
	struct err err;
};

static void look_for_room(void *arg)
{
	struct doctor_room *r = arg;

	r->rc = fs_space(r->dir, &r->free_bytes, &r->total_bytes, &r->err);
}

static void tell_room(struct doctor *d, const struct doctor_room *r)
{
	char text[200], size[32];

	if (r->rc < 0) {
		tell(d, "disk", false, r->err.text,
		     "Is the data folder there, and may Bedside use it?");
		return;
	}
	(void)snprintf(text, sizeof(text), "%s are free for frames and films.",
	               text_size(size, sizeof(size), r->free_bytes));
	tell(d, "disk", r->free_bytes >= LOW_DISK, text,
	     "Delete old films, or set storage.keep_frames shorter in the configuration.");
}

static void have_room(void *arg)
{
	struct doctor_room *r = arg;
	struct doctor *d = r->doctor;

	if (d) {
		d->room = NULL;
		tell_room(d, r);
	}
	free(r->dir);
	free(r);
	if (d)
		finish(d);
}

static void step_disk(struct doctor *d)
{
	if (!d->data_dir) {
		finish(d);
		return;
	}
	d->room = MEM_NEW(struct doctor_room);
	d->room->doctor = d;
	d->room->dir = mem_str(d->data_dir);
	if (d->env.pool) {
		work_submit(d->env.pool, look_for_room, have_room, d->room);
	} else {
		look_for_room(d->room);
		have_room(d->room);
	}
}

static void finish(struct doctor *d)
{
	drop_connections(d);
	d->busy++;
	d->events.done(d->events.arg, d->report);
	if (--d->busy == 0 && d->is_dead)
		release(d);
}

/* ---- a printer with a URL ---- */

static void web_step(void *arg, const char *name, bool is_ok, const char *text, const char *advice)
{
	tell(arg, name, is_ok, text, advice);
}

static void web_leaf(void *arg, const struct tls_leaf *leaf)
{
	struct doctor *d = arg;

	d->report->has_leaf = true;
	d->report->is_leaf_trusted = leaf->is_trusted;
	memcpy(d->report->leaf, leaf->sha256, 32);
	TEXT_SET(d->report->leaf_subject, leaf->subject_cn);
}

static void web_done(void *arg)
{
	go(arg, step_disk);
}

static void step_web(struct doctor *d)
{
	const struct doctor_web_events e = { web_step, web_leaf, web_done, d };

	d->web = doctor_web_start(d->env.loop, &d->config, &e);
}

struct doctor *doctor_start(const struct doctor_env *env, const struct printer_config *c,
                            const struct doctor_events *events)
{
	struct doctor *d = MEM_NEW(struct doctor);

	d->env = *env;
	d->data_dir = mem_str(env->data_dir);
	d->ca_file = mem_str(env->ca_file);
	printer_config_copy(&d->config, c);
	d->events = *events;
	d->report = MEM_NEW(struct doctor_report);
	d->report->is_ok = true;
	d->state = bambu_report_new(c->serial, c->model);
	timer_init(&d->turn, env->loop, on_turn, d);
	timer_init(&d->limit, env->loop, report_late, d);
	go(d, c->url[0] ? step_web : step_tcp);
	return d;
}

void doctor_free(struct doctor *d)
{
	if (!d || d->is_dead)
		return;
	timer_stop(&d->turn);
	drop_connections(d);
	if (d->room)
		d->room->doctor = NULL;
	d->room = NULL;
	d->is_dead = true;
	if (d->busy == 0)
		release(d);
}
