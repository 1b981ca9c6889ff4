/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mjpeg_parse.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_CAP ((size_t)64 << 10)
/* An announced length is believed so far; more memory comes with the bytes. */
#define BELIEVED ((size_t)4 << 20)

/* ---- boundaries ---- */

/* Without the dashes around it and what stands behind: servers write them here or there. */
static void boundary_core(char *dst, size_t size, const char *from, size_t n)
{
	while (n > 0 && *from == '-') {
		from++;
		n--;
	}
	while (n > 0 && (from[n - 1] == ' ' || from[n - 1] == '\t' || from[n - 1] == '-'))
		n--;
	text_copy_n(dst, size, from, n);
}

bool mjpeg_parser_init(struct mjpeg_parser *p, const char *content_type)
{
	const char *at = content_type;

	*p = (struct mjpeg_parser){ .stamp_us = -1 };
	if (strncasecmp(content_type, "multipart/", strlen("multipart/")) != 0)
		return false;
	while ((at = strchr(at, ';'))) {
		at += 1 + strspn(at + 1, " \t");
		if (strncasecmp(at, "boundary", strlen("boundary")) != 0)
			continue;

		const char *value = at + strlen("boundary");

		value += strspn(value, " \t");
		if (*value++ != '=')
			continue;
		value += strspn(value, " \t");
		if (*value == '"')
			boundary_core(p->boundary, sizeof(p->boundary), value + 1,
			              strcspn(value + 1, "\""));
		else
			boundary_core(p->boundary, sizeof(p->boundary), value,
			              strcspn(value, "; \t"));
		break;
	}
	return true;
}

void mjpeg_parser_fini(struct mjpeg_parser *p)
{
	free(p->bytes);
	*p = (struct mjpeg_parser){ 0 };
}

/*
 * Before the first part any line with dashes will do: some servers announce one boundary and send
 * another. Then what is sent counts.
 */
static bool is_boundary(struct mjpeg_parser *p)
{
	char core[MJPEG_MAX_BOUNDARY];
	bool has_dashes = text_starts(p->line, "--");

	if (p->is_cut || p->n_line == 0)
		return false;
	boundary_core(core, sizeof(core), p->line, p->n_line);
	if (p->boundary[0] && strcmp(core, p->boundary) == 0)
		return true;
	if (!has_dashes || !core[0] || (p->boundary[0] && p->n_parts > 0))
		return false;
	TEXT_SET(p->boundary, core);
	return true;
}

/* ---- lines ---- */

/* 1: p->line is a whole line without its end; 0: more is needed. */
static int read_line(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size)
{
	const uint8_t *end = memchr(*bytes, '\n', *size);
	size_t n = end ? (size_t)(end - *bytes) : *size;
	size_t room = sizeof(p->line) - 1 - p->n_line, fits = MIN(n, room);

	memcpy(p->line + p->n_line, *bytes, fits);
	p->n_line += fits;
	p->is_cut |= fits < n;
	p->line[p->n_line] = '\0';
	*bytes += n + (end ? 1 : 0);
	*size -= n + (end ? 1 : 0);
	if (!end)
		return 0;
	if (p->n_line > 0 && !p->is_cut && p->line[p->n_line - 1] == '\r')
		p->line[--p->n_line] = '\0';
	return 1;
}

static void next_line(struct mjpeg_parser *p)
{
	p->n_line = 0;
	p->is_cut = false;
}

static void enter(struct mjpeg_parser *p, enum mjpeg_state state)
{
	p->state = state;
	next_line(p);
}

/* "1700000000.123456" into microseconds; -1 if it is none. */
static int64_t read_stamp(const char *text)
{
	size_t n = strspn(text, "0123456789");
	char digits[24];
	int64_t s = 0, us = 0, scale = 100000;

	if (n == 0 || n > 12 || !text_copy_n(digits, sizeof(digits), text, n) ||
	    !text_to_i64(digits, &s))
		return -1;
	text += n;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
			us += (*text - '0') * scale;
	return *text == '\0' ? s * 1000000 + us : -1;
}

static void read_header(struct mjpeg_parser *p)
{
	char *colon = strchr(p->line, ':');
	const char *value;
	uint64_t n;

	if (!colon)
		return;
	*colon = '\0';
	value = colon + 1 + strspn(colon + 1, " \t");
	for (size_t k = strlen(value); k > 0 && (value[k - 1] == ' ' || value[k - 1] == '\t'); k--)
		p->line[(size_t)(value - p->line) + k - 1] = '\0';
	if (strcasecmp(p->line, "Content-Length") == 0) {
		/* One that is no number counts as none. */
		p->length = text_to_u64(value, 10, &n) ? (size_t)MIN(n, (uint64_t)SIZE_MAX) : 0;
	} else if (strcasecmp(p->line, "X-Timestamp") == 0) {
		p->stamp_us = read_stamp(value);
	} else if (strcasecmp(p->line, "Content-Type") == 0) {
		/* image/jpeg, image/jpg, image/pjpeg, application/octet-stream, nothing */
		p->is_other = strncasecmp(value, "text/", 5) == 0;
	}
}

/* ---- the part ---- */

static void begin_part(struct mjpeg_parser *p)
{
	p->n_headers = 0;
	p->length = 0;
	p->stamp_us = -1;
	p->is_other = false;
	p->size = 0;
	p->cut = (struct jpeg_cut){ 0 };
	enter(p, MJPEG_HEAD);
}

