/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/moonraker/command.h"

#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Lines of G-code; whatever is no text is refused. */
static int write_script(const char *gcode, const char *more, json_t **ret, struct err *err)
{
	char text[PRINTER_SCRIPT_MAX + 16];
	json_t *script;

	if (gcode[strspn(gcode, " \t\r\n")] == '\0')
		return err_set(err, -EINVAL, "there is no line in it");
	(void)snprintf(text, sizeof(text), "%s%s", gcode, more);
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' && *c != '\n')
			*c = ' ';
	}
	script = json_string(text);
	if (!script)
		return err_set(err, -EINVAL, "it is no text");
	*ret = json_pack("{s:o}", "script", script);
	return 0;
}

static int write_fan(const struct printer_command *c, const struct moon_memory *m, json_t **ret,
                     struct err *err)
{
	const char *name = c->fan == PRINTER_FAN_AUX ? m->fan_aux : m->fan_chamber;
	char line[140];

	if (c->percent < 0 || c->percent > 100)
		return err_set(err, -EINVAL, "a fan takes 0 to 100 percent");
	if (c->fan == PRINTER_FAN_PART && !m->has_part_fan)
		return err_set(err, -EINVAL, "Klipper has no [fan]");
	if (c->fan != PRINTER_FAN_PART && !name[0])
		return err_set(err, -EINVAL, "Klipper has no [fan_generic] that is named %s",
		               c->fan == PRINTER_FAN_AUX ? "aux" : "chamber or exhaust");
	if (c->fan == PRINTER_FAN_PART)
		(void)snprintf(line, sizeof(line), "M106 S%d", (c->percent * 255 + 50) / 100);
	else
		(void)snprintf(line, sizeof(line), "SET_FAN_SPEED FAN=%s SPEED=%d.%02d", name,
		               c->percent / 100, c->percent % 100);
	return write_script(line, "", ret, err);
}

static int write_temperature(const struct printer_command *c, const struct printer_state *s,
                             const struct moon_memory *m, json_t **ret, struct err *err)
{
	const char *heater = c->nozzle > 0 ? "extruder1" : "extruder";
	char line[140];

	if (!(c->celsius >= 0 && c->celsius <= 500))
		return err_set(err, -EINVAL, "a temperature must be 0 to 500 °C");
	if (c->kind == PRINTER_NOZZLE_TEMP && c->nozzle >= (int)s->n_nozzles)
		return err_set(err, -EINVAL, "Klipper has no such nozzle");
	if (c->kind == PRINTER_BED_TEMP)
		heater = "heater_bed";
	else if (c->kind == PRINTER_CHAMBER_TEMP)
		heater = m->chamber;
	if (!*heater)
		return err_set(err, -EINVAL,
		               "Klipper has no [heater_generic] that is named chamber");
	(void)snprintf(line, sizeof(line), "SET_HEATER_TEMPERATURE HEATER=%s TARGET=%d", heater,
	               (int)lround(c->celsius));
	return write_script(line, "", ret, err);
}

static int write_speed(const struct printer_command *c, json_t **ret, struct err *err)
{
	static const int percents[] = { 50, 100, 124, 166 }; /* Bambu's four levels */
	char line[20];

	if (c->level < 1 || c->level > 4)
		return err_set(err, -EINVAL, "a speed is 1 to 4");
	(void)snprintf(line, sizeof(line), "M220 S%d", percents[c->level - 1]);
	return write_script(line, "", ret, err);
}

static int write_start(const struct printer_command *c, const struct printer_state *s, json_t **ret,
                       struct err *err)
{
	const char *file = c->file + strspn(c->file, "/");
	json_t *name;

	if (printer_activity_is_job(s->activity))
		return err_set(err, -EINVAL, "the printer is busy with another job");
	if (!*file || strstr(file, "..") || strpbrk(file, "\r\n\"") || !(name = json_string(file)))
		return err_set(err, -EINVAL, "'%.60s' is no file of Moonraker's", c->file);
	*ret = json_pack("{s:o}", "filename", name);
	return 0;
}

int moon_command_write(const struct printer_command *c, const struct printer_state *s,
                       const struct moon_memory *m, const char **ret_method, json_t **ret_params,
                       struct err *err)
{
	bool is_up = text_equal(m->klippy, "ready");

	*ret_params = NULL;
	if (c->kind == PRINTER_CLEAR_ERROR) {
		*ret_method = "printer.firmware_restart";
		return is_up ? err_set(err, -EINVAL, "Klipper runs: there is nothing to clear") : 0;
	}
	if (!is_up)
		return err_set(err, -EINVAL, "Klipper is not running");
	*ret_method = "printer.gcode.script";
	switch (c->kind) {
	case PRINTER_PAUSE_PRINT:
		*ret_method = "printer.print.pause";
		return 0;
	case PRINTER_RESUME_PRINT:
		*ret_method = "printer.print.resume";
		return 0;
	case PRINTER_STOP_PRINT:
		*ret_method = "printer.print.cancel";
		return 0;
	case PRINTER_START_FILE:
		*ret_method = "printer.print.start";
		return write_start(c, s, ret_params, err);
	case PRINTER_HOME:
		if (printer_activity_is_job(s->activity))
			return err_set(err, -EINVAL, "the printer does not home while it prints");
		return write_script("G28", "", ret_params, err);
	case PRINTER_FAN:
		return write_fan(c, m, ret_params, err);
	case PRINTER_NOZZLE_TEMP:
	case PRINTER_BED_TEMP:
	case PRINTER_CHAMBER_TEMP:
		return write_temperature(c, s, m, ret_params, err);
	case PRINTER_SPEED:
		return write_speed(c, ret_params, err);
	case PRINTER_GCODE:
		return write_script(c->gcode, "", ret_params, err);
	case PRINTER_SCRIPT:
		return write_script(c->script, "\nM400", ret_params, err);
	case PRINTER_LIGHT:
	case PRINTER_CLEAR_ERROR:
	case PRINTER_REFRESH:
		break;
	}
	return err_set(err, -EINVAL, "Klipper has no such command");
}
