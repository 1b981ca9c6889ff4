/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The time line of a print, from PREPARE to FINISH, as recorded on an A1 (bambu.md 2.8), with the
 * layers' times from the job.
 */

#include "base/mem.h"
#include "base/text.h"
#include "gcode/index.h"
#include "printers/sim/engine_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define PREPARE_S 6.0
#define CHANGE_S 62.0 /* a filament change, as recorded */
#define TO_FINISH_S 43.0

static struct sim_step *add(struct sim_engine *e, double at_s, enum sim_step_kind kind, unsigned n,
                            json_t *patch)
{
	if (e->n_steps == SIM_MAX_STEPS) {
		json_decref(patch);
		return NULL;
	}
	if ((e->n_steps & (e->n_steps - 1)) == 0)
		e->steps = mem_grow(e->steps, e->n_steps ? 2 * e->n_steps : 1, sizeof(*e->steps));
	e->steps[e->n_steps] = (struct sim_step){ at_s, kind, n, patch };
	return &e->steps[e->n_steps++];
}

static void say(struct sim_engine *e, double at_s, json_t *patch)
{
	assert(patch);
	add(e, at_s, SIM_STEP_PATCH, 0, patch);
}

/* The global number of the tray that feeds filament `tool` of the job: what ams_mapping says. */
static int tray_of(const struct sim_engine *e, int tool)
{
	const json_t *map = json_object_get(e->request, "ams_mapping");
	const json_t *mapped = json_array_get(map, (size_t)tool);
	const json_t *uses = json_object_get(e->request, "use_ams");

	if (!e->s.has_ams || e->s.model->ams == SIM_AMS_NONE || json_is_false(uses))
		return 254;
	if (json_is_integer(mapped) && json_integer_value(mapped) >= 0)
		return (int)json_integer_value(mapped);
	return tool % 2; /* slots 1 and 2 hold the same material */
}

/* Two nozzles take the filaments in turn, as a slicer may well set them. */
static unsigned nozzle_of(const struct sim_engine *e, int tool)
{
	return e->s.model->n_nozzles == 2 ? (unsigned)tool % 2 : 0;
}

static void use_nozzle(struct sim_engine *e, double at_s, unsigned nozzle, int tray)
{
	add(e, at_s, SIM_STEP_NOZZLE, nozzle | (unsigned)tray << 1, NULL);
}

/* ams_status is main << 8 | sub (bambu.md 2.9); `scale` squeezes the sequence into short layers. */
static double load_filament(struct sim_engine *e, double at_s, int tray, double scale)
{
	json_t *tar = json_sprintf("%d", tray), *now = json_sprintf("%d", tray),
	       *pre = json_sprintf("%d", tray);

	say(e, at_s + 2 * scale,
	    json_pack("{s:i s:{s:o}}", "ams_status", 258, "ams", "tray_tar", tar));
	say(e, at_s + 34 * scale, json_pack("{s:i}", "ams_status", 261));
	say(e, at_s + 36 * scale, json_pack("{s:i}", "hw_switch_state", 1));
	say(e, at_s + 46 * scale, json_pack("{s:i}", "ams_status", 262));
	say(e, at_s + 56 * scale,
	    json_pack("{s:i s:{s:o}}", "ams_status", 263, "ams", "tray_now", now));
	say(e, at_s + 72 * scale,
	    json_pack("{s:i s:{s:o}}", "ams_status", 768, "ams", "tray_pre", pre));
	return at_s + 74 * scale;
}

static void change_filament(struct sim_engine *e, double at_s, double room_s, int tray)
{
	double scale = MIN(1.0, room_s / CHANGE_S);
	json_t *tar = json_sprintf("%d", tray), *now = json_sprintf("%d", tray),
	       *pre = json_sprintf("%d", tray);

	say(e, at_s,
	    json_pack("{s:i s:i s:{s:o}}", "mc_print_sub_stage", 4, "ams_status", 259, "ams",
	              "tray_tar", tar));
	say(e, at_s + 8 * scale,
	    json_pack("{s:i s:i s:{s:s}}", "ams_status", 260, "hw_switch_state", 0, "ams",
	              "tray_now", "255"));
	say(e, at_s + 30 * scale, json_pack("{s:i s:i}", "ams_status", 262, "hw_switch_state", 1));
	say(e, at_s + 40 * scale,
	    json_pack("{s:i s:{s:o}}", "ams_status", 263, "ams", "tray_now", now));
	say(e, at_s + 58 * scale,
	    json_pack("{s:i s:i s:{s:o}}", "mc_print_sub_stage", 0, "ams_status", 768, "ams",
	              "tray_pre", pre));
}

