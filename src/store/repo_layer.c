/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "model/json.h"
#include "store/repo_outbox.h"

#include <stdio.h>

#define COLUMNS                                                                  \
	"job, number, printer, layers, z_mm, at_us, at_ms, confidence, reason, " \
	"is_catching_up"

int repo_layer_save(struct db *db, const struct layer *l, struct err *err)
{
	char ref[REPO_NEWS_REF_SIZE];
	int rc = db_run(
		db,
		"INSERT INTO layers (job, number, printer, layers, z_mm, at_us, at_ms, "
		"confidence, reason, is_catching_up) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
		"$9, $10) ON CONFLICT (job, number) DO UPDATE SET printer = excluded.printer, "
		"layers = excluded.layers, z_mm = excluded.z_mm, at_us = excluded.at_us, "
		"at_ms = excluded.at_ms, confidence = excluded.confidence, reason = "
		"excluded.reason, is_catching_up = excluded.is_catching_up",
		DB_ARGS(db_text(l->job), db_int(l->number), db_text(l->printer), db_int(l->layers),
	                db_real(l->z_mm), db_int(l->at_us), db_int(l->at_wall_ms),
	                db_real(l->confidence), db_text(l->reason), db_int(l->is_catching_up)),
		err);

	if (rc < 0)
		return rc;
	(void)snprintf(ref, sizeof(ref), "%s/%d", l->job, l->number);
	return repo_outbox_put(db, "layer", ref, l->at_wall_ms, json_layer(l), err);
}

static void read_layer(struct db_rows *r, void *element)
{
	struct layer *l = element;

	*l = (struct layer){ .number = (int)db_get_int(r, 1) };
	DB_GET_TEXT(r, 0, l->job);
	DB_GET_TEXT(r, 2, l->printer);
	l->layers = (int)db_get_int(r, 3);
	l->z_mm = db_get_real(r, 4);
	l->at_us = db_get_int(r, 5);
	l->at_wall_ms = db_get_int(r, 6);
	l->confidence = db_get_real(r, 7);
	DB_GET_TEXT(r, 8, l->reason);
	l->is_catching_up = db_get_int(r, 9) != 0;
}

int repo_layer_list(struct db *db, const char *job, int from, struct layer **ret, size_t *ret_n,
                    struct err *err)
{
	struct repo_query q = {
		.sql = "SELECT " COLUMNS " FROM layers WHERE job = $1 AND number >= $2 "
		       "ORDER BY number LIMIT $3",
		.args = DB_ARGS(db_text(job), db_int(from), db_int(REPO_MAX_LAYERS)),
		.read = read_layer,
		.size = sizeof(**ret),
	};

	return repo_read_all(db, &q, (void **)ret, ret_n, err);
}
