/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cameras for other programs: tokens, the addresses they know, what viewers get and cost. */

#include "base/test.h"
#include "web/server.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "store/store.h"
#include "web/auth.h"
#include "web/fakes.h"
#include "web/limit.h"
#include "web/route.h"
#include "web/tokens.h"
#include "web/video_feed.h"
#include "web/wall.h"
#include "wire/http_server.h"

#include <jansson.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOW_MS 1795257605000 /* 2026-11-21 */
#define STRANGER "203.0.113.9"

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct work_pool *pool;
	struct web *web;
	struct http_answer answer;
	char cookie[100], csrf[64], token[64], token_id[64];
	/* over real sockets */
	void (*talk)(struct rig *r);
	pthread_t client;
	uint16_t port;
	struct timer camera;
	uint64_t n_frames;
	struct frame *picture; /* a real JPEG, sent again and again */
	struct buf heard;
};

/* ---- the web without sockets ---- */

static void start_with(struct rig *r, struct loop *l, struct web_env *env)
{
	struct err err = { 0 };

	memset(r, 0, sizeof(*r));
	crypto_init();
	r->loop = l;
	r->bus = bus_new(l);
	r->pool = work_pool_new(l, "test", 2);
	fakes_init(l);
	CHECK_INT(store_open(l, test_tmp_dir(), &r->store, &err), 0);
	env->loop = l;
	env->bus = r->bus;
	env->store = r->store;
	env->pool = r->pool;
	env->data_dir = test_tmp_dir();
	env->listen = "127.0.0.1";
	env->port = loop_is_simulated(l) ? 8484 : 0;
	env->cameras = (struct cameras *)(void *)r;
	CHECK_INT(web_new(env, &r->web, &err), 0);
}

static void start(struct rig *r, struct web_env *env)
{
	start_with(r, loop_new_simulated(NOW_MS), env);
}

static void stop(struct rig *r)
{
	http_answer_fini(&r->answer);
	web_free(r->web);
	if (loop_is_simulated(r->loop))
		loop_advance(r->loop, 1000);
	work_pool_free(r->pool);
	store_close(r->store);
	bus_free(r->bus);
	loop_free(r->loop);
	fakes_fini();
	frame_unref(r->picture);
	buf_fini(&r->heard);
}

/* `headers`: whole lines; NULL none. `body` "" none. */
static int ask(struct rig *r, const char *line, const char *address, const char *headers,
               const char *body)
{
	auto_buf struct buf b;

	buf_init(&b, 0);
	buf_printf(&b,
	           "%s HTTP/1.1\r\n%s%sContent-Type: application/json\r\n"
	           "Content-Length: %zu\r\n\r\n%s",
	           line,
	           headers && strstr(headers, "Host: ") ? ""
	           : strcmp(address, "127.0.0.1") == 0  ? "Host: localhost:8484\r\n"
	                                                : "Host: bedside.lan\r\n",
	           headers ? headers : "", strlen(body), body);
	http_answer_fini(&r->answer);

	struct http_request *q = http_request_fake(buf_peek(&b), b.size, address, &r->answer);

	CHECK(q);
	web_asked(r->web, q);
	for (int i = 0; i < 20 && !r->answer.is_answered && !r->answer.is_channel; i++)
		loop_advance(r->loop, 1);
	CHECK(r->answer.is_answered || r->answer.is_channel);
	return r->answer.status;
}

static int get(struct rig *r, const char *path)
{
	char line[300];

	snprintf(line, sizeof(line), "GET %s", path);
	return ask(r, line, STRANGER, NULL, "");
}

static int as_admin(struct rig *r, const char *line, const char *body)
{
	char headers[400];

	snprintf(headers, sizeof(headers), "Cookie: %s\r\nX-Bedside-Csrf: %s\r\n", r->cookie,
	         r->csrf);
	return ask(r, line, "127.0.0.1", headers, body);
}

