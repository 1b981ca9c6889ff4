/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_client.h"

#include "base/cleanup.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "wire/http_play.h"
#include "wire/tls_make.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scene {
	struct loop *loop;
	struct http_play play;
	struct http_client *client;
	struct http_client_config config;
	struct timer limit;
	char url[200], etag[80];
	char heads[8][700];               /* of the first requests */
	unsigned n_heads, n_done, n_more; /* n_more: questions still to be asked */
	struct http_client_result result;
	struct buf body;
	bool frees_inside, stops_inside, ends_inside;
};

static void too_long(void *arg)
{
	loop_stop(((struct scene *)arg)->loop);
}

static void on_header(void *arg, const char *name, const char *value)
{
	struct scene *s = arg;

	if (strcmp(name, "ETag") == 0)
		TEXT_SET(s->etag, value);
}

static bool on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct scene *s = arg;

	buf_add(&s->body, bytes, size);
	if (s->frees_inside) {
		http_client_free(s->client);
		s->client = NULL;
	} else if (s->stops_inside) {
		http_client_stop(s->client);
		CHECK(!http_client_is_busy(s->client));
	}
	if (s->frees_inside || s->stops_inside)
		timer_start(&s->limit, 50);
	return !s->ends_inside;
}

static void on_done(void *arg, const struct http_client_result *r)
{
	struct scene *s = arg;

	s->n_done++;
	s->result = *r;
	if (s->n_more > 0) {
		s->n_more--;
		http_client_get(s->client, NULL, 0, 20000);
	} else {
		loop_stop(s->loop);
	}
}

static void begin(struct scene *s, void (*asked)(void *, struct http_play_conn *, const char *),
                  struct tls_server *tls)
{
	*s = (struct scene){ .play = { .asked = asked, .arg = s, .tls = tls } };
	s->loop = loop_new();
	http_play_open(&s->play, s->loop);
	http_play_url(&s->play, "/shot?x=1", s->url, sizeof(s->url));
	timer_init(&s->limit, s->loop, too_long, s);
	s->config = (struct http_client_config){ .url = s->url,
		                                 .header = on_header,
		                                 .received = on_received,
		                                 .done = on_done,
		                                 .arg = s };
}

static void run(struct scene *s)
{
	if (!s->client)
		s->client = http_client_new(s->loop, &s->config);
	http_client_get(s->client, NULL, 0, 20000);
	timer_start(&s->limit, 60000);
	loop_run(s->loop);
	timer_stop(&s->limit);
}

static void end(struct scene *s)
{
	http_client_free(s->client);
	http_play_close(&s->play);
	buf_fini(&s->body);
	loop_free(s->loop);
}

static void note(struct scene *s, const char *head)
{
	if (s->n_heads < ARRAY_LEN(s->heads))
		TEXT_SET(s->heads[s->n_heads++], head);
}

static void say_hello(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "200 OK", "ETag: \"a\"\r\n", "hello", 5);
}

TEST(three_questions_take_one_connection)
{
	struct scene s;

	begin(&s, say_hello, NULL);
	s.n_more = 2;
	run(&s);
	CHECK(s.n_done == 3 && s.result.status == 200 && s.result.err.code == 0);
	CHECK_STR(buf_peek(&s.body), "hellohellohello");
	CHECK_STR(s.etag, "\"a\"");
	CHECK(s.play.n_connections == 1 && s.play.n_requests == 3);
	CHECK(text_starts(s.heads[0], "GET /shot?x=1 HTTP/1.1\r\n"));
	CHECK(!strstr(s.heads[0], "Authorization"));
	end(&s);
}

static void ask_for_login(void *arg, struct http_play_conn *c, const char *head)
{
	struct scene *s = arg;

	note(s, head);
	if (strstr(head, "Authorization: Basic dTpwQHNzd29yZA==") ||
	    (strstr(head, "Authorization: Digest ") && strstr(head, "nonce=\"n0\"")))
		http_play_answer(c, "200 OK", "", "in", 2);
	else
		http_play_answer(c, "401 Unauthorized", s->etag, "no", 2);
}

