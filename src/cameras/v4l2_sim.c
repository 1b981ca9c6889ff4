/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/v4l2_sim.h"

#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SIZE (256U << 10)

static void ring_bell(const struct v4l2_sim *s)
{
	assert(eventfd_write(s->fd, 1) == 0);
}

static void still_bell(const struct v4l2_sim *s)
{
	eventfd_t n;

	(void)eventfd_read(s->fd, &n);
}

static int sim_open(void *arg, const char *path UNUSED)
{
	struct v4l2_sim *s = arg;
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = s->is_plugged ? s->fd : -ENOENT;
	if (rc >= 0 && s->fails == 0 && s->fails_times > 0) {
		s->fails_times--;
		rc = s->fails_with;
	}
	s->n_open += rc >= 0;
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static void sim_close(void *arg, int fd)
{
	struct v4l2_sim *s = arg;

	pthread_mutex_lock(&s->lock);
	assert(fd == s->fd && s->n_open > 0);
	s->n_open--;
	pthread_mutex_unlock(&s->lock);
}

static void *sim_map(void *arg, int fd, size_t length, int64_t offset)
{
	struct v4l2_sim *s = arg;
	size_t i = (size_t)offset / DEFAULT_SIZE;

	pthread_mutex_lock(&s->lock);
	assert(fd == s->fd && i < s->n_buffers && length == s->buffer_size);
	s->memory[i] = mem_new(length);
	s->n_mapped++;
	pthread_mutex_unlock(&s->lock);
	return s->memory[i];
}

/* Use after this is what the sanitizers look for. */
static void sim_unmap(void *arg, void *at, size_t length UNUSED)
{
	struct v4l2_sim *s = arg;

	pthread_mutex_lock(&s->lock);
	s->n_mapped--;
	for (unsigned i = 0; i < SIM_BUFFERS; i++)
		if (s->memory[i] == at)
			s->memory[i] = NULL;
	pthread_mutex_unlock(&s->lock);
	free(at);
}

/* ---- formats ---- */

static int enum_formats(struct v4l2_sim *s, struct v4l2_fmtdesc *d)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->n_formats; i++) {
		if (i > 0 && s->formats[i].pixel == s->formats[i - 1].pixel)
			continue;
		if (n++ == d->index) {
			d->pixelformat = s->formats[i].pixel;
			return 0;
		}
	}
	return -EINVAL;
}

static int enum_sizes(struct v4l2_sim *s, struct v4l2_frmsizeenum *e)
{
	unsigned n = 0;

	if (s->steps && e->pixel_format == s->formats[0].pixel) {
		e->type = V4L2_FRMSIZE_TYPE_STEPWISE;
		e->stepwise = *s->steps;
		return e->index == 0 ? 0 : -EINVAL;
	}
	for (size_t i = 0; i < s->n_formats; i++) {
		const struct sim_format *f = &s->formats[i];

		if (f->pixel != e->pixel_format ||
		    (i > 0 && f[-1].pixel == f->pixel && f[-1].width == f->width))
			continue;
		if (n++ == e->index) {
			e->type = V4L2_FRMSIZE_TYPE_DISCRETE;
			e->discrete = (struct v4l2_frmsize_discrete){ f->width, f->height };
			return 0;
		}
	}
	return -EINVAL;
}

static int enum_rates(struct v4l2_sim *s, struct v4l2_frmivalenum *e)
{
	unsigned n = 0;

	for (size_t i = 0; i < s->n_formats; i++) {
		const struct sim_format *f = &s->formats[i];

		if (f->pixel != e->pixel_format || f->width != e->width || f->height != e->height ||
		    f->fps == 0)
			continue;
		if (n++ == e->index) {
			e->type = V4L2_FRMIVAL_TYPE_DISCRETE;
			e->discrete = (struct v4l2_fract){ 1, f->fps };
			return 0;
		}
	}
	return -EINVAL;
}

