/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/octoprint/command.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "printers/octoprint/link.h"
#include "printers/reply.h"
#include "wire/fetch.h"
#include "wire/ws_client.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCRIPT_MS 10000    /* the framework's own limit */
#define LATE_US 10000000LL /* lines of the log that come later than that are lost */
#define EFFECT_MS 60000    /* OctoPrint lets what is queued run out before it has paused */

/* ---- pure ---- */

static int write_json(struct buf *body, json_t *j)
{
	auto_free char *text = json_dumps(j, JSON_COMPACT);

	json_decref(j);
	buf_add_str(body, text ? text : "{}");
	return 0;
}

/* The lines of a text without blanks, comments and empty ones, `more` behind them. */
static int write_lines(struct buf *body, const char *gcode, const char *const *more, size_t n_more,
                       struct err *err)
{
	json_t *list = json_array();
	char line[256];

	while (*gcode) {
		size_t n = strcspn(gcode, "\r\n"), skip = strspn(gcode, " \t");
		size_t end = MIN(strcspn(gcode, ";"), n);

		while (end > skip && isblank((unsigned char)gcode[end - 1]))
			end--;
		if (end > skip) {
			bool fits = text_copy_n(line, sizeof(line), gcode + skip, end - skip);

			text_clean(line);
			if (!fits || json_array_size(list) >= OCTO_MAX_LINES) {
				json_decref(list);
				return err_set(err, -EINVAL,
				               "more than %d lines, or one of more than %zu "
				               "characters",
				               OCTO_MAX_LINES, sizeof(line) - 1);
			}
			json_array_append_new(list, json_string(line));
		}
		gcode += n;
		gcode += strspn(gcode, "\r\n");
	}
	for (size_t i = 0; i < n_more; i++)
		json_array_append_new(list, json_string(more[i]));
	if (json_array_size(list) == 0) {
		json_decref(list);
		return err_set(err, -EINVAL, "there is no line in it");
	}
	return write_json(body, json_pack("{s:o}", "commands", list));
}

static int write_fan(const struct printer_command *c, struct buf *body, struct err *err)
{
	static const int numbers[] = {
		[PRINTER_FAN_PART] = 0, [PRINTER_FAN_AUX] = 1, [PRINTER_FAN_CHAMBER] = 2
	};
	char line[40];

	if (c->percent < 0 || c->percent > 100)
		return err_set(err, -EINVAL, "a fan takes 0 to 100 percent");
	if (c->fan == PRINTER_FAN_PART)
		(void)snprintf(line, sizeof(line), "M106 S%d", c->percent * 255 / 100);
	else
		(void)snprintf(line, sizeof(line), "M106 P%d S%d", numbers[c->fan],
		               c->percent * 255 / 100);
	return write_lines(body, line, NULL, 0, err);
}

static int write_temperature(const struct printer_command *c, char target[512], struct buf *body,
                             struct err *err)
{
	int celsius = (int)lround(c->celsius);
	char tool[12];

	if (!(c->celsius >= 0 && c->celsius <= 500))
		return err_set(err, -EINVAL, "a temperature must be 0 to 500 °C");
	if (c->kind == PRINTER_NOZZLE_TEMP) {
		(void)snprintf(tool, sizeof(tool), "tool%d", c->nozzle > 0);
		text_copy(target, 512, "/api/printer/tool");
		return write_json(body, json_pack("{s:s, s:{s:i}}", "command", "target", "targets",
		                                  tool, celsius));
	}
	text_copy(target, 512,
	          c->kind == PRINTER_BED_TEMP ? "/api/printer/bed" : "/api/printer/chamber");
	return write_json(body, json_pack("{s:s, s:i}", "command", "target", "target", celsius));
}

static int write_start(const struct printer_command *c, const struct printer_state *s,
                       char target[512], struct buf *body, struct err *err)
{
	const char *file = c->file + strspn(c->file, "/");

	if (printer_activity_is_job(s->activity))
		return err_set(err, -EINVAL, "the printer is busy with another job");
	if (!*file || strstr(file, "..") || strlen(file) > 150)
		return err_set(err, -EINVAL, "'%.60s' is no file of OctoPrint's", c->file);

	auto_free char *path = fetch_escape_path(file);

	(void)snprintf(target, 512, "/api/files/local/%s", path);
	return write_json(body, json_pack("{s:s, s:b}", "command", "select", "print", 1));
}

static int write_job(const char *command, const char *action, char target[512], struct buf *body)
{
	text_copy(target, 512, "/api/job");
	if (!action)
		return write_json(body, json_pack("{s:s}", "command", command));
	return write_json(body, json_pack("{s:s, s:s}", "command", command, "action", action));
}

