/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/camera.h"

#include "av/lent.h"
#include "av/still.h"
#include "av/talk.h"
#include "av/timeline.h"
#include "av/unit.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "core/log.h"
#include "core/sandbox.h"
#include "media/frame.h"
#include "media/h264.h"
#include "model/json.h"

#include <errno.h>
#include <libavformat/avformat.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_PADDING 64
#define GOODBYE_US 500000 /* for TEARDOWN */
#define MAX_LOGIN 127     /* libavformat's room for user and password */

struct run {
	AVFormatContext *in;
	int stream;
	bool is_h265, is_mjpeg;
	int quality;
	int64_t stall_us;
	atomic_llong deadline_us; /* read inside libavformat's waiting */

	struct unit unit;
	struct timeline timeline;
	struct still *still;
	struct still_wish wish;
	uint8_t *sets; /* parameter sets of the session description, Annex B */
	size_t sets_size;
	bool has_begun; /* a key frame has come */

	/* one-word flags, set by the listener */
	atomic_uint demand_milli;
	atomic_llong still_us;
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int fail(enum av_failure why, const char *text)
{
	char line[AV_MAX_TEXT];

	text_copy(line, sizeof(line), text);
	log_redact(line, sizeof(line));
	talk_send(&(struct av_message){ .type = AV_FAILED, .number = why, .size = strlen(line) },
	          line);
	return 1;
}

/* ---- what the daemon says ---- */

static void *listen_to_daemon(void *arg)
{
	struct run *r = arg;
	struct av_parser p = { 0 };
	struct av_message m;

	while (talk_receive(&p, &m)) {
		if (m.type == AV_DEMAND)
			atomic_store(&r->demand_milli, m.number);
		else if (m.type == AV_STILL)
			atomic_store(&r->still_us, MAX(m.arrived_us, (int64_t)1));
		free(m.payload);
	}
	_exit(0);
}

static void take_wishes(struct run *r)
{
	long long still_us = atomic_exchange(&r->still_us, 0);

	r->wish.per_second = atomic_load(&r->demand_milli) / 1000.0;
	if (still_us > 0)
		r->wish.not_before_us = still_us;
}

/* ---- what goes to the daemon ---- */

static void send_picture(void *arg UNUSED, struct frame *jpeg)
{
	struct av_message m = { .type = AV_PICTURE,
		                .arrived_us = jpeg->arrived_us,
		                .size = jpeg->size };

	if (jpeg->size <= AV_MAX_PICTURE)
		talk_send(&m, jpeg->data);
	frame_unref(jpeg);
}

/* A camera that describes itself in the session only: decoders want the sets in front of a key. */
static void add_sets(struct run *r)
{
	struct video_params p = { .is_h265 = r->is_h265 };

	(void)video_params_take(&p, (const uint8_t *)r->unit.bytes.data, r->unit.bytes.size);
	if (p.is_complete || r->sets_size == 0)
		return;

	struct buf *b = &r->unit.bytes;
	size_t had = b->size;

	if (!buf_reserve(b, r->sets_size))
		return;
	buf_grew(b, r->sets_size);
	memmove(b->data + r->sets_size, b->data, had);
	memcpy(b->data, r->sets, r->sets_size);
}

static int64_t camera_time(const struct run *r)
{
	AVRational base = r->in->streams[r->stream]->time_base;

	return r->unit.time == UNIT_NO_TIME
	               ? TIMELINE_NONE
	               : av_rescale_q(r->unit.time, base, (AVRational){ 1, 1000000 });
}

static int send_unit(struct run *r)
{
	struct unit *u = &r->unit;
	struct err err = { 0 };
	struct av_message m = { .type = AV_PACKET, .arrived_us = u->arrived_us };

	if (u->is_too_long || !u->has_picture)
		return 0;

	bool is_key = video_is_key((const uint8_t *)u->bytes.data, u->bytes.size, r->is_h265);

	if (is_key)
		add_sets(r);
	r->has_begun |= is_key;
	if (!r->has_begun)
		return 0;
	timeline_stamp(&r->timeline, camera_time(r), u->arrived_us, &m.pts_us, &m.dts_us);
	m.flags = (is_key ? AV_FLAG_KEY : 0U) | (r->is_h265 ? AV_FLAG_H265 : 0U);
	m.size = u->bytes.size;
	talk_send(&m, u->bytes.data);
	take_wishes(r);

	struct still_packet p = { .bytes = (const uint8_t *)u->bytes.data,
		                  .size = u->bytes.size,
		                  .arrived_us = u->arrived_us,
		                  .is_key = is_key };

	if (still_put(r->still, &p, &r->wish, &err) < 0)
		return fail(AV_FAILURE_FORMAT, err.text);
	return 0;
}

/* Motion JPEG comes as whole pictures, behind which a few bytes may stand. */
static void send_jpeg(const AVPacket *p, int64_t arrived_us)
{
	struct av_message m = { .type = AV_PICTURE,
		                .arrived_us = arrived_us,
		                .size = (size_t)p->size };

	/* The end of a picture cannot stand inside it; libavformat may have added another one. */
	const uint8_t *tail = p->data + (m.size > MAX_PADDING ? m.size - MAX_PADDING : 0);
	const uint8_t *end = memmem(tail, (size_t)(p->data + m.size - tail), "\xff\xd9", 2);

	if (end)
		m.size = (size_t)(end - p->data) + 2;
	if (m.size <= AV_MAX_PICTURE)
		talk_send(&m, p->data);
}

static int take_piece(struct run *r, const AVPacket *p)
{
	int64_t at_us = now_us();
	int64_t time = p->pts == AV_NOPTS_VALUE ? UNIT_NO_TIME : p->pts;
	int rc = 0;

	if (r->is_mjpeg) {
		send_jpeg(p, at_us);
		return 0;
	}
	if (unit_ends_before(&r->unit, p->data, (size_t)p->size, time)) {
		rc = send_unit(r);
		unit_clear(&r->unit);
	}
	unit_add(&r->unit, p->data, (size_t)p->size, time, at_us);
	return rc;
}

/* ---- opening ---- */

static int on_waiting(void *arg)
{
	struct run *r = arg;

	return now_us() > atomic_load(&r->deadline_us);
}

static void escape(char *dst, size_t size, const char *src)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789-._~";
	size_t n = 0;

