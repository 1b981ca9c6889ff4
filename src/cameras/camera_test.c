/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/camera.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "cameras/private.h"
#include "core/bus.h"
#include "media/draw.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "media/jpeg_scan.h"
#include "model/event.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A driver that does what the test says. */
struct script {
	struct camera_source *source;
	unsigned n_opened, n_closed;
	int64_t opened_us[32];
	bool fails;
};

static void script_open(void *priv, struct camera_source *src)
{
	struct script *s = priv;
	struct err err;

	s->source = src;
	s->opened_us[s->n_opened++ % ARRAY_LEN(s->opened_us)] =
		loop_now_us(camera_source_env(src)->loop);
	if (!s->fails)
		return;
	(void)err_set(&err, -ECONNREFUSED, "nobody answers at 192.168.1.9");
	camera_source_failed(src, &err);
}

static void script_close(void *priv)
{
	((struct script *)priv)->n_closed++;
}

static const struct camera_driver script_driver = {
	.name = "script",
	.title = "Script of a test",
	.priv_size = sizeof(struct script),
	.open = script_open,
	.close = script_close,
};

struct rig {
	struct loop *loop;
	struct bus *bus;
	struct cameras *cameras;
	struct camera *camera;
	struct script *script;
	struct bus_listener listener;
	unsigned n_events;
	struct camera_status heard; /* by the last event */
	struct frame *jpeg;
};

static void on_event(void *arg, const struct bus_event *e)
{
	struct rig *s = arg;

	CHECK_INT(e->type, EVENT_CAMERA);
	s->n_events++;
	s->heard = event_as_camera(e)->status;
}

static struct frame *make_jpeg(unsigned width, unsigned height)
{
	struct draw_canvas *c = draw_canvas_new(width, height);
	struct frame *f = NULL;

	CHECK_INT(jpeg_encode_rgbx((const uint8_t *)c->pixels, width, height, 80, &f, NULL), 0);
	draw_canvas_free(c);
	return f;
}

static void setup(struct rig *s, const struct camera_config *extra)
{
	struct camera_config config = extra ? *extra : (struct camera_config){ 0 };
	struct cameras_env env = { 0 };

	*s = (struct rig){ .loop = loop_new_simulated(1795257605000) };
	s->bus = bus_new(s->loop);
	s->jpeg = make_jpeg(64, 48);
	env.loop = s->loop;
	env.bus = s->bus;
	s->cameras = cameras_new(&env);
	TEXT_SET(config.id, "front");
	TEXT_SET(config.driver, "script");
	bus_listen(s->bus, &s->listener, on_event, s);
	CHECK_INT(cameras_add_driven(s->cameras, &config, &script_driver, &s->camera, NULL), 0);
	s->script = s->camera->priv;
}

static void teardown(struct rig *s)
{
	bus_unlisten(&s->listener);
	cameras_free(s->cameras);
	bus_free(s->bus);
	frame_unref(s->jpeg);
	loop_free(s->loop);
}

static void send(struct rig *s)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, s->jpeg->size, &bytes);

	memcpy(bytes, s->jpeg->data, s->jpeg->size);
	camera_source_frame(s->script->source, f);
}

static void send_text(struct rig *s, const char *text)
{
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, strlen(text), &bytes);

	memcpy(bytes, text, strlen(text));
	camera_source_frame(s->script->source, f);
}

/* A reader that takes at once, or not at all. */
struct reader {
	struct camera_watcher watcher;
	bool is_slow;
	unsigned n_woken, n_taken;
	uint64_t seq;
};

static void on_woken(void *arg)
{
	struct reader *r = arg;
	struct frame *f;

	r->n_woken++;
	if (r->is_slow)
		return;
	f = camera_watch_take(&r->watcher);
	if (!f)
		return;
	r->n_taken++;
	r->seq = f->seq;
	frame_unref(f);
}

