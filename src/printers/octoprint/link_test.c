/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The link to an OctoPrint that is played on simulated time. */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"
#include "printers/driver.h"
#include "wire/rest.h"
#include "wire/stream.h"
#include "wire/ws_read.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "ABCDEF0123456789ABCDEF0123456789"

/* An OctoPrint by hand. */
static struct scene {
	struct loop *loop;
	struct bus *bus;
	struct printers *printers;
	struct printer *printer;
	struct rest_player player;
	struct stream *theirs;
	struct buf heard; /* from the push socket, not yet read */
	bool is_open;     /* its handshake is done */
	char said[8][300];
	unsigned n_said, n_logins, n_connections, n_notices;
	char asked[700]; /* the newest POST: target and body */
	const char *version, *permissions, *state_flags;
	int login_status, job_status, printer_status, command_status;
	bool is_silent;
	struct bus_listener listener;
	enum printer_answer answer;
	char reason[240];
	unsigned n_answers;
	struct printer_command command;
} s;

/* ---- the server ---- */

static void say_frame(const char *text)
{
	uint8_t head[WS_HEAD_MAX];

	stream_write(s.theirs, head, ws_write_head(head, WS_TEXT, strlen(text)));
	stream_write(s.theirs, text, strlen(text));
	loop_advance(s.loop, 10);
}

static void shake_hands(void)
{
	const char *key = strstr(buf_peek(&s.heard), "Sec-WebSocket-Key: ");
	size_t end = http_head_end(s.heard.data, s.heard.size, 0);
	char text[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], answer[300];

	if (!key || !end)
		return;
	CHECK(text_starts(s.heard.data, "GET /octoprint/sockjs/websocket HTTP/1.1\r\n"));
	CHECK(!strstr(s.heard.data, KEY));
	text_copy_n(text, sizeof(text), key + 19, 24);
	ws_accept_key(accept, text);
	(void)snprintf(answer, sizeof(answer),
	               "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
	               "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
	               accept);
	stream_write(s.theirs, answer, strlen(answer));
	buf_consume(&s.heard, end);
	s.is_open = true;
}

static void server_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct ws_frame f;
	int n;

	(void)arg;
	buf_add(&s.heard, bytes, size);
	if (!s.is_open)
		shake_hands();
	while (s.is_open && s.heard.size > 0 &&
	       (n = ws_parse_head((const uint8_t *)s.heard.data, s.heard.size, &f)) > 0) {
		char *payload = s.heard.data + n;

		if (s.heard.size < (size_t)n + f.size)
			return;
		ws_unmask((uint8_t *)payload, f.size, f.mask);
		if (f.opcode == WS_TEXT && s.n_said < ARRAY_LEN(s.said))
			text_copy_n(s.said[s.n_said++], sizeof(s.said[0]), payload, f.size);
		if (f.opcode == WS_PING)
			stream_write(s.theirs, "\x8a\x00", 2);
		buf_consume(&s.heard, (size_t)n + f.size);
	}
}

static void server_opened(void *arg)
{
	(void)arg;
}

static void server_closed(void *arg, const struct err *err)
{
	(void)arg;
	(void)err;
}

static struct stream *connect_pair(void *arg, const struct printer_config *c, uint16_t port)
{
	const struct stream_events e = { server_opened, server_received, NULL, server_closed,
		                         NULL };
	struct stream *ours;

	(void)arg;
	(void)c;
	(void)port;
	stream_free(s.theirs);
	buf_clear(&s.heard);
	s.is_open = false;
	s.n_connections++;
	stream_pair(s.loop, 1, &ours, &s.theirs);
	stream_listen(s.theirs, &e);
	return ours;
}

static void answer_login(struct rest *r)
{
	s.n_logins++;
	rest_play(r, s.login_status,
	          s.login_status == 200 ? "{\"name\":\"me\",\"session\":\"SESSION\",\"apikey\":"
	                                  "\"" KEY "\"}"
	                                : "{\"error\":\"no\"}");
}

static void answer_state(struct rest *r, const char *target)
{
	char text[300];

	if (strcmp(target, "/api/job") == 0) {
		rest_play(r, s.job_status,
		          "{\"job\":{\"file\":{\"name\":null}},\"progress\":{\"completion\":null},"
		          "\"state\":\"Offline\"}");
		return;
	}
	(void)snprintf(text, sizeof(text),
	               "{\"state\":{\"text\":\"x\",\"flags\":{%s}},\"temperature\":{\"tool0\":{"
	               "\"actual\":21.5,\"target\":0}}}",
	               s.state_flags);
	rest_play(r, s.printer_status, s.printer_status == 200 ? text : "{}");
}