static json_t *body_of(const struct rig *r)
{
	json_t *j = json_loadb(r->answer.body ? r->answer.body : "", r->answer.size, 0, NULL);

	CHECK(j);
	return j;
}

static void set_up(struct rig *r)
{
	char body[200];
	const char *at;
	json_t *j;

	snprintf(body, sizeof(body),
	         "{\"token\":\"%s\",\"name\":\"root\",\"password\":\"12345678\"}",
	         strstr(web_setup_link(r->web), "?token=") + 7);
	CHECK_INT(ask(r, "POST /api/v1/setup", "127.0.0.1", NULL, body), 200);
	at = strstr(r->answer.head, AUTH_COOKIE "=");
	CHECK(at);
	text_copy_n(r->cookie, sizeof(r->cookie), at, strcspn(at, ";"));
	j = body_of(r);
	TEXT_SET(r->csrf, json_string_value(json_object_get(j, "csrf")));
	json_decref(j);
}

static void make_token(struct rig *r, const char *more)
{
	char body[200];
	json_t *j;

	snprintf(body, sizeof(body), "{\"camera\":\"a1\",\"name\":\"OctoPrint\"%s}", more);
	CHECK_INT(as_admin(r, "POST /api/v1/camera-tokens", body), 201);
	j = body_of(r);
	TEXT_SET(r->token, json_string_value(json_object_get(j, "secret")));
	TEXT_SET(r->token_id,
	         json_string_value(json_object_get(json_object_get(j, "token"), "id")));
	json_decref(j);
	CHECK(token_looks_right(r->token));
}

static void give_picture(struct rig *r)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, 9, &bytes);

	memcpy(bytes, "\xff\xd8\xffpicture", 9);
	f->seq = ++r->n_frames;
	f->captured_us = loop_now_us(r->loop);
	f->arrived_us = f->captured_us;
	f->captured_wall_ms = loop_wall_ms(r->loop);
	fakes_camera_frame(f);
}

static bool has_header(const struct rig *r, const char *text)
{
	return strstr(r->answer.head, text) != NULL;
}

/* ---- tokens ---- */

TEST(tokens_open_one_camera_by_every_way_programs_know)
{
	struct rig r;
	struct web_env env = { 0 };
	char path[200], header[200], plain[100];

	start(&r, &env);
	CHECK_INT(get(&r, "/snapshot"), 403); /* not set up: closed to all */
	set_up(&r);
	make_token(&r, "");
	give_picture(&r);
	CHECK_INT(get(&r, "/snapshot"), 401);
	CHECK(has_header(&r, "WWW-Authenticate: Basic realm=\"Bedside camera\", "));
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 200);
	CHECK(has_header(&r, "X-Time-Source: arrival\r\n"));
	CHECK(has_header(&r, "Last-Modified: Sat, 21 Nov 2026 "));
	CHECK(has_header(&r, "X-Timestamp: 17952576"));
	snprintf(path, sizeof(path), "/c/%s/?action=snapshot", r.token);
	CHECK_INT(get(&r, path), 200);
	snprintf(path, sizeof(path), "/c/%s/cam/a1/snapshot.jpg", r.token);
	CHECK_INT(get(&r, path), 200);
	snprintf(path, sizeof(path), "/c/%s/api/frame.jpeg?src=a1", r.token);
	CHECK_INT(get(&r, path), 200);
	snprintf(path, sizeof(path), "/c/%s/api/v1/cameras/a1/snapshot", r.token);
	CHECK_INT(get(&r, path), 200);
	snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", r.token);
	CHECK_INT(ask(&r, "GET /webcam/?action=snapshot", STRANGER, header, ""), 200);
	snprintf(plain, sizeof(plain), "anybody:%s", r.token);

	auto_free char *b64 = crypto_base64(plain, strlen(plain));

	snprintf(header, sizeof(header), "Authorization: Basic %s\r\n", b64);
	CHECK_INT(ask(&r, "GET /?action=snapshot_0", STRANGER, header, ""), 200);
	stop(&r);
}

