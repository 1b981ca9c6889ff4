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
struct camera_control;
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

	/* It gives video by camera_source_packet(), and JPEGs on demand(). */
	bool gives_video;

	/* Optional. What a person should know when the device is open but sends nothing. */
	const char *silence;

	/* Optional; while open only. A shot waits for a picture that there is not yet: who polls,
	 * focuses or takes stills does it now, or when camera_source_wanted_us() says. Called again
	 * for each further shot. */
	void (*shot)(void *priv);

	/* Optional. With these settings shots are served by frames with `is_still` only. */
	bool (*wants_stills)(const struct camera_config *config);

	/* The device mirrors and turns by half itself when the rotation is 0 or 180. */
	bool turns_half;

	/* Optional; while open only. How many JPEGs a second somebody wants now, 0 for none: for
	 * video that is decoded only then. */
	void (*demand)(void *priv, double fps_wanted);

	/* Optional; the device's settings. Open or not. controls() returns how many there are and
	 * fills at most `max`; negative errno if they cannot be read. */
	int (*controls)(void *priv, struct camera_control *ret, size_t max, struct err *err);
	int (*control_set)(void *priv, const char *name, int64_t value, struct err *err);

	/* Optional. A recording begins and ends: exposure, focus and white balance stay as they
	 * are in between, and are afterwards as they were before. */
	void (*lock)(void *priv);
	void (*unlock)(void *priv);
};

/* What a driver calls, between open() and close() only. None of them calls back into the driver. */
const struct camera_config *camera_source_config(const struct camera_source *src);
const struct cameras_env *camera_source_env(const struct camera_source *src);
/*
 * Takes the caller's reference. FRAME_JPEG, or FRAME_YUYV, FRAME_NV12 or FRAME_I420 with width and
 * height set, which become JPEGs on a worker; turned and mirrored as configured. A frame that is no
 * whole picture is refused and counted, never published. Times: `captured_us` with `is_stamped` is
 * the device's own; without it the driver's estimate; 0: arrival minus the configured latency.
 * `arrived_us` 0: now.
 */
void camera_source_frame(struct camera_source *src, struct frame *f);
/* What came is no picture, the driver knows: counted, and said while there is none. */
void camera_source_refused(struct camera_source *src, const char *text);
/* An access unit of FRAME_H264 or FRAME_H265; takes the caller's reference. */
void camera_source_packet(struct camera_source *src, struct frame *f);
/* The earliest moment at or after which a waiting shot wants its picture captured; INT64_MAX while
 * none waits. */
int64_t camera_source_wanted_us(const struct camera_source *src);
/* The time to give to a picture that may be from before the camera was opened at `opened_us`: too
 * early for every shot that waits. */
int64_t camera_source_before_us(const struct camera_source *src, int64_t opened_us);
/* The camera answers, but its picture is still the one before: nothing is wrong with the connection,
 * yet what it shows grows old. */
void camera_source_unchanged(struct camera_source *src, const char *text);
/* The upstream is gone or never came: `err` is the sentence for the page. */
void camera_source_failed(struct camera_source *src, const struct err *err);
/* "connected, waiting for the first picture" and the like, for the status. */
void camera_source_says(struct camera_source *src, const char *text);

extern const struct camera_driver camera_driver_bambu;
extern const struct camera_driver camera_driver_bambu_rtsp;
extern const struct camera_driver camera_driver_exec;
extern const struct camera_driver camera_driver_fake;
extern const struct camera_driver camera_driver_folder;
extern const struct camera_driver camera_driver_http_mjpeg;
extern const struct camera_driver camera_driver_http_still;
extern const struct camera_driver camera_driver_remote;
extern const struct camera_driver camera_driver_rpicam;
extern const struct camera_driver camera_driver_rtsp;
extern const struct camera_driver camera_driver_v4l2;

/* NULL if no such driver was built in. */
const struct camera_driver *camera_driver_find(const char *name);
/* All that were built in; NULL after the last. */
const struct camera_driver *camera_driver_at(size_t i);
