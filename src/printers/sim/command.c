/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Requests and their answers (bambu.md 2.3, 2.4, 3). */

#include "base/buf.h"
#include "base/text.h"
#include "printers/sim/engine_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct command {
	const char *name;
	/* NULL: done; else why not */
	const char *(*run)(struct sim_engine *e, const json_t *c);
};

static const char *text_of(const json_t *c, const char *key)
{
	const char *s = json_string_value(json_object_get(c, key));

	return s ? s : "";
}

/* The answer: what was asked, and how it went. */
static void answer(struct sim_engine *e, const char *category, const json_t *c, const char *why,
                   unsigned code)
{
	json_t *a = json_deep_copy(c);

	json_object_set_new(a, "result", json_string(why ? "failed" : "success"));
	json_object_set_new(a, "reason", json_string(why ? why : "success"));
	if (code)
		json_object_set_new(a, "err_code", json_integer(code));
	sim_publish(e, json_pack("{s:o}", category, a));
}

static const char *do_pause(struct sim_engine *e, const json_t *c)
{
	(void)c;
	if (e->phase != SIM_RUNNING)
		return "no job runs";
	sim_pause(e, 16, 0);
	return NULL;
}

static const char *do_resume(struct sim_engine *e, const json_t *c)
{
	(void)c;
	if (e->phase != SIM_PAUSED)
		return "the job is not paused";
	sim_resume(e);
	return NULL;
}

static const char *do_stop(struct sim_engine *e, const json_t *c)
{
	(void)c;
	if (!sim_engine_is_busy(e))
		return "no job runs";
	sim_fail(e, SIM_ERROR_CANCELLED, SIM_CANCEL_SHOWS_S);
	return NULL;
}

static const char *do_speed(struct sim_engine *e, const json_t *c)
{
	static const int percent[] = { 50, 100, 124, 166 };
	int64_t level;

	if (!text_to_i64(text_of(c, "param"), &level) || level < 1 || level > 4)
		return "level out of range";
	sim_set(e, json_pack("{s:i s:i}", "spd_lvl", (int)level, "spd_mag", percent[level - 1]));
	return NULL;
}

/* The number behind a letter; `otherwise` if there is none. */
static double word(const char *line, char letter, double otherwise)
{
	const char *at = strchr(line, ' ');

	for (; at; at = strchr(at + 1, ' ')) {
		char number[24];
		double v;

		if (at[1] != letter)
			continue;
		text_copy_n(number, sizeof(number), at + 2, strcspn(at + 2, " ;"));
		return text_to_double(number, &v) ? fmax(-1e6, fmin(1e6, v)) : otherwise;
	}
	return otherwise;
}

static void set_fan(struct sim_engine *e, int fan, double s255)
{
	static const char *const keys[] = { NULL, "cooling_fan_speed", "big_fan1_speed",
		                            "big_fan2_speed" };

	if (fan < 1 || fan > 3 || s255 < 0 || s255 > 255)
		return;
	json_object_set_new(e->print, keys[fan], json_sprintf("%d", (int)(s255 * 15 / 255 + 0.5)));

	int gear = (int)sim_number(e, "fan_gear") & ~(0xff << 8 * (fan - 1));

	json_object_set_new(e->print, "fan_gear", json_integer(gear | (int)s255 << 8 * (fan - 1)));
}

static void gcode(struct sim_engine *e, const char *line)
{
	if (text_starts(line, "M104"))
		json_object_set_new(e->print, "nozzle_target_temper",
		                    json_integer((int)word(line, 'S', 0)));
	else if (text_starts(line, "M140"))
		json_object_set_new(e->print, "bed_target_temper",
		                    json_integer((int)word(line, 'S', 0)));
	else if (text_starts(line, "M106"))
		set_fan(e, (int)word(line, 'P', 1), word(line, 'S', 0));
	else if (text_starts(line, "G28"))
		json_object_set_new(e->print, "home_flag",
		                    json_integer((int)sim_number(e, "home_flag") | 7));
	else if (text_starts(line, "M400") && word(line, 'U', 0) == 1)
		sim_pause(e, 5, 0x03008013U);
}

static const char *do_gcode(struct sim_engine *e, const json_t *c)
{
	const char *at = text_of(c, "param");

	while (*at) {
		char line[128];
		size_t n = strcspn(at, "\n");

		text_copy_n(line, sizeof(line), at, n);
		gcode(e, line);
		at += n + (at[n] == '\n');
	}
	return NULL;
}

