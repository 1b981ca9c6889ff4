/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cameras of the page: cameras.d/<id>.yaml, each with the keys of a camera in bedside.yaml. The
 * text is written key by key from JSON, whose values are YAML as well, and read back by the same
 * reader before it is kept: what the next start would refuse is refused now, with its sentence.
 */

#include "app/config_priv.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/log.h"
#include "wire/url.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHERE "camera"
#define ENDING ".yaml"

/* ---- reading cameras.d ---- */

static bool runs_program(const struct camera_config *c)
{
	/* rpicam's first is the program, "" for the usual one. */
	return strcmp(c->driver, "exec") == 0 || c->n_args > 1 || (c->n_args == 1 && c->args[0][0]);
}

/* Whoever may change cameras on the page, or put back a backup, may not thereby run programs. */
static void drop_program(struct config *c)
{
	struct camera_config *last = c->n_cameras ? &c->cameras[c->n_cameras - 1] : NULL;

	if (!last || last->origin != CAMERA_OF_PAGE || !runs_program(last) || c->web.has_programs)
		return;
	log_warn(NULL, "camera '%s' is left out: " CONFIG_NO_PROGRAMS, last->name);
	camera_config_fini(last);
	c->n_cameras--;
}

static void read_one(struct config_loading *l, const char *path, const char *id)
{
	auto_buf struct buf b = { 0 };
	struct err err = { 0 };

	TEXT_SET(l->errors->file, path);
	if (fs_read(path, CONF_MAX_BYTES, &b, &err) < 0) {
		conf_error(l->errors, 0, "%s", err.text);
		return;
	}

	struct conf_node *n = conf_parse(path, buf_peek(&b), b.size, l->errors);

	l->camera_id = id;
	if (n)
		config_read_camera(l, n, WHERE);
	l->camera_id = NULL;
	conf_free(n);
	if (b.data)
		secret_wipe(b.data, b.size);
	drop_program(l->config);
}

static int is_camera_file(const struct dirent *d)
{
	return d->d_name[0] != '.' && text_ends(d->d_name, ENDING);
}

void config_read_added_cameras(struct config_loading *l)
{
	auto_free char *dir = mem_printf("%s/cameras.d", l->config->data_dir);
	struct dirent **names = NULL;
	int n = scandir(dir, &names, is_camera_file, alphasort);

	for (int i = 0; i < n; i++) {
		auto_free char *path = mem_printf("%s/%s", dir, names[i]->d_name);
		char id[MODEL_ID_SIZE], plain[MODEL_ID_SIZE];
		bool fits = text_copy_n(id, sizeof(id), names[i]->d_name,
		                        strlen(names[i]->d_name) - strlen(ENDING));

		text_slug(plain, sizeof(plain), id);
		/* It becomes part of paths and addresses. */
		if (fits && strcmp(id, plain) == 0)
			read_one(l, path, id);
		else
			log_warn(NULL,
			         "%s is left out: its name must be small letters, digits and "
			         "dashes",
			         path);
		free(names[i]);
	}
	free(names);
}

/* ---- writing ---- */

/* As texts, whatever they mean: the reader knows. */
static json_t *json_of(const struct conf_node *n)
{
	json_t *j;

	switch (n->kind) {
	case CONF_MAP:
		j = json_object();
		for (const struct conf_node *e = n->first; e; e = e->next)
			json_object_set_new(j, e->key, json_of(e));
		return j;
	case CONF_LIST:
		j = json_array();
		for (const struct conf_node *e = n->first; e; e = e->next)
			json_array_append_new(j, json_of(e));
		return j;
	case CONF_SCALAR:
		break;
	}
	return json_string(n->text);
}

static json_t *read_known(const char *path, struct err *err)
{
	auto_buf struct buf b = { 0 };
	struct conf_errors *errors;
	struct conf_node *n;
	json_t *j = NULL;

	if (fs_read(path, CONF_MAX_BYTES, &b, err) < 0)
		return NULL;
	errors = MEM_NEW(struct conf_errors);
	n = conf_parse(path, buf_peek(&b), b.size, errors);
	if (n && n->kind == CONF_MAP)
		j = json_of(n);
	else
		(void)err_set(err, -EBADMSG, "%s", errors->texts[0]);
	conf_free(n);
	free(errors);
	secret_wipe(b.data, b.size);
	return j;
}

