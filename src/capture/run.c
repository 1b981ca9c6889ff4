/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/run_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/keep.h"
#include "capture/plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- words ---- */

void run_fail(struct run *r, const char *fmt, ...)
{
	va_list ap;

	r->c.state = CAPTURE_FAILED;
	if (r->c.text[0] && r->n_lost == 0)
		return; /* the first reason is the cause */
	va_start(ap, fmt);
	(void)vsnprintf(r->c.text, sizeof(r->c.text), fmt, ap);
	va_end(ap);
	r->n_lost = 0;
}

void run_tell(struct run *r, enum notice_level level, const char *what)
{
	event_notice(r->env.bus, loop_wall_ms(r->env.loop), level, "capture", r->c.printer,
	             "%.120s, layer %d: %.300s", r->c.job_name, r->c.layer, what);
}

void run_alarm_paused(struct run *r, const char *what)
{
	char text[400];

	run_fail(r, "%s", what);
	(void)snprintf(
		text, sizeof(text),
		"%.300s. The print stays paused: look at the printer, then resume it there or on "
		"the page.",
		what);
	run_tell(r, NOTICE_ALARM, text);
}

const char *run_step_text(const struct run *r)
{
	static const char *const texts[] = {
		[RUN_NOTING] = "noting",
		[RUN_PAUSING] = "pausing the print",
		[RUN_PLACING] = "asking where the head is",
		[RUN_NOTING_PLACE] = "noting the place",
		[RUN_LIFTING] = "lifting",
		[RUN_MOVING] = "moving",
		[RUN_SHOOTING] = "photographing",
		[RUN_RETURNING] = "going back",
		[RUN_RESUMING] = "resuming the print",
		[RUN_REPAUSING] = "pausing it again",
		[RUN_REPLACING] = "asking where the head is",
		[RUN_AWAY] = "waiting for the printer",
		[RUN_OVER] = "saving",
	};

	return texts[r->step];
}

/* ---- the end ---- */

static void over(struct run *r)
{
	r->c.ended_wall_ms = loop_wall_ms(r->env.loop);
	r->env.over(r->env.arg, r);
}

void run_disk_done(struct run *r)
{
	r->n_disk_jobs--;
	if (r->n_disk_jobs > 0)
		return;
	if (r->is_freed) {
		free(r->pictures);
		grid_fini(&r->grid);
		free(r);
	} else if (r->step == RUN_OVER) {
		if (r->plan.keeps_metadata && !r->c.metadata[0] && r->n_pictures > 0 &&
		    r->c.ended_wall_ms == 0) {
			r->c.ended_wall_ms = loop_wall_ms(r->env.loop);
			run_metadata(r);
		} else {
			over(r);
		}
	}
}

static void disk_done(void *arg)
{
	run_disk_done(arg);
}

static void count_missing(struct run *r)
{
	char why[160];

	if (r->c.state == CAPTURE_RUNNING)
		r->c.state = CAPTURE_COMPLETED;
	if (r->n_lost > 0 && r->c.state == CAPTURE_COMPLETED) {
		TEXT_SET(why, r->c.text);
		(void)snprintf(r->c.text, sizeof(r->c.text), "%u pictures are missing: %.150s",
		               r->n_lost, why);
	}
}

/* Nothing is sent from here on. */
void run_finish(struct run *r)
{
	if (r->step == RUN_OVER)
		return;
	r->step = RUN_OVER;
	timer_stop(&r->timer);
	run_forget_sent(r);
	run_shots_stop(r);
	count_missing(r);
	if (r->paused_us > 0)
		r->c.paused_s = (double)(loop_now_us(r->env.loop) - r->began_us) / 1e6;
	r->c.printer_wait_s = r->printer_wait_s;
	run_note_remove(r);
	/* So that the end is always told from the loop, not from inside the caller. */
	r->n_disk_jobs++;
	loop_post(r->env.loop, disk_done, r);
}

/* The print is gone: not one more command. */
void run_stop_all(struct run *r)
{
	run_fail(r, "the print ended or was cancelled");
	run_finish(r);
}

/* ---- what comes ---- */