static int set_format(struct v4l2_sim *s, struct v4l2_format *f)
{
	struct v4l2_pix_format *p = &f->fmt.pix;
	bool is_packed = p->pixelformat == V4L2_PIX_FMT_YUYV || p->pixelformat == V4L2_PIX_FMT_UYVY;

	if (s->gives_other_width)
		p->width = s->gives_other_width;
	if (p->pixelformat == V4L2_PIX_FMT_MJPEG || p->pixelformat == V4L2_PIX_FMT_H264)
		p->bytesperline = 0;
	else
		p->bytesperline = p->width * (is_packed ? 2 : 1) + s->stride_extra;
	p->sizeimage = DEFAULT_SIZE;
	s->now = *p;
	return 0;
}

static int parm(struct v4l2_sim *s, struct v4l2_streamparm *p, bool is_set)
{
	p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
	if (is_set)
		s->now_fps = (double)p->parm.capture.timeperframe.denominator /
		             p->parm.capture.timeperframe.numerator;
	return 0;
}

/* ---- buffers ---- */

static int request_buffers(struct v4l2_sim *s, struct v4l2_requestbuffers *r)
{
	s->n_buffers = MIN(r->count, (uint32_t)SIM_BUFFERS);
	s->buffer_size = DEFAULT_SIZE;
	s->n_done = 0;
	memset(s->is_queued, 0, sizeof(s->is_queued));
	memset((void *)s->memory, 0, sizeof(s->memory));
	r->count = s->n_buffers;
	return 0;
}

static int query_buffer(struct v4l2_sim *s, struct v4l2_buffer *b)
{
	if (b->index >= s->n_buffers)
		return -EINVAL;
	b->length = (uint32_t)s->buffer_size;
	b->m.offset = b->index * DEFAULT_SIZE;
	return 0;
}

static int queue(struct v4l2_sim *s, const struct v4l2_buffer *b)
{
	if (b->index >= s->n_buffers || s->is_queued[b->index])
		return -EINVAL;
	s->is_queued[b->index] = true;
	return 0;
}

static int dequeue(struct v4l2_sim *s, struct v4l2_buffer *b)
{
	if (s->n_done == 0)
		return -EAGAIN;
	*b = s->done[0];
	s->n_done--;
	memmove(s->done, s->done + 1, s->n_done * sizeof(s->done[0]));
	if (s->n_done == 0)
		still_bell(s);
	return 0;
}

static int stop(struct v4l2_sim *s)
{
	s->is_on = false;
	s->n_done = 0;
	memset(s->is_queued, 0, sizeof(s->is_queued));
	if (s->is_plugged)
		still_bell(s);
	return 0;
}

/* ---- controls ---- */

struct sim_control *sim_control(struct v4l2_sim *s, uint32_t id)
{
	for (size_t i = 0; i < s->n_controls; i++)
		if (s->controls[i].id == id)
			return &s->controls[i];
	return NULL;
}

static bool is_inactive(struct v4l2_sim *s, const struct sim_control *c)
{
	const struct sim_control *a = c->automatic ? sim_control(s, c->automatic) : NULL;

	return a && a->value != c->off;
}

static int query_control(struct v4l2_sim *s, struct v4l2_query_ext_ctrl *q)
{
	uint32_t id = q->id & ~V4L2_CTRL_FLAG_NEXT_CTRL;
	const struct sim_control *c = NULL;

	for (size_t i = 0; i < s->n_controls; i++)
		if (q->id & V4L2_CTRL_FLAG_NEXT_CTRL
		            ? s->controls[i].id > id && (!c || s->controls[i].id < c->id)
		            : s->controls[i].id == id)
			c = &s->controls[i];
	if (!c)
		return -EINVAL;
	*q = (struct v4l2_query_ext_ctrl){ .id = c->id,
		                           .type = c->type,
		                           .minimum = c->min,
		                           .maximum = c->max,
		                           .step = 1,
		                           .default_value = c->fallback,
		                           .flags = c->flags };
	snprintf(q->name, sizeof(q->name), "%s", c->title);
	if (is_inactive(s, c))
		q->flags |= V4L2_CTRL_FLAG_INACTIVE;
	return 0;
}

static int query_menu(struct v4l2_sim *s, struct v4l2_querymenu *m)
{
	const struct sim_control *c = sim_control(s, m->id);

	if (!c || c->type != V4L2_CTRL_TYPE_MENU || (int32_t)m->index < c->min ||
	    (int32_t)m->index > c->max)
		return -EINVAL;
	/* As most cameras: no shutter priority, no full automatic. */
	if (c->id == V4L2_CID_EXPOSURE_AUTO && m->index != 1 && m->index != 3)
		return -EINVAL;
	snprintf((char *)m->name, sizeof(m->name), "Choice %u", m->index);
	return 0;
}

