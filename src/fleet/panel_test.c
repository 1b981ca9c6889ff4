/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/panel.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "core/bus.h"
#include "core/loop.h"
#include "core/work.h"
#include "model/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RED 1U
#define GREEN 2U
#define YELLOW 4U

/* ---- sessions that live in the test: the promises of sessions.h ---- */

struct sessions {
	struct session s;
	struct session_plan plan;
	bool is_paused_by_order, has_no_camera;
	unsigned n_pressed, n_kept, n_dropped;
	int64_t pressed_us;
	unsigned n_orders;
	enum session_order last;
};

struct press {
	struct sessions *owner;
};

struct press *sessions_press(struct sessions *ss, const char *printer, int64_t at_us,
                             struct err *err)
{
	struct press *p;

	ss->n_pressed++;
	ss->pressed_us = at_us;
	if (ss->has_no_camera || !printer[0]) {
		err_set(err, -ENODEV, "no camera is assigned to this printer");
		return NULL;
	}
	p = MEM_NEW(struct press);
	p->owner = ss;
	return p;
}

void sessions_press_drop(struct press *p)
{
	if (!p)
		return;
	p->owner->n_dropped++;
	free(p);
}

int sessions_press_keep(struct press *p, struct err *err)
{
	struct sessions *ss = p->owner;

	free(p);
	if (ss->s.state != SESSION_RECORDING) {
		ss->n_dropped++;
		return err_set(err, -EPERM, "the picture is not kept: nothing is being recorded");
	}
	ss->n_kept++;
	return 0;
}

int sessions_order(struct sessions *ss, const char *printer UNUSED, enum session_order order,
                   struct err *err)
{
	ss->n_orders++;
	ss->last = order;
	switch (order) {
	case SESSION_ORDER_START:
	case SESSION_ORDER_START_NOW:
		ss->s.state = SESSION_RECORDING;
		break;
	case SESSION_ORDER_PAUSE:
		if (ss->s.state != SESSION_RECORDING)
			return err_set(err, -EPERM, "nothing is being recorded");
		ss->s.state = SESSION_PAUSED;
		ss->is_paused_by_order = true;
		break;
	case SESSION_ORDER_RESUME:
		ss->s.state = SESSION_RECORDING;
		ss->is_paused_by_order = false;
		break;
	case SESSION_ORDER_STOP:
	case SESSION_ORDER_DISCARD:
		ss->s.state = SESSION_FINALISING;
		ss->is_paused_by_order = false;
		break;
	case SESSION_ORDER_SHOOT:
		break;
	}
	return 0;
}

bool sessions_is_paused_by_order(const struct sessions *ss, const char *printer UNUSED)
{
	return ss->is_paused_by_order;
}

const struct session *sessions_of(const struct sessions *ss, const char *printer UNUSED)
{
	return &ss->s;
}

const struct session_plan *sessions_plan(const struct sessions *ss, const char *printer UNUSED)
{
	return &ss->plan;
}

/* ---- captures that live in the test ---- */

struct captures {
	struct capture_plan plan;
	unsigned n_orders;
	bool is_busy;
};

const struct capture_plan *captures_plan(const struct captures *cs, const char *printer UNUSED)
{
	return &cs->plan;
}

int captures_order(struct captures *cs, const char *printer UNUSED, enum capture_trigger by,
                   struct err *err)
{
	CHECK_INT(by, CAPTURE_BY_BUTTON);
	cs->n_orders++;
	return cs->is_busy ? err_set(err, -EBUSY, "a capture is under way: moving") : 0;
}

/* ---- the bench ---- */

struct bench {
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct work_pool *pool;
	struct sessions sessions;
	struct captures captures;
	struct panel *panel;
	struct event_button last;
	unsigned n_series;
};

static void hear(void *arg, const struct bus_event *e)
{
	struct bench *b = arg;

	if (e->type != EVENT_BUTTON)
		return;
	b->n_series++;
	b->last = *event_as_button(e);
}

static void open_bench(struct bench *b, const char *printer)
{
	struct panel_config c = { .has_button = true,
		                  .has_lights = true,
		                  .is_button_simulated = true,
		                  .are_lights_simulated = true };

	*b = (struct bench){ .loop = loop_new_simulated(1795257605000) };
	b->bus = bus_new(b->loop);
	bus_listen(b->bus, &b->listener, hear, b);
	b->pool = work_pool_new(b->loop, "t", 1);
	b->sessions.plan.n_cameras = 1;
	TEXT_SET(b->sessions.plan.cameras[0], "cam");
	button_rules_init(&c.rules);
	TEXT_SET(c.printer, printer);
	b->panel = panel_new(&(struct panel_env){ b->loop, b->bus, &b->sessions, b->pool,
	                                          test_tmp_dir(), 1000, &b->captures },
	                     &c);
	loop_advance(b->loop, 0);
}

