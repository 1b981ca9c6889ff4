/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Struct names and values: the kernel's uapi, linux/videodev2.h. */

#include "cameras/v4l2_device.h"

#include "base/err.h"
#include "base/mem.h"
#include "cameras/v4l2_jpeg.h"
#include "media/frame.h"
#include "media/h264.h"

#include <assert.h>
#include <errno.h>
#include <linux/videodev2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_BUFFERS 6
/* A device with fewer buffers than this to fill loses pictures. */
#define MIN_QUEUED 3
#define MAX_SIDE 16384
#define MAX_STRIDE (4 * MAX_SIDE) /* so that raw_size() fits 32 bits */
#define MAX_BUFFER_BYTES (64U << 20)
#define MAX_PICTURE_BYTES (32U << 20)
/* A stamp that is older, or of the future, is of another clock than it says. */
#define BELIEVED_US 10000000

struct buffer {
	struct frame frame; /* in use while the picture is out */
	struct pool *pool;
	uint8_t *at;
	size_t length;
	atomic_bool is_returned; /* let go, and not yet given back to the device */
	bool is_out;             /* camera's thread */
};

/* The mapped buffers: held by the stream and by each frame that is out. */
struct pool {
	const struct v4l2_sys *sys;
	atomic_uint refs;
	unsigned n;
	struct buffer buffers[N_BUFFERS];
};

struct v4l2_stream {
	const struct v4l2_sys *sys;
	int fd;
	struct v4l2_format_choice format;
	unsigned stride; /* bytes from row to row, of raw ones */
	size_t picture_size;
	struct pool *pool;
	unsigned n_queued;
	bool is_on, has_sequence;
	uint32_t sequence;
	struct v4l2_stream_counts counts;
};

static int sys_ioctl(const struct v4l2_sys *sys, int fd, unsigned long request, void *data)
{
	return sys->ioctl(sys->arg, fd, request, data);
}

/* ---- the buffers ---- */

static void pool_unref(struct pool *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (unsigned i = 0; i < p->n; i++)
		if (p->buffers[i].at)
			p->sys->unmap(p->sys->arg, p->buffers[i].at, p->buffers[i].length);
	free(p);
}

static void release_buffer(struct frame *f)
{
	struct buffer *b = CONTAINER_OF(f, struct buffer, frame);

	atomic_store_explicit(&b->is_returned, true, memory_order_release);
	pool_unref(b->pool);
}

static struct v4l2_buffer buffer_of(unsigned index)
{
	return (struct v4l2_buffer){ .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		                     .memory = V4L2_MEMORY_MMAP,
		                     .index = index };
}

static int queue_buffer(struct v4l2_stream *s, unsigned index)
{
	struct v4l2_buffer b = buffer_of(index);
	int rc = sys_ioctl(s->sys, s->fd, VIDIOC_QBUF, &b);

	if (rc == 0)
		s->n_queued++;
	return rc;
}

