/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/http_common.h"
#include "cameras/private.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "wire/http_play.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MS 60000

struct rig {
	struct loop *loop;
	struct http_play play;
	struct cameras *cameras;
	struct camera *camera;
	struct camera_watcher watcher;
	struct camera_shot shot;
	struct frame *shot_got;
	unsigned n_shots_done, n_seen;
	unsigned n_made; /* pictures, each another one */
	int scenario;
	char first_head[600], last_head[600];
	bool (*is_there)(const struct rig *r);
	struct timer look, limit;
};

static struct frame *make_picture(unsigned number, unsigned width, unsigned height)
{
	uint8_t *rgbx = mem_new((size_t)width * height * 4);
	struct frame *f = NULL;

	memset(rgbx, (int)(number * 37 % 256), (size_t)width * height * 4);
	for (unsigned i = 0; i < width * 4; i++)
		rgbx[i] = (uint8_t)(i * number);
	CHECK_INT(jpeg_encode_rgbx(rgbx, width, height, 90, &f, NULL), 0);
	free(rgbx);
	return f;
}

static void on_woken(void *arg)
{
	struct rig *r = arg;
	struct frame *f = camera_watch_take(&r->watcher);

	r->n_seen += f != NULL;
	frame_unref(f);
}

static void setup(struct rig *r, void (*asked)(void *, struct http_play_conn *, const char *),
                  const struct camera_config *extra)
{
	struct camera_config config = *extra;
	struct cameras_env env = { 0 };

	r->play = (struct http_play){ .asked = asked, .arg = r };
	r->loop = env.loop = loop_new();
	env.retry_ms = 20;
	http_play_open(&r->play, r->loop);
	r->cameras = cameras_new(&env);
	TEXT_SET(config.id, "side");
	http_play_url(&r->play, "/cam", config.source, sizeof(config.source));
	CHECK_INT(cameras_add(r->cameras, &config, &r->camera, NULL), 0);
	camera_watch(r->camera, &r->watcher, on_woken, r);
}

static void teardown(struct rig *r)
{
	camera_shot_cancel(&r->shot);
	camera_unwatch(&r->watcher);
	cameras_free(r->cameras);
	frame_unref(r->shot_got);
	http_play_close(&r->play);
	loop_free(r->loop);
}

static void on_look(void *arg)
{
	struct rig *r = arg;

	if (r->is_there(r))
		loop_stop(r->loop);
}

static void on_limit(void *arg)
{
	loop_stop(((struct rig *)arg)->loop);
}

static void run_until(struct rig *r, bool (*is_there)(const struct rig *r))
{
	r->is_there = is_there;
	timer_init(&r->look, r->loop, on_look, r);
	timer_init(&r->limit, r->loop, on_limit, r);
	timer_start_every(&r->look, 5);
	timer_start(&r->limit, LIMIT_MS);
	loop_run(r->loop);
	timer_stop(&r->look);
	timer_stop(&r->limit);
	if (!is_there(r))
		print_message("# state %d: %s\n", (int)camera_status(r->camera)->state,
		              camera_status(r->camera)->text);
	CHECK(is_there(r));
}

static void on_shot(void *arg, struct frame *f, const struct err *err)
{
	struct rig *r = arg;

	(void)err;
	r->n_shots_done++;
	frame_unref(r->shot_got);
	r->shot_got = f;
}

static bool has_pictures(const struct rig *r)
{
	return camera_status(r->camera)->n_frames >= 3;
}

static bool has_one(const struct rig *r)
{
	return camera_status(r->camera)->n_frames >= 1;
}

static bool has_shot(const struct rig *r)
{
	return r->n_shots_done > 0;
}

static bool is_lost(const struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_NO_SIGNAL;
}

static bool is_stale(const struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_STALE;
}

/* ---- stills ---- */

static void answer_picture(struct rig *r, struct http_play_conn *c, const char *headers)
{
	struct frame *f = make_picture(++r->n_made, 64, 48);

	http_play_answer(c, "200 OK", headers, f->data, f->size);
	frame_unref(f);
}

static void note(struct rig *r, const char *head)
{
	TEXT_SET(r->last_head, head);
	if (!r->first_head[0])
		TEXT_SET(r->first_head, head);
}

