/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "app/cmd.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/driver.h"
#include "cameras/v4l2_device.h"
#include "cameras/v4l2_find.h"
#include "wire/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const focus_names[] = { "continuous", "shot", "manual", NULL };

/* A printer's own camera stands in the printer's entry. */
static bool is_for_the_file(const struct camera_driver *d)
{
	return !text_starts(d->name, "bambu");
}

static int read_driver(void *field, const char *text, struct err *err)
{
	const struct camera_driver *d = camera_driver_find(text);
	auto_buf struct buf names = { 0 };

	if (d && is_for_the_file(d)) {
		text_copy(field, sizeof(((struct camera_config *)0)->driver), text);
		return 0;
	}
	for (size_t i = 0; (d = camera_driver_at(i)); i++)
		if (is_for_the_file(d))
			buf_printf(&names, "%s%s", names.size ? ", " : "", d->name);
	return err_set(err, -EINVAL, "'%.40s' must be one of %s", text, buf_peek(&names));
}

static int read_size(void *field, const char *text, struct err *err)
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

static int read_format(void *field, const char *text, struct err *err)
{
	uint32_t pixel;

	if (!v4l2_pixel_from_name(text, &pixel))
		return err_set(err, -EINVAL,
		               "'%.40s' must be auto, mjpeg, yuyv, uyvy, nv12, i420 or h264", text);
	text_copy(field, sizeof(((struct camera_config *)0)->format), text);
	return 0;
}

static int read_rotation(void *field, const char *text, struct err *err)
{
	int64_t degrees;

	if (!text_to_i64(text, &degrees) || degrees < 0 || degrees > 270 || degrees % 90 != 0)
		return err_set(err, -EINVAL, "'%.40s' must be 0, 90, 180 or 270", text);
	*(unsigned *)field = (unsigned)degrees;
	return 0;
}

static int read_flip(void *field, const char *text, struct err *err)
{
	struct camera_config *c = field;
	bool is_both = strcmp(text, "both") == 0;

	c->is_flipped_h = is_both || strcmp(text, "horizontal") == 0;
	c->is_flipped_v = is_both || strcmp(text, "vertical") == 0;
	if (!c->is_flipped_h && !c->is_flipped_v && strcmp(text, "none") != 0)
		return err_set(err, -EINVAL, "'%.40s' must be none, horizontal, vertical or both",
		               text);
	return 0;
}

static int read_window(void *field, const char *text, struct err *err)
{
	struct camera_window *w = field;
	double v[4];
	const char *at = text;

	for (int i = 0; i < 4; i++) {
		char part[24];

		at += strspn(at, " ");

		size_t n = strcspn(at, ", ");

		if (!text_copy_n(part, sizeof(part), at, n) || !text_to_double(part, &v[i]))
			goto bad;
		at += n + strspn(at + n, " ");
		if (*at != (i < 3 ? ',' : '\0'))
			goto bad;
		at += i < 3;
	}
	if (v[0] < 0 || v[1] < 0 || v[2] <= 0 || v[3] <= 0 || v[0] + v[2] > 1 || v[1] + v[3] > 1)
		goto bad;
	*w = (struct camera_window){ v[0], v[1], v[2], v[3] };
	return 0;
bad:
	return err_set(err, -EINVAL,
	               "'%.60s' must be left, top, width and height as parts of the picture, as in "
	               "0.4, 0.4, 0.2, 0.2",
	               text);
}

