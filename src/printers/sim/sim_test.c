/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "base/base.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/test.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "printers/bambu/report.h"
#include "printers/sim/announce.h"
#include "printers/sim/broker.h"
#include "printers/sim/cam.h"
#include "printers/sim/certs.h"
#include "printers/sim/engine.h"
#include "printers/sim/replay.h"
#include "printers/sim/web.h"
#include "wire/bambu_camera_codec.h"
#include "wire/mqtt_codec.h"
#include "wire/stream.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIAL "03900A400001111"
#define START_US 1000000

/* An engine whose reports are kept merged, as a client would. */
struct bench {
	struct sim_engine *e;
	json_t *state; /* merged, as told */
	json_t *reply; /* the last report with a result */
	json_t *last;  /* the last report */
	unsigned n_full, n_delta, n_reports;
	unsigned layers_seen; /* bits would not do: how often layer_num grew by exactly one */
	int layer;
	char states[400]; /* gcode_state as it changed */
	char loaded[200];
	unsigned plate;
	unsigned n_faults;
	double now_s;
};

static void note_state(struct bench *b, json_t *print)
{
	json_t *state = json_object_get(print, "gcode_state"),
	       *layer = json_object_get(print, "layer_num");
	size_t n = strlen(b->states);

	if (state && !text_ends(b->states, json_string_value(state)))
		(void)snprintf(b->states + n, sizeof(b->states) - n, " %s",
		               json_string_value(state));
	if (layer && json_integer_value(layer) == b->layer + 1)
		b->layers_seen++;
	if (layer)
		b->layer = (int)json_integer_value(layer);
}

static void on_publish(void *arg, json_t *report)
{
	struct bench *b = arg;
	json_t *print = json_object_get(report, "print");
	const char *category;
	json_t *inner;

	b->n_reports++;
	json_decref(b->last);
	b->last = json_deep_copy(report);
	json_object_foreach(report, category, inner)
	{
		if (!json_object_get(inner, "result"))
			continue;
		json_decref(b->reply);
		b->reply = json_deep_copy(inner);
		return;
	}
	if (json_integer_value(json_object_get(print, "msg")) == 0)
		b->n_full++;
	else
		b->n_delta++;
	note_state(b, print);
	json_object_update_recursive(b->state, print);
}

static void on_load(void *arg, const char *path, unsigned plate)
{
	struct bench *b = arg;

	TEXT_SET(b->loaded, path);
	b->plate = plate;
	sim_engine_loaded(b->e, text_starts(path, "missing") ? NULL : sim_job_built_in(path));
}

static void on_fault(void *arg, enum sim_fault f, double seconds)
{
	(void)f;
	(void)seconds;
	((struct bench *)arg)->n_faults++;
}

static void bench_init(struct bench *b, const char *model, bool needs_signing)
{
	struct sim_setup s = { .model = sim_model_find(model),
		               .serial = SERIAL,
		               .name = "test",
		               .code = "12345678",
		               .address = "192.168.1.47",
		               .needs_signing = needs_signing,
		               .has_ams = true,
		               .now_us = START_US,
		               .wall_ms = 1790000000000,
		               .seed = 7,
		               .arg = b,
		               .publish = on_publish,
		               .load = on_load,
		               .faulted = on_fault };

	*b = (struct bench){ .state = json_object() };
	b->e = sim_engine_new(&s);
}

static void bench_fini(struct bench *b)
{
	sim_engine_free(b->e);
	json_decref(b->state);
	json_decref(b->reply);
	json_decref(b->last);
}

static void bench_run(struct bench *b, double seconds)
{
	double until_s = b->now_s + seconds;

	while (b->now_s < until_s) {
		b->now_s += 0.1;
		sim_engine_tick(b->e, START_US + (int64_t)(b->now_s * 1e6));
	}
}

static void ask(struct bench *b, const char *request)
{
	sim_engine_request(b->e, request, strlen(request));
}

static const char *state_text(const struct bench *b, const char *key)
{
	const char *s = json_string_value(json_object_get(b->state, key));

	return s ? s : "(none)";
}

static json_int_t state_int(const struct bench *b, const char *key)
{
	return json_integer_value(json_object_get(b->state, key));
}

static const char *reply_text(const struct bench *b, const char *key)
{
	const char *s = json_string_value(json_object_get(b->reply, key));

	return s ? s : "(none)";
}

static void print_now(struct bench *b)
{
	struct err err;

	CHECK_INT(sim_engine_print(b->e, sim_job_built_in("cube.gcode.3mf"), &err), 0);
}

