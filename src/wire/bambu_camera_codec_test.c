/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/bambu_camera_codec.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "core/fs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CODE "12345678"

static void fill_picture(uint8_t *dst, size_t size, uint8_t with)
{
	memset(dst, with, size);
	dst[0] = 0xff;
	dst[1] = 0xd8;
	dst[size - 2] = 0xff;
	dst[size - 1] = 0xd9;
}

TEST(camera_login_is_what_the_printer_expects)
{
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE];
	char user[BAMBU_CAMERA_NAME_SIZE], code[BAMBU_CAMERA_NAME_SIZE];
	static const uint8_t start[] = { 0x40, 0, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	CHECK(bambu_camera_login_write(login, "bblp", CODE));
	CHECK_INT(memcmp(login, start, sizeof(start)), 0);
	CHECK_INT(memcmp(login + 16, "bblp\0\0", 6), 0);
	CHECK_INT(memcmp(login + 48, CODE "\0\0", 10), 0);
	CHECK(bambu_camera_login_read(login, user, code));
	CHECK_STR(user, "bblp");
	CHECK_STR(code, CODE);
	login[70] = 1;
	CHECK(!bambu_camera_login_read(login, user, code));
	CHECK(!bambu_camera_login_write(login, "bblp", "123456789012345678901234567890123"));
	CHECK(bambu_camera_login_write(login, "bblp", "12345678901234567890123456789012"));
	CHECK(bambu_camera_login_read(login, user, code));
}

static void compare_with(const char *path, const uint8_t *bytes, size_t size)
{
	struct buf b;

	CHECK_INT(fs_read(path, 1000, &b, NULL), 0);
	CHECK_INT(b.size, size);
	CHECK_INT(memcmp(b.data, bytes, size), 0);
	buf_fini(&b);
}

TEST(camera_packets_are_those_of_the_shared_vectors)
{
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE], head[BAMBU_CAMERA_HEAD_SIZE];
	const char *path = test_shared("data/bambu/vectors/camera_auth_bblp_12345678.bin");

	if (!path)
		SKIP("no shared vectors");
	CHECK(bambu_camera_login_write(login, "bblp", CODE));
	compare_with(path, login, sizeof(login));
	bambu_camera_head_write(head, 51234);
	compare_with(test_shared("data/bambu/vectors/camera_frame_header_51234.bin"), head,
	             sizeof(head));
}

TEST(camera_pictures_come_whole_however_they_are_torn)
{
	enum {
		N = 3,
		SIZE = 1200
	};
	uint8_t stream[N * (BAMBU_CAMERA_HEAD_SIZE + SIZE)];

	for (int i = 0; i < N; i++) {
		uint8_t *at = stream + (size_t)i * (BAMBU_CAMERA_HEAD_SIZE + SIZE);

		bambu_camera_head_write(at, SIZE);
		fill_picture(at + BAMBU_CAMERA_HEAD_SIZE, SIZE, (uint8_t)i);
	}
	for (size_t piece = 1; piece <= sizeof(stream); piece += piece < 40 ? 1 : 397) {
		struct bambu_camera_parser p = { 0 };
		unsigned n = 0;

		for (size_t at = 0; at < sizeof(stream); at += piece) {
			const uint8_t *bytes = stream + at;
			size_t size = MIN(piece, sizeof(stream) - at), got;
			uint8_t *picture;
			int rc;

			while ((rc = bambu_camera_parse(&p, &bytes, &size, &picture, &got, NULL)) ==
			       1) {
				CHECK_INT(got, SIZE);
				CHECK_INT(picture[600], n++);
				free(picture);
			}
			CHECK_INT(rc, 0);
		}
		CHECK_INT(n, N);
		bambu_camera_parser_fini(&p);
	}
}

static int parse_once(struct bambu_camera_parser *p, const uint8_t *bytes, size_t size)
{
	uint8_t *picture;
	size_t got;
	int rc = bambu_camera_parse(p, &bytes, &size, &picture, &got, NULL);

	if (rc == 1)
		free(picture);
	return rc;
}

TEST(camera_parser_refuses_what_cannot_be_a_picture)
{
	const uint32_t sizes[] = { 0, 1, 999, 8000001, 0x80000000U, 0xffffffffU };
	uint8_t bytes[BAMBU_CAMERA_HEAD_SIZE + 1000];
	struct bambu_camera_parser p = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		bambu_camera_head_write(bytes, sizes[i]);
		CHECK_INT(parse_once(&p, bytes, BAMBU_CAMERA_HEAD_SIZE), -EBADMSG);
		CHECK_INT(parse_once(&p, bytes, 1), -EBADMSG);
		bambu_camera_parser_fini(&p);
	}
	bambu_camera_head_write(bytes, 1000);
	fill_picture(bytes + 16, 1000, 7);
	bytes[16] = '<';
	CHECK_INT(parse_once(&p, bytes, 17), -EBADMSG);
	bambu_camera_parser_fini(&p);
	bytes[16] = 0xff;
	bytes[sizeof(bytes) - 1] = 0;
	CHECK_INT(parse_once(&p, bytes, sizeof(bytes)), -EBADMSG);
	bambu_camera_parser_fini(&p);
}

TEST(camera_parser_knows_a_file_tunnel)
{
	uint8_t answer[24] = { 0x3f, 0x01, 0x03, 0x00 };
	struct bambu_camera_parser p = { 0 };

	CHECK(!bambu_camera_is_tunnel(&p));
	(void)parse_once(&p, answer, sizeof(answer));
	CHECK(bambu_camera_is_tunnel(&p));
	bambu_camera_parser_fini(&p);
}
