/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/sessions.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/private.h"
#include "core/fs.h"
#include "core/log.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define DISK_MS 10000

struct station *station_of(struct sessions *ss, const char *printer)
{
	struct station *st;

	DL_FOREACH(ss->stations, st)
	if (strcmp(st->printer, printer) == 0)
		return st;
	return NULL;
}

struct station *station_make(struct sessions *ss, const char *printer)
{
	struct station *st = station_of(ss, printer);

	if (st)
		return st;
	st = MEM_NEW(struct station);
	TEXT_SET(st->printer, printer);
	TEXT_SET(st->idle.printer, printer);
	st->idle.layer = st->idle.layers = -1;
	st->idle.keep_one_in = 1;
	st->layer_now = -1;
	st->z_now_mm = (double)NAN;
	st->percent = st->remaining_min = -1;
	st->job.estimate_s = (double)NAN;
	session_plan_init(&st->plan);
	DL_APPEND(ss->stations, st);
	return st;
}

/* ---- what an input does ---- */

static enum session_state machine_of(const struct station *st)
{
	return st->current ? st->current->machine : SESSION_IDLE;
}

static const char *pause_text(const struct station *st)
{
	switch (st->pause) {
	case PRINTER_PAUSE_RUNOUT:
		return "paused: filament ran out";
	case PRINTER_PAUSE_FILAMENT:
		return "paused: filament is being changed";
	case PRINTER_PAUSE_FILE:
		return "paused by the print file";
	case PRINTER_PAUSE_ERROR:
		return "paused: the printer reports an error";
	case PRINTER_PAUSE_USER:
		return "paused at the printer";
	case PRINTER_PAUSE_NONE:
		break;
	}
	return "the print is paused";
}

static int begin(struct sessions *ss, struct station *st, struct err *err)
{
	struct recording *r = st->current;

	if (!r && st->plan.n_cameras == 0) {
		event_notice(
			ss->env.bus, loop_wall_ms(ss->env.loop), NOTICE_WARNING, "session",
			st->printer,
			"%s is not recorded: no camera is assigned to this printer. Add one in "
			"its settings.",
			st->job.name);
		return err_set(err, -ENODEV, "no camera is assigned to this printer");
	}
	if (!r)
		r = st->current = recording_new(ss, &st->plan, st->printer);
	r->machine = SESSION_RECORDING;
	recording_begin(r, &st->job);
	return 0;
}

static int arm(struct sessions *ss, struct station *st, struct err *err)
{
	struct recording *r;

	if (st->plan.n_cameras == 0)
		return err_set(err, -ENODEV, "no camera is assigned to this printer");
	r = st->current = recording_new(ss, &st->plan, st->printer);
	r->machine = SESSION_ARMED;
	recording_state(r, SESSION_ARMED, "waits for the print");
	return 0;
}

static void suspend(struct station *st, enum session_input in)
{
	struct recording *r = st->current;

	assert(r);
	r->is_paused_by_order = in == SESSION_ORDERED_PAUSE;
	recording_state(r, SESSION_PAUSED,
	                r->is_paused_by_order ? SESSION_TEXT_ORDERED_PAUSE : pause_text(st));
}

static void finish(struct station *st, enum session_input in)
{
	struct recording *r = st->current;
	const char *text = "the print has ended";

	assert(r);
	if (in == SESSION_ORDERED_STOP)
		text = "stopped by order";
	else if (in == SESSION_ORDERED_DISCARD)
		text = "ended by order, without a film";
	else
		TEXT_SET(r->s.outcome, job_outcome_name(st->job.outcome));
	if (in == SESSION_ORDERED_DISCARD)
		r->s.wants_film = false;
	recording_finish(r, text, in != SESSION_ORDERED_DISCARD);
}

static void shoot_now(struct sessions *ss, struct station *st)
{
	struct recording *r = st->current;

	assert(r);

	struct due d = { TRIGGER_MANUAL, r->s.layer, (double)NAN, loop_now_us(ss->env.loop) };

	shots_add(r, &d);
}

