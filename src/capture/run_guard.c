/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/run_private.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* ---- the printer ---- */

struct run_machine run_look(const struct run *r)
{
	struct run_machine m = { 0 };

	r->env.port.look(r->env.port.arg, &m);
	return m;
}

enum run_verdict run_judge(const struct run *r)
{
	struct run_machine m = run_look(r);

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

void run_send(struct run *r, enum run_order order, const char *script, double timeout_s)
{
	struct run_sent *s = MEM_NEW(struct run_sent);

	assert(!r->sent);
	*s = (struct run_sent){ .run = r, .at_us = loop_now_us(r->env.loop) };
	r->sent = s;
	r->env.port.send(r->env.port.arg, order, script, (int64_t)(timeout_s * 1000), run_answered,
	                 s);
}

/* Its answer does not matter any more. */
void run_forget_sent(struct run *r)
{
	if (r->sent)
		r->sent->run = NULL;
	r->sent = NULL;
}

/* ---- guards ---- */

void run_go_away(struct run *r)
{
	if (r->step != RUN_RESUMING)
		run_fail(r, "the connection to the printer was lost");
	run_tell(r, NOTICE_WARNING,
	         "the connection to the printer was lost while the print waits for its pictures. "
	         "Bedside "
	         "goes on when it is back");
	run_shots_stop(r);
	run_forget_sent(r);
	r->was_away = true;
	r->step = RUN_AWAY;
	r->away_us = loop_now_us(r->env.loop);
	timer_start(&r->timer, RUN_AWAY_LIMIT_MS);
}

void run_repause(struct run *r)
{
	run_fail(r, "somebody resumed the print while the head was away");
	r->was_resumed = false;
	r->is_others = false; /* whoever paused it: that is over */
	run_shots_stop(r);
	if (++r->n_repauses > r->plan.resume_attempts) {
		run_alarm_paused(
			r, "The print was resumed while the head was away, and can not be paused");
		run_finish(r);
		return;
	}
	r->step = RUN_REPAUSING;
	r->is_pause_answered = false;
	timer_start(&r->timer, (int64_t)(r->plan.pause_timeout_s * 1000));
	run_send(r, RUN_PAUSE, NULL, r->plan.pause_timeout_s);
}

/* It is paused by others as well: back, and theirs it is. */
static void leave_to_others(struct run *r)
{
	run_fail(r, "the print was paused by somebody else, or for another reason");
	r->is_others = true;
	run_shots_stop(r);
	if (r->step == RUN_REPAUSING || r->step == RUN_REPLACING) {
		/* It went on since the place was noted. */
		run_alarm_paused(
			r, "The print was resumed while the head was away, and paused again by "
			   "somebody else");
		run_finish(r);
	} else if (r->is_moved && r->step != RUN_RETURNING)
		run_enter_return(r);
	else if (!r->is_moved)
		run_finish(r);
}

/* True: the print is in our pause, and commands may be sent. */
bool run_guard(struct run *r)
{
	enum run_verdict v = run_judge(r);

	if (r->was_resumed && (v == RUN_FINE || v == RUN_OTHERS)) {
		run_alarm_paused(
			r, "Somebody resumed the print while the head was away, and paused it "
			   "again");
		run_finish(r);
		return false;
	}
	switch (v) {
	case RUN_FINE:
		return true;
	case RUN_GONE:
		run_stop_all(r);
		return false;
	case RUN_LINKLESS:
		run_go_away(r);
		return false;
	case RUN_OTHERS:
		if (r->step == RUN_RETURNING && run_look(r).pause != PRINTER_PAUSE_ERROR)
			return true;
		if (run_look(r).pause == PRINTER_PAUSE_ERROR) {
			run_fail(r, "the printer reports a fault");
			r->is_others = true;
			run_finish(r);
		} else {
			leave_to_others(r);
		}
		return false;
	case RUN_RUNNING:
		if (r->is_moved)
			run_repause(r);
		else
			run_fail(r, "somebody resumed the print"), run_finish(r);
		return false;
	}
	return false;
}
