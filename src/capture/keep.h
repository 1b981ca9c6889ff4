/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keep: pictures of a capture on disk: whole or not there, and none is ever overwritten.
 *
 * Names as in the system that people come from: layer_0012_pos_03_z_2_40_20261121_143000.jpg with
 * its _thumb.jpg, and layer_0012_metadata_20261121_143000.json; further cameras have their name at
 * the end. A name that is taken gets "_2", "_3" …
 *
 * Thread: any; waits for the disk.
 */

#pragma once

#include "base/base.h"
#include "model/capture.h"

#include <jansson.h>

struct err;
struct frame;

#define KEEP_THUMB_WIDTH 160
#define KEEP_THUMB_HEIGHT 120

/* "captures/2026-11-21" of local time. */
void keep_folder(char dst[128], const struct capture_plan *plan, int64_t wall_ms);

/* What a camera brought, borrowed. */
struct keep_shot {
	struct frame *frame;
	bool is_first_camera; /* no camera's name in the file's */
};

/* Writes a picture into <data_dir>/<folder>; `pic` says index, camera and time, and gets file,
 * thumbnail, bytes, sha256 and size. */
int keep_picture(const char *data_dir, const struct capture *c, const struct capture_plan *plan,
                 const struct keep_shot *shot, struct capture_picture *pic,
                 struct err *err) MUST_CHECK;

/* Writes the metadata; sets c->metadata. */
int keep_metadata(const char *data_dir, struct capture *c, const struct capture_plan *plan,
                  const struct capture_picture *pics, unsigned n, struct err *err) MUST_CHECK;

/* The document itself, a new reference. */
json_t *keep_metadata_json(const struct capture *c, const struct capture_plan *plan,
                           const struct capture_picture *pics, unsigned n);
