/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The hub that a rig reports to: `hub:` of bedside.yaml, and hub.yaml of the data folder, which
 * `bedside rig pair` writes. */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "wire/url.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_KEY_FILE 4096

#define DELAY(name_, member_, help_)                                                \
	{                                                                           \
		name_, OPT_SPAN, OPT_AT(struct rig_config, delays.member_), "10s",  \
			RIG_MIN_DELAY_MS, (double)RIG_MAX_DELAY_MS, .help = (help_) \
	}

static const struct opt hub_opts[] = {
	{ "url", OPT_TEXT, OPT_AT(struct rig_config, url), .flags = OPT_RESTART,
	  .help = "Address of the Bedside that this one reports to, as in https://hub.example; "
	          "none when absent. 'bedside rig pair' finds it out by itself." },
	{ "key", OPT_SECRET, OPT_AT(struct rig_config, key), .flags = OPT_RESTART,
	  .help = "This rig's key. Better left to 'bedside rig pair', or in a file:" },
	{ "key_file", OPT_NESTED, 0, 0, .help = "File whose first line is the key." },
	{ "tls", OPT_OWN, OPT_AT(struct rig_config, trust), "ca", .read = config_read_trust,
	  .form = TRUST_FORM,
	  .help = "How the hub's certificate is judged: by the system's authorities and its name, "
	          "by its fingerprint, or not at all." },
	{ "ca_file", OPT_TEXT, OPT_AT(struct rig_config, trust.ca_file),
	  .help = "PEM file of the authorities to trust instead of the system's." },
	DELAY("status_delay", status_ms,
	      "How often the state of printers and cameras is told; what matters at once."),
	DELAY("climate_delay", climate_ms, "How often temperature and humidity are told."),
	DELAY("image_delay", image_ms, "How often a preview of each camera is sent."),
};

const struct config_table config_hub_table = { hub_opts, ARRAY_LEN(hub_opts) };

