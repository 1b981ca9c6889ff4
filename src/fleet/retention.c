/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/retention.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "capture/budget.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "model/event.h"
#include "model/json.h"
#include "model/pick.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_MS 60000
#define EVERY_MS 3600000
#define CLOCK_SLACK_MS 3600000
#define MAX_SESSIONS 100 /* in one look */
#define ID_TIME_SIZE 10  /* of an id: when it was made */
/* Freed beyond what is missing: recording goes on only when there is space to spare. */
#define SPARE_BYTES (2ULL * BUDGET_SPARE_BYTES)

struct retention {
	struct retention_env env;
	char *data_dir;
	struct bus_listener listener;
	struct timer timer;
	struct retention_clock clock;
	bool is_looking, must_look_again, is_dead;
};

/* ---- pure ---- */

int64_t retention_clock_look(struct retention_clock *c, int64_t wall_ms, int64_t mono_us)
{
	int64_t moved_ms = (wall_ms - c->wall_ms) - (mono_us - c->us) / 1000;

	if (c->us > 0 && (moved_ms > CLOCK_SLACK_MS || moved_ms < -CLOCK_SLACK_MS))
		c->set_ms = wall_ms;
	c->wall_ms = wall_ms;
	c->us = mono_us;
	return c->set_ms;
}

/* Made of all of the session, not of the part that was there when somebody asked for it: the
 * session's own film, which is named after its start, or one that was begun after its end. */
static bool is_of_all(const struct film *film, const struct session *s)
{
	char when[WHEN_TEXT_SIZE], start[64], ended[ID_SIZE];

	(void)snprintf(start, sizeof(start), "films/%s_", when_file_name(when, s->started_wall_ms));
	id_new(ended, s->ended_wall_ms);
	return strncmp(film->file, start, strlen(start)) == 0 ||
	       strncmp(film->id, ended, ID_TIME_SIZE) > 0;
}

/* Every picture, or the choice of them that the session itself wanted. A short one that was asked
 * for later is no reason to delete anything. */
static bool is_whole(const struct film *film, const struct session *s, uint32_t n_pictures)
{
	if (film->n_frames + film->n_skipped >= n_pictures)
		return true;
	return is_of_all(film, s) && film->plan.duration_s > 0 &&
	       fabs(film->plan.duration_s - s->film.duration_s) < 0.001 &&
	       !film_pick_is_off(&film->plan, n_pictures - MIN(film->n_skipped, n_pictures),
	                         film->n_frames);
}

static const struct film *film_of(const struct retention_facts *f, unsigned camera)
{
	const struct session *s = f->session;
	const struct film *best = NULL;

	for (size_t i = 0; i < f->n_films; i++) {
		const struct film *film = &f->films[i];

		if (strcmp(film->camera, s->cameras[camera]) == 0 && film->n_frames > 0 &&
		    film->state == FILM_VERIFIED && is_whole(film, s, f->n_pictures[camera]) &&
		    (!best || film->made_wall_ms < best->made_wall_ms))
			best = film;
	}
	return best;
}

static bool is_in_use(const struct retention_facts *f)
{
	if (f->session->state != SESSION_DONE)
		return true;
	for (size_t i = 0; i < f->n_films; i++)
		if (f->films[i].state != FILM_VERIFIED && f->films[i].state != FILM_FAILED)
			return true;
	return false;
}

bool retention_is_filmed(const struct retention_facts *f, int64_t *ret_made_ms)
{
	int64_t made_ms = 0;
	unsigned n_cameras = 0;

	for (unsigned i = 0; i < MIN(f->session->n_cameras, (unsigned)SESSION_MAX_CAMERAS); i++) {
		const struct film *film;

		if (f->n_pictures[i] == 0)
			continue;
		film = film_of(f, i);
		if (!film)
			return false;
		made_ms = MAX(made_ms, film->made_wall_ms);
		n_cameras++;
	}
	if (ret_made_ms)
		*ret_made_ms = made_ms;
	return n_cameras > 0;
}

