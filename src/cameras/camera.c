/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/camera.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/private.h"
#include "core/bus.h"
#include "media/frame.h"
#include "media/jpeg_scan.h"
#include "media/nosignal.h"
#include "model/event.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define STALE_AFTER_MS 10000
#define RING_MS 3000
#define RING_MAX_BYTES (32U << 20)
/* Name, TCP and TLS have 10 s each and say better what is wrong than we can. */
#define CONNECT_MS 35000
/* A page that is reloaded must not make the printer go through TLS again. */
#define LINGER_MS 5000
#define TELL_EVERY_US 1000000
/* A camera that dies after its first picture is no working camera. */
#define SOUND_AFTER_US 10000000

/* Seconds until the next attempt (bambu.md 4.1); the last one for all further ones. */
static const int retry_s[] = { 1, 2, 5, 10, 20, 30 };

static void open_source(struct camera *c);

static int64_t stale_after_ms(const struct camera *c)
{
	return c->config.stale_after_ms > 0 ? c->config.stale_after_ms : STALE_AFTER_MS;
}

/* ---- status ---- */

static void publish(struct camera *c)
{
	struct event_camera *e = event_new_camera();

	TEXT_SET(e->camera, c->config.id);
	e->status = c->status;
	c->told_us = loop_now_us(c->all->env.loop);
	timer_stop(&c->tell);
	bus_publish(c->all->env.bus, &e->head);
}

static void on_tell(void *arg)
{
	publish(arg);
}

void camera_changed(struct camera *c, bool is_state)
{
	int64_t wait_us = c->told_us + TELL_EVERY_US - loop_now_us(c->all->env.loop);

	if (c->is_removed || !c->all->env.bus)
		return;
	if (is_state || c->told_us == 0 || wait_us <= 0)
		publish(c);
	else if (!timer_is_running(&c->tell))
		timer_start(&c->tell, (wait_us + 999) / 1000);
}

static void set_state(struct camera *c, enum camera_state state, const char *text)
{
	if (c->status.state == state && strcmp(c->status.text, text) == 0)
		return;
	c->status.state = state;
	TEXT_SET(c->status.text, text);
	camera_changed(c, true);
	/* Later: whoever asked for what led here is not to be called from inside. */
	if (c->watchers)
		timer_start(&c->wake, 0);
}

static void on_wake(void *arg)
{
	fanout_wake(arg);
}

static void on_nudge(void *arg)
{
	struct camera *c = arg;

	if (c->is_open && c->shots && c->driver->shot)
		c->driver->shot(c->priv);
	video_update_demand(c);
}

static unsigned count_rate(const struct camera_rate *r, int64_t now_s)
{
	unsigned n = 0;

	for (size_t i = 0; i < ARRAY_LEN(r->n); i++)
		if (r->second[i] < now_s && r->second[i] >= now_s - CAMERA_RATE_SECONDS)
			n += r->n[i];
	return n;
}

static void measure(struct camera *c, int64_t now_us)
{
	struct camera_rate *r = &c->rate;
	int64_t now_s = now_us / 1000000;
	size_t i = (size_t)now_s % ARRAY_LEN(r->n);

	if (r->first_us == 0)
		r->first_us = now_us;
	if (r->second[i] != now_s) {
		r->second[i] = now_s;
		r->n[i] = 0;
	}
	r->n[i]++;

	/* Whole seconds that are over, of which the first one may have begun late. */
	double span =
		MIN((double)(now_s * 1000000 - r->first_us) / 1e6, (double)CAMERA_RATE_SECONDS);

	c->status.per_second = span >= 1 ? count_rate(r, now_s) / span : 0;
}

static void forget_rate(struct camera *c)
{
	c->rate = (struct camera_rate){ 0 };
	c->status.per_second = 0;
}

/* ---- upstream ---- */

static bool is_wanted(const struct camera *c)
{
	return !c->is_removed && (c->config.is_always_open || c->watchers || c->shots ||
	                          c->probes || c->n_holds > 0 || video_is_watched(c));
}

static void close_source(struct camera *c)
{
	timer_stop(&c->watchdog);
	timer_stop(&c->failing);
	free(c->failure);
	c->failure = NULL;
	if (!c->is_open)
		return;
	c->is_open = false;
	c->driver->close(c->priv);
	ingest_reset(c);
	video_closed(c);
}

static void plan_retry(struct camera *c)
{
	int64_t ms = retry_s[MIN(c->attempt, (unsigned)ARRAY_LEN(retry_s) - 1)] * 1000LL;

	if (c->all->env.retry_ms > 0)
		ms = c->all->env.retry_ms;
	c->attempt++;
	c->status.n_reconnects++;
	c->status.retry_at_us = loop_now_us(c->all->env.loop) + ms * 1000;
	timer_start(&c->retry, ms);
}

