/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * local: a unix socket on which the command line asks the running daemon: a line in, a line out.
 *
 * Who may connect says the file system: the socket is 0600 in a folder of the daemon's user, and
 * the caller's uid is compared besides (root may). A connection asks one question of at most
 * LOCAL_MAX_LINE bytes within LOCAL_LIMIT_MS.
 *
 * Thread: loop; local_ask() is for tools without a loop and waits.
 */

#pragma once

#include "base/base.h"

struct buf;
struct err;
struct local_call;
struct local_server;
struct loop;

#define LOCAL_MAX_LINE 65536
#define LOCAL_LIMIT_MS 5000
#define LOCAL_MAX_CALLS 16

/* Listens on `path`; a socket left by a dead daemon is replaced. `asked` gets the line without its
 * newline and must answer each call once, at once or later. */
int local_server_new(struct loop *l, const char *path,
                     void (*asked)(void *arg, struct local_call *c, const char *line), void *arg,
                     struct local_server **ret, struct err *err) MUST_CHECK;
/* Calls still open must still be answered (into nowhere). NULL is allowed. */
void local_server_free(struct local_server *s);

/* Sends `text` and a newline, then closes. */
void local_answer(struct local_call *c, const char *text);

/* Asks the daemon behind `path` and waits for its line. -ENOENT, -ECONNREFUSED: none is running. */
int local_ask(const char *path, const char *line, int timeout_ms, struct buf *ret,
              struct err *err) MUST_CHECK;
