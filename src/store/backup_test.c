/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/backup.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "store/backup_stream.h"
#include "store/repo.h"
#include "store/repo_outbox.h"
#include "store/restore.h"
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SESSION "01JDA0000000000000000SE001"

static void put_file(const char *dir, const char *name, const char *text)
{
	auto_free char *path = mem_printf("%s/%s", dir, name);
	auto_free char *parent = mem_str(path);

	*strrchr(parent, '/') = '\0';
	CHECK_INT(fs_make_dirs(parent, NULL), 0);
	CHECK_INT(fs_write_atomic(path, text, strlen(text), 0600, NULL), 0);
}

static bool holds(const char *dir, const char *name, const char *text)
{
	auto_free char *path = mem_printf("%s/%s", dir, name);
	auto_buf struct buf b = { 0 };

	return fs_read(path, 1 << 20, &b, NULL) == 0 && strcmp(buf_peek(&b), text) == 0;
}

static bool exists(const char *dir, const char *name)
{
	auto_free char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return lstat(path, &st) == 0;
}

static int set_value(struct db *db, void *arg, struct err *err)
{
	return repo_setting_set(db, "k", arg, err);
}

static int get_value(struct db *db, void *arg, struct err *err)
{
	return repo_setting_get(db, "k", arg, 16, err);
}

static void make_data(const char *dir, const char *value)
{
	struct loop *l = loop_new_simulated(0);
	char text[16];
	struct store *s;

	TEXT_SET(text, value);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, set_value, text, NULL), 0);
	store_close(s);
	loop_free(l);
}

static bool is_private(const char *dir, const char *name)
{
	auto_free char *path = mem_printf("%s/%s", dir, name);
	struct stat st;

	return stat(path, &st) == 0 && (st.st_mode & 0777) == 0600;
}

static void fill_data(const char *dir)
{
	make_data(dir, "old");
	put_file(dir, "printers.d/a1.yaml", "name: a1\n");
	put_file(dir, "hub.yaml", "key: \"old\"\n");
	put_file(dir, "films/lid.mp4", "film");
	put_file(dir, "films/.half.mp4", "half");
	put_file(dir, "sessions/" SESSION "/session.json", "{}");
	put_file(dir, "sessions/" SESSION "/manifest", "one\ntwo\nthr");
	put_file(dir, "sessions/" SESSION "/a1/000001.jpg", "picture");
	put_file(dir, "sessions/" SESSION "/film/piece.mp4", "piece");
	put_file(dir, "sessions/strange/manifest", "x");
	put_file(dir, "dataset/2026-11-21/l1_p0.jpg", "place 0");
	put_file(dir, "dataset/2026-11-21/l1.json", "{}");
	put_file(dir, "dataset/else/x", "x");
	put_file(dir, "conf/bedside.yaml", "port: 8484\n");
}

TEST(a_backup_holds_what_is_worth_keeping_and_whole_lines_only)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/copy", test_tmp_dir());
	auto_free char *config = mem_printf("%s/conf/bedside.yaml", dir);
	struct backup_options o = { .config_path = config, .has_films = true };

	fill_data(dir);
	CHECK_INT(backup_write(dir, to, &o, NULL), 0);
	CHECK(exists(to, "backup.json") && exists(to, "bedside.db"));
	CHECK(holds(to, "printers.d/a1.yaml", "name: a1\n") && holds(to, "films/lid.mp4", "film"));
	CHECK(holds(to, "sessions/" SESSION "/manifest", "one\ntwo\n"));
	CHECK(holds(to, "bedside.yaml", "port: 8484\n"));
	CHECK(holds(to, "hub.yaml", "key: \"old\"\n") && is_private(to, "hub.yaml"));
	CHECK(!exists(to, "films/.half.mp4") && !exists(to, "sessions/strange"));
	CHECK(!exists(to, "sessions/" SESSION "/a1") && !exists(to, "sessions/" SESSION "/film"));
	CHECK_INT(backup_write(dir, to, &o, NULL), -EEXIST);
}

