/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"
#include "printers/merge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FEW_TOKENS 256
#define MANY_TOKENS 20000
#define CANCEL_MEMORY_US 30000000 /* the code for "cancelled" may come and go around FAILED */

/* Parts of the state that a key belongs to. */
enum part {
	PART_ACTIVITY = 1,
	PART_JOB = 2,
	PART_HEAT = 4,
	PART_FANS = 8,
	PART_AMS = 16,
	PART_TROUBLE = 32,
	PART_MACHINE = 64,
	PART_ALL = 127,
};

static const struct tree_key print_keys[] = {
	{ "3D", PART_JOB },
	{ "ams", PART_AMS },
	{ "aux", PART_MACHINE },
	{ "bed_target_temper", PART_HEAT },
	{ "bed_temper", PART_HEAT },
	{ "big_fan1_speed", PART_FANS },
	{ "big_fan2_speed", PART_FANS },
	{ "cfg", PART_MACHINE },
	{ "chamber_temper", PART_HEAT },
	{ "cooling_fan_speed", PART_FANS },
	{ "ctt", PART_HEAT },
	{ "device", PART_HEAT | PART_FANS | PART_AMS | PART_MACHINE },
	{ "fun", PART_MACHINE },
	{ "gcode_file", PART_JOB },
	{ "gcode_file_prepare_percent", PART_JOB },
	{ "gcode_start_time", PART_JOB },
	{ "gcode_state", PART_ACTIVITY },
	{ "heatbreak_fan_speed", PART_FANS },
	{ "hms", PART_TROUBLE },
	{ "home_flag", PART_MACHINE },
	{ "info", PART_HEAT },
	{ "ipcam", PART_MACHINE },
	{ "layer_num", PART_JOB },
	{ "lights_report", PART_MACHINE },
	{ "mc_percent", PART_JOB },
	{ "mc_remaining_time", PART_JOB },
	{ "nozzle_diameter", PART_HEAT },
	{ "nozzle_target_temper", PART_HEAT },
	{ "nozzle_temper", PART_HEAT },
	{ "nozzle_type", PART_HEAT },
	{ "plate_idx", PART_JOB },
	{ "print_error", PART_ACTIVITY | PART_TROUBLE },
	{ "sdcard", PART_MACHINE },
	{ "spd_lvl", PART_MACHINE },
	{ "spd_mag", PART_MACHINE },
	{ "stat", PART_MACHINE },
	{ "stg_cur", PART_ACTIVITY },
	{ "subtask_name", PART_JOB },
	{ "task_id", PART_JOB },
	{ "total_layer_num", PART_JOB },
	{ "upgrade_state", PART_MACHINE },
	{ "vir_slot", PART_AMS },
	{ "vt_tray", PART_AMS },
	{ "wifi_signal", PART_MACHINE },
};

static const char *const print_by_id[] = { "ams", "tray", "vir_slot", NULL };

static const struct tree_rules print_rules = {
	.keys = print_keys,
	.n_keys = ARRAY_LEN(print_keys),
	.by_id = print_by_id,
};
static const struct tree_rules info_rules = { .other_mask = PART_ALL };

static const struct bambu_model unknown_model = {
	.code = "",
	.name = "",
	.serial_prefix = "",
	.nozzles = 1,
	.nozzle_max_c = 300,
	.bed_max_c = 120,
	.has_aux_fan = true,
	.has_chamber_fan = true,
	.has_door_sensor = true,
};

struct bambu_report {
	struct tree *print, *info;
	const struct bambu_model *model; /* NULL unknown */
	bool is_model_fixed;             /* by the configuration */
	bool has_full, wants_fresh;
	unsigned touched;
	int64_t cancel_us; /* when the cancel code was last seen, 0 never */
	int64_t failed_us; /* when FAILED began */
};

struct bambu_report *bambu_report_new(const char *serial, const char *model)
{
	struct bambu_report *r = MEM_NEW(struct bambu_report);

	r->print = tree_new(&print_rules);
	r->info = tree_new(&info_rules);
	r->touched = PART_ALL;
	if (model && *model && !text_equal(model, "auto"))
		r->model = bambu_model_by_name(model);
	r->is_model_fixed = r->model != NULL;
	if (!r->model)
		r->model = bambu_model_by_serial(serial);
	return r;
}

void bambu_report_free(struct bambu_report *r)
{
	if (!r)
		return;
	tree_free(r->print);
	tree_free(r->info);
	free(r);
}

void bambu_report_restart(struct bambu_report *r)
{
	r->wants_fresh = true;
}

bool bambu_report_has_full(const struct bambu_report *r)
{
	return r->has_full;
}

