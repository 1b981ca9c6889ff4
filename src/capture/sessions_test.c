/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/sessions.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "model/event.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WALL_MS 1795257605000

/* ---- cameras that live in the test: camera.h's promises, without a device ---- */

struct camera {
	char id[MODEL_ID_SIZE];
	struct loop *loop;
	struct timer next; /* a picture every period */
	int64_t period_ms; /* 0: none come */
	struct camera_shot *shots[16];
	int64_t deadlines_us[16];
	unsigned n_shots, n_held, n_locked;
};

struct cameras {
	struct camera cameras[2];
	unsigned n;
};

struct camera *cameras_find(struct cameras *cs, const char *id)
{
	for (unsigned i = 0; i < cs->n; i++)
		if (strcmp(cs->cameras[i].id, id) == 0)
			return &cs->cameras[i];
	return NULL;
}

void camera_hold(struct camera *c)
{
	c->n_held++;
}

void camera_release(struct camera *c)
{
	CHECK(c->n_held > c->n_locked); /* let go of, it could no longer be put back */
	c->n_held--;
}

void camera_lock(struct camera *c)
{
	c->n_locked++;
}

void camera_unlock(struct camera *c)
{
	CHECK(c->n_locked > 0);
	c->n_locked--;
}

void camera_shoot(struct camera *c, struct camera_shot *s, int64_t not_before_us,
                  int64_t timeout_ms,
                  void (*done)(void *arg, struct frame *f, const struct err *err), void *arg)
{
	CHECK(c->n_shots < 16);
	s->camera = c;
	s->not_before_us = not_before_us;
	s->done = done;
	s->arg = arg;
	c->deadlines_us[c->n_shots] = loop_now_us(c->loop) + timeout_ms * 1000;
	c->shots[c->n_shots++] = s;
}

static void forget_shot(struct camera *c, unsigned i)
{
	c->n_shots--;
	memmove(c->shots + i, c->shots + i + 1, (c->n_shots - i) * sizeof(c->shots[0]));
	memmove(c->deadlines_us + i, c->deadlines_us + i + 1,
	        (c->n_shots - i) * sizeof(c->deadlines_us[0]));
}

void camera_shot_cancel(struct camera_shot *s)
{
	struct camera *c = s->camera;

	for (unsigned i = 0; i < c->n_shots; i++)
		if (c->shots[i] == s) {
			forget_shot(c, i);
			return;
		}
}

static struct frame *picture(struct camera *c)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, 1000, &bytes);

	memset(bytes, 'p', 1000);
	f->captured_us = loop_now_us(c->loop);
	f->captured_wall_ms = loop_wall_ms(c->loop);
	return f;
}

static void camera_ticks(void *arg)
{
	struct camera *c = arg;
	struct err err;

	for (unsigned i = 0; i < c->n_shots;) {
		struct camera_shot *s = c->shots[i];
		int64_t now_us = loop_now_us(c->loop);

		if (c->period_ms > 0 && s->not_before_us <= now_us) {
			forget_shot(c, i);
			s->done(s->arg, picture(c), NULL);
		} else if (c->deadlines_us[i] <= now_us) {
			forget_shot(c, i);
			err_set(&err, -ETIMEDOUT, "no picture for 8 s");
			s->done(s->arg, NULL, &err);
		} else {
			i++;
		}
	}
	timer_start(&c->next, c->period_ms > 0 ? c->period_ms : 500);
}

/* ---- the bench ---- */

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct work_pool *disk;
	struct store *store;
	struct cameras cameras;
	struct sessions *sessions;
	struct session_plan plan;
	const char *plan_printer; /* NULL: "a1" */
	struct job job;
	char *dir;
	uint64_t budget_bytes;
	struct session last; /* newest EVENT_SESSION */
	unsigned n_frames, n_notices, n_freed;
	char notice[480];
};

static void hear(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	if (e->type == EVENT_SESSION)
		b->last = event_as_session(e)->session;
	if (e->type == EVENT_FRAME)
		b->n_frames++;
	if (e->type == EVENT_NOTICE) {
		b->n_notices++;
		TEXT_SET(b->notice, event_as_notice(e)->text);
	}
}

static void start_sessions(struct bench *b)
{
	struct sessions_env env = { .loop = b->loop,
		                    .bus = b->bus,
		                    .cameras = &b->cameras,
		                    .store = b->store,
		                    .disk = b->disk,
		                    .data_dir = b->dir,
		                    .floor_bytes = 1000,
		                    .budget_bytes = b->budget_bytes,
		                    .flush_ms = JOURNAL_FLUSH_MS };

	b->sessions = sessions_new(&env);
	sessions_set_plan(b->sessions, b->plan_printer ? b->plan_printer : "a1", &b->plan);
}

static void add_camera(struct bench *b, const char *id)
{
	struct camera *c = &b->cameras.cameras[b->cameras.n++];

	TEXT_SET(c->id, id);
	c->loop = b->loop;
	c->period_ms = 100;
	timer_init(&c->next, b->loop, camera_ticks, c);
	timer_start(&c->next, c->period_ms);
	TEXT_SET(b->plan.cameras[b->plan.n_cameras++], id);
}

