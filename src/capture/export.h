/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * export: captures as one archive, made while it is read: nothing is copied, memory is one piece.
 *
 *  - EXPORT_ZIP: pictures, thumbnails and metadata in their folders, stored, not packed again (JPEG
 *    does not shrink); ZIP as in PKWARE's APPNOTE 6.3.10, with ZIP64 records where needed.
 *  - EXPORT_DATASET: a WebDataset (ustar; the files of one sample share their name up to the first
 *    point): NNNNNN.jpg and NNNNNN.json for each picture, then index.csv and index.jsonl: picture,
 *    position, layer, z, job, camera, checksum.
 *
 * A picture that is gone from the disk is left out. Thread: any, one at a time; waits for the disk.
 */

#pragma once

#include "base/base.h"
#include "model/capture.h"

#include <sys/types.h>

struct err;
struct export_stream;

enum export_kind {
	EXPORT_ZIP,
	EXPORT_DATASET,
};

/* One capture and its pictures; taken over by export_open(). */
struct export_item {
	struct capture capture;
	struct capture_picture *pictures;
	size_t n;
};

/* Takes `items` (from malloc) over in any case. */
struct export_stream *export_open(enum export_kind kind, const char *data_dir,
                                  struct export_item *items, size_t n);
/* Fills `dst` up; less at the end, then 0. Negative: it failed, the archive is not whole. */
ssize_t export_read(struct export_stream *s, void *dst, size_t size, struct err *err);
void export_close(struct export_stream *s);
