/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/url.h"

#include "base/err.h"
#include "base/test.h"

#include <string.h>

TEST(a_url_is_taken_apart_and_written_without_its_login)
{
	struct url u = { 0 };
	char text[256];

	CHECK_INT(url_parse("HTTP://admin:p%40ss:word@cam.local:8080/video?a=1&b=@2#x", &u, NULL),
	          0);
	CHECK_STR(u.scheme, "http");
	CHECK_STR(u.user, "admin");
	CHECK(secret_equals(&u.password, "p@ss:word"));
	CHECK_STR(u.host, "cam.local");
	CHECK_INT(u.port, 8080);
	CHECK_STR(u.path, "/video?a=1&b=@2");
	CHECK(url_write(&u, text, sizeof(text)));
	CHECK_STR(text, "http://cam.local:8080/video?a=1&b=@2");
	url_fini(&u);
}

TEST(a_url_may_be_short_have_a_query_only_or_an_ipv6_host)
{
	static const char *const same[][2] = {
		{ "http://a", "http://a/" },
		{ "rtsp://10.0.0.9?x", "rtsp://10.0.0.9/?x" },
		{ "https://[fe80::1]:443/s", "https://[fe80::1]:443/s" },
		{ "http://u@[::1]/", "http://[::1]/" },
		{ "http://a:/x", "http://a/x" },
		{ "http://user:pa@ss@host/x", "http://host/x" },
	};
	char text[256];

	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		struct url u = { 0 };

		CHECK_INT(url_parse(same[i][0], &u, NULL), 0);
		CHECK(url_write(&u, text, sizeof(text)));
		CHECK_STR(text, same[i][1]);
		url_fini(&u);
	}
}

TEST(what_is_no_url_is_refused_in_words_without_the_login)
{
	static const char *const bad[] = {
		"",
		"cam.local/x",
		"://x",
		"http://",
		"http://user:hidden@",
		"http://user:hidden@ho st/",
		"http://user:hidden@host:0/",
		"http://user:hidden@host:99999/",
		"http://user:hidden@[::1/",
		"http://user:hidden@[host]/",
		"http://user:hidden@host/a b",
		"ht tp://user:hidden@host/",
		"http://user:hid%00den@host/",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct url u = { 0 };
		struct err err = { 0 };

		CHECK(url_parse(bad[i], &u, &err) < 0);
		CHECK(err.text[0] && !strstr(err.text, "hidden"));
		url_fini(&u);
	}
}

TEST(a_login_can_be_hidden_in_any_text)
{
	char text[64];

	url_hide_login("http://u:p@ss@host:1/x?y=@z", text, sizeof(text));
	CHECK_STR(text, "http://host:1/x?y=@z");
	url_hide_login("u:p@host", text, sizeof(text));
	CHECK_STR(text, "host");
	url_hide_login("/dev/video0", text, sizeof(text));
	CHECK_STR(text, "/dev/video0");
}
