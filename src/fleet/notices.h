/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * notices: keeps what the user was told (EVENT_NOTICE) in the records, the newest 2000 of it.
 *
 * Thread: loop.
 */

#pragma once

struct bus;
struct loop;
struct notices;
struct store;

#define NOTICES_KEPT 2000

struct notices *notices_new(struct loop *l, struct bus *b, struct store *s);
void notices_free(struct notices *n);