/* The path on the storage: "cache/x.gcode.3mf" of any of the forms of bambu.md 3.3. */
static const char *storage_path(const json_t *c)
{
	static const char *const heads[] = { "file:///sdcard/",
		                             "file:///mnt/sdcard/",
		                             "file:///media/usb0/",
		                             "brtc://emmc/",
		                             "ftp:///",
		                             "ftp://" };
	const char *url = text_of(c, "url");

	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		if (text_starts(url, heads[i]))
			return url + strlen(heads[i]);
	return url;
}

static const char *do_project_file(struct sim_engine *e, const json_t *c)
{
	if (sim_engine_is_busy(e)) {
		json_object_set_new(e->print, "print_error", json_integer(SIM_ERROR_BUSY));
		e->error_clears_at_s = e->clock_s + 5;
		return "a job is running";
	}
	if (e->faults[SIM_FAULT_SD_MISSING].is_on) {
		/* Accepted, and then nothing but the error (bambu.md 2.8). */
		json_object_set_new(e->print, "print_error", json_integer(SIM_ERROR_STORAGE));
		return NULL;
	}
	json_decref(e->request);
	e->request = json_deep_copy(c);
	e->phase = SIM_LOADING;
	json_object_set_new(e->print, "print_error", json_integer(0));
	sim_set(e, json_pack("{s:{s:s}}", "ipcam", "timelapse",
	                     json_is_true(json_object_get(c, "timelapse")) ? "enable" : "disable"));
	return NULL;
}

static void load_now(struct sim_engine *e, const json_t *c)
{
	const char *digits = strpbrk(text_of(c, "param"), "0123456789");

	const char *wanted = sim_engine_fault_arg(e, SIM_FAULT_FILE_URL);

	if (e->phase != SIM_LOADING)
		return;
	if (e->faults[SIM_FAULT_FILE_URL].is_on && !text_starts(text_of(c, "url"), wanted))
		sim_engine_loaded(e, NULL);
	else
		e->s.load(e->s.arg, storage_path(c),
		          digits ? (unsigned)strtoul(digits, NULL, 10) : 0);
}

static const char *do_skip(struct sim_engine *e, const json_t *c)
{
	json_t *more = json_object_get(c, "obj_list");

	if (!sim_engine_is_busy(e) || !json_is_array(more))
		return "no job runs";
	json_array_extend(json_object_get(e->print, "s_obj"), more);
	return NULL;
}

static const char *do_clean(struct sim_engine *e, const json_t *c)
{
	(void)c;
	sim_set(e, json_pack("{s:i s:[]}", "print_error", 0, "hms"));
	return NULL;
}

static const char *do_change_filament(struct sim_engine *e, const json_t *c)
{
	int target = (int)json_integer_value(json_object_get(c, "target"));
	json_t *now = json_sprintf("%d", target), *tar = json_sprintf("%d", target);

	sim_set(e, json_pack("{s:{s:o s:o} s:i}", "ams", "tray_now", now, "tray_tar", tar,
	                     "hw_switch_state", target != 255));
	return NULL;
}

static const char *do_tray_setting(struct sim_engine *e, const json_t *c)
{
	static const char *const keys[] = { "tray_info_idx", "tray_type", "tray_color" };
	json_t *units = json_object_get(json_object_get(e->print, "ams"), "ams");
	json_t *unit =
		json_array_get(units, (size_t)json_integer_value(json_object_get(c, "ams_id")));
	json_t *tray = json_array_get(json_object_get(unit, "tray"),
	                              (size_t)json_integer_value(json_object_get(c, "tray_id")));

	if (json_integer_value(json_object_get(c, "ams_id")) == 255)
		tray = json_object_get(e->print, "vt_tray");
	if (!tray)
		return "no such tray";
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (json_object_get(c, keys[i]))
			json_object_set(tray, keys[i], json_object_get(c, keys[i]));
	return NULL;
}

static const char *do_cali_get(struct sim_engine *e, const json_t *c)
{
	(void)e;
	json_object_set_new((json_t *)(uintptr_t)c, "filaments", json_array());
	return NULL;
}

static const char *set_target(struct sim_engine *e, const char *key, const json_t *value)
{
	double c = json_number_value(value);

	if (!json_is_number(value) || c < 0 || c > 400)
		return "temperature out of range";
	json_object_set_new(e->print, key, json_integer((int)c));
	return NULL;
}

static const char *do_bed(struct sim_engine *e, const json_t *c)
{
	return set_target(e, "bed_target_temper", json_object_get(c, "temp"));
}