static void open_bench(struct bench *b, bool with_store)
{
	*b = (struct bench){ .loop = loop_new_simulated(WALL_MS), .dir = mem_str(test_tmp_dir()) };
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	b->disk = work_pool_new(b->loop, "journal", 1);
	if (with_store)
		CHECK_INT(store_open(b->loop, b->dir, &b->store, NULL), 0);
	session_plan_init(&b->plan);
	b->plan.settle_ms = 200;
	b->plan.min_frames = 2;
	add_camera(b, "cam");
	start_sessions(b);
}

static void freed(void *arg)
{
	((struct bench *)arg)->n_freed++;
}

static void stop_sessions(struct bench *b)
{
	b->n_freed = 0;
	sessions_free(b->sessions, freed, b);
	loop_advance(b->loop, 0);
	CHECK_INT(b->n_freed, 1);
	for (unsigned i = 0; i < b->cameras.n; i++) {
		CHECK_INT(b->cameras.cameras[i].n_shots, 0);
		CHECK_INT(b->cameras.cameras[i].n_held, 0);
	}
}

static void close_bench(struct bench *b)
{
	if (b->sessions)
		stop_sessions(b);
	for (unsigned i = 0; i < b->cameras.n; i++)
		timer_stop(&b->cameras.cameras[i].next);
	bus_unlisten(&b->listener);
	bus_free(b->bus);
	work_pool_free(b->disk);
	store_close(b->store);
	loop_free(b->loop);
	free(b->dir);
}

static void tell_job(struct bench *b, enum job_phase phase)
{
	struct event_job *e = event_new_job();

	e->phase = phase;
	e->job = b->job;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

static void start_job(struct bench *b, int layers)
{
	b->job = (struct job){ .layers = layers,
		               .layer = -1,
		               .estimate_s = (double)NAN,
		               .started_wall_ms = loop_wall_ms(b->loop) };
	id_new(b->job.id, b->job.started_wall_ms);
	TEXT_SET(b->job.printer, "a1");
	TEXT_SET(b->job.name, "lid");
	TEXT_SET(b->job.file, "lid.gcode.3mf");
	tell_job(b, JOB_STARTED);
}

static void end_job(struct bench *b, enum job_outcome outcome)
{
	b->job.outcome = outcome;
	tell_job(b, JOB_ENDED);
}

static void print_layer_late(struct bench *b, int number, int64_t takes_ms, bool is_late)
{
	struct event_layer *e = event_new_layer();

	TEXT_SET(e->layer.job, b->job.id);
	TEXT_SET(e->layer.printer, b->job.printer);
	e->layer.number = number;
	e->layer.layers = b->job.layers;
	e->layer.z_mm = number * 0.2;
	e->layer.at_us = loop_now_us(b->loop);
	e->layer.is_catching_up = is_late;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, takes_ms);
}

static void print_layer(struct bench *b, int number, int64_t takes_ms)
{
	print_layer_late(b, number, takes_ms, false);
}

static const struct session *now(struct bench *b)
{
	return sessions_of(b->sessions, "a1");
}

static char *session_dir(struct bench *b, const char *id)
{
	return mem_printf("%s/sessions/%s", b->dir, id);
}

static void film_of_is(struct bench *b, const char *camera, enum film_state state)
{
	struct event_film *e = event_new_film();

	TEXT_SET(e->film.session, b->last.id);
	TEXT_SET(e->film.camera, camera);
	e->film.state = state;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

static void film_is(struct bench *b, enum film_state state)
{
	film_of_is(b, "cam", state);
}

TEST(a_print_is_photographed_from_its_first_to_its_last_picture)
{
	struct bench b;
	struct journal_check c;

	open_bench(&b, false);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	start_job(&b, 10);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	loop_advance(b.loop, 30000);
	for (int i = 1; i <= 10; i++)
		print_layer(&b, i, 20000);
	CHECK_INT(b.cameras.cameras[0].n_held, 1);
	CHECK_INT(b.cameras.cameras[0].n_locked, 1);
	end_job(&b, JOB_FINISHED);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	loop_advance(b.loop, 2000);
	CHECK_INT(now(&b)->state, SESSION_FINALISING);
	CHECK_INT(b.cameras.cameras[0].n_held, 0);
	CHECK_INT(b.cameras.cameras[0].n_locked, 0);
	CHECK_INT(b.last.n_frames, 12);
	CHECK_INT(b.last.n_missed, 0);
	CHECK_INT(b.last.layer, 10);
	CHECK_STR(b.last.outcome, "finished");
	CHECK_INT(b.n_frames, 12);
	CHECK_INT(b.n_notices, 0);

	auto_free char *dir = session_dir(&b, b.last.id);

	CHECK_INT(journal_check(dir, &c, NULL), 0);
	CHECK(c.n_whole == 12 && c.has_ended && c.n_strangers == 0);
	film_is(&b, FILM_GROWING);
	CHECK_INT(now(&b)->state, SESSION_FINALISING);
	film_is(&b, FILM_READY);
	CHECK_INT(b.last.state, SESSION_DONE);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	close_bench(&b);
}

TEST(pictures_carry_layer_height_and_trigger)
{
	struct bench b;
	struct journal_reader *r;
	struct journal_entry e;
	int64_t began_us;

	open_bench(&b, false);
	start_job(&b, 2);
	loop_advance(b.loop, 5000);
	began_us = loop_now_us(b.loop);
	print_layer(&b, 1, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);

	auto_free char *dir = session_dir(&b, b.last.id);

	CHECK_INT(journal_reader_open(dir, &r, NULL), 0);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK(e.trigger == TRIGGER_FIRST && e.layer == -1);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK(e.trigger == TRIGGER_LAYER && e.layer == 1 && fabs(e.z_mm - 0.2) < 1e-9);
	CHECK(e.at_us >= began_us + 200000 && e.at_us <= began_us + 400000);
	CHECK_STR(e.job, b.job.id);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK(e.trigger == TRIGGER_LAST && e.layer == 1);
	CHECK_INT(journal_reader_next(r, &e, NULL), 2);
	journal_reader_close(r);
	close_bench(&b);
}

TEST(a_session_started_before_the_print_is_armed_and_begins_with_it)
{
	struct bench b;
	struct err err;

	open_bench(&b, true);
	b.plan.starts_itself = false;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, &err), 0);
	CHECK_INT(now(&b)->state, SESSION_ARMED);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, &err), -EPERM);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_STOP, &err), 0);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	start_job(&b, 3);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	end_job(&b, JOB_FINISHED);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, &err), 0);
	start_job(&b, 3);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	close_bench(&b);
}

