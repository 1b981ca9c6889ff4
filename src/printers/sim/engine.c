/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/engine.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gcode/index.h"
#include "model/scene.h"
#include "printers/sim/engine_priv.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOMED_BITS 7
#define RECORDING_BIT 32 /* home_flag bit 5 */
#define IDLE_JOB_ATTR 3
#define STANDBY_C 170 /* of the nozzle that does not print */
#define LOCAL_JOB_ATTR 18

struct sim_engine *sim_engine_new(const struct sim_setup *s)
{
	struct sim_engine *e = MEM_NEW(struct sim_engine);

	e->s = *s;
	if (e->s.speed <= 0)
		e->s.speed = 1;
	e->random = s->seed | 1;
	e->now_us = s->now_us;
	e->nozzle_c[0] = e->nozzle_c[1] = 25;
	e->bed_c = 24;
	e->print = sim_state_new(s);
	e->told = json_object();
	e->sequence = 433;
	e->faults[SIM_FAULT_REFUSE_UNSIGNED].is_on = s->needs_signing;
	return e;
}

void sim_engine_free(struct sim_engine *e)
{
	if (!e)
		return;
	sim_script_clear(e);
	sim_job_unref(e->job);
	json_decref(e->request);
	json_decref(e->print);
	json_decref(e->told);
	json_decref(e->held_back);
	free(e);
}

/* xorshift64: enough for jitter, the same in every run of one seed. */
static unsigned random_below(struct sim_engine *e, unsigned n)
{
	e->random ^= e->random << 13;
	e->random ^= e->random >> 7;
	e->random ^= e->random << 17;
	return (unsigned)(e->random >> 33) % n;
}

void sim_set(struct sim_engine *e, json_t *patch)
{
	sim_state_merge(e->print, patch);
	json_decref(patch);
}

double sim_number(const struct sim_engine *e, const char *key)
{
	return json_number_value(json_object_get(e->print, key));
}

const char *sim_text(const struct sim_engine *e, const char *key)
{
	const char *s = json_string_value(json_object_get(e->print, key));

	return s ? s : "";
}

/* Reports. */

static void publish_now(struct sim_engine *e, json_t *report)
{
	e->s.publish(e->s.arg, report);
	if (e->faults[SIM_FAULT_DOUBLED].is_on)
		e->s.publish(e->s.arg, report);
}

void sim_publish(struct sim_engine *e, json_t *report)
{
	if (e->faults[SIM_FAULT_MQTT_SILENT].is_on || e->faults[SIM_FAULT_POWER_CUT].is_on) {
		json_decref(report);
		return;
	}
	if (e->faults[SIM_FAULT_REORDERED].is_on && !e->held_back) {
		e->held_back = report;
		return;
	}
	publish_now(e, report);
	json_decref(report);
	if (e->held_back) {
		json_t *late = e->held_back;

		e->held_back = NULL;
		publish_now(e, late);
		json_decref(late);
	}
}

static json_t *wrap(struct sim_engine *e, json_t *print, int msg)
{
	json_object_set_new(print, "command", json_string("push_status"));
	json_object_set_new(print, "msg", json_integer(msg));
	json_object_set_new(print, "sequence_id", json_sprintf("%u", e->sequence++));
	if (e->s.model->is_new) {
		int64_t wall_ms = e->s.wall_ms + (e->now_us - e->s.now_us) / 1000;
		double late_s = 0;

		if (e->faults[SIM_FAULT_CLOCK_WRONG].is_on &&
		    !text_to_double(e->faults[SIM_FAULT_CLOCK_WRONG].arg, &late_s))
			late_s = 365.0 * 86400;
		json_object_set_new(
			print, "t_utc",
			json_integer(wall_ms - (int64_t)(fmax(-1e9, fmin(1e9, late_s)) * 1000)));
	}
	return json_pack("{s:o}", "print", print);
}

json_t *sim_engine_full(struct sim_engine *e)
{
	return wrap(e, json_deep_copy(e->print), 0);
}

static void report_full(struct sim_engine *e)
{
	e->wants_full = false;
	json_decref(e->told);
	e->told = json_deep_copy(e->print);
	sim_publish(e, sim_engine_full(e));
}

static void report_delta(struct sim_engine *e)
{
	json_t *diff = sim_state_diff(e->told, e->print);

	if (!diff)
		return;
	json_decref(e->told);
	e->told = json_deep_copy(e->print);
	if (e->faults[SIM_FAULT_LOST].is_on && e->n_reports++ % 3 == 2) {
		json_decref(diff);
		return;
	}
	sim_publish(e, wrap(e, diff, 1));
}

