/* SPDX-License-Identifier: GPL-3.0-or-later */
/* snippets: what to paste into a slicer's macros. */

#include "app/cmd.h"
#include "base/err.h"
#include "base/text.h"
#include "gcode/snippet.h"
#include "model/json.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: bedside snippets [--printer MODEL] [--slicer bambu|orca|prusa|cura]\n"
	"                        [--mode click|park|mark] [--park X,Y] [--press MM] [--dwell MS]\n"
	"                        [--hold MS] [--lift MM] [--marker TEXT] [--clicks-rule]\n"
	"                        [--bed WxH] [--json]\n"
	"Writes the pieces of G-code for a slicer's macros (start, end, filament change,\n"
	"time-lapse), judged against what the printer reaches.\n"
	"  --mode         click: the head presses a switch for each layer; park: it waits at a\n"
	"                 point; mark: nothing moves, layers are marked\n"
	"  --press        click: where the switch is pressed, in X (A1) or Y (P1, X1)\n"
	"  --dwell        before the picture (700), --hold after it (500)\n"
	"  --clicks-rule  three clicks start and end the session, four pause it; without it the\n"
	"                 printer's own reports do that\n"
	"  --bed          of a printer that is called 'other'\n";

static const char *const place_words[] = {
	[SNIPPET_BEFORE] = "put this before what stands there",
	[SNIPPET_BEHIND] = "put this behind what stands there",
	[SNIPPET_INSTEAD] = "put this instead of what stands there",
	[SNIPPET_SETTINGS] = "write this into the fields of the script",
};

static bool read_pair(const char *text, char between, double ret[2])
{
	const char *mid = strchr(text, between);
	char first[24];

	return mid && text_copy_n(first, sizeof(first), text, (size_t)(mid - text)) &&
	       text_to_double(first, &ret[0]) && text_to_double(mid + 1, &ret[1]);
}

static bool read_ms(const char *text, unsigned *ret)
{
	int64_t v;

	if (!text_to_i64(text, &v) || v < 0 || v > 1000000)
		return false;
	*ret = (unsigned)v;
	return true;
}

static bool read_one(int o, const char *text, struct snippet_order *ret)
{
	switch (o) {
	case 'p':
		return TEXT_SET(ret->model, text);
	case 's':
		return snippet_slicer_from_name(text, &ret->slicer);
	case 'm':
		return snippet_mode_from_name(text, &ret->mode);
	case 'k':
		return read_pair(text, ',', ret->park_mm);
	case 'r':
		return text_to_double(text, &ret->press_mm);
	case 'd':
		return read_ms(text, &ret->dwell_ms);
	case 'h':
		return read_ms(text, &ret->hold_ms);
	case 'l':
		return text_to_double(text, &ret->lift_mm);
	case 'a':
		return TEXT_SET(ret->marker, text);
	case 'b':
		return read_pair(text, 'x', ret->bed_mm);
	case 'c':
		ret->clicks_rule = true;
		return true;
	default:
		return o == 'j';
	}
}

static bool read_options(int argc, char **argv, struct snippet_order *ret, bool *ret_json)
{
	static const struct option options[] = {
		{ "printer", required_argument, NULL, 'p' },
		{ "slicer", required_argument, NULL, 's' },
		{ "mode", required_argument, NULL, 'm' },
		{ "park", required_argument, NULL, 'k' },
		{ "press", required_argument, NULL, 'r' },
		{ "dwell", required_argument, NULL, 'd' },
		{ "hold", required_argument, NULL, 'h' },
		{ "lift", required_argument, NULL, 'l' },
		{ "marker", required_argument, NULL, 'a' },
		{ "bed", required_argument, NULL, 'b' },
		{ "clicks-rule", no_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 },
	};

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		*ret_json |= o == 'j';
		if (!read_one(o, optarg, ret))
			return false;
	}
	return optind == argc;
}

static void print_plainly(const struct snippets *s)
{
	for (unsigned i = 0; i < s->n; i++)
		printf("==== %s\n     %s: %s\n\n%s\n", s->list[i].title, s->list[i].field,
		       place_words[s->list[i].place], s->list[i].text);
	for (unsigned i = 0; i < s->n_notes; i++)
		printf("Note: %s\n", s->notes[i]);
}

static void print_json(const struct snippets *s)
{
	json_t *o = json_snippets(s);

	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

int cmd_snippets(int argc, char **argv)
{
	struct snippet_order o = { .slicer = SNIPPET_BAMBU, .mode = SNIPPET_CLICK };
	struct snippets s;
	struct err err = { 0 };
	bool wants_json = false;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	snippet_order_init(&o);
	if (!read_options(argc, argv, &o, &wants_json)) {
		fputs(usage, stderr);
		return 2;
	}
	if (snippets_make(&o, &s, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	if (wants_json)
		print_json(&s);
	else
		print_plainly(&s);
	snippets_fini(&s);
	return 0;
}
