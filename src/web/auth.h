/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * auth: accounts, passwords, logins, API keys, the first start, and the audit log.
 *
 * All of it but the audit is kept in memory and written through to the store; what another process
 * writes (`bedside user`) is noticed within AUTH_RELOAD_MS. Passwords are hashed on a thread of
 * their own, one after the other: each takes 64 MB while it runs. Tokens are random, and only their
 * SHA-256 is kept.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"
#include "web/call.h"

struct auth;
struct err;
struct loop;
struct store;

#define AUTH_RELOAD_MS 2000
#define AUTH_COOKIE "bedside_session"
#define AUTH_SETUP_COOKIE "bedside_setup"
#define AUTH_TOKEN_SIZE 44 /* 43 characters, 256 bits */
#define AUTH_REMEMBER_MS INT64_C(604800000)
#define AUTH_LOGIN_MS INT64_C(86400000) /* without "remember me" */

int auth_new(struct loop *l, struct store *s, struct auth **ret, struct err *err) MUST_CHECK;
/* Running jobs are finished; their `done` is still called. */
void auth_free(struct auth *a);

/* ---- the first start ---- */

bool auth_needs_setup(const struct auth *a);
/* The one-time token, "" when it is over. */
const char *auth_setup_token(const struct auth *a);
bool auth_is_setup_token(const struct auth *a, const char *token);

/* ---- who ---- */

/* False, and `ret` untouched, if it is none of ours, expired, or its user is. */
bool auth_who_by_token(struct auth *a, const char *token, struct who *ret);
bool auth_who_by_key(struct auth *a, const char *key, struct who *ret);
/* The same question for somebody who has been here for long (a WebSocket). */
bool auth_is_still(struct auth *a, const struct who *w);

/* ---- changes: each calls done(arg, result) once, later ---- */

struct auth_result {
	int rc;          /* 0, or -EACCES wrong, -EAGAIN too many, -EEXIST, -ENOENT, -EPERM … */
	struct err *err; /* the sentence */
	int64_t wait_s;  /* -EAGAIN */
	const struct user *user;
	const struct login *login;
	const struct api_key *key;
	const char *token; /* of a login or key, to be given out once */
};
typedef void auth_done(void *arg, const struct auth_result *r);

struct auth_try {
	const char *name, *password;
	const char *address, *agent;
	bool is_remembered;
};

void auth_login(struct auth *a, const struct auth_try *t, auth_done *done, void *arg);
/* Makes the first administrator and signs in. */
void auth_setup(struct auth *a, const struct auth_try *t, auth_done *done, void *arg);
/* `user_id`: all of that user's; else the one. */
void auth_logout(struct auth *a, const char *token_hash, const char *user_id, auth_done *done,
                 void *arg);
/* Other logins of the user end. */
void auth_change_password(struct auth *a, const struct who *w, const char *old, const char *new_one,
                          auth_done *done, void *arg);

const struct user *auth_users(const struct auth *a, size_t *ret_n);
/* `u`: name, role, expiry. */
void auth_user_add(struct auth *a, const struct user *u, const char *password, auth_done *done,
                   void *arg);
/* `u`: id, role, expiry as they are to be. `password` NULL: stays. Logins of the user end when the
 * role or password changes. */
void auth_user_change(struct auth *a, const struct user *u, const char *password, auth_done *done,
                      void *arg);
void auth_user_remove(struct auth *a, const char *id, auth_done *done, void *arg);

const struct api_key *auth_keys(const struct auth *a, size_t *ret_n);
/* `k`: user, name, scopes, expiry. */
void auth_key_add(struct auth *a, const struct api_key *k, auth_done *done, void *arg);
void auth_key_remove(struct auth *a, const char *id, auth_done *done, void *arg);

/* Written in the background; `e->at_wall_ms` is set here. */
void auth_audit(struct auth *a, const struct audit_entry *e);