TEST(a_backup_with_frames_comes_back_and_sets_the_old_aside)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/copy", test_tmp_dir());
	struct backup_options o = { .has_frames = true, .has_films = true };
	struct backup_result r;
	struct loop *l = loop_new_simulated(0);
	struct store *s;
	struct err err = { 0 };
	char value[16] = "";

	fill_data(dir);
	CHECK_INT(backup_write(dir, to, &o, NULL), 0);
	CHECK(holds(to, "sessions/" SESSION "/a1/000001.jpg", "picture"));
	CHECK(!exists(to, "sessions/" SESSION "/film"));
	CHECK(holds(to, "dataset/2026-11-21/l1_p0.jpg", "place 0") && !exists(to, "dataset/else"));
	put_file(dir, "dataset/2026-11-21/l1.json", "mine");

	auto_free char *place = mem_printf("%s/dataset/2026-11-21/l1_p0.jpg", dir);

	CHECK_INT(unlink(place), 0);

	auto_free char *gone = mem_printf("%s/sessions/" SESSION, dir);

	CHECK_INT(fs_remove(gone, NULL), 0);
	make_data(dir, "new");
	put_file(dir, "printers.d/b2.yaml", "name: b2\n");
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), -EBUSY);
	CHECK(strstr(err.text, "stop Bedside first"));
	store_close(s);
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), 0);
	CHECK(r.n_files >= 6 && strstr(r.aside, "replaced-"));
	CHECK(holds(dir, "sessions/" SESSION "/a1/000001.jpg", "picture"));
	CHECK(!exists(dir, "printers.d/b2.yaml") && !exists(dir, "restoring"));
	/* What was lost is back, what is there stays. */
	CHECK(holds(dir, "dataset/2026-11-21/l1_p0.jpg", "place 0"));
	CHECK(holds(dir, "dataset/2026-11-21/l1.json", "mine"));
	CHECK(holds(r.aside, "printers.d/b2.yaml", "name: b2\n"));
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, get_value, value, NULL), 0);
	CHECK_STR(value, "old");
	store_close(s);
	loop_free(l);
}

static int begin_rig(struct db *db, void *arg, struct err *err)
{
	struct outbox_state *s = arg;
	int rc = repo_outbox_begin(db, 1000, err);

	return rc == 0 ? repo_outbox_state(db, s, err) : rc;
}

TEST(a_rig_that_is_put_back_tells_its_hub_in_another_stream)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/copy", test_tmp_dir());
	struct outbox_state before, after;
	struct backup_options o = { 0 };
	struct backup_result r;
	struct loop *l = loop_new_simulated(0);
	struct store *s;

	fill_data(dir);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, begin_rig, &before, NULL), 0);
	store_close(s);
	CHECK_INT(backup_write(dir, to, &o, NULL), 0);
	CHECK_INT(backup_restore(to, dir, NULL, &r, NULL), 0);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, begin_rig, &after, NULL), 0);
	CHECK(!text_equal(before.stream, after.stream));
	CHECK_INT(after.next, before.next);
	store_close(s);
	loop_free(l);
}

TEST(the_database_alone_as_the_page_gives_it_out_comes_back)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/bedside-then.db", test_tmp_dir());
	auto_free char *junk = mem_printf("%s/printers.d/a1.yaml", dir);
	struct backup_result r;
	struct loop *l = loop_new_simulated(0);
	struct store *s;
	struct err err = { 0 };
	char value[16] = "";

	fill_data(dir);
	CHECK_INT(store_copy(dir, to, NULL), 0);
	make_data(dir, "new");
	CHECK(backup_restore(junk, dir, NULL, &r, &err) < 0);
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), 0);
	CHECK_INT(r.n_files, 1);
	CHECK(exists(r.aside, "bedside.db") && holds(dir, "printers.d/a1.yaml", "name: a1\n"));
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, get_value, value, NULL), 0);
	CHECK_STR(value, "old");
	store_close(s);
	loop_free(l);
}

TEST(a_damaged_backup_changes_nothing)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/copy", test_tmp_dir());
	struct backup_options o = { .has_films = true };
	struct backup_result r;
	struct err err = { 0 };

	fill_data(dir);
	CHECK_INT(backup_write(dir, to, &o, NULL), 0);
	put_file(to, "films/lid.mp4", "fiLm");
	put_file(dir, "films/lid.mp4", "mine");
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), -EBADMSG);
	CHECK(strstr(err.text, "Nothing was changed"));
	CHECK(holds(dir, "films/lid.mp4", "mine") && exists(dir, "bedside.db"));
	CHECK(!exists(dir, "restoring"));
	put_file(to, "backup.json",
	         "{\"files\":[{\"path\":\"films/../../x\",\"size\":1,\"crc32c\":\"00000000\"}]}");
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), -EBADMSG);
	CHECK_INT(backup_restore(dir, dir, NULL, &r, &err), -ENOENT);
	CHECK(strstr(err.text, "no backup of Bedside"));
}

