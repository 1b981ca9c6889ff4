/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * picture: a JPEG as a picture of a film.
 *
 * Decodes any JPEG that libavcodec knows, refuses a broken or truncated one, brings it to the
 * film's size (larger or smaller, its shape kept, the rest black) and to the film's colours.
 *
 * Thread: any one.
 */

#pragma once

#include "base/base.h"

struct AVFrame;
struct err;
struct picture;

#define PICTURE_MAX_SIDE 8192

int picture_new(struct picture **ret, struct err *err) MUST_CHECK;
void picture_free(struct picture *p);

/* The size of the film; even. Until then, pictures are not scaled but made even by cutting. */
void picture_set_size(struct picture *p, unsigned width, unsigned height);

/* `*ret` is yuv420p, the caller's. -EBADMSG: broken. */
int picture_decode(struct picture *p, const uint8_t *bytes, size_t size, struct AVFrame **ret,
                   struct err *err) MUST_CHECK;

/* Decodes and makes a JPEG at most `width` wide at `path` (atomically). */
int picture_poster(const uint8_t *bytes, size_t size, unsigned width, const char *path,
                   struct err *err) MUST_CHECK;
