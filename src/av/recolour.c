/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/recolour.h"

/*
 * With Kr, Kb of BT.601 (0.299, 0.114) and BT.709 (0.2126, 0.0722), both chroma centred:
 *	Y709 = Y - 0.118188 Cb - 0.212685 Cr
 *	Cb709 = 1.018640 Cb + 0.114618 Cr
 *	Cr709 = 0.075049 Cb + 1.025327 Cr
 * and then times 219/255 (luma, + 16) or 224/255 (chroma, + 128).
 */
enum {
	Y_OF_Y = 110,   /* 0.858824 * 2^7 */
	Y_OF_CB = 13,   /* -0.101503 * 2^7 */
	Y_OF_CR = 23,   /* -0.182659 * 2^7 */
	Y_ADD = 183,    /* (0.9294 + 0.5) * 2^7: 16 + 128 * 0.858824 is 125.9294 */
	CB_OF_CB = 229, /* 0.894802 * 2^8 */
	CB_OF_CR = 26,  /* 0.100684 * 2^8 */
	CR_OF_CB = 17,  /* 0.065925 * 2^8 */
	CR_OF_CR = 231, /* 0.900676 * 2^8 */
};

static uint8_t clamp8(int16_t v)
{
	return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* The arithmetic is of 16 bits throughout, so that the compiler makes vectors of it. */
static void chroma_row(const uint8_t *restrict cb, const uint8_t *restrict cr,
                       uint8_t *restrict to_cb, uint8_t *restrict to_cr, int16_t *restrict shade,
                       unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		int16_t b = (int16_t)(cb[i] - 128), r = (int16_t)(cr[i] - 128);
		int16_t s = (int16_t)(Y_ADD - (int16_t)(b * Y_OF_CB) - (int16_t)(r * Y_OF_CR));
		int16_t out_b = (int16_t)((int16_t)(b * CB_OF_CB) + (int16_t)(r * CB_OF_CR));
		int16_t out_r = (int16_t)((int16_t)(b * CR_OF_CB) + (int16_t)(r * CR_OF_CR));

		to_cb[i] = clamp8((int16_t)((out_b >> 8) + ((out_b >> 7) & 1) + 128));
		to_cr[i] = clamp8((int16_t)((out_r >> 8) + ((out_r >> 7) & 1) + 128));
		shade[(size_t)2 * i] = s;
		shade[(size_t)2 * i + 1] = s;
	}
}

static void luma_row(const uint8_t *restrict y, const int16_t *restrict shade, uint8_t *restrict to,
                     unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): set before, in a loop of the same length */
		int16_t v = (int16_t)((int16_t)((int16_t)(y[i] - 128) * Y_OF_Y) + shade[i]);

		to[i] = clamp8((int16_t)((v >> 7) + 125));
	}
}

#define MAX_PART 4096U /* pixels of a row at a time */

void recolour_420(const struct recolour_planes *p)
{
	int16_t shade[MAX_PART];

	for (unsigned row = 0; row < p->height / 2; row++) {
		for (unsigned x = 0; x < p->width; x += MAX_PART) {
			unsigned n = MIN(MAX_PART, p->width - x);
			size_t c = x / 2;

			chroma_row(p->from[1] + row * p->from_stride[1] + c,
			           p->from[2] + row * p->from_stride[2] + c,
			           p->to[1] + row * p->to_stride[1] + c,
			           p->to[2] + row * p->to_stride[2] + c, shade, n / 2);
			for (unsigned line = 2 * row; line < 2 * row + 2; line++)
				luma_row(p->from[0] + line * p->from_stride[0] + x, shade,
				         p->to[0] + line * p->to_stride[0] + x, n);
		}
	}
}
