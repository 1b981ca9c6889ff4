/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_gcode: what a sliced job says about itself. */

#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/cmd.h"
#include "base/err.h"
#include "base/text.h"
#include "core/fs.h"
#include "gcode/file.h"

static const char usage[] =
	"usage: bedside gcode FILE [--json] [--plate N] [--thumbnail OUT.png]\n";

struct wish {
	const char *file, *thumbnail;
	unsigned plate;
	bool is_json;
};

/* A number with no more digits than it means; null where it is unknown. */
static json_t *number(double v, double step)
{
	return isfinite(v) ? json_real(round(v / step) * step) : json_null();
}

static json_t *text_or_null(const char *s)
{
	return s[0] ? json_string(s) : json_null();
}

static json_t *box_json(const struct gcode_box *b)
{
	if (!(b->min_x <= b->max_x))
		return json_null();
	return json_pack("[o,o,o,o]", number((double)b->min_x, 1e-3),
	                 number((double)b->min_y, 1e-3), number((double)b->max_x, 1e-3),
	                 number((double)b->max_y, 1e-3));
}

static json_t *layer_json(const struct gcode_index *ix, const struct gcode_layer *l)
{
	json_t *filament = json_array();

	for (unsigned i = 0; i < l->n_uses; i++) {
		const struct gcode_use *u = &ix->uses[l->first_use + i];

		(void)json_array_append_new(filament, json_pack("{s:i,s:o}", "tool", u->tool, "mm",
		                                                number((double)u->mm, 1e-3)));
	}
	return json_pack("{s:I,s:o,s:o,s:I,s:I,s:o,s:o,s:o,s:b}", "number", (json_int_t)l->number,
	                 "z_mm", number((double)l->z_mm, 1e-4), "height_mm",
	                 l->height_mm > 0 ? number((double)l->height_mm, 1e-4) : json_null(),
	                 "byte", (json_int_t)l->byte, "size", (json_int_t)l->size, "time_s",
	                 number(l->time_s, 1e-2), "filament", filament, "box", box_json(&l->box),
	                 "is_raft", l->is_raft);
}

static json_t *tool_json(const struct gcode_tool *t, unsigned i)
{
	return json_pack("{s:i,s:o,s:o,s:o,s:o,s:o}", "tool", (int)i, "mm_named",
	                 number(t->mm_named, 1e-2), "mm_moves", number(t->mm_moves, 1e-2), "g",
	                 number(t->g_named, 1e-2), "type", text_or_null(t->type), "colour",
	                 text_or_null(t->colour));
}

static json_t *thumbnail_json(const struct gcode_thumbnail *t)
{
	if (t->format == GCODE_PICTURE_NONE)
		return json_null();
	return json_pack("{s:s,s:i,s:i,s:I}", "format", gcode_picture_name(t->format), "width",
	                 (int)t->width, "height", (int)t->height, "size", (json_int_t)t->size);
}

