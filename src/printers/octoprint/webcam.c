/* SPDX-License-Identifier: GPL-3.0-or-later */
/* OctoPrint's webcam as a camera of ours. */

#include "base/text.h"
#include "printers/octoprint/report.h"
#include "wire/url.h"

#include <stdio.h>
#include <string.h>

static bool flag_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

void octo_read_webcam(const json_t *settings, struct octo_webcam *ret)
{
	const json_t *w = json_object_get(settings, "webcam");
	const char *stream = json_string_value(json_object_get(w, "streamUrl"));
	const char *snapshot = json_string_value(json_object_get(w, "snapshotUrl"));

	*ret = (struct octo_webcam){ .is_flipped_h = flag_of(w, "flipH"),
		                     .is_flipped_v = flag_of(w, "flipV"),
		                     .is_rotated = flag_of(w, "rotate90"),
		                     .is_on = !json_is_false(json_object_get(w, "webcamEnabled")) };
	TEXT_SET(ret->stream, stream ? stream : "");
	TEXT_SET(ret->snapshot, snapshot ? snapshot : "");
}

static bool is_own_host(const char *host)
{
	return strcmp(host, "localhost") == 0 || text_starts(host, "127.") ||
	       strcmp(host, "::1") == 0;
}

/* As a browser on OctoPrint's page would take `text`; its own computer is OctoPrint's. False if
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

/* "/c/TOKEN/…": OctoPrint shows a picture that a Bedside serves (docs/camera-clients.md). Taking it
 * back would watch ourselves. */
static bool is_bedside(const char *stream)
{
	const char *at = strstr(stream, "/c/");
	size_t n = at ? strcspn(at + 3, "/") : 0;

	return n >= 16 && at[3 + n] == '/';
}

bool octo_webcam_camera(const struct octo_webcam *w, const char *url, struct camera_config *ret,
                        const char **ret_why)
{
	if (!w->is_on || (!w->stream[0] && !w->snapshot[0])) {
		*ret_why = "OctoPrint has no webcam set up.";
		return false;
	}
	if (is_bedside(w->stream)) {
		*ret_why = "OctoPrint's webcam is a picture that Bedside serves.";
		return false;
	}
	if (!(!is_video(w->stream) && use(w->stream, "http-mjpeg", url, ret)) &&
	    !use(w->snapshot, "http-still", url, ret)) {
		*ret_why =
			"OctoPrint's webcam is no stream of JPEGs, and has no address for single "
			"pictures; add it as a camera of its own, if it has another address.";
		return false;
	}
	ret->is_flipped_h = w->is_flipped_h;
	ret->is_flipped_v = w->is_flipped_v;
	ret->rotation = w->is_rotated ? 270 : 0; /* OctoPrint turns it left */
	return true;
}
