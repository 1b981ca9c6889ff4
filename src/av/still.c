/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/still.h"

#include "base/err.h"
#include "base/mem.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PACKETS 2048
#define MAX_BYTES ((size_t)16 << 20)
#define MAX_SIDE 8192

struct still {
	bool is_h265;
	int quality;
	void (*given)(void *arg, struct frame *jpeg);
	void *arg;

	AVPacket *kept[MAX_PACKETS]; /* since the newest key frame; pts is when it arrived */
	unsigned n_kept;
	size_t n_bytes;

	AVCodecContext *decoder; /* NULL until wanted */
	bool is_decoding;        /* all kept packets have been decoded */
	AVFrame *picture;
	struct SwsContext *scaler;
	uint8_t *rgbx;
	unsigned width, height; /* of rgbx */
	int64_t due_us;         /* the next of the steady run */
};

struct still *still_new(bool is_h265, int quality, void (*given)(void *arg, struct frame *jpeg),
                        void *arg)
{
	struct still *s = MEM_NEW(struct still);

	s->is_h265 = is_h265;
	s->quality = quality;
	s->given = given;
	s->arg = arg;
	s->picture = av_frame_alloc();
	return s;
}

static void forget(struct still *s)
{
	for (unsigned i = 0; i < s->n_kept; i++)
		av_packet_free(&s->kept[i]);
	s->n_kept = 0;
	s->n_bytes = 0;
}

void still_free(struct still *s)
{
	if (!s)
		return;
	forget(s);
	avcodec_free_context(&s->decoder);
	av_frame_free(&s->picture);
	sws_freeContext(s->scaler);
	free(s->rgbx);
	free(s);
}

static void keep(struct still *s, const struct still_packet *p)
{
	AVPacket *copy;

	if (p->is_key)
		forget(s);
	/* Nothing can be decoded before a key frame, nor behind a gap. */
	else if (s->n_kept == 0)
		return;
	if (s->n_kept == MAX_PACKETS || s->n_bytes + p->size > MAX_BYTES) {
		forget(s);
		return;
	}
	copy = av_packet_alloc();
	if (!copy || av_new_packet(copy, (int)p->size) < 0)
		abort();
	memcpy(copy->data, p->bytes, p->size);
	copy->pts = copy->dts = p->arrived_us;
	copy->flags = p->is_key ? AV_PKT_FLAG_KEY : 0;
	s->kept[s->n_kept++] = copy;
	s->n_bytes += p->size;
}

static int open_decoder(struct still *s, struct err *err)
{
	const AVCodec *codec =
		avcodec_find_decoder(s->is_h265 ? AV_CODEC_ID_HEVC : AV_CODEC_ID_H264);

	s->decoder = codec ? avcodec_alloc_context3(codec) : NULL;
	if (!s->decoder)
		return err_set(err, -ENOSYS, "this libavcodec has no decoder for %s",
		               s->is_h265 ? "H.265" : "H.264");
	/* One thread: more would hold pictures back, and a still is to come at once. */
	s->decoder->thread_count = 1;
	s->decoder->flags |= AV_CODEC_FLAG_LOW_DELAY;
	s->decoder->pkt_timebase = (AVRational){ 1, 1000000 };
	s->decoder->max_pixels = (int64_t)MAX_SIDE * MAX_SIDE;
	if (avcodec_open2(s->decoder, codec, NULL) < 0) {
		avcodec_free_context(&s->decoder);
		return err_set(err, -ENOSYS, "the decoder does not start");
	}
	return 0;
}

/* ---- a picture becomes a JPEG ---- */

static bool make_room(struct still *s, const AVFrame *f)
{
	unsigned width = (unsigned)f->width, height = (unsigned)f->height;

	if (width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE)
		return false;
	if (width == s->width && height == s->height)
		return true;
	free(s->rgbx);
	s->rgbx = mem_new_array((size_t)width * height, 4);
	s->width = width;
	s->height = height;
	return true;
}

static bool to_rgbx(struct still *s, const AVFrame *f)
{
	uint8_t *planes[4] = { s->rgbx };
	int strides[4] = { (int)s->width * 4 };
	bool is_full = f->color_range == AVCOL_RANGE_JPEG;
	/* What does not say is BT.709 from 720 lines on, as televisions take it. */
	int matrix = f->colorspace == AVCOL_SPC_UNSPECIFIED
	                     ? (f->height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601)
	                     : (int)f->colorspace;

	s->scaler = sws_getCachedContext(s->scaler, f->width, f->height, f->format, f->width,
	                                 f->height, AV_PIX_FMT_RGB0, SWS_POINT, NULL, NULL, NULL);
	if (!s->scaler)
		return false;
	(void)sws_setColorspaceDetails(s->scaler, sws_getCoefficients(matrix), is_full,
	                               sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
	/* Not the number of lines: libswscale's NEON code answers 0. */
	return sws_scale(s->scaler, (const uint8_t *const *)f->data, f->linesize, 0, f->height,
	                 planes, strides) >= 0;
}

static void give(struct still *s, const AVFrame *f)
{
	struct frame *jpeg;

	if (!make_room(s, f) || !to_rgbx(s, f) ||
	    jpeg_encode_rgbx(s->rgbx, s->width, s->height, s->quality, &jpeg, NULL) < 0)
		return;
	jpeg->arrived_us = f->pts;
	s->given(s->arg, jpeg);
}

static bool is_due(struct still *s, int64_t at_us, struct still_wish *wish)
{
	bool is_one = wish->not_before_us > 0 && at_us >= wish->not_before_us;
	bool is_next = wish->per_second > 0 && at_us >= s->due_us;

	if (is_one)
		wish->not_before_us = 0;
	if (is_next) {
		int64_t step_us = (int64_t)(1e6 / wish->per_second);

		/* A little early is in time: cameras are not exact. */
		s->due_us = MAX(s->due_us + step_us, at_us + step_us / 2);
	}
	return is_one || is_next;
}

static bool wants(const struct still_wish *w)
{
	return w->per_second > 0 || w->not_before_us > 0;
}

static void decode(struct still *s, const AVPacket *p, struct still_wish *wish)
{
	/* Broken packets are passed over: the next key frame mends it. */
	if (avcodec_send_packet(s->decoder, p) < 0)
		return;
	while (avcodec_receive_frame(s->decoder, s->picture) >= 0) {
		bool is_whole = !(s->picture->flags & AV_FRAME_FLAG_CORRUPT) &&
		                s->picture->decode_error_flags == 0;

		if (is_whole && s->picture->pts > 0 && is_due(s, s->picture->pts, wish))
			give(s, s->picture);
		av_frame_unref(s->picture);
	}
}

int still_put(struct still *s, const struct still_packet *p, struct still_wish *wish,
              struct err *err)
{
	keep(s, p);
	if (!wants(wish)) {
		s->is_decoding = false;
		return 0;
	}
	if (s->n_kept == 0)
		return 0;
	if (!s->decoder) {
		int rc = open_decoder(s, err);

		if (rc < 0)
			return rc;
	}
	if (s->is_decoding) {
		decode(s, s->kept[s->n_kept - 1], wish);
		return 0;
	}
	avcodec_flush_buffers(s->decoder);
	s->is_decoding = true;
	/* A run of pictures begins with the newest. */
	s->due_us = p->arrived_us;
	for (unsigned i = 0; i < s->n_kept && wants(wish); i++)
		decode(s, s->kept[i], wish);
	return 0;
}
