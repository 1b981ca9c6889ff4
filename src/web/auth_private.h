/* SPDX-License-Identifier: GPL-3.0-or-later */
/* auth: what its files share: accounts.c the lists, auth_job.c what is written, auth_login.c passwords and
 * tries, auth_user.c users and keys, auth.c who asks and life. Thread: loop. */

#pragma once

#include "base/err.h"
#include "base/secret.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/loop.h"
#include "web/auth.h"
#include "web/limit.h"

struct db;
struct work_pool;

#define AUTH_MAX_KNOWN 512

#define AUTH_SECRET_CHARS 43

struct accounts {
	struct user *users;
	struct login *logins;
	struct api_key *keys;
	size_t n_users, n_logins, n_keys;
	int64_t version;
};

/* An address from which somebody has signed in. */
struct auth_known {
	char user[ID_SIZE], address[64];
};

struct auth {
	unsigned refs; /* ours and one for each job under way */
	struct loop *loop;
	struct store *store;
	struct work_pool *hasher; /* NULL once ending */
	unsigned n_hashing;
	struct accounts now;
	struct limit by_address;
	struct limit_cap by_account; /* from addresses that never signed in to it */
	struct auth_known *known;    /* those that did */
	size_t n_known;
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

struct auth_job {
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
	bool is_capped;
	char hash[CRYPTO_PASSWORD_SIZE]; /* to be compared with `old` or `password` */
	int rc;
	int64_t wait_s;
	struct err err;
};

/* ---- accounts.c ---- */

void accounts_fini(struct accounts *c);
int accounts_load(struct db *db, struct accounts *ret, int64_t now_ms, struct err *err) MUST_CHECK;
struct user *auth_user_by_id(const struct auth *a, const char *id);
struct user *auth_user_by_name(const struct auth *a, const char *name);
struct login *auth_login_by_hash(const struct auth *a, const char *hash);
bool auth_is_expired(const struct user *u, int64_t now_ms);
/* `except`: the hash of a login that stays; NULL none. */
void accounts_drop_logins(struct auth *a, const char *user_id, const char *except);
void accounts_drop_login(struct auth *a, const char *token_hash);
void accounts_drop_key(struct auth *a, const char *id);
void accounts_drop_user(struct auth *a, const char *id);
void accounts_keep_user(struct auth *a, const struct user *u);
/* As many as the store keeps: the oldest goes, and those that have ended. */
void accounts_keep_login(struct auth *a, const struct login *l);

/* ---- auth_job.c ---- */

void auth_unref(struct auth *a);
struct auth_job *auth_job_new(struct auth *a, enum job_kind kind, auth_done *done, void *arg);
void auth_job_end(void *arg);
/* Answers later, as all do. */
void auth_job_fail(struct auth_job *j, int rc, const char *text);
/* Writes it, then memory follows, then it ends. */
void auth_job_submit(struct auth_job *j);
void auth_new_secret(char token[AUTH_TOKEN_SIZE], char hash[USER_HASH_SIZE]);
void auth_hash_of(char hash[USER_HASH_SIZE], const char *token);

/* ---- auth_login.c ---- */

/* Checks or makes the password's hash, then submits. */
void auth_job_hash(struct auth_job *j);
/* Somebody has signed in to `user` from there before: their tries are not capped with the others'. */
void auth_know(struct auth *a, const char *user, const char *address);
