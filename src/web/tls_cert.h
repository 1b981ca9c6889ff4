/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tls_cert: the page's own certificate, made at the first start when the user has none.
 *
 * ECDSA P-256, self-signed, for this host's name and "localhost", 10 years. Thread: any; at start.
 */

#pragma once

#include "base/base.h"

struct err;

/* Makes both files (key 0600) unless they are there and fit together. */
int tls_cert_make(const char *cert_file, const char *key_file, int64_t now_wall_ms,
                  struct err *err) MUST_CHECK;

/* SHA-256 of the first certificate in the file, lower-case hex. */
int tls_cert_fingerprint(const char *cert_file, char dst[65], struct err *err) MUST_CHECK;
