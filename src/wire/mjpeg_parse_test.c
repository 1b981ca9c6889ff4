/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/mjpeg_parse.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Markers only, as the cutter sees a picture: a thumbnail with an end of its own in APP1, a scan
 * with a stuffed byte, a restart and what looks like a boundary. */
static const char picture[] = "\xff\xd8"
			      "\xff\xe1\x00\x0eThumb\xff\xd8..\xff\xd9."
			      "\xff\xc0\x00\x05\x08\x00\x01"
			      "\xff\xda\x00\x03\x01"
			      "data\xff\x00"
			      "more\xff\xd0\r\n--frame\r\nlast"
			      "\xff\xd9";
#define PICTURE_SIZE (sizeof(picture) - 1)

struct sink {
	unsigned n_good, n_bad;
	int64_t stamp_us;
	int rc;
	struct err err;
};

/* Feeds `text` in pieces of `step` bytes. */
static void feed(struct mjpeg_parser *p, const struct buf *b, size_t step, struct sink *s)
{
	for (size_t at = 0; at < b->size; at += step) {
		const uint8_t *bytes = (const uint8_t *)b->data + at;
		size_t size = MIN(step, b->size - at);
		struct mjpeg_part part;

		while ((s->rc = mjpeg_parse(p, &bytes, &size, &part, &s->err)) == 1) {
			bool is_good = part.size == PICTURE_SIZE &&
			               memcmp(part.bytes, picture, PICTURE_SIZE) == 0;

			s->n_good += is_good;
			s->n_bad += !is_good;
			s->stamp_us = part.stamp_us;
			free(part.bytes);
		}
		if (s->rc < 0)
			return;
	}
}

static void add_part(struct buf *b, const char *before, const char *after)
{
	buf_add_str(b, before);
	buf_add(b, picture, PICTURE_SIZE);
	buf_add_str(b, after);
}

/* The habits of servers: the answer's type, what stands before each picture and behind it. */
static const struct {
	const char *who, *type, *before, *after;
	int64_t stamp_us;
} habits[] = {
	{ "mjpg-streamer", "multipart/x-mixed-replace;boundary=boundarydonotcross",
	  "--boundarydonotcross\r\nContent-Type: image/jpeg\r\nContent-Length: 59\r\n"
	  "X-Timestamp: 12345.678901\r\n\r\n",
	  "\r\n", 12345678901 },
	{ "ustreamer", "multipart/x-mixed-replace;boundary=boundarydonotcross",
	  "Content-Type: image/jpeg\r\nContent-Length: 59\r\nX-Timestamp: 1700000000.5\r\n\r\n",
	  "\r\n--boundarydonotcross\r\n", 1700000000500000 },
	{ "camera-streamer", "multipart/x-mixed-replace;boundary=0123456789876543210",
	  "--0123456789876543210\r\nContent-Type: image/jpeg\r\nContent-Length: 59\r\n\r\n", "\r\n",
	  -1 },
	{ "go2rtc", "multipart/x-mixed-replace; boundary=frame",
	  "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 59\r\n\r\n", "\r\n", -1 },
	{ "ESP32", "multipart/x-mixed-replace;boundary=123456789000000000000987654321",
	  "\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\n"
	  "Content-Length: 59\r\nX-Timestamp: 12.000345\r\n\r\n",
	  "", 12000345 },
	{ "ffmpeg", "multipart/x-mixed-replace;boundary=ffmpeg",
	  "--ffmpeg\r\nContent-type: image/jpeg\r\nContent-length: 59\r\n\r\n", "\r\n", -1 },
	{ "quoted, dashes in it", "multipart/x-mixed-replace; a=b; Boundary = \"--my boundary\"",
	  "--my boundary\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n", -1 },
	{ "dashes in it, twice", "multipart/x-mixed-replace; boundary=--myboundary",
	  "----myboundary\r\nContent-Type: image/jpeg\r\n\r\n", "", -1 },
	{ "without its dashes", "multipart/x-mixed-replace; boundary=xyz",
	  "xyz\nContent-type: image/jpeg\n\n", "\n", -1 },
	{ "no boundary announced", "multipart/x-mixed-replace",
	  "--whatever\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n", -1 },
	{ "another one than announced", "multipart/x-mixed-replace; boundary=foo",
	  "--bar\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n", -1 },
	{ "no head", "multipart/mixed; boundary=foo", "--foo\r\n\r\n", "\r\n", -1 },
	{ "no multipart", "multipart/x-mixed-replace; boundary=foo", "", "", -1 },
	{ "an empty line first", "multipart/x-mixed-replace; boundary=foo",
	  "--foo\r\n\r\nContent-Type: image/jpeg\r\nContent-Length: 59\r\n\r\n", "\r\n", -1 },
	{ "a length of nothing", "multipart/x-mixed-replace; boundary=foo",
	  "--foo\r\nContent-Length: 0\r\nX-Timestamp: yesterday\r\n\r\n", "\r\n", -1 },
	{ "a length with the line end", "multipart/x-mixed-replace; boundary=foo",
	  "--foo\r\nContent-Length:   61\r\n\r\n", "\r\n", -1 },
	{ "closing dashes each time", "multipart/x-mixed-replace; boundary=foo",
	  "--foo\r\nContent-Length: 59\r\n\r\n", "\r\n--foo--\r\n", -1 },
};

