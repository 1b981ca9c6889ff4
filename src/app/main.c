/* SPDX-License-Identifier: GPL-3.0-or-later */
/* main: finds the verb. */

#include "app/cmd.h"
#include "base/base.h"
#include "base/text.h"
#include "core/crypto.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage; /* what follows the verb */
	const char *help;
};

static int cmd_version(int argc, char **argv);
static int cmd_help(int argc, char **argv);

/* In the order of `bedside help`. */
static const struct verb verbs[] = {
	{ "backup", cmd_backup, "[--with-frames] [--data DIR] DEST",
	  "copy everything into the new folder DEST, while Bedside runs" },
	{ "serve", cmd_serve, "[--config FILE] [--data DIR] [--port N]", "run the daemon" },
	{ "demo", cmd_demo, "[--data DIR] [--port N]",
	  "run the daemon with two simulated printers" },
	{ "status", cmd_status, "[--json] [--data DIR]", "say how printers and sessions are" },
	{ "session", cmd_session, "start|pause|resume|stop|discard|shoot PRINTER",
	  "order the session of a printer" },
	{ "capture", cmd_capture,
	  "plan|run|cancel|status PRINTER | list|export [--printer P] [--job ID] [--layer N] …",
	  "photograph layers from many places (capture --help)" },
	{ "camera", cmd_camera, "test CAMERA | test --bambu ADDRESS --serial S --code-file F",
	  "take pictures with one camera and say how it went" },
	{ "check-config", cmd_check_config, "[--example|--manual] [FILE]",
	  "check the configuration, or print a complete example" },
	{ "discover", cmd_discover, "[--json] [--seconds N] [--add SERIAL --code-file FILE …]",
	  "list printers that announce themselves, add one by its access code" },
	{ "doctor", cmd_doctor, "[--json] PRINTER|CAMERA",
	  "try each hop to a printer and say what to do" },
	{ "gcode", cmd_gcode, "FILE [--json] [--plate N] [--thumbnail OUT.png]",
	  "say what a sliced job says: layers, times, filament" },
	{ "klipper-macros", cmd_klipper_macros, "[--park X,Y]",
	  "print Klipper's macros that ask Bedside for pictures and films" },
	{ "pair", cmd_pair, "[--name NAME] [--user USER] [--trust TRUST] [--data DIR] URL",
	  "ask the OctoPrint at URL for an API key, and add it" },
	{ "print", cmd_print,
	  "PRINTER FILE [--plate N] [--trays auto|none|0,3,-1] [--timelapse] [--data DIR]",
	  "start a file that lies on the printer, and wait until it prints" },
	{ "panel", cmd_panel, "[--json] [--data DIR] | click [N] | keys",
	  "say how button, lights and sensors are; press the button" },
	{ "pull", cmd_pull, "[--dry-run] [--again] [--json] [--quiet] [SOURCE …]",
	  "fetch finished films and captures from rigs and other hosts (pull --help)" },
	{ "render", cmd_render,
	  "SESSION [--data DIR] [--camera ID] [--fps N | --duration S] [--hold S] [--crf N]\n"
	  "                 [--size WxH] [--out FILE]",
	  "make another film from the pictures of a session" },
	{ "restore", cmd_restore, "[--data DIR] FROM | --set-aside",
	  "put a backup back, or a damaged database out of the way" },
	{ "setup", cmd_setup, "[--config FILE]", "ask five questions and write the configuration" },
	{ "rig", cmd_rig, "pair [--name NAME] [--trust TRUST] URL CODE | status | forget",
	  "make this Bedside a rig that reports to the one at URL" },
	{ "rigs", cmd_rigs, "[--json]", "say how the rigs are that report to this Bedside" },
	{ "simulate", cmd_simulate, "bambu [--model A1] [--print FILE] [--speed N] …",
	  "be a Bambu printer, for trying things out (simulate --help)" },
	{ "snippets", cmd_snippets, "[--printer MODEL] [--slicer S] [--mode M] …",
	  "write the macros for a slicer that park the head or press the button" },
	{ "user", cmd_user, "add|passwd|remove NAME | list",
	  "accounts, from a console (user --help)" },
	{ "version", cmd_version, "", "print the version" },
	{ "help", cmd_help, "", "print this" },
};

static int cmd_version(int argc UNUSED, char **argv UNUSED)
{
	puts("bedside " BEDSIDE_VERSION);
	return 0;
}

static void print_help(FILE *to)
{
	fputs("Bedside: the bedside monitor for 3D printers.\n\nusage:\n", to);
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		fprintf(to, "  bedside %s %s\n      %s\n", verbs[i].name, verbs[i].usage,
		        verbs[i].help);
	fputs("\nSee bedside(1) and bedside.yaml(5).\n", to);
}

static int cmd_help(int argc UNUSED, char **argv UNUSED)
{
	print_help(stdout);
	return 0;
}

/* A verb's help is what it prints of itself when it is used wrongly. Of the orders of most verbs this is
 * the whole, and "rig forget --help" must not forget; what is simulated has a help of its own each. */
static int help_of(const struct verb *v, const char *kind)
{
	char name[24], what[24], help[] = "--help";
	char *argv[] = { name, help, NULL, NULL };
	bool has_kind = v->run == cmd_simulate && kind[0] != '-';
	int rc;

	text_copy(name, sizeof(name), v->name);
	text_copy(what, sizeof(what), kind);
	if (has_kind) {
		argv[1] = what;
		argv[2] = help;
	}
	opterr = 0;
	(void)dup2(STDOUT_FILENO, STDERR_FILENO);
	rc = v->run(has_kind ? 3 : 2, argv);
	return rc == 2 ? 0 : rc;
}

static bool asks_for_help(const char *arg)
{
	return strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return 2;
	}

	const char *name = argv[1];

	if (asks_for_help(name))
		name = "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	crypto_init();
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].name, name) != 0)
			continue;
		if (argc > 2 && asks_for_help(argv[argc - 1]))
			return help_of(&verbs[i], argv[2]);
		return verbs[i].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "bedside: there is no verb '%s'; 'bedside help' lists them\n", name);
	return 2;
}
