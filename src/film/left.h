/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * left: the films that an earlier run left unfinished or unchecked, as the records know them.
 *
 * Thread: the store's.
 */

#pragma once

#include "base/base.h"
#include "model/film.h"
#include "model/session.h"

struct db;
struct err;

struct film_left {
	struct film *films;
	size_t n_films;
	struct session *sessions; /* of the films, in the same order; id "" unknown */
	bool *is_own; /* the session's own film of its camera, not one that was asked for */
};

/* A store request: `arg` is a struct film_left of zeros; film_left_fini() it in any case. */
int film_left_read(struct db *db, void *arg, struct err *err);
void film_left_fini(struct film_left *l);
