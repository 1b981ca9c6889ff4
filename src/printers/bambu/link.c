/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/link.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/log.h"
#include "printers/bambu/command.h"
#include "printers/bambu/files.h"
#include "printers/bambu/report.h"
#include "printers/bambu/start.h"
#include "printers/bambu/tables.h"
#include "wire/mqtt_client.h"
#include "wire/stream.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUSHALL_US 300000000LL      /* one in 5 minutes; on A1 and P1 over reconnects too */
#define PUSHALL_AGAIN_US 15000000LL /* while no full state has come */
#define EFFECT_US 5000000LL         /* how long an echoed command may take to show */
#define JUDGE_MS 500
#define FIRST_SEQ 30000 /* Bambu Studio uses 20000 to 29999 */
#define MANY_BROKEN 5

struct printer_ports bambu_ports(const struct printer_config *c)
{
	struct printer_ports p = c->ports;

	p.mqtt = p.mqtt ? p.mqtt : 8883;
	p.ftps = p.ftps ? p.ftps : 990;
	p.camera = p.camera ? p.camera : 6000;
	p.rtsp = p.rtsp ? p.rtsp : 322;
	p.detect = p.detect ? p.detect : 3000;
	p.detect_tls = p.detect_tls ? p.detect_tls : 3002;
	return p;
}

static int64_t now_us(const struct bambu *b)
{
	return loop_now_us(printer_driver_env(b->printer)->loop);
}

bool bambu_publish(struct bambu *b, const char *text)
{
	char topic[64];

	(void)snprintf(topic, sizeof(topic), "device/%s/request",
	               printer_config(b->printer)->serial);
	return b->mqtt && mqtt_client_publish(b->mqtt, topic, text, strlen(text), 1);
}

uint32_t bambu_take_seq(struct bambu *b)
{
	b->next_seq = b->next_seq >= 0x7ffffff0 ? FIRST_SEQ : b->next_seq + 1;
	return b->next_seq;
}

/* ---- asking for the state ---- */

static bool may_push(const struct bambu *b)
{
	int64_t least_us = PUSHALL_AGAIN_US;

	if (b->pushall_us == 0)
		return true;
	if (bambu_report_has_full(b->report))
		least_us = PUSHALL_US;
	return now_us(b) - b->pushall_us >= least_us;
}

static bool send_pushall(struct bambu *b)
{
	char text[128];

	(void)snprintf(text, sizeof(text),
	               "{\"pushing\":{\"sequence_id\":\"%u\",\"command\":\"pushall\",\"version\":1,"
	               "\"push_target\":1}}",
	               bambu_take_seq(b));
	if (!bambu_publish(b, text))
		return false;
	b->pushall_us = now_us(b);
	return true;
}

/* Now, or as soon as the rule allows. */
static void want_pushall(struct bambu *b)
{
	if (may_push(b)) {
		(void)send_pushall(b);
		return;
	}

	bool has_full = bambu_report_has_full(b->report);
	int64_t wait_us = b->pushall_us + (has_full ? PUSHALL_US : PUSHALL_AGAIN_US) - now_us(b);

	if (!timer_is_running(&b->pushall))
		timer_start(&b->pushall, wait_us / 1000 + 1);
}

static void on_pushall_timer(void *arg)
{
	struct bambu *b = arg;

	if (b->mqtt && mqtt_client_is_ready(b->mqtt))
		want_pushall(b);
}

static void ask_version(struct bambu *b)
{
	char text[96];

	(void)snprintf(text, sizeof(text),
	               "{\"info\":{\"sequence_id\":\"%u\",\"command\":\"get_version\"}}",
	               bambu_take_seq(b));
	(void)bambu_publish(b, text);
}

static void on_ready(void *arg)
{
	struct bambu *b = arg;

	/* Machines that send everything at every change may forget what they knew. The others
	 * keep it: their next full state may be five minutes away. */
	if (!bambu_report_model(b->report)->is_slow)
		bambu_report_restart(b->report);
	ask_version(b);
	/* A connection's first question is always allowed but on A1 and P1. */
	if (!bambu_report_model(b->report)->is_slow)
		b->pushall_us = 0;
	want_pushall(b);
}

