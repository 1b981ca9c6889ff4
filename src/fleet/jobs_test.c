/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/jobs.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
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

#define WALL_MS 1795257605000

/* ---- a printer that lives in the test ---- */

struct printer {
	const char *gcode; /* what a fetch gets; NULL: it fails */
	struct printer_fetch fetch;
	char *dest;
	unsigned n_fetches, n_cancels;
};

struct printers {
	struct printer a1, b2;
	bool is_removed;
};

struct printer *printers_find(struct printers *ps, const char *id)
{
	if (strcmp(id, "b2") == 0)
		return &ps->b2;
	return strcmp(id, "a1") == 0 && !ps->is_removed ? &ps->a1 : NULL;
}

int printer_fetch_job(struct printer *p, const char *dest_path, const struct printer_fetch *f,
                      struct err *err UNUSED)
{
	p->fetch = *f;
	p->n_fetches++;
	free(p->dest);
	p->dest = mem_str(dest_path);
	return 0;
}

void printer_fetch_cancel(struct printer *p)
{
	p->n_cancels++;
	p->fetch.done = NULL;
}

/* ---- the bench ---- */

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct work_pool *pool;
	struct store *store;
	struct printers printers;
	struct jobs *jobs;
	struct printer_state *state;
	const char *printer; /* whose state that is */
	char *dir;
	char phases[64]; /* one letter for each EVENT_JOB: S F P R T E */
	struct job last;
	int layers[64];
	unsigned n_layers, n_notices;
	void (*on_start)(struct bench *b); /* NULL: nothing */
};

static void hear(void *arg, const struct bus_event *e)
{
	static const char letters[] = "SFPRTE";
	struct bench *b = arg;

	if (e->type == EVENT_JOB) {
		const struct event_job *j = event_as_job(e);
		size_t n = strlen(b->phases);

		b->last = j->job;
		b->phases[n] = letters[j->phase];
		b->phases[n + 1] = '\0';
		if (j->phase == JOB_STARTED && b->on_start)
			b->on_start(b);
	}
	if (e->type == EVENT_LAYER)
		b->layers[b->n_layers++] = event_as_layer(e)->layer.number;
	b->n_notices += e->type == EVENT_NOTICE;
}

static void start_jobs(struct bench *b)
{
	struct jobs_env env = { .loop = b->loop,
		                .bus = b->bus,
		                .printers = &b->printers,
		                .store = b->store,
		                .pool = b->pool,
		                .data_dir = b->dir };

	b->jobs = jobs_new(&env);
}

static void open_bench(struct bench *b)
{
	*b = (struct bench){ .loop = loop_new_simulated(WALL_MS), .dir = mem_str(test_tmp_dir()) };
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	b->pool = work_pool_new(b->loop, "pool", 2);
	CHECK_INT(store_open(b->loop, b->dir, &b->store, NULL), 0);
	b->state = MEM_NEW(struct printer_state);
	b->printer = "a1";
	printer_state_init(b->state);
	start_jobs(b);
}

static void close_bench(struct bench *b)
{
	jobs_free(b->jobs);
	bus_unlisten(&b->listener);
	bus_free(b->bus);
	work_pool_free(b->pool);
	store_close(b->store);
	loop_free(b->loop);
	free(b->printers.a1.dest);
	free(b->printers.b2.dest);
	free(b->state);
	free(b->dir);
}

/* Tells b->state as it stands now; takes `before`. */
static void tell(struct bench *b, struct printer_state *before)
{
	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, b->printer);
	e->before = before;
	e->after = mem_dup(b->state, sizeof(*b->state));
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 2000);
}

static void becomes(struct bench *b, enum printer_activity a)
{
	struct printer_state *before =
		b->state->heard_us ? mem_dup(b->state, sizeof(*b->state)) : NULL;

	b->state->link = PRINTER_LINK_ONLINE;
	b->state->activity = a;
	b->state->heard_us = loop_now_us(b->loop);
	b->state->heard_wall_ms = loop_wall_ms(b->loop);
	tell(b, before);
}

