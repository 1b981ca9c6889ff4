/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/http_common.h"

#include "base/err.h"
#include "base/text.h"
#include "model/camera.h"
#include "wire/http_client.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* A clock that is set shows as a jump; one that drifts does not reach this. */
#define JUMP_US 2000000
#define WINDOW_US 30000000
#define LOOK_FOR_TITLE ((size_t)8192)

void http_common_config(const struct camera_config *c, struct http_client_config *ret)
{
	ret->url = c->source;
	ret->user = c->user;
	ret->password = secret_peek(&c->secret);
	ret->ca_file = c->trust.ca_file;
	memcpy(ret->pin, c->trust.pin, sizeof(ret->pin));
	switch (c->trust.mode) {
	case TRUST_CA:
		ret->trust = HTTP_TRUST_WEB;
		break;
	case TRUST_PIN:
		ret->trust = HTTP_TRUST_PIN;
		break;
	case TRUST_INSECURE:
		ret->trust = HTTP_TRUST_INSECURE;
		break;
	}
}

/* What stands between <title> and </title>, "" if nothing does. */
static void find_title(const uint8_t *bytes, size_t size, char *dst, size_t dst_size)
{
	static const char tag[] = "<title>";
	const char *text = (const char *)bytes, *end = text + MIN(size, LOOK_FOR_TITLE);

	dst[0] = '\0';
	for (const char *at = text; at + sizeof(tag) - 1 < end; at++) {
		if (strncasecmp(at, tag, sizeof(tag) - 1) != 0)
			continue;
		at += sizeof(tag) - 1;

		const char *close = memchr(at, '<', (size_t)(end - at));

		while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
			at++;
		if (close && close > at)
			text_copy_n(dst, dst_size, at, (size_t)(close - at));
		text_clean(dst);
		for (size_t n = strlen(dst); n > 0 && dst[n - 1] == ' '; n--)
			dst[n - 1] = '\0';
		return;
	}
}

static bool begins_with(const uint8_t *bytes, size_t size, const char *magic)
{
	return size >= strlen(magic) && memcmp(bytes, magic, strlen(magic)) == 0;
}

bool http_common_is_picture(const char *content_type, const uint8_t *bytes, size_t size,
                            struct err *err)
{
	char title[80];

	if (begins_with(bytes, size, "\xff\xd8"))
		return true;
	if (strncasecmp(content_type, "multipart/", strlen("multipart/")) == 0 ||
	    begins_with(bytes, size, "--")) {
		(void)err_set(err, -EBADMSG,
		              "the address answers with a stream, not with one picture: use the "
		              "driver http-mjpeg");
	} else if (strncasecmp(content_type, "text/html", strlen("text/html")) == 0 ||
	           begins_with(bytes, size, "<")) {
		find_title(bytes, size, title, sizeof(title));
		(void)err_set(err, -EBADMSG,
		              "the address answers with a web page, not a picture%s%s%s; look for "
		              "the address of the picture alone",
		              title[0] ? ": “" : "", title, title[0] ? "”" : "");
	} else if (begins_with(bytes, size, "\x89PNG") || begins_with(bytes, size, "GIF8") ||
	           (size > 12 && memcmp(bytes + 8, "WEBP", 4) == 0)) {
		(void)err_set(err, -EBADMSG,
		              "the address answers with a picture that is no JPEG (PNG, GIF or "
		              "WebP); only JPEG is taken");
	} else if (begins_with(bytes, size, "{") || begins_with(bytes, size, "[")) {
		(void)err_set(err, -EBADMSG,
		              "the address answers with a text (JSON), not a picture");
	} else {
		return true; /* jpeg_scan() finds the words */
	}
	return false;
}

int64_t http_clock_arrival(struct http_clock *c, int64_t stamp_us, int64_t arrived_us)
{
	int64_t took_us = arrived_us - stamp_us;
	int64_t least_us = MIN(c->least_us, c->least_before_us);

	if (!c->is_set || stamp_us < c->stamp_us || took_us > least_us + JUMP_US ||
	    took_us < least_us - JUMP_US)
		*c = (struct http_clock){ .is_set = true,
			                  .since_us = arrived_us,
			                  .least_us = took_us,
			                  .least_before_us = took_us };
	if (arrived_us - c->since_us > WINDOW_US) {
		c->least_before_us = c->least_us;
		c->least_us = took_us;
		c->since_us = arrived_us;
	}
	c->least_us = MIN(c->least_us, took_us);
	c->stamp_us = stamp_us;
	least_us = MIN(c->least_us, c->least_before_us);
	return stamp_us + least_us;
}
