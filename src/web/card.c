/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "web/card.h"

#include "base/mem.h"
#include "base/text.h"
#include "cameras/camera.h"
#include "core/loop.h"
#include "core/work.h"
#include "media/frame.h"
#include "media/nosignal.h"
#include "web/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_CARDS 16
#define WIDTH 640
#define HEIGHT 360

struct card {
	char camera[MODEL_ID_SIZE];
	char text[320];
	struct picture *picture; /* NULL while a worker draws it */
};

struct cards {
	struct loop *loop;
	struct work_pool *pool;
	struct card cards[N_CARDS];
	unsigned next, n_drawing;
	bool is_ending;
};

struct drawing {
	struct cards *cards;
	char camera[MODEL_ID_SIZE], title[MODEL_NAME_SIZE], text[320];
	unsigned width, height;
	int64_t since_wall_ms;
	struct frame *jpeg;
};

static void draw(void *arg)
{
	struct drawing *d = arg;
	struct nosignal n = { .width = d->width,
		              .height = d->height,
		              .title = d->title,
		              .text = d->text,
		              .since_wall_ms = d->since_wall_ms };

	if (nosignal_draw(&n, &d->jpeg, NULL) < 0)
		d->jpeg = NULL;
}

static struct card *find(struct cards *cs, const char *camera, const char *text)
{
	for (size_t i = 0; i < N_CARDS; i++) {
		struct card *c = &cs->cards[i];

		if (strcmp(c->camera, camera) == 0 && strcmp(c->text, text) == 0)
			return c;
	}
	return NULL;
}

static void is_drawn(void *arg)
{
	struct drawing *d = arg;
	struct cards *cs = d->cards;
	struct card *c = find(cs, d->camera, d->text);

	cs->n_drawing--;
	if (d->jpeg && !cs->is_ending && c && !c->picture) {
		d->jpeg->captured_us = loop_now_us(cs->loop);
		d->jpeg->captured_wall_ms = loop_wall_ms(cs->loop);
		c->picture = picture_new(d->jpeg);
	} else {
		frame_unref(d->jpeg);
	}
	free(d);
	if (cs->is_ending && cs->n_drawing == 0)
		free(cs);
}

/* Seconds as they are worth a new drawing: all up to ten, then ever fewer. */
static int64_t round_s(int64_t s)
{
	int64_t step = s < 10 ? 1 : s < 60 ? 5 : s < 600 ? 30 : 300;

	return s - s % step;
}

static void say(char *dst, size_t size, const struct cards *cs, const struct camera *c)
{
	const struct camera_status *s = camera_status(c);
	int64_t stale_s = (loop_now_us(cs->loop) - s->newest_us) / 1000000;
	const char *text = s->text[0]                      ? s->text
	                   : s->state == CAMERA_CONNECTING ? "Connecting to the camera."
	                                                   : "The camera sends no picture.";

	if (s->newest_us > 0 && stale_s > 0 && stale_s < 86400)
		snprintf(dst, size, "Stale for %lld s: %s", (long long)round_s(stale_s), text);
	else
		snprintf(dst, size, "%s", text);
}

/* As the camera's pictures, so that nothing jumps, but no larger than is read well. */
static void choose_size(struct drawing *d, const struct camera_status *s)
{
	d->width = WIDTH;
	d->height =
		s->width > 0 ? (unsigned)((uint64_t)WIDTH * s->height / s->width) & ~1U : HEIGHT;
	if (d->height < HEIGHT / 2 || d->height > 2 * WIDTH)
		d->height = HEIGHT;
}

struct picture *card_get(struct cards *cs, const struct camera *c)
{
	const struct camera_config *config = camera_config(c);
	char text[320];
	struct card *card;

	say(text, sizeof(text), cs, c);
	card = find(cs, config->id, text);
	if (card)
		return card->picture ? picture_ref(card->picture) : NULL;

	struct drawing *d = MEM_NEW(struct drawing);

	card = &cs->cards[cs->next];
	cs->next = (cs->next + 1) % N_CARDS;
	picture_unref(card->picture);
	card->picture = NULL;
	TEXT_SET(card->camera, config->id);
	TEXT_SET(card->text, text);
	d->cards = cs;
	TEXT_SET(d->camera, config->id);
	TEXT_SET(d->title, config->name);
	TEXT_SET(d->text, text);
	d->since_wall_ms = camera_status(c)->newest_wall_ms;
	choose_size(d, camera_status(c));
	cs->n_drawing++;
	work_submit(cs->pool, draw, is_drawn, d);
	return NULL;
}

struct cards *cards_new(struct loop *l, struct work_pool *pool)
{
	struct cards *cs = MEM_NEW(struct cards);

	cs->loop = l;
	cs->pool = pool;
	return cs;
}

void cards_free(struct cards *cs)
{
	if (!cs)
		return;
	for (size_t i = 0; i < N_CARDS; i++)
		picture_unref(cs->cards[i].picture);
	memset(cs->cards, 0, sizeof(cs->cards));
	cs->is_ending = true;
	if (cs->n_drawing == 0)
		free(cs);
}