static void check_login(const char *challenge, const char *kind)
{
	struct scene s;

	begin(&s, ask_for_login, NULL);
	TEXT_SET(s.etag, challenge);
	s.config.user = "u";
	s.config.password = "p@ssword";
	s.n_more = 2;
	run(&s);
	CHECK(s.n_done == 3 && s.result.status == 200 && s.result.err.code == 0);
	CHECK_STR(buf_peek(&s.body), "ininin");
	/* The first question is without, the later ones are not asked twice. */
	CHECK_INT((int)s.play.n_requests, 4);
	CHECK(!strstr(s.heads[0], "Authorization") && strstr(s.heads[1], kind));
	CHECK(strstr(s.heads[3], kind));
	CHECK(s.play.n_connections == 1);
	end(&s);
}

TEST(a_basic_login_is_given_when_asked_for_and_then_at_once)
{
	check_login("WWW-Authenticate: Basic realm=c\r\n", "Basic ");
}

TEST(a_digest_login_is_given_when_asked_for_and_then_at_once)
{
	check_login("WWW-Authenticate: Digest realm=\"c\", nonce=\"n0\"\r\n", "Digest ");
}

TEST(a_login_that_is_refused_is_an_answer_with_words_but_without_the_password)
{
	struct scene s;
	struct err err = { 0 };

	begin(&s, ask_for_login, NULL);
	TEXT_SET(s.etag, "WWW-Authenticate: Basic realm=c\r\n");
	s.config.user = "u";
	s.config.password = "wrong-one";
	run(&s);
	CHECK(s.result.status == 401 && s.result.err.code == 0);
	CHECK_INT(http_client_judge(s.client, s.result.status, &err), -EACCES);
	CHECK(strstr(err.text, "refuses the user or the password") && !strstr(err.text, "wrong"));
	end(&s);
	begin(&s, ask_for_login, NULL);
	run(&s);
	(void)http_client_judge(s.client, s.result.status, &err);
	CHECK(strstr(err.text, "wants a user and a password"));
	end(&s);
}

static void lead_elsewhere(void *arg, struct http_play_conn *c, const char *head)
{
	struct scene *s = arg;
	char location[300];
	const char *other = strchr(s->url + 7, ':');

	note(s, head);
	(void)snprintf(location, sizeof(location), "Location: http://localhost%.*s/new\r\n",
	               (int)strcspn(other, "/"), other);
	if (strstr(head, "GET /new "))
		http_play_answer(c, "200 OK", "", "there", 5);
	else if (!strstr(head, "Authorization"))
		http_play_answer(c, "401 Unauthorized", "WWW-Authenticate: Basic realm=c\r\n", "",
		                 0);
	else
		http_play_answer(c, "302 Found", location, "", 0);
}

TEST(a_redirection_is_followed_but_the_login_stays_at_home)
{
	struct scene s;

	begin(&s, lead_elsewhere, NULL);
	s.config.user = "u";
	s.config.password = "secret";
	run(&s);
	CHECK(s.result.status == 200 && s.result.err.code == 0);
	CHECK_STR(buf_peek(&s.body), "there");
	CHECK(strstr(s.heads[1], "Authorization"));
	CHECK(strstr(s.heads[2], "GET /new ") && !strstr(s.heads[2], "Authorization"));
	end(&s);
}

static void lead_in_circles(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "302 Found", "Location: /round\r\n", "", 0);
}

TEST(redirections_without_end_are_ended)
{
	struct scene s;

	begin(&s, lead_in_circles, NULL);
	run(&s);
	CHECK_INT(s.result.err.code, -ELOOP);
	CHECK_INT((int)s.play.n_requests, 6);
	end(&s);
}

static void hang_up_in_the_middle(void *arg, struct http_play_conn *c, const char *head)
{
	static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";

	note(arg, head);
	http_play_say(c, half, sizeof(half) - 1);
	http_play_hang_up(c);
}

TEST(half_an_answer_is_told_from_a_whole_one)
{
	struct scene s;

	begin(&s, hang_up_in_the_middle, NULL);
	run(&s);
	CHECK(s.result.status == 200 && s.result.err.code == -EIO);
	CHECK(strstr(s.result.err.text, "closed the connection in the middle"));
	CHECK_STR(buf_peek(&s.body), "half");
	end(&s);
}