TEST(camera_opens_for_a_watcher_and_closes_after_a_while)
{
	struct rig s;
	struct reader r = { 0 };

	setup(&s, NULL);
	loop_advance(s.loop, 60000);
	CHECK_INT(s.script->n_opened, 0);
	camera_watch(s.camera, &r.watcher, on_woken, &r);
	CHECK_INT(r.n_woken, 0);
	CHECK_INT(camera_status(s.camera)->state, CAMERA_CONNECTING);
	send(&s);
	CHECK_INT(r.n_taken, 1);
	CHECK_INT(camera_status(s.camera)->state, CAMERA_LIVE);
	CHECK_INT(camera_status(s.camera)->width, 64);
	camera_unwatch(&r.watcher);
	loop_advance(s.loop, 4000);
	/* A page loaded anew within the time finds it open, and a picture at once. */
	camera_watch(s.camera, &r.watcher, on_woken, &r);

	struct frame *f = camera_watch_take(&r.watcher);

	CHECK(f);
	frame_unref(f);
	CHECK_INT(s.script->n_opened, 1);
	camera_unwatch(&r.watcher);
	loop_advance(s.loop, 6000);
	CHECK_INT(s.script->n_closed, 1);
	CHECK_INT(camera_status(s.camera)->state, CAMERA_CLOSED);
	teardown(&s);
}

TEST(camera_tries_again_more_and_more_seldom)
{
	static const int64_t waits_s[] = { 1, 2, 5, 10, 20, 30, 30, 30 };
	struct rig s;

	setup(&s, NULL);
	s.script->fails = true;
	camera_hold(s.camera);
	loop_advance(s.loop, 128000);
	CHECK_INT(s.script->n_opened, ARRAY_LEN(waits_s) + 1);
	for (size_t i = 0; i < ARRAY_LEN(waits_s); i++)
		CHECK_INT(s.script->opened_us[i + 1] - s.script->opened_us[i],
		          waits_s[i] * 1000000);
	CHECK_INT(s.script->n_closed, s.script->n_opened);
	CHECK_INT(s.heard.state, CAMERA_NO_SIGNAL);
	CHECK(strstr(s.heard.text, "nobody answers"));
	CHECK(camera_status(s.camera)->retry_at_us > loop_now_us(s.loop));

	/* Ten good seconds, then a failure: the first step again. */
	s.script->fails = false;
	loop_advance(s.loop, 30000);
	for (int i = 0; i < 12; i++) {
		send(&s);
		loop_advance(s.loop, 1000);
	}
	CHECK_INT(s.heard.state, CAMERA_LIVE);
	CHECK_STR(s.heard.text, "");

	unsigned n = s.script->n_opened;
	struct err err;

	(void)err_set(&err, -EIO, "gone");
	camera_source_failed(s.script->source, &err);
	loop_advance(s.loop, 1001);
	CHECK_INT(s.script->n_opened, n + 1);
	camera_release(s.camera);
	teardown(&s);
}

TEST(camera_goes_stale_and_connects_anew)
{
	struct camera_config config = { .stale_after_ms = 3000 };
	struct rig s;
	struct reader r = { 0 };

	setup(&s, &config);
	camera_watch(s.camera, &r.watcher, on_woken, &r);
	send(&s);
	loop_advance(s.loop, 2900);
	CHECK_INT(s.heard.state, CAMERA_LIVE);
	loop_advance(s.loop, 200);
	CHECK_INT(s.heard.state, CAMERA_STALE);
	CHECK(strstr(s.heard.text, "no new picture for 3 s"));
	CHECK_INT(r.n_woken, 3); /* live, picture, stale */
	CHECK_INT(s.script->n_closed, 1);
	loop_advance(s.loop, 1000);
	CHECK_INT(s.script->n_opened, 2);
	send(&s);
	loop_advance(s.loop, 10);
	CHECK_INT(s.heard.state, CAMERA_LIVE);
	CHECK_INT(s.heard.n_reconnects, 1);
	camera_unwatch(&r.watcher);
	teardown(&s);
}

