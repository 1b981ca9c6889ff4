/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Plans and records of captures: read, shown, kept. */

#include "capture/captures_private.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/plan.h"
#include "gcode/outline.h"
#include "model/json.h"
#include "store/repo.h"
#include "store/repo_capture.h"
#include "store/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAN_MAX 16384
#define EXAMPLE_Z_MM 2.0
#define SHOWN_MISSED 500

struct saving {
	struct spot *spot; /* whose plan is read; NULL: gone, or none is read */
	char key[80];
	char text[PLAN_MAX];
};

struct recording_job {
	struct capture c;
	struct capture_picture *pics;
	unsigned n;
};

static void plan_key(char dst[80], const char *printer)
{
	(void)snprintf(dst, 80, "capture.plan.%s", printer);
}

/* ---- the store ---- */

static int get_plan(struct db *db, void *arg, struct err *err)
{
	struct saving *s = arg;

	return repo_setting_get(db, s->key, s->text, sizeof(s->text), err);
}

static int set_plan(struct db *db, void *arg, struct err *err)
{
	const struct saving *s = arg;

	return repo_setting_set(db, s->key, s->text, err);
}

static void plan_saved(void *arg, int rc, const struct err *err)
{
	if (rc < 0)
		log_error(NULL, "the capture plan was not saved: %s", err->text);
	free(arg);
}

static void plan_found(void *arg, int rc, const struct err *err UNUSED)
{
	struct saving *s = arg;
	struct spot *sp = s->spot;
	struct err why = { 0 };
	json_t *j;

	if (sp)
		sp->restoring = NULL;
	if (sp && rc >= 0 && !sp->is_plan_new) {
		j = json_loads(s->text, 0, NULL);
		if (capture_plan_from_json(&sp->plan, j, &why) < 0)
			log_warn(&sp->log, "the kept capture plan is not used: %s", why.text);
		json_decref(j);
		spot_plan_changed(sp);
		spot_load(sp); /* its marker */
	}
	free(s);
}

void plan_restore(struct spot *sp)
{
	struct store *st = sp->owner->env.store;

	if (!st)
		return;
	sp->restoring = MEM_NEW(struct saving);
	sp->restoring->spot = sp;
	plan_key(sp->restoring->key, sp->printer);
	store_submit(st, get_plan, plan_found, sp->restoring);
}

void plan_restore_drop(struct spot *sp)
{
	if (sp->restoring)
		sp->restoring->spot = NULL;
}

void plan_store(struct spot *sp)
{
	struct store *st = sp->owner->env.store;
	json_t *j = capture_plan_json(&sp->plan);
	auto_free char *text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);
	struct saving *s;

	json_decref(j);
	if (!st || !text || strlen(text) >= PLAN_MAX)
		return;
	s = MEM_NEW(struct saving);
	plan_key(s->key, sp->printer);
	TEXT_SET(s->text, text);
	store_submit(st, set_plan, plan_saved, s);
}

static int save_record(struct db *db, void *arg, struct err *err)
{
	const struct recording_job *j = arg;
	int rc = repo_capture_save(db, &j->c, err);

	for (unsigned i = 0; rc == 0 && i < j->n; i++)
		rc = repo_capture_picture_save(db, &j->pics[i], err);
	return rc;
}

static void record_saved(void *arg, int rc, const struct err *err)
{
	struct recording_job *j = arg;

	if (rc < 0)
		log_error(NULL, "the record of a capture was not saved: %s", err->text);
	free(j->pics);
	free(j);
}

void record_store(struct captures *cs, const struct capture *c, const struct capture_picture *pics,
                  unsigned n)
{
	struct recording_job *j;

	if (!cs->env.store)
		return;
	j = MEM_NEW(struct recording_job);
	j->c = *c;
	j->n = n;
	j->pics = n > 0 ? mem_dup(pics, n * sizeof(*pics)) : NULL;
	store_submit(cs->env.store, save_record, record_saved, j);
}

struct remembered {
	char id[ID_SIZE];
	struct capture c;
	struct capture_picture *pics;
	size_t n;
};

static int read_record(struct db *db, void *arg, struct err *err)
{
	struct remembered *m = arg;
	int rc = repo_capture_get(db, m->id, &m->c, err);

	return rc < 0 ? rc : repo_capture_pictures(db, m->id, &m->pics, &m->n, err);
}

/* Once, at a start after a kill: the run must not end before it has them. */
void record_remember(struct captures *cs, struct run *r)
{
	struct remembered m = { 0 };

	TEXT_SET(m.id, run_capture(r)->id);
	if (cs->env.store && store_call(cs->env.store, read_record, &m, NULL) == 0)
		run_remember(r, &m.c, m.pics, (unsigned)m.n);
}

