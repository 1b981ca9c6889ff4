/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- reading printers.d ---- */

static void read_added_printer(struct config_loading *l, const char *path)
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
		config_read_printer(l, n, "", true);
	conf_free(n);
	if (b.data)
		secret_wipe(b.data, b.size);
	buf_fini(&b);
}

static int is_yaml(const struct dirent *d)
{
	return d->d_name[0] != '.' && text_ends(d->d_name, ".yaml");
}

void config_read_added(struct config_loading *l)
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

/* ---- what the program writes ---- */

void config_write_quoted(struct buf *out, const char *key, const char *value)
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

	config_write_quoted(out, "name", p->name);
	config_write_quoted(out, "driver", p->driver);
	if (p->url[0]) {
		config_write_quoted(out, "url", p->url);
		if (p->user[0])
			config_write_quoted(out, "user", p->user);
		if (secret_is_set(&p->access_code))
			config_write_quoted(out, p->user[0] ? "password" : "api_key",
			                    secret_peek(&p->access_code));
	} else {
		config_write_quoted(out, "address", p->address);
		config_write_quoted(out, "serial", p->serial);
		config_write_quoted(out, "access_code", secret_peek(&p->access_code));
	}
	if (p->model[0])
		config_write_quoted(out, "model", p->model);
	if (p->trust.mode == TRUST_PIN) {
		text_hex(hex, p->trust.pin, sizeof(p->trust.pin));
		buf_printf(out, "tls: sha256:%s\n", hex);
	} else {
		buf_printf(out, "tls: %s\n", p->trust.mode == TRUST_CA ? "ca" : "insecure");
	}
	if (p->camera_latency_ms > 0)
		buf_printf(out, "camera_latency: %lldms\n", (long long)p->camera_latency_ms);
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
	struct config_loading l = { .config = c, .errors = errors };
	struct conf_node *n = conf_parse("the printer", buf_peek(b), b->size, errors);
	int rc = 0;

	session_plan_init(&l.plan);
	TEXT_SET(c->data_dir, data_dir);
	if (n)
		config_read_printer(&l, n, "", true);

	const struct printer_config *known = c->n_printers ? &c->printers[0].printer : NULL;

	if (errors->n > 0)
		rc = err_set(err, -EINVAL, "%s", errors->texts[0]);
	else if (!known || strcmp(known->name, p->name) != 0 || strcmp(known->url, p->url) != 0 ||
	         (!p->url[0] && strcmp(known->address, p->address) != 0))
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