static void link_is(struct bench *b, enum printer_link link)
{
	struct printer_state *before = mem_dup(b->state, sizeof(*b->state));

	b->state->link = link;
	tell(b, before);
}

static void prepare(struct bench *b, const char *name)
{
	TEXT_SET(b->state->job.name, name);
	TEXT_SET(b->state->job.file, "x.gcode.3mf");
	b->state->job.layer = 0;
	b->state->job.layers = 5;
	b->state->job.percent = 0;
	becomes(b, PRINTER_PREPARING);
}

static void layer(struct bench *b, int number)
{
	b->state->job.layer = number;
	b->state->job.percent = number * 20 - 10;
	becomes(b, PRINTER_PRINTING);
}

TEST(a_job_from_start_to_finish_has_each_layer_once)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	CHECK_STR(b.phases, "");
	prepare(&b, "lid");
	CHECK_STR(b.phases, "S");
	CHECK_STR(b.last.name, "lid");
	CHECK(jobs_of(b.jobs, "a1") != NULL);
	for (int i = 1; i <= 5; i++) {
		layer(&b, i);
		layer(&b, i);
	}
	b.state->job.percent = 100;
	becomes(&b, PRINTER_FINISHED);
	CHECK_STR(b.phases, "SE");
	CHECK_INT(b.last.outcome, JOB_FINISHED);
	CHECK_INT(b.last.layer, 5);
	CHECK_INT(b.n_layers, 5);
	CHECK(b.layers[0] == 1 && b.layers[4] == 5);
	CHECK(!jobs_of(b.jobs, "a1"));
	/* FINISH is told again and again, and is no job. */
	becomes(&b, PRINTER_FINISHED);
	CHECK_STR(b.phases, "SE");
	close_bench(&b);
}

/* Three reports of a printer that counts no layers. */
static void height(struct bench *b, double z_mm)
{
	b->state->job.layer = b->state->job.layers = b->state->job.percent = -1;
	b->state->job.z_mm = z_mm;
	for (int i = 0; i < 3; i++)
		becomes(b, PRINTER_PRINTING);
}

static void capture(struct bench *b, enum capture_state state)
{
	struct event_capture *e = event_new_capture();

	TEXT_SET(e->capture.printer, "a1");
	e->capture.mode = CAPTURE_GRID;
	e->capture.state = state;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 10);
}

TEST(heights_are_layers_but_not_those_of_our_own_moves)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	height(&b, 0.2);
	height(&b, 0.4);
	CHECK_INT(b.n_layers, 2);
	capture(&b, CAPTURE_RUNNING);
	height(&b, 0.6);
	height(&b, 0.8);
	capture(&b, CAPTURE_COMPLETED);
	height(&b, 0.4);
	CHECK_INT(b.n_layers, 2);
	height(&b, 0.6);
	CHECK_INT(b.n_layers, 3);
	close_bench(&b);
}

TEST(pauses_are_told_once_each)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	layer(&b, 1);
	becomes(&b, PRINTER_PAUSED);
	becomes(&b, PRINTER_PAUSED);
	becomes(&b, PRINTER_PRINTING);
	CHECK_STR(b.phases, "SPR");
	close_bench(&b);
}

TEST(failed_and_cancelled_are_told_apart)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	layer(&b, 1);
	TEXT_SET(b.state->print_error_text, "the nozzle is clogged");
	becomes(&b, PRINTER_FAILED);
	CHECK_INT(b.last.outcome, JOB_FAILED);
	CHECK_STR(b.last.reason, "the nozzle is clogged");
	prepare(&b, "lid");
	becomes(&b, PRINTER_CANCELLED);
	CHECK_INT(b.last.outcome, JOB_CANCELLED);
	CHECK_STR(b.phases, "SESE");
	close_bench(&b);
}

