/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "wire/ls_line.h"
#include "wire/remote.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LISTING ((size_t)32 << 20)
#define MAX_ITEMS 200000
#define MAX_DEPTH 16
#define PAGE 500
#define MAX_PAGES 2000

struct pull_item *pull_add_item(struct pull *p)
{
	if (p->n_items == p->cap_items) {
		p->cap_items = p->cap_items ? 2 * p->cap_items : 64;
		p->items = mem_grow(p->items, p->cap_items, sizeof(*p->items));
	}
	p->items[p->n_items] = (struct pull_item){ 0 };
	return &p->items[p->n_items++];
}

void pull_add_file(struct pull_item *it, const struct pull_file *f)
{
	struct pull_file *new;

	it->files = mem_grow(it->files, it->n + 1, sizeof(*it->files));
	new = &it->files[it->n++];
	*new = *f;
	new->path = mem_str(f->path);
	new->where = mem_str(f->where);
}

static void refuse(struct pull *p, const char *path)
{
	char shown[300];

	TEXT_SET(shown, path);
	text_clean(shown);
	p->result->n_refused++;
	pull_say(p, PULL_REFUSED, shown, 0, "a name like this is not taken");
}

/* ---- SFTP ---- */

struct walk {
	struct pull *p;
	unsigned depth;
	char dir[PULL_PATH_SIZE];  /* over there */
	char path[PULL_PATH_SIZE]; /* below the source's folder */
};

static int walk_folder(struct walk *w, struct err *err);

static int walk_entry(struct walk *w, const struct ls_line *l, struct err *err)
{
	struct walk below = { .p = w->p, .depth = w->depth + 1 };
	struct pull_file f = {
		.path = below.path, .where = below.dir, .size = l->size, .modified_s = -1
	};
	enum pull_path_verdict v;
	struct pull_item *it;

	if (strcmp(l->name, ".") == 0 || strcmp(l->name, "..") == 0 || l->kind == LS_OTHER)
		return 0;
	if (snprintf(below.path, sizeof(below.path), "%s/%s", w->path, l->name) >=
	            (int)sizeof(below.path) ||
	    snprintf(below.dir, sizeof(below.dir), "%s/%s", w->dir, l->name) >=
	            (int)sizeof(below.dir)) {
		refuse(w->p, l->name);
		return 0;
	}
	v = pull_path_judge(below.path);
	if (v == PULL_PATH_HOSTILE)
		refuse(w->p, below.path);
	if (v != PULL_PATH_FINE)
		return 0;
	if (l->kind == LS_FOLDER)
		return walk_folder(&below, err);
	if (!pull_path_has_type(w->p->source, l->name))
		return 0;
	if (w->p->n_items >= MAX_ITEMS)
		return err_set(err, -E2BIG, "there are more than %d files: name other folders",
		               MAX_ITEMS);
	TEXT_SET(f.date, l->date);
	it = pull_add_item(w->p);
	it->remover = mem_str(below.dir);
	pull_add_file(it, &f);
	w->p->result->n_found++;
	return 0;
}

static int walk_folder(struct walk *w, struct err *err)
{
	struct buf b;
	struct ls_line l;
	int rc;

	if (w->depth > MAX_DEPTH) {
		refuse(w->p, w->path);
		return 0;
	}
	rc = remote_text(w->p->remote, w->dir, MAX_LISTING, &b, err);
	if (rc < 0)
		return rc;
	for (const char *line = buf_peek(&b), *end; rc == 0 && (end = strchr(line, '\n'));
	     line = end + 1)
		if (ls_line_parse(line, (size_t)(end - line), &l))
			rc = walk_entry(w, &l, err);
	buf_fini(&b);
	return rc;
}

