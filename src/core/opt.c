/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/opt.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/when.h"
#include "core/conf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *field_of(const struct opt *o, void *dst)
{
	return (char *)dst + o->offset;
}

static void describe_limits(const struct opt *o, const char *what, char *dst, size_t size)
{
	bool is_limited = o->min != 0 || o->max != 0;

	if (is_limited)
		snprintf(dst, size, "%s from %.10g to %.10g", what, o->min, o->max);
	else
		text_copy(dst, size, what);
}

static void describe_choices(const struct opt *o, char *dst, size_t size)
{
	text_copy(dst, size, "one of");
	for (const char *const *c = o->choices; *c; c++) {
		size_t n = strlen(dst);

		snprintf(dst + n, size - n, "%s %s", c == o->choices ? "" : ",", *c);
	}
}

static const char *span_text(char *dst, double ms)
{
	if (ms > 0 && ms < 1000)
		snprintf(dst, WHEN_TEXT_SIZE, "%.0f ms", ms);
	else
		when_span(dst, (int64_t)ms);
	return dst;
}

static void describe_spans(const struct opt *o, char *dst, size_t size)
{
	char from[WHEN_TEXT_SIZE], to[WHEN_TEXT_SIZE];

	if (o->min == 0 && o->max == 0)
		text_copy(dst, size, "a time such as 30s, 5m or 2h");
	else
		snprintf(dst, size, "a time such as 30s, 5m or 2h, from %s to %s",
		         span_text(from, o->min), span_text(to, o->max));
}

void opt_describe(const struct opt *o, char *dst, size_t size)
{
	switch (o->type) {
	case OPT_BOOL:
		text_copy(dst, size, "yes or no");
		break;
	case OPT_INT:
	case OPT_UNSIGNED:
		describe_limits(o, "a whole number", dst, size);
		break;
	case OPT_PORT:
		text_copy(dst, size, "a port from 1 to 65535, or 0 for the usual one");
		break;
	case OPT_REAL:
		describe_limits(o, "a number", dst, size);
		break;
	case OPT_TEXT:
		snprintf(dst, size, "text of %s %zu bytes",
		         o->flags & OPT_REQUIRED ? "1 to" : "at most", o->size - 1);
		break;
	case OPT_SECRET:
		text_copy(dst, size, "a secret text, in quotes");
		break;
	case OPT_SPAN:
	case OPT_SECONDS:
		describe_spans(o, dst, size);
		break;
	case OPT_BYTES:
		text_copy(dst, size, "a size such as 500 MB or 20 GB");
		break;
	case OPT_CHOICE:
		describe_choices(o, dst, size);
		break;
	case OPT_OWN:
		text_copy(dst, size, o->form);
		break;
	case OPT_NESTED:
		text_copy(dst, size, "indented keys of its own");
		break;
	}
}

static bool is_in_range(const struct opt *o, double v)
{
	return (o->min == 0 && o->max == 0) || (v >= o->min && v <= o->max);
}

static bool read_bool(bool *field, const char *text)
{
	static const char *const yes[] = { "yes", "true", "on" };
	static const char *const no[] = { "no", "false", "off" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (text_equal_nocase(text, yes[i]) || text_equal_nocase(text, no[i])) {
			*field = text_equal_nocase(text, yes[i]);
			return true;
		}
	}
	return false;
}

static bool read_whole(const struct opt *o, void *field, const char *text)
{
	int64_t v = 0;

	if (!text_to_i64(text, &v) || !is_in_range(o, (double)v))
		return false;
	if (o->type == OPT_INT && v >= INT32_MIN && v <= INT32_MAX)
		*(int *)field = (int)v;
	else if (o->type == OPT_UNSIGNED && v >= 0 && v <= UINT32_MAX)
		*(unsigned *)field = (unsigned)v;
	else if (o->type == OPT_PORT && v >= 0 && v <= UINT16_MAX)
		*(uint16_t *)field = (uint16_t)v;
	else
		return false;
	return true;
}

static bool read_span(const struct opt *o, void *field, const char *text)
{
	int64_t ms = 0;

	if (!when_to_span_ms(text, &ms) || !is_in_range(o, (double)ms))
		return false;
	if (o->type == OPT_SPAN)
		*(int64_t *)field = ms;
	else
		*(double *)field = (double)ms / 1000;
	return true;
}

static bool read_real(const struct opt *o, double *field, const char *text)
{
	double v = 0;

	if (!text_to_double(text, &v) || !is_in_range(o, v))
		return false;
	*field = v;
	return true;
}

static bool read_choice(const struct opt *o, int *field, const char *text)
{
	for (int i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], text) == 0) {
			*field = i;
			return true;
		}
	}
	return false;
}

static bool read_bytes(const struct opt *o, uint64_t *field, const char *text)
{
	uint64_t v = 0;

	if (!text_to_size(text, &v) || !is_in_range(o, (double)v))
		return false;
	*field = v;
	return true;
}