const struct bambu_model *bambu_report_model(const struct bambu_report *r)
{
	return r->model ? r->model : &unknown_model;
}

bool bambu_report_knows_model(const struct bambu_report *r)
{
	return r->model != NULL;
}

static const struct tree_node *get(const struct bambu_report *r, const char *key)
{
	return tree_get(r->print, tree_root(r->print), key);
}

int64_t bambu_report_int(const struct bambu_report *r, const char *key, int64_t otherwise)
{
	return tree_int(get(r, key), otherwise);
}

const char *bambu_report_text(const struct bambu_report *r, const char *key)
{
	return tree_text(get(r, key));
}

uint64_t bambu_report_fun(const struct bambu_report *r)
{
	uint64_t fun = 0;

	return tree_hex(get(r, "fun"), &fun) ? fun : 0;
}

/* ---- reading a message ---- */

struct parsed {
	const char *text;
	struct json_token *tokens;
	size_t at; /* the object of the category */
	size_t n_members;
};

static size_t member(const struct parsed *p, const char *key)
{
	return json_scan_member(p->text, p->tokens, p->at, key);
}

static void member_text(const struct parsed *p, const char *key, char *dst, size_t size)
{
	size_t i = member(p, key);

	text_copy(dst, size, "");
	if (i == 0 || p->tokens[i].kind >= JSON_KIND_ARRAY)
		return;
	json_scan_string(p->text, &p->tokens[i], dst, size);
	text_clean(dst);
}

static void read_reply(const struct parsed *p, struct bambu_message *m)
{
	char result[24], number[16];
	int64_t code = 0;

	member_text(p, "result", result, sizeof(result));
	member_text(p, "reason", m->reason, sizeof(m->reason));
	member_text(p, "err_code", number, sizeof(number));
	m->is_success = text_equal_nocase(result, "success");
	if (text_equal_nocase(m->reason, "success"))
		m->reason[0] = '\0';
	if (text_to_i64(number, &code))
		m->err_code = (uint32_t)code;
	m->kind = BAMBU_MESSAGE_REPLY;
}

static void merge_status(struct bambu_report *r, const struct parsed *p, struct bambu_message *m)
{
	char msg[8];

	member_text(p, "msg", msg, sizeof(msg));

	/* Without `msg` (old firmware) the number of keys tells. */
	bool is_full = *msg ? text_equal(msg, "0") : p->n_members > 40;

	if (is_full && r->wants_fresh) {
		tree_clear(r->print);
		r->wants_fresh = false;
		r->touched = PART_ALL;
	}
	r->touched |= tree_merge(r->print, p->text, p->tokens, p->at);
	r->has_full |= is_full;
	m->kind = is_full ? BAMBU_MESSAGE_FULL : BAMBU_MESSAGE_DELTA;
}

static void read_print(struct bambu_report *r, const struct parsed *p, struct bambu_message *m)
{
	if (member(p, "result"))
		read_reply(p, m);
	else if (text_equal(m->command, "push_status") || (!*m->command && !member(p, "param")))
		merge_status(r, p, m);
	else
		m->kind = BAMBU_MESSAGE_ECHO;
}

static const struct tree_node *module_get(const struct bambu_report *r, const struct tree_node *n,
                                          const char *key)
{
	return tree_get(r->info, n, key);
}

/* By name of a module of get_version; NULL if none. */
static const struct tree_node *module_find(const struct bambu_report *r, const char *prefix)
{
	const struct tree_node *list = tree_get(r->info, tree_root(r->info), "module");

	for (size_t i = 0; i < tree_count(list); i++) {
		const struct tree_node *n = tree_at(list, i);

		if (text_starts(tree_text(module_get(r, n, "name")), prefix))
			return n;
	}
	return NULL;
}

static const struct bambu_model *model_by_modules(const struct bambu_report *r)
{
	const struct tree_node *ota = module_find(r, "ota");
	const char *product = tree_text(module_get(r, ota, "product_name"));

	if (*product)
		return bambu_model_by_name(product);

	static const char *const names[] = { "ota", "esp32", "rv1126", "ap" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct tree_node *n = module_find(r, names[i]);
		const char *project = tree_text(module_get(r, n, "project_name"));

		if (*project && bambu_model_by_code(project))
			return bambu_model_by_code(project);
	}
	if (text_equal(tree_text(module_get(r, module_find(r, "rv1126"), "hw_ver")), "AP05"))
		return bambu_model_by_code("BL-P001");
	if (text_equal(tree_text(module_get(r, module_find(r, "ap"), "hw_ver")), "AP02"))
		return bambu_model_by_code("C13");
	return NULL;
}