static void report(struct sim_engine *e)
{
	if (e->clock_s < e->next_report_s)
		return;

	double every_s = e->s.model->reports == SIM_REPORTS_DELTA ? 2.0 : 1.0;

	/* A loop that was late skips reports rather than send several at once. */
	e->next_report_s = MAX(e->next_report_s + every_s, e->clock_s + every_s / 2);
	if (random_below(e, 4) == 0)
		sim_set(e, json_pack("{s:o}", "wifi_signal",
		                     json_sprintf("-%udBm", 42 + random_below(e, 8))));
	if (e->s.model->reports == SIM_REPORTS_FULL)
		report_full(e);
	else
		report_delta(e);
}

/* Temperatures. */

static double toward(double now, double target, double up, double down)
{
	return now < target ? MIN(target, now + up) : MAX(target, now - down);
}

static json_t *shown_c(const struct sim_engine *e, double c)
{
	return json_real(e->s.model->is_fine ? floor(c * 32) / 32 : floor(c + 0.5));
}

static json_t *extruders(const struct sim_engine *e)
{
	return json_object_get(json_object_get(e->print, "device"), "extruder");
}

/* NULL on older machines. */
static json_t *extruder(const struct sim_engine *e, unsigned nozzle)
{
	return json_array_get(json_object_get(extruders(e), "info"), nozzle);
}

static int snow_of(unsigned nozzle, int tray)
{
	if (tray == 255)
		return SIM_SNOW_NOTHING - (int)nozzle * 0x100;
	if (tray == 254)
		return 0xff00 - (int)nozzle * 0x100;
	return tray >= 128 ? tray << 8 : tray / 4 << 8 | tray % 4;
}

/* The other one waits, warm. */
static void use_nozzle(struct sim_engine *e, unsigned nozzle, int tray)
{
	json_t *now = extruder(e, nozzle);

	if (nozzle != e->nozzle)
		e->idle_target_c = STANDBY_C;
	e->nozzle = nozzle;
	if (!now)
		return;
	json_object_set_new(now, "snow", json_integer(snow_of(nozzle, tray)));
	json_object_set_new(now, "star", json_integer(snow_of(nozzle, tray)));
	json_object_set_new(extruders(e), "state",
	                    json_integer((int)(e->s.model->n_nozzles | nozzle << 4 | nozzle << 8)));
}

static void heat(struct sim_engine *e, double dt_s)
{
	/* G-code may ask for anything. */
	double nozzle = fmax(0, fmin(400, sim_number(e, "nozzle_target_temper")));
	double bed = fmax(0, fmin(400, sim_number(e, "bed_target_temper")));

	for (unsigned i = 0; i < 2; i++) {
		double target = i == e->nozzle ? nozzle : e->idle_target_c;

		e->nozzle_c[i] =
			toward(e->nozzle_c[i], target > 0 ? target : 25, 3.2 * dt_s, 1.1 * dt_s);
	}
	e->bed_c = toward(e->bed_c, bed > 0 ? bed : 24, 0.6 * dt_s, 0.15 * dt_s);

	double jitter = (random_below(e, 9) - 4.0) / 16;

	json_object_set_new(e->print, "nozzle_temper",
	                    shown_c(e, e->nozzle_c[e->nozzle] + (nozzle > 0 ? jitter : 0)));
	json_object_set_new(e->print, "bed_temper",
	                    shown_c(e, bed > 0 ? e->bed_c + jitter / 4 : e->bed_c));
	if (!e->s.model->is_new)
		return;

	json_t *device = json_object_get(e->print, "device");
	json_int_t packed;

	for (unsigned i = 0; i < e->s.model->n_nozzles; i++) {
		double target = i == e->nozzle ? nozzle : e->idle_target_c;

		packed = (json_int_t)target << 16 | (json_int_t)(e->nozzle_c[i] + 0.5);
		json_object_set_new(extruder(e, i), "temp", json_integer(packed));
	}
	packed = (json_int_t)bed << 16 | (json_int_t)(e->bed_c + 0.5);
	json_object_set_new(device, "bed_temp", json_integer(packed));
	json_object_set_new(json_object_get(json_object_get(device, "bed"), "info"), "temp",
	                    json_integer(packed));
}

/* The job. */

static void show_layer(struct sim_engine *e, unsigned layer)
{
	json_object_set_new(e->print, "layer_num", json_integer(layer));
	if (e->s.model->is_new)
		sim_set(e, json_pack("{s:{s:i s:i}}", "3D", "layer_num", (int)layer,
		                     "total_layer_num", (int)e->job->n_layers));
}

