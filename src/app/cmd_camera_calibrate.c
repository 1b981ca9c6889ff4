/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * camera calibrate: switches a light (the printer's, a LED of this machine, the terminal's window) or has a
 * person switch one, and looks when the camera shows it. Computing is cameras/latency.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/latency.h"
#include "core/bus.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "film/films.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "printers/bambu_ca.h"
#include "printers/printer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define DEFAULT_TOGGLES 8
#define MIN_TOGGLES 4
#define MAX_SAMPLES 16384
#define READY_MS 60000
#define WATCH_FIRST_US 3000000 /* how fast the pictures come */
#define MIN_FIRST 4
#define LONGEST_US INT64_C(2500000) /* a latency that can still be found */
#define ANSWER_MS 20000
/* So far from a lamp's switching a hand presses the key. */
#define HAND_US 150000

struct request {
	const char *camera, *printer, *led, *config, *data;
	int64_t n_toggles;
	bool writes, is_by_hand, is_screen;
};

enum phase {
	PHASE_READY,
	PHASE_SWITCH,
	PHASE_RESTORE,
	PHASE_OVER,
};

struct calibration {
	struct loop *loop;
	struct bus *bus;
	struct work_pool *pool;
	struct cameras *cameras;
	struct camera_watcher watcher;
	struct camera *camera;
	struct printers *printers;
	struct printer *printer; /* NULL: led, hand or screen */
	uv_poll_t keys;          /* standard input, by hand */
	bool waits_for_key, has_keys;
	const struct request *ask;
	char led_max[24], led_before[24];

	enum phase phase;
	struct timer tick, deadline;
	uv_signal_t signals[2];
	bool was_lit, is_lit, is_switched;
	int64_t interval_us;
	size_t n_samples, n_toggles;
	unsigned n_stamped;
	struct latency_sample samples[MAX_SAMPLES];
	struct latency_toggle toggles[LATENCY_MAX_TOGGLES];
	char why[400]; /* it failed */
};

static int usage(void)
{
	fputs("usage: bedside camera calibrate CAMERA [--printer NAME | --led FILE | --by-hand | "
	      "--screen]\n"
	      "               [--toggles N] [--write] [--config FILE] [--data DIR]\n"
	      "Switches the light of the printer that CAMERA belongs to (or of another, or a LED "
	      "as "
	      "in\n"
	      "/sys/class/leds/NAME/brightness) and says how late its pictures are. --by-hand: you "
	      "switch\n"
	      "any lamp and press Enter; --screen: the camera looks at this terminal, which turns "
	      "bright\n"
	      "and dark (the screen's own delay counts, too).\n",
	      stderr);
	return 2;
}

static bool read_request(struct request *r, int argc, char **argv)
{
	*r = (struct request){ .n_toggles = DEFAULT_TOGGLES };
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--write") == 0) {
			r->writes = true;
			continue;
		}
		if (strcmp(argv[i], "--by-hand") == 0 || strcmp(argv[i], "--screen") == 0) {
			*(argv[i][2] == 'b' ? &r->is_by_hand : &r->is_screen) = true;
			continue;
		}
		if (argv[i][0] != '-' && !r->camera) {
			r->camera = argv[i];
			continue;
		}
		if (!value)
			return false;
		if (strcmp(argv[i], "--printer") == 0)
			r->printer = value;
		else if (strcmp(argv[i], "--led") == 0)
			r->led = value;
		else if (strcmp(argv[i], "--config") == 0)
			r->config = value;
		else if (strcmp(argv[i], "--data") == 0)
			r->data = value;
		else if (strcmp(argv[i], "--toggles") != 0 || !text_to_i64(value, &r->n_toggles) ||
		         r->n_toggles < MIN_TOGGLES || r->n_toggles > LATENCY_MAX_TOGGLES)
			return false;
		i++;
	}
	return r->camera && !!r->printer + !!r->led + r->is_by_hand + r->is_screen <= 1;
}

/* ---- the light ---- */

static void switch_light(struct calibration *c, bool is_on);
static void enter(struct calibration *c, enum phase phase);

