/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * folder: the newest whole JPEG of a folder into which something else puts its pictures.
 *
 * The kernel tells when a file was closed or moved here; one that is written to without ever
 * being closed is read when it has been quiet for a moment, and counts when it is whole. Of a network file
 * system nothing is told: until the first event the folder is looked through now and then. Files
 * are read on a worker. A picture was captured when its file was last written.
 */

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "cameras/driver.h"
#include "core/loop.h"
#include "core/watch.h"
#include "core/work.h"
#include "media/frame.h"
#include "model/camera.h"
#include "wire/jpeg_cut.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_PICTURE ((off_t)32 << 20)
#define MAX_ENTRIES 100000
#define QUIET_MS 250
#define LOOK_EVERY_MS 5000

struct stamp {
	int64_t mtime_ns;
	int64_t size;
};

/* The worker's while it runs. */
struct reading {
	struct folder *owner; /* NULL: nobody waits. Loop only */
	char path[512];
	char name[256]; /* "": the newest one */
	bool is_whole;  /* the file was closed: half a picture is a fault */
	struct stamp before, found;
	uint8_t *bytes;
	size_t size;
	struct err err;
};

struct folder {
	struct camera_source *source;
	struct watch *watch;
	struct timer look, quiet;
	struct reading *reading;
	struct stamp newest; /* size 0: none yet */
	int64_t opened_us;
	char next[256]; /* to be read */
	bool has_next, is_next_whole;
	bool has_heard; /* the kernel does tell of this folder */
};

/* ---- on the worker ---- */

static bool is_picture_name(const char *name)
{
	const char *dot = strrchr(name, '.');

	return name[0] != '.' && dot &&
	       (text_equal_nocase(dot, ".jpg") || text_equal_nocase(dot, ".jpeg"));
}

static struct stamp stamp_of(const struct stat *st)
{
	return (struct stamp){ .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
		                           st->st_mtim.tv_nsec,
		               .size = st->st_size };
}

static bool is_same(struct stamp a, struct stamp b)
{
	return a.mtime_ns == b.mtime_ns && a.size == b.size;
}

static int find_newest(struct reading *r)
{
	DIR *dir = opendir(r->path);
	struct stamp best = { .mtime_ns = INT64_MIN };
	const struct dirent *d;
	struct stat st;

	if (!dir)
		return err_sys(&r->err, "looking into the folder %s", r->path);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of its own */
	for (unsigned n = 0; n < MAX_ENTRIES && (d = readdir(dir)); n++) {
		if (!is_picture_name(d->d_name) ||
		    fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISREG(st.st_mode) || stamp_of(&st).mtime_ns <= best.mtime_ns)
			continue;
		best = stamp_of(&st);
		TEXT_SET(r->name, d->d_name);
	}
	(void)closedir(dir);
	return 0;
}

