/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker: one run of bedside-av, and what it says.
 *
 * Thread: loop. worker_parse() any.
 */

#pragma once

#include "model/film.h"

struct err;
struct loop;
struct proc;

enum worker_kind {
	WORKER_FOLLOW, /* encodes while the session goes on */
	WORKER_ENCODE, /* encodes what is there */
	WORKER_VERIFY,
	WORKER_PROBE,
};

/* What is to be done; strings are borrowed until worker_start() has returned. */
struct worker_job {
	enum worker_kind kind;
	const char *program;
	const char *session_dir, *camera; /* encoding, probing */
	const char *track;                /* encoding */
	const char *film_path, *poster_path;
	const struct film_plan *plan;
	uint32_t n_expected, min_frames;
	unsigned threads; /* 0: one */
	bool replaces;
	uint32_t n_frames; /* verifying */
};

enum worker_word {
	WORKER_STARTED,
	WORKER_PROGRESS,
	WORKER_DONE, /* a film is at its place; also the answer of a probe */
	WORKER_STOPPED,
	WORKER_VERIFIED,
	WORKER_FAILED,
};

enum worker_reason {
	WORKER_NO_REASON,
	WORKER_EMPTY,  /* no picture to show */
	WORKER_FEW,    /* fewer than wanted */
	WORKER_EXISTS, /* the film is made already */
	WORKER_TAKEN,  /* another file has its name */
	WORKER_DISK,
	WORKER_SETTINGS,
	WORKER_OTHER,
};

struct worker_said {
	enum worker_word word;
	enum worker_reason reason;
	uint32_t n_frames, n_skipped;
	int percent; /* -1 unknown */
	unsigned width, height;
	double fps, duration_s;
	uint64_t bytes;
	bool is_off;     /* another choice of frames would meet the wanted duration */
	char sha256[65]; /* verified: of the film, hex; "" */
	char text[240];
};

/* Pure. false: not a line of ours; the worker reads foreign pictures, so nothing it says is
 * believed without a look. */
bool worker_parse(struct worker_said *ret, const char *line);

struct worker_ears {
	void (*said)(void *arg, const struct worker_said *s);
	/* A line of its log. */
	void (*logged)(void *arg, const char *line);
	void (*ended)(void *arg, int status, int signal);
	void *arg;
};

/* `ears` must outlive the worker. The process is ended with proc_free(). */
int worker_start(struct loop *l, const struct worker_job *job, const struct worker_ears *ears,
                 struct proc **ret, struct err *err) MUST_CHECK;

void worker_nudge(struct proc *p);  /* the journal has more */
void worker_finish(struct proc *p); /* the session is over */
/* So many frames of its camera the session is now thought to have. */
void worker_expect(struct proc *p, uint32_t n_frames);
