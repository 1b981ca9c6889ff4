/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/panel_private.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/captures.h"
#include "capture/sessions.h"
#include "core/log.h"
#include "edge/sim.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLICK_MS 50 /* down, and up */
#define MAX_EDGES 16
#define NO_BUTTON "no button is configured: write button: into bedside.yaml"
#define PRESSED_NOW "the button is being pressed just now"

void panel_publish(struct panel *p)
{
	struct event_rig *e = event_new_rig();

	e->status = p->status;
	bus_publish(p->env.bus, &e->head);
}

/* ---- what a series asks for ---- */

/* A found session waits for its printer, but it has pictures: it is under way. */
static bool is_under_way(const struct session *s)
{
	return s->state == SESSION_RECORDING || s->state == SESSION_PAUSED ||
	       (s->state == SESSION_ARMED && s->n_frames > 0);
}

static int order(struct panel *p, enum session_order o, const char *good, struct err *err)
{
	int rc = sessions_order(p->env.sessions, p->status.printer, o, err);

	if (rc == 0)
		TEXT_SET(p->status.last_text, good);
	return rc;
}

static int start_or_stop(struct panel *p, struct err *err)
{
	if (is_under_way(sessions_of(p->env.sessions, p->status.printer)))
		return order(p, SESSION_ORDER_STOP, "the session is ended, its film is made", err);
	return order(p, SESSION_ORDER_START_NOW, "a session is being recorded", err);
}

static int pause_or_resume(struct panel *p, struct err *err)
{
	int rc;

	if (sessions_is_paused_by_order(p->env.sessions, p->status.printer))
		return order(p, SESSION_ORDER_RESUME, "the session goes on", err);
	rc = order(p, SESSION_ORDER_PAUSE, "the session is paused", err);
	p->is_own_pause = rc == 0;
	return rc;
}

/* The snippet's clicks pause the session for a filament change of which the printer's report is late
 * or never comes: the wipes in it must not end the session. */
static bool is_in_own_pause(const struct panel *p)
{
	return p->is_own_pause && sessions_is_paused_by_order(p->env.sessions, p->status.printer);
}

static int keep(struct panel *p, struct press *press, const struct err *why, struct err *err)
{
	int rc;

	if (!press)
		return err_set(err, -ENODEV, "%s", why->text);
	rc = sessions_press_keep(press, err);
	if (rc == 0)
		TEXT_SET(p->status.last_text, "a picture is kept");
	return rc;
}

/* A capture of the layer, too, where the plan lets the button ask for it. */
static void capture_layer(struct panel *p)
{
	const struct capture_plan *plan =
		p->env.captures ? captures_plan(p->env.captures, p->status.printer) : NULL;
	char kept[sizeof(p->status.last_text)];
	struct err err = { 0 };

	if (!plan || !plan->is_on || !plan->by_button)
		return;
	TEXT_SET(kept, p->status.last_text);
	if (captures_order(p->env.captures, p->status.printer, CAPTURE_BY_BUTTON, &err) < 0)
		snprintf(p->status.last_text, sizeof(p->status.last_text),
		         "%.100s; the layer is not captured: %.100s", kept, err.text);
	else
		snprintf(p->status.last_text, sizeof(p->status.last_text),
		         "%.200s; the layer is being captured", kept);
}

static void obey(struct panel *p, const struct button_step *s)
{
	struct press *press = p->press;
	struct err err = { 0 };
	int rc = 0;

	p->press = NULL;
	if (s->order != BUTTON_FRAME)
		sessions_press_drop(press);
	switch (s->order) {
	case BUTTON_NONE:
		rc = s->is_wipe ? err_set(&err, -EPERM,
		                          "%u clicks while %s: taken for the wiping of the nozzle",
		                          s->clicks,
		                          is_in_own_pause(p) ? "clicks have paused the session"
		                                             : "filament is changed")
		                : err_set(&err, -EINVAL, "%u clicks mean nothing", s->clicks);
		break;
	case BUTTON_FRAME:
		rc = keep(p, press, &p->press_err, &err);
		break;
	case BUTTON_START_STOP:
		rc = start_or_stop(p, &err);
		break;
	case BUTTON_PAUSE_RESUME:
		rc = pause_or_resume(p, &err);
		break;
	case BUTTON_DISCARD:
		rc = order(p, SESSION_ORDER_DISCARD, "the session is ended without a film", &err);
		break;
	}
	if (rc < 0)
		TEXT_SET(p->status.last_text, err.text);
	if (s->order == BUTTON_FRAME)
		capture_layer(p);
}