static void set(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static json_t *index_json(const struct gcode_index *ix)
{
	json_t *o = json_object();
	json_t *list = json_array();

	set(o, "slicer", json_string(ix->slicer_name[0] ? ix->slicer_name : "unknown"));
	set(o, "slicer_version", text_or_null(ix->slicer_version));
	set(o, "printer_model", text_or_null(ix->printer_model));
	set(o, "bed_type", text_or_null(ix->bed_type));
	set(o, "plate", ix->plate ? json_integer(ix->plate) : json_null());
	set(o, "plates", ix->n_plates ? json_integer(ix->n_plates) : json_null());
	set(o, "layer_count", json_integer((json_int_t)ix->n_layers));
	set(o, "layer_count_named",
	    ix->n_layers_named ? json_integer(ix->n_layers_named) : json_null());
	set(o, "raft_layers", json_integer((json_int_t)ix->n_raft_layers));
	set(o, "layer_mark", json_string(gcode_marker_name(ix->marker)));
	set(o, "z_min_mm", number(ix->z_min, 1e-4));
	set(o, "z_max_mm", number(ix->z_max, 1e-4));
	set(o, "time_s", number(ix->time_s, 1e-1));
	set(o, "time_source", json_string(gcode_time_source_name(ix->time_source)));
	set(o, "filament_g", number(ix->filament_g, 1e-2));
	set(o, "is_by_object", json_boolean(ix->is_by_object));
	set(o, "is_spiral", json_boolean(ix->is_spiral));
	set(o, "box", box_json(&ix->box));
	set(o, "bytes", json_integer((json_int_t)ix->n_bytes));
	set(o, "lines", json_integer((json_int_t)ix->n_lines));
	set(o, "moves", json_integer((json_int_t)ix->n_moves));
	for (unsigned i = 0; i < ix->n_tools; i++)
		(void)json_array_append_new(list, tool_json(&ix->tools[i], i));
	set(o, "filament", list);
	list = json_array();
	for (size_t i = 0; i < ix->n_objects; i++)
		(void)json_array_append_new(list, json_string(ix->objects[i]));
	set(o, "objects", list);
	set(o, "thumbnail", thumbnail_json(&ix->thumbnail));
	list = json_array();
	for (size_t i = 0; i < ix->n_layers; i++)
		(void)json_array_append_new(list, layer_json(ix, &ix->layers[i]));
	set(o, "layers", list);
	return o;
}

static void print_duration(double s)
{
	unsigned long n = (unsigned long)(s + 0.5);

	if (n >= 3600)
		printf("%lu h ", n / 3600);
	printf("%lu min %02lu s", n / 60 % 60, n % 60);
}

static void print_filament(const struct gcode_index *ix)
{
	if (isfinite(ix->filament_g))
		printf("filament   %.2f g\n", ix->filament_g);
	for (unsigned i = 0; i < ix->n_tools; i++) {
		const struct gcode_tool *t = &ix->tools[i];

		if (!(t->mm_named > 0) && !(t->mm_moves > 0))
			continue;
		printf("  tool %-4u", i + 1);
		if (isfinite(t->mm_named))
			printf(" %.1f mm by the slicer,", t->mm_named);
		printf(" %.1f mm by the moves%s%s%s%s\n", t->mm_moves, t->type[0] ? ", " : "",
		       t->type, t->colour[0] ? " " : "", t->colour);
	}
}

static void print_text(const struct gcode_index *ix, const char *file)
{
	char size[32], lie[300];

	printf("%s: %s of G-code", file, text_size(size, sizeof(size), ix->n_bytes));
	if (ix->n_plates > 0)
		printf(", plate %u of %u", ix->plate, ix->n_plates);
	printf("\nslicer     %s %s%s\n", ix->slicer_name[0] ? ix->slicer_name : "unknown",
	       ix->slicer_version, ix->is_arc_welded ? ", through ArcWelder" : "");
	if (ix->printer_model[0])
		printf("printer    %s\n", ix->printer_model);
	printf("layers     %zu", ix->n_layers);
	if (ix->n_layers > 0)
		printf(", %.2f to %.2f mm, by %s", ix->z_min, ix->z_max,
		       gcode_marker_name(ix->marker));
	if (ix->n_raft_layers > 0)
		printf(", %zu of them raft", ix->n_raft_layers);
	if (ix->n_layers_named > 0 && ix->n_layers_named != ix->n_layers)
		printf(" (the slicer says %u)", ix->n_layers_named);
	if (gcode_index_lie(ix, lie, sizeof(lie)))
		printf("\nwrong      %s", lie);
	printf("\ntime       ");
	print_duration(ix->time_s);
	printf(", by %s\n", gcode_time_source_name(ix->time_source));
	print_filament(ix);
	if (ix->box.min_x <= ix->box.max_x)
		printf("reaches    X %.1f to %.1f, Y %.1f to %.1f mm\n", (double)ix->box.min_x,
		       (double)ix->box.max_x, (double)ix->box.min_y, (double)ix->box.max_y);
	for (size_t i = 0; i < ix->n_objects; i++)
		printf("%s %s\n", i == 0 ? "objects   " : "          ", ix->objects[i]);
	if (ix->thumbnail.format != GCODE_PICTURE_NONE)
		printf("picture    %s, %u x %u, %zu bytes\n",
		       gcode_picture_name(ix->thumbnail.format), ix->thumbnail.width,
		       ix->thumbnail.height, ix->thumbnail.size);
	if (ix->is_cut)
		printf("This job is larger than Bedside reads: what follows was left out.\n");
}

static int save_thumbnail(const struct gcode_thumbnail *t, const char *path)
{
	struct err err;

	if (t->format == GCODE_PICTURE_NONE) {
		fprintf(stderr, "bedside gcode: this job has no picture in it\n");
		return 1;
	}
	if (t->format != GCODE_PICTURE_PNG && !text_ends(path, gcode_picture_name(t->format)))
		fprintf(stderr, "bedside gcode: the picture is a %s file, whatever its name\n",
		        gcode_picture_name(t->format));
	if (fs_write_atomic(path, t->bytes, t->size, 0644, &err) < 0) {
		fprintf(stderr, "bedside gcode: %s\n", err.text);
		return 1;
	}
	return 0;
}

static bool read_wish(int argc, char **argv, struct wish *w)
{
	static const struct option options[] = { { "json", no_argument, NULL, 'j' },
		                                 { "plate", required_argument, NULL, 'p' },
		                                 { "thumbnail", required_argument, NULL, 't' },
		                                 { 0 } };
	uint64_t n;
	int c;

	optind = 1;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): before any thread */
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			w->is_json = true;
		else if (c == 't')
			w->thumbnail = optarg;
		else if (c == 'p' && text_to_u64(optarg, 10, &n) && n >= 1 && n <= 9999)
			w->plate = (unsigned)n;
		else
			return false;
	}
	if (optind + 1 != argc)
		return false;
	w->file = argv[optind];
	return true;
}

int cmd_gcode(int argc, char **argv)
{
	struct wish w = { 0 };
	struct gcode_index *ix;
	struct err err;
	int status = 0;

	if (!read_wish(argc, argv, &w)) {
		fputs(usage, stderr);
		return 2;
	}
	if (gcode_file_index(w.file, w.plate, NULL, &ix, &err) < 0) {
		fprintf(stderr, "bedside gcode: %s\n", err.text);
		return 1;
	}
	if (w.is_json) {
		json_t *o = index_json(ix);

		(void)json_dumpf(o, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(10));
		(void)fputc('\n', stdout);
		json_decref(o);
	} else {
		print_text(ix, w.file);
	}
	if (w.thumbnail)
		status = save_thumbnail(&ix->thumbnail, w.thumbnail);
	gcode_index_free(ix);
	return status;
}
