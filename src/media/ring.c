/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/ring.h"

#include "media/frame.h"

static struct frame *ring_at(const struct ring *r, unsigned i)
{
	return r->frames[(r->first + i) % RING_MAX_FRAMES];
}

static void drop_oldest(struct ring *r)
{
	struct frame *f = r->frames[r->first];

	r->frames[r->first] = NULL;
	r->first = (r->first + 1) % RING_MAX_FRAMES;
	r->n--;
	r->bytes -= f->size;
	frame_unref(f);
}

void ring_init(struct ring *r, int64_t max_age_us, unsigned max_frames, size_t max_bytes)
{
	*r = (struct ring){ .max_age_us = max_age_us,
		            .max_frames = MIN(max_frames, (unsigned)RING_MAX_FRAMES),
		            .max_bytes = max_bytes };
}

void ring_fini(struct ring *r)
{
	while (r->n > 0)
		drop_oldest(r);
}

void ring_put(struct ring *r, struct frame *f)
{
	if (r->max_frames == 0 || r->max_age_us <= 0 || f->size > r->max_bytes) {
		frame_unref(f);
		return;
	}
	ring_expire(r, f->captured_us - r->max_age_us);
	while (r->n > 0 && (r->n >= r->max_frames || r->bytes + f->size > r->max_bytes))
		drop_oldest(r);
	r->frames[(r->first + r->n) % RING_MAX_FRAMES] = f;
	r->n++;
	r->bytes += f->size;
}

struct frame *ring_first_since(const struct ring *r, int64_t not_before_us)
{
	for (unsigned i = 0; i < r->n; i++) {
		struct frame *f = ring_at(r, i);

		if (f->captured_us >= not_before_us)
			return frame_ref(f);
	}
	return NULL;
}

size_t ring_get(const struct ring *r, int64_t from_us, int64_t to_us, struct frame **ret,
                size_t max)
{
	size_t n = 0;

	for (unsigned i = 0; i < r->n && n < max; i++) {
		struct frame *f = ring_at(r, i);

		if (f->captured_us >= from_us && f->captured_us <= to_us)
			ret[n++] = frame_ref(f);
	}
	return n;
}

void ring_expire(struct ring *r, int64_t us)
{
	while (r->n > 0 && r->frames[r->first]->captured_us < us)
		drop_oldest(r);
}
