/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/picture.h"

#include "base/buf.h"
#include "base/mem.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/jpeg.h"
#include "wire/http_server.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#define COPY_QUALITY 75

/* One camera's pictures of one width. */
struct picture_feed {
	struct pictures *all;
	unsigned width; /* 0: as they come */
	struct picture_reader *readers, *next_to_wake;
	struct picture *newest;
	/* copies */
	struct frame *source; /* what the newest copy is made of, or will be */
	bool is_busy, is_source_new;
	int64_t begun_us;
	struct picture_feed *prev, *next;
};

struct pictures {
	struct loop *loop;
	struct work_pool *pool;
	struct picture_feed *feeds;
	unsigned n_jobs;
	bool is_ending;
};

/* ---- pictures ---- */

struct picture *picture_new(struct frame *f)
{
	struct picture *p = MEM_NEW(struct picture);

	p->refs = 1;
	p->frame = f;
	return p;
}

struct picture *picture_ref(struct picture *p)
{
	p->refs++;
	return p;
}

void picture_unref(struct picture *p)
{
	if (!p || --p->refs > 0)
		return;
	http_bytes_unref(p->jpeg);
	http_bytes_unref(p->part);
	frame_unref(p->frame);
	free(p);
}

static void release_frame(void *owner)
{
	frame_unref(owner);
}

struct http_bytes *picture_jpeg(struct picture *p)
{
	if (!p->jpeg)
		p->jpeg = http_bytes_wrap(p->frame->data, p->frame->size, release_frame,
		                          frame_ref(p->frame));
	return p->jpeg;
}

const char *picture_timestamp(char dst[40], const struct frame *f)
{
	snprintf(dst, 40, "%lld.%06lld", (long long)(f->captured_wall_ms / 1000),
	         (long long)(f->captured_wall_ms % 1000 * 1000));
	return dst;
}

struct http_bytes *picture_part(struct picture *p)
{
	const struct frame *f = p->frame;
	char at[40];
	struct buf b;

	if (p->part)
		return p->part;
	buf_init(&b, 0);
	(void)buf_reserve(&b, f->size + 200);
	buf_printf(&b, "Content-Type: image/jpeg\r\nContent-Length: %zu\r\nX-Timestamp: %s\r\n\r\n",
	           f->size, picture_timestamp(at, f));
	buf_add(&b, f->data, f->size);
	buf_add_str(&b, "\r\n--" PICTURE_BOUNDARY "\r\n");
	p->part = http_bytes_take(&b);
	return p->part;
}

/* ---- feeds ---- */

static struct picture_feed *feed_of(struct pictures *fs, struct camera *c, unsigned width)
{
	struct picture_feed *f;

	DL_FOREACH(fs->feeds, f)
	/* The memory of a camera that was removed may be another's now. */
	if (f->width == width && f->readers && f->readers->watcher.camera == c)
		return f;
	f = MEM_NEW(struct picture_feed);
	f->all = fs;
	f->width = width;
	DL_APPEND(fs->feeds, f);
	return f;
}

/* What it holds is of no use to the next reader: by then it is history. */
static void free_if_unused(struct picture_feed *f)
{
	if (f->readers || f->is_busy)
		return;
	DL_DELETE(f->all->feeds, f);
	picture_unref(f->newest);
	frame_unref(f->source);
	free(f);
}

static void put(struct picture_feed *f, struct frame *frame)
{
	picture_unref(f->newest);
	f->newest = picture_new(frame);
}

static void wake_all(struct picture_feed *f)
{
	assert(!f->next_to_wake);
	for (struct picture_reader *r = f->readers; r; r = f->next_to_wake) {
		f->next_to_wake = r->next;
		r->has_newer = true;
		r->woken(r->arg);
	}
}

/* ---- copies ---- */

struct copy {
	struct picture_feed *feed;
	struct frame *from, *to;
	unsigned width;
};

static void make_copy(void *arg)
{
	struct copy *c = arg;

	if (jpeg_shrink(c->from, c->width, COPY_QUALITY, &c->to, NULL) < 0)
		c->to = NULL;
}

static void begin_copy(struct picture_feed *f);

