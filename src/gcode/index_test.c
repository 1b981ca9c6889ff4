/* SPDX-License-Identifier: GPL-3.0-or-later */

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "gcode/index.h"
#include "gcode/outline.h"

static struct gcode_index *index_of(const char *text, size_t size)
{
	struct gcode_options options = { .outline_points = 200 };
	struct gcode_index *ix = NULL;
	struct err err = { 0 };

	if (gcode_index_text(text, size, &options, &ix, &err) < 0)
		print_message("%s\n", err.text);
	CHECK(ix != NULL);
	return ix;
}

/* A whole file of the developers' data, or NULL. */
static char *read_shared(const char *path, size_t *ret_size)
{
	const char *full = test_shared(path);

	if (!full)
		return NULL;

	auto_fd int fd = open(full, O_RDONLY | O_CLOEXEC);

	CHECK(fd >= 0);

	size_t size = (size_t)lseek(fd, 0, SEEK_END);
	char *bytes = malloc(size + 1);

	CHECK(pread(fd, bytes, size, 0) == (ssize_t)size);
	bytes[size] = '\0';
	*ret_size = size;
	return bytes;
}

static void check_line_of_table(char *line)
{
	char *word[8] = { 0 };
	char path[256];
	size_t size;
	unsigned n = 0;

	for (char *save = NULL, *p = strtok_r(line, "\t\n", &save); p && n < 8;
	     p = strtok_r(NULL, "\t\n", &save))
		word[n++] = p;
	CHECK(n == 8);
	(void)snprintf(path, sizeof(path), "data/gcode/%s", word[0]);

	auto_free char *text = read_shared(path, &size);

	CHECK(text != NULL);

	struct gcode_index *ix = index_of(text, size);
	bool is_marked = strcmp(word[2], "none") != 0;
	int64_t layers = 0;
	double z;

	CHECK(text_to_i64(is_marked ? word[3] : word[4], &layers));
	print_message(
		"%s: %zu layers of %lld, z %.3f to %.3f, %s %s, %.0f s (%s), %zu outline bytes\n",
		word[0], ix->n_layers, (long long)layers, ix->z_min, ix->z_max, ix->slicer_name,
		ix->slicer_version, ix->time_s, gcode_time_source_name(ix->time_source),
		gcode_outline_size(ix->outline));
	CHECK((int64_t)ix->n_layers == layers);
	CHECK(is_marked == (ix->marker != GCODE_MARKER_NONE));
	if (text_to_double(word[6], &z))
		CHECK(fabs(ix->z_min - z) < 1e-3);
	if (text_to_double(word[7], &z))
		CHECK(fabs(ix->z_max - z) < 1e-3);
	gcode_index_free(ix);
}

TEST(index_finds_the_layers_of_every_slicer)
{
	size_t size;
	auto_free char *table = read_shared("data/gcode/EXPECTED.tsv", &size);
	char *save = NULL;

	if (!table)
		SKIP("the developers' G-code is not here");
	(void)strtok_r(table, "\n", &save);
	for (char *line; (line = strtok_r(NULL, "\n", &save));)
		check_line_of_table(line);
}

/* The quick way of reading lines needs text ahead, which short pieces never have. */
static struct gcode_index *index_in_pieces(const char *text, size_t size, size_t piece)
{
	struct gcode_scan *s = gcode_scan_new(NULL);
	struct gcode_index *ix = NULL;

	for (size_t at = 0; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		char *copy = malloc(n);

		memcpy(copy, text + at, n);
		gcode_scan_feed(s, copy, n);
		free(copy);
	}
	CHECK(gcode_scan_end(s, &ix, NULL) == 0);
	return ix;
}

