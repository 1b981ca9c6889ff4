/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"
#include "web/server.h"
#include "web/web.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "model/event.h"
#include "store/repo.h"
#include "store/store.h"
#include "web/auth.h"
#include "web/auth_private.h"
#include "web/fakes.h"
#include "web/limit.h"
#include "web/proxy.h"
#include "web/route.h"
#include "wire/http_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_MS 1795257605000 /* 2026-11-21 */
#define PASSWORD "correct horse"

/* The web on a simulated loop: requests are handed in without a socket. */
struct rig {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct work_pool *pool;
	struct web *web;
	char dir[300];
	struct http_answer answer;
	char cookie[100], csrf[64]; /* of who is signed in */
	char film[ID_SIZE], session[ID_SIZE];
};

/* How a request is made. */
struct how {
	const char *cookie, *csrf, *key, *address, *body, *headers;
};

static void start_env(struct rig *r, struct web_env *env)
{
	struct err err = { 0 };

	memset(r, 0, sizeof(*r));
	crypto_init();
	TEXT_SET(r->dir, test_tmp_dir());
	r->loop = loop_new_simulated(NOW_MS);
	r->bus = bus_new(r->loop);
	r->pool = work_pool_new(r->loop, "test", 1);
	fakes_init(r->loop);
	CHECK_INT(store_open(r->loop, r->dir, &r->store, &err), 0);
	env->loop = r->loop;
	env->bus = r->bus;
	env->store = r->store;
	env->pool = r->pool;
	env->data_dir = r->dir;
	env->port = 8484;
	/* Never looked into: the fakes know their own. */
	env->printers = (struct printers *)(void *)r;
	env->cameras = (struct cameras *)(void *)r;
	env->sessions = (struct sessions *)(void *)r;
	env->films = (struct films *)(void *)r;
	CHECK_INT(web_new(env, &r->web, &err), 0);
}

static void start(struct rig *r)
{
	struct web_env env = { 0 };

	start_env(r, &env);
}

static void stop(struct rig *r)
{
	http_answer_fini(&r->answer);
	web_free(r->web);
	loop_advance(r->loop, 1000);
	store_close(r->store);
	work_pool_free(r->pool);
	bus_free(r->bus);
	loop_free(r->loop);
	fakes_fini();
}

static void write_request(struct buf *b, const char *line, const struct how *how)
{
	const char *body = how->body ? how->body : "";

	buf_init(b, 0);
	buf_printf(b, "%s HTTP/1.1\r\n", line);
	if (!how->headers || !strstr(how->headers, "Host:"))
		buf_printf(b, "Host: %s\r\n", how->address ? "bedside.example" : "localhost:8484");
	if (how->cookie)
		buf_printf(b, "Cookie: a=b; %s\r\n", how->cookie);
	if (how->csrf)
		buf_printf(b, "X-Bedside-Csrf: %s\r\n", how->csrf);
	if (how->key)
		buf_printf(b, "Authorization: Bearer %s\r\n", how->key);
	if (how->headers)
		buf_add_str(b, how->headers);
	buf_printf(b, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
	           strlen(body), body);
}

/* Returns the status. */
static int ask(struct rig *r, const char *line, struct how how)
{
	auto_buf struct buf b;

	write_request(&b, line, &how);
	http_answer_fini(&r->answer);

	struct http_request *q = http_request_fake(
		buf_peek(&b), b.size, how.address ? how.address : "127.0.0.1", &r->answer);

	CHECK(q);
	web_asked(r->web, q);
	for (int i = 0; i < 20 && !r->answer.is_answered; i++)
		loop_advance(r->loop, 1);
	CHECK(r->answer.is_answered);
	return r->answer.status;
}

#define ASK(line_, ...) ask(&r, (line_), (struct how){ __VA_ARGS__ })

static json_t *body_of(const struct rig *r)
{
	json_t *j = json_loadb(r->answer.body ? r->answer.body : "", r->answer.size, 0, NULL);

	CHECK(j);
	return j;
}

static void member(const struct rig *r, const char *name, char *dst, size_t size)
{
	json_t *j = body_of(r);

	text_copy(dst, size, json_string_value(json_object_get(j, name)));
	json_decref(j);
}

static bool says(const struct rig *r, const char *text)
{
	return r->answer.body && strstr(r->answer.body, text);
}

/* Takes cookie and csrf out of a good login. */
static void take_login(struct rig *r)
{
	const char *at = strstr(r->answer.head, AUTH_COOKIE "=");

	CHECK(at);
	text_copy_n(r->cookie, sizeof(r->cookie), at, strcspn(at, ";"));
	member(r, "csrf", r->csrf, sizeof(r->csrf));
	CHECK(strlen(r->csrf) == USER_CSRF_SIZE - 1);
}

static void set_up_body(struct rig *r, char *dst, size_t size)
{
	const char *token = strstr(web_setup_link(r->web), "?token=");

	CHECK(token);
	snprintf(dst, size, "{\"token\":\"%s\",\"name\":\"root\",\"password\":\"" PASSWORD "\"}",
	         token + 7);
}

static void set_up(struct rig *r)
{
	char body[300];

	set_up_body(r, body, sizeof(body));
	CHECK_INT(ask(r, "POST /api/v1/setup", (struct how){ .body = body }), 200);
	take_login(r);
}

