/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * model/camera: what a camera is configured to be, and how it is.
 *
 * Plain data. Thread: any; one value belongs to one thread.
 */

#pragma once

#include "base/base.h"
#include "base/secret.h"
#include "model/trust.h"

#define MODEL_ID_SIZE 48
#define MODEL_NAME_SIZE 96

struct camera_config {
	char id[MODEL_ID_SIZE]; /* slug of the name: [a-z0-9-] */
	char name[MODEL_NAME_SIZE];
	char driver[24];             /* camera_driver.name */
	char printer[MODEL_ID_SIZE]; /* whose picture it is; "" for none */
	char source[512];            /* device path or URL, as the driver says */
	char address[256];           /* bambu: host name or address */
	uint16_t port;
	char serial[32];      /* bambu: certificate CN */
	struct secret secret; /* bambu: access code */
	struct trust trust;
	bool is_always_open;
	unsigned width, height; /* wanted; 0: the camera's */
	double fps;             /* fake: pictures a second */
	int64_t latency_us;     /* glass to memory; captured = arrived - latency where unstamped */
	int64_t stale_after_ms; /* no frame for so long: stale; then reconnect. Default 10 s */
	int64_t ring_ms;        /* how much the pre/post ring holds; default 3 s */
};

enum camera_state {
	CAMERA_CLOSED,     /* nobody wants it */
	CAMERA_CONNECTING, /* opening, or waiting for the first picture */
	CAMERA_LIVE,
	CAMERA_STALE,     /* open, but no new picture for stale_after_ms */
	CAMERA_NO_SIGNAL, /* failed; will be tried again */
};

struct camera_status {
	enum camera_state state;
	char text
		[240]; /* what is so, what Bedside does, what a person can do; "" while all is well */
	int64_t newest_us; /* capture time of the newest frame, 0 if none */
	int64_t newest_wall_ms;
	unsigned width, height;
	double per_second; /* measured over the last 10 s */
	uint64_t n_frames, n_refused, n_reconnects;
	unsigned n_watchers;
	int64_t retry_at_us; /* next attempt while NO_SIGNAL, else 0 */
};

/* "closed", "connecting", "live", "stale", "no_signal". */
const char *camera_state_name(enum camera_state s);

/* Wipes the secret; the value may be used again. */
void camera_config_fini(struct camera_config *c);
/* Deep copy into an empty value. */
void camera_config_copy(struct camera_config *dst, const struct camera_config *src);