/* ---- commands ---- */

static void answer(struct bambu *b, struct bambu_asked **place, enum printer_answer a,
                   const char *reason)
{
	struct bambu_asked *q = *place;

	*place = NULL;
	printer_driver_answer(b->printer, q->ticket, a, reason);
	free(q);
}

void bambu_note_refusal(struct bambu *b, bool is_refused)
{
	struct printer_state *s = printer_driver_state(b->printer);

	if (s->needs_developer_mode == is_refused)
		return;
	s->needs_developer_mode = is_refused;
	if (is_refused && !b->saw_refusal)
		printer_driver_notice(b->printer, BAMBU_NEEDS_DEVELOPER_MODE);
	b->saw_refusal = is_refused;
	printer_driver_changed(b->printer);
}

void bambu_reply_reason(struct bambu *b, const struct bambu_message *m, char *dst, size_t size)
{
	if (m->err_code == 84033543 || m->err_code == 84033545 ||
	    strstr(m->reason, "verify fail")) {
		bambu_note_refusal(b, true);
		text_copy(dst, size, BAMBU_NEEDS_DEVELOPER_MODE);
	} else {
		(void)snprintf(dst, size, "the printer says: %s",
		               *m->reason ? m->reason : "no (without a reason)");
	}
}

static void on_reply(struct bambu *b, const struct bambu_message *m)
{
	if (bambu_start_reply(b->start, m))
		return;
	for (size_t i = 0; i < BAMBU_MAX_ASKED; i++) {
		struct bambu_asked *q = b->asked[i];
		char seq[16];
		char reason[220];

		if (!q)
			continue;
		(void)snprintf(seq, sizeof(seq), "%u", q->seq);
		if (!text_equal(seq, m->sequence_id))
			continue;
		if (m->kind == BAMBU_MESSAGE_ECHO) {
			q->is_accepted_blind = true;
		} else if (m->is_success) {
			if (!bambu_command_is_free(&q->command))
				bambu_note_refusal(b, false);
			answer(b, &b->asked[i], PRINTER_ACKNOWLEDGED, "");
		} else {
			bambu_reply_reason(b, m, reason, sizeof(reason));
			answer(b, &b->asked[i], PRINTER_REFUSED, reason);
		}
		return;
	}
}

static bool shows_unsigned_hms(const struct printer_state *s)
{
	for (unsigned i = 0; i < s->n_hms; i++) {
		if (text_equal(s->hms[i].code, "0500_0500_0001_0007"))
			return true;
	}
	return false;
}

/* What the reports tell of commands that got no plain answer. */
static void judge(struct bambu *b)
{
	const struct printer_state *s = printer_state(b->printer);
	bool is_waiting = false;

	for (size_t i = 0; i < BAMBU_MAX_ASKED; i++) {
		struct bambu_asked *q = b->asked[i];

		if (!q)
			continue;

		int64_t age_us = now_us(b) - q->sent_us;
		int effect = bambu_command_effect(&q->command, s);

		/* NOLINTNEXTLINE(bugprone-branch-clone): two reasons, one consequence */
		if (effect == 1 && !q->had_effect) {
			answer(b, &b->asked[i], PRINTER_ACKNOWLEDGED, "");
			/* NOLINTNEXTLINE(bugprone-branch-clone): two reasons, one consequence */
		} else if (shows_unsigned_hms(s) && !bambu_command_is_free(&q->command)) {
			bambu_note_refusal(b, true);
			answer(b, &b->asked[i], PRINTER_REFUSED, BAMBU_NEEDS_DEVELOPER_MODE);
		} else if (q->is_accepted_blind && age_us >= EFFECT_US && effect == 0) {
			/* P1 firmware that wants signatures just repeats the command. */
			bambu_note_refusal(b, true);
			answer(b, &b->asked[i], PRINTER_REFUSED, BAMBU_NEEDS_DEVELOPER_MODE);
		} else if (q->is_accepted_blind && age_us >= EFFECT_US) {
			answer(b, &b->asked[i], PRINTER_ACKNOWLEDGED, "");
		} else if (age_us > 2 * EFFECT_US) {
			free(q); /* the framework has answered "timed out" */
			b->asked[i] = NULL;
		} else {
			is_waiting = true;
		}
	}
	if (!is_waiting)
		timer_stop(&b->judge);
}

