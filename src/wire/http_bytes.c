/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_server.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

struct http_bytes *http_bytes_wrap(const void *bytes, size_t size, void (*release)(void *owner),
                                   void *owner)
{
	struct http_bytes *b = MEM_NEW(struct http_bytes);

	*b = (struct http_bytes){ bytes, size, 1, release, owner };
	return b;
}

struct http_bytes *http_bytes_new(const void *bytes, size_t size)
{
	void *copy = mem_dup(bytes, size);

	return http_bytes_wrap(copy, size, free, copy);
}

struct http_bytes *http_bytes_take(struct buf *b)
{
	size_t size = b->size;
	char *bytes = buf_steal(b);

	return http_bytes_wrap(bytes, size, free, bytes);
}

struct http_bytes *http_bytes_ref(struct http_bytes *b)
{
	b->refs++;
	return b;
}

void http_bytes_unref(struct http_bytes *b)
{
	if (!b || --b->refs > 0)
		return;
	if (b->release)
		b->release(b->owner);
	free(b);
}
