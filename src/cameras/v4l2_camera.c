/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/v4l2_camera.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/v4l2_device.h"
#include "cameras/v4l2_find.h"
#include "core/fs.h"
#include "core/log.h"
#include "media/frame.h"
#include "model/camera.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* Below the framework's limit for a connection. */
#define PLUG_WAIT_US 25000000
/* Where no word of plugging reaches us (containers), we look. */
#define LOOK_MS 2000
#define IDLE_MS 1000
#define MAX_LOCK_FILE 4096

enum lock_wish {
	LOCK_AS_FOUND, /* an earlier run's lock may stand: left alone for a while */
	LOCK_ON,
	LOCK_OFF,
};

struct v4l2_camera {
	/* set before start, then read-only */
	const struct v4l2_sys *sys;
	struct log log;
	char source[512];
	char *lock_file;

	pthread_mutex_t mutex;
	struct v4l2_controls shown; /* protected by mutex */
	bool has_shown;             /* protected by mutex */
	bool is_read_asked;         /* protected by mutex */

	/* camera thread only */
	int fd;
	char node[64];
	struct v4l2_stream *stream;
	struct v4l2_controls controls;
	bool was_absent; /* told so already: from now on it is waited for */
	int64_t started_us;
	enum lock_wish wish;
	bool is_locked; /* `lock` is in force at the device */
	struct v4l2_lock lock;
	bool has_lock; /* `lock` is what to restore, and in the file */
	double keep_fps;
	int64_t next_us; /* frames before it are more than was wanted */
};

static int64_t now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ---- the controls ---- */

static void refresh(struct v4l2_camera *v, int fd)
{
	if (v4l2_controls_read(v->sys, fd, &v->controls) < 0)
		return;
	pthread_mutex_lock(&v->mutex);
	v->shown = v->controls;
	v->has_shown = true;
	pthread_mutex_unlock(&v->mutex);
}

/* The device, open for pictures or only for this; close_after() it. */
static int borrow(struct v4l2_camera *v, struct err *err)
{
	char node[64];
	int fd, rc;

	if (v->fd >= 0)
		return v->fd;
	rc = v4l2_find(v->sys, v->source, node, sizeof(node), err);
	if (rc < 0)
		return rc;
	fd = v->sys->open(v->sys->arg, node);
	return fd < 0 ? v4l2_explain(v->sys, fd, node, err) : fd;
}

static void give_back(struct v4l2_camera *v, int fd)
{
	if (fd != v->fd)
		v->sys->close(v->sys->arg, fd);
}

void v4l2_camera_set(void *camera, void *set)
{
	struct v4l2_camera *v = camera;
	struct v4l2_camera_set *s = set;
	struct err err = { 0 };
	int fd = borrow(v, &err);
	int rc = fd;

	if (fd >= 0) {
		refresh(v, fd);

		int i = v4l2_controls_find(&v->controls, s->name);

		rc = i < 0 ? err_set(&err, -ENOENT, "there is no control '%s'", s->name)
		           : v4l2_control_write(v->sys, fd, &v->controls, i, s->value, &err);
		refresh(v, fd);
		give_back(v, fd);
	}
	if (rc < 0)
		log_warn(&v->log, "%s was not set: %s", s->name, err.text);
	free(s);
}

bool v4l2_camera_may_read(struct v4l2_camera *v)
{
	pthread_mutex_lock(&v->mutex);

	bool was_asked = v->is_read_asked;

	v->is_read_asked = true;
	pthread_mutex_unlock(&v->mutex);
	return !was_asked;
}

void v4l2_camera_read(void *camera, void *unused UNUSED)
{
	struct v4l2_camera *v = camera;

	pthread_mutex_lock(&v->mutex);
	v->is_read_asked = false;
	pthread_mutex_unlock(&v->mutex);

	int fd = borrow(v, NULL);

	if (fd < 0)
		return;
	refresh(v, fd);
	give_back(v, fd);
}

bool v4l2_camera_peek(struct v4l2_camera *v, struct v4l2_controls *ret)
{
	pthread_mutex_lock(&v->mutex);

	bool has = v->has_shown;

	if (has)
		*ret = v->shown;
	pthread_mutex_unlock(&v->mutex);
	return has;
}

