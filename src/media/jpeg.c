/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/jpeg.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "media/frame.h"
#include "media/jpeg_scan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

static void cleanup_handle(const tjhandle *h)
{
	if (*h)
		tjDestroy(*h);
}
#define auto_handle __attribute__((cleanup(cleanup_handle)))

static int tj_failed(struct err *err, tjhandle h, const char *doing)
{
	return err_set(err, -EBADMSG, "%s: %s", doing, tjGetErrorStr2(h));
}

void jpeg_pixels_fini(struct jpeg_pixels *p)
{
	free(p->rgbx);
	*p = (struct jpeg_pixels){ 0 };
}

/* Compresses into a buffer of the largest possible size, then gives what was not used back. */
static uint8_t *take_buffer(unsigned width, unsigned height, unsigned long *ret_cap)
{
	*ret_cap = tjBufSize((int)width, (int)height, TJSAMP_420);
	return mem_grow(NULL, *ret_cap, 1);
}

static struct frame *finish_frame(uint8_t *bytes, size_t size, unsigned width, unsigned height)
{
	struct frame *f = frame_adopt(FRAME_JPEG, mem_grow(bytes, size, 1), size);

	f->width = width;
	f->height = height;
	return f;
}

static void keep_times(struct frame *f, const struct frame *from)
{
	f->captured_us = from->captured_us;
	f->captured_wall_ms = from->captured_wall_ms;
	f->arrived_us = from->arrived_us;
	f->seq = from->seq;
	f->is_stamped = from->is_stamped;
	f->is_still = from->is_still;
}

static bool is_size_fine(unsigned width, unsigned height)
{
	return width > 0 && height > 0 && width <= JPEG_MAX_SIDE && height <= JPEG_MAX_SIDE &&
	       (uint64_t)width * height <= JPEG_MAX_PIXELS;
}

int jpeg_encode_rgbx(const uint8_t *rgbx, unsigned width, unsigned height, int quality,
                     struct frame **ret, struct err *err)
{
	if (!is_size_fine(width, height))
		return err_set(err, -EINVAL, "cannot make a picture of %u×%u", width, height);

	auto_handle tjhandle h = tjInitCompress();
	unsigned long size;
	auto_free uint8_t *bytes = take_buffer(width, height, &size);

	if (!h)
		return err_set(err, -ENOMEM, "cannot start the JPEG encoder");
	if (tjCompress2(h, rgbx, (int)width, 0, (int)height, TJPF_RGBX, &bytes, &size, TJSAMP_420,
	                quality, TJFLAG_NOREALLOC) != 0)
		return tj_failed(err, h, "making a JPEG");
	*ret = finish_frame(STEAL_PTR(bytes), size, width, height);
	return 0;
}

struct planes {
	const uint8_t *at[3];
	int strides[3];
	enum TJSAMP sampling;
	size_t size; /* bytes needed */
};

/* U and V of NV12 and all of YUYV are interleaved: taken apart into `scratch`. */
static void split_nv12(const struct frame *raw, uint8_t *scratch, struct planes *p)
{
	size_t cw = (raw->width + 1) / 2, ch = (raw->height + 1) / 2;
	const uint8_t *uv = raw->data + (size_t)raw->width * raw->height;

	for (size_t i = 0; i < cw * ch; i++) {
		scratch[i] = uv[2 * i];
		scratch[cw * ch + i] = uv[2 * i + 1];
	}
	*p = (struct planes){ .at = { raw->data, scratch, scratch + cw * ch },
		              .strides = { (int)raw->width, (int)cw, (int)cw },
		              .sampling = TJSAMP_420 };
}

static void split_yuyv(const struct frame *raw, uint8_t *scratch, struct planes *p)
{
	size_t n = (size_t)raw->width * raw->height;
	uint8_t *y = scratch, *u = y + n, *v = u + n / 2;

	for (size_t i = 0; i < n / 2; i++) {
		y[2 * i] = raw->data[4 * i];
		u[i] = raw->data[4 * i + 1];
		y[2 * i + 1] = raw->data[4 * i + 2];
		v[i] = raw->data[4 * i + 3];
	}
	*p = (struct planes){ .at = { y, u, v },
		              .strides = { (int)raw->width, (int)raw->width / 2,
		                           (int)raw->width / 2 },
		              .sampling = TJSAMP_422 };
}

