/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/climates.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/event.h"
#include "store/repo_climate.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRUNE_MS 3600000
/* A clock further ahead than this is wrong: its readings would stay "now" for ever. */
#define MAX_AHEAD_MS 60000

struct climates {
	struct climates_env env;
	struct climates_config config;
	struct timer prune;
	size_t n;
	struct climate_place *places[CLIMATES_MAX_PLACES];
	struct climate_sensor *sensors[CLIMATES_MAX_SENSORS];
};

/* ---- places ---- */

static struct climate_place *find(const struct climates *cs, const char *location)
{
	for (size_t i = 0; i < cs->n; i++)
		if (strcmp(cs->places[i]->newest.location, location) == 0)
			return cs->places[i];
	return NULL;
}

static struct climate_place *make(struct climates *cs, const char *location)
{
	struct climate_place *p = find(cs, location);
	size_t at = 0;

	if (p || cs->n == CLIMATES_MAX_PLACES)
		return p;
	p = MEM_NEW(struct climate_place);
	TEXT_SET(p->newest.location, location);
	p->newest.temp_c = p->newest.humidity_percent = (double)NAN;
	while (at < cs->n && strcmp(cs->places[at]->newest.location, location) < 0)
		at++;
	memmove(cs->places + at + 1, cs->places + at,
	        (cs->n - at) * sizeof(struct climate_place *));
	cs->places[at] = p;
	cs->n++;
	return p;
}

const struct climate_place *climates_at(const struct climates *cs, size_t i)
{
	return i < cs->n ? cs->places[i] : NULL;
}

const struct climate_place *climates_find(const struct climates *cs, const char *location)
{
	return find(cs, location);
}

bool climates_is_stale(const struct climates *cs, const struct climate_place *p)
{
	return p->newest.at_wall_ms == 0 ||
	       loop_wall_ms(cs->env.loop) - p->newest.at_wall_ms > cs->config.stale_ms;
}

/* ---- limits ---- */

/* One quantity of a place. */
struct watched {
	enum climate_side side;
	double v, below, above;
	const char *unit;
};

static double limit_of(const struct watched *w, enum climate_side side)
{
	return side == CLIMATE_BELOW ? w->below : w->above;
}

static const struct climate_limits *limits_of(const struct climates *cs, const char *location)
{
	for (unsigned i = 0; i < cs->config.n_limits; i++)
		if (strcmp(cs->config.limits[i].location, location) == 0)
			return &cs->config.limits[i];
	return NULL;
}

static void tell_side(struct climates *cs, const char *location, const struct watched *w,
                      enum climate_side before)
{
	int64_t now_ms = loop_wall_ms(cs->env.loop);

	if (w->side == before)
		return;
	if (w->side == CLIMATE_INSIDE)
		event_notice(cs->env.bus, now_ms, NOTICE_INFO, "climate", "",
		             "%s: %.1f %s, no longer %s %g %s.", location, w->v, w->unit,
		             climate_side_name(before), limit_of(w, before), w->unit);
	else
		event_notice(cs->env.bus, now_ms, NOTICE_WARNING, "climate", "",
		             "%s: %.1f %s, %s the limit of %g %s.", location, w->v, w->unit,
		             climate_side_name(w->side), limit_of(w, w->side), w->unit);
}

static void watch(struct climates *cs, struct climate_place *p)
{
	const struct climate_limits *l = limits_of(cs, p->newest.location);
	struct watched temp, humidity;

	if (!l)
		return;
	temp = (struct watched){
		.v = p->newest.temp_c, .below = l->below_c, .above = l->above_c, .unit = "°C"
	};
	humidity = (struct watched){ .v = p->newest.humidity_percent,
		                     .below = l->below_percent,
		                     .above = l->above_percent,
		                     .unit = "% humidity" };
	temp.side = climate_side_after(p->temp, temp.v, temp.below, temp.above, l->hysteresis_c);
	humidity.side = climate_side_after(p->humidity, humidity.v, humidity.below, humidity.above,
	                                   l->hysteresis_percent);
	tell_side(cs, p->newest.location, &temp, p->temp);
	tell_side(cs, p->newest.location, &humidity, p->humidity);
	p->temp = temp.side;
	p->humidity = humidity.side;
}

