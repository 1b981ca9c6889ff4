/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/rtsp: the port-322 camera of a simulated X1, P2S, X2D or H2, over any streams (bambu.md 4.2).
 *
 * RTSP with digest login, interleaved TCP only, H.264 of the pictures that sim/cam draws, encoded by
 * a `bedside-av feed` while somebody plays.
 *
 * Thread: loop (a real one).
 */

#pragma once

#include "base/base.h"

struct loop;
struct sim_cam;
struct sim_engine;
struct sim_rtsp;
struct stream;

struct sim_rtsp_config {
	struct loop *loop;
	struct sim_engine *engine;
	struct sim_cam *cam;    /* outlives it */
	const char *av_program; /* bedside-av; borrowed */
};

struct sim_rtsp *sim_rtsp_new(const struct sim_rtsp_config *c);
void sim_rtsp_free(struct sim_rtsp *r);
void sim_rtsp_accept(struct sim_rtsp *r, struct stream *s);
/* All connections break. */
void sim_rtsp_drop(struct sim_rtsp *r);