static size_t raw_size(const struct frame *raw)
{
	size_t n = (size_t)raw->width * raw->height;
	size_t chroma = (size_t)((raw->width + 1) / 2) * ((raw->height + 1) / 2);

	return raw->format == FRAME_YUYV ? 2 * n : n + 2 * chroma;
}

static int find_planes(const struct frame *raw, uint8_t *scratch, struct planes *p)
{
	size_t n = (size_t)raw->width * raw->height;
	size_t cw = (raw->width + 1) / 2, ch = (raw->height + 1) / 2;

	switch (raw->format) {
	case FRAME_I420:
		*p = (struct planes){ .at = { raw->data, raw->data + n, raw->data + n + cw * ch },
			              .strides = { (int)raw->width, (int)cw, (int)cw },
			              .sampling = TJSAMP_420 };
		return 0;
	case FRAME_NV12:
		split_nv12(raw, scratch, p);
		return 0;
	case FRAME_YUYV:
		split_yuyv(raw, scratch, p);
		return 0;
	case FRAME_JPEG:
	case FRAME_H264:
	case FRAME_H265:
		break;
	}
	return -EINVAL;
}

int jpeg_encode_frame(const struct frame *raw, int quality, struct frame **ret, struct err *err)
{
	if (!is_size_fine(raw->width, raw->height) || raw->size < raw_size(raw) ||
	    (raw->format == FRAME_YUYV && raw->width % 2 != 0))
		return err_set(err, -EINVAL, "the camera's raw picture of %u×%u is too short",
		               raw->width, raw->height);

	auto_free uint8_t *scratch = mem_grow(NULL, raw_size(raw), 1);
	auto_handle tjhandle h = tjInitCompress();
	struct planes p;
	unsigned long size = tjBufSize((int)raw->width, (int)raw->height, TJSAMP_422);
	auto_free uint8_t *bytes = mem_grow(NULL, size, 1);

	if (!h)
		return err_set(err, -ENOMEM, "cannot start the JPEG encoder");
	if (find_planes(raw, scratch, &p) < 0)
		return err_set(err, -EINVAL, "this kind of frame cannot be made a JPEG");
	if (tjCompressFromYUVPlanes(h, (const unsigned char **)p.at, (int)raw->width, p.strides,
	                            (int)raw->height, p.sampling, &bytes, &size, quality,
	                            TJFLAG_NOREALLOC) != 0)
		return tj_failed(err, h, "making a JPEG");

	*ret = finish_frame(STEAL_PTR(bytes), size, raw->width, raw->height);
	keep_times(*ret, raw);
	return 0;
}

/* ---- turning ---- */

static enum TJXOP turn_op(const struct jpeg_turn *t)
{
	static const enum TJXOP plain[] = { TJXOP_NONE, TJXOP_ROT90, TJXOP_ROT180, TJXOP_ROT270 };
	/* mirrored left to right before */
	static const enum TJXOP mirrored[] = { TJXOP_HFLIP, TJXOP_TRANSVERSE, TJXOP_VFLIP,
		                               TJXOP_TRANSPOSE };
	/* Top to bottom is left to right and half a turn. */
	unsigned quarters = (t->degrees / 90 + (t->is_flipped_v ? 2 : 0)) % 4;

	return t->is_flipped_h != t->is_flipped_v ? mirrored[quarters] : plain[quarters];
}

struct jpeg_turn jpeg_turn_upright(unsigned orientation, const struct jpeg_turn *then)
{
	/* How to make upright what EXIF tags so: mirrored left to right, then turned clockwise. */
	static const struct {
		bool is_mirrored;
		unsigned degrees;
	} cures[] = { { false, 0 },  { false, 0 },  { true, 0 },  { false, 180 }, { true, 180 },
		      { true, 270 }, { false, 90 }, { true, 90 }, { false, 270 } };
	struct jpeg_turn t = { 0 };
	bool is_mirrored = then->is_flipped_h != then->is_flipped_v;
	unsigned first, degrees = then->degrees + (then->is_flipped_v ? 180 : 0);

