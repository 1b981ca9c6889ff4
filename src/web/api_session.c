/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/records.h"
#include "web/web.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/sessions.h"
#include "core/fs.h"
#include "core/work.h"
#include "film/films.h"
#include "fleet/retention.h"
#include "model/json.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int sessions(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct records_page p;
	struct session *list = NULL;
	size_t n = 0;

	records_read_page(c, &p);

	struct repo_page page = { p.printer, p.before, p.limit };
	int rc = repo_session_list(db, &page, &list, &n, err);
	json_t *a = json_array();

	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_session(&list[i]));
	free(list);
	*ret = json_pack("{s:o}", "sessions", a);
	return rc;
}

void api_sessions(struct call *c)
{
	records_answer(c, sessions);
}

static int one_session(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct session *s = MEM_NEW(struct session);
	struct film *list = NULL;
	size_t n = 0;
	int rc = repo_session_get(db, c->params[0], s, err);

	if (rc >= 0)
		rc = repo_film_of_session(db, s->id, &list, &n, err);
	if (rc >= 0) {
		json_t *a = json_array();

		for (size_t i = 0; i < n; i++)
			json_array_append_new(a, json_film(&list[i]));
		*ret = json_session(s);
		json_object_set_new(*ret, "films", a);
	}
	free(list);
	free(s);
	return rc;
}

void api_session(struct call *c)
{
	records_answer(c, one_session);
}

/* ---- frames: read from the journal on a worker ---- */

struct frames_job {
	char dir[1300];
	uint32_t from, limit, wanted; /* `wanted`: one picture */
	json_t *list;
	struct journal_entry entry;
	uint8_t *bytes;
	bool is_found;
	int rc;
	struct err err;
};

static bool session_dir(const struct call *c, char *dst, size_t size)
{
	char name[80];

	if (!id_is_valid(c->params[0]))
		return false;
	snprintf(name, sizeof(name), "sessions/%s", c->params[0]);
	return fs_join_confined(dst, size, c->web->env.data_dir, name);
}

static const char *trigger_name(enum journal_trigger t)
{
	switch (t) {
	case TRIGGER_LAYER:
		return "layer";
	case TRIGGER_TIME:
		return "time";
	case TRIGGER_MANUAL:
		return "manual";
	case TRIGGER_FIRST:
		return "first";
	case TRIGGER_LAST:
		return "last";
	case TRIGGER_BUTTON:
		return "button";
	case TRIGGER_MACRO:
		return "macro";
	}
	return "";
}

static json_t *json_entry(const struct journal_entry *e)
{
	return json_pack("{s:I, s:o, s:o, s:o, s:s, s:o, s:I, s:b}", "number",
	                 (json_int_t)e->number, "camera", json_text(e->camera), "layer",
	                 json_int_or_null(e->layer), "z_mm", json_or_null(e->z_mm), "trigger",
	                 trigger_name(e->trigger), "at", json_time(e->at_wall_ms), "size",
	                 (json_int_t)e->size, "is_deleted", (int)(e->file[0] == '\0'));
}

static void read_frames(void *arg)
{
	struct call *c = arg;
	struct frames_job *j = c->data;
	struct journal_reader *r = NULL;
	struct journal_entry *e = &j->entry;
	int what;

	j->rc = journal_reader_open(j->dir, &r, &j->err);
	if (j->rc < 0)
		return;
	j->list = json_array();
	/* Damaged lines (negative) are passed over: the rest is still worth showing. */
	while ((what = journal_reader_next(r, e, NULL)) != 0) {
		if (what != 1 || e->number < j->from)
			continue;
		if (j->wanted) {
			j->is_found = e->number == j->wanted;
			if (j->is_found)
				break;
			continue;
		}
		json_array_append_new(j->list, json_entry(e));
		if (json_array_size(j->list) >= j->limit)
			break;
	}
	journal_reader_close(r);
	if (j->is_found && e->file[0])
		j->rc = journal_read_picture(j->dir, e, &j->bytes, &j->err);
}

static void send_frames(void *arg)
{
	struct call *c = arg;
	struct frames_job *j = c->data;

	if (j->rc < 0) {
		json_decref(j->list);
		call_refuse_err(c, j->rc, &j->err);
		return;
	}
	call_json(c, 200, json_pack("{s:o}", "frames", j->list));
}

void api_session_frames(struct call *c)
{
	struct frames_job *j = MEM_NEW(struct frames_job);

	c->data = j;
	j->from = (uint32_t)call_query_int(c, "from", 1);
	j->limit = (uint32_t)call_query_int(c, "limit", 500);
	if (session_dir(c, j->dir, sizeof(j->dir)))
		work_submit(c->web->env.pool, read_frames, send_frames, c);
	else
		call_refuse(c, 404, "There is no session of this id.");
}

static void send_frame(void *arg)
{
	struct call *c = arg;
	struct frames_job *j = c->data;
	char etag[40];
	struct http_reply reply = { .status = 200,
		                    .type = "image/jpeg",
		                    .cache = "private, max-age=31536000, immutable",
		                    .etag = etag };

	json_decref(j->list);
	if (j->rc < 0) {
		call_refuse_err(c, j->rc, &j->err);
	} else if (!j->bytes) {
		call_refuse(c, 404, "This picture is not there%s.",
		            j->is_found ? " any more: it was deleted after the film was made" : "");
	} else {
		uint8_t *bytes = STEAL_PTR(j->bytes);

		snprintf(etag, sizeof(etag), "\"%08x-%u\"", j->entry.crc32c, j->entry.number);
		call_bytes(c, &reply, http_bytes_wrap(bytes, (size_t)j->entry.size, free, bytes));
	}
}

