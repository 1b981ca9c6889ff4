/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The note of a pause of ours: what the next start needs when this one is killed. */

#include "capture/run_private.h"

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/ground.h"
#include "capture/plan.h"
#include "core/fs.h"
#include "core/work.h"
#include "model/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOTE_MAX 65536

struct writing {
	struct run *run;
	char *path, *text; /* text NULL: remove */
	const char *gcode; /* the run's, "" none */
	int64_t file_pos;
	double feed;
	int rc;
	struct err err;
};

void run_note_path(char *dst, size_t size, const char *data_dir, const char *printer)
{
	(void)snprintf(dst, size, "%s/captures.paused/%s.json", data_dir, printer);
}

static char *path_of(const struct run *r)
{
	char path[1200];

	run_note_path(path, sizeof(path), r->env.data_dir, r->c.printer);
	return mem_str(path);
}

static char *note_text(const struct run *r)
{
	json_t *j = json_pack(
		"{s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:I, s:I, s:b, s:[o,o,o], s:f, s:I, s:b, "
		"s:b, s:b, s:b, s:b, s:o, s:o}",
		"id", r->c.id, "printer", json_text(r->c.printer), "job", json_text(r->c.job),
		"session", json_text(r->c.session), "job_name", json_text(r->c.job_name),
		"job_file", json_text(r->c.job_file), "layer", r->c.layer, "z_mm",
		json_or_null(r->c.z_mm), "started_ms", (json_int_t)r->c.started_wall_ms,
		"job_started_ms", (json_int_t)r->c.job_started_wall_ms, "is_paused",
		(int)r->is_paused, "home", json_or_null(r->home_mm[0]), json_or_null(r->home_mm[1]),
		json_or_null(r->home_mm[2]), "travel_mm", isnan(r->travel_mm) ? 0 : r->travel_mm,
		"file_pos", (json_int_t)r->file_pos, "is_klipper", (int)r->is_klipper,
		"restores_itself", (int)r->restores_itself, "has_modes", (int)r->file.has_modes,
		"is_relative", (int)r->file.is_relative, "is_e_relative",
		(int)r->file.is_e_relative, "feed", json_or_null(r->file.feed_mm_min), "plan",
		capture_plan_json(&r->plan));
	char *text = json_dumps(j, JSON_INDENT(1));

	json_decref(j);
	return text;
}

static void write_it(void *arg)
{
	struct writing *w = arg;
	auto_free char *dir = mem_str(w->path);
	char *slash = strrchr(dir, '/');

	if (slash)
		*slash = '\0';
	if (!w->text) {
		w->rc = unlink(w->path) < 0 && errno != ENOENT
		                ? err_sys(&w->err, "removing %s", w->path)
		                : 0;
		if (w->rc == 0)
			(void)!fs_sync_dir(dir, NULL);
		return;
	}
	if (w->gcode[0] && w->file_pos > 0)
		w->feed = ground_feed(w->gcode, w->file_pos);
	w->rc = fs_make_dirs(dir, &w->err);
	if (w->rc == 0)
		w->rc = fs_write_atomic(w->path, w->text, strlen(w->text), 0600, &w->err);
}

static void written(void *arg)
{
	struct writing *w = arg;
	struct run *r = w->run;

	if (w->text)
		r->file.feed_mm_min = w->feed;
	if (w->text)
		run_note_written(r, w->rc, &w->err);
	free(w->path);
	free(w->text);
	free(w);
	run_disk_done(r);
}

static void submit(struct run *r, char *text)
{
	struct writing *w = MEM_NEW(struct writing);

	w->run = r;
	w->path = path_of(r);
	w->text = text;
	w->gcode = r->file.path;
	w->file_pos = r->file_pos;
	w->feed = r->file.feed_mm_min;
	r->n_disk_jobs++;
	work_submit(r->env.disk, write_it, written, w);
}

void run_note_write(struct run *r)
{
	r->is_noted = true;
	submit(r, note_text(r));
}

void run_note_remove(struct run *r)
{
	if (r->is_noted)
		submit(r, NULL);
	r->is_noted = false;
}

static void read_text(const json_t *j, const char *key, char *dst, size_t size)
{
	text_copy(dst, size, json_string_value(json_object_get(j, key)));
	text_clean(dst);
}

static double read_real(const json_t *v)
{
	return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

int run_note_load(const char *path, struct buf *ret)
{
	return fs_read(path, NOTE_MAX, ret, NULL);
}

bool run_note_read(struct run *r, const struct buf *note)
{
	json_t *j = json_loadb(buf_peek(note), note->size, 0, NULL);
	const json_t *home = json_object_get(j, "home");

	if (!json_is_object(j)) {
		json_decref(j);
		return false;
	}
	capture_plan_init(&r->plan);
	(void)!capture_plan_from_json(&r->plan, json_object_get(j, "plan"), NULL);
	read_text(j, "id", r->c.id, sizeof(r->c.id));
	read_text(j, "printer", r->c.printer, sizeof(r->c.printer));
	read_text(j, "job", r->c.job, sizeof(r->c.job));
	read_text(j, "session", r->c.session, sizeof(r->c.session));
	read_text(j, "job_name", r->c.job_name, sizeof(r->c.job_name));
	read_text(j, "job_file", r->c.job_file, sizeof(r->c.job_file));
	r->c.layer = (int)json_integer_value(json_object_get(j, "layer"));
	r->c.z_mm = read_real(json_object_get(j, "z_mm"));
	r->c.started_wall_ms = json_integer_value(json_object_get(j, "started_ms"));
	r->c.job_started_wall_ms = json_integer_value(json_object_get(j, "job_started_ms"));
	r->is_paused = json_is_true(json_object_get(j, "is_paused"));
	for (size_t i = 0; i < 3; i++)
		r->home_mm[i] = read_real(json_array_get(home, i));
	r->travel_mm = read_real(json_object_get(j, "travel_mm"));
	r->file_pos = json_integer_value(json_object_get(j, "file_pos"));
	r->is_klipper = json_is_true(json_object_get(j, "is_klipper"));
	r->restores_itself = json_is_true(json_object_get(j, "restores_itself"));
	r->file.has_modes = json_is_true(json_object_get(j, "has_modes"));
	r->file.is_relative = json_is_true(json_object_get(j, "is_relative"));
	r->file.is_e_relative = json_is_true(json_object_get(j, "is_e_relative"));
	r->file.feed_mm_min = read_real(json_object_get(j, "feed"));
	json_decref(j);
	return id_is_valid(r->c.id) && r->c.printer[0];
}
