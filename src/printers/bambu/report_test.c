/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/bambu/report.h"

#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "printers/bambu/quirks.h"
#include "printers/bambu/tables.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US 1000000

struct fixture {
	struct bambu_report *report;
	struct printer_state *state;
	struct bambu_message message;
	int64_t now_us;
};

static void begin(struct fixture *f, const char *serial)
{
	memset(f, 0, sizeof(*f));
	f->report = bambu_report_new(serial, "auto");
	f->now_us = 1000 * SECOND_US;
	f->state = MEM_NEW(struct printer_state);
	printer_state_init(f->state);
}

static void end(struct fixture *f)
{
	bambu_report_free(f->report);
	free(f->state);
}

static void feed(struct fixture *f, const char *text)
{
	f->now_us += 2 * SECOND_US;
	bambu_report_read(f->report, text, strlen(text), &f->message);
	bambu_report_apply(f->report, f->state, f->now_us);
}

/* {"print":{"command":"push_status","msg":1, …}} */
static void delta(struct fixture *f, const char *members)
{
	char *text = mem_printf("{\"print\":{\"command\":\"push_status\",\"msg\":1,%s}}", members);

	feed(f, text);
	CHECK_INT(f->message.kind, BAMBU_MESSAGE_DELTA);
	free(text);
}

static bool is_about(double a, double b)
{
	return fabs(a - b) < 0.01;
}

TEST(messages_are_told_apart)
{
	struct fixture f;

	begin(&f, "03900A000000000");
	feed(&f, "{\"print\":null}");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_OTHER);
	feed(&f, "[1]");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_BROKEN);
	feed(&f, "{\"print\":{\"command\":\"push_status\",\"msg\":0,\"gcode_state\":\"IDLE\"}}");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_FULL);
	CHECK(bambu_report_has_full(f.report));
	feed(&f,
	     "{\"print\":{\"sequence_id\":\"20007\",\"command\":\"pause\",\"gcode_state\":\"X\","
	     "\"result\":\"SUCCESS\",\"reason\":\"success\"}}");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_REPLY);
	CHECK(f.message.is_success);
	CHECK_STR(f.message.sequence_id, "20007");
	CHECK_STR(f.message.reason, "");
	CHECK_INT(f.state->activity, PRINTER_IDLE); /* replies are not merged */
	feed(&f, "{\"print\":{\"sequence_id\":\"20008\",\"command\":\"pause\",\"param\":\"\"}}");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_ECHO);
	feed(&f, "{\"system\":{\"sequence_id\":\"9\",\"command\":\"ledctrl\",\"result\":\"fail\","
	         "\"err_code\":84033543}}");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_REPLY);
	CHECK(!f.message.is_success);
	CHECK(f.message.err_code == 84033543);
	end(&f);
}

TEST(broken_messages_change_nothing)
{
	struct fixture f;

	begin(&f, "03900A000000000");
	delta(&f, "\"nozzle_temper\":200.5");
	feed(&f, "{\"print\":{\"command\":\"push_status\",\"msg\":1,\"nozzle_temper\":10,");
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_BROKEN);
	CHECK(is_about(f.state->nozzles[0].heat.now_c, 200.5));
	end(&f);
}

TEST(every_scalar_may_be_a_number_or_a_string)
{
	struct fixture f;

	begin(&f, "01P00A000000000");
	delta(&f, "\"layer_num\":\"7\",\"total_layer_num\":\"57\",\"mc_percent\":\"12\","
	          "\"mc_remaining_time\":\"34\",\"cooling_fan_speed\":15,\"big_fan1_speed\":\"7\","
	          "\"spd_lvl\":\"3\",\"spd_mag\":124,\"nozzle_temper\":\"219.5\",\"stg_cur\":\"8\","
	          "\"gcode_state\":\"RUNNING\",\"chamber_temper\":5.0,\"bed_temper\":\"60\"");
	CHECK_INT(f.state->job.layer, 7);
	CHECK_INT(f.state->job.layers, 57);
	CHECK_INT(f.state->job.percent, 12);
	CHECK_INT(f.state->job.remaining_min, 34);
	CHECK_INT(f.state->fan_part, 100);
	CHECK_INT(f.state->fan_aux, 47);
	CHECK_INT(f.state->speed_level, 3);
	CHECK_INT(f.state->stage, 8);
	CHECK_STR(f.state->stage_text, "calibrating the flow dynamics");
	CHECK(is_about(f.state->nozzles[0].heat.now_c, 219.5));
	CHECK(is_about(f.state->bed.now_c, 60));
	CHECK(isnan(f.state->chamber.now_c)); /* a P1 has no sensor and says 5 */
	end(&f);
}

