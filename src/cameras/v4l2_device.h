/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_device: an open capture device: its formats, and pictures by memory mapping.
 *
 * A frame is the kernel's buffer itself while enough of them are left to the device, else a copy.
 * The buffers are shared by the stream and its frames and unmapped with the last of them: a frame
 * outlives the stream, the device and the camera. A frame that is let go only marks its buffer; the
 * camera's thread gives it back to the device.
 *
 * Raw rows are without gaps (copied together where the device has gaps); UYVY is turned into YUYV.
 *
 * Thread: the camera's; frames may be let go on any.
 */

#pragma once

#include "base/base.h"
#include "cameras/v4l2_sys.h"

struct err;
struct frame;

#define V4L2_MAX_FORMATS 512

/* One of the combinations that the device offers. */
struct v4l2_format_choice {
	uint32_t pixel; /* V4L2_PIX_FMT_… */
	unsigned width, height;
	double fps; /* 0: it does not tell */
};

struct v4l2_wish {
	uint32_t pixel;         /* 0: the best */
	unsigned width, height; /* 0: the best up to 1920×1080 */
	double fps;             /* 0: as fast as it can */
};

/* All combinations that we can use, at most `max`; sizes in steps are told by their largest,
 * smallest and the usual ones between. */
size_t v4l2_formats(const struct v4l2_sys *sys, int fd, struct v4l2_format_choice *ret, size_t max);

/* The best for what is wished; NULL if n is 0. Of equal ones compressed pictures win. */
const struct v4l2_format_choice *v4l2_choose(const struct v4l2_format_choice *formats, size_t n,
                                             const struct v4l2_wish *wish);

/* "MJPG", "YUYV". */
const char *v4l2_pixel_name(uint32_t pixel, char ret[8]);
/* "mjpeg", "yuyv", "nv12", "i420", "uyvy", "h264"; "auto" is 0. False: none of these. */
bool v4l2_pixel_from_name(const char *name, uint32_t *ret);

struct v4l2_stream;

struct v4l2_stream_counts {
	uint64_t n_frames, n_copied, n_damaged, n_lost; /* lost: the device's own count has gaps */
};

/* Sets the format and begins. `fd` stays the caller's. */
int v4l2_stream_start(const struct v4l2_sys *sys, int fd, const struct v4l2_format_choice *format,
                      struct v4l2_stream **ret, struct err *err) MUST_CHECK;

/* After it `fd` may be closed; frames stay valid. NULL is allowed. */
void v4l2_stream_stop(struct v4l2_stream *s);

/* What the device made of the wish. */
const struct v4l2_format_choice *v4l2_stream_format(const struct v4l2_stream *s);
const struct v4l2_stream_counts *v4l2_stream_counts(const struct v4l2_stream *s);

/*
 * When `fd` is readable: the next frame; 0 and NULL if there is none yet or it was damaged.
 * -ENODEV: unplugged. Fills all of the frame but number and wall time.
 */
int v4l2_stream_next(struct v4l2_stream *s, struct frame **ret, struct err *err) MUST_CHECK;
