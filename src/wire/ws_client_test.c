/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ws_client.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/ws_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A server by hand at the other end of a memory pair. */
struct scene {
	struct loop *loop;
	struct stream *theirs;
	struct ws_client *client;
	struct buf heard; /* by the server */
	unsigned n_opened, n_messages, n_closed;
	enum ws_end end;
	struct err why;
	char text[64];
	size_t size;
	bool frees_on_message, is_client_gone;
};

static void server_opened(void *arg)
{
	(void)arg;
}

static void server_received(void *arg, const uint8_t *bytes, size_t size)
{
	buf_add(&((struct scene *)arg)->heard, bytes, size);
}

static void server_closed(void *arg, const struct err *err)
{
	(void)err;
	((struct scene *)arg)->is_client_gone = true;
}

static void on_opened(void *arg)
{
	((struct scene *)arg)->n_opened++;
}

static void on_message(void *arg, const char *text, size_t size)
{
	struct scene *s = arg;

	s->n_messages++;
	s->size = size;
	CHECK(text[size] == '\0');
	TEXT_SET(s->text, text);
	if (s->frees_on_message) {
		ws_client_free(s->client);
		s->client = NULL;
	}
}

static void on_closed(void *arg, enum ws_end end, const struct err *why)
{
	struct scene *s = arg;

	s->n_closed++;
	s->end = end;
	s->why = *why;
}

static void begin(struct scene *s)
{
	static const char *const headers[] = { "X-Api-Key: abc" };
	static const struct ws_client_config config = { .host = "octopi.local:5000",
		                                        .target = "/sockjs/websocket",
		                                        .headers = headers,
		                                        .n_headers = 1,
		                                        .max_message = 1000 };
	const struct stream_events e = { server_opened, server_received, NULL, server_closed, s };
	const struct ws_client_events ce = { on_opened, on_message, on_closed, s };
	struct stream *ours;

	*s = (struct scene){ .loop = loop_new_simulated(0) };
	buf_init(&s->heard, 0);
	stream_pair(s->loop, 1, &ours, &s->theirs);
	stream_listen(s->theirs, &e);
	s->client = ws_client_new(s->loop, ours, &config, &ce);
	loop_advance(s->loop, 10);
}

static void finish(struct scene *s)
{
	ws_client_free(s->client);
	stream_free(s->theirs);
	buf_fini(&s->heard);
	loop_free(s->loop);
}

static void say(struct scene *s, const void *bytes, size_t size)
{
	stream_write(s->theirs, bytes, size);
	loop_advance(s->loop, 10);
}

static void say_text(struct scene *s, const char *text)
{
	say(s, text, strlen(text));
}

