/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/encoder.h"

#include "av/mp4.h"
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <math.h>

struct encoder {
	AVCodecContext *codec;
	AVPacket *packet;
	struct encoder_sink sink;
};

static int av_fail(struct err *err, int rc, const char *what)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	(void)av_strerror(rc, text, sizeof(text));
	/* Not -EIO: that is said of the disk, which may come back. */
	return err_set(err, rc == AVERROR(ENOMEM) ? -ENOMEM : -EPROTO, "%s: %s", what, text);
}

static void apply(AVCodecContext *c, const struct encoder_settings *s)
{
	int rate = (int)lround(s->fps * MP4_TICKS);

	c->width = (int)s->width;
	c->height = (int)s->height;
	c->pix_fmt = AV_PIX_FMT_YUV420P;
	c->time_base = (AVRational){ MP4_TICKS, rate };
	c->framerate = (AVRational){ rate, MP4_TICKS };
	c->gop_size = (int)s->group;
	c->thread_count = (int)s->threads;
	c->color_range = AVCOL_RANGE_MPEG;
	c->colorspace = AVCOL_SPC_BT709;
	c->color_primaries = AVCOL_PRI_BT709;
	c->color_trc = AVCOL_TRC_BT709;
	c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
	(void)av_opt_set(c->priv_data, "preset", s->preset, 0);
	(void)av_opt_set(c->priv_data, "profile", "high", 0);
	(void)av_opt_set_double(c->priv_data, "crf", s->crf, 0);
	/* Each frame that x264 looks ahead costs 8 MB at 1080p; on noisy pictures of a print these
	 * values take 115 MB instead of 195 and make a film of 1.09 times the size. */
	(void)av_opt_set(c->priv_data, "x264-params", ENCODER_X264, 0);
}

int encoder_new(const struct encoder_settings *s, const struct encoder_sink *sink,
                struct encoder **ret, struct err *err)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");

	if (!codec)
		return err_set(err, -ENOTSUP, "the installed libavcodec has no libx264");

	struct encoder *e = MEM_NEW(struct encoder);

	e->sink = *sink;
	e->codec = avcodec_alloc_context3(codec);
	e->packet = av_packet_alloc();
	apply(e->codec, s);

	int rc = avcodec_open2(e->codec, codec, NULL);

	if (rc < 0) {
		encoder_free(e);
		return av_fail(err, rc, "opening the H.264 encoder");
	}
	*ret = e;
	return 0;
}

void encoder_free(struct encoder *e)
{
	if (!e)
		return;
	avcodec_free_context(&e->codec);
	av_packet_free(&e->packet);
	free(e);
}

int encoder_avcc(const struct encoder *e, struct buf *ret, struct err *err)
{
	if (e->codec->extradata_size <= 0 ||
	    !mp4_avcc(ret, e->codec->extradata, (size_t)e->codec->extradata_size))
		return err_set(err, -EPROTO, "the H.264 encoder gave no parameter sets");
	return 0;
}

static int drain(struct encoder *e, struct err *err)
{
	for (;;) {
		int rc = avcodec_receive_packet(e->codec, e->packet);

		if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
			return 0;
		if (rc < 0)
			return av_fail(err, rc, "encoding");
		rc = e->sink.out(e->sink.arg, e->packet->data, (size_t)e->packet->size,
		                 e->packet->pts, e->packet->flags & AV_PKT_FLAG_KEY, err);
		av_packet_unref(e->packet);
		if (rc < 0)
			return rc;
	}
}

int encoder_add(struct encoder *e, struct AVFrame *f, int64_t number, struct err *err)
{
	f->pts = number;
	f->pict_type = AV_PICTURE_TYPE_NONE;

	int rc = avcodec_send_frame(e->codec, f);

	av_frame_free(&f);
	if (rc < 0)
		return av_fail(err, rc, "encoding");
	return drain(e, err);
}

int encoder_end(struct encoder *e, struct err *err)
{
	int rc = avcodec_send_frame(e->codec, NULL);

	if (rc < 0 && rc != AVERROR_EOF)
		return av_fail(err, rc, "ending the encoder");
	return drain(e, err);
}
