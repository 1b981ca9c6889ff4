/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/opt.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CODE_FILE 4096

/* ---- the tables ---- */

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const tls_modes[] = { "off", "self-signed", "files", NULL };
static const char *const pause_modes[] = { "print", "m400", NULL };

static const struct opt root_opts[] = {
	{ "data", OPT_TEXT, OPT_AT(struct config, data_dir), .flags = OPT_RESTART,
	  .help = "Folder for pictures, films and records." },
	{ "log", OPT_CHOICE, OPT_AT(struct config, log_level), "info", .choices = log_levels,
	  .help = "How much is written to the log." },
	{ "ca_file", OPT_TEXT, OPT_AT(struct config, ca_file), .flags = OPT_RESTART,
	  .help = "PEM file of certificate authorities to trust for printers instead of the "
	          "built-in ones." },
	{ "web", OPT_NESTED, 0, 0, .help = "The page." },
	{ "storage", OPT_NESTED, 0, 0, .help = "The disk." },
	{ "session", OPT_NESTED, 0, 0, .help = "Sessions of all printers." },
	{ "film", OPT_NESTED, 0, 0, .help = "Films of all printers." },
	{ "printers", OPT_NESTED, 0, 0, .help = "A list of printers." },
	{ "cameras", OPT_NESTED, 0, 0, .help = "A list of further cameras." },
};

static const struct opt web_opts[] = {
	{ "listen", OPT_TEXT, OPT_AT(struct web_config, listen), .flags = OPT_RESTART,
	  .help = "Address to listen on; all addresses when absent." },
	{ "port", OPT_PORT, OPT_AT(struct web_config, port), "8484", .flags = OPT_RESTART,
	  .help = "Port of the page." },
	{ "tls", OPT_CHOICE, OPT_AT(struct web_config, tls), "off", .choices = tls_modes,
	  .flags = OPT_RESTART,
	  .help = "Encrypt the page: with a certificate made here, or your own." },
	{ "certificate", OPT_TEXT, OPT_AT(struct web_config, certificate), .flags = OPT_RESTART,
	  .help = "PEM file with the certificate chain, for tls: files." },
	{ "key", OPT_TEXT, OPT_AT(struct web_config, key), .flags = OPT_RESTART,
	  .help = "PEM file with the private key, for tls: files." },
	{ "base_path", OPT_TEXT, OPT_AT(struct web_config, base_path), "/", .flags = OPT_RESTART,
	  .help = "Path below which a reverse proxy serves the page." },
	{ "trusted_proxies", OPT_NESTED, 0, 0,
	  .help = "List of addresses of reverse proxies that are believed." },
};

static const struct opt storage_opts[] = {
	{ "floor", OPT_BYTES, OPT_AT(struct storage_config, floor_bytes), "500 MB", 10e6, 1e15,
	  .help = "Free space that is never used." },
	{ "budget", OPT_BYTES, OPT_AT(struct storage_config, budget_bytes), "0",
	  .help = "What pictures and films may take in all; 0: what the disk has above the "
	          "floor." },
	{ "keep_frames", OPT_SPAN, OPT_AT(struct storage_config, keep_frames_ms), "0",
	  .help = "Delete the pictures of a session so long after its film was checked; 0: "
	          "never." },
	{ "keep_films", OPT_SPAN, OPT_AT(struct storage_config, keep_films_ms), "0",
	  .help = "Delete films so long after they were made; 0: never." },
	{ "flush", OPT_SPAN, OPT_AT(struct storage_config, flush_ms), "1s", 50, 60000,
	  .help = "Pictures are safe on the disk after so long at the latest." },
};

