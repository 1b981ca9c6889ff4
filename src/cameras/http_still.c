/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http-still: a camera, or a program, that gives its present picture at an address.
 *
 * Asked each `poll` while somebody wants pictures, over one kept connection, and at once when a
 * shot is due. A picture counts as captured when it was asked for (or its latency before it came,
 * where that is known): an answer to an earlier question never serves a shot. What was not modified, or is byte
 * for byte the picture before, is no new picture.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/http_common.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/camera.h"
#include "wire/http_client.h"
#include "wire/jpeg_cut.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LIMIT_MS 15000
#define DEFAULT_POLL_MS 1000
/* After an answer without a new picture, while a shot waits for one. */
#define AGAIN_US 100000
#define BEFORE_SHOT_US 1000000
#define STATUS_OK 200
#define STATUS_NOT_MODIFIED 304
#define STATUS_SERVER_ERROR 500
#define STATUS_TOO_MANY 429

struct http_still {
	struct camera_source *source;
	struct http_client *client;
	struct timer timer; /* the next question */
	struct buf body;
	/* As it came, for comparison; kept while closed: a frozen camera is not fresh for having
	 * been opened again. */
	struct frame *last;
	int64_t last_captured_us;
	bool has_shown; /* something since it was opened */
	int64_t asked_us;
	int status;
	char content_type[96];
	char etag[200], modified[64]; /* of the last picture; "" none */
	char new_etag[200], new_modified[64];
	bool is_too_large;
};

static int64_t now_us(const struct http_still *h)
{
	return loop_now_us(camera_source_env(h->source)->loop);
}

static void ask(void *arg)
{
	struct http_still *h = arg;
	char match[232], since[96];
	const char *headers[3] = { "Cache-Control: no-cache" };
	size_t n = 1;

	if (http_client_is_busy(h->client))
		return;
	if (h->etag[0]) {
		(void)snprintf(match, sizeof(match), "If-None-Match: %s", h->etag);
		headers[n++] = match;
	}
	if (h->modified[0]) {
		(void)snprintf(since, sizeof(since), "If-Modified-Since: %s", h->modified);
		headers[n++] = since;
	}
	buf_clear(&h->body);
	h->is_too_large = false;
	h->asked_us = now_us(h);
	http_client_get(h->client, headers, n, LIMIT_MS);
}

/* `brought` a new picture: when is the next one due? */
static void plan(struct http_still *h, bool brought)
{
	const struct camera_config *c = camera_source_config(h->source);
	int64_t wanted_us = camera_source_wanted_us(h->source);
	int64_t poll_us = (c->poll_ms > 0 ? c->poll_ms : DEFAULT_POLL_MS) * 1000;
	int64_t at_us = h->asked_us + poll_us, now = now_us(h);

	if (wanted_us != INT64_MAX) {
		int64_t soonest_us = brought ? now : now + AGAIN_US;
		int64_t shot_us = MAX(wanted_us, soonest_us);

		/* No question just before it: its answer would be late for the shot. */
		if (shot_us < at_us + BEFORE_SHOT_US)
			at_us = shot_us;
	}
	timer_start(&h->timer, at_us > now ? (at_us - now + 999) / 1000 : 0);
}

static void on_shot(void *priv)
{
	struct http_still *h = priv;

	if (h->client && !http_client_is_busy(h->client))
		plan(h, true);
}

/* ---- the answer ---- */

static void on_began(void *arg, int status)
{
	struct http_still *h = arg;

	h->status = status;
	h->is_too_large = false;
	h->content_type[0] = h->new_etag[0] = h->new_modified[0] = '\0';
	buf_clear(&h->body);
}

static void on_header(void *arg, const char *name, const char *value)
{
	struct http_still *h = arg;
	uint64_t n;

	if (strcasecmp(name, "Content-Type") == 0)
		TEXT_SET(h->content_type, value);
	else if (strcasecmp(name, "Content-Length") == 0 && text_to_u64(value, 10, &n))
		h->is_too_large = n > HTTP_CAMERA_MAX_BODY;
	/* One that does not fit is as good as none. */
	else if (strcasecmp(name, "ETag") == 0 && !TEXT_SET(h->new_etag, value))
		h->new_etag[0] = '\0';
	else if (strcasecmp(name, "Last-Modified") == 0 && !TEXT_SET(h->new_modified, value))
		h->new_modified[0] = '\0';
}

static bool is_stream(const struct http_still *h)
{
	/* By name, or by how it begins. */
	return strncasecmp(h->content_type, "multipart/", strlen("multipart/")) == 0 ||
	       text_starts(buf_peek(&h->body), "--");
}

