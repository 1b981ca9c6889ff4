/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim/switch: the push-button at the end of the simulated printer's X travel. It pulls a line: writes "pull-down" or
 * "pull-up" into a file, which is what the kernel's simulated GPIO chip (gpio-sim) and Bedside's own simulated button
 * (edge/sim) understand.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct loop;
struct sim_job;
struct sim_switch;

struct sim_switch *sim_switch_new(struct loop *l, const char *path);
void sim_switch_free(struct sim_switch *s); /* NULL is allowed */

/* Plays the group of strokes that begins with number `first` at its own pace, whatever the printer's; one that is still being
 * played goes first. References the job meanwhile. */
void sim_switch_play(struct sim_switch *s, struct sim_job *j, size_t first);