enum retention_verdict retention_judge(const struct retention_facts *f)
{
	int64_t made_ms = 0;

	if (f->session->frames_deleted_wall_ms != 0)
		return RETENTION_GONE;
	if (is_in_use(f))
		return RETENTION_IN_USE;
	if (!retention_is_filmed(f, &made_ms))
		return RETENTION_NO_FILM;
	made_ms = MAX(made_ms, f->clock_set_ms);
	if (f->keep_frames_ms > 0 && f->now_ms - made_ms >= f->keep_frames_ms)
		return RETENTION_MAY_GO_NOW;
	return RETENTION_YOUNG;
}

/* ---- one look: records, then the disk, then the records again ---- */

struct candidate {
	struct session session;
	struct film *films;
	size_t n_films;
	uint64_t freed_bytes;
	bool is_deleted;
};

struct look {
	struct retention *owner;
	const char *data_dir; /* the owner's: it waits for us */
	int64_t now_ms, keep_frames_ms, clock_set_ms;
	uint64_t floor_bytes, budget_bytes, used_bytes;
	struct candidate *list;
	size_t n;
	struct film *old_films;
	size_t n_old_films;
	struct err err; /* of the first failure */
};

static void look_free(struct look *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->list[i].films);
	free(k->list);
	free(k->old_films);
	free(k);
}

static void add_old_films(struct look *k, const struct film *films, size_t n)
{
	k->old_films = mem_grow(k->old_films, k->n_old_films + n + 1, sizeof(*k->old_films));
	for (size_t i = 0; i < n; i++)
		if (films[i].state == FILM_VERIFIED && films[i].made_wall_ms > 0 &&
		    k->now_ms - MAX(films[i].made_wall_ms, k->clock_set_ms) >=
		            k->owner->env.keep_films_ms)
			k->old_films[k->n_old_films++] = films[i];
}

static int ask_old_films(struct db *db, struct look *k, struct err *err)
{
	char before[ID_SIZE] = "";
	size_t n;

	do {
		struct film *films;
		int rc = repo_film_list(db, &(struct repo_page){ .before = before }, &films, &n,
		                        err);

		if (rc < 0)
			return rc;
		add_old_films(k, films, n);
		if (n > 0)
			TEXT_SET(before, films[n - 1].id);
		free(films);
	} while (n == REPO_MAX_PAGE);
	return 0;
}

static int ask(struct db *db, void *arg, struct err *err)
{
	struct look *k = arg;
	struct session *sessions = NULL;
	uint64_t frames, films;
	size_t n;
	int rc = repo_session_with_frames(db, MAX_SESSIONS, &sessions, &n, err);

	if (rc < 0)
		return rc;
	k->list = mem_new_array(n, sizeof(*k->list));
	k->n = n;
	for (size_t i = 0; i < n && rc >= 0; i++) {
		k->list[i].session = sessions[i];
		rc = repo_film_of_session(db, sessions[i].id, &k->list[i].films,
		                          &k->list[i].n_films, err);
	}
	free(sessions);
	if (rc >= 0)
		rc = repo_sum_bytes(db, &frames, &films, err);
	if (rc >= 0)
		k->used_bytes = frames + films;
	if (rc >= 0 && k->owner->env.keep_films_ms > 0)
		rc = ask_old_films(db, k, err);
	return rc;
}

int retention_count(const char *session_dir, const struct session *s,
                    uint32_t ret[SESSION_MAX_CAMERAS], struct err *err)
{
	struct journal_reader *r;
	struct journal_entry e;
	int kind, rc = journal_reader_open(session_dir, &r, err);

	memset(ret, 0, SESSION_MAX_CAMERAS * sizeof(*ret));
	if (rc < 0)
		return rc;
	while ((kind = journal_reader_next(r, &e, err)) != 0) {
		if (kind < 0 && kind != -EBADMSG)
			break;
		for (unsigned i = 0;
		     kind == 1 && i < MIN(s->n_cameras, (unsigned)SESSION_MAX_CAMERAS); i++)
			ret[i] += strcmp(e.camera, s->cameras[i]) == 0;
	}
	journal_reader_close(r);
	return kind;
}