void run_answered(void *arg, enum printer_answer a, const char *reason)
{
	struct run_sent *s = arg;
	struct run *r = s->run;
	double took_s;

	if (!r) {
		free(s);
		return;
	}
	took_s = (double)(loop_now_us(r->env.loop) - s->at_us) / 1e6;
	r->sent = NULL;
	free(s);
	if (r->step == RUN_PLACING || r->step == RUN_LIFTING || r->step == RUN_MOVING ||
	    r->step == RUN_RETURNING)
		r->printer_wait_s += took_s;
	switch (r->step) {
	case RUN_PAUSING:
	case RUN_REPAUSING:
		run_pause_answered(r, a, reason);
		return;
	case RUN_PLACING:
		run_placed(r, a, reason);
		return;
	case RUN_REPLACING:
		run_replaced(r, a, reason);
		return;
	case RUN_LIFTING:
	case RUN_MOVING:
		run_moved(r, a, reason);
		return;
	case RUN_RETURNING:
		run_returned(r, a, reason);
		return;
	case RUN_RESUMING:
		run_resume_answered(r, a, reason);
		return;
	case RUN_NOTING:
	case RUN_NOTING_PLACE:
	case RUN_SHOOTING:
	case RUN_AWAY:
	case RUN_OVER:
		return;
	}
}

/* The link is back: what is the print doing? */
static void come_back(struct run *r)
{
	struct run_machine m = run_look(r);

	if (!m.is_online)
		return;
	timer_stop(&r->timer);
	r->was_away = true;
	if (r->is_resume_sent || !r->is_moved) {
		r->step = RUN_RESUMING;
		if (run_judge(r) == RUN_FINE)
			run_enter_resume(r);
		else
			run_resume_progress(r);
		return;
	}
	if (run_judge(r) == RUN_GONE) {
		run_stop_all(r);
		return;
	}
	if (run_judge(r) == RUN_RUNNING) {
		run_tell(r, NOTICE_WARNING,
		         "somebody resumed the print while the head was away from it: look at the "
		         "part");
		run_finish(r);
		return;
	}
	/* Whose pause it is must be sure before anything moves. */
	if (run_judge(r) != RUN_FINE || r->file_pos < 0 || m.file_pos != r->file_pos) {
		run_alarm_paused(
			r, "After the connection was lost it can not be told whether the pause "
			   "still is Bedside's; the head may be away from the part");
		run_finish(r);
		return;
	}
	if (r->n_returns >= r->plan.resume_attempts)
		run_give_up_return(r, "the connection was lost again and again");
	else
		run_enter_return(r);
}

void run_heard(struct run *r)
{
	switch (r->step) {
	case RUN_PAUSING:
	case RUN_REPAUSING:
		run_pause_progress(r);
		return;
	case RUN_RESUMING:
		if (r->is_resume_sent)
			run_resume_progress(r);
		return;
	case RUN_AWAY:
		come_back(r);
		return;
	case RUN_SHOOTING:
		if (r->is_pause_asked)
			(void)run_guard(r);
		return;
	case RUN_PLACING:
	case RUN_REPLACING:
	case RUN_LIFTING:
	case RUN_MOVING:
	case RUN_RETURNING:
		/* With a command under way its answer is awaited, unless nobody will give one. */
		if (run_judge(r) == RUN_RUNNING && !r->sent && r->step == RUN_RETURNING)
			run_resumed_by_others(r);
		else if (run_judge(r) == RUN_RUNNING)
			r->was_resumed = true;
		else if (run_judge(r) == RUN_GONE)
			run_stop_all(r);
		else if (run_judge(r) == RUN_LINKLESS)
			run_go_away(r);
		else if (!r->sent && (r->step == RUN_MOVING || r->step == RUN_LIFTING) &&
		         run_is_near(r) && run_guard(r))
			run_arrived(r);
		return;
	case RUN_NOTING:
	case RUN_NOTING_PLACE:
	case RUN_OVER:
		return;
	}
}

