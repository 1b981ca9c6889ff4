/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * socketio_codec: packets of Engine.IO 4 and, inside them, Socket.IO 5 (protocol documents of
 * socketio/engine.io-protocol and socketio/socket.io-protocol), text only, default namespace only.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct buf;
struct err;

#define SOCKETIO_MAX_PACKET ((size_t)10 << 20)
#define SOCKETIO_SEPARATOR '\x1e' /* between packets of a polling body */
#define SOCKETIO_MAX_PACKETS 64   /* in one body */

enum engine_word {
	ENGINE_OPEN,
	ENGINE_CLOSE,
	ENGINE_PING,
	ENGINE_PONG,
	ENGINE_MESSAGE,
	ENGINE_UPGRADE,
	ENGINE_NOOP,
};

enum socketio_word {
	SOCKETIO_CONNECT,
	SOCKETIO_DISCONNECT,
	SOCKETIO_EVENT,
	SOCKETIO_ACK,
	SOCKETIO_CONNECT_ERROR,
};

struct socketio_packet {
	enum engine_word engine;
	bool is_probe; /* ping or pong with "probe" */
	/* of ENGINE_MESSAGE */
	enum socketio_word word;
	int64_t id;   /* an answer is wanted, or this is one; -1 none */
	json_t *data; /* ours: CONNECT an object or NULL, EVENT an array that begins with its name */
	const char *event;      /* EVENT: borrowed from data; else "" */
	const json_t *argument; /* EVENT: the first after the name; NULL none */
};

/* One packet. -EPROTO what it is not; -ENOTSUP binary, or another namespace. socketio_packet_fini() it in
 * either case. */
int socketio_read(const char *text, size_t size, struct socketio_packet *ret,
                  struct err *err) MUST_CHECK;
void socketio_packet_fini(struct socketio_packet *p);

/* The size of the first packet of a polling body; what follows begins a byte behind. */
size_t socketio_first(const char *body, size_t size);

/* "42[name, argument]" into `out`; `argument` may be NULL. */
void socketio_write_event(struct buf *out, const char *name, const json_t *argument);
