/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/route.h"

#include "base/text.h"
#include "base/when.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Compares a path with a pattern; {parts} go to `params`. */
static bool matches(const char *pattern, const char *path, char params[][64])
{
	size_t n_params = 0;

	while (*pattern && *path) {
		if (*pattern == '{') {
			size_t n = strcspn(path, "/");

			if (n == 0 || n >= 64)
				return false;
			text_copy_n(params[n_params++], 64, path, n);
			path += n;
			pattern = strchr(pattern, '}') + 1;
		} else if (*pattern == '*') {
			return true;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return (*pattern == '\0' || *pattern == '*') && *path == '\0';
}

const struct route *route_find(enum http_method m, const char *path, char params[][64],
                               bool *ret_wrong_method)
{
	const struct route *r;
	bool is_page;

	*ret_wrong_method = false;
	if (m == HTTP_HEAD)
		m = HTTP_GET;
	for (size_t i = 0; (r = route_at(i)); i++) {
		is_page = strcmp(r->path, "/*") == 0;
		/* What is not found below /api is an error there, not a page. */
		if (is_page && (text_starts(path, "/api/") || *ret_wrong_method))
			continue;
		if (!matches(r->path, path, params))
			continue;
		if (r->method == m)
			return r;
		*ret_wrong_method = true;
	}
	return NULL;
}

/* ---- validation ---- */

static bool fault(struct field_fault *f, const char *field, const char *fmt, ...) PRINTF_LIKE(3, 4);

static bool fault(struct field_fault *f, const char *field, const char *fmt, ...)
{
	va_list ap;

	TEXT_SET(f->field, field);
	text_clean(f->field);
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
	return false;
}

static bool is_choice(const char *choices, const char *value)
{
	size_t n = strlen(value);

	for (const char *p = choices; *p;) {
		size_t size = strcspn(p, "|");

		if (size == n && memcmp(p, value, n) == 0)
			return true;
		p += size;
		if (*p == '|')
			p++;
	}
	return false;
}

static bool check_text(const struct field *f, const char *s, struct field_fault *ret)
{
	size_t n = strlen(s);
	int64_t ms;

	if (f->choices && !is_choice(f->choices, s))
		return fault(ret, f->name, "%s must be one of: %s.", f->name, f->choices);
	if (f->type == FIELD_TIME && !when_from_iso(s, &ms))
		return fault(ret, f->name, "%s must be a time like 2026-11-21T10:40:05Z.", f->name);
	if (f->max > 0 && (double)n > f->max)
		return fault(ret, f->name, "%s is too long: %.0f letters at most.", f->name,
		             f->max);
	if ((double)n < f->min)
		return fault(ret, f->name, "%s is too short: %.0f letters at least.", f->name,
		             f->min);
	return true;
}

static bool check_number(const struct field *f, double v, struct field_fault *ret)
{
	if (f->type == FIELD_INT && v != floor(v))
		return fault(ret, f->name, "%s must be a whole number.", f->name);
	if (v < f->min || v > f->max)
		return fault(ret, f->name, "%s must be from %g to %g.", f->name, f->min, f->max);
	return true;
}

static bool check_texts(const struct field *f, const json_t *v, struct field_fault *ret)
{
	size_t n = json_array_size(v);

	if (!json_is_array(v) || n < (size_t)f->min || n > (size_t)f->max)
		return fault(ret, f->name, "%s must be a list of %g to %g%s%s.", f->name, f->min,
		             f->max, f->choices ? " of: " : " texts", f->choices ? f->choices : "");
	for (size_t i = 0; i < n; i++) {
		const json_t *t = json_array_get(v, i);
		const char *s = json_string_value(t);

		if (!f->choices &&
		    (!s || strlen(s) != json_string_length(t) || strlen(s) > FIELD_TEXTS_MAX))
			return fault(ret, f->name, "%s must be a list of texts.", f->name);
		if (f->choices && (!s || !is_choice(f->choices, s)))
			return fault(ret, f->name, "%s must be a list of: %s.", f->name,
			             f->choices);
	}
	return true;
}

static bool check_value(const struct field *f, const json_t *v, struct field_fault *ret)
{
	if (json_is_null(v) && (f->flags & FIELD_NULLABLE))
		return true;
	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_TIME:
		if (!json_is_string(v))
			return fault(ret, f->name, "%s must be a text.", f->name);
		/* A NUL inside would end the text early for everybody behind us. */
		if (strlen(json_string_value(v)) != json_string_length(v))
			return fault(ret, f->name, "%s has a NUL in it.", f->name);
		return check_text(f, json_string_value(v), ret);
	case FIELD_INT:
	case FIELD_NUMBER:
		if (!json_is_number(v))
			return fault(ret, f->name, "%s must be a number.", f->name);
		return check_number(f, json_number_value(v), ret);
	case FIELD_BOOL:
		if (!json_is_boolean(v))
			return fault(ret, f->name, "%s must be true or false.", f->name);
		return true;
	case FIELD_TEXTS:
		return check_texts(f, v, ret);
	}
	return false;
}

static const struct field *find_field(const struct field *list, const char *name, size_t size)
{
	for (const struct field *f = list; f && f->name; f++) {
		if (strlen(f->name) == size && memcmp(f->name, name, size) == 0)
			return f;
	}
	return NULL;
}

bool route_check_body(const struct route *r, const json_t *body, struct field_fault *ret)
{
	const char *key;
	json_t *v;

	if (!json_is_object(body))
		return fault(ret, "", "The body must be a JSON object.");
	for (const struct field *f = r->body; f && f->name; f++) {
		v = json_object_get(body, f->name);
		if (!v && (f->flags & FIELD_REQUIRED))
			return fault(ret, f->name, "%s is missing.", f->name);
		if (v && !check_value(f, v, ret))
			return false;
	}
	/* jansson's interface wants it writable; nothing is written. */
	json_object_foreach((json_t *)(uintptr_t)body, key, v)
	{
		if (!find_field(r->body, key, strlen(key)))
			return fault(ret, key, "There is no such field here.");
	}
	return true;
}

static bool check_query_value(const struct field *f, const char *value, struct field_fault *ret)
{
	int64_t i;
	double d;

	switch (f->type) {
	case FIELD_INT:
		if (!text_to_i64(value, &i))
			return fault(ret, f->name, "%s must be a whole number.", f->name);
		return check_number(f, (double)i, ret);
	case FIELD_NUMBER:
		if (!text_to_double(value, &d))
			return fault(ret, f->name, "%s must be a number.", f->name);
		return check_number(f, d, ret);
	case FIELD_BOOL:
		if (!is_choice("0|1|true|false|", value))
			return fault(ret, f->name, "%s must be 1 or 0.", f->name);
		return true;
	case FIELD_TEXT:
	case FIELD_TIME:
	case FIELD_TEXTS:
		break;
	}
	return check_text(f, value, ret);
}

bool route_check_query(const struct route *r, const char *query, struct field_fault *ret)
{
	char value[256];

	for (const struct field *f = r->query; f && f->name; f++) {
		int rc = http_query_get(query, f->name, value, sizeof(value));

		if (rc < 0)
			return fault(ret, f->name, "%s cannot be read.", f->name);
		if (rc == 0 && (f->flags & FIELD_REQUIRED))
			return fault(ret, f->name, "%s is missing.", f->name);
		if (rc > 0 && !check_query_value(f, value, ret))
			return false;
	}
	return true;
}