TEST(no_pause_ends_a_session_and_layers_after_it_are_photographed)
{
	struct bench b;

	open_bench(&b, false);
	start_job(&b, 20);
	loop_advance(b.loop, 3000);
	for (int i = 1; i <= 20; i++) {
		print_layer(&b, i, 5000);
		if (i % 5)
			continue;
		tell_job(&b, JOB_PAUSED);
		CHECK_INT(now(&b)->state, SESSION_PAUSED);
		loop_advance(b.loop, 3600000);
		CHECK_INT(now(&b)->state, SESSION_PAUSED);
		tell_job(&b, JOB_RESUMED);
		CHECK_INT(now(&b)->state, SESSION_RECORDING);
	}
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.n_frames, 22);
	close_bench(&b);
}

TEST(a_pause_by_order_is_not_ended_by_the_print)
{
	struct bench b;
	struct err err;

	open_bench(&b, false);
	start_job(&b, 20);
	loop_advance(b.loop, 3000);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_PAUSE, &err), 0);
	print_layer(&b, 1, 5000);
	tell_job(&b, JOB_PAUSED);
	tell_job(&b, JOB_RESUMED);
	CHECK_INT(now(&b)->state, SESSION_PAUSED);
	CHECK_STR(now(&b)->state_text, "paused by order");
	print_layer(&b, 2, 5000);
	CHECK_INT(now(&b)->n_frames, 1);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_SHOOT, &err), 0);
	loop_advance(b.loop, 3000);
	CHECK_INT(now(&b)->n_frames, 2);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_RESUME, &err), 0);
	print_layer(&b, 3, 5000);
	CHECK_INT(now(&b)->n_frames, 3);
	CHECK_INT(now(&b)->n_missed, 0);
	close_bench(&b);
}

TEST(a_failed_or_cancelled_print_keeps_frames_and_gets_a_film)
{
	static const enum job_outcome ends[] = { JOB_FAILED, JOB_CANCELLED, JOB_LOST };
	struct bench b;

	open_bench(&b, false);
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		start_job(&b, 10);
		print_layer(&b, 1, 5000);
		print_layer(&b, 2, 5000);
		end_job(&b, ends[i]);
		loop_advance(b.loop, 5000);
		CHECK_INT(b.last.state, SESSION_FINALISING);
		CHECK(b.last.wants_film && b.last.n_frames >= 3);
		CHECK_STR(b.last.outcome, job_outcome_name(ends[i]));
		film_is(&b, FILM_READY);
	}
	close_bench(&b);
}

TEST(the_next_print_is_recorded_while_the_film_of_the_last_is_made)
{
	struct bench b;
	char first[ID_SIZE];

	open_bench(&b, false);
	start_job(&b, 10);
	print_layer(&b, 1, 5000);
	TEXT_SET(first, now(&b)->id);
	end_job(&b, JOB_FINISHED);
	start_job(&b, 10); /* while even the last picture is still awaited */
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK(strcmp(now(&b)->id, first) != 0);
	loop_advance(b.loop, 5000);
	print_layer(&b, 1, 5000);
	sessions_film_done(b.sessions, first);
	loop_advance(b.loop, 0);
	CHECK_STR(b.last.id, first);
	CHECK_INT(b.last.state, SESSION_DONE);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_INT(now(&b)->n_frames, 2);
	close_bench(&b);
}

TEST(discard_and_too_few_pictures_end_without_a_film)
{
	struct bench b;
	struct journal_check c;

	open_bench(&b, false);
	start_job(&b, 10);
	print_layer(&b, 1, 5000);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_DISCARD, NULL), 0);
	loop_advance(b.loop, 5000);
	CHECK(b.last.state == SESSION_DONE && !b.last.wants_film);

	auto_free char *dir = session_dir(&b, b.last.id);

	CHECK_INT(journal_check(dir, &c, NULL), 0);
	CHECK_INT(c.n_whole, 2);
	b.plan.min_frames = 10;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 10);
	print_layer(&b, 1, 5000);
	end_job(&b, JOB_CANCELLED);
	loop_advance(b.loop, 5000);
	CHECK(b.last.state == SESSION_DONE && strstr(b.last.state_text, "too few"));
	close_bench(&b);
}

