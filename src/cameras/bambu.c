/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu: the camera of Bambu's A1 and P1 printers, JPEG over TLS on port 6000.
 *
 * The printer serves one client; our framework keeps one upstream per camera, opened while
 * somebody wants pictures. Nothing is sent before the certificate is found good: `opened` of
 * wire/tls_stream means trusted.
 */

#include "base/err.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "media/frame.h"
#include "model/camera.h"
#include "wire/bambu_camera_codec.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_PORT 6000
#define USER "bblp"

struct bambu {
	struct camera_source *source;
	struct stream *stream;
	struct bambu_camera_parser parser;
	bool is_logged_in; /* the code was sent; whether it is right shows by pictures only */
};

static void fail(struct bambu *b, const struct err *err)
{
	camera_source_failed(b->source, err);
}

static void on_opened(void *arg)
{
	struct bambu *b = arg;
	const struct camera_config *config = camera_source_config(b->source);
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE];
	struct err err;

	if (!bambu_camera_login_write(login, USER, secret_peek(&config->secret))) {
		(void)err_set(&err, -EINVAL,
		              "the access code in the configuration is too long: on the printer's "
		              "screen it has 8 characters");
		fail(b, &err);
		return;
	}
	stream_write(b->stream, login, sizeof(login));
	secret_wipe(login, sizeof(login));
	b->is_logged_in = true;
	camera_source_says(b->source, "connected, waiting for the first picture");
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct bambu *b = arg;
	uint8_t *picture;
	size_t picture_size;
	struct err err, why;
	int rc;

	while ((rc = bambu_camera_parse(&b->parser, &bytes, &size, &picture, &picture_size,
	                                &why)) == 1)
		camera_source_frame(b->source, frame_adopt(FRAME_JPEG, picture, picture_size));
	/* A tunnel's answer is judged when it has closed. */
	if (rc == 0 || bambu_camera_is_tunnel(&b->parser))
		return;
	(void)err_set(&err, rc, "the camera at %s is out of step: %s; connecting anew",
	              stream_peer(b->stream), why.text);
	stream_pause_reading(b->stream, true);
	fail(b, &err);
}

static void on_closed(void *arg, const struct err *why)
{
	struct bambu *b = arg;
	const char *peer = stream_peer(b->stream);
	struct err err;

	if (bambu_camera_is_tunnel(&b->parser))
		(void)err_set(&err, -ENODEV,
		              "%s has no JPEG camera on this port: X1, P2S, X2D and H2 printers "
		              "show theirs by RTSP",
		              peer);
	else if (b->is_logged_in && b->parser.n_bytes == 0 && why->code == 0)
		(void)err_set(&err, -EACCES,
		              "%s closed the connection without a picture: most likely the access "
		              "code is wrong. Compare it with the one on the printer's screen "
		              "(Settings, WLAN or LAN only)",
		              peer);
	else if (why->code == 0)
		(void)err_set(&err, -ECONNRESET,
		              "%s closed the connection: it was restarted, or another program "
		              "reads its camera",
		              peer);
	else
		err = *why;
	fail(b, &err);
}

static const struct stream_events events = {
	.opened = on_opened,
	.received = on_received,
	.closed = on_closed,
};

static int check_config(const struct camera_config *c, const struct cameras_env *env,
                        struct err *err)
{
	if (c->address[0] == '\0')
		return err_set(err, -EINVAL, "the camera has no address in the configuration");
	if (!secret_is_set(&c->secret))
		return err_set(
			err, -EINVAL,
			"the camera has no access code in the configuration: it stands on the "
			"printer's screen (Settings, WLAN or LAN only)");
	if (c->trust.mode != TRUST_CA)
		return 0;
	if (c->serial[0] == '\0')
		return err_set(err, -EINVAL,
		               "the camera has no serial number in the configuration, by which the "
		               "printer's certificate is checked");
	if (!env->ca_pem && c->trust.ca_file[0] == '\0')
		return err_set(err, -EINVAL,
		               "there are no CA certificates to check the printer's with");
	return 0;
}

static struct stream *connect_printer(const struct camera_config *c, const struct cameras_env *env)
{
	struct tls_client tls = { .expected_cn = c->serial };

	if (env->connect)
		return env->connect(env->connect_arg, c);
	switch (c->trust.mode) {
	case TRUST_CA:
		tls.trust = TLS_TRUST_CA;
		tls.ca_file = c->trust.ca_file[0] ? c->trust.ca_file : NULL;
		tls.ca_pem = tls.ca_file ? NULL : env->ca_pem;
		break;
	case TRUST_PIN:
		tls.trust = TLS_TRUST_PIN;
		memcpy(tls.pin, c->trust.pin, sizeof(tls.pin));
		break;
	case TRUST_INSECURE:
		tls.trust = TLS_TRUST_INSECURE;
		break;
	}
	return tls_stream_connect(env->loop, c->address, c->port ? c->port : DEFAULT_PORT, &tls);
}

static void bambu_open(void *priv, struct camera_source *src)
{
	struct bambu *b = priv;
	const struct camera_config *c = camera_source_config(src);
	const struct cameras_env *env = camera_source_env(src);
	struct stream_events mine = events;
	struct err err;

	*b = (struct bambu){ .source = src };
	if (check_config(c, env, &err) < 0) {
		fail(b, &err);
		return;
	}
	mine.arg = b;
	b->stream = connect_printer(c, env);
	stream_listen(b->stream, &mine);
}

static void bambu_close(void *priv)
{
	struct bambu *b = priv;

	stream_free(b->stream);
	b->stream = NULL;
	bambu_camera_parser_fini(&b->parser);
}

const struct camera_driver camera_driver_bambu = {
	.name = "bambu",
	.title = "Camera of a Bambu A1 or P1 printer (port 6000)",
	.priv_size = sizeof(struct bambu),
	.open = bambu_open,
	.close = bambu_close,
	.silence = "The printer's camera may be switched off, or the printer is busy preparing or "
		   "updating",
};