int pull_list_sftp(struct pull *p, struct err *err)
{
	for (unsigned i = 0; i < p->source->n_folders; i++) {
		const char *folder = p->source->folders[i], *slash = strrchr(folder, '/');
		const size_t n_before = p->n_items;
		struct walk w = { .p = p };
		struct err why = { 0 };
		int rc;

		(void)snprintf(w.dir, sizeof(w.dir), "%s%s", folder[0] == '/' ? "" : "/~/", folder);
		TEXT_SET(w.path, slash ? slash + 1 : folder);
		for (unsigned tries = 0;; tries++) {
			rc = walk_folder(&w, &why);
			if (rc != -EIO || tries == 3 || !pull_wait(p, 500))
				break;
			/* The connection was cut: this folder once more, from its beginning. */
			for (; p->n_items > n_before; p->n_items--) {
				struct pull_item *it = &p->items[p->n_items - 1];

				p->result->n_found--;
				free(it->files[0].path);
				free(it->files[0].where);
				free(it->files);
				free(it->remover);
			}
		}
		if (rc < 0 && (pull_is_fatal(rc) || rc == -EIO)) {
			if (err)
				*err = why;
			return rc;
		}
		if (rc < 0)
			pull_failed(p, folder, &why);
	}
	return 0;
}

/* ---- a rig ---- */

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* A digest, or "". */
static void read_digest(char dst[CRYPTO_HEX_SIZE], const char *text)
{
	uint8_t bytes[CRYPTO_SHA256_SIZE];

	dst[0] = '\0';
	if (strlen(text) == CRYPTO_HEX_SIZE - 1 && text_unhex(bytes, sizeof(bytes), text))
		text_hex(dst, bytes, sizeof(bytes));
}

static uint64_t bytes_of(const json_t *o)
{
	json_int_t n = json_integer_value(json_object_get(o, "bytes"));

	return n > 0 ? (uint64_t)n : 0;
}

static int64_t time_of(const json_t *o, const char *key)
{
	int64_t ms;

	return when_from_iso(text_of(o, key), &ms) ? ms / 1000 : -1;
}

static bool take_path(struct pull *p, const char *path)
{
	enum pull_path_verdict v = path[0] ? pull_path_judge(path) : PULL_PATH_UNFINISHED;

	if (v == PULL_PATH_HOSTILE)
		refuse(p, path);
	return v == PULL_PATH_FINE;
}

static int ask_json(struct pull *p, const char *path, json_t **ret, struct err *err)
{
	struct buf b;
	int rc = -EIO;

	for (unsigned tries = 0; tries < 4; tries++) {
		rc = remote_text(p->remote, path, MAX_LISTING, &b, err);
		if (rc != -EIO && rc != -EBUSY)
			break;
		if (!pull_wait(p, 500))
			return err_set(err, -ECANCELED, "ended");
	}
	if (rc < 0)
		return rc;
	*ret = json_loadb(buf_peek(&b), b.size, 0, NULL);
	buf_fini(&b);
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		return err_set(err, -EBADMSG,
		               "what answers at %s is no Bedside: is the address right?",
		               remote_peer(p->remote));
	}
	return 0;
}

static int add_film(struct pull *p, const json_t *film, struct err *err)
{
	const char *id = text_of(film, "id"), *path = text_of(film, "file");
	struct pull_file f = { .size = bytes_of(film), .modified_s = time_of(film, "made_at") };
	char where[200], remover[200];
	struct pull_item *it;

	(void)err;
	if (!json_is_true(json_object_get(film, "is_finished")) || !id_is_valid(id) || f.size == 0)
		return 0;
	p->result->n_found++;
	if (!take_path(p, path))
		return 0;
	read_digest(f.sha256, text_of(film, "sha256"));
	(void)snprintf(where, sizeof(where), "/api/v1/films/%s/video", id);
	(void)snprintf(remover, sizeof(remover), "/api/v1/films/%s%s%s", id,
	               f.sha256[0] ? "?sha256=" : "", f.sha256);
	f.path = mem_str(path);
	f.where = where;
	it = pull_add_item(p);
	it->remover = mem_str(remover);
	pull_add_file(it, &f);
	free(f.path);
	return 0;
}

static void add_below(struct pull *p, struct pull_item *it, const char *folder, const char *name,
                      const struct pull_file *f)
{
	char path[PULL_PATH_SIZE];
	struct pull_file below = *f;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (!name[0] || !take_path(p, path)) {
		it->is_partial = true;
		return;
	}
	below.path = path;
	pull_add_file(it, &below);
}

