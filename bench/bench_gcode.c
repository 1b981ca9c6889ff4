/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bench_gcode: how fast the index of a job is made, beside what must be done anyway.
 *
 * Makes a job of our own of at least SIZE bytes (default 120 MB; a path instead of a number takes
 * that file's text), packs it as .gcode.3mf and as .bgcode (deflate; heatshrink with MeatPack is
 * not written here), and times, best of nine, everything in the page cache: memchr over the
 * lines, the index, inflating alone by zlib and by us, the index of the 3MF and of the bgcode
 * (which inflate and read on two cores). One line each, MB of G-code text per second of the clock
 * and of CPU time.
 */

#define ZLIB_CONST /* inputs are const */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
#include "gcode/archive.h"
#include "gcode/file.h"
#include "gcode/inflate.h"
#include "gcode/make.h"

#define ROUNDS 9
#define BLOCK 65536 /* of bgcode, as PrusaSlicer writes */

static double seconds(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct job {
	const char *text;
	size_t size;
	struct buf packed, threemf, bgcode;
	size_t layers;
};

static void fail(const char *what, const struct err *err)
{
	fprintf(stderr, "bench_gcode: %s: %s\n", what, err ? err->text : "failed");
	exit(1);
}

static size_t run_memchr(const struct job *j)
{
	size_t n = 0;

	for (const char *p = j->text, *end = p + j->size; p < end; n++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (!p)
			break;
		p++;
	}
	return n;
}

static size_t index_bytes(const void *bytes, size_t size, unsigned outline)
{
	struct gcode_options options = { .outline_points = outline };
	struct gcode_index *ix;
	struct err err;

	if (gcode_bytes_index(bytes, size, 0, &options, &ix, &err) < 0)
		fail("index", &err);

	size_t n = ix->n_layers;

	gcode_index_free(ix);
	return n;
}

static size_t run_index(const struct job *j)
{
	return index_bytes(j->text, j->size, 0);
}

static size_t run_outline(const struct job *j)
{
	return index_bytes(j->text, j->size, 200);
}

static size_t run_threemf(const struct job *j)
{
	return index_bytes(j->threemf.data, j->threemf.size, 0);
}

static size_t run_bgcode(const struct job *j)
{
	return index_bytes(j->bgcode.data, j->bgcode.size, 0);
}

static size_t run_zlib(const struct job *j)
{
	static uint8_t out[262144];
	z_stream z = { .next_in = (const Bytef *)j->packed.data, .avail_in = (uInt)j->packed.size };

	(void)inflateInit2(&z, -15);
	do {
		z.next_out = out;
		z.avail_out = sizeof(out);
	} while (inflate(&z, Z_NO_FLUSH) == Z_OK);
	(void)inflateEnd(&z);
	return z.total_out;
}

static int into_nothing(void *arg, const void *bytes, size_t size)
{
	*(size_t *)arg += size + *(const uint8_t *)bytes * 0;
	return 0;
}

static size_t run_inflate(const struct job *j)
{
	size_t n = 0;

	(void)gcode_inflate(j->packed.data, j->packed.size, UINT64_MAX, into_nothing, &n);
	return n;
}

struct speed {
	double wall, cpu; /* MB/s */
};

static struct speed measure(const char *name, size_t (*run)(const struct job *),
                            const struct job *j, const struct speed *yardstick)
{
	struct speed best = { 0 };

	for (int i = 0; i < ROUNDS; i++) {
		double t = seconds(CLOCK_MONOTONIC);
		double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);

		if (run(j) == 0)
			fail(name, NULL);
		t = (double)j->size / (seconds(CLOCK_MONOTONIC) - t) / 1e6;
		cpu = (double)j->size / (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e6;
		best.wall = t > best.wall ? t : best.wall;
		best.cpu = cpu > best.cpu ? cpu : best.cpu;
	}
	printf("%-28s %6.0f MB/s, %6.0f per CPU second", name, best.wall, best.cpu);
	if (yardstick)
		printf("   %.2f, %.2f x zlib alone", best.wall / yardstick->wall,
		       best.cpu / yardstick->cpu);
	putchar('\n');
	return best;
}

static void pack(const char *text, size_t size, int window, struct buf *ret)
{
	z_stream z = { .next_in = (const Bytef *)text, .avail_in = (uInt)size };

	(void)deflateInit2(&z, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY);
	z.avail_out = (uInt)deflateBound(&z, size);
	z.next_out = (Bytef *)buf_reserve(ret, z.avail_out);
	(void)deflate(&z, Z_FINISH);
	buf_grew(ret, z.total_out);
	(void)deflateEnd(&z);
}

static void add_le(struct buf *b, uint64_t v, unsigned n)
{
	for (; n > 0; n--, v >>= 8)
		buf_add_char(b, (char)v);
}

/* Binary G-code of deflated blocks, each of whole lines. */
static void pack_bgcode(struct job *j)
{
	struct buf *b = &j->bgcode;

	buf_add(b, "GCDE\1\0\0\0\1\0", 10);
	for (size_t at = 0; at < j->size;) {
		size_t n = j->size - at < BLOCK ? j->size - at : BLOCK;
		size_t head = b->size;
		struct buf block = { 0 };

		if (at + n < j->size)
			n = (size_t)((const char *)memrchr(j->text + at, '\n', n) + 1 -
			             (j->text + at));
		pack(j->text + at, n, 15, &block);
		add_le(b, 1, 2);
		add_le(b, 1, 2);
		add_le(b, n, 4);
		add_le(b, block.size, 4);
		add_le(b, 0, 2);
		buf_add(b, block.data, block.size);
		add_le(b, crc32_z(0, (const Bytef *)b->data + head, b->size - head), 4);
		buf_fini(&block);
		at += n;
	}
}

static void make_text(size_t size, struct buf *ret)
{
	struct gcode_make m = { .shape = GCODE_SHAPE_VASE, .n_layers = 1000, .size_mm = 180 };

	buf_init(ret, 0);
	while (ret->size < size) {
		struct buf part;

		m.shape = (enum gcode_shape)((m.shape + 1) % 4);
		m.size_mm = m.size_mm > 60 ? m.size_mm - 7.3 : 180;
		gcode_make_text(&m, &part);
		buf_add(ret, part.data, part.size);
		buf_fini(&part);
	}
}

int main(int argc, char **argv)
{
	struct job j = { 0 };
	struct buf text;
	struct err err;
	uint64_t size = 120000000;

	if (argc > 1 && !text_to_size(argv[1], &size)) {
		if (fs_read(argv[1], (size_t)1 << 31, &text, &err) < 0)
			fail(argv[1], &err);
	} else {
		make_text(size, &text);
	}
	j.text = text.data;
	j.size = text.size;
	pack(j.text, j.size, -15, &j.packed);
	pack_bgcode(&j);

	const struct gcode_zip_file file = { "Metadata/plate_1.gcode", j.text, j.size, false };

	if (gcode_zip_make(&file, 1, &j.threemf, &err) < 0)
		fail("3MF", &err);
	printf("%.0f MB of G-code, %.1f MB deflated\n", (double)j.size / 1e6,
	       (double)j.packed.size / 1e6);
	(void)measure("memchr over the lines", run_memchr, &j, NULL);
	(void)measure("index, plain", run_index, &j, NULL);
	(void)measure("index and outlines, plain", run_outline, &j, NULL);

	struct speed zlib = measure("inflate by zlib, alone", run_zlib, &j, NULL);

	(void)measure("inflate by ours, alone", run_inflate, &j, &zlib);
	(void)measure("index of .gcode.3mf", run_threemf, &j, &zlib);
	(void)measure("index of .bgcode (deflate)", run_bgcode, &j, &zlib);
	buf_fini(&j.packed);
	buf_fini(&j.threemf);
	buf_fini(&j.bgcode);
	buf_fini(&text);
	return 0;
}
