/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/rest.h"

#include "base/buf.h"
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
	struct rest *rest;
	struct timer limit;
	char url[200], heads[6][800];
	unsigned n_heads, n_answers, n_wanted;
	int status, code;
	char body[200], why[480], redirect[200], word[80];
	bool is_fine, frees_inside;
};

static void too_long(void *arg)
{
	loop_stop(((struct scene *)arg)->loop);
}

static void on_answer(void *arg, const struct rest_answer *a)
{
	struct scene *s = arg;
	struct err err = { 0 };
	const char *word = json_string_value(json_object_get(a->json, "word"));

	s->n_answers++;
	s->status = a->status;
	s->is_fine = rest_is_fine(s->rest, a, "OctoPrint", &err);
	s->code = err.code;
	TEXT_SET(s->why, err.text);
	TEXT_SET(s->body, a->body);
	TEXT_SET(s->redirect, a->redirect);
	TEXT_SET(s->word, word ? word : "");
	if (s->frees_inside) {
		rest_free(s->rest);
		s->rest = NULL;
	}
	if (s->n_answers == s->n_wanted)
		loop_stop(s->loop);
}

static void note(struct scene *s, const char *head)
{
	if (s->n_heads < ARRAY_LEN(s->heads))
		TEXT_SET(s->heads[s->n_heads++], head);
}

static void begin(struct scene *s, void (*asked)(void *, struct http_play_conn *, const char *))
{
	static const char *const headers[] = { "X-Api-Key: 0123456789" };

	*s = (struct scene){ .play = { .asked = asked, .arg = s } };
	s->loop = loop_new();
	http_play_open(&s->play, s->loop);
	http_play_url(&s->play, "/base", s->url, sizeof(s->url));
	timer_init(&s->limit, s->loop, too_long, s);

	const struct rest_config config = {
		.url = s->url, .headers = headers, .n_headers = 1, .max_size = (size_t)1 << 20
	};

	s->rest = rest_new(s->loop, &config);
}

static void ask(struct scene *s, const char *target, const char *body)
{
	const struct rest_question q = { .target = target, .body = body, .limit_ms = 30000 };

	s->n_wanted++;
	CHECK(rest_ask(s->rest, &q, on_answer, s));
}

static void run(struct scene *s)
{
	timer_start(&s->limit, 60000);
	loop_run(s->loop);
	timer_stop(&s->limit);
}

static void end(struct scene *s)
{
	rest_free(s->rest);
	http_play_close(&s->play);
	loop_free(s->loop);
}

static void say_json(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "200 OK", "", "{\"word\":\"yes\"}", 14);
}

TEST(rest_asks_one_after_the_other_over_one_connection)
{
	struct scene s;

	begin(&s, say_json);
	ask(&s, "/api/version", NULL);
	ask(&s, "/api/job", NULL);
	ask(&s, "/api/printer", NULL);
	CHECK_INT(rest_waiting(s.rest), 3);
	run(&s);
	CHECK(s.n_answers == 3 && s.is_fine && s.status == 200);
	CHECK_STR(s.word, "yes");
	CHECK_INT(s.play.n_connections, 1);
	CHECK(text_starts(s.heads[0], "GET /base/api/version HTTP/1.1\r\n"));
	CHECK(strstr(s.heads[1], "\r\nX-Api-Key: 0123456789\r\n"));
	CHECK(text_starts(s.heads[2], "GET /base/api/printer "));
	end(&s);
}

TEST(rest_posts_json_and_then_gets_again)
{
	struct scene s;

	begin(&s, say_json);
	ask(&s, "/api/login", "{}");
	run(&s);
	CHECK(text_starts(s.heads[0], "POST /base/api/login "));
	CHECK(strstr(s.heads[0], "\r\nContent-Type: application/json\r\n"));
	CHECK(strstr(s.heads[0], "\r\nContent-Length: 2\r\n"));
	CHECK(!strstr(s.heads[0], "\r\nExpect"));
	end(&s);
}

static void say_status(void *arg, struct http_play_conn *c, const char *head)
{
	static const char *const statuses[] = { "403 Forbidden", "404 Not Found",
		                                "503 Service Unavailable", "409 Conflict" };
	struct scene *s = arg;

	note(s, head);
	http_play_answer(c, statuses[s->n_heads - 1], "", "{\"error\":\"x\"}", 13);
}