static void tell_series(struct panel *p, const struct button_step *s)
{
	struct event_button *e = event_new_button();
	int64_t now_us = loop_now_us(p->env.loop);

	p->status.last_clicks = s->clicks;
	p->status.last_order = s->order;
	p->status.last_wall_ms = loop_wall_ms(p->env.loop) - (now_us - s->at_us) / 1000;
	TEXT_SET(e->printer, p->status.printer);
	TEXT_SET(e->text, p->status.last_text);
	e->clicks = s->clicks;
	e->order = s->order;
	e->at_us = s->at_us;
	e->at_wall_ms = p->status.last_wall_ms;
	bus_publish(p->env.bus, &e->head);
	log_info(NULL, "button: %u click%s, %s: %s", s->clicks, s->clicks == 1 ? "" : "s",
	         button_order_name(s->order), p->status.last_text);
	panel_publish(p);
}

static void shoot(struct panel *p, const struct button_step *s)
{
	sessions_press_drop(p->press);
	p->status.n_presses++;
	p->press = sessions_press(p->env.sessions, p->status.printer, s->at_us, &p->press_err);
	/* tests/lab measures this. */
	log_debug(NULL, "button: a picture is asked for %lld us after the press%s%s",
	          (long long)(loop_now_us(p->env.loop) - s->at_us), p->press ? "" : ": ",
	          p->press ? "" : p->press_err.text);
}

static void arm_timer(struct panel *p)
{
	int64_t due_us = button_due_us(&p->button), now_us = loop_now_us(p->env.loop);

	if (due_us == INT64_MAX)
		timer_stop(&p->due);
	else
		timer_start(&p->due, MAX((due_us - now_us + 999) / 1000, (int64_t)0));
}

static void take_steps(struct panel *p, struct button_step *steps, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (steps[i].news == BUTTON_SHOOT) {
			shoot(p, &steps[i]);
		} else if (steps[i].news == BUTTON_ORDERS) {
			if (steps[i].order == BUTTON_START_STOP && is_in_own_pause(p)) {
				steps[i].order = BUTTON_NONE;
				steps[i].is_wipe = true;
			}
			obey(p, &steps[i]);
			tell_series(p, &steps[i]);
		}
	}
}

void panel_edge(struct panel *p, bool is_down, int64_t at_us)
{
	struct button_step steps[BUTTON_MAX_STEPS];

	p->status.is_pressed = is_down;
	if (!is_down)
		timer_stop(&p->held);
	take_steps(p, steps, button_edge(&p->button, is_down, at_us, steps));
	arm_timer(p);
}

/* ---- the line ---- */

static int read_edges(struct panel *p, struct gpio_edge *e)
{
	if (p->sim)
		return sim_input_read(p->sim, loop_now_us(p->env.loop), e, MAX_EDGES);
	return p->input ? gpio_input_read(p->input, e, MAX_EDGES) : 0;
}

static void close_button(struct panel *p)
{
	ready_stop(p->ready);
	p->ready = NULL;
	gpio_input_close(p->input);
	p->input = NULL;
	sim_input_close(p->sim);
	p->sim = NULL;
}

static void part_failed(struct panel *p, struct rig_part *part, const char *what, const char *text)
{
	bool is_news = part->state != RIG_FAILED || strcmp(part->text, text) != 0;

	part->state = RIG_FAILED;
	TEXT_SET(part->text, text);
	timer_start(&p->retry, PANEL_RETRY_MS);
	if (!is_news)
		return;
	log_warn(NULL, "%s: %s", what, text);
	event_notice(p->env.bus, loop_wall_ms(p->env.loop), NOTICE_WARNING, "rig",
	             p->status.printer, "The %s cannot be used: %s.", what, text);
	panel_publish(p);
}

void panel_lights_failed(struct panel *p, const char *text)
{
	part_failed(p, &p->status.lights, "lights", text);
}

/* The kernel's queue may be as short as one full read (16 edges, by libgpiod 1), and then the newest
 * edges of a burst are dropped: the line itself has the last word. */
static void hear_level(struct panel *p)
{
	int is_active = p->input ? gpio_input_is_active(p->input) : -ENODEV;

	if (is_active >= 0)
		panel_edge(p, is_active, loop_now_us(p->env.loop));
}

