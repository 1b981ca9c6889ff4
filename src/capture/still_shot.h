/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * still_shot: one picture of a camera in which nothing moves any more.
 *
 * Takes pictures captured after a moment until two that follow each other show the same, or the
 * wait is over: then the newest one, with the word that it may move. The comparing is done on
 * the pool (media/still).
 *
 * Thread: loop. Embedded in its owner, zeroed before first use.
 */

#pragma once

#include "cameras/camera.h"

struct work_pool;
struct still_judging;

struct still_shot {
	struct loop *loop;
	struct work_pool *pool;
	struct camera *camera;
	int64_t settle_us, timeout_ms; /* 0: the first picture is taken as it is */
	int64_t began_us;
	struct camera_shot shot;
	struct frame *last; /* NULL until the first came */
	struct still_judging *judging;
	/* `f` is the callee's, or NULL and the reason. */
	void (*done)(void *arg, struct frame *f, bool is_still, const struct err *err);
	void *arg;
};

/* loop … camera, settle_us, timeout_ms, done and arg are set; `done` is called exactly once, never from
 * inside this call. */
void still_shot_start(struct still_shot *s, int64_t not_before_us);
/* Ends it without a call; fine for one that is over or never began. */
void still_shot_cancel(struct still_shot *s);
