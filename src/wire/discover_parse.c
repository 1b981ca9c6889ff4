/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/discover.h"

#include "base/buf.h"
#include "base/text.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#define MAX_DATAGRAM 2048
#define MAX_DETECT 4096
#define PRINTER_TYPE "urn:bambulab-com:device:3dprinter:1"

/* Up to, not including, the line's end; *p stands behind it. */
static size_t take_line(const char **p, const char *end, const char **ret)
{
	const char *nl = memchr(*p, '\n', (size_t)(end - *p));
	size_t n = (size_t)((nl ? nl : end) - *p);

	*ret = *p;
	*p = nl ? nl + 1 : end;
	if (n > 0 && (*ret)[n - 1] == '\r')
		n--;
	return n;
}

static bool is_start(const char *line, size_t n)
{
	static const char *const starts[] = { "NOTIFY * HTTP/1.1", "HTTP/1.1 200 OK" };

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		if (n == strlen(starts[i]) && strncasecmp(line, starts[i], n) == 0)
			return true;
	}
	return false;
}

struct header {
	const char *name;
	size_t at, size;
};

#define FIELD(name, member)                                             \
	{                                                               \
		name, offsetof(struct discover_found, member),          \
			sizeof(((struct discover_found *)NULL)->member) \
	}

static const struct header headers[] = {
	FIELD("USN", serial),
	FIELD("Location", address),
	FIELD("DevModel.bambu.com", model),
	FIELD("DevName.bambu.com", name),
	FIELD("DevConnect.bambu.com", connect),
	FIELD("DevBind.bambu.com", bind),
	FIELD("DevVersion.bambu.com", firmware),
};

static void put_text(struct discover_found *f, const struct header *h, const char *s, size_t n)
{
	char *dst = (char *)f + h->at;

	(void)text_copy_n(dst, h->size, s, n);
	text_clean(dst);
}

static void read_header(struct discover_found *f, const char *line, size_t n, bool *is_printer)
{
	const char *colon = memchr(line, ':', n);

	if (!colon)
		return;

	size_t name = (size_t)(colon - line);
	const char *value = colon + 1, *end = line + n;

	while (value < end && *value == ' ')
		value++;
	while (end > value && end[-1] == ' ')
		end--;
	if (name == 2 && (strncasecmp(line, "NT", 2) == 0 || strncasecmp(line, "ST", 2) == 0))
		*is_printer |= (size_t)(end - value) == strlen(PRINTER_TYPE) &&
		               memcmp(value, PRINTER_TYPE, strlen(PRINTER_TYPE)) == 0;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		if (strlen(headers[i].name) == name &&
		    strncasecmp(headers[i].name, line, name) == 0)
			put_text(f, &headers[i], value, (size_t)(end - value));
	}
}

static bool is_serial(const char *s)
{
	size_t n = strspn(s, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return n >= 8 && n < 32 && s[n] == '\0';
}

static bool is_address(const char *s)
{
	struct in6_addr a;

	return inet_pton(AF_INET, s, &a) == 1 || inet_pton(AF_INET6, s, &a) == 1;
}

int discover_parse(const void *bytes, size_t size, struct discover_found *ret)
{
	const char *p = bytes, *end = p + size, *line;
	struct discover_found f = { 0 };
	bool is_printer = false;

	if (size == 0 || size > MAX_DATAGRAM)
		return -EBADMSG;

	size_t n = take_line(&p, end, &line);

	if (!is_start(line, n))
		return -EBADMSG;
	while (p < end) {
		n = take_line(&p, end, &line);
		read_header(&f, line, n, &is_printer);
	}
	if (!is_printer || !is_serial(f.serial) || !is_address(f.address))
		return -EBADMSG;
	*ret = f;
	return 0;
}

void discover_write_search(struct buf *b)
{
	buf_add_str(b, "M-SEARCH * HTTP/1.1\r\n"
	               "HOST: 239.255.255.250:2021\r\n"
	               "MAN: \"ssdp:discover\"\r\n"
	               "MX: 3\r\n"
	               "ST: " PRINTER_TYPE "\r\n\r\n");
}

void detect_write_request(struct buf *b)
{
	static const char json[] = "{\"login\":{\"command\":\"detect\",\"sequence_id\":\"20004\"}}";
	size_t total = strlen(json) + 6;
	uint8_t head[4] = { 0xa5, 0xa5, (uint8_t)total, (uint8_t)(total >> 8) };

	buf_add(b, head, sizeof(head));
	buf_add_str(b, json);
	buf_add(b, "\xa7\xa7", 2);
}

static void put_member(char *dst, size_t size, const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	text_copy(dst, size, s);
	text_clean(dst);
}

int detect_parse(const void *bytes, size_t size, struct discover_found *ret)
{
	const uint8_t *p = bytes;
	struct discover_found f = { 0 };

	if (size < 4)
		return size > 0 && p[0] != 0xa5 ? -EBADMSG : -EAGAIN;

	size_t total = (size_t)p[2] | (size_t)p[3] << 8;

	if (p[0] != 0xa5 || p[1] != 0xa5 || total < 8 || total > MAX_DETECT)
		return -EBADMSG;
	if (size < total)
		return -EAGAIN;
	if (p[total - 2] != 0xa7 || p[total - 1] != 0xa7)
		return -EBADMSG;

	json_t *j = json_loadb((const char *)p + 4, total - 6, 0, NULL);
	const json_t *login = json_object_get(j, "login");

	put_member(f.serial, sizeof(f.serial), login, "id");
	put_member(f.model, sizeof(f.model), login, "model");
	put_member(f.name, sizeof(f.name), login, "name");
	put_member(f.firmware, sizeof(f.firmware), login, "version");
	put_member(f.connect, sizeof(f.connect), login, "connect");
	put_member(f.bind, sizeof(f.bind), login, "bind");
	json_decref(j);
	if (!is_serial(f.serial))
		return -EBADMSG;
	*ret = f;
	return 0;
}