static const struct opt session_opts[] = {
	{ "auto_start", OPT_BOOL, OPT_AT(struct session_plan, starts_itself), "yes",
	  .help = "Begin a session with each print." },
	{ "auto_stop", OPT_BOOL, OPT_AT(struct session_plan, ends_itself), "yes",
	  .help = "End the session with the print." },
	{ "every_n_layers", OPT_UNSIGNED, OPT_AT(struct session_plan, every_n_layers), "1", 0, 1000,
	  .help = "A picture each so many layers; 0: none by layer." },
	{ "every", OPT_SPAN, OPT_AT(struct session_plan, every_ms), "0", 0, 86400000,
	  .help = "A picture each so much time as well; 0: none by time." },
	{ "settle", OPT_SPAN, OPT_AT(struct session_plan, settle_ms), "0", 0, 60000,
	  .help = "Wait so long after a layer has begun." },
	{ "shot_timeout", OPT_SPAN, OPT_AT(struct session_plan, shot_timeout_ms), "8s", 500, 120000,
	  .help = "Wait at most so long for a picture." },
	{ "shot_retries", OPT_UNSIGNED, OPT_AT(struct session_plan, shot_retries), "2", 0, 20,
	  .help = "Try so many times more before a layer counts as missed." },
	{ "film", OPT_BOOL, OPT_AT(struct session_plan, makes_film), "yes",
	  .help = "Make a film of each session." },
	{ "min_frames", OPT_UNSIGNED, OPT_AT(struct session_plan, min_frames), "5", 1, 10000,
	  .help = "Make no film of fewer pictures." },
	{ "cameras", OPT_NESTED, 0, 0, .help = "List of cameras; the printer's when absent." },
};

static int read_film_size(void *field, const char *text, struct err *err)
{
	struct film_plan *p = field;
	int64_t w = 0, h = 0;
	char first[16];
	const char *x = strchr(text, 'x');

	if (strcmp(text, "source") == 0) {
		p->width = p->height = 0;
		return 0;
	}
	if (!x || !text_copy_n(first, sizeof(first), text, (size_t)(x - text)) ||
	    !text_to_i64(first, &w) || !text_to_i64(x + 1, &h) || w < 16 || h < 16 || w > 8192 ||
	    h > 8192)
		return err_set(err, -EINVAL,
		               "'%.40s' must be WIDTHxHEIGHT, as in 1280x720, or source", text);
	p->width = (unsigned)w;
	p->height = (unsigned)h;
	return 0;
}

static const struct opt film_opts[] = {
	{ "fps", OPT_REAL, OPT_AT(struct film_plan, fps), "25", 1, 60,
	  .help = "Pictures a second." },
	{ "duration", OPT_SECONDS, OPT_AT(struct film_plan, duration_s), "0", 0, 3600e3,
	  .help = "Wanted length; pictures are then picked evenly. 0: as long as fps makes it." },
	{ "hold", OPT_SECONDS, OPT_AT(struct film_plan, hold_s), "2s", 0, 60e3,
	  .help = "Hold the last picture so long." },
	{ "crf", OPT_INT, OPT_AT(struct film_plan, crf), "23", 0, 51,
	  .help = "Quality: lower is better and larger." },
	{ "size", OPT_OWN, 0, 0, "source", .read = read_film_size, .form = "WIDTHxHEIGHT or source",
	  .help = "Size of the film." },
	{ "preset", OPT_TEXT, OPT_AT(struct film_plan, preset), "veryfast",
	  .help = "x264's preset." },
};

static const struct opt port_opts[] = {
	{ "mqtt", OPT_PORT, OPT_AT(struct printer_ports, mqtt), "0", .help = "Usually 8883." },
	{ "ftps", OPT_PORT, OPT_AT(struct printer_ports, ftps), "0", .help = "Usually 990." },
	{ "camera", OPT_PORT, OPT_AT(struct printer_ports, camera), "0", .help = "Usually 6000." },
	{ "rtsp", OPT_PORT, OPT_AT(struct printer_ports, rtsp), "0", .help = "Usually 322." },
	{ "detect", OPT_PORT, OPT_AT(struct printer_ports, detect), "0", .help = "Usually 3000." },
	{ "detect_tls", OPT_PORT, OPT_AT(struct printer_ports, detect_tls), "0",
	  .help = "Usually 3002." },
};

