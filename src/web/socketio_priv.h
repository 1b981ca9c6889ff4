/* SPDX-License-Identifier: GPL-3.0-or-later */
/* socketio_priv: what socketio.c (sessions and rigs) and api_socketio.c (addresses) share. Thread: loop. */

#pragma once

#include "base/buf.h"
#include "core/loop.h"
#include "web/call.h"
#include "web/socketio.h"
#include "wire/socketio_codec.h"

#define SOCKETIO_MAX_SESSIONS 32
#define SOCKETIO_MAX_RIGS 16
#define SOCKETIO_PING_MS 10000
#define SOCKETIO_SILENT_MS 20000
#define SOCKETIO_PAYLOAD 1000000

struct sio_rig {
	char id[64], name[USER_NAME_SIZE];
	json_t *status; /* newest */
	struct http_bytes *picture;
	int64_t picture_wall_ms, seen_wall_ms, since_wall_ms;
	/* the order under way */
	char action[32];
	int64_t until_us;
	void (*done)(void *arg, int rc, const char *text); /* NULL: none */
	void *done_arg;
};

struct sio_session {
	struct socketio *socketio;
	struct sio_session *prev, *next; /* socketio.sessions */
	char sid[21];
	struct who who;
	struct sio_rig *rig; /* once connected */
	bool is_connected;
	struct call *poll;            /* a question that waits for packets */
	struct http_channel *channel; /* the WebSocket, once it took over */
	struct http_channel *probe;   /* one that is being tried */
	struct buf out;               /* packets that wait, with separators */
	int64_t heard_us, pinged_us;
};

struct socketio {
	struct web *web;
	struct timer beat;
	struct sio_session *sessions;
	unsigned n_sessions;
	struct sio_rig *rigs[SOCKETIO_MAX_RIGS];
	size_t n_rigs;
	int64_t image_s, climate_s, status_s;
};

struct sio_session *socketio_session_find(const struct socketio *s, const char *sid);
/* Its open packet waits already. NULL: too many. */
struct sio_session *socketio_session_new(struct socketio *s, const struct who *who);
void socketio_session_flush(struct sio_session *e);
void socketio_session_free(struct sio_session *e);
/* One packet; false: the session is to end. */
bool socketio_hear(struct sio_session *e, const char *text, size_t size);
json_t *socketio_delays(const struct socketio *s);
