/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/auth.h"
#include "web/handlers.h"
#include "web/json_user.h"
#include "web/web.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/loop.h"
#include "store/repo_user.h"
#include "store/store.h"

#include <errno.h>
#include <string.h>

static void refuse(struct call *c, const struct auth_result *r)
{
	if (r->rc == -EAGAIN)
		call_too_many(c, r->wait_s, r->err->text);
	else
		call_refuse_err(c, r->rc, r->err);
}

/* ---- users ---- */

void api_users(struct call *c)
{
	json_t *list = json_array();
	size_t n;
	const struct user *users = auth_users(c->web->auth, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_user(&users[i]));
	call_json(c, 200, json_pack("{s:o}", "users", list));
}

/* Both forms of an end; absent leaves `*expires_ms` as it is. */
static void read_expiry(const struct call *c, int64_t *expires_ms)
{
	const json_t *at = json_object_get(c->body, "expires_at");
	int64_t minutes = call_int(c, "expires_in_min", 0);

	if (json_is_null(at))
		*expires_ms = 0;
	else if (at)
		(void)when_from_iso(json_string_value(at), expires_ms);
	if (minutes > 0)
		*expires_ms = loop_wall_ms(c->web->env.loop) + minutes * 60000;
}

static void user_added(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "user", r->user->name, "added as %s", user_role_name(r->user->role));
	call_json(c, 201, json_user(r->user));
}

void api_user_add(struct call *c)
{
	struct user u = { 0 };
	struct err err = { 0 };

	TEXT_SET(u.name, call_text(c, "name", ""));
	if (user_name_check(u.name, &err) < 0) {
		call_refuse_field(c, "name", "%s", err.text);
		return;
	}
	(void)user_role_from_name(call_text(c, "role", ""), &u.role);
	read_expiry(c, &u.expires_wall_ms);
	auth_user_add(c->web->auth, &u, call_text(c, "password", ""), user_added, c);
}

static void user_changed(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "user", r->user->name, "changed: %s%s", user_role_name(r->user->role),
	          call_text(c, "password", NULL) ? ", new password" : "");
	call_json(c, 200, json_user(r->user));
}

void api_user_change(struct call *c)
{
	struct user u = { 0 };
	size_t n;
	const struct user *users = auth_users(c->web->auth, &n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(users[i].id, c->params[0]) == 0)
			u = users[i];
	}
	TEXT_SET(u.id, c->params[0]);
	(void)user_role_from_name(call_text(c, "role", ""), &u.role);
	read_expiry(c, &u.expires_wall_ms);
	auth_user_change(c->web->auth, &u, call_text(c, "password", NULL), user_changed, c);
}

static void user_removed(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "user", r->user->name, "removed");
	call_done(c);
}

void api_user_remove(struct call *c)
{
	auth_user_remove(c->web->auth, c->params[0], user_removed, c);
}

/* ---- keys ---- */

void api_keys(struct call *c)
{
	json_t *list = json_array();
	size_t n;
	const struct api_key *keys = auth_keys(c->web->auth, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_key(&keys[i]));
	call_json(c, 200, json_pack("{s:o}", "keys", list));
}

static void key_added(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "key", r->key->name, "made");
	call_json(c, 201, json_pack("{s:o, s:s}", "key", json_key(r->key), "secret", r->token));
}

void api_key_add(struct call *c)
{
	struct api_key k = { 0 };
	const json_t *scopes = json_object_get(c->body, "scopes");

	TEXT_SET(k.name, call_text(c, "name", ""));
	TEXT_SET(k.user_id, c->who.user.id);
	for (size_t i = 0; i < json_array_size(scopes); i++) {
		unsigned scope = 0;

		(void)key_scopes_from_text(json_string_value(json_array_get(scopes, i)), &scope);
		k.scopes |= scope;
	}
	read_expiry(c, &k.expires_wall_ms);
	auth_key_add(c->web->auth, &k, key_added, c);
}

static void key_removed(void *arg, const struct auth_result *r)
{
	struct call *c = arg;

	if (r->rc < 0) {
		refuse(c, r);
		return;
	}
	web_audit(c, "key", r->key->name, "revoked");
	call_done(c);
}

void api_key_remove(struct call *c)
{
	auth_key_remove(c->web->auth, c->params[0], key_removed, c);
}

/* ---- audit ---- */

struct audit_job {
	struct audit_query query;
	struct audit_entry *entries;
	size_t n;
};

static int read_audit(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct audit_job *j = c->data;

	return repo_audit_list(db, &j->query, &j->entries, &j->n, err);
}

static void have_audit(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	struct audit_job *j = c->data;
	json_t *list = json_array();

	for (size_t i = 0; i < j->n; i++)
		json_array_append_new(list, json_audit_entry(&j->entries[i]));
	free(j->entries);
	if (rc < 0) {
		json_decref(list);
		call_refuse_err(c, rc, err);
		return;
	}
	call_json(c, 200, json_pack("{s:o}", "entries", list));
}

void api_audit(struct call *c)
{
	struct audit_job *j = MEM_NEW(struct audit_job);

	c->data = j;
	j->query.before_id = call_query_int(c, "before", 0);
	j->query.limit = (unsigned)call_query_int(c, "limit", 100);
	(void)call_query(c, "user", j->query.user, sizeof(j->query.user));
	(void)call_query(c, "action", j->query.action, sizeof(j->query.action));
	store_submit(c->web->env.store, read_audit, have_audit, c);
}