	if (orientation >= ARRAY_LEN(cures))
		orientation = 0;
	/* Mirroring afterwards turns the first turn round. */
	first = cures[orientation].degrees;
	t.is_flipped_h = is_mirrored != cures[orientation].is_mirrored;
	t.degrees = (degrees + (is_mirrored ? 360 - first : first)) % 360;
	return t;
}

bool jpeg_turn_is_none(const struct jpeg_turn *t)
{
	return turn_op(t) == TJXOP_NONE;
}

int jpeg_turn(const struct frame *f, const struct jpeg_turn *turn, struct frame **ret,
              struct err *err)
{
	struct jpeg_info info;
	int rc = jpeg_scan(f->data, f->size, &info, err);

	if (rc < 0)
		return rc;
	if (!is_size_fine(info.width, info.height))
		return err_set(err, -EFBIG, "the picture of %u×%u is too large", info.width,
		               info.height);

	auto_handle tjhandle h = tjInitTransform();
	tjtransform x = { .op = (int)turn_op(turn), .options = TJXOPT_TRIM | TJXOPT_COPYNONE };
	bool is_upright = turn->degrees % 180 == 0;
	unsigned long size =
		tjBufSize((int)MAX(info.width, 32U), (int)MAX(info.height, 32U), TJSAMP_444) +
		f->size;
	auto_free uint8_t *bytes = mem_grow(NULL, size, 1);

	if (!h)
		return err_set(err, -ENOMEM, "cannot start the JPEG transformer");
	if (tjTransform(h, f->data, f->size, 1, &bytes, &size, &x, TJFLAG_NOREALLOC) != 0)
		return tj_failed(err, h, "turning the picture");
	*ret = finish_frame(STEAL_PTR(bytes), size, is_upright ? info.width : info.height,
	                    is_upright ? info.height : info.width);
	keep_times(*ret, f);
	/* Edges may have been cut. */
	if (jpeg_scan((*ret)->data, (*ret)->size, &info, NULL) == 0) {
		(*ret)->width = info.width;
		(*ret)->height = info.height;
	}
	return 0;
}

/* The smallest of the decoder's own scales that is at least `min_width` wide. */
static tjscalingfactor choose_scale(unsigned width, unsigned min_width)
{
	int n;
	const tjscalingfactor *all = tjGetScalingFactors(&n);
	tjscalingfactor best = { 1, 1 };

	for (int i = 0; min_width > 0 && all && i < n; i++) {
		int w = TJSCALED((int)width, all[i]);

		if (w >= (int)min_width && w < TJSCALED((int)width, best))
			best = all[i];
	}
	return best;
}

/* What is too large to be decoded is refused before memory is taken for it. */
static int scan_bounded(const uint8_t *bytes, size_t size, struct jpeg_info *ret, struct err *err)
{
	int rc = jpeg_scan(bytes, size, ret, err);

	if (rc == 0 && !is_size_fine(ret->width, ret->height))
		rc = err_set(err, -EFBIG, "the picture of %u×%u is too large", ret->width,
		             ret->height);
	return rc;
}

int jpeg_decode(const uint8_t *bytes, size_t size, unsigned min_width, struct jpeg_pixels *ret,
                struct err *err)
{
	struct jpeg_info info;
	int rc = scan_bounded(bytes, size, &info, err);

	if (rc < 0)
		return rc;

	auto_handle tjhandle h = tjInitDecompress();
	tjscalingfactor scale = choose_scale(info.width, min_width);
	unsigned width = (unsigned)TJSCALED((int)info.width, scale);
	unsigned height = (unsigned)TJSCALED((int)info.height, scale);
	auto_free uint8_t *rgbx = mem_grow(NULL, (size_t)width * height, 4);

