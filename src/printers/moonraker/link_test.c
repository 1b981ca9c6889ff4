/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The link to a Moonraker that is played on simulated time. */

#include "base/buf.h"
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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "ABCDEF0123456789ABCDEF0123456789"

/* A Moonraker by hand. */
static struct scene {
	struct loop *loop;
	struct bus *bus;
	struct printers *printers;
	struct printer *printer;
	struct rest_player player;
	struct stream *theirs;
	struct buf heard;
	bool is_open, refuses_identify, is_silent;
	unsigned n_connections, n_subscribed, n_notices, n_asked;
	char identified[600], handshake[1200], command[2500];
	int command_id, info_status, login_status;
	const char *info, *klippy, *reason_text;
	bool is_connected;
	bool has_timelapse; /* the component whose methods are taken then */
	bool knows_no_agents, has_macros;
	unsigned n_registered, n_enabled, n_over, n_film_over;
	bool swallows_scripts;
	bool is_taking, is_rendering; /* variables of the macros */
	char over[200];               /* the newest SET_GCODE_VARIABLE */
	struct event_macro macro;
	unsigned n_macros;
	struct bus_listener listener;
	enum printer_answer answer;
	char reason[240];
	unsigned n_answers;
	struct printer_command cmd;
} s;

/* ---- the server ---- */

static void say_frame(const char *text)
{
	uint8_t head[WS_HEAD_MAX];

	stream_write(s.theirs, head, ws_write_head(head, WS_TEXT, strlen(text)));
	stream_write(s.theirs, text, strlen(text));
}

static void say(const char *text)
{
	say_frame(text);
	loop_advance(s.loop, 10);
}

static void answer_call(int id, const char *result)
{
	char text[1500];

	(void)snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",%s,\"id\":%d}", result, id);
	say_frame(text);
}

#define STATUS                                                                                 \
	"\"status\":{\"print_stats\":{\"state\":\"standby\",\"filename\":\"\"},\"extruder\":{" \
	"\"temperature\":21.5,\"target\":0},\"motion_report\":{\"live_position\":[1,2,3,0]}}"

static void answer_info(int id)
{
	char text[300];

	if (!s.is_connected) {
		answer_call(id,
		            "\"error\":{\"code\":503,\"message\":\"Klippy Host not connected\"}");
		return;
	}
	(void)snprintf(text, sizeof(text),
	               "\"result\":{\"state\":\"%s\",\"state_message\":\"%s\","
	               "\"software_version\":\"v0.12.0-1\"}",
	               s.klippy, s.reason_text);
	answer_call(id, text);
}

