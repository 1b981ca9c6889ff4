/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a device offers, and which of it is best. Values: linux/videodev2.h. */

#include "cameras/v4l2_device.h"

#include <linux/videodev2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_EACH 64
#define BEST_WIDTH 1920
#define BEST_HEIGHT 1080

/* In the order of our liking: what needs no encoding, then what is encoded with the least work.
 * Video only if it is asked for: its pictures are stale until decoded. */
static const struct {
	uint32_t pixel, also;
	const char *name;
} pixels[] = {
	{ V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_JPEG, "mjpeg" },
	{ V4L2_PIX_FMT_NV12, 0, "nv12" },
	{ V4L2_PIX_FMT_YUV420, 0, "i420" },
	{ V4L2_PIX_FMT_YUYV, 0, "yuyv" },
	{ V4L2_PIX_FMT_UYVY, 0, "uyvy" },
	{ V4L2_PIX_FMT_H264, 0, "h264" },
};

static int liking(uint32_t pixel)
{
	for (size_t i = 0; i < ARRAY_LEN(pixels); i++)
		if (pixels[i].pixel == pixel || (pixels[i].also && pixels[i].also == pixel))
			return (int)i;
	return -1;
}

bool v4l2_pixel_from_name(const char *name, uint32_t *ret)
{
	*ret = 0;
	if (strcmp(name, "auto") == 0 || name[0] == '\0')
		return true;
	for (size_t i = 0; i < ARRAY_LEN(pixels); i++)
		if (strcmp(name, pixels[i].name) == 0) {
			*ret = pixels[i].pixel;
			return true;
		}
	return false;
}

const char *v4l2_pixel_name(uint32_t pixel, char ret[8])
{
	for (unsigned i = 0; i < 4; i++) {
		uint32_t c = pixel >> (8 * i) & 0x7f;

		ret[i] = '?';
		if (c > ' ' && c < 0x7f)
			ret[i] = (char)c;
	}
	ret[4] = '\0';
	return ret;
}

/* ---- enumeration ---- */

struct list {
	const struct v4l2_sys *sys;
	int fd;
	struct v4l2_format_choice *ret;
	size_t n, max;
};

static void add(struct list *l, uint32_t pixel, unsigned width, unsigned height, double fps)
{
	if (l->n < l->max && width > 0 && height > 0)
		l->ret[l->n++] = (struct v4l2_format_choice){ pixel, width, height, fps };
}

static double rate_of(struct v4l2_fract t)
{
	return t.numerator > 0 && t.denominator > 0 ? (double)t.denominator / t.numerator : 0;
}

/* A range of rates is told by the usual ones within it. */
static void add_rate_range(struct list *l, const struct v4l2_frmivalenum *e)
{
	static const double usual[] = { 1, 5, 10, 15, 20, 25, 30, 50, 60 };
	double fastest = rate_of(e->stepwise.min), slowest = rate_of(e->stepwise.max);

	add(l, e->pixel_format, e->width, e->height, fastest);
	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (usual[i] > slowest && usual[i] < fastest)
			add(l, e->pixel_format, e->width, e->height, usual[i]);
	if (slowest < fastest)
		add(l, e->pixel_format, e->width, e->height, slowest);
}

static void add_size(struct list *l, uint32_t pixel, unsigned width, unsigned height)
{
	size_t before = l->n;

	for (unsigned i = 0; i < MAX_EACH; i++) {
		struct v4l2_frmivalenum e = {
			.index = i, .pixel_format = pixel, .width = width, .height = height
		};

		if (l->sys->ioctl(l->sys->arg, l->fd, VIDIOC_ENUM_FRAMEINTERVALS, &e) < 0)
			break;
		if (e.type == V4L2_FRMIVAL_TYPE_DISCRETE) {
			add(l, pixel, width, height, rate_of(e.discrete));
		} else {
			add_rate_range(l, &e);
			break;
		}
	}
	if (l->n == before)
		add(l, pixel, width, height, 0);
}

