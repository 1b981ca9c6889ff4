/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "base/test.h"
#include "base/text.h"
#include "base/when.h"

#include <errno.h>
#include <string.h>

TEST(buf_stops_at_its_limit_and_says_so)
{
	struct buf b;

	buf_init(&b, 10);
	buf_add_str(&b, "0123456789");
	CHECK(!b.overflown);
	buf_add_char(&b, 'x');
	CHECK(b.overflown);
	CHECK_STR(buf_peek(&b), "0123456789");
	buf_consume(&b, 4);
	CHECK_STR(buf_peek(&b), "456789");
	buf_fini(&b);
}

TEST(text_copy_never_cuts_a_character_in_two)
{
	char dst[5];

	CHECK(!text_copy(dst, sizeof(dst), "abc\xc3\xa4"));
	CHECK_STR(dst, "abc");
	CHECK(text_copy(dst, sizeof(dst), "ab\xc3\xa4"));
}

TEST(text_clean_leaves_only_utf8)
{
	char s[] = "a\xff"
		   "b\xc3\xa4\x01\xed\xa0\x80";

	text_clean(s);
	CHECK_STR(s, "a?b\xc3\xa4 ???");
}

TEST(text_numbers_are_whole_or_nothing)
{
	int64_t i = 7;
	uint64_t u = 7;
	double d = 7;

	CHECK(!text_to_i64("12x", &i) && !text_to_i64("", &i) && !text_to_i64(" 1", &i));
	CHECK(!text_to_i64("99999999999999999999", &i));
	CHECK_INT(i, 7);
	CHECK(text_to_i64("-12", &i) && i == -12);
	CHECK(text_to_u64("3EC1AFFF9CFF", 16, &u) && u == 0x3ec1afff9cff);
	CHECK(!text_to_double("inf", &d) && !text_to_double("nan", &d));
	CHECK(text_to_double("24.5", &d) && d > 24.4 && d < 24.6);
}

TEST(text_slug_makes_ids)
{
	char id[16];

	text_slug(id, sizeof(id), "A1 (left) ");
	CHECK_STR(id, "a1-left");
	text_slug(id, sizeof(id), "///");
	CHECK_STR(id, "unnamed");
}

TEST(text_sizes_both_ways)
{
	char s[16];
	uint64_t n = 0;

	CHECK_STR(text_size(s, sizeof(s), 1500000), "1.5 MB");
	CHECK_STR(text_size(s, sizeof(s), 999), "999 B");
	CHECK(text_to_size("1.5 GB", &n) && n == 1500000000);
	CHECK(!text_to_size("1.5 XB", &n) && !text_to_size("-1", &n));
}

TEST(when_iso_both_ways)
{
	char s[WHEN_TEXT_SIZE];
	int64_t ms = 0;

	CHECK_STR(when_iso(s, 1795257605123), "2026-11-21T10:40:05.123Z");
	CHECK(when_from_iso(s, &ms) && ms == 1795257605123);
	CHECK(!when_from_iso("2026-11-21 10:40", &ms));
}

TEST(when_spans)
{
	char s[WHEN_TEXT_SIZE];
	int64_t ms = 0;

	CHECK(when_to_span_ms("30s", &ms) && ms == 30000);
	CHECK(when_to_span_ms("2h", &ms) && ms == 7200000);
	CHECK(when_to_span_ms("15", &ms) && ms == 15000);
	CHECK(!when_to_span_ms("15 parsecs", &ms) && !when_to_span_ms("-3s", &ms));
	CHECK_STR(when_span(s, 4320000), "1 h 12 min");
}

TEST(secret_compares_whole_texts)
{
	struct secret s = { 0 };

	CHECK(!secret_equals(&s, ""));
	secret_set(&s, "12345678");
	CHECK(secret_equals(&s, "12345678"));
	CHECK(!secret_equals(&s, "1234567") && !secret_equals(&s, "123456781"));
	secret_fini(&s);
	CHECK(!secret_is_set(&s));
}

TEST(err_collects_context_on_its_way_up)
{
	struct err err = { 0 };
	int rc = err_set(&err, -ENODEV, "no camera at '%s'", "unplugged");

	rc = err_wrap(&err, rc, "front door");
	CHECK_INT(rc, -ENODEV);
	CHECK_STR(err.text, "front door: no camera at 'unplugged'");
}
