/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/rest.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/loop.h"
#include "wire/tls_judge.h"
#include "wire/url.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>

#define MAX_OWN_HEADERS 4
#define MAX_REDIRECTS 3

struct asked {
	char *method, *url, *target, *body;
	unsigned n_redirects;
	int64_t limit_ms;
	rest_fn *done;
	void *arg;
	struct asked *next;
};

struct rest {
	struct loop *loop;
	struct http_client *client; /* NULL when played */
	const struct rest_player *player;
	char *base;
	char *headers[MAX_OWN_HEADERS];
	size_t n_headers, max_size;
	struct asked *queue; /* the first is on its way if is_asking */
	unsigned n_queued;
	bool is_asking;
	struct timer turn, limit;
	struct buf body;
	char server[80], location[512];
	bool is_too_large;
	/* of a player's answer that waits for its turn */
	bool is_played;
	struct http_client_result played;
	unsigned busy;
	bool is_dead;
};

static void asked_free(struct asked *q)
{
	free(q->method);
	free(q->url);
	free(q->target);
	if (q->body)
		secret_wipe(q->body, strlen(q->body));
	free(q->body);
	free(q);
}

static void release(struct rest *r)
{
	for (size_t i = 0; i < r->n_headers; i++) {
		secret_wipe(r->headers[i], strlen(r->headers[i]));
		free(r->headers[i]);
	}
	buf_fini(&r->body);
	free(r->base);
	free(r);
}

/* ---- what comes ---- */

static void on_began(void *arg, int status)
{
	struct rest *r = arg;

	(void)status;
	buf_clear(&r->body);
	r->server[0] = r->location[0] = '\0';
}

static void on_header(void *arg, const char *name, const char *value)
{
	struct rest *r = arg;

	if (strcasecmp(name, "Server") == 0)
		TEXT_SET(r->server, value);
	else if (strcasecmp(name, "Location") == 0)
		TEXT_SET(r->location, value);
}

static bool on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct rest *r = arg;

	r->is_too_large = r->body.size + size > r->max_size;
	if (r->is_too_large)
		return false;
	buf_add(&r->body, bytes, size);
	return true;
}

static bool is_same_origin(const char *a, const char *b)
{
	struct url u = { 0 }, v = { 0 };
	bool is_same = url_parse(a, &u, NULL) == 0 && url_parse(b, &v, NULL) == 0 &&
	               strcmp(u.scheme, v.scheme) == 0 && strcasecmp(u.host, v.host) == 0;
	uint16_t usual = strcmp(u.scheme, "https") == 0 ? 443 : 80;

	is_same = is_same && (u.port ? u.port : usual) == (v.port ? v.port : usual) && !v.user[0];
	url_fini(&u);
	url_fini(&v);
	return is_same;
}

static bool follows(struct rest *r, const struct http_client_result *result)
{
	struct asked *q = r->queue;
	const char *to = result->redirect ? result->redirect : "";

	if (result->err.code || !*to || strcmp(q->method, "GET") != 0 ||
	    q->n_redirects == MAX_REDIRECTS || !is_same_origin(r->base, to))
		return false;
	q->n_redirects++;
	free(q->url);
	q->url = mem_str(to);
	return true;
}

/* Everything that is to be said of the first in the queue, which goes. */
static void finish(struct rest *r, const struct http_client_result *result)
{
	struct asked *q = r->queue;
	char redirect[512] = "";
	struct rest_answer a = { .status = result->status,
		                 .body = buf_peek(&r->body),
		                 .size = r->body.size,
		                 .server = r->server,
		                 .location = r->location,
		                 .redirect = redirect,
		                 .target = q->target,
		                 .is_untrusted = !result->is_verified,
		                 .err = result->err };

	if (result->redirect)
		url_hide_login(result->redirect, redirect, sizeof(redirect));
	if (r->is_too_large)
		(void)err_set(&a.err, -EFBIG,
		              "%s answers with more than %zu MB, which nothing that is asked of "
		              "it should be",
		              rest_peer(r), r->max_size >> 20);
	if (a.err.code)
		a.status = 0;
	else
		a.json = json_loadb(a.body, a.size, 0, NULL);
	LL_DELETE(r->queue, q);
	r->n_queued--;
	r->is_asking = false;
	r->busy++;
	q->done(q->arg, &a);
	r->busy--;
	json_decref(a.json);
	asked_free(q);
	if (r->is_dead && r->busy == 0) {
		release(r);
		return;
	}
	buf_fini(&r->body);
	buf_init(&r->body, 0);
	if (!r->is_dead && r->queue && !r->is_asking)
		timer_start(&r->turn, 0);
}

