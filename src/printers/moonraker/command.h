/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command: commands as Moonraker's JSON-RPC has them.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "model/printer.h"
#include "printers/moonraker/report.h"

struct err;

/* The method that is called, and its parameters, a new reference, NULL none. -EINVAL with the
 * reason if this printer has no such command, or its state says that it makes no sense now. */
int moon_command_write(const struct printer_command *c, const struct printer_state *s,
                       const struct moon_memory *m, const char **ret_method, json_t **ret_params,
                       struct err *err) MUST_CHECK;
