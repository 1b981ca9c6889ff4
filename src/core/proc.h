/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * proc: a child process, started without a shell.
 *
 * Its output comes line by line, its end as one call. A child is to die with us: ours ask the
 * kernel for it (sandbox_die_with_parent()) as their first act. Starting one makes this process
 * ignore SIGPIPE; the child gets the default back.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct proc;

#define PROC_MAX_FDS 4
#define PROC_MAX_LINE 65536 /* a longer line is handed over in parts */

struct proc_config {
	const char *const
		*argv;          /* NULL at its end; argv[0] is looked up in PATH if it has no '/' */
	const char *const *env; /* "NAME=value", NULL at its end; NULL: ours */
	/* One line without its newline; either may be NULL: then that stream is /dev/null (out)
	 * or ours (err). The line is the callee's to change, until it returns. */
	void (*out)(void *arg, char *line);
	void (*err)(void *arg, char *line);
	/* Instead of `out`: its output as it comes, borrowed for the call; for what is no text. */
	void (*out_bytes)(void *arg, const uint8_t *bytes, size_t size);
	/* Once, after the last line. `signal` is 0 when it ended by itself. Never called from
	 * inside proc_start() or after proc_free(). */
	void (*ended)(void *arg, int status, int signal);
	void *arg;
	/* Become 3, 4, … in the child; ours stay open and the caller's. At most PROC_MAX_FDS. */
	const int *fds;
	unsigned n_fds;
};

/* The configuration is copied, but for what argv, env and fds point to, which is used here only. */
int proc_start(struct loop *l, const struct proc_config *c, struct proc **ret,
               struct err *err) MUST_CHECK;

/* Kills a running child (SIGKILL); no callback comes any more. Allowed inside callbacks. */
void proc_free(struct proc *p);

/* Queued for its standard input; after its end or proc_close_input() nothing happens. */
void proc_write(struct proc *p, const void *bytes, size_t size);
void proc_close_input(struct proc *p);

/* SIGTERM now, SIGKILL after `grace_ms`. 0: SIGKILL at once. `ended` comes a second after its end at
 * the latest, even if children of its own still hold the pipes. */
void proc_kill(struct proc *p, int64_t grace_ms);

bool proc_is_running(const struct proc *p);
int proc_pid(const struct proc *p);
