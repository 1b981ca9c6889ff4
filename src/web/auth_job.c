/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/repo_user.h"
#include "store/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void auth_unref(struct auth *a)
{
	if (--a->refs > 0)
		return;
	accounts_fini(&a->now);
	limit_fini(&a->by_address);
	limit_cap_fini(&a->by_account);
	free(a->known);
	secret_wipe(a->setup_token, sizeof(a->setup_token));
	free(a);
}

struct auth_job *auth_job_new(struct auth *a, enum job_kind kind, auth_done *done, void *arg)
{
	struct auth_job *j = MEM_NEW(struct auth_job);

	a->refs++;
	j->auth = a;
	j->kind = kind;
	j->done = done;
	j->arg = arg;
	return j;
}

void auth_job_end(void *arg)
{
	struct auth_job *j = arg;
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

void auth_job_fail(struct auth_job *j, int rc, const char *text)
{
	j->rc = err_set(&j->err, rc, "%s", text);
	loop_post(j->auth->loop, auth_job_end, j);
}

/* The user as it is now: much may have happened while a password was hashed. Those who showed a
 * password must have shown the one of now. */
static int find_now(struct db *db, const struct auth_job *j, struct user *now, struct err *err)
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

static int save_user(struct db *db, struct auth_job *j, struct err *err)
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
	struct auth_job *j = arg;
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
static void take_over(struct auth_job *j)
{
	struct auth *a = j->auth;
	struct user *u;

	switch (j->kind) {
	case JOB_SETUP:
		accounts_keep_user(a, &j->user);
		accounts_keep_login(a, &j->login);
		secret_wipe(a->setup_token, sizeof(a->setup_token));
		break;
	case JOB_LOGIN:
		accounts_keep_login(a, &j->login);
		break;
	case JOB_LOGOUT:
		if (j->is_everywhere)
			accounts_drop_logins(a, j->user.id, NULL);
		else
			accounts_drop_login(a, j->login.token_hash);
		break;
	case JOB_USER_ADD:
		accounts_keep_user(a, &j->user);
		break;
	case JOB_PASSWORD:
	case JOB_USER_CHANGE:
		u = auth_user_by_id(a, j->user.id);
		if (u) {
			j->user.last_seen_wall_ms = u->last_seen_wall_ms;
			*u = j->user;
		}
		if (j->ends_logins)
			accounts_drop_logins(a, j->user.id, j->login.token_hash);
		break;
	case JOB_USER_REMOVE:
		accounts_drop_user(a, j->user.id);
		break;
	case JOB_KEY_ADD:
		a->now.keys = mem_grow(a->now.keys, a->now.n_keys + 1, sizeof(j->key));
		a->now.keys[a->now.n_keys++] = j->key;
		break;
	case JOB_KEY_REMOVE:
		accounts_drop_key(a, j->key.id);
		break;
	case JOB_AUDIT:
	case JOB_SEEN:
	case JOB_USED:
		break;
	}
}

static void is_written(void *arg, int rc, const struct err *err)
{
	struct auth_job *j = arg;

	if (rc == 0) {
		take_over(j);
	} else {
		j->rc = rc;
		j->err = *err;
		if (!j->done)
			log_warn(&j->auth->log, "%s", err->text);
	}
	auth_job_end(j);
}

void auth_job_submit(struct auth_job *j)
{
	store_submit(j->auth->store, write_job, is_written, j);
}

void auth_new_secret(char token[AUTH_TOKEN_SIZE], char hash[USER_HASH_SIZE])
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_random_text(token, AUTH_SECRET_CHARS);
	crypto_sha256(digest, token, strlen(token));
	text_hex(hash, digest, sizeof(digest));
}

void auth_hash_of(char hash[USER_HASH_SIZE], const char *token)
{
	uint8_t digest[CRYPTO_SHA256_SIZE];

	crypto_sha256(digest, token, strlen(token));
	text_hex(hash, digest, sizeof(digest));
}