static void sign_in(struct rig *r, const char *name)
{
	char body[200];

	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"" PASSWORD "\"}", name);
	CHECK_INT(ask(r, "POST /api/v1/login", (struct how){ .body = body }), 200);
	take_login(r);
}

static void add_user(struct rig *r, const char *name, const char *role)
{
	char body[300];

	snprintf(body, sizeof(body),
	         "{\"name\":\"%s\",\"password\":\"" PASSWORD "\",\"role\":\"%s\"}", name, role);
	CHECK_INT(ask(r, "POST /api/v1/users",
	              (struct how){ .cookie = r->cookie, .csrf = r->csrf, .body = body }),
	          201);
}

static int try_wrong(struct rig *r, const char *name, const char *address)
{
	char body[200];

	snprintf(body, sizeof(body), "{\"name\":\"%s\",\"password\":\"guess\"}", name);
	return ask(r, "POST /api/v1/login", (struct how){ .address = address, .body = body });
}

/* As if a hundred addresses had guessed; each guess would take a tenth of a second. */
static void fill_cap(struct rig *r, const char *name)
{
	struct auth *a = r->web->auth;
	char key[64];

	snprintf(key, sizeof(key), "user %s", auth_user_by_name(a, name)->id);
	for (int i = 0; i < LIMIT_CAP_TRIES; i++)
		limit_cap_count(&a->by_account, key, loop_now_us(r->loop));
}

/* ---- first start ---- */

TEST(web_is_closed_to_strangers_until_a_password_is_set)
{
	struct rig r;
	char link[300], line[400], setup[100];

	start(&r);
	CHECK_INT(ASK("GET /", .address = "192.168.1.9"), 403);
	CHECK(says(&r, "Not set up yet"));
	CHECK_INT(ASK("GET /api/v1/start", .address = "192.168.1.9"), 403);
	CHECK_INT(ASK("GET /healthz", .address = "192.168.1.9"), 200);
	CHECK_INT(ASK("GET /", ), 200);
	/* Somebody's proxy on this machine is not this machine. */
	CHECK_INT(ASK("GET /", .headers = "X-Forwarded-For: 8.8.8.8\r\n"), 403);
	/* Nor is a page whose name was made to point here. */
	CHECK_INT(ASK("GET /", .headers = "Host: evil.example\r\n"), 403);
	CHECK_INT(ASK("GET /", .headers = "Host: localhost:80\r\n"), 403);
	CHECK_INT(ASK("GET /", .headers = "Host: localhost\r\n"), 403);
	CHECK_INT(ASK("GET /", .headers = "Host: 127.0.0.1:8484\r\n"), 200);
	CHECK_INT(ASK("GET /", .headers = "Host: [::1]:8484\r\n"), 200);
	/* A proxy that leaves no mark looks like this machine: without the link it gets no further. */
	CHECK_INT(ASK("GET /api/v1/start", ), 200);
	CHECK(says(&r, "\"has_link\":false"));
	CHECK_INT(ASK("POST /api/v1/setup", .body = "{\"name\":\"me\",\"password\":\"12345678\"}"),
	          403);
	CHECK(says(&r, "set-up link"));

	TEXT_SET(link, web_setup_link(r.web));

	const char *token = strstr(link, "?token=");

	CHECK(token);
	snprintf(line, sizeof(line), "GET /%s", token);
	CHECK_INT(ask(&r, line, (struct how){ .address = "192.168.1.9" }), 200);

	const char *at = strstr(r.answer.head, AUTH_SETUP_COOKIE "=");

	CHECK(at);
	text_copy_n(setup, sizeof(setup), at, strcspn(at, ";"));
	CHECK_INT(ASK("GET /api/v1/start", .address = "192.168.1.9", .cookie = setup), 200);
	CHECK(says(&r, "\"needs_setup\":true"));
	CHECK(says(&r, "\"has_link\":true"));
	CHECK_INT(ASK("POST /api/v1/setup", .address = "192.168.1.9",
	              .body = "{\"name\":\"me\",\"password\":\"12345678\"}"),
	          403);
	CHECK_INT(ASK("POST /api/v1/setup", .address = "192.168.1.9", .cookie = setup,
	              .body = "{\"name\":\"me\",\"password\":\"1234567\"}"),
	          422);
	CHECK(says(&r, "\"field\":\"password\""));
	CHECK_INT(ASK("POST /api/v1/setup", .address = "192.168.1.9", .cookie = setup,
	              .body = "{\"name\":\"me\",\"password\":\"12345678\"}"),
	          200);
	take_login(&r);
	CHECK(strstr(r.answer.head, "HttpOnly; SameSite=Strict"));
	CHECK_INT(ASK("POST /api/v1/setup", .body = "{\"name\":\"two\",\"password\":\"12345678\"}"),
	          410);
	CHECK(!strstr(web_setup_link(r.web), "token"));
	CHECK_INT(ASK("GET /api/v1/me", .address = "192.168.1.9", .cookie = r.cookie), 200);
	CHECK(says(&r, "\"is_root\":true"));
	stop(&r);
}

TEST(web_forgets_the_setup_link_after_fifteen_minutes)
{
	struct rig r;
	char body[300];

	start(&r);

	char link[300];

	TEXT_SET(link, web_setup_link(r.web));
	snprintf(body, sizeof(body), "{\"token\":\"%s\",\"name\":\"me\",\"password\":\"12345678\"}",
	         strstr(link, "?token=") + 7);
	loop_advance(r.loop, WEB_SETUP_MS + 1);
	CHECK_INT(ASK("POST /api/v1/setup", .address = "192.168.1.9", .body = body), 403);
	CHECK(says(&r, "15 minutes"));
	CHECK(!strstr(web_setup_link(r.web), "token"));
	CHECK_INT(ASK("POST /api/v1/setup", .body = body), 403);
	stop(&r);
}