TEST(another_identity_while_active_is_another_job)
{
	struct bench b;
	char first[ID_SIZE];

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	layer(&b, 1);
	TEXT_SET(first, b.last.id);
	/* Fields that vanish say nothing. */
	b.state->job.file[0] = '\0';
	layer(&b, 2);
	CHECK_STR(b.phases, "S");
	prepare(&b, "box");
	CHECK_STR(b.phases, "SES");
	CHECK(strcmp(first, b.last.id) != 0);
	close_bench(&b);
}

TEST(silence_concludes_nothing_and_the_job_goes_on_after_it)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	layer(&b, 2);
	link_is(&b, PRINTER_LINK_OFFLINE);
	b.state->is_stale = true;
	link_is(&b, PRINTER_LINK_CONNECTING);
	b.state->is_stale = false;
	layer(&b, 4);
	CHECK_STR(b.phases, "S");
	CHECK_INT(b.layers[b.n_layers - 1], 4);
	link_is(&b, PRINTER_LINK_OFFLINE);
	becomes(&b, PRINTER_FINISHED);
	CHECK_STR(b.phases, "SE");
	CHECK_INT(b.last.outcome, JOB_FINISHED);
	close_bench(&b);
}

TEST(the_next_object_of_the_same_job_after_an_outage_is_no_other_job)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lids");
	for (int i = 1; i <= 4; i++)
		layer(&b, i);
	link_is(&b, PRINTER_LINK_OFFLINE);
	b.state->job.layer = 1; /* of the second object */
	b.state->job.percent = 75;
	becomes(&b, PRINTER_PRINTING);
	CHECK_STR(b.phases, "S");
	jobs_free(b.jobs);
	start_jobs(&b);
	b.state->heard_us = 0;
	becomes(&b, PRINTER_PRINTING);
	CHECK_STR(b.phases, "SF");
	close_bench(&b);
}

TEST(another_job_after_an_outage_ends_the_first_as_lost)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	for (int i = 1; i <= 4; i++)
		layer(&b, i);
	link_is(&b, PRINTER_LINK_OFFLINE);
	layer(&b, 1); /* the same file, begun again meanwhile */
	CHECK_STR(b.phases, "SES");
	link_is(&b, PRINTER_LINK_OFFLINE);
	TEXT_SET(b.state->job.name, "box");
	becomes(&b, PRINTER_FINISHED);
	CHECK_STR(b.phases, "SESE");
	CHECK_INT(b.last.outcome, JOB_LOST);
	close_bench(&b);
}

TEST(a_restart_finds_the_job_again_and_counts_on)
{
	struct bench b;
	char id[ID_SIZE];
	unsigned n;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	for (int i = 1; i <= 3; i++)
		layer(&b, i);
	TEXT_SET(id, jobs_of(b.jobs, "a1")->id);
	jobs_free(b.jobs);
	start_jobs(&b);
	CHECK_STR(jobs_of(b.jobs, "a1")->id, id);
	n = b.n_layers;
	b.state->heard_us = 0;
	layer(&b, 3);
	CHECK_STR(b.phases, "SF");
	CHECK_STR(b.last.id, id);
	CHECK_INT(b.n_layers, n);
	layer(&b, 4);
	CHECK_INT(b.layers[b.n_layers - 1], 4);
	jobs_free(b.jobs);
	start_jobs(&b);
	b.state->heard_us = 0;
	becomes(&b, PRINTER_FINISHED);
	CHECK_STR(b.phases, "SFE");
	CHECK_STR(b.last.id, id);
	CHECK_INT(b.last.outcome, JOB_FINISHED);
	close_bench(&b);
}

