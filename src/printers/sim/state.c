/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The report of a printer that has just been switched on, and its versions (bambu.md 2.4, 2.6). */

#include "base/text.h"
#include "printers/sim/engine_priv.h"

#include <stdio.h>
#include <string.h>

static json_t *tray(int id, const char *type, const char *index, const char *color)
{
	json_t *t =
		json_pack("{s:o s:i s:f s:i s:i s:s s:s s:s s:s s:s s:s}", "id",
	                  json_sprintf("%d", id), "remain", 100, "k", 0.02, "n", 1, "cali_idx", -1,
	                  "tag_uid", "0000000000000000", "tray_id_name", "", "tray_info_idx", index,
	                  "tray_type", type, "tray_sub_brands", "", "tray_color", color);

	json_object_update_new(
		t, json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:s s:s s:i s:[s]}", "tray_weight",
	                     "1000", "tray_diameter", "1.75", "tray_temp", "0", "tray_time", "0",
	                     "bed_temp_type", "0", "bed_temp", "0", "nozzle_temp_max", "240",
	                     "nozzle_temp_min", "190", "xcam_info", "000000000000000000000000",
	                     "tray_uuid", "00000000000000000000000000000000", "ctype", 0, "cols",
	                     color));
	return t;
}

static json_t *ams_tree(const struct sim_setup *s)
{
	bool is_lite = s->model->ams == SIM_AMS_LITE;

	if (!s->has_ams || s->model->ams == SIM_AMS_NONE)
		return json_pack("{s:[] s:s s:s s:s s:s s:s s:s s:s s:s s:i s:b s:b}", "ams",
		                 "ams_exist_bits", "0", "tray_exist_bits", "0", "tray_is_bbl_bits",
		                 "0", "tray_tar", "255", "tray_now", "254", "tray_pre", "254",
		                 "tray_read_done_bits", "0", "tray_reading_bits", "0", "version", 1,
		                 "insert_flag", 1, "power_on_flag", 0);

	json_t *unit =
		json_pack("{s:s s:s s:s s:[o o {s:s} o]}", "id", "0", "humidity",
	                  is_lite ? "5" : "4", "temp", is_lite ? "0.0" : "24.5", "tray",
	                  tray(0, "PLA", "GFL99", "F7D959FF"), tray(1, "PLA", "GFL99", "00AE42FF"),
	                  "id", "2", tray(3, "PETG", "GFG99", "1A1A1AFF"));

	if (s->model->is_new)
		json_object_update_new(
			unit, json_pack("{s:s s:i s:s}", "humidity_raw", "22", "dry_time", 0,
		                        "info", s->model->ams == SIM_AMS_2_PRO ? "1003" : "1001"));
	return json_pack("{s:[o] s:s s:s s:s s:s s:s s:s s:s s:s s:i s:b s:b}", "ams", unit,
	                 "ams_exist_bits", "1", "tray_exist_bits", "b", "tray_is_bbl_bits", "b",
	                 "tray_tar", "255", "tray_now", "255", "tray_pre", "255",
	                 "tray_read_done_bits", "b", "tray_reading_bits", "0", "version", 2,
	                 "insert_flag", 1, "power_on_flag", 0);
}

static json_t *network(const struct sim_setup *s)
{
	unsigned a[4] = { 127, 0, 0, 1 };
	char part[64];
	char *at = part, *next;

	TEXT_SET(part, s->address);
	for (int i = 0; i < 4 && at; i++, at = next) {
		uint64_t v;

		next = strchr(at, '.');
		if (next)
			*next++ = '\0';
		if (text_to_u64(at, 10, &v) && v < 256)
			a[i] = (unsigned)v;
	}

	json_int_t ip = (json_int_t)((uint32_t)a[3] << 24 | a[2] << 16 | a[1] << 8 | a[0]);

	if (!s->model->is_new)
		return json_pack("{s:i s:[{s:I s:i}]}", "conf", 0, "info", "ip", ip, "mask",
		                 16777215);
	return json_pack("{s:i s:[{s:I s:i} {s:i s:i}]}", "conf", 16, "info", "ip", ip, "mask",
	                 16777215, "ip", 0, "mask", 0);
}

