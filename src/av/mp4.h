/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mp4: the head of a film, made from what is known of its pieces. Pure.
 *
 * The samples lie in the file already; only `ftyp` and `moov` are made here, so that finishing a
 * film costs the same whatever its length. Boxes as in ISO/IEC 14496-12 and -15 (avcC).
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;

#define MP4_TICKS 1000 /* of the time scale, for one frame */

struct mp4_sample {
	uint32_t size;
	int32_t ahead; /* place in the order of showing less place in the order of decoding */
};

/* A run of samples that lie together in the file and begin with a key frame. */
struct mp4_run {
	uint64_t offset; /* in the file */
	uint32_t n_samples;
};

struct mp4_film {
	unsigned width, height;
	double fps;
	double hold_s; /* the last picture stays this much longer */
	const uint8_t *avcc;
	size_t avcc_size;
	const struct mp4_sample *samples; /* in the order of decoding */
	uint32_t n_samples;
	const struct mp4_run *runs;
	uint32_t n_runs;
};

/* Bytes that the head of a film of `n_samples` takes, generously, with runs of 25 and more. */
uint64_t mp4_head_guess(uint64_t n_samples);

void mp4_write_head(struct buf *b, const struct mp4_film *f);

/* SPS and PPS, as an encoder gives them (with start codes, or an avcC already), as an avcC.
 * false: there are none. */
bool mp4_avcc(struct buf *ret, const uint8_t *bytes, size_t size);

/* Adds `bytes`, units with start codes (ITU-T H.264 annex B), with lengths instead. */
void mp4_add_sample(struct buf *b, const uint8_t *bytes, size_t size);