TEST(a_print_goes_from_prepare_to_finish_and_reports_each_layer_once)
{
	struct bench b;

	bench_init(&b, "A1", false);
	ask(&b, "{\"pushing\":{\"sequence_id\":\"1\",\"command\":\"pushall\"}}");
	CHECK_INT(b.n_full, 1);
	CHECK(json_object_size(b.state) > 50);
	CHECK_STR(state_text(&b, "gcode_state"), "IDLE");
	print_now(&b);
	bench_run(&b, 2000);
	CHECK_STR(b.states, " IDLE PREPARE RUNNING FINISH");
	CHECK_INT(b.layers_seen, 50);
	CHECK_INT(state_int(&b, "layer_num"), 50);
	CHECK_INT(state_int(&b, "total_layer_num"), 50);
	CHECK_INT(state_int(&b, "mc_percent"), 100);
	CHECK_STR(state_text(&b, "gcode_file"), "");
	CHECK_STR(state_text(&b, "print_type"), "idle");
	CHECK_STR(state_text(&b, "subtask_name"), "cube");
	CHECK_INT(b.n_full, 1);
	CHECK(b.n_delta > 900 && b.n_delta < 1010); /* one in 2 s */
	CHECK(json_object_size(json_object_get(b.last, "print")) < 10);
	bench_fini(&b);
}

TEST(an_x1_sends_everything_every_second)
{
	struct bench b;

	bench_init(&b, "X1C", false);
	bench_run(&b, 30);
	CHECK(b.n_full >= 28 && b.n_full <= 31);
	CHECK_INT(b.n_delta, 0);
	CHECK_INT(state_int(&b, "stg_cur"), -1);
	CHECK(json_object_get(b.state, "fun") != NULL);
	CHECK(json_object_get(b.state, "device") != NULL);
	bench_fini(&b);
}

/* As the daemon reads it: the deltas of the whole print, merged. */
struct reader {
	struct bambu_report *report;
	struct printer_state state;
	unsigned switched;
	bool both_hot; /* one prints while the other one waits, warm */
	int trays[2];  /* fed while it printed; -1 not yet */
};

static void read_report(struct reader *r, struct bench *b)
{
	char *text = json_dumps(b->last, 0);
	struct bambu_message m;
	int before = r->state.active_nozzle;

	bambu_report_read(r->report, text, strlen(text), &m);
	bambu_report_apply(r->report, &r->state, (int64_t)(b->now_s * 1e6));
	free(text);
	r->switched += before != r->state.active_nozzle;

	const struct printer_nozzle *now = &r->state.nozzles[r->state.active_nozzle],
				    *other = &r->state.nozzles[1 - r->state.active_nozzle];

	if (r->state.job.layer <= 0)
		return;
	r->both_hot |= now->heat.now_c > 200 && other->heat.now_c > 150 &&
	               other->heat.target_c == 170 && r->state.tray_now >= 0;
	if (r->state.tray_now >= 0)
		r->trays[r->state.active_nozzle] = now->tray;
}

TEST(an_h2d_prints_with_both_nozzles)
{
	struct bench b;
	struct reader *r = MEM_NEW(struct reader);
	struct sim_job *job = sim_job_built_in("hinge.gcode.3mf");
	struct err err;

	for (size_t i = 0; i < job->n_layers; i++)
		job->layers[i].tool = i / 10 % 2;
	bench_init(&b, "H2D", false);
	r->report = bambu_report_new("094000000000000", "H2D");
	r->trays[0] = r->trays[1] = -1;
	printer_state_init(&r->state);
	ask(&b, "{\"pushing\":{\"command\":\"pushall\"}}");
	read_report(r, &b);
	CHECK_INT(r->state.n_nozzles, 2);
	CHECK_INT(r->state.n_external, 2);
	CHECK_INT(r->state.nozzles[1].tray, -1);
	CHECK_INT(sim_engine_print(b.e, job, &err), 0);
	for (int i = 0; i < 2400 && r->state.activity != PRINTER_FINISHED; i++) {
		bench_run(&b, 1);
		read_report(r, &b);
	}
	CHECK_INT(r->state.activity, PRINTER_FINISHED);
	CHECK_INT(r->state.job.layer, 50);
	CHECK_INT(r->switched, 4);
	CHECK(r->both_hot);
	CHECK_INT(r->trays[0], 0);
	CHECK_INT(r->trays[1], 1);
	CHECK_INT(r->state.nozzles[0].tray, -1);
	CHECK_INT(r->state.nozzles[1].tray, -1);
	bambu_report_free(r->report);
	free(r);
	bench_fini(&b);
}

TEST(every_model_has_a_whole_report_and_its_versions)
{
	const struct sim_model *m;

	for (size_t i = 0; (m = sim_model_at(i)) != NULL; i++) {
		struct bench b;

		bench_init(&b, m->name, false);
		CHECK(sim_model_find(m->code) == m);
		ask(&b, "{\"pushing\":{\"command\":\"pushall\"}}\n");
		CHECK(json_object_size(b.state) > 50);
		ask(&b, "{\"info\":{\"sequence_id\":\"9\",\"command\":\"get_version\"}}");

		json_t *info = json_object_get(b.last, "info");

		CHECK_STR(json_string_value(json_object_get(
				  json_array_get(json_object_get(info, "module"), 0),
				  "product_name")),
		          m->product);
		CHECK_STR(json_string_value(json_object_get(info, "sequence_id")), "9");
		bench_fini(&b);
	}
	CHECK(sim_model_find("a1mini") == sim_model_find("N1"));
	CHECK_STR(sim_model_find("x1c")->code, "BL-P001");
	CHECK_STR(sim_model_find("01P00A400001111")->code, "C12");
	CHECK(sim_model_find("Prusa") == NULL);
}

