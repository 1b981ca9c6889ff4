/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/assets.h"

#include "base/buf.h"
#include "base/text.h"
#include "web/handlers.h"
#include "web/web.h"

#include <string.h>

static const char base_tag[] = "<base href=\"/\""; /* and perhaps " /" */

const struct asset *asset_find(const char *path)
{
	for (const struct asset *a = assets_all; a->path; a++) {
		if (strcmp(a->path, path) == 0)
			return a;
	}
	return NULL;
}

/* index.html with the base path as the asker sees it; its letters need no quoting. */
static void send_index(struct call *c, const struct asset *a)
{
	struct http_reply reply = { .status = 200, .type = a->type, .cache = "no-cache" };
	const char *html = (const char *)a->data;
	const char *at = memmem(html, a->size, base_tag, sizeof(base_tag) - 1);
	const char *rest = at ? memchr(at, '>', a->size - (size_t)(at - html)) : NULL;
	struct buf b;

	buf_init(&b, 0);
	if (rest) {
		rest++;
		buf_add(&b, html, (size_t)(at - html));
		buf_printf(&b, "<base href=\"%s\">", c->base_path);
		buf_add(&b, rest, a->size - (size_t)(rest - html));
	} else {
		buf_add(&b, html, a->size);
	}
	call_bytes(c, &reply, http_bytes_take(&b));
}

static void send_asset(struct call *c, const struct asset *a)
{
	struct http_reply reply = { .status = 200, .type = a->type, .etag = a->etag };
	bool is_zipped = a->gzip && http_accepts_gzip(http_header(c->head, "Accept-Encoding"));

	reply.cache = a->is_hashed ? "public, max-age=31536000, immutable" : "no-cache";
	if (a->gzip)
		reply.headers[reply.n_headers++] =
			(struct http_header){ "Vary", "Accept-Encoding" };
	if (is_zipped)
		reply.headers[reply.n_headers++] =
			(struct http_header){ "Content-Encoding", "gzip" };
	call_bytes(c, &reply,
	           http_bytes_wrap(is_zipped ? a->gzip : a->data,
	                           is_zipped ? a->gzip_size : a->size, NULL, NULL));
}

void page_asset(struct call *c)
{
	const char *path = c->path + strspn(c->path, "/");
	const struct asset *a = asset_find(*path ? path : "index.html");
	const char *name = strrchr(path, '/');

	/* The page finds its own way from any address; what has a dot was meant as a file. */
	if (!a && !strchr(name ? name : path, '.'))
		a = asset_find("index.html");
	if (!a)
		call_refuse(c, 404, "There is nothing at this address.");
	else if (strcmp(a->path, "index.html") == 0)
		send_index(c, a);
	else
		send_asset(c, a);
}
