/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/tokens.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "store/repo_token.h"
#include "store/store.h"
#include "web/call.h"
#include "web/limit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "ct"
#define USED_EVERY_MS 60000
#define MAX_PLACES 4

struct token {
	struct camera_token t;
	char places[MAX_PLACES][64]; /* addresses it was used from, newest first */
};

struct tokens {
	struct loop *loop;
	struct store *store;
	struct log log;
	struct token *all;
	struct camera_token *listed; /* of tokens_all() */
	size_t n;
	struct limit wrong;
	unsigned refs; /* ours, and one for each job */
};

enum job_kind {
	JOB_ADD,
	JOB_REMOVE,
	JOB_USED,
};

struct job {
	struct tokens *all;
	enum job_kind kind;
	struct camera_token t;
	char secret[TOKEN_SIZE];
	tokens_done *done;
	void *arg;
	int rc;
	struct err err;
};

static void unref(struct tokens *ts)
{
	if (--ts->refs > 0)
		return;
	limit_fini(&ts->wrong);
	free(ts->all);
	free(ts->listed);
	free(ts);
}

static void hash_of(char hash[USER_HASH_SIZE], const char *text)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_sha256(digest, text, strlen(text));
	text_hex(hash, digest, sizeof(digest));
}

static struct token *find(const struct tokens *ts, const char *id)
{
	for (size_t i = 0; i < ts->n; i++) {
		if (strcmp(ts->all[i].t.id, id) == 0)
			return &ts->all[i];
	}
	return NULL;
}

static bool is_over(const struct tokens *ts, const struct camera_token *t)
{
	return t->expires_wall_ms != 0 && t->expires_wall_ms <= loop_wall_ms(ts->loop);
}

/* ---- writing ---- */

static int write_job(struct db *db, void *arg, struct err *err)
{
	struct job *j = arg;

	switch (j->kind) {
	case JOB_ADD:
		return repo_token_add(db, &j->t, err);
	case JOB_REMOVE:
		return repo_token_remove(db, j->t.id, err);
	case JOB_USED:
		return repo_token_used(db, j->t.id, j->t.last_used_wall_ms, err);
	}
	return 0;
}

static void keep(struct tokens *ts, const struct camera_token *t)
{
	ts->all = mem_grow(ts->all, ts->n + 1, sizeof(*ts->all));
	ts->all[ts->n++] = (struct token){ .t = *t };
}

static void forget(struct tokens *ts, const char *id)
{
	struct token *t = find(ts, id);

	if (!t)
		return;
	ts->n--;
	memmove(t, t + 1, (size_t)(ts->all + ts->n - t) * sizeof(*t));
}

static void end_job(void *arg)
{
	struct job *j = arg;
	struct tokens *ts = j->all;

	if (j->done)
		j->done(j->arg, j->rc, &j->err, &j->t, j->secret);
	else if (j->rc < 0)
		log_warn(&ts->log, "%s", j->err.text);
	secret_wipe(j, sizeof(*j));
	free(j);
	unref(ts);
}

static void is_written(void *arg, int rc, const struct err *err)
{
	struct job *j = arg;

	j->rc = rc;
	if (rc < 0)
		j->err = *err;
	else if (j->kind == JOB_ADD)
		keep(j->all, &j->t);
	else if (j->kind == JOB_REMOVE)
		forget(j->all, j->t.id);
	end_job(j);
}

static struct job *new_job(struct tokens *ts, enum job_kind kind, tokens_done *done, void *arg)
{
	struct job *j = MEM_NEW(struct job);

	ts->refs++;
	j->all = ts;
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	return j;
}

static void fail(struct job *j, int rc, const char *text)
{
	j->rc = err_set(&j->err, rc, "%s", text);
	loop_post(j->all->loop, end_job, j);
}

void tokens_add(struct tokens *ts, const struct camera_token *t, tokens_done *done, void *arg)
{
	struct job *j = new_job(ts, JOB_ADD, done, arg);

	if (ts->n >= REPO_MAX_TOKENS) {
		fail(j, -EPERM, "there are too many camera tokens: revoke some first");
		return;
	}
	j->t = *t;
	j->t.created_wall_ms = loop_wall_ms(ts->loop);
	j->t.last_used_wall_ms = 0;
	(void)id_new(j->t.id, j->t.created_wall_ms);
	TEXT_SET(j->secret, PREFIX);
	crypto_random_text(j->secret + sizeof(PREFIX) - 1, TOKEN_SIZE - sizeof(PREFIX));
	hash_of(j->t.secret_hash, j->secret);
	store_submit(ts->store, write_job, is_written, j);
}

