/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "store/repo_user.h"
#include "store/store.h"
#include "web/limit.h"
#include "web/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_EVERY_MS 60000
#define MAX_WAITING 32 /* passwords to be checked */
#define SECRET_CHARS 43

struct accounts {
	struct user *users;
	struct login *logins;
	struct api_key *keys;
	size_t n_users, n_logins, n_keys;
	int64_t version;
};

struct auth {
	unsigned refs; /* ours and one for each job under way */
	struct loop *loop;
	struct store *store;
	struct work_pool *hasher; /* NULL once ending */
	unsigned n_hashing;
	struct accounts now;
	struct limit by_address, by_account;
	struct timer reload;
	bool is_reloading;
	char setup_token[AUTH_TOKEN_SIZE];
	int64_t setup_until_us;
	struct log log;
	char decoy[CRYPTO_PASSWORD_SIZE]; /* checked for names that nobody has: the same time */
};

enum job_kind {
	JOB_LOGIN,
	JOB_SETUP,
	JOB_LOGOUT,
	JOB_PASSWORD,
	JOB_USER_ADD,
	JOB_USER_CHANGE,
	JOB_USER_REMOVE,
	JOB_KEY_ADD,
	JOB_KEY_REMOVE,
	JOB_AUDIT,
	JOB_SEEN,
	JOB_USED,
};

struct job {
	struct auth *auth;
	enum job_kind kind;
	auth_done *done;
	void *arg;
	struct secret password, old;
	bool has_password, is_good, ends_logins, is_everywhere;
	struct user user;
	struct login login;
	struct api_key key;
	struct audit_entry entry;
	char token[128];
	char account_key[64], address_key[64];
	int64_t tried_us;
	char hash[CRYPTO_PASSWORD_SIZE]; /* to be compared with `old` or `password` */
	int rc;
	int64_t wait_s;
	struct err err;
};

/* ---- accounts in memory ---- */

static void accounts_fini(struct accounts *c)
{
	free(c->users);
	free(c->logins);
	free(c->keys);
	*c = (struct accounts){ 0 };
}

static struct user *user_by_id(const struct auth *a, const char *id)
{
	for (size_t i = 0; i < a->now.n_users; i++) {
		if (strcmp(a->now.users[i].id, id) == 0)
			return &a->now.users[i];
	}
	return NULL;
}

static struct user *user_by_name(const struct auth *a, const char *name)
{
	for (size_t i = 0; i < a->now.n_users; i++) {
		if (text_equal_nocase(a->now.users[i].name, name))
			return &a->now.users[i];
	}
	return NULL;
}

static void drop_logins(struct auth *a, const char *user_id, const char *except)
{
	size_t n = 0;

	for (size_t i = 0; i < a->now.n_logins; i++) {
		const struct login *l = &a->now.logins[i];

		if (strcmp(l->user_id, user_id) != 0 ||
		    (except && strcmp(l->token_hash, except) == 0))
			a->now.logins[n++] = *l;
	}
	a->now.n_logins = n;
}

static void drop_login(struct auth *a, const char *token_hash)
{
	for (size_t i = 0; i < a->now.n_logins; i++) {
		if (strcmp(a->now.logins[i].token_hash, token_hash) == 0) {
			a->now.logins[i] = a->now.logins[--a->now.n_logins];
			return;
		}
	}
}

static void drop_key(struct auth *a, const char *id)
{
	for (size_t i = 0; i < a->now.n_keys; i++) {
		if (strcmp(a->now.keys[i].id, id) == 0) {
			memmove(&a->now.keys[i], &a->now.keys[i + 1],
			        (a->now.n_keys - i - 1) * sizeof(a->now.keys[0]));
			a->now.n_keys--;
			return;
		}
	}
}

static void drop_user(struct auth *a, const char *id)
{
	drop_logins(a, id, NULL);
	for (size_t i = a->now.n_keys; i > 0; i--) {
		if (strcmp(a->now.keys[i - 1].user_id, id) == 0)
			drop_key(a, a->now.keys[i - 1].id);
	}

	struct user *u = user_by_id(a, id);

	if (!u)
		return;

	size_t at = (size_t)(u - a->now.users);

	memmove(u, u + 1, (a->now.n_users - at - 1) * sizeof(*u));
	a->now.n_users--;
}