/* What stands in a printer's YAML beside printer_config. */
struct printer_yaml {
	struct printer_config *printer;
	char code_file[512];
	int pause_by;
};

static int read_trust(void *field, const char *text, struct err *err)
{
	if (!trust_from_text(field, text))
		return err_set(err, -EINVAL,
		               "'%.80s' must be ca, insecure, or sha256: and 64 hex digits", text);
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
	if (strcmp(text, "bambu") != 0)
		return err_set(err, -EINVAL, "'%.40s' must be bambu", text);
	text_copy(field, sizeof(((struct printer_config *)0)->driver), text);
	return 0;
}

static const struct opt printer_opts[] = {
	{ "name", OPT_TEXT, OPT_AT(struct printer_config, name), .flags = OPT_REQUIRED,
	  .help = "What you call it." },
	{ "driver", OPT_OWN, OPT_AT(struct printer_config, driver), "bambu", .read = read_driver,
	  .form = "bambu", .help = "The maker's protocol." },
	{ "address", OPT_TEXT, OPT_AT(struct printer_config, address), .flags = OPT_REQUIRED,
	  .help = "Host name or address." },
	{ "serial", OPT_OWN, OPT_AT(struct printer_config, serial), .flags = OPT_REQUIRED,
	  .read = read_serial, .form = "the serial number as the printer shows it",
	  .help = "Serial number; it is also the name in the printer's certificate." },
	{ "access_code", OPT_SECRET, OPT_AT(struct printer_config, access_code),
	  .help = "The code on the printer's screen, in quotes." },
	{ "access_code_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the code, instead of access_code." },
	{ "model", OPT_TEXT, OPT_AT(struct printer_config, model), "auto",
	  .help = "auto, or the model's name such as A1." },
	{ "tls", OPT_OWN, OPT_AT(struct printer_config, trust), "ca", .read = read_trust,
	  .form = "ca, insecure, or sha256: and 64 hex digits",
	  .help = "How its certificate is judged: against the maker's authorities and the serial, "
	          "by its fingerprint, or not at all." },
	{ "offline_after", OPT_SPAN, OPT_AT(struct printer_config, offline_after_ms), "60s", 5000,
	  3600e3, .help = "Silence after which the printer counts as offline." },
	{ "pause_by", OPT_NESTED, 0, 0,
	  .help = "print: the pause command; m400: pause by the G-code M400 U1." },
	{ "camera", OPT_BOOL, OPT_AT(struct printer_config, has_camera), "yes",
	  .help = "Use the printer's own camera." },
	{ "ports", OPT_NESTED, 0, 0, .help = "Other ports than the usual ones." },
	{ "session", OPT_NESTED, 0, 0, .help = "Sessions of this printer." },
	{ "film", OPT_NESTED, 0, 0, .help = "Films of this printer." },
};

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
	int rc = read_film_size(&p, text, err);

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

/* ---- reading ---- */

struct loading {
	struct config *config;
	struct conf_errors *errors;
	struct session_plan plan; /* defaults for all printers */
};

bool config_find(const char *given, char *dst, size_t size)
{
	const char *env = getenv("BEDSIDE_CONFIG"); /* NOLINT(concurrency-mt-unsafe) at start */
	const char *home = getenv("HOME");          /* NOLINT(concurrency-mt-unsafe) at start */

	if (given || (env && *env))
		return text_copy(dst, size, given ? given : env);
	if (home) {
		snprintf(dst, size, "%s/.config/bedside/bedside.yaml", home);
		if (access(dst, F_OK) == 0)
			return true;
	}
	text_copy(dst, size, "/etc/bedside/bedside.yaml");
	return access(dst, F_OK) == 0;
}

