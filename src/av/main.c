/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bedside-av: the one program of ours that links libav*. The daemon starts it for a film, by hand
 * it does the same; and for each RTSP camera (av/camera.h). It gives up what it does not need before it looks at a foreign byte.
 */

#include "av/camera.h"
#include "av/encode.h"
#include "av/feed.h"
#include "av/say.h"
#include "av/verify.h"
#include "base/err.h"
#include "base/text.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/sandbox.h"

#include <errno.h>
#include <getopt.h>
#include <libavutil/log.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_GROUP 150
#define MAX_GROUP 600
#define MAX_THREADS 16
#define MAX_FILM_BYTES (64ULL << 30)

struct args {
	struct encode_order order;
	uint32_t n_frames;
	bool dies_with_parent, is_open; /* is_open: no sandbox, for finding faults */
};

enum {
	OPT_SESSION = 256,
	OPT_CAMERA,
	OPT_OUT,
	OPT_POSTER,
	OPT_NAME,
	OPT_FPS,
	OPT_DURATION,
	OPT_HOLD,
	OPT_CRF,
	OPT_WIDTH,
	OPT_HEIGHT,
	OPT_PRESET,
	OPT_EXPECT,
	OPT_MIN_FRAMES,
	OPT_GROUP,
	OPT_THREADS,
	OPT_FOLLOW,
	OPT_REPLACE,
	OPT_FRAMES,
	OPT_DIE_WITH_PARENT,
	OPT_NO_SANDBOX,
};

static const struct option options[] = {
	{ "session", required_argument, NULL, OPT_SESSION },
	{ "camera", required_argument, NULL, OPT_CAMERA },
	{ "out", required_argument, NULL, OPT_OUT },
	{ "poster", required_argument, NULL, OPT_POSTER },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "fps", required_argument, NULL, OPT_FPS },
	{ "duration", required_argument, NULL, OPT_DURATION },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "crf", required_argument, NULL, OPT_CRF },
	{ "width", required_argument, NULL, OPT_WIDTH },
	{ "height", required_argument, NULL, OPT_HEIGHT },
	{ "preset", required_argument, NULL, OPT_PRESET },
	{ "expect", required_argument, NULL, OPT_EXPECT },
	{ "min-frames", required_argument, NULL, OPT_MIN_FRAMES },
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "threads", required_argument, NULL, OPT_THREADS },
	{ "follow", no_argument, NULL, OPT_FOLLOW },
	{ "replace", no_argument, NULL, OPT_REPLACE },
	{ "frames", required_argument, NULL, OPT_FRAMES },
	{ "die-with-parent", no_argument, NULL, OPT_DIE_WITH_PARENT },
	{ "no-sandbox", no_argument, NULL, OPT_NO_SANDBOX },
	{ NULL, 0, NULL, 0 },
};

static int usage(void)
{
	(void)fputs(
		"usage: bedside-av encode --session DIR --camera ID --out FILM.mp4 [--poster "
		"P.jpg]\n"
		"         [--fps N | --duration S] [--hold S] [--crf N] [--width W --height H]\n"
		"         [--preset NAME] [--expect N] [--min-frames N] [--group N] [--threads N]\n"
		"         [--name TRACK] [--follow] [--replace] [--die-with-parent]\n"
		"       bedside-av verify FILM --frames N\n"
		"       bedside-av probe FILM [--session DIR --camera ID [--duration S] [--hold "
		"S]]\n",
		stderr);
	return 2;
}

