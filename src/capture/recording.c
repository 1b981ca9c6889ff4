/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/private.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/work.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define PUBLISH_MS 1000
#define SAVE_US 5000000
#define MISSED_EVERY_US 600000000 /* missed pictures are told at most so often */

static void take_by_time(void *arg)
{
	struct recording *r = arg;
	struct due d = { .trigger = TRIGGER_TIME,
		         .layer = r->s.layer,
		         .z_mm = (double)NAN,
		         .not_before_us = loop_now_us(r->owner->env.loop) };

	recording_set_cycle(r);
	if (recording_takes_pictures(r) && !r->owner->is_disk_stopped)
		shots_add(r, &d);
}

void recording_set_cycle(struct recording *r)
{
	int64_t every_ms = r->is_by_macro ? (int64_t)(r->cycle_s * 1000) : r->plan.every_ms;

	if (every_ms > 0)
		timer_start(&r->every, trigger_period_ms(&r->trigger, every_ms));
	else
		timer_stop(&r->every);
}

static void publish(struct recording *r)
{
	struct event_session *e = event_new_session();

	timer_stop(&r->publish);
	r->s.n_expected = disk_expected(r);
	e->session = r->s;
	bus_publish(r->owner->env.bus, &e->head);
}

static void publish_numbers(void *arg)
{
	struct recording *r = arg;

	publish(r);
	if (loop_now_us(r->owner->env.loop) - r->saved_us >= SAVE_US)
		recording_save(r);
}

struct recording *recording_new(struct sessions *ss, const struct session_plan *plan,
                                const char *printer)
{
	struct recording *r = MEM_NEW(struct recording);

	r->owner = ss;
	r->plan = *plan;
	id_new(r->s.id, loop_wall_ms(ss->env.loop));
	TEXT_SET(r->s.printer, printer);
	r->s.layer = r->s.layers = -1;
	r->s.keep_one_in = 1;
	r->s.started_wall_ms = loop_wall_ms(ss->env.loop);
	r->s.wants_film = plan->makes_film;
	r->s.min_frames = plan->min_frames;
	r->s.film = plan->film;
	r->s.n_cameras = plan->n_cameras;
	memcpy(r->s.cameras, plan->cameras, sizeof(r->s.cameras));
	timer_init(&r->every, ss->env.loop, take_by_time, r);
	timer_init(&r->publish, ss->env.loop, publish_numbers, r);
	DL_APPEND(ss->recordings, r);
	return r;
}

void recording_free(struct recording *r)
{
	struct station *st;

	DL_FOREACH(r->owner->stations, st)
	if (st->current == r)
		st->current = NULL;
	shots_stop(r);
	timer_stop(&r->every);
	timer_stop(&r->publish);
	DL_DELETE(r->owner->recordings, r);
	free(r);
}

/* ---- at rest ---- */

struct save {
	struct sessions *owner;
	struct session s;
	char *path; /* of session.json, NULL while there is no folder */
	struct err err;
	int rc;
};

static void run_save(void *arg)
{
	struct save *sv = arg;
	json_t *o = json_session(&sv->s);
	char *text = json_dumps(o, JSON_INDENT(2) | JSON_SHORT_REALS);

	sv->rc = fs_write_atomic(sv->path, text, strlen(text), 0600, &sv->err);
	free(text);
	json_decref(o);
}

static void save_done(void *arg)
{
	struct save *sv = arg;
	struct sessions *ss = sv->owner;

	if (sv->rc < 0)
		log_warn(NULL, "session %s: %s", sv->s.id, sv->err.text);
	free(sv->path);
	free(sv);
	sessions_job_done(ss);
}

static int run_store(struct db *db, void *arg, struct err *err)
{
	return repo_session_save(db, arg, err);
}

static void store_done(void *arg, int rc UNUSED, const struct err *err)
{
	if (err)
		log_warn(NULL, "a session's record was not kept: %s", err->text);
	free(arg);
}

void recording_save(struct recording *r)
{
	struct sessions *ss = r->owner;

	r->saved_us = loop_now_us(ss->env.loop);
	if (ss->env.store)
		store_submit(ss->env.store, run_store, store_done, mem_dup(&r->s, sizeof(r->s)));
	/* The folder is made with the journal. */
	if (r->s.job[0] == '\0' && !r->journal)
		return;

	struct save *sv = MEM_NEW(struct save);

	sv->owner = ss;
	sv->s = r->s;
	sv->path = mem_printf("%s/%s/session.json", ss->sessions_dir, r->s.id);
	ss->n_jobs++;
	work_submit(ss->env.disk, run_save, save_done, sv);
}

void recording_state(struct recording *r, enum session_state state, const char *text)
{
	r->s.state = state;
	TEXT_SET(r->s.state_text, text);
	publish(r);
	recording_save(r);
}

void recording_touch(struct recording *r)
{
	if (!timer_is_running(&r->publish))
		timer_start(&r->publish, PUBLISH_MS);
}

/* ---- life ---- */

bool recording_takes_pictures(const struct recording *r)
{
	return r->machine == SESSION_RECORDING && r->journal && !r->is_ending;
}

static void journal_opened(void *arg, const struct err *err)
{
	struct recording *r = arg;
	struct sessions *ss = r->owner;

	if (err) {
		r->is_disk_refusing = true;
		event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_ALARM, "disk",
		             r->s.printer, "%s: no picture can be kept: %s. It is tried again.",
		             r->s.job_name, err->text);
		return;
	}
	r->s.n_frames = journal_n_frames(r->journal);
	r->s.bytes = journal_bytes(r->journal);
	recording_touch(r);
}

