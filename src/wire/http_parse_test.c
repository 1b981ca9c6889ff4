/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "base/text.h"
#include "wire/http_parse.h"

#include <stdio.h>
#include <string.h>

static char bytes[20000];
static struct http_head head;

static int parse(const char *text)
{
	text_copy(bytes, sizeof(bytes), text);
	return http_parse_head(bytes, strlen(text), &head);
}

TEST(http_reads_a_whole_request)
{
	CHECK_INT(parse("GET /a%20b?x=1&y=a+b HTTP/1.1\r\nHost: h\r\nRange:  bytes=0-1 \r\n\r\n"),
	          0);
	CHECK_INT(head.method, HTTP_GET);
	CHECK_STR(head.path, "/a b");
	CHECK_STR(head.query, "x=1&y=a+b");
	CHECK_STR(http_header(&head, "range"), "bytes=0-1");
	CHECK(head.keeps_alive);

	char y[8];

	CHECK_INT(http_query_get(head.query, "y", y, sizeof(y)), 1);
	CHECK_STR(y, "a b");
	CHECK_INT(http_query_get(head.query, "z", y, sizeof(y)), 0);
	CHECK_INT(http_query_get("y=%zz", "y", y, sizeof(y)), -1);
	CHECK_INT(http_query_get("y=12345678", "y", y, sizeof(y)), -1);
}

TEST(http_finds_the_end_of_a_head_across_reads)
{
	CHECK_INT(http_head_end("GET / HTTP/1.1\r\n\r", 17, 0), 0);
	CHECK_INT(http_head_end("GET / HTTP/1.1\r\n\r\n", 18, 17), 18);
}

