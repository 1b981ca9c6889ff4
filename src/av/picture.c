/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/picture.h"

#include "av/recolour.h"
#include "base/err.h"
#include "base/mem.h"
#include "core/fs.h"
#include "media/jpeg_scan.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <string.h>

#define MAX_PIXELS (64LL * 1000 * 1000)

struct picture {
	AVCodecContext *codec;
	AVPacket *packet;
	AVFrame *raw;    /* as decoded */
	AVFrame *scaled; /* of the film's size, still with a JPEG's colours */
	AVBufferPool *pool;
	size_t pool_size;
	struct SwsContext *sws;
	unsigned width, height; /* 0: as it comes */
};

static int av_fail(struct err *err, int rc, const char *what)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	(void)av_strerror(rc, text, sizeof(text));
	return err_set(err, -EBADMSG, "%s: %s", what, text);
}

int picture_new(struct picture **ret, struct err *err)
{
	const AVCodec *codec = avcodec_find_decoder(AV_CODEC_ID_MJPEG);

	if (!codec)
		return err_set(err, -ENOTSUP, "the installed libavcodec has no JPEG decoder");

	struct picture *p = MEM_NEW(struct picture);

	p->codec = avcodec_alloc_context3(codec);
	p->packet = av_packet_alloc();
	p->raw = av_frame_alloc();
	p->codec->thread_count = 1;
	p->codec->err_recognition = AV_EF_EXPLODE | AV_EF_BITSTREAM;
	p->codec->max_pixels = MAX_PIXELS;

	int rc = avcodec_open2(p->codec, codec, NULL);

	if (rc < 0) {
		picture_free(p);
		return av_fail(err, rc, "opening the JPEG decoder");
	}
	*ret = p;
	return 0;
}

void picture_free(struct picture *p)
{
	if (!p)
		return;
	avcodec_free_context(&p->codec);
	av_packet_free(&p->packet);
	av_frame_free(&p->raw);
	av_frame_free(&p->scaled);
	av_buffer_pool_uninit(&p->pool);
	sws_freeContext(p->sws);
	free(p);
}

void picture_set_size(struct picture *p, unsigned width, unsigned height)
{
	p->width = width;
	p->height = height;
	av_frame_free(&p->scaled);
	av_buffer_pool_uninit(&p->pool);
}

static int decode_raw(struct picture *p, const uint8_t *bytes, size_t size, struct err *err)
{
	struct jpeg_info info;
	int rc = jpeg_scan(bytes, size, &info, err);

	/* The decoder itself paints grey over what a truncated one lacks. */
	if (rc < 0)
		return rc;
	if (size > INT32_MAX)
		return err_set(err, -EBADMSG, "the picture is too large");
	/* The reader's buffer has no padding: the packet gets a copy that has. */
	rc = av_new_packet(p->packet, (int)size);
	if (rc < 0)
		return err_set(err, -ENOMEM, "no memory for a picture");
	memcpy(p->packet->data, bytes, size);
	rc = avcodec_send_packet(p->codec, p->packet);
	av_packet_unref(p->packet);
	if (rc == 0)
		rc = avcodec_receive_frame(p->codec, p->raw);
	if (rc < 0) {
		avcodec_flush_buffers(p->codec);
		return av_fail(err, rc, "decoding a picture");
	}
	if (p->raw->decode_error_flags || (p->raw->flags & AV_FRAME_FLAG_CORRUPT) ||
	    p->raw->width < 2 || p->raw->height < 2)
		return err_set(err, -EBADMSG, "the picture is broken");
	return 0;
}

static AVFrame *frame_alloc(enum AVPixelFormat format, unsigned width, unsigned height)
{
	AVFrame *f = av_frame_alloc();

	if (!f)
		return NULL;
	f->format = format;
	f->width = (int)width;
	f->height = (int)height;
	if (av_frame_get_buffer(f, 0) < 0)
		av_frame_free(&f);
	return f;
}

static void paint_black(AVFrame *f)
{
	size_t h = (size_t)f->height;

	memset(f->data[0], 0, (size_t)f->linesize[0] * h);
	memset(f->data[1], 128, (size_t)f->linesize[1] * (h / 2));
	memset(f->data[2], 128, (size_t)f->linesize[2] * (h / 2));
}