TEST(camera_never_shows_what_is_no_picture)
{
	struct rig s;
	struct reader r = { 0 };

	setup(&s, NULL);
	camera_watch(s.camera, &r.watcher, on_woken, &r);
	send_text(&s, "<html>busy</html>");
	loop_advance(s.loop, 10);
	CHECK_INT(camera_status(s.camera)->n_refused, 1);
	CHECK_INT(camera_status(s.camera)->n_frames, 0);
	CHECK(strstr(camera_status(s.camera)->text, "web page"));
	CHECK(!camera_newest(s.camera));
	CHECK_INT(r.n_taken, 0);
	send(&s);
	CHECK_STR(camera_status(s.camera)->text, "");
	CHECK_INT(r.seq, 1);

	/* Rubbish keeps no camera alive. */
	for (int i = 0; i < 11; i++) {
		loop_advance(s.loop, 1000);
		send_text(&s, "");
	}
	CHECK_INT(camera_status(s.camera)->state, CAMERA_STALE);
	camera_unwatch(&r.watcher);
	teardown(&s);
}

TEST(camera_gives_a_slow_watcher_the_newest_only)
{
	struct rig s;
	struct reader quick = { 0 }, slow = { .is_slow = true };

	setup(&s, NULL);
	camera_watch(s.camera, &quick.watcher, on_woken, &quick);
	camera_watch(s.camera, &slow.watcher, on_woken, &slow);
	for (int i = 0; i < 20; i++)
		send(&s);
	CHECK_INT(quick.n_taken, 20);

	struct frame *f = camera_watch_take(&slow.watcher);

	CHECK_INT(f->seq, 20);
	CHECK(!camera_watch_take(&slow.watcher));
	CHECK_INT(camera_status(s.camera)->n_watchers, 2);
	camera_unwatch(&quick.watcher);
	camera_unwatch(&slow.watcher);
	camera_unwatch(&slow.watcher);
	teardown(&s);
	/* Longer than its camera. */
	CHECK_INT(f->data[0], 0xff);
	frame_unref(f);
}

struct shooter {
	struct camera_shot shot;
	struct frame *got;
	struct err err;
	unsigned n_done;
};

static void on_shot(void *arg, struct frame *f, const struct err *err)
{
	struct shooter *s = arg;

	frame_unref(s->got);
	s->got = f;
	s->n_done++;
	if (err)
		s->err = *err;
}

TEST(camera_shot_takes_the_first_picture_after_the_trigger)
{
	struct camera_config config = { .latency_us = 200000 };
	struct rig s;
	struct shooter shooter = { 0 };

	setup(&s, &config);
	camera_shoot(s.camera, &shooter.shot, loop_now_us(s.loop), 5000, on_shot, &shooter);
	loop_advance(s.loop, 100);
	send(&s); /* captured 200 ms ago: before the trigger */
	CHECK_INT(shooter.n_done, 0);
	loop_advance(s.loop, 150);
	send(&s);
	CHECK_INT(shooter.n_done, 1);
	CHECK_INT(shooter.got->seq, 2);
	CHECK_INT(shooter.got->arrived_us - shooter.got->captured_us, 200000);
	frame_unref(shooter.got);
	teardown(&s);
}

TEST(camera_shot_looks_into_the_ring_first)
{
	struct rig s;
	struct shooter shooter = { 0 };

	setup(&s, NULL);
	camera_hold(s.camera);
	for (int i = 0; i < 5; i++) {
		send(&s);
		loop_advance(s.loop, 100);
	}

	int64_t second_us = 1000000 + 100000;

	camera_shoot(s.camera, &shooter.shot, second_us, 5000, on_shot, &shooter);
	CHECK_INT(shooter.n_done, 0);
	loop_advance(s.loop, 0);
	CHECK_INT(shooter.n_done, 1);
	CHECK_INT(shooter.got->seq, 2);
	frame_unref(shooter.got);

	struct frame *found[4];

	CHECK_INT(camera_ring_get(s.camera, second_us, second_us + 150000, found, 4), 2);
	frame_unref(found[0]);
	frame_unref(found[1]);
	camera_release(s.camera);
	teardown(&s);
}

