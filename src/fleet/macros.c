/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/macros.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "model/event.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* What is awaited for a printer. */
struct wait {
	struct macros *owner;
	char printer[MODEL_ID_SIZE];
	bool is_held;                  /* the print stands still */
	bool for_session, for_capture; /* pictures of them */
	char session[ID_SIZE];         /* whose film; "" none */
	char begun_for[ID_SIZE];       /* the job that a session was begun for, once */
	char job[ID_SIZE];             /* that runs, "" none */
	bool is_early; /* asked for before the job was known: with it, if it comes soon */
	bool early_cyclic;
	struct timer limit;
	struct wait *prev, *next; /* macros.waits */
};

struct macros {
	struct macros_env env;
	struct bus_listener listener;
	struct wait *waits;
};

static struct wait *wait_of(struct macros *m, const char *printer)
{
	struct wait *w;

	DL_FOREACH(m->waits, w)
	if (text_equal(w->printer, printer))
		return w;
	return NULL;
}

static void too_long(void *arg);

static struct wait *wait_make(struct macros *m, const char *printer)
{
	struct wait *w = wait_of(m, printer);

	if (w)
		return w;
	w = MEM_NEW(struct wait);
	w->owner = m;
	TEXT_SET(w->printer, printer);
	timer_init(&w->limit, m->env.loop, too_long, w);
	DL_APPEND(m->waits, w);
	return w;
}

static void go_on(struct wait *w, bool is_film)
{
	bool was_held = w->is_held;

	timer_stop(&w->limit);
	w->is_held = w->for_session = w->for_capture = w->is_early = false;
	w->session[0] = '\0';
	if (was_held)
		w->owner->env.go_on(w->owner->env.arg, w->printer, is_film);
}

static void judge(struct wait *w)
{
	if (!w->for_session && !w->for_capture && !w->session[0] && !w->is_early)
		go_on(w, false);
}

static void too_long(void *arg)
{
	struct wait *w = arg;
	bool is_film = w->session[0] != '\0';

	if (!w->is_held) {
		go_on(w, is_film);
		return;
	}
	event_notice(w->owner->env.bus, loop_wall_ms(w->owner->env.loop), NOTICE_WARNING, "session",
	             w->printer,
	             is_film ? "The print waited two minutes for its film, which is not ready yet; "
	                       "it goes on, and the film is made all the same."
	                     : "The print waited with its head parked, but no picture came; it "
	                       "goes on. Look at the camera.");
	go_on(w, is_film);
}

/* A session for a print whose sessions do not begin by themselves: its macros want one. Once for each
 * print: a person may end it. */
static bool begin(struct wait *w)
{
	const struct macros_env *e = &w->owner->env;

	if (!w->job[0] || text_equal(w->begun_for, w->job))
		return false;
	TEXT_SET(w->begun_for, w->job);
	return e->begin(e->arg, w->printer, NULL) == 0;
}

static void shoot(struct wait *w, bool is_cyclic)
{
	const struct macros_env *e = &w->owner->env;
	struct err err = { 0 };
	int rc;

	/* Before anything is asked: the answer may come from inside. */
	w->for_session = w->for_capture = true;
	rc = e->shoot(e->arg, w->printer, is_cyclic, &err);
	if (rc < 0 && begin(w))
		rc = e->shoot(e->arg, w->printer, is_cyclic, &err);
	w->is_early = rc < 0 && !w->job[0];
	w->early_cyclic = is_cyclic;
	if (rc < 0 && !w->is_early)
		log_info(NULL, "printer %s: its macro asks for a picture, but %s", w->printer,
		         err.text);
	w->for_session = rc == 0 && w->for_session;
	rc = is_cyclic ? -1 : e->capture(e->arg, w->printer, NULL);
	w->for_capture = rc == 0 && w->for_capture;
	judge(w);
}

