/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/loop.h"

#include "base/mem.h"
#include "core/log.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#define SIMULATED_START_US 1000000
#define SLOW_CALLBACK_US 50000

struct post {
	void (*fn)(void *arg);
	void *arg;
};

struct kept {
	struct kept *next;
	const void *key;
	void *thing;
	void (*drop)(void *thing);
};

struct loop {
	uv_loop_t uv;
	uv_timer_t wake;   /* told of the earliest timer only */
	uv_async_t posted; /* posts have come */
	bool is_simulated;
	pthread_t thread;
	int64_t now_us;  /* simulated time */
	int64_t wall_ms; /* simulated wall time at SIMULATED_START_US */

	struct timer **heap;
	size_t n_timers, cap_timers;
	uint64_t next_order;
	struct kept *kept;

	pthread_mutex_t lock; /* a leaf */
	struct post *posts;   /* protected by lock */
	size_t n_posts, cap_posts;
	bool wants_stop; /* protected by lock */
};

static int64_t clock_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static bool is_before(const struct timer *a, const struct timer *b)
{
	return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void heap_set(struct loop *l, size_t slot, struct timer *t)
{
	l->heap[slot] = t;
	t->slot = slot;
}

static void heap_up(struct loop *l, size_t slot)
{
	struct timer *t = l->heap[slot];

	while (slot > 1 && is_before(t, l->heap[slot / 2])) {
		heap_set(l, slot, l->heap[slot / 2]);
		slot /= 2;
	}
	heap_set(l, slot, t);
}

static void heap_down(struct loop *l, size_t slot)
{
	struct timer *t = l->heap[slot];

	while (2 * slot <= l->n_timers) {
		size_t child = 2 * slot;

		if (child < l->n_timers && is_before(l->heap[child + 1], l->heap[child]))
			child++;
		if (!is_before(l->heap[child], t))
			break;
		heap_set(l, slot, l->heap[child]);
		slot = child;
	}
	heap_set(l, slot, t);
}

static void on_wake(uv_timer_t *wake);

static void tell_uv(struct loop *l)
{
	if (l->is_simulated)
		return;
	if (l->n_timers == 0) {
		uv_timer_stop(&l->wake);
		return;
	}

	int64_t wait_us = l->heap[1]->due_us - clock_us(CLOCK_MONOTONIC);

	uv_update_time(&l->uv);
	uv_timer_start(&l->wake, on_wake, wait_us > 0 ? (uint64_t)(wait_us + 999) / 1000 : 0, 0);
}

static void heap_add(struct loop *l, struct timer *t)
{
	if (l->n_timers + 1 >= l->cap_timers) {
		l->cap_timers = l->cap_timers ? 2 * l->cap_timers : 64;
		l->heap = mem_grow(l->heap, l->cap_timers, sizeof(struct timer *));
	}
	t->order = ++l->next_order;
	l->heap[++l->n_timers] = t;
	heap_up(l, l->n_timers);
}

static void heap_remove(struct loop *l, struct timer *t)
{
	size_t slot = t->slot;
	struct timer *moved = l->heap[l->n_timers--];

	t->slot = 0;
	if (moved == t)
		return;
	l->heap[slot] = moved;
	moved->slot = slot;
	heap_up(l, slot);
	heap_down(l, moved->slot);
}

/* Whatever waits or works for long belongs on a worker (core/work). */
static void note_slow(const struct loop *l, const char *what, uintptr_t fn, int64_t began_us)
{
	int64_t took_us = l->is_simulated ? 0 : clock_us(CLOCK_MONOTONIC) - began_us;

	if (took_us > SLOW_CALLBACK_US)
		log_debug(NULL, "a %s's callback 0x%jx took %d ms", what, (uintmax_t)fn,
		          (int)(took_us / 1000));
}

static void run_timer(struct loop *l, struct timer *t, int64_t now_us)
{
	heap_remove(l, t);
	if (t->every_us > 0) {
		t->due_us += t->every_us;
		if (t->due_us <= now_us)
			t->due_us = now_us + t->every_us;
		heap_add(l, t);
	}

	void (*fn)(void *arg) = t->fn;

	fn(t->arg);
	note_slow(l, "timer", (uintptr_t)fn, now_us);
}

static void on_wake(uv_timer_t *wake)
{
	struct loop *l = wake->data;
	/* What becomes due meanwhile waits for the next turn: sockets come in between. */
	int64_t until_us = clock_us(CLOCK_MONOTONIC);

	while (l->n_timers > 0 && l->heap[1]->due_us <= until_us)
		run_timer(l, l->heap[1], clock_us(CLOCK_MONOTONIC));
	tell_uv(l);
}

static bool run_posts(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	struct post *posts = l->posts;
	size_t n = l->n_posts;

	l->posts = NULL;
	l->n_posts = l->cap_posts = 0;
	pthread_mutex_unlock(&l->lock);

	for (size_t i = 0; i < n; i++) {
		int64_t began_us = l->is_simulated ? 0 : clock_us(CLOCK_MONOTONIC);

		posts[i].fn(posts[i].arg);
		note_slow(l, "post", (uintptr_t)posts[i].fn, began_us);
	}
	free(posts);
	return n > 0;
}

static void on_posted(uv_async_t *posted)
{
	struct loop *l = posted->data;

	run_posts(l);
	pthread_mutex_lock(&l->lock);
	bool stop = l->wants_stop;
	pthread_mutex_unlock(&l->lock);
	if (stop)
		uv_stop(&l->uv);
}

static struct loop *loop_make(bool is_simulated)
{
	struct loop *l = MEM_NEW(struct loop);

	l->is_simulated = is_simulated;
	l->thread = pthread_self();
	pthread_mutex_init(&l->lock, NULL);
	return l;
}

struct loop *loop_new(void)
{
	struct loop *l = loop_make(false);
	int rc = uv_loop_init(&l->uv);

	assert(rc == 0);
	/* libuv writes to sockets that may be gone: that is an error of theirs, not our end. */
	(void)signal(SIGPIPE, SIG_IGN);
	uv_timer_init(&l->uv, &l->wake);
	l->wake.data = l;
	rc = uv_async_init(&l->uv, &l->posted, on_posted);
	assert(rc == 0);
	l->posted.data = l;
	return l;
}

struct loop *loop_new_simulated(int64_t wall_ms)
{
	struct loop *l = loop_make(true);

	l->now_us = SIMULATED_START_US;
	l->wall_ms = wall_ms;
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (run_posts(l)) {
	}
	assert(l->n_timers == 0);
	if (!l->is_simulated) {
		uv_close((uv_handle_t *)&l->wake, NULL);
		uv_close((uv_handle_t *)&l->posted, NULL);
		uv_run(&l->uv, UV_RUN_DEFAULT);

		int rc = uv_loop_close(&l->uv);

		assert(rc == 0);
	}
	while (l->kept) {
		struct kept *k = l->kept;

		l->kept = k->next;
		k->drop(k->thing);
		free(k);
	}
	pthread_mutex_destroy(&l->lock);
	free(l->heap);
	free(l->posts);
	free(l);
}

void loop_run(struct loop *l)
{
	assert(!l->is_simulated);
	l->thread = pthread_self();
	uv_run(&l->uv, UV_RUN_DEFAULT);
	pthread_mutex_lock(&l->lock);
	l->wants_stop = false;
	pthread_mutex_unlock(&l->lock);
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->wants_stop = true;
	pthread_mutex_unlock(&l->lock);
	if (!l->is_simulated)
		uv_async_send(&l->posted);
}

void loop_advance(struct loop *l, int64_t ms)
{
	assert(l->is_simulated);

	int64_t until_us = l->now_us + ms * 1000;

	for (;;) {
		while (run_posts(l)) {
		}
		if (l->n_timers == 0 || l->heap[1]->due_us > until_us)
			break;
		l->now_us = MAX(l->now_us, l->heap[1]->due_us);
		run_timer(l, l->heap[1], l->now_us);
	}
	l->now_us = until_us;
}

bool loop_is_simulated(const struct loop *l)
{
	return l->is_simulated;
}

bool loop_is_mine(const struct loop *l)
{
	return pthread_equal(l->thread, pthread_self());
}

int64_t loop_now_us(const struct loop *l)
{
	return l->is_simulated ? l->now_us : clock_us(CLOCK_MONOTONIC);
}

int64_t loop_wall_ms(const struct loop *l)
{
	return l->is_simulated ? l->wall_ms + (l->now_us - SIMULATED_START_US) / 1000
	                       : clock_us(CLOCK_REALTIME) / 1000;
}

void loop_post(struct loop *l, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&l->lock);
	if (l->n_posts == l->cap_posts) {
		l->cap_posts = l->cap_posts ? 2 * l->cap_posts : 16;
		l->posts = mem_grow(l->posts, l->cap_posts, sizeof(*l->posts));
	}
	l->posts[l->n_posts++] = (struct post){ fn, arg };
	pthread_mutex_unlock(&l->lock);
	if (!l->is_simulated)
		uv_async_send(&l->posted);
}

