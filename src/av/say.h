/* SPDX-License-Identifier: GPL-3.0-or-later */
/* say: one JSON object per line on standard output. Thread: the process's one. */

#pragma once

#include "model/json.h"

/* Takes the reference. Secrets the log knows are hidden. */
void say(json_t *o);

/* {"type":"failed",…}; the reason from the error's number. Returns 1, the exit status. */
struct err;
int say_failed(const struct err *err);
