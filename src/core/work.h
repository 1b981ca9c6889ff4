/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * work: jobs that would make the loop wait, on threads that own nothing else.
 *
 * A pool of one thread is a queue: its jobs run one after the other, in order. The store and the
 * journal each have such a queue; pictures and G-code share a pool. On a simulated loop the job
 * runs at once, in the caller, and its completion is posted.
 *
 * Thread: loop; `run` is called on a worker, `done` on the loop.
 */

#pragma once

#include "base/base.h"

struct loop;
struct work_pool;

/* `name` (15 characters at most) shows in the list of threads. */
struct work_pool *work_pool_new(struct loop *l, const char *name, unsigned n_threads);

/* Waits for running and queued jobs; their completions are called before it returns. */
void work_pool_free(struct work_pool *p);

/* `done` may be NULL. `arg` is the job's alone between submission and completion. */
void work_submit(struct work_pool *p, void (*run)(void *arg), void (*done)(void *arg), void *arg);

/* Jobs submitted and not completed. */
size_t work_pending(const struct work_pool *p);
