/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/printer.h"

#include "base/buf.h"
#include "base/test.h"
#include "base/text.h"
#include "core/bus.h"
#include "core/loop.h"
#include "model/event.h"
#include "printers/driver.h"
#include "wire/mqtt_codec.h"
#include "wire/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL "03900A000000001"
#define CODE "12345678"

/* A printer's broker that plays a script, at the far end of a memory pair. */
struct broker {
	struct stream *stream;
	struct mqtt_reader reader;
};

struct scene {
	bool pauses_by_m400; /* as configured */
	struct loop *loop;
	struct bus *bus;
	struct bus_listener listener;
	struct printers *printers;
	struct printer *printer;
	struct broker broker;
	char serial[32];

	/* how the broker behaves */
	bool is_away, refuses_login, is_mute;
	const char *push;  /* answer to pushall; NULL none */
	const char *reply; /* members of the reply to a command; NULL none; "echo" */

	/* what it has seen */
	unsigned n_connects, n_pushall, n_start, n_commands;
	char command[1200];

	/* what came out */
	unsigned n_events, n_notices, changed, n_answers;
	enum printer_answer answer;
	char reason[240], notice[480];
};

static void broker_say(struct scene *s, const char *text)
{
	struct buf b;

	if (!s->broker.stream)
		return;
	buf_init(&b, 0);
	mqtt_write_publish(&b, "device/" SERIAL "/report", text, strlen(text), 0, 0);
	stream_write(s->broker.stream, b.data, b.size);
	buf_fini(&b);
}

static void answer_command(struct scene *s, const json_t *inner, const char *category)
{
	char text[600];
	const char *seq = json_string_value(json_object_get(inner, "sequence_id"));
	const char *command = json_string_value(json_object_get(inner, "command"));

	if (!s->reply)
		return;
	if (text_equal(s->reply, "echo"))
		(void)snprintf(
			text, sizeof(text),
			"{\"%s\":{\"sequence_id\":\"%s\",\"command\":\"%s\",\"param\":\"\"}}",
			category, seq, command);
	else
		(void)snprintf(text, sizeof(text),
		               "{\"%s\":{\"sequence_id\":\"%s\",\"command\":\"%s\",%s}}", category,
		               seq, command, s->reply);
	broker_say(s, text);
}

static void broker_request(struct scene *s, const char *bytes, size_t size)
{
	json_t *j = json_loadb(bytes, size, 0, NULL);
	const char *category = json_object_iter_key(json_object_iter(j));
	json_t *inner = json_object_get(j, category);
	const char *command = json_string_value(json_object_get(inner, "command"));

	CHECK(j && command);
	if (text_equal(command, "pushall")) {
		s->n_pushall++;
		if (s->push)
			broker_say(s, s->push);
	} else if (text_equal(command, "start")) {
		s->n_start++;
	} else if (!text_equal(command, "get_version")) {
		s->n_commands++;
		(void)text_copy_n(s->command, sizeof(s->command), bytes, size);
		answer_command(s, inner, category);
	}
	json_decref(j);
}

static void broker_log_in(struct scene *s, const struct mqtt_packet *p, struct buf *b)
{
	bool is_good = !s->refuses_login && mqtt_bytes_equal(p->connect.password, CODE) &&
	               mqtt_bytes_equal(p->connect.user, "bblp");

	mqtt_write_connack(b, false, is_good ? MQTT_ACCEPTED : MQTT_NOT_ALLOWED);
}

static bool broker_packet(void *arg, const struct mqtt_packet *p)
{
	struct scene *s = arg;
	struct buf b;
	uint8_t granted = 0;

	if (s->is_mute)
		return true;
	buf_init(&b, 0);
	if (p->type == MQTT_CONNECT)
		broker_log_in(s, p, &b);
	else if (p->type == MQTT_SUBSCRIBE)
		mqtt_write_suback(&b, p->id, &granted, 1);
	else if (p->type == MQTT_PINGREQ)
		mqtt_write_bare(&b, MQTT_PINGRESP);
	else if (p->type == MQTT_PUBLISH)
		mqtt_write_ack(&b, MQTT_PUBACK, p->id);
	if (b.size > 0)
		stream_write(s->broker.stream, b.data, b.size);
	buf_fini(&b);
	if (p->type == MQTT_PUBLISH)
		broker_request(s, p->publish.payload.data, p->publish.payload.size);
	return true;
}

