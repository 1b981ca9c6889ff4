/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/test.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_TESTS 1000
#define MAX_TMP_DIRS 256

static struct test *first;
static struct test **last = &first;

static char tmp_dirs[MAX_TMP_DIRS][64];
static size_t n_tmp_dirs;
static pid_t tmp_owner;

void test_register(struct test *t)
{
	*last = t;
	last = &t->next;
}

static const char *join(const char *folder, const char *path)
{
	static char joined[4096];

	snprintf(joined, sizeof(joined), "%s/%s", folder, path);
	return joined;
}

const char *test_shared(const char *path)
{
	const char *set = getenv("BEDSIDE_SHARED");
	const char *full = join(set && *set ? set : BEDSIDE_SOURCE_ROOT "/../shared", path);

	return access(full, R_OK) == 0 ? full : NULL;
}

const char *test_source(const char *path)
{
	return join(BEDSIDE_SOURCE_ROOT, path);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tmp_dirs(void)
{
	if (getpid() != tmp_owner)
		return;
	for (size_t i = 0; i < n_tmp_dirs; i++)
		nftw(tmp_dirs[i], remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *test_tmp_dir(void)
{
	if (n_tmp_dirs == MAX_TMP_DIRS)
		abort();
	if (n_tmp_dirs == 0) {
		tmp_owner = getpid();
		(void)atexit(remove_tmp_dirs);
	}

	char *dir = tmp_dirs[n_tmp_dirs++];

	snprintf(dir, sizeof(tmp_dirs[0]), "/tmp/bedside-test-XXXXXX");
	if (!mkdtemp(dir))
		abort();
	return dir;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[MAX_TESTS];
	const char *only = argc > 1 ? argv[1] : "";
	size_t n = 0;

	setvbuf(stdout, NULL, _IONBF, 0);
	for (const struct test *t = first; t && n < MAX_TESTS; t = t->next) {
		if (strstr(t->name, only))
			tests[n++] = (struct CMUnitTest){ .name = t->name, .test_func = t->run };
	}
	if (n == 0) {
		fprintf(stderr, "no test is called '%s'\n", only);
		return EXIT_FAILURE;
	}
	return _cmocka_run_group_tests("bedside", tests, n, NULL, NULL) == 0 ? EXIT_SUCCESS
	                                                                     : EXIT_FAILURE;
}
