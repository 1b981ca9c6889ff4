/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sessions: when pictures are taken and kept: one session at a time for each printer.
 *
 * idle → armed → recording ⇄ paused → finalising → idle. Follows EVENT_JOB and EVENT_LAYER from
 * the bus, takes pictures through cameras/, keeps them in a journal, publishes EVENT_SESSION and
 * EVENT_FRAME. SESSION_FINALISING is published when the last picture and the line "end" are on disk:
 * from then on the journal is whole. A session that wants no film, or has too few pictures, goes to
 * SESSION_DONE at once. After a restart the session of a job that still runs is found again by the job's
 * identity and goes on in the same journal.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/session.h"

struct bus;
struct cameras;
struct err;
struct loop;
struct session_record;
struct sessions;
struct store;
struct work_pool;

struct sessions_env {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct store *store;    /* records; NULL in tests that need none */
	struct work_pool *disk; /* one thread: the journals' queue */
	const char *data_dir;   /* sessions/ stands below it */
	uint64_t floor_bytes;   /* never less free space than this; default 500 MB */
	uint64_t budget_bytes;  /* frames and films may take; 0: what the disk has */
	int64_t flush_ms;       /* JOURNAL_FLUSH_MS */
};

/* Opens unfinished journals of earlier runs: each is armed again until its printer speaks. */
struct sessions *sessions_new(const struct sessions_env *env);

/* Flushes every journal; `done` on the loop. Sessions stay unfinished on disk and go on at the
 * next start. */
void sessions_free(struct sessions *ss, void (*done)(void *arg), void *arg);

/* A printer that has sessions, and how; again to change the plan (from the next session on). */
void sessions_set_plan(struct sessions *ss, const char *printer, const struct session_plan *plan);
const struct session_plan *sessions_plan(const struct sessions *ss, const char *printer);
/* All printers have their plans by now: a session of an earlier run whose printer has none would wait
 * for ever. It gets its film. */
void sessions_end_orphans(struct sessions *ss);
void sessions_forget(struct sessions *ss, const char *printer);

/* The session of a printer as it is now; state SESSION_IDLE when there is none. */
const struct session *sessions_of(const struct sessions *ss, const char *printer);

enum session_order {
	SESSION_ORDER_START, /* arms, or records at once when a job runs (TIME-3) */
	SESSION_ORDER_PAUSE,
	SESSION_ORDER_RESUME,
	SESSION_ORDER_STOP,      /* ends and makes the film */
	SESSION_ORDER_DISCARD,   /* ends without a film; frames are kept until retention */
	SESSION_ORDER_SHOOT,     /* one picture now */
	SESSION_ORDER_START_NOW, /* records at once, whether a job is known or not */
};
/* An order that does not fit the state is refused with the sentence in err. */
int sessions_order(struct sessions *ss, const char *printer, enum session_order order,
                   struct err *err) MUST_CHECK;

/* Paused by a person, which the print's going on does not end. */
bool sessions_is_paused_by_order(const struct sessions *ss, const char *printer);

/*
 * A picture taken before it is known whether it is wanted: the first press of a button. Each camera
 * of the printer's session (of its plan, while there is none) is asked for the first picture since
 * `at_us`, at once. Later the caller says what is to become of it, once. NULL: no camera is
 * assigned to the printer.
 */
struct press *sessions_press(struct sessions *ss, const char *printer, int64_t at_us,
                             struct err *err);
/* It belongs to the session, as if it had been ordered; a picture still on its way as well. -EPERM
 * with the sentence when nothing is being recorded. */
int sessions_press_keep(struct press *p, struct err *err) MUST_CHECK;
void sessions_press_drop(struct press *p); /* NULL is allowed */

/* The print's own macros say when pictures are taken. The first one of a session ends its pictures by
 * layer and by time; sessions_macro_cycle() with 0 brings them back. The end of a
 * sessions_macro_frame() is EVENT_MACRO, is_over. Refused with the sentence. */
int sessions_macro_frame(struct sessions *ss, const char *printer, bool is_cyclic,
                         struct err *err) MUST_CHECK;
int sessions_macro_cycle(struct sessions *ss, const char *printer, double every_s,
                         struct err *err) MUST_CHECK;

/* A session that finalises is over when the film of each of its cameras is there, or failed. The
 * sessions hear EVENT_FILM (ready, verified, failed) by themselves; this is for who knows it another
 * way. */
void sessions_film_done(struct sessions *ss, const char *session_id);
