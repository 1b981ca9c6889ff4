/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The link to a PrusaLink that is played on simulated time. */

#include "base/err.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"
#include "printers/driver.h"
#include "wire/rest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PASSWORD "abcdefgh12345678"

/* A PrusaLink by hand. */
#define OLD "PrusaLink of old" /* has no API v1 */

static struct scene {
	struct loop *loop;
	struct bus *bus;
	struct printers *printers;
	struct printer *printer;
	struct rest_player player;
	const char *version, *state;
	int version_status, state_status, command_status, info_status;
	bool is_silent, has_job, gives_file;
	unsigned n_asked, n_jobs, n_notices;
	int job;
	char commanded[300];
	struct bus_listener listener;
	enum printer_answer answer;
	char reason[240];
	unsigned n_answers;
	struct printer_command command;
} s;

static void answer_status(struct rest *r)
{
	char text[600], job[160] = "";

	if (s.has_job)
		(void)snprintf(job, sizeof(job),
		               "\"job\":{\"id\":%d,\"progress\":10,\"time_remaining\":60,"
		               "\"time_printing\":5},",
		               s.job);
	(void)snprintf(text, sizeof(text),
	               "{%s\"storage\":{\"path\":\"/usb/\"},\"printer\":{\"state\":\"%s\","
	               "\"temp_nozzle\":21.5,\"axis_z\":0.2,\"fan_print\":0}}",
	               job, s.state);
	rest_play(r, s.state_status,
	          s.state_status == 200 ? text : "<html><body>hello</body></html>");
}

static void asked(void *arg, struct rest *r, const char *method, const char *target,
                  const char *body)
{
	char text[400];

	(void)arg;
	(void)body;
	s.n_asked++;
	if (s.is_silent)
		return;
	if (strcmp(target, "/api/version") == 0) {
		(void)snprintf(text, sizeof(text),
		               "{\"api\":\"2.0.0\",\"text\":\"%s\",\"hostname\":\"prusa-mk4\"}",
		               s.version);
		rest_play(r, s.version_status, text);
	} else if (strcmp(target, "/api/v1/info") == 0) {
		rest_play(r, s.info_status,
		          s.info_status == 200 ? "{\"nozzle_diameter\":0.4,\"mmu\":false}" : "");
	} else if (strcmp(target, "/api/v1/status") == 0) {
		answer_status(r);
	} else if (strcmp(target, "/api/v1/job") == 0) {
		s.n_jobs++;
		(void)snprintf(text, sizeof(text),
		               "{\"id\":%d,\"file\":{\"name\":\"R%d.GCO\",\"path\":\"/usb\","
		               "\"display_name\":\"ring.gcode\"}}",
		               s.job, s.job);
		rest_play(r, s.gives_file ? 200 : 204, s.gives_file ? text : "");
	} else if (strcmp(target, "/api/job") == 0) {
		rest_play(r, 200, "{\"state\":\"Printing\",\"progress\":{\"completion\":0.1}}");
	} else if (strcmp(target, "/api/printer") == 0) {
		rest_play(r, 200, "{\"state\":{\"flags\":{\"link_state\":\"PRINTING\"}}}");
	} else {
		(void)snprintf(s.commanded, sizeof(s.commanded), "%s %s", method, target);
		rest_play(r, s.command_status,
		          s.command_status == 204 ? "" : "{\"message\":\"Conflict\"}");
	}
}

static void on_event(void *arg, const struct bus_event *e)
{
	(void)arg;
	s.n_notices += e->type == EVENT_NOTICE;
}

static void begin_with(const char *version)
{
	struct printer_config c = { .offline_after_ms = 60000, .has_camera = true };
	const struct printers_connector connector = { .player = &s.player };

	s = (struct scene){ .loop = loop_new_simulated(1790000000000),
		            .version = version,
		            .state = "IDLE",
		            .version_status = 200,
		            .state_status = strcmp(version, OLD) == 0 ? 404 : 200,
		            .info_status = 200,
		            .command_status = 204,
		            .gives_file = true,
		            .job = 3 };
	s.bus = bus_new(s.loop);
	s.player.asked = asked;
	bus_listen(s.bus, &s.listener, on_event, NULL);

	const struct printers_env env = { .loop = s.loop, .bus = s.bus, .data_dir = "/nowhere" };

	s.printers = printers_new(&env);
	printers_set_connector(s.printers, &connector);
	TEXT_SET(c.id, "mk4");
	TEXT_SET(c.name, "MK4");
	TEXT_SET(c.driver, "prusalink");
	TEXT_SET(c.url, "http://mk4.local");
	TEXT_SET(c.address, "mk4.local");
	TEXT_SET(c.user, "maker");
	secret_set(&c.access_code, PASSWORD);
	CHECK_INT(printers_add(s.printers, &c, &s.printer, NULL), 0);
	printer_config_fini(&c);
	loop_advance(s.loop, 100);
}

static void begin(void)
{
	begin_with("PrusaLink");
}

static void finish(void)
{
	printers_free(s.printers);
	bus_unlisten(&s.listener);
	bus_free(s.bus);
	loop_free(s.loop);
}

static const struct printer_state *state(void)
{
	return printer_state(s.printer);
}

static bool is_link(enum printer_link link, const char *word)
{
	if (state()->link != link || !strstr(state()->link_text, word))
		print_message("# link is %s: %s\n", printer_link_name(state()->link),
		              state()->link_text);
	return state()->link == link && strstr(state()->link_text, word);
}

static void print(const char *state_word)
{
	s.state = state_word;
	s.has_job = true;
}

static void on_answer(void *arg, enum printer_answer a, const char *reason)
{
	(void)arg;
	s.n_answers++;
	s.answer = a;
	TEXT_SET(s.reason, reason ? reason : "");
}

