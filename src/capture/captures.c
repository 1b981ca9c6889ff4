/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/captures_private.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/plan.h"
#include "core/work.h"
#include "gcode/file.h"
#include "model/event.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <utlist.h>

#define RECOVER_MS 1000

struct loading {
	struct spot *spot; /* NULL: nobody waits any more */
	char *path;
	char mark[64];
	unsigned plate;
	struct ground *ground;
	int rc;
	struct err err;
};

struct spot *spot_of(const struct captures *cs, const char *printer)
{
	struct spot *sp;

	DL_FOREACH(cs->spots, sp)
	if (strcmp(sp->printer, printer) == 0)
		return sp;
	return NULL;
}

static int64_t wall_ms(const struct spot *sp)
{
	return loop_wall_ms(sp->owner->env.loop);
}

static void publish(const struct spot *sp, const struct capture *c, bool is_news)
{
	struct event_capture *e = event_new_capture();

	e->is_news = is_news;
	e->capture = *c;
	bus_publish(sp->owner->env.bus, &e->head);
}

/* ---- the sliced file ---- */

static void load(void *arg)
{
	struct loading *l = arg;

	l->rc = ground_load(l->path, l->plate, l->mark, &l->ground, &l->err);
}

static void loaded(void *arg)
{
	struct loading *l = arg;
	struct spot *sp = l->spot;

	if (sp) {
		sp->loading = NULL;
		ground_free(sp->ground);
		sp->ground = l->ground;
		if (l->rc < 0)
			log_warn(&sp->log, "the sliced file can not be read: %s", l->err.text);
	} else {
		ground_free(l->ground);
	}
	free(l->path);
	free(l);
}

void spot_load(struct spot *sp)
{
	struct loading *l;

	if (!sp->has_job || !sp->job.gcode_path[0])
		return;
	if (sp->loading)
		sp->loading->spot = NULL;
	l = MEM_NEW(struct loading);
	l->spot = sp;
	l->path = mem_printf("%s/%s", sp->owner->env.data_dir, sp->job.gcode_path);
	l->plate = gcode_plate_number(sp->job.plate);
	TEXT_SET(l->mark, sp->plan.marker);
	sp->loading = l;
	work_submit(sp->owner->env.pool, load, loaded, l);
}

struct run_file spot_file(const struct spot *sp, int layer)
{
	struct run_file f = { .feed_mm_min = (double)NAN };
	const struct ground_layer *l = ground_layer(sp->ground, layer);

	f.top_mm = ground_top(sp->ground, layer);
	if (!isnan(sp->top_seen_mm) && !isnan(f.top_mm))
		f.top_mm = fmax(f.top_mm, sp->top_seen_mm);
	if (l) {
		f.has_modes = true;
		f.is_relative = l->is_relative;
		f.is_e_relative = l->is_e_relative;
		if (sp->ground->is_text)
			TEXT_SET(f.path, sp->ground->path);
	}
	if (sp->plan.extrusion != CAPTURE_E_AUTO) {
		f.has_modes = true;
		f.is_e_relative = sp->plan.extrusion == CAPTURE_E_RELATIVE;
	}
	return f;
}

/* ---- a capture ---- */

static void run_look(void *arg, struct run_machine *ret);

static bool is_on(const struct session *s)
{
	return s->state == SESSION_RECORDING || s->state == SESSION_PAUSED;
}

/* The session of this very print, while it takes pictures. */
static const char *session_id(const struct spot *sp)
{
	const struct session *s = &sp->session;

	return is_on(s) && strcmp(s->job, sp->job.id) == 0 ? s->id : "";
}

static struct capture new_capture(struct spot *sp, enum capture_trigger by)
{
	struct run_machine m;

	struct capture c = { .layer = sp->layer.number > 0 ? sp->layer.number : -1,
		             .z_mm = sp->layer.number > 0 ? sp->layer.z_mm : (double)NAN,
		             .trigger = by,
		             .mode = sp->plan.mode,
		             .job_started_wall_ms = sp->job.started_wall_ms,
		             .started_wall_ms = wall_ms(sp) };
	const struct ground_layer *l;

	run_look(sp, &m);
	/* Nobody has said a layer yet: the place in the file does. */
	if (c.layer < 0 && ground_layer_at(sp->ground, m.file_pos) > 0)
		c.layer = ground_layer_at(sp->ground, m.file_pos);
	l = ground_layer(sp->ground, c.layer);
	id_new(c.id, wall_ms(sp));
	TEXT_SET(c.printer, sp->printer);
	TEXT_SET(c.job, sp->job.id);
	TEXT_SET(c.session, session_id(sp));
	TEXT_SET(c.job_name, sp->job.name);
	TEXT_SET(c.job_file, sp->job.file);
	if (isnan(c.z_mm) && l)
		c.z_mm = (double)l->z_mm;
	return c;
}

