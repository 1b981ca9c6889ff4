/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/rtsp_codec.h"

#include "base/text.h"
#include "core/crypto.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- requests ---- */

static int parse_data(const uint8_t *bytes, size_t size, struct rtsp_request *ret)
{
	size_t n = size < 4 ? 0 : 4 + ((size_t)bytes[2] << 8 | bytes[3]);

	if (n == 0 || size < n)
		return 0;
	ret->is_data = true;
	return (int)n;
}

static size_t head_size(const uint8_t *bytes, size_t size)
{
	const uint8_t *end = memmem(bytes, MIN(size, (size_t)RTSP_MAX_HEAD), "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* Up to `stop` into `dst`; the rest behind it. NULL: there is none, or it is too long. */
static const char *take_word(char *dst, size_t size, const char *at, char stop)
{
	const char *end = strchr(at, stop);

	if (!end || !text_copy_n(dst, size, at, (size_t)(end - at)))
		return NULL;
	return end + 1;
}

static bool take_header(struct rtsp_request *r, const char *name, const char *value,
                        uint64_t *ret_body)
{
	uint64_t n = 0;

	if (strcasecmp(name, "CSeq") == 0) {
		if (!text_to_u64(value, 10, &n) || n > UINT32_MAX)
			return false;
		r->cseq = (uint32_t)n;
	} else if (strcasecmp(name, "Transport") == 0) {
		return TEXT_SET(r->transport, value);
	} else if (strcasecmp(name, "Authorization") == 0) {
		return TEXT_SET(r->authorization, value);
	} else if (strcasecmp(name, "Session") == 0) {
		return TEXT_SET(r->session, value);
	} else if (strcasecmp(name, "Content-Length") == 0) {
		return text_to_u64(value, 10, ret_body) && *ret_body <= RTSP_MAX_BODY;
	}
	return true;
}

static bool take_line(struct rtsp_request *r, char *line, uint64_t *ret_body)
{
	char *colon = strchr(line, ':');

	if (!colon)
		return false;
	*colon = '\0';
	return take_header(r, line, colon + 1 + strspn(colon + 1, " \t"), ret_body);
}

static bool take_head(struct rtsp_request *r, char *head, uint64_t *ret_body)
{
	char version[16];
	const char *at = take_word(r->method, sizeof(r->method), head, ' ');

	at = at ? take_word(r->uri, sizeof(r->uri), at, ' ') : NULL;
	at = at ? take_word(version, sizeof(version), at, '\r') : NULL;
	if (!at || strcmp(version, "RTSP/1.0") != 0)
		return false;

	char *line = head + (at - head) + 1, *end;

	for (; (end = strstr(line, "\r\n")) && end != line; line = end + 2) {
		*end = '\0';
		if (!take_line(r, line, ret_body))
			return false;
	}
	return true;
}

int rtsp_parse(const uint8_t *bytes, size_t size, struct rtsp_request *ret)
{
	char head[RTSP_MAX_HEAD + 1];
	uint64_t body = 0;
	size_t n;

	*ret = (struct rtsp_request){ 0 };
	if (size > 0 && bytes[0] == '$')
		return parse_data(bytes, size, ret);
	n = head_size(bytes, size);
	if (n == 0)
		return size < RTSP_MAX_HEAD ? 0 : -EBADMSG;
	memcpy(head, bytes, n);
	head[n] = '\0';
	if (strlen(head) != n || !take_head(ret, head, &body))
		return -EBADMSG;
	return size < n + body ? 0 : (int)(n + body);
}

/* ---- login ---- */

bool rtsp_param(const char *value, const char *name, char *dst, size_t size)
{
	size_t n = strlen(name);

	for (const char *at = value; *at;) {
		at += strspn(at, " \t,;");

		const char *equals = at + strcspn(at, "=,; \"");
		bool is_it = (size_t)(equals - at) == n && strncasecmp(at, name, n) == 0;

		if (*equals != '=') {
			at = *equals ? equals + 1 : equals;
			continue;
		}

		bool is_quoted = equals[1] == '"';
		const char *from = equals + 1 + is_quoted;
		size_t length = strcspn(from, is_quoted ? "\"" : ",; \t");

		if (is_it)
			return text_copy_n(dst, size, from, length);
		at = from + length;
		at += is_quoted && *at == '"';
	}
	return false;
}

static void md5_hex(char dst[33], const char *a, const char *b, const char *c)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE] = { 0 };
	const char *parts[] = { a, ":", b, ":", c };

	EVP_DigestInit_ex(ctx, EVP_md5(), NULL);
	for (size_t i = 0; i < (c ? 5U : 3U); i++)
		EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]));
	EVP_DigestFinal_ex(ctx, digest, NULL);
	EVP_MD_CTX_free(ctx);
	text_hex(dst, digest, 16);
}

bool rtsp_digest_is_right(const struct rtsp_request *r, const struct rtsp_login *login)
{
	char user[128], realm[128], nonce[128], uri[512], response[64];
	char ha1[33], ha2[33], wanted[33];
	const char *h = r->authorization;

	if (strncasecmp(h, "Digest ", 7) != 0)
		return false;
	h += 7;
	if (!rtsp_param(h, "username", user, sizeof(user)) ||
	    !rtsp_param(h, "realm", realm, sizeof(realm)) ||
	    !rtsp_param(h, "nonce", nonce, sizeof(nonce)) ||
	    !rtsp_param(h, "uri", uri, sizeof(uri)) ||
	    !rtsp_param(h, "response", response, sizeof(response)))
		return false;
	if (strcmp(user, login->user) != 0 || strcmp(realm, login->realm) != 0 ||
	    strcmp(nonce, login->nonce) != 0 || strlen(response) != 32)
		return false;
	md5_hex(ha1, user, realm, login->password);
	md5_hex(ha2, r->method, uri, NULL);
	md5_hex(wanted, ha1, nonce, ha2);
	return crypto_equal(wanted, response, 32);
}
