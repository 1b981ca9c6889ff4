/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "edge/climate.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/work.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct try;

struct climate_sensor {
	struct loop *loop;
	struct work_pool *pool;
	struct climate_config config;
	struct climate_events ev;
	struct timer next;
	struct iio_device device;
	bool has_device;
	unsigned n_tries;
	int64_t began_us; /* of the reading: periods do not drift by its tries */
	struct try *running;
	char trouble[480];
	double sim_c, sim_percent;
	uint32_t random;
};

/* One try, a worker's while it runs. */
struct
try {
	struct climate_sensor *owner; /* NULL: it has gone */
	struct climate_config config;
	struct iio_device device;
	bool has_device;
	struct climate_reading reading;
	struct err err;
	int rc;
};

static void run(void *arg)
{
	struct try *t = arg;
	const char *root = t->config.root[0] ? t->config.root : NULL;

	if (!t->has_device) {
		t->rc = iio_find(root, t->config.device, &t->device, &t->err);
		t->has_device = t->rc == 0;
	}
	if (t->rc == 0)
		t->rc = iio_read(&t->device, t->config.location, &t->reading, &t->err);
}

static void wait_for_next(struct climate_sensor *s)
{
	int64_t gone_ms = (loop_now_us(s->loop) - s->began_us) / 1000;

	s->n_tries = 0;
	timer_start(&s->next, MAX(s->config.every_ms - gone_ms, (int64_t)CLIMATE_RETRY_MS));
}

static void good(struct climate_sensor *s, struct climate_reading *r)
{
	r->at_wall_ms = loop_wall_ms(s->loop);
	s->trouble[0] = '\0';
	wait_for_next(s);
	s->ev.reading(s->ev.arg, r);
}

static void bad(struct climate_sensor *s, const char *text)
{
	bool is_news;

	s->has_device = false;
	if (++s->n_tries < CLIMATE_TRIES) {
		timer_start(&s->next, CLIMATE_RETRY_MS);
		return;
	}
	is_news = strcmp(s->trouble, text) != 0;
	TEXT_SET(s->trouble, text);
	wait_for_next(s);
	if (is_news)
		s->ev.failed(s->ev.arg, &s->config, s->trouble);
}

static void done(void *arg)
{
	struct try *t = arg;
	struct climate_sensor *s = t->owner;

	if (s) {
		s->running = NULL;
		s->device = t->device;
		s->has_device = t->has_device;
		if (t->rc == 0)
			good(s, &t->reading);
		else
			bad(s, t->err.text);
	}
	free(t);
}

/* -1, 0 or 1 */
static int step(struct climate_sensor *s)
{
	s->random = s->random * 1664525U + 1013904223U;
	return (int)(s->random >> 16) % 3 - 1;
}

static void simulate(struct climate_sensor *s)
{
	struct climate_reading r = { .source = "simulated" };

	s->sim_c = fmax(-10, fmin(40, s->sim_c + 0.5 * step(s)));
	s->sim_percent = fmax(0, fmin(100, s->sim_percent + 1.0 * step(s)));
	TEXT_SET(r.location, s->config.location);
	r.temp_c = s->sim_c;
	r.humidity_percent = s->sim_percent;
	good(s, &r);
}

static void begin(void *arg)
{
	struct climate_sensor *s = arg;
	struct try *t;

	if (s->n_tries == 0)
		s->began_us = loop_now_us(s->loop);
	if (s->config.is_simulated) {
		simulate(s);
		return;
	}
	t = MEM_NEW(struct try);
	t->owner = s;
	t->config = s->config;
	t->device = s->device;
	t->has_device = s->has_device;
	s->running = t;
	work_submit(s->pool, run, done, t);
}

struct climate_sensor *climate_new(struct loop *l, struct work_pool *pool,
                                   const struct climate_config *c, const struct climate_events *ev)
{
	struct climate_sensor *s = MEM_NEW(struct climate_sensor);

	assert(ev->reading && ev->failed);
	s->loop = l;
	s->pool = pool;
	s->config = *c;
	s->ev = *ev;
	s->sim_c = 24;
	s->sim_percent = 50;
	for (const char *p = c->location; *p; p++)
		s->random = s->random * 31 + (unsigned char)*p;
	timer_init(&s->next, l, begin, s);
	timer_start(&s->next, 0);
	return s;
}

void climate_free(struct climate_sensor *s)
{
	if (!s)
		return;
	timer_stop(&s->next);
	if (s->running)
		s->running->owner = NULL;
	free(s);
}

const struct climate_config *climate_config(const struct climate_sensor *s)
{
	return &s->config;
}

const char *climate_trouble(const struct climate_sensor *s)
{
	return s->trouble;
}
