/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cameras/private: a camera as the files of this room see it. camera.c keeps the upstream alive,
 * ingest.c makes what it brings a picture, fanout.c hands it out, video.c passes video on, probe.c tests the camera.
 *
 * Thread: loop.
 */

#pragma once

#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/video.h"
#include "core/log.h"
#include "core/loop.h"
#include "media/ring.h"

#define CAMERA_RATE_SECONDS 10

struct camera_source {
	struct camera *camera;
};

/* Frames of each of the last seconds. */
struct camera_rate {
	int64_t second[CAMERA_RATE_SECONDS + 1]; /* which second a count belongs to */
	unsigned n[CAMERA_RATE_SECONDS + 1];
	int64_t first_us;
};

/* One frame in work, behind it what waits: the newest, and what shots wait for. */
#define INGEST_MAX_WAITING 16
struct ingest {
	struct ingest_job *job; /* NULL: nothing in work */
	struct frame *waiting[INGEST_MAX_WAITING];
	unsigned n_waiting;
};

struct camera {
	struct cameras *all;
	struct camera *prev, *next; /* cameras.cameras */
	struct camera_config config;
	struct camera_status status;
	struct log log;

	const struct camera_driver *driver;
	void *priv;
	struct camera_source source;
	bool is_open;
	bool wants_stills; /* shots are served by stills only */
	unsigned attempt;  /* failures in a row */
	int64_t live_since_us;

	struct timer retry;    /* runs while waiting for the next attempt */
	struct timer linger;   /* runs while open, but not wanted */
	struct timer watchdog; /* runs while open; set anew by each frame */
	struct timer failing;  /* the driver failed: closing it outside of its own call */
	struct timer tell;     /* an event is due */
	struct timer wake;     /* watchers are to be told of a new state */
	struct timer nudge;    /* the driver is to be told of a shot, outside of its own calls */
	int64_t told_us;
	struct err *failure; /* of `failing` */

	struct ingest ingest;
	struct video *video; /* NULL until there is some, or somebody waits for it */
	int64_t captured_us; /* of the newest frame that came, published or not */
	struct frame *newest;
	struct ring ring;
	struct camera_rate rate;

	struct camera_watcher *watchers;
	struct camera_watcher *next_to_wake; /* kept valid when one leaves meanwhile */
	struct camera_shot *shots;
	struct camera_shot *next_to_serve;
	struct camera_probe *probes;
	unsigned n_holds;
	unsigned n_locks;

	unsigned busy;   /* calls of foreign code on the stack */
	bool is_removed; /* buried as soon as it is not busy */
};

struct cameras {
	struct cameras_env env;
	struct camera *cameras;
};

/* As cameras_add() with a driver that need not be in the list: for tests. */
int cameras_add_driven(struct cameras *cs, const struct camera_config *config,
                       const struct camera_driver *driver, struct camera **ret,
                       struct err *err) MUST_CHECK;

/* Opens, lingers or closes, as the number of readers asks for. */
void camera_update_demand(struct camera *c);
/* Status has changed: an event now (`is_state`) or within a second; watchers are woken for a
 * state. */
void camera_changed(struct camera *c, bool is_state);

/* A picture is ready: published. Takes the reference. */
void camera_take(struct camera *c, struct frame *f);
/* It makes progress: a picture, or a packet of video. */
void camera_is_live(struct camera *c, int64_t now_us);
/* It is none: counted. Takes the reference, NULL is allowed. */
void camera_refuse(struct camera *c, struct frame *f, const char *why);

/* ingest.c: a whole frame with its times; takes the reference. */
void ingest_put(struct camera *c, struct frame *f);
/* Forgets what waits, and the result of what is in work. */
void ingest_reset(struct camera *c);

/* fanout.c */
void fanout_frame(struct camera *c, struct frame *f);
void fanout_wake(struct camera *c);
/* Shots end with `err`; NULL: without a call. Watchers are let go. */
void fanout_end(struct camera *c, const struct err *err);

/* video.c */
bool video_is_watched(const struct camera *c);
/* Tells the driver how many pictures are to be decoded. Outside of its own calls. */
void video_update_demand(struct camera *c);
void video_closed(struct camera *c);
/* Watchers are let go; c->video stays until the camera is freed. */
void video_end(struct camera *c);

/* probe.c: tests end with `err`; NULL: without a call. */
void probes_end(struct camera *c, const struct err *err);
