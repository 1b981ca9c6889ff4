/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How a printer is reached and logged in to: which keys its driver has, and what they must say. */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
#include "printers/driver.h"
#include "wire/url.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CODE_FILE 4096

/* Each may come from a file: key and "_file". One of the six at most. */
static const char *const secret_keys[] = { "access_code", "api_key", "password" };

static void read_secret_file(struct config_loading *l, const struct conf_node *n, const char *path,
                             struct printer_config *p)
{
	char file[1024];
	struct buf b;
	struct err err = { 0 };

	if (n->kind != CONF_SCALAR) {
		conf_error(l->errors, n->line, "%s.%s: must be the path of a file", path, n->key);
		return;
	}
	config_resolve_path(l, n->text, file, sizeof(file));
	if (fs_read(file, MAX_CODE_FILE, &b, &err) < 0) {
		conf_error(l->errors, n->line, "%s.%s: %s", path, n->key, err.text);
		return;
	}
	buf_add_char(&b, '\0');
	b.data[strcspn(b.data, "\r\n")] = '\0';
	if (b.data[0])
		secret_set(&p->access_code, b.data);
	else
		conf_error(l->errors, n->line,
		           "%s.%s: %s is empty; its first line must be the code, key or password",
		           path, n->key, file);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

static void read_from_environment(struct printer_config *p)
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

void config_read_login(struct config_loading *l, const struct conf_node *n, const char *path,
                       struct printer_config *p)
{
	const char *first = NULL;

	for (size_t i = 0; i < 2 * ARRAY_LEN(secret_keys); i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "%s%s", secret_keys[i / 2], i % 2 ? "_file" : "");

		const struct conf_node *e = conf_get(n, key);

		if (!e)
			continue;
		if (first)
			conf_error(l->errors, e->line, "%s.%s: %s is set too; keep one of them",
			           path, key, first);
		else if (i % 2)
			read_secret_file(l, e, path, p);
		if (!first)
			first = secret_keys[i / 2];
	}
	read_from_environment(p);
}

static bool has(const struct conf_node *n, const char *key)
{
	char file[40];

	(void)snprintf(file, sizeof(file), "%s_file", key);
	return conf_get(n, key) || conf_get(n, file);
}

/* Keys that are another driver's would be believed and do nothing. */
static void refuse_keys(struct config_loading *l, const struct conf_node *n, const char *path,
                        const struct printer_driver *d)
{
	static const char *const of_address[] = { "address",          "serial",   "access_code",
		                                  "access_code_file", "pause_by", "ports" };
	static const char *const of_url[] = { "url",          "user",     "api_key",
		                              "api_key_file", "password", "password_file",
		                              "ca_file" };
	bool has_url = d->login != PRINTER_LOGIN_CODE;
	const char *const *wrong = has_url ? of_address : of_url;

	size_t n_wrong = has_url ? ARRAY_LEN(of_address) : ARRAY_LEN(of_url);

	for (size_t i = 0; i < n_wrong; i++) {
		const struct conf_node *e = conf_get(n, wrong[i]);

		if (e)
			conf_error(l->errors, e->line, "%s.%s: printers of the driver %s have %s",
			           path, wrong[i], d->name,
			           has_url ? "url, api_key, user and password instead"
			                   : "address, serial and access_code instead");
	}
	if (d->login == PRINTER_LOGIN_KEY && (has(n, "password") || conf_get(n, "user")))
		conf_error(l->errors, n->line, "%s: %s is logged in to with api_key alone", path,
		           d->name);
}

static void check_by_address(struct config_loading *l, const struct conf_node *n, const char *path,
                             const struct printer_config *p)
{
	if (!p->address[0])
		conf_error(l->errors, n->line, "%s.address: is missing; it must be text", path);
	if (!p->serial[0] && !conf_get(n, "serial"))
		conf_error(l->errors, n->line,
		           "%s.serial: is missing; it must be the serial number as the printer "
		           "shows it",
		           path);
	if (!secret_is_set(&p->access_code) && !conf_get(n, "access_code_file"))
		conf_error(l->errors, n->line,
		           "%s.access_code: is missing; it is on the printer's screen under "
		           "Settings, LAN only (or name a file in access_code_file)",
		           path);
}

int config_check_url(struct printer_config *p, struct err *err)
{
	struct url u = { 0 };
	int rc = url_parse(p->url, &u, err);

	if (rc == 0 && strcmp(u.scheme, "http") != 0 && strcmp(u.scheme, "https") != 0)
		rc = err_set(err, -EINVAL, "the address must begin with http:// or https://");
	if (rc == 0 && (u.user[0] || secret_is_set(&u.password)))
		rc = err_set(err, -EINVAL,
		             "write the login into user and password (or api_key), not into the "
		             "address");
	if (rc == 0 && strchr(u.path, '?'))
		rc = err_set(err, -EINVAL, "the address must end before the '?'");
	if (rc == 0) {
		for (size_t n = strlen(u.path); n > 0 && u.path[n - 1] == '/'; n--)
			u.path[n - 1] = '\0';
		TEXT_SET(p->address, u.host);
		(void)url_write(&u, p->url, sizeof(p->url));
	}
	url_fini(&u);
	return rc;
}

static void check_by_url(struct config_loading *l, const struct conf_node *n, const char *path,
                         struct printer_config *p, const struct printer_driver *d)
{
	struct err err = { 0 };
	bool has_secret = secret_is_set(&p->access_code);

	if (!p->url[0])
		conf_error(l->errors, n->line,
		           "%s.url: is missing; it must be the address of its page, as in "
		           "http://host:5000",
		           path);
	else if (config_check_url(p, &err) < 0)
		conf_error(l->errors, config_line_of(n, "url"), "%s.url: %s", path, err.text);
	if (!has_secret && d->login == PRINTER_LOGIN_KEY && !conf_get(n, "api_key_file"))
		conf_error(l->errors, n->line, "%s.api_key: is missing. %s", path, d->key_advice);
	if (!has_secret && d->login == PRINTER_LOGIN_ANY && !has(n, "api_key") &&
	    !has(n, "password"))
		conf_error(l->errors, n->line, "%s: api_key, or user and password, is missing. %s",
		           path, d->key_advice);
	if (has(n, "password") && !p->user[0])
		conf_error(l->errors, n->line, "%s.user: is missing; the password needs one", path);
	if (has(n, "api_key") && p->user[0])
		conf_error(l->errors, config_line_of(n, "user"),
		           "%s.user: goes with password, not with api_key; keep one of them", path);
}

void config_check_login(struct config_loading *l, const struct conf_node *n, const char *path,
                        struct printer_config *p)
{
	const struct printer_driver *d = printer_driver_find(p->driver);

	if (!d)
		return; /* said already */
	refuse_keys(l, n, path, d);
	if (d->login == PRINTER_LOGIN_CODE)
		check_by_address(l, n, path, p);
	else
		check_by_url(l, n, path, p, d);
}
