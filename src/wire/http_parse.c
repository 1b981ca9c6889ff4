/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/http_parse.h"

#include "base/text.h"

#include <string.h>

static const char *const method_names[] = {
	[HTTP_GET] = "GET",         [HTTP_HEAD] = "HEAD",   [HTTP_POST] = "POST",
	[HTTP_PUT] = "PUT",         [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
	[HTTP_OPTIONS] = "OPTIONS",
};

const char *http_method_name(enum http_method m)
{
	return method_names[m];
}

size_t http_head_end(const char *bytes, size_t size, size_t from)
{
	size_t start = from > 3 ? from - 3 : 0;

	if (size <= start)
		return 0;

	const char *end = memmem(bytes + start, size - start, "\r\n\r\n", 4);

	return end ? (size_t)(end - bytes) + 4 : 0;
}

/* RFC 9110 §5.6.2 */
static bool is_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++) {
		if (!is_token_char((unsigned char)*s))
			return false;
	}
	return true;
}

/* Visible characters, blanks, tabs and bytes above ASCII. */
static bool is_field_value(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

bool http_unescape(char *dst, size_t max, const char *src, size_t size, bool plus_is_blank)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++) {
		char c = src[i];

		if (c == '%') {
			if (size - i < 3)
				return false;

			int high = text_hex_digit(src[i + 1]), low = text_hex_digit(src[i + 2]);

			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == '\0') {
			return false;
		}
		if (n + 1 >= max)
			return false;
		dst[n++] = c;
	}
	if (max == 0)
		return false;
	dst[n] = '\0';
	return true;
}

static bool is_safe_path(const char *path)
{
	if (path[0] != '/')
		return false;
	for (const char *p = path; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '\\')
			return false;
		if (p[0] == '/' && p[1] == '.' && p[2] == '.' && (p[3] == '/' || p[3] == '\0'))
			return false;
	}
	return true;
}

/* Splits the target into path and query and decodes the path, in place. */
static int parse_target(char *target, struct http_head *ret)
{
	size_t size = strlen(target);

	if (size > HTTP_MAX_TARGET)
		return 414;

	char *path = target;

	/* The absolute form that proxies are sent; its authority says nothing to us. */
	if (text_starts(target, "http://") || text_starts(target, "https://")) {
		path = strchr(strchr(target, ':') + 3, '/');
		if (!path)
			return 400;
	}

	char *hash = strchr(path, '#');

	if (hash)
		*hash = '\0';

	char *query = strchr(path, '?');

	if (query)
		*query++ = '\0';
	/* Decoding never grows, so it may write over its source. */
	if (!http_unescape(path, strlen(path) + 1, path, strlen(path), false))
		return 400;
	if (!is_safe_path(path))
		return 400;
	ret->path = path;
	ret->query = query ? query : "";
	return 0;
}

static int parse_request_line(char *line, struct http_head *ret)
{
	char *target = strchr(line, ' ');

	if (!target)
		return 400;
	*target++ = '\0';

	char *version = strchr(target, ' ');

	if (!version)
		return 400;
	*version++ = '\0';
	if (!is_token(line) || !is_field_value(target) || !*target)
		return 400;
	if (strncmp(version, "HTTP/", 5) != 0)
		return 400;
	if (strcmp(version, "HTTP/1.1") == 0)
		ret->minor = 1;
	else if (strcmp(version, "HTTP/1.0") == 0)
		ret->minor = 0;
	else
		return 505;

	size_t m = 0;

	while (m < ARRAY_LEN(method_names) && strcmp(line, method_names[m]) != 0)
		m++;
	if (m == ARRAY_LEN(method_names))
		return 501;
	ret->method = (enum http_method)m;
	return parse_target(target, ret);
}

static char *trim(char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;

	size_t n = strlen(s);

	while (n > 0 && (s[n - 1] == ' ' || s[n - 1] == '\t'))
		s[--n] = '\0';
	return s;
}