static void add(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size, size_t n)
{
	if (p->size + n > p->cap) {
		size_t guess = MAX(p->length, FIRST_CAP);
		size_t believed = MIN(guess, BELIEVED);
		size_t needed = MAX(p->size + n, believed);

		p->cap = MAX(2 * p->cap, needed);
		p->bytes = mem_grow(p->bytes, p->cap, 1);
	}
	memcpy(p->bytes + p->size, *bytes, n);
	p->size += n;
	*bytes += n;
	*size -= n;
}

static int give(struct mjpeg_parser *p, size_t n, struct mjpeg_part *ret)
{
	*ret = (struct mjpeg_part){ .bytes = mem_grow(p->bytes, n, 1),
		                    .size = n,
		                    .stamp_us = p->stamp_us };
	p->bytes = NULL;
	p->size = p->cap = 0;
	enter(p, MJPEG_BETWEEN);
	return 1;
}

static int too_large(size_t n, struct err *err)
{
	char text[32];

	return err_set(err, -EFBIG, "a picture of %s is announced or sent; 32 MB are the most",
	               text_size(text, sizeof(text), n));
}

static void skip_part(struct mjpeg_parser *p)
{
	p->n_other++;
	p->size = 0;
	enter(p, MJPEG_BETWEEN);
}

/* Announced bytes; what is behind the end of the picture (line ends, padding) is cut off. */
static int read_length(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size,
                       struct mjpeg_part *ret)
{
	size_t n;

	add(p, bytes, size, MIN(*size, p->length - p->size));
	if (p->size < p->length)
		return 0;
	n = p->size;
	while (n > 2 &&
	       (p->bytes[n - 1] == '\r' || p->bytes[n - 1] == '\n' || p->bytes[n - 1] == 0))
		n--;
	if (p->bytes[n - 1] != 0xd9 || n < 2 || p->bytes[n - 2] != 0xff)
		n = p->size;
	p->n_parts++;
	return give(p, n, ret);
}

static int read_picture(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size,
                        struct mjpeg_part *ret, struct err *err)
{
	size_t had = p->size, at;

	add(p, bytes, size, MIN(*size, MJPEG_MAX_PICTURE + 1 - p->size));
	switch (jpeg_cut(&p->cut, p->bytes, p->size)) {
	case JPEG_CUT_WHOLE:
		*bytes -= p->size - p->cut.at;
		*size += p->size - p->cut.at;
		p->n_parts++;
		return give(p, p->cut.at, ret);
	case JPEG_CUT_BAD:
		/* The next part may have begun in what came with this call. */
		at = MAX(p->cut.at, (size_t)1);
		at = MAX(at, had);
		*bytes -= p->size - at;
		*size += p->size - at;
		skip_part(p);
		return 0;
	case JPEG_CUT_MORE:
		break;
	}
	return p->size > MJPEG_MAX_PICTURE ? too_large(p->size, err) : 0;
}

static int start_part(struct mjpeg_parser *p, struct err *err)
{
	if (p->length > MJPEG_MAX_PICTURE)
		return too_large(p->length, err);
	if (p->length > 0)
		enter(p, MJPEG_LENGTH);
	else if (p->is_other)
		skip_part(p);
	else
		enter(p, MJPEG_PICTURE);
	return 0;
}

/* A picture without any head, as of servers that send one JPEG after the other. */
static bool is_bare_picture(const struct mjpeg_parser *p, const uint8_t *bytes, size_t size)
{
	return p->n_line == 0 && !p->is_cut && bytes[0] == 0xff && (size < 2 || bytes[1] == 0xd8) &&
	       (size < 3 || bytes[2] == 0xff);
}

static void read_between(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size)
{
	if (is_bare_picture(p, *bytes, *size)) {
		begin_part(p);
		enter(p, MJPEG_PICTURE);
		return;
	}
	if (read_line(p, bytes, size) == 0)
		return;
	if (is_boundary(p))
		begin_part(p);
	else
		next_line(p);
}

static int read_head(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size, struct err *err)
{
	if (read_line(p, bytes, size) == 0)
		return 0;
	/* Some send an empty line between boundary and head. */
	if (p->n_line == 0 && p->n_headers > 0)
		return start_part(p, err);
	if (p->n_line == 0 && p->n_headers == 0) {
		enter(p, MJPEG_START);
		return 0;
	}
	if (++p->n_headers > MJPEG_MAX_HEADERS) {
		skip_part(p);
		return 0;
	}
	if (is_boundary(p))
		begin_part(p);
	else
		read_header(p);
	next_line(p);
	return 0;
}

int mjpeg_parse(struct mjpeg_parser *p, const uint8_t **bytes, size_t *size, struct mjpeg_part *ret,
                struct err *err)
{
	size_t before = *size;
	int rc = 0;

	while (*size > 0 && rc == 0) {
		switch (p->state) {
		case MJPEG_BETWEEN:
			read_between(p, bytes, size);
			break;
		case MJPEG_HEAD:
			rc = read_head(p, bytes, size, err);
			break;
		case MJPEG_START:
			/* No head at all: a picture, or a head after an empty line. */
			enter(p, **bytes == 0xff ? MJPEG_PICTURE : MJPEG_HEAD);
			p->n_headers = 1;
			break;
		case MJPEG_LENGTH:
			rc = read_length(p, bytes, size, ret);
			break;
		case MJPEG_PICTURE:
			rc = read_picture(p, bytes, size, ret, err);
			break;
		}
	}
	p->n_bytes += before - *size;
	return rc;
}
