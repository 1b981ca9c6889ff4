/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bambu_camera_codec: what is said on TCP port 6000 of Bambu's A1 and P1 printers, inside TLS.
 *
 * The client logs in with one packet of 80 bytes; the printer then sends pictures for ever, each
 * a head of 16 bytes (u32 little-endian size, then 12 bytes without meaning for us) and the JPEG.
 * A wrong code is answered by closing, without a byte. Layout: as sksat/bambu-rs
 * docs/protocol.md and Doridian/OpenBambuAPI video.md describe it.
 *
 * Both sides: the camera driver reads with it, the simulated printer writes. Pure.
 * Thread: any; one parser belongs to one connection.
 */

#pragma once

#include "base/base.h"

struct err;

#define BAMBU_CAMERA_LOGIN_SIZE 80
#define BAMBU_CAMERA_HEAD_SIZE 16
#define BAMBU_CAMERA_NAME_SIZE 33 /* 32 bytes and our NUL */
/* Pictures are tens of kB; anything outside is no picture. */
#define BAMBU_CAMERA_MIN_PICTURE 1000U
#define BAMBU_CAMERA_MAX_PICTURE 8000000U
/* First word of what the file tunnel answers that P2S, X2D and H2 have on the same port. */
#define BAMBU_CAMERA_TUNNEL_MAGIC 0x0003013fU

/* False if user or code is longer than 32 bytes. Wipe `dst` after sending: it holds the code. */
bool bambu_camera_login_write(uint8_t dst[BAMBU_CAMERA_LOGIN_SIZE], const char *user,
                              const char *code);

/* The reverse; false if it is no login. */
bool bambu_camera_login_read(const uint8_t bytes[BAMBU_CAMERA_LOGIN_SIZE],
                             char ret_user[BAMBU_CAMERA_NAME_SIZE],
                             char ret_code[BAMBU_CAMERA_NAME_SIZE]);

/* The head of a picture of `size` bytes. */
void bambu_camera_head_write(uint8_t dst[BAMBU_CAMERA_HEAD_SIZE], uint32_t size);

/* Puts pictures together from pieces of any size. Zeroed before first use. */
struct bambu_camera_parser {
	uint8_t head[BAMBU_CAMERA_HEAD_SIZE];
	size_t n_head;
	uint8_t *picture; /* being filled, of `size` bytes */
	size_t size, have;
	uint64_t n_bytes, n_pictures;
	bool is_broken;
};

void bambu_camera_parser_fini(struct bambu_camera_parser *p);

/*
 * Takes bytes from *bytes on (moved, *size counted down) until a picture is whole: then 1, and
 * *ret_picture of *ret_size bytes is the caller's to free(). 0: all bytes are used up. -EBADMSG
 * when what comes cannot be a picture (size, first or last bytes): the connection must be closed,
 * the parser says the same from then on.
 */
int bambu_camera_parse(struct bambu_camera_parser *p, const uint8_t **bytes, size_t *size,
                       uint8_t **ret_picture, size_t *ret_size, struct err *err) MUST_CHECK;

/* What came was the answer of a file tunnel: this printer has no JPEG camera. */
bool bambu_camera_is_tunnel(const struct bambu_camera_parser *p);