/* "poll_ms": 500 of the interface is "poll: 500ms" of the file; controls are a map there. */
static void put_setting(json_t *into, const char *key, const json_t *v)
{
	size_t n = strlen(key);
	char name[48];

	if (json_is_integer(v) && text_ends(key, "_ms") &&
	    text_copy_n(name, sizeof(name), key, n - 3)) {
		char text[32];

		snprintf(text, sizeof(text), "%lldms", (long long)json_integer_value(v));
		json_object_set_new(into, name, json_string(text));
	} else if (strcmp(key, "controls") == 0 && json_is_array(v)) {
		json_t *map = json_object();

		for (size_t i = 0; i < json_array_size(v); i++) {
			const char *pair = json_string_value(json_array_get(v, i));
			size_t size = pair ? strcspn(pair, "=") : 0;

			if (size > 0 && pair[size] == '=' &&
			    text_copy_n(name, sizeof(name), pair, size))
				json_object_set_new(map, name, json_string(pair + size + 1));
		}
		json_object_set_new(into, key, map);
	} else {
		json_object_set(into, key, (json_t *)(uintptr_t)v);
	}
}

static bool says_nothing(const json_t *v)
{
	return json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0);
}

/* null, "" and [] take a key away. */
static void merge(json_t *into, const json_t *changes)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach((json_t *)(uintptr_t)changes, key, v)
	{
		if (json_is_null(v) && text_ends(key, "_ms")) {
			char name[48] = "";

			text_copy_n(name, sizeof(name), key, strlen(key) - 3);
			json_object_del(into, name);
		}
		put_setting(into, key, v);
	}
	json_object_foreach_safe(into, next, key, v)
	{
		if (says_nothing(v))
			json_object_del(into, key);
	}
	/* The page names them all in `printers`. */
	if (json_object_get(into, "printers"))
		json_object_del(into, "printer");
}

static void write_settings(const json_t *settings, struct buf *out)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)settings, key, v)
	{
		char *text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));

		buf_printf(out, "%s: %s\n", key, text ? text : "\"\"");
		if (text)
			secret_wipe(text, strlen(text));
		free(text);
	}
}

/* "the camera:3: camera.source: is missing; …" without its beginning; the key into `field`. */
static void explain(const char *told, char field[CONFIG_FIELD_SIZE], struct err *err)
{
	const char *at = strstr(told, WHERE ".");
	size_t n;

	field[0] = '\0';
	if (!at) {
		(void)err_set(err, -EINVAL, "%s", told);
		return;
	}
	at += strlen(WHERE ".");
	n = strcspn(at, ":[. ");
	text_copy_n(field, CONFIG_FIELD_SIZE, at, n);
	(void)err_set(err, -EINVAL, "%s", at);
}

/* What the reader makes of the text. */
static int judge(const struct config *c, const struct buf *text, const char *id,
                 struct camera_config *ret, char field[CONFIG_FIELD_SIZE], struct err *err)
{
	auto_free struct conf_errors *errors = MEM_NEW(struct conf_errors);
	auto_free struct config *fresh = MEM_NEW(struct config);
	struct config_loading l = { .config = fresh, .errors = errors, .camera_id = id };
	struct conf_node *n = conf_parse("the camera", buf_peek(text), text->size, errors);
	int rc = 0;

	/* Relative paths begin where they do at the next start. */
	TEXT_SET(fresh->path, c->path);
	TEXT_SET(fresh->data_dir, c->data_dir);
	if (n)
		config_read_camera(&l, n, WHERE);
	if (errors->n > 0) {
		rc = -EINVAL;
		explain(errors->texts[0], field, err);
	} else if (fresh->n_cameras != 1 || !fresh->cameras[0].id[0]) {
		rc = err_set(err, -EINVAL, "the name needs letters or digits");
		text_copy(field, CONFIG_FIELD_SIZE, "name");
	} else if (runs_program(&fresh->cameras[0]) && !c->web.has_programs) {
		rc = err_set(err, -EPERM, CONFIG_NO_PROGRAMS);
		text_copy(field, CONFIG_FIELD_SIZE, "driver");
	} else {
		camera_config_copy(ret, &fresh->cameras[0]);
		ret->origin = CAMERA_OF_PAGE;
	}
	conf_free(n);
	config_fini(fresh);
	return rc;
}

/* Of the two the one is set: a camera that is there, or the ids that a new one cannot have. */
struct saving {
	const struct config *config;
	const char *id;
	const struct config_taken *taken;
};