static void give_pictures(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	answer_picture(arg, c, "ETag: \"7\"\r\nLast-Modified: Sat, 21 Nov 2026 10:00:00 GMT\r\n");
}

static const struct camera_config still_config = { .driver = "http-still",
	                                           .poll_ms = 40,
	                                           .stale_after_ms = 1000 };

TEST(stills_are_polled_over_one_connection)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, give_pictures, &still_config);
	run_until(&r, has_pictures);
	CHECK_INT((int)r.play.n_connections, 1);
	CHECK(camera_status(r.camera)->state == CAMERA_LIVE && r.n_seen >= 3);
	CHECK(!strstr(r.first_head, "If-None-Match"));
	CHECK(strstr(r.last_head, "If-None-Match: \"7\""));
	CHECK(strstr(r.last_head, "If-Modified-Since: Sat, 21 Nov 2026 10:00:00 GMT"));
	teardown(&r);
}

static void give_one_then_unmodified(void *arg, struct http_play_conn *c, const char *head)
{
	if (strstr(head, "If-None-Match: \"7\""))
		http_play_answer(c, "304 Not Modified", "", NULL, 0);
	else
		give_pictures(arg, c, head);
}

static void give_the_same(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	(void)head;
	r->n_made = 0;
	answer_picture(r, c, "");
}

TEST(a_picture_that_stays_the_same_grows_stale_without_being_a_failure)
{
	void (*const servers[])(void *, struct http_play_conn *,
	                        const char *) = { give_one_then_unmodified, give_the_same };

	for (size_t i = 0; i < ARRAY_LEN(servers); i++) {
		static struct rig r;

		r = (struct rig){ 0 };
		setup(&r, servers[i], &still_config);
		run_until(&r, is_stale);
		CHECK(strstr(camera_status(r.camera)->text,
		             i == 0 ? "no new picture" : "the same picture"));
		CHECK(camera_status(r.camera)->n_frames == 1);
		CHECK(camera_status(r.camera)->n_refused == 0 &&
		      camera_status(r.camera)->n_reconnects == 0);
		CHECK(r.play.n_connections == 1);
		teardown(&r);
	}
}

/* Each in turn what is no picture, then pictures. */
static void give_rubbish(void *arg, struct http_play_conn *c, const char *head)
{
	static const char page[] = "<!DOCTYPE html><html><head><TITLE>\n Camera login\n</TITLE>";
	struct rig *r = arg;
	struct frame *f = make_picture(1, 64, 48);

	(void)head;
	switch (r->scenario++) {
	case 0:
		http_play_answer(c, "200 OK", "Content-Type: text/html\r\n", page,
		                 sizeof(page) - 1);
		break;
	case 1:
		http_play_answer(c, "200 OK", "Content-Type: image/jpeg\r\n", "", 0);
		break;
	case 2:
		http_play_answer(c, "200 OK", "Content-Type: image/jpeg\r\n", f->data, f->size / 2);
		break;
	case 3:
		http_play_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", 41);
		http_play_say(c, f->data, f->size);
		http_play_hang_up(c);
		break;
	case 4:
		http_play_answer(c, "200 OK", "", "\x89PNG\r\n\x1a\n", 8);
		break;
	case 5:
		http_play_answer(c, "503 Service Unavailable", "", "", 0);
		break;
	case 6:
		http_play_say(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\nxx", 47);
		break;
	default:
		answer_picture(r, c, "");
		break;
	}
	frame_unref(f);
}

static bool is_told_of_the_page(const struct rig *r)
{
	return strstr(camera_status(r->camera)->text,
	              "the address answers with a web page, not a picture: “Camera login”") != NULL;
}

TEST(pages_empty_and_half_pictures_are_refused_and_counted)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, give_rubbish, &still_config);
	run_until(&r, is_told_of_the_page);
	run_until(&r, has_one);
	CHECK_INT((int)camera_status(r.camera)->n_refused, 7);
	CHECK(camera_status(r.camera)->state == CAMERA_LIVE);
	CHECK_INT((int)camera_status(r.camera)->n_reconnects, 0);
	teardown(&r);
}

