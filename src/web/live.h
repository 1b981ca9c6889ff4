/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * live: moving pictures of cameras, one JPEG after the other, for any number of viewers.
 *
 * Each part (head, JPEG, next boundary) is one piece of memory that all viewers of a camera share,
 * and one write. A socket gets a part only when it takes all of it: a slow viewer loses pictures, sees
 * the newest when it can, delays nobody and costs no memory of ours. While a source stalls its
 * viewers get a picture that says so, once a second.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct call;
struct camera;
struct camera_test_result;
struct live;
struct web;

struct live *live_new(struct web *w);
/* Viewers are let go. After the HTTP server was freed. */
void live_free(struct live *l);

/* How a viewer wants its stream; all 0: as it comes. */
struct live_options {
	unsigned width; /* at most so wide */
	int64_t fps;    /* at most so many */
	/* As ustreamer's parameters of these names. */
	bool extra_headers, advance_headers, dual_final_frames, zero_data;
	char key[64];
};

/* Answers with the stream; the call is gone then. */
void live_open(struct call *c, struct camera *cam, const struct live_options *o);

struct live_viewer_info {
	const struct live_options *options;
	char id[17];
	unsigned per_second; /* in the last whole second */
};

/* The i-th viewer of this camera; false after the last. */
bool live_viewer_at(const struct live *l, const struct camera *cam, size_t i,
                    struct live_viewer_info *ret);

/* How it went, as the interface says it. */
json_t *json_camera_test(const struct camera_test_result *r);
