/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * call: one request on its way through the web room: who asks, for which route, with what.
 *
 * A handler answers it exactly once by one of the call_… answers below, at once or later; the call
 * is freed by that. Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"
#include "wire/http_server.h"

#include <jansson.h>

struct err;
struct route;
struct web;

#define CALL_MAX_PARAMS 2

/* Who asks. */
struct who {
	enum user_role role; /* ROLE_OPEN: nobody known */
	struct user user;    /* "" fields while nobody */
	bool is_key, is_demo;
	bool may_collect; /* a key of the scope "collect" of an administrator */
	bool may_measure; /* a key of the scope "measure" */
	char csrf[USER_CSRF_SIZE];
	char token_hash[USER_HASH_SIZE]; /* of the login; "" for keys and demo */
	/* With ROLE_OPEN: may see pictures all the same, see web/compat.h. */
	char camera[48];            /* of this camera only; "" any */
	char camera_token[ID_SIZE]; /* by this token; "" none */
	bool is_listed;             /* from an address that the administrator listed */
};

struct call {
	struct web *web;
	struct http_request *request;
	const struct http_head *head;
	const struct route *route;
	struct who who;
	char address[46];    /* whose request it is, proxies looked through */
	bool is_local;       /* asked on this very machine, as far as can be told */
	bool is_secure;      /* TLS up to us or to the trusted proxy */
	char base_path[128]; /* begins and ends with '/' */
	const char *path;    /* below the base path, begins with '/' */
	char params[CALL_MAX_PARAMS][64];
	json_t *body; /* validated; NULL for routes without one */
	void *data;   /* the handler's between its steps; free()d with the call */
	char set_cookie[400];
	/* web/compat.h */
	char shown_token[64], wanted_camera[64];
	bool is_camera_path;    /* came by /c/… or /cam/…: only routes of a camera are there */
	bool asks_for_password; /* a refusal asks for one */
	const char *other_headers; /* see http_reply.other_headers */
};

/* ---- what was asked ---- */

/* A query parameter that the route declares; false if it is absent. Already validated. */
bool call_query(const struct call *c, const char *name, char *dst, size_t size);
int64_t call_query_int(const struct call *c, const char *name, int64_t fallback);
/* Body members; `fallback` when absent. */
const char *call_text(const struct call *c, const char *name, const char *fallback);
int64_t call_int(const struct call *c, const char *name, int64_t fallback);
double call_number(const struct call *c, const char *name, double fallback);
bool call_bool(const struct call *c, const char *name, bool fallback);

/* ---- answers ---- */

/* Takes the reference. Status as the route says, or 200. */
void call_json(struct call *c, int status, json_t *j);
void call_done(struct call *c); /* 204 */
/* {"error":{code,text,field}}; code from the status. */
void call_refuse(struct call *c, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void call_refuse_field(struct call *c, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* From an errno value: -ENOENT 404, -EEXIST and -EBUSY 409, -EINVAL 422, -EPERM 409, else 500. */
void call_refuse_err(struct call *c, int rc, const struct err *err);
/* 429 with Retry-After. */
void call_too_many(struct call *c, int64_t wait_s, const char *text);
void call_bytes(struct call *c, const struct http_reply *reply, struct http_bytes *body);
void call_file(struct call *c, const struct http_reply *reply, const char *path);
/* Gives the request away, for channels: the call is freed, the request is the caller's to answer. */
struct http_request *call_steal_request(struct call *c);