TEST(tokens_reach_nothing_but_their_camera)
{
	struct rig r;
	struct web_env env = { 0 };
	const struct route *route;
	unsigned n_closed = 0, n_open = 0;

	start(&r, &env);
	set_up(&r);
	make_token(&r, "");
	for (size_t i = 0; (route = route_at(i)); i++) {
		char line[300], header[200];
		int status;
		size_t n = (size_t)snprintf(line, sizeof(line), "%s ",
		                            http_method_name(route->method));

		if (route->role == ROLE_OPEN)
			continue;
		for (const char *p = route->path; *p; p++) {
			line[n++] = *p == '{' ? 'x' : *p;
			if (*p == '{')
				p = strchr(p, '}');
		}
		snprintf(line + n, sizeof(line) - n, "?token=%s", r.token);
		status = ask(&r, line, STRANGER, NULL, "");
		if (route->flags & ROUTE_CAMERA) {
			/* Another camera, or its own. */
			CHECK_INT(status == 403, strchr(route->path, '{') != NULL);
			n_open++;
			continue;
		}
		CHECK_INT(status, 401);
		snprintf(header, sizeof(header), "Authorization: Bearer %s\r\n", r.token);
		line[n] = '\0';
		CHECK_INT(ask(&r, line, STRANGER, header, ""), 401);
		n_closed++;
	}
	CHECK(n_closed > 40 && n_open > 10);
	/* Its path opens no page either. */
	{
		char path[200];

		snprintf(path, sizeof(path), "/c/%s/api/v1/printers", r.token);
		CHECK_INT(get(&r, path), 404);
		snprintf(path, sizeof(path), "/c/%s/index.html", r.token);
		CHECK_INT(get(&r, path), 404);
	}
	stop(&r);
}

TEST(tokens_end_and_are_revoked_and_leave_no_secret_behind)
{
	struct rig r;
	struct web_env env = { 0 };
	char path[200], line[200];

	start(&r, &env);
	set_up(&r);
	make_token(&r, ",\"expires_in_min\":1");
	give_picture(&r);
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 200);
	loop_advance(r.loop, 61000);
	CHECK_INT(get(&r, path), 401);
	make_token(&r, ",\"expires_at\":null");
	give_picture(&r);
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 200);
	CHECK_INT(as_admin(&r, "GET /api/v1/camera-tokens", ""), 200);
	CHECK(!strstr(r.answer.body, r.token) && !strstr(r.answer.body, "hash"));
	CHECK(strstr(r.answer.body, "\"made_by\":\"root\""));
	snprintf(line, sizeof(line), "DELETE /api/v1/camera-tokens/%s", r.token_id);
	CHECK_INT(as_admin(&r, line, ""), 204);
	CHECK_INT(as_admin(&r, line, ""), 404);
	CHECK_INT(get(&r, path), 401);
	CHECK_INT(
		as_admin(&r, "POST /api/v1/camera-tokens", "{\"camera\":\"none\",\"name\":\"x\"}"),
		422);
	CHECK_INT(as_admin(&r, "GET /api/v1/audit?action=camera%20token", ""), 200);
	CHECK(strstr(r.answer.body, "revoked") && strstr(r.answer.body, "made for camera a1"));
	CHECK(!strstr(r.answer.body, r.token));
	stop(&r);
}

static void camera_is_removed(void *arg UNUSED, const char *id, struct web_keeper k)
{
	k.done(k.arg, id, NULL, NULL);
}

