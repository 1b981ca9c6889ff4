/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/store.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "store/db.h"
#include "store/migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *path_in(const char *dir, const char *name)
{
	return mem_printf("%s/%s", dir, name);
}

static int add_setting(struct db *db, void *arg, struct err *err)
{
	return db_run(db, "INSERT INTO settings (key, value) VALUES ($1, $2)",
	              DB_ARGS(db_text(arg), db_text("yes")), err);
}

static int add_and_fail(struct db *db, void *arg, struct err *err)
{
	int rc = add_setting(db, arg, err);

	return rc < 0 ? rc : err_set(err, -ECANCELED, "changed my mind");
}

static int count_settings(struct db *db, void *arg, struct err *err)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db, "SELECT count(*) FROM settings", NULL, &r, err);

	if (rc == 0)
		rc = db_next(&r, err);
	if (rc > 0)
		*(int64_t *)arg = db_get_int(&r, 0);
	return rc < 0 ? rc : 0;
}

/* store_call() with a text that the request may keep. */
static int call_text(struct store *s, int (*run)(struct db *db, void *arg, struct err *err),
                     const char *text, struct err *err)
{
	auto_free char *mine = mem_str(text);

	return store_call(s, run, mine, err);
}

static int64_t n_settings(struct store *s)
{
	int64_t n = -1;

	CHECK_INT(store_call(s, count_settings, &n, NULL), 0);
	return n;
}

struct answer {
	struct loop *loop;
	int n, rc;
	char text[480];
};

static void answered(void *arg, int rc, const struct err *err)
{
	struct answer *a = arg;

	a->n++;
	a->rc = rc;
	TEXT_SET(a->text, err ? err->text : "");
	if (a->loop)
		loop_stop(a->loop);
}

TEST(a_fresh_folder_becomes_a_database_of_the_newest_schema)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = path_in(test_tmp_dir(), "not/yet/there");
	struct store *s;
	struct err err = { 0 };

	CHECK_INT(store_open(l, dir, &s, &err), 0);

	struct stat st;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/" STORE_FILE, dir);
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(st.st_mode & 0777, 0600); /* it holds the hashes of passwords */
	CHECK_INT(n_settings(s), 0);
	CHECK_INT(call_text(s, add_setting, "a", &err), 0);
	CHECK_INT(call_text(s, add_setting, "a", &err), -EEXIST);
	CHECK_INT(n_settings(s), 1);
	store_close(s);
	loop_free(l);
}

TEST(a_request_that_fails_leaves_nothing_behind)
{
	struct loop *l = loop_new_simulated(0);
	struct store *s;
	struct err err = { 0 };

	CHECK_INT(store_open(l, test_tmp_dir(), &s, NULL), 0);
	CHECK_INT(call_text(s, add_and_fail, "a", &err), -ECANCELED);
	CHECK_STR(err.text, "changed my mind");
	CHECK_INT(n_settings(s), 0);
	store_close(s);
	loop_free(l);
}

struct counted {
	struct answer answer;
	char key[16];
};

static int add_counted(struct db *db, void *arg, struct err *err)
{
	struct counted *c = arg;

	return add_setting(db, c->key, err);
}

static void counted_done(void *arg, int rc, const struct err *err)
{
	struct counted *c = arg;

	answered(&c->answer, rc, err);
}

TEST(requests_on_a_real_loop_are_answered_in_order_on_the_loop)
{
	struct loop *l = loop_new();
	struct store *s;
	struct counted c[20] = { 0 };

	CHECK_INT(store_open(l, test_tmp_dir(), &s, NULL), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(c[i].key, sizeof(c[i].key), "k%d", i);
		store_submit(s, add_counted, counted_done, &c[i]);
	}
	c[19].answer.loop = l;
	loop_run(l);
	for (int i = 0; i < 20; i++) {
		CHECK_INT(c[i].answer.n, 1);
		CHECK_INT(c[i].answer.rc, 0);
	}
	CHECK_INT(n_settings(s), 20);
	store_close(s);
	loop_free(l);
}

TEST(a_second_daemon_is_refused_and_a_tool_is_not)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = mem_str(test_tmp_dir());
	struct store *s, *second = NULL;
	struct err err = { 0 };

	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_open(l, dir, &second, &err), -EBUSY);
	CHECK(strstr(err.text, "another Bedside works on") && strstr(err.text, "--data"));
	CHECK_INT(store_open_tool(l, dir, &second, &err), 0);
	CHECK_INT(call_text(second, add_setting, "by tool", &err), 0);
	CHECK_INT(n_settings(s), 1);
	store_close(second);
	store_close(s);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	store_close(s);
	loop_free(l);
}