/* The upstream is of no use: close it, say so, try again later. */
static void lose_source(struct camera *c, enum camera_state state, const char *text)
{
	int64_t now_us = loop_now_us(c->all->env.loop);

	if (c->live_since_us > 0 && now_us - c->live_since_us >= SOUND_AFTER_US)
		c->attempt = 0;
	c->live_since_us = 0;
	close_source(c);
	forget_rate(c);
	log_warn(&c->log, "%s", text);
	plan_retry(c);
	set_state(c, state, text);
	camera_update_demand(c);
}

static void on_retry(void *arg)
{
	struct camera *c = arg;

	c->status.retry_at_us = 0;
	if (is_wanted(c))
		open_source(c);
}

static void on_failing(void *arg)
{
	struct camera *c = arg;
	struct err err = *c->failure;

	lose_source(c, CAMERA_NO_SIGNAL, err.text);
}

static void on_watchdog(void *arg)
{
	struct camera *c = arg;
	char text[sizeof(c->status.text)];
	bool was_live = c->status.state == CAMERA_LIVE;
	const char *hint = c->driver->silence;
	int64_t s = (stale_after_ms(c) + 999) / 1000;

	if (was_live)
		(void)snprintf(text, sizeof(text), "no new picture for %d s; connecting anew%s%s",
		               (int)s, hint ? ". " : "", hint ? hint : "");
	else
		(void)snprintf(text, sizeof(text), "no picture came%s%s", hint ? ". " : "",
		               hint ? hint : "");
	lose_source(c, was_live ? CAMERA_STALE : CAMERA_NO_SIGNAL, text);
}

static void open_source(struct camera *c)
{
	if (c->is_open)
		return;
	timer_stop(&c->retry);
	c->status.retry_at_us = 0;
	c->is_open = true;
	c->live_since_us = 0;
	timer_start(&c->watchdog, CONNECT_MS);
	/* After a failure its reason stays until a picture comes. */
	if (c->status.state == CAMERA_CLOSED)
		set_state(c, CAMERA_CONNECTING, "connecting");
	c->driver->open(c->priv, &c->source);
	if (c->driver->demand)
		timer_start(&c->nudge, 0);
}

static void on_linger(void *arg)
{
	struct camera *c = arg;

	if (is_wanted(c))
		return;
	timer_stop(&c->retry);
	c->status.retry_at_us = 0;
	c->attempt = 0;
	close_source(c);
	forget_rate(c);
	/* What is in the ring is history by the time somebody asks again. */
	ring_expire(&c->ring, INT64_MAX);
	set_state(c, CAMERA_CLOSED, "");
}

void camera_update_demand(struct camera *c)
{
	if (c->is_removed)
		return;
	if (c->is_open && c->driver->demand)
		timer_start(&c->nudge, 0);
	if (!is_wanted(c)) {
		if (c->status.state != CAMERA_CLOSED && !timer_is_running(&c->linger))
			timer_start(&c->linger, LINGER_MS);
		return;
	}
	timer_stop(&c->linger);
	if (!c->is_open && !timer_is_running(&c->retry))
		open_source(c);
}

void camera_set_latency(struct camera *c, int64_t latency_us)
{
	c->config.latency_us = latency_us;
}

/* ---- what the driver calls ---- */

const struct camera_config *camera_source_config(const struct camera_source *src)
{
	return &src->camera->config;
}

const struct cameras_env *camera_source_env(const struct camera_source *src)
{
	return &src->camera->all->env;
}

int64_t camera_source_wanted_us(const struct camera_source *src)
{
	int64_t us = INT64_MAX;

	for (const struct camera_shot *s = src->camera->shots; s; s = s->next)
		if (!s->private_found)
			us = MIN(us, s->not_before_us);
	return us;
}

int64_t camera_source_before_us(const struct camera_source *src, int64_t opened_us)
{
	int64_t before_us = MIN(opened_us, camera_source_wanted_us(src)) - 1;

	return before_us > 0 ? before_us : 1; /* 0 would mean: on arrival */
}

static void stamp(struct camera *c, struct frame *f, int64_t now_us)
{
	if (f->arrived_us == 0)
		f->arrived_us = now_us;
	if (f->captured_us == 0)
		f->captured_us = f->arrived_us - c->config.latency_us;
	/* The ring and the shots live on order; a device clock that steps back is not believed. */
	f->captured_us = MAX(f->captured_us, c->captured_us);
	f->captured_wall_ms = loop_wall_ms(c->all->env.loop) - (now_us - f->captured_us) / 1000;
	c->captured_us = f->captured_us;
}

