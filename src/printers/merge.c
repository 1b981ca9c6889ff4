/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/merge.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 8000
#define MAX_KEYS 1500
#define MAX_STRING 4096
#define MAX_BYTES (512u << 10)
#define GROW 4 /* places added at a time */

enum {
	NOT_A_KEY = 0xffff
};

struct tree_node {
	uint16_t key; /* index in tree.keys; in arrays 0 */
	uint8_t kind; /* enum json_kind */
	bool is_long; /* the text is on the heap */
	uint32_t n;   /* length of the text, or number of kids */
	union {
		char brief[16];
		char *text;
		struct tree_node *kids;
	};
};

struct key {
	uint32_t name;  /* offset in tree.names */
	uint16_t size;  /* of the name */
	bool is_by_id;  /* an array of this name is merged by id */
	uint8_t unused; /* keeps the size even */
	unsigned mask;
};

struct tree {
	const struct tree_rules *rules;
	struct tree_node root;
	char *names; /* all key names, each with its NUL */
	size_t names_size, names_cap;
	struct key *keys;
	uint16_t *slots; /* open hashing, index + 1; size a power of two */
	uint16_t n_keys, n_slots;
	uint16_t id_key, state_key;
	size_t n_values, n_bytes, n_left_out;
};

static uint32_t hash_of(const char *s, size_t n)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

static uint16_t key_find(const struct tree *t, const char *name, size_t n)
{
	if (t->n_slots == 0)
		return NOT_A_KEY;

	unsigned mask = t->n_slots - 1u;

	for (unsigned i = hash_of(name, n) & mask; t->slots[i]; i = (i + 1) & mask) {
		const struct key *k = &t->keys[t->slots[i] - 1];

		if (k->size == n && memcmp(t->names + k->name, name, n) == 0)
			return (uint16_t)(t->slots[i] - 1);
	}
	return NOT_A_KEY;
}

static void slot_put(struct tree *t, uint16_t index)
{
	const struct key *k = &t->keys[index];
	unsigned mask = t->n_slots - 1u;
	unsigned i = hash_of(t->names + k->name, k->size) & mask;

	while (t->slots[i])
		i = (i + 1) & mask;
	t->slots[i] = (uint16_t)(index + 1);
}

static void keys_grow(struct tree *t)
{
	uint16_t n_slots = t->n_slots ? (uint16_t)(2 * t->n_slots) : 256;

	free(t->slots);
	t->slots = mem_new_array(n_slots, sizeof(*t->slots));
	t->n_slots = n_slots;
	t->keys = mem_grow(t->keys, n_slots / 2u, sizeof(*t->keys));
	for (uint16_t i = 0; i < t->n_keys; i++)
		slot_put(t, i);
}

static unsigned mask_of(const struct tree_rules *r, const char *name)
{
	for (size_t i = 0; i < r->n_keys; i++) {
		if (text_equal(r->keys[i].name, name))
			return r->keys[i].mask;
	}
	return r->other_mask;
}

static uint16_t key_intern(struct tree *t, const char *name, size_t n)
{
	uint16_t found = key_find(t, name, n);

	if (found != NOT_A_KEY || t->n_keys == MAX_KEYS || n > 100)
		return found;
	if (t->n_keys >= t->n_slots / 2)
		keys_grow(t);
	if (t->names_size + n + 1 > t->names_cap) {
		t->names_cap = t->names_cap ? 2 * t->names_cap : 1024;
		t->names = mem_grow(t->names, t->names_cap, 1);
	}

	struct key *k = &t->keys[t->n_keys];

	*k = (struct key){ .name = (uint32_t)t->names_size, .size = (uint16_t)n };
	memcpy(t->names + t->names_size, name, n);
	t->names[t->names_size + n] = '\0';
	k->mask = mask_of(t->rules, t->names + t->names_size);
	for (const char *const *b = t->rules->by_id; b && *b; b++)
		k->is_by_id |= text_equal(*b, t->names + t->names_size);
	t->names_size += n + 1;
	slot_put(t, t->n_keys);
	return t->n_keys++;
}

static bool is_group(const struct tree_node *n)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): never null here */
	return n->kind == JSON_KIND_ARRAY || n->kind == JSON_KIND_OBJECT;
}

/* Releases what the node holds; it is null afterwards. */
static void node_clear(struct tree *t, struct tree_node *n)
{
	if (is_group(n)) {
		for (uint32_t i = 0; i < n->n; i++) {
			node_clear(t, &n->kids[i]);
			t->n_values--;
		}
		free(n->kids);
	} else if (n->is_long) {
		t->n_bytes -= n->n;
		free(n->text);
	}

	uint16_t key = n->key;

	memset(n, 0, sizeof(*n));
	n->key = key;
}

