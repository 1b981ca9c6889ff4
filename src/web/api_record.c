/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Jobs, layers and notices, as they rest in the store. */

#include "web/handlers.h"
#include "web/records.h"

#include "model/json.h"
#include "store/repo.h"

#include <stdlib.h>

#define MAX_LAYERS 2000

static struct repo_page page_of(const struct records_page *p)
{
	return (struct repo_page){ p->printer, p->before, p->limit };
}

static int jobs(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct records_page p;
	struct job *list = NULL;
	size_t n = 0;

	records_read_page(c, &p);

	struct repo_page page = page_of(&p);
	int rc = repo_job_list(db, &page, &list, &n, err);
	json_t *a = json_array();

	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_job(&list[i]));
	free(list);
	*ret = json_pack("{s:o}", "jobs", a);
	return rc;
}

void api_jobs(struct call *c)
{
	records_answer(c, jobs);
}

static int notices(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct repo_page page = { .limit = (unsigned)call_query_int(c, "limit", 100) };
	struct event_notice *list = NULL;
	size_t n = 0;
	int rc = repo_notice_list(db, &page, &list, &n, err);
	json_t *a = json_array();

	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_notice(&list[i]));
	free(list);
	*ret = json_pack("{s:o}", "notices", a);
	return rc;
}

void api_notices(struct call *c)
{
	records_answer(c, notices);
}

/* Of the newest job; the newest layers when there are more than can be sent. */
static int layers(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct repo_page page = { .printer = c->params[0], .limit = 1 };
	struct job *job = NULL;
	struct layer *list = NULL;
	size_t n_jobs = 0, n = 0;
	int rc = repo_job_list(db, &page, &job, &n_jobs, err);
	json_t *a = json_array();

	if (rc >= 0 && n_jobs > 0) {
		int from = job->layer > MAX_LAYERS ? job->layer - MAX_LAYERS + 1 : 0;

		rc = repo_layer_list(db, job->id, from, &list, &n, err);
	}
	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_layer(&list[i]));
	free(job);
	free(list);
	*ret = json_pack("{s:o}", "layers", a);
	return rc;
}

void api_printer_layers(struct call *c)
{
	records_answer(c, layers);
}