static void default_data_dir(char *dst, size_t size)
{
	const char *xdg = getenv("XDG_DATA_HOME"); /* NOLINT(concurrency-mt-unsafe) at start */
	const char *home = getenv("HOME");         /* NOLINT(concurrency-mt-unsafe) at start */

	if (xdg && xdg[0] == '/')
		snprintf(dst, size, "%s/bedside", xdg);
	else if (home && strcmp(home, "/") != 0)
		snprintf(dst, size, "%s/.local/share/bedside", home);
	else
		text_copy(dst, size, "/var/lib/bedside");
}

/* A list of texts, or one text. */
static unsigned read_texts(struct loading *l, const struct conf_node *n, const char *path,
                           char *dst, size_t each, unsigned max)
{
	unsigned count = 0;

	if (!n)
		return 0;
	for (const struct conf_node *e = n->kind == CONF_LIST ? n->first : n; e;
	     e = n->kind == CONF_LIST ? e->next : NULL) {
		if (e->kind != CONF_SCALAR || count == max)
			conf_error(l->errors, e->line, "%s: must be a list of at most %u texts",
			           path, max);
		else if (!text_copy(dst + count++ * each, each, e->text))
			conf_error(l->errors, e->line, "%s: this text is too long", path);
		if (l->errors->n > 0 && count == max)
			break;
	}
	return count;
}

static void read_plan(struct loading *l, const struct conf_node *map, const char *path,
                      struct session_plan *plan)
{
	const struct conf_node *session = conf_get(map, "session");
	char where[160], path_cameras[176];

	snprintf(where, sizeof(where), "%.120s%ssession", path, path[0] ? "." : "");
	snprintf(path_cameras, sizeof(path_cameras), "%s.cameras", where);
	opt_read(session_opts, ARRAY_LEN(session_opts), session, where, plan, l->errors);
	if (session && session->kind == CONF_MAP && conf_get(session, "cameras"))
		plan->n_cameras =
			read_texts(l, conf_get(session, "cameras"), path_cameras, plan->cameras[0],
		                   sizeof(plan->cameras[0]), SESSION_MAX_CAMERAS);
	for (unsigned i = 0; i < plan->n_cameras; i++) {
		char id[MODEL_ID_SIZE];

		text_slug(id, sizeof(id), plan->cameras[i]);
		TEXT_SET(plan->cameras[i], id);
	}
	snprintf(where, sizeof(where), "%.120s%sfilm", path, path[0] ? "." : "");
	opt_read(film_opts, ARRAY_LEN(film_opts), conf_get(map, "film"), where, &plan->film,
	         l->errors);

	struct err err = { 0 };

	if (l->errors->n == 0 && film_plan_check(&plan->film, &err) < 0)
		conf_error(l->errors, map ? map->line : 0, "%s: %s", where, err.text);
}

static void resolve_path(const struct loading *l, const char *text, char *dst, size_t size)
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

static void read_code_file(struct loading *l, const struct conf_node *n, const char *path,
                           struct printer_config *p)
{
	char file[1024];
	struct buf b;
	struct err err = { 0 };

