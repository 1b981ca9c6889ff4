/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fake: a camera without hardware that draws its printer's bed (CAME-6).
 *
 * What the printer does it hears on the bus, open or not: the job, its file, the layer. Outlines
 * are loaded and pictures drawn on the worker pool; `studio` is the worker's while a picture is
 * drawn, the loop's in between. Whoever is gone when work is done is found gone: `owner` is NULL.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "core/bus.h"
#include "core/loop.h"
#include "core/work.h"
#include "gcode/file.h"
#include "gcode/index.h"
#include "gcode/outline.h"
#include "media/frame.h"
#include "model/event.h"
#include "model/scene.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WIDTH 1280
#define DEFAULT_HEIGHT 720
#define DEFAULT_FPS 4.0
#define OUTLINE_POINTS 300
#define FIRST_GUESS_US 8000000 /* of a layer's duration */

struct fake;

struct studio {
	struct fake *owner; /* NULL: nobody waits for the picture. Loop only */
	struct scene *scene;
	struct gcode_outline *outline;
	struct scene_view view;
	unsigned width, height;
	int64_t now_us;
	struct frame *made;
	struct err err;
};

/* An outline being read from disk. */
struct loading {
	struct fake *owner; /* NULL: nobody waits */
	char path[512];
	unsigned plate;
	struct gcode_outline *outline;
};

struct fake {
	struct camera_source *source;
	struct bus_listener listener;
	struct timer tick;
	bool is_open, is_drawing;
	struct studio *studio;

	struct scene_view view; /* as the printer is */
	char job[ID_SIZE];
	char path[512]; /* of the job's file, "" none */
	unsigned plate;
	char shown[512];            /* whose outline is in the studio, or waits in `next` */
	struct gcode_outline *next; /* to be shown from the next picture on */
	bool has_next;
	struct loading *loading;
	int64_t layer_since_us, layer_us; /* when it began; how long the ones before took */
	int64_t started_wall_ms, ended_wall_ms;
};

/* ---- loading ---- */

static void run_loading(void *arg)
{
	struct loading *l = arg;
	struct gcode_options options = { .outline_points = OUTLINE_POINTS };
	struct gcode_index *ix = NULL;

	/* A job that cannot be read is shown as an empty bed; its layers tell the same elsewhere. */
	if (gcode_file_index(l->path, l->plate, &options, &ix, NULL) < 0)
		return;
	l->outline = ix->outline;
	ix->outline = NULL;
	gcode_index_free(ix);
}

static void want_outline(struct fake *f);

static void set_next(struct fake *f, struct gcode_outline *o, const char *path)
{
	gcode_outline_free(f->next);
	f->next = o;
	f->has_next = true;
	TEXT_SET(f->shown, path);
}

static void on_loaded(void *arg)
{
	struct loading *l = arg;
	struct fake *f = l->owner;

	if (f) {
		f->loading = NULL;
		set_next(f, l->outline, l->path);
		l->outline = NULL;
		want_outline(f);
	}
	gcode_outline_free(l->outline);
	free(l);
}

/* Sees to it that the outline of the present job is shown, or none. */
static void want_outline(struct fake *f)
{
	if (!f->is_open || f->loading || strcmp(f->path, f->shown) == 0)
		return;
	if (f->path[0] == '\0') {
		set_next(f, NULL, "");
		return;
	}
	f->loading = MEM_NEW(struct loading);
	f->loading->owner = f;
	f->loading->plate = f->plate;
	TEXT_SET(f->loading->path, f->path);
	work_submit(camera_source_env(f->source)->pool, run_loading, on_loaded, f->loading);
}

/* ---- what the printer does ---- */

struct machine {
	const char *model; /* as printer_state.model begins */
	enum scene_kind kind;
	double bed_x_mm, bed_y_mm;
};

/* Beds as in the models' table; the longer name first. */
static const struct machine machines[] = {
	{ "A1 mini", SCENE_BED_SLINGER, 180, 180 }, { "A1", SCENE_BED_SLINGER, 256, 256 },
	{ "A2L", SCENE_BED_SLINGER, 330, 320 },     { "H2S", SCENE_BED_DROP, 340, 320 },
	{ "H2", SCENE_BED_DROP, 350, 320 },
};

static void set_machine(struct scene_view *v, const char *model)
{
	v->kind = SCENE_BED_DROP;
	v->bed_x_mm = v->bed_y_mm = 0;
	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		if (!text_starts(model, machines[i].model))
			continue;
		v->kind = machines[i].kind;
		v->bed_x_mm = machines[i].bed_x_mm;
		v->bed_y_mm = machines[i].bed_y_mm;
		return;
	}
}

