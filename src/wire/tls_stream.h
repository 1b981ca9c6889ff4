/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_stream: TLS over any other stream, with the trust that printers need.
 *
 * The decision about the certificate (wire/tls_judge) falls inside the handshake: nothing of ours is
 * sent to a peer that is not trusted, and `opened` means trusted.
 *
 * A peer that never answers close_notify, or closes without one, is taken as closed in order:
 * printers do both.
 *
 * Connections of one loop share OpenSSL's context; whom they trust is decided for each. All must be
 * freed before their loop.
 *
 * Thread: loop.
 */

#pragma once

#include "wire/stream.h"
#include "wire/tls_judge.h"

struct tls_client {
	enum tls_trust trust;
	const char *ca_pem;        /* certificates one after the other, in memory; NULL none */
	const char *ca_file;       /* the same in a file; NULL none. Both may be given */
	const char *expected_cn;   /* compared byte by byte; NULL: any */
	const char *expected_host; /* TLS_TRUST_WEB: name or numeric address */
	uint8_t pin[32];
	const char *sni;    /* NULL: none sent */
	int max_version;    /* 12 or 13; 0: 13 */
	void *session;      /* SSL_SESSION to resume, from tls_stream_session(); NULL: none */
	int64_t timeout_ms; /* name, connecting, handshake each; 0: 10 s */
};

/* Connects by TCP, then as tls_stream_over(). Everything in `c` is copied. Fails by `closed`. */
struct stream *tls_stream_connect(struct loop *l, const char *host, uint16_t port,
                                  const struct tls_client *c);

/* The client's side over `lower`, which it takes: open already or yet to be. */
struct stream *tls_stream_over(struct loop *l, struct stream *lower, const struct tls_client *c);

/* What certificate the other side showed, trusted or not. False before it came. Of a stream of this kind only; others give false. */
bool tls_stream_peer_leaf(const struct stream *s, struct tls_leaf *ret);

/* This connection resumed an earlier session: what FTPS servers ask of data connections. */
bool tls_stream_was_resumed(const struct stream *s);
/* A reference to the session, for `tls_client.session`; tls_session_free() it. NULL: none yet. */
void *tls_stream_session(const struct stream *s);
void tls_session_free(void *session);
/* "TLSv1.2", "" before the handshake is done. */
const char *tls_stream_version(const struct stream *s);

/* The server's side. */

struct tls_server_config {
	const char *certificate_file; /* PEM, the leaf first, then its chain */
	const char *key_file;         /* PEM */
	bool sends_only_leaf;         /* as newer printers do */
	int max_version;              /* 12 or 13; 0: 13 */
	size_t max_record;            /* bytes in one TLS record, 512 and up; 0: 16384 */
};

struct tls_server;

int tls_server_new(const struct tls_server_config *c, struct tls_server **ret,
                   struct err *err) MUST_CHECK;
/* Streams made from it live on. */
void tls_server_free(struct tls_server *t);

/* TLS over an accepted stream, which it takes; the handshake starts at once. A peer that does not
 * finish it within 10 s is closed. */
struct stream *tls_server_accept(struct tls_server *server, struct loop *l, struct stream *lower);

/* Both kinds: fails if certificate or key cannot be read or do not belong together. */
int tls_certificate_check(const char *certificate_file, const char *key_file,
                          struct err *err) MUST_CHECK;