	if (n->kind != CONF_SCALAR) {
		conf_error(l->errors, n->line, "%s.access_code_file: must be the path of a file",
		           path);
		return;
	}
	if (secret_is_set(&p->access_code)) {
		conf_error(l->errors, n->line,
		           "%s.access_code_file: access_code is set too; keep one of them", path);
		return;
	}
	resolve_path(l, n->text, file, sizeof(file));
	if (fs_read(file, MAX_CODE_FILE, &b, &err) < 0) {
		conf_error(l->errors, n->line, "%s.access_code_file: %s", path, err.text);
		return;
	}
	buf_add_char(&b, '\0');
	b.data[strcspn(b.data, "\r\n")] = '\0';
	if (b.data[0])
		secret_set(&p->access_code, b.data);
	else
		conf_error(l->errors, n->line,
		           "%s.access_code_file: %s is empty; its first line must be the code on "
		           "the printer's screen",
		           path, file);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

static void read_code_from_environment(struct printer_config *p)
{
	char name[80] = "BEDSIDE_ACCESS_CODE_";
	size_t n = strlen(name);

	for (const char *c = p->id; *c && n + 1 < sizeof(name); c++)
		name[n++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
	name[n] = '\0';

	const char *code = getenv(name); /* NOLINT(concurrency-mt-unsafe) at start */

	if (code && *code)
		secret_set(&p->access_code, code);
}

static void check_printer(struct loading *l, const struct conf_node *n, const char *path,
                          const struct printer_config *p)
{
	if (!secret_is_set(&p->access_code) && !conf_get(n, "access_code_file"))
		conf_error(l->errors, n->line,
		           "%s.access_code: is missing; it is on the printer's screen under "
		           "Settings, LAN only (or name a file in access_code_file)",
		           path);
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

static void read_printer(struct loading *l, const struct conf_node *n, const char *path,
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

	*entry = (struct printer_entry){ .plan = l->plan, .is_added = is_added };
	opt_defaults(printer_opts, ARRAY_LEN(printer_opts), p);
	opt_read(printer_opts, ARRAY_LEN(printer_opts), n, path, p, l->errors);
	if (n->kind != CONF_MAP)
		return;
	text_slug(p->id, sizeof(p->id), p->name);
	TEXT_SET(p->trust.ca_file, c->ca_file);
	snprintf(where, sizeof(where), "%s.ports", path);
	opt_read(port_opts, ARRAY_LEN(port_opts), conf_get(n, "ports"), where, &p->ports,
	         l->errors);

	const struct conf_node *pause = conf_get(n, "pause_by");

	if (pause && pause->kind == CONF_SCALAR && strcmp(pause->text, pause_modes[1]) == 0)
		p->pauses_by_m400 = true;
	else if (pause && (pause->kind != CONF_SCALAR || strcmp(pause->text, pause_modes[0]) != 0))
		conf_error(l->errors, pause->line, "%s.pause_by: must be one of print, m400", path);
	if (conf_get(n, "access_code_file"))
		read_code_file(l, conf_get(n, "access_code_file"), path, p);
	read_code_from_environment(p);
	read_pin(c, entry);
	read_plan(l, n, path, &entry->plan);
	check_printer(l, n, path, p);
}

static void read_camera(struct loading *l, const struct conf_node *n, const char *path)
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

static void read_list(struct loading *l, const struct conf_node *root, const char *key,
                      void (*read)(struct loading *l, const struct conf_node *n, const char *path))
{
	const struct conf_node *list = conf_get(root, key);
	unsigned i = 0;
	char path[40];

	if (!list)
		return;
	if (list->kind != CONF_LIST) {
		conf_error(l->errors, list->line,
		           "%s: must be a list; begin each entry with '- name:'", key);
		return;
	}
	for (const struct conf_node *n = list->first; n; n = n->next) {
		snprintf(path, sizeof(path), "%s[%u]", key, i++);
		read(l, n, path);
	}
}

static void read_listed_printer(struct loading *l, const struct conf_node *n, const char *path)
{
	read_printer(l, n, path, false);
}

static void read_added_printer(struct loading *l, const char *path)
{
	struct buf b;
	struct err err = { 0 };

	TEXT_SET(l->errors->file, path);
	if (fs_read(path, CONF_MAX_BYTES, &b, &err) < 0) {
		conf_error(l->errors, 0, "%s", err.text);
		return;
	}

	struct conf_node *n = conf_parse(path, buf_peek(&b), b.size, l->errors);

	if (n)
		read_printer(l, n, "", true);
	conf_free(n);
	buf_fini(&b);
}

static int is_yaml(const struct dirent *d)
{
	return d->d_name[0] != '.' && text_ends(d->d_name, ".yaml");
}

static void read_added_printers(struct loading *l)
{
	char dir[1100], path[1400];
	struct dirent **names = NULL;

	snprintf(dir, sizeof(dir), "%s/printers.d", l->config->data_dir);

	int n = scandir(dir, &names, is_yaml, alphasort);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%.255s", dir, names[i]->d_name);
		read_added_printer(l, path);
		free(names[i]);
	}
	free(names);
}

static int line_of(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = conf_get(map, key);

	return n ? n->line : 0;
}

static void check_camera(struct loading *l, const struct camera_config *cam,
                         const struct conf_node *n, size_t number)
{
	const struct config *c = l->config;

	for (size_t k = 0; k < c->n_printers; k++) {
		if (strcmp(c->printers[k].printer.id, cam->printer) == 0)
			return;
	}
	if (cam->printer[0])
		conf_error(l->errors, line_of(n, "printer"),
		           "cameras[%zu].printer: there is no printer '%s'; it must be the name of "
		           "one under printers",
		           number, cam->printer);
}

static void check_whole(struct loading *l, const struct conf_node *root)
{
	struct config *c = l->config;
	char *path = c->web.base_path;
	size_t n = strlen(path);

	if (path[0] != '/' || strstr(path, "..") || strpbrk(path, "\"<>?# "))
		conf_error(l->errors, line_of(conf_get(root, "web"), "base_path"),
		           "web.base_path: '%s' must begin with / and be a plain path", path);
	else if (path[n - 1] != '/' && n + 1 < sizeof(c->web.base_path))
		text_copy(path + n, sizeof(c->web.base_path) - n, "/");
	if (c->web.tls == WEB_TLS_FILES && (!c->web.certificate[0] || !c->web.key[0]))
		conf_error(l->errors, line_of(conf_get(root, "web"), "tls"),
		           "web.tls: files needs web.certificate and web.key, the paths of two PEM "
		           "files");

	const struct conf_node *list = conf_get(root, "cameras");
	const struct conf_node *entry = list ? list->first : NULL;

	for (size_t i = 0; i < c->n_cameras; i++, entry = entry ? entry->next : NULL)
		check_camera(l, &c->cameras[i], entry, i);
}

static void read_root(struct loading *l, const struct conf_node *root, const char *data_dir)
{
	struct config *c = l->config;
	const struct conf_node *web = conf_get(root, "web");
	char written[1024];

	opt_read(root_opts, ARRAY_LEN(root_opts), root, "", c, l->errors);
	if (data_dir) {
		TEXT_SET(c->data_dir, data_dir);
	} else if (!c->data_dir[0]) {
		default_data_dir(c->data_dir, sizeof(c->data_dir));
	} else {
		TEXT_SET(written, c->data_dir);
		resolve_path(l, written, c->data_dir, sizeof(c->data_dir));
	}
	opt_read(web_opts, ARRAY_LEN(web_opts), web, "web", &c->web, l->errors);
	if (web && web->kind == CONF_MAP)
		c->web.n_proxies = read_texts(l, conf_get(web, "trusted_proxies"),
		                              "web.trusted_proxies", c->web.proxies[0],
		                              sizeof(c->web.proxies[0]), CONFIG_MAX_PROXIES);
	opt_read(storage_opts, ARRAY_LEN(storage_opts), conf_get(root, "storage"), "storage",
	         &c->storage, l->errors);
	read_plan(l, root, "", &l->plan);
	c->plan = l->plan;
	read_list(l, root, "printers", read_listed_printer);
	read_added_printers(l);
	TEXT_SET(l->errors->file, c->path[0] ? c->path : "bedside.yaml");
	read_list(l, root, "cameras", read_camera);
	check_whole(l, root);
}

bool config_load(const char *path, const char *data_dir, struct config *ret,
                 struct conf_errors *errors)
{
	struct loading l = { .config = ret, .errors = errors };
	struct conf_node *root = NULL;
	struct buf b = { 0 };
	struct err err = { 0 };

	*ret = (struct config){ 0 };
	*errors = (struct conf_errors){ 0 };
	opt_defaults(root_opts, ARRAY_LEN(root_opts), ret);
	opt_defaults(web_opts, ARRAY_LEN(web_opts), &ret->web);
	opt_defaults(storage_opts, ARRAY_LEN(storage_opts), &ret->storage);
	session_plan_init(&l.plan);
	opt_defaults(session_opts, ARRAY_LEN(session_opts), &l.plan);
	opt_defaults(film_opts, ARRAY_LEN(film_opts), &l.plan.film);
	TEXT_SET(errors->file, path ? path : "bedside.yaml");
	if (path) {
		TEXT_SET(ret->path, path);
		if (fs_read(path, CONF_MAX_BYTES, &b, &err) < 0)
			conf_error(errors, 0, "%s", err.text);
		else
			root = conf_parse(path, buf_peek(&b), b.size, errors);
	}
	if (errors->n == 0)
		read_root(&l, root, data_dir);
	conf_free(root);
	if (b.data)
		secret_wipe(b.data, b.size);
	buf_fini(&b);
	return errors->n == 0;
}

void config_fini(struct config *c)
{
	for (size_t i = 0; i < c->n_printers; i++)
		printer_config_fini(&c->printers[i].printer);
	for (size_t i = 0; i < c->n_cameras; i++)
		camera_config_fini(&c->cameras[i]);
	free(c->printers);
	free(c->cameras);
	*c = (struct config){ 0 };
}

/* ---- documents from the tables ---- */

struct section {
	const char *title; /* key in the file */
	const char *help;
	const struct opt *table;
	size_t n;
	unsigned indent;
};

static const struct section sections[] = {
	{ NULL, "The whole", root_opts, ARRAY_LEN(root_opts), 0 },
	{ "web", "The page", web_opts, ARRAY_LEN(web_opts), 2 },
	{ "storage", "The disk", storage_opts, ARRAY_LEN(storage_opts), 2 },
	{ "session", "Photographing, for all printers; a printer may have its own session:",
	  session_opts, ARRAY_LEN(session_opts), 2 },
	{ "film", "Films, for all printers; a printer may have its own film:", film_opts,
	  ARRAY_LEN(film_opts), 2 },
	{ "printers", "Printers", printer_opts, ARRAY_LEN(printer_opts), 4 },
	{ "ports", "A printer's ports, when they are not the usual ones", port_opts,
	  ARRAY_LEN(port_opts), 6 },
	{ "cameras", "Further cameras", camera_opts, ARRAY_LEN(camera_opts), 4 },
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
		opt_example(s->table, s->n, s->indent, &body);
		if (s->title && s->table == port_opts) {
			buf_printf(out, "    # %s\n    # ports:\n", s->help);
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
		opt_manual(s->table, s->n, out);
	}
}

/* ---- what the program writes ---- */

static void write_quoted(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "%s: \"", key);
	for (const char *c = value; *c; c++) {
		if (*c == '"' || *c == '\\')
			buf_add_char(out, '\\');
		buf_add_char(out, *c);
	}
	buf_add_str(out, "\"\n");
}

static void write_port(struct buf *out, const char *key, uint16_t port)
{
	if (port)
		buf_printf(out, "  %s: %u\n", key, port);
}

void config_write_printer(const struct printer_config *p, struct buf *out)
{
	char hex[65];
	const struct printer_ports none = { 0 };

	write_quoted(out, "name", p->name);
	write_quoted(out, "driver", p->driver);
	write_quoted(out, "address", p->address);
	write_quoted(out, "serial", p->serial);
	write_quoted(out, "access_code", secret_peek(&p->access_code));
	if (p->model[0])
		write_quoted(out, "model", p->model);
	if (p->trust.mode == TRUST_PIN) {
		text_hex(hex, p->trust.pin, sizeof(p->trust.pin));
		buf_printf(out, "tls: sha256:%s\n", hex);
	} else {
		buf_printf(out, "tls: %s\n", p->trust.mode == TRUST_CA ? "ca" : "insecure");
	}
	if (memcmp(&p->ports, &none, sizeof(none)) == 0)
		return;
	buf_add_str(out, "ports:\n");
	write_port(out, "mqtt", p->ports.mqtt);
	write_port(out, "ftps", p->ports.ftps);
	write_port(out, "camera", p->ports.camera);
	write_port(out, "rtsp", p->ports.rtsp);
	write_port(out, "detect", p->ports.detect);
	write_port(out, "detect_tls", p->ports.detect_tls);
}

/* Would the next start read it, and read the same? A file that it refuses would keep the whole
 * program from starting. */
static int check_added(const char *data_dir, const struct printer_config *p, const struct buf *b,
                       struct err *err)
{
	struct conf_errors *errors = MEM_NEW(struct conf_errors);
	struct config *c = MEM_NEW(struct config);
	struct loading l = { .config = c, .errors = errors };
	struct conf_node *n = conf_parse("the printer", buf_peek(b), b->size, errors);
	int rc = 0;

