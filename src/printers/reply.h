/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reply: what the drivers of printers with a web server share: reading their JSON, what an answer
 * means, whether a command has had its effect, their webcam as a camera of ours.
 *
 * Pure, but for reply_camera(). Thread: any; loop there.
 */

#pragma once

#include "printers/driver.h"
#include "printers/webcam.h"

/* Of an object's member: "", NAN, -1, false if it is none. Numbers are finite and below 9e15, whole
 * ones 0 and above. */
const char *reply_text(const json_t *o, const char *key);
double reply_number(const json_t *o, const char *key);
double reply_number_at(const json_t *v);
int64_t reply_whole(const json_t *o, const char *key);
bool reply_flag(const json_t *o, const char *key);

/* Into a field of the state: cut to fit, cleaned, its tail cleared (printers/diff.h). */
void reply_put(char *dst, size_t size, const char *text);

/* Of the `text` of GET /api/version, which OctoPrint, PrusaLink and Moonraker all answer: false with
 * the driver it wants if it is not `what` ("OctoPrint"). */
bool reply_is(const char *text, const char *what, struct err *err);

/* What the doctor says of an answer that rest_is_fine() refused with `code`; `address`: what to do
 * where it is another program's. */
void reply_advise(int code, const char *address, char advice[320]);

/* What a command was to bring about: 1 it is so, 0 not yet, -1 the state does not tell. */
int reply_effect(const struct printer_state *s, enum printer_command_kind kind);

/* The printer's webcam, if it is not switched off; `page` is where its relative addresses begin.
 * As printer_own_camera(). */
bool reply_camera(const struct printer *p, const struct webcam *w, const char *page,
                  struct camera_config *ret, const char **ret_why);
