/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * demo: the daemon beside two simulated printers, which are processes of their own and are spoken to
 * over real sockets. Beside the first stand a simulated button with lights, and climate sensors.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "app/plumbing.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "capture/plan.h"
#include "core/fs.h"
#include "gcode/make.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define N_PRINTERS 2
#define START_LIMIT_MS \
	120000 /* a key is made first; small machines take their time. A dead one is noticed at once */
#define MAX_ANNOUNCEMENT 4096
#define DEMO_KEEP_MS INT64_C(3600000) /* it prints on and on */
#define CLIMATE_EVERY_MS 5000
#define CLICK_WINDOW_US 500000 /* a browser stands between finger and button */
#define DEMO_CODE "12345678"

struct demo_printer {
	const char *id, *name, *model, *serial;
	enum gcode_shape shape;
	enum gcode_machine machine;
	const char *file;
	unsigned n_layers;
	const char *speed;
};

static const struct demo_printer demo_printers[N_PRINTERS] = {
	{ "a1", "A1", "A1", "03900A4D0000001", GCODE_SHAPE_VASE, GCODE_MACHINE_A1,
	  "Twisted vase.gcode.3mf", 60, "10" },
	{ "p1s", "P1S", "P1S", "01P00A4D0000002", GCODE_SHAPE_GEAR, GCODE_MACHINE_P1S,
	  "Gear.gcode.3mf", 50, "11" },
};

struct simulator {
	pid_t pid; /* 0: not started */
	int out;   /* its standard output, kept open for its life */
	char dir[1024];
	json_t *announced; /* ports and CA */
};

static int write_job(const struct demo_printer *d, const char *dir, char *path, size_t size,
                     struct err *err)
{
	const struct gcode_make m = { .shape = d->shape,
		                      .machine = d->machine,
		                      .n_layers = d->n_layers };
	struct buf b = { 0 };

	snprintf(path, size, "%s/storage", dir);

	int rc = fs_make_dirs(path, err);

	if (rc < 0)
		return rc;
	rc = gcode_make_threemf(&m, &b, err);
	if (rc < 0)
		return rc;
	snprintf(path, size, "%s/storage/%s", dir, d->file);
	rc = fs_write_atomic(path, b.data, b.size, 0600, err);
	buf_fini(&b);
	return rc;
}

/* In the child, between fork and exec. */
static _Noreturn void become_simulator(const struct demo_printer *d, const struct simulator *s,
                                       const char *job, int out)
{
	char storage[1100], certs[1100], log[1100];

	snprintf(storage, sizeof(storage), "%s/storage", s->dir);
	snprintf(certs, sizeof(certs), "%s/certs", s->dir);
	snprintf(log, sizeof(log), "%s/log", s->dir);

	int log_fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(null_fd, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(log_fd >= 0 ? log_fd : null_fd, STDERR_FILENO);
	execl("/proc/self/exe", "bedside", "simulate", "bambu", "--model", d->model, "--serial",
	      d->serial, "--code", DEMO_CODE, "--address", "127.0.0.1", "--storage", storage,
	      "--cert-dir", certs, "--print", job, "--repeat", "--speed", d->speed, "--camera-fps",
	      "10", "--no-ssdp", (char *)NULL);
	_exit(127);
}

static int read_announcement(struct simulator *s, struct err *err)
{
	char text[MAX_ANNOUNCEMENT];
	size_t n = 0;
	struct pollfd p = { .fd = s->out, .events = POLLIN };

	while (n + 1 < sizeof(text) && !memchr(text, '\n', n)) {
		if (poll(&p, 1, START_LIMIT_MS) <= 0)
			return err_set(err, -ETIMEDOUT, "a simulated printer does not start");

		ssize_t got = read(s->out, text + n, sizeof(text) - 1 - n);

		if (got <= 0)
			return err_set(err, -EPIPE, "a simulated printer ended; see %s/log",
			               s->dir);
		n += (size_t)got;
	}
	s->announced = json_loadb(text, n, JSON_DISABLE_EOF_CHECK, NULL);
	if (!json_is_object(s->announced))
		return err_set(err, -EPROTO, "a simulated printer does not say its ports");
	return 0;
}

static int start_simulator(const struct demo_printer *d, const char *data_dir, struct simulator *s,
                           struct err *err)
{
	char job[1200];
	int ends[2];

	snprintf(s->dir, sizeof(s->dir), "%.900s/demo/%s", data_dir, d->id);

	int rc = write_job(d, s->dir, job, sizeof(job), err);

	if (rc < 0)
		return rc;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(err, "making a pipe");
	s->pid = fork();
	if (s->pid == 0)
		become_simulator(d, s, job, ends[1]);
	close(ends[1]);
	s->out = ends[0];
	if (s->pid < 0)
		return err_sys(err, "starting a simulated printer");
	return read_announcement(s, err);
}

static uint16_t announced_port(const struct simulator *s, const char *name)
{
	return (uint16_t)json_integer_value(
		json_object_get(json_object_get(s->announced, "ports"), name));
}

static void add_printer(struct config *c, const struct demo_printer *d, const struct simulator *s)
{
	c->printers = mem_grow(c->printers, c->n_printers + 1, sizeof(*c->printers));

	struct printer_entry *e = &c->printers[c->n_printers++];
	struct printer_config *p = &e->printer;
	const char *ca = json_string_value(json_object_get(s->announced, "ca_file"));

	*e = (struct printer_entry){ 0 };
	session_plan_init(&e->plan);
	capture_plan_init(&e->capture);
	c->capture = e->capture; /* of printers that are added */
	e->plan.film.hold_s = 1;
	TEXT_SET(e->plan.cameras[e->plan.n_cameras], d->id);
	e->plan.n_cameras++;
	TEXT_SET(p->id, d->id);
	TEXT_SET(p->name, d->name);
	TEXT_SET(p->driver, "bambu");
	TEXT_SET(p->address, "127.0.0.1");
	TEXT_SET(p->serial, d->serial);
	TEXT_SET(p->model, "auto");
	secret_set(&p->access_code, DEMO_CODE);
	TEXT_SET(p->trust.ca_file, ca ? ca : "");
	p->offline_after_ms = 60000;
	p->has_camera = true;
	p->ports = (struct printer_ports){ .mqtt = announced_port(s, "mqtt"),
		                           .ftps = announced_port(s, "ftps"),
		                           .camera = announced_port(s, "camera"),
		                           .rtsp = announced_port(s, "rtsp"),
		                           .detect = announced_port(s, "detect"),
		                           .detect_tls = announced_port(s, "detect_tls") };
}

/* A second look at the first printer, drawn; its films stay those of the printer's own camera. */
static void add_side_camera(struct config *c)
{
	struct camera_config *k;

	c->cameras = mem_grow(c->cameras, c->n_cameras + 1, sizeof(*c->cameras));
	k = &c->cameras[c->n_cameras++];
	memset(k, 0, sizeof(*k));
	TEXT_SET(k->id, "drawing");
	TEXT_SET(k->name, "Drawing of the A1");
	TEXT_SET(k->driver, "fake");
	TEXT_SET(k->printer, demo_printers[0].id);
	k->width = 1280;
	k->height = 720;
	k->fps = 5;
	k->quality = 90;
	k->stale_after_ms = 10000;
}

/* What stands beside the first printer. */
static void add_rig(struct config *c)
{
	static const char *const places[] = { "Enclosure", "Filament box" };
	struct panel_config *p = &c->panel;

	p->has_button = p->is_button_simulated = true;
	p->has_lights = p->are_lights_simulated = true;
	TEXT_SET(p->printer, demo_printers[0].id);
	button_rules_init(&p->rules);
	p->rules.window_us = CLICK_WINDOW_US;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		struct climate_config *k = &c->climates.sensors[c->climates.n_sensors++];

		*k = (struct climate_config){ .every_ms = CLIMATE_EVERY_MS, .is_simulated = true };
		TEXT_SET(k->location, places[i]);
	}
}

