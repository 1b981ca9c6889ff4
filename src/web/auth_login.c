/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "core/work.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MAX_WAITING 32 /* passwords to be checked */

static void hash_password(void *arg)
{
	struct auth_job *j = arg;

	switch (j->kind) {
	case JOB_LOGIN:
		j->is_good = crypto_password_verify(j->hash, secret_peek(&j->password));
		return;
	case JOB_PASSWORD:
		j->is_good = crypto_password_verify(j->hash, secret_peek(&j->old));
		if (!j->is_good)
			return;
		break;
	case JOB_SETUP:
	case JOB_USER_ADD:
	case JOB_USER_CHANGE:
	case JOB_LOGOUT:
	case JOB_USER_REMOVE:
	case JOB_KEY_ADD:
	case JOB_KEY_REMOVE:
	case JOB_AUDIT:
	case JOB_SEEN:
	case JOB_USED:
		break;
	}
	crypto_password_hash(j->user.password_hash, secret_peek(&j->password));
}

static void start_login(struct auth_job *j)
{
	int64_t now_ms = loop_wall_ms(j->auth->loop);
	int64_t lasts_ms = j->login.is_remembered ? AUTH_REMEMBER_MS : AUTH_LOGIN_MS;

	auth_new_secret(j->token, j->login.token_hash);
	crypto_random_text(j->login.csrf, USER_CSRF_SIZE - 1);
	TEXT_SET(j->login.user_id, j->user.id);
	j->login.created_wall_ms = now_ms;
	j->login.expires_wall_ms = now_ms + lasts_ms;
}

static void is_hashed(void *arg)
{
	struct auth_job *j = arg;
	struct auth *a = j->auth;
	bool is_tried = j->kind == JOB_LOGIN || j->kind == JOB_PASSWORD;

	a->n_hashing--;
	if (is_tried && j->is_good) {
		limit_forgive(&a->by_address, j->address_key, j->tried_us);
		if (j->is_capped)
			limit_cap_forgive(&a->by_account, j->account_key);
	}
	if (is_tried && !j->is_good) {
		j->rc = err_set(&j->err, -EACCES,
		                j->kind == JOB_LOGIN
		                        ? "the name or the password is wrong, or the account has "
		                          "ended"
		                        : "the old password is wrong");
		auth_job_end(j);
		return;
	}
	if (j->kind == JOB_LOGIN || j->kind == JOB_SETUP) {
		auth_know(a, j->user.id, j->login.address);
		start_login(j);
	}
	auth_job_submit(j);
}

void auth_job_hash(struct auth_job *j)
{
	struct auth *a = j->auth;

	if (!a->hasher || a->n_hashing >= MAX_WAITING) {
		j->wait_s = 5;
		auth_job_fail(j, -EAGAIN,
		              "too many passwords are being checked: try again in a moment");
		return;
	}
	a->n_hashing++;
	work_submit(a->hasher, hash_password, is_hashed, j);
}

/* Names that nobody has share a few places, so that a stranger who makes up names cannot push the
 * counts of real accounts out. */
static void account_key(char dst[64], const struct user *u, const char *name)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_sha256(digest, name, strlen(name));
	if (u)
		snprintf(dst, 64, "user %s", u->id);
	else
		snprintf(dst, 64, "nobody %u", digest[0]);
}

static bool is_known(const struct auth *a, const char *user, const char *address_key)
{
	for (size_t i = 0; i < a->n_known; i++) {
		if (strcmp(a->known[i].user, user) == 0 &&
		    strcmp(a->known[i].address, address_key) == 0)
			return true;
	}
	return false;
}

void auth_know(struct auth *a, const char *user, const char *address)
{
	struct auth_known k = { 0 };

	TEXT_SET(k.user, user);
	limit_address_key(k.address, address);
	if (!user[0] || !address[0] || is_known(a, k.user, k.address))
		return;
	if (a->n_known < AUTH_MAX_KNOWN)
		a->known = mem_grow(a->known, a->n_known + 1, sizeof(k));
	else
		memmove(a->known, a->known + 1, --a->n_known * sizeof(k));
	a->known[a->n_known++] = k;
}

