/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/start.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"
#include "gcode/file.h"
#include "gcode/threemf.h"
#include "printers/bambu/command.h"
#include "printers/bambu/files.h"
#include "printers/bambu/link.h"
#include "printers/bambu/mapping.h"
#include "printers/bambu/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FETCH_LIMIT_MS 900000    /* an A1 sends 20 MB in minutes */
#define BEGIN_LIMIT_MS 75000     /* both forms of address */
#define BEGIN_US 60000000LL      /* no PREPARE after it: it did not start (bambu.md 3.3) */
#define BLIND_US 5000000LL       /* a bare echo must show its effect so soon */
#define SETTLED_US 10000000LL    /* so long in PREPARE: the file was found */
#define SAME_ERROR_US 15000000LL /* an error of before that stands so long is a new one */
#define WATCH_MS 500

enum stage {
	STAGE_NONE,
	STAGE_FETCHING,
	STAGE_READING,
	STAGE_SENT,
	STAGE_ACCEPTED,
};

/* Alone while a worker has it; looks up its addressee when it is back. */
struct reading {
	struct bambu_start *start; /* NULL: gone */
	char *path;
	unsigned plate;
	struct gcode_plate found;
	int rc;
	struct err err;
};

struct bambu_start {
	struct bambu *bambu;
	struct bambu_files *files; /* not the one of the running job's file */
	struct reading *reading;
	struct timer watch;
	enum stage stage;
	struct printer_command command;
	uint32_t ticket, seq;
	bool is_second;     /* the second form of address is tried */
	bool prefers_other; /* not the model's usual one: it was found by that before */
	bool is_blind;      /* only a bare echo came */
	uint32_t error_before;
	int64_t sent_us, preparing_us;
	enum printer_activity before, heard; /* what the others see, and what the printer says */
	bool is_hiding;
};

static struct loop *loop_of(const struct bambu_start *s)
{
	return printer_driver_env(s->bambu->printer)->loop;
}

static void end(struct bambu_start *s, enum printer_answer a, const char *reason)
{
	s->stage = STAGE_NONE;
	timer_stop(&s->watch);
	bambu_start_bare(s, printer_driver_state(s->bambu->printer));
	if (s->is_hiding)
		printer_driver_changed(s->bambu->printer);
	s->is_hiding = false;
	printer_driver_answer(s->bambu->printer, s->ticket, a, reason);
}

/* ---- sending ---- */

static void send_now(struct bambu_start *s)
{
	struct bambu *b = s->bambu;
	const struct printer_state *state = printer_state(b->printer);
	struct err err = { 0 };
	struct buf message;
	struct bambu_context x = {
		.model = bambu_report_model(b->report),
		.state = state,
		.subtask_id = "",
		.seq = bambu_take_seq(b),
		.uses_other_url = s->is_second != s->prefers_other,
	};

	buf_init(&message, 16384);
	if (bambu_command_write(&message, &s->command, &x, &err) < 0) {
		end(s, PRINTER_NOT_SENT, err.text);
	} else if (message.overflown || !bambu_publish(b, message.data)) {
		end(s, PRINTER_NOT_SENT, "the printer is not connected");
	} else {
		s->stage = STAGE_SENT;
		s->seq = x.seq;
		s->is_blind = false;
		s->error_before = state->print_error;
		s->preparing_us = 0;
		s->before = state->activity;
		if (!s->is_hiding)
			s->heard = state->activity;
		s->sent_us = loop_now_us(loop_of(s));
		printer_driver_wait(b->printer, s->ticket,
		                    s->is_second ? BEGIN_LIMIT_MS : 2 * BEGIN_LIMIT_MS);
		timer_start_every(&s->watch, WATCH_MS);
	}
	buf_fini(&message);
}

/* ---- the file's filaments ---- */

static void run_reading(void *arg)
{
	struct reading *r = arg;

	r->rc = gcode_file_plate(r->path, r->plate, &r->found, &r->err);
	(void)unlink(r->path);
}