/* What the configuration wants, in its order: automatics first is the user's business. */
static void set_wanted(struct v4l2_camera *v, const struct camera_config *config)
{
	for (unsigned k = 0; k < config->n_controls; k++) {
		const struct camera_setting *s = &config->controls[k];
		int i = v4l2_controls_find(&v->controls, s->name);
		struct err err = { 0 };
		int64_t value = 0;
		int rc;

		if (i < 0)
			rc = err_set(&err, -ENOENT,
			             "this camera has no such control (`bedside camera controls` "
			             "lists what it has)");
		else
			rc = v4l2_control_parse(&v->controls.list[i], s->value, &value, &err);
		if (rc == 0 && !v->controls.list[i].is_read_only)
			rc = v4l2_control_write(v->sys, v->fd, &v->controls, i, value, &err);
		if (rc < 0)
			log_warn(&v->log, "control %s = %s was not set: %s", s->name, s->value,
			         err.text);
	}
}

/* ---- the lock ---- */

static void read_lock_file(struct v4l2_camera *v)
{
	auto_buf struct buf b = { 0 };

	if (!v->lock_file || fs_read(v->lock_file, MAX_LOCK_FILE, &b, NULL) < 0)
		return;
	v->has_lock = v4l2_lock_read(buf_peek(&b), b.size, &v->lock);
	if (!v->has_lock) {
		log_warn(&v->log, "%s cannot be read; the camera's controls stay as they are",
		         v->lock_file);
		(void)unlink(v->lock_file);
	}
}

static int write_lock_file(struct v4l2_camera *v, struct err *err)
{
	auto_buf struct buf b = { 0 };
	char dir[1024];
	char *slash;
	int rc;

	if (!v->lock_file)
		return 0;
	TEXT_SET(dir, v->lock_file);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
	rc = fs_make_dirs(dir, err);
	if (rc < 0)
		return rc;
	buf_init(&b, MAX_LOCK_FILE);
	v4l2_lock_write(&v->lock, &b);
	return fs_write_atomic(v->lock_file, b.data, b.size, 0600, err);
}

static void lock_now(struct v4l2_camera *v)
{
	struct err err = { 0 };
	unsigned n_refused;

	if (!v->has_lock) {
		refresh(v, v->fd);
		v4l2_lock_plan(&v->controls, &v->lock);
		/* Without a note of what to put back nothing is changed. */
		if (v->lock.n > 0 && write_lock_file(v, &err) < 0) {
			log_warn(&v->log, "exposure and focus are not locked: %s", err.text);
			v->is_locked = true;
			return;
		}
		v->has_lock = v->lock.n > 0;
	}
	n_refused = v->has_lock ? v4l2_lock_apply(v->sys, v->fd, &v->lock) : 0;
	v->is_locked = true;
	if (n_refused > 0)
		log_warn(&v->log, "the camera refused %u of %u controls to be locked", n_refused,
		         v->lock.n);
	else if (v->has_lock)
		log_info(&v->log, "exposure, focus and white balance are locked for the session");
	refresh(v, v->fd);
}

static bool is_gone(const struct v4l2_camera *v, int fd)
{
	struct v4l2_capability cap = { 0 };

	return v->sys->ioctl(v->sys->arg, fd, VIDIOC_QUERYCAP, &cap) == -ENODEV;
}

static void restore_now(struct v4l2_camera *v, int fd)
{
	unsigned n_refused = v4l2_lock_restore(v->sys, fd, &v->lock);

	/* Unplugged in this moment: the note is needed when it comes again. */
	if (n_refused > 0 && is_gone(v, fd))
		return;
	if (n_refused > 0)
		log_warn(&v->log, "the camera refused %u of %u controls to be put back", n_refused,
		         v->lock.n);
	else
		log_info(&v->log, "exposure, focus and white balance are as they were");
	v->has_lock = v->is_locked = false;
	if (v->lock_file)
		(void)unlink(v->lock_file);
	refresh(v, fd);
}

/* Whatever is due now that the device is there. */
static void follow_wish(struct v4l2_camera *v)
{
	if (v->wish == LOCK_ON && !v->is_locked &&
	    (v->has_lock || now_us() - v->started_us >= v->sys->settle_us))
		lock_now(v);
	else if (v->wish == LOCK_OFF && v->has_lock)
		restore_now(v, v->fd);
}

