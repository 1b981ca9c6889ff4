/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtsp: IP cameras by RTSP and RTSPS, and the cameras of Bambu's X1, P2S, X2D and H2 printers
 * (port 322, bambu.md 4.2).
 *
 * The connection is ours: name, TCP, TLS and the certificate's trust, as everywhere. Once it is
 * good it is lent to a bedside-av of its own (wire/relay), which has neither network nor files and
 * speaks RTSP over it; nothing, the login least of all, is sent before. Video comes back packet by
 * packet (media/av_message), JPEGs only while somebody wants them.
 */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/proc.h"
#include "media/av_message.h"
#include "media/frame.h"
#include "model/camera.h"
#include "wire/relay.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"
#include "wire/url.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RTSP_PORT 554
#define RTSPS_PORT 322
#define BAMBU_USER "bblp"
#define BAMBU_PATH "/streaming/live/1"
#define DEFAULT_QUALITY 90
#define DEFAULT_STALL_MS 10000
/* A picture that says it is older has lain about, or lies. */
#define OLDEST_US 30000000

struct rtsp {
	struct camera_source *source;
	bool is_bambu, is_tls;
	char host[256], path[512];
	uint16_t port;

	struct stream *outer; /* until the relay has it */
	struct relay *relay;
	struct stream *talk;
	struct av_parser parser;
	struct proc *worker;
	double fps;     /* pictures a second that are wanted */
	struct err why; /* how the connection ended */
};

static void fail(struct rtsp *r, const struct err *err)
{
	camera_source_failed(r->source, err);
}

/* ---- talking to the worker ---- */

static void tell(struct rtsp *r, const struct av_message *m, const char *payload)
{
	uint8_t head[AV_HEAD_SIZE];

	if (!r->talk)
		return;
	av_message_head(head, m);
	stream_write(r->talk, head, sizeof(head));
	stream_write(r->talk, payload, m->size);
}

static void tell_demand(struct rtsp *r)
{
	tell(r, &(struct av_message){ .type = AV_DEMAND, .number = (uint32_t)(r->fps * 1000) },
	     NULL);
}

static void tell_still(struct rtsp *r)
{
	int64_t wanted_us = camera_source_wanted_us(r->source);
	struct av_message m = { .type = AV_STILL };

	if (wanted_us == INT64_MAX)
		return;
	m.arrived_us = MAX(wanted_us + camera_source_config(r->source)->latency_us, (int64_t)1);
	tell(r, &m, NULL);
}

static void tell_open(struct rtsp *r)
{
	const struct camera_config *c = camera_source_config(r->source);
	const char *user = r->is_bambu ? BAMBU_USER : c->user;
	auto_free char *url =
		mem_printf(strchr(r->host, ':') ? "rtsp://[%s]:%u%s" : "rtsp://%s:%u%s", r->host,
	                   r->port, r->path);
	json_t *o = json_pack(
		"{s:s, s:s, s:s, s:i, s:I}", "url", url, "user", user, "password",
		secret_peek(&c->secret), "quality", c->quality ? (int)c->quality : DEFAULT_QUALITY,
		"stall_ms",
		(json_int_t)(c->stale_after_ms > 0 ? c->stale_after_ms : DEFAULT_STALL_MS));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	size_t size = text ? strlen(text) : 0;
	struct err err;

	json_decref(o);
	if (!text || size > AV_MAX_TEXT) {
		(void)err_set(&err, -EINVAL, "address, user name or password are no plain text");
		fail(r, &err);
	} else {
		tell(r, &(struct av_message){ .type = AV_OPEN, .size = size }, text);
	}
	if (text)
		secret_wipe(text, size);
	free(text);
}

/* ---- what the worker says ---- */

static void on_failed(struct rtsp *r, const struct av_message *m)
{
	const char *said = (const char *)m->payload;
	struct err err;

	text_clean((char *)m->payload);
	if (r->why.code != 0)
		err = r->why;
	else if (m->number == AV_FAILURE_LOGIN && r->is_bambu)
		(void)err_set(&err, -EACCES,
		              "the printer at %s refuses the access code: compare it with the one "
		              "on its screen (Settings, WLAN or LAN only)",
		              r->host);
	else if (m->number == AV_FAILURE_LOGIN)
		(void)err_set(&err, -EACCES,
		              "the camera at %s refuses user name or password: check both",
		              r->host);
	else if (m->number == AV_FAILURE_ENDED)
		(void)err_set(&err, -ECONNRESET,
		              "the camera at %s closed the connection: it was restarted, or it has "
		              "no room for one more reader",
		              r->host);
	else
		(void)err_set(&err, -EIO, "the camera at %s is no use: %.200s", r->host, said);
	fail(r, &err);
}

static int64_t sane_time(int64_t us, int64_t now_us, int64_t before_us, int64_t after_us)
{
	return us > now_us - before_us && us <= now_us + after_us ? us : 0;
}

static struct frame *frame_of(struct rtsp *r, enum frame_format format, struct av_message *m)
{
	int64_t now_us = loop_now_us(camera_source_env(r->source)->loop);
	struct frame *f = frame_adopt(format, m->payload, m->size);

