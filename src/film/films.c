/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/films.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/proc.h"
#include "core/work.h"
#include "film/left.h"
#include "film/making.h"
#include "film/names.h"
#include "model/event.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define LEAVE_MS 5000
#define MAX_SESSION_JSON (256U << 10)
#define DEFAULT_WORKERS 1
#define MAX_CHECKS 2 /* at once: a start may find many films that nobody has checked yet */

struct films {
	struct films_env env;
	char *data_dir, *worker_path;
	struct film_names *names;
	struct asking *askings; /* on the pool */
	struct bus_listener listener;
	struct making_hooks hooks;
	struct making *makings;
	bool is_sweeping; /* sweep() is posted */
	bool is_leaving;
	struct timer leave;
	void (*done)(void *arg);
	void *done_arg;
};

/* ---- records ---- */

static int run_save(struct db *db, void *arg, struct err *err)
{
	return repo_film_save(db, arg, err);
}

static void on_saved(void *arg, int rc, const struct err *err)
{
	struct film *f = arg;

	if (rc < 0)
		log_error(NULL, "the record of film %s was not stored: %s", f->id, err->text);
	free(f);
}

static void publish(struct films *fs, const struct film *f)
{
	struct event_film *e = event_new_film();

	e->film = *f;
	bus_publish(fs->env.bus, &e->head);
}

static void save(struct films *fs, const struct film *f)
{
	if (fs->env.store)
		store_submit(fs->env.store, run_save, on_saved, mem_dup(f, sizeof(*f)));
}

/* What a person should hear of without looking at the film. */
static void tell(struct films *fs, struct making *m, bool is_milestone)
{
	const struct film *f = &m->film;
	int64_t now_ms = loop_wall_ms(fs->env.loop);

	if (is_milestone && f->state == FILM_FAILED && !m->is_unwanted)
		event_notice(fs->env.bus, now_ms, NOTICE_WARNING, "film", f->printer, "%s: %s",
		             f->job_name, f->text);
	if (m->waits_for_disk && !m->is_wait_told)
		event_notice(fs->env.bus, now_ms, NOTICE_ALARM, "disk", f->printer, "%s: %s",
		             f->job_name, f->text);
	m->is_wait_told = m->waits_for_disk;
}

static void on_changed(void *arg, struct making *m, bool is_milestone)
{
	struct films *fs = arg;

	tell(fs, m, is_milestone);
	if (is_milestone)
		save(fs, &m->film);
	publish(fs, &m->film);
}

/* ---- the list ---- */

static struct making *find(const struct films *fs, const char *film_id)
{
	for (struct making *m = fs->makings; m; m = m->next)
		if (strcmp(m->film.id, film_id) == 0)
			return m;
	return NULL;
}

/* The session's own film of one camera. */
static struct making *find_own(const struct films *fs, const char *session, const char *camera)
{
	for (struct making *m = fs->makings; m; m = m->next)
		if (m->follows && strcmp(m->film.session, session) == 0 &&
		    strcmp(m->film.camera, camera) == 0)
			return m;
	return NULL;
}

static unsigned n_rendering(const struct films *fs)
{
	unsigned n = 0;

	for (const struct making *m = fs->makings; m; m = m->next)
		n += !m->follows && m->phase != MAKING_QUEUED && m->phase != MAKING_OVER;
	return n;
}

static void start_queued(struct films *fs)
{
	unsigned max = fs->env.max_workers ? fs->env.max_workers : DEFAULT_WORKERS;

	for (struct making *m = fs->makings; m && n_rendering(fs) < max; m = m->next) {
		if (m->follows || m->phase != MAKING_QUEUED)
			continue;
		m->phase = MAKING_ENCODING;
		making_go(m);
	}
}

static void leave_if_idle(struct films *fs)
{
	for (const struct making *m = fs->makings; m; m = m->next)
		if (making_is_running(m))
			return;
	timer_stop(&fs->leave);
	while (fs->makings) {
		struct making *m = fs->makings;

		fs->makings = m->next;
		making_free(m);
	}
	if (fs->done)
		fs->done(fs->done_arg);
	film_names_free(fs->names);
	free(fs->data_dir);
	free(fs->worker_path);
	free(fs);
}

