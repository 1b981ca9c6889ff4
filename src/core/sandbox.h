/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sandbox: giving up what a process does not need, and talking to systemd.
 *
 * What the kernel does not have (Landlock before 5.19, seccomp left out) is gone without; the
 * caller learns what holds and logs it.
 *
 * Thread: before others are started; sandbox_notify() any.
 */

#pragma once

#include "base/base.h"

struct err;

/* The kernel kills us when the process that started us ends. false: it has ended already. */
bool sandbox_die_with_parent(void);

/* Root becomes the user that owns `folder`, so that what it writes there is the daemon's as well;
 * nothing happens to others, nor when root owns it or it does not exist. */
int sandbox_become_owner(const char *folder, struct err *err) MUST_CHECK;

/* Others come first: nice 10, SCHED_BATCH, lowest best-effort class of the disk. */
void sandbox_be_nice(void);

/* 0: unchanged. Nor may the process leave a core file. */
struct sandbox_limits {
	uint64_t memory_bytes; /* address space */
	uint64_t file_bytes;   /* of one file */
	unsigned n_files;
};
void sandbox_limit(const struct sandbox_limits *l);

enum {
	SANDBOX_FILES = 1, /* Landlock: only the named folders */
	SANDBOX_CALLS = 2, /* seccomp: no sockets, no programs, no tracing, no mounting … */
};

struct sandbox_rules {
	const char *const *read;  /* folders or files, NULL at its end; absent ones are skipped */
	const char *const *write; /* folders whose files may be read, made, renamed, removed */
	bool allows_network;
};

/* From here on for this thread and those it starts. Sets no_new_privs. Returns what holds
 * (SANDBOX_FILES | SANDBOX_CALLS), or negative when a rule could not be made. */
int sandbox_enter(const struct sandbox_rules *r, struct err *err) MUST_CHECK;

/* sd_notify(3) without its library: "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…". Does
 * nothing without NOTIFY_SOCKET; false when it could not be sent. */
bool sandbox_notify(const char *state);

/* How often systemd wants WATCHDOG=1 (half of WATCHDOG_USEC), 0: not at all. */
int64_t sandbox_watchdog_ms(void);