static void on_done(void *arg, const struct http_client_result *result)
{
	struct rest *r = arg;

	if (!follows(r, result)) {
		finish(r, result);
		return;
	}
	r->is_asking = false;
	timer_start(&r->turn, 0);
}

/* ---- asking ---- */

static void on_limit(void *arg)
{
	struct rest *r = arg;
	struct http_client_result result = { .is_verified = true };

	if (r->is_played) {
		r->is_played = false;
		result = r->played;
	} else {
		(void)err_set(&result.err, -ETIMEDOUT, "%s does not answer, or too slowly",
		              rest_peer(r));
	}
	finish(r, &result);
}

static void ask_player(struct rest *r, const struct asked *q)
{
	buf_clear(&r->body);
	r->is_played = false;
	timer_start(&r->limit, q->limit_ms);
	r->player->asked(r->player->arg, r, q->method, q->target, q->body ? q->body : "");
}

static void ask_next(void *arg)
{
	struct rest *r = arg;
	struct asked *q = r->queue;
	const char *headers[MAX_OWN_HEADERS + 3];
	size_t n = 0;

	if (!q || r->is_asking)
		return;
	r->is_asking = true;
	r->is_too_large = false;
	r->server[0] = r->location[0] = '\0';
	if (r->player) {
		ask_player(r, q);
		return;
	}
	for (; n < r->n_headers; n++)
		headers[n] = r->headers[n];
	headers[n++] = "Accept: application/json";
	headers[n++] = "Expect:"; /* or curl waits a second for servers that do not know it */
	if (q->body)
		headers[n++] = "Content-Type: application/json";

	const struct http_client_question question = {
		.method = q->method,
		.url = q->url,
		.headers = headers,
		.n_headers = n,
		.body = q->body,
		.size = q->body ? strlen(q->body) : 0,
		.limit_ms = q->limit_ms,
	};

	http_client_ask(r->client, &question);
}

bool rest_ask(struct rest *r, const struct rest_question *question, rest_fn *done, void *arg)
{
	if (r->n_queued == REST_MAX_QUEUED)
		return false;

	struct asked *q = MEM_NEW(struct asked);
	const char *usual = question->body ? "POST" : "GET";

	q->method = mem_str(question->method ? question->method : usual);
	q->target = mem_str(question->target);
	q->url = mem_printf("%s%s", r->base, question->target);
	q->body = mem_str(question->body);
	q->limit_ms = question->limit_ms > 0 ? question->limit_ms : REST_LIMIT_MS;
	q->done = done;
	q->arg = arg;
	LL_APPEND(r->queue, q);
	r->n_queued++;
	if (!r->is_asking && !timer_is_running(&r->turn))
		timer_start(&r->turn, 0);
	return true;
}

void rest_forget(struct rest *r)
{
	struct asked *q;

	timer_stop(&r->turn);
	timer_stop(&r->limit);
	if (r->client)
		http_client_stop(r->client);
	r->is_asking = r->is_played = false;
	r->n_queued = 0;
	while ((q = r->queue)) {
		r->queue = q->next;
		asked_free(q);
	}
}

unsigned rest_waiting(const struct rest *r)
{
	return r->n_queued;
}

bool rest_leaf(const struct rest *r, struct tls_leaf *ret)
{
	return r->client && http_client_leaf(r->client, ret);
}

