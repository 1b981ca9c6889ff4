/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/url.h"

#include "base/err.h"
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

void url_fini(struct url *u)
{
	secret_fini(&u->password);
	*u = (struct url){ 0 };
}

static int bad(struct err *err, const char *why)
{
	return err_set(err, -EINVAL, "%s", why);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* %XX into bytes. A '%' that is none stands for itself: passwords are pasted as they are. */
static bool decode(char *dst, size_t size, const char *from, size_t n)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		char c = from[i];

		if (c == '%' && i + 2 < n && hex_value(from[i + 1]) >= 0 &&
		    hex_value(from[i + 2]) >= 0) {
			c = (char)(hex_value(from[i + 1]) * 16 + hex_value(from[i + 2]));
			i += 2;
		}
		if (c == '\0' || at + 1 >= size)
			return false;
		dst[at++] = c;
	}
	dst[at] = '\0';
	return true;
}

static char lower(char c)
{
	return (char)tolower((unsigned char)c);
}

static int read_scheme(const char **text, struct url *u, struct err *err)
{
	const char *end = strstr(*text, "://");
	size_t n = end ? (size_t)(end - *text) : 0;

	if (n == 0 || n >= sizeof(u->scheme))
		return bad(err, "the address must begin with http://, https:// and the like");
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)(*text)[i]))
			return bad(err, "the address must begin with http://, https:// and the "
			                "like");
		u->scheme[i] = lower((*text)[i]);
	}
	*text = end + 3;
	return 0;
}

static int read_login(const char *login, size_t n, struct url *u, struct err *err)
{
	char password[SECRET_MAX + 1];
	const char *colon = memchr(login, ':', n);
	size_t n_user = colon ? (size_t)(colon - login) : n;
	bool is_fine = decode(u->user, sizeof(u->user), login, n_user);

	if (is_fine && colon) {
		is_fine = decode(password, sizeof(password), colon + 1, n - n_user - 1);
		if (is_fine)
			secret_set(&u->password, password);
		secret_wipe(password, sizeof(password));
	}
	return is_fine ? 0 : bad(err, "user or password in the address are too long");
}

static int read_host(const char *at, size_t n, struct url *u, struct err *err)
{
	const char *end = at + n, *colon = NULL, *close = NULL;
	char port[8];
	int64_t number;

	if (n > 0 && at[0] == '[') {
		close = memchr(at, ']', n);
		if (!close || (close + 1 < end && close[1] != ':'))
			return bad(err, "the brackets of the IPv6 address are not closed");
		at++;
		colon = close + 1 < end ? close + 1 : NULL;
	} else {
		colon = memchr(at, ':', n);
	}

	const char *host_end = close ? close : colon ? colon : end;

	if (host_end == at || !text_copy_n(u->host, sizeof(u->host), at, (size_t)(host_end - at)))
		return bad(err, "the address names no host, or one that is too long");
	if (close && !strchr(u->host, ':'))
		return bad(err, "brackets are for IPv6 addresses");
	for (const char *c = u->host; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("-._", *c) &&
		    !(close && strchr(":%", *c)))
			return bad(err, "the host name in the address has characters that no host "
			                "name has");
	}
	if (!colon || colon + 1 == end)
		return 0;
	if (!text_copy_n(port, sizeof(port), colon + 1, (size_t)(end - colon - 1)) ||
	    !text_to_i64(port, &number) || number < 1 || number > 65535)
		return bad(err, "the port in the address must be a number from 1 to 65535");
	u->port = (uint16_t)number;
	return 0;
}

static int read_path(const char *path, struct url *u, struct err *err)
{
	size_t n = strcspn(path, "#");
	const char *slash = path[0] == '/' ? "" : "/";

	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)path[i] <= ' ' || path[i] == 0x7f)
			return bad(err, "the address has a blank or a control character; write it "
			                "as %20");
	}
	if ((size_t)snprintf(u->path, sizeof(u->path), "%s%.*s", slash, (int)MIN(n, (size_t)2000),
	                     path) >= sizeof(u->path))
		return bad(err, "the address is too long");
	return 0;
}

int url_parse(const char *text, struct url *ret, struct err *err)
{
	int rc = read_scheme(&text, ret, err);

	if (rc < 0)
		return rc;

	/* The last '@' before the path: pasted passwords have one of their own. */
	size_t n = strcspn(text, "/?#");
	const char *at = memrchr(text, '@', n);

	if (at) {
		rc = read_login(text, (size_t)(at - text), ret, err);
		n -= (size_t)(at + 1 - text);
		text = at + 1;
	}
	if (rc == 0)
		rc = read_host(text, n, ret, err);
	if (rc == 0)
		rc = read_path(text + n, ret, err);
	return rc;
}

bool url_write(const struct url *u, char *dst, size_t size)
{
	char port[8] = "";
	bool is_ipv6 = strchr(u->host, ':') != NULL;

	if (u->port)
		(void)snprintf(port, sizeof(port), ":%u", u->port);
	return (size_t)snprintf(dst, size, "%s://%s%s%s%s%s", u->scheme, is_ipv6 ? "[" : "",
	                        u->host, is_ipv6 ? "]" : "", port, u->path) < size;
}

void url_hide_login(const char *text, char *dst, size_t size)
{
	const char *from = strstr(text, "://");
	const char *host = from ? from + 3 : text;
	const char *at = memrchr(host, '@', strcspn(host, "/?#"));

	if (at)
		(void)snprintf(dst, size, "%.*s%s", (int)(host - text), text, at + 1);
	else
		text_copy(dst, size, text);
}
