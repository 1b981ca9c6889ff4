/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_climate: temperature and humidity of places, over time.
 *
 * Thread: the store's (repo.h).
 */

#pragma once

#include "base/base.h"
#include "model/environment.h"

struct db;
struct err;

/* A reading of the same place and moment is replaced. */
int repo_climate_add(struct db *db, const struct climate_reading *r, struct err *err) MUST_CHECK;

/* The newest of each place, by name; the caller frees the array. */
#define REPO_MAX_PLACES 200
int repo_climate_newest(struct db *db, struct climate_reading **ret, size_t *ret_n,
                        struct err *err) MUST_CHECK;

/* Readings of a place within [from_ms, to_ms), oldest first. `step_ms` above 1: the means of so long
 * spans, at their beginnings. At most REPO_MAX_READINGS. */
#define REPO_MAX_READINGS 20000
struct repo_climate_span {
	const char *location;
	int64_t from_ms, to_ms, step_ms;
};
int repo_climate_list(struct db *db, const struct repo_climate_span *span,
                      struct climate_reading **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Forgets what is older. */
int repo_climate_prune(struct db *db, int64_t before_ms, struct err *err) MUST_CHECK;
/* Forgets a place. -ENOENT if there is none. */
int repo_climate_remove(struct db *db, const char *location, struct err *err) MUST_CHECK;
