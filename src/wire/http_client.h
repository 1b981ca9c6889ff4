/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_client: asks one HTTP(S) server again and again over one kept connection, or listens to an
 * answer that never ends. For cameras, and below wire/rest; files are wire/fetch's.
 *
 * libcurl's multi interface on the loop: no thread, names are resolved beside the loop. Basic and
 * digest logins (the first question is without), redirects (5 at most, never from https to http,
 * the login never to another host), no proxy from the environment, no decompression.
 *
 * Thread: loop (a real one). Callbacks come on the loop, never from inside http_client_get().
 */

#pragma once

#include "base/base.h"
#include "base/err.h"

struct http_client;
struct http_client_result;
struct loop;

#define HTTP_CLIENT_MAX_HEADERS 8

enum http_client_trust {
	HTTP_TRUST_WEB, /* the system's authorities, or `ca_file`, and the host's name */
	HTTP_TRUST_PIN, /* SHA-256 of the leaf is `pin` */
	HTTP_TRUST_INSECURE,
};

/* All texts are copied. */
struct http_client_config {
	const char *url;              /* without login */
	const char *user, *password;  /* NULL or "": none */
	enum http_client_trust trust; /* of https */
	const char *ca_file;          /* NULL or "": the system's */
	uint8_t pin[32];
	/* A key goes with the questions: redirections are not followed (`redirect` says where they
	 * lead), and http_client_leaf() knows the certificate whatever the trust. */
	bool is_one_origin;
	/* An answer of the server that asked; also for one that is a redirection or refuses: the
	 * last one counts. Optional. */
	void (*began)(void *arg, int status);
	/* A header of it, cleaned; longer than 8 kB: left out. Optional. */
	void (*header)(void *arg, const char *name, const char *value);
	/* Bytes of its body, borrowed for the call. False ends the answer, `done` still comes. */
	bool (*received)(void *arg, const uint8_t *bytes, size_t size);
	/* The answer is over, or there was none. The next one may be asked for in it. */
	void (*done)(void *arg, const struct http_client_result *r);
	void *arg;
};

struct http_client_result {
	int status;           /* 200; 0 if no answer came */
	bool is_ended;        /* by `received` */
	bool is_verified;     /* false: the certificate was not trusted */
	const char *redirect; /* is_one_origin: whole URL it leads to, "" none; borrowed */
	struct err err;       /* code 0: the answer is whole, whatever its status */
};

struct http_client *http_client_new(struct loop *l, const struct http_client_config *c);
/* No callback after it. Allowed inside callbacks. */
void http_client_free(struct http_client *c);

struct tls_leaf;

struct http_client_question {
	const char *method;         /* NULL: GET */
	const char *url;            /* NULL: the client's; of the same origin */
	const char *const *headers; /* "If-None-Match: …" */
	size_t n_headers;           /* up to HTTP_CLIENT_MAX_HEADERS */
	const void *body;           /* NULL: none */
	size_t size;
	int64_t limit_ms; /* for the whole answer; 0: none but 10 s for connecting */
};

/* Asks; everything is copied. Not while an answer is on its way. */
void http_client_ask(struct http_client *c, const struct http_client_question *q);
/* GETs the client's URL. */
void http_client_get(struct http_client *c, const char *const *headers, size_t n, int64_t limit_ms);
/* Ends what is on its way, without `done`. */
void http_client_stop(struct http_client *c);
bool http_client_is_busy(const struct http_client *c);

/* The certificate that was shown last, if it was judged here; false: none. */
bool http_client_leaf(const struct http_client *c, struct tls_leaf *ret);
/* For messages: "cam.local:8080". */
const char *http_client_peer(const struct http_client *c);
/* What an answer of `status` (not 2xx) means, with what to do, for a person. */
int http_client_judge(const struct http_client *c, int status, struct err *err);
