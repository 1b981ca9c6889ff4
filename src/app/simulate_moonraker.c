/* SPDX-License-Identifier: GPL-3.0-or-later */
/* simulate moonraker: a Klipper printer that prints one file, for tests. */

#include "app/cmd.h"
#include "base/err.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/signals.h"
#include "printers/sim/moonraker.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: bedside simulate moonraker [option]… FILE   (plain G-code)\n"
	"\n"
	"  --address A, --port N   to listen on (default 127.0.0.1, any free port, printed)\n"
	"  --key K                 API key; everybody is trusted if not given\n"
	"  --user U, --password P  who may log in as well\n"
	"  --speed FACTOR          everything so many times faster\n"
	"  --print                 prints at once; else when it is told to\n"
	"  --count-layers          says its layers, as with SET_PRINT_STATS_INFO\n"
	"  --fault NAME@SECONDS    after the print began: drop, klippy-shutdown, late\n";

static const struct option options[] = {
	{ "address", 1, NULL, 'a' },
	{ "port", 1, NULL, 'p' },
	{ "key", 1, NULL, 'k' },
	{ "speed", 1, NULL, 's' },
	{ "print", 0, NULL, 'b' },
	{ "fault", 1, NULL, 'f' },
	{ "help", 0, NULL, 'h' },
	{ "count-layers", 0, NULL, 'l' },
	{ "user", 1, NULL, 'u' },
	{ "password", 1, NULL, 'w' },
	{ 0 },
};

static bool take_fault(struct moon_sim_config *c, const char *text)
{
	static const char *const names[MOON_SIM_FAULT_N] = { "drop", "klippy-shutdown", "late" };
	const char *at = strchr(text, '@');

	for (int i = 0; at && i < MOON_SIM_FAULT_N; i++) {
		if (strlen(names[i]) == (size_t)(at - text) && text_starts(text, names[i]))
			return text_to_double(at + 1, &c->fault_s[i]) && c->fault_s[i] > 0;
	}
	return false;
}

static bool take(struct moon_sim_config *c, int id)
{
	double v;

	switch (id) {
	case 'a':
		c->address = optarg;
		return true;
	case 'p':
		if (!text_to_double(optarg, &v) || v < 0 || v > 65535)
			return false;
		c->port = (uint16_t)v;
		return true;
	case 'k':
		c->key = optarg;
		return true;
	case 'u':
		c->user = optarg;
		return true;
	case 'w':
		c->password = optarg;
		return true;
	case 's':
		return text_to_double(optarg, &c->speed) && c->speed > 0;
	case 'b':
		c->begins = true;
		return true;
	case 'l':
		c->counts_layers = true;
		return true;
	case 'f':
		return take_fault(c, optarg);
	default:
		return false;
	}
}

static void on_signal(void *arg, int number)
{
	(void)number;
	loop_stop(arg);
}

static int run(const struct moon_sim_config *c)
{
	struct loop *l = loop_new();
	struct signals *signals = signals_new(l, on_signal, l);
	struct moon_sim *m = NULL;
	struct err err = { 0 };
	int rc = moon_sim_start(l, c, &m, &err);

	if (rc == 0) {
		printf("{\"simulating\":\"moonraker\",\"port\":%u}\n", moon_sim_port(m));
		(void)fflush(stdout);
		loop_run(l);
	} else {
		fprintf(stderr, "bedside simulate: %s\n", err.text);
	}
	moon_sim_stop(m);
	signals_free(signals);
	loop_free(l);
	return rc < 0;
}

int simulate_moonraker(int argc, char **argv)
{
	struct moon_sim_config c = { .speed = 1 };
	int id;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (!take(&c, id)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	c.file = argv[optind];
	return run(&c);
}
