/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int read_camera_driver(void *field, const char *text, struct err *err)
{
	if (strcmp(text, "fake") != 0)
		return err_set(err, -EINVAL, "'%.40s' must be fake", text);
	text_copy(field, sizeof(((struct camera_config *)0)->driver), text);
	return 0;
}

static int read_camera_size(void *field, const char *text, struct err *err)
{
	struct camera_config *c = field;
	struct film_plan p = { 0 };
	int rc = config_read_film_size(&p, text, err);

	if (rc == 0) {
		c->width = p.width;
		c->height = p.height;
	}
	return rc;
}

static const struct opt camera_opts[] = {
	{ "name", OPT_TEXT, OPT_AT(struct camera_config, name), .flags = OPT_REQUIRED,
	  .help = "What you call it." },
	{ "driver", OPT_OWN, OPT_AT(struct camera_config, driver), .flags = OPT_REQUIRED,
	  .read = read_camera_driver, .form = "fake",
	  .help = "Kind of camera; fake draws the print instead of photographing it." },
	{ "printer", OPT_NESTED, 0, 0, .help = "Name of the printer that it looks at." },
	{ "fps", OPT_REAL, OPT_AT(struct camera_config, fps), "2", 0.1, 60,
	  .help = "Pictures a second." },
	{ "size", OPT_OWN, 0, 0, "1280x720", .read = read_camera_size, .form = "WIDTHxHEIGHT",
	  .help = "Size of its pictures." },
	{ "always_open", OPT_BOOL, OPT_AT(struct camera_config, is_always_open), "no",
	  .help = "Keep it open when nobody looks." },
	{ "latency", OPT_NESTED, 0, 0, .help = "From the lens to memory, as in 120ms." },
	{ "stale_after", OPT_SPAN, OPT_AT(struct camera_config, stale_after_ms), "10s", 1000, 600e3,
	  .help = "Without a new picture for so long it is opened again." },
	{ "ring", OPT_SPAN, OPT_AT(struct camera_config, ring_ms), "3s", 0, 60e3,
	  .help = "How much of the past is kept for triggers." },
};

const struct config_table config_camera_table = { camera_opts, ARRAY_LEN(camera_opts) };

void config_read_camera(struct config_loading *l, const struct conf_node *n, const char *path)
{
	struct config *c = l->config;
	const struct conf_node *printer, *latency;

	if (c->n_cameras == CONFIG_MAX_CAMERAS) {
		conf_error(l->errors, n->line, "%s: more than %d cameras", path,
		           CONFIG_MAX_CAMERAS);
		return;
	}
	c->cameras = mem_grow(c->cameras, c->n_cameras + 1, sizeof(*c->cameras));

	struct camera_config *cam = &c->cameras[c->n_cameras++];

	*cam = (struct camera_config){ 0 };
	opt_defaults(camera_opts, ARRAY_LEN(camera_opts), cam);
	opt_read(camera_opts, ARRAY_LEN(camera_opts), n, path, cam, l->errors);
	if (n->kind != CONF_MAP)
		return;
	text_slug(cam->id, sizeof(cam->id), cam->name);
	printer = conf_get(n, "printer");
	if (printer && printer->kind == CONF_SCALAR)
		text_slug(cam->printer, sizeof(cam->printer), printer->text);
	latency = conf_get(n, "latency");
	if (latency) {
		static const struct opt opt = {
			.name = "latency", .type = OPT_SPAN, .min = 0, .max = 10000, .help = ""
		};
		int64_t ms = 0;
		struct conf_node alone = { .kind = CONF_MAP, .line = latency->line };
		struct conf_node copy = *latency;

		copy.next = NULL;
		alone.first = alone.last = &copy;
		opt_read(&opt, 1, &alone, path, &ms, l->errors);
		cam->latency_us = ms * 1000;
	}
	for (size_t i = 0; i + 1 < c->n_cameras; i++) {
		if (strcmp(c->cameras[i].id, cam->id) == 0)
			conf_error(l->errors, n->line,
			           "%s.name: '%s' is the name of another camera", path, cam->name);
	}
}

void config_check_camera(struct config_loading *l, const struct camera_config *cam,
                         const struct conf_node *n, size_t number)
{
	const struct config *c = l->config;

	for (size_t k = 0; k < c->n_printers; k++) {
		if (strcmp(c->printers[k].printer.id, cam->printer) == 0)
			return;
	}
	if (cam->printer[0])
		conf_error(l->errors, config_line_of(n, "printer"),
		           "cameras[%zu].printer: there is no printer '%s'; it must be the name of "
		           "one under printers",
		           number, cam->printer);
}
