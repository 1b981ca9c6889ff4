/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "store/journal_line.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALL_MS 1795257605000

/* A journal on a simulated loop, and what it said. */
struct bench {
	struct loop *loop;
	struct work_pool *queue;
	struct journal *journal;
	struct session session;
	char *dir, *session_dir;
	unsigned n_stored, n_failed, n_closed;
	uint32_t last_number;
	char text[480];
};

static void stored(void *arg, const struct journal_entry *e, const struct err *err)
{
	struct bench *b = arg;

	if (err) {
		b->n_failed++;
		TEXT_SET(b->text, err->text);
		return;
	}
	b->n_stored++;
	b->last_number = e->number;
}

static void closed(void *arg)
{
	struct bench *b = arg;

	b->n_closed++;
	b->journal = NULL;
}

static void open_journal(struct bench *b)
{
	struct journal_env env = { b->loop, b->queue, JOURNAL_FLUSH_MS };
	struct err err = { 0 };

	if (journal_open(&env, b->dir, &b->session, &b->journal, &err) < 0)
		fail_msg("%s", err.text);
}

static void start(struct bench *b)
{
	*b = (struct bench){ .loop = loop_new_simulated(WALL_MS), .dir = mem_str(test_tmp_dir()) };
	b->queue = work_pool_new(b->loop, "journal", 1);
	id_new(b->session.id, WALL_MS);
	b->session_dir = mem_printf("%s/%s", b->dir, b->session.id);
	open_journal(b);
}

static void close_journal(struct bench *b)
{
	if (!b->journal)
		return;
	b->n_closed = 0;
	journal_close(b->journal, closed, b);
	CHECK_INT(b->n_closed, 0);
	loop_advance(b->loop, 0);
	CHECK_INT(b->n_closed, 1);
}

static void finish(struct bench *b)
{
	close_journal(b);
	work_pool_free(b->queue);
	loop_free(b->loop);
	free(b->dir);
	free(b->session_dir);
}

static void add(struct bench *b, const char *camera, int layer, size_t size)
{
	struct journal_entry e = { .layer = layer,
		                   .z_mm = layer * 0.2,
		                   .trigger = TRIGGER_LAYER,
		                   .at_wall_ms = loop_wall_ms(b->loop),
		                   .at_us = loop_now_us(b->loop) };
	uint8_t *bytes;
	struct frame *f = frame_new(FRAME_JPEG, size, &bytes);

	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(i * 31 + (size_t)layer * 7);
	TEXT_SET(e.camera, camera);
	journal_add(b->journal, f, &e, stored, b);
	frame_unref(f);
}

static void write_file(const char *path, const void *bytes, size_t size)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CHECK(fd >= 0);
	CHECK(write(fd, bytes, size) == (ssize_t)size);
}

static struct journal_check check_dir(struct bench *b)
{
	struct journal_check c = { 0 };

	CHECK_INT(journal_check(b->session_dir, &c, NULL), 0);
	return c;
}

TEST(journal_writes_nothing_before_the_interval_and_all_of_it_after)
{
	struct bench b;
	struct journal_check c;

	start(&b);
	for (int i = 1; i <= 5; i++)
		add(&b, i % 2 ? "a1" : "usb-2", i, 1000);
	loop_advance(b.loop, JOURNAL_FLUSH_MS - 1);
	CHECK_INT(b.n_stored, 0);
	loop_advance(b.loop, 1);
	CHECK_INT(b.n_stored, 5);
	CHECK_INT(b.last_number, 5);
	CHECK_INT(journal_n_frames(b.journal), 5);
	CHECK_INT(journal_bytes(b.journal), 5000);
	c = check_dir(&b);
	CHECK(c.n_whole == 5 && c.n_missing + c.n_wrong + c.n_strangers == 0 && !c.has_torn_tail);
	finish(&b);
}

TEST(journal_close_flushes_and_a_new_one_goes_on_with_the_next_number)
{
	struct bench b;
	struct journal_check c;

	start(&b);
	add(&b, "a1", 1, 100);
	close_journal(&b);
	CHECK_INT(b.n_stored, 1);
	open_journal(&b);
	CHECK_INT(journal_n_frames(b.journal), 1);
	add(&b, "a1", 2, 200);
	journal_note(b.journal, "end", "the print has finished", WALL_MS);
	close_journal(&b);
	CHECK_INT(b.last_number, 2);
	c = check_dir(&b);
	CHECK(c.n_whole == 2 && c.has_ended && c.n_strangers == 0);
	finish(&b);
}