static void keep_user(struct auth *a, const struct user *u)
{
	a->now.users = mem_grow(a->now.users, a->now.n_users + 1, sizeof(*u));
	a->now.users[a->now.n_users++] = *u;
}

/* As many as the store keeps: the oldest goes, and those that have ended. */
static void keep_login(struct auth *a, const struct login *l)
{
	size_t n = 0, oldest = 0;

	for (size_t i = 0; i < a->now.n_logins; i++) {
		if (a->now.logins[i].expires_wall_ms > l->created_wall_ms)
			a->now.logins[n++] = a->now.logins[i];
	}
	a->now.n_logins = n;
	for (size_t i = 1; i < n; i++) {
		if (a->now.logins[i].created_wall_ms < a->now.logins[oldest].created_wall_ms)
			oldest = i;
	}
	if (n >= REPO_MAX_LOGINS)
		a->now.logins[oldest] = a->now.logins[--a->now.n_logins];
	a->now.logins = mem_grow(a->now.logins, a->now.n_logins + 1, sizeof(*l));
	a->now.logins[a->now.n_logins++] = *l;
}

static int load_accounts(struct db *db, struct accounts *ret, int64_t now_ms, struct err *err)
{
	int rc = repo_data_version(db, &ret->version, err);

	if (rc == 0)
		rc = repo_user_list(db, &ret->users, &ret->n_users, err);
	if (rc == 0)
		rc = repo_login_list(db, now_ms, &ret->logins, &ret->n_logins, err);
	if (rc == 0)
		rc = repo_key_list(db, &ret->keys, &ret->n_keys, err);
	return rc;
}

/* ---- jobs ---- */

static void auth_unref(struct auth *a)
{
	if (--a->refs > 0)
		return;
	accounts_fini(&a->now);
	limit_fini(&a->by_address);
	limit_fini(&a->by_account);
	secret_wipe(a->setup_token, sizeof(a->setup_token));
	free(a);
}

static struct job *new_job(struct auth *a, enum job_kind kind, auth_done *done, void *arg)
{
	struct job *j = MEM_NEW(struct job);

	a->refs++;
	j->auth = a;
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	return j;
}

static void end_job(void *arg)
{
	struct job *j = arg;
	struct auth *a = j->auth;
	struct auth_result r = { .rc = j->rc,
		                 .err = &j->err,
		                 .wait_s = j->wait_s,
		                 .user = &j->user,
		                 .login = &j->login,
		                 .key = &j->key,
		                 .token = j->token };

	if (j->done)
		j->done(j->arg, &r);
	secret_fini(&j->password);
	secret_fini(&j->old);
	secret_wipe(j, sizeof(*j));
	free(j);
	auth_unref(a);
}

static void fail_job(struct job *j, int rc, const char *text)
{
	j->rc = err_set(&j->err, rc, "%s", text);
	loop_post(j->auth->loop, end_job, j);
}

/* The user as it is now: much may have happened while a password was hashed. Those who showed a
 * password must have shown the one of now. */
static int find_now(struct db *db, const struct job *j, struct user *now, struct err *err)
{
	int rc = repo_user_find(db, j->user.name, now, err);

	if (rc < 0)
		return rc;
	if (rc == 0 || strcmp(now->id, j->user.id) != 0)
		return err_set(err, -ENOENT, "there is no such user any more");
	if (j->hash[0] && strcmp(j->hash, now->password_hash) != 0)
		return err_set(err, -EACCES, "the password was changed meanwhile");
	return 0;
}

static int save_user(struct db *db, struct job *j, struct err *err)
{
	struct user now;
	int rc = find_now(db, j, &now, err);

	if (rc < 0)
		return rc;
	if (j->has_password)
		TEXT_SET(now.password_hash, j->user.password_hash);
	if (j->kind == JOB_USER_CHANGE) {
		now.role = j->user.role;
		now.expires_wall_ms = j->user.expires_wall_ms;
	}
	j->user = now;
	rc = repo_user_save(db, &j->user, err);
	if (rc == 0 && j->ends_logins)
		rc = repo_login_remove_user(db, j->user.id, j->login.token_hash, err);
	return rc;
}