static const char *node_text(const struct tree_node *n)
{
	return n->is_long ? n->text : n->brief;
}

/* A new empty (null) place at the end; NULL at the limit. */
static struct tree_node *node_add(struct tree *t, struct tree_node *group, uint16_t key)
{
	if (t->n_values >= MAX_VALUES) {
		t->n_left_out++;
		return NULL;
	}
	if (group->n % GROW == 0)
		group->kids = mem_grow(group->kids, group->n + GROW, sizeof(*group->kids));

	struct tree_node *n = &group->kids[group->n++];

	memset(n, 0, sizeof(*n));
	n->key = key;
	t->n_values++;
	return n;
}

static struct tree_node *node_find(const struct tree_node *object, uint16_t key)
{
	for (uint32_t i = 0; i < object->n; i++) {
		if (object->kids[i].key == key)
			return &object->kids[i];
	}
	return NULL;
}

/* Scalars. Returns whether the value became another. */
static bool set_scalar(struct tree *t, struct tree_node *n, const char *text,
                       const struct json_token *token)
{
	char unescaped[MAX_STRING];
	const char *s = text + token->start;
	size_t size = MIN((size_t)token->size, sizeof(unescaped) - 1);

	if (token->has_escape) {
		json_scan_string(text, token, unescaped, sizeof(unescaped));
		s = unescaped;
		size = strlen(s);
	}
	if (n->kind == token->kind && n->n == size && memcmp(node_text(n), s, size) == 0 &&
	    !is_group(n))
		return false;
	node_clear(t, n);
	n->kind = token->kind;
	if (size < sizeof(n->brief)) {
		memcpy(n->brief, s, size);
		n->brief[size] = '\0';
		n->n = (uint32_t)size;
		return true;
	}
	if (t->n_bytes + size > MAX_BYTES) {
		t->n_left_out++;
		return true;
	}
	n->text = mem_new(size + 1);
	memcpy(n->text, s, size);
	n->is_long = true;
	n->n = (uint32_t)size;
	t->n_bytes += size;
	return true;
}

static bool set_value(struct tree *t, struct tree_node *n, const char *text,
                      const struct json_token *tokens, size_t at);

/* Recursion ends at JSON_SCAN_MAX_DEPTH, which the scanner has kept. */
static bool merge_object(struct tree *t, struct tree_node *n, const char *text,
                         const struct json_token *tokens, size_t at)
{
	bool changed = false;

	if (n->kind != JSON_KIND_OBJECT) {
		node_clear(t, n);
		n->kind = JSON_KIND_OBJECT;
		changed = true;
	}
	for (size_t i = at + 1; i < tokens[at].next; i = tokens[i + 1].next) {
		uint16_t key = key_intern(t, text + tokens[i].start, tokens[i].size);

		if (key == NOT_A_KEY) {
			t->n_left_out++;
			continue;
		}

		struct tree_node *kid = node_find(n, key);

		if (!kid) {
			kid = node_add(t, n, key);
			changed = true;
		}
		if (kid)
			changed |= set_value(t, kid, text, tokens, i + 1);
	}
	return changed;
}

/* The element of `n` that has the id of the object at `at`; NULL if none. */
static struct tree_node *element_by_id(struct tree *t, struct tree_node *n, const char *text,
                                       const struct json_token *tokens, size_t at)
{
	size_t id = json_scan_member(text, tokens, at, "id");

	if (id == 0)
		return NULL;
	for (uint32_t i = 0; i < n->n; i++) {
		const struct tree_node *have = node_find(&n->kids[i], t->id_key);

		if (n->kids[i].kind == JSON_KIND_OBJECT && have && !is_group(have) &&
		    json_scan_equals(text, &tokens[id], node_text(have)))
			return &n->kids[i];
	}
	return NULL;
}

/* {"id":"2"} or {"id":"2","state":0}: the slot is empty now. */
static bool is_bare(const char *text, const struct json_token *tokens, size_t at)
{
	for (size_t i = at + 1; i < tokens[at].next; i = tokens[i + 1].next) {
		if (!json_scan_equals(text, &tokens[i], "id") &&
		    !json_scan_equals(text, &tokens[i], "state"))
			return false;
	}
	return true;
}