void tokens_remove(struct tokens *ts, const char *id, tokens_done *done, void *arg)
{
	struct job *j = new_job(ts, JOB_REMOVE, done, arg);
	const struct token *t = find(ts, id);

	if (!t) {
		fail(j, -ENOENT, "there is no such token");
		return;
	}
	j->t = t->t;
	store_submit(ts->store, write_job, is_written, j);
}

/* ---- asking ---- */

bool token_looks_right(const char *text)
{
	return text_starts(text, PREFIX) && strlen(text) == TOKEN_SIZE - 1 &&
	       strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") ==
	               TOKEN_SIZE - 1;
}

static struct token *find_good(const struct tokens *ts, const char *text)
{
	char hash[USER_HASH_SIZE];

	if (!token_looks_right(text))
		return NULL;
	hash_of(hash, text);
	for (size_t i = 0; i < ts->n; i++) {
		if (crypto_equal(ts->all[i].t.secret_hash, hash, USER_HASH_SIZE))
			return is_over(ts, &ts->all[i].t) ? NULL : &ts->all[i];
	}
	return NULL;
}

static bool was_used_from(const struct token *t, const char *place)
{
	for (size_t i = 0; i < MAX_PLACES; i++) {
		if (strcmp(t->places[i], place) == 0)
			return true;
	}
	return false;
}

static void note_used(struct tokens *ts, struct token *t, const char *place)
{
	int64_t now_ms = loop_wall_ms(ts->loop);
	struct job *j;

	if (!was_used_from(t, place)) {
		memmove(t->places[1], t->places[0], sizeof(t->places) - sizeof(t->places[0]));
		TEXT_SET(t->places[0], place);
	}
	if (now_ms - t->t.last_used_wall_ms < USED_EVERY_MS)
		return;
	t->t.last_used_wall_ms = now_ms;
	j = new_job(ts, JOB_USED, NULL, NULL);
	j->t = t->t;
	store_submit(ts->store, write_job, is_written, j);
}

int tokens_check(struct tokens *ts, const char *text, const char *address, struct who *ret,
                 int64_t *ret_wait_s)
{
	int64_t now_us = loop_now_us(ts->loop), wait_s;
	struct token *t = find_good(ts, text);
	char place[64];

	limit_address_key(place, address);
	wait_s = limit_wait_s(&ts->wrong, place, now_us);
	if (wait_s > 0 && !(t && was_used_from(t, place))) {
		*ret_wait_s = wait_s;
		return -EAGAIN;
	}
	if (!t) {
		limit_count(&ts->wrong, place, now_us);
		return -EACCES;
	}
	note_used(ts, t, place);
	TEXT_SET(ret->camera, t->t.camera);
	TEXT_SET(ret->camera_token, t->t.id);
	return 0;
}

bool tokens_is_still(const struct tokens *ts, const char *id)
{
	const struct token *t = find(ts, id);

	return t && !is_over(ts, &t->t);
}

const struct camera_token *tokens_all(const struct tokens *ts, size_t *ret_n)
{
	struct tokens *mine = (struct tokens *)(uintptr_t)ts; /* a list made for the asker */

	mine->listed = mem_grow(mine->listed, ts->n + 1, sizeof(*mine->listed));
	for (size_t i = 0; i < ts->n; i++)
		mine->listed[i] = ts->all[i].t;
	*ret_n = ts->n;
	return ts->listed;
}

/* ---- life ---- */

struct first_load {
	struct camera_token *list;
	size_t n;
};

static int load(struct db *db, void *arg, struct err *err)
{
	struct first_load *f = arg;

	return repo_token_list(db, &f->list, &f->n, err);
}

int tokens_new(struct loop *l, struct store *s, struct tokens **ret, struct err *err)
{
	struct first_load f = { 0 };
	int rc = store_call(s, load, &f, err);
	struct tokens *ts;

	if (rc < 0)
		return err_wrap(err, rc, "reading the camera tokens");
	ts = MEM_NEW(struct tokens);
	ts->refs = 1;
	ts->loop = l;
	ts->store = s;
	log_init(&ts->log, "tokens");
	for (size_t i = 0; i < f.n; i++)
		keep(ts, &f.list[i]);
	free(f.list);
	*ret = ts;
	return 0;
}

void tokens_free(struct tokens *ts)
{
	if (ts)
		unref(ts);
}
