/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/command.h"

#include "base/err.h"
#include "base/text.h"
#include "model/json.h"
#include "printers/bambu/mapping.h"
#include "printers/bambu/tables.h"

#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FUN_BED_TEMP 39

/* Takes `inner`, adds the sequence_id and writes {"category":{…}}. */
static void write_message(struct buf *b, const char *category, json_t *inner, uint32_t seq)
{
	char number[16];
	json_t *j = json_object();

	(void)snprintf(number, sizeof(number), "%u", seq);
	json_object_set_new(inner, "sequence_id", json_string(number));
	json_object_set_new(j, category, inner);

	char *text = json_dumps(j, JSON_COMPACT | JSON_SHORT_REALS);

	if (text)
		buf_add(b, text, strlen(text) + 1);
	free(text);
	json_decref(j);
}

static void write_plain(struct buf *b, const char *command, const char *param, uint32_t seq)
{
	write_message(b, "print", json_pack("{s:s,s:s}", "command", command, "param", param), seq);
}

static void write_gcode(struct buf *b, const char *gcode, uint32_t seq)
{
	write_plain(b, "gcode_line", gcode, seq);
}

static int write_speed(struct buf *b, const struct printer_command *c,
                       const struct bambu_context *x, struct err *err)
{
	char level[2] = { (char)('0' + c->level), '\0' };

	if (c->level < 1 || c->level > 4)
		return err_set(err, -EINVAL,
		               "the speed level is 1 (silent), 2 (standard), 3 (sport) or 4 "
		               "(ludicrous)");
	write_plain(b, "print_speed", level, x->seq);
	return 0;
}

static int write_light(struct buf *b, const struct printer_command *c,
                       const struct bambu_context *x, struct err *err)
{
	static const struct {
		const char *name, *node;
	} nodes[] = {
		{ "", "chamber_light" },
		{ "chamber", "chamber_light" },
		{ "chamber2", "chamber_light2" },
		{ "heatbed", "heatbed_light" },
	};

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		if (!text_equal(nodes[i].name, c->light))
			continue;
		/* The firmware ignores the message when one of these is missing. */
		write_message(b, "system",
		              json_pack("{s:s,s:s,s:s,s:i,s:i,s:i,s:i}", "command", "ledctrl",
		                        "led_node", nodes[i].node, "led_mode",
		                        c->is_on ? "on" : "off", "led_on_time", 500, "led_off_time",
		                        500, "loop_times", 1, "interval_time", 1000),
		              x->seq);
		return 0;
	}
	return err_set(err, -EINVAL, "this printer has no light '%s'", c->light);
}

static int write_fan(struct buf *b, const struct printer_command *c, const struct bambu_context *x,
                     struct err *err)
{
	static const int numbers[] = {
		[PRINTER_FAN_PART] = 1,
		[PRINTER_FAN_AUX] = 2,
		[PRINTER_FAN_CHAMBER] = 3,
	};
	char gcode[40];

	if (c->percent < 0 || c->percent > 100)
		return err_set(err, -EINVAL, "a fan takes 0 to 100 percent");
	if (c->fan == PRINTER_FAN_AUX && !x->model->has_aux_fan)
		return err_set(err, -EINVAL, "an %s has no auxiliary fan", x->model->name);
	if (c->fan == PRINTER_FAN_CHAMBER && !x->model->has_chamber_fan)
		return err_set(err, -EINVAL, "an %s has no chamber fan", x->model->name);
	(void)snprintf(gcode, sizeof(gcode), "M106 P%d S%d\n", numbers[c->fan],
	               (c->percent * 255 + 50) / 100);
	write_gcode(b, gcode, x->seq);
	return 0;
}

static int check_celsius(double celsius, int max, const char *what, struct err *err)
{
	if (isnan(celsius) || celsius < 0 || celsius > max)
		return err_set(err, -EINVAL, "the %s of this printer takes 0 to %d °C", what, max);
	return 0;
}