TEST(tokens_go_with_their_camera_and_count_for_those_who_are_signed_in_too)
{
	struct rig r;
	struct web_env env = { .hooks.remove_camera = camera_is_removed };
	char line[200];

	start(&r, &env);
	set_up(&r);
	make_token(&r, "");
	give_picture(&r);
	snprintf(line, sizeof(line), "GET /c/%s/snapshot", r.token);
	CHECK_INT(as_admin(&r, line, ""), 200);
	CHECK_INT(as_admin(&r, "DELETE /api/v1/cameras/a1", ""), 204);
	loop_advance(r.loop, 10);
	/* The fake still has it: a camera of the same name, as it were. */
	give_picture(&r);
	CHECK_INT(get(&r, line + 4), 401);
	CHECK_INT(as_admin(&r, line, ""), 401);
	CHECK_INT(as_admin(&r, "GET /snapshot", ""), 200);
	stop(&r);
}

TEST(tokens_outlive_a_restart)
{
	struct rig r;
	struct web_env env = { 0 };
	struct err err = { 0 };
	char path[200];

	start(&r, &env);
	set_up(&r);
	make_token(&r, "");
	web_free(r.web);
	loop_advance(r.loop, 1000);
	CHECK_INT(web_new(&env, &r.web, &err), 0);
	give_picture(&r);
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 200);
	stop(&r);
}

TEST(tokens_cannot_be_guessed_and_guessing_locks_no_good_one_out)
{
	static const char wrong[] = "/snapshot?token=ctABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
	struct rig r;
	struct web_env env = { 0 };
	char path[200], line[220];

	start(&r, &env);
	set_up(&r);
	make_token(&r, "");
	give_picture(&r);
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 200);
	for (int i = 0; i < LIMIT_PER_MINUTE; i++)
		CHECK_INT(get(&r, wrong), 401);
	CHECK_INT(get(&r, wrong), 429);
	CHECK(has_header(&r, "Retry-After: "));
	/* Known from there. */
	CHECK_INT(get(&r, path), 200);
	/* Right, but never seen from there: whoever guesses learns nothing. */
	make_token(&r, "");
	snprintf(path, sizeof(path), "/snapshot?token=%s", r.token);
	CHECK_INT(get(&r, path), 429);
	snprintf(line, sizeof(line), "GET %s", path);
	CHECK_INT(ask(&r, line, "203.0.113.10", NULL, ""), 200);
	stop(&r);
}

/* ---- listed addresses ---- */

TEST(listed_addresses_need_no_token_and_other_sites_pages_cannot_read)
{
	struct rig r;
	struct web_env env = { .camera_clients = { "203.0.113.0/24" }, .n_camera_clients = 1 };

	start(&r, &env);
	set_up(&r);
	give_picture(&r);
	CHECK_INT(get(&r, "/?action=snapshot"), 200);
	CHECK_INT(get(&r, "/webcam/?action=snapshot"), 200);
	CHECK(has_header(&r, "image/jpeg"));
	CHECK_INT(get(&r, "/webcam2/?action=snapshot"), 404);
	CHECK_INT(get(&r, "/cam/a1/snapshot"), 200);
	CHECK_INT(get(&r, "/cam/none/snapshot"), 404);
	CHECK_INT(get(&r, "/snapshot?camera=A1's%20camera"), 200);
	CHECK_INT(get(&r, "/api/v1/cameras/a1/snapshot"), 200);
	CHECK_INT(get(&r, "/stream.mjpg"), 200);
	CHECK(r.answer.is_channel);
	CHECK_INT(get(&r, "/api/v1/cameras"), 401);
	CHECK_INT(get(&r, "/api/v1/printers"), 401);
	CHECK_INT(ask(&r, "GET /snapshot", "198.51.100.7", NULL, ""), 401);
	/* Somebody behind a proxy that nobody named. */
	CHECK_INT(ask(&r, "GET /snapshot", STRANGER, "X-Forwarded-For: 198.51.100.7\r\n", ""), 401);
	/* A page whose own name was made to lead here. */
	CHECK_INT(ask(&r, "GET /snapshot", STRANGER, "Host: evil.example:8484\r\n", ""), 401);
	CHECK_INT(ask(&r, "GET /snapshot", STRANGER, "Host: 198.51.100.1:8484\r\n", ""), 200);
	CHECK_INT(ask(&r, "GET /snapshot", STRANGER, "Host: [2001:db8::1]\r\n", ""), 200);
	CHECK_INT(ask(&r, "OPTIONS /snapshot", STRANGER, "Origin: http://x\r\n", ""), 204);
	CHECK_INT(ask(&r, "OPTIONS /api/v1/printers", STRANGER, "Origin: http://x\r\n", ""), 405);
	stop(&r);
}