static void begin_layer(struct sim_engine *e, unsigned layer)
{
	e->layer = layer;
	if (!e->faults[SIM_FAULT_LATE_LAYERS].is_on) {
		show_layer(e, layer);
		return;
	}

	double late_s = 4;

	(void)text_to_double(e->faults[SIM_FAULT_LATE_LAYERS].arg, &late_s);
	e->layer_to_show = layer;
	e->layer_shown_at_s = e->clock_s + late_s;
}

/* As the job's own lines say (M73 P); by the time where it has none. */
static int percent_of(const struct sim_engine *e, double done)
{
	const struct gcode_index *ix = e->job->index;
	int by_time = MIN(98, (int)(100 * done)), told = -1;

	for (int p = 0; ix && p <= 98; p++)
		if (ix->percent_layer[p] <= e->layer)
			told = p;
	return told >= 0 ? told : by_time;
}

static void progress(struct sim_engine *e)
{
	double total_s = e->last_layer_s + 43;

	if (e->layer_to_show && e->clock_s >= e->layer_shown_at_s) {
		show_layer(e, e->layer_to_show);
		e->layer_to_show = 0;
	}
	if (e->phase != SIM_RUNNING || json_object_get(e->print, "stg") == NULL || e->layer == 0)
		return;

	double done = e->job_s / total_s;

	json_object_set_new(e->print, "mc_percent", json_integer(percent_of(e, done)));
	json_object_set_new(e->print, "mc_remaining_time",
	                    json_integer((int)((total_s - e->job_s) / 60)));
}

static void over(struct sim_engine *e, const char *state)
{
	bool is_new = e->s.model->is_new;
	int home = (int)sim_number(e, "home_flag") & ~(HOMED_BITS | RECORDING_BIT);

	e->phase = SIM_OVER;
	e->over_at_s = e->clock_s;
	e->idle_target_c = 0;
	sim_set(e, json_pack("{s:s s:i s:s s:[] s:s s:s s:i s:i s:i s:i s:{s:i}}", "gcode_state",
	                     state, "mc_remaining_time", 0, "mc_print_stage", "1", "stg",
	                     "gcode_file", is_new ? sim_text(e, "gcode_file") : "", "print_type",
	                     is_new ? "" : "idle", "stg_cur", e->s.model->no_stage, "home_flag",
	                     home, "nozzle_target_temper", 0, "bed_target_temper", 0,
	                     "upgrade_state", "cur_state_code", 0));
	sim_set(e, json_pack("{s:s s:s s:s s:i}", "cooling_fan_speed", "0", "big_fan1_speed", "0",
	                     "heatbreak_fan_speed", "0", "mc_print_sub_stage", 0));
	if (is_new)
		json_object_set_new(e->print, "job_attr", json_integer(IDLE_JOB_ATTR));
	sim_script_clear(e);
}

static void running(struct sim_engine *e)
{
	json_t *stg = json_array();

	for (const struct sim_stage *g = e->s.model->stages; g->stage; g++)
		json_array_append_new(stg, json_integer(g->stage));
	sim_set(e, json_pack("{s:s s:o s:i s:i s:s s:i s:s}", "gcode_state", "RUNNING", "stg", stg,
	                     "stg_cur", e->s.model->no_stage, "total_layer_num",
	                     (int)e->job->n_layers, "mc_print_stage", "2", "mc_remaining_time",
	                     (int)(e->last_layer_s / 60), "gcode_file_prepare_percent", "100"));
	json_object_set_new(e->print, "home_flag",
	                    json_integer((int)sim_number(e, "home_flag") | RECORDING_BIT));
	if (e->s.model->is_new)
		json_object_set_new(e->print, "job_attr", json_integer(LOCAL_JOB_ATTR));
}

static void step(struct sim_engine *e, const struct sim_step *s)
{
	switch (s->kind) {
	case SIM_STEP_PATCH:
		sim_state_merge(e->print, s->patch);
		break;
	case SIM_STEP_RUNNING:
		running(e);
		break;
	case SIM_STEP_LAYER:
		begin_layer(e, s->n);
		break;
	case SIM_STEP_STROKES:
		if (e->s.strokes)
			e->s.strokes(e->s.arg, e->job, s->n);
		break;
	case SIM_STEP_NOZZLE:
		use_nozzle(e, s->n & 1, (int)(s->n >> 1));
		break;
	case SIM_STEP_END:
		json_object_set_new(e->print, "mc_percent", json_integer(98));
		break;
	case SIM_STEP_FINISH:
		if (e->layer_to_show)
			show_layer(e, e->layer_to_show);
		e->layer_to_show = 0;
		json_object_set_new(e->print, "mc_percent", json_integer(100));
		over(e, "FINISH");
		break;
	}
}