static void stop_simulators(struct simulator *list)
{
	for (size_t i = 0; i < N_PRINTERS; i++) {
		if (list[i].pid > 0) {
			kill(list[i].pid, SIGTERM);
			waitpid(list[i].pid, NULL, 0);
			close(list[i].out);
		}
		json_decref(list[i].announced);
	}
}

static int run_demo(struct config *config, struct err *err)
{
	struct simulator simulators[N_PRINTERS] = { 0 };
	int rc = 0;

	for (size_t i = 0; i < N_PRINTERS && rc == 0; i++) {
		rc = start_simulator(&demo_printers[i], config->data_dir, &simulators[i], err);
		if (rc == 0)
			add_printer(config, &demo_printers[i], &simulators[i]);
	}
	if (rc == 0) {
		add_side_camera(config);
		add_rig(config);

		const struct plumbing_options o = { .config = config,
			                            .is_demo = true,
			                            .ready = serve_ready };

		rc = plumbing_run(&o, err);
	}
	stop_simulators(simulators);
	return rc;
}

static void demo_data_dir(char *dst, size_t size)
{
	const char *home = getenv("HOME"); /* NOLINT(concurrency-mt-unsafe) at start */

	if (home && strcmp(home, "/") != 0)
		snprintf(dst, size, "%s/.local/share/bedside-demo", home);
	else
		text_copy(dst, size, "/tmp/bedside-demo");
}

int cmd_demo(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct serve_options o;
	char data_dir[1024];
	struct err err = { 0 };

	if (serve_options(argc, argv, &o) != 0 || o.config) {
		fputs("usage: bedside demo [--data DIR] [--port N]\n", stderr);
		return 2;
	}
	demo_data_dir(data_dir, sizeof(data_dir));
	if (!config_load(NULL, o.data ? o.data : data_dir, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}
	/* It asks nobody for a password: it is for this machine. */
	if (config.web.listen[0] == '\0')
		TEXT_SET(config.web.listen, "127.0.0.1");
	if (o.port >= 0)
		config.web.port = (uint16_t)o.port;

	config.storage.keep_frames_ms = DEMO_KEEP_MS;
	config.storage.keep_films_ms = DEMO_KEEP_MS;

	int rc = run_demo(&config, &err);

	if (rc < 0)
		fprintf(stderr, "bedside: %s\n", err.text);
	config_fini(&config);
	if (rc == PLUMBING_AGAIN)
		serve_again(argc, argv);
	return rc == 0 ? 0 : 1;
}
