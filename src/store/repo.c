/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/repo.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

unsigned repo_limit(const struct repo_page *page)
{
	return page->limit == 0 || page->limit > REPO_MAX_PAGE ? REPO_MAX_PAGE : page->limit;
}

static const char *word(const char *s)
{
	return s && s[0] != '\0' ? s : NULL;
}

const char *repo_before(const struct repo_page *page)
{
	return word(page->before);
}

const char *repo_printer(const struct repo_page *page)
{
	return word(page->printer);
}

int repo_read_all(struct db *db, const struct repo_query *q, void **ret, size_t *ret_n,
                  struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	size_t n = 0, cap = 0;
	char *all = NULL;
	int rc = db_query(db, q->sql, q->args, &r, err);

	while (rc >= 0 && (rc = db_next(&r, err)) > 0) {
		if (n == cap) {
			cap = cap ? 2 * cap : 16;
			all = mem_grow(all, cap, q->size);
		}
		q->read(&r, all + n++ * q->size);
	}
	if (rc < 0) {
		free(all);
		return rc;
	}
	*ret = all;
	*ret_n = n;
	return 0;
}

int repo_read_one(struct db *db, const struct repo_query *q, void *ret, const char *what,
                  struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, q->sql, q->args, &r, err);

	if (rc >= 0)
		rc = db_next(&r, err);
	if (rc < 0)
		return rc;
	if (rc == 0)
		return err_set(err, -ENOENT, "there is no %s of this id", what);
	q->read(&r, ret);
	return 0;
}
