/* SPDX-License-Identifier: GPL-3.0-or-later */

#include "gcode/index.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/mem.h"
#include "gcode/outline.h"
#include "gcode/scan.h"

#define OBJECT_FALL_MM 0.5

static void box_join(struct gcode_box *a, const struct gcode_box *b)
{
	a->min_x = MIN(a->min_x, b->min_x);
	a->min_y = MIN(a->min_y, b->min_y);
	a->max_x = MAX(a->max_x, b->max_x);
	a->max_y = MAX(a->max_y, b->max_y);
}

/* What can be said only when all layers are there. */
static void layers_finish(struct gcode_index *ix, uint64_t end)
{
	unsigned object = 0;

	for (size_t i = 0; i < ix->n_layers; i++) {
		struct gcode_layer *l = &ix->layers[i];
		uint64_t next = i + 1 < ix->n_layers ? l[1].byte : MAX(end, l->byte);

		l->size = next - l->byte;
		if (i > 0 && l->z_mm < l[-1].z_mm - (float)OBJECT_FALL_MM)
			object++;
		l->object = (uint16_t)(object < UINT16_MAX ? object : UINT16_MAX);
		ix->n_raft_layers += l->is_raft;
		box_join(&ix->box, &l->box);
		ix->z_min = i == 0 ? (double)l->z_mm : MIN(ix->z_min, (double)l->z_mm);
		ix->z_max = i == 0 ? (double)l->z_mm : MAX(ix->z_max, (double)l->z_mm);
	}
	ix->is_by_object = object > 0;
}

/* Grams of one tool; NAN if its density is unknown. */
static double tool_grams(const struct gcode_tool *t)
{
	double mm = isnan(t->mm_named) ? t->mm_moves : t->mm_named;

	if (!isnan(t->g_named))
		return t->g_named;
	if (t->density > 0)
		return mm * M_PI * t->diameter_mm * t->diameter_mm / 4 * t->density / 1000;
	return mm > 0 ? (double)NAN : 0;
}

/* Figures of the slicer count alone where it gives any: start code feeds tools it does not use. */
static void filament_finish(struct gcode_index *ix)
{
	bool is_named = false;
	double sum = 0;

	for (unsigned i = 0; i < ix->n_tools; i++)
		is_named |= ix->tools[i].g_named > 0;
	for (unsigned i = 0; i < ix->n_tools; i++)
		if (!is_named || ix->tools[i].g_named > 0)
			sum += tool_grams(&ix->tools[i]);
	if (ix->n_tools > 0)
		ix->filament_g = sum;
}

int gcode_scan_end(struct gcode_scan *s, struct gcode_index **ret, struct err *err)
{
	scan_text_end(s);
	if (!s->has_gcode && s->n_moves == 0 && s->ix->slicer == GCODE_SLICER_UNKNOWN) {
		gcode_scan_free(s);
		return err_set(err, -EINVAL,
		               "this is no G-code: not one command was found in it; give the file "
		               "that the slicer exported");
	}
	layers_finish(s->ix, s->layer_end);
	filament_finish(s->ix);
	scan_times(s);
	if (s->outliner) {
		s->ix->outline = gcode_outliner_end(s->outliner);
		s->outliner = NULL;
	}
	*ret = s->ix;
	s->ix = NULL;
	gcode_scan_free(s);
	return 0;
}

int gcode_index_text(const void *text, size_t size, const struct gcode_options *options,
                     struct gcode_index **ret, struct err *err)
{
	struct gcode_scan *s = gcode_scan_new(options);

	gcode_scan_feed(s, text, size);
	return gcode_scan_end(s, ret, err);
}

void gcode_index_free(struct gcode_index *ix)
{
	if (!ix)
		return;
	for (size_t i = 0; i < ix->n_objects; i++)
		free(ix->objects[i]);
	free(ix->objects);
	free(ix->layers);
	free(ix->uses);
	free(ix->marks);
	free(ix->thumbnail.bytes);
	gcode_outline_free(ix->outline);
	free(ix);
}

const struct gcode_layer *gcode_index_layer(const struct gcode_index *ix, uint32_t number)
{
	return number >= 1 && number <= ix->n_layers ? &ix->layers[number - 1] : NULL;
}

uint32_t gcode_index_layer_at_byte(const struct gcode_index *ix, uint64_t byte)
{
	size_t low = 0;
	size_t high = ix->n_layers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ix->layers[middle].byte <= byte)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

uint32_t gcode_index_layer_at_time(const struct gcode_index *ix, double time_s)
{
	size_t low = 0;
	size_t high = ix->n_layers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ix->layers[middle].time_s <= time_s)
			low = middle + 1;
		else
			high = middle;
	}
	return (uint32_t)low;
}

uint32_t gcode_index_layer_at_z(const struct gcode_index *ix, double z_mm, double tolerance_mm)
{
	uint32_t best = 0;
	double best_mm = tolerance_mm;

	for (size_t i = 0; i < ix->n_layers; i++) {
		double off = fabs((double)ix->layers[i].z_mm - z_mm);

		if (best ? off < best_mm : off <= best_mm) {
			best = ix->layers[i].number;
			best_mm = off;
		}
	}
	return best;
}