/* What is over and asked for by nobody goes; queued films get their turn. */
static void sweep(void *arg)
{
	struct films *fs = arg;

	fs->is_sweeping = false;
	if (fs->is_leaving) {
		leave_if_idle(fs);
		return;
	}
	for (struct making **at = &fs->makings; *at;) {
		struct making *m = *at;

		if (m->phase == MAKING_OVER && (!m->follows || m->is_known_done)) {
			*at = m->next;
			making_free(m);
		} else {
			at = &m->next;
		}
	}
	start_queued(fs);
}

static void sweep_soon(struct films *fs)
{
	if (fs->is_sweeping)
		return;
	fs->is_sweeping = true;
	loop_post(fs->env.loop, sweep, fs);
}

static void on_idle(void *arg, struct making *m UNUSED)
{
	sweep_soon(arg);
}

static bool may_check(void *arg)
{
	const struct films *fs = arg;
	unsigned n = 0;

	for (const struct making *m = fs->makings; m; m = m->next)
		n += m->phase == MAKING_VERIFYING && making_is_running(m);
	return n < MAX_CHECKS;
}

static struct making *add(struct films *fs, const struct film *f)
{
	struct making *m = making_new(&fs->env, &fs->hooks, f);
	struct making **end = &fs->makings;

	while (*end)
		end = &(*end)->next;
	*end = m;
	return m;
}

/* ---- names ---- */

static bool is_taken(const struct films *fs, const char *file)
{
	for (const struct making *m = fs->makings; m; m = m->next)
		if (strcmp(m->film.file, file) == 0)
			return true;
	return film_names_has(fs->names, file);
}

/* No film is ever overwritten: the second of a name is "…-2". */
static void name_by(struct films *fs, struct film *f, const char *base)
{
	(void)snprintf(f->file, sizeof(f->file), "%s.mp4", base);
	(void)snprintf(f->poster, sizeof(f->poster), "%s.jpg", base);
	for (unsigned n = 2; is_taken(fs, f->file) || is_taken(fs, f->poster); n++) {
		(void)snprintf(f->file, sizeof(f->file), "%s-%u.mp4", base, n);
		(void)snprintf(f->poster, sizeof(f->poster), "%s-%u.jpg", base, n);
	}
	film_names_add(fs->names, f->file);
	film_names_add(fs->names, f->poster);
}

static void name_film(struct films *fs, struct film *f, int64_t wall_ms, const char *camera)
{
	char base[200];

	films_name(base, sizeof(base), wall_ms, f->job_name, camera);
	name_by(fs, f, base);
}

static struct film film_of(const struct films *fs, const struct session *s, const char *camera)
{
	struct film f = { .state = FILM_GROWING, .progress_percent = -1, .plan = s->film };

	id_new(f.id, loop_wall_ms(fs->env.loop));
	TEXT_SET(f.session, s->id);
	TEXT_SET(f.printer, s->printer);
	TEXT_SET(f.camera, camera);
	TEXT_SET(f.job_name, s->job_name);
	f.made_wall_ms = loop_wall_ms(fs->env.loop);
	return f;
}

static void rename_film(void *arg, struct making *m)
{
	struct film f = m->film;
	char base[200];

	text_copy_n(base, sizeof(base), f.file, strlen(f.file) - strlen(".mp4"));
	name_by(arg, &f, base);
	m->film = f;
}

/* ---- sessions ---- */

/* Pictures of one camera, when the session ends as it is now thought to. */
static uint32_t expected_of(const struct session *s)
{
	return s->n_expected;
}

static struct making *own_film(struct films *fs, const struct session *s, const char *camera)
{
	struct making *m = find_own(fs, s->id, camera);

	if (m)
		return m;

	struct film f = film_of(fs, s, camera);

	name_film(fs, &f, s->started_wall_ms, s->n_cameras > 1 ? camera : NULL);
	m = add(fs, &f);
	m->follows = true;
	m->n_expected = expected_of(s);
	m->min_frames = s->min_frames;
	on_changed(fs, m, true);
	return m;
}

