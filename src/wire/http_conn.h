/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_conn: what the files of the HTTP server share; nobody else includes it.
 *
 * http_server   listens, sweeps the overdue
 * http_conn     one socket: bytes in, bytes out, phases
 * http_request  heads and bodies on their way in
 * http_reply    answers made of bytes
 * http_file     answers made of files
 * http_channel  streams and WebSockets
 * http_bytes    what many sockets send, once in memory
 *
 * A connection belongs to its server, a request to its connection until it is asked and to the
 * application from then on. Whatever may call http_conn_close() (flush, work, and by them all
 * that answers) leaves a connection that is_closing; its memory stays until the loop turns.
 *
 * Thread: loop.
 */

#pragma once

#include "wire/http_server.h"

#include "base/buf.h"
#include "core/loop.h"

#include <netinet/in.h>
#include <openssl/types.h>
#include <uv.h>

struct http_file_job;

enum http_phase {
	HTTP_PHASE_HANDSHAKE,
	HTTP_PHASE_HEAD,      /* between requests, or reading a head */
	HTTP_PHASE_BODY,      /* reading a body */
	HTTP_PHASE_ASKED,     /* the application has it */
	HTTP_PHASE_ANSWERING, /* sending */
	HTTP_PHASE_STREAM,
	HTTP_PHASE_WEBSOCKET,
	HTTP_PHASE_LINGER, /* all is sent, and said to be all; waiting for the client to have read it */
};

struct http_segment {
	struct http_bytes *bytes;
	size_t at;
};

struct http_channel {
	struct http_channel_events ev; /* all NULL once ended by its owner */
};

struct http_conn {
	struct http_server *server;     /* NULL once closing */
	struct http_server *closing_of; /* until the loop has turned, or that is gone too */
	struct http_conn *prev, *next;  /* server.conns, then server.closing */
	uv_poll_t poll;
	int fd, events;
	SSL *ssl;
	enum http_phase phase;
	char address[INET6_ADDRSTRLEN];
	bool is_working, is_closing, closes_after, tls_wants_read;
	bool has_begun;    /* bytes of a head have come, be it empty lines */
	struct timer soon; /* work that was not begun inside an answer */
	int64_t deadline_us, body_deadline_us;

	struct buf in;
	size_t looked; /* bytes of `in` without the end of a head */
	struct http_request *request;

	struct http_segment *out; /* ring would save the memmove of a few entries; not worth it */
	size_t n_out, cap_out, queued;
	size_t room_for, room; /* the kernel's buffer: the piece it was made for, its size */
	int file_fd;
	uint64_t file_at, file_left;
	struct http_file_job *job;

	struct http_channel channel;
	struct buf message; /* of WebSocket fragments */
	bool is_fragmented; /* the message goes on */
	bool is_binary;     /* the message */
	bool owes_pong;     /* to the newest of the pings that came together */
	uint8_t n_pong, pong[WS_MAX_CONTROL];
};

struct http_request {
	struct http_conn *conn; /* NULL once the client is gone */
	struct http_answer *fake;
	char *head_bytes;
	struct http_head head;
	struct buf body;
	size_t body_max;
	struct http_chunks chunks;
	char address[INET6_ADDRSTRLEN];
	bool is_tls;
};

struct http_server {
	struct loop *loop;
	struct http_server_config config;
	char *cert_file, *key_file, *headers;
	SSL_CTX *ctx;
	uv_poll_t *listener; /* on the heap: it outlives us until it is closed */
	int fd;
	uint16_t port;
	struct http_conn *conns, *closing;
	unsigned n_conns;
	struct timer sweep;
	bool is_accepting;
};

/* ---- http_conn ---- */

/* Takes the socket. */
void http_conn_add(struct http_server *s, int fd, const char *address);
/* Idempotent; the channel's owner hears of it when the loop turns. */
void http_conn_close(struct http_conn *c);
/* Queues; takes the reference. */
void http_conn_push(struct http_conn *c, struct http_bytes *b);
/* Gives the socket what it takes; may close the connection. */
void http_conn_flush(struct http_conn *c, bool is_from_poll);
/* Goes on with what has been read; may close the connection. */
void http_conn_work(struct http_conn *c);
void http_conn_update_poll(struct http_conn *c);
/* http_conn_work() in the next turn. */
void http_conn_work_soon(struct http_conn *c);
void http_conn_set_deadline(struct http_conn *c, int64_t ms);

/* ---- http_request ---- */

/* From a head as on the wire; `*ret_status` 0, or what to refuse it with. */
struct http_request *http_request_new(const char *bytes, size_t size, int *ret_status);
void http_request_free(struct http_request *r);
/* True: something happened, look again. */
bool http_request_read_head(struct http_conn *c);
bool http_request_read_body(struct http_conn *c);
/* An answer made here: the request is not understood, and what follows is not to be trusted. */
void http_request_refuse(struct http_conn *c, int status);
void http_request_fake_reply(struct http_request *r, const struct http_reply *reply,
                             const struct http_bytes *body);

/* ---- http_reply ---- */

/* `length` -1: no Content-Length, the connection's end is the body's. */
struct http_bytes *http_reply_head(struct http_conn *c, const struct http_reply *reply,
                                   int64_t length);
void http_reply_write_headers(struct buf *b, const struct http_reply *reply);

/* ---- http_file ---- */

/* Puts the next piece into the queue, or asks a worker for it. */
void http_file_read_more(struct http_conn *c);
/* The connection is gone; its job ends alone. */
void http_file_forget(struct http_conn *c);

/* ---- http_channel ---- */

/* One frame of what has been read. True: look for another. */
bool http_channel_read_frame(struct http_conn *c);
size_t http_channel_max_message(const struct http_conn *c);
