/* SPDX-License-Identifier: GPL-3.0-or-later */
/* print: a file on the printer's own storage is started, through the running daemon. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/text.h"
#include "model/json.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIMIT_MS \
	1200000 /* the file is fetched first, 15 minutes at most, and two forms are tried */

struct wish {
	const char *config, *data, *trays;
	int64_t plate;
	bool wants_timelapse;
};

static bool read_options(int argc, char **argv, struct wish *w)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "plate", required_argument, NULL, 'p' },
		{ "trays", required_argument, NULL, 't' },
		{ "timelapse", no_argument, NULL, 'l' },
		{ NULL, 0, NULL, 0 },
	};
	bool ok = true;

	*w = (struct wish){ .plate = 1, .trays = "auto" };
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; ok && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		w->config = o == 'c' ? optarg : w->config;
		w->data = o == 'd' ? optarg : w->data;
		w->trays = o == 't' ? optarg : w->trays;
		w->wants_timelapse |= o == 'l';
		ok = o != '?' && (o != 'p' || (text_to_i64(optarg, &w->plate) && w->plate > 0 &&
		                               w->plate < 1000));
	}
	return ok && argc - optind == 2;
}

static int tell(const char *printer, const char *file, const json_t *answer)
{
	const char *how = json_string_value(json_object_get(answer, "answer"));
	const char *reason = json_string_value(json_object_get(answer, "reason"));

	if (text_equal(how, "acknowledged")) {
		printf("%s prints %s\n", printer, file);
		return 0;
	}
	fprintf(stderr, "bedside: %s was not started: %s\n", file,
	        reason && *reason ? reason : "the printer does not answer");
	return 1;
}

int cmd_print(int argc, char **argv)
{
	struct wish w;
	char dir[1024];
	struct err err = { 0 };
	json_t *answer;
	int rc;

	if (!read_options(argc, argv, &w)) {
		fputs("usage: bedside print PRINTER FILE [--plate N] [--trays auto|none|0,3,-1]\n"
		      "                     [--timelapse] [--config FILE] [--data DIR]\n"
		      "FILE lies on the printer's own storage, as in cache/part.gcode.3mf.\n",
		      stderr);
		return 2;
	}
	if (!config_find_data(w.config, w.data, dir, sizeof(dir)))
		return 1;
	if (text_equal(w.trays, "auto") && isatty(STDERR_FILENO))
		fputs("Starting; where trays are to be chosen the file is read from the printer "
		      "first, which takes minutes on an A1.\n",
		      stderr);
	answer = control_ask_for(dir,
	                         json_pack("{s:s, s:o, s:o, s:I, s:o, s:b}", "verb", "print",
	                                   "printer", json_text(argv[optind]), "file",
	                                   json_text(argv[optind + 1]), "plate",
	                                   (json_int_t)w.plate, "trays", json_text(w.trays),
	                                   "timelapse", (int)w.wants_timelapse),
	                         LIMIT_MS, &err);
	if (!answer) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	rc = tell(argv[optind], argv[optind + 1], answer);
	json_decref(answer);
	return rc;
}
