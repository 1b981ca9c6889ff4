/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/making.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/proc.h"
#include "film/films.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_EVERY_US 1000000
#define MAX_DEATHS 8 /* in a row without a frame more, once the session is over */
#define FIRST_PAUSE_MS 500
#define LONGEST_PAUSE_MS 60000
#define LONGEST_CHECK_PAUSE_MS 3600000
#define MAX_REMADE 1
#define ASK_AGAIN_MS 1000

static void changed(struct making *m, bool is_milestone)
{
	m->told_us = loop_now_us(m->env->loop);
	m->hooks.changed(m->hooks.arg, m, is_milestone);
}

static void set_state(struct making *m, enum film_state state, const char *text)
{
	m->film.state = state;
	TEXT_SET(m->film.text, text);
	changed(m, true);
}

static void on_retry(void *arg)
{
	making_go(arg);
}

/* Each death in a row doubles the pause. */
static void pause_then_go(struct making *m)
{
	unsigned shift = MIN(m->n_deaths > 0 ? m->n_deaths - 1 : 0, 16U);
	int64_t longest_ms =
		m->phase == MAKING_VERIFYING ? LONGEST_CHECK_PAUSE_MS : LONGEST_PAUSE_MS;

	timer_start(&m->retry, MIN((int64_t)FIRST_PAUSE_MS << shift, longest_ms));
}

static void go_over(struct making *m, enum film_state state, const char *text)
{
	m->phase = MAKING_OVER;
	timer_stop(&m->retry);
	set_state(m, state, text);
}

void making_give_up(struct making *m, const char *text)
{
	proc_free(m->proc);
	m->proc = NULL;
	log_warn(&m->log, "%s", text);
	go_over(m, FILM_FAILED, text);
	m->hooks.idle(m->hooks.arg, m);
}

static void keep_figures(struct making *m, const struct worker_said *s)
{
	struct film *f = &m->film;

	f->n_frames = s->n_frames;
	if (m->phase != MAKING_PROBING)
		f->n_skipped = s->n_skipped;
	f->width = s->width;
	f->height = s->height;
	f->fps = s->fps;
	f->duration_s = s->duration_s;
	f->bytes = s->bytes;
	f->progress_percent = 100;
	f->made_wall_ms = loop_wall_ms(m->env->loop);
}

static void say_skipped(const struct film *f, char *text, size_t size)
{
	text[0] = 0;
	if (f->n_skipped > 0)
		(void)snprintf(text, size, "%u broken picture%s left out.", f->n_skipped,
		               f->n_skipped == 1 ? " was" : "s were");
}

/* The film plays. */
static void ready(struct making *m, const struct worker_said *s)
{
	char text[160];

	keep_figures(m, s);
	m->n_deaths = 0;
	say_skipped(&m->film, text, sizeof(text));
	log_info(&m->log, "%s: %u frames, %.1f s", m->film.file, s->n_frames, s->duration_s);
	m->phase = s->is_off && m->n_remade < MAX_REMADE ? MAKING_REMAKING : MAKING_VERIFYING;
	if (m->phase == MAKING_REMAKING)
		m->n_remade++;
	set_state(m, FILM_READY, text);
}

static void progressed(struct making *m, const struct worker_said *s)
{
	struct film *f = &m->film;
	bool is_more = s->n_frames > f->n_frames;

	if (m->phase != MAKING_ENCODING)
		return;
	if (is_more)
		m->n_deaths = 0;
	f->n_frames = s->n_frames;
	f->n_skipped = s->n_skipped;
	f->bytes = s->bytes;
	f->progress_percent = s->percent;
	f->text[0] = 0;
	m->waits_for_disk = false;
	if (loop_now_us(m->env->loop) - m->told_us >= TELL_EVERY_US)
		changed(m, false);
}

static void on_said(void *arg, const struct worker_said *s)
{
	struct making *m = arg;

	switch (s->word) {
	case WORKER_STARTED:
		log_debug(&m->log, "worker %d goes on after %u frames", proc_pid(m->proc),
		          s->n_frames);
		return;
	case WORKER_PROGRESS:
		progressed(m, s);
		return;
	case WORKER_DONE:
	case WORKER_STOPPED:
	case WORKER_VERIFIED:
	case WORKER_FAILED:
		m->last = *s;
		m->has_last = true;
		return;
	}
}

static void on_logged(void *arg, const char *line)
{
	struct making *m = arg;

	TEXT_SET(m->last_log, line);
	log_info(&m->log, "worker: %s", line);
}

/* The film plays, whatever became of its worker: what else was to be done with it waits, and is
 * tried again. Until it was checked its pictures stay. */