/* ---- as an archive ---- */

static void pack(const char *dir, const struct backup_options *o, size_t piece, struct buf *ret)
{
	struct backup_stream *s;
	auto_free char *chunk = mem_new(piece);
	struct err err = { 0 };
	ssize_t n;

	buf_init(ret, 0);
	CHECK_INT(backup_stream_open(dir, o, &s, &err), 0);
	while ((n = backup_stream_read(s, chunk, piece, &err)) > 0)
		buf_add(ret, chunk, (size_t)n);
	CHECK_INT(n, 0);
	CHECK_INT(backup_stream_bytes(s), ret->size);
	backup_stream_close(s);
}

static int unpack(const char *dir, const struct buf *b, size_t piece, struct backup_result *ret,
                  struct err *err)
{
	struct restore *r = NULL;
	int rc = restore_begin(dir, &r, err);

	for (size_t at = 0; at < b->size && rc == 0; at += piece)
		rc = restore_feed(r, buf_peek(b) + at, MIN(piece, b->size - at), err);
	if (rc == 0)
		rc = restore_finish(r, ret, err);
	restore_free(r);
	return rc;
}

static int refuse_b2(void *arg, const char *folder, struct err *err)
{
	++*(unsigned *)arg;
	return exists(folder, "printers.d/b2.yaml") ? err_set(err, -EBADMSG, "b2 is of the future")
	                                            : 0;
}

TEST(a_backup_that_the_next_start_would_refuse_changes_nothing)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *to = mem_printf("%s/backup", test_tmp_dir());
	struct backup_options o = { 0 };
	unsigned n_asked = 0;
	struct restore_check check = { refuse_b2, &n_asked };
	struct backup_result r;
	struct err err = { 0 };

	fill_data(dir);
	put_file(dir, "printers.d/b2.yaml", "name: b2\n");
	CHECK_INT(backup_write(dir, to, &o, NULL), 0);
	put_file(dir, "printers.d/b2.yaml", "name: mine\n");
	CHECK_INT(backup_restore(to, dir, &check, &r, &err), -EBADMSG);
	CHECK(strstr(err.text, "b2 is of the future"));
	CHECK_INT(n_asked, 1);
	CHECK(holds(dir, "printers.d/b2.yaml", "name: mine\n") && !exists(dir, "restoring"));
	CHECK_INT(backup_restore(to, dir, NULL, &r, &err), 0);
	CHECK(holds(dir, "printers.d/b2.yaml", "name: b2\n"));
}

TEST(a_backup_as_an_archive_comes_back_at_the_next_start)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *config = mem_printf("%s/conf/bedside.yaml", dir);
	struct backup_options o = { config, .has_frames = true, .has_films = true };
	auto_buf struct buf b = { 0 };
	struct backup_result r;
	struct err err = { 0 };
	char value[16] = "";
	struct loop *l = loop_new_simulated(0);
	struct store *s;

	fill_data(dir);
	pack(dir, &o, 1000, &b);
	CHECK_INT(b.size % 512, 0);
	CHECK(!exists(dir, "download-backup.part"));
	make_data(dir, "new");
	put_file(dir, "printers.d/b2.yaml", "name: b2\n");
	put_file(dir, "hub.yaml", "key: \"another\"\n");
	put_file(dir, "films/lid.mp4", "mine");
	CHECK_INT(unpack(dir, &b, 777, &r, &err), 0);
	CHECK_INT(r.n_files, 10);
	/* Nothing is changed before the next start. */
	CHECK(holds(dir, "films/lid.mp4", "mine") && exists(dir, "printers.d/b2.yaml"));
	CHECK_INT(unpack(dir, &b, 777, &r, &err), -EBUSY);
	CHECK_INT(restore_pending(dir, &r, &err), 1);
	CHECK(holds(dir, "films/lid.mp4", "film") && !exists(dir, "printers.d/b2.yaml"));
	CHECK(holds(r.aside, "films/lid.mp4", "mine") &&
	      holds(r.aside, "printers.d/b2.yaml", "name: b2\n"));
	CHECK(holds(dir, "hub.yaml", "key: \"old\"\n") && is_private(dir, "hub.yaml"));
	CHECK(holds(r.aside, "hub.yaml", "key: \"another\"\n"));
	CHECK(holds(dir, "restored-bedside.yaml", "port: 8484\n") && !exists(dir, "restoring"));
	CHECK_INT(restore_pending(dir, &r, &err), 0);
	CHECK_INT(store_open(l, dir, &s, NULL), 0);
	CHECK_INT(store_call(s, get_value, value, NULL), 0);
	CHECK_STR(value, "old");
	store_close(s);
	loop_free(l);
}