/* 0, or negative with a reason of its own in `err` when there is one. */
static int read_text(const struct opt *o, void *field, const char *text, struct err *err)
{
	bool ok = false;

	switch (o->type) {
	case OPT_BOOL:
		ok = read_bool(field, text);
		break;
	case OPT_INT:
	case OPT_UNSIGNED:
	case OPT_PORT:
		ok = read_whole(o, field, text);
		break;
	case OPT_REAL:
		ok = read_real(o, field, text);
		break;
	case OPT_TEXT:
		ok = text_copy(field, o->size, text) && (text[0] || !(o->flags & OPT_REQUIRED));
		break;
	case OPT_SECRET:
		ok = strlen(text) <= SECRET_MAX;
		if (ok)
			secret_set(field, text);
		break;
	case OPT_SPAN:
	case OPT_SECONDS:
		ok = read_span(o, field, text);
		break;
	case OPT_BYTES:
		ok = read_bytes(o, field, text);
		break;
	case OPT_CHOICE:
		ok = read_choice(o, field, text);
		break;
	case OPT_OWN:
		return o->read(field, text, err);
	case OPT_NESTED:
		ok = true;
		break;
	}
	return ok ? 0 : -EINVAL;
}

void opt_defaults(const struct opt *table, size_t n, void *dst)
{
	for (size_t i = 0; i < n; i++) {
		if (!table[i].fallback)
			continue;

		int rc = read_text(&table[i], field_of(&table[i], dst), table[i].fallback, NULL);

		assert(rc == 0); /* a default of ours that breaks its own rule */
		(void)rc;
	}
}

/* Edits between two words, for "did you mean". */
static size_t distance(const char *a, const char *b)
{
	size_t row[64], n = MIN(strlen(b), (size_t)63), n_a = strlen(a);

	if (n_a > 63)
		return n_a;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= n; j++) {
			size_t above = row[j];
			size_t swap = diagonal + (a[i - 1] != b[j - 1]);

			size_t shift = MIN(row[j], row[j - 1]) + 1;

			row[j] = MIN(shift, swap);
			diagonal = above;
		}
	}
	return row[n];
}

static const struct opt *find(const struct opt *table, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static void refuse_unknown(const struct opt *table, size_t n, const struct conf_node *entry,
                           const char *path, struct conf_errors *errors)
{
	const char *nearest = NULL;
	size_t best = 4;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(entry->key, table[i].name);

		if (d < best) {
			best = d;
			nearest = table[i].name;
		}
	}
	if (nearest)
		conf_error(errors, entry->line, "%s%s: no such key; did you mean '%s'?", path,
		           entry->key, nearest);
	else
		conf_error(errors, entry->line, "%s%s: no such key", path, entry->key);
}

static void read_entry(const struct opt *o, const struct conf_node *entry, const char *path,
                       void *dst, struct conf_errors *errors)
{
	char right[200];
	struct err err = { 0 };

	if (entry->is_null || o->type == OPT_NESTED)
		return;
	opt_describe(o, right, sizeof(right));
	if (entry->kind != CONF_SCALAR) {
		conf_error(errors, entry->line, "%s%s: must be %s", path, o->name, right);
		return;
	}
	if (read_text(o, field_of(o, dst), entry->text, &err) == 0)
		return;
	if (err.text[0])
		conf_error(errors, entry->line, "%s%s: %s", path, o->name, err.text);
	else if (o->type == OPT_SECRET)
		conf_error(errors, entry->line, "%s%s: must be %s", path, o->name, right);
	else
		conf_error(errors, entry->line, "%s%s: '%.60s' must be %s", path, o->name,
		           entry->text, right);
}

void opt_read(const struct opt *table, size_t n, const struct conf_node *node, const char *path,
              void *dst, struct conf_errors *errors)
{
	char prefix[128];

	snprintf(prefix, sizeof(prefix), "%.120s%s", path, path[0] ? "." : "");
	if (node && node->kind != CONF_MAP) {
		conf_error(errors, node->line, "%s: must be keys, one per line and indented", path);
		return;
	}
	for (const struct conf_node *e = node ? node->first : NULL; e; e = e->next) {
		const struct opt *o = find(table, n, e->key);

		if (o)
			read_entry(o, e, prefix, dst, errors);
		else
			refuse_unknown(table, n, e, prefix, errors);
	}
	for (size_t i = 0; i < n; i++) {
		char right[200];

		if (!(table[i].flags & OPT_REQUIRED) || conf_get(node, table[i].name))
			continue;
		opt_describe(&table[i], right, sizeof(right));
		conf_error(errors, node ? node->line : 0, "%s%s: is missing; it must be %s", prefix,
		           table[i].name, right);
	}
}

void opt_example(const struct opt *table, size_t n, unsigned indent, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		const struct opt *o = &table[i];
		char right[200];

		if (o->type == OPT_NESTED)
			continue;
		opt_describe(o, right, sizeof(right));
		buf_printf(out, "%*s# %s (%s)\n", (int)indent, "", o->help, right);
		buf_printf(out, "%*s%s%s: %s\n", (int)indent, "",
		           o->flags & OPT_REQUIRED ? "" : "# ", o->name,
		           o->fallback ? o->fallback : "");
	}
}

void opt_manual(const struct opt *table, size_t n, struct buf *out)
{
	buf_add_str(out, ".Bl -tag -width Ds\n");
	for (size_t i = 0; i < n; i++) {
		const struct opt *o = &table[i];
		char right[200];

		opt_describe(o, right, sizeof(right));
		buf_printf(out, ".It Ic %s\n%s\nMust be %s.\n", o->name, o->help, right);
		if (o->flags & OPT_REQUIRED)
			buf_add_str(out, "Required.\n");
		else if (o->fallback && o->fallback[0])
			buf_printf(out, "Default: %s.\n", o->fallback);
	}
	buf_add_str(out, ".El\n");
}