TEST(compat_pages_are_those_that_programs_expect)
{
	static const char *const paths[] = { "/state", "/status", "/input.json", "/program.json",
		                             "/api/streams" };
	struct rig r;
	struct web_env env = { .camera_clients = { "203.0.113.0/24" }, .n_camera_clients = 1 };
	json_t *j;

	start(&r, &env);
	set_up(&r);
	fakes_camera_status()->width = 1920;
	fakes_camera_status()->height = 1080;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		CHECK_INT(get(&r, paths[i]), 200);
		j = body_of(&r);
		CHECK(json_object_size(j) > 0);
		json_decref(j);
	}
	CHECK_INT(get(&r, "/cam/a1/state"), 200);
	CHECK(strstr(r.answer.body, "\"resolution\":{\"width\":1920,\"height\":1080}"));
	CHECK(strstr(r.answer.body, "\"online\":true"));
	CHECK_INT(get(&r, "/cam/a1/status"), 200);
	CHECK(strstr(r.answer.body, "\"uri\":\"http://bedside.lan/cam/a1/stream\""));
	CHECK_INT(get(&r, "/api/streams"), 200);
	CHECK(strstr(r.answer.body, "{\"a1\":{\"producers\":[{"));
	CHECK_INT(get(&r, "/?action=command"), 404);
	stop(&r);
}

TEST(stills_say_why_there_is_none)
{
	struct rig r;
	struct web_env env = { .camera_clients = { "203.0.113.0/24" }, .n_camera_clients = 1 };

	start(&r, &env);
	set_up(&r);
	give_picture(&r);
	/* The fake's shots always end without a picture: a fresh one must be waited for. */
	CHECK_INT(get(&r, "/snapshot?fresh=1"), 504);
	CHECK(strstr(r.answer.body, "no picture came in time"));
	fakes_camera_status()->state = CAMERA_NO_SIGNAL;
	CHECK_INT(get(&r, "/api/v1/cameras/a1/snapshot?fresh=1&timeout=200"), 503);
	loop_advance(r.loop, 6000);
	CHECK_INT(get(&r, "/api/v1/cameras/a1/snapshot"), 503);
	stop(&r);
}

/* ---- what a connection carries ---- */

TEST(wall_chooses_the_next_larger_size)
{
	CHECK_INT(wall_width(0), 0);
	CHECK_INT(wall_width(100), 160);
	CHECK_INT(wall_width(640), 640);
	CHECK_INT(wall_width(641), 960);
	CHECK_INT(wall_width(2000), 0);
}

