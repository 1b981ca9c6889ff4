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
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct found {
	struct session s;
	bool has_films;           /* all of them: it needs nobody any more */
	enum job_outcome outcome; /* of its job, by the records */
	bool is_job_unknown;      /* they have none of this id */
};

struct unfinished {
	struct found *list;
	size_t n, cap;
	struct job *over; /* running jobs whose session was ended by order */
	size_t n_over;
};

static void add(struct unfinished *u, const struct session *s)
{
	if (u->n == u->cap) {
		u->cap = u->cap ? 2 * u->cap : 8;
		u->list = mem_grow(u->list, u->cap, sizeof(*u->list));
	}
	u->list[u->n++] = (struct found){ .s = *s };
}

static bool is_made(const struct film *f)
{
	return f->state == FILM_READY || f->state == FILM_VERIFIED || f->state == FILM_FAILED;
}

static bool has_made(const struct film *films, size_t n, const char *camera)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(films[i].camera, camera) == 0 && is_made(&films[i]))
			return true;
	return false;
}

static int ask_found(struct db *db, struct found *f, struct err *err)
{
	struct film *films;
	struct job job;
	size_t n;
	int rc = repo_film_of_session(db, f->s.id, &films, &n, err);

	if (rc < 0)
		return rc;
	f->has_films = n > 0;
	for (unsigned i = 0; i < f->s.n_cameras; i++)
		f->has_films &= has_made(films, n, f->s.cameras[i]);
	free(films);
	if (f->s.job[0] == '\0')
		return 0;
	rc = repo_job_get(db, f->s.job, &job, NULL);
	if (rc == 0)
		f->outcome = job.outcome;
	f->is_job_unknown = rc == -ENOENT;
	return 0;
}

static bool is_over(const struct session *s)
{
	return s->state == SESSION_FINALISING || s->state == SESSION_DONE || s->ended_wall_ms > 0;
}

/* A print goes on whose session somebody has ended: it must not get another one by itself. */
static int ask_over(struct db *db, struct unfinished *u, struct err *err)
{
	struct job *jobs;
	size_t n_jobs;
	int rc = repo_job_running(db, &jobs, &n_jobs, err);

	if (rc < 0)
		return rc;
	u->over = mem_new_array(n_jobs, sizeof(*u->over));
	for (size_t i = 0; i < n_jobs && rc >= 0; i++) {
		struct repo_page page = { .limit = 10, .printer = jobs[i].printer };
		struct session *s;
		bool is_found = false;
		size_t n;

		rc = repo_session_list(db, &page, &s, &n, err);
		for (size_t k = 0; rc >= 0 && k < n; k++)
			is_found |= strcmp(s[k].job, jobs[i].id) == 0 && is_over(&s[k]);
		if (rc >= 0)
			free(s);
		if (is_found)
			u->over[u->n_over++] = jobs[i];
	}
	free(jobs);
	return rc;
}

/* u->list has what the folders say: that stays which the database knows nothing of (it was lost, or
 * put back from a backup). */
static int ask_store(struct db *db, void *arg, struct err *err)
{
	struct unfinished *u = arg;
	struct session *list, known;
	size_t n, n_kept = 0;
	int rc = 0;

	for (size_t i = 0; i < u->n; i++)
		if (repo_session_get(db, u->list[i].s.id, &known, NULL) == -ENOENT)
			u->list[n_kept++] = u->list[i];
	u->n = n_kept;
	rc = repo_session_unfinished(db, &list, &n, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		add(u, &list[i]);
	free(list);
	for (size_t i = 0; i < u->n && rc >= 0; i++)
		rc = ask_found(db, &u->list[i], err);
	return rc < 0 ? rc : ask_over(db, u, err);
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
	if (json_to_session(&s, o) && s.state != SESSION_DONE && strcmp(s.id, id) == 0)
		add(u, &s);
	json_decref(o);
}

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

static void take_up_recording(struct sessions *ss, const struct found *f)
{
	const struct session *s = &f->s;
	struct recording *r = take_up(ss, s);
	struct station *st = station_make(ss, s->printer);

	r->machine = SESSION_ARMED;
	r->is_found = s->job[0] != '\0';
	r->is_by_hand = !r->is_found && s->state != SESSION_ARMED;
	r->is_job_unknown = f->is_job_unknown;
	r->was_paused_by_order = s->state == SESSION_PAUSED &&
	                         strcmp(s->state_text, SESSION_TEXT_ORDERED_PAUSE) == 0;
	r->s.state = SESSION_ARMED;
	TEXT_SET(r->s.state_text,
	         r->is_found || r->is_by_hand
	                 ? "was being recorded when Bedside stopped: waits for the printer"
	                 : "waits for the print");
	if (f->outcome != JOB_RUNNING && s->outcome[0] == '\0')
		TEXT_SET(r->s.outcome, job_outcome_name(f->outcome));
	/* Its print had ended; or there is a newer one, and two cannot go on. */
	if (s->ended_wall_ms > 0 || f->outcome != JOB_RUNNING || st->current) {
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

	ask_folders(ss, &u);
	if (ss->env.store && store_call(ss->env.store, ask_store, &u, &err) < 0)
		log_warn(NULL, "unfinished sessions could not be looked up: %s", err.text);
	for (size_t i = 0; i < u.n; i++) {
		const struct session *s = &u.list[i].s;

		if (s->state != SESSION_FINALISING)
			take_up_recording(ss, &u.list[i]);
		else if (u.list[i].has_films)
			recording_done(take_up(ss, s), "");
		else /* said again: whoever makes the film may not know of it */
			recording_state(take_up(ss, s), SESSION_FINALISING, s->state_text);
	}
	for (size_t i = 0; i < u.n_over; i++)
		TEXT_SET(station_make(ss, u.over[i].printer)->over_job, u.over[i].id);
	free(u.list);
	free(u.over);
}
