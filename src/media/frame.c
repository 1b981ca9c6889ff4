/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/frame.h"

#include "base/mem.h"

#include <assert.h>
#include <stdlib.h>

static void release_block(struct frame *f)
{
	free(f);
}

static void release_adopted(struct frame *f)
{
	free((void *)(uintptr_t)f->data); /* ours since frame_adopt(), const for the readers */
	free(f);
}

void frame_init(struct frame *f, void (*release)(struct frame *f))
{
	assert(release);
	f->release = release;
	atomic_init(&f->refs, 1);
}

struct frame *frame_new(enum frame_format format, size_t size, uint8_t **ret_bytes)
{
	/* Not cleared: the caller writes all of it, and a picture is large. */
	struct frame *f = mem_grow(NULL, sizeof(*f) + size, 1);
	uint8_t *bytes = (uint8_t *)(f + 1);

	*f = (struct frame){ .data = bytes, .size = size, .format = format };
	frame_init(f, release_block);
	*ret_bytes = bytes;
	return f;
}

struct frame *frame_adopt(enum frame_format format, uint8_t *bytes, size_t size)
{
	struct frame *f = MEM_NEW(struct frame);

	f->data = bytes;
	f->size = size;
	f->format = format;
	frame_init(f, release_adopted);
	return f;
}

struct frame *frame_ref(struct frame *f)
{
	unsigned before = atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);

	assert(before > 0);
	return f;
}

void frame_unref(struct frame *f)
{
	if (!f)
		return;

	unsigned before = atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel);

	assert(before > 0);
	if (before == 1)
		f->release(f);
}