/* What the readers have let go since. */
static int queue_returned(struct v4l2_stream *s)
{
	for (unsigned i = 0; i < s->pool->n; i++) {
		struct buffer *b = &s->pool->buffers[i];

		if (!b->is_out || !atomic_load_explicit(&b->is_returned, memory_order_acquire))
			continue;
		b->is_out = false;
		int rc = queue_buffer(s, i);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int map_buffers(struct v4l2_stream *s, unsigned n)
{
	struct pool *p = MEM_NEW(struct pool);

	s->pool = p;
	p->sys = s->sys;
	atomic_init(&p->refs, 1);
	for (p->n = 0; p->n < n; p->n++) {
		struct buffer *buffer = &p->buffers[p->n];
		struct v4l2_buffer b = buffer_of(p->n);
		int rc = sys_ioctl(s->sys, s->fd, VIDIOC_QUERYBUF, &b);

		if (rc < 0)
			return rc;
		if (b.length == 0 || b.length > MAX_BUFFER_BYTES)
			return -EOVERFLOW;
		buffer->pool = p;
		buffer->length = b.length;
		buffer->at = s->sys->map(s->sys->arg, s->fd, b.length, b.m.offset);
		if (!buffer->at)
			return -ENOMEM;
	}
	return 0;
}

static int start_buffers(struct v4l2_stream *s, struct err *err)
{
	struct v4l2_requestbuffers r = { .count = N_BUFFERS,
		                         .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		                         .memory = V4L2_MEMORY_MMAP };
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
	int rc = sys_ioctl(s->sys, s->fd, VIDIOC_REQBUFS, &r);

	if (rc == 0 && r.count == 0)
		rc = -ENOMEM;
	if (rc == 0)
		rc = map_buffers(s, MIN(r.count, (unsigned)N_BUFFERS));
	if (rc < 0)
		return err_set(err, rc, "the camera gives no memory for its pictures");
	for (unsigned i = 0; rc == 0 && i < s->pool->n; i++)
		rc = queue_buffer(s, i);
	if (rc == 0)
		rc = sys_ioctl(s->sys, s->fd, VIDIOC_STREAMON, &type);
	s->is_on = rc == 0;
	if (rc == -ENOSPC)
		return err_set(err, rc,
		               "the USB bus has no room for this camera: choose a smaller size or "
		               "rate, or plug it into another controller");
	if (rc < 0)
		return err_set(err, rc, "the camera does not start");
	return 0;
}

/* ---- start and stop ---- */

static unsigned tight_stride(uint32_t pixel, unsigned width)
{
	return pixel == V4L2_PIX_FMT_YUYV || pixel == V4L2_PIX_FMT_UYVY ? 2 * width : width;
}

static bool is_raw(uint32_t pixel)
{
	return pixel == V4L2_PIX_FMT_YUYV || pixel == V4L2_PIX_FMT_UYVY ||
	       pixel == V4L2_PIX_FMT_NV12 || pixel == V4L2_PIX_FMT_YUV420;
}

/* What a raw picture takes with rows of `stride` bytes (of luminance, where planes are apart). */
static size_t raw_size(uint32_t pixel, size_t stride, size_t height)
{
	if (pixel == V4L2_PIX_FMT_YUYV || pixel == V4L2_PIX_FMT_UYVY)
		return stride * height;
	if (pixel == V4L2_PIX_FMT_NV12)
		return stride * height + stride * ((height + 1) / 2);
	return stride * height + 2 * ((stride + 1) / 2) * ((height + 1) / 2);
}

static int set_format(struct v4l2_stream *s, const struct v4l2_format_choice *wanted,
                      struct err *err)
{
	struct v4l2_format f = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_pix_format *p = &f.fmt.pix;
	int rc;

	*p = (struct v4l2_pix_format){ .width = wanted->width,
		                       .height = wanted->height,
		                       .pixelformat = wanted->pixel,
		                       .field = V4L2_FIELD_NONE };
	rc = sys_ioctl(s->sys, s->fd, VIDIOC_S_FMT, &f);
	if (rc < 0)
		return err_set(err, rc, "the camera refuses %u×%u", wanted->width, wanted->height);
	if (p->pixelformat != wanted->pixel || p->width == 0 || p->height == 0 ||
	    p->width > MAX_SIDE || p->height > MAX_SIDE || p->bytesperline > MAX_STRIDE)
		return err_set(err, -EINVAL,
		               "the camera gives another format than it says: choose another size");
	s->format = *wanted;
	s->format.width = p->width;
	s->format.height = p->height;
	s->stride = MAX(p->bytesperline, tight_stride(p->pixelformat, p->width));
	s->picture_size =
		raw_size(p->pixelformat, tight_stride(p->pixelformat, p->width), p->height);
	if (is_raw(p->pixelformat) &&
	    raw_size(p->pixelformat, s->stride, p->height) > MAX_BUFFER_BYTES)
		return err_set(err, -EOVERFLOW, "pictures of %u×%u are too large", p->width,
		               p->height);
	return 0;
}

/* Not every device has a rate to set. */
static void set_rate(struct v4l2_stream *s, double fps)
{
	struct v4l2_streamparm p = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
	struct v4l2_fract *t = &p.parm.capture.timeperframe;

	if (fps > 0 && sys_ioctl(s->sys, s->fd, VIDIOC_G_PARM, &p) == 0 &&
	    p.parm.capture.capability & V4L2_CAP_TIMEPERFRAME) {
		*t = (struct v4l2_fract){ 1000, (uint32_t)(fps * 1000 + 0.5) };
		if (sys_ioctl(s->sys, s->fd, VIDIOC_S_PARM, &p) == 0 && t->numerator > 0)
			s->format.fps = (double)t->denominator / t->numerator;
	}
}

int v4l2_stream_start(const struct v4l2_sys *sys, int fd, const struct v4l2_format_choice *format,
                      struct v4l2_stream **ret, struct err *err)
{
	struct v4l2_stream *s = MEM_NEW(struct v4l2_stream);
	int rc;

	s->sys = sys;
	s->fd = fd;
	rc = set_format(s, format, err);
	if (rc == 0) {
		set_rate(s, format->fps);
		rc = start_buffers(s, err);
	}
	if (rc < 0) {
		v4l2_stream_stop(s);
		return rc;
	}
	*ret = s;
	return 0;
}

void v4l2_stream_stop(struct v4l2_stream *s)
{
	struct v4l2_requestbuffers none = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		                            .memory = V4L2_MEMORY_MMAP };
	int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	if (!s)
		return;
	if (s->is_on)
		(void)sys_ioctl(s->sys, s->fd, VIDIOC_STREAMOFF, &type);
	/* Frames that are out keep their memory; the device is free for the next who opens it. */
	(void)sys_ioctl(s->sys, s->fd, VIDIOC_REQBUFS, &none);
	if (s->pool)
		pool_unref(s->pool);
	free(s);
}

const struct v4l2_format_choice *v4l2_stream_format(const struct v4l2_stream *s)
{
	return &s->format;
}

const struct v4l2_stream_counts *v4l2_stream_counts(const struct v4l2_stream *s)
{
	return &s->counts;
}

/* ---- pictures ---- */

static enum frame_format frame_format_of(uint32_t pixel)
{
	switch (pixel) {
	case V4L2_PIX_FMT_YUYV:
	case V4L2_PIX_FMT_UYVY:
		return FRAME_YUYV;
	case V4L2_PIX_FMT_NV12:
		return FRAME_NV12;
	case V4L2_PIX_FMT_YUV420:
		return FRAME_I420;
	case V4L2_PIX_FMT_H264:
		return FRAME_H264;
	default:
		return FRAME_JPEG;
	}
}

/* The buffer itself becomes the frame. */
static struct frame *lend(struct v4l2_stream *s, unsigned index, size_t size)
{
	struct buffer *b = &s->pool->buffers[index];

	b->frame = (struct frame){ .data = b->at,
		                   .size = size,
		                   .format = frame_format_of(s->format.pixel) };
	frame_init(&b->frame, release_buffer);
	b->is_out = true;
	atomic_store_explicit(&b->is_returned, false, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->pool->refs, 1, memory_order_relaxed);
	return &b->frame;
}

static void copy_rows(uint8_t **dst, const uint8_t **src, size_t row, size_t stride, size_t n)
{
	for (size_t i = 0; i < n; i++, *dst += row, *src += stride)
		memcpy(*dst, *src, row);
}

static void copy_swapped(uint8_t *dst, const uint8_t *src, size_t row, size_t stride, size_t n)
{
	for (size_t y = 0; y < n; y++, src += stride)
		for (size_t x = 0; x + 1 < row; x += 2, dst += 2) {
			dst[0] = src[x + 1];
			dst[1] = src[x];
		}
}

static struct frame *copy_raw(const struct v4l2_stream *s, const uint8_t *src)
{
	size_t w = s->format.width, h = s->format.height, stride = s->stride;
	uint32_t pixel = s->format.pixel;
	uint8_t *dst;
	struct frame *f = frame_new(frame_format_of(pixel), s->picture_size, &dst);

	if (pixel == V4L2_PIX_FMT_UYVY) {
		copy_swapped(dst, src, 2 * w, stride, h);
		return f;
	}
	copy_rows(&dst, &src, tight_stride(pixel, (unsigned)w), stride, h);
	if (pixel == V4L2_PIX_FMT_NV12)
		copy_rows(&dst, &src, w, stride, (h + 1) / 2);
	else if (pixel == V4L2_PIX_FMT_YUV420)
		copy_rows(&dst, &src, (w + 1) / 2, (stride + 1) / 2, 2 * ((h + 1) / 2));
	return f;
}

static struct frame *copy_bytes(enum frame_format format, const uint8_t *src, size_t size)
{
	uint8_t *dst;
	struct frame *f = frame_new(format, size, &dst);

	memcpy(dst, src, size);
	return f;
}

static bool may_lend(const struct v4l2_stream *s)
{
	return s->n_queued >= MIN_QUEUED;
}

static struct frame *take_jpeg(struct v4l2_stream *s, unsigned index, size_t size)
{
	const uint8_t *at = s->pool->buffers[index].at;
	struct v4l2_jpeg look = { .size = size };
	uint8_t *dst;
	struct frame *f;

	if (v4l2_jpeg_look(at, size, &look) && look.tables_at > 0) {
		f = frame_new(FRAME_JPEG, look.size + V4L2_JPEG_TABLES_SIZE, &dst);
		v4l2_jpeg_complete(at, &look, dst);
		return f;
	}
	return may_lend(s) ? lend(s, index, look.size) : copy_bytes(FRAME_JPEG, at, look.size);
}

static struct frame *take_raw(struct v4l2_stream *s, unsigned index, size_t size)
{
	const uint8_t *at = s->pool->buffers[index].at;
	uint32_t pixel = s->format.pixel;

	if (size < raw_size(pixel, s->stride, s->format.height)) {
		s->counts.n_damaged++;
		return NULL;
	}
	if (may_lend(s) && pixel != V4L2_PIX_FMT_UYVY &&
	    s->stride == tight_stride(pixel, s->format.width))
		return lend(s, index, s->picture_size);
	return copy_raw(s, at);
}

/* The kernel's stamp counts where its clock is ours and the time is possible. */
static void stamp(struct frame *f, const struct v4l2_buffer *b)
{
	int64_t us = (int64_t)b->timestamp.tv_sec * 1000000 + b->timestamp.tv_usec;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);

	f->arrived_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;

	int64_t age_us = f->arrived_us - us;

	f->is_stamped =
		(b->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) == V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC &&
		age_us >= 0 && age_us < BELIEVED_US;
	if (f->is_stamped)
		f->captured_us = us;
}

