/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ls_line.h"

#include "base/text.h"

#include <string.h>

#define MAX_LINE 2048
#define N_DATE 3 /* words of a date */
#define MIN_MODE 10

/* Where words begin and how long they are. */
struct word {
	const char *at;
	size_t n;
};

static bool next_word(const char **p, const char *end, struct word *ret)
{
	while (*p < end && **p == ' ')
		(*p)++;
	ret->at = *p;
	while (*p < end && **p != ' ')
		(*p)++;
	ret->n = (size_t)(*p - ret->at);
	return ret->n > 0;
}

static bool is_digits(const struct word *w, size_t max)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->at[i] < '0' || w->at[i] > '9')
			return false;
	return w->n > 0 && w->n <= max;
}

static bool is_month(const struct word *w)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (size_t i = 0; w->n == 3 && months[i]; i += 3)
		if (memcmp(w->at, months + i, 3) == 0)
			return true;
	return false;
}

/* "17:08" or "2025". */
static bool is_time_or_year(const struct word *w)
{
	struct word hour = { w->at, 2 }, minute = { w->at + 3, 2 };

	if (w->n == 5)
		return w->at[2] == ':' && is_digits(&hour, 2) && is_digits(&minute, 2);
	return w->n == 4 && is_digits(w, 4);
}

static bool read_name(const char *p, const char *end, struct ls_line *ret)
{
	size_t n = (size_t)(end - p);

	/* One blank, all others are the name's. */
	if (n < 2 || *p != ' ' || n - 1 >= sizeof(ret->name) || memchr(p, '\0', n) ||
	    memchr(p, '/', n))
		return false;
	memcpy(ret->name, p + 1, n - 1);
	ret->name[n - 1] = '\0';
	return true;
}

static bool read_size(const struct word *w, uint64_t *ret)
{
	char digits[24];

	return text_copy_n(digits, sizeof(digits), w->at, w->n) && text_to_u64(digits, 10, ret);
}

bool ls_line_parse(const char *line, size_t size, struct ls_line *ret)
{
	const char *p = line, *end = line + size;
	struct word w[1 + N_DATE]; /* the last four */
	struct word mode;

	*ret = (struct ls_line){ .kind = LS_OTHER };
	if (size > MAX_LINE || !next_word(&p, end, &mode) || mode.n < MIN_MODE)
		return false;
	if (mode.at[0] == '-')
		ret->kind = LS_FILE;
	else if (mode.at[0] == 'd')
		ret->kind = LS_FOLDER;
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		if (!next_word(&p, end, &w[i]))
			return false;
	while (!is_digits(&w[0], 19) || !is_month(&w[1]) || !is_digits(&w[2], 2) ||
	       !is_time_or_year(&w[3])) {
		memmove(&w[0], &w[1], N_DATE * sizeof(w[0]));
		if (!next_word(&p, end, &w[N_DATE]))
			return false;
	}
	return read_size(&w[0], &ret->size) && read_name(p, end, ret) &&
	       text_copy_n(ret->date, sizeof(ret->date), w[1].at,
	                   (size_t)(w[3].at + w[3].n - w[1].at));
}
