/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/json_scan.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>

#define MAX_TEXT (4u << 20)

struct scan {
	const char *text;
	size_t size, at;
	struct json_token *tokens;
	size_t max, n;
	uint32_t open[JSON_SCAN_MAX_DEPTH]; /* tokens of the arrays and objects around */
	unsigned depth;
};

static void skip_blanks(struct scan *s)
{
	while (s->at < s->size) {
		char c = s->text[s->at];

		if (c != ' ' && c != '\n' && c != '\t' && c != '\r')
			return;
		s->at++;
	}
}

static struct json_token *add(struct scan *s, enum json_kind kind, size_t start, size_t size)
{
	if (s->n == s->max)
		return NULL;

	struct json_token *t = &s->tokens[s->n++];

	*t = (struct json_token){ (uint32_t)start, (uint32_t)size, (uint32_t)s->n,
		                  (uint8_t)kind,   false,          0 };
	return t;
}

static int scan_string(struct scan *s)
{
	size_t start = ++s->at;
	bool has_escape = false;

	for (; s->at < s->size; s->at++) {
		char c = s->text[s->at];

		if (c == '"') {
			struct json_token *t = add(s, JSON_KIND_STRING, start, s->at - start);

			if (!t)
				return -E2BIG;
			t->has_escape = has_escape;
			s->at++;
			return 0;
		}
		if (c == '\\') {
			has_escape = true;
			s->at++;
		}
	}
	return -EBADMSG;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int scan_number(struct scan *s)
{
	size_t start = s->at;
	bool has_digit = false;

	for (; s->at < s->size; s->at++) {
		char c = s->text[s->at];

		if (is_digit(c))
			has_digit = true;
		else if (c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E')
			break;
	}
	if (!has_digit || s->at - start > 40)
		return -EBADMSG;
	return add(s, JSON_KIND_NUMBER, start, s->at - start) ? 0 : -E2BIG;
}

static int scan_word(struct scan *s, const char *word, enum json_kind kind)
{
	size_t n = strlen(word);

	if (s->size - s->at < n || memcmp(s->text + s->at, word, n) != 0)
		return -EBADMSG;
	s->at += n;
	return add(s, kind, s->at - n, n) ? 0 : -E2BIG;
}

static int open_group(struct scan *s, enum json_kind kind)
{
	if (s->depth == JSON_SCAN_MAX_DEPTH)
		return -E2BIG;
	s->open[s->depth++] = (uint32_t)s->n;
	return add(s, kind, s->at++, 0) ? 0 : -E2BIG;
}

static int scan_value(struct scan *s)
{
	if (s->at == s->size)
		return -EBADMSG;
	switch (s->text[s->at]) {
	case '{':
		return open_group(s, JSON_KIND_OBJECT);
	case '[':
		return open_group(s, JSON_KIND_ARRAY);
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true", JSON_KIND_TRUE);
	case 'f':
		return scan_word(s, "false", JSON_KIND_FALSE);
	case 'n':
		return scan_word(s, "null", JSON_KIND_NULL);
	default:
		return scan_number(s);
	}
}

/* "key": of a member, then its value. */
static int scan_member(struct scan *s)
{
	if (s->at == s->size || s->text[s->at] != '"')
		return -EBADMSG;

	int rc = scan_string(s);

	if (rc < 0)
		return rc;
	skip_blanks(s);
	if (s->at == s->size || s->text[s->at] != ':')
		return -EBADMSG;
	s->at++;
	skip_blanks(s);
	return scan_value(s);
}

static int scan_item(struct scan *s, bool is_object)
{
	return is_object ? scan_member(s) : scan_value(s);
}

/* One step inside the innermost group: its end, or the next item. */
static int scan_step(struct scan *s)
{
	struct json_token *group = &s->tokens[s->open[s->depth - 1]];
	bool is_object = group->kind == JSON_KIND_OBJECT;
	bool is_first = s->n == s->open[s->depth - 1] + 1;

	skip_blanks(s);
	if (s->at == s->size)
		return -EBADMSG;
	if (s->text[s->at] == (is_object ? '}' : ']')) {
		s->at++;
		group->size = (uint32_t)(s->at - group->start);
		group->next = (uint32_t)s->n;
		s->depth--;
		return 0;
	}
	if (!is_first) {
		if (s->text[s->at] != ',')
			return -EBADMSG;
		s->at++;
		skip_blanks(s);
	}
	return scan_item(s, is_object);
}

int json_scan(const char *text, size_t size, struct json_token *tokens, size_t max, size_t *ret_n)
{
	if (size > MAX_TEXT)
		return -E2BIG;

	struct scan s = { .text = text, .size = size, .tokens = tokens, .max = max };

	skip_blanks(&s);

	int rc = scan_value(&s);

	while (rc == 0 && s.depth > 0)
		rc = scan_step(&s);
	if (rc < 0)
		return rc;
	for (; s.at < size; s.at++) {
		if (!strchr(" \t\r\n", text[s.at])) /* strchr() also finds the NUL */
			return -EBADMSG;
	}
	*ret_n = s.n;
	return 0;
}

static bool hex4(const char *p, const char *end, uint32_t *ret)
{
	uint32_t v = 0;

	if (end - p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		int d = text_hex_digit(p[i]);

		if (d < 0)
			return false;
		v = v << 4 | (uint32_t)d;
	}
	*ret = v;
	return true;
}

static size_t put_utf8(char *dst, uint32_t c)
{
	if (c < 0x80) {
		dst[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		dst[0] = (char)(0xc0 | c >> 6);
		dst[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		dst[0] = (char)(0xe0 | c >> 12);
		dst[1] = (char)(0x80 | (c >> 6 & 0x3f));
		dst[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	dst[0] = (char)(0xf0 | c >> 18);
	dst[1] = (char)(0x80 | (c >> 12 & 0x3f));
	dst[2] = (char)(0x80 | (c >> 6 & 0x3f));
	dst[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* What follows "\u"; *p stands behind it afterwards. Halves of pairs alone become '?'. */
static uint32_t read_unicode(const char **p, const char *end)
{
	uint32_t c, low;

	if (!hex4(*p, end, &c))
		return '?';
	*p += 4;
	if (c >= 0xd800 && c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u' &&
	    hex4(*p + 2, end, &low) && low >= 0xdc00 && low < 0xe000) {
		*p += 6;
		return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (c == 0 || (c >= 0xd800 && c < 0xe000))
		return '?';
	return c;
}

static uint32_t read_escape(const char **p, const char *end)
{
	char c = *(*p)++;

	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'u':
		return read_unicode(p, end);
	default:
		return (uint32_t)(unsigned char)c;
	}
}

void json_scan_string(const char *text, const struct json_token *t, char *dst, size_t size)
{
	const char *p = text + t->start, *end = p + t->size;
	size_t n = 0;

	if (!t->has_escape) {
		n = MIN((size_t)t->size, size - 1);
		memcpy(dst, p, n);
		dst[n] = '\0';
		return;
	}
	while (p < end && n + 4 < size) {
		if (*p != '\\' || p + 1 == end) {
			dst[n++] = *p++;
			continue;
		}
		p++;
		n += put_utf8(dst + n, read_escape(&p, end));
	}
	dst[n] = '\0';
}

bool json_scan_equals(const char *text, const struct json_token *t, const char *s)
{
	size_t n = strlen(s);

	return t->size == n && !t->has_escape && memcmp(text + t->start, s, n) == 0;
}

size_t json_scan_member(const char *text, const struct json_token *tokens, size_t object,
                        const char *key)
{
	if (tokens[object].kind != JSON_KIND_OBJECT)
		return 0;
	for (size_t i = object + 1; i < tokens[object].next; i = tokens[i + 1].next) {
		if (json_scan_equals(text, &tokens[i], key))
			return i + 1;
	}
	return 0;
}
