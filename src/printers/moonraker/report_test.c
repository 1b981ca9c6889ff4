/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/moonraker/report.h"

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "printers/moonraker/command.h"

#include <math.h>
#include <string.h>

static struct moon_memory m;
static struct printer_state s;

static void begin(const char *objects)
{
	json_t *list = json_loads(objects, 0, NULL);

	m = (struct moon_memory){ 0 };
	printer_state_init(&s);
	json_decref(moon_report_want(&m, list));
	json_decref(list);
	(void)moon_report_klippy(&m, "ready", "", &s);
}

static void say(const char *status)
{
	json_t *j = json_loads(status, 0, NULL);

	CHECK(j);
	moon_report_status(&m, j, &s, 77);
	json_decref(j);
}

static void say_print(const char *stats)
{
	json_t *j = json_object(), *p = json_loads(stats, 0, NULL);

	CHECK(p);
	json_object_set_new(j, "print_stats", p);
	moon_report_status(&m, j, &s, 77);
	json_decref(j);
}

#define OBJECTS                                                                         \
	"[\"webhooks\",\"configfile\",\"print_stats\",\"virtual_sdcard\",\"toolhead\"," \
	"\"gcode_move\",\"motion_report\",\"extruder\",\"heater_bed\",\"fan\","         \
	"\"fan_generic Aux_Fan\",\"heater_generic chamber\",\"heater_fan hotend\","     \
	"\"filament_switch_sensor runout\",\"gcode_macro START\",\"mcu\",\"display_status\"]"

TEST(moonraker_wants_what_it_reads)
{
	json_t *list = json_loads(OBJECTS, 0, NULL), *want;

	m = (struct moon_memory){ 0 };
	want = moon_report_want(&m, list);
	CHECK_INT(json_object_size(want), 14);
	CHECK(!json_object_get(want, "configfile") && !json_object_get(want, "gcode_macro START"));
	CHECK_INT(json_array_size(json_object_get(want, "virtual_sdcard")), 4);
	CHECK_STR(m.fan_aux, "Aux_Fan");
	CHECK_STR(m.chamber, "chamber");
	CHECK_STR(m.fan_chamber, "");
	json_decref(want);
	json_decref(list);
	moon_memory_fini(&m);
}

TEST(moonraker_changes_are_laid_over_each_other)
{
	begin(OBJECTS);
	say("{\"print_stats\":{\"state\":\"printing\",\"filename\":\"parts/gear.gcode\","
	    "\"print_duration\":0,\"info\":{\"total_layer\":null,\"current_layer\":null}},"
	    "\"virtual_sdcard\":{\"progress\":0.01,\"file_position\":100,\"file_size\":9000},"
	    "\"extruder\":{\"temperature\":200.5,\"target\":210},"
	    "\"heater_bed\":{\"temperature\":59.5,\"target\":60},\"fan\":{\"speed\":0.5},"
	    "\"fan_generic Aux_Fan\":{\"speed\":1},\"heater_fan hotend\":{\"speed\":0.8},"
	    "\"heater_generic chamber\":{\"temperature\":40,\"target\":45},"
	    "\"gcode_move\":{\"speed_factor\":1.25,\"gcode_position\":[1,2,0.3,4]},"
	    "\"motion_report\":{\"live_position\":[10,20,5.3,0]},"
	    "\"toolhead\":{\"homed_axes\":\"xyz\",\"axis_minimum\":[0,-5,-2,0],"
	    "\"axis_maximum\":[250,210,220,0]}}");
	CHECK_INT(s.activity, PRINTER_PREPARING);
	CHECK_STR(s.job.name, "gear.gcode");
	CHECK_STR(s.job.file, "parts/gear.gcode");
	CHECK(s.job.layer == -1 && s.job.layers == -1);
	CHECK(s.job.file_pos == 100 && s.job.file_size == 9000 && s.job.percent == 1);
	CHECK(s.nozzles[0].heat.now_c == 200.5 && s.bed.target_c == 60 && s.chamber.now_c == 40);
	CHECK(s.fan_part == 50 && s.fan_aux == 100 && s.fan_heatbreak == 80);
	CHECK(s.speed_percent == 125 && s.job.z_mm == 0.3 && s.job.z_is_queued);
	CHECK(s.position.x_mm == 10 && s.position.z_mm == 5.3 && s.position.is_homed);
	CHECK(s.limits.min_mm[1] == -5 && s.limits.max_mm[0] == 250);
	say("{\"print_stats\":{\"print_duration\":3.5,\"info\":{\"total_layer\":9,"
	    "\"current_layer\":2}},\"virtual_sdcard\":{\"file_position\":500}}");
	CHECK_INT(s.activity, PRINTER_PRINTING);
	CHECK(s.job.layer == 2 && s.job.layers == 9 && s.job.file_pos == 500);
	CHECK(s.nozzles[0].heat.now_c == 200.5);
	moon_memory_fini(&m);
}