TEST(web_demo_needs_no_password_on_this_machine_only)
{
	struct rig r;
	struct web_env env = { .is_demo = true };
	char csrf[64];

	start_env(&r, &env);
	CHECK_INT(ASK("GET /api/v1/start", ), 200);
	CHECK(says(&r, "\"needs_setup\":false"));
	CHECK(says(&r, "\"is_signed_in\":true"));
	CHECK_INT(ASK("GET /api/v1/me", ), 200);
	member(&r, "csrf", csrf, sizeof(csrf));
	CHECK_INT(ASK("POST /api/v1/printers/a1/session", .body = "{\"order\":\"start\"}"), 403);
	CHECK_INT(ASK("POST /api/v1/printers/a1/session", .csrf = csrf,
	              .body = "{\"order\":\"start\"}"),
	          200);
	CHECK_INT(ASK("GET /api/v1/me", .address = "192.168.1.9"), 403);
	CHECK_INT(ASK("GET /api/v1/me", .headers = "X-Forwarded-Server: x\r\n"), 403);
	CHECK_INT(ASK("GET /api/v1/me", .headers = "X-Client-IP: 8.8.8.8\r\n"), 403);
	CHECK_INT(ASK("GET /api/v1/me", .headers = "Host: localhost\r\n"), 403);
	stop(&r);
}

TEST(web_trusts_no_named_proxy_to_be_this_machine)
{
	struct rig r;
	struct web_env env = { .is_demo = true, .n_proxies = 1, .proxies = { "127.0.0.1" } };
	char line[400];

	start_env(&r, &env);
	CHECK_INT(ASK("GET /api/v1/me", ), 403);
	stop(&r);

	env = (struct web_env){ .n_proxies = 1, .proxies = { "127.0.0.1" } };
	start_env(&r, &env);
	CHECK_INT(ASK("GET /", ), 403);
	/* The set-up cookie does not travel in the clear where the page does not. */
	snprintf(line, sizeof(line), "GET /%s", strstr(web_setup_link(r.web), "?token="));
	CHECK_INT(ask(&r, line, (struct how){ .headers = "X-Forwarded-Proto: https\r\n" }), 200);
	CHECK(strstr(r.answer.head, "SameSite=Strict; Secure; Max-Age="));
	CHECK_INT(ask(&r, line, (struct how){ 0 }), 200);
	CHECK(!strstr(r.answer.head, "Secure"));
	stop(&r);
}

/* ---- logins ---- */

TEST(web_ends_logins_when_they_or_their_user_expire)
{
	struct rig r;
	char old[100];

	start(&r);
	set_up(&r);
	CHECK_INT(ASK("POST /api/v1/users", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"name\":\"guest\",\"password\":\"" PASSWORD "\",\"role\":"
	                      "\"viewer\",\"expires_in_min\":30}"),
	          201);
	sign_in(&r, "guest");
	CHECK_INT(ASK("GET /api/v1/printers", .cookie = r.cookie), 200);
	loop_advance(r.loop, INT64_C(31) * 60000);
	CHECK_INT(ASK("GET /api/v1/printers", .cookie = r.cookie), 401);
	CHECK_INT(ASK("POST /api/v1/login",
	              .body = "{\"name\":\"guest\",\"password\":\"" PASSWORD "\"}"),
	          401);

	sign_in(&r, "root");
	TEXT_SET(old, r.cookie);
	loop_advance(r.loop, AUTH_LOGIN_MS + 1);
	CHECK_INT(ASK("GET /api/v1/printers", .cookie = old), 401);
	CHECK_INT(ASK("POST /api/v1/login", .body = "{\"name\":\"root\",\"password\":\"" PASSWORD
	                                            "\",\"remember\":true}"),
	          200);
	CHECK(strstr(r.answer.head, "Max-Age=604800"));
	take_login(&r);
	loop_advance(r.loop, AUTH_REMEMBER_MS - 60000);
	CHECK_INT(ASK("GET /api/v1/printers", .cookie = r.cookie), 200);
	stop(&r);
}

TEST(web_logs_out_here_or_everywhere)
{
	struct rig r;
	char first[100], first_csrf[64];

	start(&r);
	set_up(&r);
	TEXT_SET(first, r.cookie);
	TEXT_SET(first_csrf, r.csrf);
	sign_in(&r, "ROOT"); /* names are the same in capitals */
	CHECK_INT(ASK("POST /api/v1/logout", .cookie = r.cookie, .csrf = r.csrf), 204);
	CHECK(strstr(r.answer.head, AUTH_COOKIE "=;"));
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 401);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = first), 200);
	sign_in(&r, "root");
	CHECK_INT(ASK("POST /api/v1/logout?everywhere=1", .cookie = first, .csrf = first_csrf),
	          204);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 401);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = first), 401);
	stop(&r);
}