static void check_same(const struct gcode_index *a, const struct gcode_index *b)
{
	CHECK_INT(a->n_lines, b->n_lines);
	CHECK_INT(a->n_moves, b->n_moves);
	CHECK_INT(a->n_extruding, b->n_extruding);
	CHECK_INT(a->n_layers, b->n_layers);
	CHECK_INT(a->n_uses, b->n_uses);
	CHECK(memcmp(a->tools, b->tools, sizeof(a->tools)) == 0);
	CHECK(memcmp(&a->time_s, &b->time_s, sizeof(a->time_s)) == 0);
	CHECK(memcmp(&a->box, &b->box, sizeof(a->box)) == 0);
	for (size_t i = 0; i < a->n_layers; i++)
		CHECK(memcmp(&a->layers[i], &b->layers[i], offsetof(struct gcode_layer, is_raft)) ==
		      0);
}

static void check_quick(const char *text, size_t size)
{
	struct gcode_index *whole = index_in_pieces(text, size, size);
	struct gcode_index *slow = index_in_pieces(text, size, 61);

	check_same(whole, slow);
	gcode_index_free(whole);
	gcode_index_free(slow);
}

/* A number as slicers, post-processors and enemies write it. */
static void add_number(struct buf *b, uint32_t *x)
{
	static const char *const odd[] = { "-.5",
		                           "",
		                           "-",
		                           "+1",
		                           "1.2.3",
		                           "5-3",
		                           ".",
		                           "5.",
		                           "0",
		                           "1e3",
		                           "-0",
		                           "00000012.5",
		                           "123456789012345678" };

	*x = *x * 1664525 + 1013904223;
	if (*x >> 28 == 0)
		buf_add_str(b, odd[(*x >> 8) % ARRAY_LEN(odd)]);
	else
		buf_printf(b, "%s%.*f", *x >> 27 & 1 ? "-" : "", (int)(*x >> 4 & 7),
		           (double)(*x >> 9 & 0xffff) / (*x >> 25 & 1 ? 300.7 : 7e3));
}

TEST(index_reads_quick_lines_as_it_reads_slow_ones)
{
	static const char letters[] = "XYZEFIJRPxyeXYEXYEXYEXYEXYE";
	static const char *const ends[] = { "\n", "\n", "\n", "\r\n", " ; note\n", ";x\n", " \n" };
	auto_buf struct buf text = { 0 };
	uint32_t x = 7;

	buf_add_str(&text, "M83\n");
	for (unsigned i = 0; i < 40000; i++) {
		x = x * 1664525 + 1013904223;
		buf_printf(&text, "G%u", x >> 28 < 12 ? 1 : x >> 28 & 3);
		for (unsigned n = 1 + (x >> 20 & 7) % 5; n > 0; n--) {
			x = x * 1664525 + 1013904223;
			buf_add_str(&text, x >> 27 == 0 ? "  " : x >> 26 & 1 ? " " : "");
			buf_add_char(&text, letters[(x >> 12) % (sizeof(letters) - 1)]);
			add_number(&text, &x);
		}
		buf_add_str(&text, ends[(x >> 10) % ARRAY_LEN(ends)]);
		if (i % 1000 == 0)
			buf_add_str(&text, i % 3000 ? "G90\nG92 E0\n" : "G91\nG28\n");
	}
	check_quick(text.data, text.size);
}

/* Two towers one after the other, with hops that extrude nothing and a mark that lies. */
static const char towers[] =
	"M83\nG1 Z5\nG1 X1 Y1 E2\n"
	";LAYER_CHANGE\n;Z:0.2\nG1 Z0.2\nG1 X10 Y10\nG1 X20 Y20 E1\n"
	";LAYER_CHANGE\n;Z:30\nG1 Z30\nG1 X30 Y10 E1\nG1 Z60\nM240\n"
	";LAYER_CHANGE\n;Z:0.2\nM82\nG1 Z0.2\nG1 X100 Y100\nG1 X120 Y110 E5\n; M240\n"
	";LAYER_CHANGE\n;Z:0.4\nG1 Z44\nG1 X90 E9\nM240 Z0.4\n";

