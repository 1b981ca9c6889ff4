/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cameras/thread: makes a driver that blocks into one that lives on the loop.
 *
 * A camera has one such thread, made when it is first opened and kept, asleep, while it is closed.
 * The thread alone touches the device: it opens, waits for frames, executes orders and closes. An
 * eventfd breaks each of its waits, so that closing never waits for the next picture. What it
 * brings is told on the loop by camera_source_…(), from camera_thread_open() until
 * camera_thread_close() and never after it, even if the device takes its time to close.
 *
 * Frames wait for the loop in a short queue; when it is full the oldest goes (of video: all until
 * the next key frame, since what depends on a lost packet is of no use).
 *
 * Thread: loop, but camera_thread_wait() and camera_thread_says(), which are the camera thread's.
 */

#pragma once

#include "base/base.h"

struct camera_config;
struct camera_source;
struct camera_thread;
struct err;
struct frame;
struct loop;

/* A device that blocks. All of it is called on the camera's thread. */
struct camera_device {
	/* Required. 0, or a failure that is told by camera_source_failed(); close() follows either
	 * way. -EAGAIN is none where something else is to be done first: it is called again after
	 * that. `config` is good until close(). */
	int (*open)(void *dev, struct camera_thread *t, const struct camera_config *config,
	            struct err *err);

	/* Required. 0 and the next frame (the caller's reference), 0 and NULL to be asked again,
	 * or a failure. Waits by camera_thread_wait() only. */
	int (*next)(void *dev, struct camera_thread *t, struct frame **ret, struct err *err);

	/* Required. Frames given out stay valid. */
	void (*close)(void *dev);

	/* Optional. The thread ends; `dev` is not open. */
	void (*end)(void *dev);
};

/* `dev` stays the caller's until camera_thread_free() has called `ended` with it, which happens on
 * the thread, as its last act. `name`: 15 characters at most. */
struct camera_thread *camera_thread_new(struct loop *l, const char *name,
                                        const struct camera_device *device, void *dev,
                                        void (*ended)(void *dev));

/* Ends the thread: what it has open is closed, orders given before are executed. Waits a second at
 * most; a device that hangs in the kernel longer is left to close by itself. NULL is allowed. */
void camera_thread_free(struct camera_thread *t);

/* The configuration of `src` is copied. A device still closing is closed first. */
void camera_thread_open(struct camera_thread *t, struct camera_source *src);
void camera_thread_close(struct camera_thread *t);

/* Calls run(dev, arg) on the thread, between frames, open or not, in the order of giving. run()
 * releases `arg`. */
void camera_thread_order(struct camera_thread *t, void (*run)(void *dev, void *arg), void *arg);

/* Camera thread. Waits until `fd` has `events` (poll.h): the events it has; 0 after `timeout_ms`
 * (-1: none), or when something else is to be done first. */
short camera_thread_wait(struct camera_thread *t, int fd, short events, int timeout_ms);

/* Camera thread. Something else is to be done: return from open() or next(). */
bool camera_thread_is_asked(struct camera_thread *t);

/* Camera thread. A word for the status while open: "waiting for the first picture". */
void camera_thread_says(struct camera_thread *t, const char *text);
