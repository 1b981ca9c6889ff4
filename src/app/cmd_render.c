/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * render: another film from the pictures of a session, without the daemon.
 *
 * Works on files alone: bedside-av reads the session's folder and writes the film. What was
 * encoded when it is interrupted is taken up by the next call for the same film. A film among the
 * others of the data folder is checked to its last frame and gets its record, so that the page shows
 * it too.
 */

#include "app/cmd.h"
#include "app/config.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/when.h"
#include "core/crypto.h"
#include "core/fs.h"
#include "core/loop.h"
#include "core/proc.h"
#include "core/signals.h"
#include "film/films.h"
#include "film/worker.h"
#include "model/json.h"
#include "store/journal.h"
#include "store/repo.h"
#include "store/store.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_SESSION_JSON (256U << 10)
#define BAR_WIDTH 30

struct render {
	const char *session; /* as given: an id or a folder */
	const char *data;
	const char *out;
	char camera[MODEL_ID_SIZE];
	char dir[1024], film[1400], poster[1400]; /* poster "": none */
	struct film_plan plan;
	struct session record; /* what session.json says, as far as it is there */

	struct loop *loop;
	struct proc *worker;
	struct worker_said last; /* of the newest worker */
	bool has_last, has_bar, is_interrupted;
	char last_log[240];
	int status;
};

static int usage(void)
{
	fputs("usage: bedside render SESSION [--data DIR] [--camera ID] [--fps N | --duration S]\n"
	      "                      [--hold S] [--crf N] [--preset NAME] [--size WxH] [--out "
	      "FILE]\n"
	      "SESSION is a session's id, or its folder.\n",
	      stderr);
	return 2;
}

static bool set_size(struct film_plan *p, const char *text)
{
	const char *x = strchr(text, 'x');
	char width[16];
	uint64_t w, h;

	if (!x || !text_copy_n(width, sizeof(width), text, (size_t)(x - text)) ||
	    !text_to_u64(width, 10, &w) || !text_to_u64(x + 1, 10, &h) || w > 8192 || h > 8192)
		return false;
	p->width = (unsigned)w;
	p->height = (unsigned)h;
	return true;
}

static bool set_option(struct render *r, int option, const char *value)
{
	int64_t crf;

	switch (option) {
	case 'D':
		r->data = value;
		return true;
	case 'C':
		return TEXT_SET(r->camera, value);
	case 'f':
		return text_to_double(value, &r->plan.fps);
	case 'd':
		return text_to_double(value, &r->plan.duration_s);
	case 'h':
		return text_to_double(value, &r->plan.hold_s);
	case 'p':
		return TEXT_SET(r->plan.preset, value);
	case 'c':
		if (!text_to_i64(value, &crf) || crf < 0 || crf > 51)
			return false;
		r->plan.crf = (int)crf;
		return true;
	case 's':
		return set_size(&r->plan, value);
	case 'o':
		r->out = value;
		return true;
	default:
		return false;
	}
}

static bool read_options(struct render *r, int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'D' },
		{ "camera", required_argument, NULL, 'C' },
		{ "fps", required_argument, NULL, 'f' },
		{ "duration", required_argument, NULL, 'd' },
		{ "hold", required_argument, NULL, 'h' },
		{ "crf", required_argument, NULL, 'c' },
		{ "preset", required_argument, NULL, 'p' },
		{ "size", required_argument, NULL, 's' },
		{ "out", required_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread at this point */
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (option == '?' || !set_option(r, option, optarg))
			return false;
	if (optind + 1 != argc)
		return false;
	r->session = argv[optind];
	return true;
}

static int find_session(struct render *r, char *data, size_t size, struct err *err)
{
	char manifest[1100];

	TEXT_SET(r->dir, r->session);
	if (r->data)
		text_copy(data, size, r->data);
	if (id_is_valid(r->session)) {
		if (!r->data && !config_find_data(NULL, NULL, data, size))
			return err_set(err, -EINVAL, "the configuration has faults");
		(void)snprintf(r->dir, sizeof(r->dir), "%s/sessions/%s", data, r->session);
	}
	(void)snprintf(manifest, sizeof(manifest), "%s/manifest", r->dir);
	if (access(manifest, R_OK) < 0)
		return err_set(err, -ENOENT,
		               "there is no session in %s (no readable file 'manifest')", r->dir);
	return 0;
}