static void keep_session_file(const char *dir, const struct session *s)
{
	auto_free char *path = mem_printf("%s/session.json", dir);
	json_t *o = json_session(s);
	auto_free char *text = json_dumps(o, JSON_INDENT(2) | JSON_SHORT_REALS);
	struct err err;

	json_decref(o);
	if (fs_write_atomic(path, text, strlen(text), 0600, &err) < 0)
		log_warn(NULL, "%s", err.text);
}

static bool is_space_short(const struct look *k)
{
	uint64_t free_bytes, total_bytes;

	if (k->budget_bytes > 0 &&
	    k->used_bytes + MIN(SPARE_BYTES, k->budget_bytes / 4) > k->budget_bytes)
		return true;
	return fs_space(k->data_dir, &free_bytes, &total_bytes, NULL) == 0 &&
	       free_bytes < k->floor_bytes + SPARE_BYTES;
}

static void try_one(struct look *k, struct candidate *c)
{
	auto_free char *dir = mem_printf("%s/sessions/%s", k->data_dir, c->session.id);
	struct retention_facts f = { .session = &c->session,
		                     .films = c->films,
		                     .n_films = c->n_films,
		                     .now_ms = k->now_ms,
		                     .keep_frames_ms = k->keep_frames_ms,
		                     .clock_set_ms = k->clock_set_ms };
	enum retention_verdict v;
	const char *why = "older than frames are kept; the film was verified";

	if (retention_count(dir, &c->session, f.n_pictures, NULL) < 0)
		return;
	v = retention_judge(&f);
	if (v == RETENTION_YOUNG && is_space_short(k)) {
		v = RETENTION_MAY_GO_NOW;
		why = "space is short; the film was verified";
	}
	if (v != RETENTION_MAY_GO_NOW)
		return;
	if (journal_delete_pictures(dir, why, k->now_ms, &c->freed_bytes, &k->err) < 0)
		return;
	c->is_deleted = true;
	c->session.frames_deleted_wall_ms = k->now_ms;
	k->used_bytes -= MIN(k->used_bytes, c->freed_bytes);
	keep_session_file(dir, &c->session);
}

static void run_disk(void *arg)
{
	struct look *k = arg;

	/* Oldest first, as they were listed. */
	for (size_t i = 0; i < k->n; i++)
		try_one(k, &k->list[i]);
	for (size_t i = 0; i < k->n_old_films; i++) {
		const char *files[] = { k->old_films[i].file, k->old_films[i].poster };

		for (size_t n = 0; n < ARRAY_LEN(files); n++) {
			char path[4096];

			if (fs_join_confined(path, sizeof(path), k->data_dir, files[n]))
				(void)unlink(path);
		}
	}
}

static int record(struct db *db, void *arg, struct err *err)
{
	struct look *k = arg;
	int rc = 0;

	for (size_t i = 0; i < k->n && rc >= 0; i++)
		if (k->list[i].is_deleted)
			rc = repo_session_save(db, &k->list[i].session, err);
	for (size_t i = 0; i < k->n_old_films && rc >= 0; i++) {
		rc = repo_film_delete(db, k->old_films[i].id, err);
		if (rc == -ENOENT)
			rc = 0;
	}
	return rc;
}