static void on_read(void *arg)
{
	struct reading *r = arg;
	struct bambu_start *s = r->start;
	struct err err = { 0 };

	if (s) {
		s->reading = NULL;
		if (r->rc < 0)
			end(s, PRINTER_NOT_SENT, r->err.text);
		else if (bambu_mapping_choose(printer_state(s->bambu->printer), &r->found,
		                              &s->command, &err) < 0)
			end(s, PRINTER_NOT_SENT, err.text);
		else
			send_now(s);
	}
	free(r->path);
	free(r);
}

static void on_fetched(void *arg, const char *path, const struct err *err)
{
	struct bambu_start *s = arg;
	char text[240];

	if (s->stage != STAGE_FETCHING)
		return;
	if (!path) {
		(void)snprintf(text, sizeof(text),
		               "its filaments could not be read from the printer: %.150s; name the "
		               "trays yourself (ams_mapping)",
		               err->text);
		end(s, PRINTER_NOT_SENT, text);
		return;
	}
	s->stage = STAGE_READING;
	s->reading = MEM_NEW(struct reading);
	s->reading->start = s;
	s->reading->path = mem_str(path);
	s->reading->plate = s->command.plate > 0 ? (unsigned)s->command.plate : 1;
	work_submit(printer_driver_env(s->bambu->printer)->pool, run_reading, on_read, s->reading);
}

static int fetch(struct bambu_start *s, struct err *err)
{
	const struct printers_env *env = printer_driver_env(s->bambu->printer);
	struct printer_fetch f = { NULL, on_fetched, s };
	char path[1200];

	if (!env->pool || !env->data_dir)
		return err_set(err, -ENOTSUP, "name the trays (ams_mapping)");
	(void)snprintf(path, sizeof(path), "%s/cache/start-%s.3mf", env->data_dir,
	               printer_config(s->bambu->printer)->id);
	return bambu_files_fetch(s->files, s->command.file, path, &f, err);
}

/* ---- how it goes ---- */

/* "There is no such file", in the firmware's words. */
static bool is_not_found(uint32_t e)
{
	return e == 0x05004002 || e == 0x05004003 || e == 0x05008013;
}

static void try_other_form(struct bambu_start *s)
{
	s->is_second = true;
	send_now(s);
}

static void fail(struct bambu_start *s, const struct printer_state *state)
{
	char text[240];

	if (is_not_found(state->print_error) && !s->is_second) {
		try_other_form(s);
		return;
	}
	if (is_not_found(state->print_error))
		(void)snprintf(text, sizeof(text),
		               "the printer does not find '%.120s' on its storage (%s)",
		               s->command.file, state->print_error_code);
	else
		(void)snprintf(text, sizeof(text), "the printer did not start it: %.200s",
		               state->print_error_text);
	end(s, PRINTER_REFUSED, text);
}

void bambu_start_bare(const struct bambu_start *s, struct printer_state *state)
{
	if (s->is_hiding)
		state->activity = s->heard;
}

void bambu_start_shape(struct bambu_start *s, struct printer_state *state)
{
	if (s->stage != STAGE_SENT && s->stage != STAGE_ACCEPTED)
		return;
	s->heard = state->activity;
	s->is_hiding = s->heard == PRINTER_PREPARING || s->heard == PRINTER_FAILED;
	if (s->is_hiding)
		state->activity = s->before;
}

void bambu_start_judge(struct bambu_start *s)
{
	const struct printer_state *state = printer_state(s->bambu->printer);
	int64_t now_us = loop_now_us(loop_of(s)), age_us = now_us - s->sent_us;
	uint32_t error = state->print_error;

	if (s->stage != STAGE_SENT && s->stage != STAGE_ACCEPTED)
		return;
	if (error == 0)
		s->error_before = 0;
	if (s->heard == PRINTER_PREPARING && s->preparing_us == 0)
		s->preparing_us = now_us;
	if (s->heard == PRINTER_PRINTING || s->heard == PRINTER_PAUSED ||
	    (s->heard == PRINTER_PREPARING && now_us - s->preparing_us >= SETTLED_US)) {
		s->prefers_other ^= s->is_second;
		end(s, PRINTER_ACKNOWLEDGED, "");
	} else if (!printer_activity_is_job(s->heard) && error != 0 &&
	           (error != s->error_before || age_us >= SAME_ERROR_US)) {
		fail(s, state);
	} else if (s->is_blind && age_us >= BLIND_US && s->preparing_us == 0) {
		bambu_note_refusal(s->bambu, true);
		end(s, PRINTER_REFUSED, BAMBU_NEEDS_DEVELOPER_MODE);
	} else if (age_us >= BEGIN_US) {
		end(s, PRINTER_REFUSED,
		    s->stage == STAGE_ACCEPTED
		            ? "the printer took the job but did not begin it within a minute; its "
		              "screen may say why"
		            : "the printer said nothing about the job for a minute");
	}
}