static void fail(struct calibration *c, const char *why)
{
	if (!c->why[0])
		TEXT_SET(c->why, why);
	enter(c, c->is_switched ? PHASE_RESTORE : PHASE_OVER);
}

/* How long each state lasts: so many whole intervals and a part of one, so that each switching
 * comes at another moment between two pictures. */
static int64_t hold_ms(const struct calibration *c)
{
	int64_t interval_us = MAX(c->interval_us, (int64_t)1000);
	int64_t n = LONGEST_US / interval_us + 5;

	return (n * interval_us + interval_us * 5 / 8) / 1000;
}

/* Reverse video (DECSCNM) turns the whole window. */
static void switch_screen(bool is_on)
{
	(void)fputs(is_on ? "\033[?5h" : "\033[?5l", stdout);
	(void)fflush(stdout);
}

static void is_switched(struct calibration *c)
{
	if (c->phase == PHASE_RESTORE) {
		enter(c, PHASE_OVER);
		return;
	}
	if (c->phase != PHASE_SWITCH)
		return;
	c->toggles[c->n_toggles++].acked_us = loop_now_us(c->loop);
	timer_start(&c->tick, hold_ms(c));
}

static void on_answer(void *arg, enum printer_answer answer, const char *reason)
{
	struct calibration *c = arg;
	char text[300];

	if (c->phase == PHASE_OVER)
		return;
	if (answer == PRINTER_ACKNOWLEDGED) {
		is_switched(c);
		return;
	}
	(void)snprintf(text, sizeof(text), "the printer does not switch its light: %.200s",
	               reason && reason[0] ? reason : printer_answer_name(answer));
	if (c->phase == PHASE_RESTORE) {
		if (!c->why[0])
			fprintf(stderr, "bedside: %s\n", text);
		enter(c, PHASE_OVER);
	} else {
		fail(c, text);
	}
}

static int write_led(const struct calibration *c, const char *value)
{
	int fd = open(c->ask->led, O_WRONLY | O_TRUNC | O_CLOEXEC), rc = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		rc = -errno;
	(void)close(fd);
	return rc;
}

static void switch_led(struct calibration *c, const char *value)
{
	char text[200];
	struct err err = { 0 };
	int rc = write_led(c, value);

	if (rc == 0) {
		is_switched(c);
		return;
	}
	errno = -rc;
	(void)err_sys(&err, "%.100s", c->ask->led);
	(void)snprintf(text, sizeof(text), "the LED cannot be switched: %.150s", err.text);
	if (c->phase == PHASE_RESTORE)
		enter(c, PHASE_OVER);
	else
		fail(c, text);
}

static void on_key(uv_poll_t *handle, int status, int events UNUSED)
{
	struct calibration *c = handle->data;
	char keys[64];
	ssize_t n = status < 0 ? 0 : read(STDIN_FILENO, keys, sizeof(keys));
	int64_t now_us = loop_now_us(c->loop);

	if (n <= 0) {
		uv_poll_stop(&c->keys);
		fail(c, "nobody presses Enter");
		return;
	}
	if (!c->waits_for_key || !memchr(keys, '\n', (size_t)n))
		return;
	c->waits_for_key = false;
	c->toggles[c->n_toggles] = (struct latency_toggle){ .sent_us = now_us - HAND_US,
		                                            .acked_us = now_us + HAND_US,
		                                            .is_on = c->is_lit };
	c->n_toggles++;
	puts("seen; wait");
	(void)fflush(stdout);
	timer_start(&c->tick, hold_ms(c));
}

static void ask_hand(struct calibration *c, bool is_on)
{
	c->waits_for_key = true;
	printf("%zu of %lld: switch the lamp %s, and press Enter in the same moment\n",
	       c->n_toggles + 1, (long long)c->ask->n_toggles, is_on ? "ON" : "OFF");
	(void)fflush(stdout);
}