TEST(web_knows_where_its_users_sign_in_over_a_restart)
{
	struct rig r;
	struct web_env env = { 0 };
	struct err err = { 0 };

	start(&r);
	set_up(&r);
	sign_in(&r, "root");
	/* Signed out everywhere: what is left of it is the audit log. */
	CHECK_INT(ASK("POST /api/v1/logout?everywhere=1", .cookie = r.cookie, .csrf = r.csrf), 204);
	loop_advance(r.loop, 61000);
	web_free(r.web);
	loop_advance(r.loop, 10);
	env = (struct web_env){ .loop = r.loop, .bus = r.bus, .store = r.store, .pool = r.pool };
	env.data_dir = r.dir;
	CHECK_INT(web_new(&env, &r.web, &err), 0);
	fill_cap(&r, "root");
	CHECK_INT(try_wrong(&r, "root", "192.168.3.1"), 429);
	sign_in(&r, "root");
	stop(&r);
}

TEST(web_keeps_logins_over_a_restart)
{
	struct rig r;
	struct web_env env = { 0 };
	struct err err = { 0 };

	start(&r);
	set_up(&r);
	web_free(r.web);
	loop_advance(r.loop, 10);
	env = (struct web_env){ .loop = r.loop, .bus = r.bus, .store = r.store, .pool = r.pool };
	env.data_dir = r.dir;
	CHECK_INT(web_new(&env, &r.web, &err), 0);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 200);
	CHECK(!strstr(web_setup_link(r.web), "token"));
	stop(&r);
}

TEST(web_changes_a_password_and_ends_the_other_logins)
{
	struct rig r;
	char first[100];

	start(&r);
	set_up(&r);
	TEXT_SET(first, r.cookie);
	sign_in(&r, "root");
	CHECK_INT(ASK("POST /api/v1/me/password", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"old\":\"wrong one\",\"new\":\"another horse\"}"),
	          422);
	CHECK_INT(ASK("POST /api/v1/me/password", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"old\":\"" PASSWORD "\",\"new\":\"short\"}"),
	          422);
	CHECK_INT(ASK("POST /api/v1/me/password", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"old\":\"" PASSWORD "\",\"new\":\"another horse\"}"),
	          204);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 200);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = first), 401);
	CHECK_INT(ASK("POST /api/v1/login",
	              .body = "{\"name\":\"root\",\"password\":\"" PASSWORD "\"}"),
	          401);
	CHECK_INT(ASK("POST /api/v1/login",
	              .body = "{\"name\":\"root\",\"password\":\"another horse\"}"),
	          200);
	stop(&r);
}

TEST(web_limits_guessing_by_address_and_by_account)
{
	struct rig r;

	start(&r);
	set_up(&r);
	for (int i = 0; i < 5; i++)
		CHECK_INT(try_wrong(&r, "somebody", "192.168.1.9"), 401);
	CHECK_INT(try_wrong(&r, "root", "192.168.1.9"), 429);
	CHECK(strstr(r.answer.head, "Retry-After: "));
	/* Another address may try; and some hundred at once, whatever their addresses. */
	fill_cap(&r, "root");
	CHECK_INT(try_wrong(&r, "root", "192.168.3.1"), 429);
	/* Then slowly. */
	loop_advance(r.loop, LIMIT_CAP_EVERY_S * 1000);
	CHECK_INT(try_wrong(&r, "root", "192.168.3.1"), 401);
	CHECK_INT(try_wrong(&r, "root", "192.168.3.1"), 429);
	/* Who has signed in from here before is not shut out by them. */
	sign_in(&r, "root");
	for (int i = 0; i < 4; i++)
		CHECK_INT(try_wrong(&r, "root", "127.0.0.1"), 401);
	sign_in(&r, "root");
	loop_advance(r.loop, INT64_C(3600000));
	/* Good ones do not count. */
	for (int i = 0; i < 8; i++)
		sign_in(&r, "root");
	stop(&r);
}

TEST(limit_counts_an_ipv6_network_as_one)
{
	char a[64], b[64];

	limit_address_key(a, "2001:db8:1:2:3:4:5:6");
	limit_address_key(b, "2001:db8:1:2:ffff::1");
	CHECK_STR(a, b);
	limit_address_key(b, "2001:db8:1:3::1");
	CHECK(strcmp(a, b) != 0);
	limit_address_key(a, "::ffff:192.0.2.7");
	CHECK_STR(a, "192.0.2.7");
}

TEST(limit_stays_bounded)
{
	struct limit l = { 0 };
	char key[40];

	limit_count(&l, "old", 1);
	for (int i = 0; i < LIMIT_MAX_KEYS + 10; i++) {
		snprintf(key, sizeof(key), "%d", i);
		limit_count(&l, key, 1000 + i);
	}
	CHECK_INT(l.n, LIMIT_MAX_KEYS);
	limit_fini(&l);
}

/* ---- cross-site ---- */

