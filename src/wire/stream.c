/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "wire/stream.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void stream_listen(struct stream *s, const struct stream_events *events)
{
	s->events = *events;
}

void stream_write(struct stream *s, const void *bytes, size_t size)
{
	if (size > 0)
		s->ops->write(s, bytes, size);
}

size_t stream_queued(const struct stream *s)
{
	return s->ops->queued(s);
}

void stream_pause_reading(struct stream *s, bool is_paused)
{
	s->ops->pause(s, is_paused);
}

void stream_end(struct stream *s)
{
	s->ops->end(s);
}

void stream_free(struct stream *s)
{
	if (s)
		s->ops->free(s);
}

const char *stream_peer(const struct stream *s)
{
	return s->peer;
}

/* The memory pair: what one end writes stands in the other's inbox until its time has come. */

enum parcel_kind {
	PARCEL_OPENED,
	PARCEL_BYTES,
	PARCEL_CLOSED
};

struct parcel {
	struct parcel *next; /* half.first */
	int64_t due_us;
	enum parcel_kind kind;
	int code; /* of PARCEL_CLOSED */
	size_t size;
	uint8_t bytes[];
};

struct half {
	struct stream s; /* first: see stream.h */
	struct loop *loop;
	struct half *other; /* NULL once that end is freed */
	int64_t latency_ms;
	struct timer timer;
	struct parcel *first, *last;
	size_t n_waiting; /* bytes in the inbox */
	unsigned busy;    /* callbacks running: the memory stays until they return */
	bool is_paused, is_ended, is_closed, is_freed;
	bool wants_drained; /* we wrote, and the other end has not taken all of it yet */
};

static void half_aim(struct half *h)
{
	if (!h->first || h->is_freed || (h->is_paused && h->first->kind == PARCEL_BYTES))
		return;

	int64_t wait_us = h->first->due_us - loop_now_us(h->loop);

	timer_start(&h->timer, wait_us > 0 ? (wait_us + 999) / 1000 : 0);
}

static void half_send(struct half *to, enum parcel_kind kind, int code, const void *bytes,
                      size_t size)
{
	struct parcel *p = mem_new(sizeof(*p) + size);

	p->kind = kind;
	p->code = code;
	p->size = size;
	p->due_us = loop_now_us(to->loop) + (kind == PARCEL_OPENED ? 0 : to->latency_ms * 1000);
	if (size > 0)
		memcpy(p->bytes, bytes, size);
	if (to->last)
		to->last->next = p;
	else
		to->first = p;
	to->last = p;
	to->n_waiting += size;
	if (to->first == p)
		half_aim(to);
}

static void half_release(struct half *h)
{
	while (h->first) {
		struct parcel *p = h->first;

		h->first = p->next;
		free(p);
	}
	free(h);
}

static void half_close(struct half *h, int code)
{
	struct err err = { 0 };

	if (h->is_closed)
		return;
	h->is_closed = true;
	if (code)
		err_set(&err, code, "the connection to %s broke", h->s.peer);
	if (h->s.events.closed)
		h->s.events.closed(h->s.events.arg, &err);
}

static void half_deliver(struct half *h, struct parcel *p)
{
	const struct stream_events *e = &h->s.events;

	switch (p->kind) {
	case PARCEL_OPENED:
		if (e->opened)
			e->opened(e->arg);
		break;
	case PARCEL_BYTES:
		if (e->received && !h->is_closed)
			e->received(e->arg, p->bytes, p->size);
		break;
	case PARCEL_CLOSED:
		half_close(h, p->code);
		break;
	}
}

static void half_tell_drained(struct half *h)
{
	if (!h->wants_drained || h->is_freed)
		return;
	h->wants_drained = false;
	h->busy++;
	if (h->s.events.drained && !h->is_closed)
		h->s.events.drained(h->s.events.arg);
	h->busy--;
	if (h->is_freed && h->busy == 0)
		half_release(h);
}

static void half_on_time(void *arg)
{
	struct half *h = arg;
	struct parcel *p = h->first;

	if (!p)
		return;
	h->first = p->next;
	if (!h->first)
		h->last = NULL;
	h->n_waiting -= p->size;
	h->busy++;
	half_deliver(h, p);
	free(p);
	if (!h->is_freed && h->n_waiting == 0 && h->other)
		half_tell_drained(h->other);
	h->busy--;
	if (h->is_freed) {
		if (h->busy == 0)
			half_release(h);
		return;
	}
	half_aim(h);
}

static struct half *half_of(struct stream *s)
{
	return CONTAINER_OF(s, struct half, s);
}

static void half_op_write(struct stream *s, const void *bytes, size_t size)
{
	struct half *h = half_of(s);

	if (!h->other || h->is_ended || h->is_closed)
		return;
	if (h->other->n_waiting + size > (s->max_queued ? s->max_queued : STREAM_MAX_QUEUED)) {
		h->is_ended = true;
		half_send(h, PARCEL_CLOSED, -ENOBUFS, NULL, 0);
		half_send(h->other, PARCEL_CLOSED, -ECONNRESET, NULL, 0);
		return;
	}
	half_send(h->other, PARCEL_BYTES, 0, bytes, size);
	h->wants_drained = true;
}

static size_t half_op_queued(const struct stream *s)
{
	const struct half *h = (const struct half *)(const void *)s;

	return h->other ? h->other->n_waiting : 0;
}

static void half_op_pause(struct stream *s, bool is_paused)
{
	struct half *h = half_of(s);

	h->is_paused = is_paused;
	if (!is_paused)
		half_aim(h);
	else if (h->first && h->first->kind == PARCEL_BYTES)
		timer_stop(&h->timer);
}

static void half_op_end(struct stream *s)
{
	struct half *h = half_of(s);

	if (h->is_ended || h->is_closed)
		return;
	h->is_ended = true;
	if (h->other)
		half_send(h->other, PARCEL_CLOSED, 0, NULL, 0);
	half_send(h, PARCEL_CLOSED, 0, NULL, 0);
}

static void half_op_free(struct stream *s)
{
	struct half *h = half_of(s);

	timer_stop(&h->timer);
	h->is_freed = true;
	if (h->other) {
		if (!h->is_ended)
			half_send(h->other, PARCEL_CLOSED, 0, NULL, 0);
		h->other->other = NULL;
		h->other = NULL;
	}
	if (h->busy == 0)
		half_release(h);
}

static const struct stream_ops half_ops = {
	.write = half_op_write,
	.queued = half_op_queued,
	.pause = half_op_pause,
	.end = half_op_end,
	.free = half_op_free,
};

static struct half *half_new(struct loop *l, int64_t latency_ms, const char *name)
{
	struct half *h = MEM_NEW(struct half);

	h->s.ops = &half_ops;
	TEXT_SET(h->s.peer, name);
	h->loop = l;
	h->latency_ms = latency_ms;
	timer_init(&h->timer, l, half_on_time, h);
	return h;
}

void stream_pair(struct loop *l, int64_t latency_ms, struct stream **ret_a, struct stream **ret_b)
{
	struct half *a = half_new(l, latency_ms, "memory:b");
	struct half *b = half_new(l, latency_ms, "memory:a");

	a->other = b;
	b->other = a;
	half_send(a, PARCEL_OPENED, 0, NULL, 0);
	half_send(b, PARCEL_OPENED, 0, NULL, 0);
	*ret_a = &a->s;
	*ret_b = &b->s;
}