/* On the store's thread, inside a transaction. */
static int write_job(struct db *db, void *arg, struct err *err)
{
	struct job *j = arg;
	size_t n = 0;
	struct user *users = NULL;
	int rc = 0;

	switch (j->kind) {
	case JOB_SETUP:
		rc = repo_user_list(db, &users, &n, err);
		free(users);
		if (rc == 0 && n > 0)
			return err_set(err, -EEXIST, "the administrator is set already: sign in");
		if (rc == 0)
			rc = repo_user_add(db, &j->user, err);
		return rc < 0 ? rc : repo_login_add(db, &j->login, err);
	case JOB_LOGIN:
		rc = find_now(db, j, &j->user, err);
		return rc < 0 ? rc : repo_login_add(db, &j->login, err);
	case JOB_LOGOUT:
		return j->is_everywhere ? repo_login_remove_user(db, j->user.id, NULL, err)
		                        : repo_login_remove(db, j->login.token_hash, err);
	case JOB_USER_ADD:
		return repo_user_add(db, &j->user, err);
	case JOB_PASSWORD:
	case JOB_USER_CHANGE:
		return save_user(db, j, err);
	case JOB_USER_REMOVE:
		return repo_user_remove(db, j->user.id, err);
	case JOB_KEY_ADD:
		return repo_key_add(db, &j->key, err);
	case JOB_KEY_REMOVE:
		return repo_key_remove(db, j->key.id, err);
	case JOB_AUDIT:
		return repo_audit_add(db, &j->entry, err);
	case JOB_SEEN:
		return repo_user_seen(db, j->user.id, j->user.last_seen_wall_ms, err);
	case JOB_USED:
		return repo_key_used(db, j->key.id, j->key.last_used_wall_ms, err);
	}
	return 0;
}

/* Memory follows what is committed. */
static void take_over(struct job *j)
{
	struct auth *a = j->auth;
	struct user *u;

	switch (j->kind) {
	case JOB_SETUP:
		keep_user(a, &j->user);
		keep_login(a, &j->login);
		secret_wipe(a->setup_token, sizeof(a->setup_token));
		break;
	case JOB_LOGIN:
		keep_login(a, &j->login);
		break;
	case JOB_LOGOUT:
		if (j->is_everywhere)
			drop_logins(a, j->user.id, NULL);
		else
			drop_login(a, j->login.token_hash);
		break;
	case JOB_USER_ADD:
		keep_user(a, &j->user);
		break;
	case JOB_PASSWORD:
	case JOB_USER_CHANGE:
		u = user_by_id(a, j->user.id);
		if (u) {
			j->user.last_seen_wall_ms = u->last_seen_wall_ms;
			*u = j->user;
		}
		if (j->ends_logins)
			drop_logins(a, j->user.id, j->login.token_hash);
		break;
	case JOB_USER_REMOVE:
		drop_user(a, j->user.id);
		break;
	case JOB_KEY_ADD:
		a->now.keys = mem_grow(a->now.keys, a->now.n_keys + 1, sizeof(j->key));
		a->now.keys[a->now.n_keys++] = j->key;
		break;
	case JOB_KEY_REMOVE:
		drop_key(a, j->key.id);
		break;
	case JOB_AUDIT:
	case JOB_SEEN:
	case JOB_USED:
		break;
	}
}

static void is_written(void *arg, int rc, const struct err *err)
{
	struct job *j = arg;

	if (rc == 0) {
		take_over(j);
	} else {
		j->rc = rc;
		j->err = *err;
		if (!j->done)
			log_warn(&j->auth->log, "%s", err->text);
	}
	end_job(j);
}

static void submit(struct job *j)
{
	store_submit(j->auth->store, write_job, is_written, j);
}

static void new_secret(char token[AUTH_TOKEN_SIZE], char hash[USER_HASH_SIZE])
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_random_text(token, SECRET_CHARS);
	crypto_sha256(digest, token, strlen(token));
	text_hex(hash, digest, sizeof(digest));
}

