/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers as PrusaLink gives them: made by hand after its two kinds. */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "printers/prusalink/command.h"
#include "printers/prusalink/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOW_US 5000000
#define WALL_MS 1790000000000

static struct prusa_memory m;
static struct printer_state *s;

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	CHECK(j);
	return j;
}

static bool hear(const char *text)
{
	json_t *j = parse(text);
	bool is_one = prusa_report_status(&m, j, s, NOW_US, WALL_MS);

	json_decref(j);
	return is_one;
}

static void hear_job(const char *text)
{
	json_t *j = parse(text);

	prusa_report_job(&m, j, s);
	json_decref(j);
}

static void begin(void)
{
	s = calloc(1, sizeof(*s));
	CHECK(s);
	printer_state_init(s);
	prusa_memory_init(&m);
}

#define BUDDY(state, z, job)                                                             \
	"{" job "\"storage\":{\"path\":\"/usb/\",\"name\":\"usb\",\"read_only\":false}," \
	"\"printer\":{\"state\":\"" state "\",\"temp_bed\":60.1,\"target_bed\":60.0,"    \
	"\"temp_nozzle\":214.8,\"target_nozzle\":215.0,\"axis_z\":" z ",\"flow\":100,"   \
	"\"speed\":95,\"fan_hotend\":3100,\"fan_print\":5200}}"
#define JOB(id, percent)                                                           \
	"\"job\":{\"id\":" id ",\"progress\":" percent ",\"time_remaining\":3600," \
	"\"time_printing\":120},"

TEST(prusalink_status_of_a_printer_that_prints)
{
	begin();
	CHECK(hear(BUDDY("PRINTING", "0.4", JOB("297", "31.00"))));
	CHECK_INT(s->activity, PRINTER_PRINTING);
	CHECK_STR(s->job.task_id, "297");
	CHECK_INT(s->job.percent, 31);
	CHECK_INT(s->job.remaining_min, 60);
	CHECK(s->job.started_wall_ms == WALL_MS - 120000);
	CHECK(s->job.z_mm == 0.4 && s->job.z_error_mm == 0.05 && !s->job.z_is_queued);
	CHECK(s->position.z_mm == 0.4 && isnan(s->position.x_mm));
	CHECK(s->nozzles[0].heat.now_c == 214.8 && s->bed.target_c == 60);
	CHECK_INT(s->speed_percent, 95);
	CHECK_INT(s->fan_part, -1); /* turns a minute are no percent */
	CHECK(s->has_storage && !s->camera_is_on);
	CHECK_STR(m.storage, "usb");
	/* A minute later: the time it began stays. */
	CHECK(hear("{\"job\":{\"id\":297,\"progress\":32,\"time_printing\":190},\"printer\":{"
	           "\"state\":\"PRINTING\",\"axis_z\":0.45}}"));
	CHECK(s->job.started_wall_ms == WALL_MS - 120000);
	CHECK_INT(s->job.remaining_min, -1);
	CHECK(s->job.z_error_mm == 0); /* this one knows hundredths */
	free(s);
}

TEST(prusalink_states_are_the_one_vocabulary)
{
	static const struct {
		const char *text;
		enum printer_activity activity;
		const char *stage;
	} cases[] = {
		{ BUDDY("IDLE", "0", ""), PRINTER_IDLE, "" },
		{ BUDDY("READY", "0", ""), PRINTER_IDLE, "ready to print" },
		{ BUDDY("BUSY", "0", ""), PRINTER_IDLE, "busy" },
		{ BUDDY("ATTENTION", "0", ""), PRINTER_IDLE, "needs attention" },
		{ BUDDY("BUSY", "0", JOB("1", "0")), PRINTER_PREPARING, "busy" },
		{ BUDDY("PRINTING", "0", JOB("1", "0")), PRINTER_PRINTING, "" },
		{ BUDDY("ATTENTION", "0", JOB("1", "5")), PRINTER_PAUSED, "needs attention" },
		{ BUDDY("PRINTING", "0", JOB("1", "6")), PRINTER_PRINTING, "" },
		{ BUDDY("PAUSED", "0", JOB("1", "7")), PRINTER_PAUSED, "" },
		{ BUDDY("BUSY", "0", JOB("1", "99")), PRINTER_PAUSED, "busy" },
		{ BUDDY("FINISHED", "0", JOB("1", "99")), PRINTER_FINISHED, "" },
		/* Somebody walks through its menus. */
		{ BUDDY("BUSY", "0", JOB("1", "99")), PRINTER_FINISHED, "busy" },
		{ BUDDY("BUSY", "0", JOB("2", "0")), PRINTER_PREPARING, "busy" },
		{ BUDDY("STOPPED", "0", JOB("2", "3")), PRINTER_CANCELLED, "" },
		{ BUDDY("ERROR", "0", JOB("3", "3")), PRINTER_FAILED, "error" },
		{ BUDDY("IDLE", "0", ""), PRINTER_IDLE, "" },
		{ BUDDY("ERROR", "0", ""), PRINTER_IDLE, "error" },
		{ BUDDY("PRINTING", "0", JOB("4", "60")), PRINTER_PRINTING, "" },
		{ BUDDY("IDLE", "0", ""), PRINTER_IDLE, "" },
		{ BUDDY("PRINTING", "0", JOB("5", "99")), PRINTER_PRINTING, "" },
		{ BUDDY("IDLE", "0", ""), PRINTER_FINISHED, "" },
		{ BUDDY("IDLE", "0", ""), PRINTER_IDLE, "" },
		{ BUDDY("SOMETHING_NEW", "0", ""), PRINTER_IDLE, "" },
	};

	begin();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CHECK(hear(cases[i].text));
		CHECK_INT(s->activity, cases[i].activity);
		CHECK_STR(s->stage_text, cases[i].stage);
		CHECK((s->print_error != 0) ==
		      (strstr(s->stage_text, "attention") || text_equal(s->stage_text, "error")));
	}
	CHECK(!hear("{\"printer\":{}}"));
	CHECK(!hear("[]"));
	free(s);
}

