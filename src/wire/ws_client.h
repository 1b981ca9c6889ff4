/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ws_client: a WebSocket to a server (RFC 6455) over any stream: TCP, TLS, or memory in tests.
 *
 * Messages come whole, up to a limit; pings are answered, and sent when nothing was heard for a
 * while: a server that answers none is gone. No extensions, so nothing is inflated.
 *
 * Thread: loop. Callbacks come on the loop, never from inside a ws_client_…() call.
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct stream;
struct ws_client;

#define WS_CLIENT_MAX_MESSAGE ((size_t)4 << 20)

/* Copied. */
struct ws_client_config {
	const char *host;           /* of the Host header: "octopi.local:5000" */
	const char *target;         /* "/sockjs/websocket?x=1" */
	const char *const *headers; /* "X-Api-Key: …", without line ends */
	size_t n_headers;
	size_t max_message; /* 0: WS_CLIENT_MAX_MESSAGE */
	int64_t open_ms;    /* connecting and handshake each; 0: 10 s */
	int64_t silence_ms; /* then a ping; as long again for its answer; 0: 20 s */
};

enum ws_end {
	WS_END_UNREACHABLE, /* no connection came about; the stream knows a refused certificate */
	WS_END_REFUSED,  /* it answers, but with another status than 101: see ws_client_status() */
	WS_END_NOT_HTTP, /* something else answers */
	WS_END_LOST,     /* it was there */
	WS_END_BROKEN,   /* it sends what no server sends, or too much */
};

struct ws_client_events {
	void (*opened)(void *arg);
	/* A NUL stands behind the `size` bytes, borrowed for the call. */
	void (*message)(void *arg, const char *text, size_t size);
	/* It is over; the client stays the owner's to free. Once. */
	void (*closed)(void *arg, enum ws_end end, const struct err *why);
	void *arg;
};

/* Takes the stream, open already or yet to be. */
struct ws_client *ws_client_new(struct loop *l, struct stream *s, const struct ws_client_config *c,
                                const struct ws_client_events *events);
/* No callback after it; allowed inside them. NULL is allowed. */
void ws_client_free(struct ws_client *c);

/* One text message. False: it is not open. */
bool ws_client_send(struct ws_client *c, const char *text, size_t size);
bool ws_client_send_binary(struct ws_client *c, const void *bytes, size_t size);
/* Bytes that the stream has not taken yet. */
size_t ws_client_queued(const struct ws_client *c);
bool ws_client_is_open(const struct ws_client *c);

/* Of the handshake's answer: 0 before it; and where a 3xx leads, "" none. */
int ws_client_status(const struct ws_client *c);
const char *ws_client_redirect(const struct ws_client *c);
const struct stream *ws_client_stream(const struct ws_client *c);
