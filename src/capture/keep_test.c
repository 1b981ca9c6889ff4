/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "capture/export.h"
#include "capture/ground.h"
#include "capture/keep.h"
#include "capture/plan.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "gcode/crc32.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "media/still.h"
#include "store/tar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALL_MS INT64_C(1732184405000)

/* A grey picture with a light square at x, and the noise of a sensor. */
static struct frame *picture(unsigned x, unsigned seed)
{
	const unsigned width = 640, height = 480;
	auto_free uint8_t *px = mem_new((size_t)width * height * 4);
	struct frame *f = NULL;

	for (unsigned i = 0; i < width * height; i++) {
		bool is_in =
			i % width >= x && i % width < x + 120 && i / width > 180 && i / width < 300;

		seed = seed * 1664525 + 1013904223;
		px[4 * i] = px[4 * i + 1] = px[4 * i + 2] =
			(uint8_t)((is_in ? 200 : 90) + seed % 1000 % 7);
	}
	CHECK(jpeg_encode_rgbx(px, width, height, 90, &f, NULL) == 0);
	f->captured_wall_ms = WALL_MS;
	return f;
}

TEST(still_tells_a_moving_head_from_noise)
{
	auto_frame struct frame *a = picture(100, 1);
	auto_frame struct frame *b = picture(100, 2);
	auto_frame struct frame *c = picture(130, 3);
	double share;

	CHECK(still_measure(a, b, &share, NULL) == 0);
	CHECK(share <= STILL_SHARE);
	CHECK(still_measure(b, c, &share, NULL) == 0);
	CHECK(share > STILL_SHARE);
}

static struct capture a_capture(void)
{
	struct capture c = { .layer = 12,
		             .z_mm = 2.4,
		             .mode = CAPTURE_GRID,
		             .state = CAPTURE_COMPLETED,
		             .started_wall_ms = WALL_MS,
		             .job_started_wall_ms = WALL_MS - 60000,
		             .n_points = 1 };

	TEXT_SET(c.id, "01JD0000000000000000000001");
	TEXT_SET(c.printer, "mk3");
	TEXT_SET(c.job, "01JC0000000000000000000001");
	TEXT_SET(c.session, "01JS0000000000000000000001");
	TEXT_SET(c.job_name, "=Benchy, \"best\"");
	TEXT_SET(c.job_file, "benchy.gcode");
	TEXT_SET(c.folder, "captures/2024-11-21");
	return c;
}

static struct capture_picture a_picture(unsigned index)
{
	struct capture_picture p = { .index = index,
		                     .x_mm = 105,
		                     .y_mm = 95.5,
		                     .z_mm = 7.4,
		                     .grid = { 0, 1, 2 },
		                     .at_wall_ms = WALL_MS,
		                     .is_still = true };

	capture_telemetry_init(&p.telemetry);
	p.telemetry.nozzle_c = 209.8125;
	p.telemetry.layer_s = 12;
	TEXT_SET(p.camera, "top");
	return p;
}

static bool exists(const char *dir, const char *folder, const char *name)
{
	auto_free char *path = mem_printf("%s/%s/%s", dir, folder, name);

	return name[0] && access(path, R_OK) == 0;
}

TEST(keep_never_overwrites_and_names_as_people_know_it)
{
	const char *dir = test_tmp_dir();
	struct capture c = a_capture();
	struct capture_plan plan;
	auto_frame struct frame *f = picture(50, 1);
	struct capture_picture p = a_picture(3), again = a_picture(3), other = a_picture(3);

	(void)setenv("TZ", "UTC", 1); /* NOLINT(concurrency-mt-unsafe) */
	capture_plan_init(&plan);
	CHECK(keep_picture(dir, &c, &plan, &(struct keep_shot){ f, true }, &p, NULL) == 0);
	CHECK(keep_picture(dir, &c, &plan, &(struct keep_shot){ f, true }, &again, NULL) == 0);
	CHECK(keep_picture(dir, &c, &plan, &(struct keep_shot){ f, false }, &other, NULL) == 0);
	CHECK_STR(p.file, "layer_0012_pos_03_z_2_40_20241121_102005.jpg");
	CHECK_STR(p.thumbnail, "layer_0012_pos_03_z_2_40_20241121_102005_thumb.jpg");
	CHECK_STR(again.file, "layer_0012_pos_03_z_2_40_20241121_102005_2.jpg");
	CHECK_STR(other.file, "layer_0012_pos_03_z_2_40_20241121_102005_top.jpg");
	CHECK(exists(dir, c.folder, p.file) && exists(dir, c.folder, p.thumbnail));
	CHECK(p.bytes == f->size && strlen(p.sha256) == 64);

	auto_buf struct buf small = { 0 };
	auto_free char *path = mem_printf("%s/%s/%s", dir, c.folder, p.thumbnail);
	struct jpeg_pixels px = { 0 };

	CHECK(fs_read(path, 1 << 20, &small, NULL) == 0);
	CHECK(jpeg_decode((const uint8_t *)small.data, small.size, 0, &px, NULL) == 0);
	CHECK(px.width <= 160 && px.height <= 120 && px.width >= 150);
	jpeg_pixels_fini(&px);
}