void v4l2_camera_lock(void *camera, void *unused UNUSED)
{
	struct v4l2_camera *v = camera;

	v->wish = LOCK_ON;
	if (v->stream)
		follow_wish(v);
}

void v4l2_camera_unlock(void *camera, void *unused UNUSED)
{
	struct v4l2_camera *v = camera;
	int fd;

	v->wish = LOCK_OFF;
	v->is_locked = false;
	fd = v->has_lock ? borrow(v, NULL) : -1;
	/* Unplugged: when it comes again. */
	if (fd < 0)
		return;
	restore_now(v, fd);
	give_back(v, fd);
}

void v4l2_camera_settle(void *camera, void *unused)
{
	struct v4l2_camera *v = camera;

	if (v->wish == LOCK_AS_FOUND)
		v4l2_camera_unlock(v, unused);
}

/* ---- open ---- */

/* Tells of devices that come and go. The groups: 1 is the kernel's, 2 udev's. */
static int listen_to_plugs(void)
{
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                NETLINK_KOBJECT_UEVENT);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void hear_plugs(int fd)
{
	char text[8192];

	while (recv(fd, text, sizeof(text), MSG_DONTWAIT) > 0)
		;
}

/* The first time it is told at once that nothing is plugged in; after that it is waited for. */
static int find_or_wait(struct v4l2_camera *v, struct camera_thread *t, struct err *err)
{
	int64_t until_us = now_us() + PLUG_WAIT_US;
	int rc = v4l2_find(v->sys, v->source, v->node, sizeof(v->node), err);

	if (rc != -ENOENT || !v->was_absent) {
		v->was_absent = rc == -ENOENT;
		return rc;
	}

	auto_fd int plugs = listen_to_plugs();

	while (rc == -ENOENT && now_us() < until_us) {
		(void)camera_thread_wait(t, plugs, POLLIN, LOOK_MS);
		if (camera_thread_is_asked(t))
			return -EAGAIN;
		if (plugs >= 0)
			hear_plugs(plugs);
		rc = v4l2_find(v->sys, v->source, v->node, sizeof(v->node), err);
	}
	v->was_absent = rc == -ENOENT;
	return rc;
}

static int check_device(struct v4l2_camera *v, struct err *err)
{
	struct v4l2_capability cap = { 0 };
	int rc = v->sys->ioctl(v->sys->arg, v->fd, VIDIOC_QUERYCAP, &cap);
	uint32_t caps;

	if (rc == -ENODEV)
		return v4l2_explain(v->sys, rc, v->node, err);
	if (rc < 0)
		return err_set(err, rc, "%s is no camera", v->node);
	caps = cap.capabilities & V4L2_CAP_DEVICE_CAPS ? cap.device_caps : cap.capabilities;
	if (!(caps & V4L2_CAP_VIDEO_CAPTURE) || !(caps & V4L2_CAP_STREAMING))
		return err_set(
			err, -EINVAL,
			"%s gives no pictures: a camera has several nodes (`bedside camera list` "
			"shows the right one)",
			v->node);
	return 0;
}

static int choose(struct v4l2_camera *v, const struct camera_config *config,
                  struct v4l2_format_choice *ret, struct err *err)
{
	struct v4l2_wish wish = { .width = config->width,
		                  .height = config->height,
		                  .fps = config->fps };
	auto_free struct v4l2_format_choice *list = mem_new_array(V4L2_MAX_FORMATS, sizeof(*list));
	size_t n = v4l2_formats(v->sys, v->fd, list, V4L2_MAX_FORMATS);
	const struct v4l2_format_choice *best;

	if (!v4l2_pixel_from_name(config->format, &wish.pixel))
		return err_set(err, -EINVAL, "there is no format '%s'", config->format);
	best = v4l2_choose(list, n, &wish);
	if (!best && wish.pixel)
		return err_set(err, -EINVAL,
		               "this camera has no format %s (`bedside camera list` shows what it "
		               "has)",
		               config->format);
	if (!best)
		return err_set(
			err, -EINVAL,
			"this camera has no format that Bedside reads (MJPG, NV12, YU12, YUYV, "
			"UYVY, H264)");
	*ret = *best;
	return 0;
}