static void read_info(struct bambu_report *r, const struct parsed *p, struct bambu_message *m)
{
	if (!text_equal(m->command, "get_version") || !member(p, "module"))
		return;
	m->kind = BAMBU_MESSAGE_VERSION;
	r->touched |= tree_merge(r->info, p->text, p->tokens, p->at);

	const struct bambu_model *model = model_by_modules(r);

	if (model && !r->is_model_fixed)
		r->model = model;
}

static void read_tokens(struct bambu_report *r, const char *bytes, struct json_token *tokens,
                        struct bambu_message *ret)
{
	struct parsed p = { .text = bytes, .tokens = tokens };

	ret->kind = BAMBU_MESSAGE_OTHER;
	if (tokens[0].kind != JSON_KIND_OBJECT) {
		ret->kind = BAMBU_MESSAGE_BROKEN;
		return;
	}
	for (size_t i = 1; i < tokens[0].next; i = tokens[i + 1].next) {
		if (tokens[i + 1].kind != JSON_KIND_OBJECT)
			continue;
		json_scan_string(bytes, &tokens[i], ret->category, sizeof(ret->category));
		text_clean(ret->category);
		p.at = i + 1;
		p.n_members = 0;
		for (size_t k = p.at + 1; k < tokens[p.at].next; k = tokens[k + 1].next)
			p.n_members++;
		member_text(&p, "command", ret->command, sizeof(ret->command));
		member_text(&p, "sequence_id", ret->sequence_id, sizeof(ret->sequence_id));
		if (text_equal(ret->category, "print"))
			read_print(r, &p, ret);
		else if (text_equal(ret->category, "info"))
			read_info(r, &p, ret);
		else if (member(&p, "result"))
			read_reply(&p, ret);
		return;
	}
}

void bambu_report_read(struct bambu_report *r, const char *bytes, size_t size,
                       struct bambu_message *ret)
{
	struct json_token few[FEW_TOKENS];
	size_t n;

	memset(ret, 0, sizeof(*ret));

	int rc = json_scan(bytes, size, few, FEW_TOKENS, &n);

	if (rc == 0) {
		read_tokens(r, bytes, few, ret);
		return;
	}
	if (rc != -E2BIG)
		return;

	auto_free struct json_token *many = mem_new_array(MANY_TOKENS, sizeof(*many));

	if (json_scan(bytes, size, many, MANY_TOKENS, &n) == 0)
		read_tokens(r, bytes, many, ret);
}

/* ---- writing the state ---- */

/* Copies and clears the rest, so that equal states are equal byte by byte. */
static void put(char *dst, size_t size, const char *src)
{
	if (strcmp(dst, src) == 0)
		return;
	memset(dst, 0, size);
	text_copy(dst, size, src);
	text_clean(dst);
}

#define PUT(array, src) put((array), sizeof(array), (src))

static enum printer_activity activity_of(const char *gcode_state)
{
	static const struct {
		const char *word;
		enum printer_activity activity;
	} words[] = {
		{ "RUNNING", PRINTER_PRINTING },  { "PREPARE", PRINTER_PREPARING },
		{ "SLICING", PRINTER_PREPARING }, { "PAUSE", PRINTER_PAUSED },
		{ "FINISH", PRINTER_FINISHED },   { "FAILED", PRINTER_FAILED },
		{ "IDLE", PRINTER_IDLE },         { "INIT", PRINTER_IDLE },
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (text_equal_nocase(gcode_state, words[i].word))
			return words[i].activity;
	}
	return PRINTER_UNKNOWN;
}

static bool is_near(int64_t a_us, int64_t b_us)
{
	return a_us && b_us && llabs(a_us - b_us) < CANCEL_MEMORY_US;
}

/* FAILED together with the cancel code, in whichever order they come, is "cancelled" (and stays
 * so while the printer says FAILED). */
static enum printer_activity judge_end(struct bambu_report *r, const struct printer_state *s,
                                       enum printer_activity a, int64_t now_us)
{
	bool was_job = printer_activity_is_job(s->activity);

	if (bambu_is_cancel((uint32_t)tree_int(get(r, "print_error"), 0)))
		r->cancel_us = now_us;
	if (a == PRINTER_IDLE && was_job && is_near(r->cancel_us, now_us))
		return PRINTER_CANCELLED;
	if (a == PRINTER_IDLE && s->activity == PRINTER_CANCELLED)
		return PRINTER_CANCELLED;
	if (a != PRINTER_FAILED) {
		r->failed_us = 0;
		return a;
	}
	if (r->failed_us == 0)
		r->failed_us = was_job || r->cancel_us == now_us ? now_us : 1;
	if (s->activity == PRINTER_CANCELLED || is_near(r->cancel_us, r->failed_us))
		return PRINTER_CANCELLED;
	return PRINTER_FAILED;
}