static void switch_light(struct calibration *c, bool is_on)
{
	struct printer_command command = { .kind = PRINTER_LIGHT, .is_on = is_on };

	c->is_lit = is_on;
	c->is_switched = true;
	if (c->phase == PHASE_SWITCH)
		c->toggles[c->n_toggles] =
			(struct latency_toggle){ .sent_us = loop_now_us(c->loop), .is_on = is_on };
	if (c->ask->is_by_hand && c->phase == PHASE_SWITCH) {
		ask_hand(c, is_on);
	} else if (c->ask->is_by_hand) {
		is_switched(c);
	} else if (c->ask->is_screen) {
		switch_screen(is_on);
		is_switched(c);
	} else if (c->printer)
		printer_send(c->printer, &command, on_answer, c);
	else
		switch_led(c, c->phase == PHASE_RESTORE ? c->led_before : is_on ? c->led_max : "0");
}

static int read_number(const char *path, char ret[24], struct err *err)
{
	struct buf b = { 0 };
	int rc = fs_read(path, 64, &b, err);
	uint64_t number = 0;

	if (rc == 0) {
		text_copy_n(ret, 24, buf_peek(&b), strcspn(buf_peek(&b), "\n "));
		if (!text_to_u64(ret, 10, &number))
			rc = err_set(err, -EINVAL, "%s holds no number", path);
	}
	buf_fini(&b);
	return rc;
}

/* "…/brightness" has its "…/max_brightness" beside it. */
static int find_led(struct calibration *c, struct err *err)
{
	char path[1024];
	const char *slash = strrchr(c->ask->led, '/');
	int n = slash ? (int)(slash - c->ask->led) + 1 : 0, rc;

	(void)snprintf(path, sizeof(path), "%.*smax_brightness", n, c->ask->led);
	rc = read_number(c->ask->led, c->led_before, err);
	if (rc == 0)
		rc = read_number(path, c->led_max, err);
	c->was_lit = strcmp(c->led_before, "0") != 0;
	return rc;
}

static bool is_chamber_lit(const struct printer_state *s)
{
	for (unsigned i = 0; i < s->n_lights; i++)
		if (strcmp(s->lights[i].name, "chamber") == 0)
			return s->lights[i].is_on;
	return false;
}

/* ---- the run ---- */

static void enter(struct calibration *c, enum phase phase)
{
	if (c->phase >= PHASE_RESTORE && phase <= c->phase)
		return;
	c->phase = phase;
	timer_stop(&c->tick);
	timer_start(&c->deadline, ANSWER_MS);
	if (phase == PHASE_SWITCH) {
		timer_stop(&c->deadline);
		switch_light(c, !c->is_lit);
	} else if (phase == PHASE_RESTORE) {
		if (c->is_switched)
			switch_light(c, c->was_lit);
		else
			enter(c, PHASE_OVER);
	} else if (phase == PHASE_OVER) {
		timer_stop(&c->deadline);
		loop_stop(c->loop);
	}
}

static int64_t median_interval(const struct calibration *c)
{
	struct latency_result r;

	latency_find(NULL, 0, c->samples, c->n_samples, NULL, &r);
	return r.interval_us;
}

static bool is_light_ready(const struct calibration *c)
{
	return !c->printer || printer_state(c->printer)->link == PRINTER_LINK_ONLINE;
}

static void begin(struct calibration *c)
{
	if (c->printer)
		c->was_lit = is_chamber_lit(printer_state(c->printer));
	c->is_lit = c->was_lit;
	c->interval_us = median_interval(c);

	int64_t takes_s = c->ask->n_toggles * hold_ms(c) / 1000 + 1;

	printf("a picture every %lld ms; %lld switchings of the light take %lld s\n",
	       (long long)(c->interval_us / 1000), (long long)c->ask->n_toggles,
	       (long long)takes_s);
	(void)fflush(stdout);
	enter(c, PHASE_SWITCH);
}

static void on_tick(void *arg)
{
	struct calibration *c = arg;

	if (c->n_toggles < (size_t)c->ask->n_toggles)
		switch_light(c, !c->is_lit);
	else
		enter(c, PHASE_RESTORE);
}

static void on_deadline(void *arg)
{
	struct calibration *c = arg;
	const char *camera = camera_status(c->camera)->text;
	char text[400];

	if (c->phase == PHASE_RESTORE) {
		fputs("bedside: the printer did not say that the light is as before\n", stderr);
		enter(c, PHASE_OVER);
		return;
	}
	if (!is_light_ready(c))
		(void)snprintf(text, sizeof(text),
		               "the printer does not answer: see 'bedside doctor'");
	else
		(void)snprintf(text, sizeof(text), "too few pictures come: %.240s",
		               camera[0] ? camera : "see 'bedside camera test'");
	fail(c, text);
}

