/* SPDX-License-Identifier: GPL-3.0-or-later */
/* remote: a camera of a rig elsewhere, whose pictures come only while somebody looks. */

#include "base/err.h"
#include "base/mem.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "media/frame.h"

#include <errno.h>

struct remote {
	struct camera_source *source;
	void *opened;
};

static void on_picture(void *arg, const uint8_t *jpeg, size_t size, int64_t at_wall_ms)
{
	struct remote *r = arg;
	struct frame *f = frame_adopt(FRAME_JPEG, mem_dup(jpeg, size), size);

	(void)at_wall_ms; /* by another clock */
	camera_source_frame(r->source, f);
}

static void remote_open(void *priv, struct camera_source *src)
{
	struct remote *r = priv;
	const struct camera_remote *far = camera_source_env(src)->remote;
	struct err err = { 0 };

	r->source = src;
	r->opened = far ? far->open(far->arg, camera_source_config(src), on_picture, r) : NULL;
	if (r->opened) {
		camera_source_says(src, "asked the rig, waiting for its first picture");
		return;
	}
	(void)err_set(&err, -ENODEV, "there is no rig that has this camera");
	camera_source_failed(src, &err);
}

static void remote_close(void *priv)
{
	struct remote *r = priv;
	const struct camera_remote *far = camera_source_env(r->source)->remote;

	if (r->opened)
		far->close(far->arg, r->opened);
	r->opened = NULL;
}

const struct camera_driver camera_driver_remote = {
	.name = "rig",
	.title = "Camera of a rig that reports here",
	.priv_size = sizeof(struct remote),
	.open = remote_open,
	.close = remote_close,
	.silence = "The rig is away, or its camera gives no picture.",
};
