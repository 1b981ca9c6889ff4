/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fetch: downloads by HTTP(S) and implicit FTPS into a file, with limits, progress and trust.
 *
 * libcurl runs on a thread of its own for each download: its FTP says QUIT and waits for the
 * answer wherever a connection ends, which would stop the loop. Of a printer nothing is trusted
 * but what tls_client says, judged inside the handshake: no USER and no PASS go to another.
 * Host names are checked where there is no tls_client, or one of TLS_TRUST_WEB. Redirections of HTTP
 * are not followed.
 *
 * Thread: loop. Callbacks come on the loop, never from inside a fetch_…() call.
 */

#pragma once

#include "base/base.h"
#include "base/err.h"

struct fetch;
struct fetcher;
struct loop;
struct tls_client;

struct fetch_request {
	/* Tried one after the other, on one connection, until one is there. ftps:// is implicit
	 * TLS (port 990). */
	const char *const *urls;
	size_t n_urls;
	const char *user, *password;  /* NULL: none; of HTTP basic or digest */
	const char *header;           /* HTTP: "X-Api-Key: …"; NULL none */
	const struct tls_client *tls; /* NULL: as on the web, by the system's CAs */
	const char *dest_path; /* written as dest_path.part, renamed when whole; folders are made */
	uint64_t max_size;     /* 0: 2 GB */
	int64_t stall_ms;      /* no byte for so long is the end (two hours in all); 0: 60 s */
	bool is_data_clear;    /* FTPS: PROT C, for firmware whose PROT P fails */
};

struct fetch_result {
	int code;       /* 0; -ENOENT none of the URLs; -EACCES login refused; -EPERM certificate
	                 * not trusted; -EPROTO TLS of the data connection failed; -EFBIG;
	                 * -ETIMEDOUT; -EHOSTUNREACH; -EIO the rest */
	size_t url;     /* which one it was */
	uint64_t size;  /* bytes in the file */
	struct err err; /* code != 0: in words */
};

struct fetch_events {
	void (*progress)(void *arg, uint64_t got_bytes, uint64_t total_bytes); /* may be NULL */
	void (*done)(void *arg, const struct fetch_result *r);                 /* once */
	void *arg;
};

struct fetcher *fetcher_new(struct loop *l);
/* Ends what runs, without callbacks, and waits for its threads (a second at most). */
void fetcher_free(struct fetcher *f);

/* Everything is copied. NULL and `err` when 4 downloads run already or no thread can be had. */
struct fetch *fetch_start(struct fetcher *f, const struct fetch_request *r,
                          const struct fetch_events *events, struct err *err);
/* No callback after it; the partial file goes. Not after `done`. */
void fetch_cancel(struct fetch *t);

/* `path` with what URLs do not take as %XX; free() it. */
char *fetch_escape_path(const char *path);
