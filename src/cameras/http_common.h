/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * http_common: what the two HTTP drivers share: how a camera's settings become a client, what is
 * said of an answer that is no picture, and what a server's stamps are worth.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct camera_config;
struct err;
struct http_client_config;

#define HTTP_CAMERA_MAX_BODY ((size_t)32 << 20)

/* Address, login and trust; the callbacks stay as they are. Texts are borrowed from `c`. */
void http_common_config(const struct camera_config *c, struct http_client_config *ret);

/* False with -EBADMSG and the sentence for what is plainly something else than one picture:
 * a page (with its title), a stream, another kind of picture. Pure. */
bool http_common_is_picture(const char *content_type, const uint8_t *bytes, size_t size,
                            struct err *err);

/*
 * A server's X-Timestamp may be of any clock, the time since its start or the wall's, hours off.
 * It still tells how long each picture was on its way, compared with the fastest one of late.
 */
struct http_clock {
	int64_t stamp_us;                  /* the newest one */
	int64_t since_us;                  /* when the present window began */
	int64_t least_us, least_before_us; /* arrival - stamp, of this window and the one before */
	bool is_set;
};

/* When the picture stamped so would have arrived without delay; at most `arrived_us`. */
int64_t http_clock_arrival(struct http_clock *c, int64_t stamp_us, int64_t arrived_us);
