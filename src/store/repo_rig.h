/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_rig: the hub's records: its rigs, and what each of them told.
 *
 * Thread: the store's (inside a request).
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"
#include "model/rig.h"
#include "store/repo_outbox.h"

struct db;
struct err;

#define REPO_MAX_RIGS 200

int repo_rig_add(struct db *db, const struct rig_record *r,
                 struct err *err) MUST_CHECK; /* -EEXIST: the name */
int repo_rig_remove(struct db *db, const char *id,
                    struct err *err) MUST_CHECK; /* with all that it told */
/* `name` "", a delay below 0: stays. -EEXIST: the name. */
int repo_rig_change(struct db *db, const char *id, const char *name, const struct rig_delays *d,
                    struct err *err) MUST_CHECK;
/* It has come: its version, now. The rest is a person's to change. */
int repo_rig_seen(struct db *db, const char *id, const char *version, int64_t wall_ms,
                  struct err *err) MUST_CHECK;
/* All, by name; free(*ret). */
int repo_rig_list(struct db *db, struct rig_record **ret, size_t *ret_n,
                  struct err *err) MUST_CHECK;

/* How far the rig's stream is committed; 0 for a stream that is new. */
int repo_rig_have(struct db *db, const char *rig, const char *stream, int64_t *ret,
                  struct err *err) MUST_CHECK;
/*
 * Commits news, in order of their numbers; those that are here already are left out. `is_fresh[i]`
 * (n of them) tells which were new. -ESTALE: the rig is gone (revoked); -EAGAIN: those up to `after`
 * are not here, so these may not be, either: they would never be told again.
 */
struct repo_rig_batch {
	const char *rig, *stream;
	int64_t after; /* number of the news that were sent before these */
	const struct news *news;
	size_t n;
	int64_t heard_wall_ms; /* by our clock */
	bool *is_fresh;
};
int repo_rig_commit(struct db *db, const struct repo_rig_batch *b, struct err *err) MUST_CHECK;

struct rig_news {
	struct news news;
	int64_t heard_wall_ms;
};

void rig_news_free(struct rig_news *list, size_t n);
/* Of one kind ("" all), newest first; `before` 0 or a number. rig_news_free() it. */
struct rig_news_page {
	const char *rig, *kind;
	int64_t before;
	unsigned limit;
};
int repo_rig_news(struct db *db, const struct rig_news_page *page, struct rig_news **ret,
                  size_t *ret_n, struct err *err) MUST_CHECK;
/* Forgets all but the newest `keep` of each rig's layers, frames and readings. */
int repo_rig_prune(struct db *db, unsigned keep, struct err *err) MUST_CHECK;