TEST(a_start_goes_on_where_a_crash_left_a_restore)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *from = mem_printf("%s/restoring/bedside.db", dir);
	auto_free char *to = mem_printf("%s/bedside.db", dir);
	struct backup_options o = { .has_films = true };
	auto_buf struct buf b = { 0 };
	struct backup_result r;
	struct err err = { 0 };

	fill_data(dir);
	pack(dir, &o, 4096, &b);
	put_file(dir, "films/lid.mp4", "mine");
	CHECK_INT(unpack(dir, &b, 1 << 20, &r, &err), 0);
	/* As if the power had gone after the first file. */
	CHECK_INT(rename(from, to), 0);
	CHECK_INT(restore_pending(dir, &r, &err), 1);
	CHECK(holds(dir, "films/lid.mp4", "film") && exists(dir, "bedside.db"));
	CHECK(!exists(dir, "restoring"));
	/* And one that was never whole is dropped. */
	put_file(dir, "restoring/films/lid.mp4", "half");
	CHECK_INT(restore_pending(dir, &r, &err), 0);
	CHECK(holds(dir, "films/lid.mp4", "film") && !exists(dir, "restoring"));
}

TEST(an_archive_cut_off_or_damaged_at_any_byte_changes_nothing)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	struct backup_options o = { .has_films = true };
	auto_buf struct buf b = { 0 };
	struct backup_result r;
	struct err err = { 0 };

	fill_data(dir);
	pack(dir, &o, 4096, &b);
	for (size_t size = 0; size < b.size - 1024; size += 5003) {
		struct buf part = b;

		part.size = size;
		CHECK(unpack(dir, &part, 1 << 20, &r, &err) < 0);
		CHECK(!exists(dir, "restoring"));
	}
	for (size_t at = 0; at < b.size - 1024; at += 4999) {
		uint8_t *p = (uint8_t *)b.data + at;

		*p ^= 0x10;
		/* In padding and unused fields of a header it harms nothing; else it is found. */
		if (unpack(dir, &b, 1 << 20, &r, &err) == 0)
			CHECK_INT(restore_pending(dir, &r, &err), 1);
		CHECK(holds(dir, "films/lid.mp4", "film"));
		*p ^= 0x10;
	}
	CHECK_INT(unpack(dir, &b, 1 << 20, &r, &err), 0);
}

TEST(nothing_is_restored_into_folders_of_another_disk)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *films = mem_printf("%s/films", dir);
	struct restore *r = NULL;
	struct err err = { 0 };
	char other[] = "/dev/shm/bedside-test-XXXXXX";
	struct stat a, b;

	if (!mkdtemp(other))
		SKIP("there is no /dev/shm");
	CHECK_INT(fs_make_dirs(dir, NULL), 0);
	CHECK(stat(other, &a) == 0 && stat(dir, &b) == 0);
	CHECK_INT(symlink(other, films), 0);
	if (a.st_dev != b.st_dev) {
		CHECK_INT(restore_begin(dir, &r, &err), -EXDEV);
		CHECK(strstr(err.text, "films is on another disk") && !exists(dir, "restoring"));
	}
	CHECK_INT(rmdir(other), 0); /* nothing stays behind */
	CHECK_INT(unlink(films), 0);
	CHECK_INT(fs_make_dirs(films, NULL), 0);
	CHECK_INT(restore_begin(dir, &r, &err), 0);
	CHECK(!exists(dir, "films/.restoring") && !exists(dir, "restoring/probe"));
	restore_free(r);
}

TEST(restore_takes_an_archive_from_a_file_too)
{
	auto_free char *dir = mem_printf("%s/data", test_tmp_dir());
	auto_free char *file = mem_printf("%s/then.tar", test_tmp_dir());
	struct backup_options o = { .has_films = false };
	auto_buf struct buf b = { 0 };
	struct backup_result r;
	struct err err = { 0 };

	fill_data(dir);
	pack(dir, &o, 1 << 16, &b);
	CHECK_INT(fs_write_atomic(file, b.data, b.size, 0600, &err), 0);
	make_data(dir, "new");
	CHECK_INT(backup_restore(file, dir, NULL, &r, &err), 0);
	CHECK(exists(r.aside, "bedside.db") && holds(dir, "films/lid.mp4", "film"));
	CHECK(!exists(r.aside, "films"));
}
