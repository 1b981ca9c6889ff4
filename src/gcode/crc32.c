/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/crc32.h"

#include <zlib.h>

#if defined(__x86_64__)

	#include <immintrin.h>

	#define FOLD_MIN 64

/* Folds `a` over the distance of the constants `k` onto `b`. */
static inline __attribute__((target("pclmul,sse2"))) __m128i fold(__m128i a, __m128i b, __m128i k)
{
	__m128i low = _mm_clmulepi64_si128(a, k, 0x00);
	__m128i high = _mm_clmulepi64_si128(a, k, 0x11);

	return _mm_xor_si128(_mm_xor_si128(low, high), b);
}

/* Four lanes of 16 bytes are folded over 64 bytes each, then into one, which has the CRC of all.
 * Method and constants: Gopal and others, "Fast CRC Computation for Generic Polynomials Using
 * PCLMULQDQ Instruction", Intel 2009. `size` is a multiple of 64. */
static __attribute__((target("pclmul,sse2"))) uint32_t crc32_fold(uint32_t crc, const uint8_t *p,
                                                                  size_t size)
{
	const __m128i by_64 = _mm_set_epi64x(0x1c6e41596, 0x154442bd4);
	const __m128i by_16 = _mm_set_epi64x(0x0ccaa009e, 0x1751997d0);
	const __m128i *in = (const __m128i *)(const void *)p;
	const __m128i *end = in + size / sizeof(*in);
	__m128i lane[4];
	uint8_t rest[16];

	for (unsigned i = 0; i < 4; i++)
		lane[i] = _mm_loadu_si128(in + i);
	lane[0] = _mm_xor_si128(lane[0], _mm_cvtsi32_si128((int)~crc));
	for (in += 4; in < end; in += 4)
		for (unsigned i = 0; i < 4; i++)
			lane[i] = fold(lane[i], _mm_loadu_si128(in + i), by_64);
	lane[1] = fold(lane[0], lane[1], by_16);
	lane[2] = fold(lane[1], lane[2], by_16);
	lane[3] = fold(lane[2], lane[3], by_16);
	_mm_storeu_si128((__m128i *)(void *)rest, lane[3]);
	/* zlib's inverts before and after: from zero, as a remainder begins. */
	return (uint32_t)crc32_z(0xffffffff, rest, sizeof(rest));
}

uint32_t gcode_crc32(uint32_t crc, const void *bytes, size_t size)
{
	const uint8_t *p = bytes;

	if (size >= FOLD_MIN && __builtin_cpu_supports("pclmul")) {
		size_t n = size & ~(size_t)(FOLD_MIN - 1);

		crc = crc32_fold(crc, p, n);
		p += n;
		size -= n;
	}
	return size > 0 ? (uint32_t)crc32_z(crc, p, size) : crc;
}

#else

uint32_t gcode_crc32(uint32_t crc, const void *bytes, size_t size)
{
	return size > 0 ? (uint32_t)crc32_z(crc, bytes, size) : crc;
}

#endif
