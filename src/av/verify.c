/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/verify.h"

#include "av/encode.h"
#include "av/say.h"
#include "base/err.h"
#include "core/crypto.h"
#include "core/log.h"
#include "model/pick.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/pixdesc.h>
#include <sys/stat.h>

struct film_file {
	AVFormatContext *format;
	AVCodecContext *codec;
	AVStream *video;
	AVPacket *packet;
	AVFrame *frame;
	uint32_t n_frames;
};

static int av_fail(struct err *err, int rc, const char *path, const char *what)
{
	char text[AV_ERROR_MAX_STRING_SIZE] = "";

	(void)av_strerror(rc, text, sizeof(text));
	return err_set(err, -EBADMSG, "%s %s: %s", what, path, text);
}

static void film_close(struct film_file *f)
{
	av_frame_free(&f->frame);
	av_packet_free(&f->packet);
	avcodec_free_context(&f->codec);
	avformat_close_input(&f->format);
}

static int film_open(struct film_file *f, const char *path, struct err *err)
{
	int rc = avformat_open_input(&f->format, path, NULL, NULL);
	const AVCodec *codec = NULL;

	if (rc < 0)
		return av_fail(err, rc, path, "opening");
	rc = av_find_best_stream(f->format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
	if (rc < 0)
		return av_fail(err, rc, path, "looking for a film in");
	f->video = f->format->streams[rc];
	f->codec = avcodec_alloc_context3(codec);
	f->packet = av_packet_alloc();
	f->frame = av_frame_alloc();
	f->codec->thread_count = 1;
	f->codec->err_recognition = AV_EF_EXPLODE;
	rc = avcodec_parameters_to_context(f->codec, f->video->codecpar);
	if (rc == 0)
		rc = avcodec_open2(f->codec, codec, NULL);
	return rc < 0 ? av_fail(err, rc, path, "opening the decoder of") : 0;
}

static int count_decoded(struct film_file *f, const char *path, struct err *err)
{
	for (;;) {
		int rc = avcodec_receive_frame(f->codec, f->frame);

		if (rc == AVERROR(EAGAIN) || rc == AVERROR_EOF)
			return 0;
		if (rc < 0)
			return av_fail(err, rc, path, "decoding");
		if (f->frame->decode_error_flags || (f->frame->flags & AV_FRAME_FLAG_CORRUPT))
			return err_set(err, -EBADMSG, "frame %u of %s is broken", f->n_frames + 1,
			               path);
		f->n_frames++;
		av_frame_unref(f->frame);
	}
}

static int send(struct film_file *f, const AVPacket *packet, const char *path, struct err *err)
{
	int rc = avcodec_send_packet(f->codec, packet);

	if (rc < 0 && rc != AVERROR_EOF)
		return av_fail(err, rc, path, "decoding");
	return count_decoded(f, path, err);
}

static int decode_all(struct film_file *f, const char *path, struct err *err)
{
	int rc;

	while ((rc = av_read_frame(f->format, f->packet)) >= 0) {
		int sent = f->packet->stream_index == f->video->index
		                   ? send(f, f->packet, path, err)
		                   : 0;

		av_packet_unref(f->packet);
		if (sent < 0)
			return sent;
	}
	if (rc != AVERROR_EOF)
		return av_fail(err, rc, path, "reading");
	return send(f, NULL, path, err);
}

int verify_run(const char *path, uint32_t n_frames)
{
	struct film_file f = { 0 };
	struct err err = { 0 };
	char digest[CRYPTO_HEX_SIZE];
	int rc = film_open(&f, path, &err);

	if (rc == 0)
		rc = decode_all(&f, path, &err);
	film_close(&f);
	if (rc == 0 && f.n_frames != n_frames)
		rc = err_set(&err, -EBADMSG, "the film has %u frames, but %u were put into it",
		             f.n_frames, n_frames);
	if (rc == 0)
		rc = crypto_sha256_file(path, digest, NULL, &err);
	if (rc < 0)
		return say_failed(&err);
	say(json_pack("{s:s,s:I,s:s}", "type", "verified", "frames", (json_int_t)f.n_frames,
	              "sha256", digest));
	return 0;
}

/* What the journal says about a film that was found made already. */
static void add_seen(json_t *o, const struct encode_order *made_of, uint32_t n_frames)
{
	struct err err = { 0 };
	uint32_t n_seen;

	if (!made_of->session_dir || !made_of->camera)
		return;
	if (encode_count_pictures(made_of, &n_seen, &err) < 0) {
		log_warn(NULL, "%s", err.text);
		return;
	}
	json_object_set_new(o, "seen", json_integer(n_seen));
	json_object_set_new(o, "is_off",
	                    json_boolean(film_pick_is_off(&made_of->plan, n_seen, n_frames)));
}

int verify_probe(const char *path, const struct encode_order *made_of)
{
	struct film_file f = { 0 };
	struct err err = { 0 };
	struct stat st = { 0 };
	int rc = film_open(&f, path, &err);

	/* The kind of pixels stands in the samples only. */
	if (rc == 0 && (rc = avformat_find_stream_info(f.format, NULL)) < 0)
		rc = av_fail(&err, rc, path, "reading");
	if (rc < 0) {
		film_close(&f);
		return say_failed(&err);
	}
	(void)stat(path, &st);

	const AVCodecParameters *p = f.video->codecpar;
	const char *profile = avcodec_profile_name(p->codec_id, p->profile);
	uint32_t n_frames = f.video->nb_frames > 0 ? (uint32_t)f.video->nb_frames : 0;
	const char *pix_fmt = av_get_pix_fmt_name((enum AVPixelFormat)p->format);

	json_t *o = json_pack("{s:s,s:s,s:s,s:s,s:i,s:i,s:f,s:I,s:f,s:I}", "type", "film", "codec",
	                      avcodec_get_name(p->codec_id), "profile", profile ? profile : "",
	                      "pix_fmt", pix_fmt ? pix_fmt : "", "width", p->width, "height",
	                      p->height, "fps", av_q2d(f.video->r_frame_rate), "frames",
	                      (json_int_t)f.video->nb_frames, "duration_s",
	                      (double)f.format->duration / AV_TIME_BASE, "bytes",
	                      (json_int_t)st.st_size);

	add_seen(o, made_of, n_frames);
	say(o);
	film_close(&f);
	return 0;
}
