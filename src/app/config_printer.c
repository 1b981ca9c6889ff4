/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "printers/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const pause_modes[] = { "print", "m400", NULL };

static const struct opt port_opts[] = {
	{ "mqtt", OPT_PORT, OPT_AT(struct printer_ports, mqtt), "0", .help = "Usually 8883." },
	{ "ftps", OPT_PORT, OPT_AT(struct printer_ports, ftps), "0", .help = "Usually 990." },
	{ "camera", OPT_PORT, OPT_AT(struct printer_ports, camera), "0", .help = "Usually 6000." },
	{ "rtsp", OPT_PORT, OPT_AT(struct printer_ports, rtsp), "0", .help = "Usually 322." },
	{ "detect", OPT_PORT, OPT_AT(struct printer_ports, detect), "0", .help = "Usually 3000." },
	{ "detect_tls", OPT_PORT, OPT_AT(struct printer_ports, detect_tls), "0",
	  .help = "Usually 3002." },
};

int config_read_trust(void *field, const char *text, struct err *err)
{
	if (!trust_from_text(field, text))
		return err_set(err, -EINVAL, "'%.80s' must be " TRUST_FORM, text);
	return 0;
}

static int read_serial(void *field, const char *text, struct err *err)
{
	size_t n = strlen(text);

	if (n < 6 || n > 20 || strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return err_set(err, -EINVAL,
		               "'%.40s' must be the serial number as the printer shows it: capital "
		               "letters and digits, usually 15",
		               text);
	text_copy(field, sizeof(((struct printer_config *)0)->serial), text);
	return 0;
}

static int read_driver(void *field, const char *text, struct err *err)
{
	char known[120] = "";

	for (size_t i = 0; printer_driver_at(i); i++)
		(void)snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
		               i ? ", " : "", printer_driver_at(i)->name);
	if (!printer_driver_find(text))
		return err_set(err, -EINVAL, "'%.40s' must be one of %s", text, known);
	text_copy(field, sizeof(((struct printer_config *)0)->driver), text);
	return 0;
}

static const struct opt printer_opts[] = {
	{ "name", OPT_TEXT, OPT_AT(struct printer_config, name), .flags = OPT_REQUIRED,
	  .help = "What you call it." },
	{ "driver", OPT_OWN, OPT_AT(struct printer_config, driver), "bambu", .read = read_driver,
	  .form = "one of bambu, octoprint, moonraker, prusalink", .help = "How it is spoken to." },
	{ "address", OPT_TEXT, OPT_AT(struct printer_config, address),
	  .help = "bambu: host name or address." },
	{ "serial", OPT_OWN, OPT_AT(struct printer_config, serial), .read = read_serial,
	  .form = "the serial number as the printer shows it",
	  .help = "bambu: serial number; it is also the name in the printer's certificate." },
	{ "access_code", OPT_SECRET, OPT_AT(struct printer_config, access_code),
	  .help = "bambu: the code on the printer's screen, in quotes." },
	{ "access_code_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the code, instead of access_code." },
	{ "url", OPT_TEXT, OPT_AT(struct printer_config, url),
	  .help = "All but bambu: the address of its page, such as http://octopi.local." },
	{ "api_key", OPT_SECRET, OPT_AT(struct printer_config, access_code),
	  .help = "All but bambu: its API key, in quotes; 'bedside pair' gets one from "
	          "OctoPrint." },
	{ "api_key_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the key, instead of api_key." },
	{ "user", OPT_TEXT, OPT_AT(struct printer_config, user),
	  .help = "User name, where one logs in with a password instead of a key; of PrusaLink "
	          "it is maker." },
	{ "password", OPT_SECRET, OPT_AT(struct printer_config, access_code),
	  .help = "Password of the user." },
	{ "password_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the password, instead of password." },
	{ "model", OPT_TEXT, OPT_AT(struct printer_config, model), "auto",
	  .help = "auto, or the model's name such as A1." },
	{ "tls", OPT_OWN, OPT_AT(struct printer_config, trust), "ca", .read = config_read_trust,
	  .form = TRUST_FORM,
	  .help = "How its certificate is judged: against the maker's authorities and the serial "
	          "(bambu) or the system's and the host name (https), by its fingerprint, or not "
	          "at "
	          "all." },
	{ "ca_file", OPT_NESTED, 0, 0,
	  .help = "All but bambu: a PEM file of the authorities to trust for https instead of the "
	          "system's." },
	{ "offline_after", OPT_SPAN, OPT_AT(struct printer_config, offline_after_ms), "60s", 5000,
	  3600e3, .help = "Silence after which the printer counts as offline." },
	{ "pause_by", OPT_NESTED, 0, 0,
	  .help = "print: the pause command; m400: pause by the G-code M400 U1." },
	{ "camera", OPT_BOOL, OPT_AT(struct printer_config, has_camera), "yes",
	  .help = "Use the printer's own camera." },
	{ "camera_latency", OPT_SPAN, OPT_AT(struct printer_config, camera_latency_ms), "0ms", 0,
	  10000,
	  .help = "Its own camera: from the lens to memory; 'bedside camera calibrate' measures "
	          "it." },
	{ "ports", OPT_NESTED, 0, 0, .help = "Other ports than the usual ones." },
	{ "session", OPT_NESTED, 0, 0, .help = "Sessions of this printer." },
	{ "film", OPT_NESTED, 0, 0, .help = "Films of this printer." },
	{ "capture", OPT_NESTED, 0, 0, .help = "Layer capture of this printer." },
};

