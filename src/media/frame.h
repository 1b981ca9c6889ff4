/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * frame: one picture, shared by many readers, copied by none.
 *
 * A frame has one writer until it is published (handed to a slot, ring or sink). From then on it
 * is read-only and lives until its last reader calls frame_unref(). The bytes may be heap memory,
 * a V4L2 buffer or a mapped file: the producer's release() gives them back.
 *
 * Thread: any. The counter is atomic; release() runs on the thread that dropped the last
 * reference, so it may do no more than free memory or post to the producer.
 */

#pragma once

#include "base/base.h"

#include <stdatomic.h>

enum frame_format {
	FRAME_JPEG,
	FRAME_YUYV,
	FRAME_NV12,
	FRAME_I420,
	FRAME_H264, /* an access unit, Annex B */
	FRAME_H265, /* the same of H.265 */
};

struct frame {
	const uint8_t *data;
	size_t size;
	enum frame_format format;
	unsigned width, height; /* pixels */
	int64_t captured_us; /* CLOCK_MONOTONIC of the exposure: the device's stamp or the estimate */
	int64_t captured_wall_ms;
	int64_t arrived_us;     /* CLOCK_MONOTONIC when the last byte was here */
	uint64_t seq;           /* counts from 1 per camera; a gap means a loss */
	bool is_stamped;        /* captured_us is the device's own stamp, not an estimate */
	int64_t pts_us, dts_us; /* video: media time, dts rising; 0: as it came */
	bool is_still;          /* taken for a shot by a camera that takes such apart */
	bool is_key;            /* video: decoding can begin here; parameter sets included */
	uint8_t orientation;    /* JPEG: as its EXIF says (jpeg_scan.h), until it is turned */

	/* private */
	void (*release)(struct frame *f);
	atomic_uint refs;
};

/* Gives `f` its first reference, owned by the caller. `release` gets `f` when the last is gone. */
void frame_init(struct frame *f, void (*release)(struct frame *f));

/* A frame on the heap with `size` writable bytes behind `*ret_bytes`, one reference, zeroed fields
 * but data, size and format. */
struct frame *frame_new(enum frame_format format, size_t size, uint8_t **ret_bytes);

/* A frame that takes over `bytes` (from malloc). */
struct frame *frame_adopt(enum frame_format format, uint8_t *bytes, size_t size);

/* Returns `f`, with one more reference, owned by the caller. */
struct frame *frame_ref(struct frame *f);

/* Gives up one reference. NULL is allowed. */
void frame_unref(struct frame *f);

static inline void cleanup_frame(struct frame **f)
{
	frame_unref(*f);
}

#define auto_frame __attribute__((cleanup(cleanup_frame)))