static void apply_activity(struct bambu_report *r, struct printer_state *s, int64_t now_us)
{
	const struct tree_node *state = get(r, "gcode_state");
	uint32_t error = (uint32_t)tree_int(get(r, "print_error"), 0);

	if (!state)
		return;

	enum printer_activity a = activity_of(tree_text(state));

	/* "" is said by some between jobs. */
	if (a == PRINTER_UNKNOWN && !*tree_text(state))
		a = PRINTER_IDLE;
	s->activity = judge_end(r, s, a, now_us);

	bool is_job = printer_activity_is_job(s->activity);
	int stage = (int)tree_int(get(r, "stg_cur"), -1);

	s->stage = !is_job || stage == 255 ? -1 : stage;

	char text[sizeof(s->stage_text)];

	bambu_stage_text(s->stage, text, sizeof(text));
	PUT(s->stage_text, text);
	s->pause = s->activity == PRINTER_PAUSED ? bambu_pause_reason(error, s->stage)
	                                         : PRINTER_PAUSE_NONE;
}

static int known_or(const struct tree_node *n, int otherwise)
{
	int64_t v = tree_int(n, otherwise);

	return v < 0 || v > INT32_MAX ? otherwise : (int)v;
}

static void apply_plate(const struct bambu_report *r, struct printer_job *j, const char *file)
{
	const char *inside = strstr(file, "Metadata/plate_");
	int plate = known_or(get(r, "plate_idx"), 0);
	char text[sizeof(j->plate)] = "";

	if (inside)
		TEXT_SET(text, inside);
	else if (plate > 0 && plate < 1000)
		(void)snprintf(text, sizeof(text), "Metadata/plate_%d.gcode", plate);
	PUT(j->plate, text);
}

static void apply_job(struct bambu_report *r, struct printer_state *s)
{
	struct printer_job *j = &s->job;
	const struct tree_node *three = get(r, "3D");
	const char *file = tree_text(get(r, "gcode_file"));

	PUT(j->name, tree_text(get(r, "subtask_name")));
	PUT(j->file, file);
	PUT(j->task_id, tree_text(get(r, "task_id")));
	apply_plate(r, j, file);
	j->layer =
		known_or(get(r, "layer_num"), known_or(tree_get(r->print, three, "layer_num"), -1));
	j->layers = known_or(get(r, "total_layer_num"),
	                     known_or(tree_get(r->print, three, "total_layer_num"), -1));
	if (j->layers == 0)
		j->layers = -1;
	j->percent = known_or(get(r, "mc_percent"), -1);
	j->remaining_min = known_or(get(r, "mc_remaining_time"), -1);
	j->prepare_percent = known_or(get(r, "gcode_file_prepare_percent"), -1);

	int64_t started_s = tree_int(get(r, "gcode_start_time"), 0);

	j->started_wall_ms = started_s > 0 && started_s < 1LL << 40 ? started_s * 1000 : 0;
}

/* The nozzle's entry of device.extruder.info or device.nozzle.info. */
static const struct tree_node *by_id(const struct bambu_report *r, const struct tree_node *list,
                                     int id)
{
	for (size_t i = 0; i < tree_count(list); i++) {
		const struct tree_node *n = tree_at(list, i);

		if (tree_int(tree_get(r->print, n, "id"), -1) == id)
			return n;
	}
	return NULL;
}

static void apply_nozzle_kind(const struct bambu_report *r, struct printer_nozzle *n, int id)
{
	const struct tree_node *info =
		by_id(r, tree_path(r->print, get(r, "device"), "nozzle", "info", NULL), id);
	const char *code = tree_text(tree_get(r->print, info, "type"));
	double diameter = tree_double(tree_get(r->print, info, "diameter"), NAN);
	char type[sizeof(n->type)];

	if (id == 0 && !*code)
		code = tree_text(get(r, "nozzle_type"));
	if (id == 0 && isnan(diameter))
		diameter = tree_double(get(r, "nozzle_diameter"), NAN);
	/* 0.4 comes as 0.4000000059604645 from some */
	n->diameter_mm = diameter > 0 && diameter < 10 ? round(diameter * 100) / 100 : (double)NAN;
	bambu_nozzle_type(code, type, sizeof(type));
	PUT(n->type, type);
}

static const char *nozzle_name(const struct bambu_report *r, const struct printer_state *s, int id)
{
	if (s->n_nozzles < 2)
		return "nozzle";
	if (text_equal(bambu_report_model(r)->code, "N6"))
		return id == 0 ? "auxiliary" : "main";
	return id == 0 ? "right" : "left";
}