TEST(index_knows_the_highest_of_all_that_was_printed_so_far)
{
	struct gcode_index *ix = index_of(towers, sizeof(towers) - 1);

	CHECK_INT(ix->n_layers, 4);
	CHECK(isnan(gcode_index_top(ix, 0)));
	CHECK(fabs(gcode_index_top(ix, 1) - 0.2) < 1e-5); /* not the start code's 5 */
	CHECK(fabs(gcode_index_top(ix, 2) - 30) < 1e-5);
	CHECK(fabs(gcode_index_top(ix, 3) - 30) < 1e-5); /* a new object, lower */
	CHECK(fabs(gcode_index_top(ix, 4) - 44) < 1e-5); /* the mark says 0.4 */
	CHECK(fabs(gcode_index_top(ix, 999) - 44) < 1e-5);

	struct gcode_box none = gcode_index_footprint(ix, 0);
	struct gcode_box one = gcode_index_footprint(ix, 2);
	struct gcode_box all = gcode_index_footprint(ix, 999);

	CHECK(none.min_x > none.max_x);
	CHECK(one.min_x == 10 && one.max_x == 30 && one.min_y == 10 && one.max_y == 20);
	CHECK(all.min_x == 10 && all.max_x == 120 && all.max_y == 110);
	CHECK(ix->layers[1].is_e_relative && !ix->layers[2].is_e_relative);
	gcode_index_free(ix);
}

/* 20 layers, with numbers that come again, go back, and stand in the midst of a layer. */
static void write_liar(struct buf *b, bool has_numbers)
{
	buf_add_str(b, ";LAYER_COUNT:4000000000\nM83\nG28\n");
	for (int i = 0; i < 20; i++) {
		int number = i == 5 ? 4 : i == 9 ? 2 : i > 15 ? i - 10 : i;

		if (has_numbers)
			buf_printf(b, ";LAYER:%d\n", number);
		else
			buf_printf(b, ";LAYER_CHANGE\n;Z:%.1f\n", 90.0 - i);
		buf_printf(b, "G1 Z%.1f F600\nG1 X10 Y10\nG1 X50 Y10 E1\n", 0.2 * (i + 1));
		if (has_numbers && (i == 7 || i == 12))
			buf_printf(b, ";LAYER:%d\n;LAYER:%d\n", number, 3);
		buf_add_str(b, "G1 X50 Y50 E1\n");
	}
}

static const char objects[] =
	";LAYER_COUNT:2\nM83\n;LAYER:0\nG1 Z0.2\nG1 X1 E1\n;LAYER:1\nG1 Z0.9\n"
	"G1 X2 E1\n;LAYER:0\nG1 Z0.2\nG1 X9 E1\n;LAYER:1\nG1 Z0.9\nG1 X8 E1\n";

/* A wiping tower without sparse layers lags behind: each layer begins lower than it is. */
TEST(index_takes_no_layer_for_a_lie_whose_tower_is_lower)
{
	static const char lagging[] =
		"M83\n;LAYER_CHANGE\n;Z:5\nG1 Z5\nG1 X10 Y10\nG1 X20 E1\n"
		";LAYER_CHANGE\n;Z:5.2\nG1 Z0.2\nG1 X90 Y90\nG1 X99 E1\nG1 Z5.2\nG1 X20 Y10\n"
		"G1 X10 E1\n;LAYER_CHANGE\n;Z:5.4\nG1 Z0.4\nG1 X90 Y90\nG1 X99 E1\nG1 Z5.4\n"
		"G1 X20 Y10\nG1 X10 E1\nG1 Z0.4\nG1 X90 Y90\nG1 X99 E1\n";
	struct gcode_index *ix = index_of(lagging, sizeof(lagging) - 1);
	char lie[300];

	CHECK_INT(ix->n_layers, 3);
	CHECK(!gcode_index_lie(ix, lie, sizeof(lie)));
	CHECK(fabs(gcode_index_z(ix, 2) - 5.2) < 1e-4 && fabs(gcode_index_z(ix, 3) - 5.4) < 1e-4);
	gcode_index_free(ix);
}

static const char unmarked[] =
	";LAYER_COUNT:9\nM83\nG1 Z0.2\nG1 X1 E1\nG1 Z0.4\nG1 X2 E1\nG1 Z0.6\n"
	"G1 X3 E1\n";

