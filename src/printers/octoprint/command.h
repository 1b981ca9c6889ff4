/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command: commands as OctoPrint's REST API has them.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "model/printer.h"

struct buf;
struct err;

#define OCTO_MAX_LINES 64 /* of G-code in one question */

/* What is POSTed, and where. `body` of 16 kB. -EINVAL with the reason if OctoPrint has no such
 * command, or `s` says that it makes no sense now. */
int octo_command_write(const struct printer_command *c, const struct printer_state *s,
                       char target[512], struct buf *body, struct err *err) MUST_CHECK;

/* Where the last move of absolute lines ends; NAN for an axis that is not told, or relative. */
void octo_script_end(const char *script, double ret_mm[3]);