static void take_call(const char *method, int id, const char *text)
{
	if (strcmp(method, "server.connection.identify") == 0) {
		TEXT_SET(s.identified, text);
		if (s.knows_no_agents && strstr(text, "\"agent\"")) {
			answer_call(id, "\"error\":{\"code\":400,\"message\":\"Invalid Client "
			                "Type: agent\"}");
			return;
		}
		answer_call(id, s.refuses_identify
		                        ? "\"error\":{\"code\":-32602,\"message\":\"Unauthorized\"}"
		                        : "\"result\":{\"connection_id\":1}");
	} else if (strcmp(method, "connection.register_remote_method") == 0) {
		bool is_taken = s.has_timelapse && strstr(text, "\"timelapse_");

		s.n_registered += !is_taken;
		answer_call(id, is_taken ? "\"error\":{\"code\":400,\"message\":\"Remote method "
		                           "already registered\"}"
		                         : "\"result\":\"ok\"");
	} else if (strcmp(method, "printer.gcode.script") == 0 && strstr(text, "SET_GCODE_")) {
		if (s.swallows_scripts)
			return;
		s.n_enabled += strstr(text, "VARIABLE=enable VALUE=True") != NULL;
		if (strstr(text, "VARIABLE=takingframe VALUE=False")) {
			s.n_over++;
			s.is_taking = false;
		}
		if (strstr(text, "VARIABLE=render VALUE=False")) {
			s.n_film_over++;
			s.is_rendering = false;
		}
		text_copy(s.over, sizeof(s.over), strstr(text, "SET_GCODE_"));
		answer_call(id, "\"result\":\"ok\"");
	} else if (strcmp(method, "server.info") == 0) {
		s.n_asked++;
		answer_call(id, s.is_connected ? "\"result\":{\"klippy_connected\":true}"
		                               : "\"result\":{\"klippy_connected\":false}");
	} else if (strcmp(method, "printer.info") == 0) {
		answer_info(id);
	} else if (strcmp(method, "printer.objects.list") == 0) {
		answer_call(id, s.has_macros
		                        ? "\"result\":{\"objects\":[\"print_stats\",\"gcode_macro "
		                          "TIMELAPSE_TAKE_FRAME\",\"gcode_macro "
		                          "Timelapse_Render\",\"motion_report\"]}"
		                        : "\"result\":{\"objects\":[\"print_stats\",\"extruder\","
		                          "\"fan\",\"motion_report\",\"virtual_sdcard\","
		                          "\"webhooks\"]}");
	} else if (strcmp(method, "printer.objects.subscribe") == 0) {
		s.n_subscribed++;
		answer_call(id, "\"result\":{\"eventtime\":1," STATUS "}");
	} else if (strcmp(method, "printer.objects.query") == 0 && strstr(text, "takingframe")) {
		char result[250];

		(void)snprintf(result, sizeof(result),
		               "\"result\":{\"status\":{\"gcode_macro TIMELAPSE_TAKE_FRAME\":{"
		               "\"takingframe\":%s},\"gcode_macro Timelapse_Render\":{\"render\":%s"
		               "}}}",
		               s.is_taking ? "true" : "false", s.is_rendering ? "true" : "false");
		answer_call(id, result);
	} else if (strcmp(method, "printer.objects.query") == 0) {
		answer_call(id, "\"result\":{\"status\":{\"motion_report\":{\"live_position\":[50,"
		                "60,7,0]}}}");
	} else if (strcmp(method, "server.webcams.list") == 0) {
		answer_call(id, "\"result\":{\"webcams\":[{\"service\":\"mjpegstreamer\","
		                "\"stream_url\":\"/webcam/?action=stream\"}]}");
	} else {
		TEXT_SET(s.command, text);
		s.command_id = id;
	}
}

static void take_text(const char *text, size_t size)
{
	json_t *j = json_loadb(text, size, 0, NULL);
	char copy[2500];

	CHECK(j);
	text_copy_n(copy, sizeof(copy), text, size);
	if (!s.is_silent)
		take_call(json_string_value(json_object_get(j, "method")),
		          (int)json_integer_value(json_object_get(j, "id")), copy);
	json_decref(j);
}

