/* SPDX-License-Identifier: GPL-3.0-or-later */
/* panel: how the running daemon's button, lights and climate sensors are; clicks without hardware, and a
 * simulated button on the keyboard. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/text.h"
#include "model/json.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define HOLD_MS 30 /* a key tells of no end; longer than the button's debounce */
#define LOOK_MS 500

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
	      "       bedside panel click [N] [--config FILE] [--data DIR]\n"
	      "       bedside panel keys [--config FILE] [--data DIR]\n",
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

/* NULL: it was said why. */
static json_t *ask(const char *dir, json_t *question)
{
	struct err err = { 0 };
	json_t *answer = control_ask(dir, question, &err);

	if (!answer)
		fprintf(stderr, "bedside: %s\n", err.text);
	return answer;
}

/* ---- the keyboard as a button ---- */

enum key {
	KEY_NONE,
	KEY_PRESS,
	KEY_END,
};

static enum key next_key(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;
	int n = poll(&p, 1, LOOK_MS);

	if (n == 0 || (n < 0 && errno == EINTR))
		return KEY_NONE;
	if (n < 0 || read(STDIN_FILENO, &c, 1) != 1 || strchr("q\3\4", c))
		return KEY_END;
	return strchr(" \r\n", c) ? KEY_PRESS : KEY_NONE;
}

static void print_changes(const json_t *answer, char *shown, size_t size)
{
	const json_t *panel = json_object_get(answer, "panel");
	const json_t *last = json_object_get(json_object_get(panel, "button"), "last");
	char line[400];

	snprintf(line, sizeof(line), "lights: %s; %lld clicks: %s",
	         text_of(json_object_get(panel, "lights"), "show"),
	         json_integer_value(json_object_get(last, "clicks")),
	         json_is_object(last) ? text_of(last, "text") : "not pressed yet");
	if (strcmp(line, shown) == 0)
		return;
	text_copy(shown, size, line);
	puts(line);
	fflush(stdout);
}

static json_t *edge(const char *dir, bool is_down)
{
	json_t *answer = ask(dir, json_pack("{s:s, s:b}", "verb", "panel", "press", (int)is_down));

	(void)poll(NULL, 0, HOLD_MS);
	return answer;
}

static json_t *press(const char *dir)
{
	json_t *answer = edge(dir, true);

	if (!answer)
		return NULL;
	json_decref(answer);
	return edge(dir, false);
}

/* How it is, is asked for only while no key waits: presses of a series must not be torn apart. */
static int press_until_end(const char *dir)
{
	char shown[400] = "";
	enum key k = KEY_NONE;

	puts("Space or Enter presses the button, q ends.");
	while (k != KEY_END) {
		json_t *answer =
			k == KEY_PRESS ? press(dir) : ask(dir, json_pack("{s:s}", "verb", "panel"));

		if (!answer)
			return 1;
		print_changes(answer, shown, sizeof(shown));
		json_decref(answer);
		k = next_key();
	}
	return 0;
}

/* Each key at once, unseen; what is no terminal is read as it is. */
static int press_by_keys(const char *dir)
{
	struct termios before, raw;
	bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
	int rc;

	if (is_terminal) {
		raw = before;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	rc = press_until_end(dir);
	if (is_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return rc;
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

	bool has_keys = argc - optind == 1 && strcmp(argv[optind], "keys") == 0;

	if (argc - optind > 2 || (argc > optind && !has_keys && strcmp(argv[optind], "click") != 0))
		return usage();
	if (argc > optind)
		clicks = 1;
	if (argc - optind == 2 && (!text_to_i64(argv[optind + 1], &clicks) || clicks < 1))
		return usage();
	if (!config_find_data(config, data, dir, sizeof(dir)))
		return 1;
	if (has_keys)
		return press_by_keys(dir);

	json_t *answer =
		ask(dir, json_pack("{s:s, s:I}", "verb", "panel", "clicks", (json_int_t)clicks));

	if (!answer)
		return 1;
	if (clicks == 0)
		print(answer, wants_json);
	json_decref(answer);
	return 0;
}
