/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/text.h"
#include "wire/ws_read.h"

#include <assert.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define NOT_SENT_BYTES 131072
#define USUAL_WMEM_MAX 212992 /* net.core.wmem_max of a system that nobody tuned */

static struct http_conn *channel_conn(const struct http_channel *ch)
{
	return CONTAINER_OF((struct http_channel *)(uintptr_t)ch, struct http_conn, channel);
}

size_t http_channel_max_message(const struct http_conn *c)
{
	return c->channel.ev.max_message ? c->channel.ev.max_message : HTTP_WS_MAX_MESSAGE;
}

/* Who is told NULL frees what `ev` speaks of: nothing of it may be called later. */
static struct http_channel *open_channel(struct http_conn *c)
{
	http_conn_flush(c, false);
	if (!c->is_closing)
		return &c->channel;
	c->channel.ev = (struct http_channel_events){ 0 };
	return NULL;
}

struct http_channel *http_reply_stream(struct http_request *r, const struct http_reply *reply,
                                       const struct http_channel_events *ev)
{
	struct http_conn *c = r->conn;

	if (!c) {
		if (r->fake)
			r->fake->is_channel = true;
		http_reply_bytes(r, reply, NULL);
		return NULL;
	}
	if (r->head.method == HTTP_HEAD) {
		c->closes_after |= !r->head.keeps_alive;
		http_conn_push(c, http_reply_head(c, reply, -1));
		c->phase = HTTP_PHASE_ANSWERING;
		http_request_free(r);
		http_conn_flush(c, false);
		return NULL;
	}
	c->closes_after = true; /* for the head's sake: the body ends with the connection */
	http_conn_push(c, http_reply_head(c, reply, -1));
	c->closes_after = false;
	c->channel.ev = *ev;
	c->phase = HTTP_PHASE_STREAM;
	buf_clear(&c->in);
	http_request_free(r);

	/* What the kernel has and the network has not: bounded, or a slow viewer would see the past. */
	int low = NOT_SENT_BYTES;

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	return open_channel(c);
}

struct http_channel *http_reply_websocket(struct http_request *r,
                                          const struct http_channel_events *ev)
{
	struct http_conn *c = r->conn;
	auto_buf struct buf b;
	char accept[WS_ACCEPT_SIZE];

	buf_init(&b, 0);

	if (!c) {
		struct http_reply switched = { .status = 101 };

		if (r->fake) {
			r->fake->is_channel = true;
			http_request_fake_reply(r, &switched, NULL);
		}
		http_request_free(r);
		return NULL;
	}
	ws_accept_key(accept, http_header(&r->head, "Sec-WebSocket-Key"));
	buf_printf(&b,
	           "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	           accept);
	http_conn_push(c, http_bytes_take(&b));
	c->channel.ev = *ev;
	c->phase = HTTP_PHASE_WEBSOCKET;
	buf_init(&c->message, http_channel_max_message(c) + 1);
	http_request_free(r);
	/* What came behind the request; the caller must know the channel first. */
	if (c->in.size > 0)
		http_conn_work_soon(c);
	return open_channel(c);
}

void http_channel_send(struct http_channel *ch, struct http_bytes *const *parts, size_t n)
{
	struct http_conn *c = channel_conn(ch);

	if (c->is_closing || c->closes_after)
		return;

	bool was_idle = c->n_out == 0;

	for (size_t i = 0; i < n; i++)
		http_conn_push(c, http_bytes_ref(parts[i]));
	if (was_idle)
		http_conn_flush(c, false);
}

static void ws_send(struct http_conn *c, enum ws_opcode opcode, struct http_bytes *payload)
{
	uint8_t head[WS_HEAD_MAX];
	size_t n = ws_write_head(head, opcode, payload->size);
	struct http_bytes *parts[] = { http_bytes_new(head, n), payload };

	http_channel_send(&c->channel, parts, 2);
	http_bytes_unref(parts[0]);
	http_bytes_unref(payload);
}

static void send_message(struct http_channel *ch, enum ws_opcode opcode, const void *prefix,
                         size_t prefix_size, struct http_bytes *rest)
{
	uint8_t head[WS_HEAD_MAX + HTTP_CHANNEL_MAX_PREFIX];

	assert(prefix_size <= HTTP_CHANNEL_MAX_PREFIX);

	size_t n = ws_write_head(head, opcode, prefix_size + rest->size);

	memcpy(head + n, prefix, prefix_size);

	struct http_bytes *parts[] = { http_bytes_new(head, n + prefix_size), rest };

	http_channel_send(ch, parts, 2);
	http_bytes_unref(parts[0]);
}

void http_channel_send_text(struct http_channel *ch, const char *prefix, size_t prefix_size,
                            struct http_bytes *rest)
{
	send_message(ch, WS_TEXT, prefix, prefix_size, rest);
}

void http_channel_send_binary(struct http_channel *ch, const void *prefix, size_t prefix_size,
                              struct http_bytes *rest)
{
	send_message(ch, WS_BINARY, prefix, prefix_size, rest);
}

size_t http_channel_queued(const struct http_channel *ch)
{
	return channel_conn(ch)->queued;
}

size_t http_channel_unsent(const struct http_channel *ch)
{
	const struct http_conn *c = channel_conn(ch);
	int n = 0;

	if (c->is_closing || ioctl(c->fd, SIOCOUTQ, &n) < 0)
		n = 0;
	return c->queued + (size_t)n;
}

/* Pages, headers of packets and the kernel's own records count as used, too. */
static size_t room_for(size_t size)
{
	return size + size / 16 + 2 * HTTP_CHANNEL_SLACK;
}

/* A buffer that the system made larger by itself is never made smaller. */
static void make_room(struct http_conn *c, size_t size)
{
	int now = 0, wanted = (int)MIN(room_for(size), (size_t)1 << 30), low = wanted;
	socklen_t n = sizeof(now);

	c->room_for = size;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low, sizeof(low));
	(void)getsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &now, &n);
	/* The kernel doubles what it is told, for its own book-keeping, and tells the double. */
	if (now < wanted && now < 2 * USUAL_WMEM_MAX) {
		(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
		(void)getsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &now, &n);
	}
	c->room = (size_t)MAX(now, 0);
}

