/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/export.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/when.h"
#include "core/fs.h"
#include "gcode/crc32.h"
#include "model/json.h"
#include "store/tar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FILE_MAX_BYTES ((size_t)64 << 20) /* one picture, one metadata file */
#define ZIP_LIMIT32 0xffffffffU
#define ZIP_VERSION 45 /* with ZIP64 */

struct export_stream {
	enum export_kind kind;
	char *data_dir;
	struct export_item *items;
	size_t n, item, picture;
	struct buf out; /* made, not yet read */
	size_t at;
	uint64_t n_bytes;     /* made before `out` */
	struct buf directory; /* zip: the central one */
	uint64_t n_entries;
	struct buf csv, lines; /* dataset */
	unsigned sample;
	bool is_over;
};

/* ---- bytes ---- */

static void put(struct buf *b, uint64_t v, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		buf_add_char(b, (char)(uint8_t)(v >> (8 * i)));
}

/* The date in the high half, the time in the low one (APPNOTE 4.4.6). */
static uint32_t dos_time(int64_t wall_ms)
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;

	if (!gmtime_r(&t, &tm) || tm.tm_year < 80)
		return 0x210000;
	return (uint32_t)((tm.tm_year - 80) << 25 | (tm.tm_mon + 1) << 21 | tm.tm_mday << 16 |
	                  tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec / 2);
}

struct entry {
	const char *name;
	const void *bytes;
	size_t size; /* below FILE_MAX_BYTES */
	int64_t wall_ms;
};

static void zip_common(struct buf *b, const struct entry *e, uint32_t crc)
{
	put(b, 0x0800, 2); /* names are UTF-8 */
	put(b, 0, 2);      /* stored */
	put(b, dos_time(e->wall_ms), 4);
	put(b, crc, 4);
	put(b, e->size, 4);
	put(b, e->size, 4);
	put(b, strlen(e->name), 2);
}

static void zip_entry(struct export_stream *s, const struct entry *e)
{
	uint64_t at = s->n_bytes + s->out.size;
	uint32_t crc = gcode_crc32(0, e->bytes, e->size);
	bool is_far = at >= ZIP_LIMIT32;

	put(&s->out, 0x04034b50, 4);
	put(&s->out, ZIP_VERSION, 2);
	zip_common(&s->out, e, crc);
	put(&s->out, 0, 2);
	buf_add_str(&s->out, e->name);
	buf_add(&s->out, e->bytes, e->size);

	put(&s->directory, 0x02014b50, 4);
	put(&s->directory, ZIP_VERSION | 3 << 8, 2); /* made on Unix */
	put(&s->directory, ZIP_VERSION, 2);
	zip_common(&s->directory, e, crc);
	put(&s->directory, is_far ? 12 : 0, 2);
	put(&s->directory, 0, 2 + 2 + 2); /* comment, disk, kind */
	put(&s->directory, (uint64_t)0100644 << 16, 4);
	put(&s->directory, is_far ? ZIP_LIMIT32 : at, 4);
	buf_add_str(&s->directory, e->name);
	if (is_far) {
		put(&s->directory, 1, 2);
		put(&s->directory, 8, 2);
		put(&s->directory, at, 8);
	}
	s->n_entries++;
}

static void zip_end(struct export_stream *s)
{
	uint64_t at = s->n_bytes + s->out.size, size = s->directory.size;
	bool is_large = at >= ZIP_LIMIT32 || s->n_entries >= 0xffff;

	buf_add(&s->out, buf_peek(&s->directory), s->directory.size);
	if (is_large) {
		put(&s->out, 0x06064b50, 4);
		put(&s->out, 44, 8);
		put(&s->out, ZIP_VERSION, 2);
		put(&s->out, ZIP_VERSION, 2);
		put(&s->out, 0, 8);
		put(&s->out, s->n_entries, 8);
		put(&s->out, s->n_entries, 8);
		put(&s->out, size, 8);
		put(&s->out, at, 8);
		put(&s->out, 0x07064b50, 4);
		put(&s->out, 0, 4);
		put(&s->out, at + size, 8);
		put(&s->out, 1, 4);
	}
	put(&s->out, 0x06054b50, 4);
	put(&s->out, 0, 4);
	put(&s->out, is_large ? 0xffff : s->n_entries, 2);
	put(&s->out, is_large ? 0xffff : s->n_entries, 2);
	put(&s->out, is_large ? ZIP_LIMIT32 : size, 4);
	put(&s->out, is_large ? ZIP_LIMIT32 : at, 4);
	put(&s->out, 0, 2);
}

