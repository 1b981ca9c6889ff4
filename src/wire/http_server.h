/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_server: HTTP/1.1 and WebSocket for the page, with limits on everything a stranger can send.
 *
 * Plain or TLS. A request is read whole (head, then body, in chunks or not, up to body_limit()),
 * then handed to asked(), which answers it exactly once, at once or later, by one of the http_reply_… functions;
 * the request is gone then. If the client went away meanwhile the answer is thrown away. Bodies
 * are shared bytes (never copied for plain connections), files (sent with Range, ETag, HEAD; read
 * when the socket takes more, on a worker when the page cache has not got them), or channels:
 * streams and WebSockets, which stay.
 *
 * A socket is never given more than it takes: what it refuses stays shared in our queue, and the
 * kernel's share is bounded by TCP_NOTSENT_LOWAT. Slow and silent clients are closed.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "wire/http_parse.h"

struct buf;
struct err;
struct http_channel;
struct http_request;
struct http_server;
struct loop;
struct work_pool;

/* ---- bytes shared by many sockets ---- */

struct http_bytes {
	const uint8_t *data;
	size_t size;
	unsigned refs; /* loop's thread only */
	void (*release)(void *owner);
	void *owner;
};

/* One reference, the caller's. */
struct http_bytes *http_bytes_new(const void *bytes, size_t size);
/* Takes over the content of `b`, which is empty afterwards. */
struct http_bytes *http_bytes_take(struct buf *b);
/* Bytes that stay where they are; release(owner) when the last reference is gone. */
struct http_bytes *http_bytes_wrap(const void *bytes, size_t size, void (*release)(void *owner),
                                   void *owner);
struct http_bytes *http_bytes_ref(struct http_bytes *b);
void http_bytes_unref(struct http_bytes *b); /* NULL is allowed */

/* ---- server ---- */

struct http_server_config {
	const char *address;              /* numeric; NULL or "": all of them */
	uint16_t port;                    /* 0: any free one */
	const char *cert_file, *key_file; /* PEM; NULL: no TLS */
	const char *headers;      /* lines added to every answer, each with CR LF; or NULL */
	struct work_pool *pool;   /* for files */
	unsigned max_connections; /* 0: 512 */
	unsigned max_per_address; /* 0: 64; loopback and exempt ones are not counted */
	int64_t head_timeout_ms;  /* 0: 10 s for a head, between a body's pieces, for a handshake */
	int64_t idle_timeout_ms;  /* 0: 60 s between requests */
	int64_t stall_timeout_ms; /* 0: 60 s without a byte taken by the client */

	/* Bytes of body that this request may bring. */
	size_t (*body_limit)(void *arg, const struct http_request *r);
	void (*asked)(void *arg, struct http_request *r);
	/* A trusted proxy: many people behind one address. May be NULL. */
	bool (*is_exempt)(void *arg, const char *address);
	/* JSON or text for errors made here (400, 413, …); `dst` of 512 bytes. May be NULL. */
	void (*error_body)(char dst[512], int status);
	void *arg;
};

/* Binds and listens. `config` is copied, its strings too. SIGPIPE is ignored from here on. */
int http_server_new(struct loop *l, const struct http_server_config *config,
                    struct http_server **ret, struct err *err) MUST_CHECK;

/* Closes all connections; channels' closed() is called from inside. Requests not answered yet
 * must still be answered (into nowhere). */
void http_server_free(struct http_server *s);

uint16_t http_server_port(const struct http_server *s);
unsigned http_server_n_connections(const struct http_server *s);

/* ---- requests ---- */

const struct http_head *http_request_head(const struct http_request *r);
/* The body, with a NUL behind it that `*ret_size` does not count; "" if none. */
const char *http_request_body(const struct http_request *r, size_t *ret_size);
/* The peer's numeric address: "192.168.1.20", "fe80::1". */
const char *http_request_address(const struct http_request *r);
bool http_request_is_tls(const struct http_request *r);

/* ---- answers ---- */

#define HTTP_REPLY_MAX_HEADERS 10

