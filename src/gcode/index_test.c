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