static void asked(void *arg, struct rest *r, const char *method, const char *target,
                  const char *body)
{
	char text[300];

	(void)arg;
	if (s.is_silent)
		return;
	if (strcmp(target, "/api/version") == 0) {
		(void)snprintf(text, sizeof(text),
		               "{\"api\":\"0.1\",\"server\":\"1.11.8\",\"text\":\"%s\"}",
		               s.version);
		rest_play(r, 200, text);
	} else if (strcmp(target, "/api/login") == 0) {
		answer_login(r);
	} else if (strcmp(target, "/api/currentuser") == 0) {
		(void)snprintf(text, sizeof(text), "{\"permissions\":[%s]}", s.permissions);
		rest_play(r, 200, text);
	} else if (strcmp(target, "/api/settings") == 0) {
		rest_play(r, 200,
		          "{\"webcam\":{\"webcamEnabled\":true,\"streamUrl\":\"/webcam/\"}}");
	} else if (strcmp(target, "/api/printerprofiles") == 0) {
		rest_play(r, 403, "{}");
	} else if (strcmp(method, "GET") == 0) {
		answer_state(r, target);
	} else {
		(void)snprintf(s.asked, sizeof(s.asked), "%s %s", target, body);
		rest_play(r, s.command_status,
		          s.command_status == 204 ? ""
		                                  : "{\"error\":\"Printer is not operational\"}");
	}
}

/* ---- our side ---- */

static void on_event(void *arg, const struct bus_event *e)
{
	(void)arg;
	s.n_notices += e->type == EVENT_NOTICE;
}

static void begin_with(const char *version, const char *permissions)
{
	struct printer_config c = { .offline_after_ms = 60000, .has_camera = true };
	const struct printers_connector connector = { .connect = connect_pair,
		                                      .player = &s.player };

	memset(&s, 0, sizeof(s));
	s.loop = loop_new_simulated(1790000000000);
	s.bus = bus_new(s.loop);
	s.player.asked = asked;
	s.version = version;
	s.permissions = permissions;
	s.state_flags = "\"operational\":true,\"ready\":true";
	s.login_status = s.job_status = s.printer_status = 200;
	s.command_status = 204;
	buf_init(&s.heard, 0);
	bus_listen(s.bus, &s.listener, on_event, NULL);

	const struct printers_env env = { .loop = s.loop, .bus = s.bus, .data_dir = "/nowhere" };

	s.printers = printers_new(&env);
	printers_set_connector(s.printers, &connector);
	TEXT_SET(c.id, "octo");
	TEXT_SET(c.name, "Octo");
	TEXT_SET(c.driver, "octoprint");
	TEXT_SET(c.url, "http://octopi.local/octoprint");
	TEXT_SET(c.address, "octopi.local");
	secret_set(&c.access_code, KEY);
	CHECK_INT(printers_add(s.printers, &c, &s.printer, NULL), 0);
	printer_config_fini(&c);
	loop_advance(s.loop, 100);
}

static void begin(void)
{
	begin_with("OctoPrint 1.11.8", "\"ADMIN\"");
}

