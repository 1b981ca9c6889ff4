/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "model/event.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stage {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;
	struct cameras *cameras;
	struct camera *camera;
	char dir[300];
};

static void setup(struct stage *s, bool is_simulated)
{
	struct camera_config config = { .id = "drawn",
		                        .driver = "fake",
		                        .printer = "a1",
		                        .width = 480,
		                        .height = 270,
		                        .fps = 10 };

	s->loop = is_simulated ? loop_new_simulated(1795257605000) : loop_new();
	s->bus = bus_new(s->loop);
	s->pool = work_pool_new(s->loop, "test", 2);
	TEXT_SET(s->dir, test_tmp_dir());

	struct cameras_env env = {
		.loop = s->loop, .bus = s->bus, .pool = s->pool, .data_dir = s->dir
	};

	s->cameras = cameras_new(&env);
	CHECK_INT(cameras_add(s->cameras, &config, &s->camera, NULL), 0);
}

static void teardown(struct stage *s)
{
	cameras_free(s->cameras);
	work_pool_free(s->pool);
	bus_free(s->bus);
	loop_free(s->loop);
}

/* A tower of 30 layers, as a slicer writes it. */
static void write_job(const char *dir)
{
	FILE *f;
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/tower.gcode", dir);
	f = fopen(path, "w");
	CHECK(f);
	fputs("; BambuStudio 02.00.00.00\n; total layer number: 30\nG90\nM83\n", f);
	for (int i = 0; i < 30; i++) {
		double z = 0.8 * (i + 1);

		fprintf(f, "; CHANGE_LAYER\n; Z_HEIGHT: %.1f\n; LAYER_HEIGHT: 0.8\n", z);
		fprintf(f, "G1 X110 Y110 Z%.1f F9000\n; FEATURE: Outer wall\n", z);
		fputs("G1 X150 Y110 E1\nG1 X150 Y150 E1\nG1 X110 Y150 E1\nG1 X110 Y110 E1\n", f);
	}
	CHECK_INT(fclose(f), 0);
}

static void say_printer(struct stage *s, enum printer_activity before, enum printer_activity now,
                        int layer)
{
	struct event_printer *e = event_new_printer();

	TEXT_SET(e->printer, "a1");
	e->before = MEM_NEW(struct printer_state);
	e->after = MEM_NEW(struct printer_state);
	printer_state_init(e->before);
	printer_state_init(e->after);
	e->before->activity = before;
	e->after->activity = now;
	TEXT_SET(e->after->model, "A1");
	TEXT_SET(e->after->job.file, "tower.gcode");
	e->after->job.layer = layer;
	e->after->job.layers = 30;
	bus_publish(s->bus, &e->head);
}

static void say_table(struct stage *s)
{
	struct event_job *e = event_new_job();

	e->phase = JOB_TABLE;
	TEXT_SET(e->job.id, "job1");
	TEXT_SET(e->job.printer, "a1");
	TEXT_SET(e->job.file, "tower.gcode");
	TEXT_SET(e->job.gcode_path, "tower.gcode");
	e->job.layers = 30;
	e->job.started_wall_ms = loop_wall_ms(s->loop);
	bus_publish(s->bus, &e->head);
}

static struct jpeg_pixels look(struct stage *s)
{
	struct frame *f = camera_newest(s->camera);
	struct jpeg_pixels p;

	CHECK(f);
	CHECK_INT(f->width, 480);
	CHECK(f->is_stamped);
	CHECK_INT(jpeg_decode(f->data, f->size, 0, &p, NULL), 0);
	frame_unref(f);
	return p;
}

/* Pixels of the default filament: much more red than blue. */
static unsigned count_part(struct jpeg_pixels *p)
{
	unsigned n = 0;

	for (size_t i = 0; i < (size_t)p->width * p->height; i++)
		n += p->rgbx[4 * i] > p->rgbx[4 * i + 2] + 60;
	jpeg_pixels_fini(p);
	return n;
}

TEST(fake_camera_draws_the_part_as_the_printer_prints_it)
{
	struct stage s;
	struct jpeg_pixels p;

	setup(&s, true);
	write_job(s.dir);
	camera_hold(s.camera);
	loop_advance(s.loop, 300);
	p = look(&s);

	unsigned idle = count_part(&p);

	CHECK(idle < 20);
	say_printer(&s, PRINTER_IDLE, PRINTER_PRINTING, 2);
	say_table(&s);
	loop_advance(s.loop, 300);
	p = look(&s);

	unsigned low = count_part(&p);

	say_printer(&s, PRINTER_PRINTING, PRINTER_PRINTING, 29);
	loop_advance(s.loop, 300);
	p = look(&s);

	unsigned high = count_part(&p);

	CHECK(low > idle + 200);
	CHECK(high > low + 1000);
	camera_release(s.camera);
	teardown(&s);
}

TEST(fake_camera_knows_the_time_of_capture_and_the_rate)
{
	struct stage s;
	int64_t before_us;

	setup(&s, true);
	camera_hold(s.camera);
	loop_advance(s.loop, 5000);
	before_us = loop_now_us(s.loop);
	loop_advance(s.loop, 100);

	struct frame *f = camera_newest(s.camera);

	CHECK(f->captured_us >= before_us && f->captured_us <= before_us + 100000);
	CHECK(camera_status(s.camera)->per_second > 9.5);
	frame_unref(f);
	camera_release(s.camera);
	loop_advance(s.loop, 6000);
	CHECK_INT(camera_status(s.camera)->state, CAMERA_CLOSED);
	teardown(&s);
}

TEST(fake_camera_survives_a_job_that_cannot_be_read)
{
	struct stage s;

	setup(&s, true);
	camera_hold(s.camera);
	say_printer(&s, PRINTER_IDLE, PRINTER_PRINTING, 2);
	say_table(&s);
	loop_advance(s.loop, 1000);
	CHECK_INT(camera_status(s.camera)->state, CAMERA_LIVE);
	camera_release(s.camera);
	teardown(&s);
}

static void end_loop(void *arg)
{
	loop_stop(arg);
}

static void close_early(void *arg)
{
	struct stage *s = arg;

	cameras_remove(s->cameras, "drawn");
	s->camera = NULL;
}

/* With real threads, for the thread sanitizer: pictures and outlines are under way when it goes. */
TEST(fake_camera_may_go_while_it_is_drawing)
{
	struct stage s;
	struct timer goes, ends;

	setup(&s, false);
	write_job(s.dir);
	timer_init(&goes, s.loop, close_early, &s);
	timer_init(&ends, s.loop, end_loop, s.loop);
	say_printer(&s, PRINTER_IDLE, PRINTER_PRINTING, 20);
	say_table(&s);
	camera_hold(s.camera);
	timer_start(&goes, 113);
	timer_start(&ends, 300);
	loop_run(s.loop);
	teardown(&s);
}