static void apply_nozzles(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *extruder = tree_path(r->print, get(r, "device"), "extruder", NULL);
	const struct tree_node *list = tree_get(r->print, extruder, "info");
	int64_t state = tree_int(tree_get(r->print, extruder, "state"), -1);
	int n = bambu_report_model(r)->nozzles;

	if (state > 0 && (state & 15) > 0)
		n = (int)(state & 15);
	s->n_nozzles = (unsigned)MIN(n, PRINTER_MAX_NOZZLES);
	s->active_nozzle = state > 0 ? (int)(state >> 4 & 15) : 0;
	if (s->active_nozzle >= (int)s->n_nozzles)
		s->active_nozzle = 0;
	for (int i = 0; i < (int)s->n_nozzles; i++) {
		struct printer_nozzle *z = &s->nozzles[i];
		const struct tree_node *e = by_id(r, list, i);

		z->heat = bambu_packed_heat(tree_int(tree_get(r->print, e, "temp"), -1));
		if (s->n_nozzles == 1 || (i == s->active_nozzle && isnan(z->heat.now_c))) {
			z->heat.now_c = tree_double(get(r, "nozzle_temper"), z->heat.now_c);
			z->heat.target_c =
				tree_double(get(r, "nozzle_target_temper"), z->heat.target_c);
		}
		z->tray = bambu_tray_of_snow(tree_int(tree_get(r->print, e, "snow"), -1));
		PUT(z->name, nozzle_name(r, s, i));
		apply_nozzle_kind(r, z, i);
	}
}

static void apply_heat(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *device = get(r, "device");
	const struct tree_node *ctc = tree_path(r->print, device, "ctc", "info", "temp", NULL);
	const struct bambu_model *m = bambu_report_model(r);

	apply_nozzles(r, s);
	s->bed = bambu_packed_heat(
		tree_int(tree_path(r->print, device, "bed", "info", "temp", NULL), -1));
	s->bed.now_c = tree_double(get(r, "bed_temper"), s->bed.now_c);
	s->bed.target_c = tree_double(get(r, "bed_target_temper"), s->bed.target_c);

	s->chamber = (struct printer_heat){ NAN, NAN };
	if (!m->has_chamber_sensor && (r->model || !ctc))
		return; /* P1 and A1 report a constant 5 */
	s->chamber = bambu_packed_heat(tree_int(ctc, -1));
	if (isnan(s->chamber.now_c))
		s->chamber.now_c = tree_double(tree_path(r->print, get(r, "info"), "temp", NULL),
		                               tree_double(get(r, "chamber_temper"), NAN));
	if (isnan(s->chamber.target_c))
		s->chamber.target_c = tree_double(get(r, "ctt"), NAN);
	if (m->chamber_max_c == 0)
		s->chamber.target_c = NAN;
}

/* Percent of an air-duct part; the 15 steps of the old field where there is none. */
static int fan_of(const struct bambu_report *r, int part, const char *old)
{
	const struct tree_node *p =
		by_id(r, tree_path(r->print, get(r, "device"), "airduct", "parts", NULL), part);
	int64_t state = tree_int(tree_get(r->print, p, "state"), -1);

	if (state >= 0)
		return (int)MIN(state & 0xff, 100);
	return bambu_fan_percent(tree_int(get(r, old), -1));
}

static void apply_fans(struct bambu_report *r, struct printer_state *s)
{
	const struct bambu_model *m = bambu_report_model(r);

	s->fan_part = fan_of(r, 16, "cooling_fan_speed");
	s->fan_aux = m->has_aux_fan ? fan_of(r, 32, "big_fan1_speed") : -1;
	s->fan_chamber = m->has_chamber_fan ? fan_of(r, 48, "big_fan2_speed") : -1;
	s->fan_heatbreak = bambu_fan_percent(tree_int(get(r, "heatbreak_fan_speed"), -1));
}

static bool is_zeros(const char *s)
{
	return s[strspn(s, "0")] == '\0';
}