static void count_sequence(struct v4l2_stream *s, uint32_t sequence)
{
	uint32_t step = sequence - s->sequence;

	if (s->has_sequence && step > 1 && step < 10000)
		s->counts.n_lost += step - 1;
	s->has_sequence = true;
	s->sequence = sequence;
}

static struct frame *take(struct v4l2_stream *s, const struct v4l2_buffer *b)
{
	const struct buffer *buffer = &s->pool->buffers[b->index];
	size_t size = MIN((size_t)b->bytesused, buffer->length);
	struct frame *f;

	count_sequence(s, b->sequence);
	if (b->flags & V4L2_BUF_FLAG_ERROR || size == 0 || size > MAX_BUFFER_BYTES) {
		s->counts.n_damaged++;
		return NULL;
	}
	if (is_raw(s->format.pixel)) {
		f = take_raw(s, b->index, size);
	} else if (size > MAX_PICTURE_BYTES) {
		s->counts.n_damaged++;
		f = NULL;
	} else if (s->format.pixel == V4L2_PIX_FMT_H264) {
		f = copy_bytes(FRAME_H264, buffer->at, size);
		f->is_key = video_is_key(f->data, f->size, false);
	} else {
		f = take_jpeg(s, b->index, size);
	}
	if (!f)
		return NULL;
	f->width = s->format.width;
	f->height = s->format.height;
	stamp(f, b);
	s->counts.n_frames++;
	s->counts.n_copied += !buffer->is_out;
	return f;
}

static int dead(int rc, struct err *err)
{
	if (rc == -ENODEV || rc == -EIO || rc == -ENXIO)
		return err_set(err, -ENODEV, "the camera was unplugged");
	return err_set(err, rc, "the camera gives no more pictures");
}

int v4l2_stream_next(struct v4l2_stream *s, struct frame **ret, struct err *err)
{
	struct v4l2_buffer b = buffer_of(0);
	int rc = queue_returned(s);

	*ret = NULL;
	if (rc == 0)
		rc = sys_ioctl(s->sys, s->fd, VIDIOC_DQBUF, &b);
	if (rc == -EAGAIN)
		return 0;
	if (rc < 0)
		return dead(rc, err);
	if (b.index >= s->pool->n || s->n_queued == 0)
		return err_set(err, -EPROTO, "the camera's driver answers with nonsense");
	s->n_queued--;

	struct frame *f = take(s, &b);

	if (!s->pool->buffers[b.index].is_out)
		rc = queue_buffer(s, b.index);
	if (rc < 0) {
		frame_unref(f);
		return dead(rc, err);
	}
	*ret = f;
	return 0;
}
