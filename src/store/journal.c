/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "store/journal.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "model/json.h"
#include "store/journal_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pictures waiting for the disk: above the first flush early, above the second refuse. */
#define FLUSH_BYTES (16U << 20)
#define REFUSE_BYTES (64U << 20)

struct batch {
	struct journal *journal;
	uint32_t n_frames; /* of the journal, after it */
	uint64_t bytes;
	size_t n;
	struct journal_item items[JOURNAL_MAX_BATCH];
};

struct saving {
	struct journal *journal;
	char *text, *path;
	int rc;
	struct err err;
};

struct journal {
	struct journal_env env;
	struct journal_disk disk; /* the queue's */
	char dir[1024];
	char boot[40];
	struct timer flush;
	struct journal_item *pending;
	size_t n_pending, cap_pending;
	uint64_t pending_bytes; /* also of the batch on its way */
	struct batch *flushing; /* on the queue, or NULL */
	unsigned n_working;     /* openings and savings on their way */
	uint32_t n_frames;
	uint64_t bytes;
	bool is_closing, is_calling;
	void (*closed)(void *arg);
	void *closed_arg;
};

/* Which run of the machine at_us counts in. */
static void read_boot_id(char *dst, size_t size)
{
	auto_buf struct buf b = { 0 };

	if (fs_read("/proc/sys/kernel/random/boot_id", 64, &b, NULL) == 0)
		text_copy_n(dst, size, buf_peek(&b), strcspn(buf_peek(&b), "\n"));
}

static void start_flush(void *arg);

static struct journal *make(const struct journal_env *env, const char *sessions_dir,
                            const struct session *s)
{
	struct journal *j = MEM_NEW(struct journal);

	journal_disk_init(&j->disk, sessions_dir, s);
	j->env = *env;
	TEXT_SET(j->dir, j->disk.dir);
	read_boot_id(j->boot, sizeof(j->boot));
	timer_init(&j->flush, env->loop, start_flush, j);
	return j;
}

int journal_open(const struct journal_env *env, const char *sessions_dir, const struct session *s,
                 struct journal **ret, struct err *err)
{
	struct journal *j = make(env, sessions_dir, s);
	int rc = journal_disk_open(&j->disk, err);

	if (rc < 0) {
		free(j);
		return err_wrap(err, rc, "opening the journal of a session");
	}
	j->n_frames = j->disk.n_frames;
	j->bytes = j->disk.bytes;
	journal_save_session(j, s);
	*ret = j;
	return 0;
}

struct opening {
	struct journal *journal;
	void (*opened)(void *arg, const struct err *err);
	void *arg;
	int rc;
	struct err err;
	uint32_t n_frames;
	uint64_t bytes;
};

static void run_opening(void *arg)
{
	struct opening *o = arg;
	struct journal_disk *d = &o->journal->disk;

	o->rc = journal_disk_open(d, &o->err);
	o->n_frames = d->n_frames;
	o->bytes = d->bytes;
}

static void go_on(struct journal *j);

static void opened(void *arg)
{
	struct opening *o = arg;
	struct journal *j = o->journal;

	j->n_frames = o->n_frames;
	j->bytes = o->bytes;
	if (o->opened)
		o->opened(o->arg, o->rc < 0 ? &o->err : NULL);
	free(o);
	j->n_working--;
	go_on(j);
}

struct journal *journal_start(const struct journal_env *env, const char *sessions_dir,
                              const struct session *s,
                              void (*told)(void *arg, const struct err *err), void *arg)
{
	struct journal *j = make(env, sessions_dir, s);
	struct opening *o = MEM_NEW(struct opening);

	*o = (struct opening){ .journal = j, .opened = told, .arg = arg };
	j->n_working++;
	work_submit(env->queue, run_opening, opened, o);
	journal_save_session(j, s);
	return j;
}

static void finish_close(void *arg)
{
	struct journal *j = arg;

	journal_disk_close(&j->disk);
	if (j->closed)
		j->closed(j->closed_arg);
	free(j->pending);
	free(j);
}

/* What is to be done next, after anything has come to its end. */
static void go_on(struct journal *j)
{
	if (j->is_calling || j->flushing)
		return;
	if (j->n_pending > 0) {
		if (j->is_closing || j->n_pending >= JOURNAL_MAX_BATCH ||
		    j->pending_bytes > FLUSH_BYTES)
			start_flush(j);
		else if (!timer_is_running(&j->flush))
			timer_start(&j->flush, j->env.flush_ms);
		return;
	}
	if (j->is_closing && j->n_working == 0)
		finish_close(j);
}

static void run_flush(void *arg)
{
	struct batch *b = arg;

	struct journal_disk *d = &b->journal->disk;

	journal_disk_flush(d, b->items, b->n);
	b->n_frames = d->n_frames;
	b->bytes = d->bytes;
}

static void flushed(void *arg)
{
	struct batch *b = arg;
	struct journal *j = b->journal;

	j->flushing = NULL;
	j->n_frames = b->n_frames;
	j->bytes = b->bytes;
	j->is_calling = true;
	for (size_t i = 0; i < b->n; i++) {
		struct journal_item *it = &b->items[i];

		if (!it->frame)
			continue;
		j->pending_bytes -= it->frame->size;
		if (it->stored)
			it->stored(it->arg, &it->entry, it->rc < 0 ? &it->err : NULL);
		frame_unref(it->frame);
	}
	free(b);
	j->is_calling = false;
	go_on(j);
}