static void set_job(struct recording *r, const struct job *job)
{
	TEXT_SET(r->s.job, job->id);
	TEXT_SET(r->s.job_name, job->name);
	TEXT_SET(r->s.job_file, job->file);
	TEXT_SET(r->s.task_id, job->task_id);
	if (job->layers > 0)
		r->s.layers = job->layers;
}

void recording_next_job(struct recording *r, const struct job *job)
{
	set_job(r, job);
	r->s.layer = -1;
	r->trigger.last_layer = 0;
	r->first_layer = 0;
	r->begun_us = loop_now_us(r->owner->env.loop);
	recording_touch(r);
	recording_save(r);
}

static void open_journal(struct recording *r)
{
	struct sessions *ss = r->owner;
	struct journal_env env = { ss->env.loop, ss->env.disk, ss->env.flush_ms };

	r->journal = journal_start(&env, ss->sessions_dir, &r->s, journal_opened, r);
}

void recording_begin(struct recording *r, const struct job *job)
{
	struct sessions *ss = r->owner;
	int64_t now_us = loop_now_us(ss->env.loop);
	struct due first = { TRIGGER_FIRST, -1, (double)NAN, now_us };

	set_job(r, job);
	ss->keep_one_in = disk_thinning(ss, r);
	r->n_shooters = r->s.n_cameras;
	for (unsigned i = 0; i < r->n_shooters; i++) {
		r->shooters[i] = (struct shooter){ .recording = r };
		TEXT_SET(r->shooters[i].camera, r->s.cameras[i]);
	}
	r->trigger = (struct trigger){ .every_n_layers = r->plan.every_n_layers,
		                       .keep_one_in = ss->keep_one_in,
		                       .last_layer = MAX(r->s.layer, 0) };
	r->first_layer = r->trigger.last_layer;
	r->begun_us = now_us;
	r->s.keep_one_in = ss->keep_one_in;
	r->s.is_thinned |= ss->keep_one_in > 1;
	open_journal(r);
	if (r->is_found)
		journal_note(r->journal, "gap", "Bedside was not running",
		             loop_wall_ms(ss->env.loop));
	shots_start(r);
	if (!r->is_found)
		shots_add(r, &first);
	r->is_found = false;
	recording_set_cycle(r);
	recording_state(r, SESSION_RECORDING, "");
	disk_check(ss);
}

static void journal_closed(void *arg)
{
	struct recording *r = arg;

	r->journal = NULL;
	r->is_journal_closing = false;
	if (r->owner->is_closing) {
		sessions_job_done(r->owner);
		return;
	}
	if (!r->s.wants_film) {
		recording_done(r, "ended without a film");
	} else if (r->s.n_frames < r->s.min_frames || r->s.n_frames == 0) {
		r->s.wants_film = false;
		recording_done(r, r->s.n_frames == 0 ? "no picture was taken"
		                                     : "too few pictures for a film");
	} else {
		recording_state(r, SESSION_FINALISING, "the film is being made");
	}
}

void recording_close_journal(struct recording *r)
{
	if (r->is_journal_closing)
		return;
	r->is_journal_closing = true;
	journal_close(r->journal, journal_closed, r);
}

void recording_pictures_over(struct recording *r)
{
	shots_stop(r);
	timer_stop(&r->every);
	journal_note(r->journal, "end", r->s.outcome, loop_wall_ms(r->owner->env.loop));
	recording_close_journal(r);
}

void recording_finish(struct recording *r, const char *text, bool with_last)
{
	struct due last = { TRIGGER_LAST, r->s.layer, (double)NAN,
		            loop_now_us(r->owner->env.loop) + r->plan.settle_ms * 1000 };

	if (!r->journal)
		open_journal(r);
	if (r->n_shooters == 0)
		with_last = false;
	r->is_ending = true;
	timer_stop(&r->every);
	r->s.ended_wall_ms = loop_wall_ms(r->owner->env.loop);
	recording_state(r, SESSION_RECORDING, text);
	if (with_last && !r->owner->is_disk_stopped)
		shots_add(r, &last);
	if (!shots_are_pending(r))
		recording_pictures_over(r);
}

void recording_done(struct recording *r, const char *text)
{
	recording_state(r, SESSION_DONE, text);
	recording_free(r);
}

static int run_drop(struct db *db, void *arg, struct err *err)
{
	int rc = repo_session_delete(db, ((const struct session *)arg)->id, err);

	return rc == -ENOENT ? 0 : rc;
}

void recording_drop(struct recording *r)
{
	struct sessions *ss = r->owner;

	r->s.state = SESSION_IDLE;
	publish(r);
	if (ss->env.store)
		store_submit(ss->env.store, run_drop, store_done, mem_dup(&r->s, sizeof(r->s)));
	recording_free(r);
}

/* ---- missed pictures ---- */

void recording_missed(struct recording *r, int layer, const char *why)
{
	struct sessions *ss = r->owner;
	int64_t now_us = loop_now_us(ss->env.loop);
	uint32_t n;

	r->s.n_missed++;
	recording_touch(r);
	n = r->s.n_missed - r->n_missed_told;
	if (r->n_missed_told > 0 && now_us - r->missed_told_us < MISSED_EVERY_US)
		return;
	if (n == 1 && layer >= 0)
		event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_WARNING, "session",
		             r->s.printer, "%s: layer %d was not photographed (%s).", r->s.job_name,
		             layer, why);
	else
		event_notice(ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_WARNING, "session",
		             r->s.printer, "%s: %u picture%s missing so far; the newest: %s.",
		             r->s.job_name, r->s.n_missed, r->s.n_missed == 1 ? " is" : "s are",
		             why);
	r->n_missed_told = r->s.n_missed;
	r->missed_told_us = now_us;
}
