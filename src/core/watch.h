/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * watch: a folder in which files appear (inotify).
 *
 * A network file system tells nothing of what others write there: who may watch one looks at it
 * from time to time as well.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct watch;

struct watch_events {
	/* A file of this name was closed after writing, or moved here (`is_whole`); or written to.
	 * NULL: some were missed, look at all. */
	void (*changed)(void *arg, const char *name, bool is_whole);
	/* The folder was deleted, moved or unmounted. Once; watch_close() it. */
	void (*gone)(void *arg);
	void *arg;
};

int watch_open(struct loop *l, const char *path, const struct watch_events *events,
               struct watch **ret, struct err *err) MUST_CHECK;
/* NULL is allowed; also inside callbacks. */
void watch_close(struct watch *w);