/* Pictures of 40 kB over a line of so many bytes a second; returns the level after `s` seconds. */
static unsigned pace_over(struct wall_pace *p, double line, int64_t *now_us, int s)
{
	int64_t free_us = *now_us, sent_us[64], end_us = *now_us + s * INT64_C(1000000);
	size_t first = 0, n = 0, under_way = 0, size = 40000, ahead[64];

	for (int64_t due_us = *now_us; due_us < end_us; due_us += 20000) {
		unsigned width = 1920;
		int64_t every_us = 0;

		*now_us = due_us;
		wall_pace_apply(p, &width, &every_us);
		size = (size_t)(40000.0 * (width ? width : 1920) / 1920 * (width ? width : 1920) /
		                1920);
		while (n > 0 && sent_us[first % 64] <= due_us) {
			wall_pace_arrived(p, size, ahead[first % 64], sent_us[first % 64] - 100000,
			                  due_us);
			under_way -= MIN(under_way, size);
			first++;
			n--;
		}
		if (n < 60 && (n == 0 || under_way < p->window)) {
			free_us = MAX(free_us, due_us) + (int64_t)((double)size / line * 1e6);
			ahead[(first + n) % 64] = under_way;
			sent_us[(first + n) % 64] = free_us + 5000;
			under_way += size;
			n++;
			(void)wall_pace_count(p, false, due_us);
		} else {
			(void)wall_pace_count(p, true, due_us);
		}
	}
	return p->level;
}

TEST(wall_sends_less_over_a_slow_line_and_more_again_over_a_fast_one)
{
	struct wall_pace p;
	int64_t now_us = 1000000;

	wall_pace_init(&p, now_us);
	CHECK_INT(pace_over(&p, 100e6, &now_us, 10), 0);
	CHECK(pace_over(&p, 300e3, &now_us, 30) >= 2);
	CHECK(p.window <= WALL_MAX_WINDOW);
	CHECK_INT(pace_over(&p, 100e6, &now_us, 90), 0);
}

/* ---- over real sockets ---- */

static void *client_main(void *arg)
{
	struct rig *r = arg;

	r->talk(r);
	loop_stop(r->loop);
	return NULL;
}

static void keep(struct frame *f)
{
	frame_unref(*(struct frame **)(f + 1));
	free(f);
}

/* The same bytes as a new frame. */
static void next_frame(void *arg)
{
	struct rig *r = arg;
	struct frame *f = mem_new(sizeof(*f) + sizeof(struct frame *));

	frame_init(f, keep);
	*(struct frame **)(f + 1) = frame_ref(r->picture);
	f->data = r->picture->data;
	f->size = r->picture->size;
	f->width = r->picture->width;
	f->height = r->picture->height;
	f->seq = ++r->n_frames;
	f->captured_us = loop_now_us(r->loop);
	f->captured_wall_ms = loop_wall_ms(r->loop);
	fakes_camera_frame(f);
}

static void draw_picture(struct rig *r)
{
	uint8_t *rgbx = mem_new(320 * 240 * 4);

	for (size_t i = 0; i < (size_t)320 * 240 * 4; i++)
		rgbx[i] = (uint8_t)(i / 7);
	CHECK_INT(jpeg_encode_rgbx(rgbx, 320, 240, 80, &r->picture, NULL), 0);
	r->picture->width = 320;
	r->picture->height = 240;
	free(rgbx);
}

static void run(struct rig *r, void (*talk)(struct rig *r))
{
	struct web_env env = { .is_demo = true };

	start_with(r, loop_new(), &env);
	draw_picture(r);
	r->talk = talk;
	r->port = web_port(r->web);
	timer_init(&r->camera, r->loop, next_frame, r);
	timer_start_every(&r->camera, 20);
	pthread_create(&r->client, NULL, client_main, r);
	loop_run(r->loop);
	pthread_join(r->client, NULL);
	timer_stop(&r->camera);
	stop(r);
}

static int say(const struct rig *r, const char *line, const char *headers)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		                  .sin_port = htons(r->port),
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval patience = { .tv_sec = 20 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	auto_buf struct buf b;

	buf_init(&b, 0);
	CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	buf_printf(&b, "GET %s HTTP/1.1\r\nHost: localhost:%u\r\n%s\r\n", line, r->port, headers);
	CHECK(send(fd, buf_peek(&b), b.size, MSG_NOSIGNAL) == (ssize_t)b.size);
	return fd;
}

