/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * verify: is the film what it should be? Decodes it to its last frame and counts.
 *
 * Thread: the process's one.
 */

#pragma once

#include "base/base.h"

struct encode_order;

/* Says {"type":"verified","frames":N,"sha256":HEX} or failed. Returns the exit status. */
int verify_run(const char *path, uint32_t n_frames);

/* Says {"type":"film","codec":…,"profile":…,"pix_fmt":…,"width":…,"height":…,"fps":…,"frames":…,
 * "duration_s":…,"bytes":…} without decoding all of it. With the session, camera and plan that it
 * was made of (NULL session: not known) also {"seen":…,"is_off":…}: whether another choice of
 * pictures would meet the wanted duration. */
int verify_probe(const char *path, const struct encode_order *made_of);
