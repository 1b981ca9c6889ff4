/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * press_line: the finger on a simulated button, and the least a program can need to hear it.
 *
 *   press_line press PULL_FILE N   presses N times, 50 ms down and 50 ms up (gpio-sim's `pull` file). A finger takes no
 *                                  processor time: no process is started for a press.
 *   press_line hear CHIP LINE N    prints for N presses the microseconds from the kernel's stamp to the return of read().
 */

#include <fcntl.h>
#include <linux/gpio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define HALF_NS 50000000

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int press(const char *file, long n)
{
	static const char *const levels[] = { "pull-down", "pull-up" };
	const struct timespec half = { .tv_nsec = HALF_NS };
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(file);
	for (long i = 0; i < 2 * n; i++) {
		if (pwrite(fd, levels[i % 2], strlen(levels[i % 2]), 0) < 0)
			return fail(file);
		nanosleep(&half, NULL);
	}
	return 0;
}

static int hear(const char *chip, long line, long n)
{
	struct gpio_v2_line_request r = {
		.offsets = { (unsigned)line },
		.num_lines = 1,
		.consumer = "press_line",
		.config.flags = GPIO_V2_LINE_FLAG_INPUT | GPIO_V2_LINE_FLAG_EDGE_FALLING,
	};
	int fd = open(chip, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, GPIO_V2_GET_LINE_IOCTL, &r) < 0)
		return fail(chip);
	for (long i = 0; i < n; i++) {
		struct gpio_v2_line_event e;
		struct timespec now;

		if (read(r.fd, &e, sizeof(e)) != sizeof(e))
			return fail("read");
		clock_gettime(CLOCK_MONOTONIC, &now);
		printf("%lld\n", ((long long)now.tv_sec * 1000000000 + now.tv_nsec -
		                  (long long)e.timestamp_ns) /
		                         1000);
		fflush(stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "press") == 0)
		return press(argv[2], strtol(argv[3], NULL, 10));
	if (argc == 5 && strcmp(argv[1], "hear") == 0)
		return hear(argv[2], strtol(argv[3], NULL, 10), strtol(argv[4], NULL, 10));
	return 2;
}