static void on_judge(void *arg)
{
	judge(arg);
}

static void send_refresh(struct bambu *b, uint32_t ticket)
{
	if (may_push(b) && send_pushall(b))
		printer_driver_answer(b->printer, ticket, PRINTER_ACKNOWLEDGED, "");
	else
		printer_driver_answer(b->printer, ticket, PRINTER_NOT_SENT,
		                      "the whole state was asked for a moment ago; this printer "
		                      "must not be asked again yet");
}

static struct bambu_asked **free_place(struct bambu *b)
{
	for (size_t i = 0; i < BAMBU_MAX_ASKED; i++) {
		if (!b->asked[i])
			return &b->asked[i];
	}
	return NULL;
}

static bool publish_all(struct bambu *b, const struct buf *messages)
{
	bool sent = messages->size > 0 && !messages->overflown;

	for (size_t at = 0; sent && at < messages->size;) {
		sent = bambu_publish(b, messages->data + at);
		at += strlen(messages->data + at) + 1;
	}
	return sent;
}

static void bambu_send(void *priv, const struct printer_command *c, uint32_t ticket)
{
	struct bambu *b = priv;
	const struct printer_config *config = printer_config(b->printer);
	struct bambu_asked **place = free_place(b);
	struct bambu_context x = {
		.model = bambu_report_model(b->report),
		.state = printer_state(b->printer),
		.fun = bambu_report_fun(b->report),
		.pauses_by_m400 = config->pauses_by_m400,
		.subtask_id = bambu_report_text(b->report, "subtask_id"),
	};
	struct err err = { 0 };
	struct buf messages;

	if (c->kind == PRINTER_REFRESH) {
		send_refresh(b, ticket);
		return;
	}
	if ((x.fun >> 29 & 1) && !bambu_command_is_free(c)) {
		printer_driver_answer(b->printer, ticket, PRINTER_REFUSED,
		                      BAMBU_NEEDS_DEVELOPER_MODE);
		return;
	}
	if (c->kind == PRINTER_START_FILE) {
		bambu_start_begin(b->start, c, ticket);
		return;
	}
	x.seq = bambu_take_seq(b);
	(void)bambu_take_seq(b); /* some commands are two messages */
	buf_init(&messages, 16384);
	if (bambu_command_write(&messages, c, &x, &err) < 0) {
		printer_driver_answer(b->printer, ticket, PRINTER_NOT_SENT, err.text);
	} else if (!place) {
		printer_driver_answer(b->printer, ticket, PRINTER_NOT_SENT,
		                      "too many commands are waiting for their answer");
	} else if (!publish_all(b, &messages)) {
		printer_driver_answer(b->printer, ticket, PRINTER_NOT_SENT,
		                      "the printer is not connected");
	} else {
		struct bambu_asked *q = MEM_NEW(struct bambu_asked);

		q->ticket = ticket;
		q->seq = x.seq;
		q->command = *c;
		q->sent_us = now_us(b);
		q->had_effect = bambu_command_effect(c, x.state) == 1;
		*place = q;
		timer_start_every(&b->judge, JUDGE_MS);
	}
	buf_fini(&messages);
}

/* ---- the connection ---- */

static void on_status(struct bambu *b)
{
	struct printer_state *s = printer_driver_state(b->printer);
	bool was_needed = s->needs_developer_mode;

	bambu_start_bare(b->start, s);
	bambu_report_apply(b->report, s, now_us(b));
	bambu_start_shape(b->start, s);
	if (b->saw_refusal && !bambu_report_fun(b->report))
		s->needs_developer_mode = was_needed;
	printer_driver_heard(b->printer);
	judge(b);
	bambu_start_judge(b->start);
}