TEST(values_of_the_wrong_kind_are_unknown)
{
	struct fixture f;

	begin(&f, "");
	delta(&f, "\"layer_num\":{\"a\":[]},\"mc_percent\":\"x\",\"hms\":\"none\",\"ams\":[1,2],"
	          "\"device\":7,\"lights_report\":[3],\"vir_slot\":[[]],\"print_error\":\"-\"");
	CHECK_INT(f.state->job.layer, -1);
	CHECK_INT(f.state->job.percent, -1);
	CHECK_INT(f.state->n_hms, 0);
	CHECK_INT(f.state->n_ams, 0);
	end(&f);
}

TEST(both_nozzles_come_from_the_packed_values)
{
	struct fixture f;

	begin(&f, "09400A000000000");
	delta(&f, "\"device\":{\"extruder\":{\"state\":274,\"info\":[{\"id\":0,\"temp\":14745864,"
	          "\"snow\":32768},{\"id\":1,\"temp\":40,\"snow\":259}]},\"nozzle\":{\"info\":[{"
	          "\"id\":0,\"type\":\"HS01\",\"diameter\":0.4000000059604645},{\"id\":1,\"type\":"
	          "\"HH05\",\"diameter\":0.6}]}},\"ams\":{\"tray_now\":\"3\"}");
	CHECK_INT(f.state->n_nozzles, 2);
	CHECK_INT(f.state->active_nozzle, 1);
	CHECK_STR(f.state->nozzles[0].name, "right");
	CHECK(is_about(f.state->nozzles[0].heat.now_c, 264));
	CHECK(is_about(f.state->nozzles[0].heat.target_c, 225));
	CHECK_STR(f.state->nozzles[0].type, "hardened steel");
	CHECK_INT(f.state->nozzles[0].tray, 128);
	CHECK(is_about(f.state->nozzles[1].heat.now_c, 40));
	CHECK_STR(f.state->nozzles[1].type, "tungsten carbide (HF)");
	CHECK(is_about(f.state->nozzles[1].diameter_mm, 0.6));
	CHECK_INT(f.state->nozzles[1].tray, 7);
	CHECK_INT(f.state->tray_now, 7);
	end(&f);
}

TEST(cancelled_is_told_from_failed_in_whichever_order_it_comes)
{
	static const char *const ways[][3] = {
		{ "\"print_error\":50348044", "\"print_error\":0", "\"gcode_state\":\"FAILED\"" },
		{ "\"gcode_state\":\"FAILED\"", "\"print_error\":50348044", "\"print_error\":0" },
		{ "\"gcode_state\":\"FAILED\",\"print_error\":83902478", "\"print_error\":0",
		  "\"mc_percent\":3" },
	};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct fixture f;

		begin(&f, "03900A000000000");
		delta(&f, "\"gcode_state\":\"RUNNING\",\"print_error\":0");
		for (int k = 0; k < 3; k++)
			delta(&f, ways[i][k]);
		CHECK_INT(f.state->activity, PRINTER_CANCELLED);
		delta(&f, "\"gcode_state\":\"RUNNING\"");
		f.now_us += 100 * SECOND_US;
		delta(&f, "\"gcode_state\":\"FAILED\",\"print_error\":50364417");
		CHECK_INT(f.state->activity, PRINTER_FAILED);
		CHECK_STR(f.state->print_error_code, "0300-8001");
		end(&f);
	}
}

