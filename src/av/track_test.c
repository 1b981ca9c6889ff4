/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/track.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "core/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t avcc[] = { 1, 100, 0, 31, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68 };

struct bench {
	struct track t;
	char *dir;
};

static void open_track(struct bench *b, const char *settings)
{
	struct err err = { 0 };

	if (track_open(&b->t, b->dir, "cam", settings, &err) < 0)
		fail_msg("%s", err.text);
}

static void begin(struct bench *b, uint64_t reserve)
{
	struct buf a;

	buf_init(&a, 0);
	buf_add(&a, avcc, sizeof(avcc));
	CHECK_INT(track_begin(&b->t, 64, 48, &a, reserve, NULL), 0);
	buf_fini(&a);
}

static void start(struct bench *b)
{
	b->dir = mem_str(test_tmp_dir());
	open_track(b, "s");
	begin(b, 8192);
}

/* One piece of three samples, entries 10 * n + 1 to 10 * n + 3. */
static void add_samples(struct bench *b, uint32_t n)
{
	char bytes[100];

	for (int i = 0; i < 3; i++) {
		memset(bytes, (int)(16 * n) + i, sizeof(bytes));
		CHECK_INT(track_add(&b->t, bytes, 100 - (size_t)i, 0, NULL), 0);
	}
}

static void add_piece(struct bench *b, uint32_t n)
{
	const struct track_piece numbers = {
		.first = 10 * n + 1, .last = 10 * n + 3, .n_seen = 3 * n + 3, .n_skipped = n
	};

	add_samples(b, n);
	CHECK_INT(track_close_piece(&b->t, &numbers, NULL), 0);
}

static void finish(struct bench *b)
{
	track_close(&b->t);
	free(b->dir);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

TEST(track_takes_up_whole_pieces)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	add_piece(&b, 1);
	add_samples(&b, 2); /* never closed */
	track_close(&b.t);
	open_track(&b, "s");
	CHECK(track_has_head(&b.t));
	CHECK_INT(b.t.table.n_pieces, 2);
	CHECK_INT(b.t.table.n_samples, 6);
	CHECK_INT(b.t.table.pieces[1].last, 13);
	CHECK_INT(b.t.table.pieces[1].n_seen, 6);
	CHECK_INT(b.t.table.pieces[1].n_skipped, 1);
	CHECK_INT(size_of(b.t.track_path), b.t.end);
	add_piece(&b, 2);
	CHECK_INT(b.t.table.n_pieces, 3);
	finish(&b);
}

TEST(track_cut_at_any_byte_keeps_what_is_whole)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	off_t one = size_of(b.t.index_path);

	add_piece(&b, 1);
	off_t two = size_of(b.t.index_path);
	struct buf index;

	CHECK_INT(fs_read(b.t.index_path, 1 << 20, &index, NULL), 0);
	for (off_t cut = one; cut <= two; cut++) {
		CHECK_INT(fs_write_atomic(b.t.index_path, index.data, (size_t)cut, 0600, NULL), 0);
		track_close(&b.t);
		open_track(&b, "s");
		CHECK_INT(b.t.table.n_pieces, cut == two ? 2 : 1);
		CHECK_INT(size_of(b.t.index_path), cut == two ? two : one);
		/* The track was cut with it: put back what the next round needs. */
		if (cut < two)
			add_piece(&b, 1);
	}
	buf_fini(&index);
	finish(&b);
}

TEST(track_drops_a_piece_that_is_not_what_its_line_says)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	add_piece(&b, 1);
	CHECK_INT(pwrite(b.t.fd, "!", 1, (off_t)b.t.table.pieces[1].offset + 5), 1);
	track_close(&b.t);
	open_track(&b, "s");
	CHECK_INT(b.t.table.n_pieces, 1);
	CHECK_INT(b.t.table.n_samples, 3);
	add_piece(&b, 1);
	track_close(&b.t);
	open_track(&b, "s");
	CHECK_INT(b.t.table.n_pieces, 2);
	finish(&b);
}

TEST(track_of_other_settings_begins_anew)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	track_close(&b.t);
	open_track(&b, "other");
	CHECK(!track_has_head(&b.t));
	CHECK_INT(b.t.table.n_pieces, 0);
	CHECK_INT(size_of(b.t.index_path), 0);
	begin(&b, 8192);
	add_piece(&b, 0);
	track_close(&b.t);
	open_track(&b, "other");
	CHECK_INT(b.t.table.n_pieces, 1);
	finish(&b);
}

