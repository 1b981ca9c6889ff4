/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/left.h"

#include "base/mem.h"
#include "store/repo.h"

#include <stdlib.h>
#include <string.h>

void film_left_fini(struct film_left *l)
{
	free(l->films);
	free(l->sessions);
	free(l->is_own);
}

static void left_add(struct film_left *l, const struct film *f, const struct session *s,
                     bool is_own)
{
	l->films = mem_grow(l->films, l->n_films + 1, sizeof(*l->films));
	l->sessions = mem_grow(l->sessions, l->n_films + 1, sizeof(*l->sessions));
	l->is_own = mem_grow(l->is_own, l->n_films + 1, sizeof(*l->is_own));
	l->films[l->n_films] = *f;
	l->sessions[l->n_films] = *s;
	l->is_own[l->n_films++] = is_own;
}

/* The oldest film of a camera is the session's own; the others were asked for. */
static bool is_own(const struct film *films, size_t n, const struct film *f)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(films[i].camera, f->camera) == 0 && strcmp(films[i].id, f->id) < 0)
			return false;
	return true;
}

static bool left_has(const struct film_left *l, const char *id)
{
	for (size_t i = 0; i < l->n_films; i++)
		if (strcmp(l->films[i].id, id) == 0)
			return true;
	return false;
}

static int left_session(struct db *db, struct film_left *l, const struct session *s,
                        bool is_running, struct err *err)
{
	struct film *films = NULL;
	size_t n = 0;
	int rc = repo_film_of_session(db, s->id, &films, &n, err);

	for (size_t i = 0; i < n; i++) {
		bool own = is_own(films, n, &films[i]);
		bool is_over = films[i].state == FILM_VERIFIED || films[i].state == FILM_FAILED;

		/* An over one is remembered while its session is not over. */
		if (!left_has(l, films[i].id) && (!is_over || (own && is_running)))
			left_add(l, &films[i], s, own);
	}
	free(films);
	return rc;
}

int film_left_read(struct db *db, void *arg, struct err *err)
{
	struct film_left *l = arg;
	struct session *sessions = NULL, s;
	struct film *films = NULL;
	size_t n_sessions = 0, n_films = 0;
	int rc = repo_session_unfinished(db, &sessions, &n_sessions, err);

	for (size_t i = 0; i < n_sessions && rc == 0; i++)
		rc = left_session(db, l, &sessions[i], true, err);
	if (rc == 0)
		rc = repo_film_unfinished(db, &films, &n_films, err);
	for (size_t i = 0; i < n_films && rc == 0; i++) {
		if (left_has(l, films[i].id))
			continue;
		if (repo_session_get(db, films[i].session, &s, NULL) == 0)
			rc = left_session(db, l, &s, false, err);
		else
			left_add(l, &films[i], &(struct session){ .state = SESSION_DONE }, false);
	}
	free(sessions);
	free(films);
	return rc;
}