static void count_refused(struct camera *c, const char *text)
{
	c->status.n_refused++;
	if (c->status.state == CAMERA_LIVE)
		camera_changed(c, false);
	else
		set_state(c, c->status.state, text);
}

void camera_refuse(struct camera *c, struct frame *f, const char *why)
{
	char text[sizeof(c->status.text)];

	frame_unref(f);
	(void)snprintf(text, sizeof(text), "the camera answers, but not with a picture: %.190s",
	               why);
	count_refused(c, text);
}

void camera_source_refused(struct camera_source *src, const char *text)
{
	if (src->camera->is_open && !src->camera->is_removed)
		count_refused(src->camera, text);
}

static bool is_picture(struct frame *f, struct err *err)
{
	struct jpeg_info info;

	switch (f->format) {
	case FRAME_JPEG:
		if (jpeg_scan(f->data, f->size, &info, err) < 0)
			return false;
		f->orientation = (uint8_t)info.orientation;
		f->width = info.width;
		f->height = info.height;
		return true;
	case FRAME_YUYV:
	case FRAME_NV12:
	case FRAME_I420:
		return true;
	case FRAME_H264:
	case FRAME_H265:
		break;
	}
	(void)err_set(err, -EINVAL, "it is not a JPEG");
	return false;
}

void camera_source_frame(struct camera_source *src, struct frame *f)
{
	struct camera *c = src->camera;
	struct err err = { 0 };

	if (!c->is_open || c->is_removed) {
		frame_unref(f);
		return;
	}
	if (!is_picture(f, &err)) {
		camera_refuse(c, f, err.text);
		return;
	}
	stamp(c, f, loop_now_us(c->all->env.loop));
	ingest_put(c, f);
}

void camera_is_live(struct camera *c, int64_t now_us)
{
	measure(c, now_us);
	timer_start(&c->watchdog, stale_after_ms(c));
	if (c->live_since_us == 0)
		c->live_since_us = now_us;
	else if (now_us - c->live_since_us >= SOUND_AFTER_US)
		c->attempt = 0;
	set_state(c, CAMERA_LIVE, "");
	camera_changed(c, false);
}

void camera_take(struct camera *c, struct frame *f)
{
	int64_t now_us = loop_now_us(c->all->env.loop);

	f->seq = ++c->status.n_frames;
	c->status.width = f->width;
	c->status.height = f->height;
	c->status.newest_us = f->captured_us;
	c->status.newest_wall_ms = f->captured_wall_ms;
	/* Of video the packets count, not the few that are decoded. */
	if (!camera_video_params(c)) {
		c->status.has_video = false;
		camera_is_live(c, now_us);
	}
	fanout_frame(c, f);
}

void camera_source_failed(struct camera_source *src, const struct err *err)
{
	struct camera *c = src->camera;

	if (!c->is_open || c->failure)
		return;
	c->failure = MEM_NEW(struct err);
	*c->failure = *err;
	timer_start(&c->failing, 0);
}

void camera_source_says(struct camera_source *src, const char *text)
{
	struct camera *c = src->camera;

	if (!c->is_open)
		return;
	timer_start(&c->watchdog, stale_after_ms(c));
	if (c->status.state == CAMERA_CONNECTING)
		set_state(c, CAMERA_CONNECTING, text);
}

void camera_source_unchanged(struct camera_source *src, const char *text)
{
	struct camera *c = src->camera;
	int64_t age_us = loop_now_us(c->all->env.loop) - c->status.newest_us;

	if (!c->is_open)
		return;
	timer_start(&c->watchdog, stale_after_ms(c));
	if (c->status.state == CAMERA_CONNECTING)
		set_state(c, CAMERA_CONNECTING, text);
	else if (c->status.state == CAMERA_LIVE && age_us >= stale_after_ms(c) * 1000)
		set_state(c, CAMERA_STALE, text);
}

/* ---- life ---- */

struct cameras *cameras_new(const struct cameras_env *env)
{
	struct cameras *cs = MEM_NEW(struct cameras);

	cs->env = *env;
	return cs;
}

static void bury(void *arg)
{
	struct camera *c = arg;

	close_source(c);
	if (c->driver->removed)
		c->driver->removed(c->priv);
	timer_stop(&c->retry);
	timer_stop(&c->linger);
	timer_stop(&c->tell);
	timer_stop(&c->wake);
	timer_stop(&c->nudge);
	ring_fini(&c->ring);
	free(c->video);
	frame_unref(c->newest);
	camera_config_fini(&c->config);
	free(c->priv);
	free(c);
}

