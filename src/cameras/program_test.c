/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cameras that are programs or files: exec, rpicam (with stand-ins for its programs), folder. */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/private.h"
#include "core/fs.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MS 60000

struct rig {
	struct loop *loop;
	struct work_pool *pool;
	struct cameras *cameras;
	struct camera *camera;
	struct camera_shot shot;
	struct frame *shot_got;
	unsigned n_shots_done;
	char dir[200];
	bool (*is_there)(const struct rig *r);
	struct timer look, limit;
	unsigned n_turns;
};

static void path_in(const struct rig *r, const char *name, char *dst, size_t size)
{
	(void)snprintf(dst, size, "%s/%s", r->dir, name);
}

static void write_file(const struct rig *r, const char *name, const void *bytes, size_t size)
{
	char path[300];

	path_in(r, name, path, sizeof(path));
	CHECK_INT(fs_write_atomic(path, bytes, size, 0644, NULL), 0);
}

static struct frame *make_picture(unsigned width, unsigned height)
{
	uint8_t *rgbx = mem_new((size_t)width * height * 4);
	struct frame *f = NULL;

	CHECK_INT(jpeg_encode_rgbx(rgbx, width, height, 90, &f, NULL), 0);
	free(rgbx);
	return f;
}

static void write_picture(const struct rig *r, const char *name, unsigned width, unsigned height)
{
	struct frame *f = make_picture(width, height);

	write_file(r, name, f->data, f->size);
	frame_unref(f);
}

static bool file_has(const struct rig *r, const char *name, const char *text)
{
	char path[300];
	struct buf b = { 0 };
	bool has;

	path_in(r, name, path, sizeof(path));
	if (fs_read(path, 100000, &b, NULL) < 0)
		return false;
	has = strstr(buf_peek(&b), text) != NULL;
	buf_fini(&b);
	return has;
}

static void begin(struct rig *r)
{
	*r = (struct rig){ .loop = loop_new() };
	TEXT_SET(r->dir, test_tmp_dir());
	write_picture(r, "vid.jpg", 64, 48);
	setenv("STAND_IN", r->dir, 1); /* NOLINT(concurrency-mt-unsafe): no thread yet */
	r->pool = work_pool_new(r->loop, "test", 1);
}

static void add(struct rig *r, struct camera_config *config)
{
	struct cameras_env env = { .loop = r->loop, .pool = r->pool, .data_dir = r->dir };

	r->cameras = cameras_new(&env);
	TEXT_SET(config->id, "side");
	config->is_always_open = true;
	CHECK_INT(cameras_add(r->cameras, config, &r->camera, NULL), 0);
	camera_config_fini(config);
}

static void teardown(struct rig *r)
{
	camera_shot_cancel(&r->shot);
	cameras_free(r->cameras);
	frame_unref(r->shot_got);
	work_pool_free(r->pool);
	loop_free(r->loop);
}

static void on_look(void *arg)
{
	struct rig *r = arg;

	if (r->is_there(r))
		loop_stop(r->loop);
}

static void on_limit(void *arg)
{
	loop_stop(((struct rig *)arg)->loop);
}

static void run_until(struct rig *r, bool (*is_there)(const struct rig *r))
{
	r->is_there = is_there;
	timer_init(&r->look, r->loop, on_look, r);
	timer_init(&r->limit, r->loop, on_limit, r);
	timer_start_every(&r->look, 5);
	timer_start(&r->limit, LIMIT_MS);
	loop_run(r->loop);
	timer_stop(&r->look);
	timer_stop(&r->limit);
	if (!is_there(r))
		print_message("# state %d: %s\n", (int)camera_status(r->camera)->state,
		              camera_status(r->camera)->text);
	CHECK(is_there(r));
}

static void on_shot(void *arg, struct frame *f, const struct err *err)
{
	struct rig *r = arg;

	(void)err;
	r->n_shots_done++;
	frame_unref(r->shot_got);
	r->shot_got = f;
}

static void shoot(struct rig *r)
{
	camera_shoot(r->camera, &r->shot, loop_now_us(r->loop), LIMIT_MS, on_shot, r);
}

