/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * v4l2_sim: a capture device that is not there, for tests: what the kernel would answer, and the
 * faults that real ones have.
 *
 * Thread: any; one lock around everything.
 */

#pragma once

#include "base/base.h"
#include "cameras/v4l2_sys.h"

#include <linux/videodev2.h>
#include <pthread.h>

#define SIM_BUFFERS 8
#define SIM_CONTROLS 16
#define SIM_LOG 64

struct sim_format {
	uint32_t pixel;
	unsigned width, height, fps; /* fps 0: tells no rates */
};

struct sim_control {
	uint32_t id, type;
	const char *title;
	int32_t min, max, fallback, value;
	uint32_t flags;
	uint32_t automatic; /* inactive while this one is not `off` */
	int32_t off;
};

struct v4l2_sim {
	pthread_mutex_t lock;
	struct v4l2_sys sys; /* hand this out */
	int fd;              /* an eventfd: readable while a buffer is done */
	unsigned n_open, n_mapped;
	bool is_plugged;
	uint32_t caps;

	const struct sim_format *formats;
	size_t n_formats;
	const struct v4l2_frmsize_stepwise *steps; /* of the first format, instead of sizes */
	struct v4l2_pix_format now;
	double now_fps;
	unsigned stride_extra; /* bytes behind each row */
	unsigned gives_other_width;

	unsigned n_buffers;
	uint8_t *memory[SIM_BUFFERS]; /* alive while mapped */
	size_t buffer_size;
	bool is_queued[SIM_BUFFERS];
	struct v4l2_buffer done[SIM_BUFFERS];
	unsigned n_done;
	bool is_on;
	uint32_t sequence;

	struct sim_control controls[SIM_CONTROLS];
	size_t n_controls;
	bool keeps_focus_off; /* remembers that much of its controls without power */
	unsigned n_walks;     /* through the list of controls */
	unsigned n_set;
	struct {
		uint32_t id;
		int32_t value;
	} set[SIM_LOG]; /* in the order of setting */

	unsigned long fails; /* this request ... */
	int fails_with;      /* ... answers so, as often as `fails_times` says */
	unsigned fails_times;
};

void sim_init(struct v4l2_sim *s, const struct sim_format *formats, size_t n);
void sim_fini(struct v4l2_sim *s);
/* Gives it exposure, gain, white balance, focus and power line, the automatics on. */
void sim_add_controls(struct v4l2_sim *s);
struct sim_control *sim_control(struct v4l2_sim *s, uint32_t id);

/* Fills the next queued buffer; false if none is queued: the picture is lost, as with a real one. */
bool sim_give(struct v4l2_sim *s, const void *bytes, size_t size, uint32_t flags);
void sim_unplug(struct v4l2_sim *s);
/* Back with its controls as after power-on. */
void sim_plug(struct v4l2_sim *s);
unsigned sim_n_queued(struct v4l2_sim *s);