int octo_command_write(const struct printer_command *c, const struct printer_state *s,
                       char target[512], struct buf *body, struct err *err)
{
	static const char *const ending[] = { "M400", "M114" };

	text_copy(target, 512, "/api/printer/command");
	switch (c->kind) {
	case PRINTER_PAUSE_PRINT:
		return write_job("pause", "pause", target, body);
	case PRINTER_RESUME_PRINT:
		return write_job("pause", "resume", target, body);
	case PRINTER_STOP_PRINT:
		return write_job("cancel", NULL, target, body);
	case PRINTER_HOME:
		if (printer_activity_is_job(s->activity))
			return err_set(err, -EINVAL, "the printer does not home while it prints");
		text_copy(target, 512, "/api/printer/printhead");
		return write_json(body, json_pack("{s:s, s:[s, s, s]}", "command", "home", "axes",
		                                  "x", "y", "z"));
	case PRINTER_FAN:
		return write_fan(c, body, err);
	case PRINTER_NOZZLE_TEMP:
	case PRINTER_BED_TEMP:
	case PRINTER_CHAMBER_TEMP:
		return write_temperature(c, target, body, err);
	case PRINTER_GCODE:
		return write_lines(body, c->gcode, NULL, 0, err);
	case PRINTER_SCRIPT:
		return write_lines(body, c->script, ending, ARRAY_LEN(ending), err);
	case PRINTER_CLEAR_ERROR:
		text_copy(target, 512, "/api/connection");
		return write_json(
			body, json_pack("{s:s, s:s}", "command", "connect", "connector", "serial"));
	case PRINTER_START_FILE:
		return write_start(c, s, target, body, err);
	case PRINTER_SPEED:
	case PRINTER_LIGHT:
	case PRINTER_REFRESH:
		break;
	}
	return err_set(err, -EINVAL, "OctoPrint has no such command");
}

static bool number_of(const char *text, size_t n, double *ret)
{
	char number[24];
	size_t k = 0;

	while (k < n && k + 1 < sizeof(number) && strchr("+-.0123456789", text[k])) {
		number[k] = text[k];
		k++;
	}
	number[k] = '\0';
	return text_to_double(number, ret);
}

static bool word_of(const char *line, size_t n, char letter, double *ret)
{
	for (size_t i = 0; i < n && line[i] != ';'; i++)
		if (toupper((unsigned char)line[i]) == letter)
			return number_of(line + i + 1, n - i - 1, ret);
	return false;
}

void octo_script_end(const char *script, double ret_mm[3])
{
	static const char axes[] = "XYZ";
	bool is_relative = false;

	ret_mm[0] = ret_mm[1] = ret_mm[2] = (double)NAN;
	for (const char *line = script; *line;) {
		size_t n = strcspn(line, "\r\n");
		double g = NAN, v;

		(void)word_of(line, n, 'G', &g);
		if (g == 90 || g == 91)
			is_relative = g == 91;
		for (unsigned i = 0; i < 3; i++) {
			if (g == 28)
				ret_mm[i] = (double)NAN;
			else if ((g == 0 || g == 1) && word_of(line, n, axes[i], &v))
				ret_mm[i] = is_relative ? (double)NAN : v;
		}
		line += n;
		line += strspn(line, "\r\n");
	}
}

/* ---- what waits ---- */

static int64_t now_us(const struct octo *o)
{
	return loop_now_us(printer_driver_env(o->printer)->loop);
}

static void let_go(struct octo_asked *q)
{
	if (q->kind == PRINTER_SCRIPT)
		q->octo->script_us = now_us(q->octo);
	*q = (struct octo_asked){ 0 };
}

/* OctoPrint has not taken it: its lines will not come. */
static void take_back(struct octo_asked *q)
{
	if (q->kind == PRINTER_SCRIPT)
		q->octo->memory.n_promised_m114 = q->n_sent_m114;
}

static void answer(struct octo_asked *q, enum printer_answer a, const char *reason)
{
	struct printer *p = q->octo->printer;
	uint32_t ticket = q->ticket;

	let_go(q);
	printer_driver_answer(p, ticket, a, reason);
}

static bool is_script_done(const struct octo *o, const struct octo_asked *q)
{
	const struct octo_memory *m = &o->memory;
	const struct printer_position *p = &printer_state(o->printer)->position;
	const double at_mm[3] = { p->x_mm, p->y_mm, p->z_mm };

	if (m->n_positions == q->n_positions || !m->is_of_script)
		return false;
	/* The log has shown our question, and an answer behind it: wherever the head is. */
	if (m->n_sent_m114 > q->n_sent_m114 && m->n_positions > m->n_positions_at_m114)
		return true;
	/* Else somebody else may have asked, or it is said again what the last script heard: it must be where
	 * the script has sent it. */
	for (unsigned i = 0; i < 3; i++)
		if (!isnan(q->end_mm[i]) && !(fabs(at_mm[i] - q->end_mm[i]) < 0.1))
			return false;
	return true;
}

/* 1 it is so, 0 not yet, -1 nobody will say. */
static int effect(const struct octo *o, const struct octo_asked *q)
{
	const struct printer_state *s = printer_state(o->printer);

	switch (q->kind) {
	case PRINTER_PAUSE_PRINT:
		return s->activity == PRINTER_PAUSED && !s->stage_text[0];
	case PRINTER_CLEAR_ERROR:
		return o->memory.is_connected;
	case PRINTER_SCRIPT:
		return is_script_done(o, q);
	default:
		return reply_effect(s, q->kind);
	}
}