static void home(struct sim_engine *e, double at_s)
{
	static const int bits[] = { 2, 3, 7 };

	for (int i = 0; i < 3; i++)
		say(e, at_s + 10 * (i + 1),
		    json_pack("{s:i}", "home_flag", (847070616 & ~7) | bits[i]));
}

static double prepare(struct sim_engine *e)
{
	const struct sim_model *m = e->s.model;
	char file[200];

	text_copy(file, sizeof(file), e->job->file);
	say(e, 0, json_pack("{s:{s:i}}", "upgrade_state", "cur_state_code", 1));
	say(e, 1,
	    json_pack("{s:s s:s s:o s:s s:s s:i s:i s:i s:i s:i s:[]}", "gcode_state", "PREPARE",
	              "subtask_name", e->job->name, "gcode_file",
	              m->is_new ? json_sprintf("/data/Metadata/plate_%u.gcode", e->job->plate)
	                        : json_string(file),
	              "print_type", "local", "gcode_file_prepare_percent", "0", "layer_num", 0,
	              "total_layer_num", 0, "mc_percent", 0, "mc_remaining_time", 0, "print_error",
	              0, "s_obj"));
	for (int i = 1; i <= 4; i++)
		say(e, 1 + i,
		    json_pack("{s:o}", "gcode_file_prepare_percent", json_sprintf("%d", 25 * i)));
	add(e, PREPARE_S, SIM_STEP_RUNNING, 0, NULL);
	return PREPARE_S + 2;
}

static double stages(struct sim_engine *e, double at_s)
{
	int tray = tray_of(e, e->job->layers[0].tool);

	say(e, at_s,
	    json_pack("{s:i s:i s:s}", "nozzle_target_temper", 140, "bed_target_temper", 65,
	              "heatbreak_fan_speed", "3"));
	for (const struct sim_stage *g = e->s.model->stages; g->stage; g++) {
		say(e, at_s, json_pack("{s:i}", "stg_cur", g->stage));
		if (g->stage == 13)
			home(e, at_s);
		if (g->stage == 4) {
			say(e, at_s, json_pack("{s:i}", "nozzle_target_temper", 220));
			if (tray != 254)
				load_filament(e, at_s, tray, (g->takes_s - 2) / 76);
			use_nozzle(e, at_s + (g->takes_s - 2) * 0.75,
			           nozzle_of(e, e->job->layers[0].tool), tray);
		}
		if (g->stage == 14)
			say(e, at_s, json_pack("{s:i}", "nozzle_target_temper", 140));
		at_s += g->takes_s;
	}
	say(e, at_s - 3, json_pack("{s:i}", "nozzle_target_temper", 220));
	say(e, at_s, json_pack("{s:i s:s}", "stg_cur", 0, "cooling_fan_speed", "15"));
	return at_s;
}

static void layers(struct sim_engine *e, double at_s)
{
	const struct sim_job *j = e->job;
	int tool = j->layers[0].tool;
	int loaded[2] = { -1, -1 };

	loaded[nozzle_of(e, tool)] = tray_of(e, tool);
	for (size_t i = 0; i < j->n_layers; i++) {
		double room_s = j->layers[i + 1].at_s - j->layers[i].at_s;

		add(e, at_s + j->layers[i].at_s, SIM_STEP_LAYER, (unsigned)i + 1, NULL);
		if (j->layers[i].tool != tool) {
			double begin_s = at_s + j->layers[i].at_s + 0.1 * room_s;

			tool = j->layers[i].tool;

			unsigned nozzle = nozzle_of(e, tool);

			/* What the other nozzle holds stays there: the head only switches. */
			if (loaded[nozzle] != tray_of(e, tool))
				change_filament(e, begin_s, 0.8 * room_s, tray_of(e, tool));
			loaded[nozzle] = tray_of(e, tool);
			use_nozzle(e, begin_s + 0.7 * room_s, nozzle, loaded[nozzle]);
		}
	}
}

