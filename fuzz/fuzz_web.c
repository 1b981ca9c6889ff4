/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever a body, query or proxy header says, the check answers yes, or no with a field
 * and a sentence; base paths and addresses that come out need no quoting. */

#include "web/proxy.h"
#include "web/route.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_routes(const char *text, size_t size)
{
	json_t *body = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	const struct route *r;

	for (size_t i = 0; (r = route_at(i)); i++) {
		struct field_fault fault = { 0 };

		if (r->body && body && !route_check_body(r, body, &fault))
			assert(fault.text[0]);
		memset(&fault, 0, sizeof(fault));
		if (!route_check_query(r, text, &fault))
			assert(fault.text[0] && fault.field[0]);
	}
	json_decref(body);
}

static void check_proxy(const char *text)
{
	static const char *const trusted[] = { "10.0.0.0/8", "fd00::/8" };
	char address[46], base[64];

	if (proxy_forwarded_for(address, sizeof(address), text, trusted, 2))
		assert(!strpbrk(address, "\r\n\"<> "));
	(void)proxy_base_path(base, sizeof(base), text);
	assert(base[0] == '/' && !strpbrk(base, "\r\n\"<>'&;, "));
	(void)proxy_address_in(text, "10.0.0.0/8");
	(void)proxy_address_in("10.1.2.3", text);
	(void)proxy_host_is_local(text, 8484, 80);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char params[4][64];
	bool is_wrong_method;
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	check_routes(text, strlen(text));
	check_proxy(text);
	(void)route_find(HTTP_GET, text, params, &is_wrong_method);
	free(text);
	return 0;
}