static int write_nozzle_temp(struct buf *b, const struct printer_command *c,
                             const struct bambu_context *x, struct err *err)
{
	int rc = check_celsius(c->celsius, x->model->nozzle_max_c, "nozzle", err);
	char gcode[40];

	if (rc < 0)
		return rc;
	if (c->nozzle < 0 || c->nozzle >= MAX(x->model->nozzles, (int)x->state->n_nozzles))
		return err_set(err, -EINVAL, "this printer has no nozzle %d", c->nozzle);
	if (x->model->nozzles > 1) {
		write_message(b, "print",
		              json_pack("{s:s,s:i,s:i}", "command", "set_nozzle_temp",
		                        "extruder_index", c->nozzle, "target_temp",
		                        (int)lround(c->celsius)),
		              x->seq);
		return 0;
	}
	(void)snprintf(gcode, sizeof(gcode), "M104 S%d\n", (int)lround(c->celsius));
	write_gcode(b, gcode, x->seq);
	return 0;
}

static int write_bed_temp(struct buf *b, const struct printer_command *c,
                          const struct bambu_context *x, struct err *err)
{
	int rc = check_celsius(c->celsius, x->model->bed_max_c, "bed", err);
	char gcode[40];

	if (rc < 0)
		return rc;
	if (x->fun >> FUN_BED_TEMP & 1) {
		write_message(b, "print",
		              json_pack("{s:s,s:i}", "command", "set_bed_temp", "temp",
		                        (int)lround(c->celsius)),
		              x->seq);
		return 0;
	}
	(void)snprintf(gcode, sizeof(gcode), "M140 S%d\n", (int)lround(c->celsius));
	write_gcode(b, gcode, x->seq);
	return 0;
}

static int write_chamber_temp(struct buf *b, const struct printer_command *c,
                              const struct bambu_context *x, struct err *err)
{
	char gcode[40];

	if (x->model->chamber_max_c == 0)
		return err_set(err, -EINVAL, "this printer's chamber has no heater");

	int rc = check_celsius(c->celsius, x->model->chamber_max_c, "chamber", err);

	if (rc < 0)
		return rc;
	if (text_equal(x->model->code, "C13")) { /* X1E */
		(void)snprintf(gcode, sizeof(gcode), "M141 S%d\n", (int)lround(c->celsius));
		write_gcode(b, gcode, x->seq);
		return 0;
	}
	write_message(b, "print",
	              json_pack("{s:s,s:i,s:b}", "command", "set_ctt", "ctt_val",
	                        (int)lround(c->celsius), "temper_check", 1),
	              x->seq);
	return 0;
}

/* M109, M190 and M191 wait inside the firmware: nothing else is heard until they are done. */
static bool has_waiting_form(const char *gcode)
{
	static const char *const forms[] = { "M109", "M190", "M191" };

	for (const char *p = gcode; *p; p++) {
		bool begins = p == gcode || isspace((unsigned char)p[-1]);

		for (size_t i = 0; begins && i < ARRAY_LEN(forms); i++) {
			if (strncasecmp(p, forms[i], 4) == 0 && !isdigit((unsigned char)p[4]))
				return true;
		}
	}
	return false;
}

static int write_free_gcode(struct buf *b, const struct printer_command *c,
                            const struct bambu_context *x, struct err *err)
{
	char gcode[sizeof(c->gcode) + 1];
	bool has_end = text_ends(c->gcode, "\n");

	if (!c->gcode[strspn(c->gcode, " \t\r\n")])
		return err_set(err, -EINVAL, "there is no G-code to send");
	if (has_waiting_form(c->gcode))
		return err_set(err, -EINVAL,
		               "M109, M190 and M191 make the printer deaf until the heat is "
		               "there: use M104, M140, M141");
	(void)snprintf(gcode, sizeof(gcode), "%s%s", c->gcode, has_end ? "" : "\n");
	write_gcode(b, gcode, x->seq);
	return 0;
}