TEST(moonraker_pauses_have_their_reason)
{
	begin(OBJECTS);
	say_print("{\"state\":\"printing\",\"filename\":\"a\",\"print_duration\":5}");
	say("{\"print_stats\":{\"state\":\"paused\"},\"filament_switch_sensor runout\":{"
	    "\"enabled\":true,\"filament_detected\":true}}");
	CHECK(s.activity == PRINTER_PAUSED && s.pause == PRINTER_PAUSE_NONE);
	say("{\"filament_switch_sensor runout\":{\"filament_detected\":false}}");
	CHECK_INT(s.pause, PRINTER_PAUSE_RUNOUT);
	say("{\"filament_switch_sensor runout\":{\"enabled\":false}}");
	CHECK_INT(s.pause, PRINTER_PAUSE_NONE);
	moon_memory_fini(&m);
}

TEST(moonraker_jobs_end_in_their_ways)
{
	json_t *j;

	begin(OBJECTS);
	say_print("{\"state\":\"printing\",\"filename\":\"a\",\"print_duration\":5}");
	say_print("{\"state\":\"complete\"}");
	CHECK(s.activity == PRINTER_FINISHED && s.job.percent == 100);
	say_print("{\"state\":\"printing\"}");
	say_print("{\"state\":\"error\",\"message\":\"Move out of range\"}");
	CHECK_INT(s.activity, PRINTER_FAILED);
	CHECK(strstr(s.print_error_text, "Move out of range"));
	say_print("{\"state\":\"printing\"}");
	say_print("{\"state\":\"cancelled\"}");
	CHECK(s.activity == PRINTER_CANCELLED && !s.print_error);
	/* A macro that unloads the file at once. */
	say_print("{\"state\":\"printing\"}");
	say_print("{\"state\":\"standby\",\"filename\":\"\"}");
	CHECK_INT(s.activity, PRINTER_CANCELLED);
	CHECK_STR(s.job.file, "a");
	say_print("{\"state\":\"printing\",\"filename\":\"a\"}");
	j = json_loads("{\"action\":\"finished\",\"job\":{\"status\":\"completed\"}}", 0, NULL);
	moon_report_history(&m, j);
	json_decref(j);
	say_print("{\"state\":\"standby\",\"filename\":\"\"}");
	CHECK_INT(s.activity, PRINTER_FINISHED);
	moon_memory_fini(&m);
}

TEST(moonraker_says_in_words_what_klipper_suffers)
{
	begin(OBJECTS);
	say_print("{\"state\":\"printing\",\"filename\":\"a\",\"print_duration\":5}");
	CHECK(moon_report_klippy(&m, "shutdown", "Lost communication with MCU 'mcu'\nOnce the",
	                         &s));
	CHECK_INT(s.activity, PRINTER_FAILED);
	CHECK(strstr(s.print_error_text, "has shut down: Lost communication with MCU 'mcu'"));
	CHECK(!moon_report_klippy(&m, "shutdown", "again", &s));
	CHECK(moon_report_klippy(&m, "startup", "", &s) && !s.print_error);
	CHECK_STR(s.stage_text, "Klipper is starting");
	CHECK(moon_report_klippy(&m, "disconnected", "", &s));
	CHECK(strstr(s.print_error_text, "no connection to Klipper"));
	CHECK(moon_report_klippy(&m, "ready", "", &s) && !s.print_error_text[0]);
	moon_memory_fini(&m);
}

TEST(moonraker_keeps_little_of_what_is_too_much)
{
	static char text[6000];
	json_t *j = json_object(), *o = json_object();

	begin("[\"print_stats\"]");
	memset(text, 'x', sizeof(text) - 1);
	json_object_set_new(o, "filename", json_string(text));
	for (int i = 0; i < 200; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "k%d", i);
		json_object_set_new(o, key, json_integer(i));
	}
	json_object_set_new(j, "print_stats", o);
	json_object_set_new(j, "another", json_string(text));
	moon_report_status(&m, j, &s, 1);
	CHECK_INT(json_object_size(m.status), 1);
	CHECK(json_object_size(json_object_get(m.status, "print_stats")) <= 32);
	CHECK_STR(s.job.file, "");
	json_decref(j);
	moon_memory_fini(&m);
}

