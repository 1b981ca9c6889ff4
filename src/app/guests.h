/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * guests: the cameras of rigs as cameras of their hub: in all lists and streams, live while somebody
 * looks.
 *
 * Thread: loop.
 */

#pragma once

struct camera_remote;
struct cameras;
struct guests;
struct hub;
struct loop;

struct guests *guests_new(struct loop *l);
/* For cameras_new(). */
const struct camera_remote *guests_remote(const struct guests *g);
void guests_start(struct guests *g, struct hub *hub, struct cameras *cameras);
/* Their cameras go; before the hub does. */
void guests_stop(struct guests *g);
/* After the cameras. NULL is allowed. */
void guests_free(struct guests *g);
