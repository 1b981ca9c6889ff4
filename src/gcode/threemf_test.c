/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/threemf.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/test.h"
#include "gcode/file.h"
#include "gcode/outline.h"

/* A whole file of the developers' data, or NULL. */
static char *read_shared(const char *path, size_t *ret_size)
{
	const char *full = test_shared(path);
	FILE *f = full ? fopen(full, "rb") : NULL;

	if (!f)
		return NULL;
	(void)fseek(f, 0, SEEK_END);

	size_t size = (size_t)ftell(f);
	char *bytes = malloc(size);

	rewind(f);
	CHECK(fread(bytes, 1, size, f) == size);
	(void)fclose(f);
	*ret_size = size;
	return bytes;
}

struct expected {
	const char *file;
	unsigned plate;
	unsigned layers;
	double z_max, prediction_s, weight_g;
	const char *slicer;
};

static void check_plate(const struct expected *e)
{
	char path[256];
	size_t size;
	struct gcode_threemf *t;
	struct gcode_index *ix;
	struct err err = { 0 };

	(void)snprintf(path, sizeof(path), "data/bambu/3mf/%s", e->file);

	auto_free char *bytes = read_shared(path, &size);

	CHECK(bytes != NULL);
	CHECK(gcode_threemf_open(bytes, size, &t, &err) == 0);

	const struct gcode_plate *p = gcode_threemf_plate(t, e->plate);

	CHECK(p && p->has_gcode);
	CHECK(fabs(p->prediction_s - e->prediction_s) < 0.5);
	CHECK(fabs(p->weight_g - e->weight_g) < 0.01);
	CHECK_INT(gcode_threemf_check_md5(t, e->plate, &err), 0);
	CHECK(gcode_threemf_index(t, e->plate, NULL, &ix, &err) == 0);
	CHECK_INT(ix->n_layers, e->layers);
	CHECK_INT(ix->n_layers_named, e->layers);
	CHECK(fabs(ix->z_max - e->z_max) < 1e-3);
	CHECK_STR(ix->slicer_name, e->slicer);
	CHECK(fabs(ix->time_s - e->prediction_s) <= 1);
	CHECK(fabs(ix->filament_g - e->weight_g) < 0.02);
	CHECK(ix->thumbnail.format == GCODE_PICTURE_PNG && ix->thumbnail.width >= 128);
	for (size_t i = 0; i < ix->n_layers; i++)
		CHECK_INT(ix->layers[i].reported, (int)i + 1);
	gcode_index_free(ix);
	gcode_threemf_close(t);
}

TEST(threemf_tells_what_the_slicer_packed)
{
	static const struct expected files[] = {
		{ "a1mini_cube_studio2.4.gcode.3mf", 1, 90, 18, 1095, 2.83, "BambuStudio" },
		{ "p1s_cube_orca2.3.1.gcode.3mf", 1, 50, 10, 686, 0.81, "OrcaSlicer" },
		{ "p1s_two_objects_petgcf_studio2.5.gcode.3mf", 1, 88, 17.6, 1958, 10.18,
		  "BambuStudio" },
		{ "x1c_two_plates_studio2.4.gcode.3mf", 1, 128, 25.6, 1216, 6.75, "BambuStudio" },
		{ "x1c_two_plates_studio2.4.gcode.3mf", 2, 128, 25.6, 1094, 3.91, "BambuStudio" },
	};

	if (!test_shared("data/bambu/3mf"))
		SKIP("the developers' 3MF files are not here");
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		check_plate(&files[i]);
}

TEST(threemf_says_that_a_project_was_not_sliced)
{
	size_t size;
	auto_free char *bytes =
		read_shared("data/bambu/3mf/x1c_two_plates_unsliced_studio2.4.3mf", &size);
	struct gcode_threemf *t;
	struct err err = { 0 };

	if (!bytes)
		SKIP("the developers' 3MF files are not here");
	CHECK(gcode_threemf_open(bytes, size, &t, &err) == -ENODATA);
	CHECK(strstr(err.text, "slice it") != NULL);
}

TEST(bgcode_equals_its_text)
{
	static const char *const paths[] = { "data/gcode/prusaslicer_2.8.1_mini_cube.gcode",
		                             "data/gcode/prusaslicer_2.8.1_mini_cube.bgcode" };
	struct gcode_index *ix[2];
	struct err err = { 0 };

	for (size_t i = 0; i < 2; i++) {
		size_t size;
		auto_free char *bytes = read_shared(paths[i], &size);

		if (!bytes)
			SKIP("the developers' G-code is not here");
		CHECK(gcode_bytes_index(bytes, size, 0, NULL, &ix[i], &err) == 0);
	}
	CHECK_INT(ix[1]->n_layers, ix[0]->n_layers);
	CHECK_STR(ix[1]->slicer_name, ix[0]->slicer_name);
	CHECK_INT(ix[1]->n_extruding, ix[0]->n_extruding);
	CHECK(fabs(ix[1]->tools[0].mm_moves - ix[0]->tools[0].mm_moves) < 1e-3);
	CHECK(fabs(ix[1]->time_s - ix[0]->time_s) < 1);
	CHECK(fabs(ix[1]->filament_g - ix[0]->filament_g) < 0.01);
	CHECK(ix[1]->n_thumbnails == ix[0]->n_thumbnails);
	for (size_t i = 0; i < ix[0]->n_layers; i++)
		CHECK(fabs((double)(ix[0]->layers[i].z_mm - ix[1]->layers[i].z_mm)) < 1e-4);
	gcode_index_free(ix[0]);
	gcode_index_free(ix[1]);
}

TEST(bgcode_of_another_version_too)
{
	size_t size;
	auto_free char *bytes = read_shared("data/gcode/prusaslicer_2.9.4_box_mk4.bgcode", &size);
	struct gcode_index *ix;
	struct err err = { 0 };

	if (!bytes)
		SKIP("the developers' G-code is not here");
	CHECK(gcode_bytes_index(bytes, size, 0, NULL, &ix, &err) == 0);
	print_message("%zu layers to %.2f mm, %.0f s, %.2f g, %s %s, thumb %s %ux%u\n",
	              ix->n_layers, ix->z_max, ix->time_s, ix->filament_g, ix->slicer_name,
	              ix->slicer_version, gcode_picture_name(ix->thumbnail.format),
	              ix->thumbnail.width, ix->thumbnail.height);
	CHECK(ix->n_layers > 10);
	CHECK(ix->n_layers == ix->n_layers_named || ix->n_layers_named == 0);
	gcode_index_free(ix);

	/* One byte changed anywhere is noticed. */
	for (size_t i = 10; i < size; i += size / 37) {
		bytes[i] ^= 1;
		ix = NULL;
		CHECK(gcode_bytes_index(bytes, size, 0, NULL, &ix, &err) < 0);
		bytes[i] ^= 1;
	}
}
