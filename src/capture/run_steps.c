/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/run_private.h"

#include "base/err.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define HOP_MM 3.0
#define LOOK_AGAIN_MS 1000
#define ELSEWHERE_MM 1.0 /* the printer may round, it may not stand elsewhere */

/* ---- pause ---- */

static void enter_pause(struct run *r)
{
	struct run_machine m = run_look(r);

	/* It may have been paused, by whoever, while the note went to disk. */
	if (!m.is_online || m.activity != PRINTER_PRINTING || r->is_others || r->is_aborted) {
		run_fail(r, "the print was not running any more when it was to be paused");
		run_finish(r);
		return;
	}
	r->step = RUN_PAUSING;
	r->is_pause_asked = true;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	run_send(r, RUN_PAUSE, NULL, r->plan.pause_timeout_s);
}

static void enter_placing(struct run *r)
{
	r->step = RUN_PLACING;
	r->is_paused = true;
	r->paused_us = loop_now_us(r->env.loop);
	r->file_pos = run_look(r).file_pos;
	r->printer_wait_s += (double)(r->paused_us - r->began_us) / 1e6;
	timer_stop(&r->timer);
	if (run_guard(r))
		run_send(r, RUN_SCRIPT, "M400\n", r->plan.move_timeout_s);
}

static void enter_replacing(struct run *r)
{
	r->step = RUN_REPLACING;
	timer_stop(&r->timer);
	if (run_guard(r))
		run_send(r, RUN_SCRIPT, "M400\n", r->plan.move_timeout_s);
}

/* The print went on across from where it was, but at the height to which we had lifted: unless it began a
 * layer meanwhile, it belongs down again. */