static void count_opened(void *arg, const struct err *err)
{
	struct bench *b = arg;

	b->n_closed += err ? 100 : 1;
}

TEST(a_journal_started_in_the_background_takes_frames_at_once)
{
	struct bench b;

	start(&b);
	add(&b, "a1", 1, 100);
	close_journal(&b);

	struct journal_env env = { b.loop, b.queue, JOURNAL_FLUSH_MS };

	b.n_closed = 0;
	b.journal = journal_start(&env, b.dir, &b.session, count_opened, &b);
	add(&b, "a1", 2, 100);
	CHECK_INT(b.n_closed, 0);
	loop_advance(b.loop, 0);
	CHECK_INT(b.n_closed, 1);
	CHECK_INT(journal_n_frames(b.journal), 1);
	close_journal(&b);
	CHECK_INT(b.last_number, 2);
	finish(&b);
}

TEST(a_journal_that_could_not_be_opened_goes_on_when_it_can)
{
	struct bench b;

	start(&b);
	close_journal(&b);
	CHECK_INT(fs_remove(b.session_dir, NULL), 0);
	write_file(b.session_dir, "in the way", 10);

	struct journal_env env = { b.loop, b.queue, JOURNAL_FLUSH_MS };

	b.n_closed = 0;
	b.journal = journal_start(&env, b.dir, &b.session, count_opened, &b);
	add(&b, "a1", 1, 100);
	loop_advance(b.loop, JOURNAL_FLUSH_MS);
	CHECK_INT(b.n_closed, 100);
	CHECK_INT(b.n_failed, 1);
	CHECK_INT(unlink(b.session_dir), 0);
	add(&b, "a1", 2, 100);
	close_journal(&b);
	CHECK_INT(b.n_stored, 1);
	CHECK_INT(check_dir(&b).n_whole, 1);
	finish(&b);
}

TEST(two_shots_in_the_same_millisecond_are_two_pictures)
{
	struct bench b;

	start(&b);
	add(&b, "a1", 1, 100);
	add(&b, "a1", 1, 300);
	close_journal(&b);
	CHECK_INT(b.n_stored, 2);
	CHECK_INT(check_dir(&b).n_whole, 2);
	finish(&b);
}

TEST(reader_gives_back_what_was_written_and_follows)
{
	struct bench b;
	struct journal_reader *r;
	struct journal_entry e;
	uint8_t *bytes;

	start(&b);
	add(&b, "a1", 3, 777);
	loop_advance(b.loop, JOURNAL_FLUSH_MS);
	CHECK_INT(journal_reader_open(b.session_dir, &r, NULL), 0);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK_INT(e.number, 1);
	CHECK_STR(e.camera, "a1");
	CHECK_STR(e.file, "a1/000001.jpg");
	CHECK_INT(e.layer, 3);
	CHECK(fabs(e.z_mm - 0.6) < 1e-9);
	CHECK_INT(e.at_wall_ms, WALL_MS);
	CHECK_INT(e.trigger, TRIGGER_LAYER);
	CHECK(e.boot[0] != '\0');
	CHECK_INT(journal_read_picture(b.session_dir, &e, &bytes, NULL), 0);
	CHECK_INT(bytes[0], 21);
	free(bytes);
	CHECK_INT(journal_reader_next(r, &e, NULL), 0);
	journal_note(b.journal, "gap", "the camera was \"away\"\n", WALL_MS + 5);
	add(&b, "a1", 4, 778);
	loop_advance(b.loop, JOURNAL_FLUSH_MS);
	CHECK_INT(journal_reader_next(r, &e, NULL), 2);
	CHECK_STR(e.file, "gap");
	CHECK_INT(e.at_wall_ms, WALL_MS + 5);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK_INT(e.number, 2);
	CHECK_INT(journal_reader_next(r, &e, NULL), 0);
	journal_reader_close(r);
	finish(&b);
}