static void say_format(struct v4l2_camera *v, struct camera_thread *t, double wanted_fps)
{
	const struct v4l2_format_choice *f = v4l2_stream_format(v->stream);
	char name[8], text[120];

	v->keep_fps = wanted_fps > 0 && f->fps > 1.5 * wanted_fps ? wanted_fps : 0;
	snprintf(text, sizeof(text), "open (%s, %u×%u), waiting for the first picture",
	         v4l2_pixel_name(f->pixel, name), f->width, f->height);
	camera_thread_says(t, text);
	log_info(&v->log, "%s gives %s of %u×%u, %.4g a second", v->node, name, f->width, f->height,
	         f->fps);
}

static int camera_open(void *dev, struct camera_thread *t, const struct camera_config *config,
                       struct err *err)
{
	struct v4l2_camera *v = dev;
	struct v4l2_format_choice format;
	int rc = find_or_wait(v, t, err);

	if (rc < 0)
		return rc;
	v->fd = v->sys->open(v->sys->arg, v->node);
	if (v->fd < 0)
		return v4l2_explain(v->sys, v->fd, v->node, err);
	rc = check_device(v, err);
	if (rc == 0)
		rc = choose(v, config, &format, err);
	if (rc < 0)
		return rc;
	/* Before it streams: no picture is to be taken by settings that are about to change. */
	v->started_us = now_us();
	v->next_us = 0;
	v->is_locked = false;
	refresh(v, v->fd);
	set_wanted(v, config);
	follow_wish(v);
	refresh(v, v->fd);
	rc = v4l2_stream_start(v->sys, v->fd, &format, &v->stream, err);
	if (rc == -EBUSY || rc == -ENODEV)
		return v4l2_explain(v->sys, rc, v->node, err);
	if (rc < 0)
		return rc;
	say_format(v, t, config->fps);
	return 0;
}

static void camera_close(void *dev)
{
	struct v4l2_camera *v = dev;

	v4l2_stream_stop(v->stream);
	v->stream = NULL;
	if (v->fd >= 0)
		v->sys->close(v->sys->arg, v->fd);
	v->fd = -1;
}

/* ---- pictures ---- */

/* A camera that is faster than was wanted gives more work to whoever encodes and keeps. */
static bool is_surplus(struct v4l2_camera *v, const struct frame *f)
{
	int64_t at_us = f->is_stamped ? f->captured_us : now_us();
	int64_t step_us = v->keep_fps > 0 ? (int64_t)(1e6 / v->keep_fps) : 0;

	if (step_us == 0 || f->format == FRAME_H264)
		return false;
	/* A tenth of a step early is not worth waiting a whole frame for. */
	if (at_us < v->next_us - step_us / 10)
		return true;
	v->next_us = MAX(v->next_us + step_us, at_us + step_us / 2);
	return false;
}

static int camera_next(void *dev, struct camera_thread *t, struct frame **ret, struct err *err)
{
	struct v4l2_camera *v = dev;
	short events = camera_thread_wait(t, v->fd, POLLIN, IDLE_MS);
	int rc;

	if (v->wish == LOCK_ON && !v->is_locked)
		follow_wish(v);
	if (events == 0)
		return 0;
	rc = v4l2_stream_next(v->stream, ret, err);
	if (rc < 0)
		return rc;
	if (!*ret && !(events & POLLIN))
		return err_set(err, -ENODEV, "the camera was unplugged");
	if (*ret && is_surplus(v, *ret)) {
		frame_unref(*ret);
		*ret = NULL;
	}
	return 0;
}

const struct camera_device v4l2_camera_device = {
	.open = camera_open,
	.next = camera_next,
	.close = camera_close,
};

/* ---- life ---- */

struct v4l2_camera *v4l2_camera_new(const struct v4l2_sys *sys, const char *id, const char *source,
                                    const char *lock_file)
{
	struct v4l2_camera *v = MEM_NEW(struct v4l2_camera);

	v->sys = sys;
	v->fd = -1;
	v->lock_file = mem_str(lock_file);
	log_init(&v->log, "camera %s", id);
	TEXT_SET(v->source, source);
	pthread_mutex_init(&v->mutex, NULL);
	read_lock_file(v);
	return v;
}

void v4l2_camera_free(void *camera)
{
	struct v4l2_camera *v = camera;

	pthread_mutex_destroy(&v->mutex);
	free(v->lock_file);
	free(v);
}