static void apply_tray(const struct bambu_report *r, struct printer_tray *t,
                       const struct tree_node *n)
{
	const struct tree *p = r->print;
	const char *uuid = tree_text(tree_get(p, n, "tray_uuid"));
	const char *tag = tree_text(tree_get(p, n, "tag_uid"));
	const char *color = tree_text(tree_get(p, n, "tray_color"));
	const char *brand = tree_text(tree_get(p, n, "tray_sub_brands"));

	PUT(t->filament_id, tree_text(tree_get(p, n, "tray_info_idx")));
	PUT(t->type, tree_text(tree_get(p, n, "tray_type")));
	PUT(t->brand, *brand ? brand : bambu_filament_name(t->filament_id));
	PUT(t->color, is_zeros(color) ? "" : color);
	PUT(t->uuid, is_zeros(uuid) ? "" : uuid);
	PUT(t->tag, is_zeros(tag) ? "" : tag);
	t->is_present = t->type[0] != '\0';

	/* What is left is measured for spools with the vendor's tag only. */
	t->remain_percent = t->uuid[0] ? known_or(tree_get(p, n, "remain"), -1) : -1;
	if (t->remain_percent > 100)
		t->remain_percent = -1;

	double weight = tree_double(tree_get(p, n, "tray_weight"), 0);

	t->full_g = weight > 0 ? weight : (double)NAN;
	t->nozzle_min_c = known_or(tree_get(p, n, "nozzle_temp_min"), 0);
	t->nozzle_max_c = known_or(tree_get(p, n, "nozzle_temp_max"), 0);
	t->nozzle_min_c = t->nozzle_min_c ? t->nozzle_min_c : -1;
	t->nozzle_max_c = t->nozzle_max_c ? t->nozzle_max_c : -1;
	t->k = tree_double(tree_get(p, n, "k"), NAN);
}

static bool is_lite(const struct bambu_report *r, int id)
{
	const char *code = bambu_report_model(r)->code;

	return id == 16 || text_equal(code, "N1") || text_equal(code, "N2S");
}

static const char *ams_kind(const struct bambu_report *r, int id, const struct tree_node *unit)
{
	static const char *const kinds[] = { "",          "AMS",    "AMS Lite",
		                             "AMS 2 Pro", "AMS HT", "AMS Lite" };
	uint64_t info;
	char module[16];

	if (tree_hex(tree_get(r->print, unit, "info"), &info) && (info & 15) > 0 &&
	    (info & 15) < ARRAY_LEN(kinds))
		return kinds[info & 15];
	if (id >= 128)
		return "AMS HT";
	(void)snprintf(module, sizeof(module), "n3f/%d", id);
	if (module_find(r, module))
		return "AMS 2 Pro";
	return is_lite(r, id) ? "AMS Lite" : "AMS";
}

static void apply_unit(const struct bambu_report *r, struct printer_ams *a, int id,
                       const struct tree_node *unit)
{
	const struct tree *p = r->print;
	const struct tree_node *trays = tree_get(p, unit, "tray");
	const struct tree_node *exist = tree_path(p, get(r, "ams"), "tray_exist_bits", NULL);
	uint64_t bits = 0;
	bool has_bits = tree_hex(exist, &bits);

	a->id = id;
	PUT(a->kind, ams_kind(r, id, unit));

	bool measures = !text_equal(a->kind, "AMS Lite"); /* it reports constants */

	a->humidity_level = measures ? known_or(tree_get(p, unit, "humidity"), 0) : -1;
	if (a->humidity_level < 1 || a->humidity_level > 5)
		a->humidity_level = -1;
	a->humidity_percent = measures ? known_or(tree_get(p, unit, "humidity_raw"), -1) : -1;
	a->temp_c = measures ? tree_double(tree_get(p, unit, "temp"), NAN) : (double)NAN;
	a->dry_minutes_left = known_or(tree_get(p, unit, "dry_time"), 0);
	a->n_trays = text_equal(a->kind, "AMS HT") ? 1 : 4;
	for (unsigned slot = 0; slot < PRINTER_MAX_TRAYS; slot++) {
		struct printer_tray *t = &a->trays[slot];
		int bit = bambu_tray_bit(id, (int)slot);

		apply_tray(r, t, by_id(r, trays, (int)slot));
		if (has_bits && bit >= 0)
			t->is_present = bits >> bit & 1;
		if (slot >= a->n_trays)
			t->is_present = false;
	}
}

static void apply_units(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *ams = get(r, "ams");
	const struct tree_node *list = tree_get(r->print, ams, "ams");
	uint64_t bits = 0;
	bool has_bits = tree_hex(tree_get(r->print, ams, "ams_exist_bits"), &bits);
	unsigned n = 0;

	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_AMS; i++) {
		int id = known_or(tree_get(r->print, tree_at(list, i), "id"), -1);
		int bit = bambu_ams_bit(id);

		if (id < 0 || (has_bits && bit >= 0 && !(bits >> bit & 1)))
			continue;
		apply_unit(r, &s->ams[n++], id, tree_at(list, i));
	}
	if (n < s->n_ams)
		memset(&s->ams[n], 0, (s->n_ams - n) * sizeof(s->ams[0]));
	s->n_ams = n;
}