static int end_running(struct db *db, void *arg, struct err *err)
{
	return repo_capture_end_running(db, arg, "Bedside was ended in the middle of it", err);
}

static void running_ended(void *arg, int rc, const struct err *err)
{
	if (rc < 0)
		log_error(NULL, "the records of captures were not mended: %s", err->text);
	free(arg);
}

void record_end_running(struct captures *cs, const char *printer)
{
	if (cs->env.store)
		store_submit(cs->env.store, end_running, running_ended, mem_str(printer));
}

/* ---- plans ---- */

const struct capture_plan *captures_plan(const struct captures *cs, const char *printer)
{
	const struct spot *sp = spot_of(cs, printer);

	return sp ? &sp->plan : NULL;
}

int captures_set_plan(struct captures *cs, const char *printer, const struct capture_plan *plan,
                      struct err *err)
{
	struct spot *sp = spot_of(cs, printer);
	bool is_new_mark;
	int rc;

	if (!sp)
		return err_set(err, -ENOENT, "there is no printer '%s'", printer);
	rc = capture_plan_check(plan, err);
	if (rc < 0)
		return rc;
	is_new_mark = strcmp(sp->plan.marker, plan->marker) != 0;
	sp->plan = *plan;
	sp->is_plan_new = true;
	spot_plan_changed(sp);
	if (is_new_mark)
		spot_load(sp);
	plan_store(sp);
	return 0;
}

/* ---- shown ---- */

static struct grid_site site_of(const struct spot *sp, int layer, struct run_file *file)
{
	const struct captures_env *env = &sp->owner->env;
	const struct ground_layer *l = ground_layer(sp->ground, layer);
	struct grid_site site = { .layer_z_mm = EXAMPLE_Z_MM };
	struct run_machine m = { 0 };

	for (unsigned i = 0; i < 3; i++)
		m.mm[i] = m.limits.min[i] = m.limits.max[i] = (double)NAN;
	(void)env->look(env->arg, sp->printer, &m);
	*file = spot_file(sp, layer);
	if (l)
		site.layer_z_mm = (double)l->z_mm;
	else if (sp->layer.number > 0 && !isnan(sp->layer.z_mm))
		site.layer_z_mm = sp->layer.z_mm;
	/* An example needs no sliced file. */
	site.top_mm = sp->has_job && layer > 0 ? file->top_mm : site.layer_z_mm;
	site.limits = m.limits;
	memcpy(site.head_mm, m.mm, sizeof(site.head_mm));
	return site;
}

/* The outer walls of that layer: [[x, y, x, y, …], …] in mm. */
static json_t *walls_json(const struct gcode_outline *o, int layer)
{
	const struct gcode_outline_layer *l =
		o && layer > 0 ? gcode_outline_layer(o, (uint32_t)layer) : NULL;
	json_t *walls = json_array();

	for (uint32_t i = 0; l && i < l->n_lines; i++) {
		const struct gcode_polyline *line = &o->lines[l->first_line + i];
		json_t *points = json_array();

		for (uint32_t k = 0; k < line->n; k++) {
			const struct gcode_point *p = &o->points[line->first + k];

			json_array_append_new(points, json_real(p->x / 10.0));
			json_array_append_new(points, json_real(p->y / 10.0));
		}
		json_array_append_new(walls, points);
	}
	return walls;
}

static json_t *footprint_json(const struct ground *g, int layer)
{
	const struct ground_layer *l = ground_layer(g, layer);

	if (!l || l->box.min_x > l->box.max_x)
		return json_null();
	return json_pack("{s:f, s:f, s:f, s:f, s:o}", "min_x", (double)l->box.min_x, "min_y",
	                 (double)l->box.min_y, "max_x", (double)l->box.max_x, "max_y",
	                 (double)l->box.max_y, "walls", walls_json(g->outline, layer));
}

static json_t *lines_json(const char *text)
{
	json_t *a = json_array();

	while (*text) {
		size_t n = strcspn(text, "\n");

		json_array_append_new(a, json_stringn(text, n));
		text += n + (text[n] == '\n');
	}
	return a;
}

static unsigned count_cameras(const struct spot *sp, const struct capture_plan *plan)
{
	return capture_list_count(plan->cameras[0] ? plan->cameras : sp->cameras);
}

static void warn_cameras(unsigned n, struct buf *out)
{
	if (n == 0)
		buf_add_str(out, "No camera sees this printer: there will be no pictures.\n");
	if (n > CAPTURE_MAX_CAMERAS)
		buf_printf(out,
		           "%u cameras see this printer, and only the first %d of them will "
		           "photograph it: name in cameras which.\n",
		           n, CAPTURE_MAX_CAMERAS);
}