static void broker_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct scene *s = arg;

	(void)!mqtt_reader_feed(&s->broker.reader, bytes, size, broker_packet, s, NULL);
}

static void broker_opened(void *arg)
{
	(void)arg;
}

static void broker_drop(struct scene *s)
{
	stream_free(s->broker.stream);
	s->broker.stream = NULL;
	mqtt_reader_fini(&s->broker.reader);
}

static void broker_closed(void *arg, const struct err *err)
{
	(void)err;
	broker_drop(arg);
}

static struct stream *connect_pair(void *arg, const struct printer_config *c, uint16_t port)
{
	struct scene *s = arg;
	struct stream *ours, *theirs;
	struct stream_events e = { broker_opened, broker_received, NULL, broker_closed, s };

	CHECK_STR(c->serial, s->serial);
	CHECK_INT(port, 8883);
	s->n_connects++;
	stream_pair(s->loop, 5, &ours, &theirs);
	if (s->is_away) {
		stream_end(theirs);
		stream_free(theirs);
		return ours;
	}
	broker_drop(s);
	s->broker.stream = theirs;
	mqtt_reader_init(&s->broker.reader, 0);
	stream_listen(theirs, &e);
	return ours;
}

static void heard(void *arg, const struct bus_event *e)
{
	struct scene *s = arg;

	if (e->type == EVENT_PRINTER) {
		s->n_events++;
		s->changed |= event_as_printer(e)->changed;
	} else if (e->type == EVENT_NOTICE) {
		s->n_notices++;
		TEXT_SET(s->notice, event_as_notice(e)->text);
	}
}

static const char full[] =
	"{\"print\":{\"command\":\"push_status\",\"msg\":0,\"gcode_state\":\"IDLE\","
	"\"nozzle_temper\":22.5,\"bed_temper\":21,\"spd_lvl\":2,\"layer_num\":0}}";

static void begin(struct scene *s, const char *serial)
{
	struct printers_env env;
	struct printers_connector connector = { .connect = connect_pair, .arg = s };

	memset(s, 0, sizeof(*s));
	s->loop = loop_new_simulated(1790000000000);
	s->bus = bus_new(s->loop);
	bus_listen(s->bus, &s->listener, heard, s);
	TEXT_SET(s->serial, serial);
	s->push = full;
	env = (struct printers_env){ .loop = s->loop, .bus = s->bus, .data_dir = "/nonexistent" };
	s->printers = printers_new(&env);
	printers_set_connector(s->printers, &connector);
}

static void add(struct scene *s, const char *code)
{
	struct printer_config c = { .offline_after_ms = 60000,
		                    .has_camera = true,
		                    .pauses_by_m400 = s->pauses_by_m400 };

	TEXT_SET(c.id, "left");
	TEXT_SET(c.name, "Left");
	TEXT_SET(c.driver, "bambu");
	TEXT_SET(c.address, "192.0.2.5");
	TEXT_SET(c.serial, s->serial);
	TEXT_SET(c.model, "auto");
	secret_set(&c.access_code, code);
	CHECK_INT(printers_add(s->printers, &c, &s->printer, NULL), 0);
	printer_config_fini(&c);
}

static void end(struct scene *s)
{
	printers_free(s->printers);
	broker_drop(s);
	loop_advance(s->loop, 1000);
	bus_unlisten(&s->listener);
	bus_free(s->bus);
	loop_free(s->loop);
}

static const struct printer_state *state(const struct scene *s)
{
	return printer_state(s->printer);
}

static void online(struct scene *s, const char *serial)
{
	begin(s, serial);
	add(s, CODE);
	loop_advance(s->loop, 1000);
	CHECK_INT(state(s)->link, PRINTER_LINK_ONLINE);
}

/* Time passes while the printer goes on reporting. */
static void live(struct scene *s, int64_t seconds)
{
	for (int64_t i = 0; i < seconds; i += 2) {
		char text[120];

		(void)snprintf(
			text, sizeof(text),
			"{\"print\":{\"command\":\"push_status\",\"msg\":1,\"bed_temper\":%d}}",
			20 + (int)(i % 5));
		broker_say(s, text);
		loop_advance(s->loop, 2000);
	}
}

