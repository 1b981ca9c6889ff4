/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/rtsp.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "media/av_message.h"
#include "media/frame.h"
#include "media/rtp.h"
#include "printers/sim/cam.h"
#include "printers/sim/engine.h"
#include "wire/relay.h"
#include "wire/rtsp_codec.h"
#include "wire/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_VIEWERS 4
#define REALM "Bambu"
#define PATH "/streaming/live/1"
#define PAYLOAD_TYPE 96
/* Real ones begin a group every second or two. */
#define KEY_EVERY_US 2000000
/* A viewer that has this much waiting gets nothing until the next key frame. */
#define MAX_WAITING ((size_t)2 << 20)

struct viewer {
	struct sim_rtsp *rtsp;
	struct stream *stream;
	struct buf in;
	char nonce[33], session[17];
	struct rtp_stream rtp;
	bool is_set_up, is_playing, has_begun, is_gone;
};

struct sim_rtsp {
	struct sim_rtsp_config c;
	struct viewer *viewers[MAX_VIEWERS];
	struct timer sweep;
	struct proc *encoder; /* runs while somebody plays */
	struct stream *talk;
	struct av_parser parser;
	int64_t key_us; /* when the newest key frame was asked for */
	bool wants_key;
};

/* ---- the encoder ---- */

static void encoder_stop(struct sim_rtsp *r)
{
	sim_cam_set_sink(r->c.cam, NULL, NULL);
	proc_free(r->encoder);
	stream_free(r->talk);
	av_parser_fini(&r->parser);
	r->encoder = NULL;
	r->talk = NULL;
}

static void on_picture(void *arg, const struct frame *f)
{
	struct sim_rtsp *r = arg;
	int64_t now_us = loop_now_us(r->c.loop);
	uint8_t head[AV_HEAD_SIZE];
	struct av_message m = { .type = AV_FEED, .arrived_us = now_us, .size = f->size };

	if (!r->talk || stream_queued(r->talk) > MAX_WAITING)
		return;
	if (r->wants_key || now_us - r->key_us >= KEY_EVERY_US) {
		m.flags = AV_FLAG_KEY;
		r->key_us = now_us;
		r->wants_key = false;
	}
	av_message_head(head, &m);
	stream_write(r->talk, head, sizeof(head));
	stream_write(r->talk, f->data, f->size);
}

static void send_unit(struct viewer *v, const struct av_message *m)
{
	struct buf out = { 0 };
	bool is_frozen = sim_engine_has_fault(v->rtsp->c.engine, SIM_FAULT_CAMERA_CLOCK);

	if (stream_queued(v->stream) > MAX_WAITING)
		v->has_begun = false;
	v->has_begun |= m->flags & AV_FLAG_KEY;
	if (!v->is_playing || !v->has_begun || v->is_gone)
		return;
	rtp_write_h264(&out, &v->rtp, m->payload, m->size,
	               is_frozen ? 0 : (uint32_t)(m->arrived_us * 9 / 100));
	stream_write(v->stream, out.data, out.size);
	buf_fini(&out);
}

static void on_talk(void *arg, const uint8_t *bytes, size_t size)
{
	struct sim_rtsp *r = arg;
	struct av_message m;
	int rc;

	while ((rc = av_parse(&r->parser, &bytes, &size, &m, NULL)) == 1) {
		for (size_t i = 0; i < MAX_VIEWERS; i++)
			if (m.type == AV_PACKET && r->viewers[i])
				send_unit(r->viewers[i], &m);
		free(m.payload);
	}
	if (rc < 0)
		stream_pause_reading(r->talk, true);
}

static void on_talk_ended(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
	log_warn(NULL, "simulated printer: bedside-av ended, the camera shows nothing");
}