static void keep_ready(struct making *m, const char *why)
{
	char text[240];

	if (m->phase == MAKING_REMAKING) {
		log_warn(&m->log, "%s; the film stays as it is", why);
		m->phase = MAKING_VERIFYING;
		m->n_deaths = 0;
	} else if (m->n_deaths == MAX_DEATHS) {
		(void)snprintf(text, sizeof(text),
		               "The film plays, but could not be checked yet: %.110s. It is tried "
		               "again; until then the pictures are kept.",
		               why);
		log_warn(&m->log, "%s", text);
		set_state(m, FILM_READY, text);
	}
	pause_then_go(m);
}

/* The worker died, or the disk did not let it go on: the next one takes up what is whole. */
static void died(struct making *m, const char *why)
{
	m->n_deaths++;
	log_warn(&m->log, "the worker ended (%s); another one goes on", why);
	if (m->wants_finish && m->n_deaths >= MAX_DEATHS && m->film.state == FILM_READY) {
		keep_ready(m, why);
		return;
	}
	if (m->wants_finish && m->n_deaths >= MAX_DEATHS) {
		char text[240];

		(void)snprintf(text, sizeof(text),
		               "The film could not be made: %.120s. The pictures are kept; make it "
		               "again from its session.",
		               why);
		making_give_up(m, text);
		return;
	}
	pause_then_go(m);
}

static void failed(struct making *m, const struct worker_said *s)
{
	switch (s->reason) {
	case WORKER_EMPTY:
	case WORKER_FEW:
	case WORKER_SETTINGS:
		if (m->phase == MAKING_ENCODING) {
			making_give_up(m, s->text);
			return;
		}
		break;
	case WORKER_EXISTS:
		m->phase = MAKING_PROBING;
		making_go(m);
		return;
	case WORKER_TAKEN:
		m->hooks.rename(m->hooks.arg, m);
		log_info(&m->log, "%s; it is called %s now", s->text, m->film.file);
		changed(m, true);
		pause_then_go(m);
		return;
	case WORKER_DISK:
		if (m->phase == MAKING_ENCODING) {
			(void)snprintf(m->film.text, sizeof(m->film.text),
			               "The film waits for the disk: %.180s", s->text);
			m->waits_for_disk = true;
			changed(m, false);
			/* However long that takes: no number of attempts makes it hopeless. */
			m->n_deaths = MIN(m->n_deaths, MAX_DEATHS - 2U);
		}
		break;
	case WORKER_NO_REASON:
	case WORKER_OTHER:
		break;
	}
	died(m, s->text);
}

/* What the film is found to be: not what went in. It is made again, once. */
static void not_verified(struct making *m, const struct worker_said *s)
{
	if (m->n_remade < MAX_REMADE) {
		m->n_remade++;
		log_warn(&m->log, "%s; it is made again from the pictures", s->text);
		m->phase = MAKING_REMAKING;
		making_go(m);
		return;
	}

	char text[240];

	(void)snprintf(
		text, sizeof(text),
		"The film was checked and is damaged: %.100s. The pictures are kept; make it "
		"again from its session.",
		s->text);
	making_give_up(m, text);
}

/* The first one plays: it stays. */
static void not_remade(struct making *m, const struct worker_said *s)
{
	log_warn(&m->log, "%s; the film stays as it is", s->text);
	m->phase = MAKING_VERIFYING;
	making_go(m);
}

static void act_on_last(struct making *m)
{
	const struct worker_said s = m->last;
	char text[160];

	switch (s.word) {
	case WORKER_DONE:
		ready(m, &s);
		making_go(m);
		return;
	case WORKER_VERIFIED:
		say_skipped(&m->film, text, sizeof(text));
		TEXT_SET(m->film.sha256, s.sha256);
		go_over(m, FILM_VERIFIED, text);
		return;
	case WORKER_FAILED:
		if (m->phase == MAKING_VERIFYING)
			not_verified(m, &s);
		else if (m->phase == MAKING_REMAKING)
			not_remade(m, &s);
		else
			failed(m, &s);
		return;
	case WORKER_STOPPED:
	case WORKER_STARTED:
	case WORKER_PROGRESS:
		making_go(m);
		return;
	}
}

static void on_ended(void *arg, int status, int signal)
{
	struct making *m = arg;
	char why[240];

	proc_free(m->proc);
	m->proc = NULL;
	if (m->is_leaving && !(m->has_last && m->last.word == WORKER_DONE)) {
		m->hooks.idle(m->hooks.arg, m);
		return;
	}
	if (m->has_last) {
		act_on_last(m);
	} else {
		if (signal)
			(void)snprintf(why, sizeof(why), "killed by signal %d", signal);
		else
			(void)snprintf(why, sizeof(why), "status %d: %.180s", status, m->last_log);
		died(m, why);
	}
	m->hooks.idle(m->hooks.arg, m);
}