/* In groups: what all have, where the picture comes from, how it is, devices. */
static const struct opt camera_opts[] = {
	{ "name", OPT_TEXT, OPT_AT(struct camera_config, name), .flags = OPT_REQUIRED,
	  .help = "What you call it." },
	{ "driver", OPT_OWN, OPT_AT(struct camera_config, driver), .flags = OPT_REQUIRED,
	  .read = read_driver,
	  .form = "one of v4l2, rpicam, http-still, http-mjpeg, rtsp, exec, folder, fake",
	  .help = "Kind of camera: v4l2 is a USB camera, rpicam a Raspberry Pi's; http-still, "
	          "http-mjpeg and rtsp are network cameras and other programs; exec runs a "
	          "program, "
	          "folder looks at files; fake draws the print instead of photographing it." },
	{ "printer", OPT_NESTED, 0, 0,
	  .help = "Name of the printer that it looks at; none for a camera of its own." },
	{ "printers", OPT_NESTED, 0, 0,
	  .help = "List of printers, for a camera that sees several." },
	{ "source", OPT_TEXT, OPT_AT(struct camera_config, source),
	  .help = "v4l2: the device as `bedside camera list` shows it, such as "
	          "usb:046d:0825:A1B2C3, or /dev/video0; rpicam: its number where there are "
	          "several; http-still, http-mjpeg, rtsp: the URL; folder: its path." },
	{ "user", OPT_TEXT, OPT_AT(struct camera_config, user),
	  .help = "Login of a network camera; may stand in the URL instead." },
	{ "password", OPT_SECRET, OPT_AT(struct camera_config, secret),
	  .help = "Its password, in quotes." },
	{ "password_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the password, instead of password." },
	{ "tls", OPT_OWN, OPT_AT(struct camera_config, trust), "ca", .read = config_read_trust,
	  .form = TRUST_FORM,
	  .help = "How the certificate of an https or rtsps camera is judged: by the system's "
	          "authorities and its name, by its fingerprint, or not at all." },
	{ "ca_file", OPT_NESTED, 0, 0,
	  .help = "PEM file of authorities to use instead of the system's." },
	{ "command", OPT_NESTED, 0, 0,
	  .help = "exec: list of the program and its arguments, run without a shell; it writes one "
	          "JPEG to its output and ends, or one after the other." },
	{ "program", OPT_NESTED, 0, 0,
	  .help = "rpicam: program to run instead of rpicam-vid or libcamera-vid." },
	{ "arguments", OPT_NESTED, 0, 0, .help = "rpicam: list of further arguments for it." },
	{ "poll", OPT_SPAN, OPT_AT(struct camera_config, poll_ms), "1s", 40, 3600e3,
	  .help = "http-still, exec: a picture each so often while somebody looks; one for a layer "
	          "is taken at once." },
	{ "fps", OPT_REAL, OPT_AT(struct camera_config, fps), NULL, 0.1, 240,
	  .help = "Pictures a second; the camera's own when absent, 2 of fake." },
	{ "size", OPT_OWN, 0, 0, NULL, .read = read_size, .form = "WIDTHxHEIGHT",
	  .help = "Size of its pictures; the driver's choice when absent." },
	{ "format", OPT_OWN, OPT_AT(struct camera_config, format), "auto", .read = read_format,
	  .form = "auto, mjpeg, yuyv, uyvy, nv12, i420 or h264",
	  .help = "v4l2: what the camera is to send; auto is mjpeg if it can, which costs the "
	          "least." },
	{ "quality", OPT_UNSIGNED, OPT_AT(struct camera_config, quality), "95", 1, 100,
	  .help = "Of JPEGs that are made here or by the driver." },
	{ "rotation", OPT_OWN, OPT_AT(struct camera_config, rotation), "0", .read = read_rotation,
	  .form = "0, 90, 180 or 270", .help = "Degrees to turn the picture clockwise." },
	{ "flip", OPT_OWN, 0, 0, "none", .read = read_flip,
	  .form = "none, horizontal, vertical or both",
	  .help = "Mirrors the picture, before it is turned." },
	{ "controls", OPT_NESTED, 0, 0,
	  .help = "v4l2: map of the device's controls and their values, as in "
	          "focus_absolute: 30." },
	{ "focus", OPT_CHOICE, OPT_AT(struct camera_config, focus), "continuous",
	  .choices = focus_names,
	  .help = "rpicam: autofocus always, once before each picture of a session, or never." },
	{ "lens_position", OPT_REAL, OPT_AT(struct camera_config, lens_position), "0", 0, 32,
	  .help = "rpicam, focus: manual: dioptres; 0 is far away, 10 is 10 cm." },
	{ "focus_window", OPT_OWN, OPT_AT(struct camera_config, focus_window), "0.4, 0.4, 0.2, 0.2",
	  .read = read_window, .form = "left, top, width, height as parts of the picture",
	  .help = "rpicam: where the autofocus looks." },
	{ "exposure_bias", OPT_REAL, OPT_AT(struct camera_config, exposure_bias), "-0.5", -8, 8,
	  .help = "rpicam: brighter or darker, in EV." },
	{ "full_still", OPT_BOOL, OPT_AT(struct camera_config, is_full_still), "no",
	  .help = "rpicam: take the pictures of a session at the sensor's full resolution; the "
	          "stream stops for a second or two each time." },
	{ "always_open", OPT_BOOL, OPT_AT(struct camera_config, is_always_open), "no",
	  .help = "Keep it open when nobody looks." },
	{ "latency", OPT_NESTED, 0, 0,
	  .help = "From the lens to memory, as in 120ms; 'bedside camera calibrate' measures it." },
	{ "stale_after", OPT_SPAN, OPT_AT(struct camera_config, stale_after_ms), "10s", 1000,
	  3600e3 * 3, .help = "Without a new picture for so long it is opened again." },
	{ "ring", OPT_SPAN, OPT_AT(struct camera_config, ring_ms), "3s", 0, 60e3,
	  .help = "How much of the past is kept for triggers." },
};

