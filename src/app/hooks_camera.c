/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hooks_camera: the cameras that are plugged in. */

#include "app/hooks_priv.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/v4l2_device.h"
#include "cameras/v4l2_find.h"
#include "core/work.h"
#include "model/json.h"
#include "web/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

/* ---- what is plugged in ---- */

#define MAX_SIZES 24

struct found_size {
	char format[8];
	unsigned width, height;
	double fps; /* the most */
};

struct found_device {
	struct v4l2_found found;
	struct err err; /* why its sizes are not known */
	unsigned n_sizes;
	struct found_size sizes[MAX_SIZES];
};

/* Filled on the pool, so nobody's while it works. */
struct camera_search {
	struct hooks *hooks; /* NULL: nobody waits any more */
	void (*done)(void *done_arg, json_t *devices, const struct err *err);
	void *done_arg;
	size_t n;
	struct found_device *devices;
	struct camera_search *prev, *next;
};

static void add_size(struct found_device *d, const struct v4l2_format_choice *c)
{
	char name[8];
	struct found_size *s = d->n_sizes > 0 ? &d->sizes[d->n_sizes - 1] : NULL;

	v4l2_pixel_name(c->pixel, name);
	if (s && strcmp(s->format, name) == 0 && s->width == c->width && s->height == c->height) {
		s->fps = MAX(s->fps, c->fps);
		return;
	}
	if (d->n_sizes == MAX_SIZES)
		return;
	s = &d->sizes[d->n_sizes++];
	*s = (struct found_size){ .width = c->width, .height = c->height, .fps = c->fps };
	TEXT_SET(s->format, name);
}

static void read_sizes(struct found_device *d)
{
	int fd = v4l2_sys_real.open(NULL, d->found.node);
	struct v4l2_format_choice *list;
	size_t n;

	if (fd < 0) {
		(void)v4l2_explain(&v4l2_sys_real, fd, d->found.node, &d->err);
		return;
	}
	list = mem_new_array(V4L2_MAX_FORMATS, sizeof(*list));
	n = v4l2_formats(&v4l2_sys_real, fd, list, V4L2_MAX_FORMATS);
	for (size_t i = 0; i < n; i++)
		add_size(d, &list[i]);
	free(list);
	v4l2_sys_real.close(NULL, fd);
}

static void search(void *arg)
{
	struct camera_search *s = arg;
	struct v4l2_found *found = mem_new_array(V4L2_FIND_MAX, sizeof(*found));

	s->n = v4l2_find_all(&v4l2_sys_real, found, V4L2_FIND_MAX);
	s->devices = mem_new_array(MAX(s->n, 1U), sizeof(*s->devices));
	for (size_t i = 0; i < s->n; i++) {
		s->devices[i].found = found[i];
		read_sizes(&s->devices[i]);
	}
	free(found);
}

/* "MJPG" as the configuration calls it. */
static const char *format_key(const char *pixel)
{
	return text_equal(pixel, "MJPG") || text_equal(pixel, "JPEG") ? "mjpeg"
	       : text_equal(pixel, "YUYV")                            ? "yuyv"
	       : text_equal(pixel, "UYVY")                            ? "uyvy"
	       : text_equal(pixel, "NV12")                            ? "nv12"
	       : text_equal(pixel, "YU12")                            ? "i420"
	       : text_equal(pixel, "H264")                            ? "h264"
	                                                              : "";
}

static json_t *json_sizes(const struct found_device *d)
{
	json_t *a = json_array();

	for (unsigned i = 0; i < d->n_sizes; i++) {
		const struct found_size *s = &d->sizes[i];

		if (format_key(s->format)[0])
			json_array_append_new(a, json_pack("{s:s, s:i, s:i, s:f}", "format",
			                                   format_key(s->format), "width",
			                                   (int)s->width, "height", (int)s->height,
			                                   "fps", s->fps));
	}
	return a;
}

static const char *whose(const struct hooks *h, const struct v4l2_found *f)
{
	const struct camera *c;

	for (size_t i = 0; (c = cameras_at(h->env.cameras, i)); i++) {
		const struct camera_config *k = camera_config(c);

		if (text_equal(k->driver, "v4l2") &&
		    (text_equal(k->source, f->node) || text_equal(k->source, f->stable) ||
		     text_equal(k->source, f->by_port)))
			return k->id;
	}
	return "";
}

static json_t *json_device(const struct hooks *h, const struct found_device *d)
{
	const struct v4l2_found *f = &d->found;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "source",
	                 json_text(f->stable[0] ? f->stable : f->node), "title",
	                 json_text(f->title[0] ? f->title : f->node), "node", json_text(f->node),
	                 "by_port", json_text(f->by_port), "serial", json_text(f->serial), "camera",
	                 json_text(whose(h, f)), "text", json_text(d->err.text), "sizes",
	                 json_sizes(d));
}

static void forget_search(struct hooks *h, struct camera_search *s)
{
	DL_DELETE(h->searches, s);
}

static void searched(void *arg)
{
	struct camera_search *s = arg;
	struct hooks *h = s->hooks;

	if (h) {
		json_t *list = json_array();

		forget_search(h, s);
		for (size_t i = 0; i < s->n; i++)
			json_array_append_new(list, json_device(h, &s->devices[i]));
		s->done(s->done_arg, list, NULL);
	}
	free(s->devices);
	free(s);
}

static void find_devices(void *arg,
                         void (*done)(void *done_arg, json_t *devices, const struct err *err),
                         void *done_arg)
{
	struct hooks *h = arg;
	struct camera_search *s = MEM_NEW(struct camera_search);

	*s = (struct camera_search){ .hooks = h, .done = done, .done_arg = done_arg };
	DL_APPEND(h->searches, s);
	work_submit(h->env.pool, search, searched, s);
}

void hooks_end_searches(struct hooks *h, const struct err *err)
{
	struct camera_search *s, *next;

	DL_FOREACH_SAFE(h->searches, s, next)
	{
		forget_search(h, s);
		s->hooks = NULL;
		s->done(s->done_arg, NULL, err);
	}
}

void hooks_fill_cameras(struct hooks *h, struct web_hooks *ret)
{
	(void)h;
	ret->try_camera = hooks_try_camera;
	ret->find_devices = find_devices;
}
