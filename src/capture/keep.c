/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/keep.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "capture/plan.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "model/json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THUMB_QUALITY 75 /* the original's */
#define MAX_SAME_NAME 1000

/* "20261121_143000", local. */
static void stamp(char dst[24], int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || strftime(dst, 24, "%Y%m%d_%H%M%S", &tm) == 0)
		text_copy(dst, 24, "19700101_000000");
}

void keep_folder(char dst[128], const struct capture_plan *plan, int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	char day[16] = "1970-01-01";
	struct tm tm;

	if (localtime_r(&t, &tm))
		(void)strftime(day, sizeof(day), "%Y-%m-%d", &tm);
	(void)snprintf(dst, 128, "%s/%s", plan->folder, day);
}

/* Writes all and syncs; the file is new. */
static int write_new(const char *path, const void *bytes, size_t size, struct err *err)
{
	auto_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, "making %s", path);
	for (size_t at = 0; at < size;) {
		ssize_t n = write(fd, (const char *)bytes + at, size - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(err, "writing %s", path);
		at += (size_t)n;
	}
	if (fdatasync(fd) < 0)
		return err_sys(err, "writing %s", path);
	return 0;
}

/* Puts bytes under `dir`/`name``end`, or under the next free name with a number; what the name became
 * without its end is in `name`. */
static int put(const char *dir, char name[128], const char *end, const void *bytes, size_t size,
               struct err *err)
{
	char id[ID_SIZE], base[128];
	auto_free char *temp =
		mem_printf("%s/.%s.tmp", dir, id_new(id, (int64_t)time(NULL) * 1000));
	int rc = write_new(temp, bytes, size, err);

