/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cameras/driver: what a camera driver must be able to do. Drivers see this and lower floors only.
 *
 * A driver is one const table; the framework allocates its private data (zeroed when the camera is
 * added), opens it, closes it and does the retries. A driver lives on the loop; one that blocks (V4L2) gets a thread by
 * cameras/thread.h, which turns a blocking driver into one of these.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct camera_config;
struct camera_source;
struct cameras_env;
struct err;
struct frame;

struct camera_driver {
	const char *name;  /* the word in the configuration: "bambu" */
	const char *title; /* for people: "Camera of a Bambu A or P printer (port 6000)" */
	size_t priv_size;

	/* Required. Begins to connect; pictures come by camera_source_frame(). A failure now or
	 * later is told once by camera_source_failed(); the framework then calls close(). */
	void (*open)(void *priv, struct camera_source *src);

	/* Required. After it nothing more may come. Frames given out stay valid. */
	void (*close)(void *priv);

	/* Optional. The camera was added to the program, is about to be removed from it: for what
	 * must be known while it is closed. `src` is good between them. */
	void (*added)(void *priv, struct camera_source *src);
	void (*removed)(void *priv);

	/* Optional. What a person should know when the device is open but sends nothing. */
	const char *silence;

	/* Optional: settings were changed while open; absent means close and open. */
	void (*changed)(void *priv, const struct camera_config *config);
};

/* What a driver calls, between open() and close() only. None of them calls back into the driver. */
const struct camera_config *camera_source_config(const struct camera_source *src);
const struct cameras_env *camera_source_env(const struct camera_source *src);
/* Takes the caller's reference. A frame that is no whole JPEG is refused and counted by the
 * framework, never published. */
void camera_source_frame(struct camera_source *src, struct frame *f);
/* The upstream is gone or never came: `err` is the sentence for the page. */
void camera_source_failed(struct camera_source *src, const struct err *err);
/* "connected, waiting for the first picture" and the like, for the status. */
void camera_source_says(struct camera_source *src, const char *text);

extern const struct camera_driver camera_driver_bambu;
extern const struct camera_driver camera_driver_fake;

/* NULL if no such driver was built in. */
const struct camera_driver *camera_driver_find(const char *name);
