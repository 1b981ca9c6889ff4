/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "cameras/thread.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "cameras/driver.h"
#include "core/loop.h"
#include "media/frame.h"
#include "model/camera.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#define QUEUE 8
#define END_WAIT_S 1

struct order {
	void (*run)(void *dev, void *arg);
	void *arg;
	struct order *prev, *next; /* camera_thread.orders */
};

struct camera_thread {
	/* set before start, then read-only */
	struct loop *loop;
	const struct camera_device *device;
	void *dev;
	void (*ended)(void *dev);
	int wake_fd;

	/* loop only */
	struct camera_source *source; /* NULL while closed */

	pthread_mutex_t lock;
	pthread_cond_t over;

	/* protected by lock */
	unsigned refs;   /* owner, thread, the post under way */
	unsigned wanted; /* number of this opening; 0: be closed */
	unsigned n_opened;
	struct camera_config config; /* of `wanted` */
	struct order *orders;
	bool is_ending, is_over;
	bool is_posted;
	struct frame *queue[QUEUE]; /* of `wanted` */
	unsigned n_queued;
	bool is_awaiting_key; /* video was lost */
	char says[120];
	bool has_says, has_failed;
	struct err failure;

	/* camera thread only */
	unsigned open; /* which opening the device is open for; 0: it is closed */
	unsigned failed;
	struct camera_config open_config;
};

static void wake(const struct camera_thread *t)
{
	uint64_t one = 1;

	/* It cannot fail but when the counter is full, and then the thread wakes anyway. */
	if (write(t->wake_fd, &one, sizeof(one)) < 0)
		return;
}

static void hush(const struct camera_thread *t)
{
	uint64_t n;

	if (read(t->wake_fd, &n, sizeof(n)) < 0)
		return;
}

static void drop_queue(struct camera_thread *t)
{
	for (unsigned i = 0; i < t->n_queued; i++)
		frame_unref(t->queue[i]);
	t->n_queued = 0;
}

/* With the lock; gives it back. */
static void unref_unlock(struct camera_thread *t)
{
	bool is_last = --t->refs == 0;

	pthread_mutex_unlock(&t->lock);
	if (!is_last)
		return;
	drop_queue(t);
	camera_config_fini(&t->config);
	pthread_cond_destroy(&t->over);
	pthread_mutex_destroy(&t->lock);
	(void)close(t->wake_fd);
	free(t);
}

static bool is_video(const struct frame *f)
{
	return f->format == FRAME_H264 || f->format == FRAME_H265;
}

/* ---- on the loop ---- */

static bool is_opening(struct camera_thread *t, unsigned number)
{
	pthread_mutex_lock(&t->lock);

	bool is = t->source && t->wanted == number;

	pthread_mutex_unlock(&t->lock);
	return is;
}

static void on_post(void *arg)
{
	struct camera_thread *t = arg;
	struct frame *frames[QUEUE];
	char says[sizeof(t->says)];
	struct err failure;

	pthread_mutex_lock(&t->lock);
	t->is_posted = false;

	unsigned wanted = t->wanted;
	bool is_open = wanted != 0 && !t->is_ending;
	bool has_says = is_open && t->has_says, has_failed = is_open && t->has_failed;
	unsigned n = is_open ? t->n_queued : 0;

	memcpy(frames, t->queue, n * sizeof(struct frame *));
	if (n > 0)
		t->n_queued = 0;
	memcpy(says, t->says, sizeof(says));
	failure = t->failure;
	t->has_says = t->has_failed = false;
	pthread_mutex_unlock(&t->lock);

	if (has_says)
		camera_source_says(t->source, says);
	/* A reader may close us, open us anew or even let us go in between; `t` is held by this
	 * post. */
	for (unsigned i = 0; i < n; i++) {
		if (!is_opening(t, wanted))
			frame_unref(frames[i]);
		else if (is_video(frames[i]))
			camera_source_packet(t->source, frames[i]);
		else
			camera_source_frame(t->source, frames[i]);
	}
	if (has_failed && is_opening(t, wanted))
		camera_source_failed(t->source, &failure);

	pthread_mutex_lock(&t->lock);
	unref_unlock(t);
}

