/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_user: accounts, logins, API keys and the audit log in the database.
 *
 * The daemon keeps all but the audit in memory (web/auth) and writes through; `bedside user` writes
 * from another process, which repo_data_version() notices.
 *
 * Thread: the store's (inside a request), or a command's own connection.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"

struct db;
struct err;

#define REPO_MAX_USERS 1000
#define REPO_MAX_LOGINS 5000
#define REPO_MAX_KEYS 1000
#define REPO_AUDIT_KEPT 10000

/* -EEXIST with a sentence when the name is taken. */
int repo_user_add(struct db *db, const struct user *u, struct err *err) MUST_CHECK;
/* Everything but id, name, is_root, created and last seen. -ENOENT if it is gone. */
int repo_user_save(struct db *db, const struct user *u, struct err *err) MUST_CHECK;
int repo_user_seen(struct db *db, const char *id, int64_t wall_ms, struct err *err) MUST_CHECK;
/* Its logins and keys go too. */
int repo_user_remove(struct db *db, const char *id, struct err *err) MUST_CHECK;
/* 1 found, 0 not. */
int repo_user_find(struct db *db, const char *name, struct user *ret, struct err *err) MUST_CHECK;
/* All, in order of creation; free(*ret). */
int repo_user_list(struct db *db, struct user **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Those that have ended when this one began go, and the oldest beyond REPO_MAX_LOGINS. */
int repo_login_add(struct db *db, const struct login *l, struct err *err) MUST_CHECK;
int repo_login_remove(struct db *db, const char *token_hash, struct err *err) MUST_CHECK;
/* All of one user, but the one `except` (may be NULL). */
int repo_login_remove_user(struct db *db, const char *user_id, const char *except,
                           struct err *err) MUST_CHECK;
/* Those not expired; the others are deleted. */
int repo_login_list(struct db *db, int64_t now_wall_ms, struct login **ret, size_t *ret_n,
                    struct err *err) MUST_CHECK;

int repo_key_add(struct db *db, const struct api_key *k, struct err *err) MUST_CHECK;
int repo_key_remove(struct db *db, const char *id, struct err *err) MUST_CHECK;
int repo_key_used(struct db *db, const char *id, int64_t wall_ms, struct err *err) MUST_CHECK;
int repo_key_list(struct db *db, struct api_key **ret, size_t *ret_n, struct err *err) MUST_CHECK;

/* Now and then deletes all but the newest REPO_AUDIT_KEPT. */
int repo_audit_add(struct db *db, const struct audit_entry *e, struct err *err) MUST_CHECK;

struct audit_query {
	int64_t before_id; /* 0: from the newest */
	unsigned limit;
	char user[USER_NAME_SIZE], action[32]; /* "" any */
};
int repo_audit_list(struct db *db, const struct audit_query *q, struct audit_entry **ret,
                    size_t *ret_n, struct err *err) MUST_CHECK;

/* A number that changes when another connection has written. */
int repo_data_version(struct db *db, int64_t *ret, struct err *err) MUST_CHECK;
