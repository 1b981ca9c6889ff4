/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * live: still and moving pictures of cameras, for any number of viewers.
 *
 * A viewer is a watcher of its camera with a channel: a newer frame is sent when the last one is
 * with the kernel, so a slow viewer loses frames and never delays anybody. No pixel is copied: all
 * viewers' sockets read the camera's own frame. While a source stalls its viewers get a picture
 * that says so, once a second.
 *
 * Thread: loop.
 */

#pragma once

struct live;
struct web;

struct live *live_new(struct web *w);
/* Viewers are let go; snapshots waited for are refused. After the HTTP server was freed. */
void live_free(struct live *l);
