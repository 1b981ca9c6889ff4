/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * conf: a YAML file as a tree that knows its lines, and a list of what is wrong with it.
 *
 * Only what a configuration needs: maps, lists, scalars and comments. Anchors, aliases, tags and
 * several documents are refused by name, so that no file can unfold into more than it is.
 *
 * Thread: any; nothing is shared.
 */

#pragma once

#include "base/base.h"

#define CONF_MAX_BYTES 1000000
#define CONF_MAX_NODES 20000
#define CONF_MAX_DEPTH 12
#define CONF_MAX_ERRORS 20

enum conf_kind {
	CONF_SCALAR,
	CONF_MAP,
	CONF_LIST
};

struct conf_node {
	enum conf_kind kind;
	int line;                       /* from 1 */
	char *key;                      /* of this entry in its map; NULL in a list */
	char *text;                     /* of a scalar */
	bool is_null;                   /* nothing was written after the key */
	struct conf_node *first, *last; /* entries */
	struct conf_node *next;
};

struct conf_errors {
	char file[256];
	unsigned n; /* may be more than are kept */
	char texts[CONF_MAX_ERRORS][400];
};

/* "bedside.yaml:12: printers[0].serial: …" is kept. `line` 0: the file as a whole. */
void conf_error(struct conf_errors *errors, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The tree, or NULL with the reasons in `errors` (whose `file` is set here). An empty file is an
 * empty map. conf_free() it. */
struct conf_node *conf_parse(const char *file, const char *text, size_t size,
                             struct conf_errors *errors);
void conf_free(struct conf_node *n);

/* The entry of a map, NULL if absent or written without a value. */
const struct conf_node *conf_get(const struct conf_node *map, const char *key);
