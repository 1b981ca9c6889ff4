/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camera list, camera controls, doctor: the video devices of this machine, asked without the daemon. That
 * works while the daemon streams from one: the kernel lets many ask, only one take pictures.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/v4l2_controls.h"
#include "cameras/v4l2_device.h"
#include "cameras/v4l2_find.h"
#include "printers/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHANGES 32

/* ---- doctor ---- */

static bool tell(struct doctor_report *r, const char *name, int rc, const char *text)
{
	struct doctor_step *s = &r->steps[r->n++];

	*s = (struct doctor_step){ .name = name, .is_ok = rc >= 0 };
	TEXT_SET(s->text, text);
	return s->is_ok;
}

/* Takes the camera for a moment: that alone shows whether somebody else has it. */
static void try_stream(struct doctor_report *r, int fd, const char *node,
                       const struct camera_config *c)
{
	auto_free struct v4l2_format_choice *list = mem_new_array(V4L2_MAX_FORMATS, sizeof(*list));
	struct v4l2_wish wish = { .width = c->width, .height = c->height, .fps = c->fps };
	size_t n = v4l2_formats(&v4l2_sys_real, fd, list, V4L2_MAX_FORMATS);
	const struct v4l2_format_choice *best;
	struct v4l2_stream *s = NULL;
	struct err err = { 0 };
	char text[160], name[8];
	int rc;

	(void)v4l2_pixel_from_name(c->format, &wish.pixel);
	best = v4l2_choose(list, n, &wish);
	if (!best) {
		(void)tell(r, "formats", -EINVAL,
		           "the camera gives no format that is wanted (`bedside camera list` shows "
		           "what it gives)");
		return;
	}
	snprintf(text, sizeof(text), "%s %u×%u is the best of %zu",
	         v4l2_pixel_name(best->pixel, name), best->width, best->height, n);
	(void)tell(r, "formats", 0, text);
	rc = v4l2_stream_start(&v4l2_sys_real, fd, best, &s, &err);
	if (rc == -EBUSY)
		(void)v4l2_explain(&v4l2_sys_real, rc, node, &err);
	(void)tell(r, "pictures", rc, rc < 0 ? err.text : "the camera starts");
	v4l2_stream_stop(s);
}

bool camera_doctor(const struct camera_config *c, struct doctor_report *r)
{
	char node[64], text[128];
	struct err err = { 0 };
	int fd;

	if (strcmp(c->driver, "v4l2") != 0)
		return false;
	*r = (struct doctor_report){ 0 };
	fd = v4l2_find(&v4l2_sys_real, c->source, node, sizeof(node), &err);
	snprintf(text, sizeof(text), "%s is the camera", node);
	if (tell(r, "plugged", fd, fd < 0 ? err.text : text)) {
		fd = v4l2_sys_real.open(NULL, node);
		if (fd < 0)
			(void)v4l2_explain(&v4l2_sys_real, fd, node, &err);
		if (tell(r, "permission", fd, fd < 0 ? err.text : "it can be opened")) {
			try_stream(r, fd, node, c);
			v4l2_sys_real.close(NULL, fd);
		}
	}
	r->is_ok = true;
	for (unsigned i = 0; i < r->n; i++)
		r->is_ok &= r->steps[i].is_ok;
	return true;
}

/* ---- list ---- */

static void print_formats(int fd)
{
	auto_free struct v4l2_format_choice *list = mem_new_array(V4L2_MAX_FORMATS, sizeof(*list));
	size_t n = v4l2_formats(&v4l2_sys_real, fd, list, V4L2_MAX_FORMATS);
	char name[8];

	/* One line a format and size, its rates behind it. */
	for (size_t i = 0; i < n; i++) {
		const struct v4l2_format_choice *c = &list[i], *last = i > 0 ? c - 1 : NULL;
		bool is_more = last && last->pixel == c->pixel && last->width == c->width &&
		               last->height == c->height;

		if (!is_more)
			printf("%s  %s %u×%u", last ? "\n" : "", v4l2_pixel_name(c->pixel, name),
			       c->width, c->height);
		if (c->fps > 0)
			printf("%s%.4g", is_more ? ", " : " at ", c->fps);
	}
	puts(n > 0 ? "" : "  no format that Bedside reads");
}

static void print_camera(const struct v4l2_found *f)
{
	int fd = v4l2_sys_real.open(NULL, f->node);
	struct err err = { 0 };

	printf("%s\n  source: \"%s\"\n", f->title[0] ? f->title : f->node, f->stable);
	printf("  now %s", f->node);
	if (f->by_port[0] && strcmp(f->by_port, f->stable) != 0)
		printf("; where it hangs: %s", f->by_port);
	puts("");
	if (fd < 0) {
		(void)v4l2_explain(&v4l2_sys_real, fd, f->node, &err);
		printf("  %s\n", err.text);
		return;
	}
	print_formats(fd);
	v4l2_sys_real.close(NULL, fd);
}

int cmd_camera_list(int argc, char **argv UNUSED)
{
	auto_free struct v4l2_found *all = mem_new_array(V4L2_FIND_MAX, sizeof(*all));
	size_t n;

	if (argc != 1) {
		fputs("usage: bedside camera list\n", stderr);
		return 2;
	}
	n = v4l2_find_all(&v4l2_sys_real, all, V4L2_FIND_MAX);
	for (size_t i = 0; i < n; i++)
		print_camera(&all[i]);
	if (n == 0)
		puts("no video device of this machine gives pictures");
	return 0;
}

