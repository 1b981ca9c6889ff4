/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay: a connection of ours lent to a child process.
 *
 * The child inherits one end of a pair of sockets; what it writes goes out through a stream of
 * ours (TCP, or TLS whose certificate we have judged) and what comes in goes to it. There is no
 * address to connect to: nobody else on the machine can.
 *
 * Back-pressure goes through: who does not read makes the other side wait.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct relay;
struct stream;

/* A pair: our end as a stream, open from the next turn, and the other, close-on-exec, for
 * proc_config.fds; the caller closes it when the child has it. `name` is for messages. */
int relay_pair(struct loop *l, const char *name, struct stream **ret_stream, int *ret_fd,
               struct err *err) MUST_CHECK;

/* Joins an open outer stream with the child's end; takes both. When one side ends the other is
 * ended behind what is still queued, and `ended` is called, once: `err` of the outer stream, code
 * 0 for an orderly end. */
struct relay *relay_new(struct stream *outer, struct stream *inner,
                        void (*ended)(void *arg, const struct err *err), void *arg);
/* Closes both at once; no call after it. Allowed inside `ended`. NULL is allowed. */
void relay_free(struct relay *r);

/* Bytes that came from outside so far. */
uint64_t relay_n_received(const struct relay *r);