static void accept_it(struct scene *s)
{
	const char *key = strstr(buf_peek(&s->heard), "Sec-WebSocket-Key: ");
	char text[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE];
	struct buf b;

	CHECK(key);
	text_copy_n(text, sizeof(text), key + 19, 24);
	ws_accept_key(accept, text);
	buf_init(&b, 0);
	buf_printf(&b,
	           "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n"
	           "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	           accept);
	buf_clear(&s->heard);
	say(s, b.data, b.size);
	buf_fini(&b);
}

TEST(ws_client_shakes_hands_and_hears_messages_in_pieces)
{
	struct scene s;

	begin(&s);
	CHECK(strstr(buf_peek(&s.heard), "GET /sockjs/websocket HTTP/1.1\r\n") == s.heard.data);
	CHECK(strstr(s.heard.data, "\r\nHost: octopi.local:5000\r\n"));
	CHECK(strstr(s.heard.data, "\r\nX-Api-Key: abc\r\n"));
	CHECK(!ws_client_send(s.client, "early", 5));
	accept_it(&s);
	CHECK_INT(s.n_opened, 1);
	CHECK_INT(ws_client_status(s.client), 101);
	say(&s, "\x01\x03hel", 5);
	CHECK_INT(s.n_messages, 0);
	say(&s, "\x89\x01!", 3); /* a ping in between */
	say(&s, "\x80\x02lo", 4);
	CHECK_STR(s.text, "hello");
	CHECK_INT(s.heard.size, 7); /* masked pong of one byte */
	CHECK((uint8_t)s.heard.data[0] == 0x8a && (uint8_t)s.heard.data[1] == 0x81);
	CHECK((s.heard.data[6] ^ s.heard.data[2]) == '!');
	finish(&s);
}

TEST(ws_client_masks_what_it_sends)
{
	struct scene s;
	struct ws_frame f;

	begin(&s);
	accept_it(&s);
	CHECK(ws_client_send(s.client, "{\"a\":1}", 7));
	loop_advance(s.loop, 10);

	int n = ws_parse_head((const uint8_t *)s.heard.data, s.heard.size, &f);

	CHECK(n == 6 && f.size == 7 && f.opcode == WS_TEXT && f.is_final);
	ws_unmask((uint8_t *)s.heard.data + n, 7, f.mask);
	CHECK(memcmp(s.heard.data + n, "{\"a\":1}", 7) == 0);
	finish(&s);
}

static void ends_with(const char *answer, enum ws_end end, const char *word)
{
	struct scene s;

	begin(&s);
	say_text(&s, answer);
	CHECK_INT(s.n_closed, 1);
	CHECK_INT(s.end, end);
	CHECK(strstr(s.why.text, word));
	finish(&s);
}

TEST(ws_client_says_what_a_server_is_that_is_none)
{
	ends_with("HTTP/1.1 404 Not Found\r\n\r\n", WS_END_REFUSED, "status 404");
	ends_with("HTTP/1.0 200 OK\r\n\r\n<html>", WS_END_REFUSED, "status 200");
	ends_with("SSH-2.0-OpenSSH\r\n\r\n", WS_END_NOT_HTTP, "not in HTTP");
	ends_with("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	          "Sec-WebSocket-Accept: bm9uc2Vuc2U=\r\n\r\n",
	          WS_END_REFUSED, "handshake is wrong");
}

TEST(ws_client_knows_where_a_redirection_leads)
{
	struct scene s;

	begin(&s);
	say_text(&s, "HTTP/1.1 302 Found\r\nLocation: https://octopi.local/x\r\n\r\n");
	CHECK_INT(ws_client_status(s.client), 302);
	CHECK_STR(ws_client_redirect(s.client), "https://octopi.local/x");
	finish(&s);
}

TEST(ws_client_refuses_messages_above_its_limit)
{
	static const uint8_t large[] = { 0x81, 127, 0, 0, 0, 0, 0x06, 0x40, 0, 0 }; /* 100 MB */
	static const uint8_t piece[] = { 0x01, 126, 0x03, 0x00 };
	char payload[768];
	struct scene s;

	begin(&s);
	accept_it(&s);
	say(&s, large, sizeof(large));
	CHECK(s.n_closed == 1 && s.end == WS_END_BROKEN && s.why.code == -EFBIG);
	finish(&s);

	memset(payload, 'x', sizeof(payload));
	begin(&s);
	accept_it(&s);
	for (unsigned i = 0; i < 2; i++) {
		say(&s, piece, sizeof(piece));
		say(&s, payload, sizeof(payload));
	}
	CHECK(s.n_closed == 1 && s.end == WS_END_BROKEN);
	finish(&s);
}

TEST(ws_client_ends_with_a_server_that_answers_no_ping)
{
	struct scene s;

	begin(&s);
	accept_it(&s);
	loop_advance(s.loop, 20500);
	CHECK(s.heard.size == 6 && (uint8_t)s.heard.data[0] == 0x89);
	say(&s, "\x8a\x00", 2);
	loop_advance(s.loop, 25000);
	CHECK_INT(s.n_closed, 0);
	loop_advance(s.loop, 20000);
	CHECK(s.n_closed == 1 && s.end == WS_END_LOST && s.why.code == -ETIMEDOUT);
	finish(&s);
}

TEST(ws_client_waits_ten_seconds_for_the_handshake)
{
	struct scene s;

	begin(&s);
	loop_advance(s.loop, 9000);
	CHECK_INT(s.n_closed, 0);
	loop_advance(s.loop, 2000);
	CHECK(s.n_closed == 1 && s.end == WS_END_UNREACHABLE);
	finish(&s);
}

TEST(ws_client_tells_why_the_server_closed)
{
	struct scene s;

	begin(&s);
	accept_it(&s);
	say(&s, "\x88\x06\x03\xe9gone", 8);
	CHECK(s.n_closed == 1 && s.end == WS_END_LOST);
	CHECK(strstr(s.why.text, "1001, gone"));
	finish(&s);
}

TEST(ws_client_may_be_freed_in_a_message)
{
	struct scene s;

	begin(&s);
	accept_it(&s);
	s.frees_on_message = true;
	say(&s,
	    "\x81\x01"
	    "a\x81\x01"
	    "b",
	    6);
	CHECK_INT(s.n_messages, 1);
	CHECK_INT(s.n_closed, 0);
	loop_advance(s.loop, 100);
	CHECK(s.is_client_gone);
	finish(&s);
}