/* The speed levels: 50, 100, 124, 166 %; they touch the layers only. */
static double pace(const struct sim_engine *e)
{
	return e->layer > 0 && e->job_s < e->last_layer_s ? sim_number(e, "spd_mag") / 100 : 1;
}

static void run(struct sim_engine *e, double dt_s)
{
	if (e->phase != SIM_RUNNING || e->faults[SIM_FAULT_STALL].is_on)
		return;
	e->job_s += dt_s * pace(e);
	while (e->phase == SIM_RUNNING && e->at_step < e->n_steps &&
	       e->steps[e->at_step].at_s <= e->job_s) {
		/* A copy: the end of the job clears the script. */
		struct sim_step s = e->steps[e->at_step++];

		step(e, &s);
		/* What waits for a layer begins with it, though several pass in one tick. */
		if (s.kind == SIM_STEP_LAYER)
			sim_faults_tick(e);
	}
}

int sim_start_job(struct sim_engine *e, struct sim_job *j)
{
	sim_job_unref(e->job);
	e->job = j;
	e->layer = e->layer_to_show = 0;
	e->phase = SIM_RUNNING;
	sim_script_make(e);
	return 0;
}

void sim_pause(struct sim_engine *e, int stage, unsigned error)
{
	if (e->phase != SIM_RUNNING)
		return;
	e->phase = SIM_PAUSED;
	sim_set(e, json_pack("{s:s s:i}", "gcode_state", "PAUSE", "stg_cur", stage));
	if (error)
		json_object_set_new(e->print, "print_error", json_integer(error));
}

void sim_resume(struct sim_engine *e)
{
	if (e->phase != SIM_PAUSED)
		return;
	e->phase = SIM_RUNNING;
	sim_set(e, json_pack("{s:s s:i s:i s:[]}", "gcode_state", "RUNNING", "stg_cur", 0,
	                     "print_error", 0, "hms"));
}

void sim_fail(struct sim_engine *e, unsigned error, double clears_after_s)
{
	if (e->phase != SIM_RUNNING && e->phase != SIM_PAUSED && e->phase != SIM_LOADING)
		return;
	over(e, "FAILED");
	json_object_set_new(e->print, "print_error", json_integer(error));
	e->error_clears_at_s = clears_after_s > 0 ? e->clock_s + clears_after_s : 0;
}

void sim_hms_add(struct sim_engine *e, const char *hex16)
{
	char half[9];
	uint64_t attr = 0, code = 0;

	text_copy(half, sizeof(half), hex16);
	if (strlen(hex16) != 16 || !text_to_u64(half, 16, &attr) ||
	    !text_to_u64(hex16 + 8, 16, &code))
		return;

	json_t *entry = json_pack("{s:I s:I}", "attr", (json_int_t)attr, "code", (json_int_t)code);
	json_t *list = json_object_get(e->print, "hms");
	json_t *had;
	size_t i;

	json_array_foreach(list, i, had)
	{
		if (json_equal(had, entry)) {
			json_decref(entry);
			return;
		}
	}
	json_array_append_new(list, entry);
}

/* From outside. */

void sim_engine_tick(struct sim_engine *e, int64_t now_us)
{
	if (now_us <= e->now_us)
		return;

	double dt_s = (double)(now_us - e->now_us) / 1e6 * e->s.speed;

	e->now_us = now_us;
	e->clock_s += dt_s;
	sim_faults_tick(e);
	if (e->faults[SIM_FAULT_POWER_CUT].is_on)
		return;
	run(e, dt_s);
	heat(e, dt_s);
	progress(e);
	if (e->error_clears_at_s > 0 && e->clock_s >= e->error_clears_at_s) {
		json_object_set_new(e->print, "print_error", json_integer(0));
		e->error_clears_at_s = 0;
	}
	if (e->wants_full)
		report_full(e);
	report(e);
}

enum sim_push sim_engine_request(struct sim_engine *e, const char *bytes, size_t size)
{
	/* Some clients count the NUL in. */
	while (size > 0 && bytes[size - 1] == '\0')
		size--;
	if (e->faults[SIM_FAULT_POWER_CUT].is_on)
		return SIM_PUSH_SAME;

	json_t *request = json_loadb(bytes, size, 0, NULL);

	if (!request)
		return SIM_PUSH_SAME;

	enum sim_push push = sim_command(e, request);

	json_decref(request);
	/* Asked for, so it comes at once, silent or not in time. */
	if (e->wants_full)
		report_full(e);
	return push;
}

