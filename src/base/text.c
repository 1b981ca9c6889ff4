/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool text_copy(char *dst, size_t size, const char *src)
{
	return text_copy_n(dst, size, src ? src : "", src ? strlen(src) : 0);
}

bool text_copy_n(char *dst, size_t size, const char *src, size_t len)
{
	if (size == 0)
		return len == 0;

	size_t n = MIN(len, size - 1);

	if (n < len) {
		while (n > 0 && ((uint8_t)src[n] & 0xc0) == 0x80)
			n--;
	}
	memmove(dst, src, n);
	dst[n] = '\0';
	return n == len;
}

bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool text_equal_nocase(const char *a, const char *b)
{
	return a == b || (a && b && strcasecmp(a, b) == 0);
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

bool text_to_i64(const char *s, int64_t *ret)
{
	if (*s != '-' && !isdigit((unsigned char)*s))
		return false;

	char *end = NULL;

	errno = 0;
	long long v = strtoll(s, &end, 10);

	if (errno != 0 || *end != '\0' || end == s)
		return false;
	*ret = v;
	return true;
}

bool text_to_u64(const char *s, int base, uint64_t *ret)
{
	if (!isxdigit((unsigned char)*s))
		return false;

	char *end = NULL;

	errno = 0;
	unsigned long long v = strtoull(s, &end, base);

	if (errno != 0 || *end != '\0' || end == s)
		return false;
	*ret = v;
	return true;
}

/* The program never calls setlocale(), so strtod() reads the C locale's point. */
bool text_to_double(const char *s, double *ret)
{
	if (*s != '-' && *s != '.' && !isdigit((unsigned char)*s))
		return false;

	char *end = NULL;
	double v = strtod(s, &end);

	if (*end != '\0' || end == s || !isfinite(v))
		return false;
	*ret = v;
	return true;
}

void text_hex(char *dst, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < size; i++) {
		*dst++ = digits[p[i] >> 4];
		*dst++ = digits[p[i] & 15];
	}
	*dst = '\0';
}

int text_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool text_unhex(void *bytes, size_t size, const char *hex)
{
	uint8_t *p = bytes;

	if (strlen(hex) != 2 * size)
		return false;
	for (size_t i = 0; i < 2 * size; i++) {
		if (text_hex_digit(hex[i]) < 0)
			return false;
	}
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(text_hex_digit(hex[2 * i]) * 16 + text_hex_digit(hex[2 * i + 1]));
	return true;
}

/* The length of the UTF-8 sequence at `s`, 0 if it is none (overlong, surrogate, too large). */
static size_t utf8_len(const uint8_t *s)
{
	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;

	size_t n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;

	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

void text_clean(char *s)
{
	for (uint8_t *p = (uint8_t *)s; *p;) {
		size_t n = utf8_len(p);

		if (n == 0)
			*p = '?';
		else if (*p < 0x20 || *p == 0x7f)
			*p = ' ';
		p += n ? n : 1;
	}
}

/* tolower() is a macro, and knows locales. */
static char lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

void text_slug(char *dst, size_t size, const char *src)
{
	size_t n = 0;

	for (; *src && n + 1 < size; src++) {
		char c = lower(*src);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			dst[n++] = c;
		else if (n > 0 && dst[n - 1] != '-')
			dst[n++] = '-';
	}
	while (n > 0 && dst[n - 1] == '-')
		n--;
	dst[n] = '\0';
	if (n == 0)
		text_copy(dst, size, "unnamed");
}

const char *text_size(char *dst, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB" };
	double v = (double)bytes;
	size_t u = 0;

	while (v >= 999.5 && u + 1 < ARRAY_LEN(units)) {
		v /= 1000;
		u++;
	}
	snprintf(dst, size, u == 0 || v >= 99.95 ? "%.0f %s" : "%.1f %s", v, units[u]);
	return dst;
}

bool text_to_size(const char *s, uint64_t *ret_bytes)
{
	static const struct {
		const char *name;
		double factor;
	} units[] = { { "", 1 },          { "B", 1 },           { "kB", 1e3 },  { "KB", 1e3 },
		      { "MB", 1e6 },      { "GB", 1e9 },        { "TB", 1e12 }, { "KiB", 1024 },
		      { "MiB", 1048576 }, { "GiB", 1073741824 } };
	char *end = NULL;

	if (!isdigit((unsigned char)*s))
		return false;

	double v = strtod(s, &end);

	while (*end == ' ')
		end++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(end, units[i].name) == 0 && v * units[i].factor < 9e18) {
			*ret_bytes = (uint64_t)(v * units[i].factor);
			return true;
		}
	}
	return false;
}
