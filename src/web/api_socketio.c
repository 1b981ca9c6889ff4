/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The addresses that rigs of the original program use: its login, its intervals, its socket. */

#include "web/handlers.h"
#include "web/socketio_priv.h"
#include "web/web.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/crypto.h"
#include "web/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* False: refused. */
static bool is_on(struct call *c)
{
	if (c->web->socketio)
		return true;
	call_refuse(c, 404, "There is nothing at this address.");
	return false;
}

/* ---- the login ---- */

/* The client looks for the hidden member and sends it back. What protects this form is the Origin of
 * the request and the cookie's SameSite. */
static void send_form(struct call *c, int status, const char *said)
{
	struct http_reply reply = { .status = status, .type = "text/html; charset=utf-8" };
	struct buf b;
	char token[33];

	crypto_random_text(token, sizeof(token) - 1);
	buf_init(&b, 0);
	buf_printf(&b,
	           "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Bedside</title>"
	           "<h1>Sign in</h1><p>%s</p><form method=\"post\">"
	           "<input type=\"hidden\" name=\"csrf_token\" value=\"%s\">"
	           "<p><input name=\"username\" placeholder=\"Name\" autocomplete=\"username\">"
	           "<p><input name=\"password\" type=\"password\" placeholder=\"Password\" "
	           "autocomplete=\"current-password\"><p><button>Sign in</button></form></html>",
	           said, token);
	call_bytes(c, &reply, http_bytes_take(&b));
}

void socketio_login_page(struct call *c)
{
	if (c->web->socketio)
		send_form(c, 200, "For rigs that speak Socket.IO.");
	else
		page_asset(c);
}

struct login_try {
	bool is_api;
	char name[USER_NAME_SIZE];
};

static void answer_api(struct call *c, const struct auth_result *r)
{
	struct http_reply reply = { .status = r->rc < 0 ? 401 : 200, .type = "application/json" };
	json_t *j = r->rc < 0 ? json_pack("{s:b, s:s, s:s}", "ok", 0, "error",
	                                  "invalid_credentials", "message", r->err->text)
	                      : json_pack("{s:b, s:s, s:b}", "ok", 1, "user", r->user->name,
	                                  "is_admin", (int)(r->user->role == ROLE_ADMIN));
	char *text = json_dumps(j, JSON_COMPACT);

	call_bytes(c, &reply, http_bytes_new(text, strlen(text)));
	free(text);
	json_decref(j);
}

static void signed_in(void *arg, const struct auth_result *r)
{
	struct call *c = arg;
	const struct login_try *t = c->data;
	struct http_reply reply = { .status = 302, .n_headers = 1 };
	bool is_api = t->is_api;

	TEXT_SET(c->who.user.name, t->name);
	web_audit(c, "login", "", "%s by a rig's form", r->rc < 0 ? "refused" : "signed in");
	if (r->rc == -EAGAIN) {
		call_too_many(c, r->wait_s, r->err->text);
		return;
	}
	if (r->rc == 0)
		snprintf(c->set_cookie, sizeof(c->set_cookie),
		         AUTH_COOKIE "=%s; Path=%s; HttpOnly; SameSite=Strict%s", r->token,
		         c->base_path, c->is_secure ? "; Secure" : "");
	if (is_api) {
		answer_api(c, r);
	} else if (r->rc < 0) {
		/* The client looks for these words. */
		send_form(c, 401, "Invalid credentials");
	} else {
		reply.headers[0] = (struct http_header){ "Location", c->base_path };
		call_bytes(c, &reply, NULL);
	}
}

/* Body members of a form, or of JSON. */
static bool read_member(const struct call *c, const json_t *j, const char *name, char *dst,
                        size_t size)
{
	size_t n;
	const char *text = json_string_value(json_object_get(j, name));

	if (j)
		return text && text_copy(dst, size, text);
	return http_query_get(http_request_body(c->request, &n), name, dst, size) == 1;
}

static void log_in(struct call *c, bool is_api)
{
	struct login_try *t = MEM_NEW(struct login_try);
	char password[USER_MAX_PASSWORD + 1] = "";
	const char *agent = http_header(c->head, "User-Agent");
	size_t size;
	const char *body = http_request_body(c->request, &size);
	json_t *j = size > 0 && body[0] == '{' ? json_loadb(body, size, 0, NULL) : NULL;
	struct auth_try try = { .address = c->address, .agent = agent ? agent : "" };

	t->is_api = is_api;
	c->data = t;
	if (!read_member(c, j, "username", t->name, sizeof(t->name)) ||
	    !read_member(c, j, "password", password, sizeof(password))) {
		json_decref(j);
		call_refuse(c, 400, "username and password are wanted.");
		return;
	}
	json_decref(j);
	try.name = t->name;
	try.password = password;
	auth_login(c->web->auth, &try, signed_in, c);
	secret_wipe(password, sizeof(password));
}

void socketio_login(struct call *c)
{
	if (is_on(c))
		log_in(c, false);
}

void socketio_login_api(struct call *c)
{
	if (is_on(c))
		log_in(c, true);
}

void socketio_config(struct call *c)
{
	if (is_on(c))
		call_json(c, 200, socketio_delays(c->web->socketio));
}

