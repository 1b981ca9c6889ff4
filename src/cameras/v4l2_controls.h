/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_controls: exposure, focus, white balance, gain and the rest: listed, set, locked for a
 * session and put back after it.
 *
 * Names are the kernel's as v4l2-ctl shows them, but of the common ones always the newest, as the
 * kernel renamed them ("exposure_time_absolute", once "exposure_absolute"); both are understood.
 *
 * Locking turns each automatic off and leaves what it automated at the value it had. What is to be
 * put back is kept as a struct v4l2_lock, which its owner writes to disk before anything changes.
 *
 * Thread: the camera's; a struct v4l2_controls belongs to one thread. Each call may take
 * milliseconds, seconds if the device is ill.
 */

#pragma once

#include "base/base.h"
#include "cameras/v4l2_sys.h"
#include "model/camera.h"

struct buf;
struct err;

#define V4L2_MAX_CONTROLS 64

struct v4l2_controls {
	size_t n;
	uint32_t ids[V4L2_MAX_CONTROLS];
	struct camera_control list[V4L2_MAX_CONTROLS];
};

/* All that a person could set: numbers, switches, menus. 0, or what the device answered. */
int v4l2_controls_read(const struct v4l2_sys *sys, int fd, struct v4l2_controls *ret);

/* By either of its names; -1: there is none. */
int v4l2_controls_find(const struct v4l2_controls *cs, const char *name);

/* Whether `value` will do; else a sentence with what will. */
int v4l2_control_check(const struct camera_control *c, int64_t value, struct err *err) MUST_CHECK;

/* The value that a person means: a number, on/off, or the title of a menu's item. */
int v4l2_control_parse(const struct camera_control *c, const char *text, int64_t *ret,
                       struct err *err) MUST_CHECK;

/* Sets one of `cs` at the device. */
int v4l2_control_write(const struct v4l2_sys *sys, int fd, const struct v4l2_controls *cs, int i,
                       int64_t value, struct err *err) MUST_CHECK;

#define V4L2_LOCK_MAX 24

/* In the order of setting. */
struct v4l2_lock {
	unsigned n;
	struct {
		uint32_t id;
		int64_t before, locked;
	} entries[V4L2_LOCK_MAX];
};

/* What locking would change, by the values of `cs` as read now. Pure. */
void v4l2_lock_plan(const struct v4l2_controls *cs, struct v4l2_lock *ret);

/* Sets what is locked; again after the device was plugged in anew. Returns how many the device
 * refused. */
unsigned v4l2_lock_apply(const struct v4l2_sys *sys, int fd, const struct v4l2_lock *lock);
/* The reverse. */
unsigned v4l2_lock_restore(const struct v4l2_sys *sys, int fd, const struct v4l2_lock *lock);

/* The lock as a text file, and back. Pure; the reader refuses what the writer would not write. */
void v4l2_lock_write(const struct v4l2_lock *lock, struct buf *out);
bool v4l2_lock_read(const char *text, size_t size, struct v4l2_lock *ret);
