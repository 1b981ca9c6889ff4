/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rig and rigs: this Bedside as a rig of a hub, and the rigs of this hub. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/err.h"
#include "base/text.h"
#include "core/loop.h"
#include "core/sandbox.h"
#include "model/json.h"
#include "wire/rest.h"
#include "wire/tls_judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 20000

struct rig_args {
	const char *name, *trust, *ca_file, *config, *data;
	const char *words[3];
	unsigned n_words;
	bool wants_json;
};

static bool read_args(int argc, char **argv, struct rig_args *a)
{
	const struct cmd_option options[] = { { "--name", &a->name },
		                              { "--trust", &a->trust },
		                              { "--ca-file", &a->ca_file },
		                              { "--config", &a->config },
		                              { "--data", &a->data } };

	for (int i = 1; i < argc; i++) {
		if (cmd_option(options, ARRAY_LEN(options), argc, argv, &i))
			continue;
		if (text_equal(argv[i], "--json"))
			a->wants_json = true;
		else if ((argv[i][0] == '-' && argv[i][1]) || a->n_words == ARRAY_LEN(a->words))
			return false;
		else
			a->words[a->n_words++] = argv[i];
	}
	return true;
}

/* ---- pairing ---- */

struct pairing {
	struct loop *loop;
	struct rest *rest;
	struct rig_config hub;
	const char *data_dir;
	char name[RIG_NAME_SIZE];
	int rc;
};

static const char *text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : "";
}

/* A daemon that runs takes it up at once. */
static void tell_daemon(const char *data_dir, const char *else_text)
{
	struct err err = { 0 };
	json_t *answer = control_ask(
		data_dir, json_pack("{s:s, s:s}", "verb", "rig", "what", "reload"), &err);

	if (!answer && (err.code == -ENOENT || err.code == -ECONNREFUSED))
		puts(else_text);
	else if (!answer)
		fprintf(stderr, "bedside: %s\n", err.text);
	json_decref(answer);
}

static void is_refused(struct pairing *p, const struct rest_answer *a)
{
	const char *said = text_of(json_object_get(a->json, "error"), "text");
	struct tls_leaf leaf;
	char hex[65];

	if (a->is_untrusted && rest_leaf(p->rest, &leaf)) {
		text_hex(hex, leaf.sha256, sizeof(leaf.sha256));
		fprintf(stderr, "bedside: %s.\n         To pin it, say --trust sha256:%s\n",
		        leaf.reason, hex);
	} else if (a->err.code) {
		fprintf(stderr, "bedside: %s\n", a->err.text);
	} else if (a->redirect[0]) {
		fprintf(stderr, "bedside: this address leads to %s: use that one\n", a->redirect);
	} else if (*said) {
		fprintf(stderr, "bedside: %s\n", said);
	} else {
		fprintf(stderr,
		        "bedside: %s answers %d to the pairing: is it a Bedside (of this version "
		        "or "
		        "a newer one), and this its address?\n",
		        rest_peer(p->rest), a->status);
	}
}

static void is_answered(void *arg, const struct rest_answer *a)
{
	struct pairing *p = arg;
	const char *key = text_of(a->json, "key");
	struct err err = { 0 };

	if (a->err.code || a->status != 201 || !*key) {
		is_refused(p, a);
	} else {
		secret_set(&p->hub.key, key);
		if (config_write_hub(p->data_dir, &p->hub, &err) < 0) {
			fprintf(stderr, "bedside: %s\n", err.text);
		} else {
			printf("Paired with %s as '%s'; the key is in %s/hub.yaml.\n", p->hub.url,
			       text_of(a->json, "name"), p->data_dir);
			p->rc = 0;
		}
	}
	loop_stop(p->loop);
}

