/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_sys: the few calls into the kernel that the V4L2 driver makes, as a table, so that tests
 * put a simulated device in their place, and where the kernel's trees stand.
 *
 * Thread: any; a table is read-only while in use.
 */

#pragma once

#include "base/base.h"

struct v4l2_sys {
	/* As open(2), close(2), ioctl(2) (restarted after a signal), mmap(2) for reading and
	 * munmap(2), but with negative errno values; map() gives NULL on failure. */
	int (*open)(void *arg, const char *path);
	void (*close)(void *arg, int fd);
	int (*ioctl)(void *arg, int fd, unsigned long request, void *data);
	void *(*map)(void *arg, int fd, size_t length, int64_t offset);
	void (*unmap)(void *arg, void *at, size_t length);
	void *arg;

	const char *sys;  /* "/sys" */
	const char *dev;  /* "/dev" */
	const char *proc; /* "/proc" */

	/* So long after the start exposure and white balance have come to rest. */
	int64_t settle_us;
};

/* The kernel's own. */
extern const struct v4l2_sys v4l2_sys_real;
