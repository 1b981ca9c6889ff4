/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session_kill: a daemon's inner rooms, killed at random moments while prints are recorded.
 *
 *	session_kill [ROUNDS [DIR]]		$BEDSIDE_AV: the films' worker
 *
 * A printer prints one job after the other, whoever looks. A child process watches it: jobs and
 * layers, a drawn camera, the sessions, their journals, the database, the films and bedside-av as the daemon has
 * them. It dies by SIGKILL at a random moment, ROUNDS times, in one round of four after its film
 * worker did; then it is started anew. In the end it may finish. Then of each print that was seen there must
 * be one session; every picture that was said to be on disk must be there, whole, no layer twice;
 * and each session must have one film that holds all its pictures and decodes to the last one.
 */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "capture/sessions.h"
#include "core/bus.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "film/films.h"
#include "fleet/jobs.h"
#include "model/event.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 15
#define LAYER_MS 60
#define PREPARE_MS 300
#define AFTER_MS 500 /* it says "finished" */
#define MAX_PRINTS 4096
#define FLUSH_MS 40
#define MAX_KILL_MS 900
#define FINISH_S 240

/* What outlives the child. Texts are written before the counter that makes them count. */
struct seen {
	char session[ID_SIZE];
	unsigned print;
	atomic_uint flushed; /* highest number that was said to be on disk */
};

struct shared {
	int64_t begun_ms;
	atomic_uint last_print; /* no other begins after it; UINT_MAX: for ever */
	atomic_uint n_seen;
	struct seen seen[MAX_PRINTS];
};

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- the printer: a function of the time ---- */

static int n_layers(unsigned print)
{
	return 10 + (int)(print * 37 % 60);
}

static int64_t print_ms(unsigned print)
{
	return PREPARE_MS + (int64_t)n_layers(print) * LAYER_MS + AFTER_MS;
}

struct moment {
	unsigned print;
	enum printer_activity activity;
	int layer;
};

static struct moment moment_at(const struct shared *sh, int64_t at_ms)
{
	unsigned last = atomic_load(&sh->last_print);
	int64_t t = at_ms - sh->begun_ms;
	struct moment m = { .activity = PRINTER_PREPARING };

	while (m.print < last && t >= print_ms(m.print))
		t -= print_ms(m.print++);
	t -= PREPARE_MS;
	if (t < 0)
		return m;
	m.layer = (int)MIN(t / LAYER_MS + 1, (int64_t)n_layers(m.print));
	m.activity =
		t < (int64_t)n_layers(m.print) * LAYER_MS ? PRINTER_PRINTING : PRINTER_FINISHED;
	return m;
}

/* ---- the child ---- */

struct daemon {
	struct shared *shared;
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool, *disk;
	struct store *store;
	struct cameras *cameras;
	struct films *films;
	struct sessions *sessions;
	struct jobs *jobs;
	struct bus_listener listener;
	struct timer tick;
	struct printer_state *state; /* as told last */
	unsigned n_unchecked;        /* films */
	int64_t idle_since_ms;
};

static struct seen *seen_of(struct shared *sh, const char *session)
{
	unsigned n = atomic_load(&sh->n_seen);

	for (unsigned i = n; i-- > 0;)
		if (strcmp(sh->seen[i].session, session) == 0)
			return &sh->seen[i];
	if (n == MAX_PRINTS)
		abort();
	TEXT_SET(sh->seen[n].session, session);
	atomic_store(&sh->seen[n].flushed, 0);
	atomic_store(&sh->n_seen, n + 1);
	return &sh->seen[n];
}

static void heard(void *arg, const struct bus_event *e)
{
	struct daemon *d = arg;

	if (e->type == EVENT_FRAME) {
		const struct event_frame *f = event_as_frame(e);

		atomic_store(&seen_of(d->shared, f->session)->flushed, f->number);
	} else if (e->type == EVENT_FILM) {
		const struct film *f = &event_as_film(e)->film;

		if (!films_is_making(d->films, f->session))
			sessions_film_done(d->sessions, f->session);
	}
}