static int feed(struct sessions *ss, struct station *st, enum session_input in, struct err *err)
{
	struct session_step step = session_next(machine_of(st), in);
	struct recording *r = st->current;

	if (step.action == SESSION_DO_ANOTHER) {
		st->current = NULL; /* it lives on in sessions.recordings until its film is there */
		return feed(ss, st, in, err);
	}
	if (r && step.action != SESSION_DO_REFUSE)
		r->machine = step.next;
	/* Only an idle machine has no recording, and its steps need none. */
	assert(r || step.action <= SESSION_DO_BEGIN);
	switch (step.action) {
	case SESSION_DO_NOTHING:
		return 0;
	case SESSION_DO_REFUSE:
		return err_set(err, -EPERM, "%s", session_refusal(machine_of(st), in));
	case SESSION_DO_ARM:
		return arm(ss, st, err);
	case SESSION_DO_BEGIN:
		return begin(ss, st, err);
	case SESSION_DO_SUSPEND:
		suspend(st, in);
		return 0;
	case SESSION_DO_CONTINUE:
		r->is_paused_by_order = false;
		recording_state(r, SESSION_RECORDING, "");
		return 0;
	case SESSION_DO_FINISH:
	case SESSION_DO_DISCARD:
		finish(st, in);
		return 0;
	case SESSION_DO_SHOOT:
		shoot_now(ss, st);
		return 0;
	case SESSION_DO_DISARM:
		recording_drop(r);
		return 0;
	case SESSION_DO_CLOSE:
		recording_done(r, "");
		return 0;
	case SESSION_DO_ANOTHER:
		break;
	}
	return 0;
}

/* ---- events ---- */

static bool is_same_job(const struct recording *r, const struct job *j, enum job_phase phase)
{
	const struct session *s = &r->s;

	if (strcmp(s->job, j->id) == 0)
		return true;
	/* The database was lost or restored, or we were killed before it had the job: the printer's
	 * own words must do. */
	if (s->layers > 0 && j->layers > 0 && s->layers != j->layers)
		return false;
	return (phase == JOB_FOUND_AGAIN || r->is_job_unknown) &&
	       strcmp(s->job_name, j->name) == 0 && strcmp(s->job_file, j->file) == 0 &&
	       strcmp(s->task_id, j->task_id) == 0;
}

static void end_found(struct station *st, enum job_outcome outcome, const char *text)
{
	struct recording *r = st->current;

	r->machine = SESSION_FINALISING;
	TEXT_SET(r->s.outcome, job_outcome_name(outcome));
	recording_finish(r, text, false);
	st->current = NULL;
}

/* A session found after a restart whose job is over or another by now gets its film. */
static void settle_found(struct station *st, const struct event_job *e)
{
	struct recording *r = st->current;
	bool is_same = is_same_job(r, &e->job, e->phase);

	if (is_same && e->phase != JOB_ENDED)
		return;
	if (!is_same && e->phase == JOB_ENDED)
		return;
	end_found(st, is_same ? e->job.outcome : JOB_LOST,
	          "the print ended while Bedside was not running");
}

/* A session that does not end with the print goes on with the next one: its layers count anew. */
static void next_job(struct sessions *ss, struct station *st)
{
	struct recording *r = st->current;

	if (!r || !r->journal || r->is_ending || strcmp(r->s.job, st->job.id) == 0)
		return;
	recording_next_job(r, &st->job);
	disk_check(ss);
}

static void job_begins(struct sessions *ss, struct station *st)
{
	struct recording *r = st->current;

	if (r && r->is_paused_by_order)
		return;
	if (!r && (!st->has_plan || strcmp(st->over_job, st->job.id) == 0))
		return;
	(void)feed(ss, st,
	           st->plan.starts_itself ? SESSION_PRINT_BEGINS : SESSION_PRINT_BEGINS_ALONE,
	           NULL);
	if (r && r == st->current && r->was_paused_by_order) {
		r->was_paused_by_order = false;
		(void)feed(ss, st, SESSION_ORDERED_PAUSE, NULL);
	}
}

static void heard_job(struct sessions *ss, const struct event_job *e)
{
	struct station *st = station_make(ss, e->job.printer);
	struct recording *r = st->current;

	st->job = e->job;
	st->has_job = e->phase != JOB_ENDED;
	if (r && r->is_found)
		settle_found(st, e);
	r = st->current;
	if (r && e->job.layers > 0)
		r->s.layers = e->job.layers;
	switch (e->phase) {
	case JOB_STARTED:
	case JOB_FOUND_AGAIN:
		if (e->phase == JOB_STARTED) {
			st->layer_now = -1;
			st->z_now_mm = (double)NAN;
		}
		st->is_print_paused = false;
		next_job(ss, st);
		job_begins(ss, st);
		break;
	case JOB_PAUSED:
		st->is_print_paused = true;
		(void)feed(ss, st, SESSION_PRINT_PAUSES, NULL);
		break;
	case JOB_RESUMED:
		st->is_print_paused = false;
		if (!r || !r->is_paused_by_order)
			(void)feed(ss, st, SESSION_PRINT_RESUMES, NULL);
		break;
	case JOB_TABLE:
		disk_check(ss);
		break;
	case JOB_ENDED:
		st->is_print_paused = false;
		(void)feed(ss, st,
		           st->plan.ends_itself ? SESSION_PRINT_ENDS : SESSION_PRINT_ENDS_ALONE,
		           NULL);
		break;
	}
}