	text_copy(base, sizeof(base), name);
	for (unsigned i = 1; rc == 0 && i <= MAX_SAME_NAME; i++) {
		if (i > 1)
			(void)snprintf(name, 128, "%.110s_%u", base, i);

		auto_free char *path = mem_printf("%s/%s%s", dir, name, end);

		if (renameat2(AT_FDCWD, temp, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
			return 0;
		/* File systems without that flag have links. */
		if (errno == EINVAL && link(temp, path) == 0) {
			(void)unlink(temp);
			return 0;
		}
		if (errno != EEXIST)
			rc = err_sys(err, "renaming to %s", path);
	}
	(void)unlink(temp);
	return rc < 0 ? rc : err_set(err, -EEXIST, "%s exists a thousand times", base);
}

static void safe_camera(char *dst, size_t size, const char *camera)
{
	text_slug(dst, size, camera);
}

static void picture_name(char dst[128], const struct capture *c, const struct capture_picture *pic,
                         bool is_first_camera)
{
	char z[24] = "0_00", at[24], camera[MODEL_ID_SIZE];
	int n;

	if (!isnan(c->z_mm))
		(void)snprintf(z, sizeof(z), "%.2f", c->z_mm);
	for (char *p = z; *p; p++) {
		if (*p == '.')
			*p = '_';
	}
	stamp(at, pic->at_wall_ms);
	n = snprintf(dst, 128, "layer_%04d_pos_%02u_z_%s_%s", MAX(c->layer, 0), pic->index, z, at);
	if (is_first_camera || n < 0 || n >= 128)
		return;
	safe_camera(camera, sizeof(camera), pic->camera);
	(void)snprintf(dst + n, 128 - (size_t)n, "_%s", camera);
}

static void digest(char dst[65], const void *bytes, size_t size)
{
	uint8_t sum[CRYPTO_SHA256_SIZE];

	crypto_sha256(sum, bytes, size);
	text_hex(dst, sum, sizeof(sum));
}

/* Fits into 160x120 whatever its proportions. */
static int put_thumbnail(const char *dir, const char *name, struct frame *f,
                         struct capture_picture *pic, struct err *err)
{
	auto_frame struct frame *small = NULL;
	unsigned width = KEEP_THUMB_WIDTH;
	char thumb[128];

	if (f->width > 0 && f->height > 0)
		width = MIN(width, KEEP_THUMB_HEIGHT * f->width / f->height);

	int rc = jpeg_shrink(f, MAX(width, 1U), THUMB_QUALITY, &small, err);

	if (rc < 0)
		return rc;
	(void)snprintf(thumb, sizeof(thumb), "%.120s_thumb", name);
	rc = put(dir, thumb, ".jpg", small->data, small->size, err);
	if (rc == 0)
		(void)snprintf(pic->thumbnail, sizeof(pic->thumbnail), "%.120s.jpg", thumb);
	return rc;
}

static struct frame *with_quality(struct frame *f, unsigned quality)
{
	struct jpeg_pixels px = { 0 };
	struct frame *made = NULL;

	if (quality == 0 || jpeg_decode(f->data, f->size, 0, &px, NULL) < 0)
		return frame_ref(f);
	if (jpeg_encode_rgbx(px.rgbx, px.width, px.height, (int)quality, &made, NULL) < 0)
		made = frame_ref(f);
	jpeg_pixels_fini(&px);
	return made;
}

int keep_picture(const char *data_dir, const struct capture *c, const struct capture_plan *plan,
                 const struct keep_shot *shot, struct capture_picture *pic, struct err *err)
{
	struct frame *f = shot->frame;
	auto_free char *dir = mem_printf("%s/%s", data_dir, c->folder);
	auto_frame struct frame *kept = with_quality(f, plan->quality);
	char name[128];
	int rc = fs_make_dirs(dir, err);

	picture_name(name, c, pic, shot->is_first_camera);
	if (rc == 0)
		rc = put(dir, name, ".jpg", kept->data, kept->size, err);
	if (rc < 0)
		return rc;
	(void)snprintf(pic->file, sizeof(pic->file), "%.120s.jpg", name);
	pic->bytes = kept->size;
	pic->width = f->width;
	pic->height = f->height;
	digest(pic->sha256, kept->data, kept->size);
	/* The picture is there: a thumbnail that fails is only missing. */
	if (plan->makes_thumbnails)
		(void)!put_thumbnail(dir, name, f, pic, NULL);
	return fs_sync_dir(dir, err);
}

/* ---- metadata ---- */

static json_t *picture_json(const struct capture_picture *pic)
{
	json_t *grid = json_null();

	if (pic->grid[0] >= 0)
		grid = json_pack("{s:i, s:i, s:i}", "x", pic->grid[0], "y", pic->grid[1], "z",
		                 pic->grid[2]);
	return json_pack(
		"{s:o, s:o, s:{s:o, s:o, s:o}, s:o, s:i, s:o, s:I, s:s, s:i, s:i, s:o, s:b, s:o}",
		"path", json_text(pic->file), "thumbnail",
		pic->thumbnail[0] ? json_text(pic->thumbnail) : json_null(), "position", "x",
		json_or_null(pic->x_mm), "y", json_or_null(pic->y_mm), "z", json_or_null(pic->z_mm),
		"grid_index", grid, "index", (int)pic->index, "camera", json_text(pic->camera),
		"size", (json_int_t)pic->bytes, "sha256", pic->sha256, "width", (int)pic->width,
		"height", (int)pic->height, "timestamp_iso", json_time(pic->at_wall_ms), "is_still",
		(int)pic->is_still, "telemetry", json_capture_telemetry(&pic->telemetry));
}

json_t *keep_metadata_json(const struct capture *c, const struct capture_plan *plan,
                           const struct capture_picture *pics, unsigned n)
{
	json_t *images = json_array(), *j;

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(images, picture_json(&pics[i]));
	j = json_pack("{s:i, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "layer", c->layer,
	              "z_height", json_or_null(c->z_mm), "timestamp",
	              (double)c->started_wall_ms / 1000, "timestamp_iso",
	              json_time(c->started_wall_ms), "gcode_file",
	              c->job_file[0] ? json_text(c->job_file) : json_null(),
	              "calibration_file_path", json_text(plan->calibration), "print_start_time",
	              c->job_started_wall_ms ? json_real((double)c->job_started_wall_ms / 1000)
	                                     : json_null(),
	              "print_start_time_iso", json_time(c->job_started_wall_ms), "images", images,
	              "settings", capture_plan_json(plan));
	json_object_set_new(j, "capture_id", json_text(c->id));
	json_object_set_new(j, "job_id", c->job[0] ? json_text(c->job) : json_null());
	json_object_set_new(j, "session_id", c->session[0] ? json_text(c->session) : json_null());
	json_object_set_new(j, "printer", json_text(c->printer));
	json_object_set_new(j, "job_name", json_text(c->job_name));
	json_object_set_new(j, "trigger", json_text(capture_trigger_name(c->trigger)));
	json_object_set_new(j, "mode", json_text(capture_mode_name(c->mode)));
	json_object_set_new(j, "n_points", json_integer(c->n_points));
	json_object_set_new(j, "paused_s", json_real(c->paused_s));
	json_object_set_new(j, "text", json_text(c->text));
	json_object_set_new(j, "program",
	                    json_pack("{s:s, s:s}", "name", "bedside", "version", BEDSIDE_VERSION));
	json_object_set_new(j, "plugin_version", json_string(BEDSIDE_VERSION));
	return j;
}

int keep_metadata(const char *data_dir, struct capture *c, const struct capture_plan *plan,
                  const struct capture_picture *pics, unsigned n, struct err *err)
{
	auto_free char *dir = mem_printf("%s/%s", data_dir, c->folder);
	json_t *j = keep_metadata_json(c, plan, pics, n);
	char name[128], at[24];
	int rc = fs_make_dirs(dir, err);

	auto_free char *text = json_dumps(j, JSON_INDENT(2) | JSON_SHORT_REALS);

	json_decref(j);
	if (rc < 0)
		return rc;
	if (!text)
		return err_set(err, -EINVAL, "the metadata can not be written as JSON");
	stamp(at, c->started_wall_ms);
	(void)snprintf(name, sizeof(name), "layer_%04d_metadata_%s", MAX(c->layer, 0), at);
	rc = put(dir, name, ".json", text, strlen(text), err);
	if (rc < 0)
		return rc;
	(void)snprintf(c->metadata, sizeof(c->metadata), "%.120s.json", name);
	return fs_sync_dir(dir, err);
}
