/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ws_read: what a WebSocket server sends (RFC 6455): its answer to the handshake, then frames,
 * whose pieces are joined to messages of bounded size.
 *
 * Pure: bytes in, messages out by a callback. Thread: any.
 */

#pragma once

#include "base/buf.h"
#include "wire/http_parse.h"

struct err;

#define WS_KEY_SIZE 25    /* of Sec-WebSocket-Key, NUL included */
#define WS_ACCEPT_SIZE 32 /* holds Sec-WebSocket-Accept */

/* RFC 6455 §4.2.2. */
void ws_accept_key(char dst[WS_ACCEPT_SIZE], const char *key);

struct ws_reader {
	struct buf in, message;
	size_t max_message;
	enum ws_opcode opcode; /* of the message under way; WS_CONTINUATION: none */
	bool is_open;          /* the handshake is done */
	char accept[WS_ACCEPT_SIZE];
	int status; /* of the handshake's answer, 0 before it */
	char redirect[256], server[80];
};

/* `key` as it was sent. */
void ws_reader_init(struct ws_reader *r, const char *key, size_t max_message);
void ws_reader_fini(struct ws_reader *r);

/*
 * `took` is called for each whole message and control frame (WS_TEXT, WS_BINARY, WS_CLOSE, WS_PING,
 * WS_PONG; a NUL stands behind the bytes), once with WS_CONTINUATION when the handshake is done;
 * false from it ends the reading, and the reader may be gone. Returns 0, or a negative errno with the
 * words: -EPROTO no WebSocket (`status` says what was answered), -EFBIG a message above the
 * limit. Nothing may be fed after it.
 */
typedef bool ws_took_fn(void *arg, enum ws_opcode opcode, const char *bytes, size_t size);
int ws_reader_feed(struct ws_reader *r, const void *bytes, size_t size, ws_took_fn *took, void *arg,
                   struct err *err);
