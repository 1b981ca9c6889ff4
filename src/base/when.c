/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/when.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *when_iso(char *dst, int64_t wall_ms)
{
	int64_t ms = wall_ms % 1000;
	time_t s = (time_t)(wall_ms / 1000);

	if (ms < 0) {
		ms += 1000;
		s--;
	}

	struct tm tm = { 0 };
	char day[24];

	gmtime_r(&s, &tm);
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(dst, WHEN_TEXT_SIZE, "%s.%03dZ", day, (int)ms);
	return dst;
}

bool when_from_iso(const char *s, int64_t *ret_wall_ms)
{
	struct tm tm = { 0 };
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int ms = 0;

	if (!rest)
		return false;
	if (*rest == '.') {
		int scale = 100;

		for (rest++; isdigit((unsigned char)*rest); rest++, scale /= 10)
			ms += (*rest - '0') * scale;
	}
	if (strcmp(rest, "Z") != 0)
		return false;
	*ret_wall_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}

const char *when_file_name(char *dst, int64_t wall_ms)
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };

	localtime_r(&s, &tm);
	strftime(dst, WHEN_TEXT_SIZE, "%Y-%m-%d_%H-%M-%S", &tm);
	return dst;
}

bool when_to_span_ms(const char *s, int64_t *ret_ms)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "", 1e3 },     { "ms", 1 },     { "s", 1e3 },    { "m", 60e3 },
		      { "min", 60e3 }, { "h", 3600e3 }, { "d", 86400e3 } };
	char *end = NULL;

	if (!isdigit((unsigned char)*s))
		return false;

	double v = strtod(s, &end);

	while (*end == ' ')
		end++;
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (strcmp(end, units[i].name) == 0 && v * units[i].ms < 1e15) {
			*ret_ms = llround(v * units[i].ms);
			return true;
		}
	}
	return false;
}

const char *when_span(char *dst, int64_t span_ms)
{
	int64_t s = (span_ms + 500) / 1000;

	if (s >= 86400)
		snprintf(dst, WHEN_TEXT_SIZE, "%" PRId64 " d %" PRId64 " h", s / 86400,
		         s % 86400 / 3600);
	else if (s >= 3600)
		snprintf(dst, WHEN_TEXT_SIZE, "%" PRId64 " h %" PRId64 " min", s / 3600,
		         s % 3600 / 60);
	else if (s >= 600)
		snprintf(dst, WHEN_TEXT_SIZE, "%" PRId64 " min", s / 60);
	else if (s >= 60)
		snprintf(dst, WHEN_TEXT_SIZE, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
	else
		snprintf(dst, WHEN_TEXT_SIZE, "%" PRId64 " s", s);
	return dst;
}