TEST(pauses_have_their_reason)
{
	static const struct {
		const char *members;
		enum printer_pause pause;
	} cases[] = {
		{ "\"stg_cur\":16,\"print_error\":0", PRINTER_PAUSE_USER },
		{ "\"stg_cur\":5,\"print_error\":0", PRINTER_PAUSE_FILE },
		{ "\"stg_cur\":30,\"print_error\":50364435", PRINTER_PAUSE_FILE },
		{ "\"stg_cur\":6,\"print_error\":0", PRINTER_PAUSE_RUNOUT },
		{ "\"stg_cur\":-1,\"print_error\":117473297", PRINTER_PAUSE_RUNOUT },
		{ "\"stg_cur\":35,\"print_error\":0", PRINTER_PAUSE_ERROR },
		{ "\"stg_cur\":4,\"print_error\":0", PRINTER_PAUSE_FILAMENT },
		{ "\"stg_cur\":-1,\"print_error\":50364420", PRINTER_PAUSE_RUNOUT },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fixture f;

		begin(&f, "00M00A000000000");
		delta(&f, "\"gcode_state\":\"PAUSE\"");
		delta(&f, cases[i].members);
		CHECK_INT(f.state->pause, cases[i].pause);
		delta(&f, "\"gcode_state\":\"RUNNING\"");
		CHECK_INT(f.state->pause, PRINTER_PAUSE_NONE);
		end(&f);
	}
}

TEST(a_filament_change_in_mid_print_is_known_by_the_ams_alone)
{
	struct fixture f;

	begin(&f, "03900A000000000");
	delta(&f, "\"gcode_state\":\"RUNNING\",\"stg_cur\":0,\"ams_status\":768");
	CHECK(!f.state->is_changing_filament);
	delta(&f, "\"mc_print_sub_stage\":4,\"ams_status\":259");
	CHECK(f.state->is_changing_filament);
	delta(&f, "\"ams_status\":263");
	CHECK(f.state->is_changing_filament);
	delta(&f, "\"ams_status\":768");
	CHECK(!f.state->is_changing_filament);
	delta(&f, "\"stg_cur\":22");
	CHECK(f.state->is_changing_filament);
	delta(&f, "\"gcode_state\":\"FINISH\",\"ams_status\":260");
	CHECK(!f.state->is_changing_filament);
	end(&f);
}

TEST(hms_has_text_severity_module_and_page)
{
	struct fixture f;

	begin(&f, "00M00A000000000");
	delta(&f, "\"hms\":[{\"attr\":0,\"code\":0},{\"attr\":50331904,\"code\":65543},{\"attr\":"
	          "83887360,\"code\":65543}]");
	CHECK_INT(f.state->n_hms, 2);
	CHECK_STR(f.state->hms[0].code, "0300_0100_0001_0007");
	CHECK_INT(f.state->hms[0].severity, 1);
	CHECK_STR(f.state->hms[0].module, "motion controller");
	CHECK(strlen(f.state->hms[0].text) > 20);
	CHECK_STR(f.state->hms[0].wiki,
	          "https://wiki.bambulab.com/en/x1/troubleshooting/hmscode/0300_0100_0001_0007");
	delta(&f, "\"hms\":[]");
	CHECK_INT(f.state->n_hms, 0);
	CHECK_STR(f.state->hms[0].code, "");
	end(&f);
}

TEST(each_model_has_its_own_words_and_page)
{
	struct fixture f;
	const char *hms = "\"hms\":[{\"attr\":50332160,\"code\":65537}],\"print_error\":83902510";

	begin(&f, "00M00A000000000");
	delta(&f, hms); /* 0300_0200_0001_0001, 0500-402E */
	CHECK(text_starts(f.state->hms[0].text, "The nozzle"));
	CHECK(strstr(f.state->hms[0].wiki, "/en/x1/"));
	CHECK(strstr(f.state->print_error_text, "MicroSD"));
	end(&f);
	begin(&f, "09400A000000000");
	delta(&f, hms);
	CHECK(text_starts(f.state->hms[0].text, "The right nozzle"));
	CHECK(strstr(f.state->hms[0].wiki, "/en/h2/"));
	CHECK(strstr(f.state->print_error_text, "USB"));
	end(&f);
	/* The words are found again when the model comes to be known. */
	begin(&f, "ZZZ00A000000000");
	delta(&f, hms);
	CHECK(strstr(f.state->print_error_text, "MicroSD"));
	feed(&f, "{\"info\":{\"command\":\"get_version\",\"module\":[{\"name\":\"ota\","
	         "\"product_name\":\"Bambu Lab H2S\"}]}}");
	CHECK(strstr(f.state->print_error_text, "USB"));
	CHECK(strstr(f.state->hms[0].wiki, "/en/h2s/") || strstr(f.state->hms[0].wiki, "/en/h2/"));
	end(&f);
}