	if (!h)
		return err_set(err, -ENOMEM, "cannot start the JPEG decoder");
	if (tjDecompress2(h, bytes, size, rgbx, (int)width, (int)width * 4, (int)height, TJPF_RGBX,
	                  TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
		return tj_failed(err, h, "the picture is damaged");
	*ret = (struct jpeg_pixels){ .rgbx = STEAL_PTR(rgbx), .width = width, .height = height };
	return 0;
}

int jpeg_brightness(const uint8_t *bytes, size_t size, double *ret, struct err *err)
{
	const tjscalingfactor eighth = { 1, 8 };
	struct jpeg_info info;
	int rc = scan_bounded(bytes, size, &info, err);

	if (rc < 0)
		return rc;

	auto_handle tjhandle h = tjInitDecompress();
	size_t width = (size_t)TJSCALED((int)info.width, eighth);
	size_t height = (size_t)TJSCALED((int)info.height, eighth);
	auto_free uint8_t *grey = mem_grow(NULL, width, height);
	uint64_t sum = 0;

	if (!h)
		return err_set(err, -ENOMEM, "cannot start the JPEG decoder");
	if (tjDecompress2(h, bytes, size, grey, (int)width, (int)width, (int)height, TJPF_GRAY,
	                  TJFLAG_STOPONWARNING | TJFLAG_LIMITSCANS) != 0)
		return tj_failed(err, h, "the picture is damaged");
	for (size_t i = 0; i < width * height; i++)
		sum += grey[i];
	*ret = (double)sum / (double)(width * height);
	return 0;
}

/* Which pixels become one: from x0, y0 to before x1, y1. */
struct box {
	unsigned x0, x1, y0, y1;
};

static void average(const struct jpeg_pixels *src, const struct box *b, uint8_t *to)
{
	unsigned sum[3] = { 0 }, n = (b->x1 - b->x0) * (b->y1 - b->y0);

	assert(n > 0);
	for (unsigned y = b->y0; y < b->y1; y++) {
		const uint8_t *p = src->rgbx + 4 * ((size_t)y * src->width + b->x0);

		for (unsigned x = b->x0; x < b->x1; x++, p += 4)
			for (int i = 0; i < 3; i++)
				sum[i] += p[i];
	}
	for (int i = 0; i < 3; i++)
		to[i] = (uint8_t)(sum[i] / n);
	to[3] = 0xff;
}

/* For factors below two, which the decoder's scaling leaves. */
static uint8_t *shrink_rgbx(const struct jpeg_pixels *src, unsigned width, unsigned height)
{
	uint8_t *dst = mem_grow(NULL, (size_t)width * height, 4);

	for (unsigned y = 0; y < height; y++) {
		struct box b = { .y0 = (unsigned)((uint64_t)y * src->height / height) };

		b.y1 = MAX(b.y0 + 1, (unsigned)((uint64_t)(y + 1) * src->height / height));
		for (unsigned x = 0; x < width; x++) {
			b.x0 = (unsigned)((uint64_t)x * src->width / width);
			b.x1 = MAX(b.x0 + 1, (unsigned)((uint64_t)(x + 1) * src->width / width));
			average(src, &b, dst + 4 * ((size_t)y * width + x));
		}
	}
	return dst;
}

int jpeg_shrink(struct frame *f, unsigned width, int quality, struct frame **ret, struct err *err)
{
	struct jpeg_info info;
	int rc = jpeg_scan(f->data, f->size, &info, err);

	if (rc < 0)
		return rc;
	assert(info.width > 0 && info.height > 0);
	if (info.width <= width || width == 0) {
		*ret = frame_ref(f);
		return 0;
	}

	struct jpeg_pixels src = { 0 };

	rc = jpeg_decode(f->data, f->size, width, &src, err);
	if (rc < 0)
		return rc;
	assert(src.rgbx);

	unsigned height =
		MAX(1U, (unsigned)(((uint64_t)info.height * width + info.width / 2) / info.width));
	auto_free uint8_t *small = shrink_rgbx(&src, width, height);

	jpeg_pixels_fini(&src);
	rc = jpeg_encode_rgbx(small, width, height, quality, ret, err);
	if (rc < 0)
		return rc;
	keep_times(*ret, f);
	return 0;
}
