/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/jobs.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "fleet/layers.h"
#include "gcode/file.h"
#include "model/event.h"
#include "printers/printer.h"
#include "store/repo.h"
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

/* One printer and its running job. */
struct watch {
	struct jobs *jobs;
	char printer[MODEL_ID_SIZE];
	bool has_job;
	bool is_from_store; /* of an earlier run: not yet heard of */
	bool is_paused;
	bool was_away; /* nothing was heard for a while: compare before concluding */
	bool is_fetching;
	bool is_given;                  /* the user gave the file of the running job */
	int heard_layer, heard_percent; /* of the running job, newest in its reports; -1 none yet */
	int64_t heard_pos;
	bool is_captured; /* by our own moves, now */
	struct job job;
	struct layers *layers;
	struct watch *prev, *next; /* jobs.watches */
};

struct jobs {
	struct jobs_env env;
	char *data_dir;
	struct bus_listener listener;
	struct watch *watches;
	unsigned n_indexing; /* on the pool */
	bool is_dead;        /* freed, but for what is being indexed */
};

static struct watch *find(const struct jobs *js, const char *printer)
{
	struct watch *w;

	DL_FOREACH(js->watches, w)
	if (strcmp(w->printer, printer) == 0)
		return w;
	return NULL;
}

static struct watch *find_job(const struct jobs *js, const char *job)
{
	struct watch *w;

	DL_FOREACH(js->watches, w)
	if (w->has_job && strcmp(w->job.id, job) == 0)
		return w;
	return NULL;
}

static struct watch *make(struct jobs *js, const char *printer)
{
	struct watch *w = find(js, printer);

	if (w)
		return w;
	w = MEM_NEW(struct watch);
	w->jobs = js;
	TEXT_SET(w->printer, printer);
	DL_APPEND(js->watches, w);
	return w;
}

/* ---- records and events ---- */

struct record {
	struct job job;
	struct layer layer;
	bool has_layer;
};

static int run_record(struct db *db, void *arg, struct err *err)
{
	struct record *r = arg;
	int rc = repo_job_save(db, &r->job, err);

	if (rc >= 0 && r->has_layer)
		rc = repo_layer_save(db, &r->layer, err);
	return rc;
}

static void record_done(void *arg, int rc UNUSED, const struct err *err)
{
	if (err)
		log_warn(NULL, "a job's record was not kept: %s", err->text);
	free(arg);
}

static void save(struct watch *w, const struct layer *l)
{
	struct record *r;

	if (!w->jobs->env.store)
		return;
	r = MEM_NEW(struct record);
	r->job = w->job;
	r->has_layer = l != NULL;
	if (l)
		r->layer = *l;
	store_submit(w->jobs->env.store, run_record, record_done, r);
}

static void publish(struct watch *w, enum job_phase phase)
{
	struct event_job *e = event_new_job();

	e->phase = phase;
	e->job = w->job;
	save(w, NULL);
	bus_publish(w->jobs->env.bus, &e->head);
}

static void layer_said(void *arg, const struct layer *l)
{
	struct watch *w = arg;
	struct event_layer *e = event_new_layer();

	e->layer = *l;
	w->job.layer = l->number;
	if (l->layers > 0)
		w->job.layers = l->layers;
	save(w, l);
	bus_publish(w->jobs->env.bus, &e->head);
}

/* ---- the job's file ---- */

struct indexing {
	struct jobs *jobs;
	char job[ID_SIZE];
	char *path;
	unsigned plate;
	bool is_kept;   /* fetched before, perhaps */
	bool is_absent; /* it was not */
	struct gcode_index *ix;
	int rc;
	struct err err;
};

static void run_index(void *arg)
{
	struct indexing *in = arg;

	in->is_absent = in->is_kept && access(in->path, R_OK) < 0;
	if (!in->is_absent)
		in->rc = gcode_file_index(in->path, in->plate, NULL, &in->ix, &in->err);
}

static void tell_no_table(struct watch *w, const char *why)
{
	event_notice(w->jobs->env.bus, loop_wall_ms(w->jobs->env.loop), NOTICE_INFO, "printer",
	             w->printer,
	             "%s: its sliced file is not at hand (%.200s). Layers are counted by what the "
	             "printer reports.",
	             w->job.name, why);
}

static void tell_lie(struct watch *w, const struct gcode_index *ix)
{
	char lie[300];

	if (gcode_index_lie(ix, lie, sizeof(lie)))
		event_notice(
			w->jobs->env.bus, loop_wall_ms(w->jobs->env.loop), NOTICE_WARNING,
			"printer", w->printer,
			"%s is wrong about its layers: %s. Bedside goes by what it prints; the "
			"print is left alone.",
			w->job.name, lie);
}

