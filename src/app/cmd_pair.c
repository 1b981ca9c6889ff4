/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pair: asks an OctoPrint for a key, which a person grants there, and adds it as a printer. */

#include "app/adopt.h"
#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/text.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "printers/pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct pair_args {
	const char *url, *name, *user, *trust, *config, *data;
};

struct pairing {
	struct loop *loop;
	struct pair *pair;
	struct printer_config *printer;
	const struct config *config;
	int rc;
};

static void on_asked(void *arg, const char *where)
{
	(void)arg;
	printf("OctoPrint asks for your consent. Open its page and press Allow, or open\n  %s\n"
	       "Waiting for five minutes at most …\n",
	       where);
	(void)fflush(stdout);
}

static void store(struct pairing *p, const char *key)
{
	struct err err = { 0 };

	secret_set(&p->printer->access_code, key);
	int rc = adopt_printer(p->config->data_dir, p->printer, &err);

	if (rc < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return;
	}
	printf("Added '%s' (%s) as %s/printers.d/%s.yaml. %s\n", p->printer->name, p->printer->url,
	       p->config->data_dir, p->printer->id,
	       rc ? "The running Bedside watches it already." : "The next start takes it up.");
	p->rc = 0;
}

static void on_done(void *arg, const char *key, const struct err *err)
{
	struct pairing *p = arg;
	uint8_t sha256[32];
	char subject[128], hex[65];

	if (key) {
		store(p, key);
	} else {
		fprintf(stderr, "bedside: %s\n", err->text);
		if (pair_refused_certificate(p->pair, sha256, subject)) {
			text_hex(hex, sha256, sizeof(sha256));
			fprintf(stderr,
			        "         Nothing was sent to it. If it is your own, say so with\n"
			        "         --trust sha256:%s\n",
			        hex);
		}
	}
	loop_stop(p->loop);
}

static bool is_known(const struct config *config, const struct printer_config *c)
{
	char id[MODEL_ID_SIZE];

	text_slug(id, sizeof(id), c->name);
	for (size_t i = 0; i < config->n_printers; i++) {
		const struct printer_config *p = &config->printers[i].printer;

		if (!text_equal(p->url, c->url) && !text_equal(p->id, id))
			continue;
		fprintf(stderr, "bedside: %s is configured already, as '%s'\n", p->url, p->name);
		return true;
	}
	return false;
}

static int run(const struct config *config, const struct pair_args *a)
{
	struct printer_config c = { .has_camera = true, .offline_after_ms = 60000 };
	struct pairing p = { .printer = &c, .config = config, .rc = 1 };
	const struct pair_events events = { on_asked, on_done, &p };
	struct err err = { 0 };

	TEXT_SET(c.driver, "octoprint");
	TEXT_SET(c.model, "auto");
	(void)snprintf(c.url, sizeof(c.url), "%s%s", strstr(a->url, "://") ? "" : "http://",
	               a->url);
	if (config_check_url(&c, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	TEXT_SET(c.name, a->name ? a->name : c.address);
	if (a->trust && !trust_from_text(&c.trust, a->trust)) {
		fputs("bedside: --trust must be " TRUST_FORM "\n", stderr);
		return 2;
	}
	if (is_known(config, &c))
		return 1;
	p.loop = loop_new();
	p.pair = pair_start(p.loop, &c, a->user, NULL, &events);
	loop_run(p.loop);
	pair_free(p.pair);
	loop_free(p.loop);
	printer_config_fini(&c);
	return p.rc;
}

static bool read_args(int argc, char **argv, struct pair_args *a)
{
	const struct cmd_option options[] = { { "--name", &a->name },
		                              { "--user", &a->user },
		                              { "--trust", &a->trust },
		                              { "--config", &a->config },
		                              { "--data", &a->data } };

	for (int i = 1; i < argc; i++) {
		if (cmd_option(options, ARRAY_LEN(options), argc, argv, &i))
			continue;
		if (argv[i][0] == '-' || a->url)
			return false;
		a->url = argv[i];
	}
	return a->url != NULL;
}

int cmd_pair(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct pair_args a = { 0 };
	char path[1024];
	struct err err = { 0 };
	int rc;

	if (!read_args(argc, argv, &a)) {
		fputs("usage: bedside pair [--name NAME] [--user USER] [--trust TRUST] [--config "
		      "FILE]\n"
		      "               [--data DIR] URL\n"
		      "Asks the OctoPrint at URL (http://octopi.local) for an API key and waits "
		      "until it is\nallowed there. TRUST: ca, insecure, or sha256:… of its "
		      "certificate.\n",
		      stderr);
		return 2;
	}

	const char *file = config_find(a.config, path, sizeof(path)) ? path : NULL;

	if (!config_load(file, a.data, &config, &errors)) {
		rc = config_print_errors(&errors);
	} else if (sandbox_become_owner(config.data_dir, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		rc = 1;
	} else {
		rc = run(&config, &a);
	}
	config_fini(&config);
	return rc;
}