static void set_color(struct scene_view *v, const struct printer_state *s)
{
	const struct printer_tray *tray = NULL;
	uint64_t color;

	for (unsigned i = 0; i < s->n_ams && s->tray_now >= 0 && s->tray_now < 64; i++)
		if (s->ams[i].id == s->tray_now / 4 &&
		    (unsigned)(s->tray_now % 4) < s->ams[i].n_trays)
			tray = &s->ams[i].trays[s->tray_now % 4];
	if (s->tray_now == -2 && s->n_external > 0)
		tray = &s->external[0];
	if (tray && strlen(tray->color) == 8 && text_to_u64(tray->color, 16, &color))
		v->color = (uint32_t)color | 0xff;
}

static void set_layer(struct fake *f, int number)
{
	int64_t now_us = loop_now_us(camera_source_env(f->source)->loop);

	/* Reports come late and twice; a layer is never left downwards within a job. */
	if (number <= f->view.layer)
		return;
	if (f->layer_since_us > 0 && f->view.layer > 0) {
		int64_t took_us = (now_us - f->layer_since_us) / (number - f->view.layer);

		f->layer_us = f->layer_us > 0 ? (3 * f->layer_us + took_us) / 4 : took_us;
	}
	f->layer_since_us = now_us;
	f->view.layer = number;
	f->view.z_mm = NAN;
}

static void start_job(struct fake *f)
{
	f->view.layer = 0;
	f->view.layers = f->view.percent = -1;
	f->view.z_mm = NAN;
	f->view.is_done = false;
	f->layer_since_us = f->layer_us = 0;
	f->ended_wall_ms = 0;
	f->path[0] = '\0';
}

static void set_state_text(struct scene_view *v, const struct printer_state *s)
{
	const char *pause = printer_pause_name(s->pause);

	if (s->activity == PRINTER_PAUSED && pause[0])
		(void)snprintf(v->state, sizeof(v->state), "paused: %s", pause);
	else if (s->activity == PRINTER_PREPARING && s->stage_text[0])
		(void)snprintf(v->state, sizeof(v->state), "preparing: %s", s->stage_text);
	else
		TEXT_SET(v->state, printer_activity_name(s->activity));
}

static void hear_printer(struct fake *f, const struct event_printer *e)
{
	const struct printer_state *s = e->after;
	struct scene_view *v = &f->view;
	bool was_job = e->before && printer_activity_is_job(e->before->activity);

	set_machine(v, s->model);
	set_color(v, s);
	set_state_text(v, s);
	v->is_parked = s->activity != PRINTER_PRINTING;
	v->is_done = s->activity == PRINTER_FINISHED;
	if (!printer_activity_is_job(s->activity))
		return;
	if (!was_job && e->before)
		start_job(f);
	TEXT_SET(v->file, s->job.file[0] ? s->job.file : s->job.name);
	if (s->job.layers > 0)
		v->layers = s->job.layers;
	v->percent = s->job.percent;
	set_layer(f, s->job.layer);
}

static void set_path(struct fake *f, const char *path)
{
	const char *dir = camera_source_env(f->source)->data_dir;

	if (path[0] != '/' && dir)
		(void)snprintf(f->path, sizeof(f->path), "%s/%s", dir, path);
	else
		TEXT_SET(f->path, path);
}

static void hear_job(struct fake *f, const struct event_job *e)
{
	if (e->phase == JOB_STARTED || strcmp(f->job, e->job.id) != 0) {
		if (f->job[0])
			start_job(f);
		TEXT_SET(f->job, e->job.id);
	}
	TEXT_SET(f->view.file, e->job.file[0] ? e->job.file : e->job.name);
	f->started_wall_ms = e->job.started_wall_ms;
	f->ended_wall_ms = e->job.ended_wall_ms;
	if (e->job.layers > 0)
		f->view.layers = e->job.layers;
	if (e->phase == JOB_ENDED && e->job.outcome == JOB_FINISHED)
		f->view.is_done = true;
	if (e->job.gcode_path[0]) {
		f->plate = gcode_plate_number(e->job.plate);
		set_path(f, e->job.gcode_path);
	}
}

static void hear_layer(struct fake *f, const struct layer *layer)
{
	set_layer(f, layer->number);
	if (layer->number == f->view.layer)
		f->view.z_mm = layer->z_mm;
	if (layer->layers > 0)
		f->view.layers = layer->layers;
}

static void on_heard(void *arg, const struct bus_event *e)
{
	struct fake *f = arg;
	const char *printer = camera_source_config(f->source)->printer;

	switch ((enum event_type)e->type) {
	case EVENT_PRINTER:
		if (strcmp(event_as_printer(e)->printer, printer) == 0)
			hear_printer(f, event_as_printer(e));
		break;
	case EVENT_JOB:
		if (strcmp(event_as_job(e)->job.printer, printer) == 0)
			hear_job(f, event_as_job(e));
		break;
	case EVENT_LAYER:
		if (strcmp(event_as_layer(e)->layer.printer, printer) == 0)
			hear_layer(f, &event_as_layer(e)->layer);
		break;
	case EVENT_CAMERA:
	case EVENT_SESSION:
	case EVENT_FRAME:
	case EVENT_FILM:
	case EVENT_NOTICE:
	case EVENT_COMMAND:
	case EVENT_CAPTURE:
	case EVENT_CLIMATE:
	case EVENT_BUTTON:
	case EVENT_RIG:
	case EVENT_MACRO:
		return;
	}
	want_outline(f);
}