TEST(rest_says_what_a_refusal_means)
{
	struct scene s;

	begin(&s, say_status);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(s.code == -EACCES && strstr(s.why, "refuses the key") && s.status == 403);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(s.code == -ENOENT && strstr(s.why, "nothing of OctoPrint's"));
	ask(&s, "/", NULL);
	run(&s);
	CHECK(s.code == -EAGAIN && strstr(s.why, "is starting"));
	ask(&s, "/", NULL);
	run(&s);
	CHECK(s.code == -EIO && s.status == 409 && strstr(s.body, "error"));
	end(&s);
}

static void say_page(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "200 OK", "Server: nginx/1.22\r\n", "<html>hello</html>", 18);
}

TEST(rest_says_that_something_else_answers)
{
	struct scene s;

	begin(&s, say_page);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(!s.is_fine && s.code == -EPROTO && strstr(s.why, "is no OctoPrint"));
	CHECK(strstr(s.why, "nginx/1.22"));
	end(&s);
}

static void say_ssh(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_say(c, "SSH-2.0-OpenSSH_9.2\r\n", 21);
	http_play_hang_up(c);
}

TEST(rest_says_that_a_port_is_not_of_http)
{
	struct scene s;

	begin(&s, say_ssh);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(!s.is_fine && strstr(s.why, "not in HTTP"));
	end(&s);
}

static void say_100_mb(void *arg, struct http_play_conn *c, const char *head)
{
	auto_free char *bytes = malloc((size_t)2 << 20);

	note(arg, head);
	memset(bytes, ' ', (size_t)2 << 20);
	http_play_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n", 46);
	http_play_say(c, bytes, (size_t)2 << 20);
}

TEST(rest_ends_an_answer_that_is_too_large)
{
	struct scene s;

	begin(&s, say_100_mb);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(!s.is_fine && s.code == -EFBIG && s.status == 0);
	end(&s);
}

static void lead_away(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "302 Found", "Location: http://u:p@127.0.0.1:9/base/api\r\n", "", 0);
}

TEST(rest_never_takes_the_key_to_another_origin)
{
	struct scene s;

	begin(&s, lead_away);
	ask(&s, "/api", NULL);
	run(&s);
	CHECK(!s.is_fine && s.code == -EXDEV && s.status == 302);
	CHECK_STR(s.redirect, "http://127.0.0.1:9/base/api");
	CHECK(strstr(s.why, "leads to http://127.0.0.1:9/base,"));
	CHECK_INT(s.n_heads, 1);
	end(&s);
}

static void lead_on(void *arg, struct http_play_conn *c, const char *head)
{
	struct scene *s = arg;

	note(s, head);
	if (s->n_heads == 1)
		http_play_answer(c, "301 Moved", "Location: /octoprint/api\r\n", "", 0);
	else
		say_json(s, c, head);
}

TEST(rest_follows_where_the_same_server_leads)
{
	struct scene s;

	begin(&s, lead_on);
	ask(&s, "/api", NULL);
	run(&s);
	CHECK(s.is_fine && s.n_answers == 1);
	CHECK(text_starts(s.heads[1], "GET /octoprint/api "));
	CHECK(strstr(s.heads[1], "X-Api-Key: 0123456789"));
	end(&s);
}

static void lead_in_circles(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "302 Found", "Location: /base/api\r\n", "", 0);
}

TEST(rest_does_not_walk_in_circles)
{
	struct scene s;

	begin(&s, lead_in_circles);
	ask(&s, "/api", NULL);
	run(&s);
	CHECK(!s.is_fine && s.status == 302 && s.n_heads == 4);
	end(&s);
}

static void say_old(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_say(c, "HTTP/1.0 200 OK\r\n\r\n{\"word\":\"old\"}", 33);
	http_play_hang_up(c);
}

TEST(rest_understands_http_1_0)
{
	struct scene s;

	begin(&s, say_old);
	ask(&s, "/", NULL);
	ask(&s, "/", NULL);
	run(&s);
	CHECK(s.is_fine && s.n_answers == 2);
	CHECK_STR(s.word, "old");
	end(&s);
}

TEST(rest_may_be_freed_in_an_answer)
{
	struct scene s;

	begin(&s, say_json);
	s.frees_inside = true;
	ask(&s, "/", NULL);
	s.n_wanted = 1;
	run(&s);
	CHECK_INT(s.n_answers, 1);
	end(&s);
}