static bool has_three(const struct rig *r)
{
	return camera_status(r->camera)->n_frames >= 3;
}

static bool has_one(const struct rig *r)
{
	return camera_status(r->camera)->n_frames >= 1;
}

static bool has_shot(const struct rig *r)
{
	return r->n_shots_done > 0;
}

static bool is_lost(const struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_NO_SIGNAL;
}

static bool is_live(const struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_LIVE;
}

static bool is_wide(const struct rig *r)
{
	return camera_status(r->camera)->width == 160;
}

static bool says(const struct rig *r, const char *text)
{
	if (!strstr(camera_status(r->camera)->text, text))
		print_message("# %s\n", camera_status(r->camera)->text);
	return strstr(camera_status(r->camera)->text, text) != NULL;
}

/* ---- exec ---- */

static void exec_config(struct camera_config *c, int64_t poll_ms, const char *const *argv)
{
	*c = (struct camera_config){ .driver = "exec", .poll_ms = poll_ms };
	for (; *argv; argv++)
		CHECK(camera_config_add_arg(c, *argv));
}

TEST(a_program_that_gives_one_picture_is_run_again_and_again)
{
	struct rig r;
	struct camera_config c;
	char picture[300];

	begin(&r);
	path_in(&r, "vid.jpg", picture, sizeof(picture));
	exec_config(&c, 40, (const char *const[]){ "cat", picture, NULL });
	add(&r, &c);
	run_until(&r, has_three);
	CHECK(is_live(&r) && camera_status(r.camera)->n_refused == 0);
	teardown(&r);
}

TEST(a_program_may_give_many_pictures_and_is_run_at_once_for_a_shot)
{
	struct rig r;
	struct camera_config c;
	char picture[300];

	begin(&r);
	path_in(&r, "vid.jpg", picture, sizeof(picture));
	exec_config(&c, 3600000, (const char *const[]){ "cat", picture, picture, picture, NULL });
	add(&r, &c);
	run_until(&r, has_three);

	int64_t asked_us = loop_now_us(r.loop);

	shoot(&r);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->captured_us >= asked_us);
	teardown(&r);
}