static void on_watch(void *arg)
{
	struct bambu_start *s = arg;

	if (s->stage != STAGE_FETCHING && s->stage != STAGE_READING) {
		bambu_start_judge(s);
		return;
	}
	/* What is not begun by now is never begun: nobody waits for it any more. */
	bambu_start_cancel(s);
	end(s, PRINTER_NOT_SENT,
	    "its filaments could not be read from the printer within 15 minutes; name the trays "
	    "yourself (ams_mapping)");
}

bool bambu_start_reply(struct bambu_start *s, const struct bambu_message *m)
{
	char seq[16], reason[220];

	(void)snprintf(seq, sizeof(seq), "%u", s->seq);
	if (s->stage != STAGE_SENT || !text_equal(seq, m->sequence_id))
		return false;
	if (m->kind == BAMBU_MESSAGE_ECHO) {
		s->is_blind = true;
	} else if (m->is_success) {
		s->stage = STAGE_ACCEPTED;
		bambu_note_refusal(s->bambu, false);
	} else if (is_not_found(m->err_code) && !s->is_second) {
		try_other_form(s);
	} else {
		bambu_reply_reason(s->bambu, m, reason, sizeof(reason));
		end(s, PRINTER_REFUSED, reason);
	}
	return true;
}

/* Everything that can be refused before the file is fetched. */
static int check(struct bambu_start *s, struct err *err)
{
	struct bambu *b = s->bambu;
	struct printer_command tried = s->command;
	struct bambu_context x = { .model = bambu_report_model(b->report),
		                   .state = printer_state(b->printer),
		                   .subtask_id = "" };
	struct buf message;

	if (s->command.n_mapping > 0) {
		int rc = bambu_mapping_check(x.state, &s->command, err);

		if (rc < 0)
			return rc;
		s->command.uses_ams = true;
	}
	tried.uses_ams = false;
	buf_init(&message, 16384);

	int rc = bambu_command_write(&message, &tried, &x, err);

	buf_fini(&message);
	return rc;
}

void bambu_start_begin(struct bambu_start *s, const struct printer_command *c, uint32_t ticket)
{
	bool has_trays = !c->uses_ams || c->n_mapping > 0;
	struct err err = { 0 };

	if (s->stage != STAGE_NONE || s->reading) {
		printer_driver_answer(s->bambu->printer, ticket, PRINTER_NOT_SENT,
		                      "another file is being started on this printer");
		return;
	}
	s->command = *c;
	s->ticket = ticket;
	s->is_second = false;
	if (check(s, &err) < 0 || (!has_trays && fetch(s, &err) < 0)) {
		end(s, PRINTER_NOT_SENT, err.text);
	} else if (has_trays) {
		send_now(s);
	} else {
		s->stage = STAGE_FETCHING;
		timer_start(&s->watch, FETCH_LIMIT_MS);
		printer_driver_wait(s->bambu->printer, ticket, FETCH_LIMIT_MS + 1000);
	}
}

void bambu_start_cancel(struct bambu_start *s)
{
	bambu_start_bare(s, printer_driver_state(s->bambu->printer));
	s->stage = STAGE_NONE;
	s->is_hiding = false;
	timer_stop(&s->watch);
	bambu_files_cancel(s->files);
	if (s->reading)
		s->reading->start = NULL;
	s->reading = NULL;
}

struct bambu_start *bambu_start_new(struct bambu *b)
{
	struct bambu_start *s = MEM_NEW(struct bambu_start);

	s->bambu = b;
	s->files = bambu_files_new(b);
	timer_init(&s->watch, printer_driver_env(b->printer)->loop, on_watch, s);
	return s;
}

void bambu_start_free(struct bambu_start *s)
{
	if (!s)
		return;
	bambu_start_cancel(s);
	bambu_files_free(s->files);
	free(s);
}