static void shake_hands(void)
{
	const char *key = strstr(buf_peek(&s.heard), "Sec-WebSocket-Key: ");
	size_t end = http_head_end(s.heard.data, s.heard.size, 0);
	char text[WS_KEY_SIZE], accept[WS_ACCEPT_SIZE], answer[300];

	if (!key || !end)
		return;
	text_copy_n(s.handshake, sizeof(s.handshake), s.heard.data, end);
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
		if (f.opcode == WS_TEXT)
			take_text(payload, f.size);
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

static void asked(void *arg, struct rest *r, const char *method, const char *target,
                  const char *body)
{
	(void)arg;
	(void)method;
	if (strcmp(target, "/server/info") == 0)
		rest_play(r, s.info_status, s.info);
	else if (strcmp(target, "/access/login") == 0)
		rest_play(r, strstr(body, "\"secret\"") ? 200 : 400,
		          strstr(body, "\"secret\"")
		                  ? "{\"result\":{\"token\":\"a.b.c\",\"refresh_token\":\"r.r.r\"}}"
		                  : "{\"error\":{\"code\":400,\"message\":\"Invalid Password\"}}");
	else if (strcmp(target, "/access/oneshot_token") == 0)
		rest_play(r, 200, "{\"result\":\"ONESHOT\"}");
	else
		rest_play(r, 404, "");
}

/* ---- our side ---- */

static void on_event(void *arg, const struct bus_event *e)
{
	(void)arg;
	s.n_notices += e->type == EVENT_NOTICE;
	if (e->type == EVENT_MACRO) {
		s.n_macros++;
		s.macro = *event_as_macro(e);
	}
}

static void prepare(void)
{
	memset(&s, 0, sizeof(s));
	s.loop = loop_new_simulated(1790000000000);
	s.bus = bus_new(s.loop);
	s.player.asked = asked;
	s.info_status = 200;
	s.info = "{\"result\":{\"klippy_state\":\"ready\",\"moonraker_version\":\"v0.9\"}}";
	s.klippy = "ready";
	s.reason_text = "";
	s.is_connected = true;
	buf_init(&s.heard, 0);
	bus_listen(s.bus, &s.listener, on_event, NULL);
}

static void start(const char *user, const char *secret)
{
	struct printer_config c = { .offline_after_ms = 60000, .has_camera = true };
	const struct printers_connector connector = { .connect = connect_pair,
		                                      .player = &s.player };
	const struct printers_env env = { .loop = s.loop, .bus = s.bus, .data_dir = "/nowhere" };

	s.printers = printers_new(&env);
	printers_set_connector(s.printers, &connector);
	TEXT_SET(c.id, "voron");
	TEXT_SET(c.name, "Voron");
	TEXT_SET(c.driver, "moonraker");
	TEXT_SET(c.url, "http://voron.local:7125");
	TEXT_SET(c.address, "voron.local");
	TEXT_SET(c.user, user);
	secret_set(&c.access_code, secret);
	CHECK_INT(printers_add(s.printers, &c, &s.printer, NULL), 0);
	printer_config_fini(&c);
	loop_advance(s.loop, 100);
}

static void begin(void)
{
	prepare();
	start("", KEY);
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
	memset(&s.cmd, 0, sizeof(s.cmd));
	s.cmd.kind = kind;
	return &s.cmd;
}

static void send_it(void)
{
	s.n_answers = 0;
	printer_send(s.printer, &s.cmd, on_answer, NULL);
	loop_advance(s.loop, 20);
}

#define STATS(text) \
	"{\"method\":\"notify_status_update\",\"params\":[{\"print_stats\":{" text "}},1.5]}"
#define NOTIFY(name) "{\"jsonrpc\":\"2.0\",\"method\":\"" name "\"}"

TEST(moonraker_link_identifies_itself_and_subscribes)
{
	struct camera_config camera;
	const char *why;

	begin();
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(text_starts(s.handshake, "GET /websocket HTTP/1.1\r\n"));
	CHECK(strstr(s.handshake, "X-Api-Key: " KEY "\r\n"));
	CHECK(strstr(s.identified, "\"client_name\":\"Bedside "));
	CHECK(strstr(s.identified, "\"type\":\"agent\"") && s.n_registered == 6);
	CHECK(strstr(s.identified, "\"api_key\":\"" KEY "\""));
	CHECK(state()->activity == PRINTER_IDLE && state()->nozzles[0].heat.now_c == 21.5);
	CHECK(state()->capabilities & PRINTER_CAN_SCRIPT);
	CHECK_STR(state()->firmware, "v0.12.0-1");
	CHECK_INT(s.n_subscribed, 1);
	say(STATS("\"state\":\"printing\",\"filename\":\"a.gcode\",\"print_duration\":4"));
	CHECK(state()->activity == PRINTER_PRINTING);
	CHECK(strstr(s.command, "server.files.metadata"));
	CHECK(printer_own_camera(s.printer, &camera, &why));
	CHECK_STR(camera.source, "http://voron.local/webcam/?action=stream");
	camera_config_fini(&camera);
	finish();
}

TEST(moonraker_macros_become_events_and_are_told_when_it_is_over)
{
	prepare();
	s.has_macros = true;
	start("", KEY);
	CHECK(s.n_registered == 6 && s.n_enabled > 0);
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_newframe\",\"params\":{\"macropark\":{"
	    "\"enable\":true,\"pos\":\"back_left\"},\"hyperlapse\":\"False\"}}");
	CHECK(s.n_macros == 1 && s.macro.kind == MACRO_FRAME);
	CHECK(s.macro.waits && !s.macro.is_cyclic);
	printer_macro_over(s.printer, false);
	loop_advance(s.loop, 10);
	CHECK(strstr(s.over, "VARIABLE=takingframe VALUE=False"));
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_newframe\",\"params\":{\"macropark\":{"
	    "\"enable\":false},\"hyperlapse\":\"True\"}}");
	CHECK(s.n_macros == 2 && !s.macro.waits && s.macro.is_cyclic);
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_render\",\"params\":{\"byrendermacro\":"
	    "\"True\"}}");
	CHECK(s.n_macros == 3 && s.macro.kind == MACRO_RENDER && s.macro.waits);
	printer_macro_over(s.printer, true);
	loop_advance(s.loop, 10);
	CHECK(strstr(s.over, "VARIABLE=render VALUE=False"));
	say("{\"jsonrpc\":\"2.0\",\"method\":\"bedside_cycle\",\"params\":{\"every\":\"30\"}}");
	CHECK(s.n_macros == 4 && s.macro.kind == MACRO_CYCLE && s.macro.every_s == 30);
	/* Nonsense asks for nothing. */
	say("{\"jsonrpc\":\"2.0\",\"method\":\"bedside_cycle\",\"params\":{\"every\":\"x\"}}");
	say("{\"jsonrpc\":\"2.0\",\"method\":\"bedside_cycle\"}");
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_saveFrames\"}");
	CHECK_INT(s.n_macros, 4);
	finish();
}