TEST(missed_layers_are_counted_and_reported)
{
	struct bench b;

	open_bench(&b, false);
	start_job(&b, 30);
	print_layer(&b, 1, 5000);
	/* The camera is away for layers 2 to 5. */
	b.cameras.cameras[0].period_ms = 0;
	for (int i = 2; i <= 5; i++)
		print_layer(&b, i, 60000);
	CHECK_INT(now(&b)->n_missed, 4);
	CHECK(b.n_notices == 1 && strstr(b.notice, "layer 2 was not photographed"));
	CHECK(strstr(b.notice, "no picture for 8 s"));
	b.cameras.cameras[0].period_ms = 100;
	print_layer(&b, 6, 5000);
	print_layer_late(&b, 7, 5000, true);
	CHECK_INT(now(&b)->n_missed, 5);
	CHECK_INT(now(&b)->n_frames, 3);
	close_bench(&b);
}

TEST(a_camera_slower_than_the_layers_labels_what_it_shows)
{
	struct bench b;
	struct journal_reader *r;
	struct journal_entry e;
	int last = 0;

	open_bench(&b, false);
	b.cameras.cameras[0].period_ms = 2500;
	start_job(&b, 30);
	loop_advance(b.loop, 10000);
	for (int i = 1; i <= 30; i++)
		print_layer(&b, i, 1000);
	loop_advance(b.loop, 5000);
	CHECK(now(&b)->n_frames >= 10 && now(&b)->n_frames <= 14);
	CHECK_INT(now(&b)->n_frames - 1 + now(&b)->n_missed, 30);

	auto_free char *dir = session_dir(&b, now(&b)->id);

	CHECK_INT(journal_reader_open(dir, &r, NULL), 0);
	while (journal_reader_next(r, &e, NULL) == 1) {
		/* Layer n begins at 11 s + n s (loop time starts at 1 s). */
		int shown = (int)((e.at_us - 200000 - 10000000) / 1000000);

		if (e.trigger == TRIGGER_LAYER) {
			CHECK(e.layer == MIN(shown, 30));
			CHECK(e.layer > last);
			last = e.layer;
		}
	}
	journal_reader_close(r);
	close_bench(&b);
}

TEST(several_cameras_each_take_every_layer)
{
	struct bench b;

	open_bench(&b, false);
	add_camera(&b, "side");
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 5);
	loop_advance(b.loop, 5000);
	for (int i = 1; i <= 5; i++)
		print_layer(&b, i, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.n_frames, 14);
	CHECK_INT(b.last.n_cameras, 2);
	close_bench(&b);
}

TEST(one_camera_records_the_prints_of_two_printers_at_once)
{
	struct bench b;
	struct job first;
	const struct session *second;

	open_bench(&b, false);
	sessions_set_plan(b.sessions, "p1", &b.plan);
	start_job(&b, 30);
	print_layer(&b, 1, 5000);
	first = b.job;
	b.job.started_wall_ms = loop_wall_ms(b.loop);
	id_new(b.job.id, b.job.started_wall_ms);
	TEXT_SET(b.job.printer, "p1");
	TEXT_SET(b.job.name, "box");
	tell_job(&b, JOB_STARTED);
	CHECK_INT(b.cameras.cameras[0].n_held, 2);
	for (int i = 2; i <= 5; i++) {
		struct job other = b.job;

		/* Both at the same moment: each takes a picture of its own. */
		print_layer(&b, i, 0);
		b.job = first;
		print_layer(&b, i, 5000);
		b.job = other;
	}
	second = sessions_of(b.sessions, "p1");
	CHECK(second && now(&b) && strcmp(second->id, now(&b)->id) != 0);
	CHECK_INT(now(&b)->n_missed, 0);
	CHECK(now(&b)->layer == 5 && second->layer == 5 && second->n_frames >= 4);
	end_job(&b, JOB_FINISHED); /* of p1; a1 goes on */
	loop_advance(b.loop, 5000);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_INT(b.cameras.cameras[0].n_held, 1);
	close_bench(&b);
}

TEST(a_session_of_several_cameras_waits_for_each_film)
{
	struct bench b;

	open_bench(&b, false);
	add_camera(&b, "side");
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 5);
	print_layer(&b, 1, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	film_of_is(&b, "cam", FILM_READY);
	film_of_is(&b, "cam", FILM_VERIFIED);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	film_of_is(&b, "side", FILM_FAILED);
	CHECK_INT(b.last.state, SESSION_DONE);
	close_bench(&b);
}