TEST(every_servers_habit_gives_all_pictures_however_they_are_cut_up)
{
	CHECK_INT((int)PICTURE_SIZE, 59);
	for (size_t i = 0; i < ARRAY_LEN(habits); i++) {
		static const size_t steps[] = { 1, 2, 3, 7, 50, 4096 };

		for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
			struct mjpeg_parser p;
			struct sink s = { 0 };
			auto_buf struct buf b = { 0 };

			CHECK(mjpeg_parser_init(&p, habits[i].type));
			if (i == 1) /* ustreamer's first line is the answer's, not a part's */
				buf_add_str(&b, "--boundarydonotcross\r\n");
			for (int n = 0; n < 5; n++)
				add_part(&b, habits[i].before, habits[i].after);
			feed(&p, &b, steps[k], &s);
			if (s.n_good != 5 || s.n_bad != 0) {
				print_message("# %s by %zu: %u good, %u bad\n", habits[i].who,
				              steps[k], s.n_good, s.n_bad);
				CHECK(false);
			}
			CHECK(s.stamp_us == habits[i].stamp_us);
			mjpeg_parser_fini(&p);
		}
	}
}

TEST(a_picture_without_length_is_there_before_the_next_ones_head)
{
	struct mjpeg_parser p;
	struct sink s = { 0 };
	auto_buf struct buf b = { 0 };

	CHECK(mjpeg_parser_init(&p, "multipart/x-mixed-replace; boundary=frame"));
	add_part(&b, "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "");
	feed(&p, &b, 10, &s);
	CHECK_INT((int)s.n_good, 1);
	mjpeg_parser_fini(&p);
}

TEST(half_pictures_pages_and_garbage_do_not_cost_the_good_ones)
{
	struct mjpeg_parser p;
	struct sink s = { 0 };
	auto_buf struct buf b = { 0 };

	CHECK(mjpeg_parser_init(&p, "multipart/x-mixed-replace; boundary=frame"));
	add_part(&b, "--frame\r\n\r\n", "\r\n");
	buf_add_str(&b, "--frame\r\nContent-Type: image/jpeg\r\n\r\n");
	buf_add(&b, picture, 50); /* breaks off inside of the scan */
	add_part(&b, "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n");
	buf_add_str(&b, "--frame\r\nContent-Type: text/html\r\n\r\n<html>--frames</html>\r\n");
	add_part(&b, "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n");
	buf_add_str(&b, "--frame\r\nContent-Type: image/jpeg\r\n\r\nnothing like it\r\n");
	add_part(&b, "--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n");
	buf_add_str(&b, "--frame\r\nContent-Length: 30\r\n\r\n"); /* too short */
	buf_add(&b, picture, 40);
	add_part(&b, "\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n", "\r\n");
	feed(&p, &b, 4096, &s);
	CHECK_INT((int)s.n_good, 5);
	CHECK_INT((int)s.n_bad, 1);
	CHECK(p.n_other == 3);
	mjpeg_parser_fini(&p);
}

TEST(a_picture_of_a_hundred_megabytes_is_refused_before_it_takes_memory)
{
	struct mjpeg_parser p;
	struct sink s = { 0 };
	auto_buf struct buf b = { 0 };

	CHECK(mjpeg_parser_init(&p, "multipart/x-mixed-replace; boundary=frame"));
	buf_add_str(&b, "--frame\r\nContent-Length: 100000000\r\n\r\n\xff\xd8");
	feed(&p, &b, 4096, &s);
	CHECK_INT(s.rc, -EFBIG);
	CHECK(strstr(s.err.text, "100 MB") && p.cap == 0);
	mjpeg_parser_fini(&p);
}

TEST(an_endless_picture_is_refused_at_the_limit)
{
	struct mjpeg_parser p;
	struct sink s = { 0 };
	struct buf b;

	buf_init(&b, 0);
	CHECK(mjpeg_parser_init(&p, "multipart/x-mixed-replace; boundary=frame"));
	buf_add_str(&b, "--frame\r\n\r\n");
	buf_add(&b, picture, 50);
	feed(&p, &b, 4096, &s);
	CHECK_INT(s.rc, 0);
	buf_clear(&b);
	memset(buf_reserve(&b, 1 << 20), 'x', 1 << 20);
	buf_grew(&b, 1 << 20);
	for (int i = 0; i < 40 && s.rc == 0; i++)
		feed(&p, &b, 1 << 20, &s);
	CHECK_INT(s.rc, -EFBIG);
	CHECK(p.cap <= 2 * MJPEG_MAX_PICTURE);
	buf_fini(&b);
	mjpeg_parser_fini(&p);
}

TEST(endless_lines_and_heads_take_no_memory)
{
	struct mjpeg_parser p;
	struct sink s = { 0 };
	auto_buf struct buf b = { 0 };

	CHECK(mjpeg_parser_init(&p, "multipart/x-mixed-replace; boundary=frame"));
	for (int i = 0; i < 100000; i++)
		buf_add_str(&b, "garbage ");
	buf_add_str(&b, "\n--frame\r\n");
	for (int i = 0; i < 200; i++)
		buf_add_str(&b, "X-Header: y\r\n");
	add_part(&b, "--frame\r\nA: b\r\n\r\n", "\r\n");
	feed(&p, &b, 1000, &s);
	CHECK_INT((int)s.n_good, 1);
	mjpeg_parser_fini(&p);
}

TEST(what_is_no_multipart_is_not_taken_for_one)
{
	struct mjpeg_parser p;

	CHECK(!mjpeg_parser_init(&p, "image/jpeg"));
	CHECK(!mjpeg_parser_init(&p, "text/html; boundary=x"));
	CHECK(mjpeg_parser_init(&p, "Multipart/X-Mixed-Replace;boundary="));
	CHECK_STR(p.boundary, "");
}

static unsigned cut_up(const struct buf *b, size_t step, unsigned *ret_broken)
{
	struct jpeg_stream s = { .max_size = 1000 };
	unsigned n = 0;

	*ret_broken = 0;
	for (size_t at = 0; at < b->size; at += step) {
		const uint8_t *bytes = (const uint8_t *)b->data + at;
		size_t size = MIN(step, b->size - at), picture_size;
		uint8_t *got;
		int rc;

		while ((rc = jpeg_stream_feed(&s, &bytes, &size, &got, &picture_size)) != 0) {
			if (rc == -EFBIG) {
				jpeg_stream_fini(&s);
				return 1000;
			}
			*ret_broken += rc == -EBADMSG;
			if (rc != 1)
				continue;
			n += picture_size == PICTURE_SIZE &&
			     memcmp(got, picture, PICTURE_SIZE) == 0;
			free(got);
		}
	}
	jpeg_stream_fini(&s);
	return n;
}

TEST(a_programs_output_is_cut_into_its_pictures)
{
	auto_buf struct buf b = { 0 };
	unsigned broken;

	buf_add_str(&b, "hello\xff\xffgarbage\xff");
	buf_add(&b, picture, PICTURE_SIZE);
	buf_add(&b, picture, PICTURE_SIZE);
	buf_add(&b, picture, 50);
	buf_add(&b, picture, PICTURE_SIZE);
	buf_add(&b, picture, 1);
	buf_add(&b, picture, PICTURE_SIZE);
	buf_add_str(&b, "\nbye");
	for (size_t step = 1; step <= b.size; step++) {
		CHECK_INT((int)cut_up(&b, step, &broken), 4);
		CHECK_INT((int)broken, 1);
	}
	buf_clear(&b);
	buf_add(&b, picture, 50);
	for (int i = 0; i < 200; i++)
		buf_add_str(&b, "0123456789");
	CHECK_INT((int)cut_up(&b, 64, &broken), 1000);
}