static int get_control(struct v4l2_sim *s, struct v4l2_control *v)
{
	const struct sim_control *c = sim_control(s, v->id);

	if (!c)
		return -EINVAL;
	v->value = c->value;
	return 0;
}

static int set_control(struct v4l2_sim *s, const struct v4l2_control *v)
{
	struct sim_control *c = sim_control(s, v->id);

	if (!c)
		return -EINVAL;
	if (v->value < c->min || v->value > c->max)
		return -ERANGE;
	if (is_inactive(s, c))
		return -EACCES;
	c->value = v->value;
	if (s->n_set < SIM_LOG) {
		s->set[s->n_set].id = v->id;
		s->set[s->n_set++].value = v->value;
	}
	return 0;
}

static const struct sim_control all_controls[] = {
	{ V4L2_CID_BRIGHTNESS, V4L2_CTRL_TYPE_INTEGER, "Brightness", -64, 64, 0, 0, 0, 0, 0 },
	{ V4L2_CID_AUTO_WHITE_BALANCE, V4L2_CTRL_TYPE_BOOLEAN, "White Balance, Automatic", 0, 1, 1,
	  1, 0, 0, 0 },
	{ V4L2_CID_GAIN, V4L2_CTRL_TYPE_INTEGER, "Gain", 0, 100, 0, 31, 0, 0, 0 },
	{ V4L2_CID_POWER_LINE_FREQUENCY, V4L2_CTRL_TYPE_MENU, "Power Line Frequency", 0, 2, 1, 1, 0,
	  0, 0 },
	{ V4L2_CID_WHITE_BALANCE_TEMPERATURE, V4L2_CTRL_TYPE_INTEGER, "White Balance Temperature",
	  2800, 6500, 4600, 4210, 0, V4L2_CID_AUTO_WHITE_BALANCE, 0 },
	{ V4L2_CID_EXPOSURE_AUTO, V4L2_CTRL_TYPE_MENU, "Auto Exposure", 0, 3, 3, 3, 0, 0, 0 },
	{ V4L2_CID_EXPOSURE_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Exposure Time, Absolute", 3, 2047,
	  250, 157, 0, V4L2_CID_EXPOSURE_AUTO, V4L2_EXPOSURE_MANUAL },
	{ V4L2_CID_FOCUS_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Focus, Absolute", 0, 250, 0, 35, 0,
	  V4L2_CID_FOCUS_AUTO, 0 },
	{ V4L2_CID_FOCUS_AUTO, V4L2_CTRL_TYPE_BOOLEAN, "Focus, Automatic Continuous", 0, 1, 1, 1, 0,
	  0, 0 },
	{ V4L2_CID_ZOOM_ABSOLUTE, V4L2_CTRL_TYPE_INTEGER, "Zoom, Absolute", 100, 100, 100, 100,
	  V4L2_CTRL_FLAG_READ_ONLY, 0, 0 },
};

void sim_add_controls(struct v4l2_sim *s)
{
	memcpy(s->controls, all_controls, sizeof(all_controls));
	s->n_controls = ARRAY_LEN(all_controls);
}

/* ---- the device ---- */

