/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * assets: the page, built into the program by tools/embed_assets.py from ui/dist.
 *
 * Each file stands there plain and, when that is smaller, gzipped. Files with a hash in their name
 * never change and are cached for ever; index.html is asked for anew and gets its <base>.
 *
 * Thread: any; all const.
 */

#pragma once

#include "base/base.h"

struct asset {
	const char *path; /* "assets/index-3f2a.js", without '/' in front */
	const char *type;
	const char *etag; /* with quotes */
	bool is_hashed;
	const uint8_t *data, *gzip; /* gzip NULL: not worth it */
	size_t size, gzip_size;
};

/* Written by the generator; ends with a NULL path. Without a built page: one index.html that says
 * so. */
extern const struct asset assets_all[];

const struct asset *asset_find(const char *path);
