/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "printers/webcam.h"

#include "base/text.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

static bool is_own_host(const char *host)
{
	return strcmp(host, "localhost") == 0 || text_starts(host, "127.") ||
	       strcmp(host, "::1") == 0;
}

/* As a browser on its page would take `text`; "localhost" is the server. False if
 * it is no HTTP. */
static bool resolve(const char *text, const char *url, struct url *ret)
{
	struct url page = { 0 };
	char whole[1100];
	bool is_fine = false;

	if (url_parse(url, &page, NULL) != 0)
		goto end;
	if (text_starts(text, "//")) {
		(void)snprintf(whole, sizeof(whole), "%s:%s", page.scheme, text);
	} else if (strstr(text, "://")) {
		TEXT_SET(whole, text);
	} else if (text[0] == '/') {
		TEXT_SET(page.path, text);
		(void)url_write(&page, whole, sizeof(whole));
	} else {
		goto end;
	}
	if (url_parse(whole, ret, NULL) != 0 ||
	    (strcmp(ret->scheme, "http") != 0 && strcmp(ret->scheme, "https") != 0))
		goto end;
	if (is_own_host(ret->host))
		TEXT_SET(ret->host, page.host);
	is_fine = strlen(ret->host) > 0;
end:
	url_fini(&page);
	return is_fine;
}

static bool use(const char *text, const char *driver, const char *url, struct camera_config *ret)
{
	struct url u = { 0 };
	bool is_fine = text[0] && resolve(text, url, &u) &&
	               url_write(&u, ret->source, sizeof(ret->source));

	if (is_fine) {
		TEXT_SET(ret->driver, driver);
		TEXT_SET(ret->user, u.user);
		secret_set(&ret->secret, secret_peek(&u.password));
	}
	url_fini(&u);
	return is_fine;
}

/* HLS and WebRTC are what browsers play, not streams of JPEGs. */
static bool is_video(const char *stream)
{
	return strstr(stream, ".m3u8") || text_starts(stream, "webrtc");
}

/* "/c/TOKEN/…": it shows a picture that a Bedside serves (docs/camera-clients.md). Taking it
 * back would watch ourselves. */
static bool is_bedside(const char *stream)
{
	const char *at = strstr(stream, "/c/");
	size_t n = at ? strcspn(at + 3, "/") : 0;

	return n >= 16 && at[3 + n] == '/';
}

bool webcam_camera(const struct webcam *w, const char *url, struct camera_config *ret,
                   const char **ret_why)
{
	if (!w->is_on || (!w->stream[0] && !w->snapshot[0])) {
		*ret_why = "It has no webcam set up.";
		return false;
	}
	if (is_bedside(w->stream)) {
		*ret_why = "Its webcam is a picture that Bedside serves.";
		return false;
	}
	if (!(!is_video(w->stream) && use(w->stream, "http-mjpeg", url, ret)) &&
	    !use(w->snapshot, "http-still", url, ret)) {
		*ret_why =
			"Its webcam is no stream of JPEGs, and has no address for single pictures; "
			"add it as a camera of its own, if it has another address.";
		return false;
	}
	ret->is_flipped_h = w->is_flipped_h;
	ret->is_flipped_v = w->is_flipped_v;
	ret->rotation = w->rotation;
	return true;
}
