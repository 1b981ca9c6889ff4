/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "wire/http_server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FILE_SIZE 3000000u

/* A server on the test's thread and a client that may block on another one. */
struct rig {
	struct loop *loop;
	struct work_pool *pool;
	struct http_server *server;
	struct timer later;
	struct http_request *waiting;
	struct http_channel *channel;
	struct buf heard;
	unsigned n_closed, n_asked;
	int gone[2]; /* a pipe: a byte when the channel was closed */
	size_t queued_max;
	int hangs_up; /* a client's socket, closed with a reset before the answer; 0 none */
	unsigned n_refused;
	bool is_answering; /* inside answer_later() */
	bool is_late;      /* WebSockets are answered in a later turn */
	char file[300];
	void (*talk)(struct rig *r);
	pthread_t client;
};

static struct http_bytes *text_bytes(const char *s)
{
	return http_bytes_new(s, strlen(s));
}

static void open_websocket(struct rig *r, struct http_request *req);

static void answer_later(void *arg)
{
	struct rig *r = arg;
	struct http_reply ok = { .status = 200, .type = "text/plain" };

	if (http_request_head(r->waiting)->wants_websocket) {
		open_websocket(r, STEAL_PTR(r->waiting));
		return;
	}
	r->is_answering = true;
	http_reply_bytes(STEAL_PTR(r->waiting), &ok, text_bytes("late"));
	r->is_answering = false;
}

static void channel_message(void *arg, const char *text, size_t size)
{
	struct rig *r = arg;
	auto_free char *copy = mem_dup(text, size + 1);
	struct http_bytes *rest = text_bytes(copy);

	http_channel_send_text(r->channel, "echo ", 5, rest);
	http_bytes_unref(rest);
}

static void channel_closed(void *arg)
{
	struct rig *r = arg;

	r->channel = NULL;
	r->n_closed++;
	(void)!write(r->gone[1], "x", 1);
}

static void flood(struct rig *r)
{
	static const uint8_t block[100000];
	struct http_bytes *b = http_bytes_wrap(block, sizeof(block), NULL, NULL);

	/* As the live view does it: nothing new while the last is not gone. */
	for (int i = 0; i < 1000 && r->channel; i++) {
		if (http_channel_queued(r->channel) == 0)
			http_channel_send(r->channel, &b, 1);
		if (r->channel && http_channel_queued(r->channel) > r->queued_max)
			r->queued_max = http_channel_queued(r->channel);
	}
	http_bytes_unref(b);
}