static void on_message(void *arg, struct mqtt_bytes topic, struct mqtt_bytes payload)
{
	struct bambu *b = arg;
	struct bambu_message m;

	(void)topic;
	bambu_report_read(b->report, payload.data, payload.size, &m);
	if (m.kind != BAMBU_MESSAGE_BROKEN)
		b->n_broken = 0;
	switch (m.kind) {
	case BAMBU_MESSAGE_BROKEN:
		if (++b->n_broken % MANY_BROKEN == 0)
			want_pushall(b);
		return;
	case BAMBU_MESSAGE_REPLY:
	case BAMBU_MESSAGE_ECHO:
		on_reply(b, &m);
		printer_driver_heard(b->printer);
		return;
	case BAMBU_MESSAGE_FULL:
	case BAMBU_MESSAGE_DELTA:
	case BAMBU_MESSAGE_VERSION:
		on_status(b);
		if (!bambu_report_has_full(b->report))
			want_pushall(b);
		return;
	case BAMBU_MESSAGE_OTHER:
		printer_driver_heard(b->printer);
		return;
	}
}

static bool tell_leaf(struct bambu *b, struct err *err)
{
	struct tls_leaf leaf;

	if (!tls_stream_peer_leaf(mqtt_client_stream(b->mqtt), &leaf) || leaf.is_trusted)
		return false;
	printer_driver_refused_leaf(b->printer, leaf.sha256, leaf.subject_cn);
	err_set(err, -EACCES, "%s", leaf.reason);
	return true;
}

static void on_closed(void *arg, enum mqtt_end end, const struct err *why)
{
	struct bambu *b = arg;
	enum printer_failure failure = PRINTER_FAILURE_LOST;
	struct err err = *why;

	switch (end) {
	case MQTT_END_UNREACHABLE:
		failure = tell_leaf(b, &err) ? PRINTER_FAILURE_CERTIFICATE
		                             : PRINTER_FAILURE_UNREACHABLE;
		break;
	case MQTT_END_BAD_LOGIN:
		failure = PRINTER_FAILURE_CODE;
		break;
	case MQTT_END_REFUSED:
	case MQTT_END_NO_SUBSCRIBE:
		failure = PRINTER_FAILURE_REFUSED;
		break;
	case MQTT_END_SILENT:
	case MQTT_END_BROKEN:
	case MQTT_END_LOST:
		break;
	}
	printer_driver_failed(b->printer, failure, &err);
}

static void bambu_open(void *priv)
{
	struct bambu *b = priv;
	const struct printer_config *c = printer_config(b->printer);
	char id[24] = "bedside-", filter[64];
	struct mqtt_client_config config = {
		.client_id = id,
		.user = "bblp",
		.password = secret_peek(&c->access_code),
		.filter = filter,
	};
	struct mqtt_client_events events = { on_ready, on_message, on_closed, b };
	struct stream *s = printer_driver_connect(b->printer, bambu_ports(c).mqtt);

	crypto_random_text(id + 8, 12);
	(void)snprintf(filter, sizeof(filter), "device/%s/report", c->serial);
	b->n_broken = 0;
	b->mqtt = mqtt_client_new(printer_driver_env(b->printer)->loop, s, &config, &events);
}

static void bambu_close(void *priv)
{
	struct bambu *b = priv;

	timer_stop(&b->judge);
	timer_stop(&b->pushall);
	bambu_start_cancel(b->start);
	for (size_t i = 0; i < BAMBU_MAX_ASKED; i++) {
		free(b->asked[i]);
		b->asked[i] = NULL;
	}
	mqtt_client_free(b->mqtt);
	b->mqtt = NULL;
}

static void bambu_nudge(void *priv)
{
	struct bambu *b = priv;
	char text[96];

	(void)snprintf(text, sizeof(text),
	               "{\"pushing\":{\"sequence_id\":\"%u\",\"command\":\"start\"}}",
	               bambu_take_seq(b));
	(void)bambu_publish(b, text);
}