TEST(a_printer_is_online_and_read_within_a_second)
{
	struct scene s;

	online(&s, SERIAL);
	CHECK_STR(state(&s)->link_text, "");
	CHECK_INT(state(&s)->activity, PRINTER_IDLE);
	CHECK_STR(state(&s)->model, "A1");
	CHECK_INT(s.n_pushall, 1);
	CHECK(s.changed & PRINTER_CHANGED_ACTIVITY);
	CHECK_INT(s.n_notices, 0);
	end(&s);
}

TEST(several_reports_in_one_turn_are_one_event)
{
	struct scene s;
	unsigned before;

	online(&s, SERIAL);
	before = s.n_events;
	s.changed = 0;
	for (int i = 0; i < 10; i++)
		broker_say(
			&s,
			"{\"print\":{\"command\":\"push_status\",\"msg\":1,\"nozzle_temper\":99}}");
	loop_advance(s.loop, 100);
	CHECK_INT(s.n_events, before + 1);
	CHECK_INT(s.changed, PRINTER_CHANGED_HEAT);
	end(&s);
}

TEST(pushall_goes_once_in_five_minutes_to_an_a1_even_over_reconnects)
{
	struct scene s;

	online(&s, SERIAL);
	for (int i = 0; i < 5; i++) {
		live(&s, 20);
		broker_drop(&s);
		loop_advance(s.loop, 4000);
	}
	CHECK(s.n_connects > 3);
	CHECK_INT(s.n_pushall, 1);
	live(&s, 300);
	CHECK_INT(s.n_pushall, 2);
	live(&s, 900);
	CHECK_INT(s.n_pushall, 2);
	end(&s);
}

TEST(pushall_goes_at_each_connection_to_the_other_models)
{
	struct scene s;

	online(&s, "00M00A000000001");
	broker_drop(&s);
	loop_advance(s.loop, 5000);
	CHECK_INT(s.n_connects, 2);
	CHECK_INT(s.n_pushall, 2);
	end(&s);
}

TEST(silence_is_nudged_then_cut_and_told)
{
	struct scene s;

	online(&s, SERIAL);
	loop_advance(s.loop, 31000);
	CHECK_INT(s.n_start, 1);
	CHECK_INT(state(&s)->link, PRINTER_LINK_SILENT);
	CHECK(!state(&s)->is_stale);
	live(&s, 2);
	CHECK_INT(state(&s)->link, PRINTER_LINK_ONLINE);
	s.push = NULL;
	loop_advance(s.loop, 58000);
	CHECK_INT(s.n_connects, 1);
	loop_advance(s.loop, 10000);
	CHECK_INT(s.n_connects, 2);
	CHECK(state(&s)->is_stale);
	CHECK_INT(state(&s)->link, PRINTER_LINK_OFFLINE);
	CHECK(strlen(state(&s)->link_text) > 20);
	CHECK_INT(s.n_notices, 1);
	live(&s, 4);
	CHECK_INT(state(&s)->link, PRINTER_LINK_ONLINE);
	CHECK(!state(&s)->is_stale);
	end(&s);
}

TEST(a_printer_that_is_away_at_the_start_is_found_later)
{
	struct scene s;

	begin(&s, SERIAL);
	s.is_away = true;
	add(&s, CODE);
	loop_advance(s.loop, 300000);
	CHECK_INT(state(&s)->link, PRINTER_LINK_OFFLINE);
	CHECK(strstr(state(&s)->link_text, "192.0.2.5"));
	CHECK(s.n_connects > 5 && s.n_connects < 20); /* backs off to a minute */
	s.is_away = false;
	for (int i = 0; i < 61 && state(&s)->link != PRINTER_LINK_ONLINE; i++)
		loop_advance(s.loop, 1000);
	CHECK_INT(state(&s)->link, PRINTER_LINK_ONLINE);
	CHECK_STR(state(&s)->link_text, "");
	end(&s);
}

TEST(a_wrong_code_is_told_from_an_unreachable_printer)
{
	struct scene s;

	begin(&s, SERIAL);
	add(&s, "99999999");
	loop_advance(s.loop, 200000);
	CHECK_INT(state(&s)->link, PRINTER_LINK_REFUSED);
	CHECK(strstr(state(&s)->link_text, "access code"));
	CHECK(s.n_connects < 7); /* not hammered */
	CHECK_INT(s.n_notices, 1);
	CHECK(!strstr(s.notice, "99999999"));
	end(&s);
}