static bool hear_bytes(struct rig *r, int fd, const void *what, size_t size)
{
	char piece[8192];
	ssize_t n;

	while (!memmem(buf_peek(&r->heard), r->heard.size, what, size)) {
		n = recv(fd, piece, sizeof(piece), 0);
		if (n <= 0)
			return false;
		buf_add(&r->heard, piece, (size_t)n);
	}
	return true;
}

static bool hear(struct rig *r, int fd, const char *what)
{
	return hear_bytes(r, fd, what, strlen(what));
}

static void talk_ustreamer(struct rig *r)
{
	int fd = say(r, "/stream?extra_headers=1&key=bench", "");

	CHECK(hear(r, fd, "\r\n--bedside\r\nContent-Type: image/jpeg\r\nContent-Length: "));
	CHECK(hear(r, fd, "X-UStreamer-Online: true\r\n"));
	CHECK(hear(r, fd, "X-UStreamer-Width: 320\r\nX-UStreamer-Height: 240\r\n"));
	CHECK(hear(r, fd, "X-UStreamer-Latency: 0."));
	(void)close(fd);

	fd = say(r, "/stream?advance_headers=1", "");
	buf_clear(&r->heard);
	CHECK(hear(r, fd, "\r\n--bedside\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"));
	CHECK(hear(r, fd, "\xff\xd9\r\n--bedside\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8"));
	(void)close(fd);

	fd = say(r, "/stream?zero_data=1", "");
	buf_clear(&r->heard);
	CHECK(hear(r, fd, "Content-Length: 0\r\nX-Timestamp: "));
	CHECK(hear(r, fd, "\r\n\r\n\r\n--bedside\r\n"));
	(void)close(fd);
}

TEST(live_understands_the_parameters_of_ustreamer)
{
	struct rig r;

	run(&r, talk_ustreamer);
}

static void talk_small(struct rig *r)
{
	int fd = say(r, "/api/v1/cameras/a1/stream?width=160", "");

	/* 160 × 120 in the JPEG's own frame header: FF C0, length 17, 8 bits. */
	CHECK(hear_bytes(r, fd, "\xff\xc0\x00\x11\x08\x00\x78\x00\xa0", 9));
	(void)close(fd);
}

TEST(live_makes_smaller_copies_for_those_who_want_them)
{
	struct rig r;

	run(&r, talk_small);
}

#define UPGRADE                                                                      \
	"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* A text frame masked with zeros. */
static void say_ws(int fd, const char *text)
{
	size_t n = strlen(text), at = 0;
	uint8_t b[400];

	b[at++] = 0x81;
	if (n < 126) {
		b[at++] = (uint8_t)(0x80 | n);
	} else {
		b[at++] = 0x80 | 126;
		b[at++] = (uint8_t)(n >> 8);
		b[at++] = (uint8_t)n;
	}
	memset(b + at, 0, 4);
	memcpy(b + at + 4, text, n);
	CHECK(send(fd, b, at + 4 + n, MSG_NOSIGNAL) > 0);
}