static void take_table(struct watch *w, const struct gcode_index *ix, const char *path)
{
	size_t n = strlen(w->jobs->data_dir);
	bool is_new = !w->job.gcode_path[0]; /* else it was told before a restart */

	if (strncmp(path, w->jobs->data_dir, n) == 0 && path[n] == '/')
		TEXT_SET(w->job.gcode_path, path + n + 1);
	if (ix->time_s > 0)
		w->job.estimate_s = ix->time_s;
	w->job.filament_g = ix->filament_g;
	layers_set_table(w->layers, ix);
	if (is_new && layers_has_table(w->layers))
		tell_lie(w, ix);
	if (layers_total(w->layers) > 0)
		w->job.layers = layers_total(w->layers);
	publish(w, JOB_TABLE);
}

static void fetch_now(struct watch *w, const char *path);

static void indexed(void *arg)
{
	struct indexing *in = arg;
	struct jobs *js = in->jobs;
	struct watch *w = js->is_dead ? NULL : find_job(js, in->job);

	js->n_indexing--;
	if (w && in->is_absent) {
		if (!w->is_given)
			fetch_now(w, in->path);
	} else if (w && in->rc == 0) {
		take_table(w, in->ix, in->path);
	} else if (w) {
		tell_no_table(w, in->err.text);
	}
	gcode_index_free(in->ix);
	free(in->path);
	free(in);
	if (js->is_dead && js->n_indexing == 0)
		free(js);
}

static void index_file(struct watch *w, const char *path, bool is_kept)
{
	struct indexing *in = MEM_NEW(struct indexing);

	in->jobs = w->jobs;
	TEXT_SET(in->job, w->job.id);
	in->path = mem_str(path);
	in->is_kept = is_kept;
	in->plate = gcode_plate_number(w->job.plate);
	w->jobs->n_indexing++;
	work_submit(w->jobs->env.pool, run_index, indexed, in);
}

static void fetched(void *arg, const char *path, const struct err *err)
{
	struct watch *w = arg;

	w->is_fetching = false;
	if (!w->has_job)
		return;
	if (path)
		index_file(w, path, false);
	else
		tell_no_table(w, err->text);
}

static void fetch_now(struct watch *w, const char *path)
{
	struct printers *ps = w->jobs->env.printers;
	struct printer *p = ps ? printers_find(ps, w->printer) : NULL;
	struct printer_fetch f = { .done = fetched, .arg = w };
	struct err err;

	if (!p)
		return;
	if (printer_fetch_job(p, path, &f, &err) < 0)
		tell_no_table(w, err.text);
	else
		w->is_fetching = true;
}

/* From the printer, unless an earlier run has it already. */
static void fetch(struct watch *w)
{
	auto_free char *path = mem_printf("%s/jobs/%s.3mf", w->jobs->data_dir, w->job.id);

	index_file(w, path, true);
}

static void stop_fetch(struct watch *w)
{
	struct printers *ps = w->jobs->env.printers;
	struct printer *p = ps ? printers_find(ps, w->printer) : NULL;

	if (w->is_fetching && p)
		printer_fetch_cancel(p);
	w->is_fetching = false;
}

int jobs_give_file(struct jobs *js, const char *printer, const char *path, struct err *err)
{
	struct watch *w = find(js, printer);

	if (!w || !w->has_job)
		return err_set(err, -ENOENT, "no job runs on this printer");
	stop_fetch(w);
	w->is_given = true;
	index_file(w, path, false);
	return 0;
}

/* ---- life of a job ---- */

static bool differs(const char *a, const char *b)
{
	return a[0] != '\0' && b[0] != '\0' && strcmp(a, b) != 0;
}

static bool is_task(const char *id)
{
	return id[0] != '\0' && strcmp(id, "0") != 0;
}

#define LONGEST_PRINT_MS (30LL * 86400 * 1000)

/* What an earlier run has recorded, in percent of layers, is not what the printer counts in. */
#define PERCENT_SLACK 15

/* The same file again, begun while nobody looked: it is further down and has done less. Further down
 * alone is a printer that prints object by object, or our own count that ran ahead of its reports. */
