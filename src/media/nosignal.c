/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "media/nosignal.h"

#include "base/text.h"
#include "media/draw.h"
#include "media/jpeg.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define QUALITY 80
#define LINE_MAX_BYTES 200

struct page {
	struct draw_canvas *canvas;
	float unit; /* px that 1 px is in a picture of 720 lines */
	float y;
};

static void write_centred(struct page *p, const char *text, float height, uint32_t color)
{
	float h = height * p->unit;
	struct draw_text t = {
		.x = ((float)p->canvas->width - draw_text_width(text, h)) / 2,
		.y = p->y,
		.height = h,
		.color = color,
	};

	draw_text(p->canvas, &t, text);
	p->y += 2 * h;
}

/* Up to where `text` fits into one line: behind a word, if there is a blank to break at. */
static size_t fit(const char *text, float height, float width)
{
	char line[LINE_MAX_BYTES];
	size_t best = 0;

	for (size_t n = 1; n < sizeof(line); n++) {
		char end = text[n];

		if (end != ' ' && end != '\0')
			continue;
		text_copy_n(line, sizeof(line), text, n);
		if (best > 0 && draw_text_width(line, height) > width)
			break;
		best = n;
		if (end == '\0')
			break;
	}
	return best > 0 ? best : strnlen(text, sizeof(line) - 1);
}

static void write_wrapped(struct page *p, const char *text, float height, uint32_t color)
{
	while (*text) {
		char line[LINE_MAX_BYTES];
		size_t n = fit(text, height * p->unit, 0.84F * (float)p->canvas->width);

		text_copy_n(line, sizeof(line), text, n);
		write_centred(p, line, height, color);
		text += n;
		while (*text == ' ')
			text++;
	}
}

static void draw_sign(struct page *p)
{
	float x = (float)p->canvas->width / 2, u = p->unit, y = p->y;
	uint32_t color = 0x7d8892ff;

	draw_rect(p->canvas, &(struct draw_rect){ x - 44 * u, y - 30 * u, 64 * u, 60 * u, 8 * u },
	          color);
	draw_polygon(p->canvas,
	             (const struct draw_point[]){ { x + 24 * u, y - 8 * u },
	                                          { x + 46 * u, y - 24 * u },
	                                          { x + 46 * u, y + 24 * u },
	                                          { x + 24 * u, y + 8 * u } },
	             4, color);
	draw_line(p->canvas, (struct draw_point){ x - 58 * u, y + 42 * u },
	          (struct draw_point){ x + 58 * u, y - 42 * u }, 12 * u, 0x20262cff);
	draw_line(p->canvas, (struct draw_point){ x - 58 * u, y + 42 * u },
	          (struct draw_point){ x + 58 * u, y - 42 * u }, 5 * u, 0xe0604cff);
	p->y += 110 * u;
}

static void write_since(struct page *p, int64_t since_wall_ms)
{
	char text[80], when[40];
	time_t t = (time_t)(since_wall_ms / 1000);
	struct tm tm;

	if (since_wall_ms == 0 || !localtime_r(&t, &tm))
		return;
	(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	(void)snprintf(text, sizeof(text), "last picture: %s", when);
	p->y += 10 * p->unit;
	write_centred(p, text, 13, 0x9aa5afff);
}

int nosignal_draw(const struct nosignal *n, struct frame **ret, struct err *err)
{
	bool is_sane = n->width >= 64 && n->height >= 48 && n->width <= DRAW_MAX_SIDE &&
	               n->height <= DRAW_MAX_SIDE;
	unsigned width = is_sane ? n->width : 1280, height = is_sane ? n->height : 720;
	struct page p = { .canvas = draw_canvas_new(width, height),
		          .unit = MIN((float)height / 720, (float)width / 1280) };

	draw_gradient(p.canvas, 0x2a3138ff, 0x16191dff);
	p.y = 0.30F * (float)height;
	draw_sign(&p);
	write_centred(&p, n->title, 16, 0xaab4beff);
	write_centred(&p, "no signal", 26, 0xf4f7faff);
	write_wrapped(&p, n->text, 15, 0xd4dbe2ff);
	write_since(&p, n->since_wall_ms);

	int rc = jpeg_encode_rgbx((const uint8_t *)p.canvas->pixels, width, height, QUALITY, ret,
	                          err);

	draw_canvas_free(p.canvas);
	return rc;
}
