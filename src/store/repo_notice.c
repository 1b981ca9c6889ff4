/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "model/json.h"
#include "store/repo_outbox.h"

#define COLUMNS "id, at_ms, level, topic, subject, text"

int repo_notice_save(struct db *db, const struct event_notice *n, struct err *err)
{
	int rc = db_run(db,
	                "INSERT INTO notices (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6) "
	                "ON CONFLICT (id) DO NOTHING",
	                DB_ARGS(db_text(n->id), db_int(n->wall_ms), db_int(n->level),
	                        db_text(n->topic), db_text(n->subject), db_text(n->text)),
	                err);

	if (rc < 0 || db_changed(db) == 0)
		return rc;
	return repo_outbox_put(db, "notice", n->id, n->wall_ms, json_notice(n), err);
}

static void read_notice(struct db_rows *r, void *element)
{
	struct event_notice *n = element;

	*n = (struct event_notice){ .wall_ms = db_get_int(r, 1) };
	DB_GET_TEXT(r, 0, n->id);
	n->level = (enum notice_level)db_get_int(r, 2);
	DB_GET_TEXT(r, 3, n->topic);
	DB_GET_TEXT(r, 4, n->subject);
	DB_GET_TEXT(r, 5, n->text);
}

int repo_notice_list(struct db *db, const struct repo_page *page, struct event_notice **ret,
                     size_t *ret_n, struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM notices WHERE ($1 IS NULL OR subject = $1) "
		       "AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
		.args = DB_ARGS(db_text(repo_printer(page)), db_text(repo_before(page)),
		                db_int(repo_limit(page))),
		.read = read_notice,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}

int repo_notice_prune(struct db *db, unsigned n_keep, struct err *err)
{
	return db_run(db,
	              "DELETE FROM notices WHERE id NOT IN "
	              "(SELECT id FROM notices ORDER BY id DESC LIMIT $1)",
	              DB_ARGS(db_int(n_keep)), err);
}