void camera_thread_open(struct camera_thread *t, struct camera_source *src)
{
	assert(!t->source);
	t->source = src;
	pthread_mutex_lock(&t->lock);
	camera_config_fini(&t->config);
	t->config = (struct camera_config){ 0 };
	camera_config_copy(&t->config, camera_source_config(src));
	t->wanted = ++t->n_opened;
	t->has_says = t->has_failed = t->is_awaiting_key = false;
	pthread_mutex_unlock(&t->lock);
	wake(t);
}

void camera_thread_close(struct camera_thread *t)
{
	t->source = NULL;
	pthread_mutex_lock(&t->lock);
	t->wanted = 0;
	drop_queue(t);
	pthread_mutex_unlock(&t->lock);
	wake(t);
}

void camera_thread_order(struct camera_thread *t, void (*run)(void *dev, void *arg), void *arg)
{
	struct order *o = MEM_NEW(struct order);

	*o = (struct order){ .run = run, .arg = arg };
	pthread_mutex_lock(&t->lock);
	DL_APPEND(t->orders, o);
	pthread_mutex_unlock(&t->lock);
	wake(t);
}

/* ---- on the thread ---- */

/* With the lock. Nothing is posted once the owner has gone: the loop may have, too. */
static void post(struct camera_thread *t)
{
	if (t->is_posted || t->is_ending)
		return;
	t->is_posted = true;
	t->refs++;
	loop_post(t->loop, on_post, t);
}

bool camera_thread_is_asked(struct camera_thread *t)
{
	pthread_mutex_lock(&t->lock);

	bool is = t->is_ending || t->orders || t->wanted != t->open;

	pthread_mutex_unlock(&t->lock);
	return is;
}

short camera_thread_wait(struct camera_thread *t, int fd, short events, int timeout_ms)
{
	struct pollfd p[2] = { { .fd = t->wake_fd, .events = POLLIN },
		               { .fd = fd, .events = events } };

	if (camera_thread_is_asked(t))
		return 0;
	if (poll(p, fd >= 0 ? 2 : 1, timeout_ms) <= 0)
		return 0;
	if (p[0].revents)
		hush(t);
	if (fd < 0)
		return 0;
	return p[1].revents;
}

void camera_thread_says(struct camera_thread *t, const char *text)
{
	pthread_mutex_lock(&t->lock);
	if (t->wanted == t->open) {
		TEXT_SET(t->says, text);
		t->has_says = true;
		post(t);
	}
	pthread_mutex_unlock(&t->lock);
}

/* With the lock; gives back what is not kept, to be released without it. */
static struct frame *enqueue(struct camera_thread *t, struct frame *f)
{
	struct frame *lost;

	if (t->n_queued < QUEUE) {
		t->queue[t->n_queued++] = f;
		return NULL;
	}
	lost = t->queue[0];
	memmove((void *)t->queue, (void *)(t->queue + 1), (QUEUE - 1) * sizeof(struct frame *));
	t->queue[QUEUE - 1] = f;
	return lost;
}

static void deliver(struct camera_thread *t, struct frame *f)
{
	struct frame *lost = f;

	pthread_mutex_lock(&t->lock);
	if (t->wanted == t->open && !t->is_ending) {
		/* Decoding goes on with it; of the older ones something would be lost anyway. */
		if (is_video(f) && f->is_key && t->n_queued == QUEUE)
			drop_queue(t);
		t->is_awaiting_key =
			is_video(f) && (t->n_queued == QUEUE || (t->is_awaiting_key && !f->is_key));
		if (!t->is_awaiting_key)
			lost = enqueue(t, f);
		post(t);
	}
	pthread_mutex_unlock(&t->lock);
	frame_unref(lost);
}

static void tell_failure(struct camera_thread *t, const struct err *err)
{
	pthread_mutex_lock(&t->lock);
	t->failed = t->open;
	if (t->wanted == t->open) {
		t->failure = *err;
		t->has_failed = true;
		post(t);
	}
	pthread_mutex_unlock(&t->lock);
}

static void close_device(struct camera_thread *t)
{
	t->device->close(t->dev);
	camera_config_fini(&t->open_config);
	t->open_config = (struct camera_config){ 0 };
	t->open = 0;
}

