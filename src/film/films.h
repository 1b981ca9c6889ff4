/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * films: a film for each session, growing while the print runs.
 *
 * For each recording session one worker process (bedside-av encode) follows the journal on disk
 * and writes closed pieces; when the session finalises it joins them, makes the poster and the film
 * plays; then it decodes the film to its last frame and counts (FILM_VERIFIED). Workers are niced,
 * restarted when they die, and told of new lines by a byte on their standard input. Publishes
 * EVENT_FILM. Further films of a session are made with films_render().
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/film.h"
#include "model/session.h"

struct bus;
struct err;
struct films;
struct loop;
struct store;
struct work_pool;

struct films_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;     /* records; NULL in tests that need none */
	struct work_pool *pool;  /* for what waits for the disk */
	const char *data_dir;    /* sessions/ and films/ stand below it */
	const char *worker_path; /* bedside-av */
	unsigned max_workers;    /* at once for rendering; growing films always have theirs */
};

/*
 * Takes up what an earlier run left: films growing, finishing, not yet verified. May wait for the
 * store. From then on follows EVENT_SESSION: a film for each camera of a session that records and
 * wants one; SESSION_FINALISING, published when the last frame is in the journal, finishes it.
 * `env` and its strings are copied.
 */
struct films *films_new(const struct films_env *env);
/* Workers are told to end and go on at the next start. `done` on the loop. */
void films_free(struct films *fs, void (*done)(void *arg), void *arg);

/* A film of this session is not ready yet and not failed either. On an EVENT_FILM for which this is
 * false the session is over: sessions_film_done(). */
bool films_is_making(const struct films *fs, const char *session_id);

/* Who asked for films: once, on the loop, what is known of the coming ones and their number, or the
 * error and why there are none. */
struct films_asker {
	void (*done)(void *arg, const struct film *films, int n, const struct err *err);
	void *arg;
};

/* More films of a stored session, one of each of its cameras, or of `camera` alone (NULL or "": all);
 * also while it is recorded: of what is there by then. Progress by EVENT_FILM. */
void films_render(struct films *fs, const char *session_id, const char *camera,
                  const struct film_plan *plan, struct films_asker asker);
int films_cancel(struct films *fs, const char *film_id, struct err *err) MUST_CHECK;

/* Ends whatever is being done with it: somebody is about to remove its files and its record. Not
 * while it grows with its session: -EBUSY. */
int films_forget(struct films *fs, const char *film_id, struct err *err) MUST_CHECK;

/* A name below films/ for a film of a session that began at `wall_ms`, without its ending: "films/
 * 2026-11-21_10-40-05_benchy". `camera` may be NULL. Pure. */
void films_name(char *dst, size_t size, int64_t wall_ms, const char *job_name, const char *camera);

/* Where bedside-av is: $BEDSIDE_AV, beside this program, in the build's folder; else its bare name,
 * to be looked up in PATH. */
void films_find_worker(char *dst, size_t size);