static void hash_of(char hash[USER_HASH_SIZE], const char *token)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_sha256(digest, token, strlen(token));
	text_hex(hash, digest, sizeof(digest));
}

/* ---- passwords ---- */

static void hash_password(void *arg)
{
	struct job *j = arg;

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

static void start_login(struct job *j)
{
	int64_t now_ms = loop_wall_ms(j->auth->loop);
	int64_t lasts_ms = j->login.is_remembered ? AUTH_REMEMBER_MS : AUTH_LOGIN_MS;

	new_secret(j->token, j->login.token_hash);
	crypto_random_text(j->login.csrf, USER_CSRF_SIZE - 1);
	TEXT_SET(j->login.user_id, j->user.id);
	j->login.created_wall_ms = now_ms;
	j->login.expires_wall_ms = now_ms + lasts_ms;
}

static bool is_expired(const struct user *u, int64_t now_ms)
{
	return u->expires_wall_ms != 0 && u->expires_wall_ms <= now_ms;
}

static void is_hashed(void *arg)
{
	struct job *j = arg;
	struct auth *a = j->auth;
	bool is_tried = j->kind == JOB_LOGIN || j->kind == JOB_PASSWORD;

	a->n_hashing--;
	if (is_tried && j->is_good) {
		limit_forgive(&a->by_address, j->address_key, j->tried_us);
		limit_forgive(&a->by_account, j->account_key, j->tried_us);
	}
	if (is_tried && !j->is_good) {
		j->rc = err_set(&j->err, -EACCES,
		                j->kind == JOB_LOGIN
		                        ? "the name or the password is wrong, or the account has "
		                          "ended"
		                        : "the old password is wrong");
		end_job(j);
		return;
	}
	if (j->kind == JOB_LOGIN || j->kind == JOB_SETUP)
		start_login(j);
	submit(j);
}

static void hash_in_background(struct job *j)
{
	struct auth *a = j->auth;

	if (!a->hasher || a->n_hashing >= MAX_WAITING) {
		j->wait_s = 5;
		fail_job(j, -EAGAIN, "too many passwords are being checked: try again in a moment");
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

/* False, and the job has failed, when there were too many tries. */
static bool count_try(struct job *j, const struct user *u, const char *name, const char *address)
{
	struct auth *a = j->auth;

	j->tried_us = loop_now_us(a->loop);
	account_key(j->account_key, u, name);
	limit_address_key(j->address_key, address);
	j->wait_s = MAX(limit_wait_s(&a->by_address, j->address_key, j->tried_us),
	                limit_wait_s(&a->by_account, j->account_key, j->tried_us));
	if (j->wait_s > 0) {
		fail_job(j, -EAGAIN, "too many tries: wait a while, then try again");
		return false;
	}
	limit_count(&a->by_address, j->address_key, j->tried_us);
	limit_count(&a->by_account, j->account_key, j->tried_us);
	return true;
}

static void set_try(struct job *j, const struct auth_try *t)
{
	secret_set(&j->password, t->password);
	TEXT_SET(j->login.address, t->address);
	TEXT_SET(j->login.agent, t->agent);
	text_clean(j->login.agent);
	j->login.is_remembered = t->is_remembered;
}

void auth_login(struct auth *a, const struct auth_try *t, auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_LOGIN, done, arg);
	const struct user *u = user_by_name(a, t->name);

	if (!count_try(j, u, t->name, t->address))
		return;
	if (strlen(t->password) > USER_MAX_PASSWORD || (u && is_expired(u, loop_wall_ms(a->loop))))
		u = NULL;
	set_try(j, t);
	if (strlen(t->password) > USER_MAX_PASSWORD)
		secret_set(&j->password, "");
	TEXT_SET(j->hash, u ? u->password_hash : a->decoy);
	if (u)
		j->user = *u;
	hash_in_background(j);
}

void auth_setup(struct auth *a, const struct auth_try *t, auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_SETUP, done, arg);

	set_try(j, t);
	(void)id_new(j->user.id, loop_wall_ms(a->loop));
	TEXT_SET(j->user.name, t->name);
	j->user.role = ROLE_ADMIN;
	j->user.is_root = true;
	j->user.created_wall_ms = loop_wall_ms(a->loop);
	hash_in_background(j);
}

void auth_logout(struct auth *a, const char *token_hash, const char *user_id, auth_done *done,
                 void *arg)
{
	struct job *j = new_job(a, JOB_LOGOUT, done, arg);

	TEXT_SET(j->login.token_hash, token_hash);
	j->is_everywhere = user_id;
	TEXT_SET(j->user.id, user_id);
	submit(j);
}

void auth_change_password(struct auth *a, const struct who *w, const char *old, const char *new_one,
                          auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_PASSWORD, done, arg);
	const struct user *u = user_by_id(a, w->user.id);
	char place[64];

	if (!u) {
		fail_job(j, -ENOENT, "this account has no password of its own");
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
	hash_in_background(j);
}

/* ---- users and keys ---- */

const struct user *auth_users(const struct auth *a, size_t *ret_n)
{
	*ret_n = a->now.n_users;
	return a->now.users;
}

void auth_user_add(struct auth *a, const struct user *u, const char *password, auth_done *done,
                   void *arg)
{
	struct job *j = new_job(a, JOB_USER_ADD, done, arg);

	j->user = *u;
	j->user.is_root = false;
	j->user.created_wall_ms = loop_wall_ms(a->loop);
	(void)id_new(j->user.id, j->user.created_wall_ms);
	if (a->now.n_users >= REPO_MAX_USERS) {
		fail_job(j, -EPERM, "there are too many users: remove some first");
		return;
	}
	secret_set(&j->password, password);
	hash_in_background(j);
}

void auth_user_change(struct auth *a, const struct user *u, const char *password, auth_done *done,
                      void *arg)
{
	struct job *j = new_job(a, JOB_USER_CHANGE, done, arg);
	const struct user *old = user_by_id(a, u->id);

	if (!old) {
		fail_job(j, -ENOENT, "there is no such user");
		return;
	}
	if (old->is_root) {
		fail_job(
			j, -EPERM,
			"the first administrator can only change their own password, nothing else");
		return;
	}
	j->user = *old;
	j->user.role = u->role;
	j->user.expires_wall_ms = u->expires_wall_ms;
	j->ends_logins = password || u->role != old->role;
	if (!password) {
		submit(j);
		return;
	}
	j->has_password = true;
	secret_set(&j->password, password);
	hash_in_background(j);
}

void auth_user_remove(struct auth *a, const char *id, auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_USER_REMOVE, done, arg);
	const struct user *u = user_by_id(a, id);

	if (!u) {
		fail_job(j, -ENOENT, "there is no such user");
		return;
	}
	j->user = *u;
	if (u->is_root)
		fail_job(j, -EPERM, "the first administrator cannot be removed");
	else
		submit(j);
}

