/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * number: decimal numbers of G-code, fast.
 *
 * Eight bytes are looked at in one go: where the digits end, where the point is, and their value
 * by three multiplications (the method is Daniel Lemire's "quickly parsing eight digits"). So the
 * caller owes GCODE_NUMBER_SLACK readable bytes after the text.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#include <string.h>

#define GCODE_NUMBER_SLACK 8

/* For the inner loops, which are compiled for several processors. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

/* A number too long for the quick way: up to 15 digits count, 9 of them behind the point; the rest
 * is passed over. Short ones come out as from the quick way, to the last bit. */
static __attribute__((noinline, unused)) const char *gcode_number_slow(const char *p, double *ret)
{
	static const double scale[10] = { 1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9 };
	uint64_t v = 0;
	unsigned n_behind = 0;

	for (; (unsigned char)(*p - '0') <= 9; p++)
		v = v < 1000000000000 ? v * 10 + (unsigned)(*p - '0') : v;
	if (*p == '.') {
		for (p++; (unsigned char)(*p - '0') <= 9; p++) {
			if (n_behind < 9 && v < 100000000000000) {
				v = v * 10 + (unsigned)(*p - '0');
				n_behind++;
			}
		}
	}
	*ret = (double)v * scale[n_behind];
	return p;
}

/* The number at `p` without a sign, 0 if there are no digits. Returns what follows it. */
static ALWAYS_INLINE const char *gcode_number_plain(const char *p, double *ret)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	static const double scale[8] = { 1, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7 };
	const uint64_t low7 = 0x7f7f7f7f7f7f7f7f;
	const uint64_t high = 0x8080808080808080;
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	w ^= 0x3030303030303030;

	/* High bit set in each byte that is no digit. */
	uint64_t other = (((w & low7) + 0x7676767676767676) | w) & high;

	if (other != 0) {
		unsigned n = (unsigned)__builtin_ctzll(other) & ~7U; /* bits before the point */
		unsigned has_point = ((w >> n) & 0xff) == ('.' ^ '0');
		uint64_t after = other & (other - has_point);

		if (after != 0) {
			unsigned end = (unsigned)__builtin_ctzll(after) & ~7U;
			uint64_t before = w & ((1ULL << n) - 1);
			/* Takes the point out: what follows moves down one byte. */
			uint64_t joined = has_point ? before | ((w >> 8) & ~((1ULL << n) - 1)) : w;
			unsigned bits = end - 8 * has_point;
			uint64_t v = (joined << 1) << (63 - bits);

			v = v * 10 + (v >> 8);
			v = ((v & 0x000000ff000000ff) * 0x000f424000000064 +
			     ((v >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
			    32;
			*ret = (double)(uint32_t)v * scale[(end - n) / 8 - has_point];
			return p + end / 8;
		}
	}
#endif
	return gcode_number_slow(p, ret);
}

static ALWAYS_INLINE const char *gcode_number(const char *p, double *ret)
{
	bool is_negative = *p == '-';
	double v;

	p = gcode_number_plain(p + (is_negative || *p == '+'), &v);
	*ret = is_negative ? -v : v;
	return p;
}