static bool all_have_ids(const char *text, const struct json_token *tokens, size_t at)
{
	for (size_t i = at + 1; i < tokens[at].next; i = tokens[i].next) {
		if (json_scan_member(text, tokens, i, "id") == 0)
			return false;
	}
	return true;
}

/* The node is empty already but for members that the token repeats. */
static bool is_bare_node(const struct tree *t, const struct tree_node *n)
{
	for (uint32_t i = 0; i < n->n; i++) {
		if (n->kids[i].key != t->id_key && n->kids[i].key != t->state_key)
			return false;
	}
	return true;
}

static bool merge_by_id(struct tree *t, struct tree_node *n, const char *text,
                        const struct json_token *tokens, size_t at)
{
	bool changed = false;

	if (n->kind != JSON_KIND_ARRAY) {
		node_clear(t, n);
		n->kind = JSON_KIND_ARRAY;
		changed = true;
	}
	for (size_t i = at + 1; i < tokens[at].next; i = tokens[i].next) {
		struct tree_node *kid = element_by_id(t, n, text, tokens, i);

		if (kid && is_bare(text, tokens, i) && !is_bare_node(t, kid)) {
			node_clear(t, kid);
			changed = true;
		}
		if (!kid) {
			kid = node_add(t, n, 0);
			changed = true;
		}
		if (kid)
			changed |= merge_object(t, kid, text, tokens, i);
	}
	return changed;
}

/* An element of a replaced array is new, not merged: true if it lacks what the old one had. */
static bool lacks_members(const struct tree *t, const struct tree_node *n, const char *text,
                          const struct json_token *tokens, size_t at)
{
	if (n->kind != JSON_KIND_OBJECT || tokens[at].kind != JSON_KIND_OBJECT)
		return false;
	for (uint32_t i = 0; i < n->n; i++) {
		const char *name = t->names + t->keys[n->kids[i].key].name;

		if (json_scan_member(text, tokens, at, name) == 0)
			return true;
	}
	return false;
}

/* Replaces, but reuses what has the same place. */
static bool set_array(struct tree *t, struct tree_node *n, const char *text,
                      const struct json_token *tokens, size_t at)
{
	bool changed = false;
	uint32_t count = 0;

	if (n->kind != JSON_KIND_ARRAY) {
		node_clear(t, n);
		n->kind = JSON_KIND_ARRAY;
		changed = true;
	}
	for (size_t i = at + 1; i < tokens[at].next; i = tokens[i].next, count++) {
		bool is_new = count >= n->n;
		struct tree_node *kid = is_new ? node_add(t, n, 0) : &n->kids[count];

		if (!kid)
			break;
		changed |= is_new;
		if (lacks_members(t, kid, text, tokens, i))
			node_clear(t, kid);
		changed |= set_value(t, kid, text, tokens, i);
	}
	while (n->n > count) {
		node_clear(t, &n->kids[--n->n]);
		t->n_values--;
		changed = true;
	}
	return changed;
}

static bool set_value(struct tree *t, struct tree_node *n, const char *text,
                      const struct json_token *tokens, size_t at)
{
	if (tokens[at].kind == JSON_KIND_OBJECT)
		return merge_object(t, n, text, tokens, at);
	if (tokens[at].kind != JSON_KIND_ARRAY)
		return set_scalar(t, n, text, &tokens[at]);
	if (n->key < t->n_keys && t->keys[n->key].is_by_id && tokens[at].next > at + 1 &&
	    all_have_ids(text, tokens, at))
		return merge_by_id(t, n, text, tokens, at);
	return set_array(t, n, text, tokens, at);
}

static void keys_first(struct tree *t)
{
	/* Index 0 is what array elements carry: a name no lookup asks for. */
	(void)key_intern(t, "", 0);
	t->id_key = key_intern(t, "id", 2);
	t->state_key = key_intern(t, "state", 5);
}

struct tree *tree_new(const struct tree_rules *rules)
{
	struct tree *t = MEM_NEW(struct tree);

	t->rules = rules;
	t->root.kind = JSON_KIND_OBJECT;
	keys_first(t);
	return t;
}

void tree_clear(struct tree *t)
{
	node_clear(t, &t->root);
	t->root.kind = JSON_KIND_OBJECT;
	t->n_left_out = 0;
	/* No value has a key now; junk among them must not keep others out. */
	t->names_size = 0;
	t->n_keys = 0;
	memset(t->slots, 0, t->n_slots * sizeof(*t->slots));
	keys_first(t);
}

void tree_free(struct tree *t)
{
	if (!t)
		return;
	tree_clear(t);
	free(t->names);
	free(t->keys);
	free(t->slots);
	free(t);
}

