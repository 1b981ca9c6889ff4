/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/make.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "gcode/archive.h"
#include "gcode/file.h"
#include "gcode/outline.h"
#include "gcode/threemf.h"

static void check_job(const struct gcode_make *m)
{
	struct gcode_options options = { .outline_points = 120 };
	struct gcode_threemf *t;
	struct gcode_index *ix;
	struct buf job;
	struct err err = { 0 };

	CHECK(gcode_make_threemf(m, &job, &err) == 0);
	CHECK(gcode_threemf_open(job.data, job.size, &t, &err) == 0);
	CHECK_INT(gcode_threemf_check_md5(t, 1, &err), 0);
	CHECK(gcode_threemf_index(t, 1, &options, &ix, &err) == 0);
	CHECK_INT(ix->n_layers, m->n_layers);
	CHECK_INT(ix->n_layers_named, m->n_layers);
	CHECK(ix->slicer == GCODE_SLICER_BAMBU);
	CHECK(ix->time_source == GCODE_TIME_PROGRESS);
	CHECK(fabs(ix->z_max - m->n_layers * 0.2) < 1e-3);
	CHECK_INT(ix->n_tools, m->n_filaments);
	for (unsigned i = 0; i < ix->n_tools; i++)
		CHECK(fabs(ix->tools[i].mm_moves - ix->tools[i].mm_named) <
		      0.01 * ix->tools[i].mm_named);
	for (unsigned i = 1; i <= ix->n_layers; i++) {
		const struct gcode_layer *l = gcode_index_layer(ix, i);

		CHECK_INT(l->reported, (int)i);
		CHECK(fabs((double)l->z_mm - i * 0.2) < 1e-4);
		CHECK(i == 1 || l->time_s > l[-1].time_s);
		CHECK(gcode_outline_layer(ix->outline, i)->n_lines >= 1);
		CHECK_INT(gcode_index_layer_at_byte(ix, l->byte), i);
		CHECK_INT(gcode_index_layer_at_z(ix, i * 0.2, 0.05), i);
		CHECK_INT(gcode_index_layer_at_time(ix, l->time_s + 1e-6), i);
	}
	CHECK(ix->layers[0].time_s > 300 && ix->layers[0].time_s < ix->time_s);
	CHECK(ix->thumbnail.format == GCODE_PICTURE_PNG && ix->thumbnail.width == 512);
	CHECK(gcode_outline_size(ix->outline) < 100000);
	gcode_index_free(ix);
	gcode_threemf_close(t);
	buf_fini(&job);
}

TEST(make_gives_jobs_that_every_reader_here_accepts)
{
	for (int shape = GCODE_SHAPE_VASE; shape <= GCODE_SHAPE_CUBE; shape++)
		for (int machine = GCODE_MACHINE_A1; machine <= GCODE_MACHINE_X1C; machine++)
			check_job(&(struct gcode_make){ .shape = (enum gcode_shape)shape,
			                                .machine = (enum gcode_machine)machine,
			                                .n_layers = 48,
			                                .n_filaments = 1 + (unsigned)shape % 2 });
}

TEST(make_gives_the_same_bytes_each_time)
{
	struct gcode_make m = { .shape = GCODE_SHAPE_BOAT, .n_layers = 5 };
	struct buf a;
	struct buf b;

	CHECK(gcode_make_threemf(&m, &a, NULL) == 0);
	CHECK(gcode_make_threemf(&m, &b, NULL) == 0);
	CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
	buf_fini(&a);
	buf_fini(&b);
}