TEST(joining_a_print_under_way_begins_at_its_layer)
{
	struct bench b;

	open_bench(&b);
	TEXT_SET(b.state->job.name, "lid");
	b.state->job.layers = 5;
	b.state->job.started_wall_ms = WALL_MS - 3600000;
	layer(&b, 3);
	CHECK_STR(b.phases, "S");
	CHECK_INT(b.last.started_wall_ms, WALL_MS - 3600000);
	layer(&b, 4);
	CHECK(b.n_layers >= 1 && b.layers[b.n_layers - 1] == 4 && b.layers[0] >= 3);
	close_bench(&b);
}

static void fetch_ends(struct bench *b, const char *gcode)
{
	struct printer *p = &b->printers.a1;
	struct err err;

	CHECK(p->fetch.done);
	if (gcode) {
		auto_free char *dir = mem_printf("%s/jobs", b->dir);

		CHECK_INT(fs_make_dirs(dir, NULL), 0); /* as the fetcher does */
		CHECK_INT(fs_write_atomic(p->dest, gcode, strlen(gcode), 0600, NULL), 0);
		p->fetch.done(p->fetch.arg, p->dest, NULL);
	} else {
		err_set(&err, -EACCES, "the printer refused the login");
		p->fetch.done(p->fetch.arg, NULL, &err);
	}
	loop_advance(b->loop, 10);
}

static const char small_gcode[] = "; HEADER_BLOCK_START\n; BambuStudio 02.00.00.00\n"
				  "; HEADER_BLOCK_END\nG90\nM83\n"
				  "; CHANGE_LAYER\n; Z_HEIGHT: 0.2\nG1 Z0.2\nG1 X10 Y10 E1\n"
				  "; CHANGE_LAYER\n; Z_HEIGHT: 0.4\nG1 Z0.4\nG1 X20 Y10 E1\n"
				  "; CHANGE_LAYER\n; Z_HEIGHT: 0.6\nG1 Z0.6\nG1 X10 Y20 E1\n";

TEST(what_the_host_reckons_stands_until_the_file_itself_is_known)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	CHECK(isnan(b.last.estimate_s));
	b.state->job.estimate_s = 900;
	layer(&b, 1);
	CHECK_STR(b.phases, "ST"); /* told as soon as it is known, and once */
	CHECK(b.last.estimate_s == 900);
	b.state->job.estimate_s = 800;
	layer(&b, 2);
	CHECK_STR(b.phases, "ST");
	CHECK(jobs_of(b.jobs, "a1")->estimate_s == 900);
	fetch_ends(&b, small_gcode);
	CHECK_STR(b.phases, "STT");
	CHECK(b.last.estimate_s > 0 && b.last.estimate_s < 100);
	b.state->job.estimate_s = 700;
	layer(&b, 3);
	CHECK_STR(b.phases, "STT");
	CHECK(jobs_of(b.jobs, "a1")->estimate_s < 100);
	close_bench(&b);
}

TEST(the_file_is_fetched_indexed_and_told)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	CHECK_INT(b.printers.a1.n_fetches, 1);
	fetch_ends(&b, small_gcode);
	CHECK_STR(b.phases, "ST");
	CHECK(strncmp(b.last.gcode_path, "jobs/", 5) == 0);
	/* After a restart it is not fetched a second time. */
	jobs_free(b.jobs);
	start_jobs(&b);
	b.state->heard_us = 0;
	layer(&b, 1);
	CHECK_STR(b.phases, "STFT");
	CHECK_INT(b.printers.a1.n_fetches, 1);
	close_bench(&b);
}

TEST(a_file_that_cannot_be_had_is_said_and_layers_are_counted_without)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	fetch_ends(&b, NULL);
	CHECK_INT(b.n_notices, 1);
	layer(&b, 1);
	CHECK_INT(b.n_layers, 1);
	prepare(&b, "box");
	CHECK_INT(b.printers.a1.n_fetches, 2);
	becomes(&b, PRINTER_CANCELLED);
	CHECK_INT(b.printers.a1.n_cancels, 1);
	close_bench(&b);
}

