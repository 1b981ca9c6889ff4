/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "edge/gpio.h"
#include "edge/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Real chips are tested in the lab (tests/lab/rig_test.sh). */
TEST(a_machine_without_a_chip_says_so)
{
	struct gpio_line l = { .line = "22", .dev_dir = test_tmp_dir() };
	struct gpio_input *in = NULL;
	struct err err = { 0 };

	CHECK_INT(gpio_input_open(&l, &in, &err), -ENODEV);
	CHECK(strstr(err.text, "no GPIO chip"));
	CHECK(strstr(err.text, "simulated: yes"));
	CHECK(!in);
}

TEST(a_file_that_only_looks_like_a_chip_is_none)
{
	char path[300];
	struct gpio_line l = { .line = "LED", .dev_dir = test_tmp_dir() };
	struct gpio_output *out = NULL;
	struct err err = { 0 };
	FILE *f;

	snprintf(path, sizeof(path), "%s/gpiochip0", l.dev_dir);
	f = fopen(path, "w");
	CHECK(f);
	(void)fclose(f);
	CHECK_INT(gpio_output_open(&l, false, &out, &err), -ENODEV);
	CHECK(!out);
}

static void say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK);

	CHECK(fd >= 0);
	CHECK_INT(write(fd, text, strlen(text)), (int)strlen(text));
	(void)close(fd);
}

TEST(a_simulated_line_is_pressed_through_its_pipe)
{
	struct gpio_edge e[4];
	struct sim_input *in;
	char path[300];

	snprintf(path, sizeof(path), "%s/button", test_tmp_dir());
	CHECK_INT(sim_input_open(path, true, &in, NULL), 0);
	CHECK_INT(sim_input_read(in, 1000, e, 4), 0);
	say(path, "pull-down\n");
	say(path, "pull-down 700\nnonsense\npull-up 900\npull-down 99999\n");
	CHECK_INT(sim_input_read(in, 1000, e, 4), 3);
	CHECK(e[0].is_active && e[0].at_us == 1000);
	CHECK(!e[1].is_active && e[1].at_us == 900);
	CHECK(e[2].is_active && e[2].at_us == 1000); /* never later than now */
	say(path, "pull-");
	CHECK_INT(sim_input_read(in, 2000, e, 4), 0);
	say(path, "up\n");
	CHECK_INT(sim_input_read(in, 2000, e, 4), 1);
	CHECK(!e[0].is_active);
	sim_input_close(in);
	CHECK(access(path, F_OK) < 0);
}

TEST(more_lines_than_asked_for_wait_in_the_pipe)
{
	struct gpio_edge e[2];
	struct sim_input *in;
	char path[300], longer[200];

	snprintf(path, sizeof(path), "%s/button", test_tmp_dir());
	CHECK_INT(sim_input_open(path, true, &in, NULL), 0);
	memset(longer, 'x', sizeof(longer));
	longer[198] = '\n';
	longer[199] = '\0';
	say(path, longer);
	say(path, "pull-down\npull-up\npull-down\n");
	CHECK_INT(sim_input_read(in, 1, e, 2), 2);
	CHECK_INT(sim_input_read(in, 1, e, 2), 1);
	CHECK_INT(sim_input_read(in, 1, e, 2), 0);
	sim_input_close(in);
}

TEST(a_file_in_the_way_of_the_pipe_is_told)
{
	char path[300];
	struct sim_input *in;
	struct err err = { 0 };
	FILE *f;

	snprintf(path, sizeof(path), "%s/button", test_tmp_dir());
	f = fopen(path, "w");
	CHECK(f);
	(void)fclose(f);
	CHECK_INT(sim_input_open(path, true, &in, &err), -EEXIST);
	CHECK(strstr(err.text, "in the way"));
}
