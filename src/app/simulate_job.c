/* SPDX-License-Identifier: GPL-3.0-or-later */
/* simulate job: writes a sliced job of our own, for a simulated printer and for tests. */

#include "app/cmd.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
#include "gcode/make.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define MAX_LAYERS 10000

struct word {
	const char *name;
	int value;
};

static const struct word shapes[] = { { "vase", GCODE_SHAPE_VASE },
	                              { "gear", GCODE_SHAPE_GEAR },
	                              { "boat", GCODE_SHAPE_BOAT },
	                              { "cube", GCODE_SHAPE_CUBE } };
static const struct word machines[] = { { "A1", GCODE_MACHINE_A1 },
	                                { "A1mini", GCODE_MACHINE_A1_MINI },
	                                { "P1S", GCODE_MACHINE_P1S },
	                                { "X1C", GCODE_MACHINE_X1C } };

static bool find_word(const struct word *words, size_t n, const char *name, int *ret)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(words[i].name, name) == 0) {
			*ret = words[i].value;
			return true;
		}
	}
	return false;
}

static bool read_options(int argc, char **argv, struct gcode_make *m)
{
	static const struct option options[] = {
		{ "shape", required_argument, NULL, 's' },
		{ "model", required_argument, NULL, 'm' },
		{ "layers", required_argument, NULL, 'l' },
		{ "filaments", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int shape = GCODE_SHAPE_VASE, machine = GCODE_MACHINE_A1;
	int64_t layers = 50, filaments = 1;
	bool ok = true;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; ok && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 's')
			ok = find_word(shapes, ARRAY_LEN(shapes), optarg, &shape);
		else if (o == 'm')
			ok = find_word(machines, ARRAY_LEN(machines), optarg, &machine);
		else if (o == 'f')
			ok = text_to_i64(optarg, &filaments) && filaments >= 1 && filaments <= 4;
		else
			ok = o == 'l' && text_to_i64(optarg, &layers) && layers >= 1 &&
			     layers <= MAX_LAYERS;
	}
	*m = (struct gcode_make){ .shape = (enum gcode_shape)shape,
		                  .machine = (enum gcode_machine)machine,
		                  .n_layers = (unsigned)layers,
		                  .n_filaments = (unsigned)filaments };
	return ok && optind + 1 == argc;
}

int simulate_job(int argc, char **argv)
{
	struct gcode_make m;
	auto_buf struct buf b = { 0 };
	struct err err = { 0 };

	if (!read_options(argc, argv, &m)) {
		fputs("usage: bedside simulate job [--shape vase|gear|boat|cube] [--model "
		      "A1|A1mini|P1S|X1C]\n"
		      "                            [--layers 1…10000] [--filaments 1…4] "
		      "OUT.gcode.3mf\n",
		      stderr);
		return 2;
	}
	if (gcode_make_threemf(&m, &b, &err) < 0 ||
	    fs_write_atomic(argv[optind], b.data, b.size, 0600, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	return 0;
}
