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

#define CAMERA_MAX_ARGS 32
#define CAMERA_MAX_CONTROLS 32
#define CAMERA_MAX_PRINTERS 8

enum camera_focus {
	CAMERA_FOCUS_CONTINUOUS,
	CAMERA_FOCUS_EACH_SHOT, /* one cycle of the autofocus before each picture of a session */
	CAMERA_FOCUS_MANUAL,    /* at `lens_position` */
};

/* Where its configuration stands, and so who may change it. */
enum camera_origin {
	CAMERA_OF_FILE,    /* bedside.yaml, which is the user's */
	CAMERA_OF_PRINTER, /* made with its printer */
	CAMERA_OF_PAGE,    /* the data folder's cameras.d */
};

/* Fractions of the picture; all 0: the driver's (the central 20 %). */
struct camera_window {
	double x, y, width, height;
};

/* A device's setting that the user wants: "exposure_time_absolute", "150". */
struct camera_setting {
	char name[48];
	char value[64];
};

struct camera_config {
	char id[MODEL_ID_SIZE]; /* slug of the name: [a-z0-9-] */
	char name[MODEL_NAME_SIZE];
	char driver[24];             /* camera_driver.name */
	int origin;                  /* enum camera_origin */
	char printer[MODEL_ID_SIZE]; /* whose picture it is, of several the first; "" for none */
	unsigned n_also;             /* further printers that it sees */
	char also[CAMERA_MAX_PRINTERS - 1][MODEL_ID_SIZE];
	char source[512];  /* device path, folder or URL, as the driver says; a URL without login */
	char address[256]; /* bambu: host name or address */
	uint16_t port;
	char serial[32];      /* bambu: certificate CN */
	char user[96];        /* http, rtsp: "" none */
	struct secret secret; /* bambu: access code; http, rtsp: password */
	struct trust trust;   /* http, rtsp: CA means the system's, or ca_file */
	bool is_always_open;
	unsigned width, height; /* wanted; 0: the camera's */
	double fps;             /* pictures a second wanted; 0: the camera's */
	char format[8];   /* v4l2: mjpeg, yuyv, nv12, i420, uyvy, h264; "" or auto: the best */
	int64_t poll_ms;  /* http-still: between two pictures */
	unsigned quality; /* 1 to 100, of JPEGs that are made here or for us; 0: 95 */

	/* What comes is mirrored, then turned clockwise, once, before anybody sees it. */
	unsigned rotation; /* degrees: 0, 90, 180, 270 */
	bool is_flipped_h, is_flipped_v;

	unsigned n_args; /* exec, rpicam: the program and its arguments; heap, the config's */
	char *args[CAMERA_MAX_ARGS + 1]; /* NULL behind the last */

	unsigned n_controls;
	struct camera_setting controls[CAMERA_MAX_CONTROLS];
	int focus;            /* enum camera_focus */
	double lens_position; /* dioptres, for CAMERA_FOCUS_MANUAL */
	struct camera_window focus_window;
	double exposure_bias; /* EV */
	bool is_full_still;   /* rpicam: pictures of a session at the sensor's full resolution */

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
	bool has_video; /* H.264 or H.265 that can be passed on */
	char codec[48]; /* of the video, as browsers name it: "avc1.640028"; "" until it is known */
	int64_t retry_at_us; /* next attempt while NO_SIGNAL, else 0 */
};

/* A control of a device, as it is now. */
enum camera_control_kind {
	CAMERA_CONTROL_NUMBER,
	CAMERA_CONTROL_SWITCH, /* "0" or "1" */
	CAMERA_CONTROL_MENU,   /* one of `choices` */
};

#define CAMERA_MAX_CHOICES 16

struct camera_control {
	char name[48];  /* "exposure_time_absolute" */
	char title[64]; /* as the device calls it */
	enum camera_control_kind kind;
	int64_t min, max, step, fallback, value;
	bool is_read_only;
	bool is_inactive; /* another control (an automatic) has it at the moment */
	unsigned n_choices;
	struct {
		int64_t value;
		char title[32];
	} choices[CAMERA_MAX_CHOICES];
};

/* It is the picture of this printer, too. */
bool camera_config_sees(const struct camera_config *c, const char *printer);

/* "closed", "connecting", "live", "stale", "no_signal". */
const char *camera_state_name(enum camera_state s);

/* "file", "printer", "page". */
const char *camera_origin_name(int origin);

/* Wipes the secret, frees the arguments; the value may be used again. */
void camera_config_fini(struct camera_config *c);
/* Adds to the arguments; false when there are CAMERA_MAX_ARGS. */
bool camera_config_add_arg(struct camera_config *c, const char *arg);
/* Deep copy into an empty value. */
void camera_config_copy(struct camera_config *dst, const struct camera_config *src);
