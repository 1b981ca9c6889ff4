/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * repo_token: camera tokens in the database. The daemon keeps them in memory (web/tokens) and
 * writes through.
 *
 * Thread: the store's (inside a request), or a command's own connection.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"

struct db;
struct err;

#define REPO_MAX_TOKENS 500

int repo_token_add(struct db *db, const struct camera_token *t, struct err *err) MUST_CHECK;
int repo_token_remove(struct db *db, const char *id, struct err *err) MUST_CHECK;
int repo_token_used(struct db *db, const char *id, int64_t wall_ms, struct err *err) MUST_CHECK;
/* All, in order of creation; free(*ret). */
int repo_token_list(struct db *db, struct camera_token **ret, size_t *ret_n,
                    struct err *err) MUST_CHECK;