TEST(codes_without_words_are_told_by_their_form_and_internal_ones_not)
{
	struct fixture f;

	begin(&f, "00M00A000000000");
	delta(&f, "\"hms\":[{\"attr\":117506304,\"code\":196863},{\"attr\":50337792,\"code\":0},"
	          "{\"attr\":50331904,\"code\":65543}],\"print_error\":50364671");
	CHECK_INT(f.state->n_hms, 2); /* 0300_1800_0000_0000 is internal */
	CHECK_STR(f.state->hms[0].code, "0701_0100_0003_00FF");
	CHECK(text_starts(f.state->hms[0].text, "A fault of the AMS 2 "));
	CHECK(strstr(f.state->hms[0].text, "HMS_0701_0100_0003_00FF"));
	CHECK_STR(f.state->hms[0].wiki, "https://wiki.bambulab.com/en/hms/home");
	CHECK_STR(f.state->hms[1].code, "0300_0100_0001_0007");
	CHECK_STR(f.state->print_error_code, "0300-80FF");
	CHECK(strstr(f.state->print_error_text, "waits for you: code 0300-80FF of the motion"));
	delta(&f, "\"hms\":[]");
	CHECK_INT(f.state->n_hms, 0);
	CHECK_STR(f.state->hms[1].code, "");
	end(&f);
}

TEST(status_noise_is_no_error)
{
	struct fixture f;

	begin(&f, "00M00A000000000");
	delta(&f, "\"print_error\":50331649");
	CHECK_INT(f.state->print_error, 0);
	delta(&f, "\"print_error\":4294967295");
	CHECK_STR(f.state->print_error_code, "FFFF-FFFF");
	CHECK(strstr(f.state->print_error_text, "FFFF-FFFF"));
	delta(&f, "\"print_error\":50348044");
	CHECK(strstr(f.state->print_error_text, "cancel"));
	end(&f);
}

TEST(door_signing_and_storage_come_from_bits)
{
	struct fixture f;

	begin(&f, "09400A000000000");
	delta(&f, "\"home_flag\":-1066934785,\"fun\":\"3EC1AFFF9CFF\",\"aux\":\"2D01004\"");
	CHECK(f.state->has_door && !f.state->is_door_open);
	CHECK(f.state->needs_developer_mode);
	CHECK(f.state->has_storage);
	delta(&f, "\"home_flag\":-1058546177,\"fun\":\"3EC18FFF9CFF\",\"aux\":\"0\"");
	CHECK(f.state->is_door_open);
	CHECK(!f.state->needs_developer_mode);
	CHECK(!f.state->has_storage);
	delta(&f, "\"stat\":\"46258008\"");
	CHECK(!f.state->is_door_open);
	delta(&f, "\"stat\":\"46A58008\"");
	CHECK(f.state->is_door_open);
	end(&f);
}

TEST(a_new_connection_starts_from_the_next_full_state)
{
	struct fixture f;

	begin(&f, "00M00A000000000");
	feed(&f, "{\"print\":{\"command\":\"push_status\",\"msg\":0,\"chamber_temper\":40}}");
	bambu_report_restart(f.report);
	delta(&f, "\"bed_temper\":50");
	CHECK(is_about(f.state->chamber.now_c, 40));
	feed(&f, "{\"print\":{\"command\":\"push_status\",\"msg\":0,\"bed_temper\":51}}");
	CHECK(isnan(f.state->chamber.now_c));
	CHECK(is_about(f.state->bed.now_c, 51));
	end(&f);
}

