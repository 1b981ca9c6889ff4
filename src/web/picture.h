/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture: a camera's pictures for people who watch: as they come, or smaller, each made once for all
 * who want it.
 *
 * A reader is told of a newer picture and takes the newest when it can; one not taken is forgotten.
 * Smaller copies are made on the work pool, one after the other for each camera and width, only
 * while somebody reads them and not more often than the most demanding reader wants.
 *
 * Thread: loop.
 */

#pragma once

#include "cameras/camera.h"

struct picture_feed;
struct pictures;
struct frame;
struct http_bytes;
struct loop;
struct work_pool;

#define PICTURE_BOUNDARY "bedside"
#define PICTURE_MIN_WIDTH 64
#define PICTURE_MAX_WIDTH 3840

/* One picture, shared. Make parts of it by the functions below. */
struct picture {
	unsigned refs;
	struct frame *frame;
	struct http_bytes *jpeg, *part; /* private: made at the first wish */
};

/* Embedded in its owner, zeroed before first use. */
struct picture_reader {
	/* As camera_watcher.woken: a newer picture, another state, or the camera is gone
	 * (picture_reader_camera() is NULL then). Not called from inside picture_read(). The reader may
	 * leave inside; others may not. */
	void (*woken)(void *arg);
	void *arg;
	int64_t every_us; /* no more often than this; 0: all that come */

	/* private */
	struct camera_watcher watcher;
	struct picture_feed *feed;
	bool has_newer;
	struct picture_reader *prev, *next;
};

struct pictures *pictures_new(struct loop *l, struct work_pool *pool);
/* All readers must have left. Copies under way end alone. */
void pictures_free(struct pictures *fs);

/* `width` 0: as the camera gives them, else at most so wide. */
void picture_read(struct pictures *fs, struct camera *c, unsigned width, struct picture_reader *r);
/* NULL-safe for one that does not read. */
void picture_leave(struct picture_reader *r);
struct camera *picture_reader_camera(const struct picture_reader *r);

/* The newest picture not yet taken, the caller's reference; NULL if there is none. */
struct picture *picture_take(struct picture_reader *r);
/* The newest there is for this reader, taken or not, a new reference; NULL if there is none. */
struct picture *picture_newest(struct picture_reader *r);

struct picture *picture_new(struct frame *f); /* takes the reference */
struct picture *picture_ref(struct picture *p);
void picture_unref(struct picture *p); /* NULL is allowed */

/* The bytes of the picture; borrowed from `p`. */
struct http_bytes *picture_jpeg(struct picture *p);
/* A whole part of multipart/x-mixed-replace in one piece: head, JPEG and the next boundary (without
 * which a browser would not show it); borrowed from `p`. */
struct http_bytes *picture_part(struct picture *p);

/* "1795257605.123456", of a frame's capture. */
const char *picture_timestamp(char dst[40], const struct frame *f);