static void miss(struct spot *sp, enum capture_trigger by, const char *why)
{
	struct capture c = new_capture(sp, by);

	c.state = CAPTURE_MISSED;
	c.ended_wall_ms = c.started_wall_ms;
	TEXT_SET(c.text, why);
	sp->counts.n_missed++;
	if (sp->n_missed < CAPTURES_MAX_MISSED) {
		sp->missed = mem_grow(sp->missed, sp->n_missed + 1, sizeof(*sp->missed));
		sp->missed[sp->n_missed++] = c.layer;
	}
	log_warn(&sp->log, "layer %d was missed: %s", c.layer, why);
	record_store(sp->owner, &c, NULL, 0);
	publish(sp, &c, true);
}

static void run_look(void *arg, struct run_machine *ret)
{
	const struct spot *sp = arg;
	const struct captures_env *env = &sp->owner->env;

	*ret = (struct run_machine){ .file_pos = -1 };
	capture_telemetry_init(&ret->telemetry);
	if (!env->look(env->arg, sp->printer, ret)) {
		*ret = (struct run_machine){ .file_pos = -1 };
		capture_telemetry_init(&ret->telemetry);
	}
	if (sp->layer.number > 0 && sp->layer.at_wall_ms > 0)
		ret->telemetry.layer_s = (double)(wall_ms(sp) - sp->layer.at_wall_ms) / 1000;
	if (sp->has_job && sp->job.started_wall_ms > 0)
		ret->telemetry.job_s = (double)(wall_ms(sp) - sp->job.started_wall_ms) / 1000;
}

static void run_send(void *arg, enum run_order order, const char *script, int64_t timeout_ms,
                     void (*done)(void *done_arg, enum printer_answer a, const char *reason),
                     void *done_arg)
{
	const struct spot *sp = arg;
	const struct captures_env *env = &sp->owner->env;

	env->send(env->arg, sp->printer, order, script, timeout_ms, done, done_arg);
}

static void run_over(void *arg, struct run *r)
{
	struct spot *sp = arg;
	const struct capture *c = run_capture(r);
	const struct capture_picture *pics;
	unsigned n;

	assert(sp->run == r);
	pics = run_pictures(r, &n);
	if (c->state == CAPTURE_COMPLETED) {
		sp->counts.n_completed++;
		log_info(&sp->log, "layer %d: %u pictures, the print waited for %.1f s", c->layer,
		         c->n_pictures, c->paused_s);
	} else {
		sp->counts.n_failed++;
		log_warn(&sp->log, "layer %d: %s", c->layer, c->text);
		event_notice(sp->owner->env.bus, wall_ms(sp), NOTICE_WARNING, "capture",
		             sp->printer, "%.120s: the capture of layer %d failed: %.200s.",
		             c->job_name, c->layer, c->text);
	}
	run_pace(r, &sp->pace);
	record_store(sp->owner, c, pics, n);
	publish(sp, c, true);
	sp->run = NULL;
	run_free(r);
}

static void run_kept(void *arg, struct run *r, const struct capture_picture *p)
{
	const struct spot *sp = arg;
	struct capture c = *run_capture(r);

	record_store(sp->owner, &c, p, 1);
	/* One that goes wrong is over when the head is back. */
	c.state = CAPTURE_RUNNING;
	publish(sp, &c, false);
}

static struct run_env run_env_of(struct spot *sp)
{
	const struct captures_env *e = &sp->owner->env;

	return (struct run_env){ .loop = e->loop,
		                 .bus = e->bus,
		                 .cameras = e->cameras,
		                 .pool = e->pool,
		                 .disk = e->disk,
		                 .data_dir = e->data_dir,
		                 .port = { .look = run_look, .send = run_send, .arg = sp },
		                 .kept = run_kept,
		                 .over = run_over,
		                 .arg = sp };
}

static void start(struct spot *sp, enum capture_trigger by)
{
	struct capture c = new_capture(sp, by);
	struct capture_plan plan = sp->plan;
	struct run_env env = run_env_of(sp);
	struct run_file file = spot_file(sp, c.layer);

	if (!plan.cameras[0])
		TEXT_SET(plan.cameras, sp->cameras);
	c.state = CAPTURE_RUNNING;
	record_store(sp->owner, &c, NULL, 0);
	publish(sp, &c, true);
	sp->run = run_start(&env, &plan, &c, &file, &sp->pace);
}