static void on_answer(void *arg, enum printer_answer a, const char *reason)
{
	struct scene *s = arg;

	s->n_answers++;
	s->answer = a;
	TEXT_SET(s->reason, reason);
}

static void command(struct scene *s, const struct printer_command *c, int64_t wait_ms)
{
	s->n_answers = 0;
	printer_send(s->printer, c, on_answer, s);
	CHECK_INT(s->n_answers, 0);
	loop_advance(s->loop, wait_ms);
}

TEST(commands_are_acknowledged_refused_or_timed_out)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_SPEED, .level = 3 };

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\",\"reason\":\"\"";
	command(&s, &c, 100);
	CHECK_INT(s.n_answers, 1);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	CHECK(strstr(s.command, "\"command\":\"print_speed\""));
	CHECK(strstr(s.command, "\"param\":\"3\""));
	s.reply = "\"result\":\"fail\",\"reason\":\"too hot\"";
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "too hot"));
	s.reply = NULL;
	command(&s, &c, 9000);
	CHECK_INT(s.n_answers, 0);
	loop_advance(s.loop, 2000);
	CHECK_INT(s.n_answers, 1);
	CHECK_INT(s.answer, PRINTER_TIMED_OUT);
	end(&s);
}

TEST(unsigned_commands_are_refused_with_the_plain_reason)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_PAUSE_PRINT };
	struct printer_command light = { .kind = PRINTER_LIGHT, .is_on = true };

	online(&s, SERIAL);
	s.reply = "\"result\":\"failed\",\"reason\":\"mqtt message verify failed\",\"err_code\":"
		  "84033543";
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "Developer mode"));
	CHECK(state(&s)->needs_developer_mode);
	live(&s, 4);
	CHECK(state(&s)->needs_developer_mode);
	CHECK_INT(s.n_notices, 1);
	/* the capability bit says so beforehand: nothing is sent */
	broker_say(&s,
	           "{\"print\":{\"command\":\"push_status\",\"msg\":1,\"fun\":\"3EC1AFFF9CFF\"}}");
	loop_advance(s.loop, 100);
	s.n_commands = 0;
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK_INT(s.n_commands, 0);
	s.reply = "\"result\":\"success\"";
	command(&s, &light, 100);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	end(&s);
}

TEST(a_bare_echo_is_judged_by_its_effect)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_SPEED, .level = 4 };

	online(&s, SERIAL);
	s.reply = "echo";
	command(&s, &c, 6000);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "Developer mode"));
	command(&s, &c, 1000);
	CHECK_INT(s.n_answers, 0);
	broker_say(&s, "{\"print\":{\"command\":\"push_status\",\"msg\":1,\"spd_lvl\":4}}");
	loop_advance(s.loop, 100);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	end(&s);
}

TEST(commands_out_of_limits_are_not_sent)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_NOZZLE_TEMP, .celsius = 400 };

	online(&s, SERIAL);
	command(&s, &c, 10);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "300"));
	c = (struct printer_command){ .kind = PRINTER_FAN, .fan = PRINTER_FAN_AUX, .percent = 50 };
	command(&s, &c, 10);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	c = (struct printer_command){ .kind = PRINTER_GCODE, .gcode = "G28\nm109 S200" };
	command(&s, &c, 10);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	c = (struct printer_command){ .kind = PRINTER_CHAMBER_TEMP, .celsius = 40 };
	command(&s, &c, 10);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK_INT(s.n_commands, 0);
	broker_drop(&s);
	loop_advance(s.loop, 20);
	c = (struct printer_command){ .kind = PRINTER_HOME };
	s.is_away = true;
	command(&s, &c, 10);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "not connected"));
	end(&s);
}

TEST(commands_become_the_messages_of_the_protocol)
{
	static const struct {
		struct printer_command command;
		const char *expected;
	} cases[] = {
		{ { .kind = PRINTER_PAUSE_PRINT }, "\"command\":\"pause\",\"param\":\"\"" },
		{ { .kind = PRINTER_RESUME_PRINT }, "\"command\":\"resume\"" },
		{ { .kind = PRINTER_STOP_PRINT }, "\"command\":\"stop\"" },
		{ { .kind = PRINTER_HOME }, "\"param\":\"G28\\n\"" },
		{ { .kind = PRINTER_FAN, .percent = 50 }, "\"param\":\"M106 P1 S128\\n\"" },
		{ { .kind = PRINTER_NOZZLE_TEMP, .celsius = 215 }, "\"param\":\"M104 S215\\n\"" },
		{ { .kind = PRINTER_BED_TEMP, .celsius = 60 }, "\"param\":\"M140 S60\\n\"" },
		{ { .kind = PRINTER_GCODE, .gcode = "M117 \"hi\"" },
		  "\"param\":\"M117 \\\"hi\\\"\\n\"" },
		{ { .kind = PRINTER_LIGHT }, "\"led_mode\":\"off\"" },
	};
	struct scene s;

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\"";
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		command(&s, &cases[i].command, 100);
		CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
		CHECK(strstr(s.command, cases[i].expected) != NULL);
	}
	end(&s);
}