static void heard_layer(struct sessions *ss, const struct layer *l)
{
	struct station *st = station_of(ss, l->printer);
	struct recording *r = st ? st->current : NULL;
	struct due d;

	if (st) {
		st->layer_now = l->number;
		st->z_now_mm = l->z_mm;
	}
	if (!r || !recording_takes_pictures(r))
		return;
	if (l->layers > 0)
		r->s.layers = l->layers;
	if (r->is_by_macro)
		return;
	switch (trigger_layer(&r->trigger, l)) {
	case TRIGGER_NOT_DUE:
		return;
	case TRIGGER_TOO_LATE:
		recording_missed(r, l->number, "the printer told of it too late");
		return;
	case TRIGGER_DUE:
		break;
	}
	if (ss->is_disk_stopped) {
		recording_missed(r, l->number, "the disk is full");
		return;
	}
	d = (struct due){ TRIGGER_LAYER, l->number, l->z_mm, l->at_us + r->plan.settle_ms * 1000 };
	shots_add(r, &d);
}

static void heard_printer(struct sessions *ss, const struct event_printer *e)
{
	struct station *st = station_of(ss, e->printer);
	struct recording *r = st ? st->current : NULL;

	if (!st)
		return;
	st->percent = e->after->job.percent;
	st->remaining_min = e->after->job.remaining_min;
	if (st->pause == e->after->pause)
		return;
	st->pause = e->after->pause;
	/* The reason may come after the pause itself. */
	if (r && r->machine == SESSION_PAUSED && !r->is_paused_by_order &&
	    st->pause != PRINTER_PAUSE_NONE)
		recording_state(r, SESSION_PAUSED, pause_text(st));
}

/* What the forecast of the disk's use learns from. */
static void heard_growing(struct sessions *ss, const struct film *f)
{
	struct recording *r;

	DL_FOREACH(ss->recordings, r)
	for (unsigned i = 0; i < r->n_shooters; i++) {
		struct shooter *sh = &r->shooters[i];

		if (strcmp(r->s.id, f->session) != 0 || strcmp(sh->camera, f->camera) != 0)
			continue;
		/* A further film of the same pictures is younger, and smaller while it grows. */
		sh->film_frames = MAX(sh->film_frames, f->n_frames);
		sh->film_bytes = MAX(sh->film_bytes, f->bytes);
	}
}

/* A session is over when each of its cameras has its film, or will have none. */
static void heard_film(struct sessions *ss, const struct film *f)
{
	struct recording *r, *next;

	if (f->state == FILM_GROWING)
		heard_growing(ss, f);
	if (f->state != FILM_READY && f->state != FILM_VERIFIED && f->state != FILM_FAILED)
		return;
	DL_FOREACH_SAFE(ss->recordings, r, next)
	{
		if (strcmp(r->s.id, f->session) != 0)
			continue;
		for (unsigned i = 0; i < r->s.n_cameras; i++)
			if (strcmp(r->s.cameras[i], f->camera) == 0)
				r->films_over |= 1U << i;
		if (r->s.state == SESSION_FINALISING && r->films_over == (1U << r->s.n_cameras) - 1)
			recording_done(r, "");
	}
}

static void heard(void *arg, const struct bus_event *e)
{
	struct sessions *ss = arg;

	if (ss->is_closing)
		return;
	switch ((enum event_type)e->type) {
	case EVENT_JOB:
		heard_job(ss, event_as_job(e));
		break;
	case EVENT_LAYER:
		heard_layer(ss, &event_as_layer(e)->layer);
		break;
	case EVENT_PRINTER:
		heard_printer(ss, event_as_printer(e));
		break;
	case EVENT_FILM:
		heard_film(ss, &event_as_film(e)->film);
		break;
	case EVENT_CAMERA:
	case EVENT_SESSION:
	case EVENT_FRAME:
	case EVENT_NOTICE:
	case EVENT_COMMAND:
	case EVENT_CAPTURE:
	case EVENT_CLIMATE:
	case EVENT_BUTTON:
	case EVENT_RIG:
	case EVENT_MACRO:
		break;
	}
}

