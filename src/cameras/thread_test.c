/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/thread.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/private.h"
#include "cameras/video.h"
#include "core/bus.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A device that gives the same picture whenever it is asked, as fast as it is asked. */
struct toy {
	atomic_uint n_opened, n_closed, n_given, n_orders, n_ended;
	atomic_bool fails_to_open, waits_to_open, is_slow;
	atomic_uint give_up_after; /* 0: never */
	atomic_bool is_let_go;     /* video: may give its packets */
	unsigned n_packets;        /* video: how many, of which KEY_AT is the second key frame */
	struct frame *jpeg;        /* its data are read only */
};

static int toy_open(void *dev, struct camera_thread *t, const struct camera_config *config,
                    struct err *err)
{
	struct toy *y = dev;

	sigset_t blocked;

	CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
	CHECK(sigismember(&blocked, SIGTERM) == 1 && sigismember(&blocked, SIGCHLD) == 1);
	CHECK_STR(config->id, "toy");
	atomic_fetch_add(&y->n_opened, 1);
	if (atomic_load(&y->waits_to_open)) {
		while (!camera_thread_is_asked(t))
			(void)camera_thread_wait(t, -1, 0, 100000);
		return err_set(err, -EAGAIN, "still waiting");
	}
	return atomic_load(&y->fails_to_open) ? err_set(err, -ENODEV, "not there") : 0;
}

#define KEY_AT 12

static int video_next(struct toy *y, struct camera_thread *t, struct frame **ret)
{
	unsigned n = atomic_load(&y->n_given);
	uint8_t *bytes;

	if (!atomic_load(&y->is_let_go) || n == y->n_packets) {
		(void)camera_thread_wait(t, -1, 0, 2);
		return 0;
	}
	*ret = frame_new(FRAME_H264, 1, &bytes);
	bytes[0] = 0;
	(*ret)->is_key = n == 0 || n == KEY_AT;
	(*ret)->dts_us = (*ret)->pts_us = 1000000 * (int64_t)(n + 1);
	atomic_fetch_add(&y->n_given, 1);
	return 0;
}

static int toy_next(void *dev, struct camera_thread *t, struct frame **ret, struct err *err)
{
	struct toy *y = dev;
	unsigned n = atomic_load(&y->give_up_after);
	uint8_t *bytes;

	if (y->n_packets > 0)
		return video_next(y, t, ret);
	/* Long, so that a test would fail if it were not broken off. */
	(void)camera_thread_wait(t, -1, 0, atomic_load(&y->is_slow) ? 100000 : 1);
	if (atomic_load(&y->is_slow))
		return 0;
	if (n > 0 && atomic_fetch_add(&y->n_given, 1) >= n)
		return err_set(err, -EIO, "worn out");
	*ret = frame_new(FRAME_JPEG, y->jpeg->size, &bytes);
	memcpy(bytes, y->jpeg->data, y->jpeg->size);
	return 0;
}

static void toy_close(void *dev)
{
	atomic_fetch_add(&((struct toy *)dev)->n_closed, 1);
}

static const struct camera_device toy_device = { toy_open, toy_next, toy_close, NULL };

static void toy_ended(void *dev)
{
	atomic_fetch_add(&((struct toy *)dev)->n_ended, 1);
}

static void toy_order(void *dev, void *arg)
{
	CHECK(arg == dev);
	atomic_fetch_add(&((struct toy *)dev)->n_orders, 1);
}

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct camera *camera;
	struct camera_watcher watcher;
	struct timer look, limit;
	struct toy *toy;
	unsigned n_frames;
	bool (*is_enough)(struct rig *r);
};

/* The driver's private data; the toy comes by the environment. */
struct priv {
	struct camera_thread *thread;
	struct toy *toy;
};

static void drv_added(void *priv, struct camera_source *src)
{
	struct priv *p = priv;
	const struct cameras_env *env = camera_source_env(src);

	p->toy = env->connect_arg;
	p->thread = camera_thread_new(env->loop, "toy", &toy_device, p->toy, toy_ended);
}

