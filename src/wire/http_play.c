/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_play.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

struct http_play_conn {
	struct http_play *play;
	struct stream *stream;
	struct buf heard;
	struct http_play_conn *prev, *next; /* http_play.conns */
};

static void on_opened(void *arg)
{
	(void)arg;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct http_play_conn *c = arg;
	char *end;

	buf_add(&c->heard, bytes, size);
	while (c->heard.size > 0 && (end = strstr(c->heard.data, "\r\n\r\n"))) {
		end[2] = '\0';
		c->play->n_requests++;
		c->play->asked(c->play->arg, c, c->heard.data);
		buf_consume(&c->heard, (size_t)(end + 4 - c->heard.data));
	}
}

static void drop(struct http_play_conn *c)
{
	DL_DELETE(c->play->conns, c);
	stream_free(c->stream);
	buf_fini(&c->heard);
	free(c);
}

static void on_closed(void *arg, const struct err *err)
{
	struct http_play_conn *c = arg;

	(void)err;
	c->play->n_closed++;
	drop(c);
}

static void on_accepted(void *arg, struct stream *stream)
{
	struct http_play *p = arg;
	struct http_play_conn *c = MEM_NEW(struct http_play_conn);
	struct stream_events e = { on_opened, on_received, NULL, on_closed, c };

	c->play = p;
	buf_init(&c->heard, 0);
	p->n_connections++;
	DL_PREPEND(p->conns, c);
	c->stream = p->tls ? tls_server_accept(p->tls, p->loop, stream) : stream;
	c->stream->max_queued = (size_t)200 << 20;
	stream_listen(c->stream, &e);
}

void http_play_open(struct http_play *p, struct loop *l)
{
	struct err err = { 0 };

	p->loop = l;
	CHECK_INT(tcp_listener_open(l, "127.0.0.1", 0, &(struct tcp_accept){ on_accepted, p },
	                            &p->listener, &err),
	          0);
}

void http_play_close(struct http_play *p)
{
	struct http_play_conn *c, *next;

	DL_FOREACH_SAFE(p->conns, c, next)
	drop(c);
	tcp_listener_close(p->listener);
	p->listener = NULL;
}

void http_play_url(const struct http_play *p, const char *path, char *dst, size_t size)
{
	(void)snprintf(dst, size, "%s://127.0.0.1:%u%s", p->tls ? "https" : "http",
	               tcp_listener_port(p->listener), path);
}

void http_play_say(struct http_play_conn *c, const void *bytes, size_t size)
{
	stream_write(c->stream, bytes, size);
}

void http_play_answer(struct http_play_conn *c, const char *status, const char *headers,
                      const void *body, size_t size)
{
	char head[600];

	(void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status,
	               headers, size);
	stream_write(c->stream, head, strlen(head));
	if (size > 0)
		stream_write(c->stream, body, size);
}

void http_play_hang_up(struct http_play_conn *c)
{
	stream_end(c->stream);
}

struct http_play_conn *http_play_first(const struct http_play *p)
{
	return p->conns;
}