static void timed_out(void *arg)
{
	struct run *r = arg;

	switch (r->step) {
	case RUN_PAUSING:
		run_pause_timed_out(r);
		return;
	case RUN_REPAUSING:
		run_forget_sent(r);
		run_repause_failed(r);
		return;
	case RUN_RESUMING:
		run_forget_sent(r);
		run_resume_progress(r);
		if (r->step == RUN_RESUMING)
			run_enter_resume(r);
		return;
	case RUN_LIFTING:
	case RUN_MOVING:
		if (!r->sent && run_guard(r))
			run_arrived(r);
		return;
	case RUN_RETURNING:
		if (!r->sent && run_guard(r))
			run_enter_return(r);
		return;
	case RUN_AWAY:
		run_alarm_paused(r, "The printer was not reached again for an hour");
		run_finish(r);
		return;
	case RUN_NOTING:
	case RUN_PLACING:
	case RUN_REPLACING:
	case RUN_NOTING_PLACE:
	case RUN_SHOOTING:
	case RUN_OVER:
		return;
	}
}

void run_commanded(struct run *r, enum printer_command_kind kind)
{
	if (kind == PRINTER_PAUSE_PRINT)
		r->is_others = true;
	if (kind == PRINTER_STOP_PRINT && r->step != RUN_OVER)
		run_stop_all(r);
	else if (r->step == RUN_SHOOTING && r->is_pause_asked)
		(void)run_guard(r);
}

void run_abort(struct run *r, const char *why)
{
	run_fail(r, "%s", why);
	if (r->step == RUN_SHOOTING && !r->is_pause_asked)
		run_finish(r);
	r->is_aborted = true;
	if (r->step == RUN_SHOOTING)
		run_enter_return(r);
}

/* ---- life ---- */

static struct run *run_new(const struct run_env *env)
{
	struct run *r = MEM_NEW(struct run);

	r->env = *env;
	r->home_mm[0] = r->home_mm[1] = r->home_mm[2] = (double)NAN;
	r->at_mm[0] = r->at_mm[1] = r->at_mm[2] = r->travel_mm = (double)NAN;
	r->file.feed_mm_min = (double)NAN;
	r->file_pos = -1;
	r->began_us = loop_now_us(env->loop);
	grid_pace_init(&r->pace);
	timer_init(&r->timer, env->loop, timed_out, r);
	return r;
}

/* Where nothing is paused: one point, where the head is. */
static void begin_here(struct run *r)
{
	struct run_machine m = run_look(r);

	memcpy(r->at_mm, m.mm, sizeof(r->at_mm));
	r->c.n_points = 1;
	r->step = RUN_SHOOTING;
	run_shots_point(r, loop_now_us(r->env.loop));
	if (r->n_shooting == 0)
		run_point_done(r);
}

static void log_moves(struct run *r)
{
	auto_buf struct buf script = { 0 };

	run_gcode_lift(r, &script);
	for (unsigned i = 0; i < r->grid.n_safe; i++)
		run_gcode_move(r, r->grid.points[i].mm, &script);
	run_gcode_return(r, &script);
	for (char *line = script.data, *end; line && *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			break;
		*end = '\0';
		log_info(&r->log, "dry run, layer %d: %s", r->c.layer, line);
	}
}

/* What speaks against it before the print is touched. */
static bool is_possible(struct run *r)
{
	struct run_machine m = run_look(r);

	if (!m.is_online)
		run_fail(r, "the printer is not connected");
	else if (m.activity != PRINTER_PRINTING)
		run_fail(r, "the print is not running");
	else if (!m.can_script && !m.restores_itself)
		run_fail(r, "this printer does not say when a move has ended, so its head is not "
		            "moved");
	else if (m.restores_itself && !r->plan.allows_bambu)
		run_fail(r,
		         "moves on a Bambu printer are experimental: allow them with bambu_moves");
	else if (!m.is_klipper && !r->file.has_modes && r->plan.retract_mm > 0)
		run_fail(r,
		         "whether the sliced file counts filament by M82 or M83 is not known: set "
		         "extrusion, or retract to 0");
	else
		return run_plan_points(r);
	return false;
}