TEST(moonraker_macros_are_let_go_when_the_connection_is_back)
{
	prepare();
	s.has_macros = s.is_taking = true;
	start("", KEY);
	CHECK_INT(s.n_over, 1); /* of a Bedside that was killed */
	s.swallows_scripts = s.is_taking = true;
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_newframe\",\"params\":{\"macropark\":{"
	    "\"enable\":true},\"hyperlapse\":\"False\"}}");
	CHECK(s.n_macros == 1 && s.macro.waits);
	printer_macro_over(s.printer, false);
	loop_advance(s.loop, 10);
	CHECK_INT(s.n_over, 1);
	s.swallows_scripts = false;
	stream_free(s.theirs);
	s.theirs = NULL;
	loop_advance(s.loop, 30000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(s.n_over, 2);
	say(NOTIFY("notify_proc_stat_update"));
	loop_advance(s.loop, 20000);
	CHECK_INT(s.n_over, 2); /* once */
	CHECK_INT(s.n_film_over, 0);
	finish();
}

TEST(moonraker_macros_that_wait_for_an_earlier_life_are_let_go)
{
	prepare();
	s.has_macros = s.is_rendering = true;
	start("", KEY);
	CHECK(s.n_film_over == 1 && s.n_over == 0);
	CHECK(strstr(s.over, "MACRO=TIMELAPSE_RENDER"));
	/* One that we know of waits on, also over a connection made anew. */
	s.is_rendering = true;
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_render\",\"params\":{\"byrendermacro\":"
	    "\"True\"}}");
	stream_free(s.theirs);
	s.theirs = NULL;
	loop_advance(s.loop, 30000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(s.n_film_over, 1);
	printer_macro_over(s.printer, true);
	loop_advance(s.loop, 10);
	CHECK_INT(s.n_film_over, 2);
	/* It called while nobody was there. */
	stream_free(s.theirs);
	s.theirs = NULL;
	s.is_taking = true;
	loop_advance(s.loop, 30000);
	CHECK(s.n_over == 1 && s.n_film_over == 2);
	finish();
}

