/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push: the WebSocket that keeps the page's state true.
 *
 * A snapshot on connecting, then changes, each with a sequence number counted per connection; one
 * serialisation is shared by all. Printers and cameras are compared member by member with what
 * was last said, ten times a second at most. A page that is too slow to take PUSH_MAX_QUEUED bytes
 * is told nothing more until it has read what it has, then gets a new snapshot: memory is bounded.
 *
 * Thread: loop.
 */

#pragma once

#define PUSH_MAX_QUEUED 262144
#define PUSH_HEARTBEAT_MS 10000
#define PUSH_NEWEST 50 /* films and notices in a snapshot */

struct push;
struct web;

struct push *push_new(struct web *w);
void push_free(struct push *p);

/* What no event says. */
void push_film_gone(struct push *p, const char *id);
/* A camera came, changed or went: the pages are told at once. */
void push_look(struct push *p);
void push_printer_gone(struct push *p, const char *id);
