/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bedside simulate bambu: a printer nobody can tell from outside. */

#include "app/cmd.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "film/films.h"
#include "printers/sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define MAX_FAULTS 32
#define MAX_LINE 1200

static const char usage[] =
	"usage: bedside simulate job [option]… FILE   (writes a sliced job of our own)\n"
	"       bedside simulate moonraker [option]… FILE   (a Klipper printer)\n"
	"       bedside simulate octoprint [option]… FILE   (an OctoPrint with a printer)\n"
	"       bedside simulate prusalink [option]… FILE   (a Prusa printer)\n"
	"       bedside simulate bambu [option]…\n"
	"\n"
	"  --model NAME          A1 (default), A1mini, P1S, P1P, X1C, X1, X1E, P2S, H2D, …\n"
	"  --serial S            15 characters; made up if not given\n"
	"  --name NAME           as it announces itself\n"
	"  --code C              access code (default 12345678)\n"
	"  --address A           to listen on (default 127.0.0.1)\n"
	"  --port-base N         N MQTT, N+1 FTPS, N+2 camera, N+3 and N+4 detect probe,\n"
	"                        N+5 RTSPS\n"
	"  --mqtt-port, --ftps-port, --camera-port, --detect-port, --detect-tls-port,\n"
	"  --rtsp-port N\n"
	"                        default 0: any free one, printed\n"
	"  --usual-ports         8883, 990, 6000, 322, 3000, 3002\n"
	"  --storage DIR         what FTPS serves (default: a folder under --cert-dir)\n"
	"  --cert-dir DIR        CA and certificates (default ~/.local/share/bedside/simulator)\n"
	"  --print FILE          a .gcode.3mf to print at once; --plate N, --repeat\n"
	"  --button FILE         its head presses a button at X -48: writes pull-down and\n"
	"                        pull-up into FILE, at a real printer's pace\n"
	"  --speed FACTOR        everything so many times faster\n"
	"  --replay FILE         a recording (.jsonl) or a report (.json)\n"
	"  --camera-delay MS     its pictures come so much later than what they show\n"
	"  --camera-fps N, --strict-camera, --no-ams, --sign (refuses unsigned commands)\n"
	"  --fault NAME[:ARG][@l12|@30s]  may be given several times\n"
	"  --no-ssdp             does not announce itself\n"
	"  --control PATH        unix socket that takes a line each: a fault, clear, state,\n"
	"                        print FILE [PLATE], quit. Standard input takes the same\n"
	"\n"
	"faults:";

struct options {
	struct sim_config sim;
	const char *faults[MAX_FAULTS];
	unsigned n_faults;
	const char *control;
	char cert_dir[1024], storage[1200], av_program[1024];
};

/* Lines that come in on standard input or on the control socket. */
struct talk {
	struct simulate *app;
	uv_pipe_t pipe;
	struct buf line;
	bool answers; /* on the pipe, else on standard output */
};

struct simulate {
	struct loop *loop;
	struct sim *sim;
	struct options o;
	struct talk stdin_talk;
	bool has_stdin;
	uv_pipe_t control;
	bool has_control;
	uv_signal_t signals[2];
};

static void print_usage(FILE *to)
{
	fputs(usage, to);
	for (unsigned i = 0; i < SIM_FAULT_N; i++)
		fprintf(to, "%s %s",
		        i % 6 ? ","
		        : i   ? ",\n "
		              : "\n ",
		        sim_fault_name((enum sim_fault)i));
	fputs("\n", to);
}