TEST(moonraker_macros_are_let_go_when_the_printer_is_removed)
{
	prepare();
	s.has_macros = true;
	start("", KEY);
	say("{\"jsonrpc\":\"2.0\",\"method\":\"timelapse_newframe\",\"params\":{\"macropark\":{"
	    "\"enable\":true},\"hyperlapse\":\"False\"}}");
	CHECK_INT(s.n_over, 0);
	printer_macro_over(s.printer, false);
	printers_remove(s.printers, "voron");
	CHECK(!printers_find(s.printers, "voron"));
	s.printer = NULL;
	loop_advance(s.loop, 50);
	CHECK_INT(s.n_over, 1);
	finish();
}

TEST(moonraker_macros_of_another_component_are_left_alone)
{
	prepare();
	s.has_macros = s.has_timelapse = true;
	start("", KEY);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(s.n_registered == 3 && s.n_enabled == 0);
	s.has_timelapse = false; /* it was an earlier connection of ours */
	for (unsigned i = 0; i < 5; i++) {
		say(NOTIFY("notify_proc_stat_update"));
		loop_advance(s.loop, 15000);
	}
	CHECK(s.n_registered == 6 && s.n_enabled == 1);
	finish();
	prepare();
	s.knows_no_agents = true;
	start("", KEY);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(strstr(s.identified, "\"type\":\"other\"") && s.n_registered == 0);
	finish();
}

TEST(moonraker_link_logs_in_with_a_password)
{
	prepare();
	start("me", "secret");
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(text_starts(s.handshake, "GET /websocket?token=ONESHOT HTTP/1.1\r\n"));
	CHECK(!strstr(s.handshake, "a.b.c") && !strstr(s.handshake, "secret"));
	CHECK(strstr(s.identified, "\"access_token\":\"a.b.c\""));
	for (unsigned i = 0; i < 70; i++) { /* half an hour */
		say(NOTIFY("notify_proc_stat_update"));
		loop_advance(s.loop, 29000);
	}
	CHECK(strstr(s.command, "access.refresh_jwt"));
	finish();
	prepare();
	start("me", "wrong");
	CHECK(is_link(PRINTER_LINK_REFUSED, "It refuses the key or login"));
	finish();
}