static void stay_silent(void *arg, struct http_play_conn *c, const char *head)
{
	(void)c;
	note(arg, head);
}

TEST(a_server_that_does_not_answer_in_time_is_given_up)
{
	struct scene s;

	begin(&s, stay_silent, NULL);
	s.client = http_client_new(s.loop, &s.config);
	http_client_get(s.client, NULL, 0, 100);
	loop_run(s.loop);
	CHECK_INT(s.result.err.code, -ETIMEDOUT);
	CHECK(strstr(s.result.err.text, "does not answer"));
	end(&s);
}

TEST(nobody_there_is_said_with_the_address_and_without_the_login)
{
	struct scene s;

	begin(&s, say_hello, NULL);
	s.config.url = "http://127.0.0.1:1/x";
	s.config.user = "hidden";
	s.config.password = "hidden";
	run(&s);
	CHECK_INT(s.result.err.code, -ECONNREFUSED);
	CHECK(strstr(s.result.err.text, "127.0.0.1:1") && !strstr(s.result.err.text, "hidden"));
	end(&s);
}

TEST(a_client_may_be_freed_stopped_or_ended_by_what_it_brings)
{
	for (int i = 0; i < 3; i++) {
		struct scene s;

		begin(&s, say_hello, NULL);
		s.frees_inside = i == 0;
		s.stops_inside = i == 1;
		s.ends_inside = i == 2;
		run(&s);
		CHECK_INT((int)s.n_done, i == 2 ? 1 : 0);
		CHECK(i != 2 || (s.result.is_ended && s.result.err.code == 0));
		if (i == 1) {
			/* It is of use again. */
			s.stops_inside = false;
			run(&s);
			CHECK(s.n_done == 1 && s.result.status == 200);
		}
		end(&s);
	}
}

static struct tls_server *make_tls(uint8_t sha256[32], char *ca, size_t ca_size)
{
	struct tls_make m = { .cn = "camera",
		              .not_before_ms = 1700000000000,
		              .not_after_ms = 4000000000000 };
	const char *dir = test_tmp_dir();
	auto_free char *pem = NULL, *key_pem = NULL;
	char key[300];
	struct tls_server *tls = NULL;

	CHECK_INT(tls_make_certificate(&m, &pem, &key_pem, NULL), 0);
	CHECK(tls_pem_sha256(pem, sha256));
	(void)snprintf(ca, ca_size, "%s/c", dir);
	(void)snprintf(key, sizeof(key), "%s/k", dir);
	CHECK_INT(fs_write_atomic(ca, pem, strlen(pem), 0600, NULL), 0);
	CHECK_INT(fs_write_atomic(key, key_pem, strlen(key_pem), 0600, NULL), 0);

	struct tls_server_config c = { .certificate_file = ca, .key_file = key };

	CHECK_INT(tls_server_new(&c, &tls, NULL), 0);
	return tls;
}

TEST(https_is_believed_by_its_pin_or_not_at_all)
{
	static const struct {
		enum http_client_trust trust;
		bool is_right;
		int code;
	} cases[] = { { HTTP_TRUST_WEB, true, -EPERM },
		      { HTTP_TRUST_PIN, true, 0 },
		      { HTTP_TRUST_PIN, false, -EPERM },
		      { HTTP_TRUST_INSECURE, false, 0 } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scene s;
		uint8_t pin[32];
		char ca[300];
		struct tls_server *tls = make_tls(pin, ca, sizeof(ca));

		begin(&s, say_hello, tls);
		s.config.trust = cases[i].trust;
		memcpy(s.config.pin, pin, sizeof(pin));
		s.config.pin[0] ^= cases[i].is_right ? 0 : 1;
		s.config.user = "u";
		s.config.password = "p";
		run(&s);
		CHECK_INT(s.result.err.code, cases[i].code);
		CHECK(s.result.is_verified == (cases[i].code == 0));
		/* Nothing is said to a server that is not trusted. */
		CHECK_INT((int)s.play.n_requests, cases[i].code == 0 ? 1 : 0);
		end(&s);
		tls_server_free(tls);
	}
}
