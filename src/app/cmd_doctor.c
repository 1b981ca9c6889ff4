/* SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor: tries each hop to a printer and says in words what to do. */

#include "app/cmd.h"
#include "app/config.h"
#include "base/text.h"
#include "core/loop.h"
#include "printers/doctor.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session_of_doctor {
	struct loop *loop;
	bool is_json, is_ok;
};

static void print_step(void *arg, const struct doctor_step *s)
{
	const struct session_of_doctor *d = arg;

	if (d->is_json)
		return;
	printf("%s %-12s %5d ms  %s\n", s->is_ok ? "ok  " : "FAIL", s->name, (int)s->took_ms,
	       s->text);
	if (*s->advice)
		printf("                       → %s\n", s->advice);
	fflush(stdout);
}

static void print_json(const struct doctor_report *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < r->n; i++) {
		const struct doctor_step *s = &r->steps[i];

		json_array_append_new(list,
		                      json_pack("{s:s,s:b,s:I,s:s,s:s}", "name", s->name, "is_ok",
		                                (int)s->is_ok, "took_ms", (json_int_t)s->took_ms,
		                                "text", s->text, "advice", s->advice));
	}

	json_t *j = json_pack("{s:o}", "steps", list);

	json_dumpf(j, stdout, JSON_INDENT(2));
	puts("");
	json_decref(j);
}

static void on_done(void *arg, const struct doctor_report *r)
{
	struct session_of_doctor *d = arg;

	if (d->is_json)
		print_json(r);
	d->is_ok = r->is_ok;
	loop_stop(d->loop);
}

static const struct printer_config *find(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->n_printers; i++) {
		const struct printer_config *p = &c->printers[i].printer;

		if (text_equal(p->id, name) || text_equal_nocase(p->name, name))
			return p;
	}
	return NULL;
}

static void list_names(const struct config *c, const char *name)
{
	bool has_any = false;

	fprintf(stderr,
	        "bedside: the configuration has no printer and no camera of this machine called "
	        "'%s'; it has",
	        name);
	for (size_t i = 0; i < c->n_printers; i++, has_any = true)
		fprintf(stderr, " %s", c->printers[i].printer.id);
	for (size_t i = 0; i < c->n_cameras; i++) {
		if (strcmp(c->cameras[i].driver, "v4l2") != 0)
			continue;
		fprintf(stderr, " %s", c->cameras[i].id);
		has_any = true;
	}
	fputs(has_any ? "\n" : " none\n", stderr);
}

/* -1: there is none of this name and kind; else the exit status. */
static int examine_camera(const struct config *config, const char *name, bool is_json)
{
	struct session_of_doctor d = { .is_json = is_json };
	static struct doctor_report r; /* large */

	for (size_t i = 0; i < config->n_cameras; i++) {
		const struct camera_config *c = &config->cameras[i];

		if ((!text_equal(c->id, name) && !text_equal_nocase(c->name, name)) ||
		    !camera_doctor(c, &r))
			continue;
		for (unsigned k = 0; k < r.n; k++)
			print_step(&d, &r.steps[k]);
		if (is_json)
			print_json(&r);
		return r.is_ok ? 0 : 1;
	}
	return -1;
}

static int examine(const struct config *config, const struct printer_config *c, bool is_json)
{
	struct session_of_doctor s = { .loop = loop_new(), .is_json = is_json };
	struct doctor_env env = { .loop = s.loop,
		                  .data_dir = config->data_dir,
		                  .ca_file = config->ca_file[0] ? config->ca_file : NULL };
	struct doctor_events events = { print_step, on_done, &s };
	struct doctor *d = doctor_start(&env, c, &events);

	loop_run(s.loop);
	doctor_free(d);
	loop_free(s.loop);
	return s.is_ok ? 0 : 1;
}

struct doctor_args {
	const char *printer, *config, *data;
	bool is_json;
};

static bool read_args(int argc, char **argv, struct doctor_args *a)
{
	for (int i = 1; i < argc; i++) {
		if (text_equal(argv[i], "--json"))
			a->is_json = true;
		else if (text_equal(argv[i], "--config") && i + 1 < argc)
			a->config = argv[++i];
		else if (text_equal(argv[i], "--data") && i + 1 < argc)
			a->data = argv[++i];
		else if (argv[i][0] != '-' && !a->printer)
			a->printer = argv[i];
		else
			return false;
	}
	return a->printer != NULL;
}

int cmd_doctor(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct doctor_args a = { 0 };
	char path[1024];
	int rc = 1;

	if (!read_args(argc, argv, &a)) {
		fputs("usage: bedside doctor [--json] [--config FILE] [--data DIR] "
		      "PRINTER|CAMERA\n",
		      stderr);
		return 2;
	}

	const char *file = config_find(a.config, path, sizeof(path)) ? path : NULL;

	if (!config_load(file, a.data, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}

	const struct printer_config *c = find(&config, a.printer);

	rc = c ? examine(&config, c, a.is_json) : examine_camera(&config, a.printer, a.is_json);
	if (rc < 0) {
		list_names(&config, a.printer);
		rc = 1;
	}
	config_fini(&config);
	return rc;
}