static int parse_header_line(char *line, struct http_head *ret)
{
	char *colon = strchr(line, ':');

	/* A line that begins with a blank would be a folded one. */
	if (!colon)
		return 400;
	*colon = '\0';
	if (!is_token(line))
		return 400;

	char *value = trim(colon + 1);

	if (!is_field_value(value))
		return 400;
	if (ret->n_headers == HTTP_MAX_HEADERS)
		return 431;
	ret->headers[ret->n_headers++] = (struct http_header){ line, value };
	return 0;
}

const char *http_header(const struct http_head *h, const char *name)
{
	for (size_t i = 0; i < h->n_headers; i++) {
		if (text_equal_nocase(h->headers[i].name, name))
			return h->headers[i].value;
	}
	return NULL;
}

static unsigned count_header(const struct http_head *h, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < h->n_headers; i++) {
		if (text_equal_nocase(h->headers[i].name, name))
			n++;
	}
	return n;
}

bool http_list_has(const char *list, const char *token)
{
	size_t size = strlen(token);

	for (const char *p = list; p && *p;) {
		p += strspn(p, " \t,");

		size_t n = strcspn(p, " \t,;");

		if (n == size && strncasecmp(p, token, n) == 0)
			return true;
		p += n;
		p += strcspn(p, ",");
	}
	return false;
}

static bool is_websocket_upgrade(const struct http_head *h)
{
	const char *key = http_header(h, "Sec-WebSocket-Key");

	return h->method == HTTP_GET && h->minor == 1 && key && strlen(key) == 24 &&
	       http_list_has(http_header(h, "Connection"), "upgrade") &&
	       count_header(h, "Sec-WebSocket-Key") == 1 &&
	       http_list_has(http_header(h, "Upgrade"), "websocket") &&
	       text_equal(http_header(h, "Sec-WebSocket-Version"), "13");
}

/* RFC 9112 §6.1, 6.3: whoever could read another length than we did is not to be trusted. */
static int judge_length(struct http_head *h)
{
	unsigned n_lengths = count_header(h, "Content-Length");
	unsigned n_codings = count_header(h, "Transfer-Encoding");

	if (n_lengths > 1 || n_codings > 1 || (n_lengths > 0 && n_codings > 0))
		return 400;
	if (n_codings == 1) {
		if (h->minor == 0)
			return 400;
		if (!text_equal_nocase(http_header(h, "Transfer-Encoding"), "chunked"))
			return 501;
		h->is_chunked = true;
	}
	if (n_lengths == 1) {
		const char *value = http_header(h, "Content-Length");

		if (strlen(value) > 18 || strspn(value, "0123456789") != strlen(value) ||
		    !text_to_u64(value, 10, &h->content_length))
			return 400;
		h->has_length = true;
	}
	return 0;
}

static int judge_headers(struct http_head *h)
{
	unsigned n_hosts = count_header(h, "Host");

	if (n_hosts > 1 || (n_hosts == 0 && h->minor == 1))
		return 400;

	int status = judge_length(h);

	if (status)
		return status;

	const char *connection = http_header(h, "Connection");

	h->keeps_alive = h->minor == 1 ? !http_list_has(connection, "close")
	                               : http_list_has(connection, "keep-alive");
	h->wants_continue =
		h->minor == 1 && text_equal_nocase(http_header(h, "Expect"), "100-continue");
	h->wants_websocket = is_websocket_upgrade(h);
	return 0;
}

int http_parse_head(char *bytes, size_t size, struct http_head *ret)
{
	struct http_head h = { 0 };
	char *line = bytes;
	char *end = bytes + size;
	bool is_first = true;

	if (size < 4 || size > HTTP_MAX_HEAD)
		return 431;
	if (memchr(bytes, '\0', size))
		return 400;
	for (;;) {
		char *stop = memmem(line, (size_t)(end - line), "\r\n", 2);

		if (!stop)
			return 400;
		*stop = '\0';
		if (stop == line)
			break;

		int status = is_first ? parse_request_line(line, &h) : parse_header_line(line, &h);

		if (status)
			return status;
		is_first = false;
		line = stop + 2;
	}
	if (is_first)
		return 400;

	int status = judge_headers(&h);

	if (!status)
		*ret = h;
	return status;
}