static void apply_external(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *slots = get(r, "vir_slot");
	unsigned n = (unsigned)MIN(tree_count(slots), (size_t)PRINTER_MAX_NOZZLES);

	if (n == 0 && get(r, "vt_tray")) {
		apply_tray(r, &s->external[0], get(r, "vt_tray"));
		n = 1;
	} else if (n == 1) {
		apply_tray(r, &s->external[0], tree_at(slots, 0));
	} else {
		for (unsigned i = 0; i < n; i++)
			apply_tray(r, &s->external[i], by_id(r, slots, 255 - (int)i));
	}
	s->n_external = n;
}

static void apply_ams(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *snow =
		tree_path(r->print, get(r, "device"), "extruder", "info", NULL);
	const struct tree_node *now = tree_path(r->print, get(r, "ams"), "tray_now", NULL);

	apply_units(r, s);
	apply_external(r, s);
	/* On newer machines `tray_now` is the slot alone: the extruder says it all. */
	snow = tree_get(r->print, by_id(r, snow, s->active_nozzle), "snow");
	s->tray_now = snow ? bambu_tray_of_snow(tree_int(snow, -1))
	                   : bambu_tray_of_now(tree_int(now, -1));
	if (s->n_nozzles == 1)
		s->nozzles[0].tray = s->tray_now;
}

static void apply_hms_entry(struct printer_hms *h, uint32_t attr, uint32_t code)
{
	char shown[sizeof(h->code)], key[17];
	char text[sizeof(h->text)], wiki[sizeof(h->wiki)];

	(void)snprintf(shown, sizeof(shown), "%04X_%04X_%04X_%04X", attr >> 16, attr & 0xffff,
	               code >> 16, code & 0xffff);
	if (text_equal(shown, h->code))
		return; /* its text is there already */
	memset(h, 0, sizeof(*h));
	(void)snprintf(key, sizeof(key), "%08X%08X", attr, code);
	(void)bambu_hms_text(key, text, sizeof(text), wiki, sizeof(wiki));
	PUT(h->code, shown);
	PUT(h->module, bambu_module_name(attr >> 24));
	PUT(h->text, text);
	PUT(h->wiki, wiki);
	h->severity = (int)(code >> 16);
}

static void apply_print_error(struct bambu_report *r, struct printer_state *s)
{
	uint32_t error = (uint32_t)tree_int(get(r, "print_error"), 0);
	char code[sizeof(s->print_error_code)] = "", key[16];
	char text[sizeof(s->print_error_text)] = "", wiki[160];

	if ((error & 0xffff) < 0x4000) /* status noise */
		error = 0;
	if (error == s->print_error)
		return;
	s->print_error = error;
	if (error) {
		(void)snprintf(code, sizeof(code), "%04X-%04X", error >> 16, error & 0xffff);
		(void)snprintf(key, sizeof(key), "%08X", error);
		(void)bambu_hms_text(key, text, sizeof(text), wiki, sizeof(wiki));
	}
	PUT(s->print_error_code, code);
	PUT(s->print_error_text, text);
}

static void apply_trouble(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *list = get(r, "hms");
	unsigned n = 0;

	apply_print_error(r, s);
	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_HMS; i++) {
		const struct tree_node *e = tree_at(list, i);
		int64_t attr = tree_int(tree_get(r->print, e, "attr"), 0);
		int64_t code = tree_int(tree_get(r->print, e, "code"), 0);

		if (attr != 0)
			apply_hms_entry(&s->hms[n++], (uint32_t)attr, (uint32_t)code);
	}
	if (n < s->n_hms)
		memset(&s->hms[n], 0, (s->n_hms - n) * sizeof(s->hms[0]));
	s->n_hms = n;
}

static void apply_lights(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *list = get(r, "lights_report");
	unsigned n = 0;
	uint64_t cfg;

	memset(s->lights, 0, sizeof(s->lights));
	for (size_t i = 0; i < tree_count(list) && n < PRINTER_MAX_LIGHTS; i++) {
		const char *node = tree_text(tree_get(r->print, tree_at(list, i), "node"));
		const char *mode = tree_text(tree_get(r->print, tree_at(list, i), "mode"));
		char *end;

		if (text_equal(node, "work_light"))
			continue; /* the toolhead's; always "flashing" and not to be switched */
		PUT(s->lights[n].name, node);
		end = strstr(s->lights[n].name, "_light");
		if (end)
			memmove(end, end + 6, strlen(end + 6) + 1);
		s->lights[n++].is_on = text_equal(mode, "on");
	}
	if (n == 0 && tree_hex(get(r, "cfg"), &cfg)) {
		PUT(s->lights[0].name, "chamber");
		s->lights[n++].is_on = cfg >> 7 & 1;
	}
	s->n_lights = n;
}

