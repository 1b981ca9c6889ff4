/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "printers/sim/sim.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "printers/sim/announce.h"
#include "printers/sim/broker.h"
#include "printers/sim/cam.h"
#include "printers/sim/certs.h"
#include "printers/sim/replay.h"
#include "printers/sim/rtsp.h"
#include "printers/sim/switch.h"
#include "wire/ftps_server.h"
#include "wire/stream.h"
#include "wire/tcp_stream.h"
#include "wire/tls_stream.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS 100
#define FASTEST_TICK_MS 10
#define LONGEST_STEP_S 1.0 /* of the printer's time, from one look to the next */
#define MAX_JOB_FILE ((size_t)1 << 30)
#define REPEAT_AFTER_S 60.0

enum sim_service {
	SERVICE_MQTT,
	SERVICE_CAMERA,
	SERVICE_RTSP,
	SERVICE_DETECT,
	SERVICE_DETECT_TLS,
	SERVICE_N
};

struct service {
	struct sim *sim;
	enum sim_service kind;
	struct tcp_listener *listener;
};

/* A file on its way from disk to the engine, on the worker. */
struct loading {
	struct sim *sim; /* NULL: it is gone */
	char path[2048];
	unsigned plate;
	bool is_own; /* started here, not by project_file */
	struct sim_job *job;
	struct err err;
};

struct sim {
	struct loop *loop;
	struct sim_ports ports;
	char serial[32], name[64], storage[1024], print[1024], av_program[1024];
	unsigned plate;
	bool repeats;
	const struct sim_model *model;
	struct sim_certs certs;
	struct tls_server *tls;
	struct sim_engine *engine;
	struct sim_broker *broker;
	struct sim_cam *cam;
	struct sim_rtsp *rtsp; /* NULL: port 6000, or no bedside-av */
	struct sim_detect *detect;
	struct sim_announce *announce;
	struct sim_replay *replay;
	struct sim_switch *button; /* NULL: none */
	struct ftps_server *ftps;
	struct ftps_rules rules;
	struct work_pool *pool;
	struct loading *loading;
	struct service services[SERVICE_N];
	struct timer tick;
	int64_t ticked_us, engine_us, longest_step_us;
};

static void on_publish(void *arg, json_t *report)
{
	struct sim *s = arg;

	if (s->broker)
		sim_broker_publish(s->broker, report);
}

static void on_fault(void *arg, enum sim_fault f, double seconds)
{
	struct sim *s = arg;

	(void)seconds;
	if (f == SIM_FAULT_CAMERA_HALF) {
		sim_cam_break_next(s->cam);
		return;
	}
	sim_broker_drop(s->broker);
	sim_cam_drop(s->cam);
	if (s->rtsp)
		sim_rtsp_drop(s->rtsp);
	ftps_server_drop(s->ftps);
}

static void on_strokes(void *arg, struct sim_job *j, size_t first)
{
	struct sim *s = arg;

	if (s->button)
		sim_switch_play(s->button, j, first);
}

static void load_run(void *arg)
{
	struct loading *k = arg;

	if (sim_job_load(k->path, k->plate, &k->job, &k->err) < 0)
		k->job = NULL;
}

static void load_done(void *arg)
{
	struct loading *k = arg;
	struct sim *s = k->sim;

	if (!s) {
		sim_job_unref(k->job);
		free(k);
		return;
	}
	s->loading = NULL;
	if (!k->job)
		log_warn(NULL, "simulated printer: %s", k->err.text);
	if (!k->is_own)
		sim_engine_loaded(s->engine, k->job);
	else if (k->job && sim_engine_print(s->engine, k->job, &k->err) < 0)
		log_warn(NULL, "simulated printer: %s", k->err.text);
	free(k);
}

static void load_submit(struct sim *s, const char *path, unsigned plate, bool is_own)
{
	struct loading *k = MEM_NEW(struct loading);

	k->sim = s;
	k->is_own = is_own;
	k->plate = plate;
	TEXT_SET(k->path, path);
	s->loading = k;
	work_submit(s->pool, load_run, load_done, k);
}

static void on_load(void *arg, const char *path, unsigned plate)
{
	struct sim *s = arg;
	char real[2048];

	if (s->loading || !fs_join_confined(real, sizeof(real), s->storage, path) ||
	    access(real, R_OK) != 0) {
		sim_engine_loaded(s->engine, NULL);
		return;
	}
	load_submit(s, real, plate, false);
}