const struct config_table config_printer_table = { printer_opts, ARRAY_LEN(printer_opts) };
const struct config_table config_port_table = { port_opts, ARRAY_LEN(port_opts) };

void config_resolve_path(const struct config_loading *l, const char *text, char *dst, size_t size)
{
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe) at start */
	const char *slash = strrchr(l->config->path, '/');

	if (text_starts(text, "~/") && home)
		snprintf(dst, size, "%s/%s", home, text + 2);
	else if (text[0] == '/' || !slash)
		text_copy(dst, size, text);
	else
		snprintf(dst, size, "%.*s/%s", (int)(slash - l->config->path), l->config->path,
		         text);
}

static void check_printer(struct config_loading *l, const struct conf_node *n, const char *path,
                          const struct printer_config *p)
{
	for (size_t i = 0; i < l->config->n_printers; i++) {
		const struct printer_config *other = &l->config->printers[i].printer;

		if (other != p && strcmp(other->id, p->id) == 0)
			conf_error(l->errors, n->line,
			           "%s.name: '%s' is the name of another printer already", path,
			           p->name);
		if (other != p && p->serial[0] && strcmp(other->serial, p->serial) == 0)
			conf_error(l->errors, n->line,
			           "%s.serial: %s is the serial of '%s' already", path, p->serial,
			           other->name);
		if (other != p && p->url[0] && strcmp(other->url, p->url) == 0)
			conf_error(l->errors, n->line, "%s.url: %s is the address of '%s' already",
			           path, p->url, other->name);
	}
}

/* What was confirmed on the page is newer than what it wrote at first; the user's own file wins. */
static void read_pin(const struct config *c, struct printer_entry *entry)
{
	struct printer_config *p = &entry->printer;
	char path[1200];
	struct buf b;

	entry->is_pinned_by_hand = p->trust.mode == TRUST_PIN && !entry->is_added;
	if (p->trust.mode == TRUST_INSECURE || entry->is_pinned_by_hand)
		return;
	snprintf(path, sizeof(path), "%s/printers.d/%s.pin", c->data_dir, p->id);
	if (fs_read(path, 200, &b, NULL) < 0)
		return;
	if (b.data)
		b.data[strcspn(b.data, "\r\n")] = '\0';
	trust_from_text(&p->trust, buf_peek(&b));
	buf_fini(&b);
}

void config_read_printer(struct config_loading *l, const struct conf_node *n, const char *path,
                         bool is_added)
{
	struct config *c = l->config;

	if (c->n_printers == CONFIG_MAX_PRINTERS) {
		conf_error(l->errors, n->line, "%s: more than %d printers", path,
		           CONFIG_MAX_PRINTERS);
		return;
	}
	c->printers = mem_grow(c->printers, c->n_printers + 1, sizeof(*c->printers));

	struct printer_entry *entry = &c->printers[c->n_printers++];
	struct printer_config *p = &entry->printer;
	char where[160];

	*entry = (struct printer_entry){ .plan = l->plan,
		                         .capture = l->capture,
		                         .is_added = is_added };
	opt_defaults(printer_opts, ARRAY_LEN(printer_opts), p);
	opt_read(printer_opts, ARRAY_LEN(printer_opts), n, path, p, l->errors);
	if (n->kind != CONF_MAP)
		return;

	const struct conf_node *ca = conf_get(n, "ca_file");

	text_slug(p->id, sizeof(p->id), p->name);
	if (!conf_get(n, "url"))
		TEXT_SET(p->trust.ca_file, c->ca_file);
	else if (ca && ca->kind == CONF_SCALAR)
		config_resolve_path(l, ca->text, p->trust.ca_file, sizeof(p->trust.ca_file));
	snprintf(where, sizeof(where), "%s.ports", path);
	opt_read(port_opts, ARRAY_LEN(port_opts), conf_get(n, "ports"), where, &p->ports,
	         l->errors);

	const struct conf_node *pause = conf_get(n, "pause_by");

	if (pause && pause->kind == CONF_SCALAR && strcmp(pause->text, pause_modes[1]) == 0)
		p->pauses_by_m400 = true;
	else if (pause && (pause->kind != CONF_SCALAR || strcmp(pause->text, pause_modes[0]) != 0))
		conf_error(l->errors, pause->line, "%s.pause_by: must be one of print, m400", path);
	config_read_login(l, n, path, p);
	read_pin(c, entry);
	config_read_plan(l, n, path, &entry->plan);
	config_read_capture(l, n, path, &entry->capture);
	config_check_login(l, n, path, p);
	check_printer(l, n, path, p);
}
