/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * still: one picture for one question, with the time of its exposure.
 *
 * Every picture says when it was taken (X-Captured-At, X-Timestamp, Last-Modified), how old it is
 * (X-Age-Ms) and how that is known (X-Time-Source): "device" (the camera's own stamp), "latency"
 * (arrival less the camera's calibrated latency) or "arrival".
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct call;
struct camera;
struct stills;
struct web;

struct stills *stills_new(struct web *w);
/* Those waited for are refused. After the HTTP server was freed. */
void stills_free(struct stills *ss);

/* Answers with the newest picture if it is no older than `max_age_us`, else with the first that is
 * captured later than that. 0: taken after the question. 504 when none comes in time, 503 when the
 * camera gives none at all. */
void still_send(struct call *c, struct camera *cam, int64_t max_age_us, int64_t timeout_ms);