const struct api_key *auth_keys(const struct auth *a, size_t *ret_n)
{
	*ret_n = a->now.n_keys;
	return a->now.keys;
}

void auth_key_add(struct auth *a, const struct api_key *k, auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_KEY_ADD, done, arg);
	char token[AUTH_TOKEN_SIZE];

	if (!user_by_id(a, k->user_id)) {
		fail_job(j, -EPERM, "keys belong to an account: sign in with one first");
		return;
	}
	if (a->now.n_keys >= REPO_MAX_KEYS) {
		fail_job(j, -EPERM, "there are too many keys: revoke some first");
		return;
	}
	j->key = *k;
	j->key.created_wall_ms = loop_wall_ms(a->loop);
	(void)id_new(j->key.id, j->key.created_wall_ms);
	new_secret(token, j->key.secret_hash);
	snprintf(j->token, sizeof(j->token), "sk_%s_%s", j->key.id, token);
	submit(j);
}

void auth_key_remove(struct auth *a, const char *id, auth_done *done, void *arg)
{
	struct job *j = new_job(a, JOB_KEY_REMOVE, done, arg);

	for (size_t i = 0; i < a->now.n_keys; i++) {
		if (strcmp(a->now.keys[i].id, id) == 0) {
			j->key = a->now.keys[i];
			submit(j);
			return;
		}
	}
	fail_job(j, -ENOENT, "there is no such key");
}

