/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * captures: which layers of which printer are captured, by whom it was asked, and what came of it.
 *
 * Follows EVENT_JOB, EVENT_SESSION, EVENT_LAYER, EVENT_PRINTER and EVENT_COMMAND, starts a run
 * (capture/run) when a trigger is due, one for each printer at a time, keeps the records (captures and their
 * pictures) and publishes EVENT_CAPTURE. A layer that was due and was not captured is recorded as
 * missed, with the reason, and all of them are named when the job ends.
 *
 * Thread: loop.
 */

#pragma once

#include "capture/run.h"

#include <jansson.h>

struct captures;
struct err;
struct store;

struct captures_env {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct store *store; /* plans and records; NULL in tests that need none */
	struct work_pool *pool, *disk;
	const char *data_dir;
	/* The printers. `done` of send() exactly once, never from inside; false: there is no such printer. */
	bool (*look)(void *arg, const char *printer, struct run_machine *ret);
	void (*send)(void *arg, const char *printer, enum run_order order, const char *script,
	             int64_t timeout_ms,
	             void (*done)(void *done_arg, enum printer_answer a, const char *reason),
	             void *done_arg);
	void *arg;
};

struct captures *captures_new(const struct captures_env *env);
/* What runs is left as it is: the note on disk tells the next start. */
void captures_free(struct captures *cs);

/* A printer that can be captured; `cameras` are those that see it: "front, top". The configured plan
 * counts until one was set by captures_set_plan() (kept in the store). */
void captures_add(struct captures *cs, const char *printer, const struct capture_plan *configured,
                  const char *cameras);
void captures_forget(struct captures *cs, const char *printer);

const struct capture_plan *captures_plan(const struct captures *cs,
                                         const char *printer); /* or NULL */
/* -EINVAL and the sentence if it can not be. */
int captures_set_plan(struct captures *cs, const char *printer, const struct capture_plan *plan,
                      struct err *err) MUST_CHECK;

/* The points of a plan (NULL: the printer's own) at a layer (-1: where the print is, else an example
 * of 2 mm), {layer, z_mm, top_mm, footprint: {min_x, …, walls}, grid, images, warnings:[text],
 * error}; NULL: no such printer. */
json_t *captures_preview(const struct captures *cs, const char *printer,
                         const struct capture_plan *plan, int layer);

/* Captures now: by CAPTURE_BY_ORDER, CAPTURE_BY_BUTTON or CAPTURE_BY_MARKER. Refused with the sentence. */
int captures_order(struct captures *cs, const char *printer, enum capture_trigger by,
                   struct err *err) MUST_CHECK;
/* Ends the one that runs: back, and on with the print. */
int captures_cancel(struct captures *cs, const char *printer, struct err *err) MUST_CHECK;

/* {printer, is_on, targets, is_running, step, layer, n_points, n_done, job, job_name, job_started_at,
 * current_layer, n_completed, n_failed, missed:[layers], n_missed}; NULL: no such printer. */
json_t *captures_status(const struct captures *cs, const char *printer);

struct captures_counts {
	unsigned n_due, n_completed, n_failed,
		n_missed; /* of this job: due = the sum of the others + running */
};
struct captures_counts captures_counts(const struct captures *cs, const char *printer);