TEST(why_a_program_gives_no_picture_is_said_in_its_own_words)
{
	static const struct {
		const char *argv[5];
		const char *said;
	} cases[] = {
		{ { "sh", "-c", "echo 'Error: the camera is busy' >&2; echo bye >&2; exit 3" },
		  "sh ended with status 3: Error: the camera is busy" },
		{ { "true" }, "true ended without a picture" },
		{ { "/nowhere/capture" }, "starting /nowhere/capture: no such file" },
		{ { "sh", "-c", "kill -9 $$" }, "sh was ended by signal 9" },
		{ { "echo", "<html>" }, "echo ended without a picture" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct rig r;
		struct camera_config c;

		begin(&r);
		exec_config(&c, 40, cases[i].argv);
		add(&r, &c);
		run_until(&r, is_lost);
		CHECK(says(&r, cases[i].said));
		teardown(&r);
	}
}

TEST(half_a_picture_of_a_program_is_counted)
{
	struct rig r;
	struct camera_config c;
	char picture[300];

	begin(&r);
	path_in(&r, "vid.jpg", picture, sizeof(picture));
	exec_config(&c, 40,
	            (const char *const[]){ "sh", "-c",
	                                   "cat $0; head -c 400 $0; cat $0; head -c 500 $0",
	                                   picture, NULL });
	add(&r, &c);
	run_until(&r, has_three);
	CHECK(camera_status(r.camera)->n_refused >= 2 && is_live(&r));
	teardown(&r);
}

/* ---- rpicam ---- */

static void rpicam_config(struct camera_config *c)
{
	*c = (struct camera_config){ .driver = "rpicam", .quality = 95, .exposure_bias = -0.5 };
	c->focus_window = (struct camera_window){ 0.4, 0.4, 0.2, 0.2 };
	CHECK(camera_config_add_arg(c, test_source("tests/stand-ins/rpicam-vid")));
}

TEST(a_raspberry_pi_camera_streams_with_the_settings_of_the_configuration)
{
	struct rig r;
	struct camera_config c;

	begin(&r);
	rpicam_config(&c);
	c.rotation = 180;
	c.is_flipped_h = true;
	c.fps = 15;
	TEXT_SET(c.source, "1");
	CHECK(camera_config_add_arg(&c, "--denoise=off"));
	add(&r, &c);
	run_until(&r, has_three);
	CHECK(is_live(&r) && camera_status(r.camera)->width == 64);
	CHECK(file_has(&r, "vid.args",
	               "--timeout=0 --nopreview --codec=mjpeg --flush --width=1920 --height=1080 "
	               "--framerate=15 --camera=1 --quality=95 --rotation=180 --hflip --ev=-0.5 "
	               "--autofocus-mode=continuous --autofocus-window=0.4,0.4,0.2,0.2 --output=- "
	               "--denoise=off\n"));
	teardown(&r);
}

TEST(a_quarter_turn_is_made_here_and_only_once)
{
	struct rig r;
	struct camera_config c;

	begin(&r);
	rpicam_config(&c);
	c.rotation = 90;
	c.is_flipped_v = true;
	c.focus = CAMERA_FOCUS_MANUAL;
	c.lens_position = 3.5;
	add(&r, &c);
	run_until(&r, has_one);
	CHECK_INT((int)camera_status(r.camera)->width, 48);
	CHECK(!file_has(&r, "vid.args", "--rotation") && !file_has(&r, "vid.args", "flip"));
	CHECK(file_has(&r, "vid.args", "--autofocus-mode=manual --lens-position=3.5"));
	teardown(&r);
}

TEST(a_session_gets_stills_of_full_resolution_and_the_stream_goes_on)
{
	struct rig r;
	struct camera_config c;

	begin(&r);
	write_picture(&r, "still.jpg", 160, 128);
	rpicam_config(&c);
	c.is_full_still = true;
	add(&r, &c);
	run_until(&r, has_three);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t n;

		r.n_shots_done = 0;
		shoot(&r);
		run_until(&r, has_shot);
		CHECK(r.shot_got && r.shot_got->width == 160 && r.shot_got->is_still);
		n = camera_status(r.camera)->n_frames;
		while (camera_status(r.camera)->n_frames < n + 2)
			run_until(&r, is_live);
	}
	CHECK_INT((int)camera_status(r.camera)->n_reconnects, 0);
	CHECK(file_has(&r, "still.args", "--timeout=1000 --nopreview --encoding=jpg --quality=95"));
	CHECK(!file_has(&r, "still.args", "--width"));
	teardown(&r);
}

TEST(a_still_that_fails_does_not_cost_the_picture)
{
	struct rig r;
	struct camera_config c;

	begin(&r);
	write_file(&r, "still.die", "ERROR: *** out of memory ***\n", 29);
	rpicam_config(&c);
	c.is_full_still = true;
	add(&r, &c);
	run_until(&r, has_one);

	int64_t asked_us = loop_now_us(r.loop);

	shoot(&r);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->width == 64 && r.shot_got->captured_us >= asked_us);
	teardown(&r);
}

TEST(an_autofocus_that_fails_goes_back_to_where_it_was_right)
{
	struct rig r;
	struct camera_config c;

	begin(&r);
	write_picture(&r, "still.jpg", 160, 128);
	write_file(&r, "metadata", "{\n \"AfState\": 2,\n \"LensPosition\": 4.25\n}\n", 42);
	rpicam_config(&c);
	c.focus = CAMERA_FOCUS_EACH_SHOT;
	add(&r, &c);
	run_until(&r, has_one);
	shoot(&r);
	run_until(&r, has_shot);
	CHECK(file_has(&r, "still.args", "--autofocus-on-capture"));
	CHECK(file_has(&r, "still.args", "--width=1920"));
	CHECK(!file_has(&r, "still.args", "--lens-position"));
	write_file(&r, "metadata", "{\n \"AfState\": 3,\n \"LensPosition\": 0.00\n}\n", 42);
	r.n_shots_done = 0;
	shoot(&r);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->is_still);
	CHECK(file_has(&r, "still.args",
	               "--autofocus-mode=manual --lens-position=4.25 --output=-"));
	teardown(&r);
}

