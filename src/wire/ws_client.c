/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ws_client.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/ws_read.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_OPEN_MS 10000
#define DEFAULT_SILENCE_MS 20000

enum state {
	CONNECTING,
	SHAKING_HANDS,
	OPEN,
	ENDED,
};

struct ws_client {
	struct loop *loop;
	struct stream *stream;
	struct ws_client_events events;
	enum state state;
	struct buf request; /* until it is sent */
	struct ws_reader reader;
	int64_t open_ms, silence_ms;
	struct timer timer; /* for opening; later for the ping and its answer */
	bool is_ping_out;
	unsigned busy; /* callbacks running: the memory stays until they return */
	bool is_dead;
};

static void forget_request(struct ws_client *c)
{
	if (c->request.data)
		secret_wipe(c->request.data, c->request.size);
	buf_fini(&c->request);
}

static void release(struct ws_client *c)
{
	forget_request(c);
	ws_reader_fini(&c->reader);
	free(c);
}

static void leave(struct ws_client *c)
{
	if (--c->busy == 0 && c->is_dead)
		release(c);
}

static void end(struct ws_client *c, enum ws_end why, const struct err *err)
{
	if (c->state == ENDED || c->is_dead)
		return;
	c->state = ENDED;
	timer_stop(&c->timer);
	c->busy++;
	c->events.closed(c->events.arg, why, err);
	leave(c);
}

/* ---- sending ---- */

static void send_frame(struct ws_client *c, enum ws_opcode opcode, const char *bytes, size_t size)
{
	uint8_t head[WS_HEAD_MAX], mask[4];
	struct buf b;

	crypto_random(mask, sizeof(mask));
	buf_init(&b, 0);
	buf_add(&b, head, ws_write_client_head(head, opcode, size, mask));

	size_t n_head = b.size;

	buf_add(&b, bytes, size);
	ws_unmask((uint8_t *)b.data + n_head, size, mask);
	stream_write(c->stream, b.data, b.size);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

bool ws_client_send(struct ws_client *c, const char *text, size_t size)
{
	if (c->state != OPEN)
		return false;
	send_frame(c, WS_TEXT, text, size);
	return true;
}

bool ws_client_send_binary(struct ws_client *c, const void *bytes, size_t size)
{
	if (c->state != OPEN)
		return false;
	send_frame(c, WS_BINARY, bytes, size);
	return true;
}

size_t ws_client_queued(const struct ws_client *c)
{
	return c->stream ? stream_queued(c->stream) : 0;
}

/* ---- what comes ---- */

static void on_close_frame(struct ws_client *c, const char *bytes, size_t size)
{
	const uint8_t *u = (const uint8_t *)bytes;
	struct err err = { 0 };
	char reason[124];

	text_copy_n(reason, sizeof(reason), size > 2 ? bytes + 2 : "", size > 2 ? size - 2 : 0);
	text_clean(reason);
	send_frame(c, WS_CLOSE, bytes, MIN(size, (size_t)2));
	(void)err_set(&err, -ECONNRESET, "%s closed the connection (%d%s%s)",
	              stream_peer(c->stream), size >= 2 ? u[0] << 8 | u[1] : 1005,
	              reason[0] ? ", " : "", reason);
	end(c, WS_END_LOST, &err);
}

static bool took(void *arg, enum ws_opcode opcode, const char *bytes, size_t size)
{
	struct ws_client *c = arg;

	switch (opcode) {
	case WS_CONTINUATION:
		c->state = OPEN;
		timer_start(&c->timer, c->silence_ms);
		c->events.opened(c->events.arg);
		break;
	case WS_TEXT:
	case WS_BINARY:
		c->events.message(c->events.arg, bytes, size);
		break;
	case WS_PING:
		send_frame(c, WS_PONG, bytes, size);
		break;
	case WS_CLOSE:
		on_close_frame(c, bytes, size);
		break;
	case WS_PONG:
		break;
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): freed later, when its callers are gone */
	return c->state == OPEN && !c->is_dead;
}

static enum ws_end judge(const struct ws_client *c)
{
	if (c->reader.is_open)
		return WS_END_BROKEN;
	return c->reader.status ? WS_END_REFUSED : WS_END_NOT_HTTP;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct ws_client *c = arg;
	struct err err = { 0 };

	if (c->state == ENDED || c->state == CONNECTING)
		return;
	c->busy++;
	if (c->state == OPEN) {
		c->is_ping_out = false;
		timer_start(&c->timer, c->silence_ms);
	}

	int rc = ws_reader_feed(&c->reader, bytes, size, took, c, &err);

	if (rc < 0 && !c->is_dead) {
		(void)err_wrap(&err, rc, "%s", stream_peer(c->stream));
		end(c, judge(c), &err);
	}
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): freed later, when its callers are gone */
	leave(c);
}