const struct config_table config_camera_table = { camera_opts, ARRAY_LEN(camera_opts) };

/* Whose settings they are; what is not listed belongs to all. */
static const struct {
	const char *key, *drivers;
} owners[] = {
	{ "source", " v4l2 rpicam http-still http-mjpeg rtsp folder " },
	{ "user", " http-still http-mjpeg rtsp " },
	{ "password", " http-still http-mjpeg rtsp " },
	{ "password_file", " http-still http-mjpeg rtsp " },
	{ "tls", " http-still http-mjpeg rtsp " },
	{ "ca_file", " http-still http-mjpeg rtsp " },
	{ "command", " exec " },
	{ "program", " rpicam " },
	{ "arguments", " rpicam " },
	{ "poll", " http-still exec " },
	{ "fps", " fake v4l2 rpicam rtsp " },
	{ "size", " fake v4l2 rpicam " },
	{ "format", " v4l2 " },
	{ "quality", " v4l2 rpicam rtsp " },
	{ "controls", " v4l2 " },
	{ "focus", " rpicam " },
	{ "lens_position", " rpicam " },
	{ "focus_window", " rpicam " },
	{ "exposure_bias", " rpicam " },
	{ "full_still", " rpicam " },
};

struct reading {
	struct config_loading *l;
	const struct conf_node *n;
	const char *path;
	struct camera_config *camera;
};

static bool is_driver(const struct reading *r, const char *names)
{
	char word[32];

	(void)snprintf(word, sizeof(word), " %s ", r->camera->driver);
	return strstr(names, word) != NULL;
}

static void refuse_strangers(const struct reading *r)
{
	for (size_t i = 0; i < ARRAY_LEN(owners) && r->camera->driver[0]; i++) {
		const char *drivers = owners[i].drivers + 1;

		if (!conf_get(r->n, owners[i].key) || is_driver(r, owners[i].drivers))
			continue;
		conf_error(r->l->errors, config_line_of(r->n, owners[i].key),
		           "%s.%s: a camera of the kind '%s' has no such setting; it is for %.*s",
		           r->path, owners[i].key, r->camera->driver, (int)(strlen(drivers) - 1),
		           drivers);
	}
}

/* A span that is kept in another unit. */
static void read_latency(const struct reading *r)
{
	static const struct opt opt = {
		.name = "latency", .type = OPT_SPAN, .min = 0, .max = 10000, .help = ""
	};
	const struct conf_node *latency = conf_get(r->n, "latency");
	int64_t ms = 0;

	if (!latency)
		return;

	struct conf_node alone = { .kind = CONF_MAP, .line = latency->line };
	struct conf_node copy = *latency;

	copy.next = NULL;
	alone.first = alone.last = &copy;
	opt_read(&opt, 1, &alone, r->path, &ms, r->l->errors);
	r->camera->latency_us = ms * 1000;
}

