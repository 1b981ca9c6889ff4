/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo_token.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/db.h"

#include <errno.h>
#include <stdlib.h>

#define COLUMNS "id, camera, name, secret_hash, made_by, created_ms, expires_ms, last_used_ms"

int repo_token_add(struct db *db, const struct camera_token *t, struct err *err)
{
	return db_run(db,
	              "INSERT INTO camera_tokens (" COLUMNS ")"
	              " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	              DB_ARGS(db_text(t->id), db_text(t->camera), db_text(t->name),
	                      db_text(t->secret_hash), db_text(t->made_by),
	                      db_int(t->created_wall_ms), db_int(t->expires_wall_ms),
	                      db_int(t->last_used_wall_ms)),
	              err);
}

int repo_token_remove(struct db *db, const char *id, struct err *err)
{
	int rc = db_run(db, "DELETE FROM camera_tokens WHERE id = $1", DB_ARGS(db_text(id)), err);

	if (rc == 0 && db_changed(db) == 0)
		return err_set(err, -ENOENT, "there is no such token any more");
	return rc;
}

int repo_token_used(struct db *db, const char *id, int64_t wall_ms, struct err *err)
{
	return db_run(db, "UPDATE camera_tokens SET last_used_ms = $2 WHERE id = $1",
	              DB_ARGS(db_text(id), db_int(wall_ms)), err);
}

static void read_token(struct db_rows *r, struct camera_token *t)
{
	*t = (struct camera_token){ 0 };
	DB_GET_TEXT(r, 0, t->id);
	DB_GET_TEXT(r, 1, t->camera);
	DB_GET_TEXT(r, 2, t->name);
	DB_GET_TEXT(r, 3, t->secret_hash);
	DB_GET_TEXT(r, 4, t->made_by);
	t->created_wall_ms = db_get_int(r, 5);
	t->expires_wall_ms = db_get_int(r, 6);
	t->last_used_wall_ms = db_get_int(r, 7);
}

int repo_token_list(struct db *db, struct camera_token **ret, size_t *ret_n, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	struct camera_token *list = NULL;
	size_t n = 0;
	int rc = db_query(db, "SELECT " COLUMNS " FROM camera_tokens ORDER BY id LIMIT $1",
	                  DB_ARGS(db_int(REPO_MAX_TOKENS)), &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
		list = mem_grow(list, n + 1, sizeof(*list));
		read_token(&r, &list[n++]);
	}
	if (rc < 0) {
		free(list);
		return rc;
	}
	*ret = list;
	*ret_n = n;
	return 0;
}