/* ---- controls ---- */

struct asking {
	const char *config, *camera;
	const char *changes[MAX_CHANGES]; /* "name=value" */
	unsigned n_changes;
};

static bool read_args(int argc, char **argv, struct asking *a)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
			a->config = argv[++i];
		else if (argv[i][0] != '-' && !a->camera)
			a->camera = argv[i];
		else if (argv[i][0] != '-' && strchr(argv[i], '=') && a->n_changes < MAX_CHANGES)
			a->changes[a->n_changes++] = argv[i];
		else
			return false;
	}
	return a->camera != NULL;
}

/* A source by itself, or the source of a camera of the configuration. */
static bool find_source(const struct asking *a, char *dst, size_t size)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	char path[1024];
	bool is_found = false;

	if (v4l2_source_is_valid(a->camera))
		return text_copy(dst, size, a->camera);
	if (!config_find(a->config, path, sizeof(path))) {
		fputs("bedside: no configuration found; name one with --config, or give the "
		      "camera's source\n",
		      stderr);
		return false;
	}
	if (!config_load(path, NULL, &config, &errors)) {
		config_print_errors(&errors);
		config_fini(&config);
		return false;
	}
	for (size_t i = 0; i < config.n_cameras && !is_found; i++) {
		const struct camera_config *c = &config.cameras[i];

		is_found = strcmp(c->driver, "v4l2") == 0 &&
		           (text_equal(c->id, a->camera) || text_equal_nocase(c->name, a->camera));
		if (is_found)
			text_copy(dst, size, c->source);
	}
	config_fini(&config);
	if (!is_found)
		fprintf(stderr, "bedside: %s has no camera '%s' of the kind v4l2\n", path,
		        a->camera);
	return is_found;
}

static void print_control(const struct camera_control *c)
{
	printf("%-32s %8lld", c->name, (long long)c->value);
	if (c->kind == CAMERA_CONTROL_SWITCH)
		printf("  0 or 1");
	else if (c->kind == CAMERA_CONTROL_NUMBER)
		printf("  %lld to %lld", (long long)c->min, (long long)c->max);
	for (unsigned i = 0; i < c->n_choices; i++)
		printf("%s%lld %s", i == 0 ? "  " : ", ", (long long)c->choices[i].value,
		       c->choices[i].title);
	if (c->kind == CAMERA_CONTROL_NUMBER && c->step > 1)
		printf(" in steps of %lld", (long long)c->step);
	printf(", usually %lld%s%s\n", (long long)c->fallback, c->is_read_only ? "; fixed" : "",
	       c->is_inactive ? "; an automatic has it" : "");
}

static int change(int fd, const struct v4l2_controls *cs, const char *text)
{
	const char *value = strchr(text, '=') + 1;
	char name[64];
	struct err err = { 0 };
	int64_t number = 0;
	int i, rc;

	text_copy_n(name, sizeof(name), text, (size_t)(value - text) - 1);
	i = v4l2_controls_find(cs, name);
	rc = i < 0 ? err_set(&err, -ENOENT, "the camera has no control '%s'", name)
	           : v4l2_control_parse(&cs->list[i], value, &number, &err);
	if (rc == 0)
		rc = v4l2_control_write(&v4l2_sys_real, fd, cs, i, number, &err);
	if (rc < 0)
		fprintf(stderr, "bedside: %s\n", err.text);
	return rc;
}

static int work_on(int fd, const struct asking *a)
{
	auto_free struct v4l2_controls *cs = MEM_NEW(struct v4l2_controls);
	int rc = v4l2_controls_read(&v4l2_sys_real, fd, cs);

	for (unsigned i = 0; i < a->n_changes && rc >= 0; i++) {
		rc = change(fd, cs, a->changes[i]);
		(void)v4l2_controls_read(&v4l2_sys_real, fd, cs);
	}
	if (rc == -ENODEV)
		fputs("bedside: the camera was unplugged\n", stderr);
	for (size_t i = 0; i < cs->n && rc >= 0; i++)
		print_control(&cs->list[i]);
	return rc < 0 ? 1 : 0;
}

int cmd_camera_controls(int argc, char **argv)
{
	struct asking a = { 0 };
	char source[512], node[64];
	struct err err = { 0 };
	int fd, status;

	if (!read_args(argc, argv, &a)) {
		fputs("usage: bedside camera controls CAMERA [NAME=VALUE ...] [--config FILE]\n"
		      "CAMERA is a name of the configuration, or a source as `bedside camera list` "
		      "shows it\n",
		      stderr);
		return 2;
	}
	if (!find_source(&a, source, sizeof(source)))
		return 1;
	fd = v4l2_find(&v4l2_sys_real, source, node, sizeof(node), &err);
	if (fd == 0)
		fd = v4l2_sys_real.open(NULL, node);
	if (fd < 0) {
		if (err.code == 0)
			(void)v4l2_explain(&v4l2_sys_real, fd, node, &err);
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	status = work_on(fd, &a);
	v4l2_sys_real.close(NULL, fd);
	return status;
}