void octo_judge(struct octo *o)
{
	int64_t now = now_us(o);

	for (size_t i = 0; i < OCTO_MAX_ASKED; i++) {
		struct octo_asked *q = &o->asked[i];

		if (!q->is_used || !q->is_posted)
			continue;
		if (effect(o, q) != 0)
			answer(q, PRINTER_ACKNOWLEDGED, "");
		else if (now >= q->until_us)
			let_go(q);
	}
}

static void refuse(struct octo_asked *q, const struct rest_answer *a)
{
	const char *why = json_string_value(json_object_get(a->json, "error"));
	char reason[220];

	if (a->status == 403)
		(void)snprintf(reason, sizeof(reason),
		               "the API key may not do this: its user has not the right, or it was "
		               "revoked");
	else if (a->status == 409)
		(void)snprintf(reason, sizeof(reason), "OctoPrint says: %.160s",
		               why ? why : "not in this state");
	else if (a->err.code)
		(void)snprintf(reason, sizeof(reason), "%.200s", a->err.text);
	else
		(void)snprintf(reason, sizeof(reason), "OctoPrint says: %.160s (%d)",
		               why ? why : "no", a->status);
	text_clean(reason);
	/* Without an answer nobody knows. */
	if (!a->err.code)
		take_back(q);
	answer(q, a->err.code == -ETIMEDOUT ? PRINTER_TIMED_OUT : PRINTER_REFUSED, reason);
}

static void on_posted(void *arg, const struct rest_answer *a)
{
	struct octo_asked *q = arg;
	struct octo *o = q->octo;

	if (a->err.code || a->status < 200 || a->status > 299) {
		refuse(q, a);
		return;
	}
	q->is_posted = true;
	if (effect(o, q) < 0)
		answer(q, PRINTER_ACKNOWLEDGED, "");
	else
		octo_judge(o);
}

static struct octo_asked *free_place(struct octo *o)
{
	for (size_t i = 0; i < OCTO_MAX_ASKED; i++) {
		if (!o->asked[i].is_used)
			return &o->asked[i];
	}
	return NULL;
}

/* One at a time: their answers could not be told apart. */
static bool has_script(const struct octo *o)
{
	for (size_t i = 0; i < OCTO_MAX_ASKED; i++) {
		if (o->asked[i].is_used && o->asked[i].kind == PRINTER_SCRIPT)
			return true;
	}
	return false;
}

static struct octo_asked *take_place(struct octo *o, const struct printer_command *c,
                                     uint32_t ticket)
{
	struct octo_asked *q = free_place(o);
	int64_t limit_ms = EFFECT_MS;

	if (!q)
		return NULL;
	if (c->kind == PRINTER_SCRIPT)
		limit_ms = c->timeout_ms > 0 ? c->timeout_ms : SCRIPT_MS;
	*q = (struct octo_asked){ .octo = o,
		                  .is_used = true,
		                  .ticket = ticket,
		                  .kind = c->kind,
		                  .until_us = now_us(o) + limit_ms * 1000,
		                  .n_positions = o->memory.n_positions };
	if (c->kind == PRINTER_SCRIPT) {
		struct octo_memory *m = &o->memory;

		octo_script_end(c->script, q->end_mm);
		/* Lines of the last script may still come; those of one long ago never will. */
		q->n_sent_m114 = m->n_sent_m114;
		if (now_us(o) - o->script_us < LATE_US)
			q->n_sent_m114 = MAX(m->n_sent_m114, m->n_promised_m114);
		m->n_promised_m114 = q->n_sent_m114 + 1;
	}
	return q;
}

void octo_send(struct octo *o, const struct printer_command *c, uint32_t ticket)
{
	char target[512];
	auto_buf struct buf body;
	struct err err = { 0 };
	struct rest_question question = { .method = "POST", .target = target };
	struct octo_asked *q = NULL;

	buf_init(&body, 16384);
	if (octo_command_write(c, printer_state(o->printer), target, &body, &err) < 0) {
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT, err.text);
		return;
	}
	octo_judge(o); /* what nobody waits for any more goes */
	if (c->kind == PRINTER_SCRIPT && has_script(o)) {
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT,
		                      "another script is on its way");
		return;
	}
	if (!body.overflown)
		q = take_place(o, c, ticket);
	question.body = buf_peek(&body);
	if (!q || !rest_ask(o->rest, &question, on_posted, q)) {
		if (q) {
			take_back(q);
			let_go(q);
		}
		printer_driver_answer(o->printer, ticket, PRINTER_NOT_SENT,
		                      "too many commands are waiting for their answer");
		return;
	}
	if (effect(o, q) >= 0 && c->kind != PRINTER_SCRIPT)
		printer_driver_wait(o->printer, ticket, EFFECT_MS);
}
