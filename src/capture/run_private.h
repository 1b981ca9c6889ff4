/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run_private: what the files of a run share: run.c (its life, and what comes from outside), run_guard.c
 * (what the printer's state allows), run_steps.c (pause, place, grid, back, resume), run_gcode.c (what is
 * sent), run_note.c (the note on disk), run_shots.c (pictures).
 *
 * Thread: loop.
 */

#pragma once

#include "base/buf.h"
#include "capture/run.h"
#include "capture/still_shot.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/event.h"

enum run_step {
	RUN_NOTING,       /* the note goes to disk, before the pause */
	RUN_PAUSING,      /* until the printer says that it is paused */
	RUN_PLACING,      /* until it says where the head is */
	RUN_NOTING_PLACE, /* the note gets the place, before the first move */
	RUN_LIFTING,
	RUN_MOVING,
	RUN_SHOOTING,
	RUN_RETURNING,
	RUN_RESUMING,
	RUN_REPAUSING, /* somebody resumed it under the moving head */
	RUN_REPLACING, /* where the head is after that */
	RUN_AWAY,      /* the link is lost */
	RUN_OVER,      /* nothing is sent any more; pictures may still be written */
};

/* What the printer's state means for a print that we have paused. */
enum run_verdict {
	RUN_FINE,
	RUN_GONE, /* there is no such print any more */
	RUN_LINKLESS,
	RUN_OTHERS,  /* somebody else's pause, or a trouble's */
	RUN_RUNNING, /* it prints */
};

#define RUN_AWAY_LIMIT_MS 3600000 /* then a lost link is given up with an alarm */

/* Which command is under way; outlives a run that does not wait for it any more. */
struct run_sent {
	struct run *run;
	int64_t at_us;
};

/* A picture on its way to the disk. */
struct run_keeping;

struct run_shooter {
	struct run *run;
	char camera[MODEL_ID_SIZE];
	struct camera *held;
	struct still_shot shot;
	bool is_shooting;
	unsigned n_failed; /* points one after the other without a picture */
};

struct run {
	struct run_env env;
	struct log log;
	struct capture_plan plan;
	struct capture c;
	struct run_file file;
	struct grid_pace pace;
	struct grid grid;
	enum run_step step;
	struct timer timer;
	struct run_sent *sent; /* NULL: nothing is under way */

	double home_mm[3]; /* where the print was paused; NAN unknown */
	double at_mm[3];   /* where the head was sent last */
	double travel_mm;  /* as high as moves across go at least */
	int64_t file_pos;  /* when it was paused; -1 unknown */
	unsigned next;     /* point */
	bool is_pause_asked, is_pause_answered;
	bool is_paused; /* by us, and confirmed */
	bool is_moved;  /* or retracted: it must go back */
	bool is_retracted, is_klipper, restores_itself;
	bool is_others;   /* paused by somebody or something else too */
	bool was_resumed; /* by somebody else, while a command was under way */
	bool was_away;    /* since the pause, or since the resume was sent */
	bool is_resume_sent;
	bool is_noted;   /* the note is on disk */
	bool is_aborted; /* by a person: no further point */
	bool is_freed;
	unsigned n_returns, n_resumes, n_repauses;

	int64_t began_us, paused_us, away_us;
	double printer_wait_s, shot_wait_s, move_way_s;
	unsigned n_moves;

	unsigned n_shooters, n_shooting;
	struct run_shooter shooters[CAPTURE_MAX_CAMERAS];
	struct capture_picture *pictures;
	unsigned n_pictures, n_wanted_pictures, n_lost;
	unsigned n_disk_jobs; /* under way */
};

/* run.c */
void run_fail(struct run *r, const char *fmt, ...) PRINTF_LIKE(2, 3); /* the first reason stays */
void run_tell(struct run *r, enum notice_level level, const char *what);
/* An alarm that also says that the print stays paused and what to do. */
void run_alarm_paused(struct run *r, const char *what);
/* Nothing is sent from here on. */
void run_finish(struct run *r);
/* The print is gone: not one more command. */
void run_stop_all(struct run *r);
void run_answered(void *arg, enum printer_answer a, const char *reason);
void run_disk_done(struct run *r);

/* run_guard.c */
struct run_machine run_look(const struct run *r);
enum run_verdict run_judge(const struct run *r);
void run_send(struct run *r, enum run_order order, const char *script, double timeout_s);
/* Its answer does not matter any more. */
void run_forget_sent(struct run *r);
void run_go_away(struct run *r);
void run_repause(struct run *r);
/* True: the print is in our pause, and commands may be sent. False: it saw to what comes next. */
bool run_guard(struct run *r);

/* run_steps.c: a step is entered, its answer comes, or what the printer reports meanwhile. */
void run_pause_answered(struct run *r, enum printer_answer a, const char *reason);
void run_pause_progress(struct run *r);
void run_pause_timed_out(struct run *r);
void run_repause_failed(struct run *r);
/* All points are checked with the place that is known; false: it failed with the reason. */
bool run_plan_points(struct run *r);
void run_placed(struct run *r, enum printer_answer a, const char *reason);
void run_replaced(struct run *r, enum printer_answer a, const char *reason);
void run_note_written(struct run *r, int rc, const struct err *err);
bool run_is_near(const struct run *r);
void run_moved(struct run *r, enum printer_answer a, const char *reason);
void run_arrived(struct run *r);
void run_point_done(struct run *r);
void run_enter_return(struct run *r);
void run_give_up_return(struct run *r, const char *reason);
void run_returned(struct run *r, enum printer_answer a, const char *reason);
void run_enter_resume(struct run *r);
void run_resume_answered(struct run *r, enum printer_answer a, const char *reason);
void run_resume_progress(struct run *r);
void run_resumed_by_others(struct run *r);

/* run_gcode.c: one script each, into `out`. */
void run_gcode_lift(const struct run *r, struct buf *out);
/* Changes r->at_mm. */
void run_gcode_move(struct run *r, const double to[3], struct buf *out);
void run_gcode_return(struct run *r, struct buf *out);

/* run_note.c */
void run_note_write(struct run *r);
void run_note_remove(struct run *r);
bool run_note_read(struct run *r, const struct buf *note);

/* run_shots.c */
void run_shots_hold(struct run *r);
void run_shots_point(struct run *r, int64_t not_before_us);
void run_shots_stop(struct run *r);
void run_metadata(struct run *r);