static void apply_camera(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *ipcam = get(r, "ipcam");
	const char *rtsp = tree_text(tree_get(r->print, ipcam, "rtsp_url"));
	const char *text = "";

	s->camera_is_on = tree_int(tree_get(r->print, ipcam, "ipcam_dev"), 1) == 1;
	if (!s->camera_is_on)
		text = "The printer says that its camera is off or broken. Switch the camera on in "
		       "the printer's settings, or check its cable.";
	else if (!bambu_report_model(r)->has_jpeg_camera && text_equal(rtsp, "disable"))
		text = "Switch on \"LAN-only liveview\" in the printer's settings to see its "
		       "camera.";
	PUT(s->camera_text, text);
	s->records_timelapse = tree_bool(tree_get(r->print, ipcam, "timelapse"), false);
}

static bool has_update(const struct bambu_report *r)
{
	const struct tree_node *list = tree_get(r->info, tree_root(r->info), "module");

	if (tree_int(tree_path(r->print, get(r, "upgrade_state"), "new_version_state", NULL), 0) ==
	    1)
		return true;
	for (size_t i = 0; i < tree_count(list); i++) {
		if (*tree_text(tree_get(r->info, tree_at(list, i), "new_ver")))
			return true;
	}
	return false;
}

static bool has_storage(const struct bambu_report *r)
{
	uint64_t aux;
	const struct tree_node *sdcard = get(r, "sdcard");
	int64_t flags = tree_int(get(r, "home_flag"), 0);

	if (tree_hex(get(r, "aux"), &aux))
		return (aux >> 12 & 1) != 0; /* 1 good, 3 read-only */
	if (sdcard)
		return tree_bool(sdcard, false);
	return (flags >> 8 & 1) != 0;
}

static void apply_machine(struct bambu_report *r, struct printer_state *s)
{
	const struct bambu_model *m = bambu_report_model(r);
	uint64_t stat;
	const struct tree_node *home_flag = get(r, "home_flag");

	PUT(s->model, m->name);
	PUT(s->model_code, m->code);
	PUT(s->firmware, tree_text(module_get(r, module_find(r, "ota"), "sw_ver")));
	s->has_update = has_update(r);
	if (bambu_report_fun(r))
		s->needs_developer_mode = bambu_report_fun(r) >> 29 & 1;
	PUT(s->wifi, tree_text(get(r, "wifi_signal")));

	s->has_door = m->has_door_sensor && home_flag;
	s->is_door_open = false;
	if (m->has_door_sensor && tree_hex(get(r, "stat"), &stat))
		s->is_door_open = stat >> 23 & 1;
	else if (s->has_door)
		s->is_door_open = tree_int(home_flag, 0) >> 23 & 1;
	s->has_storage = has_storage(r);
	s->speed_level = known_or(get(r, "spd_lvl"), -1);
	s->speed_percent = known_or(get(r, "spd_mag"), -1);
	apply_lights(r, s);
	apply_camera(r, s);
}

void bambu_report_apply(struct bambu_report *r, struct printer_state *s, int64_t now_us)
{
	unsigned touched = r->touched;

	r->touched = 0;
	if (touched & PART_ACTIVITY)
		apply_activity(r, s, now_us);
	if (touched & PART_JOB)
		apply_job(r, s);
	if (touched & PART_HEAT)
		apply_heat(r, s);
	if (touched & PART_FANS)
		apply_fans(r, s);
	if (touched & PART_AMS)
		apply_ams(r, s);
	if (touched & PART_TROUBLE)
		apply_trouble(r, s);
	if (touched & PART_MACHINE)
		apply_machine(r, s);
}

static bool is_secret_key(const char *key)
{
	return strstr(key, "access_code") || strstr(key, "passw") || strstr(key, "token") ||
	       strstr(key, "secret") || text_equal(key, "ttcode") || text_equal(key, "authkey");
}

/* Depth is the scanner's. */
static void hide_secrets(json_t *j)
{
	const char *key;
	json_t *v;
	size_t i;

	json_object_foreach(j, key, v)
	{
		if (is_secret_key(key) && json_is_string(v) && *json_string_value(v))
			json_string_set(v, "(hidden)");
		else
			hide_secrets(v);
	}
	json_array_foreach(j, i, v) hide_secrets(v);
}

json_t *bambu_report_json(const struct bambu_report *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "print", tree_json(r->print, tree_root(r->print)));
	json_object_set_new(j, "info", tree_json(r->info, tree_root(r->info)));
	hide_secrets(j);
	return j;
}
