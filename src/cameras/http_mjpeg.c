/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http-mjpeg: a camera, or a program such as mjpg-streamer, ustreamer or go2rtc, that sends one
 * JPEG after the other in an answer that never ends.
 *
 * Each picture is copied once, from the socket's buffer into the frame. Where the server stamps
 * them, the time that the network took is taken out; a picture with the stamp of the one before
 * is that one again. The first picture of a connection may be old: ustreamer and camera-streamer
 * begin with the last one that they have. It is shown, but serves no shot.
 *
 * Some small cameras (ESP32) end each answer after one picture: they are asked again at once, and from the
 * third answer on a picture counts as taken when it was asked for.
 */

#include "base/err.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/http_common.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/camera.h"
#include "wire/http_client.h"
#include "wire/mjpeg_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define STATUS_OK 200
#define AGAIN_MS 20
#define SINGLES 2 /* answers of one picture each: it always does that */

struct http_mjpeg {
	struct camera_source *source;
	struct http_client *client;
	struct mjpeg_parser parser;
	struct http_clock clock;
	char content_type[256];
	int status;
	bool is_parsing;
	unsigned n_pictures; /* of this answer */
	unsigned n_singles;  /* answers of one picture each, in a row */
	struct timer again;
	int64_t opened_us; /* when this answer was asked for */
	size_t last_size;
	uint64_t n_other; /* told so far */
	struct err why;   /* code != 0: why we ended the answer */
};

static void on_began(void *arg, int status)
{
	struct http_mjpeg *h = arg;

	h->status = status;
	h->content_type[0] = '\0';
}

static void on_header(void *arg, const char *name, const char *value)
{
	struct http_mjpeg *h = arg;

	if (strcasecmp(name, "Content-Type") == 0)
		TEXT_SET(h->content_type, value);
}

/* ffmpeg calls its streams application/octet-stream unless it is told otherwise. */
static bool looks_like_stream(const uint8_t *bytes, size_t size)
{
	while (size > 0 && (*bytes == '\r' || *bytes == '\n')) {
		bytes++;
		size--;
	}
	return size >= 3 && bytes[0] == '-' && bytes[1] == '-' && bytes[2] > ' ';
}

static bool begin_stream(struct http_mjpeg *h, const uint8_t *bytes, size_t size)
{
	bool is_bare = looks_like_stream(bytes, size) &&
	               strncasecmp(h->content_type, "multipart/", strlen("multipart/")) != 0;

	h->is_parsing = mjpeg_parser_init(&h->parser,
	                                  is_bare ? "multipart/x-mixed-replace" : h->content_type);
	if (h->is_parsing) {
		camera_source_says(h->source, "connected, waiting for the first picture");
		return true;
	}
	if (!http_common_is_picture(h->content_type, bytes, size, &h->why))
		return false;
	if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xd8)
		(void)err_set(&h->why, -EBADMSG,
		              "the address answers with one picture, not with a stream: use the "
		              "driver http-still");
	else
		(void)err_set(&h->why, -EBADMSG,
		              "the address answers with '%.60s', not with a stream of pictures "
		              "(multipart/x-mixed-replace)",
		              h->content_type);
	return false;
}

static void take_part(struct http_mjpeg *h, const struct mjpeg_part *part)
{
	const struct camera_config *c = camera_source_config(h->source);
	int64_t arrived_us = loop_now_us(camera_source_env(h->source)->loop), came_us;
	bool is_stamped = part->stamp_us >= 0;
	struct frame *f;

	/* Some servers send each picture twice, or the last one again while they have none. */
	if (is_stamped && h->clock.is_set && part->stamp_us == h->clock.stamp_us &&
	    part->size == h->last_size) {
		free(part->bytes);
		return;
	}
	h->last_size = part->size;
	came_us =
		is_stamped ? http_clock_arrival(&h->clock, part->stamp_us, arrived_us) : arrived_us;
	f = frame_adopt(FRAME_JPEG, part->bytes, part->size);
	f->arrived_us = arrived_us;
	f->captured_us = h->n_pictures > 0        ? came_us - c->latency_us
	                 : h->n_singles < SINGLES ? camera_source_before_us(h->source, h->opened_us)
	                 : c->latency_us > 0      ? came_us - c->latency_us
	                                          : h->opened_us;
	h->n_pictures++;
	camera_source_frame(h->source, f);
}

static bool on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct http_mjpeg *h = arg;
	struct mjpeg_part part;
	int rc = 0;

	if (h->status != STATUS_OK)
		return false;
	if (!h->is_parsing && !begin_stream(h, bytes, size))
		return false;
	/* The camera may be closed by whoever gets a picture. */
	while (h->client && (rc = mjpeg_parse(&h->parser, &bytes, &size, &part, &h->why)) == 1)
		take_part(h, &part);
	for (; h->client && h->n_other < h->parser.n_other; h->n_other++)
		camera_source_refused(h->source, "a part of the stream is no JPEG, or half of one");
	return rc >= 0;
}

static void ask(struct http_mjpeg *h)
{
	mjpeg_parser_fini(&h->parser);
	h->is_parsing = false;
	h->n_pictures = 0;
	h->n_other = 0;
	h->opened_us = loop_now_us(camera_source_env(h->source)->loop);
	http_client_get(h->client, NULL, 0, 0);
}

static void on_again(void *arg)
{
	ask(arg);
}

static void on_done(void *arg, const struct http_client_result *r)
{
	struct http_mjpeg *h = arg;
	const char *peer = http_client_peer(h->client);
	struct err err;

	if (h->why.code == 0 && r->status == STATUS_OK && h->n_pictures == 1) {
		h->n_singles++;
		timer_start(&h->again, AGAIN_MS);
		return;
	}

	if (h->why.code != 0)
		(void)err_set(&err, h->why.code, "%s: %s", peer, h->why.text);
	else if (r->status != 0 && r->status != STATUS_OK)
		(void)http_client_judge(h->client, r->status, &err);
	else if (r->err.code != 0)
		err = r->err;
	else if (h->is_parsing || mjpeg_parser_init(&h->parser, h->content_type))
		(void)err_set(
			&err, -ECONNRESET,
			"%s ended the stream: its program was restarted, or its camera is gone",
			peer);
	else
		(void)err_set(&err, -EBADMSG, "%s answers with nothing", peer);
	camera_source_failed(h->source, &err);
}

static void mjpeg_open(void *priv, struct camera_source *src)
{
	struct http_mjpeg *h = priv;
	struct http_client_config config = { .began = on_began,
		                             .header = on_header,
		                             .received = on_received,
		                             .done = on_done,
		                             .arg = h };

	*h = (struct http_mjpeg){ .source = src };
	timer_init(&h->again, camera_source_env(src)->loop, on_again, h);
	http_common_config(camera_source_config(src), &config);
	h->client = http_client_new(camera_source_env(src)->loop, &config);
	ask(h);
}

static void mjpeg_close(void *priv)
{
	struct http_mjpeg *h = priv;

	timer_stop(&h->again);
	http_client_free(h->client);
	h->client = NULL;
	mjpeg_parser_fini(&h->parser);
}

const struct camera_driver camera_driver_http_mjpeg = {
	.name = "http-mjpeg",
	.title = "MJPEG stream at a web address",
	.priv_size = sizeof(struct http_mjpeg),
	.open = mjpeg_open,
	.close = mjpeg_close,
	.silence = "The address answers; perhaps its camera is off",
};