static void finish(void)
{
	printers_free(s.printers);
	bus_unlisten(&s.listener);
	bus_free(s.bus);
	stream_free(s.theirs);
	buf_fini(&s.heard);
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

static void on_answer(void *arg, enum printer_answer a, const char *reason)
{
	(void)arg;
	s.n_answers++;
	s.answer = a;
	TEXT_SET(s.reason, reason ? reason : "");
}

static struct printer_command *make(enum printer_command_kind kind)
{
	memset(&s.command, 0, sizeof(s.command));
	s.command.kind = kind;
	return &s.command;
}

static void send_it(void)
{
	s.n_answers = 0;
	printer_send(s.printer, &s.command, on_answer, NULL);
	loop_advance(s.loop, 20);
}

#define STATE(flags) "{\"current\":{\"state\":{\"text\":\"x\",\"flags\":{" flags "}}}}"
#define POSITION(reason, x, y)                                                                \
	"{\"event\":{\"type\":\"PositionUpdate\",\"payload\":{\"reason\":" reason ",\"x\":" x \
	",\"y\":" y ",\"z\":5}}}"

TEST(octoprint_link_logs_in_and_hears)
{
	begin();
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(state()->activity == PRINTER_IDLE && state()->nozzles[0].heat.now_c == 21.5);
	CHECK(state()->capabilities & PRINTER_CAN_SCRIPT);
	CHECK_INT(s.n_said, 3);
	CHECK(text_starts(s.said[0], "{\"subscribe\":{\"state\":{\"logs\":"));
	CHECK_STR(s.said[1], "{\"auth\":\"me:SESSION\"}");
	CHECK_STR(s.said[2], "{\"throttle\":1}");
	say_frame(STATE("\"operational\":true,\"printing\":true"));
	CHECK_INT(state()->activity, PRINTER_PRINTING);

	struct camera_config camera;
	const char *why;

	CHECK(printer_own_camera(s.printer, &camera, &why));
	CHECK_STR(camera.source, "http://octopi.local/webcam/");
	camera_config_fini(&camera);
	finish();
}

TEST(octoprint_link_needs_a_key_that_is_right)
{
	begin();
	s.login_status = 400; /* what 1.11 says of one that is wrong */
	stream_free(s.theirs);
	s.theirs = NULL;
	loop_advance(s.loop, 30000);
	CHECK(is_link(PRINTER_LINK_REFUSED, "It refuses the API key. Run 'bedside pair'"));
	s.login_status = 200;
	loop_advance(s.loop, 61000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(octoprint_link_notices_a_key_that_is_revoked)
{
	begin();
	s.job_status = 403;
	for (unsigned i = 0; i < 7; i++) {
		say_frame(STATE("\"operational\":true"));
		loop_advance(s.loop, 10000);
	}
	CHECK(is_link(PRINTER_LINK_REFUSED, "refuses the API key"));
	CHECK(s.n_notices == 1);
	finish();
}

TEST(octoprint_link_knows_what_answers_in_its_place)
{
	begin_with("PrusaLink 0.7.2", "");
	CHECK(is_link(PRINTER_LINK_REFUSED, "use driver: prusalink"));
	finish();
	begin_with("OctoPrint (Moonraker v0.8.0)", "");
	CHECK(is_link(PRINTER_LINK_REFUSED, "use driver: moonraker"));
	finish();
}

TEST(octoprint_link_says_which_right_is_missing)
{
	begin_with("OctoPrint 1.11.8", "\"PRINT\"");
	CHECK(is_link(PRINTER_LINK_REFUSED, "may not see the state"));
	finish();
	begin_with("OctoPrint 1.11.8", "\"STATUS\"");
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	make(PRINTER_SCRIPT);
	send_it();
	CHECK(s.answer == PRINTER_NOT_SENT && s.n_answers == 1);
	make(PRINTER_PAUSE_PRINT);
	s.command_status = 403;
	send_it();
	CHECK(s.answer == PRINTER_REFUSED && strstr(s.reason, "has not the right"));
	finish();
}

TEST(octoprint_link_logs_in_again_when_it_is_told_to)
{
	begin();
	say_frame("{\"reauthRequired\":{\"reason\":\"stale\"}}");
	loop_advance(s.loop, 50);
	CHECK(s.n_logins == 2 && s.n_connections == 1);
	CHECK_STR(s.said[3], "{\"auth\":\"me:SESSION\"}");
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(octoprint_link_survives_a_restart_in_mid_print)
{
	begin();
	say_frame(STATE("\"operational\":true,\"printing\":true"));
	CHECK_INT(state()->activity, PRINTER_PRINTING);
	s.is_silent = true;
	stream_free(s.theirs);
	s.theirs = NULL;
	loop_advance(s.loop, 5000);
	CHECK_INT(state()->activity, PRINTER_PRINTING); /* silence concludes nothing */
	loop_advance(s.loop, 100000);
	CHECK(is_link(PRINTER_LINK_OFFLINE, "") && state()->is_stale);
	s.is_silent = false;
	loop_advance(s.loop, 70000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(state()->activity, PRINTER_IDLE); /* and it knows nothing of the print */
	finish();
}

TEST(octoprint_link_asks_when_nothing_is_pushed)
{
	begin();
	loop_advance(s.loop, 300000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(state()->heard_us > loop_now_us(s.loop) - 30000000);
	CHECK_INT(s.n_connections, 1);
	finish();
}

TEST(octoprint_link_tells_that_octoprint_has_no_printer)
{
	begin();
	s.printer_status = 409;
	loop_advance(s.loop, 30000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(state()->print_error && strstr(state()->print_error_text, "press Connect"));
	CHECK_INT(s.n_notices, 1);
	make(PRINTER_CLEAR_ERROR);
	send_it();
	CHECK_STR(s.asked, "/api/connection {\"command\":\"connect\",\"connector\":\"serial\"}");
	CHECK_INT(s.n_answers, 0);
	say_frame(STATE("\"operational\":true"));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED && !state()->print_error);
	finish();
}

TEST(octoprint_commands_are_acknowledged_by_their_effect)
{
	begin();
	say_frame(STATE("\"operational\":true,\"printing\":true"));
	make(PRINTER_PAUSE_PRINT);
	send_it();
	CHECK_STR(s.asked, "/api/job {\"command\":\"pause\",\"action\":\"pause\"}");
	CHECK_INT(s.n_answers, 0);
	say_frame(STATE("\"operational\":true,\"pausing\":true,\"printing\":true"));
	loop_advance(s.loop, 20000);
	CHECK_INT(s.n_answers, 0);
	say_frame(STATE("\"operational\":true,\"paused\":true"));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	make(PRINTER_RESUME_PRINT);
	send_it();
	loop_advance(s.loop, 61000); /* nothing happens */
	CHECK(s.n_answers == 1 && s.answer == PRINTER_TIMED_OUT);
	make(PRINTER_STOP_PRINT);
	s.command_status = 409;
	send_it();
	CHECK(s.n_answers == 1 && s.answer == PRINTER_REFUSED);
	CHECK(strstr(s.reason, "not operational"));
	finish();
}

TEST(octoprint_scripts_are_acknowledged_when_the_motion_is_finished)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000\n");
	s.command.timeout_ms = 30000;
	send_it();
	CHECK_STR(s.asked, "/api/printer/command {\"commands\":[\"G90\",\"G1 X50 Y60 F3000\","
	                   "\"M400\",\"M114\"]}");
	say_frame(POSITION("\"pause\"", "50", "60")); /* OctoPrint's own question */
	say_frame(POSITION("null", "10", "60"));      /* somebody else's */
	CHECK_INT(s.n_answers, 0);
	printer_send(s.printer, &s.command, on_answer, NULL);
	loop_advance(s.loop, 20);
	CHECK(s.answer == PRINTER_NOT_SENT && strstr(s.reason, "another script"));
	s.n_answers = 0;
	say_frame(POSITION("null", "50.0", "60.02"));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	CHECK(state()->position.x_mm == 50 && state()->position.z_mm == 5);
	finish();
}

TEST(octoprint_scripts_are_acknowledged_by_the_log_as_well)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G91\nG1 X5\nG90");
	send_it();
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\",\"Recv: ok X:7.0 Y:8.0 "
	          "Z:9.0 E:0 Count X:1\"]}}");
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	CHECK(state()->position.x_mm == 7);
	finish();
}

/* The event came at once and the log's lines of the same script when the next is on its way. */
TEST(octoprint_scripts_are_not_acknowledged_by_late_lines_of_the_last_one)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000\n");
	send_it();
	say_frame(POSITION("null", "50", "60"));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 Z9 F3000\n");
	send_it();
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\",\"Recv: ok X:50.0 Y:60.0 "
	          "Z:5.0 E:0 Count X:1\"]}}");
	say_frame(POSITION("null", "50", "60"));
	CHECK_INT(s.n_answers, 0);
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\"]}}");
	CHECK_INT(s.n_answers, 0);
	say_frame("{\"current\":{\"logs\":[\"Recv: ok X:50.0 Y:60.0 Z:8.0 E:0 Count X:1\"]}}");
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	CHECK(state()->position.z_mm == 8);
	finish();
}

