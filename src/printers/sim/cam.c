/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/cam.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "model/scene.h"
#include "wire/bambu_camera_codec.h"
#include "wire/stream.h"

#include <stdlib.h>
#include <string.h>

#define MAX_VIEWERS 8
#define JPEG_QUALITY 80
/* A viewer that has this much waiting gets no more until it is gone: real ones lag, too. */
#define MAX_WAITING ((size_t)256 << 10)
#define MAX_LATE 128

struct viewer {
	struct sim_cam *cam;
	struct stream *stream;
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE];
	size_t n_login;
	bool is_logged_in, is_gone;
};

/* One picture on its way through the worker; outlives the camera if need be. */
struct drawing {
	struct sim_cam *cam; /* NULL: nobody wants it any more */
	struct scene *scene; /* the drawing's while it is under way */
	struct scene_view view;
	struct sim_job *job;
	unsigned width, height;
	int64_t seen_us;
	struct frame *frame;
};

/* A picture that is held back. */
struct late {
	struct frame *frame;
	int64_t due_us;
};

struct sim_cam {
	struct sim_cam_config c;
	struct viewer *viewers[MAX_VIEWERS];
	struct timer next, sweep;
	struct scene *scene;   /* NULL while a drawing has it */
	struct sim_job *drawn; /* whose outline the scene may hold */
	struct drawing *drawing;
	struct late late[MAX_LATE]; /* a ring, oldest first */
	unsigned first_late, n_late;
	struct timer late_timer;
	bool breaks_next;
	void (*sink)(void *arg, const struct frame *f); /* sim/rtsp; NULL none */
	void *sink_arg;
};

static void viewers_sweep(void *arg)
{
	struct sim_cam *c = arg;

	for (size_t i = 0; i < MAX_VIEWERS; i++) {
		struct viewer *v = c->viewers[i];

		if (!v || !v->is_gone)
			continue;
		stream_free(v->stream);
		free(v);
		c->viewers[i] = NULL;
	}
}

static void viewer_drop(struct viewer *v)
{
	v->is_gone = true;
	timer_start(&v->cam->sweep, 0);
}

static bool is_watched(const struct sim_cam *c)
{
	if (c->sink)
		return true;
	for (size_t i = 0; i < MAX_VIEWERS; i++)
		if (c->viewers[i] && c->viewers[i]->is_logged_in && !c->viewers[i]->is_gone)
			return true;
	return false;
}

static void cam_send(struct sim_cam *c, const struct frame *f)
{
	uint8_t head[BAMBU_CAMERA_HEAD_SIZE];

	if (c->sink)
		c->sink(c->sink_arg, f);
	bambu_camera_head_write(head, (uint32_t)f->size);
	for (size_t i = 0; i < MAX_VIEWERS; i++) {
		struct viewer *v = c->viewers[i];

		if (!v || !v->is_logged_in || v->is_gone || stream_queued(v->stream) > MAX_WAITING)
			continue;
		stream_write(v->stream, head, sizeof(head));
		stream_write(v->stream, f->data, c->breaks_next ? f->size / 2 : f->size);
		if (c->breaks_next)
			stream_end(v->stream);
	}
	c->breaks_next = false;
}

static void late_start(struct sim_cam *c)
{
	int64_t us = c->late[c->first_late].due_us - loop_now_us(c->c.loop);

	timer_start(&c->late_timer, us > 0 ? (us + 999) / 1000 : 0);
}

static void late_pop(struct sim_cam *c, bool is_sent)
{
	struct frame *f = c->late[c->first_late].frame;

	c->first_late = (c->first_late + 1) % MAX_LATE;
	c->n_late--;
	if (is_sent)
		cam_send(c, f);
	frame_unref(f);
}

static void on_late(void *arg)
{
	struct sim_cam *c = arg;

	while (c->n_late > 0 && c->late[c->first_late].due_us <= loop_now_us(c->c.loop))
		late_pop(c, true);
	if (c->n_late > 0)
		late_start(c);
}

static void late_put(struct sim_cam *c, struct frame *f, int64_t due_us)
{
	if (c->n_late == MAX_LATE)
		late_pop(c, false);
	c->late[(c->first_late + c->n_late++) % MAX_LATE] = (struct late){ frame_ref(f), due_us };
	if (c->n_late == 1)
		late_start(c);
}

static void drawing_run(void *arg)
{
	struct drawing *d = arg;
	struct err err;

	d->view.quality = JPEG_QUALITY;
	if (scene_draw(d->scene, &d->view, d->width, d->height, &d->frame, &err) < 0)
		log_debug(NULL, "simulated printer: %s", err.text);
}