void auth_audit(struct auth *a, const struct audit_entry *e)
{
	struct job *j = new_job(a, JOB_AUDIT, NULL, NULL);

	j->entry = *e;
	j->entry.at_wall_ms = loop_wall_ms(a->loop);
	text_clean(j->entry.user);
	text_clean(j->entry.subject);
	text_clean(j->entry.text);
	submit(j);
}

/* ---- who ---- */

static void note_seen(struct auth *a, struct user *u)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (now_ms - u->last_seen_wall_ms < SEEN_EVERY_MS)
		return;
	u->last_seen_wall_ms = now_ms;

	struct job *j = new_job(a, JOB_SEEN, NULL, NULL);

	j->user = *u;
	submit(j);
}

static void note_used(struct auth *a, struct api_key *k)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (now_ms - k->last_used_wall_ms < SEEN_EVERY_MS)
		return;
	k->last_used_wall_ms = now_ms;

	struct job *j = new_job(a, JOB_USED, NULL, NULL);

	j->key = *k;
	submit(j);
}

static struct login *login_by_hash(const struct auth *a, const char *hash)
{
	for (size_t i = 0; i < a->now.n_logins; i++) {
		if (strcmp(a->now.logins[i].token_hash, hash) == 0)
			return &a->now.logins[i];
	}
	return NULL;
}

bool auth_who_by_token(struct auth *a, const char *token, struct who *ret)
{
	char hash[USER_HASH_SIZE];
	int64_t now_ms = loop_wall_ms(a->loop);

	hash_of(hash, token);

	const struct login *l = login_by_hash(a, hash);

	if (!l || l->expires_wall_ms <= now_ms)
		return false;

	struct user *u = user_by_id(a, l->user_id);

	if (!u || is_expired(u, now_ms))
		return false;
	note_seen(a, u);
	*ret = (struct who){ .role = u->role, .user = *u };
	TEXT_SET(ret->csrf, l->csrf);
	TEXT_SET(ret->token_hash, hash);
	return true;
}

static enum user_role scopes_role(unsigned scopes)
{
	if (scopes & KEY_ADMIN)
		return ROLE_ADMIN;
	if (scopes & KEY_OPERATE)
		return ROLE_OPERATOR;
	return scopes & KEY_READ ? ROLE_VIEWER : ROLE_OPEN;
}

/* "sk_<id>_<secret>" */
static struct api_key *find_key(const struct auth *a, const char *text)
{
	char id[ID_SIZE], hash[USER_HASH_SIZE];

	if (!text_starts(text, "sk_") || strlen(text) != 3 + ID_SIZE + SECRET_CHARS ||
	    text[3 + ID_SIZE - 1] != '_')
		return NULL;
	text_copy_n(id, sizeof(id), text + 3, ID_SIZE - 1);
	hash_of(hash, text + 3 + ID_SIZE);
	for (size_t i = 0; i < a->now.n_keys; i++) {
		struct api_key *k = &a->now.keys[i];

		if (strcmp(k->id, id) == 0)
			return crypto_equal(k->secret_hash, hash, USER_HASH_SIZE) ? k : NULL;
	}
	return NULL;
}

bool auth_who_by_key(struct auth *a, const char *key, struct who *ret)
{
	int64_t now_ms = loop_wall_ms(a->loop);
	struct api_key *k = find_key(a, key);

	if (!k || (k->expires_wall_ms && k->expires_wall_ms <= now_ms))
		return false;

	struct user *u = user_by_id(a, k->user_id);

	if (!u || is_expired(u, now_ms))
		return false;
	note_used(a, k);
	*ret = (struct who){ .role = MIN(u->role, scopes_role(k->scopes)),
		             .user = *u,
		             .is_key = true };
	/* What keeps a key's WebSocket alive is the key. */
	TEXT_SET(ret->token_hash, k->id);
	return true;
}