/* What a terminal asks while the head is under way. */
TEST(octoprint_scripts_are_not_acknowledged_by_a_question_of_somebody_else)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000\n");
	send_it();
	say_frame("{\"current\":{\"logs\":[\"Send: M114\",\"Recv: ok X:20.0 Y:60.0 Z:5.0 E:0\"]}}");
	CHECK_INT(s.n_answers, 0);
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\",\"Recv: ok X:49.0 Y:60.0 "
	          "Z:5.0 E:0\"]}}");
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	finish();
}

/* A printer that was reset forgets what it had not done yet. */
TEST(octoprint_scripts_that_were_lost_do_not_keep_the_log_of_later_ones_from_counting)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000\n");
	send_it();
	loop_advance(s.loop, 11000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_TIMED_OUT);
	loop_advance(s.loop, 20000);
	send_it();
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\",\"Recv: ok X:49.0 Y:60.0 "
	          "Z:5.0 E:0\"]}}");
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	finish();
}

TEST(octoprint_scripts_that_are_refused_promise_no_lines)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000\n");
	s.command_status = 409;
	send_it();
	CHECK(s.n_answers == 1 && s.answer == PRINTER_REFUSED);
	s.command_status = 204;
	send_it();
	say_frame("{\"current\":{\"logs\":[\"Send: M400\",\"Send: M114\",\"Recv: ok X:49.0 Y:60.0 "
	          "Z:5.0 E:0\"]}}");
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	finish();
}

TEST(octoprint_scripts_time_out_and_leave_room_for_the_next)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G1 X5");
	send_it();
	loop_advance(s.loop, 11000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_TIMED_OUT);
	send_it();
	CHECK_INT(s.n_answers, 0);
	say_frame(POSITION("null", "5", "0"));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	finish();
}
