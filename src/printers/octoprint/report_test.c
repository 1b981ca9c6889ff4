/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/octoprint/report.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "printers/octoprint/command.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Too large for the stack. */
static struct scene {
	struct octo_memory memory;
	struct printer_state state;
} s;

static void begin(void)
{
	memset(&s, 0, sizeof(s));
	printer_state_init(&s.state);
}

static enum octo_kind hear(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	CHECK(j);

	enum octo_kind kind = octo_report_push(&s.memory, j, &s.state, 77);

	json_decref(j);
	return kind;
}

#define FLAGS(more)                                                                     \
	"{\"current\":{\"state\":{\"text\":\"x\",\"flags\":{\"operational\":true," more \
	"}},\"currentZ\":0.4,\"job\":{\"file\":{\"name\":\"a.gcode\",\"path\":\"d/"     \
	"a.gcode\",\"display\":\"A.gcode\",\"origin\":\"local\",\"size\":1000}},"       \
	"\"progress\":{\"completion\":41.7,\"filepos\":417,\"printTime\":60,"           \
	"\"printTimeLeft\":150},\"temps\":[{\"time\":1,\"tool0\":{\"actual\":20.0,"     \
	"\"target\":0}},{\"time\":2,\"tool0\":{\"actual\":199.8,\"target\":200.0},"     \
	"\"bed\":{\"actual\":60.1,\"target\":60},\"chamber\":{\"actual\":null,"         \
	"\"target\":null}}]}}"
#define PRINTING FLAGS("\"printing\":true")
#define IDLE                                                                            \
	"{\"current\":{\"state\":{\"text\":\"Operational\",\"flags\":{\"operational\":" \
	"true,\"ready\":true}},\"currentZ\":null,\"job\":{\"file\":{\"name\":null}},"   \
	"\"progress\":{\"completion\":null,\"filepos\":null}}}"

TEST(octoprint_tells_a_print)
{
	begin();
	CHECK_INT(hear(PRINTING), OCTO_CURRENT);
	CHECK_INT(s.state.activity, PRINTER_PRINTING);
	CHECK_STR(s.state.job.name, "A.gcode");
	CHECK_STR(s.state.job.file, "d/a.gcode");
	CHECK(s.state.job.percent == 41 && s.state.job.remaining_min == 3);
	CHECK(s.state.job.file_pos == 417 && s.state.job.file_size == 1000);
	CHECK(s.state.job.is_streamed && s.state.job.z_mm == 0.4 && s.state.job.z_is_queued);
	CHECK(s.state.n_nozzles == 1 && s.state.nozzles[0].heat.now_c == 199.8);
	CHECK(s.state.bed.target_c == 60 && isnan(s.state.chamber.now_c));
	hear(FLAGS("\"printing\":false,\"paused\":true"));
	CHECK_INT(s.state.activity, PRINTER_PAUSED);
	hear(FLAGS("\"printing\":true,\"cancelling\":true"));
	CHECK_INT(s.state.activity, PRINTER_PRINTING);
	CHECK_STR(s.state.stage_text, "cancelling");
}

static enum printer_activity end_after(const char *event)
{
	begin();
	hear(PRINTING);
	if (event)
		hear(event);
	hear(IDLE);
	CHECK_STR(s.state.job.name, "A.gcode"); /* what has just ended */
	hear(IDLE);
	return s.state.activity;
}

TEST(octoprint_tells_how_a_print_ended)
{
	CHECK_INT(end_after("{\"event\":{\"type\":\"PrintDone\",\"payload\":{}}}"),
	          PRINTER_FINISHED);
	CHECK_INT(end_after("{\"event\":{\"type\":\"PrintCancelled\",\"payload\":{}}}"),
	          PRINTER_CANCELLED);
	CHECK_INT(end_after("{\"event\":{\"type\":\"PrintFailed\",\"payload\":{\"reason\":"
	                    "\"cancelled\"}}}"),
	          PRINTER_CANCELLED);
	CHECK_INT(end_after("{\"event\":{\"type\":\"PrintFailed\",\"payload\":{\"reason\":"
	                    "\"error\"}}}"),
	          PRINTER_FAILED);
	/* OctoPrint was started anew: what it fed has ended. */
	CHECK_INT(end_after(NULL), PRINTER_FAILED);
}

TEST(octoprint_may_have_finished_while_nobody_listened)
{
	begin();
	hear(IDLE);
	CHECK_INT(s.state.activity, PRINTER_IDLE);
	begin();
	hear("{\"history\":{\"state\":{\"flags\":{\"operational\":true}},\"job\":{\"file\":{"
	     "\"name\":\"b\",\"path\":\"b\",\"origin\":\"printer\"}},\"progress\":{"
	     "\"completion\":100.0}}}");
	CHECK_INT(s.state.activity, PRINTER_FINISHED);
	CHECK(!s.state.job.is_streamed);
	hear(PRINTING);
	CHECK_INT(s.state.activity, PRINTER_PRINTING);
}

