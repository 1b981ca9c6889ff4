/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * merge: the last known value of everything a printer has said, from partial reports (PRIN-6).
 *
 * Objects merge recursively; scalars and arrays replace. Arrays whose key is in `by_id` (AMS units,
 * trays) merge by the "id" of their elements, so that a short list never deletes others; an
 * element that carries nothing but its id (and "state") empties its place.
 *
 * Frugal: 24 bytes a value, keys stored once, numbers kept as they were written. Limits: 8000
 * values, 1500 keys, strings of 4 kB, 512 kB in all; what exceeds them is left out and counted.
 *
 * Pure but for malloc. Thread: any; one tree belongs to one thread.
 */

#pragma once

#include "printers/json_scan.h"

#include <jansson.h>

struct tree;
struct tree_node;

/* What a top-level key is good for: bits that tree_merge() returns when its value changed. */
struct tree_key {
	const char *name;
	unsigned mask;
};

struct tree_rules {
	const struct tree_key *keys;
	size_t n_keys;
	unsigned other_mask;      /* for keys not listed */
	const char *const *by_id; /* names of arrays merged by id, NULL at the end */
};

struct tree *tree_new(const struct tree_rules *rules);
void tree_free(struct tree *t);
void tree_clear(struct tree *t);

/* Merges the object token `object` into the root. Returns the masks of the members that changed. */
unsigned tree_merge(struct tree *t, const char *text, const struct json_token *tokens,
                    size_t object);

/* Values left out because of a limit since tree_clear(). */
size_t tree_left_out(const struct tree *t);

const struct tree_node *tree_root(const struct tree *t);
/* NULL if absent, or if `n` is NULL or no object. */
const struct tree_node *tree_get(const struct tree *t, const struct tree_node *n, const char *key);
/* tree_get() along NULL-terminated keys. */
const struct tree_node *tree_path(const struct tree *t, const struct tree_node *n, ...)
	__attribute__((sentinel));
size_t tree_count(const struct tree_node *n); /* elements or members; 0 for others and NULL */
const struct tree_node *tree_at(const struct tree_node *n, size_t i);

/* A scalar's text ("" for NULL, groups, null); booleans are "true" and "false". */
const char *tree_text(const struct tree_node *n);
/* Number or string with a number; `otherwise` if neither. Booleans are 0 and 1. */
double tree_double(const struct tree_node *n, double otherwise);
int64_t tree_int(const struct tree_node *n, int64_t otherwise);
bool tree_bool(const struct tree_node *n, bool otherwise);
/* Hex string without prefix, any length up to 16 digits. */
bool tree_hex(const struct tree_node *n, uint64_t *ret);

/* The tree as JSON; a new reference. Strings are made valid UTF-8. */
json_t *tree_json(const struct tree *t, const struct tree_node *n);
