/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/secret.h"
#include "base/test.h"
#include "core/conf.h"
#include "core/opt.h"

#include <string.h>

struct settings {
	char name[16];
	uint16_t port;
	bool is_on;
	double fps;
	int64_t after_ms;
	uint64_t floor;
	int mode;
	struct secret code;
};

static const char *const modes[] = { "ca", "insecure", NULL };

static const struct opt table[] = {
	{ "name", OPT_TEXT, OPT_AT(struct settings, name), .flags = OPT_REQUIRED, .help = "Name." },
	{ "port", OPT_PORT, OPT_AT(struct settings, port), "8484", .help = "Port." },
	{ "is_on", OPT_BOOL, OPT_AT(struct settings, is_on), "yes", .help = "On." },
	{ "fps", OPT_REAL, OPT_AT(struct settings, fps), "25", 1, 60, .help = "Rate." },
	{ "after", OPT_SPAN, OPT_AT(struct settings, after_ms), "60s", .help = "After." },
	{ "floor", OPT_BYTES, OPT_AT(struct settings, floor), "500 MB", .help = "Floor." },
	{ "mode", OPT_CHOICE, OPT_AT(struct settings, mode), "ca", .choices = modes,
	  .help = "Mode." },
	{ "code", OPT_SECRET, OPT_AT(struct settings, code), .help = "Code." },
};

static struct conf_errors errors;

static void read_yaml(const char *yaml, struct settings *s)
{
	memset(&errors, 0, sizeof(errors));
	*s = (struct settings){ 0 };
	opt_defaults(table, ARRAY_LEN(table), s);

	struct conf_node *n = conf_parse("test.yaml", yaml, strlen(yaml), &errors);

	if (n)
		opt_read(table, ARRAY_LEN(table), n, "", s, &errors);
	conf_free(n);
}

TEST(settings_are_read_with_defaults_and_units)
{
	struct settings s;

	read_yaml("# a comment\nname: A1\nafter: 5m\nfloor: 2 GB # more\ncode: \"0012\"\nport:\n",
	          &s);
	CHECK_INT(errors.n, 0);
	CHECK_STR(s.name, "A1");
	CHECK(s.port == 8484 && s.is_on && s.after_ms == 300000 && s.floor == 2000000000);
	CHECK(secret_equals(&s.code, "0012"));
	secret_fini(&s.code);
}

TEST(every_fault_names_file_line_key_and_what_is_right)
{
	struct settings s;

	read_yaml("port: 99999\nfps: 100\nmoed: ca\nmode: maybe\nis_on: [1]\n", &s);
	CHECK_INT(errors.n, 6);
	CHECK_STR(errors.texts[0], "test.yaml:1: port: '99999' must be a port from 1 to 65535, or "
	                           "0 for the usual one");
	CHECK_STR(errors.texts[1], "test.yaml:2: fps: '100' must be a number from 1 to 60");
	CHECK_STR(errors.texts[2], "test.yaml:3: moed: no such key; did you mean 'mode'?");
	CHECK_STR(errors.texts[3], "test.yaml:4: mode: 'maybe' must be one of ca, insecure");
	CHECK_STR(errors.texts[4], "test.yaml:5: is_on: must be yes or no");
	CHECK(strstr(errors.texts[5], "name: is missing"));
}

TEST(a_wrong_secret_is_not_repeated)
{
	struct settings s;
	char yaml[SECRET_MAX + 100];

	memset(yaml, 'x', sizeof(yaml));
	memcpy(yaml, "name: a\ncode: ", 14);
	yaml[sizeof(yaml) - 1] = '\0';
	read_yaml(yaml, &s);
	CHECK_INT(errors.n, 1);
	CHECK(!strstr(errors.texts[0], "xxx"));
}

TEST(yaml_that_is_none_is_refused_with_its_line)
{
	struct settings s;

	read_yaml("name: [a\nb: c\n", &s);
	CHECK(errors.n == 1 && strstr(errors.texts[0], "test.yaml:"));
	read_yaml("a: &x {b: c}\nd: *x\n", &s);
	CHECK(errors.n == 1 && strstr(errors.texts[0], "test.yaml:1: anchors"));
	read_yaml("name: a\nname: b\n", &s);
	CHECK(errors.n == 1 &&
	      strstr(errors.texts[0], "test.yaml:2: name: this key stands here twice"));
	read_yaml("name: ''\n", &s);
	CHECK(errors.n == 1 &&
	      strstr(errors.texts[0], "test.yaml:1: name: '' must be text of 1 to"));
	read_yaml("- a\n", &s);
	CHECK(errors.n == 1);
	read_yaml("a: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", &s);
	CHECK(errors.n == 1 && strstr(errors.texts[0], "nested too deeply"));
	read_yaml("", &s);
	CHECK(errors.n == 1 && strstr(errors.texts[0], "name: is missing"));
}

TEST(the_example_of_a_table_is_valid_yaml)
{
	struct buf b;
	struct settings s;

	buf_init(&b, 0);
	opt_example(table, ARRAY_LEN(table), 0, &b);
	buf_add_str(&b, "\n");
	CHECK(strstr(buf_peek(&b), "# Rate. (a number from 1 to 60)\n# fps: 25\n"));
	read_yaml(buf_peek(&b), &s);
	CHECK(errors.n == 1 && strstr(errors.texts[0], "name: is missing"));
	buf_fini(&b);
}