static void drv_removed(void *priv)
{
	camera_thread_free(((struct priv *)priv)->thread);
}

static void drv_open(void *priv, struct camera_source *src)
{
	camera_thread_open(((struct priv *)priv)->thread, src);
}

static void drv_close(void *priv)
{
	camera_thread_close(((struct priv *)priv)->thread);
}

static const struct camera_driver driver = {
	.name = "toy",
	.title = "Toy of a test",
	.priv_size = sizeof(struct priv),
	.open = drv_open,
	.close = drv_close,
	.added = drv_added,
	.removed = drv_removed,
};

static void on_look(void *arg)
{
	struct rig *r = arg;

	if (r->is_enough(r))
		loop_stop(r->loop);
}

static void on_limit(void *arg UNUSED)
{
	fail_msg("nothing happens any more");
}

static void on_woken(void *arg)
{
	struct rig *r = arg;
	struct frame *f = camera_watch_take(&r->watcher);

	r->n_frames += f != NULL;
	frame_unref(f);
}

static void run_until(struct rig *r, bool (*is_enough)(struct rig *r))
{
	r->is_enough = is_enough;
	timer_start(&r->limit, 60000);
	timer_start_every(&r->look, 2);
	loop_run(r->loop);
	timer_stop(&r->look);
	timer_stop(&r->limit);
}

static struct frame *make_jpeg(void)
{
	struct draw_canvas *c = draw_canvas_new(64, 48);
	struct frame *f = NULL;

	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)c->pixels, 64, 48, 80, &f, NULL), 0);
	draw_canvas_free(c);
	return f;
}

static void setup(struct rig *r, struct toy *toy)
{
	struct camera_config config = { 0 };
	struct cameras_env env = { 0 };

	*r = (struct rig){ .loop = loop_new(), .toy = toy };
	toy->jpeg = make_jpeg();
	r->bus = bus_new(r->loop);
	env.loop = r->loop;
	env.bus = r->bus;
	env.connect_arg = toy;
	env.retry_ms = 20;
	r->cameras = cameras_new(&env);
	TEXT_SET(config.id, "toy");
	TEXT_SET(config.driver, "toy");
	timer_init(&r->look, r->loop, on_look, r);
	timer_init(&r->limit, r->loop, on_limit, r);
	log_set_level(LOG_LEVEL_ERROR);
	CHECK_INT(cameras_add_driven(r->cameras, &config, &driver, &r->camera, NULL), 0);
}

static void teardown(struct rig *r)
{
	cameras_free(r->cameras);
	bus_free(r->bus);
	loop_free(r->loop);
	CHECK_INT(atomic_load(&r->toy->n_ended), 1);
	CHECK_INT(atomic_load(&r->toy->n_opened), atomic_load(&r->toy->n_closed));
	frame_unref(r->toy->jpeg);
}

static bool has_frames(struct rig *r)
{
	return r->n_frames >= 5;
}

static bool is_open(struct rig *r)
{
	return atomic_load(&r->toy->n_opened) > 0;
}

static bool has_failed(struct rig *r)
{
	return camera_status(r->camera)->state == CAMERA_NO_SIGNAL;
}

static bool has_orders(struct rig *r)
{
	return atomic_load(&r->toy->n_orders) >= 3;
}