TEST(moonraker_link_says_that_a_key_is_wrong_or_revoked)
{
	prepare();
	s.info_status = 401;
	s.info = "{\"error\":{\"code\":401,\"message\":\"Unauthorized\"}}";
	start("", KEY);
	CHECK(is_link(PRINTER_LINK_REFUSED, "trusted_clients"));
	finish();
	prepare();
	s.refuses_identify = true;
	start("", KEY);
	CHECK(is_link(PRINTER_LINK_REFUSED, "trusted_clients"));
	s.refuses_identify = false;
	loop_advance(s.loop, 75000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(moonraker_link_knows_that_another_server_answers)
{
	prepare();
	s.info_status = 404;
	s.info = "<html>";
	start("", "");
	CHECK(is_link(PRINTER_LINK_REFUSED, "is no Moonraker"));
	finish();
	prepare();
	s.info = "{\"result\":[]}";
	start("", "");
	CHECK(is_link(PRINTER_LINK_REFUSED, "is no Moonraker"));
	finish();
}

TEST(moonraker_link_subscribes_again_when_klipper_is_back)
{
	begin();
	say(STATS("\"state\":\"printing\",\"filename\":\"a.gcode\",\"print_duration\":4"));
	s.klippy = "shutdown";
	s.reason_text = "MCU 'mcu' shutdown: Timer too close";
	say(NOTIFY("notify_klippy_shutdown"));
	loop_advance(s.loop, 100);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK_INT(state()->activity, PRINTER_FAILED);
	CHECK(strstr(state()->print_error_text, "Timer too close"));
	CHECK_INT(s.n_notices, 1);
	loop_advance(s.loop, 22500); /* asked again and again, said once */
	CHECK(s.n_notices == 1 && s.n_subscribed == 1);
	s.is_connected = false;
	say(NOTIFY("notify_klippy_disconnected"));
	CHECK(strstr(state()->print_error_text, "no connection to Klipper"));
	s.is_connected = true;
	s.klippy = "ready";
	say(NOTIFY("notify_klippy_ready"));
	loop_advance(s.loop, 100);
	CHECK_INT(s.n_subscribed, 2);
	CHECK(!state()->print_error && state()->activity != PRINTER_PRINTING);
	CHECK_INT(s.n_connections, 1);
	finish();
}

TEST(moonraker_link_survives_a_restart_in_mid_print)
{
	begin();
	say(STATS("\"state\":\"printing\",\"filename\":\"a.gcode\",\"print_duration\":4"));
	stream_free(s.theirs);
	s.theirs = NULL;
	loop_advance(s.loop, 500);
	CHECK_INT(state()->activity, PRINTER_PRINTING);
	loop_advance(s.loop, 5000);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	CHECK(s.n_subscribed == 2 && s.n_connections == 2);
	/* Klipper was started anew as well: the job is no more. */
	CHECK_INT(state()->activity, PRINTER_FAILED);
	finish();
}

TEST(moonraker_link_gives_up_a_server_that_answers_nothing)
{
	begin();
	s.is_silent = true;
	loop_advance(s.loop, 58000);
	CHECK(s.n_connections > 1);
	finish();
}

TEST(moonraker_commands_are_acknowledged_by_their_effect)
{
	begin();
	say(STATS("\"state\":\"printing\",\"filename\":\"\",\"print_duration\":4"));
	make(PRINTER_PAUSE_PRINT);
	send_it();
	CHECK(strstr(s.command, "\"printer.print.pause\""));
	answer_call(s.command_id, "\"result\":\"ok\"");
	loop_advance(s.loop, 50);
	CHECK_INT(s.n_answers, 0);
	say(STATS("\"state\":\"paused\""));
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	make(PRINTER_RESUME_PRINT);
	send_it();
	answer_call(s.command_id,
	            "\"error\":{\"code\":400,\"message\":\"{'error': 'WebRequestError', "
	            "'message': 'Print is not paused'}\"}");
	loop_advance(s.loop, 50);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_REFUSED);
	CHECK_STR(s.reason, "Klipper says: Print is not paused");
	finish();
}

TEST(moonraker_scripts_are_acknowledged_when_the_motion_is_finished)
{
	begin();
	TEXT_SET(make(PRINTER_SCRIPT)->script, "G90\nG1 X50 Y60 F3000");
	s.cmd.timeout_ms = 30000;
	send_it();
	CHECK(strstr(s.command, "{\"script\":\"G90\\nG1 X50 Y60 F3000\\nM400\"}"));
	loop_advance(s.loop, 20000);
	CHECK_INT(s.n_answers, 0);
	answer_call(s.command_id, "\"result\":\"ok\"");
	loop_advance(s.loop, 50);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_ACKNOWLEDGED);
	CHECK(state()->position.x_mm == 50 && state()->position.z_mm == 7);
	send_it();
	loop_advance(s.loop, 31000);
	CHECK(s.n_answers == 1 && s.answer == PRINTER_TIMED_OUT);
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}

TEST(moonraker_link_survives_garbage)
{
	begin();
	say("[1,2,3]");
	say("{\"method\":\"notify_status_update\",\"params\":{\"x\":1}}");
	say("{\"id\":99,\"result\":null}");
	say("no json");
	CHECK(is_link(PRINTER_LINK_ONLINE, ""));
	finish();
}