	m->payload = NULL;
	f->arrived_us = sane_time(m->arrived_us, now_us, OLDEST_US, 0);
	f->dts_us = sane_time(m->dts_us, now_us, OLDEST_US, OLDEST_US);
	f->pts_us = f->dts_us ? sane_time(m->pts_us, now_us, OLDEST_US, OLDEST_US) : 0;
	f->is_key = m->flags & AV_FLAG_KEY;
	return f;
}

static void on_message(struct rtsp *r, struct av_message *m)
{
	switch (m->type) {
	case AV_PACKET:
		camera_source_packet(
			r->source,
			frame_of(r, m->flags & AV_FLAG_H265 ? FRAME_H265 : FRAME_H264, m));
		break;
	case AV_PICTURE:
		camera_source_frame(r->source, frame_of(r, FRAME_JPEG, m));
		/* Of several shots each may want another moment. */
		tell_still(r);
		break;
	case AV_SAYS:
		text_clean((char *)m->payload);
		camera_source_says(r->source, (const char *)m->payload);
		break;
	case AV_FAILED:
		on_failed(r, m);
		break;
	case AV_OPEN:
	case AV_DEMAND:
	case AV_STILL:
	case AV_FEED:
		break;
	}
	free(m->payload);
}

static void on_talk(void *arg, const uint8_t *bytes, size_t size)
{
	struct rtsp *r = arg;
	struct av_message m;
	struct err err;
	int rc;

	while ((rc = av_parse(&r->parser, &bytes, &size, &m, &err)) == 1)
		on_message(r, &m);
	if (rc == 0)
		return;
	stream_pause_reading(r->talk, true);
	fail(r, &err);
}

static void on_talk_ended(void *arg, const struct err *why)
{
	struct rtsp *r = arg;
	struct err err;

	(void)why;
	/* After what it said itself this is not heard any more. */
	(void)err_set(&err, -EPIPE, "bedside-av, which reads the camera, ended by itself");
	fail(r, &err);
}

static void on_logged(void *arg, char *line)
{
	(void)arg;
	text_clean(line);
	log_debug(NULL, "bedside-av: %s", line);
}

/* ---- connecting ---- */

static void on_relay_ended(void *arg, const struct err *err)
{
	struct rtsp *r = arg;

	/* The worker sees the end too, and tells what it means. */
	r->why = *err;
}

static int start_worker(struct rtsp *r, const int fds[2], struct err *err)
{
	const struct cameras_env *env = camera_source_env(r->source);
	static const char *const nothing[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8",
		                               NULL };
	const char *argv[] = { env->av_program, "camera", "--die-with-parent", NULL };
	const struct proc_config c = {
		.argv = argv, .env = nothing, .err = on_logged, .arg = r, .fds = fds, .n_fds = 2
	};

	return proc_start(env->loop, &c, &r->worker, err);
}

static int lend(struct rtsp *r, struct err *err)
{
	struct loop *l = camera_source_env(r->source)->loop;
	struct stream *inner = NULL;
	auto_fd int talk_fd = -1, lent_fd = -1;
	int rc = relay_pair(l, "bedside-av", &r->talk, &talk_fd, err);

	if (rc < 0)
		return rc;
	rc = relay_pair(l, "bedside-av", &inner, &lent_fd, err);
	if (rc < 0)
		return rc;
	stream_listen(r->talk, &(struct stream_events){
				       .received = on_talk, .closed = on_talk_ended, .arg = r });
	r->relay = relay_new(r->outer, inner, on_relay_ended, r);
	r->outer = NULL;
	return start_worker(r, (int[2]){ talk_fd, lent_fd }, err);
}

static void on_opened(void *arg)
{
	struct rtsp *r = arg;
	struct err err;

	if (lend(r, &err) < 0) {
		fail(r, &err);
		return;
	}
	tell_open(r);
	tell_demand(r);
	tell_still(r);
	camera_source_says(r->source, "connected, asking for the video");
}

static void on_closed(void *arg, const struct err *why)
{
	struct rtsp *r = arg;
	struct err err = *why;

	if (r->is_bambu && why->code == -ECONNREFUSED)
		(void)err_set(&err, -ECONNREFUSED,
		              "the printer at %s does not show its camera: switch on \"LAN-only "
		              "liveview\" in the printer's settings",
		              r->host);
	else if (why->code == 0)
		(void)err_set(&err, -ECONNRESET, "%s closed the connection at once", r->host);
	fail(r, &err);
}

static void on_early(void *arg, const uint8_t *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
}