static void finish(struct sim_engine *e, double at_s)
{
	const struct sim_model *m = e->s.model;
	bool unloads = tray_of(e, 0) != 254;

	add(e, at_s, SIM_STEP_END, 0, NULL);
	say(e, at_s + 8, json_pack("{s:i s:s}", "stg_cur", m->no_stage, "cooling_fan_speed", "0"));
	say(e, at_s + 10, json_pack("{s:i}", "bed_target_temper", 0));
	if (unloads) {
		say(e, at_s + 10,
		    json_pack("{s:i s:i s:{s:s}}", "mc_print_sub_stage", 4, "ams_status", 258,
		              "ams", "tray_tar", "255"));
		say(e, at_s + 12, json_pack("{s:i}", "ams_status", 259));
		say(e, at_s + 20, json_pack("{s:i}", "ams_status", 260));
		say(e, at_s + 24, json_pack("{s:i}", "hw_switch_state", 0));
		say(e, at_s + 26,
		    json_pack("{s:{s:s s:s s:i}}", "ams", "tray_now", "255", "tray_pre", "255",
		              "version", 17));
		say(e, at_s + 28, json_pack("{s:i s:i}", "ams_status", 0, "mc_print_sub_stage", 0));
		for (unsigned i = 0; i < m->n_nozzles; i++)
			use_nozzle(e, at_s + 26, m->n_nozzles - 1 - i, 255);
	}
	say(e, at_s + 26,
	    json_pack("{s:i s:s}", "nozzle_target_temper", 0, "heatbreak_fan_speed", "0"));
	add(e, at_s + TO_FINISH_S, SIM_STEP_FINISH, 0, NULL);
}

#define BEFORE_LAYERS_S 3.0

/* Groups of strokes stand where their lines do in the text. */
static void strokes(struct sim_engine *e, double at_s)
{
	const struct sim_job *j = e->job;
	size_t layer = 0;

	for (size_t i = 0; j->index && i < j->strokes.n; i++) {
		const struct sim_stroke *k = &j->strokes.list[i];
		double when_s = -BEFORE_LAYERS_S;

		layer = sim_job_layer_at(j, k->byte, MIN(layer, j->n_layers));
		if (i > 0 && k->after_s <= SIM_STROKE_GAP_S)
			continue;
		if (layer > j->n_layers) {
			when_s = j->layers[j->n_layers].at_s + 1;
		} else if (layer > 0) {
			const struct gcode_layer *l = &j->index->layers[layer - 1];
			double begin_s = j->layers[layer - 1].at_s;

			when_s = begin_s + (j->layers[layer].at_s - begin_s) *
			                           (double)(k->byte - l->byte) / (double)l->size;
		}
		add(e, at_s + when_s, SIM_STEP_STROKES, (unsigned)i, NULL);
	}
}

/* Equal times keep the order in which they were added, which qsort() would not do. */
static void sort(struct sim_step *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct sim_step moved = s[i];
		size_t k = i;

		for (; k > 0 && moved.at_s < s[k - 1].at_s; k--)
			s[k] = s[k - 1];
		s[k] = moved;
	}
}

void sim_script_make(struct sim_engine *e)
{
	sim_script_clear(e);

	double at_s = stages(e, prepare(e));

	e->first_layer_s = at_s;
	e->last_layer_s = at_s + e->job->layers[e->job->n_layers].at_s;
	/* Before the layers: of a job with too many of them the end must not be what is cut. */
	finish(e, e->last_layer_s);
	layers(e, at_s);
	strokes(e, at_s);
	sort(e->steps, e->n_steps);
}

void sim_script_clear(struct sim_engine *e)
{
	for (size_t i = 0; i < e->n_steps; i++)
		json_decref(e->steps[i].patch);
	free(e->steps);
	e->steps = NULL;
	e->n_steps = e->at_step = 0;
	e->job_s = 0;
}