static bool has_begun_again(const struct watch *w, const struct printer_job *p)
{
	const struct job *j = &w->job;
	int layer = w->heard_layer >= 0 ? w->heard_layer : j->layer;
	double done = -1;

	/* A place in the file only rises. */
	if (p->layer < 0 && p->file_pos >= 0 && w->heard_pos >= 0)
		return p->file_pos < w->heard_pos;
	if (p->layer < 0 || p->layer >= layer - 1)
		return false;
	if (w->heard_percent >= 0)
		done = w->heard_percent;
	else if (j->layer > 0 && j->layers > 0)
		done = 100.0 * j->layer / j->layers - PERCENT_SLACK;
	return p->percent <= 0 || done < 0 || p->percent < done;
}

/* Fields come one by one and some vanish again: only two words that differ say "another". */
static bool is_same(const struct watch *w, const struct printer_job *p)
{
	const struct job *j = &w->job;

	if (is_task(j->task_id) && is_task(p->task_id))
		return strcmp(j->task_id, p->task_id) == 0;
	if (differs(j->name, p->name) || differs(j->file, p->file) || differs(j->plate, p->plate))
		return false;
	return !(w->was_away && has_begun_again(w, p));
}

static void learn(struct job *j, const struct printer_job *p)
{
	if (p->name[0] != '\0')
		TEXT_SET(j->name, p->name);
	if (p->file[0] != '\0')
		TEXT_SET(j->file, p->file);
	if (p->task_id[0] != '\0')
		TEXT_SET(j->task_id, p->task_id);
	if (p->plate[0] != '\0')
		TEXT_SET(j->plate, p->plate);
	if (p->layers > 0)
		j->layers = p->layers;
	/* Of the file itself it is known better. */
	if (isnan(j->estimate_s) && p->estimate_s > 0)
		j->estimate_s = p->estimate_s;
}

static void begin(struct watch *w, const struct printer_state *s, enum layers_start how)
{
	struct jobs *js = w->jobs;
	int64_t now_ms = loop_wall_ms(js->env.loop);

	w->has_job = true;
	w->is_from_store = w->is_paused = w->is_given = false;
	w->heard_layer = w->heard_percent = -1;
	w->heard_pos = -1;
	w->job = (struct job){ .layer = -1,
		               .layers = -1,
		               .estimate_s = (double)NAN,
		               .filament_g = (double)NAN,
		               .started_wall_ms = now_ms };
	id_new(w->job.id, now_ms);
	TEXT_SET(w->job.printer, w->printer);
	/* The printer's word, as far as its clock can be right. */
	if (how == LAYERS_JOINED && s->job.started_wall_ms > now_ms - LONGEST_PRINT_MS)
		w->job.started_wall_ms = MIN(s->job.started_wall_ms, now_ms);
	learn(&w->job, &s->job);
	if (w->job.name[0] == '\0')
		TEXT_SET(w->job.name, w->job.file[0] ? w->job.file : "print");
	w->layers = layers_new(w->job.id, w->printer, how, layer_said, w);
	log_info(NULL, "printer %s: job '%s' %s", w->printer, w->job.name,
	         how == LAYERS_JOINED ? "is under way" : "has begun");
	publish(w, JOB_STARTED);
	fetch(w);
}

/* ---- files of old jobs ---- */

#define KEEP_FILES 20 /* and two for each printer; those of running jobs besides */

struct tidying {
	char *dir;
	int n_keep;
	char (*running)[ID_SIZE]; /* their files stay, however old */
	unsigned n_running;
};

static int is_job_file(const struct dirent *d)
{
	return strlen(d->d_name) == ID_SIZE - 1 + strlen(".3mf") && text_ends(d->d_name, ".3mf");
}

static bool is_running(const struct tidying *t, const char *name)
{
	for (unsigned i = 0; i < t->n_running; i++)
		if (text_starts(name, t->running[i]))
			return true;
	return false;
}

/* The names begin with their time. */
static void run_tidy(void *arg)
{
	struct tidying *t = arg;
	struct dirent **names = NULL;
	int n = scandir(t->dir, &names, is_job_file, alphasort);

	for (int i = 0; i < n; i++) {
		char path[1400];

		(void)snprintf(path, sizeof(path), "%s/%.64s", t->dir, names[i]->d_name);
		if (i < n - t->n_keep && !is_running(t, names[i]->d_name))
			(void)unlink(path);
		free(names[i]);
	}
	free(names);
}

static void tidied(void *arg)
{
	struct tidying *t = arg;

	free(t->dir);
	free(t->running);
	free(t);
}

