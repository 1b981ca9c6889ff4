/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pair: asks an OctoPrint for an API key of its own, which a person grants on OctoPrint's page
 * (the AppKeys flow, https://docs.octoprint.org/en/main/bundledplugins/appkeys.html).
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct err;
struct loop;
struct pair;
struct printer_config;
struct rest_player;

#define PAIR_LIMIT_MS 300000 /* for the person to click */

struct pair_events {
	/* It waits for the click; `where` is the page on which it is asked for. Once, then done. */
	void (*asked)(void *arg, const char *where);
	/* The key, borrowed; or NULL and why: -EACCES denied, or nobody clicked in time. Once. */
	void (*done)(void *arg, const char *key, const struct err *err);
	void *arg;
};

/* `c`: url and trust are copied. `user` whose key it shall be, NULL: whoever clicks. `player` for
 * tests, NULL. */
struct pair *pair_start(struct loop *l, const struct printer_config *c, const char *user,
                        const struct rest_player *player, const struct pair_events *events);
/* No callback after it; needed after `done` too, and allowed inside it. NULL is allowed. */
void pair_free(struct pair *p);

/* The certificate that was refused, as printer_refused_certificate(). */
bool pair_refused_certificate(const struct pair *p, uint8_t ret_sha256[32], char ret_subject[128]);
