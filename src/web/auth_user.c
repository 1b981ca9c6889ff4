/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/repo_user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const struct user *auth_users(const struct auth *a, size_t *ret_n)
{
	*ret_n = a->now.n_users;
	return a->now.users;
}

void auth_user_add(struct auth *a, const struct user *u, const char *password, auth_done *done,
                   void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_USER_ADD, done, arg);

	j->user = *u;
	j->user.is_root = false;
	j->user.created_wall_ms = loop_wall_ms(a->loop);
	(void)id_new(j->user.id, j->user.created_wall_ms);
	if (a->now.n_users >= REPO_MAX_USERS) {
		auth_job_fail(j, -EPERM, "there are too many users: remove some first");
		return;
	}
	secret_set(&j->password, password);
	auth_job_hash(j);
}

void auth_user_change(struct auth *a, const struct user *u, const char *password, auth_done *done,
                      void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_USER_CHANGE, done, arg);
	const struct user *old = auth_user_by_id(a, u->id);

	if (!old) {
		auth_job_fail(j, -ENOENT, "there is no such user");
		return;
	}
	if (old->is_root) {
		auth_job_fail(
			j, -EPERM,
			"the first administrator can only change their own password, nothing else");
		return;
	}
	j->user = *old;
	j->user.role = u->role;
	j->user.expires_wall_ms = u->expires_wall_ms;
	j->ends_logins = password || u->role != old->role;
	if (!password) {
		auth_job_submit(j);
		return;
	}
	j->has_password = true;
	secret_set(&j->password, password);
	auth_job_hash(j);
}

void auth_user_remove(struct auth *a, const char *id, auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_USER_REMOVE, done, arg);
	const struct user *u = auth_user_by_id(a, id);

	if (!u) {
		auth_job_fail(j, -ENOENT, "there is no such user");
		return;
	}
	j->user = *u;
	if (u->is_root)
		auth_job_fail(j, -EPERM, "the first administrator cannot be removed");
	else
		auth_job_submit(j);
}

const struct api_key *auth_keys(const struct auth *a, size_t *ret_n)
{
	*ret_n = a->now.n_keys;
	return a->now.keys;
}

void auth_key_add(struct auth *a, const struct api_key *k, auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_KEY_ADD, done, arg);
	char token[AUTH_TOKEN_SIZE];

	if (!auth_user_by_id(a, k->user_id)) {
		auth_job_fail(j, -EPERM, "keys belong to an account: sign in with one first");
		return;
	}
	if (a->now.n_keys >= REPO_MAX_KEYS) {
		auth_job_fail(j, -EPERM, "there are too many keys: revoke some first");
		return;
	}
	j->key = *k;
	j->key.created_wall_ms = loop_wall_ms(a->loop);
	(void)id_new(j->key.id, j->key.created_wall_ms);
	auth_new_secret(token, j->key.secret_hash);
	snprintf(j->token, sizeof(j->token), "sk_%s_%s", j->key.id, token);
	auth_job_submit(j);
}

void auth_key_remove(struct auth *a, const char *id, auth_done *done, void *arg)
{
	struct auth_job *j = auth_job_new(a, JOB_KEY_REMOVE, done, arg);

	for (size_t i = 0; i < a->now.n_keys; i++) {
		if (strcmp(a->now.keys[i].id, id) == 0) {
			j->key = a->now.keys[i];
			auth_job_submit(j);
			return;
		}
	}
	auth_job_fail(j, -ENOENT, "there is no such key");
}

void auth_audit(struct auth *a, const struct audit_entry *e)
{
	struct auth_job *j = auth_job_new(a, JOB_AUDIT, NULL, NULL);

	j->entry = *e;
	j->entry.at_wall_ms = loop_wall_ms(a->loop);
	text_clean(j->entry.user);
	text_clean(j->entry.subject);
	text_clean(j->entry.text);
	auth_job_submit(j);
}
