/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_jpeg: what USB cameras call a JPEG, made into one.
 *
 * Many leave the Huffman tables out (the standard ones are meant: the AVI "MJPG" convention, and
 * T.81 annex K.3) and fill the buffer up behind the picture. Everybody else wants both mended.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

/* The standard tables as one DHT segment, marker included. */
#define V4L2_JPEG_TABLES_SIZE 420

struct v4l2_jpeg {
	size_t size;      /* of the picture, without what follows it */
	size_t tables_at; /* where the tables must be put in; 0: they are there */
};

/* False: this does not begin like a JPEG, and is to be judged as it is. */
bool v4l2_jpeg_look(const uint8_t *bytes, size_t size, struct v4l2_jpeg *ret);

/* Writes the picture with its tables: look.size + V4L2_JPEG_TABLES_SIZE bytes. */
void v4l2_jpeg_complete(const uint8_t *bytes, const struct v4l2_jpeg *look, uint8_t *dst);
