/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_bambu_camera: the first byte says how the rest is torn; no tearing changes what comes out. */

#include "base/err.h"
#include "wire/bambu_camera_codec.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
	uint64_t n, bytes;
	bool is_broken;
};

static struct result run(const uint8_t *data, size_t size, size_t piece)
{
	struct bambu_camera_parser p = { 0 };
	struct result r = { 0 };

	for (size_t at = 0; at < size && !r.is_broken; at += piece) {
		const uint8_t *bytes = data + at;
		size_t left = MIN(piece, size - at), got;
		uint8_t *picture;
		struct err err;
		int rc;

		while ((rc = bambu_camera_parse(&p, &bytes, &left, &picture, &got, &err)) == 1) {
			assert(got >= BAMBU_CAMERA_MIN_PICTURE && got <= BAMBU_CAMERA_MAX_PICTURE);
			assert(picture[0] == 0xff && picture[got - 1] == 0xd9);
			r.n++;
			r.bytes += got;
			free(picture);
		}
		r.is_broken = rc < 0;
	}
	(void)bambu_camera_is_tunnel(&p);
	bambu_camera_parser_fini(&p);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char user[BAMBU_CAMERA_NAME_SIZE], code[BAMBU_CAMERA_NAME_SIZE];

	if (size >= BAMBU_CAMERA_LOGIN_SIZE)
		(void)bambu_camera_login_read(data, user, code);
	if (size < 2)
		return 0;

	struct result whole = run(data + 1, size - 1, size);
	struct result torn = run(data + 1, size - 1, 1 + data[0]);

	assert(whole.n == torn.n && whole.bytes == torn.bytes);
	assert(whole.is_broken == torn.is_broken);
	return 0;
}