/* A macro may have paused the print with its head parked, and then asks: nothing needs to move. */
static bool is_parked_for(const struct spot *sp, enum capture_trigger by,
                          const struct run_machine *m)
{
	return by == CAPTURE_BY_MARKER && m->activity == PRINTER_PAUSED &&
	       !capture_plan_moves(&sp->plan);
}

/* A trigger is due: a capture, or a missed one. Nothing waits in line. */
static void due(struct spot *sp, enum capture_trigger by)
{
	struct run_machine m;

	run_look(sp, &m);
	sp->counts.n_due++;
	if (sp->run)
		miss(sp, by, "the capture before was still under way");
	else if (!m.is_online)
		miss(sp, by, "the printer was not connected");
	else if (m.activity != PRINTER_PRINTING && !is_parked_for(sp, by, &m))
		miss(sp, by, "the print was not running");
	else if (sp->layer.is_catching_up && by != CAPTURE_BY_ORDER && by != CAPTURE_BY_TIME)
		miss(sp, by, "it was noticed after the next layer had begun");
	else
		start(sp, by);
}

/* ---- triggers ---- */

static bool reaches_height(const struct spot *sp, double before_mm)
{
	const struct ground_layer *l = ground_layer(sp->ground, sp->layer.number);
	double z = isnan(sp->layer.z_mm) && l ? (double)l->z_mm : sp->layer.z_mm;

	for (unsigned i = 0; i < sp->n_heights; i++)
		if (z >= sp->heights[i] - 1e-4 && !(before_mm >= sp->heights[i] - 1e-4))
			return true;
	return false;
}

static void judge_layer(struct spot *sp, double before_mm)
{
	const struct capture_plan *p = &sp->plan;
	const struct ground_layer *l = ground_layer(sp->ground, sp->layer.number);
	int n = sp->layer.number;

	if (!p->is_on)
		return;
	if (l && l->is_marked && p->marker[0])
		due(sp, CAPTURE_BY_MARKER);
	else if (p->every_n_layers > 0 && n % (int)p->every_n_layers == 0)
		due(sp, CAPTURE_BY_LAYER);
	else if (p->first_layer && n == 1)
		due(sp, CAPTURE_BY_FIRST);
	else if (p->last_layer && n == sp->layer.layers)
		due(sp, CAPTURE_BY_LAST);
	else if (reaches_height(sp, before_mm))
		due(sp, CAPTURE_BY_Z);
}

static void take_layer(struct spot *sp, const struct layer *l)
{
	double before = sp->layer.number > 0 ? sp->layer.z_mm : -1;

	sp->layer = *l;
	if (!isnan(l->z_mm))
		sp->top_seen_mm = fmax(sp->top_seen_mm, l->z_mm);
	judge_layer(sp, before);
}

static void time_is_up(void *arg)
{
	struct spot *sp = arg;

	if (sp->has_job && sp->is_printing && sp->plan.is_on)
		due(sp, CAPTURE_BY_TIME);
}

void spot_plan_changed(struct spot *sp)
{
	(void)!capture_plan_heights(&sp->plan, sp->heights, &sp->n_heights, NULL);
	timer_stop(&sp->every);
	if (sp->plan.is_on && sp->plan.every_s > 0)
		timer_start_every(&sp->every, (int64_t)(sp->plan.every_s * 1000));
}

/* ---- jobs ---- */

/* "3, 6, 9 to 12" */
static void name_layers(const struct spot *sp, char *dst, size_t size)
{
	size_t at = 0;

	dst[0] = '\0';
	for (unsigned i = 0, k; i < sp->n_missed && at + 40 < size; i = k) {
		for (k = i + 1; k < sp->n_missed && sp->missed[k] == sp->missed[k - 1] + 1; k++) {
		}
		at += (size_t)snprintf(dst + at, size - at, k - i > 2 ? "%s%d to %d" : "%s%d",
		                       i ? ", " : "", sp->missed[i], sp->missed[k - 1]);
		if (k - i == 2)
			at += (size_t)snprintf(dst + at, size - at, ", %d", sp->missed[i + 1]);
		if (k < sp->n_missed && at + 40 >= size)
			(void)snprintf(dst + at, size - at, " and more");
	}
}

static void end_job(struct spot *sp)
{
	char layers[260];

	sp->has_job = sp->is_printing = false;
	if (sp->n_missed == 0)
		return;
	name_layers(sp, layers, sizeof(layers));
	event_notice(sp->owner->env.bus, wall_ms(sp), NOTICE_WARNING, "capture", sp->printer,
	             "%.100s: %u layers that were due were not captured: %s.", sp->job.name,
	             sp->n_missed, layers);
}