/* The largest box of the picture's shape inside the film; all even. */
static void fit(const AVFrame *raw, unsigned width, unsigned height, unsigned *w, unsigned *h)
{
	uint64_t raw_w = (uint64_t)raw->width, raw_h = (uint64_t)raw->height;

	*w = width;
	*h = (unsigned)((raw_h * width + raw_w / 2) / raw_w);
	if (*h > height) {
		*h = height;
		*w = (unsigned)((raw_w * height + raw_h / 2) / raw_h);
	}
	*w = (*w + 1) & ~1U;
	*h = (*h + 1) & ~1U;
	*w = *w < 2 ? 2 : *w > width ? width : *w;
	*h = *h < 2 ? 2 : *h > height ? height : *h;
}

/* The old names of full-range formats make swscale warn at each picture. */
static enum AVPixelFormat plain_format(int format)
{
	switch (format) {
	case AV_PIX_FMT_YUVJ420P:
		return AV_PIX_FMT_YUV420P;
	case AV_PIX_FMT_YUVJ422P:
		return AV_PIX_FMT_YUV422P;
	case AV_PIX_FMT_YUVJ440P:
		return AV_PIX_FMT_YUV440P;
	case AV_PIX_FMT_YUVJ444P:
		return AV_PIX_FMT_YUV444P;
	case AV_PIX_FMT_YUVJ411P:
		return AV_PIX_FMT_YUV411P;
	default:
		return (enum AVPixelFormat)format;
	}
}

/* raw as full-range 4:2:0 of w x h in the middle of `to`. */
static int scale(struct picture *p, AVFrame *to, unsigned w, unsigned h, struct err *err)
{
	const AVFrame *raw = p->raw;
	size_t x = ((size_t)to->width - w) / 4 * 2, y = ((size_t)to->height - h) / 4 * 2;
	const int *coefs = sws_getCoefficients(SWS_CS_ITU601);
	uint8_t *planes[4] = {
		to->data[0] + y * (size_t)to->linesize[0] + x,
		to->data[1] + y / 2 * (size_t)to->linesize[1] + x / 2,
		to->data[2] + y / 2 * (size_t)to->linesize[2] + x / 2,
	};

	p->sws = sws_getCachedContext(p->sws, raw->width, raw->height, plain_format(raw->format),
	                              (int)w, (int)h, AV_PIX_FMT_YUV420P, SWS_BICUBIC, NULL, NULL,
	                              NULL);
	if (!p->sws)
		return err_set(err, -EBADMSG, "a picture of a kind that cannot be scaled");
	(void)sws_setColorspaceDetails(p->sws, coefs, 1, coefs, 1, 0, 1 << 16, 1 << 16);
	if (sws_scale(p->sws, (const uint8_t *const *)raw->data, raw->linesize, 0, raw->height,
	              planes, to->linesize) < 0)
		return err_set(err, -EBADMSG, "scaling a picture failed");
	return 0;
}

/* The decoded picture as JPEG-coloured 4:2:0 of the film's size, borrowed. */
static int bring_to_size(struct picture *p, unsigned width, unsigned height, const AVFrame **ret,
                         struct err *err)
{
	unsigned w, h;

	if (plain_format(p->raw->format) == AV_PIX_FMT_YUV420P &&
	    (unsigned)(p->raw->width & ~1) == width && (unsigned)(p->raw->height & ~1) == height) {
		*ret = p->raw;
		return 0;
	}
	if (!p->scaled)
		p->scaled = frame_alloc(AV_PIX_FMT_YUV420P, width, height);
	if (!p->scaled)
		return err_set(err, -ENOMEM, "no memory for a picture");
	fit(p->raw, width, height, &w, &h);
	if (w != width || h != height)
		paint_black(p->scaled);
	*ret = p->scaled;
	return scale(p, p->scaled, w, h, err);
}