struct run *run_start(const struct run_env *env, const struct capture_plan *plan,
                      const struct capture *c, const struct run_file *file,
                      const struct grid_pace *pace)
{
	struct run *r = run_new(env);

	r->plan = *plan;
	r->c = *c;
	r->file = *file;
	r->pace = *pace;
	r->c.state = CAPTURE_RUNNING;
	r->c.mode = plan->mode;
	r->c.is_dry_run = plan->is_dry_run;
	r->c.started_wall_ms = loop_wall_ms(env->loop);
	r->is_klipper = run_look(r).is_klipper;
	r->restores_itself = run_look(r).restores_itself;
	log_init(&r->log, "capture %s", c->printer);
	keep_folder(r->c.folder, plan,
	            c->job_started_wall_ms ? c->job_started_wall_ms : r->c.started_wall_ms);
	if (!plan->is_dry_run)
		run_shots_hold(r);
	if (!capture_plan_moves(plan) && !plan->is_dry_run) {
		begin_here(r);
	} else if (capture_plan_moves(plan) && !is_possible(r)) {
		run_finish(r);
	} else if (plan->is_dry_run) {
		if (capture_plan_moves(plan))
			log_moves(r);
		run_finish(r);
	} else {
		r->step = RUN_NOTING;
		run_note_write(r);
	}
	return r;
}

struct run *run_recover(const struct run_env *env, const struct buf *note)
{
	struct run *r = run_new(env);

	if (!run_note_read(r, note)) {
		run_free(r);
		return NULL;
	}
	log_init(&r->log, "capture %s", r->c.printer);
	r->c.state = CAPTURE_FAILED;
	r->c.mode = r->plan.mode;
	TEXT_SET(r->c.text, "Bedside was ended in the middle of it");
	keep_folder(r->c.folder, &r->plan,
	            r->c.job_started_wall_ms ? r->c.job_started_wall_ms : r->c.started_wall_ms);
	r->is_noted = r->is_pause_asked = true;
	/* Without a place in the note nothing had moved yet. */
	r->is_moved = r->is_paused;
	r->is_retracted =
		r->is_paused && r->plan.retract_mm > 0 && (r->is_klipper || r->file.has_modes);
	r->at_mm[2] = r->travel_mm;
	r->was_away = true;
	r->step = RUN_AWAY;
	r->away_us = r->began_us;
	timer_start(&r->timer, RUN_AWAY_LIMIT_MS);
	return r;
}

void run_remember(struct run *r, const struct capture *was, struct capture_picture *pics,
                  unsigned n)
{
	free(r->pictures);
	r->pictures = pics;
	r->n_pictures = r->c.n_pictures = n;
	r->c.n_points = was->n_points;
	r->c.n_done = was->n_done;
	r->c.trigger = was->trigger;
	if (was->folder[0])
		TEXT_SET(r->c.folder, was->folder);
}

void run_free(struct run *r)
{
	if (!r)
		return;
	timer_stop(&r->timer);
	run_forget_sent(r);
	run_shots_stop(r);
	r->step = RUN_OVER;
	r->is_freed = true;
	if (r->n_disk_jobs > 0)
		return; /* the last of them frees it */
	free(r->pictures);
	grid_fini(&r->grid);
	free(r);
}

const struct capture *run_capture(const struct run *r)
{
	return &r->c;
}

const struct capture_plan *run_plan(const struct run *r)
{
	return &r->plan;
}

const struct capture_picture *run_pictures(const struct run *r, unsigned *ret_n)
{
	*ret_n = r->n_pictures;
	return r->pictures;
}

void run_pace(const struct run *r, struct grid_pace *pace)
{
	double share = 0.5; /* the newest counts as much as all before */

	if (r->c.state != CAPTURE_COMPLETED || r->n_moves == 0 || r->c.n_done == 0)
		return;
	pace->per_shot_s += share * (r->shot_wait_s / r->c.n_done - pace->per_shot_s);
	pace->pause_s += share * ((double)(r->paused_us - r->began_us) / 1e6 - pace->pause_s);
	pace->per_move_s +=
		share * (fmax((r->printer_wait_s - (double)(r->paused_us - r->began_us) / 1e6 -
	                       r->grid.way_s) /
	                              r->n_moves,
	                      0) -
	                 pace->per_move_s);
}
