/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/fetch.h"

#include "base/buf.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A server that answers whatever is asked with `answer`, over TLS if `tls` is set. */
struct server {
	struct loop *loop;
	struct tcp_listener *listener;
	struct tls_server *tls;
	struct stream *stream;
	char answer[400];
	bool is_mute;
	struct buf heard;
};

struct scene {
	struct server server;
	struct fetcher *fetcher;
	char dest[300], url[100];
	struct fetch_result result;
	unsigned n_done, n_progress;
	struct timer limit;
};

static void server_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct server *s = arg;

	buf_add(&s->heard, bytes, size);
	if (s->is_mute || !strstr(buf_peek(&s->heard), "\r\n\r\n"))
		return;
	stream_write(s->stream, s->answer, strlen(s->answer));
	stream_end(s->stream);
}

static void server_opened(void *arg)
{
	(void)arg;
}

static void server_closed(void *arg, const struct err *err)
{
	struct server *s = arg;

	(void)err;
	stream_free(s->stream);
	s->stream = NULL;
}

static void server_accepted(void *arg, struct stream *stream)
{
	struct server *s = arg;
	struct stream_events e = { server_opened, server_received, NULL, server_closed, s };

	stream_free(s->stream);
	buf_clear(&s->heard);
	s->stream = s->tls ? tls_server_accept(s->tls, s->loop, stream) : stream;
	stream_listen(s->stream, &e);
}

static void too_long(void *arg)
{
	loop_stop(((struct scene *)arg)->server.loop);
}

static void begin(struct scene *s, const char *scheme, const char *answer)
{
	struct err err = { 0 };

	memset(s, 0, sizeof(*s));
	s->server.loop = loop_new();
	buf_init(&s->server.heard, 0);
	TEXT_SET(s->server.answer, answer);
	CHECK_INT(tcp_listener_open(s->server.loop, "127.0.0.1", 0,
	                            &(struct tcp_accept){ server_accepted, &s->server },
	                            &s->server.listener, &err),
	          0);
	(void)snprintf(s->url, sizeof(s->url), "%s://127.0.0.1:%u/a%%20b", scheme,
	               tcp_listener_port(s->server.listener));
	(void)snprintf(s->dest, sizeof(s->dest), "%s/got", test_tmp_dir());
	s->fetcher = fetcher_new(s->server.loop);
	timer_init(&s->limit, s->server.loop, too_long, s);
}

static void end(struct scene *s)
{
	timer_stop(&s->limit);
	fetcher_free(s->fetcher);
	stream_free(s->server.stream);
	tcp_listener_close(s->server.listener);
	tls_server_free(s->server.tls);
	buf_fini(&s->server.heard);
	loop_free(s->server.loop);
}

static void on_progress(void *arg, uint64_t got, uint64_t total)
{
	struct scene *s = arg;

	s->n_progress++;
	CHECK(got <= total || total == 0);
}

static void on_done(void *arg, const struct fetch_result *r)
{
	struct scene *s = arg;

	s->n_done++;
	s->result = *r;
	loop_stop(s->server.loop);
}

static struct fetch *start(struct scene *s, uint64_t max_size, const struct tls_client *tls)
{
	const char *urls[] = { s->url };
	struct fetch_request r = { .urls = urls,
		                   .n_urls = 1,
		                   .user = "bblp",
		                   .password = "12345678",
		                   .dest_path = s->dest,
		                   .max_size = max_size,
		                   .tls = tls,
		                   .stall_ms = 1000 };
	struct fetch_events e = { on_progress, on_done, s };
	struct err err = { 0 };
	struct fetch *t = fetch_start(s->fetcher, &r, &e, &err);

	CHECK(t != NULL);
	return t;
}

