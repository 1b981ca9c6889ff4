/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jobs: the life of each print, from what its printer says.
 *
 * Follows EVENT_PRINTER, publishes EVENT_JOB and EVENT_LAYER, keeps records of both. A job begins
 * when a printer begins to prepare or print, or speaks of another job while active; it ends with
 * FINISHED, FAILED, CANCELLED or IDLE. Silence concludes nothing: after an outage or a restart of
 * ours the identity (task, file, name) is compared first, and a job that is still the same goes on
 * with the same record.
 *
 * The job's sliced file is fetched from the printer into <data>/jobs/<id>.3mf and indexed on a
 * worker; its layer table then joins the count (fleet/layers.h) and JOB_TABLE tells it.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/job.h"

struct bus;
struct err;
struct loop;
struct printers;
struct store;
struct work_pool;

struct jobs_env {
	struct loop *loop;
	struct bus *bus;
	struct printers *printers; /* for the files; NULL: none are fetched */
	struct store *store;       /* records; NULL in tests that need none */
	struct work_pool *pool;    /* files are indexed here */
	const char *data_dir;
};

/* Before the printers are added. Jobs that ran when Bedside stopped wait for their printers. */
struct jobs *jobs_new(const struct jobs_env *env);
/* Running jobs stay running in the records. Before the printers are freed. */
void jobs_free(struct jobs *js);
/* The printer is being removed: its job ends here. */
void jobs_forget(struct jobs *js, const char *printer);

/* The running job of a printer, or NULL. Borrowed until the loop's next turn. */
const struct job *jobs_of(const struct jobs *js, const char *printer);

/* Indexes a file that the user gives for the running job, instead of the printer's. */
int jobs_give_file(struct jobs *js, const char *printer, const char *path,
                   struct err *err) MUST_CHECK;