struct ask_films {
	unsigned n;
};

static int ask_unfinished(struct db *db, void *arg, struct err *err)
{
	struct ask_films *a = arg;
	struct film *films = NULL;
	struct session *sessions = NULL;
	size_t n_films = 0, n_sessions = 0;
	int rc = repo_film_unfinished(db, &films, &n_films, err);

	if (rc >= 0)
		rc = repo_session_unfinished(db, &sessions, &n_sessions, err);
	free(films);
	free(sessions);
	a->n = (unsigned)(n_films + n_sessions);
	return rc;
}

/* When the last print is over and nothing is left to be done, the child has done its work. */
static void end_when_done(struct daemon *d, const struct moment *m)
{
	struct ask_films a = { 0 };
	bool is_over =
		m->print == atomic_load(&d->shared->last_print) && m->activity == PRINTER_FINISHED;

	if (!is_over || now_ms() - d->idle_since_ms < 1000)
		return;
	d->idle_since_ms = now_ms();
	if (store_call(d->store, ask_unfinished, &a, NULL) >= 0 && a.n == 0)
		loop_stop(d->loop);
}

static void tell(void *arg)
{
	struct daemon *d = arg;
	struct moment m = moment_at(d->shared, now_ms());
	struct printer_state *s = mem_dup(d->state, sizeof(*d->state));
	struct event_printer *e = event_new_printer();

	s->link = PRINTER_LINK_ONLINE;
	s->heard_us = loop_now_us(d->loop);
	s->heard_wall_ms = loop_wall_ms(d->loop);
	s->activity = m.activity;
	s->job.layer = m.layer;
	s->job.layers = n_layers(m.print);
	s->job.percent = m.layer * 100 / s->job.layers;
	(void)snprintf(s->job.task_id, sizeof(s->job.task_id), "%u", m.print);
	(void)snprintf(s->job.name, sizeof(s->job.name), "print %u", m.print);
	(void)snprintf(s->job.file, sizeof(s->job.file), "print-%u.gcode.3mf", m.print);
	TEXT_SET(e->printer, "a1");
	e->before = d->state->heard_us ? mem_dup(d->state, sizeof(*d->state)) : NULL;
	e->after = mem_dup(s, sizeof(*s));
	free(d->state);
	d->state = s;
	bus_publish(d->bus, &e->head);
	end_when_done(d, &m);
}

