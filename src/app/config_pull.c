/* SPDX-License-Identifier: GPL-3.0-or-later */
/* config_pull: the key `pull`: from where films and captures come home. */

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

#define MAX_SECRET_FILE 4096

static int read_host_key(void *field, const char *text, struct err *err)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == '=')
		n--;
	if (!text_starts(text, "SHA256:") || n != strlen("SHA256:") + 43 ||
	    strspn(text + 7, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") !=
	            43)
		return err_set(
			err, -EINVAL,
			"'%.80s' must be SHA256: and 43 characters, as ssh-keygen -l shows it",
			text);
	text_copy_n(field, sizeof(((struct pull_source *)0)->host_key), text, n);
	return 0;
}

static const struct opt pull_opts[] = {
	{ "poll_interval", OPT_SPAN, OPT_AT(struct pull_config, poll_ms), "10m", 0, 7 * 86400e3,
	  .flags = OPT_RESTART,
	  .help = "How often the daemon looks for what is finished; 0: only 'bedside pull' does." },
	{ "into", OPT_TEXT, OPT_AT(struct pull_config, into), .flags = OPT_RESTART,
	  .help = "Folder for what is fetched, with one folder for each source; 'pulled' in the "
	          "data folder when absent." },
	{ "sources", OPT_NESTED, 0, 0, .help = "A list of rigs and hosts." },
};

static const struct opt source_opts[] = {
	{ "name", OPT_TEXT, OPT_AT(struct pull_source, name), .flags = OPT_REQUIRED,
	  .help = "What you call it; its folder is called so." },
	{ "url", OPT_TEXT, OPT_AT(struct pull_source, url), .flags = OPT_REQUIRED,
	  .help = "https://rig:8484 of another Bedside, or sftp://host:22 of any machine." },
	{ "delete", OPT_BOOL, OPT_AT(struct pull_source, deletes), "no",
	  .help = "Delete the original when its copy is on the disk here and its SHA-256 was "
	          "compared." },
	{ "api_key", OPT_SECRET, OPT_AT(struct pull_source, api_key),
	  .help = "Bedside: an API key made there, of the scope collect, or read where nothing is "
	          "deleted." },
	{ "api_key_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the key, instead of api_key." },
	{ "tls", OPT_OWN, OPT_AT(struct pull_source, trust), "ca", .read = config_read_trust,
	  .form = TRUST_FORM,
	  .help = "Bedside: how its certificate is judged: by the system's authorities, by its "
	          "fingerprint, or not at all." },
	{ "ca_file", OPT_NESTED, 0, 0,
	  .help = "Bedside: a PEM file of the authorities to trust instead of the system's." },
	{ "films", OPT_BOOL, OPT_AT(struct pull_source, wants_films), "yes",
	  .help = "Bedside: fetch finished films." },
	{ "captures", OPT_BOOL, OPT_AT(struct pull_source, wants_captures), "yes",
	  .help = "Bedside: fetch captured layers with their metadata." },
	{ "user", OPT_TEXT, OPT_AT(struct pull_source, user), .help = "SFTP: who logs in." },
	{ "folders", OPT_NESTED, 0, 0,
	  .help = "SFTP: list of folders over there, absolute or below the user's home." },
	{ "types", OPT_NESTED, 0, 0,
	  .help = "SFTP: list of endings of the files that are fetched; mp4, mov, mkv, avi, webm, "
	          "jpg, "
	          "jpeg, png, json, tar and zip when absent, '*' for all." },
	{ "key_file", OPT_NESTED, 0, 0,
	  .help = "SFTP: private key; id_ed25519, id_ecdsa or id_rsa of ~/.ssh when absent." },
	{ "key_passphrase", OPT_SECRET, OPT_AT(struct pull_source, passphrase),
	  .help = "SFTP: passphrase of the key." },
	{ "key_passphrase_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the passphrase, instead of key_passphrase." },
	{ "agent", OPT_BOOL, OPT_AT(struct pull_source, uses_agent), "no",
	  .help = "SFTP: keys of the ssh-agent, too." },
	{ "password", OPT_SECRET, OPT_AT(struct pull_source, password),
	  .help = "SFTP: password of the user, where there is no key." },
	{ "password_file", OPT_NESTED, 0, 0,
	  .help = "A file that holds the password, instead of password." },
	{ "host_key", OPT_OWN, OPT_AT(struct pull_source, host_key), .read = read_host_key,
	  .form = "SHA256: and 43 characters",
	  .help = "SFTP: fingerprint of the host's key, as ssh-keygen -l shows it there; when "
	          "absent it must stand in known_hosts." },
	{ "known_hosts", OPT_NESTED, 0, 0,
	  .help = "SFTP: file of host keys; ~/.ssh/known_hosts when absent." },
	{ "settle", OPT_SPAN, OPT_AT(struct pull_source, settle_ms), "10s", 0, 3600e3,
	  .help = "SFTP: a file whose size or time changes within so long is still being "
	          "written." },
	{ "verify", OPT_BOOL, OPT_AT(struct pull_source, verifies), "no",
	  .help = "SFTP: read each file twice and compare, as is always done before deleting." },
};

