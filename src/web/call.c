/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/call.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "model/json.h"
#include "web/route.h"
#include "web/web.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what was asked ---- */

bool call_query(const struct call *c, const char *name, char *dst, size_t size)
{
	return http_query_get(c->head->query, name, dst, size) == 1;
}

int64_t call_query_int(const struct call *c, const char *name, int64_t fallback)
{
	char text[24];
	int64_t v;

	if (call_query(c, name, text, sizeof(text)) && text_to_i64(text, &v))
		return v;
	return fallback;
}

const char *call_text(const struct call *c, const char *name, const char *fallback)
{
	const char *s = json_string_value(json_object_get(c->body, name));

	return s ? s : fallback;
}

int64_t call_int(const struct call *c, const char *name, int64_t fallback)
{
	const json_t *v = json_object_get(c->body, name);

	return json_is_number(v) ? (int64_t)json_number_value(v) : fallback;
}

double call_number(const struct call *c, const char *name, double fallback)
{
	const json_t *v = json_object_get(c->body, name);

	return json_is_number(v) ? json_number_value(v) : fallback;
}

bool call_bool(const struct call *c, const char *name, bool fallback)
{
	const json_t *v = json_object_get(c->body, name);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* ---- answers ---- */

void call_free(struct call *c)
{
	json_decref(c->body);
	free(c->data);
	c->web->n_calls--;
	web_let_go(c->web);
	free(c);
}

void call_bytes(struct call *c, const struct http_reply *reply, struct http_bytes *body)
{
	struct http_reply r = *reply;

	if (c->set_cookie[0])
		r.headers[r.n_headers++] = (struct http_header){ "Set-Cookie", c->set_cookie };
	assert(r.n_headers <= HTTP_REPLY_MAX_HEADERS);
	if (c->asks_for_password)
		r.headers[r.n_headers++] =
			(struct http_header){ "WWW-Authenticate",
			                      "Basic realm=\"Bedside camera\", charset=\"UTF-8\"" };
	r.other_headers = c->other_headers;
	http_reply_bytes(c->request, &r, body);
	call_free(c);
}

void call_json(struct call *c, int status, json_t *j)
{
	struct http_reply reply = { .status = status, .type = "application/json" };
	char *text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);

	assert(text);
	json_decref(j);
	call_bytes(c, &reply, http_bytes_wrap(text, strlen(text), free, text));
}

void call_done(struct call *c)
{
	struct http_reply reply = { .status = 204 };

	call_bytes(c, &reply, NULL);
}

const char *call_error_code(int status)
{
	static const struct {
		int status;
		const char *code;
	} codes[] = {
		{ 400, "bad_request" },   { 401, "not_signed_in" }, { 403, "not_allowed" },
		{ 404, "not_found" },     { 405, "wrong_method" },  { 409, "conflict" },
		{ 410, "gone" },          { 413, "too_large" },     { 422, "bad_field" },
		{ 429, "too_many" },      { 431, "too_large" },     { 500, "failed" },
		{ 503, "not_available" }, { 504, "not_in_time" },
	};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (codes[i].status == status)
			return codes[i].code;
	}
	return status < 500 ? "bad_request" : "failed";
}

static json_t *error_json(int status, const char *field, const char *text)
{
	json_t *e =
		json_pack("{s:s, s:o}", "code", call_error_code(status), "text", json_text(text));

	if (field)
		json_object_set_new(e, "field", json_text(field));
	return json_pack("{s:o}", "error", e);
}

void call_refuse(struct call *c, int status, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call_json(c, status, error_json(status, NULL, text));
}

void call_refuse_field(struct call *c, const char *field, const char *fmt, ...)
{
	char text[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	call_json(c, 422, error_json(422, field, text));
}

void call_refuse_err(struct call *c, int rc, const struct err *err)
{
	const char *text = err->text[0] ? err->text : "that did not work";

	switch (rc) {
	case -ENOENT:
		call_refuse(c, 404, "%s", text);
		return;
	case -EINVAL:
		call_refuse(c, 422, "%s", text);
		return;
	case -EEXIST:
	case -EBUSY:
	case -EPERM:
	case -EALREADY:
	case -ENOTSUP:
	case -EXDEV:
		call_refuse(c, 409, "%s", text);
		return;
	case -EAGAIN:
		call_refuse(c, 503, "%s", text);
		return;
	default:
		log_warn(&c->web->log, "%s %s: %s", http_method_name(c->head->method), c->path,
		         text);
		call_refuse(c, 500, "%s", text);
		return;
	}
}

void call_too_many(struct call *c, int64_t wait_s, const char *text)
{
	char wait[24];
	struct http_reply reply = { .status = 429, .type = "application/json", .n_headers = 1 };
	json_t *j = error_json(429, NULL, text);
	char *body = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);

	snprintf(wait, sizeof(wait), "%lld", (long long)wait_s);
	reply.headers[0] = (struct http_header){ "Retry-After", wait };
	json_decref(j);
	call_bytes(c, &reply, http_bytes_wrap(body, strlen(body), free, body));
}

void call_file(struct call *c, const struct http_reply *reply, const char *path)
{
	http_reply_file(c->request, reply, path,
	                "{\"error\":{\"code\":\"not_found\",\"text\":\"The file is not there any "
	                "more.\"}}");
	call_free(c);
}

struct camera *call_camera(struct call *c)
{
	struct cameras *all = c->web->env.cameras;
	struct camera *cam = all ? cameras_find(all, c->params[0]) : NULL;

	if (!cam)
		call_refuse(c, 404, "There is no camera of this id.");
	return cam;
}

struct http_request *call_steal_request(struct call *c)
{
	struct http_request *r = c->request;

	call_free(c);
	return r;
}