static void on_opened(void *arg)
{
	struct ws_client *c = arg;

	if (c->state != CONNECTING)
		return;
	c->state = SHAKING_HANDS;
	timer_start(&c->timer, c->open_ms);
	stream_write(c->stream, c->request.data, c->request.size);
	forget_request(c);
}

static void on_closed(void *arg, const struct err *err)
{
	struct ws_client *c = arg;
	struct err said = *err;

	if (said.code == 0)
		(void)err_set(&said, -ECONNRESET, "%s closed the connection%s",
		              stream_peer(c->stream),
		              c->state == SHAKING_HANDS ? " without an answer" : "");
	end(c, c->state == OPEN ? WS_END_LOST : WS_END_UNREACHABLE, &said);
}

static void on_timer(void *arg)
{
	struct ws_client *c = arg;
	struct err err = { 0 };

	if (c->state == OPEN && !c->is_ping_out) {
		send_frame(c, WS_PING, "", 0);
		c->is_ping_out = true;
		timer_start(&c->timer, c->silence_ms);
		return;
	}

	static const char *const what[] = {
		[CONNECTING] = "it does not answer",
		[SHAKING_HANDS] = "it does not answer the WebSocket's handshake",
		[OPEN] = "it no longer answers",
		[ENDED] = "",
	};

	(void)err_set(&err, -ETIMEDOUT, "%s: %s", stream_peer(c->stream), what[c->state]);
	end(c, c->state == OPEN ? WS_END_LOST : WS_END_UNREACHABLE, &err);
}

/* ---- owning ---- */

static void write_request(struct ws_client *c, const struct ws_client_config *config)
{
	uint8_t nonce[16];

	crypto_random(nonce, sizeof(nonce));

	auto_free char *key = crypto_base64(nonce, sizeof(nonce));
	size_t max = config->max_message ? config->max_message : WS_CLIENT_MAX_MESSAGE;

	ws_reader_init(&c->reader, key, max);
	buf_init(&c->request, 0);
	buf_printf(&c->request,
	           "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nUser-Agent: Bedside\r\n",
	           config->target, config->host, key);
	for (size_t i = 0; i < config->n_headers; i++)
		buf_printf(&c->request, "%s\r\n", config->headers[i]);
	buf_add_str(&c->request, "\r\n");
}

struct ws_client *ws_client_new(struct loop *l, struct stream *s,
                                const struct ws_client_config *config,
                                const struct ws_client_events *events)
{
	struct ws_client *c = MEM_NEW(struct ws_client);
	const struct stream_events e = {
		.opened = on_opened,
		.received = on_received,
		.closed = on_closed,
		.arg = c,
	};

	c->loop = l;
	c->stream = s;
	c->events = *events;
	c->open_ms = config->open_ms ? config->open_ms : DEFAULT_OPEN_MS;
	c->silence_ms = config->silence_ms ? config->silence_ms : DEFAULT_SILENCE_MS;
	write_request(c, config);
	timer_init(&c->timer, l, on_timer, c);
	timer_start(&c->timer, c->open_ms);
	stream_listen(s, &e);
	return c;
}

void ws_client_free(struct ws_client *c)
{
	if (!c || c->is_dead)
		return;
	timer_stop(&c->timer);
	if (c->state == OPEN)
		send_frame(c, WS_CLOSE, "\x03\xe8", 2); /* 1000: done */
	c->state = ENDED;
	stream_free(c->stream);
	c->stream = NULL;
	c->is_dead = true;
	if (c->busy == 0)
		release(c);
}

bool ws_client_is_open(const struct ws_client *c)
{
	return c->state == OPEN;
}

int ws_client_status(const struct ws_client *c)
{
	return c->reader.status;
}

const char *ws_client_redirect(const struct ws_client *c)
{
	return c->reader.redirect;
}

const struct stream *ws_client_stream(const struct ws_client *c)
{
	return c->stream;
}