void api_session_frame(struct call *c)
{
	struct frames_job *j = MEM_NEW(struct frames_job);
	uint64_t number = 0;

	c->data = j;
	if (!session_dir(c, j->dir, sizeof(j->dir)) || !text_to_u64(c->params[1], 10, &number) ||
	    number == 0 || number > UINT32_MAX) {
		call_refuse(c, 404, "There is no such picture.");
		return;
	}
	j->wanted = (uint32_t)number;
	j->from = j->wanted;
	work_submit(c->web->env.pool, read_frames, send_frame, c);
}

/* ---- another film ---- */

static void fill_plan(const struct call *c, struct film_plan *plan)
{
	film_plan_init(plan);
	plan->fps = call_number(c, "fps", plan->fps);
	plan->duration_s = call_number(c, "duration_s", plan->duration_s);
	plan->hold_s = call_number(c, "hold_s", plan->hold_s);
	plan->crf = (int)call_int(c, "crf", plan->crf);
	plan->width = (unsigned)call_int(c, "width", plan->width);
	plan->height = (unsigned)call_int(c, "height", plan->height);
}

static void films_are_coming(void *arg, const struct film *films, int n, const struct err *err)
{
	struct call *c = arg;
	json_t *a;

	if (n < 0) {
		call_refuse_err(c, n, err);
		return;
	}
	a = json_array();
	for (int i = 0; i < n; i++) {
		web_audit(c, "film", films[i].id, "makes another film of session %s", c->params[0]);
		json_array_append_new(a, json_film(&films[i]));
	}
	call_json(c, 202, json_pack("{s:o}", "films", a));
}

void api_session_render(struct call *c)
{
	struct film_plan plan;

	fill_plan(c, &plan);
	if (c->web->env.films)
		films_render(c->web->env.films, c->params[0], call_text(c, "camera", NULL), &plan,
		             (struct films_asker){ films_are_coming, c });
	else
		call_refuse(c, 409, "Films cannot be made here.");
}

/* ---- deleting ---- */

struct remove_job {
	char dir[1300];
	bool is_forced;
	struct session session;
	struct film *films;
	size_t n_films;
	bool may_go;
};

static void remove_job_free(struct remove_job *j)
{
	free(j->films);
	j->films = NULL;
}

static int read_to_remove(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct remove_job *j = c->data;
	int rc = repo_session_get(db, c->params[0], &j->session, err);

	if (rc < 0)
		return rc;
	if (j->session.state != SESSION_DONE)
		return err_set(err, -EBUSY,
		               "This print is still being recorded: stop its session first.");
	rc = repo_film_of_session(db, j->session.id, &j->films, &j->n_films, err);
	for (size_t i = 0; rc >= 0 && i < j->n_films; i++)
		if (j->films[i].state == FILM_GROWING || j->films[i].state == FILM_FINISHING)
			return err_set(err, -EBUSY,
			               "A film of this print is being made: wait for it, or delete "
			               "that film first.");
	return rc;
}

/* Counts what is to be deleted and looks for its films. */
static void judge_pictures(void *arg)
{
	struct call *c = arg;
	struct remove_job *j = c->data;
	struct retention_facts f = { .session = &j->session,
		                     .films = j->films,
		                     .n_films = j->n_films };

	j->may_go = j->is_forced || j->session.frames_deleted_wall_ms != 0;
	if (j->may_go)
		return;
	j->may_go = retention_count(j->dir, &j->session, f.n_pictures, NULL) >= 0 &&
	            retention_is_filmed(&f, NULL);
}

static int remove_session(struct db *db, void *arg, struct err *err)
{
	const struct call *c = arg;

	return repo_session_delete(db, c->params[0], err);
}

static void remove_pictures(void *arg)
{
	struct call *c = arg;
	struct remove_job *j = c->data;

	/* The record is gone already; what a crash leaves here is nobody's. */
	if (fs_remove(j->dir, NULL) < 0)
		log_warn(&c->web->log, "pictures of session %s could not be deleted",
		         j->session.id);
}

static void pictures_removed(void *arg)
{
	call_done(arg);
}

static void session_removed(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	const struct remove_job *j = c->data;

	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "session", c->params[0], "deleted the pictures of %s%s", j->session.job_name,
	          j->is_forced ? ", forced" : "");
	work_submit(c->web->env.pool, remove_pictures, pictures_removed, c);
}

static void judged_pictures(void *arg)
{
	struct call *c = arg;
	struct remove_job *j = c->data;

	remove_job_free(j);
	if (j->may_go) {
		store_submit(c->web->env.store, remove_session, session_removed, c);
		return;
	}
	call_refuse(
		c, 409,
		"There is no verified film of each camera of this print, so its pictures are all "
		"there is of it. Add ?force=1 to delete them all the same.");
}

static void read_it(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;

	if (rc >= 0) {
		work_submit(c->web->env.pool, judge_pictures, judged_pictures, c);
		return;
	}
	remove_job_free(c->data);
	call_refuse_err(c, rc, err);
}

void api_session_remove(struct call *c)
{
	struct remove_job *j = MEM_NEW(struct remove_job);
	char force[8] = "";

	c->data = j;
	(void)call_query(c, "force", force, sizeof(force));
	j->is_forced = strcmp(force, "1") == 0 || strcmp(force, "true") == 0;
	if (session_dir(c, j->dir, sizeof(j->dir)))
		store_submit(c->web->env.store, read_to_remove, read_it, c);
	else
		call_refuse(c, 404, "There is no session of this id.");
}
