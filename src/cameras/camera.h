/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camera: one upstream, many readers, capture first.
 *
 * The framework owns reconnecting with back-off, health by the progress of frames, statistics,
 * the pre/post ring and the fan-out; a driver (cameras/driver.h) only knows its device. The
 * upstream is open while somebody wants pictures (a watcher, a shot, a hold) or always, as
 * configured. Watchers hold at most one frame each: a slow one loses frames, never delays anyone.
 * Shots are served before watchers and are never skipped.
 *
 * Thread: loop. Frames may be handed to other threads.
 */

#pragma once

#include "base/base.h"
#include "model/camera.h"

struct bus;
struct camera;
struct cameras;
struct err;
struct frame;
struct loop;
struct stream;
struct v4l2_sys;
struct work_pool;

/* Cameras of other machines, for the driver "rig". */
struct camera_remote {
	/* Pictures from the next turn on, until close(); NULL: there is no such camera. */
	void *(*open)(void *arg, const struct camera_config *c,
	              void (*picture)(void *to, const uint8_t *jpeg, size_t size,
	                              int64_t at_wall_ms),
	              void *to);
	void (*close)(void *arg, void *opened);
	void *arg;
};

struct cameras_env {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool; /* pictures are drawn and encoded here */
	const char
		*ca_pem; /* PEM of the printer makers' CAs, for trust by CA; NULL: none built in */
	const char *av_program; /* bedside-av, for video; NULL: such cameras fail */
	const char *data_dir;   /* jobs' paths are below it; NULL: as they are */
	/* Instead of TLS over TCP, for tests on simulated time: an open stream or one that fails. */
	struct stream *(*connect)(void *arg, const struct camera_config *c);
	void *connect_arg;
	const struct camera_remote *remote; /* NULL: none */
	const struct v4l2_sys *v4l2;        /* instead of the kernel, for tests; NULL: the kernel */
	int64_t retry_ms; /* before each new attempt, for tests; 0: a second and ever longer */
};

/* All cameras of the program. `env` is copied, its texts are borrowed. */
struct cameras *cameras_new(const struct cameras_env *env);
/* Closes all; watchers hear nothing more; frames given out stay valid. */
void cameras_free(struct cameras *cs);

/* Adds a camera; it starts when it is wanted. The configuration is copied. */
int cameras_add(struct cameras *cs, const struct camera_config *config, struct camera **ret,
                struct err *err) MUST_CHECK;
/* Shots and tests end with an error, watchers are let go; the camera's pointer is dead then. */
void cameras_remove(struct cameras *cs, const char *id);
struct camera *cameras_find(struct cameras *cs, const char *id);
/* In order of adding; NULL after the last. */
struct camera *cameras_at(struct cameras *cs, size_t i);

/* How late its pictures are, measured anew: counts from the next picture on. */
void camera_set_latency(struct camera *c, int64_t latency_us);
const struct camera_config *camera_config(const struct camera *c);
const struct camera_status *camera_status(const struct camera *c);

/* A reader of the live picture. Embedded in its owner, zeroed before first use. */
struct camera_watcher {
	struct camera *camera;
	/* A newer frame is there: take it with camera_watch_take() now or when the reader can. Also
	 * called when the camera's state changed (no signal, back again) or the camera was removed
	 * (`camera` is NULL then); take() may give NULL. Never called from inside camera_watch();
	 * unwatching, shooting and removing are allowed inside. */
	void (*woken)(void *arg);
	void *arg;
	struct frame *newest; /* camera's; at most one */
	bool is_capture;      /* served before others; set before camera_watch() */
	struct camera_watcher *prev, *next;
};

/* A live camera's newest frame can be taken at once. */
void camera_watch(struct camera *c, struct camera_watcher *w, void (*woken)(void *arg), void *arg);
void camera_unwatch(struct camera_watcher *w);
/* The newest frame not yet taken by this watcher, the caller's reference; NULL if none. */
struct frame *camera_watch_take(struct camera_watcher *w);

/* The newest frame whatever its age, a new reference; NULL if there never was one. */
struct frame *camera_newest(struct camera *c);

/* One picture for a trigger. */
struct camera_shot {
	struct camera *camera;
	int64_t not_before_us; /* capture time at or after this (monotonic) */
	struct timer *private_timer;
	struct frame *private_found;
	void (*done)(void *arg, struct frame *f,
	             const struct err *err); /* f: the caller's, or NULL */
	void *arg;
	struct camera_shot *prev, *next;
};

/*
 * Asks for the first frame captured at or after `not_before_us`; looks into the ring first. `done`
 * is called exactly once, never from inside this call: with the frame, or NULL and the reason
 * after `timeout_ms`, or when the camera is removed. camera_shot_cancel() ends it without a call;
 * it is fine for one that was never asked for. `s` stays the caller's, zeroed before first use.
 */
void camera_shoot(struct camera *c, struct camera_shot *s, int64_t not_before_us,
                  int64_t timeout_ms,
                  void (*done)(void *arg, struct frame *f, const struct err *err), void *arg);
void camera_shot_cancel(struct camera_shot *s);

/* Keeps the upstream open (recording); counted, one release for each hold. */
void camera_hold(struct camera *c);
void camera_release(struct camera *c);

/*
 * The device's settings: exposure, focus, white balance and the like. Returns how many there are
 * and fills at most `max`; -ENOTSUP if this kind of camera has none, -EAGAIN if they are being
 * read for the first time.
 */
int camera_controls(struct camera *c, struct camera_control *ret, size_t max, struct err *err);
/* What is surely wrong is told here; what the device says to it goes to the log. */
int camera_control_set(struct camera *c, const char *name, int64_t value, struct err *err);

/* While a recording runs the automatics of the device are off: one picture is like the other.
 * Counted; with the last unlock they are as they were before. */
void camera_lock(struct camera *c);
void camera_unlock(struct camera *c);

/* Frames of the ring captured within [from_us, to_us], oldest first, new references; at most
 * `max`. Returns how many. */
size_t camera_ring_get(struct camera *c, int64_t from_us, int64_t to_us, struct frame **ret,
                       size_t max);

/* CAME-8: opens if need be, takes `n` pictures, calls back with a sentence per result. */
struct camera_test_result {
	bool is_ok;
	unsigned width, height, n_frames;
	size_t size;      /* bytes of the last picture */
	int64_t first_ms; /* from asking to the first picture */
	int64_t shot_ms;  /* from one picture to the next; of a single one as first_ms */
	int64_t age_ms;   /* of the last picture when it had arrived */
	double per_second;
	char text[320];
};
void camera_test(struct camera *c, unsigned n, int64_t timeout_ms,
                 void (*done)(void *arg, const struct camera_test_result *r), void *arg);

/* A picture that says in words why there is none, as large as the camera's last one: for live
 * viewers. Milliseconds of CPU. NULL only if the encoder fails. */
struct frame *camera_no_signal(const struct camera *c);