bool auth_is_still(struct auth *a, const struct who *w)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (w->is_demo)
		return true;

	const struct user *u = user_by_id(a, w->user.id);

	if (!u || is_expired(u, now_ms))
		return false;
	if (w->is_key) {
		for (size_t i = 0; i < a->now.n_keys; i++) {
			const struct api_key *k = &a->now.keys[i];

			if (strcmp(k->id, w->token_hash) == 0)
				return !k->expires_wall_ms || k->expires_wall_ms > now_ms;
		}
		return false;
	}

	const struct login *l = login_by_hash(a, w->token_hash);

	return l && l->expires_wall_ms > now_ms;
}

/* ---- the first start ---- */

bool auth_needs_setup(const struct auth *a)
{
	return a->now.n_users == 0;
}

const char *auth_setup_token(const struct auth *a)
{
	if (!auth_needs_setup(a) || loop_now_us(a->loop) >= a->setup_until_us)
		return "";
	return a->setup_token;
}

bool auth_is_setup_token(const struct auth *a, const char *token)
{
	const char *right = auth_setup_token(a);

	return *right && strlen(token) == strlen(right) &&
	       crypto_equal(token, right, strlen(right));
}

/* ---- what others write ---- */

struct reload {
	struct auth *auth;
	struct accounts fresh;
	int64_t known, now_ms;
	bool is_changed;
};

static int read_again(struct db *db, void *arg, struct err *err)
{
	struct reload *r = arg;
	int64_t version = r->known;
	int rc = repo_data_version(db, &version, err);

	if (rc < 0 || version == r->known)
		return rc;
	r->is_changed = true;
	return load_accounts(db, &r->fresh, r->now_ms, err);
}

static void have_read_again(void *arg, int rc, const struct err *err)
{
	struct reload *r = arg;
	struct auth *a = r->auth;

	a->is_reloading = false;
	if (rc < 0) {
		log_warn(&a->log, "reading accounts again: %s", err->text);
	} else if (r->is_changed) {
		for (size_t i = 0; i < r->fresh.n_users; i++) {
			struct user *u = &r->fresh.users[i];
			const struct user *known = user_by_id(a, u->id);

			if (known)
				u->last_seen_wall_ms =
					MAX(u->last_seen_wall_ms, known->last_seen_wall_ms);
		}

		struct accounts old = a->now;

		a->now = r->fresh;
		r->fresh = old;
	}
	accounts_fini(&r->fresh);
	free(r);
	auth_unref(a);
}

static void reload_now(void *arg)
{
	struct auth *a = arg;

	if (a->is_reloading)
		return;

	struct reload *r = MEM_NEW(struct reload);

	a->is_reloading = true;
	a->refs++;
	r->auth = a;
	r->known = a->now.version;
	r->now_ms = loop_wall_ms(a->loop);
	store_submit(a->store, read_again, have_read_again, r);
}

/* ---- life ---- */

struct first_load {
	struct accounts accounts;
	int64_t now_ms;
};

static int load_first(struct db *db, void *arg, struct err *err)
{
	struct first_load *f = arg;

	return load_accounts(db, &f->accounts, f->now_ms, err);
}

int auth_new(struct loop *l, struct store *s, struct auth **ret, struct err *err)
{
	struct first_load f = { .now_ms = loop_wall_ms(l) };
	int rc = store_call(s, load_first, &f, err);

	if (rc < 0) {
		accounts_fini(&f.accounts);
		return err_wrap(err, rc, "reading the accounts");
	}

	struct auth *a = MEM_NEW(struct auth);

	a->refs = 1;
	a->loop = l;
	a->store = s;
	a->now = f.accounts;
	log_init(&a->log, "accounts");
	/* A hash nobody knows a password of, with the parameters of the real ones. */
	TEXT_SET(a->decoy, "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
	                   "RdescudvJCsgt3ub+b4dWRWJTmaaJObGbXJYKbzcQW8");
	a->hasher = work_pool_new(l, "passwords", 1);
	timer_init(&a->reload, l, reload_now, a);
	timer_start_every(&a->reload, AUTH_RELOAD_MS);
	if (auth_needs_setup(a)) {
		crypto_random_text(a->setup_token, SECRET_CHARS);
		a->setup_until_us = loop_now_us(l) + WEB_SETUP_MS * 1000;
	}
	*ret = a;
	return 0;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	timer_stop(&a->reload);
	work_pool_free(STEAL_PTR(a->hasher));
	auth_unref(a);
}