TEST(moonrakers_webcam_is_taken_over)
{
	struct webcam w;
	struct camera_config c = { 0 };
	const char *why;
	char page[200];
	json_t *j = json_loads("[{\"enabled\":false,\"stream_url\":\"/no\"},{\"enabled\":true,"
	                       "\"service\":\"mjpegstreamer-adaptive\",\"stream_url\":"
	                       "\"/webcam/?action=stream\",\"snapshot_url\":\"/webcam/s\","
	                       "\"rotation\":90,\"flip_vertical\":true}]",
	                       0, NULL);

	moon_read_webcam(j, &w);
	json_decref(j);
	moon_page_url("http://voron.local:7125", page, sizeof(page));
	CHECK_STR(page, "http://voron.local/");
	CHECK(webcam_camera(&w, page, &c, &why));
	CHECK_STR(c.driver, "http-mjpeg");
	CHECK_STR(c.source, "http://voron.local/webcam/?action=stream");
	CHECK(c.rotation == 90 && c.is_flipped_v && !c.is_flipped_h);
	camera_config_fini(&c);
	j = json_loads("[{\"service\":\"webrtc-camerastreamer\",\"stream_url\":\"/webrtc\","
	               "\"snapshot_url\":\"http://127.0.0.1:8080/snap\"}]",
	               0, NULL);
	moon_read_webcam(j, &w);
	json_decref(j);
	CHECK(webcam_camera(&w, page, &c, &why));
	CHECK_STR(c.driver, "http-still");
	CHECK_STR(c.source, "http://voron.local:8080/snap");
	camera_config_fini(&c);
	moon_read_webcam(NULL, &w);
	CHECK(!webcam_camera(&w, page, &c, &why) && strstr(why, "no webcam"));
}

static const char *command(enum printer_command_kind kind, struct printer_command *c)
{
	static char text[3000];
	const char *method;
	json_t *params;
	struct err err = { 0 };

	c->kind = kind;
	if (moon_command_write(c, &s, &m, &method, &params, &err) < 0) {
		TEXT_SET(text, err.text);
		return text;
	}

	char *dump = params ? json_dumps(params, JSON_COMPACT) : NULL;

	(void)snprintf(text, sizeof(text), "%s %s", method, dump ? dump : "");
	free(dump);
	json_decref(params);
	return text;
}

TEST(moonraker_commands_are_written)
{
	struct printer_command c = { .percent = 50, .fan = PRINTER_FAN_AUX, .celsius = 60 };

	begin(OBJECTS);
	say("{\"extruder\":{\"temperature\":20,\"target\":0}}");
	CHECK_STR(command(PRINTER_PAUSE_PRINT, &c), "printer.print.pause ");
	CHECK_STR(command(PRINTER_FAN, &c), "printer.gcode.script {\"script\":\"SET_FAN_SPEED "
	                                    "FAN=Aux_Fan SPEED=0.50\"}");
	c.fan = PRINTER_FAN_CHAMBER;
	CHECK(strstr(command(PRINTER_FAN, &c), "no [fan_generic]"));
	CHECK_STR(command(PRINTER_CHAMBER_TEMP, &c),
	          "printer.gcode.script {\"script\":\"SET_HEATER_TEMPERATURE HEATER=chamber "
	          "TARGET=60\"}");
	TEXT_SET(c.script, "G90\nG1 X5\t\r\n");
	CHECK_STR(command(PRINTER_SCRIPT, &c),
	          "printer.gcode.script {\"script\":\"G90\\nG1 X5  \\n\\nM400\"}");
	TEXT_SET(c.script, " \n");
	CHECK(strstr(command(PRINTER_SCRIPT, &c), "no line"));
	TEXT_SET(c.file, "/a/b.gcode");
	CHECK_STR(command(PRINTER_START_FILE, &c),
	          "printer.print.start {\"filename\":\"a/b.gcode\"}");
	TEXT_SET(c.file, "../b");
	CHECK(strstr(command(PRINTER_START_FILE, &c), "is no file"));
	CHECK(strstr(command(PRINTER_CLEAR_ERROR, &c), "nothing to clear"));
	say_print("{\"state\":\"printing\",\"filename\":\"a\",\"print_duration\":5}");
	CHECK(strstr(command(PRINTER_HOME, &c), "does not home"));
	CHECK(moon_report_klippy(&m, "shutdown", "x", &s));
	CHECK_STR(command(PRINTER_CLEAR_ERROR, &c), "printer.firmware_restart ");
	CHECK_STR(command(PRINTER_RESUME_PRINT, &c), "Klipper is not running");
	moon_memory_fini(&m);
}

TEST(moonraker_errors_are_read_out_of_their_wrapping)
{
	char text[100];

	moon_read_error("{'error': 'WebRequestError', 'message': 'Must home axis first'}", text,
	                sizeof(text));
	CHECK_STR(text, "Must home axis first");
	moon_read_error("Klippy Host not connected", text, sizeof(text));
	CHECK_STR(text, "Klippy Host not connected");
	moon_read_error("{'message': ", text, sizeof(text));
	CHECK_STR(text, "{'message': ");
}