TEST(the_address_is_reported_little_endian)
{
	struct bench b;

	bench_init(&b, "A1", false);
	ask(&b, "{\"pushing\":{\"command\":\"pushall\"}}");

	json_t *info = json_object_get(json_object_get(b.state, "net"), "info");

	CHECK_INT(json_integer_value(json_object_get(json_array_get(info, 0), "ip")), 788637888);
	bench_fini(&b);
}

TEST(commands_act_and_their_answers_echo)
{
	struct bench b;

	bench_init(&b, "P1S", false);
	print_now(&b);
	bench_run(&b, 400);
	ask(&b, "{\"print\":{\"sequence_id\":\"20001\",\"command\":\"pause\",\"param\":\"\"}}");
	CHECK_STR(reply_text(&b, "sequence_id"), "20001");
	CHECK_STR(reply_text(&b, "result"), "success");
	bench_run(&b, 10);
	CHECK_STR(state_text(&b, "gcode_state"), "PAUSE");
	CHECK_INT(state_int(&b, "stg_cur"), 16);

	int layer = b.layer;

	bench_run(&b, 300);
	CHECK_INT(b.layer, layer);
	ask(&b, "{\"print\":{\"sequence_id\":\"20002\",\"command\":\"resume\",\"param\":\"\"}}");
	bench_run(&b, 60);
	CHECK_STR(state_text(&b, "gcode_state"), "RUNNING");
	CHECK(b.layer > layer);
	ask(&b, "{\"print\":{\"sequence_id\":\"3\",\"command\":\"print_speed\",\"param\":\"4\"}}");
	ask(&b,
	    "{\"print\":{\"sequence_id\":\"4\",\"command\":\"gcode_line\",\"param\":\"M104 S215\\n"
	    "M106 P2 S255\\nM140 S60\\n\"}}");
	ask(&b, "{\"system\":{\"sequence_id\":\"5\",\"command\":\"ledctrl\",\"led_node\":"
	        "\"chamber_light\",\"led_mode\":\"on\"}}");
	CHECK_STR(reply_text(&b, "sequence_id"), "5");
	bench_run(&b, 4);
	CHECK_INT(state_int(&b, "spd_mag"), 166);
	CHECK_INT(state_int(&b, "nozzle_target_temper"), 215);
	CHECK_STR(state_text(&b, "big_fan1_speed"), "15");
	ask(&b, "{\"print\":{\"sequence_id\":\"6\",\"command\":\"stop\",\"param\":\"\"}}");
	bench_run(&b, 2);
	CHECK_STR(state_text(&b, "gcode_state"), "FAILED");
	CHECK_INT(state_int(&b, "print_error"), 0x0300400C);
	bench_run(&b, 5);
	CHECK_INT(state_int(&b, "print_error"), 0);
	ask(&b, "{\"print\":{\"sequence_id\":\"7\",\"command\":\"resume\",\"param\":\"\"}}");
	CHECK_STR(reply_text(&b, "result"), "failed");
	bench_fini(&b);
}

TEST(a_file_is_started_found_missing_or_refused_while_busy)
{
	struct bench b;

	bench_init(&b, "A1", false);
	ask(&b, "{\"print\":{\"sequence_id\":\"1\",\"command\":\"project_file\",\"param\":"
	        "\"Metadata/plate_2.gcode\",\"url\":\"file:///sdcard/missing.gcode.3mf\"}}");
	CHECK_STR(reply_text(&b, "result"), "success");
	CHECK_STR(b.loaded, "missing.gcode.3mf");
	CHECK_INT(b.plate, 2);
	bench_run(&b, 5);
	CHECK_STR(state_text(&b, "gcode_state"), "FAILED");
	CHECK_INT(state_int(&b, "print_error"), 0x05004002);
	ask(&b,
	    "{\"print\":{\"sequence_id\":\"2\",\"command\":\"project_file\",\"param\":"
	    "\"Metadata/plate_1.gcode\",\"url\":\"ftp:///cache/a b.gcode.3mf\",\"use_ams\":true,"
	    "\"ams_mapping\":[3]}}");
	CHECK_STR(b.loaded, "cache/a b.gcode.3mf");
	bench_run(&b, 200);
	CHECK_STR(state_text(&b, "gcode_state"), "RUNNING");
	CHECK_STR(json_string_value(json_object_get(json_object_get(b.state, "ams"), "tray_now")),
	          "3");
	ask(&b, "{\"print\":{\"sequence_id\":\"3\",\"command\":\"project_file\",\"url\":\"ftp:///"
	        "c\"}}");
	CHECK_STR(reply_text(&b, "result"), "failed");
	bench_run(&b, 2);
	CHECK_INT(state_int(&b, "print_error"), 0x05004004);
	CHECK_STR(state_text(&b, "gcode_state"), "RUNNING");
	bench_fini(&b);
}

