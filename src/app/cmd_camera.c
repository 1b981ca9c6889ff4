/* SPDX-License-Identifier: GPL-3.0-or-later */
/* camera: tries a camera without the daemon and says what it gives (CAME-8). */

#include "app/cmd.h"
#include "app/config.h"
#include "base/err.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "film/films.h"
#include "media/frame.h"
#include "printers/bambu/tables.h"
#include "printers/bambu_ca.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000
#define DEFAULT_COUNT 5

struct request {
	const char *camera; /* of the configuration; NULL: `direct` */
	const char *config_file;
	const char *out; /* file for the last picture */
	int64_t count;
	struct camera_config direct;
};

struct trial {
	struct loop *loop;
	struct camera_test_result result;
};

static int usage(void)
{
	fputs("usage: bedside camera test CAMERA [--config FILE] [--count N] [--out FILE.jpg]\n"
	      "       bedside camera test URL|DEVICE|FOLDER [--user NAME] [--code-file FILE]\n"
	      "               [--trust ca|insecure|sha256:…] [--ca-file FILE]\n"
	      "       bedside camera test --bambu ADDRESS --serial SERIAL --code-file FILE\n"
	      "               [--trust ca|insecure|sha256:…] [--ca-file FILE] [--port PORT]\n"
	      "       bedside camera list\n"
	      "       bedside camera controls CAMERA [NAME=VALUE ...] [--config FILE]\n"
	      "       bedside camera calibrate CAMERA [--printer NAME | --led FILE] [--toggles N] "
	      "[--write]\n"
	      "CAMERA is the name of a camera or of a printer. The access code or password is the "
	      "first line of\n"
	      "FILE, of standard input for -; or stands in the environment as "
	      "BEDSIDE_ACCESS_CODE.\n--code CODE works too, but other users can see it.\n",
	      stderr);
	return 2;
}

static bool read_port(const char *text, uint16_t *ret)
{
	int64_t n;

	if (!text_to_i64(text, &n) || n < 1 || n > 65535)
		return false;
	*ret = (uint16_t)n;
	return true;
}

enum camera_option {
	OPTION_BAMBU = 256,
	OPTION_SERIAL,
	OPTION_CODE,
	OPTION_CODE_FILE,
	OPTION_TRUST,
	OPTION_CA_FILE,
	OPTION_PORT,
	OPTION_CONFIG,
	OPTION_COUNT,
	OPTION_OUT,
	OPTION_USER,
};

static const struct option options[] = {
	{ "bambu", required_argument, NULL, OPTION_BAMBU },
	{ "serial", required_argument, NULL, OPTION_SERIAL },
	{ "code", required_argument, NULL, OPTION_CODE },
	{ "code-file", required_argument, NULL, OPTION_CODE_FILE },
	{ "trust", required_argument, NULL, OPTION_TRUST },
	{ "ca-file", required_argument, NULL, OPTION_CA_FILE },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "out", required_argument, NULL, OPTION_OUT },
	{ "user", required_argument, NULL, OPTION_USER },
	{ 0 },
};

static bool read_option(struct request *r, int option, const char *value)
{
	struct camera_config *c = &r->direct;
	struct err err = { 0 };

	switch ((enum camera_option)option) {
	case OPTION_BAMBU:
		TEXT_SET(c->driver, "bambu");
		return TEXT_SET(c->address, value);
	case OPTION_SERIAL:
		return TEXT_SET(c->serial, value);
	case OPTION_CODE:
		secret_set(&c->secret, value);
		return true;
	case OPTION_CODE_FILE:
		if (secret_from_file(value, &c->secret, &err) == 0)
			return true;
		fprintf(stderr, "bedside: %s\n", err.text);
		return false;
	case OPTION_TRUST:
		return trust_from_text(&c->trust, value);
	case OPTION_CA_FILE:
		return TEXT_SET(c->trust.ca_file, value);
	case OPTION_PORT:
		return read_port(value, &c->port);
	case OPTION_CONFIG:
		r->config_file = value;
		return true;
	case OPTION_COUNT:
		return text_to_i64(value, &r->count) && r->count >= 1 && r->count <= 1000;
	case OPTION_OUT:
		r->out = value;
		return true;
	case OPTION_USER:
		return TEXT_SET(c->user, value);
	}
	return false;
}