TEST(web_refuses_requests_made_by_other_sites)
{
	struct rig r;

	start(&r);
	set_up(&r);
	CHECK_INT(ASK("POST /api/v1/logout", .cookie = r.cookie), 403);
	CHECK_INT(ASK("POST /api/v1/logout", .cookie = r.cookie, .csrf = "wrong"), 403);
	CHECK_INT(ASK("POST /api/v1/logout", .cookie = r.cookie, .csrf = r.csrf,
	              .headers = "Origin: http://evil.example\r\n"),
	          403);
	CHECK_INT(ASK("POST /api/v1/login", .headers = "Origin: http://evil.example\r\n",
	              .body = "{\"name\":\"root\",\"password\":\"" PASSWORD "\"}"),
	          403);
	CHECK_INT(ASK("GET /api/v1/live", .cookie = r.cookie,
	              .headers = "Origin: http://evil.example\r\nConnection: Upgrade\r\n"
	                         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
	          403);
	CHECK_INT(ASK("GET /api/v1/live", .cookie = r.cookie,
	              .headers = "Origin: http://localhost:8484\r\nConnection: Upgrade\r\n"
	                         "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
	                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
	          101);
	CHECK_INT(ASK("POST /api/v1/logout", .cookie = r.cookie, .csrf = r.csrf,
	              .headers = "Origin: http://localhost:8484\r\n"),
	          204);
	stop(&r);
}

TEST(web_refuses_forms_and_broken_bodies)
{
	struct rig r;

	start(&r);
	set_up(&r);
	CHECK_INT(ASK("POST /api/v1/login", .body = "{\"name\":"), 400);
	CHECK_INT(ASK("POST /api/v1/login", .body = "[]"), 422);
	CHECK_INT(ASK("POST /api/v1/login", .body = "{\"name\":\"a\",\"name\":\"b\"}"), 400);
	CHECK_INT(ASK("POST /api/v1/login", .body = "{\"name\":5,\"password\":\"x\"}"), 422);
	CHECK(says(&r, "\"field\":\"name\""));
	CHECK_INT(ASK("POST /api/v1/login", .body = "{\"password\":\"x\"}"), 422);
	CHECK_INT(ASK("POST /api/v1/login",
	              .body = "{\"name\":\"a\",\"password\":\"x\",\"extra\":1}"),
	          422);
	CHECK(says(&r, "\"field\":\"extra\""));
	CHECK_INT(ASK("GET /api/v1/films?limit=0", .cookie = r.cookie), 422);
	CHECK_INT(ASK("GET /api/v1/films?limit=x", .cookie = r.cookie), 422);
	CHECK_INT(ASK("GET /api/v1/films?printer=%zz", .cookie = r.cookie), 422);
	CHECK_INT(ASK("POST /api/v1/printers/a1/commands", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"command\":\"speed\",\"level\":9}"),
	          422);
	CHECK_INT(ASK("POST /api/v1/printers/a1/commands", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"command\":\"speed\"}"),
	          422);
	CHECK(says(&r, "\"field\":\"level\""));
	stop(&r);
}

/* ---- roles: every route with everybody ---- */

enum person {
	NOBODY,
	VIEWER,
	OPERATOR,
	ADMIN,
	EXPIRED,
	KEY_READS,
	KEY_OPERATES,
	KEY_ADMINS,
	KEY_COLLECTS,
	KEY_MEASURES,
	KEY_REVOKED,
	KEY_WRONG,
	N_PERSONS
};

struct person_card {
	char cookie[100], csrf[64], key[140];
	enum user_role role;
};

static void make_key(struct rig *r, const struct person_card *owner, const char *scope,
                     struct person_card *ret)
{
	char body[100];

	snprintf(body, sizeof(body), "{\"name\":\"k\",\"scopes\":[\"%s\"]}", scope);
	CHECK_INT(ask(r, "POST /api/v1/keys",
	              (struct how){ .cookie = owner->cookie, .csrf = owner->csrf, .body = body }),
	          201);
	member(r, "secret", ret->key, sizeof(ret->key));
	CHECK(text_starts(ret->key, "sk_"));
}

static void make_person(struct rig *r, const char *name, enum user_role role,
                        struct person_card *ret)
{
	sign_in(r, name);
	TEXT_SET(ret->cookie, r->cookie);
	TEXT_SET(ret->csrf, r->csrf);
	ret->role = role;
}

static void make_people(struct rig *r, struct person_card p[N_PERSONS])
{
	char line[100], id[64];

	memset(p, 0, N_PERSONS * sizeof(p[0]));
	set_up(r);
	add_user(r, "vera", "viewer");
	add_user(r, "otto", "operator");
	make_person(r, "root", ROLE_ADMIN, &p[ADMIN]);
	make_person(r, "vera", ROLE_VIEWER, &p[VIEWER]);
	make_person(r, "otto", ROLE_OPERATOR, &p[OPERATOR]);
	TEXT_SET(p[EXPIRED].cookie, AUTH_COOKIE "=0123456789012345678901234567890123456789012");
	TEXT_SET(p[EXPIRED].csrf, p[ADMIN].csrf);
	make_key(r, &p[ADMIN], "read", &p[KEY_READS]);
	p[KEY_READS].role = ROLE_VIEWER;
	make_key(r, &p[ADMIN], "operate", &p[KEY_OPERATES]);
	p[KEY_OPERATES].role = ROLE_OPERATOR;
	make_key(r, &p[ADMIN], "admin", &p[KEY_ADMINS]);
	p[KEY_ADMINS].role = ROLE_ADMIN;
	make_key(r, &p[ADMIN], "collect", &p[KEY_COLLECTS]);
	p[KEY_COLLECTS].role = ROLE_VIEWER;
	make_key(r, &p[ADMIN], "measure", &p[KEY_MEASURES]);
	make_key(r, &p[ADMIN], "admin", &p[KEY_REVOKED]);

	json_t *j = body_of(r);

	TEXT_SET(id, json_string_value(json_object_get(json_object_get(j, "key"), "id")));
	json_decref(j);
	snprintf(line, sizeof(line), "DELETE /api/v1/keys/%s", id);
	CHECK_INT(ask(r, line, (struct how){ .cookie = p[ADMIN].cookie, .csrf = p[ADMIN].csrf }),
	          204);
	/* A key with a letter wrong. */
	TEXT_SET(p[KEY_WRONG].key, p[KEY_ADMINS].key);
	p[KEY_WRONG].key[strlen(p[KEY_WRONG].key) - 1] ^= 1;
}

/* The path with ids that are nobody's. */
static void concrete(char *dst, size_t size, const struct route *route)
{
	size_t n = (size_t)snprintf(dst, size, "%s ", http_method_name(route->method));

	for (const char *p = route->path; *p && n + 2 < size;) {
		if (*p == '{') {
			dst[n++] = 'x';
			p = strchr(p, '}') + 1;
		} else {
			dst[n++] = *p++;
		}
	}
	dst[n] = '\0';
}

TEST(web_asks_every_route_for_its_role)
{
	struct rig r;
	struct person_card p[N_PERSONS];
	const struct route *route;
	unsigned n = 0;

	start(&r);
	make_people(&r, p);
	for (size_t i = 0; (route = route_at(i)); i++) {
		char line[200];

		concrete(line, sizeof(line), route);
		/* These two would end the logins we are walking with. */
		if (strstr(route->path, "/logout") || route->role == ROLE_OPEN)
			continue;
		for (unsigned w = 0; w < N_PERSONS; w++) {
			struct how how = { .address = "192.168.1.7",
				           .cookie = p[w].cookie[0] ? p[w].cookie : NULL,
				           .csrf = p[w].csrf[0] ? p[w].csrf : NULL,
				           .key = p[w].key[0] ? p[w].key : NULL };
			int status = ask(&r, line, how);
			bool collects = w == KEY_COLLECTS && (route->flags & ROUTE_COLLECT);
			bool measures = w == KEY_MEASURES && (route->flags & ROUTE_MEASURE);
			int wanted = measures                               ? 0
			             : p[w].role == ROLE_OPEN               ? 401
			             : p[w].role < route->role && !collects ? 403
			                                                    : 0;

			if (wanted ? status != wanted : (status == 401 || status == 403)) {
				/* Keys may not change a person's password. */
				if (status == 403 && p[w].key[0] &&
				    strstr(route->path, "/me/password"))
					continue;
				print_error("%s as %u: %d\n", line, w, status);
				CHECK(false);
			}
			n++;
		}
	}
	CHECK(n > 350);
	stop(&r);
}

TEST(web_gives_every_api_route_a_role_but_the_few_that_must_be_open)
{
	static const char *const open_ones[] = {
		"/healthz",         "/readyz",          "/*",
		"/api/v1/start",    "/api/v1/setup",    "/api/v1/login",
		"/api/v1/rig/pair", "/api/v1/rig/link", "/login",
		"/login_api",       "/socket.io/"
	};
	const struct route *route;

	for (size_t i = 0; (route = route_at(i)); i++) {
		bool is_open = false;

		for (size_t k = 0; k < ARRAY_LEN(open_ones); k++)
			is_open |= strcmp(route->path, open_ones[k]) == 0;
		CHECK(is_open == (route->role == ROLE_OPEN));
		CHECK(route->handle && route->summary[0]);
	}
}

/* ---- users ---- */

TEST(web_never_changes_the_first_administrator)
{
	struct rig r;
	char id[64], line[120];

	start(&r);
	set_up(&r);
	CHECK_INT(ASK("GET /api/v1/users", .cookie = r.cookie), 200);

	json_t *j = body_of(&r);

	TEXT_SET(id, json_string_value(json_object_get(
			     json_array_get(json_object_get(j, "users"), 0), "id")));
	json_decref(j);
	snprintf(line, sizeof(line), "DELETE /api/v1/users/%s", id);
	CHECK_INT(ask(&r, line, (struct how){ .cookie = r.cookie, .csrf = r.csrf }), 409);
	snprintf(line, sizeof(line), "PATCH /api/v1/users/%s", id);
	CHECK_INT(ask(&r, line,
	              (struct how){ .cookie = r.cookie,
	                            .csrf = r.csrf,
	                            .body = "{\"role\":\"viewer\"}" }),
	          409);
	CHECK_INT(ASK("POST /api/v1/users", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"name\":\"Root\",\"password\":\"12345678\",\"role\":\"admin\"}"),
	          409);
	stop(&r);
}

TEST(web_ends_the_logins_of_a_user_whose_role_or_password_changes)
{
	struct rig r;
	struct person_card root = { 0 };
	char id[64], line[120];

	start(&r);
	set_up(&r);
	make_person(&r, "root", ROLE_ADMIN, &root);
	add_user(&r, "otto", "operator");
	member(&r, "id", id, sizeof(id));
	sign_in(&r, "otto");
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 200);
	snprintf(line, sizeof(line), "PATCH /api/v1/users/%s", id);
	CHECK_INT(ask(&r, line,
	              (struct how){ .cookie = root.cookie,
	                            .csrf = root.csrf,
	                            .body = "{\"role\":\"viewer\"}" }),
	          200);
	CHECK(says(&r, "\"role\":\"viewer\""));
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 401);
	sign_in(&r, "otto");
	CHECK_INT(ASK("GET /api/v1/users", .cookie = r.cookie), 403);
	snprintf(line, sizeof(line), "DELETE /api/v1/users/%s", id);
	CHECK_INT(ask(&r, line, (struct how){ .cookie = root.cookie, .csrf = root.csrf }), 204);
	CHECK_INT(ASK("GET /api/v1/me", .cookie = r.cookie), 401);
	stop(&r);
}