TEST(a_file_may_be_found_by_one_form_of_address_only)
{
	struct bench b;

	bench_init(&b, "A1", false);
	CHECK_INT(sim_engine_fault(b.e, "file-url:ftp", NULL), 0);
	ask(&b, "{\"print\":{\"sequence_id\":\"1\",\"command\":\"project_file\",\"param\":"
	        "\"Metadata/plate_1.gcode\",\"url\":\"file:///sdcard/cache/a.gcode.3mf\"}}");
	bench_run(&b, 5);
	CHECK_INT(state_int(&b, "print_error"), 0x05004002);
	ask(&b, "{\"print\":{\"sequence_id\":\"2\",\"command\":\"project_file\",\"param\":"
	        "\"Metadata/plate_1.gcode\",\"url\":\"ftp:///cache/a b.gcode.3mf\"}}");
	CHECK_STR(b.loaded, "cache/a b.gcode.3mf");
	bench_run(&b, 20);
	CHECK_STR(state_text(&b, "gcode_state"), "RUNNING");
	bench_fini(&b);
}

TEST(unsigned_commands_are_refused_as_new_firmware_does)
{
	struct bench b;

	bench_init(&b, "P2S", true);
	ask(&b, "{\"pushing\":{\"command\":\"pushall\"}}");
	CHECK_STR(state_text(&b, "fun"), "3EC1AFFF9CFF");
	print_now(&b);
	bench_run(&b, 20);
	ask(&b, "{\"print\":{\"sequence_id\":\"8\",\"command\":\"pause\",\"param\":\"\"}}");
	CHECK_STR(reply_text(&b, "result"), "failed");
	CHECK_STR(reply_text(&b, "reason"), "mqtt message verify failed");
	CHECK_INT(json_integer_value(json_object_get(b.reply, "err_code")), 84033543);
	bench_run(&b, 2);
	CHECK_STR(state_text(&b, "gcode_state"), "RUNNING");
	CHECK_INT(json_array_size(json_object_get(b.state, "hms")), 1);
	ask(&b, "{\"system\":{\"sequence_id\":\"9\",\"command\":\"ledctrl\",\"led_node\":"
	        "\"chamber_light\",\"led_mode\":\"on\"}}");
	CHECK_STR(reply_text(&b, "result"), "success");
	bench_fini(&b);
}

TEST(faults_begin_at_their_layer_and_time)
{
	struct bench b;
	struct err err;

	bench_init(&b, "A1", false);
	CHECK_INT(sim_engine_fault(b.e, "runout@l5", &err), 0);
	CHECK_INT(sim_engine_fault(b.e, "mqtt-silent:30@60s", &err), 0);
	CHECK(sim_engine_fault(b.e, "earthquake", &err) < 0);
	CHECK(sim_engine_fault(b.e, "earthquake@l3", &err) < 0);
	CHECK(sim_engine_fault(b.e, "pause@later", &err) < 0);
	CHECK(sim_engine_fault(b.e, "pause@l0", &err) < 0);
	print_now(&b);
	bench_run(&b, 61);

	unsigned n = b.n_reports;

	bench_run(&b, 28);
	CHECK_INT(b.n_reports, n);
	bench_run(&b, 10);
	CHECK(b.n_reports > n);
	bench_run(&b, 1000);
	CHECK_STR(state_text(&b, "gcode_state"), "PAUSE");
	CHECK_INT(state_int(&b, "layer_num"), 5);
	CHECK_INT(state_int(&b, "print_error"), 0x12008011);
	CHECK_INT(json_array_size(json_object_get(b.state, "hms")), 1);
	CHECK_INT(sim_engine_fault(b.e, "resume", &err), 0);
	CHECK_INT(sim_engine_fault(b.e, "fail:0300400D", &err), 0);
	bench_run(&b, 4);
	CHECK_STR(state_text(&b, "gcode_state"), "FAILED");
	CHECK_INT(state_int(&b, "print_error"), 0x0300400D);
	CHECK_INT(sim_engine_fault(b.e, "clear", &err), 0);
	bench_run(&b, 4);
	CHECK_INT(state_int(&b, "print_error"), 0);
	bench_fini(&b);
}

