/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rest: questions with JSON answers to one HTTP(S) server, one after the other over a kept
 * connection, for printers that have a web server.
 *
 * Headers (an API key) and login go to the origin of the configured URL and nowhere else: a
 * redirection within it is followed for GET (3 times at most), any other is the answer, with
 * where it leads. An answer larger than the limit, or no answer in time, is an error in words.
 *
 * Thread: loop. Callbacks come on the loop, never from inside rest_ask().
 */

#pragma once

#include "base/base.h"
#include "base/err.h"
#include "wire/http_client.h"

#include <jansson.h>

struct rest;
struct rest_player;

#define REST_MAX_QUEUED 32
#define REST_MAX_SIZE ((size_t)4 << 20)
#define REST_LIMIT_MS 10000

/* Copied. */
struct rest_config {
	const char *url; /* "http://host:5000/base", without '/' at its end and without login */
	const char *user, *password; /* basic or digest; NULL or "": none */
	enum http_client_trust trust;
	const char *ca_file;
	uint8_t pin[32];
	const char *const *headers; /* with each question: "X-Api-Key: …" */
	size_t n_headers;           /* 4 at most */
	size_t max_size;            /* of one answer; 0: REST_MAX_SIZE */
	const struct rest_player *player;
};

struct rest_question {
	const char *method; /* NULL: GET, or POST if there is a body */
	const char *target; /* after the URL: "/api/version" */
	const char *body;   /* JSON; NULL none */
	int64_t limit_ms;   /* 0: REST_LIMIT_MS */
};

struct rest_answer {
	int status;       /* 200 …; 0: none came, see err */
	const char *body; /* with a NUL behind its `size` bytes; all are borrowed for the call */
	size_t size;
	json_t *json;                  /* NULL: the body is no JSON */
	const char *server, *location; /* headers, cleaned; "" */
	const char *target;            /* of the question */
	const char *redirect;          /* where a 3xx leads, without login; "" */
	bool is_untrusted;             /* the certificate; rest_leaf() has it */
	struct err err;                /* code 0: an answer came, whatever its status */
};

typedef void rest_fn(void *arg, const struct rest_answer *a);

struct rest *rest_new(struct loop *l, const struct rest_config *c);
/* What is asked gets no answer. Allowed inside callbacks. NULL is allowed. */
void rest_free(struct rest *r);

/* Everything is copied. `done` once; false, and no call, if REST_MAX_QUEUED wait already. */
bool rest_ask(struct rest *r, const struct rest_question *q, rest_fn *done, void *arg);
/* Forgets all that was asked, without answers. */
void rest_forget(struct rest *r);
/* Questions that have no answer yet. */
unsigned rest_waiting(const struct rest *r);

bool rest_leaf(const struct rest *r, struct tls_leaf *ret);
const char *rest_peer(const struct rest *r); /* for messages: "octopi.local:5000" */

/* A 2xx answer with JSON. Else why not, for a person: `what` is who should have answered
 * ("OctoPrint"). */
bool rest_is_fine(const struct rest *r, const struct rest_answer *a, const char *what,
                  struct err *err);

/* Tests answer the questions themselves, on simulated time: inside asked(), or later. */
struct rest_player {
	void (*asked)(void *arg, struct rest *r, const char *method, const char *target,
	              const char *body);
	void *arg;
};
void rest_play(struct rest *r, int status, const char *body);
/* As if none came: -ECONNREFUSED and the like. */
void rest_play_failure(struct rest *r, int code, const char *text);
