/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * run: one capture of one layer, from its trigger to the resumed print.
 *
 * pause, confirmed → note where the head really is → retract and lift → for each point: move, its end
 * acknowledged by the printer, a still picture of every camera → back to the noted place, prime, the
 * modes as they were → resume, confirmed. One command is under way at a time, and before each the
 * printer's state is looked at:
 *
 *  - the print was cancelled, failed or ended: not one more command is sent;
 *  - the link is lost: nothing is sent until it is back; then the head goes back and the print is
 *    resumed, if it still is in our pause; never into the grid again;
 *  - somebody else paused it too, or it is paused for another reason: the head goes back, and the print is
 *    not resumed by us;
 *  - somebody resumed it under the moving head: paused again, back, and on.
 *
 * A resume is tried so often as the plan says, and only while it is certain that the pause is ours;
 * then, or when the head could not be brought back, there is an alarm and the print stays paused.
 *
 * Before the pause a note is on disk; it goes when the print runs again. What is found at the next start
 * is given to run_recover().
 *
 * Thread: loop.
 */

#pragma once

#include "capture/grid.h"
#include "model/printer.h"

struct buf;
struct bus;
struct cameras;
struct loop;
struct run;
struct work_pool;

/* What the printer says at this moment. */
struct run_machine {
	bool is_online; /* connected, and its values are fresh */
	enum printer_activity activity;
	enum printer_pause pause;
	char file[256]; /* of the job */
	int64_t file_pos;
	double mm[3]; /* NAN unknown */
	struct grid_box limits;
	struct capture_telemetry telemetry; /* but for layer_s and job_s */
	bool can_script;                    /* says when a move has ended */
	bool is_klipper;                    /* SAVE_GCODE_STATE */
	bool restores_itself; /* its own pause and resume keep its place; says no position (Bambu) */
};

enum run_order {
	RUN_PAUSE,
	RUN_RESUME,
	RUN_SCRIPT
};

/* The printer as a run sees it. `done` exactly once, never from inside send(). */
struct run_port {
	void (*look)(void *arg, struct run_machine *ret);
	void (*send)(void *arg, enum run_order order, const char *script, int64_t timeout_ms,
	             void (*done)(void *done_arg, enum printer_answer a, const char *reason),
	             void *done_arg);
	void *arg;
};

struct run_env {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct work_pool *pool; /* pictures are compared here */
	struct work_pool *disk; /* and written here */
	const char *data_dir;
	struct run_port port;
	/* A picture is on the disk, NULL nobody cares. */
	void (*kept)(void *arg, struct run *r, const struct capture_picture *p);
	/* It is over: the record is final but for what the disk does not hold yet. run_free() it. */
	void (*over)(void *arg, struct run *r);
	void *arg;
};

/* What is known of the sliced file. */
struct run_file {
	double top_mm; /* of everything printed so far; NAN unknown */
	bool has_modes, is_relative, is_e_relative;
	double feed_mm_min; /* in force where the print was paused; NAN unknown */
	char path[1024];    /* plain G-code in which that can be looked up; "" none */
};

/* `c` says printer, job, layer, z and trigger. Strings of `env` are borrowed, the rest is copied. */
struct run *run_start(const struct run_env *env, const struct capture_plan *plan,
                      const struct capture *c, const struct run_file *file,
                      const struct grid_pace *pace);
/* A note that an earlier run of the program left behind. NULL if it makes no sense. The print is resumed
 * if it is surely in our pause, else there is an alarm. */
struct run *run_recover(const struct run_env *env, const struct buf *note);
/* Waits for the disk: on a worker. -ENOENT: there is none. buf_fini() it in any case. */
int run_note_load(const char *path, struct buf *ret);
/* What was recorded of it before the program was killed; `pics` is taken over. */
void run_remember(struct run *r, const struct capture *was, struct capture_picture *pics,
                  unsigned n);
/* Shots and waits end, nothing more is sent. */
void run_free(struct run *r);

/* The printer's state changed. */
void run_heard(struct run *r);
/* A person paused, resumed or stopped the print by a command of this program. */
void run_commanded(struct run *r, enum printer_command_kind kind);
/* A person wants the capture to end: back, and on with the print. */
void run_abort(struct run *r, const char *why);

const struct capture *run_capture(const struct run *r);
const struct capture_plan *run_plan(const struct run *r);
/* Its pictures so far. */
const struct capture_picture *run_pictures(const struct run *r, unsigned *ret_n);
/* What it does at the moment, in words. */
const char *run_step_text(const struct run *r);
/* Measured: what to expect of the next one. */
void run_pace(const struct run *r, struct grid_pace *pace);

/* "<data_dir>/captures.paused/<printer>.json" */
void run_note_path(char *dst, size_t size, const char *data_dir, const char *printer);
