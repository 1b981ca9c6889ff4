/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * macros: Klipper's macros call Bedside by name, through Moonraker: action_call_remote_method() in a
 * macro reaches the connection (of an "agent") that registered the method with
 * connection.register_remote_method. https://moonraker.readthedocs.io (agents),
 * https://www.klipper3d.org/Command_Templates.html (actions).
 *
 * The names of moonraker-timelapse (github.com/mainsail-crew/moonraker-timelapse) are registered too, so
 * that a printer's macro file for it works as it is, where that component is not installed itself; and
 * names of our own, for the macro file that `bedside klipper-macros` prints.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "model/event.h"

#include <jansson.h>

#define MOON_N_METHODS 6
extern const char *const moon_methods[MOON_N_METHODS];
/* The one without which the macros of a file for moonraker-timelapse do not speak to us. */
#define MOON_METHOD_NEWFRAME 0

/* A call of one of them, into kind, waits, is_cyclic and every_s. False: it is none of ours, or asks for
 * nothing. */
bool moon_macro_read(const char *method, const json_t *params, struct event_macro *ret);

/* G-code. The macros wait for these, and take no frame before the first. */
extern const char moon_macro_enable[], moon_macro_frame_over[], moon_macro_film_over[];

/* By is_film: the two macros that may wait for us. Their names among the printer.objects.list, whatever
 * their case; NULL: it is not there. */
const char *moon_macro_listed(const json_t *objects, bool is_film);
/* The variable that it waits for to become false. */
extern const char *const moon_macro_variables[2];
/* `object` of a status has it set. */
bool moon_macro_waits(const json_t *object, bool is_film);
