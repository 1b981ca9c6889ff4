/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/cam: the port-6000 camera of a simulated printer, over any streams.
 *
 * Draws only while somebody watches, on a worker. A wrong login is answered by closing, without a
 * byte, as the real ones do.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "printers/sim/engine.h"

struct frame;
struct loop;
struct sim_cam;
struct stream;
struct work_pool;

struct sim_cam_config {
	struct loop *loop;
	struct work_pool *pool; /* one thread */
	struct sim_engine *engine;
	double frames_per_s;    /* 0: 1 */
	unsigned width, height; /* 0: 1280×720 */
	int64_t delay_us;       /* from what is seen to the first byte of its picture; 0: none */
	bool is_strict;         /* a second client is closed at once */
};

struct sim_cam *sim_cam_new(const struct sim_cam_config *c);
void sim_cam_free(struct sim_cam *c);
void sim_cam_accept(struct sim_cam *c, struct stream *s);
void sim_cam_drop(struct sim_cam *c);
/* Draws for `sink`, too, until it is set to NULL; frames are borrowed. */
void sim_cam_set_sink(struct sim_cam *c, void (*sink)(void *arg, const struct frame *f), void *arg);
/* The next frame breaks off in the middle, and the connection with it. */
void sim_cam_break_next(struct sim_cam *c);