TEST(camera_shot_ends_with_the_reason)
{
	struct rig s;
	struct shooter a = { 0 }, b = { 0 }, c = { 0 };

	setup(&s, NULL);
	s.script->fails = true;
	camera_shoot(s.camera, &a.shot, loop_now_us(s.loop), 5000, on_shot, &a);
	camera_shoot(s.camera, &b.shot, loop_now_us(s.loop), 50000, on_shot, &b);
	camera_shoot(s.camera, &c.shot, loop_now_us(s.loop), 5000, on_shot, &c);
	camera_shot_cancel(&c.shot);
	camera_shot_cancel(&c.shot);
	loop_advance(s.loop, 5001);
	CHECK_INT(a.n_done, 1);
	CHECK(!a.got);
	CHECK(strstr(a.err.text, "nobody answers"));
	CHECK_INT(b.n_done, 0);
	CHECK_INT(c.n_done, 0);
	cameras_remove(s.cameras, "front");
	CHECK_INT(b.n_done, 1);
	CHECK(strstr(b.err.text, "removed"));
	teardown(&s);
}

/* 500 shots, one after the other, while watchers come and go. */
struct crowd {
	struct rig scene;
	struct reader readers[50];
	struct shooter shooter;
	unsigned n_done, n_failed;
	int64_t asked_us;
	uint64_t last_seq;
};

static void shoot_again(struct crowd *c);

static void on_crowd_shot(void *arg, struct frame *f, const struct err *err)
{
	struct crowd *c = arg;

	(void)err;
	c->n_done++;
	if (!f || f->captured_us < c->asked_us || f->seq <= c->last_seq)
		c->n_failed++;
	if (f)
		c->last_seq = f->seq;
	frame_unref(f);
	if (c->n_done < 500)
		shoot_again(c);
}

static void shoot_again(struct crowd *c)
{
	c->asked_us = loop_now_us(c->scene.loop) + 1;
	camera_shoot(c->scene.camera, &c->shooter.shot, c->asked_us, 1000, on_crowd_shot, c);
}

TEST(camera_misses_no_shot_while_watchers_come_and_go)
{
	struct crowd c = { 0 };
	unsigned n_sent = 0;

	setup(&c.scene, NULL);
	shoot_again(&c);
	for (int i = 0; i < 1000 && c.n_done < 500; i++) {
		struct reader *r = &c.readers[(size_t)(i * 7) % ARRAY_LEN(c.readers)];

		r->is_slow = i % 3 == 0;
		if (r->watcher.camera)
			camera_unwatch(&r->watcher);
		else
			camera_watch(c.scene.camera, &r->watcher, on_woken, r);
		loop_advance(c.scene.loop, 40);
		send(&c.scene);
		n_sent++;
	}
	CHECK_INT(c.n_done, 500);
	CHECK_INT(c.n_failed, 0);
	CHECK_INT(n_sent, 500); /* each picture served the shot that waited */
	for (size_t i = 0; i < ARRAY_LEN(c.readers); i++)
		camera_unwatch(&c.readers[i].watcher);
	teardown(&c.scene);
}

struct order {
	struct rig *scene;
	struct camera_watcher first, second, capture;
	char log[16];
	bool removes;
};

static void note(struct order *o, char who)
{
	size_t n = strlen(o->log);

	if (n + 1 < sizeof(o->log))
		o->log[n] = who;
}

static void on_first(void *arg)
{
	struct order *o = arg;

	note(o, 'a');
	camera_unwatch(&o->second);
	if (o->removes)
		cameras_remove(o->scene->cameras, "front");
}

static void on_second(void *arg)
{
	note(arg, 'b');
}