static bool to_u32(const char *text, uint64_t max, uint32_t *ret)
{
	uint64_t v;

	if (!text_to_u64(text, 10, &v) || v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool set_plan(struct film_plan *p, int option, const char *value)
{
	uint32_t n;

	switch (option) {
	case OPT_FPS:
		return text_to_double(value, &p->fps);
	case OPT_DURATION:
		return text_to_double(value, &p->duration_s);
	case OPT_HOLD:
		return text_to_double(value, &p->hold_s);
	case OPT_PRESET:
		return TEXT_SET(p->preset, value);
	case OPT_CRF:
		if (!to_u32(value, 51, &n))
			return false;
		p->crf = (int)n;
		return true;
	case OPT_WIDTH:
		return to_u32(value, 8192, &p->width);
	case OPT_HEIGHT:
		return to_u32(value, 8192, &p->height);
	default:
		return false;
	}
}

static bool set_option(struct args *a, int option, const char *value)
{
	struct encode_order *o = &a->order;

	switch (option) {
	case OPT_SESSION:
		o->session_dir = value;
		return true;
	case OPT_CAMERA:
		o->camera = value;
		return true;
	case OPT_OUT:
		o->out = value;
		return true;
	case OPT_POSTER:
		o->poster = value;
		return true;
	case OPT_NAME:
		o->name = value;
		return true;
	case OPT_EXPECT:
		return to_u32(value, 10000000, &o->n_expected);
	case OPT_MIN_FRAMES:
		return to_u32(value, 10000000, &o->min_frames);
	case OPT_GROUP:
		return to_u32(value, MAX_GROUP, &o->group) && o->group > 0;
	case OPT_THREADS:
		return to_u32(value, MAX_THREADS, &o->threads) && o->threads > 0;
	case OPT_FRAMES:
		return to_u32(value, UINT32_MAX, &a->n_frames);
	case OPT_FOLLOW:
		o->follows = true;
		return true;
	case OPT_REPLACE:
		o->replaces = true;
		return true;
	case OPT_DIE_WITH_PARENT:
		a->dies_with_parent = true;
		return true;
	case OPT_NO_SANDBOX:
		a->is_open = true;
		return true;
	default:
		return set_plan(&o->plan, option, value);
	}
}

static void folder_of(char *dst, size_t size, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (slash)
		text_copy_n(dst, size, path, slash == path ? 1 : (size_t)(slash - path));
	else
		text_copy(dst, size, ".");
}

static int enter(const struct sandbox_rules *r, struct err *err)
{
	/* Of foreign pictures a film of 64 GB is made at most; the address space is the
	 * encoder's at 8192 x 8192 and more. */
	const struct sandbox_limits limits = { .memory_bytes = 0,
		                               .file_bytes = MAX_FILM_BYTES,
		                               .n_files = 64 };
	int held = sandbox_enter(r, err);

	sandbox_limit(&limits);
	if (held >= 0)
		log_debug(NULL, "sandbox: files %s, calls %s",
		          held & SANDBOX_FILES ? "closed" : "open (no Landlock)",
		          held & SANDBOX_CALLS ? "closed" : "open (no seccomp)");
	return held;
}

static int check_order(struct encode_order *o, struct err *err)
{
	if (!o->session_dir || !o->camera || !o->out)
		return err_set(err, -EINVAL, "encode needs --session, --camera and --out");
	if (!o->name)
		o->name = o->camera;
	if (strchr(o->name, '/') || o->name[0] == '.' || strlen(o->name) > 100)
		return err_set(err, -EINVAL, "'%.40s' is no name for a track", o->name);
	o->plan.width &= ~1U;
	o->plan.height &= ~1U;
	return film_plan_check(&o->plan, err);
}

static int run_encode(struct args *a)
{
	struct encode_order *o = &a->order;
	struct err err = { 0 };
	char track_dir[2048], out_dir[2048], poster_dir[2048];

	if (check_order(o, &err) < 0)
		return say_failed(&err);
	(void)snprintf(track_dir, sizeof(track_dir), "%s/film", o->session_dir);
	folder_of(out_dir, sizeof(out_dir), o->out);
	folder_of(poster_dir, sizeof(poster_dir), o->poster ? o->poster : o->out);
	if (fs_make_dirs(track_dir, &err) < 0 || fs_make_dirs(out_dir, &err) < 0 ||
	    fs_make_dirs(poster_dir, &err) < 0)
		return say_failed(&err);

	const char *const read[] = { o->session_dir, NULL };
	const char *const write[] = { track_dir, out_dir, poster_dir, NULL };
	const struct sandbox_rules r = { .read = read, .write = write };

	if (!a->is_open && enter(&r, &err) < 0)
		return say_failed(&err);
	return encode_run(o);
}

static int run_film(const struct args *a, const char *path, bool verifies)
{
	const char *const read[] = { path, a->order.session_dir, NULL };
	const struct sandbox_rules r = { .read = read };
	struct err err = { 0 };

	if (!a->is_open && enter(&r, &err) < 0)
		return say_failed(&err);
	return verifies ? verify_run(path, a->n_frames) : verify_probe(path, &a->order);
}

/* What libav says about foreign bytes is for us; secrets are hidden by the log. */
static void on_av_log(void *what, int level, const char *fmt, va_list args)
{
	char line[1024];
	int print_prefix = 1;

	if (level > AV_LOG_WARNING || !log_wants(LOG_LEVEL_DEBUG))
		return;
	av_log_format_line(what, level, fmt, args, line, sizeof(line), &print_prefix);
	line[strcspn(line, "\n")] = 0;
	log_debug(NULL, "libav: %s", line);
}

int main(int argc, char **argv)
{
	struct args a = { .order = { .group = DEFAULT_GROUP, .threads = 1 } };
	int option;

	if (argc < 2)
		return usage();
	film_plan_init(&a.order.plan);
	optind = 2;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option == '?' || !set_option(&a, option, optarg))
			return usage();
	if (a.dies_with_parent && !sandbox_die_with_parent())
		return 1;
	crypto_init();
	sandbox_be_nice();
	av_log_set_callback(on_av_log);
	if (strcmp(argv[1], "encode") == 0 && optind == argc)
		return run_encode(&a);
	if (strcmp(argv[1], "camera") == 0 && optind == argc)
		return camera_run(a.is_open);
	if (strcmp(argv[1], "feed") == 0 && optind == argc)
		return feed_run(a.is_open);
	if (optind + 1 != argc)
		return usage();
	if (strcmp(argv[1], "verify") == 0)
		return run_film(&a, argv[optind], true);
	if (strcmp(argv[1], "probe") == 0)
		return run_film(&a, argv[optind], false);
	return usage();
}