TEST(reports_come_late_doubled_swapped_and_partial_on_request)
{
	struct bench b;
	struct err err;

	bench_init(&b, "A1", false);
	CHECK_INT(sim_engine_fault(b.e, "late-layers:6", &err), 0);
	print_now(&b);
	bench_run(&b, 429.5); /* layer 1 began at 423 */
	CHECK_INT(b.layer, 0);
	bench_run(&b, 4);
	CHECK_INT(b.layer, 1);
	CHECK_INT(sim_engine_fault(b.e, "doubled", &err), 0);

	unsigned n = b.n_reports;

	bench_run(&b, 10);
	CHECK(b.n_reports - n >= 8);
	CHECK_INT((b.n_reports - n) % 2, 0);
	CHECK_INT(sim_engine_fault(b.e, "clear:doubled", &err), 0);
	CHECK_INT(sim_engine_fault(b.e, "partial-ams", &err), 0);

	json_t *ams = json_object_get(json_object_get(b.last, "print"), "ams");

	CHECK_INT(json_array_size(json_object_get(ams, "ams")), 1);
	CHECK_INT(sim_engine_fault(b.e, "reordered", &err), 0);
	bench_run(&b, 3);
	n = (unsigned)strtoul(
		json_string_value(json_object_get(json_object_get(b.last, "print"), "sequence_id")),
		NULL, 10);
	bench_run(&b, 2.1);
	CHECK(strtoul(json_string_value(
			      json_object_get(json_object_get(b.last, "print"), "sequence_id")),
	              NULL, 10) < n + 4);
	bench_fini(&b);
}

TEST(a_power_cut_ends_all_and_leaves_the_job_paused)
{
	struct bench b;
	struct err err;

	bench_init(&b, "P1S", false);
	print_now(&b);
	bench_run(&b, 500);
	CHECK_INT(sim_engine_fault(b.e, "power-cut:20", &err), 0);
	CHECK_INT(b.n_faults, 1);

	unsigned n = b.n_reports;

	bench_run(&b, 19);
	ask(&b, "{\"pushing\":{\"command\":\"pushall\"}}");
	CHECK_INT(b.n_reports, n);
	bench_run(&b, 5);
	CHECK_STR(state_text(&b, "gcode_state"), "PAUSE");
	CHECK_INT(sim_engine_fault(b.e, "wrong-code:87654321", &err), 0);
	CHECK_STR(sim_engine_code(b.e), "87654321");
	bench_fini(&b);
}

/* A client at the other end of a pipe in memory. */
struct client {
	struct stream *s;
	struct mqtt_reader reader;
	struct buf text; /* what came, in words */
	struct buf raw;
	unsigned n_closed;
	char topic[64];
	bool is_pretty;
};

static bool on_packet(void *arg, const struct mqtt_packet *p)
{
	struct client *c = arg;

	if (p->type == MQTT_CONNACK) {
		buf_printf(&c->text, "connack %d ", p->connack.code);
	} else if (p->type == MQTT_SUBACK) {
		for (unsigned i = 0; i < p->suback.n; i++)
			buf_printf(&c->text, "suback %u ", p->suback.codes[i]);
	} else if (p->type == MQTT_PUBACK) {
		buf_printf(&c->text, "puback %u ", p->id);
	} else if (p->type == MQTT_PINGRESP) {
		buf_add_str(&c->text, "pong ");
	} else if (p->type == MQTT_PUBLISH) {
		text_copy_n(c->topic, sizeof(c->topic), p->publish.topic.data,
		            p->publish.topic.size);
		c->is_pretty = p->publish.payload.size > 20 &&
		               memcmp(p->publish.payload.data, "{\n    \"", 7) == 0;
		buf_add_str(&c->text, "publish ");
	}
	return true;
}

static void on_received(void *arg, const uint8_t *bytes, size_t size)
{
	struct client *c = arg;

	buf_add(&c->raw, bytes, size);
	if (mqtt_reader_feed(&c->reader, bytes, size, on_packet, c, NULL) < 0)
		buf_add_str(&c->text, "(no MQTT) ");
}

static void on_closed(void *arg, const struct err *err)
{
	(void)err;
	((struct client *)arg)->n_closed++;
}

static void client_start(struct client *c, struct stream *s)
{
	*c = (struct client){ .s = s };
	mqtt_reader_init(&c->reader, 0);
	stream_listen(s, &(struct stream_events){
				 .received = on_received, .closed = on_closed, .arg = c });
}

static void client_fini(struct client *c)
{
	stream_free(c->s);
	mqtt_reader_fini(&c->reader);
	buf_fini(&c->text);
	buf_fini(&c->raw);
}

static void client_write(struct client *c, struct loop *l, struct buf *b)
{
	stream_write(c->s, b->data, b->size);
	buf_fini(b);
	loop_advance(l, 50);
}

static void client_login(struct client *c, struct loop *l, const char *code)
{
	struct buf b = { 0 };

	mqtt_write_connect(&b, &(struct mqtt_login){ "x", "bblp", code, 30 });
	client_write(c, l, &b);
}

struct broker_bench {
	struct bench b;
	struct loop *l;
	struct sim_broker *broker;
	struct client c, d;
};

static void publish_to_broker(void *arg, json_t *report)
{
	struct broker_bench *k = arg;

	sim_broker_publish(k->broker, report);
}

