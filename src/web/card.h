/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * card: the pictures that stand for one a camera does not give: "no signal", why, since when.
 *
 * Drawn on the work pool, kept while they may be shown again, shared by all viewers.
 *
 * Thread: loop.
 */

#pragma once

struct camera;
struct cards;
struct picture;
struct loop;
struct work_pool;

struct cards *cards_new(struct loop *l, struct work_pool *pool);
/* Drawings under way end alone. */
void cards_free(struct cards *cs);

/* The card of the camera as it is now, a new reference; NULL: it is being drawn, ask again. */
struct picture *card_get(struct cards *cs, const struct camera *c);