static void read_printers(const struct reading *r)
{
	char names[CAMERA_MAX_PRINTERS][MODEL_NAME_SIZE], where[200];
	const struct conf_node *one = conf_get(r->n, "printer"), *all = conf_get(r->n, "printers");
	struct camera_config *c = r->camera;

	if (one && all)
		conf_error(r->l->errors, all->line,
		           "%s.printers: printer is set too; keep one of them", r->path);
	(void)snprintf(where, sizeof(where), "%.150s.%s", r->path, all ? "printers" : "printer");

	unsigned n = config_read_texts(r->l, all ? all : one, where, names[0], sizeof(names[0]),
	                               all ? CAMERA_MAX_PRINTERS : 1);

	for (unsigned i = 0; i < n; i++) {
		char id[MODEL_ID_SIZE];

		text_slug(id, sizeof(id), names[i]);
		if (i == 0) {
			TEXT_SET(c->printer, id);
		} else if (!camera_config_sees(c, id)) {
			TEXT_SET(c->also[c->n_also], id);
			c->n_also++;
		}
	}
}

static void read_password(const struct reading *r)
{
	const struct conf_node *file = conf_get(r->n, "password_file");
	char name[96] = "BEDSIDE_CAMERA_PASSWORD_", path[1024];
	size_t n = strlen(name);
	struct err err = { 0 };

	if (file && secret_is_set(&r->camera->secret)) {
		conf_error(r->l->errors, file->line,
		           "%s.password_file: password is set too; keep one of them", r->path);
	} else if (file && file->kind == CONF_SCALAR) {
		config_resolve_path(r->l, file->text, path, sizeof(path));
		if (secret_from_file(path, &r->camera->secret, &err) < 0)
			conf_error(r->l->errors, file->line, "%s.password_file: %s", r->path,
			           err.text);
	} else if (file) {
		conf_error(r->l->errors, file->line, "%s.password_file: must be the path of a file",
		           r->path);
	}
	for (const char *c = r->camera->id; *c && n + 1 < sizeof(name); c++)
		name[n++] = (char)(*c == '-' ? '_' : toupper((unsigned char)*c));
	name[n] = '\0';

	const char *value = getenv(name); /* NOLINT(concurrency-mt-unsafe) at start */

	if (value && *value)
		secret_set(&r->camera->secret, value);
}

static void read_ca_file(const struct reading *r)
{
	const struct conf_node *file = conf_get(r->n, "ca_file");
	char path[1024];

	if (!file)
		return;
	if (file->kind == CONF_SCALAR) {
		config_resolve_path(r->l, file->text, path, sizeof(path));
		if (TEXT_SET(r->camera->trust.ca_file, path))
			return;
	}
	conf_error(r->l->errors, file->line, "%s.ca_file: must be the path of a file", r->path);
}

static void read_url(const struct reading *r)
{
	struct camera_config *c = r->camera;
	bool is_rtsp = is_driver(r, " rtsp ");
	const char *form = is_rtsp ? "rtsp://" : "http://";
	struct url u = { 0 };
	struct err err = { 0 };
	int line = config_line_of(r->n, "source");

	if (!c->source[0]) {
		conf_error(r->l->errors, r->n->line,
		           "%s.source: is missing; it is the URL of the pictures, as in "
		           "%s192.168.1.60/%s",
		           r->path, form, is_rtsp ? "stream" : "snapshot");
		return;
	}
	/* What is wrong may hold a password: it is not repeated. */
	if (url_parse(c->source, &u, &err) < 0)
		conf_error(r->l->errors, line, "%s.source: %s", r->path, err.text);
	else if (strncmp(u.scheme, form, 4) != 0 || (u.scheme[4] && strcmp(u.scheme + 4, "s") != 0))
		conf_error(r->l->errors, line, "%s.source: must begin with %s or %.4ss://", r->path,
		           form, form);
	else if (u.user[0] && c->user[0])
		conf_error(r->l->errors, line,
		           "%s.source: has a user, and user is set too; keep one of them", r->path);
	if (u.user[0])
		TEXT_SET(c->user, u.user);
	if (secret_is_set(&u.password))
		secret_set(&c->secret, secret_peek(&u.password));
	if (!url_write(&u, c->source, sizeof(c->source)))
		c->source[0] = '\0';
	url_fini(&u);
}