static void broker_bench_init(struct broker_bench *k)
{
	struct sim_setup s = { .model = sim_model_find("A1"),
		               .serial = SERIAL,
		               .code = "12345678",
		               .address = "127.0.0.1",
		               .now_us = START_US,
		               .arg = k,
		               .publish = publish_to_broker,
		               .load = on_load,
		               .faulted = on_fault };
	struct stream *a, *b;

	*k = (struct broker_bench){ .l = loop_new_simulated(0) };
	k->b.e = sim_engine_new(&s);
	k->broker = sim_broker_new(k->l, k->b.e, SERIAL);
	stream_pair(k->l, 1, &a, &b);
	client_start(&k->c, a);
	sim_broker_accept(k->broker, b);
	stream_pair(k->l, 1, &a, &b);
	client_start(&k->d, a);
	sim_broker_accept(k->broker, b);
	loop_advance(k->l, 5);
}

static void broker_bench_fini(struct broker_bench *k)
{
	client_fini(&k->c);
	client_fini(&k->d);
	loop_advance(k->l, 50);
	sim_broker_free(k->broker);
	sim_engine_free(k->b.e);
	loop_free(k->l);
}

TEST(the_broker_refuses_a_wrong_code_and_closes)
{
	struct broker_bench k;

	broker_bench_init(&k);
	client_login(&k.c, k.l, "00000000");
	CHECK_STR(buf_peek(&k.c.text), "connack 5 ");
	CHECK_INT(k.c.n_closed, 1);
	CHECK_INT(sim_broker_clients(k.broker), 0);
	broker_bench_fini(&k);
}

TEST(the_broker_serves_its_own_topics_to_several_clients)
{
	struct broker_bench k;
	struct buf b = { 0 };
	static const char pushall[] =
		"{\"pushing\":{\"sequence_id\":\"1\",\"command\":\"pushall\"}}";

	broker_bench_init(&k);
	client_login(&k.c, k.l, "12345678");
	client_login(&k.d, k.l, "12345678");
	CHECK_INT(sim_broker_clients(k.broker), 2);
	mqtt_write_subscribe(&b, 1, "device/" SERIAL "/report", 0);
	mqtt_write_subscribe(&b, 2, "device/OTHER/report", 0);
	mqtt_write_subscribe(&b, 3, "device/" SERIAL "/request", 0);
	client_write(&k.c, k.l, &b);
	CHECK_STR(buf_peek(&k.c.text), "connack 0 suback 0 suback 128 suback 128 ");
	mqtt_write_subscribe(&b, 1, "device/+/report", 1);
	client_write(&k.d, k.l, &b);
	buf_clear(&k.c.text);
	buf_clear(&k.d.text);
	/* The NUL at the end is counted in, as some clients do. */
	mqtt_write_publish(&b, "device/" SERIAL "/request", pushall, sizeof(pushall), 1, 77);
	client_write(&k.c, k.l, &b);
	CHECK_STR(buf_peek(&k.c.text), "puback 77 publish ");
	CHECK_STR(buf_peek(&k.d.text), "publish ");
	CHECK_STR(k.d.topic, "device/" SERIAL "/report");
	CHECK(k.d.is_pretty);
	buf_clear(&k.d.text);
	mqtt_write_publish(&b, "device/" SERIAL "/request", "{\"pushing\":{\"command\":\"stop\"}}",
	                   30, 0, 0);
	mqtt_write_bare(&b, MQTT_PINGREQ);
	client_write(&k.c, k.l, &b);
	buf_clear(&k.c.text);
	CHECK_INT(sim_engine_fault(k.b.e, "hms", NULL), 0);
	sim_engine_tick(k.b.e, START_US + 3000000);
	loop_advance(k.l, 50);
	CHECK_STR(buf_peek(&k.c.text), "");
	CHECK_STR(buf_peek(&k.d.text), "publish ");
	broker_bench_fini(&k);
}

TEST(who_speaks_no_mqtt_or_does_not_log_in_is_closed)
{
	struct broker_bench k;
	struct buf b = { 0 };

	broker_bench_init(&k);
	buf_add_str(&b, "GET / HTTP/1.1\r\n\r\n");
	client_write(&k.c, k.l, &b);
	mqtt_write_bare(&b, MQTT_PINGREQ);
	client_write(&k.d, k.l, &b);
	CHECK_INT(k.c.n_closed, 1);
	CHECK_INT(k.d.n_closed, 1);
	broker_bench_fini(&k);
}

