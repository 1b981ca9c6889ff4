/* SPDX-License-Identifier: GPL-3.0-or-later */
/* discover: lists the printers that announce themselves, and adds one by its access code. */

#include "app/adopt.h"
#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "printers/doctor.h"
#include "printers/scout.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct discover_args {
	const char *add, *code_file, *name, *address, *config, *data;
	struct secret code;
	int64_t seconds;
	bool is_json, pins;
};

struct search {
	struct loop *loop;
	const struct discover_args *args;
	struct scout_printer found[SCOUT_MAX_PRINTERS];
	size_t n;
	bool is_login_ok;
	int rc;
};

static const char *certificate_word(const struct scout_printer *p)
{
	if (!p->has_leaf)
		return "certificate not seen";
	return p->chains ? "certificate is the maker's" : "certificate does not chain";
}

static void print_found(const struct search *s)
{
	char hex[65];

	for (size_t i = 0; i < s->n; i++) {
		const struct scout_printer *p = &s->found[i];

		text_hex(hex, p->sha256, 32);
		printf("%-16s %-10s %-15s %-24s %s\n", p->found.serial, p->model, p->found.address,
		       p->found.name, certificate_word(p));
		if (p->has_leaf)
			printf("    sha256:%s\n", hex);
	}
	if (s->n == 0)
		puts("No printer announced itself. Is it on, and in the same network as this "
		     "machine? Its address can be given: bedside discover --add SERIAL --address "
		     "IP --code-file -");
}

static void print_json(const struct search *s)
{
	json_t *list = json_array();
	char hex[65];

	for (size_t i = 0; i < s->n; i++) {
		const struct scout_printer *p = &s->found[i];
		json_t *j =
			json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "serial", p->found.serial, "name",
		                  p->found.name, "model", p->model, "address", p->found.address,
		                  "firmware", p->found.firmware, "connect", p->found.connect);

		text_hex(hex, p->sha256, 32);
		json_object_set_new(j, "certificate",
		                    p->has_leaf ? json_pack("{s:s,s:b}", "sha256", hex, "chains",
		                                            (int)p->chains)
		                                : json_null());
		json_array_append_new(list, j);
	}

	json_t *j = json_pack("{s:o}", "printers", list);

	json_dumpf(j, stdout, JSON_INDENT(2));
	puts("");
	json_decref(j);
}

static void on_scouted(void *arg, const struct scout_printer *found, size_t n,
                       const struct err *err)
{
	struct search *s = arg;

	if (err) {
		fprintf(stderr, "bedside: %s\n", err->text);
		s->rc = 1;
	}
	memcpy(s->found, found, n * sizeof(*found));
	s->n = n;
	loop_stop(s->loop);
}

static void scout(struct search *s, const struct config *config)
{
	const struct discover_args *a = s->args;
	struct scout_options o = {
		.listen_ms = a->seconds * 1000,
		.ca_file = config->ca_file[0] ? config->ca_file : NULL,
		.address = a->address,
		.serial = a->address ? a->add : NULL,
	};
	struct scout *scout = scout_start(s->loop, &o, on_scouted, s);

	loop_run(s->loop);
	scout_free(scout);
}

static void on_step(void *arg, const struct doctor_step *step)
{
	struct search *s = arg;

	if (text_equal(step->name, "login"))
		s->is_login_ok = step->is_ok;
	if (!step->is_ok)
		fprintf(stderr, "bedside: %s\n         %s\n", step->text, step->advice);
}

static void on_examined(void *arg, const struct doctor_report *r)
{
	(void)r;
	loop_stop(((struct search *)arg)->loop);
}

/* The login is tried before anything is written. */
static bool is_login_good(struct search *s, const struct config *config,
                          const struct printer_config *p)
{
	struct doctor_env env = { .loop = s->loop,
		                  .ca_file = config->ca_file[0] ? config->ca_file : NULL,
		                  .is_camera_in_use = true };
	struct doctor_events e = { on_step, on_examined, s };
	struct doctor *d = doctor_start(&env, p, &e);

	loop_run(s->loop);
	doctor_free(d);
	return s->is_login_ok;
}

static bool choose_trust(const struct search *s, const struct scout_printer *p, struct trust *ret)
{
	char hex[65];

	*ret = (struct trust){ .mode = TRUST_CA };
	if (p->chains)
		return true;
	if (!p->has_leaf) {
		fprintf(stderr, "bedside: %s does not show a certificate; is it starting?\n",
		        p->found.address);
		return false;
	}
	text_hex(hex, p->sha256, 32);
	if (!s->args->pins) {
		fprintf(stderr,
		        "bedside: the certificate of %s does not chain to the maker's. Nothing was "
		        "sent to it.\n         If you are sure that it is your printer, say so "
		        "with "
		        "--pin; then exactly this one is trusted:\n         sha256:%s\n",
		        p->found.serial, hex);
		return false;
	}
	ret->mode = TRUST_PIN;
	memcpy(ret->pin, p->sha256, 32);
	return true;
}

static bool is_known(const struct config *config, const char *serial)
{
	for (size_t i = 0; i < config->n_printers; i++) {
		const struct printer_config *p = &config->printers[i].printer;

		if (!text_equal(p->serial, serial))
			continue;
		fprintf(stderr, "bedside: the printer %s is configured already, as '%s'\n", serial,
		        p->name);
		return true;
	}
	return false;
}