static json_t *ipcam(const struct sim_setup *s)
{
	json_t *j = json_pack("{s:s s:s s:s s:s s:s s:i}", "ipcam_dev", "1", "ipcam_record",
	                      "enable", "timelapse", "disable", "resolution",
	                      s->model->code[0] == 'C' ? "" : "1080p", "tutk_server", "disable",
	                      "mode_bits", s->model->has_jpeg_camera ? 3 : 2);

	if (!s->model->has_jpeg_camera)
		json_object_set_new(
			j, "rtsp_url",
			s->shows_rtsp ? json_sprintf("rtsps://%s:322/streaming/live/1", s->address)
				      : json_string("disable"));
	return j;
}

/* What newer firmware sends in addition (bambu.md 2.6). */
static json_t *newer(const struct sim_setup *s)
{
	/* fun: bit 29 tells that commands must be signed. */
	json_t *extruders = json_array(), *nozzles = json_array(), *spools = json_array();

	for (unsigned i = 0; i < s->model->n_nozzles; i++) {
		int nothing = i == 0 ? SIM_SNOW_NOTHING : SIM_SNOW_NOTHING - 0x100;

		json_array_append_new(extruders,
		                      json_pack("{s:i s:i s:i s:i s:i s:i s:i s:i s:i s:[]}", "id",
		                                (int)i, "temp", 25, "info", 8, "snow", nothing,
		                                "spre", nothing, "star", nothing, "stat", 0, "hnow",
		                                (int)i, "htar", (int)i, "filam_bak"));
		json_array_append_new(nozzles,
		                      json_pack("{s:f s:i s:i s:s s:i}", "diameter", 0.4, "id",
		                                (int)i, "tm", 0, "type", "HS01", "wear", 0));
		json_array_append_new(spools, json_pack("{s:o s:s s:s s:i}", "id",
		                                        json_sprintf("%u", 255 - i), "tray_type",
		                                        "", "tray_color", "00000000", "remain", 0));
	}
	return json_pack(
		"{s:s s:s s:s s:s s:i s:{s:i s:{s:{s:i} s:i} s:i s:{s:{s:i} s:i} s:{s:o s:i} "
		"s:{s:i s:o}} s:s s:i s:o}",
		"cfg", "5DA99", "fun", s->needs_signing ? "3EC1AFFF9CFF" : "3EC18FFF9CFF", "aux",
		"2001004", "stat", "47A58000", "job_attr", 3, "device", "type", 1, "bed", "info",
		"temp", 25, "state", 0, "bed_temp", 25, "ctc", "info", "temp", 27, "state", 0,
		"extruder", "info", extruders, "state", (int)s->model->n_nozzles, "nozzle", "exist",
		s->model->n_nozzles == 2 ? 3 : 1, "info", nozzles, "job_id", "", "plate_idx", 0,
		"vir_slot", spools);
}