TEST(http_refuses_what_two_readers_could_read_in_two_ways)
{
	CHECK_INT(parse("GET / HTTP/1.1\r\n\r\n"), 400);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
	                "Content-Length: 2\r\n\r\n"),
	          400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"), 400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n"), 400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 501);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
	CHECK_INT(parse("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
	CHECK_INT(parse("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
	CHECK_INT(parse("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	CHECK_INT(parse("GET /"), 400);
}

TEST(http_keeps_paths_below_the_root)
{
	static const char *const bad[] = {
		"/../etc/passwd",
		"/%2e%2e/etc/passwd",
		"/a/..",
		"/a/%2E./b",
		"/a%00b",
		"/a%0ab",
		"/a\\..\\b",
		"a",
		"*",
		"/%",
		"/%4",
		"/%zz",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[200];

		snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", bad[i]);
		CHECK_INT(parse(text), 400);
	}
	CHECK_INT(parse("GET /a..b/...c HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	CHECK_INT(parse("GET http://h:8/x HTTP/1.1\r\nHost: a\r\n\r\n"), 0);
	CHECK_STR(head.path, "/x");
	CHECK_INT(parse("GET /%41 HTTP/1.0\r\n\r\n"), 0);
	CHECK_STR(head.path, "/A");
	CHECK(!head.keeps_alive);
}

TEST(http_limits_targets_and_headers)
{
	static char text[20000];
	size_t n = (size_t)snprintf(text, sizeof(text), "GET /");

	memset(text + n, 'a', 5000);
	snprintf(text + n + 5000, 100, " HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK_INT(parse(text), 414);

	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\n");
	for (int i = 0; i < HTTP_MAX_HEADERS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "X: y\r\n");
	snprintf(text + n, sizeof(text) - n, "\r\n");
	CHECK_INT(parse(text), 431);
}

TEST(http_reads_single_ranges_and_ignores_the_rest)
{
	uint64_t from = 9, to = 9;

	CHECK_INT(http_parse_range("bytes=0-99", 1000, &from, &to), 1);
	CHECK(from == 0 && to == 99);
	CHECK_INT(http_parse_range("bytes=900-", 1000, &from, &to), 1);
	CHECK(from == 900 && to == 999);
	CHECK_INT(http_parse_range("bytes=-100", 1000, &from, &to), 1);
	CHECK(from == 900 && to == 999);
	CHECK_INT(http_parse_range("bytes=-5000", 1000, &from, &to), 1);
	CHECK(from == 0 && to == 999);
	CHECK_INT(http_parse_range("bytes=500-5000", 1000, &from, &to), 1);
	CHECK(from == 500 && to == 999);
	CHECK_INT(http_parse_range("bytes=1000-", 1000, &from, &to), -1);
	CHECK_INT(http_parse_range("bytes=-0", 1000, &from, &to), -1);
	CHECK_INT(http_parse_range("bytes=0-", 0, &from, &to), -1);
	CHECK_INT(http_parse_range("bytes=0-1,5-6", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("bytes=5-1", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("lines=0-1", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("bytes=-", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("bytes=99999999999999999999-", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range(NULL, 1000, &from, &to), 0);
}

TEST(http_reads_cookies_tags_and_encodings)
{
	char value[8] = "same";

	CHECK(http_cookie_get("a=1; b=22;c=3", "b", value, sizeof(value)));
	CHECK_STR(value, "22");
	CHECK(!http_cookie_get("ab=1", "b", value, sizeof(value)));
	CHECK(!http_cookie_get("b=12345678", "b", value, sizeof(value)));
	CHECK_STR(value, "22");
	CHECK(http_etag_matches("\"a\", W/\"b\"", "\"b\""));
	CHECK(http_etag_matches("*", "\"b\""));
	CHECK(!http_etag_matches("\"ab\"", "\"b\""));
	CHECK(http_accepts_gzip("br, gzip;q=0.5"));
	CHECK(http_accepts_gzip("gzip"));
	CHECK(!http_accepts_gzip("gzip;q=0, br"));
	CHECK(!http_accepts_gzip("gzip;q=0.000"));
	CHECK(!http_accepts_gzip("xgzip"));
	CHECK(!http_accepts_gzip(NULL));
}

TEST(http_knows_a_websocket_request)
{
	CHECK_INT(parse("GET /live HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
	                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
	          0);
	CHECK(head.wants_websocket);
	CHECK_INT(parse("GET /live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
	                "Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
	                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"),
	          0);
	CHECK(!head.wants_websocket);
}

TEST(ws_reads_what_a_client_may_send)
{
	/* RFC 6455 §5.7: a masked "Hello". */
	uint8_t hello[] = { 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58 };
	struct ws_frame f;

	for (size_t n = 0; n < 6; n++)
		CHECK_INT(ws_parse_head(hello, n, &f), 0);
	CHECK_INT(ws_parse_head(hello, sizeof(hello), &f), 6);
	CHECK(f.is_final && f.opcode == WS_TEXT && f.size == 5);
	ws_unmask(hello + 6, 5, f.mask);
	CHECK(memcmp(hello + 6, "Hello", 5) == 0);
}

TEST(ws_refuses_what_a_client_may_not_send)
{
	static const uint8_t bad[][14] = {
		{ 0x81, 0x05 },             /* unmasked */
		{ 0xc1, 0x85 },             /* reserved bit */
		{ 0x83, 0x85 },             /* unknown opcode */
		{ 0x8b, 0x85 },             /* unknown control frame */
		{ 0x08, 0x85 },             /* a control frame in pieces */
		{ 0x89, 0xfe, 0x00, 0x7e }, /* a long control frame */
		{ 0x81, 0xfe, 0x00, 0x05 }, /* not the shortest length */
		{ 0x81, 0xff, 0x80 },       /* a negative length */
	};
	struct ws_frame f;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(ws_parse_head(bad[i], sizeof(bad[i]), &f), -1);
}

TEST(ws_writes_heads_of_all_three_lengths)
{
	uint8_t dst[WS_HEAD_MAX];

	CHECK_INT(ws_write_head(dst, WS_TEXT, 5), 2);
	CHECK_INT(dst[1], 5);
	CHECK_INT(ws_write_head(dst, WS_TEXT, 300), 4);
	CHECK_INT(dst[2] * 256 + dst[3], 300);
	CHECK_INT(ws_write_head(dst, WS_TEXT, 70000), 10);
	CHECK_INT(dst[1], 127);
}
