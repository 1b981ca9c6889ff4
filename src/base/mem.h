/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mem: memory that is there or the program ends.
 *
 * Out of memory aborts: no caller can do anything sensible about it. Whoever passes a size that
 * came from outside checks it against a limit first.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

/* `size` zeroed bytes, never NULL. Release with free(). */
void *mem_new(size_t size) __attribute__((malloc, returns_nonnull));

/* `n` zeroed objects of `size` bytes each; an overflow of the product aborts. */
void *mem_new_array(size_t n, size_t size) __attribute__((malloc, returns_nonnull));

/* As realloc(), never NULL; an overflow of `n * size` aborts. New bytes are not cleared. */
void *mem_grow(void *old, size_t n, size_t size) __attribute__((returns_nonnull));

/* A copy of `size` bytes. Release with free(). */
void *mem_dup(const void *bytes, size_t size) __attribute__((malloc, returns_nonnull));

/* A copy of a string; NULL gives NULL. Release with free(). */
char *mem_str(const char *s);

/* A formatted string. Release with free(). */
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));

#define MEM_NEW(type) ((type *)mem_new(sizeof(type)))
