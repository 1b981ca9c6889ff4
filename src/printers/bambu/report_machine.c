/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report_priv.h"

#include "base/text.h"
#include "printers/bambu/tables.h"

#include <string.h>

static void apply_lights(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *list = report_get(r, "lights_report");
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
	if (n == 0 && tree_hex(report_get(r, "cfg"), &cfg)) {
		PUT(s->lights[0].name, "chamber");
		s->lights[n++].is_on = cfg >> 7 & 1;
	}
	s->n_lights = n;
}

static void apply_camera(struct bambu_report *r, struct printer_state *s)
{
	const struct tree_node *ipcam = report_get(r, "ipcam");
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

	if (tree_int(tree_path(r->print, report_get(r, "upgrade_state"), "new_version_state", NULL),
	             0) == 1)
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
	const struct tree_node *sdcard = report_get(r, "sdcard");
	int64_t flags = tree_int(report_get(r, "home_flag"), 0);

	if (tree_hex(report_get(r, "aux"), &aux))
		return (aux >> 12 & 1) != 0; /* 1 good, 3 read-only */
	if (sdcard)
		return tree_bool(sdcard, false);
	return (flags >> 8 & 1) != 0;
}

void report_apply_machine(struct bambu_report *r, struct printer_state *s)
{
	const struct bambu_model *m = bambu_report_model(r);
	uint64_t stat;
	const struct tree_node *home_flag = report_get(r, "home_flag");

	PUT(s->model, m->name);
	PUT(s->model_code, m->code);
	PUT(s->firmware, tree_text(report_module_get(r, report_module_find(r, "ota"), "sw_ver")));
	s->has_update = has_update(r);
	if (bambu_report_fun(r))
		s->needs_developer_mode = bambu_report_fun(r) >> 29 & 1;
	PUT(s->wifi, tree_text(report_get(r, "wifi_signal")));

	s->has_door = m->has_door_sensor && home_flag;
	s->is_door_open = false;
	if (m->has_door_sensor && tree_hex(report_get(r, "stat"), &stat))
		s->is_door_open = stat >> 23 & 1;
	else if (s->has_door)
		s->is_door_open = tree_int(home_flag, 0) >> 23 & 1;
	s->has_storage = has_storage(r);
	s->speed_level = report_known(report_get(r, "spd_lvl"), -1);
	s->speed_percent = report_known(report_get(r, "spd_mag"), -1);
	apply_lights(r, s);
	apply_camera(r, s);
}
