/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * climates: temperature and humidity of places: from sensors of this machine and from others that
 * send theirs; the newest of each place, and its history.
 *
 * A reading that cannot be is refused at the door. Each place keeps its last good one, whose age tells
 * how much it is worth. Of a place that sends often one reading in ten seconds is kept in the records,
 * and all of it goes after `keep_ms`.
 *
 * A limit that is crossed is told by EVENT_NOTICE, once, and its end; a new start tells it again.
 *
 * Publishes EVENT_CLIMATE. Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "edge/climate.h"
#include "fleet/climate_limits.h"
#include "model/environment.h"

struct bus;
struct climates;
struct err;
struct loop;
struct store;
struct work_pool;

#define CLIMATES_MAX_SENSORS 8
#define CLIMATES_MAX_LIMITS 32
#define CLIMATES_MAX_PLACES 100
#define CLIMATES_STORE_MS 10000

struct climates_config {
	int64_t keep_ms;  /* of the history; default 7 days */
	int64_t stale_ms; /* older is no longer "now"; default 10 minutes */
	unsigned n_sensors;
	struct climate_config sensors[CLIMATES_MAX_SENSORS];
	unsigned n_limits;
	struct climate_limits limits[CLIMATES_MAX_LIMITS]; /* one for a place */
};

struct climates_env {
	struct loop *loop;
	struct bus *bus;
	struct store *store;
	struct work_pool *pool;
};

struct climate_place {
	struct climate_reading newest;    /* at_wall_ms 0: none yet */
	bool is_here;                     /* a sensor of this machine */
	char trouble[240];                /* why nothing newer comes; "" nothing is wrong */
	int64_t stored_wall_ms;           /* climates' */
	enum climate_side temp, humidity; /* against its limits */
};

/* Reads the newest of each place back, and starts the sensors. May wait for the disk. */
struct climates *climates_new(const struct climates_env *env, const struct climates_config *c);
void climates_free(struct climates *cs);

/* In the order of their names; NULL after the last. Good until the next change. */
const struct climate_place *climates_at(const struct climates *cs, size_t i);
const struct climate_place *climates_find(const struct climates *cs, const char *location);
bool climates_is_stale(const struct climates *cs, const struct climate_place *p);

/* "above 40 °C, below 20 %"; "" inside its limits, or it has none. */
void climates_crossed(const struct climates *cs, const struct climate_place *p, char *dst,
                      size_t size);

/* A reading of another's sensor; at_wall_ms 0: now; older than the newest: for the history. -EINVAL or -ERANGE with the sentence, -ENOSPC too
 * many places, -EEXIST the place has a sensor of this machine. */
int climates_add(struct climates *cs, const struct climate_reading *r, struct err *err) MUST_CHECK;
/* It says that it cannot measure; the last good reading stays. */
int climates_fail(struct climates *cs, const char *location, const char *text,
                  struct err *err) MUST_CHECK;
/* Forgets a place with its history; one with a sensor of this machine comes again. */
void climates_forget(struct climates *cs, const char *location);
