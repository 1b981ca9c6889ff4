/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu/mapping: which tray feeds which filament of a job (ams_mapping of project_file).
 *
 * A wrong tray spoils a print, so nothing is guessed: a filament gets the one tray of its material
 * and colour, or the only tray of its material if no other filament of the job needs that material.
 * Everything else is refused in words that name the filament and what the trays hold.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "gcode/threemf.h"
#include "model/printer.h"

/* Fills `c`'s trays for the filaments of `plate`, -1 for those it does not use. Without an AMS the
 * external spool is taken (uses_ams becomes false), if the job needs no more than one filament.
 * -EINVAL and the sentence when it is not clear. */
int bambu_mapping_choose(const struct printer_state *s, const struct gcode_plate *plate,
                         struct printer_command *c, struct err *err) MUST_CHECK;

/* Trays that the caller named: each must be there and hold a spool. */
int bambu_mapping_check(const struct printer_state *s, const struct printer_command *c,
                        struct err *err) MUST_CHECK;

/* The unit and the slot of a tray's number, as in ams_mapping2; 255 and 255 for none. */
void bambu_mapping_place(int tray, int *ret_unit, int *ret_slot);
