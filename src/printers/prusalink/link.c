/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One question at a time, the next when the last is answered: every second while it prints, rarely
 * else, and more rarely where the answers are slow (prusa_poll_ms()). */

#include "printers/prusalink/link.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/download.h"
#include "printers/prusalink/command.h"
#include "printers/prusalink/report.h"
#include "printers/reply.h"
#include "wire/fetch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_MISSED 3
#define MAX_ASKED 8
#define MAX_UNDESCRIBED 5 /* answers without the job's file that are believed */
#define EFFECT_MS 60000   /* a pause waits for the moves that are queued */
#define SOON_MS 500       /* what a command has done is looked at */

struct prusa;

/* A command whose effect is waited for. */
struct asked {
	struct prusa *prusa;
	bool is_used, is_taken; /* is_taken: PrusaLink has said yes */
	uint32_t ticket;
	enum printer_command_kind kind;
	int64_t until_us;
};

struct prusa {
	struct printer *printer;
	struct rest *rest; /* NULL while closed */
	struct download *download;
	struct prusa_memory memory;
	json_t *status; /* the newest, for prusa_raw(), and while the job's file is asked for */
	json_t *info;
	char key_header[SECRET_MAX + 16]; /* "" with a user */
	bool is_old;                      /* firmware before API v1 */
	bool has_polled;                  /* online at least once since it was opened */
	bool is_polling;
	bool is_trouble_told;
	unsigned n_missed, n_undescribed;
	struct timer poll;
	int64_t asked_us;
	struct asked asked[MAX_ASKED];
};

static int64_t now_us(const struct prusa *o)
{
	return loop_now_us(printer_driver_env(o->printer)->loop);
}

static bool fail_by(struct prusa *o, const struct rest_answer *a)
{
	return printer_driver_fail_by(o->printer, o->rest, a, "PrusaLink", o->has_polled);
}

static bool ask(struct prusa *o, const char *method, const char *target, rest_fn *done, void *arg)
{
	const struct rest_question q = { .method = method, .target = target };

	return rest_ask(o->rest, &q, done, arg);
}

/* ---- commands ---- */

static void answer(struct asked *q, enum printer_answer a, const char *reason)
{
	struct printer *p = q->prusa->printer;
	uint32_t ticket = q->ticket;

	*q = (struct asked){ 0 };
	printer_driver_answer(p, ticket, a, reason);
}

static void judge_asked(struct prusa *o)
{
	for (size_t i = 0; i < MAX_ASKED; i++) {
		struct asked *q = &o->asked[i];

		if (!q->is_used || !q->is_taken)
			continue;
		if (reply_effect(printer_state(o->printer), q->kind) != 0)
			answer(q, PRINTER_ACKNOWLEDGED, "");
		else if (now_us(o) > q->until_us)
			*q = (struct asked){ 0 };
	}
}

static void refuse(struct asked *q, const struct rest_answer *a)
{
	static const char *const keys[] = { "text", "message", "title" };
	const char *why = a->status == 409 ? "not in this state" : "no";
	char reason[230];

	for (size_t i = ARRAY_LEN(keys); i-- > 0;) {
		if (*reply_text(a->json, keys[i]))
			why = reply_text(a->json, keys[i]);
	}
	if (a->err.code)
		(void)snprintf(reason, sizeof(reason), "%.200s", a->err.text);
	else if (a->status == 404 && q->kind == PRINTER_START_FILE)
		(void)snprintf(reason, sizeof(reason), "there is no such file on its storage");
	else
		(void)snprintf(reason, sizeof(reason), "PrusaLink says: %.160s (%d)", why,
		               a->status);
	text_clean(reason);
	answer(q, a->err.code == -ETIMEDOUT ? PRINTER_TIMED_OUT : PRINTER_REFUSED, reason);
}

static void on_commanded(void *arg, const struct rest_answer *a)
{
	struct asked *q = arg;
	struct prusa *o = q->prusa;

	if (a->err.code || a->status < 200 || a->status > 299) {
		refuse(q, a);
		return;
	}
	q->is_taken = true;
	if (!o->is_polling)
		timer_start(&o->poll, SOON_MS);
}

static void prusa_send(void *priv, const struct printer_command *c, uint32_t ticket)
{
	struct prusa *o = priv;
	struct asked *q = NULL;
	const char *method;
	char target[1024];
	struct err err = { 0 };

	if (c->kind == PRINTER_REFRESH) {
		if (!o->is_polling)
			timer_start(&o->poll, 0);
		printer_driver_answer(o->printer, ticket, PRINTER_ACKNOWLEDGED, "");
		return;
	}
	if (o->is_old) {
		printer_driver_answer(
			o->printer, ticket, PRINTER_NOT_SENT,
			"its firmware is older than PrusaLink's API v1, which has the "
			"commands: update it, or use the printer's own screen");
		return;
	}
	if (prusa_command_write(c, &o->memory, &method, target, &err) < 0) {
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT, err.text);
		return;
	}
	judge_asked(o); /* what nobody waits for any more goes */
	for (size_t i = 0; i < MAX_ASKED && !q; i++) {
		if (!o->asked[i].is_used)
			q = &o->asked[i];
	}
	if (q)
		*q = (struct asked){ .prusa = o,
			             .is_used = true,
			             .ticket = ticket,
			             .kind = c->kind,
			             .until_us = now_us(o) + EFFECT_MS * 1000LL };
	if (!q || !ask(o, method, target, on_commanded, q)) {
		if (q)
			*q = (struct asked){ 0 };
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT,
		                      "too many commands are waiting for their answer");
		return;
	}
	printer_driver_wait(o->printer, ticket, EFFECT_MS);
}

