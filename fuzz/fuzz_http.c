/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The promise: whatever comes, heads are read within their bytes, paths stay below the root,
 * ranges within the file. */

#include "wire/http_parse.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct http_head *h)
{
	char value[64];
	uint64_t from = 0, to = 0;

	assert(h->path[0] == '/' && !strstr(h->path, "/../"));
	assert(h->n_headers <= HTTP_MAX_HEADERS);
	(void)http_query_get(h->query, "limit", value, sizeof(value));
	(void)http_cookie_get(http_header(h, "Cookie"), "bedside_session", value, sizeof(value));
	(void)http_etag_matches(http_header(h, "If-None-Match"), "\"a\"");
	(void)http_accepts_gzip(http_header(h, "Accept-Encoding"));
	if (http_parse_range(http_header(h, "Range"), 1000, &from, &to) == 1)
		assert(from <= to && to < 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = http_head_end((const char *)data, size, 0);

	if (n == 0 || n > HTTP_MAX_HEAD)
		return 0;

	char *bytes = malloc(n);
	struct http_head head;

	if (!bytes)
		return 0;
	memcpy(bytes, data, n);
	if (http_parse_head(bytes, n, &head) == 0)
		look_at(&head);
	free(bytes);
	return 0;
}
