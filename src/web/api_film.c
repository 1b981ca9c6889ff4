/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/handlers.h"
#include "web/push.h"
#include "web/records.h"
#include "web/web.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "film/films.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int films(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct records_page p;
	struct film *list = NULL;
	size_t n = 0;

	records_read_page(c, &p);

	struct repo_page page = { p.printer, p.before, p.limit };
	int rc = repo_film_list(db, &page, &list, &n, err);
	json_t *a = json_array();

	for (size_t i = 0; rc >= 0 && i < n; i++)
		json_array_append_new(a, json_film(&list[i]));
	free(list);
	*ret = json_pack("{s:o}", "films", a);
	return rc;
}

void api_films(struct call *c)
{
	records_answer(c, films);
}

static int one_film(struct db *db, const struct call *c, json_t **ret, struct err *err)
{
	struct film f;
	int rc = repo_film_get(db, c->params[0], &f, err);

	if (rc >= 0)
		*ret = json_film(&f);
	return rc;
}

void api_film(struct call *c)
{
	records_answer(c, one_film);
}

/* ---- its files ---- */

static int read_film(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;

	return repo_film_get(db, c->params[0], c->data, err);
}

static bool plays(const struct film *f)
{
	return (f->state == FILM_READY || f->state == FILM_VERIFIED) && f->file[0];
}

/* A name that every system can store and every header can carry. */
static void download_name(char dst[300], const struct film *f)
{
	const char *base = strrchr(f->file, '/');
	size_t n = (size_t)snprintf(dst, 300, "attachment; filename=\"%s\"",
	                            base ? base + 1 : f->file);

	for (size_t i = strlen("attachment; filename=\""); i + 1 < MIN(n, (size_t)299); i++) {
		unsigned char ch = (unsigned char)dst[i];

		if (ch < 0x20 || ch >= 0x7f || ch == '"' || ch == '\\')
			dst[i] = '_';
	}
}

static void send_video(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	const struct film *f = c->data;
	char path[1400], name[300], download[8] = "";
	struct http_reply reply = { .status = 200,
		                    .type = "video/mp4",
		                    .cache = "private, max-age=60, must-revalidate" };

	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	if (!plays(f)) {
		call_refuse(c, 409, "This film is not ready yet%s%s.", f->text[0] ? ": " : "",
		            f->text);
		return;
	}
	if (!fs_join_confined(path, sizeof(path), c->web->env.data_dir, f->file)) {
		call_refuse(c, 404, "The film's file is not there.");
		return;
	}
	if (call_query(c, "download", download, sizeof(download)) && strcmp(download, "0") != 0 &&
	    strcmp(download, "false") != 0) {
		download_name(name, f);
		reply.headers[reply.n_headers++] =
			(struct http_header){ "Content-Disposition", name };
	}
	call_file(c, &reply, path);
}

void api_film_video(struct call *c)
{
	c->data = MEM_NEW(struct film);
	store_submit(c->web->env.store, read_film, send_video, c);
}

static void send_poster(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	const struct film *f = c->data;
	char path[1400];
	struct http_reply reply = { .status = 200, .type = "image/jpeg", .cache = "no-cache" };

	if (rc < 0)
		call_refuse_err(c, rc, err);
	else if (!f->poster[0] ||
	         !fs_join_confined(path, sizeof(path), c->web->env.data_dir, f->poster))
		call_refuse(c, 404, "This film has no picture yet.");
	else
		call_file(c, &reply, path);
}

void api_film_poster(struct call *c)
{
	c->data = MEM_NEW(struct film);
	store_submit(c->web->env.store, read_film, send_poster, c);
}

/* ---- deleting ---- */

static int remove_file(const struct call *c, const char *name, struct err *err)
{
	char path[1400];

	if (!name[0] || !fs_join_confined(path, sizeof(path), c->web->env.data_dir, name))
		return 0;
	return fs_remove(path, err);
}

static int remove_film(struct db *db, void *arg, struct err *err)
{
	struct call *c = arg;
	struct film *f = c->data;
	char digest[65];
	int rc = repo_film_get(db, c->params[0], f, err);

	if (rc < 0)
		return rc;
	if (f->state == FILM_GROWING || f->state == FILM_FINISHING)
		return err_set(err, -EBUSY,
		               "This film is still being made: stop the session first, or wait.");
	/* Who fetches films deletes what it has, nothing else. */
	if (c->who.may_collect && c->who.role < ROLE_ADMIN && !film_is_finished(f))
		return err_set(err, -EBUSY, "This film has not been checked yet.");
	if (call_query(c, "sha256", digest, sizeof(digest)) && strcmp(digest, f->sha256) != 0)
		return err_set(err, -EBUSY, "This film is not the one that was meant.");
	/* Files first: a record without a file can be deleted again, a file without a record only
	 * by hand. */
	rc = remove_file(c, f->file, err);
	if (rc == 0)
		rc = remove_file(c, f->poster, err);
	return rc < 0 ? rc : repo_film_delete(db, f->id, err);
}

static void film_removed(void *arg, int rc, const struct err *err)
{
	struct call *c = arg;
	const struct film *f = c->data;

	if (rc < 0) {
		call_refuse_err(c, rc, err);
		return;
	}
	web_audit(c, "film", f->id, "deleted the film of %s", f->job_name);
	push_film_gone(c->web->push, f->id);
	call_done(c);
}

void api_film_remove(struct call *c)
{
	struct err err = { 0 };
	int rc = c->web->env.films ? films_forget(c->web->env.films, c->params[0], &err) : 0;

	if (rc < 0) {
		call_refuse_err(c, rc, &err);
		return;
	}
	c->data = MEM_NEW(struct film);
	store_submit(c->web->env.store, remove_film, film_removed, c);
}