/* ---- what is heard ---- */

static void tell_trouble(struct prusa *o)
{
	const struct printer_state *s = printer_state(o->printer);

	if (s->print_error && !o->is_trouble_told)
		printer_driver_notice(o->printer, s->print_error_text);
	o->is_trouble_told = s->print_error != 0;
}

static void wait_next(struct prusa *o)
{
	int64_t took_ms = (now_us(o) - o->asked_us) / 1000;

	o->is_polling = false;
	timer_start(&o->poll, prusa_poll_ms(printer_state(o->printer), took_ms));
}

/* `job` NULL: nothing new of its file. */
static void take(struct prusa *o, const json_t *job)
{
	struct printer_state *s = printer_driver_state(o->printer);
	struct loop *l = printer_driver_env(o->printer)->loop;

	s->capabilities = PRINTER_CAN_FETCH_JOB | PRINTER_CAN_POSITION;
	if (!o->is_old) /* the commands are API v1 */
		s->capabilities |= PRINTER_CAN_PAUSE | PRINTER_CAN_START;
	(void)prusa_report_status(&o->memory, o->status, s, loop_now_us(l), loop_wall_ms(l));
	prusa_report_job(&o->memory, job, s);
	o->has_polled = true;
	o->n_missed = 0;
	tell_trouble(o);
	printer_driver_heard(o->printer);
	judge_asked(o);
	wait_next(o);
}

/* A single answer that does not come is no lost connection. */
static bool is_missed(struct prusa *o, const struct rest_answer *a)
{
	if (a->err.code != -ETIMEDOUT || !o->has_polled || ++o->n_missed >= MAX_MISSED)
		return false;
	wait_next(o);
	return true;
}

static void on_job(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;

	if (is_missed(o, a) || fail_by(o, a))
		return;
	if (o->is_old) {
		json_t *job = prusa_old_job(a->json);

		take(o, job);
		json_decref(job);
	} else {
		take(o, a->json);
	}
}

static bool needs_job(struct prusa *o)
{
	const json_t *job = json_object_get(o->status, "job");
	int64_t id = reply_whole(job, "id");

	id = MAX(id, (int64_t)0);
	if (!json_is_object(job) || (id == o->memory.described && id == o->memory.job))
		return false;
	if (id != o->memory.job)
		o->n_undescribed = 0;
	return o->n_undescribed++ < MAX_UNDESCRIBED;
}

static void on_status(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;
	struct err err = { 0 };

	if (a->status == 404 && !o->has_polled && !o->is_old) {
		o->is_old = true;
		timer_start(&o->poll, 0);
		return;
	}
	if (is_missed(o, a) || fail_by(o, a))
		return;
	if (!*reply_text(json_object_get(a->json, "printer"), "state")) {
		(void)err_set(&err, -EPROTO, "it answers, but not as PrusaLink does");
		printer_driver_failed(o->printer, PRINTER_FAILURE_REFUSED, &err);
		return;
	}
	json_decref(o->status);
	o->status = json_incref(a->json);
	if (needs_job(o))
		(void)ask(o, NULL, "/api/v1/job", on_job, o);
	else
		take(o, NULL);
}

/* ---- firmware before API v1 ---- */

static void on_old_printer(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;

	if (is_missed(o, a) || fail_by(o, a))
		return;
	json_t *status = prusa_old_status(a->json, o->info);

	json_decref(o->status);
	o->status = status;
	if (!json_object_get(status, "printer")) {
		struct err err = { 0 };

		(void)err_set(&err, -EPROTO, "it answers, but not as PrusaLink does");
		printer_driver_failed(o->printer, PRINTER_FAILURE_REFUSED, &err);
		return;
	}
	json_t *job = prusa_old_job(o->info);

	take(o, job);
	json_decref(job);
}

/* Its job stands in `info`, which such firmware has not. */
static void on_old_job(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;

	if (is_missed(o, a) || fail_by(o, a))
		return;
	json_decref(o->info);
	o->info = json_incref(a->json);
	(void)ask(o, NULL, "/api/printer", on_old_printer, o);
}

/* ---- asking ---- */

static void on_poll(void *arg)
{
	struct prusa *o = arg;

	o->is_polling = true;
	o->asked_us = now_us(o);
	if (o->is_old)
		(void)ask(o, NULL, "/api/job", on_old_job, o);
	else
		(void)ask(o, NULL, "/api/v1/status", on_status, o);
}