TEST(a_shot_asks_for_a_picture_now)
{
	static struct rig r;
	struct camera_config config = still_config;
	int64_t asked_us;

	r = (struct rig){ 0 };
	config.poll_ms = 3600000;
	config.stale_after_ms = 3600000;
	setup(&r, give_pictures, &config);
	run_until(&r, has_one);
	asked_us = loop_now_us(r.loop);
	camera_shoot(r.camera, &r.shot, asked_us, LIMIT_MS, on_shot, &r);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->captured_us >= asked_us);
	CHECK_INT((int)r.play.n_requests, 2);
	teardown(&r);
}

static void hold_the_first(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	if (r->scenario++ > 0)
		give_pictures(arg, c, head);
}

static bool is_asked(const struct rig *r)
{
	return r->play.n_requests >= 1;
}

TEST(an_answer_to_an_earlier_question_serves_no_shot)
{
	static struct rig r;
	int64_t wanted_us;

	r = (struct rig){ 0 };
	setup(&r, hold_the_first, &still_config);
	run_until(&r, is_asked);
	wanted_us = loop_now_us(r.loop);
	camera_shoot(r.camera, &r.shot, wanted_us, LIMIT_MS, on_shot, &r);
	answer_picture(&r, http_play_first(&r.play), "");
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->captured_us >= wanted_us);
	CHECK(r.play.n_requests >= 2 && camera_status(r.camera)->n_frames >= 2);
	teardown(&r);
}

TEST(a_frozen_camera_serves_no_shot)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, give_the_same, &still_config);
	run_until(&r, has_one);
	camera_shoot(r.camera, &r.shot, loop_now_us(r.loop), 400, on_shot, &r);
	run_until(&r, has_shot);
	CHECK(!r.shot_got);
	teardown(&r);
}

static void refuse_login(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	http_play_answer(c, "401 Unauthorized", "WWW-Authenticate: Basic realm=c\r\n", "", 0);
}

TEST(a_refused_login_is_said_without_the_password)
{
	static struct rig r;
	struct camera_config config = still_config;

	r = (struct rig){ 0 };
	TEXT_SET(config.user, "admin");
	secret_set(&config.secret, "tell-nobody");
	setup(&r, refuse_login, &config);
	secret_fini(&config.secret);
	run_until(&r, is_lost);
	CHECK(strstr(camera_status(r.camera)->text, "refuses the user or the password"));
	CHECK(!strstr(camera_status(r.camera)->text, "tell-nobody"));
	CHECK(strstr(r.last_head, "Authorization: Basic "));
	teardown(&r);
}

TEST(what_an_address_answers_instead_of_a_picture_is_said)
{
	static const struct {
		const char *type, *body, *said;
	} cases[] = {
		{ "text/html", "", "a web page, not a picture;" },
		{ "", "  <html>", NULL },
		{ "", "<html><title>A\tB", "a web page, not a picture;" },
		{ "image/png", "\x89PNG", "no JPEG" },
		{ "application/json", "{\"a\":1}", "JSON" },
		{ "multipart/x-mixed-replace;boundary=x", "--x", "http-mjpeg" },
		{ "text/html", "\xff\xd8 it is a picture all the same", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = { 0 };
		bool is = http_common_is_picture(cases[i].type, (const uint8_t *)cases[i].body,
		                                 strlen(cases[i].body), &err);

		CHECK(is == !cases[i].said);
		CHECK(is || strstr(err.text, cases[i].said));
	}
}

TEST(a_servers_clock_tells_how_long_a_picture_was_on_its_way)
{
	struct http_clock c = { 0 };

	/* 40 ms at least; the clock is hours off. */
	CHECK(http_clock_arrival(&c, 5000000000, 1000000) == 1000000);
	CHECK(http_clock_arrival(&c, 5000100000, 1180000) == 1100000);
	CHECK(http_clock_arrival(&c, 5000200000, 1160000) == 1160000);
	CHECK(http_clock_arrival(&c, 5000300000, 1290000) == 1260000);
	/* It is set; nothing of before counts. */
	CHECK(http_clock_arrival(&c, 77, 1400000) == 1400000);
	CHECK(http_clock_arrival(&c, 100077, 1510000) == 1500000);
	/* Never in the future. */
	for (int i = 0; i < 1000; i++) {
		int64_t arrived = 2000000 + i * 100000;

		CHECK(http_clock_arrival(&c, 200000 + i * 100010, arrived) <= arrived);
	}
}

/* ---- streams ---- */

static const char stream_head[] = "HTTP/1.0 200 OK\r\n"
				  "Content-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n";

static void say_text(struct http_play_conn *c, const char *text)
{
	http_play_say(c, text, strlen(text));
}

static void say_part(struct rig *r, struct http_play_conn *c, const char *stamp, unsigned width)
{
	struct frame *f = make_picture(++r->n_made, width, 48);
	char head[200];

	(void)snprintf(head, sizeof(head),
	               "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %zu\r\n%s%s%s\r\n",
	               f->size, stamp ? "X-Timestamp: " : "", stamp ? stamp : "",
	               stamp ? "\r\n" : "");
	say_text(c, head);
	http_play_say(c, f->data, f->size);
	say_text(c, "\r\n");
	frame_unref(f);
}

static const struct camera_config mjpeg_config = { .driver = "http-mjpeg", .stale_after_ms = 1000 };

static void stream_three(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	note(r, head);
	say_text(c, stream_head);
	for (int i = 0; i < 3; i++)
		say_part(r, c, NULL, i == 2 ? 80 : 64);
}

TEST(a_stream_gives_its_pictures_and_their_size_may_change)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_three, &mjpeg_config);
	run_until(&r, has_pictures);
	CHECK(camera_status(r.camera)->state == CAMERA_LIVE);
	CHECK_INT((int)camera_status(r.camera)->width, 80);
	CHECK(r.play.n_connections == 1 && camera_status(r.camera)->n_refused == 0);
	teardown(&r);
}