TEST(index_counts_the_layers_of_a_file_that_lies_and_says_so)
{
	char lie[300];

	for (int i = 0; i < 2; i++) {
		auto_buf struct buf text = { 0 };

		write_liar(&text, i == 0);

		struct gcode_index *ix = index_of(text.data, text.size);

		CHECK_INT(ix->n_layers, 20);
		for (size_t k = 0; k < 20; k++) {
			CHECK(fabs((double)ix->layers[k].z_mm - 0.2 * (double)(k + 1)) < 1e-4);
			CHECK(text.data[ix->layers[k].byte] == ';');
		}
		CHECK(gcode_index_lie(ix, lie, sizeof(lie)));
		CHECK(strstr(lie, "says that it has 4000000000 layers and has 20"));
		CHECK(i == 1 || strstr(lie, "layer numbers come again or go back"));
		CHECK(i == 0 || strstr(lie, "20 of its layers are printed elsewhere"));
		gcode_index_free(ix);
	}

	struct gcode_index *ix = index_of(towers, sizeof(towers) - 1);

	CHECK(gcode_index_lie(ix, lie, sizeof(lie)));
	CHECK_STR(lie, "1 of its layers are printed elsewhere than at the height it names");
	gcode_index_free(ix);
	/* Objects one after the other count anew, and each by itself. */
	ix = index_of(objects, sizeof(objects) - 1);
	CHECK_INT(ix->n_layers, 4);
	CHECK(ix->is_by_object && !gcode_index_lie(ix, lie, sizeof(lie)));
	CHECK_STR(lie, "");
	gcode_index_free(ix);
	/* Without marks nobody knows which heights are layers. */
	ix = index_of(unmarked, sizeof(unmarked) - 1);
	CHECK(ix->n_layers == 3 && ix->n_layers_named == 9);
	CHECK(!gcode_index_lie(ix, lie, sizeof(lie)));
	gcode_index_free(ix);
}

TEST(index_notes_the_lines_that_begin_with_a_mark_however_torn)
{
	for (size_t piece = 1; piece < sizeof(towers); piece += 7) {
		struct gcode_scan *s = gcode_scan_new(&(struct gcode_options){ .mark = "M240" });
		struct gcode_index *made = NULL;

		for (size_t at = 0; at < sizeof(towers) - 1; at += piece)
			gcode_scan_feed(s, towers + at, MIN(piece, sizeof(towers) - 1 - at));
		CHECK(gcode_scan_end(s, &made, NULL) == 0);

		struct gcode_index *ix = made;

		CHECK_INT(ix->n_marks, 2);
		CHECK(strncmp(towers + ix->marks[0], "M240\n", 5) == 0);
		CHECK(strncmp(towers + ix->marks[1], "M240 Z0.4", 9) == 0);
		CHECK_INT(gcode_index_layer_at_byte(ix, ix->marks[0]), 2);
		gcode_index_free(ix);
	}
}

TEST(index_of_every_slicers_file_is_the_same_in_pieces)
{
	static const char *const files[] = {
		"bambustudio_2.4_a1mini_cube_plate_1.gcode",
		"cura_4.10_multi_object.gcode",
		"icesl_2021.gcode",
		"kirimoto_3.0.gcode",
		"kisslicer_1.6.3.gcode",
		"orcaslicer_2.3.1_p1s_cube_plate_1.gcode",
		"prusaslicer_2.3.3_small.gcode",
		"prusaslicer_2.4_arcwelder_objects.gcode",
		"prusaslicer_2.4_m486_objects.gcode",
		"prusaslicer_2.8.1_mini_cube.gcode",
		"simplify3d.gcode",
		"slic3r_1.3.1.gcode",
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		char path[128];
		size_t size;

		(void)snprintf(path, sizeof(path), "data/gcode/%s", files[i]);

		auto_free char *text = read_shared(path, &size);

		if (!text)
			SKIP("the developers' G-code is not here");
		check_quick(text, size);
	}
}
