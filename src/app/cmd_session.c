/* SPDX-License-Identifier: GPL-3.0-or-later */
/* session and status: orders to and questions of the running daemon. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "model/json.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asking {
	const char *config, *data;
	bool wants_json;
	int n_words; /* what is left of the command line */
	char **words;
};

static bool read_options(int argc, char **argv, struct asking *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		if (o == 'c')
			a->config = optarg;
		else if (o == 'd')
			a->data = optarg;
		else if (o == 'j')
			a->wants_json = true;
		else
			return false;
	}
	a->n_words = argc - optind;
	a->words = argv + optind;
	return true;
}

static json_t *ask(const struct asking *a, json_t *question)
{
	char dir[1024];
	struct err err = { 0 };

	if (!config_find_data(a->config, a->data, dir, sizeof(dir))) {
		json_decref(question);
		return NULL;
	}

	json_t *answer = control_ask(dir, question, &err);

	if (!answer)
		fprintf(stderr, "bedside: %s\n", err.text);
	return answer;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

static void print_session(const json_t *s)
{
	printf("session %s: %lld pictures, %lld missed%s%s\n", text_of(s, "state"),
	       json_integer_value(json_object_get(s, "n_frames")),
	       json_integer_value(json_object_get(s, "n_missed")),
	       text_of(s, "state_text")[0] ? "; " : "", text_of(s, "state_text"));
}

static void print_printer(const json_t *p)
{
	const json_t *job = json_object_get(p, "job");
	const json_t *link = json_object_get(p, "link");
	const json_t *left = json_object_get(job, "remaining_min");
	char span[WHEN_TEXT_SIZE];

	printf("%s (%s): %s, %s\n", text_of(p, "name"), text_of(p, "model"), text_of(link, "state"),
	       text_of(p, "activity"));
	if (text_of(link, "text")[0])
		printf("  %s\n", text_of(link, "text"));
	if (text_of(job, "name")[0] && json_is_integer(json_object_get(job, "layer")))
		printf("  %s: layer %lld of %lld, %lld %%%s%s\n", text_of(job, "name"),
		       json_integer_value(json_object_get(job, "layer")),
		       json_integer_value(json_object_get(job, "layers")),
		       json_integer_value(json_object_get(job, "percent")),
		       json_is_integer(left) ? ", left: " : "",
		       json_is_integer(left) ? when_span(span, json_integer_value(left) * 60000)
		                             : "");
	printf("  ");
	print_session(json_object_get(p, "session"));
}

static int finish(const struct asking *a, json_t *answer)
{
	if (!answer)
		return 1;
	if (a->wants_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_SHORT_REALS);
		putchar('\n');
	} else if (json_object_get(answer, "session")) {
		print_session(json_object_get(answer, "session"));
	} else {
		size_t i;
		json_t *p;

		json_array_foreach(json_object_get(answer, "printers"), i, p) print_printer(p);
	}
	json_decref(answer);
	return 0;
}

int cmd_status(int argc, char **argv)
{
	struct asking a = { 0 };

	if (!read_options(argc, argv, &a) || a.n_words != 0) {
		fputs("usage: bedside status [--json] [--config FILE] [--data DIR]\n", stderr);
		return 2;
	}
	return finish(&a, ask(&a, json_pack("{s:s}", "verb", "status")));
}

int cmd_session(int argc, char **argv)
{
	struct asking a = { 0 };

	if (!read_options(argc, argv, &a) || a.n_words != 2) {
		fputs("usage: bedside session start|pause|resume|stop|discard|shoot PRINTER "
		      "[--json] [--config FILE] [--data DIR]\n",
		      stderr);
		return 2;
	}
	return finish(&a, ask(&a, json_pack("{s:s, s:s, s:s}", "verb", "session", "order",
	                                    a.words[0], "printer", a.words[1])));
}
