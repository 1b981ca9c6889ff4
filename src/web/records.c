/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/records.h"

#include "base/err.h"
#include "base/mem.h"
#include "store/store.h"
#include "web/web.h"

struct records_job {
	records_make *make;
	json_t *answer;
};

static int run(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct records_job *j = c->data;

	return j->make(db, c, &j->answer, err);
}

static void done(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	struct records_job *j = c->data;

	if (rc < 0) {
		json_decref(j->answer);
		call_refuse_err(c, rc, err);
	} else {
		call_json(c, 200, j->answer);
	}
}

void records_answer(struct call *c, records_make *make)
{
	struct records_job *j = MEM_NEW(struct records_job);

	j->make = make;
	c->data = j;
	store_submit(c->web->env.store, run, done, c);
}

void records_read_page(const struct call *c, struct records_page *ret)
{
	*ret = (struct records_page){ .limit = (unsigned)call_query_int(c, "limit", 100) };
	(void)call_query(c, "printer", ret->printer, sizeof(ret->printer));
	(void)call_query(c, "before", ret->before, sizeof(ret->before));
}
