/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "film/names.h"

#include "film/films.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "core/log.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Eight bytes for each film that ever was: a list is enough. */
struct film_names {
	uint64_t *hashes;
	size_t n, size;
};

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * UINT64_C(0x100000001b3);
	return h;
}

bool film_names_has(const struct film_names *ns, const char *file)
{
	uint64_t h = hash_of(file);

	for (size_t i = 0; i < ns->n; i++)
		if (ns->hashes[i] == h)
			return true;
	return false;
}

void film_names_add(struct film_names *ns, const char *file)
{
	if (ns->n == ns->size) {
		ns->size = MAX(2 * ns->size, (size_t)64);
		ns->hashes = mem_grow(ns->hashes, ns->size, sizeof(*ns->hashes));
	}
	ns->hashes[ns->n++] = hash_of(file);
}

struct film_names *film_names_new(const char *data_dir)
{
	struct film_names *ns = MEM_NEW(struct film_names);
	auto_free char *path = mem_printf("%s/films", data_dir);
	struct err err = { 0 };
	const struct dirent *d;
	char file[300];
	DIR *dir;

	if (fs_make_dirs(path, &err) < 0)
		log_error(NULL, "%s", err.text);
	dir = opendir(path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
	while (dir && (d = readdir(dir))) {
		(void)snprintf(file, sizeof(file), "films/%s", d->d_name);
		film_names_add(ns, file);
	}
	if (dir)
		(void)closedir(dir);
	return ns;
}

void film_names_free(struct film_names *ns)
{
	if (!ns)
		return;
	free(ns->hashes);
	free(ns);
}

void films_name(char *dst, size_t size, int64_t wall_ms, const char *job_name, const char *camera)
{
	static const char *const endings[] = { ".gcode.3mf", ".3mf", ".gcode", ".bgcode" };
	char when[WHEN_TEXT_SIZE], name[192], slug[80], camera_slug[64] = "";

	TEXT_SET(name, job_name);
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (text_ends(name, endings[i])) {
			name[strlen(name) - strlen(endings[i])] = 0;
			break;
		}
	text_slug(slug, sizeof(slug), name);
	if (camera)
		text_slug(camera_slug, sizeof(camera_slug), camera);
	(void)snprintf(dst, size, "films/%s_%s%s%s", when_file_name(when, wall_ms), slug,
	               camera ? "_" : "", camera_slug);
}