/* ---- life ---- */

struct sessions *sessions_new(const struct sessions_env *env)
{
	struct sessions *ss = MEM_NEW(struct sessions);
	struct err err;

	ss->env = *env;
	ss->data_dir = mem_str(env->data_dir);
	ss->sessions_dir = mem_printf("%s/sessions", env->data_dir);
	ss->keep_one_in = 1;
	if (fs_make_dirs(ss->sessions_dir, &err) < 0)
		log_error(NULL, "%s: no session can be kept until that is mended", err.text);
	timer_init(&ss->disk_timer, env->loop, disk_tick, ss);
	timer_start_every(&ss->disk_timer, DISK_MS);
	recover_sessions(ss);
	bus_listen(env->bus, &ss->listener, heard, ss);
	return ss;
}

static void free_all(void *arg)
{
	struct sessions *ss = arg;
	struct recording *r, *next_r;
	struct station *st, *next_st;

	DL_FOREACH_SAFE(ss->recordings, r, next_r)
	recording_free(r);
	DL_FOREACH_SAFE(ss->stations, st, next_st)
	free(st);
	if (ss->freed)
		ss->freed(ss->freed_arg);
	free(ss->data_dir);
	free(ss->sessions_dir);
	free(ss);
}

void sessions_job_done(struct sessions *ss)
{
	if (--ss->n_jobs == 0 && ss->is_closing)
		free_all(ss);
}

static void release_hold(void *arg)
{
	sessions_job_done(arg);
}

void sessions_free(struct sessions *ss, void (*done)(void *arg), void *arg)
{
	struct recording *r;

	if (!ss) {
		if (done)
			done(arg);
		return;
	}
	assert(loop_is_mine(ss->env.loop) && !ss->is_closing);
	bus_unlisten(&ss->listener);
	timer_stop(&ss->disk_timer);
	ss->is_closing = true;
	ss->freed = done;
	ss->freed_arg = arg;
	ss->n_jobs++;
	DL_FOREACH(ss->recordings, r)
	{
		shots_stop(r);
		timer_stop(&r->every);
		timer_stop(&r->publish);
		recording_save(r);
		if (!r->journal)
			continue;
		ss->n_jobs++;
		recording_close_journal(r);
	}
	loop_post(ss->env.loop, release_hold, ss);
}

/* A session of an earlier run that waits for no print: its printer is there, and so are its cameras. */
static void go_on_by_hand(struct sessions *ss, struct station *st)
{
	struct recording *r = st->current;
	struct job job = { .layer = -1, .layers = -1 };

	r->is_by_hand = false;
	TEXT_SET(job.name, r->s.job_name);
	r->is_found = true; /* what recording_begin() notes of it */
	r->machine = SESSION_RECORDING;
	recording_begin(r, &job);
	if (r->was_paused_by_order) {
		r->was_paused_by_order = false;
		(void)feed(ss, st, SESSION_ORDERED_PAUSE, NULL);
	}
}

void sessions_set_plan(struct sessions *ss, const char *printer, const struct session_plan *plan)
{
	struct station *st = station_make(ss, printer);
	bool is_first_camera = st->has_plan && st->plan.n_cameras == 0 && plan->n_cameras > 0;

	st->plan = *plan;
	st->has_plan = true;
	/* The print has begun before there was anything to photograph it with. */
	if (is_first_camera && st->has_job && !st->current) {
		job_begins(ss, st);
		if (st->current && st->is_print_paused)
			(void)feed(ss, st, SESSION_PRINT_PAUSES, NULL);
	}
	if (st->current && st->current->is_by_hand)
		go_on_by_hand(ss, st);
	if (st->current && st->current->machine == SESSION_ARMED) {
		unsigned n = st->current->plan.n_cameras;
		struct session_plan *mine = &st->current->plan;
		struct session_plan old = *mine;

		/* How, by the new one; with what and into which film, as it was begun. */
		*mine = *plan;
		mine->film = old.film;
		mine->n_cameras = n;
		memcpy(mine->cameras, old.cameras, sizeof(old.cameras));
	}
}