TEST(octoprint_may_lose_its_printer)
{
	begin();
	hear(PRINTING);
	CHECK(s.memory.is_connected);
	hear("{\"current\":{\"state\":{\"text\":\"Offline\",\"error\":\"Too many "
	     "timeouts\",\"flags\":{\"closedOrError\":true,\"error\":true}}}}");
	CHECK(!s.memory.is_connected && s.state.activity == PRINTER_FAILED);
	CHECK_STR(s.memory.trouble, "Too many timeouts");
	octo_report_polled(&s.memory, NULL, NULL, &s.state);
	CHECK(!s.memory.is_connected);
}

#define ANALYSED(origin, analysis, left)                                                       \
	"{\"current\":{\"state\":{\"flags\":{\"printing\":true}},\"job\":{\"file\":{\"name\":" \
	"\"b.gco\",\"path\":\"b.gco\",\"origin\":\"" origin "\",\"size\":9}," analysis         \
	"},\"progress\":{\"completion\":10,\"printTime\":300,\"printTimeLeft\":" left "}}}"
#define ANALYSIS                                                                               \
	"\"estimatedPrintTime\":3900.5,\"filament\":{\"tool0\":{\"length\":1200.5,\"volume\":" \
	"2.9},\"tool1\":{\"length\":300,\"volume\":0.7},\"tool2\":{\"length\":null}}"
#define NO_ANALYSIS "\"estimatedPrintTime\":null,\"filament\":{\"length\":null,\"volume\":null}"

TEST(octoprint_tells_what_its_analysis_of_the_file_found)
{
	begin();
	CHECK(isnan(s.state.job.estimate_s) && isnan(s.state.job.filament_mm));
	hear(ANALYSED("local", NO_ANALYSIS, "null")); /* is not done yet */
	CHECK(isnan(s.state.job.estimate_s) && isnan(s.state.job.filament_mm));
	CHECK_INT(s.state.job.remaining_min, -1);
	hear(ANALYSED("local", ANALYSIS, "null"));
	CHECK(s.state.job.estimate_s == 3900.5 && s.state.job.filament_mm == 1500.5);
	CHECK_INT(s.state.job.remaining_min, 60);
	hear(ANALYSED("local", ANALYSIS, "120")); /* its own word of what is left goes first */
	CHECK_INT(s.state.job.remaining_min, 2);
	hear(ANALYSED("sdcard", NO_ANALYSIS, "600")); /* another file, on the card */
	CHECK(isnan(s.state.job.estimate_s) && isnan(s.state.job.filament_mm));
	CHECK(s.state.job.remaining_min == 10 && !s.state.job.is_streamed);
	hear(ANALYSED("local", "\"estimatedPrintTime\":-5,\"filament\":{\"tool0\":7}", "null"));
	CHECK(isnan(s.state.job.estimate_s) && isnan(s.state.job.filament_mm));
	CHECK_INT(s.state.job.remaining_min, -1);
}

TEST(octoprint_is_asked_what_its_analysis_found)
{
	json_t *job = json_loads("{\"job\":{\"file\":{\"name\":\"b\"}," ANALYSIS
	                         "},\"progress\":{\"printTime\":900.5}}",
	                         0, NULL);

	begin();
	octo_report_polled(&s.memory, job, NULL, &s.state);
	CHECK(s.state.job.estimate_s == 3900.5 && s.state.job.filament_mm == 1500.5);
	CHECK_INT(s.state.job.remaining_min, 50);
	json_decref(job);
}

TEST(octoprint_tells_each_change_of_z)
{
	begin();
	CHECK_INT(hear("{\"event\":{\"type\":\"ZChange\",\"payload\":{\"new\":0.6,\"old\":"
	               "0.4}}}"),
	          OCTO_EVENT);
	CHECK(s.state.job.z_mm == 0.6 && s.state.job.z_is_queued);
	hear("{\"event\":{\"type\":\"ZChange\",\"payload\":{\"new\":null}}}");
	hear("{\"event\":{\"type\":\"ZChange\",\"payload\":7}}");
	CHECK(s.state.job.z_mm == 0.6);
}

