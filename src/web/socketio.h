/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * socketio: rigs of the original program (a Raspberry Pi client in Python) report to this hub, too: its
 * login, its polling and WebSocket, its events. Off unless `web.socketio` is on.
 *
 * A rig is an account: operator or administrator. What it tells is the newest only and is kept in
 * memory; readings become places, named as the account. Orders come back as its events.
 *
 * Thread: loop.
 */

#pragma once

#include "base/base.h"

#include <jansson.h>

struct err;
struct http_bytes;
struct socketio;
struct web;

#define SOCKETIO_ID "sio-" /* begins the id of such a rig */

struct socketio *socketio_new(struct web *w);
/* Tells all of them, and lets them go. NULL is allowed. */
void socketio_free(struct socketio *s);

/* A query of one who has a session: its `sid`. */
bool socketio_knows(const struct socketio *s, const char *query);

/* Adds those that there are, in the form of hub_rig_json(). */
void socketio_list(const struct socketio *s, json_t *rigs);
json_t *socketio_rig(const struct socketio *s, const char *id); /* NULL: none of this id */
struct http_bytes *socketio_picture(const struct socketio *s, const char *id,
                                    int64_t *ret_at_wall_ms);

/* As hub_order(); `body` is the API's. */
void socketio_order(struct socketio *s, const char *id, const json_t *body,
                    void (*done)(void *arg, int rc, const char *text), void *arg);
/* Seconds of {image_delay_s, climate_delay_s, status_delay_s}; all such rigs have them together. */
void socketio_set_delays(struct socketio *s, const json_t *body);