struct making *making_new(const struct films_env *env, const struct making_hooks *hooks,
                          const struct film *film)
{
	struct making *m = MEM_NEW(struct making);

	m->env = env;
	m->hooks = *hooks;
	m->film = *film;
	m->ears = (struct worker_ears){ on_said, on_logged, on_ended, m };
	timer_init(&m->retry, env->loop, on_retry, m);
	log_init(&m->log, "film %.40s", film->id);
	return m;
}

void making_free(struct making *m)
{
	if (!m)
		return;
	timer_stop(&m->retry);
	proc_free(m->proc);
	free(m);
}

static enum worker_kind kind_of(const struct making *m)
{
	if (m->phase == MAKING_VERIFYING)
		return WORKER_VERIFY;
	if (m->phase == MAKING_PROBING)
		return WORKER_PROBE;
	/* Of a session that is over it can count the pictures itself. */
	return m->follows && m->phase == MAKING_ENCODING && !m->wants_finish ? WORKER_FOLLOW
	                                                                     : WORKER_ENCODE;
}

static int start_worker(struct making *m, struct err *err)
{
	char session[1024], film[1400], poster[1400], track[96];
	const char *root = m->env->data_dir;
	bool is_remake = m->phase == MAKING_REMAKING;

	if (snprintf(session, sizeof(session), "%s/sessions/%s", root, m->film.session) >=
	            (int)sizeof(session) ||
	    snprintf(film, sizeof(film), "%s/%s", root, m->film.file) >= (int)sizeof(film) ||
	    snprintf(poster, sizeof(poster), "%s/%s", root, m->film.poster) >= (int)sizeof(poster))
		return err_set(err, -ENAMETOOLONG, "the data folder's path is too long");
	TEXT_SET(track, m->follows && !is_remake ? m->film.camera : m->film.id);

	const struct worker_job j = {
		.kind = kind_of(m),
		.program = m->env->worker_path,
		.session_dir = session,
		.camera = m->film.camera,
		.track = track,
		.film_path = film,
		.poster_path = poster,
		.plan = &m->film.plan,
		.n_expected = m->n_expected,
		.min_frames = m->min_frames,
		.replaces = is_remake,
		.n_frames = m->film.n_frames,
	};

	return worker_start(m->env->loop, &j, &m->ears, &m->proc, err);
}

void making_go(struct making *m)
{
	struct err err = { 0 };

	if (m->proc || m->is_leaving || timer_is_running(&m->retry))
		return;
	if (m->phase == MAKING_QUEUED || m->phase == MAKING_OVER)
		return;
	if (m->phase == MAKING_VERIFYING && m->hooks.may_check &&
	    !m->hooks.may_check(m->hooks.arg)) {
		timer_start(&m->retry, ASK_AGAIN_MS);
		return;
	}
	m->has_last = false;
	m->last_log[0] = 0;
	if (start_worker(m, &err) < 0) {
		died(m, err.text);
		return;
	}
	if (m->phase == MAKING_ENCODING && m->wants_finish && m->follows)
		worker_finish(m->proc);
}

void making_expect(struct making *m, uint32_t n_frames)
{
	if (n_frames == 0 || n_frames == m->n_expected)
		return;
	m->n_expected = n_frames;
	if (m->proc && m->phase == MAKING_ENCODING && m->follows && m->film.plan.duration_s > 0)
		worker_expect(m->proc, n_frames);
}

void making_nudge(struct making *m)
{
	if (m->phase == MAKING_QUEUED && m->follows)
		m->phase = MAKING_ENCODING;
	if (m->phase != MAKING_ENCODING)
		return;
	if (m->proc)
		worker_nudge(m->proc);
	else
		making_go(m);
}

void making_finish(struct making *m)
{
	if (m->wants_finish || m->phase > MAKING_ENCODING)
		return;
	m->wants_finish = true;
	m->phase = MAKING_ENCODING;
	m->n_deaths = 0;
	set_state(m, FILM_FINISHING, "");
	timer_stop(&m->retry);
	if (m->proc)
		worker_finish(m->proc);
	else
		making_go(m);
}

bool making_leave(struct making *m)
{
	m->is_leaving = true;
	timer_stop(&m->retry);
	if (!m->proc)
		return false;
	if (m->phase == MAKING_ENCODING && m->follows) {
		proc_close_input(m->proc);
		timer_stop(&m->retry);
		return true;
	}
	/* The rest is done anew at the next start; encoding from its last piece. */
	proc_kill(m->proc, 0);
	return true;
}

bool making_is_running(const struct making *m)
{
	return m->proc != NULL;
}
