/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/merge.h"

#include "base/test.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct tree_key keys[] = { { "a", 1 }, { "b", 2 }, { "ams", 4 } };
static const char *const by_id[] = { "ams", "tray", NULL };
static const struct tree_rules rules = { keys, ARRAY_LEN(keys), 8, by_id };

static unsigned merge(struct tree *t, const char *text)
{
	struct json_token tokens[512];
	size_t n = 0;

	CHECK_INT(json_scan(text, strlen(text), tokens, ARRAY_LEN(tokens), &n), 0);
	return tree_merge(t, text, tokens, 0);
}

/* The tree as text, sorted and compact; free() it. */
static char *text_of(const struct tree *t)
{
	json_t *j = tree_json(t, tree_root(t));
	char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);

	json_decref(j);
	return s;
}

static void check_tree(const struct tree *t, const char *expected)
{
	char *s = text_of(t);

	CHECK_STR(s, expected);
	free(s);
}

static int scan(const char *text, size_t size)
{
	struct json_token tokens[64];
	size_t n;

	return json_scan(text, size, tokens, ARRAY_LEN(tokens), &n);
}

TEST(scanner_refuses_what_is_no_json)
{
	static const char *const bad[] = { "",         "{",    "{]",         "{\"a\"}",
		                           "{\"a\":}", "[1,]", "[1 2]",      "{,}",
		                           "\"a",      "tru",  "{\"a\":1,}", "[1]x",
		                           "{a:1}",    "-",    "[\"\\\"]",   "{\"a\":1 \"b\":2}" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(scan(bad[i], strlen(bad[i])), -EBADMSG);
}

TEST(scanner_takes_blanks_and_nuls_at_the_end)
{
	CHECK_INT(scan("{\"a\":1}\n\0\0", 10), 0);
	CHECK_INT(scan("{\"a\":1}\n\0x", 10), -EBADMSG);
}

TEST(scanner_keeps_its_limits)
{
	char deep[200], wide[400] = "[1";

	memset(deep, '[', sizeof(deep));
	CHECK_INT(scan(deep, sizeof(deep)), -E2BIG);
	for (size_t i = 2; i < 202; i += 2)
		memcpy(wide + i, ",1", 2);
	wide[202] = ']';
	CHECK_INT(scan(wide, 203), -E2BIG);
}

TEST(scanner_resolves_escapes)
{
	const char *text = "\"a\\n\\u00e9\\ud83d\\ude00\\ud800z\\/\"";
	struct json_token t[2];
	size_t n;
	char s[32];

	CHECK_INT(json_scan(text, strlen(text), t, 2, &n), 0);
	json_scan_string(text, &t[0], s, sizeof(s));
	CHECK_STR(s, "a\n\xc3\xa9\xf0\x9f\x98\x80?z/");
	json_scan_string(text, &t[0], s, 5);
	CHECK(strlen(s) < 5);
}

TEST(tree_merges_objects_and_replaces_scalars_and_arrays)
{
	struct tree *t = tree_new(&rules);

	CHECK_INT(
		merge(t, "{\"a\":{\"x\":1,\"y\":[1,2,3]},\"b\":\"one\",\"c\":[{\"p\":1,\"q\":2}]}"),
		1 | 2 | 8);
	CHECK_INT(merge(t, "{\"a\":{\"y\":[4]}}"), 1);
	CHECK_INT(merge(t, "{\"b\":\"one\"}"), 0);
	CHECK_INT(merge(t, "{\"b\":2}"), 2);
	CHECK_INT(merge(t, "{\"c\":[{\"p\":1,\"r\":2}]}"), 8);
	check_tree(t, "{\"a\":{\"x\":1,\"y\":[4]},\"b\":2,\"c\":[{\"p\":1,\"r\":2}]}");
	CHECK_INT(merge(t, "{\"a\":[],\"c\":[]}"), 9);
	check_tree(t, "{\"a\":[],\"b\":2,\"c\":[]}");
	tree_free(t);
}

TEST(a_short_list_of_trays_never_deletes_the_others)
{
	struct tree *t = tree_new(&rules);

	merge(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\",\"k\":1},{\"id\":\"1\","
	         "\"k\":2}]},{\"id\":\"1\",\"tray\":[]}],\"now\":\"0\"}}");
	CHECK_INT(
		merge(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"1\",\"k\":5}]}]}}"),
		4);
	check_tree(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\",\"k\":1},{\"id\":"
	              "\"1\",\"k\":5}]},{\"id\":\"1\",\"tray\":[]}],\"now\":\"0\"}}");
	/* a bare place means that the slot is empty now */
	CHECK_INT(merge(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\"}]}]}}"), 4);
	CHECK_INT(merge(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\"}]}]}}"), 0);
	check_tree(t, "{\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\"},{\"id\":\"1\","
	              "\"k\":5}]},{\"id\":\"1\",\"tray\":[]}],\"now\":\"0\"}}");
	tree_free(t);
}

TEST(tree_reads_numbers_in_every_dress)
{
	struct tree *t = tree_new(&rules);
	uint64_t hex = 0;

	merge(t,
	      "{\"a\":\"15\",\"b\":15.0,\"c\":true,\"d\":\"3EC1AFFF9CFF\",\"e\":-7,\"f\":\"x\"}");

	const struct tree_node *r = tree_root(t);

	CHECK_INT(tree_int(tree_get(t, r, "a"), -1), 15);
	CHECK_INT(tree_int(tree_get(t, r, "b"), -1), 15);
	CHECK_INT(tree_int(tree_get(t, r, "c"), -1), 1);
	CHECK_INT(tree_int(tree_get(t, r, "e"), -1), -7);
	CHECK_INT(tree_int(tree_get(t, r, "f"), -1), -1);
	CHECK_INT(tree_int(tree_get(t, r, "none"), -1), -1);
	CHECK(isnan(tree_double(tree_get(t, r, "f"), NAN)));
	CHECK(tree_hex(tree_get(t, r, "d"), &hex) && hex == 0x3EC1AFFF9CFF);
	CHECK(!tree_hex(tree_get(t, r, "f"), &hex));
	tree_free(t);
}

TEST(tree_keeps_its_limits)
{
	struct tree *t = tree_new(&rules);
	char text[64];

	for (int i = 0; i < 3000; i++) {
		(void)snprintf(text, sizeof(text), "{\"key%d\":[1,2,3,4]}", i);
		merge(t, text);
	}
	CHECK(tree_left_out(t) > 0);
	CHECK(tree_count(tree_root(t)) < 1600);
	tree_clear(t);
	CHECK(tree_left_out(t) == 0);
	CHECK(tree_count(tree_root(t)) == 0);
	/* Junk of before keeps no key out. */
	merge(t, "{\"a\":{\"wanted\":1}}");
	check_tree(t, "{\"a\":{\"wanted\":1}}");
	CHECK(tree_left_out(t) == 0);
	tree_free(t);
}
