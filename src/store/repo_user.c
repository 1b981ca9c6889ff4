/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_user.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/db.h"

#include <errno.h>
#include <stdlib.h>

#define USER_COLUMNS "id, name, password_hash, role, is_root, created_ms, expires_ms, last_seen_ms"

int repo_user_add(struct db *db, const struct user *u, struct err *err)
{
	int rc = db_run(db,
	                "INSERT INTO users (" USER_COLUMNS ")"
	                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	                DB_ARGS(db_text(u->id), db_text(u->name), db_text(u->password_hash),
	                        db_text(user_role_name(u->role)), db_int(u->is_root),
	                        db_int(u->created_wall_ms), db_int(u->expires_wall_ms),
	                        db_int(u->last_seen_wall_ms)),
	                err);

	if (rc == -EEXIST)
		return err_set(err, rc, "there is a user '%s' already: choose another name",
		               u->name);
	return rc;
}

int repo_user_save(struct db *db, const struct user *u, struct err *err)
{
	int rc = db_run(db,
	                "UPDATE users SET password_hash = $2, role = $3, expires_ms = $4"
	                " WHERE id = $1",
	                DB_ARGS(db_text(u->id), db_text(u->password_hash),
	                        db_text(user_role_name(u->role)), db_int(u->expires_wall_ms)),
	                err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no such user any more");
	return rc;
}

int repo_user_seen(struct db *db, const char *id, int64_t wall_ms, struct err *err)
{
	return db_run(db, "UPDATE users SET last_seen_ms = $2 WHERE id = $1",
	              DB_ARGS(db_text(id), db_int(wall_ms)), err);
}

int repo_user_remove(struct db *db, const char *id, struct err *err)
{
	int rc = db_run(db, "DELETE FROM logins WHERE user_id = $1", DB_ARGS(db_text(id)), err);

	if (rc == 0)
		rc = db_run(db, "DELETE FROM api_keys WHERE user_id = $1", DB_ARGS(db_text(id)),
		            err);
	if (rc == 0)
		rc = db_run(db, "DELETE FROM users WHERE id = $1", DB_ARGS(db_text(id)), err);
	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no such user any more");
	return rc;
}

static void read_user(struct db_rows *r, struct user *u)
{
	char role[16];

	*u = (struct user){ 0 };
	DB_GET_TEXT(r, 0, u->id);
	DB_GET_TEXT(r, 1, u->name);
	DB_GET_TEXT(r, 2, u->password_hash);
	DB_GET_TEXT(r, 3, role);
	/* A role that this version does not know gives the least. */
	if (!user_role_from_name(role, &u->role))
		u->role = ROLE_VIEWER;
	u->is_root = db_get_int(r, 4) != 0;
	u->created_wall_ms = db_get_int(r, 5);
	u->expires_wall_ms = db_get_int(r, 6);
	u->last_seen_wall_ms = db_get_int(r, 7);
}

int repo_user_find(struct db *db, const char *name, struct user *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "SELECT " USER_COLUMNS " FROM users WHERE name = $1",
	                  DB_ARGS(db_text(name)), &r, err);

	if (rc >= 0)
		rc = db_next(&r, err);
	if (rc > 0)
		read_user(&r, ret);
	return rc;
}

int repo_user_list(struct db *db, struct user **ret, size_t *ret_n, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct user *list = mem_new_array(REPO_MAX_USERS, sizeof(*list));
	size_t n = 0;
	int rc = db_query(db, "SELECT " USER_COLUMNS " FROM users ORDER BY id LIMIT $1",
	                  DB_ARGS(db_int(REPO_MAX_USERS)), &r, err);

	while (rc >= 0 && n < REPO_MAX_USERS && (rc = db_next(&r, err)) > 0)
		read_user(&r, &list[n++]);
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = mem_grow(list, n + 1, sizeof(*list));
	*ret_n = n;
	return 0;
}

/* ---- logins ---- */

int repo_login_add(struct db *db, const struct login *l, struct err *err)
{
	int rc = db_run(db,
	                "DELETE FROM logins WHERE expires_ms <= $1 OR token_hash NOT IN (SELECT"
	                " token_hash FROM logins ORDER BY created_ms DESC LIMIT $2)",
	                DB_ARGS(db_int(l->created_wall_ms), db_int(REPO_MAX_LOGINS - 1)), err);

	if (rc < 0)
		return rc;
	return db_run(db,
	              "INSERT INTO logins (token_hash, user_id, csrf, created_ms, expires_ms,"
	              " address, agent, is_remembered) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	              DB_ARGS(db_text(l->token_hash), db_text(l->user_id), db_text(l->csrf),
	                      db_int(l->created_wall_ms), db_int(l->expires_wall_ms),
	                      db_text(l->address), db_text(l->agent), db_int(l->is_remembered)),
	              err);
}

int repo_login_remove(struct db *db, const char *token_hash, struct err *err)
{
	return db_run(db, "DELETE FROM logins WHERE token_hash = $1", DB_ARGS(db_text(token_hash)),
	              err);
}

int repo_login_remove_user(struct db *db, const char *user_id, const char *except, struct err *err)
{
	return db_run(db, "DELETE FROM logins WHERE user_id = $1 AND token_hash <> $2",
	              DB_ARGS(db_text(user_id), db_text(except ? except : "")), err);
}

static void read_login(struct db_rows *r, struct login *l)
{
	*l = (struct login){ 0 };
	DB_GET_TEXT(r, 0, l->token_hash);
	DB_GET_TEXT(r, 1, l->user_id);
	DB_GET_TEXT(r, 2, l->csrf);
	l->created_wall_ms = db_get_int(r, 3);
	l->expires_wall_ms = db_get_int(r, 4);
	DB_GET_TEXT(r, 5, l->address);
	DB_GET_TEXT(r, 6, l->agent);
	l->is_remembered = db_get_int(r, 7) != 0;
}

