/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * err: why something failed, in words fit for a person.
 *
 * A function that can fail returns 0 or a negative errno value. Where the number alone would
 * leave a reader guessing, its last parameter is a `struct err *`: written on failure only, and
 * NULL when the caller does not care.
 *
 * Thread: any. One struct err belongs to one thread.
 */

#pragma once

#include "base/base.h"

struct err {
	int code;       /* negative errno; 0 until something fails */
	char text[480]; /* "front door: opening /dev/video2: Permission denied" */
};

/* Records `code` and the message. Returns `code`, so that a failure is one `return` line. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As err_set() with the current errno, whose text is appended. Returns -errno. */
int err_sys(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Puts "context: " in front of a message on its way up. Returns `code`. */
int err_wrap(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
