/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * webcam: the webcam that a printer's web server names, as a camera of ours.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "model/camera.h"

struct webcam {
	char stream[512], snapshot[512]; /* as the server has them, for browsers on its page */
	bool is_flipped_h, is_flipped_v;
	int rotation; /* clockwise: 0, 90, 180, 270 */
	bool is_on;
};

/* Driver, source, login, rotation. `url` is that of the page. False with the reason if nothing of
 * it can be read. */
bool webcam_camera(const struct webcam *w, const char *url, struct camera_config *ret,
                   const char **ret_why);