static void open_camera(struct daemon *d)
{
	struct camera_config c = { .width = 160, .height = 120, .fps = 30, .ring_ms = 500 };
	struct err err;

	TEXT_SET(c.id, "cam");
	TEXT_SET(c.driver, "fake");
	TEXT_SET(c.printer, "a1");
	c.is_always_open = true;
	c.stale_after_ms = 10000;
	if (cameras_add(d->cameras, &c, NULL, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(3);
	}
}

static void open_rooms(struct daemon *d, const char *dir, const char *worker)
{
	struct session_plan plan;
	struct err err;

	d->pool = work_pool_new(d->loop, "worker", 2);
	d->disk = work_pool_new(d->loop, "journal", 1);
	if (store_open(d->loop, dir, &d->store, &err) < 0) {
		fprintf(stderr, "%s\n", err.text);
		_exit(3);
	}
	d->cameras = cameras_new(
		&(struct cameras_env){ .loop = d->loop, .bus = d->bus, .pool = d->pool });
	d->films = films_new(&(struct films_env){ .loop = d->loop,
	                                          .bus = d->bus,
	                                          .store = d->store,
	                                          .pool = d->pool,
	                                          .data_dir = dir,
	                                          .worker_path = worker,
	                                          .max_workers = 1 });
	d->sessions = sessions_new(&(struct sessions_env){ .loop = d->loop,
	                                                   .bus = d->bus,
	                                                   .cameras = d->cameras,
	                                                   .store = d->store,
	                                                   .disk = d->disk,
	                                                   .data_dir = dir,
	                                                   .flush_ms = FLUSH_MS });
	d->jobs = jobs_new(&(struct jobs_env){ .loop = d->loop,
	                                       .bus = d->bus,
	                                       .store = d->store,
	                                       .pool = d->pool,
	                                       .data_dir = dir });
	session_plan_init(&plan);
	plan.settle_ms = 0;
	plan.min_frames = 1;
	plan.n_cameras = 1;
	TEXT_SET(plan.cameras[0], "cam");
	plan.film.hold_s = 0;
	TEXT_SET(plan.film.preset, "ultrafast");
	open_camera(d);
	sessions_set_plan(d->sessions, "a1", &plan);
	sessions_end_orphans(d->sessions);
}

static void let_go(void *arg)
{
	loop_stop(arg);
}

static void close_rooms(struct daemon *d)
{
	jobs_free(d->jobs);
	sessions_free(d->sessions, let_go, d->loop);
	loop_run(d->loop);
	films_free(d->films, let_go, d->loop);
	loop_run(d->loop);
	cameras_free(d->cameras);
	work_pool_free(d->disk);
	work_pool_free(d->pool);
	store_close(d->store);
}

static _Noreturn void watch(struct shared *sh, const char *dir, const char *worker)
{
	struct daemon d = { .shared = sh, .loop = loop_new(), .idle_since_ms = now_ms() };

	log_set_level(LOG_LEVEL_ERROR);
	d.bus = bus_new(d.loop);
	d.state = MEM_NEW(struct printer_state);
	printer_state_init(d.state);
	open_rooms(&d, dir, worker);
	bus_listen(d.bus, &d.listener, heard, &d);
	timer_init(&d.tick, d.loop, tell, &d);
	timer_start_every(&d.tick, TICK_MS);
	loop_run(d.loop);
	timer_stop(&d.tick);
	close_rooms(&d);
	bus_unlisten(&d.listener);
	bus_free(d.bus);
	loop_free(d.loop);
	free(d.state);
	_exit(0);
}

/* ---- the killer ---- */

static void wait_ms(int64_t ms)
{
	struct timespec ts = { .tv_sec = (time_t)(ms / 1000),
		               .tv_nsec = (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

static uint32_t chance(uint32_t n)
{
	uint32_t v;

	crypto_random(&v, sizeof(v));
	return v % n;
}

/* The first of its children: a film's worker, if it has one just now. */
static void kill_worker(pid_t child)
{
	char path[64];
	auto_buf struct buf b = { 0 };
	uint64_t pid;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)child, (int)child);
	if (fs_read(path, 4096, &b, NULL) < 0 || b.size == 0)
		return;

	char first[24];

	text_copy_n(first, sizeof(first), buf_peek(&b), strcspn(buf_peek(&b), " \n"));
	if (text_to_u64(first, 10, &pid) && pid > 1)
		(void)kill((pid_t)pid, SIGKILL);
}

static bool run_round(struct shared *sh, const char *dir, const char *worker)
{
	pid_t child = fork();
	int status;

	if (child < 0)
		return false;
	if (child == 0)
		watch(sh, dir, worker);
	wait_ms(chance(MAX_KILL_MS));
	if (chance(4) == 0) {
		kill_worker(child);
		wait_ms(chance(100));
	}
	(void)kill(child, SIGKILL);
	if (waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status)) {
		fprintf(stderr, "the child ended by itself\n");
		return false;
	}
	return true;
}

static bool run_to_the_end(struct shared *sh, const char *dir, const char *worker)
{
	int64_t limit_ms = now_ms() + 1000 * (int64_t)FINISH_S;
	pid_t child;
	int status;

	atomic_store(&sh->last_print, moment_at(sh, now_ms()).print);
	child = fork();
	if (child < 0)
		return false;
	if (child == 0)
		watch(sh, dir, worker);
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ms() > limit_ms) {
			fprintf(stderr, "films are still unfinished after %d s\n", FINISH_S);
			(void)kill(child, SIGKILL);
			(void)waitpid(child, &status, 0);
			return false;
		}
		wait_ms(50);
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the judge ---- */

struct verdict {
	const char *dir, *worker;
	struct session *sessions;
	size_t n_sessions;
	uint64_t n_pictures, n_films, n_frames;
	unsigned n_faults;
};

static void fault(struct verdict *v, const char *id, const char *what)
{
	v->n_faults++;
	fprintf(stderr, "session %s: %s\n", id, what);
}

static int ask_sessions(struct db *db, void *arg, struct err *err)
{
	struct verdict *v = arg;
	char before[ID_SIZE] = "";
	size_t n;

	do {
		struct session *list;
		int rc = repo_session_list(db, &(struct repo_page){ .before = before }, &list, &n,
		                           err);

		if (rc < 0)
			return rc;
		v->sessions = mem_grow(v->sessions, v->n_sessions + n + 1, sizeof(*v->sessions));
		if (n > 0) {
			memcpy(v->sessions + v->n_sessions, list, n * sizeof(*list));
			TEXT_SET(before, list[n - 1].id);
		}
		v->n_sessions += n;
		free(list);
	} while (n > 0);
	return 0;
}

static void judge_journal(struct verdict *v, const char *session, const char *dir, uint32_t flushed,
                          uint32_t *ret_n)
{
	struct journal_check c = { 0 };
	struct journal_reader *r;
	struct journal_entry e;
	uint32_t last = 0;
	int kind, last_layer = 0;

	*ret_n = 0;
	if (journal_check(dir, &c, NULL) < 0 || journal_reader_open(dir, &r, NULL) < 0) {
		fault(v, session, "its journal cannot be read");
		return;
	}
	while ((kind = journal_reader_next(r, &e, NULL)) > 0) {
		if (kind != 1)
			continue;
		if (e.number != ++last)
			fault(v, session, "a number is missing, or twice there");
		if (e.trigger == TRIGGER_LAYER && e.layer <= last_layer)
			fault(v, session, "a layer was photographed twice");
		if (e.trigger == TRIGGER_LAYER)
			last_layer = e.layer;
	}
	journal_reader_close(r);
	if (kind < 0 || c.n_missing || c.n_wrong || c.n_strangers || c.has_torn_tail ||
	    !c.has_ended)
		fault(v, session, "its journal is not whole");
	if (last < flushed)
		fault(v, session, "a picture that was said to be on disk is lost");
	*ret_n = c.n_whole;
	v->n_pictures += c.n_whole;
}

static bool is_decoded(const struct verdict *v, const struct film *f)
{
	auto_free char *path = mem_printf("%s/%s", v->dir, f->file);
	char count[16];
	int status;
	pid_t child;

	(void)snprintf(count, sizeof(count), "%u", f->n_frames);
	child = fork();
	if (child == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(null, STDOUT_FILENO);
		(void)execl(v->worker, v->worker, "verify", path, "--frames", count, (char *)NULL);
		_exit(127);
	}
	return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
	       WEXITSTATUS(status) == 0;
}

struct films_of {
	const char *session;
	struct film *list;
	size_t n;
};

static int ask_films(struct db *db, void *arg, struct err *err)
{
	struct films_of *f = arg;

	return repo_film_of_session(db, f->session, &f->list, &f->n, err);
}

static void judge_film(struct verdict *v, struct store *store, const char *session, uint32_t n)
{
	struct films_of f = { .session = session };

	if (store_call(store, ask_films, &f, NULL) < 0 || f.n != 1) {
		fault(v, session, f.n == 0 ? "it has no film" : "it has more than one film");
	} else if (f.list[0].state != FILM_VERIFIED || f.list[0].n_frames != n ||
	           f.list[0].n_skipped != 0) {
		fprintf(stderr, "%s, %u of %u frames: %s\n", film_state_name(f.list[0].state),
		        f.list[0].n_frames, n, f.list[0].text);
		fault(v, session, "its film was not made of all its pictures");
	} else if (!is_decoded(v, &f.list[0])) {
		fault(v, session, "its film does not decode to its last frame");
	} else {
		v->n_films++;
		v->n_frames += n;
	}
	free(f.list);
}

static const struct session *record_of(const struct verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_sessions; i++)
		if (strcmp(v->sessions[i].id, id) == 0)
			return &v->sessions[i];
	return NULL;
}