/* ---- drawing ---- */

static void run_drawing(void *arg)
{
	struct studio *s = arg;

	if (scene_draw(s->scene, &s->view, s->width, s->height, &s->made, &s->err) < 0)
		s->made = NULL;
}

static void studio_free(struct studio *s)
{
	scene_free(s->scene);
	gcode_outline_free(s->outline);
	frame_unref(s->made);
	free(s);
}

static void on_drawn(void *arg)
{
	struct studio *s = arg;
	struct fake *f = s->owner;
	struct frame *made = s->made;

	s->made = NULL;
	if (!f) {
		frame_unref(made);
		studio_free(s);
		return;
	}
	f->is_drawing = false;
	if (!f->is_open || !made) {
		frame_unref(made);
		if (f->is_open)
			camera_source_failed(f->source, &s->err);
		return;
	}
	made->captured_us = s->now_us;
	made->is_stamped = true;
	camera_source_frame(f->source, made);
}

static void take_next(struct fake *f)
{
	struct studio *s = f->studio;

	if (!f->has_next)
		return;
	scene_forget(s->scene);
	gcode_outline_free(s->outline);
	s->outline = f->next;
	f->next = NULL;
	f->has_next = false;
}

static void on_tick(void *arg)
{
	struct fake *f = arg;
	struct studio *s = f->studio;
	const struct cameras_env *env = camera_source_env(f->source);
	const struct camera_config *c = camera_source_config(f->source);
	int64_t until_ms = f->ended_wall_ms ? f->ended_wall_ms : loop_wall_ms(env->loop);

	if (f->is_drawing)
		return;
	f->is_drawing = true;
	take_next(f);
	s->now_us = loop_now_us(env->loop);
	s->width = c->width ? c->width : DEFAULT_WIDTH;
	s->height = c->height ? c->height : DEFAULT_HEIGHT;
	s->view = f->view;
	s->view.outline = s->outline;
	s->view.wall_ms = loop_wall_ms(env->loop);
	s->view.elapsed_s = f->started_wall_ms ? (until_ms - f->started_wall_ms) / 1000 : -1;
	s->view.fraction = (double)(s->now_us - f->layer_since_us) /
	                   (double)(f->layer_us > 0 ? f->layer_us : FIRST_GUESS_US);
	TEXT_SET(s->view.title, c->name[0] ? c->name : c->id);
	work_submit(env->pool, run_drawing, on_drawn, s);
}

/* ---- driver ---- */

static void fake_added(void *priv, struct camera_source *src)
{
	struct fake *f = priv;
	const struct cameras_env *env = camera_source_env(src);

	f->source = src;
	scene_view_init(&f->view);
	TEXT_SET(f->view.state, "idle");
	timer_init(&f->tick, env->loop, on_tick, f);
	if (env->bus && camera_source_config(src)->printer[0])
		bus_listen(env->bus, &f->listener, on_heard, f);
}

static void fake_open(void *priv, struct camera_source *src)
{
	struct fake *f = priv;
	double fps = camera_source_config(src)->fps;

	f->is_open = true;
	f->shown[0] = '\0';
	f->studio = MEM_NEW(struct studio);
	f->studio->owner = f;
	f->studio->scene = scene_new();
	want_outline(f);
	timer_start_every(
		&f->tick,
		(int64_t)lround(1000 / fmin(fmax(fps > 0 ? fps : DEFAULT_FPS, 0.01), 60)));
}

static void fake_close(void *priv)
{
	struct fake *f = priv;

	timer_stop(&f->tick);
	f->is_open = false;
	f->studio->owner = NULL;
	if (!f->is_drawing)
		studio_free(f->studio);
	f->studio = NULL;
	f->is_drawing = false;
	if (f->loading)
		f->loading->owner = NULL;
	f->loading = NULL;
	gcode_outline_free(f->next);
	f->next = NULL;
	f->has_next = false;
}

static void fake_removed(void *priv)
{
	struct fake *f = priv;

	bus_unlisten(&f->listener);
}

const struct camera_driver camera_driver_fake = {
	.name = "fake",
	.title = "Drawn picture, no hardware",
	.priv_size = sizeof(struct fake),
	.open = fake_open,
	.close = fake_close,
	.added = fake_added,
	.removed = fake_removed,
};
