/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/plan.h"
#include "core/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const log_levels[] = { "error", "warn", "info", "debug", NULL };
static const char *const tls_modes[] = { "off", "self-signed", "files", NULL };
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
	{ "capture", OPT_NESTED, 0, 0, .help = "Layer capture of all printers." },
	{ "button", OPT_NESTED, 0, 0, .help = "A push-button beside a printer." },
	{ "lights", OPT_NESTED, 0, 0, .help = "Three lights beside it." },
	{ "climate", OPT_NESTED, 0, 0, .help = "Temperature and humidity of places." },
	{ "hub", OPT_NESTED, 0, 0, .help = "The Bedside that this one reports to, as its rig." },
	{ "pull", OPT_NESTED, 0, 0, .help = "Films and captures of other machines." },
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
	{ "programs", OPT_BOOL, OPT_AT(struct web_config, has_programs), "no", .flags = OPT_RESTART,
	  .help = "Administrators may add cameras on the page that run a program of this "
	          "machine." },
	{ "socketio", OPT_BOOL, OPT_AT(struct web_config, has_socketio), "no", .flags = OPT_RESTART,
	  .help = "Rigs of the original program (Socket.IO), with an operator's name and password, "
	          "may report here." },
	{ "camera_clients", OPT_NESTED, 0, 0,
	  .help = "List of addresses (192.168.1.0/24) that may see cameras without a token." },
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

const struct config_table config_root_table = { root_opts, ARRAY_LEN(root_opts) };
const struct config_table config_web_table = { web_opts, ARRAY_LEN(web_opts) };
const struct config_table config_storage_table = { storage_opts, ARRAY_LEN(storage_opts) };

/* ---- reading ---- */

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

bool config_find_data(const char *config_file, const char *given, char *dst, size_t size)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	char path[1024];
	bool has_file, ok;

	if (given)
		return text_copy(dst, size, given);
	has_file = config_find(config_file, path, sizeof(path));
	ok = config_load(has_file ? path : NULL, NULL, &config, &errors);
	if (ok)
		ok = text_copy(dst, size, config.data_dir);
	else
		(void)config_print_errors(&errors);
	config_fini(&config);
	return ok;
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

void config_read_list(struct config_loading *l, const struct conf_node *root, const char *key,
                      void (*read)(struct config_loading *l, const struct conf_node *n,
                                   const char *path))
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

static void read_listed_printer(struct config_loading *l, const struct conf_node *n,
                                const char *path)
{
	config_read_printer(l, n, path, false);
}

int config_line_of(const struct conf_node *map, const char *key)
{
	const struct conf_node *n = conf_get(map, key);

	return n ? n->line : 0;
}

static void check_whole(struct config_loading *l, const struct conf_node *root)
{
	struct config *c = l->config;
	char *path = c->web.base_path;
	size_t n = strlen(path);

	if (path[0] != '/' || strstr(path, "..") || strpbrk(path, "\"<>?# "))
		conf_error(l->errors, config_line_of(conf_get(root, "web"), "base_path"),
		           "web.base_path: '%s' must begin with / and be a plain path", path);
	else if (path[n - 1] != '/' && n + 1 < sizeof(c->web.base_path))
		text_copy(path + n, sizeof(c->web.base_path) - n, "/");
	if (c->web.tls == WEB_TLS_FILES && (!c->web.certificate[0] || !c->web.key[0]))
		conf_error(l->errors, config_line_of(conf_get(root, "web"), "tls"),
		           "web.tls: files needs web.certificate and web.key, the paths of two PEM "
		           "files");

	const struct conf_node *list = conf_get(root, "cameras");
	const struct conf_node *entry = list ? list->first : NULL;

	for (size_t i = 0; i < c->n_cameras; i++, entry = entry ? entry->next : NULL)
		config_check_camera(l, &c->cameras[i], entry, i);
}

static void read_web_lists(struct config_loading *l, const struct conf_node *web,
                           struct web_config *ret)
{
	if (!web || web->kind != CONF_MAP)
		return;
	ret->n_proxies =
		config_read_texts(l, conf_get(web, "trusted_proxies"), "web.trusted_proxies",
	                          ret->proxies[0], sizeof(ret->proxies[0]), CONFIG_MAX_PROXIES);
	ret->n_camera_clients = config_read_texts(
		l, conf_get(web, "camera_clients"), "web.camera_clients", ret->camera_clients[0],
		sizeof(ret->camera_clients[0]), CONFIG_MAX_PROXIES);
}

static void read_root(struct config_loading *l, const struct conf_node *root, const char *data_dir)
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
		config_resolve_path(l, written, c->data_dir, sizeof(c->data_dir));
	}
	opt_read(web_opts, ARRAY_LEN(web_opts), web, "web", &c->web, l->errors);
	read_web_lists(l, web, &c->web);
	opt_read(storage_opts, ARRAY_LEN(storage_opts), conf_get(root, "storage"), "storage",
	         &c->storage, l->errors);
	config_read_plan(l, root, "", &l->plan);
	c->plan = l->plan;
	config_read_capture(l, root, "", &l->capture);
	c->capture = l->capture;
	config_read_rig(l, root);
	config_read_pull(l, root);
	config_read_list(l, root, "printers", read_listed_printer);
	config_read_added(l);
	TEXT_SET(l->errors->file, c->path[0] ? c->path : "bedside.yaml");
	config_read_list(l, root, "cameras", config_read_camera);
	config_read_hub(l, root);
	check_whole(l, root);
	config_read_added_cameras(l);
}

bool config_load(const char *path, const char *data_dir, struct config *ret,
                 struct conf_errors *errors)
{
	struct config_loading l = { .config = ret, .errors = errors };
	struct conf_node *root = NULL;
	struct buf b = { 0 };
	struct err err = { 0 };

	*ret = (struct config){ 0 };
	*errors = (struct conf_errors){ 0 };
	opt_defaults(root_opts, ARRAY_LEN(root_opts), ret);
	opt_defaults(web_opts, ARRAY_LEN(web_opts), &ret->web);
	opt_defaults(storage_opts, ARRAY_LEN(storage_opts), &ret->storage);
	opt_defaults(config_climate_table.opts, config_climate_table.n, &ret->climates);
	button_rules_init(&ret->panel.rules);
	session_plan_init(&l.plan);
	capture_plan_init(&l.capture);
	opt_defaults(config_session_table.opts, config_session_table.n, &l.plan);
	opt_defaults(config_film_table.opts, config_film_table.n, &l.plan.film);
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

int config_check_restored(const char *path, const char *folder, struct err *err)
{
	struct conf_errors *errors = MEM_NEW(struct conf_errors);
	struct config *c = MEM_NEW(struct config);
	int rc = 0;

	if (!config_load(path && path[0] ? path : NULL, folder, c, errors))
		rc = err_set(err, -EBADMSG,
		             "the next start would refuse its configuration: %.300s. Nothing was "
		             "changed; if a printer is missing, first put the bedside.yaml of then "
		             "in place",
		             errors->texts[0]);
	config_fini(c);
	free(c);
	free(errors);
	return rc;
}

void config_fini(struct config *c)
{
	for (size_t i = 0; i < c->n_printers; i++)
		printer_config_fini(&c->printers[i].printer);
	for (size_t i = 0; i < c->n_cameras; i++)
		camera_config_fini(&c->cameras[i]);
	rig_config_fini(&c->hub);
	free(c->printers);
	free(c->cameras);
	config_fini_pull(&c->pull);
	*c = (struct config){ 0 };
}