TEST(octoprint_tells_where_the_head_is)
{
	begin();
	hear("{\"event\":{\"type\":\"PositionUpdate\",\"payload\":{\"reason\":null,\"x\":10.5,"
	     "\"y\":20,\"z\":0.3,\"e\":1}}}");
	CHECK(s.state.position.x_mm == 10.5 && s.state.position.z_mm == 0.3);
	CHECK(s.state.position.at_us == 77 && s.memory.n_positions == 1 && s.memory.is_of_script);
	hear("{\"event\":{\"type\":\"PositionUpdate\",\"payload\":{\"reason\":\"pause\","
	     "\"x\":1,\"y\":2,\"z\":3}}}");
	CHECK(s.memory.n_positions == 2 && !s.memory.is_of_script);
	hear("{\"current\":{\"logs\":[\"Send: N5 M400*12\",\"Recv: ok\",\"Send: M114\","
	     "\"Recv: X:5.00 Y:6.00 Z:7.00 E:0.00 Count: A:800 B:900 C:70\",null,3]}}");
	CHECK(s.memory.n_sent_m114 == 1 && s.memory.is_of_script);
	hear("{\"current\":{\"logs\":[\"Send: M114\",\"Send: N6 M114*35\"]}}"); /* nobody's end */
	CHECK_INT(s.memory.n_sent_m114, 1);
	CHECK(s.state.position.y_mm == 6 && s.state.position.z_mm == 7);
}

TEST(octoprint_positions_are_read_from_lines)
{
	double p[3];

	CHECK(octo_parse_position("ok X:1.50 Y:-2.00 Z:0.20 E:3.1 Count X:120 Y:1 Z:2", p));
	CHECK(p[0] == 1.5 && p[1] == -2 && p[2] == 0.2);
	CHECK(octo_parse_position("X:1 Y:2 Z:3", p));
	CHECK(!octo_parse_position("X:1 Y:2 Count Z:3", p));
	CHECK(!octo_parse_position("ok T:20.0 /0.0 B:20 X:1", p));
	CHECK(!octo_parse_position("X:nan Y:1 Z:2", p));
	CHECK(!octo_parse_position("X:1e9 Y:1 Z:2", p));
	CHECK(!octo_parse_position("", p));
}

TEST(octoprint_survives_messages_of_other_shapes)
{
	static const char *const odd[] = {
		"{}",
		"[]",
		"{\"current\":7}",
		"{\"current\":{\"state\":7,\"job\":[],\"progress\":\"\",\"temps\":{},\"logs\":{}}}",
		("{\"current\":{\"temps\":[7],\"currentZ\":\"high\",\"progress\":{\"completion\":-"
		 "4,"
		 "\"filepos\":1e300,\"printTimeLeft\":-7}}}"),
		"{\"event\":[]}",
		"{\"event\":{\"type\":7}}",
		"{\"reauthRequired\":null}",
		"{\"connected\":{\"version\":7}}",
	};
	begin();
	for (size_t i = 0; i < ARRAY_LEN(odd); i++)
		(void)hear(odd[i]);
	CHECK(s.state.job.percent == -1 && s.state.job.file_pos == -1 && isnan(s.state.job.z_mm));
}

TEST(octoprint_profiles_tell_the_room_of_the_head)
{
	static const char profiles[] =
		"{\"profiles\":{\"x\":{\"current\":false,\"volume\":{\"width\":1}},\"y\":{"
		"\"current\":true,\"model\":\"Ender\",\"extruder\":{\"nozzleDiameter\":0.6},"
		"\"volume\":{\"width\":220,\"depth\":210,\"height\":250,\"origin\":\"lowerleft\","
		"\"custom_box\":{\"x_min\":-5,\"x_max\":230}}},\"z\":{\"current\":false}}}";
	json_t *j = json_loads(profiles, 0, NULL);

	begin();
	octo_report_profile(&s.memory, j, &s.state);
	CHECK_STR(s.state.model, "Ender");
	CHECK(s.state.limits.min_mm[0] == -5 && s.state.limits.max_mm[0] == 230);
	CHECK(s.state.limits.min_mm[1] == 0 && s.state.limits.max_mm[1] == 210);
	CHECK(s.state.limits.max_mm[2] == 250 && s.memory.profile_nozzle_mm == 0.6);
	json_decref(j);
}

static bool webcam(const char *settings, const char *url, struct camera_config *c, const char **why)
{
	json_t *j = json_loads(settings, 0, NULL);
	struct webcam w;

	*c = (struct camera_config){ 0 };
	octo_read_webcam(j, &w);
	json_decref(j);
	return webcam_camera(&w, url, c, why);
}

