/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/quirks.h"

#include "base/text.h"
#include "printers/bambu/tables.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct printer_heat bambu_packed_heat(int64_t packed)
{
	struct printer_heat h = { NAN, NAN };

	if (packed >= 0 && packed <= UINT32_MAX) {
		h.now_c = (double)(packed & 0xffff);
		h.target_c = (double)(packed >> 16);
	}
	return h;
}

int bambu_fan_percent(int64_t reported)
{
	if (reported < 0)
		return -1;
	if (reported <= 15)
		return (int)((reported * 100 + 7) / 15);
	return reported <= 100 ? (int)reported : 100;
}

static int tray_number(int unit, int slot)
{
	return unit >= 128 ? unit : 4 * unit + slot;
}

int bambu_tray_of_snow(int64_t snow)
{
	int unit = (int)(snow >> 8 & 0xff), slot = (int)(snow & 0xff);

	if (snow < 0 || snow > 0xffff || slot == 255)
		return -1;
	if (unit == 255)
		return -2;
	if (unit == 254)
		return -3;
	return tray_number(unit, slot);
}

int bambu_tray_of_now(int64_t tray_now)
{
	if (tray_now == 254)
		return -2;
	return tray_now >= 0 && tray_now < 136 ? (int)tray_now : -1;
}

int bambu_ams_bit(int ams_id)
{
	if (ams_id >= 0 && ams_id < 4)
		return ams_id;
	if (ams_id >= 128 && ams_id < 136)
		return 4 + ams_id - 128;
	return ams_id == 16 ? 12 : -1;
}

int bambu_tray_bit(int ams_id, int slot)
{
	if (slot < 0 || slot > 3)
		return -1;
	if (ams_id >= 0 && ams_id < 4)
		return 4 * ams_id + slot;
	if (ams_id >= 128 && ams_id < 136)
		return 16 + ams_id - 128;
	return ams_id == 16 ? 24 + slot : -1;
}

static const char *nozzle_material(const char *digits)
{
	if (text_equal(digits, "00"))
		return "stainless steel";
	if (text_equal(digits, "01"))
		return "hardened steel";
	return text_equal(digits, "05") ? "tungsten carbide" : NULL;
}

void bambu_nozzle_type(const char *code, char *dst, size_t size)
{
	char digits[3] = "";

	/* "HS01", and on an H2C "HS01-0.4" */
	if (code[0] == 'H' && strcspn(code, "-") == 4)
		text_copy_n(digits, sizeof(digits), code + 2, 2);
	if (nozzle_material(digits)) {
		bool is_high_flow = strchr("HEU", code[1]) != NULL;

		(void)snprintf(dst, size, "%s%s", nozzle_material(digits),
		               is_high_flow ? " (HF)" : "");
		return;
	}
	text_copy(dst, size, code);
	for (char *c = dst; *c; c++) {
		if (*c == '_')
			*c = ' ';
	}
}

bool bambu_is_cancel(uint32_t print_error)
{
	return print_error == 0x0300400c || print_error == 0x0500400e;
}

bool bambu_module_is_ams(unsigned module)
{
	return module == 0x07 || module == 0x12 || module == 0x18;
}

static bool is_runout(uint32_t e)
{
	unsigned module = e >> 24;

	if (e == 0x03008004)
		return true;
	return (e & 0xffff) == 0x8011 && bambu_module_is_ams(module);
}

enum printer_pause bambu_pause_reason(uint32_t print_error, int stage)
{
	if (is_runout(print_error))
		return PRINTER_PAUSE_RUNOUT;
	if (print_error == 0x03008013)
		return PRINTER_PAUSE_FILE;
	if (print_error == 0x03008001)
		return PRINTER_PAUSE_USER;

	enum printer_pause by_stage = bambu_stage_pause(stage);

	if (by_stage != PRINTER_PAUSE_NONE)
		return by_stage;
	if (stage == 4 || stage == 22 || stage == 24)
		return PRINTER_PAUSE_FILAMENT;
	return print_error ? PRINTER_PAUSE_ERROR : PRINTER_PAUSE_NONE;
}

const char *bambu_module_name(unsigned module)
{
	switch (module) {
	case 0x03:
		return "motion controller";
	case 0x05:
		return "main board";
	case 0x07:
		return "AMS";
	case 0x08:
		return "toolhead";
	case 0x0c:
		return "camera and lidar";
	case 0x10:
	case 0x11:
		return "job parameters";
	case 0x12:
		return "AMS Lite";
	case 0x18:
		return "AMS HT";
	default:
		return "printer";
	}
}
