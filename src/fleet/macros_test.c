/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/macros.h"

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"

#include <errno.h>

struct world {
	struct loop *loop;
	struct bus *bus;
	struct macros *macros;
	bool has_session, has_plan, may_begin;
	unsigned n_shots, n_cycles, n_begun, n_finished, n_captures, n_on, n_on_film;
	double every_s;
};

static int shoot(void *arg, const char *printer, bool is_cyclic, struct err *err)
{
	struct world *w = arg;

	(void)is_cyclic;
	CHECK_STR(printer, "v");
	if (!w->has_session)
		return err_set(err, -EPERM, "no session records this print");
	w->n_shots++;
	return 0;
}

static int cycle(void *arg, const char *printer, double every_s, struct err *err)
{
	struct world *w = arg;

	(void)printer;
	if (!w->has_session)
		return err_set(err, -EPERM, "no session records this print");
	w->n_cycles++;
	w->every_s = every_s;
	return 0;
}

static int begin(void *arg, const char *printer, struct err *err)
{
	struct world *w = arg;

	(void)printer;
	if (!w->may_begin)
		return err_set(err, -EPERM, "by themselves");
	w->n_begun++;
	w->has_session = true;
	return 0;
}

static int finish(void *arg, const char *printer, char session[ID_SIZE], struct err *err)
{
	struct world *w = arg;

	(void)printer;
	if (!w->has_session)
		return err_set(err, -EPERM, "no session records this print");
	w->n_finished++;
	text_copy(session, ID_SIZE, "S1");
	return 0;
}

static int capture(void *arg, const char *printer, struct err *err)
{
	struct world *w = arg;

	(void)printer;
	w->n_captures += w->has_plan;
	return w->has_plan ? 0 : err_set(err, -EPERM, "no plan");
}

static void go_on(void *arg, const char *printer, bool is_film)
{
	struct world *w = arg;

	CHECK_STR(printer, "v");
	if (is_film)
		w->n_on_film++;
	else
		w->n_on++;
}

static void world_begin(struct world *w)
{
	*w = (struct world){ .loop = loop_new_simulated(0),
		             .has_session = true,
		             .may_begin = true };
	w->bus = bus_new(w->loop);
	w->macros = macros_new(&(struct macros_env){ .loop = w->loop,
	                                             .bus = w->bus,
	                                             .shoot = shoot,
	                                             .cycle = cycle,
	                                             .begin = begin,
	                                             .finish = finish,
	                                             .capture = capture,
	                                             .go_on = go_on,
	                                             .arg = w });
}

static void world_end(struct world *w)
{
	macros_free(w->macros);
	bus_free(w->bus);
	loop_free(w->loop);
}

static void macro(struct world *w, enum macro_kind kind, bool waits, double every_s)
{
	struct event_macro *e = event_new_macro();

	TEXT_SET(e->printer, "v");
	e->kind = kind;
	e->waits = waits;
	e->every_s = every_s;
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 10);
}

static void frame_over(struct world *w)
{
	struct event_macro *e = event_new_macro();

	TEXT_SET(e->printer, "v");
	e->is_over = true;
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 10);
}

static void capture_is(struct world *w, enum capture_state state)
{
	struct event_capture *e = event_new_capture();

	TEXT_SET(e->capture.printer, "v");
	e->capture.state = state;
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 10);
}

static void job_is(struct world *w, enum job_phase phase, const char *id)
{
	struct event_job *e = event_new_job();

	e->phase = phase;
	TEXT_SET(e->job.printer, "v");
	TEXT_SET(e->job.id, id);
	bus_publish(w->bus, &e->head);
	loop_advance(w->loop, 10);
}

TEST(a_parked_head_goes_on_when_session_and_capture_have_their_pictures)
{
	struct world w;

	world_begin(&w);
	w.has_plan = true;
	macro(&w, MACRO_FRAME, true, 0);
	CHECK(w.n_shots == 1 && w.n_captures == 1 && w.n_on == 0);
	frame_over(&w);
	CHECK_INT(w.n_on, 0);
	capture_is(&w, CAPTURE_RUNNING);
	CHECK_INT(w.n_on, 0);
	capture_is(&w, CAPTURE_COMPLETED);
	CHECK_INT(w.n_on, 1);
	/* One that does not wait is told nothing. */
	macro(&w, MACRO_FRAME, false, 0);
	frame_over(&w);
	CHECK_INT(w.n_on, 1);
	world_end(&w);
}

TEST(a_parked_head_does_not_wait_for_a_dead_camera)
{
	struct world w;

	world_begin(&w);
	macro(&w, MACRO_FRAME, true, 0);
	loop_advance(w.loop, MACROS_FRAME_MS - 100);
	CHECK_INT(w.n_on, 0);
	loop_advance(w.loop, 200);
	CHECK_INT(w.n_on, 1);
	/* It comes after all: once is enough. */
	frame_over(&w);
	CHECK_INT(w.n_on, 1);
	world_end(&w);
}

TEST(a_parked_head_goes_on_when_the_program_ends)
{
	struct world w;

	world_begin(&w);
	macro(&w, MACRO_FRAME, true, 0);
	CHECK_INT(w.n_on, 0);
	world_end(&w);
	CHECK(w.n_on == 1 && w.n_on_film == 0);
	world_begin(&w);
	macro(&w, MACRO_FRAME, false, 0);
	macro(&w, MACRO_RENDER, true, 0);
	world_end(&w);
	CHECK(w.n_on == 0 && w.n_on_film == 1);
}