static int encoder_start(struct sim_rtsp *r, struct err *err)
{
	const char *argv[] = { r->c.av_program, "feed", "--die-with-parent", NULL };
	auto_fd int fd = -1;
	int rc = relay_pair(r->c.loop, "bedside-av", &r->talk, &fd, err);

	if (rc < 0)
		return rc;
	r->talk->max_queued = 2 * AV_MAX_PICTURE;
	stream_listen(r->talk, &(struct stream_events){
				       .received = on_talk, .closed = on_talk_ended, .arg = r });
	rc = proc_start(r->c.loop,
	                &(struct proc_config){ .argv = argv, .fds = &fd, .n_fds = 1, .arg = r },
	                &r->encoder, err);
	if (rc < 0)
		return rc;
	sim_cam_set_sink(r->c.cam, on_picture, r);
	return 0;
}

static void encoder_update(struct sim_rtsp *r)
{
	bool is_wanted = false;
	struct err err;

	for (size_t i = 0; i < MAX_VIEWERS; i++)
		is_wanted |= r->viewers[i] && r->viewers[i]->is_playing && !r->viewers[i]->is_gone;
	if (!is_wanted && r->talk)
		encoder_stop(r);
	if (is_wanted && !r->talk && encoder_start(r, &err) < 0)
		log_warn(NULL, "simulated printer: %s", err.text);
}

/* ---- viewers ---- */

static void viewers_sweep(void *arg)
{
	struct sim_rtsp *r = arg;

	for (size_t i = 0; i < MAX_VIEWERS; i++) {
		struct viewer *v = r->viewers[i];

		if (!v || !v->is_gone)
			continue;
		stream_free(v->stream);
		buf_fini(&v->in);
		free(v);
		r->viewers[i] = NULL;
	}
	encoder_update(r);
}

static void viewer_drop(struct viewer *v)
{
	v->is_gone = true;
	timer_start(&v->rtsp->sweep, 0);
}

static void reply(struct viewer *v, const struct rtsp_request *q, const char *status,
                  const char *headers, const char *body)
{
	struct buf out = { 0 };

	buf_printf(&out, "RTSP/1.0 %s\r\nCSeq: %u\r\n%s", status, q->cseq, headers);
	if (body)
		buf_printf(&out, "Content-Type: application/sdp\r\nContent-Length: %zu\r\n",
		           strlen(body));
	buf_add_str(&out, "\r\n");
	if (body)
		buf_add_str(&out, body);
	stream_write(v->stream, out.data, out.size);
	buf_fini(&out);
}

static bool is_right(const struct viewer *v, const struct rtsp_request *q)
{
	const struct rtsp_login login = { "bblp", sim_engine_code(v->rtsp->c.engine), REALM,
		                          v->nonce };

	return rtsp_digest_is_right(q, &login);
}

static void on_describe(struct viewer *v, const struct rtsp_request *q)
{
	char base[640];

	if (!strstr(q->uri, PATH)) {
		reply(v, q, "404 Not Found", "", NULL);
		return;
	}
	(void)snprintf(base, sizeof(base), "Content-Base: %s/\r\n", q->uri);
	reply(v, q, "200 OK", base,
	      "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=Bambu\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
	      "a=control:*\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
	      "a=fmtp:96 packetization-mode=1\r\na=control:track1\r\n");
}

static void on_setup(struct viewer *v, const struct rtsp_request *q)
{
	char headers[200], channels[24];
	uint64_t channel = 0;

	if (!strstr(q->transport, "RTP/AVP/TCP")) {
		reply(v, q, "461 Unsupported Transport", "", NULL);
		return;
	}
	if (rtsp_param(q->transport, "interleaved", channels, sizeof(channels))) {
		channels[strcspn(channels, "-")] = '\0';
		(void)text_to_u64(channels, 10, &channel);
	}
	v->rtp.channel = (uint8_t)channel;
	v->rtp.payload_type = PAYLOAD_TYPE;
	crypto_random(&v->rtp.ssrc, sizeof(v->rtp.ssrc));
	v->is_set_up = true;
	(void)snprintf(headers, sizeof(headers),
	               "Transport: RTP/AVP/TCP;unicast;interleaved=%u-%u\r\nSession: "
	               "%s;timeout=60\r\n",
	               v->rtp.channel, v->rtp.channel + 1U, v->session);
	reply(v, q, "200 OK", headers, NULL);
}

