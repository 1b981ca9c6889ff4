/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_make: certificates of our own making: for the page, the simulator and the tests.
 *
 * RSA-2048 and SHA-256. Takes a tenth of a second or more: on a worker, or at the start.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct err;

struct tls_make {
	const char *cn;
	const char *second_cn;               /* beside it, to see it refused; NULL: none */
	const char *organization;            /* NULL: none */
	const char *country;                 /* two letters; NULL: none */
	const char *alternative_names;       /* "DNS:localhost,IP:127.0.0.1"; NULL: none */
	const char *usage;                   /* extended: "serverAuth"; NULL: none */
	bool is_ca;                          /* may sign others */
	bool is_version_1;                   /* without any extension, as printers' leaves are */
	int64_t not_before_ms, not_after_ms; /* wall time */
	const char *issuer_pem, *issuer_key_pem; /* NULL: signs itself */
};

/* PEM texts, the caller's to free(); the key's should be wiped first. */
int tls_make_certificate(const struct tls_make *m, char **ret_pem, char **ret_key_pem,
                         struct err *err) MUST_CHECK;

/* SHA-256 of the first certificate of a PEM text, as peers pin it; false if there is none. */
bool tls_pem_sha256(const char *pem, uint8_t ret[32]);