struct http_reply {
	int status;
	const char *type;  /* Content-Type, NULL none */
	const char *cache; /* Cache-Control; NULL: "no-store" */
	const char *etag;  /* with quotes; NULL none. Answers 304 by itself when it matches */
	size_t n_headers;
	struct http_header headers[HTTP_REPLY_MAX_HEADERS];
	bool removes_file; /* http_reply_file: made for this answer only; gone once it is open */
	/* Lines as http_server_config.headers, instead of those; NULL: those. Borrowed. */
	const char *other_headers;
};

/* Takes the reference to `body`, which may be NULL. */
void http_reply_bytes(struct http_request *r, const struct http_reply *reply,
                      struct http_bytes *body);
/* A file, of which a GET's Range and If-Range may choose one part (of several asked for: all of it);
 * If-Match and If-None-Match are looked at; its ETag is made of its size, time and
 * inode. If it cannot be opened: `missing_json` with status 404. */
void http_reply_file(struct http_request *r, const struct http_reply *reply, const char *path,
                     const char *missing_json);

struct http_channel_events {
	/* All that was queued is with the kernel. */
	void (*writable)(void *arg);
	/* WebSocket: a text message of at most HTTP_WS_MAX_MESSAGE bytes, NUL behind it. */
	void (*message)(void *arg, const char *text, size_t size);
	/* WebSocket: a binary one, up to the same limit. NULL: refused. */
	void (*binary)(void *arg, const uint8_t *bytes, size_t size);
	/* WebSocket: bytes of a message, instead of HTTP_WS_MAX_MESSAGE; 0: that. */
	size_t max_message;
	/* It is over, and `ch` invalid. Called once, never from inside http_channel_…; not after
	 * http_channel_end(). */
	void (*closed)(void *arg);
	void *arg;
};

#define HTTP_WS_MAX_MESSAGE 4096

/* An answer without an end. NULL if the client is gone or asked for the head only. */
struct http_channel *http_reply_stream(struct http_request *r, const struct http_reply *reply,
                                       const struct http_channel_events *ev);
/* Only if head->wants_websocket. NULL if the client is gone. */
struct http_channel *http_reply_websocket(struct http_request *r,
                                          const struct http_channel_events *ev);

/* Queues parts, each with a new reference, and gives the socket what it takes. */
void http_channel_send(struct http_channel *ch, struct http_bytes *const *parts, size_t n);
/* One WebSocket text message made of `prefix` and `rest`. */
void http_channel_send_text(struct http_channel *ch, const char *prefix, size_t prefix_size,
                            struct http_bytes *rest);
/* The same as a binary message. */
void http_channel_send_binary(struct http_channel *ch, const void *prefix, size_t prefix_size,
                              struct http_bytes *rest);
#define HTTP_CHANNEL_MAX_PREFIX 64
/* Bytes that the socket has not taken yet. */
size_t http_channel_queued(const struct http_channel *ch);
/* Bytes that the client has not confirmed yet: ours and the kernel's. */
size_t http_channel_unsent(const struct http_channel *ch);
/*
 * True when a piece of `size` bytes would go to the kernel whole, and the kernel has hardly
 * anything else of this channel. Who asks before each piece, and sends nothing while it is false,
 * has at most one piece and HTTP_CHANNEL_SLACK in the kernel and nothing in our queue: a client that
 * does not read costs that and no more. The kernel's buffer is made large enough for that, as far
 * as the system lets us (net.core.wmem_max, about 400 kB); of larger pieces the rest may wait in
 * our queue.
 */
bool http_channel_takes(struct http_channel *ch, size_t size);
#define HTTP_CHANNEL_SLACK ((size_t)32768)

/* IMF-fixdate (RFC 9110 §5.6.7), whatever the locale. */
void http_date_text(char dst[40], int64_t wall_ms);
/* Breaks off: the client sees that the answer failed, not that it is whole. The owner hears nothing
 * more. NULL is allowed. */
void http_channel_abort(struct http_channel *ch);
/* Sends what is queued, then closes; the owner hears nothing more. NULL is allowed. */
void http_channel_end(struct http_channel *ch);

/* ---- for tests: a request without a socket ---- */

struct http_answer {
	bool is_answered, is_channel;
	int status;
	char head[4096]; /* header lines */
	char *body;      /* NUL behind it */
	size_t size;
};

/* `raw`: head and body as on the wire. NULL if the head is refused. */
struct http_request *http_request_fake(const char *raw, size_t size, const char *address,
                                       struct http_answer *ret);
void http_answer_fini(struct http_answer *a);