enum option_id {
	OPT_MODEL = 256,
	OPT_SERIAL,
	OPT_NAME,
	OPT_CODE,
	OPT_ADDRESS,
	OPT_BASE,
	OPT_MQTT,
	OPT_FTPS,
	OPT_CAMERA,
	OPT_DETECT,
	OPT_DETECT_TLS,
	OPT_RTSP,
	OPT_USUAL,
	OPT_STORAGE,
	OPT_CERTS,
	OPT_PRINT,
	OPT_PLATE,
	OPT_REPEAT,
	OPT_BUTTON,
	OPT_SPEED,
	OPT_REPLAY,
	OPT_DELAY,
	OPT_FPS,
	OPT_STRICT,
	OPT_NO_AMS,
	OPT_SIGN,
	OPT_FAULT,
	OPT_NO_SSDP,
	OPT_CONTROL,
	OPT_HELP
};

static const struct option long_options[] = {
	{ "model", 1, NULL, OPT_MODEL },
	{ "serial", 1, NULL, OPT_SERIAL },
	{ "name", 1, NULL, OPT_NAME },
	{ "code", 1, NULL, OPT_CODE },
	{ "address", 1, NULL, OPT_ADDRESS },
	{ "port-base", 1, NULL, OPT_BASE },
	{ "mqtt-port", 1, NULL, OPT_MQTT },
	{ "ftps-port", 1, NULL, OPT_FTPS },
	{ "camera-port", 1, NULL, OPT_CAMERA },
	{ "rtsp-port", 1, NULL, OPT_RTSP },
	{ "detect-port", 1, NULL, OPT_DETECT },
	{ "detect-tls-port", 1, NULL, OPT_DETECT_TLS },
	{ "usual-ports", 0, NULL, OPT_USUAL },
	{ "storage", 1, NULL, OPT_STORAGE },
	{ "cert-dir", 1, NULL, OPT_CERTS },
	{ "print", 1, NULL, OPT_PRINT },
	{ "plate", 1, NULL, OPT_PLATE },
	{ "repeat", 0, NULL, OPT_REPEAT },
	{ "button", 1, NULL, OPT_BUTTON },
	{ "speed", 1, NULL, OPT_SPEED },
	{ "replay", 1, NULL, OPT_REPLAY },
	{ "camera-delay", 1, NULL, OPT_DELAY },
	{ "camera-fps", 1, NULL, OPT_FPS },
	{ "strict-camera", 0, NULL, OPT_STRICT },
	{ "no-ams", 0, NULL, OPT_NO_AMS },
	{ "sign", 0, NULL, OPT_SIGN },
	{ "fault", 1, NULL, OPT_FAULT },
	{ "no-ssdp", 0, NULL, OPT_NO_SSDP },
	{ "control", 1, NULL, OPT_CONTROL },
	{ "help", 0, NULL, OPT_HELP },
	{ 0 },
};