TEST(manifest_torn_at_every_byte_loses_no_older_frame_and_goes_on)
{
	struct bench b;
	auto_buf struct buf whole;
	size_t ends[8] = { 0 }, n = 0;

	start(&b);
	for (int i = 1; i <= 2; i++)
		add(&b, "a1", i, 50);
	close_journal(&b);

	auto_free char *manifest = mem_printf("%s/manifest", b.session_dir);

	CHECK_INT(fs_read(manifest, 1 << 20, &whole, NULL), 0);
	for (size_t i = 0; i < whole.size; i++)
		if (whole.data[i] == '\n')
			ends[++n] = i + 1;
	CHECK_INT(n, 2);
	for (size_t cut = 0; cut <= whole.size; cut++) {
		uint32_t n_lines = 0;
		struct journal_check c;

		/* The pictures of both are there, as after a crash between rename and line. */
		for (int i = 1; i <= 2; i++) {
			uint8_t bytes[50];
			auto_free char *path = mem_printf("%s/a1/%06d.jpg", b.session_dir, i);

			for (size_t k = 0; k < sizeof(bytes); k++)
				bytes[k] = (uint8_t)(k * 31 + (size_t)i * 7);
			write_file(path, bytes, sizeof(bytes));
		}
		write_file(manifest, whole.data, cut);
		while (n_lines < 2 && ends[n_lines + 1] <= cut)
			n_lines++;
		open_journal(&b);
		CHECK_INT(journal_n_frames(b.journal), n_lines);
		add(&b, "a1", 9, 60);
		close_journal(&b);
		CHECK_INT(b.last_number, n_lines + 1);
		c = check_dir(&b);
		CHECK_INT(c.n_whole, n_lines + 1);
		CHECK(c.n_missing + c.n_wrong + c.n_strangers == 0 && !c.has_torn_tail);
	}
	finish(&b);
}

TEST(manifest_with_zeros_or_junk_behind_it_is_cut_back)
{
	static const char junk[600] = "\0\0\0{\"n\":7}\n\n\0\0half a line";
	struct bench b;

	start(&b);
	add(&b, "a1", 1, 50);
	close_journal(&b);

	auto_free char *manifest = mem_printf("%s/manifest", b.session_dir);
	int fd = open(manifest, O_WRONLY | O_APPEND | O_CLOEXEC);

	CHECK(write(fd, junk, sizeof(junk)) == sizeof(junk));
	close(fd);
	open_journal(&b);
	add(&b, "a1", 2, 50);
	close_journal(&b);
	CHECK_INT(check_dir(&b).n_whole, 2);
	CHECK_INT(check_dir(&b).n_wrong, 0);
	finish(&b);
}

TEST(a_line_damaged_in_the_middle_costs_that_line_only)
{
	struct bench b;
	auto_buf struct buf whole;

	start(&b);
	for (int i = 1; i <= 3; i++)
		add(&b, "a1", i, 50);
	close_journal(&b);

	auto_free char *manifest = mem_printf("%s/manifest", b.session_dir);

	CHECK_INT(fs_read(manifest, 1 << 20, &whole, NULL), 0);
	*(strchr(whole.data, '\n') + 20) ^= 1;
	write_file(manifest, whole.data, whole.size);
	CHECK_INT(check_dir(&b).n_whole, 2);
	CHECK_INT(check_dir(&b).n_wrong, 1);
	open_journal(&b);
	add(&b, "a1", 4, 50);
	close_journal(&b);
	CHECK_INT(b.last_number, 4);
	CHECK_INT(check_dir(&b).n_whole, 3);

	auto_free char *first = mem_printf("%s/a1/000001.jpg", b.session_dir);

	CHECK(access(first, F_OK) == 0);
	finish(&b);
}

TEST(a_newest_picture_that_cannot_be_read_just_now_keeps_its_line)
{
	struct bench b;

	start(&b);
	for (int i = 1; i <= 3; i++)
		add(&b, "a1", i, 50);
	close_journal(&b);

	auto_free char *last = mem_printf("%s/a1/000003.jpg", b.session_dir);
	auto_free char *aside = mem_printf("%s/a1/aside", b.session_dir);

	/* A link is refused with an error that says nothing of what lies behind it. */
	CHECK_INT(rename(last, aside), 0);
	CHECK_INT(symlink("aside", last), 0);
	open_journal(&b);
	CHECK_INT(journal_n_frames(b.journal), 3);
	add(&b, "a1", 4, 50);
	close_journal(&b);
	CHECK_INT(rename(aside, last), 0);
	CHECK_INT(check_dir(&b).n_whole, 4);
	finish(&b);
}

