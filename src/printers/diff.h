/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * diff: what has changed between two states of a printer.
 *
 * Both must have been made by printer_state_init() and written field by field with cleared tails,
 * as the drivers do: equal values are equal bytes then. Pure. Thread: any.
 */

#pragma once

#include "model/printer.h"

/* enum printer_change, or'ed. The time of the last report alone is no change. */
unsigned printer_state_diff(const struct printer_state *a, const struct printer_state *b);