static void on_ready(void *arg)
{
	struct panel *p = arg;
	struct gpio_edge e[MAX_EDGES];
	bool is_burst = false;
	int n;

	while ((n = read_edges(p, e)) > 0) {
		is_burst |= n == MAX_EDGES;
		for (int i = 0; i < n; i++)
			panel_edge(p, e[i].is_active, e[i].at_us);
	}
	if (n == 0 && is_burst)
		hear_level(p);
	if (n < 0) {
		close_button(p);
		part_failed(p, &p->status.button, "button", "its GPIO chip is gone");
	}
}

/* What the kernel has told and we have not read is older than now. */
static void on_due(void *arg)
{
	struct panel *p = arg;
	struct button_step steps[BUTTON_MAX_STEPS];

	on_ready(p);
	take_steps(p, steps, button_tick(&p->button, loop_now_us(p->env.loop), steps));
	arm_timer(p);
}

static int open_line(struct panel *p, int *ret_fd, struct err *err)
{
	struct rig_part *part = &p->status.button;
	int rc;

	if (p->config.is_button_simulated) {
		auto_free char *path = mem_printf("%s/" PANEL_PIPE, p->env.data_dir);

		rc = sim_input_open(path, p->config.button.is_active_low, &p->sim, err);
		if (rc < 0)
			return rc;
		*ret_fd = sim_input_fd(p->sim);
		part->state = RIG_SIMULATED;
		snprintf(part->text, sizeof(part->text), "simulated: write to %.180s", path);
		return 0;
	}
	rc = gpio_input_open(&p->config.button, &p->input, err);
	if (rc < 0)
		return rc;
	*ret_fd = gpio_input_fd(p->input);
	part->state = RIG_WORKS;
	snprintf(part->text, sizeof(part->text), "%s%s", gpio_input_text(p->input),
	         gpio_input_is_biased(p->input)
	                 ? ""
	                 : "; the chip has no pull-up of its own: there must be one on the wire");
	return 0;
}

static void open_button(struct panel *p)
{
	struct err err = { 0 };
	int fd = -1, rc;

	/* Simulated time has no descriptors: tests call panel_edge(). */
	if (!loop_uv(p->env.loop)) {
		p->status.button.state = RIG_SIMULATED;
		return;
	}
	rc = open_line(p, &fd, &err);
	if (rc == 0)
		rc = ready_start(p->env.loop, fd, on_ready, p, &p->ready, &err);
	if (rc < 0) {
		close_button(p);
		part_failed(p, &p->status.button, "button", err.text);
		return;
	}
	button_init(&p->button, &p->config.rules, p->input && gpio_input_is_active(p->input) > 0);
	log_info(NULL, "button: %s", p->status.button.text);
	panel_publish(p);
}

static void try_again(void *arg)
{
	struct panel *p = arg;

	if (p->config.has_button && !p->ready && p->status.button.state != RIG_SIMULATED)
		open_button(p);
	if (p->config.has_lights && p->status.lights.state == RIG_FAILED)
		panel_lights_open(p);
}

/* ---- clicks of the page ---- */

static void click_on(void *arg)
{
	struct panel *p = arg;
	bool is_down = p->click_edges % 2 == 0;

	panel_edge(p, is_down, loop_now_us(p->env.loop));
	if (--p->click_edges > 0)
		timer_start(&p->clicks, CLICK_MS);
}

int panel_click(struct panel *p, unsigned n, struct err *err)
{
	if (!p || !p->config.has_button)
		return err_set(err, -ENODEV, NO_BUTTON);
	if (p->click_edges > 0 || p->button.clicks > 0 || timer_is_running(&p->held))
		return err_set(err, -EBUSY, PRESSED_NOW);
	if (n < 1 || n > BUTTON_MAX_CLICKS)
		return err_set(err, -EINVAL, "1 to %d clicks", BUTTON_MAX_CLICKS);
	p->click_edges = 2 * n;
	click_on(p);
	return 0;
}

/* Who held it down is gone: a page that was closed lets nothing go. */
static void let_go(void *arg)
{
	struct panel *p = arg;

	panel_edge(p, false, loop_now_us(p->env.loop));
	panel_publish(p);
}

