/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link: the connection to one Moonraker: HTTP for the first question, the login and files, JSON-RPC
 * over a WebSocket for all else. What the files of this driver share.
 *
 * Thread: loop.
 */

#pragma once

#include "printers/driver.h"
#include "wire/rest.h"

#define MOON_N_PROBES 3

extern const struct printer_probe moon_probes[MOON_N_PROBES];

/* Of GET /server/info: is it a Moonraker? Else which program it may be, for a person. */
bool moon_is_moonraker(const struct rest *r, const struct rest_answer *a, struct err *err);
