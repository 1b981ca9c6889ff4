/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report.h"

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/text.h"
#include "printers/bambu/report_priv.h"
#include "printers/bambu/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FEW_TOKENS 256
#define MANY_TOKENS 20000

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
	{ "ams_status", PART_ACTIVITY },
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

const struct tree_node *report_get(const struct bambu_report *r, const char *key)
{
	return tree_get(r->print, tree_root(r->print), key);
}

int64_t bambu_report_int(const struct bambu_report *r, const char *key, int64_t otherwise)
{
	return tree_int(report_get(r, key), otherwise);
}

const char *bambu_report_text(const struct bambu_report *r, const char *key)
{
	return tree_text(report_get(r, key));
}

uint64_t bambu_report_fun(const struct bambu_report *r)
{
	uint64_t fun = 0;

	return tree_hex(report_get(r, "fun"), &fun) ? fun : 0;
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

	/* What was left out for want of room would be missing for ever. */
	if (is_full && (r->wants_fresh || tree_left_out(r->print) > 0)) {
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

const struct tree_node *report_module_get(const struct bambu_report *r, const struct tree_node *n,
                                          const char *key)
{
	return tree_get(r->info, n, key);
}

const struct tree_node *report_module_find(const struct bambu_report *r, const char *prefix)
{
	const struct tree_node *list = tree_get(r->info, tree_root(r->info), "module");

	for (size_t i = 0; i < tree_count(list); i++) {
		const struct tree_node *n = tree_at(list, i);

		if (text_starts(tree_text(report_module_get(r, n, "name")), prefix))
			return n;
	}
	return NULL;
}

static const struct bambu_model *model_by_modules(const struct bambu_report *r)
{
	const struct tree_node *ota = report_module_find(r, "ota");
	const char *product = tree_text(report_module_get(r, ota, "product_name"));

	if (*product)
		return bambu_model_by_name(product);

	static const char *const names[] = { "ota", "esp32", "rv1126", "ap" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct tree_node *n = report_module_find(r, names[i]);
		const char *project = tree_text(report_module_get(r, n, "project_name"));

		if (*project && bambu_model_by_code(project))
			return bambu_model_by_code(project);
	}
	if (text_equal(tree_text(report_module_get(r, report_module_find(r, "rv1126"), "hw_ver")),
	               "AP05"))
		return bambu_model_by_code("BL-P001");
	if (text_equal(tree_text(report_module_get(r, report_module_find(r, "ap"), "hw_ver")),
	               "AP02"))
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

void report_put(char *dst, size_t size, const char *src)
{
	if (strcmp(dst, src) == 0)
		return;
	memset(dst, 0, size);
	text_copy(dst, size, src);
	text_clean(dst);
}

int report_known(const struct tree_node *n, int otherwise)
{
	int64_t v = tree_int(n, otherwise);

	return v < 0 || v > INT32_MAX ? otherwise : (int)v;
}

const struct tree_node *report_by_id(const struct bambu_report *r, const struct tree_node *list,
                                     int id)
{
	for (size_t i = 0; i < tree_count(list); i++) {
		const struct tree_node *n = tree_at(list, i);

		if (tree_int(tree_get(r->print, n, "id"), -1) == id)
			return n;
	}
	return NULL;
}

void bambu_report_apply(struct bambu_report *r, struct printer_state *s, int64_t now_us)
{
	unsigned touched = r->touched;

	r->touched = 0;
	if (touched & PART_ACTIVITY)
		report_apply_activity(r, s, now_us);
	if (touched & PART_JOB)
		report_apply_job(r, s);
	if (touched & PART_HEAT)
		report_apply_heat(r, s);
	if (touched & PART_FANS)
		report_apply_fans(r, s);
	if (touched & PART_AMS)
		report_apply_ams(r, s);
	if (touched & PART_TROUBLE)
		report_apply_trouble(r, s);
	if (touched & PART_MACHINE)
		report_apply_machine(r, s);
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