static int set_version_99(struct db *db, void *arg UNUSED, struct err *err)
{
	return db_set_version(db, 99, err);
}

TEST(a_newer_schema_is_refused_with_a_sentence)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = mem_str(test_tmp_dir());
	struct store *s;
	struct err err = { 0 };

	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, set_version_99, NULL, NULL), 0);
	store_close(s);
	CHECK_INT(store_open(l, dir, &s, &err), -ENOTSUP);
	CHECK(strstr(err.text, "newer Bedside"));
	loop_free(l);
}

static void scribble(const char *path, off_t at, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(pwrite(fd, text, strlen(text), at) == (ssize_t)strlen(text));
}

TEST(a_damaged_database_is_named_left_alone_and_set_aside_by_command_only)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = mem_str(test_tmp_dir());
	auto_free char *path = path_in(dir, STORE_FILE);
	char aside[1024];
	struct store *s;
	struct err err = { 0 };
	struct stat st;

	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	store_close(s);
	scribble(path, 0, "this is no database any more");
	CHECK_INT(store_open(l, dir, &s, &err), -EBADMSG);
	CHECK(strstr(err.text, path) && strstr(err.text, "backups") &&
	      strstr(err.text, "bedside restore"));
	CHECK_INT(stat(path, &st), 0);
	CHECK_INT(store_set_aside(dir, aside, sizeof(aside), &err), 0);
	CHECK_INT(stat(aside, &st), 0);
	CHECK_INT(store_open(l, dir, &s, &err), 0);
	store_close(s);
	loop_free(l);
}

TEST(pages_damaged_in_the_middle_are_found_at_start)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = mem_str(test_tmp_dir());
	auto_free char *path = path_in(dir, STORE_FILE);
	struct store *s;
	struct err err = { 0 };
	char junk[4097];

	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	store_close(s);
	memset(junk, 'x', sizeof(junk) - 1);
	junk[sizeof(junk) - 1] = '\0';
	scribble(path, 4096 * 3, junk);
	CHECK_INT(store_open(l, dir, &s, &err), -EBADMSG);
	loop_free(l);
}

TEST(a_folder_that_cannot_be_written_is_said_in_words)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *file = path_in(test_tmp_dir(), "file");
	struct store *s;
	struct err err = { 0 };

	scribble(file, 0, "x");
	CHECK(store_open(l, file, &s, &err) < 0);
	CHECK(strstr(err.text, "cannot be written"));
	if (geteuid() != 0) {
		auto_free char *dir = path_in(test_tmp_dir(), "read-only");

		CHECK_INT(mkdir(dir, 0500), 0);
		CHECK_INT(store_open(l, dir, &s, &err), -EACCES);
		CHECK(strstr(err.text, "check its owner"));
	}
	loop_free(l);
}

