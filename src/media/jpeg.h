/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jpeg: making, reading and shrinking JPEG pictures (libjpeg-turbo's TurboJPEG, only here).
 *
 * Foreign pictures pass jpeg_scan() inside and are refused above JPEG_MAX_PIXELS; a decoder's
 * warnings (broken data in the middle) are errors unless told otherwise.
 *
 * Thread: any. Milliseconds of CPU: on a worker, not on the loop.
 */

#pragma once

#include "base/base.h"

struct err;
struct frame;

#define JPEG_MAX_PIXELS (64U << 20)

/* 4 bytes a pixel in the order R, G, B, unused; rows without a gap. */
struct jpeg_pixels {
	uint8_t *rgbx; /* free() it */
	unsigned width, height;
};

void jpeg_pixels_fini(struct jpeg_pixels *p);

/* A JPEG (baseline, 4:2:0) of RGBX rows without a gap. The frame has its size set, but no
 * times; one reference, the caller's. `quality` is 1 to 100. */
int jpeg_encode_rgbx(const uint8_t *rgbx, unsigned width, unsigned height, int quality,
                     struct frame **ret, struct err *err) MUST_CHECK;

/* The same of a raw frame (FRAME_I420, FRAME_NV12, FRAME_YUYV); times and number are kept. */
int jpeg_encode_frame(const struct frame *raw, int quality, struct frame **ret,
                      struct err *err) MUST_CHECK;

/* Mirrored left to right and top to bottom, then turned clockwise. */
struct jpeg_turn {
	bool is_flipped_h, is_flipped_v;
	unsigned degrees; /* 0, 90, 180, 270 */
};

/* As first EXIF's orientation (1 to 8; 0: none) and then `then`. */
struct jpeg_turn jpeg_turn_upright(unsigned orientation, const struct jpeg_turn *then);
/* Nothing is to be done. */
bool jpeg_turn_is_none(const struct jpeg_turn *t);

/* Turns a JPEG without loss. What does not fill a whole block of the encoder (up to 15 rows or
 * columns) at an edge that moves is cut off; comments and EXIF go, so that nobody turns it twice.
 * Times and number are kept. */
int jpeg_turn(const struct frame *f, const struct jpeg_turn *turn, struct frame **ret,
              struct err *err) MUST_CHECK;

/* Decodes to RGBX, shrunk by the decoder itself so that it is at least `min_width` wide (0: full
 * size), which is several times faster than decoding all. */
int jpeg_decode(const uint8_t *bytes, size_t size, unsigned min_width, struct jpeg_pixels *ret,
                struct err *err) MUST_CHECK;

/* How bright it is: the mean of its grey values, 0 to 255, decoded at an eighth of its size. */
int jpeg_brightness(const uint8_t *bytes, size_t size, double *ret, struct err *err) MUST_CHECK;

/* A smaller JPEG `width` pixels wide at most, its proportions kept; never larger than the
 * original, of which a new reference is returned if it is small enough. Times are kept. */
int jpeg_shrink(struct frame *f, unsigned width, int quality, struct frame **ret,
                struct err *err) MUST_CHECK;