void climates_crossed(const struct climates *cs, const struct climate_place *p, char *dst,
                      size_t size)
{
	const struct climate_limits *l = limits_of(cs, p->newest.location);
	int n = 0;

	dst[0] = '\0';
	if (l && p->temp != CLIMATE_INSIDE)
		n = snprintf(dst, size, "%s %g °C", climate_side_name(p->temp),
		             p->temp == CLIMATE_BELOW ? l->below_c : l->above_c);
	if (l && p->humidity != CLIMATE_INSIDE && n >= 0 && (size_t)n < size)
		(void)snprintf(dst + n, size - (size_t)n, "%s%s %g %%", n ? ", " : "",
		               climate_side_name(p->humidity),
		               p->humidity == CLIMATE_BELOW ? l->below_percent : l->above_percent);
}

/* ---- readings ---- */

static int run_add(struct db *db, void *arg, struct err *err)
{
	return repo_climate_add(db, arg, err);
}

static void add_done(void *arg, int rc UNUSED, const struct err *err)
{
	if (err)
		log_warn(NULL, "a reading was not kept: %s", err->text);
	free(arg);
}

static void take(struct climates *cs, struct climate_place *p, const struct climate_reading *r)
{
	struct event_climate *e;
	int64_t since_ms = r->at_wall_ms - p->stored_wall_ms;

	/* Behind, too: the clock was set back, or it was sent late. */
	if (cs->env.store && (since_ms >= CLIMATES_STORE_MS || since_ms < 0)) {
		p->stored_wall_ms = r->at_wall_ms;
		store_submit(cs->env.store, run_add, add_done, mem_dup(r, sizeof(*r)));
	}
	/* Sent late it is history; but after a clock that ran ahead was set back it is the newest. */
	if (r->at_wall_ms < p->newest.at_wall_ms &&
	    p->newest.at_wall_ms <= loop_wall_ms(cs->env.loop))
		return;
	p->newest = *r;
	p->trouble[0] = '\0';
	e = event_new_climate();
	e->reading = *r;
	bus_publish(cs->env.bus, &e->head);
	watch(cs, p);
}

static int place_for(struct climates *cs, const char *location, struct climate_place **ret,
                     struct err *err)
{
	struct climate_place *p = make(cs, location);

	if (!p) {
		(void)err_set(err, -ENOSPC,
		              "there are %d places already: delete one that is not needed",
		              CLIMATES_MAX_PLACES);
		return -ENOSPC;
	}
	if (p->is_here) {
		(void)err_set(err, -EEXIST,
		              "'%s' has a sensor of this machine: choose another name", location);
		return -EEXIST;
	}
	*ret = p;
	return 0;
}

int climates_add(struct climates *cs, const struct climate_reading *reading, struct err *err)
{
	struct climate_reading r = *reading;
	struct climate_place *p;
	int64_t now_ms = loop_wall_ms(cs->env.loop);
	int rc = climate_check(&r, err);

	if (rc == 0 && r.at_wall_ms > now_ms + MAX_AHEAD_MS)
		rc = err_set(err, -ERANGE, "the reading's time is in the future");
	if (rc == 0)
		rc = place_for(cs, r.location, &p, err);
	if (rc != 0)
		return rc;
	if (r.at_wall_ms <= 0)
		r.at_wall_ms = now_ms;
	take(cs, p, &r);
	return 0;
}

int climates_fail(struct climates *cs, const char *location, const char *text, struct err *err)
{
	struct climate_place *p;
	struct climate_reading r = { .temp_c = 20, .humidity_percent = 50 };
	int rc;

	TEXT_SET(r.location, location);
	rc = climate_check(&r, err); /* of the location */
	if (rc == 0)
		rc = place_for(cs, location, &p, err);
	if (rc != 0)
		return rc;
	TEXT_SET(p->trouble, text);
	text_clean(p->trouble);
	return 0;
}

/* ---- sensors of this machine ---- */

static void on_reading(void *arg, const struct climate_reading *r)
{
	struct climates *cs = arg;
	struct climate_place *p = make(cs, r->location);

	if (!p)
		return;
	if (p->trouble[0])
		log_info(NULL, "climate of %s: it is measured again", r->location);
	p->is_here = true;
	take(cs, p, r);
}

