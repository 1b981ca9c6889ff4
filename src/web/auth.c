/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth_private.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/work.h"
#include "store/repo_user.h"
#include "store/store.h"
#include "web/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEEN_EVERY_MS 60000

/* ---- who ---- */

static void note_seen(struct auth *a, struct user *u)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (now_ms - u->last_seen_wall_ms < SEEN_EVERY_MS)
		return;
	u->last_seen_wall_ms = now_ms;

	struct auth_job *j = auth_job_new(a, JOB_SEEN, NULL, NULL);

	j->user = *u;
	auth_job_submit(j);
}

static void note_used(struct auth *a, struct api_key *k)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (now_ms - k->last_used_wall_ms < SEEN_EVERY_MS)
		return;
	k->last_used_wall_ms = now_ms;

	struct auth_job *j = auth_job_new(a, JOB_USED, NULL, NULL);

	j->key = *k;
	auth_job_submit(j);
}

bool auth_who_by_token(struct auth *a, const char *token, struct who *ret)
{
	char hash[USER_HASH_SIZE];
	int64_t now_ms = loop_wall_ms(a->loop);

	auth_hash_of(hash, token);

	const struct login *l = auth_login_by_hash(a, hash);

	if (!l || l->expires_wall_ms <= now_ms)
		return false;

	struct user *u = auth_user_by_id(a, l->user_id);

	if (!u || auth_is_expired(u, now_ms))
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
	return scopes & (KEY_READ | KEY_COLLECT) ? ROLE_VIEWER : ROLE_OPEN;
}

/* "sk_<id>_<secret>" */
static struct api_key *find_key(const struct auth *a, const char *text)
{
	char id[ID_SIZE], hash[USER_HASH_SIZE];

	if (!text_starts(text, "sk_") || strlen(text) != 3 + ID_SIZE + AUTH_SECRET_CHARS ||
	    text[3 + ID_SIZE - 1] != '_')
		return NULL;
	text_copy_n(id, sizeof(id), text + 3, ID_SIZE - 1);
	auth_hash_of(hash, text + 3 + ID_SIZE);
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

	struct user *u = auth_user_by_id(a, k->user_id);

	if (!u || auth_is_expired(u, now_ms))
		return false;
	note_used(a, k);
	*ret = (struct who){ .role = MIN(u->role, scopes_role(k->scopes)),
		             .user = *u,
		             .is_key = true,
		             .may_collect = u->role == ROLE_ADMIN && (k->scopes & KEY_COLLECT),
		             .may_measure = k->scopes & KEY_MEASURE };
	/* What keeps a key's WebSocket alive is the key. */
	TEXT_SET(ret->token_hash, k->id);
	return true;
}

bool auth_is_still(struct auth *a, const struct who *w)
{
	int64_t now_ms = loop_wall_ms(a->loop);

	if (w->is_demo)
		return true;

	const struct user *u = auth_user_by_id(a, w->user.id);

	if (!u || auth_is_expired(u, now_ms))
		return false;
	if (w->is_key) {
		for (size_t i = 0; i < a->now.n_keys; i++) {
			const struct api_key *k = &a->now.keys[i];

			if (strcmp(k->id, w->token_hash) == 0)
				return !k->expires_wall_ms || k->expires_wall_ms > now_ms;
		}
		return false;
	}

	const struct login *l = auth_login_by_hash(a, w->token_hash);

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
	return accounts_load(db, &r->fresh, r->now_ms, err);
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
			const struct user *known = auth_user_by_id(a, u->id);

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
	struct audit_entry *signed_in;
	size_t n_signed_in;
	int64_t now_ms;
};

static int load_first(struct db *db, void *arg, struct err *err)
{
	struct first_load *f = arg;
	const struct audit_query q = { .limit = AUTH_MAX_KNOWN, .action = "login" };
	int rc = accounts_load(db, &f->accounts, f->now_ms, err);

	return rc < 0 ? rc : repo_audit_list(db, &q, &f->signed_in, &f->n_signed_in, err);
}

/* Oldest first: the newest stay longest. */
static void know_again(struct auth *a, const struct first_load *f)
{
	for (size_t i = f->n_signed_in; i > 0; i--) {
		const struct audit_entry *e = &f->signed_in[i - 1];
		const struct user *u = auth_user_by_name(a, e->user);

		if (u && text_starts(e->text, "signed in"))
			auth_know(a, u->id, e->address);
	}
	for (size_t i = 0; i < a->now.n_logins; i++)
		auth_know(a, a->now.logins[i].user_id, a->now.logins[i].address);
}

int auth_new(struct loop *l, struct store *s, struct auth **ret, struct err *err)
{
	struct first_load f = { .now_ms = loop_wall_ms(l) };
	int rc = store_call(s, load_first, &f, err);

	if (rc < 0) {
		accounts_fini(&f.accounts);
		free(f.signed_in);
		return err_wrap(err, rc, "reading the accounts");
	}

	struct auth *a = MEM_NEW(struct auth);

	a->refs = 1;
	a->loop = l;
	a->store = s;
	a->now = f.accounts;
	know_again(a, &f);
	free(f.signed_in);
	log_init(&a->log, "accounts");
	/* A hash nobody knows a password of, with the parameters of the real ones. */
	TEXT_SET(a->decoy, "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$"
	                   "RdescudvJCsgt3ub+b4dWRWJTmaaJObGbXJYKbzcQW8");
	a->hasher = work_pool_new(l, "passwords", 1);
	timer_init(&a->reload, l, reload_now, a);
	timer_start_every(&a->reload, AUTH_RELOAD_MS);
	if (auth_needs_setup(a)) {
		crypto_random_text(a->setup_token, AUTH_SECRET_CHARS);
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
