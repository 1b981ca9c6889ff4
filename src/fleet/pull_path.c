/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MAX_NAME 200 /* room for " (99)" within 255 */
#define MAX_PATH 900

/* Ends of names that programs give to files which are not whole. */
static const char *const unfinished[] = { ".part", ".state",      ".tmp",   ".temp",
	                                  ".new",  ".partial",    ".swp",   ".filepart",
	                                  ".lock", ".crdownload", ".track", "~" };

/* Well-formed UTF-8 without control characters. */
static bool is_plain(const char *name, size_t n)
{
	char copy[MAX_NAME + 1];

	memcpy(copy, name, n);
	copy[n] = '\0';
	text_clean(copy);
	return memcmp(copy, name, n) == 0;
}

static bool is_unfinished(const char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(unfinished); i++) {
		size_t u = strlen(unfinished[i]);

		if (n >= u && strncasecmp(name + n - u, unfinished[i], u) == 0)
			return true;
	}
	return name[0] == '.';
}

enum pull_path_verdict pull_path_judge(const char *path)
{
	enum pull_path_verdict v = PULL_PATH_FINE;

	if (strlen(path) > MAX_PATH)
		return PULL_PATH_HOSTILE;
	for (const char *p = path; p; p = strchr(p, '/')) {
		if (p != path)
			p++;

		size_t n = strcspn(p, "/");

		if (n == 0 || n > MAX_NAME || !is_plain(p, n) || memchr(p, '\\', n) ||
		    (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return PULL_PATH_HOSTILE;
		if (is_unfinished(p, n))
			v = PULL_PATH_UNFINISHED;
	}
	return v;
}

static const char *type_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');

	return dot && dot != name ? dot : NULL;
}

bool pull_path_has_type(const struct pull_source *s, const char *path)
{
	const char *type = type_of(path);

	for (unsigned i = 0; i < s->n_types; i++)
		if (type && strcasecmp(type + 1, s->types[i]) == 0)
			return true;
	return s->n_types == 0;
}

bool pull_path_number(char *dst, size_t size, const char *path, unsigned n)
{
	const char *type = type_of(path);
	size_t stem = type ? (size_t)(type - path) : strlen(path);
	int wrote = snprintf(dst, size, "%.*s (%u)%s", (int)stem, path, n, type ? type : "");

	return wrote > 0 && (size_t)wrote < size;
}
