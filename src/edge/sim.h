/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim: an input line without a chip: a named pipe that is written to as the kernel's simulated chip
 * (gpio-sim) is: "pull-up" or "pull-down", one a line. With `echo pull-down >PIPE` the button of a machine
 * without GPIO is pressed, and a simulated printer's head presses it the same way.
 *
 * A line's time is when it is read, or the CLOCK_MONOTONIC microseconds written behind the word.
 *
 * Who opens it owns it. Thread: loop; nothing here waits.
 */

#pragma once

#include "base/base.h"
#include "edge/gpio.h"

struct sim_input;

/* Makes the pipe where it is missing; the line is pulled up first, as a button's is. */
int sim_input_open(const char *path, bool is_active_low, struct sim_input **ret,
                   struct err *err) MUST_CHECK;
void sim_input_close(struct sim_input *in); /* the pipe is removed */
int sim_input_fd(const struct sim_input *in);
/* As gpio_input_read(); a line that is no word of the two is skipped. */
int sim_input_read(struct sim_input *in, int64_t now_us, struct gpio_edge *ret, size_t max);

/* One line, without its end. Pure. False: not understood. */
bool sim_line_parse(const char *line, size_t size, bool *ret_is_high, int64_t *ret_us);