void sessions_end_orphans(struct sessions *ss)
{
	struct station *st;

	DL_FOREACH(ss->stations, st)
	if (!st->has_plan && st->current && (st->current->is_found || st->current->is_by_hand))
		end_found(st, JOB_LOST, "its printer is no longer configured");
}

const struct session_plan *sessions_plan(const struct sessions *ss, const char *printer)
{
	const struct station *st;

	DL_FOREACH(ss->stations, st)
	if (strcmp(st->printer, printer) == 0)
		return st->has_plan ? &st->plan : NULL;
	return NULL;
}

/* One that waits for a job of an earlier run has pictures: it ends like a recording one. */
static int order_end(struct sessions *ss, struct station *st, enum session_input in,
                     struct err *err)
{
	if (st->current && st->current->is_found)
		st->current->machine = SESSION_RECORDING;
	return feed(ss, st, in, err);
}

void sessions_forget(struct sessions *ss, const char *printer)
{
	struct station *st = station_of(ss, printer);

	if (!st)
		return;
	if (st->current)
		(void)order_end(ss, st, SESSION_ORDERED_STOP, NULL);
	DL_DELETE(ss->stations, st);
	free(st);
}

const struct session *sessions_of(const struct sessions *ss, const char *printer)
{
	static const struct session nobody = { .layer = -1, .layers = -1, .keep_one_in = 1 };
	const struct station *st;

	DL_FOREACH(ss->stations, st)
	if (strcmp(st->printer, printer) == 0)
		return st->current ? &st->current->s : &st->idle;
	return &nobody;
}

/* Recording is begun without a print that we know of: the printer is not on the network, or idle. */
static void job_by_hand(struct sessions *ss, struct station *st)
{
	st->job = (struct job){ .estimate_s = (double)NAN,
		                .filament_g = (double)NAN,
		                .layer = -1,
		                .layers = -1,
		                .started_wall_ms = loop_wall_ms(ss->env.loop) };
	TEXT_SET(st->job.printer, st->printer);
	TEXT_SET(st->job.name, "By hand");
}

int sessions_order(struct sessions *ss, const char *printer, enum session_order order,
                   struct err *err)
{
	struct station *st = station_of(ss, printer);
	struct recording *r = st ? st->current : NULL;
	enum session_input in = SESSION_ORDERED_SHOT;

	assert(loop_is_mine(ss->env.loop));
	if (!st)
		return err_set(err, -ENOENT, "there is no printer '%s'", printer);
	switch (order) {
	case SESSION_ORDER_START:
		in = st->has_job ? SESSION_START_PRINTING : SESSION_START_IDLE;
		break;
	case SESSION_ORDER_PAUSE:
		if (r && r->machine == SESSION_PAUSED && !r->is_paused_by_order) {
			r->is_paused_by_order = true;
			recording_state(r, SESSION_PAUSED, SESSION_TEXT_ORDERED_PAUSE);
			return 0;
		}
		in = SESSION_ORDERED_PAUSE;
		break;
	case SESSION_ORDER_RESUME:
		if (r && r->is_paused_by_order && st->is_print_paused) {
			r->is_paused_by_order = false;
			recording_state(r, SESSION_PAUSED, pause_text(st));
			return 0;
		}
		in = SESSION_ORDERED_RESUME;
		break;
	case SESSION_ORDER_STOP:
		return order_end(ss, st, SESSION_ORDERED_STOP, err);
	case SESSION_ORDER_DISCARD:
		return order_end(ss, st, SESSION_ORDERED_DISCARD, err);
	case SESSION_ORDER_START_NOW:
		if (!st->has_job)
			job_by_hand(ss, st);
		in = SESSION_START_PRINTING;
		break;
	case SESSION_ORDER_SHOOT:
		break;
	}
	return feed(ss, st, in, err);
}

bool sessions_is_paused_by_order(const struct sessions *ss, const char *printer)
{
	const struct station *st;

	DL_FOREACH(ss->stations, st)
	if (strcmp(st->printer, printer) == 0)
		return st->current && st->current->machine == SESSION_PAUSED &&
		       st->current->is_paused_by_order;
	return false;
}

void sessions_film_done(struct sessions *ss, const char *session_id)
{
	struct recording *r, *next;

	DL_FOREACH_SAFE(ss->recordings, r, next)
	if (strcmp(r->s.id, session_id) == 0 && r->s.state == SESSION_FINALISING)
		recording_done(r, "");
}