static void remove_camera(struct camera *c, const struct err *err)
{
	DL_DELETE(c->all->cameras, c);
	c->is_removed = true;
	c->busy++;
	probes_end(c, err);
	fanout_end(c, err);
	video_end(c);
	c->busy--;
	if (c->busy > 0)
		loop_post(c->all->env.loop, bury, c);
	else
		bury(c);
}

void cameras_free(struct cameras *cs)
{
	if (!cs)
		return;

	struct camera *c, *next;

	DL_FOREACH_SAFE(cs->cameras, c, next)
	{
		assert(c->busy == 0);
		remove_camera(c, NULL);
	}
	free(cs);
}

static void init_timers(struct camera *c, struct loop *l)
{
	timer_init(&c->retry, l, on_retry, c);
	timer_init(&c->linger, l, on_linger, c);
	timer_init(&c->watchdog, l, on_watchdog, c);
	timer_init(&c->failing, l, on_failing, c);
	timer_init(&c->tell, l, on_tell, c);
	timer_init(&c->wake, l, on_wake, c);
	timer_init(&c->nudge, l, on_nudge, c);
}

int cameras_add(struct cameras *cs, const struct camera_config *config, struct camera **ret,
                struct err *err)
{
	const struct camera_driver *driver = camera_driver_find(config->driver);

	if (!driver)
		return err_set(err, -EINVAL, "camera %s: there is no driver called '%s'",
		               config->id, config->driver);
	return cameras_add_driven(cs, config, driver, ret, err);
}

int cameras_add_driven(struct cameras *cs, const struct camera_config *config,
                       const struct camera_driver *driver, struct camera **ret, struct err *err)
{
	if (cameras_find(cs, config->id))
		return err_set(err, -EEXIST, "there are two cameras called '%s'", config->id);

	struct camera *c = MEM_NEW(struct camera);
	int64_t ring_ms = config->ring_ms > 0 ? config->ring_ms : RING_MS;

	c->all = cs;
	c->driver = driver;
	c->source.camera = c;
	camera_config_copy(&c->config, config);
	c->wants_stills = driver->wants_stills && driver->wants_stills(config);
	log_hide(secret_peek(&config->secret));
	log_init(&c->log, "camera %s", config->id);
	init_timers(c, cs->env.loop);
	ring_init(&c->ring, ring_ms * 1000, RING_MAX_FRAMES, RING_MAX_BYTES);
	c->status.has_video = driver->gives_video;
	c->priv = mem_new(driver->priv_size);
	DL_APPEND(cs->cameras, c);
	if (driver->added)
		driver->added(c->priv, &c->source);
	camera_update_demand(c);
	if (ret)
		*ret = c;
	return 0;
}

void cameras_remove(struct cameras *cs, const char *id)
{
	struct camera *c = cameras_find(cs, id);
	struct err err;

	if (!c)
		return;
	(void)err_set(&err, -ENODEV, "the camera was removed");
	remove_camera(c, &err);
}

struct camera *cameras_find(struct cameras *cs, const char *id)
{
	struct camera *c;

	DL_FOREACH(cs->cameras, c)
	if (strcmp(c->config.id, id) == 0)
		return c;
	return NULL;
}

struct camera *cameras_at(struct cameras *cs, size_t i)
{
	struct camera *c;

	DL_FOREACH(cs->cameras, c)
	if (i-- == 0)
		return c;
	return NULL;
}

const struct camera_config *camera_config(const struct camera *c)
{
	return &c->config;
}

const struct camera_status *camera_status(const struct camera *c)
{
	return &c->status;
}

void camera_hold(struct camera *c)
{
	c->n_holds++;
	camera_update_demand(c);
}

void camera_release(struct camera *c)
{
	/* A camera that was removed and added anew has lost its holds. */
	if (c->n_holds > 0)
		c->n_holds--;
	camera_update_demand(c);
}

struct frame *camera_no_signal(const struct camera *c)
{
	struct nosignal n = { .width = c->status.width ? c->status.width : c->config.width,
		              .height = c->status.height ? c->status.height : c->config.height,
		              .title = c->config.name[0] ? c->config.name : c->config.id,
		              .text = c->status.text,
		              .since_wall_ms = c->status.newest_wall_ms };
	struct frame *f = NULL;

	if (nosignal_draw(&n, &f, NULL) < 0)
		return NULL;
	f->captured_us = f->arrived_us = loop_now_us(c->all->env.loop);
	f->captured_wall_ms = loop_wall_ms(c->all->env.loop);
	return f;
}