bool http_channel_takes(struct http_channel *ch, size_t size)
{
	struct http_conn *c = channel_conn(ch);

	if (c->is_closing || c->queued > 0)
		return false;
	if (c->room_for < size)
		make_room(c, size);

	size_t unsent = http_channel_unsent(ch);

	return unsent == 0 || (unsent <= HTTP_CHANNEL_SLACK && room_for(size) <= c->room);
}

void http_channel_abort(struct http_channel *ch)
{
	const struct linger at_once = { .l_onoff = 1 };
	struct http_conn *c;

	if (!ch)
		return;
	c = channel_conn(ch);
	c->channel.ev = (struct http_channel_events){ 0 };
	if (c->is_closing)
		return;
	/* A reset, and no goodbye of TLS: without a length both would look like the end. */
	(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	if (c->ssl)
		SSL_set_quiet_shutdown(c->ssl, 1);
	http_conn_close(c);
}

void http_channel_end(struct http_channel *ch)
{
	if (!ch)
		return;

	struct http_conn *c = channel_conn(ch);

	c->channel.ev = (struct http_channel_events){ 0 };
	if (c->is_closing)
		return;
	if (c->phase == HTTP_PHASE_WEBSOCKET)
		ws_send(c, WS_CLOSE, http_bytes_new("\x03\xe9", 2)); /* 1001: going away */
	if (c->is_closing)
		return;
	c->closes_after = true;
	if (c->n_out == 0 && c->phase != HTTP_PHASE_LINGER)
		http_conn_flush(c, false);
}

/* Says why, and is over as soon as that is sent. `code` 0: none (RFC 6455 §7.4.1). */
static void ws_finish(struct http_conn *c, unsigned code)
{
	const uint8_t bytes[] = { (uint8_t)(code >> 8), (uint8_t)code };

	ws_send(c, WS_CLOSE, http_bytes_new(bytes, code ? 2 : 0));
	if (c->is_closing)
		return;
	c->closes_after = true;
	if (c->n_out == 0)
		http_conn_flush(c, false);
}

static void ws_pong(struct http_conn *c)
{
	if (!c->owes_pong)
		return;
	c->owes_pong = false;
	/* Answering pings that are never read would fill our memory. */
	if (c->n_out < 16)
		ws_send(c, WS_PONG, http_bytes_new(c->pong, c->n_pong));
}

/* A piece of a message. 0, or the code to close with. */
static unsigned ws_data(struct http_conn *c, const struct ws_frame *f, const uint8_t *payload)
{
	if (f->opcode == WS_BINARY && !c->channel.ev.binary)
		return 1003;
	/* A message inside another, or the rest of none. */
	if ((f->opcode != WS_CONTINUATION) == c->is_fragmented)
		return 1002;
	if (f->opcode != WS_CONTINUATION)
		c->is_binary = f->opcode == WS_BINARY;
	buf_add(&c->message, payload, (size_t)f->size);
	if (c->message.size > http_channel_max_message(c) || c->message.overflown)
		return 1009;
	c->is_fragmented = !f->is_final;
	if (!f->is_final)
		return 0;
	if (!c->is_binary && !ws_is_utf8((const uint8_t *)buf_peek(&c->message), c->message.size))
		return 1007;
	ws_pong(c);
	if (!c->is_closing && c->is_binary)
		c->channel.ev.binary(c->channel.ev.arg, (const uint8_t *)c->message.data,
		                     c->message.size);
	else if (!c->is_closing && c->channel.ev.message)
		c->channel.ev.message(c->channel.ev.arg, buf_peek(&c->message), c->message.size);
	if (!c->is_closing)
		buf_clear(&c->message);
	return 0;
}

/* True: more frames may follow. */
static bool ws_take(struct http_conn *c, const struct ws_frame *f, const uint8_t *payload)
{
	unsigned code = 0;

	switch (f->opcode) {
	case WS_CLOSE:
		ws_finish(c, ws_close_code(payload, (size_t)f->size));
		return false;
	case WS_PING:
		c->owes_pong = true;
		c->n_pong = (uint8_t)f->size;
		memcpy(c->pong, payload, (size_t)f->size);
		return true;
	case WS_PONG:
		return true;
	case WS_TEXT:
	case WS_BINARY:
	case WS_CONTINUATION:
		code = ws_data(c, f, payload);
		break;
	}
	if (code)
		ws_finish(c, code);
	return code == 0 && !c->is_closing && !c->closes_after;
}

bool http_channel_read_frame(struct http_conn *c)
{
	struct ws_frame f;
	uint8_t *bytes = (uint8_t *)c->in.data;

	if (c->closes_after) { /* what comes behind the end is not looked at */
		buf_clear(&c->in);
		return false;
	}

	int n = ws_parse_head(bytes, c->in.size, &f);

	if (n < 0 || (n > 0 && f.size > http_channel_max_message(c))) {
		ws_finish(c, n < 0 ? 1002 : 1009);
		return false;
	}
	if (n == 0 || c->in.size < (size_t)n + f.size) {
		ws_pong(c);
		return false;
	}
	ws_unmask(bytes + n, (size_t)f.size, f.mask);
	if (!ws_take(c, &f, bytes + n))
		return false;
	buf_consume(&c->in, (size_t)n + (size_t)f.size);
	return true;
}