/* The pictures of a capture and what is told of them. */
static void add_pictures(struct pull *p, struct pull_item *it, const json_t *cap)
{
	const char *id = text_of(cap, "id"), *folder = text_of(cap, "folder");
	const json_t *pic;
	char where[200];
	size_t i;

	json_array_foreach(json_object_get(cap, "pictures"), i, pic)
	{
		struct pull_file f = { .where = where,
			               .size = bytes_of(pic),
			               .modified_s = time_of(pic, "at") };

		(void)snprintf(where, sizeof(where), "/api/v1/captures/%s/pictures/%zu", id, i);
		read_digest(f.sha256, text_of(pic, "sha256"));
		add_below(p, it, folder, text_of(pic, "file"), &f);
	}

	struct pull_file meta = { .where = where, .modified_s = time_of(cap, "ended_at") };

	(void)snprintf(where, sizeof(where), "/api/v1/captures/%s/metadata", id);
	read_digest(meta.sha256, text_of(cap, "metadata_sha256"));
	meta.size = (uint64_t)json_integer_value(json_object_get(cap, "metadata_bytes"));
	if (meta.sha256[0])
		add_below(p, it, folder, text_of(cap, "metadata"), &meta);
	else if (text_of(cap, "metadata")[0])
		it->is_partial = true;
}

static int add_capture(struct pull *p, const json_t *cap, struct err *err)
{
	const char *id = text_of(cap, "id");
	json_int_t n = json_integer_value(json_object_get(cap, "n_pictures"));
	char path[100];
	const struct pull_entry *e;
	struct pull_item *it;
	json_t *whole = NULL;
	int rc;

	if (!json_is_true(json_object_get(cap, "is_finished")) || !id_is_valid(id) || n <= 0)
		return 0;
	(void)snprintf(path, sizeof(path), "#capture %s", id);
	e = pull_index_find(p->index, path);
	if (e && !p->source->deletes && !p->how->again) {
		p->result->n_found += (unsigned)n;
		p->result->n_known += (unsigned)n;
		return 0;
	}

	struct pull_item item = { .is_done = e, .unit = mem_str(path) };

	(void)snprintf(path, sizeof(path), "/api/v1/captures/%s", id);
	rc = ask_json(p, path, &whole, err);
	if (rc < 0) {
		free(item.unit);
		return rc == -ENOENT ? 0 : rc; /* deleted meanwhile */
	}
	item.remover = mem_str(path);
	add_pictures(p, &item, whole);
	json_decref(whole);
	p->result->n_found += (unsigned)item.n;
	it = pull_add_item(p);
	*it = item;
	return 0;
}

static int list_pages(struct pull *p, const char *noun,
                      int (*add)(struct pull *p, const json_t *o, struct err *err), struct err *err)
{
	char path[200], before[ID_SIZE] = "";
	int rc = 0;

	for (unsigned page = 0; rc == 0 && page < MAX_PAGES; page++) {
		json_t *answer = NULL;
		const json_t *list, *o;
		size_t i, n;

		(void)snprintf(path, sizeof(path), "/api/v1/%s?limit=%d%s%s", noun, PAGE,
		               before[0] ? "&before=" : "", before);
		rc = ask_json(p, path, &answer, err);
		if (rc < 0)
			return rc;
		list = json_object_get(answer, noun);
		n = json_array_size(list);
		json_array_foreach(list, i, o)
		{
			if (rc == 0)
				rc = add(p, o, err);
		}
		TEXT_SET(before, n > 0 ? text_of(json_array_get(list, n - 1), "id") : "");
		json_decref(answer);
		if (n < PAGE || !id_is_valid(before))
			break;
	}
	return rc;
}

int pull_list_rig(struct pull *p, struct err *err)
{
	int rc = 0;

	if (p->source->wants_films)
		rc = list_pages(p, "films", add_film, err);
	if (rc == 0 && p->source->wants_captures)
		rc = list_pages(p, "captures", add_capture, err);
	return rc;
}
