/* SPDX-License-Identifier: GPL-3.0-or-later */
/* picture WIDTH HEIGHT: a JPEG on standard output, for a camera of the lab. */

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "media/frame.h"
#include "media/jpeg.h"

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	int64_t w = 0, h = 0;
	struct frame *f = NULL;
	struct err err = { 0 };

	if (argc != 3 || !text_to_i64(argv[1], &w) || !text_to_i64(argv[2], &h) || w < 16 ||
	    h < 16 || w > 4096 || h > 4096)
		return 2;

	uint8_t *rgbx = mem_new_array((size_t)(w * h), 4);

	for (int64_t i = 0; i < w * h; i++) {
		int64_t x = i % w, y = i / w;

		rgbx[4 * i] = (uint8_t)x;
		rgbx[4 * i + 1] = (uint8_t)y;
		rgbx[4 * i + 2] = (uint8_t)(x * y / 16);
	}
	if (jpeg_encode_rgbx(rgbx, (unsigned)w, (unsigned)h, 80, &f, &err) < 0) {
		fprintf(stderr, "picture: %s\n", err.text);
		return 1;
	}
	fwrite(f->data, 1, f->size, stdout);
	frame_unref(f);
	free(rgbx);
	return 0;
}