static void read_record(struct render *r)
{
	char path[1100];
	struct buf text;

	(void)snprintf(path, sizeof(path), "%s/session.json", r->dir);
	if (fs_read(path, MAX_SESSION_JSON, &text, NULL) == 0) {
		json_t *o = json_loadb(buf_peek(&text), text.size, 0, NULL);

		if (!json_to_session(&r->record, o))
			r->record = (struct session){ 0 };
		json_decref(o);
	}
	buf_fini(&text);
}

/* Without a record the first frame says which camera there is. */
static int find_camera(struct render *r, struct err *err)
{
	struct journal_reader *reader;
	struct journal_entry e;
	int rc;

	if (r->camera[0])
		return 0;
	if (r->record.n_cameras > 0)
		TEXT_SET(r->camera, r->record.cameras[0]);
	rc = journal_reader_open(r->dir, &reader, err);
	if (rc < 0)
		return rc;
	while (!r->camera[0] && (rc = journal_reader_next(reader, &e, NULL)) != 0 &&
	       (rc > 0 || rc == -EBADMSG))
		if (rc == 1)
			TEXT_SET(r->camera, e.camera);
	journal_reader_close(reader);
	return r->camera[0] ? 0 : err_set(err, -ENODATA, "there are no pictures in %s", r->dir);
}

static void name_film(struct render *r, const char *data)
{
	struct timespec now;
	char base[256], in[1100] = "";
	const char *job = r->record.job_name[0] ? r->record.job_name : "film";

	if (r->out) {
		TEXT_SET(r->film, r->out);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	films_name(base, sizeof(base), (int64_t)now.tv_sec * 1000, job, NULL);
	/* Of a folder somewhere the film comes to where we stand. */
	if (data[0])
		(void)snprintf(in, sizeof(in), "%s/", data);
	(void)snprintf(r->film, sizeof(r->film), "%s%s.mp4", in,
	               data[0] ? base : base + strlen("films/"));
	for (unsigned n = 2; access(r->film, F_OK) == 0 && n < 1000; n++)
		(void)snprintf(r->film, sizeof(r->film), "%s%s-%u.mp4", in,
		               data[0] ? base : base + strlen("films/"), n);
	if (data[0] && r->record.id[0])
		(void)snprintf(r->poster, sizeof(r->poster), "%.*s.jpg",
		               (int)(strlen(r->film) - strlen(".mp4")), r->film);
}

static void draw_bar(struct render *r, const struct worker_said *s)
{
	char bar[BAR_WIDTH + 1];
	int percent = MAX(s->percent, 0), full = percent * BAR_WIDTH / 100;

	if (!r->has_bar)
		return;
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)full);
	bar[BAR_WIDTH] = 0;
	fprintf(stderr, "\r[%s] %3d %%  %u frames ", bar, percent, s->n_frames);
	fflush(stderr);
}

static void on_said(void *arg, const struct worker_said *s)
{
	struct render *r = arg;

	if (s->word == WORKER_PROGRESS)
		draw_bar(r, s);
	if (s->word != WORKER_DONE && s->word != WORKER_FAILED && s->word != WORKER_VERIFIED)
		return;
	r->last = *s;
	r->has_last = true;
}

static void on_logged(void *arg, const char *line)
{
	struct render *r = arg;

	TEXT_SET(r->last_log, line);
	if (r->has_bar)
		fputc('\r', stderr);
	fprintf(stderr, "%s\n", line);
}

static void print_result(struct render *r)
{
	const struct worker_said *s = &r->last;
	char size[32];

	if (r->has_bar)
		fputs("\r\033[K", stderr);
	if (r->has_last && s->word == WORKER_DONE) {
		printf("%s: %u frames, %.1f s, %u x %u, %s", r->film, s->n_frames, s->duration_s,
		       s->width, s->height, text_size(size, sizeof(size), s->bytes));
		if (s->n_skipped > 0)
			printf("; %u broken pictures left out", s->n_skipped);
		putchar('\n');
		r->status = 0;
		return;
	}
	r->status = 1;
	if (r->is_interrupted)
		fputs("bedside render: interrupted; the same command goes on from here\n", stderr);
	else
		fprintf(stderr, "bedside render: %s\n",
		        r->has_last      ? s->text
		        : r->last_log[0] ? r->last_log
		                         : "bedside-av ended without a word");
}

static void on_ended(void *arg, int status UNUSED, int signal UNUSED)
{
	struct render *r = arg;

	proc_free(r->worker);
	r->worker = NULL;
	loop_stop(r->loop);
}

