/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scout: listens for printers that announce themselves and looks at the certificate of each.
 *
 * The certificate is judged by the handshake alone: nothing of ours is sent.
 *
 * Thread: loop. Real loops only.
 */

#pragma once

#include "wire/discover.h"

#define SCOUT_MAX_PRINTERS 64

struct scout;

struct scout_printer {
	struct discover_found found;
	const char *model; /* the name people use; "" unknown. Const data */
	bool has_leaf;     /* the certificate was seen */
	bool chains;       /* to the vendor's CAs, made out to this serial */
	uint8_t sha256[32];
};

struct scout_options {
	int64_t listen_ms;     /* 0: 6 s */
	const uint16_t *ports; /* as discover_start() */
	uint16_t mqtt_port;    /* where the certificate is looked at; 0: 8883 */
	const char *ca_file;   /* as printers_env.ca_file */
	/* One more, known by the user; NULL none. Both are set or none. */
	const char *address, *serial;
};

/* `done` once, with the printers found so far (borrowed) and err when listening failed. */
struct scout *scout_start(struct loop *l, const struct scout_options *o,
                          void (*done)(void *arg, const struct scout_printer *found, size_t n,
                                       const struct err *err),
                          void *arg);
/* No callback after it; needed after `done` too, and allowed inside it. NULL is allowed. */
void scout_free(struct scout *s);