TEST(a_camera_made_anew_in_mid_shot_goes_on_with_the_next_layer)
{
	struct bench b;
	struct camera *c = &b.cameras.cameras[0];
	struct camera_shot *s;
	struct err err;

	open_bench(&b, false);
	start_job(&b, 5);
	print_layer(&b, 1, 5000);
	c->period_ms = 0;
	print_layer(&b, 2, 10);
	CHECK_INT(c->n_shots, 1);
	/* As cameras_remove() does: gone from the list, then its shots end. */
	s = c->shots[0];
	forget_shot(c, 0);
	b.cameras.n = 0;
	err_set(&err, -ENODEV, "the camera was removed");
	s->done(s->arg, NULL, &err);
	CHECK_INT(c->n_shots, 0);
	b.cameras.n = 1;
	c->n_held = c->n_locked = 0;
	c->period_ms = 100;
	print_layer(&b, 3, 5000);
	CHECK_INT(now(&b)->n_missed, 1);
	CHECK_INT(now(&b)->n_frames, 3);
	CHECK_INT(c->n_held, 1);
	CHECK_INT(c->n_locked, 1);
	close_bench(&b);
}

TEST(a_session_that_goes_on_with_the_next_print_takes_its_layers)
{
	struct bench b;

	open_bench(&b, false);
	b.plan.ends_itself = false;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 3);
	for (int i = 1; i <= 3; i++)
		print_layer(&b, i, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 60000);
	start_job(&b, 3);
	for (int i = 1; i <= 3; i++)
		print_layer(&b, i, 5000);
	CHECK_INT(now(&b)->n_frames, 7);
	CHECK_STR(now(&b)->job, b.job.id);
	close_bench(&b);
}

TEST(pictures_by_time_stop_while_paused)
{
	struct bench b;

	open_bench(&b, false);
	b.plan.every_n_layers = 0;
	b.plan.every_ms = 10000;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 5);
	loop_advance(b.loop, 105000);
	CHECK_INT(now(&b)->n_frames, 11);
	tell_job(&b, JOB_PAUSED);
	loop_advance(b.loop, 600000);
	CHECK_INT(now(&b)->n_frames, 11);
	close_bench(&b);
}

static void restart(struct bench *b)
{
	stop_sessions(b);
	start_sessions(b);
	loop_advance(b->loop, 0);
}

static void restart_mid_print(bool with_store)
{
	struct bench b;
	struct journal_check c;
	char id[ID_SIZE];

	open_bench(&b, with_store);
	start_job(&b, 6);
	loop_advance(b.loop, 5000);
	for (int i = 1; i <= 3; i++)
		print_layer(&b, i, 5000);
	TEXT_SET(id, now(&b)->id);
	restart(&b);
	CHECK_STR(now(&b)->id, id);
	CHECK_INT(now(&b)->state, SESSION_ARMED);
	loop_advance(b.loop, 60000);
	tell_job(&b, JOB_FOUND_AGAIN);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	/* Layer 3 is told again: it has its picture. */
	for (int i = 3; i <= 6; i++)
		print_layer(&b, i, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_STR(b.last.id, id);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_INT(b.last.n_frames, 8);

	auto_free char *dir = session_dir(&b, id);

	CHECK_INT(journal_check(dir, &c, NULL), 0);
	CHECK(c.n_whole == 8 && c.n_wrong + c.n_missing + c.n_strangers == 0 && c.has_ended);
	restart(&b);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	sessions_film_done(b.sessions, id);
	loop_advance(b.loop, 0);
	CHECK_INT(b.last.state, SESSION_DONE);
	close_bench(&b);
}

TEST(after_a_restart_the_same_session_goes_on_in_the_same_journal)
{
	restart_mid_print(false);
}

TEST(after_a_restart_the_database_knows_the_session)
{
	restart_mid_print(true);
}

TEST(a_print_that_ended_while_bedside_was_away_gets_its_film)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	print_layer(&b, 2, 5000);
	TEXT_SET(id, now(&b)->id);
	restart(&b);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_STR(b.last.id, id);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_STR(b.last.outcome, "finished");
	close_bench(&b);
}

static int save_job(struct db *db, void *arg, struct err *err)
{
	return repo_job_save(db, arg, err);
}

static void record_job(struct bench *b)
{
	CHECK_INT(store_call(b->store, save_job, &b->job, NULL), 0);
}

TEST(a_session_whose_job_has_ended_in_the_records_waits_for_nobody)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	print_layer(&b, 2, 5000);
	TEXT_SET(id, now(&b)->id);
	stop_sessions(&b);
	b.job.outcome = JOB_CANCELLED;
	record_job(&b);
	start_sessions(&b);
	loop_advance(b.loop, 5000);
	CHECK_STR(b.last.id, id);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_STR(b.last.outcome, "cancelled");
	close_bench(&b);
}

TEST(a_session_ended_by_order_is_not_begun_again_by_a_restart)
{
	struct bench b;

	open_bench(&b, true);
	start_job(&b, 6);
	record_job(&b);
	print_layer(&b, 1, 5000);
	print_layer(&b, 2, 5000);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_STOP, NULL), 0);
	loop_advance(b.loop, 5000);
	film_is(&b, FILM_READY);
	restart(&b);
	tell_job(&b, JOB_FOUND_AGAIN);
	print_layer(&b, 3, 5000);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, NULL), 0);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	close_bench(&b);
}

TEST(a_pause_by_order_outlives_a_restart)
{
	struct bench b;

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_PAUSE, NULL), 0);
	loop_advance(b.loop, 1000);
	restart(&b);
	tell_job(&b, JOB_FOUND_AGAIN);
	CHECK_INT(now(&b)->state, SESSION_PAUSED);
	print_layer(&b, 2, 5000);
	CHECK_INT(now(&b)->n_frames, 2);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_RESUME, NULL), 0);
	print_layer(&b, 3, 5000);
	CHECK_INT(now(&b)->n_frames, 3);
	close_bench(&b);
}