/* Which of both a Bambu printer's camera is, its serial says. */
static void choose_driver(struct camera_config *c)
{
	const struct bambu_model *model = bambu_model_by_serial(c->serial);

	if (strcmp(c->driver, "bambu") == 0 && model && !model->has_jpeg_camera)
		TEXT_SET(c->driver, "bambu-rtsp");
}

/* Names have no slash. */
static bool is_source(const char *camera)
{
	return camera && strchr(camera, '/');
}

static bool read_request(struct request *r, int argc, char **argv)
{
	int option;

	*r = (struct request){ .count = DEFAULT_COUNT, .direct.id = "camera" };
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == '?')
			return false;
		if (!read_option(r, option, optarg)) {
			fprintf(stderr, "bedside: '%s' makes no sense here\n", optarg);
			return false;
		}
	}
	if (optind < argc)
		r->camera = argv[optind++];
	if (!secret_is_set(&r->direct.secret))
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): no thread yet */
		secret_set(&r->direct.secret, getenv("BEDSIDE_ACCESS_CODE"));
	choose_driver(&r->direct);
	if (is_source(r->camera)) {
		struct err err;

		if (r->direct.driver[0] || optind != argc)
			return false;
		if (camera_from_source(r->camera, &r->direct, &err) < 0) {
			fprintf(stderr, "bedside: %s\n", err.text);
			return false;
		}
		r->camera = NULL;
	}
	/* One of both, and nothing more. */
	return optind == argc && (r->camera != NULL) != (r->direct.driver[0] != '\0');
}

static void from_printer(const struct printer_config *p, struct camera_config *ret)
{
	*ret = (struct camera_config){ .trust = p->trust,
		                       .origin = CAMERA_OF_PRINTER,
		                       .latency_us = p->camera_latency_ms * 1000 };
	TEXT_SET(ret->id, p->id);
	TEXT_SET(ret->name, p->name);
	TEXT_SET(ret->driver, p->driver);
	TEXT_SET(ret->printer, p->id);
	TEXT_SET(ret->address, p->address);
	TEXT_SET(ret->serial, p->serial);
	choose_driver(ret);
	ret->port = strcmp(ret->driver, "bambu-rtsp") == 0 ? p->ports.rtsp : p->ports.camera;
	secret_set(&ret->secret, secret_peek(&p->access_code));
}

static bool find_camera(const struct config *config, const char *name, struct camera_config *ret)
{
	for (size_t i = 0; i < config->n_cameras; i++) {
		const struct camera_config *c = &config->cameras[i];

		if (text_equal(c->id, name) || text_equal_nocase(c->name, name)) {
			camera_config_copy(ret, c);
			return true;
		}
	}
	for (size_t i = 0; i < config->n_printers; i++) {
		const struct printer_config *p = &config->printers[i].printer;

		if (text_equal(p->id, name) || text_equal_nocase(p->name, name)) {
			from_printer(p, ret);
			return true;
		}
	}
	return false;
}

static void list_names(const struct config *config)
{
	for (size_t i = 0; i < config->n_cameras; i++)
		fprintf(stderr, "  %s\n", config->cameras[i].id);
	for (size_t i = 0; i < config->n_printers; i++)
		fprintf(stderr, "  %s (the printer's own)\n", config->printers[i].printer.id);
}

bool cmd_camera_find(const struct config *config, const char *name, struct camera_config *ret)
{
	bool is_found = find_camera(config, name, ret);

	/* The file's authorities are the printers'. */
	if (is_found && text_starts(ret->driver, "bambu") && ret->trust.ca_file[0] == '\0')
		TEXT_SET(ret->trust.ca_file, config->ca_file);
	if (!is_found) {
		fprintf(stderr, "bedside: %s has no camera '%s'; it has:\n",
		        config->path[0] ? config->path : "the configuration", name);
		list_names(config);
	}
	return is_found;
}