static void on_signal(uv_signal_t *handle, int number UNUSED)
{
	fail(handle->data, "interrupted");
}

static void take(struct calibration *c, const struct frame *f)
{
	struct err err;
	double luma;

	if (f->format != FRAME_JPEG || c->n_samples == MAX_SAMPLES ||
	    jpeg_brightness(f->data, f->size, &luma, &err) < 0)
		return;
	/* The microsecond that was configured: so every driver gives the time that it takes the
	 * latency off, whatever else it knows. */
	c->samples[c->n_samples++] =
		(struct latency_sample){ f->captured_us + (f->is_stamped ? 0 : 1), luma };
	c->n_stamped += f->is_stamped;
	if (c->phase == PHASE_READY && c->n_samples >= MIN_FIRST && is_light_ready(c) &&
	    f->captured_us - c->samples[0].at_us >= WATCH_FIRST_US)
		begin(c);
}

static void on_woken(void *arg)
{
	struct calibration *c = arg;
	struct frame *f = c->watcher.camera ? camera_watch_take(&c->watcher) : NULL;

	if (f)
		take(c, f);
	frame_unref(f);
}

/* ---- what is said ---- */

static void print_toggles(const struct calibration *c, const struct latency_crossing *each)
{
	for (size_t i = 0; i < c->n_toggles; i++) {
		const struct latency_toggle *t = &c->toggles[i];
		const struct latency_crossing *x = &each[i];

		printf("%2zu  %-3s  ", i + 1, t->is_on ? "on" : "off");
		if (x->verdict == LATENCY_FOUND)
			printf("%5lld to %5lld ms", (long long)(x->least_us / 1000),
			       (long long)(x->most_us / 1000));
		else
			printf("%s", latency_verdict_text(x->verdict));
		printf("  (brightness %.0f to %.0f", x->before, x->after);
		if (c->printer)
			printf("; the printer confirmed after %lld ms",
			       (long long)((t->acked_us - t->sent_us) / 1000));
		puts(")");
	}
}

static int conclude(const struct calibration *c, const struct config *config,
                    const struct camera_config *camera)
{
	struct latency_crossing each[LATENCY_MAX_TOGGLES];
	struct latency_result r;

	if (c->why[0]) {
		fprintf(stderr, "bedside: %s\n", c->why);
		return 1;
	}
	latency_find(c->toggles, c->n_toggles, c->samples, c->n_samples, each, &r);
	print_toggles(c, each);
	if (!r.is_ok) {
		fprintf(stderr, "bedside: not measured: %s\n", r.text);
		return 1;
	}
	printf("%s\n", r.text);
	if (c->n_stamped > c->n_samples / 2)
		puts("this camera stamps its pictures itself, and this is how late the stamps are; "
		     "`latency`\nis used only for pictures without a stamp");
	else
		return calibrate_keep(config, camera, (r.latency_us + 500) / 1000, c->ask->writes);
	return 0;
}

/* ---- setting up ---- */

static const struct printer_config *find_printer(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->n_printers; i++) {
		const struct printer_config *p = &config->printers[i].printer;

		if (text_equal(p->id, name) || text_equal_nocase(p->name, name))
			return p;
	}
	return NULL;
}

static int open_light(struct calibration *c, const struct config *config,
                      const struct camera_config *camera, struct err *err)
{
	const char *name = c->ask->printer ? c->ask->printer : camera->printer;
	const struct printer_config *p;

	if (c->ask->is_by_hand || c->ask->is_screen)
		return 0; /* dark to begin with */
	if (c->ask->led)
		return find_led(c, err);
	if (!name[0])
		return err_set(
			err, -EINVAL,
			"the camera belongs to no printer: name one with --printer, or a LED "
			"with --led");
	p = find_printer(config, name);
	if (!p)
		return err_set(err, -ENOENT, "the configuration has no printer '%s'", name);

	struct printers_env env = { .loop = c->loop,
		                    .bus = c->bus,
		                    .pool = c->pool,
		                    .data_dir = config->data_dir,
		                    .ca_file = config->ca_file[0] ? config->ca_file : NULL };

	log_hide(secret_peek(&p->access_code));
	c->printers = printers_new(&env);
	return printers_add(c->printers, p, &c->printer, err);
}