static int add(struct search *s, const struct config *config, const struct scout_printer *p)
{
	struct printer_config c = { .has_camera = true, .offline_after_ms = 60000 };
	const struct discover_args *a = s->args;
	struct err err = { 0 };
	int rc = 1;

	TEXT_SET(c.name, a->name ? a->name : p->found.name[0] ? p->found.name : p->found.serial);
	TEXT_SET(c.driver, "bambu");
	TEXT_SET(c.model, "auto");
	TEXT_SET(c.address, p->found.address);
	TEXT_SET(c.serial, p->found.serial);
	secret_set(&c.access_code, secret_peek(&a->code));
	if (!is_known(config, c.serial) && choose_trust(s, p, &c.trust) &&
	    is_login_good(s, config, &c)) {
		int taken = adopt_printer(config->data_dir, &c, &err);

		rc = taken < 0;
		if (rc)
			fprintf(stderr, "bedside: %s\n", err.text);
		else
			printf("Added '%s' (%s) as %s/printers.d/%s.yaml. %s\n", c.name, c.serial,
			       config->data_dir, c.id,
			       taken ? "The running Bedside watches it already."
			             : "The next start takes it up.");
	}
	printer_config_fini(&c);
	return rc;
}

static int add_named(struct search *s, const struct config *config)
{
	for (size_t i = 0; i < s->n; i++) {
		if (text_equal(s->found[i].found.serial, s->args->add))
			return add(s, config, &s->found[i]);
	}
	fprintf(stderr,
	        "bedside: no printer with serial '%s' announced itself (capital letters count); "
	        "name its address with --address\n",
	        s->args->add);
	return 1;
}

struct text_option {
	const char *name;
	size_t at;
};

static bool read_text_option(int argc, char **argv, int *i, struct discover_args *a)
{
	static const struct text_option options[] = {
		{ "--add", offsetof(struct discover_args, add) },
		{ "--code-file", offsetof(struct discover_args, code_file) },
		{ "--name", offsetof(struct discover_args, name) },
		{ "--address", offsetof(struct discover_args, address) },
		{ "--config", offsetof(struct discover_args, config) },
		{ "--data", offsetof(struct discover_args, data) },
	};

	for (size_t k = 0; k < ARRAY_LEN(options); k++) {
		if (!text_equal(argv[*i], options[k].name) || *i + 1 >= argc)
			continue;
		*(const char **)(void *)((char *)a + options[k].at) = argv[++*i];
		return true;
	}
	return false;
}

static bool read_args(int argc, char **argv, struct discover_args *a)
{
	for (int i = 1; i < argc; i++) {
		if (text_equal(argv[i], "--json"))
			a->is_json = true;
		else if (text_equal(argv[i], "--pin"))
			a->pins = true;
		else if (text_equal(argv[i], "--code") && i + 1 < argc)
			secret_set(&a->code, argv[++i]);
		else if (text_equal(argv[i], "--seconds") && i + 1 < argc &&
		         text_to_i64(argv[i + 1], &a->seconds) && a->seconds > 0 &&
		         a->seconds <= 300)
			i++;
		else if (!read_text_option(argc, argv, &i, a))
			return false;
	}
	if (!secret_is_set(&a->code) && !a->code_file && a->add)
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
		secret_set(&a->code, getenv("BEDSIDE_ACCESS_CODE"));
	if (secret_is_set(&a->code) && a->code_file)
		return false;
	return (a->add != NULL) == (secret_is_set(&a->code) || a->code_file);
}

static int run(const struct discover_args *a, const struct config *config)
{
	static struct search s; /* large */

	s = (struct search){ .args = a, .loop = loop_new() };
	log_hide(secret_peek(&a->code));
	scout(&s, config);
	if (a->is_json)
		print_json(&s);
	else if (!a->add)
		print_found(&s);
	if (a->add && s.rc == 0)
		s.rc = add_named(&s, config);
	loop_free(s.loop);
	return s.rc;
}

int cmd_discover(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct discover_args a = { .seconds = 6 };
	struct err err = { 0 };
	char path[1024];

	if (!read_args(argc, argv, &a)) {
		fputs("usage: bedside discover [--json] [--seconds N] [--config FILE] [--data "
		      "DIR]\n"
		      "               [--add SERIAL --code-file FILE [--pin] [--name NAME] "
		      "[--address IP]]\n"
		      "The access code is the first line of FILE, of standard input for -; or "
		      "stands "
		      "in the\nenvironment as BEDSIDE_ACCESS_CODE. --code CODE works too, but "
		      "other "
		      "users can see it.\n",
		      stderr);
		secret_fini(&a.code);
		return 2;
	}
	if (a.code_file && secret_from_file(a.code_file, &a.code, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}

	const char *file = config_find(a.config, path, sizeof(path)) ? path : NULL;
	int rc;

	if (!config_load(file, a.data, &config, &errors)) {
		rc = config_print_errors(&errors);
	} else if (sandbox_become_owner(config.data_dir, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		rc = 1;
	} else {
		rc = run(&a, &config);
	}
	config_fini(&config);
	secret_fini(&a.code);
	return rc;
}