static void copy_is_made(void *arg)
{
	struct copy *c = arg;
	struct picture_feed *f = c->feed;
	struct pictures *fs = f->all;

	fs->n_jobs--;
	/* Busy until all are told: the last reader may leave inside. */
	if (c->to && f->readers) {
		put(f, c->to);
		wake_all(f);
	} else {
		frame_unref(c->to);
	}
	frame_unref(c->from);
	free(c);
	f->is_busy = false;
	if (f->readers && f->is_source_new)
		begin_copy(f);
	free_if_unused(f);
	if (fs->is_ending && fs->n_jobs == 0)
		free(fs);
}

/* As often as the most demanding wants. */
static int64_t wanted_every_us(const struct picture_feed *f)
{
	const struct picture_reader *r;
	int64_t every_us = INT64_MAX;

	DL_FOREACH(f->readers, r)
	every_us = MIN(every_us, r->every_us);
	return every_us;
}

static void begin_copy(struct picture_feed *f)
{
	struct copy *c;
	int64_t now_us = loop_now_us(f->all->loop), every_us = wanted_every_us(f);

	if (f->is_busy || (f->begun_us && now_us < f->begun_us + every_us - every_us / 8))
		return;
	f->begun_us = now_us;
	f->is_busy = true;
	f->is_source_new = false;
	c = MEM_NEW(struct copy);
	c->feed = f;
	c->from = frame_ref(f->source);
	c->width = f->width;
	f->all->n_jobs++;
	work_submit(f->all->pool, make_copy, copy_is_made, c);
}

/* Every reader's watcher brings the same frame; the first counts. Takes the reference. */
static void offer(struct picture_feed *f, struct frame *frame)
{
	if (frame == f->source) {
		frame_unref(frame);
		return;
	}
	frame_unref(f->source);
	f->source = frame;
	f->is_source_new = true;
	begin_copy(f);
}

/* ---- readers ---- */

static void camera_woke(void *arg)
{
	struct picture_reader *r = arg;
	struct frame *frame;

	if (r->feed->width > 0 && (frame = camera_watch_take(&r->watcher)) != NULL)
		offer(r->feed, frame); /* woken when the copy is there */
	else
		r->woken(r->arg);
}

void picture_read(struct pictures *fs, struct camera *c, unsigned width, struct picture_reader *r)
{
	struct frame *frame;

	assert(!r->feed);
	r->feed = feed_of(fs, c, width);
	r->has_newer = r->feed->newest && width > 0;
	DL_APPEND(r->feed->readers, r);
	camera_watch(c, &r->watcher, camera_woke, r);
	if (width > 0 && (frame = camera_watch_take(&r->watcher)) != NULL)
		offer(r->feed, frame);
}

void picture_leave(struct picture_reader *r)
{
	struct picture_feed *f = r->feed;

	if (!f)
		return;
	camera_unwatch(&r->watcher);
	if (f->next_to_wake == r)
		f->next_to_wake = r->next;
	DL_DELETE(f->readers, r);
	r->feed = NULL;
	free_if_unused(f);
}

struct camera *picture_reader_camera(const struct picture_reader *r)
{
	return r->watcher.camera;
}

/* Takes the reference. */
static struct picture *picture_of(struct picture_feed *f, struct frame *frame)
{
	if (!f->newest || f->newest->frame != frame)
		put(f, frame);
	else
		frame_unref(frame);
	return picture_ref(f->newest);
}

struct picture *picture_take(struct picture_reader *r)
{
	struct picture_feed *f = r->feed;
	struct frame *frame;

	if (f->width == 0) {
		frame = camera_watch_take(&r->watcher);
		return frame ? picture_of(f, frame) : NULL;
	}
	if (!r->has_newer || !f->newest)
		return NULL;
	r->has_newer = false;
	return picture_ref(f->newest);
}

struct picture *picture_newest(struct picture_reader *r)
{
	struct picture_feed *f = r->feed;
	struct frame *frame;

	if (f->width > 0)
		return f->newest ? picture_ref(f->newest) : NULL;
	frame = r->watcher.camera ? camera_newest(r->watcher.camera) : NULL;
	return frame ? picture_of(f, frame) : NULL;
}

/* ---- life ---- */

struct pictures *pictures_new(struct loop *l, struct work_pool *pool)
{
	struct pictures *fs = MEM_NEW(struct pictures);

	fs->loop = l;
	fs->pool = pool;
	return fs;
}

void pictures_free(struct pictures *fs)
{
	if (!fs)
		return;
	fs->is_ending = true;
	if (fs->n_jobs == 0)
		free(fs);
}