static void hang_up(struct rig *r)
{
	struct linger at_once = { .l_onoff = 1 };

	if (!r->hangs_up)
		return;
	(void)setsockopt(r->hangs_up, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	(void)close(r->hangs_up);
	r->hangs_up = 0;
}

static void open_websocket(struct rig *r, struct http_request *req)
{
	struct http_channel_events ev = { .message = channel_message,
		                          .closed = channel_closed,
		                          .arg = r };

	r->channel = http_reply_websocket(req, &ev);
	r->n_refused += !r->channel;
}

static void asked(void *arg, struct http_request *req)
{
	struct rig *r = arg;
	const struct http_head *h = http_request_head(req);
	struct http_reply ok = { .status = 200, .type = "text/plain" };
	struct http_channel_events ev = { .message = channel_message,
		                          .closed = channel_closed,
		                          .arg = r };
	size_t size;
	const char *body = http_request_body(req, &size);

	CHECK(!r->is_answering);
	r->n_asked++;
	if (strcmp(h->path, "/late") != 0)
		hang_up(r);
	if (strcmp(h->path, "/late") == 0 || (r->is_late && h->wants_websocket)) {
		r->waiting = req;
		timer_start(&r->later, 20);
	} else if (strcmp(h->path, "/file") == 0) {
		http_reply_file(req, &ok, r->file, "{}");
	} else if (strcmp(h->path, "/missing") == 0) {
		http_reply_file(req, &ok, "/nowhere/at/all", "{\"gone\":1}");
	} else if (strcmp(h->path, "/stream") == 0) {
		r->channel = http_reply_stream(req, &ok, &ev);
		r->n_refused += !r->channel;
		if (r->channel)
			flood(r);
	} else if (strcmp(h->path, "/fault") == 0) {
		r->channel = http_reply_stream(req, &ok, &ev);
		http_channel_abort(STEAL_PTR(r->channel));
	} else if (strcmp(h->path, "/ws") == 0 && h->wants_websocket) {
		open_websocket(r, req);
	} else {
		http_reply_bytes(req, &ok, http_bytes_new(body, size));
	}
}

static size_t body_limit(void *arg, const struct http_request *req)
{
	(void)arg;
	(void)req;
	return 1000;
}

static void *client_main(void *arg)
{
	struct rig *r = arg;

	r->talk(r);
	loop_stop(r->loop);
	return NULL;
}

static void write_file(struct rig *r)
{
	auto_free uint8_t *bytes = mem_new(FILE_SIZE);

	for (size_t i = 0; i < FILE_SIZE; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	snprintf(r->file, sizeof(r->file), "%s/film.mp4", test_tmp_dir());
	CHECK_INT(fs_write_atomic(r->file, bytes, FILE_SIZE, 0600, NULL), 0);
}

static void run(void (*talk)(struct rig *r), struct rig *r)
{
	struct http_server_config config = {
		.address = "127.0.0.1",
		.headers = "X-Content-Type-Options: nosniff\r\n",
		.body_limit = body_limit,
		.asked = asked,
		.arg = r,
		.head_timeout_ms = 300,
		.stall_timeout_ms = 300,
	};
	struct err err = { 0 };

	memset(r, 0, sizeof(*r));
	r->talk = talk;
	CHECK_INT(pipe(r->gone), 0);
	r->loop = loop_new();
	r->pool = work_pool_new(r->loop, "test", 1);
	config.pool = r->pool;
	timer_init(&r->later, r->loop, answer_later, r);
	write_file(r);
	CHECK_INT(http_server_new(r->loop, &config, &r->server, &err), 0);
	pthread_create(&r->client, NULL, client_main, r);
	loop_run(r->loop);
	pthread_join(r->client, NULL);
	timer_stop(&r->later);
	http_server_free(r->server);
	work_pool_free(r->pool);
	loop_free(r->loop);
	buf_fini(&r->heard);
	(void)close(r->gone[0]);
	(void)close(r->gone[1]);
}

static int dial(struct rig *r)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(http_server_port(r->server)),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends, then reads to the end of the connection. */
static const char *talk_raw(struct rig *r, const char *bytes, size_t size)
{
	int fd = dial(r);
	ssize_t n;
	char piece[8192];

	(void)!send(fd, bytes, size, MSG_NOSIGNAL);
	buf_clear(&r->heard);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		buf_add(&r->heard, piece, (size_t)n);
	(void)close(fd);
	return buf_peek(&r->heard);
}

static const char *say(struct rig *r, const char *text)
{
	return talk_raw(r, text, strlen(text));
}

static void talk_plainly(struct rig *r)
{
	const char *got = say(r, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

	CHECK(text_starts(got, "HTTP/1.1 200 OK\r\n"));
	CHECK(strstr(got, "X-Content-Type-Options: nosniff\r\n"));
	CHECK(strstr(got, "Content-Length: 0\r\n"));
	got = say(r, "GET /late HTTP/1.0\r\n\r\n");
	CHECK(text_ends(got, "\r\n\r\nlate"));
	got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
	             "hello");
	CHECK(text_ends(got, "\r\n\r\nhello"));
	got = say(r, "GET /missing HTTP/1.0\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 404 "));
	CHECK(text_ends(got, "{\"gone\":1}"));
}

TEST(http_server_answers_now_and_later)
{
	struct rig r;

	run(talk_plainly, &r);
}

static void talk_in_a_row(struct rig *r)
{
	const char *got =
		say(r, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /late HTTP/1.1\r\nHost: a\r\n"
	               "\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
	               "Connection: close\r\n\r\nend");
	const char *late = strstr(got, "late");

	CHECK(late);
	CHECK(strstr(late, "end"));
	CHECK_INT(r->n_asked, 3);
}

TEST(http_server_answers_requests_sent_in_a_row_in_order)
{
	struct rig r;

	run(talk_in_a_row, &r);
}

static void talk_to_a_fault(struct rig *r)
{
	static const char ask[] = "GET /fault HTTP/1.1\r\nHost: a\r\n\r\n";
	int fd = dial(r);
	char piece[4096];
	ssize_t n;

	CHECK(send(fd, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		;
	CHECK(n < 0 && errno == ECONNRESET);
	CHECK_INT(r->n_closed, 0);
	(void)close(fd);
}

TEST(http_server_resets_the_connection_of_an_answer_that_fails)
{
	struct rig r;

	run(talk_to_a_fault, &r);
}

static void talk_in_chunks(struct rig *r)
{
	char text[200];
	const char *got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	                         "3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n"
	                         "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");

	CHECK(strstr(got, "\r\n\r\nhelloHTTP/1.1 200 "));
	CHECK_INT(r->n_asked, 2);
	got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	             "5\r\nhelloGET /late HTTP/1.1\r\nHost: a\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 400 "));
	CHECK(!strstr(got, "late"));
	/* One byte above the limit, in the second chunk. */
	snprintf(text, sizeof(text),
	         "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	         "1\r\nx\r\n%x\r\n",
	         1000);
	{
		static char big[1300];

		memset(big, 'y', sizeof(big));
		memcpy(big, text, strlen(text));
		CHECK(text_starts(talk_raw(r, big, sizeof(big)), "HTTP/1.1 413 "));
	}
	got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	             "Content-Length: 3\r\n\r\n0\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 400 "));
	/* A body that stops is not waited for. */
	got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe");
	CHECK(text_starts(got, "HTTP/1.1 408 "));
	got = say(r, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	             "Expect: 100-continue\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 100 Continue\r\n\r\n"));
	CHECK_INT(r->n_asked, 2);
}