static void tell(struct retention *r, const struct look *k)
{
	uint64_t freed_bytes = 0;
	unsigned n = 0;
	char size[24];

	for (size_t i = 0; i < k->n; i++) {
		struct event_session *e;

		if (!k->list[i].is_deleted)
			continue;
		n++;
		freed_bytes += k->list[i].freed_bytes;
		e = event_new_session();
		e->session = k->list[i].session;
		bus_publish(r->env.bus, &e->head);
	}
	if (n > 0)
		event_notice(r->env.bus, k->now_ms, NOTICE_INFO, "disk", "",
		             "The pictures of %u session%s were deleted, their films are kept and "
		             "verified: %s are free again.",
		             n, n == 1 ? "" : "s", text_size(size, sizeof(size), freed_bytes));
	if (k->n_old_films > 0)
		event_notice(r->env.bus, k->now_ms, NOTICE_INFO, "disk", "",
		             "%zu film%s older than films are kept were deleted.", k->n_old_films,
		             k->n_old_films == 1 ? "" : "s");
}

static void over(struct look *k)
{
	struct retention *r = k->owner;

	r->is_looking = false;
	look_free(k);
	if (r->is_dead) {
		free(r->data_dir);
		free(r);
	} else if (r->must_look_again) {
		retention_run(r);
	}
}

static void recorded(void *arg, int rc UNUSED, const struct err *err)
{
	struct look *k = arg;

	if (err)
		log_warn(NULL, "what retention deleted was not recorded: %s", err->text);
	else if (!k->owner->is_dead)
		tell(k->owner, k);
	over(k);
}

static void disk_done(void *arg)
{
	struct look *k = arg;

	if (k->err.code < 0)
		log_warn(NULL, "retention: %s", k->err.text);
	store_submit(k->owner->env.store, record, recorded, k);
}

static void asked(void *arg, int rc, const struct err *err)
{
	struct look *k = arg;

	if (rc < 0) {
		log_warn(NULL, "retention: %s", err->text);
		over(k);
		return;
	}
	if (k->owner->is_dead) {
		over(k);
		return;
	}
	work_submit(k->owner->env.disk, run_disk, disk_done, k);
}

void retention_run(struct retention *r)
{
	struct look *k;

	r->must_look_again = r->is_looking;
	if (r->is_looking)
		return;
	k = MEM_NEW(struct look);
	k->owner = r;
	k->data_dir = r->data_dir;
	k->now_ms = loop_wall_ms(r->env.loop);
	k->clock_set_ms = retention_clock_look(&r->clock, k->now_ms, loop_now_us(r->env.loop));
	k->keep_frames_ms = r->env.keep_frames_ms;
	k->floor_bytes = r->env.floor_bytes;
	k->budget_bytes = r->env.budget_bytes;
	r->is_looking = true;
	store_submit(r->env.store, ask, asked, k);
}

static void tick(void *arg)
{
	struct retention *r = arg;

	timer_start(&r->timer, EVERY_MS);
	retention_run(r);
}

static void heard(void *arg, const struct bus_event *e)
{
	if (e->type == EVENT_FILM && event_as_film(e)->film.state == FILM_VERIFIED)
		retention_run(arg);
	/* Recording has stopped for want of space: now, not within the hour. */
	if (e->type == EVENT_NOTICE && event_as_notice(e)->level == NOTICE_ALARM &&
	    strcmp(event_as_notice(e)->topic, "disk") == 0)
		retention_run(arg);
}

struct retention *retention_new(const struct retention_env *env)
{
	struct retention *r = MEM_NEW(struct retention);

	r->env = *env;
	r->data_dir = mem_str(env->data_dir);
	(void)retention_clock_look(&r->clock, loop_wall_ms(env->loop), loop_now_us(env->loop));
	timer_init(&r->timer, env->loop, tick, r);
	timer_start(&r->timer, FIRST_MS);
	bus_listen(env->bus, &r->listener, heard, r);
	return r;
}

void retention_free(struct retention *r)
{
	if (!r)
		return;
	bus_unlisten(&r->listener);
	timer_stop(&r->timer);
	r->is_dead = true;
	if (r->is_looking)
		return; /* over() frees */
	free(r->data_dir);
	free(r);
}