/* Firmware before API v1 has none: what it says is left out. */
static void on_info(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;

	if (a->status == 200 && a->json) {
		json_decref(o->info);
		o->info = json_incref(a->json);
		prusa_report_info(&o->memory, a->json, printer_driver_state(o->printer));
	} else if (a->status != 404 && fail_by(o, a)) {
		return;
	}
	timer_start(&o->poll, 0);
}

static void on_version(void *arg, const struct rest_answer *a)
{
	struct prusa *o = arg;
	struct err err = { 0 };

	if (fail_by(o, a))
		return;
	if (!reply_is(reply_text(a->json, "text"), "PrusaLink", &err)) {
		printer_driver_failed(o->printer, PRINTER_FAILURE_REFUSED, &err);
		return;
	}
	prusa_report_version(a->json, printer_driver_state(o->printer));
	(void)ask(o, NULL, "/api/v1/info", on_info, o);
}

/* ---- life ---- */

static void prusa_open(void *priv)
{
	struct prusa *o = priv;
	const char *const headers[] = { o->key_header };

	o->rest = printer_driver_rest(o->printer, headers, o->key_header[0] ? 1 : 0);
	prusa_memory_init(&o->memory);
	o->is_old = o->has_polled = false;
	o->is_polling = true;
	o->n_missed = o->n_undescribed = 0;
	(void)ask(o, NULL, "/api/version", on_version, o);
}

static void prusa_close(void *priv)
{
	struct prusa *o = priv;

	timer_stop(&o->poll);
	rest_free(o->rest);
	o->rest = NULL;
	memset(o->asked, 0, sizeof(o->asked));
}

static void prusa_nudge(void *priv)
{
	struct prusa *o = priv;

	if (o->rest && !o->is_polling)
		timer_start(&o->poll, 0);
}

static void prusa_init(void *priv, struct printer *p)
{
	struct prusa *o = priv;
	const struct printer_config *c = printer_config(p);

	o->printer = p;
	if (!c->user[0])
		(void)snprintf(o->key_header, sizeof(o->key_header), "X-Api-Key: %s",
		               secret_peek(&c->access_code));
	prusa_memory_init(&o->memory);
	o->download = download_new(p);
	timer_init(&o->poll, printer_driver_env(p)->loop, on_poll, o);
}

static void prusa_fini(void *priv)
{
	struct prusa *o = priv;

	download_free(o->download);
	json_decref(o->status);
	json_decref(o->info);
	secret_wipe(o->key_header, sizeof(o->key_header));
}

static json_t *prusa_raw(const void *priv)
{
	const struct prusa *o = priv;
	json_t *j = o->status ? json_deep_copy(o->status) : json_object();

	if (o->info)
		json_object_set_new(j, "info", json_deep_copy(o->info));
	return j;
}

static int prusa_fetch_job(void *priv, const char *dest_path, const struct printer_fetch *f,
                           struct err *err)
{
	struct prusa *o = priv;

	if (!o->memory.download[0])
		return err_set(err, -ENOENT,
		               "PrusaLink does not give the file that is printed: it lies on the "
		               "printer's own card, or is still on its way there");

	auto_free char *target = fetch_escape_path(o->memory.download);

	return download_start(o->download, target, o->key_header[0] ? o->key_header : NULL,
	                      dest_path, f, err);
}

static void prusa_fetch_cancel(void *priv)
{
	download_cancel(((struct prusa *)priv)->download);
}

static bool prusa_own_camera(const void *priv, struct camera_config *ret, const char **ret_why)
{
	const struct prusa *o = priv;
	const struct printer_config *c = printer_config(o->printer);
	const struct webcam w = { .snapshot = "/api/v1/cameras/snap",
		                  .is_on = o->memory.has_camera };

	if (!reply_camera(o->printer, &w, c->url, ret, ret_why))
		return false;
	if (!c->user[0]) {
		*ret_why = "PrusaLink's camera is read with user and password: write them instead "
			   "of the key.";
		return false;
	}
	TEXT_SET(ret->user, c->user);
	secret_set(&ret->secret, secret_peek(&c->access_code));
	return true;
}

const struct printer_driver printer_driver_prusalink = {
	.name = "prusalink",
	.title = "PrusaLink",
	.priv_size = sizeof(struct prusa),
	.login = PRINTER_LOGIN_ANY,
	.key_word = "key or login",
	.key_advice =
		"The printer's screen shows them under Settings, Network, PrusaLink: write user "
		"(it is maker) and password, or the password as api_key. On a Raspberry Pi they "
		"were chosen when PrusaLink was set up.",
	.refused_advice = "",
	.key_header = "X-Api-Key",
	.probes = prusa_probes,
	.n_probes = PRUSA_N_PROBES,
	.init = prusa_init,
	.fini = prusa_fini,
	.open = prusa_open,
	.close = prusa_close,
	.nudge = prusa_nudge,
	.send = prusa_send,
	.raw = prusa_raw,
	.fetch_job = prusa_fetch_job,
	.fetch_cancel = prusa_fetch_cancel,
	.own_camera = prusa_own_camera,
};
