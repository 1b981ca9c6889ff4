/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/feeder.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "gcode/index.h"
#include "gcode/inflate.h"

#define WORTH_A_THREAD ((uint64_t)2 << 20)

struct piece {
	const void *bytes;
	size_t size;
};

struct gcode_feeder {
	/* set before start, then read-only */
	struct gcode_scan *scan; /* the thread's while pieces wait */
	bool has_lock, has_thread;
	pthread_t thread;

	/* protected by lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct piece pieces[GCODE_INFLATE_LAG + 1]; /* rotating */
	unsigned n_given, n_read;                   /* counts; their difference is what waits */
	bool is_over;
};

static void *feeder_main(void *arg)
{
	struct gcode_feeder *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		while (f->n_given == f->n_read && !f->is_over)
			(void)pthread_cond_wait(&f->changed, &f->lock);
		if (f->n_given == f->n_read)
			break;

		const struct piece p = f->pieces[f->n_read % ARRAY_LEN(f->pieces)];

		(void)pthread_mutex_unlock(&f->lock);
		gcode_scan_feed(f->scan, p.bytes, p.size);
		(void)pthread_mutex_lock(&f->lock);
		f->n_read++;
		(void)pthread_cond_broadcast(&f->changed);
	}
	(void)pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct gcode_feeder *gcode_feeder_start(struct gcode_scan *s, uint64_t size_expected)
{
	struct gcode_feeder *f = MEM_NEW(struct gcode_feeder);

	f->scan = s;
	if (size_expected < WORTH_A_THREAD)
		return f;
	(void)pthread_mutex_init(&f->lock, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	f->has_lock = true;
	/* Without a thread it is read where it is inflated. */
	f->has_thread = pthread_create(&f->thread, NULL, feeder_main, f) == 0;
	return f;
}

int gcode_feeder_sink(void *arg, const void *bytes, size_t size)
{
	struct gcode_feeder *f = arg;

	if (!f->has_thread) {
		gcode_scan_feed(f->scan, bytes, size);
		return 0;
	}
	if (size == 0) {
		gcode_feeder_drain(f);
		return 0;
	}
	(void)pthread_mutex_lock(&f->lock);
	f->pieces[f->n_given++ % ARRAY_LEN(f->pieces)] = (struct piece){ bytes, size };
	(void)pthread_cond_broadcast(&f->changed);
	while (f->n_given - f->n_read > GCODE_INFLATE_LAG)
		(void)pthread_cond_wait(&f->changed, &f->lock);
	(void)pthread_mutex_unlock(&f->lock);
	return 0;
}

void gcode_feeder_drain(struct gcode_feeder *f)
{
	if (!f->has_thread)
		return;
	(void)pthread_mutex_lock(&f->lock);
	while (f->n_given != f->n_read)
		(void)pthread_cond_wait(&f->changed, &f->lock);
	(void)pthread_mutex_unlock(&f->lock);
}

void gcode_feeder_stop(struct gcode_feeder *f)
{
	if (!f)
		return;
	if (f->has_thread) {
		(void)pthread_mutex_lock(&f->lock);
		f->is_over = true;
		(void)pthread_cond_broadcast(&f->changed);
		(void)pthread_mutex_unlock(&f->lock);
		(void)pthread_join(f->thread, NULL);
	}
	if (f->has_lock) {
		(void)pthread_cond_destroy(&f->changed);
		(void)pthread_mutex_destroy(&f->lock);
	}
	free(f);
}