TEST(a_parked_head_goes_on_when_its_printer_is_removed)
{
	struct world w;

	world_begin(&w);
	macro(&w, MACRO_FRAME, true, 0);
	macros_forget(w.macros, "another");
	CHECK_INT(w.n_on, 0);
	macros_forget(w.macros, "v");
	CHECK(w.n_on == 1 && w.n_on_film == 0);
	macro(&w, MACRO_RENDER, true, 0);
	macros_forget(w.macros, "v");
	CHECK(w.n_on == 1 && w.n_on_film == 1);
	loop_advance(w.loop, MACROS_RENDER_MS + 100);
	world_end(&w);
	CHECK(w.n_on == 1 && w.n_on_film == 1);
}

TEST(a_macro_that_waits_is_not_forgotten_for_another)
{
	struct world w;

	world_begin(&w);
	macro(&w, MACRO_FRAME, true, 0);
	macro(&w, MACRO_RENDER, true, 0);
	CHECK(w.n_on == 1 && w.n_on_film == 0);
	macro(&w, MACRO_FRAME, true, 0);
	CHECK(w.n_on == 1 && w.n_on_film == 1);
	macro(&w, MACRO_FRAME, false, 0);
	frame_over(&w);
	CHECK(w.n_on == 2 && w.n_on_film == 1);
	macro(&w, MACRO_RENDER, true, 0);
	macro(&w, MACRO_RENDER, false, 0);
	loop_advance(w.loop, MACROS_RENDER_MS + 100);
	CHECK(w.n_on == 2 && w.n_on_film == 2);
	world_end(&w);
}

TEST(pictures_by_time_do_not_hold_a_parked_head_for_ever)
{
	struct world w;

	world_begin(&w);
	macro(&w, MACRO_FRAME, true, 0);
	for (int ms = 0; ms < 2 * MACROS_FRAME_MS; ms += MACROS_FRAME_MS / 4) {
		loop_advance(w.loop, MACROS_FRAME_MS / 4);
		macro(&w, MACRO_FRAME, false, 0);
	}
	CHECK(w.n_on == 1 && w.n_on_film == 0);
	world_end(&w);
}

TEST(a_parked_head_goes_on_at_once_when_nothing_records)
{
	struct world w;

	world_begin(&w);
	job_is(&w, JOB_STARTED, "J1");
	macro(&w, MACRO_FRAME, false, 0);
	CHECK(w.n_begun == 0 && w.n_shots == 1);
	frame_over(&w);
	w.has_session = w.may_begin = false;
	macro(&w, MACRO_FRAME, true, 0);
	CHECK(w.n_on == 1 && w.n_shots == 1);
	world_end(&w);
	/* Nobody has said yet that it prints: a moment's patience. */
	world_begin(&w);
	w.has_session = false;
	macro(&w, MACRO_FRAME, true, 0);
	CHECK_INT(w.n_on, 0);
	w.has_session = true;
	job_is(&w, JOB_FOUND_AGAIN, "J1");
	CHECK_INT(w.n_shots, 1);
	frame_over(&w);
	CHECK_INT(w.n_on, 1);
	world_end(&w);
}

TEST(a_print_whose_macros_ask_gets_a_session_once)
{
	struct world w;

	world_begin(&w);
	w.has_session = false;
	job_is(&w, JOB_STARTED, "J1");
	macro(&w, MACRO_FRAME, false, 0);
	CHECK(w.n_begun == 1 && w.n_shots == 1);
	w.has_session = false; /* a person ended it */
	macro(&w, MACRO_FRAME, false, 0);
	CHECK(w.n_begun == 1 && w.n_shots == 1);
	job_is(&w, JOB_ENDED, "J1");
	job_is(&w, JOB_STARTED, "J2");
	macro(&w, MACRO_CYCLE, false, 30);
	CHECK(w.n_begun == 2 && w.n_cycles == 1 && w.every_s == 30);
	macro(&w, MACRO_CYCLE, false, 0);
	CHECK(w.n_cycles == 2 && w.every_s == 0);
	world_end(&w);
}

TEST(a_print_waits_for_its_film_but_not_for_ever)
{
	struct world w;
	struct event_session *e;

	world_begin(&w);
	macro(&w, MACRO_RENDER, true, 0);
	CHECK(w.n_finished == 1 && w.n_on_film == 0);
	e = event_new_session();
	TEXT_SET(e->session.printer, "v");
	TEXT_SET(e->session.id, "S1");
	e->session.state = SESSION_DONE;
	bus_publish(w.bus, &e->head);
	loop_advance(w.loop, 10);
	CHECK_INT(w.n_on_film, 1);
	macro(&w, MACRO_RENDER, true, 0);
	loop_advance(w.loop, MACROS_RENDER_MS + 100);
	CHECK_INT(w.n_on_film, 2);
	w.has_session = false; /* there is no film to wait for */
	macro(&w, MACRO_RENDER, true, 0);
	CHECK_INT(w.n_on_film, 3);
	world_end(&w);
}
