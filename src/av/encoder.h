/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * encoder: pictures in, H.264 samples out, by libx264 through libavcodec.
 *
 * High profile, 4:2:0, closed groups of pictures that begin with an IDR, global headers: what every
 * browser plays. Small lookahead and few threads keep it within the memory of a small machine.
 *
 * Thread: any one.
 */

#pragma once

#include "base/base.h"

struct AVFrame;
struct buf;
struct encoder;
struct err;

/* What is set beside the preset, for whoever compares. */
#define ENCODER_X264 "open-gop=0:sliced-threads=0:sync-lookahead=0:rc-lookahead=2:bframes=1"

struct encoder_settings {
	unsigned width, height;
	double fps; /* x264 weighs quality by it; the film's times are the track's affair */
	int crf;
	unsigned group;   /* frames from key frame to key frame at most */
	unsigned threads; /* 1 costs least memory and CPU */
	const char *preset;
};

/* `out` is called from inside encoder_add() and encoder_end(): sample as it comes (start codes),
 * `number` is the one given to encoder_add(). Negative: stop with that error. */
struct encoder_sink {
	int (*out)(void *arg, const uint8_t *bytes, size_t size, int64_t number, bool is_key,
	           struct err *err);
	void *arg;
};

int encoder_new(const struct encoder_settings *s, const struct encoder_sink *sink,
                struct encoder **ret, struct err *err) MUST_CHECK;
void encoder_free(struct encoder *e);

/* The avcC. */
int encoder_avcc(const struct encoder *e, struct buf *ret, struct err *err) MUST_CHECK;

/* Takes the frame. Numbers ascend by one from 0. */
int encoder_add(struct encoder *e, struct AVFrame *f, int64_t number, struct err *err) MUST_CHECK;
/* What is still inside comes out; nothing can be added any more. */
int encoder_end(struct encoder *e, struct err *err) MUST_CHECK;