static int drop_session(struct db *db, void *arg, struct err *err)
{
	return repo_session_delete(db, arg, err);
}

TEST(a_session_the_database_has_lost_is_found_in_its_folder)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	TEXT_SET(id, now(&b)->id);
	stop_sessions(&b);
	CHECK_INT(store_call(b.store, drop_session, id, NULL), 0);
	start_sessions(&b);
	loop_advance(b.loop, 0);
	CHECK_STR(now(&b)->id, id);
	close_bench(&b);
}

TEST(a_found_session_of_a_printer_that_is_gone_gets_its_film)
{
	struct bench b;

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	stop_sessions(&b);
	b.plan_printer = "another";
	start_sessions(&b);
	sessions_end_orphans(b.sessions);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_STR(b.last.outcome, "lost");
	close_bench(&b);
}

TEST(a_camera_that_is_named_in_mid_print_begins_its_session)
{
	struct bench b;
	struct session_plan none;

	open_bench(&b, false);
	none = b.plan;
	none.n_cameras = 0;
	sessions_set_plan(b.sessions, "a1", &none);
	start_job(&b, 4);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	sessions_set_plan(b.sessions, "a1", &b.plan);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	print_layer(&b, 1, 5000);
	CHECK_INT(now(&b)->n_frames, 2);
	close_bench(&b);
}

TEST(a_session_armed_before_a_restart_records_as_planned)
{
	struct bench b;

	open_bench(&b, true);
	b.plan.every_n_layers = 2;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, NULL), 0);
	loop_advance(b.loop, 1000);
	restart(&b);
	CHECK_INT(now(&b)->state, SESSION_ARMED);
	start_job(&b, 4);
	for (int i = 1; i <= 4; i++)
		print_layer(&b, i, 5000);
	CHECK_INT(now(&b)->n_frames, 3);
	close_bench(&b);
}

TEST(another_print_after_a_restart_begins_another_session)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6);
	record_job(&b);
	print_layer(&b, 1, 5000);
	print_layer(&b, 2, 5000);
	TEXT_SET(id, now(&b)->id);
	restart(&b);
	start_job(&b, 9);
	CHECK(strcmp(now(&b)->id, id) != 0);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	loop_advance(b.loop, 5000);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	sessions_film_done(b.sessions, id);
	loop_advance(b.loop, 0);
	CHECK_STR(b.last.id, id);
	CHECK(b.last.state == SESSION_DONE && strcmp(b.last.outcome, "lost") == 0);
	close_bench(&b);
}

TEST(a_found_session_whose_printer_stays_away_can_be_stopped_into_its_film)
{
	struct bench b;

	open_bench(&b, true);
	start_job(&b, 6);
	print_layer(&b, 1, 5000);
	print_layer(&b, 2, 5000);
	restart(&b);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_STOP, NULL), 0);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_INT(b.last.n_frames, 3);
	close_bench(&b);
}

TEST(a_budget_thins_out_before_it_stops_and_says_both)
{
	struct bench b;
	struct journal_check c;
	unsigned n_before;

	open_bench(&b, true);
	stop_sessions(&b);
	b.plan.makes_film = false;
	b.budget_bytes = 30000; /* thirty pictures */
	start_sessions(&b);
	start_job(&b, 100);
	loop_advance(b.loop, 20000);
	CHECK(b.last.is_thinned && b.last.keep_one_in == 4);
	CHECK(strstr(b.notice, "one in 4"));
	for (int i = 1; i <= 100; i++)
		print_layer(&b, i, 20000);
	CHECK(now(&b)->n_frames >= 24 && now(&b)->n_frames <= 30);
	CHECK(now(&b)->bytes <= 30000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	n_before = b.last.n_frames;

	auto_free char *dir = session_dir(&b, b.last.id);

	sessions_film_done(b.sessions, b.last.id);
	/* The next print finds nothing left. */
	start_job(&b, 100);
	for (int i = 1; i <= 40; i++)
		print_layer(&b, i, 20000);
	CHECK(strstr(b.notice, "no more pictures are taken") || now(&b)->n_missed > 0);
	CHECK(now(&b)->n_frames < 10);
	CHECK_INT(journal_check(dir, &c, NULL), 0);
	CHECK_INT(c.n_whole, n_before);
	close_bench(&b);
}

TEST(without_a_camera_nothing_begins_and_it_is_said)
{
	struct bench b;
	struct err err;

	open_bench(&b, false);
	b.plan.n_cameras = 0;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 3);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	CHECK(strstr(b.notice, "no camera"));
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START, &err), -ENODEV);
	CHECK_INT(sessions_order(b.sessions, "x", SESSION_ORDER_START, &err), -ENOENT);
	close_bench(&b);
}

TEST(a_printer_whose_sessions_do_not_end_by_themselves_is_stopped_by_order)
{
	struct bench b;

	open_bench(&b, false);
	b.plan.ends_itself = false;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 3);
	print_layer(&b, 1, 5000);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 60000);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_STOP, NULL), 0);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	close_bench(&b);
}