TEST(http_server_takes_bodies_in_chunks_with_the_same_limits)
{
	struct rig r;

	run(talk_in_chunks, &r);
}

/* Empty lines, one after the other, for as long as they are taken. */
static void talk_of_nothing(struct rig *r)
{
	int fd = dial(r);
	unsigned n = 0;
	char byte;

	while (n < 3000 && recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN) {
		(void)!send(fd, "\r\n", 2, MSG_NOSIGNAL);
		(void)poll(NULL, 0, 20);
		n++;
	}
	CHECK(n < 3000);
	(void)close(fd);
}

TEST(http_server_does_not_wait_longer_for_a_head_of_empty_lines)
{
	struct rig r;

	run(talk_of_nothing, &r);
	CHECK_INT(r.n_asked, 0);
}

static void talk_nonsense(struct rig *r)
{
	static char big[HTTP_MAX_HEAD + 100];

	CHECK(text_starts(say(r, "nonsense\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(text_starts(say(r, "GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 "));
	CHECK(text_starts(say(r, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"),
	                  "HTTP/1.1 413 "));
	memset(big, 'a', sizeof(big));
	CHECK(text_starts(talk_raw(r, big, sizeof(big)), "HTTP/1.1 431 "));
	/* Half a head, then silence. */
	CHECK(text_starts(say(r, "GET / HTTP/1.1\r\nHo"), "HTTP/1.1 408 "));
	CHECK_STR(say(r, ""), "");
	CHECK_INT(r->n_asked, 0);
}

TEST(http_server_refuses_nonsense_and_closes_the_silent)
{
	struct rig r;

	run(talk_nonsense, &r);
}

static const char *get_range(struct rig *r, const char *range, const char *more)
{
	char text[300];

	snprintf(text, sizeof(text),
	         "GET /file HTTP/1.1\r\nHost: a\r\nRange: %s\r\n%sConnection: "
	         "close\r\n\r\n",
	         range, more);
	return say(r, text);
}

static void talk_files(struct rig *r)
{
	const char *got = say(r, "GET /file HTTP/1.0\r\n\r\n");
	const char *body = strstr(got, "\r\n\r\n") + 4;
	char tag[80] = "", with[200];

	CHECK_INT(r->heard.size - (size_t)(body - got), FILE_SIZE);
	CHECK_INT((uint8_t)body[2999999], (uint8_t)(2999999u * 7 + 2999999u / 251));
	TEXT_SET(tag, strstr(got, "ETag: ") + 6);
	*strchr(tag, '\r') = '\0';

	got = get_range(r, "bytes=1000-1999", "");
	CHECK(text_starts(got, "HTTP/1.1 206 "));
	CHECK(strstr(got, "Content-Range: bytes 1000-1999/3000000\r\n"));
	body = strstr(got, "\r\n\r\n") + 4;
	CHECK_INT(r->heard.size - (size_t)(body - got), 1000);
	CHECK_INT((uint8_t)body[0], (uint8_t)(1000 * 7 + 1000 / 251));
	CHECK(text_starts(get_range(r, "bytes=3000000-", ""), "HTTP/1.1 416 "));
	CHECK(strstr(buf_peek(&r->heard), "Content-Range: bytes */3000000\r\n"));
	snprintf(with, sizeof(with), "If-Range: %s\r\n", tag);
	CHECK(text_starts(get_range(r, "bytes=0-9", with), "HTTP/1.1 206 "));
	CHECK(text_starts(get_range(r, "bytes=0-9", "If-Range: \"old\"\r\n"), "HTTP/1.1 200 "));
	snprintf(with, sizeof(with), "If-None-Match: %s\r\n", tag);
	CHECK(text_starts(get_range(r, "bytes=0-9", with), "HTTP/1.1 304 "));
	CHECK(text_starts(get_range(r, "bytes=0-9", "If-Match: \"old\"\r\n"), "HTTP/1.1 412 "));
	snprintf(with, sizeof(with), "If-Match: %s\r\n", tag);
	got = get_range(r, "bytes=0-1", with);
	CHECK(text_starts(got, "HTTP/1.1 206 "));
	CHECK(strstr(got, "Content-Range: bytes 0-1/3000000\r\n"));
	CHECK_INT(r->heard.size - (size_t)(strstr(got, "\r\n\r\n") + 4 - got), 2);
	CHECK(text_starts(get_range(r, "bytes=0-1,4-5", ""), "HTTP/1.1 200 "));
	got = say(r, "HEAD /file HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\n"
	             "Connection: close\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 200 "));
	CHECK(strstr(got, "Content-Length: 3000000\r\n"));
	got = say(r, "HEAD /stream HTTP/1.0\r\n\r\n");
	CHECK(text_starts(got, "HTTP/1.1 200 "));
	CHECK(!strstr(got, "Content-Length"));
	got = say(r, "HEAD /file HTTP/1.0\r\n\r\n");
	CHECK(strstr(got, "Content-Length: 3000000\r\n"));
	CHECK(text_ends(got, "\r\n\r\n"));
}

TEST(http_server_sends_files_and_parts_of_files)
{
	struct rig r;

	run(talk_files, &r);
}

static void read_all(int fd, char *dst, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = recv(fd, dst + got, size - got, 0);

		CHECK(n > 0);
		got += (size_t)n;
	}
}

static void talk_websocket(struct rig *r)
{
	static const char ask[] = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
				  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
				  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
	/* "Hello" in two pieces, a ping between them, then close. */
	static const uint8_t frames[] = { 0x01, 0x82, 0,   0,   0,    0,    'H',  'e', 0x89, 0x81,
		                          0,    0,    0,   0,   'p',  0x80, 0x83, 0,   0,    0,
		                          0,    'l',  'l', 'o', 0x88, 0x80, 0,    0,   0,    0 };
	static const uint8_t answers[] = { 0x8a, 0x01, 'p', 0x81, 0x0a, 'e', 'c',  'h', 'o',
		                           ' ',  'H',  'e', 'l',  'l',  'o', 0x88, 0x00 };
	int fd = dial(r);
	char got[sizeof(answers)];
	char head[129] = "";

	(void)!send(fd, ask, sizeof(ask) - 1, 0);
	read_all(fd, head, 129 - 0 - 0);
	/* RFC 6455 §1.3 has this key and its answer. */
	CHECK(memmem(head, 129, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n", 54));
	(void)!send(fd, frames, sizeof(frames), 0);
	read_all(fd, got, sizeof(got));
	CHECK(memcmp(got, answers, sizeof(got)) == 0);
	CHECK_INT(recv(fd, got, 1, 0), 0);
	(void)close(fd);
}

TEST(http_server_speaks_websocket)
{
	struct rig r;

	run(talk_websocket, &r);
	CHECK_INT(r.n_closed, 1);
}

static const char ws_ask[] = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
			     "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
			     "Sec-WebSocket-Extensions: permessage-deflate\r\n"
			     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* Frames that come with the request, and what the server says before it hangs up. */
static void ws_says(struct rig *r, const char *frames, size_t size, const char *answer,
                    size_t answer_size)
{
	char text[6000];
	size_t n = sizeof(ws_ask) - 1;

	memcpy(text, ws_ask, n);
	memcpy(text + n, frames, size);
	(void)talk_raw(r, text, n + size);

	const char *end = memmem(r->heard.data, r->heard.size, "\r\n\r\n", 4);

	CHECK(end);
	CHECK(!memmem(r->heard.data, r->heard.size, "Sec-WebSocket-Extensions", 24));

	size_t got = r->heard.size - (size_t)(end + 4 - r->heard.data);

	CHECK_INT(got, answer_size);
	CHECK(memcmp(end + 4, answer, answer_size) == 0);
}

#define WS_SAYS(r, frames, answer) \
	ws_says(r, frames, sizeof(frames) - 1, answer, sizeof(answer) - 1)
#define ZERO_MASK "\0\0\0\0"

static void talk_bad_websocket(struct rig *r)
{
	/* A good one first: text that came with the request is answered, the close with its code. */
	WS_SAYS(r, "\x81\x82" ZERO_MASK "hi\x88\x82" ZERO_MASK "\x03\xe8",
	        "\x81\x07"
	        "echo hi\x88\x02\x03\xe8");
	/* Pings that come together have one answer: to the last of them. */
	WS_SAYS(r,
	        "\x89\x81" ZERO_MASK "1\x89\x81" ZERO_MASK "2\x81\x81" ZERO_MASK
	        "x\x88\x80" ZERO_MASK,
	        "\x8a\x01"
	        "2\x81\x06"
	        "echo x\x88\x00");
	WS_SAYS(r, "\x81\x02hi", "\x88\x02\x03\xea");             /* unmasked */
	WS_SAYS(r, "\xc1\x81" ZERO_MASK "x", "\x88\x02\x03\xea"); /* deflated */
	WS_SAYS(r, "\x80\x81" ZERO_MASK "x", "\x88\x02\x03\xea"); /* the rest of none */
	WS_SAYS(r, "\x01\x81" ZERO_MASK "x\x81\x81" ZERO_MASK "y", "\x88\x02\x03\xea");
	WS_SAYS(r, "\x82\x81" ZERO_MASK "x", "\x88\x02\x03\xeb");     /* binary */
	WS_SAYS(r, "\x81\x81" ZERO_MASK "\xff", "\x88\x02\x03\xef");  /* no UTF-8 */
	WS_SAYS(r, "\x81\xfe\x10\x01" ZERO_MASK, "\x88\x02\x03\xf1"); /* 4097 bytes */
	WS_SAYS(r, "\x88\x81" ZERO_MASK "\x03", "\x88\x02\x03\xea");  /* half a code */
}

TEST(http_server_says_why_it_ends_a_websocket)
{
	struct rig r;

	run(talk_bad_websocket, &r);
	CHECK_INT(r.n_closed, 10);
}

static void talk_to_a_late_websocket(struct rig *r)
{
	r->is_late = true;
	WS_SAYS(r, "\x81\x82" ZERO_MASK "hi\x88\x80" ZERO_MASK,
	        "\x81\x07"
	        "echo hi\x88\x00");
}

TEST(http_server_reads_frames_that_came_before_its_late_answer)
{
	struct rig r;

	run(talk_to_a_late_websocket, &r);
	CHECK_INT(r.n_closed, 1);
}

static void talk_stalled(struct rig *r)
{
	int fd = dial(r);
	static char piece[100000];
	size_t total = 0;
	ssize_t n;

	(void)!send(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n", 33, 0);
	CHECK_INT(read(r->gone[0], piece, 1), 1); /* reads nothing until it was given up */
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		total += (size_t)n;
	CHECK(total > 100000);
	(void)close(fd);
}

TEST(http_server_bounds_and_closes_a_stalled_viewer)
{
	struct rig r;

	run(talk_stalled, &r);
	CHECK_INT(r.n_closed, 1);
	CHECK(r.queued_max <= 200000);
}

static void hang_up_on(struct rig *r, const char *request)
{
	r->hangs_up = dial(r);
	(void)!send(r->hangs_up, request, strlen(request), 0);
	/* Turns of the loop, in which the connection is taken down. */
	CHECK(text_ends(say(r, "GET /late HTTP/1.0\r\n\r\n"), "late"));
	CHECK(text_ends(say(r, "GET /late HTTP/1.0\r\n\r\n"), "late"));
}

static void talk_and_run(struct rig *r)
{
	hang_up_on(r, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	hang_up_on(r, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
	              "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
}

TEST(http_server_calls_nothing_of_a_channel_it_did_not_open)
{
	struct rig r;

	run(talk_and_run, &r);
	CHECK_INT(r.n_refused, 2);
	CHECK_INT(r.n_closed, 0);
}