static void send_it(enum printer_command_kind kind, int64_t ms)
{
	memset(&s.command, 0, sizeof(s.command));
	s.command.kind = kind;
	s.n_answers = 0;
	printer_send(s.printer, &s.command, on_answer, NULL);
	loop_advance(s.loop, ms);
}

TEST(prusalink_link_hears_and_asks_gently)
{
	begin();
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_STR(state()->model, "MK4");
	CHECK(state()->nozzles[0].diameter_mm == 0.4 && state()->activity == PRINTER_IDLE);
	CHECK(state()->capabilities & PRINTER_CAN_PAUSE);
	CHECK(!(state()->capabilities & (PRINTER_CAN_GCODE | PRINTER_CAN_UPLOAD)));
	s.n_asked = 0;
	loop_advance(s.loop, 60000);
	CHECK(s.n_asked >= 11 && s.n_asked <= 13); /* idle: each 5 s */
	print("PRINTING");
	loop_advance(s.loop, 6000);
	CHECK(state()->activity == PRINTER_PRINTING);
	CHECK_STR(state()->job.name, "ring.gcode");
	CHECK_STR(state()->job.file, "/usb/R3.GCO");
	s.n_asked = 0;
	loop_advance(s.loop, 60000);
	CHECK(s.n_asked >= 55 && s.n_asked <= 61); /* printing: each second */
	CHECK_INT(s.n_jobs, 1);                    /* its file is asked for once */
	finish();
}

TEST(prusalink_link_needs_a_login_that_is_right)
{
	begin();
	s.state_status = s.version_status = 401;
	loop_advance(s.loop, 10000);
	CHECK(is_link(PRINTER_LINK_REFUSED, "It refuses the key or login. The printer's screen"));
	s.state_status = s.version_status = 200;
	loop_advance(s.loop, 70000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(prusalink_link_names_what_is_none)
{
	begin_with("OctoPrint 1.11.8");
	CHECK(is_link(PRINTER_LINK_REFUSED, "use driver: octoprint"));
	finish();
	begin();
	s.state_status = 202; /* a page in place of the answer */
	loop_advance(s.loop, 6000);
	CHECK(is_link(PRINTER_LINK_REFUSED, "is no PrusaLink"));
	finish();
}

TEST(prusalink_link_bears_an_answer_that_does_not_come)
{
	begin();
	print("PRINTING");
	loop_advance(s.loop, 6000);
	s.is_silent = true;
	loop_advance(s.loop, 15000);
	s.is_silent = false;
	loop_advance(s.loop, 12000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(s.n_jobs, 1); /* the same connection still */
	s.is_silent = true;
	loop_advance(s.loop, 120000);
	CHECK_INT(state()->link, PRINTER_LINK_OFFLINE);
	s.n_asked = 0;
	loop_advance(s.loop, 300000);
	CHECK(s.n_asked <= 10); /* away: a minute between two */
	s.is_silent = false;
	loop_advance(s.loop, 80000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(prusalink_link_commands_and_sees_the_effect)
{
	begin();
	send_it(PRINTER_PAUSE_PRINT, 100);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_NOT_SENT && strstr(s.reason, "no job"));
	print("PRINTING");
	loop_advance(s.loop, 6000);
	send_it(PRINTER_PAUSE_PRINT, 3000);
	CHECK_STR(s.commanded, "PUT /api/v1/job/3/pause");
	CHECK_INT(s.n_answers, 0); /* taken, but it prints on */
	s.state = "PAUSED";
	loop_advance(s.loop, 2000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	s.command_status = 409;
	send_it(PRINTER_RESUME_PRINT, 1000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_REFUSED);
	CHECK_STR(s.reason, "PrusaLink says: Conflict (409)");
	s.command_status = 204;
	send_it(PRINTER_STOP_PRINT, 100);
	CHECK_STR(s.commanded, "DELETE /api/v1/job/3");
	s.state = "STOPPED";
	loop_advance(s.loop, 3000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	CHECK_INT(state()->activity, PRINTER_CANCELLED);
	send_it(PRINTER_GCODE, 100);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "PrusaLink can only"));
	finish();
}

TEST(prusalink_link_commands_no_firmware_before_api_v1)
{
	begin();
	CHECK(state()->capabilities & PRINTER_CAN_START);
	finish();
	begin_with(OLD);
	loop_advance(s.loop, 6000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(state()->activity, PRINTER_PRINTING);
	CHECK(!(state()->capabilities & (PRINTER_CAN_PAUSE | PRINTER_CAN_START)));
	send_it(PRINTER_PAUSE_PRINT, 100);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "older than") && !s.commanded[0]);
	finish();
}

TEST(prusalink_link_calls_for_a_person_once)
{
	begin();
	print("ATTENTION");
	s.n_notices = 0;
	loop_advance(s.loop, 20000);
	CHECK_INT(s.n_notices, 1);
	CHECK(state()->activity == PRINTER_PAUSED && strstr(state()->print_error_text, "screen"));
	print("PRINTING");
	loop_advance(s.loop, 5000);
	CHECK_INT(state()->print_error, 0);
	finish();
}

TEST(prusalink_link_goes_on_without_the_file)
{
	begin();
	s.gives_file = false;
	print("PRINTING");
	loop_advance(s.loop, 30000);
	CHECK(is_link(PRINTER_LINK_ONLINE, "") && state()->activity == PRINTER_PRINTING);
	CHECK_INT(s.n_jobs, 5); /* and does not ask for ever */

	const struct printer_fetch fetch = { 0 };
	struct err err = { 0 };

	CHECK(printer_fetch_job(s.printer, "/nowhere", &fetch, &err) == -ENOENT);
	CHECK(strstr(err.text, "does not give the file"));
	finish();
}
