/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * signals: being asked to end, as an ordinary callback of the loop.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct loop;
struct signals;

/* SIGTERM and SIGINT call `fn` with the signal's number, on the loop; SIGPIPE is ignored. */
struct signals *signals_new(struct loop *l, void (*fn)(void *arg, int number), void *arg);
/* Back to the system's ways. NULL is allowed. */
void signals_free(struct signals *s);