static unsigned count_files(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	CHECK(d != NULL);
	for (const struct dirent *e; (e = readdir(d));)
		n += text_ends(e->d_name, ".3mf");
	(void)closedir(d);
	return n;
}

static void give_own(struct bench *b)
{
	auto_free char *path = mem_printf("%s/own.gcode", b->dir);

	CHECK_INT(fs_write_atomic(path, small_gcode, strlen(small_gcode), 0600, NULL), 0);
	CHECK_INT(jobs_give_file(b->jobs, "a1", path, NULL), 0);
}

/* Both before it is known whether an earlier run has fetched the file. */
TEST(the_file_that_the_user_gave_is_not_fetched)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	b.on_start = give_own;
	prepare(&b, "lid");
	CHECK_INT(b.printers.a1.n_fetches, 0);
	CHECK_STR(b.phases, "ST");
	close_bench(&b);
}

static void forget_it(struct bench *b)
{
	jobs_forget(b->jobs, "a1");
}

TEST(a_job_that_ends_before_its_file_is_looked_for_fetches_none)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	b.on_start = forget_it;
	prepare(&b, "lid");
	CHECK_INT(b.printers.a1.n_fetches, 0);
	CHECK_STR(b.phases, "SE");
	close_bench(&b);
}

TEST(the_file_of_a_running_job_stays_however_many_come_after_it)
{
	struct bench b;
	struct printer_state *first;
	char id[ID_SIZE], path[1200];

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "long");
	fetch_ends(&b, small_gcode);
	CHECK(access(b.printers.a1.dest, R_OK) == 0);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(path, sizeof(path), "%s/jobs/%s.3mf", b.dir,
		               id_new(id, WALL_MS + 1000000 + 1000 * i));
		CHECK_INT(fs_write_atomic(path, "x", 1, 0600, NULL), 0);
	}
	first = b.state;
	b.state = MEM_NEW(struct printer_state);
	b.printer = "b2";
	printer_state_init(b.state);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "quick");
	becomes(&b, PRINTER_FINISHED);
	(void)snprintf(path, sizeof(path), "%s/jobs", b.dir);
	CHECK_INT(count_files(path), 25);
	CHECK(access(b.printers.a1.dest, R_OK) == 0);
	free(first);
	close_bench(&b);
}

TEST(files_of_old_jobs_do_not_pile_up)
{
	struct bench b;
	char id[ID_SIZE], path[1200];

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	(void)snprintf(path, sizeof(path), "%s/jobs", b.dir);
	CHECK_INT(fs_make_dirs(path, NULL), 0);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(path, sizeof(path), "%s/jobs/%s.3mf", b.dir,
		               id_new(id, WALL_MS - 1000000 + 1000 * i));
		CHECK_INT(fs_write_atomic(path, "x", 1, 0600, NULL), 0);
	}
	prepare(&b, "lid");
	fetch_ends(&b, small_gcode);
	becomes(&b, PRINTER_FINISHED);
	(void)snprintf(path, sizeof(path), "%s/jobs", b.dir);
	CHECK_INT(count_files(path), 22);
	CHECK(access(b.printers.a1.dest, R_OK) == 0); /* the newest stays */
	close_bench(&b);
}

TEST(a_removed_printer_takes_its_job_with_it)
{
	struct bench b;

	open_bench(&b);
	becomes(&b, PRINTER_IDLE);
	prepare(&b, "lid");
	layer(&b, 1);
	jobs_forget(b.jobs, "a1");
	jobs_forget(b.jobs, "a1");
	loop_advance(b.loop, 10);
	CHECK_STR(b.phases, "SE");
	CHECK_INT(b.last.outcome, JOB_LOST);
	CHECK(!jobs_of(b.jobs, "a1"));
	CHECK_INT(b.printers.a1.n_cancels, 1);
	/* A report that was on its way. */
	b.printers.is_removed = true;
	layer(&b, 2);
	CHECK_STR(b.phases, "SE");
	close_bench(&b);
}
