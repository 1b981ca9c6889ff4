/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mjpeg_parse: the pictures of a multipart/x-mixed-replace answer, as cameras and their programs
 * send them.
 *
 * Servers agree on little: boundaries are quoted or not, have their dashes or not, are announced
 * and then not used, or not announced; parts have a Content-Length, a wrong one or none. So the
 * length is believed when it is there; without one the picture itself says where it ends (jpeg_cut),
 * so that boundary bytes in the data do no harm and the newest picture need not wait for the next
 * one's head. Between parts lines are read until one is a boundary. What is no JPEG is skipped
 * and counted.
 *
 * Pure; memory is one picture of at most MJPEG_MAX_PICTURE bytes. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "wire/jpeg_cut.h"

struct err;

#define MJPEG_MAX_PICTURE ((size_t)32 << 20)
#define MJPEG_MAX_LINE 1024 /* of a part's head; what is longer is cut */
#define MJPEG_MAX_HEADERS 64
#define MJPEG_MAX_BOUNDARY 200 /* RFC 2046 says 70 */

enum mjpeg_state {
	MJPEG_BETWEEN, /* lines until a boundary */
	MJPEG_HEAD,    /* lines until an empty one */
	MJPEG_START,   /* the first bytes decide whether it is a picture */
	MJPEG_LENGTH,  /* as many bytes as were announced */
	MJPEG_PICTURE, /* until the picture ends */
};

struct mjpeg_parser {
	char boundary[MJPEG_MAX_BOUNDARY]; /* its core, without dashes; "": any line with dashes */
	enum mjpeg_state state;
	char line[MJPEG_MAX_LINE];
	size_t n_line;
	bool is_cut;        /* the line was longer */
	unsigned n_headers; /* of this part */
	size_t length;      /* announced, 0 none */
	int64_t stamp_us;
	bool is_other; /* announced as something else than a JPEG */

	uint8_t *bytes; /* of the part */
	size_t size, cap;
	struct jpeg_cut cut;

	uint64_t n_bytes, n_parts;
	uint64_t n_other; /* parts that are no JPEG, pictures that broke off */
};

struct mjpeg_part {
	uint8_t *bytes; /* the caller's to free() */
	size_t size;
	int64_t stamp_us; /* X-Timestamp, of a clock of the server's; -1 none */
};

/* `content_type` is the answer's. False if that is no multipart at all. */
bool mjpeg_parser_init(struct mjpeg_parser *p, const char *content_type);
void mjpeg_parser_fini(struct mjpeg_parser *p);

/* Eats from *bytes. 1: a part that may be a picture is in *ret, the rest is still in *bytes; 0:
 * more is needed; -EFBIG with a sentence: a picture is larger than any camera's. */
int mjpeg_parse(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size, struct mjpeg_part *ret,
                struct err *err);