static int read_code(const char *word, char *dst, size_t size)
{
	struct secret s = { 0 };
	struct err err = { 0 };

	if (!text_equal(word, "-")) {
		text_copy(dst, size, word);
		return 0;
	}
	if (secret_from_file("-", &s, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	text_copy(dst, size, secret_peek(&s));
	secret_fini(&s);
	return 0;
}

static void ask(struct pairing *p, const char *code)
{
	const struct trust *t = &p->hub.trust;
	struct rest_config config = {
		.url = p->hub.url,
		.ca_file = t->ca_file,
		.trust = t->mode == TRUST_CA    ? HTTP_TRUST_WEB
		         : t->mode == TRUST_PIN ? HTTP_TRUST_PIN
		                                : HTTP_TRUST_INSECURE,
	};
	json_t *body = json_pack("{s:o, s:o}", "code", json_text(code), "name", json_text(p->name));
	char *text = json_dumps(body, JSON_COMPACT);
	const struct rest_question q = { .target = "/api/v1/rig/pair",
		                         .body = text,
		                         .limit_ms = ASK_MS };

	memcpy(config.pin, t->pin, sizeof(config.pin));
	p->loop = loop_new();
	p->rest = rest_new(p->loop, &config);
	(void)rest_ask(p->rest, &q, is_answered, p);
	loop_run(p->loop);
	rest_free(p->rest);
	loop_free(p->loop);
	free(text);
	json_decref(body);
}

static int pair(const struct config *config, const struct rig_args *a)
{
	struct pairing p = { .data_dir = config->data_dir, .rc = 1 };
	struct err err = { 0 };
	char code[40];

	(void)snprintf(p.hub.url, sizeof(p.hub.url), "%s%s",
	               strstr(a->words[1], "://") ? "" : "https://", a->words[1]);
	if (a->trust && !trust_from_text(&p.hub.trust, a->trust)) {
		fputs("bedside: --trust must be " TRUST_FORM "\n", stderr);
		return 2;
	}
	TEXT_SET(p.hub.trust.ca_file, a->ca_file);
	if (config_check_hub(&p.hub, &err) < 0) {
		fprintf(stderr, "bedside: %s: %s\n", p.hub.url, err.text);
		return 1;
	}
	if (a->name)
		TEXT_SET(p.name, a->name);
	else if (gethostname(p.name, sizeof(p.name) - 1) < 0 || !p.name[0])
		TEXT_SET(p.name, "rig");
	if (read_code(a->words[2], code, sizeof(code)) != 0)
		return 1;
	if (text_starts(p.hub.url, "http://"))
		fputs("bedside: the hub is asked without encryption: whoever is on the way reads "
		      "the "
		      "key\n",
		      stderr);
	ask(&p, code);
	rig_config_fini(&p.hub);
	if (p.rc == 0)
		tell_daemon(config->data_dir, "It reports as soon as Bedside runs.");
	return p.rc;
}

static int forget(const struct config *config)
{
	struct err err = { 0 };

	if (config_forget_hub(config->data_dir, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	tell_daemon(config->data_dir, "It reports to no hub any more.");
	return 0;
}

/* ---- status ---- */

static void print_hub(const json_t *r)
{
	const char *state = text_of(r, "state");

	if (text_equal(state, "off")) {
		puts("This Bedside reports to no hub.");
		return;
	}
	printf("hub %s (%s): %s\n", text_of(r, "url"), text_of(r, "hub"), state);
	if (text_of(r, "text")[0])
		printf("  %s\n", text_of(r, "text"));
	printf("  news that wait: %lld\n", json_integer_value(json_object_get(r, "waiting")));
	if (json_integer_value(json_object_get(r, "dropped")) > 0)
		printf("  left out, since too many wait: %lld\n",
		       json_integer_value(json_object_get(r, "dropped")));
}

static void print_rig(const json_t *r)
{
	printf("%s: %s, %s, seen %s, %zu printers\n", text_of(r, "name"),
	       json_is_true(json_object_get(r, "is_online")) ? "online" : "away",
	       text_of(r, "address"), text_of(r, "seen_at"),
	       json_array_size(json_object_get(r, "printers")));
	if (text_of(r, "text")[0])
		printf("  %s\n", text_of(r, "text"));
}

static int show(const struct config *config, const struct rig_args *a, const char *what)
{
	struct err err = { 0 };
	json_t *answer = control_ask(config->data_dir,
	                             json_pack("{s:s, s:s}", "verb", "rig", "what", what), &err);
	size_t i;
	json_t *r;

	if (!answer) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	if (a->wants_json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_SHORT_REALS);
		putchar('\n');
	} else if (json_object_get(answer, "rigs")) {
		json_array_foreach(json_object_get(answer, "rigs"), i, r) print_rig(r);
	} else {
		print_hub(json_object_get(answer, "rig"));
	}
	json_decref(answer);
	return 0;
}

static int with_config(const struct rig_args *a,
                       int (*run)(const struct config *config, const struct rig_args *a))
{
	static struct config config; /* large */
	static struct conf_errors errors;
	char path[1024];
	const char *file = config_find(a->config, path, sizeof(path)) ? path : NULL;
	struct err err = { 0 };
	int rc;

	if (!config_load(file, a->data, &config, &errors)) {
		rc = config_print_errors(&errors);
	} else if (sandbox_become_owner(config.data_dir, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		rc = 1;
	} else {
		rc = run(&config, a);
	}
	config_fini(&config);
	return rc;
}

static int run_rig(const struct config *config, const struct rig_args *a)
{
	if (text_equal(a->words[0], "pair"))
		return pair(config, a);
	if (text_equal(a->words[0], "forget"))
		return forget(config);
	return show(config, a, "status");
}

int cmd_rig(int argc, char **argv)
{
	struct rig_args a = { 0 };
	bool is_good = read_args(argc, argv, &a);
	const char *what = a.n_words ? a.words[0] : "";

	is_good = is_good && ((text_equal(what, "pair") && a.n_words == 3) ||
	                      (text_equal(what, "status") && a.n_words == 1) ||
	                      (text_equal(what, "forget") && a.n_words == 1));
	if (is_good)
		return with_config(&a, run_rig);
	fputs("usage: bedside rig pair [--name NAME] [--trust TRUST] [--ca-file FILE] URL CODE\n"
	      "       bedside rig status [--json]\n"
	      "       bedside rig forget\n"
	      "       each with [--config FILE] [--data DIR]\n"
	      "Makes this Bedside a rig of the one at URL. CODE is made there, under Rigs (- reads "
	      "it\n"
	      "from standard input). TRUST: ca, insecure, or sha256:… of its certificate.\n",
	      stderr);
	return 2;
}

static int run_rigs(const struct config *config, const struct rig_args *a)
{
	return show(config, a, "rigs");
}

int cmd_rigs(int argc, char **argv)
{
	struct rig_args a = { 0 };

	if (read_args(argc, argv, &a) && a.n_words == 0)
		return with_config(&a, run_rigs);
	fputs("usage: bedside rigs [--json] [--config FILE] [--data DIR]\n", stderr);
	return 2;
}