static void rules_update(struct sim *s)
{
	uint64_t rate = 50000;
	double late_s = 365.0 * 86400;

	s->rules.has_no_storage = sim_engine_has_fault(s->engine, SIM_FAULT_SD_MISSING);
	s->rules.aborts_with_426 = sim_engine_has_fault(s->engine, SIM_FAULT_FTP_426);
	(void)text_to_u64(sim_engine_fault_arg(s->engine, SIM_FAULT_FTP_SLOW), 10, &rate);
	s->rules.bytes_per_s = sim_engine_has_fault(s->engine, SIM_FAULT_FTP_SLOW)
	                               ? (unsigned)MIN(rate, (uint64_t)1 << 30)
	                               : 0;
	(void)text_to_double(sim_engine_fault_arg(s->engine, SIM_FAULT_CLOCK_WRONG), &late_s);
	s->rules.clock_offset_ms = sim_engine_has_fault(s->engine, SIM_FAULT_CLOCK_WRONG)
	                                   ? -(int64_t)(fmax(-1e9, fmin(1e9, late_s)) * 1000)
	                                   : 0;
}

static bool is_off(const struct sim *s)
{
	return sim_engine_has_fault(s->engine, SIM_FAULT_POWER_CUT) ||
	       sim_engine_has_fault(s->engine, SIM_FAULT_DROP);
}

static void on_tick(void *arg)
{
	struct sim *s = arg;
	struct err err;

	int64_t now_us = loop_now_us(s->loop);

	/* On a machine that is busy elsewhere the print slows down, rather than skip layers that a
	 * printer would have told of. */
	s->engine_us += MIN(now_us - s->ticked_us, s->longest_step_us);
	s->ticked_us = now_us;
	sim_engine_tick(s->engine, s->engine_us);
	rules_update(s);
	ftps_server_set_off(s->ftps, is_off(s));
	if (s->repeats && s->print[0] && !s->loading &&
	    sim_engine_rests_s(s->engine) > REPEAT_AFTER_S &&
	    sim_print(s, s->print, s->plate, &err) < 0) {
		log_warn(NULL, "simulated printer: %s", err.text);
		s->repeats = false;
	}
}

static bool on_login(void *arg, const char *user, const char *password)
{
	struct sim *s = arg;

	return text_equal(user, "bblp") && text_equal(password, sim_engine_code(s->engine));
}

static void on_accepted(void *arg, struct stream *stream)
{
	struct service *v = arg;
	struct sim *s = v->sim;

	if (is_off(s) ||
	    (v->kind == SERVICE_RTSP && sim_engine_has_fault(s->engine, SIM_FAULT_LIVEVIEW_OFF))) {
		stream_free(stream);
		return;
	}
	if (v->kind != SERVICE_DETECT)
		stream = tls_server_accept(s->tls, s->loop, stream);
	switch (v->kind) {
	case SERVICE_MQTT:
		sim_broker_accept(s->broker, stream);
		break;
	case SERVICE_CAMERA:
		sim_cam_accept(s->cam, stream);
		break;
	case SERVICE_RTSP:
		sim_rtsp_accept(s->rtsp, stream);
		break;
	case SERVICE_DETECT:
	case SERVICE_DETECT_TLS:
	case SERVICE_N:
		sim_detect_accept(s->detect, stream);
		break;
	}
}

static int service_open(struct sim *s, enum sim_service kind, const char *address, uint16_t *port,
                        struct err *err)
{
	struct service *v = &s->services[kind];

	v->sim = s;
	v->kind = kind;

	int rc = tcp_listener_open(s->loop, address, *port, &(struct tcp_accept){ on_accepted, v },
	                           &v->listener, err);

	if (rc == 0)
		*port = tcp_listener_port(v->listener);
	return rc;
}

static int open_ports(struct sim *s, const char *address, struct err *err)
{
	struct ftps_config f = { .loop = s->loop,
		                 .tls = s->tls,
		                 .address = address,
		                 .port = s->ports.ftps,
		                 .root = s->storage,
		                 .rules = &s->rules,
		                 .login = on_login,
		                 .arg = s };
	int rc = service_open(s, SERVICE_MQTT, address, &s->ports.mqtt, err);

	if (rc == 0)
		rc = ftps_server_open(&f, &s->ftps, err);
	if (rc == 0)
		s->ports.ftps = ftps_server_port(s->ftps);
	if (rc == 0 && s->model->has_jpeg_camera)
		rc = service_open(s, SERVICE_CAMERA, address, &s->ports.camera, err);
	if (rc == 0 && s->rtsp)
		rc = service_open(s, SERVICE_RTSP, address, &s->ports.rtsp, err);
	if (rc == 0)
		rc = service_open(s, SERVICE_DETECT, address, &s->ports.detect, err);
	if (rc == 0)
		rc = service_open(s, SERVICE_DETECT_TLS, address, &s->ports.detect_tls, err);
	return rc;
}

static void serial_make(struct sim *s)
{
	char chance[7];

	crypto_random_text(chance, 6);
	for (char *c = chance; *c; c++)
		*c = (char)('0' + *c % 10);
	(void)snprintf(s->serial, sizeof(s->serial), "%s00A4%s%02d", s->model->prefix, chance, 11);
}