static int write_clear_error(struct buf *b, const struct bambu_context *x, struct err *err)
{
	char code[16];

	if (x->state->print_error == 0)
		return err_set(err, -EINVAL, "the printer shows no error");
	(void)snprintf(code, sizeof(code), "%08X", x->state->print_error);
	write_message(b, "print",
	              json_pack("{s:s,s:s,s:I}", "command", "clean_print_error", "subtask_id",
	                        x->subtask_id, "print_error", (json_int_t)x->state->print_error),
	              x->seq);
	write_message(b, "system",
	              json_pack("{s:s,s:s,s:s,s:i,s:s,s:s}", "command", "uiop", "name",
	                        "print_error", "action", "close", "source", 1, "type", "dialog",
	                        "err", code),
	              x->seq + 1);
	return 0;
}

/* How the model's firmware usually wants its own storage addressed; some versions want the other
 * form (bambu.md 3.3). */
static const char *storage_url(const struct bambu_model *m, bool is_other)
{
	bool is_old = m->is_slow || strcmp(m->code, "BL-P001") == 0 ||
	              strcmp(m->code, "BL-P002") == 0 || strcmp(m->code, "C13") == 0;

	return is_old != is_other ? "file:///sdcard/" : "ftp:///";
}

static void stem_of(const char *file, char *dst, size_t size)
{
	const char *slash = strrchr(file, '/');
	char *dot;

	text_copy(dst, size, slash ? slash + 1 : file);
	dot = strstr(dst, ".gcode");
	if (!dot)
		dot = strstr(dst, ".3mf");
	if (dot)
		*dot = '\0';
}

/* Both forms: newer firmware reads the second. */
static void add_mapping(json_t *j, const struct printer_command *c)
{
	json_t *trays = json_array(), *places = json_array();

	for (unsigned i = 0; c->uses_ams && i < c->n_mapping; i++) {
		int unit, slot;

		bambu_mapping_place(c->mapping[i], &unit, &slot);
		json_array_append_new(trays, json_integer(c->mapping[i]));
		json_array_append_new(places,
		                      json_pack("{s:i,s:i}", "ams_id", unit, "slot_id", slot));
	}
	json_object_set_new(j, "ams_mapping", trays);
	json_object_set_new(j, "ams_mapping2", places);
}

static int write_start(struct buf *b, const struct printer_command *c,
                       const struct bambu_context *x, struct err *err)
{
	const char *file = c->file + strspn(c->file, "/");
	const char *slash = strrchr(file, '/');
	char param[64], url[sizeof(c->file) + 32], stem[sizeof(c->file)];
	int plate = c->plate > 0 ? c->plate : 1;

	if (!text_ends(file, ".3mf"))
		return err_set(err, -EINVAL, "name a sliced .gcode.3mf file on the printer");
	if (strstr(file, "..") || plate > 999)
		return err_set(err, -EINVAL, "'%s' is no file on the printer", c->file);
	if (c->uses_ams && c->n_mapping == 0)
		return err_set(err, -EINVAL, "which tray feeds which filament is not known");
	if (printer_activity_is_job(x->state->activity))
		return err_set(err, -EINVAL, "the printer is busy with another job");
	(void)snprintf(param, sizeof(param), "Metadata/plate_%d.gcode", plate);
	(void)snprintf(url, sizeof(url), "%s%s", storage_url(x->model, x->uses_other_url), file);
	stem_of(file, stem, sizeof(stem));

	json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "command",
	                      "project_file", "param", param, "url", url, "file",
	                      slash ? slash + 1 : file, "md5", "", "subtask_name", stem,
	                      "project_id", "0", "profile_id", "0", "task_id", "0", "subtask_id",
	                      "0", "bed_type", "auto");

	json_object_set_new(j, "timelapse", json_boolean(c->records_timelapse));
	/* both spellings are in use */
	json_object_set_new(j, "bed_leveling", json_boolean(c->levels_bed));
	json_object_set_new(j, "bed_levelling", json_boolean(c->levels_bed));
	json_object_set_new(j, "flow_cali", json_false());
	json_object_set_new(j, "vibration_cali", json_false());
	json_object_set_new(j, "layer_inspect", json_false());
	json_object_set_new(j, "use_ams", json_boolean(c->uses_ams));
	add_mapping(j, c);
	write_message(b, "print", j, x->seq);
	return 0;
}

