/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * bus: events go up from the rooms below to whoever listens above.
 *
 * Events are queued and delivered when the current callback has returned, in the order of
 * publishing: no listener is re-entered, and none frees an object under another's feet. What
 * events there are says model/event.h; the bus only carries them.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

struct bus;
struct loop;

/* First member of every event. */
struct bus_event {
	uint32_t type;
	unsigned refs; /* the bus's; listeners that keep an event past their call take one */
	void (*free)(struct bus_event *e);
};

/* Embedded in its owner, zeroed before first use. */
struct bus_listener {
	struct bus *bus;
	void (*heard)(void *arg, const struct bus_event *e);
	void *arg;
	struct bus_listener *prev, *next; /* bus.listeners */
};

struct bus *bus_new(struct loop *l);
/* Events still queued are dropped. */
void bus_free(struct bus *b);

void bus_listen(struct bus *b, struct bus_listener *li,
                void (*heard)(void *arg, const struct bus_event *e), void *arg);
/* From here on `heard` is not called again. Allowed inside `heard`, and for one never listening. */
void bus_unlisten(struct bus_listener *li);

/* Takes the event, whose `refs` must be 1. */
void bus_publish(struct bus *b, struct bus_event *e);

struct bus_event *bus_event_ref(const struct bus_event *e);
void bus_event_unref(struct bus_event *e);
