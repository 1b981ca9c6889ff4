/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * words: the words of a move ("X107.183 Y-104.926 E.02355"), fast. Only for scan.c.
 *
 * One pass over the next 64 bytes says at once where each number ends, so that the numbers need
 * not wait for each other. What is out of the ordinary (long numbers, several blanks, a line of
 * more than 64 bytes) is left to words_read(), which reads byte by byte and to which the quick way
 * must be equal.
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#include <string.h>

#include "gcode/number.h"

#if defined(__SSE2__)
	#include <emmintrin.h>
#elif defined(__aarch64__)
	#include <arm_neon.h>
#endif

#define likely(x) __builtin_expect((x), 1)

/* So many bytes are readable from the beginning of a line that is read the quick way. */
#define WORDS_AHEAD (64 + GCODE_NUMBER_SLACK)

struct words {
	double v[8]; /* X Y Z E F I J R */
	unsigned seen;
};

/* Zeroing all words of each line would cost a tenth of the time; `seen` tells which are set. */
#define WORDS_UNSET __attribute__((uninitialized))

enum {
	WORD_X,
	WORD_Y,
	WORD_Z,
	WORD_E,
	WORD_F,
	WORD_I,
	WORD_J,
	WORD_R
};

#define WORD(upper, lower, k) [upper] = (k) + 1, [lower] = (k) + 1
#define WORDS_END 0xff

/* Which word a letter begins, plus one; 0: read and forget; WORDS_END at comment and line end. */
static const uint8_t word_of[256] = {
	[0 ... 32] = WORDS_END, [';'] = WORDS_END,      ['('] = WORDS_END,
	['*'] = WORDS_END,      WORD('X', 'x', WORD_X), WORD('Y', 'y', WORD_Y),
	WORD('Z', 'z', WORD_Z), WORD('E', 'e', WORD_E), WORD('F', 'f', WORD_F),
	WORD('I', 'i', WORD_I), WORD('J', 'j', WORD_J), WORD('R', 'r', WORD_R),
};

/* Reads the words of a line up to its comment or end, where it returns. */
static inline const char *words_read(const char *p, struct words *w)
{
	double scrap; /* of letters that mean nothing here */

	w->seen = 0;
	for (;;) {
		while (*p == ' ' || *p == '\t')
			p++;

		unsigned k = word_of[(uint8_t)*p];

		if (k == WORDS_END)
			return p;
		if (k == 0) {
			p = gcode_number(p + 1, &scrap);
			continue;
		}
		p = gcode_number(p + 1, &w->v[k - 1]);
		w->seen |= 1U << (k - 1);
	}
}

/* Of the 64 bytes at `p`, those that are neither digit nor point nor minus. */
#if defined(__SSE2__)

static inline uint64_t words_stops_16(const char *p)
{
	__m128i c = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i digit = _mm_sub_epi8(c, _mm_set1_epi8('0'));
	__m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(digit, _mm_set1_epi8(9)), digit);
	__m128i is_sign = _mm_or_si128(_mm_cmpeq_epi8(c, _mm_set1_epi8('.')),
	                               _mm_cmpeq_epi8(c, _mm_set1_epi8('-')));

	return (uint64_t)(uint16_t)~_mm_movemask_epi8(_mm_or_si128(is_digit, is_sign));
}

#elif defined(__aarch64__)

static inline uint64_t words_stops_16(const char *p)
{
	static const uint8_t bit[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
	uint8x16_t c = vld1q_u8((const uint8_t *)p);
	uint8x16_t is_digit = vcleq_u8(vsubq_u8(c, vdupq_n_u8('0')), vdupq_n_u8(9));
	uint8x16_t is_sign = vorrq_u8(vceqq_u8(c, vdupq_n_u8('.')), vceqq_u8(c, vdupq_n_u8('-')));
	uint8x16_t stop = vbicq_u8(vld1q_u8(bit), vorrq_u8(is_digit, is_sign));

	return vaddv_u8(vget_low_u8(stop)) | (uint64_t)vaddv_u8(vget_high_u8(stop)) << 8;
}

#else

static inline uint64_t words_stops_16(const char *p)
{
	uint64_t stops = 0;

	for (unsigned i = 0; i < 16; i++)
		stops |= (uint64_t)((uint8_t)(p[i] - '0') > 9 && p[i] != '.' && p[i] != '-') << i;
	return stops;
}

#endif

static inline uint64_t words_stops_32(const char *p)
{
	return words_stops_16(p) | words_stops_16(p + 16) << 16;
}

/* The number of `n` bytes at `p`, digits, points and minuses only: false unless it is 1 to 8 bytes
 * without a minus and with one point at most. The same value as gcode_number_plain()'s. */
static ALWAYS_INLINE bool words_number(const char *p, unsigned n, double *ret)
{
	static const double scale[8] = { 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1 };
	uint64_t w;

	memcpy(&w, p, sizeof(w));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	w = __builtin_bswap64(w);
#endif
	/* The last byte is the highest, zeros fill up from below. Points and minuses have bit
	 * 4, points bit 1 too. */
	w = (w ^ 0x3030303030303030) << ((64 - 8 * n) & 63);

	uint64_t point = w & 0x1010101010101010;

	if (n - 1 > 7 || ((point & (point - 1)) | (~w & (point >> 3))) != 0)
		return false;

	/* Takes the point out: what stands before it moves up by one byte. */
	uint64_t before = (point >> 4) - 1; /* all, if there is none */
	uint64_t behind = ~before & ~((point << 4) - (point >> 4));
	uint64_t v = (w & before) << (point ? 8 : 0) | (w & behind);

	v = v * 10 + (v >> 8);
	v = ((v & 0x000000ff000000ff) * 0x000f424000000064 +
	     ((v >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
	    32;
	*ret = (double)(uint32_t)v *
	       scale[(unsigned)__builtin_ctzll(point | 0x8000000000000000) / 8];
	return true;
}

/* As words_read(p + 2, w), of whose line `p` is the beginning ("G1"); NULL for that one. */
static ALWAYS_INLINE const char *words_quick(const char *p, struct words *w)
{
	uint64_t stops = words_stops_32(p); /* most lines are not longer */
	bool has_all = false;
	unsigned i = 2;

	w->seen = 0;
	for (;;) {
		/* Foretold, so that the next number need not wait for this look. */
		if (likely(p[i] == ' '))
			i++;

		unsigned k = word_of[(uint8_t)p[i]];

		if (k == WORDS_END)
			return p[i] == ' ' || p[i] == '\t' ? NULL : p + i;
		if (i >= 63)
			return NULL;
		if (stops >> (i + 1) == 0) {
			if (has_all || i >= 32)
				return NULL;
			has_all = true;
			stops |= words_stops_32(p + 32) << 32;
		}
		if (stops >> (i + 1) == 0 || !(stops >> i & 1))
			return NULL;

		bool is_negative = p[i + 1] == '-';
		unsigned at = i + 1 + is_negative;
		double v;

		i = i + 1 + (unsigned)__builtin_ctzll(stops >> (i + 1));
		if (!words_number(p + at, i - at, &v) &&
		    (i == at || gcode_number_plain(p + at, &v) != p + i))
			return NULL;
		if (k == 0)
			continue;
		w->v[k - 1] = is_negative ? -v : v;
		w->seen |= 1U << (k - 1);
	}
}