/* A digit of a chunk's size, or what ends it. */
static int chunk_size_char(struct http_chunks *c, char ch)
{
	int digit = text_hex_digit(ch);

	if (digit >= 0) {
		if (++c->n_digits > HTTP_MAX_CHUNK_DIGITS)
			return 400;
		c->left = c->left << 4 | (unsigned)digit;
		return 0;
	}
	if (c->n_digits == 0)
		return 400;
	if (ch == '\r')
		c->state = HTTP_CHUNK_SIZE_LF;
	else if (ch == ';')
		c->state = HTTP_CHUNK_EXTENSION;
	else
		return 400;
	return 0;
}

/* Of an extension or a trailer, which nobody reads; its CR is told apart by the caller. */
static int chunk_passed_over(struct http_chunks *c, char ch)
{
	unsigned char u = (unsigned char)ch;

	if ((u < 0x20 && u != '\t') || u == 0x7f)
		return 400;
	return ++c->n_overhead > HTTP_MAX_CHUNK_OVERHEAD ? 431 : 0;
}

static int chunk_trailer_char(struct http_chunks *c, char ch)
{
	if (ch == '\r') {
		c->state = HTTP_CHUNK_TRAILER_LF;
		return 0;
	}
	/* A line that begins with a blank would be a folded one. */
	if (c->n_line++ == 0 && !is_token_char((unsigned char)ch))
		return 400;
	return chunk_passed_over(c, ch);
}

/* The line feed that `c->state` waits for has come. */
static void chunk_line_ends(struct http_chunks *c)
{
	if (c->state == HTTP_CHUNK_SIZE_LF) {
		c->state = c->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_TRAILER;
		c->n_line = 0;
	} else if (c->state == HTTP_CHUNK_DATA_LF) {
		c->state = HTTP_CHUNK_SIZE;
		c->n_digits = 0;
	} else {
		c->state = c->n_line == 0 ? HTTP_CHUNK_END : HTTP_CHUNK_TRAILER;
		c->n_line = 0;
	}
}

static int chunk_char(struct http_chunks *c, char ch)
{
	switch (c->state) {
	case HTTP_CHUNK_SIZE:
		return chunk_size_char(c, ch);
	case HTTP_CHUNK_EXTENSION:
		if (ch != '\r')
			return chunk_passed_over(c, ch);
		c->state = HTTP_CHUNK_SIZE_LF;
		return 0;
	case HTTP_CHUNK_DATA_CR:
		if (ch != '\r')
			return 400;
		c->state = HTTP_CHUNK_DATA_LF;
		return 0;
	case HTTP_CHUNK_SIZE_LF:
	case HTTP_CHUNK_DATA_LF:
	case HTTP_CHUNK_TRAILER_LF:
		if (ch != '\n')
			return 400;
		chunk_line_ends(c);
		return 0;
	case HTTP_CHUNK_TRAILER:
		return chunk_trailer_char(c, ch);
	case HTTP_CHUNK_DATA:
	case HTTP_CHUNK_END:
		break;
	}
	return 400;
}

int http_chunks_read(struct http_chunks *c, const char *bytes, size_t size, size_t *ret_used,
                     const char **ret_data, size_t *ret_n)
{
	size_t at = 0;

	*ret_data = bytes;
	*ret_n = 0;
	while (at < size && c->state != HTTP_CHUNK_DATA && c->state != HTTP_CHUNK_END) {
		int status = chunk_char(c, bytes[at++]);

		if (status)
			return status;
	}
	if (at < size && c->state == HTTP_CHUNK_DATA) {
		*ret_data = bytes + at;
		*ret_n = (size_t)MIN(c->left, (uint64_t)(size - at));
		at += *ret_n;
		c->left -= *ret_n;
		if (c->left == 0)
			c->state = HTTP_CHUNK_DATA_CR;
	}
	*ret_used = at;
	return c->state == HTTP_CHUNK_END;
}

