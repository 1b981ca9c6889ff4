/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_find: which video devices there are, by names that last.
 *
 * /dev/videoN is handed out in the order of plugging. What lasts is the USB device's vendor,
 * product and serial number, or the port it hangs on; both are read from sysfs, so that no udev is
 * needed. A camera makes several nodes (pictures, metadata); which one gives pictures is known by
 * its capabilities.
 *
 * Thread: any. Reads sysfs and asks devices for their capabilities: milliseconds; not on the loop.
 */

#pragma once

#include "base/base.h"
#include "cameras/v4l2_sys.h"

struct err;

#define V4L2_FIND_MAX 64

struct v4l2_found {
	char node[64];    /* "/dev/video0" */
	char title[96];   /* as the device calls itself */
	char stable[192]; /* what to write into the configuration */
	char by_port[192];
	char usb_id[12]; /* "046d:0825", "" if it is no USB device */
	char serial[64];
	unsigned index; /* of the device's nodes */
};

/* The devices that give pictures, in the order of their numbers; returns how many. `can_capture`
 * asks the device; without it (no permission, busy) the first node of each counts. */
size_t v4l2_find_all(const struct v4l2_sys *sys, struct v4l2_found *ret, size_t max);

/*
 * The device node that `source` means now:
 *	/dev/video2, /dev/v4l/by-id/…       as it is, links followed
 *	usb:VENDOR:PRODUCT[:SERIAL]         hexadecimal, as lsusb shows them
 *	port:1-1.2:1.0, pci-0000:…          where it hangs, as `bedside camera list` shows it
 * -ENOENT when it is not plugged in, -EINVAL when it is none of these; `err` is a sentence.
 */
int v4l2_find(const struct v4l2_sys *sys, const char *source, char *ret_node, size_t size,
              struct err *err);

/* The form of `source` alone; for the configuration. */
bool v4l2_source_is_valid(const char *source);

/* "motion (process 812)", the program that has `node` open; false if it is not to be known. */
bool v4l2_find_holder(const struct v4l2_sys *sys, const char *node, char *dst, size_t size);

/* The sentence for a device that cannot be opened or used: what is so and what to do. */
int v4l2_explain(const struct v4l2_sys *sys, int rc, const char *node, struct err *err);
