/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/pair.h"

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/loop.h"
#include "model/printer.h"
#include "wire/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* An OctoPrint on simulated time. */
struct scene {
	struct loop *loop;
	struct pair *pair;
	struct rest_player player;
	const char *token, *dialog;
	int probe, request, poll;
	const char *polled;
	char body[200], where[200], key[80], why[300];
	unsigned n_polls, n_asked, n_done;
	int code;
	bool frees_when_asked, frees_when_done;
};

static void asked(void *arg, struct rest *r, const char *method, const char *target,
                  const char *body)
{
	struct scene *s = arg;
	char text[300];

	if (strcmp(target, "/plugin/appkeys/probe") == 0) {
		rest_play(r, s->probe, "");
	} else if (strcmp(target, "/plugin/appkeys/request") == 0) {
		CHECK_STR(method, "POST");
		TEXT_SET(s->body, body);
		(void)snprintf(text, sizeof(text), "{\"app_token\":\"%s\",\"auth_dialog\":\"%s\"}",
		               s->token, s->dialog);
		rest_play(r, s->request, text);
	} else {
		CHECK_STR(target, "/plugin/appkeys/request/TOKEN-1");
		s->n_polls++;
		rest_play(r, s->poll, s->polled);
	}
}

static void on_asked(void *arg, const char *where)
{
	struct scene *s = arg;

	s->n_asked++;
	TEXT_SET(s->where, where);
	if (s->frees_when_asked) {
		pair_free(s->pair);
		s->pair = NULL;
	}
}

static void on_done(void *arg, const char *key, const struct err *err)
{
	struct scene *s = arg;

	s->n_done++;
	TEXT_SET(s->key, key ? key : "");
	TEXT_SET(s->why, err ? err->text : "");
	s->code = err ? err->code : 0;
	if (s->frees_when_done) {
		pair_free(s->pair);
		s->pair = NULL;
	}
}

static void begin(struct scene *s)
{
	*s = (struct scene){ .loop = loop_new_simulated(0),
		             .player = { asked, s },
		             .token = "TOKEN-1",
		             .dialog = "http://octopi.local/plugin/appkeys/auth/TOKEN-1",
		             .probe = 204,
		             .request = 201,
		             .poll = 202,
		             .polled = "{}" };
}

static void start(struct scene *s, const char *user)
{
	static struct printer_config c; /* large */
	const struct pair_events events = { on_asked, on_done, s };

	TEXT_SET(c.url, "http://octopi.local");
	s->pair = pair_start(s->loop, &c, user, &s->player, &events);
	loop_advance(s->loop, 100);
}

static void finish(struct scene *s)
{
	pair_free(s->pair);
	loop_free(s->loop);
}

TEST(pair_waits_for_the_click_and_has_the_key)
{
	struct scene s;

	begin(&s);
	start(&s, "me");
	CHECK_STR(s.body, "{\"app\":\"Bedside\",\"user\":\"me\"}");
	CHECK_STR(s.where, "http://octopi.local/plugin/appkeys/auth/TOKEN-1");
	loop_advance(s.loop, 20000);
	CHECK(s.n_polls >= 19 && s.n_polls <= 21 && s.n_done == 0);
	s.poll = 200;
	s.polled = "{\"api_key\":\"SECRETKEY\"}";
	loop_advance(s.loop, 2000);
	CHECK(s.n_done == 1 && s.n_asked == 1);
	CHECK_STR(s.key, "SECRETKEY");
	finish(&s);
}

TEST(pair_says_that_it_was_denied_or_nobody_came)
{
	struct scene s;

	begin(&s);
	s.poll = 404;
	start(&s, NULL);
	CHECK_STR(s.body, "{\"app\":\"Bedside\"}");
	loop_advance(s.loop, 2000);
	CHECK(s.n_done == 1 && s.code == -EACCES && strstr(s.why, "denied"));
	finish(&s);

	begin(&s);
	start(&s, NULL);
	loop_advance(s.loop, 301000);
	CHECK(s.n_done == 1 && s.code == -ETIMEDOUT);
	unsigned n = s.n_polls;

	loop_advance(s.loop, 10000);
	CHECK_INT(s.n_polls, n);
	finish(&s);
}

TEST(pair_outlasts_a_short_silence)
{
	struct scene s;

	begin(&s);
	start(&s, NULL);
	s.poll = 503;
	loop_advance(s.loop, 3000);
	s.poll = 202;
	loop_advance(s.loop, 3000);
	CHECK_INT(s.n_done, 0);
	s.poll = 503;
	loop_advance(s.loop, 10000);
	CHECK(s.n_done == 1 && strstr(s.why, "does not answer"));
	finish(&s);
}

TEST(pair_knows_what_is_no_octoprint)
{
	struct scene s;

	begin(&s);
	s.probe = 404;
	start(&s, NULL);
	CHECK(s.n_done == 1 && s.code == -ENOENT && strstr(s.why, "no OctoPrint"));
	finish(&s);

	begin(&s);
	s.token = "../../x?y";
	start(&s, NULL);
	CHECK(s.n_done == 1 && s.code == -EPROTO && s.n_polls == 0);
	finish(&s);
}

TEST(pair_sends_nobody_to_another_page)
{
	struct scene s;

	begin(&s);
	s.dialog = "http://evil.example/login";
	start(&s, NULL);
	CHECK_STR(s.where, "http://octopi.local");
	finish(&s);
}

TEST(pair_may_be_freed_in_its_callbacks)
{
	struct scene s;

	begin(&s);
	s.frees_when_asked = true;
	start(&s, NULL);
	loop_advance(s.loop, 5000);
	CHECK(s.n_asked == 1 && s.n_polls == 0 && s.n_done == 0);
	finish(&s);

	begin(&s);
	s.frees_when_done = true;
	s.poll = 404;
	start(&s, NULL);
	loop_advance(s.loop, 5000);
	CHECK_INT(s.n_done, 1);
	finish(&s);
}