/* Highest number of it that was said to be on disk. */
static uint32_t flushed_of(const struct shared *sh, const char *session)
{
	for (unsigned i = 0; i < atomic_load(&sh->n_seen); i++)
		if (strcmp(sh->seen[i].session, session) == 0)
			return atomic_load(&sh->seen[i].flushed);
	return 0;
}

static void judge_sessions(struct verdict *v, const struct shared *sh, struct store *store)
{
	for (unsigned i = 0; i < atomic_load(&sh->n_seen); i++)
		if (!record_of(v, sh->seen[i].session))
			fault(v, sh->seen[i].session, "its record is lost");
	for (size_t i = 0; i < v->n_sessions; i++) {
		const struct session *s = &v->sessions[i];
		auto_free char *dir = mem_printf("%s/sessions/%s", v->dir, s->id);
		uint32_t n;

		if (s->state != SESSION_DONE) {
			fault(v, s->id, "it is not done");
			continue;
		}
		judge_journal(v, s->id, dir, flushed_of(sh, s->id), &n);
		if (n > 0)
			judge_film(v, store, s->id, n);
	}
	for (size_t i = 0; i < v->n_sessions; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(v->sessions[i].task_id, v->sessions[k].task_id) == 0)
				fault(v, v->sessions[i].id, "another one has the same print");
}