static void bambu_init(void *priv, struct printer *p)
{
	struct bambu *b = priv;
	const struct printer_config *c = printer_config(p);
	struct loop *l = printer_driver_env(p)->loop;

	b->printer = p;
	b->next_seq = FIRST_SEQ;
	b->report = bambu_report_new(c->serial, c->model);
	b->files = bambu_files_new(b);
	b->start = bambu_start_new(b);
	timer_init(&b->judge, l, on_judge, b);
	timer_init(&b->pushall, l, on_pushall_timer, b);
	bambu_report_apply(b->report, printer_driver_state(p), 0);
	printer_driver_state(p)->capabilities =
		PRINTER_CAN_PAUSE | PRINTER_CAN_HEAT | PRINTER_CAN_FANS | PRINTER_CAN_LIGHT |
		PRINTER_CAN_SPEED | PRINTER_CAN_HOME | PRINTER_CAN_GCODE | PRINTER_CAN_START |
		PRINTER_CAN_FETCH_JOB | PRINTER_CAN_CLEAR_ERROR;
}

static void bambu_fini(void *priv)
{
	struct bambu *b = priv;

	bambu_start_free(b->start);
	bambu_files_free(b->files);
	bambu_report_free(b->report);
}

static json_t *bambu_raw(const void *priv)
{
	return bambu_report_json(((const struct bambu *)priv)->report);
}

static int bambu_fetch_job(void *priv, const char *dest_path, const struct printer_fetch *f,
                           struct err *err)
{
	return bambu_files_fetch_job(((struct bambu *)priv)->files, dest_path, f, err);
}

static void bambu_fetch_cancel(void *priv)
{
	bambu_files_cancel(((struct bambu *)priv)->files);
}

static bool bambu_own_camera(const void *priv, struct camera_config *ret, const char **ret_why)
{
	const struct bambu *b = priv;
	const struct printer_config *c = printer_config(b->printer);

	*ret_why = "";
	if (!c->has_camera) {
		*ret_why = "The printer's own camera is switched off in the configuration.";
		return false;
	}
	if (!bambu_report_knows_model(b->report)) {
		*ret_why = "The printer's model is not known yet.";
		return false;
	}

	bool is_jpeg = bambu_report_model(b->report)->has_jpeg_camera;

	memset(ret, 0, sizeof(*ret));
	(void)snprintf(ret->id, sizeof(ret->id), "%.40s-camera", c->id);
	(void)snprintf(ret->name, sizeof(ret->name), "%.80s camera", c->name);
	TEXT_SET(ret->driver, is_jpeg ? "bambu" : "bambu-rtsp");
	TEXT_SET(ret->printer, c->id);
	TEXT_SET(ret->address, c->address);
	TEXT_SET(ret->serial, c->serial);
	ret->port = is_jpeg ? bambu_ports(c).camera : bambu_ports(c).rtsp;
	secret_set(&ret->secret, secret_peek(&c->access_code));
	ret->trust = c->trust;
	ret->stale_after_ms = 10000;
	ret->ring_ms = 3000;
	return true;
}

const struct printer_driver printer_driver_bambu = {
	.name = "bambu",
	.title = "Bambu Lab printer in the local network",
	.priv_size = sizeof(struct bambu),
	.login = PRINTER_LOGIN_CODE,
	.key_word = "access code",
	.key_advice = "Enter the code that its screen shows under its network settings: it changes "
		      "when LAN mode or Developer mode is switched.",
	.refused_advice = "Is the serial number right?",
	.init = bambu_init,
	.fini = bambu_fini,
	.open = bambu_open,
	.close = bambu_close,
	.nudge = bambu_nudge,
	.send = bambu_send,
	.raw = bambu_raw,
	.fetch_job = bambu_fetch_job,
	.fetch_cancel = bambu_fetch_cancel,
	.own_camera = bambu_own_camera,
};
