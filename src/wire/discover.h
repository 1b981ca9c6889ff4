/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * discover: Bambu printers that announce themselves in the network (UDP 2021 and 1990, the form of
 * SSDP), and the question that tells who answers at an address (TCP 3000, TLS 3002).
 *
 * Anyone can send such datagrams: one whose sender is not the address it names is passed over, and
 * what is found is a hint for a person, never a reason to send a secret.
 *
 * Thread: loop; the parsers are pure (any thread).
 */

#pragma once

#include "base/base.h"

struct buf;
struct detect;
struct discover;
struct err;
struct loop;
struct stream;

/* All texts are cleaned; "" what was not said. */
struct discover_found {
	char serial[32];
	char name[96];
	char model[32];   /* the maker's code: "N2S" */
	char address[64]; /* numeric */
	char firmware[24];
	char connect[12]; /* "lan", "cloud" */
	char bind[12];    /* "free", "occupied" */
};

/* A NOTIFY or an answer to M-SEARCH. -EBADMSG it is none, or not of a printer, or names no serial
 * or address. */
int discover_parse(const void *bytes, size_t size, struct discover_found *ret);

/* The search request, for the same port. */
void discover_write_search(struct buf *b);

struct discover_events {
	/* Each announcement, known or not. */
	void (*found)(void *arg, const struct discover_found *f);
	void *arg;
};

/* Listens on `ports` (0 at the end; NULL: 2021 and 1990) beside other programs. Fails when none of
 * them can be had. Real loops only. */
int discover_start(struct loop *l, const uint16_t *ports, const struct discover_events *events,
                   struct discover **ret, struct err *err) MUST_CHECK;
/* Asks printers to announce themselves now. */
void discover_search(struct discover *d);
/* NULL is allowed. */
void discover_stop(struct discover *d);

/* The question of TCP 3000 and 3002: frames A5 A5, u16 LE total length, JSON, A7 A7. */
void detect_write_request(struct buf *b);
/* 0; -EAGAIN more bytes are needed; -EBADMSG. `address` stays "". */
int detect_parse(const void *bytes, size_t size, struct discover_found *ret);

/* Asks over a stream, which it takes; `done` once with NULL and err after a failure or 5 s. */
struct detect *detect_start(struct loop *l, struct stream *s,
                            void (*done)(void *arg, const struct discover_found *f,
                                         const struct err *err),
                            void *arg);
/* No callback after it. Needed after `done` too. NULL is allowed. */
void detect_free(struct detect *d);
