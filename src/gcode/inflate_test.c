/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/inflate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/test.h"

/* xorshift64*, so that every run tests the same bytes. */
static uint32_t chance(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)(*state * 0x2545f4914f6cdd1d >> 32);
}

static int into_buf(void *arg, const void *bytes, size_t size)
{
	buf_add(arg, bytes, size);
	return 0;
}

/* Packs by zlib at that level and strategy, unpacks by ours, compares. */
static void check_round_trip(const struct buf *plain, int level, int strategy)
{
	z_stream z = { 0 };
	struct buf out;

	CHECK(deflateInit2(&z, level, Z_DEFLATED, -15, 9, strategy) == Z_OK);

	size_t max = deflateBound(&z, plain->size) + 64;
	uint8_t *packed = malloc(max);

	z.next_in = (Bytef *)plain->data;
	z.avail_in = (uInt)plain->size;
	z.next_out = packed;
	z.avail_out = (uInt)max;
	CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);

	/* Of its true size, so that the address sanitizer sees a look beyond it. */
	size_t size = z.total_out;
	uint8_t *tight = malloc(size);

	memcpy(tight, packed, size);
	buf_init(&out, 0);
	CHECK(gcode_inflate(tight, size, UINT64_MAX, into_buf, &out) == (int64_t)plain->size);
	CHECK(out.size == plain->size && memcmp(buf_peek(&out), buf_peek(plain), out.size) == 0);
	for (size_t cut = 1; cut <= size && cut < (plain->size < 50000 ? 12 : 2); cut++) {
		buf_clear(&out);
		CHECK(gcode_inflate(tight, size - cut, UINT64_MAX, into_buf, &out) == -EBADMSG);
	}
	(void)deflateEnd(&z);
	buf_fini(&out);
	free(tight);
	free(packed);
}

static void repeat(struct buf *b, size_t from, size_t n)
{
	char *to = buf_reserve(b, n);

	memcpy(to, b->data + from, n);
	buf_grew(b, n);
}

/* Text with repetitions near and far, and some that is noise. */
static void fill(struct buf *b, size_t size, unsigned kind, uint64_t *state)
{
	while (b->size < size) {
		if (kind == 0)
			buf_printf(b, "G1 X%u.%u Y%u.%03u E.%05u\n", chance(state) % 200,
			           chance(state) % 1000, chance(state) % 200, chance(state) % 1000,
			           chance(state) % 9000);
		else if (kind == 1)
			buf_add_char(b, (char)chance(state));
		else if (kind == 2)
			buf_add_char(b, chance(state) % 50 ? 'a' : 'b');
		else if (b->size > 100 && chance(state) % 3)
			repeat(b, chance(state) % (b->size - 50), chance(state) % 50);
		else
			buf_printf(b, "; %u layer\n", chance(state));
	}
}

TEST(inflate_gives_back_what_zlib_packed)
{
	static const size_t sizes[] = { 0, 1, 7, 300, 40000, 700000 };
	uint64_t state = 12345;

	for (unsigned kind = 0; kind < 4; kind++) {
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			struct buf plain;

			buf_init(&plain, 0);
			fill(&plain, sizes[i], kind, &state);
			check_round_trip(&plain, 6, Z_DEFAULT_STRATEGY);
			check_round_trip(&plain, 1, Z_FIXED);
			check_round_trip(&plain, 0, Z_DEFAULT_STRATEGY);
			check_round_trip(&plain, 9, Z_HUFFMAN_ONLY);
			check_round_trip(&plain, 9, Z_RLE);
			buf_fini(&plain);
		}
	}
}

static int refuse(void *arg, const void *bytes, size_t size)
{
	(void)arg;
	(void)bytes;
	(void)size;
	return -ECANCELED;
}

TEST(inflate_hands_on_what_the_sink_says)
{
	static const uint8_t stored[] = { 0x01, 0x02, 0x00, 0xfd, 0xff, 'h', 'i' };
	struct buf out;

	buf_init(&out, 0);
	CHECK(gcode_inflate(stored, sizeof(stored), 9, into_buf, &out) == 2);
	CHECK_STR(buf_peek(&out), "hi");
	CHECK(gcode_inflate(stored, sizeof(stored), 9, refuse, NULL) == -ECANCELED);
	CHECK(gcode_inflate(stored, sizeof(stored), 1, into_buf, &out) == -EFBIG);
	buf_fini(&out);
}