static void tidy(struct jobs *js)
{
	struct tidying *t;
	const struct watch *w;
	unsigned n = 0;

	if (!js->env.pool)
		return;
	DL_FOREACH(js->watches, w)
	n++;
	t = MEM_NEW(struct tidying);
	t->dir = mem_printf("%s/jobs", js->data_dir);
	t->n_keep = KEEP_FILES + 2 * (int)n;
	t->running = mem_new_array(MAX(n, 1U), sizeof(*t->running));
	DL_FOREACH(js->watches, w)
	{
		if (!w->has_job)
			continue;
		TEXT_SET(t->running[t->n_running], w->job.id);
		t->n_running++;
	}
	work_submit(js->env.pool, run_tidy, tidied, t);
}

static void end(struct watch *w, enum job_outcome outcome, const char *reason)
{
	struct jobs *js = w->jobs;

	stop_fetch(w);
	layers_end(w->layers, loop_now_us(js->env.loop), loop_wall_ms(js->env.loop),
	           outcome == JOB_FINISHED ? LAYERS_FINISHED : LAYERS_FAILED);
	w->job.outcome = outcome;
	w->job.ended_wall_ms = loop_wall_ms(js->env.loop);
	TEXT_SET(w->job.reason, reason);
	log_info(NULL, "printer %s: job '%s' %s", w->printer, w->job.name,
	         job_outcome_name(outcome));
	publish(w, JOB_ENDED);
	layers_free(w->layers);
	w->layers = NULL;
	w->has_job = false;
	tidy(js);
}

static void conclude(struct watch *w, const struct printer_state *s)
{
	bool is_sure = !w->was_away && !w->is_from_store;
	const char *error = s->print_error_text[0] ? s->print_error_text : s->print_error_code;

	if (!is_same(w, &s->job)) {
		end(w, JOB_LOST, "it ended while Bedside could not see the printer");
		return;
	}
	switch (s->activity) {
	case PRINTER_FINISHED:
		end(w, JOB_FINISHED, "");
		break;
	case PRINTER_FAILED:
		end(w, JOB_FAILED, error);
		break;
	case PRINTER_CANCELLED:
		end(w, JOB_CANCELLED, "stopped at the printer or by command");
		break;
	case PRINTER_IDLE:
		if (is_sure)
			end(w, JOB_CANCELLED, "the printer went back to idle");
		else
			end(w, JOB_LOST, "the printer no longer knows it");
		break;
	case PRINTER_UNKNOWN:
	case PRINTER_PREPARING:
	case PRINTER_PRINTING:
	case PRINTER_PAUSED:
		break;
	}
}

static void report(struct watch *w, const struct printer_state *s)
{
	struct layers_report r = { .is_printing = s->activity == PRINTER_PRINTING,
		                   .layer = s->job.layer,
		                   .layers = s->job.layers,
		                   .percent = s->job.percent,
		                   .remaining_min = s->job.remaining_min,
		                   .stage = s->stage,
		                   .has_file_pos = s->job.file_pos >= 0,
		                   .file_pos = s->job.file_pos,
		                   .file_size = MAX(s->job.file_size, (int64_t)0),
		                   .has_z = isfinite(s->job.z_mm),
		                   .z_mm = s->job.z_mm,
		                   .z_error_mm = s->job.z_error_mm,
		                   .is_ahead = s->job.z_is_queued && s->job.is_streamed,
		                   .is_table_coming = w->is_fetching || w->jobs->n_indexing > 0,
		                   .is_own_move = w->is_captured };
	bool is_paused = s->activity == PRINTER_PAUSED;

	if (r.layer >= 0)
		w->heard_layer = r.layer;
	if (r.percent >= 0)
		w->heard_percent = r.percent;
	if (r.has_file_pos)
		w->heard_pos = r.file_pos;
	if (is_paused && !w->is_paused) {
		layers_report(w->layers, s->heard_us, s->heard_wall_ms, &r);
		layers_pause(w->layers);
		publish(w, JOB_PAUSED);
	} else if (!is_paused && w->is_paused) {
		layers_resume(w->layers);
		publish(w, JOB_RESUMED);
	}
	w->is_paused = is_paused;
	if (!is_paused)
		layers_report(w->layers, s->heard_us, s->heard_wall_ms, &r);
}

static bool is_fresh_start(const struct watch *w, const struct printer_state *before)
{
	return before && !w->was_away && !before->is_stale && before->heard_us > 0 &&
	       before->activity != PRINTER_UNKNOWN;
}

