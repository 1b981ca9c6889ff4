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
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
	                "Transfer-Encoding: chunked\r\n\r\n"),
	          400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	                "Transfer-Encoding: chunked\r\n\r\n"),
	          400);
	CHECK_INT(parse("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n"), 400);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
	          501);
	CHECK_INT(
		parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"),
		501);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"), 501);
	CHECK_INT(parse("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"), 0);
	CHECK(head.is_chunked && !head.has_length);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n"), 400);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), 400);
	CHECK_INT(parse("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"), 400);
	CHECK_INT(parse("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), 501);
	CHECK_INT(parse("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
	CHECK_INT(parse("GET  / HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
	CHECK_INT(parse("GET /"), 400);
}

/* The body of `text` in chunks, fed in pieces of `step` bytes. A status, or 1 and 0. */
static int read_chunks(const char *text, size_t step, char *dst, size_t *ret_used)
{
	struct http_chunks c = { 0 };
	size_t size = strlen(text), at = 0, n_got = 0;
	int rc = 0;

	while (rc == 0 && at < size) {
		const char *piece;
		size_t n, used = 0;

		rc = http_chunks_read(&c, text + at, MIN(step, size - at), &used, &piece, &n);
		if (rc > 1)
			break;
		CHECK(used > 0 && n <= used);
		memcpy(dst + n_got, piece, n);
		n_got += n;
		at += used;
	}
	dst[n_got] = '\0';
	*ret_used = at;
	return rc;
}

TEST(http_reads_a_body_in_chunks_however_it_is_cut)
{
	static const char text[] = "5\r\nhello\r\n00A;name=\"v\"\r\n, my world\r\n0\r\n"
				   "X-Trailer: y\r\n\r\nNEXT";

	for (size_t step = 1; step < sizeof(text); step++) {
		char got[100];
		size_t used;

		CHECK_INT(read_chunks(text, step, got, &used), 1);
		CHECK_STR(got, "hello, my world");
		CHECK_STR(text + used, "NEXT");
	}
}

TEST(http_refuses_chunks_that_two_readers_could_read_in_two_ways)
{
	static const char *const bad[] = {
		"\r\nhello",
		"5\nhello\r\n0\r\n\r\n",
		"5\r\nhello\n0\r\n\r\n",
		"5\r\nhello0\r\n\r\n",
		"5\r\nhelloX\r\n0\r\n\r\n",
		"0x5\r\nhello\r\n",
		"+5\r\nhello\r\n",
		"-1\r\n",
		" 5\r\nhello\r\n",
		"5 \r\nhello\r\n",
		"5;a\nb\r\nhello\r\n",
		"5\rhello",
		"000000005\r\nhello\r\n",
		"fffffffff\r\n",
		"0\r\n folded\r\n\r\n",
		"0\r\nX: y\n\r\n",
		"0\r\n\rX",
	};
	char got[100];
	size_t used;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK_INT(read_chunks(bad[i], 1000, got, &used), 400);
		CHECK_INT(read_chunks(bad[i], 1, got, &used), 400);
	}

	static char text[HTTP_MAX_CHUNK_OVERHEAD + 100] = "5;";

	memset(text + 2, 'x', HTTP_MAX_CHUNK_OVERHEAD + 1);
	CHECK_INT(read_chunks(text, 500, got, &used), 431);
	memcpy(text, "0\r\n", 3);
	memset(text + 3, 'x', HTTP_MAX_CHUNK_OVERHEAD + 1);
	text[2] = '\n';
	CHECK_INT(read_chunks(text, 500, got, &used), 431);
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
	CHECK_INT(http_parse_range("bytes=99999999999999999999-", 1000, &from, &to), -1);
	CHECK_INT(http_parse_range("bytes=0-99999999999999999999", 1000, &from, &to), 1);
	CHECK(from == 0 && to == 999);
	CHECK_INT(http_parse_range("bytes=-99999999999999999999", 1000, &from, &to), 1);
	CHECK(from == 0 && to == 999);
	CHECK_INT(http_parse_range("bytes=0-1", 1000, &from, &to), 1); /* Safari's first question */
	CHECK(from == 0 && to == 1);
	CHECK_INT(http_parse_range("bytes=0-1 ", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("bytes=", 1000, &from, &to), 0);
	CHECK_INT(http_parse_range("bytes=1", 1000, &from, &to), 0);
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

TEST(ws_knows_which_closes_may_be_sent)
{
	CHECK_INT(ws_close_code((const uint8_t *)"", 0), 0);
	CHECK_INT(ws_close_code((const uint8_t *)"\x03", 1), 1002);
	CHECK_INT(ws_close_code((const uint8_t *)"\x03\xe8", 2), 1000);
	CHECK_INT(ws_close_code((const uint8_t *)"\x03\xe8"
	                                         "bye",
	                        5),
	          1000);
	CHECK_INT(ws_close_code((const uint8_t *)"\x03\xe8\xff", 3), 1002);
	CHECK_INT(ws_close_code((const uint8_t *)"\x03\xed", 2), 1002); /* 1005: not for the wire */
	CHECK_INT(ws_close_code((const uint8_t *)"\x0f\xa0", 2), 4000);
	CHECK_INT(ws_close_code((const uint8_t *)"\x00\x01", 2), 1002);
}

TEST(ws_knows_utf8)
{
	static const char *const good[] = {
		"", "plain", "Düse", "€", "\xf0\x9f\x96\xa8", "\xf4\x8f\xbf\xbf"
	};
	static const char *const bad[] = { "\x80",
		                           "\xc0\xaf",
		                           "\xe0\x80\x80",
		                           "\xed\xa0\x80",
		                           "\xf4\x90\x80\x80",
		                           "\xf0\x80\x80\x80",
		                           "\xe2\x82",
		                           "\xff",
		                           "a\xc3" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		CHECK(ws_is_utf8((const uint8_t *)good[i], strlen(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(!ws_is_utf8((const uint8_t *)bad[i], strlen(bad[i])));
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
