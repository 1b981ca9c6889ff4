/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_conn.h"

#include "base/cleanup.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *text;
	} reasons[] = {
		{ 101, "Switching Protocols" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 302, "Found" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 416, "Range Not Satisfiable" },
		{ 422, "Unprocessable Content" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		if (reasons[i].status == status)
			return reasons[i].text;
	}
	return "Status";
}

void http_date_text(char dst[40], int64_t wall_ms)
{
	static const char days[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
		                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	gmtime_r(&t, &tm);
	snprintf(dst, 40, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday % 7], tm.tm_mday,
	         months[tm.tm_mon % 12], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void http_reply_write_headers(struct buf *b, const struct http_reply *reply)
{
	if (reply->type)
		buf_printf(b, "Content-Type: %s\r\n", reply->type);
	buf_printf(b, "Cache-Control: %s\r\n", reply->cache ? reply->cache : "no-store");
	if (reply->etag)
		buf_printf(b, "ETag: %s\r\n", reply->etag);
	for (size_t i = 0; i < reply->n_headers; i++) {
		/* A header made of foreign text could otherwise become two. */
		assert(!strpbrk(reply->headers[i].value, "\r\n"));
		buf_printf(b, "%s: %s\r\n", reply->headers[i].name, reply->headers[i].value);
	}
}

struct http_bytes *http_reply_head(struct http_conn *c, const struct http_reply *reply,
                                   int64_t length)
{
	auto_buf struct buf b;
	char date[40];

	buf_init(&b, 0);
	buf_printf(&b, "HTTP/1.1 %d %s\r\n", reply->status, reason(reply->status));
	http_date_text(date, loop_wall_ms(c->server->loop));
	buf_printf(&b, "Date: %s\r\n", date);
	http_reply_write_headers(&b, reply);
	if (length >= 0 && reply->status != 204 && reply->status != 304)
		buf_printf(&b, "Content-Length: %lld\r\n", (long long)length);
	if (c->closes_after)
		buf_add_str(&b, "Connection: close\r\n");
	else if (c->request && c->request->head.minor == 0)
		buf_add_str(&b, "Connection: keep-alive\r\n");
	if (reply->other_headers)
		buf_add_str(&b, reply->other_headers);
	else if (c->server->headers)
		buf_add_str(&b, c->server->headers);
	buf_add_str(&b, "\r\n");
	return http_bytes_take(&b);
}

void http_reply_bytes(struct http_request *r, const struct http_reply *reply,
                      struct http_bytes *body)
{
	struct http_conn *c = r->conn;
	struct http_reply actual = *reply;
	const char *known = http_header(&r->head, "If-None-Match");

	if (reply->etag && reply->status == 200 && known && http_etag_matches(known, reply->etag))
		actual.status = 304;
	if (r->fake)
		http_request_fake_reply(r, &actual, body);
	if (!c) {
		http_bytes_unref(body);
		http_request_free(r);
		return;
	}
	c->closes_after |= !r->head.keeps_alive;
	http_conn_push(c, http_reply_head(c, &actual, body ? (int64_t)body->size : 0));
	if (body && actual.status != 304 && r->head.method != HTTP_HEAD)
		http_conn_push(c, body);
	else
		http_bytes_unref(body);
	c->phase = HTTP_PHASE_ANSWERING;
	http_request_free(r);
	http_conn_flush(c, false);
}
