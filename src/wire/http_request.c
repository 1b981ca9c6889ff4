/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BODY_TIMEOUT_MS INT64_C(120000)

struct http_request *http_request_new(const char *bytes, size_t size, int *ret_status)
{
	struct http_request *r = MEM_NEW(struct http_request);

	r->head_bytes = mem_new(size + 1);
	memcpy(r->head_bytes, bytes, size);
	buf_init(&r->body, 0);
	*ret_status = http_parse_head(r->head_bytes, size, &r->head);
	return r;
}

void http_request_free(struct http_request *r)
{
	if (r->conn)
		r->conn->request = NULL;
	free(r->head_bytes);
	buf_fini(&r->body);
	free(r);
}

void http_request_refuse(struct http_conn *c, int status)
{
	struct http_server *s = c->server;
	struct http_reply reply = { .status = status, .type = "application/json" };
	char text[512] = "";

	if (s->config.error_body)
		s->config.error_body(text, status);
	c->closes_after = true;
	http_conn_push(c, http_reply_head(c, &reply, (int64_t)strlen(text)));
	http_conn_push(c, http_bytes_new(text, strlen(text)));
	if (c->request) {
		c->request->conn = NULL;
		http_request_free(STEAL_PTR(c->request));
	}
	c->phase = HTTP_PHASE_ANSWERING;
	http_conn_flush(c, false);
}

static void ask(struct http_conn *c)
{
	struct http_server *s = c->server;

	c->phase = HTTP_PHASE_ASKED;
	s->config.asked(s->config.arg, c->request);
}

bool http_request_read_head(struct http_conn *c)
{
	struct http_server *s = c->server;

	/* Empty lines before a request are to be forgiven (RFC 9112 §2.2). */
	while (c->in.size >= 2 && memcmp(c->in.data, "\r\n", 2) == 0)
		buf_consume(&c->in, 2);

	size_t n = c->in.size ? http_head_end(c->in.data, c->in.size, c->looked) : 0;

	if (n == 0 || n > HTTP_MAX_HEAD) {
		c->looked = c->in.size;
		if (c->in.size >= HTTP_MAX_HEAD)
			http_request_refuse(c, 431);
		return false;
	}

	int status;
	struct http_request *r = http_request_new(c->in.data, n, &status);

	buf_consume(&c->in, n);
	c->looked = 0;
	r->conn = c;
	r->is_tls = c->ssl;
	TEXT_SET(r->address, c->address);
	c->request = r;
	if (status) {
		http_request_refuse(c, status);
		return true;
	}
	r->body_max = s->config.body_limit(s->config.arg, r);
	if (r->head.content_length > r->body_max) {
		http_request_refuse(c, 413);
		return true;
	}
	if (r->head.wants_continue && (r->head.content_length > 0 || r->head.is_chunked) &&
	    c->in.size == 0) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

		http_conn_push(c, http_bytes_wrap(go_on, sizeof(go_on) - 1, NULL, NULL));
	}
	c->phase = HTTP_PHASE_BODY;
	http_conn_set_deadline(c, s->config.head_timeout_ms);
	c->body_deadline_us = loop_now_us(s->loop) + BODY_TIMEOUT_MS * 1000;
	if (c->n_out > 0)
		http_conn_flush(c, false);
	return true;
}

/* What has come of a body in chunks. 1: it is whole; 0: more is needed; or a status. */
static int read_chunks(struct http_conn *c)
{
	struct http_request *r = c->request;
	int rc = 0;

	while (rc == 0 && c->in.size > 0) {
		const char *piece;
		size_t n, used = 0;

		rc = http_chunks_read(&r->chunks, c->in.data, c->in.size, &used, &piece, &n);
		if (rc > 1)
			return rc;
		if (n > r->body_max - r->body.size)
			return 413;
		if (n > 0)
			buf_add(&r->body, piece, n);
		buf_consume(&c->in, used);
	}
	return rc;
}

static bool read_chunked_body(struct http_conn *c)
{
	int rc = read_chunks(c);

	if (rc == 0)
		return false;
	if (rc == 1)
		ask(c);
	else
		http_request_refuse(c, rc);
	return true;
}

bool http_request_read_body(struct http_conn *c)
{
	struct http_request *r = c->request;

	if (r->head.is_chunked)
		return read_chunked_body(c);

	size_t left = (size_t)r->head.content_length - r->body.size;
	size_t n = MIN(left, c->in.size);

	if (n > 0) {
		buf_add(&r->body, c->in.data, n);
		buf_consume(&c->in, n);
	}
	if (n < left)
		return false;
	ask(c);
	return true;
}

void http_request_fake_reply(struct http_request *r, const struct http_reply *reply,
                             const struct http_bytes *body)
{
	struct http_answer *a = r->fake;
	auto_buf struct buf b;

	buf_init(&b, 0);
	http_reply_write_headers(&b, reply);
	assert(!a->is_answered);
	a->is_answered = true;
	a->status = reply->status;
	TEXT_SET(a->head, buf_peek(&b));
	if (body && r->head.method != HTTP_HEAD) {
		a->body = mem_new(body->size + 1);
		memcpy(a->body, body->data, body->size);
		a->size = body->size;
	}
}

/* ---- requests ---- */

const struct http_head *http_request_head(const struct http_request *r)
{
	return &r->head;
}

const char *http_request_body(const struct http_request *r, size_t *ret_size)
{
	*ret_size = r->body.size;
	return buf_peek(&r->body);
}

const char *http_request_address(const struct http_request *r)
{
	return r->address;
}

bool http_request_is_tls(const struct http_request *r)
{
	return r->is_tls;
}

struct http_request *http_request_fake(const char *raw, size_t size, const char *address,
                                       struct http_answer *ret)
{
	size_t n = http_head_end(raw, size, 0);
	int status = 400;

	*ret = (struct http_answer){ 0 };
	if (n == 0)
		return NULL;

	struct http_request *r = http_request_new(raw, n, &status);

	if (status) {
		http_request_free(r);
		ret->status = status;
		return NULL;
	}
	buf_add(&r->body, raw + n, size - n);
	TEXT_SET(r->address, address);
	r->fake = ret;
	return r;
}

void http_answer_fini(struct http_answer *a)
{
	free(a->body);
	*a = (struct http_answer){ 0 };
}
