/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * url: an address of the web or of a camera taken apart (RFC 3986), its login kept away from the
 * rest: what is written with url_write() may be shown to anybody.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"
#include "base/secret.h"

struct err;

struct url {
	char scheme[12]; /* lower case: "http" */
	char user[96];   /* decoded */
	struct secret password;
	char host[256]; /* without the brackets of IPv6 */
	uint16_t port;  /* 0: not given */
	char path[512]; /* as given, with "?…"; begins with '/'; no fragment */
};

/* Into an empty value; url_fini() it in either case. The message says nothing of the login. */
int url_parse(const char *text, struct url *ret, struct err *err) MUST_CHECK;
void url_fini(struct url *u);

/* "http://host:8080/stream?x=1", without user and password. False if it does not fit. */
bool url_write(const struct url *u, char *dst, size_t size);

/* `text` for people: its login, if any, is gone, even if it is no good URL. */
void url_hide_login(const char *text, char *dst, size_t size);