TEST(web_lets_nobody_use_up_the_tries_of_others_at_their_own_password)
{
	struct rig r;
	struct person_card root = { 0 };

	start(&r);
	set_up(&r);
	make_person(&r, "root", ROLE_ADMIN, &root);
	add_user(&r, "vera", "viewer");
	sign_in(&r, "vera");
	for (int i = 0; i < LIMIT_PER_MINUTE; i++)
		CHECK_INT(ASK("POST /api/v1/me/password", .cookie = r.cookie, .csrf = r.csrf,
		              .body = "{\"old\":\"wrong one\",\"new\":\"another horse\"}"),
		          422);
	CHECK_INT(ASK("POST /api/v1/me/password", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"old\":\"wrong one\",\"new\":\"another horse\"}"),
	          429);
	CHECK_INT(ASK("POST /api/v1/me/password", .cookie = root.cookie, .csrf = root.csrf,
	              .body = "{\"old\":\"" PASSWORD "\",\"new\":\"another horse\"}"),
	          204);
	stop(&r);
}

TEST(web_gives_no_role_back_to_who_changes_a_password_meanwhile)
{
	struct rig r;
	struct person_card root = { 0 };
	struct http_answer other;
	char id[64], line[120];
	auto_buf struct buf b;

	start(&r);
	set_up(&r);
	make_person(&r, "root", ROLE_ADMIN, &root);
	add_user(&r, "otto", "admin");
	member(&r, "id", id, sizeof(id));
	sign_in(&r, "otto");
	write_request(
		&b, "POST /api/v1/me/password",
		&(struct how){ .cookie = r.cookie,
	                       .csrf = r.csrf,
	                       .body = "{\"old\":\"" PASSWORD "\",\"new\":\"another horse\"}" });

	struct http_request *q = http_request_fake(buf_peek(&b), b.size, "127.0.0.1", &other);

	CHECK(q);
	web_asked(r.web, q);
	snprintf(line, sizeof(line), "PATCH /api/v1/users/%s", id);
	CHECK_INT(ask(&r, line,
	              (struct how){ .cookie = root.cookie,
	                            .csrf = root.csrf,
	                            .body = "{\"role\":\"viewer\"}" }),
	          200);
	loop_advance(r.loop, 100);
	CHECK_INT(other.status, 204);
	http_answer_fini(&other);
	CHECK_INT(ASK("POST /api/v1/login",
	              .body = "{\"name\":\"otto\",\"password\":\"another horse\"}"),
	          200);
	CHECK(says(&r, "\"role\":\"viewer\""));
	stop(&r);
}