static const char *do_nozzle(struct sim_engine *e, const json_t *c)
{
	json_int_t which = json_integer_value(json_object_get(c, "extruder_index"));
	double celsius = json_number_value(json_object_get(c, "target_temp"));

	if (which < 0 || which >= (int)e->s.model->n_nozzles)
		return "no such nozzle";
	if (which == (json_int_t)e->nozzle)
		return set_target(e, "nozzle_target_temper", json_object_get(c, "target_temp"));
	if (!(celsius >= 0 && celsius <= 400))
		return "temperature out of range";
	e->idle_target_c = celsius;
	return NULL;
}

static const struct command print_commands[] = {
	{ "pause", do_pause },
	{ "resume", do_resume },
	{ "stop", do_stop },
	{ "print_speed", do_speed },
	{ "gcode_line", do_gcode },
	{ "project_file", do_project_file },
	{ "skip_objects", do_skip },
	{ "clean_print_error", do_clean },
	{ "ams_change_filament", do_change_filament },
	{ "ams_filament_setting", do_tray_setting },
	{ "extrusion_cali_get", do_cali_get },
	{ "set_bed_temp", do_bed },
	{ "set_nozzle_temp", do_nozzle },
};

static void print_command(struct sim_engine *e, const json_t *request, const json_t *c)
{
	const char *name = text_of(c, "command"), *why = NULL;

	if (e->faults[SIM_FAULT_REFUSE_UNSIGNED].is_on && !json_object_get(request, "header")) {
		answer(e, "print", c, "mqtt message verify failed", SIM_ERROR_UNSIGNED);
		sim_hms_add(e, SIM_HMS_UNSIGNED);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(print_commands); i++)
		if (text_equal(name, print_commands[i].name))
			why = print_commands[i].run(e, c);
	answer(e, "print", c, why,
	       why && sim_number(e, "print_error") == SIM_ERROR_BUSY ? SIM_ERROR_BUSY : 0);
	if (text_equal(name, "project_file"))
		load_now(e, c);
}

static const char *led(struct sim_engine *e, const json_t *c)
{
	json_t *lights = json_object_get(e->print, "lights_report"), *light;
	size_t i;

	json_array_foreach(lights, i, light)
	{
		if (!text_equal(text_of(light, "node"), text_of(c, "led_node")))
			continue;
		json_object_set(light, "mode", json_object_get(c, "led_mode"));
		return NULL;
	}
	return "no such light";
}

static void system_command(struct sim_engine *e, const json_t *c)
{
	const char *name = text_of(c, "command");

	if (text_equal(name, "ledctrl"))
		answer(e, "system", c, led(e, c), 0);
	else if (!text_equal(name, "reboot"))
		answer(e, "system", c, NULL, 0);
}

static void camera_command(struct sim_engine *e, const json_t *c)
{
	const char *name = text_of(c, "command");
	json_t *cam = json_object_get(e->print, "ipcam"), *control = json_object_get(c, "control");

	if (text_equal(name, "ipcam_record_set") && control)
		json_object_set(cam, "ipcam_record", control);
	if (text_equal(name, "ipcam_timelapse") && control)
		json_object_set(cam, "timelapse", control);
	answer(e, "camera", c, NULL, 0);
}

static void info_command(struct sim_engine *e, const json_t *c)
{
	json_t *a = json_deep_copy(c);

	json_object_set_new(a, "module", sim_state_versions(&e->s));
	/* X1 answers without a result (bambu.md 2.4). */
	if (e->s.model->reports != SIM_REPORTS_FULL) {
		json_object_set_new(a, "result", json_string("success"));
		json_object_set_new(a, "reason", json_string(""));
	}
	sim_publish(e, json_pack("{s:o}", "info", a));
}

static enum sim_push pushing(struct sim_engine *e, const json_t *c)
{
	const char *name = text_of(c, "command");

	if (text_equal(name, "stop"))
		return SIM_PUSH_STOP;
	e->wants_full = text_equal(name, "pushall") || text_equal(name, "start");
	return text_equal(name, "start") ? SIM_PUSH_START : SIM_PUSH_SAME;
}

enum sim_push sim_command(struct sim_engine *e, json_t *request)
{
	enum sim_push push = SIM_PUSH_SAME;
	const char *category;
	json_t *c;

	json_object_foreach(request, category, c)
	{
		if (!json_is_object(c))
			continue;
		if (text_equal(category, "pushing"))
			push = pushing(e, c);
		else if (text_equal(category, "info") &&
		         text_equal(text_of(c, "command"), "get_version"))
			info_command(e, c);
		else if (text_equal(category, "print"))
			print_command(e, request, c);
		else if (text_equal(category, "system"))
			system_command(e, c);
		else if (text_equal(category, "camera"))
			camera_command(e, c);
		else if (text_equal(category, "xcam") || text_equal(category, "upgrade"))
			answer(e, category, c, NULL, 0);
	}
	return push;
}