int http_query_get(const char *query, const char *name, char *dst, size_t max)
{
	size_t name_size = strlen(name);

	for (const char *p = query; *p;) {
		size_t size = strcspn(p, "&");
		const char *equals = memchr(p, '=', size);
		size_t key_size = equals ? (size_t)(equals - p) : size;

		if (key_size == name_size && memcmp(p, name, name_size) == 0) {
			const char *value = equals ? equals + 1 : "";
			size_t value_size = equals ? size - key_size - 1 : 0;

			return http_unescape(dst, max, value, value_size, true) ? 1 : -1;
		}
		p += size;
		if (*p == '&')
			p++;
	}
	return 0;
}

bool http_cookie_get(const char *header, const char *name, char *dst, size_t max)
{
	size_t name_size = strlen(name);

	for (const char *p = header; p && *p;) {
		p += strspn(p, " \t;");

		size_t size = strcspn(p, ";");

		if (size > name_size && memcmp(p, name, name_size) == 0 && p[name_size] == '=') {
			size_t n = size - name_size - 1;

			if (n + 1 > max)
				return false;
			memcpy(dst, p + name_size + 1, n);
			dst[n] = '\0';
			return true;
		}
		p += size;
	}
	return false;
}

static bool read_digits(const char **p, uint64_t *ret)
{
	uint64_t v = 0;
	const char *s = *p;

	for (; *s >= '0' && *s <= '9'; s++) {
		/* As many digits as one likes: behind every file's end all are the same. */
		v = v > (UINT64_MAX - 9) / 10 ? UINT64_MAX : v * 10 + (uint64_t)(*s - '0');
	}
	if (s == *p)
		return false;
	*p = s;
	*ret = v;
	return true;
}

int http_parse_range(const char *value, uint64_t size, uint64_t *ret_from, uint64_t *ret_to)
{
	uint64_t from = 0, to = 0;
	const char *p = value;

	if (!p || strncasecmp(p, "bytes=", 6) != 0)
		return 0;
	p += 6;

	bool has_from = read_digits(&p, &from);

	if (*p++ != '-')
		return 0;

	bool has_to = read_digits(&p, &to);

	if (*p || (!has_from && !has_to) || (has_from && has_to && to < from))
		return 0;
	if (!has_from) { /* the last `to` bytes */
		if (to == 0 || size == 0)
			return -1;
		from = to < size ? size - to : 0;
		to = size - 1;
	} else if (from >= size) {
		return -1;
	} else if (!has_to || to >= size) {
		to = size - 1;
	}
	*ret_from = from;
	*ret_to = to;
	return 1;
}

bool http_etag_matches(const char *list, const char *etag)
{
	size_t size = strlen(etag);

	for (const char *p = list; p && *p;) {
		p += strspn(p, " \t,");
		if (*p == '*')
			return true;
		if (p[0] == 'W' && p[1] == '/')
			p += 2;

		size_t n = strcspn(p, ",");
		size_t cut = n;

		while (cut > 0 && (p[cut - 1] == ' ' || p[cut - 1] == '\t'))
			cut--;
		if (size > 0 && cut == size && memcmp(p, etag, size) == 0)
			return true;
		p += n;
	}
	return false;
}

bool http_accepts_gzip(const char *value)
{
	for (const char *p = value; p && *p;) {
		p += strspn(p, " \t,");

		size_t n = strcspn(p, ",");
		size_t name = strcspn(p, " \t,;");
		bool is_gzip = name == 4 && strncasecmp(p, "gzip", 4) == 0;

		if (is_gzip) {
			const char *q = memmem(p, n, "q=0", 3);
			size_t at = q ? (size_t)(q - p) + 3 : 0;

			/* "q=0" and "q=0.000" forbid, "q=0.5" does not. */
			if (!q)
				return true;
			for (; at < n && (p[at] == '.' || p[at] == '0'); at++) {
			}
			return at < n && p[at] >= '1' && p[at] <= '9';
		}
		p += n;
	}
	return false;
}

