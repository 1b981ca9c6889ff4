/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * h264: as much of H.264 (ITU-T H.264, Annex B) and H.265 (ITU-T H.265) as passing video through
 * needs: where its NAL units are, how large the picture is, and the configuration records that
 * MP4 wants (ISO/IEC 14496-15: avcC, hvcC).
 *
 * Pure: pointer and size in, struct out; nothing is decoded. Limits: a parameter set of
 * H264_MAX_SET bytes, H264_MAX_PPS picture parameter sets, 16384 pixels a side.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;

#define H264_MAX_SET 512
#define H264_MAX_PPS 4
#define H264_MAX_SIDE 16384

struct nal {
	const uint8_t *bytes; /* the header first, no start code */
	size_t size;
	unsigned type; /* nal_unit_type, of the codec that was asked for */
};

/* The next NAL unit of Annex B bytes; moves `*bytes` and `*size` behind it. Empty ones are passed
 * over. false: no more. */
bool nal_next(const uint8_t **bytes, size_t *size, bool is_h265, struct nal *ret);

/* Delimiters and filler are left out of samples. Parameter sets stay, though MP4 has them in a box of
 * its own: players that pass over a second box still follow a change of size. */
bool nal_is_sample(const struct nal *n, bool is_h265);

struct param_set {
	uint16_t size;
	uint8_t bytes[H264_MAX_SET];
};

/* What a decoder must know before the first picture. Zeroed at first. */
struct video_params {
	bool is_h265;
	bool is_complete; /* enough of them have come to begin */
	unsigned width, height;
	struct param_set vps, sps, pps[H264_MAX_PPS];
	unsigned n_pps;
	uint8_t ptl[12]; /* H.265: general profile, tier, level as in the SPS */
	unsigned chroma, luma_bits, chroma_bits;
};

/* Takes the parameter sets out of an access unit. true: they differ from those before, and what
 * was told of them is no longer so. Broken ones are passed over. */
bool video_params_take(struct video_params *p, const uint8_t *bytes, size_t size);

/* An access unit that a decoder can begin with (IDR; H.265: any IRAP). */
bool video_is_key(const uint8_t *bytes, size_t size, bool is_h265);

/* The size in an SPS of H.264 or H.265, its NAL header included. */
bool h264_sps_size(const uint8_t *sps, size_t size, unsigned *ret_width, unsigned *ret_height);
bool h265_sps_read(const uint8_t *sps, size_t size, struct video_params *ret);

/* The content of the box avcC or hvcC. Complete parameters only. */
void video_params_record(const struct video_params *p, struct buf *out);

#define VIDEO_CODEC_SIZE 48
/* "avc1.640028", "hvc1.1.6.L93.B0" (RFC 6381), for the page's MediaSource. Returns `dst`. */
const char *video_params_codec(const struct video_params *p, char dst[VIDEO_CODEC_SIZE]);
