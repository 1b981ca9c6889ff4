/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/conf.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct parsing {
	yaml_parser_t yaml;
	struct conf_errors *errors;
	unsigned n_nodes;
	bool has_failed;
};

void conf_error(struct conf_errors *errors, int line, const char *fmt, ...)
{
	char text[320], where[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	text_clean(text);
	if (line > 0)
		snprintf(where, sizeof(where), "%s:%d", errors->file, line);
	else
		text_copy(where, sizeof(where), errors->file);
	if (errors->n < CONF_MAX_ERRORS)
		snprintf(errors->texts[errors->n], sizeof(errors->texts[0]), "%.120s: %.270s",
		         where, text);
	errors->n++;
}

void conf_free(struct conf_node *n)
{
	while (n) {
		struct conf_node *next = n->next;

		conf_free(n->first); /* depth is bounded by CONF_MAX_DEPTH */
		free(n->key);
		if (n->text)
			explicit_bzero(n->text, strlen(n->text)); /* it may have been a secret */
		free(n->text);
		free(n);
		n = next;
	}
}

const struct conf_node *conf_get(const struct conf_node *map, const char *key)
{
	for (const struct conf_node *n = map ? map->first : NULL; n; n = n->next) {
		if (n->key && strcmp(n->key, key) == 0)
			return n->is_null ? NULL : n;
	}
	return NULL;
}

static int line_of(const yaml_event_t *e)
{
	return (int)e->start_mark.line + 1;
}

static bool fail(struct parsing *p, int line, const char *text)
{
	if (!p->has_failed)
		conf_error(p->errors, line, "%s", text);
	p->has_failed = true;
	return false;
}

static bool next_event(struct parsing *p, yaml_event_t *e)
{
	if (p->has_failed)
		return false;
	if (yaml_parser_parse(&p->yaml, e))
		return true;

	char text[200];

	snprintf(text, sizeof(text), "this is not YAML: %s%s%s",
	         p->yaml.problem ? p->yaml.problem : "unreadable", p->yaml.context ? ", " : "",
	         p->yaml.context ? p->yaml.context : "");
	return fail(p, (int)p->yaml.problem_mark.line + 1, text);
}

static void append(struct conf_node *parent, struct conf_node *child)
{
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
}

static struct conf_node *read_value(struct parsing *p, const yaml_event_t *e, unsigned depth);

static bool has_key(const struct conf_node *map, const char *key)
{
	for (const struct conf_node *n = map->first; n; n = n->next) {
		if (strcmp(n->key, key) == 0)
			return true;
	}
	return false;
}

static void refuse_twice(struct parsing *p, const yaml_event_t *e)
{
	char text[160];

	snprintf(text, sizeof(text), "%.80s: this key stands here twice; keep one",
	         (const char *)e->data.scalar.value);
	fail(p, line_of(e), text);
}

static void read_entries(struct parsing *p, struct conf_node *parent, unsigned depth)
{
	yaml_event_t e;
	char *key = NULL;

	while (next_event(p, &e)) {
		if (e.type == YAML_MAPPING_END_EVENT || e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			break;
		}
		if (parent->kind == CONF_MAP && !key) {
			if (e.type != YAML_SCALAR_EVENT)
				fail(p, line_of(&e), "a key must be a plain word");
			else if (has_key(parent, (const char *)e.data.scalar.value))
				refuse_twice(p, &e);
			else
				key = mem_str((const char *)e.data.scalar.value);
			yaml_event_delete(&e);
			continue;
		}

		struct conf_node *child = read_value(p, &e, depth + 1);

		yaml_event_delete(&e);
		if (!child)
			break;
		child->key = key;
		key = NULL;
		append(parent, child);
	}
	free(key);
}

static bool is_null_text(const yaml_event_t *e)
{
	const char *v = (const char *)e->data.scalar.value;

	return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (v[0] == '\0' || strcmp(v, "~") == 0 || strcmp(v, "null") == 0);
}

static struct conf_node *read_value(struct parsing *p, const yaml_event_t *e, unsigned depth)
{
	const yaml_char_t *anchor = NULL;

	if (depth > CONF_MAX_DEPTH)
		fail(p, line_of(e), "this is nested too deeply");
	if (++p->n_nodes > CONF_MAX_NODES)
		fail(p, line_of(e), "this file has too many entries");
	if (e->type == YAML_SCALAR_EVENT)
		anchor = e->data.scalar.anchor;
	else if (e->type == YAML_MAPPING_START_EVENT)
		anchor = e->data.mapping_start.anchor;
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		anchor = e->data.sequence_start.anchor;
	if (e->type == YAML_ALIAS_EVENT || anchor)
		fail(p, line_of(e), "anchors (&) and aliases (*) are not used here; write it out");
	if (p->has_failed)
		return NULL;

	struct conf_node *n = MEM_NEW(struct conf_node);

	n->line = line_of(e);
	if (e->type == YAML_SCALAR_EVENT) {
		n->kind = CONF_SCALAR;
		n->text = mem_str((const char *)e->data.scalar.value);
		n->is_null = is_null_text(e);
		if (strlen(n->text) != e->data.scalar.length)
			fail(p, n->line, "a NUL byte has no place here");
		return n;
	}
	n->kind = e->type == YAML_MAPPING_START_EVENT ? CONF_MAP : CONF_LIST;
	read_entries(p, n, depth);
	return n;
}

static struct conf_node *read_documents(struct parsing *p)
{
	struct conf_node *root = NULL;
	yaml_event_t e;
	bool is_end = false;

	while (!is_end && next_event(p, &e)) {
		if (e.type == YAML_DOCUMENT_START_EVENT && root)
			fail(p, line_of(&e), "a second document (---) has no place here");
		else if (e.type == YAML_STREAM_END_EVENT)
			is_end = true;
		else if (e.type != YAML_STREAM_START_EVENT && e.type != YAML_DOCUMENT_START_EVENT &&
		         e.type != YAML_DOCUMENT_END_EVENT)
			root = read_value(p, &e, 0);
		yaml_event_delete(&e);
	}
	return root;
}

struct conf_node *conf_parse(const char *file, const char *text, size_t size,
                             struct conf_errors *errors)
{
	struct parsing p = { .errors = errors };

	TEXT_SET(errors->file, file);
	if (size > CONF_MAX_BYTES) {
		conf_error(errors, 0, "the file is larger than %d bytes", CONF_MAX_BYTES);
		return NULL;
	}
	if (!yaml_parser_initialize(&p.yaml))
		abort();
	yaml_parser_set_input_string(&p.yaml, (const unsigned char *)text, size);

	struct conf_node *root = read_documents(&p);

	yaml_parser_delete(&p.yaml);
	if (!p.has_failed && (!root || root->is_null)) {
		conf_free(root);
		root = MEM_NEW(struct conf_node);
		root->kind = CONF_MAP;
		root->line = 1;
	}
	if (!p.has_failed && root->kind != CONF_MAP)
		fail(&p, root->line, "the file must begin with keys, as in 'printers:'");
	if (p.has_failed) {
		conf_free(root);
		return NULL;
	}
	return root;
}