TEST(prusalink_tells_the_file_of_its_job)
{
	begin();
	CHECK(hear(BUDDY("PRINTING", "0.2", JOB("4", "1"))));
	hear_job("{\"id\":4,\"state\":\"PRINTING\",\"file\":{\"refs\":{\"icon\":\"/thumb/s/usb/"
	         "RING~1.BGC\",\"download\":\"/usb/RING~1.BGC\"},\"name\":\"RING~1.BGC\","
	         "\"display_name\":\"ring of a long "
	         "name.bgcode\",\"path\":\"/usb\",\"size\":5120}}");
	CHECK_STR(s->job.name, "ring of a long name.bgcode");
	CHECK_STR(s->job.file, "/usb/RING~1.BGC");
	CHECK(s->job.file_size == 5120 && !s->job.is_streamed && m.described == 4);
	CHECK_STR(m.download, "/usb/RING~1.BGC");
	/* The next job is another one: nothing of this one is left. */
	CHECK(hear(BUDDY("PRINTING", "0.2", JOB("5", "0"))));
	CHECK_STR(s->job.name, "");
	CHECK_INT(s->job.file_size, -1);
	hear_job("{\"id\":5,\"file\":{\"refs\":{\"download\":\"//evil/x\"},\"name\":\"A.GCO\","
	         "\"path\":\"/usb\"}}");
	CHECK_STR(m.download, "");
	hear_job(
		"{\"id\":5,\"file\":{\"refs\":{\"download\":\"/usb/../secret\"},\"name\":\"A.GCO\","
		"\"path\":\"/usb\"}}");
	CHECK_STR(m.download, "");
	free(s);
}

TEST(prusalink_of_a_raspberry_pi)
{
	json_t *version = parse("{\"api\":\"2.0.0\",\"server\":\"0.8.1\",\"original\":\"PrusaLink "
	                        "I3MK3S\",\"text\":\"PrusaLink 0.8.1\",\"firmware\":\"3.13.2\","
	                        "\"hostname\":\"prusalink\"}");

	begin();
	prusa_report_version(version, s);
	json_decref(version);
	CHECK_STR(s->model, "MK3S");
	CHECK_STR(s->firmware, "3.13.2");
	CHECK(hear("{\"storage\":[{\"path\":\"/local\",\"read_only\":false,\"free_space\":1},{"
	           "\"path\":\"/sdcard\",\"read_only\":true}],\"camera\":{\"id\":\"x\"},"
	           "\"job\":{\"id\":7,\"progress\":50.0},\"printer\":{\"state\":\"PAUSED\","
	           "\"temp_nozzle\":200.0,\"axis_x\":10.5,\"axis_y\":20,\"axis_z\":3.55,"
	           "\"fan_print\":0,\"status_printer\":{\"ok\":false,\"message\":\"Serial is "
	           "gone\"}}}"));
	CHECK(s->camera_is_on && s->position.x_mm == 10.5 && s->fan_part == 0);
	CHECK(isnan(s->job.z_mm)); /* parked: no layer's height */
	CHECK_STR(s->print_error_text, "Serial is gone");
	hear_job("{\"id\":7,\"file\":{\"name\":\"a b.gcode\",\"display_name\":\"a b.gcode\","
	         "\"path\":\"/PrusaLink gcodes/a b.gcode\",\"size\":9,\"refs\":{\"download\":"
	         "\"/api/files/local/PrusaLink gcodes/a b.gcode/raw\"}}}");
	CHECK_STR(s->job.file, "/PrusaLink gcodes/a b.gcode");
	CHECK(s->job.is_streamed);
	free(s);
}