/* The samples' box of a film holds exactly what went in. */
static void check_film(const char *path, unsigned n_pieces)
{
	struct buf film;

	CHECK_INT(fs_read(path, 1 << 20, &film, NULL), 0);

	const char *mdat = memmem(film.data, film.size, "mdat", 4);
	const char *moov = memmem(film.data, film.size, "moov", 4);

	CHECK(moov && mdat && moov < mdat);
	CHECK_INT(film.size - (size_t)(mdat + 12 - film.data), n_pieces * 297);
	CHECK_INT(mdat[12], 0);
	CHECK_INT((uint8_t)film.data[film.size - 1], 16 * (n_pieces - 1) + 2);
	buf_fini(&film);
}

TEST(track_becomes_the_film)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	add_piece(&b, 1);
	char *out = mem_printf("%s/film.mp4", b.dir);

	CHECK_INT(track_finish(&b.t, 25, 2, out, false, NULL), 0);
	check_film(out, 2);
	CHECK_INT(size_of(b.t.track_path), -1);
	CHECK_INT(size_of(b.t.index_path), -1);
	free(out);
	finish(&b);
}

TEST(track_whose_head_outgrew_its_room_is_copied)
{
	struct bench b;

	b.dir = mem_str(test_tmp_dir());
	open_track(&b, "s");
	begin(&b, 1); /* one page: room for about 90 pieces */
	for (uint32_t i = 0; i < 400; i++) {
		const struct track_piece numbers = { .first = i + 1, .last = i + 1 };

		CHECK_INT(track_add(&b.t, "sample", 6, 0, NULL), 0);
		CHECK_INT(track_close_piece(&b.t, &numbers, NULL), 0);
	}

	char *out = mem_printf("%s/film.mp4", b.dir);
	struct buf film;

	CHECK_INT(track_finish(&b.t, 25, 0, out, false, NULL), 0);
	CHECK_INT(fs_read(out, 1 << 20, &film, NULL), 0);
	const char *mdat = memmem(film.data, film.size, "mdat", 4);

	CHECK(mdat != NULL);
	CHECK_INT(film.size - (size_t)(mdat + 12 - film.data), 400 * 6);
	CHECK(memcmp(mdat + 12, "samplesample", 12) == 0);
	buf_fini(&film);
	CHECK_INT(size_of(b.t.track_path), -1);
	free(out);
	finish(&b);
}

TEST(track_never_overwrites_a_film)
{
	struct bench b;

	start(&b);
	add_piece(&b, 0);
	char *out = mem_printf("%s/film.mp4", b.dir);

	CHECK_INT(fs_write_atomic(out, "old", 3, 0600, NULL), 0);
	CHECK_INT(track_finish(&b.t, 25, 0, out, false, NULL), -ENOTUNIQ);
	CHECK_INT(size_of(out), 3);
	CHECK(track_is_there(b.dir, "cam"));
	CHECK_INT(track_finish(&b.t, 25, 0, out, true, NULL), 0);
	check_film(out, 1);
	CHECK(!track_is_there(b.dir, "cam"));
	free(out);
	finish(&b);
}

TEST(track_is_one_workers_at_a_time)
{
	struct bench b;
	struct track *other = MEM_NEW(struct track);
	struct err err = { 0 };

	start(&b);
	add_piece(&b, 0);
	CHECK_INT(track_open(other, b.dir, "cam", "s", &err), -EBUSY);
	CHECK(strstr(err.text, "being made already"));
	free(other);
	CHECK_INT(b.t.table.n_pieces, 1);
	track_close(&b.t);
	open_track(&b, "s");
	CHECK_INT(b.t.table.n_pieces, 1);
	finish(&b);
}

TEST(track_tells_its_settings_without_being_opened)
{
	struct bench b;
	char text[16];

	start(&b);
	CHECK(track_read_settings(b.dir, "cam", text, sizeof(text)));
	CHECK_STR(text, "s");
	CHECK(!track_read_settings(b.dir, "nobody", text, sizeof(text)));
	CHECK_INT(truncate(b.t.index_path, 20), 0);
	CHECK(!track_read_settings(b.dir, "cam", text, sizeof(text)));
	finish(&b);
}
