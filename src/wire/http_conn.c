/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utlist.h>

#define MAX_IOV 16
#define TLS_CHUNK 131072u
/* A client on the same machine takes a film as fast as we read it: leave the loop to others. */
#define CHUNKS_A_TURN 4
#define LINGER_MS 2000
#define SWEEP_MS 1000
#define KEEP_ALIVE_S 60
#define READ_CHUNK 16384u

/* ---- the way out ---- */

void http_conn_set_deadline(struct http_conn *c, int64_t ms)
{
	c->deadline_us = loop_now_us(c->server->loop) + ms * 1000;
}

void http_conn_push(struct http_conn *c, struct http_bytes *b)
{
	if (b->size == 0) {
		http_bytes_unref(b);
		return;
	}
	if (c->n_out == 0)
		http_conn_set_deadline(c, c->server->config.stall_timeout_ms);
	if (c->n_out == c->cap_out) {
		c->cap_out = c->cap_out ? c->cap_out * 2 : 4;
		c->out = mem_grow(c->out, c->cap_out, sizeof(*c->out));
	}
	c->out[c->n_out++] = (struct http_segment){ b, 0 };
	c->queued += b->size;
}

static void sent(struct http_conn *c, size_t n)
{
	size_t done = 0;

	c->queued -= n;
	while (done < c->n_out && n >= c->out[done].bytes->size - c->out[done].at) {
		n -= c->out[done].bytes->size - c->out[done].at;
		http_bytes_unref(c->out[done].bytes);
		done++;
	}
	if (done < c->n_out)
		c->out[done].at += n;
	memmove(c->out, c->out + done, (c->n_out - done) * sizeof(*c->out));
	c->n_out -= done;
	http_conn_set_deadline(c, c->server->config.stall_timeout_ms);
}

static ssize_t tls_result(struct http_conn *c, int rc)
{
	int why = SSL_get_error(c->ssl, rc);

	ERR_clear_error();
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		c->tls_wants_read = why == SSL_ERROR_WANT_READ;
		errno = EAGAIN;
		return -1;
	}
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	errno = ECONNRESET;
	return -1;
}

static ssize_t send_some(struct http_conn *c)
{
	if (c->ssl) {
		struct http_segment *s = &c->out[0];
		size_t left = s->bytes->size - s->at;
		int rc = SSL_write(c->ssl, s->bytes->data + s->at, (int)MIN(left, TLS_CHUNK));

		return rc > 0 ? rc : tls_result(c, rc);
	}

	struct iovec iov[MAX_IOV];
	size_t n = 0;

	for (; n < c->n_out && n < MAX_IOV; n++) {
		const struct http_segment *s = &c->out[n];

		/* sendmsg() only reads; its interface cannot say so. */
		iov[n].iov_base = (void *)(uintptr_t)(s->bytes->data + s->at);
		iov[n].iov_len = s->bytes->size - s->at;
	}

	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n };

	return sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_closed(uv_handle_t *h)
{
	struct http_conn *c = CONTAINER_OF((uv_poll_t *)(void *)h, struct http_conn, poll);

	if (c->closing_of)
		DL_DELETE(c->closing_of->closing, c);
	if (c->channel.ev.closed)
		c->channel.ev.closed(c->channel.ev.arg);
	buf_fini(&c->in);
	buf_fini(&c->message);
	free(c->out);
	free(c);
}

static void unlink_conn(struct http_conn *c)
{
	struct http_server *s = c->server;

	DL_DELETE(s->conns, c);
	DL_PREPEND(s->closing, c);
	c->closing_of = s;
	s->n_conns--;
	if (s->n_conns == 0 && s->is_accepting)
		timer_stop(&s->sweep);
	c->server = NULL;
}