static void on_signal(void *arg, int number UNUSED)
{
	struct render *r = arg;

	r->is_interrupted = true;
	if (r->worker)
		proc_kill(r->worker, 0);
}

static int run(struct render *r, enum worker_kind kind, struct err *err)
{
	const struct worker_ears ears = { on_said, on_logged, on_ended, r };
	char program[1200], track[32];
	long n_cpus = sysconf(_SC_NPROCESSORS_ONLN);

	films_find_worker(program, sizeof(program));
	(void)snprintf(track, sizeof(track), "render-%08x",
	               crypto_crc32c(0, r->film, strlen(r->film)));

	const struct worker_job job = {
		.kind = kind,
		.program = program,
		.session_dir = r->dir,
		.camera = r->camera,
		.track = track,
		.film_path = r->film,
		.poster_path = r->poster[0] ? r->poster : NULL,
		.plan = &r->plan,
		.n_frames = r->last.n_frames,
		.threads = n_cpus > 1 ? (unsigned)MIN(n_cpus, 4L) : 1,
	};

	r->has_last = false;
	r->loop = loop_new();

	struct signals *signals = signals_new(r->loop, on_signal, r);
	int rc = worker_start(r->loop, &job, &ears, &r->worker, err);

	if (rc == 0)
		loop_run(r->loop);
	signals_free(signals);
	loop_free(r->loop);
	return rc;
}

static int run_save(struct db *db, void *arg, struct err *err)
{
	return repo_film_save(db, arg, err);
}

static int save_record(struct film *f, const char *data, struct err *err)
{
	struct loop *l = loop_new();
	struct store *s = NULL;
	int rc = store_open_tool(l, data, &s, err);

	if (rc == 0) {
		rc = store_call(s, run_save, f, err);
		store_close(s);
	}
	loop_free(l);
	return rc;
}

/* The film is there and its figures are in r->last. */
static void keep_record(struct render *r, const char *data)
{
	const struct worker_said made = r->last;
	struct film f = { .state = FILM_VERIFIED, .progress_percent = 100, .plan = r->plan };
	struct timespec now;
	struct err err = { 0 };

	clock_gettime(CLOCK_REALTIME, &now);
	f.made_wall_ms = (int64_t)now.tv_sec * 1000;
	id_new(f.id, f.made_wall_ms);
	TEXT_SET(f.session, r->record.id);
	TEXT_SET(f.printer, r->record.printer);
	TEXT_SET(f.camera, r->camera);
	TEXT_SET(f.job_name, r->record.job_name);
	TEXT_SET(f.file, r->film + strlen(data) + 1);
	if (access(r->poster, F_OK) == 0)
		TEXT_SET(f.poster, r->poster + strlen(data) + 1);
	f.duration_s = made.duration_s;
	f.fps = made.fps;
	f.width = made.width;
	f.height = made.height;
	f.n_frames = made.n_frames;
	f.n_skipped = made.n_skipped;
	f.bytes = made.bytes;
	/* Not checked: the daemon does it at its next start. */
	if (run(r, WORKER_VERIFY, &err) < 0 || !r->has_last || r->last.word != WORKER_VERIFIED) {
		f.state = FILM_READY;
		fprintf(stderr, "bedside render: the film could not be checked: %s\n",
		        err.text[0]   ? err.text
		        : r->has_last ? r->last.text
		                      : "interrupted");
	}
	if (save_record(&f, data, &err) < 0)
		fprintf(stderr, "bedside render: the page will not show the film: %s\n", err.text);
}

int cmd_render(int argc, char **argv)
{
	struct render r = { .has_bar = isatty(STDERR_FILENO) };
	char data[1024] = "";
	struct err err = { 0 };

	film_plan_init(&r.plan);
	if (!read_options(&r, argc, argv))
		return usage();
	if (film_plan_check(&r.plan, &err) < 0 || find_session(&r, data, sizeof(data), &err) < 0) {
		fprintf(stderr, "bedside render: %s\n", err.text);
		return 1;
	}
	read_record(&r);
	if (find_camera(&r, &err) < 0) {
		fprintf(stderr, "bedside render: %s\n", err.text);
		return 1;
	}
	name_film(&r, data);
	if (run(&r, WORKER_ENCODE, &err) < 0) {
		fprintf(stderr, "bedside render: %s\n", err.text);
		return 1;
	}
	print_result(&r);
	if (r.status == 0 && r.poster[0])
		keep_record(&r, data);
	return r.status;
}