static int parse_frame(const uint8_t *bytes, size_t size, bool is_masked, struct ws_frame *ret)
{
	if (size < 2)
		return 0;

	struct ws_frame f = { .is_final = bytes[0] & 0x80, .opcode = bytes[0] & 0x0f };
	uint64_t length = bytes[1] & 0x7f;
	size_t at = 2;
	size_t n_more = length == 126 ? 2 : length == 127 ? 8 : 0;
	bool is_control = f.opcode >= WS_CLOSE;

	size_t n_mask = is_masked ? sizeof(f.mask) : 0;

	if ((bytes[0] & 0x70) || is_masked != (bool)(bytes[1] & 0x80))
		return -1;
	if ((f.opcode > WS_BINARY && f.opcode < WS_CLOSE) || f.opcode > WS_PONG)
		return -1;
	if (is_control && (!f.is_final || length > WS_MAX_CONTROL))
		return -1;
	if (size < at + n_more + n_mask)
		return 0;
	if (n_more > 0)
		length = 0;
	for (size_t i = 0; i < n_more; i++)
		length = length << 8 | bytes[at++];
	/* RFC 6455 §5.2: the shortest form, and no sign bit. */
	if ((n_more == 2 && length < 126) || (n_more == 8 && (length < 65536 || length >> 63)))
		return -1;
	memcpy(f.mask, bytes + at, n_mask);
	f.size = length;
	*ret = f;
	return (int)(at + n_mask);
}

int ws_parse_head(const uint8_t *bytes, size_t size, struct ws_frame *ret)
{
	return parse_frame(bytes, size, true, ret);
}

int ws_parse_server_head(const uint8_t *bytes, size_t size, struct ws_frame *ret)
{
	return parse_frame(bytes, size, false, ret);
}

/* RFC 6455 §7.4 and the registry of IANA: codes that may stand in a frame. */
static bool is_close_code(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

unsigned ws_close_code(const uint8_t *payload, size_t size)
{
	if (size == 0)
		return 0;

	unsigned code = size >= 2 ? (unsigned)payload[0] << 8 | payload[1] : 0;

	return is_close_code(code) && ws_is_utf8(payload + 2, size - 2) ? code : 1002;
}

/* The length of the character at `b`, 0 if it is none. */
static size_t utf8_size(const uint8_t *b, size_t size)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n = b[0] < 0x80                    ? 1
	           : b[0] >= 0xc2 && b[0] <= 0xdf ? 2
	           : b[0] >= 0xe0 && b[0] <= 0xef ? 3
	           : b[0] >= 0xf0 && b[0] <= 0xf4 ? 4
	                                          : 0;

	if (n == 0 || n > size)
		return 0;
	/* No longer form than needed, no surrogates, nothing above U+10FFFF. */
	if (b[0] == 0xe0)
		low = 0xa0;
	else if (b[0] == 0xed)
		high = 0x9f;
	else if (b[0] == 0xf0)
		low = 0x90;
	else if (b[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < n; i++) {
		if (b[i] < (i == 1 ? low : 0x80) || b[i] > (i == 1 ? high : 0xbf))
			return 0;
	}
	return n;
}

bool ws_is_utf8(const uint8_t *bytes, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t n = utf8_size(bytes + at, size - at);

		if (n == 0)
			return false;
		at += n;
	}
	return true;
}

void ws_unmask(uint8_t *payload, size_t size, const uint8_t mask[4])
{
	for (size_t i = 0; i < size; i++)
		payload[i] ^= mask[i & 3];
}

size_t ws_write_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t size)
{
	size_t n = 0;
	unsigned n_more = size < 126 ? 0 : size < 65536 ? 2 : 8;

	dst[n++] = (uint8_t)(0x80 | opcode);
	dst[n++] = (uint8_t)(n_more == 0 ? size : n_more == 2 ? 126 : 127);
	while (n_more > 0)
		dst[n++] = (uint8_t)(size >> (8 * --n_more));
	return n;
}

size_t ws_write_client_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t size,
                            const uint8_t mask[4])
{
	size_t n = ws_write_head(dst, opcode, size);

	dst[1] |= 0x80;
	memcpy(dst + n, mask, 4);
	return n + 4;
}