static int run(struct calibration *c, const struct config *config,
               const struct camera_config *camera, struct err *err)
{
	auto_free struct camera_config *plain = MEM_NEW(struct camera_config);
	int rc = open_light(c, config, camera, err);

	if (rc < 0)
		return rc;
	camera_config_copy(plain, camera);
	plain->latency_us = 1;
	rc = cameras_add(c->cameras, plain, &c->camera, err);
	camera_config_fini(plain);
	if (rc < 0)
		return rc;
	timer_init(&c->tick, c->loop, on_tick, c);
	timer_init(&c->deadline, c->loop, on_deadline, c);
	timer_start(&c->deadline, READY_MS);
	for (size_t i = 0; i < ARRAY_LEN(c->signals); i++) {
		uv_signal_init(loop_uv(c->loop), &c->signals[i]);
		c->signals[i].data = c;
		uv_signal_start(&c->signals[i], on_signal, i == 0 ? SIGINT : SIGTERM);
	}
	if (c->ask->is_by_hand && uv_poll_init(loop_uv(c->loop), &c->keys, STDIN_FILENO) == 0) {
		c->keys.data = c;
		c->has_keys = true;
		uv_poll_start(&c->keys, UV_READABLE, on_key);
	}
	camera_watch(c->camera, &c->watcher, on_woken, c);
	loop_run(c->loop);
	if (c->has_keys)
		uv_close((uv_handle_t *)&c->keys, NULL);
	camera_unwatch(&c->watcher);
	for (size_t i = 0; i < ARRAY_LEN(c->signals); i++)
		uv_close((uv_handle_t *)&c->signals[i], NULL);
	timer_stop(&c->tick);
	timer_stop(&c->deadline);
	return 0;
}

static int calibrate(const struct request *ask, const struct config *config,
                     const struct camera_config *camera)
{
	auto_free struct calibration *c = MEM_NEW(struct calibration);
	char av_program[1024];
	struct err err = { 0 };
	int status;

	c->loop = loop_new();
	c->ask = ask;
	log_set_level(LOG_LEVEL_ERROR);
	log_hide(secret_peek(&camera->secret));
	films_find_worker(av_program, sizeof(av_program));
	c->bus = bus_new(c->loop);
	c->pool = work_pool_new(c->loop, "pictures", 1);
	c->cameras = cameras_new(&(struct cameras_env){ .loop = c->loop,
	                                                .bus = c->bus,
	                                                .pool = c->pool,
	                                                .ca_pem = bambu_ca_pem(),
	                                                .av_program = av_program });
	if (run(c, config, camera, &err) < 0) {
		fprintf(stderr, "bedside: %s\n", err.text);
		status = 1;
	} else {
		status = conclude(c, config, camera);
	}
	c->phase = PHASE_OVER;
	cameras_free(c->cameras);
	if (c->printers)
		printers_free(c->printers);
	work_pool_free(c->pool);
	bus_free(c->bus);
	loop_free(c->loop);
	return status;
}

int cmd_camera_calibrate(int argc, char **argv)
{
	static struct config config; /* large */
	static struct conf_errors errors;
	struct request ask;
	struct camera_config camera = { 0 };
	char path[1024] = "";
	int status = 1;

	if (!read_request(&ask, argc, argv))
		return usage();
	if (!config_find(ask.config, path, sizeof(path)) && !ask.data) {
		fputs("bedside: no configuration found; name one with --config\n", stderr);
		return 1;
	}
	if (!config_load(path[0] ? path : NULL, ask.data, &config, &errors)) {
		config_fini(&config);
		return config_print_errors(&errors);
	}
	if (cmd_camera_find(&config, ask.camera, &camera))
		status = calibrate(&ask, &config, &camera);
	camera_config_fini(&camera);
	config_fini(&config);
	return status;
}