/* ---- the socket ---- */

static void says(void *arg, const char *text, size_t size)
{
	struct sio_session *e = arg;

	if (!socketio_hear(e, text, size))
		socketio_session_free(e);
}

static void is_gone(void *arg)
{
	struct sio_session *e = arg;

	e->channel = NULL;
	socketio_session_free(e);
}

/* A WebSocket beside the polling: "2probe", then "5", and it takes over. */
static void probe_says(void *arg, const char *text, size_t size)
{
	struct sio_session *e = arg;
	struct http_bytes *b;

	if (e->channel) {
		says(arg, text, size);
		return;
	}
	if (size == 6 && memcmp(text, "2probe", 6) == 0) {
		b = http_bytes_new("3probe", 6);
		http_channel_send_text(e->probe, "", 0, b);
		http_bytes_unref(b);
		/* A question that waits would wait for ever: what comes goes the other way. */
		if (e->poll) {
			struct http_reply reply = { .status = 200,
				                    .type = "text/plain; charset=UTF-8" };
			struct call *c = STEAL_PTR(e->poll);

			call_bytes(c, &reply, http_bytes_new("6", 1));
		}
	} else if (size == 1 && text[0] == '5') {
		e->channel = STEAL_PTR(e->probe);
		socketio_session_flush(e);
	}
}

static void probe_is_gone(void *arg)
{
	struct sio_session *e = arg;

	if (!e->channel) {
		e->probe = NULL; /* the polling goes on */
		return;
	}
	is_gone(e);
}

static void open_socket(struct call *c, struct sio_session *e)
{
	bool is_probe = e != NULL;
	struct http_channel *channel;
	struct http_channel_events ev = { .message = is_probe ? probe_says : says,
		                          .closed = is_probe ? probe_is_gone : is_gone,
		                          .max_message = SOCKETIO_MAX_PACKET };

	if (!e)
		e = socketio_session_new(c->web->socketio, &c->who);
	if (!e || e->channel || e->probe) {
		call_refuse(c, 409, "There are too many connections.");
		return;
	}
	ev.arg = e;
	channel = http_reply_websocket(call_steal_request(c), &ev);
	if (is_probe) {
		e->probe = channel;
	} else if (!channel) {
		socketio_session_free(e);
	} else {
		e->channel = channel;
		socketio_session_flush(e);
	}
}

static void take_body(struct call *c, struct sio_session *e)
{
	struct http_reply reply = { .status = 200, .type = "text/html" };
	size_t size;
	const char *at = http_request_body(c->request, &size);
	bool goes_on = true;

	for (unsigned i = 0; goes_on && size > 0 && i < SOCKETIO_MAX_PACKETS; i++) {
		size_t n = socketio_first(at, size);

		goes_on = socketio_hear(e, at, n);
		at += n;
		size -= n;
		if (size > 0) {
			at++;
			size--;
		}
	}
	if (!goes_on)
		socketio_session_free(e);
	call_bytes(c, &reply, http_bytes_new("ok", 2));
}

static void wait_for_packets(struct call *c, struct sio_session *e)
{
	struct http_reply reply = { .status = 200, .type = "text/plain; charset=UTF-8" };

	if (e->out.size > 0) {
		call_bytes(c, &reply, http_bytes_take(&e->out));
	} else if (e->channel || e->probe) {
		call_bytes(c, &reply, http_bytes_new("6", 1));
	} else {
		/* Whose connection was cut asks anew: what comes must not go to the old one. */
		if (e->poll)
			call_bytes(STEAL_PTR(e->poll), &reply, http_bytes_new("6", 1));
		e->poll = c;
	}
}

void socketio_ask(struct call *c)
{
	char sid[32] = "", transport[16] = "", version[8] = "";
	struct sio_session *e = NULL;
	bool is_new;

	if (!is_on(c))
		return;
	(void)call_query(c, "EIO", version, sizeof(version));
	(void)call_query(c, "transport", transport, sizeof(transport));
	is_new = !call_query(c, "sid", sid, sizeof(sid));
	if (!is_new)
		e = socketio_session_find(c->web->socketio, sid);
	/* The cookie opens a session; then its sid, of 119 bits, is what clients show. */
	if (is_new && c->who.role < ROLE_OPERATOR) {
		call_refuse(c, c->who.role == ROLE_OPEN ? 401 : 403,
		            "A rig signs in as an operator.");
	} else if (strcmp(version, "4") != 0 || (!is_new && !e)) {
		call_refuse(c, 400, "This is no session of Engine.IO 4.");
	} else if (strcmp(transport, "websocket") == 0 && c->head->wants_websocket) {
		if (web_is_same_origin(c))
			open_socket(c, e);
		else
			call_refuse(c, 403, "This connection comes from another site's page.");
	} else if (strcmp(transport, "polling") != 0) {
		call_refuse(c, 400, "This transport is not known.");
	} else if (c->head->method == HTTP_POST && e) {
		take_body(c, e);
	} else {
		if (!e)
			e = socketio_session_new(c->web->socketio, &c->who);
		if (e)
			wait_for_packets(c, e);
		else
			call_refuse(c, 409, "There are too many connections.");
	}
}
