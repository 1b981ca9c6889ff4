/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/slot.h"

#include "media/frame.h"

void slot_init(struct slot *s)
{
	*s = (struct slot){ .is_taken = true };
	pthread_mutex_init(&s->lock, NULL);
}

void slot_fini(struct slot *s)
{
	frame_unref(s->newest);
	s->newest = NULL;
	pthread_mutex_destroy(&s->lock);
}

bool slot_put(struct slot *s, struct frame *f)
{
	pthread_mutex_lock(&s->lock);
	struct frame *old = s->newest;
	bool was_taken = s->is_taken;

	s->newest = f;
	s->is_taken = false;
	if (!was_taken)
		s->n_lost++;
	pthread_mutex_unlock(&s->lock);
	frame_unref(old); /* its release() is foreign code: without the lock */
	return was_taken;
}

struct frame *slot_take(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	struct frame *f = s->is_taken ? NULL : frame_ref(s->newest);

	s->is_taken = true;
	pthread_mutex_unlock(&s->lock);
	return f;
}

struct frame *slot_get(struct slot *s, int64_t since_us)
{
	pthread_mutex_lock(&s->lock);
	bool is_fresh = s->newest && s->newest->captured_us >= since_us;
	struct frame *f = is_fresh ? frame_ref(s->newest) : NULL;

	pthread_mutex_unlock(&s->lock);
	return f;
}

uint64_t slot_lost(struct slot *s)
{
	pthread_mutex_lock(&s->lock);
	uint64_t n = s->n_lost;

	pthread_mutex_unlock(&s->lock);
	return n;
}
