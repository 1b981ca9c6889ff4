/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/command: a command for a printer out of JSON, as the API and a hub's orders have it. Thread: any. */

#pragma once

#include "model/printer.h"

#include <jansson.h>

struct err;

/* {command, and what that needs: level, on, light, fan, percent, celsius, nozzle, gcode, timeout_s, file,
 * plate, uses_ams, ams_mapping, levels_bed, records_timelapse}. Ranges of numbers are the printer's to
 * judge. -EINVAL with a sentence; *ret_field is the member it is about. */
int printer_command_from_json(const json_t *body, struct printer_command *ret,
                              const char **ret_field, struct err *err) MUST_CHECK;