static void stream_one(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	say_text(c, stream_head);
	say_part(arg, c, ((struct rig *)arg)->scenario ? "1000.000000" : NULL, 64);
}

/* Servers begin with the last picture that they have, which may be of any age. */
TEST(the_first_picture_of_a_stream_is_shown_but_serves_no_shot)
{
	for (int is_stamped = 0; is_stamped < 2; is_stamped++) {
		static struct rig r;
		int64_t asked_us;

		r = (struct rig){ .scenario = is_stamped };
		setup(&r, stream_one, &mjpeg_config);
		asked_us = loop_now_us(r.loop);
		camera_shoot(r.camera, &r.shot, asked_us, LIMIT_MS, on_shot, &r);
		run_until(&r, has_one);
		CHECK_INT((int)r.n_shots_done, 0);
		CHECK(camera_status(r.camera)->newest_us < asked_us);
		say_part(&r, http_play_first(&r.play), is_stamped ? "1000.100000" : NULL, 80);
		run_until(&r, has_shot);
		CHECK(r.shot_got && r.shot_got->width == 80);
		teardown(&r);
	}
}

static void stream_single(void *arg, struct http_play_conn *c, const char *head)
{
	note(arg, head);
	say_text(c, stream_head);
	say_part(arg, c, NULL, 64);
	http_play_hang_up(c);
}

static bool has_many(const struct rig *r)
{
	return camera_status(r->camera)->n_frames >= 5;
}

TEST(a_server_that_sends_one_picture_for_each_question_serves_shots)
{
	static struct rig r;
	int64_t asked_us;

	r = (struct rig){ 0 };
	setup(&r, stream_single, &mjpeg_config);
	run_until(&r, has_many);
	CHECK(camera_status(r.camera)->state == CAMERA_LIVE);
	CHECK_INT((int)camera_status(r.camera)->n_reconnects, 0);
	asked_us = loop_now_us(r.loop);
	camera_shoot(r.camera, &r.shot, asked_us, LIMIT_MS, on_shot, &r);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->captured_us >= asked_us);
	teardown(&r);
}

static bool is_connected_twice(const struct rig *r)
{
	return r->play.n_connections >= 2;
}

static void stream_unnamed(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	note(r, head);
	say_text(c, "HTTP/1.0 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n");
	for (int i = 0; i < 3; i++)
		say_part(r, c, NULL, 64);
}

TEST(a_stream_that_is_called_something_else_is_known_by_its_first_bytes)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_unnamed, &mjpeg_config);
	run_until(&r, has_pictures);
	CHECK_INT((int)r.play.n_connections, 1);
	teardown(&r);
}

TEST(a_stream_that_stalls_is_opened_again)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_three, &mjpeg_config);
	run_until(&r, is_stale);
	CHECK(strstr(camera_status(r.camera)->text, "no new picture for 1 s"));
	run_until(&r, is_connected_twice);
	CHECK(r.play.n_closed >= 1);
	teardown(&r);
}