static bool judge(const struct shared *sh, const char *dir, const char *worker)
{
	struct loop *l = loop_new_simulated(0);
	struct verdict v = { .dir = dir, .worker = worker };
	struct store *store;
	struct err err;
	bool is_good = store_open(l, dir, &store, &err) == 0;

	if (is_good) {
		if (store_call(store, ask_sessions, &v, &err) < 0)
			fault(&v, "", err.text);
		judge_sessions(&v, sh, store);
		store_close(store);
	}
	loop_free(l);
	free(v.sessions);
	printf("%u prints, %llu pictures, %llu films of %llu frames decoded; %u faults\n",
	       atomic_load(&sh->last_print) + 1, (unsigned long long)v.n_pictures,
	       (unsigned long long)v.n_films, (unsigned long long)v.n_frames, v.n_faults);
	return is_good && v.n_faults == 0 && v.n_films > 0;
}

int main(int argc, char **argv)
{
	uint64_t n_rounds = 12;
	char dir[] = "/tmp/bedside-kill-XXXXXX", worker[1200];
	struct shared *sh =
		mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *where = argc > 2 ? argv[2] : mkdtemp(dir);
	bool is_good = true;

	crypto_init();
	if (sh == MAP_FAILED || !where || (argc > 1 && !text_to_u64(argv[1], 10, &n_rounds)))
		return 2;
	films_find_worker(worker, sizeof(worker));
	sh->begun_ms = now_ms();
	atomic_store(&sh->last_print, UINT32_MAX);
	for (uint64_t i = 0; i < n_rounds && is_good; i++)
		is_good = run_round(sh, where, worker);
	is_good = is_good && run_to_the_end(sh, where, worker);
	printf("killed %llu times: ", (unsigned long long)n_rounds);
	is_good = judge(sh, where, worker) && is_good;
	if (argc <= 2 && is_good && fs_remove(where, NULL) < 0)
		return 1;
	if (!is_good)
		fprintf(stderr, "what is left of it: %s\n", where);
	return is_good ? 0 : 1;
}
