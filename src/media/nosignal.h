/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * nosignal: a picture that says in words why there is no picture.
 *
 * Thread: any; a few milliseconds.
 */

#pragma once

#include "base/base.h"

struct err;
struct frame;

struct nosignal {
	unsigned width, height; /* of the last picture; 0: 1280×720 */
	const char *title;      /* the camera's name */
	const char *text;       /* a sentence; wrapped */
	int64_t since_wall_ms;  /* time of the last picture; 0: there was none */
};

/* A JPEG without times, the caller's. */
int nosignal_draw(const struct nosignal *n, struct frame **ret, struct err *err) MUST_CHECK;
