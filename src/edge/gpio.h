/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gpio: lines of a GPIO chip through the kernel's character device: a button in, lights out. No root:
 * the chip's group is enough. libgpiod 1 (Debian 12) and 2 (Debian 13) are hidden here.
 *
 * A line is given by number (on a Raspberry Pi the BCM number) or by name; the chip is searched unless
 * it is named: the one with a line of that name, else with a line GPIOn, else a Pi's own (label
 * "pinctrl-…"), else the only one there is. Edges carry the kernel's time of the interrupt, on
 * CLOCK_MONOTONIC like loop_now_us().
 *
 * Who opens it owns it. Thread: loop; nothing here waits.
 */

#pragma once

#include "base/base.h"

struct err;
struct gpio_input;
struct gpio_output;

enum gpio_bias {
	GPIO_BIAS_AS_IS,
	GPIO_BIAS_UP,
	GPIO_BIAS_DOWN,
	GPIO_BIAS_OFF,
};

struct gpio_line {
	char chip[64]; /* "gpiochip0", "/dev/gpiochip0", a label; "" searched */
	char line[40]; /* "22", "GPIO22" */
	bool is_active_low;
	enum gpio_bias bias; /* of inputs */
	const char *dev_dir; /* for tests; NULL: /dev */
};

/* A change of an input's logical level. */
struct gpio_edge {
	int64_t at_us; /* CLOCK_MONOTONIC */
	bool is_active;
};

/* -ENODEV no chip, -ENOENT no such line, -EBUSY taken, -EACCES no permission; the words say what to
 * do. A chip without bias settings is taken without (is_biased tells). */
int gpio_input_open(const struct gpio_line *line, struct gpio_input **ret,
                    struct err *err) MUST_CHECK;
void gpio_input_close(struct gpio_input *in);
int gpio_input_fd(const struct gpio_input *in); /* readable when an edge waits */
/* Edges that wait, at most `max`; 0 none, -errno the chip is gone. */
int gpio_input_read(struct gpio_input *in, struct gpio_edge *ret, size_t max);
/* The level now; -errno. */
int gpio_input_is_active(struct gpio_input *in);
bool gpio_input_is_biased(const struct gpio_input *in);
const char *gpio_input_text(const struct gpio_input *in); /* "gpiochip0 line 22 (GPIO22)" */

int gpio_output_open(const struct gpio_line *line, bool is_on, struct gpio_output **ret,
                     struct err *err) MUST_CHECK;
/* The line goes back to the kernel, dark. */
void gpio_output_close(struct gpio_output *out);
int gpio_output_set(struct gpio_output *out, bool is_on);
const char *gpio_output_text(const struct gpio_output *out);