const struct config_table config_pull_table = { pull_opts, ARRAY_LEN(pull_opts) };
const struct config_table config_pull_source_table = { source_opts, ARRAY_LEN(source_opts) };

/* ---- reading ---- */

/* "api_key_file" and its like, into the secret; only where the secret itself is not written. */
static void read_secret(struct config_loading *l, const struct conf_node *n, const char *path,
                        const char *key, struct secret *ret)
{
	char name[40], file[1024];
	const struct conf_node *e;
	struct err err = { 0 };
	struct buf b;

	(void)snprintf(name, sizeof(name), "%s_file", key);
	e = conf_get(n, name);
	if (!e)
		return;
	if (e->kind != CONF_SCALAR || conf_get(n, key)) {
		conf_error(l->errors, e->line, "%s.%s: %s", path, name,
		           e->kind != CONF_SCALAR
		                   ? "must be the path of a file"
		                   : "the secret itself is set too; keep one of them");
		return;
	}
	config_resolve_path(l, e->text, file, sizeof(file));
	if (fs_read(file, MAX_SECRET_FILE, &b, &err) < 0) {
		conf_error(l->errors, e->line, "%s.%s: %s", path, name, err.text);
		return;
	}
	buf_add_char(&b, '\0');
	b.data[strcspn(b.data, "\r\n")] = '\0';
	if (b.data[0])
		secret_set(ret, b.data);
	else
		conf_error(l->errors, e->line, "%s.%s: %s is empty", path, name, file);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
}

static bool read_path(struct config_loading *l, const struct conf_node *n, const char *path,
                      const char *key, char *dst, size_t size)
{
	const struct conf_node *e = conf_get(n, key);

	if (!e)
		return false;
	if (e->kind != CONF_SCALAR)
		conf_error(l->errors, e->line, "%s.%s: must be the path of a file", path, key);
	else
		config_resolve_path(l, e->text, dst, size);
	return true;
}

/* OpenSSH's own places. */
static void find_ssh_files(struct pull_source *s, bool has_key, bool has_hosts)
{
	static const char *const keys[] = { "id_ed25519", "id_ecdsa", "id_rsa" };
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe) at start */

	if (!home)
		return;
	if (!has_hosts)
		(void)snprintf(s->known_hosts, sizeof(s->known_hosts), "%.900s/.ssh/known_hosts",
		               home);
	for (size_t i = 0; i < ARRAY_LEN(keys) && !has_key && !secret_is_set(&s->password); i++) {
		(void)snprintf(s->key_file, sizeof(s->key_file), "%.900s/.ssh/%s", home, keys[i]);
		if (access(s->key_file, R_OK) == 0)
			return;
		s->key_file[0] = '\0';
	}
}

static void check_folders(struct config_loading *l, const struct conf_node *n, const char *path,
                          struct pull_source *s)
{
	int line = config_line_of(n, "folders");

	if (s->n_folders == 0)
		conf_error(l->errors, n->line,
		           "%s.folders: is missing; name the folders over there", path);
	for (unsigned i = 0; i < s->n_folders; i++) {
		char *f = s->folders[i];

		for (size_t end = strlen(f); end > 1 && f[end - 1] == '/'; end--)
			f[end - 1] = '\0';
		if (strcmp(f, "/") == 0 || strstr(f, "..") || strncmp(f, "~", 1) == 0)
			conf_error(l->errors, line,
			           "%s.folders: '%s' must be a folder: absolute, or below the home "
			           "of the user (without ~)",
			           path, f);
		for (unsigned k = 0; k < i; k++) {
			const char *a = strrchr(s->folders[k], '/'), *b = strrchr(f, '/');

			if (strcmp(a ? a + 1 : s->folders[k], b ? b + 1 : f) == 0)
				conf_error(l->errors, line,
				           "%s.folders: two folders called '%s' would be one here; "
				           "make two sources of them",
				           path, b ? b + 1 : f);
		}
	}
}