/* In pieces of any size the index is the same. */
TEST(index_does_not_depend_on_where_the_text_is_torn)
{
	static const size_t pieces[] = { 1, 7, 8, 9, 63, 1000, 65536 };
	struct gcode_make m = { .n_layers = 6, .n_filaments = 2 };
	struct gcode_index *whole;
	struct buf text;

	gcode_make_text(&m, &text);
	CHECK(gcode_index_text(text.data, text.size, NULL, &whole, NULL) == 0);
	for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
		struct gcode_scan *s = gcode_scan_new(NULL);
		struct gcode_index *ix;

		for (size_t at = 0; at < text.size; at += pieces[k]) {
			/* Of its true size, so that the address sanitizer sees a look beyond. */
			size_t n = text.size - at < pieces[k] ? text.size - at : pieces[k];
			char *piece = malloc(n);

			memcpy(piece, text.data + at, n);
			gcode_scan_feed(s, piece, n);
			free(piece);
		}
		CHECK(gcode_scan_end(s, &ix, NULL) == 0);
		CHECK_INT(ix->n_layers, whole->n_layers);
		CHECK_INT(ix->n_lines, whole->n_lines);
		CHECK_INT(ix->n_moves, whole->n_moves);
		CHECK(memcmp(ix->layers, whole->layers, whole->n_layers * sizeof(*whole->layers)) ==
		      0);
		gcode_index_free(ix);
	}
	gcode_index_free(whole);
	buf_fini(&text);
}

static void add_le(struct buf *b, uint64_t v, unsigned n)
{
	for (; n > 0; n--, v >>= 8)
		buf_add_char(b, (char)v);
}

/* Binary G-code of deflated and plain blocks by turns, with an empty one among them. */
static void make_binary(const struct buf *text, struct buf *ret)
{
	static uint8_t packed[200000];
	unsigned turn = 0;

	buf_init(ret, 0);
	buf_add(ret, "GCDE\1\0\0\0\0\0", 10);
	for (size_t at = 0; at < text->size; turn++) {
		size_t n = turn == 3 ? 0 : MIN((size_t)61000 + turn * 311, text->size - at);
		uLongf size = sizeof(packed);

		CHECK(compress2(packed, &size, (const Bytef *)text->data + at, n, 6) == Z_OK);
		add_le(ret, 1, 2);
		add_le(ret, turn % 3 > 0, 2);
		add_le(ret, n, 4);
		if (turn % 3 > 0)
			add_le(ret, size, 4);
		add_le(ret, 0, 2);
		if (turn % 3 > 0)
			buf_add(ret, packed, size);
		else
			buf_add(ret, text->data + at, n);
		at += n;
	}
}

static void check_bytes(const struct buf *bytes, const struct gcode_index *should)
{
	struct gcode_index *ix;
	struct err err = { 0 };

	CHECK(gcode_bytes_index(bytes->data, bytes->size, 0, NULL, &ix, &err) == 0);
	CHECK_INT(ix->n_bytes, should->n_bytes);
	CHECK_INT(ix->n_lines, should->n_lines);
	CHECK_INT(ix->n_moves, should->n_moves);
	CHECK_INT(ix->n_layers, should->n_layers);
	for (size_t i = 0; i < ix->n_layers; i++)
		CHECK(memcmp(&ix->layers[i], &should->layers[i],
		             offsetof(struct gcode_layer, is_raft)) == 0);
	gcode_index_free(ix);
}

TEST(index_of_a_large_archive_is_that_of_its_text)
{
	struct gcode_make m = { .shape = GCODE_SHAPE_GEAR, .n_layers = 800 };
	struct gcode_index *should;
	struct buf text;
	struct buf packed;

	gcode_make_text(&m, &text);
	CHECK(text.size > 4000000); /* large enough for the second thread */
	CHECK(gcode_index_text(text.data, text.size, NULL, &should, NULL) == 0);
	for (unsigned i = 0; i < 2; i++) {
		struct gcode_zip_file file = { "Metadata/plate_1.gcode", text.data, text.size,
			                       i == 1 };

		CHECK(gcode_zip_make(&file, 1, &packed, NULL) == 0);
		check_bytes(&packed, should);
		/* Damaged in the middle: refused, and nothing is read that is gone. */
		packed.data[packed.size / 2] ^= 1;

		struct gcode_index *ix;

		CHECK(gcode_bytes_index(packed.data, packed.size, 0, NULL, &ix, NULL) < 0);
		buf_fini(&packed);
	}
	make_binary(&text, &packed);
	check_bytes(&packed, should);
	buf_fini(&packed);
	buf_fini(&text);
	gcode_index_free(should);
}
