/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_judge: whether the certificate that a printer shows may be talked to. The one place that
 * decides it and says why not; wire/tls_stream and wire/fetch ask it inside their handshakes,
 * before anything of ours is sent.
 *
 * Host names are looked at for TLS_TRUST_WEB only: a printer's leaf has none (bambu.md 2.1: CN =
 * serial, no SAN, X.509 v1).
 *
 * Thread: any; a judge is read-only once it is made.
 */

#pragma once

#include "base/base.h"

#include <openssl/types.h>
#include <openssl/x509.h>

struct tls_client;

enum tls_trust {
	TLS_TRUST_CA,       /* chains to `ca_pem`/`ca_file`; CN is `expected_cn` unless NULL */
	TLS_TRUST_PIN,      /* SHA-256 of the leaf (DER) is `pin` */
	TLS_TRUST_INSECURE, /* anything */
	TLS_TRUST_WEB, /* chains to the system's CAs (or `ca_file`), made out to `expected_host` */
};

/* What certificate the other side showed, trusted or not; for messages, for pinning after a
 * confirmation, for finding a serial (bambu.md 6.3). */
struct tls_leaf {
	uint8_t sha256[32];
	char subject_cn[128]; /* cleaned */
	char issuer[256];
	int64_t not_before_ms, not_after_ms; /* wall time */
	bool is_trusted;
	char reason[400]; /* why not; "" */
};

struct tls_judge {
	enum tls_trust trust;
	char *ca_pem, *ca_file, *expected_cn, *expected_host;
	uint8_t pin[32];
};

/* What it is asked about. */
struct tls_evidence {
	const char *peer; /* for the sentence: "192.168.1.50:8883" */
	int64_t wall_ms;  /* now */
	X509 *leaf;
	STACK_OF(X509) * untrusted; /* what came with it; NULL none */
	/* Of a session whose chain was judged when it was made: its name is compared again. */
	bool is_resumed;
};

/* Copies what `c` says of trust. */
void tls_judge_init(struct tls_judge *j, const struct tls_client *c);
void tls_judge_fini(struct tls_judge *j);

/* The verdict, which stands in `ret` too, with the reason. Reads `ca_file` each time. */
bool tls_judge_decide(const struct tls_judge *j, const struct tls_evidence *e,
                      struct tls_leaf *ret);
/* The same from inside OpenSSL's SSL_CTX_set_cert_verify_callback(): 1 or 0. */
int tls_judge_verify(const struct tls_judge *j, X509_STORE_CTX *x, const char *peer,
                     int64_t wall_ms, struct tls_leaf *ret);