TEST(a_full_state_after_junk_begins_anew)
{
	struct fixture f;
	char member[64];

	begin(&f, "03900A000000000");
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(member, sizeof(member), "\"junk%d\":1", i);
		delta(&f, member);
	}
	delta(&f, "\"wifi_signal\":\"-40dBm\"");
	CHECK_STR(f.state->wifi, "");
	feed(&f, "{\"print\":{\"command\":\"push_status\",\"msg\":0,\"wifi_signal\":\"-41dBm\"}}");
	CHECK_STR(f.state->wifi, "-41dBm");
	end(&f);
}

TEST(models_are_found_by_code_name_serial_and_modules)
{
	CHECK_STR(bambu_model_by_code("N7-V2")->name, "P2S");
	CHECK_STR(bambu_model_by_code("3DPrinter-X1")->name, "X1");
	CHECK_STR(bambu_model_by_name("x1c")->code, "BL-P001");
	CHECK_STR(bambu_model_by_name("Bambu Lab A1 mini")->code, "N1");
	CHECK_STR(bambu_model_by_serial("09400A000000000")->name, "H2D");
	CHECK(!bambu_model_by_name("Ender 3"));

	struct fixture f;

	begin(&f, "ZZZ00A000000000");
	CHECK(!bambu_report_knows_model(f.report));
	feed(&f,
	     "{\"info\":{\"command\":\"get_version\",\"sequence_id\":\"4\",\"module\":[{\"name\":"
	     "\"ota\",\"sw_ver\":\"01.08.00.00\"},{\"name\":\"rv1126\",\"hw_ver\":\"AP05\"}]}}");
	CHECK_STR(f.state->model, "X1 Carbon");
	CHECK_STR(f.state->firmware, "01.08.00.00");
	end(&f);
}

TEST(the_raw_report_hides_secrets)
{
	struct fixture f;

	begin(&f, "");
	delta(&f, "\"net\":{\"access_code\":\"12345678\"},\"name\":\"caf\xe9\"");

	json_t *j = bambu_report_json(f.report);
	char *s = json_dumps(j, 0);

	CHECK(s && !strstr(s, "12345678"));
	CHECK(strstr(s, "caf?"));
	free(s);
	json_decref(j);
	end(&f);
}

/* ---- reports and recordings of real printers ---- */

struct expected {
	const char *file, *serial, *model; /* serial: for those without get_version */
	enum printer_activity activity;
	int layer, layers, percent, remaining_min;
	double nozzle_c, target_c, bed_c, chamber_c; /* NAN: must be unknown */
	unsigned n_nozzles, n_ams, n_external, n_hms, n_lights;
	int tray_now, fan_part;
	const char *nozzle_type;
	unsigned n_spools; /* present in all units */
};

#define NO ((double)NAN)

