/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * text: strings and numbers, without a locale and without surprises.
 *
 * Thread: any. Nothing here keeps state.
 */

#pragma once

#include "base/base.h"

/* Copies `src` into `dst` of `size` bytes, cut to fit, always terminated, never in the middle of
 * a UTF-8 sequence. NULL counts as "". Returns false if something was cut off. */
bool text_copy(char *dst, size_t size, const char *src);

/* As text_copy() from bytes that need not be terminated. */
bool text_copy_n(char *dst, size_t size, const char *src, size_t len);

/* text_copy() into an array. */
#define TEXT_SET(array, src) text_copy((array), sizeof(array), (src))

/* Both NULL, or both the same string. */
bool text_equal(const char *a, const char *b);
bool text_equal_nocase(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);

/* The whole of `s` as a number, blanks not allowed. On false *ret is untouched. */
bool text_to_i64(const char *s, int64_t *ret);
bool text_to_u64(const char *s, int base, uint64_t *ret);
bool text_to_double(const char *s, double *ret); /* finite only; '.' is the point */

/* 0 to 15, or -1 for what is no hex digit. */
int text_hex_digit(char c);
/* Lower-case hex of `size` bytes into `dst` (2 * size + 1 bytes). */
void text_hex(char *dst, const void *bytes, size_t size);
/* The reverse; exactly `size` bytes, either letter case. */
bool text_unhex(void *bytes, size_t size, const char *hex);

/* Makes foreign text fit for a screen and for JSON, in place: bytes that are not UTF-8 become
 * '?', control characters become blanks. */
void text_clean(char *s);

/* A name made of a-z, 0-9 and '-', for ids and file names; "" becomes "unnamed". */
void text_slug(char *dst, size_t size, const char *src);

/* Sizes for people: "1.5 MB", decimal units as disks are sold. Returns `dst`. */
const char *text_size(char *dst, size_t size, uint64_t bytes);

/* "12MB", "1.5 GB", "700 kB", "4 GiB", "123" into bytes. */
bool text_to_size(const char *s, uint64_t *ret_bytes);
