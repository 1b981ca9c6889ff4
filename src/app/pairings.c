/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/pairings.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/loop.h"
#include "model/json.h"
#include "model/printer.h"
#include "printers/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pairing {
	struct pairings *owner; /* NULL: the place is free */
	char id[ID_SIZE], where[600], text[480];
	char url[512];
	struct pair *pair; /* while it waits */
	bool is_allowed;
	struct secret key;
	struct timer kept;
	/* The call that began it, until it can be answered. */
	void (*done)(void *arg, json_t *pairing, const struct err *err);
	void *done_arg;
};

struct pairings {
	struct loop *loop;
	struct pairing list[PAIRINGS_MAX];
};

struct pairings *pairings_new(struct loop *l)
{
	struct pairings *ps = MEM_NEW(struct pairings);

	ps->loop = l;
	return ps;
}

static void forget(struct pairing *p)
{
	pair_free(p->pair);
	timer_stop(&p->kept);
	secret_fini(&p->key);
	memset(p, 0, sizeof(*p));
}

static void on_kept(void *arg)
{
	forget(arg);
}

static struct pairing *find(const struct pairings *ps, const char *id)
{
	for (size_t i = 0; i < PAIRINGS_MAX; i++) {
		if (ps->list[i].owner && strcmp(ps->list[i].id, id) == 0)
			return (struct pairing *)(uintptr_t)&ps->list[i];
	}
	return NULL;
}

static json_t *json_pairing(const struct pairing *p)
{
	const char *state = p->is_allowed ? "allowed" : p->pair ? "waiting" : "failed";

	return json_pack("{s:s, s:s, s:o, s:o}", "id", p->id, "state", state, "where",
	                 json_text(p->where), "text", json_text(p->text));
}

/* Of the call that began it. */
static void answer(struct pairing *p, json_t *j, const struct err *err)
{
	void (*done)(void *arg, json_t *pairing, const struct err *err) = p->done;

	p->done = NULL;
	if (done)
		done(p->done_arg, j, err);
	else
		json_decref(j);
}

static void on_asked(void *arg, const char *where)
{
	struct pairing *p = arg;

	TEXT_SET(p->where, where);
	answer(p, json_pairing(p), NULL);
}

static void fail(struct pairing *p, const struct err *why)
{
	struct err err = *why;
	uint8_t sha256[32];
	char subject[128], hex[65];

	if (pair_refused_certificate(p->pair, sha256, subject)) {
		text_hex(hex, sha256, sizeof(sha256));
		(void)err_set(&err, why->code, "%.300s Its fingerprint is sha256:%s", why->text,
		              hex);
	}
	TEXT_SET(p->text, err.text);
	pair_free(p->pair);
	p->pair = NULL;
	if (!p->done)
		return; /* the page asks how it went */
	answer(p, NULL, &err);
	forget(p);
}

static void on_done(void *arg, const char *key, const struct err *err)
{
	struct pairing *p = arg;

	if (!key) {
		fail(p, err);
		return;
	}
	p->is_allowed = true;
	secret_set(&p->key, key);
	pair_free(p->pair);
	p->pair = NULL;
}

void pairings_start(struct pairings *ps, const struct printer_config *c, const char *user,
                    void (*done)(void *arg, json_t *pairing, const struct err *err), void *arg)
{
	struct pair_events e = { .asked = on_asked, .done = on_done };
	struct pairing *p = NULL;
	struct err err = { 0 };

	for (size_t i = 0; i < PAIRINGS_MAX && !p; i++)
		p = ps->list[i].owner ? NULL : &ps->list[i];
	if (!p) {
		(void)err_set(&err, -EBUSY,
		              "Too many requests wait for an answer in OctoPrint: press Allow or "
		              "Deny there.");
		done(arg, NULL, &err);
		return;
	}
	p->owner = ps;
	p->done = done;
	p->done_arg = arg;
	(void)id_new(p->id, loop_wall_ms(ps->loop));
	TEXT_SET(p->url, c->url);
	timer_init(&p->kept, ps->loop, on_kept, p);
	timer_start(&p->kept, PAIRINGS_KEPT_MS);
	e.arg = p;
	p->pair = pair_start(ps->loop, c, user, NULL, &e);
}

json_t *pairings_json(const struct pairings *ps, const char *id)
{
	const struct pairing *p = find(ps, id);

	return p ? json_pairing(p) : NULL;
}

bool pairings_take(struct pairings *ps, const char *id, const char *url, struct secret *ret)
{
	struct pairing *p = find(ps, id);

	if (!p || !p->is_allowed || strcmp(p->url, url) != 0)
		return false;
	secret_set(ret, secret_peek(&p->key));
	forget(p);
	return true;
}

void pairings_drop(struct pairings *ps, const char *id)
{
	struct pairing *p = find(ps, id);
	struct err err = { 0 };

	if (!p)
		return;
	(void)err_set(&err, -ECANCELED, "The request was taken back.");
	answer(p, NULL, &err);
	forget(p);
}

void pairings_free(struct pairings *ps, const struct err *err)
{
	if (!ps)
		return;
	for (size_t i = 0; i < PAIRINGS_MAX; i++) {
		struct pairing *p = &ps->list[i];

		if (!p->owner)
			continue;
		answer(p, NULL, err);
		forget(p);
	}
	free(ps);
}
