/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tcp_stream: a stream over TCP, and the listener that gives streams.
 *
 * stream_end() sends what is queued, then its FIN, and waits at most 3 s for the other side's.
 * When the other side ends first, what we had queued is still sent before `closed` is called.
 * Real loops only (core/loop.h): simulated ones have no sockets, use stream_pair().
 *
 * Thread: loop.
 */

#pragma once

#include "wire/stream.h"

#define TCP_CONNECT_TIMEOUT_MS 10000
#define TCP_MAX_ADDRESSES 4

/* Resolves `host` without blocking and connects; failures come by `closed`, with a message that
 * names host and port. `timeout_ms` 0: TCP_CONNECT_TIMEOUT_MS, names included. Never NULL.
 * Of a name's addresses, the next is tried when one fails, and beside one that is silent for 2 s
 * (less with a short timeout); the first that answers is taken. At most TCP_MAX_ADDRESSES, of
 * both families by turns. */
struct stream *tcp_stream_connect(struct loop *l, const char *host, uint16_t port,
                                  int64_t timeout_ms);

/* The same to numeric addresses of one host. */
struct stream *tcp_stream_connect_any(struct loop *l, const char *const *addresses, size_t n,
                                      uint16_t port, int64_t timeout_ms);

/* A stream over a connected stream socket of any family, which it takes; open from the next turn.
 * `peer` is for messages. */
struct stream *tcp_stream_adopt(struct loop *l, int fd, const char *peer);

struct tcp_listener;

struct tcp_accept { /* copied */
	void (*accepted)(void *arg, struct stream *s);
	void *arg;
};

/* `accepted` is given each connection: an open stream that is the callee's to free; its `opened`
 * comes in a later turn. `address` is numeric ("127.0.0.1", "::", "0.0.0.0"); port 0: any. */
int tcp_listener_open(struct loop *l, const char *address, uint16_t port,
                      const struct tcp_accept *to, struct tcp_listener **ret,
                      struct err *err) MUST_CHECK;
uint16_t tcp_listener_port(const struct tcp_listener *t);
/* Streams already given away live on. NULL is allowed. */
void tcp_listener_close(struct tcp_listener *t);

/* The address that the other side connected to, numeric, for answers that name it. */
bool tcp_stream_local_address(const struct stream *s, char *dst, size_t size);
