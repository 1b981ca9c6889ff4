/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/cmd.h"

#include "base/err.h"
#include "base/text.h"
#include "model/camera.h"
#include "wire/url.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static int from_url(const char *text, struct camera_config *c, struct err *err)
{
	struct url u = { 0 };
	int rc = url_parse(text, &u, err);
	bool is_rtsp = text_starts(u.scheme, "rtsp");

	if (rc == 0 && !is_rtsp && strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
		rc = err_set(err, -EINVAL, "there are cameras at http, https, rtsp and rtsps");
	if (rc == 0 && !url_write(&u, c->source, sizeof(c->source)))
		rc = err_set(err, -EINVAL, "the address is too long");
	if (rc == 0) {
		/* Whether it is a stream shows by its answer. */
		TEXT_SET(c->driver, is_rtsp ? "rtsp" : "http-still");
		if (u.user[0])
			TEXT_SET(c->user, u.user);
		if (secret_is_set(&u.password))
			secret_set(&c->secret, secret_peek(&u.password));
	}
	url_fini(&u);
	return rc;
}

int camera_from_source(const char *text, struct camera_config *c, struct err *err)
{
	struct stat st;

	TEXT_SET(c->name, "camera");
	if (strstr(text, "://"))
		return from_url(text, c, err);
	if (!TEXT_SET(c->source, text))
		return err_set(err, -EINVAL, "the path is too long");
	if (stat(text, &st) < 0)
		return err_sys(err, "%s", text);
	if (S_ISDIR(st.st_mode))
		TEXT_SET(c->driver, "folder");
	else if (S_ISCHR(st.st_mode))
		TEXT_SET(c->driver, "v4l2");
	else
		return err_set(err, -EINVAL, "%s is neither a device nor a folder", text);
	return 0;
}