static void close_bench(struct bench *b)
{
	panel_free(b->panel);
	loop_advance(b->loop, 0);
	CHECK_INT(b->sessions.n_pressed, b->sessions.has_no_camera
	                                         ? b->sessions.n_pressed
	                                         : b->sessions.n_kept + b->sessions.n_dropped);
	bus_unlisten(&b->listener);
	bus_free(b->bus);
	work_pool_free(b->pool);
	loop_free(b->loop);
}

static void click(struct bench *b, unsigned n)
{
	CHECK_INT(panel_click(b->panel, n, NULL), 0);
	loop_advance(b->loop, 100 * n + 400);
}

static void tell_session(struct bench *b)
{
	struct event_session *e = event_new_session();

	e->session = b->sessions.s;
	TEXT_SET(e->session.printer, "a1");
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

static void tell_printer(struct bench *b, bool is_changing, enum printer_link link)
{
	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, "a1");
	e->after = MEM_NEW(struct printer_state);
	printer_state_init(e->after);
	e->after->is_changing_filament = is_changing;
	e->after->link = link;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

static void tell_camera(struct bench *b, enum camera_state state)
{
	struct event_camera *e = event_new_camera();

	TEXT_SET(e->camera, "cam");
	e->status.state = state;
	bus_publish(b->bus, &e->head);
	loop_advance(b->loop, 0);
}

TEST(clicks_start_photograph_pause_resume_and_stop_a_session)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_START_NOW);
	CHECK_INT(b.sessions.n_dropped, 1); /* the picture of the first press */
	click(&b, 1);
	CHECK_INT(b.sessions.n_kept, 1);
	CHECK_INT(b.last.order, BUTTON_FRAME);
	CHECK_STR(b.last.printer, "a1");
	CHECK(b.last.at_us == b.sessions.pressed_us);
	click(&b, 4);
	CHECK_INT(b.sessions.last, SESSION_ORDER_PAUSE);
	click(&b, 4);
	CHECK_INT(b.sessions.last, SESSION_ORDER_RESUME);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);
	CHECK_INT(b.sessions.n_orders, 4);
	CHECK_INT(b.n_series, 5);
	CHECK_INT(panel_status(b.panel)->n_presses, 5);
	CHECK_INT(panel_status(b.panel)->last_clicks, 3);
	close_bench(&b);
}

TEST(five_clicks_end_it_without_a_film_and_two_do_nothing)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	click(&b, 2);
	CHECK_INT(b.sessions.n_orders, 1);
	CHECK(strstr(panel_status(b.panel)->last_text, "2 clicks mean nothing"));
	click(&b, 5);
	CHECK_INT(b.sessions.last, SESSION_ORDER_DISCARD);
	close_bench(&b);
}

TEST(a_click_captures_the_layer_where_the_plan_says_so)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	b.captures.plan.is_on = true;
	click(&b, 1);
	CHECK_INT(b.captures.n_orders, 0);
	b.captures.plan.by_button = true;
	click(&b, 1);
	CHECK_INT(b.captures.n_orders, 1);
	CHECK_STR(panel_status(b.panel)->last_text,
	          "a picture is kept; the layer is being captured");
	b.captures.is_busy = true;
	click(&b, 1);
	CHECK(strstr(panel_status(b.panel)->last_text,
	             "kept; the layer is not captured: a capture"));
	click(&b, 2);
	click(&b, 4);
	click(&b, 5);
	CHECK_INT(b.captures.n_orders, 2);
	b.captures.is_busy = false;
	click(&b, 1); /* no session is needed */
	CHECK_INT(b.captures.n_orders, 3);
	CHECK(strstr(panel_status(b.panel)->last_text, "; the layer is being captured"));
	b.captures.plan.is_on = false;
	click(&b, 1);
	CHECK_INT(b.captures.n_orders, 3);
	close_bench(&b);
}

TEST(a_click_without_session_camera_or_printer_is_answered_in_words)
{
	struct bench b;

	open_bench(&b, "");
	b.sessions.has_no_camera = true;
	click(&b, 1); /* no printer even */
	panel_printer_added(b.panel, "a1");
	click(&b, 1);
	CHECK(strstr(panel_status(b.panel)->last_text, "no camera"));
	b.sessions.has_no_camera = false;
	click(&b, 1);
	CHECK(strstr(panel_status(b.panel)->last_text, "nothing is being recorded"));
	click(&b, 4);
	CHECK(strstr(panel_status(b.panel)->last_text, "nothing is being recorded"));
	CHECK_INT(b.n_series, 4);
	b.sessions.has_no_camera = true;
	close_bench(&b);
}