static void read_sftp(struct config_loading *l, const struct conf_node *n, const char *path,
                      struct pull_source *s)
{
	static const char *const usual[] = { "mp4",  "mov", "mkv",  "avi", "webm", "jpg",
		                             "jpeg", "png", "json", "tar", "zip" };
	char where[160];
	bool has_key = read_path(l, n, path, "key_file", s->key_file, sizeof(s->key_file));
	bool has_hosts =
		read_path(l, n, path, "known_hosts", s->known_hosts, sizeof(s->known_hosts));

	(void)snprintf(where, sizeof(where), "%.120s.folders", path);
	s->n_folders = config_read_texts(l, conf_get(n, "folders"), where, s->folders[0],
	                                 sizeof(s->folders[0]), PULL_MAX_FOLDERS);
	(void)snprintf(where, sizeof(where), "%.120s.types", path);
	s->n_types = config_read_texts(l, conf_get(n, "types"), where, s->types[0],
	                               sizeof(s->types[0]), PULL_MAX_TYPES);
	for (size_t i = 0; !conf_get(n, "types") && i < ARRAY_LEN(usual); i++)
		TEXT_SET(s->types[i], usual[i]);
	if (!conf_get(n, "types"))
		s->n_types = ARRAY_LEN(usual);
	if (s->n_types == 1 && strcmp(s->types[0], "*") == 0)
		s->n_types = 0;
	check_folders(l, n, path, s);
	find_ssh_files(s, has_key, has_hosts);
	if (!s->user[0])
		conf_error(l->errors, n->line, "%s.user: is missing; it must be who logs in", path);
	if (!s->key_file[0] && !s->uses_agent && !secret_is_set(&s->password) && l->errors->n == 0)
		conf_error(l->errors, n->line,
		           "%s.key_file: is missing, and there is no key in ~/.ssh; name one, or "
		           "write agent: yes, or a password_file",
		           path);
}

/* Keys of the other kind of source would be believed and do nothing. */
static void refuse_keys(struct config_loading *l, const struct conf_node *n, const char *path,
                        bool is_sftp)
{
	static const char *const of_rigs[] = { "api_key", "api_key_file", "tls",
		                               "ca_file", "films",        "captures" };
	static const char *const of_sftp[] = { "user",     "folders",        "types",
		                               "key_file", "key_passphrase", "key_passphrase_file",
		                               "agent",    "password",       "password_file",
		                               "host_key", "known_hosts",    "settle",
		                               "verify" };
	const char *const *wrong = is_sftp ? of_rigs : of_sftp;
	size_t n_wrong = is_sftp ? ARRAY_LEN(of_rigs) : ARRAY_LEN(of_sftp);

	for (size_t i = 0; i < n_wrong; i++)
		if (conf_get(n, wrong[i]))
			conf_error(l->errors, config_line_of(n, wrong[i]), "%s.%s: is of %s", path,
			           wrong[i],
			           is_sftp ? "rigs (https://), not of SFTP" : "SFTP, not of rigs");
}

static bool is_this_machine(const char *host)
{
	return strcmp(host, "localhost") == 0 || text_starts(host, "127.") ||
	       strcmp(host, "::1") == 0;
}

static void check_url(struct config_loading *l, const struct conf_node *n, const char *path,
                      struct pull_source *s)
{
	int line = config_line_of(n, "url");
	struct url u = { 0 };
	struct err err = { 0 };