TEST(web_writes_down_who_did_what_and_no_secret)
{
	struct rig r;

	start(&r);
	set_up(&r);
	CHECK_INT(try_wrong(&r, "root", "192.168.1.9"), 401);
	CHECK_INT(ASK("POST /api/v1/printers/a1/commands", .cookie = r.cookie, .csrf = r.csrf,
	              .body = "{\"command\":\"pause\"}"),
	          200);
	CHECK(says(&r, "\"answer\":\"refused\""));
	CHECK_INT(ASK("GET /api/v1/audit", .cookie = r.cookie), 200);
	CHECK(says(&r, "\"action\":\"command\""));
	CHECK(says(&r, "pause: refused, the firmware wants Developer mode"));
	CHECK(says(&r, "192.168.1.9"));
	CHECK(!says(&r, PASSWORD));
	CHECK(!says(&r, "guess"));
	CHECK_INT(ASK("GET /api/v1/audit?action=login&limit=1", .cookie = r.cookie), 200);
	CHECK(!says(&r, "\"action\":\"command\""));
	stop(&r);
}

/* ---- proxies and base paths ---- */

TEST(proxy_knows_networks)
{
	CHECK(proxy_address_in("10.1.2.3", "10.0.0.0/8"));
	CHECK(!proxy_address_in("11.1.2.3", "10.0.0.0/8"));
	CHECK(proxy_address_in("192.168.1.130", "192.168.1.128/25"));
	CHECK(!proxy_address_in("192.168.1.127", "192.168.1.128/25"));
	CHECK(proxy_address_in("fd00::1", "fd00::/8"));
	CHECK(!proxy_address_in("::ffff:a00:1", "fd00::/8"));
	CHECK(proxy_address_in("1.2.3.4", "0.0.0.0/0"));
	CHECK(!proxy_network_is_valid("10.0.0.0/33"));
	CHECK(!proxy_network_is_valid("proxy"));
}

TEST(proxy_believes_the_last_address_that_no_trusted_proxy_has)
{
	static const char *const trusted[] = { "10.0.0.0/8" };
	char a[46];

	CHECK(proxy_forwarded_for(a, sizeof(a), "6.6.6.6, 1.2.3.4, 10.0.0.2", trusted, 1));
	CHECK_STR(a, "1.2.3.4");
	CHECK(!proxy_forwarded_for(a, sizeof(a), "1.2.3.4, nonsense", trusted, 1));
	CHECK(!proxy_forwarded_for(a, sizeof(a), "10.0.0.1", trusted, 1));
	CHECK(!proxy_forwarded_for(a, sizeof(a), "", trusted, 1));
}