double gcode_index_top(const struct gcode_index *ix, uint32_t number)
{
	const struct gcode_layer *l =
		gcode_index_layer(ix, (uint32_t)MIN((size_t)number, ix->n_layers));

	return l ? (double)l->top_mm : (double)NAN;
}

struct gcode_box gcode_index_footprint(const struct gcode_index *ix, uint32_t number)
{
	struct gcode_box box = { INFINITY, INFINITY, -INFINITY, -INFINITY };

	for (size_t i = 0; i < ix->n_layers && i < number; i++)
		box_join(&box, &ix->layers[i].box);
	return box;
}

bool gcode_index_lie(const struct gcode_index *ix, char *dst, size_t size)
{
	/* Some count one more or less, or without the raft; by object each is counted alone; and without
	 * marks the count is ours, of heights. */
	size_t low = ix->n_layers - MIN(ix->n_layers, ix->n_raft_layers + 1);
	bool is_count = ix->n_layers_named > 0 && ix->marker != GCODE_MARKER_NONE &&
	                !ix->is_by_object && !ix->is_cut &&
	                (ix->n_layers_named < low || ix->n_layers_named > ix->n_layers + 1);
	bool is_marks = ix->n_odd_marks > 0, is_heights = ix->n_odd_heights > 0;
	char count[100] = "", marks[100] = "", heights[100] = "";

	if (is_count)
		(void)snprintf(count, sizeof(count), "it says that it has %u layers and has %zu",
		               ix->n_layers_named, ix->n_layers);
	if (is_marks)
		(void)snprintf(marks, sizeof(marks),
		               "%s%u of its layer numbers come again or go back",
		               is_count ? "; " : "", ix->n_odd_marks);
	if (is_heights)
		(void)snprintf(
			heights, sizeof(heights),
			"%s%u of its layers are printed elsewhere than at the height it names",
			is_count || is_marks ? "; " : "", ix->n_odd_heights);
	(void)snprintf(dst, size, "%s%s%s", count, marks, heights);
	return is_count || is_marks || is_heights;
}

double gcode_index_z(const struct gcode_index *ix, uint32_t number)
{
	const struct gcode_layer *l = gcode_index_layer(ix, number);

	return l ? (double)l->z_mm : (double)NAN;
}

double gcode_index_time(const struct gcode_index *ix, uint32_t number)
{
	const struct gcode_layer *l = gcode_index_layer(ix, number);

	return l ? l->time_s : (double)NAN;
}

const char *gcode_slicer_name(enum gcode_slicer slicer)
{
	static const char *const names[] = {
		[GCODE_SLICER_UNKNOWN] = "unknown",     [GCODE_SLICER_BAMBU] = "BambuStudio",
		[GCODE_SLICER_ORCA] = "OrcaSlicer",     [GCODE_SLICER_PRUSA] = "PrusaSlicer",
		[GCODE_SLICER_SUPER] = "SuperSlicer",   [GCODE_SLICER_SLIC3R] = "Slic3r",
		[GCODE_SLICER_CURA] = "Cura",           [GCODE_SLICER_SIMPLIFY3D] = "Simplify3D",
		[GCODE_SLICER_IDEAMAKER] = "ideaMaker", [GCODE_SLICER_KISS] = "KISSlicer",
		[GCODE_SLICER_ICESL] = "IceSL",         [GCODE_SLICER_KIRI] = "Kiri:Moto",
	};

	return names[slicer];
}

const char *gcode_marker_name(enum gcode_marker marker)
{
	static const char *const names[] = {
		[GCODE_MARKER_NONE] = "rising Z",      [GCODE_MARKER_BAMBU] = "CHANGE_LAYER",
		[GCODE_MARKER_PRUSA] = "LAYER_CHANGE", [GCODE_MARKER_CURA] = "LAYER:",
		[GCODE_MARKER_S3D] = "layer, Z =",     [GCODE_MARKER_KISS] = "BEGIN_LAYER_OBJECT",
		[GCODE_MARKER_ICESL] = "<layer>",      [GCODE_MARKER_KIRI] = "--- layer",
		[GCODE_MARKER_PROGRESS] = "M73 L",
	};

	return names[marker];
}

const char *gcode_time_source_name(enum gcode_time_source source)
{
	static const char *const names[] = {
		[GCODE_TIME_MOVES] = "moves",
		[GCODE_TIME_SCALED] = "moves, scaled to the slicer's total",
		[GCODE_TIME_PROGRESS] = "M73",
		[GCODE_TIME_COMMENTS] = "slicer's times",
	};

	return names[source];
}

const char *gcode_picture_name(enum gcode_picture format)
{
	static const char *const names[] = {
		[GCODE_PICTURE_NONE] = "none",
		[GCODE_PICTURE_PNG] = "png",
		[GCODE_PICTURE_JPEG] = "jpeg",
		[GCODE_PICTURE_QOI] = "qoi",
	};

	return names[format];
}