	for (; *src && n + 4 <= size; src++)
		n += (size_t)snprintf(dst + n, size - n, strchr(plain, *src) ? "%c" : "%%%02X",
		                      (unsigned)(unsigned char)*src);
	dst[n] = '\0';
}

/* rtsp://user:password@host/…, as libavformat wants it. */
static int make_url(char *dst, size_t size, const json_t *order, struct err *err)
{
	const char *url = json_string_value(json_object_get(order, "url"));
	const char *user = json_string_value(json_object_get(order, "user"));
	const char *password = json_string_value(json_object_get(order, "password"));
	char u[400] = "", p[400] = "";
	int n;

	if (!url || !text_starts(url, "rtsp://"))
		return err_set(err, -EINVAL, "that is no RTSP address");
	escape(u, sizeof(u), user ? user : "");
	escape(p, sizeof(p), password ? password : "");
	if (strlen(u) + strlen(p) + 1 > MAX_LOGIN)
		return err_set(err, -EINVAL,
		               "user and password are too long for RTSP: 126 characters at most");
	if (password && password[0]) {
		log_hide(password);
		log_hide(p);
	}
	n = snprintf(dst, size, "rtsp://%s%s%s%s%s", u, p[0] ? ":" : "", p, u[0] ? "@" : "",
	             url + strlen("rtsp://"));
	return n > 0 && (size_t)n < size ? 0 : err_set(err, -EINVAL, "the address is too long");
}

static int say_open_failed(int rc)
{
	switch (rc) {
	case AVERROR_HTTP_UNAUTHORIZED:
	case AVERROR_HTTP_FORBIDDEN:
		return fail(AV_FAILURE_LOGIN, "it refuses user name and password");
	case AVERROR_HTTP_NOT_FOUND:
		return fail(AV_FAILURE_MISSING, "it has no stream of this path");
	case AVERROR_EXIT:
		return fail(AV_FAILURE_STALL, "it accepts the connection, but does not answer");
	case AVERROR(EPROTONOSUPPORT): /* 461 to each transport that was asked for */
		return fail(
			AV_FAILURE_FORMAT,
			"it refuses to send its video over TCP; switch on \"RTP over RTSP\" (TCP, "
			"interleaved) in its settings: UDP is not spoken here");
	default:
		return fail(rc == AVERROR_EOF ? AV_FAILURE_ENDED : AV_FAILURE_OTHER,
		            rc == AVERROR_EOF ? "it closed the connection"
		                              : "it does not speak RTSP as it should");
	}
}

