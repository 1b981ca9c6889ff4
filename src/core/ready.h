/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ready: tells when a file descriptor can be read. For devices; sockets are the wire room's.
 *
 * The descriptor stays the caller's, and is closed only after ready_stop().
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct ready;

/* `fn` is called as long as something can be read, or the device has gone: read until -EAGAIN. */
int ready_start(struct loop *l, int fd, void (*fn)(void *arg), void *arg, struct ready **ret,
                struct err *err) MUST_CHECK;
/* NULL is allowed; also inside `fn`, which is not called again. */
void ready_stop(struct ready *r);
