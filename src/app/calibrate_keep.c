/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What becomes of a latency that was measured: told to the daemon, kept, or a line to write. */

#include "app/cmd.h"
#include "app/config.h"
#include "app/control.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"

#include <stdio.h>
#include <string.h>

static bool is_of_page(const struct config *config, const struct camera_config *camera)
{
	if (camera->origin != CAMERA_OF_PRINTER)
		return camera->origin == CAMERA_OF_PAGE;
	for (size_t i = 0; i < config->n_printers; i++)
		if (strcmp(config->printers[i].printer.id, camera->id) == 0)
			return config->printers[i].is_added;
	return false;
}

static int write_camera(const struct config *config, const struct camera_config *camera, int64_t ms,
                        struct err *err)
{
	auto_free struct camera_config *changed = MEM_NEW(struct camera_config);
	json_t *settings = json_pack("{s:I}", "latency_ms", (json_int_t)ms);
	char field[CONFIG_FIELD_SIZE];
	int rc = config_change_camera(config, camera->id, settings, changed, field, err);

	json_decref(settings);
	camera_config_fini(changed);
	return rc;
}

/* printers.d/<id>.yaml is a flat map: a line more, and the old one gone. */
static int write_printer(const struct config *config, const struct camera_config *camera,
                         int64_t ms, struct err *err)
{
	auto_free char *path = mem_printf("%s/printers.d/%s.yaml", config->data_dir, camera->id);
	struct buf was = { 0 }, b;
	int rc = fs_read(path, CONF_MAX_BYTES, &was, err);

	buf_init(&b, CONF_MAX_BYTES);
	buf_printf(&b, "camera_latency: %lldms\n", (long long)ms);
	for (const char *line = buf_peek(&was); rc == 0 && *line;) {
		size_t n = strcspn(line, "\n");

		n += line[n] == '\n';
		if (!text_starts(line, "camera_latency:"))
			buf_add(&b, line, n);
		line += n;
	}
	if (rc == 0)
		rc = fs_write_atomic(path, b.data, b.size, 0600, err);
	if (was.data)
		secret_wipe(was.data, was.size);
	secret_wipe(b.data, b.size);
	buf_fini(&was);
	buf_fini(&b);
	return rc;
}

/* A daemon that runs needs no restart. */
static bool tell_daemon(const struct config *config, const struct camera_config *camera, int64_t ms)
{
	json_t *question = json_pack("{s:s, s:s, s:I}", "verb", "latency", "camera", camera->id,
	                             "latency_ms", (json_int_t)ms);
	struct err err = { 0 };
	json_t *answer = control_ask(config->data_dir, question, &err);

	json_decref(answer);
	return answer != NULL;
}

int calibrate_keep(const struct config *config, const struct camera_config *camera, int64_t ms,
                   bool writes)
{
	bool is_page = is_of_page(config, camera);
	bool is_own = camera->origin == CAMERA_OF_PRINTER;
	bool is_told = tell_daemon(config, camera, ms);
	struct err err = { 0 };

	if (is_told)
		puts("Bedside, which is running, uses it from now on");

	if (is_page && writes) {
		if ((is_own ? write_printer(config, camera, ms, &err)
		            : write_camera(config, camera, ms, &err)) == 0) {
			puts(is_told ? "written"
			             : "written; Bedside uses it from its next start on");
			return 0;
		}
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	if (is_page)
		puts("--write keeps it; it is:");
	else
		printf("for %s, below the %s '%s':\n",
		       config->path[0] ? config->path : "the configuration",
		       is_own ? "printer" : "camera", camera->name);
	printf("%slatency: %lldms\n", is_own ? "camera_" : "", (long long)ms);
	return 0;
}
