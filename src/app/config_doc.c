/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/buf.h"

#include <string.h>

struct section {
	const char *title; /* key in the file */
	const char *help;
	const struct config_table *table;
	unsigned indent;
};

static const struct section sections[] = {
	{ NULL, "The whole", &config_root_table, 0 },
	{ "web", "The page", &config_web_table, 2 },
	{ "storage", "The disk", &config_storage_table, 2 },
	{ "session", "Photographing, for all printers; a printer may have its own session:",
	  &config_session_table, 2 },
	{ "film", "Films, for all printers; a printer may have its own film:", &config_film_table,
	  2 },
	{ "capture", "Layer capture, for all printers; a printer may have its own capture:",
	  &config_capture_table, 2 },
	{ "button", "A push-button beside a printer; button: {} takes it as it is here",
	  &config_button_table, 2 },
	{ "lights", "Three lights beside a printer; lights: {} takes them as they are here",
	  &config_lights_table, 2 },
	{ "climate", "Temperature and humidity of places", &config_climate_table, 2 },
	{ "sensors", "Sensors of this machine, below climate", &config_sensor_table, 6 },
	{ "limits", "Limits of places, below climate; crossing one is told once, and its end",
	  &config_limit_table, 6 },
	{ "hub", "The hub, when this one is a rig", &config_hub_table, 2 },
	{ "pull", "What other machines have finished is fetched", &config_pull_table, 2 },
	{ "printers", "Printers", &config_printer_table, 4 },
	{ "ports", "A printer's ports, when they are not the usual ones", &config_port_table, 6 },
	{ "cameras", "Further cameras", &config_camera_table, 4 },
	{ "sources",
	  "From where films and captures are fetched, below pull:", &config_pull_source_table, 4 },
};

void config_example(struct buf *out)
{
	buf_add_str(
		out,
		"# bedside.yaml: settings of Bedside. What stands behind a # is the default.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct section *s = &sections[i];
		struct buf body;

		buf_init(&body, 0);
		opt_example(s->table->opts, s->table->n, s->indent, &body);
		if (s->title && s->table == &config_port_table) {
			buf_printf(out, "    # %s\n    # ports:\n", s->help);
		} else if (s->table == &config_sensor_table || s->table == &config_limit_table) {
			buf_printf(out, "  # %s\n  # %s:\n  #   -\n", s->help, s->title);
		} else if (s->title && s->indent == 4) {
			/* A list: commented out as a whole, or the file would not be valid. */
			buf_printf(out, "\n# %s\n# %s:\n#   -\n", s->help, s->title);
		} else if (s->title) {
			buf_printf(out, "\n# %s\n%s:\n", s->help, s->title);
		}
		for (char *line = body.data, *end; line && *line; line = end + 1) {
			end = strchr(line, '\n');
			*end = '\0';
			buf_printf(out, "%s%s\n", s->indent >= 4 ? "#" : "", line);
		}
		buf_fini(&body);
	}
}

void config_manual(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct section *s = &sections[i];

		buf_printf(out, ".Ss %s\n", s->title ? s->title : "top level");
		buf_printf(out, "%s.\n", s->help);
		opt_manual(s->table->opts, s->table->n, out);
	}
}