static void read_device(const struct reading *r)
{
	if (!r->camera->source[0])
		conf_error(r->l->errors, r->n->line,
		           "%s.source: is missing; `bedside camera list` shows what is plugged in",
		           r->path);
	else if (!v4l2_source_is_valid(r->camera->source))
		conf_error(
			r->l->errors, config_line_of(r->n, "source"),
			"%s.source: '%.100s' names no camera: write /dev/video0, or what `bedside "
			"camera list` shows, as in usb:046d:0825:A1B2C3",
			r->path, r->camera->source);
}

static void read_folder(const struct reading *r)
{
	char written[sizeof(r->camera->source)], path[1024];

	if (!r->camera->source[0]) {
		conf_error(r->l->errors, r->n->line,
		           "%s.source: is missing; it is the path of the folder", r->path);
		return;
	}
	TEXT_SET(written, r->camera->source);
	config_resolve_path(r->l, written, path, sizeof(path));
	if (!TEXT_SET(r->camera->source, path))
		conf_error(r->l->errors, config_line_of(r->n, "source"),
		           "%s.source: the path is too long", r->path);
}

/* The program, which may be given by a path beside the file, and its arguments. */
static void add_args(const struct reading *r, const char *key, bool has_program)
{
	const struct conf_node *list = conf_get(r->n, key);
	struct camera_config *c = r->camera;

	if (!list)
		return;
	for (const struct conf_node *e = list->kind == CONF_LIST ? list->first : list; e;
	     e = list->kind == CONF_LIST ? e->next : NULL) {
		char path[1024];
		bool is_path = has_program && c->n_args == 0 && e->kind == CONF_SCALAR &&
		               strchr(e->text, '/');

		if (is_path)
			config_resolve_path(r->l, e->text, path, sizeof(path));
		if (e->kind == CONF_SCALAR && camera_config_add_arg(c, is_path ? path : e->text))
			continue;
		conf_error(r->l->errors, e->line, "%s.%s: must be a list of at most %d texts",
		           r->path, key, CAMERA_MAX_ARGS);
		return;
	}
}

static void read_args(const struct reading *r)
{
	if (is_driver(r, " exec ")) {
		add_args(r, "command", true);
		if (r->camera->n_args == 0 || r->camera->args[0][0] == '\0')
			conf_error(r->l->errors, r->n->line,
			           "%s.command: is missing; it is the list of a program and its "
			           "arguments, as in [gphoto2, --stdout, "
			           "--capture-image-and-download]",
			           r->path);
	} else if (is_driver(r, " rpicam ")) {
		if (strspn(r->camera->source, "0123456789") != strlen(r->camera->source))
			conf_error(r->l->errors, config_line_of(r->n, "source"),
			           "%s.source: '%.40s' must be the number of the camera, as "
			           "`rpicam-hello --list-cameras` shows it",
			           r->path, r->camera->source);
		add_args(r, "program", true);
		if (r->camera->n_args > 1)
			conf_error(r->l->errors, config_line_of(r->n, "program"),
			           "%s.program: must be one program; its arguments go into "
			           "arguments",
			           r->path);
		if (r->camera->n_args == 0)
			(void)camera_config_add_arg(r->camera, "");
		add_args(r, "arguments", false);
	}
}

