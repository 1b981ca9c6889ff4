/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/names.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void add(struct bambu_names *names, const char *dir, const char *name, const char *ending)
{
	char path[sizeof(names->paths[0])];

	if (names->n == BAMBU_MAX_NAMES)
		return;
	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", dir, name, ending) >= sizeof(path))
		return;
	for (size_t i = 0; i < names->n; i++) {
		if (text_equal(names->paths[i], path))
			return;
	}
	TEXT_SET(names->paths[names->n], path);
	names->n++;
}

static bool is_safe(const char *name)
{
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < ' ')
			return false;
	}
	return *name && !strstr(name, "..");
}

static void add_name(struct bambu_names *names, const char *dir, const char *name)
{
	if (!is_safe(name))
		return;
	if (text_ends(name, ".3mf") || text_ends(name, ".gcode")) {
		add(names, dir, name, "");
		return;
	}
	add(names, dir, name, ".gcode.3mf");
	add(names, dir, name, ".3mf");
}

/* "/mnt/sdcard/cache/x.3mf" into "cache/x.3mf"; the plate inside an unpacked job into "". */
static const char *inside_storage(const char *file)
{
	static const char *const roots[] = { "/mnt/sdcard/", "/sdcard/", "/media/usb0/",
		                             "/userdata/" };

	if (strstr(file, "Metadata/plate_"))
		return "";
	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		if (text_starts(file, roots[i]))
			return file + strlen(roots[i]);
	}
	return file + strspn(file, "/");
}

void bambu_names_of(struct bambu_names *ret, const struct printer_job *j)
{
	static const char *const dirs[] = { "", "cache/", "model/" };
	const char *file = inside_storage(j->file);
	const char *name = j->name + strspn(j->name, "/");

	ret->n = 0;
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		add_name(ret, dirs[i], file);
		/* a job's name is no path */
		if (!strchr(name, '/'))
			add_name(ret, dirs[i], name);
	}
}
