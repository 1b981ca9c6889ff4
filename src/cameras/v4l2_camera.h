/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_camera: the V4L2 driver's half that blocks, for cameras/thread.
 *
 * Opens what the configuration means, waits for it while it is unplugged, sets the wanted controls,
 * locks and restores them. What a lock changes stands in a file before it is changed, so that a
 * daemon that is killed finds what to put back at its next start, and a camera that was unplugged
 * when it should have been put back is when it comes again.
 *
 * Thread: the camera's, but the functions that say otherwise.
 */

#pragma once

#include "base/base.h"
#include "cameras/thread.h"
#include "cameras/v4l2_controls.h"
#include "cameras/v4l2_sys.h"

struct v4l2_camera;

extern const struct camera_device v4l2_camera_device;

/* Loop, before the thread. `lock_file` NULL: locks do not survive the program. Texts are copied. */
struct v4l2_camera *v4l2_camera_new(const struct v4l2_sys *sys, const char *id, const char *source,
                                    const char *lock_file);
/* The thread's last act. */
void v4l2_camera_free(void *camera);

/* Any thread: the controls as last read; false while they never were. */
bool v4l2_camera_peek(struct v4l2_camera *v, struct v4l2_controls *ret);

/* Orders for camera_thread_order(); `arg` is freed. */
struct v4l2_camera_set {
	char name[48];
	int64_t value;
};
void v4l2_camera_set(void *camera, void *set);
void v4l2_camera_read(void *camera, void *unused);
/* Loop. False: a read is ordered already and has not begun; each takes a hundred transfers. */
bool v4l2_camera_may_read(struct v4l2_camera *v);
/* As soon as the automatics have settled after the start; at once if it runs long enough. */
void v4l2_camera_lock(void *camera, void *unused);
void v4l2_camera_unlock(void *camera, void *unused);
/* After a start: unless it was locked again meanwhile, what an earlier run left is put back. */
void v4l2_camera_settle(void *camera, void *unused);