TEST(what_a_killed_program_left_of_a_raspberry_pi_camera_is_removed)
{
	static const char *const names[] = { "rpicam-side-aB3dE6", "rpicam-side-2-aB3dE6",
		                             "rpicam-side-notes.txt" };
	struct rig r;
	struct camera_config c;
	char path[300];

	begin(&r);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		write_file(&r, names[i], "{}", 2);
	rpicam_config(&c);
	add(&r, &c);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		path_in(&r, names[i], path, sizeof(path));
		CHECK_INT(access(path, F_OK) == 0, i > 0);
	}
	teardown(&r);
}

TEST(why_a_raspberry_pi_camera_gives_nothing_is_said)
{
	struct rig r;
	struct camera_config c;
	char *path = mem_str(getenv("PATH")); /* NOLINT(concurrency-mt-unsafe) */

	begin(&r);
	write_file(&r, "vid.die", "ERROR: *** no cameras available ***\n", 36);
	rpicam_config(&c);
	add(&r, &c);
	run_until(&r, is_lost);
	CHECK(says(&r, "rpicam-vid ended with status 255: ERROR: *** no cameras available ***"));
	teardown(&r);

	begin(&r);
	c = (struct camera_config){ .driver = "rpicam" };
	setenv("PATH", "/nowhere", 1); /* NOLINT(concurrency-mt-unsafe) */
	add(&r, &c);
	run_until(&r, is_lost);
	setenv("PATH", path, 1); /* NOLINT(concurrency-mt-unsafe) */
	CHECK(says(&r, "neither rpicam-vid nor libcamera-vid is installed"));
	teardown(&r);
	free(path);
}

/* ---- folder ---- */

static void folder_config(const struct rig *r, struct camera_config *c)
{
	*c = (struct camera_config){ .driver = "folder", .stale_after_ms = 20000 };
	TEXT_SET(c->source, r->dir);
}

static void set_age(const struct rig *r, const char *name, int64_t seconds)
{
	char path[300];
	struct timespec t[2];

	path_in(r, name, path, sizeof(path));
	clock_gettime(CLOCK_REALTIME, &t[0]);
	t[0].tv_sec -= seconds;
	t[1] = t[0];
	CHECK_INT(utimensat(AT_FDCWD, path, t, 0), 0);
}

TEST(the_newest_picture_of_a_folder_is_shown_with_its_age)
{
	struct rig r;
	struct camera_config c;
	int64_t age_us;

	begin(&r);
	write_picture(&r, "newer.JPEG", 160, 128);
	write_file(&r, "newest.txt", "text", 4);
	set_age(&r, "vid.jpg", 600);
	set_age(&r, "newer.JPEG", 60);
	folder_config(&r, &c);
	add(&r, &c);
	run_until(&r, has_one);
	CHECK(is_wide(&r));
	age_us = loop_now_us(r.loop) - camera_status(r.camera)->newest_us;
	CHECK(age_us >= 60000000 && age_us < 120000000);
	teardown(&r);
}

TEST(a_picture_of_the_future_that_was_there_before_serves_no_shot)
{
	struct rig r;
	struct camera_config c;
	int64_t opened_us;

	begin(&r);
	set_age(&r, "vid.jpg", -3600);
	folder_config(&r, &c);
	opened_us = loop_now_us(r.loop);
	add(&r, &c);
	run_until(&r, has_one);
	CHECK(camera_status(r.camera)->newest_us < loop_now_us(r.loop));
	CHECK(camera_status(r.camera)->newest_us <= MAX(opened_us, 1) + 1000000);
	teardown(&r);
}

