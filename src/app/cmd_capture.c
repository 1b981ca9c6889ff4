/* SPDX-License-Identifier: GPL-3.0-or-later */
/* capture: what the running daemon is to capture; and captures listed and exported from the records. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "capture/export.h"
#include "core/fs.h"
#include "core/loop.h"
#include "model/json.h"
#include "store/repo_capture.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 262144

struct wanted {
	const char *config, *data, *printer, *job, *out;
	int layer;
	bool wants_json, wants_zip;
	char **words;
	int n_words;
	struct export_item *items; /* what the records hold */
	size_t n;
};

static const char usage[] =
	"usage: bedside capture plan|run|cancel|status PRINTER [--json]\n"
	"       bedside capture list [--printer P] [--job ID] [--layer N] [--json]\n"
	"       bedside capture export [--printer P] [--job ID] [--layer N] [--zip] --out FILE\n"
	"with --config FILE or --data DIR. export writes a WebDataset (tar) or, with --zip, the\n"
	"pictures and their metadata as they lie on the disk; FILE \"-\" is standard output.\n";

static bool read_layer(const char *text, int *ret)
{
	int64_t v;

	if (!text_to_i64(text, &v) || v < 0 || v > 1000000)
		return false;
	*ret = (int)v;
	return true;
}

static bool read_options(int argc, char **argv, struct wanted *w)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "printer", required_argument, NULL, 'p' },
		{ "job", required_argument, NULL, 'b' },
		{ "layer", required_argument, NULL, 'l' },
		{ "out", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },
		{ "zip", no_argument, NULL, 'z' },
		{ NULL, 0, NULL, 0 },
	};
	bool ok = true;

	w->layer = -1;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; ok && (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		w->config = o == 'c' ? optarg : w->config;
		w->data = o == 'd' ? optarg : w->data;
		w->printer = o == 'p' ? optarg : w->printer;
		w->job = o == 'b' ? optarg : w->job;
		w->out = o == 'o' ? optarg : w->out;
		w->wants_json |= o == 'j';
		w->wants_zip |= o == 'z';
		ok = o != '?' && (o != 'l' || read_layer(optarg, &w->layer));
	}
	w->n_words = argc - optind;
	w->words = argv + optind;
	return ok;
}

/* ---- questions to the daemon ---- */

static void print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_SHORT_REALS);
	putchar('\n');
}

static void print_unsafe(const json_t *points)
{
	const json_t *pt;
	size_t i;

	json_array_foreach(points, i, pt)
	{
		const char *why = json_string_value(json_object_get(pt, "text"));

		/* Without a known bed none is safe, and none has a reason of its own. */
		if (json_is_true(json_object_get(pt, "is_safe")) || !why ||
		    strcmp(why, "safe") == 0)
			continue;
		printf("unsafe: point %zu at X%.2f Y%.2f Z%.2f: %s\n", i,
		       json_number_value(json_object_get(pt, "x")),
		       json_number_value(json_object_get(pt, "y")),
		       json_number_value(json_object_get(pt, "z")), why);
	}
}

static void print_plan(const json_t *answer)
{
	const json_t *preview = json_object_get(answer, "preview");
	const json_t *grid = json_object_get(preview, "grid");
	const json_t *v;
	const char *key, *error = json_string_value(json_object_get(preview, "error"));
	json_t *plan = json_object_get(answer, "plan");
	size_t i;

	json_object_foreach(plan, key, v)
	{
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_SHORT_REALS);

		printf("%s: %s\n", key, text ? text : "");
		free(text);
	}
	if (json_is_object(grid))
		printf("\n%lld points of %zu are safe, about %.0f s each time\n",
		       json_integer_value(json_object_get(grid, "n_safe")),
		       json_array_size(json_object_get(grid, "points")),
		       json_number_value(json_object_get(grid, "total_s")));
	print_unsafe(json_object_get(grid, "points"));
	if (error)
		printf("error: %s\n", error);
	json_array_foreach(json_object_get(preview, "warnings"), i, v)
		printf("warning: %s\n", json_string_value(v));
}

static void print_status(const json_t *s)
{
	const char *step = json_string_value(json_object_get(s, "step"));

	printf("%s: %s; of this print %lld captured, %lld failed, %lld missed\n",
	       json_is_true(json_object_get(s, "is_on")) ? "on" : "off",
	       step && *step ? step : "nothing is under way",
	       json_integer_value(json_object_get(s, "n_completed")),
	       json_integer_value(json_object_get(s, "n_failed")),
	       json_integer_value(json_object_get(s, "n_missed")));
}