static void run(struct scene *s, int64_t limit_ms)
{
	timer_start(&s->limit, limit_ms);
	loop_run(s->server.loop);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

TEST(fetch_writes_the_whole_file_and_then_renames_it)
{
	struct scene s;
	struct buf b;

	begin(&s, "http", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	start(&s, 0, NULL);
	run(&s, 20000);
	CHECK_INT(s.n_done, 1);
	CHECK_INT(s.result.code, 0);
	CHECK(s.result.size == 5);
	CHECK_INT(fs_read(s.dest, 100, &b, NULL), 0);
	CHECK_STR(buf_peek(&b), "hello");
	buf_fini(&b);
	CHECK(strstr(buf_peek(&s.server.heard), "GET /a%20b ") != NULL);
	end(&s);
}

TEST(fetch_tells_absent_from_too_large_and_unreachable)
{
	struct scene s;

	begin(&s, "http", "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
	start(&s, 0, NULL);
	run(&s, 20000);
	CHECK_INT(s.result.code, -ENOENT);
	CHECK(!is_there(s.dest));
	end(&s);
	begin(&s, "http", "HTTP/1.1 200 OK\r\n\r\nmore than five bytes");
	start(&s, 5, NULL);
	run(&s, 20000);
	CHECK_INT(s.result.code, -EFBIG);
	CHECK(!is_there(s.dest));
	end(&s);
	begin(&s, "http", "");
	tcp_listener_close(s.server.listener);
	s.server.listener = NULL;
	start(&s, 0, NULL);
	run(&s, 20000);
	CHECK_INT(s.result.code, -EHOSTUNREACH);
	end(&s);
}

TEST(fetch_that_is_cancelled_says_nothing_and_leaves_nothing)
{
	struct scene s;
	char part[320];

	begin(&s, "http", "");
	s.server.is_mute = true;

	struct fetch *t = start(&s, 0, NULL);

	run(&s, 200);
	fetch_cancel(t);
	run(&s, 1500);
	CHECK_INT(s.n_done, 0);
	(void)snprintf(part, sizeof(part), "%s.part", s.dest);
	CHECK(!is_there(part));
	end(&s);
}

TEST(fetcher_may_go_while_a_download_runs)
{
	struct scene s;

	begin(&s, "http", "");
	s.server.is_mute = true;
	start(&s, 0, NULL);
	run(&s, 100);
	end(&s);
	CHECK_INT(s.n_done, 0);
}

static void make_tls(struct scene *s, uint8_t sha256[32])
{
	struct tls_make m = { .cn = "01S00A000000001",
		              .is_version_1 = true,
		              .not_before_ms = 1700000000000,
		              .not_after_ms = 4000000000000 };
	char certificate[300], key[300];
	char *pem, *key_pem;

	CHECK_INT(tls_make_certificate(&m, &pem, &key_pem, NULL), 0);
	CHECK(tls_pem_sha256(pem, sha256));

	const char *dir = test_tmp_dir();

	(void)snprintf(certificate, sizeof(certificate), "%s/c", dir);
	(void)snprintf(key, sizeof(key), "%s/k", dir);
	CHECK_INT(fs_write_atomic(certificate, pem, strlen(pem), 0600, NULL), 0);
	CHECK_INT(fs_write_atomic(key, key_pem, strlen(key_pem), 0600, NULL), 0);
	free(pem);
	free(key_pem);

	struct tls_server_config c = { .certificate_file = certificate, .key_file = key };

	CHECK_INT(tls_server_new(&c, &s->server.tls, NULL), 0);
}

TEST(fetch_sends_nothing_to_a_server_that_is_not_the_pinned_one)
{
	struct scene s;
	struct tls_client tls = { .trust = TLS_TRUST_PIN };

	begin(&s, "https", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	make_tls(&s, tls.pin);
	start(&s, 0, &tls);
	run(&s, 20000);
	CHECK_INT(s.result.code, 0);
	tls.pin[0] ^= 1;
	start(&s, 0, &tls);
	run(&s, 20000);
	CHECK_INT(s.n_done, 2);
	CHECK_INT(s.result.code, -EPERM);
	CHECK_INT(s.server.heard.size, 0);
	tls = (struct tls_client){ .trust = TLS_TRUST_CA, .expected_cn = "01S00A000000001" };
	start(&s, 0, &tls);
	run(&s, 20000);
	CHECK_INT(s.result.code, -EPERM);
	CHECK_INT(s.server.heard.size, 0);
	end(&s);
}

TEST(paths_are_escaped_for_urls)
{
	char *s = fetch_escape_path("/cache/a b#1%?\xc3\xa9.3mf");

	CHECK_STR(s, "/cache/a%20b%231%25%3F%C3%A9.3mf");
	free(s);
}