static bool on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct http_still *h = arg;

	if (h->is_too_large || h->body.size + size > HTTP_CAMERA_MAX_BODY) {
		h->is_too_large = true;
		return false;
	}
	/* A stream never ends: its first bytes tell. */
	if (is_stream(h) && h->body.size > 0)
		return false;
	buf_add(&h->body, bytes, size);
	return true;
}

static bool is_same(const struct http_still *h, size_t size)
{
	return h->last && h->last->size == size && memcmp(h->last->data, h->body.data, size) == 0;
}

/* True: a new picture was handed on. */
static bool take_picture(struct http_still *h)
{
	const struct camera_config *c = camera_source_config(h->source);
	const uint8_t *bytes = (const uint8_t *)buf_peek(&h->body);
	struct jpeg_cut cut = { 0 };
	size_t size = h->body.size;
	struct frame *f;
	bool is_old;
	struct err err;

	if (!http_common_is_picture(h->content_type, bytes, size, &err)) {
		/* A page may be a picture the next time; a stream never is. */
		if (is_stream(h))
			camera_source_failed(h->source, &err);
		else
			camera_source_refused(h->source, err.text);
		return false;
	}
	/* Line ends and padding behind it do not matter. */
	if (jpeg_cut(&cut, bytes, size) == JPEG_CUT_WHOLE)
		size = cut.at;
	TEXT_SET(h->etag, h->new_etag);
	TEXT_SET(h->modified, h->new_modified);
	is_old = is_same(h, size);
	if (is_old && h->has_shown) {
		camera_source_unchanged(h->source,
		                        "the camera gives the same picture again and again");
		return false;
	}
	f = frame_adopt(FRAME_JPEG, (uint8_t *)buf_steal(&h->body), size);
	f->arrived_us = now_us(h);
	if (!is_old)
		h->last_captured_us =
			c->latency_us > 0 ? f->arrived_us - c->latency_us : h->asked_us;
	f->captured_us = h->last_captured_us;
	frame_unref(h->last);
	h->last = frame_ref(f);
	h->has_shown = true;
	camera_source_frame(h->source, f);
	return !is_old;
}

static bool is_passing(int status)
{
	return status >= STATUS_SERVER_ERROR || status == STATUS_TOO_MANY;
}

static void on_done(void *arg, const struct http_client_result *r)
{
	struct http_still *h = arg;
	bool brought = false;
	struct err err;

	if (h->is_too_large) {
		camera_source_refused(h->source, "the picture is larger than 32 MB");
	} else if (r->status == STATUS_OK && (r->err.code == 0 || r->is_ended)) {
		brought = take_picture(h);
	} else if (r->status == STATUS_OK && h->body.size > 0) {
		camera_source_refused(h->source, r->err.text); /* half a picture */
	} else if (r->err.code != 0) {
		camera_source_failed(h->source, &r->err);
		return;
	} else if (r->status == STATUS_NOT_MODIFIED) {
		camera_source_unchanged(h->source, "the camera says that it has no new picture");
	} else {
		(void)http_client_judge(h->client, r->status, &err);
		if (!is_passing(r->status)) {
			camera_source_failed(h->source, &err);
			return;
		}
		camera_source_refused(h->source, err.text);
	}
	if (h->client)
		plan(h, brought);
}

/* ---- driver ---- */

static void still_open(void *priv, struct camera_source *src)
{
	struct http_still *h = priv;
	struct http_client_config config = { .began = on_began,
		                             .header = on_header,
		                             .received = on_received,
		                             .done = on_done,
		                             .arg = h };

	h->source = src;
	h->has_shown = false;
	h->etag[0] = h->modified[0] = '\0';
	buf_init(&h->body, HTTP_CAMERA_MAX_BODY + 1);
	http_common_config(camera_source_config(src), &config);
	h->client = http_client_new(camera_source_env(src)->loop, &config);
	timer_init(&h->timer, camera_source_env(src)->loop, ask, h);
	ask(h);
}

static void still_close(void *priv)
{
	struct http_still *h = priv;

	timer_stop(&h->timer);
	http_client_free(h->client);
	h->client = NULL;
	buf_fini(&h->body);
}

static void still_removed(void *priv)
{
	struct http_still *h = priv;

	frame_unref(h->last);
	h->last = NULL;
}

const struct camera_driver camera_driver_http_still = {
	.name = "http-still",
	.title = "Pictures at a web address",
	.priv_size = sizeof(struct http_still),
	.open = still_open,
	.close = still_close,
	.removed = still_removed,
	.shot = on_shot,
};
