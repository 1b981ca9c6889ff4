/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Layer capture: plans, orders, and what was captured. */

#include "web/handlers.h"
#include "web/records.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/captures.h"
#include "capture/plan.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "model/json.h"
#include "store/repo_capture.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NULL: answered. */
static struct captures *captures_for(struct call *c)
{
	struct captures *cs = c->web->env.captures;

	if (!cs)
		call_refuse(c, 503, "Layers cannot be captured here.");
	else if (!captures_plan(cs, c->params[0]))
		call_refuse(c, 404, "There is no printer '%s'.", c->params[0]);
	else
		return cs;
	return NULL;
}

static void answer_plan(struct call *c, const struct captures *cs)
{
	call_json(c, 200,
	          json_pack("{s:o, s:o}", "plan",
	                    capture_plan_json(captures_plan(cs, c->params[0])), "status",
	                    captures_status(cs, c->params[0])));
}

void api_capture_plan(struct call *c)
{
	struct captures *cs = captures_for(c);

	if (cs)
		answer_plan(c, cs);
}

void api_capture_change(struct call *c)
{
	struct captures *cs = captures_for(c);
	struct capture_plan plan;
	struct err err = { 0 };
	int rc;

	if (!cs)
		return;
	plan = *captures_plan(cs, c->params[0]);
	rc = capture_plan_from_json(&plan, c->body, &err);
	if (rc == 0)
		rc = captures_set_plan(cs, c->params[0], &plan, &err);
	if (rc < 0) {
		call_refuse_err(c, rc, &err);
		return;
	}
	web_audit(c, "capture", c->params[0], "changed how layers are captured");
	answer_plan(c, cs);
}

void api_capture_preview(struct call *c)
{
	struct captures *cs = captures_for(c);
	struct capture_plan plan;
	int layer;
	struct err err = { 0 };
	int rc;

	if (!cs)
		return;
	layer = (int)call_int(c, "layer", -1);
	plan = *captures_plan(cs, c->params[0]);
	json_object_del(c->body, "layer");
	rc = capture_plan_from_json(&plan, c->body, &err);
	if (rc < 0)
		call_refuse_err(c, rc, &err);
	else
		call_json(c, 200, captures_preview(cs, c->params[0], &plan, layer));
}

void api_capture_order(struct call *c)
{
	struct captures *cs = captures_for(c);
	struct err err = { 0 };
	const char *order;
	int rc;

	if (!cs)
		return;
	order = call_text(c, "order", "");
	if (strcmp(order, "run") == 0)
		rc = captures_order(cs, c->params[0], CAPTURE_BY_ORDER, &err);
	else
		rc = captures_cancel(cs, c->params[0], &err);
	if (rc < 0) {
		call_refuse_err(c, rc, &err);
		return;
	}
	web_audit(c, "capture", c->params[0], "%s a layer capture",
	          strcmp(order, "run") == 0 ? "ordered" : "ended");
	call_json(c, 200, captures_status(cs, c->params[0]));
}

/* ---- records ---- */

static int list_captures(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct records_page p;
	char job[64] = "";
	struct capture *list = NULL;
	size_t n = 0;
	json_t *a = json_array();
	int rc;

	records_read_page(c, &p);
	(void)call_query(c, "job", job, sizeof(job));

	struct repo_capture_filter f = { .printer = p.printer,
		                         .job = job,
		                         .before = p.before,
		                         .layer = (int)call_query_int(c, "layer", -1),
		                         .limit = p.limit };

	rc = repo_capture_list(db, &f, &list, &n, err);
	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_capture(&list[i]));
	free(list);
	*ret = json_pack("{s:o}", "captures", a);
	return rc;
}

void api_captures(struct call *c)
{
	records_answer(c, list_captures);
}

static bool metadata_path(const struct call *c, const struct capture *cap, char *dst, size_t size)
{
	char below[300];

	(void)snprintf(below, sizeof(below), "%s/%s", cap->folder, cap->metadata);
	return cap->metadata[0] && fs_join_confined(dst, size, c->web->env.data_dir, below);
}

static int one_capture(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct capture cap;
	struct capture_picture *pics = NULL;
	char path[1400], digest[CRYPTO_HEX_SIZE];
	uint64_t bytes;
	json_t *a;
	size_t n = 0;
	int rc = repo_capture_get(db, c->params[0], &cap, err);

	if (rc >= 0)
		rc = repo_capture_pictures(db, cap.id, &pics, &n, err);
	if (rc < 0)
		return rc;
	a = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_capture_picture(&pics[i]));
	free(pics);
	*ret = json_capture(&cap);
	json_object_set_new(*ret, "pictures", a);
	if (metadata_path(c, &cap, path, sizeof(path)) &&
	    crypto_sha256_file(path, digest, &bytes, NULL) == 0) {
		json_object_set_new(*ret, "metadata_sha256", json_string(digest));
		json_object_set_new(*ret, "metadata_bytes", json_integer((json_int_t)bytes));
	}
	return 0;
}

void api_capture(struct call *c)
{
	records_answer(c, one_capture);
}

/* ---- deleting: a picture whose record is gone would never be found again, so it goes first ---- */