TEST(a_newest_picture_that_is_not_what_its_line_says_is_dropped_with_its_line)
{
	struct bench b;

	start(&b);
	for (int i = 1; i <= 3; i++)
		add(&b, "a1", i, 50);
	close_journal(&b);

	auto_free char *last = mem_printf("%s/a1/000003.jpg", b.session_dir);

	write_file(last, "half", 4);
	CHECK_INT(check_dir(&b).n_wrong, 1);
	open_journal(&b);
	CHECK_INT(journal_n_frames(b.journal), 2);
	add(&b, "a1", 3, 70);
	close_journal(&b);
	CHECK_INT(check_dir(&b).n_whole, 3);
	CHECK_INT(check_dir(&b).n_wrong, 0);
	finish(&b);
}

TEST(opening_removes_pictures_without_a_line_and_nothing_else)
{
	struct bench b;
	struct stat st;

	start(&b);
	add(&b, "a1", 1, 50);
	close_journal(&b);

	auto_free char *stranger = mem_printf("%s/a1/000002.jpg", b.session_dir);
	auto_free char *half = mem_printf("%s/a1/000003.jpg.new", b.session_dir);
	auto_free char *notes = mem_printf("%s/a1/notes.txt", b.session_dir);

	write_file(stranger, "x", 1);
	write_file(half, "x", 1);
	write_file(notes, "x", 1);
	CHECK_INT(check_dir(&b).n_strangers, 2);
	open_journal(&b);
	CHECK(stat(stranger, &st) < 0 && stat(half, &st) < 0 && stat(notes, &st) == 0);
	finish(&b);
}

TEST(a_full_disk_is_said_and_recording_goes_on_when_there_is_space)
{
	struct bench b;
	struct rlimit old, small = { 4000, 4000 };
	struct journal_check c;

	start(&b);
	add(&b, "a1", 1, 1000);
	loop_advance(b.loop, JOURNAL_FLUSH_MS);
	/* A file may grow to 4000 bytes only: what the next picture meets is a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	add(&b, "a1", 2, 2000);
	add(&b, "a1", 3, 5000);
	add(&b, "a1", 4, 2000);
	loop_advance(b.loop, JOURNAL_FLUSH_MS);
	CHECK_INT(b.n_stored, 2);
	CHECK_INT(b.n_failed, 2);
	CHECK(strstr(b.text, "disk is full"));
	/* Lines, too: until the manifest itself has reached its limit. */
	for (int i = 0; i < 40; i++) {
		add(&b, "a1", 5, 10);
		loop_advance(b.loop, JOURNAL_FLUSH_MS);
	}
	CHECK(b.n_stored > 2 && b.n_failed > 2);

	unsigned n_before = b.n_stored;

	setrlimit(RLIMIT_FSIZE, &old);
	add(&b, "a1", 6, 5000);
	close_journal(&b);
	CHECK_INT(b.n_stored, n_before + 1);
	CHECK_INT(b.last_number, n_before + 1);
	c = check_dir(&b);
	CHECK_INT(c.n_whole, b.n_stored);
	CHECK(c.n_missing + c.n_wrong + c.n_strangers == 0 && !c.has_torn_tail);
	finish(&b);
}