TEST(a_printer_may_be_paused_by_its_gcode)
{
	const struct printer_command pause = { .kind = PRINTER_PAUSE_PRINT };
	struct scene s;

	begin(&s, SERIAL);
	s.pauses_by_m400 = true;
	add(&s, CODE);
	loop_advance(s.loop, 1000);
	s.reply = "\"result\":\"success\"";
	command(&s, &pause, 100);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	CHECK(strstr(s.command, "\"param\":\"M400 U1\\n\""));
	end(&s);
}

static const struct printer_command start_cube = {
	.kind = PRINTER_START_FILE,
	.file = "/cache/cube.gcode.3mf",
	.plate = 2,
};

static void status(struct scene *s, const char *members)
{
	char text[300];

	(void)snprintf(text, sizeof(text), "{\"print\":{\"command\":\"push_status\",\"msg\":1,%s}}",
	               members);
	broker_say(s, text);
	loop_advance(s->loop, 100);
}

TEST(a_start_is_acknowledged_when_the_job_prints)
{
	struct scene s;

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\"";
	command(&s, &start_cube, 100);
	CHECK(strstr(s.command, "\"url\":\"file:///sdcard/cache/cube.gcode.3mf\""));
	CHECK(strstr(s.command, "\"param\":\"Metadata/plate_2.gcode\""));
	CHECK(strstr(s.command, "\"use_ams\":false"));
	CHECK_INT(s.n_answers, 0);
	status(&s, "\"gcode_state\":\"PREPARE\"");
	loop_advance(s.loop, 5000);
	CHECK_INT(s.n_answers, 0);
	status(&s, "\"gcode_state\":\"RUNNING\"");
	CHECK_INT(s.n_answers, 1);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	command(&s, &start_cube, 100);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "busy"));
	end(&s);
}

TEST(a_file_that_is_not_found_is_tried_by_the_other_address_once)
{
	struct scene s;

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\"";
	command(&s, &start_cube, 100);
	/* What the first form makes the printer do is no job. */
	status(&s, "\"gcode_state\":\"PREPARE\"");
	CHECK(!printer_activity_is_job(printer_state(s.printer)->activity));
	status(&s, "\"gcode_state\":\"FAILED\",\"print_error\":83902466");
	CHECK(printer_state(s.printer)->activity != PRINTER_FAILED);
	CHECK_INT(s.n_answers, 0);
	CHECK_INT(s.n_commands, 2);
	CHECK(strstr(s.command, "\"url\":\"ftp:///cache/cube.gcode.3mf\""));
	/* The error of the first try still stands for a while. */
	status(&s, "\"mc_percent\":0");
	CHECK_INT(s.n_answers, 0);
	status(&s, "\"gcode_state\":\"PREPARE\",\"print_error\":0");
	status(&s, "\"gcode_state\":\"FAILED\",\"print_error\":83902466");
	CHECK_INT(s.n_commands, 2);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "does not find '/cache/cube.gcode.3mf'"));
	/* And another time it begins. */
	status(&s, "\"print_error\":0");
	command(&s, &start_cube, 100);
	status(&s, "\"gcode_state\":\"FAILED\",\"print_error\":83902466");
	CHECK_INT(s.n_commands, 4);
	status(&s, "\"gcode_state\":\"RUNNING\",\"print_error\":0");
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	CHECK_INT(printer_state(s.printer)->activity, PRINTER_PRINTING);
	/* The form that was found by is the first one from now on. */
	status(&s, "\"gcode_state\":\"FINISH\"");
	command(&s, &start_cube, 100);
	CHECK(strstr(s.command, "\"url\":\"ftp:///cache/cube.gcode.3mf\""));
	status(&s, "\"gcode_state\":\"PREPARE\"");
	for (int i = 0; i < 6; i++)
		live(&s, 2);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	CHECK_INT(printer_state(s.printer)->activity, PRINTER_PREPARING);
	end(&s);
}

