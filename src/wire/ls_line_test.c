/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/ls_line.h"

#include "base/test.h"

#include <string.h>

static bool parse(const char *line, struct ls_line *ret)
{
	return ls_line_parse(line, strlen(line), ret);
}

TEST(ls_line_reads_what_openssh_writes)
{
	struct ls_line l;

	CHECK(parse("-rw-r--r--    1 pi       users     1234567 Nov 21 17:08 a film.mp4", &l));
	CHECK(l.kind == LS_FILE);
	CHECK_INT(l.size, 1234567);
	CHECK_STR(l.date, "Nov 21 17:08");
	CHECK_STR(l.name, "a film.mp4");
	CHECK(parse("drwxr-xr-x    2 0        0            4096 Mar  4  2025 Photos", &l));
	CHECK(l.kind == LS_FOLDER);
	CHECK_STR(l.date, "Mar  4  2025");
	CHECK_STR(l.name, "Photos");
	CHECK(parse("lrwxrwxrwx    1 0        0              11 Nov  1 00:01 x -> /etc", &l) ==
	              false ||
	      l.kind == LS_OTHER);
}

TEST(ls_line_finds_the_date_behind_names_with_blanks)
{
	struct ls_line l;

	CHECK(parse("-rw-------    1 DOM user domain users  77 Jan  2 03:04  two  blanks ", &l));
	CHECK_INT(l.size, 77);
	CHECK_STR(l.name, " two  blanks ");
	/* A name that looks like a date comes after the first one. */
	CHECK(parse("-rw-------    1 a b 5 Jan  2 03:04 6 Feb  3 04:05 z", &l));
	CHECK_INT(l.size, 5);
	CHECK_STR(l.name, "6 Feb  3 04:05 z");
}

TEST(ls_line_refuses_what_is_none)
{
	static const char *const none[] = {
		"",
		"total 12",
		"-rw-r--r--",
		"-rw-r--r-- 1 a b 5 Jan 2 03:04",
		"-rw-r--r-- 1 a b 5 Jan 2 03:04 ",
		"-rw-r--r-- 1 a b -5 Jan 2 03:04 x",
		"-rw-r--r-- 1 a b 5 Foo 2 03:04 x",
		"-rw-r--r-- 1 a b 5 Jan 2 3:04 x",
		"-rw-r--r-- 1 a b 5 Jan 2 03:04 ../../etc/passwd",
		"-rw-r--r-- 1 a b 99999999999999999999999 Jan 2 03:04 x",
	};
	struct ls_line l;
	char longest[400];

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		CHECK(!parse(none[i], &l));
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	memcpy(longest, "-rw-r--r-- 1 a b 5 Jan  2 03:04 ", 32);
	CHECK(!parse(longest, &l));
	CHECK(!ls_line_parse("-rw-r--r-- 1 a b 5 Jan  2 03:04 x\0y", 35, &l));
}