static void stream_rubbish(void *arg, struct http_play_conn *c, const char *head)
{
	static const char garbage[] = "\r\n--frame\r\n\r\n\xff\xd8\xff garbage \xff\xff\xff";
	struct rig *r = arg;
	struct frame *f = make_picture(1, 64, 48);

	note(r, head);
	say_text(c, stream_head);
	say_text(c, "--frame\r\nContent-Type: image/jpeg\r\n\r\n");
	http_play_say(c, f->data, f->size / 2);
	http_play_say(c, garbage, sizeof(garbage) - 1);
	say_text(c,
	         "\r\n--frame\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>\r\n");
	say_part(r, c, NULL, 64);
	frame_unref(f);
}

TEST(half_pictures_and_garbage_in_a_stream_are_counted_and_passed_over)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_rubbish, &mjpeg_config);
	run_until(&r, has_one);
	CHECK(camera_status(r.camera)->n_refused >= 2);
	CHECK(camera_status(r.camera)->state == CAMERA_LIVE && r.play.n_connections == 1);
	teardown(&r);
}

static void stream_twice_the_same(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	(void)head;
	say_text(c, stream_head);
	for (int i = 0; i < 3; i++) {
		char stamp[32];

		(void)snprintf(stamp, sizeof(stamp), "77%d.5", i);
		say_part(r, c, stamp, 64);
		r->n_made--;
		say_part(r, c, stamp, 64);
	}
	say_part(r, c, "776.5", 80);
}

static bool is_wide(const struct rig *r)
{
	return camera_status(r->camera)->width == 80;
}

TEST(a_picture_that_is_sent_twice_counts_once)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_twice_the_same, &mjpeg_config);
	run_until(&r, is_wide);
	CHECK_INT((int)camera_status(r.camera)->n_frames, 4);
	teardown(&r);
}

static void stream_as_told(void *arg, struct http_play_conn *c, const char *head)
{
	struct rig *r = arg;

	note(r, head);
	switch (r->scenario) {
	case 0:
		say_text(c, stream_head);
		say_text(c, "--frame\r\nContent-Length: 100000000\r\n\r\n\xff\xd8");
		break;
	case 1:
		answer_picture(r, c, "Content-Type: image/jpeg\r\n");
		break;
	case 2:
		http_play_answer(c, "200 OK", "Content-Type: text/html\r\n", "<title>x</title>",
		                 16);
		break;
	case 3:
		http_play_answer(c, "404 Not Found", "", "no", 2);
		break;
	case 4:
		say_text(c, stream_head);
		http_play_hang_up(c);
		break;
	case 5:
		http_play_answer(c, "200 OK", "Content-Type: video/mp4\r\n", "....ftyp", 8);
		break;
	default:
		say_text(c, stream_head);
		say_text(c, "no boundary, no picture, nothing\r\n");
		break;
	}
}

TEST(why_there_is_no_stream_is_said_in_words)
{
	static const char *const said[] = {
		"a picture of 100 MB",
		"use the driver http-still",
		"a web page, not a picture: “x”",
		"nothing at this address",
		"ended the stream",
		"'video/mp4'",
		"no picture came",
	};

	for (int i = 0; i < (int)ARRAY_LEN(said); i++) {
		static struct rig r;

		r = (struct rig){ .scenario = i };
		setup(&r, stream_as_told, &mjpeg_config);
		run_until(&r, is_lost);
		if (!strstr(camera_status(r.camera)->text, said[i]))
			print_message("# %s\n", camera_status(r.camera)->text);
		CHECK(strstr(camera_status(r.camera)->text, said[i]));
		teardown(&r);
	}
}

TEST(a_camera_that_is_removed_in_mid_stream_leaves_nothing_behind)
{
	static struct rig r;

	r = (struct rig){ 0 };
	setup(&r, stream_three, &mjpeg_config);
	run_until(&r, has_one);
	cameras_remove(r.cameras, "side");
	CHECK(!r.watcher.camera);
	teardown(&r);
	r = (struct rig){ 0 };
	setup(&r, hold_the_first, &still_config);
	run_until(&r, is_asked);
	teardown(&r);
}