static void zeros(struct buf *b, size_t n)
{
	static const char none[TAR_END_SIZE];

	buf_add(b, none, n);
}

static void tar_entry(struct export_stream *s, const struct entry *e)
{
	uint8_t head[TAR_BLOCK];

	if (!tar_header(head, e->name, e->size, e->wall_ms / 1000))
		return;
	buf_add(&s->out, head, sizeof(head));
	buf_add(&s->out, e->bytes, e->size);
	zeros(&s->out, tar_padding(e->size));
}

/* ---- what goes in ---- */

/* A file of a capture; false: it is gone. */
static bool read_file(const struct export_stream *s, const struct capture *c, const char *name,
                      struct buf *ret)
{
	auto_free char *below = mem_printf("%s/%s", c->folder, name);
	char path[1400];

	return name[0] && fs_join_confined(path, sizeof(path), s->data_dir, below) &&
	       fs_read(path, FILE_MAX_BYTES, ret, NULL) == 0;
}

static void zip_file(struct export_stream *s, const struct capture *c, const char *name,
                     int64_t wall_ms)
{
	auto_buf struct buf b = { 0 };
	char full[300];

	if (!read_file(s, c, name, &b))
		return;
	(void)snprintf(full, sizeof(full), "%s/%s", c->folder, name);
	zip_entry(s, &(struct entry){ full, buf_peek(&b), b.size, wall_ms });
}

static json_t *sample_json(const struct capture *c, const struct capture_picture *p,
                           const char *picture)
{
	return json_pack(
		"{s:s, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:i, s:[i,i,i], s:o, s:o, s:o, "
		"s:o, s:s, s:I, s:i, s:i, s:b, s:o, s:o, s:o}",
		"picture", picture, "file", json_text(p->file), "capture", json_text(c->id),
		"layer", c->layer, "z_mm", json_or_null(c->z_mm), "x", json_or_null(p->x_mm), "y",
		json_or_null(p->y_mm), "z", json_or_null(p->z_mm), "index", (int)p->index, "grid",
		p->grid[0], p->grid[1], p->grid[2], "camera", json_text(p->camera), "printer",
		json_text(c->printer), "job", json_text(c->job_name), "at",
		json_time(p->at_wall_ms), "sha256", p->sha256, "bytes", (json_int_t)p->bytes,
		"width", (int)p->width, "height", (int)p->height, "is_still", (int)p->is_still,
		"telemetry", json_capture_telemetry(&p->telemetry), "job_id", json_text(c->job),
		"session_id", c->session[0] ? json_text(c->session) : json_null());
}

/* A field of a CSV (RFC 4180), and nothing a spreadsheet would run. */
static void csv_text(struct buf *b, const char *text)
{
	buf_add_char(b, '"');
	if (*text && strchr("=+-@\t\r", *text))
		buf_add_char(b, '\'');
	for (; *text; text++) {
		if (*text == '"')
			buf_add_char(b, '"');
		buf_add_char(b, *text);
	}
	buf_add_str(b, "\",");
}

/* A thousandth, as short as can be; empty: unknown. */
static void csv_real(struct buf *b, double v)
{
	if (isfinite(v))
		buf_printf(b, ",%.10g", round(v * 1000) / 1000);
	else
		buf_add_char(b, ',');
}

static void csv_head(struct buf *b)
{
	buf_add_str(b, "picture,capture,layer,z_mm,x,y,z,index,grid_x,grid_y,grid_z,camera,"
	               "printer,job,at,bytes,sha256");
	for (size_t i = 0; i < CAPTURE_TELEMETRY_N; i++)
		buf_printf(b, ",%s", capture_telemetry_fields[i].name);
	buf_add_str(b, ",job_id,session_id\r\n");
}

