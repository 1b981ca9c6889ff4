/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retention: which pictures and films may go, and that nothing else does.
 *
 * Pictures of a session are deleted only if the session is over, nothing is being made of it, and
 * each of its cameras has a film that was decoded to its last frame and holds every picture the
 * journal has of it (or was made to the length that the session wanted). And only by policy: older than keep_frames_ms,
 * or the oldest first while the disk is below its floor or frames and films are over their budget.
 * The manifest and the records stay and say so. A session without a film keeps its pictures until a
 * person deletes it.
 *
 * Films are deleted by age only, if so configured.
 *
 * Thread: loop; the deleting runs on the disk queue.
 */

#pragma once

#include "base/base.h"
#include "model/film.h"
#include "model/session.h"

struct bus;
struct err;
struct loop;
struct store;
struct work_pool;

struct retention_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct work_pool *disk; /* the journals' queue */
	const char *data_dir;
	int64_t keep_frames_ms; /* after the film was made; 0: for ever */
	int64_t keep_films_ms;  /* 0: for ever */
	uint64_t floor_bytes, budget_bytes;
};

/* Looks a minute after the start, then every hour, after each verified film and whenever recording
 * has stopped for want of space. */
struct retention *retention_new(const struct retention_env *env);
/* What is running is finished without us. Free the pools after it. */
void retention_free(struct retention *r);

/* Looks now. */
void retention_run(struct retention *r);

/* ---- pure ---- */

enum retention_verdict {
	RETENTION_IN_USE,    /* recording, or a film is being made */
	RETENTION_GONE,      /* deleted already */
	RETENTION_NO_FILM,   /* no verified film that holds all of it */
	RETENTION_YOUNG,     /* may go when space is short, not yet by age */
	RETENTION_MAY_GO_NOW /* by age */
};

/* What the manifest has of each camera of the session, in the session's order. */
struct retention_facts {
	const struct session *session;
	const struct film *films; /* of the session */
	size_t n_films;
	uint32_t n_pictures[SESSION_MAX_CAMERAS];
	int64_t now_ms, keep_frames_ms;
	int64_t clock_set_ms; /* nothing counts as older than this; 0: the clock is trusted */
};
enum retention_verdict retention_judge(const struct retention_facts *f);

/* Each camera that has pictures has a verified film that holds all of them, and there are pictures:
 * they can be done without. *ret_made_ms (may be NULL): when the last of these films was made. */
bool retention_is_filmed(const struct retention_facts *f, int64_t *ret_made_ms);

/* Pictures of each of the session's cameras in its folder. Any thread. */
int retention_count(const char *session_dir, const struct session *s,
                    uint32_t ret[SESSION_MAX_CAMERAS], struct err *err) MUST_CHECK;

/* A machine without a clock of its own makes a film "long ago" and is then set to today. */
struct retention_clock {
	int64_t wall_ms, us, set_ms;
};
/* At each look. When the time of day has moved by an hour more or less than the monotonic clock,
 * ages count from now on. Returns what clock_set_ms is to be. */
int64_t retention_clock_look(struct retention_clock *c, int64_t wall_ms, int64_t mono_us);