static void begin_job(struct spot *sp, const struct job *j)
{
	sp->has_job = sp->is_printing = true;
	sp->job = *j;
	sp->layer = (struct layer){ .z_mm = (double)NAN };
	sp->top_seen_mm = (double)NAN;
	sp->counts = (struct captures_counts){ 0 };
	sp->n_missed = 0;
	if (sp->loading)
		sp->loading->spot = NULL;
	sp->loading = NULL;
	ground_free(sp->ground);
	sp->ground = NULL;
	spot_load(sp);
}

static void take_job(struct spot *sp, const struct event_job *e)
{
	switch (e->phase) {
	case JOB_STARTED:
	case JOB_FOUND_AGAIN:
		begin_job(sp, &e->job);
		return;
	case JOB_TABLE:
		sp->job = e->job;
		spot_load(sp);
		return;
	case JOB_PAUSED:
		sp->is_printing = false;
		return;
	case JOB_RESUMED:
		sp->is_printing = true;
		return;
	case JOB_ENDED:
		end_job(sp);
		if (sp->run)
			run_heard(sp->run);
		return;
	}
}

/* The one before is still told of while its film is made. */
static void take_session(struct spot *sp, const struct session *s)
{
	if (is_on(s) || strcmp(s->id, sp->session.id) == 0)
		sp->session = *s;
}

static void heard(void *arg, const struct bus_event *e)
{
	struct captures *cs = arg;
	struct spot *sp = NULL;

	if (e->type == EVENT_JOB)
		sp = spot_of(cs, event_as_job(e)->job.printer);
	else if (e->type == EVENT_SESSION)
		sp = spot_of(cs, event_as_session(e)->session.printer);
	else if (e->type == EVENT_LAYER)
		sp = spot_of(cs, event_as_layer(e)->layer.printer);
	else if (e->type == EVENT_PRINTER)
		sp = spot_of(cs, event_as_printer(e)->printer);
	else if (e->type == EVENT_COMMAND)
		sp = spot_of(cs, event_as_command(e)->printer);
	if (!sp)
		return;
	if (e->type == EVENT_JOB)
		take_job(sp, event_as_job(e));
	else if (e->type == EVENT_SESSION)
		take_session(sp, &event_as_session(e)->session);
	else if (e->type == EVENT_LAYER)
		take_layer(sp, &event_as_layer(e)->layer);
	else if (e->type == EVENT_PRINTER && sp->run)
		run_heard(sp->run);
	else if (e->type == EVENT_COMMAND && sp->run)
		run_commanded(sp->run, event_as_command(e)->kind);
}

/* ---- what is asked ---- */

static int order_by_marker(struct spot *sp, struct err *err)
{
	const struct ground_layer *l = ground_layer(sp->ground, sp->layer.number);

	if (!sp->plan.is_on || !sp->has_job)
		return err_set(err, -EPERM, "layers of this printer are not captured");
	/* The line in the sliced file that calls the macro has been a trigger already. */
	if (l && l->is_marked)
		return err_set(err, -EALREADY, "the sliced file has this marker");
	due(sp, CAPTURE_BY_MARKER);
	return 0;
}

int captures_order(struct captures *cs, const char *printer, enum capture_trigger by,
                   struct err *err)
{
	struct spot *sp = spot_of(cs, printer);
	struct run_machine m;

	if (!sp)
		return err_set(err, -ENOENT, "there is no printer '%s'", printer);
	if (by == CAPTURE_BY_MARKER)
		return order_by_marker(sp, err);
	run_look(sp, &m);
	if (by == CAPTURE_BY_ORDER && !sp->plan.by_order)
		return err_set(err, -EPERM, "the capture plan does not allow it by order");
	if (by == CAPTURE_BY_BUTTON && !(sp->plan.is_on && sp->plan.by_button))
		return err_set(err, -EPERM, "the capture plan does not allow it by the button");
	if (sp->run)
		return err_set(err, -EBUSY, "a capture is under way: %s", run_step_text(sp->run));
	if (!m.is_online)
		return err_set(err, -EPERM, "the printer is not connected");
	if (!sp->has_job || m.activity != PRINTER_PRINTING)
		return err_set(err, -EPERM,
		               "nothing is being printed: there is no layer to capture");
	sp->counts.n_due++;
	start(sp, by);
	return 0;
}