json_t *captures_preview(const struct captures *cs, const char *printer,
                         const struct capture_plan *plan, int layer)
{
	const struct spot *sp = spot_of(cs, printer);
	auto_buf struct buf warnings = { 0 };
	struct grid g = { 0 };
	struct err err = { 0 };
	struct run_file file;
	struct grid_site site;
	unsigned n_cameras;
	json_t *j, *grid = json_null();

	if (!sp)
		return NULL;
	if (!plan)
		plan = &sp->plan;
	if (layer < 0)
		layer = sp->layer.number > 0 ? sp->layer.number : -1;
	site = site_of(sp, layer, &file);
	grid_warnings(plan, &site, &sp->pace, &warnings);
	n_cameras = count_cameras(sp, plan);
	warn_cameras(n_cameras, &warnings);
	if (capture_plan_moves(plan)) {
		(void)!grid_make(plan, &site, &sp->pace, &g, &err);
		json_decref(grid);
		grid = grid_json(&g);
	}
	j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o}", "layer", json_int_or_null(layer),
	              "z_mm", json_or_null(site.layer_z_mm), "top_mm", json_or_null(site.top_mm),
	              "footprint", footprint_json(sp->ground, layer), "grid", grid, "images",
	              (int)(MAX(g.n_safe, g.n > 0 ? 0U : 1U) *
	                    MIN(n_cameras, (unsigned)CAPTURE_MAX_CAMERAS)),
	              "warnings", lines_json(buf_peek(&warnings)), "error",
	              err.code ? json_text(err.text) : json_null());
	grid_fini(&g);
	return j;
}

static void targets_text(const struct capture_plan *p, char *dst, size_t size)
{
	struct buf b = { 0 };

	if (p->every_n_layers == 1)
		buf_add_str(&b, "every layer, ");
	else if (p->every_n_layers > 0)
		buf_printf(&b, "every %u layers, ", p->every_n_layers);
	if (p->z_heights[0])
		buf_printf(&b, "at %s mm, ", p->z_heights);
	if (p->every_s > 0)
		buf_printf(&b, "every %.0f s, ", p->every_s);
	if (p->marker[0])
		buf_printf(&b, "at %s, ", p->marker);
	if (p->first_layer)
		buf_add_str(&b, "the first layer, ");
	if (p->last_layer)
		buf_add_str(&b, "the last layer, ");
	if (p->by_order)
		buf_add_str(&b, "by order, ");
	if (p->by_button)
		buf_add_str(&b, "by the button, ");
	if (b.size >= 2)
		b.data[b.size - 2] = '\0';
	text_copy(dst, size, b.size ? b.data : "");
	buf_fini(&b);
}

json_t *captures_status(const struct captures *cs, const char *printer)
{
	const struct spot *sp = spot_of(cs, printer);
	const struct capture *c;
	char targets[900];
	json_t *j, *missed = json_array();

	if (!sp)
		return NULL;
	c = sp->run ? run_capture(sp->run) : NULL;
	targets_text(&sp->plan, targets, sizeof(targets));
	for (unsigned i = sp->n_missed > SHOWN_MISSED ? sp->n_missed - SHOWN_MISSED : 0;
	     i < sp->n_missed; i++)
		json_array_append_new(missed, json_integer(sp->missed[i]));
	j = json_pack("{s:o, s:b, s:o, s:b, s:o, s:o, s:i, s:i, s:o, s:o}", "printer",
	              json_text(sp->printer), "is_on", (int)sp->plan.is_on, "targets",
	              json_text(targets), "is_running", sp->run != NULL, "step",
	              json_text(sp->run ? run_step_text(sp->run) : ""), "layer",
	              json_int_or_null(c ? c->layer : -1), "n_points", c ? (int)c->n_points : 0,
	              "n_done", c ? (int)c->n_done : 0, "job",
	              json_text(sp->has_job ? sp->job.id : ""), "job_name",
	              json_text(sp->has_job ? sp->job.name : ""));
	json_object_set_new(j, "job_started_at",
	                    json_time(sp->has_job ? sp->job.started_wall_ms : 0));
	json_object_set_new(j, "current_layer",
	                    json_int_or_null(sp->layer.number > 0 ? sp->layer.number : -1));
	json_object_set_new(j, "has_file", json_boolean(sp->ground != NULL));
	json_object_set_new(j, "n_completed", json_integer(sp->counts.n_completed));
	json_object_set_new(j, "n_failed", json_integer(sp->counts.n_failed));
	json_object_set_new(j, "n_missed", json_integer(sp->counts.n_missed));
	json_object_set_new(j, "missed", missed);
	return j;
}