TEST(rest_takes_no_more_than_it_can_hold)
{
	struct scene s;
	const struct rest_question q = { .target = "/" };

	begin(&s, say_json);
	for (unsigned i = 0; i < REST_MAX_QUEUED; i++)
		ask(&s, "/", NULL);
	CHECK(!rest_ask(s.rest, &q, on_answer, &s));
	rest_forget(s.rest);
	CHECK_INT(rest_waiting(s.rest), 0);
	s.n_wanted = 0;
	ask(&s, "/", NULL);
	run(&s);
	CHECK_INT(s.n_answers, 1);
	end(&s);
}

/* ---- TLS ---- */

static struct tls_server *make_tls(uint8_t sha256[32], char *ca, size_t ca_size)
{
	const struct tls_make m = { .cn = "octopi",
		                    .alternative_names = "IP:127.0.0.1",
		                    .usage = "serverAuth",
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

	const struct tls_server_config c = { .certificate_file = ca, .key_file = key };

	CHECK_INT(tls_server_new(&c, &tls, NULL), 0);
	return tls;
}

TEST(rest_sends_its_key_to_a_trusted_certificate_only)
{
	static const struct {
		enum http_client_trust trust;
		bool has_ca, is_fine;
	} cases[] = { { HTTP_TRUST_WEB, false, false },
		      { HTTP_TRUST_WEB, true, true },
		      { HTTP_TRUST_PIN, false, true },
		      { HTTP_TRUST_INSECURE, false, true } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct scene s = { .play = { .asked = say_json, .arg = &s } };
		struct rest_config config = { .url = s.url, .trust = cases[i].trust };
		struct tls_leaf leaf;
		char ca[300];

		s.play.tls = make_tls(config.pin, ca, sizeof(ca));
		s.loop = loop_new();
		http_play_open(&s.play, s.loop);
		http_play_url(&s.play, "", s.url, sizeof(s.url));
		timer_init(&s.limit, s.loop, too_long, &s);
		config.ca_file = cases[i].has_ca ? ca : NULL;
		s.rest = rest_new(s.loop, &config);
		ask(&s, "/", NULL);
		run(&s);
		CHECK_INT(s.n_answers, 1);
		CHECK(s.is_fine == cases[i].is_fine);
		CHECK_INT((int)s.play.n_requests, cases[i].is_fine ? 1 : 0);
		/* What was refused can be shown and pinned. */
		if (!cases[i].is_fine) {
			CHECK(s.code == -EPERM && rest_leaf(s.rest, &leaf) && !leaf.is_trusted);
			CHECK(memcmp(leaf.sha256, config.pin, 32) == 0);
		}

		struct tls_server *tls = s.play.tls;

		end(&s);
		tls_server_free(tls);
	}
}

/* ---- played, on simulated time ---- */

static void played(void *arg, struct rest *r, const char *method, const char *target,
                   const char *body)
{
	struct scene *s = arg;

	(void)snprintf(s->heads[0], sizeof(s->heads[0]), "%s %s %s", method, target, body);
	if (strcmp(target, "/silent") != 0)
		rest_play(r, 200, "{\"word\":\"played\"}");
}

TEST(rest_can_be_played_on_simulated_time)
{
	struct scene s = { .loop = loop_new_simulated(0), .n_wanted = 100 };
	const struct rest_player player = { played, &s };
	const struct rest_config config = { .url = "http://x", .player = &player };
	const struct rest_question post = { .target = "/a", .body = "{}" };
	const struct rest_question silent = { .target = "/silent", .limit_ms = 5000 };

	s.rest = rest_new(s.loop, &config);
	CHECK(rest_ask(s.rest, &post, on_answer, &s));
	loop_advance(s.loop, 1);
	CHECK_STR(s.heads[0], "POST /a {}");
	CHECK_STR(s.word, "played");
	CHECK(rest_ask(s.rest, &silent, on_answer, &s));
	loop_advance(s.loop, 4000);
	CHECK_INT(s.n_answers, 1);
	loop_advance(s.loop, 2000);
	CHECK(s.n_answers == 2 && s.code == -ETIMEDOUT);
	rest_free(s.rest);
	loop_free(s.loop);
}
