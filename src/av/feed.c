/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/feed.h"

#include "av/picture.h"
#include "av/talk.h"
#include "base/err.h"
#include "core/log.h"
#include "core/sandbox.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>

#define CRF "26"
#define GROUP 250

struct feed {
	struct picture *reader;
	AVCodecContext *encoder; /* NULL until the first picture */
	AVPacket *packet;
	int64_t number;
};

static bool open_encoder(struct feed *f, const AVFrame *like)
{
	const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
	AVCodecContext *c;

	avcodec_free_context(&f->encoder);
	if (!codec)
		return false;
	c = avcodec_alloc_context3(codec);
	c->width = like->width;
	c->height = like->height;
	c->pix_fmt = AV_PIX_FMT_YUV420P;
	c->time_base = (AVRational){ 1, 25 };
	c->gop_size = GROUP;
	c->max_b_frames = 0;
	c->thread_count = 1;
	c->color_range = AVCOL_RANGE_MPEG;
	c->colorspace = AVCOL_SPC_BT709;
	c->color_primaries = AVCOL_PRI_BT709;
	c->color_trc = AVCOL_TRC_BT709;
	(void)av_opt_set(c->priv_data, "preset", "superfast", 0);
	(void)av_opt_set(c->priv_data, "tune", "zerolatency", 0);
	(void)av_opt_set(c->priv_data, "profile", "main", 0);
	(void)av_opt_set(c->priv_data, "crf", CRF, 0);
	(void)av_opt_set(c->priv_data, "forced-idr", "1", 0);
	f->encoder = c;
	return avcodec_open2(c, codec, NULL) >= 0;
}

static void send_packets(struct feed *f, int64_t arrived_us)
{
	while (avcodec_receive_packet(f->encoder, f->packet) >= 0) {
		struct av_message m = { .type = AV_PACKET,
			                .flags = f->packet->flags & AV_PKT_FLAG_KEY ? AV_FLAG_KEY
			                                                            : 0U,
			                .arrived_us = arrived_us,
			                .size = (size_t)f->packet->size };

		if (m.size <= AV_MAX_PACKET)
			talk_send(&m, f->packet->data);
		av_packet_unref(f->packet);
	}
}

static bool encode(struct feed *f, const struct av_message *m)
{
	AVFrame *picture;

	if (picture_decode(f->reader, m->payload, m->size, &picture, NULL) < 0)
		return true;
	if ((!f->encoder || f->encoder->width != picture->width ||
	     f->encoder->height != picture->height) &&
	    !open_encoder(f, picture)) {
		av_frame_free(&picture);
		return false;
	}
	picture->pts = f->number++;
	picture->pict_type = m->flags & AV_FLAG_KEY ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
	if (avcodec_send_frame(f->encoder, picture) >= 0)
		send_packets(f, m->arrived_us);
	av_frame_free(&picture);
	return true;
}

int feed_run(bool is_open)
{
	const struct sandbox_rules none = { 0 };
	const struct sandbox_limits limits = { .file_bytes = 1, .n_files = 16 };
	struct feed f = { 0 };
	struct av_parser p = { 0 };
	struct av_message m;
	struct err err = { 0 };
	bool is_fine = true;

	if (!is_open && sandbox_enter(&none, &err) < 0) {
		log_error(NULL, "%s", err.text);
		return 1;
	}
	sandbox_limit(&limits);
	if (picture_new(&f.reader, &err) < 0) {
		log_error(NULL, "%s", err.text);
		return 1;
	}
	f.packet = av_packet_alloc();
	while (is_fine && talk_receive(&p, &m)) {
		if (m.type == AV_FEED)
			is_fine = encode(&f, &m);
		free(m.payload);
	}
	av_parser_fini(&p);
	picture_free(f.reader);
	avcodec_free_context(&f.encoder);
	av_packet_free(&f.packet);
	return is_fine ? 0 : 1;
}
