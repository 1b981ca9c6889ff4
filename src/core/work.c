/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/work.h"

#include "base/mem.h"
#include "core/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct work {
	struct work_pool *pool;
	void (*run)(void *arg);
	void (*done)(void *arg);
	void *arg;
	struct work *next;
};

struct work_pool {
	struct loop *loop;
	unsigned n_threads;
	pthread_t *threads;
	size_t n_pending; /* loop only */

	pthread_mutex_t lock; /* a leaf */
	pthread_cond_t changed;
	struct work *first, *last;             /* protected by lock */
	struct work *finished, *last_finished; /* protected by lock */
	bool is_posted;                        /* protected by lock: reap() is on its way */
	bool is_ending;                        /* protected by lock */
};

/* Takes what is finished; completions are called without the lock. */
static void reap(void *arg)
{
	struct work_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	struct work *w = p->finished;

	p->finished = p->last_finished = NULL;
	p->is_posted = false;
	pthread_mutex_unlock(&p->lock);
	while (w) {
		struct work *next = w->next;

		p->n_pending--;
		if (w->done)
			w->done(w->arg);
		free(w);
		w = next;
	}
}

static void finish(struct work_pool *p, struct work *w)
{
	bool must_post;

	w->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (p->last_finished)
		p->last_finished->next = w;
	else
		p->finished = w;
	p->last_finished = w;
	must_post = !p->is_posted && !p->is_ending;
	if (must_post) {
		p->is_posted = true;
		/* Under the lock, so that work_pool_free() cannot pass us by: loop.lock is a leaf. */
		loop_post(p->loop, reap, p);
	}
	pthread_mutex_unlock(&p->lock);
}

static void *worker(void *arg)
{
	struct work_pool *p = arg;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->first && !p->is_ending)
			pthread_cond_wait(&p->changed, &p->lock);
		if (!p->first)
			break;

		struct work *w = p->first;

		p->first = w->next;
		if (!p->first)
			p->last = NULL;
		pthread_mutex_unlock(&p->lock);
		w->run(w->arg);
		finish(p, w);
		pthread_mutex_lock(&p->lock);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* Signals belong to the loop's thread. */
static void start_thread(struct work_pool *p, unsigned i, const char *name)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);

	int rc = pthread_create(&p->threads[i], NULL, worker, p);

	assert(rc == 0);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_setname_np(p->threads[i], name);
}

struct work_pool *work_pool_new(struct loop *l, const char *name, unsigned n_threads)
{
	struct work_pool *p = MEM_NEW(struct work_pool);

	p->loop = l;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->changed, NULL);
	p->n_threads = loop_is_simulated(l) ? 0 : n_threads;
	p->threads = mem_new_array(p->n_threads, sizeof(*p->threads));
	for (unsigned i = 0; i < p->n_threads; i++)
		start_thread(p, i, name);
	return p;
}

static void free_pool(void *arg)
{
	struct work_pool *p = arg;

	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->changed);
	free(p->threads);
	free(p);
}

void work_pool_free(struct work_pool *p)
{
	if (!p)
		return;
	/* Completions may submit more: go on until nothing is left. */
	while (p->n_pending > 0) {
		pthread_mutex_lock(&p->lock);
		bool is_idle = !p->finished;
		pthread_mutex_unlock(&p->lock);
		if (is_idle && p->n_threads > 0) {
			struct timespec nap = { .tv_nsec = 1000000 };

			nanosleep(&nap, NULL);
		}
		reap(p);
	}
	pthread_mutex_lock(&p->lock);
	p->is_ending = true;
	pthread_cond_broadcast(&p->changed);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	/* A reap() may still be queued on the loop: it must find the pool. */
	loop_post(p->loop, free_pool, p);
}

void work_submit(struct work_pool *p, void (*run)(void *arg), void (*done)(void *arg), void *arg)
{
	struct work *w = MEM_NEW(struct work);

	assert(loop_is_mine(p->loop));
	*w = (struct work){ .pool = p, .run = run, .done = done, .arg = arg };
	p->n_pending++;
	if (p->n_threads == 0) {
		run(arg);
		finish(p, w);
		return;
	}
	pthread_mutex_lock(&p->lock);
	if (p->last)
		p->last->next = w;
	else
		p->first = w;
	p->last = w;
	pthread_cond_signal(&p->changed);
	pthread_mutex_unlock(&p->lock);
}

size_t work_pending(const struct work_pool *p)
{
	return p->n_pending;
}