static int read_all(struct reading *r, int fd)
{
	size_t want = (size_t)r->found.size;

	r->bytes = mem_grow(NULL, want, 1);
	while (r->size < want) {
		ssize_t n = read(fd, r->bytes + r->size, want - r->size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(&r->err, "reading %s/%s", r->path, r->name);
		if (n == 0)
			break;
		r->size += (size_t)n;
	}
	return 0;
}

static void run_reading(void *arg)
{
	struct reading *r = arg;
	struct jpeg_cut cut = { 0 };
	struct stat st;

	if (!r->name[0] && find_newest(r) < 0)
		return;
	if (!r->name[0])
		return;

	auto_fd int dir = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	auto_fd int fd =
		dir < 0 ? -1 : openat(dir, r->name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	/* Already gone again is no fault: the next one comes. */
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	r->found = stamp_of(&st);
	if (is_same(r->found, r->before))
		return;
	if (st.st_size > MAX_PICTURE) {
		(void)err_set(&r->err, -EFBIG, "%s is larger than 32 MB", r->name);
		return;
	}
	if (read_all(r, fd) < 0)
		return;
	if (jpeg_cut(&cut, r->bytes, r->size) == JPEG_CUT_WHOLE) {
		r->size = cut.at;
		return;
	}
	if (r->is_whole)
		(void)err_set(&r->err, -EBADMSG, "%s is no JPEG, or half of one", r->name);
	free(r->bytes);
	r->bytes = NULL;
}

/* ---- on the loop ---- */

static void read_next(struct folder *f);

static void publish(struct folder *f, struct reading *r)
{
	const struct cameras_env *env = camera_source_env(f->source);
	struct frame *frame = frame_adopt(FRAME_JPEG, r->bytes, r->size);
	int64_t age_us = loop_wall_ms(env->loop) * 1000 - r->found.mtime_ns / 1000;

	r->bytes = NULL;
	frame->arrived_us = loop_now_us(env->loop);
	/* A file of the future is one whose clock is wrong: it is from now if it came under our
	 * eyes, else of any age. */
	if (age_us < 0 && f->newest.size == 0 && !r->is_whole) {
		frame->captured_us = camera_source_before_us(f->source, f->opened_us);
	} else {
		age_us = MAX(age_us, (int64_t)0) + camera_source_config(f->source)->latency_us;
		frame->captured_us = MAX(frame->arrived_us - age_us, (int64_t)1);
	}
	f->newest = r->found;
	camera_source_frame(f->source, frame);
}

static void on_read(void *arg)
{
	struct reading *r = arg;
	struct folder *f = r->owner;

	if (f) {
		f->reading = NULL;
		if (r->bytes && r->err.code == 0)
			publish(f, r);
		else if (r->err.code == -EBADMSG || r->err.code == -EFBIG)
			camera_source_refused(f->source, r->err.text);
		else if (r->err.code != 0)
			camera_source_failed(f->source, &r->err);
		read_next(f);
	}
	free(r->bytes);
	free(r);
}

static void read_next(struct folder *f)
{
	const struct cameras_env *env;
	struct reading *r;

	if (!f->watch || f->reading || !f->has_next)
		return;
	env = camera_source_env(f->source);
	r = MEM_NEW(struct reading);
	r->owner = f;
	r->is_whole = f->is_next_whole;
	r->before = f->newest;
	TEXT_SET(r->path, camera_source_config(f->source)->source);
	TEXT_SET(r->name, f->next);
	f->has_next = false;
	f->reading = r;
	work_submit(env->pool, run_reading, on_read, r);
}

static void want(struct folder *f, const char *name, bool is_whole)
{
	TEXT_SET(f->next, name);
	f->has_next = true;
	f->is_next_whole = is_whole;
}

static void on_changed(void *arg, const char *name, bool is_whole)
{
	struct folder *f = arg;

	if (name && !is_picture_name(name))
		return;
	f->has_heard = true;
	/* A whole one that waits for its turn is not given up for one that is just begun. */
	if (is_whole || !f->has_next || !f->is_next_whole)
		want(f, name ? name : "", is_whole && name);
	if (is_whole)
		read_next(f);
	else
		timer_start(&f->quiet, QUIET_MS);
}

static void on_quiet(void *arg)
{
	read_next(arg);
}

static void on_gone(void *arg)
{
	struct folder *f = arg;
	struct err err;

	(void)err_set(&err, -ENOENT, "the folder %s was removed",
	              camera_source_config(f->source)->source);
	camera_source_failed(f->source, &err);
}

static void on_look(void *arg)
{
	struct folder *f = arg;

	camera_source_unchanged(f->source, "no new picture has come into the folder");
	if (!f->has_heard && !f->has_next)
		want(f, "", false);
	read_next(f);
}

static void folder_open(void *priv, struct camera_source *src)
{
	struct folder *f = priv;
	const struct cameras_env *env = camera_source_env(src);
	const struct watch_events events = { .changed = on_changed, .gone = on_gone, .arg = f };
	struct err err;

	*f = (struct folder){ .source = src, .opened_us = loop_now_us(env->loop) };
	timer_init(&f->look, env->loop, on_look, f);
	timer_init(&f->quiet, env->loop, on_quiet, f);
	if (watch_open(env->loop, camera_source_config(src)->source, &events, &f->watch, &err) <
	    0) {
		camera_source_failed(src, &err);
		return;
	}
	timer_start_every(&f->look, LOOK_EVERY_MS);
	camera_source_says(src, "there is no picture in the folder yet");
	want(f, "", false);
	read_next(f);
}

static void folder_close(void *priv)
{
	struct folder *f = priv;

	timer_stop(&f->look);
	timer_stop(&f->quiet);
	watch_close(f->watch);
	f->watch = NULL;
	if (f->reading)
		f->reading->owner = NULL;
	f->reading = NULL;
}

const struct camera_driver camera_driver_folder = {
	.name = "folder",
	.title = "Pictures that come into a folder",
	.priv_size = sizeof(struct folder),
	.open = folder_open,
	.close = folder_close,
};