static void go_on(struct watch *w, const struct printer_state *before,
                  const struct printer_state *s)
{
	bool is_fresh = is_fresh_start(w, before);

	if (w->has_job && !is_same(w, &s->job))
		end(w, JOB_LOST, "the printer began another job");
	if (!w->has_job) {
		begin(w, s, is_fresh ? LAYERS_FROM_START : LAYERS_JOINED);
	} else if (w->is_from_store) {
		w->is_from_store = false;
		learn(&w->job, &s->job);
		publish(w, JOB_FOUND_AGAIN);
		fetch(w);
	} else {
		bool had_estimate = isfinite(w->job.estimate_s);

		learn(&w->job, &s->job);
		if (!had_estimate && isfinite(w->job.estimate_s))
			publish(w, JOB_TABLE); /* the host's analysis is done only now */
	}
	report(w, s);
}

static void heard_state(struct jobs *js, const struct event_printer *e)
{
	const struct printer_state *s = e->after;
	struct watch *w;

	if (s->heard_us == 0 || s->activity == PRINTER_UNKNOWN)
		return;
	/* What it said last may still be on its way when it is removed. */
	if (js->env.printers && !printers_find(js->env.printers, e->printer))
		return;
	w = make(js, e->printer);
	if (s->link != PRINTER_LINK_ONLINE && s->link != PRINTER_LINK_SILENT) {
		w->was_away = true;
		return;
	}
	if (s->is_stale)
		return;
	if (printer_activity_is_job(s->activity))
		go_on(w, e->before, s);
	else if (w->has_job)
		conclude(w, s);
	w->was_away = false;
}

/* While it runs the head is where we want it: heights mean no layers. */
static void heard_capture(struct jobs *js, const struct capture *c)
{
	struct watch *w = find(js, c->printer);

	if (w)
		w->is_captured = c->state == CAPTURE_RUNNING && c->mode != CAPTURE_SNAP;
}

static void heard(void *arg, const struct bus_event *e)
{
	if (e->type == EVENT_PRINTER)
		heard_state(arg, event_as_printer(e));
	if (e->type == EVENT_CAPTURE)
		heard_capture(arg, &event_as_capture(e)->capture);
}

/* ---- beginning and end ---- */

struct running {
	struct job *list;
	size_t n;
};

static int ask_running(struct db *db, void *arg, struct err *err)
{
	struct running *r = arg;

	return repo_job_running(db, &r->list, &r->n, err);
}

static void take_up(struct jobs *js, const struct job *j)
{
	struct watch *w = make(js, j->printer);

	/* Newest first; an older one was never ended in the records. */
	if (w->has_job) {
		struct watch old = { .jobs = js, .job = *j };

		old.job.outcome = JOB_LOST;
		old.job.ended_wall_ms = loop_wall_ms(js->env.loop);
		TEXT_SET(old.job.reason, "its end was never recorded");
		save(&old, NULL);
		return;
	}
	w->has_job = w->is_from_store = w->was_away = true;
	w->heard_layer = w->heard_percent = -1;
	w->heard_pos = -1;
	w->job = *j;
	w->layers = layers_new(j->id, j->printer, LAYERS_JOINED, layer_said, w);
	if (j->layer > 0)
		layers_said_before(w->layers, j->layer);
}

struct jobs *jobs_new(const struct jobs_env *env)
{
	struct jobs *js = MEM_NEW(struct jobs);
	struct running r = { 0 };
	struct err err;

	js->env = *env;
	js->data_dir = mem_str(env->data_dir);
	if (env->store && store_call(env->store, ask_running, &r, &err) < 0)
		log_warn(NULL, "running jobs could not be looked up: %s", err.text);
	for (size_t i = 0; i < r.n; i++)
		take_up(js, &r.list[i]);
	free(r.list);
	bus_listen(env->bus, &js->listener, heard, js);
	return js;
}

void jobs_free(struct jobs *js)
{
	struct watch *w, *next;

	if (!js)
		return;
	bus_unlisten(&js->listener);
	DL_FOREACH_SAFE(js->watches, w, next)
	{
		stop_fetch(w);
		layers_free(w->layers);
		free(w);
	}
	js->watches = NULL;
	free(js->data_dir);
	js->data_dir = NULL;
	js->is_dead = true;
	if (js->n_indexing == 0)
		free(js);
}

void jobs_forget(struct jobs *js, const char *printer)
{
	struct watch *w = find(js, printer);

	if (!w)
		return;
	if (w->has_job)
		end(w, JOB_LOST, "the printer was removed");
	DL_DELETE(js->watches, w);
	free(w);
}

const struct job *jobs_of(const struct jobs *js, const char *printer)
{
	const struct watch *w = find(js, printer);

	return w && w->has_job ? &w->job : NULL;
}
