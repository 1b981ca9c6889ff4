/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pairings: keys that the page asks OctoPrints for. A key stays here until the printer is added with
 * it; the page never sees it.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct err;
struct loop;
struct pairings;
struct printer_config;
struct secret;

#define PAIRINGS_MAX 8
#define PAIRINGS_KEPT_MS 900000 /* then a key that nobody used is forgotten */

struct pairings *pairings_new(struct loop *l);
/* Questions still open are answered with `err`. NULL is allowed. */
void pairings_free(struct pairings *ps, const struct err *err);

/* Asks the OctoPrint at c->url. `done` once, on the loop: the pairing as pairings_json() as soon as
 * a person can press Allow, or NULL and why not. */
void pairings_start(struct pairings *ps, const struct printer_config *c, const char *user,
                    void (*done)(void *arg, json_t *pairing, const struct err *err), void *arg);

/* {id, state: waiting|allowed|failed, where, text}; NULL: there is none of this id. */
json_t *pairings_json(const struct pairings *ps, const char *id);
/* The key, once: the pairing is gone then. False: not allowed (yet), or for another address. */
bool pairings_take(struct pairings *ps, const char *id, const char *url, struct secret *ret);
void pairings_drop(struct pairings *ps, const char *id);
