/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jpeg_scan: is this one whole JPEG picture, and how large is it? Without decoding.
 *
 * Walks the markers of ITU-T T.81 (annex B) from SOI to EOI, entropy-coded data included, so that
 * half a picture, an HTML page, zero bytes or bytes behind the picture are told apart. What lies
 * inside the entropy-coded data is not judged.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

struct err;

#define JPEG_MAX_SIDE 16384U

enum jpeg_kind {
	JPEG_BASELINE,    /* SOF0 */
	JPEG_EXTENDED,    /* SOF1 */
	JPEG_PROGRESSIVE, /* SOF2 */
};

struct jpeg_info {
	unsigned width, height; /* pixels, 1 to JPEG_MAX_SIDE */
	unsigned components;    /* 1 or 3; 4 of CMYK */
	unsigned n_scans;
	enum jpeg_kind kind;
	bool has_huffman;     /* false: the standard tables are meant (some USB cameras) */
	unsigned orientation; /* 1 to 8 as EXIF says, 0 or 1: upright */
};

/* 0 and *ret, or -EBADMSG and a sentence without the camera's name: "the picture is cut off". */
int jpeg_scan(const uint8_t *bytes, size_t size, struct jpeg_info *ret, struct err *err);