TEST(proxy_knows_the_hosts_of_this_machine)
{
	CHECK(proxy_host_is_local("localhost:8484", 8484, 80));
	CHECK(proxy_host_is_local("LocalHost:8484", 8484, 80));
	CHECK(proxy_host_is_local("127.0.0.1:8484", 8484, 80));
	CHECK(proxy_host_is_local("[::1]:8484", 8484, 80));
	CHECK(proxy_host_is_local("[::1]", 80, 80));
	CHECK(proxy_host_is_local("localhost", 443, 443));
	CHECK(!proxy_host_is_local(NULL, 8484, 80));
	CHECK(!proxy_host_is_local("", 8484, 80));
	CHECK(!proxy_host_is_local("localhost", 8484, 80));
	CHECK(!proxy_host_is_local("localhost:8485", 8484, 80));
	CHECK(!proxy_host_is_local("localhost:", 8484, 80));
	CHECK(!proxy_host_is_local("localhost:8484x", 8484, 80));
	CHECK(!proxy_host_is_local("[::1]x:8484", 8484, 80));
	CHECK(!proxy_host_is_local("[::2]:8484", 8484, 80));
	CHECK(!proxy_host_is_local("localhost.evil.example:8484", 8484, 80));
	CHECK(!proxy_host_is_local("192.168.1.9:8484", 8484, 80));
}

TEST(proxy_makes_base_paths_that_need_no_quoting)
{
	char b[32];

	CHECK(proxy_base_path(b, sizeof(b), "/x/y"));
	CHECK_STR(b, "/x/y/");
	CHECK(proxy_base_path(b, sizeof(b), "//x//"));
	CHECK_STR(b, "/x/");
	CHECK(proxy_base_path(b, sizeof(b), "/"));
	CHECK_STR(b, "/");
	CHECK(!proxy_base_path(b, sizeof(b), "/\"><script>"));
	CHECK_STR(b, "/");
	CHECK(!proxy_base_path(b, sizeof(b), "/../x"));
	CHECK(!proxy_base_path(b, sizeof(b), "/a-path-that-is-much-too-long-for-us"));
}

TEST(web_lives_below_a_path)
{
	struct rig r;
	struct web_env env = { .base_path = "/bedside", .n_proxies = 1, .proxies = { "10.0.0.1" } };

	start_env(&r, &env);
	set_up(&r);
	CHECK_INT(ASK("GET /bedside", ), 302);
	CHECK(strstr(r.answer.head, "Location: /bedside/\r\n"));
	CHECK_INT(ASK("GET /bedside/", ), 200);
	CHECK(says(&r, "<base href=\"/bedside/\">"));
	CHECK_INT(ASK("GET /bedside/api/v1/start", ), 200);
	/* A proxy that takes the prefix off. */
	CHECK_INT(ASK("GET /api/v1/start", ), 200);
	CHECK_INT(ASK("GET /", .address = "10.0.0.1", .headers = "X-Ingress-Path: /ha/abc\r\n"),
	          200);
	CHECK(says(&r, "<base href=\"/ha/abc/\">"));
	CHECK_INT(ASK("GET /", .address = "10.0.0.2", .headers = "X-Ingress-Path: /ha/abc\r\n"),
	          200);
	CHECK(says(&r, "<base href=\"/bedside/\">"));
	CHECK_INT(ASK("POST /api/v1/login", .address = "10.0.0.1",
	              .headers = "X-Forwarded-Proto: https\r\nX-Forwarded-For: 1.2.3.4\r\n",
	              .body = "{\"name\":\"root\",\"password\":\"" PASSWORD "\"}"),
	          200);
	CHECK(strstr(r.answer.head, "Path=/bedside/; HttpOnly; SameSite=Strict; Secure"));
	stop(&r);
}

TEST(web_does_not_believe_addresses_from_strangers)
{
	struct rig r;

	start(&r);
	set_up(&r);
	for (int i = 0; i < 5; i++) {
		char headers[80];

		snprintf(headers, sizeof(headers), "X-Forwarded-For: 1.2.3.%d\r\n", i);
		CHECK_INT(ASK("POST /api/v1/login", .address = "192.168.1.9", .headers = headers,
		              .body = "{\"name\":\"nobody\",\"password\":\"x\"}"),
		          401);
	}
	CHECK_INT(ASK("POST /api/v1/login", .address = "192.168.1.9",
	              .headers = "X-Forwarded-For: 1.2.3.77\r\n",
	              .body = "{\"name\":\"nobody\",\"password\":\"x\"}"),
	          429);
	stop(&r);
}

/* ---- the page ---- */

TEST(web_serves_the_page_and_nothing_outside_it)
{
	struct rig r;

	start(&r);
	set_up(&r);
	CHECK_INT(ASK("GET /", .address = "192.168.1.9"), 200);
	CHECK(strstr(r.answer.head, "Cache-Control: no-cache"));
	CHECK_INT(ASK("GET /printers/a1", .address = "192.168.1.9"), 200);
	CHECK_INT(ASK("GET /nothing.js", ), 404);
	CHECK_INT(ASK("GET /api/v1/nothing", ), 404);
	CHECK_INT(ASK("GET /api/nothing", ), 404);
	CHECK_INT(ASK("PUT /api/v1/films", .cookie = r.cookie, .csrf = r.csrf), 405);
	CHECK_INT(ASK("GET /bedside.db", ), 404);
	CHECK_INT(ASK("HEAD /", ), 200);
	stop(&r);
}