TEST(the_camera_shows_pictures_to_who_knows_the_code_only)
{
	struct broker_bench k;
	struct stream *a, *b;
	uint8_t login[BAMBU_CAMERA_LOGIN_SIZE];
	struct bambu_camera_parser parser = { 0 };
	uint8_t *picture = NULL;
	size_t size = 0;

	broker_bench_init(&k);

	struct work_pool *pool = work_pool_new(k.l, "test", 1);
	struct sim_cam_config config = {
		.loop = k.l, .pool = pool, .engine = k.b.e, .is_strict = true
	};
	struct sim_cam *cam = sim_cam_new(&config);
	struct client good, bad;

	stream_pair(k.l, 1, &a, &b);
	client_start(&bad, a);
	sim_cam_accept(cam, b);
	loop_advance(k.l, 5);
	CHECK(bambu_camera_login_write(login, "bblp", "wrong"));
	stream_write(bad.s, login, sizeof(login));
	loop_advance(k.l, 3000);
	CHECK_INT(bad.raw.size, 0);
	CHECK_INT(bad.n_closed, 1);
	client_fini(&bad);

	stream_pair(k.l, 1, &a, &b);
	client_start(&good, a);
	sim_cam_accept(cam, b);
	stream_pair(k.l, 1, &a, &b);
	client_start(&bad, a);
	sim_cam_accept(cam, b); /* strict: one client */
	loop_advance(k.l, 5);
	CHECK(bambu_camera_login_write(login, "bblp", "12345678"));
	stream_write(good.s, login, sizeof(login));
	loop_advance(k.l, 2500);
	CHECK_INT(bad.n_closed, 1);

	const uint8_t *at = (const uint8_t *)good.raw.data;
	size_t left = good.raw.size;
	unsigned n = 0;

	while (bambu_camera_parse(&parser, &at, &left, &picture, &size, NULL) == 1) {
		n++;
		free(picture);
	}
	CHECK_INT(n, 3); /* at once and after 1 and 2 s */
	bambu_camera_parser_fini(&parser);
	client_fini(&good);
	client_fini(&bad);
	loop_advance(k.l, 2000);
	sim_cam_free(cam);
	work_pool_free(pool);
	broker_bench_fini(&k);
}

struct seen {
	unsigned n;
	double luma;
};

static void on_seen(void *arg, const struct frame *f)
{
	struct seen *seen = arg;
	struct err err;

	seen->n++;
	CHECK_INT(jpeg_brightness(f->data, f->size, &seen->luma, &err), 0);
}

TEST(the_camera_is_late_and_dark_without_the_light)
{
	struct broker_bench k;
	struct seen seen = { 0 };
	double lit;

	broker_bench_init(&k);

	struct work_pool *pool = work_pool_new(k.l, "test", 1);
	struct sim_cam_config config = {
		.loop = k.l, .pool = pool, .engine = k.b.e, .frames_per_s = 10, .delay_us = 350000
	};
	struct sim_cam *cam = sim_cam_new(&config);

	sim_cam_set_sink(cam, on_seen, &seen);
	loop_advance(k.l, 340);
	CHECK_INT(seen.n, 0);
	loop_advance(k.l, 20);
	CHECK_INT(seen.n, 1);
	loop_advance(k.l, 1000);
	CHECK_INT(seen.n, 11);
	lit = seen.luma;
	CHECK(lit > 30);
	ask(&k.b, "{\"system\":{\"sequence_id\":\"1\",\"command\":\"ledctrl\",\"led_node\":"
	          "\"chamber_light\",\"led_mode\":\"off\"}}");
	loop_advance(k.l, 340);
	CHECK(seen.luma > lit - 2);
	loop_advance(k.l, 120);
	CHECK(seen.luma < lit / 2);
	sim_cam_set_sink(cam, NULL, NULL);
	sim_cam_free(cam);
	work_pool_free(pool);
	broker_bench_fini(&k);
}

TEST(the_detect_probe_is_answered_in_its_frame)
{
	const struct sim_identity id = { "03000A400001111", "3DP-030-111", "N1", "01.07.02.00",
		                         "127.0.0.1" };
	static const char request[] = "\xa5\xa5\x3a\x00{\"login\":{\"command\":\"detect\","
				      "\"sequence_id\":\"20004\"}}\xa7\xa7";
	auto_buf struct buf out = { 0 };

	CHECK_INT(sim_detect_answer(&id, request, 3, &out), 0);
	CHECK_INT(sim_detect_answer(&id, request, 40, &out), 0);
	CHECK_INT(sim_detect_answer(&id, "GET / HTTP", 10, &out), -EPROTO);
	CHECK_INT(out.size, 0);
	CHECK_INT(sim_detect_answer(&id, request, sizeof(request) - 1, &out), 1);
	CHECK_INT((uint8_t)out.data[2] | (uint8_t)out.data[3] << 8, out.size);
	CHECK(strstr(out.data + 4, "\"id\":\"03000A400001111\"") != NULL);
	CHECK(strstr(out.data + 4, "\"sequence_id\":\"20004\"") != NULL);
	CHECK_INT((uint8_t)out.data[out.size - 1], 0xa7);
}