static int identify(struct sim *s, const struct sim_config *c, struct err *err)
{
	const char *wanted = c->model ? c->model : c->serial ? c->serial : "A1";
	size_t n;

	s->model = sim_model_find(wanted);
	if (!s->model)
		return err_set(
			err, -EINVAL,
			"there is no model '%s'; known are A1, A1mini, P1S, P1P, X1C, P2S, H2D "
			"and more",
			wanted);
	if (c->serial)
		TEXT_SET(s->serial, c->serial);
	else
		serial_make(s);
	n = strlen(s->serial);
	if (n < 6 || strspn(s->serial, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != n)
		return err_set(err, -EINVAL, "a serial number is 15 characters of 0-9 and A-Z");
	if (c->name)
		TEXT_SET(s->name, c->name);
	else
		(void)snprintf(s->name, sizeof(s->name), "3DP-%.3s-%s", s->serial,
		               s->serial + n - 3);
	return 0;
}

static void make_parts(struct sim *s, const struct sim_config *c)
{
	struct sim_setup setup = { .model = s->model,
		                   .speed = c->speed > 0 ? c->speed : 1,
		                   .needs_signing = c->needs_signing,
		                   .has_ams = !c->has_no_ams,
		                   .shows_rtsp = s->av_program[0] != '\0',
		                   .now_us = loop_now_us(s->loop),
		                   .wall_ms = loop_wall_ms(s->loop),
		                   .seed = (uint64_t)loop_wall_ms(s->loop),
		                   .arg = s,
		                   .publish = on_publish,
		                   .load = on_load,
		                   .strokes = on_strokes,
		                   .faulted = on_fault };

	TEXT_SET(setup.serial, s->serial);
	TEXT_SET(setup.name, s->name);
	TEXT_SET(setup.code, c->code ? c->code : "12345678");
	TEXT_SET(setup.address, c->address ? c->address : "127.0.0.1");
	s->engine = sim_engine_new(&setup);
	s->broker = sim_broker_new(s->loop, s->engine, s->serial);

	struct sim_cam_config cam = { .loop = s->loop,
		                      .pool = s->pool,
		                      .engine = s->engine,
		                      .frames_per_s = c->camera_fps > 0 ? c->camera_fps
		                                                        : MIN(5.0, setup.speed),
		                      .width = c->camera_width,
		                      .height = c->camera_height,
		                      .delay_us = (int64_t)(c->camera_delay_ms * 1000),
		                      .is_strict = c->is_strict_camera };

	s->cam = sim_cam_new(&cam);
	if (!s->model->has_jpeg_camera && s->av_program[0])
		s->rtsp = sim_rtsp_new(&(struct sim_rtsp_config){ .loop = s->loop,
		                                                  .engine = s->engine,
		                                                  .cam = s->cam,
		                                                  .av_program = s->av_program });
	s->rules.is_small = s->model->moves_bed_in_y;
	s->rules.demands_reuse = !s->model->moves_bed_in_y;
}

static int start_rest(struct sim *s, const struct sim_config *c, struct err *err)
{
	const char *address = c->address ? c->address : "127.0.0.1";
	struct sim_identity id = { 0 };

	TEXT_SET(id.serial, s->serial);
	TEXT_SET(id.name, s->name);
	TEXT_SET(id.model, s->model->code);
	TEXT_SET(id.firmware, s->model->firmware);
	TEXT_SET(id.address, address);
	s->detect = sim_detect_new(s->loop, &id);

	int rc = open_ports(s, address, err);

	if (rc < 0)
		return rc;
	if (c->announces && sim_announce_start(s->loop, &id, &s->announce, err) < 0)
		log_warn(NULL, "simulated printer: not announced: %s", err ? err->text : "");
	if (c->replay)
		rc = sim_replay_start(s->loop, s->engine, c->replay, c->speed, &s->replay, err);
	if (rc == 0 && c->print)
		rc = sim_print(s, c->print, c->plate, err);
	return rc;
}

int sim_start(struct loop *l, const struct sim_config *c, struct sim **ret, struct err *err)
{
	struct sim *s = MEM_NEW(struct sim);
	double speed = c->speed > 0 ? c->speed : 1;

	s->loop = l;
	s->ports = c->ports;
	s->plate = c->plate;
	s->repeats = c->repeats;
	timer_init(&s->tick, l, on_tick, s);
	TEXT_SET(s->print, c->print);
	TEXT_SET(s->storage, c->storage);
	TEXT_SET(s->av_program, c->av_program);
	if (c->button)
		s->button = sim_switch_new(l, c->button);

	int rc = identify(s, c, err);

	if (rc == 0)
		rc = fs_make_dirs(s->storage, err);
	if (rc == 0)
		rc = sim_certs_make(c->cert_dir, s->serial, loop_wall_ms(l), &s->certs, err);
	if (rc == 0)
		rc = tls_server_new(&(struct tls_server_config){ .certificate_file = s->certs.leaf,
		                                                 .key_file = s->certs.key,
		                                                 .max_version = 12,
		                                                 /* bambu.md 4.1 */
		                                                 .max_record = 4096 },
		                    &s->tls, err);
	if (rc == 0) {
		s->pool = work_pool_new(l, "simulator", 1);
		make_parts(s, c);
		rc = start_rest(s, c, err);
	}
	if (rc < 0) {
		sim_stop(s);
		return rc;
	}
	int64_t tick_ms = (int64_t)fmax(FASTEST_TICK_MS, TICK_MS / speed);

	s->engine_us = s->ticked_us = loop_now_us(l);
	s->longest_step_us = MAX((int64_t)(LONGEST_STEP_S * 1e6 / speed), 2000 * tick_ms);
	timer_start_every(&s->tick, tick_ms);
	*ret = s;
	return 0;
}

void sim_stop(struct sim *s)
{
	if (!s)
		return;
	sim_switch_free(s->button);
	timer_stop(&s->tick);
	for (size_t i = 0; i < SERVICE_N; i++)
		tcp_listener_close(s->services[i].listener);
	sim_announce_stop(s->announce);
	sim_replay_stop(s->replay);
	ftps_server_close(s->ftps);
	sim_detect_free(s->detect);
	sim_broker_free(s->broker);
	sim_rtsp_free(s->rtsp);
	sim_cam_free(s->cam);
	if (s->loading)
		s->loading->sim = NULL;
	if (s->pool)
		work_pool_free(s->pool);
	sim_engine_free(s->engine);
	tls_server_free(s->tls);
	free(s);
}

const struct sim_ports *sim_ports(const struct sim *s)
{
	return &s->ports;
}

const char *sim_serial(const struct sim *s)
{
	return s->serial;
}

const char *sim_name(const struct sim *s)
{
	return s->name;
}

const struct sim_model *sim_model(const struct sim *s)
{
	return s->model;
}

const char *sim_ca_file(const struct sim *s)
{
	return s->certs.ca;
}

struct sim_engine *sim_engine(struct sim *s)
{
	return s->engine;
}

int sim_print(struct sim *s, const char *path, unsigned plate, struct err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dest = mem_printf("%s/%s", s->storage, slash ? slash + 1 : path);
	auto_buf struct buf bytes;
	int rc = fs_read(path, MAX_JOB_FILE, &bytes, err);

	if (rc < 0)
		return rc;
	if (s->loading || sim_engine_is_busy(s->engine))
		return err_set(err, -EBUSY, "the simulated printer is printing already");
	/* As an upload would leave it: clients fetch it from there. */
	rc = fs_write_atomic(dest, bytes.data, bytes.size, 0600, err);
	if (rc < 0)
		return rc;
	load_submit(s, dest, plate, true);
	return 0;
}

static void control_print(struct sim *s, const char *rest, char *answer, size_t size)
{
	char path[1024];
	struct err err;
	uint64_t plate = 0;

	TEXT_SET(path, rest);

	char *blank = strrchr(path, ' ');

	if (blank && text_to_u64(blank + 1, 10, &plate) && plate < 1000)
		*blank = '\0';
	if (sim_print(s, path, (unsigned)plate, &err) < 0)
		(void)snprintf(answer, size, "error: %s", err.text);
	else
		text_copy(answer, size, "ok");
}

static void control_state(struct sim *s, char *answer, size_t size)
{
	json_t *full = sim_engine_full(s->engine), *p = json_object_get(full, "print");
	const char *state = json_string_value(json_object_get(p, "gcode_state"));

	(void)snprintf(answer, size, "%s layer %d of %d, %d %%, %u clients", state ? state : "?",
	               (int)json_integer_value(json_object_get(p, "layer_num")),
	               (int)json_integer_value(json_object_get(p, "total_layer_num")),
	               (int)json_integer_value(json_object_get(p, "mc_percent")),
	               sim_broker_clients(s->broker));
	json_decref(full);
}

void sim_control(struct sim *s, const char *line, char *answer, size_t size)
{
	struct err err;

	if (text_starts(line, "print ")) {
		control_print(s, line + 6, answer, size);
	} else if (text_equal(line, "state")) {
		control_state(s, answer, size);
	} else if (sim_engine_fault(s->engine, line, &err) < 0) {
		(void)snprintf(answer, size, "error: %s", err.text);
	} else {
		rules_update(s);
		text_copy(answer, size, "ok");
	}
}
