/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pull: what is finished on rigs and other hosts comes home, once, by hand or by a timer. */

#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/signals.h"
#include "core/work.h"
#include "fleet/pull.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum pull_exit {
	EXIT_WELL = 0,
	EXIT_SOME_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_BUSY = 3,
	EXIT_FULL = 4,
	EXIT_REFUSED = 5,
	EXIT_ENDED = 6,
};

static const char usage[] =
	"usage: bedside pull [--config FILE] [--data DIR] [--into DIR] [--dry-run] [--again]\n"
	"                    [--json] [--quiet] [SOURCE ...]\n"
	"Fetches finished films and captures from the sources of the configuration (pull:), or\n"
	"from those that are named, once.\n"
	"  --dry-run  say what would be fetched and deleted\n"
	"  --again    fetch also what was fetched before and is here no more\n"
	"  --json     one JSON object for each thing that happens, and one in the end\n"
	"Exit status: 0 all is here, 1 something failed, 2 wrong usage, 3 another pull is at it,\n"
	"4 the disk here is full, 5 a host or login was not accepted, 6 ended by a signal.\n";

struct screen {
	bool has_bar, wants_json, is_quiet;
	const char *source;
	char shown[256]; /* of which file the bar is */
	int64_t began_ms, drawn_ms;
	uint64_t began_at;
};

struct wanted {
	const char *config, *data, *into;
	bool is_dry_run, again;
	struct screen screen;
};

static int64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- the bar ---- */

static void wipe_bar(struct screen *s)
{
	if (s->has_bar && s->shown[0])
		fputs("\r\033[K", stderr);
	s->shown[0] = '\0';
}

static unsigned columns(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
}

static void draw_bar(struct screen *s, uint64_t got, uint64_t size, int64_t at_ms)
{
	char have[24], all[24], rate[24], tail[120], bar[33] = "";
	int64_t took_ms = at_ms - s->began_ms;
	uint64_t per_s = took_ms > 0 ? (got - s->began_at) * 1000 / (uint64_t)took_ms : 0;
	unsigned n = size ? (unsigned)(got * 32 / size) : 32;
	size_t width = columns(), name = strlen(s->shown);
	int used;

	memset(bar, '.', 32);
	memset(bar, '#', MIN(n, 32u));
	used = snprintf(tail, sizeof(tail), " [%s] %3u %% %s of %s, %s/s", bar,
	                size ? (unsigned)(got * 100 / size) : 100,
	                text_size(have, sizeof(have), got), text_size(all, sizeof(all), size),
	                text_size(rate, sizeof(rate), per_s));
	/* The end of a long name tells more than its beginning. */
	size_t room = width > (size_t)used + 1 ? width - (size_t)used - 1 : 0;

	fprintf(stderr, "\r\033[K%s%s", s->shown + (name > room ? name - room : 0), tail);
	(void)fflush(stderr);
}

static void progress(void *arg, const char *path, uint64_t got, uint64_t size)
{
	struct screen *s = arg;
	int64_t at_ms = now_ms();

	if (!s->has_bar)
		return;
	if (strncmp(s->shown, path, sizeof(s->shown) - 1) != 0) {
		TEXT_SET(s->shown, path);
		s->began_ms = at_ms;
		s->began_at = got;
	} else if (got < size && at_ms - s->drawn_ms < 100) {
		return;
	}
	s->drawn_ms = at_ms;
	draw_bar(s, got, size, at_ms);
}

/* ---- words ---- */

static void print_line(const json_t *o)
{
	char *line = json_dumps(o, JSON_COMPACT);

	puts(line ? line : "");
	free(line);
	(void)fflush(stdout);
}

static void say_plainly(const struct screen *s, enum pull_word w, const char *path, uint64_t bytes,
                        const char *text)
{
	char size[24];

	switch (w) {
	case PULL_FETCHED:
	case PULL_WOULD_FETCH:
		if (!s->is_quiet)
			printf("%s: %s %s (%s)\n", s->source,
			       w == PULL_FETCHED ? "fetched" : "would fetch", path,
			       text_size(size, sizeof(size), bytes));
		break;
	case PULL_DELETED:
	case PULL_WOULD_DELETE:
		if (!s->is_quiet)
			printf("%s: %s %s\n", s->source,
			       w == PULL_DELETED ? "deleted there:" : "would delete there:", path);
		break;
	case PULL_KEPT_BOTH:
		fprintf(stderr,
		        "%s: another %s is here already, both are kept: the new one is %s\n",
		        s->source, path, text);
		break;
	case PULL_BUSY:
	case PULL_RETRIES:
		if (s->has_bar)
			fprintf(stderr, "%s: %s: %s\n", s->source, path, text);
		break;
	case PULL_REFUSED:
	case PULL_FAILED:
		fprintf(stderr, "%s: %s: %s\n", s->source, path, text);
		break;
	}
}

static void said(void *arg, enum pull_word w, const char *path, uint64_t bytes, const char *text)
{
	struct screen *s = arg;

	wipe_bar(s);
	if (!s->wants_json) {
		say_plainly(s, w, path, bytes, text);
		return;
	}

	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:s}", "type", pull_word_name(w), "source",
	                      s->source, "path", path, "bytes", (json_int_t)bytes, "text", text);

	print_line(o);
	json_decref(o);
}