static void on_play(struct viewer *v, const struct rtsp_request *q)
{
	char headers[80];

	if (!v->is_set_up) {
		reply(v, q, "455 Method Not Valid in This State", "", NULL);
		return;
	}
	(void)snprintf(headers, sizeof(headers), "Session: %s\r\nRange: npt=0.000-\r\n",
	               v->session);
	reply(v, q, "200 OK", headers, NULL);
	v->is_playing = true;
	v->rtsp->wants_key = true;
	encoder_update(v->rtsp);
}

static void on_request(struct viewer *v, const struct rtsp_request *q)
{
	char headers[160];

	if (strcmp(q->method, "OPTIONS") == 0) {
		reply(v, q, "200 OK",
		      "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n", NULL);
	} else if (!is_right(v, q)) {
		(void)snprintf(headers, sizeof(headers),
		               "WWW-Authenticate: Digest realm=\"%s\", nonce=\"%s\"\r\n", REALM,
		               v->nonce);
		reply(v, q, "401 Unauthorized", headers, NULL);
	} else if (strcmp(q->method, "DESCRIBE") == 0) {
		on_describe(v, q);
	} else if (strcmp(q->method, "SETUP") == 0) {
		on_setup(v, q);
	} else if (strcmp(q->method, "PLAY") == 0) {
		on_play(v, q);
	} else if (strcmp(q->method, "GET_PARAMETER") == 0) {
		reply(v, q, "200 OK", "", NULL);
	} else if (strcmp(q->method, "TEARDOWN") == 0) {
		reply(v, q, "200 OK", "", NULL);
		stream_end(v->stream);
	} else {
		reply(v, q, "405 Method Not Allowed", "", NULL);
	}
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct viewer *v = arg;
	struct rtsp_request q;
	int n = 0;

	if (v->is_gone)
		return;
	buf_add(&v->in, bytes, size);
	while (!v->in.overflown &&
	       (n = rtsp_parse((const uint8_t *)v->in.data, v->in.size, &q)) > 0) {
		if (!q.is_data)
			on_request(v, &q);
		buf_consume(&v->in, (size_t)n);
	}
	if (n < 0 || v->in.overflown)
		viewer_drop(v);
}

static void on_closed(void *arg, const struct err *err)
{
	(void)err;
	viewer_drop(arg);
}

/* ---- life ---- */

struct sim_rtsp *sim_rtsp_new(const struct sim_rtsp_config *c)
{
	struct sim_rtsp *r = MEM_NEW(struct sim_rtsp);

	r->c = *c;
	timer_init(&r->sweep, c->loop, viewers_sweep, r);
	return r;
}

void sim_rtsp_free(struct sim_rtsp *r)
{
	if (!r)
		return;
	sim_rtsp_drop(r);
	viewers_sweep(r);
	timer_stop(&r->sweep);
	free(r);
}

void sim_rtsp_accept(struct sim_rtsp *r, struct stream *s)
{
	uint8_t chance[24];
	size_t i = 0;

	while (i < MAX_VIEWERS && r->viewers[i])
		i++;
	if (i == MAX_VIEWERS) {
		stream_free(s);
		return;
	}

	struct viewer *v = MEM_NEW(struct viewer);

	v->rtsp = r;
	v->stream = s;
	buf_init(&v->in, RTSP_MAX_HEAD + RTSP_MAX_BODY);
	crypto_random(chance, sizeof(chance));
	text_hex(v->nonce, chance, 16);
	text_hex(v->session, chance + 16, 8);
	r->viewers[i] = v;
	stream_listen(s, &(struct stream_events){
				 .received = on_received, .closed = on_closed, .arg = v });
}

void sim_rtsp_drop(struct sim_rtsp *r)
{
	for (size_t i = 0; i < MAX_VIEWERS; i++)
		if (r->viewers[i])
			viewer_drop(r->viewers[i]);
}