TEST(prusalink_before_api_v1_says_it_in_octoprints_words)
{
	json_t *printer = parse(
		"{\"telemetry\":{\"temp-bed\":60.0,\"print-speed\":100,\"z-height\":1.2},"
		"\"temperature\":{\"tool0\":{\"actual\":200.5,\"target\":210.0},\"bed\":{"
		"\"actual\":59.0,\"target\":60.0}},\"state\":{\"text\":\"Printing\",\"flags\":{"
		"\"operational\":false,\"printing\":true,\"link_state\":\"PRINTING\"}}}");
	json_t *job = parse("{\"state\":\"Printing\",\"job\":{\"file\":{\"name\":\"ring.gcode\","
	                    "\"path\":\"/usb/RING~1.GCO\",\"display\":\"ring.gcode\"}},"
	                    "\"progress\":{\"completion\":0.25,\"printTime\":60,"
	                    "\"printTimeLeft\":180}}");
	json_t *status = prusa_old_status(printer, job), *old = prusa_old_job(job), *none;

	begin();
	CHECK(prusa_report_status(&m, status, s, NOW_US, WALL_MS));
	prusa_report_job(&m, old, s);
	CHECK_INT(s->activity, PRINTER_PRINTING);
	CHECK(s->job.percent == 25 && s->job.remaining_min == 3 && s->job.z_mm == 1.2);
	CHECK_STR(s->job.name, "ring.gcode");
	CHECK_STR(s->job.file, "/usb/RING~1.GCO");
	CHECK_STR(m.download, "/usb/RING~1.GCO");
	CHECK_STR(s->job.task_id, "");
	none = prusa_old_status(NULL, NULL);
	CHECK(!prusa_report_status(&m, none, s, NOW_US, WALL_MS));
	json_decref(none);
	json_decref(printer);
	json_decref(job);
	json_decref(status);
	json_decref(old);
	free(s);
}

TEST(prusalink_is_asked_gently)
{
	begin();
	CHECK_INT(prusa_poll_ms(s, 10), 5000);
	s->activity = PRINTER_PRINTING;
	CHECK_INT(prusa_poll_ms(s, 10), 1000);
	CHECK_INT(prusa_poll_ms(s, 3000), 6000);
	CHECK_INT(prusa_poll_ms(s, 30000), 10000);
	s->activity = PRINTER_PAUSED;
	CHECK_INT(prusa_poll_ms(s, 10), 2000);
	free(s);
}

static int write_it(enum printer_command_kind kind, const char *file, const char **method,
                    char target[1024], struct err *err)
{
	struct printer_command *c = calloc(1, sizeof(*c));
	int rc;

	CHECK(c);
	c->kind = kind;
	TEXT_SET(c->file, file);
	rc = prusa_command_write(c, &m, method, target, err);
	free(c);
	return rc;
}

TEST(prusalink_commands_are_those_it_has)
{
	const char *method = "";
	char target[1024];
	struct err err = { 0 };

	prusa_memory_init(&m);
	CHECK(write_it(PRINTER_PAUSE_PRINT, "", &method, target, &err) < 0);
	m.job = 12;
	CHECK_INT(write_it(PRINTER_PAUSE_PRINT, "", &method, target, &err), 0);
	CHECK_STR(method, "PUT");
	CHECK_STR(target, "/api/v1/job/12/pause");
	CHECK_INT(write_it(PRINTER_STOP_PRINT, "", &method, target, &err), 0);
	CHECK_STR(method, "DELETE");
	CHECK_STR(target, "/api/v1/job/12");
	CHECK_INT(write_it(PRINTER_START_FILE, "/a b%.gcode", &method, target, &err), 0);
	CHECK_STR(method, "POST");
	CHECK_STR(target, "/api/v1/files/usb/a%20b%25.gcode");
	TEXT_SET(m.storage, "local");
	CHECK_INT(write_it(PRINTER_START_FILE, "x.gcode", &method, target, &err), 0);
	CHECK_STR(target, "/api/v1/files/local/x.gcode");
	CHECK_INT(write_it(PRINTER_START_FILE, "/usb/X.GCO", &method, target, &err), 0);
	CHECK_STR(target, "/api/v1/files/usb/X.GCO");
	CHECK(write_it(PRINTER_START_FILE, "../x", &method, target, &err) < 0);
	CHECK(write_it(PRINTER_GCODE, "", &method, target, &err) < 0);
	CHECK(strstr(err.text, "own screen"));
	CHECK(write_it(PRINTER_LIGHT, "", &method, target, &err) < 0);
}
