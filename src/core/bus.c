/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "core/bus.h"

#include "base/mem.h"
#include "core/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

struct queued {
	struct bus_event *event;
	struct queued *next;
};

struct bus {
	struct loop *loop;
	struct bus_listener *listeners;
	struct bus_listener *next_to_hear; /* kept valid when a listener leaves in mid-delivery */
	struct queued *first, *last;
	bool is_posted;
	bool is_dead; /* freed while a delivery was posted or running */
	bool is_delivering;
};

struct bus *bus_new(struct loop *l)
{
	struct bus *b = MEM_NEW(struct bus);

	b->loop = l;
	return b;
}

static void drop_queue(struct bus *b)
{
	while (b->first) {
		struct queued *q = b->first;

		b->first = q->next;
		bus_event_unref(q->event);
		free(q);
	}
	b->last = NULL;
}

void bus_free(struct bus *b)
{
	if (!b)
		return;
	drop_queue(b);
	b->is_dead = true;
	b->listeners = NULL;
	b->next_to_hear = NULL;
	if (!b->is_posted && !b->is_delivering)
		free(b);
}

static void deliver(void *arg)
{
	struct bus *b = arg;

	b->is_posted = false;
	b->is_delivering = true;
	while (b->first && !b->is_dead) {
		struct queued *q = b->first;

		b->first = q->next;
		if (!b->first)
			b->last = NULL;
		for (struct bus_listener *li = b->listeners; li; li = b->next_to_hear) {
			b->next_to_hear = li->next;
			li->heard(li->arg, q->event);
		}
		bus_event_unref(q->event);
		free(q);
	}
	b->is_delivering = false;
	if (b->is_dead)
		free(b);
}

void bus_listen(struct bus *b, struct bus_listener *li,
                void (*heard)(void *arg, const struct bus_event *e), void *arg)
{
	assert(!li->bus);
	li->bus = b;
	li->heard = heard;
	li->arg = arg;
	DL_APPEND(b->listeners, li);
}

void bus_unlisten(struct bus_listener *li)
{
	struct bus *b = li->bus;

	if (!b)
		return;
	if (b->next_to_hear == li)
		b->next_to_hear = li->next;
	DL_DELETE(b->listeners, li);
	li->bus = NULL;
}

void bus_publish(struct bus *b, struct bus_event *e)
{
	assert(e->refs == 1 && loop_is_mine(b->loop));

	struct queued *q = MEM_NEW(struct queued);

	q->event = e;
	if (b->last)
		b->last->next = q;
	else
		b->first = q;
	b->last = q;
	if (!b->is_posted && !b->is_delivering) {
		b->is_posted = true;
		loop_post(b->loop, deliver, b);
	}
}

struct bus_event *bus_event_ref(const struct bus_event *e)
{
	struct bus_event *mine =
		(struct bus_event *)(uintptr_t)e; /* listeners may not write, we may count */

	mine->refs++;
	return mine;
}

void bus_event_unref(struct bus_event *e)
{
	if (!e)
		return;
	assert(e->refs > 0);
	if (--e->refs == 0)
		e->free(e);
}