const char *rest_peer(const struct rest *r)
{
	return r->client ? http_client_peer(r->client) : r->base;
}

/* ---- words ---- */

static int refuse_redirect(const struct rest *r, const struct rest_answer *a, struct err *err)
{
	char to[512];

	/* Without what was asked for: the URL that would have been right. */
	TEXT_SET(to, a->redirect);
	if (text_ends(to, a->target))
		to[strlen(to) - strlen(a->target)] = '\0';
	return err_set(err, -EXDEV,
	               "%s leads to %.200s, where the key was not sent to. If that is the same "
	               "server, write this address instead",
	               rest_peer(r), to);
}

bool rest_is_fine(const struct rest *r, const struct rest_answer *a, const char *what,
                  struct err *err)
{
	if (a->err.code) {
		if (err)
			*err = a->err;
	} else if (a->status >= 300 && a->status < 400 && a->redirect[0]) {
		(void)refuse_redirect(r, a, err);
	} else if (a->status == 401 || a->status == 403) {
		(void)err_set(err, -EACCES, "%s refuses the key or the login (%d)", rest_peer(r),
		              a->status);
	} else if (a->status == 404) {
		(void)err_set(err, -ENOENT, "%s has nothing of %s's at this address (404)",
		              rest_peer(r), what);
	} else if (a->status == 502 || a->status == 503 || a->status == 504) {
		(void)err_set(err, -EAGAIN, "%s is not ready: %s is starting, or is stopped (%d)",
		              rest_peer(r), what, a->status);
	} else if (a->status < 200 || a->status > 299) {
		(void)err_set(err, -EIO, "%s answers with status %d", rest_peer(r), a->status);
	} else if (!a->json && a->status != 204) {
		(void)err_set(err, -EPROTO, "%s answers, but is no %s%s%.60s%s", rest_peer(r), what,
		              a->server[0] ? ": it calls itself '" : "", a->server,
		              a->server[0] ? "'" : "");
	} else {
		return true;
	}
	return false;
}

/* ---- owning ---- */

static void make_client(struct rest *r, const struct rest_config *c)
{
	struct http_client_config config = {
		.url = c->url,
		.user = c->user,
		.password = c->password,
		.trust = c->trust,
		.ca_file = c->ca_file,
		.is_one_origin = true,
		.began = on_began,
		.header = on_header,
		.received = on_received,
		.done = on_done,
		.arg = r,
	};

	memcpy(config.pin, c->pin, sizeof(config.pin));
	r->client = http_client_new(r->loop, &config);
}

struct rest *rest_new(struct loop *l, const struct rest_config *c)
{
	struct rest *r = MEM_NEW(struct rest);

	assert(c->n_headers <= MAX_OWN_HEADERS);
	r->loop = l;
	r->base = mem_str(c->url);
	r->max_size = c->max_size ? c->max_size : REST_MAX_SIZE;
	for (; r->n_headers < c->n_headers; r->n_headers++)
		r->headers[r->n_headers] = mem_str(c->headers[r->n_headers]);
	buf_init(&r->body, 0);
	timer_init(&r->turn, l, ask_next, r);
	timer_init(&r->limit, l, on_limit, r);
	r->player = c->player;
	if (!r->player)
		make_client(r, c);
	return r;
}

void rest_free(struct rest *r)
{
	if (!r)
		return;
	rest_forget(r);
	http_client_free(r->client);
	r->client = NULL;
	r->is_dead = true;
	if (r->busy == 0)
		release(r);
}

/* ---- played ---- */

void rest_play(struct rest *r, int status, const char *body)
{
	buf_clear(&r->body);
	buf_add_str(&r->body, body);
	r->is_played = true;
	r->played = (struct http_client_result){ .status = status, .is_verified = true };
	timer_start(&r->limit, 0);
}

void rest_play_failure(struct rest *r, int code, const char *text)
{
	rest_play(r, 0, "");
	(void)err_set(&r->played.err, code, "%s", text);
}