void *loop_keep(struct loop *l, const void *key, void *(*make)(void), void (*drop)(void *thing))
{
	struct kept *k = l->kept;

	while (k && k->key != key)
		k = k->next;
	if (!k) {
		k = MEM_NEW(struct kept);
		*k = (struct kept){ l->kept, key, make(), drop };
		l->kept = k;
	}
	return k->thing;
}

void *loop_uv(struct loop *l)
{
	return l->is_simulated ? NULL : &l->uv;
}

void timer_init(struct timer *t, struct loop *l, void (*fn)(void *arg), void *arg)
{
	*t = (struct timer){ .loop = l, .fn = fn, .arg = arg };
}

static void timer_set(struct timer *t, int64_t delay_ms, int64_t every_ms)
{
	struct loop *l = t->loop;

	assert(loop_is_mine(l));
	if (t->slot)
		heap_remove(l, t);
	t->due_us = loop_now_us(l) + MAX(delay_ms, (int64_t)0) * 1000;
	t->every_us = every_ms * 1000;
	heap_add(l, t);
	if (t->slot == 1)
		tell_uv(l);
}

void timer_start(struct timer *t, int64_t delay_ms)
{
	timer_set(t, delay_ms, 0);
}

void timer_start_every(struct timer *t, int64_t period_ms)
{
	int64_t period = MAX(period_ms, (int64_t)1);

	timer_set(t, period, period);
}

void timer_stop(struct timer *t)
{
	if (t->slot == 0)
		return;
	assert(loop_is_mine(t->loop));
	heap_remove(t->loop, t);
	if (t->loop->n_timers == 0)
		tell_uv(t->loop);
}

bool timer_is_running(const struct timer *t)
{
	return t->slot != 0;
}
