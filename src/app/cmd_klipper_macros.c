/* SPDX-License-Identifier: GPL-3.0-or-later */
/* klipper-macros: prints data/klipper/bedside.cfg, with the place where the head is to be parked. */

#include "app/cmd.h"
#include "base/text.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

extern const char klipper_macros_text[];

static const char usage[] =
	"usage: bedside klipper-macros [--park X,Y] >bedside.cfg\n"
	"prints the macros TIMELAPSE_TAKE_FRAME, HYPERLAPSE and TIMELAPSE_RENDER for Klipper; "
	"with\n"
	"--park the head goes there (mm) for each picture. What to do with it stands at its top.\n";

static bool read_park(const char *text, double park[2])
{
	char x[32];
	const char *comma = strchr(text, ',');

	if (!comma || (size_t)(comma - text) >= sizeof(x))
		return false;
	text_copy_n(x, sizeof(x), text, (size_t)(comma - text));
	return text_to_double(x, &park[0]) && text_to_double(comma + 1, &park[1]) &&
	       park[0] > -1000 && park[0] < 2000 && park[1] > -1000 && park[1] < 2000;
}

/* A line of the file, as the place to park wants it. */
static void print_line(const char *line, size_t n, const double *park)
{
	if (park && text_starts(line, "variable_park: "))
		puts("variable_park: True");
	else if (park && text_starts(line, "variable_park_x: "))
		printf("variable_park_x: %.2f\n", park[0]);
	else if (park && text_starts(line, "variable_park_y: "))
		printf("variable_park_y: %.2f\n", park[1]);
	else
		printf("%.*s\n", (int)n, line);
}

int cmd_klipper_macros(int argc, char **argv)
{
	static const struct option options[] = { { "park", required_argument, NULL, 'p' },
		                                 { "help", no_argument, NULL, 'h' },
		                                 { NULL, 0, NULL, 0 } };
	double park[2];
	bool parks = false, ok = true;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; ok && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		ok = o == 'p' && read_park(optarg, park);
		parks |= o == 'p';
	}
	if (!ok || optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	for (const char *at = klipper_macros_text; *at;) {
		size_t n = strcspn(at, "\n");

		print_line(at, n, parks ? park : NULL);
		at += n + (at[n] == '\n');
	}
	return 0;
}