TEST(how_many_pictures_there_will_be_is_known_from_the_start)
{
	struct bench b;

	open_bench(&b, true);
	b.plan.every_n_layers = 4;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	start_job(&b, 100);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.n_expected, 27); /* the first, one in four layers, the last */
	for (int i = 1; i <= 100; i++) {
		print_layer(&b, i, 5000);
		CHECK(b.last.n_expected >= 26 && b.last.n_expected <= 28);
	}
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_INT(b.last.n_expected, b.last.n_frames);
	close_bench(&b);
}

TEST(how_many_pictures_there_will_be_heeds_thinning)
{
	struct bench b;

	open_bench(&b, true);
	stop_sessions(&b);
	b.budget_bytes = 30000; /* thirty pictures */
	start_sessions(&b);
	start_job(&b, 100);
	loop_advance(b.loop, 20000);
	CHECK_INT(b.last.n_expected, 2 + 100 / b.last.keep_one_in);
	CHECK(b.last.keep_one_in > 1);
	close_bench(&b);
}

static void say_remaining(struct bench *b, int remaining_min)
{
	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, "a1");
	e->after = MEM_NEW(struct printer_state);
	e->after->job.percent = -1;
	e->after->job.remaining_min = remaining_min;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

TEST(a_print_whose_layers_nobody_knows_has_a_forecast_too)
{
	struct bench b;

	open_bench(&b, true);
	say_remaining(&b, 60);
	start_job(&b, -1);
	loop_advance(b.loop, 20000);
	CHECK_INT(b.last.n_expected, 90 + 2);
	/* Pictures of 1000 bytes, and their film. */
	CHECK(b.last.forecast_bytes > 91000 && b.last.forecast_bytes < 140000);
	close_bench(&b);
}

static void film_grows(struct bench *b, uint32_t n_frames, uint64_t bytes)
{
	struct event_film *e = event_new_film();

	TEXT_SET(e->film.session, b->last.id);
	TEXT_SET(e->film.camera, b->plan.cameras[0]);
	e->film.state = FILM_GROWING;
	e->film.n_frames = n_frames;
	e->film.bytes = bytes;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

TEST(the_forecast_learns_from_the_film_that_grows)
{
	struct bench b;

	open_bench(&b, true);
	start_job(&b, 1000);
	for (int i = 1; i <= 60; i++)
		print_layer(&b, i, 5000);
	loop_advance(b.loop, 20000);
	CHECK(b.last.forecast_bytes > 1300000 && b.last.forecast_bytes < 1350000);
	film_grows(&b, 60, 60000);
	loop_advance(b.loop, 20000);
	CHECK(b.last.forecast_bytes > 1990000 && b.last.forecast_bytes < 2010000);
	close_bench(&b);
}

TEST(a_session_whose_job_the_records_lost_goes_on_with_the_same_print)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6); /* killed before it was recorded */
	print_layer(&b, 1, 5000);
	TEXT_SET(id, now(&b)->id);
	restart(&b);
	start_job(&b, 6);
	CHECK_STR(now(&b)->id, id);
	CHECK_STR(now(&b)->job, b.job.id);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	print_layer(&b, 2, 5000);
	CHECK_INT(now(&b)->n_frames, 3);
	close_bench(&b);
}

TEST(a_session_whose_job_the_records_know_does_not_go_on_with_another_of_its_name)
{
	struct bench b;
	char id[ID_SIZE];

	open_bench(&b, true);
	start_job(&b, 6);
	record_job(&b);
	print_layer(&b, 1, 5000);
	TEXT_SET(id, now(&b)->id);
	restart(&b);
	start_job(&b, 6);
	CHECK(strcmp(now(&b)->id, id) != 0);
	close_bench(&b);
}

TEST(a_dead_camera_does_not_hold_up_the_end)
{
	struct bench b;

	open_bench(&b, false);
	add_camera(&b, "top");
	sessions_set_plan(b.sessions, "a1", &b.plan);
	b.cameras.cameras[1].period_ms = 0;
	start_job(&b, 3);
	for (int i = 1; i <= 3; i++)
		print_layer(&b, i, 30000);
	CHECK_INT(now(&b)->n_frames, 4);
	end_job(&b, JOB_FINISHED);
	loop_advance(b.loop, 1900);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	CHECK_INT(b.last.n_frames, 5);
	close_bench(&b);
}

/* ---- a button ---- */

static struct press *pressed(struct bench *b)
{
	struct press *p = sessions_press(b->sessions, "a1", loop_now_us(b->loop), NULL);

	CHECK(p);
	CHECK_INT(b->cameras.cameras[0].n_shots, 1); /* at once */
	return p;
}

static void button_bench(struct bench *b)
{
	open_bench(b, false);
	b->plan.every_n_layers = 0;
	b->plan.starts_itself = false;
	sessions_set_plan(b->sessions, "a1", &b->plan);
}

static void check_newest(struct bench *b, enum journal_trigger trigger, int layer, int64_t at_us)
{
	auto_free char *dir = session_dir(b, now(b)->id);
	struct journal_reader *reader;
	struct journal_entry e, last = { 0 };

	CHECK_INT(journal_reader_open(dir, &reader, NULL), 0);
	while (journal_reader_next(reader, &e, NULL) > 0)
		last = e;
	journal_reader_close(reader);
	CHECK_INT(last.trigger, trigger);
	CHECK_INT(last.layer, layer);
	CHECK(last.at_us >= at_us && last.at_us < at_us + 110000);
}