/* clang-format off */
static const struct expected real[] = {
	{ "a1_idle_fw01.05", "", "A1", PRINTER_IDLE, 0, -1, 0, 0, 27.81, 0, 29.75, NO, 1, 1, 1, 0, 1, -1, 0, "stainless steel", 4 },
	{ "a1mini_idle_fw01.07", "", "A1 mini", PRINTER_IDLE, 0, -1, 0, 0, 27.22, 0, 26.53, NO, 1, 1, 1, 0, 1, -1, 0, "stainless steel", 4 },
	{ "a2l_idle_fw01.01", "", "A2L", PRINTER_IDLE, 0, -1, 0, 0, 22.69, 0, 22.28, NO, 1, 1, 1, 0, 1, -1, 0, "stainless steel", 1 },
	{ "h2c_failed_fw01.01", "", "H2C", PRINTER_FAILED, 0, 332, 0, 0, 44, 0, 53, 35, 2, 1, 2, 0, 2, -1, 0, "hardened steel", 0 },
	{ "h2d_idle_ams_ams2_amsht_fw01.01.02.00", "", "H2D", PRINTER_IDLE, 0, -1, 0, 0, 24, 0, 24, 24, 2, 3, 2, 0, 2, -1, 0, "hardened steel", 4 },
	{ "h2d_running_fw01.01.01", "", "H2D", PRINTER_PRINTING, 1, 200, 6, 549, 245, 245, 70, 35, 2, 2, 2, 0, 2, 7, 0, "hardened steel", 8 },
	{ "h2d_running_fw01.01.02.07", "", "H2D", PRINTER_PRINTING, 0, 26, 0, 115, 264, 225, 100, 48, 2, 2, 2, 0, 2, 128, 0, "hardened steel", 5 },
	{ "h2dpro_idle_fw01.01", "", "H2D Pro", PRINTER_IDLE, 0, -1, 0, 0, 23, 0, 24, 23, 2, 2, 2, 0, 2, -1, 0, "tungsten carbide", 1 },
	{ "h2s_running_fw01.01", "", "H2S", PRINTER_PRINTING, 24, 75, 42, 78, 275, 275, 105, 60, 1, 1, 1, 0, 2, 0, 10, "hardened steel", 1 },
	{ "p1_running_full", "01S00A000000000", "P1P", PRINTER_PRINTING, 20, 749, 11, 958, 229.875, 230, 64.49, NO, 1, 1, 1, 0, 1, 0, 100, "", 4 },
	{ "p1p_finish_noams_fw01.08.02", "", "P1P", PRINTER_FINISHED, 124, 124, 100, 0, 25.91, 0, 23.13, NO, 1, 0, 1, 0, 1, -2, 0, "stainless steel", 0 },
	{ "p2s_running_fw01.01", "", "P2S", PRINTER_PRINTING, 170, 305, 64, 62, 254, 255, 70, 47, 1, 1, 1, 0, 1, 3, 90, "hardened steel", 4 },
	{ "x1_running_fw99", "00W00A000000000", "X1", PRINTER_PRINTING, 2, 37, 22, 163, 219, 220, 60, 36, 1, 0, 1, 1, 1, 128, 100, "hardened steel", 0 }, /* its authors renumbered the unit but not its bit */
	{ "x1c_finish_2024", "00M00A000000000", "X1 Carbon", PRINTER_FINISHED, 232, 232, 100, 0, 24, 0, 22, 25, 1, 1, 1, 0, 1, -1, 0, "hardened steel", 4 },
	{ "x1c_finish_2ams_ams2pro_amsht_fw01.09", "", "X1 Carbon", PRINTER_FINISHED, 480, 480, 100, 0, 26, 0, 23, 25, 1, 4, 1, 0, 1, -1, 0, "hardened steel", 12 },
	{ "x1c_idle_np_fw", "00M00A000000000", "X1 Carbon", PRINTER_IDLE, 0, -1, 0, 0, 31, 0, 27, 30, 1, 1, 1, 0, 1, -1, 0, "hardened steel", 3 },
	{ "x2d_running_fw01.01", "", "X2D", PRINTER_PRINTING, 129, 140, 98, 2, 50, 0, 70, 38, 2, 1, 2, 0, 1, 1, 80, "hardened steel", 4 },
};

/* Of our own making, so that these run everywhere. */
static const struct expected own[] = {
	{ "p1s_paused", "", "P1S", PRINTER_PAUSED, 12, 80, 17, 95, 219.91, 220, 60.03, NO, 1, 1, 1, 1, 1, 0, 100, "stainless steel", 2 },
	{ "x1c_printing", "00M00A000000001", "X1 Carbon", PRINTER_PRINTING, 3, 41, 8, 61, 250, 250, 70, 41, 1, 2, 0, 0, 1, 6, 27, "hardened steel", 3 },
	{ "h2d_printing_with_both", "", "H2D", PRINTER_PRINTING, 9, 120, 5, 300, 180, 170, 90, 44, 2, 2, 2, 0, 1, 1, 40, "hardened steel", 3 },
};
/* clang-format on */

