/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtp: H.264 as RTP packets (RFC 3550, RFC 6184, packetization-mode 1), interleaved as RTSP does
 * over TCP (RFC 2326, 10.12).
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct buf;

#define RTP_MAX_PAYLOAD 1400

struct rtp_stream {
	uint8_t channel; /* of the interleaving */
	uint8_t payload_type;
	uint16_t number; /* of the next packet */
	uint32_t ssrc;
};

/* An access unit (Annex B) with its time in 1/90000 s. */
void rtp_write_h264(struct buf *out, struct rtp_stream *s, const uint8_t *unit, size_t size,
                    uint32_t time);