static int answer(struct v4l2_sim *s, unsigned long request, void *data)
{
	switch (request) {
	case VIDIOC_QUERYCAP:
		((struct v4l2_capability *)data)->capabilities = s->caps | V4L2_CAP_DEVICE_CAPS;
		((struct v4l2_capability *)data)->device_caps = s->caps;
		return 0;
	case VIDIOC_ENUM_FMT:
		return enum_formats(s, data);
	case VIDIOC_ENUM_FRAMESIZES:
		return enum_sizes(s, data);
	case VIDIOC_ENUM_FRAMEINTERVALS:
		return enum_rates(s, data);
	case VIDIOC_S_FMT:
		return set_format(s, data);
	case VIDIOC_G_FMT:
		((struct v4l2_format *)data)->fmt.pix = s->now;
		return 0;
	case VIDIOC_G_PARM:
		return parm(s, data, false);
	case VIDIOC_S_PARM:
		return parm(s, data, true);
	case VIDIOC_REQBUFS:
		return request_buffers(s, data);
	case VIDIOC_QUERYBUF:
		return query_buffer(s, data);
	case VIDIOC_QBUF:
		return queue(s, data);
	case VIDIOC_DQBUF:
		return dequeue(s, data);
	case VIDIOC_STREAMON:
		s->is_on = true;
		return 0;
	case VIDIOC_STREAMOFF:
		return stop(s);
	case VIDIOC_QUERY_EXT_CTRL:
		s->n_walks +=
			((const struct v4l2_query_ext_ctrl *)data)->id == V4L2_CTRL_FLAG_NEXT_CTRL;
		return query_control(s, data);
	case VIDIOC_QUERYMENU:
		return query_menu(s, data);
	case VIDIOC_G_CTRL:
		return get_control(s, data);
	case VIDIOC_S_CTRL:
		return set_control(s, data);
	default:
		return -ENOTTY;
	}
}

static int sim_ioctl(void *arg, int fd, unsigned long request, void *data)
{
	struct v4l2_sim *s = arg;
	int rc;

	pthread_mutex_lock(&s->lock);
	assert(fd == s->fd);
	if (!s->is_plugged) {
		rc = -ENODEV;
	} else if (s->fails == request && s->fails_times > 0) {
		s->fails_times--;
		rc = s->fails_with;
	} else {
		rc = answer(s, request, data);
	}
	pthread_mutex_unlock(&s->lock);
	return rc;
}

void sim_init(struct v4l2_sim *s, const struct sim_format *formats, size_t n)
{
	*s = (struct v4l2_sim){ .is_plugged = true,
		                .caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING,
		                .formats = formats,
		                .n_formats = n };
	pthread_mutex_init(&s->lock, NULL);
	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(s->fd >= 0);
	s->sys = (struct v4l2_sys){ .open = sim_open,
		                    .close = sim_close,
		                    .ioctl = sim_ioctl,
		                    .map = sim_map,
		                    .unmap = sim_unmap,
		                    .settle_us = 30000,
		                    .arg = s,
		                    .sys = "/nonexistent",
		                    .dev = "/dev",
		                    .proc = "/nonexistent" };
}

void sim_fini(struct v4l2_sim *s)
{
	assert(s->n_open == 0 && s->n_mapped == 0);
	(void)close(s->fd);
	pthread_mutex_destroy(&s->lock);
}

static struct timeval stamp_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct timeval){ t.tv_sec, t.tv_nsec / 1000 };
}

bool sim_give(struct v4l2_sim *s, const void *bytes, size_t size, uint32_t flags)
{
	bool is_given = false;

	pthread_mutex_lock(&s->lock);
	s->sequence++;
	for (unsigned i = 0; s->is_on && i < s->n_buffers && !is_given; i++) {
		if (!s->is_queued[i] || !s->memory[i])
			continue;
		assert(size <= s->buffer_size);
		memcpy(s->memory[i], bytes, size);
		s->is_queued[i] = false;
		s->done[s->n_done++] = (struct v4l2_buffer){
			.index = i,
			.bytesused = (uint32_t)size,
			.flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | flags,
			.timestamp = stamp_now(),
			.sequence = s->sequence,
		};
		ring_bell(s);
		is_given = true;
	}
	pthread_mutex_unlock(&s->lock);
	return is_given;
}

void sim_unplug(struct v4l2_sim *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_plugged = s->is_on = false;
	ring_bell(s);
	pthread_mutex_unlock(&s->lock);
}

void sim_plug(struct v4l2_sim *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_plugged = true;
	s->n_done = 0;
	still_bell(s);
	if (s->n_controls > 0)
		sim_add_controls(s);
	if (s->keeps_focus_off)
		sim_control(s, V4L2_CID_FOCUS_AUTO)->value = 0;
	pthread_mutex_unlock(&s->lock);
}

unsigned sim_n_queued(struct v4l2_sim *s)
{
	unsigned n = 0;

	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->n_buffers; i++)
		n += s->is_queued[i];
	pthread_mutex_unlock(&s->lock);
	return n;
}
