/* SPDX-License-Identifier: GPL-3.0-or-later */
/* simulate moonraker, simulate octoprint, simulate prusalink: printers with a web server that print one file. */

#include "app/cmd.h"
#include "base/err.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/signals.h"
#include "printers/sim/moonraker.h"
#include "printers/sim/octoprint.h"
#include "printers/sim/prusalink.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const char usage[] =
	"usage: bedside simulate moonraker|octoprint|prusalink [option]… FILE   (plain G-code)\n"
	"\n"
	"  --address A, --port N   to listen on (default 127.0.0.1, any free port, printed)\n"
	"  --key K                 API key\n"
	"                          without it, and a user, everybody is let in\n"
	"  --user U, --password P  moonraker, prusalink: who may log in as well\n"
	"  --speed FACTOR          everything so many times faster\n"
	"  --print                 prints at once; else when it is told to\n"
	"  --count-layers          moonraker: says its layers, as with SET_PRINT_STATS_INFO\n"
	"  --macros                moonraker: parks for TIMELAPSE_TAKE_FRAME at each layer, waits\n"
	"                          for TIMELAPSE_RENDER at the end, as moonraker-timelapse's\n"
	"                          macros\n"
	"  --deny                  octoprint: denies applications their key (else after two "
	"seconds)\n"
	"  --old                   prusalink: of firmware before API v1\n"
	"  --fault NAME@SECONDS    after the print began; several times\n"
	"                          moonraker: drop, klippy-shutdown, late\n"
	"                          octoprint: drop, late, offline, reauth\n"
	"                          prusalink: drop, stall, refuse, html, huge, attention, stop\n";

static const struct option options[] = {
	{ "address", 1, NULL, 'a' },  { "port", 1, NULL, 'p' },
	{ "key", 1, NULL, 'k' },      { "speed", 1, NULL, 's' },
	{ "print", 0, NULL, 'b' },    { "fault", 1, NULL, 'f' },
	{ "help", 0, NULL, 'h' },     { "user", 1, NULL, 'u' },
	{ "password", 1, NULL, 'w' }, { "count-layers", 0, NULL, 'l' },
	{ "deny", 0, NULL, 'l' },     { "old", 0, NULL, 'l' },
	{ "macros", 0, NULL, 'm' },   { 0 },
};

static const char *const moon_faults[SIM_WEB_MAX_FAULTS] = { "drop", "klippy-shutdown", "late" };
static const char *const octo_faults[SIM_WEB_MAX_FAULTS] = { "drop", "late", "offline", "reauth" };
static const char *const prusa_faults[SIM_WEB_MAX_FAULTS] = {
	"drop", "stall", "refuse", "html", "huge", "attention", "stop",
};

static bool take_fault(struct sim_web_config *c, const char *const *names, const char *text)
{
	const char *at = strchr(text, '@');

	for (int i = 0; at && i < SIM_WEB_MAX_FAULTS && names[i]; i++) {
		if (strlen(names[i]) == (size_t)(at - text) && text_starts(text, names[i]))
			return text_to_double(at + 1, &c->fault_s[i]) && c->fault_s[i] > 0;
	}
	return false;
}

static bool take(struct sim_web_config *c, const char *const *faults, int id)
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
		c->is_special = true;
		return true;
	case 'm':
		c->has_macros = true;
		return true;
	case 'f':
		return take_fault(c, faults, optarg);
	default:
		return false;
	}
}

static void on_signal(void *arg, int number)
{
	(void)number;
	loop_stop(arg);
}

static int run(const char *kind, const struct sim_web_config *c)
{
	struct loop *l = loop_new();
	struct signals *signals = signals_new(l, on_signal, l);
	struct moon_sim *moon = NULL;
	struct octo_sim *octo = NULL;
	struct prusa_sim *prusa = NULL;
	struct err err = { 0 };
	int rc = text_equal(kind, "moonraker")   ? moon_sim_start(l, c, &moon, &err)
	         : text_equal(kind, "octoprint") ? octo_sim_start(l, c, &octo, &err)
	                                         : prusa_sim_start(l, c, &prusa, &err);

	if (rc == 0) {
		printf("{\"simulating\":\"%s\",\"port\":%u}\n", kind,
		       moon   ? moon_sim_port(moon)
		       : octo ? octo_sim_port(octo)
		              : prusa_sim_port(prusa));
		(void)fflush(stdout);
		loop_run(l);
	} else {
		fprintf(stderr, "bedside simulate: %s\n", err.text);
	}
	moon_sim_stop(moon);
	octo_sim_stop(octo);
	prusa_sim_stop(prusa);
	signals_free(signals);
	loop_free(l);
	return rc < 0;
}

int simulate_web(int argc, char **argv)
{
	struct sim_web_config c = { .speed = 1 };
	const char *const *faults = text_equal(argv[0], "moonraker")   ? moon_faults
	                            : text_equal(argv[0], "octoprint") ? octo_faults
	                                                               : prusa_faults;
	int id;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (id == 'h') {
			fputs(usage, stdout);
			return 0;
		}
		if (!take(&c, faults, id)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		fputs(usage, stderr);
		return 2;
	}
	c.file = argv[optind];
	return run(argv[0], &c);
}
