/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/base64.h"

static int digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

size_t gcode_base64_decode(uint8_t *dst, const char *text, size_t size)
{
	uint32_t bits = 0;
	unsigned n_bits = 0;
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		if ((unsigned char)text[i] <= ' ')
			continue;

		int d = digit((unsigned char)text[i]);

		if (d < 0)
			break;
		bits = (bits << 6 | (uint32_t)d) & 0xffffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			dst[n++] = (uint8_t)(bits >> n_bits);
		}
	}
	return n;
}
