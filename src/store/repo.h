/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo: records in and out of the database. All of the program's SQL is in repo_*.c.
 *
 * A repo function runs inside a request (store.h): it gets the connection, does one thing and
 * returns 0 or what the database said; -ENOENT when the record is not there. Lists are newest
 * first; the caller frees the array.
 *
 * Thread: the store's.
 */

#pragma once

#include "base/base.h"
#include "model/event.h"
#include "model/film.h"
#include "model/job.h"
#include "model/layer.h"
#include "model/session.h"
#include "store/db.h"

struct err;

/* A part of a list. */
struct repo_page {
	const char *printer; /* NULL or "": of all */
	const char *before;  /* an id: only older ones; NULL or "": from the newest */
	unsigned limit;      /* 0: REPO_MAX_PAGE */
};
#define REPO_MAX_PAGE 500

int repo_job_save(struct db *db, const struct job *j, struct err *err) MUST_CHECK;
int repo_job_get(struct db *db, const char *id, struct job *ret, struct err *err) MUST_CHECK;
int repo_job_list(struct db *db, const struct repo_page *page, struct job **ret, size_t *ret_n,
                  struct err *err) MUST_CHECK;
/* Jobs that had not ended when last heard of, of all printers. */
int repo_job_running(struct db *db, struct job **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* The job must have been saved. Saving a layer again replaces it. */
int repo_layer_save(struct db *db, const struct layer *l, struct err *err) MUST_CHECK;
/* By number, from `from` on; at most REPO_MAX_LAYERS. */
#define REPO_MAX_LAYERS 2000
int repo_layer_list(struct db *db, const char *job, int from, struct layer **ret, size_t *ret_n,
                    struct err *err) MUST_CHECK;

int repo_session_save(struct db *db, const struct session *s, struct err *err) MUST_CHECK;
int repo_session_get(struct db *db, const char *id, struct session *ret,
                     struct err *err) MUST_CHECK;
int repo_session_list(struct db *db, const struct repo_page *page, struct session **ret,
                      size_t *ret_n, struct err *err) MUST_CHECK;
/* Those that are not done, of all printers. */
int repo_session_unfinished(struct db *db, struct session **ret, size_t *ret_n,
                            struct err *err) MUST_CHECK;
/* Done, with a verified film and their frames still there; OLDEST first: what retention looks at.
 * Those that may not go would else stand in the way of all newer ones. */
int repo_session_with_frames(struct db *db, unsigned limit, struct session **ret, size_t *ret_n,
                             struct err *err) MUST_CHECK;
int repo_session_delete(struct db *db, const char *id, struct err *err) MUST_CHECK;

int repo_film_save(struct db *db, const struct film *f, struct err *err) MUST_CHECK;
int repo_film_get(struct db *db, const char *id, struct film *ret, struct err *err) MUST_CHECK;
int repo_film_list(struct db *db, const struct repo_page *page, struct film **ret, size_t *ret_n,
                   struct err *err) MUST_CHECK;
int repo_film_of_session(struct db *db, const char *session, struct film **ret, size_t *ret_n,
                         struct err *err) MUST_CHECK;
/* Growing, finishing or not yet verified. */
int repo_film_unfinished(struct db *db, struct film **ret, size_t *ret_n,
                         struct err *err) MUST_CHECK;
int repo_film_delete(struct db *db, const char *id, struct err *err) MUST_CHECK;

/* Bytes of all frames that are there, and of all films. */
int repo_sum_bytes(struct db *db, uint64_t *ret_frames, uint64_t *ret_films,
                   struct err *err) MUST_CHECK;

/* `head` of the event is not looked at, and zero in what is read back. */
int repo_notice_save(struct db *db, const struct event_notice *n, struct err *err) MUST_CHECK;
int repo_notice_list(struct db *db, const struct repo_page *page, struct event_notice **ret,
                     size_t *ret_n, struct err *err) MUST_CHECK;
/* Forgets all but the newest `n_keep`. */
int repo_notice_prune(struct db *db, unsigned n_keep, struct err *err) MUST_CHECK;

/* -ENOENT if it was never set. */
int repo_setting_get(struct db *db, const char *key, char *dst, size_t size,
                     struct err *err) MUST_CHECK;
int repo_setting_set(struct db *db, const char *key, const char *value, struct err *err) MUST_CHECK;

/* ---- for the repos themselves ---- */

unsigned repo_limit(const struct repo_page *page);
const char *repo_before(const struct repo_page *page);  /* NULL or an id */
const char *repo_printer(const struct repo_page *page); /* NULL or an id */

/* A query, and what turns a row of it into an element of `size` bytes (not zeroed). */
struct repo_query {
	const char *sql;
	const struct db_arg *args;
	void (*read)(struct db_rows *r, void *element);
	size_t size;
};

/* All rows, as an array; NULL when there are none. */
int repo_read_all(struct db *db, const struct repo_query *q, void **ret, size_t *ret_n,
                  struct err *err) MUST_CHECK;
/* The first row, into `ret`; -ENOENT "there is no WHAT of this id". */
int repo_read_one(struct db *db, const struct repo_query *q, void *ret, const char *what,
                  struct err *err) MUST_CHECK;