static void session_records(struct films *fs, const struct session *s)
{
	for (unsigned i = 0; s->wants_film && i < s->n_cameras; i++) {
		struct making *m = own_film(fs, s, s->cameras[i]);

		making_expect(m, expected_of(s));
	}
}

static void session_finalises(struct films *fs, const struct session *s)
{
	for (unsigned i = 0; s->wants_film && i < s->n_cameras; i++) {
		struct making *m = own_film(fs, s, s->cameras[i]);

		if (m->phase > MAKING_ENCODING)
			publish(fs, &m->film); /* made before; somebody has missed it */
		else
			making_finish(m);
	}
}

static void give_up_unwanted(struct making *m, const struct session *s)
{
	char text[240];

	(void)snprintf(text, sizeof(text),
	               "No film was made: %.140s. The pictures are kept for now.",
	               s->state_text[0] ? s->state_text : "the session ended without one");
	m->is_unwanted = true;
	making_give_up(m, text);
}

static void session_over(struct films *fs, const struct session *s)
{
	for (struct making *m = fs->makings; m; m = m->next) {
		if (!m->follows || strcmp(m->film.session, s->id) != 0)
			continue;
		m->is_known_done = true;
		if (m->phase <= MAKING_ENCODING && !s->wants_film)
			give_up_unwanted(m, s);
		else if (m->phase <= MAKING_ENCODING)
			making_finish(m);
	}
	sweep_soon(fs);
}

static void on_session(struct films *fs, const struct session *s)
{
	switch (s->state) {
	case SESSION_IDLE:
	case SESSION_DONE:
		session_over(fs, s);
		return;
	case SESSION_ARMED:
		return;
	case SESSION_RECORDING:
	case SESSION_PAUSED:
		session_records(fs, s);
		return;
	case SESSION_FINALISING:
		session_finalises(fs, s);
		return;
	}
}

static void on_event(void *arg, const struct bus_event *e)
{
	struct films *fs = arg;

	if (fs->is_leaving)
		return;
	if (e->type == EVENT_SESSION) {
		on_session(fs, &event_as_session(e)->session);
	} else if (e->type == EVENT_FRAME) {
		const struct event_frame *f = event_as_frame(e);
		struct making *m = find_own(fs, f->session, f->camera);

		if (m)
			making_nudge(m);
	}
}

/* ---- what an earlier run left ---- */

/* A session's own film is named after its start; one that was asked for later is not. */
static bool is_named_after(const struct film *f, const struct session *s)
{
	char when[WHEN_TEXT_SIZE], start[64];

	(void)snprintf(start, sizeof(start), "films/%s_", when_file_name(when, s->started_wall_ms));
	return strncmp(f->file, start, strlen(start)) == 0;
}

static void take_up(struct films *fs, const struct film *f, const struct session *s, bool own)
{
	struct making *m = add(fs, f);
	bool is_running = s->state == SESSION_RECORDING || s->state == SESSION_PAUSED ||
	                  s->state == SESSION_ARMED;

	m->follows = own;
	m->n_expected = expected_of(s);
	m->min_frames = own ? s->min_frames : 0;
	m->is_known_done = s->state == SESSION_DONE || s->state == SESSION_IDLE;
	switch (f->state) {
	case FILM_READY:
		m->phase = MAKING_VERIFYING;
		m->wants_finish = true;
		break;
	case FILM_VERIFIED:
	case FILM_FAILED:
		m->phase = MAKING_OVER;
		break;
	case FILM_GROWING:
	case FILM_FINISHING:
		if (own && s->id[0] && !s->wants_film && is_named_after(f, s)) {
			give_up_unwanted(m, s);
			break;
		}
		/* A running session's film waits for its next frame or its end. */
		if (own && is_running)
			break;
		m->film.state = FILM_FINISHING;
		m->wants_finish = true;
		m->phase = own ? MAKING_ENCODING : MAKING_QUEUED;
		break;
	}
	if (m->phase != MAKING_OVER)
		making_go(m);
}

static void take_up_all(struct films *fs)
{
	struct film_left l = { 0 };
	struct err err = { 0 };

	if (store_call(fs->env.store, film_left_read, &l, &err) < 0)
		log_error(NULL, "unfinished films could not be looked up: %s", err.text);
	for (size_t i = 0; i < l.n_films; i++)
		take_up(fs, &l.films[i], &l.sessions[i], l.is_own[i]);
	film_left_fini(&l);
	start_queued(fs);
}