/* Frames come from a pool: the encoder gives them back when it no longer needs them. */
static AVFrame *film_frame(struct picture *p, int width, int height)
{
	size_t size = (size_t)av_image_get_buffer_size(AV_PIX_FMT_YUV420P, width, height, 64);
	AVFrame *f = av_frame_alloc();

	if (p->pool_size != size)
		av_buffer_pool_uninit(&p->pool);
	if (!p->pool)
		p->pool = av_buffer_pool_init(size + 64, NULL);
	p->pool_size = size;
	if (!f || !p->pool || !(f->buf[0] = av_buffer_pool_get(p->pool))) {
		av_frame_free(&f);
		return NULL;
	}
	f->format = AV_PIX_FMT_YUV420P;
	f->width = width;
	f->height = height;
	(void)av_image_fill_arrays(f->data, f->linesize, f->buf[0]->data, AV_PIX_FMT_YUV420P, width,
	                           height, 64);
	return f;
}

int picture_decode(struct picture *p, const uint8_t *bytes, size_t size, struct AVFrame **ret,
                   struct err *err)
{
	const AVFrame *from = NULL;
	int rc = decode_raw(p, bytes, size, err);

	if (rc < 0)
		return rc;

	unsigned width = p->width ? p->width : (unsigned)p->raw->width & ~1U;
	unsigned height = p->height ? p->height : (unsigned)p->raw->height & ~1U;

	rc = bring_to_size(p, width, height, &from, err);
	if (rc < 0)
		return rc;

	AVFrame *f = film_frame(p, (int)width, (int)height);

	if (!f)
		return err_set(err, -ENOMEM, "no memory for a picture");

	struct recolour_planes planes = { .width = width, .height = height };

	for (int i = 0; i < 3; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): never null here */
		planes.from[i] = from->data[i];
		planes.from_stride[i] = (size_t)from->linesize[i];
		planes.to[i] = f->data[i];
		planes.to_stride[i] = (size_t)f->linesize[i];
	}
	recolour_420(&planes);
	f->color_range = AVCOL_RANGE_MPEG;
	f->colorspace = AVCOL_SPC_BT709;
	f->color_primaries = AVCOL_PRI_BT709;
	f->color_trc = AVCOL_TRC_BT709;
	av_frame_unref(p->raw);
	*ret = f;
	return 0;
}

static int write_jpeg(AVFrame *f, const char *path, struct err *err)
{
	const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	AVPacket *packet = av_packet_alloc();

	if (!c || !packet) {
		av_packet_free(&packet);
		return err_set(err, -ENOTSUP, "the installed libavcodec has no JPEG encoder");
	}
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): never null here */
	c->width = f->width;
	c->height = f->height;
	c->pix_fmt = AV_PIX_FMT_YUVJ420P;
	c->time_base = (AVRational){ 1, 25 };
	c->flags |= AV_CODEC_FLAG_QSCALE;
	c->global_quality = 5 * FF_QP2LAMBDA;
	c->thread_count = 1;
	f->format = AV_PIX_FMT_YUVJ420P;
	f->quality = c->global_quality;
	f->color_range = AVCOL_RANGE_JPEG;

	int rc = avcodec_open2(c, codec, NULL);

	if (rc == 0)
		rc = avcodec_send_frame(c, f);
	if (rc == 0)
		rc = avcodec_receive_packet(c, packet);
	if (rc < 0)
		rc = av_fail(err, rc, "making the poster");
	else
		rc = fs_write_atomic(path, packet->data, (size_t)packet->size, 0600, err);
	av_packet_free(&packet);
	avcodec_free_context(&c);
	return rc;
}

int picture_poster(const uint8_t *bytes, size_t size, unsigned width, const char *path,
                   struct err *err)
{
	struct picture *p;
	AVFrame *poster = NULL;
	int rc = picture_new(&p, err);

	if (rc < 0)
		return rc;
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): set whenever 0 was returned */
	rc = decode_raw(p, bytes, size, err);
	if (rc == 0) {
		unsigned w = MIN(width, (unsigned)p->raw->width) & ~1U, h;

		fit(p->raw, w, PICTURE_MAX_SIDE, &w, &h);
		poster = frame_alloc(AV_PIX_FMT_YUV420P, w, h);
		rc = poster ? scale(p, poster, w, h, err)
		            : err_set(err, -ENOMEM, "no memory for the poster");
	}
	if (rc == 0)
		rc = write_jpeg(poster, path, err);
	av_frame_free(&poster);
	picture_free(p);
	return rc;
}
