/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/bambu_camera_codec.h"

#include "base/err.h"
#include "base/mem.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOGIN_BODY_SIZE 0x40U
#define LOGIN_TYPE 0x3000U
#define USER_AT 16
#define CODE_AT 48
#define NAME_SIZE 32

/* The answer of a file tunnel, then it closes. */
#define TUNNEL_ANSWER_SIZE 24

static uint32_t le32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

bool bambu_camera_login_write(uint8_t dst[BAMBU_CAMERA_LOGIN_SIZE], const char *user,
                              const char *code)
{
	size_t user_size = strlen(user), code_size = strlen(code);

	if (user_size > NAME_SIZE || code_size > NAME_SIZE)
		return false;
	memset(dst, 0, BAMBU_CAMERA_LOGIN_SIZE);
	put_le32(dst, LOGIN_BODY_SIZE);
	put_le32(dst + 4, LOGIN_TYPE);
	/* Names of full length have no NUL behind them: that is the format. */
	memcpy(dst + USER_AT, user, user_size); /* NOLINT(bugprone-not-null-terminated-result) */
	memcpy(dst + CODE_AT, code, code_size); /* NOLINT(bugprone-not-null-terminated-result) */
	return true;
}

/* Text padded with NULs, and nothing behind the first of them. */
static bool read_name(char dst[BAMBU_CAMERA_NAME_SIZE], const uint8_t *from)
{
	size_t n = strnlen((const char *)from, NAME_SIZE);

	for (size_t i = n; i < NAME_SIZE; i++)
		if (from[i] != 0)
			return false;
	memcpy(dst, from, n);
	dst[n] = '\0';
	return true;
}

bool bambu_camera_login_read(const uint8_t bytes[BAMBU_CAMERA_LOGIN_SIZE],
                             char ret_user[BAMBU_CAMERA_NAME_SIZE],
                             char ret_code[BAMBU_CAMERA_NAME_SIZE])
{
	return le32(bytes) == LOGIN_BODY_SIZE && le32(bytes + 4) == LOGIN_TYPE &&
	       read_name(ret_user, bytes + USER_AT) && read_name(ret_code, bytes + CODE_AT);
}

void bambu_camera_head_write(uint8_t dst[BAMBU_CAMERA_HEAD_SIZE], uint32_t size)
{
	memset(dst, 0, BAMBU_CAMERA_HEAD_SIZE);
	put_le32(dst, size);
	put_le32(dst + 8, 1);
}

void bambu_camera_parser_fini(struct bambu_camera_parser *p)
{
	free(p->picture);
	*p = (struct bambu_camera_parser){ 0 };
}

static int broken(struct bambu_camera_parser *p, struct err *err, const char *why)
{
	p->is_broken = true;
	free(p->picture);
	p->picture = NULL;
	return err_set(err, -EBADMSG, "%s", why);
}

/* Moves up to `want` bytes out of the input. */
static size_t take(struct bambu_camera_parser *p, uint8_t *dst, size_t want, const uint8_t **bytes,
                   size_t *size)
{
	size_t n = MIN(want, *size);

	if (n > 0)
		memcpy(dst, *bytes, n);
	*bytes += n;
	*size -= n;
	p->n_bytes += n;
	return n;
}

static int start_picture(struct bambu_camera_parser *p, struct err *err)
{
	uint32_t size = le32(p->head);

	if (size < BAMBU_CAMERA_MIN_PICTURE || size > BAMBU_CAMERA_MAX_PICTURE)
		return broken(p, err, "it sent a picture of an impossible size");
	p->size = size;
	p->have = 0;
	p->picture = mem_grow(NULL, size, 1);
	return 0;
}

static int check_ends(struct bambu_camera_parser *p, struct err *err)
{
	const uint8_t *pic = p->picture;

	assert(pic);
	if ((p->have > 0 && pic[0] != 0xff) || (p->have > 1 && pic[1] != 0xd8))
		return broken(p, err, "what it sent does not begin like a picture");
	if (p->have == p->size && (pic[p->size - 2] != 0xff || pic[p->size - 1] != 0xd9))
		return broken(p, err, "what it sent does not end like a picture");
	return 0;
}

int bambu_camera_parse(struct bambu_camera_parser *p, const uint8_t **bytes, size_t *size,
                       uint8_t **ret_picture, size_t *ret_size, struct err *err)
{
	int rc;

	if (p->is_broken)
		return err_set(err, -EBADMSG, "the connection is broken already");
	if (p->n_head < BAMBU_CAMERA_HEAD_SIZE) {
		p->n_head += take(p, p->head + p->n_head, BAMBU_CAMERA_HEAD_SIZE - p->n_head, bytes,
		                  size);
		if (p->n_head < BAMBU_CAMERA_HEAD_SIZE)
			return 0;
		rc = start_picture(p, err);
		if (rc < 0)
			return rc;
	}
	assert(p->picture);
	p->have += take(p, p->picture + p->have, p->size - p->have, bytes, size);
	rc = check_ends(p, err);
	if (rc < 0)
		return rc;
	if (p->have < p->size)
		return 0;
	*ret_picture = p->picture;
	*ret_size = p->size;
	p->picture = NULL;
	p->n_head = 0;
	p->n_pictures++;
	return 1;
}

bool bambu_camera_is_tunnel(const struct bambu_camera_parser *p)
{
	return p->n_pictures == 0 && p->n_bytes >= 4 && p->n_bytes <= TUNNEL_ANSWER_SIZE &&
	       le32(p->head) == BAMBU_CAMERA_TUNNEL_MAGIC;
}