static void add_size_range(struct list *l, uint32_t pixel, const struct v4l2_frmsize_stepwise *s)
{
	static const unsigned usual[][2] = { { 1920, 1080 }, { 1280, 720 }, { 640, 480 } };

	add_size(l, pixel, s->max_width, s->max_height);
	for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
		unsigned w = usual[i][0], h = usual[i][1];

		if (w < s->max_width && h < s->max_height && w > s->min_width &&
		    h > s->min_height && (w - s->min_width) % MAX(s->step_width, 1U) == 0 &&
		    (h - s->min_height) % MAX(s->step_height, 1U) == 0)
			add_size(l, pixel, w, h);
	}
	add_size(l, pixel, s->min_width, s->min_height);
}

static void add_format(struct list *l, uint32_t pixel)
{
	for (unsigned i = 0; i < MAX_EACH; i++) {
		struct v4l2_frmsizeenum e = { .index = i, .pixel_format = pixel };
		struct v4l2_format now = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

		if (l->sys->ioctl(l->sys->arg, l->fd, VIDIOC_ENUM_FRAMESIZES, &e) < 0) {
			/* It does not tell its sizes: the one that is set. */
			if (i == 0 && l->sys->ioctl(l->sys->arg, l->fd, VIDIOC_G_FMT, &now) == 0)
				add(l, pixel, now.fmt.pix.width, now.fmt.pix.height, 0);
			return;
		}
		if (e.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
			add_size(l, pixel, e.discrete.width, e.discrete.height);
		} else {
			add_size_range(l, pixel, &e.stepwise);
			return;
		}
	}
}

size_t v4l2_formats(const struct v4l2_sys *sys, int fd, struct v4l2_format_choice *ret, size_t max)
{
	struct list l = { .sys = sys, .fd = fd, .ret = ret, .max = max };

	for (unsigned i = 0; i < MAX_EACH; i++) {
		struct v4l2_fmtdesc d = { .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

		if (sys->ioctl(sys->arg, fd, VIDIOC_ENUM_FMT, &d) < 0)
			break;
		/* What libv4l would make of something else is no gift of the device. */
		if (liking(d.pixelformat) >= 0 && !(d.flags & V4L2_FMT_FLAG_EMULATED))
			add_format(&l, d.pixelformat);
	}
	return l.n;
}

/* ---- choice ---- */

/* How far a size is from the wanted: too small is worse than too large, by far. */
static double size_penalty(const struct v4l2_format_choice *c, const struct v4l2_wish *w)
{
	double want_w = w->width ? w->width : BEST_WIDTH;
	double want_h = w->height ? w->height : BEST_HEIGHT;
	double over = MAX(c->width / want_w, c->height / want_h);
	double under = MIN(c->width / want_w, c->height / want_h);
	double penalty = 0;

	if (under < 1)
		penalty += 10 / under;
	/* Nobody asked for more than full HD. */
	if (over > 1)
		penalty += (w->width ? 1 : 100) * (over - 1);
	return penalty;
}

static double rate_penalty(const struct v4l2_format_choice *c, double fps)
{
	if (c->fps <= 0)
		return 0.5;
	if (fps <= 0)
		return 1 / c->fps;
	/* A little slower is no loss worth another format, half the rate is. */
	if (c->fps < fps * 0.99)
		return fps / c->fps;
	return (c->fps - fps) / 1000;
}

static bool is_allowed(const struct v4l2_format_choice *c, uint32_t pixel)
{
	if (pixel == 0)
		return c->pixel != V4L2_PIX_FMT_H264;
	return liking(c->pixel) == liking(pixel);
}

const struct v4l2_format_choice *v4l2_choose(const struct v4l2_format_choice *formats, size_t n,
                                             const struct v4l2_wish *wish)
{
	const struct v4l2_format_choice *best = NULL;
	double best_penalty = HUGE_VAL;

	for (size_t i = 0; i < n; i++) {
		const struct v4l2_format_choice *c = &formats[i];
		/* Size before rate before format; but raw ones as large as the compressed are too
		 * dear to win by a rate alone. */
		double penalty = size_penalty(c, wish) * 100 + rate_penalty(c, wish->fps) * 10 +
		                 liking(c->pixel) + (liking(c->pixel) > 0 ? 20 : 0);

		if (is_allowed(c, wish->pixel) && penalty < best_penalty) {
			best = c;
			best_penalty = penalty;
		}
	}
	return best;
}
