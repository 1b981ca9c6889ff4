/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "av/mp4.h"

#include "base/buf.h"
#include "base/test.h"

#include <string.h>

static uint32_t be32(const char *p)
{
	const uint8_t *b = (const uint8_t *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* The content of the first box `name` within [p, p + size), which may be nested; NULL if none. */
static const char *find_box(const struct buf *b, const char *name)
{
	const char *at = memmem(b->data, b->size, name, 4);

	return at ? at + 4 : NULL;
}

static const uint8_t avcc[] = { 1, 100, 0, 31, 0xff, 0xe1, 0, 1, 0x67, 1, 0, 1, 0x68 };

static void write_film(struct buf *b, const struct mp4_sample *samples, uint32_t n_samples,
                       const struct mp4_run *runs, uint32_t n_runs)
{
	const struct mp4_film f = { .width = 640,
		                    .height = 480,
		                    .fps = 25,
		                    .hold_s = 2,
		                    .avcc = avcc,
		                    .avcc_size = sizeof(avcc),
		                    .samples = samples,
		                    .n_samples = n_samples,
		                    .runs = runs,
		                    .n_runs = n_runs };

	buf_init(b, 0);
	mp4_write_head(b, &f);
}

TEST(mp4_boxes_add_up)
{
	static const struct mp4_sample samples[] = { { 100, 0 }, { 50, 1 }, { 40, -1 }, { 90, 0 } };
	static const struct mp4_run runs[] = { { 4096, 3 }, { 4286, 1 } };
	struct buf b;
	size_t at = 0;
	int n = 0;

	write_film(&b, samples, 4, runs, 2);
	while (at + 8 <= b.size) {
		CHECK(be32(b.data + at) >= 8);
		at += be32(b.data + at);
		n++;
	}
	CHECK_INT(at, b.size);
	CHECK_INT(n, 2);
	buf_fini(&b);
}

TEST(mp4_holds_the_last_picture)
{
	static const struct mp4_sample samples[] = { { 100, 0 }, { 50, 0 }, { 40, 0 } };
	static const struct mp4_run runs[] = { { 4096, 3 } };
	struct buf b;

	write_film(&b, samples, 3, runs, 1);

	const char *stts = find_box(&b, "stts");

	CHECK_INT(be32(stts + 4), 2);
	CHECK_INT(be32(stts + 8), 2);
	CHECK_INT(be32(stts + 12), 1000);
	CHECK_INT(be32(stts + 16), 1);
	CHECK_INT(be32(stts + 20), 1000 + 2 * 25000);
	CHECK(!find_box(&b, "ctts")); /* nothing is shown out of turn */
	buf_fini(&b);
}

TEST(mp4_shows_in_order_what_was_decoded_out_of_order)
{
	/* I P B: shown 0, 2, 1 */
	static const struct mp4_sample samples[] = { { 100, 0 }, { 50, 1 }, { 40, -1 } };
	static const struct mp4_run runs[] = { { 4096, 3 } };
	struct buf b;

	write_film(&b, samples, 3, runs, 1);

	const char *ctts = find_box(&b, "ctts"), *elst = find_box(&b, "elst");

	CHECK_INT(be32(ctts + 4), 3);
	CHECK_INT(be32(ctts + 12), 1000);
	CHECK_INT(be32(ctts + 20), 2000);
	CHECK_INT(be32(ctts + 28), 0);
	CHECK_INT(be32(elst + 20), 1000); /* low half of the media time */
	buf_fini(&b);
}

TEST(mp4_names_key_frames_and_places)
{
	static const struct mp4_sample samples[] = {
		{ 1, 0 }, { 2, 0 }, { 3, 0 }, { 4, 0 }, { 5, 0 }
	};
	static const struct mp4_run runs[] = { { 4096, 2 }, { 4099, 2 }, { 4106, 1 } };
	static const struct mp4_run far[] = { { 4096, 2 }, { 4099, 2 }, { 5ULL << 32, 1 } };
	struct buf b;

	write_film(&b, samples, 5, runs, 3);

	const char *stss = find_box(&b, "stss"), *stsc = find_box(&b, "stsc");

	CHECK_INT(be32(stss + 4), 3);
	CHECK_INT(be32(stss + 8), 1);
	CHECK_INT(be32(stss + 12), 3);
	CHECK_INT(be32(stss + 16), 5);
	CHECK_INT(be32(stsc + 4), 2);
	CHECK_INT(be32(stsc + 20), 3);
	CHECK_INT(be32(find_box(&b, "stco") + 16), 4106);
	buf_fini(&b);

	write_film(&b, samples, 5, far, 3);
	CHECK(!find_box(&b, "stco"));
	CHECK_INT(be32(find_box(&b, "co64") + 24), 5);
	buf_fini(&b);
}

TEST(mp4_guess_is_enough)
{
	static struct mp4_sample samples[5000];
	static struct mp4_run runs[200];
	struct buf b;

	for (int i = 0; i < 5000; i++)
		samples[i] = (struct mp4_sample){ 1000, i % 2 ? 1 : -1 };
	for (int i = 0; i < 200; i++)
		runs[i] = (struct mp4_run){ 4096 + 25000 * (uint64_t)i, 25 };
	write_film(&b, samples, 5000, runs, 200);
	CHECK(b.size <= mp4_head_guess(5000));
	buf_fini(&b);
}

TEST(mp4_sample_gets_lengths_for_start_codes)
{
	static const uint8_t bytes[] = { 0, 0,    0, 1, 0x65, 7, 8, 0,    0,
		                         1, 0x41, 9, 0, 0,    0, 1, 0x41, 5 };
	static const uint8_t wanted[] = { 0, 0,    0, 3, 0x65, 7, 8, 0,    0, 0,
		                          2, 0x41, 9, 0, 0,    0, 2, 0x41, 5 };
	struct buf b;

	buf_init(&b, 0);
	mp4_add_sample(&b, bytes, sizeof(bytes));
	CHECK_INT(b.size, sizeof(wanted));
	CHECK(memcmp(b.data, wanted, sizeof(wanted)) == 0);
	buf_fini(&b);
}

TEST(mp4_avcc_comes_from_parameter_sets)
{
	static const uint8_t bytes[] = { 0, 0, 0, 1, 0x67, 100, 0, 31, 5, 0, 0, 1, 0x68, 1, 2, 3 };
	struct buf b;

	buf_init(&b, 0);
	CHECK(mp4_avcc(&b, bytes, sizeof(bytes)));
	CHECK_INT(b.size, 6 + 2 + 5 + 1 + 2 + 4 + 4);
	CHECK_INT((uint8_t)b.data[1], 100);
	CHECK_INT((uint8_t)b.data[3], 31);
	buf_clear(&b);
	CHECK(mp4_avcc(&b, avcc, sizeof(avcc)));
	CHECK_INT(b.size, sizeof(avcc));
	buf_clear(&b);
	CHECK(!mp4_avcc(&b, bytes, 9));
	CHECK(!mp4_avcc(&b, bytes, 0));
	buf_fini(&b);
}