static void remove_file(const struct call *c, const struct capture *cap, const char *name)
{
	char below[300], path[1400];

	(void)snprintf(below, sizeof(below), "%s/%s", cap->folder, name);
	if (name[0] && fs_join_confined(path, sizeof(path), c->web->env.data_dir, below))
		(void)unlink(path);
}

static int remove_capture(struct db *db, const struct call *c, const struct capture *cap,
                          struct err *err)
{
	struct capture_picture *pics = NULL;
	size_t n = 0;
	int rc = repo_capture_pictures(db, cap->id, &pics, &n, err);

	for (size_t i = 0; rc >= 0 && i < n; i++) {
		remove_file(c, cap, pics[i].file);
		remove_file(c, cap, pics[i].thumbnail);
	}
	if (rc >= 0) {
		remove_file(c, cap, cap->metadata);
		rc = repo_capture_delete(db, cap->id, err);
	}
	free(pics);
	return rc;
}

static int remove_one(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct capture cap;
	int rc = repo_capture_get(db, c->params[0], &cap, err);

	if (rc >= 0 && cap.state == CAPTURE_RUNNING && cap.ended_wall_ms == 0 && cap.n_points > 0)
		return err_set(err, -EBUSY, "it is under way");
	if (rc >= 0)
		rc = remove_capture(db, c, &cap, err);
	*ret = json_pack("{s:i}", "n_removed", 1);
	return rc;
}

void api_capture_remove(struct call *c)
{
	web_audit(c, "capture", c->params[0], "deleted a captured layer");
	records_answer(c, remove_one);
}

static int remove_many(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	char job[64] = "";
	struct repo_capture_filter f = { .job = job, .layer = (int)call_query_int(c, "layer", -1) };
	int rc = 0, n_removed = 0;

	(void)call_query(c, "job", job, sizeof(job));
	for (size_t n = 1; rc >= 0 && n > 0;) {
		struct capture *list = NULL;

		rc = repo_capture_list(db, &f, &list, &n, err);
		for (size_t i = 0; rc >= 0 && i < n; i++, n_removed++)
			rc = remove_capture(db, c, &list[i], err);
		free(list);
	}
	*ret = json_pack("{s:i}", "n_removed", n_removed);
	return rc;
}

void api_captures_remove(struct call *c)
{
	char job[64];

	if (!call_query(c, "job", job, sizeof(job)) || !job[0]) {
		call_refuse_field(c, "job", "Say of which print: job is missing.");
		return;
	}
	web_audit(c, "capture", job, "deleted captured layers of a print");
	records_answer(c, remove_many);
}

/* ---- one picture ---- */

struct picture_job {
	uint64_t number;
	bool wants_thumbnail;
	char path[1400];
};

static int find_picture(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct picture_job *j = c->data;
	struct capture cap;
	struct capture_picture *pics = NULL;
	size_t n = 0;
	char below[300];
	int rc = repo_capture_get(db, c->params[0], &cap, err);

	if (rc >= 0)
		rc = repo_capture_pictures(db, cap.id, &pics, &n, err);
	if (rc >= 0 && j->number >= n)
		rc = err_set(err, -ENOENT, "There is no such picture.");
	if (rc >= 0) {
		const struct capture_picture *p = &pics[j->number];

		(void)snprintf(below, sizeof(below), "%s/%s", cap.folder,
		               j->wants_thumbnail && p->thumbnail[0] ? p->thumbnail : p->file);
		if (!fs_join_confined(j->path, sizeof(j->path), c->web->env.data_dir, below))
			rc = err_set(err, -ENOENT, "There is no such picture.");
	}
	free(pics);
	return rc < 0 ? rc : 0;
}

static void send_picture(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	struct picture_job *j = c->data;
	struct http_reply reply = { .status = 200,
		                    .type = "image/jpeg",
		                    .cache = "private, max-age=31536000, immutable" };

	if (rc < 0)
		call_refuse_err(c, rc, err);
	else
		call_file(c, &reply, j->path);
}

void api_capture_picture(struct call *c)
{
	struct picture_job *j = MEM_NEW(struct picture_job);
	char v[8];

	c->data = j;
	j->wants_thumbnail = call_query(c, "thumbnail", v, sizeof(v)) &&
	                     (strcmp(v, "1") == 0 || strcmp(v, "true") == 0);
	if (!text_to_u64(c->params[1], 10, &j->number))
		call_refuse(c, 404, "There is no such picture.");
	else
		store_submit(c->web->env.store, find_picture, send_picture, c);
}

/* ---- its metadata ---- */

static int find_metadata(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct picture_job *j = c->data;
	struct capture cap;
	int rc = repo_capture_get(db, c->params[0], &cap, err);

	if (rc >= 0 && !metadata_path(c, &cap, j->path, sizeof(j->path)))
		rc = err_set(err, -ENOENT, "This captured layer has no metadata.");
	return rc < 0 ? rc : 0;
}

static void send_metadata(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	struct picture_job *j = c->data;
	struct http_reply reply = { .status = 200,
		                    .type = "application/json",
		                    .cache = "no-cache" };

	if (rc < 0)
		call_refuse_err(c, rc, err);
	else
		call_file(c, &reply, j->path);
}

void api_capture_metadata(struct call *c)
{
	c->data = MEM_NEW(struct picture_job);
	store_submit(c->web->env.store, find_metadata, send_metadata, c);
}