TEST(a_folder_that_somebody_removes_is_made_again)
{
	struct bench b;
	struct journal_check c;

	start(&b);
	add(&b, "cam", 1, 1000);
	loop_advance(b.loop, 2000);
	CHECK_INT(b.n_stored, 1);

	auto_free char *camera = mem_printf("%s/cam", b.session_dir);

	CHECK_INT(fs_remove(camera, NULL), 0);
	add(&b, "cam", 2, 1000);
	loop_advance(b.loop, 2000);
	CHECK_INT(b.n_failed, 1);
	add(&b, "cam", 3, 1000);
	loop_advance(b.loop, 2000);
	CHECK_INT(b.n_stored, 2);
	CHECK_INT(b.last_number, 2);

	CHECK_INT(fs_remove(b.session_dir, NULL), 0);
	add(&b, "cam", 4, 1000);
	journal_note(b.journal, "gap", "", WALL_MS);
	loop_advance(b.loop, 2000);
	CHECK_INT(b.n_failed, 2);
	add(&b, "cam", 5, 1000);
	loop_advance(b.loop, 2000);
	CHECK_INT(b.n_stored, 3);
	CHECK_INT(b.last_number, 1);
	close_journal(&b);
	CHECK_INT(journal_check(b.session_dir, &c, NULL), 0);
	CHECK_INT(c.n_whole, 1);
	finish(&b);
}

TEST(a_disk_that_does_not_keep_up_is_said)
{
	struct loop *l = loop_new();
	struct bench b = { .loop = l, .dir = mem_str(test_tmp_dir()) };

	b.queue = work_pool_new(l, "journal", 1);
	id_new(b.session.id, WALL_MS);
	open_journal(&b);
	for (int i = 1; i <= 20; i++)
		add(&b, "a1", i, 5U << 20);
	journal_close(b.journal, closed, &b);
	while (b.n_closed == 0 || b.n_stored + b.n_failed < 20) {
		struct timer stop;

		timer_init(&stop, l, (void (*)(void *))loop_stop, l);
		timer_start(&stop, 5);
		loop_run(l);
	}
	CHECK(b.n_stored >= 12 && b.n_failed >= 1);
	CHECK(strstr(b.text, "too slow"));
	work_pool_free(b.queue);
	loop_free(l);
	free(b.dir);
}

TEST(pictures_deleted_by_policy_leave_their_lines)
{
	struct bench b;
	struct journal_check c;
	struct journal_reader *r;
	struct journal_entry e;
	struct err err = { 0 };
	uint64_t bytes;

	start(&b);
	add(&b, "a1", 1, 1000);
	add(&b, "a1", 2, 500);
	close_journal(&b);
	CHECK_INT(
		journal_delete_pictures(b.session_dir, "older than 7 days", WALL_MS, &bytes, &err),
		0);
	CHECK_INT(bytes, 1500);
	CHECK_INT(journal_delete_pictures(b.session_dir, "again", WALL_MS, &bytes, &err), 0);
	CHECK_INT(bytes, 0);
	c = check_dir(&b);
	CHECK(c.n_deleted == 2 && c.n_whole + c.n_missing + c.n_wrong + c.n_strangers == 0);
	CHECK_INT(journal_reader_open(b.session_dir, &r, NULL), 0);
	CHECK_INT(journal_reader_next(r, &e, NULL), 1);
	CHECK_STR(e.file, "");
	journal_reader_close(r);

	struct journal_env env = { b.loop, b.queue, JOURNAL_FLUSH_MS };

	CHECK_INT(journal_open(&env, b.dir, &b.session, &b.journal, &err), -ESTALE);
	finish(&b);
}

TEST(lines_that_lead_out_of_the_folder_are_not_ours)
{
	static const char *const files[] = { "../a1/000001.jpg",  "/etc/passwd",
		                             "a1/../000001.jpg",  "b2/000001.jpg",
		                             "a1/000001.jpg.new", "a1/x.jpg" };
	struct journal_entry e = { .number = 1, .camera = "a1", .layer = -1, .z_mm = 0 }, back;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		auto_buf struct buf b = { 0 };

		TEXT_SET(e.file, files[i]);
		journal_format_entry(&b, &e);
		CHECK(journal_parse_line(b.data, b.size - 1, &back, NULL) < 0);
	}

	auto_buf struct buf b = { 0 };

	TEXT_SET(e.file, "a1/000001.jpg");
	e.z_mm = (double)NAN;
	journal_format_entry(&b, &e);
	CHECK_INT(journal_parse_line(b.data, b.size - 1, &back, NULL), 1);
	CHECK(isnan(back.z_mm) && back.layer == -1);
	b.data[5] ^= 1;
	CHECK(journal_parse_line(b.data, b.size - 1, &back, NULL) < 0);
}