static void start_flush(void *arg)
{
	struct journal *j = arg;
	struct batch *b;

	timer_stop(&j->flush);
	if (j->flushing || j->n_pending == 0)
		return;
	b = MEM_NEW(struct batch);
	b->journal = j;
	b->n = MIN(j->n_pending, (size_t)JOURNAL_MAX_BATCH);
	memcpy(b->items, j->pending, b->n * sizeof(*j->pending));
	j->n_pending -= b->n;
	memmove(j->pending, j->pending + b->n, j->n_pending * sizeof(*j->pending));
	j->flushing = b;
	work_submit(j->env.queue, run_flush, flushed, b);
}

static struct journal_item *add_item(struct journal *j)
{
	if (j->n_pending == j->cap_pending) {
		j->cap_pending = j->cap_pending ? 2 * j->cap_pending : 4;
		j->pending = mem_grow(j->pending, j->cap_pending, sizeof(*j->pending));
	}

	struct journal_item *it = &j->pending[j->n_pending++];

	*it = (struct journal_item){ .fd = -1 };
	return it;
}

struct refusal {
	struct journal_entry entry;
	void (*stored)(void *arg, const struct journal_entry *e, const struct err *err);
	void *arg;
};

static void tell_refusal(void *arg)
{
	struct refusal *r = arg;
	struct err err;

	err_set(&err, -EAGAIN,
	        "the disk is too slow: a picture was not kept, %u MB wait to be written",
	        REFUSE_BYTES >> 20);
	r->stored(r->arg, &r->entry, &err);
	free(r);
}

static void refuse(struct journal *j, const struct journal_entry *e,
                   void (*stored)(void *arg, const struct journal_entry *e, const struct err *err),
                   void *arg)
{
	struct refusal *r;

	if (!stored)
		return;
	r = MEM_NEW(struct refusal);
	*r = (struct refusal){ .entry = *e, .stored = stored, .arg = arg };
	loop_post(j->env.loop, tell_refusal, r);
}

void journal_add(struct journal *j, struct frame *f, const struct journal_entry *e,
                 void (*stored)(void *arg, const struct journal_entry *e, const struct err *err),
                 void *arg)
{
	struct journal_item *it;

	assert(loop_is_mine(j->env.loop) && !j->is_closing && e->camera[0] != '\0');
	if (j->pending_bytes + f->size > REFUSE_BYTES) {
		refuse(j, e, stored, arg);
		return;
	}
	it = add_item(j);
	it->frame = frame_ref(f);
	it->entry = *e;
	if (it->entry.boot[0] == '\0')
		TEXT_SET(it->entry.boot, j->boot);
	it->stored = stored;
	it->arg = arg;
	j->pending_bytes += f->size;
	go_on(j);
}

void journal_note(struct journal *j, const char *kind, const char *text, int64_t wall_ms)
{
	struct journal_item *it;

	assert(loop_is_mine(j->env.loop) && !j->is_closing);
	it = add_item(j);
	TEXT_SET(it->kind, kind);
	TEXT_SET(it->text, text);
	it->entry.at_wall_ms = wall_ms;
	go_on(j);
}

static void run_working(void *arg)
{
	struct saving *s = arg;

	s->rc = fs_write_atomic(s->path, s->text, strlen(s->text), 0600, &s->err);
}

static void saved(void *arg)
{
	struct saving *s = arg;
	struct journal *j = s->journal;

	if (s->rc < 0)
		log_warn(NULL, "%s", s->err.text);
	free(s->text);
	free(s->path);
	free(s);
	j->n_working--;
	go_on(j);
}

void journal_save_session(struct journal *j, const struct session *s)
{
	struct saving *sv = MEM_NEW(struct saving);
	json_t *o = json_session(s);

	assert(loop_is_mine(j->env.loop) && !j->is_closing);
	sv->journal = j;
	sv->text = json_dumps(o, JSON_INDENT(2) | JSON_SHORT_REALS);
	sv->path = mem_printf("%s/session.json", j->dir);
	json_decref(o);
	j->n_working++;
	work_submit(j->env.queue, run_working, saved, sv);
}

static void close_now(void *arg)
{
	struct journal *j = arg;

	j->n_working--;
	go_on(j);
}

void journal_close(struct journal *j, void (*done)(void *arg), void *arg)
{
	if (!j) {
		if (done)
			done(arg);
		return;
	}
	assert(loop_is_mine(j->env.loop) && !j->is_closing);
	j->is_closing = true;
	j->closed = done;
	j->closed_arg = arg;
	timer_stop(&j->flush);
	/* Counts as work until it ran: `done` never comes from inside this call. */
	j->n_working++;
	loop_post(j->env.loop, close_now, j);
}

uint32_t journal_n_frames(const struct journal *j)
{
	return j->n_frames;
}

uint64_t journal_bytes(const struct journal *j)
{
	return j->bytes;
}

const char *journal_dir(const struct journal *j)
{
	return j->dir;
}