static void on_failed(void *arg, const struct climate_config *c, const char *text)
{
	struct climates *cs = arg;
	struct climate_place *p = make(cs, c->location);

	log_warn(NULL, "climate of %s: %s", c->location, text);
	if (!p)
		return;
	p->is_here = true;
	TEXT_SET(p->trouble, text);
	event_notice(cs->env.bus, loop_wall_ms(cs->env.loop), NOTICE_WARNING, "climate", "",
	             "The climate of %s cannot be measured: %s.", c->location, text);
}

/* ---- what becomes old, and life ---- */

struct forget {
	int64_t before_ms;
	char location[CLIMATE_LOCATION_SIZE];
};

static int run_forget(struct db *db, void *arg, struct err *err)
{
	const struct forget *f = arg;
	int rc;

	if (!f->location[0])
		return repo_climate_prune(db, f->before_ms, err);
	rc = repo_climate_remove(db, f->location, err);
	return rc == -ENOENT ? 0 : rc;
}

static void forget_done(void *arg, int rc UNUSED, const struct err *err)
{
	if (err)
		log_warn(NULL, "old readings were not forgotten: %s", err->text);
	free(arg);
}

static void prune(void *arg)
{
	struct climates *cs = arg;
	struct forget *f;

	if (!cs->env.store || cs->config.keep_ms <= 0)
		return;
	f = MEM_NEW(struct forget);
	f->before_ms = loop_wall_ms(cs->env.loop) - cs->config.keep_ms;
	store_submit(cs->env.store, run_forget, forget_done, f);
}

static void drop_place(struct climates *cs, size_t at)
{
	free(cs->places[at]);
	cs->n--;
	memmove(cs->places + at, cs->places + at + 1,
	        (cs->n - at) * sizeof(struct climate_place *));
}

void climates_forget(struct climates *cs, const char *location)
{
	struct forget *f = MEM_NEW(struct forget);

	TEXT_SET(f->location, location);
	for (size_t i = 0; i < cs->n; i++) {
		if (strcmp(cs->places[i]->newest.location, location) == 0) {
			drop_place(cs, i);
			break;
		}
	}
	if (cs->env.store)
		store_submit(cs->env.store, run_forget, forget_done, f);
	else
		free(f);
}

struct newest {
	struct climate_reading *list;
	size_t n;
};

static int run_newest(struct db *db, void *arg, struct err *err)
{
	struct newest *n = arg;

	return repo_climate_newest(db, &n->list, &n->n, err);
}

static void read_back(struct climates *cs)
{
	struct newest n = { 0 };
	struct err err = { 0 };

	if (store_call(cs->env.store, run_newest, &n, &err) < 0)
		log_warn(NULL, "the last readings could not be read back: %s", err.text);
	for (size_t i = 0; i < n.n; i++) {
		struct climate_place *p = make(cs, n.list[i].location);

		if (!p)
			break;
		p->newest = n.list[i];
		p->stored_wall_ms = p->newest.at_wall_ms;
	}
	free(n.list);
}

struct climates *climates_new(const struct climates_env *env, const struct climates_config *c)
{
	struct climates *cs = MEM_NEW(struct climates);
	const struct climate_events ev = { on_reading, on_failed, cs };

	cs->env = *env;
	cs->config = *c;
	if (env->store)
		read_back(cs);
	for (unsigned i = 0; i < c->n_sensors; i++) {
		struct climate_place *p = make(cs, c->sensors[i].location);

		if (p)
			p->is_here = true;
		cs->sensors[i] = climate_new(env->loop, env->pool, &c->sensors[i], &ev);
	}
	timer_init(&cs->prune, env->loop, prune, cs);
	timer_start_every(&cs->prune, PRUNE_MS);
	prune(cs);
	return cs;
}

void climates_free(struct climates *cs)
{
	if (!cs)
		return;
	timer_stop(&cs->prune);
	for (unsigned i = 0; i < cs->config.n_sensors; i++)
		climate_free(cs->sensors[i]);
	for (size_t i = 0; i < cs->n; i++)
		free(cs->places[i]);
	free(cs);
}