static int fill_up(struct db *db, void *arg UNUSED, struct err *err)
{
	for (int i = 0; i < 1000; i++) {
		char key[16], value[2048];

		snprintf(key, sizeof(key), "k%d", i);
		memset(value, 'v', sizeof(value) - 1);
		value[sizeof(value) - 1] = '\0';

		int rc = db_run(db, "INSERT INTO settings (key, value) VALUES ($1, $2)",
		                DB_ARGS(db_text(key), db_text(value)), err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int limit_pages(struct db *db, void *arg, struct err *err)
{
	return db_script(db, arg, err);
}

TEST(a_full_disk_costs_the_request_and_nothing_else)
{
	struct loop *l = loop_new_simulated(0);
	struct store *s;
	struct err err = { 0 };

	CHECK_INT(store_open(l, test_tmp_dir(), &s, NULL), 0);
	CHECK_INT(call_text(s, add_setting, "before", NULL), 0);
	CHECK_INT(call_text(s, limit_pages, "PRAGMA max_page_count = 100", NULL), 0);
	CHECK_INT(store_call(s, fill_up, NULL, &err), -ENOSPC);
	CHECK(strstr(err.text, "disk is full"));
	CHECK_INT(call_text(s, limit_pages, "PRAGMA max_page_count = 1000000", NULL), 0);
	CHECK_INT(store_call(s, fill_up, NULL, NULL), 0);
	CHECK_INT(n_settings(s), 1001);
	store_close(s);
	loop_free(l);
}

TEST(a_backup_is_whole_and_never_overwrites)
{
	struct loop *l = loop_new_simulated(0);
	auto_free char *dir = mem_str(test_tmp_dir());
	auto_free char *copy_dir = path_in(dir, "copy");
	auto_free char *copy = path_in(copy_dir, STORE_FILE);
	auto_free char *other = path_in(dir, "other.db");
	struct answer a = { 0 };
	struct store *s, *restored;

	CHECK_INT(mkdir(copy_dir, 0700), 0);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(call_text(s, add_setting, "a", NULL), 0);
	store_backup(s, copy, answered, &a);
	store_backup(s, copy, answered, &a);
	CHECK_INT(a.n, 0);
	loop_advance(l, 0);
	CHECK_INT(a.n, 2);
	CHECK_INT(a.rc, -EEXIST);
	CHECK_INT(store_copy(dir, other, NULL), 0);
	CHECK_INT(store_open(l, copy_dir, &restored, NULL), 0);
	CHECK_INT(n_settings(restored), 1);
	store_close(restored);
	store_close(s);
	loop_free(l);
}

TEST(unknown_numbers_and_texts_come_back_unknown)
{
	auto_free char *path = path_in(test_tmp_dir(), "x.db");
	auto_rows struct db_rows r = { 0 };
	struct db *db;
	char text[8] = "?";
	size_t size;

	CHECK_INT(db_open(path, DB_READ_WRITE, &db, NULL), 0);
	CHECK_INT(db_script(db, "CREATE TABLE t (d REAL, s TEXT, i INTEGER, b BLOB)", NULL), 0);
	/* $2 stands before $1: numbers count, not places. */
	CHECK_INT(db_run(db, "INSERT INTO t (s, d, i, b) VALUES ($2, $1, $3, $4)",
	                 DB_ARGS(db_real((double)NAN), db_text(NULL), db_int(INT64_MIN),
	                         db_bytes("a\0b", 3)),
	                 NULL),
	          0);
	CHECK_INT(db_query(db, "SELECT d, s, i, b FROM t", NULL, &r, NULL), 0);
	CHECK_INT(db_next(&r, NULL), 1);
	CHECK(isnan(db_get_real(&r, 0)));
	DB_GET_TEXT(&r, 1, text);
	CHECK_STR(text, "");
	CHECK(db_get_int(&r, 2) == INT64_MIN);
	CHECK(memcmp(db_peek_bytes(&r, 3, &size), "a\0b", 3) == 0 && size == 3);
	CHECK_INT(db_next(&r, NULL), 0);
	db_rows_fini(&r);
	db_close(db);
}

static int dump_schema(struct db *db, struct buf *ret)
{
	auto_rows struct db_rows r = { 0 };
	int rc = db_query(db,
	                  "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL "
	                  "ORDER BY type DESC, name",
	                  NULL, &r, NULL);

	while (rc >= 0 && (rc = db_next(&r, NULL)) > 0)
		buf_printf(ret, "%s;\n", db_peek_text(&r, 0));
	return rc;
}

static void build_released(struct db *db, int version)
{
	auto_buf struct buf sql;
	auto_free char *name = mem_printf("data/schema/v%d.sql", version);

	CHECK_INT(fs_read(test_source(name), 1 << 20, &sql, NULL), 0);
	CHECK_INT(db_script(db, buf_peek(&sql), NULL), 0);
	CHECK_INT(db_set_version(db, version, NULL), 0);
}

TEST(every_released_schema_upgrades_to_what_a_fresh_one_is)
{
	auto_free char *dir = mem_str(test_tmp_dir());
	auto_free char *fresh_path = path_in(dir, "fresh.db");
	auto_buf struct buf fresh_sql = { 0 };
	struct db *fresh;

	CHECK_INT(db_open(fresh_path, DB_READ_WRITE, &fresh, NULL), 0);
	CHECK_INT(migrate_run(fresh, dir, NULL), 0);
	CHECK_INT(dump_schema(fresh, &fresh_sql), 0);
	db_close(fresh);
	for (int version = 1; version <= migrate_newest(); version++) {
		auto_free char *path = mem_printf("%s/v%d.db", dir, version);
		auto_buf struct buf sql = { 0 };
		auto_rows struct db_rows r = { 0 };
		struct db *db;

		CHECK_INT(db_open(path, DB_READ_WRITE, &db, NULL), 0);
		build_released(db, version);
		CHECK_INT(migrate_run(db, dir, NULL), 0);
		CHECK_INT(dump_schema(db, &sql), 0);
		CHECK_STR(buf_peek(&sql), buf_peek(&fresh_sql));
		CHECK_INT(db_query(db, "SELECT count(*) FROM sessions", NULL, &r, NULL), 0);
		CHECK_INT(db_next(&r, NULL), 1);
		CHECK(db_get_int(&r, 0) > 0);
		db_rows_fini(&r);
		db_close(db);
	}
}