/* 0, or the exit status. */
static int load_camera(const struct request *r, struct camera_config *ret)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	char path[1024];
	bool is_found;

	if (!config_find(r->config_file, path, sizeof(path))) {
		fputs("bedside: no configuration found; name one with --config\n", stderr);
		return 1;
	}
	if (!config_load(path, NULL, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}
	is_found = cmd_camera_find(&config, r->camera, ret);
	config_fini(&config);
	return is_found ? 0 : 1;
}

static void on_tested(void *arg, const struct camera_test_result *result)
{
	struct trial *t = arg;

	t->result = *result;
	loop_stop(t->loop);
}

static int save_picture(struct camera *c, const char *path)
{
	struct frame *f = camera_newest(c);
	struct err err;
	int rc;

	if (!f)
		return 1;
	rc = fs_write_atomic(path, f->data, f->size, 0644, &err);
	frame_unref(f);
	if (rc < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		return 1;
	}
	printf("the last picture is in %s\n", path);
	return 0;
}

static bool is_stream_after_all(const struct camera_config *c, const struct trial *t)
{
	return strcmp(c->driver, "http-still") == 0 && strstr(t->result.text, "http-mjpeg");
}

static int try_camera(const struct request *r, struct camera_config *config)
{
	struct trial t = { .loop = loop_new() };
	struct work_pool *pool = work_pool_new(t.loop, "pictures", 1);
	struct bus *bus = bus_new(t.loop);
	char av_program[1024];
	struct cameras_env env = { .loop = t.loop,
		                   .bus = bus,
		                   .pool = pool,
		                   .ca_pem = bambu_ca_pem(),
		                   .av_program = av_program };
	struct cameras *cameras = cameras_new(&env);
	struct camera *camera;
	struct err err;
	int status = 0;
	bool is_stream = false;

	/* What goes wrong is said once, by the result. */
	log_set_level(LOG_LEVEL_ERROR);
	films_find_worker(av_program, sizeof(av_program));
	(void)signal(SIGPIPE, SIG_IGN);
	if (cameras_add(cameras, config, &camera, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		status = 1;
	} else {
		camera_test(camera, (unsigned)r->count, TIMEOUT_MS + r->count * 2000, on_tested,
		            &t);
		loop_run(t.loop);
		is_stream = !r->camera && is_stream_after_all(config, &t);
		if (!is_stream)
			fprintf(t.result.is_ok ? stdout : stderr, "%s (%s): %s\n",
			        t.result.is_ok ? "fine" : "failed", config->driver, t.result.text);
		if (!t.result.is_ok || (r->out && save_picture(camera, r->out) != 0))
			status = 1;
	}
	cameras_free(cameras);
	work_pool_free(pool);
	bus_free(bus);
	loop_free(t.loop);
	if (!is_stream)
		return status;
	TEXT_SET(config->driver, "http-mjpeg");
	return try_camera(r, config);
}

int cmd_camera(int argc, char **argv)
{
	struct request r;
	struct camera_config config = { 0 };
	int status = 0;

	if (argc >= 2 && strcmp(argv[1], "list") == 0)
		return cmd_camera_list(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "controls") == 0)
		return cmd_camera_controls(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "calibrate") == 0)
		return cmd_camera_calibrate(argc - 1, argv + 1);
	if (argc < 2 || strcmp(argv[1], "test") != 0)
		return usage();
	if (!read_request(&r, argc - 1, argv + 1)) {
		camera_config_fini(&r.direct);
		return usage();
	}
	if (r.camera)
		status = load_camera(&r, &config);
	else
		camera_config_copy(&config, &r.direct);
	if (status == 0) {
		log_hide(secret_peek(&config.secret));
		status = try_camera(&r, &config);
	}
	camera_config_fini(&config);
	camera_config_fini(&r.direct);
	return status;
}
