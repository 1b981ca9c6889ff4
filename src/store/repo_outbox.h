/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_outbox: what a rig must tell its hub, kept on disk until the hub has it.
 *
 * Records and outbox are written in one transaction: repo_…_save() of a session, film, job, layer,
 * notice or capture puts its news here by itself, so a kill between the two is not possible. On a
 * machine that is no rig (no repo_outbox_begin()) putting does nothing.
 *
 * Each news has a number, counted up for ever within a stream. A later news of the same kind and
 * subject takes the place of an earlier one that still waits, at the end of the queue: the numbers
 * have gaps then, but always rise.
 *
 * Thread: the store's (inside a request).
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"

#include <jansson.h>

struct db;
struct err;

#define REPO_NEWS_KIND_SIZE 24
#define REPO_NEWS_REF_SIZE 96
#define REPO_NEWS_MAX_BODY 16384
/* More news than this wait: layers, frames and readings are no longer added. */
#define REPO_OUTBOX_MAX 500000

struct news {
	int64_t number;
	int64_t at_wall_ms; /* by the rig's clock */
	char kind[REPO_NEWS_KIND_SIZE];
	char ref[REPO_NEWS_REF_SIZE];
	char *body; /* JSON; heap, the owner's */
};

void news_free(struct news *list, size_t n);

struct outbox_state {
	char stream[ID_SIZE];
	int64_t next;      /* number of the next news */
	int64_t acked;     /* the hub has all up to here */
	int64_t n_waits;   /* news that wait, counted up to 10000 */
	int64_t n_dropped; /* left out since REPO_OUTBOX_MAX was reached */
};

/* The machine is a rig from now on. The first time the sessions, films, jobs and notices that there
 * are go into the outbox. */
int repo_outbox_begin(struct db *db, int64_t wall_ms, struct err *err) MUST_CHECK;
/* It is none any more: forgets all. */
int repo_outbox_end(struct db *db, struct err *err) MUST_CHECK;
/* -ENOENT: it is no rig. */
int repo_outbox_state(struct db *db, struct outbox_state *ret, struct err *err) MUST_CHECK;
/* Numbers that the hub knows already were given again (a backup was put back): another stream. */
int repo_outbox_new_stream(struct db *db, int64_t wall_ms, struct err *err) MUST_CHECK;

/* Takes `body`. */
int repo_outbox_put(struct db *db, const char *kind, const char *ref, int64_t wall_ms, json_t *body,
                    struct err *err) MUST_CHECK;
/* From number `from` on, at most `limit` and about `max_bytes`; news_free() it. */
struct news_list {
	struct news *list;
	size_t n;
};
int repo_outbox_list(struct db *db, int64_t from, unsigned limit, size_t max_bytes,
                     struct news_list *ret, struct err *err) MUST_CHECK;
/* The hub has all up to `number`. */
int repo_outbox_ack(struct db *db, int64_t number, struct err *err) MUST_CHECK;

/* How far something was told: the number of the newest frame of a session. 0: not at all. */
int repo_outbox_mark(struct db *db, const char *key, int64_t *ret, struct err *err) MUST_CHECK;
int repo_outbox_set_mark(struct db *db, const char *key, int64_t value, struct err *err) MUST_CHECK;

/* The mark that says how often readings of a place are told; absent: this is no rig. */
#define REPO_CLIMATE_DELAY "climate delay"

/* An order of the hub is carried out once: -EEXIST if it was taken before. */
int repo_order_take(struct db *db, const char *id, int64_t wall_ms, struct err *err) MUST_CHECK;