void run_replaced(struct run *r, enum printer_answer a, const char *reason)
{
	struct run_machine m = run_look(r);

	if (!run_guard(r))
		return;
	if (a != PRINTER_ACKNOWLEDGED || isnan(m.mm[0] + m.mm[1] + m.mm[2])) {
		run_give_up_return(r, a == PRINTER_ACKNOWLEDGED ? "it does not say where it is"
		                                                : reason);
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
	run_enter_return(r);
}

/* Confirmed when the command was taken and the printer says that it is paused. */
void run_pause_progress(struct run *r)
{
	struct run_machine m = run_look(r);

	if (!m.is_online)
		return; /* the timer speaks */
	if (!printer_activity_is_job(m.activity))
		run_stop_all(r);
	else if (m.activity == PRINTER_PAUSED && r->is_pause_answered && r->step == RUN_PAUSING)
		enter_placing(r);
	else if (m.activity == PRINTER_PAUSED && r->is_pause_answered)
		enter_replacing(r);
}

void run_repause_failed(struct run *r)
{
	if (run_judge(r) == RUN_RUNNING) {
		run_repause(r);
	} else if (run_guard(r)) {
		run_alarm_paused(
			r, "The print was resumed while the head was away and then paused, it "
			   "is not certain by whom");
		run_finish(r);
	}
}

void run_pause_answered(struct run *r, enum printer_answer a, const char *reason)
{
	if (a == PRINTER_ACKNOWLEDGED) {
		r->is_pause_answered = true;
		run_pause_progress(r);
	} else if (r->step == RUN_REPAUSING) {
		run_repause_failed(r);
	} else if (a == PRINTER_TIMED_OUT) {
		return; /* it may come yet: the timer speaks */
	} else {
		r->is_pause_asked = false;
		run_fail(r, "the printer did not take the pause: %.150s", reason);
		run_finish(r);
	}
}

/* A pause that comes late can not be told from a person's: it is left alone. */
void run_pause_timed_out(struct run *r)
{
	char text[240];

	(void)snprintf(text, sizeof(text), "the pause was not confirmed within %.0f s",
	               r->plan.pause_timeout_s);
	run_fail(r, "%s", text);
	if (run_look(r).activity == PRINTER_PAUSED || !run_look(r).is_online)
		run_alarm_paused(
			r, "The pause for the pictures was not confirmed in time, and may have "
			   "come late");
	else
		run_tell(
			r, NOTICE_WARNING,
			"the printer did not confirm the pause for the pictures. If it pauses yet, "
			"resume it by hand");
	run_finish(r);
}

/* ---- place ---- */

static void enter_lift(struct run *r)
{
	auto_buf struct buf script = { 0 };

	r->step = RUN_LIFTING;
	if (!run_guard(r))
		return;
	run_gcode_lift(r, &script);
	/* From here on it must go back, whatever the answer. */
	r->is_moved = true;
	r->is_retracted = r->plan.retract_mm > 0 && (r->is_klipper || r->file.has_modes);
	r->at_mm[2] = r->travel_mm;
	r->n_moves++;
	run_send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

/* All points are checked again with the real place, before anything moves. */
bool run_plan_points(struct run *r)
{
	struct run_machine m = run_look(r);
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

void run_placed(struct run *r, enum printer_answer a, const char *reason)
{
	struct run_machine m = run_look(r);

	r->file_pos = m.file_pos;
	memcpy(r->home_mm, m.mm, sizeof(r->home_mm));
	memcpy(r->at_mm, m.mm, sizeof(r->at_mm));
	if (!run_guard(r))
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
	else if (!r->is_aborted && run_plan_points(r)) {
		r->step = RUN_NOTING_PLACE;
		run_note_write(r);
		return;
	}
	run_enter_resume(r);
}

void run_note_written(struct run *r, int rc, const struct err *err)
{
	if (r->is_freed || (r->step != RUN_NOTING && r->step != RUN_NOTING_PLACE))
		return;
	if (rc < 0) {
		run_fail(r, "%.200s", err->text);
		if (r->step == RUN_NOTING)
			run_finish(r);
		else
			run_enter_resume(r);
	} else if (r->step == RUN_NOTING) {
		enter_pause(r);
	} else {
		enter_lift(r);
	}
}

/* ---- grid ---- */

/* As is_there(), but it says nothing. */
bool run_is_near(const struct run *r)
{
	struct run_machine m = run_look(r);

	for (unsigned i = 0; i < 3; i++)
		if (!isnan(m.mm[i]) && !isnan(r->at_mm[i]) &&
		    fabs(m.mm[i] - r->at_mm[i]) > ELSEWHERE_MM)
			return false;
	return true;
}

static bool is_there(struct run *r)
{
	struct run_machine m = run_look(r);

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
	if (!run_guard(r))
		return;
	if (r->next >= r->grid.n_safe || r->is_aborted) {
		run_enter_return(r);
		return;
	}
	run_gcode_move(r, r->grid.points[r->next].mm, &script);
	r->n_moves++;
	run_send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

void run_moved(struct run *r, enum printer_answer a, const char *reason)
{
	if (a != PRINTER_ACKNOWLEDGED) {
		run_fail(r, "a move failed: %.180s", reason);
		if (run_guard(r))
			run_enter_return(r);
		return;
	}
	if (!run_guard(r))
		return;
	if (!run_is_near(r)) {
		/* Some tell the place a moment after the end of the motion. */
		timer_start(&r->timer, LOOK_AGAIN_MS);
		return;
	}
	run_arrived(r);
}

void run_arrived(struct run *r)
{
	timer_stop(&r->timer);
	if (!is_there(r)) {
		run_enter_return(r);
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
		run_finish(r); /* snap, or parked by the file: nothing was paused */
}

/* ---- back ---- */

void run_give_up_return(struct run *r, const char *reason)
{
	char text[360];

	(void)snprintf(text, sizeof(text),
	               "The head could not be brought back to X%.2f Y%.2f Z%.2f, where the print "
	               "was paused (%.160s)",
	               r->home_mm[0], r->home_mm[1], r->home_mm[2], reason);
	run_alarm_paused(r, text);
	run_finish(r);
}

void run_enter_return(struct run *r)
{
	auto_buf struct buf script = { 0 };
	double high = r->at_mm[2];

	r->step = RUN_RETURNING;
	run_shots_stop(r);
	if (!run_guard(r))
		return;
	timer_stop(&r->timer);
	/* Where it really is may be higher than where it was sent. */
	if (!isnan(run_look(r).mm[2]))
		r->at_mm[2] = fmax(isnan(high) ? run_look(r).mm[2] : high, run_look(r).mm[2]);
	run_gcode_return(r, &script);
	r->n_moves++;
	r->n_returns++;
	run_send(r, RUN_SCRIPT, buf_peek(&script), r->plan.move_timeout_s);
}

void run_resumed_by_others(struct run *r)
{
	run_fail(r, "somebody resumed the print while the head went back to it");
	run_tell(r, NOTICE_WARNING, r->c.text);
	run_finish(r);
}

void run_returned(struct run *r, enum printer_answer a, const char *reason)
{
	if (a == PRINTER_ACKNOWLEDGED && run_judge(r) == RUN_RUNNING) {
		run_resumed_by_others(r);
		return;
	}
	if (!run_guard(r))
		return;
	if (a == PRINTER_ACKNOWLEDGED && is_there(r)) {
		r->is_moved = r->is_retracted = false;
		if (r->is_others)
			run_finish(r);
		else
			run_enter_resume(r);
	} else if (r->n_returns >= r->plan.resume_attempts) {
		run_give_up_return(r, a == PRINTER_ACKNOWLEDGED ? r->c.text : reason);
	} else if (a == PRINTER_ACKNOWLEDGED) {
		/* Elsewhere, perhaps because somebody resumed it: that will be heard in a moment. */
		timer_start(&r->timer, LOOK_AGAIN_MS);
	} else {
		run_enter_return(r);
	}
}

/* ---- resume ---- */

void run_enter_resume(struct run *r)
{
	r->step = RUN_RESUMING;
	if (!run_guard(r))
		return;
	/* What went on meanwhile was not our pause. */
	if ((r->is_resume_sent || r->was_away) &&
	    (r->file_pos < 0 || run_look(r).file_pos != r->file_pos)) {
		run_alarm_paused(r,
		                 "The print is paused, and it can not be told whether by Bedside");
		run_finish(r);
		return;
	}
	if (r->n_resumes >= r->plan.resume_attempts) {
		run_alarm_paused(r, "The printer does not resume the print");
		run_finish(r);
		return;
	}
	r->n_resumes++;
	r->is_resume_sent = true;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	run_send(r, RUN_RESUME, NULL, r->plan.pause_timeout_s);
}

void run_resume_progress(struct run *r)
{
	switch (run_judge(r)) {
	case RUN_RUNNING:
		run_finish(r);
		return;
	case RUN_GONE:
		run_stop_all(r);
		return;
	case RUN_LINKLESS:
		run_go_away(r);
		return;
	case RUN_OTHERS:
		run_fail(r, "the print was paused by somebody else, or for another reason");
		run_finish(r);
		return;
	case RUN_FINE:
		return;
	}
}

void run_resume_answered(struct run *r, enum printer_answer a, const char *reason)
{
	run_resume_progress(r);
	if (r->step != RUN_RESUMING || a == PRINTER_ACKNOWLEDGED || a == PRINTER_TIMED_OUT)
		return;
	log_warn(&r->log, "layer %d: the printer did not resume: %s", r->c.layer, reason);
	/* Refused at once: again a little later. */
	r->is_resume_sent = false;
	timer_start(&r->timer, 1000);
}