static int find_stream(struct run *r)
{
	const char *name = "no video";

	for (unsigned i = 0; i < r->in->nb_streams; i++) {
		const AVCodecParameters *c = r->in->streams[i]->codecpar;

		if (c->codec_type != AVMEDIA_TYPE_VIDEO)
			continue;
		name = avcodec_get_name(c->codec_id);
		r->stream = (int)i;
		r->is_h265 = c->codec_id == AV_CODEC_ID_HEVC;
		r->is_mjpeg = c->codec_id == AV_CODEC_ID_MJPEG;
		if (!r->is_h265 && !r->is_mjpeg && c->codec_id != AV_CODEC_ID_H264)
			continue;
		if (c->extradata_size > 0 && !r->is_mjpeg) {
			r->sets = mem_dup(c->extradata, (size_t)c->extradata_size);
			r->sets_size = (size_t)c->extradata_size;
		}
		return 0;
	}

	char text[200];

	(void)snprintf(text, sizeof(text),
	               "it sends %s; set the camera to H.264, H.265 or Motion JPEG", name);
	return fail(AV_FAILURE_FORMAT, text);
}

static int open_camera(struct run *r, const char *url)
{
	AVDictionary *o = NULL;
	int rc;

	r->in = avformat_alloc_context();
	if (!r->in)
		abort();
	r->in->interrupt_callback = (AVIOInterruptCB){ on_waiting, r };
	/* Pieces as they come: see av/unit.h. */
	r->in->flags |= AVFMT_FLAG_NOPARSE | AVFMT_FLAG_NOBUFFER;
	av_dict_set(&o, "rtsp_transport", "tcp", 0);
	av_dict_set(&o, "allowed_media_types", "video", 0);
	av_dict_set(&o, "user_agent", "Bedside", 0);
	rc = avformat_open_input(&r->in, url, av_find_input_format("rtsp"), &o);
	av_dict_free(&o);
	return rc < 0 ? say_open_failed(rc) : find_stream(r);
}

static int follow(struct run *r)
{
	AVPacket *p = av_packet_alloc();
	int rc = 0, status = 0;

	talk_says("connected, waiting for the first picture");
	while (status == 0) {
		atomic_store(&r->deadline_us, now_us() + r->stall_us);
		rc = av_read_frame(r->in, p);
		if (rc == AVERROR(EAGAIN))
			continue;
		if (rc < 0)
			break;
		if (p->stream_index == r->stream && p->size > 0)
			status = take_piece(r, p);
		av_packet_unref(p);
	}
	av_packet_free(&p);
	if (status != 0)
		return status;
	if (rc == AVERROR_EXIT)
		return fail(AV_FAILURE_STALL, "it sends nothing any more");
	return fail(AV_FAILURE_ENDED, "it closed the connection");
}

static int enter(struct err *err)
{
	const struct sandbox_rules none = { 0 };
	const struct sandbox_limits limits = { .file_bytes = 1, .n_files = 16 };
	int held = sandbox_enter(&none, err);

	sandbox_limit(&limits);
	return held;
}

static json_t *wait_for_order(void)
{
	struct av_parser p = { 0 };
	struct av_message m;
	json_t *order = NULL;

	if (!talk_receive(&p, &m))
		return NULL;
	if (m.type == AV_OPEN)
		order = json_loadb((const char *)m.payload, m.size, 0, NULL);
	free(m.payload);
	return order;
}

static int64_t number(const json_t *order, const char *key, int64_t min, int64_t max)
{
	json_int_t v = json_integer_value(json_object_get(order, key));

	return v < min ? min : MIN((int64_t)v, max);
}

int camera_run(bool is_open)
{
	struct run r = { 0 };
	struct err err = { 0 };
	char url[2048];
	pthread_t listener;
	json_t *order;

	if (!is_open && enter(&err) < 0)
		return fail(AV_FAILURE_OTHER, err.text);
	order = wait_for_order();
	if (!order)
		return fail(AV_FAILURE_OTHER, "bedside-av was not told what to open");
	r.quality = (int)number(order, "quality", 1, 100);
	r.stall_us = number(order, "stall_ms", 1000, 600000) * 1000;
	atomic_store(&r.deadline_us, now_us() + r.stall_us);

	int rc = make_url(url, sizeof(url), order, &err);

	json_decref(order);
	if (rc < 0)
		return fail(AV_FAILURE_OTHER, err.text);
	if (pthread_create(&listener, NULL, listen_to_daemon, &r) != 0)
		return fail(AV_FAILURE_OTHER, "no thread could be started");
	(void)pthread_detach(listener);
	lent_give(LENT_FD);
	rc = open_camera(&r, url);
	secret_wipe(url, sizeof(url));
	/* Not by way of main(), here and below: the listener still looks at `r`. */
	if (rc != 0)
		_exit(rc);
	unit_init(&r.unit, r.is_h265);
	r.still = still_new(r.is_h265, r.quality, send_picture, &r);
	rc = follow(&r);
	atomic_store(&r.deadline_us, now_us() + GOODBYE_US);
	avformat_close_input(&r.in);
	_exit(rc);
}