int bambu_command_write(struct buf *b, const struct printer_command *c,
                        const struct bambu_context *x, struct err *err)
{
	switch (c->kind) {
	case PRINTER_PAUSE_PRINT:
		if (x->pauses_by_m400)
			write_gcode(b, "M400 U1\n", x->seq);
		else
			write_plain(b, "pause", "", x->seq);
		return 0;
	case PRINTER_RESUME_PRINT:
		write_plain(b, "resume", "", x->seq);
		return 0;
	case PRINTER_STOP_PRINT:
		write_plain(b, "stop", "", x->seq);
		return 0;
	case PRINTER_HOME:
		if (printer_activity_is_job(x->state->activity))
			return err_set(err, -EINVAL, "the printer does not home while it prints");
		write_gcode(b, "G28\n", x->seq);
		return 0;
	case PRINTER_SPEED:
		return write_speed(b, c, x, err);
	case PRINTER_LIGHT:
		return write_light(b, c, x, err);
	case PRINTER_FAN:
		return write_fan(b, c, x, err);
	case PRINTER_NOZZLE_TEMP:
		return write_nozzle_temp(b, c, x, err);
	case PRINTER_BED_TEMP:
		return write_bed_temp(b, c, x, err);
	case PRINTER_CHAMBER_TEMP:
		return write_chamber_temp(b, c, x, err);
	case PRINTER_GCODE:
		return write_free_gcode(b, c, x, err);
	case PRINTER_CLEAR_ERROR:
		return write_clear_error(b, x, err);
	case PRINTER_START_FILE:
		return write_start(b, c, x, err);
	case PRINTER_REFRESH:
	case PRINTER_SCRIPT:
		break;
	}
	return err_set(err, -EINVAL, "this printer has no such command");
}

bool bambu_command_is_free(const struct printer_command *c)
{
	return c->kind == PRINTER_LIGHT || c->kind == PRINTER_REFRESH;
}

static int is_target(double have, double wanted)
{
	return isnan(have) ? -1 : fabs(have - wanted) < 1;
}

static int light_effect(const struct printer_command *c, const struct printer_state *s)
{
	for (unsigned i = 0; i < s->n_lights; i++) {
		if (text_equal(s->lights[i].name, *c->light ? c->light : "chamber"))
			return s->lights[i].is_on == c->is_on;
	}
	return -1;
}

static int fan_effect(const struct printer_command *c, const struct printer_state *s)
{
	int have = c->fan == PRINTER_FAN_PART  ? s->fan_part
	           : c->fan == PRINTER_FAN_AUX ? s->fan_aux
	                                       : s->fan_chamber;

	return have < 0 ? -1 : abs(have - c->percent) <= 7; /* fifteen steps */
}

int bambu_command_effect(const struct printer_command *c, const struct printer_state *s)
{
	switch (c->kind) {
	case PRINTER_PAUSE_PRINT:
		return s->activity == PRINTER_PAUSED;
	case PRINTER_RESUME_PRINT:
		return s->activity == PRINTER_PRINTING;
	case PRINTER_STOP_PRINT:
		return !printer_activity_is_job(s->activity);
	case PRINTER_SPEED:
		return s->speed_level < 0 ? -1 : s->speed_level == c->level;
	case PRINTER_LIGHT:
		return light_effect(c, s);
	case PRINTER_FAN:
		return fan_effect(c, s);
	case PRINTER_NOZZLE_TEMP:
		return c->nozzle >= 0 && c->nozzle < (int)s->n_nozzles
		               ? is_target(s->nozzles[c->nozzle].heat.target_c, c->celsius)
		               : -1;
	case PRINTER_BED_TEMP:
		return is_target(s->bed.target_c, c->celsius);
	case PRINTER_CHAMBER_TEMP:
		return is_target(s->chamber.target_c, c->celsius);
	case PRINTER_CLEAR_ERROR:
		return s->print_error == 0;
	case PRINTER_START_FILE:
		return printer_activity_is_job(s->activity);
	case PRINTER_HOME:
	case PRINTER_GCODE:
	case PRINTER_REFRESH:
	case PRINTER_SCRIPT:
		return -1;
	}
	return -1;
}
