/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panel: how the running daemon's button, lights and climate sensors are; and clicks without hardware. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/text.h"
#include "model/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_panel(const json_t *panel)
{
	const json_t *button = json_object_get(panel, "button");
	const json_t *lights = json_object_get(panel, "lights");
	const json_t *last = json_object_get(button, "last");

	if (!json_is_object(panel)) {
		puts("neither button nor lights are configured");
		return;
	}
	printf("button %s%s%s, %lld presses, for printer %s\n", text_of(button, "state"),
	       text_of(button, "text")[0] ? ": " : "", text_of(button, "text"),
	       json_integer_value(json_object_get(button, "presses")),
	       text_of(panel, "printer")[0] ? text_of(panel, "printer") : "(none yet)");
	if (json_is_object(last))
		printf("  last: %lld clicks, %s: %s\n",
		       json_integer_value(json_object_get(last, "clicks")), text_of(last, "order"),
		       text_of(last, "text"));
	printf("lights %s%s%s, they show: %s\n", text_of(lights, "state"),
	       text_of(lights, "text")[0] ? ": " : "", text_of(lights, "text"),
	       text_of(lights, "show"));
}

static void print_place(const json_t *p)
{
	const json_t *temp = json_object_get(p, "temperature_c");
	const json_t *humidity = json_object_get(p, "humidity_pct");

	printf("%s:", text_of(p, "location"));
	if (json_is_number(temp))
		printf(" %.1f °C", json_number_value(temp));
	if (json_is_number(humidity))
		printf(" %.0f %% humidity", json_number_value(humidity));
	printf("%s%s%s%s\n", text_of(p, "at")[0] ? ", " : " no reading yet", text_of(p, "at"),
	       json_is_true(json_object_get(p, "is_stale")) && text_of(p, "at")[0] ? " (old)" : "",
	       text_of(p, "text")[0] ? "; " : "");
	if (text_of(p, "text")[0])
		printf("  %s\n", text_of(p, "text"));
}

static int usage(void)
{
	fputs("usage: bedside panel [--json] [--config FILE] [--data DIR]\n"
	      "       bedside panel click [N] [--config FILE] [--data DIR]\n",
	      stderr);
	return 2;
}

static void print(const json_t *answer, bool wants_json)
{
	size_t i;
	json_t *p;

	if (wants_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_SHORT_REALS);
		putchar('\n');
		return;
	}
	print_panel(json_object_get(answer, "panel"));
	json_array_foreach(json_object_get(answer, "climate"), i, p) print_place(p);
}

int cmd_panel(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		                                 { "data", required_argument, NULL, 'd' },
		                                 { "json", no_argument, NULL, 'j' },
		                                 { NULL, 0, NULL, 0 } };
	const char *config = NULL, *data = NULL;
	bool wants_json = false;
	int64_t clicks = 0;
	char dir[1024];
	struct err err = { 0 };

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'c')
			config = optarg;
		else if (o == 'd')
			data = optarg;
		else if (o == 'j')
			wants_json = true;
		else
			return usage();
	}
	if (argc - optind > 2 || (argc > optind && strcmp(argv[optind], "click") != 0))
		return usage();
	if (argc > optind)
		clicks = 1;
	if (argc - optind == 2 && (!text_to_i64(argv[optind + 1], &clicks) || clicks < 1))
		return usage();
	if (!config_find_data(config, data, dir, sizeof(dir)))
		return 1;

	json_t *answer = control_ask(
		dir, json_pack("{s:s, s:I}", "verb", "panel", "clicks", (json_int_t)clicks), &err);

	if (!answer) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	if (clicks == 0)
		print(answer, wants_json);
	json_decref(answer);
	return 0;
}