TEST(a_press_that_is_kept_is_of_its_own_moment)
{
	struct bench b;
	struct press *p;
	int64_t at_us;

	button_bench(&b);
	start_job(&b, 10);
	CHECK_INT(now(&b)->state, SESSION_IDLE);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START_NOW, NULL), 0);
	loop_advance(b.loop, 3000);
	CHECK_INT(now(&b)->n_frames, 1);
	print_layer(&b, 4, 1000);
	CHECK_INT(now(&b)->n_frames, 1);
	at_us = loop_now_us(b.loop);
	p = pressed(&b);
	loop_advance(b.loop, 300);
	CHECK_INT(sessions_press_keep(p, NULL), 0);
	loop_advance(b.loop, 2000);
	CHECK_INT(now(&b)->n_frames, 2);
	check_newest(&b, TRIGGER_BUTTON, 4, at_us);
	close_bench(&b);
}

TEST(a_press_kept_before_its_picture_has_come_gets_it)
{
	struct bench b;
	int64_t at_us;

	button_bench(&b);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START_NOW, NULL), 0);
	loop_advance(b.loop, 3000);
	at_us = loop_now_us(b.loop);
	CHECK_INT(sessions_press_keep(pressed(&b), NULL), 0);
	loop_advance(b.loop, 2000);
	CHECK_INT(now(&b)->n_frames, 2);
	check_newest(&b, TRIGGER_BUTTON, -1, at_us);
	close_bench(&b);
}

TEST(a_press_that_is_dropped_leaves_nothing)
{
	struct bench b;
	struct press *p;

	button_bench(&b);
	sessions_press_drop(NULL);
	sessions_press_drop(pressed(&b)); /* on its way */
	CHECK_INT(b.cameras.cameras[0].n_shots, 0);
	p = pressed(&b);
	loop_advance(b.loop, 300);
	sessions_press_drop(p); /* taken */
	CHECK_INT(b.n_frames, 0);
	close_bench(&b);
}

TEST(a_press_without_a_session_or_within_a_pause_is_refused_in_words)
{
	struct bench b;
	struct err err = { 0 };

	button_bench(&b);
	CHECK_INT(sessions_press_keep(pressed(&b), &err), -EPERM);
	CHECK(strstr(err.text, "nothing is being recorded"));
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START_NOW, NULL), 0);
	loop_advance(b.loop, 3000);
	CHECK(!sessions_is_paused_by_order(b.sessions, "a1"));
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_PAUSE, NULL), 0);
	CHECK(sessions_is_paused_by_order(b.sessions, "a1"));
	CHECK_INT(sessions_press_keep(pressed(&b), &err), -EPERM);
	CHECK(strstr(err.text, "paused"));
	CHECK(!sessions_press(b.sessions, "nobody", 0, &err));
	b.plan.n_cameras = 0;
	sessions_set_plan(b.sessions, "a1", &b.plan);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_DISCARD, NULL), 0);
	loop_advance(b.loop, 3000);
	CHECK(!sessions_press(b.sessions, "a1", 0, &err));
	CHECK(strstr(err.text, "no camera"));
	close_bench(&b);
}

TEST(a_session_begun_by_hand_needs_no_print_and_takes_up_the_one_that_comes)
{
	struct bench b;

	button_bench(&b);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START_NOW, NULL), 0);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_STR(now(&b)->job_name, "By hand");
	loop_advance(b.loop, 3000);
	start_job(&b, 10);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_STR(now(&b)->job_name, "lid");
	CHECK_INT(sessions_press_keep(pressed(&b), NULL), 0);
	loop_advance(b.loop, 2000);
	CHECK_INT(now(&b)->n_frames, 2);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_STOP, NULL), 0);
	loop_advance(b.loop, 5000);
	CHECK_INT(b.last.state, SESSION_FINALISING);
	close_bench(&b);
}

TEST(a_session_begun_by_hand_goes_on_after_a_restart)
{
	struct bench b;
	char id[ID_SIZE];

	button_bench(&b);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_START_NOW, NULL), 0);
	loop_advance(b.loop, 3000);
	CHECK_INT(sessions_press_keep(pressed(&b), NULL), 0);
	loop_advance(b.loop, 2000);
	TEXT_SET(id, now(&b)->id);
	stop_sessions(&b);
	start_sessions(&b);
	CHECK_STR(now(&b)->id, id);
	CHECK_INT(now(&b)->state, SESSION_RECORDING);
	CHECK_INT(sessions_press_keep(pressed(&b), NULL), 0);
	loop_advance(b.loop, 2000);
	CHECK_INT(now(&b)->n_frames, 3);
	CHECK_INT(sessions_order(b.sessions, "a1", SESSION_ORDER_PAUSE, NULL), 0);
	loop_advance(b.loop, 2000);
	stop_sessions(&b);
	start_sessions(&b);
	CHECK_INT(now(&b)->state, SESSION_PAUSED);
	CHECK(sessions_is_paused_by_order(b.sessions, "a1"));
	close_bench(&b);
}
