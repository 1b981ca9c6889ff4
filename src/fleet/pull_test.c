/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "fleet/pull_private.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(pull_takes_no_hostile_names)
{
	static const char *const hostile[] = { "..",   "a/../b", "/etc/passwd", "a//b",
		                               "a/",   "a/./b",  "x\ny",        "x\033[2J",
		                               "\xff", "a\\b",   "a/\x7f" };
	char longest[260];

	for (size_t i = 0; i < ARRAY_LEN(hostile); i++) {
		if (pull_path_judge(hostile[i]) != PULL_PATH_HOSTILE)
			print_error("taken: '%s'\n", hostile[i]);
		CHECK(pull_path_judge(hostile[i]) == PULL_PATH_HOSTILE);
	}
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK(pull_path_judge(longest) == PULL_PATH_HOSTILE);
	CHECK(pull_path_judge("films/2026 ä (2).mp4") == PULL_PATH_FINE);
	CHECK(pull_path_judge("a/..b") == PULL_PATH_UNFINISHED);
	CHECK(pull_path_judge("films/x.mp4.part") == PULL_PATH_UNFINISHED);
	CHECK(pull_path_judge("films/x.TMP") == PULL_PATH_UNFINISHED);
	CHECK(pull_path_judge(".bedside-pull/x") == PULL_PATH_UNFINISHED);
}

TEST(pull_knows_types_and_numbers_names)
{
	struct pull_source s = { .n_types = 2, .types = { "mp4", "jpg" } };
	char name[64];

	CHECK(pull_path_has_type(&s, "a/b.MP4"));
	CHECK(!pull_path_has_type(&s, "a.mp4/b"));
	CHECK(!pull_path_has_type(&s, "a/mp4"));
	s.n_types = 0;
	CHECK(pull_path_has_type(&s, "a/mp4"));
	CHECK(pull_path_number(name, sizeof(name), "films/a.mp4", 2));
	CHECK_STR(name, "films/a (2).mp4");
	CHECK(pull_path_number(name, sizeof(name), "a.b/c", 3));
	CHECK_STR(name, "a.b/c (3)");
	CHECK(!pull_path_number(name, 8, "films/a.mp4", 2));
}

static void put(struct pull_index *ix, const char *path, uint64_t size)
{
	char local[64];
	struct pull_entry e = {
		.path = mem_str(path), .size = size, .modified_s = 7, .local = local
	};
	struct err err = { 0 };

	TEXT_SET(local, path);
	CHECK_INT(pull_index_put(ix, &e, &err), 0);
	free(e.path);
}

TEST(pull_index_survives_its_last_line_being_cut_off)
{
	const char *dir = test_tmp_dir();
	char path[300];
	struct pull_index *ix;
	struct err err = { 0 };

	(void)snprintf(path, sizeof(path), "%s/index", dir);
	CHECK_INT(pull_index_open(dir, &ix, &err), 0);
	CHECK(!pull_index_find(ix, "a"));
	put(ix, "a", 5);
	put(ix, "b", 6);
	put(ix, "a", 9);
	pull_index_close(ix);

	FILE *f = fopen(path, "ae");

	CHECK(f);
	fputs("{\"path\":\"c\",\"lo", f);
	(void)fclose(f);
	CHECK_INT(pull_index_open(dir, &ix, &err), 0);
	CHECK_INT(pull_index_find(ix, "a")->size, 9);
	CHECK_INT(pull_index_find(ix, "b")->modified_s, 7);
	CHECK(!pull_index_find(ix, "c"));
	put(ix, "c", 1);
	pull_index_close(ix);
	CHECK_INT(pull_index_open(dir, &ix, &err), 0);
	CHECK_INT(pull_index_find(ix, "c")->size, 1);
	pull_index_close(ix);
}

TEST(pull_index_believes_no_place_outside)
{
	const char *dir = test_tmp_dir();
	char path[300];
	static const char lines[] = "{\"path\":\"a\",\"size\":1,\"local\":\"../../x\"}\n"
				    "nonsense\n"
				    "{\"path\":\"b\",\"size\":1,\"local\":\"b\"}\n";
	struct pull_index *ix;
	struct err err = { 0 };

	(void)snprintf(path, sizeof(path), "%s/index", dir);
	CHECK_INT(fs_write_atomic(path, lines, sizeof(lines) - 1, 0600, &err), 0);
	CHECK_INT(pull_index_open(dir, &ix, &err), 0);
	CHECK(!pull_index_find(ix, "a"));
	CHECK(pull_index_find(ix, "b"));
	pull_index_close(ix);
}

/* ---- parts ---- */

static void open_part(const struct pull *p, const struct pull_file *f, struct pull_part *part,
                      uint64_t wanted)
{
	struct err err = { 0 };

	CHECK_INT(pull_part_open(p, f, part, &err), 0);
	CHECK_INT(part->written, wanted);
}

TEST(pull_part_goes_on_only_where_it_is_sure)
{
	struct pull p = { 0 };
	struct pull_file f = { .path = mem_str("films/a.mp4"), .size = 10, .modified_s = 3 };
	struct pull_part part;
	struct err err = { 0 };
	char digest[CRYPTO_HEX_SIZE];

	TEXT_SET(p.state, test_tmp_dir());
	open_part(&p, &f, &part, 0);
	CHECK_INT(pull_part_add(&part, "01234", 5), 0);
	CHECK_INT(pull_part_sync(&part, &err), 0);
	CHECK_INT(pull_part_add(&part, "56", 2), 0);
	pull_part_close(&part);

	/* Killed: what was not noted is fetched again. */
	open_part(&p, &f, &part, 5);
	CHECK_INT(pull_part_add(&part, "56789", 5), 0);
	CHECK_INT(pull_part_add(&part, "x", 1), -EFBIG);
	CHECK_INT(pull_part_sync(&part, &err), 0);
	CHECK_INT(pull_part_digest(&part, digest, &err), 0);
	CHECK_STR(digest, "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882");
	pull_part_close(&part);

	/* Another file of the name. */
	f.modified_s = 4;
	open_part(&p, &f, &part, 0);
	CHECK_INT(pull_part_add(&part, "abcde", 5), 0);
	CHECK_INT(pull_part_sync(&part, &err), 0);
	CHECK(pwrite(part.fd, "X", 1, 2) == 1);
	pull_part_close(&part);
	/* Bytes that the disk lost. */
	open_part(&p, &f, &part, 0);
	pull_part_drop(&part);
	CHECK(access(part.path, F_OK) < 0);
	free(f.path);
}