void http_conn_close(struct http_conn *c)
{
	if (c->is_closing)
		return;
	c->is_closing = true;
	timer_stop(&c->soon);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	if (c->ssl) {
		/* Says goodbye if the socket takes it; nobody waits for an answer. */
		if (c->phase != HTTP_PHASE_HANDSHAKE)
			(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
		SSL_free(c->ssl);
	}
	(void)close(c->fd);
	if (c->request) {
		struct http_request *r = c->request;
		bool is_asked = c->phase == HTTP_PHASE_ASKED;

		r->conn = NULL;
		c->request = NULL;
		if (!is_asked)
			http_request_free(r);
	}
	for (size_t i = 0; i < c->n_out; i++)
		http_bytes_unref(c->out[i].bytes);
	c->n_out = c->queued = 0;
	if (c->file_fd >= 0)
		(void)close(c->file_fd);
	http_file_forget(c);
	unlink_conn(c);
}

/* All is sent: says so and waits for the client to have read it. Closed at once, with bytes of the
 * client still unread, the kernel would throw away what is on its way. */
static void linger(struct http_conn *c)
{
	c->phase = HTTP_PHASE_LINGER;
	buf_clear(&c->in);
	http_conn_set_deadline(c, LINGER_MS);
	if (c->ssl) {
		(void)SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
	(void)shutdown(c->fd, SHUT_WR);
}

static void answered(struct http_conn *c)
{
	struct http_server *s = c->server;

	if (c->file_fd >= 0)
		(void)close(STEAL_FD(c->file_fd));
	if (c->closes_after) {
		linger(c);
		return;
	}
	c->phase = HTTP_PHASE_HEAD;
	c->looked = 0;
	c->has_begun = c->in.size > 0;
	http_conn_set_deadline(c, c->in.size > 0 ? s->config.head_timeout_ms
	                                         : s->config.idle_timeout_ms);
}

static bool has_input(const struct http_conn *c)
{
	return c->in.size > 0 || (c->ssl && SSL_pending(c->ssl) > 0);
}

static void after_flush(struct http_conn *c, bool is_from_poll)
{
	if (c->phase == HTTP_PHASE_ANSWERING) {
		answered(c);
		/* Never inside the answer to the one before: its maker is not done with it. */
		if (c->phase == HTTP_PHASE_HEAD && !c->is_working && has_input(c))
			http_conn_work_soon(c);
	} else if ((c->phase == HTTP_PHASE_STREAM || c->phase == HTTP_PHASE_WEBSOCKET)) {
		if (c->closes_after)
			linger(c);
		else if (is_from_poll && c->channel.ev.writable)
			c->channel.ev.writable(c->channel.ev.arg);
	}
	if (!c->is_closing)
		http_conn_update_poll(c);
}

enum pumped {
	PUMPED_ALL,
	PUMPED_SOME,         /* the socket, or the disk, wants time */
	PUMPED_NOTHING_MORE, /* the connection is gone */
};

static enum pumped pump(struct http_conn *c)
{
	unsigned n_chunks = 0;

	for (;;) {
		if (c->n_out == 0 && c->file_left == 0)
			return PUMPED_ALL;
		if (c->n_out == 0) {
			if (c->job || n_chunks++ == CHUNKS_A_TURN)
				return PUMPED_SOME;
			http_file_read_more(c);
			continue;
		}

		ssize_t n = send_some(c);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return PUMPED_SOME;
		if (n <= 0) {
			http_conn_close(c);
			return PUMPED_NOTHING_MORE;
		}
		sent(c, (size_t)n);
	}
}

void http_conn_flush(struct http_conn *c, bool is_from_poll)
{
	enum pumped p = pump(c);

	if (p == PUMPED_ALL)
		after_flush(c, is_from_poll);
	else if (p == PUMPED_SOME)
		http_conn_update_poll(c);
}

static void on_poll(uv_poll_t *h, int status, int events);

void http_conn_update_poll(struct http_conn *c)
{
	int events = 0;

	if (c->is_closing)
		return;
	if (c->phase != HTTP_PHASE_ASKED && c->phase != HTTP_PHASE_ANSWERING)
		events |= UV_READABLE;
	if ((c->n_out > 0 || c->file_left > 0) && !c->job)
		events |= c->tls_wants_read ? UV_READABLE : UV_WRITABLE;
	if (c->phase == HTTP_PHASE_HANDSHAKE && !c->tls_wants_read)
		events = UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	if (events)
		uv_poll_start(&c->poll, events, on_poll);
	else
		uv_poll_stop(&c->poll);
}

void http_conn_work(struct http_conn *c)
{
	bool is_on = true;

	if (c->is_working || c->is_closing)
		return;
	c->is_working = true;
	while (is_on && !c->is_closing) {
		switch (c->phase) {
		case HTTP_PHASE_HEAD:
			is_on = http_request_read_head(c);
			break;
		case HTTP_PHASE_BODY:
			is_on = http_request_read_body(c);
			break;
		case HTTP_PHASE_WEBSOCKET:
			is_on = http_channel_read_frame(c);
			break;
		case HTTP_PHASE_STREAM:
		case HTTP_PHASE_LINGER:
			buf_clear(&c->in);
			is_on = false;
			break;
		case HTTP_PHASE_HANDSHAKE:
		case HTTP_PHASE_ASKED:
		case HTTP_PHASE_ANSWERING:
			is_on = false;
			break;
		}
	}
	c->is_working = false;
	http_conn_update_poll(c);
}

void http_conn_work_soon(struct http_conn *c)
{
	timer_start(&c->soon, 0);
}

/* Bytes of input that the phase may keep waiting. */
static size_t in_limit(const struct http_conn *c)
{
	if (c->phase == HTTP_PHASE_WEBSOCKET)
		return http_channel_max_message(c) + WS_HEAD_MAX;
	return HTTP_MAX_HEAD;
}

/* One read. False: nothing more for now, or the connection is gone. */
static bool read_once(struct http_conn *c)
{
	size_t limit = in_limit(c);

	if (c->in.size >= limit)
		return false;

	size_t room = MIN(limit - c->in.size, READ_CHUNK);
	char *dst = buf_reserve(&c->in, room);
	ssize_t n;

	if (c->ssl) {
		int rc = SSL_read(c->ssl, dst, (int)room);

		n = rc > 0 ? rc : tls_result(c, rc);
		c->tls_wants_read = false;
	} else {
		n = recv(c->fd, dst, room, MSG_DONTWAIT);
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		http_conn_close(c);
		return false;
	}
	/* Once for each head, whatever it is made of: empty lines do not prolong it. */
	if (c->phase == HTTP_PHASE_HEAD && !c->has_begun)
		http_conn_set_deadline(c, c->server->config.head_timeout_ms);
	c->has_begun = true;
	if (c->phase == HTTP_PHASE_BODY)
		http_conn_set_deadline(c, c->server->config.head_timeout_ms);
	buf_grew(&c->in, (size_t)n);
	return true;
}

static bool reads_now(const struct http_conn *c)
{
	return !c->is_closing && c->phase != HTTP_PHASE_ASKED && c->phase != HTTP_PHASE_ANSWERING &&
	       c->phase != HTTP_PHASE_HANDSHAKE;
}

static void conn_readable(struct http_conn *c)
{
	/* A few reads, so that one fast sender does not keep the others waiting. What TLS has
	 * already taken from the socket must go on, or nobody would wake us for it. */
	for (unsigned i = 0; reads_now(c) && (i < 4 || (c->ssl && SSL_pending(c->ssl) > 0)); i++) {
		if (!read_once(c))
			break;
		http_conn_work(c);
	}
	if (!c->is_closing)
		http_conn_update_poll(c);
}

static void work_now(void *arg)
{
	struct http_conn *c = arg;

	http_conn_work(c);
	/* What TLS has taken from the socket while a question was worked on: no poll tells of it. */
	if (reads_now(c) && c->ssl && SSL_pending(c->ssl) > 0)
		conn_readable(c);
}

static void shake_hands(struct http_conn *c)
{
	int rc = SSL_accept(c->ssl);

	if (rc == 1) {
		c->phase = HTTP_PHASE_HEAD;
		c->tls_wants_read = false;
		http_conn_set_deadline(c, c->server->config.head_timeout_ms);
		conn_readable(c);
		return;
	}
	if (tls_result(c, rc) < 0 && errno == EAGAIN)
		http_conn_update_poll(c);
	else
		http_conn_close(c);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
	struct http_conn *c = CONTAINER_OF(h, struct http_conn, poll);

	if (status < 0) {
		http_conn_close(c);
		return;
	}
	if (c->phase == HTTP_PHASE_HANDSHAKE) {
		shake_hands(c);
		return;
	}
	if (c->n_out > 0 || c->file_left > 0) {
		c->tls_wants_read = false;
		if ((events & UV_WRITABLE) || c->ssl)
			http_conn_flush(c, true);
	}
	if (!c->is_closing && (events & UV_READABLE))
		conn_readable(c);
}

void http_conn_add(struct http_server *s, int fd, const char *address)
{
	struct http_conn *c = MEM_NEW(struct http_conn);
	int one = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	/* A viewer that went out of the house does not say so, and nothing may be due to it. */
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ KEEP_ALIVE_S }, sizeof(int));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){ KEEP_ALIVE_S / 4 }, sizeof(int));
	c->server = s;
	c->fd = fd;
	c->file_fd = -1;
	c->phase = s->ctx ? HTTP_PHASE_HANDSHAKE : HTTP_PHASE_HEAD;
	text_copy(c->address, sizeof(c->address), address);
	buf_init(&c->in, 0);
	buf_init(&c->message, 0);
	timer_init(&c->soon, s->loop, work_now, c);
	uv_poll_init(loop_uv(s->loop), &c->poll, fd);
	if (s->ctx) {
		c->ssl = SSL_new(s->ctx);
		SSL_set_fd(c->ssl, fd);
		SSL_set_accept_state(c->ssl);
		c->tls_wants_read = true;
	}
	DL_PREPEND(s->conns, c);
	if (s->n_conns++ == 0)
		timer_start_every(&s->sweep, SWEEP_MS);
	http_conn_set_deadline(c, s->config.head_timeout_ms);
	http_conn_update_poll(c);
}
