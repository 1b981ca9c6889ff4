/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_play: plays an HTTP server for tests that says exactly what a test wants, byte for byte:
 * half pictures, endless ones, wrong lengths. On loopback.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/buf.h"

struct http_play_conn;
struct loop;
struct tls_server;

struct http_play {
	/* A whole head came: answer with http_play_say() and http_play_hang_up(), or not at all. */
	void (*asked)(void *arg, struct http_play_conn *conn, const char *head);
	void *arg;
	struct tls_server *tls; /* NULL: plain */
	unsigned n_connections, n_requests, n_closed;

	/* private */
	struct loop *loop;
	struct tcp_listener *listener;
	struct http_play_conn *conns;
};

/* The caller's `asked`, `arg` and `tls` are kept. */
void http_play_open(struct http_play *p, struct loop *l);
void http_play_close(struct http_play *p);
/* "http://127.0.0.1:PORT" and `path`. */
void http_play_url(const struct http_play *p, const char *path, char *dst, size_t size);

void http_play_say(struct http_play_conn *c, const void *bytes, size_t size);
/* A whole answer: "200 OK", headers ending in CR LF or "", body. */
void http_play_answer(struct http_play_conn *c, const char *status, const char *headers,
                      const void *body, size_t size);
/* After what was said. */
void http_play_hang_up(struct http_play_conn *c);
/* The connections that are open, newest first. */
struct http_play_conn *http_play_first(const struct http_play *p);