TEST(a_picture_that_is_moved_or_written_into_a_folder_is_taken_when_it_is_whole)
{
	struct rig r;
	struct camera_config c;
	struct frame *f = make_picture(160, 128);
	char path[300];
	int fd;

	begin(&r);
	folder_config(&r, &c);
	add(&r, &c);
	run_until(&r, has_one);
	write_picture(&r, "moved.jpg", 96, 96);
	while (camera_status(r.camera)->width != 96)
		run_until(&r, is_live);
	/* Written in two goes, and never closed. */
	path_in(&r, "open.jpg", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(fd, f->data, 300) == 300);
	run_until(&r, is_live);
	CHECK(write(fd, f->data + 300, f->size - 300) == (ssize_t)f->size - 300);
	run_until(&r, is_wide);
	CHECK_INT((int)camera_status(r.camera)->n_refused, 0);
	(void)close(fd);
	frame_unref(f);
	teardown(&r);
}

static void hold_worker(void *arg)
{
	while (sem_wait(arg) < 0)
		;
}

static void on_turn(void *arg)
{
	struct rig *r = arg;

	if (--r->n_turns == 0)
		loop_stop(r->loop);
}

/* The loop goes round `n` times, and hears what there is to hear. */
static void run_turns(struct rig *r, unsigned n)
{
	r->n_turns = n;
	timer_init(&r->look, r->loop, on_turn, r);
	timer_start_every(&r->look, 5);
	loop_run(r->loop);
	timer_stop(&r->look);
}

static bool is_middle(const struct rig *r)
{
	return camera_status(r->camera)->width == 96;
}

TEST(a_whole_picture_that_waits_for_its_turn_is_not_lost_to_one_just_begun)
{
	struct rig r;
	struct camera_config c;
	char path[300];
	sem_t held;
	int fd;

	CHECK_INT(sem_init(&held, 0, 0), 0);
	begin(&r);
	folder_config(&r, &c);
	add(&r, &c);
	run_until(&r, has_one);
	work_submit(r.pool, hold_worker, NULL, &held);
	write_picture(&r, "a.jpg", 160, 128);
	write_picture(&r, "b.jpg", 96, 96);
	path_in(&r, "c.jpg", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	CHECK(write(fd, "\xff\xd8", 2) == 2);
	run_turns(&r, 10);
	CHECK_INT(sem_post(&held), 0);
	run_until(&r, is_middle);
	(void)close(fd);
	teardown(&r);
	CHECK_INT(sem_destroy(&held), 0);
}

static bool has_refused(const struct rig *r)
{
	return camera_status(r->camera)->n_refused > 0;
}

TEST(half_a_picture_in_a_folder_is_counted_and_a_shot_takes_the_next_one)
{
	struct rig r;
	struct camera_config c;
	struct frame *f = make_picture(160, 128);

	begin(&r);
	folder_config(&r, &c);
	add(&r, &c);
	run_until(&r, has_one);
	shoot(&r);
	write_file(&r, "half.jpg", f->data, f->size / 2);
	run_until(&r, has_refused);
	CHECK(r.n_shots_done == 0);
	write_file(&r, "whole.jpg", f->data, f->size);
	run_until(&r, has_shot);
	CHECK(r.shot_got && r.shot_got->width == 160);
	frame_unref(f);
	teardown(&r);
}

TEST(a_folder_that_is_not_there_or_goes_is_said)
{
	struct rig r;
	struct camera_config c;
	char path[300];

	begin(&r);
	folder_config(&r, &c);
	TEXT_SET(c.source, "/nowhere/pictures");
	add(&r, &c);
	run_until(&r, is_lost);
	CHECK(says(&r, "watching the folder /nowhere/pictures"));
	teardown(&r);

	begin(&r);
	path_in(&r, "in", path, sizeof(path));
	CHECK_INT(mkdir(path, 0700), 0);
	folder_config(&r, &c);
	TEXT_SET(c.source, path);
	write_picture(&r, "in/a.jpg", 160, 128);
	add(&r, &c);
	run_until(&r, has_one);
	CHECK_INT(fs_remove(path, NULL), 0);
	run_until(&r, is_lost);
	CHECK(says(&r, "was removed"));
	teardown(&r);
}