TEST(a_start_that_does_not_come_about_has_its_reason)
{
	struct scene s;

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\"";
	command(&s, &start_cube, 100);
	loop_advance(s.loop, 20000);
	CHECK_INT(s.n_answers, 0);
	status(&s, "\"print_error\":83935248"); /* 0500-C010, no change of state */
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(text_starts(s.reason, "the printer did not start it: "));
	status(&s, "\"print_error\":0");
	command(&s, &start_cube, 100);
	for (int i = 0; i < 32; i++)
		live(&s, 2);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "did not begin it within a minute"));
	s.reply = "\"result\":\"fail\",\"err_code\":84033543";
	command(&s, &start_cube, 100);
	CHECK_INT(s.answer, PRINTER_REFUSED);
	CHECK(strstr(s.reason, "Developer mode"));
	s.reply = NULL;
	command(&s, &start_cube, 100);
	broker_drop(&s);
	loop_advance(s.loop, 1000);
	CHECK_INT(s.answer, PRINTER_TIMED_OUT);
	end(&s);
}

TEST(a_start_sends_the_trays_that_were_named_and_no_others)
{
	struct printer_command c = start_cube;
	struct scene s;

	online(&s, SERIAL);
	s.reply = "\"result\":\"success\"";
	status(&s, "\"ams\":{\"ams\":[{\"id\":\"0\",\"tray\":[{\"id\":\"0\",\"tray_type\":"
	           "\"PLA\"},{\"id\":\"1\"},{\"id\":\"2\"},{\"id\":\"3\",\"tray_type\":"
	           "\"PETG\"}]}]}");
	c.n_mapping = 3;
	c.mapping[0] = 3;
	c.mapping[1] = -1;
	c.mapping[2] = 1;
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK(strstr(s.reason, "tray 1 is empty"));
	CHECK_INT(s.n_commands, 0);
	c.mapping[2] = 0;
	command(&s, &c, 100);
	CHECK(strstr(s.command, "\"use_ams\":true,\"ams_mapping\":[3,-1,0]"));
	CHECK(strstr(s.command, "{\"ams_id\":255,\"slot_id\":255}"));
	status(&s, "\"gcode_state\":\"RUNNING\"");
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	end(&s);
}

TEST(answers_come_once_when_the_connection_or_the_printer_goes)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_SPEED, .level = 1 };

	online(&s, SERIAL);
	command(&s, &c, 10);
	broker_drop(&s);
	loop_advance(s.loop, 15000);
	CHECK_INT(s.n_answers, 1);
	CHECK_INT(s.answer, PRINTER_TIMED_OUT);
	command(&s, &c, 10);
	printers_remove(s.printers, "left");
	CHECK_INT(s.n_answers, 1);
	end(&s);
}

TEST(refresh_keeps_the_rule_for_slow_printers)
{
	struct scene s;
	struct printer_command c = { .kind = PRINTER_REFRESH };

	online(&s, SERIAL);
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_NOT_SENT);
	CHECK_INT(s.n_pushall, 1);
	live(&s, 302);
	command(&s, &c, 100);
	CHECK_INT(s.answer, PRINTER_ACKNOWLEDGED);
	CHECK_INT(s.n_pushall, 2);
	end(&s);
}

TEST(own_camera_is_by_the_model_that_of_port_6000_or_322)
{
	struct scene s;
	struct camera_config c;
	const char *why;

	online(&s, SERIAL);
	CHECK(printer_own_camera(s.printer, &c, &why));
	CHECK_STR(c.printer, "left");
	CHECK_INT(c.port, 6000);
	camera_config_fini(&c);
	end(&s);
	online(&s, "09400A000000001");
	CHECK(printer_own_camera(s.printer, &c, &why));
	CHECK_STR(c.driver, "bambu-rtsp");
	CHECK_INT(c.port, 322);
	camera_config_fini(&c);
	end(&s);
}

TEST(raw_report_has_no_secrets)
{
	struct scene s;

	online(&s, SERIAL);

	json_t *j = printer_raw(s.printer);
	char *text = json_dumps(j, 0);

	CHECK(strstr(text, "gcode_state") && !strstr(text, CODE));
	free(text);
	json_decref(j);
	end(&s);
}
