/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * buf: bytes that grow, up to a limit.
 *
 * Once something did not fit, the buffer is marked overflown and further additions are ignored,
 * so that a writer checks once, at the end.
 *
 * Thread: any; one buf belongs to one thread.
 */

#pragma once

#include "base/base.h"

struct buf {
	char *data; /* always ends with a NUL that `size` does not count; NULL while empty */
	size_t size;
	size_t cap;
	size_t max; /* 0: no limit but memory */
	bool overflown;
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

void buf_add(struct buf *b, const void *bytes, size_t size);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Room for `size` more bytes at the end, to be counted with buf_grew(). NULL if over the limit. */
char *buf_reserve(struct buf *b, size_t size);
void buf_grew(struct buf *b, size_t size);

/* Removes `size` bytes from the front. */
void buf_consume(struct buf *b, size_t size);

/* The content as a string, "" while empty. Borrowed until the next call. */
const char *buf_peek(const struct buf *b);

/* The content as a string, the caller's to free(); the buffer is empty afterwards. */
char *buf_steal(struct buf *b);

#define auto_buf __attribute__((cleanup(buf_fini)))