static void read_controls(const struct reading *r)
{
	const struct conf_node *map = conf_get(r->n, "controls");
	struct camera_config *c = r->camera;

	if (!map)
		return;
	for (const struct conf_node *e = map->kind == CONF_MAP ? map->first : map; e; e = e->next) {
		struct camera_setting *s = &c->controls[c->n_controls];

		if (map->kind != CONF_MAP || e->kind != CONF_SCALAR ||
		    c->n_controls == CAMERA_MAX_CONTROLS || !TEXT_SET(s->name, e->key) ||
		    !TEXT_SET(s->value, e->text)) {
			conf_error(r->l->errors, e->line,
			           "%s.controls: must be a map of at most %d names and values, as "
			           "in {focus_automatic_continuous: 0, focus_absolute: 30}",
			           r->path, CAMERA_MAX_CONTROLS);
			return;
		}
		c->n_controls++;
	}
}

/* What no table can say. */
static void finish(const struct reading *r)
{
	struct camera_config *c = r->camera;
	int64_t least_ms = 3 * c->poll_ms;

	if (is_driver(r, " fake ")) {
		c->fps = c->fps > 0 ? c->fps : 2;
		c->width = c->width ? c->width : 1280;
		c->height = c->height ? c->height : 720;
	}
	if (!is_driver(r, " http-still exec ") || c->stale_after_ms >= least_ms)
		return;
	if (conf_get(r->n, "stale_after"))
		conf_error(r->l->errors, config_line_of(r->n, "stale_after"),
		           "%s.stale_after: must be at least three times as long as poll", r->path);
	c->stale_after_ms = least_ms;
}

void config_read_camera(struct config_loading *l, const struct conf_node *n, const char *path)
{
	struct config *c = l->config;

	if (c->n_cameras == CONFIG_MAX_CAMERAS) {
		conf_error(l->errors, n->line, "%s: more than %d cameras", path,
		           CONFIG_MAX_CAMERAS);
		return;
	}
	c->cameras = mem_grow(c->cameras, c->n_cameras + 1, sizeof(*c->cameras));

	struct camera_config *cam = &c->cameras[c->n_cameras++];
	struct reading r = { .l = l, .n = n, .path = path, .camera = cam };

	*cam = (struct camera_config){ 0 };
	opt_defaults(camera_opts, ARRAY_LEN(camera_opts), cam);
	opt_read(camera_opts, ARRAY_LEN(camera_opts), n, path, cam, l->errors);
	if (n->kind != CONF_MAP)
		return;
	if (l->camera_id)
		TEXT_SET(cam->id, l->camera_id);
	else
		text_slug(cam->id, sizeof(cam->id), cam->name);
	cam->origin = l->camera_id ? CAMERA_OF_PAGE : CAMERA_OF_FILE;
	refuse_strangers(&r);
	read_printers(&r);
	read_latency(&r);
	read_password(&r);
	read_ca_file(&r);
	read_args(&r);
	read_controls(&r);
	if (is_driver(&r, " http-still http-mjpeg rtsp "))
		read_url(&r);
	if (is_driver(&r, " v4l2 "))
		read_device(&r);
	if (is_driver(&r, " folder "))
		read_folder(&r);
	finish(&r);
	for (size_t i = 0; i + 1 < c->n_cameras; i++) {
		if (strcmp(c->cameras[i].id, cam->id) == 0)
			conf_error(l->errors, n->line,
			           "%s.name: '%s' is the name of another camera", path, cam->name);
	}
}

static bool has_printer(const struct config *c, const char *id)
{
	for (size_t k = 0; k < c->n_printers; k++)
		if (strcmp(c->printers[k].printer.id, id) == 0)
			return true;
	return false;
}

void config_check_camera(struct config_loading *l, const struct camera_config *cam,
                         const struct conf_node *n, size_t number)
{
	const char *key = conf_get(n, "printers") ? "printers" : "printer";

	for (unsigned i = 0; i <= cam->n_also; i++) {
		const char *id = i == 0 ? cam->printer : cam->also[i - 1];

		if (id[0] && !has_printer(l->config, id))
			conf_error(l->errors, config_line_of(n, key),
			           "cameras[%zu].%s: there is no printer '%s'; it must be the name "
			           "of one under printers",
			           number, key, id);
	}
}