static int option_number(const char *text, double max, double *ret)
{
	double v;

	if (!text_to_double(text, &v) || v < 0 || v > max) {
		fprintf(stderr, "bedside simulate: '%s' is not a number from 0 to %g\n", text, max);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int option_port(uint16_t *ret, const char *text)
{
	double v;
	int rc = option_number(text, 65535, &v);

	if (rc == 0)
		*ret = (uint16_t)v;
	return rc;
}

static int option_base(struct sim_ports *p, const char *text)
{
	uint16_t n;
	int rc = option_port(&n, text);

	if (rc == 0)
		*p = (struct sim_ports){ n,
			                 (uint16_t)(n + 1),
			                 (uint16_t)(n + 2),
			                 (uint16_t)(n + 3),
			                 (uint16_t)(n + 4),
			                 (uint16_t)(n + 5) };
	return rc;
}

/* Options that take a port or another number. 1: it was none of these. */
static int take_number(struct options *o, int id, const char *arg)
{
	double v;
	int rc;

	switch (id) {
	case OPT_BASE:
		return option_base(&o->sim.ports, arg);
	case OPT_MQTT:
		return option_port(&o->sim.ports.mqtt, arg);
	case OPT_FTPS:
		return option_port(&o->sim.ports.ftps, arg);
	case OPT_CAMERA:
		return option_port(&o->sim.ports.camera, arg);
	case OPT_RTSP:
		return option_port(&o->sim.ports.rtsp, arg);
	case OPT_DETECT:
		return option_port(&o->sim.ports.detect, arg);
	case OPT_DETECT_TLS:
		return option_port(&o->sim.ports.detect_tls, arg);
	case OPT_SPEED:
		return option_number(arg, 100000, &o->sim.speed);
	case OPT_DELAY:
		return option_number(arg, 10000, &o->sim.camera_delay_ms);
	case OPT_FPS:
		return option_number(arg, 60, &o->sim.camera_fps);
	case OPT_PLATE:
		rc = option_number(arg, 999, &v);
		if (rc == 0)
			o->sim.plate = (unsigned)v;
		return rc;
	default:
		return 1;
	}
}

static int take_text(struct options *o, int id, const char *arg)
{
	switch (id) {
	case OPT_MODEL:
		o->sim.model = arg;
		return 0;
	case OPT_SERIAL:
		o->sim.serial = arg;
		return 0;
	case OPT_NAME:
		o->sim.name = arg;
		return 0;
	case OPT_CODE:
		o->sim.code = arg;
		return 0;
	case OPT_ADDRESS:
		o->sim.address = arg;
		return 0;
	case OPT_STORAGE:
		TEXT_SET(o->storage, arg);
		return 0;
	case OPT_CERTS:
		TEXT_SET(o->cert_dir, arg);
		return 0;
	case OPT_BUTTON:
		o->sim.button = arg;
		return 0;
	case OPT_PRINT:
		o->sim.print = arg;
		return 0;
	case OPT_REPLAY:
		o->sim.replay = arg;
		return 0;
	case OPT_CONTROL:
		o->control = arg;
		return 0;
	case OPT_FAULT:
		if (o->n_faults == MAX_FAULTS)
			return -E2BIG;
		o->faults[o->n_faults++] = arg;
		return 0;
	default:
		return 1;
	}
}

static int take_switch(struct options *o, int id)
{
	switch (id) {
	case OPT_REPEAT:
		o->sim.repeats = true;
		return 0;
	case OPT_STRICT:
		o->sim.is_strict_camera = true;
		return 0;
	case OPT_NO_AMS:
		o->sim.has_no_ams = true;
		return 0;
	case OPT_SIGN:
		o->sim.needs_signing = true;
		return 0;
	case OPT_NO_SSDP:
		o->sim.announces = false;
		return 0;
	case OPT_USUAL:
		o->sim.ports = (struct sim_ports){ 8883, 990, 6000, 3000, 3002, 322 };
		return 0;
	default:
		return -EINVAL;
	}
}

static void defaults(struct options *o)
{
	const char *home = getenv("HOME");          /* NOLINT(concurrency-mt-unsafe) at start */
	const char *data = getenv("XDG_DATA_HOME"); /* NOLINT(concurrency-mt-unsafe) at start */

	if (!o->cert_dir[0] && data && data[0] == '/')
		(void)snprintf(o->cert_dir, sizeof(o->cert_dir), "%s/bedside/simulator", data);
	else if (!o->cert_dir[0])
		(void)snprintf(o->cert_dir, sizeof(o->cert_dir),
		               "%s/.local/share/bedside/simulator", home ? home : "/tmp");
	if (!o->storage[0])
		(void)snprintf(o->storage, sizeof(o->storage), "%s/storage", o->cert_dir);
	o->sim.cert_dir = o->cert_dir;
	o->sim.storage = o->storage;
}

static int parse(struct options *o, int argc, char **argv)
{
	int id;

	o->sim.announces = true;
	optind = 1;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
	while ((id = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (id == OPT_HELP)
			return 1;

		int rc = take_number(o, id, optarg);

		if (rc == 1)
			rc = take_text(o, id, optarg);
		if (rc == 1)
			rc = take_switch(o, id);
		if (rc < 0)
			return rc;
	}
	if (optind < argc) {
		fprintf(stderr, "bedside simulate: what is '%s'?\n", argv[optind]);
		return -EINVAL;
	}
	defaults(o);
	films_find_worker(o->av_program, sizeof(o->av_program));
	o->sim.av_program = o->av_program;
	return 0;
}

/* Control. */

static void on_written(uv_write_t *req, int rc)
{
	(void)rc;
	free(req->data);
	free(req);
}

static void talk_answer(struct talk *t, const char *text)
{
	if (!t->answers) {
		fprintf(stderr, "%s\n", text);
		return;
	}

	uv_write_t *req = MEM_NEW(uv_write_t);
	uv_buf_t b;

	req->data = mem_printf("%s\n", text);
	b = uv_buf_init(req->data, (unsigned)strlen(req->data));
	if (uv_write(req, (uv_stream_t *)&t->pipe, &b, 1, on_written) < 0)
		on_written(req, 0);
}

static void talk_line(struct talk *t, char *line)
{
	char answer[600];

	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		return;
	if (text_equal(line, "quit")) {
		talk_answer(t, "ok");
		loop_stop(t->app->loop);
		return;
	}
	sim_control(t->app->sim, line, answer, sizeof(answer));
	talk_answer(t, answer);
}

static void talk_close(uv_handle_t *handle)
{
	struct talk *t = handle->data;

	buf_fini(&t->line);
	if (t->answers)
		free(t);
}

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *ret)
{
	(void)handle;
	(void)wanted;
	*ret = uv_buf_init(mem_new(MAX_LINE), MAX_LINE);
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
	struct talk *t = stream->data;

	for (ssize_t i = 0; i < n; i++) {
		if (b->base[i] != '\n') {
			buf_add_char(&t->line, b->base[i]);
			continue;
		}

		char *line = mem_str(buf_peek(&t->line));

		buf_clear(&t->line);
		talk_line(t, line);
		free(line);
	}
	free(b->base);
	if ((n < 0 || t->line.overflown) && t->answers)
		uv_close((uv_handle_t *)stream, talk_close);
	else if (n < 0)
		uv_read_stop(stream); /* standard input is at its end: we go on */
}

static void on_control(uv_stream_t *server, int rc)
{
	struct simulate *a = server->data;

	if (rc < 0)
		return;

	struct talk *t = MEM_NEW(struct talk);

	t->app = a;
	t->answers = true;
	buf_init(&t->line, MAX_LINE);
	uv_pipe_init(loop_uv(a->loop), &t->pipe, 0);
	t->pipe.data = t;
	if (uv_accept(server, (uv_stream_t *)&t->pipe) < 0 ||
	    uv_read_start((uv_stream_t *)&t->pipe, on_alloc, on_bytes) < 0)
		uv_close((uv_handle_t *)&t->pipe, talk_close);
}

static int control_open(struct simulate *a, struct err *err)
{
	if (!a->o.control)
		return 0;
	(void)unlink(a->o.control);
	uv_pipe_init(loop_uv(a->loop), &a->control, 0);
	a->control.data = a;
	a->has_control = true;

	int rc = uv_pipe_bind(&a->control, a->o.control);

	if (rc == 0)
		rc = chmod(a->o.control, 0600) < 0 ? -errno : 0;
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&a->control, 8, on_control);
	return rc < 0 ? err_set(err, rc, "control socket %s: %s", a->o.control, uv_strerror(rc))
	              : 0;
}

/* A pipe or terminal as standard input takes commands too; anything else (/dev/null) does not. */
static void stdin_open(struct simulate *a)
{
	uv_handle_type type = uv_guess_handle(STDIN_FILENO);

	if (type != UV_NAMED_PIPE)
		return;
	a->stdin_talk.app = a;
	buf_init(&a->stdin_talk.line, MAX_LINE);
	uv_pipe_init(loop_uv(a->loop), &a->stdin_talk.pipe, 0);
	a->stdin_talk.pipe.data = &a->stdin_talk;
	a->has_stdin = true;
	if (uv_pipe_open(&a->stdin_talk.pipe, STDIN_FILENO) == 0)
		uv_read_start((uv_stream_t *)&a->stdin_talk.pipe, on_alloc, on_bytes);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct simulate *a = handle->data;

	(void)number;
	loop_stop(a->loop);
}

static void print_ready(const struct simulate *a)
{
	const struct sim_ports *p = sim_ports(a->sim);
	json_t *j = json_pack("{s:s s:s s:s s:s s:s s:s s:s s:s s:s s:{s:i s:i s:i s:i s:i s:i}}",
	                      "simulating", "bambu", "model", sim_model(a->sim)->name, "model_code",
	                      sim_model(a->sim)->code, "serial", sim_serial(a->sim), "name",
	                      sim_name(a->sim), "address",
	                      a->o.sim.address ? a->o.sim.address : "127.0.0.1", "access_code",
	                      sim_engine_code(sim_engine(a->sim)), "ca_file", sim_ca_file(a->sim),
	                      "storage", a->o.storage, "ports", "mqtt", (int)p->mqtt, "ftps",
	                      (int)p->ftps, "camera", (int)p->camera, "detect", (int)p->detect,
	                      "detect_tls", (int)p->detect_tls, "rtsp", (int)p->rtsp);
	char *text = json_dumps(j, JSON_COMPACT);

	puts(text);
	(void)fflush(stdout);
	free(text);
	json_decref(j);
}

static int start(struct simulate *a, struct err *err)
{
	int rc = sim_start(a->loop, &a->o.sim, &a->sim, err);

	for (unsigned i = 0; rc == 0 && i < a->o.n_faults; i++)
		rc = sim_engine_fault(sim_engine(a->sim), a->o.faults[i], err);
	if (rc == 0)
		rc = control_open(a, err);
	return rc;
}

static void stop(struct simulate *a)
{
	for (size_t i = 0; i < ARRAY_LEN(a->signals); i++)
		uv_close((uv_handle_t *)&a->signals[i], NULL);
	if (a->has_stdin)
		uv_close((uv_handle_t *)&a->stdin_talk.pipe, talk_close);
	if (a->has_control) {
		uv_close((uv_handle_t *)&a->control, NULL);
		(void)unlink(a->o.control);
	}
	sim_stop(a->sim);
	loop_free(a->loop);
}

static int run(struct simulate *a)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct err err = { 0 };

	a->loop = loop_new();
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(loop_uv(a->loop), &a->signals[i]);
		a->signals[i].data = a;
		uv_signal_start(&a->signals[i], on_signal, numbers[i]);
	}

	int rc = start(a, &err);

	if (rc == 0) {
		stdin_open(a);
		print_ready(a);
		loop_run(a->loop);
	} else {
		fprintf(stderr, "bedside simulate: %s\n", err.text);
	}
	stop(a);
	return rc < 0;
}

int cmd_simulate(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "job") == 0)
		return simulate_job(argc - 1, argv + 1);
	if (argc >= 2 && (strcmp(argv[1], "moonraker") == 0 || strcmp(argv[1], "octoprint") == 0 ||
	                  strcmp(argv[1], "prusalink") == 0))
		return simulate_web(argc - 1, argv + 1);

	struct simulate *a = MEM_NEW(struct simulate);
	int rc;

	if (argc < 2 || strcmp(argv[1], "bambu") != 0) {
		print_usage(argc >= 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
		rc = argc >= 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
	} else {
		rc = parse(&a->o, argc - 1, argv + 1);
		if (rc == 1)
			print_usage(stdout);
		rc = rc == 1 ? 0 : rc < 0 ? 2 : run(a);
	}
	free(a);
	return rc;
}
