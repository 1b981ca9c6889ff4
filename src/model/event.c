/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "model/event.h"

#include "base/mem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void event_free(struct bus_event *e)
{
	free(e);
}

static void printer_event_free(struct bus_event *head)
{
	struct event_printer *e = CONTAINER_OF(head, struct event_printer, head);

	free(e->before);
	free(e->after);
	free(e);
}

static void *event_make(size_t size, enum event_type type, void (*fn)(struct bus_event *e))
{
	struct bus_event *e = mem_new(size);

	*e = (struct bus_event){ .type = type, .refs = 1, .free = fn };
	return e;
}

/* The pair that each event has; `head` is its first member. */
#define EVENT_PAIR(name, TYPE, free_fn)                                        \
	struct event_##name *event_new_##name(void)                            \
	{                                                                      \
		return event_make(sizeof(struct event_##name), TYPE, free_fn); \
	}                                                                      \
	const struct event_##name *event_as_##name(const struct bus_event *e)  \
	{                                                                      \
		assert(e->type == (TYPE));                                     \
		return (const struct event_##name *)(const void *)e;           \
	}

EVENT_PAIR(printer, EVENT_PRINTER, printer_event_free)
EVENT_PAIR(job, EVENT_JOB, event_free)
EVENT_PAIR(layer, EVENT_LAYER, event_free)
EVENT_PAIR(camera, EVENT_CAMERA, event_free)
EVENT_PAIR(session, EVENT_SESSION, event_free)
EVENT_PAIR(frame, EVENT_FRAME, event_free)
EVENT_PAIR(film, EVENT_FILM, event_free)
EVENT_PAIR(command, EVENT_COMMAND, event_free)
EVENT_PAIR(capture, EVENT_CAPTURE, event_free)
EVENT_PAIR(climate, EVENT_CLIMATE, event_free)
EVENT_PAIR(button, EVENT_BUTTON, event_free)
EVENT_PAIR(rig, EVENT_RIG, event_free)
EVENT_PAIR(macro, EVENT_MACRO, event_free)

const struct event_notice *event_as_notice(const struct bus_event *e)
{
	assert(e->type == EVENT_NOTICE);
	return (const struct event_notice *)(const void *)e;
}

struct event_notice *event_new_notice(int64_t wall_ms)
{
	struct event_notice *e = event_make(sizeof(*e), EVENT_NOTICE, event_free);

	id_new(e->id, wall_ms);
	e->wall_ms = wall_ms;
	return e;
}

void event_notice(struct bus *b, int64_t wall_ms, enum notice_level level, const char *topic,
                  const char *subject, const char *fmt, ...)
{
	struct event_notice *e = event_new_notice(wall_ms);
	va_list ap;

	e->level = level;
	snprintf(e->topic, sizeof(e->topic), "%s", topic);
	snprintf(e->subject, sizeof(e->subject), "%s", subject);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	bus_publish(b, &e->head);
}
