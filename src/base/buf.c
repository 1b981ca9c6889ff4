/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
	b->size = 0;
	b->overflown = false;
	if (b->data)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t size)
{
	if (b->overflown || (b->max > 0 && size > b->max - b->size)) {
		b->overflown = true;
		return NULL;
	}
	if (b->cap - b->size <= size) {
		size_t cap = b->cap ? b->cap : FIRST_CAP;

		while (cap - b->size <= size)
			cap *= 2;
		b->data = mem_grow(b->data, cap, 1);
		b->cap = cap;
	}
	return b->data + b->size;
}

void buf_grew(struct buf *b, size_t size)
{
	assert(b->cap - b->size > size);
	b->size += size;
	b->data[b->size] = '\0';
}

void buf_add(struct buf *b, const void *bytes, size_t size)
{
	char *at = buf_reserve(b, size);

	if (!at)
		return;
	if (size > 0)
		memcpy(at, bytes, size);
	buf_grew(b, size);
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);

	char *at = buf_reserve(b, (size_t)n);

	if (!at)
		return;
	va_start(ap, fmt);
	vsnprintf(at, (size_t)n + 1, fmt, ap);
	va_end(ap);
	buf_grew(b, (size_t)n);
}

void buf_consume(struct buf *b, size_t size)
{
	assert(size <= b->size);
	if (size == 0)
		return;
	b->size -= size;
	memmove(b->data, b->data + size, b->size + 1);
}

const char *buf_peek(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b)
{
	char *s = b->data ? b->data : mem_str("");

	*b = (struct buf){ .max = b->max };
	return s;
}