	if (url_parse(s->url, &u, &err) < 0) {
		conf_error(l->errors, line, "%s.url: %s", path, err.text);
		url_fini(&u);
		return;
	}
	s->is_sftp = strcmp(u.scheme, "sftp") == 0;
	if (!s->is_sftp && strcmp(u.scheme, "https") != 0 && strcmp(u.scheme, "http") != 0)
		conf_error(l->errors, line, "%s.url: must begin with https:// or sftp://", path);
	if (secret_is_set(&u.password) || (u.user[0] && (!s->is_sftp || s->user[0])))
		conf_error(l->errors, line,
		           "%s.url: the login does not belong into the address: write user, and "
		           "password_file or api_key_file",
		           path);
	else if (u.user[0])
		TEXT_SET(s->user, u.user);
	if (strcmp(u.scheme, "http") == 0 && !is_this_machine(u.host) &&
	    s->trust.mode != TRUST_INSECURE)
		conf_error(
			l->errors, line,
			"%s.url: the key would go over the network readable for everybody: switch "
			"web.tls on at the rig and write https://, or tls: insecure if you must",
			path);
	if (s->is_sftp && strcmp(u.path, "/") != 0 && u.path[0])
		conf_error(l->errors, line, "%s.url: write the folder into folders", path);
	for (size_t end = strlen(u.path); end > 0 && u.path[end - 1] == '/'; end--)
		u.path[end - 1] = '\0';
	(void)url_write(&u, s->url, sizeof(s->url));
	url_fini(&u);
	refuse_keys(l, n, path, s->is_sftp);
}

static void read_source(struct config_loading *l, const struct conf_node *n, const char *path)
{
	struct pull_config *c = &l->config->pull;
	struct pull_source *s;
	unsigned before = l->errors->n;

	if (c->n_sources >= PULL_MAX_SOURCES) {
		conf_error(l->errors, n->line, "%s: there may be at most %d", path,
		           PULL_MAX_SOURCES);
		return;
	}
	c->sources = mem_grow(c->sources, c->n_sources + 1, sizeof(*c->sources));
	s = &c->sources[c->n_sources++];
	*s = (struct pull_source){ 0 };
	opt_defaults(source_opts, ARRAY_LEN(source_opts), s);
	opt_read(source_opts, ARRAY_LEN(source_opts), n, path, s, l->errors);
	read_secret(l, n, path, "api_key", &s->api_key);
	read_secret(l, n, path, "key_passphrase", &s->passphrase);
	read_secret(l, n, path, "password", &s->password);
	(void)read_path(l, n, path, "ca_file", s->trust.ca_file, sizeof(s->trust.ca_file));
	text_slug(s->id, sizeof(s->id), s->name);
	for (size_t i = 0; i + 1 < c->n_sources; i++)
		if (strcmp(c->sources[i].id, s->id) == 0)
			conf_error(l->errors, config_line_of(n, "name"),
			           "%s.name: '%s' and '%s' would have one folder", path, s->name,
			           c->sources[i].name);
	if (l->errors->n > before)
		return;
	check_url(l, n, path, s);
	if (l->errors->n == before && s->is_sftp)
		read_sftp(l, n, path, s);
	log_hide(secret_peek(&s->api_key));
	log_hide(secret_peek(&s->passphrase));
	log_hide(secret_peek(&s->password));
}

static void read_sources(struct config_loading *l, const struct conf_node *list)
{
	unsigned i = 0;
	char path[48];

	if (list && list->kind != CONF_LIST) {
		conf_error(l->errors, list->line,
		           "pull.sources: must be a list; begin each entry with '- name:'");
		return;
	}
	for (const struct conf_node *e = list ? list->first : NULL; e; e = e->next) {
		(void)snprintf(path, sizeof(path), "pull.sources[%u]", i++);
		read_source(l, e, path);
	}
}

void config_read_pull(struct config_loading *l, const struct conf_node *root)
{
	struct pull_config *c = &l->config->pull;
	const struct conf_node *n = conf_get(root, "pull");
	char written[PULL_PATH_SIZE];

	opt_defaults(pull_opts, ARRAY_LEN(pull_opts), c);
	opt_read(pull_opts, ARRAY_LEN(pull_opts), n, "pull", c, l->errors);
	if (n && n->kind == CONF_MAP)
		read_sources(l, conf_get(n, "sources"));
	if (c->into[0]) {
		TEXT_SET(written, c->into);
		config_resolve_path(l, written, c->into, sizeof(c->into));
	} else {
		(void)snprintf(c->into, sizeof(c->into), "%.1000s/pulled", l->config->data_dir);
	}
}

void config_fini_pull(struct pull_config *c)
{
	for (size_t i = 0; i < c->n_sources; i++)
		pull_source_fini(&c->sources[i]);
	free(c->sources);
}
