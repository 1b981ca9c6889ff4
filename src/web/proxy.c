/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/proxy.h"

#include "base/text.h"
#include "wire/http_parse.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Both families as 16 bytes, so that one comparison does. False: no address. */
static bool to_bytes(uint8_t dst[16], const char *address, bool *ret_is_v4)
{
	struct in_addr v4;

	memset(dst, 0, 16);
	if (inet_pton(AF_INET, address, &v4) == 1) {
		dst[10] = dst[11] = 0xff;
		memcpy(dst + 12, &v4, 4);
		*ret_is_v4 = true;
		return true;
	}
	*ret_is_v4 = false;
	return inet_pton(AF_INET6, address, dst) == 1;
}

static bool parse_network(const char *network, uint8_t dst[16], unsigned *ret_bits)
{
	char address[64];
	const char *slash = strchr(network, '/');
	size_t n = slash ? (size_t)(slash - network) : strlen(network);
	bool is_v4;
	uint64_t bits;

	if (n >= sizeof(address))
		return false;
	text_copy_n(address, sizeof(address), network, n);
	if (!to_bytes(dst, address, &is_v4))
		return false;
	*ret_bits = 128;
	if (!slash)
		return true;
	if (!text_to_u64(slash + 1, 10, &bits) || bits > (is_v4 ? 32 : 128))
		return false;
	*ret_bits = (unsigned)bits + (is_v4 ? 96 : 0);
	return true;
}

bool proxy_network_is_valid(const char *network)
{
	uint8_t bytes[16];
	unsigned bits;

	return parse_network(network, bytes, &bits);
}

bool proxy_address_in(const char *address, const char *network)
{
	uint8_t a[16], n[16];
	unsigned bits;
	bool is_v4;

	if (!to_bytes(a, address, &is_v4) || !parse_network(network, n, &bits))
		return false;
	if (memcmp(a, n, bits / 8) != 0)
		return false;

	uint8_t mask = (uint8_t)(0xff00 >> (bits % 8));

	return bits % 8 == 0 || (a[bits / 8] & mask) == (n[bits / 8] & mask);
}

bool proxy_is_loopback(const char *address)
{
	return proxy_address_in(address, "127.0.0.0/8") || proxy_address_in(address, "::1");
}

static bool is_trusted(const char *address, const char *const *proxies, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (proxy_address_in(address, proxies[i]))
			return true;
	}
	return false;
}

bool proxy_forwarded_for(char *dst, size_t size, const char *list, const char *const *proxies,
                         size_t n_proxies)
{
	size_t end = strlen(list);

	while (end > 0) {
		size_t start = end;
		char address[64];
		uint8_t bytes[16];
		bool is_v4;

		while (start > 0 && list[start - 1] != ',')
			start--;

		size_t from = start + strspn(list + start, " \t");
		size_t to = end;

		while (to > from && (list[to - 1] == ' ' || list[to - 1] == '\t'))
			to--;
		/* Some put a port behind it or brackets around it: not believed rather than guessed. */
		if (to - from >= sizeof(address))
			return false;
		text_copy_n(address, sizeof(address), list + from, to - from);
		if (!to_bytes(bytes, address, &is_v4))
			return false;
		if (!is_trusted(address, proxies, n_proxies))
			return text_copy(dst, size, address);
		end = start > 0 ? start - 1 : 0;
	}
	return false;
}

bool proxy_base_path(char *dst, size_t size, const char *path)
{
	size_t n = 0;
	bool is_good = size >= 3 && path;

	for (const char *p = path; is_good && *p;) {
		p += strspn(p, "/");

		size_t part = strcspn(p, "/");

		if (part == 0)
			break;
		/* Letters that need no quoting in a header or in HTML. */
		if (strspn(p,
		           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~") <
		            part ||
		    n + part + 3 > size || (part == 2 && p[0] == '.' && p[1] == '.')) {
			is_good = false;
			break;
		}
		dst[n++] = '/';
		memcpy(dst + n, p, part);
		n += part;
		p += part;
	}
	if (!is_good)
		n = 0;
	dst[n++] = '/';
	dst[n] = '\0';
	return is_good;
}

bool proxy_host_is_local(const char *host, uint16_t port, uint16_t usual)
{
	char name[256];
	uint64_t given = usual;
	size_t n = host ? strcspn(host, ":") : 0;

	if (host && text_starts(host, "[::1]"))
		n = 5;
	if (n == 0 || !text_copy_n(name, sizeof(name), host, n))
		return false;
	if (host[n] != '\0' && (host[n] != ':' || !text_to_u64(host + n + 1, 10, &given)))
		return false;
	return given == port &&
	       (text_equal_nocase(name, "localhost") || text_equal(name, "[::1]") ||
	        proxy_address_in(name, "127.0.0.0/8"));
}

bool proxy_is_marked(const struct http_head *h)
{
	static const char *const marks[] = { "Forwarded",        "Via",
		                             "X-Real-IP",        "X-Client-IP",
		                             "X-Original-Host",  "X-Script-Name",
		                             "X-Ingress-Path",   "True-Client-IP",
		                             "CF-Connecting-IP", "X-Cluster-Client-IP" };

	for (size_t i = 0; i < h->n_headers; i++) {
		if (strncasecmp(h->headers[i].name, "X-Forwarded", 11) == 0)
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		if (http_header(h, marks[i]))
			return true;
	}
	return h->minor == 0;
}