static void drawing_done(void *arg)
{
	struct drawing *d = arg;
	struct sim_cam *c = d->cam;

	if (!c) {
		scene_free(d->scene);
	} else {
		c->drawing = NULL;
		c->scene = d->scene;
		if (d->frame && c->c.delay_us > 0)
			late_put(c, d->frame, d->seen_us + c->c.delay_us);
		else if (d->frame)
			cam_send(c, d->frame);
	}
	frame_unref(d->frame);
	sim_job_unref(d->job);
	free(d);
}

static void cam_draw(void *arg)
{
	struct sim_cam *c = arg;

	if (!is_watched(c)) {
		timer_stop(&c->next);
		return;
	}
	if (c->drawing || sim_engine_has_fault(c->c.engine, SIM_FAULT_CAMERA_SILENT) ||
	    sim_engine_has_fault(c->c.engine, SIM_FAULT_POWER_CUT))
		return;

	struct drawing *d = MEM_NEW(struct drawing);

	d->cam = c;
	d->scene = c->scene;
	c->scene = NULL;
	d->width = c->c.width;
	d->height = c->c.height;
	sim_engine_view(c->c.engine, &d->view, &d->job);
	d->seen_us = loop_now_us(c->c.loop);
	/* The scene keeps bitmaps of one outline; another job's may stand at the same address. */
	if (d->job != c->drawn) {
		scene_forget(d->scene);
		sim_job_unref(c->drawn);
		c->drawn = d->job ? sim_job_ref(d->job) : NULL;
	}
	c->drawing = d;
	work_submit(c->c.pool, drawing_run, drawing_done, d);
}

static void cam_begin(struct sim_cam *c)
{
	if (timer_is_running(&c->next))
		return;
	timer_start_every(&c->next, (int64_t)(1000 / c->c.frames_per_s));
	cam_draw(c);
}

void sim_cam_set_sink(struct sim_cam *c, void (*sink)(void *arg, const struct frame *f), void *arg)
{
	c->sink = sink;
	c->sink_arg = arg;
	if (sink)
		cam_begin(c);
}

static void viewer_login(struct viewer *v)
{
	char user[BAMBU_CAMERA_NAME_SIZE], code[BAMBU_CAMERA_NAME_SIZE];
	bool ok = bambu_camera_login_read(v->login, user, code) && text_equal(user, "bblp") &&
	          text_equal(code, sim_engine_code(v->cam->c.engine));

	secret_wipe(code, sizeof(code));
	secret_wipe(v->login, sizeof(v->login));
	if (!ok) {
		viewer_drop(v);
		return;
	}
	v->is_logged_in = true;
	cam_begin(v->cam);
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct viewer *v = arg;
	size_t n = MIN(size, sizeof(v->login) - v->n_login);

	if (v->is_gone || v->is_logged_in)
		return;
	memcpy(v->login + v->n_login, bytes, n);
	v->n_login += n;
	if (v->n_login == sizeof(v->login))
		viewer_login(v);
}

static void on_closed(void *arg, const struct err *err)
{
	(void)err;
	viewer_drop(arg);
}

struct sim_cam *sim_cam_new(const struct sim_cam_config *config)
{
	struct sim_cam *c = MEM_NEW(struct sim_cam);

	c->c = *config;
	if (c->c.frames_per_s <= 0)
		c->c.frames_per_s = 1;
	if (c->c.width == 0) {
		c->c.width = 1280;
		c->c.height = 720;
	}
	c->scene = scene_new();
	timer_init(&c->next, config->loop, cam_draw, c);
	timer_init(&c->sweep, config->loop, viewers_sweep, c);
	timer_init(&c->late_timer, config->loop, on_late, c);
	return c;
}

void sim_cam_free(struct sim_cam *c)
{
	if (!c)
		return;
	sim_cam_drop(c);
	viewers_sweep(c);
	timer_stop(&c->sweep);
	timer_stop(&c->next);
	timer_stop(&c->late_timer);
	while (c->n_late > 0)
		late_pop(c, false);
	if (c->drawing)
		c->drawing->cam = NULL;
	scene_free(c->scene);
	sim_job_unref(c->drawn);
	free(c);
}

void sim_cam_accept(struct sim_cam *c, struct stream *s)
{
	size_t i = 0;

	while (i < MAX_VIEWERS && c->viewers[i])
		i++;
	if (i == MAX_VIEWERS || (c->c.is_strict && i > 0)) {
		stream_free(s);
		return;
	}

	struct viewer *v = MEM_NEW(struct viewer);

	v->cam = c;
	v->stream = s;
	c->viewers[i] = v;
	stream_listen(s, &(struct stream_events){
				 .received = on_received, .closed = on_closed, .arg = v });
}

void sim_cam_drop(struct sim_cam *c)
{
	for (size_t i = 0; i < MAX_VIEWERS; i++)
		if (c->viewers[i])
			viewer_drop(c->viewers[i]);
}

void sim_cam_break_next(struct sim_cam *c)
{
	c->breaks_next = true;
}