static void on_capture(void *arg)
{
	note(arg, 'c');
}

TEST(camera_bears_being_removed_by_a_watcher)
{
	struct rig s;
	struct order o = { .scene = &s, .capture.is_capture = true };

	setup(&s, NULL);
	camera_watch(s.camera, &o.first, on_first, &o);
	camera_watch(s.camera, &o.second, on_second, &o);
	camera_watch(s.camera, &o.capture, on_capture, &o);
	send(&s);
	CHECK_STR(o.log, "ca");
	o.removes = true;
	send(&s);
	loop_advance(s.loop, 1);
	/* capture, first; then both are told that the camera is gone */
	CHECK_STR(o.log, "cacaca");
	CHECK(!o.first.camera);
	CHECK(!camera_watch_take(&o.first));
	CHECK(!cameras_find(s.cameras, "front"));
	teardown(&s);
}

TEST(camera_tells_states_at_once_and_figures_once_a_second)
{
	struct rig s;

	setup(&s, NULL);
	camera_hold(s.camera);
	for (int i = 0; i < 300; i++) {
		send(&s);
		loop_advance(s.loop, 33);
	}
	/* connecting, live, then ten seconds */
	CHECK(s.n_events >= 10 && s.n_events <= 13);
	CHECK(s.heard.per_second > 29 && s.heard.per_second < 32);
	camera_release(s.camera);
	teardown(&s);
}

static void on_tested(void *arg, const struct camera_test_result *r)
{
	*(struct camera_test_result *)arg = *r;
}

TEST(camera_test_says_in_words_what_it_found)
{
	struct rig s;
	struct camera_test_result r = { 0 };

	setup(&s, NULL);
	camera_test(s.camera, 5, 20000, on_tested, &r);
	loop_advance(s.loop, 1500);
	for (int i = 0; i < 5; i++) {
		send(&s);
		loop_advance(s.loop, 500);
	}
	CHECK(r.is_ok);
	CHECK_INT(r.n_frames, 5);
	CHECK_INT(r.width, 64);
	CHECK_INT(r.first_ms, 1500);
	CHECK(r.per_second > 1.99 && r.per_second < 2.01);
	CHECK(strstr(r.text, "64×48"));
	s.script->fails = true;
	loop_advance(s.loop, 10000);
	camera_test(s.camera, 1, 30000, on_tested, &r);
	loop_advance(s.loop, 5000);
	CHECK(!r.is_ok); /* long before the time is up */
	CHECK(strstr(r.text, "nobody answers"));
	teardown(&s);
}

TEST(camera_draws_that_there_is_no_signal)
{
	struct rig s;
	struct jpeg_info info;

	setup(&s, NULL);
	s.script->fails = true;
	camera_hold(s.camera);
	loop_advance(s.loop, 10);

	struct frame *f = camera_no_signal(s.camera);

	CHECK_INT(jpeg_scan(f->data, f->size, &info, NULL), 0);
	CHECK_INT(info.width, 1280);
	frame_unref(f);
	s.script->fails = false;
	loop_advance(s.loop, 2000);
	send(&s);
	f = camera_no_signal(s.camera);
	CHECK_INT(f->width, 64);
	frame_unref(f);
	camera_release(s.camera);
	teardown(&s);
}

TEST(cameras_refuse_two_of_one_name_and_unknown_drivers)
{
	struct rig s;
	struct camera_config config = { .id = "front", .driver = "fake" };
	struct err err;

	setup(&s, NULL);
	CHECK_INT(cameras_add(s.cameras, &config, NULL, &err), -EEXIST);
	TEXT_SET(config.id, "back");
	TEXT_SET(config.driver, "webcam");
	CHECK_INT(cameras_add(s.cameras, &config, NULL, &err), -EINVAL);
	CHECK(strstr(err.text, "webcam"));
	CHECK(cameras_at(s.cameras, 0) == s.camera);
	CHECK(!cameras_at(s.cameras, 1));
	teardown(&s);
}
