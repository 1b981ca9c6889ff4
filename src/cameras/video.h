/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cameras/video: the H.264 or H.265 of a camera that gives some, passed on as it comes.
 *
 * The camera keeps what came since the newest key frame (bounded), so that a new viewer can begin
 * at once. Packets are frames of FRAME_H264 or FRAME_H265, Annex B, with dts_us and pts_us of one
 * rising media time; nobody may change them. JPEGs of such a camera are decoded only while somebody
 * wants them; whoever watches video does not make that happen.
 *
 * Thread: loop.
 */

#pragma once

#include "media/h264.h"

struct camera;
struct frame;

#define CAMERA_VIDEO_MAX_BYTES ((size_t)16 << 20)
#define CAMERA_VIDEO_MAX_PACKETS 2048

/* A reader of the video. Embedded in its owner, zeroed before first use. It keeps the upstream
 * open, as a camera_watcher does. */
struct camera_video_watcher {
	struct camera *camera;
	/* A packet more; borrowed. */
	void (*packet)(void *arg, struct frame *f);
	/* The upstream is gone: the next packet is a key frame and may be of another size. `camera`
	 * is NULL when the camera was removed. */
	void (*broken)(void *arg);
	void *arg;
	unsigned n_viewers; /* private */
	struct camera_video_watcher *prev, *next;
};

/* `packet` and `broken` are never called from inside; unwatching is allowed inside them. */
void camera_video_watch(struct camera *c, struct camera_video_watcher *w);
void camera_video_unwatch(struct camera_video_watcher *w);
/* So many people look through this watcher, for camera_status.n_watchers; one, if nothing is said. Does
 * nothing when the camera has gone. */
void camera_video_count(struct camera_video_watcher *w, unsigned n);

/* What came since the newest key frame, that first: new references, at most `max`. 0: nothing
 * that a viewer could begin with. */
size_t camera_video_get(struct camera *c, struct frame **ret, size_t max);

/* NULL: the camera has not given video yet. Counts up with each change. */
const struct video_params *camera_video_params(const struct camera *c);
unsigned camera_video_generation(const struct camera *c);

/* It gives video, or may: that an RTSP camera sends Motion JPEG shows with the first picture. */
bool camera_gives_video(const struct camera *c);
