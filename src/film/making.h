/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * making: one film on its way, from its first frame until it is verified or has failed.
 *
 *	queued → encoding (→ probing) → remaking? → verifying → over
 *
 * Encoding goes on over the end of any number of workers: what is whole on disk is taken up by the
 * next one, after a pause that grows. A film that plays is checked until that has worked. Owned by films; says what happens through its hooks.
 *
 * Thread: loop.
 */

#pragma once

#include "core/log.h"
#include "core/loop.h"
#include "film/worker.h"
#include "model/film.h"

struct films_env;
struct making;

enum making_phase {
	MAKING_QUEUED,
	MAKING_ENCODING,
	MAKING_PROBING,  /* the film is there already: made just before we were killed */
	MAKING_REMAKING, /* from the journal, with better knowledge; the first one plays */
	MAKING_VERIFYING,
	MAKING_OVER,
};

struct making_hooks {
	/* The record has changed; `is_milestone`: its state, so that it must be stored. */
	void (*changed)(void *arg, struct making *m, bool is_milestone);
	/* A worker has ended, or the film is over: there may be room for another. The making must
	 * not be freed inside. */
	void (*idle)(void *arg, struct making *m);
	void *arg;
	/* Whether a film may be checked now; not: it asks again. NULL: always. */
	bool (*may_check)(void *arg);
	/* Another file has the film's name: gives it another. */
	void (*rename)(void *arg, struct making *m);
};

struct making {
	struct making *next; /* films.makings */
	const struct films_env *env;
	struct making_hooks hooks;
	struct film film;
	enum making_phase phase;
	bool follows;       /* the session's own film, not a further one */
	bool wants_finish;  /* the session is over */
	bool is_known_done; /* films': nobody asks for it any more */
	bool is_leaving;    /* we are: no new worker */
	bool is_unwanted;   /* films': somebody asked for its end, who need not be told of it */
	bool waits_for_disk, is_wait_told; /* the second is films' */
	uint32_t n_expected, min_frames;
	struct proc *proc;
	struct worker_ears ears;
	struct worker_said last; /* what the running worker said last that mattered */
	bool has_last;
	char last_log[240];
	struct timer retry;
	unsigned n_deaths; /* in a row without progress */
	unsigned n_remade;
	int64_t told_us; /* when progress was published */
	struct log log;
};

struct making *making_new(const struct films_env *env, const struct making_hooks *hooks,
                          const struct film *film);
/* Kills its worker. */
void making_free(struct making *m);

/* Starts what its phase asks for, if nothing runs yet and no pause is on. */
void making_go(struct making *m);
/* So many frames are expected by now, 0 unknown: the film's choice of them follows. */
void making_expect(struct making *m, uint32_t n_frames);
/* There is a new frame. */
void making_nudge(struct making *m);
/* The session is over: the film is to be finished. */
void making_finish(struct making *m);
/* Ends it as failed, with the sentence. */
void making_give_up(struct making *m, const char *text);
/* Its worker is told to close the piece and end. Returns false if none runs. */
bool making_leave(struct making *m);

bool making_is_running(const struct making *m);
