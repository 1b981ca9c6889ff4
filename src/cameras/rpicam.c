/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * rpicam: a Raspberry Pi's camera by the system's own programs: rpicam-vid (libcamera-vid before
 * Bookworm's second year) writes MJPEG to its output; rpicam-still takes the pictures of a session,
 * where they are to be of the sensor's full resolution or focused each. Both want the camera
 * alone, so the one ends before the other begins. A still that fails does not cost the picture:
 * the stream's then serves the shot.
 *
 * Options are those of rpicam-apps (documentation/asciidoc/computers/camera of Raspberry Pi); they
 * go as --name=value, since a value may begin with a dash.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "cameras/jpeg_program.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/camera.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_WIDTH 1920
#define DEFAULT_HEIGHT 1080
#define DEFAULT_QUALITY 95
/* Exposure and white balance settle before a still; the programs' own default is 5 s. */
#define STILL_SETTLE_MS 1000
#define MAX_METADATA 65536
/* AfState in the metadata, libcamera's control of that name */
#define AF_FAILED 3
#define MAX_ARGS (CAMERA_MAX_ARGS + 32)

struct args {
	char texts[MAX_ARGS][96];
	const char *argv[MAX_ARGS + 1];
	unsigned n;
};

struct rpicam {
	struct camera_source *source;
	struct log log;
	struct jpeg_program vid, still; /* one of them at a time; may be ending when closed */
	struct timer timer;             /* the moment of the next shot */
	bool is_open;
	bool wants_still;
	bool falls_back; /* stills fail: the stream serves the shot that waits */
	int64_t started_us;
	struct frame *held; /* a still until its metadata are known */
	bool has_lens;      /* `lens` is where the autofocus was right last */
	double lens;
	bool is_second_try;  /* the autofocus failed: at `lens` */
	char metadata[1100]; /* file of the still that is being taken */
};

static bool wants_stills(const struct camera_config *c)
{
	return c->is_full_still || c->focus == CAMERA_FOCUS_EACH_SHOT;
}

/* ---- programs and arguments ---- */

static bool find_in_path(const char *name, char *dst, size_t size)
{
	const char *path = getenv("PATH"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

	for (const char *at = path ? path : "/usr/bin"; *at;) {
		size_t n = strcspn(at, ":");

		(void)snprintf(dst, size, "%.*s/%s", (int)n, at, name);
		if (n > 0 && access(dst, X_OK) == 0)
			return true;
		at += n + (at[n] == ':');
	}
	return false;
}

/* `kind` is "vid" or "still". The one beside a program that was named. */
static int find_program(const struct camera_config *c, const char *kind, char *dst, size_t size,
                        struct err *err)
{
	const char *named = c->n_args > 0 ? c->args[0] : "";
	size_t n = strlen(named);
	char name[64];

	if (named[0] && strcmp(kind, "still") == 0 && text_ends(named, "vid"))
		(void)snprintf(dst, size, "%.*s%s", (int)n - 3, named, kind);
	else if (named[0])
		text_copy(dst, size, named);
	if (named[0])
		return 0;
	(void)snprintf(name, sizeof(name), "rpicam-%s", kind);
	if (find_in_path(name, dst, size))
		return 0;
	(void)snprintf(name, sizeof(name), "libcamera-%s", kind);
	if (find_in_path(name, dst, size))
		return 0;
	return err_set(err, -ENOENT,
	               "neither rpicam-%s nor libcamera-%s is installed: on a Raspberry Pi install "
	               "the package rpicam-apps-lite, or name the program in the configuration",
	               kind, kind);
}

static void PRINTF_LIKE(2, 3) add(struct args *a, const char *fmt, ...)
{
	va_list list;

	if (a->n == MAX_ARGS)
		return;
	va_start(list, fmt);
	(void)vsnprintf(a->texts[a->n], sizeof(a->texts[a->n]), fmt, list);
	va_end(list);
	a->argv[a->n] = a->texts[a->n];
	a->n++;
}

static void add_picture(struct args *a, const struct camera_config *c)
{
	if (c->source[0])
		add(a, "--camera=%.20s", c->source);
	add(a, "--quality=%u", c->quality ? c->quality : DEFAULT_QUALITY);
	/* What the sensor does costs nothing; a quarter turn is made at ingest. */
	if (c->rotation % 180 == 0) {
		if (c->rotation == 180)
			add(a, "--rotation=180");
		if (c->is_flipped_h)
			add(a, "--hflip");
		if (c->is_flipped_v)
			add(a, "--vflip");
	}
	if (c->exposure_bias < 0 || c->exposure_bias > 0)
		add(a, "--ev=%g", c->exposure_bias);
}

static void add_focus(struct args *a, const struct camera_config *c)
{
	const struct camera_window *w = &c->focus_window;

	if (c->focus == CAMERA_FOCUS_MANUAL) {
		add(a, "--autofocus-mode=manual");
		add(a, "--lens-position=%g", c->lens_position);
		return;
	}
	add(a, "--autofocus-mode=%s", c->focus == CAMERA_FOCUS_CONTINUOUS ? "continuous" : "auto");
	if (w->width > 0 && w->height > 0)
		add(a, "--autofocus-window=%g,%g,%g,%g", w->x, w->y, w->width, w->height);
}

static void add_size(struct args *a, const struct camera_config *c)
{
	add(a, "--width=%u", c->width ? c->width : DEFAULT_WIDTH);
	add(a, "--height=%u", c->height ? c->height : DEFAULT_HEIGHT);
}

static void finish_args(struct args *a, const struct camera_config *c, const char *program)
{
	for (unsigned i = 1; i < c->n_args && a->n < MAX_ARGS; i++)
		a->argv[a->n++] = c->args[i];
	a->argv[0] = program;
	a->argv[a->n] = NULL;
}

static void vid_args(struct args *a, const struct camera_config *c, const char *program)
{
	a->n = 1;
	add(a, "--timeout=0");
	add(a, "--nopreview");
	add(a, "--codec=mjpeg");
	add(a, "--flush");
	add_size(a, c);
	if (c->fps > 0)
		add(a, "--framerate=%g", c->fps);
	add_picture(a, c);
	add_focus(a, c);
	add(a, "--output=-");
	finish_args(a, c, program);
}

static void still_args(struct args *a, const struct rpicam *r, const char *program)
{
	const struct camera_config *c = camera_source_config(r->source);

	a->n = 1;
	add(a, "--timeout=%d", STILL_SETTLE_MS);
	add(a, "--nopreview");
	add(a, "--encoding=jpg");
	if (!c->is_full_still)
		add_size(a, c);
	add_picture(a, c);
	if (r->is_second_try) {
		add(a, "--autofocus-mode=manual");
		add(a, "--lens-position=%g", r->lens);
	} else {
		add_focus(a, c);
		if (c->focus == CAMERA_FOCUS_EACH_SHOT)
			add(a, "--autofocus-on-capture");
	}
	add(a, "--output=-");
	finish_args(a, c, program);
}

/* ---- the metadata of a still ---- */

static bool find_number(const char *json, const char *name, double *ret)
{
	char key[40], digits[32];
	const char *at;
	size_t n;

	(void)snprintf(key, sizeof(key), "\"%s\"", name);
	at = strstr(json, key);
	if (!at)
		return false;
	at += strlen(key);
	at += strspn(at, " :\t");
	n = strspn(at, "-+.0123456789eE");
	return text_copy_n(digits, sizeof(digits), at, n) && text_to_double(digits, ret);
}

/* True if the autofocus failed and there is a place where it was right before. */
static bool judge_focus(struct rpicam *r)
{
	struct buf b = { 0 };
	double state = 0, lens = 0;
	bool has_failed = false;

	if (r->metadata[0] && fs_read(r->metadata, MAX_METADATA, &b, NULL) == 0) {
		const char *json = buf_peek(&b);

		has_failed = find_number(json, "AfState", &state) && (int)state == AF_FAILED;
		if (!has_failed && find_number(json, "LensPosition", &lens)) {
			r->has_lens = true;
			r->lens = lens;
		}
		buf_fini(&b);
	}
	return has_failed && r->has_lens;
}

/* What all its files begin with. */
static void metadata_prefix(const struct camera_source *src, char *dst, size_t size)
{
	(void)snprintf(dst, size, "rpicam-%s-", camera_source_config(src)->id);
}

/* Of a program that was killed in the middle of a still. */
static void drop_leftovers(const struct camera_source *src)
{
	const char *path = camera_source_env(src)->data_dir;
	DIR *dir = path ? opendir(path) : NULL;
	const struct dirent *d;
	char prefix[100];

	if (!dir)
		return;
	metadata_prefix(src, prefix, sizeof(prefix));
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
	while ((d = readdir(dir)))
		/* Another camera's id may begin with ours. */
		if (text_starts(d->d_name, prefix) && strlen(d->d_name) == strlen(prefix) + 6)
			(void)unlinkat(dirfd(dir), d->d_name, 0);
	(void)closedir(dir);
}

static void make_metadata_file(struct rpicam *r)
{
	const char *dir = camera_source_env(r->source)->data_dir;
	char prefix[100];
	int fd;

	metadata_prefix(r->source, prefix, sizeof(prefix));
	(void)snprintf(r->metadata, sizeof(r->metadata), "%s/%sXXXXXX", dir ? dir : "/tmp", prefix);
	fd = mkostemp(r->metadata, O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	else
		r->metadata[0] = '\0';
}

static void drop_metadata_file(struct rpicam *r)
{
	if (r->metadata[0])
		(void)unlink(r->metadata);
	r->metadata[0] = '\0';
}

/* ---- one after the other ---- */

static void step(struct rpicam *r);

static int64_t now_us(const struct rpicam *r)
{
	return loop_now_us(camera_source_env(r->source)->loop);
}

static void look_at_shots(void *arg)
{
	struct rpicam *r = arg;
	int64_t wanted_us = camera_source_wanted_us(r->source), now = now_us(r);

	if (wanted_us == INT64_MAX || r->falls_back)
		return;
	if (wanted_us > now) {
		timer_start(&r->timer, (wanted_us - now + 999) / 1000);
	} else if (!jpeg_program_is_running(&r->still)) {
		r->wants_still = true;
		step(r);
	}
}

static void on_vid_picture(void *arg, uint8_t *bytes, size_t size)
{
	struct rpicam *r = arg;
	struct frame *f = frame_adopt(FRAME_JPEG, bytes, size);

	f->is_still = r->falls_back;
	camera_source_frame(r->source, f);
	if (r->falls_back && camera_source_wanted_us(r->source) == INT64_MAX)
		r->falls_back = false;
}

static void on_broken(void *arg, const char *text)
{
	camera_source_refused(((struct rpicam *)arg)->source, text);
}

static void on_vid_gone(void *arg, const struct err *why)
{
	struct rpicam *r = arg;
	struct err err = *why;

	if (!r->is_open)
		return;
	if (!r->vid.is_told) {
		/* It is to run for ever. */
		if (err.code == 0)
			(void)err_set(&err, -EIO, "%s has ended", r->vid.name);
		camera_source_failed(r->source, &err);
		return;
	}
	step(r);
}

static void on_still_picture(void *arg, uint8_t *bytes, size_t size)
{
	struct rpicam *r = arg;

	frame_unref(r->held);
	r->held = frame_adopt(FRAME_JPEG, bytes, size);
	r->held->captured_us = r->started_us;
	r->held->is_still = true;
}

static void publish_still(struct rpicam *r)
{
	struct frame *f = r->held;

	r->held = NULL;
	r->wants_still = r->is_second_try = false;
	log_debug(&r->log, "a still took %d ms%s", (int)((now_us(r) - r->started_us) / 1000),
	          r->has_lens ? ", focused" : "");
	camera_source_frame(r->source, f);
}

static void on_still_gone(void *arg, const struct err *why)
{
	struct rpicam *r = arg;
	bool has_lost_focus = r->held && !r->is_second_try && judge_focus(r);

	drop_metadata_file(r);
	if (!r->is_open)
		return;
	if (r->still.is_told) { /* by a close; it was opened again meanwhile */
		step(r);
		return;
	}
	if (has_lost_focus) {
		log_warn(&r->log, "the autofocus failed; once more where it was right before");
		frame_unref(r->held);
		r->held = NULL;
		r->is_second_try = true;
	} else if (r->held) {
		publish_still(r);
	} else {
		log_warn(&r->log, "no still: %s; the stream's picture serves", why->text);
		r->wants_still = r->is_second_try = false;
		r->falls_back = true;
	}
	/* Whoever got the picture may have closed the camera, or want the next one. */
	if (r->is_open)
		look_at_shots(r);
	if (r->is_open)
		step(r);
}

static int start_still(struct rpicam *r, struct err *err)
{
	const struct jpeg_program_events events = {
		.picture = on_still_picture, .broken = on_broken, .gone = on_still_gone, .arg = r
	};
	const struct camera_config *c = camera_source_config(r->source);
	char program[1024], option[1200];
	struct args a;
	int rc = find_program(c, "still", program, sizeof(program), err);

	if (rc < 0)
		return rc;
	still_args(&a, r, program);
	if (c->focus == CAMERA_FOCUS_EACH_SHOT && !r->is_second_try) {
		make_metadata_file(r);
		(void)snprintf(option, sizeof(option), "--metadata=%s", r->metadata);
		if (r->metadata[0] && a.n < MAX_ARGS) {
			a.argv[a.n++] = option;
			a.argv[a.n] = NULL;
		}
	}
	r->started_us = now_us(r);
	return jpeg_program_start(&r->still, camera_source_env(r->source)->loop, a.argv, &events,
	                          err);
}

static int start_vid(struct rpicam *r, struct err *err)
{
	const struct jpeg_program_events events = {
		.picture = on_vid_picture, .broken = on_broken, .gone = on_vid_gone, .arg = r
	};
	const struct camera_config *c = camera_source_config(r->source);
	char program[1024];
	struct args a;
	int rc = find_program(c, "vid", program, sizeof(program), err);

	if (rc < 0)
		return rc;
	vid_args(&a, c, program);
	return jpeg_program_start(&r->vid, camera_source_env(r->source)->loop, a.argv, &events,
	                          err);
}

/* Brings what runs nearer to what is wanted. */
static void step(struct rpicam *r)
{
	struct err err;

	if (jpeg_program_is_running(&r->still))
		return;
	if (jpeg_program_is_running(&r->vid)) {
		if (r->wants_still)
			jpeg_program_stop(&r->vid);
		return;
	}
	if (r->wants_still) {
		if (start_still(r, &err) == 0)
			return;
		log_warn(&r->log, "no still: %s; the stream's picture serves", err.text);
		r->wants_still = false;
		r->falls_back = true;
	}
	if (start_vid(r, &err) < 0)
		camera_source_failed(r->source, &err);
}

/* ---- driver ---- */

static void rpicam_open(void *priv, struct camera_source *src)
{
	struct rpicam *r = priv;

	r->source = src;
	r->is_open = true;
	r->wants_still = r->falls_back = r->is_second_try = false;
	log_init(&r->log, "camera %s", camera_source_config(src)->id);
	timer_init(&r->timer, camera_source_env(src)->loop, look_at_shots, r);
	step(r);
}

static void rpicam_close(void *priv)
{
	struct rpicam *r = priv;

	r->is_open = false;
	timer_stop(&r->timer);
	jpeg_program_stop(&r->vid);
	jpeg_program_stop(&r->still);
	frame_unref(r->held);
	r->held = NULL;
}

static void rpicam_added(void *priv UNUSED, struct camera_source *src)
{
	drop_leftovers(src);
}

static void rpicam_removed(void *priv)
{
	struct rpicam *r = priv;

	jpeg_program_kill(&r->vid);
	jpeg_program_kill(&r->still);
	drop_metadata_file(r);
}

static void on_shot(void *priv)
{
	struct rpicam *r = priv;

	if (wants_stills(camera_source_config(r->source)))
		look_at_shots(r);
}

const struct camera_driver camera_driver_rpicam = {
	.name = "rpicam",
	.title = "Camera of a Raspberry Pi",
	.priv_size = sizeof(struct rpicam),
	.open = rpicam_open,
	.close = rpicam_close,
	.added = rpicam_added,
	.removed = rpicam_removed,
	.shot = on_shot,
	.wants_stills = wants_stills,
	.turns_half = true,
	.silence = "The camera's program runs, but brings no picture: look at its ribbon cable",
};