static struct stream *connect_tls(struct rtsp *r, const struct camera_config *c,
                                  const struct cameras_env *env)
{
	struct tls_client tls = { .ca_file = c->trust.ca_file[0] ? c->trust.ca_file : NULL };

	switch (c->trust.mode) {
	case TRUST_CA:
		tls.trust = r->is_bambu ? TLS_TRUST_CA : TLS_TRUST_WEB;
		tls.expected_cn = r->is_bambu ? c->serial : NULL;
		tls.expected_host = r->host;
		tls.ca_pem = r->is_bambu && !tls.ca_file ? env->ca_pem : NULL;
		break;
	case TRUST_PIN:
		tls.trust = TLS_TRUST_PIN;
		memcpy(tls.pin, c->trust.pin, sizeof(tls.pin));
		break;
	case TRUST_INSECURE:
		tls.trust = TLS_TRUST_INSECURE;
		break;
	}
	return tls_stream_connect(env->loop, r->host, r->port, &tls);
}

static int take_url(struct rtsp *r, const struct camera_config *c, struct err *err)
{
	struct url u = { 0 };
	int rc = url_parse(c->source, &u, err);

	r->is_tls = strcmp(u.scheme, "rtsps") == 0;
	if (rc == 0 && !r->is_tls && strcmp(u.scheme, "rtsp") != 0)
		rc = err_set(err, -EINVAL,
		             "the camera's source must begin with rtsp:// or rtsps://");
	TEXT_SET(r->host, u.host);
	TEXT_SET(r->path, u.path);
	r->port = u.port ? u.port : r->is_tls ? RTSPS_PORT : RTSP_PORT;
	url_fini(&u);
	return rc;
}

static int take_printer(struct rtsp *r, const struct camera_config *c,
                        const struct cameras_env *env, struct err *err)
{
	if (c->address[0] == '\0')
		return err_set(err, -EINVAL, "the camera has no address in the configuration");
	if (!secret_is_set(&c->secret))
		return err_set(
			err, -EINVAL,
			"the camera has no access code in the configuration: it stands on the "
			"printer's screen (Settings, WLAN or LAN only)");
	if (c->trust.mode == TRUST_CA && c->serial[0] == '\0')
		return err_set(err, -EINVAL,
		               "the camera has no serial number in the configuration, by which the "
		               "printer's certificate is checked");
	if (c->trust.mode == TRUST_CA && !env->ca_pem && c->trust.ca_file[0] == '\0')
		return err_set(err, -EINVAL,
		               "there are no CA certificates to check the printer's with");
	r->is_tls = true;
	r->port = c->port ? c->port : RTSPS_PORT;
	TEXT_SET(r->host, c->address);
	TEXT_SET(r->path, BAMBU_PATH);
	return 0;
}

static void open_any(struct rtsp *r, struct camera_source *src, bool is_bambu)
{
	const struct camera_config *c = camera_source_config(src);
	const struct cameras_env *env = camera_source_env(src);
	struct err err;
	int rc;

	*r = (struct rtsp){ .source = src, .is_bambu = is_bambu };
	rc = is_bambu ? take_printer(r, c, env, &err) : take_url(r, c, &err);
	if (rc == 0 && !env->av_program)
		rc = err_set(&err, -ENOSYS, "bedside-av, which reads such cameras, is not there");
	if (rc < 0) {
		fail(r, &err);
		return;
	}
	log_hide(secret_peek(&c->secret));
	r->outer = env->connect ? env->connect(env->connect_arg, c)
	           : r->is_tls  ? connect_tls(r, c, env)
	                        : tcp_stream_connect(env->loop, r->host, r->port, 0);
	stream_listen(r->outer, &(struct stream_events){ .opened = on_opened,
	                                                 .received = on_early,
	                                                 .closed = on_closed,
	                                                 .arg = r });
}

static void rtsp_open(void *priv, struct camera_source *src)
{
	open_any(priv, src, false);
}

static void bambu_open(void *priv, struct camera_source *src)
{
	open_any(priv, src, true);
}

static void rtsp_close(void *priv)
{
	struct rtsp *r = priv;

	proc_free(r->worker);
	stream_free(r->talk);
	relay_free(r->relay);
	stream_free(r->outer);
	av_parser_fini(&r->parser);
	*r = (struct rtsp){ 0 };
}

static void rtsp_demand(void *priv, double fps_wanted)
{
	struct rtsp *r = priv;

	r->fps = fps_wanted;
	tell_demand(r);
}

static void rtsp_shot(void *priv)
{
	tell_still(priv);
}

const struct camera_driver camera_driver_rtsp = {
	.name = "rtsp",
	.title = "IP camera by RTSP or RTSPS (H.264, H.265, Motion JPEG)",
	.priv_size = sizeof(struct rtsp),
	.open = rtsp_open,
	.close = rtsp_close,
	.demand = rtsp_demand,
	.shot = rtsp_shot,
	.gives_video = true,
	.silence = "The camera may be busy with another program",
};

const struct camera_driver camera_driver_bambu_rtsp = {
	.name = "bambu-rtsp",
	.title = "Camera of a Bambu X1, P2S, X2D or H2 printer (port 322)",
	.priv_size = sizeof(struct rtsp),
	.open = bambu_open,
	.close = rtsp_close,
	.demand = rtsp_demand,
	.shot = rtsp_shot,
	.gives_video = true,
	.silence = "The printer's camera may be switched off, or the printer is busy preparing or "
		   "updating",
};