static void open_device(struct camera_thread *t, unsigned number)
{
	struct err err = { 0 };
	int rc;

	t->open = number;
	rc = t->device->open(t->dev, t, &t->open_config, &err);
	if (rc < 0) {
		if (rc != -EAGAIN || !camera_thread_is_asked(t))
			tell_failure(t, &err);
		close_device(t);
	}
}

static void take_frame(struct camera_thread *t)
{
	struct frame *f = NULL;
	struct err err = { 0 };
	int rc = t->device->next(t->dev, t, &f, &err);

	if (rc < 0) {
		tell_failure(t, &err);
		close_device(t);
	} else if (f) {
		deliver(t, f);
	}
}

enum task {
	TASK_ORDER,
	TASK_CLOSE,
	TASK_OPEN,
	TASK_FRAME,
	TASK_SLEEP,
	TASK_END,
};

/* With the lock; when there is no order. */
static enum task next_of_device(const struct camera_thread *t)
{
	if (t->open != 0)
		return t->wanted != t->open || t->is_ending ? TASK_CLOSE : TASK_FRAME;
	if (t->is_ending)
		return TASK_END;
	return t->wanted != 0 && t->wanted != t->failed ? TASK_OPEN : TASK_SLEEP;
}

static enum task next_task(struct camera_thread *t, struct order **ret_order, unsigned *ret_number)
{
	enum task task = TASK_ORDER;

	pthread_mutex_lock(&t->lock);
	*ret_order = t->orders;
	if (t->orders)
		DL_DELETE(t->orders, *ret_order);
	else
		task = next_of_device(t);
	*ret_number = t->wanted;
	if (task == TASK_OPEN)
		camera_config_copy(&t->open_config, &t->config);
	pthread_mutex_unlock(&t->lock);
	return task;
}

static void *run(void *arg)
{
	struct camera_thread *t = arg;
	struct pollfd p = { .fd = t->wake_fd, .events = POLLIN };
	struct order *o = NULL;
	unsigned number = 0;
	enum task task;

	while ((task = next_task(t, &o, &number)) != TASK_END) {
		if (task == TASK_ORDER) {
			o->run(t->dev, o->arg);
			free(o);
		} else if (task == TASK_CLOSE) {
			close_device(t);
		} else if (task == TASK_OPEN) {
			open_device(t, number);
		} else if (task == TASK_FRAME) {
			take_frame(t);
		} else if (poll(&p, 1, -1) > 0) {
			hush(t);
		}
	}
	if (t->device->end)
		t->device->end(t->dev);
	t->ended(t->dev);
	pthread_mutex_lock(&t->lock);
	t->is_over = true;
	pthread_cond_signal(&t->over);
	unref_unlock(t);
	return NULL;
}

/* ---- life ---- */

struct camera_thread *camera_thread_new(struct loop *l, const char *name,
                                        const struct camera_device *device, void *dev,
                                        void (*ended)(void *dev))
{
	struct camera_thread *t = MEM_NEW(struct camera_thread);
	pthread_condattr_t clock;
	pthread_attr_t attr;
	pthread_t id;
	char short_name[16];

	assert(device->open && device->next && device->close);
	*t = (struct camera_thread){
		.loop = l, .device = device, .dev = dev, .ended = ended, .refs = 2
	};
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert(t->wake_fd >= 0);
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&t->over, &clock);
	pthread_condattr_destroy(&clock);
	pthread_attr_init(&attr);
	/* Nobody joins it: camera_thread_free() may have to go before it. */
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);

	/* Signals belong to the loop's thread; here they would break off a device's work. */
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);

	int rc = pthread_create(&id, &attr, run, t);

	pthread_sigmask(SIG_SETMASK, &old, NULL);
	assert(rc == 0);
	pthread_attr_destroy(&attr);
	TEXT_SET(short_name, name);
	(void)pthread_setname_np(id, short_name);
	return t;
}

void camera_thread_free(struct camera_thread *t)
{
	struct timespec until;

	if (!t)
		return;
	t->source = NULL;
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_WAIT_S;
	pthread_mutex_lock(&t->lock);
	t->is_ending = true;
	t->wanted = 0;
	drop_queue(t);
	wake(t);
	while (!t->is_over && pthread_cond_timedwait(&t->over, &t->lock, &until) == 0)
		;
	unref_unlock(t);
}