int panel_press(struct panel *p, bool is_down, struct err *err)
{
	if (!p || !p->config.has_button)
		return err_set(err, -ENODEV, NO_BUTTON);
	if (!p->config.is_button_simulated)
		return err_set(err, -EPERM,
		               "this button is a real one: press it by hand, or order clicks");
	if (p->click_edges > 0)
		return err_set(err, -EBUSY, PRESSED_NOW);
	if (is_down == p->status.is_pressed)
		return err_set(err, -EBUSY,
		               is_down ? "the button is held down already"
		                       : "the button is not held down");
	if (is_down)
		timer_start(&p->held, PANEL_HELD_MS);
	panel_edge(p, is_down, loop_now_us(p->env.loop));
	panel_publish(p);
	return 0;
}

/* ---- what happens around us ---- */

static bool is_ours(const struct panel *p, const char *printer)
{
	return strcmp(p->status.printer, printer) == 0;
}

static void heard_printer(struct panel *p, const struct event_printer *e)
{
	bool is_changing =
		e->after->is_changing_filament || e->after->pause == PRINTER_PAUSE_FILAMENT;

	if (is_changing != p->button.is_changing)
		log_debug(NULL, "button: filament is %schanged%s", is_changing ? "" : "no longer ",
		          is_changing ? ": clicks but for the pause are wipes" : "");
	button_set_changing(&p->button, is_changing, loop_now_us(p->env.loop));
	p->has_printer = e->after->link != PRINTER_LINK_OFFLINE &&
	                 e->after->link != PRINTER_LINK_REFUSED && !e->after->is_stale;
	panel_look(p);
}

/* A pause that ended, by whomever, is no longer ours. One that waits for its printer has not. */
static void heard_session(struct panel *p, const struct session *s)
{
	if (s->state != SESSION_ARMED &&
	    !sessions_is_paused_by_order(p->env.sessions, p->status.printer))
		p->is_own_pause = false;
	panel_look(p);
}

static void heard(void *arg, const struct bus_event *e)
{
	struct panel *p = arg;

	if (e->type == EVENT_PRINTER && is_ours(p, event_as_printer(e)->printer))
		heard_printer(p, event_as_printer(e));
	else if (e->type == EVENT_SESSION && is_ours(p, event_as_session(e)->session.printer))
		heard_session(p, &event_as_session(e)->session);
	else if (e->type == EVENT_FRAME && is_ours(p, event_as_frame(e)->printer))
		panel_blink(p);
	else if (e->type == EVENT_CAMERA)
		panel_heard_camera(p, event_as_camera(e));
}

void panel_printer_added(struct panel *p, const char *id)
{
	char wanted[MODEL_ID_SIZE];

	if (!p || p->status.printer[0])
		return;
	text_slug(wanted, sizeof(wanted), p->config.printer);
	if (p->config.printer[0] && strcmp(wanted, id) != 0)
		return;
	TEXT_SET(p->status.printer, id);
	panel_look(p);
	panel_publish(p);
}

void panel_printer_removed(struct panel *p, const char *id)
{
	if (!p || !is_ours(p, id))
		return;
	sessions_press_drop(p->press);
	p->press = NULL;
	p->status.printer[0] = '\0';
	p->has_printer = true;
	panel_look(p);
	panel_publish(p);
}

/* ---- life ---- */

struct panel *panel_new(const struct panel_env *env, const struct panel_config *c)
{
	struct panel *p = MEM_NEW(struct panel);

	p->env = *env;
	p->config = *c;
	p->has_printer = true; /* until it is known otherwise */
	/* Who ordered the pause that an earlier run left is not known: no wipe may end it. */
	p->is_own_pause = true;
	button_init(&p->button, &c->rules, false);
	timer_init(&p->due, env->loop, on_due, p);
	timer_init(&p->retry, env->loop, try_again, p);
	timer_init(&p->clicks, env->loop, click_on, p);
	timer_init(&p->held, env->loop, let_go, p);
	panel_lights_init(p);
	bus_listen(env->bus, &p->listener, heard, p);
	if (c->has_button)
		open_button(p);
	if (c->has_lights)
		panel_lights_open(p);
	return p;
}

void panel_free(struct panel *p)
{
	if (!p)
		return;
	bus_unlisten(&p->listener);
	sessions_press_drop(p->press);
	close_button(p);
	panel_lights_fini(p);
	timer_stop(&p->due);
	timer_stop(&p->retry);
	timer_stop(&p->clicks);
	timer_stop(&p->held);
	free(p);
}

const struct rig_status *panel_status(const struct panel *p)
{
	return &p->status;
}