	session_plan_init(&l.plan);
	TEXT_SET(c->data_dir, data_dir);
	if (n)
		read_printer(&l, n, "", true);

	const struct printer_config *known = c->n_printers ? &c->printers[0].printer : NULL;

	if (errors->n > 0)
		rc = err_set(err, -EINVAL, "%s", errors->texts[0]);
	else if (!known || strcmp(known->name, p->name) != 0 ||
	         strcmp(known->address, p->address) != 0)
		rc = err_set(err, -EINVAL,
		             "name or address have line breaks or spaces that cannot "
		             "be kept: write them plainly");
	conf_free(n);
	config_fini(c);
	free(c);
	free(errors);
	return rc;
}

int config_add_printer(const char *data_dir, struct printer_config *p, struct err *err)
{
	char path[1200];
	struct buf b;

	text_slug(p->id, sizeof(p->id), p->name);
	snprintf(path, sizeof(path), "%s/printers.d", data_dir);

	int rc = fs_make_dirs(path, err);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/printers.d/%s.yaml", data_dir, p->id);
	if (access(path, F_OK) == 0)
		return err_set(err, -EEXIST, "there is a printer called '%s' already", p->name);
	buf_init(&b, CONF_MAX_BYTES);
	config_write_printer(p, &b);
	rc = check_added(data_dir, p, &b, err);
	if (rc == 0)
		rc = fs_write_atomic(path, b.data, b.size, 0600, err);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
	return rc;
}

int config_remove_printer(const struct config *c, const char *id, struct err *err)
{
	char path[1200];
	struct buf b;

	snprintf(path, sizeof(path), "%s/printers.d/%s.yaml", c->data_dir, id);
	if (fs_read(path, CONF_MAX_BYTES, &b, NULL) < 0)
		return err_set(err, -EPERM, "'%s' stands in %s: remove it there and restart", id,
		               c->path[0] ? c->path : "the configuration");
	buf_fini(&b);

	int rc = fs_remove(path, err);

	if (rc == 0) {
		snprintf(path, sizeof(path), "%s/printers.d/%s.pin", c->data_dir, id);
		rc = fs_remove(path, err);
	}
	return rc;
}

int config_pin_printer(const char *data_dir, const char *id, const uint8_t sha256[32],
                       struct err *err)
{
	char path[1200], text[80] = "sha256:";

	snprintf(path, sizeof(path), "%s/printers.d", data_dir);

	int rc = fs_make_dirs(path, err);

	if (rc < 0)
		return rc;
	snprintf(path, sizeof(path), "%s/printers.d/%s.pin", data_dir, id);
	text_hex(text + strlen(text), sha256, 32);
	return fs_write_atomic(path, text, strlen(text), 0600, err);
}