static void take_frame(struct wait *w, const struct event_macro *m)
{
	if (w->session[0])
		go_on(w, true);
	/* One that does not wait, of a hyperlapse, may come while another does: its limit stays. */
	if (m->waits || !w->is_held)
		timer_start(&w->limit, MACROS_FRAME_MS);
	w->is_held |= m->waits;
	w->session[0] = '\0';
	shoot(w, m->is_cyclic);
}

static void take_cycle(struct wait *w, const struct event_macro *m)
{
	const struct macros_env *e = &w->owner->env;
	struct err err = { 0 };
	int rc = e->cycle(e->arg, w->printer, m->every_s, &err);

	if (rc < 0 && m->every_s > 0 && begin(w))
		rc = e->cycle(e->arg, w->printer, m->every_s, &err);
	if (rc < 0)
		log_info(NULL, "printer %s: its macro asks for pictures by time, but %s",
		         w->printer, err.text);
}

static void take_render(struct wait *w, const struct event_macro *m)
{
	const struct macros_env *e = &w->owner->env;
	char session[ID_SIZE] = "";
	struct err err = { 0 };

	if (!w->session[0])
		go_on(w, false);
	w->is_held |= m->waits;
	w->for_session = w->for_capture = w->is_early = false;
	w->session[0] = '\0';
	timer_stop(&w->limit);
	if (e->finish(e->arg, w->printer, session, &err) < 0) {
		log_info(NULL, "printer %s: its macro asks for the film, but %s", w->printer,
		         err.text);
		go_on(w, true);
		return;
	}
	TEXT_SET(w->session, session);
	timer_start(&w->limit, MACROS_RENDER_MS);
}

static void heard_macro(struct macros *ms, const struct event_macro *m)
{
	struct wait *w = wait_make(ms, m->printer);

	if (m->is_over) {
		if (w->for_session) {
			w->for_session = false;
			judge(w);
		}
		return;
	}
	switch (m->kind) {
	case MACRO_FRAME:
		take_frame(w, m);
		return;
	case MACRO_CYCLE:
		take_cycle(w, m);
		return;
	case MACRO_RENDER:
		take_render(w, m);
		return;
	}
}

static void heard_job(struct macros *ms, const struct event_job *e)
{
	struct wait *w = wait_make(ms, e->job.printer);

	TEXT_SET(w->job, e->phase == JOB_ENDED ? "" : e->job.id);
	if (w->is_early && w->job[0])
		shoot(w, w->early_cyclic);
}

static void heard(void *arg, const struct bus_event *e)
{
	struct macros *m = arg;
	struct wait *w;

	if (e->type == EVENT_MACRO) {
		heard_macro(m, event_as_macro(e));
	} else if (e->type == EVENT_JOB) {
		heard_job(m, event_as_job(e));
	} else if (e->type == EVENT_CAPTURE) {
		const struct event_capture *c = event_as_capture(e);

		w = wait_of(m, c->capture.printer);
		if (!w || !w->for_capture || c->capture.state == CAPTURE_RUNNING)
			return;
		w->for_capture = false;
		judge(w);
	} else if (e->type == EVENT_SESSION) {
		const struct session *s = &event_as_session(e)->session;

		w = wait_of(m, s->printer);
		if (w && w->session[0] && text_equal(w->session, s->id) && s->state == SESSION_DONE)
			go_on(w, true);
	}
}

struct macros *macros_new(const struct macros_env *env)
{
	struct macros *m = MEM_NEW(struct macros);

	m->env = *env;
	bus_listen(env->bus, &m->listener, heard, m);
	return m;
}

/* moonraker-timelapse's macro would wait for us without end. */
static void wait_end(struct wait *w)
{
	go_on(w, w->session[0] != '\0');
	DL_DELETE(w->owner->waits, w);
	free(w);
}

void macros_forget(struct macros *m, const char *printer)
{
	struct wait *w = wait_of(m, printer);

	if (w)
		wait_end(w);
}

void macros_free(struct macros *m)
{
	struct wait *w, *next;

	if (!m)
		return;
	bus_unlisten(&m->listener);
	DL_FOREACH_SAFE(m->waits, w, next)
	wait_end(w);
	free(m);
}
