/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fakes: the rooms below the web, as little as its tests need: one printer "a1", one camera "a1",
 * sessions that obey, films that are promised. For tests and benchmarks only.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "model/camera.h"
#include "model/printer.h"

struct frame;
struct loop;

void fakes_init(struct loop *l);
void fakes_fini(void);

struct printer_state *fakes_printer_state(void);
struct camera_status *fakes_camera_status(void);
/* To all watchers; takes the reference. */
void fakes_camera_frame(struct frame *f);
unsigned fakes_n_watchers(void);
/* A packet of video, to its watcher; takes the reference. status.has_video is the test's to set. */
void fakes_camera_packet(struct frame *f);
bool fakes_video_is_watched(void);
/* The printer has gone from the configuration. */
void fakes_remove_printer(void);
void fakes_remove_camera(void);
struct camera_config *fakes_camera_config(void);