TEST(a_found_session_is_stopped_not_begun)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	b.sessions.s.state = SESSION_ARMED;
	b.sessions.s.n_frames = 7;
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);
	b.sessions.s.state = SESSION_ARMED;
	b.sessions.s.n_frames = 0;
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_START_NOW);
	close_bench(&b);
}

TEST(wipes_while_filament_is_changed_do_nothing)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	tell_printer(&b, true, PRINTER_LINK_ONLINE);
	click(&b, 4);
	CHECK_INT(b.sessions.last, SESSION_ORDER_PAUSE);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_PAUSE);
	CHECK(strstr(panel_status(b.panel)->last_text, "wiping"));
	click(&b, 4);
	CHECK_INT(b.sessions.last, SESSION_ORDER_RESUME);
	tell_printer(&b, false, PRINTER_LINK_ONLINE);
	loop_advance(b.loop, 3000);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);
	close_bench(&b);
}

TEST(wipes_in_a_pause_by_clicks_do_nothing_without_a_printer_s_word)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	tell_session(&b);
	click(&b, 4);
	tell_session(&b);
	click(&b, 3);
	CHECK_INT(b.sessions.s.state, SESSION_PAUSED);
	CHECK_INT(b.last.order, BUTTON_NONE);
	CHECK(strstr(panel_status(b.panel)->last_text, "wiping"));
	click(&b, 4);
	CHECK_INT(b.sessions.last, SESSION_ORDER_RESUME);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);

	/* Five end it all the same. */
	click(&b, 3);
	click(&b, 4);
	click(&b, 5);
	CHECK_INT(b.sessions.last, SESSION_ORDER_DISCARD);
	close_bench(&b);
}

TEST(three_clicks_stop_what_was_paused_elsewhere)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	click(&b, 3);
	click(&b, 4);
	/* The page lets it go on, and pauses it. */
	CHECK_INT(sessions_order(&b.sessions, "a1", SESSION_ORDER_RESUME, NULL), 0);
	tell_session(&b);
	CHECK_INT(sessions_order(&b.sessions, "a1", SESSION_ORDER_PAUSE, NULL), 0);
	tell_session(&b);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);
	close_bench(&b);
}

TEST(a_pause_that_an_earlier_run_left_is_not_ended_by_wipes)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	b.sessions.s.state = SESSION_ARMED;
	tell_session(&b);
	b.sessions.s.state = SESSION_PAUSED;
	b.sessions.is_paused_by_order = true;
	tell_session(&b);
	click(&b, 3);
	CHECK_INT(b.sessions.n_orders, 0);
	click(&b, 4);
	click(&b, 3);
	CHECK_INT(b.sessions.last, SESSION_ORDER_STOP);
	close_bench(&b);
}

TEST(the_button_belongs_to_the_printer_that_is_named)
{
	struct bench b;

	open_bench(&b, "A1 in the shed");
	panel_printer_added(b.panel, "p1s");
	CHECK_STR(panel_status(b.panel)->printer, "");
	panel_printer_added(b.panel, "a1-in-the-shed");
	CHECK_STR(panel_status(b.panel)->printer, "a1-in-the-shed");
	panel_printer_added(b.panel, "x1");
	CHECK_STR(panel_status(b.panel)->printer, "a1-in-the-shed");
	panel_printer_removed(b.panel, "a1-in-the-shed");
	CHECK_STR(panel_status(b.panel)->printer, "");
	close_bench(&b);
}

TEST(the_lights_follow_the_session)
{
	struct bench b;
	struct event_frame *e;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	CHECK_INT(panel_lit(b.panel), RED);
	b.sessions.s.state = SESSION_RECORDING;
	tell_session(&b);
	CHECK_INT(panel_lit(b.panel), GREEN);
	e = event_new_frame();
	TEXT_SET(e->printer, "a1");
	bus_publish(b.bus, &e->head);
	loop_advance(b.loop, 0);
	CHECK_INT(panel_lit(b.panel), GREEN | RED);
	loop_advance(b.loop, 201);
	CHECK_INT(panel_lit(b.panel), GREEN);
	b.sessions.s.state = SESSION_PAUSED;
	tell_session(&b);
	CHECK_INT(panel_lit(b.panel), YELLOW);
	b.sessions.s.state = SESSION_FINALISING;
	tell_session(&b);
	CHECK_INT(panel_lit(b.panel), 0);
	b.sessions.s.state = SESSION_DONE;
	tell_session(&b);
	CHECK_INT(panel_lit(b.panel), RED);
	close_bench(&b);
}