/* ---- life ---- */

static void on_leave(void *arg)
{
	struct films *fs = arg;

	for (struct making *m = fs->makings; m; m = m->next)
		if (m->proc)
			proc_kill(m->proc, 0);
}

struct films *films_new(const struct films_env *env)
{
	struct films *fs = MEM_NEW(struct films);

	assert(loop_is_mine(env->loop));
	fs->env = *env;
	fs->env.data_dir = fs->data_dir = mem_str(env->data_dir);
	fs->env.worker_path = fs->worker_path = mem_str(env->worker_path);
	fs->hooks = (struct making_hooks){ on_changed, on_idle, fs, may_check, rename_film };
	timer_init(&fs->leave, env->loop, on_leave, fs);
	fs->names = film_names_new(env->data_dir);
	bus_listen(env->bus, &fs->listener, on_event, fs);
	if (env->store)
		take_up_all(fs);
	return fs;
}

bool films_is_making(const struct films *fs, const char *session_id)
{
	for (const struct making *m = fs->makings; m; m = m->next)
		if (m->follows && strcmp(m->film.session, session_id) == 0 &&
		    m->phase < MAKING_REMAKING)
			return true;
	return false;
}

/* ---- further films ---- */

/* A session that is read before films of it are made. The pool's alone until it is back. */
struct asking {
	struct films *films; /* NULL: they are gone */
	struct films_asker asker;
	char camera[MODEL_ID_SIZE]; /* "": all */
	struct film_plan plan;
	char *path;
	struct session session;
	int rc;
	struct err err;
	struct asking *prev, *next; /* films.askings */
};

static void read_session(void *arg)
{
	struct asking *a = arg;
	struct buf text;
	json_t *o;

	a->rc = fs_read(a->path, MAX_SESSION_JSON, &text, &a->err);
	o = a->rc < 0 ? NULL : json_loadb(buf_peek(&text), text.size, 0, NULL);
	buf_fini(&text);
	if (a->rc == -ENOENT)
		a->rc = err_set(&a->err, -ENOENT, "There is no session of this id.");
	else if (a->rc == 0 && !json_to_session(&a->session, o))
		a->rc = err_set(&a->err, -EBADMSG, "%s is damaged.", a->path);
	json_decref(o);
}

static void render_one(struct films *fs, const struct session *s, const char *camera,
                       const struct film_plan *plan, struct film *ret)
{
	struct film f = film_of(fs, s, camera);

	f.plan = *plan;
	name_film(fs, &f, loop_wall_ms(fs->env.loop), s->n_cameras > 1 ? camera : NULL);

	struct making *m = add(fs, &f);

	m->wants_finish = true;
	TEXT_SET(m->film.text, "Waits for its turn.");
	on_changed(fs, m, true);
	*ret = m->film;
	TEXT_SET(m->film.text, "");
}

static bool has_camera(const struct session *s, const char *camera)
{
	for (unsigned i = 0; i < s->n_cameras; i++)
		if (strcmp(s->cameras[i], camera) == 0)
			return true;
	return false;
}

/* Films of what was read; their number, or why there is none. */
static int render_read(struct asking *a, struct film ret[SESSION_MAX_CAMERAS])
{
	const struct session *s = &a->session;
	bool is_all = !a->camera[0];
	int n = 0;

	if (a->rc < 0)
		return a->rc;
	if (s->frames_deleted_wall_ms != 0)
		return err_set(&a->err, -ENOENT,
		               "The pictures of this session were deleted to keep the disk free; "
		               "no other film can be made of it.");
	if (s->n_cameras == 0)
		return err_set(&a->err, -ENOENT, "This session has no camera.");
	if (!is_all && !has_camera(s, a->camera))
		return err_set(&a->err, -ENOENT,
		               "This session was not recorded by a camera '%.60s'.", a->camera);
	for (unsigned i = 0; i < s->n_cameras; i++)
		if (is_all || strcmp(s->cameras[i], a->camera) == 0)
			render_one(a->films, s, s->cameras[i], &a->plan, &ret[n++]);
	sweep_soon(a->films);
	return n;
}