int captures_cancel(struct captures *cs, const char *printer, struct err *err)
{
	struct spot *sp = spot_of(cs, printer);

	if (!sp)
		return err_set(err, -ENOENT, "there is no printer '%s'", printer);
	if (!sp->run)
		return err_set(err, -EPERM, "no capture is under way");
	run_abort(sp->run, "it was cancelled by a person");
	return 0;
}

struct captures_counts captures_counts(const struct captures *cs, const char *printer)
{
	const struct spot *sp = spot_of(cs, printer);

	return sp ? sp->counts : (struct captures_counts){ 0 };
}

/* ---- life ---- */

/* What an earlier run of the program left behind. The pool's alone until it is back. */
struct looking {
	struct spot *spot; /* NULL: gone */
	char path[1200];
	struct buf note;
	int rc;
};

static void look_for_note(void *arg)
{
	struct looking *k = arg;

	k->rc = run_note_load(k->path, &k->note);
}

static void remove_note(void *arg)
{
	struct looking *k = arg;

	(void)unlink(k->path);
}

static void recover_by(struct looking *k)
{
	struct spot *sp = k->spot;
	struct run_env env = run_env_of(sp);

	sp->looking = NULL;
	/* One that began since has written a note of its own. */
	if (sp->run || k->rc == -ENOENT)
		return;
	log_warn(&sp->log, "a print was paused for pictures when Bedside ended");
	sp->run = k->rc == 0 ? run_recover(&env, &k->note) : NULL;
	if (!sp->run) {
		event_notice(
			sp->owner->env.bus, wall_ms(sp), NOTICE_ALARM, "capture", sp->printer,
			"Bedside was ended while it had paused the print for pictures, and what "
			"it noted of that is damaged: look where the head is before you resume "
			"the print.");
		work_submit(sp->owner->env.disk, remove_note, free, mem_dup(k, sizeof(*k)));
		return;
	}
	record_remember(sp->owner, sp->run);
	run_heard(sp->run);
}

static void looked_for_note(void *arg)
{
	struct looking *k = arg;

	if (k->spot)
		recover_by(k);
	buf_fini(&k->note);
	free(k);
}

static void recover(void *arg)
{
	struct spot *sp = arg;
	struct run_machine m;

	run_look(sp, &m);
	if (sp->run || sp->looking)
		return;
	if (!m.is_online) {
		timer_start(&sp->recover, RECOVER_MS);
		return;
	}
	sp->looking = MEM_NEW(struct looking);
	sp->looking->spot = sp;
	run_note_path(sp->looking->path, sizeof(sp->looking->path), sp->owner->env.data_dir,
	              sp->printer);
	work_submit(sp->owner->env.disk, look_for_note, looked_for_note, sp->looking);
}

struct captures *captures_new(const struct captures_env *env)
{
	struct captures *cs = MEM_NEW(struct captures);

	cs->env = *env;
	bus_listen(env->bus, &cs->listener, heard, cs);
	return cs;
}

static void spot_free(struct spot *sp)
{
	timer_stop(&sp->every);
	timer_stop(&sp->recover);
	if (sp->loading)
		sp->loading->spot = NULL;
	if (sp->looking)
		sp->looking->spot = NULL;
	plan_restore_drop(sp);
	run_free(sp->run);
	ground_free(sp->ground);
	free(sp->missed);
	DL_DELETE(sp->owner->spots, sp);
	free(sp);
}

void captures_free(struct captures *cs)
{
	if (!cs)
		return;
	bus_unlisten(&cs->listener);
	while (cs->spots)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): each takes itself out */
		spot_free(cs->spots);
	free(cs);
}

void captures_add(struct captures *cs, const char *printer, const struct capture_plan *configured,
                  const char *cameras)
{
	struct spot *sp = spot_of(cs, printer);

	if (sp) {
		TEXT_SET(sp->cameras, cameras);
		return;
	}
	sp = MEM_NEW(struct spot);
	sp->owner = cs;
	TEXT_SET(sp->printer, printer);
	TEXT_SET(sp->cameras, cameras);
	log_init(&sp->log, "capture %s", printer);
	sp->plan = *configured;
	sp->top_seen_mm = (double)NAN;
	sp->layer.z_mm = (double)NAN;
	grid_pace_init(&sp->pace);
	timer_init(&sp->every, cs->env.loop, time_is_up, sp);
	timer_init(&sp->recover, cs->env.loop, recover, sp);
	DL_APPEND(cs->spots, sp);
	plan_restore(sp);
	record_end_running(cs, printer);
	spot_plan_changed(sp);
	timer_start(&sp->recover, RECOVER_MS);
}

void captures_forget(struct captures *cs, const char *printer)
{
	struct spot *sp = spot_of(cs, printer);

	if (sp)
		spot_free(sp);
}