TEST(the_lights_tell_of_trouble)
{
	struct bench b;

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	tell_printer(&b, false, PRINTER_LINK_ONLINE);
	CHECK_INT(panel_status(b.panel)->show, RIG_IDLE);
	tell_printer(&b, false, PRINTER_LINK_OFFLINE);
	CHECK_INT(panel_status(b.panel)->show, RIG_NO_PRINTER);
	tell_camera(&b, CAMERA_NO_SIGNAL);
	tell_camera(&b, CAMERA_NO_SIGNAL);
	CHECK_INT(panel_status(b.panel)->show, RIG_NO_CAMERA);
	tell_camera(&b, CAMERA_LIVE);
	CHECK_INT(panel_status(b.panel)->show, RIG_NO_PRINTER);
	tell_printer(&b, false, PRINTER_LINK_ONLINE);
	CHECK_INT(panel_status(b.panel)->show, RIG_IDLE);
	close_bench(&b);
}

static void press(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		CHECK_INT(panel_press(b->panel, true, NULL), 0);
		loop_advance(b->loop, 120);
		CHECK_INT(panel_press(b->panel, false, NULL), 0);
		loop_advance(b->loop, 130);
	}
	loop_advance(b->loop, 400);
}

TEST(a_simulated_button_is_pressed_as_a_real_one)
{
	struct bench b;
	struct err err = { 0 };

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	press(&b, 3);
	CHECK_INT(b.sessions.s.state, SESSION_RECORDING);
	press(&b, 1);
	CHECK_INT(b.sessions.n_kept, 1);
	press(&b, 4);
	CHECK_INT(b.sessions.s.state, SESSION_PAUSED);
	press(&b, 4);
	CHECK_INT(panel_press(b.panel, false, &err), -EBUSY);
	CHECK_INT(panel_press(b.panel, true, &err), 0);
	CHECK_INT(panel_press(b.panel, true, &err), -EBUSY); /* on another page */
	CHECK_STR(err.text, "the button is held down already");
	CHECK_INT(panel_press(b.panel, false, &err), 0);
	loop_advance(b.loop, 400);
	CHECK_INT(panel_click(b.panel, 2, NULL), 0);
	CHECK_INT(panel_press(b.panel, true, &err), -EBUSY);
	loop_advance(b.loop, 600);
	close_bench(&b);
}

TEST(a_button_that_nobody_lets_go_goes_up_by_itself)
{
	struct bench b;
	struct err err = { 0 };

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	press(&b, 3);
	CHECK_INT(panel_press(b.panel, true, NULL), 0);
	loop_advance(b.loop, PANEL_HELD_MS - 1);
	CHECK(panel_status(b.panel)->is_pressed);
	CHECK_INT(panel_click(b.panel, 3, &err), -EBUSY);
	loop_advance(b.loop, 1);
	CHECK(!panel_status(b.panel)->is_pressed);
	CHECK_INT(b.sessions.n_kept, 1); /* one click */
	press(&b, 4);
	CHECK_INT(b.sessions.s.state, SESSION_PAUSED);
	press(&b, 4);
	/* What was let go in time has no limit to come. */
	CHECK_INT(panel_press(b.panel, true, NULL), 0);
	loop_advance(b.loop, PANEL_HELD_MS - 1000);
	CHECK_INT(panel_press(b.panel, false, NULL), 0);
	CHECK_INT(panel_press(b.panel, true, NULL), 0);
	loop_advance(b.loop, PANEL_HELD_MS - 1000);
	CHECK(panel_status(b.panel)->is_pressed);
	close_bench(&b);
}

TEST(a_real_button_is_not_pressed_from_afar)
{
	struct bench b;
	struct err err = { 0 };
	const struct panel_config c = { .has_button = true };
	struct panel *real;

	open_bench(&b, "");
	real = panel_new(&(struct panel_env){ b.loop, b.bus, &b.sessions, b.pool, test_tmp_dir(),
	                                      1000, NULL },
	                 &c);
	CHECK_INT(panel_press(real, true, &err), -EPERM);
	CHECK(strstr(err.text, "press it by hand"));
	CHECK_INT(panel_press(NULL, true, &err), -ENODEV);
	panel_free(real);
	close_bench(&b);
}

TEST(clicks_of_the_page_do_not_mix)
{
	struct bench b;
	struct err err = { 0 };

	open_bench(&b, "");
	panel_printer_added(b.panel, "a1");
	CHECK_INT(panel_click(b.panel, 3, NULL), 0);
	CHECK_INT(panel_click(b.panel, 1, &err), -EBUSY);
	loop_advance(b.loop, 310);
	CHECK_INT(panel_click(b.panel, 1, &err), -EBUSY); /* its window is open */
	loop_advance(b.loop, 400);
	CHECK_INT(panel_click(b.panel, 99, &err), -EINVAL);
	CHECK_INT(panel_click(NULL, 1, &err), -ENODEV);
	CHECK_INT(b.n_series, 1);
	close_bench(&b);
}
