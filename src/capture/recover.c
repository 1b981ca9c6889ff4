/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/private.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/log.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/store.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct unfinished {
	struct session *list;
	size_t n, cap;
	bool *has_film; /* of list[i]: it needs nobody any more */
};

static bool is_made(const struct film *f)
{
	return f->state == FILM_READY || f->state == FILM_VERIFIED || f->state == FILM_FAILED;
}

static int ask_store(struct db *db, void *arg, struct err *err)
{
	struct unfinished *u = arg;
	int rc = repo_session_unfinished(db, &u->list, &u->n, err);

	if (rc < 0)
		return rc;
	u->has_film = mem_new_array(u->n, sizeof(*u->has_film));
	for (size_t i = 0; i < u->n && rc >= 0; i++) {
		struct film *films;
		size_t n;

		rc = repo_film_of_session(db, u->list[i].id, &films, &n, err);
		for (size_t k = 0; rc >= 0 && k < n; k++)
			u->has_film[i] |= is_made(&films[k]);
		if (rc >= 0)
			free(films);
	}
	return rc;
}

static void read_session_file(struct sessions *ss, const char *id, struct unfinished *u)
{
	auto_free char *path = mem_printf("%s/%s/session.json", ss->sessions_dir, id);
	auto_buf struct buf text = { 0 };
	struct session s;
	json_t *o;

	if (fs_read(path, 65536, &text, NULL) < 0)
		return;
	o = json_loadb(buf_peek(&text), text.size, 0, NULL);
	if (json_to_session(&s, o) && s.state != SESSION_DONE && strcmp(s.id, id) == 0) {
		if (u->n == u->cap) {
			u->cap = u->cap ? 2 * u->cap : 8;
			u->list = mem_grow(u->list, u->cap, sizeof(*u->list));
		}
		u->list[u->n++] = s;
	}
	json_decref(o);
}

/* Without a database (tests) the folders say it. */
static void ask_folders(struct sessions *ss, struct unfinished *u)
{
	DIR *d = opendir(ss->sessions_dir);

	if (!d)
		return;
	/* Each DIR is one thread's: NOLINTNEXTLINE(concurrency-mt-unsafe) */
	for (struct dirent *e; (e = readdir(d));)
		if (id_is_valid(e->d_name))
			read_session_file(ss, e->d_name, u);
	closedir(d);
}

static struct recording *take_up(struct sessions *ss, const struct session *s)
{
	struct station *st = station_make(ss, s->printer);
	struct recording *r = recording_new(ss, &st->plan, s->printer);

	r->s = *s;
	r->plan.film = s->film;
	r->plan.n_cameras = s->n_cameras;
	memcpy(r->plan.cameras, s->cameras, sizeof(r->plan.cameras));
	r->machine = s->state;
	return r;
}

static void take_up_recording(struct sessions *ss, const struct session *s)
{
	struct recording *r = take_up(ss, s);
	struct station *st = station_make(ss, s->printer);

	r->machine = SESSION_ARMED;
	r->is_found = s->job[0] != '\0';
	r->s.state = SESSION_ARMED;
	TEXT_SET(r->s.state_text,
	         r->is_found ? "was being recorded when Bedside stopped: waits for the printer"
	                     : "waits for the print");
	/* Its print had ended; or there is a newer one, and two cannot go on. */
	if (s->ended_wall_ms > 0 || st->current) {
		r->machine = SESSION_FINALISING;
		recording_finish(r, "was left unfinished", false);
		return;
	}
	st->current = r;
	log_info(NULL, "session %s of %s is found again: %u pictures", s->id, s->printer,
	         s->n_frames);
}

void recover_sessions(struct sessions *ss)
{
	struct unfinished u = { 0 };
	struct err err;

	if (!ss->env.store)
		ask_folders(ss, &u);
	else if (store_call(ss->env.store, ask_store, &u, &err) < 0)
		log_warn(NULL, "unfinished sessions could not be looked up: %s", err.text);
	for (size_t i = 0; i < u.n; i++) {
		const struct session *s = &u.list[i];

		if (s->state != SESSION_FINALISING)
			take_up_recording(ss, s);
		else if (u.has_film && u.has_film[i])
			recording_done(take_up(ss, s), "");
		else
			take_up(ss, s);
	}
	free(u.list);
	free(u.has_film);
}
