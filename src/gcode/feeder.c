/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/feeder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "gcode/index.h"

#define SLOTS 4
#define SLOT_SIZE ((size_t)256 << 10)
#define WORTH_A_THREAD ((uint64_t)2 << 20)

struct slot {
	size_t size;
	char *bytes; /* SLOT_SIZE */
};

struct gcode_feeder {
	/* set before start, then read-only */
	struct gcode_scan *scan; /* the thread's while slots are filled */
	bool has_thread;
	pthread_t thread;

	/* protected by lock; a slot's bytes belong to who is to fill or to empty it */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot slots[SLOTS];
	unsigned filled, emptied; /* counts; their difference is what waits */
	bool is_over;
};

static void *feeder_main(void *arg)
{
	struct gcode_feeder *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	for (;;) {
		while (f->filled == f->emptied && !f->is_over)
			(void)pthread_cond_wait(&f->changed, &f->lock);
		if (f->filled == f->emptied)
			break;

		const struct slot *slot = &f->slots[f->emptied % SLOTS];

		(void)pthread_mutex_unlock(&f->lock);
		gcode_scan_feed(f->scan, slot->bytes, slot->size);
		(void)pthread_mutex_lock(&f->lock);
		f->emptied++;
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
	for (unsigned i = 0; i < SLOTS; i++)
		f->slots[i].bytes = mem_new(SLOT_SIZE);
	/* Without a thread it is read where it is inflated. */
	f->has_thread = pthread_create(&f->thread, NULL, feeder_main, f) == 0;
	return f;
}

static void hand_over(struct gcode_feeder *f, const char *bytes, size_t size)
{
	(void)pthread_mutex_lock(&f->lock);
	while (f->filled - f->emptied == SLOTS)
		(void)pthread_cond_wait(&f->changed, &f->lock);

	struct slot *slot = &f->slots[f->filled % SLOTS];

	(void)pthread_mutex_unlock(&f->lock);
	memcpy(slot->bytes, bytes, size);
	slot->size = size;
	(void)pthread_mutex_lock(&f->lock);
	f->filled++;
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

int gcode_feeder_sink(void *arg, const void *bytes, size_t size)
{
	struct gcode_feeder *f = arg;

	if (!f->has_thread) {
		gcode_scan_feed(f->scan, bytes, size);
		return 0;
	}
	for (size_t at = 0; at < size; at += SLOT_SIZE)
		hand_over(f, (const char *)bytes + at, MIN(SLOT_SIZE, size - at));
	return 0;
}

void gcode_feeder_drain(struct gcode_feeder *f)
{
	if (!f->has_thread)
		return;
	(void)pthread_mutex_lock(&f->lock);
	while (f->filled != f->emptied)
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
	for (unsigned i = 0; i < SLOTS; i++)
		free(f->slots[i].bytes);
	if (f->slots[0].bytes) {
		(void)pthread_cond_destroy(&f->changed);
		(void)pthread_mutex_destroy(&f->lock);
	}
	free(f);
}
