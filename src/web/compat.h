/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * compat: cameras at the addresses that other programs have in their settings: those of
 * mjpg-streamer, ustreamer, camera-streamer and go2rtc; and who may see them there.
 *
 * A route of the table with ROUTE_CAMERA shows one camera. People who are signed in may use it as
 * any other of its role; besides them the bearer of a camera token (web/tokens), of that camera
 * only, and addresses that the administrator listed. Which camera: the route's {id}, /cam/ID/…,
 * /webcam2/… (the second), ?src= or ?camera=, else the token's, else the first.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct call;
struct camera;
struct route;

/* Takes /c/TOKEN, /cam/ID and /webcamN off c->path, before its route is looked for. */
void compat_find_path(struct call *c);

/* For routes with ROUTE_CAMERA: answers and returns false when the call ends here; else
 * c->params[0] is the camera's id. */
bool compat_pass(struct call *c);

/* The answer to a browser that asks first whether another page's script may look. */
void compat_preflight(struct call *c);