TEST(thread_brings_frames_to_the_loop)
{
	struct toy toy = { 0 };
	struct rig r;

	setup(&r, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_frames);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(thread_that_waits_is_broken_off_at_once)
{
	struct toy toy = { .is_slow = true };
	struct rig r;

	setup(&r, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_open);
	camera_unwatch(&r.watcher);
	teardown(&r); /* checks that it has ended, which it waits for one second only */
}

TEST(thread_tells_why_a_device_does_not_open_or_ends)
{
	struct toy toy = { .fails_to_open = true };
	struct rig r;

	setup(&r, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_failed);
	CHECK_STR(camera_status(r.camera)->text, "not there");
	atomic_store(&toy.fails_to_open, false);
	run_until(&r, has_frames);
	atomic_store(&toy.give_up_after, 1);
	run_until(&r, has_failed);
	CHECK_STR(camera_status(r.camera)->text, "worn out");
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(thread_executes_orders_open_or_not)
{
	struct toy toy = { .is_slow = true };
	struct rig r;

	setup(&r, &toy);
	camera_thread_order(((struct priv *)r.camera->priv)->thread, toy_order, &toy);
	camera_thread_order(((struct priv *)r.camera->priv)->thread, toy_order, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_open);
	camera_thread_order(((struct priv *)r.camera->priv)->thread, toy_order, &toy);
	run_until(&r, has_orders);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

static bool is_opening(struct rig *r)
{
	return atomic_load(&r->toy->n_opened) > 0;
}

TEST(thread_goes_on_waiting_for_a_device_behind_an_order)
{
	struct toy toy = { .waits_to_open = true };
	struct rig r;

	setup(&r, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, is_opening);
	for (int i = 0; i < 3; i++)
		camera_thread_order(((struct priv *)r.camera->priv)->thread, toy_order, &toy);
	run_until(&r, has_orders);
	atomic_store(&toy.waits_to_open, false);
	camera_thread_order(((struct priv *)r.camera->priv)->thread, toy_order, &toy);
	run_until(&r, has_frames);
	CHECK_INT(camera_status(r.camera)->n_reconnects, 0);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

TEST(thread_is_opened_and_closed_in_quick_turns)
{
	struct toy toy = { 0 };
	struct rig r;
	struct camera_thread *t;

	setup(&r, &toy);
	t = ((struct priv *)r.camera->priv)->thread;
	for (unsigned i = 0; i < 200; i++) {
		camera_thread_open(t, &r.camera->source);
		camera_thread_close(t);
	}
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_frames);
	camera_unwatch(&r.watcher);
	teardown(&r);
}

struct video_rig {
	struct rig rig;
	struct camera_video_watcher watcher;
	unsigned n;
	int64_t first_us, last_us;
};

static void on_packet(void *arg, struct frame *f)
{
	struct video_rig *v = arg;

	if (v->n++ == 0) {
		CHECK(f->is_key);
		v->first_us = f->pts_us;
	}
	v->last_us = f->pts_us;
}

static void on_no_packet(void *arg UNUSED)
{
}

/* The loop is kept busy while the device gives all. */
static bool is_stuffed(struct rig *r)
{
	if (atomic_load(&r->toy->n_opened) == 0)
		return false;
	atomic_store(&r->toy->is_let_go, true);
	/* The last that was given may not be queued yet: it needs one turn more. */
	while (atomic_load(&r->toy->n_given) < r->toy->n_packets)
		(void)poll(NULL, 0, 1);
	return true;
}

static bool has_last(struct rig *r)
{
	return CONTAINER_OF(r, struct video_rig, rig)->last_us ==
	       1000000 * (int64_t)r->toy->n_packets;
}

TEST(thread_keeps_the_key_frame_that_meets_a_full_queue)
{
	struct toy toy = { .n_packets = KEY_AT + 4 };
	struct video_rig v = { .watcher = { .packet = on_packet, .broken = on_no_packet } };

	v.watcher.arg = &v;
	setup(&v.rig, &toy);
	camera_video_watch(v.rig.camera, &v.watcher);
	run_until(&v.rig, is_stuffed);
	run_until(&v.rig, has_last);
	CHECK_INT(v.first_us, 1000000 * (KEY_AT + 1));
	CHECK_INT(v.n, 4);
	camera_video_unwatch(&v.watcher);
	teardown(&v.rig);
}

/* A removed camera leaves its thread behind only as long as a device hangs. */
TEST(thread_ends_with_its_camera_and_leaves_frames_valid)
{
	struct toy toy = { 0 };
	struct rig r;
	struct frame *f;

	setup(&r, &toy);
	camera_watch(r.camera, &r.watcher, on_woken, &r);
	run_until(&r, has_frames);
	f = camera_newest(r.camera);
	cameras_remove(r.cameras, "toy");
	CHECK_INT(f->size, toy.jpeg->size);
	frame_unref(f);
	teardown(&r);
}
