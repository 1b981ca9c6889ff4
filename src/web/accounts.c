/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "store/repo_user.h"

#include <stdlib.h>
#include <string.h>

void accounts_fini(struct accounts *c)
{
	free(c->users);
	free(c->logins);
	free(c->keys);
	*c = (struct accounts){ 0 };
}

struct user *auth_user_by_id(const struct auth *a, const char *id)
{
	for (size_t i = 0; i < a->now.n_users; i++) {
		if (strcmp(a->now.users[i].id, id) == 0)
			return &a->now.users[i];
	}
	return NULL;
}

struct user *auth_user_by_name(const struct auth *a, const char *name)
{
	for (size_t i = 0; i < a->now.n_users; i++) {
		if (text_equal_nocase(a->now.users[i].name, name))
			return &a->now.users[i];
	}
	return NULL;
}

void accounts_drop_logins(struct auth *a, const char *user_id, const char *except)
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

void accounts_drop_login(struct auth *a, const char *token_hash)
{
	for (size_t i = 0; i < a->now.n_logins; i++) {
		if (strcmp(a->now.logins[i].token_hash, token_hash) == 0) {
			a->now.logins[i] = a->now.logins[--a->now.n_logins];
			return;
		}
	}
}

void accounts_drop_key(struct auth *a, const char *id)
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

void accounts_drop_user(struct auth *a, const char *id)
{
	accounts_drop_logins(a, id, NULL);
	for (size_t i = a->now.n_keys; i > 0; i--) {
		if (strcmp(a->now.keys[i - 1].user_id, id) == 0)
			accounts_drop_key(a, a->now.keys[i - 1].id);
	}

	struct user *u = auth_user_by_id(a, id);

	if (!u)
		return;

	size_t at = (size_t)(u - a->now.users);

	memmove(u, u + 1, (a->now.n_users - at - 1) * sizeof(*u));
	a->now.n_users--;
}

void accounts_keep_user(struct auth *a, const struct user *u)
{
	a->now.users = mem_grow(a->now.users, a->now.n_users + 1, sizeof(*u));
	a->now.users[a->now.n_users++] = *u;
}

void accounts_keep_login(struct auth *a, const struct login *l)
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

int accounts_load(struct db *db, struct accounts *ret, int64_t now_ms, struct err *err)
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

struct login *auth_login_by_hash(const struct auth *a, const char *hash)
{
	for (size_t i = 0; i < a->now.n_logins; i++) {
		if (strcmp(a->now.logins[i].token_hash, hash) == 0)
			return &a->now.logins[i];
	}
	return NULL;
}

bool auth_is_expired(const struct user *u, int64_t now_ms)
{
	return u->expires_wall_ms != 0 && u->expires_wall_ms <= now_ms;
}
