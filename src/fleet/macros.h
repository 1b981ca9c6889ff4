/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * macros: what the macros of a print ask for, done: a picture for the session and for a capture plan
 * whose marker is the macro's name, pictures by time, the film.
 *
 * Follows EVENT_MACRO of the printers' drivers; what it does is told by EVENT_MACRO (is_over),
 * EVENT_CAPTURE and EVENT_SESSION. A print that stands still for it (parked head, film) goes on when
 * that is done, and in any case after a while: a missing picture harms less than a nozzle that rests.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"
#include "core/crypto.h"

struct bus;
struct err;
struct loop;
struct macros;

#define MACROS_FRAME_MS 15000   /* a parked head waits no longer */
#define MACROS_RENDER_MS 120000 /* nor a print that waits for its film */
/* `marker` of a capture plan that means the macro. */
#define MACROS_MARKER "TIMELAPSE_TAKE_FRAME"

struct macros_env {
	struct loop *loop;
	struct bus *bus;
	/* A picture for the session. 0: EVENT_MACRO will say when it is over; negative: there is none. */
	int (*shoot)(void *arg, const char *printer, bool is_cyclic, struct err *err);
	int (*cycle)(void *arg, const char *printer, double every_s, struct err *err);
	/* Begins a session for a print that has none; negative: it can not be. */
	int (*begin)(void *arg, const char *printer, struct err *err);
	/* Ends the session, so that its film is made. 0: the id, whose EVENT_SESSION will say that it is
	 * done; negative: there is none to wait for. */
	int (*finish)(void *arg, const char *printer, char session[ID_SIZE], struct err *err);
	/* By the capture plan. 0: EVENT_CAPTURE will say when it is over; negative: there is none. */
	int (*capture)(void *arg, const char *printer, struct err *err);
	/* The print may go on. */
	void (*go_on)(void *arg, const char *printer, bool is_film);
	void *arg;
};

struct macros *macros_new(const struct macros_env *env);
/* The printer is being removed: if it stands still, it goes on. Before its link is closed. */
void macros_forget(struct macros *m, const char *printer);
/* A print that stands still for a picture or its film goes on. */
void macros_free(struct macros *m);