static void read_key_file(struct config_loading *l, const struct conf_node *n, const char *path)
{
	char file[1024];
	struct buf b;
	struct err err = { 0 };

	if (n->kind != CONF_SCALAR) {
		conf_error(l->errors, n->line, "%s.key_file: must be the path of a file", path);
		return;
	}
	config_resolve_path(l, n->text, file, sizeof(file));
	if (fs_read(file, MAX_KEY_FILE, &b, &err) < 0) {
		conf_error(l->errors, n->line, "%s.key_file: %s", path, err.text);
		return;
	}
	buf_add_char(&b, '\0');
	b.data[strcspn(b.data, "\r\n")] = '\0';
	secret_set(&l->config->hub.key, b.data);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

/* No '/' at its end, and no login in it. */
static int check_url(struct rig_config *c, struct err *err)
{
	struct url u = { 0 };
	int rc = url_parse(c->url, &u, err);

	if (rc == 0 && strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
		rc = err_set(err, -EINVAL, "it must begin with https:// (or http://)");
	if (rc == 0 && (u.user[0] || strchr(u.path, '?')))
		rc = err_set(err, -EINVAL, "it must be an address without a login and without '?'");
	for (size_t n = strlen(u.path); rc == 0 && n > 0 && u.path[n - 1] == '/'; n--)
		u.path[n - 1] = '\0';
	if (rc == 0 && !url_write(&u, c->url, sizeof(c->url)))
		rc = err_set(err, -EINVAL, "it is too long");
	url_fini(&u);
	return rc;
}

int config_check_hub(struct rig_config *c, struct err *err)
{
	return check_url(c, err);
}

static void read_map(struct config_loading *l, const struct conf_node *map, const char *path)
{
	struct rig_config *c = &l->config->hub;
	const struct conf_node *file =
		map && map->kind == CONF_MAP ? conf_get(map, "key_file") : NULL;
	char before[sizeof(c->url)];
	struct err err = { 0 };

	TEXT_SET(before, c->url);
	opt_read(hub_opts, ARRAY_LEN(hub_opts), map, path, c, l->errors);
	if (c->url[0] && check_url(c, &err) < 0)
		conf_error(l->errors, map ? config_line_of(map, "url") : 0, "%s.url: %s", path,
		           err.text);
	/* A key is shown to the hub that gave it, and to nobody else. */
	if (before[0] && !text_equal(before, c->url) && !conf_get(map, "key") && !file)
		conf_error(l->errors, config_line_of(map, "url"),
		           "%s.url: this rig was paired with %s; pair it with the new one by "
		           "'bedside rig pair', or take url away here",
		           path, before);
	if (file)
		read_key_file(l, file, path);
	if (c->url[0] && !secret_is_set(&c->key))
		conf_error(l->errors, map ? map->line : 0,
		           "%s.key: is missing; 'bedside rig pair %s CODE' gets one", path, c->url);
}

static void path_of(char *dst, size_t size, const char *data_dir)
{
	(void)snprintf(dst, size, "%s/hub.yaml", data_dir);
}

static void read_paired(struct config_loading *l)
{
	char path[1100];
	struct conf_node *n;
	struct buf b;
	struct err err = { 0 };

	path_of(path, sizeof(path), l->config->data_dir);
	if (access(path, F_OK) < 0)
		return;
	TEXT_SET(l->errors->file, path);
	if (fs_read(path, CONF_MAX_BYTES, &b, &err) < 0) {
		conf_error(l->errors, 0, "%s", err.text);
		return;
	}
	n = conf_parse(path, buf_peek(&b), b.size, l->errors);
	if (n)
		read_map(l, n, "hub");
	conf_free(n);
	if (b.data)
		secret_wipe(b.data, b.size);
	buf_fini(&b);
}

void config_read_hub(struct config_loading *l, const struct conf_node *root)
{
	const struct conf_node *map = root ? conf_get(root, "hub") : NULL;

	opt_defaults(hub_opts, ARRAY_LEN(hub_opts), &l->config->hub);
	read_paired(l);
	TEXT_SET(l->errors->file, l->config->path[0] ? l->config->path : "bedside.yaml");
	if (map)
		read_map(l, map, "hub");
}

int config_write_hub(const char *data_dir, const struct rig_config *c, struct err *err)
{
	char path[1100], hex[65];
	struct buf b;
	int rc;

	path_of(path, sizeof(path), data_dir);
	buf_init(&b, CONF_MAX_BYTES);
	buf_printf(&b, "url: \"%s\"\nkey: \"%s\"\n", c->url, secret_peek(&c->key));
	if (c->trust.mode == TRUST_PIN) {
		text_hex(hex, c->trust.pin, sizeof(c->trust.pin));
		buf_printf(&b, "tls: sha256:%s\n", hex);
	} else {
		buf_printf(&b, "tls: %s\n", c->trust.mode == TRUST_CA ? "ca" : "insecure");
	}
	if (c->trust.ca_file[0])
		buf_printf(&b, "ca_file: \"%s\"\n", c->trust.ca_file);
	rc = fs_make_dirs(data_dir, err);
	if (rc == 0)
		rc = fs_write_atomic(path, b.data, b.size, 0600, err);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
	return rc;
}

int config_forget_hub(const char *data_dir, struct err *err)
{
	char path[1100];

	path_of(path, sizeof(path), data_dir);
	return fs_remove(path, err);
}

/* Only the data folder's: what a running daemon takes up by itself. */
int config_reload_hub(const struct config *c, struct rig_config *ret, struct err *err)
{
	struct conf_errors *errors = MEM_NEW(struct conf_errors);
	struct config *fresh = MEM_NEW(struct config);
	int rc = 0;

	if (config_load(c->path[0] ? c->path : NULL, c->data_dir, fresh, errors))
		rig_config_copy(ret, &fresh->hub);
	else
		rc = err_set(err, -EINVAL, "%s", errors->texts[0]);
	config_fini(fresh);
	free(fresh);
	free(errors);
	return rc;
}
