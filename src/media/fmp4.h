/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fmp4: H.264 and H.265 as fragmented MP4 (ISO/IEC 14496-12, -15), for live viewers and HLS.
 *
 * One init segment tells what a decoder must know, then fragments follow, each playable behind
 * the ones before it, the first of a viewer beginning with a key frame. One video track, times in
 * units of 1/90000 s.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;
struct video_params;

#define FMP4_TIMESCALE 90000

/* How a player is to turn the picture: clockwise, after mirroring. */
struct fmp4_turn {
	unsigned degrees; /* 0, 90, 180, 270 */
	bool is_flipped_h, is_flipped_v;
};

/* `p` is complete. `turn` NULL: as it is. */
void fmp4_init(struct buf *out, const struct video_params *p, const struct fmp4_turn *turn);

/* One access unit, Annex B. */
struct fmp4_sample {
	const uint8_t *bytes;
	size_t size;
	int64_t dts_us, pts_us; /* dts is not negative */
	int64_t duration_us;
	bool is_key;
};

#define FMP4_MAX_SAMPLES 512

/* A fragment (moof and mdat) of `n` samples; `number` counts from 1. */
void fmp4_fragment(struct buf *out, uint32_t number, bool is_h265, const struct fmp4_sample *s,
                   size_t n);
