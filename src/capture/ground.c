/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "capture/ground.h"

#include "base/base.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/text.h"
#include "gcode/file.h"
#include "gcode/outline.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FEED_LOOK_BACK 65536
#define OUTLINE_POINTS 100 /* of a layer: enough for a map */

static bool file_is_text(const char *path)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char head[64];
	ssize_t n = fd < 0 ? -1 : read(fd, head, sizeof(head));

	return n > 0 && gcode_kind_of(head, (size_t)n) == GCODE_KIND_TEXT;
}

int ground_load(const char *path, unsigned plate, const char *mark, struct ground **ret,
                struct err *err)
{
	const struct gcode_options options = { .mark = mark, .outline_points = OUTLINE_POINTS };
	struct gcode_index *ix = NULL;
	int rc = gcode_file_index(path, plate, &options, &ix, err);
	struct gcode_box box;
	struct ground *g;

	if (rc < 0)
		return rc;
	g = MEM_NEW(struct ground);
	g->n = ix->n_layers;
	g->layers = mem_new_array(MAX(g->n, (size_t)1), sizeof(*g->layers));
	g->path = mem_str(path);
	g->is_text = file_is_text(path);
	box = gcode_index_footprint(ix, 0);
	for (size_t i = 0; i < g->n; i++) {
		const struct gcode_layer *l = &ix->layers[i];

		box.min_x = fminf(box.min_x, l->box.min_x);
		box.min_y = fminf(box.min_y, l->box.min_y);
		box.max_x = fmaxf(box.max_x, l->box.max_x);
		box.max_y = fmaxf(box.max_y, l->box.max_y);
		g->layers[i] = (struct ground_layer){ .z_mm = l->z_mm,
			                              .top_mm = l->top_mm,
			                              .byte = l->byte,
			                              .box = box,
			                              .is_relative = l->is_relative,
			                              .is_e_relative = l->is_e_relative };
	}
	for (size_t i = 0; i < ix->n_marks; i++) {
		uint32_t number = gcode_index_layer_at_byte(ix, ix->marks[i]);

		if (number > 0)
			g->layers[number - 1].is_marked = true;
	}
	g->outline = STEAL_PTR(ix->outline);
	gcode_index_free(ix);
	*ret = g;
	return 0;
}

void ground_free(struct ground *g)
{
	if (!g)
		return;
	gcode_outline_free(g->outline);
	free(g->layers);
	free(g->path);
	free(g);
}

const struct ground_layer *ground_layer(const struct ground *g, int number)
{
	return g && number >= 1 && (size_t)number <= g->n ? &g->layers[number - 1] : NULL;
}

int ground_layer_at(const struct ground *g, int64_t byte)
{
	size_t n = 0;

	if (!g || !g->is_text || byte < 0)
		return 0;
	while (n < g->n && g->layers[n].byte <= (uint64_t)byte)
		n++;
	return (int)n;
}

double ground_top(const struct ground *g, int number)
{
	const struct ground_layer *l;

	if (!g || g->n == 0 || number < 1)
		return (double)NAN;
	l = ground_layer(g, (int)MIN((size_t)number, g->n));
	return (double)l->top_mm;
}

/* The F of one line that is a move; NAN none. */
static double line_feed(const char *p, const char *end)
{
	char word[24];
	double f;
	size_t n;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (end - p < 3 || (*p | 32) != 'g' || p[1] < '0' || p[1] > '3' ||
	    (p[2] >= '0' && p[2] <= '9'))
		return (double)NAN;
	for (p += 2; p < end && *p != ';'; p++) {
		if ((*p | 32) != 'f')
			continue;
		for (n = 0; p + 1 + n < end && strchr("0123456789.", p[1 + n]) && p[1 + n]; n++) {
		}
		text_copy_n(word, sizeof(word), p + 1, n);
		return text_to_double(word, &f) && f > 0 && f < 1e6 ? f : (double)NAN;
	}
	return (double)NAN;
}

double ground_feed_in(const char *text, size_t size)
{
	const char *end = text + size;

	/* What stands behind the last line's end was not sent yet. */
	while (end > text) {
		const char *nl = memrchr(text, '\n', (size_t)(end - text));
		const char *start;
		double f;

		if (!nl || nl == text)
			break;
		start = memrchr(text, '\n', (size_t)(nl - text));
		start = start ? start + 1 : text;
		f = line_feed(start, nl);
		if (!isnan(f))
			return f;
		end = start;
	}
	return (double)NAN;
}

double ground_feed(const char *path, int64_t pos)
{
	auto_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	auto_free char *text = mem_new(FEED_LOOK_BACK);
	int64_t from = pos > FEED_LOOK_BACK ? pos - FEED_LOOK_BACK : 0;
	ssize_t n;

	if (fd < 0 || pos <= 0)
		return (double)NAN;
	n = pread(fd, text, (size_t)(pos - from), from);
	return n == pos - from ? ground_feed_in(text, (size_t)n) : (double)NAN;
}