TEST(announcements_are_those_of_the_real_ones)
{
	const struct sim_identity id = { "03000A400001111", "3DP-030-111", "N1", "01.07.00.00",
		                         "192.168.1.50" };
	auto_buf struct buf out = { 0 }, wanted = { 0 };
	const char *path = test_shared("data/bambu/ssdp/notify_a1mini.txt");

	sim_notify_write(&out, &id, false);
	CHECK(strstr(buf_peek(&out), "USN: 03000A400001111\r\n") != NULL);
	if (!path) {
		buf_fini(&out);
		SKIP("no shared vectors");
	}
	CHECK_INT(fs_read(path, 4096, &wanted, NULL), 0);
	CHECK_STR(buf_peek(&out), buf_peek(&wanted));
}

TEST(a_recording_is_played_at_its_times)
{
	static const char text[] = "{\"t\":0,\"report\":{\"print\":null}}\n"
				   "{\"t\":1,\"report\":{\"print\":{\"command\":\"push_status\","
				   "\"msg\":0,\"layer_num\":1}}}\n"
				   "not a line of ours\n"
				   "{\"t\":5,\"report\":{\"print\":{\"command\":\"push_status\","
				   "\"msg\":1,\"layer_num\":2}}}\n";
	struct bench b;
	struct loop *l = loop_new_simulated(0);
	struct sim_replay *r = NULL;
	struct err err;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/x.jsonl", test_tmp_dir());
	CHECK_INT(fs_write_atomic(path, text, sizeof(text) - 1, 0600, &err), 0);
	bench_init(&b, "A1", false);
	CHECK_INT(sim_replay_start(l, b.e, path, 2, &r, &err), 0);
	loop_advance(l, 600);
	CHECK_INT(b.layer, 1);
	loop_advance(l, 1500);
	CHECK_INT(b.layer, 1);
	CHECK(!sim_replay_is_over(r));
	loop_advance(l, 1000);
	CHECK_INT(b.layer, 2);
	CHECK(sim_replay_is_over(r));
	sim_replay_stop(r);
	CHECK(sim_replay_start(l, b.e, "/nonexistent.jsonl", 1, &r, &err) < 0);
	bench_fini(&b);
	loop_free(l);
}

TEST(a_shared_recording_replays_to_its_last_layer)
{
	const char *path = test_shared("data/bambu/recordings/a1_print1_start_to_end.jsonl");
	struct bench b;
	struct loop *l;
	struct sim_replay *r = NULL;
	struct err err;

	if (!path)
		SKIP("no shared recordings");
	l = loop_new_simulated(0);
	bench_init(&b, "A1", false);
	CHECK_INT(sim_replay_start(l, b.e, path, 100, &r, &err), 0);
	loop_advance(l, 60000);
	CHECK(sim_replay_is_over(r));
	CHECK(b.n_reports > 900);
	CHECK(b.layer > 10);
	sim_replay_stop(r);
	bench_fini(&b);
	loop_free(l);
}

struct cert_maker {
	pthread_t thread;
	char dir[300], serial[32];
	struct sim_certs made;
	int rc;
};

static void *make_certs(void *arg)
{
	struct cert_maker *m = arg;

	m->rc = sim_certs_make(m->dir, m->serial, INT64_C(1767225600000), &m->made, NULL);
	return NULL;
}

TEST(simulators_that_begin_together_have_one_ca)
{
	struct cert_maker makers[4] = { 0 };
	char device[400], key[400];
	const char *dir = test_tmp_dir();
	auto_buf struct buf issuer;

	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		struct cert_maker *m = &makers[i];

		snprintf(m->dir, sizeof(m->dir), "%s/fresh", dir);
		snprintf(m->serial, sizeof(m->serial), "01S00A00000000%zu", i);
		CHECK_INT(pthread_create(&m->thread, NULL, make_certs, m), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(makers); i++)
		pthread_join(makers[i].thread, NULL);
	snprintf(device, sizeof(device), "%s/device.pem", makers[0].dir);
	snprintf(key, sizeof(key), "%s/device.key", makers[0].dir);
	CHECK_INT(tls_certificate_check(device, key, NULL), 0);
	CHECK_INT(fs_read(device, 65536, &issuer, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		auto_buf struct buf leaf;

		CHECK_INT(makers[i].rc, 0);
		CHECK_INT(tls_certificate_check(makers[i].made.leaf, makers[i].made.key, NULL), 0);
		/* The leaf and, behind it, the very certificate that signed it. */
		CHECK_INT(fs_read(makers[i].made.leaf, 65536, &leaf, NULL), 0);
		CHECK(text_ends(buf_peek(&leaf), buf_peek(&issuer)));
	}
}

TEST(a_script_moves_the_head_and_takes_its_time)
{
	double head_mm[3] = { 0, 0, 10 };

	CHECK(fabs(sim_move(head_mm, "G90\nG1 X30 Y40 F3000\nM114\nG1 Z5 F600") - 1.5) < 1e-9);
	CHECK(head_mm[0] == 30 && head_mm[1] == 40 && head_mm[2] == 5);
	CHECK(sim_move(head_mm, "G1 X5000") < 0);
}
