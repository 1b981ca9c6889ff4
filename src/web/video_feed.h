/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * video_feed: the video of one camera while somebody watches it, and its HLS segments.
 *
 * video_feed.c makes fragments and hands them out, hls.c makes segments of them, video.c answers
 * requests. Thread: loop.
 */

#pragma once

#include "base/buf.h"
#include "cameras/video.h"
#include "web/web.h"

struct http_bytes;
struct http_channel;

#define HLS_MAX_SEGMENTS 6
#define HLS_MIN_US 1000000
#define HLS_IDLE_US 20000000 /* not asked for so long: nobody watches */
#define HLS_WAIT_US 30000000 /* for the first segment */
#define HLS_MAX_BYTES ((size_t)16 << 20)

struct hls_segment {
	uint32_t number;
	unsigned generation; /* of the init segment that it needs */
	int64_t duration_us;
	bool is_broken; /* does not follow the one before */
	struct http_bytes *bytes;
};

struct hls_call {
	struct call *call;
	int64_t until_us;
	struct hls_call *prev, *next;
};

struct hls {
	int64_t asked_us; /* 0: not in use */
	struct hls_segment segments[HLS_MAX_SEGMENTS];
	unsigned n_segments;
	uint32_t next_number, n_discontinuities;
	struct buf making; /* empty until a key frame */
	int64_t made_from_us, made_to_us;
	unsigned made_generation;
	bool is_broken;
	struct hls_call *waiting;
};

struct mp4_viewer {
	struct feed *feed;
	struct http_channel *channel;
	struct who who;
	bool is_turned; /* the init segment says how to turn the picture */
	bool has_begun;
	bool is_cut; /* until the next key frame */
	struct mp4_viewer *prev, *next;
};

/* One access unit as a fragment. */
struct fragment {
	struct http_bytes *bytes;
	int64_t from_us, to_us;
	bool is_key;
};

struct feed {
	struct web *web;
	struct camera_video_watcher watcher;
	unsigned generation;
	int64_t base_us; /* media time of 0 */
	int64_t dts_us, step_us;
	uint32_t number;
	struct fragment kept[CAMERA_VIDEO_MAX_PACKETS]; /* since the newest key frame */
	size_t n_kept;
	struct mp4_viewer *viewers;
	unsigned n_viewers;
	struct hls hls;
	struct feed *prev, *next;
};

struct feed *feed_new(struct web *w, struct camera *c);
void feed_free(struct feed *f);
/* Somebody needs it. */
bool feed_is_used(const struct feed *f, int64_t now_us);
/* The init segment, NULL before the first key frame; the caller's reference. */
struct http_bytes *feed_init(const struct feed *f, bool is_turned);
/* Takes a viewer whose channel is open. */
void feed_add_viewer(struct feed *f, struct mp4_viewer *v);
void feed_remove_viewer(struct mp4_viewer *v); /* frees it */
/* Lets viewers go that may not look any more. */
void feed_check(struct feed *f);

/* hls.c */
void hls_init(struct hls *h);
void hls_fini(struct hls *h, const char *why);
void hls_put(struct feed *f, const struct fragment *g);
/* What comes next does not follow. */
void hls_break(struct hls *h);
/* Answers, at once or when there is a segment. */
void hls_answer_index(struct feed *f, struct call *c, int64_t now_us);
void hls_answer_file(struct feed *f, struct call *c, const char *name);
/* Refuses who has waited too long. */
void hls_check(struct feed *f, int64_t now_us);
