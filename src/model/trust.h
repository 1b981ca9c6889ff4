/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/trust: how the certificate of a printer is judged.
 *
 * CA: chains to the vendor's CAs and its common name is the serial. PIN: the SHA-256 of the leaf
 * (DER) is the stored one. INSECURE: anything; an explicit choice of the user.
 */

#pragma once

#include "base/base.h"

enum trust_mode {
	TRUST_CA,
	TRUST_PIN,
	TRUST_INSECURE
};

struct trust {
	enum trust_mode mode;
	uint8_t pin[32];   /* SHA-256 of the leaf certificate, for TRUST_PIN */
	char ca_file[256]; /* for TRUST_CA: PEM file instead of the built-in ones; "" built-in */
};

#define TRUST_FORM "ca, insecure, or sha256: and 64 hex digits" /* as people are told */

/* Reads TRUST_FORM; the digits may stand without "sha256:". False if it is none. */
bool trust_from_text(struct trust *t, const char *text);
