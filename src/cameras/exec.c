/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exec: any program that writes JPEGs to its output, run without a shell: one picture and an end,
 * as gphoto2 does with a DSLR, or one after the other.
 *
 * One that ends in order is run again each `poll`, and at once for a shot. The first picture of a
 * run counts as captured when the run began: an exposure from before a trigger never serves it.
 */

#include "base/err.h"
#include "base/mem.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/jpeg_program.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/camera.h"

#include <errno.h>
#include <stdlib.h>

#define DEFAULT_POLL_MS 1000
/* Between runs for a shot that the one before did not serve. */
#define AGAIN_US 100000

struct exec {
	struct camera_source *source;
	struct jpeg_program program; /* may still be ending when closed */
	struct timer timer;          /* the next run */
	bool is_open;
	int64_t started_us;
	unsigned n_pictures; /* of this run */
};

static int64_t now_us(const struct exec *e)
{
	return loop_now_us(camera_source_env(e->source)->loop);
}

static void on_picture(void *arg, uint8_t *bytes, size_t size)
{
	struct exec *e = arg;
	struct frame *f = frame_adopt(FRAME_JPEG, bytes, size);
	int64_t latency_us = camera_source_config(e->source)->latency_us;

	f->arrived_us = now_us(e);
	if (latency_us > 0)
		f->captured_us = f->arrived_us - latency_us;
	else
		f->captured_us = e->n_pictures == 0 ? e->started_us : f->arrived_us;
	e->n_pictures++;
	camera_source_frame(e->source, f);
}

static void on_broken(void *arg, const char *text)
{
	camera_source_refused(((struct exec *)arg)->source, text);
}

static void plan(struct exec *e)
{
	const struct camera_config *c = camera_source_config(e->source);
	int64_t at_us = e->started_us + (c->poll_ms > 0 ? c->poll_ms : DEFAULT_POLL_MS) * 1000;
	int64_t now = now_us(e), again_us = e->started_us + AGAIN_US;
	int64_t shot_us = MAX(camera_source_wanted_us(e->source), again_us);

	at_us = MIN(at_us, shot_us);
	timer_start(&e->timer, at_us > now ? (at_us - now + 999) / 1000 : 0);
}

static void run(void *arg);

static void on_gone(void *arg, const struct err *why)
{
	struct exec *e = arg;

	if (!e->is_open)
		return;
	if (why->code != 0)
		camera_source_failed(e->source, why);
	else if (e->program.is_told) /* by a close; it was opened again meanwhile */
		run(e);
	else
		plan(e);
}

static void run(void *arg)
{
	struct exec *e = arg;
	const struct camera_config *c = camera_source_config(e->source);
	const struct jpeg_program_events events = {
		.picture = on_picture, .broken = on_broken, .gone = on_gone, .arg = e
	};
	struct err err;

	if (jpeg_program_is_running(&e->program))
		return;
	e->started_us = now_us(e);
	e->n_pictures = 0;
	if (c->n_args == 0)
		(void)err_set(&err, -EINVAL, "the camera has no command in the configuration");
	else if (jpeg_program_start(&e->program, camera_source_env(e->source)->loop,
	                            (const char *const *)c->args, &events, &err) == 0)
		return;
	camera_source_failed(e->source, &err);
}

static void on_shot(void *priv)
{
	struct exec *e = priv;

	if (!jpeg_program_is_running(&e->program))
		plan(e);
}

static void exec_open(void *priv, struct camera_source *src)
{
	struct exec *e = priv;

	e->source = src;
	e->is_open = true;
	timer_init(&e->timer, camera_source_env(src)->loop, run, e);
	run(e);
}

static void exec_close(void *priv)
{
	struct exec *e = priv;

	e->is_open = false;
	timer_stop(&e->timer);
	jpeg_program_stop(&e->program);
}

static void exec_removed(void *priv)
{
	struct exec *e = priv;

	jpeg_program_kill(&e->program);
}

const struct camera_driver camera_driver_exec = {
	.name = "exec",
	.title = "A program that writes JPEGs",
	.priv_size = sizeof(struct exec),
	.open = exec_open,
	.close = exec_close,
	.removed = exec_removed,
	.shot = on_shot,
	.silence = "The program runs, but writes no picture to its output",
};
