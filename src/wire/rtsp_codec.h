/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rtsp_codec: requests of RTSP 1.0 (RFC 2326) as a server sees them, and digest login (RFC 2617).
 *
 * Pure: pointer and size in, struct out. Limits: RTSP_MAX_HEAD bytes of head, no bodies but those
 * that are passed over (RTSP_MAX_BODY).
 *
 * Thread: any.
 */

#pragma once

#include "base/base.h"

#define RTSP_MAX_HEAD 8192
#define RTSP_MAX_BODY 65536

struct rtsp_request {
	bool is_data; /* interleaved bytes ('$'), not a request: nothing else is set */
	char method[24];
	char uri[512];
	uint32_t cseq;
	char transport[256];
	char authorization[1024];
	char session[64];
};

/* How many bytes the first request or piece of data takes; 0: more are needed; -EBADMSG: no way
 * on. */
int rtsp_parse(const uint8_t *bytes, size_t size, struct rtsp_request *ret);

/* A parameter of a header's value: `name="value"` or `name=value`, in a list with commas or
 * semicolons. False: absent or too long. */
bool rtsp_param(const char *value, const char *name, char *dst, size_t size);

struct rtsp_login {
	const char *user, *password, *realm, *nonce;
};

/* The digest in an Authorization header is the right one for this request. */
bool rtsp_digest_is_right(const struct rtsp_request *r, const struct rtsp_login *login);