static void print_result(struct screen *s, const struct pull_result *r, int rc,
                         const struct err *err)
{
	char size[24];
	json_t *o;

	wipe_bar(s);
	if (s->wants_json) {
		o = json_pack("{s:s, s:s, s:b, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:I, s:s}",
		              "type", "done", "source", s->source, "is_ok", rc == 0, "found",
		              (int)r->n_found, "known", (int)r->n_known, "fetched",
		              (int)r->n_fetched, "deleted", (int)r->n_deleted, "kept_both",
		              (int)r->n_kept_both, "busy", (int)r->n_busy, "refused",
		              (int)r->n_refused, "failed", (int)r->n_failed, "bytes",
		              (json_int_t)r->bytes, "error", rc < 0 ? err->text : "");
		print_line(o);
		json_decref(o);
		return;
	}
	if (s->has_bar && rc == 0)
		printf("%s: %u of %u fetched (%s), %u were here, %u still being written\n",
		       s->source, r->n_fetched, r->n_found, text_size(size, sizeof(size), r->bytes),
		       r->n_known, r->n_busy);
	if (rc < 0 && r->n_failed == 0)
		fprintf(stderr, "bedside: %s: %s\n", s->source, err->text);
}

/* ---- the run ---- */

static enum pull_exit exit_of(int rc)
{
	switch (rc) {
	case 0:
		return EXIT_WELL;
	case -EBUSY:
		return EXIT_BUSY;
	case -ENOSPC:
		return EXIT_FULL;
	case -EPERM:
	case -EACCES:
		return EXIT_REFUSED;
	case -ECANCELED:
		return EXIT_ENDED;
	default:
		return EXIT_SOME_FAILED;
	}
}

static bool is_wanted(const struct pull_source *s, char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(names[i], s->name) == 0 || strcmp(names[i], s->id) == 0)
			return true;
	return n == 0;
}

static bool are_known(const struct config *c, char *const *names, int n)
{
	for (int i = 0; i < n; i++) {
		bool has = false;

		for (size_t k = 0; k < c->pull.n_sources; k++)
			has |= is_wanted(&c->pull.sources[k], &names[i], 1);
		if (!has) {
			fprintf(stderr,
			        "bedside: the configuration has no source '%s' below pull:\n",
			        names[i]);
			return false;
		}
	}
	return true;
}

/* The run has a thread of its own, so that the loop can hear signals. */
struct run {
	struct wanted *wanted;
	const struct config *config;
	char *const *names;
	int n_names;
	enum pull_exit worst;
	struct loop *loop;
	atomic_bool is_ended;
};

static void pull_all(void *arg)
{
	struct run *run = arg;
	struct wanted *w = run->wanted;
	const struct config *c = run->config;
	const struct pull_how how = {
		.into = w->into ? w->into : c->pull.into,
		.floor_bytes = c->storage.floor_bytes,
		.is_dry_run = w->is_dry_run,
		.again = w->again,
		.is_cancelled = &run->is_ended,
		.ears = { .said = said, .progress = progress, .arg = &w->screen }
	};

	for (size_t i = 0; i < c->pull.n_sources && !atomic_load(&run->is_ended); i++) {
		const struct pull_source *s = &c->pull.sources[i];
		struct pull_result r = { 0 };
		struct err err = { 0 };

		if (!is_wanted(s, run->names, run->n_names))
			continue;
		w->screen.source = s->name;

		int rc = pull_run(&how, s, &r, &err);

		print_result(&w->screen, &r, rc, &err);
		run->worst = MAX(run->worst, exit_of(rc));
	}
}

static void all_done(void *arg)
{
	struct run *run = arg;

	loop_stop(run->loop);
}

static void asked_to_end(void *arg, int number UNUSED)
{
	struct run *run = arg;

	if (atomic_exchange(&run->is_ended, true))
		_exit(EXIT_ENDED);
}

static int run_all(struct wanted *w, const struct config *c, char *const *names, int n)
{
	struct run run = { .wanted = w, .config = c, .names = names, .n_names = n };

	run.loop = loop_new();

	struct signals *signals = signals_new(run.loop, asked_to_end, &run);
	struct work_pool *pool = work_pool_new(run.loop, "pull", 1);

	work_submit(pool, pull_all, all_done, &run);
	loop_run(run.loop);
	work_pool_free(pool);
	signals_free(signals);
	loop_free(run.loop);
	return (int)run.worst;
}

static bool read_options(int argc, char **argv, struct wanted *w)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "data", required_argument, NULL, 'd' },
		{ "into", required_argument, NULL, 'i' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "again", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		w->config = o == 'c' ? optarg : w->config;
		w->data = o == 'd' ? optarg : w->data;
		w->into = o == 'i' ? optarg : w->into;
		w->is_dry_run |= o == 'n';
		w->again |= o == 'a';
		w->screen.wants_json |= o == 'j';
		w->screen.is_quiet |= o == 'q';
		if (o == '?')
			return false;
	}
	w->screen.has_bar = isatty(STDERR_FILENO) && !w->screen.wants_json && !w->screen.is_quiet;
	return true;
}

int cmd_pull(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct wanted w = { 0 };
	char path[1024];
	int status;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	if (!read_options(argc, argv, &w)) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}

	bool has_file = config_find(w.config, path, sizeof(path));

	if (!config_load(has_file ? path : NULL, w.data, &config, &errors)) {
		config_fini(&config);
		(void)config_print_errors(&errors);
		return EXIT_USAGE;
	}
	if (config.pull.n_sources == 0) {
		fprintf(stderr,
		        "bedside: %s names nothing to fetch from: write sources: below pull:\n",
		        has_file ? path : "no configuration was found, so it");
		config_fini(&config);
		return EXIT_USAGE;
	}
	if (are_known(&config, argv + optind, argc - optind))
		status = run_all(&w, &config, argv + optind, argc - optind);
	else
		status = EXIT_USAGE;
	config_fini(&config);
	return status;
}
