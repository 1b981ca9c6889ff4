/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tokens: keys for other programs that want to see one camera and nothing else.
 *
 * A token is "ct" and 32 random characters (190 bits), given out once; only its SHA-256 is kept.
 * Wrong ones are counted by address (web/limit); an address that has used up its tries must wait,
 * with a right token that was never used from there, too: so guessing teaches nothing.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/user.h"

struct err;
struct loop;
struct store;
struct tokens;
struct who;

#define TOKEN_SIZE 35 /* with the NUL */

int tokens_new(struct loop *l, struct store *s, struct tokens **ret, struct err *err) MUST_CHECK;
void tokens_free(struct tokens *ts);

/* It has the form of a token. */
bool token_looks_right(const char *text);

/*
 * Whose camera it opens: fills camera and camera_token of `ret`. -EACCES: wrong, ended or revoked;
 * -EAGAIN with *ret_wait_s: too many wrong ones came from `address`.
 */
int tokens_check(struct tokens *ts, const char *text, const char *address, struct who *ret,
                 int64_t *ret_wait_s) MUST_CHECK;

/* It is still good (for somebody who has been watching for long). */
bool tokens_is_still(const struct tokens *ts, const char *id);

const struct camera_token *tokens_all(const struct tokens *ts, size_t *ret_n);

/* Calls done(arg, rc, err, token) once, later; `secret` is for tokens_add() only. */
typedef void tokens_done(void *arg, int rc, const struct err *err, const struct camera_token *t,
                         const char *secret);

/* `t`: camera, name, made_by, expires_wall_ms. */
void tokens_add(struct tokens *ts, const struct camera_token *t, tokens_done *done, void *arg);
void tokens_remove(struct tokens *ts, const char *id, tokens_done *done, void *arg);