static int ask(const struct wanted *w)
{
	char dir[1024];
	struct err err = { 0 };
	json_t *answer;

	if (!config_find_data(w->config, w->data, dir, sizeof(dir)))
		return 1;
	answer = control_ask(dir,
	                     json_pack("{s:s, s:s, s:s}", "verb", "capture", "what", w->words[0],
	                               "printer", w->words[1]),
	                     &err);
	if (!answer) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	if (w->wants_json)
		print_json(answer);
	else if (json_object_get(answer, "plan"))
		print_plan(answer);
	else
		print_status(json_object_get(answer, "capture"));
	json_decref(answer);
	return 0;
}

/* ---- the records ---- */

static int read_records(struct db *db, void *arg, struct err *err)
{
	struct wanted *w = arg;
	struct repo_capture_filter f = { .printer = w->printer, .job = w->job, .layer = w->layer };
	char before[ID_SIZE] = "";
	int rc = 0;

	for (size_t got = 1; rc == 0 && got > 0;) {
		struct capture *list = NULL;

		f.before = before;
		rc = repo_capture_list(db, &f, &list, &got, err);
		w->items = mem_grow(w->items, w->n + got + 1, sizeof(*w->items));
		for (size_t i = 0; rc == 0 && i < got; i++) {
			struct export_item *it = &w->items[w->n++];

			*it = (struct export_item){ .capture = list[i] };
			TEXT_SET(before, list[i].id);
			rc = repo_capture_pictures(db, list[i].id, &it->pictures, &it->n, err);
		}
		free(list);
	}
	return rc;
}

static void list_one(const struct capture *c)
{
	char at[WHEN_TEXT_SIZE];

	printf("%s  %s  %-9s layer %4d  %3u pictures  %s%s%s\n", c->id,
	       when_iso(at, c->started_wall_ms), capture_state_name(c->state), c->layer,
	       c->n_pictures, c->job_name, c->text[0] ? "; " : "", c->text);
}

static int list(struct wanted *w)
{
	json_t *a = json_array();

	for (size_t i = 0; i < w->n; i++) {
		if (w->wants_json)
			json_array_append_new(a, json_capture(&w->items[i].capture));
		else
			list_one(&w->items[i].capture);
	}
	if (w->wants_json)
		print_json(a);
	json_decref(a);
	return 0;
}

static int write_all(struct export_stream *s, int fd, struct err *err)
{
	char *piece = mem_new(PIECE);
	ssize_t got;

	while ((got = export_read(s, piece, PIECE, err)) > 0) {
		for (ssize_t at = 0; at < got;) {
			ssize_t n = write(fd, piece + at, (size_t)(got - at));

			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0) {
				free(piece);
				return err_sys(err, "writing the archive");
			}
			at += n;
		}
	}
	free(piece);
	return got < 0 ? (int)got : 0;
}

static int export_records(struct wanted *w, const char *dir, struct err *err)
{
	bool is_stdout = strcmp(w->out, "-") == 0;
	int fd = is_stdout ? STDOUT_FILENO
	                   : open(w->out, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct export_stream *s;
	int rc;

	if (fd < 0)
		return err_sys(err, "making %s", w->out);
	s = export_open(w->wants_zip ? EXPORT_ZIP : EXPORT_DATASET, dir, w->items, w->n);
	w->items = NULL;
	w->n = 0;
	rc = write_all(s, fd, err);
	export_close(s);
	if (!is_stdout && rc == 0 && fsync(fd) < 0)
		rc = err_sys(err, "writing %s", w->out);
	if (!is_stdout)
		(void)close(fd);
	return rc;
}

static int from_records(struct wanted *w, bool is_export)
{
	char dir[1024];
	struct err err = { 0 };
	struct store *st = NULL;
	struct loop *l = loop_new();
	int rc = config_find_data(w->config, w->data, dir, sizeof(dir)) ? 0 : -EINVAL;

	if (rc == 0)
		rc = store_open_tool(l, dir, &st, &err);
	if (rc == 0)
		rc = store_call(st, read_records, w, &err);
	if (rc == 0)
		rc = is_export ? export_records(w, dir, &err) : list(w);
	if (rc < 0 && err.code)
		fprintf(stderr, "bedside: %s\n", err.text);
	store_close(st);
	loop_free(l);
	for (size_t i = 0; i < w->n; i++)
		free(w->items[i].pictures);
	free(w->items);
	return rc < 0 ? 1 : 0;
}

int cmd_capture(int argc, char **argv)
{
	static const char *const orders[] = { "plan", "run", "cancel", "status" };
	struct wanted w = { 0 };
	bool ok = read_options(argc, argv, &w) && w.n_words > 0;

	if (ok && w.n_words == 1 && strcmp(w.words[0], "list") == 0)
		return from_records(&w, false);
	if (ok && w.n_words == 1 && strcmp(w.words[0], "export") == 0 && w.out)
		return from_records(&w, true);
	for (size_t i = 0; ok && w.n_words == 2 && i < ARRAY_LEN(orders); i++)
		if (strcmp(w.words[0], orders[i]) == 0)
			return ask(&w);
	fputs(usage, stderr);
	return 2;
}
