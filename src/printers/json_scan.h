/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * json_scan: cuts JSON text into tokens without copying anything.
 *
 * Made for reports that come twice a second and are mostly thrown away: one pass, no memory of its
 * own. Lenient where printers are: bytes that are not UTF-8 and control characters inside strings
 * pass, NULs and blanks at the end too. Strict in structure.
 *
 * Pure. Thread: any.
 */

#pragma once

#include "base/base.h"

#define JSON_SCAN_MAX_DEPTH 24

enum json_kind {
	JSON_KIND_NULL,
	JSON_KIND_FALSE,
	JSON_KIND_TRUE,
	JSON_KIND_NUMBER,
	JSON_KIND_STRING,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT,
};

/* Of an object's members the key comes first, as a STRING, then the value. */
struct json_token {
	uint32_t start, size; /* of the text; a string's without its quotes, escapes not resolved */
	uint32_t next;        /* index of the first token after this one's subtree */
	uint8_t kind;
	bool has_escape;
	uint16_t pad;
};

/*
 * Fills at most `max` tokens. 0, -EBADMSG when it is no JSON, -E2BIG when there are more tokens
 * than `max`, nesting is too deep or the text is larger than 4 MB.
 */
int json_scan(const char *text, size_t size, struct json_token *tokens, size_t max, size_t *ret_n);

/* The string of a token with its escapes resolved, cut to fit, terminated. */
void json_scan_string(const char *text, const struct json_token *t, char *dst, size_t size);

/* The string, or a scalar's text, equals `s`. Escapes never match. */
bool json_scan_equals(const char *text, const struct json_token *t, const char *s);

/* Index of the value of `key` in the object at `object`, 0 if there is none. */
size_t json_scan_member(const char *text, const struct json_token *tokens, size_t object,
                        const char *key);