json_t *sim_state_new(const struct sim_setup *s)
{
	const struct sim_model *m = s->model;
	json_t *p =
		json_pack("{s:{s:i s:s s:s s:i s:s s:i s:[]} s:o s:{s:b} s:{s:s s:i s:s} s:o}",
	                  "upgrade_state", "sequence_id", 0, "progress", "", "status", "IDLE",
	                  "err_code", 0, "message", "0%, 0B/s", "cur_state_code", 0, "new_ver_list",
	                  "ipcam", ipcam(s), "xcam", "buildplate_marker_detector", 1, "upload",
	                  "status", "idle", "progress", 0, "message", "", "net", network(s));

	json_object_update_new(
		p,
		json_pack(
			"{s:f s:i s:f s:i s:s s:i s:s s:s s:s s:s s:i s:i s:i s:i s:i s:i s:i s:i}",
			"nozzle_temper", 25.0, "nozzle_target_temper", 0, "bed_temper", 24.0,
			"bed_target_temper", 0, "mc_print_stage", "1", "mc_print_sub_stage", 0,
			"heatbreak_fan_speed", "0", "cooling_fan_speed", "0", "big_fan1_speed", "0",
			"big_fan2_speed", "0", "mc_percent", 0, "mc_remaining_time", 0,
			"ams_status", 0, "ams_rfid_status", 0, "hw_switch_state", 0, "spd_mag", 100,
			"spd_lvl", 2, "print_error", 0));
	json_object_update_new(
		p,
		json_pack("{s:s s:s s:s s:s s:i s:i s:s s:s s:s s:s s:s s:s s:[] s:i s:s s:i s:s}",
	                  "lifecycle", "product", "wifi_signal", "-45dBm", "gcode_state", "IDLE",
	                  "gcode_file_prepare_percent", "0", "queue_number", 0, "queue_total", 0,
	                  "project_id", "0", "profile_id", "0", "task_id", "0", "subtask_id", "0",
	                  "subtask_name", "", "gcode_file", "", "stg", "stg_cur",
	                  m->is_new ? -1 : 0, "print_type", m->is_new ? "" : "idle", "home_flag",
	                  847070616, "mc_print_line_number", "0"));
	json_object_update_new(
		p,
		json_pack("{s:b s:b s:i s:i s:[] s:[] s:i s:s s:s s:i s:[] s:{s:b s:b s:i} s:o s:o "
	                  "s:[{s:s s:s}]}",
	                  "sdcard", 1, "force_upgrade", 0, "layer_num", 0, "total_layer_num", 0,
	                  "s_obj", "filam_bak", "fan_gear", 0, "nozzle_diameter", "0.4",
	                  "nozzle_type", "stainless_steel", "cali_version", 0, "hms", "online",
	                  "ahb", 0, "rfid", 0, "version", 7, "ams", ams_tree(s), "vt_tray",
	                  tray(254, "PLA", "GFL99", "000000FF"), "lights_report", "node",
	                  "chamber_light", "mode", "on"));
	/* P1 and A1 say 5 for ever, having no sensor. */
	if (!m->is_new)
		json_object_set_new(p, "chamber_temper", json_integer(5));
	else
		json_object_set_new(p, "chamber_temper", json_real(27.0));
	if (m->is_new)
		json_object_update_new(p, newer(s));
	return p;
}

static json_t *module(const struct sim_setup *s, const char *name, const char *version,
                      const char *hardware, const char *product)
{
	json_t *j = json_pack("{s:s s:s s:s s:s s:i}", "name", name, "sw_ver", version, "hw_ver",
	                      hardware, "sn", s->serial, "flag", 0);

	if (product)
		json_object_set_new(j, "product_name", json_string(product));
	else
		json_object_set_new(j, "project_name", json_string(s->model->code));
	return j;
}

json_t *sim_state_versions(const struct sim_setup *s)
{
	const char *unit = s->model->ams == SIM_AMS_LITE    ? "ams_f1/0"
	                   : s->model->ams == SIM_AMS_2_PRO ? "n3f/0"
	                                                    : "ams/0";
	json_t *list = json_pack(
		"[o o o o]", module(s, "ota", s->model->firmware, "OTA", s->model->product),
		module(s, s->model->is_new ? "rv1126" : "esp32", "01.11.33.55", "AP05", NULL),
		module(s, "mc", "00.00.29.76", "MC02", NULL),
		module(s, "th", "00.00.07.69", "TH01", NULL));

	if (s->has_ams && s->model->ams != SIM_AMS_NONE)
		json_array_append_new(list, module(s, unit, "00.00.07.94", "AMS08", ""));
	return list;
}

void sim_state_merge(json_t *state, const json_t *patch)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)patch, key, value)
	{
		json_t *old = json_object_get(state, key);

		if (json_is_object(old) && json_is_object(value))
			sim_state_merge(old, value);
		else
			json_object_set_new(state, key, json_deep_copy(value));
	}
}

json_t *sim_state_diff(const json_t *told, const json_t *now)
{
	json_t *diff = NULL;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)now, key, value)
	{
		json_t *old = json_object_get(told, key);

		if (old && json_equal(old, value))
			continue;
		if (!diff)
			diff = json_object();

		json_t *part = json_is_object(old) && json_is_object(value)
		                       ? sim_state_diff(old, value)
		                       : NULL;

		json_object_set_new(diff, key, part ? part : json_deep_copy(value));
	}
	return diff;
}
