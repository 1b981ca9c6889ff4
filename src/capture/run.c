/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/run_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/keep.h"
#include "model/event.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AWAY_LIMIT_MS 3600000 /* then a lost link is given up with an alarm */
#define HOP_MM 3.0
#define LOOK_AGAIN_MS 1000
#define ELSEWHERE_MM 1.0 /* the printer may round, it may not stand elsewhere */

/* What the printer's state means for a print that we have paused. */
enum verdict {
	RUN_FINE,
	RUN_GONE, /* there is no such print any more */
	RUN_LINKLESS,
	RUN_OTHERS,  /* somebody else's pause, or a trouble's */
	RUN_RUNNING, /* it prints */
};

static void enter_return(struct run *r);
static void give_up_return(struct run *r, const char *reason);
static void enter_resume(struct run *r);
static void enter_move(struct run *r);
static void finish(struct run *r);

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

static void tell(struct run *r, enum notice_level level, const char *what)
{
	event_notice(r->env.bus, loop_wall_ms(r->env.loop), level, "capture", r->c.printer,
	             "%.120s, layer %d: %.300s", r->c.job_name, r->c.layer, what);
}

static void alarm_paused(struct run *r, const char *what)
{
	char text[400];

	run_fail(r, "%s", what);
	(void)snprintf(
		text, sizeof(text),
		"%.300s. The print stays paused: look at the printer, then resume it there or on "
		"the page.",
		what);
	tell(r, NOTICE_ALARM, text);
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

/* ---- the printer ---- */

static struct run_machine look(const struct run *r)
{
	struct run_machine m = { 0 };

	r->env.port.look(r->env.port.arg, &m);
	return m;
}

static enum verdict judge(const struct run *r)
{
	struct run_machine m = look(r);

	if (!m.is_online)
		return RUN_LINKLESS;
	if (!printer_activity_is_job(m.activity) ||
	    (r->c.job_file[0] && m.file[0] && strcmp(m.file, r->c.job_file) != 0))
		return RUN_GONE;
	if (m.activity != PRINTER_PAUSED)
		return RUN_RUNNING;
	if (r->is_others || (m.pause != PRINTER_PAUSE_NONE && m.pause != PRINTER_PAUSE_USER))
		return RUN_OTHERS;
	return RUN_FINE;
}

static void answered(void *arg, enum printer_answer a, const char *reason);

static void send(struct run *r, enum run_order order, const char *script, double timeout_s)
{
	struct run_sent *s = MEM_NEW(struct run_sent);

	assert(!r->sent);
	*s = (struct run_sent){ .run = r, .at_us = loop_now_us(r->env.loop) };
	r->sent = s;
	r->env.port.send(r->env.port.arg, order, script, (int64_t)(timeout_s * 1000), answered, s);
}

/* Its answer does not matter any more. */
static void forget_sent(struct run *r)
{
	if (r->sent)
		r->sent->run = NULL;
	r->sent = NULL;
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
static void finish(struct run *r)
{
	if (r->step == RUN_OVER)
		return;
	r->step = RUN_OVER;
	timer_stop(&r->timer);
	forget_sent(r);
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
static void stop_all(struct run *r)
{
	run_fail(r, "the print ended or was cancelled");
	finish(r);
}

/* ---- guards ---- */

static void go_away(struct run *r)
{
	if (r->step != RUN_RESUMING)
		run_fail(r, "the connection to the printer was lost");
	tell(r, NOTICE_WARNING,
	     "the connection to the printer was lost while the print waits for its pictures. "
	     "Bedside "
	     "goes on when it is back");
	run_shots_stop(r);
	forget_sent(r);
	r->was_away = true;
	r->step = RUN_AWAY;
	r->away_us = loop_now_us(r->env.loop);
	timer_start(&r->timer, AWAY_LIMIT_MS);
}

static void repause(struct run *r)
{
	run_fail(r, "somebody resumed the print while the head was away");
	r->was_resumed = false;
	r->is_others = false; /* whoever paused it: that is over */
	run_shots_stop(r);
	if (++r->n_repauses > r->plan.resume_attempts) {
		alarm_paused(
			r, "The print was resumed while the head was away, and can not be paused");
		finish(r);
		return;
	}
	r->step = RUN_REPAUSING;
	r->is_pause_answered = false;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	send(r, RUN_PAUSE, NULL, r->plan.pause_timeout_s);
}

/* It is paused by others as well: back, and theirs it is. */
static void leave_to_others(struct run *r)
{
	run_fail(r, "the print was paused by somebody else, or for another reason");
	r->is_others = true;
	run_shots_stop(r);
	if (r->step == RUN_REPAUSING || r->step == RUN_REPLACING) {
		/* It went on since the place was noted. */
		alarm_paused(r,
		             "The print was resumed while the head was away, and paused again by "
		             "somebody else");
		finish(r);
	} else if (r->is_moved && r->step != RUN_RETURNING)
		enter_return(r);
	else if (!r->is_moved)
		finish(r);
}

/* True: the print is in our pause, and commands may be sent. */
static bool guard(struct run *r)
{
	enum verdict v = judge(r);

	if (r->was_resumed && (v == RUN_FINE || v == RUN_OTHERS)) {
		alarm_paused(r, "Somebody resumed the print while the head was away, and paused it "
		                "again");
		finish(r);
		return false;
	}
	switch (v) {
	case RUN_FINE:
		return true;
	case RUN_GONE:
		stop_all(r);
		return false;
	case RUN_LINKLESS:
		go_away(r);
		return false;
	case RUN_OTHERS:
		if (r->step == RUN_RETURNING && look(r).pause != PRINTER_PAUSE_ERROR)
			return true;
		if (look(r).pause == PRINTER_PAUSE_ERROR) {
			run_fail(r, "the printer reports a fault");
			r->is_others = true;
			finish(r);
		} else {
			leave_to_others(r);
		}
		return false;
	case RUN_RUNNING:
		if (r->is_moved)
			repause(r);
		else
			run_fail(r, "somebody resumed the print"), finish(r);
		return false;
	}
	return false;
}

/* ---- pause ---- */

static void enter_pause(struct run *r)
{
	struct run_machine m = look(r);

	/* It may have been paused, by whoever, while the note went to disk. */
	if (!m.is_online || m.activity != PRINTER_PRINTING || r->is_others || r->is_aborted) {
		run_fail(r, "the print was not running any more when it was to be paused");
		finish(r);
		return;
	}
	r->step = RUN_PAUSING;
	r->is_pause_asked = true;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	send(r, RUN_PAUSE, NULL, r->plan.pause_timeout_s);
}

static void enter_placing(struct run *r)
{
	r->step = RUN_PLACING;
	r->is_paused = true;
	r->paused_us = loop_now_us(r->env.loop);
	r->file_pos = look(r).file_pos;
	r->printer_wait_s += (double)(r->paused_us - r->began_us) / 1e6;
	timer_stop(&r->timer);
	if (guard(r))
		send(r, RUN_SCRIPT, "M400\n", r->plan.move_timeout_s);
}

static void enter_replacing(struct run *r)
{
	r->step = RUN_REPLACING;
	timer_stop(&r->timer);
	if (guard(r))
		send(r, RUN_SCRIPT, "M400\n", r->plan.move_timeout_s);
}

/* The print went on across from where it was, but at the height to which we had lifted: unless it began a
 * layer meanwhile, it belongs down again. */
static void replaced(struct run *r, enum printer_answer a, const char *reason)
{
	struct run_machine m = look(r);

	if (!guard(r))
		return;
	if (a != PRINTER_ACKNOWLEDGED || isnan(m.mm[0] + m.mm[1] + m.mm[2])) {
		give_up_return(r,
		               a == PRINTER_ACKNOWLEDGED ? "it does not say where it is" : reason);
		return;
	}
	r->file_pos = m.file_pos;
	/* Where we had sent it, nothing was printed yet. */
	if (hypot(m.mm[0] - r->at_mm[0], m.mm[1] - r->at_mm[1]) > 0.02) {
		r->home_mm[0] = m.mm[0];
		r->home_mm[1] = m.mm[1];
	}
	if (fabs(m.mm[2] - r->at_mm[2]) > 0.02)
		r->home_mm[2] = m.mm[2];
	r->travel_mm = fmax(r->travel_mm, r->home_mm[2] + r->plan.clearance_mm);
	memcpy(r->at_mm, m.mm, sizeof(r->at_mm));
	run_note_write(r);
	enter_return(r);
}

/* Confirmed when the command was taken and the printer says that it is paused. */
static void pause_progress(struct run *r)
{
	struct run_machine m = look(r);

	if (!m.is_online)
		return; /* the timer speaks */
	if (!printer_activity_is_job(m.activity))
		stop_all(r);
	else if (m.activity == PRINTER_PAUSED && r->is_pause_answered && r->step == RUN_PAUSING)
		enter_placing(r);
	else if (m.activity == PRINTER_PAUSED && r->is_pause_answered)
		enter_replacing(r);
}

static void repause_failed(struct run *r)
{
	if (judge(r) == RUN_RUNNING) {
		repause(r);
	} else if (guard(r)) {
		alarm_paused(r, "The print was resumed while the head was away and then paused, it "
		                "is not certain by whom");
		finish(r);
	}
}

static void pause_answered(struct run *r, enum printer_answer a, const char *reason)
{
	if (a == PRINTER_ACKNOWLEDGED) {
		r->is_pause_answered = true;
		pause_progress(r);
	} else if (r->step == RUN_REPAUSING) {
		repause_failed(r);
	} else if (a == PRINTER_TIMED_OUT) {
		return; /* it may come yet: the timer speaks */
	} else {
		r->is_pause_asked = false;
		run_fail(r, "the printer did not take the pause: %.150s", reason);
		finish(r);
	}
}

/* A pause that comes late can not be told from a person's: it is left alone. */
static void pause_timed_out(struct run *r)
{
	char text[240];

	(void)snprintf(text, sizeof(text), "the pause was not confirmed within %.0f s",
	               r->plan.pause_timeout_s);
	run_fail(r, "%s", text);
	if (look(r).activity == PRINTER_PAUSED || !look(r).is_online)
		alarm_paused(r,
		             "The pause for the pictures was not confirmed in time, and may have "
		             "come late");
	else
		tell(r, NOTICE_WARNING,
		     "the printer did not confirm the pause for the pictures. If it pauses yet, "
		     "resume it by hand");
	finish(r);
}

/* ---- place ---- */

static void enter_lift(struct run *r)
{
	auto_buf struct buf script = { 0 };

	r->step = RUN_LIFTING;
	if (!guard(r))
		return;
	run_gcode_lift(r, &script);
	/* From here on it must go back, whatever the answer. */
	r->is_moved = true;
	r->is_retracted = r->plan.retract_mm > 0 && (r->is_klipper || r->file.has_modes);
	r->at_mm[2] = r->travel_mm;
	r->n_moves++;
	send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

/* All points are checked again with the real place, before anything moves. */
static bool plan_points(struct run *r)
{
	struct run_machine m = look(r);
	struct grid_site site = { .layer_z_mm = r->c.z_mm,
		                  .top_mm = r->file.top_mm,
		                  .limits = m.limits };
	struct err err = { 0 };
	int rc;

	memcpy(site.head_mm, r->home_mm, sizeof(site.head_mm));
	if (isnan(site.layer_z_mm))
		site.layer_z_mm = site.top_mm;
	/* A little higher than its layer the nozzle hops, or prints the next one already: the grid
	 * begins there. Much higher it was parked by the printer's own pause. */
	if (r->home_mm[2] > site.layer_z_mm && r->home_mm[2] < site.layer_z_mm + HOP_MM) {
		site.layer_z_mm = r->home_mm[2];
		site.top_mm = fmax(site.top_mm, r->home_mm[2]);
	}
	grid_fini(&r->grid);
	rc = grid_make(&r->plan, &site, &r->pace, &r->grid, &err);
	r->c.n_points = r->grid.n_safe;
	r->travel_mm = fmax(r->grid.box.min[2], r->home_mm[2]);
	if (rc < 0)
		run_fail(r, "%s", err.text);
	for (unsigned i = r->grid.n_safe; rc == 0 && i < r->grid.n; i++) {
		char text[160];

		grid_fault_text(&r->grid, &r->grid.points[i], text, sizeof(text));
		log_debug(&r->log, "a point is left out: %s", text);
	}
	return rc == 0;
}

static void placed(struct run *r, enum printer_answer a, const char *reason)
{
	struct run_machine m = look(r);

	r->file_pos = m.file_pos;
	memcpy(r->home_mm, m.mm, sizeof(r->home_mm));
	memcpy(r->at_mm, m.mm, sizeof(r->at_mm));
	if (!guard(r))
		return;
	if (a != PRINTER_ACKNOWLEDGED)
		run_fail(r, "the printer does not say where its head is: %.150s", reason);
	else if (isnan(m.mm[0] + m.mm[1] + m.mm[2]) && !m.restores_itself)
		run_fail(r, "the printer does not say where its head is");
	else if (!m.restores_itself && !grid_is_reachable(&m.limits, m.mm))
		run_fail(r,
		         "the head is said to be at %.1f, %.1f, %.1f, outside of the machine: is "
		         "the "
		         "printer homed?",
		         m.mm[0], m.mm[1], m.mm[2]);
	else if (!r->is_aborted && plan_points(r)) {
		r->step = RUN_NOTING_PLACE;
		run_note_write(r);
		return;
	}
	enter_resume(r);
}

void run_note_written(struct run *r, int rc, const struct err *err)
{
	if (r->is_freed || (r->step != RUN_NOTING && r->step != RUN_NOTING_PLACE))
		return;
	if (rc < 0) {
		run_fail(r, "%.200s", err->text);
		if (r->step == RUN_NOTING)
			finish(r);
		else
			enter_resume(r);
	} else if (r->step == RUN_NOTING) {
		enter_pause(r);
	} else {
		enter_lift(r);
	}
}

/* ---- grid ---- */

/* As is_there(), but it says nothing. */
static bool is_near(const struct run *r)
{
	struct run_machine m = look(r);

	for (unsigned i = 0; i < 3; i++)
		if (!isnan(m.mm[i]) && !isnan(r->at_mm[i]) &&
		    fabs(m.mm[i] - r->at_mm[i]) > ELSEWHERE_MM)
			return false;
	return true;
}

static bool is_there(struct run *r)
{
	struct run_machine m = look(r);

	for (unsigned i = 0; i < 3; i++)
		if (!isnan(m.mm[i]) && !isnan(r->at_mm[i]) &&
		    fabs(m.mm[i] - r->at_mm[i]) > ELSEWHERE_MM) {
			run_fail(r,
			         "the head stands at %.1f, %.1f, %.1f and not at %.1f, %.1f, %.1f",
			         m.mm[0], m.mm[1], m.mm[2], r->at_mm[0], r->at_mm[1], r->at_mm[2]);
			return false;
		}
	return true;
}

static void enter_move(struct run *r)
{
	auto_buf struct buf script = { 0 };

	r->step = RUN_MOVING;
	if (!guard(r))
		return;
	if (r->next >= r->grid.n_safe || r->is_aborted) {
		enter_return(r);
		return;
	}
	run_gcode_move(r, r->grid.points[r->next].mm, &script);
	r->n_moves++;
	send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

static void arrived(struct run *r);

static void moved(struct run *r, enum printer_answer a, const char *reason)
{
	if (a != PRINTER_ACKNOWLEDGED) {
		run_fail(r, "a move failed: %.180s", reason);
		if (guard(r))
			enter_return(r);
		return;
	}
	if (!guard(r))
		return;
	if (!is_near(r)) {
		/* Some tell the place a moment after the end of the motion. */
		timer_start(&r->timer, LOOK_AGAIN_MS);
		return;
	}
	arrived(r);
}

static void arrived(struct run *r)
{
	timer_stop(&r->timer);
	if (!is_there(r)) {
		enter_return(r);
	} else if (r->step == RUN_LIFTING) {
		enter_move(r);
	} else {
		r->step = RUN_SHOOTING;
		r->shot_wait_s -= (double)loop_now_us(r->env.loop) / 1e6;
		run_shots_point(r, loop_now_us(r->env.loop));
		if (r->n_shooting == 0)
			run_point_done(r);
	}
}

void run_point_done(struct run *r)
{
	if (r->step != RUN_SHOOTING)
		return;
	r->shot_wait_s += (double)loop_now_us(r->env.loop) / 1e6;
	r->c.n_done++;
	r->next++;
	if (r->is_pause_asked)
		enter_move(r);
	else
		finish(r); /* snap, or parked by the file: nothing was paused */
}

/* ---- back ---- */

static void give_up_return(struct run *r, const char *reason)
{
	char text[360];

	(void)snprintf(text, sizeof(text),
	               "The head could not be brought back to X%.2f Y%.2f Z%.2f, where the print "
	               "was paused (%.160s)",
	               r->home_mm[0], r->home_mm[1], r->home_mm[2], reason);
	alarm_paused(r, text);
	finish(r);
}

static void enter_return(struct run *r)
{
	auto_buf struct buf script = { 0 };
	double high = r->at_mm[2];

	r->step = RUN_RETURNING;
	run_shots_stop(r);
	if (!guard(r))
		return;
	timer_stop(&r->timer);
	/* Where it really is may be higher than where it was sent. */
	if (!isnan(look(r).mm[2]))
		r->at_mm[2] = fmax(isnan(high) ? look(r).mm[2] : high, look(r).mm[2]);
	run_gcode_return(r, &script);
	r->n_moves++;
	r->n_returns++;
	send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

static void resumed_by_others(struct run *r)
{
	run_fail(r, "somebody resumed the print while the head went back to it");
	tell(r, NOTICE_WARNING, r->c.text);
	finish(r);
}

static void returned(struct run *r, enum printer_answer a, const char *reason)
{
	if (a == PRINTER_ACKNOWLEDGED && judge(r) == RUN_RUNNING) {
		resumed_by_others(r);
		return;
	}
	if (!guard(r))
		return;
	if (a == PRINTER_ACKNOWLEDGED && is_there(r)) {
		r->is_moved = r->is_retracted = false;
		if (r->is_others)
			finish(r);
		else
			enter_resume(r);
	} else if (r->n_returns >= r->plan.resume_attempts) {
		give_up_return(r, a == PRINTER_ACKNOWLEDGED ? r->c.text : reason);
	} else if (a == PRINTER_ACKNOWLEDGED) {
		/* Elsewhere, perhaps because somebody resumed it: that will be heard in a moment. */
		timer_start(&r->timer, LOOK_AGAIN_MS);
	} else {
		enter_return(r);
	}
}

/* ---- resume ---- */

static void enter_resume(struct run *r)
{
	r->step = RUN_RESUMING;
	if (!guard(r))
		return;
	/* What went on meanwhile was not our pause. */
	if ((r->is_resume_sent || r->was_away) &&
	    (r->file_pos < 0 || look(r).file_pos != r->file_pos)) {
		alarm_paused(r, "The print is paused, and it can not be told whether by Bedside");
		finish(r);
		return;
	}
	if (r->n_resumes >= r->plan.resume_attempts) {
		alarm_paused(r, "The printer does not resume the print");
		finish(r);
		return;
	}
	r->n_resumes++;
	r->is_resume_sent = true;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	send(r, RUN_RESUME, NULL, r->plan.pause_timeout_s);
}

static void resume_progress(struct run *r)
{
	switch (judge(r)) {
	case RUN_RUNNING:
		finish(r);
		return;
	case RUN_GONE:
		stop_all(r);
		return;
	case RUN_LINKLESS:
		go_away(r);
		return;
	case RUN_OTHERS:
		run_fail(r, "the print was paused by somebody else, or for another reason");
		finish(r);
		return;
	case RUN_FINE:
		return;
	}
}

static void resume_answered(struct run *r, enum printer_answer a, const char *reason)
{
	resume_progress(r);
	if (r->step != RUN_RESUMING || a == PRINTER_ACKNOWLEDGED || a == PRINTER_TIMED_OUT)
		return;
	log_warn(&r->log, "layer %d: the printer did not resume: %s", r->c.layer, reason);
	/* Refused at once: again a little later. */
	r->is_resume_sent = false;
	timer_start(&r->timer, 1000);
}

/* ---- what comes ---- */

static void answered(void *arg, enum printer_answer a, const char *reason)
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
		pause_answered(r, a, reason);
		return;
	case RUN_PLACING:
		placed(r, a, reason);
		return;
	case RUN_REPLACING:
		replaced(r, a, reason);
		return;
	case RUN_LIFTING:
	case RUN_MOVING:
		moved(r, a, reason);
		return;
	case RUN_RETURNING:
		returned(r, a, reason);
		return;
	case RUN_RESUMING:
		resume_answered(r, a, reason);
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
	struct run_machine m = look(r);

	if (!m.is_online)
		return;
	timer_stop(&r->timer);
	r->was_away = true;
	if (r->is_resume_sent || !r->is_moved) {
		r->step = RUN_RESUMING;
		if (judge(r) == RUN_FINE)
			enter_resume(r);
		else
			resume_progress(r);
		return;
	}
	if (judge(r) == RUN_GONE) {
		stop_all(r);
		return;
	}
	if (judge(r) == RUN_RUNNING) {
		tell(r, NOTICE_WARNING,
		     "somebody resumed the print while the head was away from it: look at the "
		     "part");
		finish(r);
		return;
	}
	/* Whose pause it is must be sure before anything moves. */
	if (judge(r) != RUN_FINE || r->file_pos < 0 || m.file_pos != r->file_pos) {
		alarm_paused(r,
		             "After the connection was lost it can not be told whether the pause "
		             "still is Bedside's; the head may be away from the part");
		finish(r);
		return;
	}
	if (r->n_returns >= r->plan.resume_attempts)
		give_up_return(r, "the connection was lost again and again");
	else
		enter_return(r);
}

void run_heard(struct run *r)
{
	switch (r->step) {
	case RUN_PAUSING:
	case RUN_REPAUSING:
		pause_progress(r);
		return;
	case RUN_RESUMING:
		if (r->is_resume_sent)
			resume_progress(r);
		return;
	case RUN_AWAY:
		come_back(r);
		return;
	case RUN_SHOOTING:
		if (r->is_pause_asked)
			(void)guard(r);
		return;
	case RUN_PLACING:
	case RUN_REPLACING:
	case RUN_LIFTING:
	case RUN_MOVING:
	case RUN_RETURNING:
		/* With a command under way its answer is awaited, unless nobody will give one. */
		if (judge(r) == RUN_RUNNING && !r->sent && r->step == RUN_RETURNING)
			resumed_by_others(r);
		else if (judge(r) == RUN_RUNNING)
			r->was_resumed = true;
		else if (judge(r) == RUN_GONE)
			stop_all(r);
		else if (judge(r) == RUN_LINKLESS)
			go_away(r);
		else if (!r->sent && (r->step == RUN_MOVING || r->step == RUN_LIFTING) &&
		         is_near(r) && guard(r))
			arrived(r);
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
		pause_timed_out(r);
		return;
	case RUN_REPAUSING:
		forget_sent(r);
		repause_failed(r);
		return;
	case RUN_RESUMING:
		forget_sent(r);
		resume_progress(r);
		if (r->step == RUN_RESUMING)
			enter_resume(r);
		return;
	case RUN_LIFTING:
	case RUN_MOVING:
		if (!r->sent && guard(r))
			arrived(r);
		return;
	case RUN_RETURNING:
		if (!r->sent && guard(r))
			enter_return(r);
		return;
	case RUN_AWAY:
		alarm_paused(r, "The printer was not reached again for an hour");
		finish(r);
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
		stop_all(r);
	else if (r->step == RUN_SHOOTING && r->is_pause_asked)
		(void)guard(r);
}

void run_abort(struct run *r, const char *why)
{
	run_fail(r, "%s", why);
	if (r->step == RUN_SHOOTING && !r->is_pause_asked)
		finish(r);
	r->is_aborted = true;
	if (r->step == RUN_SHOOTING)
		enter_return(r);
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
	struct run_machine m = look(r);

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
	struct run_machine m = look(r);

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
		return plan_points(r);
	return false;
}

static bool moves(const struct capture_plan *p)
{
	return p->mode == CAPTURE_GRID || (p->mode == CAPTURE_PARKED && !isnan(p->park_mm[0]));
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
	r->is_klipper = look(r).is_klipper;
	r->restores_itself = look(r).restores_itself;
	log_init(&r->log, "capture %s", c->printer);
	keep_folder(r->c.folder, plan,
	            c->job_started_wall_ms ? c->job_started_wall_ms : r->c.started_wall_ms);
	if (!plan->is_dry_run)
		run_shots_hold(r);
	if (!moves(plan) && !plan->is_dry_run) {
		begin_here(r);
	} else if (moves(plan) && !is_possible(r)) {
		finish(r);
	} else if (plan->is_dry_run) {
		if (moves(plan))
			log_moves(r);
		finish(r);
	} else {
		r->step = RUN_NOTING;
		run_note_write(r);
	}
	return r;
}

struct run *run_recover(const struct run_env *env, const char *note_path)
{
	struct run *r = run_new(env);

	if (!run_note_read(r, note_path)) {
		run_free(r);
		return NULL;
	}
	log_init(&r->log, "capture %s", r->c.printer);
	r->c.state = CAPTURE_FAILED;
	r->c.mode = r->plan.mode;
	TEXT_SET(r->c.text, "Bedside was ended in the middle of it");
	keep_folder(r->c.folder, &r->plan, r->c.started_wall_ms);
	r->is_noted = r->is_pause_asked = true;
	/* Without a place in the note nothing had moved yet. */
	r->is_moved = r->is_paused;
	r->is_retracted =
		r->is_paused && r->plan.retract_mm > 0 && (r->is_klipper || r->file.has_modes);
	r->at_mm[2] = r->travel_mm;
	r->was_away = true;
	r->step = RUN_AWAY;
	r->away_us = r->began_us;
	timer_start(&r->timer, AWAY_LIMIT_MS);
	return r;
}

void run_free(struct run *r)
{
	if (!r)
		return;
	timer_stop(&r->timer);
	forget_sent(r);
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
