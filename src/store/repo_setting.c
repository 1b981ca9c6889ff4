/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "base/err.h"

#include <errno.h>

int repo_setting_get(struct db *db, const char *key, char *dst, size_t size, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "SELECT value FROM settings WHERE key = $1", DB_ARGS(db_text(key)),
	                  &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(err, -ENOENT, "'%s' was never set", key);
	db_get_text(&r, 0, dst, size);
	return 0;
}

int repo_setting_set(struct db *db, const char *key, const char *value, struct err *err)
{
	return db_run(db,
	              "INSERT INTO settings (key, value) VALUES ($1, $2) "
	              "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
	              DB_ARGS(db_text(key), db_text(value)), err);
}