void sim_engine_loaded(struct sim_engine *e, struct sim_job *j)
{
	if (e->phase != SIM_LOADING) {
		sim_job_unref(j);
		return;
	}
	if (j) {
		(void)sim_start_job(e, j);
		return;
	}
	sim_set(e, json_pack("{s:s}", "gcode_state", "PREPARE"));
	report_delta(e);
	sim_fail(e, e->faults[SIM_FAULT_SD_MISSING].is_on ? SIM_ERROR_STORAGE : SIM_ERROR_NO_FILE,
	         0);
}

int sim_engine_print(struct sim_engine *e, struct sim_job *j, struct err *err)
{
	if (sim_engine_is_busy(e)) {
		sim_job_unref(j);
		return err_set(err, -EBUSY, "the simulated printer is printing already");
	}
	json_decref(e->request);
	e->request = NULL;
	return sim_start_job(e, j);
}

bool sim_engine_is_busy(const struct sim_engine *e)
{
	return e->phase == SIM_LOADING || e->phase == SIM_RUNNING || e->phase == SIM_PAUSED;
}

double sim_engine_rests_s(const struct sim_engine *e)
{
	return sim_engine_is_busy(e) ? -1 : e->clock_s - e->over_at_s;
}

const char *sim_engine_code(const struct sim_engine *e)
{
	const struct sim_fault_state *f = &e->faults[SIM_FAULT_WRONG_CODE];

	if (!f->is_on)
		return e->s.code;
	return f->arg[0] ? f->arg : "00000000";
}

static const char *view_state(const struct sim_engine *e)
{
	switch (e->phase) {
	case SIM_IDLE:
		return "idle";
	case SIM_LOADING:
		return "preparing";
	case SIM_RUNNING:
		return e->layer == 0 ? "preparing" : "printing";
	case SIM_PAUSED:
		return "paused";
	case SIM_OVER:
		return text_equal(sim_text(e, "gcode_state"), "FINISH") ? "finished" : "failed";
	}
	return "";
}

static bool is_dark(const struct sim_engine *e)
{
	const json_t *light = json_array_get(json_object_get(e->print, "lights_report"), 0);
	const char *mode = json_string_value(json_object_get(light, "mode"));

	return mode && text_equal(mode, "off");
}

void sim_engine_view(const struct sim_engine *e, struct scene_view *v, struct sim_job **ret_job)
{
	const struct sim_job *j = e->job;

	scene_view_init(v);
	v->kind = e->s.model->moves_bed_in_y ? SCENE_BED_SLINGER : SCENE_BED_DROP;
	v->bed_x_mm = e->s.model->bed_x_mm;
	v->bed_y_mm = e->s.model->bed_y_mm;
	v->wall_ms = e->s.wall_ms + (e->now_us - e->s.now_us) / 1000;
	v->percent = (int)sim_number(e, "mc_percent");
	TEXT_SET(v->title, e->s.name);
	TEXT_SET(v->state, view_state(e));
	v->is_dark = is_dark(e);
	v->is_parked = e->phase != SIM_RUNNING || e->layer == 0 || e->job_s >= e->last_layer_s;
	*ret_job = NULL;
	if (!j)
		return;
	*ret_job = sim_job_ref(e->job);
	TEXT_SET(v->file, j->file);
	v->outline = j->index ? j->index->outline : NULL;
	v->color = j->color;
	v->layers = (int)j->n_layers;
	v->layer = (int)e->layer;
	v->elapsed_s = (int64_t)e->job_s;
	v->is_done = e->layer > 0 && (e->phase == SIM_OVER || e->job_s >= e->last_layer_s) &&
	             e->layer == j->n_layers;
	if (e->layer == 0)
		return;

	const struct sim_layer *l = &j->layers[e->layer - 1];
	double takes_s = l[1].at_s - l[0].at_s;

	v->z_mm = (double)l->z_mm;
	v->fraction = takes_s > 0
	                      ? fmin(1, fmax(0, (e->job_s - e->first_layer_s - l->at_s) / takes_s))
	                      : 0;
}

void sim_engine_set_report(struct sim_engine *e, const json_t *report)
{
	const json_t *print = json_object_get(report, "print");

	if (json_is_object(print))
		sim_state_merge(e->print, print);
}

void sim_engine_replay(struct sim_engine *e, json_t *report)
{
	sim_engine_set_report(e, report);
	/* What was replayed is known to the listeners: no delta repeats it. */
	json_decref(e->told);
	e->told = json_deep_copy(e->print);
	sim_publish(e, json_incref(report));
}