/*
 * False, and the job has failed, when there were too many tries: few from one address, whatever the
 * account; and many on one account from all addresses together, those left out from which its user
 * has signed in before: else a stranger could lock them out.
 */
static bool count_try(struct auth_job *j, const struct user *u, const char *name,
                      const char *address)
{
	struct auth *a = j->auth;

	j->tried_us = loop_now_us(a->loop);
	account_key(j->account_key, u, name);
	limit_address_key(j->address_key, address);
	j->is_capped = j->kind == JOB_LOGIN && !(u && is_known(a, u->id, j->address_key));
	j->wait_s = limit_wait_s(&a->by_address, j->address_key, j->tried_us);
	if (j->is_capped)
		j->wait_s = MAX(j->wait_s,
		                limit_cap_wait_s(&a->by_account, j->account_key, j->tried_us));
	if (j->wait_s > 0) {
		auth_job_fail(j, -EAGAIN, "too many tries: wait a while, then try again");
		return false;
	}
	limit_count(&a->by_address, j->address_key, j->tried_us);
	if (j->is_capped)
		limit_cap_count(&a->by_account, j->account_key, j->tried_us);
	return true;
}

static void set_try(struct auth_job *j, const struct auth_try *t)
{
	secret_set(&j->password, t->password);
	TEXT_SET(j->login.address, t->address);
	TEXT_SET(j->login.agent, t->agent);
	text_clean(j->login.agent);
	j->login.is_remembered = t->is_remembered;
}

void auth_login(struct auth *a, const struct auth_try *t, auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_LOGIN, done, arg);
	const struct user *u = auth_user_by_name(a, t->name);

	if (!count_try(j, u, t->name, t->address))
		return;
	if (strlen(t->password) > USER_MAX_PASSWORD ||
	    (u && auth_is_expired(u, loop_wall_ms(a->loop))))
		u = NULL;
	set_try(j, t);
	if (strlen(t->password) > USER_MAX_PASSWORD)
		secret_set(&j->password, "");
	TEXT_SET(j->hash, u ? u->password_hash : a->decoy);
	if (u)
		j->user = *u;
	auth_job_hash(j);
}

void auth_setup(struct auth *a, const struct auth_try *t, auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_SETUP, done, arg);

	set_try(j, t);
	(void)id_new(j->user.id, loop_wall_ms(a->loop));
	TEXT_SET(j->user.name, t->name);
	j->user.role = ROLE_ADMIN;
	j->user.is_root = true;
	j->user.created_wall_ms = loop_wall_ms(a->loop);
	auth_job_hash(j);
}

void auth_logout(struct auth *a, const char *token_hash, const char *user_id, auth_done *done,
                 void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_LOGOUT, done, arg);

	TEXT_SET(j->login.token_hash, token_hash);
	j->is_everywhere = user_id;
	TEXT_SET(j->user.id, user_id);
	auth_job_submit(j);
}

void auth_change_password(struct auth *a, const struct who *w, const char *old, const char *new_one,
                          auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_PASSWORD, done, arg);
	const struct user *u = auth_user_by_id(a, w->user.id);
	char place[64];

	if (!u) {
		auth_job_fail(j, -ENOENT, "this account has no password of its own");
		return;
	}
	/* Counted for this user only: nobody may use up the tries of others. */
	snprintf(place, sizeof(place), "own password of %s", u->id);
	if (!count_try(j, u, u->name, place))
		return;
	j->user = *u;
	j->ends_logins = true;
	TEXT_SET(j->login.token_hash, w->token_hash);
	TEXT_SET(j->hash, u->password_hash);
	j->has_password = true;
	secret_set(&j->old, old);
	secret_set(&j->password, new_one);
	auth_job_hash(j);
}