TEST(keep_writes_metadata_with_all_that_the_picture_needs)
{
	const char *dir = test_tmp_dir();
	struct capture c = a_capture();
	struct capture_plan plan;
	auto_frame struct frame *f = picture(50, 1);
	struct capture_picture p = a_picture(0);
	auto_buf struct buf b = { 0 };
	json_t *j, *image;

	capture_plan_init(&plan);
	TEXT_SET(plan.calibration, "calib.json");
	CHECK(keep_picture(dir, &c, &plan, &(struct keep_shot){ f, true }, &p, NULL) == 0);
	CHECK(keep_metadata(dir, &c, &plan, &p, 1, NULL) == 0);

	auto_free char *path = mem_printf("%s/%s/%s", dir, c.folder, c.metadata);

	CHECK(fs_read(path, 1 << 20, &b, NULL) == 0);
	j = json_loadb(b.data, b.size, 0, NULL);
	CHECK_INT(json_integer_value(json_object_get(j, "layer")), 12);
	CHECK(json_number_value(json_object_get(j, "z_height")) == 2.4);
	CHECK_STR(json_string_value(json_object_get(j, "calibration_file_path")), "calib.json");
	CHECK_STR(json_string_value(json_object_get(j, "job_id")), c.job);
	CHECK_STR(json_string_value(json_object_get(j, "session_id")), c.session);
	image = json_array_get(json_object_get(j, "images"), 0);
	CHECK_STR(json_string_value(json_object_get(image, "path")), p.file); /* relative */
	CHECK_STR(json_string_value(json_object_get(image, "sha256")), p.sha256);
	CHECK_INT(json_integer_value(json_object_get(json_object_get(image, "grid_index"), "z")),
	          2);
	CHECK_INT(json_object_size(json_object_get(j, "settings")), CAPTURE_PLAN_N_OPTS);
	json_decref(j);
	/* Not every print is photographed by a session. */
	c.session[0] = '\0';
	j = keep_metadata_json(&c, &plan, &p, 1);
	CHECK(json_is_null(json_object_get(j, "session_id")));
	CHECK_STR(json_string_value(json_object_get(j, "job_id")), c.job);
	json_decref(j);
}

/* All of an archive, read in pieces of an odd size. */
static void read_archive(const char *dir, enum export_kind kind, const struct capture *c,
                         const struct capture_picture *pics, size_t n, struct buf *ret)
{
	struct export_item *it = mem_new_array(1, sizeof(*it));
	struct export_stream *s;
	char piece[777];
	ssize_t got;

	it->capture = *c;
	it->pictures = mem_dup(pics, n * sizeof(*pics));
	it->n = n;
	s = export_open(kind, dir, it, 1);
	while ((got = export_read(s, piece, sizeof(piece), NULL)) > 0)
		buf_add(ret, piece, (size_t)got);
	CHECK(got == 0);
	export_close(s);
}

TEST(export_makes_an_archive_that_unzip_and_tar_take)
{
	const char *dir = test_tmp_dir();
	struct capture c = a_capture();
	struct capture_plan plan;
	auto_frame struct frame *f = picture(50, 1);
	struct capture_picture p[3] = { a_picture(0), a_picture(1), a_picture(2) };
	auto_buf struct buf zip = { 0 };
	auto_buf struct buf tar = { 0 };
	const char *csv;

	capture_plan_init(&plan);
	for (unsigned i = 0; i < 3; i++)
		CHECK(keep_picture(dir, &c, &plan, &(struct keep_shot){ f, true }, &p[i], NULL) ==
		      0);
	CHECK(keep_metadata(dir, &c, &plan, p, 3, NULL) == 0);
	/* One is gone by now. */
	auto_free char *path = mem_printf("%s/%s/%s", dir, c.folder, p[1].file);

	CHECK(unlink(path) == 0);
	read_archive(dir, EXPORT_ZIP, &c, p, 3, &zip);
	CHECK(memcmp(zip.data, "PK\3\4", 4) == 0);
	/* Two pictures, three thumbnails, the metadata. */
	CHECK_INT((uint8_t)zip.data[zip.size - 12], 6);
	CHECK(memmem(zip.data, zip.size, "captures/2024-11-21/layer_0012_metadata_", 40) != NULL);

	read_archive(dir, EXPORT_DATASET, &c, p, 3, &tar);
	CHECK(tar.size % TAR_BLOCK == 0);
	CHECK_STR(tar.data, "000000.jpg");
	CHECK(memmem(tar.data, tar.size, "000001.json", 12) &&
	      !memmem(tar.data, tar.size, "000002.jpg", 11));
	csv = memmem(tar.data, tar.size, "picture,capture,layer", 21);
	CHECK(csv != NULL);
	/* A name that a spreadsheet would take for a formula. */
	CHECK(strstr(csv, "\"'=Benchy, \"\"best\"\"\"") != NULL);
	/* What is not known is empty. */
	CHECK(strstr(csv, ",sha256,nozzle_c,nozzle_target_c,") != NULL);
	CHECK(strstr(csv, ",209.813,,,,,,,,,,,,12,,,01JC0000000000000000000001,"
	                  "01JS0000000000000000000001\r\n") != NULL);
	static const char telemetry[] = "\"telemetry\":{\"nozzle_c\":209.813,\"layer_s\":12.0}";

	CHECK(memmem(tar.data, tar.size, telemetry, sizeof(telemetry) - 1) != NULL);
}

TEST(ground_finds_the_feed_rate_in_force)
{
	static const char text[] =
		"G1 X1 F1200 ; F9\ng0 Y2 F9000\n;G1 F5\nG1 X3 E1\nG10 F7\nG1 X4 F";

	CHECK(ground_feed_in(text, sizeof(text) - 1) == 9000);
	CHECK(ground_feed_in(text, 18) == 1200);
	CHECK(isnan(ground_feed_in(text, 5)));
	CHECK(isnan(ground_feed_in("", 0)));
}
