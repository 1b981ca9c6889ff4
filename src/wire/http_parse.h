/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_parse: requests of HTTP/1.x (RFC 9110, 9112) and frames of WebSocket (RFC 6455) as structs.
 *
 * Pure: pointer and size in, struct out; no allocation, no state. Strict where leniency would let
 * two readers see two different requests: lines end in CR LF, no folded headers, one
 * Content-Length or Transfer-Encoding "chunked", never both. Limits: HTTP_MAX_HEAD bytes, HTTP_MAX_HEADERS headers,
 * HTTP_MAX_TARGET bytes of request target.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#define HTTP_MAX_HEAD 16384
#define HTTP_MAX_HEADERS 64
#define HTTP_MAX_TARGET 4096

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_POST,
	HTTP_PUT,
	HTTP_PATCH,
	HTTP_DELETE,
	HTTP_OPTIONS,
};

const char *http_method_name(enum http_method m); /* "GET" … */

struct http_header {
	const char *name, *value;
};

struct http_head {
	enum http_method method;
	const char *path;  /* decoded; begins with '/', has no part "..", no control character */
	const char *query; /* as sent, without '?'; "" none */
	unsigned minor;    /* HTTP/1.minor, 0 or 1 */
	size_t n_headers;
	struct http_header headers[HTTP_MAX_HEADERS];
	bool has_length;
	uint64_t content_length;
	bool is_chunked; /* the body comes as http_chunks_read() reads it */
	bool keeps_alive;
	bool wants_continue;
	bool wants_websocket; /* a whole and right upgrade request of version 13 */
};

/* Where the head ends (behind its empty line), 0 if not yet. `from`: bytes already looked at. */
size_t http_head_end(const char *bytes, size_t size, size_t from);

/* Reads a whole head of `size` bytes, as http_head_end() says, in place: `ret` points into
 * `bytes`, which are changed. Returns 0, or the status to refuse it with (400, 413, 414, 431, 501, 505). */
int http_parse_head(char *bytes, size_t size, struct http_head *ret);

/* A body in chunks (RFC 9112 §7.1) as it comes, in pieces of any size. Begins zeroed. */
struct http_chunks {
	enum {
		HTTP_CHUNK_SIZE,
		HTTP_CHUNK_EXTENSION,
		HTTP_CHUNK_SIZE_LF,
		HTTP_CHUNK_DATA,
		HTTP_CHUNK_DATA_CR,
		HTTP_CHUNK_DATA_LF,
		HTTP_CHUNK_TRAILER,
		HTTP_CHUNK_TRAILER_LF,
		HTTP_CHUNK_END
	} state;
	uint64_t left;     /* of the chunk */
	unsigned n_digits; /* of its size */
	size_t n_line;     /* bytes of this line of the trailer */
	size_t n_overhead; /* bytes of extensions and trailers, of the whole body */
};

#define HTTP_MAX_CHUNK_DIGITS 8
#define HTTP_MAX_CHUNK_OVERHEAD 4096

/* Reads up to the end of one piece of the body: `ret_data` and `ret_n` say where it lies in
 * `bytes` (`ret_n` 0: none yet). `ret_used`: bytes that are done with, the piece included. Returns 1
 * when the body has ended (what follows is not looked at), 0 when there is more, or the status to
 * refuse it with (400, 431). Extensions and trailers are passed over. */
int http_chunks_read(struct http_chunks *c, const char *bytes, size_t size, size_t *ret_used,
                     const char **ret_data, size_t *ret_n);

/* The value of a header, NULL if absent; `name` in any case. */
const char *http_header(const struct http_head *h, const char *name);

/* Percent-decodes `size` bytes into `dst` of `max` bytes, terminated. False: malformed, a NUL, or
 * too long. `plus_is_blank` for queries. */
bool http_unescape(char *dst, size_t max, const char *src, size_t size, bool plus_is_blank);

/* The first parameter `name` of a query, decoded. 1 found, 0 absent, -1 malformed or too long. */
int http_query_get(const char *query, const char *name, char *dst, size_t max);

/* The first cookie `name` of a Cookie header. False: absent, too long; dst untouched. */
bool http_cookie_get(const char *header, const char *name, char *dst, size_t max);

/* A Range header for a body of `size` bytes. 1: bytes *ret_from to *ret_to, both included; 0: to be
 * ignored (several ranges, another unit, malformed); -1: cannot be satisfied (416). */
int http_parse_range(const char *value, uint64_t size, uint64_t *ret_from, uint64_t *ret_to);

/* A list of entity tags (If-None-Match) contains `etag`, weakly compared. */
bool http_etag_matches(const char *list, const char *etag);

/* Accept-Encoding allows gzip. NULL does not. */
bool http_accepts_gzip(const char *value);

/* A comma-separated list of tokens contains `token`, in any case. NULL does not. */
bool http_list_has(const char *list, const char *token);

enum ws_opcode {
	WS_CONTINUATION = 0,
	WS_TEXT = 1,
	WS_BINARY = 2,
	WS_CLOSE = 8,
	WS_PING = 9,
	WS_PONG = 10,
};

struct ws_frame {
	bool is_final;
	enum ws_opcode opcode;
	uint64_t size; /* of the payload */
	uint8_t mask[4];
};

#define WS_HEAD_MAX 14
#define WS_MAX_CONTROL 125 /* bytes of payload */

/* The head of a frame from a client. Returns its size, 0 if more bytes are needed, -1 for what a
 * client must not send (unmasked, reserved bits, unknown opcode, long or cut control frame). */
int ws_parse_head(const uint8_t *bytes, size_t size, struct ws_frame *ret);

/* The same of a frame from a server: -1 if masked. */
int ws_parse_server_head(const uint8_t *bytes, size_t size, struct ws_frame *ret);

/* A close frame's payload: the code to answer with, 0 for none, or 1002 if it may not be sent (one
 * byte alone, a code that is not for the wire, a reason that is no UTF-8). */
unsigned ws_close_code(const uint8_t *payload, size_t size);

/* `size` bytes are whole, shortest-form UTF-8 (RFC 3629). */
bool ws_is_utf8(const uint8_t *bytes, size_t size);

/* Takes the mask off `size` bytes of payload. */
void ws_unmask(uint8_t *payload, size_t size, const uint8_t mask[4]);

/* The head of a whole frame to a client. Returns its size. */
size_t ws_write_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t size);
/* The same to a server, with the mask. */
size_t ws_write_client_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t size,
                            const uint8_t mask[4]);
