/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * climate: one sensor of this machine, read from time to time.
 *
 * A reading that fails is tried again, three times in all, 2.1 s apart: the DHT's driver answers from
 * memory within two seconds of a garbled answer. The sensor is looked for anew before each reading that
 * follows a failed one: it may be plugged in later. Nothing good is ever replaced by nothing: the owner
 * keeps the last reading, and its age tells.
 *
 * Without hardware: a simulated one, whose values walk.
 *
 * Thread: loop; the sensor is read on the worker pool.
 */

#pragma once

#include "base/base.h"
#include "edge/iio.h"

#define CLIMATE_TRIES 3
#define CLIMATE_RETRY_MS 2100

struct climate_sensor;
struct loop;
struct work_pool;

struct climate_config {
	char location[CLIMATE_LOCATION_SIZE];
	char device[64]; /* as iio_find() wants it */
	char root[200];  /* "" IIO_ROOT */
	int64_t every_ms;
	bool is_simulated;
};

struct climate_events {
	void (*reading)(void *arg, const struct climate_reading *r);
	/* All tries of a reading failed; told once until one succeeds or the words change. */
	void (*failed)(void *arg, const struct climate_config *c, const char *text);
	void *arg;
};

/* `c` is copied. The first reading is taken at once. */
struct climate_sensor *climate_new(struct loop *l, struct work_pool *pool,
                                   const struct climate_config *c, const struct climate_events *ev);
/* Nothing is told any more; a reading under way ends alone. */
void climate_free(struct climate_sensor *s);
const struct climate_config *climate_config(const struct climate_sensor *s);
const char *climate_trouble(const struct climate_sensor *s); /* "" none */