static json_t *load_shared(const char *file)
{
	char name[160];
	const char *path;

	(void)snprintf(name, sizeof(name), "data/bambu/reports/%s.json", file);
	path = test_shared(name);
	return path ? json_load_file(path, 0, NULL) : NULL;
}

static void feed_json(struct fixture *f, json_t *j)
{
	char *s = json_dumps(j, JSON_INDENT(4));

	if (s)
		feed(f, s);
	free(s);
}

static bool same_or_unknown(double have, double want)
{
	return isnan(want) ? isnan(have) : is_about(have, want);
}

static unsigned count_spools(const struct printer_state *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_ams; i++) {
		for (unsigned k = 0; k < s->ams[i].n_trays; k++)
			n += s->ams[i].trays[k].is_present;
	}
	return n;
}

static void check_numbers(const struct expected *e, const struct printer_state *s)
{
	CHECK_INT(s->activity, e->activity);
	CHECK_INT(s->job.layer, e->layer);
	CHECK_INT(s->job.layers, e->layers);
	CHECK_INT(s->job.percent, e->percent);
	CHECK_INT(s->job.remaining_min, e->remaining_min);
	CHECK(same_or_unknown(s->nozzles[0].heat.now_c, e->nozzle_c));
	CHECK(same_or_unknown(s->nozzles[0].heat.target_c, e->target_c));
	CHECK(same_or_unknown(s->bed.now_c, e->bed_c));
	CHECK(same_or_unknown(s->chamber.now_c, e->chamber_c));
	CHECK_INT(s->n_nozzles, e->n_nozzles);
	CHECK_INT(s->n_ams, e->n_ams);
	CHECK_INT(s->n_external, e->n_external);
	CHECK_INT(s->n_hms, e->n_hms);
	CHECK_INT(s->n_lights, e->n_lights);
	CHECK_INT(s->tray_now, e->tray_now);
	CHECK_INT(s->fan_part, e->fan_part);
	CHECK_INT(count_spools(s), e->n_spools);
	CHECK_STR(s->nozzles[0].type, e->nozzle_type);
}

static void check_report(const struct expected *e, const json_t *j)
{
	struct fixture f;

	print_message("# %s\n", e->file);
	begin(&f, e->serial);
	if (json_object_get(j, "get_version")) {
		feed_json(&f, json_object_get(j, "get_version"));
		CHECK_INT(f.message.kind, BAMBU_MESSAGE_VERSION);
	}
	feed_json(&f, json_object_get(j, "pushall"));
	CHECK_INT(f.message.kind, BAMBU_MESSAGE_FULL);
	CHECK_STR(f.state->model, e->model);
	check_numbers(e, f.state);
	end(&f);
}

TEST(reports_of_real_printers_read_right)
{
	for (size_t i = 0; i < ARRAY_LEN(real); i++) {
		json_t *j = load_shared(real[i].file);

		if (!j)
			SKIP("no reports of real printers here");
		check_report(&real[i], j);
		json_decref(j);
	}
}

TEST(every_report_of_a_real_printer_is_in_the_table)
{
	const char *path = test_shared("data/bambu/reports/a1_idle_fw01.05.json");
	char dir[1024];
	size_t n = 0;

	if (!path)
		SKIP("no reports of real printers here");
	TEXT_SET(dir, path);
	*strrchr(dir, '/') = '\0';

	DIR *d = opendir(dir);

	CHECK(d != NULL);
	for (const struct dirent *e; (e = readdir(d));)
		n += text_ends(e->d_name, ".json");
	(void)closedir(d);
	CHECK_INT(n, ARRAY_LEN(real));
}

TEST(reports_of_our_own_making_read_right)
{
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		char path[120];

		(void)snprintf(path, sizeof(path), "src/printers/bambu/samples/%s.json",
		               own[i].file);

		json_t *j = json_load_file(test_source(path), 0, NULL);

		CHECK(j != NULL);
		check_report(&own[i], j);
		json_decref(j);
	}
}