static int save(const struct saving *s, const json_t *settings, struct camera_config *ret,
                char field[CONFIG_FIELD_SIZE], struct err *err)
{
	auto_free char *dir = mem_printf("%s/cameras.d", s->config->data_dir);
	struct buf b;
	int rc;

	buf_init(&b, CONF_MAX_BYTES);
	write_settings(settings, &b);
	rc = judge(s->config, &b, s->id, ret, field, err);
	if (rc == 0 && s->taken && s->taken->has(s->taken->arg, ret->id)) {
		rc = err_set(err, -EEXIST, "there is a camera or a printer called '%s' already",
		             ret->name);
		text_copy(field, CONFIG_FIELD_SIZE, "name");
	}
	if (rc == 0)
		rc = fs_make_dirs(dir, err);
	if (rc == 0) {
		auto_free char *path = mem_printf("%s/%s" ENDING, dir, ret->id);

		rc = fs_write_atomic(path, b.data, b.size, 0600, err);
	}
	secret_wipe(b.data, b.size);
	buf_fini(&b);
	if (rc < 0)
		camera_config_fini(ret);
	return rc;
}

int config_add_camera(const struct config *c, const json_t *settings,
                      const struct config_taken *taken, struct camera_config *ret,
                      char field[CONFIG_FIELD_SIZE], struct err *err)
{
	const struct saving s = { .config = c, .taken = taken };
	json_t *all = json_object();
	int rc;

	field[0] = '\0';
	*ret = (struct camera_config){ 0 };
	merge(all, settings);
	rc = save(&s, all, ret, field, err);
	json_decref(all);
	return rc;
}

int config_try_camera(const struct config *c, const json_t *settings, struct camera_config *ret,
                      char field[CONFIG_FIELD_SIZE], struct err *err)
{
	json_t *all = json_object();
	struct buf b;
	int rc;

	field[0] = '\0';
	*ret = (struct camera_config){ 0 };
	merge(all, settings);
	buf_init(&b, CONF_MAX_BYTES);
	write_settings(all, &b);
	json_decref(all);
	rc = judge(c, &b, NULL, ret, field, err);
	secret_wipe(b.data, b.size);
	buf_fini(&b);
	return rc;
}

static bool has_login(const json_t *settings)
{
	const char *source = json_string_value(json_object_get(settings, "source"));
	struct url u = { 0 };
	bool has =
		json_object_get(settings, "password") || json_object_get(settings, "password_file");

	if (source && url_parse(source, &u, NULL) == 0)
		has |= secret_is_set(&u.password);
	url_fini(&u);
	return has;
}

static bool is_same_place(const char *a, const char *b)
{
	struct url u = { 0 }, v = { 0 };
	bool is_same = url_parse(a, &u, NULL) == 0 && url_parse(b, &v, NULL) == 0 &&
	               strcmp(u.scheme, v.scheme) == 0 && text_equal_nocase(u.host, v.host) &&
	               u.port == v.port;

	url_fini(&u);
	url_fini(&v);
	return is_same;
}

/* A stored password is shown to nobody, so it does not follow the camera to another host either. */
static bool takes_password_away(const json_t *known, const json_t *changes)
{
	const char *from = json_string_value(json_object_get(known, "source"));
	const char *to = json_string_value(json_object_get(changes, "source"));

	return from && to && has_login(known) && !has_login(changes) && !is_same_place(from, to);
}

int config_change_camera(const struct config *c, const char *id, const json_t *settings,
                         struct camera_config *ret, char field[CONFIG_FIELD_SIZE], struct err *err)
{
	auto_free char *path = mem_printf("%s/cameras.d/%s" ENDING, c->data_dir, id);
	const struct saving s = { .config = c, .id = id };
	json_t *all = read_known(path, err);
	int rc;

	field[0] = '\0';
	*ret = (struct camera_config){ 0 };
	if (!all)
		return err_set(err, -EPERM, "'%s' stands in %s: change it there and restart", id,
		               c->path[0] ? c->path : "the configuration");
	if (takes_password_away(all, settings)) {
		text_copy(field, CONFIG_FIELD_SIZE, "password");
		rc = err_set(err, -EINVAL,
		             "the address is another one: give the password for it again, or take "
		             "the password away");
	} else {
		merge(all, settings);
		rc = save(&s, all, ret, field, err);
	}
	json_decref(all);
	return rc;
}

int config_remove_camera(const struct config *c, const char *id, struct err *err)
{
	auto_free char *path = mem_printf("%s/cameras.d/%s" ENDING, c->data_dir, id);

	if (access(path, F_OK) != 0)
		return err_set(err, -EPERM, "'%s' stands in %s: remove it there and restart", id,
		               c->path[0] ? c->path : "the configuration");
	return fs_remove(path, err);
}
