/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first byte says in what pieces the rest comes; the first line is the Content-Type. */

#include "base/err.h"
#include "base/text.h"
#include "wire/mjpeg_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *type, const uint8_t *data, size_t size, size_t step)
{
	struct mjpeg_parser p;
	struct mjpeg_part part;
	struct err err;
	int rc = 0;

	(void)mjpeg_parser_init(&p, type);
	for (size_t at = 0; at < size && rc >= 0; at += step) {
		const uint8_t *bytes = data + at;
		size_t n = MIN(step, size - at);

		while ((rc = mjpeg_parse(&p, &bytes, &n, &part, &err)) == 1)
			free(part.bytes);
		if (rc == 0 && n != 0)
			abort();
	}
	mjpeg_parser_fini(&p);
}

static void cut(const uint8_t *data, size_t size, size_t step)
{
	struct jpeg_stream s = { .max_size = 4096 };
	int rc = 0;

	for (size_t at = 0; at < size && rc != -EFBIG; at += step) {
		const uint8_t *bytes = data + at;
		size_t n = MIN(step, size - at), got_size;
		uint8_t *got;

		while ((rc = jpeg_stream_feed(&s, &bytes, &n, &got, &got_size)) != 0 &&
		       rc != -EFBIG) {
			if (rc != 1)
				continue;
			/* What was cut out is one picture. */
			if (got_size < 4 || got[0] != 0xff || got[1] != 0xd8 ||
			    got[got_size - 1] != 0xd9)
				abort();
			free(got);
		}
	}
	jpeg_stream_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end;
	char type[300];
	size_t step;

	if (size < 2)
		return 0;
	step = data[0] ? data[0] : 4096;
	end = memchr(data + 1, '\n', size - 1);
	text_copy_n(type, sizeof(type), (const char *)data + 1,
	            end ? (size_t)(end - data - 1) : size - 1);
	if (end)
		parse(type, end + 1, size - (size_t)(end + 1 - data), step);
	cut(data + 1, size - 1, step);
	return 0;
}