TEST(an_own_report_with_both_nozzles_has_all_its_parts)
{
	json_t *j = json_load_file(
		test_source("src/printers/bambu/samples/h2d_printing_with_both.json"), 0, NULL);
	struct fixture f;

	begin(&f, "");
	feed_json(&f, json_object_get(j, "get_version"));
	feed_json(&f, json_object_get(j, "pushall"));
	CHECK_INT(f.state->active_nozzle, 1);
	CHECK(is_about(f.state->nozzles[1].heat.now_c, 262));
	CHECK(is_about(f.state->nozzles[1].heat.target_c, 265));
	CHECK_INT(f.state->nozzles[0].tray, 128);
	CHECK_INT(f.state->nozzles[1].tray, 1);
	CHECK_STR(f.state->nozzles[1].type, "tungsten carbide (HF)");
	CHECK(is_about(f.state->chamber.target_c, 45));
	CHECK_INT(f.state->fan_chamber, 25);
	CHECK(f.state->is_door_open && f.state->needs_developer_mode);
	CHECK_STR(f.state->ams[1].kind, "AMS HT");
	CHECK_INT(f.state->ams[1].humidity_level, -1);
	CHECK_INT(f.state->ams[1].humidity_percent, 9);
	CHECK_STR(f.state->lights[0].name, "chamber"); /* from cfg */
	CHECK(f.state->lights[0].is_on);
	end(&f);
	json_decref(j);
}

TEST(recorded_partial_reports_change_what_they_name)
{
	json_t *j = load_shared("h2d_running_fw01.01.02.07");
	struct fixture f;

	if (!j)
		SKIP("no reports of real printers here");
	begin(&f, "");
	feed_json(&f, json_object_get(j, "pushall"));

	json_t *deltas = json_object_get(j, "deltas");

	feed_json(&f, json_object_get(deltas, "push_door_opened"));
	CHECK(f.state->is_door_open);
	feed_json(&f, json_object_get(deltas, "push_door_closed"));
	CHECK(!f.state->is_door_open);
	feed_json(&f, json_object_get(deltas, "push_left_extruder"));
	CHECK_INT(f.state->active_nozzle, 1);
	CHECK_INT(f.state->tray_now, -1);
	feed_json(&f, json_object_get(deltas, "push_alt_nozzle_info"));
	CHECK(is_about(f.state->nozzles[0].diameter_mm, 0.2));
	CHECK_STR(f.state->nozzles[0].type, "stainless steel");
	CHECK_STR(f.state->nozzles[1].type, "tungsten carbide");
	CHECK_INT(f.state->job.layers, 26);
	end(&f);
	json_decref(j);
}

struct seen {
	int layers; /* times the layer grew by one */
	bool was_cancelled, printed, finished, prepared;
	int last;
};

static void watch(struct seen *s, const struct printer_state *st)
{
	if (st->activity == PRINTER_PRINTING && st->job.layer == s->last + 1)
		s->layers++;
	s->last = st->job.layer;
	s->prepared |= st->activity == PRINTER_PREPARING;
	s->printed |= st->activity == PRINTER_PRINTING;
	s->finished |= st->activity == PRINTER_FINISHED;
	s->was_cancelled |= st->activity == PRINTER_CANCELLED;
}

TEST(a_recorded_print_is_followed_from_start_to_end)
{
	const char *path = test_shared("data/bambu/recordings/a1_print1_start_to_end.jsonl");
	FILE *file = path ? fopen(path, "re") : NULL;
	char *line = NULL;
	size_t cap = 0;
	struct fixture f;
	struct seen s = { 0 };

	if (!file)
		SKIP("no recording of a real printer here");
	begin(&f, "03900A000000000");
	while (getline(&line, &cap, file) > 0) {
		json_t *j = json_loads(line, 0, NULL);

		feed_json(&f, json_object_get(j, "report"));
		CHECK(f.message.kind != BAMBU_MESSAGE_BROKEN);
		watch(&s, f.state);
		json_decref(j);
	}
	(void)fclose(file);
	free(line);
	CHECK(s.prepared && s.printed && !s.was_cancelled);
	CHECK(s.layers > 30);
	CHECK_STR(f.state->job.name, "Single_Digit_Counter");
	CHECK_INT(f.state->job.layers, 57);
	end(&f);
}
