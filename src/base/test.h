/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test: cmocka in the shape that style asks for. A file `thing_test.c` beside `thing.c` holds
 *
 *	TEST(thing_does_what_it_says) { CHECK(thing(1) == 2); }
 *
 * One executable per room runs all of the room's tests; `test_ROOM NAME` runs those whose name
 * contains NAME. SKIP("why") ends a test that lacks something, and says so.
 */

#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct test {
	const char *name;
	void (*run)(void **state);
	struct test *next;
};

void test_register(struct test *t);

/* The path of a file of the developers' data folder (BEDSIDE_SHARED, else ../shared beside the
 * source tree), or NULL if it is not there: the test then skips. Static memory, good until the
 * next call. */
const char *test_shared(const char *path);

/* The path of a file of the source tree. Static memory, good until the next call. */
const char *test_source(const char *path);

/* A fresh empty folder, removed when the program ends. Static memory, good until the next call. */
const char *test_tmp_dir(void);

#define TEST(name_)                                                             \
	static void test_##name_(void **test_state_);                           \
	__attribute__((constructor)) static void test_register_##name_(void)    \
	{                                                                       \
		static struct test t = { .name = #name_, .run = test_##name_ }; \
		test_register(&t);                                              \
	}                                                                       \
	static void test_##name_(void **test_state_ __attribute__((unused)))

#define CHECK(cond) assert_true(cond)
#define CHECK_STR(a, b) assert_string_equal((a), (b))
#define CHECK_INT(a, b) assert_int_equal((a), (b))
#define SKIP(why)                                                     \
	do {                                                          \
		print_message("# skipped %s: %s\n", __func__, (why)); \
		skip();                                               \
	} while (0)