TEST(octoprints_webcam_is_taken_over)
{
	struct camera_config c;
	const char *why;

	CHECK(webcam("{\"webcam\":{\"webcamEnabled\":true,\"streamUrl\":\"/webcam/?action="
	             "stream\",\"flipV\":true,\"rotate90\":true}}",
	             "http://octopi.local:5000", &c, &why));
	CHECK_STR(c.driver, "http-mjpeg");
	CHECK_STR(c.source, "http://octopi.local:5000/webcam/?action=stream");
	CHECK(c.is_flipped_v && !c.is_flipped_h && c.rotation == 270);
	CHECK(webcam("{\"webcam\":{\"streamUrl\":\"http://u:p@127.0.0.1:8080/s\"}}",
	             "https://octopi.local/octoprint", &c, &why));
	CHECK_STR(c.source, "http://octopi.local:8080/s");
	CHECK_STR(c.user, "u");
	CHECK(secret_equals(&c.secret, "p"));
	camera_config_fini(&c);
	CHECK(webcam("{\"webcam\":{\"streamUrl\":\"https://h/x.m3u8\",\"snapshotUrl\":"
	             "\"http://localhost:8080/?action=snapshot\"}}",
	             "http://octopi.local", &c, &why));
	CHECK_STR(c.driver, "http-still");
	CHECK_STR(c.source, "http://octopi.local:8080/?action=snapshot");
	CHECK(!webcam("{\"webcam\":{\"streamUrl\":\"webrtcs://h/x\"}}", "http://h", &c, &why));
	CHECK(strstr(why, "no stream of JPEGs"));
	CHECK(!webcam("{\"webcam\":{\"streamUrl\":\"http://bedside:8484/c/abcdefghijklmnopqrst/"
	              "?action=stream\"}}",
	              "http://h", &c, &why));
	CHECK(!webcam("{}", "http://h", &c, &why) && strstr(why, "no webcam"));
	CHECK(!webcam("{\"webcam\":{\"webcamEnabled\":false,\"streamUrl\":\"/a\"}}", "http://h", &c,
	              &why));
}

/* ---- commands ---- */

static struct printer_command command;
static char target[512];

static struct printer_command *make(enum printer_command_kind kind)
{
	memset(&command, 0, sizeof(command));
	command.kind = kind;
	return &command;
}

static const char *written(struct buf *b)
{
	begin();
	buf_init(b, 16384);
	return octo_command_write(&command, &s.state, target, b, NULL) == 0 ? buf_peek(b) : "";
}

static void writes(const char *wanted_target, const char *wanted)
{
	struct buf b;

	CHECK_STR(written(&b), wanted);
	if (*wanted)
		CHECK_STR(target, wanted_target);
	buf_fini(&b);
}

TEST(octoprint_commands_are_its_own_words)
{
	make(PRINTER_PAUSE_PRINT);
	writes("/api/job", "{\"command\":\"pause\",\"action\":\"pause\"}");
	make(PRINTER_RESUME_PRINT);
	writes("/api/job", "{\"command\":\"pause\",\"action\":\"resume\"}");
	make(PRINTER_STOP_PRINT);
	writes("/api/job", "{\"command\":\"cancel\"}");
	make(PRINTER_BED_TEMP)->celsius = 60;
	writes("/api/printer/bed", "{\"command\":\"target\",\"target\":60}");
	make(PRINTER_NOZZLE_TEMP)->celsius = 210;
	command.nozzle = 1;
	writes("/api/printer/tool", "{\"command\":\"target\",\"targets\":{\"tool1\":210}}");
	make(PRINTER_FAN)->percent = 50;
	writes("/api/printer/command", "{\"commands\":[\"M106 S127\"]}");
	TEXT_SET(make(PRINTER_GCODE)->gcode, "G28 ; home\n\n  ; nothing\r\nM117 hi  \n");
	writes("/api/printer/command", "{\"commands\":[\"G28\",\"M117 hi\"]}");
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G1 X5");
	writes("/api/printer/command", "{\"commands\":[\"G1 X5\",\"M400\",\"M114\"]}");
	TEXT_SET(make(PRINTER_START_FILE)->file, "/a b/c.gcode");
	writes("/api/files/local/a%20b/c.gcode", "{\"command\":\"select\",\"print\":true}");
}

TEST(octoprint_refuses_commands_that_it_has_not)
{
	TEXT_SET(make(PRINTER_START_FILE)->file, "../etc/passwd");
	writes("", "");
	TEXT_SET(make(PRINTER_GCODE)->gcode, " ;\n");
	writes("", "");
	make(PRINTER_LIGHT);
	writes("", "");
	make(PRINTER_BED_TEMP)->celsius = (double)NAN;
	writes("", "");
}

TEST(where_a_script_ends_is_known)
{
	double mm[3];

	octo_script_end("G90\nG1 Z5 F600\nG0 X10.5 Y20 F3000 ; Y99\n", mm);
	CHECK(mm[0] == 10.5 && mm[1] == 20 && mm[2] == 5);
	octo_script_end("G90\nG1 X1 Y2\nG91\nG1 Z-1\nG1 X3\n", mm);
	CHECK(isnan(mm[0]) && mm[1] == 2 && isnan(mm[2]));
	octo_script_end("g1 x-4\nG28\nM400", mm);
	CHECK(isnan(mm[0]) && isnan(mm[1]) && isnan(mm[2]));
	octo_script_end("", mm);
	CHECK(isnan(mm[0]) && isnan(mm[1]) && isnan(mm[2]));
}
