/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/command.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* The member a command cannot do without; NULL: none. */
static const char *needed_field(enum printer_command_kind k)
{
	switch (k) {
	case PRINTER_SPEED:
		return "level";
	case PRINTER_LIGHT:
		return "on";
	case PRINTER_FAN:
		return "percent";
	case PRINTER_NOZZLE_TEMP:
	case PRINTER_BED_TEMP:
	case PRINTER_CHAMBER_TEMP:
		return "celsius";
	case PRINTER_GCODE:
	case PRINTER_SCRIPT:
		return "gcode";
	case PRINTER_START_FILE:
		return "file";
	case PRINTER_PAUSE_PRINT:
	case PRINTER_RESUME_PRINT:
	case PRINTER_STOP_PRINT:
	case PRINTER_HOME:
	case PRINTER_CLEAR_ERROR:
	case PRINTER_REFRESH:
		break;
	}
	return NULL;
}

static const char *text_of(const json_t *body, const char *name, const char *fallback)
{
	const char *t = json_string_value(json_object_get(body, name));

	return t ? t : fallback;
}

static int int_of(const json_t *body, const char *name, int fallback)
{
	const json_t *v = json_object_get(body, name);
	json_int_t n = json_integer_value(v);

	return json_is_integer(v) && n > -1000000 && n < 1000000 ? (int)n : fallback;
}

static bool bool_of(const json_t *body, const char *name, bool fallback)
{
	const json_t *v = json_object_get(body, name);

	return json_is_boolean(v) ? json_is_true(v) : fallback;
}

static void read_members(const json_t *body, struct printer_command *cmd)
{
	const char *fan = text_of(body, "fan", "part");
	const json_t *celsius = json_object_get(body, "celsius");

	cmd->level = int_of(body, "level", 2);
	cmd->is_on = bool_of(body, "on", false);
	TEXT_SET(cmd->light, text_of(body, "light", ""));
	cmd->fan = strcmp(fan, "aux") == 0       ? PRINTER_FAN_AUX
	           : strcmp(fan, "chamber") == 0 ? PRINTER_FAN_CHAMBER
	                                         : PRINTER_FAN_PART;
	cmd->percent = int_of(body, "percent", 0);
	cmd->celsius = json_is_number(celsius) ? json_number_value(celsius) : (double)NAN;
	cmd->nozzle = int_of(body, "nozzle", 0);
	TEXT_SET(cmd->gcode, text_of(body, "gcode", ""));
	TEXT_SET(cmd->script, text_of(body, "gcode", ""));
	cmd->timeout_ms = int_of(body, "timeout_s", 0) * INT64_C(1000);
	TEXT_SET(cmd->file, text_of(body, "file", ""));
	cmd->plate = int_of(body, "plate", 1);
	cmd->uses_ams = bool_of(body, "uses_ams", false);
	cmd->levels_bed = bool_of(body, "levels_bed", true);
	cmd->records_timelapse = bool_of(body, "records_timelapse", false);
}

int printer_command_from_json(const json_t *body, struct printer_command *ret,
                              const char **ret_field, struct err *err)
{
	const char *name = text_of(body, "command", ""), *needed;
	const char *mapping = text_of(body, "ams_mapping", "");

	*ret = (struct printer_command){ 0 };
	*ret_field = "command";
	if (!printer_command_from_name(name, &ret->kind))
		return err_set(err, -EINVAL, "There is no command '%.40s'.", name);
	needed = needed_field(ret->kind);
	*ret_field = needed;
	if (needed && !json_object_get(body, needed))
		return err_set(err, -EINVAL, "%s is missing: the command %s needs it.", needed,
		               name);
	read_members(body, ret);
	*ret_field = "gcode";
	if (strlen(text_of(body, "gcode", "")) >=
	    (ret->kind == PRINTER_GCODE ? sizeof(ret->gcode) : sizeof(ret->script)))
		return err_set(
			err, -EINVAL, "gcode has more than %zu characters.",
			(ret->kind == PRINTER_GCODE ? sizeof(ret->gcode) : sizeof(ret->script)) -
				1);
	*ret_field = "ams_mapping";
	if (!printer_command_read_trays(ret, mapping))
		return err_set(
			err, -EINVAL,
			"'%.200s' must be tray numbers with commas, as in 0,3,-1 (-1: not used).",
			mapping);
	return 0;
}