int repo_login_list(struct db *db, int64_t now_wall_ms, struct login **ret, size_t *ret_n,
                    struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct login *list = NULL;
	size_t n = 0;
	int rc = db_run(db, "DELETE FROM logins WHERE expires_ms <= $1",
	                DB_ARGS(db_int(now_wall_ms)), err);

	if (rc == 0)
		rc = db_query(db,
		              "SELECT token_hash, user_id, csrf, created_ms, expires_ms, address,"
		              " agent, is_remembered FROM logins ORDER BY created_ms DESC LIMIT $1",
		              DB_ARGS(db_int(REPO_MAX_LOGINS)), &r, err);
	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
		list = mem_grow(list, n + 1, sizeof(*list));
		read_login(&r, &list[n++]);
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- keys ---- */

int repo_key_add(struct db *db, const struct api_key *k, struct err *err)
{
	char scopes[KEY_SCOPES_SIZE];

	key_scopes_text(scopes, k->scopes);
	return db_run(db,
	              "INSERT INTO api_keys (id, user_id, name, secret_hash, scopes, created_ms,"
	              " expires_ms, last_used_ms, revoked_ms)"
	              " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)",
	              DB_ARGS(db_text(k->id), db_text(k->user_id), db_text(k->name),
	                      db_text(k->secret_hash), db_text(scopes), db_int(k->created_wall_ms),
	                      db_int(k->expires_wall_ms), db_int(k->last_used_wall_ms)),
	              err);
}

int repo_key_remove(struct db *db, const char *id, struct err *err)
{
	return db_run(db, "DELETE FROM api_keys WHERE id = $1", DB_ARGS(db_text(id)), err);
}

int repo_key_used(struct db *db, const char *id, int64_t wall_ms, struct err *err)
{
	return db_run(db, "UPDATE api_keys SET last_used_ms = $2 WHERE id = $1",
	              DB_ARGS(db_text(id), db_int(wall_ms)), err);
}

static void read_key(struct db_rows *r, struct api_key *k)
{
	char scopes[KEY_SCOPES_SIZE];

	*k = (struct api_key){ 0 };
	DB_GET_TEXT(r, 0, k->id);
	DB_GET_TEXT(r, 1, k->user_id);
	DB_GET_TEXT(r, 2, k->name);
	DB_GET_TEXT(r, 3, k->secret_hash);
	DB_GET_TEXT(r, 4, scopes);
	(void)key_scopes_from_text(scopes, &k->scopes);
	k->created_wall_ms = db_get_int(r, 5);
	k->expires_wall_ms = db_get_int(r, 6);
	k->last_used_wall_ms = db_get_int(r, 7);
}

int repo_key_list(struct db *db, struct api_key **ret, size_t *ret_n, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct api_key *list = NULL;
	size_t n = 0;
	int rc = db_query(db,
	                  "SELECT id, user_id, name, secret_hash, scopes, created_ms, expires_ms,"
	                  " last_used_ms FROM api_keys WHERE revoked_ms = 0 ORDER BY id LIMIT $1",
	                  DB_ARGS(db_int(REPO_MAX_KEYS)), &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
		list = mem_grow(list, n + 1, sizeof(*list));
		read_key(&r, &list[n++]);
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- audit ---- */

int repo_audit_add(struct db *db, const struct audit_entry *e, struct err *err)
{
	int rc = db_run(db,
	                "INSERT INTO audit (at_ms, user_name, address, action, subject, text)"
	                " VALUES ($1, $2, $3, $4, $5, $6)",
	                DB_ARGS(db_int(e->at_wall_ms), db_text(e->user), db_text(e->address),
	                        db_text(e->action), db_text(e->subject), db_text(e->text)),
	                err);

	if (rc < 0)
		return rc;

	int64_t key = db_last_key(db);

	if (key % 100 != 0)
		return 0;
	return db_run(db, "DELETE FROM audit WHERE id <= $1",
	              DB_ARGS(db_int(key - REPO_AUDIT_KEPT)), err);
}

int repo_audit_list(struct db *db, const struct audit_query *q, struct audit_entry **ret,
                    size_t *ret_n, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct audit_entry *list = NULL;
	size_t n = 0;
	int rc = db_query(db,
	                  "SELECT id, at_ms, user_name, address, action, subject, text FROM audit"
	                  " WHERE ($1 = 0 OR id < $1) AND ($2 = '' OR user_name = $2)"
	                  " AND ($3 = '' OR action = $3) ORDER BY id DESC LIMIT $4",
	                  DB_ARGS(db_int(q->before_id), db_text(q->user), db_text(q->action),
	                          db_int(q->limit)),
	                  &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
		list = mem_grow(list, n + 1, sizeof(*list));

		struct audit_entry *e = &list[n++];

		*e = (struct audit_entry){ .id = db_get_int(&r, 0),
			                   .at_wall_ms = db_get_int(&r, 1) };
		DB_GET_TEXT(&r, 2, e->user);
		DB_GET_TEXT(&r, 3, e->address);
		DB_GET_TEXT(&r, 4, e->action);
		DB_GET_TEXT(&r, 5, e->subject);
		DB_GET_TEXT(&r, 6, e->text);
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

int repo_data_version(struct db *db, int64_t *ret, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "PRAGMA data_version", NULL, &r, err);

	if (rc >= 0)
		rc = db_next(&r, err);
	if (rc > 0)
		*ret = db_get_int(&r, 0);
	return rc < 0 ? rc : 0;
}