/* The next binary message; returns its number, its camera's place in *ret_index. */
static uint32_t hear_picture(struct rig *r, int fd, unsigned *ret_index)
{
	for (;;) {
		const uint8_t *p = (const uint8_t *)buf_peek(&r->heard);
		char piece[8192];
		size_t size = 0, head = 2;
		ssize_t n;

		if (r->heard.size >= 10) {
			size = p[1] & 127;
			if (size == 126) {
				size = (size_t)p[2] << 8 | p[3];
				head = 4;
			} else if (size == 127) {
				size = (size_t)p[7] << 16 | (size_t)p[8] << 8 | p[9];
				head = 10;
			}
		}
		if (size > 0 && r->heard.size >= head + size) {
			bool is_binary = (p[0] & 15) == 2;
			const uint8_t *b = p + head;
			uint32_t number = (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 |
			                  (uint32_t)b[6] << 8 | b[7];

			if (is_binary) {
				CHECK(b[0] == 1 && b[28] == 0xff && b[29] == 0xd8);
				CHECK_INT((size_t)b[21] << 16 | (size_t)b[22] << 8 | b[23],
				          size - 28);
				*ret_index = (unsigned)b[1] << 16 | (unsigned)b[2] << 8 | b[3];
			}
			buf_consume(&r->heard, head + size);
			if (is_binary)
				return number;
			continue;
		}
		n = recv(fd, piece, sizeof(piece), 0);
		if (n <= 0)
			return 0;
		buf_add(&r->heard, piece, (size_t)n);
	}
}

static void talk_wall(struct rig *r)
{
	int fd = say(r, "/api/v1/wall", UPGRADE);
	unsigned index = 9, of[2] = { 0, 0 };
	uint32_t last = 0;

	CHECK(hear(r, fd, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
	CHECK(hear(r, fd, "\r\n\r\n"));
	buf_consume(&r->heard, (size_t)((const char *)memmem(buf_peek(&r->heard), r->heard.size,
	                                                     "\r\n\r\n", 4) +
	                                4 - buf_peek(&r->heard)));
	say_ws(fd, "{\"want\":[{\"camera\":\"a1\",\"width\":160,\"fps\":30},{\"camera\":\"a1\"},"
	           "{\"camera\":\"none\"}],\"generation\":263}");
	for (int i = 0; i < 60; i++) {
		char ack[40];
		uint32_t number = hear_picture(r, fd, &index);

		CHECK_INT(number, last + 1);
		/* What was wanted by this name, as much of it as has room. */
		CHECK_INT(index >> 16, 7);
		index &= 0xffff;
		CHECK(index < 2);
		of[index]++;
		last = number;
		snprintf(ack, sizeof(ack), "{\"ack\":%u}", number);
		say_ws(fd, ack);
	}
	/* In turn: neither starves. */
	CHECK(of[0] > 5 && of[1] > 5);
	(void)close(fd);
}

TEST(wall_carries_many_cameras_over_one_connection)
{
	struct rig r;

	run(&r, talk_wall);
}

static void talk_unacknowledged(struct rig *r)
{
	int fd = say(r, "/api/v1/wall", UPGRADE);
	unsigned index, n = 0;
	struct timeval patience = { .tv_sec = 1 };
	size_t total = 0;

	CHECK(hear(r, fd, "\r\n\r\n"));
	buf_clear(&r->heard);
	say_ws(fd, "{\"want\":[{\"camera\":\"a1\"}]}");
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while (hear_picture(r, fd, &index) > 0) {
		n++;
		total += r->picture->size;
	}
	/* Without an acknowledgement no more than a window comes. */
	CHECK(n > 0 && n <= 64);
	CHECK(total <= 131072 + r->picture->size);
	(void)close(fd);
}

TEST(wall_waits_for_acknowledgements)
{
	struct rig r;

	run(&r, talk_unacknowledged);
}

/* A viewer of another kind may keep the feed. */
TEST(hls_makes_no_segments_for_long_after_the_last_question)
{
	static struct feed f;
	struct fragment g = { .is_key = true, .to_us = HLS_MIN_US };

	g.bytes = http_bytes_new("x", 1);
	hls_init(&f.hls);
	f.hls.asked_us = 1000;
	hls_put(&f, &g);
	g.from_us = HLS_MIN_US;
	hls_put(&f, &g);
	hls_check(&f, 1000 + HLS_IDLE_US - 1);
	CHECK_INT(f.hls.n_segments, 1);
	CHECK(f.hls.making.size > 0);
	hls_check(&f, 1000 + HLS_IDLE_US);
	CHECK(f.hls.asked_us == 0 && f.hls.n_segments == 0 && f.hls.making.size == 0);
	hls_put(&f, &g);
	CHECK_INT(f.hls.making.size, 0);
	http_bytes_unref(g.bytes);
	hls_fini(&f.hls, "");
}
