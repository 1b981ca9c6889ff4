/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * stream: bytes both ways, whatever carries them: TCP, TLS (wire/tls_stream) or memory for tests.
 *
 * Writing never blocks: bytes are queued; stream_queued() says how many still wait, and above
 * `max_queued` the stream fails rather than grow. Callbacks are never called from inside a
 * stream_… call, but for the memory pair's, which are posted. After stream_free() nothing comes.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct stream;

struct stream_events {
	/* Connected and, with TLS, trusted: from now on bytes may be written. */
	void (*opened)(void *arg);
	/* `size` bytes came; borrowed for the call. */
	void (*received)(void *arg, const uint8_t *bytes, size_t size);
	/* What was queued is gone into the socket. Optional. */
	void (*drained)(void *arg);
	/* It is over: err->code 0 when the other side closed in order. Called once; the stream
	 * itself stays the owner's to stream_free(), here or later. */
	void (*closed)(void *arg, const struct err *err);
	void *arg;
};

#define STREAM_MAX_QUEUED ((size_t)8 << 20) /* unless stream.max_queued says otherwise */

/* Set before or inside `opened`; copied. May be called again to hand the stream on. */
void stream_listen(struct stream *s, const struct stream_events *events);

/* Queues a copy. */
void stream_write(struct stream *s, const void *bytes, size_t size);
size_t stream_queued(const struct stream *s);

/* Stops and resumes reading: back-pressure. */
void stream_pause_reading(struct stream *s, bool is_paused);

/* Sends what is queued, then closes; `closed` is still called. */
void stream_end(struct stream *s);

/* Closes at once and forgets the owner: no callback after this. NULL is allowed. */
void stream_free(struct stream *s);

/* For messages: "192.168.1.50:8883". */
const char *stream_peer(const struct stream *s);

/* Two ends of one pipe in memory; `latency_ms` each way. Both are open from the next turn. */
void stream_pair(struct loop *l, int64_t latency_ms, struct stream **ret_a, struct stream **ret_b);

/* What an implementation gives; its struct begins with a struct stream. */
struct stream_ops {
	void (*write)(struct stream *s, const void *bytes, size_t size);
	size_t (*queued)(const struct stream *s);
	void (*pause)(struct stream *s, bool is_paused);
	void (*end)(struct stream *s);
	void (*free)(struct stream *s);
};

struct stream {
	const struct stream_ops *ops;
	struct stream_events events;
	size_t max_queued; /* 0: STREAM_MAX_QUEUED */
	char peer[80];
};
