/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/setup.h"

#include "app/config_priv.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void write_printer(const struct setup_answers *a, bool hides_secrets, struct buf *out)
{
	struct printer_config shown = a->printer;
	struct buf lines;
	char *line, *end;

	if (hides_secrets && secret_is_set(&a->printer.access_code)) {
		shown.access_code = (struct secret){ 0 };
		secret_set(&shown.access_code, "********");
	}
	buf_init(&lines, 0);
	config_write_printer(&shown, &lines);
	buf_add_str(out, "\nprinters:\n");
	buf_add_char(&lines, '\0');
	for (line = lines.data; *line; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		buf_printf(out, "%s%s\n", line == lines.data ? "  - " : "    ", line);
	}
	secret_wipe(lines.data, lines.size);
	buf_fini(&lines);
	if (hides_secrets)
		secret_fini(&shown.access_code);
}

static void write_camera(const struct setup_answers *a, struct buf *out)
{
	buf_add_str(out, "\ncameras:\n  - ");
	config_write_quoted(out, "name", a->camera_name);
	buf_printf(out, "    driver: %s\n", a->camera_driver);
	if (a->camera_source[0]) {
		buf_add_str(out, "    ");
		config_write_quoted(out, "source", a->camera_source);
	}
	if (a->has_printer) {
		buf_add_str(out, "    ");
		config_write_quoted(out, "printer", a->printer.name);
	}
}

void setup_write(const struct setup_answers *a, bool hides_secrets, struct buf *out)
{
	buf_add_str(out, "# Bedside's configuration, made by 'bedside setup'. bedside.yaml(5) "
	                 "explains every key,\n# 'bedside check-config' says what is wrong.\n");
	if (a->data_dir[0]) {
		buf_add_str(out, "\n");
		config_write_quoted(out, "data", a->data_dir);
	}
	if (a->has_printer)
		write_printer(a, hides_secrets, out);
	if (a->camera_driver[0])
		write_camera(a, out);
	if (a->has_button)
		buf_add_str(out,
		            "\n# BCM 22 to ground; docs/rig.md shows the wiring.\nbutton: {}\n");
	if (a->has_lights)
		buf_add_str(out, "\n# Red 17, green 27, yellow 23.\nlights: {}\n");
	if (a->has_sensor) {
		buf_add_str(out, "\nclimate:\n  sensors:\n    - ");
		config_write_quoted(out, "location", a->place);
	}
}

int setup_may_replace(const char *path, char *data_dir, size_t size, struct err *err)
{
	static struct conf_errors errors;
	struct conf_node *root;
	struct buf b;
	int rc = 0;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	rc = fs_read(path, CONF_MAX_BYTES, &b, err);
	if (rc < 0)
		return rc;
	errors = (struct conf_errors){ 0 };
	root = conf_parse(path, buf_peek(&b), b.size, &errors);
	buf_fini(&b);
	if (!root)
		return err_set(err, -EBADMSG, "%s", errors.texts[0]);
	for (const struct conf_node *n = root->first; n && rc == 0; n = n->next) {
		if (strcmp(n->key, "data") == 0 && n->kind == CONF_SCALAR)
			text_copy(data_dir, size, n->text);
		else
			rc = err_set(
				err, -EEXIST,
				"%s says something already (%s) and stays as it is; change it by "
				"hand, or move it away and try again",
				path, n->key);
	}
	conf_free(root);
	return rc;
}

int setup_read_wired(const char *text, struct setup_answers *ret, struct err *err)
{
	const char *const gaps = " ,\t";
	const char *at = text + strspn(text, gaps);

	ret->has_button = ret->has_lights = ret->has_sensor = false;
	while (*at) {
		size_t n = strcspn(at, gaps);
		char word[16] = "";

		text_copy_n(word, sizeof(word), at, n);
		if (text_equal_nocase(word, "all"))
			ret->has_button = ret->has_lights = ret->has_sensor = true;
		else if (text_equal_nocase(word, "button"))
			ret->has_button = true;
		else if (text_equal_nocase(word, "lights"))
			ret->has_lights = true;
		else if (text_equal_nocase(word, "sensor"))
			ret->has_sensor = true;
		else if (!text_equal_nocase(word, "none"))
			return err_set(err, -EINVAL,
			               "'%.*s' is none of button, lights, sensor, all and none",
			               n < 40 ? (int)n : 40, at);
		at += n;
		at += strspn(at, gaps);
	}
	return 0;
}