static void csv_line(struct buf *b, const struct capture *c, const struct capture_picture *p,
                     const char *picture)
{
	char at[WHEN_TEXT_SIZE];

	if (b->size == 0)
		csv_head(b);
	csv_text(b, picture);
	buf_printf(b, "%s,%d", c->id, c->layer);
	csv_real(b, c->z_mm);
	csv_real(b, p->x_mm);
	csv_real(b, p->y_mm);
	csv_real(b, p->z_mm);
	buf_printf(b, ",%u,%d,%d,%d,", p->index, p->grid[0], p->grid[1], p->grid[2]);
	csv_text(b, p->camera);
	csv_text(b, c->printer);
	csv_text(b, c->job_name);
	buf_printf(b, "%s,%llu,%s", when_iso(at, p->at_wall_ms), (unsigned long long)p->bytes,
	           p->sha256);
	for (size_t i = 0; i < CAPTURE_TELEMETRY_N; i++)
		csv_real(b, capture_telemetry_value(&p->telemetry, i));
	buf_printf(b, ",%s,%s\r\n", c->job, c->session);
}

static void sample(struct export_stream *s, const struct capture *c,
                   const struct capture_picture *p)
{
	auto_buf struct buf b = { 0 };
	char name[32];

	if (!read_file(s, c, p->file, &b))
		return;
	(void)snprintf(name, sizeof(name), "%06u.jpg", s->sample);
	tar_entry(s, &(struct entry){ name, buf_peek(&b), b.size, p->at_wall_ms });

	json_t *j = sample_json(c, p, name);
	auto_free char *text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);

	json_decref(j);
	if (!text)
		return;
	csv_line(&s->csv, c, p, name);
	buf_printf(&s->lines, "%s\n", text);
	(void)snprintf(name, sizeof(name), "%06u.json", s->sample++);
	tar_entry(s, &(struct entry){ name, text, strlen(text), p->at_wall_ms });
}

static void make_end(struct export_stream *s)
{
	int64_t now_ms = (int64_t)time(NULL) * 1000;

	s->is_over = true;
	if (s->kind == EXPORT_ZIP) {
		zip_end(s);
		return;
	}
	tar_entry(s, &(struct entry){ "index.csv", buf_peek(&s->csv), s->csv.size, now_ms });
	tar_entry(s, &(struct entry){ "index.jsonl", buf_peek(&s->lines), s->lines.size, now_ms });
	zeros(&s->out, TAR_END_SIZE);
}

/* The next picture with what belongs to it, or the end. */
static void make_more(struct export_stream *s)
{
	const struct export_item *it = &s->items[s->item];
	const struct capture *c = &it->capture;

	if (s->item >= s->n) {
		make_end(s);
	} else if (s->picture >= it->n) {
		if (s->kind == EXPORT_ZIP)
			zip_file(s, c, c->metadata, c->started_wall_ms);
		s->item++;
		s->picture = 0;
	} else {
		const struct capture_picture *p = &it->pictures[s->picture++];

		if (s->kind == EXPORT_DATASET) {
			sample(s, c, p);
		} else {
			zip_file(s, c, p->file, p->at_wall_ms);
			zip_file(s, c, p->thumbnail, p->at_wall_ms);
		}
	}
}

struct export_stream *export_open(enum export_kind kind, const char *data_dir,
                                  struct export_item *items, size_t n)
{
	struct export_stream *s = MEM_NEW(struct export_stream);

	s->kind = kind;
	s->data_dir = mem_str(data_dir);
	s->items = items;
	s->n = n;
	return s;
}

ssize_t export_read(struct export_stream *s, void *dst, size_t size, struct err *err)
{
	size_t got = 0;

	while (got < size) {
		size_t n = MIN(size - got, s->out.size - s->at);

		if (n == 0 && s->is_over)
			break;
		if (n == 0) {
			s->n_bytes += s->out.size;
			s->at = 0;
			buf_clear(&s->out);
			make_more(s);
			if (s->out.overflown)
				return err_set(err, -EFBIG, "the archive is too large");
			continue;
		}
		memcpy((char *)dst + got, s->out.data + s->at, n);
		s->at += n;
		got += n;
	}
	return (ssize_t)got;
}

void export_close(struct export_stream *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->items[i].pictures);
	free(s->items);
	free(s->data_dir);
	buf_fini(&s->out);
	buf_fini(&s->directory);
	buf_fini(&s->csv);
	buf_fini(&s->lines);
	free(s);
}