static void forget_asking(struct films *fs, struct asking *a)
{
	DL_DELETE(fs->askings, a);
}

static void session_is_read(void *arg)
{
	struct asking *a = arg;

	if (a->films) {
		struct film *made = mem_new_array(SESSION_MAX_CAMERAS, sizeof(*made));
		int n = render_read(a, made);

		forget_asking(a->films, a);
		a->asker.done(a->asker.arg, made, n, n < 0 ? &a->err : NULL);
		free(made);
	}
	free(a->path);
	free(a);
}

void films_render(struct films *fs, const char *session_id, const char *camera,
                  const struct film_plan *plan, struct films_asker asker)
{
	struct err err = { 0 };
	struct asking *a;
	int rc = film_plan_check(plan, &err);

	assert(loop_is_mine(fs->env.loop));
	if (rc == 0 && !id_is_valid(session_id))
		rc = err_set(&err, -ENOENT, "There is no session of this id.");
	if (rc < 0) {
		asker.done(asker.arg, NULL, rc, &err);
		return;
	}
	a = MEM_NEW(struct asking);
	a->films = fs;
	a->asker = asker;
	TEXT_SET(a->camera, camera ? camera : "");
	a->plan = *plan;
	a->path = mem_printf("%s/sessions/%s/session.json", fs->env.data_dir, session_id);
	DL_APPEND(fs->askings, a);
	work_submit(fs->env.pool, read_session, session_is_read, a);
}

static void refuse_askings(struct films *fs)
{
	struct err err = { 0 };
	struct asking *a;

	(void)err_set(&err, -ESHUTDOWN, "Bedside is ending; ask again when it is back.");
	while ((a = fs->askings)) {
		forget_asking(fs, a);
		a->films = NULL;
		a->asker.done(a->asker.arg, NULL, -ESHUTDOWN, &err);
	}
}

/* What a worker had made of it by then. */
static void run_removal(void *arg)
{
	static const char *const endings[] = { "track", "index" };

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		auto_free char *path = mem_printf("%s.%s", (const char *)arg, endings[i]);

		(void)unlink(path);
	}
}

static void remove_track(const struct films *fs, const struct film *f)
{
	work_submit(fs->env.pool, run_removal, free,
	            mem_printf("%s/sessions/%s/film/%s", fs->env.data_dir, f->session, f->id));
}

int films_cancel(struct films *fs, const char *film_id, struct err *err)
{
	struct making *m = find(fs, film_id);

	assert(loop_is_mine(fs->env.loop));
	if (!m || m->phase == MAKING_OVER)
		return err_set(err, -ENOENT, "No such film is being made.");
	if (m->follows)
		return err_set(err, -EBUSY,
		               "This film belongs to its session; end the session without a film "
		               "instead.");
	if (m->film.state == FILM_READY)
		return err_set(err, -EBUSY, "The film is ready already; delete it instead.");
	m->is_unwanted = true;
	making_give_up(m, "Cancelled.");
	remove_track(fs, &m->film);
	return 0;
}

int films_forget(struct films *fs, const char *film_id, struct err *err)
{
	struct making *m = find(fs, film_id);

	assert(loop_is_mine(fs->env.loop));
	if (!m || m->phase == MAKING_OVER)
		return 0;
	if (m->follows && m->phase <= MAKING_ENCODING)
		return err_set(err, -EBUSY, "The film is still being made; end its session first.");
	m->is_unwanted = true;
	making_give_up(m, "Deleted.");
	remove_track(fs, &m->film);
	return 0;
}

/* ---- the end ---- */

void films_free(struct films *fs, void (*done)(void *arg), void *arg)
{
	if (!fs) {
		if (done)
			done(arg);
		return;
	}
	assert(loop_is_mine(fs->env.loop));
	bus_unlisten(&fs->listener);
	refuse_askings(fs);
	fs->is_leaving = true;
	fs->done = done;
	fs->done_arg = arg;
	for (struct making *m = fs->makings; m; m = m->next)
		(void)making_leave(m);
	timer_start(&fs->leave, LEAVE_MS);
	sweep_soon(fs);
}