unsigned tree_merge(struct tree *t, const char *text, const struct json_token *tokens,
                    size_t object)
{
	unsigned changed = 0;

	assert(tokens[object].kind == JSON_KIND_OBJECT);
	for (size_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		uint16_t key = key_intern(t, text + tokens[i].start, tokens[i].size);

		if (key == NOT_A_KEY) {
			t->n_left_out++;
			continue;
		}

		struct tree_node *n = node_find(&t->root, key);
		bool is_new = !n;

		if (!n)
			n = node_add(t, &t->root, key);
		if (n && (set_value(t, n, text, tokens, i + 1) || is_new))
			changed |= t->keys[key].mask;
	}
	return changed;
}

size_t tree_left_out(const struct tree *t)
{
	return t->n_left_out;
}

const struct tree_node *tree_root(const struct tree *t)
{
	return &t->root;
}

const struct tree_node *tree_get(const struct tree *t, const struct tree_node *n, const char *key)
{
	if (!n || n->kind != JSON_KIND_OBJECT)
		return NULL;

	uint16_t index = key_find(t, key, strlen(key));

	return index == NOT_A_KEY ? NULL : node_find(n, index);
}

const struct tree_node *tree_path(const struct tree *t, const struct tree_node *n, ...)
{
	va_list ap;
	const char *key;

	va_start(ap, n);
	while ((key = va_arg(ap, const char *)))
		n = tree_get(t, n, key);
	va_end(ap);
	return n;
}

size_t tree_count(const struct tree_node *n)
{
	return n && is_group(n) ? n->n : 0;
}

const struct tree_node *tree_at(const struct tree_node *n, size_t i)
{
	return i < tree_count(n) ? &n->kids[i] : NULL;
}

const char *tree_text(const struct tree_node *n)
{
	if (!n || is_group(n) || n->kind == JSON_KIND_NULL)
		return "";
	return node_text(n);
}

double tree_double(const struct tree_node *n, double otherwise)
{
	double v;

	if (n && n->kind == JSON_KIND_TRUE)
		return 1;
	if (n && n->kind == JSON_KIND_FALSE)
		return 0;
	return text_to_double(tree_text(n), &v) ? v : otherwise;
}

int64_t tree_int(const struct tree_node *n, int64_t otherwise)
{
	int64_t v;

	if (text_to_i64(tree_text(n), &v))
		return v;

	double d = tree_double(n, NAN);

	return d > -9e15 && d < 9e15 ? (int64_t)d : otherwise;
}

bool tree_bool(const struct tree_node *n, bool otherwise)
{
	if (!n)
		return otherwise;
	if (text_equal(tree_text(n), "true") || text_equal(tree_text(n), "enable"))
		return true;
	if (text_equal(tree_text(n), "false") || text_equal(tree_text(n), "disable"))
		return false;
	return tree_int(n, otherwise) != 0;
}

bool tree_hex(const struct tree_node *n, uint64_t *ret)
{
	const char *s = tree_text(n);

	if (text_starts(s, "0x") || text_starts(s, "0X"))
		s += 2;
	return strlen(s) <= 16 && text_to_u64(s, 16, ret);
}

static json_t *text_json(const char *s)
{
	auto_free char *copy = mem_str(s);

	text_clean(copy);
	return json_string(copy);
}

json_t *tree_json(const struct tree *t, const struct tree_node *n)
{
	json_t *j;

	if (!n)
		return json_null();
	switch ((enum json_kind)n->kind) {
	case JSON_KIND_NULL:
		return json_null();
	case JSON_KIND_TRUE:
	case JSON_KIND_FALSE:
		return json_boolean(n->kind == JSON_KIND_TRUE);
	case JSON_KIND_NUMBER: {
		int64_t i;

		return text_to_i64(node_text(n), &i) ? json_integer(i)
		                                     : json_real(tree_double(n, 0));
	}
	case JSON_KIND_STRING:
		return text_json(node_text(n));
	case JSON_KIND_ARRAY:
		j = json_array();
		for (uint32_t i = 0; i < n->n; i++)
			json_array_append_new(j, tree_json(t, &n->kids[i]));
		return j;
	case JSON_KIND_OBJECT:
		j = json_object();
		for (uint32_t i = 0; i < n->n; i++)
			json_object_set_new_nocheck(j, t->names + t->keys[n->kids[i].key].name,
			                            tree_json(t, &n->kids[i]));
		return j;
	}
	return json_null();
}
